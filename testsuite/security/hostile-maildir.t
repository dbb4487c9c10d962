#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Maildir is its user's to write, so anything may be in it: links to
files of others, fifos, devices, names of any bytes, and all of it may change
at any moment. Nothing of another's is ever sent, and nothing hangs.

As the user the kernel would stop most of it; so it is also tried as root,
who may log in unless -M says otherwise, and for whom only the server's own
care stands between a link and what it leads to.
"""

import stat
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

SECRET = b"a secret of somebody else's: 0a1b2c3d4e5f\n"
QUICK = 60 if config("SANITIZE") else 10
MANY = int(os.environ.get("MANY", "100000"))


class Trap:
    """Files of others, and a Maildir that leads to them."""

    def __init__(self, uid):
        self.uid = uid
        self.top = scratch("trap")
        os.chmod(self.top, 0o755)
        self.secret = self._foreign("secret", 0o600)
        self.shown = self._foreign("world-readable", 0o644)
        self.dir = self.top + "/dir"
        os.mkdir(self.dir, 0o755)
        for i in range(3):
            self._foreign("dir/170000000%d.f.host" % i, 0o644)
        os.makedirs(self.top + "/other/cur")
        os.mkdir(self.top + "/other/new")
        os.mkdir(self.top + "/other/tmp")
        for i in range(3):
            self._foreign("other/cur/180000000%d.f.host" % i, 0o644)
        self.box = Maildir(self.top + "/Maildir", uid)
        self.box.fill(2)
        self.before = self.state()

    def _foreign(self, name, mode):
        path = "%s/%s" % (self.top, name)
        with open(path, "wb") as file:
            file.write(SECRET)
        os.chmod(path, mode)
        return path

    def state(self):
        """All that is not the user's: it may not change."""
        found = {}
        for top in ("secret", "world-readable", "dir", "other"):
            at = "%s/%s" % (self.top, top)
            paths = [at] + [os.path.join(root, n) for root, dirs, files in
                            os.walk(at) for n in dirs + files]
            for path in paths:
                st = os.lstat(path)
                text = b""
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as file:
                        text = file.read()
                found[path] = (st.st_ino, st.st_mode, st.st_uid,
                               st.st_mtime_ns, text)
        return found

    def path(self, sub, name="1700000001.x.host"):
        return os.fsdecode(self.box.join(sub, name))


def as_whom():
    """Root as well: who passes all checks of permissions."""
    return (JOE, 0) if os.geteuid() == 0 else (os.geteuid(),)


def enter(trap, *args):
    """A session over the trap, of its user, not yet greeted."""
    return start("-a", "-e", "-m", trap.box.path, *args,
                 user=trap.uid if os.geteuid() == 0 else None)


def take_all(c):
    """All a client can get: LIST, UIDL, and each message twice."""
    got = c.cmd("STAT")
    count = int((got.split() or [b"+OK", b"0"])[1])
    for command in ("LIST", "UIDL"):
        status_line, body = c.multi(command)
        got += status_line + (body or b"")
    for n in range(1, min(count, 20) + 1):
        for command in ("RETR %d" % n, "TOP %d 9" % n):
            try:
                status_line, body = c.multi(command, QUICK)
            except Ended as end:
                return got + end.partial
            got += status_line + (body or b"")
    return got


leaks = []


def harmless(trap, what, c, more=b""):
    """C68 nothing of another's was sent, and nothing was changed"""
    got = more
    began = time.monotonic()
    first = c.line(QUICK) if not more else b"+OK"
    got += first
    if first.startswith(b"+OK"):
        got += take_all(c)
        for n in range(1, 9):
            c.send("DELE %d\r\n" % n)
        c.send("QUIT\r\n")
    got += c.rest(QUICK)
    c.server.wait()
    who = "%s, uid %d" % (what, trap.uid)
    if not ok(SECRET[:12] not in got,
              "C68 %s: nothing of another's is sent" % who, got):
        leaks.append(what)
    is_(trap.state(), trap.before, "C68 %s: and nothing is changed" % who)
    ok(time.monotonic() - began < QUICK, "C68 %s: it does not hang" % who)
    unlike(got.replace(b"\r\n", b""), r"[\r\n\x00-\x08\x0b-\x1f\x7f]",
           "C72 %s: no control bytes of names" % who)
    return got


