#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Control files: repaired, they are what Dovecot and Courier go on with."""

import contextlib
import json
import os
import poplib
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from peers import *

UIDLIST, POP3LIST = "dovecot-uidlist", "courierpop3dsizelist"
GUID = "0123456789abcdef0123456789abcdef"


def ck(path, *args):
    """(status, {(id, path)}, text) of one run."""
    need("MAILDIRCK", "FEATURE_MAILDIRCK_CONTROL")
    run = subprocess.run([POPBOX, "maildirck", "-j", *args, path],
                         capture_output=True, timeout=PATIENCE * 3)
    text = run.stdout.decode("latin-1")
    found = set()
    for line in text.splitlines():
        if line.startswith("{"):
            line = json.loads(line)
            if line["t"] == "finding":
                found.add((line["id"], line["path"]))
    return run.returncode, found, text + run.stderr.decode("latin-1")


def controls(found):
    return {i for i, _ in found if i[0] == "M"}


class Box(Maildir):
    """With control files: "NAME" -> text."""

    def __init__(self, messages=(), **files):
        super().__init__()
        for name in messages:
            self.add("cur" if ":" in name else "new", name)
        for name, text in files.items():
            self.put(name, text)

    def add(self, sub, name, data=b"Subject: x\n\nbody\n"):
        path = super().add(sub, name, data)
        os.chmod(path, 0o600)
        return path

    def put(self, name, data):
        path = self.path + "/" + name
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(path, 0o600)
        old = time.time() - 3600
        os.utime(path, (old, old))

    def read(self, name):
        with open(self.path + "/" + name, "rb") as file:
            return file.read().decode("latin-1")


def folder(box, name):
    for sub in ("", "/cur", "/new", "/tmp"):
        os.mkdir(box.path + "/" + name + sub, 0o700)
    box.put(name + "/maildirfolder", "")


def repaired(what, name, before, after, ids, messages=("a:2,", "b:2,", "c:2,"),
             args=("-y",)):
    """A control file, as it should be after a repair, and the old one."""
    box = Box(messages)
    box.put(name, before)
    status, found, text = ck(box.path)
    wanted = {i for i, path in found if path == name and i[0] == "M"}
    is_(wanted & set(ids), set(ids), what + ": found", text)
    is_(box.read(name), before if isinstance(before, str) else
        before.decode("latin-1"), what + ": a check changes nothing")
    status, found, text = ck(box.path, *args)
    ok(status & ~2 == 1, what + ": repaired", status, text)
    is_(box.read(name), after, what + ": the new file", text)
    kept = [open(r + "/" + n, "rb").read() for r, _, names in
            os.walk(box.path + "/maildirck.q") for n in names]
    ok((before.encode() if isinstance(before, str) else before) in kept,
       what + ": the old bytes are in maildirck.q", text)
    status, found, text = ck(box.path)
    is_(status, 0, what + ": clean then", text)
    ok(not [n for n in os.listdir(box.path) if n.endswith(".lock")],
       what + ": no lock is left")


@test
def uidlists():
    """dovecot-uidlist line by line"""
    head = "3 V5 G%s N9\n" % GUID
    for what, before, after, ids in (
            ("UID 0, too high, repeated", "1 :a\n0 :x\n99 :y\n3 :b\n3 :z\n"
             "4 :c\n", "1 :a\n3 :b\n4 :c\n", ["M06"]),
            ("torn", "1 :a\n3 :b\n4 :c\n5 :1700", "1 :a\n3 :b\n4 :c\n",
             ["M06"]),
            ("one name twice", "1 :a\n3 :b\n4 :c\n5 :a\n",
             "3 :b\n4 :c\n5 :a\n", ["M08"]),
            ("bad names", "1 :a\n2 :../x\n3 :b\n4 W1 :c\n6 :\n",
             "1 :a\n3 :b\n4 W1 :c\n", ["M09"]),
            ("bad field", "1 P1:2 w5 :a\n3 :b\n4 :c\n",
             "1 P1:2 :a\n3 :b\n4 :c\n", ["M09"]),
            ("NULs behind", b"1 :a\n3 :b\n4 :c\n" + bytes(99),
             "1 :a\n3 :b\n4 :c\n", ["M10"])):
        if isinstance(before, bytes):
            repaired(what, UIDLIST, head.encode() + before, head + after, ids)
        else:
            repaired(what, UIDLIST, head + before, head + after, ids)
    lines = "1 :a\n3 :b\n4 :c\n"
    repaired("no next UID", UIDLIST, "3 V5 X1\n" + lines,
             "3 V5 X1 N5\n" + lines, ["M07"])
    repaired("next UID 0, GUID of 4", UIDLIST, "3 V5 N0 G1234\n" + lines,
             "3 V5 N5\n" + lines, ["M07", "M09"])
    repaired("version 1", UIDLIST, "1 5 3\n1 a\n3 b\n4 c\n",
             "1 5 5\n1 a\n3 b\n4 c\n", ["M07"])


