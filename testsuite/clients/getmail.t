#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# getmail with delivery to a Maildir, as somebody else than root.

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *


# Python's poplib, which getmail uses, stops reading in the middle of a line
# of 1 MiB: this message is not in its mailbox.
TOO_LONG = ["line of 1 MiB"]


def _cr(stored):
    return stored.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _fold(stored):
    return stored.replace(b"A: h", b"A: \n h", 1)


# All of this is the work of Python's email package, through which getmail
# passes every message.
_CR = ("getmail takes a CR for a line end", _cr)
_FOLD = ("getmail folds long header lines", _fold)
_NO_HEADER = ("getmail puts a blank line before what is no header",
              lambda stored: b"\n" + stored)
_NO_END = ("getmail ends a header that nothing follows",
           lambda stored: stored + b"\n")
ALTERED = {
    "zero bytes": _NO_END,
    "one byte": _NO_HEADER,
    "one dot": _NO_HEADER,
    "only dots": _NO_HEADER,
    "no colon, no blank line": _NO_HEADER,
    "long line without end": _NO_HEADER,
    "dot in the header": (
        _NO_HEADER[0], lambda stored: stored.replace(b"\n", b"\n\n", 1)),
    "headers only": _NO_END,
    "headers without newline": _NO_END,
    "final CR CR": _CR,
    "lone CR in the middle": _CR,
    "CR CR LF": _CR,
    "LF CR": _CR,
    "dot after lone CR": _CR,
    "every byte": _CR,
    "header line of 20 KiB": _FOLD,
    "blank line of a space": ("getmail drops blank header lines",
                              lambda stored: stored.replace(b" \n", b"", 1)),
    "folded and empty fields": (
        "getmail writes a space after every field name",
        lambda stored: re.sub(rb"(?m):$", b": ", stored)),
}
for edge in (4096, 8192, 16384, 32768, 65536):
    ALTERED["CR|CR LF at %d" % edge] = _CR
    ALTERED["blank line over %d" % edge] = _FOLD
    ALTERED["blank CRLF line over %d" % edge] = _FOLD


def _plain(stored):
    return re.sub(rb"\AReturn-Path: <unknown>\n", b"", stored)


# getmail prepares for the end of its delivery process after it has started
# it; when the end comes first it waits for a minute.  It is given another way
# to wait; what it says to a server is not touched.
WAITING = """
import os, runpy, sys
from getmailcore.baseclasses import ForkingBase

ForkingBase._prepare_child = lambda self: None
ForkingBase._wait_for_child = (
    lambda self, pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Getmail:
    def __init__(self, server, options, password=PASSWORD):
        self.program = program("getmail", "getmail6")
        self.home = scratch("getmail")
        os.chown(self.home, NOBODY, NOBODY)
        self.maildir = Maildir(self.home + "/Maildir", NOBODY).path
        write(self.home + "/rc", "\n".join([
            "[retriever]", "type = SimplePOP3Retriever",
            "server = " + server.address, "port = %d" % server.port,
            "username = " + NAME, "password = " + password,
            "timeout = %d" % LIMIT,
            "[destination]", "type = Maildir", "path = %s/" % self.maildir,
            "[options]", "delivered_to = false", "received = false",
            "message_log_syslog = false", "verbose = 0", options, ""]),
              0o600, NOBODY)

    def fetch(self):
        return run(["/usr/bin/python3", "-c", WAITING, self.program,
                    "--getmaildir=" + self.home,
                    "--rcfile=" + self.home + "/rc"], cwd=self.home,
                   user=NOBODY)

    def stored(self):
        return [_plain(data) for data in maildir_files(self.maildir)]


def mailbox():
    return Mailbox(catalogue(without=TOO_LONG))


@test
def keep():
    """getmail, delete = false"""
    box = mailbox()
    server = box.serve()
    client = Getmail(server, "read_all = false\ndelete = false")
    is_(client.fetch(), (0, ""), "getmail delete = false")
    same("getmail (without a line of 1 MiB)", box, client.stored(), lf,
         ALTERED)
    kept("getmail delete = false", box)
    logged_quit("getmail delete = false", server)
    is_(client.fetch(), (0, ""), "getmail delete = false, again")
    is_(len(client.stored()), len(box.messages), "getmail: nothing is new")
    box.add("later", mail(b"later\n"))
    is_(client.fetch(), (0, ""), "getmail, after a delivery")
    same("getmail after a delivery", box, client.stored(), lf, ALTERED)


@test
def delete():
    """getmail, delete = true"""
    box = mailbox()
    client = Getmail(box.serve(), "read_all = true\ndelete = true")
    is_(client.fetch(), (0, ""), "getmail delete = true")
    same("getmail delete = true (without a line of 1 MiB)", box,
         client.stored(), lf, ALTERED)
    is_(box.left(), [], "getmail delete = true: all are removed")
    is_(client.fetch(), (0, ""), "getmail and an empty Maildir")


@test
def limited():
    """getmail, max_messages_per_session"""
    box = mailbox()
    client = Getmail(box.serve(), "delete = true\n"
                     "max_messages_per_session = 7")
    is_(client.fetch(), (0, ""), "getmail max_messages_per_session = 7")
    is_(box.left(), box.labels()[7:],
        "getmail: exactly the fetched are removed")
    is_(len(client.stored()), 7, "getmail: and stored")


@test
def refused():
    """getmail with a wrong password"""
    client = Getmail(Mailbox(catalogue()[:2]).serve(), "", password="wrong")
    status, said = client.fetch()
    ok(status != 0 and "login incorrect" in said,
       "getmail with a wrong password", status, said)


run_tests(jobs=2)
