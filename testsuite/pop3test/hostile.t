#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers that mean no good: pop3test's verbs end in time, with the right
# status, in little memory, and have delivered nothing by halves.

import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()

MEMORY = 1024           # KB at most, all pages counted; of a static binary
HUGE = b"9223372036854775808"
TOO_HUGE = b"1" + b"0" * 40

# Verbs with what they need, {} being a new Maildir.
CALLS = {
    "check": ["check"], "capa": ["capa"], "stat": ["stat"],
    "list": ["list"], "list 1": ["list", "1"], "uidl": ["uidl"],
    "top": ["top", "1", "3"], "get 1": ["get", "1"],
    "get all": ["get", "all", "{}"], "dele": ["dele", "1"],
}


def attack(what, call, talk, status, text="", within=10, login=True,
           memory=MEMORY):
    """One verb, one server; `status` may be a set."""
    into = scratch() + "/M"
    args = [a.replace("{}", into) for a in CALLS[call]]
    if login:
        args += ["-u", "al:pw"]
    server = Fake(talk)
    run = pop3test(*args, "-t", "1", server.target,
                   wrap=() if config("SANITIZE") else
                   ("prlimit", "--as=33554432", "--fsize=33554432"))
    label = "%s, %s: " % (call, what)
    good = status if isinstance(status, set) else {status}
    ok(run.status in good, label + "status", run.status, run.err,
       run.out[:300], server.heard)
    # A busy machine has its time, too; what is wrong takes for ever.
    limit = within * (4 if config("SANITIZE") else 2)
    ok(run.seconds < limit, label + "in time", run.seconds)
    said = run.out if call == "check" else run.err
    ok(re.fullmatch(rb"([ -~]+\n)+", said) or good == {0},
       label + "printable text", said)
    if text:
        like(said, text, label + "text")
    if config("STATIC") and not config("SANITIZE"):
        ok(run.memory < memory, label + "memory", run.memory)
    if os.path.exists(into):
        box = Maildir(into)
        left = [os.path.getsize(box.join(sub, n))
                for sub in ("tmp", "new", "cur") for n in box.names(sub)]
        is_(left, [], label + "nothing is delivered")
    return run


def each(what, talk, status, calls=CALLS, **how):
    spread(lambda call: attack(what, call, talk, status, **how),
           [(call,) for call in calls], 5)


def endless(data):
    def say(link, args):
        link.say(b"+OK\r\n")
        link.endless(data)
    return say


def line_without_end(link, args):
    link.say(b"+OK ")
    link.endless(b"x" * 65536)


@test
def greeting():
    """Greetings"""
    def no_end(link):
        line_without_end(link, None)

    def drip(link):
        link.drip(b"+OK " + b"x" * 500, 0.2)

    def cut(link):
        link.say(b"+OK rea")

    def half_and_wait(link):
        link.say(b"+OK rea")
        link.hear()

    def reset(link):
        link.say(b"+OK ready\r\n")
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        link.sock.close()

    each("greeting without end", no_end, {1, 2}, ["check", "get all"])
    each("greeting, drop by drop", drip, 2, ["check", "stat", "get all"],
         within=4)
    each("EOF in the greeting", cut, 2, text="EOF within a line")
    each("half a greeting", half_and_wait, 2, text="timeout", within=3)
    each("no greeting", lambda link: link.hear(), 2, text="timeout",
         within=3)
    each("EOF", lambda link: None, 2, text="EOF before a greeting")
    each("reset", reset, 2, ["check", "stat", "get all"])
    each("greeting of 513 octets", ordinary(
        greeting=b"+OK " + b"x" * 507 + b"\r\n"), 1, ["check", "list"],
         text="512")
    each("LF alone", ordinary(greeting=b"+OK\n"), 1, ["check", "stat"],
         text="LF without CR")
    each("NUL", ordinary(greeting=b"\0+OK\r\n"), 1, ["check", "stat"])
    each("an empty line", ordinary(greeting=b"\r\n"), 1, ["check", "stat"])
    each("garbage", ordinary(greeting=os.urandom(400).replace(b"\n", b"")
                             + b"\r\n"), 1, ["check", "stat"])


