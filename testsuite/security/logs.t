#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log: one record for one event, whatever bytes a client sends, of
bounded length and number, with those names only that users have.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

BYTES = [b for b in range(256) if b != 0x0A]
RECORD = re.compile(rb"(?:<\d+>)?mdpop3d\[\d+\]: (?:sandbox: [\w ,]+|"
                    rb"\[[!-~]*\]\[[ -~]*\] [ -~]+)")


def need_debug():
    need("FEATURE_MDPOP3D_DEBUG")


def records(server):
    """The log's lines, without their newlines."""
    lines = server.log().encode("latin-1").split(b"\n")
    return lines[:-1]


def all_are_records(lines, what):
    """C122 each line is a record of bounded length"""
    bad = [line for line in lines if not RECORD.fullmatch(line)]
    is_(bad, [], "C122 %s: each line is one record" % what)
    longest = max(map(len, lines), default=0)
    ok(longest < LOG_LINE, "C122 %s: of less than %d bytes" % (
        what, LOG_LINE), longest)
    return longest


def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})",
                  lambda m: bytes([int(m.group(1), 16)]), text)


def commands(lines):
    """What -d has of each command, as the client sent it."""
    found = [line.split(b"] command: ", 1) for line in lines]
    return [unescape(f[1]) for f in found if len(f) == 2]


def seen(sent):
    """What -d has of USER lines before the login: what more than a name
    stands there may be anything."""
    return [b"USER <hidden>" if b"\0" in line or line.count(b" ") > 1 else
            line for line in sent]


# ---- with -d ----------------------------------------------------------------

def said(c, sent):
    """Sends lines, half-closes, waits; the records."""
    c.pump(b"".join(line + b"\r\n" for line in sent))
    c.shut()
    c.rest()
    c.server.wait()
    return records(c.server)


@test
def bytes_of_names():
    """C122 every byte in a USER before the login"""
    need_logins()
    need_debug()
    users = joe()
    count = 0
    for part in (BYTES[:90], BYTES[90:180], BYTES[180:]):
        sent = [b"USER a%cb" % b for b in part]
        with start("-e", "-d", "-P", users.path, via="tcp") as c:
            lines = said(c, sent)
        all_are_records(lines, "USER with %d..%d" % (part[0], part[-1]))
        is_(commands(lines), seen(sent), "C122 USER with %d..%d: each once, "
            "as it was sent" % (part[0], part[-1]))
        count += len(lines)
    figure(25, "records of a USER with each byte, with -d", count)


@test
def bytes_of_commands():
    """C122 every byte in commands after the login"""
    need_debug()
    sent = []
    for b in BYTES:
        sent += [b"NOOP", b"%c" % b, b"NOOP%c" % b, b"LIST %c%c" % (b, b)]
    with session(Maildir().fill(1), "-d") as c:
        lines = said(c, sent)
    all_are_records(lines, "commands")
    is_(commands(lines), sent, "C122 commands: each once, as it was sent")


@test
def strangers():
    """C49 C122 every byte in what is no command before the login"""
    need_logins()
    need_debug()
    users = joe()
    shown = []
    for part in (BYTES[:60], BYTES[60:120], BYTES[120:180], BYTES[180:]):
        sent = []
        for b in part:
            sent += [b"USER x", b"%cqzjk%c" % (b, b)]
        with start("-e", "-d", "-P", users.path, via="tcp") as c:
            lines = said(c, sent)
        all_are_records(lines, "no commands, %d..%d" % (part[0], part[-1]))
        shown += [line for line in lines if b"qzjk" in line]
    is_(shown, [], "C49 what is no command is not shown")


@test
def long_commands():
    """C122 long lines, all of them bytes to be escaped"""
    need_debug()
    sent = [b"NOOP"]
    for n in (60, 120, 140, 150, 160, 200, 248, 252, 253):
        sent += [b"NOOP", b"\x01" * n, b"RETR " + b"\xff" * (n - 5)]
    with session(Maildir().fill(1), "-d") as c:
        lines = said(c, sent)
    figure(25, "longest record of commands of up to 255 escaped octets, bytes",
           all_are_records(lines, "long lines"))
    is_(len(commands(lines)), len(sent), "C122 long lines: one record each")
    ok(any(line.endswith(b"...") for line in lines),
       "C122 long lines: what is left out shows", lines[-3:])


@test
def directives():
    """C12 C122 %n and its like are text"""
    need_logins()
    need_debug()
    users = joe()
    sent = [b"USER %n%n%n%n%s%s%s%s", b"USER %99999999d", b"USER %1$n",
            b"USER ${jndi:x}", b"USER `id`"]
    with start("-e", "-d", "-r", "%n%s", "-P", users.path) as c:
        lines = said(c, sent)
    is_(commands(lines), sent, "C12 as they were sent")
    ok(all(b"[%n%s]" in line for line in lines), "C12 the address, too",
       lines)


@test
def syslog():
    """C122 syslog: one datagram is one record"""
    need_logins()
    need_debug()
    fake = Syslog()
    users = joe()
    sent = [b"USER a%cb" % b for b in BYTES[::2]]
    with start("-d", "-P", users.path, wrap=fake.wrap(), via="tcp") as c:
        c.line()
        for n, line in enumerate(sent):     # a socket holds only a few
            c.cmd(line)
            wait_for(lambda: len(fake.got) > n + 1, 1)
        c.shut()
        c.rest()
        c.server.wait()
    lines = fake.records(rb"msgs/bytes left")
    all_are_records(lines, "syslog")
    is_(commands(lines), seen(sent), "C122 syslog: each once")


# ---- how many ---------------------------------------------------------------

