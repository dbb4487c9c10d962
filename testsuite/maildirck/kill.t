#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL and errors at any system call: no mail is lost, and all can be
taken back.

A call that only reads changes nothing, so a kill before or after it is the
same as one at the next call that writes: the others are left out.  EVERY=1
takes them all, and each finding of the corpus, not a choice.  ROUNDS=N has N
random kills instead of 500.
"""

import collections
import os
import random
import subprocess
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ckcase import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")

# One for each kind of operation, and those with several in a group.
CHOICE = ("C01", "F04", "M06", "N01", "N02", "N04", "N09", "N18", "S02",
          "S05", "S08", "S09", "S10", "S13", "S14", "S22", "T02", "T03",
          "T07", "Z01")
EVERY = os.environ.get("EVERY")
ROUNDS = int(os.environ.get("ROUNDS") or (40 if config("SANITIZE") else 500))
STEP = 9 if config("SANITIZE") else 1
# What needs calls that not everybody has.
POOR = ("C01", "F04", "M06", "N09", "T02", "Z01")
RENAMES = ("N04", "Z01")
# What a killed run leaves behind, and what no journal tells of.
OURS = re.compile(r"maildirck-undo\.|maildirck\.q(/[^/]*)?$|.*\.lock$")


def traced(*args, stop=0, begin=None, late=False, deny=()):
    """maildirck killed at a stop; (killed, output of ckkill)."""
    wrap = [tool("ckkill")] if EVERY else [tool("ckkill"), "-w"]
    if begin:
        wrap += ["-f", begin]
    if late:
        wrap += ["-l", "259200"]
    for call in deny:
        wrap += ["-d", call]
    done = subprocess.run(
        [*wrap, str(stop), POPBOX, "maildirck", *args], check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=PATIENCE * 10,
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    return done.returncode == 99, done.stdout


def may_trace():
    if traced("--list-checks", stop=1)[0] is not True:
        raise Skip("no ptrace")


def stops(box, begin=None, deny=()):
    """How many there are."""
    return int(traced(*box.repair, box.fresh(), begin=begin,
                      late=box.late, deny=deny)[1].split()[-1])


def uids(root):
    """Those of Dovecot's list whose message is there."""
    try:
        with open(root + "/dovecot-uidlist", "rb") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return set()
    there = {base_of(name) for sub in ("new", "cur")
             for name in os.listdir(os.path.join(root, sub))}
    return {line.split()[0] for line in lines
            if os.fsdecode(line.partition(b":")[2]) in there}


