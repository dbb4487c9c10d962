#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls that fail, each of them, one at a time.

Whatever fails: every answer is well-formed, no message is passed off as
whole that is not, none is lost that was not deleted, +OK to QUIT means that
the deletions are done, and a failed change of identity ends the login.
"""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

if not shutil.which("strace"):
    skip_all("no strace")

CONTENT = {n: b"Subject: %d\n\n.dot\nbody %d" % (n, n) for n in range(1, 7)}
WIRE = {oracle.retr(data): n for n, data in CONTENT.items()}
DELETED = (2, 5)
MOST = 40       # more calls of one kind no session makes


def filled():
    """Messages 1 to 3 in cur/, 4 to 6 in new/."""
    box = Maildir()
    for n, data in CONTENT.items():
        box.add("cur" if n < 4 else "new",
                "%d.h" % n + (":2,S" if n < 4 else ""), data)
    return box


def tampered(what, paths=(), out="/dev/null"):
    """The wrapper that makes calls fail: strace's way of naming them."""
    only = [word for path in paths for word in ("-P", path)]
    return ["strace", "-f", "-qq", "-o", out, *only, "-e",
            "inject=" + what]


def places(box):
    """Every path below which a session works."""
    return [os.fsdecode(path) for path in box.tree()]


class Talk:
    """A session that may end at any moment."""

    def __init__(self, client):
        self.c = client
        self.wrong = []
        self.over = False

    def say(self, text):
        """The answer, or None when the session is over."""
        if self.over:
            return None
        self.c.send(text.encode() + b"\r\n")
        answer = self.c.line()
        if answer and not re.fullmatch(rb"(\+OK|-ERR)( [ -~]*)?\r\n", answer):
            self.wrong.append(("answer to " + text, answer))
        return answer or None

    def body(self):
        try:
            return self.c.body()
        except Ended:
            self.over = True
            return None

    def fetch(self, number):
        """RETR, of which only a whole and right body may be ended."""
        answer = self.say("RETR %d" % number)
        if answer != b"+OK\r\n":
            return
        body = self.body()
        if body is not None and body not in WIRE:
            self.wrong.append(("RETR %d" % number, body))


def numbers_of(talk):
    """{name of the message: number in this session}."""
    if talk.say("UIDL") != b"+OK\r\n":
        return {}
    body = talk.body() or b""
    pairs = [line.split() for line in body.splitlines()]
    return {int(uid.split(b".")[0]): int(n) for n, uid in pairs}


def mailbox_faults(box, answer):
    """What is wrong on disk after the session."""
    left = []
    for sub in ("new", "cur"):
        for name in box.names(sub):
            with open(box.join(sub, name), "rb") as file:
                left.append(file.read())
    wrong = [("unknown content", x) for x in left
             if x not in CONTENT.values()]
    for n, data in CONTENT.items():
        if left.count(data) > 1:
            wrong.append(("doubled", n))
        if data not in left and n not in DELETED:
            wrong.append(("lost", n))
        if data in left and n in DELETED and answer == b"+OK\r\n":
            wrong.append(("not removed in spite of +OK", n))
    return wrong


