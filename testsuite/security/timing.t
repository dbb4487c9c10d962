#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals: all alike, in their words and in their time, and who holds them.

Times are medians over many sessions, of all kinds mixed, at the same time;
a round that a busy machine has spoilt is measured again.
"""

import random
import selectors
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

DELAY = 2.0         # seconds
APART = 0.002       # that medians may be
ROUNDS = 5
TRIALS = int(os.environ.get("TRIALS", "40"))
EVERY = 0.012       # seconds between the starts of two sessions


class Attempt:
    """One session: greeting, USER, PASS, and how long its answer takes."""

    def __init__(self, server, kind, name, word):
        self.kind, self.sent, self.took = kind, None, None
        self.say = [b"USER %s\r\n" % name.encode(),
                    b"PASS %s\r\n" % word.encode()]
        self.heard = b""
        self.socket = socket.create_connection(
            (server.address, server.port))

    def step(self):
        """Something has arrived; true at the end."""
        now = time.monotonic()
        try:
            got = self.socket.recv(4096)
        except ConnectionError:
            got = b""
        self.heard += got
        if self.say and got:
            self.sent = time.monotonic()
            self.socket.sendall(self.say.pop(0))
        elif self.took is None:
            self.took = now - (self.sent or now)
        if not got:
            self.socket.close()
        return not got


def measure(server, kinds, trials):
    """Attempts of all kinds, mixed, started one after the other."""
    waiting = [(kind, *who) for kind, who in kinds.items()
               for _ in range(trials)]
    random.shuffle(waiting)
    done, selector, running = [], selectors.DefaultSelector(), 0
    due = time.monotonic()
    end = due + len(waiting) * EVERY + PATIENCE + 60
    while (waiting or running) and time.monotonic() < end:
        if waiting and time.monotonic() >= due:
            one = Attempt(server, *waiting.pop())
            selector.register(one.socket, selectors.EVENT_READ, one)
            running += 1
            due += EVERY
        left = max(0, due - time.monotonic()) if waiting else 1
        for key, _ in selector.select(left):
            one = key.data
            fd = one.socket.fileno()
            if one.step():
                selector.unregister(fd)
                running -= 1
                done.append(one)
    selector.close()
    return done


def median(values):
    values = sorted(values)
    return (values[len(values) // 2] + values[(len(values) - 1) // 2]) / 2


def medians(attempts):
    found = {}
    for one in attempts:
        found.setdefault(one.kind, []).append(one.took or 0)
    return {kind: median(times) for kind, times in found.items()}


def everybody():
    """A system with users of all kinds that may not log in."""
    today = int(time.time() // 86400)
    system = SystemUsers()
    right = hashed("right")
    system.add("joe", "right", uid=61500, maildir=False)
    system.add("bang", stored="!" + right, uid=61501, maildir=False)
    system.add("star", stored="*", uid=61502, maildir=False)
    system.add("void", stored="", uid=61503, maildir=False)
    system.add("late", "right", uid=61504, maildir=False,
               ageing="%d:0:99999:7::%d:" % (today - 9, today - 2))
    system.add("old", "right", uid=61505, maildir=False,
               ageing="%d:0:10:7:5::" % (today - 40))
    system.add("low", "right", uid=500, maildir=False)
    system.add("odd", stored="$99$salt$hash", uid=61506, maildir=False)
    # Somebody has a costlier scheme: that of the hash for nobody.
    system.add("jane", stored=hashed("right", gensalt("$y$", 1)),
               uid=61507, maildir=False)
    return system


KINDS = {
    "wrong password": ("joe", "wrong"), "unknown user": ("nosuch", "right"),
    "locked by !": ("bang", "right"), "locked by *": ("star", "right"),
    "empty hash": ("void", "right"), "expired": ("late", "right"),
    "old password": ("old", "right"), "below -M": ("low", "right"),
    "unknown scheme": ("odd", "right"), "other scheme": ("jane", "wrong"),
    "a name too long to exist": ("n" * 200, "right"),
    "a password of 200 bytes": ("joe", "w" * 200),
}


@test
def refusals():
    """C30 all refusals alike, in words and time"""
    need_logins()
    need("FEATURE_MDPOP3D_LISTEN")
    system = everybody()
    server = listener(*CALM, "-q", "-M", "1000", "-L", "4000", "-I", "4000",
                      wrap=system.wrap())
    trials = 4 if config("SANITIZE") else TRIALS
    spread_of, best = 9e9, {}
    for _ in range(ROUNDS):
        done = measure(server, KINDS, trials)
        is_(len(done), len(KINDS) * trials, "C34 all have been answered")
        texts = {one.heard for one in done}
        is_(texts, {b"+OK\r\n+OK\r\n" + REFUSED},
            "C30 the same octets for %s" % ", ".join(KINDS))
        soonest = min(one.took for one in done)
        ok(soonest >= DELAY - 0.002, "C35 none before %g s" % DELAY, soonest)
        times = medians(done)
        apart = max(times.values()) - min(times.values())
        if apart < spread_of:
            spread_of, best = apart, times
        if spread_of <= APART:
            break
    if config("SANITIZE"):
        return skip("C30 the same time", "sanitizers take theirs")
    ok(spread_of <= APART, "C30 medians of %d each: at most %g ms apart" % (
        trials, APART * 1000), {k: "%.4f" % v for k, v in best.items()})
    figure(18, "different replies to %d kinds of refusals" % len(KINDS),
           len(texts))
    figure(18, "medians of %d each, furthest apart, ms" % trials,
           "%.2f" % (spread_of * 1000))
    figure(17, "shortest time from PASS to a refusal, s", "%.3f" % soonest)


@test
def held_by_monitor():
    """C35 it is the monitor that waits"""
    need_separation()
    need_strace()
    users = joe()
    out = scratch("trace") + "/trace"
    with start("-e", "-P", users.path, via="tcp", wrap=[
            "strace", "-f", "-ttt", "-qq", "-e", "trace=network,fork,clone",
            "-o", out], env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS wrong"), REFUSED, "C35 refused")
        c.rest()
        c.server.wait()
    with open(out) as file:
        calls = re.findall(r"(?m)^(\d+) +([\d.]+) (\w+)\((.*)", file.read())
    monitor = calls[0][0]
    # The question is some thousand bytes long, the answer is one.
    asked = [float(t) for pid, t, name, rest in calls if pid != monitor and
             name in ("send", "sendto") and
             re.search(r", (\d{4,}), MSG_NOSIGNAL", rest)]
    told = [float(t) for pid, t, name, rest in calls if pid == monitor and
            name in ("send", "sendto") and
            re.search(r'^\d+, "[^"]*", 1, MSG', rest)]
    is_((len(asked), len(told)), (1, 1), "C35 one question, one answer")
    if asked and told:
        ok(told[0] - asked[0] >= DELAY - 0.01,
           "C35 the monitor's answer comes %g s later" % DELAY,
           told[0] - asked[0])
        figure(17, "from the parser's question to the monitor's answer, s",
               "%.3f" % (told[0] - asked[0]))


@test
def stopped_monitor():
    """C35 without the monitor the parser refuses nobody"""
    need_separation()
    users = joe()
    with opened("inetd", "-P", users.path) as c:
        c.cmd("USER joe")
        c.send("PASS wrong\r\n")
        ok(c.log_of.wait_log("incorrect"), "C35 it has judged")
        os.kill(c.monitor, signal.SIGSTOP)
        ok(c.quiet(DELAY + 1), "C35 while it is stopped: no answer")
        os.kill(c.monitor, signal.SIGCONT)
        is_(c.rest(), REFUSED, "C35 then it comes")


@test
def dear_hash():
    """C35 what takes longer than the delay is told by a later one"""
    need_separation()
    if config("SANITIZE"):
        raise Skip("it would take minutes")
    users = UserFile()
    setting = "$6$rounds=5000000$popboxtest$"
    users.add("joe", stored=setting + "x" * 86, maildir=False)
    for name in ("joe", "nosuch"):
        with opened("inetd", "-P", users.path) as c:
            c.cmd("USER " + name)
            began = time.monotonic()
            is_(c.cmd("PASS wrong", 60), REFUSED, "C35 %s: refused" % name)
            took = time.monotonic() - began
            ok(abs(took / DELAY - round(took / DELAY)) * DELAY < 0.1,
               "C35 %s: after a multiple of %g s" % (name, DELAY), took)


run_tests(jobs=1)
