#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Options, environment, names, descriptors and the log."""

import pty
import pwd
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


def run(*args, env=None, **how):
    """(status, stdout, stderr) of a popbox that is not to serve."""
    done = subprocess.run([POPBOX, "mdpop3d", *args], capture_output=True,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, check=False,
                          **how)
    return done.returncode, done.stdout, done.stderr


def ended(*args, lines="QUIT\r\n", **how):
    """The whole log of a session of one QUIT (or other lines)."""
    with start("-e", *args, **how) as c:
        c.send(lines)
        c.rest()
        c.server.wait()
        return c.server.log()


@test
def version():
    """-V"""
    for args in (("-V",), ("-a", "-V"), ("--version",)):
        status, out, err = run(*args)
        is_((status, err), (0, b""), "%s: status, nothing on stderr" % (args,))
        like(out, r"\A[ -~]*\b\d+\.\d+\.\d+\b[ -~]*\n\Z", "%s: one line" % (
            args,))
    status, out, err = run("--help")
    is_((status, err), (0, b""), "--help: status")
    like(out, r"usage: mdpop3d \[", "--help: usage on stdout")


@test
def refused_options():
    """-p, -A and -T are not in this build; nor is what was left out"""
    absent = [("-p", "x"), ("-A",), ("-T", "host"), ("-px",), ("-aA",)]
    if not config("FEATURE_MDPOP3D_LISTEN"):
        absent += [("-l", "1110"), ("-L", "5"), ("-I", "5")]
    if not config("FEATURE_MDPOP3D_USERFILE"):
        absent += [("-P", "/x")]
    if not config("FEATURE_MDPOP3D_DEBUG"):
        absent += [("-d",)]
    for args in absent:
        status, out, err = run(*args)
        is_(status, 100, "%s: exit status" % " ".join(args))
        like(err, r"not in this build", "%s: is said" % " ".join(args))
        is_(out, b"", "%s: nothing on stdout" % " ".join(args))


@test
def usage_errors():
    """unknown options, bad numbers, missing values"""
    numbers = ["-t"] + (["-L", "-I"] if config("FEATURE_MDPOP3D_LISTEN")
                        else []) + (
        ["-M"] if config("FEATURE_MDPOP3D_AUTH") else [])
    cases = [("-z",), ("-?",), ("-m",), ("-t",), ("-u",), ("--frob",),
             ("-a", "operand"), ("-a", "--", "operand"), ("-ax",),
             ("-t", "0"), ("-t", "86401")]
    cases += [(letter, value) for letter in numbers for value in
              ("", "-1", "+1", "x", "1x", "1 ", " 1", "0x10", "1.5",
               "4294967296000", "99999999999999999999999")]
    for args in cases:
        status, out, err = run(*args)
        is_((status, out), (100, b""), "%r: status, stdout" % (args,))
        like(err, r"\Amdpop3d: [ -~]+\n(.*\n)*usage: mdpop3d",
             "%r: usage on stderr" % (args,))


@test
def senseless_options():
    """options that contradict each other"""
    if not config("FEATURE_MDPOP3D_LISTEN"):
        raise Skip("no listener")
    for args in (("-l", "0", "-r", "1.2.3.4"), ("-l", "0", "-R", "PATH"),
                 ("-a", "-l", "0", "-r", "1.2.3.4")):
        status, out, err = run(*args)
        is_(status, 100, "%s: status" % " ".join(args))
        like(err, r"mdpop3d: ", "%s: a message" % " ".join(args))


@test
def missing_variable():
    """-R with a variable that is not there"""
    with start("-a", "-R", "NOT_THERE", "-m", Maildir().path) as c:
        like(c.rest(), r"\A-ERR \[SYS/PERM\] [ -~]+\r\n\Z", "-R: the client")
        is_(c.server.wait(), 100, "-R: exit status")
        like(c.server.log(), r"NOT_THERE", "-R: the message names it")
    with start("-a", "-R", "EMPTY", "-m", Maildir().path,
               env={"EMPTY": ""}) as c:
        like(c.line(), r"\A\+OK", "-R: one that exists will do, empty or not")


