#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: answers of several lines, S! and S?, several connections,
# and what is checked without being asked for

import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")


# ---- several lines -----------------------------------------------------------

LINES = b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN LOGIN\r\n.\r\n"


@test
def many():
    """S? takes zero or more lines"""
    for what, text in (
            ("none", "S? x\nS: TOP\nS: UIDL\nS: SASL\nS: .\n"),
            ("one", "S? TOP\nS: UIDL\nS: SASL\nS: .\n"),
            ("all, and stops at the dot", "S? $_\nS: .\n"),
            ("all but", "S? $_...\nS= .\n"),
            ("twice", "S? TOP\nS? UIDL\nS? UIDL\nS? SASL\nS: .\n")):
        good("S?, " + what, "S: +OK\n" + text, Fake(says(LINES)))
    bad("S? takes the lines", "S: +OK\nS? $_\nS: TOP\n", Fake(says(LINES)),
        1, r"want S: TOP, got \.")
    good("S? binds at the first, compares then",
         "S: +OK\nS? $a 1\nS: c 1\nS: .\ncheck $a == b\n",
         Fake(says(b"+OK\r\nb 1\r\nb 1\r\nc 1\r\n.\r\n")))
    bad("S? needs a line to look at", "S: +OK\nS? x\n",
        Fake(says(b"+OK\r\n", wait=False)), 2, "^EOF")


@test
def reject():
    """S! forbids lines until the next C line"""
    everywhere = (
        ("S:", "S: TOP\nS: UIDL\n"), ("S=", "S= TOP\nS= UIDL\n"),
        ("S~", "S~ TOP\nS~ UIDL\n"), ("S?", "S? TOP\nS? UIDL\n"),
        ("a body", "S: ...\n"), ("a kept body", "S: ... -> m\n"),
        ("prose", "S: <lines>\n"))
    for what, text in everywhere:
        bad("S! in " + what, "S: +OK\nS! ^UI\n" + text + "S: ...\n",
            Fake(says(LINES)), 1, r"^forbidden by S!: UIDL$")
        good("S! not in " + what, "S: +OK\nS! ^UIDLE|^IDL|UIDL.\n" + text +
             "close\n", Fake(says(LINES)))
    good("S! without an expression ends it", "S: +OK\nS! UIDL\nS: TOP\nS!\n"
         "S: UIDL\nS: ...\n", Fake(says(LINES)))
    good("S! ends with the next C line", "S! no\nS: +OK\nC: X\nS: -ERR no\n",
         Fake(ordinary(X=b"-ERR no\r\n")))
    good("S! ends with the next C> line", "S! no\nS: +OK\nC> X\\r\\n\n"
         "S: -ERR no\n", Fake(ordinary(X=b"-ERR no\r\n")))
    good("S! is for its own connection", "Sa! OK\nSb: +OK\nCb: NOOP\n"
         "Sb: +OK\nCa: NOOP\nSa: +OK\nSa: +OK\n", Fake(ordinary()))
    bad("a C line of another connection does not end it",
        "Sa! OK\nSb: +OK\nCb: NOOP\nSb: +OK\nSa: +OK\n", Fake(ordinary()), 1,
        "forbidden")
    bad("a new S! replaces the old", "S! x\nS! ready\nS: +OK\n",
        Fake(ordinary()), 1, "forbidden")
    good("a new S! replaces the old", "S! ready\nS! x\nS: +OK\n",
         Fake(ordinary()))
    good("it sees lines of a body un-stuffed",
         "S: +OK\nS! ^[.][.]|^[.]$\nS: ...\n",
         Fake(says(b"+OK\r\n..dot\r\n.\r\n")))
    bad("it sees lines of a body un-stuffed", "S: +OK\nS! ^.dot\nS: ...\n",
        Fake(says(b"+OK\r\n..dot\r\n.\r\n")), 1, r"forbidden by S!: \.dot")
    good("of a long line only its beginning",
         "S: +OK\nS! ^y|z$\nS: ...\n", Fake(says(
             b"+OK\r\n" + (b"x" * 4095 + b"y" * 5000 + b"z\r\n") * 3 +
             b".\r\n")))
    bad("the first match fails, though more would come",
        "timeout 30s\nS: +OK\nS! ^b\nS: ...\n",
        Fake(says(b"+OK\r\na\r\nb\r\n")), 1, "forbidden by S!: b")


