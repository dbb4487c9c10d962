#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""RETR and TOP: every byte on the wire, and what happens when it cannot be."""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

# What each kind of odd message proves; see maildir.odd_messages.
ITEMS = (
    (r"dot|terminator", "C73 C74 C75 C76"),
    (r" at \d| over \d", "C75 C59"),
    (r"CRLF|mixed", "C58 C59"),
    (r"CR", "C59 C60 C76"),
    (r"final|without end|one byte", "C60"),
    (r"zero", "C61"),
    (r"header|blank|body", "C62 C80"),
    (r"NUL", "C82"),
    (r"8-bit|every byte", "C92"),
    (r"line", "C83"),
)
ODD = odd_messages()
LINES = (0, 1, 2, 3, 10, 2999, 3000, 100000)


def items(name):
    return next((i for pattern, i in ITEMS if re.search(pattern, name)), "C57")


def odd_box():
    box = Maildir()
    for i, data in enumerate(ODD.values(), 1):
        box.add("cur", "%d.odd:2," % i, data)
    return box


def in_session(check, *args, **how):
    """check(client, number, name, stored) for each odd message."""
    with session(odd_box(), *args, **how) as c:
        for number, (name, stored) in enumerate(ODD.items(), 1):
            check(c, number, name, stored)


@test
def retr_bytes():
    """C57 RETR of every odd message"""
    def check(c, number, name, stored):
        status, body = c.multi("RETR %d" % number)
        is_(status, b"+OK\r\n", "C84 RETR %s: status" % name)
        is_(body, oracle.retr(stored), "%s RETR %s" % (items(name), name))
        is_(c.cmd("NOOP"), b"+OK\r\n", "C84 nothing follows: " + name)
    in_session(check)


@test
def retr_over_tcp():
    """C84 the same through TCP and through pipes"""
    for via in ("tcp", "pipe"):
        wrong = []

        def check(c, number, name, stored):
            if c.multi("RETR %d" % number)[1] != oracle.retr(stored):
                wrong.append(name)
        in_session(check, via=via)
        is_(wrong, [], "C84 RETR of %d messages through %s" % (len(ODD), via))


@test
def sizes():
    """C56 the size of every odd message is what RETR sends"""
    with session(odd_box()) as c:
        total = int(c.cmd("STAT").split()[2])
        listed = [int(line.split()[1]) for line in
                  c.multi("LIST")[1].split(b"\r\n")[:-1]]
        is_(total, sum(listed), "C56 STAT is the sum")
        for (name, stored), size in zip(ODD.items(), listed):
            is_(size, oracle.size(stored), "C57 %s size of %s" % (
                items(name), name))
        sent = [len(oracle.unstuff(c.multi("RETR %d" % n)[1]))
                for n in range(1, len(ODD) + 1)]
        is_(sent, listed, "C56 octets of RETR without stuffing")


@test
def top_bytes():
    """C77 TOP of every odd message"""
    def check(c, number, name, stored):
        wrong = []
        for count in LINES:
            status, body = c.multi("TOP %d %d" % (number, count))
            want = oracle.top(stored, count)
            if status != b"+OK\r\n" or body != want:
                wrong.append((count, status, body[:200], want[:200]))
        is_(wrong, [], "C77 C78 C79 %s TOP %s" % (items(name), name))
    in_session(check)


@test
def top_plain():
    """C78 C79 TOP counts body lines"""
    box = Maildir()
    head, body = b"A: 1\nB: 2\n\n", [b"one\n", b".two\n", b"three\n"]
    box.add("cur", "1.x", head + b"".join(body))
    sent = b"A: 1\r\nB: 2\r\n\r\n", [b"one\r\n", b"..two\r\n", b"three\r\n"]
    with session(box) as c:
        for count in range(5):
            is_(c.multi("TOP 1 %d" % count),
                (b"+OK\r\n", sent[0] + b"".join(sent[1][:count])),
                "C77 C78 C79 TOP 1 %d" % count)
        is_(c.multi("TOP 1 3"), c.multi("RETR 1"),
            "C79 as many lines as there are: the same as RETR")


