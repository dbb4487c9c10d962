# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's POP3 clients against mdpop3d's own listener.

    from clients import *

    @test
    def fetches():
        box = Mailbox(catalogue())
        server = box.serve()
        run(["client", "-p", str(server.port)])
        same("client fetches", box, maildir_files(path), stored=lf)

A client that changes a message on its way to disk is described by an
alteration: the label of the message, why, and what the client makes of it.
It is compared with that, so a change of the change is seen, too.
"""

import collections
import os
import pwd
import shutil
import signal
import subprocess

import oracle
from popbox import *

NAME, PASSWORD, OWNER = "alice", "pass word", 61310

# Clients that refuse to be root; they also want to be in /etc/passwd.
NOBODY = pwd.getpwnam("nobody").pw_uid

# No client needs longer, but a loaded machine may.
LIMIT = 120 if config("SANITIZE") else 60
MANY_LIMIT = 5 * LIMIT      # for 10 000 messages


def strict():
    """In CI a missing program is a failure, elsewhere a reason to skip."""
    return (os.environ.get("CI") == "true" or
            os.environ.get("STRICT", "") not in ("", "0"))


def absent(what, package=None):
    """Ends the test because `what` is not there."""
    why = "no " + what + (" (Debian package %s)" % package if package else "")
    if strict():
        raise AssertionError(why)
    raise Skip(why)


def program(name, package=None):
    """The path of a program, or the end of the test."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=path) or absent(name, package or name)


def need_server():
    need_root()     # the users of -P are other users
    need("FEATURE_MDPOP3D_USERFILE", "FEATURE_MDPOP3D_LISTEN")


class Mailbox:
    """One virtual user's Maildir, filled with (label, content) pairs.

    Every other message is new, the others have been seen, and their order
    in the list is the server's order.
    """

    def __init__(self, messages=()):
        need_server()
        self.users = UserFile()
        self.maildir = self.users.add(NAME, PASSWORD, uid=OWNER)
        self.messages = []      # (label, content, base name)
        for label, data in messages:
            self.add(label, data)

    def add(self, label, data):
        i = len(self.messages)
        name = "%d.M%dP7.host" % (1700000000 + i, i + 1)
        if i % 2:
            self.maildir.add("new", name, data)
        else:
            self.maildir.add("cur", name + ":2,S", data)
        self.messages.append((label, data, name))

    def serve(self, *args):
        return listener("-b", "0", "-P", self.users.path, *args)

    def left(self):
        """Labels of the messages that are still there."""
        there = {n.decode() for n in self.maildir.ordered()}
        return [label for label, _, name in self.messages if name in there]

    def labels(self):
        return [label for label, _, _ in self.messages]

    def uids(self):
        return [name for _, _, name in self.messages]


def kept(what, box):
    """Every message is still there, and nothing is new any more."""
    is_(box.left(), box.labels(), what + ": every message is still there")
    is_(box.maildir.names("new"), [], what + ": none is new after QUIT")


def logged_quit(what, server):
    """The server saw an orderly end."""
    ok(server.wait_log(r"\[127\.0\.0\.1\]\[%s\] quit" % NAME),
       what + ": the session ended with QUIT", server.log())