class Box:
    """A damaged Maildir, of which there are as many as one likes."""

    def __init__(self, tree, repair):
        self.tree, self.repair = tree, ["-c", "full", *repair]
        self.late = tree.aged
        # Parts of a message that was to be taken apart are kept as well.
        self.splits = any(w.id == "C06" for w in tree.wants)
        self.wrap = later() if tree.aged else []
        self.place = scratch("k")
        self.serial = 0
        self.start = snapshot(tree.root)
        self.mail = mail_bytes(self.start)
        root = self.fresh()
        done = check(*self.repair, root, wrap=self.wrap)
        self.status = done.status
        self.rest = self.findings(root)
        # What is taken apart on demand is there as a whole as well.
        self.known = self.mail | mail_bytes(snapshot(root))
        self.uids = uids(root)
        self.drop(root)

    def fresh(self):
        self.serial += 1
        root = "%s/%d" % (self.place, self.serial)
        subprocess.run(["cp", "-a", self.tree.root, root], check=True)
        return root

    @staticmethod
    def drop(root):
        subprocess.run(["rm", "-rf", root], check=True)

    def findings(self, root):
        """What is found, but for names: those may be fresh ones."""
        got = check("-j", "-c", "full", *self.tree.options, root,
                    wrap=self.wrap)
        return collections.Counter(i for i, _ in got.loud())

    def lost(self, root):
        """Mail that is no more, or of which there is more than there was."""
        tree = {path: node for path, node in snapshot(root).items()
                if path in self.start or not OURS.match(path) or
                "maildirck.q/" in path}
        now = mail_bytes(tree)
        said = ["lost: " + path for path, node in self.start.items()
                if node.data in self.mail - now]
        return said + ["one too many: " + path for path, node in tree.items()
                       if node.data in now - self.known and
                       not self.splits and node.size > 64]  # no lock

    def repaired(self, root):
        """What is wrong after one more repair."""
        got = check(*self.repair, root, wrap=self.wrap)
        said = self.lost(root)
        if got.status & ~(self.status | FIXED | RESYNC):
            said.append(repr(got))
        if uids(root) != self.uids:
            said.append("UIDs: %r, not %r" % (uids(root), self.uids))
        rest = self.findings(root)
        if rest != self.rest:
            said.append("left: %r, not %r" % (rest, self.rest))
        return said

    def undone(self, root):
        """What is wrong once every journal is undone, the last one first."""
        said = []
        for journal in sorted(journals(root), reverse=True):
            got = check("--undo", journal)
            # Cut off while it was created, it has no first line.
            if os.path.getsize(journal) and got.status & ERROR:
                said.append(repr(got))
        after = {path: node for path, node in snapshot(root).items()
                 if path in self.start or not OURS.match(path)}
        # Copies have inodes of their own.
        strip = lambda tree: {path: node._replace(ino=0, dev=0)
                              for path, node in tree.items()}
        said += differences(strip(self.start), strip(after), every=False)
        return said


def unlock(box, root):
    """The killed one's dotlocks are soon as old as they have to be."""
    for at, _, files in os.walk(root):
        for name in files:
            path = os.path.join(at, name)
            if name.endswith(".lock") and "maildirck.q" not in at and (
                    os.path.relpath(path, root) not in box.start):
                os.utime(path, (EPOCH, EPOCH))


def sweep(ident, variant=0, deny=()):
    """killed at every stop"""
    tree = build(ident, scratch("c") + "/Maildir", 1, variant)
    try:
        sweep_tree(ident, tree, deny)
    finally:
        tree.done()


def sweep_tree(ident, tree, deny):
    begin = "maildirck-undo."
    if ident in RENAMES:
        # Then Dovecot's list has to follow, and its lock comes first.
        tree.put_uidlist("", *tree.uidlist(""))
        begin = "dovecot-uidlist.lock"
    box = Box(tree, [*Trial(tree).mode(), *tree.options, *tree.fixing])
    count = stops(box, begin, deny)
    worse, kept = [], []
    for stop in range(1, count + 1, STEP):
        root = box.fresh()
        killed, _ = traced(*box.repair, root, stop=stop, begin=begin,
                           late=box.late, deny=deny)
        if not killed:
            kept.append("%d: not killed" % stop)
        unlock(box, root)
        worse += ["%d, at once: %s" % (stop, s) for s in box.lost(root)]
        if stop % 2:
            worse += ["%d: %s" % (stop, s) for s in box.repaired(root)]
            if stop % 5 == 0:
                kept += ["%d, then undone: %s" % (stop, s)
                         for s in box.undone(root)]
        else:
            kept += ["%d: %s" % (stop, s) for s in box.undone(root)]
        box.drop(root)
    ident += "".join(" without " + call for call in deny)
    ok(not worse, "%s: killed at %d stops, then repaired" % (ident, count),
       *worse[:5])
    ok(not kept, "%s: killed at %d stops, then undone" % (ident, count),
       *kept[:5])
    ok(count > 10, "%s: that was a repair" % ident, count)


@test
def repairs():
    """killed before and after each system call of a repair"""
    may_trace()
    chosen = CHOICE
    if EVERY:
        chosen = [i for i, c in sorted(CASES.items()) if not c.root and
                  TABLE[i].repair != "none"]
    spread(sweep, [(i,) for i in chosen], 2)


