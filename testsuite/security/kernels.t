#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""seccomp and Landlock on real kernels of five kinds of machines.

A filter that forgets a call works until somebody's libc makes it: here are
the calls of 32-bit machines, of big-endian ones, and kernels that know less
than ours.  Each boots, runs the unit test `sandbox`, and serves a session.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from guest import *

MARY = 1000
MESSAGES = [("new/1000000001.a", b"Subject: one\n\nfirst\n"),
            ("new/1000000002.b", b"Subject: two\n\n.second\n"),
            ("cur/1000000003.c:2,S", b"Subject: three\n\nthird\n")]


def root_files(out, machine, kernel, commands):
    fs = Initramfs()
    for path in ("dev", "proc", "etc", "tmp", "modules", "home"):
        fs.directory(path)
    fs.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    fs.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    fs.file("etc/passwd", b"root:x:0:0::/:/init\n")
    fs.file("users", b"mary:%s:%d:%d::/home/mary:\n" % (
        hashed("secret").encode(), MARY, MARY), mode=0o600)
    for path in ("", "/Maildir", "/Maildir/new", "/Maildir/cur",
                 "/Maildir/tmp"):
        fs.directory("home/mary" + path, MARY, 0o700)
    for path, data in MESSAGES:
        fs.file("home/mary/Maildir/" + path, data, MARY, 0o600)
    fs.copy("init", out + "/init")
    fs.copy("popbox", out + "/popbox")
    fs.copy("sandbox", out + "/unit/sandbox")
    modules = "%s/%s/modules" % (KERNELS, kernel or machine)
    for name in os.listdir(modules):
        fs.copy("modules/" + name, modules + "/" + name)
    fs.file("plan", "".join(line + "\n" for line in commands).encode())
    return fs


def unit_tests(what, console, landlock, seccomp=1):
    """The TAP of the unit test, which has run over there."""
    is_(re.findall(r"^# (seccomp \d+, landlock \d+)$", console, re.M),
        ["seccomp %d, landlock %d" % (seccomp, landlock)],
        what + ": what its kernel gives")
    plan = re.search(r"^1\.\.(\d+)$", console, re.M)
    good = re.findall(r"^ok \d+ - .*$", console, re.M)
    ok(plan and len(good) == int(plan.group(1)) > 150,
       what + ": what must work does, what must not is stopped",
       "\n".join(re.findall(r"^(?:not ok|# ).*$", console, re.M)))
    skipped = [line for line in good if "# SKIP" in line]
    # Nine are Landlock's alone, as root and as somebody else.
    want = 18 * (not landlock) if seccomp else len(skipped)
    is_(len(skipped), want,
        what + ": nothing was left out but what its kernel lacks", skipped)
    like(console, r"^guest: ended 0: /sandbox$", what + ": to the end")


def shut_in(what, guest, uid):
    """Whether the kernel has it: a process that can do little."""
    line = "guest: process uid %d gid %d nnp 1 seccomp 2\n" % (uid, uid)
    ok(wait_for(lambda: line in guest.console()),
       "%s: seccomp holds the process of uid %d" % (what, uid),
       *re.findall("^guest: process.*$", guest.console(), re.M))


def a_session(what, guest):
    client = guest.connect()
    client.line(BOOT)
    shut_in(what, guest, 65534)
    client.cmd("USER mary")
    is_(client.cmd("PASS secret", BOOT), b"+OK\r\n", what + ": a login")
    shut_in(what, guest, MARY)
    is_(client.cmd("STAT"), b"+OK 3 73\r\n", what + ": STAT")
    is_(client.multi("RETR 2"),
        (b"+OK\r\n", b"Subject: two\r\n\r\n..second\r\n"), what + ": RETR")
    is_(client.cmd("DELE 2"), b"+OK\r\n", what + ": DELE")
    client.send(b"QUIT\r\n")
    is_(client.rest(BOOT), b"+OK\r\n", what + ": QUIT")


def the_next(what, guest):
    client = guest.connect()
    client.line(BOOT)
    client.cmd("USER mary")
    client.cmd("PASS secret", BOOT)
    is_(client.multi("UIDL"),
        (b"+OK\r\n", b"1 1000000001.a\r\n2 1000000003.c\r\n"),
        what + ": and it is gone")
    client.send(b"QUIT\r\n")
    client.rest(BOOT)


def holds(what, console, landlock):
    like(console, r"mdpop3d\[\d+\]: sandbox: seccomp, %s$" % (
        "Landlock %d" % landlock if landlock else "no Landlock"),
        what + ": the log says what holds")


