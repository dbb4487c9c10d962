#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Python's poplib.

import os
import poplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *

# The module refuses lines of more than 2048 octets, a limit of its own.
poplib._MAXLINE = 1 << 22


def connect_to(server):
    pop = poplib.POP3(server.address, server.port, timeout=LIMIT)
    cleanup(pop.close)
    pop.user(NAME)
    pop.pass_(PASSWORD)
    return pop


def text(answer):
    """The module takes lines apart and loses only their ends."""
    return b"".join(line + b"\r\n" for line in answer[1])


@test
def fetch():
    """poplib RETR"""
    box = Mailbox(catalogue())
    server = box.serve()
    pop = connect_to(server)
    got = [text(pop.retr(i + 1)) for i in range(len(box.messages))]
    pop.quit()
    same("poplib RETR", box, got, crlf)
    kept("poplib RETR", box)
    logged_quit("poplib RETR", server)


@test
def lists():
    """poplib STAT, LIST, UIDL, TOP, CAPA, NOOP"""
    box = Mailbox(catalogue())
    pop = connect_to(box.serve())
    count, total = pop.stat()
    sizes = [oracle.size(data) for _, data, _ in box.messages]
    is_((count, total), (len(sizes), sum(sizes)), "poplib STAT")
    is_(pop.list()[1], [b"%d %d" % p for p in enumerate(sizes, 1)],
        "poplib LIST")
    is_(pop.list(3), b"+OK 3 %d" % sizes[2], "poplib LIST 3")
    is_(pop.uidl()[1], [b"%d %s" % (i, uid.encode())
                        for i, uid in enumerate(box.uids(), 1)],
        "poplib UIDL")
    is_(pop.uidl(2), b"+OK 2 " + box.uids()[1].encode(), "poplib UIDL 2")
    is_(pop.noop(), b"+OK", "poplib NOOP")
    ok({"TOP", "UIDL", "USER", "PIPELINING"} <= set(pop.capa()),
       "poplib CAPA", pop.capa())
    for n in (0, 3):
        wrong = [label for i, (label, data, _) in enumerate(box.messages, 1)
                 if text(pop.top(i, n)) !=
                 oracle.unstuff(oracle.top(data, n))]
        is_(wrong, [], "poplib TOP n %d of every message" % n)
    pop.quit()


@test
def delete():
    """poplib DELE and RSET"""
    box = Mailbox(catalogue())
    labels = box.labels()
    server = box.serve()
    pop = connect_to(server)
    pop.dele(1)
    pop.quit()
    is_(box.left(), labels[1:], "poplib DELE 1 removes the first message")
    pop = connect_to(server)
    for i in range(1, len(labels), 2):
        pop.dele(i)
    try:
        pop.retr(1)
        ok(False, "poplib RETR of a marked message is refused")
    except poplib.error_proto:
        ok(True, "poplib RETR of a marked message is refused")
    pop.quit()
    is_(box.left(), labels[2::2], "poplib removes exactly what it marked")
    pop = connect_to(server)
    pop.dele(1)
    pop.dele(2)
    pop.rset()
    pop.dele(3)
    pop.quit()
    rest = labels[2::2]
    is_(box.left(), rest[:2] + rest[3:], "poplib RSET takes the marks back")
    pop = connect_to(server)
    pop.dele(1)
    pop.close()
    ok(server.wait_log(r"\[%s\] disconnected" % NAME),
       "poplib close without QUIT is seen", server.log())
    is_(box.left(), rest[:2] + rest[3:], "poplib without QUIT removes nothing")


@test
def again():
    """poplib, the next session at once"""
    # The answer to QUIT ends the session for the client: who comes back then
    # must not find the maildrop in use.
    server = Mailbox(catalogue()[:2]).serve()
    in_use = 0
    for _ in range(100):
        try:
            connect_to(server).quit()
        except poplib.error_proto:
            in_use += 1
    is_(in_use, 0, "poplib, 100 sessions, each at the end of the last")


@test
def refused():
    """poplib with a wrong password"""
    box = Mailbox(catalogue()[:2])
    server = box.serve()
    pop = poplib.POP3(server.address, server.port, timeout=LIMIT)
    cleanup(pop.close)
    pop.user(NAME)
    try:
        pop.pass_("wrong")
        ok(False, "poplib is refused with a wrong password")
    except poplib.error_proto as error:
        like(error.args[0], r"^-ERR \[AUTH\]", "poplib is refused")


@test
def empty():
    """poplib and an empty Maildir"""
    pop = connect_to(Mailbox().serve())
    is_((pop.stat(), pop.list()[1], pop.uidl()[1]), ((0, 0), [], []),
        "poplib and an empty Maildir")
    pop.quit()


@test
def ten_thousand():
    """poplib and 10 000 messages"""
    box = Mailbox(many())
    pop = connect_to(box.serve())
    is_(len(pop.uidl()[1]), 10000, "poplib UIDL of 10 000 messages")
    got = [text(pop.retr(i)) for i in range(1, 10001)]
    for i in range(1, 10001):
        pop.dele(i)
    pop.quit()
    same("poplib, 10 000 messages", box, got, crlf)
    is_(box.left(), [], "poplib removes 10 000 messages")


run_tests(jobs=2)
