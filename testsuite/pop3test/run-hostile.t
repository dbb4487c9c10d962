#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run against servers that mean no good: scripts end in time, with
# the right status, in little memory.

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")

MEMORY = 4096           # KB at most, all pages counted; of a static binary


def attack(what, text, talk, status, message=None, within=10, *args):
    """`status` may be a set.  What is printed is TAP, whatever happens."""
    got = run(text, Fake(talk), "-t", "1", *args, limit=30)
    wanted = status if isinstance(status, set) else {status}
    try:
        results = tap(got.out)[0]
    except NoTap as why:
        ok(False, what, str(why), got.out)
        return
    said = results[-1].detail["message"] if results[-1].detail else ""
    ok(got.status in wanted and re.search(message or "", said), what,
       got.status, said)
    ok(got.seconds < within, what + ": in time", got.seconds)
    if config("STATIC") and not config("SANITIZE"):
        ok(got.memory < MEMORY, what + ": memory", got.memory)


def endless(data, first=b"+OK\r\n"):
    def talk(link):
        link.say(first)
        link.endless(data)
    return talk


STEPS = ("S: +OK x", "S= x", "S~ x", "S? $_...", "S: ...", "S: ... -> m",
         "S: <x>", "eof", "quiet 1s", "wait 10ms")


@test
def endless_line():
    """A line without end"""
    def one(step):
        attack("a line without end, " + step, "S: +OK\n%s\n" % step,
               endless(b"x" * 65536), {1, 2},
               {"eof": "want EOF", "quiet 1s": "want silence",
                "wait 10ms": "left unread"}.get(
                    step, "left unread" if "?" in step else
                    "without end|does not end"))

    spread(one, [(s,) for s in STEPS if "..." not in s or "?" in s], jobs=4)
    attack("a greeting without end", "S: +OK\n",
           endless(b"x" * 65536, b"+OK "), 1, "line without end")


def long(data, times, end):
    """A talk: +OK, so many times the data, and the end."""
    def talk(link):
        link.say(b"+OK\r\n")
        for _ in range(times):
            link.say(data)
        link.say(end)
        link.sock.recv(1)
    return talk


@test
def long_line():
    """A line of 100 MB"""
    mega = b"x" * (1 << 20)
    for step in ("S: +OK x", "S~ x*"):
        attack("100 MB, " + step, "S: +OK\n%s\n" % step,
               long(mega, 100, b"\r\n"), 1, "a line without end")
    attack("100 MB in a body", "S: +OK\nS: ... -> m\ncheck $m.octets == %d\n"
           "check $m.lines == 1\n" % ((100 << 20) + 2),
           long(mega, 100, b"\r\n.\r\n"), 0)
    attack("15 MB, S~", "S: +OK\nS~ x*\n", long(mega, 15, b"\r\n"), 0)
    attack("15 MB, S?", "S: +OK\nS? y\nS~ x*\n", long(mega, 15, b"\r\n"), 0)
    attack("15 MB, prose", "S: +OK\nS: <x>\nS: .\n",
           long(mega, 15, b"\r\n.\r\n"), 0)
    attack("15 MB, -v", "S: +OK\nS~ x*\nS: ...\n", long(
        mega, 15, b"\r\n" + b"y" * 100000 + b"\r\n.\r\n"), 0, None, 10, "-v")


@test
def many_lines():
    """Bodies of very many lines"""
    lines = b"line\r\n" * 10000
    attack("6 MB of lines, a body", "S: +OK\nS: ... -> m\n"
           "check $m.lines == 1000000\n", long(lines, 100, b".\r\n"), 0)
    attack("2 MB of lines, S?", "S: +OK\nS? $_\nS: .\n",
           long(lines, 33, b".\r\n"), 0)
    attack("2 MB of lines, prose", "S: +OK\nS: <x>\nS: .\n",
           long(lines, 33, b".\r\n"), 0)
    attack("2 MB of lines, bound", "S: +OK\nrepeat 300000\nS: line\nend\n"
           "S: .\n", long(lines, 30, b".\r\n"), 0)
    attack("many values", "S: +OK\nrepeat 20000\nS: $v...\nunset v\nend\n"
           "S: .\n",
           long(b"".join(b"%d\r\n" % (10 ** (i % 900)) for i in range(1000)),
                20, b".\r\n"), 0)


@test
def never_ends():
    """Bodies that never end, slowly"""
    def slowly(data):
        def talk(link):
            link.say(b"+OK\r\n")
            while True:
                link.say(data)
                time.sleep(0.05)
        return talk

    for step in ("S: ...", "S? $_...", "S: <x>"):
        attack("endless, " + step, "S: +OK\n%s\n" % step, slowly(b"ab\r\n"),
               2, "timeout", 5)


@test
def nuls():
    """NULs and other bytes in lines"""
    line = b"a\0b\0\0c\x01\x7f\x80\xff\x1b[2J\r\n"
    for step, status in (("S: a", 1), ("S: a\\0b", 1), ("S: $v", 1),
                         ("S: $v...", 1), ("S: $_...", 1), ("S= a", 1),
                         ("S= a\\0b\\0\\0c\\x01\\x7f\\x80\\xff\\x1b[2J", 0),
                         ("S~ a.b..c[^x]+", 0), ("S~ a", 1),
                         ("S! b\nS~ .*", 1), ("S! ^b\nS~ .*", 0),
                         ("S~ (.*) -> v\nlog <$v>", 0)):
        attack("NULs, " + step.replace("\n", "; "), "S: +OK\n%s\n" % step,
               says(b"+OK\r\n" + line), status)
    attack("NULs in a body", "S: +OK\nS: ... -> m\ncheck $m.octets == %d\n"
           % len(line), says(b"+OK\r\n" + line + b".\r\n"), 0)
    attack("NULs in a greeting", "S~ .*\nC: X $stamp $digest\nS: +OK\n",
           says(b"\0<\0@\0>\0\r\n", b"+OK\r\n"), {0, 1}, None, 5, "-u", "a:b")


