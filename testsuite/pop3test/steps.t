#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: what C lines send, what one S line matches, and variables

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")


# ---- sending -----------------------------------------------------------------

def sent(what, script, *want):
    """What is written, in as many writes; all answers are read."""
    lines = b"".join(want).count(b"\n")
    is_(writes("S: +OK\n%s\n%s" % (script, "S: +OK\n" * lines)), [*want],
        what)


@test
def colon():
    """C: sends text and CRLF"""
    for text, want in (("STAT", b"STAT"), ("  two  words", b"two  words"),
                       ("\tx", b"x"), ("x  ", b"x  "), ("x\t", b"x\t"),
                       ("", b""), ("   ", b""), ("#x", b"#x"),
                       ("é", "é".encode()), ("a'\"`%s", b"a'\"`%s")):
        sent("C:%r" % text, "C:" + text, want + b"\r\n")
    sent("C: of 4000 bytes", "C: " + "x" * 4000, b"x" * 4000 + b"\r\n")


@test
def arrow():
    """C> sends text alone; one blank is not part of it"""
    for text, want in ((" STAT\\r\\n", b"STAT\r\n"), ("STAT\\n", b"STAT\n"),
                       ("  x\\n", b" x\n"), (" x \\n", b"x \n"),
                       ("\\n", b"\n"), ("\tx\\n", b"\tx\n")):
        sent("C>%r" % text, "C>" + text, want)
    sent("C> alone", "C>\nC> \nC> x\nclose", b"x")
    sent("C> and nothing that sends it", "C> x", b"x")


@test
def escapes():
    """Escapes in what is sent"""
    for text, want in (("\\r", b"\r"), ("\\n", b"\n"), ("\\t", b"\t"),
                       ("\\0", b"\0"), ("\\x00", b"\0"), ("\\\\", b"\\"),
                       ("\\$", b"$"), ("\\$a", b"$a"), ("\\x41", b"A"),
                       ("\\xfF\\xE9", b"\xff\xe9"), ("\\x0a", b"\n"),
                       ("\\x411", b"A1"), ("\\01", b"\x001"),
                       ("\\\\r", b"\\r"), ("a\\\\\\r", b"a\\\r"),
                       ("every \\x01\\x7f\\x80", b"every \x01\x7f\x80")):
        sent("C> " + text, "C> %s|" % text, want + b"|")
    sent("every byte", "C> " + "".join("\\x%02x" % i for i in range(256)),
         bytes(range(256)))


@test
def cuts():
    r"""\| ends a segment"""
    for text, *want in (
            ("C: ST\\|AT", b"ST", b"AT\r\n"),
            ("C: \\|STAT", b"STAT\r\n"),
            ("C: STAT\\|", b"STAT", b"\r\n"),
            ("C> S\\|T\\|A\\|T\\|\\r\\|\\n", b"S", b"T", b"A", b"T", b"\r",
             b"\n"),
            ("C: A\\|\\|B", b"A", b"B\r\n"),
            ("C: A\nC: B\\|C\nC: D", b"A\r\nB", b"C\r\nD\r\n"),
            ("C> A\\|\nC> B\\n", b"A", b"B\n"),
            ("C: " + "\\|".join("x" * 40), *[b"x"] * 39, b"x\r\n")):
        sent(text[:30], text, *want)
    came = []

    def talk(link):
        link.say(b"+OK\r\n")
        while link.sock.recv(65536):
            came.append(time.monotonic())

    run("S: +OK\nC> a\\|b\n", Fake(talk))
    wait_for(lambda: len(came) > 1)
    ok(came[1] - came[0] > 0.01, "there is a pause between", came)


