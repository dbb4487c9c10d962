#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test's logins: USER, APOP, AUTH, STLS

import base64
import hashlib
import hmac
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
import peers
from fake import *

need_pop3test()

STAMP = b"<1896.697170952@dbc.mtview.ca.us>"
CHALLENGE = b"<17893.1320279307@tesseract.susam.in>"


class Guard:
    """Accounts, and all ways to prove that one knows their passwords.

    `offers` are the SASL mechanisms of CAPA, `hashed` that a password can
    be compared, but no digest computed from it.
    """

    def __init__(self, user=b"al", password=b"s3 cret", offers=b"",
                 apop=False, hashed=False, capa=True, **say):
        self.user, self.password = user, password
        self.offers, self.hashed, self.capa = offers, hashed, capa
        self.how = None         # the way that has succeeded last
        self._name = None
        greeting = b"+OK ready " + (STAMP if apop else b"") + b"\r\n"
        self.server = Fake(ordinary(greeting=greeting, **{
            **{name: getattr(self, "_" + name.lower()) for name in (
                "CAPA", "USER", "PASS", "APOP", "AUTH")}, **say}))
        self.target = self.server.target

    def _done(self, how, good):
        if good:
            self.how = how
            return b"+OK maildrop has 1 message\r\n"
        return b"-ERR [AUTH] wrong\r\n"

    def _capa(self, link, args):
        if not self.capa:
            return b"-ERR what?\r\n"
        return b"+OK\r\nTOP\r\n" + (
            b"SASL " + self.offers + b"\r\n" if self.offers else b"") + (
                b"USER\r\n.\r\n")

    def _user(self, link, args):
        self._name = b" ".join(args)
        return b"+OK\r\n"

    def _pass(self, link, args):
        return self._done("user", (self._name, b" ".join(args)) == (
            self.user, self.password))

    def _apop(self, link, args):
        digest = hashlib.md5(STAMP + self.password).hexdigest().encode()
        return self._done("apop", not self.hashed and
                          args == [self.user, digest])

    def _ask(self, link, challenge):
        link.say(b"+ " + base64.b64encode(challenge) + b"\r\n")
        return base64.b64decode(link.hear(), validate=True)

    def _auth(self, link, args):
        mech = args[0].decode()
        if mech == "PLAIN":
            got = (base64.b64decode(args[1], validate=True)
                   if len(args) > 1 else self._ask(link, b""))
            return self._done("plain", got == b"\0" + self.user + b"\0" +
                              self.password)
        if mech == "LOGIN":
            got = self._ask(link, b"Username:"), self._ask(link, b"Password:")
            return self._done("login", got == (self.user, self.password))
        if mech == "CRAM-MD5":
            digest = hmac.new(self.password, CHALLENGE, "md5").hexdigest()
            got = self._ask(link, CHALLENGE)
            return self._done("cram-md5", not self.hashed and got ==
                              self.user + b" " + digest.encode())
        return b"-ERR unknown mechanism\r\n"


def enter(guard, *args, user=None, password=None):
    return pop3test(
        "stat", "-u", guard.user.decode() if user is None else user, *args,
        guard.target, env={"POP3TEST_PASS": guard.password.decode()
                           if password is None else password})


MECHANISMS = ("user", "apop", "plain", "login", "cram-md5")


@test
def each():
    """-A: every mechanism, with names and passwords of every kind"""
    for user, password in ((b"al", b"s3 cret"), (b"a", b"b"),
                           (b"n" * 120, b"p" * 120), (b"al", b"x" * 255),
                           (b"u" * 255, b"y" * 255),
                           (b"al@example.org", b"a$b\\c\"d'%e:f"),
                           ("j\u00f6".encode(), "\u20ac uro".encode())):
        for mech in MECHANISMS:
            guard = Guard(user, password, apop=True)
            run = enter(guard, "-A", mech)
            is_((run.status, guard.how), (0, mech),
                "-A %s, %d and %d octets" % (mech, len(user), len(password)),
                run, guard.server.heard)
    for mech in MECHANISMS:
        guard = Guard(apop=True)
        run = enter(guard, "-A", mech, password="s3 cre")
        is_((run.status, run.out, guard.how), (2, b"", None),
            "-A %s, wrong password: status" % mech)
        like(run.err, r"\Apop3test: login by %s refused: -ERR \[AUTH\] wrong"
             r"\n\Z" % mech.upper(), "-A %s, wrong password: text" % mech)
        is_(guard.server.heard[-1], b"QUIT", "-A %s: QUIT after it" % mech)
        ok(b"CAPA" not in guard.server.heard, "-A %s: no CAPA" % mech)


