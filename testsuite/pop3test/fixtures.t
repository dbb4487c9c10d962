#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: messages, Maildirs and commands beside the protocol

import os
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")


def read(path):
    with open(path, "rb") as file:
        return file.read()


@test
def mail():
    """mail: messages into a Maildir"""
    for what, lines, want in (
            ("plain", "A: b\n\n x\n", b"A: b\n\n x\n"), ("empty", "", b""),
            ("escapes", "a\\tb\\x41\\\\\\$x\\0\\r\n", b"a\tbA\\$x\0\r\n"),
            ("a variable", "n is $n, ${n}x\n", b"n is 5, 5x\n"),
            ("no final newline", "a\nb\\\n", b"a\nb"),
            ("a backslash last", "a\\\\\nb\n", b"a\\\nb\n"),
            ("backslash, no newline", "a\\\\\\\n", b"a\\"),
            ("dots, comments, steps", ".\n..\n# x\nC: x\ntest\nEND \n ENDE\n",
             b".\n..\n# x\nC: x\ntest\nEND \n ENDE\n"),
            ("blanks", "  a  \n\t\n", b"  a  \n\t\n"),
            ("8-bit", "\u00e9\n", "\u00e9\n".encode()),
            ("long", "x" * 4000 + "\n", b"x" * 4000 + b"\n"),
            ("many", "line\n" * 500, b"line\n" * 500)):
        box = Maildir()
        good("mail, " + what, "set n 5\nmail $dir/new/1.a <<END\n%sEND\n"
             "S: +OK\n" % lines, Fake(ordinary()), "-D", "dir=" + box.path)
        is_((box.names("new"), box.names("tmp")), ([b"1.a"], []),
            "mail, %s: in new/, not in tmp/" % what)
        is_(read(box.path + "/new/1.a"), want, "mail, %s: bytes" % what)
    wrong("a line of 4096", "mail $dir/new/1 <<E\n%s\nE\n" % ("x" * 4096), 2,
          "xxx", "too long")
    wrong("no such escape in mail", "mail $dir/new/1 <<E\na\\q\nE\n", 2,
          "\\q", "escape")
    box = Maildir()
    good("mail: words, blanks, cur/, sizes",
         "mail $dir/new/1.a << two words\na\ntwo words\n"
         "mail $dir/cur/2.b:2,S <<X\nb\nX\nset s 1000\n"
         "mail $dir/new/3.c 120\nmail $dir/new/4.d $s\nS: +OK\nC: STAT\n"
         "S: +OK 4\nC: LIST\nS: +OK\nS: 1 3\nS: 2 3\nS: 3 120\nS: 4 1000\n"
         "S: .\nC: RETR 4\nS: +OK\nS: ... -> m\ncheck $m.octets == 1000\n"
         "check $m.sum == $m.want\n", box)
    st = os.stat(box.path + "/new/1.a")
    is_(stat.S_IMODE(st.st_mode), 0o600, "mail: its mode")
    for what, line, said in (
            ("taken", "mail $dir/new/1.a 100", "File exists"),
            ("no Maildir", "mail /nowhere/new/1 100", "No such file"),
            ("no name", "mail $dir/new/ 100", "want MAILDIR/new/NAME"),
            ("no folder", "mail x 100", "want MAILDIR/new/NAME"),
            ("no size", "set s x\nmail $dir/new/9 $s", "not a size: x"),
            ("$ in the text", "mail $dir/new/9 <<E\n$nope\nE",
             r"\$nope is not set")):
        bad("mail, " + what, "S: +OK\n" + line + "\n", Fake(ordinary()), 3,
            said, "-D", "dir=" + box.path)
    is_((box.names("tmp"), len(box.names("new"))), ([], 3),
        "nothing is left of those")
    is_(read(box.path + "/new/1.a"), b"a\n", "what was there stays")