@test
def together():
    """C lines that stand together leave in one write"""
    sent("three", "C: A\nC: B\n\n# x\n...\nC> C\nC> \\r\\n",
         b"A\r\nB\r\nC\r\n")
    is_(writes("S: +OK\nC: A\nS: +OK\nC: B\nS: +OK\n"), [b"A\r\n", b"B\r\n"],
        "with an answer between")
    sent("a loop", "repeat 50\nC: A\nend", b"A\r\n" * 50)
    for line in ("wait 1ms", "quiet 1ms", "log x", "set a b", "timeout 5",
                 "split 0", "sh true", "check 1"):
        sent(line + " between", "C> A\n%s\nC> B" % line, b"A", b"B")
    got = writes("S: +OK\nrepeat 3000\nC: x\nend\nrepeat 3000\nS: +OK\nend\n")
    ok(b"".join(got) == b"x\r\n" * 3000 and len(got) == 2 and
       8192 <= len(got[0]) < 8200, "much of it: in writes of 8 KB",
       [len(p) for p in got])
    parts = {}

    def talk(link):
        link.say(b"+OK\r\n")
        data = []
        while b"".join(data).count(b"\n") < 4:
            data.append(link.sock.recv(65536))
            time.sleep(0.02)
        parts[b"".join(data)] = len(data)
        link.say(b"+OK\r\n" * 4)

    good("two connections", "Sa: +OK\nSb: +OK\nCa: 1\nCa: 2\nCb: 3\nCb: 4\n"
         "wait 60ms\nCa: 5\nCa: 6\nCb: 7\nCb: 8\n" + "Sa: +OK\n" * 4 +
         "Sb: +OK\n" * 4 + "eof a\neof b\n", Fake(talk))
    is_(sorted(parts), [b"1\r\n2\r\n5\r\n6\r\n", b"3\r\n4\r\n7\r\n8\r\n"],
        "two connections: each has its own")


@test
def order():
    """What one connection sends is there before another goes on"""
    log = []

    def talk(link):
        link.say(b"+OK\r\n")
        while True:
            line = link.hear()
            if line is None:
                return
            log.append(line)
            time.sleep(0.02)
            link.say(b"+OK\r\n")

    good("in the order of the lines", "Sa: +OK\nSb: +OK\nSc: +OK\n" +
         "".join("C%s: %d\nS%s: +OK\n" % (t, i, t)
                 for i, t in enumerate("abcbacabc")), Fake(talk))
    is_(log, [b"%d" % i for i in range(9)], "interleaved")


# ---- pipelining --------------------------------------------------------------

@test
def pipelining():
    """Thousands of commands while the server answers with much data"""
    box = Maildir()
    box.add("new", "1.a", b"A: b\n\n" + b"x" * 70 + b"\n" * 3)
    box.add("new", "2.b", b"A: b\n\n" + (b"y" * 70 + b"\n") * 900)
    size = oracle.size(b"A: b\n\n" + (b"y" * 70 + b"\n") * 900)
    good("1000 RETR of 64 KB", "S: +OK\nrepeat 1000\nC: RETR 2\nend\n"
         "repeat 1000\nS: +OK\nS: ... -> m\ncheck $m.octets == %d\nend\n"
         "C: QUIT\nS: +OK\neof\n" % size, box)

    def blocking(link):
        # Reads a little, answers with more, and never looks ahead.
        for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            link.sock.setsockopt(socket.SOL_SOCKET, which, 65536)
        link.say(b"+OK\r\n")
        rest = b""
        while True:
            got = link.sock.recv(512)
            if not got:
                return
            rest += got
            n, rest = rest.count(b"\n"), rest[rest.rfind(b"\n") + 1:]
            link.say((b"+OK " + b"z" * 300 + b"\r\n") * n)

    good("15000 commands, 65 KB of buffers", "S: +OK\nrepeat 15000\n"
         "C: NOOP %s\nend\nrepeat 15000\nS: +OK zzz$_\nend\n" % ("n" * 70),
         Fake(blocking))


# ---- one line ----------------------------------------------------------------

def line(what, step, got, matches, *more, before="", after=""):
    """Does the step match the line (bytes without CRLF)?"""
    server = Fake(says(b"+OK\r\n" + got + b"\r\n"))
    text = "S: +OK\n%s%s\n%s" % (before, step, after)
    if matches:
        good("%s: %s" % (what, step), text, server, *more)
    else:
        bad("%s: %s, not" % (what, step), text, server, 1, "^want S", *more)


@test
def patterns():
    """S: matches a beginning that ends with a word"""
    for pattern, got, matches in (
            ("+OK", b"+OK", True), ("+OK", b"+OK 2 320", True),
            ("+OK", b"+OKAY", False), ("+OK", b"-ERR", False),
            ("+OK", b" +OK", False), ("+OK", b"+ok", False),
            ("-ERR", b"-ERR", True), ("-ERR", b"-ERR [AUTH] x", True),
            ("-ERR", b"-ERRx", False), ("   +OK", b"+OK", True),
            ("\t+OK", b"+OK", True),
            ("+OK 2", b"+OK 2 320", True), ("+OK 2", b"+OK 20", False),
            ("+OK 2 320", b"+OK 2 320", True), ("+OK 2", b"+OK", False),
            ("+OK 2 320", b"+OK 2 3200", False),
            ("+OK  2", b"+OK 2", False), (".", b".", True),
            (".", b"..", False), (".", b". x", True), (".", b".x", False),
            ("..", b"..", True), ("1 120", b"1 120 extra", True),
            ("a.b*c(d", b"a.b*c(d", True), ("a.b", b"axb", False),
            ("\\$x", b"$x", True), ("\\\\x", b"\\x", True),
            ("x\\x41", b"xA", True), ("x\\ty", b"x\ty", True),
            ("\\xe9", b"\xe9", True), ("x", b"x\ty", False),
            ("a\\0b", b"a\0b", True), ("a", b"a\0b", False),
            ("a b", b"a b\0", False), ("", b"", True), ("", b" x", True),
            ("", b"x", False), ("+OK ", b"+OK", False),
            ("+OK ", b"+OK ", True), ("+OK ", b"+OK  x", True)):
        line("%r" % got, "S: " + pattern, got, matches)
    line("a line of 512", "S: x", b"x " + b"y" * 508, True)
    line("a line of 4095", "S: x", b"x " + b"y" * 4091, True)
    line("a line of 9000", "S: x", b"x " + b"y" * 9000, False)


