#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# AUTH PLAIN (RFC 5034, RFC 4616), as far as pop3test's scripts cannot say it:
# users and passwords of any bytes and length, time, the log, memory.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
import accounts
from ucspitls import *

for symbol in ("FEATURE_MDPOP3D_SASL", "FEATURE_MDPOP3D_USERFILE"):
    if not config(symbol):
        skip_all(symbol + " is not configured")

CAN_BE_OTHERS = os.geteuid() == 0
CHALLENGE = b"+ \r\n"
BAD_BEFORE_LOGIN = 3
CONTINUATION = 1100         # octets of a response with its CRLF


def users_with(name, stored):
    """A user file with this user, whatever bytes the name has."""
    users = UserFile()
    uid = OWNER if CAN_BE_OTHERS else os.geteuid()
    home = users.home + "/home"
    os.mkdir(home)
    os.chown(home, uid, -1)
    Maildir(home + "/Maildir", uid if CAN_BE_OTHERS else None)
    line = b"%s:%s:%d:%d:test:%s:/bin/sh\n" % (
        name, stored.encode(), uid, os.getegid() if not CAN_BE_OTHERS
        else uid, home.encode())
    with open(users.path, "wb") as file:
        file.write(line)
    return users


@functools.lru_cache(None)
def hash_of(password):
    """crypt() of any bytes but NUL."""
    library = accounts._libcrypt()
    with accounts._crypt_lock:
        value = library.crypt(password, accounts.SETTING.encode())
    if not value or value.startswith(b"*"):
        raise ValueError("crypt: %r" % password)
    return value.decode()


def server_of(name=b"joe", password=b"secret", *args, **how):
    users = users_with(name, hash_of(password))
    client = start("-e", "-P", users.path, *args, **how)
    client.greeting = client.line()
    return client


def respond(client, response):
    """AUTH PLAIN with a challenge; both answers."""
    asked = client.cmd(b"AUTH PLAIN")
    return asked, client.cmd(response)


# ---- names and passwords -----------------------------------------------------

def any_login(what, name, password):
    response = plain(name, password)
    with server_of(name, password) as c:
        is_(respond(c, response), (CHALLENGE, b"+OK\r\n"),
            "C43 C44 %s: after a challenge" % what, c.server.log())
        is_(c.cmd("STAT"), b"+OK 0 0\r\n", "C43 %s: logged in" % what)
    line = b"AUTH PLAIN " + response
    if len(line) + 2 > 255:
        with server_of(name, password) as c:
            like(c.cmd(line), "^-ERR", "C4 %s: a command is too long" % what)
            is_(c.cmd(b"AUTH PLAIN"), CHALLENGE,
                "C5 %s: the session goes on" % what)
    else:
        with server_of(name, password) as c:
            is_(c.cmd(line), b"+OK\r\n",
                "C43 C44 %s: an initial response" % what)
    with server_of(name, password) as c:
        asked, got = respond(c, plain(name, b"wrong", name))
        is_((asked, got), (CHALLENGE, REFUSED),
            "C34 %s: another password" % what)


@test
def passwords():
    """users and passwords of all bytes"""
    # The bytes of a password that crypt() takes; a line's end in it could
    # not be sent any other way.
    every = bytes(range(1, 256))
    spread(any_login, [
        ("the lower half", b"joe", every[:127]),
        ("the upper half", b"joe", every[127:]),
        ("a password of line ends", b"joe", b"\r\n\r\n"),
        ("a password of blanks", b"joe", b"   "),
        ("a password of one byte", b"joe", b"x"),
        ("a password of 254 octets", b"joe", b"%{}" * 84 + b"ab"),
        ("both of 254 octets", b"n" * 254, b"p" * 254),
        ("a name with bytes above 0x7F", b"j\xc3\xb6rg@ex\xe4mple", b"x"),
        ("a name with a blank", b"joe user", b"x"),
        ("a name that looks like a command", b"QUIT", b"QUIT"),
        ("a name of percents", b"%n%s%d", b"%n%s"),
    ])


