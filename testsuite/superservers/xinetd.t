#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# xinetd; its clients are on standard error, too.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


# Beyond the example of the manual page: a port, no limits.
MORE = """
	type = UNLISTED
	bind = %s
	port = %d
	flags = %s
	instances = UNLIMITED
	per_source = UNLIMITED
	cps = 100000 1
	log_type = FILE /dev/null
}
"""


def start(trial, args, user="root", address="127.0.0.1", as_is=False):
    path = superserver("xinetd")
    port = free_port(address)
    service = manual(r"(service pop3\n\{\n.*?)^\}")
    if as_is:
        found = re.search(r"server_args\s*=\s*(.*)", service)
        args = [*found.group(1).split(), *args]
    for key, value in (("user", user), ("server", trial.bin + "/mdpop3d"),
                       ("server_args", " ".join(args))):
        service, count = re.subn(r"(?m)^(\s*%s\s*=).*" % key,
                                 lambda m: m.group(1) + " " + value, service)
        if count != 1:
            raise AssertionError("the manual page's xinetd example has no "
                                 + key)
    flags = "IPv6" if ":" in address else "IPv4"
    home = scratch("xinetd")
    write(home + "/conf", service + MORE % (address, port, flags))
    return Super([path, "-dontfork", "-filelog", home + "/log", "-pidfile",
                  home + "/pid", "-f", home + "/conf"], address, port)


@test
def manual_page():
    """xinetd, the example of the manual page"""
    trial = Trial()
    simple("xinetd, the example of the manual page", start, trial,
           trial.login(), as_is=True)


@test
def environment():
    """xinetd, REMOTE_HOST"""
    trial = Trial()
    simple("xinetd, -R REMOTE_HOST", start, trial,
           trial.login("-R", "REMOTE_HOST"))
    simple("xinetd, -R REMOTE_HOST, IPv6", start, trial,
           trial.login("-R", "REMOTE_HOST"), address="::1")


Questions("xinetd", start)

run_tests(jobs=2)
