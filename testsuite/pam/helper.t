#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""popbox-pam alone: a request on descriptor 3, a record on 4."""

import re
import subprocess
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from pam import *

need_helper()

HELLO = ("say=SPOKEN", "mute=SPOKEN", "write=SPOKEN")


@test
def verdicts():
    """pam_unix: right, wrong, unknown, locked, expired"""
    pam = Pam().unix()
    today = int(time.time() // 86400)
    pam.add("joe", uid=61601, gid=61602,
            stored=hashed("pass word", gensalt("$y$", 1)))
    pam.group += "crowd:x:61603:jane,joe\n"
    pam.add("locked", stored="!" + hashed("pw"))
    pam.add("expired", "pw", ageing="%d:0:99999:7::%d:" % (today, today - 2))
    pam.add("mustchange", "pw", ageing="0:0:99999:7:::")
    pam.add("nohash", stored="")
    v = pam.ask("joe", "pass word")
    is_((v.status, v.code, v.name, v.uid, v.gid, v.home, v.maildir),
        (0, OK, "joe", "61601", "61602", pam.home + "/joe", ""),
        "a yescrypt user", repr(v))
    is_(sorted(v.groups.split(",")), ["61602", "61603"], "his groups", repr(v))
    ok(quick(pam, "joe", "pass word", v), "no delay of its own", repr(v))
    for user, word, code, name in (
            ("joe", "pass worD", PASSWORD, "joe"),
            ("joe", "", PASSWORD, "joe"),
            ("nobody-here", "pw", UNKNOWN, ""),
            ("", "pw", UNKNOWN, ""),
            ("locked", "pw", PASSWORD, "locked"),
            ("expired", "pw", EXPIRED, "expired"),
            ("mustchange", "pw", EXPIRED, "mustchange"),
            ("nohash", "", PASSWORD, "nohash"),
            ("nohash", "pw", PASSWORD, "nohash")):
        v = pam.ask(user, word)
        is_((v.status, v.code, v.name), (0, code, name),
            "%r with password %r" % (user, word), repr(v))
        is_(v.whole and (v.uid, v.gid, v.groups, v.home, v.maildir),
            ("",) * 5, "%r: nothing but a name" % user, repr(v))
        ok(v.whole and v.detail, "%r: and a word for the log" % user, repr(v))
        ok(quick(pam, user, word, v), "%r: no delay of its own" % user,
           repr(v))


def quick(pam, user, word, v):
    """pam_unix wants two seconds; a busy machine would once."""
    return v.took < 1.4 or any(pam.ask(user, word).took < 1.4
                               for _ in range(3))


@test
def codes():
    """each code of PAM in each step"""
    cases = []
    for n in range(1, 32):
        cases += [(n, "auth"), (n, "acct")]
    spread(one_code, cases, jobs=4)


# By their numbers in security/_pam_types.h. A stack where all ignore, 25,
# ends as one that has denied.
MEANING = {1: TROUBLE, 2: TROUBLE, 5: TROUBLE, 9: TROUBLE, 26: TROUBLE,
           28: TROUBLE, 10: UNKNOWN, 6: LOCKED, 11: LOCKED,
           25: LOCKED, 12: EXPIRED, 13: EXPIRED, 16: EXPIRED, 27: EXPIRED}


def one_code(n, step):
    """a code of PAM"""
    pam = Pam().odd("%s:return=%d" % (step, n))
    pam.add("joe", "pw")
    v = pam.ask("joe", "pw")
    want = MEANING.get(n, PASSWORD)
    if step == "acct" and want == TROUBLE:
        want = PASSWORD     # or it would tell that the password was right
    is_((v.status, v.code, v.name), (0, want, "joe"),
        "%s says %d" % (step, n), repr(v))


@test
def no_credentials():
    """pam_setcred fails: told, and no refusal"""
    pam = Pam().odd("cred:return=17")
    pam.add("joe", "pw")
    v = pam.ask("joe", "pw")
    is_(v.code, OK, "credentials cannot be set", repr(v))
    like(v.detail, "^credentials: .*redentials", "the log has it")


@test
def what_modules_see():
    """service, user, host, terminal, password, environment, descriptors"""
    pam = Pam()
    path = pam.file("seen")
    pam.odd("dump=" + path, "acct:dump=" + path, "cred:dump=" + path)
    pam.add("joe", "pw")
    evil = {"LD_PRELOAD_": "x", "MAILDIR": "/etc", "IFS": "x", "HOME": "/",
            "KRB5CCNAME": "x", "TCPREMOTEIP": "10.0.0.9"}
    v = pam.ask("joe", "pw", "-r", "192.0.2.7", env=evil, caller=(
        "/usr/bin/python3", "-c", BAD_CALLER))
    is_((v.code, v.maildir), (OK, ""), "passes", repr(v))
    steps = dumped(path)
    is_([s["step"] for s in steps], ["auth", "acct", "cred"], "three steps")
    for s in steps:
        is_((s["service"], s["user"], s["rhost"], s["tty"], s.get("ruser")),
            ("pop3", "joe", "192.0.2.7", "pop3", None), s["step"] + " items")
        is_(sorted(k for k in s if k.startswith("env ")), ["env PATH"],
            s["step"] + ": the environment has nothing of the caller's",
            repr(s))
        is_([s["fds"].get(fd) for fd in range(3)], ["/dev/null"] * 3,
            s["step"] + ": no client")
        is_([fd for fd in s["fds"] if 2 < fd < 10], [],
            s["step"] + ": nothing where others look")
        ok(not any("socket" in to for to in s["fds"].values()),
           s["step"] + ": no socket at all", s["fds"])
        is_((s["sigchld"], s["sid"]), ("default", "1"),
            s["step"] + ": signals and session are its own")
        is_([k for k in s if k.startswith("blocked")], [],
            s["step"] + ": no signal is blocked")
    is_(steps[0]["pass"], "pw", "the password")
    is_("pass" in steps[2], False, "later it is gone")


# Some ignore the end of their children, and block signals.
BAD_CALLER = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE, signal.SIGTERM})
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


