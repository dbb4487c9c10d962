# SPDX-License-Identifier: GPL-2.0-or-later
"""A Maildir for every finding of maildirck, and mixtures of them.

    tree = build("N09", root, seed)     # clean mail and this one defect
    tree.wants                          # what must be found, and who repairs
    expect("N09")                       # what goes for the id in general
    tree = mixture(root, random.Random(7))

A case is a function of a Tree, a folder and the number of a variant.  It
makes the defect in that folder and says so with tree.want().
"""

import gzip
import os
import socket
import stat
import subprocess

from checker import TABLE
from cktree import EPOCH, FAR, Tree
from ckmail import *
from maildir import PLAIN

CASES = {}


class Case:
    """What goes for all Maildirs of an id.

    variants    how many there are
    mix         may be one of several defects, in any folder
    root        needs root
    make        whether there is a Maildir to begin with
    fill        messages in cur/ and new/ beside the defect; None: none
    folder      where build() puts it
    """

    def __init__(self, ident, call, variants=1, mix=True, root=False,
                 make=True, fill=(8, 3), folder="", forms=None, loop=False):
        self.id, self.call, self.variants = ident, call, variants
        self.mix, self.root, self.make = mix, root, make
        self.fill, self.folder, self.forms = fill, folder, forms
        self.loop = loop


def case(ident, **how):
    def keep(call):
        CASES[ident] = Case(ident, call, **how)
        return call
    return keep


class Expected:
    """id, level, severity; options to find it and to repair it; who may."""

    def __init__(self, ident):
        row = TABLE[ident]
        self.id, self.level = ident, row.level
        self.opt_in = row.severity == "ignore"
        self.severity = "warn" if self.opt_in else row.severity
        self.find = ["-E", ident + "=warn"] if self.opt_in else []
        self.class_ = row.repair
        self.repair = {
            "preen": ["-p"], "yes": ["-y"], "none": None,
            "demand": ["-y", "--fix", ident]}[row.repair]


def expect(ident):
    return Expected(ident)


def build(ident, root, seed=0, variant=0):
    """A Maildir with clean mail in three folders, and one defect."""
    this = CASES[ident]
    tree = Tree(root, "%s %d %d" % (ident, seed, variant), this.make)
    tree.forms = this.forms
    tree.options = expect(ident).find
    if this.fill:
        tree.fill("", *this.fill)
        for name in (".Sent", ".Archive.2023"):
            tree.fill(tree.folder(name), 5, 1)
    this.call(tree, this.folder, variant)
    return tree.finish()


def mixture(root, rng, most=14):
    """Several folders, and several defects that do not disturb each other."""
    tree = Tree(root, rng.getrandbits(32))
    folders = [""] + [tree.folder(n) for n in (
        ".Sent", ".Archive.2023", ".Lists.a-b", ".M&APw-ll")]
    for name in folders:
        tree.fill(name, rng.randrange(12, 30), rng.randrange(0, 8))
    able = sorted(i for i, c in CASES.items() if c.mix)
    tree.chosen = []
    for ident in rng.choices(able, k=rng.randrange(4, most)):
        this = CASES[ident]
        folder = rng.choice(folders[1:] if this.folder else folders)
        variant = rng.randrange(this.variants)
        if this.call(tree, folder, variant) is not False:
            tree.chosen.append((ident, folder, variant))
    return tree.finish()


# ---- structure ---------------------------------------------------------------

@case("S01", mix=False, make=False, fill=None)
def not_a_maildir(t, f, v):
    t.want("S01", ".", "cur", "new", "tmp")
    # The rest of it follows from the first.
    t.also |= {("S02", None)}


@case("S02", variants=3, mix=False)
def missing(t, f, v):
    sub = ("tmp", "new", "cur")[v]
    for at in ("", ".Sent"):
        if not os.listdir(t.at(t.path(at, sub, ""))):
            break
    else:
        at = t.folder(".Empty")
    os.rmdir(t.at(t.path(at, sub, "")))
    t.want("S02", t.path(at, sub, ""))


@case("S03", variants=4, mix=False)
def no_directory(t, f, v):
    f = t.folder(".Odd")
    path = t.path(f, ("tmp", "new", "cur", "cur")[v], "")
    os.rmdir(t.at(path))
    if v == 0:
        t.write(path, b"what is this?\n")
    elif v == 1:
        os.mkfifo(t.at(path), 0o600)
    elif v == 2:
        os.makedirs(t.root + ".outside/deep", exist_ok=True)
        os.symlink(t.root + ".outside", t.at(path))
    else:
        os.symlink("nowhere", t.at(path))
    t.want("S03", path)


@case("S04", mix=False, root=True)
def other_device(t, f, v):
    t.mount("-t", "tmpfs", "-o", "mode=0700", "none", t.at("tmp"))
    t.want("S04", "tmp", "cur", "new", ".")


@case("S05", variants=4)
def open_directory(t, f, v):
    sub = ("cur", "new", "tmp", "")[v]
    if not t.slot("mode", f, sub):
        return False
    path = t.path(f, sub, "") or "cur"
    os.chmod(t.at(path), (0o755, 0o770, 0o1777, 0o711)[v])
    t.want("S05", path)


