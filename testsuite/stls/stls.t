#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# STLS (RFC 2595 section 4) by UCSPI-TLS: how it begins, what it leaves behind
# of the time before it, and -E. The superserver is that of the tests.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ucspitls import *

all_need("FEATURE_MDPOP3D_STLS")

HAS_SASL = config("FEATURE_MDPOP3D_SASL")
GOOD = plain(NAME, PASSWORD).decode()


def small():
    return Mailbox([("one", mail(b"one\n")), ("two", b"\n.\n..\n")])


def state(client):
    """Which state it is in, by a command of the other."""
    return client.cmd("STAT")[:4].decode().strip()


# ---- the way it begins -------------------------------------------------------

def one_form(what, options):
    box = small()
    server = ucspitls("-P", box.users.path, options=options)
    with talk(server, tls=True) as c:
        whole("C45 " + what, c, box)
    ok(server.wait_log(r"^ucspitls: order [yY]$"), "C45 %s: the order" % what,
       server.log())
    all_gone("C45 " + what, server)


@test
def forms():
    """descriptors in every form"""
    spread(one_form, [
        ("two pipes", ["-f", "pipes"]), ("a socket pair", ["-f", "pair"]),
        ("one socket for all three", ["-f", "one"]),
        ("large numbers", ["-n", "200"]),
        ("one with a large number", ["-f", "one", "-n", "77"]),
        ("TLS 1.2", ["-2"])])


@test
def one_connection():
    """the status it ends with"""
    box = small()
    server = ucspitls("-P", box.users.path, options=["-1"])
    with talk(server, tls=True) as c:
        whole("C45 the only connection", c, box)
    is_(server.wait(), 0, "C45 QUIT within TLS: status 0")
    users = UserFile()
    users.add(NAME, PASSWORD, uid=OWNER, maildir=False)
    server = ucspitls("-P", users.path, options=["-1"])
    with talk(server, tls=True) as c:
        is_(log_in(c)[1], b"-ERR [SYS/PERM] no maildrop\r\n",
            "C50 no Maildir, within TLS")
        is_(c.rest(), b"", "C50 no Maildir, within TLS: the end")
    is_(server.wait(), 111, "C50 no Maildir, within TLS: status 111")


@test
def s6():
    """s6-ucspitlsd"""
    path = shutil.which("s6-ucspitlsd")
    if not path:
        raise Skip("no s6-ucspitlsd; Debian has no package of it")
    box = small()
    ours, theirs = tcp_pair()
    cert, key = certificate()
    with theirs:
        server = Server("-e", "-E", "-P", box.users.path, wrap=[path],
                        stdin=theirs, stdout=theirs,
                        env={"CERTFILE": cert, "KEYFILE": key})
    with SecureClient(ours) as c:
        is_(c.line(), b"+OK\r\n", "C45 s6-ucspitlsd: the greeting")
        whole("C45 s6-ucspitlsd", c.stls(), box)
    like(server.log(), r"\[%s\] quit" % NAME, "C45 s6-ucspitlsd: the log")


@test
def address():
    """the log tells the client's address, not the tunnel's"""
    for where in ("127.0.0.1", "::1"):
        box = small()
        server = ucspitls("-P", box.users.path, address=where)
        with talk(server, tls=True) as c:
            log_in(c)
            c.cmd("QUIT")
        ok(server.wait_log(r"\[%s\]\[%s\] quit" % (re.escape(where), NAME)),
           "C120 %s is logged after STLS" % where, server.log())


def links(pid):
    """What its descriptors are, by number."""
    where = "/proc/%d/fd" % pid
    return {int(fd): os.readlink("%s/%s" % (where, fd))
            for fd in os.listdir(where)}


def connection(client, server):
    """socket:[N] of the superserver's end."""
    want = [":%04X" % port for port in (server.port,
                                        client.owner.getsockname()[1])]
    with open("/proc/net/tcp") as file:
        for fields in map(str.split, file):
            if [at[-5:] for at in fields[1:3]] == want:
                return "socket:[%s]" % fields[9]
    raise AssertionError("no such connection")


