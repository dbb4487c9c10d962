# SPDX-License-Identifier: GPL-2.0-or-later
"""mdpop3d with TLS around it: UCSPI-TLS by testsuite/tools/ucspitls.c, POP3S
by stunnel, and a client that can begin TLS.

    from ucspitls import *

    box = Mailbox(catalogue())
    server = ucspitls("-P", box.users.path)
    with talk(server) as c:
        c.stls()
        is_(c.cmd("NOOP"), ..., "inside")
"""

import base64
import functools
import glob
import re
import shutil
import socket
import ssl
import subprocess
import threading

from clients import *

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
_making = threading.Lock()
_made = {}

# What a message needs that no socket, pipe and TLS record takes as one.
LARGE = b"Subject: large\n\n" + b"".join(
    b"%07d .%s\n" % (i, b"x" * (i % 90)) for i in range(120000))


def all_need(*symbols):
    """Ends the script where not all of this is configured, or no root."""
    try:
        need(*symbols)
        need_server()
    except Skip as why:
        skip_all(str(why))


def _once(make):
    """Two tests that want the same thing have it made once."""
    @functools.wraps(make)
    def once(*args):
        with _making:
            if (make, args) not in _made:
                _made[make, args] = make(*args)
            return _made[make, args]
    return once


@_once
def superserver_program():
    """testsuite/tools/ucspitls.c, compiled now."""
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)),
                    None) or absent("C compiler", "gcc")
    if not os.path.exists("/usr/include/openssl/ssl.h"):
        absent("openssl/ssl.h", "libssl-dev")
    out = scratch("tool") + "/ucspitls"
    subprocess.run(
        [compiler, "-std=gnu99", "-D_GNU_SOURCE", "-O1", "-g", "-o", out,
         SOURCES + "/testsuite/tools/ucspitls.c", "-lssl", "-lcrypto"],
        check=True)
    return out


@_once
def certificate(*names):
    """(certificate, key), both PEM files, for these names and addresses."""
    program("openssl")
    where = scratch("cert")
    paths = where + "/cert.pem", where + "/key.pem"
    names = names or ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=" + names[0].split(":", 1)[1], "-addext",
         "subjectAltName=" + ",".join(names), "-out", paths[0], "-keyout",
         paths[1]], check=True, stderr=subprocess.DEVNULL)
    os.chmod(paths[0], 0o644)   # for clients that are not root
    return paths


class Tls(Server):
    """A superserver; .port and .address as listener() has them."""

    def __init__(self, wrap, port, args, address="127.0.0.1", **how):
        self.port, self.address = port, address
        super().__init__(*args, wrap=wrap, **how)
        self._listens = True    # it does not end by itself
        if not wait_for(lambda: listening(port) or
                        self.process.poll() is not None) or (
                            self.process.poll() is not None):
            raise AssertionError("no superserver: " + self.log())

    def children(self, pid=None):
        """Also those of stunnel's threads."""
        found = []
        pid = pid or self.pid
        for path in glob.glob("/proc/%d/task/*/children" % pid):
            try:
                with open(path) as file:
                    for child in map(int, file.read().split()):
                        found += [child] + self.children(child)
            except OSError:
                pass
        return found

    def sessions(self):
        """Processes of mdpop3d below it."""
        found = []
        for pid in self.children():
            try:
                if os.path.samefile("/proc/%d/exe" % pid, POPBOX):
                    found.append(pid)
            except OSError:
                pass
        return found


def ucspitls(*args, options=(), address="127.0.0.1", **how):
    """mdpop3d -e below the superserver of the tests."""
    need("FEATURE_MDPOP3D_STLS")
    port = free_port(address)
    cert, key = certificate()
    return Tls([superserver_program(), "-v", "-a", address, "-p", str(port),
                "-c", cert, "-k", key, *options], port, ("-e", *args),
               address, **how)


def trust(*names):
    """A client's context that knows this certificate and no other."""
    context = ssl.create_default_context(cafile=certificate(*names)[0])
    return context


class SecureClient(Client):
    """A Client that can begin TLS; the clear text before it is Client's.

    ragged: the end came without TLS's own goodbye.
    """

    def __init__(self, sock):
        super().__init__(sock.fileno(), owner=sock)
        self.ragged = False

    def begin(self, context=None):
        """The handshake; whatever came in clear before it is a failure."""
        if self.buf:
            raise AssertionError("in clear: %r" % bytes(self.buf))
        self.owner.settimeout(PATIENCE)
        self.owner = (context or trust()).wrap_socket(
            self.owner, server_hostname="localhost",
            suppress_ragged_eofs=False)
        self.fd_in = self.fd_out = self.owner.fileno()

    def stls(self, context=None):
        """STLS as it should go."""
        status = self.cmd("STLS")
        if status != b"+OK\r\n":
            raise AssertionError("STLS: %r" % status)
        self.begin(context)
        return self

    def _recv(self, timeout):
        if not isinstance(self.owner, ssl.SSLSocket):
            return super()._recv(timeout)
        self.owner.settimeout(max(timeout, 0.001))
        try:
            got = self.owner.recv(1 << 16)
        except ssl.SSLZeroReturnError:
            got = b""
        except (ssl.SSLEOFError, ConnectionError):
            self.ragged, got = True, b""
        except TimeoutError:
            raise TimeoutError("no answer within %g s, so far %r" % (
                timeout, bytes(self.buf[-200:])))
        self.buf += got
        self.ended = got == b""
        return not self.ended

    def send(self, data):
        if not isinstance(self.owner, ssl.SSLSocket):
            return super().send(data)
        if isinstance(data, str):
            data = data.encode()
        self.stamp = time.monotonic()
        self.owner.settimeout(PATIENCE)
        try:
            self.owner.sendall(data)
        except (OSError, ssl.SSLError):
            self.gone = True


