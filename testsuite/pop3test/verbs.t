#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test check, capa, stat, list, uidl, top, dele

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()

SHAPE = (r"\APOP3 OK - 2 messages \(%d octets\) in \d+\.\d{3} s"
         r"\|time=\d+\.\d{6}s;%s;%s;0;%s messages=2;;;0 octets=%dB;;;0\n\Z")
TWO = [HELLO, b"A: b\r\n\r\n.dot\r\n..\r\n"]
OCTETS = sum(map(len, TWO))


def one_line(run, what):
    """Nagios reads the first line of standard output, whatever happened."""
    is_(run.out.count(b"\n"), 1, what + ": one line on standard output",
        run)
    ok(re.fullmatch(rb"[ -~]*\n", run.out), what + ": printable", run.out)
    text, _, _ = run.out.partition(b"|")
    like(text, r"\APOP3 (OK|WARNING|CRITICAL|UNKNOWN) - .", what + ": shape")


@test
def check_login():
    """check with a login: STAT, and what it counts"""
    server = Fake(ordinary(TWO))
    run = pop3test("check", "-u", "al:pw", "-t", "7.5", "-w", "1", "-c",
                   "2.25", server.target)
    is_((run.status, run.err), (0, b""), "check: exit status")
    like(run.out, SHAPE % (OCTETS, "1", r"2\.25", r"7\.5", OCTETS),
         "check: the line")
    is_(server.heard, [b"CAPA", b"USER al", b"PASS pw", b"STAT", b"QUIT"],
        "check: what it says to the server")
    run = pop3test("-u", "al:pw", server.target)
    like(run.out, SHAPE % (OCTETS, "", "", "10", OCTETS),
         "check is the default; the limits are left out")
    one = Fake(ordinary())
    like(pop3test("-u", "al:pw", one.target).out,
         r"- 1 message \(%d octets\) in" % len(HELLO), "check: one message")


@test
def check_greeting():
    """check without a login"""
    server = Fake(ordinary(greeting=b"+OK a|b \x1b[31m <1@x> \xe9\r\n"))
    run = pop3test(server.target)
    is_(run.status, 0, "check: exit status without a login")
    one_line(run, "check without a login")
    like(run.out, r"\APOP3 OK - greeting in \d\.\d{3} s "
         r"\[\+OK a!b \\x1b\[31m <1@x> \\xe9\]\|time=[\d.]+s;;;0;10\n\Z",
         "check: greeting, without bars and control bytes")
    is_(server.heard, [b"QUIT"], "check without a login: only QUIT")


def late(link, args):
    time.sleep(0.4)
    return b"+OK 1 %d\r\n" % len(HELLO)


@test
def check_slow():
    """check -w and -c"""
    for limits, status, word in ((("-w", "0.2"), 1, "WARNING"),
                                 (("-w", "0.2", "-c", "0.3"), 2, "CRITICAL"),
                                 (("-c", "0.1", "-w", "0.1"), 2, "CRITICAL"),
                                 (("-w", "30", "-c", "40"), 0, "OK")):
        run = pop3test("check", *limits, "-u", "al:pw",
                       Fake(ordinary(STAT=late)).target)
        is_(run.status, status, "check %s: status" % " ".join(limits), run)
        like(run.out, r"\APOP3 %s - 1 message \(.*\|time=0\.[4-9]" % word,
             "check %s: still all figures" % " ".join(limits))


@test
def check_bad():
    """check: whatever is wrong, one line and the right status"""
    def refuse(link, args):
        return b"-ERR [AUTH] no | entry\r\n"

    for what, status, stage, talk in (
            ("-ERR as greeting", 1, "greeting",
             ordinary(greeting=b"-ERR busy\r\n")),
            ("no POP3", 1, "greeting",
             ordinary(greeting=b"220 smtp.example\r\n")),
            ("login refused", 2, "auth", ordinary(PASS=refuse)),
            ("STAT refused", 1, "reply", ordinary(STAT=refuse)),
            ("STAT without numbers", 1, "reply",
             ordinary(STAT=b"+OK a b\r\n")),
            ("STAT with one number", 1, "reply", ordinary(STAT=b"+OK 3\r\n")),
            ("STAT with more than digits", 1, "reply",
             ordinary(STAT=b"+OK 1 28x\r\n")),
            ("STAT of 2^64", 1, "reply",
             ordinary(STAT=b"+OK 18446744073709551616 1\r\n")),
            ("QUIT refused", 1, "close", ordinary(QUIT=refuse)),
            ("EOF for QUIT", 1, "close", ordinary(QUIT=b"")),
            ("EOF for STAT", 2, "reply", ordinary(STAT=b"")),
            ("EOF at once", 2, "greeting", lambda link: None)):
        run = pop3test("check", "-u", "al:pw", "-t", "5", Fake(talk).target)
        is_(run.status, status, "check, %s: exit status" % what, run)
        one_line(run, "check, " + what)
        run = pop3test("-j", "-u", "al:pw", "-t", "5", Fake(talk).target)
        said = json.loads(run.out)
        is_((run.status, said["stage"]), (status, stage),
            "check -j, %s: status, stage" % what, said)
    port = free_port()
    run = pop3test("-u", "al:pw", "127.0.0.1:%d" % port)
    is_(run.status, 2, "check: nobody listens: exit status", run)
    one_line(run, "check, nobody listens")
    run = pop3test("-q", "127.0.0.1:%d" % port)
    is_((run.status, run.out), (2, b""), "check -q says nothing")