@test
def left_open():
    """what the user's process has open"""
    box = small()
    for tls in (False, True):
        server = ucspitls("-P", box.users.path, options=["-n", "200"])
        what = "C45 after the login %s: " % ("in TLS" if tls else "in clear")
        with talk(server, tls=tls) as c:
            is_(log_in(c), LOGGED_IN, what + "USER and PASS")
            pids = server.sessions()
            is_(len(pids), 1, what + "one process")
            there = links(pids[0])
            raw = connection(c, server)
            ok(200 not in there, what + "SSLCTLFD is closed", there)
            if tls:
                ok(raw not in there.values(),
                   what + "no way out in clear is open", there)
            else:
                is_([fd for fd in there if fd >= 200], [],
                    what + "the others are closed, too", there)
            is_(c.cmd("QUIT"), b"+OK\r\n", what + "QUIT")


# ---- what came before TLS ----------------------------------------------------

def injected(what, behind, inside):
    """`behind` comes with STLS, in one piece; inside(client) looks."""
    box = small()
    payload = b"STLS\r\n" + behind
    server = ucspitls("-P", box.users.path,
                      options=["-w", str(len(payload))])
    with dial(server) as c:
        c.send(payload)
        is_(c.lines(2), [b"+OK\r\n"] * 2, "C46 %s: STLS" % what)
        try:
            c.begin()
        except (OSError, AssertionError) as error:
            return ok(False, "C46 %s: TLS" % what, repr(error), server.log())
        inside(c, "C46 %s: " % what)
        is_((c.cmd("QUIT"), c.rest()), (b"+OK\r\n", b""),
            "C46 %s: no answer too many" % what)


def nothing(c, what):
    """Not a word was obeyed: the first answer is the one to CAPA."""
    ok("STLS" not in capabilities(c), what + "TLS has begun")
    is_(state(c), "-ERR", what + "nobody is logged in")


def unfinished(rest):
    """What would end a command is one of its own."""
    def inside(c, what):
        like(c.cmd(rest), "^-ERR", what + "%r is no command" % rest)
        nothing(c, what)
    return inside


def password(c, what):
    like(c.cmd("PASS " + PASSWORD), "^-ERR", what + "PASS is refused")
    nothing(c, what)


def response(c, what):
    like(c.cmd(GOOD), "^-ERR", what + "no response is waited for")
    nothing(c, what)


INJECTED = [
    ("nothing", b"", nothing),
    ("CAPA", b"CAPA\r\n", nothing),
    ("QUIT", b"QUIT\r\n", nothing),
    ("STLS", b"STLS\r\n", nothing),
    ("a login", b"USER %s\r\nPASS %s\r\n" % (NAME.encode(),
                                             PASSWORD.encode()), nothing),
    ("AUTH and its response", b"AUTH PLAIN %s\r\n" % GOOD.encode(), nothing),
    ("USER", b"USER %s\r\n" % NAME.encode(), password),
    ("AUTH", b"AUTH PLAIN\r\n", response),
    ("half a command", b"CAP", unfinished("A")),
    ("a whole and half a one", b"CAPA\r\nQUI", unfinished("T")),
    ("half a login", b"USER %s\r\nPASS pass" % NAME.encode(),
     unfinished(" word")),
    ("all but the LF", b"QUIT\r", unfinished("")),
    ("the beginning of a long line", b"x" * 254, unfinished("yy")),
    ("a line too long", b"x" * 600, unfinished("yy")),
    ("as much as is read at once", b"NOOP\r\n" * 340, nothing),
]


@test
def injection():
    """what is sent together with STLS"""
    spread(injected, INJECTED)