@test
def exact():
    """S= wants all of the line, as it came"""
    for text, got, matches in (
            (" Subject: x", b"Subject: x", True), ("Subject", b"Subject",
                                                   True),
            (" Subject", b"Subject: x", False), (" a ", b"a", False),
            (" a", b"a ", False), (" a ", b"a ", True), ("  a", b" a", True),
            ("  a", b"a", False), ("", b"", True), (" ", b"", True),
            ("", b" ", False), (" ..dot", b"..dot", True),
            (" .dot", b"..dot", False), (" .", b".", True),
            (" a\\0b", b"a\0b", True), (" a", b"a\0b", False),
            (" a\\tb\\\\\\$\\xe9", b"a\tb\\$\xe9", True),
            (" +OK", b"+OK x", False), (" A", b"a", False),
            (" ...", b"...", True), (" <x>", b"<x>", True)):
        line("%r" % got, "S=" + text, got, matches)
    line("a variable", "S= a $v ${v}c", b"a 12 12c", True, before="set v 12\n")
    line("a variable", "S= $v", b"1", False, before="set v 12\n")
    line("4000 bytes", "S= " + "y" * 4000, b"y" * 4000, True)
    line("4001 bytes", "S= " + "y" * 4000, b"y" * 4001, False)


@test
def expressions():
    """S~ matches the whole line, and takes groups"""
    for ere, got, matches in (
            ("\\+OK [0-9]+", b"+OK 12", True),
            ("\\+OK [0-9]+", b"+OK 12 ", False),
            ("OK", b"+OK", False), ("\\+O", b"+OK", False),
            ("a|ab", b"ab", True), ("(a|b)*c{2}", b"ababcc", True),
            ("", b"", True), ("", b"x", False), (".*", b"any \xe9\t", True),
            ("a\\$b", b"a$b", True), (" a", b" a", False),
            ("  a", b" a", True), ("-ERR (\\[IN-USE\\] )?.*",
                                   b"-ERR [IN-USE] x", True),
            ("a -> b", b"a", True), ("[->]+ x", b"-> x", True)):
        line("%r" % got, "S~" + (ere if ere[:1] == " " else " " + ere), got,
             matches)
    line("groups", "S~ \\+OK ([0-9]+) ([0-9]+)(x)?.* -> n total none",
         b"+OK 2 320 rest", True,
         after="check $n == 2\ncheck $total == 320\ncheck a$none == a")
    line("fewer names than groups", "S~ (.)(.)(.) -> a b", b"xyz", True,
         after="check $a$b == xy\nset c ok\nlog $c")
    line("nine groups", "S~ (.)(.)(.)(.)(.)(.)(.)(.)(.) -> a b c d e f g h i",
         b"123456789", True, after="check $a$b$c$d$e$f$g$h$i == 123456789")
    line("an arrow in the expression", "S~ (.*) -> (.*) -> a b",
         b"x -> y", True, after="check $a$b == xy")
    line("8-bit and blanks", "S~ x(.*)z -> v", b"x \xe9 \\$ z", True,
         after="check a$v == a\\x20\\xe9\\x20\\\\\\$\\x20")
    bad("not assigned when it does not match", "set n 1\nS~ -ERR (.*) -> n\n",
        Fake(ordinary()), 1, "want S~", "-k")
    got = run("S~ -ERR (.*) -> n\ntest 2\nlog <$n>\n", Fake(ordinary()))
    like(got.out, r"\$n is not set", "not set when it does not match")


