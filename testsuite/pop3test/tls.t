#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test: TLS by other programs, openssl and one that is made up.

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()
if not shutil.which("openssl"):
    skip_all("no openssl")

DIR = tempfile.mkdtemp()
cleanup(subprocess.call, ["rm", "-rf", DIR])
# The relay's sockets: nothing may be left in it.
SCRATCH = DIR + "/scratch"
os.mkdir(SCRATCH)


def certificate(name, *alternatives):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=" + alternatives[0].split(":")[1], "-addext",
         "subjectAltName=" + ",".join(alternatives), "-keyout",
         "%s/%s.key" % (DIR, name), "-out", "%s/%s.pem" % (DIR, name)],
        check=True, stderr=subprocess.DEVNULL)


certificate("good", "DNS:localhost", "IP:127.0.0.1")
certificate("other", "DNS:mail.example", "IP:192.0.2.1")
TRUST = {"SSL_CERT_FILE": DIR + "/good.pem"}
TRUST_OTHER = {"SSL_CERT_FILE": DIR + "/other.pem"}


class Secure(Fake):
    """Fake behind TLS, from the beginning or after STLS."""

    def __init__(self, talk=None, certificate="good", stls=False):
        self.names = []         # what clients called it
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain("%s/%s.pem" % (DIR, certificate),
                                     "%s/%s.key" % (DIR, certificate))
        self.context.sni_callback = lambda _, name, __: self.names.append(
            name)

        def secure(link):
            self._wrap(link)
            (talk or ordinary())(link)
        super().__init__(ordinary(STLS=self._stls, CAPA=b"+OK\r\nSTLS\r\n"
                                  b".\r\n") if stls else secure)

    def _wrap(self, link):
        link.sock = self.context.wrap_socket(link.sock, server_side=True)

    def _stls(self, link, args):
        """TLS begins where the next line is wanted."""
        hear = link.hear

        def wrap_first():
            link.hear = hear
            self._wrap(link)
            return hear()
        link.hear = wrap_first
        return b"+OK go on\r\n"


def stat(*args, env=None, **how):
    """Over TLS, with nothing left behind."""
    return pop3test("stat", *args, env={"TMPDIR": SCRATCH, **(env or {})},
                    **how)


def script(*lines):
    handle, path = tempfile.mkstemp(suffix=".pop3", dir=DIR)
    with os.fdopen(handle, "w") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def works(what, *args, **how):
    run = stat(*args, **how)
    is_((run.status, run.out), (0, b"1 %d\n" % len(HELLO)), what, run.err)
    return run


def fails(what, status, pattern, *args, **how):
    run = stat(*args, **how)
    is_((run.status, run.out), (status, b""), what + ": status", run.err)
    like(run.err, pattern, what + ": is said")
    return run


def left(scratch):
    """What is in a $TMPDIR, and which processes have it."""
    found = os.listdir(scratch)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                if ("TMPDIR=%s\0" % scratch).encode() in file.read():
                    found.append(pid)
        except OSError:
            pass
    return found


@test
def at_once():
    """pop3s:// and -S"""
    server = Secure()
    port = server.port
    works("pop3s://ADDRESS", "pop3s://127.0.0.1:%d" % port)
    works("pop3s://NAME", "pop3s://localhost:%d" % port)
    works("-S", "-S", server.target)
    is_(server.names, [None, "localhost", None],
        "names are told to the server, addresses are not")
    run = works("no certificate counts", "-S", server.target,
                env=TRUST_OTHER)
    ok(run.seconds < 5, "in time", run.seconds)


