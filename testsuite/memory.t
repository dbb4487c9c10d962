#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory: how much it takes, and what is left in it.

In Python because it looks into the memory of the server. What the commands
used here do is in mdpop3d/*.pop3.
"""

import array
import fcntl
import sys
import termios
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *


# ---- what is left in it -----------------------------------------------------

def need_logins():
    """Ends the test where nobody can log in."""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()


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


def traces(server, secrets, piece=8):
    """Where in a server's memory any `piece` bytes of these strings are."""
    pieces = {s[i:i + piece] for s in map(str.encode, secrets)
              for i in range(len(s) - piece + 1)}
    search = re.compile(b"|".join(map(re.escape, pieces)))
    return [(where, m.group()) for pid in [server.pid] + server.children()
            for where, content in memory(pid)
            for m in search.finditer(content)][:9]


# No part of it is anywhere else.
SECRET = "Zwiebelfisch-und-Kaesekuchen, 3 Pfund: {%s}" % "".join(
    chr(x) for x in range(ord("a"), ord("z") + 1))


def crowded():
    """Joe among others; also all hashes, without their common setting."""
    others = ["%s%02d-%s" % (SETTING, i, "".join(
        "%c%c" % (97 + i * n % 26, 65 + (i + n * n) % 26)
        for n in range(38))) for i in range(1, 41)]
    users = UserFile()
    for i, stored in enumerate(others[:20]):
        users.add("u%d" % i, stored=stored, maildir=False)
    users.box = users.add("joe", SECRET).fill(2)
    for i, stored in enumerate(others[20:], 20):
        users.add("u%d" % i, stored=stored, maildir=False)
    return users, [stored[len(SETTING):] for stored in
                   others + [hashed(SECRET)]]


def need_bare_memory():
    """Skips where what is measured would not be our own."""
    if config("SANITIZE"):
        raise Skip("sanitizers keep copies of what they check")
    if not config("STATIC"):
        raise Skip("what the libc keeps is not ours to wipe")


@test
def wiped():
    """C49 after the login no password and no hash is left in memory"""
    need_logins()
    need_bare_memory()
    users, hashes = crowded()
    cut = len("PASS ") + 30
    line = "PASS %s\r\n" % SECRET
    for what, parts in (
            ("in one segment each", ("USER joe\r\n", line)),
            ("in two segments", ("USER joe\r\n", line[:cut], line[cut:])),
            ("cut behind its first byte",
             ("USER joe\r\n", line[:6], line[6:])),
            ("without its line end", ("USER joe\r\n", line[:-2], "\r\n")),
            ("all in one segment", ("USER joe\r\n" + line,)),
            ("with more behind", ("USER joe\r\n" + line + "NOOP\r\n",))):
        with start("-e", "-P", users.path) as c:
            c.line()
            for part in parts:
                c.send(part)
                # Read by itself: nothing waits in the socket any more.
                wait_for(lambda: unread(c) == 0)
            is_(c.lines(3 if "NOOP" in parts[0] else 2)[-1], b"+OK\r\n",
                "C49 login, sent " + what)
            is_(traces(c.server, [SECRET]), [],
                "C49 no trace of the password, sent " + what)
            is_(traces(c.server, hashes), [], "C49 nor of any hash")


def unread(c):
    """Bytes we sent that the server has not read."""
    left = array.array("i", [0])
    fcntl.ioctl(c.fd_out, termios.TIOCOUTQ, left)
    return left[0]


@test
def wiped_before_login():
    """C49 passwords that came at the wrong moment, or wrong themselves"""
    need_logins()
    need_bare_memory()
    users, hashes = crowded()
    for what, text in (("without USER", "PASS " + SECRET),
                       ("as a command", SECRET),
                       ("misspelt", "PAS " + SECRET),
                       ("in a line too long", "PASS " + SECRET * 9),
                       ("as a name", "USER joe " + SECRET)):
        with start("-e", "-P", users.path) as c:
            c.line()
            like(c.cmd(text), r"\A-ERR ", "C49 password " + what)
            # The next wait for a line comes after the wiping.
            is_(traces(c.server, [SECRET]), [],
                "C49 no trace of a password " + what)
    with start("-e", "-P", users.path) as c:
        c.line()
        c.cmd("USER joe")
        c.send("PASS %s.\r\n" % SECRET)
        ok(c.server.wait_log("incorrect"), "C49 a wrong password")
        is_(traces(c.server, [SECRET] + hashes), [],
            "C49 leaves no trace while its refusal is delayed")


# ---- how much it takes -------------------------------------------------------

@test
def endless_line():
    """C6 10 MB without LF need no memory"""
    with session(Maildir().fill(1)) as c:
        like(c.cmd("STAT"), r"^\+OK 1 ", "C6 before")
        before = c.server.memory("VmHWM")
        c.send(b"A" * 10_000_000)
        c.send(b"\r\nNOOP\r\n")
        like(c.line() + c.line(), r"\A-ERR[ -~]*\r\n\+OK\r\n\Z",
             "C6 one answer to 10 MB")
        grown = c.server.memory("VmHWM") - before
        ok(grown <= 256, "C6 memory grown by at most 256 KB",
           "%d KB" % grown)


def many(box, count):
    """Empty messages, made as fast as Python can."""
    fd = os.open(box.path + "/cur", os.O_RDONLY)
    for i in range(count):
        os.close(os.open("%d.M%06dP9.host:2,S" % (1700000000 + i // 7, i),
                         os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
    os.close(fd)
    return len("1700000000.M000000P9.host:2,S") + 1


@test
def hundred_thousand_messages():
    """C64 100 000 messages"""
    count = 100_000
    box = Maildir()
    name = many(box, count)
    with session(Maildir()) as c:
        c.cmd("STAT")
        alone = c.server.memory("Anonymous")
    began = time.monotonic()
    with session(box) as c:
        is_(c.cmd("NOOP"), b"+OK\r\n", "C64 login")
        spent = time.monotonic() - began
        ok(spent < (30 if config("SANITIZE") else 5),
           "C64 login within seconds", spent)
        is_(c.cmd("STAT"), b"+OK %d 0\r\n" % count, "C64 STAT")
        c.send("LIST\r\nUIDL\r\n")
        c.line()
        is_(c.body().count(b"\r\n"), count, "C64 LIST")
        c.line()
        lines = c.body().split(b"\r\n")
        is_(len(lines) - 1, count, "C64 UIDL")
        is_(lines[count - 1], b"%d %d.M%06dP9.host" % (
            count, 1700000000 + (count - 1) // 7, count - 1), "C64 the last")
        each = (c.server.memory("Anonymous") - alone) * 1024 / count
        if config("SANITIZE"):
            skip("C64 memory", "sanitizers need their own")
        else:
            ok(each <= 64 + name, "C64 at most 64 bytes and the name each",
               "%.1f bytes each" % each)
        is_(c.cmd("RETR %d" % count), b"+OK\r\n", "C64 RETR of the last")


@test
def idle_memory():
    """C64 an idle session is small"""
    if config("SANITIZE") or config("DEBUG") or not config("STATIC"):
        raise Skip("only the ship build has this budget")
    with session(Maildir().fill(100)) as c:
        c.cmd("STAT")
        dirty = c.server.memory("Anonymous")
        ok(dirty <= 64, "C64 100 messages: at most 64 KB of its own",
           "%d KB" % dirty)


@test
def hundred_thousand_commands():
    """C114 100 000 pipelined commands"""
    with session(Maildir().fill(1)) as c:
        c.cmd("NOOP")
        before = c.server.memory("VmHWM")
        c.pump(b"NOOP\r\n" * 100_000)
        c.send("STAT\r\n")
        for _ in range(100_000):
            if c.line() != b"+OK\r\n":
                ok(False, "C114 a wrong answer")
                break
        like(c.line(), r"^\+OK 1 ", "C114 all answered, the last one too")
        grown = c.server.memory("VmHWM") - before
        ok(grown <= 256, "C114 in bounded memory", "%d KB" % grown)


@test
def unread_answers():
    """C114 C89 a client that sends but never reads"""
    with session(Maildir().fill(1), "-t", "1") as c:
        before = c.server.memory("VmHWM")
        os.set_blocking(c.fd_out, False)
        grown = 0
        try:
            for _ in range(20_000):
                os.write(c.fd_out, b"UIDL\r\n" * 100)
                grown = c.server.memory("VmHWM") - before
        except (BlockingIOError, ConnectionError, OSError):
            pass
        is_(c.server.wait(), 0, "C89 ended by the timeout")
        ok(grown <= 256, "C114 in bounded memory", "%d KB" % grown)


run_tests(jobs=6)
