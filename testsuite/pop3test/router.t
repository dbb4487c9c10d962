#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test where there is nothing else: no shell, no library, no /etc

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()
if not config("STATIC"):
    skip_all("a binary with libraries")

MAIL = [b"A: b\r\n\r\nhello\r\n", b"A: b\r\n\r\n.dot\r\n"]
OCTETS = sum(map(len, MAIL))


# Before there are threads: what is being written cannot be executed.
ROOT = scratch("router")
shutil.copy(POPBOX, ROOT + "/popbox")
os.mkdir(ROOT + "/mnt")
os.chmod(ROOT + "/mnt", 0o777)


def alone(*args, stdin=b"pw\n"):
    """In a root directory that holds the binary and /mnt, as anybody."""
    need_root()

    def enter():
        os.chroot(ROOT)
        os.chdir("/")
        os.setgroups([])
        os.setgid(PLAIN)
        os.setuid(PLAIN)

    return subprocess.run(["/popbox", "pop3test", *args], input=stdin,
                          preexec_fn=enter, env={}, capture_output=True,
                          timeout=PATIENCE)


@test
def check():
    """check, with a password from a descriptor"""
    server = Fake(ordinary(MAIL))
    done = alone("check", "-u", "al", "-P", "fd:0", server.target)
    is_((done.returncode, done.stderr), (0, b""), "one command, no other")
    like(done.stdout, r"\APOP3 OK - 2 messages \(%d octets\)" % OCTETS,
         "the line for the administrator")
    is_(sorted(os.listdir(ROOT)), ["mnt", "popbox"],
        "there was nothing else")


@test
def name():
    """a name without /etc/hosts"""
    server = Fake(ordinary(MAIL))
    port = server.target.rpartition(":")[2]
    done = alone("check", "localhost:" + port)
    is_(done.returncode, 0, "localhost needs no /etc/hosts")
    done = alone("check", "-t", "1", "mail.example.org:" + port)
    is_(done.returncode, 3, "another name needs a name server: exit 3")
    like(done.stdout, r"\APOP3 UNKNOWN - mail\.example\.org",
         "and the line says which name")


@test
def fetch():
    """get into a Maildir that is made"""
    server = Fake(ordinary(MAIL))
    done = alone("get", "all", "/mnt/Maildir", "-u", "al", "-P",
                       "fd:0", server.target)
    is_((done.returncode, done.stderr), (0, b""), "get all")
    new = ROOT + "/mnt/Maildir/new/"
    found = []
    for entry in sorted(os.listdir(new)):
        with open(new + entry, "rb") as file:
            found.append(file.read())
    is_(sorted(found), sorted(m.replace(b"\r\n", b"\n") for m in MAIL),
        "every message")


run_tests()
