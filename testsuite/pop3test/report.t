#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: what it prints, and its exit status

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")

PASS = "test good\nS: +OK\n"
FAIL = "test wrong\nS: -ERR\n"
SKIP = "test none\nskip today\n"
OWN_TROUBLE = "test own\nS: +OK\nC: $nope\n"
ENDED = "test ended\nS: +OK\nC: X\nS: +OK\n"


def server():
    return Fake(ordinary(X=b""))


def objects(got):
    """The lines of -j."""
    text = got.out.decode("ascii")
    return [json.loads(line) for line in text.splitlines()]


# ---- exit status -------------------------------------------------------------

@test
def statuses():
    """0, 1, 2, 3: the worst that is not 3, else 3"""
    for what, text, status in (
            ("all pass", PASS + PASS, 0), ("pass, skip", PASS + SKIP, 0),
            ("skip, pass", SKIP + PASS, 0), ("skip", SKIP + SKIP, 3),
            ("nothing", "# nothing\n", 3), ("fail", FAIL, 1),
            ("pass, fail", PASS + FAIL, 1), ("fail, pass", FAIL + PASS, 1),
            ("fail, skip", FAIL + SKIP, 1), ("EOF", ENDED, 2),
            ("EOF, fail", ENDED + FAIL, 2), ("fail, EOF", FAIL + ENDED, 2),
            ("own", OWN_TROUBLE, 3), ("own, pass", OWN_TROUBLE + PASS, 3),
            ("pass, own", PASS + OWN_TROUBLE, 3),
            ("own, fail", OWN_TROUBLE + FAIL, 1),
            ("fail, own", FAIL + OWN_TROUBLE, 1),
            ("own, EOF", OWN_TROUBLE + ENDED, 2),
            ("EOF, own", ENDED + OWN_TROUBLE, 2),
            ("EOF, own, fail", ENDED + OWN_TROUBLE + FAIL, 2),
            ("fail, own, EOF, own", FAIL + OWN_TROUBLE + ENDED + OWN_TROUBLE,
             2), ("own, skip", OWN_TROUBLE + SKIP, 3)):
        got = run(text, server())
        is_((got.status, got.err), (status, b""), "status: " + what, got)
        tap(got.out)
        is_(run(text, server(), "-j").status, status, "status, -j: " + what)
        is_(run(text, server(), "-q").status, status, "status, -q: " + what)
    files = {"p": PASS, "f": FAIL, "e": ENDED, "o": OWN_TROUBLE, "s": SKIP,
             "n": "\n"}
    for names, status in (("pp", 0), ("pf", 1), ("fp", 1), ("fe", 2),
                          ("ef", 2), ("of", 1), ("fo", 1), ("eo", 2),
                          ("oe", 2), ("po", 3), ("op", 3), ("s", 3),
                          ("sn", 3), ("sp", 0), ("np", 0), ("eof", 2)):
        top = scratch()
        paths = [write(files[name], "%s%d.pop3" % (name, i), top)
                 for i, name in enumerate(names)]
        got = pop3test("run", *paths, server().target)
        is_(got.status, status, "status of files: " + names, got)
        tap(got.out)


@test
def full():
    """Output that cannot be written"""
    with open("/dev/full", "wb") as full_disk:
        for args in ((), ("-j",), ("-q",)):
            got = run(PASS + FAIL, server(), *args, stdout=full_disk)
            is_(got.status, 3, "run %s >/dev/full" % " ".join(args), got)
            like(got.err, "pop3test: cannot write", "it is told")


# ---- TAP ---------------------------------------------------------------------

@test
def exact():
    """The whole of it, to the byte"""
    got = run(PASS + FAIL + SKIP, server())
    is_(got.out, b"""\
TAP version 13
ok 1 - t.pop3: good
not ok 2 - t.pop3: wrong
  ---
  message: 'want S: -ERR, got +OK ready'
  stage: 'reply'
  at: 't.pop3:4'
  want: 'S: -ERR'
  got: '+OK ready'
  transcript:
    - 'S: +OK ready'
  ...
ok 3 - t.pop3: none # SKIP today
1..3
# 1 passed, 1 failed, 1 skipped
""", "TAP")
    is_(got.err, b"", "nothing on standard error")


