#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""--rescue and --from-mbox: no message of the source is lost or changed."""

import collections
import mailbox
import os
import random
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from checker import *
from ckcase import own_mounts
from ckmail import *

if not config("FEATURE_MAILDIRCK_RESCUE"):
    skip_all("FEATURE_MAILDIRCK_RESCUE is not configured")

own_mounts()
EPOCH = 1650000000
SHA = hashlib.sha256


# ---- sources ----

def run(*argv, good=(0,), **how):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **how)
    if good is not None and done.returncode not in good:
        raise OSError("%s: %d: %s" % (" ".join(argv), done.returncode,
                                      done.stdout.decode("latin-1")))
    return done.stdout.decode("latin-1")


def need_loop():
    """In CI a system without loop devices is a failure."""
    why = ("needs root" if os.geteuid() != 0 else
           "no loop device" if not os.path.exists("/dev/loop-control") else
           "no debugfs" if not shutil.which("debugfs") and
           not os.path.exists("/usr/sbin/debugfs") else None)
    if why and os.environ.get("CI"):
        raise AssertionError(why)
    if why:
        raise Skip(why)
    os.environ["PATH"] += ":/usr/sbin:/sbin"


class Image:
    """A file system in a file, mounted in a directory of its own."""

    def __init__(self, kind="ext4", size=16):
        need_loop()
        self.place = scratch("image")
        self.file, self.point = self.place + "/image", self.place + "/mnt"
        os.mkdir(self.point)
        with open(self.file, "wb") as file:
            file.truncate(size << 20)
        run("mkfs." + kind, "-q", "-F", self.file)
        cleanup(subprocess.run, ["umount", "-l", self.point])
        self.mount()

    def mount(self, options="loop"):
        run("mount", "-o", options, self.file, self.point)

    def umount(self):
        """A process that another thread is starting may still hold it."""
        ok(wait_for(lambda: subprocess.run(
            ["umount", self.point], stderr=subprocess.DEVNULL,
            check=False).returncode == 0), "unmounted")

    def damage(self, *commands):
        """What debugfs is told, and then what fsck makes of it."""
        self.umount()
        run("debugfs", "-w", "-f", "/dev/stdin", self.file,
            input="".join(c + "\n" for c in commands).encode())
        run("e2fsck", "-fy", self.file, good=(0, 1, 2, 3))
        self.mount("loop,ro,noload")


class Source:
    """Files with messages; knows their contents."""

    def __init__(self, seed, root=None):
        self.rng = random.Random(seed)
        self.root = root or scratch("src")
        self.count = 0
        self.all = {}           # path -> content

    def mail(self):
        self.count += 1
        return mail(self.rng, EPOCH + self.count * 4711)

    def write(self, path, data, when=None):
        at = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(at, "wb") as file:
            file.write(data)
        when = when or EPOCH + self.count
        os.utime(at, (when, when))
        return at

    def put(self, path, data=None):
        """A message that has to be there afterwards."""
        data = data or self.mail()
        self.all[path] = data
        self.write(path, data)
        return data

    def directories(self, at):
        for sub in ("cur", "new", "tmp"):
            os.makedirs("%s/%s/%s" % (self.root, at, sub), exist_ok=True)

    def named(self, form, when=None):
        """(name, data) of a message as some program stores it."""
        data = self.mail()
        return base_name(self.rng, EPOCH + self.count * 4711, data, form), data


def messages(dest):
    """Path -> content of all messages of a Maildir and its folders."""
    found = {}
    for at, _, files in os.walk(dest):
        if os.path.basename(at) in ("cur", "new", "tmp"):
            for name in files:
                path = os.path.join(at, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, dest)] = file.read()
    return found


def digests(contents):
    return collections.Counter(SHA(c).hexdigest() for c in contents)


