#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# POP3S by stunnel, with the samples in contrib/stunnel as they are, but for
# names of files and the port.

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ucspitls import *

all_need()
ONE = mail(b"one\n")


@test
def octets():
    """odd messages, octet for octet"""
    box = Mailbox(catalogue())
    server = stunnel("-P", box.users.path)
    with talk(server, tls="pop3s") as c:
        whole("stunnel, %d odd messages" % len(box.messages), c, box)
    ok(server.wait_log(r"\[127\.0\.0\.1\]\[%s\] quit" % NAME),
       "C120 stunnel: the log names the client", server.log())
    all_gone("stunnel", server)


@test
def ipv6():
    """IPv6"""
    box = Mailbox([("one", ONE)])
    server = stunnel("-P", box.users.path, address="::1")
    with talk(server, tls="pop3s") as c:
        whole("stunnel, IPv6", c, box)
    ok(server.wait_log(r"\[::1\]\[%s\] quit" % NAME),
       "C120 stunnel: the log names the IPv6 client", server.log())


@test
def no_stls():
    """STLS and -E within POP3S"""
    with talk(stunnel("-P", UserFile().path), tls="pop3s") as c:
        listed = capabilities(c)
        ok("STLS" not in listed, "C38 POP3S: no STLS in CAPA", listed)
        ok("USER" in listed, "C37 POP3S: but USER", listed)
        like(c.cmd("STLS"), "^-ERR", "C45 POP3S: STLS is refused")
    if config("FEATURE_MDPOP3D_STLS"):
        server = stunnel("-E", "-P", UserFile().path)
        with dial(server) as c:
            c.begin()
            like(c.rest(), r"\A-ERR \[SYS/PERM\] [^\r\n]*\r\n\Z",
                 "C47 POP3S: -E is wrong here, and serves nobody")


@test
def ahead():
    """everything in one write"""
    big = mail(b"line of a message\n" * 5000)
    box = Mailbox([("one", ONE), ("big", big)])
    server = stunnel("-P", box.users.path)
    with dial(server) as c:
        c.begin()
        c.send("USER %s\r\nPASS %s\r\n" % (NAME, PASSWORD) +
               "NOOP\r\n" * 300 + "RETR 2\r\nDELE 1\r\nQUIT\r\n")
        is_(c.rest(), b"+OK\r\n" * 303 + b"+OK\r\n" + oracle.retr(big) +
            b".\r\n" + b"+OK\r\n" * 2, "C115 POP3S: all in one write")
    is_(box.left(), ["big"], "C97 POP3S: DELE is done")


@test
def large():
    """a large message"""
    box = Mailbox([("large", LARGE)])
    with talk(stunnel("-P", box.users.path), tls="pop3s") as c:
        whole("stunnel, %d octets" % len(LARGE), c, box)


@test
def refused():
    """a wrong password"""
    box = Mailbox([("one", ONE)])
    server = stunnel("-P", box.users.path)
    with talk(server, tls="pop3s") as c:
        c.cmd("USER " + NAME)
        c.send("PASS wrong\r\n")
        is_(c.rest(), REFUSED, "C34 POP3S: one answer and the end")
    ok(server.wait_log(r"\[127\.0\.0\.1\]\[\] login incorrect for " + NAME),
       "C122 POP3S: a refusal names the client", server.log())


def gone(when):
    box = Mailbox([("one", ONE), ("large", LARGE)])
    before = box.maildir.tree()
    server = stunnel("-P", box.users.path)
    c = talk(server, tls="pop3s")
    if when != "before the login":
        log_in(c)
        c.cmd("DELE 1")
    if when == "in the middle of RETR":
        c.send("RETR 2\r\n")
        c.line()
    c.owner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       struct.pack("ii", 1, 0))
    c.close()
    ok(server.wait_log(r"\] (disconnected|connection lost)"),
       "C90 POP3S, gone %s: is noticed" % when, server.log())
    all_gone("C90 POP3S, gone " + when, server)
    is_(box.maildir.tree(), before,
        "C90 POP3S, gone %s: nothing has changed" % when)


@test
def vanished():
    """clients that vanish"""
    spread(gone, [(when,) for when in ("before the login", "after the login",
                                       "in the middle of RETR")])


@test
def timeout():
    """-t"""
    box = Mailbox([("one", ONE)])
    server = stunnel("-t", "2", "-P", box.users.path)
    with talk(server, tls="pop3s") as c:
        log_in(c)
        c.cmd("DELE 1")
        is_(c.rest(), b"", "C112 POP3S, silence: not a word")
        took = time.monotonic() - c.stamp
        ok(1.9 < took < 15 or config("SANITIZE"),
           "C112 POP3S, silence: 2 seconds", took)
    is_(box.left(), ["one"], "C112 POP3S: nothing is removed")


@test
def in_clear():
    """a client without TLS"""
    box = Mailbox([("one", ONE)])
    server = stunnel("-P", box.users.path)
    with dial(server) as c:
        c.send("USER %s\r\nPASS %s\r\n" % (NAME, PASSWORD))
        unlike(c.rest(), r"\+OK", "POP3S: a client in clear gets nothing")
    unlike(server.log(), r"\[%s\]" % NAME, "POP3S: and is not logged in")


def one_of_many(server, number):
    with talk(server, tls="pop3s") as c:
        is_(log_in(c, "u%d" % number) + [c.cmd("STAT"), c.cmd("QUIT")],
            LOGGED_IN + [b"+OK 0 0\r\n", b"+OK\r\n"],
            "POP3S: session %d of 30" % number)


@test
def many():
    """30 sessions at the same time"""
    users = UserFile()
    for number in range(30):
        users.add("u%d" % number, PASSWORD, uid=OWNER)
    server = stunnel("-P", users.path)
    spread(one_of_many, [(server, n) for n in range(30)], jobs=30)
    all_gone("POP3S: 30 sessions", server)


# ---- from an inetd -----------------------------------------------------------

@test
def from_inetd():
    """stunnel for each client, as an inetd starts it"""
    box = Mailbox([("one", ONE), ("dots", b"\n.\n..\n")])
    path = sample("stunnel/popbox-inetd.conf",
                  stunnel_settings(["-P", box.users.path]))
    ours, theirs = tcp_pair()
    with theirs:
        process = subprocess.Popen(
            [stunnel_program(), path], stdin=theirs, stdout=theirs,
            stderr=theirs, env={"PATH": "/usr/bin:/bin"})
    cleanup(process.kill)
    with SecureClient(ours) as c:
        c.begin()
        is_(c.line(), b"+OK\r\n", "stunnel from inetd: greeting")
        whole("stunnel from inetd", c, box)
    ok(wait_for(lambda: process.poll() is not None),
       "stunnel from inetd: it ends with its client")


run_tests(jobs=4)