@test
def poor():
    """the same where calls are missing"""
    may_trace()
    spread(sweep, [(i, 0, ("renameat2",)) for i in POOR] + [
        (i, 0, ("linkat", "fchmodat2")) for i in POOR], 2)


@test
def undoing():
    """killed before and after each system call of --undo"""
    may_trace()
    tree = mixture(scratch("c") + "/Maildir", random.Random(5))
    box = Box(tree, ["-y", "-f"])
    repaired = box.fresh()
    check(*box.repair, repaired, wrap=box.wrap)
    box.tree.root, origin = repaired, tree.root
    place = box.fresh()
    count = int(traced("--undo", journals(place)[0])[1].split()[-1])
    wrong = []
    for stop in range(1, count + 1, STEP):
        # Undoing goes by inodes: a Maildir of its own, repaired.
        box.tree.root = origin
        root = box.fresh()
        check(*box.repair, root, wrap=box.wrap)
        traced("--undo", journals(root)[0], stop=stop)
        wrong += ["%d, at once: %s" % (stop, s) for s in box.lost(root)]
        wrong += ["%d: %s" % (stop, s) for s in box.undone(root)]
        box.drop(root)
    tree.done()
    ok(not wrong, "killed at %d stops of --undo" % count, *wrong[:5])


def one_round(seed):
    """a random Maildir killed at a random stop"""
    rng = random.Random(seed)
    tree = mixture(scratch("r") + "/Maildir", rng)
    box = Box(tree, ["-y", "-f", *tree.options])
    count = stops(box, "maildirck-undo.")
    wrong = []
    for _ in range(10):
        root = box.fresh()
        # Sometimes the repair of what is left is killed as well.
        for _ in range(rng.randrange(1, 4)):
            traced(*box.repair, root, stop=rng.randrange(1, count + 2),
                   begin="maildirck-undo.", late=box.late)
            unlock(box, root)
            wrong += ["at once: " + s for s in box.lost(root)]
        wrong += box.undone(root) if rng.random() < 0.4 else (
            box.repaired(root))
        box.drop(root)
    box.drop(tree.root)
    tree.done()
    ok(not wrong, "mixture %d, 10 kills: %s" % (seed, " ".join(
        "%s.%d" % (i, v) for i, _, v in tree.chosen)), *wrong[:5])


@test
def random_kills():
    """random Maildirs, killed at random"""
    may_trace()
    spread(one_round, [(s,) for s in range(max(1, ROUNDS // 10))], 2)


def errors(call, error):
    """a system call that fails, each time another one"""
    tree = mixture(scratch("e") + "/Maildir", random.Random(call + error))
    box = Box(tree, ["-y", "-f", *tree.options])
    wrong, hits = [], 0
    for when in range(1, 40, STEP):
        root = box.fresh()
        got = check(*box.repair, root, wrap=[
            "strace", "-f", "-qq", "-o", "%s.trace" % root, "-e",
            "trace=" + call, "-e", "inject=%s:error=%s:when=%d" % (
                call, error, when)])
        with open("%s.trace" % root) as file:
            hit = "INJECTED" in file.read()
        hits += hit
        unlock(box, root)
        wrong += ["%d, at once: %s" % (when, s) for s in box.lost(root)]
        if hit and got.status == FIXED and error in ("ENOSPC", "EIO"):
            wrong.append("%d: no word of it: %r" % (when, got))
        wrong += ["%d: %s" % (when, s) for s in
                  (box.repaired(root) if when % 2 else box.undone(root))]
        box.drop(root)
        if not hit:
            break
    tree.done()
    ok(not wrong, "%s fails with %s, %d times" % (call, error, hits),
       *wrong[:5])


@test
def failing_calls():
    """disks that are full or broken"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    spread(errors, [(c, e) for c in (
        "renameat2", "linkat", "unlinkat", "fsync", "fdatasync", "write",
        "mkdirat") for e in ("ENOSPC", "EIO", "EDQUOT", "EROFS")], 2)


run_tests(jobs=1)