@test
def long_things():
    """Long stamps, challenges and words"""
    for n in (200, 255, 256, 300, 490):
        attack("a stamp of %d" % n, "S: +OK\nC: APOP a $digest\nS: +OK\n",
               ordinary(greeting=b"+OK <" + b"s" * n + b">\r\n",
                        APOP=b"+OK\r\n"), 0, None, 5, "-u", "a:b")
    for n in (100, 2000, 4080, 4090, 4096, 5000, 8000, 9000, 100000):
        attack("a challenge of %d" % n, "S: +OK\nC: AUTH CRAM-MD5\nS~ [+] .*\n"
               "C: $cram\nS: +OK\n", lambda link, n=n: (
                   link.say(b"+OK\r\n"), link.hear(),
                   link.say(b"+ " + b"QUJD" * (n // 4) + b"\r\n"),
                   link.hear(), link.say(b"+OK\r\n"), link.sock.recv(1)),
               0, None, 5, "-u", "a:b")
    for n in (2046, 2047, 2048, 4094, 4095, 4096, 5000, 8190, 8192, 9000):
        word = b"w" * n + b"\r\n"
        attack("a word of %d, kept and sent" % n, "S: +OK\nS~ (.*) -> a\n"
               "S: $_...\nC: X $a\nS: +OK\n", lambda link, word=word: (
                   link.say(b"+OK\r\n" + word + word), link.hear(),
                   link.say(b"+OK\r\n"), link.sock.recv(1)),
               0 if n < 4094 else {0, 1})
    attack("a value that is too long for a line", "S: +OK\nS~ (.*) -> a\n"
           "C: $a$a$a\n", says(b"+OK\r\n" + b"v" * 3000 + b"\r\n"), 3,
           "too long")


@test
def patterns():
    """Patterns and expressions that could take long"""
    text = b"a" * 4000 + b"\r\n"
    for step in ("S~ (a|a)*b", "S~ (a*)*b", "S~ (a?){20}(a*)*x",
                 "S~ (.*)(.*)(.*)(.*)(.*)b -> a b c d e", "S! (a|aa)*b\nS= a",
                 "S~ ((a*)*)*b", "S: $a$b$c$d$e"):
        attack("4000 times a, " + step.split("\n")[0], "S: +OK\n%s\n" % step,
               says(b"+OK\r\n" + text), 1, None, 5)


@test
def ends():
    """Connections that end in odd ways"""
    def reset(link):
        link.say(b"+OK\r\n" + b"x" * 100)
        time.sleep(0.02)
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        link.sock.close()

    for step in ("S: ...", "S: x", "S? x", "S: <x>", "S~ x"):
        attack("reset, " + step, "S: +OK\n%s\n" % step, reset, 2, "^EOF")
    for step in STEPS[:7]:
        attack("EOF, " + step, "S: +OK\n%s\n" % step,
               says(b"+OK\r\n", wait=False), 2, "^EOF")
    attack("it never reads", "S: +OK\nrepeat 3000\nC: %s\nend\nS: +OK\n"
           % ("x" * 4000), lambda link: (link.say(b"+OK\r\n"),
                                         time.sleep(60)), 2,
           "^timeout: the server takes no more commands", 10)


@test
def eight():
    """Eight connections, all of them endless"""
    tags = "abcdefgh"
    attack("eight connections with much to say",
           "".join("S%s: +OK\n" % t for t in tags) + "wait 100ms\n" +
           "".join("S%s: x\n" % t for t in tags), endless(b"x y\r\n" * 1000),
           1, "left unread")


@test
def garbage():
    """Random answers to all kinds of steps"""
    text = ("test %d\nS! zzz\nS~ .* -> a\nC: X\nS? $b $_ $c...\nS: $d.$e\n"
            "S= $a\nS: ... -> m\nlog $m.octets\nS: <x\n  y>\nS: .\neof\n")
    whole = "".join(text % i for i in range(40)) + (
        "test b\nS: ... -> m\nlog $m.md5\n" * 20)
    dice = random.Random(4711)
    parts = [b"+OK", b"-ERR", b" ", b"\r\n", b"\n", b"\r", b".", b"..", b"\0",
             b"<a@b>", b"+ QUJD\r\n", b"x" * 500, b"y" * 4095, b"z" * 8192,
             b"\r\n.\r\n", b"1 2", b"$a", b"\\x", b"\xff"]

    def talk(link):
        mine = random.Random(dice.random())
        link.say(b"".join(mine.choice(parts)
                          for _ in range(mine.randrange(1, 40))))

    attack("garbage", whole, talk, {1, 2, 3}, None, 20, "-k")
    got = run(whole, Fake(talk), "-v", "-k", "-t", "1", limit=30)
    ok(re.fullmatch(rb"([ -~]*\n)+", got.err), "garbage, -v: printable",
       got.err[:200])


run_tests(jobs=4)
