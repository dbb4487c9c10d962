#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""mdpop3d -C: programs of the checkpassword interface."""

import hashlib
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from clients import program
from pam import *

need_pam()
need("FEATURE_MDPOP3D_CHECKPW")

IN = b"+OK\r\n"
_TOP = os.path.abspath(__file__).rsplit("/", 3)[0]
ENV, SETPRIV = "/usr/bin/env", "/usr/bin/setpriv"
LATER = b"-ERR [SYS/TEMP] login is not possible now\r\n"


def attempt(users, user, word, want, what, *args, log=None, before=(),
            **how):
    """One login by the program; returns its client."""
    c = users.login(user, word, *before, "-C", *args, **how)
    is_(c.pass_reply, want, what, c.server.log())
    if want != IN:
        c.rest()
        c.server.wait()
    if log:
        ok(c.server.wait_log(log), what + ": the log tells it",
           c.server.log())
    return c


@test
def cvm():
    """cvm-checkpassword, a real one"""
    check = program("cvm-checkpassword", "cvm")
    cvm_pwfile = program("cvm-pwfile", "cvm")
    users = Pam()
    users.add("joe", "unused", uid=62001).fill(3)
    users.group += "crowd:x:62003:joe\n"
    path = users.file("cvm.passwd", "joe:%s:62001:62001::%s/joe:/bin/sh\n"
                      "root:%s:0:0::/:/bin/sh\n" % (
                          hashed("cvm word"), users.home, hashed("pw")))
    args = (ENV, "CVM_PWFILE_PATH=" + path, "CVM_PWFILE_PWCMP=crypt",
            "CVM_ACCOUNT_SPLIT_CHARS=", check, cvm_pwfile)
    with attempt(users, "joe", "cvm word", IN, "cvm: right", *args) as c:
        like(c.cmd("STAT"), r"^\+OK 3 ", "cvm: his Maildir")
        with open("/proc/%d/status" % c.server.pid) as file:
            status = dict(line.split(":\t") for line in
                          file.read().splitlines() if ":\t" in line)
        is_((status["Uid"].split(), status["Gid"].split()),
            (["62001"] * 4, ["62001"] * 4), "cvm: nothing of root is left")
        is_(set(status["Groups"].split()) | {"62001"}, {"62001", "62003"},
            "cvm: groups of the system")
        is_(c.cmd("QUIT"), IN, "cvm: QUIT")
        ok(c.server.wait_log(r"\]\[joe\] quit"), "cvm: the log has the name")
    attempt(users, "joe", "wrong", REFUSED, "cvm: wrong", *args)
    attempt(users, "jane", "cvm word", REFUSED, "cvm: unknown", *args)
    attempt(users, "root", "pw", REFUSED, "cvm: -M counts", *args,
            before=("-M", "1000"))


@test
def our_own():
    """popbox-pam as the program of -C"""
    if config("PAM_INPROC"):
        raise Skip("there is no popbox-pam")
    users = Pam().unix("imap").odd("user=vmail", "putenv=MAILDIR=v/m",
                                   name="virtual")
    users.add("joe", "pw", uid=62010).fill(2)
    users.add("vmail", uid=62011, stored="*")
    os.makedirs(users.home + "/vmail/v")
    Maildir(users.home + "/vmail/v/m", 62011).fill(4)
    with attempt(users, "joe", "pw", IN, "right", helper(), "-s",
                 "imap") as c:
        like(c.cmd("STAT"), r"^\+OK 2 ", "his Maildir")
    attempt(users, "joe", "x", REFUSED, "wrong", helper(), "-s", "imap")
    with attempt(users, "anyone", "x", IN, "a virtual user", helper(), "-s",
                 "virtual") as c:
        like(c.cmd("STAT"), r"^\+OK 4 ", "the Maildir of its module")


@test
def sample():
    """contrib/checkpassword/check-users: virtual users of one user"""
    check = program("perl"), _TOP + "/contrib/checkpassword/check-users"
    users = Pam()
    users.add("mail", uid=62012, stored="*")
    for number, name in enumerate(("ann", "bob"), 1):
        Maildir(users.home + "/mail/" + name, 62012).fill(number)
    path = users.file("mailusers", "".join(
        "%s@example.org:%s:%s\n" % (name, hashed(word), name)
        for name, word in (("ann", "one word"), ("bob", "another"))) +
        "bad line\nhalf:\n")
    for count, name, word in ((1, "ann", "one word"), (2, "bob", "another")):
        with attempt(users, name + "@example.org", word, IN,
                     "sample: " + name, *check, path) as c:
            like(c.cmd("STAT"), r"^\+OK %d " % count, "sample: the Maildir")
    for name, word in (("ann@example.org", "another"), ("ann", "one word"),
                       ("nobody@example.org", ""), ("half", "x"),
                       ("ann@example.org", "")):
        attempt(users, name, word, REFUSED, "sample: %s, %s" % (name, word),
                *check, path)
    attempt(users, "ann@example.org", "one word", LATER,
            "sample: no list", *check, users.home + "/none")


