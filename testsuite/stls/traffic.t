#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Sessions within STLS: commands sent ahead, large answers, slow readers,
# clients and superservers that go away or say nothing.

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ucspitls import *

all_need("FEATURE_MDPOP3D_STLS")

ONE = mail(b"one\n")


@test
def ahead():
    """commands sent ahead within TLS"""
    big = mail(b"line of a message\n" * 5000)
    messages = [("one", ONE), ("big", big), ("dots", b"\n.\n..\n")]
    logins = {"USER and PASS": b"USER %s\r\nPASS %s\r\n" % (
        NAME.encode(), PASSWORD.encode())}
    if config("FEATURE_MDPOP3D_SASL"):
        response = plain(NAME, PASSWORD)
        logins["AUTH"] = b"AUTH PLAIN %s\r\n" % response
        logins["AUTH and its response"] = b"AUTH PLAIN\r\n%s\r\n" % response
    for what, login in logins.items():
        box = Mailbox(messages)
        server = ucspitls("-P", box.users.path)
        with talk(server, tls=True) as c:
            c.send(login + b"NOOP\r\n" * 300 + b"STAT\r\nRETR 2\r\nRETR 3\r\n"
                   b"DELE 1\r\nQUIT\r\nNOOP\r\n")
            first = {"AUTH": b"+OK\r\n", "AUTH and its response":
                     b"+ \r\n+OK\r\n"}.get(what, b"+OK\r\n" * 2)
            sizes = sum(oracle.size(data) for _, data in messages)
            is_(c.rest(), first + b"+OK\r\n" * 300 +
                b"+OK 3 %d\r\n" % sizes +
                b"".join(b"+OK\r\n" + oracle.retr(data) + b".\r\n"
                         for _, data in messages[1:]) + b"+OK\r\n" * 2,
                "C115 %s and all the rest in one write" % what)
            ok(not c.ragged, "C115 %s: TLS ends as it should" % what)
        is_(box.left(), ["big", "dots"], "C115 %s: DELE is done" % what)


@test
def in_pieces():
    """a login in records of one octet"""
    box = Mailbox([("one", ONE)])
    with talk(ucspitls("-P", box.users.path), tls=True) as c:
        for byte in b"USER %s\r\nPASS %s\r\nSTAT\r\n" % (
                NAME.encode(), PASSWORD.encode()):
            c.send(bytes([byte]))
        is_(c.lines(3), LOGGED_IN + [b"+OK 1 %d\r\n" % oracle.size(ONE)],
            "C7 a login in records of one octet")


@test
def large():
    """a large message"""
    box = Mailbox([("large", LARGE)])
    for form in ("pipes", "pair"):
        server = ucspitls("-P", box.users.path, options=["-f", form])
        with talk(server, tls=True) as c:
            whole("C45 %d octets, %s" % (len(LARGE), form), c, box)


@test
def every_message():
    """messages in all odd forms"""
    box = Mailbox(catalogue())
    with talk(ucspitls("-P", box.users.path), tls=True) as c:
        whole("C45 %d odd messages" % len(box.messages), c, box)


def read_slowly(client, octets, pause):
    """Some, then a pause, until the answer is over: (it, longest pause)."""
    longest, before = 0, time.monotonic()
    while b"\r\n.\r\n" not in client.buf[-8:]:
        want = len(client.buf) + octets
        while len(client.buf) < want and b"\r\n.\r\n" not in client.buf[-8:]:
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            if not client._recv(PATIENCE):
                return None, longest
        time.sleep(pause)
    got = bytes(client.buf)
    client.buf.clear()
    return got, longest


@test
def slow_reader():
    """a reader that takes longer than -t, but goes on"""
    stored = LARGE[:1500000]
    box = Mailbox([("large", stored)])
    server = ucspitls("-t", "3", "-P", box.users.path)
    for _ in range(5):
        with talk(server, tls=True, buffer=4096) as c:
            log_in(c)
            c.send(b"RETR 1\r\n")
            began = time.monotonic()
            got, longest = read_slowly(c, 50000, 0.2)
            took = time.monotonic() - began
            # On a busy machine this one may have slept itself.
            if got is None and longest > 1:
                continue
            ok(got == b"+OK\r\n" + oracle.retr(stored) + b".\r\n",
               "C89 a slow reader gets every octet", longest, server.log())
            ok(took > 4, "C89 it took longer than -t", took)
            is_(c.cmd("QUIT"), b"+OK\r\n", "C89 and QUIT is answered")
            return
    skip("C89 a slow reader", "this machine is too busy")