@test
def hosts():
    """-r, and the environment without it"""
    pam = Pam()
    pam.add("joe", "pw")
    for args, env, want in (
            ((), {"TCPREMOTEIP": "10.0.0.1", "REMOTE_HOST": "h"}, "10.0.0.1"),
            ((), {"TCPREMOTEIP": "", "REMOTE_HOST": "h"}, "h"),
            (("-r", "2001:db8::1"), {"TCPREMOTEIP": "10.0.0.1"},
             "2001:db8::1"),
            ((), {"TCPREMOTEIP": "", "REMOTE_HOST": ""}, None),
            (("-r", ""), {}, None),
            ((), {}, None)):
        path = pam.file("seen")
        pam.odd("dump=" + path)
        pam.ask("joe", "pw", *args, env=env)
        is_(dumped(path)[0].get("rhost"), want, "host: %s %s" % (args, env))


@test
def passwords():
    """passwords of all kinds arrive as they are"""
    pam = Pam()
    for label, word in (
            ("255 bytes", b"x" * 255), ("blanks", b"  a  b  "),
            ("8-bit", bytes(range(128, 256))), ("UTF-8", "grün".encode()),
            ("printf", b"%s%n%x"), ("one byte", b" "),
            ("control bytes", bytes(set(range(1, 32)) - {10})),
            ("almost APOP's", b"APOP")):
        path = pam.file("seen")
        pam.odd("dump=" + path)
        pam.add(label[0], "x")
        pam.ask("joe", word)
        is_(dumped(path)[0]["pass"].encode("latin-1"), word,
            "a password of " + label)
    pam = Pam().unix()
    for i, word in enumerate(("x" * 255, " a  b ", "gr\u00fcn \u20ac")):
        pam.add("u%d" % i, word)
    for i, word in enumerate(("x" * 255, " a  b ", "gr\u00fcn \u20ac")):
        is_(pam.ask("u%d" % i, word).code, OK, "pam_unix and %.9r" % word)
        is_(pam.ask("u%d" % i, word[:-1]).code, PASSWORD,
            "pam_unix and %.9r, cut" % word)


