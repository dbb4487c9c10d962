#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""What maildirck must not do, although it was just about to: files that
change between the look and the act, names that are taken, journals that are
not what they were.
"""

import json
import os
import shlex
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ckcase import *
from ckcorpus import *

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")

TEXT = b"From: a@example.org\nSubject: x\n\nbody\n"
BASE = "1700000000.M1P1.guard"


def box(*names, folder=""):
    """A Maildir with these messages: "cur/NAME", each with other bytes."""
    tree = Tree(scratch("g") + "/Maildir", 7)
    for number, name in enumerate(names):
        tree.write(name, TEXT + b"%d\n" % number)
    return tree


def there(tree):
    return {p: n.data for p, n in snapshot(tree.root).items()
            if is_mail(p, n)}


def texts(tree):
    return sorted(there(tree).values())


# ---- between the look and the act --------------------------------------------

def asked(tree, change, *args):
    """Calls change() while maildirck -i waits for an answer; its output."""
    run = subprocess.Popen([POPBOX, "maildirck", "-i", *args, tree.root],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    said = b""
    while not said.endswith(b"nothing more: "):
        more = run.stderr.read(1)
        if not more:
            break
        said += more
    change()
    run.stdin.write(b"y\n" * 20)
    out, err = run.communicate(timeout=PATIENCE)
    return run.returncode, out + said + err


def other_file(path):
    """Another file comes to have the name, of the same size and time."""
    st = os.stat(path)
    with open(path, "rb") as file:
        data = file.read()
    with open(path + ".new", "wb") as file:
        file.write(data[::-1])
    os.utime(path + ".new", ns=(st.st_mtime_ns, st.st_mtime_ns))
    os.rename(path + ".new", path)


def longer(path):
    st = os.stat(path)
    with open(path, "ab") as file:
        file.write(b"more\n")
    os.utime(path, ns=(st.st_mtime_ns, st.st_mtime_ns))


def changed(path):
    st = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(st.st_mtime_ns, st.st_mtime_ns + 1))


def gone(path):
    os.unlink(path)


@test
def changed_meanwhile():
    """a file that is not what it was is left alone"""
    for change in (other_file, longer, changed, gone):
        name = "cur/" + BASE + ":2,SR"
        tree = box(name)
        status, said = asked(tree, lambda: change(tree.at(name)))
        what = "%s while -i asks" % change.__name__
        here = [name] if change is not gone else []
        is_(sorted(there(tree)), here, what + ": not renamed", said)
        ok(status & LEFT and not status & FIXED, what + ": status", status,
           said)
        tree = box(name)
        before = snapshot(tree.root)
        check("-p", tree.root)
        new = tree.at("cur/" + BASE + ":2,RS")
        change(new)
        then = texts(tree)
        got = check("--undo", journals(tree.root)[0])
        is_((os.path.exists(new), os.path.exists(tree.at(name)), texts(tree)),
            (change is not gone and change is not changed, change is changed,
             then), "%s, then undone" % change.__name__, got)


def stops(options, tree, *args, when=0, script="", told=False):
    """How many there are, or all that is told; at one of them the shell does
    something."""
    if when:
        options = [*options, "-x", script]
    done = subprocess.run(
        [tool("ckkill"), *options, str(when), POPBOX, "maildirck", *args,
         tree.root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        check=False, timeout=PATIENCE * 5,
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    if done.returncode == 98:
        raise Skip("no ptrace")
    return done.stdout if told else int(done.stdout.split()[-1])


def pair(one_file):
    """Two names of a file, or two files of one name; where, and how to get
    rid of the one in new/."""
    copy = BASE if one_file else BASE + ",S=%d" % (len(TEXT) + 2)
    tree = box()
    cur, new = "cur/%s:2," % copy, "new/" + copy
    tree.write(cur, TEXT + b"0\n")
    if one_file:
        os.link(tree.at(cur), tree.at(new))
    else:
        tree.write(new, TEXT + b"0\n")
    tree.write("tmp/other", b"From: other@example.org\n\nother\n")
    return tree, "[ ! -e %s ] || mv %s %s" % tuple(map(shlex.quote, map(
        tree.at, (new, "tmp/other", new))))


@test
def replaced_at_any_sync():
    """another message comes to have the name, while a disk is busy"""
    late = ["-l", "600", "-s"]
    for one_file, mode in ((False, "-y"), (True, "-p")):
        count = stops(late, pair(one_file)[0], mode)
        for when in range(1, count + 1):
            tree, script = pair(one_file)
            before = set(texts(tree))
            stops(late, tree, mode, when=when, script=script)
            is_(set(texts(tree)), before, "%s, sync %d: nothing is lost" % (
                "two names" if one_file else "two files", when))
        ok(count > 3, "there were %d" % count)


@test
def link_at_any_time():
    """a link comes to have the name, after any look at it"""
    secret = scratch("s") + "/secret"
    with open(secret, "wb") as file:
        file.write(TEXT)
    os.chmod(secret, 0o644)
    begin = ["-f", "maildirck-undo."]

    def open_box():
        name = "cur/" + BASE + ":2,S"
        tree = box(name)
        for path, mode in ((name, 0o666), (".", 0o755), ("cur", 0o755)):
            os.chmod(tree.at(path), mode)
        return tree, "rm -f %s; ln -s %s %s" % tuple(map(shlex.quote, (
            tree.at(name), secret, tree.at(name))))

    args = ["-p", "--only", "F"]
    count = stops(begin, open_box()[0], *args)
    wrong = []
    for when in range(1, count + 1):
        tree, script = open_box()
        stops(begin, tree, *args, when=when, script=script)
        if os.stat(secret).st_mode & 0o7777 != 0o644:
            wrong.append(when)
            os.chmod(secret, 0o644)
    is_(wrong, [], "at no one of %d stops the file outside changes" % count)
    ok(count > 10, "there were some")


@test
def gone_at_any_time():
    """a message is expunged or seen, at any moment of a check"""
    new, cur = "new/" + BASE + "2", "cur/" + BASE + "2:2,"
    for seen in (False, True):
        wrong = []
        tree = box("cur/" + BASE + ":2,S", new)
        script = "rm -f %s" % shlex.quote(tree.at(new))
        if seen:
            script = "mv %s %s" % tuple(map(shlex.quote, (
                tree.at(new), tree.at(cur))))
        args = ["-j", "-c", "full"]
        count = stops([], tree, *args)
        for when in range(1, count + 1):
            if os.path.exists(tree.at(cur)):
                os.unlink(tree.at(cur))
            tree.write(new, TEXT)
            out = stops([], tree, *args, when=when, script=script, told=True)
            said = [json.loads(x) for x in out.splitlines()[:-1]]
            if (len(said) != 1 or said[0]["exit"] or
                    said[0]["messages"] < 1 + seen):
                wrong.append((when, out[-800:]))
        is_(wrong[:2], [], "%s: nothing is reported at any of %d stops" % (
            "seen" if seen else "expunged", count), len(wrong))


@test
def no_exchange():
    """a file system that cannot exchange two files"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    if not config("FEATURE_MAILDIRCK_CONTROL"):
        raise Skip("no FEATURE_MAILDIRCK_CONTROL")
    tree = box("cur/a:2,", "cur/b:2,")
    old, new = b"3 V5 N9\n1 :a\n0 :x\n2 :b\n", b"3 V5 N9\n1 :a\n2 :b\n"
    tree.write("dovecot-uidlist", old)
    before = snapshot(tree.root)
    got = check("-y", tree.root, wrap=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2",
        "-e", "inject=renameat2:error=EINVAL"])
    kept = []
    for name in os.listdir(tree.at("maildirck.q")):
        with open(tree.at("maildirck.q/" + name), "rb") as file:
            kept.append(file.read())
    with open(tree.at("dovecot-uidlist"), "rb") as file:
        is_((file.read(), kept), (new, [old]), "the new and the old one", got)
    journal = journals(tree.root)[0]
    got = check("--undo", journal)
    is_(differences(before, snapshot(tree.root), every=False,
                    ignore={os.path.basename(journal)}), [], "undone", got)