# ---- what lies there before the login ---------------------------------------

def link_to_secret(t):
    os.symlink(t.secret, t.path("cur"))


def link_to_readable(t):
    os.symlink(t.shown, t.path("new"))


def link_to_shadow(t):
    os.symlink("/etc/shadow", t.path("new"))
    os.symlink("../../secret", t.path("new", "2.y"))
    os.symlink("/proc/self/environ", t.path("new", "3.y"))
    os.symlink("/proc/self/fd/0", t.path("new", "4.y"))


def link_to_itself(t):
    os.symlink(t.path("cur"), t.path("cur"))


def fifo(t):
    os.mkfifo(t.path("new"))
    os.chown(t.path("new"), t.uid, -1)


def devices(t):
    try:
        os.mknod(t.path("new"), 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        os.mknod(t.path("cur"), 0o666 | stat.S_IFCHR, os.makedev(5, 0))
        os.mknod(t.path("cur", "9.d"), 0o666 | stat.S_IFBLK,
                 os.makedev(7, 0))
    except PermissionError:
        raise Skip("no devices can be made here") from None


def directories(t):
    os.mkdir(t.path("new"))
    os.mkdir(t.path("cur", "3.d:2,S"))
    with open(t.path("new") + "/in", "wb") as file:
        file.write(SECRET)


def bind_at(path):
    """An address has 108 bytes, which the path of a test may well exceed."""
    here = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("/proc/self/fd/%d/%s" % (here, os.path.basename(path)))
    os.close(here)


def sockets(t):
    bind_at(t.path("new", "s"))


def new_is_link(t):
    os.rmdir(t.path("new", ""))
    os.symlink(t.dir, t.box.path + "/new")


def cur_is_link(t):
    os.rename(t.box.path + "/cur", t.box.path + "/cur.away")
    os.symlink(t.dir, t.box.path + "/cur")


def new_is_etc(t):
    os.rmdir(t.path("new", ""))
    os.symlink("/etc", t.box.path + "/new")


def tmp_is_link(t):
    os.rmdir(t.path("tmp", ""))
    os.symlink(t.dir, t.box.path + "/tmp")


def maildir_is_link(t):
    os.rename(t.box.path, t.box.path + ".away")
    os.symlink(t.top + "/other", t.box.path)


def maildir_is_fifo(t):
    os.rename(t.box.path, t.box.path + ".away")
    os.mkfifo(t.box.path)


def new_is_fifo(t):
    os.rmdir(t.path("new", ""))
    os.mkfifo(t.box.path + "/new")


def lock_is_link(t):
    """What a lock or a list of ours might be called."""
    for name in ("lock", ".lock", "pop3.lock", "maildirsize", "uidl",
                 "mdpop3d", ".popbox", "dovecot-uidlist"):
        os.symlink(t.secret, "%s/%s" % (t.box.path, name))


def hard_link(t):
    os.link(t.secret, t.path("cur"))


BEFORE = [link_to_secret, link_to_readable, link_to_shadow, link_to_itself,
          fifo, devices, directories, sockets, new_is_link, cur_is_link,
          new_is_etc, tmp_is_link, maildir_is_link, maildir_is_fifo,
          new_is_fifo, lock_is_link]


def before_login(uid, trick):
    """C68 a trap laid before the login"""
    trap = Trap(uid)
    trick(trap)
    what = trick.__name__.replace("_", " ")
    with enter(trap) as c:
        harmless(trap, what, c)


@test
def laid_before():
    """C68 a Maildir with traps in it"""
    need_root()
    cases = [(uid, trick) for uid in as_whom() for trick in BEFORE]
    # Root may read what has a name in there; it is a message like others.
    cases += [(JOE, hard_link)]
    spread(before_login, cases, jobs=6)
    figure(24, "of so many tricks laid before the login, as the user and as "
           "root, so many sent what is another's", "%d: %d" % (
               len(cases), len(leaks)))


# ---- what changes during the session ----------------------------------------

def put_in_place(make):
    """Replaces message 1 by what `make` makes at its path."""
    def trick(t):
        path = t.path("cur", t.box.names("cur")[0])
        os.unlink(path)
        make(t, path)
    trick.__name__ = make.__name__
    return trick


def message_to_link(t, path):
    os.symlink(t.secret, path)


def message_to_readable(t, path):
    os.symlink(t.shown, path)


def message_to_fifo(t, path):
    os.mkfifo(path)
    os.chown(path, t.uid, -1)


def message_to_directory(t, path):
    os.mkdir(path)


def message_to_device(t, path):
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        raise Skip("no devices can be made here") from None


def message_to_socket(t, path):
    bind_at(path)


def message_unreadable(t, path):
    with open(path, "wb") as file:
        file.write(SECRET)
    os.chmod(path, 0o600)       # and it is root's


def cur_swapped(t):
    os.rename(t.box.path + "/cur", t.box.path + "/cur.away")
    os.symlink(t.dir, t.box.path + "/cur")


def cur_swapped_for_names(t):
    """A link to a directory with files of the very names."""
    for name in t.box.names("cur"):
        with open(os.path.join(os.fsencode(t.dir), name), "wb") as file:
            file.write(SECRET)
    t.before = t.state()
    cur_swapped(t)


def new_swapped(t):
    os.rmdir(t.box.path + "/new")
    os.symlink(t.dir, t.box.path + "/new")


def tmp_swapped(t):
    os.rmdir(t.box.path + "/tmp")
    os.symlink("/tmp", t.box.path + "/tmp")


def maildir_swapped(t):
    os.rename(t.box.path, t.box.path + ".away")
    for name in t.box.stored:
        with open(t.top + "/other/cur/" + os.fsdecode(name) + ":2,S",
                  "wb") as file:
            file.write(SECRET)
    t.before = t.state()
    os.symlink(t.top + "/other", t.box.path)


DURING = [*map(put_in_place, (
    message_to_link, message_to_readable, message_to_fifo,
    message_to_directory, message_to_device, message_to_socket)),
    cur_swapped, cur_swapped_for_names, new_swapped, tmp_swapped,
    maildir_swapped]


def during_session(uid, trick):
    """C68 a trap laid during the session"""
    trap = Trap(uid)
    what = trick.__name__.replace("_", " ") + " during the session"
    with enter(trap) as c:
        greeting = c.line()
        like(greeting, r"\A\+OK", "C68 %s: a session" % what)
        trick(trap)
        got = harmless(trap, what, c, greeting)
        if "message to" in what:
            like(got, r"-ERR ", "C68 %s: -ERR to its RETR" % what)


@test
def laid_during():
    """C68 traps that are laid when the session has begun"""
    need_root()
    cases = [(uid, trick) for uid in as_whom() for trick in DURING]
    cases += [(JOE, put_in_place(message_unreadable))]
    spread(during_session, cases, jobs=6)
    figure(24, "the same, tricks during a session", "%d: %d" % (
        len(cases), len(leaks)))


def link_race(uid):
    """C68 a message that is a link one moment and a file the next"""
    trap = Trap(uid)
    name = trap.path("cur", trap.box.names("cur")[0])
    with open(name, "rb") as file:
        mail = file.read()
    for suffix, make in ((".l", lambda p: os.symlink(trap.secret, p)),
                         (".f", lambda p: open(p, "wb").write(mail))):
        make(trap.top + "/" + suffix)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for suffix in (".l", ".f"):
                # Hard links of both, renamed over it: no moment without.
                os.link(trap.top + "/" + suffix, trap.top + "/next",
                        follow_symlinks=False)
                os.rename(trap.top + "/next", name)
                if os.path.lexists(trap.top + "/next"):
                    os.unlink(trap.top + "/next")
    with enter(trap) as c:
        c.line()
        thread = threading.Thread(target=swap, daemon=True)
        thread.start()
        count = {b"+OK": 0, b"-ER": 0}
        got = b""
        for _ in range(400):
            c.cmd("NOOP")       # not too many -ERR in a row
            first = c.cmd("RETR 1")
            count[first[:3]] += 1
            if first.startswith(b"+OK"):
                try:
                    got += c.body()
                except Ended as end:
                    got += end.partial
                    break
        stop.set()
        thread.join()
        c.send("QUIT\r\n")
        c.rest()
    ok(SECRET[:12] not in got, "C68 uid %d: 400 reads of what is a link now "
       "and then" % uid, count)
    ok(count[b"-ER"] > 0, "C68 uid %d: (it was one, some times)" % uid, count)


@test
def race():
    """C68 a message that changes all the time"""
    need_root()
    for uid in as_whom():
        link_race(uid)


# ---- names ------------------------------------------------------------------

def strange_names():
    """Names a directory can hold, each of them one."""
    names = [bytes([b]) * 3 for b in range(1, 256) if b not in b"/."]
    names += [b"x" * 255, b"1700000000." + b"y" * 244,
              b"\n" * 255, b"\xff" * 255, b":2," + b"S" * 252,
              b"1.\r\n+OK 9 9\r\n.\r\n", b"1.\n.\n", b"%n%n%s%s", b"$(id)",
              b"-rf", b"~", b"a:2,\n", b"\x1b[2J\x1b]0;x\x07",
              b"99999999999999999999999999.x", b"-1.x", b"1700000000.M-1.x"]
    return list(dict.fromkeys(names))


@test
def names():
    """C72 names of any bytes break neither an answer nor the log"""
    box = Maildir()
    fd = os.open(box.path + "/new", os.O_RDONLY)
    for i, name in enumerate(strange_names()):
        with os.fdopen(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600,
                               dir_fd=fd), "wb") as file:
            file.write(b"S: %d\n\n" % i)
    os.close(fd)
    flags = ("-d",) if config("FEATURE_MDPOP3D_DEBUG") else ()
    count = len(strange_names())
    with session(box, *flags) as c:
        is_(c.cmd("STAT").split()[1], b"%d" % count, "C72 all are messages")
        _, body = c.multi("UIDL")
        lines = body.split(b"\r\n")[:-1]
        ok(len(lines) == count and all(re.fullmatch(
            rb"%d [\x21-\x7e]{1,70}" % (n + 1), line)
            for n, line in enumerate(lines)),
           "C72 each UIDL line: a number and 1 to 70 visible characters",
           [line for line in lines if not re.fullmatch(
               rb"\d+ [\x21-\x7e]{1,70}", line)][:5])
        is_(len(set(line.split()[1] for line in lines)), count,
            "C72 no two identifiers alike")
        good = 0
        for n in range(1, count + 1):
            good += c.multi("RETR %d" % n)[0] == b"+OK\r\n"
        is_(good, count, "C72 each of them can be had")
        for path in box.names("new")[:30]:
            os.chmod(box.join("new", path), 0)
            os.unlink(box.join("new", path))
        for n in range(1, 40):
            c.multi("RETR %d" % n)
            c.cmd("NOOP")
        for n in range(1, count + 1):
            c.send("DELE %d\r\n" % n)
        c.send("QUIT\r\n")
        c.rest()
        c.server.wait()
        log = c.server.log()
    bad = [line for line in log.split("\n")[:-1] if not re.fullmatch(
        r"mdpop3d\[\d+\]: (sandbox: [\w ,]+|\[[^]]*\]\[[^]]*\] [ -~]*)",
        line) or
        len(line) >= LOG_LINE]
    is_(bad, [], "C122 each log line is one record")
    is_(box.names("new") + box.names("cur"), [], "C72 and all are removed")