@test
def apop():
    """what stands for a password with APOP has the stamp of the session"""
    pam = Pam()
    pam.add("joe", "pw")
    for word, stamp, passes in (
            ("APOP %s <1.2@h>" % ("0" * 32), "<1.2@h>", True),
            ("APOP %s <1.2@h>" % ("0" * 32), "", False),
            ("APOP %s <1.2@h>" % ("0" * 32), "<1.3@h>", False),
            ("APOP x", "longer than that", False),
            ("APOP ", "", False), ("APOP", "", True), ("apop x", "", True)):
        path = pam.file("seen")
        pam.odd("dump=" + path)
        v = pam.ask("joe", word, stamp=stamp)
        is_((v.code, [s["pass"] for s in dumped(path)]),
            (OK, [word]) if passes else (PASSWORD, []),
            "%r with the stamp %r" % (word, stamp), repr(v))


@test
def other_user():
    """a module sets PAM_USER"""
    pam = Pam().odd("user=vmail", "putenv=MAILDIR=example.org/joe")
    pam.add("vmail", uid=61700, stored="*")
    v = pam.ask("joe@example.org", "pw")
    is_((v.code, v.name, v.uid, v.home, v.maildir),
        (OK, "vmail", "61700", pam.home + "/vmail", "example.org/joe"),
        "the owner of virtual mail", repr(v))
    v = pam.odd("user=nobody-here").ask("joe", "pw")
    is_((v.code, v.name), (UNKNOWN, ""), "one that is not there", repr(v))
    like(v.detail, "nobody-here", "the log says which")
    pam.odd("user=vmail", "return=7")
    v = pam.ask("joe@example.org", "pw")
    is_((v.code, v.name), (PASSWORD, ""), "refused: no owner is named",
        repr(v))
    v = pam.odd("acct:user=vmail").ask("joe", "pw")
    is_((v.code, v.name), (OK, "vmail"), "by the account step", repr(v))


@test
def maildir():
    """a module sets $MAILDIR"""
    pam = Pam()
    pam.add("joe", "pw")
    for args, want in (
            (["putenv=MAILDIR=a/b"], "a/b"), (["setenv=MAILDIR=c d"], "c d"),
            (["setenv=MAILDIR=no", "putenv=MAILDIR=yes"], "yes"),
            (["acct:setenv=MAILDIR=late"], "late"),
            (["cred:putenv=MAILDIR=later"], "later"), ([], "")):
        v = pam.odd(*args).ask("joe", "pw", env={"MAILDIR": "caller"})
        is_((v.code, v.maildir), (OK, want), " ".join(args) or "none")
    v = pam.odd("putenv=MAILDIR=" + "m" * 255).ask("joe", "pw")
    is_((v.code, v.maildir), (OK, "m" * 255), "one of 255 bytes", repr(v))
    v = pam.odd("putenv=MAILDIR=" + "m" * 256).ask("joe", "pw")
    is_(v.code, ENTRY, "one of 256 is not cut", repr(v))


@test
def groups():
    """groups, and those that modules add"""
    pam = Pam().odd("cred:group=61777")
    pam.add("joe", "pw", uid=61601)
    v = pam.ask("joe", "pw")
    is_(sorted(v.groups.split(",")), ["61601", "61777"],
        "one that pam_setcred gives", repr(v))
    for count, code in ((255, OK), (256, TROUBLE)):
        pam = Pam().odd()
        pam.add("joe", "pw", uid=61601)
        for i in range(count):
            pam.group += "g%d:x:%d:joe\n" % (i, 4294960000 + i)
        v = pam.ask("joe", "pw")
        is_((v.code, len(v.groups.split(",")) if v.code == OK else 0),
            (code, 256 if code == OK else 0), "%d groups and his own" % count,
            repr(v))


