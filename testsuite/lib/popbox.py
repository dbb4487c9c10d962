# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts popbox mdpop3d in every way it can be started, and talks to it.

    from popbox import *

    @test
    def empty():
        with session(Maildir()) as c:
            is_(c.cmd("STAT"), b"+OK 0 0\\r\\n", "C65 empty")

    run_tests()

Environment: POPBOX (the binary), CONFIG (its .config).
"""

import os
import random
import re
import select
import signal
import socket
import subprocess
import threading
import time

import oracle
from accounts import *
from maildir import *
from tap import *

_top = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
POPBOX = os.path.abspath(os.environ.get("POPBOX") or _top + "/build/popbox")
CONFIG = os.path.abspath(os.environ.get("CONFIG") or _top + "/.config")


def _read_config():
    found = {}
    with open(CONFIG) as file:
        for line in file:
            m = re.match(r"CONFIG_(\w+)=(.*)", line.strip())
            if m:
                name, value = m.groups()
                found[name] = (True if value == "y" else
                               int(value) if value.isdigit() else
                               value.strip('"'))
    return found


_config = _read_config()


def config(name):
    """A symbol of the configuration: True, False, a number or a string."""
    return _config.get(name.replace("CONFIG_", "", 1), False)


def need(*symbols):
    """Skips the rest of the test unless all of these are configured."""
    for name in symbols:
        if not config(name):
            raise Skip(name + " is not configured")


def sandboxed():
    """Do seccomp and Landlock hold after login?"""
    return config("FEATURE_MDPOP3D_SANDBOX") and not config("SANITIZE")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


# A machine under load must not make a test fail: deadlines are generous,
# they only end tests that would hang.
PATIENCE = 60 if config("SANITIZE") else 20


def wait_for(condition, timeout=None, every=0.01):
    """Polls for what no descriptor announces; the last value it had."""
    end = time.monotonic() + (timeout or PATIENCE)
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


class Ended(Exception):
    """The server closed the connection in the middle of something."""

    def __init__(self, partial):
        super().__init__("connection closed after %r" % bytes(partial[-200:]))
        self.partial = bytes(partial)


class Client:
    """A raw POP3 client: bytes out, bytes in, every wait with a deadline."""

    def __init__(self, fd_in, fd_out=None, owner=None):
        self.fd_in = fd_in
        self.fd_out = fd_in if fd_out is None else fd_out
        self.owner = owner      # keeps a socket object alive
        self.server = None
        self.buf = bytearray()
        self.ended = False
        self.gone = False       # a write failed: nobody reads any more
        self.stamp = time.monotonic()   # before the last send
        cleanup(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        if self.server:
            self.server.end()

    def close(self):
        if self.owner is not None:
            self.owner.close()
        else:
            for fd in {self.fd_in, self.fd_out} - {None}:
                os.close(fd)
        self.owner = self.fd_in = self.fd_out = None

    def shut(self):
        """Half-close: no more commands, but answers are still read."""
        if isinstance(self.owner, socket.socket):
            self.owner.shutdown(socket.SHUT_WR)
        elif self.fd_out is not None:
            os.close(self.fd_out)
            self.fd_out = None

    def _recv(self, timeout):
        """One more chunk into the buffer; false at the end."""
        poll = select.poll()
        poll.register(self.fd_in, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise TimeoutError("no answer within %g s, so far %r" % (
                timeout, bytes(self.buf[-200:])))
        try:
            got = os.read(self.fd_in, 1 << 16)
        except ConnectionError:
            got = b""
        self.buf += got
        self.ended = got == b""
        return not self.ended

    def send(self, data):
        """All bytes; a server that has gone away is noted in `gone`."""
        if isinstance(data, str):
            data = data.encode()
        view = memoryview(data)
        self.stamp = time.monotonic()
        while view:
            try:
                view = view[os.write(self.fd_out, view[:1 << 16]):]
            except (BrokenPipeError, ConnectionError):
                self.gone = True
                return

    def pump(self, data, timeout=None):
        """Sends while reading: for more data than sockets can hold."""
        view = memoryview(data)
        os.set_blocking(self.fd_out, False)
        try:
            while view:
                poll = select.poll()
                poll.register(self.fd_out, select.POLLOUT)
                if self.fd_in != self.fd_out:
                    poll.register(self.fd_in, select.POLLIN)
                else:
                    poll.modify(self.fd_in, select.POLLIN | select.POLLOUT)
                events = poll.poll((timeout or PATIENCE) * 1000)
                if not events:
                    raise TimeoutError("neither read nor write is possible")
                view = self._pump_step(dict(events), view)
        except (BrokenPipeError, ConnectionError):
            self.gone = True
        finally:
            os.set_blocking(self.fd_out, True)

    def _pump_step(self, events, view):
        if events.get(self.fd_in, 0) & (select.POLLIN | select.POLLHUP):
            if not self._recv(1):
                raise BrokenPipeError
        if events.get(self.fd_out, 0) & select.POLLOUT:
            try:
                view = view[os.write(self.fd_out, view[:1 << 16]):]
            except BlockingIOError:
                pass
        return view

    def line(self, timeout=None):
        """One line with its end; what there is at the end of the stream."""
        start = 0
        end = time.monotonic() + (timeout or PATIENCE)
        while True:
            at = self.buf.find(b"\n", start)
            if at >= 0:
                return self._take(at + 1)
            start = len(self.buf)
            if self.ended or not self._recv(max(end - time.monotonic(), 0)):
                return self._take(len(self.buf))

    def lines(self, count, timeout=None):
        return [self.line(timeout) for _ in range(count)]

    def _take(self, n):
        got = bytes(self.buf[:n])
        del self.buf[:n]
        return got

    def cmd(self, text, timeout=None):
        """Sends one command, returns the first line of its answer."""
        if isinstance(text, str):
            text = text.encode()
        self.send(text + b"\r\n")
        return self.line(timeout)

    def body(self, timeout=None):
        """The raw lines up to the final dot; Ended when it never comes."""
        start = 0
        end = time.monotonic() + (timeout or PATIENCE)
        while True:
            if self.buf.startswith(b".\r\n"):
                del self.buf[:3]
                return b""
            at = self.buf.find(b"\r\n.\r\n", start)
            if at >= 0:
                got = self._take(at + 2)
                del self.buf[:3]
                return got
            start = max(len(self.buf) - 4, 0)
            if self.ended or not self._recv(max(end - time.monotonic(), 0)):
                raise Ended(self.buf)

    def multi(self, text, timeout=None):
        """(status line, raw body); body None after anything but +OK."""
        status = self.cmd(text, timeout)
        if not status.startswith(b"+OK"):
            return status, None
        return status, self.body(timeout)

    def rest(self, timeout=None):
        """Everything up to the end of the connection."""
        end = time.monotonic() + (timeout or PATIENCE)
        while not self.ended and self._recv(max(end - time.monotonic(), 0)):
            pass
        return self._take(len(self.buf))

    def quiet(self, seconds):
        """True when nothing arrives for so long and the line stays open."""
        try:
            if self.buf or self.ended:
                return False
            self._recv(seconds)
            return False
        except TimeoutError:
            return True


class Server:
    """A running popbox.

    args     after the applet's name, strings
    env      its whole environment (besides PATH and the sanitizers' options)
    user     uid (and gid) to run as, with no other groups; needs root
    wrap     command before it, e.g. ["prlimit", "--nofile=8"]
    argv0    run the binary itself under this name instead of `popbox mdpop3d`
    stdin, stdout, stderr   as for subprocess; stderr=None keeps it for log()
    """

    def __init__(self, *args, env=None, user=None, groups=(), cwd=None,
                 wrap=(), argv0=None, stdin=None, stdout=None, stderr=None,
                 pass_fds=(), umask=-1):
        self._lines = []
        self._more = threading.Condition()
        self._log_ended = False
        self._signalled = False
        self._checked = False
        self._listens = "-l" in args
        who = {} if user is None else {
            "user": user, "group": user, "extra_groups": groups}
        argv = ([argv0] if argv0 else [*wrap, POPBOX, "mdpop3d"]) + [
            os.fspath(a) for a in args]
        self.process = subprocess.Popen(
            argv, executable=POPBOX if argv0 else None, cwd=cwd,
            env=_environment(env), stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=stderr or subprocess.PIPE, umask=umask,
            pass_fds=pass_fds, **who)
        self.pid = self.process.pid
        cleanup(self.end)
        if stderr is None:
            threading.Thread(target=self._read_log, daemon=True).start()
        else:
            self._log_ended = True

    def _read_log(self):
        with self.process.stderr as pipe:
            for line in pipe:
                with self._more:
                    self._lines.append(line)
                    self._more.notify_all()
        with self._more:
            self._log_ended = True
            self._more.notify_all()

    def wait_log(self, pattern, timeout=None):
        """Waits for a line of standard error; the match, or None."""
        end = time.monotonic() + (timeout or PATIENCE)
        with self._more:
            while True:
                text = b"".join(self._lines).decode("latin-1")
                found = re.search(pattern, text, re.M)
                left = end - time.monotonic()
                if found or self._log_ended or left <= 0:
                    return found
                self._more.wait(left)

    def log(self):
        """Standard error so far; all of it once the server has ended."""
        if self.process.poll() is not None:
            with self._more:
                self._more.wait_for(lambda: self._log_ended, 5)
        with self._more:
            return b"".join(self._lines).decode("latin-1")

    def signal(self, number):
        self._signalled = True
        self.process.send_signal(number)

    def wait(self, timeout=None):
        """Exit status (negative: a signal); raises when it does not end."""
        return self.process.wait(timeout or PATIENCE)

    def end(self):
        """Ends it if it still runs; a crash is a failure of the test."""
        if self._checked:
            return
        self._checked = True
        if self._listens and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            # A session sees that its client is gone.
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self._stop()
        status = self.process.wait()
        if status < 0 and not self._signalled:
            ok(False, "server ended by signal %d" % -status, self.log())
        report = re.search(r"(?s)(ERROR: \w+Sanitizer|runtime error:).*",
                           self.log())
        if report:
            ok(False, "sanitizer report", report.group(0)[:3000])

    def _stop(self):
        self._signalled = True
        self.process.kill()
        self.process.wait()
        ok(False, "server goes on after its client has gone", self.log())

    def children(self, pid=None):
        """Processes below it, depth first."""
        pid = pid or self.pid
        found = []
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
                for child in map(int, file.read().split()):
                    found += [child] + self.children(child)
        except OSError:
            pass
        return found

    def memory(self, field, pid=None):
        """A field of smaps_rollup or status, in KB.

        Anonymous is what a process has of its own.  Private_Dirty would
        count pages of a binary that was linked a moment ago, too.
        """
        for name in ("smaps_rollup", "status"):
            with open("/proc/%d/%s" % (pid or self.pid, name)) as file:
                m = re.search(r"^%s:\s+(\d+) kB" % field, file.read(), re.M)
                if m:
                    return int(m.group(1))
        raise KeyError(field)


def _environment(extra):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
           "ASAN_OPTIONS": "detect_leaks=%d:allocator_may_return_null=1" %
                           (os.environ.get("LEAKS", "1") == "1"),
           "UBSAN_OPTIONS": "print_stacktrace=1"}
    env.update(extra or {})
    return env


def tcp_pair(address="127.0.0.1"):
    """Both ends of a real TCP connection: (client, server)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname()[:2])
        return client, listener.accept()[0]