@test
def left_alone():
    """what cannot be repaired is left as it is"""
    for what, text, ids in (
            ("no UIDVALIDITY", "3 N5\n1 :a\n", {"M07"}),
            ("version 2", "2 5 5\n1 :a\n", {"M07"}),
            ("empty", "", {"M10"}), ("NULs", "\0" * 40, {"M10"})):
        box = Box(["a:2,"])
        box.put(UIDLIST, text)
        status, found, out = ck(box.path, "-y")
        is_((status, controls(found)), (4, ids), what, out)
        is_(box.read(UIDLIST), text, what + ": not changed")


@test
def others():
    """Courier's, keywords, mbsync's"""
    repaired("courierimapuiddb", "courierimapuiddb",
             "1 5 3\n1 a\n3 b\n2 x\n4 c\n", "1 5 5\n1 a\n2 x\n4 c\n",
             ["M14"])
    repaired("courierpop3dsizelist", POP3LIST, "/3 3 77\na:2,S 10 1:77:0\n"
             "b 5 4:77:0\nc 5 99:66:0\nx y\nd 5 3:77\n b 3\n",
             "/3 5 77\na:2,S 10 1:77:0\nb 5 4:77:0\nc 5 99:66:0\n"
             "d 5 3:77\n", ["M15"])
    repaired("dovecot-keywords", "dovecot-keywords",
             "0 A\n1 B\n26 C\n1 D\nx\n3 A\n", "1 D\n3 A\n", ["M12"])
    repaired(".uidvalidity", ".uidvalidity", "5\n3\n", "5\n7\n", ["M19"],
             ["a,U=7:2,", "b,U=6:2,S"])
    repaired("courierimapkeywords/:list", "courierimapkeywords/:list",
             "x\ny\n\na:0 1\ngone:0\n", "x\ny\n\na:0 1\n", ["M16"],
             args=["-p"])
    box = Box(["a:2,ac"])
    box.put("dovecot-keywords", "0 Work\n")
    status, found, text = ck(box.path)
    ok(status == 4 and ("N12", "dovecot-keywords") in found, "N12", text)


@test
def same_guid():
    """M18: a copied folder gets a GUID of its own"""
    box = Box(["a:2,"])
    folder(box, ".Copy")
    line = "3 V5 G%s N9\n1 :a\n" % GUID
    box.put(UIDLIST, line)
    box.put(".Copy/" + UIDLIST, line)
    status, found, text = ck(box.path, "-y")
    ok(("M18", ".Copy/" + UIDLIST) in found, "found", text)
    is_(box.read(UIDLIST), line, "the first stays")
    is_(box.read(".Copy/" + UIDLIST), line.replace("G" + GUID + " ", ""),
        "the other has none")