@test
def stls():
    """STLS"""
    server = Secure(stls=True)
    works("-X", "-X", server.target)
    at = server.heard.index(b"STLS")
    is_(server.heard[at + 1:], [b"STAT", b"QUIT"] if b"CAPA" not in
        server.heard[at + 1:] else [b"CAPA", b"STAT", b"QUIT"],
        "the rest is behind TLS")
    works("-X and a user", "-X", "-u", "me:mine", server.target)
    works("-X --verify", "-X", "--verify", "localhost:%d" % server.port,
          env=TRUST)
    fails("-X --verify, another certificate", 2, "certificate verify failed",
          "-X", "--verify", "localhost:%d" % server.port, env=TRUST_OTHER)
    refusing = Fake(ordinary(STLS=b"-ERR no\r\n", CAPA=b"+OK\r\nSTLS\r\n.\r\n"))
    run = stat("-X", "-u", "me:mine", refusing.target)
    ok(run.status in (1, 2), "refused: it ends there", run)
    ok(not [line for line in refusing.heard if b"me" in line],
       "and tells no name", refusing.heard)


@test
def verify():
    """--verify"""
    server = Secure()
    other = Secure(certificate="other")
    works("by name", "--verify", "pop3s://localhost:%d" % server.port,
          env=TRUST)
    works("by address", "--verify", "-S", server.target, env=TRUST)
    wrong = "certificate verify failed"
    fails("nobody we know", 2, wrong, "--verify", "-S", server.target,
          env=TRUST_OTHER)
    fails("another name", 2, "hostname mismatch", "--verify",
          "pop3s://localhost:%d" % other.port, env=TRUST_OTHER)
    fails("another address", 2, "IP address mismatch", "--verify", "-S",
          other.target, env=TRUST_OTHER)
    fails("no name to verify", 3, "no host name to verify", "--verify", "-S",
          "--", "cat")
    for s in (server, other):
        del s.heard[:]
    run = stat("--verify", "-S", "-u", "me:secret", other.target,
               env=TRUST_OTHER)
    is_(run.status, 2, "with a password", run.err)
    is_(other.heard, [], "it is told to nobody")


@test
def commands():
    """-C, POP3TEST_TLS and their likes"""
    server = Secure()
    target = ("-S", server.target)
    for what, how in (
            ("-C ''", dict(args=("-C", ""))),
            ("blanks", dict(args=("-C", "  "))),
            ("not in PATH", dict(args=("-C", "no-such-program %s"))),
            ("no PATH", dict(env={"PATH": "/nowhere"})),
            ("not there", dict(args=("-C", "/no/such %s"))),
            ("POP3TEST_TLS=", dict(env={"POP3TEST_TLS": ""}))):
        fails(what, 3, "no TLS: no program for it .*-C",
              *how.get("args", ()), *target, env=how.get("env"))
    plain = "openssl s_client -quiet -verify_quiet -unix %s"
    works("-C", "-C", plain, *target)
    works("POP3TEST_TLS", *target, env={"POP3TEST_TLS": plain})
    fails("POP3TEST_TLS_VERIFY", 2, "Unknown option.*nonsense", "--verify",
          *target, env={"POP3TEST_TLS": plain, "POP3TEST_TLS_VERIFY":
                        "openssl s_client -nonsense -unix %s"})
    works("-C goes before them", "-C", plain, *target,
          env={"POP3TEST_TLS": "false"})
    run = fails("it dies", 2, "EOF", "-C", "false %s", *target)
    ok(run.seconds < 3, "it dies: at once", run.seconds)
    fails("it dies with a word", 2, "Unknown option.*nonsense", "-C",
          "openssl s_client -nonsense -unix %s", *target)
    fails("too many words", 3, "too long a command", "-C", 40 * "x ", *target)
    fails("too long a word", 3, "too long a command", "-C", 3000 * "x",
          *target)
    fails("no folder for the socket", 3, "/no/such/pop3test.*No such file",
          *target, env={"TMPDIR": "/no/such"})
    fails("too long a path", 3, "/xxxx.*: error", *target,
          env={"TMPDIR": "/" + 120 * "x"})
    no_tls = Fake(lambda link: link.say(b"-ERR no TLS here\r\n"))
    fails("no TLS at the other end", 2, "wrong version number|EOF", "-S",
          no_tls.target)