# ---- very many --------------------------------------------------------------

def litter(trap, count):
    """Entries that are no messages, and a few that are."""
    fd = os.open(trap.box.path + "/new", os.O_RDONLY)
    for i in range(count):
        name = "17%08d.%d.host" % (i, i)
        if i % 3 == 0:
            os.symlink(trap.secret, name, dir_fd=fd)
        elif i % 3 == 1:
            os.mkfifo(name, 0o600, dir_fd=fd)
            os.chown(name, trap.uid, trap.uid, dir_fd=fd)
        else:
            if i % 30000 == 2:
                os.link(trap.shown, name, dst_dir_fd=fd)
            else:
                os.symlink("/proc/self/mem", name, dir_fd=fd)
    os.close(fd)


@test
def many_entries():
    """C64 very many entries that are no messages"""
    need_root()
    trap = Trap(JOE)
    litter(trap, MANY)
    trap.before = {}
    trap.state = lambda: {}
    with enter(trap, "-t", "60") as c:
        began = time.monotonic()
        is_(c.line(QUICK * 3), b"+OK\r\n", "C64 %d entries: a session" % MANY)
        spent = time.monotonic() - began
        ok(spent < QUICK, "C64 %d entries: within seconds" % MANY, spent)
        if config("SANITIZE"):
            skip("C64 memory", "sanitizers need their own")
        else:
            own = c.server.memory("Anonymous")
            ok(own < 1024 + MANY / 50, "C64 %d entries: little memory" % MANY,
               "%d KB" % own)
            figure(24, "%d entries that are no messages: seconds to the "
                   "greeting, KB" % MANY, "%.2f, %d" % (spent, own))
        like(c.cmd("STAT"), r"\A\+OK %d " % (
            2 + len(range(2, MANY, 30000))), "C64 only files are messages")
        c.cmd("QUIT")
    # Faster than a test's own cleaning up, which asks about each.
    subprocess.run(["rm", "-rf", trap.box.path], check=True)


