#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""APOP, with PAM and a module that knows clear passwords.

STAMPS (300) sessions, for timestamps that must all differ.
"""

import hashlib
import os
import poplib
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from clients import (LIMIT, OWNER, Maildir, catalogue, crlf, files, lf,
                     maildir_files, program, run, same, write)
from pam import *

need_pam()
if not config("FEATURE_MDPOP3D_APOP"):
    skip_all("no APOP in this build")

IN = b"+OK\r\n"
STAMPS = int(os.environ.get("STAMPS", "300"))
NAME, WORD = "joe", "tan staaf"


class Apop(Pam):
    """Users with a secret for APOP, as pam_apop.c explains it."""

    def __init__(self):
        super().__init__()
        self.secrets = self.file("secrets")
        self.service(
            "pop3", "auth sufficient %s %s" % (module("pam_apop"),
                                               self.secrets),
            "auth required pam_unix.so try_first_pass",
            "account required pam_unix.so")

    def secret(self, name, word, password="other word"):
        """A user with this secret for APOP, and another for PASS."""
        with open(self.secrets, "a") as file:
            file.write("%s:%s\n" % (name, word))
        return self.add(name, password, uid=OWNER)

    def greet(self, *args, **how):
        """A client before its login, with the .stamp it was given."""
        c = start("-e", *args, wrap=self.wrap(), **how)
        c.greeting = c.line()
        m = re.search(rb"<[^>]*>", c.greeting)
        c.stamp_given = m.group().decode() if m else ""
        return c


def digest(stamp, word):
    return hashlib.md5((stamp + word).encode("latin-1")).hexdigest()


def apop(c, name, word, stamp=None):
    return c.cmd("APOP %s %s" % (name, digest(stamp or c.stamp_given, word)))


@test
def right_and_wrong():
    """APOP lets in who knows the secret, and nobody else"""
    pam = Apop()
    pam.secret(NAME, WORD).fill(2)
    pam.add("nosecret", "pw")
    pam.secret("empty", "")
    pam.secret("joey", "w").fill(1)
    with pam.greet("-A") as c:
        is_(apop(c, NAME, WORD), IN, "the right digest", c.server.log())
        like(c.cmd("STAT"), r"^\+OK 2 ", "his Maildir")
        is_(c.cmd("QUIT"), IN, "QUIT")
    with pam.greet("-A") as c:
        is_(apop(c, "joey", "w"), IN, "one whose name begins as another's")
    for label, name, word in (
            ("a wrong secret", NAME, WORD + "x"),
            ("the password of PASS", NAME, "other word"),
            ("no secret", "nosecret", "pw"),
            ("no secret, and an empty one", "nosecret", ""),
            ("an empty secret", "empty", ""),
            ("a name that is none", "nobody-here", "x"),
            ("a part of a name", "jo", WORD)):
        with pam.greet("-A") as c:
            began = time.monotonic()
            is_(apop(c, name, word) + c.rest(), REFUSED, label)
            ok(time.monotonic() - began > 1.9, label + ": in its time")
    with pam.greet("-A") as c:
        c.cmd("USER " + NAME)
        is_(c.cmd("PASS other word"), IN, "USER and PASS go on")
    with pam.greet("-A") as c:
        c.cmd("USER " + NAME)
        is_(c.cmd("PASS " + WORD), REFUSED, "but not with the secret")


@test
def what_the_module_gets():
    """the password is "APOP", the digest and the stamp of the greeting"""
    pam = Apop()
    path = pam.file("seen")
    pam.add(NAME, "pw").fill(1)
    pam.odd("dump=" + path)
    with pam.greet("-A") as c:
        is_(c.cmd("APOP joe 0123456789abcdef0123456789abcdef"), IN, "APOP")
        is_(dumped(path)[0]["pass"],
            "APOP 0123456789abcdef0123456789abcdef " + c.stamp_given,
            "as the manual page has it")


@test
def syntax():
    """C42 digests that are none are not asked about"""
    pam = Apop()
    path = pam.file("seen")
    pam.add(NAME, "pw").fill(1)
    pam.odd("dump=" + path)
    good = "0123456789abcdef0123456789abcdef"
    with pam.greet("-A") as c:
        bad = ["APOP", "APOP joe"] + ["APOP joe " + d for d in (
            good.upper(), good[1:], good + "0", "g" + good[1:],
            good[:-1] + " ", good + " <1.2@h>")]
        for line in bad[:2]:
            like(c.cmd(line), r"^-ERR ", line)
    for line in bad[2:]:
        with pam.greet("-A") as c:
            like(c.cmd(line), r"^-ERR ", line)
    is_(dumped(path), [], "no module was asked")


@test
def stamps():
    """the greeting's stamp: form, host, and each one new"""
    pam = Apop()
    with pam.greet("-A") as c:
        like(c.greeting, r"\A\+OK <[!-;=?A-~]+@[!-;=?A-~]+>\r\n\Z",
             "-A: a msg-id as RFC 1939 wants it")
        is_(c.stamp_given.split("@")[1].rstrip(">"), socket.gethostname(),
            "-A: the name of this host")
    with pam.greet("-T", "pop.example.org") as c:
        like(c.greeting, r"\A\+OK <[^@<> ]+@pop\.example\.org>\r\n\Z", "-T")
        like(c.multi("CAPA")[1] or b"", r"\A", "CAPA")
    with pam.greet() as c:
        is_(c.greeting, IN, "without -A: no stamp")
        like(c.cmd("APOP joe " + "0" * 32), r"^-ERR ", "and no APOP")
    for bad in ("", "a b", "a>b", "a@b", "a\\b", "x" * 64, "\u00e9"):
        with start("-e", "-T", bad) as c:
            c.rest()
            is_(c.server.wait(), 100, "-T %.9r is refused" % bad)
    server = listener("-A", "-b", "0", "-I", "50", wrap=pam.wrap())
    seen = []
    for _ in range(STAMPS):
        with socket.create_connection(("127.0.0.1", server.port)) as c:
            c.sendall(b"QUIT\r\n")
            seen.append(c.makefile("rb").read())
    ok(all(s.endswith(b">\r\n+OK\r\n") for s in seen), "C41 a stamp each time")
    is_(len(set(seen)), STAMPS, "C41 %d sessions, as many stamps" % STAMPS)
    # What is before the @ is more than a clock and a number that counts.
    heads = [s.split(b"<")[1].split(b"@")[0] for s in seen]
    ok(min(map(len, heads)) >= 16, "of some length", min(heads, key=len))