@case("S06", mix=False, root=True)
def owner(t, f, v):
    os.chown(t.at("cur"), PLAIN, PLAIN)
    t.fixing = ["--owner", "0:0"]
    t.want("S06", "cur")


@case("S07", variants=2, mix=False, root=True)
def immutable(t, f, v):
    if v == 0:
        t.mount("--bind", t.root, t.root)
        t.run("mount", "-o", "remount,bind,ro", t.root)
        t.want("S07", ".", "cur", "new", "tmp")
        t.also |= {("S07", None)}
    else:
        t.attribute("i", "cur")
        t.want("S07", "cur")
    t.error = None              # either is right


@case("S08", variants=3)
def directory_inside(t, f, v):
    name = t.path(f, "cur", "sub%d" % t.serial)
    t.serial += 1
    os.mkdir(t.at(name), 0o700)
    if v == 1:
        t.put(f, "cur", name="%s/%s" % (name.split("/")[-1],
                                        t.name(form="qmail") + ":2,S"))
    elif v == 2:
        for sub in ("cur", "new", "tmp"):
            os.mkdir(t.at(name + "/" + sub), 0o700)
        t.write(name + "/cur/" + t.name(form="qmail") + ":2,F",
                mail(t.rng, t.tick()))
        t.write(name + "/notes", b"no mail\n")
    t.want("S08", name)


@case("S09", mix=False)
def folder_inside(t, f, v):
    inner = ".Sent/.2022"
    t.directories(inner)
    t.write(inner + "/maildirfolder", b"")
    t.put(inner, "cur")
    t.want("S09", inner)


@case("S10", variants=2, mix=False)
def maildir_inside(t, f, v):
    t.directories("Maildir")
    t.put("Maildir", "cur")
    t.put("Maildir", "new")
    if v == 1:                  # half of it is there already
        known = sorted(os.listdir(t.at("new")))[0]
        with open(t.at("new/" + known), "rb") as file:
            t.write("Maildir/new/" + known, file.read())
        t.also |= {("N01", None), ("N04", None)}
    t.want("S10", "Maildir")


@case("S11")
def mail_in_root(t, f, v):
    when = t.tick()
    data = mail(t.rng, when)
    t.want("S11", t.write(t.path(f, "", t.name(when, data)), data, when=when))


@case("S12", variants=2)
def dot_file(t, f, v):
    name = (".DS_Store", ".sieve-notes")[v]
    if not t.slot("root", name):
        return False
    t.want("S12", t.write(name, b"\0\0\0\1Bud1 and so on\n"))
    return True


@case("S13", variants=3)
def dot_directory(t, f, v):
    name = (".cache", ".ssh", ".gone")[v]
    if not t.slot("root", name):
        return False
    os.mkdir(t.at(name), 0o700)
    if v == 1:
        t.write(name + "/config", b"Host *\n")
    elif v == 2:
        os.mkdir(t.at(name + "/tmp"), 0o700)
    t.want("S13", name, repair="none" if v == 1 else "preen")
    return True


@case("S14")
def unmarked(t, f, v):
    name = ".Plain%d" % t.serial
    t.directories(name)
    t.put(name, "cur")
    t.want("S14", name, name + "/maildirfolder")


@case("S15", variants=3)
def root_mark(t, f, v):
    if v == 0:
        if not t.slot("root", "maildirfolder"):
            return False
        t.want("S15", t.write("maildirfolder", b""))
        return True
    name = ".Marked%d" % t.serial
    t.directories(name)
    t.put(name, "cur")
    mark = name + "/maildirfolder"
    if v == 1:
        t.write(mark, b"not empty\n")
    else:
        os.mkdir(t.at(mark), 0o700)
    t.want("S15", mark)
    return True


@case("S16", variants=3, mix=False)
def folder_name(t, f, v):
    name = ("..hidden", ".A..B", ".Trailing.")[v]
    t.folder(name)
    t.put(name, "cur")
    t.want("S16", name)


@case("S17", variants=3)
def folder_encoding(t, f, v):
    name = (".Entw&APx", ".&ABC-bad&!", ".&AGEAYg-")[v]
    if not t.slot("root", name):
        return False
    t.folder(name)
    t.put(name, "cur")
    t.want("S17", name)
    return True


@case("S18", mix=False)
def folder_case(t, f, v):
    for name in (".Projects", ".projects"):
        t.folder(name)
        t.put(name, "cur")
    t.want("S18", ".Projects", ".projects")


@case("S19", mix=False)
def layouts(t, f, v):
    for name in ("Work", "Work/Done"):
        t.directories(name)
        t.put(name, "cur")
    t.want("S19", ".", "Work")
    t.also |= {("S19", None)}


@case("S20", variants=2, mix=False)
def linked_folder(t, f, v):
    outside = t.root + ".outside"
    other = Tree(outside, 1)
    other.fill("", 2, 1)
    os.symlink((outside, "nowhere")[v], t.at(".Shared"))
    t.want("S20", ".Shared")


@case("S21")
def unknown(t, f, v):
    if not t.slot("root", "notes", f):
        return False
    t.want("S21", t.write(t.path(f, "", "notes.txt"), b"buy milk\n"))
    return True


