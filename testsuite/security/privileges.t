#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who the processes of a session are, what they hold, and what the kernel
lets them do: before the login, after it, and when one of them dies.

What a process cannot do is tried: the call is put into it from outside.
"""

import shutil
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

VIA = ("inetd",) + ("listener",) * bool(config("FEATURE_MDPOP3D_LISTEN"))
SIGSYS = 31
EPERM, EACCES, EXDEV = -1, -13, -18

# x86-64 numbers.
(READ, WRITE, OPEN, STAT, MMAP, SOCKET, CONNECT, FORK, VFORK, EXECVE, KILL,
 PTRACE, SETUID, SETGID, SETGROUPS, SETRESUID, CHROOT, MOUNT, GETPID, PRCTL,
 OPENAT, MKNODAT, UNLINKAT, RENAMEAT, LINKAT, SYMLINKAT, FCHMODAT, UNSHARE,
 OPEN_BY_HANDLE, SETNS, PROCESS_VM_WRITEV, SECCOMP, BPF, EXECVEAT, IO_URING,
 PIDFD_OPEN, RENAMEAT2, KEYCTL, USERFAULTFD, PERF_EVENT_OPEN, MODULE,
 CLONE) = (
     0, 1, 2, 4, 9, 41, 42, 57, 58, 59, 62,
     101, 105, 106, 116, 117, 161, 165, 39, 157,
     257, 259, 263, 264, 265, 266, 268, 272,
     304, 308, 311, 317, 321, 322, 425,
     434, 316, 250, 323, 298, 175,
     56)

AT_FDCWD = -100
O_WRONLY, O_CREAT, O_DIRECTORY = 1, 0o100, 0o200000

# What none of them may do, whoever it is.
NEVER = (
    ("fork", FORK, ()), ("vfork", VFORK, ()), ("clone", CLONE, (0, 0, 0, 0)),
    ("execve", EXECVE, ("/bin/sh", 0, 0)),
    ("execveat", EXECVEAT, (AT_FDCWD, "/bin/sh", 0, 0, 0)),
    ("setuid(0)", SETUID, (0,)), ("setresuid", SETRESUID, (0, 0, 0)),
    ("setgid(0)", SETGID, (0,)), ("setgroups", SETGROUPS, (0, 0)),
    ("kill(1)", KILL, (1, 0)), ("ptrace", PTRACE, (16, 1, 0, 0)),
    ("chroot", CHROOT, ("/",)), ("mount", MOUNT, (0, "/tmp", 0, 0, 0)),
    ("unshare", UNSHARE, (0x10000000,)), ("setns", SETNS, (0, 0)),
    ("bpf", BPF, (0, 0, 0)), ("io_uring_setup", IO_URING, (1, 0)),
    ("process_vm_writev", PROCESS_VM_WRITEV, (1, 0, 0, 0, 0, 0)),
    ("pidfd_open", PIDFD_OPEN, (1, 0)), ("keyctl", KEYCTL, (0, 0, 0)),
    ("open_by_handle_at", OPEN_BY_HANDLE, (0, 0, 0)),
    ("userfaultfd", USERFAULTFD, (0,)), ("init_module", MODULE, (0, 0, 0)),
    ("perf_event_open", PERF_EVENT_OPEN, (0, 0, 0, 0, 0)),
    ("mknodat", MKNODAT, (AT_FDCWD, "x", 0o010600, 0)),
    ("symlinkat", SYMLINKAT, ("/etc/passwd", AT_FDCWD, "x")),
    ("seccomp", SECCOMP, (2, 0, 0)),
    ("connect", CONNECT, (0, 0, 0)), ("prctl", PRCTL, (4, 1, 0, 0, 0)),
    ("fchmodat", FCHMODAT, (AT_FDCWD, "x", 0o777)),
    # A libc makes these on its way to something else.
    ("may be tried: socket, inet", SOCKET, (2, 1, 0)),
    ("may be tried: socket, unix", SOCKET, (1, 1, 0)),
)


def need_sandbox():
    if not SANDBOX:
        raise Skip("no sandbox in this build")


def landlock():
    """The kernel's version of it; 0 where it has none."""
    import ctypes
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


# ---- before the login -------------------------------------------------------