@test
def accounts_of_no_use():
    """users whom PAM lets in and the system cannot"""
    pam = Pam().odd()
    for name, line in (("relative", "relative:x:1:1::home:/bin/sh"),
                       ("nohome", "nohome:x:1:1:::/bin/sh"),
                       ("minus", "minus:x:4294967295:1::/:/bin/sh"),
                       ("longhome", "longhome:x:1:1::/%s:/" % ("h" * 300))):
        pam.passwd += line + "\n"
        v = pam.ask(name, "pw")
        is_(v.code in (ENTRY, UNKNOWN), True, line[:40], repr(v))
        is_(v.whole and v.uid, "", name + " has no uid then")
    pam.odd("user=relative")
    is_(pam.ask("nobody-here", "pw").name, "", "no name of another's")


@test
def silence():
    """what modules say is heard by nobody"""
    pam = Pam().odd(*HELLO, *["acct:" + a for a in HELLO],
                    *["cred:" + a for a in HELLO])
    pam.add("joe", "pw")
    v = pam.ask("joe", "pw")
    is_((v.code, v.heard), (OK, b""), "a module that speaks", repr(v))
    noise = pam.script("echo NOISE; echo NOISE >&2; cat >/dev/null\n"
                       "for fd in 3 4 5 6 7 8 9; do\n"
                       "(eval \"echo NOISE >&$fd\") 2>/dev/null; done\n"
                       "echo NOISE >/dev/tty\nexit 0\n")
    pam.service("pop3", "auth required pam_exec.so expose_authtok " + noise,
                "account required pam_permit.so")
    v = pam.ask("joe", "pw")
    is_((v.code, v.heard), (OK, b""), "a program of pam_exec", repr(v))


@test
def prompts():
    """what may be seen on a screen is answered with the name"""
    pam = Pam()
    pam.add("joe", "pw")
    path = pam.file("seen")
    v = pam.odd("ask=" + path).ask("joe", "pw")
    with open(path) as file:
        is_(file.read(), "asked=0 joe\nradio=19\n",
            "echo on: the name; a style unknown: PAM_CONV_ERR", repr(v))


@test
def broken_modules():
    """modules that crash, exit or are not there"""
    pam = Pam()
    pam.add("joe", "pw")
    v = pam.odd("crash").ask("joe", "pw")
    is_((v.record, v.heard), (b"", b""), "a crash leaves no answer", repr(v))
    ok(v.status != 0, "and a status that tells", repr(v))
    v = pam.odd("exit").ask("joe", "pw")
    is_((v.record, v.heard), (b"", b""), "nor does exit(0)", repr(v))
    pam.service("pop3", "auth required pam_not_there.so",
                "account required pam_permit.so")
    v = pam.ask("joe", "pw")
    is_((v.status, v.code, v.name), (0, TROUBLE, "joe"),
        "a module that is not there", repr(v))
    like(v.detail, "(?i)unknown", "the log says so")


@test
def hangs():
    """who asked is gone: so is popbox-pam"""
    pam = Pam()
    pam.add("joe", "pw")
    path = pam.file("seen")
    pam.odd("dump=" + path, "hang")
    mark = "popbox-hang-%d" % os.getpid()
    # As the monitor would be killed: the shell is the parent.
    v = pam.ask("joe", "pw", "-r", mark, caller=[
        "sh", "-c", '"$@" & while ! grep -q step= %s; do sleep 0.1; done; '
        "kill -9 $$" % path, "sh"])
    is_((v.record, v.heard), (b"", b""), "no answer", repr(v))
    ok(wait_for(lambda: not processes_with(mark)), "nothing is left of it",
       processes_with(mark))


