#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test check and get against other people's servers and ours.

import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from peers import *

COUNT, SIZE = 1000, 2000
SMALL = {
    "1700000001.M1P1.host": b"Subject: one\n\nhello\n",
    "1700000002.M2P1.host": b"Subject: two\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n",
}


def pop3test(*args, password=PASSWORD):
    """(exit status, standard output, standard error)"""
    done = subprocess.run(
        [POPBOX, "pop3test", *args], stdin=subprocess.DEVNULL,
        capture_output=True, timeout=LIMIT, cwd="/",
        env={**popbox_environment(), "POP3TEST_PASS": password})
    return done.returncode, done.stdout, done.stderr.decode("latin-1")


def popbox_environment():
    return {name: value for name, value in os.environ.items()
            if name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS")}


def ask(peer, verb, *args, **how):
    return pop3test(verb, *args, "-u", peer.user, "%s:%d" % (
        peer.address, peer.port), **how)


def on_each(function):
    """As a test: function(kind) for all servers, side by side."""
    def all_of_them():
        need("POP3TEST")
        spread(function, [(kind,) for kind in PEERS.values()])
    all_of_them.__name__ = function.__name__
    all_of_them.__doc__ = function.__doc__
    test(all_of_them)
    return function


def small(kind):
    """A server with two messages, started."""
    peer = kind()
    peer.start()
    for name, data in SMALL.items():
        peer.maildir.add("new", name, data)
    return peer


def session(peer):
    """By hand: a client of the testsuite's own, logged in."""
    client = connect(peer)
    client.line()
    client.cmd("USER " + peer.user)
    like(client.cmd("PASS " + peer.password), r"\A\+OK",
         peer.name + ": login by hand")
    return client


def retr(client, number):
    """The message as it was sent, dots taken away."""
    return oracle.unstuff(client.multi("RETR %d" % number)[1])


@on_each
def check(kind):
    """check"""
    peer = small(kind)
    status, out, err = ask(peer, "check")
    is_((status, err), (0, ""), peer.name + ": check ends with status 0", out)
    found = re.fullmatch(
        rb"POP3 OK - 2 messages \((\d+) octets\) in \d+\.\d{3} s"
        rb"\|time=\d+\.\d{6}s;;;0;10 messages=2;;;0 octets=(\d+)B;;;0\n", out)
    ok(found, peer.name + ": check prints one status line", out)
    with session(peer) as client:
        stat = client.cmd("STAT").split()
        is_(found and [b"+OK", b"2", *found.groups()], stat + stat[2:],
            peer.name + ": check tells the octets of STAT")
        client.cmd("QUIT")
    is_(pop3test("check", "%s:%d" % (peer.address, peer.port))[0], 0,
        peer.name + ": check without a user needs a greeting only")


@on_each
def refused(kind):
    """check with a wrong password, and without a server"""
    peer = small(kind)
    status, out, _ = ask(peer, "check", password="wrong")
    is_(status, 2, peer.name + ": check with a wrong password is critical")
    like(out, r"\APOP3 CRITICAL - .*\n\Z",
         peer.name + ": check says so in one line")
    peer.stop()
    status, out, _ = ask(peer, "check")
    is_(status, 2, peer.name + ": check of a server that is gone is critical")
    like(out, r"\APOP3 CRITICAL - .*refused",
         peer.name + ": check says that nobody is there")


@on_each
def get(kind):
    """get of one message to standard output"""
    peer = small(kind)
    got = [ask(peer, "get", str(n)) for n in (1, 2)]
    is_([(status, err) for status, _, err in got], [(0, "")] * 2,
        peer.name + ": get ends with status 0")
    with session(peer) as client:
        want = [retr(client, n) for n in (1, 2)]
        client.cmd("QUIT")
    is_([out for _, out, _ in got], [w.replace(b"\r\n", b"\n") for w in want],
        peer.name + ": get prints what RETR sends, lines ended by LF")
    _, out, _ = ask(peer, "get", "2", "--crlf")
    is_(out, want[1], peer.name + ": get --crlf prints what RETR sends")
    status, out, _ = ask(peer, "get", "3")
    is_((status, out), (1, b""), peer.name + ": get of no message warns")


# ---- 1000 odd messages ------------------------------------------------------

def odd(tmp):
    """{name: content}, made by pop3test fill."""
    status, _, err = pop3test("fill", tmp, str(COUNT), str(SIZE), "odd")
    is_((status, err), (0, ""), "fill makes %d odd messages" % COUNT)
    found = {}
    for name in sorted(os.listdir(tmp + "/new"),
                       key=lambda name: oracle.order(name.encode())):
        with open(tmp + "/new/" + name, "rb") as file:
            found[name] = file.read()
    return found


def fetched(path):
    """What get has delivered, in the order of delivery."""
    names = sorted(os.listdir(path + "/new"),
                   key=lambda name: oracle.order(name.encode()))
    found = []
    for name in names:
        with open(path + "/new/" + name, "rb") as file:
            found.append(file.read())
    return found


def hashes(messages):
    return [hashlib.sha256(data).hexdigest() for data in messages]


def normal(data):
    """Lines ended by LF, the last one, too."""
    return oracle.wire(data).replace(b"\r\n", b"\n")


def checksums(messages):
    """How many have an X-Pop3test-MD5, and those whose sum is wrong."""
    count, wrong = 0, []
    for i, data in enumerate(messages):
        head, _, body = oracle.wire(data).partition(b"\r\n\r\n")
        said = re.search(rb"(?mi)^X-Pop3test-MD5: *([0-9a-f]{32})\r?$", head)
        count += bool(said)
        if said and said.group(1).decode() != hashlib.md5(body).hexdigest():
            wrong.append(i)
    return count, wrong


def uids(peer):
    with session(peer) as client:
        lines = client.multi("UIDL")[1].split(b"\r\n")[:-1]
        client.cmd("QUIT")
    return [line.split()[1] for line in lines]


@test
def thousand():
    """get all of 1000 odd messages from mdpop3d and from dovecot"""
    need("POP3TEST")
    source = odd(scratch("odd") + "/Maildir")
    is_(len(source), COUNT, "fill: the messages are there")
    ok(len(set(hashes(source.values()))) == COUNT, "fill: no two are alike")
    is_(checksums(source.values()), (COUNT, []),
        "fill: every X-Pop3test-MD5 is right")
    want = hashes(map(normal, source.values()))
    got = {}
    for kind in (Mdpop3d, Dovecot):
        got[kind] = thousand_from(kind, source, want)
    is_(got[Mdpop3d], got[Dovecot],
        "get all from mdpop3d and from dovecot: identical bytes")


def thousand_from(kind, source, want):
    """The messages from one server, one after the other."""
    what = "get all from %s" % kind.name
    into = scratch("got") + "/Maildir"
    with kind() as peer:
        for name, data in source.items():
            peer.maildir.add("new", name, data)
        status, _, err = ask(peer, "get", "all", into)
        # Dovecot's LIST does not count the end that a last line gets.
        unfinished = sum(not data.endswith(b"\n") for data in source.values())
        warned = re.findall(r"(?m)^.*message \d+: not the size", err)
        ok((status, len(warned)) in ((0, 0), (1, unfinished)) and
           len(err.splitlines()) == len(warned) and
           (kind is Dovecot or not warned), what + ": ends well", status, err)
        is_(len(set(uids(peer))), COUNT, what + ": all have their own UID")
    messages = fetched(into)
    is_(sorted(hashes(messages)), sorted(want),
        what + ": what was put there, each once")
    is_(hashes(messages), want, what + ": in the order of their UIDs")
    is_(checksums(messages), (COUNT, []),
        what + ": every X-Pop3test-MD5 is right")
    return messages


run_tests(jobs=2)
