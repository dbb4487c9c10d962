#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test get

import os
import poplib
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()

ODD = odd_messages()

# That module refuses lines of more than 2048 octets.
poplib._MAXLINE = 1 << 22


def odd_box():
    box = Maildir()
    for i, data in enumerate(ODD.values(), 1):
        box.add("cur", "%d.M%dP7.host:2,S" % (1700000000 + i, i), data)
    return box


def lf(data):
    return data.replace(b"\r\n", b"\n")


def delivered(path):
    """What is in new/, in order; nothing may be in cur/ and tmp/."""
    there = Maildir(path)
    is_((there.names("cur"), there.names("tmp")), ([], []),
        "%s: nothing in cur/ and tmp/" % os.path.basename(path))
    found = []
    for name in there.ordered():
        with open(there.join("new", name), "rb") as file:
            found.append(file.read())
    return found


@test
def odd():
    """get all DIR: odd messages, byte for byte"""
    box = odd_box()
    want = [oracle.wire(data) for data in ODD.values()]
    for args, form in ((["--crlf"], lambda data: data), ([], lf)):
        into = scratch() + "/M"
        run = pop3test("get", *args, "all", into, *server_command(box))
        is_(run[:3], (0, b"", b""), "get all %s" % args)
        got = delivered(into)
        is_(len(got), len(want), "get all %s: how many" % args)
        for label, a, b in zip(ODD, got, want):
            is_(a, form(b), "get all %s: %s" % (args, label))
    is_(os.stat(into).st_mode & 0o777, 0o700, "get: a Maildir for one's own")


@test
def one():
    """get N: odd messages on standard output"""
    box = odd_box()
    wrong = []
    for i, (label, data) in enumerate(ODD.items(), 1):
        for args, form in ((["--crlf"], lambda data: data), ([], lf)):
            run = pop3test("get", str(i), *args, *server_command(box))
            if run[:3] != (0, form(oracle.wire(data)), b""):
                wrong.append((label, args, run))
    is_(wrong, [], "get N: %d messages" % len(ODD))
    is_(pop3test("get", "-q", "3", *server_command(box))[:3], (0, b"", b""),
        "get -q N")


@test
def others():
    """get brings what poplib and curl bring"""
    need_root()
    need("FEATURE_MDPOP3D_USERFILE", "FEATURE_MDPOP3D_LISTEN")
    users = UserFile()
    box = users.add("al", "pw", uid=61311)
    for i, data in enumerate(ODD.values(), 1):
        box.add("cur", "%d.M%dP7.host:2,S" % (1700000000 + i, i), data)
    server = listener("-b", "0", "-P", users.path)
    into = scratch() + "/M"
    run = pop3test("get", "all", into, "--crlf", "-u", "al:pw",
                   "127.0.0.1:%d" % server.port)
    is_(run[:3], (0, b"", b""), "get all over TCP, with a login")
    got = delivered(into)
    pop = poplib.POP3("127.0.0.1", server.port, timeout=PATIENCE)
    cleanup(pop.close)
    pop.user("al")
    pop.pass_("pw")
    is_([label for i, (label, mine) in enumerate(zip(ODD, got), 1) if
         b"".join(line + b"\r\n" for line in pop.retr(i)[1]) != mine], [],
        "get: as poplib has them, but for")
    pop.quit()
    if not shutil.which("curl"):
        return skip("get: as curl has them", "no curl")
    out = scratch()
    subprocess.run(
        ["curl", "-q", "-s", "-S", "--max-time", str(PATIENCE), "-u",
         "al:pw", "pop3://127.0.0.1:%d/[001-%03d]" % (server.port, len(ODD)),
         "-o", "#1"], cwd=out, check=True)
    theirs = []
    for name in sorted(os.listdir(out)):
        with open(out + "/" + name, "rb") as file:
            theirs.append(file.read())
    # curl writes a line end for a message of no bytes
    is_([label for label, a, b in zip(ODD, theirs, got) if a != b],
        ["zero bytes"], "get: as curl has them, but for")
    return None