@case("S22", variants=2)
def future_directory(t, f, v):
    sub = ("cur", "new")[v]
    if not t.slot("future", f, sub):
        return False
    path = t.path(f, sub, "")

    def set_it():
        import time
        when = time.time() + FAR
        os.utime(t.at(path), (when, when))

    t.later(set_it)
    t.want("S22", path)
    return True


@case("S23", mix=False, loop=True)
def bloated(t, f, v):
    def swell():
        t.write("tmp/one", b"x")
        names = ["cur/%d.M%d.%s" % (EPOCH, i, "x" * 200)
                 for i in range(8000)]
        for name in names:
            os.link(t.at("tmp/one"), t.at(name))
        for name in names + ["tmp/one"]:
            os.unlink(t.at(name))

    swell()
    if os.stat(t.at("cur")).st_size < 1200000:
        t.image()
        swell()
    t.want("S23", "cur")


@case("S24", mix=False)
def lost_and_found(t, f, v):
    os.mkdir(t.at("lost+found"), 0o700)
    t.want("S24", "lost+found")


# ---- tmp ---------------------------------------------------------------------

@case("T01", variants=2)
def incomplete(t, f, v):
    t.aged = True
    when = t.tick()
    data = plain(t.rng, when)
    data = data[:data.index(b"\nDate")] if v == 0 else data[:-20] + b"\0" * 900
    t.want("T01", t.put(f, "tmp", data, form="qmail", when=when))


@case("T02", variants=2)
def salvage(t, f, v):
    t.aged = True
    when = t.tick()
    t.want("T02", t.put(f, "tmp", mail(t.rng, when), when=when,
                        form=("postfix", "dovecot")[v]))


@case("T03", variants=2)
def tmp_link(t, f, v):
    t.aged = True
    there = t.put(f, "new", form="qmail")
    name = there.split("/")[-1]
    if v == 1:
        os.rename(t.at(there), t.at(t.path(f, "cur", name + ":2,S")))
        there = t.path(f, "cur", name + ":2,S")
    copy = t.path(f, "tmp", name)
    os.link(t.at(there), t.at(copy))
    t.want("T03", copy)


@case("T04")
def tmp_copy(t, f, v):
    t.aged = True
    when = t.tick()
    data = mail(t.rng, when)
    t.put(f, "new", data, when=when)
    t.want("T04", t.put(f, "tmp", data, when=when + 1))


@case("T05", variants=3)
def stale_lock(t, f, v):
    t.aged = True
    name = ("dovecot-uidlist.lock", "dovecot-keywords.lock",
            "courierimaplock")[v]
    if not t.slot("lock", f, name):
        return False
    t.want("T05", t.write(t.path(f, "", name), b"4194300:gone.example.org"))
    return True


@case("T06", variants=3)
def odd_in_tmp(t, f, v):
    t.aged = True
    path = t.path(f, "tmp", t.name())
    if v == 0:
        os.mkdir(t.at(path), 0o700)
    elif v == 1:
        os.symlink("/etc/hostname", t.at(path))
    else:
        os.mkfifo(t.at(path), 0o600)
    t.want("T06", path)


@case("T07")
def future_tmp(t, f, v):
    import time
    t.want("T07", t.put(f, "tmp", when=int(time.time()) + FAR,
                        base=t.name()))


@case("T08")
def empty_tmp(t, f, v):
    t.aged = True
    t.want("T08", t.put(f, "tmp", b""))


# ---- names -------------------------------------------------------------------

def plain_base(t):
    """A base name with nothing in it that needs care, and its time."""
    when = t.tick()
    return t.name(when, form=t.rng.choice(("qmail", "mblaze", "python"))), when


@case("N01")
def new_and_cur(t, f, v):
    base, when = plain_base(t)
    data = mail(t.rng, when)
    one = t.put(f, "new", data, base=base, when=when)
    two = t.put(f, "cur", data, base=base, when=when)
    t.want("N01", one, two)


@case("N02", variants=2)
def one_inode(t, f, v):
    t.aged = True
    base, when = plain_base(t)
    one = t.put(f, ("new", "cur")[v], base=base, info=("", ":2,F")[v],
                when=when)
    two = t.path(f, "cur", base + ":2,S")
    os.link(t.at(one), t.at(two))
    t.want("N02", one, two)


@case("N03", variants=2)
def other_flags(t, f, v):
    base, when = plain_base(t)
    data = mail(t.rng, when)
    one = t.put(f, "cur", data, base=base, info=":2,S", when=when)
    two = t.put(f, "cur", data, base=base, info=(":2,F", ":2,RS")[v],
                when=when)
    t.want("N03", one, two)


@case("N04", variants=2)
def collision(t, f, v):
    base, when = plain_base(t)
    one = t.put(f, ("new", "cur")[v], base=base, when=when,
                info=("", ":2,F")[v])
    two = t.put(f, "cur", base=base, info=":2,S", when=when + 5)
    t.want("N04", one, two)


@case("N05", variants=2)
def no_info(t, f, v):
    t.want("N05", t.put(f, "cur", info="", form=("qmail", "dovecot")[v]))