ODD = {
    "ordinary": b"A: b\r\n\r\none\r\ntwo\r\n",
    "empty": b"",
    "an empty line": b"\r\n",
    "dots": b"A: .\r\n\r\n.\r\n..\r\n.x\r\n",
    "no blank line": b"A: b\r\nC: d\r\n",
    "headers, blank": b"A: b\r\n\r\n",
    "a short header": b"x\r\n\r\nbody\r\n",
    "8-bit, NUL": b"A: \xe9\r\n\r\n\0\r\n\xff\0\r\n\r\n\r\n",
    "CRs": b"A: b\r\n\r\na\rb\r\n\r\r\n\r\n",
    "long lines": b"A: " + b"h" * 9000 + b"\r\n\r\n" + b"x" * 20000 + b"\r\n",
    "4095": b"y" * 4093 + b"\r\n" + b"y" * 4094 + b"\r\n" +
            b"y" * 4095 + b"\r\n",
    "8190": b"z" * 8190 + b"\r\n" + b"." * 8191 + b"\r\n" + b"z" * 8192 +
            b"\r\n",
    "many lines": b"A: b\r\n\r\n" + b"line\r\n" * 5000,
    "header": b"X-Pop3test-MD5: %s\r\n\r\nbody\r\n" %
              hashlib.md5(b"body\r\n").hexdigest().encode(),
    "HEADER": b"a: b\r\nx-POP3TEST-md5:   %s\r\nc: d\r\n\r\nbo\r\n" %
              hashlib.md5(b"bo\r\n").hexdigest().upper().encode(),
    "late header": b"a: b\r\n\r\nX-Pop3test-MD5: 00\r\n",
    "other header": b"aX-Pop3test-MD5: 00\r\nX-Pop3test-MD: 1\r\n\r\nx\r\n",
}


@test
def bodies():
    """The properties of a body"""
    def one(what, body):
        head, blank, rest = body.partition(b"\r\n\r\n")
        if body.startswith(b"\r\n"):
            head, blank, rest = b"", b"\r\n", body[2:]
        want = re.search(rb"(?im)^x-pop3test-md5: *(\w+)", head)
        text = "S: +OK\nC: RETR 1\nS: +OK\nS: ... -> m\n" + "".join(
            'set v %s\ncheck "$m.%s" == "$v"\n' % (value, name)
            for name, value in (
                ("octets", len(body)), ("lines", body.count(b"\n")),
                ("md5", hashlib.md5(body).hexdigest()),
                ("sum", hashlib.md5(rest if blank else b"").hexdigest()),
                ("want", want.group(1).decode().lower() if want else "")))
        good("body, " + what, text, Fake(ordinary([body])))

    spread(one, ODD.items(), jobs=4)
    good("in small pieces", "S: +OK\ndrain 7 0ms\nC: RETR 1\nS: +OK\n"
         "S: ... -> m\ncheck $m.octets == %d\ncheck $m.md5 == %s\n" % (
             len(ODD["long lines"]),
             hashlib.md5(ODD["long lines"]).hexdigest()),
         Fake(ordinary([ODD["long lines"]])))
    good("properties in what is sent and expected",
         "S: +OK\nC: RETR 1\nS: +OK\nS: ... -> m\nC: LIST 1\n"
         "S: +OK 1 $m.octets\nC: X $m.lines $m.md5 ${m.octets}x\nS: +OK\n",
         Fake(ordinary(X=b"+OK\r\n")))
    bad("a property in a pattern, and another number",
        "S: +OK\nC: RETR 1\nS: +OK\nS: ... -> m\nC: STAT\nS: +OK $m.octets\n",
        Fake(ordinary()), 1, "want S")


