#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which messages there are, their numbers, sizes and identifiers."""

import hashlib
import random
import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


def listing(c, command="LIST"):
    """{number: rest} of LIST or UIDL, after a check of every line's form."""
    status, body = c.multi(command)
    is_(status, b"+OK\r\n", "C66 %s: status" % command)
    lines = body.split(b"\r\n")[:-1] if body else []
    form = rb"[1-9]\d* \d+" if command == "LIST" else (
        rb"[1-9]\d* [\x21-\x7e]{1,70}")
    wrong = [line for line in lines if not re.fullmatch(form, line)]
    is_(wrong, [], "C66 C67 %s: form of every line" % command)
    return {int(n): rest for n, rest in (l.split(b" ") for l in lines)}


def stat(c):
    answer = c.cmd("STAT")
    like(answer, r"\A\+OK \d+ \d+\r\n\Z", "C66 C67 STAT: form")
    return tuple(map(int, answer.split()[1:]))


@test
def fixed_numbers():
    """C52 numbers stay as they are"""
    box = Maildir().fill(5)
    names = box.ordered()
    with session(box) as c:
        sizes = listing(c)
        is_(sorted(sizes), [1, 2, 3, 4, 5], "C52 numbered from 1")
        c.cmd("DELE 2")
        c.cmd("DELE 4")
        is_(sorted(listing(c)), [1, 3, 5], "C52 C95 LIST after DELE")
        is_(listing(c, "UIDL"), {n: names[n - 1] for n in (1, 3, 5)},
            "C52 C95 UIDL after DELE")
        is_(c.cmd("UIDL 5"), b"+OK 5 %s\r\n" % names[4], "C52 UIDL 5")
        is_(c.cmd("LIST 5"), b"+OK 5 %s\r\n" % sizes[5], "C52 LIST 5")
        c.cmd("RSET")
        is_(listing(c), sizes, "C52 C96 LIST after RSET")


@test
def arrivals():
    """C53 mail that arrives later is for the next session"""
    box = Maildir().fill(2)
    untouched = box.tree()
    with session(box) as c:
        is_(box.tree(), untouched, "C117 no lock file, no other trace")
        before = stat(c), listing(c), listing(c, "UIDL")
        box.add("new", "1.first.host")
        box.add("new", "1999999999.last.host")
        box.add("cur", "1600000000.M1P1.host:2,")
        os.rename(box.join("new", "1.first.host"),
                  box.join("cur", "1.first.host:2,"))
        os.rename(box.join("cur", "1.first.host:2,"),
                  box.join("new", "1.first.host"))
        ok(True, "C117 delivery and IMAP are not held up")
        is_((stat(c), listing(c), listing(c, "UIDL")), before,
            "C53 not seen in this session")
        like(c.cmd("RETR 3"), r"^-ERR", "C53 nor readable")
        c.cmd("DELE 1")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C53 QUIT")
        c.server.wait()
    is_(box.names("new"), [b"1.first.host", b"1999999999.last.host"],
        "C53 QUIT leaves them in new")
    with session(box) as c:
        is_(stat(c)[0], 4, "C53 the next session sees them")


ORDERED = (
    b"abc", b"x.M9.y", b"99.1.h", b"100.M5P1.h", b"100.M10P1.h",
    b"100.M10P1.h2", b"100.P77M11Q3.h", b"100.M999999P1.a",
    b"101.M0P1.h", b"101.M0P1.h,S=12", b"1000000000.1.h",
    b"1000000000.2.h", b"1700000000.M000001P1.h", b"1700000000.M000002P1.h",
    b"1700000000.M2P1.h", b"20000000000.1.h", b"Z", b"_", b"0",
    b"007.5.h", b"7.6.h", b"4294967296.1.h", b"2147483648.1.h",
)


@test
def order():
    """C54 order by the time in the name, then by name"""
    lists = []
    for seed in (1, 2):
        box = Maildir()
        names = list(ORDERED)
        random.Random(seed).shuffle(names)
        for i, name in enumerate(names):
            in_cur = (i + seed) % 2
            path = box.add("cur" if in_cur else "new",
                           name + (b":2,S" if in_cur else b""))
            os.utime(path, (1e9 + (i if seed == 1 else -i),) * 2)
        with session(box) as c:
            lists.append([u for _, u in sorted(listing(c, "UIDL").items())])
    is_(lists[0], sorted(ORDERED, key=oracle.order),
        "C54 seconds, microseconds, base name")
    is_(lists[1], lists[0],
        "C54 other flags, directories, times of files: same order")


