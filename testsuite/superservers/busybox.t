#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# tcpsvd and inetd of busybox, where they are configured: Debian's has neither,
# so this is no failure in CI either.  BUSYBOX names another binary.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


BUSYBOX = os.environ.get("BUSYBOX") or shutil.which("busybox")
APPLETS = subprocess.run(
    [BUSYBOX, "--list"], capture_output=True, text=True,
    check=False).stdout.split() if BUSYBOX else []


def tcpsvd(trial, args, user="root", address="127.0.0.1", options=()):
    port = free_port(address)
    if user != "root":
        options += ("-u", user)
    return Super([BUSYBOX, "tcpsvd", *options, address, str(port),
                  trial.bin + "/popbox", "mdpop3d", *args], address, port)


def inetd(trial, args, user="root", address="127.0.0.1"):
    port = free_port(address)
    where = "[%s]:%d" if ":" in address else "%s:%d"
    conf = write(scratch("inetd") + "/inetd.conf", " ".join([
        where % (address, port), "stream",
        "tcp6" if ":" in address else "tcp", "nowait", user,
        trial.bin + "/in.mdpop3d", "mdpop3d", *args]) + "\n")
    # -R 0: no limit on connections in a minute.
    return Super([BUSYBOX, "inetd", "-f", "-R", "0", conf], address, port)


if "tcpsvd" in APPLETS:
    @test
    def environment():
        """busybox tcpsvd without TCPREMOTEIP"""
        trial = Trial()
        simple("busybox tcpsvd -E", tcpsvd, trial, trial.login(),
               options=("-E",))

    Questions("busybox tcpsvd", tcpsvd, shared=False)
else:
    skip("busybox tcpsvd", "no busybox with tcpsvd")

if "inetd" in APPLETS:
    Questions("busybox inetd", inetd)
else:
    skip("busybox inetd", "no busybox with inetd")

run_tests(jobs=2)
