#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test: names of hosts, with name servers that are made up. All of it
# happens in a network and with files in /etc of its own: nobody listens on
# port 110 there, and who refuses the connection tells what was found.

import collections
import fcntl
import os
import re
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()
if config("POP3TEST_NSS"):
    skip_all("POP3TEST_NSS: the C library looks names up")


def move_in():
    """Goes on in a network and with mounts that nobody else sees."""
    try:
        wrap = private_mounts()
    except Skip as why:
        skip_all(str(why))
    os.environ["NAMES_INSIDE"] = "y"
    os.execvp(wrap[0], wrap + ["-n", sys.executable, *sys.argv])


if not os.environ.get("NAMES_INSIDE"):
    move_in()

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    # SIOCSIFFLAGS: the loopback interface up
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))

FILES = {}
for path in ("/etc/hosts", "/etc/resolv.conf"):
    handle, FILES[path] = tempfile.mkstemp()
    os.close(handle)
    cleanup(os.unlink, FILES[path])
    if subprocess.call(["mount", "--bind", FILES[path], path]) != 0:
        skip_all("cannot mount over " + path)


def etc(hosts="", servers="nameserver 127.0.0.53\n"):
    for path, text in (("/etc/hosts", hosts), ("/etc/resolv.conf", servers)):
        with open(FILES[path], "w") as file:
            file.write(text)


def look_up(*args, t="2"):
    return pop3test("stat", "-t", t, *args)


def finds(what, want, *args, **how):
    """The addresses that are tried, in this order."""
    run = look_up(*args, **how)
    got = re.findall(rb"(\S+):110: \w+", run.err)
    is_((run.status, got), (2, want.encode().split()), what, run.err)
    return run


def fails(what, why, *args, **how):
    run = look_up(*args, **how)
    is_((run.status, run.out), (3, b""), what + ": status", run.err)
    like(run.err, r"^pop3test: %s: %s$" % (re.escape(args[-1]), why),
         what + ": is said")
    return run


# ---- name servers ----------------------------------------------------------

A, CNAME, AAAA = 1, 5, 28
Question = collections.namedtuple("Question", "id flags name type text peer")


def pack(name):
    return b"".join(bytes([len(word)]) + word.encode()
                    for word in name.split(".")) + b"\0"


def record(kind, data, owner=b"\xc0\x0c", size=None):
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data) if size is None
                               else size) + data


def a(text):
    return record(A, socket.inet_pton(socket.AF_INET, text))


def aaaa(text):
    return record(AAAA, socket.inet_pton(socket.AF_INET6, text))


def reply(q, records=(), rcode=0, flags=0x8180, number=None, count=None,
          text=None):
    return struct.pack(">6H", q.id if number is None else number,
                       flags | rcode, 1, len(records) if count is None else
                       count, 0, 0) + (text or q.text) + b"".join(records)


class NameServer:
    """Answers at an address's port 53: say(question) has the packets."""

    def __init__(self, say, address="127.0.0.53"):
        self.asked = []
        self.say = say
        self.socket = socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        cleanup(self.stop)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            data, peer = self.socket.recvfrom(2000)
            if data == b"end":
                self.socket.close()
                return
            number, flags = struct.unpack(">HH", data[:4])
            words, at = [], 12
            while data[at]:
                words.append(data[at + 1:at + 1 + data[at]].decode())
                at += 1 + data[at]
            q = Question(number, flags, ".".join(words),
                         data[at + 2], data[12:], peer)
            self.asked.append(q)
            for packet in self.say(q) or ():
                self.socket.sendto(packet, peer)

    def stop(self):
        # The port is free when the thread says so.
        at = self.socket.getsockname()
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", at)
        wait_for(lambda: self.socket.fileno() < 0)


def zone(**names):
    """Ordinary answers: name=list of records by type, or a return code."""
    def say(q):
        found = names.get(q.name.split(".")[0].lower(), 3)
        if isinstance(found, int):
            return [reply(q, rcode=found)]
        return [reply(q, found.get(q.type, []))]
    return say


# ---- the tests, one at a time: there is only one /etc -----------------------


@test
def numbers():
    """addresses need no look-up"""
    etc()
    finds("IPv4", "127.0.0.9", "127.0.0.9")
    finds("IPv6", "[::1]", "::1")
    finds("IPv6 in brackets", "[::1]", "[::1]")
    finds("a long form", "[::1]", "0:0::0:1")
    finds("IPv4 in IPv6 form", "127.0.0.9", "::ffff:127.0.0.9")
    fails("-6", r"no address \(-6\)", "-6", "127.0.0.9")
    fails("-4", r"no address \(-4\)", "-4", "::1")


