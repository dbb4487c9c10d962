#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks and repairs of a Maildir that is in use.

Three writers deliver, flag and expunge at full speed, one of them with flags
in a wrong order now and then; maildirck checks and repairs all the while.
What is reported must be true, and each writer's ledger has to come out even.
"""

import os
import sys
import tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from checker import *
from cktree import Tree

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")

SECONDS = 8             # of each round, at least
MOST = 30               # and at most
OPERATIONS = 34000      # of each writer in each round, at least
NAUGHTY = 3             # the writer that gets flags wrong


class Writer:
    def __init__(self, root, ident, pause):
        self.root, self.ident = root, ident
        self.ledger = tempfile.TemporaryFile()  # a pipe would fill up
        self.process = subprocess.Popen(
            [tool("ckwriter"), root, str(ident), str(OPERATIONS),
             "25" if ident == NAUGHTY else "0", str(pause)],
            stdout=self.ledger, stderr=subprocess.PIPE)
        cleanup(self.process.wait)
        cleanup(self.process.kill)

    def name(self, number, size):
        return "%d.M%dP%d.live,S=%d" % (1650000000 + number, number,
                                        self.ident, size)

    def end(self):
        """Reads the ledger: have, gone and lost are sets of base names."""
        self.process.terminate()
        _, err = self.process.communicate(timeout=120)
        self.ledger.seek(0)
        self.have, self.gone, self.lost = set(), set(), set()
        self.sums, self.said = [0] * 7, err.decode()
        for line in self.ledger:
            word, *numbers = line.decode().split()
            if word == "sum":
                self.sums = list(map(int, numbers))
            else:
                getattr(self, word).add(self.name(*map(int, numbers)))
        return self.process.returncode


def text_of(ident, number):
    """What the writer has written."""
    return ("From: writer%d@example.org\n"
            "Date: Fri, 15 Apr 2022 05:20:00 +0000\nMessage-ID: <%d.%d@live>\n"
            "Subject: %d\n\n" % (ident, ident, number, number) + "".join(
                "line %d of message %d by %d\n" % (i, number, ident)
                for i in range(number % 40))).encode()


def true_finding(f):
    """Only what the third writer does on purpose, and tells by its name."""
    m = re.fullmatch(r"cur/\d+\.M\d+P(\d+)\.live,S=\d+:2,([A-Z]*)",
                     path_in(f))
    return bool(m and int(m.group(1)) == NAUGHTY and f["id"] == "N09" and
                list(m.group(2)) != sorted(m.group(2)))


def contents(root):
    """Base name -> the texts of all files of that name."""
    found = {}
    for sub in ("new", "cur"):
        for name in os.listdir(root + "/" + sub):
            with open(root + "/" + sub + "/" + name, "rb") as file:
                found.setdefault(name.split(":")[0], []).append(file.read())
    return found


def audit(root, writers):
    """What does not agree with the ledgers."""
    found, said = contents(root), []
    for w in writers:
        said += ["lost by %d: %s" % (w.ident, b) for b in w.lost]
        for base in w.have:
            texts = found.pop(base, [])
            number = int(re.search(r"M(\d+)P", base).group(1))
            if texts != [text_of(w.ident, number)]:
                said.append("%s is there %d times%s" % (
                    base, len(texts), "" if len(texts) != 1 else
                    ", with other bytes"))
        said += ["back again: " + b for b in w.gone if b in found]
    said += ["nobody's: " + b for b in found if not any(
        b in w.gone for w in writers)]
    return said


def busy(writers, seconds):
    """Is there more to do beside maildirck?"""
    return seconds < SECONDS or (seconds < MOST and not all(
        os.path.exists("%s/../enough%d" % (w.root, w.ident))
        for w in writers))


def round_of(what, modes, pause=0):
    """SECONDS of writers and runs of maildirck with `modes` in turn."""
    tree = Tree(scratch("live") + "/Maildir", 1)
    writers = [Writer(tree.root, i, pause) for i in (1, 2, 3)]
    runs, seen, false, odd = 0, 0, [], []
    concurrent = fixed = 0
    began = time.monotonic()
    while busy(writers, time.monotonic() - began) or runs < 2 * len(modes):
        got = check("-j", "-f", *modes[runs % len(modes)], tree.root)
        runs += 1
        seen += len(got.loud())
        false += [f for f in got.findings if f["sev"] in LOUD and
                  not true_finding(f)]
        fixed += sum(bool(f.get("done")) for f in got.findings)
        if got.bad or got.status & ~(FIXED | LEFT) or not got.summary:
            odd.append(got)
        concurrent += (got.summary or {}).get("concurrent", 0)
    status = [w.end() for w in writers]
    total = [sum(w.sums[i] for w in writers) for i in range(7)]
    is_(status, [0, 0, 0], what + ": the writers end well",
        "".join(w.said for w in writers))
    is_(false[:5], [], what + ": nothing is reported that is not so",
        len(false))
    is_(odd[:2], [], what + ": each run ends as it should", len(odd))
    is_(audit(tree.root, writers)[:10], [],
        what + ": no message lost, doubled or spoilt")
    is_([n for n in os.listdir(tree.root)
         if n in (".Lost+Found", "maildirck.q")], [],
        what + ": nothing in quarantine")
    is_([p for p in os.listdir(tree.at("tmp"))], [], what + ": tmp is empty")
    check("-p", "-f", tree.root)
    got = check("-j", "-c", "full", tree.root)
    is_((got.status, got.loud()), (0, set()), what + ": clean in the end",
        got)
    print("# %s: %d operations (%d delivered, %d seen, %d flagged, %d "
          "expunged, %d searched for), %d of them beside %d runs" % (
              what, *total, runs))
    print("# %s: %d findings, %d repaired, %d names gone meanwhile" % (
        what, seen, fixed, concurrent))
    return total[0]


def main():
    total = 0
    total += round_of("check", (["-c", "names"], ["-c", "stat"], [],
                                ["-c", "full", "-E", "C12=warn,C15=warn"]))
    total += round_of("preen", (["-p"], ["-p", "-c", "full"]))
    total += round_of("yes", (["-y", "-c", "full"], ["-y"],
                              ["-y", "--fix", "C12,C15,C05,C09"]))
    ok(total >= 200000, "at least 200 000 operations", total)
    print("# %d operations in all" % total)
    done()


main()