def rescue(*src, dest=None, args=(), **how):
    """(Got, destination, its messages)"""
    dest = dest or scratch("dest") + "/Maildir"
    got = check("--rescue", "-v", "-j", "-o", dest, *args, *src, **how)
    got.rows = {}
    got.total = None
    for line in got.out.decode("utf-8", "surrogateescape").splitlines():
        item = json.loads(line)
        if item["t"] == "file":
            got.rows.setdefault(item["path"], []).append(item)
        else:
            got.total = item
    return got, dest, messages(dest)


def rescued(what, got, found, contents):
    """Each of the contents is there once, and nothing else is."""
    want = collections.Counter(dict.fromkeys(digests(contents), 1))
    have = digests(found.values())
    is_(have - want, collections.Counter(), what + ": nothing twice or new",
        repr(got))
    is_(want - have, collections.Counter(), what + ": nothing is lost",
        repr(got))
    is_([p for p in found if p.split("/")[-2] == "tmp"], [],
        what + ": nothing is left in tmp/")


def clean(what, dest):
    """maildirck has nothing to say about the result."""
    got = check("-j", "-c", "full", dest)
    is_((got.status, got.loud()), (0, set()), what + ": a clean Maildir", got)


# ---- what fsck leaves ----

def inode_name(path, form, data):
    """Gives a file the name that Courier or Postfix would give it here."""
    st = os.stat(path)
    when = int(os.stat(path).st_mtime)
    if form == "courier":
        name = "%d.M%dP77V%016XI%016X_0.host,S=%d" % (
            when, st.st_ino, st.st_dev, st.st_ino, len(data))
    elif form == "postfix":
        name = "%d.V%xI%xM%d.host" % (when, st.st_dev, st.st_ino, st.st_ino)
    else:
        name = "%d.M%dP77.host,S=%d" % (when, st.st_ino, len(data))
    to = os.path.join(os.path.dirname(path), name)
    os.rename(path, to)
    return name


def fill_image(image, seed=1, count=24):
    """A Maildir with names of three kinds: form -> {name: content}."""
    src = Source(seed, image.point)
    made = collections.defaultdict(dict)
    src.directories("Maildir")
    for i in range(count):
        form = ("courier", "postfix", "dovecot")[i % 3]
        data = src.mail()
        path = src.write("Maildir/cur/x%d" % i, data,
                         EPOCH + src.count * 4711)
        made[form][inode_name(path, form, data)] = data
    return src, made


def put_lists(src, made, where="Maildir"):
    """What Dovecot and Courier know about the folder."""
    some, others = made["courier"], made["postfix"]
    src.write(where + "/dovecot-uidlist", (
        "3 V1650000000 N%d G%032x\n" % (len(some) + 1, 7) + "".join(
            "%d S%d :%s:2,S\n" % (i + 1, len(some[n]), n)
            for i, n in enumerate(some))).encode())
    src.write(where + "/courierimapuiddb", (
        "1 1650000000 %d\n" % (len(others) + 1) + "".join(
            "%d %s\n" % (i + 1, n) for i, n in enumerate(others))).encode())
    src.write(where + "/courierpop3dsizelist", (
        "/3 %d 1650000000\n" % (len(some) + 1) + "".join(
            "%s %d %d:1650000000:0\n" % (n, len(some[n]), i + 1)
            for i, n in enumerate(some))).encode())


