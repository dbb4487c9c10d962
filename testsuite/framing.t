#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""How command lines are told apart, and that every one gets one answer."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

LINE = 255      # octets of a command with its line end (RFC 2449 section 4)
BAD_LIMIT = 20  # consecutive bad commands that are forgiven


def refused(c, line, what):
    """`line` (with its end) gets exactly one -ERR line and does nothing."""
    c.send(line + b"NOOP\r\n")
    answer = c.line()
    good = re.fullmatch(rb"-ERR[ -~]*\r\n", answer) and len(answer) <= 512
    after = c.line()
    ok(good and after == b"+OK\r\n", what, "sent " + repr(line[-80:]),
       answer, "then " + repr(after))


@test
def keywords():
    """C1 keywords in any case"""
    with session(Maildir().fill(2)) as c:
        for text in ("STAT", "stat", "sTaT", "nOOp", "list 1", "uidl 1",
                     "dElE 2", "rset"):
            like(c.cmd(text), r"\A\+OK[ -~]*\r\n\Z", "C1 C2 " + text)
        for text in ("rEtR 1", "tOp 1 0", "capa", "lIsT", "uIdL"):
            is_(c.multi(text)[0], b"+OK\r\n", "C1 C2 " + text)
        is_(c.cmd("qUiT"), b"+OK\r\n", "C1 C2 qUiT")


@test
def answer_form():
    """C3 answers end in CRLF and are short, whatever the client sends"""
    with session(Maildir().fill(1)) as c:
        for word in (b"RETR ", b"DELE ", b"LIST ", b"UIDL ", b"TOP ", b"X",
                     b"USER ", b"PASS ", b"APOP ", b"AUTH "):
            for tail in (b"A" * 200, b"1 " * 100, b"9" * 240):
                line = (word + tail)[:LINE - 2] + b"\r\n"
                refused(c, line, "C3 C26 %s with %d octets" % (
                    word.decode(), len(line)))


@test
def line_limit():
    """C4 exactly 255 octets are a command"""
    with session(Maildir().fill(1)) as c:
        for end in (b"\r\n", b"\n"):
            full = b"NOOP".ljust(LINE - len(end)) + end
            c.send(full)
            is_(c.line(), b"+OK\r\n", "C4 255 octets, end %r" % end)
            refused(c, b"NOOP".ljust(LINE + 1 - len(end)) + end,
                    "C5 256 octets, end %r" % end)
            refused(c, b"NOOP".ljust(LINE + 2 - len(end)) + end,
                    "C5 257 octets, end %r" % end)
        digits = b"LIST " + b"1".rjust(LINE - 7, b"0") + b"\r\n"
        c.send(digits)
        like(c.line(), r"\A\+OK 1 \d+\r\n\Z", "C4 C23 LIST of 255 octets")


@test
def long_lines():
    """C5 a long line is discarded up to its LF"""
    box = Maildir().fill(1)
    with session(box) as c:
        for limit in (253, 254, 255, 256, 257, 510, 512, 1023, 1024, 2047,
                      2048, 2049, 4096, 8191, 8192, 16384, 65536):
            for filler in (b"X", b" "):
                line = b"NOOP" + filler * (limit - 4) + b"DELE 1\r\n"
                refused(c, line, "C5 tail after %d octets of %r" % (
                    limit, filler))
            line = b"X" * limit + b"\nNOOP\r\n"
            c.send(line)
            got = c.line() + c.line()
            like(got, r"\A-ERR[ -~]*\r\n\+OK\r\n\Z",
                 "C5 LF right after %d octets" % limit)
        like(c.cmd("STAT"), r"^\+OK 1 ", "C5 no tail was executed")


@test
def endless_line():
    """C6 10 MB without LF need no memory"""
    with session(Maildir().fill(1)) as c:
        like(c.cmd("STAT"), r"^\+OK 1 ", "C6 before")
        before = c.server.memory("VmHWM")
        c.send(b"A" * 10_000_000)
        refused(c, b"\r\n", "C6 one answer to 10 MB")
        grown = c.server.memory("VmHWM") - before
        ok(grown <= 256, "C6 memory grown by at most 256 KB",
           "%d KB" % grown)


