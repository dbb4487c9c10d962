# SPDX-License-Identifier: GPL-2.0-or-later
"""One Maildir of the corpus taken through everything maildirck does.

    steps = trial(tree)         # {"found": [], "undone": ["what is wrong"]}

The steps, in this order; each is a list of complaints, or None where it does
not apply:

    found       at the level that the table names, and at full: just that
    told        the same to people, a line each
    left        neither a check nor a dry run has changed anything, and modes
                that may not repair this have not
    repaired    by who may; no mail byte lost, no base name changed by -p
    rechecked   nothing is found any more but what nobody repairs
    undone      the journal brings back names, modes, times and bytes
"""

import os
import re

from checker import *
from cktree import LOUD

STEPS = ("found", "told", "left", "repaired", "rechecked", "undone")
REWRITES = {"C05", "C06", "C09"}        # write mail anew, on demand
NEEDED = ("preen", "yes", "demand")


class Trial:
    def __init__(self, tree):
        self.tree = tree
        self.wants = tree.wants
        self.wrap = (later() if tree.aged else []) + tree.wrap
        self.demand = sorted({w.id for w in self.wants
                              if w.repair == "demand"})
        self.start = None       # the tree as it was built
        self.full = len({w.id for w in self.wants}) > 1

    def run(self, *args):
        return check("-j", *self.tree.options, *args, self.tree.root,
                     wrap=self.wrap)

    def look(self):
        return snapshot(self.tree.root)

    # ---- what is found ----

    def level(self):
        return max([TABLE[w.id].level for w in self.wants] +
                   [self.tree.level or "names"], key=LEVELS.index)

    def misjudged(self, got, wants, quiet=False):
        """What is missing among findings, and what should not be there."""
        said = list(got.bad)
        seen = got.ids()
        for w in wants:
            hits = [f for f in got.findings if f["id"] == w.id and
                    path_in(f) in w.paths]
            if not hits:
                said.append("not found: %r" % w)
            for f in hits:
                if f["sev"] != w.severity:
                    said.append("%r has severity %s" % (w, f["sev"]))
        known = {(w.id, p) for w in wants for p in w.paths} | self.tree.also
        extra = got.loud() - known - {
            (i, p) for i, p in seen if (i, None) in known}
        said += ["found as well: %s %s" % (i, safe(p))
                 for i, p in sorted(extra)]
        if said and not quiet:
            said.append(repr(got))
        return said

    def status(self, got, want):
        """Complaints about the exit status, where 8 is left to the tree."""
        if self.tree.error is None:
            same = got.status & ~ERROR == want
        else:
            same = got.status == want + (ERROR if self.tree.error else 0)
        return [] if same else ["status %d, not %d" % (got.status, want),
                                repr(got)]

    def found(self):
        want = LEFT if any(w.loud for w in self.wants) else 0
        said = []
        for level in sorted({self.level(), "full"}, key=LEVELS.index):
            got = self.run("-c", level)
            wrong = self.misjudged(got, self.wants) + self.status(got, want)
            said += ["-c %s:" % level, *wrong] if wrong else []
        return said

    def told(self):
        got = check("-v", "-c", "full", *self.tree.options, self.tree.root,
                    wrap=self.wrap)
        lines = got.out.decode("latin-1").splitlines()
        said = []
        for w in self.wants:
            pattern = r"(?:.*/)?(?:%s): %s %s: \S" % (
                "|".join(re.escape(safe(p)) if p != "." else ".*"
                         for p in w.paths), w.id, w.severity)
            if not any(re.fullmatch(pattern + ".*", line, re.I)
                       for line in lines):
                said.append("no line for %r" % w)
        said += ["unprintable: " + repr(line) for line in lines
                 if re.search(r"[^ -~]", line)]
        return said + [repr(got)] if said else []

    # ---- what may not change ----

    def modes_below(self):
        """Modes that may repair none of it."""
        who = {w.repair for w in self.wants}
        if "preen" not in who:
            yield ["-p"]
            if "yes" not in who:
                yield ["-y"]

    def unmoved(self):
        said = differences(self.start, self.look())
        fix = ["--fix", ",".join(self.demand)] if self.demand else []
        for mode in (["-n"], ["-p", "--dry-run"],
                     ["-y", "--dry-run", *fix], *self.modes_below()):
            got = self.run("-c", "full", *mode)
            changed = differences(self.start, self.look())
            if changed:
                said += ["%s changed:" % " ".join(mode), *changed, repr(got)]
                break
        return said

    # ---- repair ----

    def mode(self):
        who = {w.repair for w in self.wants}
        if "demand" in who:
            return ["-y", "--fix", ",".join(self.demand)]
        if "yes" in who:
            return ["-y"]
        return ["-p"] if "preen" in who else None

    def preen(self):
        """-p over several defects: its own, and nothing else."""
        got = self.run("-c", "full", "-p")
        after = self.look()
        said = self.losses(self.start, after)
        moved = renamed_bases(self.start, after)
        if moved or got.status & RESYNC:
            said.append("status %d, base names changed: %r" % (
                got.status, moved))
        wants = [w for w in self.wants if w.repair != "preen"]
        said += self.misjudged(self.run("-c", "full"), wants)
        return ["-p:", *said, repr(got)] if said else []

    def repair(self):
        said = self.preen() if self.full else []
        mode = self.mode()
        if self.full and mode == ["-p"]:
            return said
        before = self.look()
        # What is told by less may need the file to be repaired.
        level = "full" if self.full else max(self.level(), "head",
                                             key=LEVELS.index)
        got = self.run("-c", level, *mode, *self.tree.fixing)
        after = self.look()
        said += self.losses(before, after)
        moved = renamed_bases(before, after)
        if mode == ["-p"] and moved:
            said.append("-p changed base names: %r" % moved)
        left = any(w.loud and w.repair == "none" for w in self.wants)
        want = FIXED | (LEFT if left else 0)
        # Control files decide about UIDs, too, and a folder's name does.
        resync = got.status & RESYNC
        if moved and not resync or mode == ["-p"] and resync:
            said.append("status %d, base names changed: %r" % (
                got.status, moved))
        said += self.status(got, want | resync)
        for f in got.findings:
            may = [w for w in self.wants if w.id == f["id"] and
                   path_in(f) in w.paths and w.repair in NEEDED]
            if may and not f.get("done"):
                said.append("not done: %s %s" % (f["id"], safe(path_in(f))))
        if said:
            said.append(repr(got))
        return said

    def losses(self, before, after):
        """Bytes of mail that are gone, or were never there."""
        old, new = mail_bytes(before), mail_bytes(after)
        said = ["mail lost: %s" % d for d in old - new]
        if not REWRITES & {w.id for w in self.wants}:
            known = {node.data for node in before.values()}
            said += ["mail from nowhere: %s" % d for d in new - old
                     if d not in known]
        return said

    def recheck(self):
        got = self.run("-c", "full")
        wants = [w for w in self.wants if w.repair == "none"]
        said = self.misjudged(got, wants)
        for w in self.wants:
            if w.repair != "none" and not w.loud and any(
                    (w.id, p) in got.ids() for p in w.paths):
                said.append("still found: %r" % w)
        want = LEFT if any(w.loud for w in wants) else 0
        said += self.status(got, want)
        # Once is enough: a second time there is nothing to do.
        before = self.look()
        got = self.run("-c", "full", *self.mode(), *self.tree.fixing)
        again = self.status(got, want) + differences(before, self.look())
        return said + (["again:", *again, repr(got)] if again else [])

    def undo(self):
        said = []
        there = journals(self.tree.root)
        if not there:
            return ["no journal: %r" % sorted(os.listdir(self.tree.root))]
        for journal in reversed(there):
            got = check("--undo", journal, wrap=self.wrap)
            if got.status not in (0, FIXED, FIXED | RESYNC):
                said.append(repr(got))
        names = {os.path.basename(j) for j in there}
        said += differences(self.start, self.look(), every=False,
                            ignore=names)
        got = self.run("-c", "full")
        said += self.misjudged(got, self.wants)
        return said

    # ---- all of it ----

    def steps(self):
        self.start = self.look()
        done = dict.fromkeys(STEPS)
        done["found"] = self.found()
        done["told"] = self.told()
        done["left"] = self.unmoved()
        if self.mode():
            done["repaired"] = self.repair()
            done["rechecked"] = self.recheck()
            done["undone"] = self.undo()
        return done


def trial(tree):
    try:
        return Trial(tree).steps()
    finally:
        tree.done()


def may_run(case):
    """None, or why this Maildir cannot be made here."""
    if case.root and os.geteuid() != 0:
        return "needs root"
    return None


def own_mounts():
    """Begins the script anew with mounts of its own, as root."""
    if os.geteuid() != 0 or os.environ.get("OWN_MOUNTS"):
        return
    try:
        wrap = private_mounts()
    except Skip:
        return
    os.environ["OWN_MOUNTS"] = "y"
    os.execvp(wrap[0], [*wrap, sys.executable, "-B", *sys.argv])