@case("N06")
def info_in_new(t, f, v):
    t.want("N06", t.put(f, "new", info=":2,"))


@case("N07")
def experimental(t, f, v):
    t.want("N07", t.put(f, "cur", info=":1,abc"))


@case("N08", variants=6)
def bad_info(t, f, v):
    info, who = ((":2", "preen"), (":", "preen"), (":2S", "yes"),
                 (":3,", "yes"), (":S", "yes"), (":2;S", "yes"))[v]
    t.want("N08", t.put(f, "cur", info=info), repair=who)


@case("N09", variants=2)
def unsorted(t, f, v):
    t.want("N09", t.put(f, "cur", info=(":2,SR", ":2,STF")[v]))


@case("N10", variants=2)
def repeated(t, f, v):
    t.want("N10", t.put(f, "cur", info=(":2,SS", ":2,FFRS")[v]))


@case("N11", variants=2)
def unknown_flag(t, f, v):
    t.want("N11", t.put(f, "cur", info=(":2,SX", ":2,1S")[v]))


@case("N12")
def no_keyword(t, f, v):
    if not t.slot("keywords", f):
        return False
    t.write(t.path(f, "", "dovecot-keywords"), b"0 $Forwarded\n1 $Label1\n")
    t.put(f, "cur", info=":2,Sa")
    t.put(f, "cur", info=":2,FSc")
    t.want("N12", t.path(f, "", "dovecot-keywords"))
    return True


@case("N13")
def extra_field(t, f, v):
    t.want("N13", t.put(f, "cur", info=":2,S,x"))


@case("N14", variants=3)
def two_infos(t, f, v):
    info = (":2,S:2,S", ":2,:2,F", ":2,F:2,S")[v]
    t.want("N14", t.put(f, "cur", info=info))


@case("N15", variants=6)
def separator(t, f, v):
    info = (";2,S", "!2,S", "%3A2,S", "\uf022" + "2,S", "\uf03a" + "2,FS",
            "_2,S")[v]
    t.want("N15", t.put(f, "cur", info=info, form="qmail"))


@case("N16", variants=2)
def no_base(t, f, v):
    if not t.slot("no base", f):        # two of them were N04, too
        return False
    t.want("N16", t.put(f, "cur", base=":2,S" if v == 0 else ":2,", info=""))
    return True


@case("N17", variants=3)
def dotted(t, f, v):
    base, when = plain_base(t)
    if v == 0:
        path = t.put(f, "cur", base="." + base, when=when)
    elif v == 1:
        path = t.put(f, "new", base="." + base, when=when)
    else:
        path = t.put(f, "cur", b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0",
                     base="._" + base, when=when)
    t.want("N17", path)


@case("N18", variants=6)
def odd_bytes(t, f, v):
    _, when = plain_base(t)
    host = ("two words", "a\x07b", "a\r\nb", "\udcff\udcfe", "k\u00f6ln",
            "tab\there")[v]
    t.want("N18", t.put(f, ("cur", "new")[v % 2], when=when,
                        base="%d.M%dP7.%s" % (when, t.serial, host)))


@case("N19")
def too_long(t, f, v):
    _, when = plain_base(t)
    base = "%d.M%dP7." % (when, t.serial)
    t.want("N19", t.put(f, "cur", when=when, info=":2,S",
                        base=base + "h" * (250 - len(base))))


@case("N20", variants=3)
def opaque(t, f, v):
    t.want("N20", t.put(f, "cur", base="%s%d%s" % (
        ("msg-", "", "x")[v], t.serial + 7, ("", ".eml", "@example.org")[v]
        )))


@case("N21", variants=2)
def odd_time(t, f, v):
    when = t.tick()
    sec = (0, 4500000000)[v]
    t.want("N21", t.put(f, "cur", when=when, base="%d.M%dP7.mail" % (
        sec, t.serial)))


@case("N22", variants=4)
def copied(t, f, v):
    base, when = plain_base(t)
    data = mail(t.rng, when)
    first, _, rest = base.rpartition(".")
    mark = ".sync-conflict-20231114-221320-ABCDEFG."
    if v in (0, 1):
        path = t.put(f, "cur", data, base=first + mark + rest, when=when,
                     info=":2,S")
    elif v == 2:
        path = t.put(f, "cur", data, base=base + "(1)", when=when,
                     info=":2,S")
    else:
        path = t.put(f, "cur", data, base="%06d~1" % (100000 + t.serial),
                     info="", when=when)
        t.also |= {("N05", path)}
    if v in (0, 2):             # the original is there, too
        t.put(f, "cur", data, base=base, info=":2,S", when=when)
    t.want("N22", path)


@case("N23")
def nfs(t, f, v):
    t.want("N23", t.put(f, "cur", base=".nfs%024x" % (t.serial + 1), info=""))


@case("N24", variants=3)
def droppings(t, f, v):
    base, when = plain_base(t)
    path = t.put(f, "new", base=base + ("~", ".bak", ".swp")[v], when=when,
                 data=(None, None, b"b0VIM 9.0\0\0\0\0 and so on")[v])
    t.also |= {("C07", path)}
    t.want("N24", path)