@test
def one_byte_segments():
    """C7 a session in segments of one byte"""
    box = Maildir().fill(2)
    text = (b"STAT\r\nLIST 1\r\nTOP 1 0\r\nUIDL 2\r\nRETR 2\r\nDELE 1\r\n"
            b"RSET\r\nNOOP\r\nQUIT\r\n")
    with session(box) as c:
        c.send(text)
        at_once = c.rest()
    with session(box, via="tcp") as c:
        c.owner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(text)):
            c.send(text[i:i + 1])
            wait_for(lambda: _all_read(c.server), 1, 0.0005)
        is_(c.rest(), at_once, "C7 same answers as in one piece")
    is_(at_once.count(b"-ERR"), 0, "C7 all of them positive")


def _all_read(server):
    """Is the server waiting for input again?  So segments do not merge."""
    try:
        with open("/proc/%d/stat" % server.pid) as file:
            return file.read().rsplit(") ", 1)[1][0] in "SZ"
    except OSError:
        return True


@test
def split_everywhere():
    """C7 a command split at any place"""
    with session(Maildir().fill(1)) as c:
        line = b"LIST 1\r\n"
        got = []
        for i in range(1, len(line)):
            c.send(line[:i])
            ok(c.quiet(0.02), "C7 no answer to %r" % line[:i])
            c.send(line[i:])
            got.append(c.line())
        is_(len(set(got)), 1, "C7 same answer each time", got)
        like(got[0], r"\A\+OK 1 \d+\r\n\Z", "C7 the right one")


@test
def line_ends():
    """C8 bare LF ends a line, CR does not"""
    with session(Maildir().fill(1)) as c:
        c.send(b"NOOP\nNOOP\r\nNOOP\n")
        is_(c.lines(3), [b"+OK\r\n"] * 3, "C8 bare LF")
        refused(c, b"NOOP\r\r\n", "C8 CR CR LF")
        refused(c, b"DELE 1\r\r\n", "C8 CR CR LF behind an argument")
        refused(c, b"NOOP\rSTAT\r\n", "C8 lone CR inside")
        refused(c, b"\rNOOP\r\n", "C8 lone CR before")
        refused(c, b"DELE 1\rDELE 1\n", "C8 lone CR, bare LF")
        c.send(b"NOOP\r")
        ok(c.quiet(0.2), "C8 no answer to a CR alone")
        c.send(b"\n")
        is_(c.line(), b"+OK\r\n", "C8 answer when the LF comes")
        like(c.cmd("STAT"), r"^\+OK 1 ", "C8 nothing was deleted")


@test
def nul():
    """C9 NUL anywhere is refused"""
    with session(Maildir().fill(2)) as c:
        for line in (b"\0", b"NO\0OP", b"NOOP\0", b"\0NOOP", b"DELE 1\0",
                     b"DELE \x001", b"DELE 1\x002", b"DELE\x00 1", b"QUIT\0",
                     b"QUIT\0 x", b"NOOP \0", b"LIST\0\0\0", b"\0" * 253,
                     b"RSET \0", b"PASS a\0b"):
            refused(c, line + b"\r\n", "C9 %r" % line[:20])
        refused(c, b"\0" * 300 + b"\r\n", "C9 C5 300 NULs")
        like(c.cmd("STAT"), r"^\+OK 2 ", "C9 nothing was deleted")


@test
def strange_bytes():
    """C10 8-bit and control bytes"""
    with session(Maildir().fill(1), "-d" if config("FEATURE_MDPOP3D_DEBUG")
                 else "-q") as c:
        for line in (b"N\xf6OP", b"NOOP\xff", b"\xffNOOP", b"NOOP\t",
                     b"\tNOOP", b"NO\x08OP", b"\x1b[2J", b"NOOP\x7f",
                     b"LIST\t1", b"LIST \x1b", b"RETR \xb9", b"DELE 1\x0b",
                     b"DELE \xef\xbc\x91", b"\x01\x02\x03",
                     b"\xff\xf4\xff\xfdNOOP"):
            refused(c, line + b"\r\n", "C10 %r" % line)
        is_(c.cmd("QUIT"), b"+OK\r\n", "C10 QUIT")
        c.server.wait()
        unlike(c.server.log(), r"[^\n\x20-\x7e]",
               "C10 C122 no such byte reaches the log")


@test
def empty_lines():
    """C11 empty lines"""
    with session(Maildir().fill(1)) as c:
        for line in (b"\r\n", b"\n", b" \r\n", b"    \n", b" NOOP\r\n"):
            refused(c, line, "C11 %r" % line)


