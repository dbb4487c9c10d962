#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""DELE, RSET, QUIT and UPDATE: what is removed, when, and what never is."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

NOT_REMOVED = b"-ERR [SYS/TEMP] some deleted messages not removed\r\n"


def mixed(big=False):
    """Messages 1 to 3 in cur/, 4 to 6 in new/, and 7, which fills sockets."""
    box = Maildir()
    if big:
        os.truncate(box.add("cur", "7.big:2,"), 12 << 20)
    for n in (1, 2, 3):
        box.add("cur", "%d.c:2,S" % n)
    for n in (4, 5, 6):
        box.add("new", "%d.n" % n)
    return box


def numbers(box):
    return sorted(int(n.split(b".")[0]) for s in ("new", "cur")
                  for n in box.names(s))


def finish(c):
    """QUIT, and all that comes after it."""
    c.send("QUIT\r\n")
    got = c.rest()
    c.server.wait()
    return got


@test
def marks_only():
    """C93 DELE removes nothing yet"""
    box = mixed()
    before = box.tree()
    with session(box) as c:
        for n in (1, 5):
            is_(c.cmd("DELE %d" % n), b"+OK\r\n", "C93 DELE %d" % n)
        is_(box.tree(), before, "C93 nothing has changed on disk")
        is_(finish(c), b"+OK\r\n", "C97 one answer to QUIT")
        is_(c.server.wait(), 0, "C97 exit status")
        size = oracle.size(box.stored[b"1.c"])
        like(c.server.log(), r"quit \(4/%d msgs/bytes left, 2/%d deleted\)" %
             (4 * size, 2 * size), "C97 the line in the log")
    is_(numbers(box), [2, 3, 4, 6], "C97 exactly the marked ones are gone")


@test
def twice():
    """C94 C95 a deleted message is not there any more"""
    with session(mixed()) as c:
        c.cmd("DELE 2")
        for line in ("DELE 2", "LIST 2", "UIDL 2", "RETR 2", "TOP 2 0"):
            like(c.cmd(line), r"\A-ERR[ -~]*\r\n\Z", "C94 C95 " + line)
        like(c.cmd("STAT"), r"^\+OK 5 ", "C94 counted once")
        for line in ("LIST", "UIDL"):
            got = [l.split()[0] for l in c.multi(line)[1].splitlines()]
            is_(got, [b"1", b"3", b"4", b"5", b"6"], "C95 %s omits it" % line)


@test
def rset():
    """C96 RSET takes marks back"""
    box = mixed()
    with session(box) as c:
        before = c.cmd("STAT")
        for _ in range(3):
            for n in (1, 4, 6):
                c.cmd("DELE %d" % n)
            ok(c.cmd("STAT") != before, "C96 STAT differs")
            is_(c.cmd("RSET"), b"+OK\r\n", "C96 RSET")
            is_(c.cmd("STAT"), before, "C96 STAT as in the beginning")
        c.cmd("DELE 3")
        c.cmd("RSET")
        c.cmd("DELE 2")
        is_(finish(c), b"+OK\r\n", "C96 QUIT")
    is_(numbers(box), [1, 3, 4, 5, 6], "C96 only what was marked after it")


@test
def everything():
    """C97 all messages"""
    box = mixed()
    with session(box) as c:
        for n in range(1, 7):
            c.cmd("DELE %d" % n)
        is_(c.cmd("STAT"), b"+OK 0 0\r\n", "C97 STAT")
        is_(c.multi("LIST"), (b"+OK\r\n", b""), "C97 LIST")
        is_(finish(c), b"+OK\r\n", "C97 QUIT")
    is_(numbers(box), [], "C97 the Maildir is empty")


@test
def some_fail():
    """C98 deletions that fail"""
    need_root()
    for sub, left in (("cur", [1, 3, 6]), ("new", [3, 4, 6])):
        box = Maildir(owner=PLAIN)
        for n in (1, 2, 3):
            box.add("cur", "%d.c:2,S" % n)
        for n in (4, 5, 6):
            box.add("new", "%d.n" % n)
        # 2 and 5 can be removed or not by the directory they are in.
        os.chown(box.path + "/" + sub, 0, 0)
        os.chmod(box.path + "/" + sub, 0o755)
        with session(box, "-n", user=PLAIN) as c:
            for n in (1, 2, 4, 5):
                c.cmd("DELE %d" % n)
            is_(finish(c), NOT_REMOVED, "C98 %s: one answer" % sub)
            is_(c.server.process.returncode, 0, "C98 exit status")
            like(c.server.log(), r"(?i)cannot remove|not removed|permission",
                 "C98 the log tells")
            size = oracle.size(box.stored[b"1.c"])
            like(c.server.log(), r"quit \(4/%d msgs/bytes left, 2/%d deleted\)"
                 % (4 * size, 2 * size), "C98 and counts what was removed")
        want = [1, 2, 3, 6] if sub == "cur" else [3, 4, 5, 6]
        is_(numbers(box), want, "C98 %s: the others are removed" % sub)


