#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Timeouts, pipelining, signals and the ends of connections.

Clocks here are generous upwards, since a machine may be busy, and strict
downwards.  SLOW=1 adds the tests that wait for the defaults of a minute.
"""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

LATE = 4        # seconds of grace for a busy machine
SLOW = os.environ.get("SLOW") == "1"


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


@test
def idle():
    """C110 C112 silence"""
    for seconds in (1, 2):
        with session(Maildir().fill(1), "-t", str(seconds)) as c:
            lasted(c, seconds, "C110 C112 -t %d" % seconds)


@test
def long_timeout():
    """C110 -t 600, as RFC 1939 wants it"""
    with session(Maildir(), "-t", "600") as c:
        ok(c.quiet(2.5), "C110 -t 600 goes on")
        is_(c.cmd("NOOP"), b"+OK\r\n", "C110 and answers")


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


@test
def commands_reset_it():
    """C111 every command starts the time anew"""
    with session(Maildir().fill(1), "-t", "2") as c:
        for line in ("NOOP", "STAT", "xyz", "LIST 9", "UIDL 1"):
            ok(c.quiet(1), "C111 waiting before " + line)
            like(c.cmd(line), r"^[+-]", "C111 still there: " + line)
        lasted(c, 2, "C111 then silence")


@test
def clock_starts_after_answer():
    """C111 the time starts when the answer has been taken"""
    box = Maildir()
    # More than the socket takes, less than a server may hold back.
    box.add("cur", "1.x", b"A: b\n\n" + b"0123456789\n" * 1_000)
    pair = socket.socketpair()
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with session(box, "-t", "3", via=pair) as c:
        c.send("RETR 1\r\n")
        # Neither pause is as long as -t, both together are longer.
        time.sleep(2.2)
        c.line()
        c.body()
        ok(c.quiet(1.8), "C111 within -t after the end of a slow answer")
        is_(c.cmd("NOOP"), b"+OK\r\n", "C111 the session goes on")


@test
def drip_after_login():
    """C111 C113 half a line does not"""
    with session(Maildir(), "-t", "1") as c:
        began = c.stamp
        while not c.ended and time.monotonic() - began < 10:
            c.send(b"N")
            try:
                c._recv(0.2)
            except TimeoutError:
                pass
        spent = time.monotonic() - began
        ok(0.8 < spent < 1 + LATE, "C113 a byte now and then at -t 1", spent)
        is_(c.rest(), b"", "C112 nothing is said")


@test
def endless_line_ends():
    """C111 nor does a line without end"""
    with session(Maildir(), "-t", "1") as c:
        began = c.stamp
        while not c.gone and time.monotonic() - began < 10:
            c.send(b"N" * 1000)
            time.sleep(0.02)
        ok(0.8 < time.monotonic() - began < 1 + LATE,
           "C111 C6 dropped at -t 1", time.monotonic() - began)


@test
def busy_login():
    """C113 a login that is never finished, however busy"""
    need("FEATURE_MDPOP3D_AUTH")
    for line in ("CAPA\r\n", "USER x\r\n"):
        with start("-e", "-t", "1") as c:
            c.line()
            began = c.stamp
            while not c.ended and time.monotonic() - began < 15:
                c.send(line)
                try:
                    c._recv(0.3)
                    time.sleep(0.2)
                except TimeoutError:
                    pass
            spent = time.monotonic() - began
            ok(3.8 < spent < 4 + LATE, "C113 %.4s again and again at -t 1: "
               "4 s" % line, spent)
            like(c.server.log(), r"\] timeout", "C113 the log")


@test
def after_login():
    """C113 the time for the login does not count after it"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw").fill(1)
    with login(users, "joe", "pw", "-t", "1") as c:
        end = time.monotonic() + 5
        while time.monotonic() < end and c.cmd("NOOP") == b"+OK\r\n":
            time.sleep(0.3)
        is_(c.cmd("NOOP"), b"+OK\r\n", "C113 -t 1: still there after 5 s")


@test
def pipelined():
    """C114 commands sent ahead are answered in order"""
    box = Maildir().fill(3)
    lines = ["STAT", "LIST", "UIDL", "RETR 1", "TOP 2 0", "DELE 3", "DELE 3",
             "NOOP", "LIST 9", "RETR 3", "UIDL", "RSET", "CAPA", "STAT",
             "QUIT"]
    with session(box) as c:
        single = b""
        for line in lines:
            first, body = c.multi(line) if line.split()[0] in (
                "RETR", "TOP", "CAPA") or line in ("LIST", "UIDL") else (
                    c.cmd(line), None)
            single += first + (b"" if body is None else body + b".\r\n")
    with session(box) as c:
        c.send("\r\n".join(lines) + "\r\n")
        is_(c.rest(), single, "C114 the same in one segment")