@test
def went_on():
    """a control file that its program has written to since: undone"""
    if not config("FEATURE_MAILDIRCK_CONTROL"):
        raise Skip("no FEATURE_MAILDIRCK_CONTROL")
    tree = box("cur/a:2,", "cur/b:2,", "cur/c:2,")
    tree.write("dovecot-uidlist", b"3 V5 N9\n1 :a\n0 :x\n2 :b\n")
    check("-y", tree.root)
    with open(tree.at("dovecot-uidlist"), "ab") as file:
        file.write(b"9 :c\n")
    got = check("--undo", journals(tree.root)[0])
    kept = b""
    for at, _, files in os.walk(tree.root):
        for name in files:
            with open(os.path.join(at, name), "rb") as file:
                kept += file.read()
    ok(b"\n9 :c\n" in kept, "what was written last is not gone", got)


@test
def taken_names():
    """a name that is taken by another message"""
    one, two = "cur/" + BASE + ":2,SR", "cur/" + BASE + ":2,RS"
    for mode in ("-p", "-y"):
        tree = box(one, two)
        before = texts(tree)
        got = check(mode, tree.root)
        is_(texts(tree), before, mode + ": no message is overwritten", got)
    # Between the look and the rename.
    tree = box(one)
    status, said = asked(tree, lambda: tree.write(two, TEXT + b"other\n"))
    is_(len(texts(tree)), 2, "-i: none that came meanwhile, either", said)


