#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test load: schedules, latencies, users, failures, the end

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test("FEATURE_POP3TEST_LOAD")

SHORT = "S: +OK\nC: NOOP\nS: +OK\nC: QUIT\nS: +OK\neof\n"


def script(text):
    path = scratch() + "/test.pop3"
    with open(path, "w") as file:
        file.write(text)
    return path


def users_file(text):
    path = scratch() + "/users"
    with open(path, "w") as file:
        file.write(text)
    return path


class Load:
    """A run with -j, taken apart."""

    def __init__(self, *args, **how):
        self.run = pop3test("load", "-j", *args, **how)
        self.status, self.err = self.run.status, self.run.err.decode()
        self.verb, self.failures, self.total = {}, [], {}
        for line in self.run.out.splitlines():
            found = json.loads(line)
            if "verb" in found:
                self.verb[found["verb"]] = found
            elif "text" in found:
                self.failures.append((found["failed"], found["text"]))
            else:
                self.total = found

    def __getattr__(self, name):
        return self.total.get(name)

    def ms(self, view, point, verb="session"):
        return self.verb[verb][view + "_ms"][point]


class Stall:
    """Lets all that a server says wait for a second, once."""

    def __init__(self, talk, at=1.5, length=1.0):
        self.first, self.at, self.length = None, at, length
        self.connected = []
        self._talk = talk

    def ends(self):
        return self.first + self.at + self.length

    def __call__(self, link):
        now = time.monotonic()
        self.first = self.first or now
        self.connected.append(now)
        plain = link.say

        def say(data):
            since = time.monotonic() - self.first - self.at
            if 0 <= since < self.length:
                time.sleep(self.length - since)
            plain(data)
        link.say = say
        self._talk(link)


@test
def against_mdpop3d():
    """closed and open loop with mdpop3d and ten users"""
    need("FEATURE_MDPOP3D_LISTEN", "FEATURE_MDPOP3D_USERFILE")
    users, text = UserFile(), "# ten of them\n\n"
    for i in range(10):
        users.add("u%d" % i, "pw %d" % i).fill(3)
        text += "u%d pw %d\n" % (i, i)
    server = listener("-b", "0", "-P", users.path)
    target = "127.0.0.1:%d" % server.port
    closed = Load("-U", users_file(text), "-d", "2", target)
    is_((closed.status, closed.failed, closed.workers), (0, 0, 10),
        "closed loop: all is well", closed.run)
    ok(closed.sessions >= 20, "closed loop: many sessions", closed.run)
    ok(2 <= closed.seconds < 10, "closed loop: for 2 s", closed.run)
    for verb, times in (("connect", 1), ("STAT", 1), ("LIST", 1),
                        ("UIDL", 1), ("RETR", 3), ("QUIT", 1),
                        ("session", 1)):
        is_(closed.verb[verb]["service_ms"]["count"],
            times * closed.sessions, "closed loop: count of " + verb)
        is_(closed.verb[verb]["errors"], 0, "closed loop: no errors")
    size = len(b"Subject: x\r\n\r\nbody\r\n")
    is_(closed.verb["RETR"]["octets"], 3 * size * closed.sessions,
        "closed loop: octets of RETR")
    ok("DELE" not in closed.verb, "closed loop: it deletes nothing")
    opened = Load("-U", users_file(text), "-d", "2", "-r", "20", target)
    is_((opened.status, opened.failed, opened.sessions), (0, 0, 40),
        "open loop: 20/s for 2 s are 40", opened.run)
    minute = Load("-U", users_file(text), "-d", "2", "-r", "90/m", target)
    is_((minute.status, minute.sessions), (0, 3), "open loop: 90 a minute",
        minute.run)
    for view in ("service", "response"):
        points = [opened.ms(view, p)
                  for p in ("p50", "p90", "p99", "p99.9", "max")]
        ok(points == sorted(points) and points[0] > 0,
           "open loop: %s times rise" % view, points)
    ok(opened.ms("response", "max") >= opened.ms("service", "p50"),
       "open loop: response is not below service")


def stalled(*args, stall=True):
    talk = ordinary()
    gate = Stall(talk, length=1.0 if stall else 0)
    server = Fake(gate)
    return Load("-d", "4", *args, script(SHORT), server.target), gate


@test
def open_loop_stall():
    """a stall of 1 s shows at p99.9: open loop"""
    run, gate = stalled("-r", "50", "-n", "60")
    is_((run.status, run.failed), (0, 0), "open: it is no failure", run.run)
    is_(run.sessions, 200, "open: 50/s for 4 s", run.run)
    ok(run.ms("response", "p99.9") >= 900, "open: response at p99.9",
       run.run)
    ok(run.ms("service", "p50") < 100, "open: the median is good", run.run)
    # Sessions were due all the time: a second of 4 is 25 %.
    ok(run.ms("response", "p90") >= 300, "open: it shows at p90 already",
       run.run)