def dial(server, buffer=None):
    """Connected, and not greeted yet; `buffer` octets of memory to read."""
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    sock = socket.socket(family)
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(PATIENCE)
    sock.connect((server.address, server.port))
    sock.settimeout(None)
    return SecureClient(sock)


def talk(server, tls=False, **how):
    """Greeted, over STLS with `tls`, over POP3S with tls="pop3s"."""
    client = dial(server, **how)
    if tls == "pop3s":
        client.begin()
    client.greeting = client.line()
    if client.greeting != b"+OK\r\n":
        raise AssertionError("greeting %r, log: %s" % (client.greeting,
                                                       server.log()))
    if tls is True:
        client.stls()
    return client


def log_in(client, name=NAME, password=PASSWORD):
    """USER and PASS; what came."""
    return [client.cmd("USER " + name), client.cmd("PASS " + password)]


LOGGED_IN = [b"+OK\r\n"] * 2


def plain(name, password, authzid=""):
    """A response for AUTH PLAIN (RFC 4616); texts or bytes."""
    parts = [p.encode() if isinstance(p, str) else p
             for p in (authzid, name, password)]
    return base64.b64encode(b"\0".join(parts))


def capabilities(client):
    """The lines of CAPA, without their ends."""
    status, body = client.multi("CAPA")
    if status != b"+OK\r\n":
        raise AssertionError("CAPA: %r" % status)
    return body.decode().split("\r\n")[:-1]


def whole(what, client, box):
    """From the login to QUIT; every octet is accounted for."""
    got = log_in(client)
    want = list(LOGGED_IN)
    sizes = [oracle.size(data) for _, data, _ in box.messages]
    got.append(client.cmd("STAT"))
    want.append(b"+OK %d %d\r\n" % (len(sizes), sum(sizes)))
    for i, (_, data, _) in enumerate(box.messages, 1):
        got.append(client.multi("RETR %d" % i))
        want.append((b"+OK\r\n", oracle.retr(data)))
    got += [client.cmd("QUIT"), client.rest()]
    want += [b"+OK\r\n", b""]
    wrong = [(g, w) for g, w in zip(got, want) if g != w]
    ok(not wrong, what + ": a whole session, octet for octet", *wrong[:1])
    ok(not client.ragged, what + ": TLS ends as it should")


def all_gone(what, server):
    """No process of mdpop3d is left."""
    ok(wait_for(lambda: not server.sessions()), what + ": no session is left",
       server.sessions(), server.log())


# ---- POP3S by stunnel --------------------------------------------------------

# Where scripts/setup unpacks what must not be installed.
UNPACKED = (os.environ.get("BUILD") or os.path.dirname(POPBOX)) + (
    "/superservers/usr")


def stunnel_program():
    unpacked = UNPACKED + "/bin/stunnel4"
    return (unpacked if os.access(unpacked, os.X_OK)
            else program("stunnel4"))


def sample(name, settings):
    """contrib/NAME with these settings changed, all of which it must have."""
    with open("%s/contrib/%s" % (SOURCES, name)) as file:
        text = file.read()
    for key, value in settings.items():
        text, count = re.subn(r"(?m)^(%s *= *)(.*)$" % key,
                              lambda m: m.group(1) + (
                                  value(m.group(2)) if callable(value)
                                  else value), text)
        if count != 1:
            raise AssertionError("%s: %d lines of %s" % (name, count, key))
    return write(scratch("sample") + "/" + os.path.basename(name), text)


def stunnel_settings(args):
    cert, key = certificate()
    return {"cert": cert, "key": key, "exec": POPBOX,
            "execArgs": lambda was: " ".join([was, "-e", *args])}


def stunnel(*args, address="127.0.0.1", **how):
    """mdpop3d below stunnel, by the sample of contrib/."""
    port = free_port(address)
    path = sample("stunnel/popbox.conf", {
        "foreground": "yes", "accept": "%s:%d" % (address, port),
        **stunnel_settings(args)})
    # What Server puts behind it is not meant for stunnel.
    return Tls(["sh", "-c", 'exec "$0" "$1"', stunnel_program(), path], port,
               (), address, **how)