@test
def lost_directory():
    """cur/ is damaged: fsck's orphans get their names back"""
    image = Image()
    src, made = fill_image(image)
    put_lists(src, made)
    everything = {n: d for part in made.values() for n, d in part.items()}
    image.damage("clri /Maildir/cur")
    orphans = os.listdir(image.point + "/lost+found")
    is_(len(orphans), len(everything), "fsck has made orphans of all")
    before = SHA(open(image.file, "rb").read()).hexdigest()
    got, dest, found = rescue(image.point + "/Maildir",
                              image.point + "/lost+found")
    is_(got.status, 0, "status", got)
    rescued("orphans", got, found, everything.values())
    names = {p.split("/")[-1]: d for p, d in found.items()}
    for form in ("courier", "postfix"):
        is_({n: names.get(n) for n in made[form]}, made[form],
            form + ": each message has its name again, in new/", got)
    is_({p.split("/")[0] for p in found}, {"new"}, "and is in the INBOX")
    is_(got.total["recovered"], 16, "they are counted")
    is_(got.total["renamed"], 8, "those without an inode get fresh names")
    like("\n".join(n for n in names if "rescued" in n),
         r"\A(\d+\.M\d+P\d+Q\d+\.rescued,S=\d+\n?){8}\Z", "of this form")
    for name in ("dovecot-uidlist", "courierimapuiddb",
                 "courierpop3dsizelist"):
        with open(dest + "/" + name, "rb") as a, \
                open(image.point + "/Maildir/" + name, "rb") as b:
            is_(a.read(), b.read(), name + " comes along")
    is_(SHA(open(image.file, "rb").read()).hexdigest(), before,
        "the image has not changed")
    with open(dest + "/dovecot-uidlist") as file:
        uids = [line.split(":")[1] for line in file.readlines()[1:]]
    is_([u for u in uids if not os.path.exists("%s/new/%s" % (dest, u))], [],
        "and every UID of it has its message")


@test
def lost_maildir():
    """the Maildir's own inode: its directories are orphans, names stay"""
    image = Image()
    src, made = fill_image(image, 2)
    src.directories("Maildir/.Sent")
    sent = src.put("Maildir/.Sent/cur/1650000001.M1P1.host:2,S")
    put_lists(src, made)
    everything = {n: d for part in made.values() for n, d in part.items()}
    image.damage("clri /Maildir")
    got, dest, found = rescue(image.point + "/lost+found")
    is_(got.status, 0, "status", got)
    rescued("directories", got, found, [*everything.values(), sent])
    names = {p.split("/")[-1]: d for p, d in found.items()}
    is_({n: names.get(n) for n in everything}, everything,
        "every message has kept its name", got)
    is_(names.get("1650000001.M1P1.host:2,S"), sent,
        "and the one in a folder its flags")
    ok(all(re.match(r"\.rescued-\d+/", p) for p in found),
       "folders are called by their inodes", sorted(found)[:3])
    is_(got.total["kept"], len(everything) + 1, "they are counted")
    ok([f for f in os.listdir(dest) if os.path.exists(
        "%s/%s/dovecot-uidlist" % (dest, f))] == [],
       "a list without its folder is not taken for another's")


@test
def lost_everything():
    """also the lists are orphans: a folder by the list's inode"""
    image = Image()
    src, made = fill_image(image, 3)
    put_lists(src, made)
    everything = {n: d for part in made.values() for n, d in part.items()}
    image.damage("clri /Maildir/cur", "clri /Maildir")
    got, dest, found = rescue(image.point)
    rescued("orphans", got, found, everything.values())
    names = {p.split("/")[-1]: d for p, d in found.items()}
    is_({n: names.get(n) for n in made["courier"]}, made["courier"],
        "names come from an orphaned dovecot-uidlist", got)
    is_({n: names.get(n) for n in made["postfix"]}, made["postfix"],
        "and from an orphaned courierimapuiddb", got)
    folders = {p.split("/")[0] for p in found if "P77V" in p}
    is_(len(folders), 1, "those of a list are in one folder", folders)
    lists = os.listdir("%s/%s" % (dest, folders.pop()))
    ok({"dovecot-uidlist", "courierpop3dsizelist"} & set(lists),
       "and the list is with them", lists)