@test
def pipelined_login():
    """C114 C115 USER to QUIT in one segment"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw").fill(2)
    tail = b"STAT\r\nDELE 1\r\n" + b"NOOP\r\n" * 5000 + b"RETR 2\r\nQUIT\r\n"
    text = b"CAPA\r\nUSER joe\r\nPASS pw\r\n" + tail
    stored = b"Subject: x\n\nbody\n"
    want = (b"+OK 2 %d\r\n+OK\r\n" % (2 * oracle.size(stored)) +
            b"+OK\r\n" * 5001 + oracle.retr(stored) + b".\r\n+OK\r\n")
    for cut in (len(text), 4, 6, 20, 24, 25, 26, 29, 100, 1024, 2048, 4096):
        users.add("joe%d" % cut, "pw").fill(2)
        piece = text.replace(b"USER joe\r", b"USER joe%d\r" % cut)
        with start("-e", "-P", users.path) as c:
            c.line()
            for part in (piece[:cut], piece[cut:]):
                c.pump(part)
            got = c.rest()
        # Behind the answers to CAPA, USER and PASS.
        rest = got.partition(b"\r\n.\r\n+OK\r\n+OK\r\n")[2]
        is_(rest, want, "C114 C115 in pieces of %d and the rest" % cut)


@test
def hundred_thousand():
    """C114 100 000 pipelined commands"""
    with session(Maildir().fill(1)) as c:
        c.cmd("NOOP")
        before = c.server.memory("VmHWM")
        c.pump(b"NOOP\r\n" * 100_000)
        c.send("STAT\r\n")
        for _ in range(100_000):
            if c.line() != b"+OK\r\n":
                ok(False, "C114 a wrong answer")
                break
        like(c.line(), r"^\+OK 1 ", "C114 all answered, the last one too")
        grown = c.server.memory("VmHWM") - before
        ok(grown <= 256, "C114 in bounded memory", "%d KB" % grown)


@test
def unread_answers():
    """C114 C89 a client that sends but never reads"""
    with session(Maildir().fill(1), "-t", "1") as c:
        before = c.server.memory("VmHWM")
        os.set_blocking(c.fd_out, False)
        grown = 0
        try:
            for _ in range(20_000):
                os.write(c.fd_out, b"UIDL\r\n" * 100)
                grown = c.server.memory("VmHWM") - before
        except (BlockingIOError, ConnectionError, OSError):
            pass
        is_(c.server.wait(), 0, "C89 ended by the timeout")
        ok(grown <= 256, "C114 in bounded memory", "%d KB" % grown)


def retrieving(box, via):
    """A session at -t 2 that sends message 1 already."""
    c = start("-a", "-e", "-t", "2", "-m", box.path, via=via)
    c.send("RETR 1\r\n")
    return c


def slow_reader(via, chunk, lines):
    """C89 C111 a client that is slow, and one that has stopped"""
    box = Maildir()
    data = b"A: b\n\n" + b"0123456789\n" * lines
    box.add("cur", "1.x", data)
    with retrieving(box, via) as c:
        began = time.monotonic()
        for n in range(1, 9):
            c.buf += os.read(c.fd_in, chunk)
            time.sleep(max(began + 0.4 * n - time.monotonic(), 0))
        is_(c.lines(2), [b"+OK\r\n"] * 2, "C89 greeting and status")
        is_(c.body(), oracle.retr(data),
            "C89 %d lines, %d bytes every 0.4 s by %s, -t 2: all of it" % (
                lines, chunk, via))
        is_(c.cmd("NOOP"), b"+OK\r\n", "C89 C111 and the session goes on")
    with retrieving(box, via) as c:
        os.read(c.fd_in, chunk)
        began = time.monotonic()
        c.server.wait()
        spent = time.monotonic() - began
        # What the kernel still takes counts as progress.
        ok(1.5 < spent < 4 + LATE,
           "C89 dropped when it stops reading, by " + via, spent)
        like(c.server.log(), r"\] timeout \(", "C89 and the log tells")


@test
def slow_readers():
    """C89 C111 progress counts, however slow"""
    # No slower than the kernel can tell it from a client that has stopped:
    # a local socket frees 16 KB at a time, TCP acknowledges up to 64 KB.
    # The second message is in the socket as a whole, at once.
    spread(slow_reader, [("socket", 16_000, 150_000), ("socket", 16_000, 12_000),
                         ("tcp", 120_000, 150_000)])


@test
def half_close():
    """C118 a client that closes its sending side is still answered"""
    for via in ("socket", "tcp", "pipe"):
        box = Maildir().fill(2)
        with session(box, via=via) as c:
            c.send("RETR 1\r\nDELE 1\r\nQUIT\r\n")
            c.shut()
            like(c.rest(), r"\A\+OK\r\n[^.]*\.\r\n\+OK\r\n\+OK\r\n\Z",
                 "C118 with QUIT, by " + via)
            c.server.wait()
        is_(len(box.names("cur")), 1, "C118 and UPDATE, by " + via)
        with session(box, via=via) as c:
            c.send("DELE 1\r\nSTAT\r\n")
            c.shut()
            is_(c.rest(), b"+OK\r\n+OK 0 0\r\n", "C118 without, by " + via)
            is_(c.server.wait(), 0, "C118 exit status")
            like(c.server.log(), r"\] disconnected \(", "C118 the log")
        is_(len(box.names("cur")), 1, "C118 C102 and no UPDATE, by " + via)


@test
def pipes_in_and_out():
    """C118 only one of two pipes is closed"""
    with session(Maildir().fill(1), via="pipe") as c:
        os.close(c.fd_in)
        c.fd_in = os.open("/dev/null", os.O_RDONLY)
        c.send("STAT\r\n")
        is_(c.server.wait(), 0,
            "C118 C90 nobody reads: exit status, no SIGPIPE")


@test
def partial_quit():
    """C118 QUIT without its line end is no QUIT"""
    box = Maildir().fill(1)
    with session(box) as c:
        c.send("DELE 1\r\nQUIT")
        c.shut()
        is_(c.rest(), b"+OK\r\n", "C118 no answer")
    is_(len(box.names("cur")), 1, "C118 C102 nothing removed")


@test
def harmless_signals():
    """C119 signals that mean nothing"""
    with session(Maildir().fill(1)) as c:
        for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG,
                       signal.SIGCONT, signal.SIGPIPE):
            c.server.signal(number)
            is_(c.cmd("NOOP"), b"+OK\r\n", "C119 after %s" % number.name)
        for _ in range(3):
            c.server.signal(signal.SIGSTOP)
            c.send("NOOP\r\n")
            ok(c.quiet(0.05), "C119 stopped")
            c.server.signal(signal.SIGCONT)
            is_(c.line(), b"+OK\r\n", "C119 goes on after SIGCONT")


@test
def stopped_while_sending():
    """C119 stopped and continued in the middle of a message"""
    box = Maildir()
    data = b"A: b\n\n" + b"0123456789\n" * 200_000
    box.add("cur", "1.x", data)
    with session(box) as c:
        c.send("RETR 1\r\n")
        c.line()
        stop = threading.Event()

        def worry():
            while not stop.wait(0.005):
                for number in (signal.SIGSTOP, signal.SIGCONT):
                    c.server.signal(number)
        thread = threading.Thread(target=worry)
        thread.start()
        body = c.body()
        stop.set()
        thread.join()
        is_(body, oracle.retr(data), "C119 all of it")


@test
def deadly_signals():
    """C119 C102 SIGTERM, SIGINT and SIGHUP"""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        box = Maildir().fill(2)
        before = box.tree()
        with session(box, "-c") as c:
            c.cmd("DELE 1")
            c.server.signal(number)
            c.rest()
            c.server.wait()
        is_(box.tree(), before, "C119 C102 %s, even with -c" % number.name)


@test
def ignored_by_parent():
    """C119 started with SIGCHLD and SIGPIPE ignored, and signals blocked"""
    box = Maildir().fill(2)
    with session(box, wrap=["sh", "-c", "trap '' CHLD PIPE HUP; exec \"$@\"",
                            "sh"]) as c:
        c.cmd("DELE 1")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C119 an ordinary session")
        is_(c.server.wait(), 0, "C119 exit status")
    is_(len(box.names("cur")), 1, "C119 and UPDATE")


@test
def short_writes():
    """C84 an output that takes little at a time"""
    box = Maildir()
    data = b"A: b\n\n" + b"".join(b".%d\n" % i for i in range(30000))
    box.add("cur", "1.x", data)
    pair = socket.socketpair()
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with session(box, via=pair) as c:
        c.send("RETR 1\r\nNOOP\r\n")
        c.line()
        is_(c.body(), oracle.retr(data), "C84 all of it, in order")
        is_(c.line(), b"+OK\r\n", "C84 C114 and the next answer")


run_tests(jobs=16)
