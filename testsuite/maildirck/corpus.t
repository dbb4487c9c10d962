#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Maildir for each finding: found, repaired, undone; and mixtures of them.
"""

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ckcase import *
from ckcorpus import *

need_all = [n for n in ("MAILDIRCK",) if not config(n)]
if need_all:
    skip_all("MAILDIRCK is not configured")
own_mounts()
MIXTURES = 60
QUICK = config("SANITIZE")      # a start takes a tenth of a second there


def show(what, steps):
    for step in STEPS:
        if steps[step] is not None:
            ok(not steps[step], "%s: %s" % (what, step), *steps[step])


def one(ident, variant):
    """one Maildir of the corpus"""
    why = may_run(CASES[ident])
    if why and not os.environ.get("CI"):
        skip("%s.%d" % (ident, variant), why)
        return
    tree = build(ident, scratch("c") + "/Maildir", 0, variant)
    show("%s.%d %s" % (ident, variant, TABLE[ident].title), trial(tree))


@test
def corpus():
    """each finding, in each form"""
    is_(sorted(CASES), sorted(TABLE), "a Maildir for every id")
    spread(one, [(i, v) for i in sorted(CASES)
                 for v in range(1 if QUICK else CASES[i].variants)], 4)


def mixed(seed):
    """a mixture"""
    tree = mixture(scratch("m") + "/Maildir", random.Random(seed))
    show("mixture %d: %s" % (seed, " ".join(
        "%s.%d" % (i, v) for i, _, v in tree.chosen)), trial(tree))


@test
def mixtures():
    """mixtures"""
    spread(mixed, [(s,) for s in range(MIXTURES // (6 if QUICK else 1))], 4)


def quiet(what, *args):
    """Nothing is found, and nothing is repaired."""
    root = args[-1]
    before = snapshot(root)
    for mode in ("-n", "-p", "-y"):
        got = check("-j", "-c", "full", mode, *args)
        is_((got.status, got.loud()), (0, set()), "%s, %s" % (what, mode),
            got)
    is_(differences(before, snapshot(root)), [], what + ": not touched")
    return got


@test
def names_of_all():
    """names in the forms of every program"""
    tree = Tree(scratch("n") + "/Maildir", 1)
    for form in sorted(FORMS):
        for _ in range(4):
            tree.put("", "cur", form=form)
            tree.put("", "new", form=form)
    tree.write(".uidvalidity", b"1650000000\n9\n")
    for uid in range(1, 6):
        tree.put("", "cur", base=mbsync_name(tree.rng, tree.tick(), uid))
    for uid in range(6, 9):
        tree.put("", "cur", base=offlineimap_name(tree.rng, tree.tick(), uid))
    for name in (".Sent", ".Archive.2023", ".M&APw-ll", ".Trash",
                 ".a b", ".Lists.de.x"):
        tree.fill(tree.folder(name), 6, 2)
    tree.write("subscriptions", b"V\t2\n\nSent\nArchive\t2023\n")
    got = quiet("names of all programs", tree.root)
    is_(got.ids("info"), set(), "and nothing for information", got)


@test
def clean_control():
    """control files as servers write them"""
    tree = Tree(scratch("n") + "/Maildir", 2)
    tree.forms = SIZED
    for name in ("", ".Sent", ".Trash"):
        if name:
            tree.folder(name)
        tree.fill(name, 9, 3)
    size, count = tree.quota()
    tree.write("maildirsize", "50000000S,1000C\n%d %d\n%d 1\n-50 0\n" % (
        size - 950, count - 1, 1000))
    tree.put_uidlist("", *tree.uidlist(""))
    tree.write("dovecot-uidvalidity", b"62590080")
    tree.write("dovecot-uidvalidity.62590080", b"", mode=0o444)
    tree.write("dovecot-keywords", b"0 $Forwarded\n1 Junk\n")
    tree.put("", "new", data=b"")   # taken away again: sizes stay
    for name in os.listdir(tree.at("new")):
        if os.stat(tree.at("new/" + name)).st_size == 0:
            os.unlink(tree.at("new/" + name))
    courier_list(tree, ".Sent", lambda head, lines: [head, *lines])
    tree.write("dovecot.index.log", b"\7\3\2\0")
    tree.write("subscriptions", b"Sent\nTrash\n")
    quiet("control files", tree.root)


@test
def large():
    """20 000 clean messages"""
    count = 2000 if QUICK else 20000
    tree = Tree(scratch("n") + "/Maildir", 3)
    data = plain(tree.rng, EPOCH)
    for i in range(count):
        when = EPOCH + i * 60
        tree.put("", "cur" if i % 20 else "new", data, when=when,
                 base="%d.M%dP%d.mail,S=%d" % (when, i, i % 997, len(data)))
    got = quiet("%d messages" % count, tree.root)
    is_((got.summary or {}).get("messages"), count, "all are counted", got)


run_tests(jobs=2)