def check_parser(c, parser):
    """The parser: nobody, nowhere, with nothing."""
    nobody = [str(PARSER_UID)] * 4
    who = identity(parser)
    is_(who[:3], (nobody, nobody, []), "C33 %s, parser: its ids" % c.via)
    is_(who[3], NO_CAPS, "C33 %s, parser: no capabilities" % c.via)
    root = "/proc/%d/root/" % parser
    is_(os.listdir(root), [], "C33 %s, parser: its root is empty" % c.via)
    st = os.stat(root)
    ok(st.st_nlink == 0 or (st.st_uid == 0 and not st.st_mode & 0o022),
       "C33 %s, parser: and it cannot fill it" % c.via, st)
    ok(os.path.samefile(root, "/proc/%d/cwd/" % parser),
       "C33 %s, parser: it is in there" % c.via)
    check_descriptors(c, parser)
    state = status(parser)
    if not SANDBOX:
        skip("C33 parser: filter and limits", "no sandbox in this build")
        return
    is_((state["NoNewPrivs"], state["Seccomp"]), ("1", "2"),
        "C33 %s, parser: no new privileges, a filter" % c.via)
    most = limits(parser)
    for name, most_of_it in (("Max processes", "0"), ("Max open files", "2"),
                             ("Max core file size", "0")):
        is_(most[name], (most_of_it, most_of_it), "C33 %s, parser: %s" % (
            c.via, name.lower()))


def numbers(held):
    return " ".join(map(str, sorted(held)))


def check_descriptors(c, parser):
    """C33 the parser holds the client and its way to the monitor"""
    held = descriptors(parser)
    client = socket_of(c)
    # Sanitizers want a place for their reports.
    rest = {n: what for n, what in held.items()
            if what not in (client, "/dev/null") and
            not (n == 2 and config("SANITIZE"))}
    ok(held.get(0) == client and len(rest) == 1 and
       re.match(r"socket:", str(list(rest.values())[:1][0])),
       "C33 %s, parser: holds the client and one socket" % c.via, held,
       "the client is " + str(client))
    figure(22, "descriptors of the parser (%s): the client, one socket" %
           c.via, numbers(held))


@test
def before_login():
    """C33 before the login: a monitor and a parser"""
    need_separation()
    users = joe()
    for via in VIA:
        with opened(via, "-P", users.path) as c:
            parser = parser_of(c)
            is_(processes(c), [c.monitor, parser],
                "C33 %s: two processes before the login" % via)
            is_(identity(c.monitor)[0], ["0"] * 4,
                "C33 %s: the monitor is root" % via)
            check_parser(c, parser)
            if via == "listener":
                check_listener_kept(c, parser)
            c.cmd("USER joe")
            is_(processes(c), [c.monitor, parser],
                "C33 %s: and so after USER" % via)
            is_(c.cmd("QUIT"), b"+OK\r\n", "C33 %s: QUIT" % via)
            ok(wait_for(lambda: not processes(c)),
               "C33 %s: both end" % via, processes(c))


def check_listener_kept(c, parser):
    """C33 nothing of the listener is in what hears a client"""
    of_listener = set(descriptors(c.listener.pid).values())
    shared = [what for n, what in descriptors(parser).items()
              if what in of_listener and what != "/dev/null" and
              not (n == 2 and config("SANITIZE"))]
    is_(shared, [], "C33 listener: the parser has none of its descriptors")


def calls_by(trace, what):
    """pid -> its lines of a trace that match, and their number in it."""
    found = {}
    with open(trace) as file:
        for n, line in enumerate(file):
            pid, rest = line.split(None, 1)
            if re.match(what, rest):
                found.setdefault(int(pid), []).append((n, rest))
    return found


HEARS = r"(read|readv|recvfrom|recvmsg|recv|pread64)\(0<(TCP|socket)"