SERVER = "mdpop3d -e -b 0"
IN_GUEST = SERVER + " -P /users -l 0.0.0.0:%d"


def try_machine(machine, landlock, kernel=None, append="", more=()):
    what = machine + (", " + (append or "Linux 5.10") if kernel or append
                      else "")
    need_kernel(machine, kernel)
    out = build(machine)
    fs = root_files(out, machine, kernel, [
        "/sandbox", "&/popbox " + IN_GUEST % 110] + [
            "&/%s " % name + IN_GUEST % 111 for name, _ in more])
    for name, source in more:
        fs.copy(name, source)
    with Guest(machine, fs, kernel, append) as guest:
        guest.wait(r"^guest: ready")
        unit_tests(what, guest.console(), landlock)
        guest.wait(r"mdpop3d.*listening on .*:110")
        a_session(what, guest)
        the_next(what, guest)
        holds(what, guest.console(), landlock)
        if more:
            guest.wait(r"mdpop3d.*listening on .*:111")
            refused(what, guest)


def refused(what, guest):
    """A server that wants all of it: at the latest a login fails."""
    client = guest.connect(111)
    client.send(b"USER mary\r\n")
    client.line(BOOT)
    client.line(BOOT)
    client.send(b"PASS secret\r\nSTAT\r\n")
    like(client.rest(BOOT), r"\A(-ERR [^\n]*\n)*\Z",
         what + ": SANDBOX_REQUIRED serves nobody")
    ok(wait_for(lambda: re.search(r"mdpop3d.*: (Not supported|error 38)",
                                  guest.console())),
       what + ": and the log says why", guest.console()[-500:])


@test
def amd64():
    """amd64: Linux 6.1"""
    try_machine("amd64", 2)


@test
def arm64():
    """arm64: Linux 6.1"""
    try_machine("arm64", 2)


@test
def armhf():
    """armhf: Linux 6.1, 32 bits"""
    try_machine("armhf", 2)


@test
def mipsel():
    """mipsel: Linux 6.1, 32 bits, other signal numbers"""
    try_machine("mipsel", 2)


@test
def s390x():
    """s390x: Linux 6.1, big-endian"""
    try_machine("s390x", 2)


@test
def without_landlock():
    """amd64: Linux 6.1 without Landlock"""
    need_kernel("amd64")
    wants = build("amd64", "required", ["CONFIG_SANDBOX_REQUIRED=y"])
    try_machine("amd64", 0, append="lsm=capability",
                more=[("popbox-wants", wants + "/popbox")])


@test
def old():
    """amd64: Linux 5.10, which has none"""
    try_machine("amd64", 0, kernel="old")


@test
def neither():
    """mips: neither seccomp nor Landlock, big-endian, 32 bits"""
    need_root()
    need_compiler("mips")
    qemu = shutil.which("qemu-mips-static") or shutil.which("qemu-mips")
    if not qemu:
        raise Skip("no qemu-mips-static")
    # This emulator is for programs, and hands on neither of the two.
    what = "mips, emulated"
    out = build("mips")
    tap = subprocess.run([qemu, out + "/unit/sandbox"], cwd=scratch(),
                         stdout=subprocess.PIPE, check=False)
    unit_tests(what, tap.stdout.decode() +
               "guest: ended %d: /sandbox\n" % tap.returncode, 0, 0)
    users = joe()
    port = free_port("127.0.0.1")
    log = scratch() + "/log"
    with open(log, "w") as file:
        server = subprocess.Popen(
            [qemu, out + "/popbox", *SERVER.split(),
             "-P", users.path, "-l", "127.0.0.1:%d" % port],
            stdin=subprocess.DEVNULL, stderr=file)
    cleanup(server.wait)
    cleanup(server.kill)
    ok(wait_for(lambda: listening(port)), what + ": listens")
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client = Client(sock.fileno(), owner=sock)
    client.line()
    client.cmd("USER joe")
    is_(client.cmd("PASS secret"), b"+OK\r\n", what + ": a login")
    like(client.cmd("STAT"), r"\A\+OK 2 ", what + ": STAT")
    is_(client.cmd("QUIT"), b"+OK\r\n", what + ": QUIT")
    with open(log) as file:
        like(file.read(), r"sandbox: no seccomp, no Landlock$",
             what + ": the log says that nothing holds")


run_tests(jobs=2)