# ---- who opens, and how -----------------------------------------------------

@test
def opened_by_the_user():
    """C68 all of a Maildir is opened by its user, and no link followed"""
    need_logins()
    need_strace()
    users = joe(uid=61330)
    users.box.fill(2, "new")
    out = scratch("trace") + "/trace"
    with start("-e", "-P", users.path, via="tcp", wrap=[
            "strace", "-f", "-qq", "-o", out, "-e",
            "trace=%file,openat,openat2,setresuid,setresuid32,getdents64"],
            env={"ASAN_OPTIONS": "detect_leaks=0"}) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C33 login under strace")
        for n in range(1, 5):
            is_(c.multi("RETR %d" % n)[0], b"+OK\r\n", "C68 a message")
        c.cmd("DELE 1")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C68 and the UPDATE state")
        c.server.wait()
    with open(out) as file:
        lines = file.read().splitlines()
    change = next(i for i, line in enumerate(lines)
                  if re.search(r"setresuid(32)?\(61330", line))
    user = lines[change].split()[0]
    home = os.path.realpath(users.home) + "/joe"
    early = [line for line in lines[:change] if home in line]
    is_(early, [], "C68 before it is the user nothing below home is touched")
    # What ld.so and the sanitizers open is nobody's Maildir.
    later = [line for line in lines[change:] if "openat" in line and
             line.split()[0] == user and "/proc/" not in line]
    ok(len(later) > 8, "C68 (it opened the Maildir and the messages)", later)
    unsafe = [line for line in later if "O_NOFOLLOW" not in line and
              not re.search(r'openat\(AT_FDCWD, "(/dev/null|/etc/|Maildir")',
                            line)]
    is_(unsafe, [], "C68 each open says O_NOFOLLOW")
    files = [line for line in later if "O_DIRECTORY" not in line and
             "O_PATH" not in line and re.search(r"host", line)]
    is_([line for line in files if "O_NONBLOCK" not in line], [],
        "C68 and of a message O_NONBLOCK")
    figure(24, "opens of a session after the login without O_NOFOLLOW",
           "%d of %d" % (len(unsafe), len(later)))


run_tests(jobs=4)