@test
def no_reader():
    """a reader that takes nothing"""
    box = Mailbox([("large", LARGE)])
    before = box.maildir.tree()
    server = ucspitls("-t", "2", "-P", box.users.path)
    with talk(server, tls=True, buffer=4096) as c:
        log_in(c)
        c.send(b"DELE 1\r\nRSET\r\nRETR 1\r\n")
        ok(server.wait_log(r"\[%s\] timeout" % NAME, 4 * PATIENCE),
           "C89 a client that takes nothing is dropped", server.log())
    all_gone("C89 a client that takes nothing", server)
    is_(box.maildir.tree(), before, "C102 nothing has changed")


# ---- clients that go away ----------------------------------------------------

def reset(client):
    client.owner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    client.close()


def silent_close(client):
    """FIN, but no goodbye of TLS."""
    client.close()


def goodbye(client):
    """A goodbye of TLS, and then FIN."""
    client.owner.settimeout(PATIENCE)
    try:
        client.owner.unwrap()
    except (OSError, ssl.SSLError):
        pass
    client.close()


def vanish(when, how):
    what = "C90 gone %s (%s)" % (when, how.__name__)
    box = Mailbox([("one", ONE), ("large", LARGE)])
    before = box.maildir.tree()
    server = ucspitls("-P", box.users.path)
    c = talk(server, tls=True)
    if when != "before the login":
        is_(log_in(c), LOGGED_IN, what + ": login")
        is_(c.cmd("DELE 1"), b"+OK\r\n", what + ": DELE")
    if when == "in the middle of RETR":
        c.send(b"RETR 2\r\n")
        c.line()
    how(c)
    ok(server.wait_log(r"\] (disconnected|connection lost)"),
       what + ": is noticed", server.log())
    all_gone(what, server)
    is_(box.maildir.tree(), before, what + ": nothing has changed")


@test
def vanished():
    """clients that vanish within TLS"""
    spread(vanish, [(when, how) for when in (
        "before the login", "after the login", "in the middle of RETR")
        for how in (reset, silent_close, goodbye)])


def no_handshake(what, act, log):
    box = Mailbox([("one", ONE)])
    server = ucspitls("-t", "2", "-P", box.users.path)
    with talk(server) as c:
        is_(c.cmd("STLS"), b"+OK\r\n", "C45 %s: STLS" % what)
        began = time.monotonic()
        act(c)
        if c.owner is not None:
            is_([line for line in c.rest().splitlines() if line[:1] in b"+-"],
                [], "C45 %s: not a word in clear" % what)
        ok(server.wait_log(log), "C45 %s: in the log" % what, server.log())
        ok(time.monotonic() - began < 15 or config("SANITIZE"),
           "C45 %s: soon" % what)
    all_gone("C45 " + what, server)


@test
def no_tls():
    """what comes after STLS is no TLS"""
    login = b"USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % (
        NAME.encode(), PASSWORD.encode())
    spread(no_handshake, [
        ("commands in clear", lambda c: c.send(login),
         r"\] (disconnected|connection lost)"),
        ("garbage", lambda c: c.send(b"\x16\x03\x01\x00\xff" + b"\0" * 300),
         r"\] (disconnected|connection lost)"),
        ("half a handshake", lambda c: c.send(b"\x16\x03\x01"),
         r"\] timeout"),
        ("silence", lambda c: None, r"\] timeout"),
        ("a reset", reset, r"\] (disconnected|connection lost)"),
        ("the end", lambda c: c.shut(), r"\] (disconnected|connection lost)"),
    ])


@test
def wrong_certificate():
    """a client that does not trust the certificate"""
    server = ucspitls("-P", UserFile().path)
    with talk(server) as c:
        try:
            c.stls(trust("DNS:elsewhere.example"))
            ok(False, "C45 the client refuses")
        except ssl.SSLError:
            ok(True, "C45 the client refuses")
    ok(server.wait_log(r"\] (disconnected|connection lost)"),
       "C45 a client that refuses has left", server.log())
    all_gone("C45 a client that refuses", server)