@test
def monitor_is_deaf():
    """C33 the monitor never reads the client before it is the user"""
    need_separation()
    need_strace()
    users = joe(uid=61321)
    out = scratch("trace") + "/trace"
    with start("-e", "-P", users.path, via="tcp", wrap=[
            "strace", "-f", "-y", "-qq", "-o", out],
            env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()
        c.cmd("CAPA")
        c.body()
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C33 login under strace")
        c.cmd("STAT")
        c.cmd("QUIT")
        c.server.wait()
    heard = calls_by(out, HEARS)
    changes = calls_by(out, r"setres[ug]id(32)?\(61321")
    ok(len(changes) == 1, "C33 one process becomes the user", changes)
    monitor = list(changes)[0]
    since = min(n for n, _ in changes[monitor])
    early = [line for n, line in heard.get(monitor, []) if n < since]
    is_(early, [], "C33 before that it does not read the client")
    ok(len(heard.get(monitor, [])) > 0, "C33 (it does so later)")
    others = [pid for pid in heard if pid != monitor]
    is_(len(others), 1, "C33 one other process did: the parser", heard)


# ---- after it ---------------------------------------------------------------

def check_user(c, pid, uid, gid, groups, box):
    """What is left after the login: one process that is the user."""
    via = c.via
    is_(processes(c), [pid], "C33 %s: one process after the login" % via)
    who = identity(pid)
    is_(who[:2], ([str(uid)] * 4, [str(gid)] * 4),
        "C33 %s, user: real, effective, saved and file system ids" % via)
    is_(sorted(set(who[2]) | {str(gid)}), sorted(map(str, groups)),
        "C33 %s, user: exactly these groups" % via)
    is_(who[3], NO_CAPS, "C33 %s, user: no capabilities" % via)
    check_sandbox(via, pid)
    check_open_files(c, pid, box)


def check_sandbox(what, pid):
    if not SANDBOX:
        skip("C33 user: sandbox", "none in this build")
        return
    state = status(pid)
    is_((state["NoNewPrivs"], state["Seccomp"]), ("1", "2"),
        "C33 %s, user: no new privileges, a filter" % what)
    # Of a process that may be dumped these would be the user's.
    if state["Uid"].split()[0] != "0":
        is_(os.stat("/proc/%d/mem" % pid).st_uid, 0,
            "C33 %s, user: no memory for others with its uid" % what)
    is_(limits(pid)["Max core file size"], ("0", "0"),
        "C33 %s, user: no core" % what)


def check_open_files(c, pid, box):
    """C33 the user's process holds the client, the log and the Maildir"""
    held = descriptors(pid)
    client = socket_of(c)
    log = os.readlink("/proc/%d/fd/2" % c.log_of.pid)
    top = os.path.realpath(box.path)
    strange = {n: what for n, what in held.items() if not (
        what == client or (n == 2 and what == log) or
        what in (top, "/dev/null") or what.startswith(top + "/"))}
    is_(strange, {}, "C33 %s, user: descriptors of nothing else" % c.via,
        held)
    ok(any(what.startswith(top) for what in held.values()),
       "C33 %s, user: (those of the Maildir are there)" % c.via, held)
    figure(22, "descriptors of the user's process (%s): client, log, Maildir"
           % c.via, numbers(held))


@test
def after_login():
    """C33 after the login: one process, the user's"""
    need_logins()
    users = UserFile()
    box = users.add("joe", "pw", uid=61322, gid=61323).fill(2)
    for via in VIA:
        with opened(via, "-P", users.path) as c:
            c.cmd("USER joe")
            is_(c.cmd("PASS pw"), b"+OK\r\n", "C33 %s: login" % via)
            check_user(c, c.monitor, 61322, 61323, [61323], box)
            is_(c.cmd("RETR 1")[:3], b"+OK", "C33 %s: it works" % via)
            c.body()
            c.cmd("DELE 1")
            is_(c.cmd("QUIT"), b"+OK\r\n", "C33 %s: with UPDATE" % via)
        box.fill(2)


def leaked(extra):
    """Open descriptors of what nobody is to have, under these numbers."""
    fd = os.open(scratch("of") + "/shadow", os.O_RDONLY | os.O_CREAT, 0o600)
    for number in extra:
        os.dup2(fd, number)
        cleanup(os.close, number)
    os.close(fd)


def holds_shadow(pid):
    return [n for n, what in descriptors(pid).items() if "shadow" in what]


@test
def inherited():
    """C33 what a superserver left open is in no process that hears a client"""
    need_separation()
    extra = (41, 240, 700)
    leaked(extra)
    users = joe()
    with opened("inetd", "-P", users.path, pass_fds=extra) as c:
        is_(sorted(holds_shadow(c.server.pid)), list(extra),
            "C33 (the server has inherited it)")
        is_(holds_shadow(parser_of(c)), [], "C33 the parser has not")
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C33 login")
        is_(holds_shadow(c.monitor), [], "C33 the user's process has not")
    if not config("FEATURE_MDPOP3D_CHECKPW"):
        return
    out = program()
    with start("-e", "-C", out + "/check", via="tcp", pass_fds=extra) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), REFUSED, "C33 -C: refused by exit 1")
    with open(out + "/fd") as file:
        unlike(file.read(), "shadow", "C33 -C: nor has a program")