@test
def all_fail():
    """C106 a read-only file system"""
    need_root()
    box = mixed()
    wrap = with_files({}, "mount --bind '%s' '%s' && "
                      "mount -o remount,bind,ro '%s'" % ((box.path,) * 3))
    with session(box, wrap=wrap) as c:
        is_(c.multi("RETR 1")[0], b"+OK\r\n", "C106 RETR")
        is_(c.multi("RETR 4")[0], b"+OK\r\n", "C106 RETR from new")
        c.cmd("DELE 1")
        is_(finish(c), NOT_REMOVED, "C106 QUIT with a deletion")
        like(c.server.log(), r"quit \(6/\d+ msgs/bytes left, 0/0 deleted\)",
             "C106 the log counts it as left")
    is_(numbers(box), [1, 2, 3, 4, 5, 6], "C106 all are there")
    with session(box, wrap=wrap) as c:
        c.multi("RETR 1")
        is_(finish(c), b"+OK\r\n", "C106 QUIT without one")


@test
def immutable():
    """C98 one message that cannot be removed"""
    need_root()
    box = mixed()
    path = os.fsdecode(box.join("cur", "2.c:2,S"))
    if subprocess.run(["chattr", "+i", path], capture_output=True,
                      check=False).returncode:
        raise Skip("no immutable files here")
    try:
        with session(box) as c:
            for n in (1, 2, 3):
                c.cmd("DELE %d" % n)
            is_(finish(c), NOT_REMOVED, "C98 immutable: one answer")
        is_(numbers(box), [2, 4, 5, 6], "C98 the others are removed")
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@test
def gone_already():
    """C99 a message that another program has removed"""
    box = mixed()
    with session(box) as c:
        for n in (1, 4):
            c.cmd("DELE %d" % n)
        os.unlink(box.join("cur", "1.c:2,S"))
        os.unlink(box.join("new", "4.n"))
        os.unlink(box.join("new", "5.n"))
        is_(finish(c), b"+OK\r\n", "C99 counts as removed")
    is_(numbers(box), [2, 3, 6], "C99 the others are there")


@test
def renamed():
    """C100 messages renamed by an IMAP server are found for deletion"""
    box = mixed()
    with session(box) as c:
        for n in (1, 2, 4, 5):
            c.cmd("DELE %d" % n)
        os.rename(box.join("cur", "1.c:2,S"), box.join("cur", "1.c:2,FRS"))
        os.rename(box.join("cur", "2.c:2,S"), box.join("new", "2.c"))
        os.rename(box.join("new", "4.n"), box.join("cur", "4.n:2,"))
        os.rename(box.join("new", "5.n"), box.join("cur", "5.n:2,ST"))
        os.rename(box.join("new", "6.n"), box.join("cur", "6.n:2,F"))
        is_(finish(c), b"+OK\r\n", "C100 QUIT")
    is_((box.names("new"), box.names("cur")),
        ([], [b"3.c:2,S", b"6.n:2,F"]), "C100 they are gone, others are not")


@test
def same_name_again():
    """C100 C101 another message that took the name is not deleted"""
    box = mixed()
    with session(box) as c:
        c.cmd("DELE 1")
        os.unlink(box.join("cur", "1.c:2,S"))
        box.add("cur", "1.c2:2,", b"another\n")
        is_(finish(c), b"+OK\r\n", "C101 QUIT")
    ok(b"1.c2:2," in box.names("cur"), "C101 a similar name is another")


@test
def removed_by_another():
    """C101 a message removed under a session that reads it"""
    box = Maildir()
    data = b"A: 1\n\n" + b"x" * 79 + b"\n" + b"line\n" * 1_000_000
    path = box.add("cur", "1.big", data)
    with session(box) as c:
        c.send("RETR 1\r\n")
        c._recv(PATIENCE)
        os.unlink(path)
        c.line()
        is_(c.body(), oracle.retr(data), "C101 it is sent to its end")
        like(c.cmd("RETR 1"), r"^-ERR", "C101 the next time it is gone")


