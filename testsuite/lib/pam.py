# SPDX-License-Identifier: GPL-2.0-or-later
"""Real PAM with services, users and modules of the test's own.

    pam = Pam()
    pam.add("joe", "secret")
    pam.service("pop3", "auth required pam_unix.so",
                "account required pam_unix.so")
    verdict = pam.ask("joe", "secret")          # of popbox-pam, on fd 3 and 4
    with pam.login("joe", "secret") as c:       # through mdpop3d
        is_(c.pass_reply, b"+OK\\r\\n", "login")

What is in /etc/pam.d, /etc/passwd and /etc/shadow of the machine plays no
part and stays as it is: each server has mounts of its own.
"""

import fcntl
import os
import select
import signal
import socket
import subprocess
import threading
import time

from popbox import *

_here = os.path.dirname(os.path.abspath(__file__))
_top = os.path.dirname(os.path.dirname(_here))
_modules = {}
_compiling = threading.Lock()

# What whoever runs the tests has left open is not for those we start.
for _fd in map(int, os.listdir("/proc/self/fd")):
    try:
        os.set_inheritable(_fd, _fd <= 2)
    except OSError:
        pass

# enum au_result in libmd/auth.h
(OK, UNKNOWN, PASSWORD, LOCKED, EXPIRED, SCHEME, UID, TROUBLE, ENTRY
 ) = range(9)

RECORD_FIELDS = 8


def need_pam():
    """Ends the file where there is no PAM in this build, or no root."""
    if not config("FEATURE_MDPOP3D_PAM"):
        skip_all("no PAM in this build")
    if os.geteuid() != 0:
        skip_all("needs root, as logins do")


def need_helper():
    need_pam()
    if config("PAM_INPROC"):
        skip_all("PAM without the helper: there is no popbox-pam")


def helper():
    return config("PAM_HELPER")


def module(name):
    """The path of testsuite/pam/NAME.c as a shared object."""
    with _compiling:
        if name not in _modules:
            path = "%s/%s.so" % (scratch("module"), name)
            # The sample has the server's MD5; nothing else is ours.
            more = (["%s/libmd/%s.c" % (_top, part)
                     for part in ("base", "md5")]
                    if name == "pam_apop" else [])
            subprocess.run(
                ["gcc", "-std=gnu99", "-Wall", "-Wextra", "-Werror", "-O1",
                 "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-fPIC",
                 "-shared", "-Wl,--no-undefined", "-I", _top + "/libmd",
                 "-o", path, "%s/testsuite/pam/%s.c" % (_top, name), *more,
                 "-lpam"],
                check=True)
            _modules[name] = path
        return _modules[name]


class Verdict:
    """What popbox-pam answered: the fields, and how it ended."""

    def __init__(self, status, record, heard, took):
        self.status, self.heard, self.took = status, heard, took
        self.record = record
        fields = record.split(b"\0")
        self.whole = (len(fields) == RECORD_FIELDS + 1 and
                      fields[-1] == b"" and len(record) <= 4096)
        if not self.whole:
            self.code = self.name = None
            return
        self.code = int(fields[0])
        (self.name, self.uid, self.gid, self.groups, self.home, self.maildir,
         self.detail) = [f.decode("latin-1") for f in fields[1:-1]]

    def __repr__(self):
        return "status %d, record %r, heard %r, %.1f s" % (
            self.status, self.record, self.heard, self.took)


