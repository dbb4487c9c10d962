#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits: of attempts, of bad commands, of a login's time, of lines, of
numbers, of memory, whatever a client sends and however slowly.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

BEFORE, AFTER = 3, 20       # bad commands in a row that are borne
# KB that may be needed meanwhile; sanitizers need their own.
GROWN = 16384 if config("SANITIZE") else 256
LATE = 4                    # seconds of grace for a busy machine
LONGEST = 255               # octets of a line, its end included


def many_of(c):
    """Peak memory of all the processes of a session, KB."""
    found = {}
    for pid in processes(c):
        try:
            found[pid] = c.log_of.memory("VmHWM", pid)
        except (OSError, KeyError):
            pass                # it has just ended
    return found


def grown(c, before):
    """By how much the one that needed most has grown, KB."""
    after = many_of(c)
    return max((after[pid] - before.get(pid, 0) for pid in after), default=0)


def in_transaction(box, *args):
    c = opened("inetd", "-a", "-m", box.path, *args)
    return c


# ---- lines ------------------------------------------------------------------

def one_each(lines, c, what, good=b"+OK"):
    """C26 each of these lines, and the NOOP after it, has one answer"""
    c.pump(b"".join(line + b"\r\nNOOP\r\n" for line in lines))
    wrong = []
    for line in lines:
        got = c.lines(2)
        if not re.fullmatch(rb"(\+OK|-ERR)[ -~]*\r\n", got[0]) or \
                got[1] != b"+OK\r\n":
            wrong.append((len(line), line[:20], got))
            break
    is_(wrong, [], "C26 %d %s: one answer each" % (len(lines), what))
    return wrong


@test
def line_lengths():
    """C4 C5 lines of every length up to 4096"""
    box = Maildir().fill(1)
    with in_transaction(box) as c:
        one_each([b"A" * n for n in range(4097)], c, "lengths, unknown")
        one_each([b"RETR " + b"9" * n for n in range(4092)], c,
                 "lengths, RETR and digits")
        good = bad = 0
        for n in range(4, 4097):
            c.send(b"NOOP" + b" " * (n - 4) + b"\r\nNOOP\r\n")
            got = c.line()
            fits = n + 2 <= LONGEST
            good += fits and got == b"+OK\r\n"
            bad += not fits and got.startswith(b"-ERR")
            c.line()
        is_((good, bad), (LONGEST - 2 - 3, 4096 - LONGEST + 2),
            "C4 C5 a command of %d octets is obeyed, a longer one is not" %
            LONGEST)
        for first in (b"NOOP", b"NOOP" + b" " * 200, b"STAT"):
            c.send(first)
            wait_for(lambda: unread(c) == 0, 2)
            c.send(b" " * 300)
            wait_for(lambda: unread(c) == 0, 2)
            c.send(b"\r\n")
            like(c.line(), r"\A-ERR", "C5 in three segments: no part is obeyed")
        like(c.cmd("STAT"), r"\A\+OK 1 ", "C26 and it goes on")
    figure(3, "lengths of lines tried, 0 to 4096 octets, with one answer each",
           2 * 4097)


@test
def line_lengths_before_login():
    """C4 C5 the same before the login"""
    need_logins()
    users = joe()
    with opened("inetd", "-q", "-P", users.path) as c:
        wrong = []
        # USER is answered well and ends a row of bad ones.
        for n in range(0, 4097, 1 if not config("SANITIZE") else 9):
            c.send(b"USER x\r\n" + b"A" * n + b"\r\n")
            got = c.lines(2)
            if got[0] != b"+OK\r\n" or not got[1].startswith(b"-ERR"):
                wrong.append((n, got))
                break
        is_(wrong, [], "C5 each length of line: one answer")
        fits = [n for n in range(1, 400) if c.cmd(
            b"USER " + b"n" * n)[:3] == b"+OK" or not c.cmd("USER x")]
        is_(fits, list(range(1, LONGEST - 2 - 5 + 1)),
            "C4 names up to %d octets" % (LONGEST - 7))
    figure(3, "the same before the login", 4097)


