#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test: where a server is, and descriptors to it.

import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test()

STAT = b"2 302\n"


def talk(link):
    link.say(b"+OK\r\n")
    while True:
        line = link.hear()
        if line is None:
            return
        link.say(b"+OK 2 302\r\n" if line == b"STAT" else
                 b"-ERR\r\n" if line == b"CAPA" else b"+OK\r\n")
        if line == b"QUIT":
            return


def script(*lines):
    """A file for the verb run."""
    handle, path = tempfile.mkstemp(suffix=".pop3")
    cleanup(os.unlink, path)
    with os.fdopen(handle, "w") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def folder():
    path = tempfile.mkdtemp()
    cleanup(subprocess.call, ["rm", "-rf", path])
    return path


def answers(what, *args, **how):
    run = pop3test("stat", *args, **how)
    is_((run.status, run.out), (0, STAT), what, run.err)


def refuses(what, status, pattern, *args, **how):
    """What is wrong is on standard error, or on the line of a check."""
    run = pop3test("stat", *args, **how)
    is_((run.status, run.out), (status, b""), what + ": status", run.err)
    like(run.err, pattern, what + ": is said")
    return run


@test
def wrong_words():
    """a TARGET that is none"""
    for text, pattern in (
            ("", "no host"), (":110", "no host"), ("host:", "no port"),
            ("host:0", "no port.*: 0"), ("host:65536", "no port.*65536"),
            ("host:-1", "no port"), ("host:+1", "no port"),
            ("host:110x", "no port.*110x"), ("host:1:2", "no port"),
            ("host:99999999999999999999", "no port"), ("a b", "no host name"),
            ("a/b", "no host name"), ("-host", "unknown option|no host name"),
            ("[::1", "no \\]"), ("[]", "no host"), ("[127.0.0.1]", "no IPv6"),
            ("[mail]:110", "no IPv6"), ("[::1]110", "text behind"),
            ("1::2::3", "no port|no IPv6"), ("::1:", "no port|no host"),
            ("pop3://", "no host"), ("pop3s://", "no host"),
            ("pop3://u@", "no host"), ("pop3://h:x", "no port"),
            ("pop3://h/INBOX", "text behind"), ("pop3:///h", "text behind"),
            ("imap://h", "neither"), ("POP3://h", "neither"),
            ("http://h", "neither"), ("unix:", "no absolute path"),
            ("unix:socket", "no absolute path"), ("user@host", "pop3://"),
            ("pop3://u%@h", "two hex"), ("pop3://u%4@h", "two hex"),
            ("pop3://u%4g@h", "two hex"), ("pop3://u%00@h", "NUL"),
            ("pop3://u%0d@h", "CR"), ("pop3://u:p%0a@h", "LF"),
            ("h" * 256, "too long"), ("pop3://" + "u" * 256 + "@h", "too long"),
            ("pop3://u:" + "p" * 256 + "@h", "too long"),
            ("unix:/" + "x" * 300, "too long")):
        refuses(repr(text[:40]), 3, pattern, text)
    refuses("-host", 3, "no host name: -host", "-H", "-host")
    for text in ("pop3://u:secret@h:x", "pop3://u:secret@h/x", "u:secret@h",
                 "pop3://u:secret%@h", "x://u:secret@h"):
        run = pop3test("stat", text)
        unlike(run.err, "secret", "no password shows: %r" % text)


def logins(server):
    return [line for line in server.heard if line[:4] in (b"USER", b"PASS")]


