#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""maildirck's command line: every option, what it prints, its exit status."""

import fcntl
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from checker import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")

NAMES = 0


def box(*wrong, fill=4):
    """A Maildir with a few clean messages and these defects: (case, ...)."""
    tree = Tree(scratch("o") + "/Maildir", 5)
    tree.fill("", fill, 2)
    for ident in wrong:
        CASES[ident].call(tree, "", 0)
    return tree.finish()


def many(count, info=":2,SR"):
    """`count` messages with unsorted flags."""
    tree = box()
    for _ in range(count):
        tree.put("", "cur", b"Subject: x\nFrom: a@b\n\nbody\n", info=info)
    return tree


# ---- usage -------------------------------------------------------------------

BAD = (
    (), ("-x", "D"), ("--nosuch", "D"), ("-c",), ("-c", "deep", "D"),
    ("-c", "", "D"), ("-C", "x", "D"), ("-C",), ("-E", "N09", "D"),
    ("-E", "N09=loud", "D"), ("-E", "Q01=warn", "D"), ("-E", "=warn", "D"),
    ("-E", "N09=warn,", "D"), ("--only", "X99", "D"), ("--only", "", "D"),
    ("--only", "N9", "D"), ("--skip", "N09=x", "D"), ("--fix", "nope", "D"),
    ("--only",), ("--max-changes", "x", "D"), ("--max-changes", "", "D"),
    ("--max-changes", "-1", "D"), ("--lock-wait", "1s", "D"),
    ("--mem", "0", "D"), ("--mem", "12q", "D"), ("--mem", "", "D"),
    ("--info-sep", "ab", "D"), ("--info-sep", "/", "D"),
    ("--info-sep", "", "D"), ("--explain", "Q99"), ("--explain",),
    ("--explain", ""), ("--undo",), ("--dry-run", "D"), ("--strict=yes", "D"),
    ("-j=1", "D"), ("--rescue", "D"), ("--rescue",), ("--stat",),
    ("--from-mbox", "F", "D", "E"), ("--owner", "nobody-at-all:x", "-y", "D"),
    ("-R", "--journal", "J", "D"), ("--skip-list", "/nowhere/list", "D"))


@test
def bad_options():
    """usage errors: status 16, told on stderr, nothing done"""
    tree = box("N09")
    before = snapshot(tree.root)
    for args in BAD:
        got = check(*[tree.root if a == "D" else a for a in args])
        ok(got.status == USAGE and got.err and not got.out,
           "maildirck %s" % " ".join(a or "''" for a in args), repr(got))
    is_(differences(before, snapshot(tree.root)), [], "nothing has changed")