@test
def groups():
    """C33 the groups of a system's user, exactly"""
    need_logins()
    system = SystemUsers()
    box = system.add("joe", "pw", uid=61324)
    system.group += "mail:x:8:jane,joe\nextra:x:61490:joe\nother:x:61491:x\n"
    for via in VIA:
        with opened(via, wrap=system.wrap(), user=0, groups=[4, 27]) as c:
            if SEPARATED:
                is_(identity(parser_of(c))[2], [],
                    "C33 %s: the parser has none of root's" % via)
            c.cmd("USER joe")
            is_(c.cmd("PASS pw"), b"+OK\r\n", "C33 %s: login" % via)
            check_user(c, c.monitor, 61324, 61324, [8, 61324, 61490], box)


@test
def preauthenticated():
    """C33 -a and -u have the same sandbox, and no other process"""
    need_root()
    for flags in (("-a",), ("-u", "joe")):
        box = Maildir(owner=JOE).fill(1)
        with opened("inetd", *flags, "-m", box.path, user=JOE) as c:
            c.via = flags[0]
            check_user(c, c.server.pid, JOE, JOE, [JOE], box)
            is_(c.cmd("RETR 1"), b"+OK\r\n", "C33 %s: it works" % flags[0])


# ---- what the kernel lets them do -------------------------------------------

def user_session(users):
    c = opened("inetd", "-q", "-P", users.path)
    c.cmd("USER joe")
    if c.cmd("PASS secret") != b"+OK\r\n":
        raise AssertionError("no login: " + c.server.log())
    return c, c.monitor


def parser_session(users):
    c = opened("inetd", "-q", "-P", users.path)
    return c, parser_of(c)


def preauth_session(users):
    c = opened("inetd", "-q", "-a", "-m", users.box.path, user=JOE)
    return c, c.server.pid


WHO = {"parser": parser_session, "user": user_session, "-a": preauth_session}


def whom():
    """Those of WHO that this build has."""
    users = config("FEATURE_MDPOP3D_USERFILE")
    return [who for who in WHO if who == "-a" or (
        users and (who == "user" or SEPARATED))]


def some_user():
    """A user file with joe, or with nobody who can log in."""
    if config("FEATURE_MDPOP3D_USERFILE"):
        return joe()
    users = UserFile()
    users.box = users.add("joe", stored="x").fill(2)
    return users


def never(deaths, who, what, call, args, kind):
    """C33 a call that is not allowed"""
    c, pid = WHO[who](some_user())
    with c:
        c.server._signalled = True      # it is meant to die of it
        got = inject(pid, call, *args, kind=kind)
        if what.startswith("may be tried: "):
            is_(got, ("returned", EACCES), "C33 %s: %s" % (who, what))
            return
        if is_(got, ("killed", SIGSYS),
               "C33 %s: %s is the end of it" % (who, what)):
            deaths.append(what)
        is_(c.rest(), b"", "C33 %s: and of the session" % who)
        c.server.wait()


@test
def forbidden_calls():
    """C33 calls that end the process, tried in each"""
    need_sandbox()
    need_root()
    some = whom()
    cases = [(who, *call, "x86_64") for who in some for call in NEVER]
    # The same kernel by its other doors: 20 and 39 are getpid.
    cases += [(who, what, call, (), kind) for who in some
              for what, call, kind in (("i386 getpid", 20, "i386"),
                                       ("x32 getpid", 39, "x32"),
                                       ("i386 exit", 1, "i386"))]
    if "parser" in some:
        cases += [("parser", *call, "x86_64") for call in (
            ("open", OPEN, ("/", 0)), ("openat", OPENAT, (AT_FDCWD, "/", 0)),
            ("unlinkat", UNLINKAT, (AT_FDCWD, "x", 0)),
            ("renameat", RENAMEAT, (AT_FDCWD, "x", AT_FDCWD, "y")),
            ("mmap of code", MMAP, (0, 4096, 5, 0x22, -1, 0)))]
    deaths = []
    spread(never, [(deaths, *case) for case in cases], jobs=4)
    figure(22, "system calls put into %s: it is killed by, refused" %
           ", ".join(some), "%d, %d" % (len(deaths),
                                        len(cases) - len(deaths)))