@test
def failure():
    """A failure shows want, got, and the last lines of the transcript"""
    odd = b"it's \\ \"#\" \x1b[31m \xe9\xff\0 $x: - {a}"
    detail = bad("odd bytes", "S: +OK\nC: it's \\\\ \\$ #\\x1b\\xe9\n"
                 "S= 'x' # y\n",
                 Fake(lambda link: (link.say(b"+OK\r\n"), link.hear(),
                                    link.say(odd + b"\r\n"),
                                    link.sock.recv(1))), 1, "want S= 'x' # y")
    is_(detail.get("want"), "S= 'x' # y", "want, with quotes")
    is_(detail.get("got"), "it's \\x5c \"#\" \\x1b[31m \\xe9\\xff\\x00 "
        "$x: - {a}", "got, escaped")
    is_(detail.get("transcript"), [
        "S: +OK", "C: it's \\\\ \\$ #\\x1b\\xe9",
        "S= it's \\\\ \"#\" \\x1b[31m \\xe9\\xff\\x00 \\$x: - {a}"],
        "the transcript, in the language of scripts")
    detail = bad("many lines", "S: +OK\nrepeat 30\nC: NOOP\nS: +OK\nend\n"
                 "C: STAT\nS: x\n", server(), 1, "want S: x")
    is_(detail.get("transcript"), ["C: NOOP", "S: +OK"] * 4 +
        ["C: STAT", "S: +OK 1 28"], "the last ten lines")
    detail = bad("a long line", "S: +OK\nS: y\n", Fake(says(
        b"+OK\r\n" + b"x" * 3000 + b"\r\n")), 1, "^want S: y, got x{99}")
    ok(detail.get("got", "").startswith("x" * 60) and
       all(len(v) < 200 for v in [detail["got"], *detail["transcript"]]) and
       len(detail["message"]) < 800, "a long line is shortened", detail)
    detail = bad("a huge line", "S: +OK\nS: y\n", Fake(says(
        b"+OK\r\n" + b"x" * 300000 + b"\r\n")), 1, "^want S: y, got x{99}")
    ok(detail.get("transcript", [""])[-1].startswith("S= xxxxx"),
       "of a huge line the beginning is shown", detail)
    detail = bad("two connections", "Sa: +OK\nSb: +OK\nCa: NOOP\nSa: -ERR\n",
                 server(), 1, "want Sa: -ERR")
    is_(detail.get("transcript"), ["Sa: +OK ready", "Sb: +OK ready",
                                   "Ca: NOOP", "Sa: +OK"],
        "the transcript has the tags")
    detail = bad("nothing yet", "S: +OK\n", ["127.0.0.1:%d" % free_port()], 2)
    is_((detail.get("transcript"), "got" in detail), ([], False),
        "no transcript, nothing got")
    detail = bad("of its own test only", "test a\nS: +OK\nC: NOOP\nS: +OK\n"
                 "test b\nS: -ERR\n", server(), 1)
    is_(detail.get("transcript"), ["S: +OK ready"], "a transcript of one test")
    detail = bad("EOF has no got", "S: +OK\nC: X\nS: +OK\n", server(), 2)
    ok("got" not in detail, "EOF has no got", detail)
    detail = bad("script lines with control bytes and 8-bit",
                 b"S: +OK\nC: NOOP\nS: \x1b[0m\xc3\xa9 'a'\ty\n", server(), 1)
    is_(detail.get("want"), "S: ?[0m?? 'a'?y", "want, without control bytes")