@test
def body_names():
    """Bodies by their names"""
    two = [HELLO, b"A: b\r\n\r\nx\r\n"]
    fetch = "C: RETR %d\nS: +OK\nS: ... -> %s\n"
    good("two bodies", "S: +OK\n" + fetch % (1, "a") + fetch % (2, "b") +
         "check $a.octets == %d\ncheck $b.octets == %d\ncheck $a.md5 != $b.md5"
         % tuple(map(len, two)), Fake(ordinary(two)))
    good("a name again", "S: +OK\n" + fetch % (1, "a") + fetch % (2, "a") +
         "check $a.octets == %d" % len(two[1]), Fake(ordinary(two)))
    good("eight of them", "S: +OK\n" + "".join(
        fetch % (1 + i % 2, "m%d" % i) for i in range(8)) + "".join(
        "check $m%d.octets == %d\n" % (i, len(two[i % 2]))
        for i in range(8)), Fake(ordinary(two)))
    good("of more than eight the last eight", "S: +OK\n" + "".join(
        fetch % (1 + i % 2, "m%d" % i) for i in range(12)) + "".join(
        "check $m%d.octets == %d\n" % (i, len(two[i % 2]))
        for i in range(4, 12)), Fake(ordinary(two)))
    good("blanks behind the dots", "S: +OK\nC: RETR 2\nS: +OK\nS: ...  \n"
         "C: RETR 1\nS: +OK\nS:   ...   -> n  \ncheck $n.octets == %d\n"
         % len(HELLO), Fake(ordinary(two)))
    for text, said in (("C: $m", r"^\$m is a reply: use \$m\.octets"),
                       ("C: $x.octets", r"^\$x is no reply|not set"),
                       ("check $x.md5 == 1", r"^\$x is no reply|not set")):
        bad(text, "S: +OK\n" + fetch % (1, "m") + text, Fake(ordinary()), 3,
            said)
    good("a dot that is no property", "S: +OK\nset a 1\ncheck $a.b == 1.b\n"
         "check $a.octet == 1.octet\ncheck ${a}.octets == 1.octets\n",
         Fake(ordinary()))
    bad("a property of what is no reply, in a pattern", "S: +OK $q.octets\n",
        Fake(ordinary()), 1, "want S")
    good("from one test to the next", "test a\nS: +OK\n" + fetch % (1, "m") +
         "test b\ncheck $m.octets == %d\nS: +OK\n" % len(HELLO),
         Fake(ordinary()))
    good("no status line: the rest is what follows", "S: ... -> m\n"
         "check $m.octets == 5\n", Fake(says(b"+OK\r\n.\r\n")))


@test
def body_ends():
    """Bodies that end too early, or not as they must"""
    for what, data, status, said in (
            ("EOF", b"a\r\nb\r\n", 2, "^EOF within a reply"),
            ("EOF within a line", b"a\r\nb", 2, "^EOF within a reply"),
            ("EOF within the end", b"a\r\n.", 2, "^EOF within a reply"),
            ("a bare LF", b"a\nb\r\n.\r\n", 1, "LF without CR"),
            ("a bare LF behind the dot", b"a\r\n.\nb\r\n.\r\n", 1,
             "LF without CR"),
            ("LF first", b"\n.\r\n", 1, "LF without CR"),
            ("LF behind a long line", b"x" * 8192 + b"\n.\r\n", 1,
             "LF without CR")):
        bad("body, " + what, "S: +OK\nS: ...\n",
            Fake(says(b"+OK\r\n" + data, wait=False)), status, said)
    bad("body, silence", "timeout 200ms\nS: +OK\nS: ...\n",
        Fake(says(b"+OK\r\na\r\n.")), 2, "^timeout within a line")
    bad("body, silence between lines", "timeout 200ms\nS: +OK\nS: ...\n",
        Fake(says(b"+OK\r\na\r\n")), 2, "^timeout")


@test
def prose():
    """Words in angle brackets"""
    two = Fake(ordinary([HELLO, b".\r\n..\r\n"]))
    good("lines up to the dot", "S: +OK\nC: RETR 1\nS: +OK\n"
         "S: <the message>\nS: .\nC: RETR 2\nS: +OK\nS: <with dots\n"
         "   in\n it, as if\n\n # it were>\nS: .\nC: STAT\nS: +OK\n", two)
    good("no lines", "S: +OK\nC: X\nS: +OK\nS: <none>\nS: .\n",
         Fake(ordinary(X=b"+OK\r\n.\r\n")))
    good("some lines", "S: +OK\nC: RETR 1\nS: +OK\nS: Subject: hello\n"
         "S: <the rest>\nS: .\n", two)
    good("elsewhere a comment", "S: <wait>\nC: <open connection>\nS: +OK\n"
         "C: NOOP\nS: <now>\nS: +OK\nC: <think about\n  it>\nC: NOOP\nS: +OK\n"
         "C: QUIT\nS: +OK\nC: <close connection>\nS: <wait again>\n", two)
    good("on connections with tags", "Ca: <open>\nSa: +OK\nCa: RETR 1\n"
         "Sa: +OK\nSb: +OK\nSb2: <x>\nSa: <lines>\nSa: .\nCa: <close it>\n",
         two)
    seen = []
    run("C: <open a connection>\nwait 50ms\nC: <close it>\n",
        Fake(lambda link: seen.append(link.sock.recv(10))))
    wait_for(lambda: seen)
    is_(seen, [b""], "<open ...> and <close ...> do what they say")
    good("opened again", "S: +OK\nC: <close>\nC: <open>\nS: +OK\nC: NOOP\n"
         "S: +OK\n", two)
    bad("EOF within", "S: +OK\nC: X\nS: +OK\nS: <lines>\nS: .\n",
        Fake(ordinary(X=lambda link, args: link.say(b"+OK\r\na\r\n"))), 2,
        "^EOF")
    good("S= and S~ of such lines are no prose", "S: +OK\nS= <x>\nS~ <y>\n",
         Fake(says(b"+OK\r\n<x>\r\n<y>\r\n")))