@test
def services():
    """-s, names that are none, and the service that is not there"""
    pam = Pam().unix().odd(name="imap")
    pam.add("joe", "pw")
    v = pam.ask("joe", "other", "-s", "imap")
    is_((v.code, v.detail), (OK, ""), "-s imap", repr(v))
    is_(pam.ask("joe", "other").code, PASSWORD, "pop3 without")
    pam.odd(name="a.b_c-9")
    is_(pam.ask("joe", "x", "-sa.b_c-9").code, OK, "all characters")
    for bad in ("", ".", "..", ".hidden", "a/b", "../x", "a b", "a\nb", "%s",
                "x" * 64, "caf\u00e9"):
        v = pam.ask("joe", "pw", "-s", bad)
        is_((v.status, v.record), (2, b""), "-s %.9r" % bad, repr(v))
    v = pam.ask("joe", "pw", "-s", "absent")
    is_(v.code, PASSWORD, "the service other refuses here", repr(v))
    like(v.detail, "no such service.*absent", "the log warns of other")
    pam.unix("other")
    v = pam.ask("joe", "pw", "-s", "absent")
    is_(v.code, OK, "where it does not: as PAM has it", repr(v))
    like(v.detail, "no such service.*absent", "but the log warns of other")
    os.unlink(pam.home + "/pam.d/other")
    # libpam leaks what it could not start.
    v = pam.ask("joe", "pw", "-s", "absent",
                env={"ASAN_OPTIONS": "detect_leaks=0"})
    is_((v.status, v.code), (0, TROUBLE), "nor other: trouble", repr(v))


@test
def sample():
    """contrib/pam.d/pop3 is what its comments say"""
    here = os.path.dirname(os.path.abspath(__file__)) + "/../.."
    with open(here + "/contrib/pam.d/pop3") as file:
        lines = file.read().split("\n")
    pam = Pam().service("pop3", *lines)
    pam.add("joe", "pw")
    is_((pam.ask("joe", "pw").code, pam.ask("joe", "x").code),
        (OK, PASSWORD), "as it is: the users of the system")
    pam.service("common-auth", "auth required pam_unix.so nullok")
    pam.service("common-account", "account required pam_unix.so")
    pam.service("pop3", *[line.lstrip("#") for line in lines
                          if line.startswith("#@")])
    is_((pam.ask("joe", "pw").code, pam.ask("joe", "x").code),
        (OK, PASSWORD), "by the files that Debian's services share")


@test
def requests():
    """requests that are none"""
    pam = Pam().odd()
    pam.add("joe", "pw")
    for label, data, status in (
            ("nothing", b"", 2), ("one field", b"joe\0", 2),
            ("two fields", b"joe\0pw\0", 2),
            ("two and a half", b"joe\0pw\0stamp", 2),
            ("no NUL", b"x" * 600, 2),
            ("1001 bytes", b"joe\0" + b"p" * 995 + b"\0\0", 2),
            ("only NULs but few", b"\0\0", 2)):
        v = pam.ask("", "", data=data)
        is_((v.status, v.record), (status, b""), label, repr(v))
    v = pam.ask("", "", data=b"joe\0" + b"p" * 200 + b"\0\0" + b"m" * 793)
    is_((len(v.record) > 0, v.code), (True, OK), "999 bytes, more than asked")
    v = pam.ask("", "", data=b"joe\0" + b"p" * 994 + b"\0\0")
    is_(v.code is not None, True, "1000 bytes", repr(v))
    v = pam.ask("", "", data=b"\0\0\0")
    is_((v.code, v.name), (PASSWORD, ""), "three empty fields", repr(v))