@test
def injected_more():
    """more than the server reads: TLS finds it and fails"""
    box = small()
    payload = b"STLS\r\n" + b"CAPA\r\n" * 2000
    server = ucspitls("-P", box.users.path,
                      options=["-w", str(len(payload))])
    with dial(server) as c:
        c.send(payload)
        is_(c.lines(2), [b"+OK\r\n"] * 2, "C46 12 000 octets: STLS")
        try:
            c.begin()
            ok(False, "C46 12 000 octets: no TLS")
        except (OSError, ssl.SSLError):
            ok(True, "C46 12 000 octets: no TLS")
    ok(server.wait_log("ucspitls: no TLS"), "C46 12 000 octets: it says so")
    all_gone("C46 12 000 octets", server)
    unlike(server.log(), "Sanitizer|signal", "C46 12 000 octets: no crash")


@test
def forgotten():
    """USER before STLS"""
    box = small()
    server = ucspitls("-P", box.users.path)
    with talk(server) as c:
        is_(c.cmd("USER " + NAME), b"+OK\r\n", "C46 USER before STLS")
        c.stls()
        like(c.cmd("PASS " + PASSWORD), "^-ERR(?! \\[AUTH\\])",
             "C46 PASS alone within TLS is refused")
        is_(state(c), "-ERR", "C46 nobody is logged in")
        is_(log_in(c), LOGGED_IN, "C46 USER and PASS within TLS")
    unlike(server.log(), "incorrect", "C46 that was no attempt")


# ---- -E ----------------------------------------------------------------------

CLOSED = ["USER " + NAME, "PASS " + PASSWORD, "APOP %s %s" % (NAME, "0" * 32),
          "AUTH PLAIN " + GOOD, "AUTH PLAIN", "AUTH"]


@test
def no_login_in_clear():
    """-E before TLS"""
    box = small()
    server = ucspitls("-E", "-P", box.users.path)
    with talk(server) as c:
        listed = capabilities(c)
        is_([line for line in listed if line.split()[0] in
             ("USER", "SASL", "APOP")], [], "C47 -E: no logins in CAPA")
        ok("STLS" in listed, "C47 -E: STLS in CAPA")
        for line in CLOSED:
            began = time.monotonic()
            like(c.cmd(line), "^-ERR", "C47 -E: %s" % line.split()[0])
            ok(time.monotonic() - began < 1.9, "C47 -E: no attempt")
            capabilities(c)     # no four bad commands in a row
        is_(log_in(c)[0][:4], b"-ERR", "C47 -E: USER and PASS")
        is_(state(c), "-ERR", "C47 -E: nobody is logged in")
    with talk(server) as c:
        is_((c.cmd("QUIT"), c.rest()), (b"+OK\r\n", b""), "C47 -E: QUIT")
    unlike(server.log(), r"incorrect|login\b(?! failed)",
           "C47 -E: no attempt in the log")


@test
def login_in_tls():
    """-E within TLS"""
    box = small()
    server = ucspitls("-E", "-P", box.users.path)
    with talk(server, tls=True) as c:
        is_({"USER"} | ({"SASL PLAIN"} if HAS_SASL else set()),
            {line for line in capabilities(c)
             if line.split()[0] in ("USER", "SASL")},
            "C47 -E: the logins in CAPA within TLS")
        whole("C47 -E, USER and PASS within TLS", c, box)
    all_gone("C47 -E, USER and PASS within TLS", server)
    if HAS_SASL:
        with talk(server, tls=True) as c:
            is_(c.cmd("AUTH PLAIN " + GOOD), b"+OK\r\n",
                "C47 -E, AUTH within TLS")
            is_(state(c), "+OK", "C47 -E, AUTH within TLS: logged in")
    with talk(server) as c:
        c.cmd("USER " + NAME)
        c.stls()
        like(c.cmd("PASS " + PASSWORD), "^-ERR",
             "C46 C47 -E: a USER that was refused is forgotten")


run_tests(jobs=4)