@test
def titles():
    """Titles that would be something else in TAP"""
    def titled(title, *args):
        return run("test %s\nS: +OK\n" % title, server(), *args)

    for title, want in (("a # SKIP b", "a \\# SKIP b"), ("#todo", "\\#todo"),
                        ("'a' \"b\" \\ - %s", "'a' \"b\" \\ - %s"),
                        ("a\tb", "a?b"), ("\u00e9", "??"), ("x  ", "x  "),
                        ("ok 7", "ok 7"), ("\x1b[2J", "?[2J")):
        got = titled(title)
        is_([(r.good, r.title, r.skip) for r in tap(got.out)[0]],
            [(True, "t.pop3: " + want, None)], "title %r" % title, got)
        is_(objects(titled(title, "-j"))[0]["test"].encode("latin-1"),
            title.encode(), "title %r, -j" % title)
    got = run("test a\nskip b # c\\nok 2 - x\ntest d\nlog e\\n1..9\\x1b\n"
              "S: +OK\n", server())
    results, notes, _ = tap(got.out)
    is_((results[0].skip, notes), ("b # c?ok 2 - x", ["e?1..9?"]),
        "skip and log with escapes stay one line", got)
    got = run("S: $x...\nlog $x\ntest b\nskip $x\n",
              Fake(says(b"+OK \x1b]0;a\x07\r\n")))
    results, notes, _ = tap(got.out)
    is_((notes, results[1].skip), (["+OK ?]0;a?"], "+OK ?]0;a?"),
        "what a server says stays harmless", got)
    path = write("S: +OK\nS: x\n", "it's #1.pop3")
    got = pop3test("run", path, Fake(says(b"+OK\r\ny\r\n")).target)
    results = tap(got.out)[0]
    is_((results[0].title, results[0].detail["at"]),
        ("it's \\#1.pop3", "it's #1.pop3:2"), "the name of a file", got)


@test
def included():
    """Titles and places in included files"""
    top = scratch()
    write("C: NOOP\nS: -ERR\n", "inc.pop3", top)
    path = write("test a\nS: +OK\n\ninclude inc.pop3\n", "top.pop3", top)
    got = pop3test("run", path, server().target)
    result = tap(got.out)[0][0]
    is_((result.title, result.detail["at"]), ("top.pop3: a", "inc.pop3:2"),
        "TAP", got)
    said = objects(pop3test("run", "-j", path, server().target))[0]
    is_((said["file"], said["line"], said["step"]),
        ("inc.pop3", 2, "S: -ERR"), "-j", said)


# ---- options -----------------------------------------------------------------

@test
def quiet():
    """-q: only failures and the sum"""
    got = run(PASS + SKIP + PASS, server(), "-q")
    is_((got.out, got.err), (b"# 2 passed, 0 failed, 1 skipped\n", b""), "-q")
    got = run(PASS + "log x\n" + FAIL + PASS, server(), "-q")
    like(got.out, r"\Anot ok 2 - t\.pop3: wrong\n  ---\n(  .*\n)+  \.\.\.\n"
         r"# 2 passed, 1 failed, 0 skipped\n\Z", "-q, a failure")


@test
def json_lines():
    """-j: an object for each test"""
    got = run(PASS + FAIL + SKIP + ENDED, server(), "-j")
    is_(got.err, b"", "-j: nothing on standard error")
    is_(objects(got), [
        {"result": "ok", "file": "t.pop3", "test": "good"},
        {"result": "fail", "file": "t.pop3", "test": "wrong", "line": 4,
         "step": "S: -ERR", "stage": "reply", "got": "+OK ready",
         "message": "want S: -ERR, got +OK ready",
         "transcript": ["S: +OK ready"]},
        {"result": "skip", "file": "t.pop3", "test": "none",
         "reason": "today"},
        {"result": "fail", "file": "t.pop3", "test": "ended", "line": 10,
         "step": "S: +OK", "stage": "reply", "got": "",
         "message": "EOF: the server closed the connection",
         "transcript": ["S: +OK ready", "C: X"]}], "-j: objects")
    got = run("S: +OK\nlog a\nS: \u00e9 \"'\\\\\n", Fake(says(
        b"+OK\r\n\"\\\x1b\xff\r\n")), "-j")
    said = objects(got)
    is_(said[0]["step"].encode("latin-1").decode(), "S: \u00e9 \"'\\\\",
        "-j: a step with odd characters")
    is_((said[0]["test"], said[0]["transcript"]),
        ("", ["S: +OK", "S= \"\\\\\\x1b\\xff"]), "-j: the rest of it")
    is_(objects(run("# none\n", server(), "-j")), [], "-j: no tests")
    is_(objects(run("skip a\\nb\n", server(), "-j"))[0]["reason"], "a\nb",
        "-j: a reason")


