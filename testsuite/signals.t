#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals.

In Python because it sends signals to the server. What sessions do without
them is in mdpop3d/*.pop3.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


@test
def harmless_signals():
    """C119 signals that mean nothing"""
    with session(Maildir().fill(1)) as c:
        for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG,
                       signal.SIGCONT, signal.SIGPIPE):
            c.server.signal(number)
            is_(c.cmd("NOOP"), b"+OK\r\n", "C119 after %s" % number.name)
        for _ in range(3):
            c.server.signal(signal.SIGSTOP)
            c.send("NOOP\r\n")
            ok(c.quiet(0.05), "C119 stopped")
            c.server.signal(signal.SIGCONT)
            is_(c.line(), b"+OK\r\n", "C119 goes on after SIGCONT")


@test
def stopped_while_sending():
    """C119 stopped and continued in the middle of a message"""
    box = Maildir()
    data = b"A: b\n\n" + b"0123456789\n" * 200_000
    box.add("cur", "1.x", data)
    with session(box) as c:
        c.send("RETR 1\r\n")
        c.line()
        stop = threading.Event()

        def worry():
            while not stop.wait(0.005):
                for number in (signal.SIGSTOP, signal.SIGCONT):
                    c.server.signal(number)
        thread = threading.Thread(target=worry)
        thread.start()
        body = c.body()
        stop.set()
        thread.join()
        is_(body, oracle.retr(data), "C119 all of it")


def deadly_signal(number, args, via):
    """C119 C102 a signal that ends"""
    box = Maildir().fill(2)
    before = box.tree()
    with session(box, *args, via=via) as c:
        c.cmd("DELE 1")
        c.server.signal(number)
        c.rest()
        c.server.wait()
    is_(box.tree(), before, "C119 C102 %s, %s, by %s" % (
        number.name, "even with -c" if args else "without -c", via))


@test
def deadly_signals():
    """C119 C102 SIGTERM, SIGINT and SIGHUP remove nothing"""
    spread(deadly_signal, [
        (number, args, via)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for args in ((), ("-c",)) for via in ("socket", "tcp", "pipe")])


@test
def ignored_by_parent():
    """C119 started with SIGCHLD and SIGPIPE ignored, and signals blocked"""
    box = Maildir().fill(2)
    with session(box, wrap=["sh", "-c", "trap '' CHLD PIPE HUP; exec \"$@\"",
                            "sh"]) as c:
        c.cmd("DELE 1")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C119 an ordinary session")
        is_(c.server.wait(), 0, "C119 exit status")
    is_(len(box.names("cur")), 1, "C119 and UPDATE")


@test
def lock_of_the_killed():
    """C116 the lock ends with its process"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = joe()
    with login(users, "joe", "secret") as c:
        is_(c.pass_reply, b"+OK\r\n", "C51 C116 a session")
        c.server.signal(signal.SIGKILL)
        for pid in c.server.children():
            os.kill(pid, signal.SIGKILL)
        c.server.wait()
    with login(users, "joe", "secret") as c:
        is_(c.pass_reply, b"+OK\r\n", "C51 C116 free after a SIGKILL")


run_tests(jobs=6)
