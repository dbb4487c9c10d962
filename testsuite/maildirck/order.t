#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of system calls: what a power cut may not turn round.

No test can cut the power between any two of them, so this one reads what
strace(1) tells of a repair of each kind:

    journal   what is done stands in the journal before, and that on the disk
    files     whatever gets a name is on the disk before it gets it
    moves     from directory to directory by link, sync and unlink
    commit    is written once all directories that have changed are synced
"""

import os
import sys
import urllib.parse
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ckcase import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")
if not shutil.which("strace"):
    skip_all("no strace")

# One for each kind of operation, and for each place where files are made.
CHOICE = ("C01", "C05", "C06", "F04", "N01", "N02", "N04", "N09", "N18",
          "S02", "S05", "S08", "S10", "S13", "S14", "S22", "T07", "C14")
SETTLED = 7             # seconds, after which N02 is one
CONTROL = ("M01", "M06", "M13", "M14")
TRACED = ("openat,write,fsync,fdatasync,syncfs,renameat,renameat2,linkat,"
          "unlinkat,mkdirat,fchmod,?fchmodat,?fchmodat2,utimensat,fchownat,"
          "fchown,ftruncate,flock,getdents64,ioctl")
NAMES = ("renameat", "renameat2", "linkat", "unlinkat", "mkdirat")
ENDS = re.compile(rb"(?:.*\n)*(commit|undone|rolled-back)\b")
LOCK = re.compile(r"\.lock$")


class Call:
    """name, text of the arguments, paths in them, data of a write."""

    def __init__(self, name, args):
        self.name, self.args = name, args
        self.fd = re.match(r"\d+<([^>]*?)(?: \(deleted\))?>", args)
        self.fd = self.fd and os.fsdecode(unescape(self.fd.group(1)))
        self.at = [os.fsdecode(unescape(d) + b"/" + unescape(n))
                   for d, n in re.findall(
                       r'(?:\d+|AT_FDCWD)<([^>]*)>, "((?:[^"\\]|\\.)*)"',
                       args)]
        self.data = b""
        if name == "write":
            text = re.search(r', "((?:[^"\\]|\\.)*)"', args)
            self.data = unescape(text.group(1)) if text else b""

    @property
    def creates(self):
        return self.name == "openat" and "O_CREAT" in self.args

    def __repr__(self):
        return "%s(%s)" % (self.name, self.args[:300])


def unescape(text):
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: {
        b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}.get(
            m.group(1), bytes.fromhex(m.group(1)[1:].decode())
            if m.group(1)[:1] == b"x" else m.group(1)), os.fsencode(text))


def calls(*args):
    """(Got, the calls that did not fail) of a run."""
    file = scratch("trace") + "/trace"
    got = check(*args, wrap=["strace", "-f", "-qq", "-y", "-x", "-s",
                             "200000", "-o", file, "-e", "trace=" + TRACED])
    with open(file, encoding="ascii", errors="surrogateescape") as lines:
        found = [re.match(r"\d+ +(\w+)\((.*)\) += \d+", line)
                 for line in lines]
    return got, [Call(*m.groups()) for m in found if m]


class Order:
    """Goes through the calls of one run; wrong: what is out of order."""

    def __init__(self, root, files=()):
        self.root = os.path.realpath(root)
        self.files = set(files)         # regular files, to begin with
        self.written, self.known = b"", set()   # in the journal; on the disk
        self.journal = None
        self.dirty = set()              # directories that are not synced
        self.fresh = set()              # files that are not synced
        self.synced = set()             # files and directories, by now
        self.links = {}                 # new name: old name
        self.acts = self.ends = 0
        self.wrong = []

    def say(self, what, call):
        self.wrong.append("%s: %r" % (what, call))

    def path(self, full):
        return os.path.relpath(full, self.root)

    def ours(self, full):
        return (full.startswith(self.root + "/") and full != self.journal and
                not LOCK.search(full))

    def take(self, call):
        paths = [p for p in call.at if self.ours(p)]
        if call.creates and "maildirck-undo." in call.at[0]:
            self.journal = call.at[0]
            self.dirty.add(self.root)
        elif call.name == "write":
            self.write(call)
        elif call.name in ("fsync", "fdatasync"):
            self.sync(call.fd)
        elif call.creates and paths:
            self.fresh.add(paths[0])
            self.touch(paths[0])
            if self.path(paths[0]) in self.known:
                self.acts += 1          # it is empty, and stays so
        elif call.name in NAMES and paths:
            self.act(call, paths)
        elif call.name == "utimensat" and paths:
            self.in_journal(call, paths)
        elif (call.name in ("fchmod", "fchownat", "fchown") and call.fd and
              self.ours(call.fd) and call.fd not in self.fresh):
            self.in_journal(call, [call.fd])

    def write(self, call):
        if call.fd != self.journal:
            if call.fd in self.files:
                self.say("written in its place", call)
            return
        end = ENDS.match(call.data)
        if end:
            self.ends += 1
            if self.dirty:
                self.say("not synced: %s" % sorted(self.dirty), call)
        self.written += call.data
        names = set(words(call.data))
        late = {p for p in self.fresh if self.path(p) in names and
                os.path.basename(p) != "maildirfolder"}
        if late:
            self.say("not synced: %s" % late, call)

    def sync(self, path):
        if path == self.journal:
            self.known |= set(words(self.written))
            self.written = b""
        self.dirty.discard(path)
        self.fresh.discard(path)
        self.synced.add(path)

    def touch(self, path):
        where = os.path.dirname(path)
        self.dirty.add(where)
        self.synced.discard(where)

    def in_journal(self, call, paths):
        self.acts += 1
        if self.written:
            self.say("the journal is not synced", call)
        missing = [p for p in map(self.path, paths) if p not in self.known]
        if missing:
            self.say("not in the journal: %s" % missing, call)
        if self.journal and self.acts == 1 and (
                self.root not in self.synced):
            self.say("the journal's name is not synced", call)

    def act(self, call, paths):
        self.in_journal(call, paths)
        old, new = paths[0], paths[-1]
        if call.name == "linkat":
            self.links[new] = old
            if old not in self.synced:
                self.say("linked before it is synced", call)
        elif call.name in ("renameat", "renameat2"):
            self.renamed(call, old, new)
        elif call.name == "unlinkat" and "AT_REMOVEDIR" not in call.args:
            self.unlinked(call, old)
        for path in paths:
            self.touch(path)

    def renamed(self, call, old, new):
        if "EXCHANGE" in call.args:
            if self.fresh & {old, new}:
                self.say("exchanged before it is synced", call)
            return
        if "NOREPLACE" not in call.args:
            self.say("may overwrite", call)
        if old in self.files and os.path.dirname(old) != (
                os.path.dirname(new)):
            self.say("moved by a rename alone", call)
        moved = lambda p: new + p[len(old):] if (p + "/").startswith(
            old + "/") else p
        self.dirty = set(map(moved, self.dirty))
        self.files = set(map(moved, self.files))

    def unlinked(self, call, path):
        kept = [n for n, o in self.links.items() if o == path]
        if not kept:            # a twin: the journal says which one stays
            kept = [self.root + "/" + k for k in self.twins(path)]
        if not kept:
            self.say("no other name", call)
        for name in kept:
            if os.path.dirname(name) not in self.synced:
                self.say("the other name is not synced", call)
            if not {name, self.links.get(name)} & self.synced:
                self.say("the other file is not synced", call)

    def twins(self, path):
        return [dst for src, dst in self.pairs if src == self.path(path)]

    def all(self, calls):
        text = b"".join(c.data for c in calls if c.name == "write")
        self.pairs = [(decoded(m[0]), decoded(m[1])) for m in re.findall(
            rb"(?m)^\d+ unlink (\S+) (\S+) ", text)]
        for call in calls:
            self.take(call)
        return self


def decoded(word):
    return os.fsdecode(urllib.parse.unquote_to_bytes(word))


def words(data):
    """Paths in lines of a journal."""
    for line in data.split(b"\n"):
        parts = line.split(b" ")
        if len(parts) > 9:
            yield from (decoded(w) for w in parts[2:4] if w != b"-")


def regular(root):
    return {os.path.join(os.path.realpath(root), p)
            for p, n in snapshot(root).items() if n.kind == stat.S_IFREG}


def one(ident):
    """the order of one repair"""
    tree = build(ident, scratch("c") + "/Maildir", 1, 0)
    try:
        trial = Trial(tree)
        if tree.aged:           # one tracer bears no other: see later()
            time.sleep(SETTLED)
        got, made = calls("-c", "full", *tree.options, tree.root)
        wrote = [c for c in made if "O_WRONLY" in c.args or "O_RDWR" in
                 c.args or c.name in NAMES or c.name == "fsync"]
        is_(wrote, [], ident + ": a check opens nothing for writing", got)
        files = regular(tree.root)
        got, made = calls("-c", "full", *(trial.mode() or ["-y"]),
                          *tree.options, *tree.fixing, tree.root)
        order = Order(tree.root, files).all(made)
        is_(order.wrong[:5], [], ident + ": repair", got)
        ok(order.acts and order.ends, ident + ": that was a repair",
           order.acts, order.ends, got)
        last = [c for c in made if c.fd == order.journal and c.name in
                ("write", "fdatasync")]
        ok(last and last[-1].name == "fdatasync",
           ident + ": the end of the journal is synced", last[-2:])
    finally:
        tree.done()


@test
def repairs():
    """the order of a repair of each kind"""
    chosen = CHOICE
    if config("FEATURE_MAILDIRCK_CONTROL"):
        chosen += CONTROL
    spread(one, [(i,) for i in chosen], 2)


@test
def undoing():
    """--undo: directories are synced before it says that it is done"""
    for ident in ("N01", "N02", "T02"):
        tree = build(ident, scratch("c") + "/Maildir", 1, 0)
        check("-y", "-c", "full", *tree.options, *tree.fixing, tree.root,
              wrap=later() if tree.aged else [])
        files = regular(tree.root)
        got, made = calls("--undo", journals(tree.root)[0])
        order = Order(tree.root, files)
        order.journal = os.path.realpath(journals(tree.root)[0])
        with open(order.journal, "rb") as file:
            order.known = set(words(file.read()))
        order.all(made)
        # What is noted there a second undo finds out by itself.
        wrong = [w for w in order.wrong if "no other name" not in w and
                 "linked before" not in w and "the journal" not in w]
        is_(wrong[:5], [], ident + ": undone", got)
        ok(order.ends, ident + ": and it says so", made)
        tree.done()


@test
def deliveries_meanwhile():
    """new/ is read before cur/, each in one call, before anything is done"""
    tree = Tree(scratch("o") + "/Maildir", 5)
    tree.fill("", 40, 40)
    tree.put("", "cur", info=":2,SR")
    got, made = calls("-p", tree.root)
    read = [os.path.basename(c.fd) for c in made if c.name == "getdents64"
            and os.path.basename(c.fd) in ("new", "cur")]
    ok("cur" in read and "new" in read[:read.index("cur")],
       "new/ before cur/", read)
    names = [c.name for c in made]
    ok("flock" in names and names.index("flock") < names.index("getdents64"),
       "the lock is the first of all", names[:20])


@test
def snapshot_of_names():
    """a large directory is read in one call, or renames would hide names"""
    tree = Tree(scratch("o") + "/Maildir", 5)
    for number in range(8000):
        os.close(os.open(tree.at("cur/17%08d.M1P1.%s:2,S" % (
            number, "x" * 180)), os.O_CREAT | os.O_WRONLY, 0o600))
    got, made = calls("-c", "names", tree.root)
    read = [c for c in made if c.name == "getdents64" and
            (c.fd or "").endswith("/cur")]
    # One has all, another is told that there is no more.
    ok(len(read) <= 2, "8000 names of 200 bytes", read, got)


@test
def copies():
    """--from-mbox and --rescue: all is on the disk at the end"""
    if not config("FEATURE_MAILDIRCK_RESCUE"):
        raise Skip("no FEATURE_MAILDIRCK_RESCUE")
    place = scratch("o")
    tree = Tree(place + "/Maildir", 5)
    tree.fill("", 5, 2)
    with open(place + "/mbox", "wb") as file:
        for i in range(5):
            file.write(b"From a Mon Jan  3 00:00:00 2022\nSubject: %d\n\n"
                       b"body\n\n" % i)
    for what, args, each in (
            ("--from-mbox", ["--from-mbox", place + "/mbox", tree.root],
             True),
            ("--rescue", ["--rescue", "-o", place + "/new", tree.root],
             False)):
        got, made = calls(*args)
        fresh, wrong, moved = set(), [], 0
        for c in made:
            if c.creates and "/tmp/" in c.at[0]:
                fresh.add(c.at[0])
            if c.name == "fsync":
                fresh.discard(c.fd)
            if c.name in ("renameat2", "linkat"):
                moved += 1
                if each and c.at[0] in fresh:
                    wrong.append(c)
        is_(wrong[:3], [], what + ": each before it gets its name", got)
        ok(moved >= 5, what + ": messages", moved, got)
        last = max(i for i, c in enumerate(made) if c.name in NAMES)
        ok("syncfs" in [c.name for c in made[last:]],
           what + ": one sync after the last of them", made[last:])


run_tests(jobs=2)
