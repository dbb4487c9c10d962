#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts: which of them may log in, as whom, and into which Maildir."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

if not (config("FEATURE_MDPOP3D_AUTH") and config("FEATURE_MDPOP3D_USERFILE")):
    skip_all("no USER and PASS, or no -P, in this build")
if os.geteuid() != 0:
    skip_all("needs root, as logins do")

NO_CAPS = ["0" * 16] * 3

@test
def schemes():
    """C31 the hashes that systems use"""
    if config("CRYPT_SYSTEM") and config("STATIC"):
        raise Skip("the libc's own crypt knows what it knows")
    users = UserFile()
    for prefix, cost in (("$y$", 1), ("$2b$", 4), ("$6$", 1000),
                         ("$5$", 1000), ("$1$", 0)):
        name = prefix.strip("$")
        users.add(name, stored=hashed("pass word", gensalt(prefix, cost)))
        with login(users, name, "pass word") as c:
            is_(c.pass_reply, b"+OK\r\n", "C31 a hash of " + prefix)
    spread(wrong_hash, [(users, name) for name in ("y", "2b", "6", "5", "1")])


def wrong_hash(users, name):
    """C31 a wrong password"""
    with login(users, name, "pass worD") as c:
        is_(c.pass_reply, REFUSED, "C31 $%s$: and no other password" % name)


def unknown_hash(users, name, stored, word):
    """C31 a hash that crypt does not know"""
    with login(users, name, word) as c:
        is_(c.pass_reply + c.rest(), REFUSED,
            "C31 C32 hash %r, password %r" % (stored, word))
        c.server.wait()
        like(c.server.log(), r"\b%s\b" % name,
             "C31 the log names the user with hash %r" % stored)
        if stored.startswith("$99$"):
            like(c.server.log(), r"(?i)hash|scheme", "C31 and the reason")
        unlike(c.server.log(), r"\bsalt|secret|rounds",
               "C49 the log shows neither hash nor password")


@test
def null_from_crypt():
    """C31 hashes that crypt does not know are refused, and logged"""
    users = UserFile()
    cases = []
    for name, stored in (("new", "$99$salt$hash"), ("odd", "$zz$"),
                         ("plain", "secret"), ("short", "$6$"),
                         ("cut", "$6$rounds=1000$popboxtest$"),
                         ("dollar", "$"), ("bare", "$6"), ("star", "*0")):
        users.add(name, stored=stored)
        cases += [(users, name, stored, word) for word in ("secret", stored)]
    spread(unknown_hash, cases)


def locked_hash(users, name, stored, word):
    """C32 a locked account"""
    with login(users, name, word) as c:
        is_(c.pass_reply + c.rest(), REFUSED,
            "C32 hash %.6r, password %.8r" % (stored, word))


@test
def locked():
    """C32 locked accounts, empty hashes, empty passwords"""
    users = UserFile()
    real = hashed("secret")
    cases = []
    for name, stored in (("star", "*"), ("bang", "!"), ("bangs", "!!"),
                         ("bangstar", "!*"), ("lockedhash", "!" + real),
                         ("x", "x"), ("empty", ""), ("np", "*NP*"),
                         ("blank", hashed(""))):
        users.add(name, stored=stored)
        cases += [(users, name, stored, word)
                  for word in {"secret", stored, ""}]
    spread(locked_hash, cases)


@test
def lowest_uid():
    """C33 -M sets the lowest uid"""
    users = UserFile()
    cases = [
        (users, 0, (), True), (users, 0, ("-M", "0"), True),
        (users, 0, ("-M", "1"), False), (users, 999, ("-M", "1000"), False),
        (users, 1000, ("-M", "1000"), True), (users, 999, ("-M999",), True),
        (users, 1000, ("-M", "4294967294"), False)]
    for _, uid, args, _ in cases:
        users.add("u%d%s" % (uid, "".join(args)), "pw", uid=uid)
    spread(lowest_uid_case, cases)


def lowest_uid_case(users, uid, args, allowed):
    """C33 -M"""
    with login(users, "u%d%s" % (uid, "".join(args)), "pw", *args) as c:
        is_(c.pass_reply, b"+OK\r\n" if allowed else REFUSED,
            "C33 uid %d, options %s" % (uid, " ".join(args) or "none"))