UCSPI = """
import os, select, socket, ssl, sys
word = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
if os.environ["TLS_VERIFY"] != "1":
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
context.load_verify_locations(os.environ["SSL_CERT_FILE"])
with open(os.environ["TMPDIR"] + "/../seen", "w") as file:
    same = os.path.samestat(os.fstat(6), os.fstat(7))
    open_fds = [fd for fd in os.listdir("/proc/self/fd")
                if os.path.exists("/proc/self/fd/" + fd)
                and os.readlink("/proc/self/fd/" + fd)[:7] in (
                    "socket:", "/memfd:")]
    raw = socket.socket(fileno=os.dup(6))
    state = (raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
             any(raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)),
             os.get_blocking(6))
    raw.close()
    file.write(repr((word, os.environ["TLS_HOST"], os.environ["TLS_VERIFY"],
                     same, sorted(open_fds), state)))
try:
    server = context.wrap_socket(socket.socket(fileno=6),
                                 server_hostname=os.environ["TLS_HOST"])
except ssl.SSLError as error:
    sys.exit(str(error))
os.close(7)
while True:
    for ready in select.select([0, server], [], [])[0]:
        if ready == 0:
            data = os.read(0, 65536)
            if not data:
                sys.exit()
            server.sendall(data)
            continue
        data = server.recv(65536)
        if not data:
            sys.exit()
        os.write(1, data)
        while server.pending():
            os.write(1, server.recv(65536))
"""


@test
def ucspi():
    """a connector on descriptors 6 and 7"""
    server = Secure()
    with open(DIR + "/connector", "w") as file:
        file.write("#!%s\n%s" % (sys.executable, UCSPI))
    os.chmod(DIR + "/connector", 0o755)
    port = server.port

    def seen():
        with open(DIR + "/seen") as file:
            return eval(file.read())
    works("by address", "-S", "-C", DIR + "/connector %h -n=%n -a=%a %%",
          server.target, env=TRUST)
    fds = ["0", "1", "2", "6", "7"]
    usual = (1, False, True)    # no delay, no timeout, but blocking
    is_(seen(), (["127.0.0.1", "-a=127.0.0.1", "%"], "127.0.0.1", "0", True,
                 fds, usual), "its words, environment and descriptors")
    works("by name, verified", "--verify", "-C", DIR +
          "/connector\t-n %n  -a=%a%a %hx", "pop3s://localhost:%d" % port,
          env=TRUST)
    is_(seen(), (["-n", "localhost", "localhostx"], "localhost", "1", True,
                 fds, usual), "its words, environment and descriptors")
    fails("verified, another certificate", 2, "CERTIFICATE_VERIFY_FAILED",
          "--verify", "-C", DIR + "/connector",
          "pop3s://localhost:%d" % port, env=TRUST_OTHER)
    run = pop3test("run", script(
        "test one", "S1: +OK", "S2: +OK", "C1: QUIT", "S1: +OK", "eof 1",
        "C2: NOOP", "S2: +OK", "C2: QUIT", "S2: +OK", "eof 2"), "-S", "-C",
        DIR + "/connector", server.target,
        env={"TMPDIR": SCRATCH, **TRUST})
    is_(run.status, 0, "two at a time", run.out + run.err)
    is_(seen()[4], fds, "neither has the other's descriptors")


@test
def bytes_as_they_are():
    """every byte passes, whatever it is"""
    text = b"Subject: x\r\n\r\n" + b"".join(
        bytes([c]) + b" %d\r\n" % c for c in range(256) if c not in (10, 13))
    big = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n"
    big += big * 60000
    server = Secure(ordinary([text, big]))
    for number, message in ((1, text), (2, big)):
        run = pop3test("get", "--crlf", str(number), "-S", server.target,
                       env={"TMPDIR": SCRATCH})
        is_(run.out, message, "message %d" % number, run.err)
    def deny(link):
        link.say(b"+OK\r\n")
        while link.hear() is not None:
            link.say(b"-ERR\r\n")
    server = Secure(deny)
    lines = ["Q", "R", "k", "K", "B", "C", "?", "Quiet", "R\\x00\\xff", ""]
    run = pop3test("run", script("S: +OK", *(
        step for line in lines for step in ("C: " + line, "S: -ERR"))),
        "-S", server.target, env={"TMPDIR": SCRATCH})
    is_(run.status, 0, "no line is a command to openssl", run.out)
    is_(server.heard,
        [line.encode() for line in lines[:-2]] + [b"R\0\xff", b""],
        "and all arrive")