@test
def quota():
    """maildirsize"""
    def size(before, after, ids, args=("-p",), mode=0o600):
        box = Box()
        os.chmod(box.add("cur", "a,S=3:2,", b"x:1"), mode)
        box.add("cur", "b,S=3:2,T", b"x:1")
        folder(box, ".Trash")
        box.add(".Trash/cur", "c:2,", b"x:123")
        box.put("maildirsize", before)
        status, found, text = ck(box.path)
        is_({i for i, path in found if path == "maildirsize"}, ids,
            repr(before[:20]) + ": found", text)
        ck(box.path, *args)
        is_(box.read("maildirsize"), after, repr(before[:20]) + ": after -p")

    # With the trash, or without: programs differ.
    for right in ("100S\n3 1\n", "100S,9C\n11 3\n",
                  "9C\n           3            1\n", "0S\n6 3\n-3 -2\n"):
        size(right, right, set())
    for wrong in ("100S\n2 1\n", "100S\n12 3\n", "100S\n3 4\n"):
        size(wrong, "100S\n3 1\n", {"M01"})
    size("100S\n3 1\n3", "100S\n3 1\n", {"M02"})
    size("100S\nx\n", "100S\n3 1\n", {"M01", "M02"})
    size("100S\n3 1\n" + "0 0\n" * 1500, "100S\n3 1\n", {"M02"})
    size("100S\n-3 1\n", "100S\n3 1\n", {"M02"})
    size("100X\n3 1\n", "100X\n3 1\n", {"M02"})
    # What takes several passes is not counted several times.
    size("100S\n2 1\n", "100S\n3 1\n", {"M01"}, mode=0o644)


@test
def subscriptions():
    """M13"""
    box = Box()
    folder(box, ".A.B")
    box.put("subscriptions", "V\t2\n\nA\tB\nC\n\nA\tB\n")
    box.put("courierimapsubscribed", "INBOX\nINBOX.A.B\nINBOX.C\n")
    status, found, text = ck(box.path, "-y")
    is_(status, 0, "for information only", text)
    is_({path for i, path in found if i == "M13"},
        {"subscriptions", "courierimapsubscribed"}, "found", text)
    ck(box.path, "-y", "--fix", "M13")
    is_(box.read("subscriptions"), "V\t2\n\nA\tB\n", "Dovecot's")
    is_(box.read("courierimapsubscribed"), "INBOX\nINBOX.A.B\n", "Courier's")


@test
def undone():
    """--undo brings the old control files back"""
    box = Box(["a,S=5:2,"])
    head = "3 V5 G%s N9\n" % GUID
    box.put(UIDLIST, head + "1 :a,S=5\n0 :x\n2 :b\n")
    box.put("courierimapuiddb", "1 5 9\n1 a,S=5\n")
    before = {n: box.read(n) for n in (UIDLIST, "courierimapuiddb")}
    status, _, text = ck(box.path, "-y")
    new = [n.decode() for n in box.names("cur")][0]
    is_(box.read("courierimapuiddb"), "1 5 9\n1 %s\n" % new[:-3],
        "the name is replaced", text)
    journal = [n for n in os.listdir(box.path) if n.startswith("maildirck-")]
    run = subprocess.run([POPBOX, "maildirck", "--undo",
                          box.path + "/" + journal[0]], capture_output=True)
    is_({n: box.read(n) for n in before}, before, "as before",
        run.stdout + run.stderr)
    is_(box.names("cur"), [b"a,S=5:2,"], "names as before")


@test
def locked():
    """Dovecot's lock is respected, and its UIDs before our repairs"""
    box = Box(["a,S=5:2,"])
    line = "3 V5 G%s N9\n1 :a,S=5\n0 :x\n" % GUID
    box.put(UIDLIST, line)
    box.put(UIDLIST + ".lock", "1:elsewhere")
    os.utime(box.path + "/" + UIDLIST + ".lock")
    status, _, text = ck(box.path, "-y", "--lock-wait", "1")
    ok(status & 8, "an error while another holds it", status, text)
    is_(box.read(UIDLIST), line, "nothing is written")
    is_(box.names("cur"), [b"a,S=5:2,"], "no message is renamed")
    old = time.time() - 200
    os.utime(box.path + "/" + UIDLIST + ".lock", (old, old))
    status, _, text = ck(box.path, "-y", "--lock-wait", "1")
    ok(not status & 8, "a stale lock does not count", status, text)
    ok(not os.path.exists(box.path + "/" + UIDLIST + ".lock"),
       "and is gone then")


# ---- with the programs that own them ---------------------------------------

def uidl(peer):
    """UIDL -> what the message has as its Subject."""
    pop = poplib.POP3(peer.address, peer.port, timeout=PATIENCE)
    pop.user(peer.user)
    pop.pass_(peer.password)
    found = {}
    for line in pop.uidl()[1]:
        number, name = line.decode().split()
        found[name] = pop.top(int(number), 0)[1][0].decode()
    pop.quit()
    return found


