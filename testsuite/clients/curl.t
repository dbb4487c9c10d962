#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# curl: one connection for many messages, and any command with -X.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *

ALTERED = {
    "zero bytes": ("curl writes a line end when nothing is sent",
                   lambda sent: b"\r\n"),
}


def curl(server, path, *args, password=PASSWORD, cwd=None):
    return run([program("curl"), "-q", "-s", "-S", "--max-time", str(LIMIT),
                "-u", "%s:%s" % (NAME, password), *args,
                "pop3://%s:%d/%s" % (server.address, server.port, path)],
               cwd=cwd)


def lines(*items):
    return "".join("%s\r\n" % item for item in items)


@test
def fetch():
    """curl RETR"""
    box = Mailbox(catalogue())
    server = box.serve()
    out = scratch("curl")
    status, said = curl(server, "[001-%03d]" % len(box.messages),
                        "-o", "#1", cwd=out)
    is_((status, said), (0, ""), "curl fetches a range of messages")
    got = files(out)
    same("curl RETR", box, got, crlf, ALTERED)
    is_([data for label, data in zip(box.labels(), got)
         if label not in ALTERED],
        [crlf(data) for label, data, _ in box.messages
         if label not in ALTERED], "curl RETR: in the server's order")
    kept("curl RETR", box)
    logged_quit("curl RETR", server)


@test
def lists():
    """curl LIST, UIDL, TOP, STAT and CAPA"""
    box = Mailbox(catalogue())
    server = box.serve()
    sizes = [oracle.size(data) for _, data, _ in box.messages]
    is_(curl(server, ""), (0, lines(*("%d %d" % pair for pair in
                                      enumerate(sizes, 1)))), "curl LIST")
    is_(curl(server, "", "-X", "UIDL"),
        (0, lines(*("%d %s" % pair for pair in enumerate(box.uids(), 1)))),
        "curl UIDL")
    status, said = curl(server, "3", "-l", "-v")
    ok(status == 0 and "< +OK 3 %d\r\n" % sizes[2] in said, "curl LIST 3",
       said)
    for number in (1, 3, len(sizes)):
        data = box.messages[number - 1][1]
        for count in (0, 2):
            want = oracle.unstuff(oracle.top(data, count))
            status, said = curl(server, "", "-X", "TOP %d %d" % (
                number, count))
            is_((status, said), (0, want.decode("latin-1")),
                "curl TOP %d %d" % (number, count))
    status, said = curl(server, "", "-I", "-v", "-X", "STAT")
    like(said, r"^< \+OK %d %d\r$" % (len(sizes), sum(sizes)), "curl STAT")
    status, said = curl(server, "", "-X", "CAPA")
    ok(status == 0 and "TOP\r\n" in said and "UIDL\r\n" in said,
       "curl CAPA", said)


@test
def delete():
    """curl DELE"""
    box = Mailbox(catalogue())
    server = box.serve()
    labels = box.labels()
    status, said = curl(server, "", "-I", "-X", "DELE 2")
    is_(status, 0, "curl DELE 2", said)
    is_(box.left(), labels[:1] + labels[2:],
        "curl DELE removes exactly that message")


@test
def empty():
    """curl and an empty Maildir"""
    server = Mailbox().serve()
    # Its answer, +OK and a dot, made old versions of curl wait for ever.
    # This one writes a line end, as for a message of no bytes.
    is_(curl(server, ""), (0, "\r\n"), "curl LIST of an empty Maildir")
    is_(curl(server, "1")[0], 8, "curl RETR of an empty Maildir is refused")


@test
def refused():
    """curl with a wrong password"""
    status, said = curl(Mailbox(catalogue()[:2]).serve(), "1",
                        password="wrong")
    is_(status, 67, "curl is denied with a wrong password", said)


run_tests(jobs=2)
