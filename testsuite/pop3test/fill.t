#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test fill

import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test("FEATURE_POP3TEST_FILL")

# How bodies look, by the form in the Subject, and what each must have.
ODD = {
    "plain": rb"\A([a-z0-5]{1,72}\r\n)*\Z",
    "a dot": rb"\n\.\r\n",
    "dots": rb"\r\n\.\.\r\n\.\.\.\r\n\.x\r\n(?s:.*)\r\n\.\r\n\Z",
    "dot first": rb"\A\.",
    "lone CR": rb"\r[^\n]",
    "NUL": rb"\0",
    "8 bit": rb"\xff",
    "long line": rb"\A[^\n]*\r\n\Z",
    "empty": rb"\A\Z",
    "blank lines": rb"\A(\r\n)*\Z",
    "From": rb"\AFrom ",
}
ALL = {
    **ODD,
    "no newline": rb"end\r\n\Z",
    "CRLF and LF": rb"d\r\n\Z",
    "final CR": rb"\nd\r\n\Z",
    "CR CR LF": rb"\r\r\n",
    "dot file": rb"\A([a-z0-5]{1,72}\r\n)*\Z",
}
STORED_END = {"no newline": b"end", "final CR": b"d\r"}


def fill(path, *args):
    run = pop3test("fill", path, *map(str, args))
    if run[:3] != (0, b"", b""):
        ok(False, "fill %r" % (args,), run)
    return stored(path)


def stored(path):
    there = Maildir(path)
    found = []
    for name in there.names("new"):
        with open(there.join("new", name), "rb") as file:
            found.append(file.read())
    return found


def form(data):
    return re.search(rb"^Subject: message \d+: (.*)$", data,
                     re.M).group(1).decode()


def halves(data):
    """Header block and body, as on the wire."""
    head, body = oracle.wire(data).split(b"\r\n\r\n", 1)
    return head, body


def sum_told(head):
    return re.search(rb"(?:\A|\n)X-Pop3test-MD5: +([0-9a-f]{32})\Z",
                     head).group(1).decode()


def sum_is(body):
    return hashlib.md5(body).hexdigest()


@test
def forms():
    """fill: the forms, in turn"""
    for kind, want in (([], ODD), (["odd"], ODD), (["all"], ALL),
                       (["plain"], {"plain": ODD["plain"]})):
        count = 2 * len(want) + 1
        made = fill(scratch() + "/M", count, 2000, *kind)
        is_(len(made), count, "fill %s: how many" % kind)
        is_([form(m) for m in made], (list(want) * 3)[:count],
            "fill %s: one after the other" % kind)
        for m in made[:len(want)]:
            like(halves(m)[1], want[form(m)].decode("latin-1"),
                 "fill %s: %s" % (kind, form(m)))
    for m in fill(scratch() + "/M", 16, 300, "all"):
        end = STORED_END.get(form(m))
        if end:
            ok(m.endswith(end), "fill: %s, as stored" % form(m), m[-20:])
        if form(m) == "dot file":
            ok(m.startswith(b"."), "fill: a dot is the first octet")
        if form(m) == "CRLF and LF":
            ok(re.search(rb"[^\r]\n", m) and b"\r\n" in m,
               "fill: CRLF and LF, as stored")


@test
def sizes():
    """fill: sizes are exact, sums are right"""
    wrong, small = [], {}
    for size in [*range(0, 400, 3), 1000, 1001, 4096, 8191, 8192, 9999,
                 65537, 300001]:
        for m in fill(scratch() + "/M", 16, size, "all", "-s", size):
            head, body = halves(m)
            # The short ones have no Subject; then there is only the sum.
            label = form(m) if b"Subject" in m else len(small)
            if sum_told(head) != sum_is(body):
                wrong.append((label, size, "sum"))
            if oracle.size(m) != size and size >= 400 and label != "empty":
                wrong.append((label, size, oracle.size(m)))
            if size < 400 and oracle.size(m) not in range(
                    size, max(size, 250) + 1) and label != "empty":
                wrong.append((label, size, oracle.size(m)))
    is_(wrong, [], "fill: wrong sizes and sums")
    plain = [oracle.size(fill(scratch() + "/M", 1, size, "plain")[0])
             for size in range(48, 300)]
    is_(plain, [max(size, 52) for size in range(48, 300)],
        "fill plain: exact from 52 octets on")