@case("N25", mix=False)
def letter_case(t, f, v):
    when = t.tick()
    one = t.put(f, base="%d.M1P2.Host" % when, when=when)
    two = t.put(f, base="%d.M1P2.hosT" % when, when=when)
    t.want("N25", one, two)


@case("N26")
def mbsync_uid(t, f, v):
    if not t.slot("mbsync", f):
        return False
    t.write(t.path(f, "", ".uidvalidity"), b"1650000000\n9\n")
    t.put(f, base=mbsync_name(t.rng, t.tick(), 3))
    one = t.put(f, base=mbsync_name(t.rng, t.tick(), 4))
    two = t.put(f, base=mbsync_name(t.rng, t.tick(), 4))
    t.want("N26", one, two)
    return True


@case("N27")
def fmd5(t, f, v):
    if not t.slot("mbsync", f):     # it has ,U= as well
        return False
    t.want("N27", t.put(f, base=offlineimap_name(t.rng, t.tick(), t.serial,
                                                 "Elsewhere")))
    return True


@case("N28", mix=False)
def elsewhere(t, f, v):
    base, when = plain_base(t)
    data = mail(t.rng, when)
    one = t.put("", "cur", data, base=base, when=when)
    two = t.put(".Sent", "cur", data, base=base, when=when)
    t.want("N28", one, two)


# ---- sizes -------------------------------------------------------------------

@case("Z01", variants=3)
def wrong_size(t, f, v):
    when = t.tick()
    data = mail(t.rng, when)
    longer = data + b"-- \nadded by a filter\n"
    form = ("courier", "exim", "dovecot")[v]
    base = t.name(when, data, form)
    if v == 2:
        base = base.replace(",W=%d" % wire(data), ",W=%d" % wire(longer))
    t.want("Z01", t.put(f, ("cur", "new")[v % 2], longer, base=base,
                        when=when))


@case("Z02")
def wrong_wire(t, f, v):
    when = t.tick()
    data = mail(t.rng, when)
    base = t.name(when, data, "dovecot").replace(
        ",W=%d" % wire(data), ",W=%d" % (wire(data) + 3))
    t.want("Z02", t.put(f, "cur", data, base=base, when=when))


@case("Z03", variants=4)
def bad_size(t, f, v):
    base, when = plain_base(t)
    data = mail(t.rng, when)
    field = (",S=%d,S=%d" % (len(data), len(data) + 1), ",S=12x",
             ",S=99999999999999999999999", "")[v]
    info = ":2,S,S=%d" % len(data) if v == 3 else ":2,S"
    path = t.put(f, "cur", data, base=base + field, when=when, info=info)
    t.also |= {("Z01", path)}
    t.want("Z03", path)


@case("Z04", mix=False, forms=SIZED)
def unsized(t, f, v):
    t.want("Z04", t.put(f, "cur", form="qmail", info=":2,S"))
    t.later(quota_file, t)


@case("Z05", variants=3)
def compressed(t, f, v):
    import bz2
    import lzma
    when = t.tick()
    data = mail(t.rng, when)
    base = t.name(when, data, "dovecot" if v < 2 else "courier")
    packed = (gzip.compress(data), bz2.compress(data),
              lzma.compress(data))[v]
    t.want("Z05", t.put(f, "cur", packed, base=base, when=when))


# ---- files -------------------------------------------------------------------

@case("F01", variants=3)
def symlink(t, f, v):
    path = t.path(f, ("cur", "cur", "new")[v], t.name() +
                  (":2,S", ":2,", "")[v])
    os.symlink(("/etc/hostname", "nowhere", "/etc")[v], t.at(path))
    t.want("F01", path)


@case("F02", variants=3)
def no_file(t, f, v):
    path = t.path(f, "cur", t.name() + ":2,S")
    if v == 0:
        os.mkfifo(t.at(path), 0o600)
    elif v == 1:
        here = os.open(os.path.dirname(t.at(path)), os.O_PATH)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind("/proc/self/fd/%d/%s" % (here, os.path.basename(path)))
        os.close(here)
    elif os.geteuid() == 0:     # what overlayfs puts for a removed file
        os.mknod(t.at(path), stat.S_IFCHR | 0o600, os.makedev(1, 3))
    else:
        os.mkfifo(t.at(path), 0o600)
    t.want("F02", path)


@case("F03", variants=2)
def unreadable(t, f, v):
    t.want("F03", t.put(f, ("cur", "new")[v], mode=(0, 0o200)[v]))


@case("F04", variants=4)
def open_file(t, f, v):
    if v < 2:  # below a Maildir that others can enter
        if not t.slot("mode", "", ""):
            return False
        os.chmod(t.root, 0o2750)
    t.want("F04", t.put(f, ("cur", "new")[v % 2],
                        mode=(0o644, 0o666, 0o700, 0o4600)[v]))


@case("F05", mix=False, root=True)
def file_owner(t, f, v):
    path = t.put(f, "cur")
    os.chown(t.at(path), PLAIN, PLAIN)
    t.fixing = ["--owner", "0:0"]
    t.want("F05", path)


