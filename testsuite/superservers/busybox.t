#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# tcpsvd of busybox, where it is configured: Debian's has none, so this is no
# failure in CI either.  BUSYBOX names another binary.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


BUSYBOX = os.environ.get("BUSYBOX") or shutil.which("busybox")


def has_tcpsvd():
    if not BUSYBOX:
        return False
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True,
                             text=True).stdout
    return "tcpsvd" in applets.split()


if not has_tcpsvd():
    skip_all("no busybox with tcpsvd")


def start(trial, args, user="root", address="127.0.0.1", options=()):
    port = free_port(address)
    if user != "root":
        options += ("-u", user)
    return Super([BUSYBOX, "tcpsvd", *options, address, str(port),
                  trial.bin + "/popbox", "mdpop3d", *args], address, port)


@test
def environment():
    """busybox tcpsvd, with and without TCPREMOTEIP"""
    trial = Trial()
    # Its TCPREMOTEADDR is ADDRESS:PORT, its TCPREMOTEHOST a name.
    simple("busybox tcpsvd -E", start, trial, trial.login(), options=("-E",))


Questions("busybox tcpsvd", start, shared=False)

run_tests(jobs=2)