@test
def seen_flags():
    """C81 neither TOP nor RETR changes a file"""
    box = Maildir().fill(2)
    box.add("new", "1800000000.1.host")
    before = box.tree()
    with session(box) as c:
        for n in (1, 2, 3):
            c.multi("TOP %d 1" % n)
            c.multi("RETR %d" % n)
        is_(box.tree(), before, "C81 during the session")
        c.cmd("QUIT")
        c.server.wait()
    is_(box.names("cur"), [b"1700000001.M1P7.host:2,S",
                           b"1700000002.M2P7.host:2,S",
                           b"1800000000.1.host:2,"],
        "C81 no flag is set at QUIT")


@test
def vanished():
    """C85 a message that another program has deleted"""
    box = Maildir().fill(3)
    with session(box) as c:
        os.unlink(box.join("cur", box.names("cur")[1]))
        for _ in range(5):
            for line in ("RETR 2", "TOP 2 1"):
                like(c.cmd(line), r"\A-ERR[ -~]*\r\n\Z", "C85 " + line)
            is_(c.cmd("NOOP"), b"+OK\r\n", "C85 the session goes on")
        total = c.cmd("STAT").split()
        sizes = [l.split()[1] for l in c.multi("LIST")[1].splitlines()]
        is_((len(sizes), sum(map(int, sizes))),
            (int(total[1]), int(total[2])), "C85 STAT and LIST agree")
        is_(c.multi("RETR 3")[0], b"+OK\r\n", "C85 others are there")
        is_(c.cmd("DELE 2"), b"+OK\r\n", "C85 it can be marked")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C85 C99 and counts as removed")


@test
def renamed():
    """C86 messages whose flags or directory change"""
    box = Maildir()
    want = {}
    for n in range(1, 7):
        data = mail(b"message %d\n" % n)
        box.add("new" if n % 2 else "cur", "%d.host" % n +
                ("" if n % 2 else ":2,"), data)
        want[n] = oracle.retr(data)
    with session(box) as c:
        is_(c.multi("RETR 1")[1], want[1], "C86 before")
        for n in range(1, 7):
            old = box.join("new", "%d.host" % n) if n % 2 else (
                box.join("cur", "%d.host:2," % n))
            os.rename(old, box.join("cur", "%d.host:2,FS" % n))
        for n in range(1, 7):
            is_(c.multi("RETR %d" % n)[1], want[n], "C86 RETR %d" % n)
        for n in (2, 5):
            os.rename(box.join("cur", "%d.host:2,FS" % n),
                      box.join("cur", "%d.host:2,RS" % n))
            is_(c.multi("TOP %d 99" % n)[1], want[n], "C86 TOP %d, again" % n)
        like(c.cmd("STAT"), r"^\+OK 6 %d\r" % sum(
            oracle.size(d) for d in box.stored.values()), "C86 STAT")


@test
def replaced():
    """C68 C86 something else in a message's place is never sent"""
    need_root()
    box = Maildir(owner=PLAIN).fill(4)
    paths = [box.join("cur", n) for n in box.names("cur")]
    with session(box, user=PLAIN) as c:
        for path in paths:
            os.unlink(path)
        os.symlink("/etc/passwd", paths[0])
        os.mkfifo(paths[1])
        os.mkdir(paths[2])
        os.mknod(paths[3], 0o020666, os.makedev(1, 5))
        for n in (1, 2, 3, 4):
            like(c.cmd("RETR %d" % n, 5), r"\A-ERR", "C68 RETR %d" % n)
            like(c.cmd("LIST %d" % n, 5), r"\A(-ERR|\+OK %d \d+\r)" % n,
                 "C68 LIST %d does not hang" % n)
        is_(c.cmd("NOOP"), b"+OK\r\n", "C68 the session goes on")


BIG = b"Subject: big\n\n" + b"0123456789abcde\n" * 500_000      # 8 MB


def half_read(c, amount=100_000):
    """Asks for message 1 and reads a part of the answer."""
    c.send("RETR 1\r\n")
    while len(c.buf) < amount and c._recv(PATIENCE):
        pass


@test
def truncated():
    """C87 a file that becomes shorter while it is sent"""
    box = Maildir()
    path = box.add("cur", "1.big", BIG)
    box.add("cur", "2.small")
    with session(box) as c:
        c.cmd("STAT")
        c.cmd("DELE 2")
        half_read(c)
        os.truncate(path, 4_000_000)
        got = c.rest()
        ok(len(got) < len(BIG), "C87 not all of it was sent", len(got))
        ok(not got.endswith(b"\r\n.\r\n"), "C87 no final dot", got[-50:])
        status = c.server.wait()
        ok(status in (0, 111), "C87 exit status", status)
        like(c.server.log(), r"1\.big|message 1", "C87 the log names it")
    is_(box.names("cur"), [b"1.big", b"2.small"], "C87 nothing is removed")