@test
def closed_loop_stall():
    """a stall of 1 s shows at p99.9: closed loop"""
    run, gate = stalled("-n", "2")
    is_((run.status, run.failed), (0, 0), "closed: it is no failure",
        run.run)
    ok(run.ms("response", "p99.9") >= 900, "closed: response at p99.9",
       run.run)
    ok(run.ms("service", "max") >= 900, "closed: service max", run.run)
    ok(run.ms("service", "p50") < 100, "closed: the median is good",
       run.run)
    ok(run.ms("response", "p90") > 10 * run.ms("service", "p90") or
       run.ms("response", "p90") >= 100,
       "closed: what was not asked meanwhile is added", run.run)


@test
def no_stall():
    """without a stall there is none to be seen"""
    for args in (("-r", "50", "-n", "60"), ("-n", "2")):
        for _ in range(3):      # this machine may stall for a moment, too
            run, _ = stalled(*args, stall=False)
            if run.ms("response", "p99.9") < 900:
                break
        is_((run.status, run.failed), (0, 0), "no stall: all is well",
            run.run)
        ok(run.ms("response", "p99.9") < 900, "no stall: %s" % (args,),
           run.run)
    is_(run.late, 0, "no stall: a closed loop is never late", run.run)


@test
def never_bunched():
    """what a stall has held up is not made up for in a burst"""
    run, gate = stalled("-r", "100", "-n", "20")
    ok(run.late > 20, "bunches: late starts are counted", run.run)
    ok(run.latest_ms > 300, "bunches: how late they were", run.run)
    ends = gate.ends()
    after = [t for t in gate.connected if ends < t < ends + 0.4]
    # Half the interval is 5 ms; without it some 120 come at once.
    ok(len(after) <= 88, "bunches: %d sessions in 400 ms" % len(after))
    ok(len(after) >= 20, "bunches: but it catches up")
    is_(run.sessions + run.missed, 400, "bunches: all are accounted for",
        run.run)


@test
def too_few_workers():
    """late starts, and sessions that were due but never began"""
    def slow(link, args):
        time.sleep(0.2)
        return b"+OK\r\n"
    server = Fake(ordinary(NOOP=slow))
    run = Load("-d", "2", "-r", "20", "-n", "1", script(SHORT),
               server.target)
    ok(6 <= run.sessions <= 11, "few workers: they do what they can",
       run.run)
    ok(run.late >= run.sessions - 2, "few workers: late starts", run.run)
    is_(run.missed, 40 - run.sessions, "few workers: missed", run.run)
    ok(run.ms("service", "max") < 1000, "few workers: service is good",
       run.run)
    ok(run.ms("response", "p50") > 700, "few workers: response is not",
       run.run)
    ok(abs(run.verb["session"]["response_ms"]["count"] - 40) <= 1,
       "few workers: those that never began have waited, too", run.run)


@test
def other_machines():
    """--remote"""
    run = pop3test("load", "-d", "1", "192.0.2.1")
    is_((run.status, run.out), (3, b""), "remote: refused", run)
    like(run.err, r"--remote.*192\.0\.2\.1", "remote: says what to do")
    ok(run.seconds < 5, "remote: at once")
    if os.geteuid() == 0 and subprocess.run(
            ["unshare", "-n", "true"], stderr=subprocess.DEVNULL,
            check=False).returncode == 0:
        run = pop3test("load", "-d", "1", "--remote", "192.0.2.1",
                       wrap=["unshare", "-n"])
        is_(run.status, 2, "remote: tried with --remote", run)
        like(run.out, "failed: .*", "remote: and says why it failed")


@test
def usage():
    """own troubles are told apart before anything is sent"""
    server = Fake(ordinary())
    for args, text in (
            ((script("S: +OK\nC STAT\n"),), r"test\.pop3:2"),
            (("/nowhere.pop3",), "nowhere.pop3"),
            ((script(SHORT), script(SHORT)), "too much"),
            (("-U", "/nowhere"), "/nowhere: No such file"),
            (("-U", users_file("# none\n")), "no users"),
            (("-U", users_file("a b\n\nc\n")), "users:3: want a name"),
            (("-U", users_file("a b\n" + "x" * 300 + " y\n")),
             "users:2: .*too long"),
            (("--ledger", script(SHORT)), "too much"),
            (("--ledger", "-D", "delete=101"), "percentage: delete=101")):
        run = pop3test("load", "-d", "1", *args, server.target)
        is_((run.status, run.out), (3, b""), "usage: %s" % (args,), run)
        like(run.err, text, "usage: says %s" % text)
    is_(server.heard, [], "usage: nothing was sent")
    is_(pop3test("load").status, 3, "usage: no target")