@test
def longest():
    """how long a response may be"""
    for name, password in ((b"n" * 255, b"p"), (b"joe", b"p" * 255),
                           (b"joe", b"p" * 800)):
        with server_of(b"joe", b"p" * 254) as c:
            asked, got = respond(c, plain(name, password))
            is_(asked, CHALLENGE, "C44 too long a name or password: asked")
            like(got, "^-ERR", "C44 %d and %d octets are refused" % (
                len(name), len(password)))
    with server_of(b"joe", b"p" * 254) as c:
        for size in (CONTINUATION, CONTINUATION + 1, 5000, 100000):
            asked, got = respond(c, b"A" * (size - 2))
            is_(asked, CHALLENGE, "C43 %d octets: asked" % size)
            like(got, r"^-ERR (?!\[AUTH\])", "C5 %d octets: refused" % size)
            like(c.cmd("CAPA"), "^\\+OK", "C5 %d octets: it goes on" % size)
            c.body()


@test
def with_authzid():
    """other authorization names"""
    for authzid, fine in (
            (b"joe", True), (b"", True), (b"jo", False), (b"joee", False),
            (b"JOE", False), (b"root", False), (b"joe ", False),
            (b"\xffjoe", False), (b"x" * 254, False)):
        with server_of() as c:
            got = c.cmd(b"AUTH PLAIN") and c.cmd(
                plain(b"joe", b"secret", authzid))
            like(got, r"^\+OK\r" if fine else r"^-ERR \[AUTH\]",
                 "C44 authorization as %r" % authzid[:10])
            if not fine:
                like(c.cmd("STAT"), "^(-ERR|$)",
                     "C44 %r: not logged in" % authzid[:10])


# ---- responses that are none -------------------------------------------------

BROKEN = {
    "nothing": b"",
    "no NUL": base64.b64encode(b"joesecret"),
    "one NUL": base64.b64encode(b"joe\0secret"),
    "one NUL at the beginning": base64.b64encode(b"\0joesecret"),
    "three NULs": base64.b64encode(b"\0joe\0secret\0"),
    "a NUL in the password": base64.b64encode(b"\0joe\0sec\0ret"),
    "a NUL behind the password": base64.b64encode(b"\0joe\0secret\0"),
    "NULs only": base64.b64encode(b"\0\0"),
    "many NULs": base64.b64encode(b"\0" * 500),
    "no name": base64.b64encode(b"\0\0secret"),
    "a name as authorization only": base64.b64encode(b"joe\0\0secret"),
    "padding missing": plain(b"joe", b"secre")[:-1],
    "padding too long": plain(b"joe", b"secret") + b"=",
    "padding only": b"====",
    "one character": b"A",
    "three characters": b"AAA",
    "a blank at the beginning": b" " + plain(b"joe", b"secret"),
    "a blank at the end": plain(b"joe", b"secret") + b" ",
    "a blank inside": b"AGpv ZQBzZWNyZXQ=",
    "a CR inside": b"AGpv\rZQBzZWNyZXQ=",
    "a NUL inside": b"AGpv\0ZQBzZWNyZXQ=",
    "a NUL behind": plain(b"joe", b"secret") + b"\0",
    "the other alphabet": base64.urlsafe_b64encode(b"\0joe\0\xff\xff\xfe"),
    "more behind the padding": b"AGpvZQBzZWNyZXQ=AAAA",
    "bits behind the last byte": b"AGpvZQBzZWNyZXR=",
    "bytes above 0x7F": b"\xc1GpvZQBzZWNyZXQ=",
    "quotes": b'"AGpvZQBzZWNyZXQ="',
    "an asterisk and more": b"**",
    "an asterisk and a blank": b"* ",
    "an asterisk behind": plain(b"joe", b"secret") + b"*",
    "two responses": plain(b"joe", b"secret") * 2,
}


def broken(what, response):
    with server_of() as c:
        asked, got = respond(c, response)
        is_(asked, CHALLENGE, "C43 C44 %s: asked" % what)
        like(got, "^-ERR", "C43 C44 %s: refused" % what)
        # One that ends the session would be right, too.
        like(c.cmd("STAT"), "^(-ERR|$)", "C44 %s: not logged in" % what)


@test
def not_a_response():
    """responses that are none"""
    spread(broken, list(BROKEN.items()))


@test
def initial():
    """initial responses that are none"""
    for what, response in BROKEN.items():
        if response == b"" or b" " in response or b"\0" in response:
            continue
        with server_of() as c:
            like(c.cmd(b"AUTH PLAIN " + response), "^-ERR",
                 "C43 %s: refused" % what)
            like(c.cmd("STAT"), "^(-ERR|$)",
                 "C44 %s: not logged in" % what)
    with server_of() as c:
        like(c.cmd("AUTH PLAIN ="), r"^-ERR", "C43 an empty response")
        like(c.cmd("AUTH PLAIN *"), r"^-ERR", "C43 an initial asterisk")
        like(c.cmd(b"AUTH PLAIN " + plain(b"joe", b"secret")), r"^\+OK",
             "C43 a right one after them")