@test
def replay():
    """what one session has heard is worth nothing in another"""
    pam = Apop()
    pam.secret(NAME, WORD, WORD).fill(1)
    with pam.greet("-A") as c:
        old = c.stamp_given
        is_(apop(c, NAME, WORD), IN, "the session that is overheard")
    with pam.greet("-A") as c:
        is_(apop(c, NAME, WORD, old) + c.rest(), REFUSED, "its digest again")
    text = "APOP %s %s" % (digest(old, WORD), old)
    for args in (("-A",), ()):
        with pam.greet(*args) as c:
            c.cmd("USER " + NAME)
            is_(c.cmd("PASS " + text), REFUSED,
                "all of it as a password, options %r" % (args,))
    if config("FEATURE_MDPOP3D_SASL"):
        with pam.greet("-A") as c:
            import base64
            plain = base64.b64encode(("\0joe\0" + text).encode()).decode()
            is_(c.cmd("AUTH PLAIN " + plain), REFUSED, "or by AUTH PLAIN")
    with pam.greet("-A") as c:
        c.cmd("USER " + NAME)
        own = "APOP %s %s" % (digest(c.stamp_given, WORD), c.stamp_given)
        is_(c.cmd("PASS " + own), REFUSED,
            "PASS with the right digest is not APOP either")


@test
def without_pam():
    """-A needs PAM or a program"""
    for args in (("-A", "-P", "/dev/null"), ("-A", "-a"), ("-A", "-u", "x")):
        with start("-e", *args) as c:
            c.rest()
            is_(c.server.wait(), 100, " ".join(args) + " is refused")


# ---- real clients -----------------------------------------------------------

class Box:
    """The messages that clients are to fetch, in the form of clients.py."""

    def __init__(self, pam, messages):
        self.pam, self.messages = pam, []
        self.maildir = pam.secret(NAME, WORD)
        for i, (label, data) in enumerate(messages):
            name = "%d.M%dP7.host" % (1700000000 + i, i)
            self.maildir.add("new", name, data)
            self.messages.append((label, data, name))

    def labels(self):
        return [label for label, _, _ in self.messages]

    def serve(self):
        return listener("-A", "-b", "0", wrap=self.pam.wrap())