@test
def flood():
    """C122 a client cannot fill the log before its login"""
    need_logins()
    users = joe()
    count = 20_000
    flags = [()] + [("-d",)] * bool(config("FEATURE_MDPOP3D_DEBUG"))
    for flag in flags:
        for what, line in (("USER", b"USER x\r\n"),
                           ("CAPA", b"CAPA\r\n"),
                           ("bad and good", b"x\r\nUSER %n\r\n")):
            with start("-e", *flag, "-P", users.path, via="tcp") as c:
                c.pump(line * (count // (1 + (b"x\r\n" in line))))
                c.shut()
                c.rest()
                c.server.wait()
                lines = records(c.server)
            if flag and not SEPARATED:
                continue        # one process: nobody counts
            ok(len(lines) <= (220 if flag else 4),
               "C122 %d times %s%s: a bounded log" % (
                   count, what, ", -d" if flag else ""), len(lines))
            figure(25, "records of %d commands before the login (%s%s)" % (
                count, what, ", -d" if flag else ""), len(lines))
            ok(any(b"msgs/bytes left" in line for line in lines[-1:]),
               "C122 and its end is in it", lines[-1:])


@test
def flood_of_attempts():
    """C34 C122 nor with attempts"""
    need_logins()
    users = joe()
    with start("-e", "-P", users.path, via="tcp") as c:
        c.pump(b"USER joe\r\nPASS wrong\r\n" * 5000)
        c.shut()
        c.rest()
        c.server.wait()
        lines = records(c.server)
    is_(len([line for line in lines if b"incorrect" in line]),
        config("MDPOP3D_LOGIN_TRIES") or 1,
        "C34 5000 attempts in one session: as many as are allowed")
    ok(len(lines) <= 6, "C122 and few lines", lines)


# ---- attempts ---------------------------------------------------------------

def odd_users():
    """A user file with a name for every byte that one can have."""
    users = UserFile()
    stored = hashed("secret")
    text = b""
    names = []
    for b in BYTES:
        name = b"j%ce" % b
        # Neither a line of the file nor an argument of USER can have it.
        if b in b"\0: \r":
            continue
        names.append(name)
        text += b"%s:%s:61300:61300::%s:/bin/sh\n" % (
            name, stored.encode(), users.home.encode())
    with open(users.path, "wb") as file:
        file.write(text)
    return users, names


@test
def failures():
    """C122 failed logins: the address, and names of users only"""
    need_logins()
    need("FEATURE_MDPOP3D_LISTEN")
    users, names = odd_users()
    server = listener(*CALM, "-P", users.path, "-L", "2000", "-I", "2000")
    clients = []
    for name in names + [b"MyPassw0rd%d" % i for i in range(20)]:
        sock = socket.socket()
        sock.bind(("127.0.0.%d" % (2 + len(clients) % 9), 0))
        sock.connect((server.address, server.port))
        c = Client(sock.fileno(), owner=sock)
        c.send(b"USER %s\r\nPASS wrong\r\n" % name)
        clients.append((name, sock.getsockname()[0], c))
    for name, _, c in clients:
        if not c.rest(60).endswith(REFUSED):
            ok(False, "C34 %r: refused" % name)
    wait_for(lambda: server.log().count("msgs/bytes left") == len(clients))
    lines = records(server)
    all_are_records([line for line in lines if b"listening" not in line],
                    "failed logins")
    failed = [line for line in lines if b"incorrect" in line]
    is_(len(failed), len(clients), "C34 one record each")
    known = sorted((who.encode(), name) for name, who, _ in clients
                   if name in names)
    found = [re.search(rb"\]: \[([0-9.]+)\]\[[^]]*\] login incorrect for "
                       rb"(.+): ", line) for line in failed]
    is_(sorted((m.group(1), unescape(m.group(2))) for m in found if m), known,
        "C122 users: the address and the name, escaped")
    ok(b"Passw0rd" not in b"\n".join(lines), "C122 others: no name")
    figure(26, "failed logins, %d with names of any byte: records with "
           "address and right name" % len(known),
           "%d of %d" % (len([m for m in found if m]), len(known)))


@test
def outside_texts():
    """C122 what comes from options and the environment is escaped, too"""
    box = Maildir().fill(1)
    nasty = b"".join(b"%c" % b for b in range(1, 256)) * 2
    for what, args, env in (
            ("-r", ["-r", nasty], {}), ("-u", ["-u", nasty], {}),
            ("-r of one byte", ["-r", b"\n"], {}),
            ("TCPREMOTEIP", [], {"TCPREMOTEIP": nasty}),
            ("LOGNAME", [], {"LOGNAME": nasty}),
            ("a line end", ["-u", b"a\nmdpop3d[1]: [x][y] z"], {}),
            ("brackets", ["-u", b"a][b", "-r", b"c] [d"], {})):
        with start("-e", "-a", "-m", box.path, *args, env=env) as c:
            c.line()
            c.cmd("QUIT")
            c.server.wait()
            lines = records(c.server)
        is_([line for line in lines if not re.fullmatch(
            rb"mdpop3d\[\d+\]: [ -~]+", line)], [],
            "C122 %s: each line is one record" % what)
        is_(len(lines), 2, "C122 %s: two records" % what, lines)
        ok(max(map(len, lines)) < LOG_LINE, "C122 %s: bounded" % what,
           [len(line) for line in lines])
    with start("-e", "-a", "-m", b"/nowhere/" + nasty[:200]) as c:
        c.rest()
        c.server.wait()
        bad = [line for line in records(c.server) if not re.fullmatch(
            rb"mdpop3d\[\d+\]: [ -~]+", line)]
    is_(bad, [], "C122 -m: one record")


run_tests(jobs=4)