@test
def hosts():
    """/etc/hosts"""
    server = NameServer(zone(both={A: [a("127.0.1.1")],
                                   AAAA: [aaaa("::1")]}))
    etc("# 127.0.0.1 comment\n\n127.0.0.2\tmail mail.example#no\n"
        "127.0.0.3 other   Mixed.Case\r\n  127.0.0.4 blanks # x\n"
        "::1 six both\n127.0.0.5 both\n127.0.0.6 two\n127.0.0.7 two two\n"
        "not-an-address wrong\n127.0.0 wrong\n127.0.0.8\n"
        "127.0.0.10 " + "x" * 3000 + " long\n127.0.0.11 last")
    finds("a name", "127.0.0.2", "mail")
    finds("the next one", "127.0.0.2", "mail.example")
    finds("any case", "127.0.0.3", "mixed.CASE")
    finds("blanks before", "127.0.0.4", "blanks")
    finds("IPv6", "[::1]", "six")
    finds("both, as they stand there", "[::1] 127.0.0.5", "both")
    finds("-4", "127.0.0.5", "-4", "both")
    finds("-6", "[::1]", "-6", "both")
    finds("on two lines, each once", "127.0.0.6 127.0.0.7", "two")
    finds("no newline at the end", "127.0.0.11", "last")
    is_(server.asked, [], "nobody else was asked")
    for name in ("comment", "no", "wrong", "mai", "mail.exampl", "ixed.case",
                 "mail.example.org"):
        fails("not there: " + name, "no such host", name)
    etc("127.0.0.5 both\n")
    finds("none of the family: the name server is asked", "[::1]", "-6",
          "both")


@test
def localhost():
    """localhost is no question for a name server"""
    server = NameServer(zone(localhost={A: [a("127.0.1.1")]}))
    etc()
    finds("in no file", "127.0.0.1 [::1]", "localhost")
    finds("any case", "127.0.0.1 [::1]", "LocalHost")
    finds("-6", "[::1]", "-6", "localhost")
    is_(server.asked, [], "nobody was asked")
    etc("127.0.0.1 localhost\n127.0.0.2 localhost\n")
    finds("as /etc/hosts has it", "127.0.0.1 127.0.0.2", "localhost")
    etc()
    with socket.create_server(("::1", 110), family=socket.AF_INET6) as s:
        threading.Thread(target=lambda: s.accept()[0].sendall(
            b"+OK\r\n+OK 1 2\r\n+OK\r\n"), daemon=True).start()
        run = look_up("localhost")
        is_((run.status, run.out), (0, b"1 2\n"),
            "where the first refuses, the next is tried", run.err)


@test
def in_turn():
    """a dead address leaves time for the next"""
    etc("127.0.0.2 x\n127.0.0.3 x\n127.0.0.4 x\n")
    full = socket.socket()
    cleanup(full.close)
    full.bind(("127.0.0.3", 110))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for s in waiting:
        cleanup(s.close)
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    run = finds("all are tried", "127.0.0.2 127.0.0.3 127.0.0.4", "x", t="2")
    like(run.err, r"2:110: refused; 127\.0\.0\.3:110: timeout; "
         r"127\.0\.0\.4:110: refused$", "and told", run.err)
    ok(0.9 < run.seconds < 1.8, "in its part of the time", run.seconds)


@test
def answers():
    """what name servers say"""
    etc()
    chain = [record(CNAME, b"\4next\xc0\x11"),
             record(CNAME, b"\3end\7example\0", owner=b"\4next\xc0\x11"),
             record(A, b"\x7f\0\0\4", owner=b"\3end\7example\0"),
             record(A, b"\x7f\0\0\5", owner=b"\3end\7example\0")]
    server = NameServer(zone(
        one={A: [a("127.0.0.2")]}, six={AAAA: [aaaa("::1")]},
        both={A: [a("127.0.0.2"), a("127.0.0.3")], AAAA: [aaaa("::1")]},
        chain={A: chain}, loose={A: chain[:1]}, none={}, failing=2, refused=5,
        many={A: [a("127.0.0.%d" % i) for i in range(10, 22)]},
        twice={A: [a("127.0.0.2"), a("127.0.0.2")]},
        odd={A: [record(16, b"\4text"), aaaa("::1"),
                 record(A, b"\x7f\0\0"), record(A, b"\x7f" * 16),
                 # another class
                 a("127.0.0.2")[:4] + b"\0\3" + a("127.0.0.9")[6:],
                 a("127.0.0.4")]}))
    finds("one", "127.0.0.2", "one.example")
    is_([(q.name, q.type, q.flags) for q in server.asked],
        [("one.example", A, 0x100), ("one.example", AAAA, 0x100)],
        "both kinds are asked for, recursively")
    is_(server.asked[0].text, pack("one.example") + b"\0\1\0\1",
        "and nothing else")
    finds("IPv6", "[::1]", "six.example")
    finds("all", "127.0.0.2 127.0.0.3 [::1]", "both.example")
    finds("a dot at the end", "127.0.0.2", "one.example.")
    finds("no dot at all", "127.0.0.2", "one")
    finds("any case", "127.0.0.2", "ONE.Example")
    finds("the same twice", "127.0.0.2", "twice.example")
    finds("CNAMEs between", "127.0.0.4 127.0.0.5", "chain.example")
    finds("eight are enough", " ".join("127.0.0.%d" % i
                                       for i in range(10, 18)),
          "many.example")
    finds("other types, sizes and classes", "127.0.0.4", "odd.example")
    del server.asked[:]
    finds("-4", "127.0.0.2 127.0.0.3", "-4", "both.example")
    finds("-6", "[::1]", "-6", "both.example")
    is_([q.type for q in server.asked], [A, AAAA], "only that was asked for")
    fails("NXDOMAIN", "no such host", "missing.example")
    fails("no records", "no address", "none.example")
    fails("a CNAME to nowhere", "no address", "loose.example")
    fails("no records for -6", r"no address \(-6\)", "-6", "one.example")
    run = fails("SERVFAIL", "name server cannot answer", "failing.example")
    ok(run.seconds < 1.5, "at once", run.seconds)
    fails("REFUSED", "name server cannot answer", "refused.example")
    is_(len({q.id for q in server.asked}), len(server.asked),
        "numbers differ", server.asked)
    ok(len({q.peer[1] for q in server.asked}) > len(server.asked) * 3 / 4,
       "ports differ", server.asked)