@test
def ties():
    """C54 equal times are no reason to change places"""
    box = Maildir()
    for i in random.Random(3).sample(range(300), 300):
        os.utime(box.add("new" if i % 3 else "cur",
                         "1700000000.%d_0.host" % i), (1e9, 1e9))
    seen = []
    for _ in range(2):
        with session(box, "-n") as c:
            seen.append(listing(c, "UIDL"))
            c.cmd("QUIT")
    is_(seen[0], seen[1], "C54 the same in two sessions")
    is_(list(seen[0].values()), box.ordered(), "C54 in the order of names")


@test
def sums():
    """C55 C56 STAT is the sum of LIST"""
    box = Maildir()
    for i in range(1, 8):
        box.add("cur", "%d.x" % i, b"A: b\n\n" + b".x\ny\r\nz" * i)
    sizes = [oracle.size(box.stored[n]) for n in box.ordered()]
    with session(box) as c:
        is_(stat(c), (7, sum(sizes)), "C56 C57 STAT")
        is_([int(s) for s in listing(c).values()], sizes, "C56 C57 LIST")
        is_([c.cmd("LIST %d" % n) for n in range(1, 8)],
            [b"+OK %d %d\r\n" % (n, s) for n, s in enumerate(sizes, 1)],
            "C56 LIST with a number")
        c.cmd("DELE 3")
        c.cmd("DELE 7")
        is_(stat(c), (5, sum(sizes) - sizes[2] - sizes[6]),
            "C55 without the deleted ones")
        c.cmd("RSET")
        is_(stat(c), (7, sum(sizes)), "C55 C96 and with them again")
    with session(box, "-s") as c:
        is_([int(s) for s in listing(c).values()],
            [len(box.stored[n]) for n in box.ordered()],
            "C56 -s: sizes of the files")


@test
def size_asked_first():
    """C56 the answer does not depend on which command comes first"""
    box = Maildir().fill(3, data=b"A: b\n\nx\n")
    size = oracle.size(b"A: b\n\nx\n")
    for lines, want in (
            (["LIST 2"], b"+OK 2 %d\r\n" % size),
            (["RETR 2", "LIST 2"], b"+OK 2 %d\r\n" % size),
            (["TOP 2 0", "LIST 2"], b"+OK 2 %d\r\n" % size),
            (["DELE 2", "STAT"], b"+OK 2 %d\r\n" % (2 * size)),
            (["DELE 1", "RSET", "STAT"], b"+OK 3 %d\r\n" % (3 * size))):
        with session(box) as c:
            for line in lines[:-1]:
                c.multi(line) if line[0] in "RT" and line != "RSET" else (
                    c.cmd(line))
            is_(c.cmd(lines[-1]), want, "C56 after " + ", ".join(lines))


@test
def large():
    """C63 messages beyond 2 and 4 GiB, with -s"""
    box = Maildir()
    sizes = (2**31 - 1, 2**31, 2**32 + 5, 3 * 2**30, 10)
    for i, size in enumerate(sizes):
        with open(box.add("cur", "%d.x" % (i + 1)), "r+b") as file:
            try:
                file.truncate(size)
            except OSError as why:
                raise Skip("no large files here: %s" % why)
    with session(box, "-s") as c:
        is_(stat(c), (5, sum(sizes)), "C63 STAT")
        is_([int(s) for s in listing(c).values()], list(sizes), "C63 LIST")
        is_(c.cmd("LIST 3"), b"+OK 3 4294967301\r\n", "C63 LIST 3")
        c.cmd("DELE 3")
        is_(stat(c), (4, sum(sizes) - sizes[2]), "C63 C55 after DELE")


