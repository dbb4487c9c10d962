#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions with one bit flipped.

In Python because a program has to make them. Which answers there are to bad
command lines is in mdpop3d/framing.pop3.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


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
