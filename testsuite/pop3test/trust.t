#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test: what a server says stays words, and a password stays here

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test("FEATURE_POP3TEST_RUN")

SECRET = "Hush-Hush_4711"
ENV = {"POP3TEST_PASS": SECRET}


def script(text):
    path = scratch() + "/t.pop3"
    with open(path, "w") as file:
        file.write(text)
    return path


def uid_server(uid):
    return Fake(ordinary([b"A: b\r\n\r\n"], UIDL=b"+OK\r\n1 %s\r\n.\r\n"
                         % uid))


UIDL = "S: +OK\nC: UIDL\nS: +OK\nS: 1 $uid...\nS: .\n"


@test
def commands():
    """exec and sh"""
    top = scratch()
    uid = b";touch${IFS}%s/made;" % top.encode()
    for line in ("exec /bin/echo $uid", "exec /bin/echo \"$uid\" | cat",
                 "sh echo \"$uid\" >%s/told" % top):
        pop3test("run", script(UIDL + line + "\nS: +OK\n"),
                 uid_server(uid).target)
        ok(not os.path.exists(top + "/made"), line + ": runs nothing else")
    with open(top + "/told", "rb") as file:
        is_(file.read(), uid + b"\n", "sh has it in its environment")


@test
def paths():
    """mail PATH with a name from the server"""
    top = scratch()
    box = Maildir(top + "/Maildir")
    text = UIDL + "mail $dir/new/$uid <<END\nx\nEND\n"
    for uid in (b"../../escaped", b"../cur/x", b"a/b", b"/etc/x"):
        run = pop3test("run", "-D", "dir=" + box.path, script(text),
                       uid_server(uid).target)
        is_(run.status, 3, "%r is no name" % uid, run.out)
        like(run.out, r"mail: no name of a file", "%r: the message" % uid)
    is_(sorted(os.listdir(top)), ["Maildir"], "nothing beside the Maildir")
    is_((box.names("new"), box.names("cur"), box.names("tmp")),
        ([], [], []), "nothing in it")
    run = pop3test("run", "-D", "dir=" + box.path, script(text),
                   uid_server(b"good").target)
    is_((run.status, box.names("new")), (0, [b"good"]), "a good name")


@test
def echo():
    """a server that repeats the password"""
    server = Fake(ordinary(PASS=lambda link, words: b"-ERR no: PASS " +
                           b" ".join(words) + b"\r\n"))
    for args in (["stat"], ["stat", "-v"], ["check"], ["check", "-j"],
                 ["run", script("login\n")], ["run", "-j", "-v",
                                              script("login\n")]):
        run = pop3test(*args, "-u", "al", server.target, env=ENV)
        is_(run.status, 2, "%s: refused" % args)
        ok(SECRET.encode() not in run.out + run.err,
           "%s: the password is not shown" % args, run.out, run.err)
    run = pop3test("stat", "-v", "-v", "-u", "al", server.target, env=ENV)
    ok(SECRET.encode() in run.err, "-vv shows it")


@test
def children():
    """the environment of what is started"""
    top = scratch()
    for args in (["stat", "-u", "al"], ["run", script("S: +OK\n"), "-u",
                                        "al"]):
        pop3test(*args, "--", "/bin/sh", "-c",
                 "env >%s/env; printf '+OK\\r\\n'; cat" % top, env=ENV)
        with open(top + "/env") as file:
            ok(SECRET not in file.read(), args[0] + ": no password in it")


@test
def replay():
    """-v of what failed is a script"""
    server = Fake(ordinary(STAT=b"+OK many\r\n"))
    run = pop3test("stat", "-v", "-u", "al:pw", server.target)
    is_(run.status, 1, "stat fails")
    again = pop3test("run", script(run.err.decode()), "-u", "al:pw",
                     server.target)
    is_(again.status, 0, "its transcript runs", again.out, again.err)


@test
def left_over():
    """$dir of load and run"""
    need("FEATURE_POP3TEST_LOAD")
    top = scratch()
    slow = script("S: +OK\ntimeout 100\nC: STAT\nS: +OK\n")
    server = ["--", "/bin/sh", "-c", "printf '+OK\\r\\n'; sleep 30"]
    pop3test("load", "-n", "2", "-t", "1", "-d", "1", slow, *server,
             env={"TMPDIR": top})
    is_(os.listdir(top), [], "load: sessions cut off leave nothing")
    for verb, number in (("load", signal.SIGTERM), ("run", signal.SIGINT)):
        process = subprocess.Popen(
            [POPBOX, "pop3test", verb, "-t", "60", slow, *server],
            env={"TMPDIR": top, "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ok(wait_for(lambda: os.listdir(top)), verb + ": a $dir is there")
        process.send_signal(number)
        process.wait()
        ok(wait_for(lambda: not os.listdir(top), 5),
           verb + ": none is left by a signal", os.listdir(top))


@test
def group():
    """sh that takes too long ends with all that it started"""
    began = time.monotonic()
    run = pop3test("run", script("timeout 300ms\nsh sleep 20; true\n"))
    is_(run.status, 3, "sh: timeout")
    ok(time.monotonic() - began < 10, "sh: nobody holds our output",
       time.monotonic() - began)


run_tests()
