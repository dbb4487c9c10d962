#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# tcpserver of ucspi-tcp.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


def start(trial, args, user="root", address="127.0.0.1",
          command="popbox mdpop3d", before=(), options=("-l", "0", "-HR")):
    path = superserver("tcpserver", "ucspi-tcp")
    port = free_port(address)
    if user != "root":
        options += ("-u", str(NOBODY), "-g", str(NOBODY))
    # The path of the server, which finds the binary under its names.
    return Super([path, *options, address, str(port), *before,
                  *command.split(), *args], address, port, trial.bin)


# Its environment is the only source of an address that is not asked for.
@test
def environment():
    """tcpserver, TCPREMOTEIP and REMOTE_HOST"""
    trial = Trial()
    login = trial.login()
    simple("tcpserver, -R TCPREMOTEIP", start, trial,
           trial.login("-R", "TCPREMOTEIP"))
    simple("tcpserver, TCPREMOTEIP before the socket", start, trial, login,
           before=["env", "TCPREMOTEIP=192.0.2.1"], client="192.0.2.1")
    simple("tcpserver, TCPREMOTEIP before REMOTE_HOST", start, trial, login,
           before=["env", "REMOTE_HOST=192.0.2.1"])
    simple("tcpserver, REMOTE_HOST", start, trial, login, before=[
        "env", "-u", "TCPREMOTEIP", "REMOTE_HOST=192.0.2.2"],
        client="192.0.2.2")
    simple("tcpserver, an empty TCPREMOTEIP", start, trial, login, before=[
        "env", "TCPREMOTEIP=", "REMOTE_HOST=192.0.2.3"], client="192.0.2.3")
    simple("tcpserver, neither variable", start, trial, login,
           before=["env", "-u", "TCPREMOTEIP"])
    simple("tcpserver, -r", start, trial, trial.login("-r", "192.0.2.4"),
           client="192.0.2.4")


@test
def names():
    """tcpserver, other names"""
    trial = Trial()
    for command in ("mdpop3d", "in.mdpop3d", "popbox in.mdpop3d"):
        simple("tcpserver, " + command, start, trial, trial.login(),
               command=command)


@test
def manual_page():
    """tcpserver, the example of the manual page"""
    trial = Trial()
    # tcpserver OPTIONS 0 110 COMMAND
    words = manual(r"^\.Dl tcpserver ([^\n]*)$").split()
    at = words.index("110")
    simple("tcpserver, as in the manual page", start, trial, trial.login(),
           options=tuple(words[:at - 1]), command=" ".join(words[at + 1:]))


Questions("tcpserver", start, six=False, shared=False)

run_tests(jobs=2)
