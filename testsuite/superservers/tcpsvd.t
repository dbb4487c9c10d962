#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# tcpsvd of ipsvd.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


def start(trial, args, user="root", address="127.0.0.1", options=()):
    path = superserver("tcpsvd", "ipsvd")
    port = free_port(address)
    if user != "root":
        options += ("-u", user)
    return Super([path, "-l", "localhost", *options, address, str(port),
                  trial.bin + "/mdpop3d", *args], address, port)


@test
def environment():
    """tcpsvd, with and without TCPREMOTEIP"""
    trial = Trial()
    simple("tcpsvd, -R TCPREMOTEIP", start, trial,
           trial.login("-R", "TCPREMOTEIP"))
    # -E: no environment; the address comes from the socket.
    simple("tcpsvd -E", start, trial, trial.login(), options=("-E",))


Questions("tcpsvd", start, six=False, shared=False)

run_tests(jobs=2)