def one_session(box, wrap):
    """A session with everything in it; what was wrong, and its log."""
    with start("-a", "-e", "-m", box.path, "-t", "20", wrap=wrap,
               env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        talk = Talk(c)
        greeting = c.line()
        if greeting not in (b"", b"+OK\r\n") and not re.fullmatch(
                rb"-ERR \[(SYS/TEMP|SYS/PERM|IN-USE)\] [ -~]+\r\n", greeting):
            talk.wrong.append(("greeting", greeting))
        answer = None
        if greeting == b"+OK\r\n":
            answer = whole_session(talk)
        c.rest()
        c.server.wait()
        return talk.wrong + mailbox_faults(box, answer), c.server.log()


def whole_session(talk):
    """Deletes DELETED, if they are there; the answer to QUIT."""
    talk.say("STAT")
    numbers = numbers_of(talk)
    for number in numbers.values():
        talk.fetch(number)
    marked = {n for n in DELETED if n in numbers and
              talk.say("DELE %d" % numbers[n]) == b"+OK\r\n"}
    answer = talk.say("QUIT")
    # What was not there to be deleted is not missing from an +OK.
    return answer if marked == set(DELETED) else None


def sweep(call, error):
    """C123 the n-th call fails, for every n"""
    hits, wrong = 0, []
    out = scratch("trace") + "/trace"
    for when in range(1, MOST):
        box = filled()
        found, log = one_session(box, tampered(
            "%s:error=%s:when=%d" % (call, error, when), places(box), out))
        with open(out, errors="replace") as file:
            if "(INJECTED)" not in file.read():
                break
        hits += 1
        wrong += [(when, *w) for w in found]
    is_(wrong, [], "C123 C88 %s %s at %d places" % (call, error, hits))
    return hits


@test
def files():
    """C123 calls on the Maildir"""
    spread(sweep, [(call, error) for call, errors in (
        ("open,openat", ("EIO", "EMFILE", "EACCES", "ENOMEM", "ENOENT")),
        ("read,pread64", ("EIO", "EINTR")),
        ("fstat,newfstatat,stat,lstat", ("EIO",)),
        ("getdents64", ("EIO", "EINTR", "ENOENT")),
        ("lseek", ("EIO",)),
        ("unlink,unlinkat", ("EIO", "EROFS", "EACCES", "ENOENT", "EBUSY")),
        ("renameat2", ("EIO", "ENOSPC", "EDQUOT", "EINVAL", "ENOSYS",
                       "EEXIST")),
        ("fsync", ("EIO", "EINVAL")),
        ("flock", ("ENOLCK", "EINTR", "EOPNOTSUPP")),
        ) for error in errors], 3)


def reach_messages(box, what):
    """Greeting and STAT of a session whose opens of messages are tampered."""
    sub = [box.path + "/new", box.path + "/cur"]
    with start("-a", "-q", "-e", "-m", box.path, wrap=tampered(what, sub),
               env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        greeting = c.line()
        return greeting, c.cmd("STAT") if greeting == b"+OK\r\n" else b""


def shortage(call, error, when):
    """C123 C66 what cannot be had now is no reason to hide a message"""
    greeting, stat = reach_messages(filled(), "%s:error=%s:when=%s" % (
        call, error, when))
    what = "C123 C66 %s for message %s: " % (error, when)
    if error == "ENOENT" and when != "1+":
        like(stat, r"\A\+OK 6 ", what + "renamed, found, listed", greeting)
    else:
        like(greeting, r"\A-ERR \[SYS/TEMP\] [ -~]+\r\n\Z",
             what + "no session", stat)


@test
def shortages():
    """C123 C66 all messages are listed, or there is no session"""
    cases = [("open,openat", error, when) for when in (1, 4, 6, "1+")
             for error in ("EMFILE", "ENFILE", "ENOMEM", "ENOENT")]
    spread(shortage, cases, 3)


@test
def renamed_during_login():
    """C100 C123 all messages are renamed after they were listed"""
    box = filled()
    out = scratch("trace") + "/trace"
    sub = [box.path + "/new", box.path + "/cur"]

    def listed():
        """The first message is about to be opened, but not yet."""
        with open(out, errors="replace") as file:
            return re.search(r'open(at)?\(.*"\d\.h', file.read())
    with start("-a", "-e", "-m", box.path, env={
            "ASAN_OPTIONS": "detect_leaks=0"}, wrap=tampered(
                "open,openat:delay_enter=600000:when=1", sub, out)) as c:
        wait_for(lambda: os.path.exists(out) and listed())
        for place in sub:
            for name in os.listdir(place):
                os.rename(place + "/" + name,
                          sub[1] + "/" + name[:3] + ":2,RS")
        is_(c.line(), b"+OK\r\n", "C100 login", c.server.log())
        talk = Talk(c)
        for n in CONTENT:
            talk.fetch(n)
        like(c.cmd("STAT"), r"\A\+OK 6 ", "C100 all are listed")
        is_(talk.wrong, [], "C100 and can be read")


@test
def old_kernel():
    """C107 without renameat2, through link and unlink"""
    for error in ("ENOSYS", "EINVAL"):
        box = filled()
        found, log = one_session(box, tampered("renameat2:error=" + error,
                                               places(box)))
        is_(found, [], "C107 %s: nothing wrong" % error)
        is_((box.names("new"), box.names("cur")),
            ([], [b"1.h:2,S", b"3.h:2,S", b"4.h:2,", b"6.h:2,"]),
            "C107 %s: moved all the same" % error)


def connection(call, error, when):
    """C123 calls on the connection"""
    box = filled()
    found, log = one_session(box, tampered("%s:error=%s:when=%s" % (
        call, error, when)))
    is_(found, [], "C123 C119 %s %s at %s" % (call, error, when))


@test
def sockets():
    """C119 C123 calls on the connection, every one or one of many"""
    cases = [("sendto", "EINTR", "1+2"), ("sendto", "ENOBUFS", "3"),
             ("sendto", "EAGAIN", "1+2"), ("poll", "EINTR", "1+2"),
             ("sendto", "EPIPE", "2"), ("sendto", "ECONNRESET", "4"),
             ("poll", "ENOMEM", "3")]
    if config("STATIC"):
        cases += [("read", "EINTR", "1+2"), ("read", "ECONNRESET", "2"),
                  ("read", "ETIMEDOUT", "3")]
    spread(connection, cases, 3)


@test
def interrupted():
    """C119 EINTR goes unnoticed"""
    want = None
    everywhere = [""] + ["%s:error=%s:when=1+2" % case for case in (
        ("sendto", "EINTR"), ("sendto", "EAGAIN"), ("poll", "EINTR"))]
    if config("STATIC"):
        everywhere.append("read:error=EINTR:when=1+2")
    cases = [(what, False) for what in everywhere] + [
        ("read,flock:error=EINTR:when=1+2", True)]
    for what, inside in cases:
        box = filled()
        with session(box, wrap=tampered(what, places(box) if inside else ())
                     if what else [],
                     env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
            c.send("STAT\r\nLIST\r\nRETR 1\r\nUIDL\r\nQUIT\r\n")
            got = c.rest()
        want = want or got
        is_(got, want, "C119 %s" % (what or "undisturbed"))


@test
def memory():
    """C123 no memory"""
    if not config("STATIC"):
        raise Skip("a dynamic binary asks for memory before it is itself")
    for call in ("mmap", "mremap"):
        for when in range(1, 12):
            box = filled()
            found, _ = one_session(box, tampered("%s:error=ENOMEM:when=%d" % (
                call, when)))
            if found:
                ok(False, "C123 %s %d" % (call, when), found)
    ok(True, "C123 no memory: nothing wrong")


def tracer(pid):
    with open("/proc/%d/status" % pid) as file:
        return int(re.search(r"TracerPid:\s+(\d+)", file.read()).group(1))


def login_with(what, users, name="joe"):
    """The answer to PASS with a call tampered with, and all after it.

    Not in the parser: the tracer comes when that has been born.
    """
    with start("-e", "-t", "20", "-P", users.path,
               env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()
        pid = c.server.pid
        strace = subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-p", str(pid), "-e",
             "inject=" + what], stdin=subprocess.DEVNULL)
        wait_for(lambda: tracer(pid))
        c.cmd("USER " + name)
        c.send("PASS pw\r\n")
        answer = c.line()
        if answer == b"+OK\r\n":
            c.send("QUIT\r\n")
        answer += c.rest()
        strace.wait(PATIENCE)
        return answer


def identity(what, users):
    """C33 a change of identity that fails"""
    got = login_with(what, users)
    like(got, r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z", "C33 C50 " + what)


def confinement(what, users):
    """What the parser must not be able to do without: no greeting"""
    with start("-e", "-t", "20", "-P", users.path, wrap=tampered(what),
               env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.send("USER joe\r\nPASS pw\r\nQUIT\r\n")
        like(c.rest(), r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z",
             "C33 the parser: " + what)


@test
def identities():
    """C33 no session if root could not be left"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw").fill(2)
    spread(identity, [(what, users) for what in (
        "setgroups:error=EPERM", "setresgid,setgid:error=EPERM",
        "setresuid:error=EAGAIN", "setresuid:error=EPERM",
        # It says that it has done it, and has not.
        "setresuid:retval=0", "setresuid,setresgid,setgroups:retval=0",
        "chdir:error=EACCES", "chdir:error=EIO")])


@test
def parsers():
    """no session if the parser could not be confined"""
    need("FEATURE_MDPOP3D_PRIVSEP", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw").fill(2)
    spread(confinement, [(what, users) for what in (
        "setgroups:error=EPERM", "setresgid:error=EPERM",
        "setresuid:error=EAGAIN", "setresuid:error=EPERM",
        "setresuid:retval=0", "setresuid,setresgid,setgroups:retval=0",
        "chroot:error=EPERM", "fchdir:error=EIO", "socketpair:error=EMFILE",
        "fork,vfork,clone,clone3:error=EAGAIN")])


@test
def user_database():
    """C40 a user file that cannot be read lets nobody in"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw").fill(2)
    out = scratch("trace") + "/trace"
    for call, error in (("open,openat", "EIO"), ("open,openat", "EMFILE"),
                        ("open,openat", "EACCES"), ("read", "EIO")):
        with start("-e", "-t", "20", "-P", users.path,
                   wrap=tampered("%s:error=%s" % (call, error), [users.path],
                                 out),
                   env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
            c.line()
            c.cmd("USER joe")
            like(c.cmd("PASS pw"), r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z",
                 "C40 %s %s" % (call, error))
            is_(c.rest(), b"", "C40 and the end")


run_tests(jobs=3)