@test
def check_json():
    """check -j"""
    run = pop3test("-j", "-u", "al:pw", Fake(ordinary(TWO)).target)
    said = json.loads(run.out)
    took = said.pop("seconds")
    ok(0 < took < 10, "check -j: seconds", took)
    like(said.pop("text"), r"\A2 messages \(%d octets\) in" % OCTETS,
         "check -j: text")
    is_(said, {"status": "OK", "stage": "close", "messages": 2,
               "octets": OCTETS}, "check -j: the rest")


@test
def check_in_time():
    """check: -t is for all of it, also for a server that never tires"""
    def many_lines(link, args):
        link.say(b"+OK\r\n")
        while True:
            link.say(b"X" * 100 + b"\r\n")
            time.sleep(0.02)

    def late_answers(link, args):
        time.sleep(0.6)
        return b"-ERR no CAPA\r\n" if not args else b"+OK\r\n"

    def no_answer(link, args):
        link.hear()
        return b""

    slow = ordinary(USER=late_answers, STAT=no_answer)
    for what, talk in (
            ("endless CAPA, slowly", ordinary(CAPA=many_lines)),
            ("one answer late, one missing", slow),
            ("each answer late", ordinary(
                CAPA=late_answers, USER=late_answers, PASS=late_answers,
                STAT=late_answers)),
            ("no greeting", lambda link: link.hear())):
        run = pop3test("check", "-u", "al:pw", "-t", "1", Fake(talk).target)
        is_(run.status, 2, "check -t 1, %s: status" % what, run)
        ok(run.seconds < 2.5, "check -t 1, %s: in time" % what, run.seconds)
        one_line(run, "check -t 1, " + what)
        if talk is slow:
            like(run.out, "timeout: no answer", "check -t 1, %s: each wait "
                 "has what is left" % what)


# ---- one command each --------------------------------------------------------

@test
def stat():
    """stat"""
    box = Maildir().fill(3)
    size = oracle.size(b"Subject: x\n\nbody\n")
    is_(pop3test("stat", *server_command(box))[:3],
        (0, b"3 %d\n" % (3 * size), b""), "stat")
    run = pop3test("stat", "-j", *server_command(box))
    is_(json.loads(run.out), {"messages": 3, "octets": 3 * size}, "stat -j")
    is_(pop3test("stat", "-q", *server_command(box))[:3], (0, b"", b""),
        "stat -q")


@test
def lists():
    """list and uidl, all and some"""
    box = Maildir().fill(4)
    size = oracle.size(b"Subject: x\n\nbody\n")
    uids = [oracle.uidl(name) for name in box.ordered()]
    sizes = [b"%d" % size] * 4
    for verb, values in (("list", sizes), ("uidl", uids)):
        whole = [b"%d %s\n" % pair for pair in enumerate(values, 1)]
        is_(pop3test(verb, *server_command(box))[:3],
            (0, b"".join(whole), b""), verb)
        is_(pop3test(verb, "3", "1", "3", *server_command(box))[:3],
            (0, whole[2] + whole[0] + whole[2], b""), verb + " 3 1 3")
        run = pop3test(verb, "2", "5", "1", *server_command(box))
        is_((run.status, run.out), (1, whole[1] + whole[0]),
            verb + " 2 5 1: those that are there, and status 1")
        like(run.err, r"pop3test: %s 5: -ERR no such message" % verb.upper(),
             verb + " 2 5 1: the other is told of")
        key = "octets" if verb == "list" else "uid"
        run = pop3test(verb, "-j", *server_command(box))
        is_([json.loads(line) for line in run.out.splitlines()],
            [{"message": i, key: int(v) if verb == "list" else v.decode()}
             for i, v in enumerate(values, 1)], verb + " -j")
    is_(pop3test("list", *server_command(Maildir()))[:3], (0, b"", b""),
        "list: an empty maildrop")
    is_(pop3test("list", Fake(ordinary(LIST=listing([(1, b"30 extra")]),
                                       STAT=b"+OK 1 30 words\r\n")).target,
                 "-u", "a:b")[:3], (0, b"1 30\n", b""),
        "list, stat: words behind the numbers are left out")