def start(*args, via="socket", **how):
    """A server serving one client; returns the Client (its .server runs).

    via: "socket" (a socketpair), "tcp", "tcp6", "pipe" (two pipes), or a
    pair of sockets (client, server) made by the caller.
    """
    began = time.monotonic()
    if via == "pipe":
        return _start_pipe(args, how)
    ours, theirs = (via if isinstance(via, tuple) else
                    socket.socketpair() if via == "socket" else
                    tcp_pair("::1" if via == "tcp6" else "127.0.0.1"))
    with theirs:
        server = Server(*args, stdin=theirs, stdout=theirs, **how)
    client = Client(ours.fileno(), owner=ours)
    client.server, client.stamp = server, began
    return client


def _start_pipe(args, how):
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    server = Server(*args, stdin=their_in, stdout=their_out, **how)
    os.close(their_in)
    os.close(their_out)
    client = Client(our_in, our_out)
    client.server = server
    return client


def session(maildir, *args, **how):
    """A greeted session in TRANSACTION state over `maildir` (-a)."""
    client = start("-a", "-e", "-m", maildir.path, *args, **how)
    client.greeting = client.line()
    if client.greeting != b"+OK\r\n":
        raise AssertionError("greeting %r, log: %s" % (
            client.greeting, client.server.log()))
    return client