LONG_ANSWERS = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
s = socket.socket(fileno=0)
s.sendall(b"+OK\\r\\n")
s.recv(100)
s.sendall(b"+OK\\r\\n")
s = context.wrap_socket(s, server_side=True)
lines = s.makefile("rb", buffering=1000)
while lines.readline() == 900 * b"y" + b"\\r\\n":
    s.sendall(b"+OK\\r\\n" + 10 * (398 * b"x" + b"\\r\\n") + b".\\r\\n")
"""


@test
def both_ways():
    """commands wait because answers do"""
    # More than sockets take, less than all those between can keep: only
    # one who goes on reading while it cannot write gets on.
    count = 400
    with open(DIR + "/long", "w") as file:
        file.write(LONG_ANSWERS)
    run = pop3test("run", "-t", "5", script(
        "S: +OK", "C: STLS", "S: +OK", "tls", *["C: " + 900 * "y"] * count,
        *["S: +OK", "S: ... -> m", "check $m.octets == 4000"] * count,
        "close"), "--", sys.executable, DIR + "/long", DIR + "/good",
        env={"TMPDIR": SCRATCH})
    is_(run.status, 0, "all answers come", run.out[-2000:])


@test
def apart():
    """a connector, a relay and we hold no other connection open"""
    seen = []

    def talk(link):
        name = None
        link.say(b"+OK\r\n")
        while True:
            line = link.hear()
            if line is None:
                seen.append(name)
                return
            if line == b"note":
                seen.append(line)
            name = name or line
            link.say(b"+OK\r\n")
            if line == b"STLS":
                server._wrap(link)
    server = Secure(stls=True)
    server._talk = talk
    run = pop3test("run", script(
        "S1: +OK", "C1: plain", "S1: +OK",
        "S2: +OK", "C2: STLS", "S2: +OK", "tls 2", "C2: x", "S2: +OK",
        "S3: +OK", "C3: third", "S3: +OK",
        "close 1", "wait 300ms", "C3: note", "S3: +OK",
        "close 2", "wait 300ms", "C3: note", "S3: +OK", "close 3"),
        server.target, env={"TMPDIR": SCRATCH})
    is_(run.status, 0, "three connections", run.out + run.err)
    ok(wait_for(lambda: len(seen) == 5), "all end", seen)
    is_(seen, [b"plain", b"note", b"STLS", b"note", b"third"],
        "each when it is closed")
    with open(DIR + "/spy", "w") as file:
        file.write("#!/bin/sh\nls -l /proc/$$/fd >%s/spied\n"
                   "exec openssl s_client -quiet -unix $1\n" % DIR)
    os.chmod(DIR + "/spy", 0o755)
    works("a connector with a socket's path", "-S", "-C", DIR + "/spy %s",
          Secure().target)
    with open(DIR + "/spied") as file:
        is_(len([line for line in file if "socket:" in line]), 2,
            "has two other sockets, 0 and 1")


@test
def endings():
    """who ends it, and how"""
    seen = []
    own = {"TMPDIR": DIR + "/own"}
    os.mkdir(own["TMPDIR"])

    def watch(link):
        link.say(b"+OK\r\n")
        with socket.socket(fileno=os.dup(link.sock.fileno())) as raw:
            line = link.hear()
            try:
                while raw.recv(1000):
                    pass
                seen.append((line, b"end", time.monotonic()))
            except ConnectionResetError:
                seen.append((line, b"reset", time.monotonic()))
    server = Secure(watch)
    for way in ("reset", "close"):
        run = pop3test("run", script("S: +OK", "C: " + way, "wait 100ms",
                                     way), "-S", server.target,
                       env=own)
        is_(run.status, 0, way, run.out + run.err)
        ok(run.seconds < 3, way + ": in time", run.seconds)
    ok(wait_for(lambda: len(seen) == 2), "the server sees both", seen)
    is_([s[:2] for s in seen], [(b"reset", b"reset"), (b"close", b"end")],
        "as what they are")

    def rude(link):
        link.say(b"+OK\r\n")
        link.hear()
        link.sock.shutdown(socket.SHUT_RDWR)
    for what, talk in (("without a goodbye", rude), ("after its greeting",
                                                     lambda link: link.say(
                                                         b"+OK\r\n"))):
        run = stat("-S", Secure(talk).target, env=own)
        is_(run.status, 2, what + ": status", run.out)
        like(run.err, "EOF", what + ": is said")
        ok(run.seconds < 4, what + ": in time", run.seconds)
    is_(left(own["TMPDIR"]), [], "nothing is left")
    # This server does not end because its client does.
    shaken = threading.Event()

    def stay(link):
        shaken.set()
        time.sleep(8)
    server = Secure(stay)
    process = subprocess.Popen(
        [POPBOX, "pop3test", "stat", "-S", server.target],
        env={**os.environ, **own}, stderr=subprocess.DEVNULL)

    def running():
        found = left(own["TMPDIR"])
        return shaken.is_set() and len(found) == 3 and all(
            map(str.isdigit, found))
    ok(wait_for(running), "client, connector and relay")
    time.sleep(0.5)             # what is on its way would end it, too
    process.kill()
    process.wait()
    ok(wait_for(lambda: not left(own["TMPDIR"]), 5),
       "killed: nothing is left", left(own["TMPDIR"]))


ON_DESCRIPTOR_0 = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
s = context.wrap_socket(socket.socket(fileno=0), server_side=True)
s.sendall(b"+OK\\r\\n+OK 1 %d\\r\\n+OK\\r\\n")
while s.recv(100):
    pass
""" % len(HELLO)


