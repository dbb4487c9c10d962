#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd-socket-activate: a service for each session (-a --inetd, which is
# Accept=yes with StandardInput=socket), and one for all, with mdpop3d's own
# listener on the sockets it is handed.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *


def launch(trial, args, user, listen, options, address, port):
    path = superserver("systemd-socket-activate", "systemd")
    argv = [path, *options, *(["-l" + where for where in listen]),
            trial.bin + "/mdpop3d", *args]
    if user != "root":
        argv = ["setpriv", "--reuid=" + user, "--regid=nogroup",
                "--clear-groups", *argv]
    return Super(argv, address, port)


def per_session(trial, args, user="root", address="127.0.0.1", options=()):
    port = free_port(address)
    where = "[%s]:%d" if ":" in address else "%s:%d"
    return launch(trial, args, user, [where % (address, port)],
                  ["-a", "--inetd", *options], address, port)


def own_listener(trial, args, user="root", address="127.0.0.1"):
    need("FEATURE_MDPOP3D_LISTEN")
    port = free_port(address)
    where = "[%s]:%d" if ":" in address else "%s:%d"
    # All clients have one address: it must not have to wait.
    return launch(trial, ["-b", "0", *args], user, [where % (address, port)],
                  [], address, port)


@test
def environment():
    """systemd-socket-activate -a --inetd, -R REMOTE_ADDR"""
    # As systemd sets it for Accept=yes; this program does not.
    trial = Trial()
    simple("systemd -a --inetd, -R REMOTE_ADDR", per_session, trial,
           trial.login("-R", "REMOTE_ADDR"),
           options=["-E", "REMOTE_ADDR=192.0.2.5"], client="192.0.2.5")


def both(what, server, args, address):
    with connect(server, address=address) as client:
        converse("%s, %s" % (what, address), client, args)
    like(server.log.wait(r"\[%s\].*quit" % re.escape(address)),
         r"\[%s\]\[%s\] quit" % (re.escape(address), NAME),
         "%s: the log names %s" % (what, address), server.errors())


@test
def both_families():
    """systemd-socket-activate, one socket for IPv4 and IPv6"""
    for options in (["-a", "--inetd"], []):
        if not options:
            need("FEATURE_MDPOP3D_LISTEN")
        what = "systemd %s, ListenStream=PORT" % " ".join(options)
        trial = Trial()
        args, port = trial.login(), free_port("::")
        server = launch(trial, args, "root", [str(port)], options,
                        "127.0.0.1", port)
        both(what, server, args, "127.0.0.1")
        both(what, server, args, "::1")


@test
def two_sockets():
    """systemd-socket-activate, two sockets for one listener"""
    need("FEATURE_MDPOP3D_LISTEN")
    trial = Trial()
    args, ports = trial.login(), [free_port(), free_port("::1")]
    server = launch(trial, args, "root",
                    ["127.0.0.1:%d" % ports[0], "[::1]:%d" % ports[1]], [],
                    "127.0.0.1", ports[0])
    for address, server.port in zip(("127.0.0.1", "::1"), ports):
        both("systemd, two sockets", server, args, address)


@test
def own_listener_misuse():
    """systemd-socket-activate, wrong arguments of the listener"""
    for args in (["-Y"], ["-R", "REMOTE_ADDR"], ["-r", "192.0.2.1"]):
        what = "systemd-socket-activate, " + args[0]
        trial = Trial()
        server = own_listener(trial, trial.login(*args))
        try:
            server.connect()
        except ConnectionError:     # it has ended already
            pass
        try:
            status = server.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = "it runs on"
        is_(status, 100, what + ": exit status 100", server.errors())
        like(server.errors(), "mdpop3d: ", what + ": a message says why")


Questions("systemd-socket-activate -a --inetd", per_session, shared=False)
Questions("systemd-socket-activate", own_listener, shared=False, own=True)

run_tests(jobs=2)