@test
def option_forms():
    """values attached or apart, letters joined"""
    box = Maildir().fill(1)
    top, name = os.path.split(box.path)
    for args in (("-aem" + box.path,), ("-ae", "-m", box.path),
                 ("-qea", "-t9", "-m" + box.path), ("-e", "-ujoe", "-m",
                                                   box.path),
                 ("-a", "-e", "-m", name), ("-a", "-e"), ("-ae", "-m", ".")):
        where = box.path if args[-1] == "." else top
        with start(*args, cwd=where) as c:
            c.line()
            like(c.cmd("STAT"), r"^\+OK 1 ", "options %s" % (args,))


@test
def maildir_choice():
    """-m before $MAILDIR before Maildir, below the working directory"""
    top = scratch()
    for name, count in (("Maildir", 1), ("env", 2), ("opt", 3)):
        Maildir(top + "/" + name).fill(count)
    Maildir(top).fill(4)
    for args, env, count in (
            ((), {}, 1), ((), {"MAILDIR": "env"}, 2),
            ((), {"MAILDIR": ""}, 1), (("-m", "opt"), {"MAILDIR": "env"}, 3),
            (("-m", "."), {}, 4), (("-m.",), {"MAILDIR": "env"}, 4),
            (("-m", top + "/opt"), {}, 3), (("-m", "opt/"), {}, 3),
            (("-m", "./env/../opt"), {}, 3)):
        with start("-a", "-e", *args, env=env, cwd=top) as c:
            c.line()
            like(c.cmd("STAT"), r"^\+OK %d " % count,
                 "-m %s, MAILDIR %s" % (args, env))


@test
def no_maildir():
    """C50 -a without a Maildir"""
    for args in ((), ("-m", "/nowhere/at/all"), ("-m", "/etc/passwd"),
                 ("-m", "/proc"), ("-m", "")):
        with start("-a", "-e", *args, cwd=scratch()) as c:
            like(c.rest(), r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z",
                 "C50 C40 %s: one answer" % (args,))
            ok(c.server.wait() in (0, 100, 111), "C50 %s: status" % (args,))
            like(c.server.log(), r"(?i)no such|not a directory|cannot|maildir",
                 "C50 %s: logged" % (args,))


@test
def client_address():
    """whose address the log shows"""
    box = Maildir().path
    both = {"TCPREMOTEIP": "192.0.2.1", "REMOTE_HOST": "host.example"}
    for args, env, via, want in (
            (("-r", "opt.example"), both, "tcp", "opt.example"),
            (("-R", "VAR"), {**both, "VAR": "192.0.2.9"}, "tcp", "192.0.2.9"),
            ((), both, "tcp", "192.0.2.1"),
            ((), {**both, "TCPREMOTEIP": ""}, "tcp", "host.example"),
            ((), {"TCPREMOTEIP": "", "REMOTE_HOST": ""}, "tcp", "127.0.0.1"),
            ((), {}, "tcp", "127.0.0.1"), ((), {}, "tcp6", "::1"),
            (("-r", "2001:db8::5"), {}, "pipe", "2001:db8::5")):
        log = ended("-a", "-m", box, *args, env=env, via=via)
        like(log, r"\A(mdpop3d\[\d+\]: \[%s\]\[[^]]*\] .*\n)+\Z" %
             re.escape(want), "host is %s (%s, %s)" % (want, args, via))
    for via in ("pipe", "socket"):
        like(ended("-a", "-m", box, via=via), r"\]: \[[a-z]*\]\[",
             "C118 no address to a %s" % via)


@test
def mapped_address():
    """C120 an IPv4 client on an IPv6 socket"""
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", 0))
        s.listen(1)
        ours = socket.create_connection(("127.0.0.1", s.getsockname()[1]))
        theirs = s.accept()[0]
    log = ended("-a", "-m", Maildir().path, via=(ours, theirs))
    like(log, r"\]: \[127\.0\.0\.1\]\[", "C120 is logged as IPv4")


@test
def user_name():
    """whose name the log shows"""
    box = Maildir().path
    try:
        own = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        own = str(os.getuid())
    for args, env, want in (
            (("-u", "joe"), {"LOGNAME": "jane"}, "joe"),
            (("-a", "-u", "joe"), {}, "joe"),
            (("-a",), {"LOGNAME": "jane"}, "jane"),
            (("-a",), {"LOGNAME": ""}, own), (("-a",), {}, own)):
        like(ended("-m", box, *args, env=env), r"\]\[%s\] quit" % want,
             "user is %s (%s, %s)" % (want, args, env))
    need_root()
    like(ended("-a", "-m", Maildir(owner=PLAIN).path, user=PLAIN),
         r"\]\[%d\] quit" % PLAIN, "a uid without a name")