def many(box, count):
    """Empty messages, made as fast as Python can."""
    fd = os.open(box.path + "/cur", os.O_RDONLY)
    for i in range(count):
        os.close(os.open("%d.M%06dP9.host:2,S" % (1700000000 + i // 7, i),
                         os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
    os.close(fd)
    return len("1700000000.M000000P9.host:2,S") + 1


@test
def hundred_thousand():
    """C64 100 000 messages"""
    count = 100_000
    box = Maildir()
    name = many(box, count)
    with session(Maildir()) as c:
        stat(c)
        alone = c.server.memory("Anonymous")
    began = time.monotonic()
    with session(box) as c:
        is_(c.cmd("NOOP"), b"+OK\r\n", "C64 login")
        spent = time.monotonic() - began
        ok(spent < (30 if config("SANITIZE") else 5),
           "C64 login within seconds", spent)
        is_(stat(c), (count, 0), "C64 STAT")
        c.send("LIST\r\nUIDL\r\n")
        c.line()
        is_(c.body().count(b"\r\n"), count, "C64 LIST")
        c.line()
        lines = c.body().split(b"\r\n")
        is_(len(lines) - 1, count, "C64 UIDL")
        is_(lines[count - 1], b"%d %d.M%06dP9.host" % (
            count, 1700000000 + (count - 1) // 7, count - 1), "C64 the last")
        each = (c.server.memory("Anonymous") - alone) * 1024 / count
        if config("SANITIZE"):
            skip("C64 memory", "sanitizers need their own")
        else:
            ok(each <= 64 + name, "C64 at most 64 bytes and the name each",
               "%.1f bytes each" % each)
        is_(c.cmd("RETR %d" % count), b"+OK\r\n", "C64 RETR of the last")


@test
def idle_memory():
    """C64 an idle session is small"""
    if config("SANITIZE") or config("DEBUG") or not config("STATIC"):
        raise Skip("only the ship build has this budget")
    with session(Maildir().fill(100)) as c:
        stat(c)
        dirty = c.server.memory("Anonymous")
        ok(dirty <= 64, "C64 100 messages: at most 64 KB of its own",
           "%d KB" % dirty)


@test
def empty_maildrop():
    """C65 no messages at all"""
    with session(Maildir()) as c:
        is_(c.cmd("STAT"), b"+OK 0 0\r\n", "C65 STAT")
        for line in ("LIST", "UIDL"):
            is_(c.multi(line), (b"+OK\r\n", b""), "C65 " + line)
        for line in ("LIST 1", "UIDL 1", "RETR 1", "DELE 1", "TOP 1 0"):
            like(c.cmd(line), r"^-ERR", "C65 " + line)
        is_(c.cmd("RSET"), b"+OK\r\n", "C65 RSET")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C65 QUIT")
        is_(c.server.wait(), 0, "C65 exit status")


@test
def missing_subdirectories():
    """C50 a Maildir that lacks a directory"""
    for gone, count in (("cur", 1), ("new", 2), ("tmp", 3)):
        box = Maildir().fill(2)
        box.add("new", "1.x")
        shutil.rmtree(box.path + "/" + gone)
        with session(box) as c:
            is_(stat(c)[0], count, "C50 without " + gone)
            c.cmd("DELE 1")
            is_(c.cmd("QUIT"), b"+OK\r\n", "C50 QUIT without " + gone)


@test
def other_files():
    """C68 what is no message"""
    box = Maildir().fill(1)
    for sub in ("new", "cur"):
        box.add(sub, ".hidden")
        box.add(sub, ".1700000000.M1P1.host:2,")
        os.mkdir(box.join(sub, "5.directory"))
        os.mkfifo(box.join(sub, "6.fifo"))
        os.symlink("/etc/passwd", box.join(sub, "7.link"))
        os.symlink(box.join("cur", box.names("cur")[-1]),
                   box.join(sub, b"8.inner-link"))
        os.symlink("nowhere", box.join(sub, "9.dangling"))
        with socket.socket(socket.AF_UNIX) as s:
            # Short enough for sun_path wherever the scratch directory is.
            here = os.open(os.fspath(box.path) + "/" + sub, os.O_RDONLY)
            s.bind("/proc/self/fd/%d/10.socket" % here)
            os.close(here)
        if os.geteuid() == 0:
            os.mknod(box.join(sub, "11.device"), 0o600 | 0o020000,
                     os.makedev(1, 5))
    box.add("tmp", "12.unfinished")
    with session(box, "-t", "20") as c:
        is_(stat(c)[0], 1, "C68 only the one message")
        is_(list(listing(c, "UIDL").values()), [b"1700000001.M1P7.host"],
            "C68 and it is the right one")
        is_(c.multi("RETR 1")[0], b"+OK\r\n", "C68 which can be read")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C68 QUIT")
        c.server.wait()
    is_(sorted(os.listdir(box.path + "/new"))[0], ".1700000000.M1P1.host:2,",
        "C68 QUIT leaves other files in new")
    ok(os.path.islink(box.path + "/new/7.link"), "C68 links, too")


@test
def unreadable():
    """C68 files that may not be read"""
    need_root()
    box = Maildir(owner=PLAIN).fill(3)
    os.chmod(box.join("cur", box.names("cur")[1]), 0)
    os.chown(box.join("cur", box.names("cur")[1]), 0, 0)
    with session(box, user=PLAIN) as c:
        count, total = stat(c)
        sizes = listing(c)
        is_((len(sizes), sum(map(int, sizes.values()))), (count, total),
            "C68 STAT and LIST agree")
        uids = listing(c, "UIDL")
        for number in sizes:
            if b"M2P7" in uids[number]:
                like(c.cmd("RETR %d" % number), r"^-ERR", "C68 RETR refused")
            else:
                is_(c.multi("RETR %d" % number)[0], b"+OK\r\n",
                    "C68 the others can be read")
        is_(c.cmd("NOOP"), b"+OK\r\n", "C68 the session goes on")


@test
def links_in_place_of_directories():
    """C68 symbolic links do not lead out of the Maildir"""
    outside = Maildir().fill(4)
    for sub in ("new", "cur"):
        box = Maildir().fill(1, "cur" if sub == "new" else "new")
        os.rmdir(box.path + "/" + sub)
        os.symlink(outside.path + "/cur", box.path + "/" + sub)
        with start("-a", "-e", "-m", box.path) as c:
            c.send("STAT\r\nQUIT\r\n")
            c.shut()
            unlike(c.rest(), r"\+OK [45] ", "C68 %s is a link" % sub)


def make_ext2(path):
    """A file system that stores no file types (DT_UNKNOWN)."""
    mkfs = shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not mkfs:
        raise Skip("no mke2fs")
    with open(path, "wb") as file:
        file.truncate(2 << 20)
    subprocess.run([mkfs, "-q", "-F", "-O", "^filetype", path], check=True,
                   capture_output=True)


@test
def unknown_types():
    """C69 a file system that does not tell the types of files"""
    need_root()
    top = scratch("ext")
    make_ext2(top + "/image")
    os.mkdir(top + "/at")
    script = """
        mount -o loop "%s/image" "%s/at" 2>/dev/null || exit 77
        cd "%s/at" && mkdir new cur tmp cur/dir || exit 1
        echo a >new/1.x; echo b >cur/2.y:2,; echo c >cur/.dot
        ln -s 2.y:2, cur/3.link; mkfifo cur/4.fifo
        exec "$@" """ % (top, top, top)
    with start("-a", "-e", "-m", top + "/at", wrap=[
            *private_mounts(), "sh", "-c", script, "sh"]) as c:
        first = c.line()
        if first == b"" and c.server.wait() == 77:
            raise Skip("no loop mounts")
        is_(first, b"+OK\r\n", "C69 greeting", c.server.log())
        is_(stat(c)[0], 2, "C69 the two messages")
        is_(list(listing(c, "UIDL").values()), [b"1.x", b"2.y"],
            "C69 and only they")
        is_(c.multi("RETR 2"), (b"+OK\r\n", b"b\r\n"), "C69 RETR")
        is_(c.cmd("DELE 2"), b"+OK\r\n", "C69 DELE")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C69 QUIT")


@test
def longest_names():
    """C70 names of 255 bytes"""
    box = Maildir()
    names = [(b"%d." % i).ljust(n, b"n") for i, n in
             enumerate((255, 254, 253, 252, 251, 250), 1)]
    for name in names:
        box.add("new", name)
    box.add("cur", b"9.".ljust(251, b"c") + b":2,S")
    with session(box) as c:
        is_(stat(c)[0], 7, "C70 all are there")
        for number in range(1, 8):
            is_(c.multi("RETR %d" % number)[0], b"+OK\r\n",
                "C70 RETR %d" % number)
        is_(listing(c, "UIDL")[1], oracle.uidl(names[0]), "C70 C72 UIDL")
        c.cmd("DELE 7")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C70 QUIT")
        c.server.wait()
    is_({oracle.base(n) for s in ("new", "cur") for n in box.names(s)},
        set(names), "C70 C107 nothing is lost when :2, does not fit")
    is_([len(n) for n in box.names("new")], [255, 254, 253],
        "C70 those stay in new")


@test
def twins():
    """C71 two messages of one base name"""
    box = Maildir()
    box.add("new", "1.same.host", b"new\n")
    box.add("cur", "1.same.host:2,S", b"the one in cur\n")
    box.add("cur", "2.other.host:2,")
    seen = []
    for _ in range(2):
        with session(box, "-n") as c:
            uids = listing(c, "UIDL")
            seen.append(([c.multi("RETR %d" % n)[1] for n in uids], uids))
            c.cmd("QUIT")
            c.server.wait()
    bodies, uids = seen[0]
    is_(seen[1], seen[0], "C71 the same in every session")
    is_(sorted(bodies[:2]), [b"new\r\n", b"the one in cur\r\n"],
        "C71 both can be read")
    is_(len(set(uids.values())), 3, "C71 with different identifiers")
    with session(box) as c:
        c.cmd("DELE %d" % (1 + bodies.index(b"new\r\n")))
        is_(c.cmd("QUIT"), b"+OK\r\n", "C71 deleting one")
        c.server.wait()
    is_((box.names("new"), box.names("cur")),
        ([], [b"1.same.host:2,S", b"2.other.host:2,"]),
        "C71 leaves the other")


@test
def triplets():
    """C71 C72 identifiers of messages of one base name stay with them"""
    box = Maildir()
    for i, info in enumerate((":2,", ":2,S", ":2,FR")):
        box.add("cur", "1.same.host" + info, b"cur %d\n" % i)
    box.add("new", "1.same.host", b"new\n")

    def uid_of():
        with session(box) as c:
            uids = listing(c, "UIDL")
            found = {c.multi("RETR %d" % n)[1]: uid
                     for n, uid in uids.items()}
            c.cmd("QUIT")
            c.server.wait()
        return found
    before = uid_of()
    is_(len(set(before.values())), 4, "C71 C72 four messages, four of them")
    os.rename(box.join("cur", "1.same.host:2,S"),
              box.join("cur", "1.same.host:2,ST"))
    is_(uid_of(), before, "C71 C72 the same after QUIT and other flags")


@test
def linked_twice():
    """C71 one file under two names is one message"""
    box = Maildir()
    path = box.add("new", "1.same.host", b"once\n")
    os.link(path, box.join("cur", "1.same.host:2,"))
    box.add("cur", "2.other.host:2,")
    with session(box, "-n") as c:
        is_(list(listing(c, "UIDL").values()),
            [b"1.same.host", b"2.other.host"], "C71 listed once")
        c.cmd("DELE 1")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C71 deleted")
        c.server.wait()
    is_((box.names("new"), box.names("cur")), ([], [b"2.other.host:2,"]),
        "C71 it does not come back under its other name")


UID_NAMES = (
    b"plain", b"a" * 69, b"b" * 70, b"c" * 71, b"d" * 200, b"with space",
    b"tab\there", b"new\nline", b"\x01", b"esc\x1b[2J", b"del\x7f",
    b"\x80high", b"utf-\xc3\xa9", b"~tilde~", b"!bang", b"!", b"x,S=12,W=13",
    b"%s%n", b"\r", b"1.x\r", b"e" * 69 + b" ", b" ", b"-", b"*", b"\xff",
    b"f" * 70 + b",S=1",
)


@test
def identifiers():
    """C72 identifiers are legal, unique and stable"""
    box = Maildir()
    for name in UID_NAMES:
        box.add("new", name)
    box.add("cur", b":2,S")
    names = box.ordered()
    with session(box) as c:
        c.send("UIDL\r\n")
        c.line()
        lines = c.body().split(b"\r\n")[:-1]
        is_(lines, [b"%d %s" % (n, oracle.uidl(name)) for n, name in
                    enumerate(names, 1)], "C72 UIDL")
        is_([c.cmd("UIDL %d" % n) for n in range(1, len(names) + 1)],
            [b"+OK %d %s\r\n" % (n, oracle.uidl(name)) for n, name in
             enumerate(names, 1)], "C72 UIDL with a number")
        is_(len(set(lines)), len(names), "C72 no two are equal")
        for n in range(1, len(names) + 1):
            if c.multi("RETR %d" % n)[0] != b"+OK\r\n":
                ok(False, "C72 RETR of %r" % names[n - 1])
        c.cmd("QUIT")
        c.server.wait()
    for name in box.names("cur"):
        os.rename(box.join("cur", name),
                  box.join("cur", oracle.base(name) + b":2,FRS"))
    with session(box) as c:
        is_(c.multi("UIDL")[1].split(b"\r\n")[:-1], lines,
            "C72 the same after new to cur and other flags")


@test
def known_sum():
    """C72 the MD5 form is that of other servers"""
    box = Maildir()
    box.add("cur", "a b:2,S")
    with session(box) as c:
        is_(c.cmd("UIDL 1"), b"+OK 1 " + hashlib.md5(b"a b").hexdigest()
            .encode() + b"\r\n", "C72 MD5 of the base name, lower case")


run_tests(jobs=3)
