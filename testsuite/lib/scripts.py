# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts of pop3test, run against servers made for them, and what it says
of them, taken apart.

    from scripts import *

    good("a greeting", "S: +OK", Fake(ordinary()))
    bad("another word", "S: +OK no", Fake(ordinary()), 1, "want S: \\\\+OK no")
"""

import json
import re
import socket

from fake import *

try:
    import yaml
except ImportError:
    yaml = None             # then only our own reading of it counts

# A test of TAP: number, title, skip (its reason, or None), and detail: what
# the YAML block has, or None.
Result = collections.namedtuple("Result", "good title skip detail")

FIELDS = ["message", "stage", "at", "want", "got", "transcript"]


class NoTap(Exception):
    """Output that is not what it should be, and where."""


def _quoted(text):
    """A YAML scalar in single quotes."""
    found = re.fullmatch(r"'((?:[^']|'')*)'", text)
    if not found:
        raise NoTap("no quoted scalar: %r" % text)
    return found.group(1).replace("''", "'")


def _block(lines):
    """The fields of a YAML block: scalars, and one list of them."""
    detail = {}
    for line in lines:
        item = re.fullmatch(r"    - (.*)", line)
        field = re.fullmatch(r"  (\w+):(?: (.*))?", line)
        if item:
            detail["transcript"].append(_quoted(item.group(1)))
        elif not field or field.group(1) not in FIELDS or (
                field.group(1) in detail):
            raise NoTap("in a YAML block: %r" % line)
        else:
            detail[field.group(1)] = (
                [] if field.group(2) is None else _quoted(field.group(2)))
    if yaml:
        said = yaml.safe_load("\n".join(lines))
        said["transcript"] = said["transcript"] or []
        if said != detail:
            raise NoTap("YAML says otherwise: %r" % said)
    return detail


def _result(line, number):
    found = re.fullmatch(r"(not )?ok (\d+) - (.*)", line)
    if not found or int(found.group(2)) != number:
        raise NoTap("test %d: %r" % (number, line))
    title, mark, reason = found.group(3).partition(" # SKIP ")
    if re.search(r"(?<!\\)#", title):
        raise NoTap("a directive nobody knows: %r" % line)
    return Result(found.group(1) is None, title,
                  reason if mark else None, None)


def tap(out):
    """The results, the comments, and the three numbers of the last line."""
    text = out.decode("ascii")
    if not re.fullmatch(r"(?:[ -~]*\n)+", text):
        raise NoTap("no printable lines: %r" % text)
    lines = text[:-1].split("\n")
    if lines.pop(0) != "TAP version 13":
        raise NoTap("no version")
    results, comments, plan = [], [], None
    while lines:
        line = lines.pop(0)
        if line.startswith("# "):
            comments.append(line[2:])
        elif line == "  ---":
            end = lines.index("  ...")
            if not results or results[-1].good or results[-1].detail:
                raise NoTap("a block for nothing")
            results[-1] = results[-1]._replace(detail=_block(lines[:end]))
            del lines[:end + 1]
        elif plan is not None:
            raise NoTap("behind the plan: %r" % line)
        elif line.startswith("1.."):
            plan = int(line[3:])
        else:
            results.append(_result(line, len(results) + 1))
    if plan != len(results):
        raise NoTap("a plan of %r for %d tests" % (plan, len(results)))
    found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped",
                         comments.pop())
    sums = tuple(map(int, found.groups()))
    if sums != (sum(r.good and r.skip is None for r in results),
                sum(not r.good for r in results),
                sum(r.skip is not None for r in results)):
        raise NoTap("the sums are wrong")
    return results, comments, sums


# mdpop3d over the Maildir that pop3test makes.
OWN = ["--", POPBOX, "mdpop3d", "-a", "-e", "-m", "$dir"]


def write(text, name="t.pop3", where=None):
    """A script in a folder of its own; its path."""
    path = "%s/%s" % (where or scratch(), name)
    with open(path, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return path


def to(target):
    """The end of a command line for a server, a Maildir or a list."""
    if target is None:
        return []
    if isinstance(target, Maildir):
        return ["-D", "dir=" + target.path, *server_command(target)]
    return target if isinstance(target, (list, tuple)) else [target.target]


def run(text, target=None, *args, name="t.pop3", **how):
    """Runs a script; the Run, with .tests and .notes of its TAP."""
    return pop3test("run", write(text, name), *args, *to(target), **how)


def good(what, text, target=None, *args, **how):
    """All of it passes, and nothing else is said."""
    got = run(text, target, *args, **how)
    try:
        results, notes, sums = tap(got.out)
    except NoTap as why:
        return ok(False, what, str(why), got.out.decode("latin-1"), got.err)
    ok(got.status == 0 and sums[0] > 0 and sums[1:] == (0, 0), what,
       "status %d" % got.status, got.out.decode("latin-1"), got.err)
    return notes


def bad(what, text, target, status, message=None, *args, **how):
    """Its last test fails; the detail of it, {} where there is none."""
    got = run(text, target, *args, **how)
    try:
        results, _, sums = tap(got.out)
    except NoTap as why:
        ok(False, what, str(why), got.out.decode("latin-1"), got.err)
        return {}
    detail = results and results[-1].detail or {}
    ok(got.status == status and sums[1] == 1 and (
        message is None or re.search(message, detail.get("message", ""))),
       what, "status %d, want %d and /%s/" % (got.status, status, message),
       got.out.decode("latin-1"), got.err)
    return detail


def wrong(what, text, line, caret, message, *args, **how):
    """No script: FILE:LINE: message, the line, and a caret under `caret`.

    Nothing is run: the server that it is told of hears nothing.
    """
    name = how.pop("name", "t.pop3")
    seen = []
    got = run(text, Fake(seen.append), *args, name=name, **how)
    shown = re.fullmatch(rb"pop3test: \S*?(\w+\.\w+):(\d+): (.*)\n"
                         rb"(.*)\n( *)\^\n", got.err)
    ok(got.status == 3 and got.out == b"" and shown, what + ": is refused",
       got)
    if shown:
        source, at, said, quoted, blanks = (
            part.decode() for part in shown.groups())
        ok(re.search(message, said), what + ": what it says", said)
        is_((source, int(at), quoted[len(blanks):][:len(caret) or None]),
            (name, line, caret), what + ": where")
    is_(seen, [], what + ": nothing is run")


# ---- servers -----------------------------------------------------------------

def raw(chunks, greeting=b"+OK\r\n", reply=b"+OK\r\n"):
    """A talk: notes what each recv() gets (b"" is EOF), a reply a line."""
    def talk(link):
        link.say(greeting)
        while True:
            got = link.sock.recv(1 << 20)
            chunks.append(got)
            if not got:
                return
            link.say(reply * got.count(b"\n"))
    return talk


def says(*parts, wait=True):
    """A talk: all of that at once, then whatever comes is ignored."""
    def talk(link):
        for part in parts:
            link.say(part)
        while wait and link.sock.recv(65536):
            pass
    return talk


def writes(text, *args):
    """Runs a script; what each of its writes had, in order.

    On descriptors 6 and 7, as UCSPI has them, is a socket that keeps the
    writes apart.  The server says +OK at first and for each LF.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def place():
        for fd in (6, 7):
            os.dup2(theirs.fileno(), fd)
            os.set_inheritable(fd, True)    # it may have been there before

    process = subprocess.Popen(
        [POPBOX, "pop3test", "run", write(text), *args, "-"],
        preexec_fn=place, close_fds=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    theirs.close()
    got = []
    ours.settimeout(PATIENCE)
    with ours:
        ours.send(b"+OK\r\n")
        while True:
            data = ours.recv(1 << 17)
            if not data:
                break
            got.append(data)
            for _ in range(data.count(b"\n")):
                ours.send(b"+OK\r\n")
    process.wait(PATIENCE)
    return got