# ---- time --------------------------------------------------------------------

@test
def timeout():
    """-t within TLS"""
    box = Mailbox([("one", ONE)])
    server = ucspitls("-t", "4", "-P", box.users.path)
    for logged_in in (False, True):
        what = "C112 silence %s the login" % ("after" if logged_in
                                              else "before")
        with talk(server, tls=True) as c:
            if logged_in:
                log_in(c)
                c.cmd("DELE 1")
            else:
                c.cmd("USER " + NAME)
            is_(c.rest(), b"", what + ": not a word")
            took = time.monotonic() - c.stamp
            ok(3.9 < took < 15 or config("SANITIZE"), what + ": 4 seconds",
               took)
    is_(box.left(), ["one"], "C112 and nothing is removed")


@test
def deadline():
    """the time for the login does not begin anew with TLS"""
    # Four times -t, whatever is said meanwhile; mdpop3d(8).
    server = ucspitls("-t", "2", "-P", UserFile().path)
    with talk(server) as c:
        began = time.monotonic()
        while time.monotonic() - began < 5:
            capabilities(c)
            time.sleep(0.5)
        c.stls()
        while c.cmd("CAPA") and time.monotonic() - began < 30:
            c.body()
            time.sleep(0.5)
        took = time.monotonic() - began
        ok(7 < took < 20 or config("SANITIZE"),
           "C113 TLS is no new beginning", took)
        ok(server.wait_log(r"\] timeout"), "C113 the log tells",
           server.log())


# ---- superservers that do not do what they should ----------------------------

@test
def no_superserver():
    """the order reaches nobody"""
    readable, writable = os.pipe()
    os.close(readable)
    ends = os.pipe()
    with start("-P", UserFile().path, "-e", env={
            "SSLCTLFD": str(writable), "SSLREADFD": str(ends[0]),
            "SSLWRITEFD": str(ends[1])},
            pass_fds=[writable, *ends]) as c:
        os.close(writable)
        is_(c.line(), b"+OK\r\n", "C45 nobody listens: greeting")
        c.send("STLS\r\n")
        like(c.line(), "^(\\+OK|-ERR.*)?", "C45 nobody listens: an answer")
        c.send("CAPA\r\n")
        is_(c.rest(), b"", "C45 nobody listens: the session is over")
        ok(0 <= c.server.wait() < 112, "C45 nobody listens: no signal",
           c.server.wait())
    for fd in ends:
        os.close(fd)


@test
def superserver_fails():
    """the superserver closes, or says nothing"""
    for what, log in (("close", r"\] (disconnected|connection lost)"),
                      ("hang", r"\] timeout")):
        server = ucspitls("-t", "2", "-P", UserFile().path,
                          options=["-x", what])
        with talk(server) as c:
            is_(c.cmd("STLS"), b"+OK\r\n", "C45 -x %s: STLS" % what)
            c.send("CAPA\r\nUSER x\r\n")
            is_(c.rest(), b"", "C45 -x %s: nothing in clear" % what)
        ok(server.wait_log(log), "C45 -x %s: in the log" % what,
           server.log())
        all_gone("C45 -x " + what, server)


def one_of_many(server, box, number):
    with talk(server, tls=True) as c:
        got = log_in(c, "u%d" % number)
        got.append(c.cmd("STAT"))
        got.append(c.cmd("QUIT"))
        is_(got, LOGGED_IN + [b"+OK %d %d\r\n" % (
            number % 3, number % 3 * oracle.size(ONE)), b"+OK\r\n"],
            "C45 session %d of 30" % number)


@test
def many():
    """30 sessions at the same time"""
    need_server()
    users = UserFile()
    for number in range(30):
        box = users.add("u%d" % number, PASSWORD, uid=OWNER)
        for i in range(number % 3):
            box.add("new", "170000000%d.M1P1.host" % i, ONE)
    server = ucspitls("-P", users.path)
    spread(one_of_many, [(server, users, n) for n in range(30)], jobs=30)
    all_gone("C45 30 sessions", server)


run_tests(jobs=4)
