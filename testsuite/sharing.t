#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Other programs at work in the Maildir while a session has it.

What counts is the file, not its name: an IMAP server may rename messages
at any time, and names of removed messages may come back.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

NOT_REMOVED = b"-ERR [SYS/TEMP] some deleted messages not removed\r\n"
# The two names of twins: in both directories, or both in cur/.
PAIRS = ((("new", "1.same.host"), ("cur", "1.same.host:2,S")),
         (("cur", "1.same.host:2,"), ("cur", "1.same.host:2,S")),
         (("cur", "1.same.host:2,F"), ("cur", "1.same.host:2,S")))


def finish(c):
    """QUIT, and all that comes after it."""
    c.send("QUIT\r\n")
    got = c.rest()
    c.server.wait()
    return got


def swap(box, pair):
    """Renames two files so that each gets the name of the other."""
    one, two = (box.join(*place) for place in pair)
    aside = box.join("tmp", "aside")
    os.rename(one, aside)
    os.rename(two, one)
    os.rename(aside, two)


def twins(pair):
    """A Maildir with two messages of one base name, and a third."""
    box = Maildir()
    for place, data in zip(pair, (b"one\n", b"two\n")):
        box.add(*place, data)
    box.add("cur", "2.other.host:2,S", b"other\n")
    return box


@test
def swapped_twins():
    """C71 C100 two messages of one base name that change places"""
    for pair in PAIRS:
        where = "%s/%s and %s/%s" % (pair[0] + pair[1])
        for marked in (b"one", b"two"):
            box = twins(pair)
            with session(box) as c:
                before = [c.multi("RETR %d" % n)[1] for n in (1, 2, 3)]
                swap(box, pair)
                is_([c.multi("RETR %d" % n)[1] for n in (1, 2, 3)], before,
                    "C71 C100 RETR sends the same as before: " + where)
                c.cmd("DELE %d" % (1 + before.index(marked + b"\r\n")))
                is_(finish(c), b"+OK\r\n", "C71 C100 QUIT")
            is_(box.contents(), sorted({b"one\n", b"two\n", b"other\n"} -
                                      {marked + b"\n"}),
                "C71 C100 and QUIT removes the marked one: " + where)


@test
def swapped_after_mark():
    """C71 C100 twins that change places between DELE and QUIT"""
    for pair in PAIRS:
        for marked in (b"one", b"two"):
            box = twins(pair)
            with session(box, "-n") as c:
                bodies = [c.multi("RETR %d" % n)[1] for n in (1, 2)]
                c.cmd("DELE %d" % (1 + bodies.index(marked + b"\r\n")))
                swap(box, pair)
                is_(finish(c), b"+OK\r\n", "C71 C100 QUIT")
            is_(box.contents(), sorted({b"one\n", b"two\n", b"other\n"} -
                                      {marked + b"\n"}),
                "C71 C100 only the marked one is gone: %s, %s" % (
                    pair, marked.decode()))


@test
def twin_removed_by_another():
    """C71 C99 the marked one of two twins is gone already"""
    for pair in PAIRS:
        for marked, data in zip(pair, (b"one\r\n", b"two\r\n")):
            box = twins(pair)
            with session(box, "-n") as c:
                bodies = [c.multi("RETR %d" % n)[1] for n in (1, 2)]
                c.cmd("DELE %d" % (1 + bodies.index(data)))
                os.unlink(box.join(*marked))
                is_(finish(c), b"+OK\r\n", "C99 counts as removed")
            ok(len(box.contents()) == 2 and
               data.replace(b"\r", b"") not in box.contents(),
               "C71 C99 its twin stays: %s" % (marked,), box.contents())