@test
def strange_lines():
    """C8 C9 NUL, bare CR and LF, 8-bit: one answer each"""
    box = Maildir().fill(1)
    lines = [b"\0", b"NOOP\0", b"NO\0OP", b"\0NOOP", b"STAT\0\r", b"\r",
             b"NOOP\r", b"\rNOOP", b"NO\rOP", b"\xff" * 200, b"\x80",
             b"NOOP\xa0", b"\xef\xbb\xbfNOOP", b"QUIT\0", b"QUIT\r",
             b"\x1b[A", b"\x7f", b" NOOP", b"\tNOOP", b"NOOP\t",
             b"GET / HTTP/1.1", b"EHLO x", b"\x16\x03\x01\x02\x00\x01"]
    with in_transaction(box) as c:
        one_each(lines, c, "strange lines")
        c.send(b"NOOP\nNOOP\nSTAT\n")
        is_(c.lines(2), [b"+OK\r\n"] * 2, "C8 a bare LF ends a line")
        like(c.line(), r"\A\+OK 1 ", "C8 the third, too")
    if config("FEATURE_MDPOP3D_AUTH") and os.geteuid() == 0:
        with opened("inetd", "-q") as c:
            for line in lines:
                c.send(b"USER x\r\n" + line + b"\r\n")
                got = c.lines(2)
                if got[0] != b"+OK\r\n" or got[1][:4] not in (
                        b"-ERR", b"+OK\r"):
                    ok(False, "C26 before the login: %r" % line, got)
                    break
            else:
                ok(True, "C26 strange lines before the login")


def endless(c, what):
    """C6 10 MB without a line end"""
    before = many_of(c)
    c.pump(b"A" * 10_000_000)
    more = grown(c, before)
    ok(more <= GROWN, "C6 %s: 10 MB without LF in at most %d KB" % (
        what, GROWN), more)
    c.send(b"\r\nCAPA\r\n")
    like(c.line(), r"\A-ERR [ -~]+\r\n", "C5 %s: one -ERR" % what)
    is_(c.line(), b"+OK\r\n", "C5 %s: and no more" % what)
    c.body()
    c.pump(b"\0" * 1_000_000 + b"\n")
    like(c.line(), r"\A-ERR", "C9 %s: a megabyte of NULs" % what)
    figure(3, "10 MB without LF, %s: memory grown by, KB" % what, more)


@test
def no_line_end():
    """C6 10 MB without LF"""
    with in_transaction(Maildir().fill(1)) as c:
        endless(c, "after the login")
    need_logins()
    with opened("inetd", "-P", joe().path) as c:
        endless(c, "before the login")


