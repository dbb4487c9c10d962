#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The samples in contrib/inetd and contrib/systemd, with the programs that
# they are for. Those in contrib/stunnel are in stunnel.t.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from superservers import *
import ucspitls
from ucspitls import (SecureClient, all_need, certificate, sample,
                      stunnel_program)

all_need()


def text_of(name):
    with open("%s/contrib/%s" % (ucspitls.SOURCES, name)) as file:
        return file.read()


class Secure:
    """A Super whose clients begin TLS at once."""

    def __init__(self, server):
        self._server = server

    def __getattr__(self, name):
        return getattr(self._server, name)

    def connect(self):
        sock = socket.create_connection((self.address, self.port), PATIENCE)
        sock.settimeout(None)
        client = SecureClient(sock)
        client.begin()
        return client


def inetd_conf(trial, args):
    """For stunnel, below an inetd."""
    cert, key = certificate()
    return sample("stunnel/popbox-inetd.conf", {
        "cert": cert, "key": key, "exec": trial.bin + "/popbox",
        "execArgs": lambda was: " ".join([was, *args])})


def session_of(what, server, trial, args, tls, address):
    """A whole session; the log knows who it was."""
    if tls:
        server = Secure(server)
    with server.connect() as client:
        converse(what, client, args)
    log = r"\[%s\]\[%s\] quit" % (re.escape(address), NAME)
    like(server.log.wait(log), log, what + ": the log names the client",
         server.errors())
    none_left(what, server, trial)


# ---- inetd and xinetd --------------------------------------------------------

def inetd(line):
    fields = line.split()
    tls, six = fields[0] == "pop3s", fields[2] == "tcp6"
    what = "contrib/inetd/inetd.conf, %s, %s" % (fields[0], fields[2])
    address = "::1" if six else "127.0.0.1"
    trial = Trial()
    args = trial.login()
    port = free_port(address)
    fields[0] = ("[%s]:%d" if six else "%s:%d") % (address, port)
    if tls:
        fields[5:] = [stunnel_program(), "stunnel", inetd_conf(trial, args)]
    else:
        fields[5] = trial.bin + "/" + os.path.basename(fields[5])
        fields += args
    conf = write(scratch("inetd") + "/inetd.conf", " ".join(fields) + "\n")
    server = Super([superserver("inetd", "openbsd-inetd"), "-i", conf],
                   address, port)
    session_of(what, server, trial, args, tls, address)


@test
def inetd_lines():
    """contrib/inetd/inetd.conf"""
    lines = [line for line in text_of("inetd/inetd.conf").splitlines()
             if line and not line.startswith("#")]
    is_(len(lines), 4, "contrib/inetd/inetd.conf has four services")
    spread(inetd, [(line,) for line in lines], jobs=2)


def xinetd(name, body):
    tls = name == "pop3s"
    trial = Trial()
    args = trial.login()
    port = free_port()
    words = inetd_conf(trial, args) if tls else " ".join(args)
    body = re.sub(r"(?m)^(\s*server\s*=).*", lambda m: "%s %s" % (
        m.group(1), stunnel_program() if tls else trial.bin + "/mdpop3d"),
        body)
    body = re.sub(r"(?m)^(\s*server_args\s*=)(.*)", lambda m: "%s %s" % (
        m.group(1), words if tls else m.group(2) + " " + words), body)
    home = scratch("xinetd")
    write(home + "/conf", "service %s\n{\n%s\ttype = UNLISTED\n\tbind = "
          "127.0.0.1\n\tport = %d\n\tlog_type = FILE /dev/null\n}\n" % (
              name, body, port))
    server = Super([superserver("xinetd"), "-dontfork", "-filelog",
                    home + "/log", "-pidfile", home + "/pid", "-f",
                    home + "/conf"], "127.0.0.1", port)
    session_of("contrib/inetd/xinetd.conf, " + name, server, trial, args, tls,
               "127.0.0.1")


@test
def xinetd_services():
    """contrib/inetd/xinetd.conf"""
    services = re.findall(r"(?ms)^service (\w+)\n\{\n(.*?)^\}",
                          text_of("inetd/xinetd.conf"))
    is_([name for name, _ in services], ["pop3", "pop3s"],
        "contrib/inetd/xinetd.conf has two services")
    spread(xinetd, services, jobs=2)


# ---- systemd -----------------------------------------------------------------

def unit(name):
    """{key: [values]} of a unit's lines that count."""
    found = {}
    for line in text_of("systemd/" + name).splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def confined(settings):
    """The start of a command that has these capabilities and no others."""
    names = settings["CapabilityBoundingSet"][0].split()
    return [program("setpriv", "util-linux"), "--bounding-set", ",".join(
        ["-all"] + ["+" + name[4:].lower() for name in names])]


def activated(name, options, more=()):
    what = "contrib/systemd/" + name
    settings = unit(name)
    trial = Trial()
    args = trial.login()
    port = free_port()
    command = settings["ExecStart"][0].lstrip("-").split()
    server = Super(
        [program("systemd-socket-activate", "systemd"), *options,
         "-l127.0.0.1:%d" % port, *confined(settings),
         trial.bin + "/" + os.path.basename(command[0]), *command[1:],
         *args, *more], "127.0.0.1", port)
    return what, server, trial, args


@test
def systemd_listener():
    """contrib/systemd/mdpop3d.service"""
    # setpriv has to keep its pid, or it would not be who is activated.
    what, server, trial, args = activated("mdpop3d.service", [])
    session_of(what, server, trial, args, False, "127.0.0.1")


@test
def systemd_sessions():
    """contrib/systemd/mdpop3d@.service"""
    what, server, trial, args = activated(
        "mdpop3d@.service", ["-a", "--inetd", "-E", "REMOTE_ADDR=192.0.2.5"])
    session_of(what, server, trial, args, False, "192.0.2.5")


@test
def systemd_units():
    """contrib/systemd, by systemd-analyze"""
    home = scratch("units")
    names = ("mdpop3d.socket", "mdpop3d.service", "mdpop3d@.service")
    for name in names:
        # It looks whether the programs and pages are there.
        text = text_of("systemd/" + name)
        text = re.sub(r"(?m)^(ExecStart=-?)\S+", r"\1/bin/true", text)
        write(home + "/" + name, text, 0o644)
    os.symlink("mdpop3d@.service", home + "/mdpop3d@1.service")
    status, said = run([program("systemd-analyze", "systemd"), "verify",
                        "--man=no", *("%s/%s" % (home, name) for name in (
                            *names[:2], "mdpop3d@1.service"))])
    is_((status, [line for line in said.splitlines() if "mdpop3d" in line]),
        (0, []), "contrib/systemd: no complaints", said)
    is_(unit("mdpop3d.socket")["ListenStream"], ["110"],
        "contrib/systemd: the port")


run_tests(jobs=2)
