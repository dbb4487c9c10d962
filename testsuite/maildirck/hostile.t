#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Root checks and repairs Maildirs whose owners are not to be trusted.

Nothing outside of a Maildir is read, changed or deleted, whatever stands in
it and whatever changes while maildirck is at work.
"""

import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from checker import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")
if os.geteuid() != 0:
    if os.environ.get("CI"):
        ok(False, "needs root")
        done()
    skip_all("needs root")

SLOW = config("SANITIZE")
USERS = range(PLAIN, PLAIN + 4)
BAD = ("1700000000.M1P1.decoy:2,SR", "1700000001.M1P1.decoy:2",
       ".1700000002.M1P1.decoy:2,S", "1700000003.M1P1.decoy,S=1:2,S")


def give(path, uid):
    for at, dirs, files in os.walk(path):
        for name in [at] + [at + "/" + n for n in dirs + files]:
            os.lchown(name, uid, uid)


def outside(uid=0):
    """A directory full of what a repair would like to change."""
    tree = Tree(scratch("outside") + "/Maildir", 9)
    for sub in ("cur", "new"):
        for name in BAD:
            tree.write(sub + "/" + name, mail(tree.rng, EPOCH), mode=0o644)
        os.symlink("/etc/hostname", tree.at(sub + "/1700000009.M1.link"))
    for name in ("dovecot-uidlist", "maildirsize", "subscriptions"):
        tree.write(name, b"rubbish\n", mode=0o644)
    give(tree.root, uid)
    return tree


def user_box(top, uid, name="Maildir"):
    """A user's Maildir with ordinary defects."""
    tree = Tree(top + "/" + name, uid)
    tree.fill("", 5, 2)
    for ident in ("N09", "F04", "N16", "S14"):
        CASES[ident].call(tree, "", 0)
    tree.finish()
    give(tree.root, uid)
    return tree


def deep_fix():
    """All that may be asked for."""
    return ["-y", "-f", "-c", "full", "--fix",
            ",".join(i for i in sorted(TABLE) if TABLE[i].repair == "demand")]


# ---- who does it -------------------------------------------------------------

@test
def privileges():
    """root becomes each Maildir's owner"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    top = scratch("spool")
    boxes = {}
    for uid in USERS:
        boxes[uid] = user_box(top, uid, "u%d/Maildir" % uid)
    trace = scratch("trace") + "/trace"
    run = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", trace, "-e",
         "trace=getdents64,openat,renameat2,setresuid", "-e",
         "inject=getdents64:delay_enter=100000", POPBOX, "maildirck", "-R",
         "-y", top], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"),
        extra_groups=[0, 4, 27])
    seen, wrong = set(), []
    while run.poll() is None:
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                look_at(int(pid), top, seen, wrong)
        time.sleep(0.01)
    is_(run.returncode, FIXED | RESYNC, "repaired", run.stderr.read())
    is_(wrong, [], "who is in a Maildir has its owner's ids, and no others")
    is_(seen, set(USERS), "all of them were seen")
    for uid, tree in boxes.items():
        is_(check(tree.root).status, 0, "clean: %d" % uid)
        is_({(n.uid, n.gid) for n in snapshot(tree.root).values()},
            {(uid, uid)}, "whatever was made belongs to %d" % uid)


def look_at(pid, top, seen, wrong):
    """Notes whom a process works for that has a user's cur/ open."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            if not file.read().startswith(os.fsencode(POPBOX) + b"\0mail"):
                return
        places = {os.readlink("/proc/%d/fd/%s" % (pid, fd))
                  for fd in os.listdir("/proc/%d/fd" % pid)}
        with open("/proc/%d/status" % pid) as file:
            status = dict(line.split(":", 1) for line in file)
    except (OSError, ValueError):
        return
    inside = {m.group(1) for m in (re.match(
        re.escape(top) + r"/u(\d+)/Maildir/(?:cur|new|tmp)", p)
        for p in places) if m}
    for uid in inside:
        ids = set(status["Uid"].split() + status["Gid"].split() +
                  status["Groups"].split())
        if ids != {uid} or int(status["CapEff"], 16):
            wrong.append((uid, status["Uid"], status["Gid"],
                          status["Groups"], status["CapEff"]))
        seen.add(int(uid))


# ---- what stands there -------------------------------------------------------

