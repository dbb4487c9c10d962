#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# mutt and neomutt on a terminal of the test's own, driven by pushed keys.

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *

# Neither copies a message of zero bytes, and that ends the copying of all:
# it is not in their mailbox.
UNCOPIED = ["zero bytes"]

_NO_HEADER = ("mutt puts a blank line before what is no header",
              lambda stored: b"\n" + stored)
_NO_END = ("mutt ends a header that nothing follows",
           lambda stored: stored + b"\n")
_NUL = ("mutt ends lines at a NUL",
        lambda stored: re.sub(rb"\0[^\n]*", b"", stored))
# The line of these is 16 times as long, with its CR.
_CUT = ("mutt reads 1023 octets at a time and takes a CR at their end for a "
        "line's", lambda stored: stored.replace(b"p\n", b"p\n\n"))
ALTERED = {
    "one byte": _NO_HEADER,
    "one dot": _NO_HEADER,
    "only dots": _NO_HEADER,
    "no colon, no blank line": _NO_HEADER,
    "long line without end": _NO_HEADER,
    "dot in the header": (
        _NO_HEADER[0], lambda stored: stored.replace(b"\n", b"\n\n", 1)),
    "headers only": _NO_END,
    "headers without newline": _NO_END,
    "CR CR LF": ("mutt takes CR CR LF for the end of the header",
                 lambda stored: stored.replace(b"\n\r\n", b"\n\n")),
    "NULs": _NUL,
    "every byte": _NUL,
    "CRLF| at 16384": _CUT,
    "LF,dot| at 16384": _CUT,
    "dot line over 16384": _CUT,
}

SETTINGS = """
set pop_user=%s pop_pass="%s" pop_authenticators=user
set ssl_starttls=no ssl_force_tls=no
set pop_delete=no delete=yes quit=yes pop_reconnect=no
set confirmappend=no confirmcreate=no wait_key=no beep=no mark_old=no copy=no
set mbox_type=Maildir folder=%s sort=mailbox-order
unset help
"""


def on_terminal(argv, home, limit=LIMIT):
    """Runs argv on a pseudo-terminal; (wait status, what it wrote)."""
    path = program(argv[0])
    env = {"PATH": "/usr/bin:/bin", "HOME": home, "TERM": "xterm",
           "LC_ALL": "C"}
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.chdir(home)
            os.execve(path, argv, env)
        finally:
            os._exit(127)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    written, end = b"", time.monotonic() + limit
    while True:
        ready, _, _ = select.select([fd], [], [],
                                    max(end - time.monotonic(), 0))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            break
        try:
            part = os.read(fd, 1 << 16)
        except OSError:         # the other end is closed
            break
        written += part
    os.close(fd)
    return os.waitpid(pid, 0)[1], written.decode("latin-1")


def mutt(name, server, keys, password=PASSWORD):
    """Opens the mailbox, types keys; (home, status, what it wrote)."""
    program(name)
    home = scratch(name)
    write(home + "/rc", SETTINGS % (NAME, password, home))
    status, said = on_terminal([
        name, "-n", "-F", home + "/rc", "-f",
        "pop://%s@%s:%d" % (NAME, server.address, server.port),
        "-e", 'push "%s"' % keys.replace("~/", home + "/")], home)
    return home, status, said


def plain(stored):
    """Without the fields that mutt counts itself."""
    return re.sub(rb"Content-Length: \d+\nLines: \d+\n(?=\n)", b"", stored, 1)


def fetch(name):
    box = Mailbox(catalogue(without=UNCOPIED))
    server = box.serve()
    home, status, said = mutt(name, server, (
        "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>~/out"
        "<enter><quit>"))
    is_(status, 0, name + " copies", said[-400:])
    got = [plain(data) for data in maildir_files(home + "/out")]
    same(name + " (without zero bytes)", box, got, lf, ALTERED)
    kept(name, box)
    logged_quit(name, server)


def delete(name):
    box = Mailbox(catalogue(without=UNCOPIED))
    server = box.serve()
    labels = box.labels()
    _, status, said = mutt(name, server,
                           "<delete-pattern>~m 3-9<enter><quit>")
    is_(status, 0, name + " deletes", said[-400:])
    is_(box.left(), labels[:2] + labels[9:],
        name + ": exactly the deleted are removed")
    _, status, said = mutt(name, server,
                           "<delete-pattern>~m 1-2<enter><exit>")
    is_(box.left(), labels[:2] + labels[9:],
        name + ": <exit> removes nothing")


def refused(name):
    server = Mailbox(catalogue()[:2]).serve()
    _, _, said = mutt(name, server, "<quit>", "wrong")
    ok("login incorrect" in said, name + " shows why the login failed",
       said[-400:])


@test
def mutt_fetch():
    """mutt copies all messages"""
    fetch("mutt")


@test
def mutt_delete():
    """mutt deletes some"""
    delete("mutt")


@test
def mutt_refused():
    """mutt with a wrong password"""
    refused("mutt")


@test
def neomutt_fetch():
    """neomutt copies all messages"""
    fetch("neomutt")


@test
def neomutt_delete():
    """neomutt deletes some"""
    delete("neomutt")


@test
def neomutt_refused():
    """neomutt with a wrong password"""
    refused("neomutt")


run_tests(jobs=2)