# ---- connections -------------------------------------------------------------

@test
def connections():
    """Eight connections, by their tags"""
    links = []

    def talk(link):
        links.append(link)
        link.say(b"+OK %d\r\n" % len(links))
        link.hear()
        link.say(b"+OK\r\n")
        link.sock.recv(1)

    tags = ["", "1", "2", "a", "abcdefg", "0000000", "z9", "x"]
    eight = "".join("S%s: +OK $n%d\n" % (t, i) for i, t in enumerate(tags))
    good("eight", eight + "".join("check $n%d == %d\n" % (i, i + 1)
                                  for i in range(8)) +
         "".join("C%s: X\nS%s: +OK\n" % (t, t) for t in tags), Fake(talk))
    is_(len(links), 8, "eight: connections")
    detail = bad("the ninth", eight + "Sy: +OK\n", Fake(talk), 3,
                 "^more than 8 connections")
    is_(detail.get("at"), "t.pop3:9", "the ninth: where")
    good("one is closed, another takes its place", eight +
         "close a\nSy: +OK\nclose\nSw: +OK\nCy: X\nSy: +OK\n", Fake(talk))
    good("a closed one connects again", "Sa: +OK\nclose a\nSa: +OK\nCa: X\n"
         "Sa: +OK\n", Fake(talk))
    good("they end with the test", "test 1\n" + eight + "test 2\n" +
         "unset %s\n" % " ".join("n%d" % i for i in range(8)) + eight,
         Fake(talk))
    links.clear()
    good("a new test has a new connection", "test 1\nS: +OK 1\ntest 2\n"
         "S: +OK 2\n", Fake(talk))
    chunks = []
    good("settings of one that is not open yet", "split 1 50ms b\nSa: +OK\n"
         "Sb: +OK\nCb: X\nSb: +OK\n", Fake(raw(chunks)))
    is_(chunks[:3], [b"X", b"\r", b"\n"], "they stay with it")


# ---- what is always checked --------------------------------------------------

@test
def always():
    """What is checked without being asked for"""
    for what, data, text, said in (
            ("LF alone", b"+OK\n", "S: +OK", "ends in LF without CR"),
            ("LF alone, S=", b"+OK\r\nx\n", "S: +OK\nS= x",
             "ends in LF without CR"),
            ("LF alone, S~", b"+OK\r\nx\n", "S: +OK\nS~ .*",
             "ends in LF without CR"),
            ("LF alone, S?", b"+OK\r\nx\ny\r\n", "S: +OK\nS? x\nS: y",
             "ends in LF without CR"),
            ("LF alone, prose", b"+OK\r\nx\n.\r\n", "S: +OK\nS: <x>\nS: .",
             "ends in LF without CR"),
            ("an LF", b"\n", "S~ .*", "ends in LF without CR"),
            ("513 octets", b"+OK " + b"x" * 507 + b"\r\n", "S: +OK",
             "status line of more than 512 octets"),
            ("513 octets, -ERR", b"-ERR " + b"x" * 506 + b"\r\n", "S: -ERR",
             "status line of more than 512 octets"),
            ("513 octets, S~", b"+OK " + b"x" * 507 + b"\r\n", "S~ .*",
             "status line of more than 512 octets"),
            ("1 MB", b"+OK " + b"x" * 1000000 + b"\r\n", "S~ .*",
             "status line of more than 512 octets")):
        bad(what, text + "\n", Fake(says(data)), 1, said)
    for what, data, text in (
            ("512 octets", b"+OK " + b"x" * 506 + b"\r\n", "S: +OK"),
            ("512 octets, -ERR", b"-ERR " + b"x" * 505 + b"\r\n", "S: -ERR"),
            ("513 octets of another line", b"+OK\r\n" + b"x" * 511 + b"\r\n",
             "S: +OK\nS~ x*"),
            ("+OK of 600 octets in a body", b"+OK\r\n+OK " + b"x" * 600 +
             b"\r\n.\r\n", "S: +OK\nS: ..."),
            ("LF within a line of CRs", b"+OK\r\r\n", "S= +OK\\r")):
        good(what, text + "\n", Fake(says(data)))