@case("F06")
def linked(t, f, v):
    path = t.put(f, "cur")
    os.makedirs(t.root + ".links", exist_ok=True)
    os.link(t.at(path), "%s.links/%d" % (t.root, t.serial))
    t.want("F06", path)


@case("F07", variants=2, mix=False, root=True, loop=True)
def broken_links(t, f, v):
    t.image("ext2")
    base, when = plain_base(t)
    one = t.put(f, "cur", base=base, info=":2,S", when=when)
    two = t.path(f, ("cur", "tmp")[v], base + (":2,F", "")[v])
    t.debugfs('ln "/Maildir/%s" "/Maildir/%s"' % (one, two))
    t.aged = True
    t.want("F07", one, two)
    t.error = True


@case("F08")
def gluster(t, f, v):
    path = t.put(f, "cur", b"", mode=0o1000)
    t.want("F08", path)


@case("F09", mix=False)
def read_error(t, f, v):
    path = t.put(f, "cur")
    t.wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", t.at(path),
              "-e", "inject=read,pread64,readv,preadv,mmap:error=EIO"]
    t.want("F09", path)
    t.level = "head"
    t.error = True


@case("F10")
def hole(t, f, v):
    when = t.tick()
    path = t.put(f, "cur", multipart(t.rng, when, 60000), form="qmail",
                 when=when)
    size = os.stat(t.at(path)).st_size
    with open(t.at(path), "rb") as file:
        data = file.read()
    with open(t.at(path), "wb") as file:
        file.write(data[:16384])
        file.seek(49152)
        file.write(data[49152:])
    assert os.stat(t.at(path)).st_size == size
    os.utime(t.at(path), (when, when))
    t.also |= {("C11", path)}
    t.want("F10", path)


@case("F11", variants=2, mix=False, root=True)
def immutable_file(t, f, v):
    path = t.put(f, "cur")
    t.attribute("ia"[v], path)
    t.want("F11", path)
    t.error = None


# ---- content -----------------------------------------------------------------

@case("C01")
def empty(t, f, v):
    t.want("C01", t.put(f, ("cur", "new")[v], b"", form="qmail"))


@case("C02", variants=2)
def all_nul(t, f, v):
    t.want("C02", t.put(f, "new", b"\0" * (700, 20000)[v], form="postfix"))


@case("C03", variants=2)
def nul_tail(t, f, v):
    when = t.tick()
    data = plain(t.rng, when, 120)[:(512, 4096)[v]]
    t.want("C03", t.put(f, "cur", data + b"\0" * 3584, form="qmail",
                        when=when))