@test
def literal_stop():
    """$name takes a word, or what stands before the character behind it"""
    for pattern, got, values in (
            ("+OK $n $t", b"+OK 2 320", {"n": "2", "t": "320"}),
            ("+OK $n", b"+OK 2 320", {"n": "2"}),
            ("x<$a.$b@$c>", b"x<1896.697170952@dbc.mtview.ca.us>",
             {"a": "1896", "b": "697170952", "c": "dbc.mtview.ca.us"}),
            ("$a:", b"Subject: x", {"a": "Subject"}),
            ("x$a", b"xyz w", {"a": "yz"}), ("${a}z", b"xyz", {"a": "xy"}),
            ("$a=$b", b"k=v=w", {"a": "k", "b": "v=w"}),
            ("+OK $a...", b"+OK all of  it ", {"a": "all of  it "}),
            ("+OK $a...", b"+OK ", {"a": ""}),
            ("+OK${a}...", b"+OK...", None),
            ("+OK$a...", b"+OK", {"a": ""}),
            ("$a.$b...", b"x.y z", {"a": "x", "b": "y z"}),
            ("$a...", b"", {"a": ""}),
            ("+OK ${a...}", b"+OK x y", {"a": "x y"}),
            ("+OK $n", b"+OK", None), ("+OK $n", b"+OK ", None),
            ("+OK $n $m", b"+OK 1", None), ("$a:", b":x", None),
            ("$n x", b"1 y", None),
            ("$_ $_ $a", b"x y z", {"a": "z"}),
            ("$_", b"", None), ("+OK $_", b"+OK ", None),
            ("+OK $_...", b"+OK a b c", {}), ("$_...", b"", {}),
            ("$_a", b"xyz", {"_a": "xyz"}), ("${_}z", b"xyz w", {}),
            ("$a $a", b"x x", {"a": "x"}), ("$a $a", b"x y", None),
            ("$a$a", b"xx", None),
            ("$abc_9 x", b"v x", {"abc_9": "v"})):
        text = "S: %s\n" % pattern
        if values is None:
            line("%r" % got, "S: " + pattern, got, False)
            continue
        line("%r" % got, "S: " + pattern, got, True, after="".join(
            "set want _%s\ncheck \"_$%s\" == \"$want\"\n"
            % (v.replace(" ", "\\x20").rstrip(), k)
            for k, v in values.items()) or "log x\n")


@test
def compared():
    """A variable that is set must be equal"""
    for value, pattern, got, matches in (
            ("2", "+OK $v", b"+OK 2", True), ("2", "+OK $v", b"+OK 2 x", True),
            ("2", "+OK $v", b"+OK 22", False), ("2", "+OK $v", b"+OK 3",
                                                False),
            ("22", "+OK $v", b"+OK 2", False),
            ("a b", "+OK $v", b"+OK a b", True),
            ("a b", "+OK $v...", b"+OK a b", True),
            ("a b", "+OK $v...", b"+OK a b c", False),
            ("a b", "+OK $v", b"+OK a b c", True),
            ("", "+OK$v", b"+OK", True), ("", "x${v}y", b"xy", True),
            ("2", "${v}0", b"20", True), ("2", "${v}0", b"2", False),
            ("$", "\\$$v", b"$$", None)):
        if matches is not None:
            line("%r, %r" % (value, got), "S: " + pattern, got, matches,
                 before="set v %s\n" % value)
    server = Fake(ordinary([HELLO] * 2))
    good("bound in one test, compared in the next",
         "test a\nS: +OK\nC: UIDL 1\nS: +OK 1 $uid\n"
         "test b\nS: +OK\nC: UIDL 1\nS: +OK 1 $uid\n"
         "test c\nS: +OK\nC: UIDL 2\nS: +OK 2 $other\ncheck $uid != $other\n"
         "unset uid other\nC: UIDL 2\nS: +OK 2 $uid\n", server)
    bad("bound, and another", "S: +OK\nC: UIDL 1\nS: +OK 1 $uid\nC: UIDL 2\n"
        "S: +OK 2 $uid\n", server, 1, r"want S: \+OK 2 \$uid, got \+OK 2 uid-1")
    good("-D is compared", "S: +OK $w\n", Fake(ordinary()), "-D", "w=ready")
    bad("-D is compared", "S: +OK $w\n", Fake(ordinary()), 1, "want",
        "-D", "w=steady")


@test
def not_bound():
    """A pattern that does not match binds nothing"""
    got = run("test a\nS: +OK $a $b\ntest b\nlog a is $a\n", Fake(ordinary()))
    is_(tap(got.out)[2], (0, 2, 0), "both fail", got)
    like(got.out, r"\$a is not set", "the first part is not kept")
    good("S? that does not match binds nothing",
         "S? 1 $x\nS: +OK $_\ntest b\nset x 1\nS: +OK\n", Fake(ordinary()))


