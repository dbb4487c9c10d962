#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL at any moment: no message is lost, none appears twice."""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

DELETED = (2, 4, 5)
# The sanitizers' start is slow.
STEP = 3 if config("SANITIZE") else 1


def filled():
    """Messages 1 to 3 in cur/, 4 to 6 in new/, each with its own content."""
    box = Maildir()
    for n in range(1, 7):
        box.add("cur" if n < 4 else "new", "%d.h" % n + (":2,S" if n < 4
                                                       else ""),
                b"number %d\n" % n)
    return box


def survivors(box, may_be_gone=()):
    """What is wrong with the Maildir: messages lost, doubled or spoilt."""
    left = box.contents()
    known = {n: b"number %d\n" % n for n in range(1, 7)}
    wrong = [c for c in left if c not in known.values()]
    wrong += [n for n in known if left.count(known[n]) > 1]
    wrong += [n for n in known if known[n] not in left
              and n not in may_be_gone]
    return wrong


def serves_rest(box):
    """A later session works, and removes what the first one meant to."""
    with session(box) as c:
        for line in c.multi("UIDL")[1].splitlines():
            number, uid = line.split()
            if int(uid.split(b".")[0]) in DELETED:
                c.cmd(b"DELE " + number)
        answer = c.cmd("QUIT")
        c.server.wait()
    return answer == b"+OK\r\n" and box.contents() == [
        b"number %d\n" % n for n in range(1, 7) if n not in DELETED]


@test
def between_commands():
    """C102 killed before QUIT"""
    for lines in ([], ["STAT"], ["RETR 1"], ["DELE 2", "DELE 4", "DELE 5"],
                  ["DELE 2", "RSET"], ["DELE 2", "TOP 4 0"], ["UIDL"]):
        box = filled()
        before = box.tree()
        with session(box, "-c") as c:
            for line in lines:
                c.multi(line) if line[:2] in ("RE", "TO", "UI") else (
                    c.cmd(line))
            c.server.signal(signal.SIGKILL)
            c.rest()
            c.server.wait()
        is_(box.tree(), before, "C102 killed after %s: nothing has changed" % (
            ", ".join(lines) or "login"))
    ok(serves_rest(box), "C116 and the lock is free")


KILLAT = __file__.rsplit("/", 1)[0] + "/tools/killat"


def killed_at(stop, meanwhile):
    """A session whose QUIT is killed at the given stop.

    Returns its Maildir and its answer; None when it came to its end before.
    """
    box = filled()
    begin = scratch("kill") + "/begin"
    with session(box, "-q", wrap=[KILLAT, str(stop), begin],
                 env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        for n in DELETED:
            c.cmd("DELE %d" % n)
        meanwhile(box)
        open(begin, "w").close()
        c.send("QUIT\r\n")
        answer = c.rest()
        return box if c.server.wait() == 99 else None, answer


def sweep(what, meanwhile):
    """C98 C107 killed at every stop"""
    lost, undone, stop, answered = [], [], 1, 0
    while True:
        box, answer = killed_at(stop, meanwhile)
        if box is None:
            break
        left = survivors(box, DELETED)
        if left:
            lost.append((stop, left))
        if answer == b"+OK\r\n":
            answered += 1
            if len(box.contents()) != 3:
                undone.append((stop, "answered too early"))
        if not serves_rest(box):
            undone.append((stop, box.contents()))
        stop += STEP
    is_(lost, [], "C98 C107 killed at %d stops, %s: nothing lost" % (
        (stop - 1) // STEP, what))
    is_(undone, [], "C98 the next session ends the work (%d were killed after "
        "the answer)" % answered)
    ok(stop > 10, "C98 that was all of UPDATE", stop)


def nothing(box):
    pass


def renames(box):
    """What an IMAP server may have done to a marked and another message."""
    os.rename(box.join("cur", "2.h:2,S"), box.join("cur", "2.h:2,FS"))
    os.rename(box.join("new", "4.h"), box.join("cur", "4.h:2,"))
    os.rename(box.join("new", "6.h"), box.join("cur", "6.h:2,R"))


@test
def during_update():
    """C98 C107 killed before and after every system call of UPDATE"""
    if subprocess.run([KILLAT, "1", "/nowhere", "true"], check=False,
                      capture_output=True).returncode != 98:
        raise Skip("no ptrace")
    spread(sweep, [("undisturbed", nothing), ("renamed meanwhile", renames)],
           2)


@test
def terminated():
    """C119 SIGTERM does not end an UPDATE half-way"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    for number in ("TERM", "INT", "HUP"):
        for call in ("unlink,unlinkat", "renameat2", "fsync"):
            box = filled()
            with session(box, wrap=[
                    "strace", "-f", "-qq", "-o", "/dev/null", "-e",
                    "inject=%s:signal=%s:when=1" % (call, number)],
                    env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
                for n in DELETED:
                    c.cmd("DELE %d" % n)
                c.send("QUIT\r\n")
                c.rest()
                c.server._signalled = True
                c.server.wait()
            is_((box.contents(), box.names("new")),
                ([b"number %d\n" % n for n in (1, 3, 6)], []),
                "C119 SIG%s in the first %s" % (number, call))


@test
def terminated_early():
    """C119 signals that come when the first of many messages has gone"""
    count = 800
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        box = Maildir().fill(count)
        box.add("new", "1.new.host")
        last = box.add("cur", "2.kept.host:2,S")
        first = box.join("cur", box.names("cur")[0])
        with session(box, "-q") as c:
            # Numbers 1 and 2 are those to keep.
            c.pump(b"".join(b"DELE %d\r\n" % n
                            for n in range(3, count + 3)))
            is_(set(c.lines(count)), {b"+OK\r\n"}, "C119 all are marked")
            c.send("QUIT\r\n")
            end = time.monotonic() + PATIENCE
            while os.path.exists(first) and time.monotonic() < end:
                pass
            c.server.signal(number)
            c.rest()
            ok(c.server.wait() in (0, -number), "C119 %s: it ends" %
               number.name, c.server.process.returncode)
        is_((box.names("new"), box.names("cur")),
            ([], [b"1.new.host:2,", os.path.basename(last)]),
            "C119 %s: but the work is done" % number.name)


@test
def random_moments():
    """C102 killed at any time after QUIT was sent"""
    wrong, late = [], 0
    for i in range(60):
        box = filled()
        with session(box, "-q") as c:
            for n in DELETED:
                c.cmd("DELE %d" % n)
            c.send("QUIT\r\n")
            # A pause of a few microseconds more each time.
            end = time.perf_counter() + i * 8e-6
            while time.perf_counter() < end:
                pass
            c.server.signal(signal.SIGKILL)
            late += c.rest() == b"+OK\r\n"
            c.server.wait()
        if survivors(box, DELETED):
            wrong.append((i, survivors(box, DELETED)))
    is_(wrong, [], "C102 60 kills (%d after the answer)" % late)


@test
def removed_is_removed():
    """C97 after the answer to QUIT the work is done"""
    wrong = []
    for _ in range(20):
        box = filled()
        with session(box) as c:
            for n in DELETED:
                c.cmd("DELE %d" % n)
            c.cmd("QUIT")
            c.server.signal(signal.SIGKILL)
            c.server.wait()
        if box.contents() != [b"number %d\n" % n for n in (1, 3, 6)] or (
                box.names("new")):
            wrong.append(box.contents())
    is_(wrong, [], "C97 20 sessions killed right after it")


run_tests(jobs=3)