@test
def tcp():
    """HOST:PORT and its relatives"""
    server = Fake(talk)
    port = str(server.port)
    answers("ADDRESS:PORT", "127.0.0.1:" + port)
    answers("localhost:PORT", "localhost:" + port)
    answers("ADDRESS and -p", "127.0.0.1", "-p", port)
    answers("-H and -p", "-H", "127.0.0.1", "-p", port)
    answers("-4", "-4", "localhost:" + port)
    answers("pop3://", "pop3://127.0.0.1:" + port)
    answers("pop3:// and a slash", "pop3://localhost:%s/" % port)
    answers("IPv4 in its IPv6 form", "[::ffff:127.0.0.1]:" + port)
    refuses("-6 and an IPv4 address", 3, r"127\.0\.0\.1: no address \(-6\)",
            "-6", "127.0.0.1:" + port)
    refuses("-4 and an IPv6 address", 3, r"::1: no address \(-4\)",
            "-4", "[::1]:" + port)
    del server.heard[:]
    answers("pop3:// with user and password",
            "pop3://j%40x:a%3ab@c%25@127.0.0.1:" + port)
    is_(logins(server), [b"USER j@x", b"PASS a:b@c%"], "they are unescaped")
    del server.heard[:]
    answers("-u goes before that of the URL", "-u", "me:mine",
            "pop3://you:yours@127.0.0.1:" + port)
    is_(logins(server), [b"USER me", b"PASS mine"],
        "and so does its password")


@test
def ipv6():
    """IPv6, and addresses in turn"""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        raise Skip("no IPv6 here")
    cleanup(listener.close)
    port = listener.getsockname()[1]

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.sendall(b"+OK\r\n+OK 2 302\r\n+OK\r\n")
                client.shutdown(socket.SHUT_WR)
                while client.recv(100):
                    pass
    threading.Thread(target=serve, daemon=True).start()
    answers("[V6]:PORT", "[::1]:%d" % port)
    answers("[V6] and -p", "[::1]", "-p", str(port))
    answers("a bare V6 and -p", "::1", "-p", str(port))
    answers("a long form", "[0:0:0:0:0:0:0:1]:%d" % port)
    answers("pop3://[V6]", "pop3://[::1]:%d/" % port)
    answers("-6", "-6", "localhost:%d" % port)


@test
def no_connection():
    """who is not there, and why"""
    dead = free_port()
    run = refuses("refused", 2, r"127\.0\.0\.1:%d: refused" % dead,
                  "127.0.0.1:%d" % dead)
    ok(run.seconds < 2, "and at once", run.seconds)
    refuses("no port: 110", 2, r"127\.9\.9\.9:110: refused", "127.9.9.9")
    refuses("no port: 995 with -S", 2, r"127\.9\.9\.9:995: refused", "-S",
            "127.9.9.9")
    refuses("no port: 995 with pop3s", 2, r"127\.9\.9\.9:995: refused",
            "pop3s://127.9.9.9")
    full = socket.socket()
    cleanup(full.close)
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for s in waiting:
        cleanup(s.close)
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    run = refuses("timeout", 2, r"127\.0\.0\.1:\d+: timeout", "-t", "0.6",
                  "127.0.0.1:%d" % full.getsockname()[1])
    ok(0.5 < run.seconds < 3, "timeout: after -t", run.seconds)


@test
def unreachable():
    """no way there"""
    if subprocess.call(["unshare", "-n", "true"],
                       stderr=subprocess.DEVNULL) != 0:
        raise Skip("cannot have a network of its own")
    refuses("unreachable", 2, r"192\.0\.2\.1:110: unreachable", "192.0.2.1",
            wrap=["unshare", "-n"])


@test
def unix():
    """UNIX sockets"""
    at = folder()
    listener = socket.socket(socket.AF_UNIX)
    cleanup(listener.close)
    listener.bind(at + "/s")
    listener.listen(5)

    def serve():
        client, _ = listener.accept()
        with client:
            client.sendall(b"+OK\r\n+OK 2 302\r\n+OK\r\n")
            client.shutdown(socket.SHUT_WR)
            while client.recv(100):
                pass
    threading.Thread(target=serve, daemon=True).start()
    answers("unix:/PATH", "unix:%s/s" % at)
    refuses("not there", 2, r"%s/none: No such file" % at,
            "unix:%s/none" % at)
    with open(at + "/file", "w"):
        pass
    refuses("no socket", 2, r"%s/file: refused" % at, "unix:%s/file" % at)
    refuses("too long a path", 3, r"too long for a socket",
            "unix:/" + 110 * "x")
    full = socket.socket(socket.AF_UNIX)
    cleanup(full.close)
    full.bind(at + "/full")
    full.listen(0)
    first = socket.socket(socket.AF_UNIX)
    cleanup(first.close)
    first.connect(at + "/full")
    run = refuses("full", 2, r"full: timeout", "-t", "0.6",
                  "unix:%s/full" % at)
    ok(0.5 < run.seconds < 3, "full: after -t", run.seconds)