@test
def values():
    """Values: sending them, ${}, unset, 2047 bytes, names of 31"""
    sent("${name}", "set a 1\nset ab 2\nC: $a $ab ${a}b ${a}$a$ab.x",
         b"1 2 1b 112.x\r\n")
    sent("a value with escapes is not read again",
         "set a \\\\r\\$b\nC: $a", b"\\r$b\r\n")
    sent("$name... in what is sent", "set a 1\nC: $a...", b"1...\r\n")
    name = "n" * 31
    sent("a name of 31", "set %s v\nC: $%s ${%s}x" % (name, name, name),
         b"v vx\r\n")
    bad("unset", "S: +OK\nC: $nope\n", Fake(ordinary()), 3,
        r"^\$nope is not set$")
    bad("unset after unset", "S: +OK\nset a 1\nunset a\nC: $a\n",
        Fake(ordinary()), 3, r"^\$a is not set$")
    good("2047 bytes, through a pattern and an expression",
         "S: $v\nS~ (.*) -> w\ncheck $v == $w\nC: x\n",
         Fake(says(b"v" * 2047 + b"\r\n" + b"v" * 2047 + b"\r\n")))
    text = "".join("set v%d %s\n" % (i, "x" * 100) for i in range(2000))
    good("2000 variables", text + "S: +OK\ncheck $v1999 == $v0\n",
         Fake(ordinary()))
    good("one variable 30000 times, longer and shorter",
         "S: +OK\nfor i in 1..10000\nset a $i\nset a $i$i$i$i$i$i$i$i\n"
         "set b x\nend\n", Fake(ordinary()))
    good("of -D the last counts, and it may have =", "S: +OK\n"
         "check $a == 2\ncheck $b == x=y\n", Fake(ordinary()), "-Da=1",
         "-D", "a=2", "-D", "b=x=y")


@test
def predefined():
    """$host, $port, $user, $pass, $i, and what is computed"""
    stamp = "<1896.697170952@dbc.mtview.ca.us>"
    server = Fake(ordinary(greeting=b"+OK POP3 <no>, " + stamp.encode() +
                           b" ready\r\n", X=b"+OK\r\n"))
    for name, want in (
            ("host", "127.0.0.1"), ("port", str(server.port)),
            ("user", "mrose"), ("pass", "tanstaaf"), ("i", "1"),
            ("stamp", stamp), ("digest", "c4c9334bac560ecc979e58001b3e22fb"),
            ("plain", "AG1yb3NlAHRhbnN0YWFm"), ("user64", "bXJvc2U="),
            ("pass64", "dGFuc3RhYWY=")):
        server.heard.clear()
        good("$" + name, "S: +OK\nC: X $%s\nS: +OK\n" % name, server,
             "-u", "mrose:tanstaaf")
        is_(server.heard, [b"X " + want.encode()], "$%s: value" % name)
    good("$stamp and $digest where no connection is named",
         "S: +OK\nset a $stamp\ncheck $a == %s\nlet b = $digest\n"
         "check $b == c4c9334bac560ecc979e58001b3e22fb\n" % stamp, server,
         "-u", "mrose:tanstaaf")
    good("$stamp in a pattern", "S: +OK POP3 <no>, $stamp\nS: ready\n"[:-10],
         server)
    bad("no password", "S: +OK\nC: X $pass\n", server, 3, r"\$pass is not set")

    def cram(link):
        link.say(b"+OK\r\n")
        link.hear()
        link.say(b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
                 b"\r\n")
        link.hear()
        link.say(b"+OK\r\n")

    server = Fake(cram)         # the example of RFC 2195 section 2
    good("$cram", "S: +OK\nC: AUTH CRAM-MD5\nS: +\nC: $cram\nS: +OK\n",
         server, "-u", "tim:tanstaaftanstaaf")
    is_(server.heard[1], b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
        "$cram: value")
    two = []

    def other(link):
        two.append(link)
        link.say(b"+OK <%d@x>\r\n" % len(two))
        link.hear()
        link.say(b"+OK\r\n")

    server = Fake(other)
    good("each connection has its own", "Sa: +OK\nSb: +OK\nCa: X $stamp\n"
         "Sa: +OK\nCb: X $stamp\nSb: +OK\n", server)
    is_(server.heard, [b"X <1@x>", b"X <2@x>"], "its own: values")


run_tests(jobs=4)