def lose(box, how, *args, **more):
    """A session with marks that ends without QUIT; returns its log."""
    c = start("-a", "-e", "-m", box.path, *args, **more)
    # Before anything else: -t is short, and we may be slow.
    c.send("DELE 1\r\nDELE 4\r\n")
    if c.lines(3) != [b"+OK\r\n"] * 3:
        raise AssertionError(c.server.log())
    how(c)
    c.server.wait()
    c.close()
    return c.server.log()


def hang_up(c):
    c.close()


def half_line(c):
    c.send("QUIT")
    c.shut()
    c.rest()


def stay_silent(c):
    is_(c.rest(), b"", "C112 nothing is said at a timeout")


def misbehave(c):
    c.send("xyz\r\n" * 30)
    c.rest()


def terminate(c):
    c.server.signal(signal.SIGTERM)
    c.rest()


def stop_reading(c):
    """Until the server's write times out."""
    c.send("RETR 7\r\n")
    c.server.wait()


def reset(c):
    """The connection breaks while the server is writing."""
    c.send("RETR 7\r\n")
    c._recv(PATIENCE)
    c.close()


LOSSES = (
    # how, why in the log, does -c commit, arguments
    (hang_up, "disconnected", True, ()),
    (half_line, "disconnected", True, ()),
    (stay_silent, "timeout", True, ("-t", "1")),
    (stop_reading, "timeout", True, ("-t", "1")),
    (reset, "(disconnected|connection lost)", True, ()),
    (misbehave, None, False, ()),
    (terminate, None, False, ()),
)


def loss(how, why, commits, args, c_option, via):
    """C102 C105 sessions without QUIT"""
    item = "C105 -c" if c_option else "C102"
    name = "%s by %s" % (how.__name__, via)
    big = how in (stop_reading, reset)
    box = mixed(big)
    before = box.tree()
    if c_option:
        args += ("-c",)
    log = lose(box, how, *args, via=via)
    if why:
        like(log, r"\] %s \(" % why, "%s log: %s" % (item, name))
    if c_option and commits:
        is_(numbers(box), [2, 3, 5, 6] + [7] * big,
            "%s commits: %s" % (item, name), log)
        like(log, r"\(%d/\d+ msgs/bytes left, 2/[1-9]\d* deleted\)" % (
            4 + big), "%s the log counts them: %s" % (item, name))
    else:
        is_(box.tree(), before, "%s nothing changes: %s" % (item, name))
        if how is not terminate:    # that leaves no time for a last line
            like(log, r"\(%d/\d+ msgs/bytes left, 0/0 deleted\)" % (6 + big),
                 "%s nor does the log count any: %s" % (item, name))


@test
def losses():
    """C102 C105 every way to end without QUIT, with and without -c"""
    spread(loss, [(*case, c_option, via) for case in LOSSES
                  for c_option in (False, True)
                  for via in ("socket", "tcp", "pipe")], 4)


@test
def commit_on_quit_too():
    """C105 -c and an ordinary QUIT"""
    box = mixed()
    with session(box, "-c") as c:
        c.cmd("DELE 2")
        is_(finish(c), b"+OK\r\n", "C105 one answer")
    is_(numbers(box), [1, 3, 4, 5, 6], "C105 once")


@test
def commit_needs_marks():
    """C105 -c removes no unmarked message"""
    box = mixed()
    c = session(box, "-c")
    c.multi("RETR 1")
    c.cmd("DELE 2")
    c.cmd("RSET")
    c.close()
    c.server.wait()
    is_(numbers(box), [1, 2, 3, 4, 5, 6], "C105 nor one taken back")


@test
def quit_and_gone():
    """C103 a client that does not wait for the answer to QUIT"""
    for via in ("socket", "tcp", "pipe"):
        box = mixed()
        c = session(box, via=via)
        c.send("DELE 1\r\nDELE 4\r\nQUIT\r\n")
        c.close()
        is_(c.server.wait(), 0, "C103 exit status (%s)" % via)
        is_(numbers(box), [2, 3, 5, 6], "C103 UPDATE all the same (%s)" % via)


@test
def after_quit():
    """C104 what comes behind QUIT is ignored"""
    box = mixed()
    with session(box) as c:
        c.send("DELE 1\r\nQUIT\r\nDELE 2\r\nSTAT\r\n" + "garbage\r\n" * 100)
        is_(c.rest(), b"+OK\r\n+OK\r\n", "C104 no answer to it")
        c.server.wait()
    is_(numbers(box), [2, 3, 4, 5, 6], "C104 and no effect")


