# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks into the processes of a session from outside.

    from security import *

    with opened("inetd", users) as c:
        parser = parser_of(c)
        is_(status(parser)["Seccomp"], "2", "C33 a filter holds")

A session with a login has a monitor, which becomes the user's process, a
parser below it until then, and a checker for a moment.  figure() notes what
was measured for testsuite/security/table.
"""

import base64
import fcntl
import functools
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

from popbox import *
from popbox import _top

TOOLS = _top + "/testsuite/tools"
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.dirname(POPBOX))
FIGURES = os.environ.get("FIGURES") or BUILD + "/security/figures"

# The processes as they are shipped: sanitizers cannot live in a sandbox.
SEPARATED = config("FEATURE_MDPOP3D_PRIVSEP")
SANDBOX = config("FEATURE_MDPOP3D_SANDBOX") and not config("SANITIZE")
PARSER_UID = config("MDPOP3D_PARSER_UID") or 65534
NO_CAPS = ["0" * 16] * 3
DEAR = "$6$rounds=1500000$popboxtest$"     # a second or so
# Of no password, and nobody waits for it to be found out.
ENDLESS = "$6$rounds=90000000$popboxtest$" + "x" * 86
# A listener that does not get angry with the tests.
CALM = ("-b", "0") if "-b SEC" in subprocess.run(
    [POPBOX, "mdpop3d", "--help"], stdout=subprocess.PIPE, check=False,
    text=True).stdout else ()
LOG_LINE = 600

JOE = 61300

_figures = threading.Lock()


def need_logins():
    """Ends the test where nobody can log in."""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()


def need_separation():
    need_logins()
    need("FEATURE_MDPOP3D_PRIVSEP")


def need_strace():
    if not shutil.which("strace"):
        raise Skip("no strace")


@functools.lru_cache(None)
def binary_id():
    """Of which binary figures are: they do not outlive it."""
    with open(POPBOX, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def figure(item, what, value):
    """Notes what was measured: a line of testsuite/security/table.

    `item` is a number there; the command that measures it is this script.
    """
    os.makedirs(os.path.dirname(FIGURES), exist_ok=True)
    name = os.path.basename(sys.argv[0])
    with _figures, open(FIGURES, "a") as file:
        file.write("\t".join((binary_id(), str(item), name, what,
                              str(value))) + "\n")


# ---- /proc ------------------------------------------------------------------

def status(pid):
    """The fields of /proc/PID/status, stripped."""
    with open("/proc/%d/status" % pid) as file:
        return {k: v.strip() for k, v in
                (line.split(":", 1) for line in file)}


def alive(pid):
    """Runs; a zombie does not."""
    try:
        return status(pid)["State"][0] != "Z"
    except (OSError, KeyError):
        return False


def identity(pid):
    """(uids, gids, supplementary groups, capabilities)."""
    s = status(pid)
    return (s["Uid"].split(), s["Gid"].split(), s["Groups"].split(),
            [s[c] for c in ("CapPrm", "CapEff", "CapInh")])


def limits(pid):
    """Name of a limit -> (soft, hard)."""
    with open("/proc/%d/limits" % pid) as file:
        return {m.group(1): (m.group(2), m.group(3)) for m in re.finditer(
            r"^(Max .*?)  +(\S+) +(\S+)", file.read(), re.M)}


def descriptors(pid):
    """Number -> what it is."""
    at = "/proc/%d/fd" % pid
    found = {}
    for name in os.listdir(at):
        try:
            found[int(name)] = os.readlink("%s/%s" % (at, name))
        except OSError:
            pass
    return found


def memory(pid):
    """(region, bytes) of all a process can write to."""
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as file:
        for line in maps:
            m = re.match(r"(\w+)-(\w+) rw", line)
            if m:
                start, end = (int(x, 16) for x in m.groups())
                file.seek(start)
                yield line.split()[-1], file.read(end - start)


def plain(secret, user="joe"):
    """A user and a password as AUTH PLAIN has them."""
    return base64.b64encode(b"\0%s\0%s" % (user.encode(), secret.encode()))


def forms(secret, user="joe"):
    """The shapes a password travels in."""
    return [secret.encode(), plain(secret, user)]


def traces(pids, needles, piece=8):
    """Where any `piece` bytes of these are: (pid, region, bytes), a few."""
    pieces = {n[i:i + piece] for n in needles
              for i in range(len(n) - piece + 1)}
    search = re.compile(b"|".join(map(re.escape, pieces)))
    found = []
    for pid in pids:
        try:
            for region, content in memory(pid):
                found += [(pid, region, m.group())
                          for m in search.finditer(content)]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found[:9]


# ---- the processes of a session ---------------------------------------------

def opened(via, *args, **how):
    """A greeted client of a server started like an inetd would, or of one
    with its own listener; .monitor is the process that was started first.

    `via`: "inetd" or "listener".  The arguments are the server's.
    """
    if via == "inetd":
        c = start("-e", *args, via="tcp", **how)
        c.monitor, c.listener = c.server.pid, None
    else:
        server = listener(*CALM, *args, **how)
        c = connect(server)
        c.monitor = (wait_for(lambda: children(server.pid)) or [None])[0]
        c.listener = server
    c.via = via
    c.log_of = c.server or c.listener
    c.greeting = c.line()
    return c


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(n) for n in file.read().split()]
    except OSError:
        return []


def processes(c):
    """All of this session's that are left."""
    return [p for p in [c.monitor] + below(c.monitor) if alive(p)]