@test
def unread():
    """Nothing may be left unread when a test ends"""
    for what, text, data, said in (
            ("a line", "S: +OK", b"+OK\r\n-ERR more\r\n",
             r"^left unread: -ERR more"),
            ("a byte", "S: +OK", b"+OK\r\nx", "^left unread: x"),
            ("all", "C: <open>\nwait 200ms", b"+OK hi\r\n",
             r"^left unread: \+OK hi"),
            ("the end of a body", "S: +OK\nS: x", b"+OK\r\nx\r\n.\r\n",
             r"^left unread: \.")):
        bad("left: " + what, text + "\n", Fake(says(data)), 1, said)
    bad("left on another connection", "Sa: +OK\nSb: +OK\nCa: NOOP\n"
        "Cb: NOOP\nSb: +OK\nwait 200ms\n", Fake(ordinary()), 1,
        "^left unread")
    bad("the answer to a last C line", "S: +OK\nC: STAT\nwait 200ms\n",
        Fake(ordinary()), 1, "^left unread")
    good("close, and nothing is left", "S: +OK\nC: STAT\nclose\n",
         Fake(ordinary()))
    got = run("test a\nS: +OK\nC: NOOP\nwait 200ms\ntest b\nS: +OK\n",
              Fake(ordinary()))
    is_(tap(got.out)[2], (1, 1, 0), "the next test goes on", got)
    good("the server may have closed", "S: +OK\nC: QUIT\nS: +OK\nwait 50ms\n",
         Fake(ordinary()))


@test
def ends():
    """EOF, timeout and mismatch are told apart"""
    def half(link):
        link.say(b"+OK ready\r\n+OK hal")

    for what, talk, text, status, said in (
            ("EOF at once", lambda link: None, "S: +OK", 2,
             "^EOF before a greeting"),
            ("EOF in the greeting", says(b"+O", wait=False), "S: +OK", 2,
             "^EOF within a line"),
            ("EOF later", ordinary(X=b""), "S: +OK\nC: X\nS: +OK", 2,
             "^EOF: the server closed"),
            ("EOF within a line", half, "S: +OK\nS: +OK", 2,
             "^EOF within a line"),
            ("no greeting", says(), "S: +OK", 2, "^timeout: no greeting"),
            ("half a greeting", says(b"+O"), "S: +OK", 2,
             "^timeout within a line"),
            ("no answer", says(b"+OK\r\n"), "S: +OK\nC: X\nS: +OK", 2,
             "^timeout: no answer"),
            ("mismatch", ordinary(), "S: +OK\nC: STAT\nS: +OK 9", 1,
             r"^want S: \+OK 9, got \+OK 1 28$"),
            ("mismatch of a greeting", ordinary(), "S: -ERR", 1,
             r"^want S: -ERR, got \+OK ready$")):
        detail = bad(what, "timeout 300ms\n" + text + "\n", Fake(talk),
                     status, said)
        is_(detail.get("stage"), "greeting" if "greeting" in what and
            status == 2 or what == "EOF at once" else "reply",
            what + ": stage")
    port = free_port()
    detail = bad("nobody there", "S: +OK\n", ["127.0.0.1:%d" % port], 2,
                 "refused")
    is_(detail.get("stage"), "connect", "nobody there: stage")
    bad("no target", "S: +OK\n", None, 3, "no target")


@test
def loose():
    """-L: of a status line only its first word counts"""
    server = Fake(ordinary(X=b"+OK\r\n", Y=b"-ERR no\r\n"))
    for text in ("S: +OK POP3 server ready\nC: X\nS: +OK 2 messages\n",
                 "S= +OK hello\nC: Y\nS: -ERR no such message\n",
                 "S: +OK x$_\n"):
        good("-L", text, server, "-L")
        bad("without -L", text, server, 1, "want S")
    bad("-L: another first word", "S: -ERR\n", server, 1, "want S", "-L")
    bad("-L: no status line", "S: +OK\nC: RETR 1\nS: +OK\nS: Subject: no\n",
        server, 1, "want S", "-L")
    bad("-L: S~ stays as it is", "S~ \\+OK no\n", server, 1, "want S", "-L")


run_tests(jobs=4)