@test
def names_that_are_none():
    """what no host can be called"""
    server = NameServer(zone())
    etc()
    label = "x" * 63
    for name in ("a..b", ".a", "..", label + "x.example", ".".join(
            [label, label, label, label])[:254]):
        fails(name[:30], "no such host", name)
    is_(server.asked, [], "nobody was asked")
    fails("the longest", "no such host", ".".join(
        [label, label, label, label])[:253])
    is_([len(q.text) for q in server.asked], [255 + 4], "was asked for")


@test
def forgeries():
    """answers to something else"""
    etc()
    good = [a("127.0.0.2")]
    bad = [a("127.0.9.9")]
    outsider = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cleanup(outsider.close)
    outsider.bind(("127.0.0.54", 53))

    def other_sender(q):
        outsider.sendto(reply(q, bad), q.peer)
        time.sleep(0.05)
        return ()
    wrong = {
        "number": lambda q: [reply(q, bad, number=q.id ^ 1)],
        "other": lambda q: [reply(q, bad, number=q.id ^ 0x100)],
        "question": lambda q: [reply(q, bad, flags=0x100)],
        "opcode": lambda q: [reply(q, bad, flags=0xa180)],
        "name": lambda q: [reply(q, bad, text=pack("nome.example") +
                                 q.text[-4:])],
        "type": lambda q: [reply(q, bad, text=q.text[:-4] + b"\0\x10\0\1")],
        "class": lambda q: [reply(q, bad, text=q.text[:-1] + b"\3")],
        "none": lambda q: [struct.pack(">6H", q.id, 0x8180, 0, 1, 0, 0) +
                           bad[0]],
        "short": lambda q: [reply(q, bad)[:n] for n in range(
            12 + len(q.text))],
        "empty": lambda q: [b""],
        "uncounted": lambda q: [struct.pack(">6H", q.id, 0x8180, n, 1, 0, 0) +
                                q.text + bad[0] for n in (0, 2, 257)],
        "sender": other_sender,
    }

    def say(q):
        first = wrong[q.name.split(".")[0]](q)
        return list(first) + [reply(q, good if q.type == A else [])]
    server = NameServer(say)
    for name in wrong:
        run = finds("wrong: " + name, "127.0.0.2", name + ".example")
        ok(run.seconds < 1, "and not waited for", run.seconds)

    # Nothing else comes: such answers are none.
    server.say = lambda q: wrong[q.name.split(".")[0]](q)
    run = fails("forgeries only", "name server does not answer", "-4",
                "number.example", t="0.6")
    ok(0.5 < run.seconds < 2, "in -t", run.seconds)

    def flood(q):
        end = time.monotonic() + 3
        while time.monotonic() < end:
            server.socket.sendto(reply(q, bad, number=q.id ^ 1), q.peer)
            time.sleep(0.005)
        return ()
    server.say = flood
    run = fails("a flood of them", "name server does not answer", "-4",
                "x.example", t="0.6")
    ok(0.5 < run.seconds < 2, "extends nothing", run.seconds)


