#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""A parser that has fallen: whoever has it has the monitor's ear, and no more.

Millions of messages go to the monitor alone (tools/flood.c, with sanitizers),
some hundreds to a whole server whose parser does what it is told
(tools/hostile_parser.c), below the real monitor and in the real sandbox.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from security import *

TOP = os.path.dirname(os.path.dirname(TOOLS))
RANDOM, SHAPED = 1_000_000, 100_000
SECRET = "right-one"

# applets/mdpop3d/privsep.h
LOG, STLS, LOGIN, APOP = 1, 2, 3, 4
DONE, AGAIN, INCORRECT, TEMPORARY, PERMANENT = b"\1", b"\2", b"\3", b"\4", b"\5"
SIZE = 8 + 256 + 1024 + 2048
LINES = 200     # of -d, that one parser may have logged
TRIES = 3       # of the build below

try:
    need_separation()
except Skip as _why:
    skip_all(str(_why))
if config("SANITIZE"):
    skip_all("has builds of its own")


# ---- the monitor alone -----------------------------------------------------------

def flood(tries, *more):
    """Compiled with sanitizers and run; what it says has happened."""
    out = scratch("flood") + "/flood"
    compiler = next((c for c in ("gcc", "clang") if shutil.which(c)), None)
    if not compiler:
        raise Skip("no compiler")
    subprocess.run(
        [compiler, "-std=c99", "-O1", "-g", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", "-D_GNU_SOURCE",
         "-D_FILE_OFFSET_BITS=64", "-DTRIES=%d" % tries, "-I", TOP + "/libmd",
         "-I", TOP + "/applets/mdpop3d", "-I", BUILD, "-include",
         BUILD + "/autoconf.h", "-o", out, TOOLS + "/flood.c",
         TOP + "/libmd/base.c"], check=True)
    done = subprocess.run([out, *map(str, more)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ok(done.returncode == 0, "C33 flood of a monitor of %d attempts: it does "
       "nothing that it must not" % tries, done.stderr.decode()[-3000:])
    return {k: int(v) for k, v in (word.split("=") for word in
                                   done.stdout.decode().split())}


@test
def floods():
    """C33 a million random messages and 100,000 with the shape of one"""
    for tries in (1, TRIES):
        seen = flood(tries, RANDOM, SHAPED, random.randrange(1 << 32))
        if not seen:
            return
        ok(seen["messages"] >= RANDOM + SHAPED, "C33 all of them were heard",
           str(seen))
        ok(seen["wrong"] > 1000 and seen["bad"] > RANDOM * 9 // 10,
           "C33 wrong passwords, and what is no message", str(seen))
        ok(seen["in"] <= seen["right"] and seen["in"] > 0,
           "C33 let in are only some who have the right one", str(seen))
        is_(seen["most_logins"], tries, "C33 so many attempts at most")
        ok(seen["grown"] < 1024, "C33 its memory does not grow", str(seen))
        figure(23, "messages to a monitor of %d attempts; of these no "
               "message, wrong passwords, let in with one"
               % tries, "%d; %d, %d, 0" % (
                   seen["messages"], seen["bad"], seen["wrong"]))


# ---- a server whose parser has fallen ----------------------------------------------

_builds = {}
_building = threading.Lock()


def hostile(name, **symbols):
    """The tested configuration with such a parser; the binary."""
    with _building:
        if name not in _builds:
            _builds[name] = build(name, symbols)
    return _builds[name]


def build(name, symbols):
    out = "%s/security/hostile-%s" % (BUILD, name)
    os.makedirs(out, exist_ok=True)
    with open(CONFIG) as file:
        text = file.read()
    for symbol, value in symbols.items():
        text = re.sub(r"(?m)^(# )?CONFIG_%s[= ].*\n" % symbol, "", text)
        text += ("# CONFIG_%s is not set\n" % symbol if value is False else
                 "CONFIG_%s=%s\n" % (symbol, "y" if value is True else value))
    with open(out + "/.config", "w") as file:
        file.write(text)
    parser = out + "/hostile_parser.o"
    env = {k: v for k, v in os.environ.items() if k not in (
        "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "O", "B", "LDFLAGS", "LDLIBS")}
    env.setdefault("XCRYPT_DIR", BUILD + "/xcrypt")
    cc = env.get("CC") or ("musl-gcc" if config("STATIC") and
                           shutil.which("musl-gcc") else "cc")
    make = ["make", "--no-print-directory", "-C", TOP, "O=" + out,
            "KCONFIG_CONFIG=" + out + "/.config", "LDLIBS=" + parser,
            "LDFLAGS=-Wl,--wrap=session_greet"]
    # make does not know of this part
    for old in (parser, out + "/popbox_unstripped"):
        if os.path.exists(old):
            os.remove(old)
    for command in (
            make + ["objects"],
            cc.split() + ["-std=c99", "-D_FILE_OFFSET_BITS=64", "-O1", "-I",
                          TOP + "/libmd", "-I", TOP + "/applets/mdpop3d",
                          "-include", out + "/autoconf.h", "-c", "-o",
                          parser, TOOLS + "/hostile_parser.c"],
            make + ["all"]):
        done = subprocess.run(command, check=False, env=env,
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode:
            raise AssertionError("%s: %s" % (
                command, done.stdout[-1500:].decode("latin-1")))
    os.chmod(out, 0o755)
    return out + "/popbox"


def free(tries=TRIES):
    """Without seccomp, so that the parser can do all there is to do."""
    return hostile("free", FEATURE_MDPOP3D_SANDBOX=False,
                   FEATURE_MDPOP3D_DEBUG=True, FEATURE_MDPOP3D_STLS=True,
                   MDPOP3D_LOGIN_TRIES=tries)


def packet(kind, user=b"", text=b"", ahead=b"", ahead_len=None):
    """struct pv_request."""
    return struct.pack("=II256s1024s2048s", kind, len(ahead) if ahead_len is
                       None else ahead_len, user, text, ahead)


WRONG = packet(LOGIN, b"joe", b"wrong")
RIGHT = packet(LOGIN, b"joe", SECRET.encode())


class Fallen:
    """A session with such a parser; each method has it do something."""

    def __init__(self, binary, *args, users=None, **how):
        self.users = users or joe(SECRET)
        self.c = start("-e", "-P", self.users.path, *args,
                       wrap=of_build(binary), **how)
        self.server = self.c.server
        self.began = time.monotonic()
        if self.byte() != b"!":
            raise AssertionError("no parser: " + self.server.log())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.c.close()
        self.server.end()

    def byte(self):
        while not self.c.buf and self.c._recv(PATIENCE):
            pass
        return self.c._take(1)

    def order(self, letter, data=b""):
        self.c.send(letter.encode() + struct.pack("<I", len(data)) + data)

    def do(self, letter, data=b""):
        """The answer; b"" where the parser, or the session, has ended."""
        self.order(letter, data)
        return self.byte()

    def ask(self, data, within=PATIENCE):
        """Sends a packet and returns the monitor's answer."""
        if self.do("s", data) != b"+":
            return b""
        return self.do("a", struct.pack("<I", int(within * 1000)))

    def ended(self):
        """What the client gets up to the end."""
        try:
            return self.c.rest()
        except TimeoutError:
            return bytes(self.c.buf)

    def ends(self, within):
        """Whether nothing of the session is left after so many seconds."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if self.server.process.poll() is not None:
                return True
            time.sleep(0.01)
        return False

    def over(self, what, within=1, tries=0):
        """It ends in time, without a crash, and nobody is in."""
        ended = self.ends(within)
        log = self.server.log()
        status = self.server.process.poll()
        return ok(ended and status in (0, 111) and
                  log.count("login incorrect") <= tries and
                  "] login\n" not in log and
                  b"+OK" not in self.c.rest(1 if ended else 0.1),
                  "C33 " + what, "status %s, %.1f s" % (
                      status, time.monotonic() - self.began), log)


# ---- that it could --------------------------------------------------------------

@test
def control():
    """C33 with the right password even this parser lets the client in"""
    for name, binary in (("in no sandbox", free()),
                         ("as shipped", hostile("shipped"))):
        with Fallen(binary) as f:
            f.order("s", packet(LOGIN, b"joe", SECRET.encode(),
                                b"STAT\r\nQUIT\r\n"))
            # The parser may still have said that it has sent it.
            like(f.ended(), r"\A\+?\+OK\r\n\+OK 2 \d+\r\n\+OK\r\n\Z",
                 "C33 %s: a login, and what was read ahead" % name,
                 f.server.log())
            like(f.server.log(), r"\[joe\] login\n", "C33 %s" % name)


# ---- what is no message, or not allowed -----------------------------------------

def long_text(n, end=b"\0"):
    return b"A" * n + end


BAD = [
    ("a packet of one octet", b"\3"),
    ("one octet less", WRONG[:-1]), ("one octet more", WRONG + b"\0"),
    ("a right one, one octet less", RIGHT[:-1]),
    ("a right one, one octet more", RIGHT + b"\0"),
    ("its head only", WRONG[:8]), ("without what was read ahead",
                                   WRONG[:-2048]),
    ("two in one", WRONG + WRONG), ("100,000 octets", b"A" * 100_000),
    ("kind 0", packet(0, b"joe", b"wrong")),
    ("kind 5", packet(5, b"joe", b"wrong")),
    ("kind 2 to the 32nd less 1", packet(0xffffffff, b"joe", b"wrong")),
    ("kind 3 in the other byte order", packet(3 << 24, b"joe", b"wrong")),
    ("a name without an end", packet(LOGIN, b"j" * 256, b"wrong")),
    ("a password without an end", packet(LOGIN, b"joe", b"w" * 1024)),
    ("a password of 255", packet(LOGIN, b"joe", b"w" * 255)),
    ("no name", packet(LOGIN, b"", b"wrong")),
    ("no name, but the right password", packet(LOGIN, b"", SECRET.encode())),
    ("2049 read ahead", packet(LOGIN, b"joe", SECRET.encode(),
                               ahead_len=2049)),
    ("4 GB read ahead", packet(LOGIN, b"joe", SECRET.encode(),
                               ahead_len=0xffffffff)),
    ("APOP, not offered", packet(APOP, b"joe", b"0" * 32)),
    ("APOP with a short digest", packet(APOP, b"joe", b"0" * 31)),
    ("APOP with the right password", packet(APOP, b"joe", SECRET.encode())),
    ("STLS, not offered", packet(STLS)),
    ("STLS for somebody", packet(STLS, b"joe", SECRET.encode())),
    ("a line, without -d", packet(LOG, b"", b"NOOP")),
    ("all zeros", bytes(SIZE)), ("all ones", b"\xff" * SIZE),
]


def refused(what, data, binary):
    with Fallen(binary) as f:
        f.order("s", data)
        f.over(what)
        like(f.server.log(), "parser sent what it must not", "C33 and says so")


@test
def no_messages():
    """C33 what is no message ends the session at once"""
    spread(refused, [(what, data, free()) for what, data in BAD])


@test
def random_messages():
    """C33 random ones, with a whole server"""
    dice = random.Random(23)
    sizes = [SIZE] * 100 + [dice.randrange(1, 2 * SIZE) for _ in range(100)]
    spread(_some, [(hostile("shipped"), dice.randbytes(size),) for size in
                   sizes])
    figure(23, "random messages to a whole server as it is shipped, "
           "each of which ended it", len(sizes))


def _some(binary, data):
    if len(data) == SIZE:       # half of these with a kind there is
        data = struct.pack("=I", 1 + data[0] % 8) + data[4:]
    with Fallen(binary) as f:
        f.order("s", data)
        f.over("a random message of %d octets" % len(data))


# ---- attempts -------------------------------------------------------------------

@test
def attempts():
    """C33 so many attempts, each with its delay, and none more"""
    with Fallen(free()) as f:
        answers, took = [], []
        for user in (b"joe", b"nobody", b"joe"):
            began = time.monotonic()
            answers.append(f.ask(packet(LOGIN, user, b"wrong")))
            took.append(time.monotonic() - began)
        is_(answers, [AGAIN, AGAIN, INCORRECT], "C33 three attempts",
            f.server.log())
        ok(all(t >= 1.9 for t in took), "C33 each held for two seconds", took)
        f.order("s", RIGHT)
        f.over("no fourth, not even a right one", tries=3)
        is_(f.server.log().count("login incorrect"), 3, "C33 three checks")


def _many(what, tries, data, within):
    with Fallen(free() if tries == TRIES else hostile("shipped")) as f:
        f.order("m", struct.pack("<I", 100_000) + data)
        f.over(what, within, tries)
        figure(23, what + ": checks", f.server.log().count("login incorrect"))


@test
def many_at_once():
    """C33 100,000 logins, sent while the first is checked"""
    one = config("MDPOP3D_LOGIN_TRIES") or 1
    spread(_many, [
        ("100,000 wrong logins at once", TRIES, WRONG, 9),
        ("the same to the server as shipped", one, WRONG, 2 * one + 3),
        ("with an empty password", TRIES, packet(LOGIN, b"joe"), 9),
        ("for somebody whom nobody knows", TRIES,
         packet(LOGIN, b"x" * 255, b"\xff" * 254), 9)])


@test
def queued_behind():
    """C33 a right one behind too many wrong ones"""
    with Fallen(free()) as f:
        for data in (WRONG, WRONG, WRONG, RIGHT, RIGHT):
            f.do("s", data)
        f.over("three wrong ones, then right ones", 9, 3)


# ---- TLS ------------------------------------------------------------------------

def tls(*args, **how):
    """A session with UCSPI-TLS above it: (session, what it is told)."""
    ours, control = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    fds = {"SSLCTLFD": str(control), "SSLREADFD": str(null),
           "SSLWRITEFD": str(null)}
    f = Fallen(free(), *args, env=fds, pass_fds=(control, null), **how)
    os.close(control)
    os.close(null)
    cleanup(os.close, ours)
    return f, ours


@test
def tls_once():
    """C33 STLS once, and no login before it where -E says so"""
    f, told = tls()
    with f:
        is_(f.ask(packet(STLS)), DONE, "C33 STLS")
        f.order("s", packet(STLS))
        f.over("a second one")
        is_(os.read(told, 99), b"y", "C33 TLS was started once")
    f, told = tls("-E")
    with f:
        f.order("s", RIGHT)
        f.over("-E: a login before STLS")
        is_(os.read(told, 99), b"", "C33 -E: TLS was not started")


# ---- time -----------------------------------------------------------------------

def _silent(what, letter, data, *args):
    with Fallen(free(), "-t", "1", *args) as f:
        before = f.server.memory("VmRSS")
        f.order(letter, data)
        time.sleep(3)
        grown = f.server.memory("VmRSS") - before
        f.over(what + ": ended by the deadline", 7)
        ok(grown < 64, "C33 %s: memory does not grow" % what, grown)
        lines = f.server.log().count(" command: ")
        ok(lines <= LINES, "C33 %s: so many lines in the log" % what, lines)
        if letter == "m":
            # a log that is full loses lines, on a busy machine most
            ok(lines > 0, "C33 %s: and some" % what, lines)
        like(f.server.log(), r"\] timeout ", "C33 %s: for that reason" % what)


@test
def silent():
    """C33 a parser that does nothing, or nothing but talk, has its time"""
    line = packet(LOG, b"", b"%s%n\r\n[x][root] login\x1b[2J" + b"A" * 900)
    spread(_silent, [
        ("silence", "h", b""),
        ("lines for the log without end", "m",
         struct.pack("<I", 0xffffffff) + line, "-d")])


# ---- its end --------------------------------------------------------------------

def _end(what, letter, data=b""):
    for before in (None, WRONG):
        with Fallen(free()) as f:
            if before:
                f.do("s", before)
            f.order(letter, data)
            f.over(what + (", during a check" if before else ""),
                   4 if before else 1, 1)
            is_(f.server.children(), [], "C33 no process is left")


@test
def endings():
    """C33 it ends, crashes, closes and half-closes"""
    spread(_end, [("it closes the link", "c"), ("it crashes", "k")] + [
        ("it shuts down the link, %d" % how, "d", bytes([how]))
        for how in (1, 2)] + [
            ("it ends with %d" % code, "x", bytes([code]))
            for code in (0, 1, 2, 9, 11, 12, 13, 99, 100, 101, 137, 255)])


@test
def in_the_sandbox():
    """C33 what the real sandbox makes of such calls"""
    if not sandboxed():
        raise Skip("no sandbox in this build")
    for what, letter, data in (
            ("shutdown", "d", b"\2"), ("sendmsg", "r", WRONG)):
        with Fallen(hostile("shipped")) as f:
            f.order(letter, data)
            f.over("%s ends it" % what, 4)
            like(f.server.log(), "signal: 31", "C33 with SIGSYS")


@test
def descriptors_given():
    """C33 descriptors that come with a message are not taken"""
    with Fallen(free()) as f:
        before = sorted(descriptors(f.server.pid))
        is_(f.do("r", WRONG), b"+", "C33 sent")
        is_(f.do("a", struct.pack("<I", 5000)), AGAIN, "C33 it is a login")
        after = sorted(descriptors(f.server.pid))
        ok(set(after) <= set(before), "C33 the monitor has none more",
           before, after)
        f.order("x", b"\1")
        f.over("and ends", tries=1)


run_tests(jobs=3)