def box(count=4):
    return Box(Apop(), catalogue()[:count])


def logged_in(server, what):
    ok(server.wait_log(r"\]\[%s\] login" % NAME), what + ": the log has it",
       server.log())


@test
def python_poplib():
    """poplib's apop()"""
    mine = box()
    server = mine.serve()
    for word, good in ((WORD, True), (WORD + "x", False)):
        pop = poplib.POP3(server.address, server.port, timeout=LIMIT)
        cleanup(pop.close)
        try:
            pop.apop(NAME, word)
        except poplib.error_proto as error:
            ok(not good and error.args[0] == REFUSED.strip(),
               "poplib is refused", error)
            continue
        ok(good, "poplib logs in")
        got = [b"".join(x + b"\r\n" for x in pop.retr(i + 1)[1])
               for i in range(len(mine.messages))]
        same("poplib, APOP", mine, got, crlf)
        pop.quit()


@test
def curl():
    """curl, AUTH=+APOP"""
    mine = box()
    server = mine.serve()
    where = "pop3://%s:%d/" % (server.address, server.port)
    for word, want in ((WORD, 0), (WORD + "x", 67)):
        out = scratch("curl")
        status, said = run(
            [program("curl"), "-q", "-s", "-S", "-v", "--max-time",
             str(LIMIT), "-u", "%s:%s" % (NAME, word), "--login-options",
             "AUTH=+APOP", where + "[001-%03d]" % len(mine.messages), "-o",
             "#1"], cwd=out)
        is_(status, want, "curl with %r" % word, said)
        like(said, "> APOP %s " % NAME, "curl does use APOP")
        unlike(said, "> (USER|PASS|AUTH)", "curl uses nothing else")
        if want == 0:
            same("curl, APOP", mine, files(out), crlf)


@test
def mpop():
    """mpop, auth apop"""
    program("mpop")
    mine = box()
    server = mine.serve()
    for word, want in ((WORD, 0), (WORD + "x", 77)):
        home = scratch("mpop")
        maildir = Maildir(home + "/Maildir").path
        write(home + "/rc", "\n".join([
            "account test", "tls off", "auth apop", "host " + server.address,
            "port %d" % server.port, "user " + NAME, 'password "%s"' % word,
            "delivery maildir " + maildir, "uidls_file %s/uidls" % home,
            "received_header off", "keep on", ""]))
        status, said = run(["mpop", "-C", home + "/rc", "--quiet", "test"],
                           cwd=home)
        is_(status, want, "mpop with %r" % word, said)
        if want == 0:
            same("mpop, APOP", mine, maildir_files(maildir), lf)


@test
def fetchmail():
    """fetchmail, protocol apop"""
    program("fetchmail")
    mine = box()
    server = mine.serve()
    for word, good in ((WORD, True), (WORD + "x", False)):
        home = scratch("fetchmail")
        os.mkdir(home + "/out")
        write(home + "/agent", "#!/bin/sh\nexec cat >$(mktemp "
              "%s/out/XXXXXXXX)\n" % home, 0o755)
        write(home + "/rc", 'poll %s protocol apop port %d auth password '
              'user "%s" password "%s" mda "%s/agent" sslproto "" fetchall '
              "keep\n" % (server.address, server.port, NAME, word, home))
        status, said = run(["fetchmail", "-v", "-f", home + "/rc", "--nosyslog",
                            "--pidfile", home + "/pid", "-i", home + "/ids",
                            "--invisible"], cwd=home)
        is_(status == 0, good, "fetchmail with %r" % word, said)
        like(said, "> APOP %s " % NAME, "fetchmail does use APOP", said)
        if good:
            is_(len(files(home + "/out")), len(mine.messages),
                "fetchmail fetches all")


@test
def net_pop3():
    """Perl's Net::POP3, apop()"""
    program("perl")
    mine = box(2)
    server = mine.serve()
    script = ("use Net::POP3; my $p = Net::POP3->new('%s', Port => %d) or "
              "die; my $n = $p->apop('%s', $ARGV[0]); print defined $n ? "
              "\"n=$n\" : 'refused'; $p->quit;" % (
                  server.address, server.port, NAME))
    is_(run(["perl", "-e", script, WORD]), (0, "n=2"), "Net::POP3 logs in")
    like(run(["perl", "-e", script, "x"])[1], "refused$",
        "Net::POP3 is refused")


run_tests(jobs=6)