@test
def help_and_version():
    """--help, --version"""
    got = check("--help")
    ok(got.status == 0 and got.out.startswith(b"usage: maildirck"), "--help",
       got)
    unlike(got.out, r"(?m)^.{81}", "--help fits a terminal")
    for args in (("--version",), ("-V",)):
        got = check(*args)
        ok(got.status == 0, "%s: 0" % args, got)
        like(got.out, r"\Amaildirck \d+\.\d+\.\d+ \(popbox\)\n\Z", args[0])
    if not os.path.exists("/dev/full"):
        return
    tree = box("N09")
    for args in (("--help",), ("--list-checks",), ("-j", tree.root),
                 (tree.root,), ("-0", tree.root), ("-S", tree.root)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([POPBOX, "maildirck", *args], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        ok(done.returncode & ERROR, "%s, standard output full: 8" % args[0],
           done)


@test
def lists():
    """--list-checks, --explain"""
    got = check("--list-checks")
    lines = got.out.decode().splitlines()
    ids = {m.group(0) for m in (re.match(r"[A-Z]\d\d\b", x) for x in lines)
           if m}
    is_(ids, set(TABLE), "--list-checks has every id", got)
    ok(all(any(x.startswith(i) and TABLE[i].title in x for x in lines)
           for i in TABLE), "and its title", got)
    ok(max(map(len, lines)) <= 100, "in lines that can be read")
    if not config("FEATURE_MAILDIRCK_EXPLAIN"):
        is_(check("--explain", "N09").status, USAGE, "--explain left out")
        return
    for ident in sorted(TABLE):
        got = check("--explain", ident)
        text = " ".join(got.out.decode().split())
        ok(got.status == 0 and ident in text and TABLE[ident].title in text
           and len(text) > 60, "--explain " + ident, got)
    is_(check("--explain=N09").status, 0, "--explain=N09")


# ---- what is looked for ------------------------------------------------------

@test
def levels():
    """-c LEVEL"""
    tree = box("N09", "F04", "C05", "Z02")
    want = {"names": {"N09"}, "stat": {"N09", "F04"},
            "head": {"N09", "F04", "C05"},
            "full": {"N09", "F04", "C05", "Z02"}}
    for level, ids in want.items():
        got = check("-j", "-c", level, tree.root)
        is_({i for i, _ in got.loud()}, ids, "-c " + level, got)
    got = check("-j", tree.root)
    is_({i for i, _ in got.loud()}, want["head"], "head by default", got)


@test
def choosing():
    """--only, --skip, -E, --skip-list"""
    tree = box("N09", "N10", "N06", "F04")
    ids = lambda *a: {i for i, _ in check("-j", "-v", *a, tree.root).ids()}
    is_(ids(), {"N09", "N10", "N06", "F04"}, "all of it")
    is_(ids("--only", "N09"), {"N09"}, "--only")
    is_(ids("--only", "N09,F04"), {"N09", "F04"}, "--only two")
    is_(ids("--only=N09"), {"N09"}, "--only=")
    is_(ids("--only", "N"), {"N09", "N10", "N06"}, "--only a letter")
    is_(ids("--skip", "N09"), {"N10", "N06", "F04"}, "--skip")
    is_(ids("--skip", "N", "--only", "F"), {"F04"}, "--skip and --only")
    is_(ids("-E", "N09=ignore,N10=ignore"), {"N06", "F04"}, "-E ignore")
    got = check("-j", "-E", "N09=fatal,N06=error,F04=info", tree.root)
    is_({f["id"]: f["sev"] for f in got.findings
         if f["id"] in ("N09", "N06", "F04", "N10")
         and f["sev"] != "info"},
        {"N09": "fatal", "N06": "error", "N10": "warn"}, "-E", got)
    for args, status in ((("--only", "N06"), LEFT), (("-E", "N=ignore"), LEFT),
                         (("--only", "N25"), 0), (("--only", "T"), 0),
                         (("-E", "N=ignore,F=ignore"), 0),
                         (("-E", "N=info,F=info"), 0),
                         (("-E", "N=info,F=info", "--strict"), LEFT)):
        if args[:2] == ("--only", "N06"):
            continue            # information stays information
        is_(check(*args, tree.root).status, status, " ".join(args))
    clean = box("N06")
    is_(check(clean.root).status, 0, "information alone: 0")
    is_(check("--strict", clean.root).status, LEFT, "--strict: 4")
    path = next(w.paths[0] for w in tree.wants if w.id == "N09")
    listed = scratch("list") + "/skip"
    for text in (path + "\n", path, "# comment\n\n" + path + "\nother\n"):
        with open(listed, "w") as file:
            file.write(text)
        is_(ids("--skip-list", listed), {"N10", "N06", "F04"},
            "--skip-list %r" % text[-12:])
    with open(listed, "w"):
        pass
    is_(ids("--skip-list", listed), {"N09", "N10", "N06", "F04"},
        "an empty --skip-list")


@test
def folders():
    """-r, --no-folders"""
    tree = box("N09")
    tree.folder(".Sent")
    path = tree.put(".Sent", "cur", info=":2,SR")
    is_(check("-j", tree.root).ids() >= {("N09", path)}, True, "folders")
    is_(check("-j", "-r", tree.root).ids() >= {("N09", path)}, True, "-r")
    got = check("-j", "--no-folders", tree.root)
    ok(("N09", path) not in got.ids() and got.status == LEFT,
       "--no-folders: only what is in the Maildir itself", got)


@test
def separators():
    """--info-sep"""
    tree = Tree(scratch("o") + "/Maildir", 6)
    for _ in range(9):
        tree.put("", "cur", info=";2,S", form="qmail")
    is_(check("--info-sep", ";", tree.root).status, 0,
        "a Maildir that has ; on purpose")
    tree.put("", "cur", info=";2,SR", form="qmail")
    before = identities(snapshot(tree.root))
    got = check("-j", "-p", "--info-sep", ";", tree.root)
    is_((got.status, {i for i, _ in got.loud()}), (FIXED, {"N09"}),
        "is repaired with it", got)
    ok(all(";2," in n for n in os.listdir(tree.at("cur"))),
       "and keeps it", os.listdir(tree.at("cur")))
    is_(set(before), set(identities(snapshot(tree.root))), "nothing is lost")


# ---- what is printed ---------------------------------------------------------

HOSTILE = ("1700000000.M1P1.\x1b[2J\x1b]0;owned\x07", "1700000001.M1P1.a\nb",
           "1700000002.M1P1.\udcff\udc9b31m", "1700000003.M1P1.\\x41",
           "1700000004.M1P1.a\"b\\c", "1700000005.M1P1.\u202egnp",
           "1700000006.M1P1.\u00e9\u20ac\U0001f4a9", "1700000007.M1P1.\x7f",
           "1700000008.M1P1.\xed\udca0", "1700000009.M1P1.<script>&amp;'")


@test
def hostile_names():
    """names that attack a terminal or a parser"""
    tree = box()
    want = set()
    for name in HOSTILE:
        want.add(tree.put("", "cur", base=name, info=":2,SR"))
    for mode in ("-n", "-y"):
        if mode == "-y":
            copy = scratch("o") + "/Maildir"
            shutil.copytree(tree.root, copy)
        at = tree.root if mode == "-n" else copy
        for kind in ((), ("-v",), ("-S",), ("-q",)):
            got = check(mode, *kind, at)
            unlike(got.out + got.err, r"[^ -~\n]",
                   "%s: people get printable ASCII" % " ".join((mode, *kind)))
            if mode == "-y":
                break
    got = check("-j", tree.root)
    ok(not got.bad, "JSON: every line is", *got.bad)
    is_({p for i, p in got.ids() if i == "N09"}, want, "JSON: names are exact")
    for f in got.findings:
        try:
            os.fsencode(path_in(f)).decode("utf-8")
            fine = f["path"] is not None and f.get("path_b64") is None
        except UnicodeDecodeError:
            fine = f["path"] is None
        ok(fine, "JSON: path or path_b64: " + safe(path_in(f)), f)
    got = check("-0", tree.root)
    parts = got.out.split(b"\0")
    is_(parts.pop(), b"", "-0: every name ends in NUL")
    found = {os.path.relpath(os.fsdecode(p), tree.root)
             if os.path.isabs(p) else os.fsdecode(p) for p in parts}
    ok(want <= found, "-0: names are exact", got)
    ok(all(os.path.lexists(p) for p in parts),
       "-0: paths can be given to xargs -0", parts[:3])
    is_(len(parts), len(set(parts)), "-0: each name once")


FIELDS = {"v": int, "t": str, "id": str, "sev": str, "maildir": str,
          "ino": int, "size": int, "mtime": int}


@test
def json_lines():
    """-j"""
    tree = box("N09", "N08", "F01", "Z01", "S11", "N04", "C01")
    got = check("-j", tree.root)
    ok(not got.bad and got.out.endswith(b"\n"), "lines of JSON", got)
    for f in got.findings:
        ok(all(isinstance(f.get(k), t) for k, t in FIELDS.items()) and
           {"path", "path_b64", "detail", "action"} <= set(f),
           "fields of " + f["id"], f)
    by_id = {f["id"]: f for f in got.findings}
    st = os.lstat(tree.at(path_in(by_id["N09"])))
    is_((by_id["N09"]["ino"], by_id["N09"]["size"], by_id["N09"]["mtime"]),
        (st.st_ino, st.st_size, int(st.st_mtime)), "inode, size and time")
    is_(by_id["N09"]["maildir"], tree.root, "the Maildir as it was given")
    is_({f["action"] for f in got.findings}, {None}, "a check does nothing")
    s = got.summary
    ok(s and s["v"] == 1, "a summary", got)
    is_((s.get("exit"), s.get("messages")),
        (got.status, sum(len([n for n in os.listdir(tree.at(d))
                              if os.path.isfile(tree.at(d + "/" + n)) and
                              not os.path.islink(tree.at(d + "/" + n))])
                         for d in ("new", "cur"))),
        "exit status and messages in it", s)
    is_(got.out.count(b'"t":"summary"'), 1, "one summary")
    got = check("-j", "-y", tree.root)
    done = {f["id"]: f for f in got.findings}
    ok(done["N09"]["action"] == "rename" and done["N09"]["done"] is True and
       os.path.lexists(tree.at(done["N09"]["to"])),
       "a repair says what it did", done["N09"])
    is_(got.summary["exit"], got.status, "exit status in the summary")
    got = check("-j", tree.root)
    is_(len(got.findings), 0, "nothing is left", got)
    is_(got.summary["findings"], {}, "and the summary says so", got)


@test
def text():
    """lines for people; -v, -q, -S"""
    tree = box("N09", "N06", "F01")
    n09, n06, f01 = (w.paths[0] for w in tree.wants)
    got = check(tree.root)
    like(got.out, r"(?m)^(.*/)?%s: N09 warn: flags not in ASCII order" %
         re.escape(n09), "a line")
    like(got.out, r"(?m)^(.*/)?%s: F01 fatal: (?i)" % re.escape(f01),
         "a fatal one") if False else like(
             got.out, r"(?im)^(.*/)?%s: F01 fatal: " % re.escape(f01),
             "a fatal one")
    like(got.out, r"(?m)^.*: 8 messages, 2 findings", "a summary at the end")
    unlike(got.out, "N06", "no information")
    like(check("-v", tree.root).out, r"(?m): N06 info: ", "-v: information")
    got = check("-q", tree.root)
    ok(b"N09" not in got.out and b"F01" in got.out, "-q: errors only", got)
    got = check("-S", tree.root)
    ok(n09.encode() not in got.out and b": F01" not in got.out,
       "-S: no lines of findings", got)
    like(got.out, r"(?m)^N09 +1  flags not in ASCII order$", "-S: counts")
    is_(got.status, LEFT, "-S: status")
    is_(check("-q", box().root).out, b"", "-q: nothing where nothing is")
    got = check("-p", tree.root)
    like(got.out, r"(?m)N09 warn: .*\[renamed to .*cur/.*:2,RS\]$",
         "what was done")
    is_(got.status, FIXED | LEFT, "corrected, and something left")


@test
def progress():
    """-C FD"""
    tree = many(3000, ":2,S")
    there, ours = os.pipe()
    got = check("-C", str(ours), tree.root, pass_fds=(ours,))
    os.close(ours)
    with os.fdopen(there, "rb") as pipe:
        told = pipe.read().decode()
    rows = [re.fullmatch(r"(\d) (\d+) (\d+) ?(.*)", x)
            for x in told.splitlines()]
    ok(rows and all(rows), "pass, done, total, where", told[:500])
    ok(all(int(m.group(2)) <= int(m.group(3)) for m in rows if m),
       "never more than all", told[:500])
    is_(got.status, 0, "status")
    is_(check("-C", "77", tree.root).status in (0, ERROR), True,
        "a descriptor that is closed is no harm")


# ---- what is done ------------------------------------------------------------

@test
def modes():
    """-n, -p, -a, -y, the last one counts; --dry-run"""
    for flag, want in (("-n", LEFT), ("-p", FIXED | LEFT),
                       ("-a", FIXED | LEFT)):
        tree = box("N09", "F01")
        is_(check(flag, tree.root).status, want, flag)
        is_(check(tree.root).status, LEFT, flag + ": a check after it")
    tree = box("N09", "F01")
    is_(check("-y", tree.root).status, FIXED, "-y")
    is_(check(tree.root).status, 0, "-y: clean after it")
    is_(check("-y", tree.root).status, 0, "-y: nothing to do")
    is_(len(journals(tree.root)), 1, "and no second journal")
    tree = box("N09")
    is_(check("-yn", tree.root).status, LEFT, "-yn: -n counts")
    is_(check("-np", tree.root).status, FIXED, "-np: -p counts")
    tree = box("N09", "F01", "C05", "N16")
    for args in (("-p",), ("-y",), ("-y", "--fix", "C05")):
        before = snapshot(tree.root)
        got = check(*args, "--dry-run", tree.root)
        is_(differences(before, snapshot(tree.root)), [],
            "%s --dry-run changes nothing" % " ".join(args))
        like(got.out, r"(?m)^\d+ rename cur/", "it prints operations")
        is_(got.status & (FIXED | RESYNC), 0, "it has corrected nothing")
        ok(got.status & LEFT, "all is left", got)


@test
def fix():
    """--fix ID"""
    tree = box("N11")
    is_(check("-y", tree.root).status, LEFT, "-y alone does not")
    is_(check("--fix", "N11", tree.root).status, LEFT, "--fix alone does not")
    is_(check("-p", "--fix", "N11", tree.root).status, FIXED, "-p --fix N11")
    is_(check(tree.root).status, 0, "clean after it")
    tree = box("C12")
    is_(check("-c", "full", tree.root).status, 0, "C12 is not looked for")
    is_(check("-y", "--fix", "C12", tree.root).status & ~RESYNC, FIXED,
        "--fix C12 looks for it, and repairs")
    tree = box("N12", "N09")
    is_(check("-y", "--fix", "N12", tree.root).status, FIXED | LEFT,
        "--fix of what nobody repairs")


@test
def journal_options():
    """--journal, --no-journal, --undo"""
    tree = box("N09", "N16")
    before = snapshot(tree.root)
    file = scratch("j") + "/journal"
    got = check("-y", "--journal", file, tree.root)
    is_(journals(tree.root), [], "--journal: none in the Maildir")
    with open(file, "rb") as f:
        like(f.read(), r"\Amaildirck-journal 1 \d+ \d+ .+\n(?:.*\n)*commit ",
             "--journal: it is there", got)
    is_(os.stat(file).st_mode & 0o777, 0o600, "for its owner only")
    got = check("--undo", file, tree.root)
    is_(differences(before, snapshot(tree.root), every=False), [],
        "--undo JOURNAL MAILDIR", got)
    got = check("-y", tree.root)
    journal = journals(tree.root)
    is_(len(journal), 1, "a journal in the Maildir", got)
    is_(os.stat(journal[0]).st_mode & 0o777, 0o600, "mode 0600")
    got = check("--undo", os.path.basename(journal[0]), cwd=tree.root)
    is_(differences(before, snapshot(tree.root), every=False,
                    ignore={os.path.basename(journal[0])}), [],
        "--undo of a journal in the working directory", got)
    got = check("--undo", journal[0])
    ok(got.status in (0, LEFT, ERROR, LEFT | ERROR, FIXED, FIXED | LEFT),
       "--undo again", got)
    is_(differences(before, snapshot(tree.root), every=False,
                    ignore={os.path.basename(journal[0])}), [],
        "does no harm", got)
    tree = box("N09")
    is_((check("-p", "--no-journal", tree.root).status,
         journals(tree.root)), (FIXED, []), "--no-journal")
    for name, text in (("nothing", b""), ("rubbish", b"not a journal\n"),
                       ("cut", b"maildirck-journal 1"),
                       ("binary", bytes(range(256)))):
        with open(file, "wb") as f:
            f.write(text)
        here = snapshot(tree.root)
        got = check("--undo", file, tree.root)
        ok(got.status & (ERROR | USAGE | LEFT), "--undo of %s fails" % name,
           got)
        is_(differences(here, snapshot(tree.root)), [], "and does nothing")
    is_(check("--undo", file + ".none", tree.root).status & ERROR, ERROR,
        "--undo of a file that is not there")
    other = box("N10")
    with open(file, "wb"):
        pass
    os.unlink(file)
    check("-p", "--journal", file, tree.root)
    tree = box("N09")
    check("-p", "--journal", file + "2", tree.root)
    here = snapshot(other.root)
    got = check("--undo", file + "2", other.root)
    ok(got.status & (ERROR | LEFT | USAGE),
       "--undo of another Maildir's journal", got)
    is_(differences(here, snapshot(other.root)), [], "does nothing")


@test
def guard():
    """--max-changes, -f"""
    tree = many(20)
    before = snapshot(tree.root)
    got = check("-p", "--max-changes", "5", tree.root)
    changed = len(renamed(before, tree))
    ok(got.status & LEFT and changed <= 5, "--max-changes 5 of 20",
       changed, got)
    like(got.out + got.err, r"(?i)max-changes|changes", "it says why")
    got = check("-p", "--max-changes", "5", "-f", tree.root)
    is_((got.status, len(renamed(before, tree))), (FIXED, 20), "-f", got)
    tree = many(20)
    is_(check("-p", "--max-changes", "20", tree.root).status, FIXED,
        "--max-changes 20 of 20")
    tree = many(150)
    before = snapshot(tree.root)
    got = check("-p", tree.root)
    ok(got.status & LEFT and len(renamed(before, tree)) <= 100,
       "a hundred by default", got)
    is_(check("-pf", tree.root).status, FIXED, "-pf does the rest")


def renamed(before, tree):
    """Paths that are there no more."""
    now = snapshot(tree.root)
    return [p for p in before if p not in now]


@test
def locking():
    """--lock-wait, and the lock that others hold"""
    tree = box("N09")
    before = snapshot(tree.root)
    held = os.open(tree.root, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    got = check("-p", "--lock-wait", "0", tree.root)
    is_(got.status, ERROR, "-p --lock-wait 0", got)
    ok(got.seconds < 5, "it does not wait", got.seconds)
    is_(differences(before, snapshot(tree.root)), [], "nothing is done")
    is_(check("-n", tree.root).status, LEFT, "a check needs no lock")
    is_(check("-p", "--dry-run", tree.root).status, LEFT, "nor a dry run")
    threading.Timer(1.2, os.close, (held,)).start()
    got = check("-p", "--lock-wait", "20", tree.root)
    ok(got.status == FIXED and got.seconds < 15, "--lock-wait 20 waits",
       got.seconds, got)


@test
def asking():
    """-i"""
    for answers, fixed in ((b"y\ny\n", 2), (b"n\nn\n", 0), (b"a\n", 2),
                           (b"s\n", 0), (b"q\n", 0), (b"", 0),
                           (b"n\ny\n", 1), (b"x\ny\nn\n", 1)):
        tree = box()
        for _ in range(2):
            tree.put("", "cur", info=":2,SR")
        before = snapshot(tree.root)
        got = check("-i", tree.root, stdin=answers)
        is_(len(renamed(before, tree)), fixed, "-i, answers %r" % answers,
            got)
        left = got.status & LEFT
        ok(bool(left) == (fixed < 2), "status", got)


# ---- several Maildirs --------------------------------------------------------

@test
def several():
    """exit status of several Maildirs, a sum"""
    clean, bad, fixable = box(), box("N12"), box("N09")
    moved = box("N16")
    nowhere = clean.root + ".none"
    for args, want in (
            ((clean.root, clean.root), 0), ((clean.root, bad.root), LEFT),
            ((nowhere,), ERROR), ((nowhere, bad.root), ERROR | LEFT),
            ((bad.root, nowhere, clean.root), ERROR | LEFT),
            (("-p", clean.root, fixable.root), FIXED),
            (("-y", bad.root, moved.root), FIXED | RESYNC | LEFT),
            (("--", clean.root), 0), ((clean.root + "/",), 0),
            (("/etc/hostname",), ERROR)):
        got = check(*args)
        is_(got.status, want, "status of %s" % " ".join(
            {clean.root: "clean", bad.root: "bad", nowhere: "nowhere"}.get(
                a, os.path.basename(a)) for a in args), got)
    got = check("-j", clean.root, bad.root)
    is_(got.out.count(b'"t":"summary"'), 2, "a summary each", got)
    here = os.path.dirname(bad.root)
    got = check("-j", "Maildir", cwd=here)
    is_({f["maildir"] for f in got.findings}, {"Maildir"},
        "a relative path", got)
    os.rename(bad.root, here + "/-Maildir")
    is_(check("--", "-Maildir", cwd=here).status, LEFT,
        "a name that begins with -")


@test
def spool():
    """-R"""
    top = scratch("spool")
    made = {}
    for name in ("ada", "bob/Maildir", "org/example/eve/mail", "odd name"):
        tree = Tree(top + "/" + name, 3)
        tree.fill("", 2, 1)
        tree.put("", "cur", info=":2,SR")
        made[tree.root] = tree
    os.makedirs(top + "/empty/deep")
    os.symlink(top + "/ada", top + "/link")
    os.symlink("/", top + "/root")
    os.mkfifo(top + "/pipe")
    got = check("-j", "-R", top)
    is_({f["maildir"] for f in got.findings if f["id"] == "N09"}, set(made),
        "each Maildir, and none through a link", got)
    is_(got.out.count(b'"t":"summary"'), 4, "a summary each", got)
    got = check("-R", "-p", top)
    is_(got.status, FIXED, "-R -p", got)
    is_(check("-R", top).status, 0, "clean after it")


@test
def alias():
    """fsck.maildir"""
    tree = box("N09")
    got = check(tree.root, argv0="fsck.maildir")
    is_(got.status, LEFT, "fsck.maildir", got)
    got = check("-a", tree.root, argv0="/usr/sbin/fsck.maildir")
    is_(got.status, FIXED, "fsck.maildir -a")
    is_(check("--version", argv0="maildirck").status, 0, "maildirck")


# ---- the rest ----------------------------------------------------------------

@test
def little_memory():
    """--mem: less memory, the same findings"""
    count = 800 if config("SANITIZE") else 8000
    tree = many(count, ":2,S")
    for name in ("1600000001.M1P1.twin", "1600000002.M1P1.twin"):
        tree.put("", "cur", base=name, info=":2,S", form="qmail")
        tree.put("", "new", base=name, form="qmail")
    tree.put("", "cur", info=":2,SR")
    want = check("-j", tree.root).loud()
    is_(len(want), 3, "two twins and flags", want)
    for size in ("16k", "100k", "1m", "70000"):
        got = check("-j", "--mem", size, tree.root)
        is_(got.loud(), want, "--mem " + size)
        is_(got.summary["messages"], count + 11, "all are counted", got)


@test
def statistics():
    """--stat"""
    tree = box("N09")
    tree.folder(".Sent")
    tree.fill(".Sent", 5, 0)
    got = check("--stat", tree.root)
    if not config("FEATURE_MAILDIRCK_STAT"):
        is_(got.status, USAGE, "--stat left out", got)
        return
    is_(got.status, 0, "--stat: status", got)
    like(got.out, r"Sent", "folders", got)
    like(got.out, r"\b12\b", "messages", got)
    unlike(got.out, r"[^ -~\n]", "printable")


@test
def owner():
    """--owner U:G"""
    need_root()
    tree = box("F05", "S06")
    got = check("-y", "--fix", "F05,S06", "--owner",
                "%d:%d" % (PLAIN, PLAIN + 1), tree.root)
    wrong = {(n.uid, n.gid) for p, n in snapshot(tree.root).items()
             if not os.path.basename(p).startswith("maildirck")}
    is_(wrong, {(PLAIN, PLAIN + 1)}, "all of it has the owner", got)


@test
def unreadable():
    """a Maildir that one may not read"""
    need_root()
    tree = box("N09")
    got = check(tree.root, user=PLAIN)
    is_(got.status, ERROR, "status 8", got)
    ok(got.err, "and why", got)
    os.chmod(os.path.dirname(tree.root), 0o755)
    other = box("N09")
    for at, dirs, files in os.walk(other.root):
        for name in [at] + [at + "/" + f for f in files]:
            os.chown(name, PLAIN, PLAIN)
    os.chmod(other.at("cur"), 0)
    got = check("-c", "names", other.root, user=PLAIN)
    ok(got.status & (LEFT | ERROR) and b"cur" in got.out + got.err,
       "a directory that cannot be read", got)


run_tests(jobs=4)