def shell(text):
    return ("--", "sh", "-c", text)


GOOD = "echo '+OK\r\n+OK 2 302\r\n+OK\r'; cat >/dev/null; "


@test
def command():
    """-- COMMAND ARGS"""
    answers("a server on descriptors 0 and 1", *shell(GOOD))
    box = Maildir().fill(2)
    run = pop3test("stat", *server_command(box))
    is_(run.status, 0, "mdpop3d", run.err)
    refuses("found nowhere", 2, "cannot run no-such-program: No such file",
            "--", "no-such-program")
    refuses("not there", 2, "cannot run /no/such: No such file", "--",
            "/no/such")
    refuses("a folder", 2, "cannot run /: Permission denied", "--", "/")
    refuses("a server that cannot start", 2, "no such mailbox; go away",
            *shell("echo no such mailbox >&2; echo go away >&2; exit 1"))
    run = refuses("a server that says much", 2, r"EOF.*says: (line: \d+; )+"
                  r"line: 9999\n", *shell("i=0; while [ $i -lt 10000 ]; do "
                  "echo line: $i; i=$((i + 1)); done >&2"))
    refuses("control bytes", 2, r"says: a\\x1bb\\xff",
            *shell("printf 'a\\033b\\377' >&2"))
    answers("a mass of errors is not waited for",
            *shell("head -c 1000000 /dev/zero >&2; " + GOOD))
    answers("without PATH", *shell(GOOD), wrap=["env", "-u", "PATH"])
    answers("PATH is searched", "--", "server",
            env={"PATH": made("server", GOOD) + ":/usr/bin:/bin"})


def made(name, text):
    """The folder of a program that is made up."""
    at = folder()
    with open(at + "/" + name, "w") as file:
        file.write("#!/bin/sh\n" + text + "\n")
    os.chmod(at + "/" + name, 0o755)
    return at


PROBE = """
import os, sys
sys.stdout.write("+OK\\r\\n+OK 2 302\\r\\n+OK\\r\\n")
sys.stdout.flush()
with open(sys.argv[1], "w") as file:
    for fd in sorted(os.listdir("/proc/self/fd"), key=int):
        if os.path.exists("/proc/self/fd/" + fd):
            file.write(fd + " ")
    file.write(str(os.path.samestat(os.fstat(0), os.fstat(1))))
while os.read(0, 100):
    pass
"""


@test
def environment():
    """what a COMMAND finds"""
    at = folder() + "/found"
    run = pop3test("stat", "--", sys.executable, "-c", PROBE, at)
    is_(run.out, STAT, "it runs", run.err)
    with open(at) as file:
        found = file.read().split()
    # The last one is Python's, for the file.
    is_(found[:-1], ["0", "1", "2", "3"], "three descriptors are open")
    is_(found[-1], "True", "0 and 1 are one socket")
    run = pop3test("stat", *shell(
        "n=$(sed -n 's/^SigIgn.*\\(....\\)$/\\1/p' /proc/$$/status);"
        "printf '+OK\r\n+OK %s 302\r\n+OK\r\n' $n; cat >/dev/null"))
    like(run.out, "^0+ 302$", "no signal is ignored, SIGPIPE neither",
         run.err)
    run = pop3test("stat", *shell("printf '+OK\r\n+OK %s 302\r\n+OK\r\n' "
                                  "$MESSAGES; cat >/dev/null"),
                   env={"MESSAGES": "2"})
    is_(run.out, STAT, "the environment is ours", run.err)