def traps(tree, victim):
    """Links and devices in every place that is read or written."""
    at = tree.at
    out = victim.root
    os.symlink(out, at(".Shared"))
    os.symlink(out, at("Other"))
    os.symlink(out, at("shared-folders"))
    for number, sub in enumerate(("cur", "new", "tmp")):
        tree.folder(".L%d" % number)
        os.rmdir(at(".L%d/%s" % (number, sub)))
        os.symlink(out + "/" + sub, at(".L%d/%s" % (number, sub)))
    for number, name in enumerate(("dovecot-uidlist", "maildirsize",
                                   "subscriptions")):
        os.symlink(out + "/" + name, at(name))
        folder = tree.folder(".P%d" % number)
        os.mkfifo(at(folder + "/" + name), 0o600)
        folder = tree.folder(".Z%d" % number)
        os.mknod(at(folder + "/" + name), stat.S_IFCHR | 0o666,
                 os.makedev(1, 5))
    os.symlink(out, at("courierimapkeywords"))
    os.symlink(out, at(".L0/courierimapkeywords"))
    for number, name in enumerate(BAD):
        os.symlink(out + "/cur/" + name, at("cur/17%08d.M1.l" % number))
        os.symlink(out + "/cur/" + name, at("tmp/17%08d.M1.l" % number))
    os.symlink(out + "/cur", at("cur/dir"))
    os.symlink(out, at("new/dir"))
    os.mkfifo(at("cur/1700000050.M1.fifo:2,S"), 0o600)
    os.mkfifo(at("tmp/1700000050.M1.fifo"), 0o600)
    os.mknod(at("cur/1700000051.M1.zero:2,S"), stat.S_IFCHR | 0o666,
             os.makedev(1, 5))
    os.mkfifo(at("1700000052.M1.fifo"), 0o600)
    os.symlink(out + "/cur/" + BAD[0], at("1700000053.M1.l"))


def untouched(victim, before, what):
    is_(differences(before, snapshot(victim.root)), [],
        what + ": nothing outside has changed")


@test
def links_and_devices():
    """symbolic links, FIFOs and devices in every place"""
    for uid in (PLAIN, 0):
        for quarantine in (None, ".Lost+Found", "maildirck.q"):
            what = "owner %d, %s a link" % (uid, quarantine or "nothing")
            victim = outside()
            tree = user_box(scratch("h"), uid)
            traps(tree, victim)
            if quarantine:
                os.symlink(victim.root, tree.at(quarantine))
            give(tree.root, uid)
            before = snapshot(victim.root)
            for args in (["-c", "full"], deep_fix(), deep_fix()):
                got = check("-j", *args, tree.root, timeout=60)
                ok(not got.status & CANCELLED and not got.bad,
                   "%s: %s ends" % (what, args[0]), got)
                leaks = [f for f in got.findings if "decoy" in str(f) and
                         not path_in(f).startswith(("cur/17", "tmp/17"))]
                is_(leaks[:3], [], what + ": nothing of it is listed")
            untouched(victim, before, what)
            for journal in reversed(journals(tree.root)):
                check("--undo", journal, tree.root, timeout=60)
            untouched(victim, before, what + ", undone")


@test
def not_read():
    """no file outside is opened"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    for uid in (PLAIN, 0):
        victim = outside()
        tree = user_box(scratch("h"), uid)
        traps(tree, victim)
        give(tree.root, uid)
        trace = scratch("trace") + "/trace"
        for args in (["-c", "full"], deep_fix()):
            check(*args, tree.root, wrap=[
                "strace", "-f", "-qq", "-y", "-o", trace, "-e",
                "trace=%file,read,pread64,fchmod,fchown,getdents64"],
                timeout=120)
            with open(trace, errors="replace") as file:
                wrong = [line for line in file if re.search(
                    r"(= \d+|\(\d+)<%s[/>]" % re.escape(victim.root), line)]
            is_(wrong[:5], [], "owner %d, %s: no descriptor leads outside" %
                (uid, args[0]))


@test
def hard_links():
    """a hard link to another user's file"""
    secret = scratch("s") + "/secret"
    for mode in (0o600, 0o644):
        with open(secret, "w") as file:
            file.write("root's own\n")
        os.chmod(secret, mode)
        for args in (["-y", "-f"], deep_fix(),
                     ["-y", "-f", "--owner", "%d:%d" % (PLAIN, PLAIN)]):
            tree = user_box(scratch("h"), PLAIN)
            for sub, name in (("cur", "1700000000.M1P1.l:2,S"),
                              ("new", "1700000001.M1P1.l"),
                              ("tmp", "1700000002.M1P1.l")):
                os.link(secret, tree.at(sub + "/" + name))
            check(*args, tree.root)
            st = os.stat(secret)
            with open(secret) as file:
                text = file.read()
            is_((st.st_uid, st.st_gid, st.st_mode & 0o7777, text),
                (0, 0, mode, "root's own\n"),
                "%s: owner, mode %o and bytes stay" % (
                    " ".join(args)[:24], mode))