@test
def codes():
    """C40 each refusal has the right response code"""
    users = joe()
    users.add("nobox", "pw", maildir=False)
    users.add("nohome", "pw", maildir=False)
    os.rmdir(users.home + "/nohome")
    os.mkdir(users.home + "/nohome", 0o000)
    users.add("file", "pw", maildir=False)
    with open(users.home + "/file/Maildir", "w"):
        pass
    users.add("bare", "pw", maildir=False)
    os.mkdir(users.home + "/bare/Maildir")
    closed = users.add("closed", "pw")
    os.chmod(closed.path, 0)
    foreign = users.add("foreign", "pw", uid=61301)
    os.chown(foreign.path, 0, 0)
    for name in ("nobox", "nohome", "file", "bare", "closed", "foreign"):
        with login(users, name, "pw") as c:
            like(c.pass_reply, r"\A-ERR \[SYS/(TEMP|PERM)\] [ -~]+\r\n\Z",
                 "C40 C50 no Maildir to be had: " + name)
            is_(c.rest(), b"", "C50 and the end: " + name)
            status = c.server.wait()
            ok(status in (0, 100, 111), "C50 exit status: " + name, status)
            like(c.server.log(), r"%s" % name, "C50 logged: " + name)
    with start("-e", "-P", users.home + "/missing") as c:
        got = c.rest() if c.line() != b"+OK\r\n" else (
            c.cmd("USER joe") + c.cmd("PASS secret"))
        like(got, r"-ERR \[SYS/(TEMP|PERM)\]", "C40 the user file is missing")
        c.rest()
        c.server.wait()
        like(c.server.log(), r"/missing|No such file",
             "C40 and the log says which or why")
    with login(users, "joe", "wrong") as c:
        is_(c.pass_reply, REFUSED, "C40 [AUTH] for a wrong password")


@test
def missing_maildir_releases():
    """C50 a Maildir that comes later is found by the next session"""
    users = UserFile()
    users.add("late", "pw", maildir=False)
    with login(users, "late", "pw") as c:
        like(c.pass_reply, r"\A-ERR \[SYS/", "C50 no Maildir yet")
    Maildir(users.home + "/late/Maildir", 61300)
    with login(users, "late", "pw") as c:
        is_(c.pass_reply, b"+OK\r\n", "C50 and then there is one")


def identities(server):
    """Uid, Gid, Groups and capabilities of all its processes."""
    found = []
    for pid in [server.pid] + server.children():
        with open("/proc/%d/status" % pid) as file:
            fields = dict(line.split(":\t", 1) for line in file)
        found.append((fields["Uid"].split(), fields["Gid"].split(),
                      fields["Groups"].split(),
                      [fields[c].strip() for c in
                       ("CapPrm", "CapEff", "CapInh")]))
    return found


@test
def switch_of_user():
    """C33 after login nothing is left of root"""
    users = UserFile()
    users.add("joe", "pw", uid=61310, gid=61311)
    with login(users, "joe", "pw") as c:
        is_(c.pass_reply, b"+OK\r\n", "C33 login")
        for who in identities(c.server):
            is_(who[:2], (["61310"] * 4, ["61311"] * 4),
                "C33 real, effective, saved and file system ids")
            ok(set(who[2]) <= {"61311"}, "C33 no other groups", who[2])
            is_(who[3], NO_CAPS, "C33 no capabilities")
    users.add("root", "pw", uid=0)
    with login(users, "root", "pw") as c:
        ok(c.pass_reply == b"+OK\r\n" and
           all(w[2] in ([], ["0"]) for w in identities(c.server)),
           "C33 root, allowed by default, has no other groups")


@test
def groups_of_the_caller():
    """C33 supplementary groups of root do not survive a login"""
    users = joe(uid=61312)
    how = {"user": 0, "groups": [4, 27]}
    with start("-e", "-P", users.path, **how) as c:
        c.line()
        is_(identities(c.server)[0][2], ["4", "27"], "C33 before it: 4 and 27")
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C33 login with -P")
        ok(set(identities(c.server)[-1][2]) <= {"61312"},
           "C33 after it: none of them", identities(c.server))
    system = SystemUsers()
    system.add("joe", "pw", uid=61405)
    with start("-e", wrap=system.wrap(), **how) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C33 C48 login without")
        is_(set(identities(c.server)[-1][2]), {"61405"},
            "C33 C48 after it: those of the user only")