@test
def some():
    """get N... DIR"""
    box = Maildir()
    texts = [b"A: %d\n\n%d\n" % (i, i) for i in range(1, 6)]
    for i, data in enumerate(texts, 1):
        box.add("cur", "%d.host:2,S" % i, data)
    into = scratch() + "/M"
    is_(pop3test("get", "4", "2", into, *server_command(box))[:3],
        (0, b"", b""), "get 4 2 DIR")
    is_(delivered(into), [texts[3], texts[1]], "get 4 2 DIR: in that order")
    run = pop3test("get", "1", "9", "3", into, *server_command(box))
    is_((run.status, run.out), (1, b""), "get 1 9 3 DIR: status")
    like(run.err, r"\Apop3test: message 9: -ERR no such message\n\Z",
         "get 1 9 3 DIR: the refusal")
    is_(sorted(delivered(into)), [texts[i] for i in (0, 1, 2, 3)],
        "get 1 9 3 DIR: the others came, and nothing was overwritten")
    is_(len(box.ordered()), 5, "get removes nothing")
    lost = scratch() + "/lost"
    os.makedirs(lost + "/new")
    is_(pop3test("get", "5", lost, *server_command(box)).status, 0,
        "get: a Maildir without cur/ and tmp/")
    is_(delivered(lost), [texts[4]], "get: which it has now")
    is_(pop3test("get", "all", into, *server_command(Maildir()))[:3],
        (0, b"", b""), "get all of nothing")


@test
def bad_operands():
    """get: operands that are wrong, and directories that are no Maildirs"""
    server = Fake(ordinary([HELLO] * 3))
    plain = scratch()
    open(plain + "/file", "w").close()
    os.mkdir(plain + "/empty")
    before = sorted(os.walk(plain))
    for args in ([], ["all"], ["1", "2"], ["all", "1", plain + "/new"],
                 ["x"], ["x", plain + "/x"], [plain + "/y"],
                 ["1", plain], ["1", plain + "/file"],
                 ["1", plain + "/empty"], ["1", plain + "/no/way"],
                 ["1", "1.5", plain + "/z"], ["all", "all", plain + "/z"]):
        run = pop3test("get", *args, "-H", "127.0.0.1", "-p",
                       str(server.port))
        is_((run.status, run.out), (3, b""), "get %r: status" % args, run)
        like(run.err, r"\Apop3test: .", "get %r: text" % args)
    is_(server.heard, [], "the server heard nothing of it")
    is_(sorted(os.walk(plain)), before, "and nothing was made")


@test
def wrong_size():
    """get: a message that is not as long as LIST said"""
    into = scratch() + "/M"
    size = len(HELLO)
    for off in (-1, 1, 1000, -size):
        talk = ordinary([HELLO, HELLO], LIST=lambda link, args: (
            listing([(1, b"%d" % (size + off)), (2, b"%d" % size)])
            if not args else b"+OK %s %d\r\n" % (args[0], size + off)))
        run = pop3test("get", "all", into, Fake(talk).target)
        is_(run.status, 1, "get all, %+d: status" % off, run)
        like(run.err, r"\Apop3test: message 1: not the size that LIST said"
             r"\n\Z", "get all, %+d: text" % off)
        run = pop3test("get", "2", Fake(talk).target)
        is_((run.status, run.out), (1, lf(HELLO)), "get N, %+d" % off)
    is_(delivered(into), [lf(HELLO)] * 8, "they are delivered all the same")


@test
def list_wrong():
    """get all: a LIST that cannot be"""
    into = scratch() + "/M"
    for what, stat, answer, text in (
            ("number 0", b"2", listing([(0, b"1")]), "cannot be"),
            ("number above STAT's", b"2", listing([(3, b"1")]), "cannot be"),
            ("size of 2^64", b"2", b"+OK\r\n1 18446744073709551616\r\n.\r\n",
             "cannot be"),
            ("size of 2^64-1", b"2",
             b"+OK\r\n1 18446744073709551615\r\n.\r\n", "cannot be"),
            ("no size", b"2", b"+OK\r\n1\r\n.\r\n", "no line of a list"),
            ("one of two", b"2", listing([(2, b"%d" % len(HELLO))]),
             "message 1: STAT counts it, LIST does not"),
            ("2^60 messages", b"1152921504606846976",
             listing([(1, b"1")]), "too many messages")):
        run = pop3test("get", "all", into, Fake(ordinary(
            [HELLO] * 2, STAT=b"+OK %s 99\r\n" % stat, LIST=answer)).target)
        is_(run.status, 1, "get all, LIST with %s: status" % what, run)
        like(run.err, text, "get all, LIST with %s: text" % what)
    is_(delivered(into), [lf(HELLO)], "what was listed was delivered")