def pump(source, sink):
    """Bytes of a socket into another, and the end."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@test
def other_targets():
    """TLS to a command, a UNIX socket, and descriptors 6 and 7"""
    works("a command", "-S", "--", sys.executable, "-c", ON_DESCRIPTOR_0,
          DIR + "/good")
    server = Secure()
    listener = socket.socket(socket.AF_UNIX)
    cleanup(listener.close)
    listener.bind(DIR + "/socket")
    listener.listen(1)

    def carry():
        client, _ = listener.accept()
        with client, socket.create_connection(
                ("127.0.0.1", server.port)) as far:
            threading.Thread(target=pump, args=(client, far),
                             daemon=True).start()
            pump(far, client)
    threading.Thread(target=carry, daemon=True).start()
    works("a UNIX socket", "-S", "unix:%s/socket" % DIR)
    is_(server.names, [None], "it has no name to be told")
    if not shutil.which("tcpclient"):
        raise Skip("no tcpclient (ucspi-tcp)")
    works("descriptors 6 and 7", "-S", "-", wrap=[
        "tcpclient", "-HRl0", "127.0.0.1", str(server.port)])


@test
def mdpop3d():
    """mdpop3d behind TLS"""
    need("MDPOP3D")
    stored = b"Subject: x\n\n.dots\n..\nend"
    box = Maildir()
    for i in range(3):
        box.add("new", "%d.x" % i, stored)

    def serve(link):
        ours, theirs = socket.socketpair()
        with ours, subprocess.Popen([POPBOX, "mdpop3d", "-a", "-m", box.path],
                                    stdin=theirs, stdout=theirs,
                                    stderr=subprocess.DEVNULL):
            theirs.close()
            threading.Thread(target=pump, args=(link.sock, ours),
                             daemon=True).start()
            pump(ours, link.sock)
    server = Secure(serve)
    run = stat("--verify", "-S", server.target, env=TRUST)
    is_((run.status, run.out), (0, b"3 %d\n" % (3 * oracle.size(stored))),
        "it is asked", run.err)
    run = pop3test("get", "--crlf", "2", "-S", server.target,
                   env={"TMPDIR": SCRATCH})
    is_((run.status, run.out), (0, oracle.wire(stored)), "a message",
        run.err)


run_tests()
