#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: how scripts are read, and what is said of those that are none

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")


# ---- what is a line ----------------------------------------------------------

@test
def blanks():
    """Comments, blank lines, leading blanks and dots"""
    server = Fake(ordinary())
    good("comments, blanks, dots",
         "# a comment\n#another\n\n   \n\t# indented\n   ...\n.\n......\n"
         "S: +OK\n  \t S: +OK\n"[:-7 - 1] + "\n"
         "    C: STAT\n\tS:   +OK 1\n \t timeout 5s\nC:QUIT\nS:+OK\neof\n",
         server)
    is_(server.heard, [b"STAT", b"QUIT"], "what was sent")


@test
def ends():
    """CRLF scripts, and a last line without its end"""
    lines = ["S: +OK", "C: STAT", "S: +OK 1 $n", "check $n == 28",
             "C: QUIT", "S: +OK", "eof"]
    for what, text in (("LF", "\n".join(lines) + "\n"),
                       ("CRLF", "\r\n".join(lines) + "\r\n"),
                       ("no final LF", "\n".join(lines)),
                       ("no final CRLF", "\r\n".join(lines)),
                       ("both kinds", "\r\n".join(lines[:3]) + "\r\n" +
                        "\n".join(lines[3:]) + "\n"),
                       ("blank lines at the end", "\n".join(lines) +
                        "\n\r\n\n"),
                       ("blanks at the end", "\n".join(lines) + "\n   ")):
        server = Fake(ordinary())
        good(what, text, server)
        is_(server.heard, [b"STAT", b"QUIT"], what + ": what was sent")
    good("mail in a script with CRLF",
         "test x\r\nmail $dir/new/1.a <<END\r\nA: b\r\n\r\nx\r\nEND\r\n"
         "S: +OK\r\nC: RETR 1\r\nS: +OK\r\nS= A: b\r\nS=\r\nS= x\r\nS= .\r\n",
         Maildir())


@test
def heads():
    """Steps are told from directives by their first bytes"""
    server = Fake(ordinary())
    good("with and without blanks", "S:+OK\nC:STAT\nS:+OK 1\nC>NOOP\\r\\n\n"
         "S=+OK\nC> NOOP\\r\\n\nS~\\+OK\nCa1:QUIT\nSa1:+OK\nSa1:+OK", server)
    is_(sorted(server.heard), [b"NOOP", b"NOOP", b"QUIT", b"STAT"],
        "what was sent")
    for line in ("CX: STAT", "Caaaaaaaa: STAT", "C", "C STAT", "c: STAT",
                 "S; x", "C= x", "C~ x", "C! x", "C? x", "S> x", "C-: x",
                 "Test x", "EOF", "frob", "S", "CAPA: x", "é"):
        wrong("line %r" % line, "S: +OK\n\n  %s\n" % line, 3,
              line if line.isascii() else "??", "neither C:, S: nor")


# ---- what is wrong with a line -----------------------------------------------

@test
def steps():
    """Errors in steps"""
    for text, caret in (("C: a\\qb", "\\qb"), ("C: a\\", "\\"),
                        ("C> \\x4", "\\x4"), ("C> \\xg0", "\\xg0"),
                        ("C: $", "$"), ("C: a $ b", "$ b"), ("C: $9", "$9"),
                        ("C: ${a", "${a"), ("C: ${}", "${}"),
                        ("C: ${a b}", "${a b}"), ("S: +OK $", "$"),
                        ("S: \\", "\\"), ("S= \\e", "\\e"), ("S? $-", "$-"),
                        ("S: x $" + "a" * 32, "$a"),
                        ("C: " + "y" * 200 + "\\z", "\\z")):
        wrong("%.30s" % text, text, 1, caret, "no such escape|without a name")
    for text, caret, said in (
            ("S~ +OK", "+OK", ""), ("S~ x *(", "(", ""),
            ("S~ [a", "[a", ""), ("S~ a{2", "{2", ""), ("S! a)b(", ")b(", ""),
            ("S~ \\q", "\\q", ""), ("S~ (a) -> 9", "9", "not a name"),
            ("S~ (a)(b) -> a b-c", "b-c", "not a name"),
            ("S: ... -> 9m", "9m", "not a name"),
            ("S: <no end", "S: <no end", '"<" without'),
            ("C: <no end", "C: <no end", '"<" without')):
        wrong(text, "# 1\n" + text + "\n", 2, caret, said)
    wrong("< without > for eight lines", "S: +OK\nS: <a\n" + "b\n" * 20,
          2, "S: <a", '"<" without')