@test
def interface():
    """what a program gets"""
    users = Pam()
    users.add("joe", "pw", uid=62020).fill(1)
    seen = users.file("seen")
    check = users.script(
        'cat <&3 >%s; env >>%s; echo "args $#: $*" >>%s; echo NOISE; '
        "echo NOISE >&2; exit 1\n" % (seen, seen, seen))
    c = attempt(users, "joe", "a b", REFUSED, "exit status 1 refuses",
                check, "-x", "two words", before=("-r", "192.0.2.9"),
                env={"EVIL": "1"})
    with open(seen, "rb") as file:
        got = file.read()
    ok(got.startswith(b"joe\0a b\0\0"), "user, password, no stamp", got)
    like(got, r"TCPREMOTEIP=192\.0\.2\.9$", "the client's address")
    attempt(users, "joe", "pw", REFUSED, "no client's address", check)
    with open(seen, "rb") as file:
        like(file.read(), r"TCPREMOTEIP=$", "no client's address")
    unlike(got, "EVIL", "and nothing of the server's environment")
    like(got, r"^args 5: -x two words /.* mdpop3d -Z$",
         "its arguments and what it is to run")
    unlike(c.pass_reply + c.rest(), "NOISE", "what it says is not heard")


@test
def statuses():
    """how programs end without having run us"""
    users = Pam()
    users.add("joe", "pw", uid=62030).fill(1)
    for end, want, log in (
            ("exit 1", REFUSED, "login incorrect"),
            ("exit 0", LATER, "no answer"), ("exit 2", LATER, "status 2"),
            ("exit 111", LATER, "status 111"), ("kill -9 $$", LATER,
                                                "signal 9"),
            ("echo rubbish >&4", LATER, None),
            ("printf '0\\0joe\\0%s\\0%s\\0\\0/\\0\\0\\0' 62030 62030 >&4",
             LATER, None)):
        attempt(users, "joe", "pw", want, end, users.script(end + "\n"),
                log=log)
    attempt(users, "joe", "pw", LATER, "no such program", "/not/there",
            log="/not/there")


@test
def forgers():
    """a program that is the user cannot make us another's"""
    users = Pam()
    users.add("joe", "pw", uid=62040).fill(1)
    users.add("rich", "pw", uid=62041).fill(2)
    # What joe could have: a program run by his uid that writes the record.
    for uid, label in (("62041", "another user"), ("0", "root")):
        record = "0\\0x\\0%s\\0%s\\0\\0/\\0\\0\\0" % (uid, uid)
        attempt(users, "joe", "pw", LATER, label, SETPRIV,
                "--reuid=62040", "--regid=62040", "--clear-groups", "sh",
                "-c", "printf '%s' >&4; :" % record)
    with attempt(users, "joe", "pw", IN, "he himself", ENV, "USER=joe",
                 "HOME=%s/joe" % users.home, SETPRIV, "--reuid=62040",
                 "--regid=62040", "--clear-groups") as c:
        like(c.cmd("STAT"), r"^\+OK 1 ", "his own Maildir")


@test
def maildir():
    """$MAILDIR of a program, and -m before it"""
    users = Pam()
    users.add("joe", "pw", uid=62050).fill(1)
    Maildir(users.home + "/joe/other", 62050).fill(2)
    args = (ENV, "USER=joe", "MAILDIR=other", "HOME=%s/joe" % users.home,
            SETPRIV, "--reuid=62050", "--regid=62050", "--clear-groups")
    for before, count in (((), 2), (("-m", "Maildir"), 1)):
        with attempt(users, "joe", "pw", IN, "login", *args,
                     before=before) as c:
            like(c.cmd("STAT"), r"^\+OK %d " % count,
                 "$MAILDIR, options %r" % (before,))


@test
def hang():
    """a program that hangs is ended, and what it has started"""
    users = Pam()
    users.add("joe", "pw")
    seconds = str(20000000 + os.getpid())
    c = attempt(users, "joe", "pw", LATER, "30 seconds",
                users.script("sleep %s\n" % seconds),
                log="no answer in time")
    ok(28 < c.took < 40, "not more", "%.1f s" % c.took)
    is_(processes_with("sleep\0" + seconds), [], "nothing is left of it")


@test
def apop():
    """APOP by a program: the digest and the stamp, as qmail-popup has it"""
    need("FEATURE_MDPOP3D_APOP")
    users = Pam()
    users.add("joe", "pw", uid=62060).fill(1)
    seen = users.file("seen")
    check = users.script("""cat <&3 >%s
exec 3<&-
set -- "$1" "$(tr '\\0' '\\n' <%s | sed -n 2p)" \\
	"$(tr '\\0' '\\n' <%s | sed -n 3p)" "$2" "$3" "$4"
[ "$(printf '%%s' "$3$1" | md5sum)" = "$2  -" ] || exit 1
export USER=joe HOME=%s/joe
shift 3
exec setpriv --reuid=62060 --regid=62060 --clear-groups "$@"
""" % (seen, seen, seen, users.home))
    for word, want in (("tanstaaf", IN), ("other", REFUSED)):
        c = start("-e", "-A", "-C", check, "tanstaaf", wrap=users.wrap())
        stamp = re.search(rb"<[^>]+>", c.line()).group()
        digest = hashlib.md5(stamp + word.encode()).hexdigest()
        is_(c.cmd("APOP joe " + digest), want, "secret %r" % word,
            c.server.log())
        with open(seen, "rb") as file:
            is_(file.read(), b"joe\0%s\0%s\0" % (digest.encode(), stamp),
                "three strings")


@test
def misuse():
    """-C wants a program, and a login"""
    for args in (("-C",), ("-a", "-C", ENV), ("-P", "/x", "-C", ENV),
                 ("-C", "env"), ("-C", "./env"),
                 ("-C", ENV) + ("x",) * 100):
        with start("-e", *args) as c:
            like(c.rest(), r"\A-ERR \[SYS/PERM\]", " ".join(args)[:20])
            is_(c.server.wait(), 100, "status")


run_tests(jobs=6)