@test
def formats():
    """C12 colons and format strings"""
    with session(Maildir().fill(1)) as c:
        for line in (b":", b"NOOP:", b"RETR :", b"LIST 1:2", b"%s", b"%n%n%n",
                     b"%s%s%s%s%s%s", b"DELE %n", b"RETR %s", b"TOP %d %d",
                     b"TOP 1 %n", b"$1", b"`id`", b"LIST ;", b"USER %s%n",
                     b"UIDL ../../x", b"RETR *", b"{1}", b"LIST \"1\""):
            refused(c, line + b"\r\n", "C12 %r" % line)


@test
def unknown():
    """C13 C14 words that are no keywords"""
    with session(Maildir().fill(1)) as c:
        for line in ("XYZZY", "HELP", "EHLO x", "GET / HTTP/1.0", "LAST",
                     "XTND XMIT", "UTF8", "LANG", "A1 CAPABILITY", "+OK",
                     "-ERR", ".", "DELE,1"):
            refused(c, line.encode() + b"\r\n", "C13 " + line)
        for line in ("RET 1", "RETRX 1", "LISTING", "LIS", "S", "STA", "STATS",
                     "DEL 1", "DELETE 1", "Q", "QUI", "QUITX", "NOO", "NOOPS",
                     "CAP", "CAPAS", "TO 1 1", "TOPS 1 1", "T", "UID", "UIDLS",
                     "RSE", "RSETX", "RETR1", "LIST1", "DELE1"):
            refused(c, line.encode() + b"\r\n", "C14 " + line)


@test
def bad_limit():
    """C26 consecutive bad commands end the session, at a known number"""
    with session(Maildir().fill(1)) as c:
        for turn in (1, 2):
            c.send(b"bad\r\n" * BAD_LIMIT + b"NOOP\r\n")
            got = c.lines(BAD_LIMIT + 1)
            ok(all(g.startswith(b"-ERR") for g in got[:-1]) and
               got[-1] == b"+OK\r\n",
               "C26 %d bad commands are forgiven (%d)" % (BAD_LIMIT, turn),
               got)
        c.send(b"bad\r\n" * (BAD_LIMIT + 1) + b"NOOP\r\n" * 50)
        got = c.rest()
        is_(len(re.findall(rb"-ERR[^\n]*\r\n", got)), BAD_LIMIT + 1,
            "C26 one answer to each of %d" % (BAD_LIMIT + 1))
        unlike(got, r"\+OK", "C26 and then the end")
        is_(c.server.wait(), 0, "C26 exit status after too many bad commands")


@test
def bad_limit_before_login():
    """C26 three bad commands before login"""
    need("FEATURE_MDPOP3D_AUTH")
    with start("-e") as c:
        c.line()
        c.send(b"bad\r\n" * 4 + b"CAPA\r\n" * 20)
        got = c.rest()
        is_(len(re.findall(rb"-ERR[^\n]*\r\n", got)), 4,
            "C26 one answer to each of 4", got)
        unlike(got, r"\+OK", "C26 and then the end")


@test
def flipped_bits():
    """C26 every bit of a session flipped: one answer per line, no crash"""
    text = b"STAT\r\nDELE 1\r\nRSET\r\nLIST 1\r\nQUIT\r\n"
    box = Maildir().fill(1)
    step = 5 if config("SANITIZE") else 1
    wrong = []
    for bit in range(0, len(text) * 8, step):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        box.fill(1)
        with session(box, "-q", "-t", "20") as c:
            c.send(bytes(flipped))
            c.shut()
            got = c.rest()
        if not _answers_fit(bytes(flipped), got):
            wrong.append((bit, bytes(flipped), got))
    is_(wrong, [], "C26 %d sessions, each with one bit flipped" % (
        len(range(0, len(text) * 8, step))))


def _answers_fit(sent, got):
    lines = sent.split(b"\n")[:-1]
    ends = [i for i, line in enumerate(lines)
            if re.fullmatch(rb"(?i)quit *\r?", line)]
    expected = ends[0] + 1 if ends else len(lines)
    # A LIST whose argument became blank answers with several lines.
    got = re.sub(rb"\+OK\r\n(1 \d+\r\n)?\.\r\n", b"+OK\r\n", got)
    return len(re.findall(rb"(?:\+OK|-ERR)[ -~]*\r\n", got)) == expected and (
        re.sub(rb"(?:\+OK|-ERR)[ -~]*\r\n", b"", got) == b"")


run_tests()
