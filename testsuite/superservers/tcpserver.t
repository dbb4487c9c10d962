#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# tcpserver of ucspi-tcp.  Without -l 0 -H -R it asks DNS and ident first.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


def start(trial, args, user="root", address="127.0.0.1",
          run=("popbox", "mdpop3d"), before=()):
    path = superserver("tcpserver", "ucspi-tcp")
    port = free_port(address)
    argv = [path, "-l", "0", "-H", "-R"]
    if user != "root":
        argv += ["-u", str(NOBODY), "-g", str(NOBODY)]
    return Super(argv + [address, str(port), *before,
                         trial.bin + "/" + run[0], *run[1:], *args],
                 address, port)


Questions("tcpserver", start, six=False, shared=False)

run_tests(jobs=2)