def filled(peer, count=6):
    for i in range(count):
        data = b"Subject: %d\n\n%s\n" % (i, b"x" * i)
        peer.maildir.add("new", "17000000%02d.M%dP1.host,S=%d" % (
            i, i, len(data)), data)


def lengthen(peer, which):
    """Another size than the name says, as by a careless filter."""
    for name in peer.maildir.names("cur"):
        if any(b"M%dP1" % i in name for i in which):
            with open(peer.maildir.join("cur", name), "ab") as file:
                file.write(b"footer\n")


def mine(peer):
    """What we have written belongs to the user."""
    for root, dirs, files in os.walk(peer.maildir.path):
        for name in dirs + files:
            with contextlib.suppress(FileNotFoundError):    # a lock
                os.chown(os.path.join(root, name), OWNER, OWNER,
                         follow_symlinks=False)


def inside(peer, command, stdin=b""):
    with open("/proc/%d/task/%d/children" % (
            peer.process.pid, peer.process.pid)) as file:
        first = file.read().split()[0]
    run = subprocess.run(["nsenter", "-t", first, "-m", "-p", "sh", "-c",
                          command], input=stdin, capture_output=True)
    return run.stdout.decode()


def uids(peer):
    """What IMAP has: ({UID: GUID}, status of the mailbox)."""
    doveadm = "doveadm -c /run/own/dovecot.conf "
    text = inside(peer, doveadm + "-f tab fetch -u %s 'uid guid' all" %
                  peer.user)
    return (dict(line.split("\t") for line in text.splitlines()[1:]),
            inside(peer, doveadm + "mailbox status -u %s "
                   "'uidvalidity guid' INBOX" % peer.user))


def quiet(peer, what):
    unlike(peer.log(), r"(?i)error|corrupt|broken|duplicate", what +
           ": nothing in the log")


class DovecotByName(Dovecot):
    """UIDLs that are saved, as Dovecot does after a migration."""

    def configure(self):
        script = super().configure()
        with open(self.own + "/dovecot.conf", "a") as file:
            file.write("pop3_uidl_format = %f\npop3_save_uidl = yes\n")
        return script


@test
def normal():
    """what Dovecot and Courier write is clean"""
    for kind in (Dovecot, Courier):
        with kind() as peer:
            filled(peer)
            uidl(peer)
            peer.maildir.add("new", "1800000000.M99P1.host",
                             b"Subject: 99\n\n")
            uidl(peer)
            os.unlink(peer.maildir.join("cur",
                                        peer.maildir.names("cur")[0]))
            if kind is Dovecot:
                inside(peer, "doveadm -c /run/own/dovecot.conf flags add -u "
                       "%s 'Work \\Seen' uid 3" % peer.user)
            status, found, text = ck(peer.maildir.path, "--only", ",".join(
                ["N12"] + ["M%02d" % i for i in range(1, 21)]))
            is_((status, found), (0, set()), kind.name, text)


@test
def renamed_by_size():
    """messages that are renamed keep UID, GUID and UIDL"""
    for kind in (Dovecot, DovecotByName):
        with kind() as peer:
            filled(peer)
            before = uidl(peer), uids(peer)
            is_(len(before[1][0]), 6, "IMAP has them", peer.log())
            lengthen(peer, (1, 3))
            status, found, text = ck(peer.maildir.path, "-y")
            ok(status & 8 == 0 and status & 1, "repaired", status, text)
            is_(sum(i == "Z01" for i, _ in found), 2, "two renamed", text)
            mine(peer)
            after = uidl(peer), uids(peer)
            is_(after, before, kind.__name__ + ": as before",
                peer.maildir.names("cur"))
            quiet(peer, kind.__name__)


@test
def renamed_for_courier():
    """Courier's UIDLs stay, too"""
    with Courier() as peer:
        filled(peer)
        before = uidl(peer)
        lengthen(peer, (1, 3))
        status, found, text = ck(peer.maildir.path, "-y")
        mine(peer)
        is_(uidl(peer), before, "UIDLs as before", text)