@test
def served():
    """fill: mdpop3d serves what the header says"""
    box = Maildir()
    made = fill(box.path, 32, 5000, "all")
    run = pop3test("list", *server_command(box))
    is_([int(line.split()[1]) for line in run.out.splitlines()],
        [oracle.size(m) for m in made], "fill: sizes of LIST")
    with session(box) as c:
        got = [oracle.unstuff(c.multi("RETR %d" % n)[1])
               for n in range(1, 33)]
    is_([form(m.replace(b"\r\n", b"\n")) for m in got],
        [form(m) for m in made], "fill: in that order")
    for m in got[:16]:
        head, body = m.split(b"\r\n\r\n", 1)
        is_(sum_is(body), sum_told(head), "fill: sum of what RETR brings, " +
            form(m.replace(b"\r\n", b"\n")))


@test
def seeds():
    """fill: the seed decides about every byte"""
    one = fill(scratch() + "/M", 20, 3000, "-s", 7)
    is_(fill(scratch() + "/M", 20, 3000, "-s", 7) == one, True,
        "fill: the same seed, the same bytes")
    is_(fill(scratch() + "/M", 20, 3000, "odd") ==
        fill(scratch() + "/M", 20, 3000), True, "fill: odd is the default")
    other = fill(scratch() + "/M", 20, 3000, "-s", 8)
    ok(not any(a == b for a, b in zip(one, other)),
       "fill: another seed, other bytes")
    bodies = [halves(m)[1] for m in one if form(m) == "plain"]
    ok(bodies[0][:60] != bodies[1][:60], "fill: every message is different")
    ok(bodies[0][:60] != halves(other[0])[1][:60],
       "fill: another seed, another text")
    lines = bodies[0].split(b"\r\n")[:-1]
    ok(len(set(lines)) == len(lines) > 30 and len(set(bodies[0])) == 34,
       "fill: the text does not repeat itself", lines[:3])
    ids = [re.search(rb"Message-ID: (.*)", m).group(1) for m in one + other]
    is_(len(set(ids)), 40, "fill: Message-IDs are unique")


@test
def names():
    """fill: names, and Maildirs that exist"""
    box = Maildir().fill(2)
    before = {n: os.stat(box.join("cur", n)).st_mtime_ns
              for n in box.names("cur")}
    fill(box.path, 25, 300)
    fill(box.path, 25, 300)
    is_((len(box.names("new")), box.names("tmp")), (50, []),
        "fill twice: no name is taken twice, nothing is left in tmp/")
    is_({n: os.stat(box.join("cur", n)).st_mtime_ns
         for n in box.names("cur")}, before, "fill: others are not touched")
    path = scratch() + "/M"
    made = fill(path, 1200, 400)
    names = Maildir(path).names("new")
    is_(sorted(names, key=oracle.order), names,
        "fill: names sort as they are numbered")
    ok(all(re.fullmatch(rb"[\x21-\x7e]{1,70}", n) and b":" not in n
           for n in names), "fill: names that are unique-ids", names[0])
    is_(len(set(made)), 1200, "fill: 1200 different messages")
    is_({os.stat(Maildir(path).join("new", n)).st_mode for n in names},
        {0o100600}, "fill: for the owner only")


@test
def bad_operands():
    """fill: operands that are wrong"""
    at = scratch()
    open(at + "/file", "w").close()
    for args in ([], [at + "/M"], [at + "/M", "1"], [at + "/M", "x", "1"],
                 [at + "/M", "1", "-5"], [at + "/M", "1", "5k"],
                 [at + "/M", "1", "5", "odder"],
                 [at + "/M", "1", "5", "odd", "x"], [at + "/file", "1", "5"],
                 [at, "1", "5"], [at + "/no/M", "1", "5"]):
        run = pop3test("fill", *args)
        is_((run.status, run.out), (3, b""), "fill %s: status" % args[1:],
            run)
        like(run.err, r"\Apop3test: .", "fill %s: text" % args[1:])
    is_(os.listdir(at), ["file"], "fill: and nothing was made")
    is_(fill(at + "/none", 0, 5), [], "fill: no messages, but a Maildir")


@test
def full_disk():
    """fill: a full disk"""
    at = scratch("disk")
    run = subprocess.run(
        [*private_mounts(), "sh", "-c",
         'mount -t tmpfs -o size=64k tmpfs "$1" || exit 99; '
         '"$2" pop3test fill "$1/M" 100 10000 plain; echo "status $?"; '
         'cd "$1/M" && find tmp -type f; find new -size -9000c -type f;'
         'find new -type f | wc -l',
         "sh", at, POPBOX], capture_output=True, check=False)
    like(run.stdout, r"\Astatus 3\n[1-6]\n\Z",
         "fill on a full disk: status 3, and whole messages only",
         run.stderr)


run_tests(jobs=3)