@test
def only_quit():
    """C104 the second of two QUITs"""
    with session(mixed()) as c:
        c.send("QUIT\r\nQUIT\r\n")
        is_(c.rest(), b"+OK\r\n", "C97 C104 one answer")


@test
def new_to_cur():
    """C107 QUIT moves new to cur"""
    box = Maildir()
    data = {}
    for name in ("1.plain", "2.info:2,FS", "3.odd:1,x", "4.emptyinfo:2,",
                 "5.colon:"):
        data[name] = name.encode() + b"\n"
        box.add("new", name, data[name])
    inodes = {oracle.base(n): os.stat(box.join("new", n)).st_ino
              for n in box.names("new")}
    with session(box) as c:
        is_(finish(c), b"+OK\r\n", "C107 QUIT")
    is_(box.names("new"), [], "C107 new is empty")
    is_(box.names("cur"), [b"1.plain:2,", b"2.info:2,FS", b"3.odd:1,x",
                           b"4.emptyinfo:2,", b"5.colon:"],
        "C107 :2, only where there is no info")
    is_({oracle.base(n): os.stat(box.join("cur", n)).st_ino
         for n in box.names("cur")}, inodes, "C107 the same files")


@test
def no_clobber():
    """C107 no file is ever replaced"""
    box = Maildir()
    box.add("new", "1.x", b"new one\n")
    box.add("new", "2.y", b"stays\n")
    with session(box) as c:
        is_(c.multi("RETR 1")[1], b"new one\r\n", "C107 before")
        # It comes to stand there only during the session.
        box.add("cur", "1.x:2,", b"old one\n")
        is_(finish(c), b"+OK\r\n", "C107 QUIT")
    contents = sorted(open(box.join(s, n), "rb").read()
                      for s in ("new", "cur") for n in box.names(s))
    is_(contents, [b"new one\n", b"old one\n", b"stays\n"],
        "C107 both messages are there")


@test
def cur_missing():
    """C107 nothing is lost without cur/"""
    box = Maildir()
    box.add("new", "1.x")
    os.rmdir(box.path + "/cur")
    with session(box) as c:
        is_(finish(c), b"+OK\r\n", "C107 QUIT without cur")
    found = [n for _, _, files in os.walk(box.path) for n in files]
    is_([n.split(":")[0] for n in found], ["1.x"], "C107 it is still there")


@test
def no_moves():
    """C108 -n"""
    box = mixed()
    before = {k: v for k, v in box.tree().items()
              if not k.endswith((b"/new", b"/cur", b"1.c:2,S", b"4.n"))}
    with session(box, "-n") as c:
        for n in (1, 4):
            c.cmd("DELE %d" % n)
        is_(finish(c), b"+OK\r\n", "C108 QUIT")
    is_((box.names("new"), box.names("cur")),
        ([b"5.n", b"6.n"], [b"2.c:2,S", b"3.c:2,S"]),
        "C108 deleted in both directories, nothing moved")
    after = box.tree()
    is_({k: after.get(k) for k in before}, before, "C108 nothing touched")


@test
def synced():
    """C109 directories are synced before the answer to QUIT"""
    import shutil
    if not shutil.which("strace"):
        raise Skip("no strace")
    box = mixed()
    out = scratch("trace") + "/trace"
    with session(box, wrap=["strace", "-f", "-y", "-qq", "-o", out, "-e",
                            "trace=unlinkat,unlink,renameat2,rename,renameat,"
                            "fsync,fdatasync,sync,syncfs,write,send,sendto"],
                 env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.cmd("DELE 1")
        c.cmd("DELE 4")
        finish(c)
    with open(out) as file:
        calls = re.findall(r"^\d+ +(\w+)\((.*)", file.read(), re.M)
    kinds = [("change" if name.startswith(("unlink", "rename")) else
              "sync" if "sync" in name else
              "answer" if "+OK" in rest else "") for name, rest in calls]
    last_change = len(kinds) - 1 - kinds[::-1].index("change")
    tail = [k for k in kinds[last_change + 1:] if k]
    is_(tail[-1:], ["answer"], "C109 the answer is the last of all", tail)
    ok("sync" in tail[:-1], "C109 fsync between the last change and it",
       kinds)


run_tests(jobs=4)