def files_outside(who, users):
    """C33 files outside of the Maildir"""
    home = users.home + "/joe"
    box = users.box.path
    for name in ("mine", "other"):
        with open("%s/%s" % (home, name), "w") as file:
            file.write("text\n")
        os.chown("%s/%s" % (home, name), JOE, JOE)
    c, pid = WHO[who](users)
    with c:
        is_(inject(pid, WRITE, 1, "hello", 5), ("returned", 5),
            "C33 %s: (an allowed call works from outside)" % who)
        is_(c._recv(5) and c._take(5), b"hello", "C33 %s: (and is seen)" % who)
        is_(inject(pid, OPENAT, AT_FDCWD, box + "/cur", O_DIRECTORY)[0],
            "returned", "C33 %s: (cur of the Maildir can be opened)" % who)
        for what, call, args in (
                ("/etc/passwd", OPENAT, (AT_FDCWD, "/etc/passwd", 0)),
                ("/etc", OPENAT, (AT_FDCWD, "/etc", O_DIRECTORY)),
                ("/proc/self/mem", OPENAT, (AT_FDCWD, "/proc/self/mem", 2)),
                ("its own file in the home directory", OPENAT,
                 (AT_FDCWD, home + "/mine", 0)),
                ("the home directory", OPENAT,
                 (AT_FDCWD, home, O_DIRECTORY)),
                ("out of the Maildir by ..", OPENAT,
                 (AT_FDCWD, box + "/../mine", 0)),
                ("rename of a message out of it", RENAMEAT2,
                 (AT_FDCWD, box + "/cur/" + os.fsdecode(
                     users.box.names("cur")[0]), AT_FDCWD, home + "/out", 0)),
                ("rename of a file into it", RENAMEAT2,
                 (AT_FDCWD, home + "/other", AT_FDCWD, box + "/cur/in", 0)),
                ("link of a file into it", LINKAT,
                 (AT_FDCWD, home + "/other", AT_FDCWD, box + "/cur/in", 0)),
                ("unlink of a file", UNLINKAT,
                 (AT_FDCWD, home + "/mine", 0))):
            how, value = inject(pid, call, *args)
            ok(how == "returned" and value in (EACCES, EXDEV),
               "C33 %s: %s is refused" % (who, what), how, value)
        ok(os.path.exists(home + "/mine") and
           os.path.exists(home + "/other"), "C33 %s: all is there" % who)
        for what, path in (("new file", home + "/made"),
                           ("new file in the Maildir's cur",
                            box + "/cur/made")):
            how = inject(pid, OPENAT, AT_FDCWD, path, O_WRONLY | O_CREAT,
                         0o600)
            ok(how[0] == "killed" or how[1] in (EACCES, EPERM),
               "C33 %s: no %s" % (who, what), how)
            ok(not os.path.exists(path), "C33 %s: none is made" % who)
            if how[0] == "killed":
                c.server._signalled = True
                break
        c.close()


@test
def outside():
    """C33 after the login nothing but the Maildir"""
    need_sandbox()
    need_root()
    if landlock() < 2:
        raise Skip("no Landlock with rename rules in this kernel")
    for who in whom():
        if who != "parser":
            files_outside(who, some_user())


@test
def checker():
    """C33 the process that hashes"""
    need_separation()
    need_sandbox()
    users = UserFile()
    users.add("joe", stored=DEAR + "x" * 86)
    spread(checker_call, [(users, *call) for call in (
        ("fork", FORK, ()), ("execve", EXECVE, ("/bin/sh", 0, 0)),
        ("setuid", SETUID, (0,)), ("kill", KILL, (1, 0)),
        ("ptrace", PTRACE, (16, 1, 0, 0)), ("chroot", CHROOT, ("/",)),
        ("mount", MOUNT, (0, "/", 0, 0, 0)),
        ("unlinkat", UNLINKAT, (AT_FDCWD, "/nowhere/x", 0)),
        ("may be tried: socket", SOCKET, (2, 1, 0)),
        ("may be tried: open for writing", OPENAT,
         (AT_FDCWD, users.home + "/made", O_WRONLY | O_CREAT, 0o600)))],
           jobs=2)


