# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs popbox maildirck, reads what it says, and sees what it has done.

    from checker import *

    got = check("-c", "full", box.path)
    is_(got.ids(), {("N09", "cur/1.x:2,SR")}, "sorted flags", got)
"""

import base64
import collections
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import time

from popbox import *
from popbox import _environment

_here = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.dirname(os.path.dirname(_here))

# Exit status, a sum.
FIXED, RESYNC, LEFT, ERROR, USAGE, CANCELLED = 1, 2, 4, 8, 16, 32

LEVELS = ("names", "stat", "head", "full")
SEVERITIES = ("ignore", "info", "warn", "error", "fatal")
LOUD = SEVERITIES[2:]           # what counts as found without --strict

Row = collections.namedtuple("Row", "severity repair level title")


def _read_table():
    """Every id and what the sources say about it."""
    with open(SOURCES + "/applets/maildirck/findings.h") as file:
        text = file.read()
    found = {}
    for m in re.finditer(r'^FINDING\((\w+), SEV_(\w+), FIX_(\w+), '
                         r'LEVEL_(\w+),\s*"([^"]*)"', text, re.M):
        ident, severity, repair, level, title = m.groups()
        found[ident] = Row(severity.lower(), repair.lower(), level.lower(),
                           title)
    return found


TABLE = _read_table()


def severity_of(ident):
    """What it counts as once it is looked for."""
    return TABLE[ident].severity


# ---- one run -----------------------------------------------------------------

class Got:
    """What a run said: status, out, err (bytes), findings, summary."""

    def __init__(self, argv, status, out, err, seconds):
        self.argv, self.status = argv, status
        self.out, self.err, self.seconds = out, err, seconds
        self.findings, self.summary = [], None
        self.bad = []           # lines that are no JSON
        if "-j" in argv:
            self._parse()

    def _parse(self):
        for line in self.out.decode("utf-8", "surrogateescape").splitlines():
            try:
                item = json.loads(line)
            except ValueError:
                self.bad.append(line)
                continue
            if item.get("t") == "finding":
                self.findings.append(item)
            elif item.get("t") == "summary":
                self.summary = item

    def ids(self, *severities):
        """The set of (id, path), of these severities or of all."""
        return {(f["id"], path_in(f)) for f in self.findings
                if not severities or f["sev"] in severities}

    def loud(self):
        return self.ids(*LOUD)

    def __repr__(self):
        return "%s\n  status %d\n  out: %s\n  err: %s" % (
            " ".join(map(_shown, self.argv)), self.status,
            _shown(self.out[-3000:]), _shown(self.err[-1500:]))


def _shown(value):
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.encode("ascii", "backslashreplace").decode()


def path_in(finding):
    """The exact path, as os.fsdecode gives it; "." for the root."""
    path = finding.get("path")
    if path is None:
        path = os.fsdecode(base64.b64decode(finding.get("path_b64") or ""))
    return path.rstrip("/") or "."


def safe(path):
    """A path as people see it."""
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else "\\x%02x" % b
                   for b in os.fsencode(path))


def check(*args, wrap=(), timeout=None, env=None, cwd=None, stdin=None,
          argv0=None, user=None, pass_fds=()):
    """Runs maildirck; a Got.  A crash or a sanitizer's report is a failure."""
    args = [os.fspath(a) for a in args]
    argv = [*wrap, POPBOX, "maildirck", *args]
    executable = None
    if argv0:
        argv, executable = [argv0, *args], POPBOX
    who = {} if user is None else {"user": user, "group": user,
                                   "extra_groups": ()}
    env = dict(env or {})
    if wrap:                    # nothing that traces bears another tracer
        env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    began = time.monotonic()
    run = subprocess.Popen(
        argv, executable=executable, env=_environment(env), cwd=cwd,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, pass_fds=pass_fds, **who)
    try:
        out, err = run.communicate(stdin, timeout or 10 * PATIENCE)
    except BaseException:
        os.killpg(run.pid, signal.SIGKILL)      # a child of it, too
        run.communicate()
        raise
    got = Got(args, run.returncode, out, err, time.monotonic() - began)
    if run.returncode < 0 or run.returncode >= 125:
        ok(False, "maildirck ended by signal, status %d" % run.returncode,
           repr(got))
    report = re.search(rb"(?s)(ERROR: \w+Sanitizer|runtime error:).*", err)
    if report:
        ok(False, "sanitizer report",
           report.group(0)[:3000].decode("latin-1"))
    return got


_tools = {}
_making = threading.Lock()