@test
def wrong_inodes():
    """an inode that was used again gives nobody another message's name"""
    src = Source(4)
    data = src.put("lost+found/#4660")
    other = src.put("lost+found/#4661")
    third = src.put("lost+found/#4662")
    when = EPOCH + 3 * 4711
    src.write("dovecot-uidlist", (
        "3 V1 N9 G00\n"
        "1 :1650000001.M1P1Vfd01I1234_0.host,S=%d\n"        # another size
        "2 :1550000001.Vfd01I1235M1.host\n"                 # another time
        "3 :%d.Vfd01I1236M1.host\n4 :%d.Vfd02I1236M1.host\n" % (
            len(data) + 1, when, when)).encode())           # two names
    got, dest, found = rescue(src.root)
    rescued("orphans", got, found, [data, other, third])
    is_(got.total["recovered"], 0, "none has got a name", got)


# ---- other sources ----

@test
def damaged_files():
    """what ddrescue could not read is kept apart"""
    src = Source(5)
    src.directories("Maildir")
    good = [src.put("Maildir/cur/%s:2,S" % src.named("dovecot")[0])
            for _ in range(6)]
    tails, holes = [], []
    for i in range(4):
        data = src.mail() + b"x" * 2000
        tails.append(src.put("Maildir/cur/165000100%d.M1P1.host:2,FS" % i,
                             data[:-700] + bytes((1, 511, 512, 4096)[i])))
        data = src.mail() + b"y\n" * 5000
        holes.append(src.put("#%d" % (99 + i),
                             data[:4096] + bytes(512 << i) +
                             data[4096 + (512 << i):]))
    blank = src.put("Maildir/cur/1650002000.M1P1.host:2,", bytes(5000))
    src.write("zeros", bytes(70000))
    src.write("Maildir/cur/1650003000.M1P1.host:2,", b"")
    got, dest, found = rescue(src.root)
    rescued("all", got, found, src.all.values())
    lost = {p: d for p, d in found.items() if p.startswith(".Lost+Found/")}
    is_(digests(lost.values()), digests([*tails, *holes, blank]),
        "files with sectors of NULs are in .Lost+Found", got)
    ok(all(p.startswith(".Lost+Found/cur/") for p in lost),
       "in its cur/", lost.keys())
    is_(sorted(p.split("/")[-1] for p in lost if "P1.host" in p)[0],
        "1650001000.M1P1.host:2,FS", "with names and flags")
    is_((got.total["damaged"], got.total["found"], got.status),
        (9, 15, LEFT), "they are counted, and are reason for a status", got)
    is_(got.total["skipped"], 2, "what is empty or no mail is not taken")
    is_(len(good), len(found) - len(lost), "all others are where they were")


@test
def overlay():
    """an overlay's upper directory, whiteouts and all"""
    need_root()
    base = scratch("overlay")
    src = Source(6, base + "/lower")
    src.directories("Maildir")
    for _ in range(6):
        src.put("Maildir/cur/%s:2,S" % src.named("dovecot")[0])
    names = sorted(os.listdir(src.root + "/Maildir/cur"))
    for sub in ("upper", "work", "mnt"):
        os.mkdir("%s/%s" % (base, sub))
    mount = "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work" % (
        base, base, base)
    try:
        run("mount", "-t", "overlay", "-o", mount, "none", base + "/mnt")
    except OSError as error:
        # An overlay cannot lie upon one.
        raise Skip("no overlay here: %s" % error)
    try:
        top = Source(7, base + "/mnt")
        new = top.put("Maildir/new/1650100000.M5P5.host")
        cur = base + "/mnt/Maildir/cur/"
        os.unlink(cur + names[0])
        os.rename(cur + names[1], cur + names[1] + "T")
        moved = open(cur + names[1] + "T", "rb").read()
    finally:
        run("umount", "-l", base + "/mnt")
    got, dest, found = rescue(base + "/upper/Maildir")
    is_(got.status, 0, "status", got)
    rescued("upper", got, found, [new, moved])
    is_(sorted(found), ["cur/" + names[1] + "T",
                        "new/1650100000.M5P5.host"], "with their names")