@test
def broken():
    """answers that end early, or never"""
    etc()
    two = [a("127.0.0.2"), a("127.0.0.3")]
    loop = b"\xc0\x0c"
    say = {
        "flagged": lambda q: reply(q, two, flags=0x8380),
        "cut": lambda q: reply(q, two, flags=0x8380)[:-1],
        "half": lambda q: reply(q, two)[:-13],
        "counted": lambda q: reply(q, two, count=65535),
        "fewer": lambda q: reply(q, two, count=1),
        "size": lambda q: reply(q, [two[0], record(A, b"\x7f\0\0\3",
                                                   size=65535)]),
        "pointer": lambda q: reply(q, [two[0], record(
            A, b"\x7f\0\0\3", owner=struct.pack(
                ">H", 0xc000 + 12 + len(q.text) + 16))]),
        "label": lambda q: reply(q, [two[0], record(
            A, b"\x7f\0\0\3", owner=b"\x3fx")]),
        "long": lambda q: reply(q, two + [record(16, b"x" * 1200)]),
        "name": lambda q: reply(q, [record(A, b"\x7f\0\0\2", owner=b"\1x" *
                                           100 + loop)]),
    }
    NameServer(lambda q: [say[q.name.split(".")[0]](q) if q.type == A else
                          reply(q)])
    for name, want in (
            ("flagged", "127.0.0.2 127.0.0.3"), ("cut", "127.0.0.2"),
            ("half", "127.0.0.2"), ("counted", "127.0.0.2 127.0.0.3"),
            ("fewer", "127.0.0.2"), ("size", "127.0.0.2"),
            ("pointer", "127.0.0.2 127.0.0.3"), ("label", "127.0.0.2"),
            ("long", "127.0.0.2 127.0.0.3"), ("name", "127.0.0.2")):
        finds(name, want, name + ".example")


@test
def servers():
    """/etc/resolv.conf"""
    first = NameServer(zone(x={A: [a("127.0.0.1")]}), "127.0.0.61")
    second = NameServer(zone(x={A: [a("127.0.0.2")]}), "127.0.0.62")
    NameServer(zone(x={A: [a("127.0.0.4")]}), "127.0.0.64")
    NameServer(zone(x={A: [a("127.0.0.5")]}), "127.0.0.1")
    six = NameServer(zone(x={A: [a("127.0.0.6")]}), "::1")
    etc("", "; comment\n# nameserver 127.0.0.64\nsearch example\n"
        "options ndots:5\nnameservers 127.0.0.64\nnameserver nowhere\n"
        "nameserver\nnameserver\t127.0.0.61 # first\n"
        "nameserver 127.0.0.62\n")
    finds("the first", "127.0.0.1", "x.example")
    is_(second.asked, [], "the second was not asked")
    etc("", "nameserver 127.0.0.69\nnameserver 127.0.0.62\n")
    run = finds("nobody at the first", "127.0.0.2", "x.example", t="6")
    ok(run.seconds < 1, "at once", run.seconds)
    etc("", "nameserver ::1\n")
    finds("over IPv6", "127.0.0.6", "x.example")
    is_(len(six.asked), 2, "two questions")
    for what, text in (("none", "search example\n"), ("empty", "")):
        etc("", text)
        finds("%s: this host is asked" % what, "127.0.0.5", "x.example")
    etc("", "".join("nameserver 127.0.0.%d\n" % i for i in (67, 68, 69, 64)))
    fails("a fourth does not count", "name server does not answer",
          "x.example")
    etc("", "nameserver 127.0.0.61\nnameserver 127.0.0.62\n")
    first.say = lambda q: [reply(q, rcode=2)]
    finds("a failing one", "127.0.0.2", "x.example")
    first.say = lambda q: ()
    run = finds("a silent one", "127.0.0.2", "x.example", t="2")
    ok(run.seconds < 2, "in its part of the time", run.seconds)


@test
def lost():
    """packets that do not arrive"""
    etc()
    seen = []

    def say(q):
        seen.append(q.type)
        return () if seen.count(q.type) == 1 else [
            reply(q, [a("127.0.0.2")] if q.type == A else [])]
    server = NameServer(say)
    run = finds("the first question is lost", "127.0.0.2", "-4", "x.example")
    ok(0.5 < run.seconds < 2, "another one is sent", run.seconds)
    server.say = lambda q: [reply(q, [a("127.0.0.2")])] if q.type == A else ()
    run = finds("one kind is enough", "127.0.0.2", "x.example", t="4")
    ok(run.seconds < 1.8, "the other has one chance", run.seconds)
    server.say = lambda q: ()
    run = fails("all are lost", "name server does not answer", "x.example",
                t="1")
    ok(0.9 < run.seconds < 2.5, "it ends after -t", run.seconds)
    late = NameServer(lambda q: (time.sleep(0.7), [reply(q, [a(
        "127.0.0.3")])])[1], "127.0.0.55")
    etc("", "nameserver 127.0.0.55\n")
    run = fails("too late", "name server does not answer", "-4", "x.example",
                t="1")
    is_(len(late.asked), 2, "it was asked twice")


run_tests(jobs=1)