def counting(logins, inside, worst):
    """A talk that notes who is logged in."""
    lock = threading.Lock()

    def talk(link):
        def login(_, args):
            link.who = logins[-1]
            with lock:
                inside[link.who] = inside.get(link.who, 0) + 1
                worst.append(inside[link.who])
            link.password = b" ".join(args)
            link.fake.removed.append((link.who, link.password))
            return b"+OK\r\n"

        def name(_, args):
            logins.append(args[0])
            link.name = args[0]
            return b"+OK\r\n"

        def enter(_, args):
            logins.append(link.name)
            return login(_, args)
        link.who = None
        try:
            ordinary(USER=name, PASS=enter)(link)
        finally:
            with lock:
                if link.who:
                    inside[link.who] -= 1
    return talk


@test
def users():
    """-U: one session for a user at a time, and all have their turn"""
    worst = []
    server = Fake(counting([], {}, worst))
    text = "# a comment\nann one two\n\nbob #3\r\ncid  x\n"
    run = Load("-U", users_file(text), "-A", "user", "-d", "1",
               server.target)
    is_((run.status, run.failed, run.workers), (0, 0, 3),
        "users: three of them", run.run)
    like(run.err, "a worker for each user", "users: it says so")
    is_(set(server.removed), {(b"ann", b"one two"), (b"bob", b"#3"),
                              (b"cid", b" x")}, "users: passwords")
    is_(max(worst), 1, "users: never two sessions for one")
    each = [sum(1 for who, _ in server.removed if who == name)
            for name in (b"ann", b"bob", b"cid")]
    ok(min(each) > 0.2 * max(each), "users: in turn", each)
    quiet = Load("-U", users_file(text), "-A", "user", "-N", "2", "-n", "2",
                 server.target)
    is_((quiet.workers, quiet.err), (2, ""), "users: more than workers")


@test
def one_user():
    """without -U there is one worker, unless -n says something else"""
    worst = []
    server = Fake(counting([], {}, worst))
    run = Load("-u", "al:pw", "-A", "user", "-d", "0.5", server.target)
    is_((run.status, run.workers, max(worst)), (0, 1, 1), "one user",
        run.run)
    many = Load("-u", "al:pw", "-A", "user", "-d", "0.5", "-n", "4",
                server.target)
    is_(many.workers, 4, "one user, -n 4")


@test
def seeds():
    """-s: the users come in the same order again"""
    text = "".join("user%d x\n" % i for i in range(9))

    def order(*args):
        server = Fake(ordinary())
        run = Load("-U", users_file(text), "-A", "user", "-n", "1", "-N",
                   "9", *args, server.target)
        is_(run.status, 0, "seed: all is well", run.run)
        return [h for h in server.heard if h.startswith(b"USER")], run.seed
    one, seed = order("-s", "77")
    is_(seed, 77, "seed: is told")
    is_(order("-s", "77")[0], one, "seed: the same again")
    for other in ("76", "78"):
        ok(order("-s", other)[0] != one, "seed: another one, another order")
    some, seed = order()
    ok(seed > 0, "seed: one is chosen")
    is_(order("-s", str(seed))[0], some, "seed: which can be repeated")
    is_(len(set(some)), 9, "seed: everybody has a turn")


@test
def failures():
    """scripts that fail are counted, with their reasons"""
    text = SHORT.replace("C: NOOP", "C: STAT\nS: +OK 2\nC: NOOP")
    server = Fake(ordinary())
    run = Load("-N", "7", "-n", "3", script(text), server.target)
    is_((run.status, run.sessions, run.ok, run.failed), (1, 7, 0, 7),
        "failures: all of them", run.run)
    is_(sum(n for n, _ in run.failures), 7, "failures: counted")
    like(str(run.failures), r"\+OK 1", "failures: with what came")
    is_(run.verb["session"]["errors"], 7, "failures: in the table")
    refusing = Fake(ordinary(PASS=b"-ERR no\r\n"))
    run = Load("-u", "al:pw", "-A", "user", "-d", "5", refusing.target)
    is_((run.status, run.ok), (2, 0), "failures: nobody is let in", run.run)
    ok(run.run.seconds < 4, "failures: and it does not try for ever", run.run)
    is_(run.verb["login"]["errors"], run.sessions, "failures: of login")
    number = [0]

    def sometimes(link, args):
        number[0] += 1
        return b"-ERR no\r\n" if number[0] % 3 == 0 else b"+OK\r\n"
    run = Load("-N", "9", script(SHORT), Fake(ordinary(
        NOOP=sometimes)).target)
    is_((run.status, run.ok, run.failed), (1, 6, 3), "failures: some",
        run.run)
    is_(run.verb["NOOP"]["errors"], 3, "failures: of NOOP")
    skipping = Load("-N", "2", script("need STLS\n" + SHORT),
                    server.target)
    is_(skipping.status, 3, "failures: a script that is skipped is none",
        skipping.run)