def run(argv, limit=None, env=None, user=None, cwd=None):
    """Runs a client in a process group of its own; (status, output).

    When it does not end in time it is killed and the test fails.
    """
    home = cwd or scratch("home")
    if user is not None:
        os.chown(home, user, user)
    who = {} if user is None else {
        "user": user, "group": user, "extra_groups": ()}
    process = subprocess.Popen(
        argv, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home,
             "LC_ALL": "C", **(env or {})}, **who)
    try:
        out, _ = process.communicate(timeout=limit or LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        ok(False, "%s ends within %d s" % (argv[0], limit or LIMIT),
           out.decode("latin-1")[-2000:])
    return process.returncode, out.decode("latin-1")


def write(path, text, mode=0o600, owner=None):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


# How clients store what they have received.

def crlf(data):
    """As it travelled."""
    return oracle.wire(data)


def lf(data):
    """As it travelled, with every CRLF turned into LF."""
    return oracle.wire(data).replace(b"\r\n", b"\n")


def files(directory):
    """The contents of a directory's files in the order of their names."""
    found = []
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            found.append(file.read())
    return found


def maildir_files(path):
    return files(path + "/new") + files(path + "/cur")


def same(what, box, got, stored, alterations=None):
    """`got`, in any order, is what the Mailbox holds.

    stored        the client's way with line ends: crlf or lf
    alterations   label -> (reason, function from `stored` form to result)
    """
    alterations = alterations or {}
    left = collections.Counter(got)
    wrong = []
    for label, data, _ in box.messages:
        want = stored(data)
        if label in alterations:
            want = alterations[label][1](want)
        if left[want]:
            left[want] -= 1
        else:
            wrong.append((label, want))
    extra = list(left.elements())
    ok(not wrong and not extra and len(got) == len(box.messages),
       "%s: %d messages byte for byte" % (what, len(box.messages)),
       *_differences(wrong, extra, len(got)))
    reasons = collections.defaultdict(list)
    for label in box.labels():
        if label in alterations:
            reasons[alterations[label][0]].append(label)
    for reason, labels in reasons.items():
        ok(not {label for label, _ in wrong} & set(labels),
           "%s: %s (%s)" % (what, ", ".join(labels), reason))


def _differences(wrong, extra, count):
    """Diagnostics: what is missing, and what is there instead."""
    yield "%d messages were stored" % count
    for label, want in wrong[:12]:
        yield "missing %s: %d bytes %r" % (label, len(want), want[:70])
    for data in extra[:12]:
        yield "instead %d bytes %r" % (len(data), data[:70])


# What is fetched: ordinary mail, and the forms that have broken servers.

def _mime():
    """Mail as it is on any server."""
    head = (b"Return-Path: <sender@example.org>\n"
            b"Received: from mx.example.org by mail.example.org;\n"
            b"\tMon, 1 Jan 2024 00:00:00 +0000\n"
            b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\n"
            b"To: alice@example.org\n"
            b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\n"
            b"Date: Mon, 1 Jan 2024 00:00:00 +0000\n"
            b"Message-ID: <%s@example.org>\n"
            b"MIME-Version: 1.0\n")
    text = b"Content-Type: text/plain; charset=utf-8\n"
    return {
        "plain": head % b"plain" + b"\nhello\n",
        "quoted-printable": head % b"qp" + text +
        b"Content-Transfer-Encoding: quoted-printable\n\n"
        b"Gr=C3=BC=C3=9Fe =\n=2E\n.=\n\n",
        "8bit": head % b"8bit" + text +
        b"Content-Transfer-Encoding: 8bit\n\nGr\xc3\xbc\xc3\x9fe\n",
        "base64": head % b"b64" + b"Content-Type: application/octet-stream\n"
        b"Content-Transfer-Encoding: base64\n\n" +
        b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xt\n" * 2000,
        "multipart": head % b"multi" +
        b'Content-Type: multipart/mixed; boundary="=_x"\n\n'
        b"preamble\n--=_x\n\none\n--=_x\n"
        b"Content-Type: message/rfc822\n\nSubject: inner\n\ninner\n"
        b"--=_x--\nepilogue\n",
        "signed": head % b"signed" +
        b'Content-Type: multipart/signed; boundary="s";\n'
        b" protocol=\"application/pgp-signature\"; micalg=pgp-sha512\n\n"
        b"--s\n" + text + b"\ntrailing space \n-- \nsig\n\n--s\n"
        b"Content-Type: application/pgp-signature\n\n"
        b"-----BEGIN PGP SIGNATURE-----\n\nabc=\n"
        b"-----END PGP SIGNATURE-----\n\n--s--\n",
        "From in the body": head % b"from" + b"\nFrom here on\n>From there\n"
        b"\nFrom a@b Mon Jan  1 00:00:00 2024\n\nend\n",
        "blanks at the end": head % b"blanks" + b"\nend\n\n\n\n",
        "control characters": head % b"ctrl" + b"\n\a\b\t\v\f\x1a\x1b[0m\x7f\n",
        "report": b"Return-Path: <>\n"
        b"Content-Type: multipart/report; boundary=r\nSubject: failed\n\n"
        b"--r\n\nno such user\n--r\nContent-Type: message/delivery-status\n\n"
        b"Action: failed\n\n--r--\n",
        "folded and empty fields": b"Subject:\n a\n\tb\nX-Empty:\nX-B: \n c\n"
        b"From: x@example.org\n\nbody\n",
        "half a megabyte": head % b"big" + b"\n" + b"".join(
            b"%07d %s\n" % (i, b"abcdefghij" * 6) for i in range(7500)),
    }


def catalogue(without=()):
    """(label, content) pairs; `without` the labels a client cannot take."""
    every = {**_mime(), **odd_messages()}
    unknown = set(without) - set(every)
    if unknown:
        raise AssertionError("no such messages: %s" % unknown)
    return [(k, v) for k, v in every.items() if k not in without]


def many(count=10000):
    """As many small messages, all different."""
    return [("%d" % i, b"From: a@example.org\nSubject: message %d\n"
             b"Message-ID: <%d@example.org>\n\n%s.%d\n" % (
                 i, i, b"some text\n" * (i % 7), i))
            for i in range(1, count + 1)]