class Pam(SystemUsers):
    """Users and services; modules and files below .home."""

    def __init__(self):
        super().__init__()
        os.mkdir(self.home + "/pam.d")
        # What a missing service falls back to lets nobody in by mistake.
        self.service("other", "auth required pam_deny.so",
                     "account required pam_deny.so")

    def service(self, name, *lines):
        """/etc/pam.d/NAME"""
        with open("%s/pam.d/%s" % (self.home, name), "w") as file:
            file.write("\n".join(lines) + "\n")
        return self

    def unix(self, name="pop3", *before):
        """A service that is as most systems have it."""
        return self.service(name, *before, "auth required pam_unix.so",
                            "account required pam_unix.so")

    def odd(self, *args, name="pop3"):
        """A service of testsuite/pam/pam_odd.c with these arguments."""
        what = "%s %s" % (module("pam_odd"), " ".join(
            "[%s]" % a if " " in a else a for a in args))
        return self.service(name, "auth required " + what,
                            "account required " + what)

    def script(self, text, name="script"):
        """An executable of the test's own; its path."""
        path = "%s/%s" % (self.home, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def file(self, name, text=""):
        path = "%s/%s" % (self.home, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def wrap(self, extra=""):
        return super().wrap("mount --bind '%s/pam.d' /etc/pam.d\n%s" % (
            self.home, extra))

    def ask(self, user, password, *args, stamp=b"", data=None, env=None,
            program=(), caller=(), limit=None, client=None):
        """popbox-pam, as the server or, with `program`, anyone runs it.

        `data` replaces the whole request, `caller` is a command between.
        The Verdict's .heard is what came over descriptors 0 to 2, which are
        one socket, as an inetd has it.
        """
        if data is None:
            data = b"".join(_bytes(f) + b"\0"
                            for f in (user, password, stamp))
        argv = [*self.wrap(), *caller, helper(), *args, *program]
        return _converse(argv, data, env or {}, limit or PATIENCE, client)

    def login(self, user, password, *args, wrap="", **how):
        """A client of mdpop3d after USER and PASS, as login() makes them."""
        client = start("-e", *args, wrap=self.wrap(wrap), **how)
        client.greeting = client.line()
        client.user_reply = client.cmd(b"USER " + _bytes(user))
        client.began = time.monotonic()
        client.pass_reply = client.cmd(b"PASS " + _bytes(password), 90)
        client.took = time.monotonic() - client.began
        return client


def _bytes(text):
    return text.encode() if isinstance(text, str) else text


def _high(fd):
    """Out of the way of 0 to 4."""
    new = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 30)
    os.close(fd)
    return new


def _converse(argv, data, env, limit, client):
    ours, theirs = socket.socketpair()
    if client:
        ours.sendall(client)
        ours.shutdown(socket.SHUT_WR)
    request_out, request_in = map(_high, os.pipe())
    # Each write is a packet of its own: an answer is one.
    answer_out, answer_in = map(_high, os.pipe2(os.O_DIRECT | os.O_CLOEXEC))
    their_fd = _high(theirs.detach())
    began = time.monotonic()
    pid = os.posix_spawnp(argv[0], argv, {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **env}, file_actions=[
            (os.POSIX_SPAWN_DUP2, their_fd, fd) for fd in (0, 1, 2)] + [
            (os.POSIX_SPAWN_DUP2, request_out, 3),
            (os.POSIX_SPAWN_DUP2, answer_in, 4)])
    for fd in (their_fd, request_out, answer_in):
        os.close(fd)
    try:
        os.write(request_in, data)
    except BrokenPipeError:
        pass
    os.close(request_in)
    record, heard = _read(answer_out, limit), _read_all(ours, limit)
    status = _wait(pid, began + limit)
    os.close(answer_out)
    ours.close()
    return Verdict(status, record, heard, time.monotonic() - began)


def _read(fd, limit):
    """One packet; what follows it up to the end spoils it."""
    got = b""
    for _ in range(2):
        if select.select([fd], [], [], limit)[0]:
            packet = os.read(fd, 1 << 16)
            got = got + b"AND" + packet if got and packet else got or packet
    return got


def _read_all(sock, limit):
    sock.settimeout(limit)
    got = b""
    try:
        while True:
            more = sock.recv(1 << 16)
            if not more:
                return got
            got += more
    except (TimeoutError, ConnectionError):
        return got


def _wait(pid, deadline):
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -9


def processes_with(words):
    """Those that have this in their command lines; the tests' own not."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                line = file.read()
        except OSError:
            continue
        if words.encode() in line and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def dumped(path):
    """What pam_odd's dump= has written: one dict for each step."""
    steps = []
    with open(path, encoding="latin-1", newline="\n") as file:
        for line in file.read().split("\n"):
            key, _, value = line.partition("=")
            if key == "step":
                steps.append({"step": value, "fds": {}})
            elif steps and key.startswith("fd"):
                steps[-1]["fds"][int(key[2:])] = value
            elif steps and key:
                steps[-1][key] = value
    return steps