@case("C04", variants=3)
def truncated(t, f, v):
    when = t.tick()
    data = plain(t.rng, when, 60)
    if v == 0:
        path = t.put(f, "cur", data[:len(data) // 2], when=when,
                     base=t.name(when, data, "courier"))
        t.also |= {("Z01", path)}
    elif v == 1:
        path = t.put(f, "cur", data[:data.index(b"\nTo:")], form="qmail",
                     when=when)
    else:
        data = multipart(t.rng, when, 4000)
        path = t.put(f, "cur", data[:len(data) - 900], form="qmail",
                     when=when)
        t.level = "full"
    t.want("C04", path)


@case("C05", variants=2)
def from_line(t, f, v):
    when = t.tick()
    line = b"From ada@example.org Tue Nov 14 22:13:20 2023\n"
    t.want("C05", t.put(f, "cur", (b"", b">")[v] + line + mail(t.rng, when),
                        form="qmail", when=when))


@case("C06", variants=2)
def mbox(t, f, v):
    when = t.tick()
    line = b"From ada@example.org Tue Nov 14 22:13:2%d 2023\n"
    data = b"".join(line % i + plain(t.rng, when + i) + b"\n"
                    for i in range((3, 2)[v]))
    path = t.put(f, "cur", data, form="qmail", when=when, info=":2,S")
    t.also |= {("C05", path)}
    t.want("C06", path)


@case("C07", variants=2)
def no_message(t, f, v):
    data = (b"\x89PNG\r\n\x1a\n" + bytes(t.rng.getrandbits(8)
                                         for _ in range(3000)),
            b"This is a text without any header.\nIt has lines.\n" * 4)[v]
    path = t.put(f, "cur", data, form="qmail")
    t.also |= {("C09", path), ("C11", path)}
    t.want("C07", path)


@case("C08", variants=2)
def poor_header(t, f, v):
    data = (b" folded from the start\nFrom: a@example.org\nDate: Tue, 14 Nov "
            b"2023 22:13:20 +0000\nMessage-ID: <1@x>\n\nbody\n",
            b"Subject: nothing else\nTo: b@example.org\n\nbody\n")[v]
    t.want("C08", t.put(f, "cur", data, form="qmail"))


@case("C09", variants=2)
def crlf(t, f, v):
    when = t.tick()
    # Nothing but CRLF is what some servers are told to store.
    data = plain(t.rng, when).replace(b"\n", b"\r\n")
    data = data.replace(b"\r\n", b"\n", (data.count(b"\n") // 2, 1)[v])
    t.want("C09", t.put(f, "cur", data, when=when))


@case("C10", variants=3)
def rough(t, f, v):
    when = t.tick()
    data = plain(t.rng, when)
    data = (data + b"a bare\rCR\n", data + b"y" * 2000 + b"\n",
            data.replace(b"Subject: ", b"Subject: K\xf6ln "))[v]
    t.want("C10", t.put(f, "cur", data, when=when))


@case("C11")
def nul_inside(t, f, v):
    when = t.tick()
    data = plain(t.rng, when, 30)
    at = data.rindex(b"\n", 0, len(data) - 300)
    t.want("C11", t.put(f, "cur", data[:at] + b"\0\0\0" + data[at:],
                        form="qmail", when=when))


@case("C12", mix=False)
def duplicate(t, f, v):
    when = t.tick()
    data = mail(t.rng, when)
    one = t.put(f, "cur", data, when=when)
    two = t.put(f, "cur", data, when=when + 7)
    t.want("C12", one, two)


@case("C13", mix=False)
def same_id(t, f, v):
    when = t.tick()
    data = plain(t.rng, when)
    one = t.put(f, "cur", data, when=when)
    two = t.put(f, "cur", data + b"-- \nthe list\n", when=when + 7)
    t.want("C13", one, two)


@case("C14", variants=2)
def odd_mtime(t, f, v):
    import time
    when = t.tick()
    path = t.put(f, "cur", plain(t.rng, when), when=when)
    stamp = (time.time() + FAR, 0)[v]
    os.utime(t.at(path), (stamp, stamp))
    t.want("C14", path)


@case("C15", mix=False)
def prefix(t, f, v):
    when = t.tick()
    data = plain(t.rng, when, 40)
    cut = data[:data.rindex(b"\n", 0, len(data) - 300) + 1]
    t.put(f, "cur", data, when=when, form="qmail")
    t.want("C15", t.put(f, "cur", cut, when=when + 3, form="qmail"))


# ---- control files -----------------------------------------------------------

def quota_file(t, total=None, tail=""):
    size, count = total or t.quota()
    text = "50000000S,10000C\n%d %d\n%s" % (size - 100, count - 1, "100 1\n")
    return t.write("maildirsize", text.encode() + os.fsencode(tail))


@case("M01", variants=2, mix=False)
def quota_sum(t, f, v):
    def wrong():
        size, count = t.quota()
        # Less than without the trash, or more than with it.
        quota_file(t, ((size - 999, count), (size, count + 200))[v])
    t.later(wrong)
    t.want("M01", "maildirsize")


@case("M02", variants=4, mix=False)
def quota_form(t, f, v):
    t.later(lambda: quota_file(t, tail=(
        "\0\0\0\0\0\0", "x y\n", "0 0\n" * 1400, "12 ")[v]))
    t.want("M02", "maildirsize")


@case("M03", folder=".Sent")
def quota_in_folder(t, f, v):
    if not t.slot("maildirsize", f):
        return False
    t.want("M03", t.write(t.path(f, "", "maildirsize"),
                          b"1000000S\n12 1\n"))
    return True


def uidlist_of(t, f, change, ident, *other, **how):
    """Dovecot's list once all mail is there, spoilt by change(head, lines)."""
    if not t.slot("uidlist", f):
        return False
    t.later(lambda: t.put_uidlist(f, *change(*t.uidlist(f))))
    t.want(ident, t.path(f, "", "dovecot-uidlist"), *other, **how)
    return True


@case("M04")
def uid_without_file(t, f, v):
    # A few are normal: Dovecot drops them when it writes the list anew.
    return uidlist_of(t, f, lambda head, lines: (
        head.replace(" N", " N9"), lines + [
            "%d :1600000000.M%dP2.gone" % (900 + i, i)
            for i in range(len(lines))]), "M04")


@case("M05")
def file_without_uid(t, f, v):
    return uidlist_of(t, f, lambda head, lines: (head, lines[::2]), "M05")


@case("M06", variants=3)
def bad_uid(t, f, v):
    def spoil(head, lines):
        if v == 0:
            lines[1], lines[2] = lines[2], lines[1]
        elif v == 1:
            lines[2] = "2" + lines[2][lines[2].index(" "):]
        else:
            lines[0] = "0" + lines[0][1:]
        return head, lines
    t.also |= {("M05", None)}
    return uidlist_of(t, f, spoil, "M06")


@case("M07", variants=3)
def bad_head(t, f, v):
    def spoil(head, lines):
        words = head.split()
        if v == 0:
            words[2] = "N0"
        elif v == 1:            # of version 1, which has no other way
            words = ["1", "1650000000", "2"]
            lines = [x.replace(":", "") for x in lines]
        else:
            words[0] = "7"
        return " ".join(words), lines
    if v == 2:
        t.also |= {("M05", None)}
    return uidlist_of(t, f, spoil, "M07", repair="none" if v == 2 else None)


@case("M08")
def two_uids(t, f, v):
    def spoil(head, lines):
        return head.replace(" N", " N9"), lines + [
            "800" + lines[0][lines[0].index(" "):]]
    return uidlist_of(t, f, spoil, "M08")


@case("M09", variants=2)
def bad_line(t, f, v):
    def spoil(head, lines):
        if v == 0:
            lines[1] = lines[1].replace(" :", " x1 :")
        else:
            lines[2] = lines[2].replace(":", ":../cur/")
        return head, lines
    t.also |= {("M05", None)}
    return uidlist_of(t, f, spoil, "M09")


@case("M10", variants=3, mix=False)
def lost_list(t, f, v):
    name = ("dovecot-uidlist", "courierimapuiddb", "dovecot-uidlist")[v]
    path = t.write(t.path(f, "", name), (b"", b"", b"\0" * 400)[v])
    t.want("M10", path)


@case("M11", variants=2, mix=False)
def validity(t, f, v):
    t.write("dovecot-uidvalidity", b"6554000a")
    marks = (("6554000b",), ("6554000a", "6554000b"))[v]
    for mark in marks:
        t.write("dovecot-uidvalidity." + mark, b"", mode=0o444)
    t.want("M11", "dovecot-uidvalidity", *(
        "dovecot-uidvalidity." + m for m in marks))


@case("M12", variants=4)
def keywords(t, f, v):
    if not t.slot("keywords", f):
        return False
    bad = ("26 TooMany", "0 Again", "2Glued", "3 $Label1")[v]
    t.want("M12", t.write(
        t.path(f, "", "dovecot-keywords"),
        ("0 $Forwarded\n1 $Label1\n%s\n" % bad).encode()))
    return True


@case("M13", variants=3, mix=False)
def subscriptions(t, f, v):
    name, text = (("subscriptions", "Sent\nGone\n"),
                  ("subscriptions", "V\t2\n\nSent\nGone\n"),
                  ("courierimapsubscribed", "INBOX.Sent\nINBOX.Gone\n"))[v]
    t.want("M13", t.write(name, text.encode()))


def courier_list(t, f, change, head="1 1650000000 %d"):
    names = t.names(f)
    lines = ["%d %s" % (i + 1, n) for i, n in enumerate(names)]
    text = "\n".join(change(head % (len(names) + 1), lines)) + "\n"
    return t.write(t.path(f, "", "courierimapuiddb"), os.fsencode(text))


@case("M14", variants=3)
def courier_uids(t, f, v):
    if not t.slot("uidlist", f):
        return False

    def spoil(head, lines):
        if v == 0:
            head = "1 1650000000 2"
        elif v == 1:
            lines[1], lines[2] = lines[2], lines[1]
        else:
            lines.insert(1, "rubbish")
        return [head, *lines]
    t.later(courier_list, t, f, spoil)
    t.also |= {("M05", None)}
    t.want("M14", t.path(f, "", "courierimapuiddb"))
    return True


@case("M15", variants=2, mix=False)
def courier_pop3(t, f, v):
    def put():
        lines = []
        for i, name in enumerate(t.names(f)):
            for at in ("new", "cur"):
                there = [n for n in os.listdir(t.at(at))
                         if n.split(":")[0] == name]
                if there:
                    with open(t.at(at + "/" + there[0]), "rb") as file:
                        size = wire(file.read())
            lines.append("%s %d %d:1650000000:0" % (name, size, i + 1))
        head = "/3 %d 1650000000" % (len(lines) + 1)
        if v == 0:
            lines.insert(2, "rubbish")
        else:
            lines[1] = lines[1].replace(":1650000000:0", "")
        t.write("courierpop3dsizelist", os.fsencode(
            "\n".join([head, *lines]) + "\n"))
    t.later(put)
    t.want("M15", "courierpop3dsizelist")


@case("M16")
def courier_keywords(t, f, v):
    t.aged = True
    place = t.path(f, "", "courierimapkeywords")
    os.makedirs(t.at(place), 0o700, exist_ok=True)
    t.want("M16", t.write(place + "/1600000000.M%dP2.gone" % t.serial,
                          b"$Label1\n"))
    t.serial += 1


@case("M17", mix=False)
def index(t, f, v):
    for name in ("dovecot.index", "dovecot.index.log"):
        t.write(t.path(f, "", name), b"\7\3\2\0binary")
    t.want("M17", "dovecot.index", "dovecot.index.log")
    t.also |= {("M17", None)}


@case("M18", mix=False)
def guid(t, f, v):
    for name in (".Sent", ".Archive.2023"):
        t.put_uidlist(name, *t.uidlist(name, guid="0123456789abcdef" * 2))
    t.want("M18", ".Sent/dovecot-uidlist", ".Archive.2023/dovecot-uidlist")


@case("M19", variants=2)
def mbsync_state(t, f, v):
    if not t.slot("mbsync", f):
        return False
    t.put(f, base=mbsync_name(t.rng, t.tick(), 7))
    t.want("M19", t.write(t.path(f, "", ".uidvalidity"), (
        b"rubbish\n", b"1650000000\n3\n")[v]),
        repair=("none", "yes")[v])
    return True


@case("M20", mix=False)
def two_servers(t, f, v):
    t.put_uidlist(f, *t.uidlist(f))
    courier_list(t, f, lambda head, lines: [head, *lines])
    t.want("M20", "courierimapuiddb", "dovecot-uidlist", ".")