@test
def maildir():
    """maildir, $dir"""
    box = Maildir().fill(3)
    box.add("new", "9.x")
    good("maildir empties it", "S: +OK\nC: STAT\nS: +OK 4\nC: QUIT\nS: +OK\n"
         "eof\nmaildir\nS: +OK\nC: STAT\nS: +OK 0\nmail $dir/new/1 100\n"
         "maildir\n", box)
    is_(box.names("new") + box.names("cur"), [], "maildir: no messages")
    path = scratch() + "/M"
    good("maildir makes what is missing", "maildir\nmail $dir/new/1 100\n"
         "S: +OK\n", Fake(ordinary()), "-D", "dir=" + path)
    is_(Maildir(path).names("new"), [b"1"], "maildir: made")
    top = scratch()
    got = run("test a\nS: +OK\nmail $dir/new/1.a 100\nC: QUIT\nS: +OK\neof\n"
              "test b\nS: +OK\nC: STAT\nS: +OK 1\nlog $dir\nmaildir\n"
              "sh touch $dir/x; touch $dir/cur/a:2,\n", OWN,
              env={"TMPDIR": top})
    where = tap(got.out)[1]
    ok(got.status == 0 and where and where[0].startswith(top + "/pop3test"),
       "a temporary Maildir, the same for all tests of a file", got)
    is_(os.listdir(top), [], "it is removed in the end")
    got = run("test a\nS: -ERR\n", OWN, env={"TMPDIR": top})
    is_((got.status, os.listdir(top)), (1, []), "also when a test fails")
    got = run("exec %s mdpop3d -a -e -m $dir\nS: +OK\nC: STAT\nS: +OK 0\n"
              % POPBOX, None, env={"TMPDIR": top})
    is_((got.status, os.listdir(top)), (0, []), "for exec, too", got)
    bad("no $dir", "S: +OK\nmail $dir/new/1 100\n", Fake(ordinary()), 3,
        r"no \$dir: -D dir=PATH")
    bad("no $dir", "S: +OK\nmaildir\n", Fake(ordinary()), 3, r"no \$dir")
    bad("no place for it", "S: +OK\n", OWN, 3, "No such file",
        env={"TMPDIR": "/nowhere/at/all"})
    plain = scratch()
    with open(plain + "/keep", "w"):
        pass
    run("S: +OK\nmaildir\n", Fake(ordinary()), "-D", "dir=" + plain)
    ok(os.path.exists(plain + "/keep"), "maildir: other files stay")


@test
def shell():
    """sh"""
    top = scratch()
    good("sh", "set a x  y\nset b 'q' \"z\" \\$HOME\nS: +OK\n"
         "sh printf '%%s|%%s|%%s' \"$a\" \"$b\" \"$user\" >%s/out\n"
         "sh test \"$(cat %s/out | wc -c)\" -gt 5 && true || exit 1\n"
         % (top, top), Fake(ordinary()), "-u", "al:pw")
    is_(read(top + "/out"), b"x  y|'q' \"z\" $HOME|al", "sh: variables")
    good("sh has $port and $dir", "S: +OK\nsh test \"$port\" -gt 0 && "
         "test \"$dir\" = /some/where\n", Fake(ordinary()), "-D",
         "dir=/some/where")
    for what, command, said in (
            ("false", "false", "^sh: exit status 1$"),
            ("exit 7", "exit 7", "^sh: exit status 7$"),
            ("no such command", "no_such_command_here",
             "^sh: exit status 127$"),
            ("a signal", "kill -9 $$", "^sh: killed$")):
        bad("sh: " + what, "S: +OK\nsh %s\n" % command, Fake(ordinary()), 3,
            said)
    began = time.monotonic()
    bad("sh: timeout", "S: +OK\ntimeout 300ms\nsh exec sleep 30\n",
        Fake(ordinary()), 3, "^sh: timeout$")
    ok(time.monotonic() - began < 5, "sh: timeout in time")
    got = run("S: +OK\nsh echo on stdout; echo on stderr >&2\n",
              Fake(ordinary()))
    is_((got.status, got.err), (0, b"on stdout\non stderr\n"),
        "sh: its output is no TAP", got)
    good("sh has no connection of ours open", "S: +OK\n"
         "sh ls -l /proc/self/fd | grep -q socket && exit 1; exit 0\n",
         Fake(ordinary()))
    good("sh reads nothing", "S: +OK\nsh test -z \"$(cat)\"\n",
         Fake(ordinary()))


run_tests(jobs=4)