@test
def log_line():
    """the form of the log"""
    box = Maildir().fill(4, data=b"A: b\n\nx\n")
    size = oracle.size(b"A: b\n\nx\n")
    log = ended("-u", "joe", "-r", "192.0.2.3", "-m", box.path,
                lines="DELE 2\r\nQUIT\r\n")
    lines = log.splitlines()
    ok(len(lines) == 2, "two lines: connect and end", log)
    like(lines[-1], r"\Amdpop3d\[\d+\]: \[192\.0\.2\.3\]\[joe\] quit "
         r"\(3/%d msgs/bytes left, 1/%d deleted\)\Z" % (3 * size, size),
         "the last line")
    is_(ended("-q", "-u", "joe", "-m", box.path), "", "-q: no such lines")
    like(ended("-q", "-u", "joe", "-m", "/nowhere"), r"joe.*nowhere",
         "-q: errors are logged")


@test
def debug():
    """-d logs what the client says"""
    need("FEATURE_MDPOP3D_DEBUG")
    log = ended("-d", "-u", "joe", "-m", Maildir().path,
                lines="NoOp\r\nLIST 7\r\n\x1b[2J\r\nx\\y\r\nQUIT\r\n")
    for word in (r"NoOp", r"LIST 7", r"\\x1b\[2J", "QUIT"):
        like(log, word, "-d: %s" % word)
    unlike(log, r"[^\n -~]", "C122 -d: control bytes are escaped")
    unlike(ended("-u", "joe", "-m", Maildir().path,
                 lines="LIST 7\r\nQUIT\r\n"), r"LIST", "not without -d")


@test
def log_injection():
    """C122 what comes from outside cannot forge a line"""
    evil = "a\nmdpop3d[1]: [x][root] quit\x1b[31m\x7f\x9b\\x41%s%n"
    box = Maildir()
    for how in ({"args": ("-u", evil)}, {"args": ("-a", "-r", evil)},
                {"args": ("-a",), "env": {"LOGNAME": evil}},
                {"args": ("-a",), "env": {"TCPREMOTEIP": evil}},
                {"args": ("-a", "-m", box.path + evil)}):
        args = how["args"]
        if "-m" not in args:
            args += ("-m", box.path)
        log = ended(*args, env=how.get("env"))
        unlike(log, r"[^\n -~]", "C122 escaped: %s" % sorted(how))
        ok(all(re.match(r"mdpop3d\[\d+\]: \[", l) for l in log.splitlines())
           and not re.search(r"^mdpop3d\[1\]", log, re.M),
           "C122 every line is the server's own", log)
    long = "n" * 5000
    log = ended("-u", long, "-r", long, "-m", box.path)
    ok(max(map(len, log.splitlines())) < 1000, "C122 long names are cut")
    path = box.add("cur", "1.\x1b[2J\nfake\x80", b"x" * 300_000)
    with session(box) as c:
        os.truncate(path, 1000)
        c.send("RETR 1\r\n")
        c.rest()
        c.server.wait()
        unlike(c.server.log(), r"[^\n -~]", "C122 names of files, too")
        like(c.server.log(), r"\\x1b", "C122 escaped")


@test
def names():
    """the names the server answers to"""
    box = Maildir().fill(1)
    for name in ("mdpop3d", "in.mdpop3d", "/usr/sbin/in.mdpop3d",
                 "./mdpop3d"):
        with start("-a", "-e", "-m", box.path, argv0=name) as c:
            is_(c.line(), b"+OK\r\n", "argv[0] is " + name)
            c.cmd("QUIT")
            c.server.wait()
            like(c.server.log(), r"\Amdpop3d\[", "and its log as ever")


def as_inetd(*args, **how):
    """One socket as descriptors 0, 1 and 2; everything the client gets."""
    pair = tcp_pair()
    with pair[1].dup() as copy:
        c = start(*args, via=pair, stderr=copy, **how)
    with c:
        c.send("NOOP\r\nUSER %s\r\nxyz\r\nQUIT\r\n")
        got = c.rest()
        return got, c.server.wait()