DIRECTIVES = (
    # the line, what the caret is under, what is said
    ("test", "", "text missing"), ("test   ", "", "text missing"),
    ("need", "", "text missing"), ("log", "", "text missing"),
    ("sh", "", "text missing"), ("check", "", "text missing"),
    ("exec", "", "text missing"), ("include", "", "text missing"),
    ("unset", "", "text missing"), ("mail", "", "text missing"),
    ("log $", "$", "escape"), ("skip \\q", "\\q", "escape"),
    ("check $a == $", "$", "escape"), ("exec a $9", "$9", "escape"),
    ("open $", "$", "escape"), ("mail $ 10", "$ 10", "escape"),
    ("timeout", "", "argument missing"), ("within", "", "argument missing"),
    ("timeout x", "x", "not a duration"), ("timeout 5x", "5x", "duration"),
    ("timeout -1", "-1", "not a duration"), ("wait 1h", "1h", "duration"),
    ("wait .5s", ".5s", "duration"), ("within 1.s", "1.s", "duration"),
    ("wait 99999999m", "99999999m", "duration"),
    ("timeout 1s 2s", "2s", "one argument too many"),
    ("wait 1s x", "x", "too many"), ("maildir x", "x", "too many"),
    ("end x", "x", "too many"), ("quiet 1s a b", "b", "too many"),
    ("eof a b", "b", "too many"), ("eof A", "A", "not a connection"),
    ("close 12345678", "12345678", "not a connection"),
    ("reset a-b", "a-b", "connection"), ("half a,", "a,", "connection"),
    ("login a b", "b", "too many"), ("quiet 1s X", "X", "connection"),
    ("split", "", "argument missing"), ("split x", "x", "not a number"),
    ("split 1 x", "x", "not a duration"), ("split 1 1s X", "X", "connection"),
    ("split 1", "", "argument missing"), ("drain 2", "", "missing"),
    ("split 0 X", "X", "connection"), ("drain 0 1s X", "X", "connection"),
    ("split 0 1s a b", "b", "too many"), ("drain 0 a b", "b", "too many"),
    ("drain 1x 1s", "1x", "not a number"), ("drain -1 1s", "-1", "number"),
    ("rcvbuf", "", "argument missing"), ("rcvbuf many", "many", "number"),
    ("rcvbuf 1 2", "2", "too many"), ("repeat x", "x", "not a number"),
    ("repeat", "", "argument missing"),
    ("set", "", "argument missing"), ("set 9 x", "9 x", "not a name"),
    ("set a-b x", "a-b x", "not a name"), ("set $v x", "$v x", "not a name"),
    ("for $i in 1..2", "$i in", "not a name"), ("set $ x", "$ x", "escape"),
    ("let $v = 1", "$v = 1", "not a name"), ("eof $v", "$v", "connection"),
    ("wait $", "$", "escape"), ("repeat $9", "$9", "escape"),
    ("for i in 1..$", "$", "escape"), ("split 1 \\q", "\\q", "escape"),
    ("set a $", "$", "escape"), ("let a = $", "$", "escape"),
    ("let", "", "argument missing"), ("let 9 = 1", "9 = 1", "not a name"),
    ("let a", "", "want: let NAME ="), ("let a 1", "1", "want: let NAME ="),
    ("let a =", "", "expression missing"), ("let a == 1", "== 1", "want"),
    ("unset a 9", "9", "not a name"), ("unset $a", "$a", "not a name"),
    ("for", "", "argument missing"), ("for 9 in 1..2", "9 in", "not a name"),
    ("for i", "", "want: for NAME in A..B"), ("for i of 1..2", "of", "want"),
    ("for i in 1", "", "A..B"), ("for i in", "", "A..B"),
    ("barrier", "", "argument missing"), ("barrier a", "", "missing"),
    ("barrier a x", "x", "not a number"),
    ("mail $dir/new/1", "", "want: <<WORD, or a size"),
    ("mail $dir/new/1 <<END", "END", "the end of the mail is missing"),
    ("mail $dir/new/1 ten", "ten", "want: <<WORD, or a size"),
    ("mail $dir/new/1 10k", "10k", "want: <<WORD, or a size"),
    ("mail $dir/new/1 <<END\n\\q\nEND", "\\q", "escape"),
    ("end", "end", "no loop ends here"),
    ("for i in 1..2", "for i", "this loop has no end"),
    ("repeat 2", "repeat 2", "this loop has no end"),
)