@test
def empty_password():
    """an empty password"""
    for stored in ("", hash_of(b"")):
        users = users_with(b"joe", stored)
        with start("-e", "-P", users.path) as c:
            c.line()
            like(c.cmd(b"AUTH PLAIN " + plain(b"joe", b"")), "^-ERR",
                 "C32 AUTH with an empty password, stored %r" % stored[:3])
            like(c.cmd("STAT"), "^(-ERR|$)", "C32 not logged in")


# ---- attempts, bad commands, time --------------------------------------------

def until_end(client, lines):
    """How many of these are answered before the session is over."""
    for i, line in enumerate(lines):
        got = client.cmd(line)
        if got == b"":
            return i
    return len(lines)


@test
def bad_commands():
    """AUTH that leads nowhere counts as a bad command"""
    for what, lines, each in (
            ("unknown mechanisms", [b"AUTH XYZZY"] * 20, 1),
            ("cancelled", [b"AUTH PLAIN", b"*"] * 20, 2),
            ("broken responses", [b"AUTH PLAIN", b"!"] * 20, 2),
            ("broken initial responses", [b"AUTH PLAIN !"] * 20, 1),
            ("long responses", [b"AUTH PLAIN", b"A" * 1200] * 20, 2)):
        with server_of() as c:
            is_(until_end(c, lines), (BAD_BEFORE_LOGIN + 1) * each,
                "C26 %s end the session" % what)
            ok(c.server.wait_log("too many bad commands"),
               "C26 %s: the log tells" % what, c.server.log())


@test
def attempts():
    """a wrong password"""
    tries = config("MDPOP3D_LOGIN_TRIES") or 1
    for what, ask in (("initial", lambda c, r: c.cmd(b"AUTH PLAIN " + r)),
                      ("asked for", lambda c, r: respond(c, r)[1])):
        with server_of() as c:
            for left in range(tries, 0, -1):
                like(ask(c, plain(b"joe", b"wrong")), "^-ERR \\[AUTH\\]",
                     "C34 C40 a wrong password, %s" % what)
                took = time.monotonic() - c.stamp
                ok(1.9 < took < 15,
                   "C35 %s: after 2 seconds" % what, took)
            is_(c.rest(), b"", "C34 %s: that was the end" % what)
            log = c.server.log()
            like(log, "login incorrect for joe", "C34 %s: is logged" % what)
    with server_of() as c:
        is_(c.cmd(b"AUTH PLAIN " + plain(b"nobody-has-this", b"secret")),
            REFUSED, "C30 an unknown name")
        took = time.monotonic() - c.stamp
        ok(1.9 < took, "C35 an unknown name: after 2 seconds", took)
        unlike(c.server.log(), "nobody-has-this", "C122 it may be a password")


@test
def silence():
    """no response comes"""
    with server_of(b"joe", b"secret", "-t", "2") as c:
        is_(c.cmd("AUTH PLAIN"), CHALLENGE, "C112 AUTH: asked")
        is_(c.rest(), b"", "C112 AUTH: no word more")
        took = time.monotonic() - c.stamp
        ok(1.9 < took < 15 or config("SANITIZE"), "C112 AUTH: in time", took)
        ok(c.server.wait_log("timeout"), "C112 AUTH: log", c.server.log())
    with server_of() as c:
        c.cmd("AUTH PLAIN")
        c.send(plain(b"joe", b"secret"))
        c.shut()
        is_(c.rest(), b"", "C118 the end in a response: no word more")
        like(c.server.log(), "disconnected", "C118 it is logged")
        unlike(c.server.log(), r"\[joe\]", "C118 half a line is no login")


@test
def ahead():
    """AUTH, its response and more in one write, and in single bytes"""
    response = plain(b"joe", b"secret")
    for what, size in (("one write", 1 << 16), ("single bytes", 1)):
        with server_of() as c:
            data = b"CAPA\r\nAUTH PLAIN\r\n%s\r\nSTAT\r\nQUIT\r\n" % response
            for i in range(0, len(data), size):
                c.send(data[i:i + size])
            c.line()
            c.body()
            is_(c.rest(), CHALLENGE + b"+OK\r\n+OK 0 0\r\n+OK\r\n",
                "C7 C115 AUTH in " + what)


