#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# mpop, which pipelines when CAPA allows it, with delivery to a Maildir.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *


class Mpop:
    """mpop's own directory: its settings, its Maildir, its list of UIDs."""

    def __init__(self, server, more=""):
        program("mpop")
        self.home = scratch("mpop")
        self.maildir = Maildir(self.home + "/Maildir").path
        write(self.home + "/rc", "\n".join([
            "defaults", "tls off", "auth user", "timeout %d" % LIMIT,
            "account test", "host " + server.address,
            "port %d" % server.port, "user " + NAME,
            'password "%s"' % PASSWORD, "delivery maildir " + self.maildir,
            "uidls_file %s/uidls" % self.home, "received_header off", more,
            ""]))

    def fetch(self, limit=None):
        return run(["mpop", "-C", self.home + "/rc", "--quiet", "test"],
                   limit, cwd=self.home)

    def stored(self):
        return maildir_files(self.maildir)


@test
def keep():
    """mpop, keep=on"""
    box = Mailbox(catalogue())
    server = box.serve()
    mpop = Mpop(server, "keep on")
    is_(mpop.fetch(), (0, ""), "mpop keep=on")
    same("mpop keep=on", box, mpop.stored(), lf)
    kept("mpop keep=on", box)
    logged_quit("mpop keep=on", server)
    with open(mpop.home + "/uidls") as file:
        noted = [line.strip() for line in file
                 if not line.startswith(("#", " "))]
    is_(sorted(noted), sorted(box.uids()), "mpop notes every UID")
    is_(mpop.fetch(), (0, ""), "mpop keep=on, again")
    is_(len(mpop.stored()), len(box.messages), "mpop: again, nothing is new")
    box.add("later", mail(b"later\n"))
    is_(mpop.fetch(), (0, ""), "mpop keep=on, after a delivery")
    same("mpop after a delivery", box, mpop.stored(), lf)


@test
def delete():
    """mpop, keep=off"""
    box = Mailbox(catalogue())
    mpop = Mpop(box.serve(), "keep off")
    is_(mpop.fetch(), (0, ""), "mpop keep=off")
    same("mpop keep=off", box, mpop.stored(), lf)
    is_(box.left(), [], "mpop keep=off: all are removed")


@test
def delete_some():
    """mpop, keep=off, skipsize"""
    box = Mailbox(catalogue())
    mpop = Mpop(box.serve(), "keep off\nskipsize 1000")
    is_(mpop.fetch(), (0, ""), "mpop skipsize")
    large = [label for label, data, _ in box.messages
             if oracle.size(data) >= 1000]
    is_(box.left(), large, "mpop skipsize: exactly the fetched are removed")
    is_(len(mpop.stored()), len(box.messages) - len(large),
        "mpop skipsize: the others are stored")


@test
def refused():
    """mpop with a wrong password"""
    box = Mailbox(catalogue()[:2])
    mpop = Mpop(box.serve(), 'password "wrong"')
    status, said = mpop.fetch()
    is_(status, 77, "mpop with a wrong password", said)


@test
def unpipelined():
    """mpop, pipelining=off"""
    box = Mailbox(catalogue())
    mpop = Mpop(box.serve(), "keep off\npipelining off")
    is_(mpop.fetch(), (0, ""), "mpop pipelining=off")
    same("mpop pipelining=off", box, mpop.stored(), lf)
    is_(box.left(), [], "mpop pipelining=off: all are removed")


@test
def ten_thousand():
    """mpop and 10 000 messages"""
    box = Mailbox(many())
    mpop = Mpop(box.serve(), "keep off")
    is_(mpop.fetch(MANY_LIMIT), (0, ""), "mpop, 10 000 messages")
    same("mpop, 10 000 messages", box, mpop.stored(), lf)
    is_(box.left(), [], "mpop removes 10 000 messages")


run_tests(jobs=2)