@test
def options():
    """options, and calls by hand"""
    def call(*args, **how):
        p = subprocess.run([helper(), *args], capture_output=True,
                           stdin=subprocess.DEVNULL, check=False, **how)
        return p.returncode, p.stdout.decode(), p.stderr.decode()

    status, out, err = call("--help")
    is_((status, err), (0, ""), "--help")
    like(out, r"\Ausage: popbox-pam ", "--help shows the usage")
    top = os.path.dirname(os.path.abspath(__file__)) + "/../.."
    with open(top + "/docs/popbox-pam.8") as file:
        page = file.read()
    is_(sorted(re.findall(r"^  -(\w)", out, re.M)),
        sorted(re.findall(r"^\.It Fl (\w) ", page, re.M)),
        "the manual page has the same options")
    status, out, err = call("--version")
    like(out, r"\Apopbox-pam [0-9.]+ \(popbox\)\n\Z", "--version")
    for args in (("-x",), ("-s",), ("-r",), ("--nonsense",), ("-s", "/")):
        status, out, err = call(*args)
        is_((status, out), (2, ""), "misuse: " + " ".join(args))
        like(err, r"\Apopbox-pam: [^\n]+\n\Z", "and one line says why")
    status, out, err = call()
    is_((status, out), (2, ""), "without descriptors 3 and 4")
    like(err, "descriptor", "it says what it wants")


@test
def installation():
    """make install puts it where the server looks, and takes it away"""
    build, root = os.path.dirname(helper()), scratch("root")
    here = os.path.dirname(os.path.abspath(__file__)) + "/../.."

    def install(*args):
        subprocess.run([here + "/scripts/install", *args, build, root],
                       cwd=here, env={"PATH": os.environ["PATH"],
                                      "PREFIX": "/opt"}, check=True)

    install()
    mode = os.stat(root + helper()).st_mode
    is_(mode & 0o7777, 0o755, "it is there, and not setuid")
    page = root + "/opt/share/man/man8/popbox-pam.8"
    ok(os.path.exists(page), "with its page")
    install("-u")
    is_([f for _, _, files in os.walk(root) for f in files], [],
        "and away again")


@test
def hardening():
    """how it is linked"""
    def readelf(*args):
        return subprocess.run(["readelf", "-W", *args, helper()], check=True,
                              stdout=subprocess.PIPE).stdout.decode()

    like(readelf("-h"), r"Type:\s+DYN", "position-independent")
    like(readelf("-d"), r"FLAGS_1.*NOW.*PIE", "bound at once")
    like(readelf("-l"), r"GNU_RELRO", "read-only relocations")
    like(readelf("-l"), r"GNU_STACK.* RW ", "no executable stack")
    like(readelf("-s", "--dyn-syms"), r"__stack_chk_fail",
         "stack protector")
    unlike(readelf("-d"), r"R(UN)?PATH", "no library path of its own")


@test
def wiped():
    """once the password was checked, no copy of it is in memory"""
    if config("SANITIZE"):
        raise Skip("the sanitizers keep what was freed")
    pam = Pam()
    pam.add("joe", "pw")
    path = pam.file("seen")
    pam.odd("auth:dump=/dev/null", "cred:dump=" + path, "cred:hang")
    script = pam.script(
        '"$@" 3<"$IN" 4>/dev/null & p=$!\n'
        "while ! grep -q step=cred %s; do sleep 0.1; done\n"
        "exec /usr/bin/python3 -c '%s' $p\n" % (path, SCANNER))
    secret = "Secret-%d-Word" % os.getpid()
    request = pam.file("request", "joe\0%s\0\0" % secret)
    p = subprocess.run([*pam.wrap(), script, helper()], env={
        "PATH": "/usr/bin:/bin:/usr/sbin", "IN": request,
        "WORD": secret[::-1]}, capture_output=True, check=False,
        timeout=PATIENCE)
    is_((p.stdout, p.stderr), (b"0\n", b""),
        "copies of the password in memory")


# Counts a word, which its environment has backwards, in a process.
SCANNER = """
import os, re, signal, sys
word = os.environ["WORD"][::-1].encode()
pid = int(sys.argv[1])
found = 0
with open("/proc/%d/maps" % pid) as maps, \\
        open("/proc/%d/mem" % pid, "rb", 0) as memory:
    for line in maps:
        m = re.match("([0-9a-f]+)-([0-9a-f]+) r", line)
        if not m or "[v" in line:
            continue
        start, end = (int(x, 16) for x in m.groups())
        memory.seek(start)
        found += memory.read(end - start).count(word)
os.kill(pid, signal.SIGKILL)
print(found)
"""


run_tests(jobs=6)