# ---- the log -----------------------------------------------------------------

SECRET = b"Zecret-and-more"


@test
def hidden():
    """-d and what follows AUTH"""
    need("FEATURE_MDPOP3D_DEBUG")
    response = plain(b"joe", SECRET)
    head = response[:12]
    clients = []
    for what, lines in {
            "asked": [b"AUTH PLAIN", response],
            "initial": [b"AUTH PLAIN " + response],
            "lower case": [b"auth plain " + response],
            "another mechanism": [b"AUTH LOGIN " + response],
            "no mechanism": [b"AUTH " + response],
            "two blanks": [b"AUTH  PLAIN " + response],
            "two responses": [b"AUTH PLAIN %s %s" % (response, response)],
            "a tab": [b"AUTH\tPLAIN\t" + response],
            "a blank in front": [b" AUTH PLAIN " + response],
            "in one word": [b"AUTHPLAIN" + response],
            "broken": [b"AUTH PLAIN", response + b"!"],
            "cancelled and sent": [b"AUTH PLAIN", b"*", response],
            "too long": [b"AUTH PLAIN", response * 100],
            "too long, initial": [b"AUTH PLAIN " + response * 20],
            "a command as response": [b"AUTH PLAIN", b"USER " + head],
            "for STAT": [b"AUTH PLAIN", b"STAT " + head],
            "QUIT and more": [b"AUTH PLAIN", b"QUIT " + head],
            "a NUL": [b"AUTH PLAIN", response + b"\0"],
            "without AUTH": [response]}.items():
        c = server_of(b"joe", SECRET, "-d")
        for line in lines:
            c.cmd(line)
        clients.append((what, c))
    for what, c in clients:
        c.cmd("QUIT")
        c.close()
        c.server.wait()
        log = c.server.log()
        like(log, "command", "C49 AUTH, %s: -d" % what)
        unlike(log, "Zecret|" + re.escape(head.decode()),
               "C49 AUTH, %s: nothing of the response in the log" % what)


@test
def hidden_later():
    """-d and AUTH after the login"""
    need("FEATURE_MDPOP3D_DEBUG")
    response = plain(b"joe", SECRET)
    with server_of(b"joe", SECRET, "-d") as c:
        is_(c.cmd(b"AUTH PLAIN " + response), b"+OK\r\n", "C49 a login")
        for line in (b"AUTH PLAIN " + response, b"auth plain " + response,
                     b" AUTH PLAIN " + response, b"AUTH\tPLAIN " + response):
            like(c.cmd(line), "^-ERR", "C43 AUTH after the login is refused")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C43 and the session goes on")
        c.server.wait()
        unlike(c.server.log(), re.escape(response[:12].decode()),
               "C49 AUTH after the login: nothing of the response in the log")


# ---- states ------------------------------------------------------------------

@test
def states():
    """AUTH among other commands"""
    response = plain(b"joe", b"secret")
    with server_of() as c:
        ok("SASL PLAIN" in capabilities(c), "C37 CAPA has SASL PLAIN")
        is_(c.multi("AUTH"), (b"+OK\r\n", b"PLAIN\r\n"),
            "C43 AUTH alone lists the mechanisms")
        is_(c.cmd("USER joe"), b"+OK\r\n", "C28 USER")
        is_(respond(c, b"*")[0], CHALLENGE, "C43 AUTH after USER")
        like(c.cmd("PASS secret"), "^-ERR(?! \\[AUTH\\])",
             "C28 USER does not outlive AUTH")
        is_(c.cmd("USER joe"), b"+OK\r\n", "C28 USER again")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C28 and PASS")
        ok("SASL PLAIN" in capabilities(c), "C37 and after the login")
        for line in (b"AUTH", b"AUTH PLAIN", b"AUTH PLAIN " + response):
            like(c.cmd(line), "^-ERR", "C43 after the login: refused")
        is_(c.cmd("STAT"), b"+OK 0 0\r\n", "C43 after the login: it goes on")
    with session(Maildir()) as c:
        ok(not [line for line in capabilities(c) if line.startswith("SASL")],
           "C38 -a: no SASL")
        for line in (b"AUTH", b"AUTH PLAIN", b"AUTH PLAIN " + response):
            like(c.cmd(line), "^-ERR", "C43 -a: refused")
        is_(c.cmd("STAT"), b"+OK 0 0\r\n", "C43 -a: it goes on")


run_tests(jobs=4)
