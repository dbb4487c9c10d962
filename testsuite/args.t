#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments: how many, how separated, and what a number is."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

# Commands that take a message number, as the number's place.
NUMBERED = (b"RETR %s", b"DELE %s", b"LIST %s", b"UIDL %s", b"TOP %s 0")


def refused(c, line, what):
    """Exactly one -ERR, and the session goes on."""
    if isinstance(line, str):
        line = line.encode()
    c.send(line + b"\r\nNOOP\r\n")
    like(c.line() + c.line(), r"\A-ERR[ -~]*\r\n\+OK\r\n\Z", what)


def boxed(count=3):
    """A session over `count` messages, and the answers that must not change
    while commands are refused."""
    c = session(Maildir().fill(count))
    c.before = c.cmd("STAT")
    return c


def unchanged(c, what):
    is_(c.cmd("STAT"), c.before, what + ": nothing was marked")


@test
def wrong_state():
    """C15 commands of the other state"""
    with boxed() as c:
        for line in ("USER x", "PASS x", "USER", "PASS"):
            refused(c, line, "C15 %s after login" % line)
        # Not offered: APOP, SASL, STLS.
        for line in ("APOP x " + "0" * 32, "AUTH PLAIN", "AUTH", "STLS",
                     "STLS x"):
            refused(c, line, "C15 C42 C43 C45 %.10s after login" % line)
    if not config("FEATURE_MDPOP3D_AUTH"):
        return skip("C15 before login", "no AUTH")
    for line in ("STAT", "LIST", "LIST 1", "RETR 1", "DELE 1", "NOOP", "RSET",
                 "TOP 1 0", "UIDL", "UIDL 1", "APOP x " + "0" * 32, "AUTH",
                 "AUTH PLAIN =", "STLS"):
        with start("-e") as c:
            c.line()
            c.send(line.encode() + b"\r\nQUIT\r\n")
            like(c.rest(), r"\A-ERR[ -~]*\r\n\+OK\r\n\Z",
                 "C15 %.12s before login" % line)


@test
def superfluous():
    """C16 C18 arguments that do not belong there"""
    with boxed() as c:
        for line in ("STAT x", "STAT 1", "NOOP x", "RSET x", "CAPA x",
                     "QUIT x", "QUIT 1", "QUIT now please"):
            refused(c, line, "C16 " + line)
        for line in ("RETR 1 2", "LIST 1 2", "UIDL 1 2", "DELE 1 2",
                     "TOP 1 2 3", "RETR 1 x", "DELE 1 1"):
            refused(c, line, "C18 " + line)
        unchanged(c, "C16 C18")


@test
def missing():
    """C17 arguments that are missing"""
    with boxed() as c:
        for line in ("RETR", "DELE", "TOP", "TOP 1", "RETR ", "DELE ", "TOP ",
                     "TOP 1 "):
            refused(c, line, "C17 %r" % line)
        unchanged(c, "C17")


@test
def blanks():
    """C19 blanks: one between words, any number at the end"""
    with boxed() as c:
        for line in ("NOOP ", "NOOP    ", "LIST 1 ", "UIDL 1   ", "STAT  "):
            like(c.cmd(line), r"\A\+OK", "C19 %r is accepted" % line)
        for line in ("LIST ", "UIDL  ", "RETR 1  ", "TOP 1 0 "):
            is_(c.multi(line)[0], b"+OK\r\n", "C19 %r is accepted" % line)
        for line in ("LIST  1", "RETR  1", "DELE  1", "TOP  1 0", "TOP 1  0",
                     " NOOP", " DELE 1", "  STAT", "DELE\t1", "TOP 1\t0",
                     "LIST 1\t"):
            refused(c, line, "C19 %r is refused" % line)
        unchanged(c, "C19")


@test
def zero():
    """C20 message 0"""
    with boxed() as c:
        for form in NUMBERED:
            for number in (b"0", b"00", b"0" * 200):
                refused(c, form % number, "C20 %s refused" % (
                    (form % number)[:20].decode()))
        unchanged(c, "C20")


@test
def no_numbers():
    """C21 what is no number"""
    with boxed() as c:
        for number in (b"-1", b"+1", b"0x1", b"1e0", b"1.0", b"1abc", b"abc",
                       b"1,", b"1-2", b"1:", b"*", b"#1", b"1\x01", b"\xb9",
                       b"I", b"1/1", b"--1", b"0b1", b"01x"):
            for form in NUMBERED:
                refused(c, form % number, "C21 %r refused" % (form % number))
        unchanged(c, "C21")


@test
def huge():
    """C22 numbers that wrap to 1 in 8, 16, 32 or 64 bits"""
    with boxed() as c:
        for number in (257, 65537, 2**31 + 1, 2**32, 2**32 + 1, 2**33 + 1,
                       2**63, 2**63 + 1, 2**64 - 1, 2**64, 2**64 + 1,
                       2**65 + 1, 2**128 + 1, 10**240 + 1):
            for form in NUMBERED:
                refused(c, form % str(number).encode(),
                        "C22 %s %.30s refused" % (
                            form.decode().split()[0], number))
        unchanged(c, "C22")


@test
def leading_zeros():
    """C23 leading zeros are digits"""
    with boxed() as c:
        for number in ("01", "0001", "0" * 200 + "1"):
            is_(c.cmd("LIST " + number), c.cmd("LIST 1"),
                "C23 LIST %s" % number[-8:])
        is_(c.multi("RETR 0002"), c.multi("RETR 2"), "C23 RETR 0002")
        is_(c.multi("TOP 03 001"), c.multi("TOP 3 1"), "C23 TOP 03 001")
        is_(c.cmd("DELE 0003"), b"+OK\r\n", "C23 DELE 0003")
        refused(c, "DELE 3", "C23 it was message 3")


@test
def beyond():
    """C24 numbers beyond the last message"""
    with boxed() as c:
        for number in (b"4", b"5", b"99", b"1000000"):
            for form in NUMBERED:
                refused(c, form % number, "C24 %s refused" % (
                    form % number).decode())
        unchanged(c, "C24")
    with boxed(0) as c:
        for form in NUMBERED:
            refused(c, form % b"1", "C24 C65 %s in an empty maildrop" % (
                form % b"1").decode())


@test
def top_lines():
    """C25 TOP's count of lines"""
    with boxed() as c:
        for number in (b"-1", b"+1", b"x", b"1x", b"1.0", b"0x10", b"-0",
                       b"18446744073709551616", b"18446744073709551617",
                       b"9" * 240):
            refused(c, b"TOP 1 " + number, "C25 TOP 1 %s refused" % (
                number[:24].decode()))
        whole = c.multi("RETR 1")
        for number in ("4294967296", "4294967297", "9223372036854775808",
                       "18446744073709551615"):
            is_(c.multi("TOP 1 " + number), whole,
                "C25 TOP 1 %s is the whole message" % number)


run_tests()
