# SPDX-License-Identifier: GPL-2.0-or-later
"""mdpop3d under other people's listeners.

A test file says how its superserver is started (a function that makes a
Super), and Questions asks the same of all of them.
"""

import os
import re
import shutil
import socket
import struct
import subprocess
import threading

from clients import *

MESSAGES = {
    "plain": mail(b"body\n"),
    "dots": b"Subject: dots\n\n.\n..\n.a\n",
    "no end": b"Subject: no end\n\nlast line",
    "large": mail(b"line of a larger message\n" * 20000),
}

# Where scripts/setup unpacks the packages that exclude each other.
UNPACKED = (os.environ.get("BUILD") or os.path.dirname(POPBOX)) + (
    "/superservers/usr/sbin")

_namespace = None


def superserver(name, package=None):
    """The path of a superserver's program, or the end of the test."""
    unpacked = os.path.join(UNPACKED, name)
    return (unpacked if os.access(unpacked, os.X_OK)
            else program(name, package))


def need_namespace():
    """Root, and a mount namespace to hide our /dev/log in."""
    global _namespace
    need_root()
    if _namespace is None:
        _namespace = subprocess.run(
            ["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode
    if _namespace != 0:
        absent("mount namespace for a /dev/log of our own")


class Syslog:
    """A /dev with nothing but a log socket and the usual memory devices."""

    DEVICES = ("null", "zero", "full", "random", "urandom")

    def __init__(self):
        self.dev = scratch("dev")
        os.chmod(self.dev, 0o755)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A path through a descriptor: the real one may be too long.
        held = os.open(self.dev, os.O_PATH)
        self.socket.bind("/proc/self/fd/%d/log" % held)
        os.close(held)
        os.chmod(self.dev + "/log", 0o666)
        for name in self.DEVICES:
            open(self.dev + "/" + name, "w").close()
        self._lines = []
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            line = self.socket.recv(1 << 16)
            with self._more:
                self._lines.append(line)
                self._more.notify_all()

    def text(self):
        with self._more:
            return b"\n".join(self._lines).decode("latin-1")

    def wait(self, pattern, timeout=PATIENCE):
        """Waits for a line that matches; all lines so far."""
        wait_for(lambda: re.search(pattern, self.text(), re.M), timeout)
        return self.text()

    def wrapper(self):
        """A command that runs its arguments with this /dev."""
        script = "set -e\n"
        for name in self.DEVICES:
            script += "mount --bind /dev/%s '%s/%s'\n" % (name, self.dev,
                                                          name)
        # Not our pid file in the machine's /run.
        script += "mount -t tmpfs tmpfs /run\n"
        script += "mount --rbind '%s' /dev\nexec \"$@\"\n" % self.dev
        return ["unshare", "-m", "sh", "-c", script, "sh"]


def manual(pattern):
    """What an example of the manual page says: the match's last group."""
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../../docs/mdpop3d.8")
    with open(page) as file:
        found = re.search(pattern, file.read(), re.M | re.S)
    if not found:
        raise AssertionError("the manual page has no such example")
    return found.groups()[-1]


class Super:
    """A running superserver; .port, .address, .log (a Syslog), .errors()."""

    def __init__(self, argv, address, port, path=""):
        need_namespace()
        self.address, self.port = address, port
        self.log = Syslog()
        self._errors = scratch("super") + "/errors"
        with open(self._errors, "wb") as errors:
            self.process = subprocess.Popen(
                self.log.wrapper() + argv,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                cwd="/", start_new_session=True,
                env={"PATH": path + ":/usr/sbin:/usr/bin:/sbin:/bin",
                     "LC_ALL": "C"})
        cleanup(self.end)
        # Asked without connecting: the first connection may be counted.
        if not wait_for(lambda: listening(port) or
                        self.process.poll() is not None) or (
                            self.process.poll() is not None):
            raise AssertionError("%s does not listen: %s" % (
                argv[0], self.errors()))

    def errors(self):
        """What it and its children wrote to standard error."""
        with open(self._errors, "rb") as file:
            return file.read().decode("latin-1")

    def connect(self):
        return connect(self)

    def below(self, pid=None):
        """All its descendants, ended ones that nobody waited for too."""
        found = []
        pid = pid or self.process.pid
        try:
            tasks = os.listdir("/proc/%d/task" % pid)
        except OSError:
            return []
        for task in tasks:
            try:
                with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                    for child in map(int, file.read().split()):
                        found += [child] + self.below(child)
            except OSError:
                pass
        return found

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        report = re.search(r"(?s)(ERROR: \w+Sanitizer|runtime error:).*",
                           self.errors())
        if report:
            ok(False, "sanitizer report", report.group(0)[:3000])


class Trial:
    """The binary under all its names, a virtual user, a Maildir for -a."""

    def __init__(self):
        need_namespace()
        self.bin = scratch("bin")
        shutil.copy(POPBOX, self.bin + "/popbox")
        os.chmod(self.bin + "/popbox", 0o755)
        for name in ("mdpop3d", "in.mdpop3d"):
            os.symlink("popbox", "%s/%s" % (self.bin, name))
        self.users = UserFile()
        self.maildir = self.users.add(NAME, PASSWORD, uid=OWNER)
        self.own = Maildir(scratch("own") + "/Maildir", NOBODY)
        for i, data in enumerate(MESSAGES.values()):
            for maildir in (self.maildir, self.own):
                maildir.add("new", "170000000%d.M1P1.host" % i, data)

    def login(self, *more):
        need("FEATURE_MDPOP3D_USERFILE")
        return ["-P", self.users.path, *more]

    def preauth(self, *more):
        return ["-a", "-m", self.own.path, *more]

    def any(self, *more):
        """What this build can do."""
        can = config("FEATURE_MDPOP3D_USERFILE")
        return self.login(*more) if can else self.preauth(*more)

    def sessions(self):
        """Processes that run this trial's copy of the binary."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    words = file.read().decode("latin-1").split("\0")
                words.append(os.readlink("/proc/%s/exe" % pid))
                # The second word is the program of an interpreter.
                if self.bin in map(os.path.dirname, words[:2] + words[-1:]):
                    found.append(int(pid))
            except OSError:
                pass
        return found


def converse(what, client, args):
    """A whole session; every byte that comes back is accounted for."""
    data = list(MESSAGES.values())
    got, want = [client.line()], [b"+OK\r\n"]

    def say(command, answer):
        got.append(client.cmd(command))
        want.append(answer)
        return got[-1] == answer

    if "-P" in args:
        say("USER " + NAME, b"+OK\r\n")
        say("PASS " + PASSWORD, b"+OK\r\n")
    say("STAT", b"+OK %d %d\r\n" % (len(data),
                                    sum(map(oracle.size, data))))
    for i, stored in enumerate(data, 1):
        if say("RETR %d" % i, b"+OK\r\n"):
            got.append(client.body())
            want.append(oracle.retr(stored))
    say("RETR %d" % (len(data) + 1), b"-ERR")
    got[-1] = got[-1][:4]       # the text is the server's own affair
    say("QUIT", b"+OK\r\n")
    got.append(client.rest())
    want.append(b"")
    is_(got, want, what + ": a whole session, byte for byte")


def burst(what, server, count=300):
    """So many connections in a row, each of them answered."""
    answers = {}
    for _ in range(count):
        try:
            with server.connect() as client:
                got = client.line()
                client.send(b"QUIT\r\n")
                got += client.rest()
        except (OSError, TimeoutError) as error:
            got = repr(error)
        answers[got] = answers.get(got, 0) + 1
    is_(answers, {b"+OK\r\n+OK\r\n": count},
        "%s: %d connections in a row are answered" % (what, count))


def none_left(what, server, trial):
    """No session runs on, and none waits for somebody to wait for it."""
    def left():     # the superserver may have become our own listener
        return set(trial.sessions()) - {server.process.pid}

    ok(wait_for(lambda: not left(), 10), what + ": no session is left",
       left())
    ok(wait_for(lambda: not server.below(), 10),
       what + ": no process is left", server.below())


def vanish(client):
    """The client is gone, without a goodbye from TCP either."""
    client.owner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    client.close()


def simple(what, start, trial, args, address="127.0.0.1", client=None,
           **how):
    """One session, and its log."""
    server = start(trial, args, address=address, **how)
    with server.connect() as c:
        converse(what, c, args)
    like(server.log.wait("quit"), r"\[%s\]\[%s\] quit" % (
        re.escape(client or address), NAME if "-P" in args else "root"),
        what + ": the log names the client", server.errors())
    none_left(what, server, trial)


class Questions:
    """What is asked of mdpop3d under every superserver.

    name     of the superserver
    start    start(trial, arguments, user="root", address="127.0.0.1") makes
             a Super
    six      does it listen on IPv6?
    shared   is the client also on standard error?
    own      does it hand over the listening socket?  Then nobody is there
             to tell a client that the arguments are wrong.
    """

    def __init__(self, name, start, six=True, shared=True, own=False):
        self.name, self.start = name, start
        self.six, self.shared = six, shared
        for method in (self.log_in, self.preauthenticated, self.ipv6,
                       self.to_stderr, self.wrong_password, self.vanished,
                       self.many):
            self._register(method)
        for method in () if own else (self.misuse, self.no_address):
            self._register(method)

    def _register(self, method):
        def question():
            method()
        question.__name__ = method.__name__
        question.__doc__ = "%s, %s" % (self.name, method.__doc__)
        test(question)

    def log_in(self):
        """a virtual user"""
        what = self.name + ", a virtual user"
        trial = Trial()
        args = trial.login()
        server = self.start(trial, args)
        with server.connect() as client:
            converse(what, client, args)
        like(server.log.wait("quit"),
             r"\[127\.0\.0\.1\]\[%s\] quit" % NAME,
             what + ": the log names the client", server.errors())
        unlike(server.errors(), r"mdpop3d\[", what + ": in syslog only")
        is_(len(trial.maildir.names("cur")), len(MESSAGES),
            what + ": QUIT moves new messages to cur")
        none_left(what, server, trial)

    def preauthenticated(self):
        """-a as a user"""
        what = self.name + ", -a as a user"
        trial = Trial()
        args = trial.preauth()
        server = self.start(trial, args, user="nobody")
        with server.connect() as client:
            wait_for(trial.sessions)
            users = {os.stat("/proc/%d" % pid).st_uid
                     for pid in trial.sessions()}
            is_(users, {NOBODY}, what + ": runs as that user")
            converse(what, client, args)
        like(server.log.wait("quit"), r"\[127\.0\.0\.1\]\[nobody\] quit",
             what + ": the log names the client", server.errors())
        none_left(what, server, trial)

    def ipv6(self):
        """IPv6"""
        what = self.name + ", IPv6"
        if not self.six:
            raise Skip("%s has no IPv6" % self.name)
        trial = Trial()
        simple(what, self.start, trial, trial.any(), address="::1")

    def to_stderr(self):
        """-e, with -d"""
        debug = config("FEATURE_MDPOP3D_DEBUG")
        what = self.name + ", -e" + (" -d" if debug else "")
        trial = Trial()
        args = trial.any("-e", *(["-d"] if debug else []))
        server = self.start(trial, args)
        with server.connect() as client:
            converse(what, client, args)
        none_left(what, server, trial)
        if self.shared:
            like(server.log.wait("quit"), r"\[127\.0\.0\.1\]\[\w+\] quit",
                 what + ": the log goes to syslog, not to the client")
        else:
            like(server.errors(), r"\[127\.0\.0\.1\]\[\w+\] quit",
                 what + ": the log is on standard error")
            if debug:
                like(server.errors(), r"RETR 2",
                     what + ": commands, too")
        unlike(server.errors() + server.log.text(), PASSWORD,
               what + ": the password is in no log")

    def misuse(self):
        """an option that does not exist"""
        what = self.name + ", a wrong option"
        trial = Trial()
        server = self.start(trial, ["-Y"])
        with server.connect() as client:
            like(client.rest(), r"\A-ERR \[SYS/PERM\] [^\r\n]*\r\n\Z",
                 what + ": the client gets one line and no more")
        if self.shared:
            like(server.log.wait("mdpop3d"), r"mdpop3d\[\d+\]: .*Y",
                 what + ": the reason is in the log")
        else:
            like(server.errors(), r"usage: mdpop3d",
                 what + ": the usage is on standard error")
        none_left(what, server, trial)

    def wrong_password(self):
        """a wrong password"""
        what = self.name + ", a wrong password"
        trial = Trial()
        server = self.start(trial, trial.login())
        with server.connect() as client:
            client.line()
            client.cmd("USER " + NAME)
            client.send(b"PASS wrong\r\n")
            like(client.rest(), r"\A-ERR \[AUTH\] [^\r\n]*\r\n\Z",
                 what + ": the client gets one line and no more")
        like(server.log.wait(NAME), r"\[127\.0\.0\.1\].*%s" % NAME,
             what + ": the log names client and user")
        none_left(what, server, trial)

    def no_address(self):
        """-R with a variable that does not exist"""
        what = self.name + ", -R without its variable"
        trial = Trial()
        server = self.start(trial, trial.any("-R", "NO_SUCH_VARIABLE"))
        with server.connect() as client:
            like(client.rest(), r"\A-ERR \[SYS/PERM\] [^\r\n]*\r\n\Z",
                 what + ": the client gets one line and no more")
        none_left(what, server, trial)

    def vanished(self):
        """clients that vanish"""
        what = self.name + ", clients that vanish"
        trial = Trial()
        args = trial.any()
        server = self.start(trial, args)
        before = trial.maildir.tree(), trial.own.tree()
        for i in range(20):
            client = server.connect()
            if i % 4:
                client.line()
            if i % 4 > 1 and "-P" in args:
                client.cmd("USER " + NAME)
            if i % 4 > 2:
                if "-P" in args:
                    client.cmd("PASS " + PASSWORD)
                client.cmd("DELE 1")
                client.send(b"RETR 4\r\n")
            vanish(client)
        none_left(what, server, trial)
        is_((trial.maildir.tree(), trial.own.tree()), before,
            what + ": nothing has changed")
        with server.connect() as client:
            converse(what + ", afterwards", client, args)

    def many(self):
        """300 connections"""
        trial = Trial()
        server = self.start(trial, trial.any("-q"))
        burst(self.name, server)
        none_left(self.name + ", 300 connections", server, trial)