# ---- what changes meanwhile --------------------------------------------------

class Flipping:
    """Two names change places all the time."""

    CODE = ("import ctypes,sys,time\nc=ctypes.CDLL(None).renameat2\n"
            "a,b=(x.encode() for x in sys.argv[1:3])\n"
            "while True: c(-100,a,-100,b,2); time.sleep(.0002)\n")

    def __init__(self, one, two):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE,
                                         one, two])
        cleanup(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()


def slowly(really):
    """Stops for a moment behind each look at a name."""
    if not really or not shutil.which("strace"):
        return []
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
            "trace=%stat,openat,open", "-e",
            "inject=%stat,openat,open:delay_exit=300"]


def race(what, target, one, two, victim, seconds, plant_at=None, args=()):
    """Runs repairs of `target` while paths `one` and `two` change places."""
    before = snapshot(victim.root)
    owner = os.stat(plant_at).st_uid if plant_at else 0
    place = plant_at and os.open(plant_at, os.O_RDONLY | os.O_DIRECTORY)
    flip = Flipping(one, two)
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        for mode in (deep_fix(), ["-p", "-f"], ["-y", "-f"]):
            if plant_at:
                plant(place, owner)
            # Every second one slowly: time to change what was looked at.
            check(*mode, *args, target, timeout=60, wrap=slowly(
                runs // 3 % 2))
            runs += 1
    flip.end()
    if plant_at:
        os.close(place)
    ok(runs > 2, "%s: %d runs" % (what, runs))
    untouched(victim, before, what)


def plant(place, uid):
    """Work for the next run, by names that the victim has, too."""
    for number, name in enumerate(BAD):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644,
                     dir_fd=place)
        os.write(fd, b"From: a@b\n\nx\n" * (number + 1))
        os.fchown(fd, uid, uid)
        os.close(fd)


@test
def swapped_directory():
    """cur/, new/ or a folder that becomes a link in the middle of it"""
    for uid in (PLAIN, 0):
        for sub in ("cur", "new", "tmp"):
            victim = outside()
            tree = user_box(scratch("h"), uid)
            link = tree.root + ".link"
            os.symlink(victim.at("cur"), link)
            race("owner %d, %s/" % (uid, sub), tree.root, tree.at(sub), link,
                 victim, 2, tree.at(sub))
    for name, at in ((".Sent", ".Sent/cur"), ("maildirck.q", "cur"),
                     (".Lost+Found", "cur")):
        victim = outside()
        tree = user_box(scratch("h"), 0)
        tree.directories(name)
        link = tree.root + ".link"
        os.symlink(victim.root, link)
        race("owner 0, " + name, tree.root, tree.at(name), link, victim, 2,
             tree.at(at))


@test
def swapped_maildir():
    """-R: a directory on the way to a Maildir becomes a link"""
    top = scratch("spool")
    tree = user_box(top + "/ada/mail", PLAIN)
    give(top + "/ada", PLAIN)
    for one, to in ((os.path.dirname(tree.root), os.path.dirname),
                    (tree.root, str)):
        victim = outside()
        link = one + ".link"
        os.symlink(to(victim.root), link)
        race("-R, " + os.path.basename(one), top, one, link, victim, 5,
             args=["-R"])


@test
def spool_traps():
    """-R over links, FIFOs and loops"""
    top = scratch("spool")
    victim = outside()
    trees = [user_box(top + "/u%d" % uid, uid) for uid in USERS]
    for uid in USERS:
        os.symlink(victim.root, top + "/u%d/link" % uid)
        os.symlink("/", top + "/u%d/root" % uid)
        os.symlink("..", top + "/u%d/up" % uid)
        os.mkfifo(top + "/u%d/pipe" % uid)
        give(top + "/u%d" % uid, uid)
    before = snapshot(victim.root)
    got = check("-R", "-y", "-f", top, timeout=60)
    is_(got.status & ~RESYNC, FIXED, "repaired", got)
    for tree in trees:
        is_(check(tree.root).status, 0, "clean", tree.root)
    untouched(victim, before, "-R")


@test
def forged_journal():
    """--undo of a journal that its owner has written"""
    victim = outside()
    tree = user_box(scratch("h"), 0)
    got = check("-y", tree.root)
    journal = journals(tree.root)
    is_(len(journal), 1, "a journal to begin with", got)
    with open(journal[0], "rb") as file:
        text = file.read()
    before = snapshot(victim.root)
    there = os.path.relpath(victim.root, tree.root).encode()
    os.symlink(victim.root, tree.at("way"))
    for old, new in ((b" cur/", b" " + there + b"/cur/"),
                     (b" cur/", b" way/cur/"), (b" cur/", b" /etc/"),
                     (b" cur/", b" cur/../../")):
        forged = text.replace(old, new)
        path = tree.at("maildirck-forged")
        for crc in (False, True):
            with open(path, "wb") as file:
                file.write(with_crc(forged) if crc else forged)
            got = check("--undo", path, tree.root, timeout=60)
            untouched(victim, before, "%s -> %s%s" % (
                old.decode(), new.decode()[:12], ", CRC right" if crc
                else ""))


def journal_of(tree, *lines):
    """A journal as maildirck writes it, that was never committed."""
    import zlib
    st = os.stat(tree.root)
    text = "maildirck-journal 1 %d %d %s\n" % (st.st_dev, st.st_ino,
                                               tree.root)
    for number, (kind, path, old, new) in enumerate(lines, 1):
        st = os.stat(tree.at(path))
        head = "%d %s %s - %d %d %d %d %d %d" % (
            number, kind, path, st.st_dev, st.st_ino, st.st_size,
            st.st_mtime_ns, old, new)
        text += "%s %d\n" % (head, zlib.crc32(head.encode()))
    return text


@test
def planted_journal():
    """a user's journal does not make root give files away, or set bits"""
    ids = PLAIN << 32 | PLAIN
    for args in (["-p"], ["-y", "-f"], ["-i"], ["--undo", "J"]):
        tree = user_box(scratch("h"), PLAIN)
        os.mkdir(tree.at("sieve"), 0o700)
        evil = tree.write("sieve/evil", b"#!/bin/sh\n", mode=0o755)
        give(tree.root, PLAIN)
        path = tree.write("maildirck-undo.1", journal_of(
            tree, ("chmod", evil, 0o4755, 0o755), ("chown", evil, 0, ids)))
        os.lchown(tree.at(path), PLAIN, PLAIN)
        got = check(*[tree.at(path) if a == "J" else a for a in args],
                    "--owner", "%d:%d" % (PLAIN, PLAIN), tree.root,
                    timeout=60, stdin=b"y\n" * 50)
        st = os.stat(tree.at(evil))
        is_((st.st_uid, st.st_mode & 0o6000), (PLAIN, 0),
            "%s --owner" % args[0], got)


def grow(path, size=4 << 40):
    """A file that claims to be huge."""
    with open(path, "ab") as file:
        while True:
            try:
                file.truncate(size)
                return
            except OSError:
                size >>= 1


@test
def giants():
    """files that claim to be terabytes long"""
    for name in ("new/1700000000.M1P1.big", "cur/1700000000.M1P1.big:2,S",
                 "tmp/1700000000.M1P1.big", "1700000000.M1P1.big",
                 "maildirck-undo.1", "dovecot-uidlist", "dovecot-keywords",
                 "maildirsize", "subscriptions", "courierimapuiddb",
                 "courierpop3dsizelist", ".uidvalidity", ".mbsyncstate",
                 "courierimapkeywords/:list"):
        tree = user_box(scratch("h"), PLAIN)
        os.makedirs(os.path.dirname(tree.at(name)), exist_ok=True)
        if name == "maildirck-undo.1":
            tree.write(name, journal_of(tree))
        grow(tree.at(name))
        give(tree.root, PLAIN)
        for args in ([], ["-c", "full"], ["-p"], ["-y", "-f", "-c", "full"]):
            try:
                got = check(*args, tree.root, timeout=60 if SLOW else 15)
            except subprocess.TimeoutExpired:
                ok(False, "%s, %s: ends" % (name, " ".join(args)))
                break
            ok(got.seconds < 60, "%s, %s: ends" % (name, " ".join(args)),
               got)


def with_crc(text):
    """Each line's last word made right, as far as it is a CRC."""
    import zlib
    lines = []
    for line in text.split(b"\n"):
        head, _, last = line.rpartition(b" ")
        if re.fullmatch(rb"[0-9a-f]{8}", last):
            line = head + b" %08x" % zlib.crc32(head)
        elif re.fullmatch(rb"\d+", last) and len(line.split()) > 9:
            line = head + b" %d" % zlib.crc32(head)
        lines.append(line)
    return b"\n".join(lines)


run_tests(jobs=2)