@test
def at_most_five():
    """of many different reasons the first five are shown"""
    number = [0]

    def another(link, args):
        number[0] += 1
        return b"-ERR reason %d\r\n" % number[0]
    run = Load("-N", "9", script(SHORT), Fake(ordinary(NOOP=another)).target)
    is_((run.failed, len(run.failures)), (9, 5), "reasons", run.run)


@test
def no_service():
    """nobody listens"""
    port = free_port()
    for more in ((), ("-r", "100"), ("--ledger",)):
        run = Load("-d", "10", "-n", "3", *more, script(SHORT)
                   if "--ledger" not in more else "-4",
                   "127.0.0.1:%d" % port)
        is_((run.status, run.ok), (2, 0), "no service %s" % (more,),
            run.run)
        ok(run.run.seconds < 6, "no service: it gives up", run.run)
        like(str(run.failures), "refused", "no service: why")


@test
def counts_and_table():
    """-N, the table, -q"""
    server = Fake(ordinary())
    run = pop3test("load", "-u", "al:pw", "-A", "user", "-N", "5",
                   server.target)
    is_((run.status, run.err), (0, b""), "table: all is well", run)
    text = run.out.decode()
    like(text, r"\Aclosed loop, 1 workers, \d+\.\d{3} s, seed \d+\n"
         r"5 sessions: 5 ok, 0 failed, 0 busy, 0 cut off\n", "table: totals")
    for verb in ("connect", "greeting", "login", "STAT", "LIST", "UIDL",
                 "RETR", "QUIT", "session"):
        is_(len(re.findall(r"^%s +\d" % verb, text, re.M)), 2,
            "table: %s has service and response" % verb, run)
    like(text, r"^RETR +5 +0 +0( +\d+\.\d{3}){5}$", "table: a line")
    is_(max(map(len, text.splitlines())) <= 80, True, "table: 80 columns",
        run)
    quiet = pop3test("load", "-q", "-u", "al:pw", "-A", "user", "-N", "1",
                     server.target)
    is_((quiet.status, quiet.out, quiet.err), (0, b"", b""), "quiet")
    with open("/dev/full", "w") as full:
        run = pop3test("load", "-N", "1", script(SHORT), server.target,
                       stdout=full)
    is_(run.status, 3, "table: a full disk is no success", run)


@test
def limits():
    """-w and -c are for the response time of sessions, at p99"""
    def slow(link, args):
        time.sleep(0.3)
        return b"+OK\r\n"
    server = Fake(ordinary(NOOP=slow))
    for args, status in ((("-w", "0.1"), 1), (("-w", "30"), 0),
                         (("-w", "0.1", "-c", "0.2"), 2)):
        run = pop3test("load", "-N", "2", *args, script(SHORT),
                       server.target)
        is_(run.status, status, "limits: %s" % (args,), run)


def begin(*args):
    process = subprocess.Popen(
        [POPBOX, "pop3test", "load", *args], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)
    cleanup(process.kill)
    return process


@test
def interrupted():
    """SIGINT and SIGTERM end the workers, and what there is is shown"""
    # A terminal's SIGINT is for all of them.
    for send, number in ((os.kill, signal.SIGINT), (os.kill, signal.SIGTERM),
                         (os.killpg, signal.SIGINT)):
        server = Fake(ordinary())
        process = begin("-d", "60", "-n", "3", script(SHORT), server.target)
        wait_for(lambda: server.heard.count(b"QUIT") > 9)
        workers = children(process.pid)
        is_(len(workers), 3, "interrupted: three workers")
        send(process.pid, number)
        out, err = process.communicate(timeout=PATIENCE)
        is_((process.returncode, err), (0, b""), "interrupted: status", out)
        like(out, r"^session +\d", "interrupted: a report")
        ok(not any(os.path.exists("/proc/%d" % p) for p in workers),
           "interrupted: no worker is left")


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return list(map(int, file.read().split()))