@test
def inetd():
    """C118 standard error is the client's socket"""
    box = Maildir().fill(1)
    for args in (("-a",), ("-a", "-e"), ("-a", "-d", "-e") if
                 config("FEATURE_MDPOP3D_DEBUG") else ("-a", "-q")):
        got, status = as_inetd(*args, "-m", box.path)
        like(got, r"\A\+OK\r\n\+OK\r\n-ERR[ -~]*\r\n-ERR[ -~]*\r\n\+OK\r\n\Z",
             "C118 %s: answers and nothing else" % (args,))
        is_(status, 0, "C118 %s: exit status" % (args,))
    for args in (("-t", "x"), ("-z",), ("-A",), ("-a", "-R", "NOT_THERE"),
                 ("-m",), ("operand",)):
        got, status = as_inetd(*args)
        like(got, r"\A-ERR \[SYS/PERM\] [ -~]+\r\n\Z",
             "C118 %s: one line for the client" % (args,))
        is_(status, 100, "C118 %s: exit status" % (args,))
    got, status = as_inetd("-a", "-m", "/nowhere")
    like(got, r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z",
         "C118 no Maildir: one line for the client")


@test
def both_in_one_pipe():
    """C118 standard error and output are one pipe"""
    box = Maildir().fill(1)
    for args in (("-a",), ("-a", "-e"), ("-a", "-d", "-e") if
                 config("FEATURE_MDPOP3D_DEBUG") else ("-a", "-q", "-e")):
        done = subprocess.run(
            [POPBOX, "mdpop3d", *args, "-m", box.path], check=False,
            input=b"NOOP\r\nRETR 9\r\nxyz\r\nQUIT\r\n", timeout=PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        like(done.stdout,
             r"\A\+OK\r\n\+OK\r\n-ERR[ -~]*\r\n-ERR[ -~]*\r\n\+OK\r\n\Z",
             "C118 %s 2>&1: answers and nothing else" % " ".join(args))
        is_(done.returncode, 0, "C118 %s 2>&1: exit status" % " ".join(args))


@test
def closed_descriptors():
    """C118 descriptors that are not open"""
    box = Maildir().fill(2)
    before = [open(box.join("cur", n), "rb").read() for n in box.names("cur")]
    for closed, also in (("2>&-", ("-e",)), ("2>&-", ()), ("2>&-", ("-d",))):
        if "-d" in also and not config("FEATURE_MDPOP3D_DEBUG"):
            continue
        with start("-a", *also, "-n", "-m", box.path, wrap=[
                "sh", "-c", 'exec "$@" ' + closed, "sh"]) as c:
            c.line()
            is_(c.multi("RETR 2")[0], b"+OK\r\n", "C118 served with %s %s" % (
                closed, also))
            is_(c.cmd("QUIT"), b"+OK\r\n", "C118 to the end")
    for closed in ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"):
        server = Server("-a", "-e", "-m", box.path, wrap=[
            "sh", "-c", 'exec "$@" ' + closed, "sh"])
        status = server.wait()
        ok(status in (0, 100, 111), "C118 %s: it ends" % closed, status)
    is_([open(box.join("cur", n), "rb").read() for n in box.names("cur")],
        before, "C118 no message was written to")


@test
def terminal():
    """standard input is a terminal"""
    master, slave = pty.openpty()
    server = Server("-a", "-e", "-m", Maildir().fill(1).path, stdin=slave,
                    stdout=slave)
    os.close(slave)
    c = Client(master)
    like(c.line(), r"\A\+OK\r+\n", "the greeting")
    ok(server.wait_log(r"POP3"), "a hint on standard error")
    c.send("STAT\n")
    like(c.line() + c.line(), r"\+OK 1 \d+\r+\n", "it serves")
    c.send("QUIT\n")
    is_(server.wait(), 0, "until QUIT")


@test
def stdin_file():
    """C118 commands from a file, answers to a file"""
    top = scratch()
    box = Maildir().fill(2)
    for name in ("in", "out"):
        open(top + "/" + name, "w").close()
    with open(top + "/in", "w") as file:
        file.write("STAT\r\nDELE 1\r\nQUIT\r\n")
    with open(top + "/in", "rb") as stdin, open(top + "/out", "wb") as out:
        server = Server("-a", "-e", "-m", box.path, stdin=stdin, stdout=out)
        is_(server.wait(), 0, "C118 exit status")
    with open(top + "/out", "rb") as file:
        like(file.read(), r"\A\+OK\r\n\+OK 2 \d+\r\n\+OK\r\n\+OK\r\n\Z",
             "C118 the answers")
    is_(len(box.names("cur")), 1, "C118 and UPDATE")


class Syslog:
    """A /dev/log of our own, seen by one server."""

    def __init__(self):
        self.path = scratch("log") + "/socket"
        self.bind()

    def bind(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)

    def wrap(self):
        return [*private_mounts(), "sh", "-c", """
            set -e
            mount -t tmpfs none /dev
            mknod -m 666 /dev/null c 1 3
            ln -s '%s' /dev/log
            exec "$@" """ % self.path, "sh"]

    def next(self):
        """The next line, but for -d's about the sandbox."""
        while True:
            line = self.socket.recv(65536)
            if b"]: sandbox: " not in line:
                return line


@test
def syslog():
    """log lines go to /dev/log"""
    need_root()
    fake = Syslog()
    box = Maildir().fill(1)
    flags = ("-d",) if config("FEATURE_MDPOP3D_DEBUG") else ()
    with start("-u", "joe", "-r", "192.0.2.1", "-m", box.path, *flags,
               wrap=fake.wrap()) as c:
        c.line()
        like(fake.next(), r"\A<22>mdpop3d\[\d+\]: \[192\.0\.2\.1\]\[joe\] "
             r"[ -~]*\Z", "connection: mail.info, one datagram, no newline")
        if flags:
            c.cmd("LIST 9\x1b")
            like(fake.next(), r"\A<23>mdpop3d\[\d+\]: .*LIST 9\\x1b\Z",
                 "C122 -d: mail.debug")
            c.send("QUIT\r\n")
            fake.next()
        else:
            c.send("QUIT\r\n")
        like(fake.next(), r"\A<22>mdpop3d\[\d+\]: .*\] quit \(1/",
             "end of the session: mail.info")
        c.server.wait()
        is_(c.server.log(), "", "nothing on standard error")
    with start("-u", "joe", "-q", "-m", "/nowhere", wrap=fake.wrap()) as c:
        c.rest()
        like(fake.next(), r"\A<19>", "an error: mail.err")
    with start("-u", "joe", "-e", "-m", box.path, wrap=fake.wrap()) as c:
        c.line()
        c.cmd("QUIT")
        c.server.wait()
        like(c.server.log(), r"quit", "-e: to standard error")
        fake.socket.setblocking(False)
        try:
            ok(False, "-e: and not to syslog", fake.next())
        except BlockingIOError:
            ok(True, "-e: and not to syslog")


@test
def syslog_trouble():
    """a syslogd that does not read, or is started anew"""
    need_root()
    need("FEATURE_MDPOP3D_DEBUG")
    fake = Syslog()
    box = Maildir().fill(1)
    with start("-a", "-d", "-m", box.path, wrap=fake.wrap()) as c:
        c.line()
        c.pump(b"NOOP\r\n" * 3000)
        is_(c.lines(3000), [b"+OK\r\n"] * 3000,
            "one that does not read holds up nobody")
        fake.socket.close()
        os.unlink(fake.path)
        is_(c.cmd("NOOP"), b"+OK\r\n", "one that is gone harms nobody")
        fake.bind()
        is_(c.cmd("LIST 5")[:4], b"-ERR", "one that is back")
        if not sandboxed():     # which has no new sockets
            like(fake.next(), r"LIST 5", "gets the next line")


@test
def syslog_of_inetd():
    """C118 errors of usage go to syslog when stderr is the client"""
    need_root()
    fake = Syslog()
    got, status = as_inetd("-t", "x", wrap=fake.wrap())
    like(got, r"\A-ERR \[SYS/PERM\] [ -~]+\r\n\Z", "C118 the client")
    is_(status, 100, "C118 exit status")
    like(fake.next(), r"\A<19>mdpop3d\[\d+\]: .*x", "C118 syslog")


@test
def no_dev_log():
    """without /dev/log and -e the log goes to standard error"""
    need_root()
    wrap = [*private_mounts(), "sh", "-c",
            'mount -t tmpfs none /dev && exec "$@"', "sh"]
    with start("-u", "joe", "-m", Maildir().path, wrap=wrap) as c:
        c.line()
        c.cmd("QUIT")
        c.server.wait()
        like(c.server.log(), r"\[joe\] quit", "the line is there")


@test
def login_needs_auth():
    """a build without USER and PASS wants -a or -u"""
    if config("FEATURE_MDPOP3D_AUTH"):
        raise Skip("this build has them")
    status, _, err = run()
    is_(status, 100, "exit status")
    like(err, r"-a|-u", "and says so")


run_tests(jobs=6)
