#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# openbsd-inetd; its clients are on standard error, too.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


def write_line(trial, address, port, user, fields, args):
    """An inetd.conf with one line; inetd parses blanks, so no quoting."""
    _, kind, protocol, _, _, path, *words = fields
    where = "[%s]:%d" if ":" in address else "%s:%d"
    line = [where % (address, port), kind,
            protocol + ("6" if ":" in address else ""),
            # By itself it takes 256 connections a minute and then none.
            "nowait.100000", user,
            trial.bin + "/" + os.path.basename(path), *words, *args]
    return write(scratch("inetd") + "/inetd.conf", " ".join(line) + "\n")


FORM = "pop3 stream tcp nowait root /popbox popbox mdpop3d"


def start(trial, args, user="root", address="127.0.0.1", form=FORM):
    path = superserver("inetd", "openbsd-inetd")
    port = free_port(address)
    conf = write_line(trial, address, port, user, form.split(), args)
    return Super([path, "-i", conf], address, port)


@test
def manual_page():
    """inetd, the line of the manual page"""
    trial = Trial()
    simple("inetd, the line of the manual page", start, trial, trial.login(),
           form=manual(r"^(pop3 stream tcp nowait [^\n]*)$"))


@test
def names():
    """inetd, other names"""
    trial = Trial()
    for path, name in (("popbox", "mdpop3d"), ("popbox", "in.mdpop3d"),
                       ("mdpop3d", "mdpop3d"), ("in.mdpop3d", "in.mdpop3d"),
                       ("popbox", "popbox in.mdpop3d")):
        form = "pop3 stream tcp nowait root /%s %s" % (path, name)
        simple("inetd, %s as %s" % (path, name), start, trial,
               trial.login(), form=form)


@test
def environment():
    """inetd, -R"""
    trial = Trial()
    simple("inetd, -r", start, trial, trial.login("-r", "192.0.2.4"),
           client="192.0.2.4")


Questions("inetd", start)

run_tests(jobs=2)
