#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""What only the calls of the server tell: what it waits for, in which order it
does things, what it does when a call fails, how long it computes.

In Python because it runs the server under strace(1), or asks the kernel how
much time it took. What the client sees is in mdpop3d/*.pop3.
"""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

DELAY = 2.0     # seconds before a refusal
SLOW = os.environ.get("SLOW") == "1"
LATE = 4        # seconds of grace for a busy machine

BIG = b"Subject: big\n\n" + b"0123456789abcde\n" * 500_000      # 8 MB


def need_logins():
    """Ends the test where nobody can log in."""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()


@test
def delay_from_pass():
    """C30 C35 the delay counts from PASS, not from the end of the hash"""
    need_logins()
    if not shutil.which("strace"):
        raise Skip("no strace")
    # Of no password: nobody has to compute it twice.
    users = joe(stored="$6$rounds=1000000$abcdefgh$" + "x" * 86)
    out = scratch("trace") + "/trace"
    with login(users, "joe", "wrong", env={
            "ASAN_OPTIONS": "detect_leaks=0"}, wrap=[
                "strace", "-f", "-qq", "-o", out, "-e", "poll,ppoll"]) as c:
        is_(c.pass_reply, REFUSED, "C35 refused")
    with open(out) as file:
        waits = re.findall(r"poll\(NULL, 0, (?:(\d+)|\{tv_sec=(\d+), "
                           r"tv_nsec=(\d+)\})", file.read())
    first = [int(ms) if ms else int(s) * 1000 + int(ns) // 10**6
             for ms, s, ns in waits][:1]
    # None at all: the hash took longer than that.
    ok(not first or first[0] <= DELAY * 1000 - 60,
       "C30 C35 what a dear hash took is not waited for once more", waits)


@test
def dummy_hash():
    """C31 an unknown user costs a hash"""
    need_logins()
    # A dear one: beside it the rest of a session, and noise, is nothing.
    users = joe(stored=hashed("secret", "$6$rounds=400000$abcdefgh$"))
    cost = {}
    for name in ("joe", "nobody"):
        with start("-q", "-e", "-P", users.path) as c:
            c.line()
            c.cmd("USER " + name)
            c.cmd("PASS wrong")
            c.rest()
            # Instructions would be exact, but not every machine counts them.
            pid, _, usage = os.wait4(c.server.pid, 0)
            c.server.process.returncode = 0
            cost[name] = usage.ru_utime + usage.ru_stime
    with start("-q", "-e", "-P", users.path) as c:
        c.line()
        c.cmd("QUIT")
        pid, _, usage = os.wait4(c.server.pid, 0)
        c.server.process.returncode = 0
        idle = usage.ru_utime + usage.ru_stime
    ok(cost["nobody"] - idle > (cost["joe"] - idle) / 4,
       "C31 about as much as for a known one", cost, "without: %r" % idle)


@test
def read_error():
    """C88 a read error in the middle of a message"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    box = Maildir()
    path = box.add("cur", "1.big", BIG)
    box.add("cur", "2.small")
    # -s: without it a session reads every message before its greeting.
    with session(box, "-s", wrap=[
            "strace", "-f", "-qq", "-o", "/dev/null", "-P", os.fsdecode(path),
            "-e", "inject=read,pread64:error=EIO:when=9+"],
            # Its leak check would need ptrace, too.
            env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.cmd("DELE 2")
        status = c.cmd("RETR 1")
        got = c.rest()
        is_(status, b"+OK\r\n", "C88 the answer had begun")
        ok(0 < len(got) < len(BIG), "C88 a part was sent", len(got))
        ok(not got.endswith(b"\r\n.\r\n"), "C88 no final dot", got[-50:])
        c.server.wait()
        like(c.server.log(), r"(?i)i/o error|EIO|cannot read|1\.big",
             "C88 the log tells")
    is_(box.names("cur"), [b"1.big", b"2.small"], "C88 nothing is removed")


@test
def synced():
    """C109 directories are synced before the answer to QUIT"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    box = Maildir().fill(3).fill(3, "new")
    out = scratch("trace") + "/trace"
    with session(box, wrap=["strace", "-f", "-y", "-qq", "-o", out, "-e",
                            "trace=unlinkat,unlink,renameat2,rename,renameat,"
                            "fsync,fdatasync,sync,syncfs,write,send,sendto"],
                 env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.cmd("DELE 1")
        c.cmd("DELE 4")
        c.cmd("QUIT")
        c.server.wait()
    with open(out) as file:
        calls = re.findall(r"^\d+ +(\w+)\((.*)", file.read(), re.M)
    kinds = [("change" if name.startswith(("unlink", "rename")) else
              "sync" if "sync" in name else
              "answer" if "+OK" in rest else "") for name, rest in calls]
    last_change = len(kinds) - 1 - kinds[::-1].index("change")
    tail = [k for k in kinds[last_change + 1:] if k]
    is_(tail[-1:], ["answer"], "C109 the answer is the last of all", tail)
    ok("sync" in tail[:-1], "C109 fsync between the last change and it",
       kinds)


def lasted(c, least, what):
    """The server ends silently, `least` seconds after our last word."""
    began = time.monotonic()
    got = c.rest(least + 30)
    ended = time.monotonic()
    is_(got, b"", what + ": nothing is said")
    ok(ended - c.stamp >= least - 0.05 and ended - began <= least + LATE,
       what + ": after %g s" % least, "%.2f to %.2f s" % (
           ended - began, ended - c.stamp))
    is_(c.server.wait(), 0, what + ": exit status")
    like(c.server.log(), r"\] timeout \(", what + ": the log")


def poll_of(*args, seconds):
    """Does the server wait for input with this timeout of poll(2)?"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    out = scratch("trace") + "/trace"

    def asked():
        with open(out) as file:
            found = re.findall(r"poll\(.*POLLIN.*, 1, (\d+)\b", file.read())
        return [ms for ms in map(int, found)
                if seconds * 1000 - 500 < ms <= seconds * 1000]
    with start("-e", *args, wrap=["strace", "-f", "-qq", "-o", out],
               env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()
        # The call is printed when it begins.
        return wait_for(asked, 5)


@test
def default_timeout():
    """C110 the default is what was configured"""
    seconds = config("MDPOP3D_TIMEOUT")
    ok(poll_of("-a", "-m", Maildir().path, seconds=seconds),
       "C110 default of %d s" % seconds)
    ok(not poll_of("-a", "-m", Maildir().path, "-t", "7", seconds=seconds)
       if seconds != 7 else True, "C110 (and -t makes a difference)")
    if not SLOW:
        return skip("C110 by waiting for it", "SLOW=1 is not set")
    with session(Maildir()) as c:
        lasted(c, seconds, "C110 default")


@test
def default_login_time():
    """C113 a whole login has a minute at most"""
    need("FEATURE_MDPOP3D_AUTH")
    limit = config("MDPOP3D_LOGIN_TIME")
    if not SLOW:
        ok(poll_of("-t", "600", seconds=limit), "C113 -t 600: %d s" % limit)
        ok(poll_of("-t", "2", seconds=2), "C113 -t 2: the first line has 2 s")
        return
    with start("-e", "-t", "600") as c:
        c.line()
        lasted(c, limit, "C113 -t 600")


run_tests(jobs=8)