@test
def quarantine_names():
    """what is put away has a name of its own"""
    tree = box()
    os.mkdir(tree.at("maildirck.q"), 0o700)
    tree.write("maildirck.q/" + BASE, b"what was there\n")
    for sub in ("cur", "new"):
        os.symlink("nowhere/" + sub, tree.at(sub + "/" + BASE))
    got = check("-y", tree.root)
    is_(got.status, FIXED, "two of one name in one step, and one there", got)
    with open(tree.at("maildirck.q/" + BASE), "rb") as file:
        is_(file.read(), b"what was there\n", "which is as it was")
    is_({os.readlink(tree.at("maildirck.q/" + n)) for n in
         os.listdir(tree.at("maildirck.q")) if n != BASE},
        {"nowhere/cur", "nowhere/new"}, "both are there")
    is_(check(tree.root).status, 0, "clean then")
    tree = box()
    for sub in ("cur", "new"):
        os.symlink("nowhere/" + sub, tree.at(sub + "/" + BASE))
    got = check("-y", tree.root)
    is_(got.status, FIXED, "two of one name in one step, and none there", got)
    copy = BASE + ",S=%d" % (len(TEXT) + 2)
    tree = box()
    for sub, info in (("new", ""), ("cur", ":2,")):
        tree.write("%s/%s%s" % (sub, copy, info), TEXT + b"0\n")
    tree.folder(".Lost+Found")
    tree.write(".Lost+Found/cur/%s:2," % copy, b"From: other\n\n")
    got = check("-y", tree.root)
    is_((got.status, len(texts(tree))), (FIXED, 3),
        "a message whose name is taken in .Lost+Found", got)


# ---- limits ------------------------------------------------------------------

@test
def sums():
    """--max-changes is for all folders together"""
    tree = box()
    for folder in ("", ".A", ".B"):
        if folder:
            tree.folder(folder)
        for _ in range(10):
            tree.put(folder, "cur", info=":2,SR")
    got = check("-p", "--max-changes", "25", tree.root)
    ok(got.status & LEFT and got.status & ERROR, "25 of 3 x 10", got)
    left = [p for p in there(tree) if p.endswith(":2,SR")]
    ok(len(left) >= 5, "the last folder is left alone", left)


