#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems.

In Python because it mounts them, in a namespace of its own. What the
commands used here do is in mdpop3d/*.pop3.
"""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

NOT_REMOVED = b"-ERR [SYS/TEMP] some deleted messages not removed\r\n"


def mixed():
    """Messages 1 to 3 in cur/, 4 to 6 in new/."""
    box = Maildir()
    for n in (1, 2, 3):
        box.add("cur", "%d.c:2,S" % n)
    for n in (4, 5, 6):
        box.add("new", "%d.n" % n)
    return box


def finish(c):
    """QUIT, and all that comes after it."""
    c.send("QUIT\r\n")
    got = c.rest()
    c.server.wait()
    return got


@test
def all_fail():
    """C106 a read-only file system"""
    need_root()
    box = mixed()
    wrap = with_files({}, "mount --bind '%s' '%s' && "
                      "mount -o remount,bind,ro '%s'" % ((box.path,) * 3))
    with session(box, wrap=wrap) as c:
        is_(c.multi("RETR 1")[0], b"+OK\r\n", "C106 RETR")
        is_(c.multi("RETR 4")[0], b"+OK\r\n", "C106 RETR from new")
        c.cmd("DELE 1")
        is_(finish(c), NOT_REMOVED, "C106 QUIT with a deletion")
        like(c.server.log(), r"quit \(6/\d+ msgs/bytes left, 0/0 deleted\)",
             "C106 the log counts it as left")
    is_((box.names("new"), box.names("cur")),
        ([b"4.n", b"5.n", b"6.n"], [b"1.c:2,S", b"2.c:2,S", b"3.c:2,S"]),
        "C106 all are there")
    with session(box, wrap=wrap) as c:
        c.multi("RETR 1")
        is_(finish(c), b"+OK\r\n", "C106 QUIT without one")


def make_ext2(path):
    """A file system that stores no file types (DT_UNKNOWN)."""
    mkfs = shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not mkfs:
        raise Skip("no mke2fs")
    with open(path, "wb") as file:
        file.truncate(2 << 20)
    subprocess.run([mkfs, "-q", "-F", "-O", "^filetype", path], check=True,
                   capture_output=True)


@test
def unknown_types():
    """C69 a file system that does not tell the types of files"""
    need_root()
    top = scratch("ext")
    make_ext2(top + "/image")
    os.mkdir(top + "/at")
    script = """
        mount -o loop "%s/image" "%s/at" 2>/dev/null || exit 77
        cd "%s/at" && mkdir new cur tmp cur/dir || exit 1
        echo a >new/1.x; echo b >cur/2.y:2,; echo c >cur/.dot
        ln -s 2.y:2, cur/3.link; mkfifo cur/4.fifo
        exec "$@" """ % (top, top, top)
    with start("-a", "-e", "-m", top + "/at", wrap=[
            *private_mounts(), "sh", "-c", script, "sh"]) as c:
        first = c.line()
        if first == b"" and c.server.wait() == 77:
            raise Skip("no loop mounts")
        is_(first, b"+OK\r\n", "C69 greeting", c.server.log())
        is_(c.cmd("STAT"), b"+OK 2 6\r\n", "C69 the two messages")
        is_(c.multi("UIDL"), (b"+OK\r\n", b"1 1.x\r\n2 2.y\r\n"),
            "C69 and only they")
        is_(c.multi("RETR 2"), (b"+OK\r\n", b"b\r\n"), "C69 RETR")
        is_(c.cmd("DELE 2"), b"+OK\r\n", "C69 DELE")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C69 QUIT")


run_tests()