def checker_call(users, what, call, args):
    """C33 a call put into the process that hashes"""
    with opened("inetd", "-q", "-P", users.path) as c:
        parser = parser_of(c)
        c.send("USER joe\r\nPASS wrong\r\n")
        pid = checker_of(c, parser)
        ok(wait_for(lambda: status(pid)["Seccomp"] == "2", 5),
           "C33 checker: a filter")
        got = inject(pid, call, *args)
        if what.startswith("may"):
            is_(got, ("returned", EACCES), "C33 checker: " + what)
            ok(not os.path.exists(users.home + "/made"), "C33 for nothing")
            like(c.rest(), r"-ERR \[AUTH\]", "C33 and it goes on")
            return
        is_(got, ("killed", SIGSYS), "C33 checker: %s is the end of it" % what)
        like(c.rest(), r"\A\+OK\r\n-ERR \[SYS/TEMP\] [ -~]+\r\n\Z",
             "C40 and nobody gets in")


# ---- when one of them dies or is stopped ------------------------------------

# Sanitizers catch the others and exit.
DEATHS = (signal.SIGKILL,) if config("SANITIZE") else (
    signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)

@test
def stopped_for_a_while():
    """C33 a stop and its end are no calls of their own"""
    need_root()
    need_sandbox()
    for who in whom():
        c, pid = WHO[who](some_user())
        with c:
            for _ in range(2):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.1)
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.1)
            like(c.cmd("CAPA"), r"\A\+OK", "C33 %s: stopped and continued" %
                 who)


@test
def parser_dies():
    """C33 the parser is killed: the session ends, and that is logged"""
    need_separation()
    users = joe()
    for via in VIA:
        for number in DEATHS:
            with opened(via, "-P", users.path) as c:
                c.cmd("USER joe")
                os.kill(parser_of(c), number)
                is_(c.rest(), b"", "C33 %s: parser and signal %d: the client "
                    "sees the end" % (via, number))
                ok(wait_for(lambda: not processes(c)),
                   "C33 %s: nothing is left" % via, processes(c))
                ok(c.log_of.wait_log(r"\[127\.0\.0\.1\].*parser"),
                   "C33 %s: the log tells" % via, c.log_of.log())
                if c.server:
                    ok(c.server.wait() in (0, 111), "C33 exit status",
                       c.server.wait())
            if c.listener:
                with connect(c.listener) as again:
                    is_(again.line(), b"+OK\r\n", "C33 the listener goes on")


@test
def parser_dies_while_hashing():
    """C33 the parser is killed while its question is considered"""
    need_separation()
    users = UserFile()
    users.add("joe", stored=hashed("secret", DEAR))
    with opened("inetd", "-P", users.path) as c:
        parser = parser_of(c)
        c.send("USER joe\r\nPASS wrong\r\nPASS secret\r\n")
        checker_of(c, parser)
        os.kill(parser, signal.SIGKILL)
        is_(c.rest(), b"+OK\r\n", "C33 the client gets no answer")
        ok(wait_for(lambda: not processes(c)), "C33 nothing is left")
        ok(c.server.wait() in (0, 111), "C33 exit status", c.server.wait())
        like(c.server.log(), r"incorrect", "C34 the attempt is logged")


@test
def monitor_dies():
    """C33 the monitor is killed: its parser does not stay"""
    need_separation()
    users = joe()
    for via in VIA:
        with opened(via, "-P", users.path) as c:
            parser = parser_of(c)
            if c.server:
                c.server.signal(signal.SIGKILL)
            else:
                os.kill(c.monitor, signal.SIGKILL)
            ok(wait_for(lambda: not alive(parser), 5),
               "C33 %s: the parser ends with its monitor" % via)
            is_(c.rest(), b"", "C33 %s: the client sees it" % via)


