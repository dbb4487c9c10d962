# SPDX-License-Identifier: GPL-2.0-or-later
"""A Maildir in the making, and the truth about it.

A Tree knows what it was made of: clean mail, and defects that must be found
(want), with who may repair each of them.  Paths are text as os.fsdecode
gives it, relative to the Maildir.
"""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time

from checker import LOUD, TABLE, severity_of
from ckmail import *

# Long enough ago for everything that has an age, on any clock.
EPOCH = 1650000000
FAR = 400 * 86400               # into the future, beyond any shifted clock


class Want:
    """A finding that is to be there.

    id, paths    any of the paths will do
    repair       preen, yes, demand or none
    left         it may be there again after the repair
    """

    def __init__(self, ident, paths, repair=None, left=False):
        self.id, self.paths = ident, paths
        self.repair = repair or TABLE[ident].repair
        self.left = left

    @property
    def severity(self):
        named = severity_of(self.id)
        return "warn" if named == "ignore" else named

    @property
    def loud(self):
        return self.severity in LOUD

    def __repr__(self):
        return "%s %s" % (self.id, " or ".join(
            p.encode("ascii", "backslashreplace").decode()
            for p in self.paths))


class Tree:
    def __init__(self, root, seed, make=True):
        self.root = root
        self.rng = random.Random(seed)
        self.wants = []
        self.also = set()       # (id, path or None): no harm if reported
        self.aged = False       # to be looked at on a later clock
        self.wrap = []          # in front of every command
        self.options = []       # for every run
        self.fixing = []        # for repairs
        self.error = False      # status has 8
        self.forms = None       # of names
        self.level = None       # where more is read than the table says
        self.ending = []        # called when all else is there
        self.undo = []          # called when the Maildir is done with
        self.slots = set()      # what there can be once only
        self.serial = 0
        os.makedirs(root, mode=0o700, exist_ok=True)
        os.chmod(root, 0o700)
        if make:
            self.directories("")

    # ---- paths ----

    def at(self, path):
        return os.path.join(self.root, path) if path != "." else self.root

    @staticmethod
    def path(folder, sub, name):
        return "/".join(p for p in (folder, sub, name) if p)

    def directories(self, folder, subs=("cur", "new", "tmp")):
        for sub in ("", *subs):
            path = self.at(self.path(folder, sub, "") or ".")
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o700)

    def folder(self, name, mark=True):
        self.directories(name)
        if mark:
            self.write(name + "/maildirfolder", b"")
        return name

    # ---- files ----

    def tick(self):
        """A time of delivery that nothing else has."""
        self.serial += 1
        return EPOCH + self.serial * 4711 + self.rng.randrange(4000)

    def write(self, path, data, mode=0o600, when=None):
        with open(self.at(path), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(self.at(path), mode)
        when = when or EPOCH + self.serial
        os.utime(self.at(path), (when, when))
        return path

    def name(self, when=None, data=b"", form=None):
        form = form or (self.rng.choice(self.forms) if self.forms else None)
        return base_name(self.rng, when or self.tick(), data, form)

    def put(self, folder="", sub="cur", data=None, base=None, info=None,
            name=None, form=None, mode=0o600, when=None):
        """Stores a message; its path.

        info is what follows the base name; without one cur/ gets flags.
        """
        when = when or self.tick()
        data = mail(self.rng, when) if data is None else data
        base = base or self.name(when, data, form)
        if info is None:
            info = ":2," + self.rng.choice(("", "S", "RS", "FS", "S", "ST")
                                           ) if sub == "cur" else ""
        return self.write(self.path(folder, sub, name or base + info), data,
                          mode, when)

    def fill(self, folder="", cur=8, new=3):
        """Clean mail."""
        for _ in range(cur):
            self.put(folder, "cur")
        for _ in range(new):
            self.put(folder, "new")
        return self

    def names(self, folder):
        """Base names of a folder's messages, as far as a list can have them.
        """
        found = set()
        for sub in ("new", "cur"):
            for name in os.listdir(self.at(self.path(folder, sub, ""))):
                found.add(name.split(":")[0])
        return sorted(n for n in found if re.fullmatch(r"[!-~][!-~]*", n))

    def quota(self):
        """Bytes and messages as maildirsize has them."""
        total = count = 0
        for at, _, files in os.walk(self.root):
            parts = os.path.relpath(at, self.root).split("/")
            if parts[-1] not in ("new", "cur") or parts[0] == ".Trash":
                continue
            for name in files:
                if "T" not in name.partition(":2,")[2]:
                    total += os.stat(os.path.join(at, name)).st_size
                    count += 1
        return total, count

    def uidlist(self, folder, first=1, guid=None, validity=1650000000):
        """Dovecot's list of all there is: (head, lines), to be spoilt."""
        names = self.names(folder)
        guid = guid or "%032x" % self.rng.getrandbits(128)
        head = "3 V%d N%d G%s" % (validity, first + len(names), guid)
        return head, ["%d :%s" % (first + i, n) for i, n in enumerate(names)]

    def put_uidlist(self, folder, head, lines):
        path = self.path(folder, "", "dovecot-uidlist")
        return self.write(path, os.fsencode("\n".join([head, *lines]) + "\n"))

    # ---- the truth ----

    def want(self, ident, *paths, repair=None, left=False):
        self.wants.append(Want(ident, paths, repair, left))
        return paths[0]

    def slot(self, *what):
        """True where this has no place any more."""
        if what in self.slots:
            return False
        self.slots.add(what)
        return True

    def later(self, call, *args):
        self.ending.append((call, args))

    def finish(self):
        for call, args in self.ending:
            call(*args)
        self.ending = []
        return self

    def done(self):
        """Unmounts and the like."""
        for call, args in reversed(self.undo):
            call(*args)
        self.undo = []

    # ---- special places ----

    def run(self, *argv, stdin=None):
        done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise OSError("%s: %s" % (" ".join(argv),
                                      done.stdout.decode("latin-1")))
        return done.stdout.decode("latin-1")

    def mount(self, *how):
        self.run("mount", *how)
        self.undo.append((subprocess.run, (["umount", "-l", how[-1]],)))

    def image(self, kind="ext4", size="16M"):
        """Moves the Maildir-to-be into a file system of its own."""
        place = tempfile.mkdtemp(dir=os.path.dirname(self.root))
        self.undo.append((shutil.rmtree, (place, True)))
        image, point = place + "/image", place + "/mnt"
        os.mkdir(point)
        with open(image, "wb") as file:
            file.truncate(int(size[:-1]) << 20)
        self.run("mkfs." + kind, "-q", "-F", image)
        self.mount("-o", "loop", image, point)
        moved = point + "/Maildir"
        shutil.move(self.root, moved)
        self.root, self.device, self.point = moved, image, point

    def debugfs(self, *commands):
        """What no file system would do to itself."""
        for attempt in range(50):  # something may still look at a new disk
            try:
                self.run("umount", self.point)
                break
            except OSError:
                if attempt == 49:
                    raise
                time.sleep(0.1)
        # A loop device that is still there has the old contents in memory.
        for _ in range(100):
            if not self.run("losetup", "-j", self.device):
                break
            time.sleep(0.1)
        self.run("debugfs", "-w", "-f", "/dev/stdin", self.device,
                 stdin="".join(c + "\n" for c in commands).encode())
        self.run("mount", "-o", "loop", self.device, self.point)

    def attribute(self, letter, path):
        """chattr, where this file system has it, else on one that does."""
        done = subprocess.run(["chattr", "+" + letter, self.at(path)],
                              stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            self.image()
            self.run("chattr", "+" + letter, self.at(path))
        self.undo.append((subprocess.run, (
            ["chattr", "-" + letter, self.at(path)],)))