@test
def refusals():
    """-ERR to everything"""
    no = b"-ERR no \x1b]0;evil\x07 way\r\n"
    words = ("CAPA", "STAT", "LIST", "UIDL", "TOP", "RETR", "DELE", "RSET")
    say = {word: no for word in words}
    each("-ERR to all", ordinary(**say), 1)
    each("-ERR to login, too", ordinary(**say, USER=no), 2, text="refused")
    each("-ERR to QUIT", ordinary(QUIT=no), 1, text="evil",
         calls=["check", "stat", "list", "uidl", "top", "get 1", "dele"])


@test
def silence():
    """A server that stops to answer, or goes away"""
    def quiet(link, args):
        link.hear()
        return b""

    def mute(link, args):
        while link.hear() is not None:
            pass
        return b""

    def half(link, args):
        link.say(b"+OK 1")
        link.hear()
        return b""

    each("USER is not answered, CAPA refused", ordinary(
        CAPA=b"-ERR no\r\n", USER=mute), 2, ["stat", "get all"],
         text="timeout", within=0.95)
    for word, calls in (("STAT", ["check", "stat", "list", "get all"]),
                        ("LIST", ["list", "list 1", "get 1", "get all"]),
                        ("UIDL", ["uidl"]), ("RETR", ["get 1", "get all"]),
                        ("TOP", ["top"]), ("DELE", ["dele"]),
                        ("PASS", ["check", "stat"])):
        each(word + " is not answered", ordinary(**{word: quiet}), 2, calls,
             text="timeout", within=3)
        each(word + " is half answered", ordinary(**{word: half}), 2, calls,
             text="timeout", within=3)
        each("EOF for " + word, ordinary(**{word: b""}), 2, calls,
             text="EOF", within=3)


@test
def status_lines():
    """Answers that are no proper status lines"""
    for what, answer in (("without end", line_without_end),
                         ("nonsense", b"what?\r\n"), ("empty", b"\r\n"),
                         ("a dot", b".\r\n"), ("NULs", b"\0\0\0\r\n"),
                         ("LF alone", b"+OK 1 28\n"), ("+ok", b"+ok\r\n"),
                         ("of 513 octets", b"+OK " + b"1" * 507 + b"\r\n"),
                         ("of 100 kB", b"-ERR " + b"x" * 100000 + b"\r\n")):
        for word, calls in (("STAT", ["check", "stat"]),
                            ("RETR", ["get 1", "get all"]),
                            ("DELE", ["dele"]), ("UIDL", ["uidl"])):
            each("%s, %s" % (word, what), ordinary(**{word: answer}), {1, 2},
                 calls)


@test
def numbers():
    """Numbers that are huge or none"""
    for what, number, status in (("2^63", HUGE, 0), ("10^40", TOO_HUGE, 1),
                                 ("-1", b"-1", 1), ("NUL", b"1\0", None)):
        answer = b"+OK %s %s\r\n" % (number, number)
        if status is not None:
            attack("STAT of " + what, "stat", ordinary(STAT=answer), status)
            attack("STAT of " + what, "check", ordinary(STAT=answer), status)
        each("STAT of " + what, ordinary(STAT=answer), 1,
             ["list", "get all"])
        each("LIST of " + what, ordinary(
            LIST=listing([(1, number)])), 1, ["list"])
    each("STAT of 10^12", ordinary(
        STAT=b"+OK 1000000000000 1\r\n", LIST=endless(b"1 1\r\n" * 10000)),
         1, ["list"], within=20)
    each("LIST 1: 2^63", ordinary(LIST=b"+OK 1 " + HUGE + b"\r\n"), 1,
         ["get 1"], text="not the size that LIST said")
    each("LIST: message 2^63", ordinary(
        LIST=b"+OK\r\n" + HUGE + b" 5\r\n.\r\n"), 1, ["get all"])