@test
def checker_dies():
    """C33 the process that hashes is killed: that is no right password"""
    need_separation()
    users = UserFile()
    users.add("joe", stored=hashed("secret", DEAR))
    for number in DEATHS:
        with opened("inetd", "-P", users.path) as c:
            parser = parser_of(c)
            c.send("USER joe\r\nPASS secret\r\n")
            os.kill(checker_of(c, parser), number)
            like(c.rest(), r"\A\+OK\r\n-ERR \[SYS/TEMP\] [ -~]+\r\n\Z",
                 "C40 checker and signal %d: the reply" % number)
            ok(wait_for(lambda: not processes(c)), "C33 nothing is left")
            c.server.wait()
            ok(len(c.server.log().splitlines()) > 1, "C33 the log tells",
               c.server.log())


@test
def checker_hangs():
    """C113 a check that does not end has its time, too"""
    need_separation()
    users = UserFile()
    users.add("joe", stored=hashed("secret", DEAR))
    with opened("inetd", "-t", "1", "-P", users.path) as c:
        parser = parser_of(c)
        c.send("USER joe\r\nPASS secret\r\n")
        checking = checker_of(c, parser)
        os.kill(checking, signal.SIGSTOP)
        unlike(c.rest(45), r"\+OK\r\n\+OK", "C113 no login")
        ok(wait_for(lambda: not processes(c) and not alive(checking)),
           "C113 no process is left", processes(c))


# ---- a checkpassword program's world ----------------------------------------

PROGRAM = """#!/bin/sh
tr '\\0' '\\n' </proc/$$/environ >%(out)s/environ
ls -l /proc/$$/fd >%(out)s/fd
tr '\\0' '\\n' <&3 >%(out)s/request
tr '\\0' '\\n' </proc/$$/cmdline >%(out)s/cmdline
exit 1
"""

# Nothing else, whatever the caller's environment has.
GIVEN = {"PATH", "TCPREMOTEIP"}
NASTY = {"LD_PRELOAD": "/nowhere.so", "LD_LIBRARY_PATH": "/tmp", "IFS": "/",
         "ENV": "/tmp/env", "BASH_ENV": "/tmp/env", "TZ": "/etc/shadow",
         "MAILDIR": "/etc", "HOME": "/root", "SHELL": "/bin/false",
         "PAM_USER": "root", "LOGNAME": "root", "EVIL": "yes",
         "SHLVL": "9", "PS4": "$(touch /tmp/evil)", "HOSTALIASES": "/etc/x",
         "PATH": "/tmp/evil:/usr/bin:/bin", "BASH_FUNC_tr%%": "() { :; }",
         "REMOTE_HOST": "192.0.2.9"}


def program():
    """A checkpassword program that tells what it has; where it is."""
    out = scratch("program")
    with open(out + "/check", "w") as file:
        file.write(PROGRAM % {"out": out})
    os.chmod(out + "/check", 0o755)
    return out


@test
def environment_of_programs():
    """C33 what a checkpassword program sees of the environment"""
    need_separation()
    need("FEATURE_MDPOP3D_CHECKPW")
    out = program()
    nasty = dict(NASTY)
    if not config("STATIC"):
        del nasty["LD_PRELOAD"]
    with start("-e", "-C", out + "/check", "an argument", via="tcp",
               env=nasty) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), REFUSED, "C33 -C: refused by exit 1")

    def read(name):
        with open("%s/%s" % (out, name)) as file:
            return file.read()
    seen = dict(line.split("=", 1) for line in
                read("environ").splitlines() if "=" in line)
    is_(set(seen), GIVEN, "C33 -C: these variables and no others", seen)
    like(read("request"), r"\Ajoe\nsecret\n\n?\Z", "C33 -C: the request")
    unlike(read("cmdline") + read("environ"), "secret",
           "C49 -C: no password in arguments or environment")
    unlike(seen.get("PATH", ""), "evil", "C33 -C: not the caller's PATH")
    # From 10 on they are the shell's own.
    held = re.findall(r" (\d) -> (.*)", read("fd"))
    is_([n for n, _ in held], list("01234"), "C33 -C: descriptors 0 to 4",
        read("fd"))
    is_([n for n, what in held if what.startswith("socket:")], ["4"],
        "C33 -C: the client is none of them", read("fd"))
    figure(22, "environment of a checkpassword program", " ".join(
        sorted(seen)))


run_tests(jobs=3)
