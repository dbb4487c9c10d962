#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines: what only the server's memory, log and end can tell.

How they are told apart and answered is in mdpop3d/framing.pop3, which
scripts.t runs.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


@test
def endless_line():
    """C6 10 MB without LF need no memory"""
    with session(Maildir().fill(1)) as c:
        like(c.cmd("STAT"), r"^\+OK 1 ", "C6 before")
        before = c.server.memory("VmHWM")
        c.send(b"A" * 10_000_000)
        c.send(b"\r\nNOOP\r\n")
        like(c.line() + c.line(), r"\A-ERR[ -~]*\r\n\+OK\r\n\Z",
             "C6 one answer to 10 MB")
        grown = c.server.memory("VmHWM") - before
        ok(grown <= 256, "C6 memory grown by at most 256 KB",
           "%d KB" % grown)


@test
def strange_bytes():
    """C10 8-bit and control bytes in the log"""
    with session(Maildir().fill(1), "-d" if config("FEATURE_MDPOP3D_DEBUG")
                 else "-q") as c:
        for line in (b"N\xf6OP", b"NOOP\t", b"NO\x08OP", b"\x1b[2J",
                     b"NOOP\x7f", b"LIST \x1b", b"RETR \xb9", b"DELE 1\x0b",
                     b"\x01\x02\x03", b"\xff\xf4\xff\xfdNOOP"):
            like(c.cmd(line), r"\A-ERR ", "C10 %r" % line)
        is_(c.cmd("QUIT"), b"+OK\r\n", "C10 QUIT")
        c.server.wait()
        unlike(c.server.log(), r"[^\n\x20-\x7e]",
               "C10 C122 no such byte reaches the log")


@test
def bad_limit():
    """C26 exit status after too many bad commands"""
    with session(Maildir()) as c:
        c.send(b"bad\r\n" * 30)
        c.rest()
        is_(c.server.wait(), 0, "C26 exit status after too many bad commands")


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