@test
def bodies_endless():
    """Bodies that do not end"""
    for word, calls in (("CAPA", ["check", "capa"]),
                        ("LIST", ["list", "get all"]), ("UIDL", ["uidl"]),
                        ("RETR", ["get 1", "get all"]), ("TOP", ["top"])):
        for what, data in (("lines", b"1 17\r\n" * 9000),
                           ("one line", b"y" * 50000),
                           ("dots", b"..\r\n" * 10000),
                           ("empty lines", b"\r\n" * 30000),
                           ("NULs", b"\0" * 60000)):
            say = {word: endless(data)}
            if word == "LIST":
                say["STAT"] = b"+OK 3 51\r\n"
            each("%s of endless %s" % (word, what), ordinary(**say), {1, 2},
                 calls, within=5)
    # A message may have as many octets as LIST said, and then some.
    run = attack("a message of 200 kB instead of 28 octets", "get all",
                 ordinary(RETR=endless(b"z\r\n" * 60000)), 1,
                 text="does not end")
    ok(run.seconds < 2, "that is soon noticed", run.seconds)


@test
def bodies_slow():
    """Bodies that come drop by drop"""
    def drip(link, args):
        link.say(b"+OK\r\n")
        link.drip(b"1 28\r\n" * 1000, 0.2)

    for word, call in (("LIST", "list"), ("LIST", "get all"),
                       ("UIDL", "uidl"), ("RETR", "get all"),
                       ("RETR", "get 1"), ("TOP", "top"), ("CAPA", "capa"),
                       ("CAPA", "check")):
        attack("%s, drop by drop" % word, call, ordinary(**{word: drip}), 2,
               within=4)


@test
def bodies_cut():
    """Bodies that break off, or have wrong line ends"""
    for what, end, status in (("EOF", b"", 2), ("EOF in a line", b"1 2", 2),
                              ("EOF behind CR", b"1 2\r", 2),
                              ("EOF in the dot line", b".\r", 2),
                              ("EOF behind the dot", b".", 2),
                              ("LF alone", b"1 2\n.\r\n", 1),
                              ("a dot and LF", b".\n", 1),
                              ("NUL", b"\0\n.\r\n", 1)):
        for word, calls in (("LIST", ["list", "get all"]),
                            ("UIDL", ["uidl"]), ("CAPA", ["capa"]),
                            ("RETR", ["get all", "get 1"]),
                            ("TOP", ["top"])):
            def say(link, args, end=end):
                link.say(b"+OK\r\n1 28\r\n" + end)
                return b""
            each("%s, %s" % (word, what), ordinary(**{word: say}), status,
                 calls)


@test
def long_lines():
    """Lines of lists and capabilities that are much too long"""
    long = b"u" * 10000
    attack("UID of 10 kB", "uidl", ordinary(UIDL=listing([(1, long)])), 1,
           text="no line of a list")
    attack("UID of 10 kB", "list", ordinary(
        LIST=listing([(1, b"2" * 10000)])), 1)
    attack("UID of 10 kB", "get all", ordinary(
        LIST=listing([(1, b"2" * 10000)])), 1)
    attack("capability of 10 kB", "capa", ordinary(
        CAPA=b"+OK\r\n" + long + b"\r\n.\r\n"), 1, text="512")
    attack("capability of 10 kB", "check", ordinary(
        CAPA=b"+OK\r\n" + long + b"\r\n.\r\n"), 0)
    attack("60000 capabilities", "check", ordinary(
        CAPA=b"+OK\r\n" + b"SASL\r\n" * 10000 + b".\r\n"), 0)
    attack("a list with NULs", "list", ordinary(
        LIST=b"+OK\r\n1 \x002\r\n.\r\n"), 1)
    attack("a list with NULs", "get all", ordinary(
        LIST=b"+OK\r\n1\x00 2\r\n.\r\n"), 1)


@test
def more_than_asked():
    """More answers than questions"""
    def talk(link):
        link.say(b"+OK\r\n" * 1000)
        while link.hear() is not None:
            link.say(b"+OK 1 28\r\n" * 100)

    each("answers in advance", talk, {0, 1, 2},
         ["check", "stat", "list", "dele"])
    each("answers for ever", lambda link: link.endless(b"+OK\r\n" * 5000),
         {0, 1, 2}, ["check", "stat", "list", "uidl", "dele"], within=4)
    attack("a timestamp of 10 kB", "check", ordinary(
        greeting=b"+OK <" + b"a" * 300 + b"@b>\r\n"), 0)


run_tests(jobs=6)