@test
def long_plain():
    """AUTH PLAIN: an initial response only where it fits in 255 octets"""
    for size, within in ((87, True), (88, False), (200, False)):
        guard = Guard(b"u" * size, b"p" * 91)
        run = enter(guard, "-A", "plain")
        is_((run.status, guard.how), (0, "plain"), "%d octets" % size)
        first = [x for x in guard.server.heard if x.startswith(b"AUTH")][0]
        is_(first != b"AUTH PLAIN", within, "%d octets: how" % size, first)
        ok(len(first) + 2 <= 255, "%d octets: a legal command" % size)


@test
def choice():
    """-A auto: the strongest of what is offered"""
    for offers, apop, want in (
            (b"", False, "user"), (b"", True, "apop"),
            (b"PLAIN", False, "plain"), (b"LOGIN", False, "login"),
            (b"LOGIN PLAIN", False, "plain"),
            (b"PLAIN LOGIN", True, "apop"),
            (b"PLAIN CRAM-MD5 LOGIN", False, "cram-md5"),
            (b"CRAM-MD5", True, "cram-md5"),
            (b"GSSAPI SCRAM-SHA-1 XPLAIN CRAM-MD55", False, "user"),
            (b"plain", False, "plain")):
        guard = Guard(offers=offers, apop=apop)
        run = enter(guard)
        is_((run.status, guard.how), (0, want), "auto: SASL %s%s" % (
            offers.decode(), ", timestamp" if apop else ""), run)
    guard = Guard(capa=False)
    is_((enter(guard).status, guard.how), (0, "user"), "auto: no CAPA")
    guard = Guard(CAPA=b"+OK\r\nX\0Y\r\nSASL CRAM-MD5\r\n.\r\n")
    is_((enter(guard).status, guard.how), (0, "cram-md5"),
        "auto: a NUL in CAPA hides nothing")
    guard = Guard(capa=False, apop=True)
    is_((enter(guard).status, guard.how), (0, "apop"),
        "auto: no CAPA, but a timestamp")


@test
def second_try():
    """-A auto: USER, where a server only pretends to know digests"""
    for offers, apop in ((b"CRAM-MD5", False), (b"", True),
                         (b"CRAM-MD5", True)):
        guard = Guard(offers=offers, apop=apop, hashed=True)
        run = enter(guard)
        is_((run.status, guard.how), (0, "user"),
            "hashed, SASL %r, APOP %s" % (offers, apop), run)
    guard = Guard(apop=True, hashed=True)
    is_((enter(guard, "-A", "apop").status, guard.how), (2, None),
        "hashed, -A apop: no second try")
    guard = Guard(offers=b"PLAIN", AUTH=b"-ERR no\r\n")
    run = enter(guard)
    is_((run.status, guard.how), (2, None), "PLAIN refused: no second try")
    for code in (b"[IN-USE]", b"[SYS/TEMP]", b"[LOGIN-DELAY]"):
        guard = Guard(apop=True, APOP=b"-ERR " + code + b" later\r\n")
        run = enter(guard)
        is_((run.status, guard.how), (2, None), "%r: no second try" % code)
        like(run.err, r"login by APOP refused: -ERR %s later" %
             re.escape(code.decode()), "%r: shown" % code)
        ok(b"PASS s3 cret" not in guard.server.heard, "%r: no PASS" % code)
    # The text of the refusal that says most.
    guard = Guard(apop=True, hashed=True, USER=b"")
    like(enter(guard).err, r"login by APOP refused: -ERR \[AUTH\] wrong",
         "the server closes before a second try: the first refusal")
    guard = Guard(apop=True, hashed=True, PASS=b"-ERR [AUTH] at all\r\n")
    like(enter(guard).err, r"login by USER refused: -ERR \[AUTH\] at all",
         "refused twice: the second")


@test
def odd_servers():
    """Answers to AUTH and APOP that are odd or wrong"""
    def more(link, args):
        link.say(b"+ \r\n")
        link.hear()
        return b"+ \r\n"

    for what, mech, status, text, say in (
            ("a challenge too many", "plain", 1, "challenge too many",
             {"AUTH": more}),
            ("no base 64", "cram-md5", 2, "no base 64: ===",
             {"AUTH": b"+ ===\r\n"}),
            ("an empty challenge", "cram-md5", None, "",
             {"AUTH": b"+ \r\n"}),
            ("nonsense", "login", 1, "neither .OK nor -ERR: hello",
             {"AUTH": b"hello\r\n"}),
            ("a continuation for APOP", "apop", 1, "neither .OK nor -ERR",
             {"APOP": b"+ \r\n"}),
            ("a continuation for PASS", "user", 1, "neither .OK nor -ERR",
             {"PASS": b"+ \r\n"}),
            ("EOF", "cram-md5", 2, "EOF", {"AUTH": b""})):
        run = enter(Guard(apop=True, **say), "-A", mech, "-t", "1")
        ok(run.status == status or (status is None and run.status),
           "-A %s, %s: status" % (mech, what), run)
        like(run.err, text, "-A %s, %s: text" % (mech, what))
    guard = Guard()
    run = enter(guard, "-A", "apop")
    is_(run.status, 2, "-A apop without a timestamp: status")
    like(run.err, "no APOP: the greeting has no timestamp",
         "-A apop without a timestamp: text")
    # Without a blank, as some servers have it.
    guard = Guard(AUTH=lambda link, args: (
        link.say(b"+\r\n"), link.hear(), b"+OK\r\n")[2])
    is_(enter(guard, "-A", "plain", user="u" * 200).status, 0,
        "AUTH PLAIN: a plus sign alone")


