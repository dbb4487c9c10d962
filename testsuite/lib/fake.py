# SPDX-License-Identifier: GPL-2.0-or-later
"""pop3test as a client, and servers made up to answer it, well or badly.

    from fake import *

    server = Fake(ordinary([b"A: b\\r\\n\\r\\n"], STAT=b"+OK many\\r\\n"))
    run = pop3test("stat", server.target)
    is_((run.status, run.out), (1, b""), "not two numbers")

Nothing of it shares code or a way of working with the client.
"""

import collections
import os
import re
import socket
import subprocess
import threading
import time

import oracle
from popbox import *

# status, out and err (bytes), seconds, and memory: its peak in KB.
Run = collections.namedtuple("Run", "status out err seconds memory")


def need_pop3test(*symbols):
    if not config("POP3TEST"):
        skip_all("POP3TEST is not configured")
    for symbol in symbols:
        if not config(symbol):
            skip_all(symbol + " is not configured")


def _watch(process, peak):
    """VmHWM for as long as there is a process; wait4() would tell ours."""
    while process.returncode is None:
        try:
            with open("/proc/%d/status" % process.pid) as file:
                # What wraps it is not meant.
                found = re.search(r"(?s)Name:\s+popbox\n.*VmHWM:\s+(\d+)",
                                  file.read())
            peak[0] = max(peak[0], int(found.group(1)) if found else 0)
        except OSError:
            return
        time.sleep(0.004)


def pop3test(*args, env=None, cwd=None, stdout=subprocess.PIPE, wrap=(),
             limit=None):
    """Runs it to its end; one that goes on for too long fails the test."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*wrap, POPBOX, "pop3test", *map(os.fspath, args)],
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
        cwd=cwd, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                      "ASAN_OPTIONS": "detect_leaks=0", **(env or {})})
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak))
    watcher.start()
    try:
        out, err = process.communicate(timeout=limit or PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        ok(False, "pop3test %s does not end" % " ".join(map(str, args)), err)
    watcher.join()
    if process.returncode < 0 or b"Sanitizer" in err or (
            b"runtime error" in err):
        ok(False, "pop3test %s: died with %d" % (
            " ".join(map(str, args)), process.returncode), err[-3000:])
    return Run(process.returncode, out, err, time.monotonic() - began,
               peak[0])


def server_command(box, *args):
    """The end of a command line: mdpop3d over this Maildir."""
    return ("--", POPBOX, "mdpop3d", "-a", "-e", "-m", box.path, *args)


class Link:
    """The server's end of one connection."""

    def __init__(self, sock, fake):
        self.sock, self.fake = sock, fake
        self.buf = b""

    def say(self, data):
        self.sock.sendall(data)

    def drip(self, data, pause):
        """A byte at a time."""
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
            time.sleep(pause)

    def endless(self, data):
        """The same for ever; the client ends it."""
        while True:
            self.sock.sendall(data)

    def hear(self):
        """A line without its end, which has to be CRLF; None at EOF."""
        while b"\n" not in self.buf:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buf += got
        line, self.buf = self.buf.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise AssertionError("no CRLF behind %r" % line)
        self.fake.heard.append(line[:-1])
        return line[:-1]


class Fake:
    """A server on a port of 127.0.0.1: talk(link) for each connection.

    .heard has all lines that came, .removed what QUIT took away.
    """

    def __init__(self, talk):
        self.heard, self.removed, self._links = [], [], []
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.target = "127.0.0.1:%d" % self.port
        cleanup(self.stop)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._links.append(sock)
            threading.Thread(target=self._serve, args=(sock,),
                             daemon=True).start()

    def _serve(self, sock):
        try:
            self._talk(Link(sock, self))
        except (OSError, ValueError):
            pass                # the client has gone, or the test is over
        finally:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for sock in self._links:
            sock.close()


HELLO = b"Subject: hello\r\n\r\none\r\ntwo\r\n"


def listing(pairs):
    return b"+OK\r\n" + b"".join(b"%d %s\r\n" % pair for pair in pairs) + (
        b".\r\n")


def _answer(link, messages, marked, word, args):
    """What a correct server says; None: it is over."""
    at = int(args[0]) - 1 if args and args[0].isdigit() else None
    if at is not None and (at not in range(len(messages)) or at in marked):
        return b"-ERR no such message\r\n"
    left = [(i, m) for i, m in enumerate(messages) if i not in marked]
    if word == b"STAT":
        return b"+OK %d %d\r\n" % (len(left), sum(len(m) for _, m in left))
    if word in (b"LIST", b"UIDL"):
        what = [(i + 1, b"%d" % len(m) if word == b"LIST" else b"uid-%d" % i)
                for i, m in left if at in (None, i)]
        return listing(what) if at is None else b"+OK %d %s\r\n" % what[0]
    if word in (b"RETR", b"TOP"):
        return b"+OK\r\n" + oracle.stuff(messages[at]) + b".\r\n"
    if word == b"DELE":
        marked.add(at)
    elif word == b"RSET":
        marked.clear()
    elif word == b"CAPA":
        return b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\n.\r\n"
    elif word == b"QUIT":
        link.fake.removed += sorted(marked)
    elif word not in (b"USER", b"PASS", b"NOOP"):
        return b"-ERR unknown\r\n"
    return b"+OK\r\n"


def ordinary(messages=(HELLO,), greeting=b"+OK ready\r\n", **say):
    """A talk: a correct server, but for the commands given.

    Those have what it says, or a function of link and arguments that says
    it.  After an empty answer it closes.
    """
    def talk(link):
        marked = set()
        link.say(greeting)
        while True:
            line = link.hear()
            if line is None:
                return
            word, *args = line.split(b" ")
            answer = say.get(word.decode().upper())
            if callable(answer):
                answer = answer(link, args)
            elif answer is None:
                answer = _answer(link, messages, marked, word.upper(), args)
            if not answer:
                return
            link.say(answer)
            if word.upper() == b"QUIT":
                return
    return talk
