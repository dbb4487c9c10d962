# SPDX-License-Identifier: GPL-2.0-or-later
"""Maildirs made by code, and a catalogue of messages that break servers."""

import itertools
import os
import tempfile
import threading

import oracle
from tap import cleanup

_number = itertools.count()
_scratch = None
_making = threading.Lock()

# A user that owns nothing here, for tests that must not be root.
PLAIN = 61234


def scratch(prefix="t"):
    """A new empty directory that other users can enter; removed at the end."""
    global _scratch
    with _making:
        if _scratch is None:
            _scratch = tempfile.TemporaryDirectory(
                prefix="popbox-", ignore_cleanup_errors=True)
            os.chmod(_scratch.name, 0o711)
    path = "%s/%s%d" % (_scratch.name, prefix, next(_number))
    os.mkdir(path, 0o755)
    return path


def _bytes(text):
    return text.encode() if isinstance(text, str) else text


class Maildir:
    """A Maildir; messages are added by name, with any bytes."""

    def __init__(self, path=None, owner=None):
        self.path = path or scratch("m") + "/Maildir"
        self.owner = owner
        self.stored = {}        # base name (bytes) -> content
        for sub in ("", "/tmp", "/new", "/cur"):
            os.makedirs(self.path + sub, 0o700, exist_ok=True)
            self._give(self.path + sub)

    def _give(self, path):
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)

    def join(self, sub, name):
        return os.path.join(os.fsencode(self.path), _bytes(sub), _bytes(name))

    def add(self, sub, name, data=b"Subject: x\n\nbody\n"):
        """Stores a message in new/ or cur/; returns its path."""
        path = self.join(sub, name)
        with open(path, "wb") as file:
            file.write(data)
        self._give(path)
        self.stored[oracle.base(_bytes(name))] = data
        return path

    def fill(self, count, sub="cur", data=b"Subject: x\n\nbody\n"):
        """`count` messages of ordinary names, oldest first."""
        for i in range(1, count + 1):
            name = "%d.M%dP7.host" % (1700000000 + i, i)
            self.add(sub, name + (":2,S" if sub == "cur" else ""), data)
        return self

    def contents(self):
        """Sorted contents of all messages."""
        found = []
        for sub in ("new", "cur"):
            for name in self.names(sub):
                with open(self.join(sub, name), "rb") as file:
                    found.append(file.read())
        return sorted(found)

    def names(self, sub):
        return sorted(os.listdir(os.fsencode("%s/%s" % (self.path, sub))))

    def ordered(self):
        """Base names in the order a server must number them."""
        found = {oracle.base(n) for s in ("new", "cur") for n in self.names(s)}
        return sorted(found, key=oracle.order)

    def tree(self):
        """Everything that may not change without QUIT, for comparisons."""
        seen = {}
        for root, dirs, files in os.walk(os.fsencode(self.path)):
            for path in [root] + [os.path.join(root, f) for f in files]:
                st = os.lstat(path)
                seen[path] = (st.st_ino, st.st_mtime_ns, st.st_ctime_ns,
                              st.st_size, st.st_mode)
        return seen


def mail(body=b"body\n", **fields):
    """A small ordinary message."""
    head = b"".join(b"%s: %s\n" % (k.encode(), _bytes(v))
                    for k, v in (fields or {"Subject": "test"}).items())
    return head + b"\n" + body


def odd_messages():
    """Name -> bytes: forms of line ends, dots and emptiness that lose data.

    The buffer sizes are those that programs tend to use; what must not go
    wrong is a CR, LF or dot on either side of such a boundary.
    """
    head = b"Subject: odd\n\n"
    odd = {
        "zero bytes": b"",
        "one byte": b"x",
        "one dot": b".",
        "one LF": b"\n",
        "one CR": b"\r",
        "CRLF alone": b"\r\n",
        "no final newline": head + b"last line",
        "final lone CR": head + b"last line\r",
        "final CR CR": head + b"last\r\r",
        "no final newline, dot": head + b"a\n.",
        "stored with CRLF": b"Subject: crlf\r\n\r\na\r\n.\r\n..b\r\n",
        "mixed line ends": b"A: 1\r\nB: 2\n\nx\r\ny\nz\r\n",
        "blank line CRLF, rest LF": b"A: 1\nB: 2\n\r\nx\ny\n",
        "lone CR in the middle": head + b"a\rb\rc\n\rd\n",
        "CR CR LF": b"A: 1\r\r\n\r\r\nx\r\r\ny\n",
        "LF CR": head + b"a\n\rb\n\r",
        "first byte is a dot": b".hidden: 1\n\nbody\n",
        "lines of dots": head + b".\n..\n...\n. \n.x\nx.\n",
        "only dots": b".\n.\n.\n",
        "dot in the header": b"A: 1\n.folded\n.\n\n.\n",
        "dot after bare LF": b"A: 1\r\n\r\nx\n.y\n",
        "dot after lone CR": head + b"x\r.y\r..z\n\r.\n",
        "the terminator itself": head + b"a\r\n.\r\nDELE 1\r\nb\n",
        "NULs": b"A: \0b\n\n\0\0x\0\n.\0\n\0",
        "8-bit": b"A: \xe9\xff\n\n" + bytes(range(128, 256)) + b"\n",
        "every byte": b"\n" + bytes(range(256)) * 2,
        "headers only": b"A: 1\nB: 2\n",
        "headers and a blank line": b"A: 1\nB: 2\n\n",
        "headers without newline": b"A: 1\nB: 2",
        "only blank lines": b"\n\n\n",
        "body only": b"\nfirst body line\nsecond\n",
        "blank line of a space": b"A: 1\n \nB: 2\n\nbody\n",
        "no colon, no blank line": b"one\ntwo\nthree\n",
        "many lines": head + b"".join(b"line %d\n" % i for i in range(3000)),
        "line of 9 KiB": head + b"x" * 9216 + b"\nafter\n",
        "line of 1 MiB": head + b"y" * (1 << 20) + b"\n.after\n",
        "long line without end": b"z" * 70000,
        "header line of 20 KiB": b"A: " + b"h" * 20000 + b"\n\n.b\n",
    }
    for edge in (4096, 8192, 16384, 32768, 65536):
        odd.update(_at_boundary(edge))
    return odd


def _at_boundary(edge):
    """Messages whose interesting bytes straddle byte `edge`."""
    def place(what, before):
        start = b"Subject: edge\n\n"
        return start + b"p" * (edge - before - len(start)) + what

    return {
        "CR|LF at %d" % edge: place(b"\r\nafter\n", 1),
        "CRLF| at %d" % edge: place(b"\r\n.after\n", 2),
        "LF|dot at %d" % edge: place(b"\n.after\n", 1),
        "LF,dot| at %d" % edge: place(b"\n.after\n", 2),
        "|LF dot at %d" % edge: place(b"\n.after\n", 0),
        "dot line over %d" % edge: place(b"\n.\n.\n.\n", 2),
        "ends with LF at %d" % edge: place(b"\n", 1),
        "ends with CR at %d" % edge: place(b"\r", 1),
        "ends without newline at %d" % edge: place(b"q", 1),
        "CR|CR LF at %d" % edge: place(b"\r\r\nx\n", 1),
        "blank line over %d" % edge:
            b"A: " + b"h" * (edge - 4) + b"\n\n.body\nmore\n",
        "blank CRLF line over %d" % edge:
            b"A: " + b"h" * (edge - 6) + b"\r\n\r\n.body\r\nmore\r\n",
    }