@test
def lists_wrong():
    """list and uidl: what a server says that cannot be"""
    size = len(HELLO)
    for verb, what, text, answers in (
            ("list", "one more than STAT", "not as many messages as STAT",
             {"LIST": listing([(1, b"%d" % size), (2, b"1")])}),
            ("list", "none", "not as many messages as STAT",
             {"LIST": b"+OK\r\n.\r\n"}),
            ("list", "another size", "do not add up",
             {"LIST": listing([(1, b"%d" % (size + 1))])}),
            ("list", "no number", "no line of a list: x 1",
             {"LIST": b"+OK\r\nx 1\r\n.\r\n"}),
            ("list", "no size", "no size: y",
             {"LIST": b"+OK\r\n1 y\r\n.\r\n"}),
            ("list", "two blanks", "no size",
             {"LIST": b"+OK\r\n1  5\r\n.\r\n"}),
            ("list", "more than digits", "no size",
             {"LIST": b"+OK\r\n1 28x\r\n.\r\n"}),
            ("uidl", "DEL", "no unique-id",
             {"UIDL": listing([(1, b"a\x7f")])}),
            ("list", "negative", "no size",
             {"LIST": b"+OK\r\n1 -5\r\n.\r\n"}),
            ("uidl", "71 characters", "no unique-id",
             {"UIDL": listing([(1, b"u" * 71)])}),
            ("uidl", "a blank", "no unique-id",
             {"UIDL": listing([(1, b"u u")])}),
            ("uidl", "empty", "no unique-id",
             {"UIDL": listing([(1, b"")])}),
            ("uidl", "8-bit", r"no unique-id: \\xe9",
             {"UIDL": listing([(1, b"\xe9")])}),
            ("uidl", "not there", "UIDL: -ERR", {"UIDL": b"-ERR no\r\n"})):
        run = pop3test(verb, "-u", "a:b",
                       Fake(ordinary(**answers)).target)
        is_(run.status, 1, "%s, %s: status" % (verb, what), run)
        like(run.err, text, "%s, %s: text" % (verb, what))
    run = pop3test("list", Fake(ordinary(
        STAT=b"+OK 3 9\r\n", LIST=b"+OK\r\n1 3\r\n2 3\r\nx\r\n")).target)
    is_((run.status, run.out), (1, b"1 3\n2 3\n"),
        "list: what came before the trouble is shown")
    run = pop3test("uidl", "1", "-u", "a:b",
                   Fake(ordinary(UIDL=b"+OK\r\n")).target)
    is_(run.status, 1, "uidl 1: +OK alone", run)
    good = "%d" % (2 ** 64 - 1)
    is_(pop3test("uidl", "-u", "a:b", Fake(ordinary(
        UIDL=listing([(1, b"!" + b"~" * 69)]))).target)[:2],
        (0, b"1 !" + b"~" * 69 + b"\n"), "uidl: 70 characters are right")
    is_(pop3test("stat", Fake(ordinary(
        STAT=b"+OK %s %s\r\n" % (good.encode(), good.encode()))).target)[:2],
        (0, b"%s %s\n" % (good.encode(), good.encode())),
        "stat: numbers up to 2^64 - 1")


@test
def many():
    """list of 10000 messages: few writes"""
    sizes = [(i, b"%d" % i) for i in range(1, 10001)]
    talk = ordinary(STAT=b"+OK 10000 50005000\r\n", LIST=listing(sizes))
    want = b"".join(b"%d %s\n" % pair for pair in sizes)
    run = pop3test("list", Fake(talk).target)
    is_((run.status, run.out), (0, want), "list: 10000 lines")
    if not shutil.which("strace"):
        return skip("list: how many writes", "no strace")
    log = scratch() + "/log"
    run = pop3test("list", Fake(talk).target, wrap=[
        "strace", "-f", "-o", log, "-e", "trace=write"])
    with open(log) as file:
        calls = len(re.findall(r"\bwrite\(1,", file.read()))
    ok(run.out == want and 0 < calls < 100, "list: few writes", calls)


@test
def capa():
    """capa"""
    talk = ordinary(CAPA=b"+OK\r\nTOP\r\nSASL PLAIN\tx\r\n..dot\r\n"
                         b"IMPLEMENTATION a\"b\r\n.\r\n")
    is_(pop3test("capa", Fake(talk).target)[:3],
        (0, b"TOP\nSASL PLAIN\\x09x\n.dot\nIMPLEMENTATION a\"b\n", b""),
        "capa: as the server writes it, control bytes aside")
    run = pop3test("capa", "-j", Fake(talk).target)
    is_([json.loads(line)["capability"] for line in run.out.splitlines()],
        ["TOP", "SASL PLAIN\tx", ".dot", 'IMPLEMENTATION a"b'], "capa -j")
    run = pop3test("capa", Fake(ordinary(CAPA=b"-ERR what?\r\n")).target)
    is_((run.status, run.out), (1, b""), "capa: a server without")
    like(run.err, r"\Apop3test: CAPA: -ERR what\?\n\Z",
         "capa: its refusal is shown")