@test
def directives():
    """Errors in directives"""
    def one(text, caret, said):
        more = text.count("\n") // 2
        wrong(text.split("\n")[0], "S: +OK\n# 2\n " + text + "\n\n# 5\n",
              3 + more, caret, said)

    spread(one, DIRECTIVES, jobs=4)


@test
def places():
    """Where exactly: tabs, long lines, control bytes"""
    got = run("S: +OK\n\tC: a\tb\\q\n", Fake(ordinary()))
    like(got.err, r":2: [^\n]*\n  C: a b\\q\n {8}\^\n\Z",
         "a tab is one column")
    got = run("S: +OK\nC: " + "x" * 3000 + "\\q" + "y" * 900 + "\n",
              Fake(ordinary()))
    lines = got.err.decode().split("\n")
    ok(len(lines) == 4 and len(lines[1]) < 200 and
       lines[1][len(lines[2]) - 1:].startswith("\\qyy"),
       "of a long line a part is shown, with the place in it", got.err)
    got = run(b"S: +OK\nC: \x1b[31m\xff\\q\n", Fake(ordinary()))
    like(got.err, r":2: [^\n]*\n  C: \?\[31m\?\\q\n {11}\^\n\Z",
         "control bytes are not shown")
    wrong("a line of 4096", "S: +OK\nC: " + "x" * 4093, 2, "C: xx",
          "a line too long")
    server = Fake(ordinary(X=b"+OK\r\n"))
    good("a line of 4095", "S: +OK\nC: x " + "y" * 4090 + "\nS: +OK", server)
    is_(server.heard, [b"x " + b"y" * 4090], "it is sent in full")


@test
def nesting():
    """Loops: nested, crossed, too deep; tests in them"""
    good("eight deep", "S: +OK\nset n 0\n" + "repeat 2\n" * 8 +
         "let n = $n + 1\n" + "end\n" * 8 + "check $n == 256",
         Fake(ordinary()))
    wrong("nine deep", "S: +OK\n" + "repeat 1\n" * 9 + "end\n" * 9, 10,
          "repeat 1", "too deep")
    wrong("a test in a loop", "repeat 2\ntest x\nend\n", 2, "test x",
          "a test within a loop")
    wrong("the inner loop has its end", "repeat 2\nfor i in 1..2\nend\n", 1,
          "repeat 2", "no end")
    wrong("an end too much", "repeat 2\nend\nend\n", 3, "end",
          "no loop ends here")


@test
def no_text():
    """Files that are no scripts"""
    for what, text in (("a NUL", b"S: +OK\nC: a\0b\n"),
                       ("NUL first", b"\0"), ("\\1", b"S: +OK\n\x01\n"),
                       ("an ELF", b"\x7fELF\1\1\1\0\0\0\n")):
        got = run(text, Fake(ordinary()))
        is_((got.status, got.out), (3, b""), what + ": status", got)
        like(got.err, r"\Apop3test: \S*t\.pop3: is no text\n\Z", what)
    got = run(b"S: +OK\n" + b"# x\n" * (9 << 18), Fake(ordinary()))
    is_(got.status, 3, "9 MB: status", got.err)
    like(got.err, "too long", "9 MB: text")
    for what, text in (("empty", b""), ("a comment", b"# x\n"),
                       ("a newline", b"\n"), ("dots", b"...")):
        got = run(text, Fake(ordinary()))
        is_((got.status, got.err), (3, b""), what + ": nothing ran")
        is_(tap(got.out), ([], [], (0, 0, 0)), what + ": no tests")
    got = pop3test("run", scratch() + "/none.pop3", Fake(ordinary()).target)
    is_((got.status, got.out), (3, b""), "no such file", got)
    like(got.err, r"pop3test: \S+/none\.pop3: No such file", "no such file")
    is_(pop3test("run").status, 3, "run: no operand")
    is_(pop3test("run", "127.0.0.1:1").status, 3, "run: a target alone")