@test
def system_users():
    """C48 users of the system"""
    system = SystemUsers()
    system.add("joe", "pw", uid=61401).fill(1)
    system.group += "mail:x:8:jane,joe\nextra:x:61490:joe\n"
    system.add("plainfield", uid=61402, field=hashed("pw"), stored="*")
    system.add("unshadowed", "pw", uid=61403)
    system.shadow = re.sub(r"unshadowed:.*\n", "", system.shadow)
    with start("-e", wrap=system.wrap()) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C48 login with shadow")
        like(c.cmd("STAT"), r"^\+OK 1 ", "C48 his Maildir")
        who = identities(c.server)[-1]
        is_(who[:2], (["61401"] * 4, ["61401"] * 4), "C48 uid and gid")
        is_(sorted(set(who[2]) | {"61401"}), ["61401", "61490", "8"],
            "C48 groups of /etc/group")
        is_(who[3], NO_CAPS, "C48 no capabilities")
    with start("-e", wrap=system.wrap()) as c:
        c.line()
        c.cmd("USER plainfield")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C48 the hash in passwd itself")
    with start("-e", wrap=system.wrap()) as c:
        c.line()
        c.cmd("USER unshadowed")
        is_(c.cmd("PASS x"), REFUSED, "C48 no line in shadow")