@test
def replaced():
    """C101 another file has taken the name of a marked message"""
    for name in ("1.c:2,S", "1.c:2,RS"):
        box = Maildir().fill(2)
        path = box.add("cur", "1.c:2,S", b"marked\n")
        with session(box) as c:
            c.cmd("DELE 1")
            # Both exist for a moment: the inode is another for sure.
            other = box.add("tmp", "other", b"another\n")
            os.rename(other, box.join("cur", name))
            if name != "1.c:2,S":
                os.unlink(path)
            is_(finish(c), NOT_REMOVED, "C101 C98 %s: QUIT" % name)
            like(c.server.log(), r"quit \(3/\d+ msgs/bytes left, 0/0 deleted",
                 "C101 C98 %s: the log counts it as left" % name)
        ok(b"another\n" in box.contents(), "C101 %s: it is not removed" % name,
           box.contents())
    box = Maildir()
    box.add("cur", "1.c:2,S", b"listed\n")
    with session(box) as c:
        os.rename(box.add("tmp", "other", b"another\n"),
                  box.join("cur", "1.c:2,S"))
        like(c.cmd("RETR 1"), r"\A-ERR ", "C101 RETR does not send it either")


@test
def many_links():
    """C71 C100 a message with many names in the Maildir"""
    flags = ("D", "F", "P", "R", "S", "T", "DF", "FR", "RS")
    box = Maildir()
    path = box.add("new", "1.same.host", b"once\n")
    for letters in flags:
        os.link(path, box.join("cur", "1.same.host:2," + letters))
    box.add("cur", "2.other.host:2,", b"other\n")
    with session(box) as c:
        like(c.cmd("STAT"), r"^\+OK 2 ", "C71 is one message")
        c.cmd("DELE 1")
        os.link(path, box.join("cur", "1.same.host:2,FRST"))
        is_(finish(c), b"+OK\r\n", "C71 C100 QUIT")
    is_(box.contents(), [b"other\n"],
        "C71 C100 all %d names are gone, a late one too" % (len(flags) + 2))


@test
def late_link():
    """C71 C100 a message that gets a second name during the session"""
    for sub, name in (("cur", "1.x:2,F"), ("new", "1.x")):
        box = Maildir()
        path = box.add("cur", "1.x:2,S")
        with session(box) as c:
            c.cmd("DELE 1")
            os.link(path, box.join(sub, name))
            is_(finish(c), b"+OK\r\n", "C71 %s/%s: QUIT" % (sub, name))
        is_(box.contents(), [], "C71 %s/%s: both are gone" % (sub, name))


@test
def link_that_stays():
    """C71 C98 one of two names cannot be removed"""
    need_root()
    for closed in ("new", "cur"):
        box = Maildir(owner=PLAIN)
        path = box.add("new", "1.same.host", b"once\n")
        os.link(path, box.join("cur", "1.same.host:2,S"))
        box.add("cur", "2.other.host:2,S", b"other\n")
        os.chown(box.join(closed, ""), 0, 0)
        os.chmod(box.join(closed, ""), 0o755)
        with session(box, "-n", user=PLAIN) as c:
            c.cmd("DELE 1")
            is_(finish(c), NOT_REMOVED, "C98 %s/ is closed: QUIT" % closed)
            like(c.server.log(), r"quit \(2/\d+ msgs/bytes left, 0/0 deleted",
                 "C98 %s/ is closed: it counts as left" % closed)
        is_(sorted(set(box.contents())), [b"once\n", b"other\n"],
            "C98 %s/ is closed: the file is still there" % closed)


RENAMER = """
import os, sys
while True:
    os.rename(*sys.argv[1:3])
    os.rename(sys.argv[2], sys.argv[1])
"""


@test
def busy_renaming():
    """C100 messages that are renamed all the time"""
    box = Maildir().fill(6)
    for n in (2, 5):
        name = box.join("cur", box.names("cur")[n])
        busy = subprocess.Popen([sys.executable, "-c", RENAMER, name,
                                 name + b"T"])
        cleanup(busy.wait)
        cleanup(busy.kill)
    answers = {}
    for _ in range(100):
        with start("-a", "-q", "-e", "-m", box.path) as c:
            got = c.line()
            if got == b"+OK\r\n":
                got = c.cmd("STAT")[:6]
            answers[got] = answers.get(got, 0) + 1
    wrong = [a for a in answers if a != b"+OK 6 " and
             not a.startswith(b"-ERR [SYS/TEMP] ")]
    is_(wrong, [], "C100 all are listed, or it is said that we cannot",
        answers)


run_tests(jobs=4)