@test
def cut_off():
    """get: only what came with its dot is delivered"""
    body = b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n"
    for what, end in (("EOF", b""), ("EOF within a line", b"half a li"),
                      ("EOF within the dot line", b".\r"),
                      ("EOF behind a CR", b"x\r"),
                      ("LF without CR", b"x\n.\r\n"),
                      ("LF alone", b"\n.\r\n")):
        def talk(link, args):
            if args == [b"1"]:
                return b"+OK\r\n" + HELLO + b".\r\n"
            link.say(b"+OK\r\n" + body * 500 + end)
            return b""

        into = scratch() + "/M"
        server = Fake(ordinary([HELLO, body * 500, HELLO], RETR=talk))
        run = pop3test("get", "all", into, server.target)
        is_(run.status, 1 if "LF" in what else 2,
            "get, %s: status" % what, run)
        ok(run.err.startswith(b"pop3test: "), "get, %s: text" % what,
           run.err)
        is_(delivered(into), [lf(HELLO)],
            "get, %s: the first is delivered, the second is not" % what)
        ok(b"QUIT" not in server.heard, "get, %s: no QUIT" % what)


@test
def quit_refused():
    """get: what is delivered stays, whatever QUIT is answered"""
    into = scratch() + "/M"
    run = pop3test("get", "all", into, Fake(ordinary(
        QUIT=b"-ERR no\r\n")).target)
    is_(run.status, 1, "get, QUIT refused: status", run)
    is_(delivered(into), [lf(HELLO)], "get, QUIT refused: delivered")


@test
def full_disk():
    """get: a full disk is our own trouble, and leaves no part behind"""
    big = b"Subject: x\r\n\r\n" + b"z" * 60 + b"\r\n" + b"1" * 150000
    server = Fake(ordinary([HELLO, big + b"\r\n", HELLO]))
    at = scratch("disk")
    run = subprocess.run(
        [*private_mounts(), "sh", "-c",
         'mount -t tmpfs -o size=64k tmpfs "$1" || exit 99; '
         '"$2" pop3test get all "$1/M" "$3"; echo "status $?"; '
         'cd "$1/M" && find tmp new cur -type f -size +0',
         "sh", at, POPBOX, server.target], capture_output=True, check=False)
    like(run.stdout, r"\Astatus 3\nnew/[^\n]+\n\Z",
         "get on a full disk: status 3, and one message", run.stderr)
    like(run.stderr, r"cannot write|cannot deliver",
         "get on a full disk: text")


@test
def large():
    """get: a large message in little memory, dots and all"""
    line = b"..." + b"x" * 1000 + b"\r\n"
    big = line * 30000                  # 30 MB
    run = pop3test("get", "1", "--crlf", Fake(ordinary([big])).target)
    ok(run.status == 0 and run.out == big, "get: 30 MB", run.status,
       run.err, len(run.out))
    if not config("SANITIZE") and config("STATIC"):
        ok(0 < run.memory < 1024, "get: in little memory", run.memory)
    returns = b"".join(b"x" * (i % 50) + b"\r" * (i % 4) for i in
                       range(9000)) + b"\r\n"
    run = pop3test("get", "1", Fake(ordinary([returns])).target)
    ok(run.status == 0 and run.out == lf(returns),
       "get: lone CRs in a long line", run.status, run.err)
    one_line = b"a" * 3000000 + b"\r\n"
    run = pop3test("get", "1", "--crlf", Fake(ordinary([one_line])).target)
    ok(run.status == 0 and run.out == one_line, "get: a line of 3 MB",
       run.status, run.err)


run_tests(jobs=4)