def login(users, name, password, *args, **how):
    """A client logged in with USER and PASS against a user file (-P)."""
    client = start("-e", "-P", users.path, *args, **how)
    client.greeting = client.line()
    client.user_reply = client.cmd(b"USER " + name.encode())
    client.pass_reply = client.cmd(b"PASS " + password.encode())
    return client


def free_port(address="0.0.0.0"):
    """A TCP port that nobody listens on.

    From below the range that connections take theirs from: one of those
    could be in the way by the time it is used.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = int(file.read().split()[0])
    while True:
        port = random.randrange(min(10000, end // 2), end)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as s:
            try:
                s.bind((address, port))
            except OSError:
                continue
        if not listening(port):
            return port


def listening(port):
    """Does anything listen on this TCP port?  Asked without connecting."""
    want = ":%04X " % port
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                if any(want in line.split(" 0A ")[0] and " 0A " in line
                       for line in file):
                    return True
        except OSError:
            pass
    return False


def listener(*args, address="127.0.0.1", **how):
    """A server with its own listener (-l); .port is where to connect."""
    for again in (True, True, False):
        port = free_port()
        where = "[%s]:%d" % (address, port) if ":" in address else (
            "%s:%d" % (address, port))
        server = Server("-e", "-l", where, *args, **how)
        server.port, server.address = port, address
        if wait_for(lambda: listening(port) or
                    server.process.poll() is not None) and (
                        server.process.poll() is None):
            return server
        # Another test may have been quicker to take the port.
        if not again or server.process.poll() != 111:
            break
    raise AssertionError("no listener: " + server.log())


def connect(server, timeout=None, address=None):
    """A Client connected to a listener() (not yet greeted)."""
    sock = socket.create_connection((address or server.address, server.port),
                                    timeout or PATIENCE)
    sock.settimeout(None)
    return Client(sock.fileno(), owner=sock)
