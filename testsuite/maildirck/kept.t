#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a repair has to keep: flags, modes, and whatever it had to give up.
"""

import os
import sys
import zlib
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ckcase import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")
own_mounts()

TEXT = b"From: a@example.org\nSubject: x\n\nbody\n"
BASE = "1700000000.M1P1.kept"


def box(*names):
    """A Maildir with these messages, of other bytes each."""
    tree = Tree(scratch("k") + "/Maildir", 7)
    for number, name in enumerate(names):
        tree.write(name, TEXT + b"%d\n" % number)
    return tree


def names(tree):
    """Messages, without the base name where it is BASE."""
    return {re.sub(r"(/)%s(?=:|$)" % re.escape(BASE), r"\1", p)
            for p, n in snapshot(tree.root).items() if is_mail(p, n)}


def failing(call, error, when):
    if not shutil.which("strace"):
        raise Skip("no strace")
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
            "-e", "inject=%s:error=%s:when=%s" % (call, error, when)]


# ---- flags -------------------------------------------------------------------

@test
def flags():
    """every flag and keyword stays, in ASCII order"""
    for info, then, args in (
            (":2,TSRPFD", ":2,DFPRST", []), (":2,Sa", None, []),
            (":2,zaSD", ":2,DSaz", []), (":2,SSD", ":2,DS", []),
            (":2,SRX", ":2,RSX", []), (":2,SX", None, []),
            (":2,XS", ":2,S", ["--fix", "N11"]),
            (":2,SDb:2,RaF", ":2,DFRSab", []), (";2,DFPRSTaz",
                                               ":2,DFPRSTaz", []),
            (":2,9SR", ":2,9RS", [])):
        tree = box("cur/" + BASE + info)
        got = check("-y", *args, tree.root)
        is_(names(tree), {"cur/" + (then or info)}, info, got)


@test
def flags_of_twins():
    """flags of two names come together, and stay in quarantine"""
    for one, two, same_file, then in (
            ("cur/%s:2,DSa", "cur/%s:2,Fb", True, {"cur/:2,DFSab"}),
            ("cur/%s:2,S", "new/%s", True, {"cur/:2,S"}),
            ("cur/%s:2,DSa", "cur/%s:2,Fb", False, {
                "cur/:2,DFSab", ".Lost+Found/cur/:2,Fb"})):
        tree = box(one % BASE)
        if same_file:
            os.link(tree.at(one % BASE), tree.at(two % BASE))
        else:
            shutil.copy2(tree.at(one % BASE), tree.at(two % BASE))
        got = check("-y", tree.root, wrap=later(60))
        is_(names(tree), then, "%s, %s, %s" % (
            one[:4] + one[6:], two[:4] + two[6:],
            "one file" if same_file else "two files"), got)


@test
def like_twins():
    """two messages of one base name and size are no copies"""
    tree = box("cur/%s:2,S" % BASE, "cur/%s:2,F" % BASE)
    got = check("-j", tree.root)
    is_({i for i, _ in got.loud()}, {"N04"}, "N04", got)
    check("-y", tree.root)
    is_({(p[:4], p[-4:]) for p in names(tree)},
        {("cur/", ":2,S"), ("cur/", ":2,F")}, "both stay in cur/", names(tree))


# ---- too early ---------------------------------------------------------------

@test
def ages():
    """what is judged by its age"""
    tree = box("tmp/" + BASE, "cur/%s.2:2,S" % BASE)
    with open(tree.at("tmp/" + BASE), "wb") as file:
        file.write(b"From: x@example.org\nSubj")
    for hours, want in ((2, set()), (40, {("T01", "tmp/" + BASE)})):
        got = check("-j", tree.root, wrap=later(hours * 3600))
        is_(got.loud(), want, "half a message in tmp for %d hours" % hours,
            got)
    tree = box("cur/%s:2,S" % BASE)
    for name in ("dovecot-uidlist.lock", "courierimapuiddb.lock"):
        tree.write(name, b"1:x", when=time.time())
        for seconds, want in ((60, set()), (3600, {("T05", name)})):
            got = check("-j", tree.root, wrap=later(seconds))
            is_(got.loud(), want, "%s for %d seconds" % (name, seconds), got)
        os.unlink(tree.at(name))
    os.link(tree.at("cur/%s:2,S" % BASE), tree.at("new/" + BASE))
    got = check("-j", tree.root)
    is_(got.loud(), set(), "a rename by link and unlink goes on", got)
    got = check("-j", tree.root, wrap=later(60))
    ok("N02" in {i for i, _ in got.loud()}, "it does not after a minute", got)


# ---- control files -----------------------------------------------------------

@test
def control():
    """mode of a control file, and that clients must know"""
    need("FEATURE_MAILDIRCK_CONTROL")
    tree = box("cur/a:2,", "cur/b:2,")
    tree.write("dovecot-uidlist", b"3 V5 N9\n1 :a\n0 :x\n2 :b\n", mode=0o640)
    got = check("-y", "--only", "M", tree.root)
    is_((got.status, os.stat(tree.at("dovecot-uidlist")).st_mode & 0o777),
        (FIXED | RESYNC, 0o640), "a line that has no UID goes", got)
    tree = box("cur/a:2,", "cur/b:2,")
    tree.write("dovecot-uidlist", b"3 V5 X1\n1 :a\n2 :b\n")
    got = check("-y", "--only", "M", tree.root)
    is_(got.status, FIXED, "no next UID: no client has to know", got)


# ---- what fails --------------------------------------------------------------

@test
def full_disk():
    """where one operation has no room there is no other"""
    tree = box(*("cur/%s%d:2,SR" % (BASE, i) for i in range(5)))
    got = check("-p", tree.root, wrap=failing("renameat2", "ENOSPC", "1"))
    is_({p[-5:] for p in names(tree)}, {":2,SR"}, "nothing is renamed", got)
    ok(got.status & ERROR and got.status & LEFT and got.status & FIXED == 0,
       "status", got)
    got = check("-p", tree.root, wrap=failing("renameat2", "EACCES", "1"))
    is_(sorted(p[-5:] for p in names(tree)), [":2,RS"] * 4 + [":2,SR"],
        "who may not rename one may rename others", got)


@test
def taken_back():
    """the third operation of a group fails"""
    tree = box("cur/%s:2,SR" % BASE)
    path = tree.at("cur/%s:2,SR" % BASE)
    os.chmod(path, 0o666)
    for sub in (".", "cur"):
        os.chmod(tree.at(sub), 0o755)
    os.utime(path, (86400, 86400))
    before = snapshot(tree.root)
    args = ["-p", "--only", "F,N", "--fix", "C14", tree.root]
    got = check(*args, wrap=failing("utimensat", "EACCES", "1+"))
    is_(differences(before, snapshot(tree.root), every=False, ignore={
        os.path.basename(j) for j in journals(tree.root)}), [],
        "mode and name are as before", got)
    got = check("--undo", journals(tree.root)[0])
    ok(os.path.exists(path), "an undo has nothing to do", got)
    got = check(*args)
    after = os.stat(tree.at("cur/%s:2,RS" % BASE))
    ok(after.st_mode & 0o007 == 0 and after.st_mtime > 86400,
       "when it does not fail all three are done", got)


@test
def failed_and_done_by_hand():
    """--undo leaves alone what a run has tried in vain"""
    one, two = ("cur/%s%d:2,SR" % (BASE, i) for i in (1, 2))
    tree = box(one, two)
    check("-p", tree.root, wrap=failing("renameat2", "EACCES", "1"))
    left = [p for p in (one, two) if os.path.exists(tree.at(p))]
    is_(len(left), 1, "one is left")
    os.rename(tree.at(left[0]), tree.at(left[0][:-2] + "RS"))
    got = check("--undo", journals(tree.root)[0])
    is_([os.path.exists(tree.at(p)) for p in (one, two)],
        [p not in left for p in (one, two)],
        "what was renamed by hand has its name, the other one is back", got)


# ---- journals that are not true ----------------------------------------------

def line(*words):
    text = " ".join(map(str, words)).encode()
    return text + b" %d" % zlib.crc32(text) + b"\n"


def numbers(path, old=0, new=0):
    st = os.lstat(path)
    return (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, old, new)


def header(tree):
    st = os.stat(tree.root)
    return b"maildirck-journal 1 %d %d %s\n" % (
        st.st_dev, st.st_ino, os.fsencode(tree.root))


@test
def way_outside():
    """a journal with the right numbers of a file outside"""
    tree = box("cur/%s:2,S" % BASE)
    out = os.path.dirname(tree.root) + "/out"
    os.mkdir(out)
    with open(out + "/file", "wb") as file:
        file.write(TEXT)
    os.chmod(out + "/file", 0o644)
    os.symlink("../out", tree.at("way"))
    os.symlink("../../out", tree.at("cur/way"))
    before = snapshot(out)
    for way in ("../out", "cur/../../out", "way", "cur/way", "./../out",
                "cur/./../../out", out, "/" + out, "tmp/../way"):
        nums = lambda old=0, new=0: numbers(out + "/file", old, new)
        for what in (("rename", "cur/x:2,S", way + "/file", *nums()),
                     ("rename", way + "/x", way + "/file", *nums()),
                     ("unlink", way + "/x", way + "/file", *nums()),
                     ("chmod", way + "/file", "-", *nums(0o666, 0o644)),
                     ("mkdir", "-", way + "/file", *nums()),
                     ("rmdir", way + "/new", "-", *nums(0o777)),
                     ("new", "-", way + "/file", *nums())):
            for end in (b"", b"commit 1\n"):
                journal = tree.at("maildirck-undo.1")
                with open(journal, "wb") as file:
                    file.write(header(tree) + line(1, *what) + end)
                if end:
                    got = check("--undo", journal)
                else:
                    got = check("-p", tree.root)
                said = differences(before, snapshot(out), every=False)
                if said:
                    ok(False, "%s: %s" % (way, " ".join(map(str, what))),
                       *said, got)
                    return
    ok(True, "nothing there changes")


@test
def one_link():
    """two names and a link count of one: no name goes"""
    need_root()
    new, cur = "new/" + BASE, "cur/%s:2," % BASE
    tree = box(cur)
    tree.image("ext2")
    tree.debugfs('ln "/Maildir/%s" "/Maildir/%s"' % (cur, new))
    try:
        with open(tree.at("maildirck-undo.1"), "wb") as file:
            file.write(header(tree) + line(1, "rename", new, cur,
                                           *numbers(tree.at(cur))))
        os.chmod(tree.at("maildirck-undo.1"), 0o600)
        is_(os.stat(tree.at(cur)).st_nlink, 1, "one link")
        got = check("-p", tree.root, wrap=later(60))
        ok(os.path.exists(tree.at(cur)) and os.path.exists(tree.at(new)),
           "between link and unlink of a run that was cut off", got)
        ok(got.status & ERROR, "it says that something is wrong", got)
    finally:
        tree.done()


run_tests(jobs=4)
