#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# fetchmail with a delivery agent that stores each message as it comes.

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *

AGENT = "exec cat >$(mktemp $HOME/out/XXXXXXXX)"

# Stores nothing, and says so, when the message has a multipart body.
PICKY = ("file=$(mktemp $HOME/out/XXXXXXXX); cat >$file; "
         "grep -qi '^content-type: multipart' $file || exit 0; "
         "rm $file; exit 75")


def _end_header(sent):
    return sent + b"\r\n"


def _keep_dots(sent):
    """Stuffed again, as far as the header goes."""
    head, blank, body = sent.partition(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    return first + b"\r\n" + oracle.stuff(rest) + blank + body


_NO_END = ("fetchmail ends a header that nothing follows", _end_header)
_DOTS = ("fetchmail leaves stuffed dots in all header lines but the first",
         _keep_dots)
ALTERED = {
    "zero bytes": _NO_END,
    "one byte": _NO_END,
    "one dot": _NO_END,
    "headers only": _NO_END,
    "headers without newline": _NO_END,
    "no colon, no blank line": _NO_END,
    "long line without end": _NO_END,
    "dot in the header": _DOTS,
    "only dots": (_DOTS[0], lambda sent: _end_header(_keep_dots(sent))),
    "CR CR LF": ("fetchmail takes CR CR LF for the end of the header",
                 lambda sent: sent.replace(b"\r\n\r\r\n", b"\r\n\r\n")),
    "NULs": ("fetchmail drops NULs in the header",
             lambda sent: sent.replace(b"A: \0", b"A: ")),
}

# Inserts garbage and a line end into lines of the body of 8192 and more
# octets: these messages are not in its mailbox.
TOO_LONG = [label for label, data in catalogue()
            if re.search(rb"[^\n]{8192}", data.partition(b"\n\n")[2])]


def _plain(stored):
    """Without the header that fetchmail writes where there is none."""
    return re.sub(rb"\AFrom: FETCHMAIL-DAEMON\r\nTo: .*\r\n"
                  rb"Subject: Headerless mail .*\r\n(?=\r\n)", b"", stored)


class Fetchmail:
    """fetchmail's own directory; it runs as somebody else than root."""

    def __init__(self, server, options, agent=AGENT, password=PASSWORD):
        self.program = program("fetchmail")
        self.home = scratch("fetchmail")
        self.out = self.home + "/out"
        os.mkdir(self.out)
        os.chown(self.out, NOBODY, NOBODY)
        write(self.home + "/rc", "\n".join([
            "set no bouncemail", "set no syslog", "set invisible",
            "poll %s proto pop3 port %d timeout %d uidl bad-header accept" % (
                server.address, server.port, LIMIT),
            'user "%s" password "%s" sslproto ""' % (NAME, password),
            "no rewrite no stripcr no mimedecode no dropstatus "
            "no dropdelivered",
            'mda "%s"' % agent, options, ""]), 0o600, NOBODY)

    def fetch(self, limit=None):
        return run([self.program, "-s", "-f", self.home + "/rc", "--idfile",
                    self.home + "/ids", "--pidfile", self.home + "/pid"],
                   limit, {"FETCHMAILHOME": self.home}, NOBODY, self.home)

    def stored(self):
        return [_plain(data) for data in files(self.out)]


def mailbox():
    return Mailbox(catalogue(without=TOO_LONG))


@test
def keep():
    """fetchmail keep, which fetches with TOP"""
    box = mailbox()
    server = box.serve()
    client = Fetchmail(server, "keep")
    is_(client.fetch(), (0, ""), "fetchmail keep")
    same("fetchmail keep (without long lines)", box, client.stored(), crlf,
         ALTERED)
    kept("fetchmail keep", box)
    logged_quit("fetchmail keep", server)
    is_(client.fetch(), (1, ""), "fetchmail keep, again: no new mail")
    is_(len(client.stored()), len(box.messages), "fetchmail: nothing new")
    box.add("later", mail(b"later\n"))
    is_(client.fetch(), (0, ""), "fetchmail keep, after a delivery")
    same("fetchmail after a delivery", box, client.stored(), crlf, ALTERED)


@test
def delete():
    """fetchmail fetchall nokeep, which fetches with RETR"""
    box = mailbox()
    client = Fetchmail(box.serve(), "nokeep fetchall")
    is_(client.fetch(), (0, ""), "fetchmail nokeep")
    same("fetchmail nokeep (without long lines)", box, client.stored(), crlf,
         ALTERED)
    is_(box.left(), [], "fetchmail nokeep: all are removed")
    is_(client.fetch(), (1, ""), "fetchmail and an empty Maildir")


@test
def limited():
    """fetchmail fetchlimit"""
    box = mailbox()
    client = Fetchmail(box.serve(), "nokeep fetchall fetchlimit 7")
    status, said = client.fetch()
    is_(status, 13, "fetchmail fetchlimit 7", said)
    is_(box.left(), box.labels()[7:],
        "fetchmail fetchlimit: exactly the fetched are removed")


@test
def agent_refuses():
    """fetchmail with an agent that refuses some"""
    box = mailbox()
    client = Fetchmail(box.serve(), "nokeep fetchall", PICKY)
    client.fetch()
    refused = [label for label, data, _ in box.messages
               if b"Content-Type: multipart" in data]
    is_(box.left(), refused, "fetchmail: what the agent refused is kept")
    is_(len(client.stored()), len(box.messages) - len(refused),
        "fetchmail: the others are stored")


@test
def refused():
    """fetchmail with a wrong password"""
    client = Fetchmail(Mailbox(catalogue()[:2]).serve(), "keep",
                       password="wrong")
    status, said = client.fetch()
    is_(status, 3, "fetchmail with a wrong password", said)


@test
def ten_thousand():
    """fetchmail and 10 000 messages"""
    box = Mailbox(many())
    # One file for all: fewer processes for each message.
    client = Fetchmail(box.serve(), "nokeep fetchall",
                       "exec cat >>$HOME/out/all")
    is_(client.fetch(MANY_LIMIT), (0, ""), "fetchmail, 10 000 messages")
    stored = b"".join(client.stored())
    same("fetchmail, 10 000 messages", box,
         re.split(rb"(?m)^(?=From: a@example\.org\r\n)", stored)[1:], crlf)
    is_(box.left(), [], "fetchmail removes 10 000 messages")


run_tests(jobs=2)