def left(mark):
    """Processes with that in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                if mark.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


@test
def endings():
    """a COMMAND does not outlive its client"""
    sleep = "while :; do read x || :; sleep 0.02; done"
    mark = "mark-%d" % os.getpid()
    for what, text, least, most in (
            ("ends by itself", GOOD + "sleep 0.3; echo x >%s", 0.3, 2),
            ("ends by SIGTERM", "trap 'echo x >%s; exit' TERM;" + GOOD +
             sleep, 0.9, 3),
            ("ends by SIGKILL", "echo x >%s; trap '' TERM;" + GOOD + sleep,
             1.9, 5)):
        at = folder() + "/done"
        run = pop3test("stat", *shell(text % at + " #" + mark), limit=20)
        is_(run.out, STAT, what + ": answers", run.err)
        ok(least < run.seconds < most, what + ": in time", run.seconds)
        ok(os.path.exists(at), what + ": it got so far")
    is_(left(mark), [], "none is left")
    process = subprocess.Popen([POPBOX, "pop3test", "stat", *shell(
        "trap '' PIPE; " + sleep + " #" + mark)], stderr=subprocess.DEVNULL)
    ok(wait_for(lambda: len(left(mark)) == 2), "two processes run")
    process.kill()
    process.wait()
    ok(wait_for(lambda: not left(mark), 5), "killed: none is left")


UCSPI = """
import fcntl, os, socket, sys
if sys.argv[1] == "socket":
    ours, theirs = socket.socketpair()
    six = seven = ours.detach()
    reads = writes = theirs.detach()
else:
    six, writes = os.pipe()
    reads, seven = os.pipe()
if os.fork() == 0:
    for fd in {six, seven}:
        os.close(fd)
    os.write(writes, b"+OK\\r\\n+OK 2 302\\r\\n+OK\\r\\n")
    while os.read(reads, 100):
        pass
    os._exit(0)
six, seven = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (six, seven)]
os.closerange(3, 20)
os.dup2(six, 6)
os.dup2(seven, 7)
os.closerange(8, 40)
os.execv(sys.argv[2], sys.argv[2:])
"""


@test
def ucspi():
    """-, descriptors 6 and 7"""
    for kind in ("socket", "pipes"):
        answers("-: " + kind, "-", wrap=[sys.executable, "-c", UCSPI, kind])
    refuses("-: not open", 3, "descriptors 6 and 7 are not open", "-")
    refuses("-: only 6", 3, "descriptors 6 and 7 are not open", "-",
            wrap=["sh", "-c", 'exec "$@" 6</dev/null', "sh"])
    for what, steps in (("once", ("S: +OK", "close", "open", "S: +OK")),
                        ("one at a time", ("S1: +OK", "S2: +OK"))):
        run = pop3test("run", script(*steps), "-",
                       wrap=[sys.executable, "-c", UCSPI, "socket"])
        like(run.out, "descriptors 6 and 7 serve one connection",
             "-: only " + what, run.err)
    run = pop3test("run", script("S: +OK", "S: +OK 2", "S: +OK", "half",
                                 "eof"), "-",
                   wrap=[sys.executable, "-c", UCSPI, "pipes"])
    is_(run.status, 0, "-: half closes a pipe", run.out + run.err)
    if not os.path.exists("/usr/bin/tcpclient"):
        raise Skip("no tcpclient (ucspi-tcp)")
    server = Fake(talk)
    answers("-: under tcpclient", "-", wrap=[
        "tcpclient", "-HRl0", "127.0.0.1", str(server.port)])


@test
def ends_of_connections():
    """half, reset and close"""
    seen = {}

    def watch(link):
        link.say(b"+OK\r\n")
        try:
            line = link.hear()
            seen[line] = b"end of file"
            while link.sock.recv(100):
                pass
            link.say(b"+OK still\r\n")
        except ConnectionResetError:
            seen[line] = b"reset"
    server = Fake(watch)
    for way in ("half", "reset", "close"):
        run = pop3test("run", script(
            "S: +OK", "C: " + way, "wait 50ms", way,
            *(["S: +OK still", "eof"] if way == "half" else [])),
            server.target)
        is_(run.status, 0, way, run.out + run.err)
    ok(wait_for(lambda: len(seen) == 3), "all are seen", seen)
    is_(seen, {b"half": b"end of file", b"reset": b"reset",
               b"close": b"end of file"}, "as what they are")


run_tests()