@test
def line_ends():
    """A line end within a name or a password is never sent"""
    for mech in MECHANISMS + ("auto",):
        for user, password in (("al\r\nDELE 1", "x"), ("al", "x\nDELE 1"),
                               ("al\r", "x"), ("al", "\rx")):
            guard = Guard(apop=True, offers=b"CRAM-MD5")
            run = enter(guard, "-A", mech, user=user, password=password)
            is_(run.status, 3, "-A %s, %r: status" % (mech, (user, password)),
                run)
            is_([x for x in guard.server.heard if x not in (
                b"CAPA", b"QUIT")], [], "-A %s, %r: heard" % (
                    mech, (user, password)))


@test
def secrets():
    """-v shows no secrets, -vv does"""
    for mech in MECHANISMS:
        guard = Guard(b"al", b"s3 cret", apop=True)
        run = enter(guard, "-v", "-A", mech)
        sent = [x for x in guard.server.heard if x not in (
            b"STAT", b"QUIT", b"USER al", b"AUTH LOGIN", b"AUTH CRAM-MD5")]
        ok(sent, "%s: something secret was sent" % mech)
        for line in sent:
            word = line.split(b" ")[-1]
            if word == base64.b64encode(b"al"):
                continue        # a name is no secret
            ok(word not in run.err, "-v -A %s: %r is not shown" % (
                mech, word), run.err)
        like(run.err, r"(?s)S: \+OK ready.*C: STAT\n.*C: QUIT\n",
             "-v -A %s: the rest is" % mech)
        run = enter(guard, "-vv", "-A", mech)
        word = guard.server.heard[-3].split(b" ")[-1]
        ok(word in run.err, "-vv -A %s: %r is shown" % (mech, word), run.err)


@test
def stls_refused():
    """-X: without STLS no word about the user"""
    for what, say in (("refused", {}), ("closed", {"STLS": b""}),
                      ("a lie", {"STLS": b"+OK go on\r\n"})):
        guard = Guard(apop=True, offers=b"PLAIN", **say)
        run = enter(guard, "-X", "-t", "3")
        ok(run.status in (2, 3), "-X, %s: status" % what, run)
        is_(guard.how, None, "-X, %s: no login" % what)
        is_([x for x in guard.server.heard if x.startswith((
            b"USER", b"PASS", b"AUTH", b"APOP"))], [],
            "-X, %s: nobody asks for more" % what)
    like(enter(Guard(), "-X").err, "no STLS: -ERR unknown",
         "-X, refused: text")


@test
def stls():
    """-X: a login within TLS, with what CAPA says there"""
    try:
        text = "".join(peers.certificate())
    except (OSError, subprocess.CalledProcessError):
        raise Skip("no openssl") from None
    path = scratch() + "/both"
    with open(path, "w") as file:
        file.write(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    guard = Guard()

    def start(link, args):
        # What was injected in the clear must not count: RFC 2595.
        link.sock.sendall(b"+OK\r\n-ERR injected\r\n")
        link.sock = context.wrap_socket(link.sock, server_side=True)
        guard.offers = b"LOGIN PLAIN"
        return b""              # ends the first of these two

    def talk(link):
        ordinary(greeting=b"+OK " + STAMP + b"\r\n", STLS=start)(link)
        ordinary(greeting=b"", CAPA=guard._capa, AUTH=guard._auth)(link)

    guard.server = Fake(talk)
    guard.target = guard.server.target
    run = enter(guard, "-X")
    is_((run.status, run.out, guard.how),
        (0, b"1 %d\n" % len(HELLO), "plain"),
        "-X: STAT within TLS; not APOP there", run, guard.server.heard)
    is_(guard.server.heard[:2], [b"STLS", b"CAPA"], "-X: CAPA is asked again")


@test
def dovecot():
    """Every mechanism against Dovecot"""
    if not peers.UNPACKED:
        raise Skip("no servers of others (scripts/setup peers)")
    with peers.Dovecot() as peer:
        for mech in ("auto",) + MECHANISMS:
            run = pop3test("check", "-A", mech, "-u", peer.user,
                           "127.0.0.1:%d" % peer.port,
                           env={"POP3TEST_PASS": peer.password})
            like(run.out, r"\APOP3 OK - 0 messages", "Dovecot, %s" % mech,
                 run)


run_tests(jobs=4)