@test
def keep_going():
    """-k goes on with the next step of a test, -1 stops all"""
    text = ("test a\nS: -ERR\nC: NOOP\nS: -ERR\nC: STAT\nS: +OK 1\ntest b\n"
            "S: +OK\n")
    heard = server()
    got = run(text, heard)
    is_((heard.heard, tap(got.out)[2]), ([], (1, 1, 0)),
        "without -k the test ends at once", got)
    heard = server()
    got = run(text, heard, "-k")
    results, notes, sums = tap(got.out)
    is_((heard.heard, sums, got.status), ([b"NOOP", b"STAT"], (1, 1, 0), 1),
        "-k: the next steps are made", got)
    is_(notes, ["want S: -ERR, got +OK ready", "want S: -ERR, got +OK"],
        "-k: all failures are told of")
    is_((results[0].detail["at"], results[0].detail["got"],
         results[0].detail["want"], results[0].detail["message"]),
        ("t.pop3:4", "+OK", "S: -ERR", "want S: -ERR, got +OK"),
        "-k: the last one in full")
    got = run("test a\nS: -ERR\nfor i in 1..3\ncheck $i == 2\nend\nC: NOOP\n"
              "S: +OK\n", server(), "-k")
    results, notes, sums = tap(got.out)
    is_((notes[1:], results[0].detail["at"]), (
        ["not so: 1 == 2", "not so: 3 == 2"], "t.pop3:4"),
        "-k: also within a loop", got)
    got = run("test a\nS: -ERR\nC: X\nS: +OK\nlog not here\ntest b\nS: +OK\n",
              server(), "-k")
    is_((tap(got.out)[1:], got.status), ((
        ["want S: -ERR, got +OK ready"], (1, 1, 0)), 2),
        "-k: not when the connection is gone", got)
    got = run(FAIL + "log end\n", server(), "-k")
    is_(tap(got.out)[2], (0, 1, 0), "-k: one failure", got)

    heard = server()
    got = run(PASS + FAIL + PASS, heard, "-1")
    is_((tap(got.out)[2], got.status), ((1, 1, 0), 1),
        "-1: no more tests", got)
    paths = [write(text, name) for text, name in (
        (PASS, "a.pop3"), (FAIL + PASS, "b.pop3"), (PASS, "c.pop3"))]
    got = pop3test("run", "-1", *paths, server().target)
    is_((tap(got.out)[2], got.status), ((1, 1, 0), 1), "-1: no more files",
        got)
    got = run("S: -ERR\n" + PASS, server(), "-1")
    is_(tap(got.out)[2], (0, 1, 0), "-1: steps before the first test", got)
    got = run(SKIP + PASS, server(), "-1")
    is_(tap(got.out)[2], (1, 0, 1), "-1: a skip is no failure", got)
    got = run(text, server(), "-k", "-1")
    is_(tap(got.out)[2], (0, 1, 0), "-k -1: the test is finished", got)


@test
def flush():
    """Each test is told of when it is over"""
    began = threading.Event()

    def slow(link):
        if began.is_set():
            link.sock.recv(1)
        began.set()
        link.say(b"+OK\r\n")
        link.sock.recv(1)

    fake = Fake(slow)
    start = time.monotonic()
    process = subprocess.Popen(
        [POPBOX, "pop3test", "run", "-t", "9", write(PASS + PASS),
         fake.target], stdout=subprocess.PIPE)
    cleanup(process.stdout.close)
    cleanup(process.wait)
    cleanup(process.kill)
    is_([process.stdout.readline() for _ in range(2)],
        [b"TAP version 13\n", b"ok 1 - t.pop3: good\n"],
        "the first test is told of")
    ok(time.monotonic() - start < 8, "while the second runs")


run_tests(jobs=4)
