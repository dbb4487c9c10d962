#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts while mail is delivered: what was acknowledged is there after
fsck and maildirck -y.

The file system under test is an image that lies on a btrfs (in memory): a
clone of it is what the disk had at that moment, in the order in which the
writes came.  Deliverers with and without fsync of directories write into
it, and say on a pipe which messages they have acknowledged.
"""

import os
import random
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")

CUTS = int(os.environ.get("CUTS", "24"))


# ---- deliverers: processes of their own --------------------------------------

def message(rng, style, number):
    size = rng.choice((40, 300, 3000, 9000, 20000))
    body = b"".join(b"line %d of message %d\n" % (i, number)
                    for i in range(size // 24 + 1))
    return (b"Received: by %s id %d; Thu, 14 Apr 2022 05:20:00 +0000\n"
            b"From: a@example.org\nDate: Thu, 14 Apr 2022 05:20:00 +0000\n"
            b"Message-ID: <%d.%d@%s>\nSubject: %d\n\n" % (
                style.encode(), number, number, os.getpid(), style.encode(),
                number)) + body


def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def put(style, box, name, data):
    """Returns when the message may be acknowledged, as this style has it."""
    tmp, new = box + "/tmp/" + name, box + "/new/" + name
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    for at in range(0, len(data), 4096):
        os.write(fd, data[at:at + 4096])
    if style != "careless":
        os.fsync(fd)
    os.close(fd)
    if style in ("popbox", "qmail"):
        os.link(tmp, new)
    else:
        os.rename(tmp, new)
    if style in ("popbox", "dovecot"):
        sync(box + "/new")
    if style == "dovecot":
        sync(box + "/tmp")


def deliver(style, box, seed):
    """popbox    link, fsync of new/
    dovecot   rename, fsync of both directories
    qmail     link, no fsync of directories
    maildrop  rename, no fsync of directories
    careless  no fsync at all, and so nothing is acknowledged
    """
    rng = random.Random(seed)
    number = 0
    while True:
        number += 1
        data = message(rng, style, number)
        name = "%d.M%dP%dQ%d.%s" % (time.time(), rng.randrange(1000000),
                                    os.getpid(), number, style)
        if rng.randrange(2):
            name += ",S=%d" % len(data)
        digest = hashlib.sha256(data).hexdigest()
        put(style, box, name, data)
        os.write(1, ("%s %s\n" % (style, digest)).encode())
        if style in ("popbox", "qmail"):
            os.unlink(box + "/tmp/" + name)
        time.sleep(rng.random() * 0.02)


def read_mail(box, seed):
    """What an IMAP server does: new to cur, flags come and go."""
    rng = random.Random(seed)
    while True:
        for sub in ("new", "cur"):
            names = os.listdir(box + "/" + sub)
            for name in rng.sample(names, min(len(names), 5)):
                base = name.split(":")[0]
                flags = "".join(sorted(rng.sample("FRST", rng.randrange(4))))
                os.rename("%s/%s/%s" % (box, sub, name),
                          "%s/cur/%s:2,%s" % (box, base, flags))
        time.sleep(rng.random() * 0.05)


UNSAFE = ("qmail", "maildrop")
STYLES = ("popbox", "dovecot", *UNSAFE, "careless")

if len(sys.argv) > 1 and sys.argv[1] == "--deliver":
    import hashlib
    import time
    try:
        if sys.argv[2] == "read":
            read_mail(*sys.argv[3:])
        else:
            deliver(*sys.argv[2:])
    except (BrokenPipeError, OSError) as why:
        sys.exit("%s: %s" % (sys.argv[2], why))

import fcntl
from checker import *
from ckcase import own_mounts

FICLONE = 0x40049409            # of linux/fs.h

need_all = [n for n in ("MAILDIRCK", "FEATURE_MAILDIRCK_RESCUE")
            if not config(n)]
if need_all:
    skip_all(need_all[0] + " is not configured")
os.environ["PATH"] += ":/usr/sbin:/sbin"


def run(*argv, good=(0,)):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if good is not None and done.returncode not in good:
        raise OSError("%s: %d: %s" % (" ".join(argv), done.returncode,
                                      done.stdout.decode("latin-1")))
    return done.stdout.decode("latin-1")


def missing_here():
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    for name in ("mkfs.btrfs", "mkfs.ext4", "e2fsck"):
        if not shutil.which(name):
            return "no " + name
    with open("/proc/filesystems") as file:
        if "\tbtrfs\n" not in file.read() and subprocess.run(
                ["modprobe", "btrfs"], check=False).returncode != 0:
            return "this kernel has no btrfs"
    return None


why_not = missing_here()
if why_not and os.environ.get("CI"):
    ok(False, "power cuts", why_not)
    done()
if why_not:
    skip_all(why_not)
own_mounts()

# name: how it is made, checked and mounted.
KINDS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], ["e2fsck", "-fy"], "loop"),
    "ext4 writeback": (["mkfs.ext4", "-q", "-F"], ["e2fsck", "-fy"],
                       "loop,data=writeback"),
    "ext2": (["mkfs.ext2", "-q", "-F"], ["e2fsck", "-fy"], "loop"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], ["btrfs", "check"], "loop")
}


def ground():
    """A directory where images can be cloned in one moment."""
    place = scratch("ground")
    run("mount", "-t", "tmpfs", "-o", "size=3G", "none", place)
    cleanup(subprocess.run, ["umount", "-l", place])
    with open(place + "/btrfs", "wb") as file:
        file.truncate(3 << 30)
    run("mkfs.btrfs", "-q", "-f", "-m", "single", place + "/btrfs")
    os.mkdir(place + "/on")
    run("mount", "-o", "loop", place + "/btrfs", place + "/on")
    cleanup(subprocess.run, ["umount", "-l", place + "/on"])
    return place + "/on"


def unmount(point):
    """What another thread is starting may still hold it for a moment."""
    if not wait_for(lambda: subprocess.run(
            ["umount", point], stderr=subprocess.DEVNULL,
            check=False).returncode == 0):
        raise OSError("cannot unmount " + point)


def clone(image, to):
    """The image as it is now, in one moment."""
    with open(image, "rb") as a, open(to, "wb") as b:
        fcntl.ioctl(b, FICLONE, a.fileno())


class Deliverers:
    """All styles at work, and what they have acknowledged so far."""

    def __init__(self, box, seed):
        self.acknowledged, self.sent = {}, 0    # digest: style
        self.unsafe = threading.Event()     # one was, without all its syncs
        self.processes, self.threads = [], []
        for i, style in enumerate((*STYLES, "read")):
            process = subprocess.Popen(
                [sys.executable, "-B", __file__, "--deliver", style, box,
                 "%d" % (seed * 10 + i)], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            thread = threading.Thread(target=self._listen, args=[process])
            thread.start()
            self.processes.append(process)
            self.threads.append(thread)

    def _listen(self, process):
        for line in process.stdout:
            style, digest = line.decode().split()
            self.sent += 1
            if style != "careless":
                self.acknowledged[digest] = style
            if style in UNSAFE:
                self.unsafe.set()

    def stop(self):
        """What they have died of, if not of this."""
        said = []
        for process, thread in zip(self.processes, self.threads):
            if process.poll() is not None:
                said.append(process.stderr.read().decode())
            process.kill()
            process.wait()
            thread.join()
            process.stdout.close()
            process.stderr.close()
        return said


def contents(top, subs=None):
    """Digest -> paths of all files below, or of those in some directories."""
    found = {}
    for at, _, files in os.walk(top):
        if subs and os.path.basename(at) not in subs:
            continue
        for name in files:
            path = os.path.join(at, name)
            with open(path, "rb") as file:
                found.setdefault(hashlib.sha256(file.read()).hexdigest(),
                                 []).append(os.path.relpath(path, top))
    return found


class Sum:
    """What is counted over all cuts of a file system."""

    def __init__(self):
        self.sent = self.acknowledged = self.found = 0
        self.salvaged = self.orphans = self.quarantined = self.gone = 0
        self.lost, self.wrong, self.errors = [], [], []

    def __str__(self):
        return ("%d deliveries, %d acknowledged before a cut, %d found, of "
                "these %d were in tmp/ only and %d in lost+found; %d in no "
                "directory of the image; %d damaged ones in quarantine" % (
                    self.sent, self.acknowledged, self.found, self.salvaged,
                    self.orphans, self.gone, self.quarantined))


def inspect(image, point, options, fsck, acknowledged, total, number):
    """Brings one cut back to life."""
    # A journal alone must do, too, where there is one.
    if fsck[0] != "e2fsck" or number % 4 > 1 or "/ext2/" in image:
        said = run(*fsck, image, good=None)
        if fsck[0] == "btrfs" and "found 0 " not in said and (
                "ERROR" in said):
            total.errors.append(said[-500:])
    run("mount", "-o", options, image, point)
    try:
        box = point + "/Maildir"
        there = set(contents(point))
        before = contents(box, ("new", "cur"))
        got = check("-y", "-f", "-c", "full", "-j", box, wrap=later())
        if got.status & (ERROR | USAGE):
            total.errors.append(repr(got))
        after = contents(box)
        shown = contents(box, ("new", "cur"))
        lost = set(acknowledged) - set(after)
        total.salvaged += len(set(acknowledged) & set(after) - set(before))
        if lost:
            # No names any more: fsck's orphans.
            dest = scratch("dest") + "/Maildir"
            check("--rescue", "-o", dest, point + "/lost+found")
            orphans = lost & set(contents(dest))
            total.orphans += len(orphans)
            lost -= orphans
        total.acknowledged += len(acknowledged)
        total.found += len(acknowledged) - len(lost)
        # Without fsync of directories nobody had promised it.
        gone = {d for d in lost - there if acknowledged[d] in UNSAFE}
        total.gone += len(gone)
        total.lost += [(number, acknowledged[d], "by maildirck" if d in there
                        else "by the file system")
                       for d in sorted(lost - gone)]
        total.quarantined += sum(
            "careless" in path for aside in (".Lost+Found", "maildirck.q")
            for paths in contents("%s/%s" % (box, aside)).values()
            for path in paths)
        total.wrong += [
            (number, paths) for digest, paths in shown.items()
            if digest not in acknowledged and any(
                os.stat(box + "/" + p).st_size == 0 for p in paths
                if not p.startswith(".Lost+Found"))]
        again = check("-y", "-f", "-c", "full", "-j", box, wrap=later())
        if again.status & ~LEFT:
            total.errors.append(repr(again))
    finally:
        unmount(point)


def cuts(kind, seed):
    """cuts of one file system"""
    make, fsck, options = KINDS[kind]
    place = ground() + "/" + kind.replace(" ", "-")
    os.mkdir(place)
    image, point = place + "/image", place + "/mnt"
    os.mkdir(point)
    with open(image, "wb") as file:
        file.truncate(160 << 20)
    run(*make, image)
    run("mount", "-o", options, image, point)
    box = point + "/Maildir"
    for sub in ("", "/cur", "/new", "/tmp"):
        os.mkdir(box + sub, 0o700)
    os.sync()
    rng = random.Random(seed)
    work = Deliverers(box, seed)
    moments = []
    for i in range(CUTS):
        time.sleep(rng.uniform(0.05, 0.3))
        if i % 2:               # when it hurts most
            work.unsafe.clear()
            work.unsafe.wait(1)
        acknowledged = dict(work.acknowledged)
        clone(image, "%s/cut%d" % (place, i))
        moments.append(acknowledged)
    died = work.stop()
    unmount(point)
    os.unlink(image)
    is_(died, [], kind + ": deliveries went on all the time")
    total = Sum()
    total.sent = work.sent
    for i, acknowledged in enumerate(moments):
        cut = "%s/cut%d" % (place, i)
        inspect(cut, point, options, fsck, acknowledged, total, i)
        os.unlink(cut)
    print("# %s, %d cuts: %s" % (kind, CUTS, total))
    is_(total.lost, [], "%s: each acknowledged message is there after each "
        "of %d cuts" % (kind, CUTS))
    is_(total.wrong, [], kind + ": no empty message is shown")
    is_(total.errors, [], kind + ": no run fails, and a second one has "
        "nothing to do")
    ok(total.acknowledged > 10 * CUTS, kind + ": there were enough of them",
       str(total))


@test
def power_cuts():
    """at random moments, on four file systems"""
    spread(cuts, [(kind, 11 + i) for i, kind in enumerate(KINDS)], 2)


run_tests()