@test
def truncated_before():
    """C87 a file that became shorter since its size was told"""
    box = Maildir()
    path = box.add("cur", "1.x", BIG[:200_000])
    with session(box) as c:
        c.cmd("STAT")
        os.truncate(path, 100_000)
        c.send("RETR 1\r\nNOOP\r\n")
        c.shut()
        got = c.rest()
        wrong = got.startswith(b"+OK\r\n") and (
            got.endswith(b"\r\n.\r\n+OK\r\n"))
        ok(not wrong, "C87 no complete answer with another size than told",
           got[:60], got[-60:])


@test
def grown():
    """C87 a file that becomes longer: no more than its size, or the end"""
    box = Maildir()
    path = box.add("cur", "1.x", b"A: b\n\nbody\n")
    with session(box) as c:
        size = int(c.cmd("LIST 1").split()[2])
        with open(path, "ab") as file:
            file.write(b"more\n" * 1000)
        c.send("RETR 1\r\n")
        first = c.line()
        if first.startswith(b"-ERR"):
            return ok(True, "C87 grown: refused")
        try:
            body = c.body(5)
            is_(len(oracle.unstuff(body)), size, "C87 grown: the size told")
        except Ended:
            ok(True, "C87 grown: connection ended without a final dot")


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
def slow_reader():
    """C89 a client that does not read"""
    box = Maildir()
    box.add("cur", "1.big", BIG)
    box.add("cur", "2.small")
    with session(box, "-t", "1") as c:
        c.cmd("DELE 2")
        c.send("RETR 1\r\n")
        is_(c.server.wait(), 0, "C89 C111 ended, status")
        spent = time.monotonic() - c.stamp
        ok(0.9 <= spent < 6, "C89 after about a second", spent)
        ok(not c.rest().endswith(b"\r\n.\r\n"), "C89 no final dot")
        like(c.server.log(), r"timeout", "C89 the log says timeout")
    is_(box.names("cur"), [b"1.big", b"2.small"], "C89 nothing is removed")
    with session(box) as c:
        is_(c.cmd("NOOP"), b"+OK\r\n", "C89 the lock is free again")


@test
def slow_but_steady():
    """C89 C111 a client that reads slowly is served"""
    box = Maildir()
    box.add("cur", "1.big", BIG[:600_000])
    pair = socket.socketpair()
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with session(box, "-t", "1", via=pair) as c:
        c.send("RETR 1\r\n")
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            # Pauses are the point of this test.
            time.sleep(0.1)
            c.buf += os.read(c.fd_in, 5000)
        c.line()
        is_(c.body(), oracle.retr(BIG[:600_000]),
            "C89 2.5 seconds at -t 1, with progress")


@test
def disconnect():
    """C90 a client that goes away while it is sent something"""
    box = Maildir()
    box.add("cur", "1.big", BIG)
    for i in range(2, 400):
        box.add("cur", "%d.small" % i, b"x\n")
    before = box.tree()
    for line in ("RETR 1", "TOP 1 400000", "LIST\r\n" * 300,
                 "UIDL\r\n" * 300):
        for via in ("socket", "tcp", "pipe"):
            c = session(box, via=via)
            c.cmd("DELE 3")
            c.send(line + "\r\n")
            c._recv(PATIENCE)
            c.close()
            status = c.server.wait()
            is_(status, 0, "C90 %.6r by %s: exit status" % (line, via))
            like(c.server.log(), r"\] (disconnected|connection lost) \(",
                 "C90 log: %.6r by %s" % (line, via))
    is_(box.tree(), before, "C90 C102 nothing has changed")


@test
def deleted():
    """C91 a deleted message cannot be read"""
    with session(Maildir().fill(2)) as c:
        c.cmd("DELE 1")
        like(c.cmd("RETR 1"), r"\A-ERR[ -~]*\r\n\Z", "C91 RETR")
        like(c.cmd("TOP 1 0"), r"\A-ERR[ -~]*\r\n\Z", "C91 TOP")
        c.cmd("RSET")
        is_(c.multi("RETR 1")[0], b"+OK\r\n", "C91 after RSET it can")


run_tests(jobs=3)