@test
def a_million_commands():
    """C114 10^6 pipelined NOOPs"""
    count = 100_000 if config("SANITIZE") else 1_000_000
    with in_transaction(Maildir().fill(1)) as c:
        c.cmd("NOOP")
        before = many_of(c)
        answers = flowed(c, b"NOOP\r\n" * 1000, count // 1000)
        is_(answers, count, "C114 %d NOOPs: as many answers" % count)
        more = grown(c, before)
        ok(more <= GROWN, "C114 in bounded memory", more)
        like(c.cmd("STAT"), r"\A\+OK 1 ", "C114 and it goes on")
        figure(16, "%d pipelined NOOPs: memory grown by, KB" % count, more)


def flowed(c, block, times):
    """Sends a block so often, reading what comes; lines of +OK."""
    seen = 0
    for _ in range(times):
        c.pump(block)
        seen += c.buf.count(b"+OK\r\n")
        del c.buf[:len(c.buf) - len(c.buf) % 5]
    end = time.monotonic() + PATIENCE
    while seen < times * 1000 and time.monotonic() < end:
        if len(c.buf) < 5 and not c._recv(PATIENCE):
            break
        seen += c.buf.count(b"+OK\r\n")
        del c.buf[:len(c.buf) - len(c.buf) % 5]
    return seen


@test
def unread_answers():
    """C114 C89 commands whose answers nobody reads, before the login"""
    need_logins()
    with opened("inetd", "-t", "1", "-P", joe().path) as c:
        before = many_of(c)
        os.set_blocking(c.fd_out, False)
        most, began = 0, time.monotonic()
        try:
            for _ in range(20_000):
                os.write(c.fd_out, b"CAPA\r\n" * 100)
                most = max(most, grown(c, before))
        except (BlockingIOError, OSError):
            pass
        os.set_blocking(c.fd_out, True)
        ok(most <= GROWN, "C114 in bounded memory", most)
        ok(wait_for(lambda: not processes(c), 4 + LATE + 3),
           "C89 ended within the time for a login")
        ok(time.monotonic() - began >= 0.9, "C89 (and not at once)")


# ---- numbers ----------------------------------------------------------------

NUMBERS = {
    b"0": False, b"-1": False, b"+1": False, b"01": True, b"001": True,
    b"00000000000000000000000000000000000000001": True, b"2": False,
    b"2147483647": False, b"2147483648": False, b"2147483649": False,
    b"4294967295": False, b"4294967296": False, b"4294967297": False,
    b"9223372036854775808": False, b"9223372036854775809": False,
    b"18446744073709551615": False, b"18446744073709551616": False,
    b"18446744073709551617": False, b"1" * 40: False, b"9" * 40: False,
    b"1" + b"0" * 39: False, b"1.0": False, b"1e0": False, b"0x1": False,
    b"1,": False, b"1;": False, b"one": False, b"\xb9": False,
    b"\xd9\xa1": False, b"1\0": False, b"1\r": False, b"--1": False,
    b"1-": False, b"-0": False, b"1_": False, b"": False, b"*": False,
    b"$": False, b"1:2": False,
}


@test
def numbers():
    """C20 C22 numbers at the edges of their types"""
    box = Maildir().fill(1)
    with in_transaction(box) as c:
        all_wrong = []
        for verb in (b"LIST", b"UIDL", b"DELE", b"RETR", b"TOP"):
            wrong = []
            for number, good in NUMBERS.items():
                tail = b" 0" if verb == b"TOP" else b""
                got = c.cmd(b"%s %s%s" % (verb, number, tail))
                if got.startswith(b"+OK") and verb in (b"RETR", b"TOP"):
                    c.body()
                elif got.startswith(b"+OK") and number == b"":
                    c.body()        # LIST and UIDL without a number
                    got = b"-ERR"
                if got.startswith(b"+OK") != good or not good and \
                        not got.startswith(b"-ERR"):
                    wrong.append((number, got))
                if verb == b"DELE":
                    c.cmd("RSET")
                c.cmd("NOOP")
            all_wrong += wrong
            is_(wrong, [], "C20 C22 %s and %d numbers" % (
                verb.decode(), len(NUMBERS)))
        wrong = [n for n in NUMBERS if b" " not in n and n.isdigit() and
                 c.multi(b"TOP 1 " + n)[0][:3] != (
                     b"+OK" if int(n) < 1 << 64 else b"-ER")]
        is_(wrong, [], "C25 lines of TOP up to 2^64 - 1")
        is_(c.cmd("LIST 4294967297"), b"-ERR no such message\r\n",
            "C22 LIST 4294967297 is not LIST 1")
    figure(4, "numbers tried with five commands each: wrong answers", "%d: %d" %
           (len(NUMBERS), len(all_wrong)))


# ---- bad commands -----------------------------------------------------------

BAD = [b"x", b"NOOP now", b"RETR 99999", b"\0", b"A" * 300, b"", b"STLS now",
       b"LIST -1", b"PASS x", b"RETR"]


@test
def bad_after_login():
    """C26 bad commands after the login"""
    box = Maildir().fill(1)
    for kind in range(len(BAD) + 1):
        lines = [BAD[(i if kind == len(BAD) else kind) % len(BAD)]
                 for i in range(60)]
        with in_transaction(box, "-q") as c:
            c.send(b"".join(line + b"\r\n" for line in lines))
            got = c.rest().count(b"-ERR")
            is_(got, AFTER + 1, "C26 after the login, %.10r: %d are answered"
                % (lines[1], AFTER + 1))
    with in_transaction(box, "-q") as c:
        for _ in range(10):
            c.send(b"x\r\n" * AFTER + b"NOOP\r\n")
            c.lines(AFTER + 1)
        is_(c.cmd("NOOP"), b"+OK\r\n", "C26 a good one ends the row")
    figure(3, "bad commands in a row until the end, after the login",
           AFTER + 1)


@test
def bad_before_login():
    """C26 bad commands before the login"""
    need_logins()
    users = joe()
    for kind in range(len(BAD)):
        with opened("inetd", "-q", "-P", users.path) as c:
            c.send(BAD[kind] + b"\r\n" + b"y\r\n" * 10)
            is_(c.rest().count(b"-ERR"), BEFORE + 1,
                "C26 before the login, %.10r: %d are answered" % (
                    BAD[kind], BEFORE + 1))
            ok(wait_for(lambda: not processes(c)), "C26 no process is left")
    figure(3, "bad commands in a row until the end, before the login",
           BEFORE + 1)


# ---- attempts ---------------------------------------------------------------

def attempts(users, wrap, most):
    """C34 how many times a session may try"""
    with opened("inetd", "-P", users.path, wrap=wrap) as c:
        c.send(b"USER joe\r\nPASS wrong\r\n" * (most + 2) +
               b"USER joe\r\nPASS secret\r\nSTAT\r\n")
        got = c.rest(PATIENCE + 2 * most)
        is_(got.count(REFUSED), most, "C34 %d attempts are answered" % most)
        unlike(got, r"\+OK \d", "C34 and then nobody gets in")
        c.server.wait()
        is_(c.server.log().count("incorrect"), most,
            "C34 as many are in the log")
        like(c.server.log(), r"\] login failed \(", "C34 and why it is over")


@test
def one_attempt():
    """C34 a failed login ends the session"""
    need_logins()
    if config("MDPOP3D_LOGIN_TRIES") not in (False, 1):
        raise Skip("MDPOP3D_LOGIN_TRIES is not 1")
    attempts(joe(), (), 1)
    figure(17, "attempts a session may make, as shipped", 1)


@test
def three_attempts():
    """C34 with MDPOP3D_LOGIN_TRIES=3 the third does"""
    need_logins()
    need("MDPOP3D_LOGIN_TRIES")
    binary, _ = variant("tries3", MDPOP3D_LOGIN_TRIES=3)
    attempts(joe(), of_build(binary), 3)
    users = joe()
    with opened("inetd", "-P", users.path, wrap=of_build(binary)) as c:
        for n in range(2):
            c.cmd("USER joe")
            is_(c.cmd("PASS wrong"), REFUSED, "C34 attempt %d of 3" % (n + 1))
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C34 the third may be right")
        like(c.cmd("STAT"), r"\A\+OK 2 ", "C34 and lets joe in")
    figure(17, "attempts with MDPOP3D_LOGIN_TRIES=3", 3)


# ---- time -------------------------------------------------------------------

def ends(c, began, seconds, what, least=None):
    """C113 a login's time is over"""
    gone = wait_for(lambda: not processes(c), seconds + 3 + LATE + 5)
    took = time.monotonic() - began
    ok(gone and (least or seconds) - 0.1 <= took <= seconds + 3 + LATE,
       "C113 %s: ended after %g s" % (what, seconds), took)
    figure(13, "a login's time with -t 1 (%s): s" % what, "%.1f" % took)


def drip(c, data, every, until):
    """A byte now and then, until the other side has gone or time is up."""
    for byte in data:
        if time.monotonic() > until or not processes(c):
            return
        try:
            os.write(c.fd_out, bytes([byte]))
        except OSError:
            return
        time.sleep(every)


@test
def slow_in():
    """C113 a login a byte at a time"""
    need_logins()
    users = joe()
    for what, data, every, seconds in (
            ("a line without an end", b"USER " + b"a" * 90, 0.15, 1),
            ("whole lines", b"USER a\r\n" * 40, 0.09, 4),
            ("commands all the time", b"CAPA\r\nUSER a\r\n" * 900, 0.002, 4)):
        began = time.monotonic()
        with opened("inetd", "-t", "1", "-P", users.path) as c:
            drip(c, data, every, began + seconds + 2)
            ends(c, began, seconds, what)
    began = time.monotonic()
    with opened("inetd", "-t", "1", "-P", users.path) as c:
        ends(c, began, 1, "nothing at all")


@test
def slow_out():
    """C113 a login whose answers are read a byte at a time"""
    need_logins()
    users = joe()
    began = time.monotonic()
    ours, theirs = tcp_pair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with start("-e", "-t", "1", "-P", users.path, via=(ours, theirs)) as c:
        c.monitor = c.server.pid
        os.set_blocking(c.fd_out, False)
        end = began + 30
        while time.monotonic() < end and processes(c):
            try:
                os.write(c.fd_out, b"CAPA\r\n" * 50)
            except OSError:
                pass
            try:
                os.read(c.fd_in, 1)
            except OSError:
                pass
            time.sleep(0.05)
        # It may take what does not fit for what is not read.
        ends(c, began, 4, "answers read byte by byte", 1)


@test
def slow_after_login():
    """C89 -t on what a client does not read"""
    box = Maildir()
    box.add("cur", "1.x", b"S: x\n\n" + b"0123456789abcde\n" * 500_000)
    began = time.monotonic()
    with in_transaction(box, "-t", "1") as c:
        c.send("RETR 1\r\n")
        ok(wait_for(lambda: not processes(c), 1 + LATE + 5),
           "C89 RETR that is never read ends")
        took = time.monotonic() - began
        ok(took >= 0.9, "C89 and not at once", took)
    figure(13, "RETR that is never read, -t 1: s", "%.1f" % took)


@test
def configured_time():
    """C113 without -t a login has the configured time"""
    need_logins()
    need_strace()
    out = scratch("trace") + "/trace"
    seconds = min(config("MDPOP3D_LOGIN_TIME"),
                  4 * config("MDPOP3D_TIMEOUT"))
    with start("-e", "-P", joe().path, "-t", "600", via="tcp", wrap=[
            "strace", "-f", "-qq", "-e", "trace=poll,ppoll", "-o", out],
            env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()

        def asked():
            with open(out) as file:
                found = re.findall(r"poll\(.*POLLIN.*, 1, (\d+)\b",
                                   file.read())
            return [int(ms) for ms in found]
        wait_for(lambda: len(asked()) > SEPARATED, 5)
        times = asked()
    limit = config("MDPOP3D_LOGIN_TIME") * 1000
    ok(times and max(times) <= limit + 3000 and min(times) <= limit,
       "C113 -t 600: who waits, waits %d s at most (the monitor 3 s more)" %
       config("MDPOP3D_LOGIN_TIME"), times)
    figure(13, "absolute time for a login as shipped, s", seconds)


run_tests(jobs=6)