@test
def ageing():
    """C48 expired and locked accounts of the system"""
    today = int(time.time() // 86400)
    cases = (
        # last change : min : max : warn : inactive : expire : reserved
        ("fresh", "%d:0:99999:7:::" % today, True),
        ("noages", "::::::", True),
        ("future", "%d:0:99999:7::%d:" % (today, today + 2), True),
        ("expired", "%d:0:99999:7::%d:" % (today - 9, today - 2), False),
        ("longago", "%d:0:99999:7::1:" % (today - 9), False),
        ("oldpass", "%d:0:10:7:5::" % (today - 40), False),
        ("maxok", "%d:0:90:7:::" % (today - 40), True),
        ("mustchange", "0:0:99999:7:::", False),
    )
    system = SystemUsers()
    for name, ages, _ in cases:
        system.add(name, "pw", ageing=ages)
    system.add("lockedhash", stored="!" + hashed("pw"))
    system.add("star", stored="*")
    system.add("nohash", stored="")
    system.add("nopass", stored="", field="")
    wrap = system.wrap()
    spread(aged_login, [(wrap, *case) for case in cases] + [
        (wrap, name, "", False)
        for name in ("lockedhash", "star", "nohash", "nopass")])


def aged_login(wrap, name, ages, allowed):
    """C48 ageing"""
    with start("-e", wrap=wrap) as c:
        c.line()
        first = c.cmd("USER " + name)
        second = c.cmd("PASS pw")
        rest = b"" if allowed else c.rest()
        is_((first, second + rest),
            (b"+OK\r\n", b"+OK\r\n" if allowed else REFUSED),
            "C48 C32 %s %s" % (name, ages), c.server.log())


@test
def unreadable_shadow():
    """C40 C48 without the right to read shadow nobody gets in"""
    system = SystemUsers()
    system.add("joe", "pw")
    wrap = system.wrap("exec setpriv --reuid=%d --clear-groups "
                       '--regid=%d "$@"' % (PLAIN, PLAIN))
    with start("-e", wrap=wrap) as c:
        c.line()
        c.cmd("USER joe")
        like(c.cmd("PASS pw"), r"\A-ERR \[SYS/(TEMP|PERM)\]",
             "C40 no reading of shadow: our fault, not the user's")


@test
def file_format():
    """C48 lines of the user file that are no users"""
    users = UserFile()
    users.line("# comment: with: colons")
    users.line("")
    users.line("joe")
    users.line("joe:x")
    users.line("joey:%s:1:1::/:/" % hashed("pw"))
    users.line("jo:" + "y" * 3000 + ":1:1::/:/")
    users.line(":%s:61300:61300::/:/bin/sh" % hashed("pw"))
    users.add("joe2", "pw").fill(1)
    users.add("short", "pw", maildir=False)
    spread(no_such_user, [(users, name) for name in (
        "#", "# comment", "", "joey2", "o", "jo", "JOE2", "joe2:", "joe2:x",
        "../joe2", "%s%s", "joe2/", "-", "*", "joe2\x00", "joe2\r")])
    with login(users, "joe2", "pw") as c:
        is_(c.pass_reply, b"+OK\r\n", "C48 the one after them all")


def no_such_user(users, name):
    """C48 no such user"""
    with start("-e", "-P", users.path) as c:
        c.line()
        c.send(b"USER " + name.encode() + b"\r\nPASS pw\r\n")
        c.shut()
        unlike(c.rest(), r"\+OK\r\n\+OK", "C48 no such user: %r" % name)


@test
def broken_ids():
    """C48 ids that are no numbers let nobody in as root"""
    users = UserFile()
    # Whoever got in by mistake would find mail, as any user.
    Maildir(users.home + "/Maildir").fill(1)
    subprocess.run(["chmod", "-R", "777", users.home], check=True)
    cases = []
    for i, ids in enumerate((
            "x:61300", "61300:x", ":61300", "61300:", ":", "-1:61300",
            "61300:-1", "61300:-61300", "+0:0", "0x0:0", " 0:0", "0 :0",
            # 2^32 - 1 is "leave it as it is" to setresuid(2), 2^32 is 0.
            "4294967295:61300", "61300:4294967295", "4294967296:61300",
            "61300:4294967296", "4294967296:4294967296",
            "18446744073709551615:61300", "61300:18446744073709551615",
            "18446744073709551616:1", "61300:18446744073709551616",
            "18446744073709612916:61300")):
        users.line("u%d:%s:%s:c:%s:/bin/sh" % (i, hashed("pw"), ids,
                                               users.home))
        cases.append((users, "u%d" % i, ids))
    spread(broken_id, cases)


def broken_id(users, name, ids):
    """C48 ids that are no numbers"""
    with login(users, name, "pw") as c:
        is_(c.pass_reply + c.rest(),
            b"-ERR [SYS/PERM] login is not possible\r\n", "C48 ids %r" % ids)
        c.server.wait()
        like(c.server.log(), r"%s.*malformed" % name,
             "C48 ids %r: the log says why" % ids)


@test
def group_file():
    """C48 lines of /etc/group, right and wrong"""
    if config("USERDB_NSS"):
        raise Skip("the libc reads it")
    crowd = ",".join("member%03d" % i for i in range(500))
    system = SystemUsers()
    system.add("joe", "pw", uid=61404)
    good = ["crowd:x:61481:%s,joe" % crowd, "before:x:61482:joe,%s" % crowd,
            "among:x:61483:%s,joe,%s" % (crowd, crowd), "only:x:61484:joe",
            "first:x:61485:joe,jane", "middle:x:61486:jane,joe,jim",
            "pass::61487:joe", ":x:61488:joe", "last:x:61489:joe"]
    bad = ["wide:x:4294967296:joe", "wider:x:18446744073709551616:joe",
           "minus:x:-1:joe", "most:x:4294967295:joe", "empty:x::joe",
           "none:x::", "text:x:0x0:joe", "plus:x:+0:joe", "blank:x: 0:joe",
           "two:x:0", "one:x", "", "comment", "#x:x:0:jane,#joe",
           "longer:x:0:joey", "shorter:x:0:jo", "tail:x:0:xjoe,ajoe",
           "parts:x:0:jo,e", "case:x:0:Joe", "name:x:0:jane:joe",
           "crowd:x:0:" + crowd]
    system.group += "\n".join(bad + good)     # and no newline at the end
    with start("-e", wrap=system.wrap()) as c:
        c.line()
        c.cmd("USER joe")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C48 login", c.server.log())
        is_(sorted(map(int, identities(c.server)[-1][2])),
            [61404] + list(range(61481, 61490)),
            "C48 all groups with him as a member, and no other")


@test
def last_line_unended():
    """C48 the last line may lack its newline; the first of two lines counts"""
    users = joe()
    users.add("two", "first").fill(1)
    users.line("two:%s:61300:61300:c:/nowhere:/bin/sh" % hashed("second"))
    with open(users.path, "w") as file:
        file.write(users._text.rstrip("\n"))
    with login(users, "two", "first") as c:
        is_(c.pass_reply, b"+OK\r\n", "C48 first line of two")
    with login(users, "two", "second") as c:
        is_(c.pass_reply, REFUSED, "C48 not the second")


@test
def virtual_homes():
    """-m and $MAILDIR are relative to the user's home"""
    users = UserFile()
    users.add("joe", "pw", maildir=False)
    for name, count in (("mail", 3), ("env", 4)):
        Maildir(users.home + "/joe/" + name, 61300).fill(count)
    for args, env, count in ((("-m", "mail"), {}, 3),
                             ((), {"MAILDIR": "env"}, 4),
                             (("-m", "mail"), {"MAILDIR": "env"}, 3)):
        with login(users, "joe", "pw", *args, env=env) as c:
            like(c.cmd("STAT"), r"^\+OK %d " % count,
                 "-m below the home: %s %s" % (args, env))
    Maildir(users.home + "/joe", 61300).fill(5)
    with login(users, "joe", "pw", "-m.") as c:
        like(c.cmd("STAT"), r"^\+OK 5 ", "-m. is the home itself")


run_tests(jobs=12)