def below(pid):
    found = []
    for child in children(pid):
        found += [child] + below(child)
    return found


def parser_of(c):
    """The first process below the monitor."""
    found = wait_for(lambda: children(c.monitor))
    if not found:
        raise AssertionError("no parser below the monitor")
    return found[0]


def checker_of(c, parser):
    """The process that hashes at this moment."""
    found = wait_for(lambda: [p for p in children(c.monitor) if p != parser])
    if not found:
        raise AssertionError("no checker below the monitor")
    return found[0]


def socket_of(c, ours=True):
    """The server's side of a client's TCP connection: "socket:[inode]"."""
    local, peer = c.owner.getsockname(), c.owner.getpeername()
    with open("/proc/net/tcp") as file:
        for line in file:
            f = line.split()
            if f[1].endswith(":%04X" % peer[1]) and \
                    f[2].endswith(":%04X" % local[1]):
                return "socket:[%s]" % f[9]
    return None


def unread(c):
    """Bytes we sent that the server has not taken from its socket."""
    if not hasattr(c, "inode"):
        c.inode = (socket_of(c) or "socket:[x]")[8:-1]
    with open("/proc/net/tcp") as file:
        for line in file:
            f = line.split()
            if f[9:10] == [c.inode]:
                return int(f[4].split(":")[1], 16)
    return 0


# ---- calls put into a process -----------------------------------------------

def inject(pid, call, *args, kind="x86_64"):
    """Lets another process make a system call.

    Numbers and strings for arguments; a string goes into its memory.
    Returns ("killed", signal) or ("returned", value).
    """
    if os.uname().machine != "x86_64":
        raise Skip("puts calls into x86-64 processes only")
    words = ["@" + a if isinstance(a, str) else str(a) for a in args]
    done = subprocess.run([TOOLS + "/inject", "-k", kind, str(pid),
                           str(call), *words], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE)
    m = re.match(rb"(killed|returned) (-?\d+)\n\Z", done.stdout)
    if not m:
        raise AssertionError("inject %s: %r %r" % (call, done.stdout,
                                                   done.stderr))
    return m.group(1).decode(), int(m.group(2))


# ---- memory -----------------------------------------------------------------

class Group:
    """A memory group of the kernel's, with all a server takes in it."""

    def __init__(self):
        self.path = self.file = None
        for top, file in (("/sys/fs/cgroup", "memory.current"),
                          ("/sys/fs/cgroup/memory", "memory.usage_in_bytes")):
            path = "%s/popbox-bench-%d" % (top, os.getpid())
            try:
                os.mkdir(path)
            except OSError:
                continue
            if os.path.exists(path + "/" + file):
                self.path, self.file = path, path + "/" + file
                cleanup(self.remove)
                return
            os.rmdir(path)

    def take(self, pid):
        with open(self.path + "/cgroup.procs", "w") as file:
            file.write(str(pid))

    def used(self):
        with open(self.file) as file:
            return int(file.read()) // 1024

    def remove(self):
        try:
            os.rmdir(self.path)
        except OSError:
            pass


# ---- syslog -----------------------------------------------------------------

class Syslog:
    """A /dev/log of our own, seen by one server; it reads all the time."""

    def __init__(self):
        self.path = scratch("log") + "/socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.got = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            self.got.append(self.socket.recv(65536))

    def wrap(self):
        return [*private_mounts(), "sh", "-c", """
            set -e
            mount -t tmpfs none /dev
            mknod -m 666 /dev/null c 1 3
            ln -s '%s' /dev/log
            exec "$@" """ % self.path, "sh"]

    def records(self, last):
        """All there are so far, once one has come that matches `last`."""
        wait_for(lambda: any(re.search(last, line) for line in self.got))
        found, self.got = self.got, []
        return found


# ---- other builds -----------------------------------------------------------

def variant(name, **symbols):
    """The tested configuration with other symbols; (binary, .config).

    Skips where it cannot be built: no compiler, or a build of sanitizers.
    """
    if config("SANITIZE"):
        raise Skip("variants are built of the ship build only")
    if not shutil.which("make") or not shutil.which(
            os.environ.get("CC", "musl-gcc").split()[0]):
        raise Skip("no compiler")
    out = "%s/security/%s" % (BUILD, name)
    os.makedirs(out, exist_ok=True)
    with open(out + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # other tests want it, too
        return _build(out, symbols)


def _build(out, symbols):
    with open(CONFIG) as file:
        text = file.read()
    for symbol, value in symbols.items():
        text = re.sub(r"(?m)^(# )?CONFIG_%s[= ].*\n" % symbol, "", text)
        text += ("# CONFIG_%s is not set\n" % symbol if value is False else
                 "CONFIG_%s=%s\n" % (symbol, "y" if value is True else value))
    with open(out + "/.config", "w") as file:
        file.write(text)
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "O", "B")}
    env.setdefault("XCRYPT_DIR", BUILD + "/xcrypt")
    env["KCONFIG_CONFIG"] = out + "/.config"
    done = subprocess.run(["make", "--no-print-directory", "-C", _top,
                           "O=" + out, "all"], check=False, env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError("make O=%s: %s" % (
            out, done.stdout[-1500:].decode("latin-1")))
    return out + "/popbox", out + "/.config"


def of_build(binary):
    """A wrapper: runs this binary in the place of the tested one."""
    return ["sh", "-c", 'shift; exec "$0" "$@"', binary]