@test
def while_read():
    """messages are renamed while Dovecot serves them"""
    # Not so for Courier: its POP3 server takes no lock, and a login in the
    # very moment gives new numbers.
    with Dovecot() as peer:
        known, seen, trouble = {}, [], []
        ended = threading.Event()

        def reader():
            while not ended.is_set():
                try:
                    seen.append(uidl(peer))
                except (poplib.error_proto, EOFError) as why:
                    trouble.append(why)

        thread = threading.Thread(target=reader)
        thread.start()
        renamed = 0
        for i in range(60):
            data = b"Subject: %d\n\n" % i
            name = "17000000%02d.M%dP1.host,S=%d,S=%d" % (
                i, i, len(data), len(data))
            path = peer.maildir.add("tmp", name, data)
            os.rename(path, peer.maildir.join("new", name))
            if i % 6 == 5:
                known.update(uidl(peer))
                status, found, text = ck(peer.maildir.path, "-y")
                ok(not status & 12, "no trouble", text)
                renamed += sum(i == "Z03" for i, _ in found)
                mine(peer)
        ended.set()
        thread.join()
        is_(uidl(peer), known, "as before")
        is_(renamed, 60, "and all have other names", peer.maildir.names("cur"))
        ok(len(seen) > 3, "while it was being read", len(seen))
        is_([now for now in seen if not now.items() <= known.items()], [],
            "no UIDL was another's, for no moment")
        is_(trouble, [], "no session failed", peer.log()[-3000:])


@test
def torn_for_dovecot():
    """a torn or mixed uidlist costs only the lines that are lost"""
    for what, change, lost in (
            ("torn", lambda text: text[:-12], 1),
            ("zeroed", lambda text: text[:-30] + "\0" * 30, 1),
            ("two lists", lambda text: text + text.split("\n", 1)[1], 0),
            ("rubbish", lambda text: text.replace("\n3 ", "\nx "), 1)):
        with Dovecot() as peer:
            filled(peer)
            old_uidl, (old, status) = uidl(peer), uids(peer)
            path = peer.maildir.path + "/" + UIDLIST
            with open(path) as file:
                text = file.read()
            # Without its index Dovecot has only the list to go by.
            for name in os.listdir(peer.maildir.path):
                if name.startswith("dovecot.index"):
                    os.unlink(peer.maildir.path + "/" + name)
            with open(path, "w") as file:
                file.write(change(text))
            _, _, out = ck(peer.maildir.path, "-y")
            mine(peer)
            new, new_status = uids(peer)
            is_(new_status, status, what + ": UIDVALIDITY and GUID", out)
            same = {u for u in old if new.get(u) == old[u]}
            is_(len(same), 6 - lost, what + ": UIDs", out, old, new)
            is_(sorted(new.values()), sorted(old.values()),
                what + ": all messages are there")
            is_(len(set(uidl(peer)) & set(old_uidl)), 6 - lost,
                what + ": UIDLs")
            quiet(peer, what)


@test
def torn_for_courier():
    """a torn courierpop3dsizelist costs one UIDL"""
    with Courier() as peer:
        filled(peer)
        before = uidl(peer)
        path = peer.maildir.path + "/" + POP3LIST
        with open(path, "r+") as file:
            file.truncate(os.path.getsize(path) - 20)
        status, found, text = ck(peer.maildir.path, "-y")
        mine(peer)
        ok(("M15", POP3LIST) in found, "found", text)
        after = uidl(peer)
        is_(len(set(after) & set(before)), 5, "UIDLs", before, after)
        is_(len(after), 6, "all messages")


@test
def guids_for_dovecot():
    """a copied folder: Dovecot gives it a new GUID"""
    with Dovecot() as peer:
        filled(peer)
        uidl(peer)
        copy = peer.maildir.path + "/.Copy"
        os.mkdir(copy)
        for name in ("cur", "new", "tmp", UIDLIST):
            path = peer.maildir.path + "/" + name
            (shutil.copy if name == UIDLIST else shutil.copytree)(
                path, copy + "/" + name)
        mine(peer)
        _, _, out = ck(peer.maildir.path, "-y")
        mine(peer)
        text = inside(peer, "doveadm -c /run/own/dovecot.conf mailbox status "
                      "-u %s 'guid messages' INBOX Copy" % peer.user)
        guids = re.findall(r"guid=(\w+)", text)
        ok(len(guids) == 2 and guids[0] != guids[1], "two GUIDs", text,
           out)
        is_(re.findall(r"messages=(\d+)", text), ["6", "6"], "messages", text)


run_tests()