# ---- include -----------------------------------------------------------------

@test
def include():
    """include: relative, nested, in loops, and its errors"""
    top = scratch()
    os.makedirs(top + "/sub/deep")
    write("C: QUIT\nS: +OK\neof", "bye.pop3", top)
    write("include deep/stat.pop3\n", "a.pop3", top + "/sub")
    write("C: STAT\nS: +OK $n $_\ninclude ../../noop.pop3\n", "stat.pop3",
          top + "/sub/deep")
    write("C: NOOP\nS: +OK", "noop.pop3", top)
    for what, text in (
            ("relative", "S: +OK\ninclude sub/a.pop3\ninclude bye.pop3\n"),
            ("absolute", "S: +OK\ninclude %s/sub/a.pop3\n  include bye.pop3"
             % top)):
        server = Fake(ordinary())
        path = write(text, "main.pop3", top)
        got = pop3test("run", path, server.target)
        is_((got.status, server.heard), (0, [b"STAT", b"NOOP", b"QUIT"]),
            "include, " + what, got)
    server = Fake(ordinary())
    got = pop3test("run", "main.pop3", server.target, cwd=top)
    is_((got.status, server.heard), (0, [b"STAT", b"NOOP", b"QUIT"]),
        "include, from a script without a folder in its name", got)
    server = Fake(ordinary())
    path = write("S: +OK\nrepeat 3\ninclude noop.pop3\nend\n", "l.pop3", top)
    is_((pop3test("run", path, server.target).status, server.heard),
        (0, [b"NOOP"] * 3), "include in a loop")
    path = write("test a\nS: +OK\ntest b\ninclude two.pop3\nS: +OK\n",
                 "t.pop3", top)
    write("S: +OK\ntest c\n", "two.pop3", top)
    got = pop3test("run", path, server.target)
    is_([r.title for r in tap(got.out)[0]],
        ["t.pop3: a", "t.pop3: b", "two.pop3: c"], "include may begin a test",
        got)
    got = pop3test("run", path, Fake(ordinary()).target, "-j")
    is_([json.loads(line)["file"] for line in got.out.splitlines()],
        ["t.pop3", "t.pop3", "two.pop3"], "include may begin a test, -j")


@test
def include_wrong():
    """include: errors show the file they are in"""
    top = scratch()
    write("\nC: \\q\n", "bad.pop3", top)
    write("C: NOOP\nS: -ERR no\n", "fail.pop3", top)
    write("# 1\ninclude self.pop3\n", "self.pop3", top)
    write("include b.pop3\n", "a.pop3", top)
    write("include a.pop3\n", "b.pop3", top)
    write("repeat 2\n", "open.pop3", top)
    for i in range(8):
        write("include d%d.pop3\n" % (i + 1), "d%d.pop3" % i, top)
    write("C: NOOP\nS: +OK\n", "d8.pop3", top)

    def one(text, pattern, status=3):
        seen = []
        path = write("S: +OK\n" + text, "x.pop3", top)
        got = pop3test("run", path, Fake(seen.append).target)
        is_((got.status, got.out, seen), (status, b"", []), text, got.err)
        like(got.err, pattern, text + ": text")

    one("include bad.pop3", r"\Apop3test: \S*/bad\.pop3:2: .*\n"
        r"  C: \\q\n {5}\^\n\Z")
    one("include self.pop3", r"self\.pop3:2: included too deep\n"
        r"  include self\.pop3\n {10}\^\n\Z")
    one("include a.pop3", r"[ab]\.pop3:1: included too deep\n")
    one("include d0.pop3", r"d\d\.pop3:1: included too deep\n")
    one("include open.pop3\n# 3", r"open\.pop3:1: this loop has no end\n"
        r"  repeat 2\n  \^\n\Z")
    one("\ninclude none.pop3",
        r"x\.pop3:3: .*none\.pop3: No such file.*\n  include none\.pop3\n"
        r" {10}\^\n\Z")
    server = Fake(ordinary())
    path = write("S: +OK\ninclude d2.pop3\n", "y.pop3", top)
    is_((pop3test("run", path, server.target).status, server.heard),
        (0, [b"NOOP"]), "seven deep")
    path = write("test x\nS: +OK\ninclude fail.pop3\n", "z.pop3", top)
    got = pop3test("run", path, Fake(ordinary()).target)
    is_(tap(got.out)[0][0].detail["at"], "fail.pop3:2",
        "a failure in an included file is shown there", got)