@test
def loose_files():
    """files of any names: mail is told from other things"""
    src = Source(8)
    for i in range(20):
        src.put("recup_dir.%d/f%07d.eml" % (i % 3, i * 512))
    for form in ("qmail", "dovecot", "exim"):
        name, data = src.named(form)
        src.put("backup/" + name + ":2,FRS", data)
    twin = src.put("one.eml")
    src.write("two.eml", twin)
    src.write("a/b/c/three", twin)
    for name, data in (("x.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
                       ("notes.txt", b"buy milk\n" * 50),
                       ("prog.c", b"#include <stdio.h>\nint main(void)\n"),
                       ("elf", b"\x7fELF" + bytes(200)), ("none", b"")):
        src.write(name, data)
    got, dest, found = rescue(src.root)
    is_(got.status, 0, "status", got)
    rescued("files", got, found, src.all.values())
    is_((got.total["found"], got.total["duplicate"], got.total["skipped"]),
        (26, 2, 5), "counts", got)
    is_(sorted(p for p in found if "/cur/" in p),
        sorted(".backup/cur/" + p.split("/")[1] for p in src.all
               if p.startswith("backup")), "flags of good names are kept")
    clean("the result", dest)
    for path in found:
        when = os.stat(dest + "/" + path).st_mtime
        ok((when - EPOCH) % 4711 == 0 and when > EPOCH,
           "its time is that of its last hop: " + path.split("/")[-1])


@test
def hostile():
    """links, FIFOs and devices; depth; the destination inside"""
    src = Source(9)
    outside = Source(10)
    outside.put("secret.eml")
    data = src.put("a/mail.eml")
    os.symlink(outside.root, src.root + "/link")
    os.symlink(outside.root + "/secret.eml", src.root + "/a/link.eml")
    os.mkfifo(src.root + "/fifo")
    deep = src.root
    for i in range(60):
        deep += "/d"
    os.makedirs(deep)
    got, dest, found = rescue(src.root, dest=src.root + "/a/out")
    is_([*found.values()], [data], "no link is followed", got)
    ok(got.status & ERROR, "what lies too deep is said", got)
    got, _, found = rescue(src.root, dest=src.root + "/a/out")
    is_([*found.values()], [data], "nor is the destination a source", got)
    got, dest, found = rescue(src.root + "/link")
    is_([*found.values()], [], "not as an argument either", got)


@test
def destinations():
    """which directories are taken"""
    src = Source(11)
    for i in range(5):
        src.put("f%d.eml" % i)
    box = Maildir()
    box.add("new", "1.h", b"Subject: mine\n\n")
    before = snapshot(box.path)
    got = check("--rescue", "-o", box.path, src.root)
    ok(got.status & (ERROR | USAGE), "not somebody's Maildir", got)
    is_(differences(before, snapshot(box.path)), [], "nothing happens to it")
    got = check("--rescue", src.root)
    is_(got.status, USAGE, "there must be one", got)
    empty = scratch("empty")
    got, _, found = rescue(src.root, dest=empty)
    rescued("an empty directory", got, found, src.all.values())
    src.put("late.eml")
    got, _, found = rescue(src.root, dest=empty)
    rescued("and once more", got, found, src.all.values())
    is_((got.total["duplicate"], got.total["renamed"]), (5, 1), "counted",
        got)
    got, dest, found = rescue(src.root + "/nothing", src.root)
    rescued("a source that is not there", got, found, src.all.values())
    ok(got.status & ERROR, "is an error, but no end", got)
    one, _, found = rescue(src.root + "/late.eml")
    is_(len(found), 1, "a file may be a source")


@test
def twice():
    """a second run changes nothing; the source never changes"""
    src = Source(12)
    for at in ("Maildir", "Maildir/.Sent"):
        src.directories(at)
        for sub in ("cur", "new"):
            for _ in range(9):
                name, data = src.named(None)
                src.put("%s/%s/%s" % (at, sub, name + (
                    ":2,RS" if sub == "cur" else "")), data)
    for i in range(9):
        src.put("lost+found/#%d" % (1000 + i))
    same = src.put("Maildir/cur/1650000009.M1P1.host:2,S")
    other = src.mail()
    src.put("Maildir/.Sent/cur/1650000009.M1P1.host:2,S", other)
    src.put("Maildir/new/1650000009.M1P1.host", src.mail())
    for sub in ("tmp/1650000010.M1P1.host", "tmp/odd name",
                "cur/gr\u00fc\u00df:2,S", "cur/.hidden"):
        src.put("Maildir/" + sub)
    before = snapshot(src.root)
    got, dest, found = rescue(src.root)
    is_(differences(before, snapshot(src.root)), [],
        "sources are as they were, with all their times")
    rescued("once", got, found, src.all.values())
    twins = [found[p] for p in found if p.startswith(".Maildir/") and
             "/1650000009." in p]
    ok(twins in ([same], [src.all["Maildir/new/1650000009.M1P1.host"]]),
        "of two messages with one base name one keeps it", sorted(found))
    is_(found.get(".Maildir.Sent/cur/1650000009.M1P1.host:2,S"), other,
        "another folder's is no collision")
    again, _, found2 = rescue(src.root, dest=dest)
    is_(found2, found, "a second run adds and renames nothing", again)
    is_(again.total["duplicate"], again.total["found"], "it says so")
    lines = check("--rescue", "-o", dest, src.root).out.decode()
    like(lines, r"\A\S+: (\d+ \w+, ){6}\d+ skipped\n\Z",
         "one line for people")


@test
def read_only():
    """a source on a read-only mount, by somebody else's files"""
    image = Image("ext2", 4)
    src = Source(13, image.point)
    src.directories("Maildir")
    for _ in range(5):
        src.put("Maildir/new/" + src.named("qmail")[0])
    image.umount()
    image.mount("loop,ro")
    got, dest, found = rescue(image.point)
    is_(got.status, 0, "status", got)
    rescued("read-only", got, found, src.all.values())


@test
def killed():
    """killed anywhere, the next run completes it"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    src = Source(14)
    src.directories("Maildir")
    for _ in range(6):
        src.put("Maildir/cur/%s:2,S" % src.named("dovecot")[0])
        src.put("#%d" % (500 + src.count))
    ends = 0
    for call, most in (("write", 14), ("renameat2", 13), ("mkdirat", 5),
                       ("syncfs", 3), ("openat", 60)):
        for when in range(1, most, 1 if most < 20 else 7):
            dest = scratch("killed") + "/Maildir"
            done = subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                 "inject=%s:signal=SIGKILL:when=%d" % (call, when), POPBOX,
                 "maildirck", "--rescue", "-o", dest, src.root],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=False, env={**os.environ,
                                  "ASAN_OPTIONS": "detect_leaks=0"})
            ends += done.returncode != 0
            part = {p: d for p, d in messages(dest).items()
                    if "/tmp/" not in "/" + p}
            known = set(src.all.values())
            wrong = [p for p, d in part.items() if d not in known]
            is_(wrong, [], "%s %d: no name without its bytes" % (call, when))
            got, _, found = rescue(src.root, dest=dest)
            rescued("%s %d, and again" % (call, when), got, {
                p: d for p, d in found.items() if "/tmp/" not in "/" + p},
                src.all.values())
    ok(ends > 20, "%d runs were killed" % ends)


@test
def full_disk():
    """the destination is full: an error, and nothing half in cur/ or new/"""
    image = Image("ext2", 1)
    src = Source(15)
    for i in range(300):
        src.put("f%d.eml" % i)
    got, dest, found = rescue(src.root, dest=image.point + "/Maildir")
    ok(got.status & ERROR, "an error", got)
    like(got.err, r"[Dd]isk full|No space|error 28", "that is said")
    known = set(src.all.values())
    is_([p for p, d in found.items() if d not in known and
         "tmp/" not in p], [], "what is there is whole")


NAMES = ("cur", "new", "tmp", "#12", "#4660", ".Sent", "..", ".", "lost+found",
         "dovecot-uidlist", "courierimapuiddb", "courierpop3dsizelist",
         "1700000000.M1P1.host:2,S", "1700000000.M1P1.host", ":2,S",
         "1700000000.Vfd01I1234M1.h", "a b", "\x80\xff".encode(
             "latin-1").decode("utf-8", "surrogateescape"), "x" * 255,
         "1700000000." + "y" * 244, "." + "z" * 250, "maildirfolder")


def any_file(rng, src):
    """Mail, lists of names, mbox, and all of it cut and spoilt."""
    kind = rng.randrange(7)
    data = (src.mail() if kind < 2 else
            b"3 V%d N9 G00\n1 :1700000000.Vfd01I1234M1.h\n2 S5 :%s\n" % (
                rng.randrange(9), bytes(rng.getrandbits(8) for _ in range(
                    rng.randrange(300)))) if kind == 2 else
            b"/3 1 2\n1700000000.VffffffffffffffffffffI12345M1.h 1 1:1\n"
            b"VI VIVI V1I V1IG 1V1I1\n" if kind == 3 else
            as_mbox(odd_mbox()[:rng.randrange(6)]) if kind == 4 else
            bytes(rng.getrandbits(8) for _ in range(rng.randrange(3000)))
            if kind == 5 else b"")
    if rng.randrange(3) == 0:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + bytes(rng.randrange(1500)) + data[at:]
    return data[rng.randrange(3):] if rng.randrange(4) == 0 else data


def one_random(seed):
    """any names and any bytes"""
    rng = random.Random(seed)
    src = Source(seed)
    where = [src.root]
    for _ in range(rng.randrange(40)):
        path = os.path.join(rng.choice(where), rng.choice(NAMES))
        try:
            if rng.randrange(3) == 0:
                os.mkdir(path)
                where.append(path)
            else:
                with open(path, "xb") as file:
                    file.write(any_file(rng, src))
        except OSError:
            pass
    before = snapshot(src.root)
    got, dest, found = rescue(src.root)
    again, _, found2 = rescue(src.root, dest=dest)
    ok(not got.status & ~(LEFT | ERROR) and not got.err.strip() or
       got.status & ERROR, "%d: status" % seed, got)
    is_(differences(before, snapshot(src.root)), [], "%d: sources" % seed)
    is_(found2, found, "%d: once and again" % seed, again)
    is_(len(digests(found.values())), len(found), "%d: nothing twice" % seed)
    is_((got.total["found"], len(found)), (
        sum(got.total[n] for n in ("kept", "recovered", "renamed", "damaged",
                                   "duplicate")),
        sum(got.total[n] for n in ("kept", "recovered", "renamed",
                                   "damaged"))), "%d: sums" % seed, got)


@test
def random_sources():
    """any names and any bytes"""
    spread(one_random, [(1000 + i,) for i in range(
        int(os.environ.get("ROUNDS", "40")))], 4)


# ---- mbox ----

QUOTED = (b"From: a@example.org\nSubject: quoted\n\n"
          b">From the start\n>>From twice\n >From a blank\nFrom\n"
          b"\nfrom here\n")


def odd_mbox():
    """Messages of an mbox as (envelope, status, flags, content)."""
    rng = random.Random(16)
    rows = []
    for i, (status, x, flags, old) in enumerate((
            (None, None, "", False), ("O", None, "", True),
            ("RO", None, "S", True), ("R", None, "S", True),
            ("RO", "A", "RS", True), ("RO", "AF", "FRS", True),
            ("RO", "ADF", "FRST", True), ("", "F", "F", True),
            ("RO", "T", "DS", True))):
        data = QUOTED if i == 1 else mail(rng, EPOCH + i * 4711)
        head, body = data.split(b"\n\n", 1)
        if status is not None:
            head += b"\nStatus: " + status.encode()
        if x:
            head += b"\nX-Status: " + x.encode()
        rows.append((EPOCH + i * 4711, flags, old,
                     head + b"\n\n" + body))
    rows.append((EPOCH + 99, "", False, b"Subject: no body\n\n"))
    rows.append((EPOCH + 98, "", False, b"Subject: ends in blanks\n\nx\n\n\n"))
    big = mail(rng, EPOCH) + b"".join(
        b"%d >From %d\n>From line %d\n\n" % (i, i, i) for i in range(9000))
    rows.append((EPOCH + 97, "", False, big))
    return rows


def as_mbox(rows):
    out = b""
    for when, _, _, data in rows:
        out += b"From joe@example.org %s\n" % time.asctime(
            time.gmtime(when)).encode()
        out += re.sub(rb"(?m)^(>*From )", rb">\1", data) + b"\n"
    return out


def sort_key(row):
    return row[3]


@test
def import_mbox():
    """--from-mbox, next to Python's mailbox module"""
    rows = odd_mbox()
    place = scratch("mbox")
    with open(place + "/mbox", "wb") as file:
        file.write(as_mbox(rows))
    for source in (place + "/mbox", "-"):
        box = Maildir()
        got = check("--from-mbox", source, box.path,
                    stdin=as_mbox(rows) if source == "-" else None)
        is_(got.status, 0, "%s: status" % source[-4:], got)
        found = messages(box.path)
        have = sorted((int(os.stat(box.path + "/" + p).st_mtime),
                       p.partition(":2,")[2], p.startswith("cur/"), d)
                      for p, d in found.items())
        for want in sorted(rows):
            row = next((r for r in have if r[3] == want[3]), None)
            is_(row, want, "%s: message of %d bytes, its date, flags and "
                "place" % (source[-4:], len(want[3])))
        is_(len(have), len(rows), "%s: there are no others" % source[-4:])
        clean(source[-4:], box.path)

    # Python keeps Status out of the message, and "R" alone in new/.
    theirs = mailbox.Maildir(scratch("python") + "/Maildir")
    old = mailbox.mbox(place + "/mbox")
    for message in old:
        theirs.add(mailbox.MaildirMessage(message))
    flags = collections.Counter("".join(m.get_flags()) for m in theirs)
    ours = collections.Counter(p.partition(":2,")[2].replace("D", "")
                               for p in found)
    is_(ours, flags, "the flags are those that Python gives")
    dates = sorted(int(m.get_date()) for m in theirs)
    mine = sorted(r[0] for r in have)
    is_(mine, dates, "so are the dates")


@test
def rescue_mbox():
    """an mbox among the files, and messages that are there twice"""
    rows = odd_mbox()
    src = Source(17)
    src.write("spool/joe", as_mbox(rows))
    src.put("again.eml", rows[0][3])
    got, dest, found = rescue(src.root)
    is_(got.status, 0, "status", got)
    rescued("mbox", got, found, [r[3] for r in rows])
    is_(got.total["duplicate"], 1, "counted")
    again, _, found2 = rescue(src.root, dest=dest)
    is_(found2, found, "a second run adds nothing")
    is_(sorted(p.partition(":2,")[2] for p in found),
        sorted(r[1] for r in rows), "flags as in an import")


@test
def bad_mbox():
    """what is no mbox, and no Maildir"""
    box = Maildir()
    got = check("--from-mbox", box.path + "/nothing", box.path)
    ok(got.status & ERROR, "no such file", got)
    got = check("--from-mbox", "-", box.path + "/nothing", stdin=b"")
    ok(got.status & ERROR, "no such Maildir", got)
    got = check("--from-mbox", "-", box.path, stdin=b"")
    is_((got.status, messages(box.path)), (0, {}), "an empty one", got)
    text = b"From nowhere in particular\n\nhello\n"
    got = check("--from-mbox", "-", box.path, stdin=text)
    is_([*messages(box.path).values()], [text],
        "what has no From_ line is one message", got)


run_tests()
