#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# STLS by UCSPI-TLS: when it is offered, and what the variables must say.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ucspitls import *

all_need("FEATURE_MDPOP3D_STLS")


def small():
    return Mailbox([("one", mail(b"one\n")), ("two", b"\n.\n..\n")])


@test
def offered():
    """STLS in CAPA"""
    box = small()
    server = ucspitls("-P", box.users.path)
    with talk(server) as c:
        before = capabilities(c)
        is_(before.count("STLS"), 1, "C38 CAPA lists STLS before TLS")
        c.stls()
        is_(sorted(capabilities(c) + ["STLS"]), sorted(before),
            "C38 within TLS it lists the same without STLS")
        is_(log_in(c), LOGGED_IN, "C45 a login within TLS")
        ok("STLS" not in capabilities(c), "C38 not after the login in TLS")
    all_gone("C45 a session with STLS", server)
    with talk(server) as c:
        is_(log_in(c), LOGGED_IN, "C45 a login without TLS is possible")
        ok("STLS" not in capabilities(c), "C38 not after the login in clear")
        like(c.cmd("STLS"), "^-ERR", "C45 STLS after the login is refused")
        is_(c.cmd("STAT"), b"+OK 2 %d\r\n" % sum(
            oracle.size(data) for _, data, _ in box.messages),
            "C45 and the session goes on")
    all_gone("C45 a session without STLS", server)


@test
def once():
    """STLS takes no argument, and no second one"""
    with talk(ucspitls("-P", small().users.path)) as c:
        for line in ("STLS now", "STLS 1", "STLS STLS"):
            like(c.cmd(line), "^-ERR", "C45 %s is refused" % line)
            ok("STLS" in capabilities(c), "C45 %s begins nothing" % line)
        is_(c.cmd("stls "), b"+OK\r\n", "C45 stls and a blank")
        c.begin()
        like(c.cmd("STLS"), "^-ERR", "C45 STLS within TLS is refused")
        is_(log_in(c), LOGGED_IN, "C45 and the session goes on")


def with_descriptors(change):
    """A session that is given three descriptors, changed by change(env)."""
    ends = socket.socketpair() + os.pipe()
    given = [ends[0].fileno(), ends[2], ends[3]]
    env = dict(zip(("SSLCTLFD", "SSLREADFD", "SSLWRITEFD"),
                   map(str, given)))
    change(env, given)
    users = UserFile()
    client = start("-P", users.path, "-e", env=env, pass_fds=given)
    cleanup(lambda: [os.close(fd) for fd in ends[2:]] and
            [end.close() for end in ends[:2]])
    return client


BAD = {
    "is not there": lambda n: None,
    "is empty": lambda n: "",
    "is a word": lambda n: "three",
    "ends in a letter": lambda n: "%dx" % n,
    "ends in a blank": lambda n: "%d " % n,
    "begins with a blank": lambda n: " %d" % n,
    "has a sign": lambda n: "+%d" % n,
    "is negative": lambda n: "-%d" % n,
    "is the number and 2^32": lambda n: str(n + 2 ** 32),
    "is the number and 2^64": lambda n: str(n + 2 ** 64),
    "is not open": lambda n: "900",
    "is a million": lambda n: "1000000",
}


def refused_with(name, what, value):
    def change(env, given):
        new = value(given[sorted(env).index(name)])
        env.pop(name)
        if new is not None:
            env[name] = new
    with with_descriptors(change) as c:
        what = "C45 %s %s: " % (name, what)
        is_(c.line(), b"+OK\r\n", what + "the greeting")
        ok("STLS" not in capabilities(c), what + "CAPA without STLS")
        like(c.cmd("STLS"), "^-ERR", what + "STLS is refused")
        is_(c.cmd("QUIT"), b"+OK\r\n", what + "the session goes on")


@test
def descriptors():
    """what the variables must say"""
    with with_descriptors(lambda env, given: None) as c:
        c.line()
        ok("STLS" in capabilities(c), "C45 three descriptors: STLS")
    with with_descriptors(lambda env, given: env.update(
            dict.fromkeys(env, str(given[0])))) as c:
        c.line()
        ok("STLS" in capabilities(c), "C45 the same descriptor three times")
    spread(refused_with, [(name, what, value) for what, value in BAD.items()
                          for name in ("SSLCTLFD", "SSLREADFD",
                                       "SSLWRITEFD")])


@test
def without():
    """no superserver that has TLS"""
    users = UserFile()
    with start("-P", users.path, "-e") as c:
        c.line()
        ok("STLS" not in capabilities(c), "C38 no UCSPI-TLS: no STLS in CAPA")
        like(c.cmd("STLS"), "^-ERR", "C45 no UCSPI-TLS: STLS is refused")
    with session(Maildir(), env=dict.fromkeys(
            ("SSLCTLFD", "SSLREADFD", "SSLWRITEFD"), "2")) as c:
        ok("STLS" not in capabilities(c), "C38 -a: no STLS in CAPA")
        like(c.cmd("STLS"), "^-ERR", "C45 -a: STLS is refused")


@test
def own_listener():
    """descriptors that all clients would share"""
    need("FEATURE_MDPOP3D_LISTEN")
    ends = socket.socketpair()
    users = UserFile()
    server = listener("-P", users.path, pass_fds=[ends[0].fileno()],
                      env=dict.fromkeys(("SSLCTLFD", "SSLREADFD",
                                         "SSLWRITEFD"),
                                        str(ends[0].fileno())))
    with connect(server) as c:
        c.line()
        ok("STLS" not in capabilities(c), "C38 -l: no STLS in CAPA")
    for end in ends:
        end.close()


# ---- -E ----------------------------------------------------------------------

def refused_to_start(what, env, fds):
    users = UserFile()
    with start("-E", "-e", "-P", users.path, env=env, pass_fds=fds) as c:
        is_(c.rest(), b"-ERR [SYS/PERM] server is misconfigured\r\n",
            "C47 -E, %s: the client is told" % what)
        is_(c.server.wait(), 100, "C47 -E, %s: status 100" % what)
        like(c.server.log(), "-E", "C47 -E, %s: it is said why" % what)


@test
def never_possible():
    """-E without UCSPI-TLS"""
    ours, theirs = socket.socketpair()
    fd = str(theirs.fileno())
    refused_to_start("no variables", {}, [])
    refused_to_start("SSLCTLFD is not open", {
        "SSLCTLFD": "900", "SSLREADFD": "900", "SSLWRITEFD": "900"}, [])
    refused_to_start("SSLCTLFD alone", {"SSLCTLFD": fd}, [theirs.fileno()])
    refused_to_start("no SSLCTLFD", {"SSLREADFD": fd, "SSLWRITEFD": fd},
                     [theirs.fileno()])
    ours.close()
    theirs.close()


run_tests(jobs=4)