def tool(name):
    """A program of testsuite/tools, compiled now."""
    with _making:
        if name not in _tools:
            compiler = next((c for c in ("cc", "gcc", "clang")
                             if shutil.which(c)), None)
            if not compiler:
                raise Skip("needs a C compiler for " + name)
            out = scratch("tool") + "/" + name
            source = SOURCES + "/testsuite/tools/%s.c" % name
            subprocess.run([compiler, "-O2", "-o", out, source], check=True)
            _tools[name] = out
        return _tools[name]


def later(seconds=3 * 86400):
    """The start of a command for which it is that much later."""
    return [tool("cklater"), str(seconds)]


# ---- trees -------------------------------------------------------------------

Node = collections.namedtuple(
    "Node", "kind mode uid gid dev ino nlink size mtime ctime data")


def _node(path):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    data = None
    if kind == stat.S_IFLNK:
        data = os.readlink(path)
    elif kind == stat.S_IFREG:
        try:
            with open(path, "rb") as file:
                data = hashlib.sha256(file.read()).hexdigest()
        except OSError as error:
            data = error.errno
    return Node(kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid,
                st.st_dev, st.st_ino, st.st_nlink, st.st_size,
                st.st_mtime_ns, st.st_ctime_ns, data)


def snapshot(root):
    """Path -> Node of everything below a directory, and itself (".")."""
    seen = {".": _node(root)}
    for at, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(at, name)
            seen[os.path.relpath(path, root)] = _node(path)
    return seen


def differences(before, after, every=True, ignore=()):
    """What two snapshots do not agree about, in words.

    every: also times of directories and ctimes; without it what an undo has
    to bring back.
    """
    said = []
    for path in sorted(set(before) | set(after)):
        a, b = before.get(path), after.get(path)
        if path in ignore:
            continue
        if a is None or b is None:
            said.append("%s: %s" % (_shown(path), "new" if a is None
                                    else "gone"))
            continue
        fields = Node._fields if every else (
            ("kind", "mode", "uid", "gid") if a.kind == stat.S_IFDIR else
            ("kind", "mode", "uid", "gid", "ino", "size", "mtime", "data"))
        for field in fields:
            if getattr(a, field) != getattr(b, field):
                said.append("%s: %s was %r, is %r" % (
                    _shown(path), field, getattr(a, field),
                    getattr(b, field)))
    return said


CONTROL = re.compile(
    r"(dovecot|courier|maildirsize|maildirfolder|subscriptions|\.uidvalidity"
    r"|\.mbsyncstate|maildirck)")


def is_mail(path, node):
    """Bytes that may be somebody's mail: whatever is no control file."""
    parts = path.split("/")
    name = parts[-1]
    if node.kind != stat.S_IFREG or node.size == 0:
        return False
    if parts[0] == "maildirck.q":
        return not CONTROL.search(name)
    if len(parts) > 1 and parts[-2] in ("new", "cur", "tmp"):
        return True
    return not any(CONTROL.match(part) for part in parts)


def mail_bytes(tree):
    """Counter of the contents of all mail; a file with two names counts once.
    """
    seen = {}
    for path, node in tree.items():
        if is_mail(path, node):
            seen[(node.dev, node.ino)] = node.data
    return collections.Counter(seen.values())


def base_of(name, separator=":"):
    return name.split(separator)[0]


def identities(tree):
    """Inode -> (folder, base name), of the messages servers show."""
    seen = {}
    for path, node in tree.items():
        parts = path.split("/")
        if (node.kind == stat.S_IFREG and len(parts) in (2, 3) and
                parts[-2] in ("new", "cur") and
                parts[0] not in (".Lost+Found", "maildirck.q")):
            folder = parts[0] if len(parts) == 3 else ""
            seen.setdefault(node.ino, set()).add((folder,
                                                  base_of(parts[-1])))
    return seen


def renamed_bases(before, after):
    """Inodes whose base name in one and the same folder has changed."""
    old, new = identities(before), identities(after)
    return {ino: (old[ino], new[ino]) for ino in old
            if ino in new and not new[ino] <= old[ino] and
            {f for f, _ in new[ino]} & {f for f, _ in old[ino]}}


def journals(root):
    """Journals in a Maildir, oldest first."""
    found = []
    for name in os.listdir(root):
        path = os.path.join(root, name)
        if name.startswith("maildirck") and os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read(18) == b"maildirck-journal ":
                    found.append(path)
    return sorted(found, key=lambda p: os.stat(p).st_mtime_ns)