@test
def killed():
    """a worker that crashes; workers whose parent has gone"""
    server = Fake(ordinary())
    process = begin("-d", "1.5", "-n", "2", script(SHORT), server.target)
    wait_for(lambda: server.heard.count(b"QUIT") > 9)
    os.kill(children(process.pid)[0], signal.SIGSEGV)
    out, err = process.communicate(timeout=PATIENCE)
    is_(process.returncode, 3, "crash: status", out, err)
    like(err, "worker", "crash: it is said")
    like(out, r"^session +\d", "crash: a report nevertheless")
    process = begin("-d", "60", "-n", "2", script(SHORT), server.target)
    wait_for(lambda: len(children(process.pid)) == 2)
    workers = children(process.pid)
    process.kill()
    ok(wait_for(lambda: not any(os.path.exists("/proc/%d" % p)
                                for p in workers)),
       "killed: workers do not go on alone")


@test
def hanging_servers():
    """the end comes, whatever the server does"""
    def hang(link):
        link.say(b"+OK\r\n")
        link.hear()
        time.sleep(30)
    run = Load("-d", "1", "-t", "1", "-n", "2", script(SHORT),
               Fake(hang).target)
    is_((run.status, run.ok), (2, 0), "hanging: no service", run.run)
    ok(run.run.seconds < 5, "hanging: ends", run.run)
    like(str(run.failures), "timeout", "hanging: why")

    text = "S: +OK\nC: LIST\nS: +OK\nS: ...\n"

    def drip(link):
        link.say(b"+OK\r\n")
        link.hear()
        link.say(b"+OK\r\n")
        while True:
            link.say(b"x" * 400 + b"\r\n")
            time.sleep(0.2)
    run = Load("-d", "1", "-t", "1", "-n", "2", script(text),
               Fake(drip).target)
    ok(run.run.seconds < 6, "dripping: ends", run.run)
    is_((run.cut, run.ok), (2, 0), "dripping: both are cut off", run.run)
    ok(run.status in (1, 2), "dripping: that is no success", run.run)
    ok(run.ms("service", "max") >= 2000,
       "dripping: how long it took at least", run.run)


@test
def barriers():
    """workers that wait for each other"""
    server = Fake(ordinary())
    text = "S: +OK\nbarrier all 3\nC: NOOP\nS: +OK\nC: QUIT\nS: +OK\neof\n"
    run = Load("-n", "3", "-N", "9", script(text), server.target)
    is_((run.status, run.ok), (0, 9), "barrier: three rounds of three",
        run.run)
    run = Load("-n", "2", "-N", "2", script(text), server.target)
    is_(run.status, 1, "barrier: more than there are workers", run.run)
    like(str(run.failures), "barrier all: 1 of 3 workers",
         "barrier: how many are missing")
    ok(run.run.seconds < 5, "barrier: and that is no reason to wait")
    # Two sessions for three workers: the third has nothing to do.
    run = Load("-n", "3", "-N", "2", "-t", "1", script(text), server.target)
    is_((run.status, run.failed), (1, 2), "barrier: somebody is missing",
        run.run)
    like(str(run.failures), "barrier all: 1 of 3 workers have not come",
         "barrier: how many are missing")
    ok(run.run.seconds < 8, "barrier: it does not wait for ever")


@test
def variables():
    """$i is the worker's number"""
    server = Fake(ordinary())
    text = "S: +OK\nC: USER w$i\nS: +OK\nC: QUIT\nS: +OK\neof\n"
    run = Load("-n", "3", "-d", "0.5", script(text), server.target)
    is_(run.status, 0, "$i: all is well", run.run)
    is_({h for h in server.heard if h.startswith(b"USER")},
        {b"USER w1", b"USER w2", b"USER w3"}, "$i: of three workers")


@test
def many_messages():
    """the usual session reads 100 messages at most"""
    server = Fake(ordinary([HELLO] * 130))
    run = Load("-u", "al:pw", "-A", "user", "-N", "1", server.target)
    is_((run.status, run.verb["RETR"]["service_ms"]["count"]), (0, 100),
        "130 messages", run.run)
    none = Load("-u", "al:pw", "-A", "user", "-N", "1",
                Fake(ordinary([])).target)
    is_((none.status, none.verb.get("RETR")), (0, None), "no messages",
        none.run)


@test
def exec_mode():
    """a server that is started for each session"""
    box = Maildir().fill(2)
    run = Load("-N", "3", *server_command(box))
    is_((run.status, run.ok, run.workers), (0, 3, 1), "exec", run.run)


run_tests(jobs=3)