@test
def interrupted():
    """a signal: not another batch is begun"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    tree = box()
    for number in range(2500):
        tree.write("cur/17%08d.M1P1.x:2,SR" % number, TEXT)
    got = check("-p", "-f", tree.root, wrap=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2",
        "-e", "inject=renameat2:signal=SIGINT:when=20"])
    done = len([p for p in there(tree) if p.endswith(":2,RS")])
    ok(got.status & CANCELLED, "status", got.status)
    ok(20 <= done <= 1100, "it ended with a batch", done)
    got = check("-p", "-f", tree.root)
    is_(got.status, FIXED, "the next run does the rest", got.err)


@test
def no_repair():
    """--fix of a case that nobody may repair"""
    tree = box()
    name = tree.put("", "cur", TEXT, base=BASE + ",S=5")
    got = check("-y", "-c", "stat", "--fix", "Z01", tree.root)
    ok(os.path.exists(tree.at(name)) and got.status == LEFT,
       "S= without a look at the bytes", got)


# ---- journals ----------------------------------------------------------------

def cut_off(tree, *args, edit=lambda text: text):
    """A repair whose last line never came; the journal."""
    check(*(args or ["-p"]), tree.root)
    journal = journals(tree.root)[-1]
    with open(journal, "rb") as file:
        text = file.read()
    lines = text.splitlines(True)
    while lines[-1].startswith(b"commit"):
        lines.pop()
    with open(journal, "wb") as file:
        file.write(edit(b"".join(lines)))
    return journal


OLD, NEW = "cur/" + BASE + ":2,SR", "cur/" + BASE + ":2,RS"


@test
def recovered():
    """the last batch of a run that was cut off is rolled back, and once"""
    tree = box(OLD)
    cut_off(tree)
    got = check("-y", "--only", "F", tree.root)
    ok(os.path.exists(tree.at(OLD)) and b"cut off" in got.err,
       "rolled back by the next run", got)
    is_(check("-p", tree.root).status & FIXED, FIXED, "repaired anew")
    got = check("-p", tree.root)
    ok(os.path.exists(tree.at(NEW)) and got.status == 0,
       "and not rolled back again", got)


@test
def only_the_last():
    """what was committed stays"""
    tree = box(OLD)
    check("-p", tree.root)
    with open(journals(tree.root)[0], "ab") as file:
        file.write(b"2 rename cur/x cur/y 1 1 1 1 0 0 0\n")
    got = check("-p", tree.root)
    ok(os.path.exists(tree.at(NEW)), "behind it is a line that is none", got)


@test
def another_maildir():
    """a journal of another Maildir, by its inode"""
    other = lambda text: re.sub(
        rb"\A(maildirck-journal 1 \d+) (\d+)",
        lambda m: m.group(1) + b" %d" % (int(m.group(2)) + 1), text)
    tree = box(OLD)
    journal = cut_off(tree, edit=other)
    got = check("-p", "--only", "F", tree.root)
    ok(os.path.exists(tree.at(NEW)), "is not rolled back", got)
    got = check("--undo", journal, tree.root)
    ok(os.path.exists(tree.at(NEW)) and got.status & ERROR,
       "nor undone", got)


@test
def undone_once():
    """a journal that was undone has no say any more"""
    tree = box(OLD)
    check("-p", tree.root)
    first = journals(tree.root)[0]
    check("--undo", first)
    ok(os.path.exists(tree.at(OLD)), "undone")
    os.rename(first, first + ".old")
    check("-p", tree.root)
    got = check("--undo", first + ".old")
    ok(os.path.exists(tree.at(NEW)), "not what was done later", got)
    like(got.err, "undone already", "and it says why")


@test
def spoilt_lines():
    """a line whose checksum is wrong does nothing"""
    tree = box("cur/" + BASE + ":2,S")
    path = tree.at("cur/" + BASE + ":2,S")
    os.chmod(path, 0o644)
    for sub in (".", "cur"):
        os.chmod(tree.at(sub), 0o755)
    check("-p", "--only", "F", tree.root)
    journal = journals(tree.root)[0]
    with open(journal, "rb") as file:
        text = file.read()
    ok(b" %d " % 0o644 in text, "the old mode", text)
    mode = os.stat(path).st_mode & 0o777
    with open(journal, "wb") as file:
        file.write(text.replace(b" %d " % 0o644, b" %d " % 0o666))
    got = check("--undo", journal)
    is_(os.stat(path).st_mode & 0o777, mode, "it stays as it is", got)


@test
def odd_names():
    """blanks, line ends and percent signs in a journal"""
    names = ["cur/1700000000.M1P1.a b%20:2,SR", "cur/1700000001.M1P1.a\nb:2,SR",
             "cur/1700000002.M1P1.-:2,SR", "cur/1700000003.M1P1.\udcff:2,SR",
             "cur/1700000004.M1P1.%:2,SR"]
    tree = box(*names)
    before = snapshot(tree.root)
    got = check("-y", tree.root)
    got = check("--undo", journals(tree.root)[0])
    name = os.path.basename(journals(tree.root)[0])
    is_(differences(before, snapshot(tree.root), every=False, ignore={name}),
        [], "undone", got)


@test
def careful():
    """--undo keeps .Lost+Found a folder when mail has to stay there"""
    copy = BASE + ",S=%d" % (len(TEXT) + 2)
    tree = box()
    for sub, info in (("new", ""), ("cur", ":2,")):
        tree.write("%s/%s%s" % (sub, copy, info), TEXT + b"0\n")
    check("-y", tree.root)
    place = tree.at(".Lost+Found/cur")
    there = os.listdir(place)
    is_(len(there), 1, "one in quarantine")
    longer(place + "/" + there[0])
    got = check("--undo", journals(tree.root)[0])
    ok(got.status & LEFT, "something is left", got)
    is_((os.listdir(place),
         os.path.exists(tree.at(".Lost+Found/maildirfolder"))),
        (there, True), "it is still a folder's", got)


@test
def all_or_nothing():
    """the second operation of a group fails"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    for when in range(1, 6):
        one, two = "cur/" + BASE + ":2,S", "cur/" + BASE + ":2,F"
        tree = box()
        for name in (one, two):
            tree.write(name, TEXT)
        before = texts(tree)
        got = check("-y", tree.root, wrap=[
            "strace", "-f", "-qq", "-o", "/dev/null", "-e",
            "trace=renameat2", "-e", "inject=renameat2:error=EACCES:when=%d"
            % when])
        names = {p for p in there(tree) if p.startswith("cur/")}
        is_(texts(tree), before, "rename %d fails: nothing is lost" % when)
        ok(names == {one, two} or names == {"cur/" + BASE + ":2,FS"},
           "rename %d fails: both or none" % when, names, got)


run_tests(jobs=4)