# ---- files and folders -------------------------------------------------------

@test
def folders():
    """Files in the order given, those of a folder sorted"""
    top = scratch()
    for name in ("c.pop3", "a.pop3", "b.pop3", ".hidden.pop3", "x.txt",
                 "d.pop3~", "pop3", ".pop3"):
        write("test %s\nS: +OK\n" % name, name, top)
    other = write("S: +OK", "z.pop3")
    got = pop3test("run", top, other, Fake(ordinary()).target)
    is_([r.title for r in tap(got.out)[0]],
        ["a.pop3: a.pop3", "b.pop3: b.pop3", "c.pop3: c.pop3", "z.pop3"],
        "a folder, then a file", got)
    got = pop3test("run", other, top + "/", top + "/b.pop3",
                   Fake(ordinary()).target)
    is_([r.title[0] for r in tap(got.out)[0]], list("zabcb"),
        "a file, a folder and a file of it")
    empty = scratch()
    got = pop3test("run", empty, Fake(ordinary()).target)
    is_((got.status, got.out), (3, b""), "an empty folder", got)
    like(got.err, r"no scripts \(\*\.pop3\)", "an empty folder: text")
    write("S: +OK\nC: $\n", "zz.pop3", top)
    seen = []
    got = pop3test("run", other, top, Fake(seen.append).target)
    is_((got.status, got.out, seen), (3, b"", []),
        "an error in the last file: nothing of the first is run", got)
    like(got.err, r"/zz\.pop3:2: ", "an error in the last file: shown")


@test
def options():
    """run mixes options, files and the target"""
    path, where = write("S: +OK\nC: X $v\nS: +OK"), Fake(
        ordinary(X=b"+OK\r\n")).target
    for args in (["run", path, "-D", "v=1", where],
                 ["run", "-D", "v=1", path, "-H", where],
                 ["run", "-Dv=1", "-H", "127.0.0.1", "-p",
                  where.split(":")[1], path]):
        got = pop3test(*args)
        is_(got.status, 0, " ".join(args)[:40], got)
    for value in ("v", "=1", "9=1", "a b=1", "é=1", "a" * 32 + "=1",
                  "v" * 300 + "=1"):
        got = pop3test("run", "-D", value, path, where)
        is_((got.status, got.out), (3, b""), "-D %.12s is refused" % value,
            got)


# ---- listing -----------------------------------------------------------------

@test
def listing_only():
    """-l lists and runs nothing"""
    seen = []
    server = Fake(seen.append)
    got = run("test one\nsh echo no; touch x\nS: +OK\ntest  two words  \n"
              "skip\n", server, "-l")
    is_((got.status, got.err, seen), (0, b"", []), "-l", got)
    like(got.out, r"\A\S*/t\.pop3: one\n\S*/t\.pop3: two words  \n\Z",
         "-l: the list")
    got = run("S: +OK\ntest more\n", server, "-l")
    like(got.out, r"\A\S*/t\.pop3\n\S*/t\.pop3: more\n\Z",
         "-l: steps before the first test are one")
    is_(pop3test("run", "-l", write("S: +OK\n")).status, 0,
        "-l needs no target")
    got = run("test x\nC: $\n", server, "-l")
    is_((got.status, got.out), (3, b""), "-l: a syntax error", got)
    with open("/dev/full", "wb") as full:
        is_(run("test x\nS: +OK\n", server, "-l", stdout=full).status, 3,
            "-l >/dev/full")


run_tests(jobs=4)