@test
def top():
    """top"""
    server = Fake(ordinary(TWO))
    is_(pop3test("top", "2", "5", server.target, "-u", "a:b")[:3],
        (0, TWO[1].replace(b"\r\n", b"\n"), b""), "top: LF")
    ok(b"TOP 2 5" in server.heard, "top: what it says", server.heard)
    is_(pop3test("top", "2", "5", "--crlf", server.target)[:2],
        (0, TWO[1]), "top --crlf")
    is_(pop3test("top", "3", "0", server.target)[:2], (1, b""),
        "top: a message that is not there")
    like(pop3test("top", "3", "0", server.target).err, "message 3: -ERR",
         "top: its refusal is shown")


@test
def operands():
    """Operands that are none: status 3, and nobody is asked"""
    server = Fake(ordinary())
    for args in (["list", "x"], ["list", "1", "1-2"], ["uidl", "1 2"],
                 ["uidl", ""], ["dele"], ["dele", "1", "0x1"],
                 ["top", "1"], ["top", "1", "x"], ["top", "1", "2", "3"],
                 ["list", "1\r\nDELE 1"], ["dele", "99999999999999999999"]):
        run = pop3test(*args, "-H", "127.0.0.1", "-p", str(server.port))
        is_((run.status, run.out), (3, b""), " ".join(args), run)
        ok(run.err.startswith(b"pop3test: "), "%r: text" % args, run.err)
    is_(server.heard, [], "the server heard nothing of it")


@test
def full():
    """Output that cannot be written is an error"""
    with open("/dev/full", "wb") as full_disk:
        for args in (["stat"], ["list"], ["uidl"], ["capa"],
                     ["top", "1", "0"], ["get", "1"]):
            run = pop3test(*args, Fake(ordinary()).target,
                           stdout=full_disk)
            is_(run.status, 3, "%s >/dev/full: status" % args[0], run)
            like(run.err, "cannot write", "%s >/dev/full: text" % args[0])


# ---- dele --------------------------------------------------------------------

@test
def dele():
    """dele"""
    box = Maildir().fill(5)
    names = box.ordered()
    is_(pop3test("dele", "2", "4", *server_command(box))[:3],
        (0, b"", b""), "dele 2 4")
    is_(box.ordered(), [names[0], names[2], names[4]],
        "dele: those are gone")


@test
def dele_refused():
    """dele: one that is refused, and nothing is removed"""
    box = Maildir().fill(3)
    run = pop3test("dele", "1", "7", "2", *server_command(box))
    is_((run.status, run.out), (1, b""), "dele 1 7 2: status")
    like(run.err, r"DELE 7: -ERR no such message; nothing is removed",
         "dele 1 7 2: text")
    is_(len(box.ordered()), 3, "dele 1 7 2: nothing is removed")
    server = Fake(ordinary([HELLO] * 3))
    pop3test("dele", "1", "7", "2", server.target)
    is_(server.heard[-3:], [b"DELE 7", b"RSET", b"QUIT"],
        "dele: RSET, then QUIT")
    run = pop3test("dele", "-k", "1", "7", "2", *server_command(box))
    is_((run.status, len(box.ordered())), (1, 1),
        "dele -k 1 7 2: the others are removed", run)
    # RSET refused: without QUIT nothing is removed, either.
    server = Fake(ordinary([HELLO], RSET=b"-ERR no\r\n"))
    run = pop3test("dele", "1", "2", server.target)
    is_((run.status, server.removed), (1, []), "dele: RSET refused")
    ok(b"QUIT" not in server.heard, "dele, RSET refused: no QUIT",
       server.heard)


@test
def dele_quit():
    """dele: QUIT decides"""
    for answer in (b"-ERR [SYS/TEMP] some not removed\r\n", b"",
                   b"nonsense\r\n"):
        run = pop3test("dele", "1", Fake(ordinary(QUIT=answer)).target)
        is_((run.status, run.out), (1, b""), "dele, QUIT %r" % answer, run)
        like(run.err, r"may still be there", "dele, QUIT %r: text" % answer)
    server = Fake(ordinary([HELLO] * 3, DELE=lambda link, args: (
        b"+OK\r\n" if args == [b"1"] else b"")))
    run = pop3test("dele", "1", "2", server.target)
    is_((run.status, server.removed), (2, []),
        "dele: EOF at the second: no QUIT")


run_tests(jobs=4)
