#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""USER and PASS: who gets in, as whom, and what others learn of it."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

if not (config("FEATURE_MDPOP3D_AUTH") and config("FEATURE_MDPOP3D_USERFILE")):
    skip_all("no USER and PASS, or no -P, in this build")
if os.geteuid() != 0:
    skip_all("needs root, as logins do")

REFUSED = b"-ERR [AUTH] login incorrect\r\n"
DELAY = 2.0     # seconds before a refusal


def joe(password="secret", **more):
    """A user file with joe in it, and his Maildir with 2 messages."""
    users = UserFile()
    users.box = users.add("joe", password, **more).fill(2)
    return users


@test
def greeting():
    """C27 the greeting"""
    with start("-e", "-P", joe().path) as c:
        is_(c.line(), b"+OK\r\n", "C27 one line, unprompted")
        ok(c.quiet(0.3), "C27 and nothing else")


@test
def good_login():
    """C28 USER and PASS, as they should be"""
    users = joe()
    for user, password in (("USER", "PASS"), ("user", "pass"),
                           ("uSeR", "PaSs")):
        with start("-e", "-P", users.path) as c:
            c.line()
            is_(c.cmd(user + " joe"), b"+OK\r\n", "C28 %s joe" % user)
            is_(c.cmd(password + " secret"), b"+OK\r\n", "C28 %s" % password)
            like(c.cmd("STAT"), r"^\+OK 2 ", "C28 his messages")
            is_(c.cmd("QUIT"), b"+OK\r\n", "C28 QUIT")
            is_(c.server.wait(), 0, "C28 exit status")
            like(c.server.log(), r"\]\[joe\] quit \(2/\d+ msgs/bytes left, "
                 r"0/0 deleted\)", "C28 the line in the log")


@test
def order_of_commands():
    """C28 PASS only directly after USER"""
    users = joe()
    for before in ((), ("USER",), ("USER joe", "CAPA"),
                   ("USER joe", "STAT"), ("USER joe", "xyz"),
                   ("USER joe", "USER"), ("USER joe", "PASS")):
        with start("-e", "-P", users.path) as c:
            c.line()
            for line in before:
                c.multi(line) if line == "CAPA" else c.cmd(line)
            answer = c.cmd("PASS secret")
            like(answer, r"\A-ERR (?!\[)", "C28 PASS after %s refused" % (
                ", ".join(before) or "nothing"))
            c.cmd("USER joe")
            is_(c.cmd("PASS secret"), b"+OK\r\n",
                "C28 then USER and PASS are accepted")
    with start("-e", "-P", users.path) as c:
        c.line()
        c.cmd("USER nobody-of-this-name")
        is_(c.cmd("USER joe"), b"+OK\r\n", "C28 a second USER")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C28 replaces the first")


@test
def verbatim_passwords():
    """C29 all of the line after one blank is the password"""
    longest = "x" * (255 - len("PASS \r\n"))
    users = UserFile()
    words = ("a b", " lead", "trail ", "  ", "two  in", " ", "tab\there",
             "PASS", "+OK", "%s%n", "<hidden>", "\xe9\u20ac", "a:b", "\x01",
             longest, longest[:-1])
    for i, word in enumerate(words):
        users.add("u%d" % i, word)
    for i, word in enumerate(words):
        with login(users, "u%d" % i, word) as c:
            is_(c.pass_reply, b"+OK\r\n", "C29 password %.20r, %d octets" % (
                word, len(word.encode())))


def refusal(users, name, password, *args, **how):
    """The answer to a login, and how long it took."""
    with login(users, name, password, *args, **how) as c:
        began = time.monotonic()
        after = c.rest()
        return c.user_reply, c.pass_reply + after, time.monotonic() - began


def refused(users, name, password, what, *args, **how):
    user, answer, _ = refusal(users, name, password, *args, **how)
    is_((user, answer), (b"+OK\r\n", REFUSED), what)


@test
def near_misses():
    """C29 blanks count"""
    users = UserFile()
    users.add("joe", "se cret")
    spread(refused, [(users, "joe", word, "C29 %r is another password" % word)
                     for word in ("se cret ", " se cret", "se  cret", "secret",
                                  "se", "SE CRET", "se cret\t", "se cretx")])


@test
def equal_answers():
    """C30 nothing tells known users from unknown ones"""
    users = joe(stored=hashed("secret", "$6$rounds=100000$abcdefgh$"))
    times, answers = {}, set()
    for name in ("joe", "nobody"):
        times[name] = []
        for _ in range(3):
            with start("-e", "-P", users.path) as c:
                c.line()
                first = c.cmd("USER " + name)
                began = time.monotonic()
                second = c.cmd("PASS wrong")
                times[name].append(time.monotonic() - began)
                answers.add((first, second, c.rest()))
    is_(answers, {(b"+OK\r\n", REFUSED, b"")}, "C30 C34 equal answers")
    known, unknown = sorted(times["joe"])[1], sorted(times["nobody"])[1]
    ok(known >= DELAY and unknown >= DELAY, "C35 both after two seconds",
       times)
    ok(abs(known - unknown) < 0.5, "C30 at equal times", times)


@test
def dummy_hash():
    """C31 an unknown user costs a hash"""
    users = joe(stored=hashed("secret", "$6$rounds=5000$abcdefgh$"))
    cost = {}
    for name in ("joe", "nobody"):
        with start("-q", "-e", "-P", users.path) as c:
            c.line()
            c.cmd("USER " + name)
            c.cmd("PASS wrong")
            c.rest()
            # Instructions would be exact, but not every machine counts them.
            pid, _, usage = os.wait4(c.server.pid, 0)
            c.server.process.returncode = 0
            cost[name] = usage.ru_utime + usage.ru_stime
    with start("-q", "-e", "-P", users.path) as c:
        c.line()
        c.cmd("QUIT")
        pid, _, usage = os.wait4(c.server.pid, 0)
        c.server.process.returncode = 0
        idle = usage.ru_utime + usage.ru_stime
    ok(cost["nobody"] - idle > (cost["joe"] - idle) / 4,
       "C31 about as much as for a known one", cost, "without: %r" % idle)


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
    spread(lowest_uid_case, [
        (users, 0, (), True), (users, 0, ("-M", "0"), True),
        (users, 0, ("-M", "1"), False), (users, 999, ("-M", "1000"), False),
        (users, 1000, ("-M", "1000"), True), (users, 999, ("-M999",), True),
        (users, 1000, ("-M", "4294967294"), False)])


def lowest_uid_case(users, uid, args, allowed):
    """C33 -M"""
    name = "u%d%s" % (uid, "".join(args))
    users.add(name, "pw", uid=uid)
    with login(users, name, "pw", *args) as c:
        is_(c.pass_reply, b"+OK\r\n" if allowed else REFUSED,
            "C33 uid %d, options %s" % (uid, " ".join(args) or "none"))


@test
def after_failure():
    """C34 a refused login ends the connection"""
    users = joe()
    with start("-e", "-P", users.path) as c:
        c.line()
        c.send("USER joe\r\nPASS Zecret\r\nUSER joe\r\nPASS secret\r\nSTAT\r\n")
        is_(c.rest(), b"+OK\r\n" + REFUSED,
            "C34 pipelined attempts after it are not heard")
        is_(c.server.wait(), 0, "C34 exit status")
        unlike(c.server.log(), r"[sZ]ecret", "C49 no password in the log")
        like(c.server.log(), r"joe", "C34 the log names a user that exists")


@test
def names_in_log():
    """C122 names that do not exist may be passwords: not logged"""
    users = joe()
    with login(users, "MyPassw0rd", "x", "-r", "192.0.2.7") as c:
        c.rest()
        c.server.wait()
        unlike(c.server.log(), r"MyPassw0rd", "C122 unknown name not logged")
        like(c.server.log(), r"192\.0\.2\.7", "C122 but the address is")
    with login(users, "joe", "wrong", "-r", "192.0.2.7") as c:
        c.rest()
        c.server.wait()
        like(c.server.log(), r"192\.0\.2\.7.*joe|joe.*192\.0\.2\.7",
             "C122 known name and address")


@test
def delay_blocks_nobody():
    """C35 the delay holds no lock"""
    users = joe()
    slow = start("-e", "-P", users.path)
    slow.line()
    slow.cmd("USER joe")
    slow.send("PASS wrong\r\n")
    ok(slow.quiet(0.2), "C35 the answer is delayed")
    began = time.monotonic()
    with login(users, "joe", "secret") as c:
        is_(c.pass_reply, b"+OK\r\n", "C35 joe gets in meanwhile")
        ok(time.monotonic() - began < DELAY - 0.4, "C35 at once")
    is_(slow.rest(), REFUSED, "C35 and then the refusal")


@test
def quit_before_login():
    """C36 QUIT before login changes nothing"""
    users = joe()
    users.box.add("new", "1600000000.1.host")
    for lines in ("QUIT\r\n", "USER joe\r\nQUIT\r\n"):
        before = users.box.tree()
        with start("-e", "-P", users.path) as c:
            c.line()
            c.send(lines)
            is_(c.rest(), b"+OK\r\n" * lines.count("\r"),
                "C36 %r" % lines.replace("\r\n", "|"))
            is_(c.server.wait(), 0, "C36 exit status")
        is_(users.box.tree(), before, "C36 nothing has changed")


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
def session_lock():
    """C51 one session at a time"""
    users = joe()
    with login(users, "joe", "secret") as first:
        is_(first.pass_reply, b"+OK\r\n", "C51 first session")
        with login(users, "joe", "secret") as second:
            like(second.pass_reply, r"\A-ERR \[IN-USE\] [ -~]+\r\n\Z",
                 "C40 C51 second session")
            is_(second.rest(), b"", "C51 and the end of it")
        like(first.cmd("STAT"), r"^\+OK 2 ", "C51 the first goes on")
        with session(Maildir(users.box.path + "x")) as c:
            is_(c.cmd("NOOP"), b"+OK\r\n", "C51 other Maildirs are free")
        first.cmd("QUIT")
        first.server.wait()
    with login(users, "joe", "secret") as c:
        is_(c.pass_reply, b"+OK\r\n", "C51 free after the first has ended")
        c.server.signal(signal.SIGKILL)
        for pid in c.server.children():
            os.kill(pid, signal.SIGKILL)
        c.server.wait()
    with login(users, "joe", "secret") as c:
        is_(c.pass_reply, b"+OK\r\n", "C51 C116 free after a SIGKILL")


def hidden(lines, before=(), **how):
    """The log at -d of a session that sends these lines."""
    users = joe()
    with start("-d", "-e", "-P", users.path, **how) as c:
        c.line()
        for line in before:
            c.cmd(line)
        c.send(lines)
        c.shut()
        c.rest()
        c.server.wait()
        return c.server.log()


@test
def password_never_logged():
    """C49 -d hides passwords in every form they may come in"""
    need("FEATURE_MDPOP3D_DEBUG")
    log = hidden(b"USER joe\r\nPASS secret\r\nSTAT\r\nQUIT\r\n")
    like(log, r"STAT", "C49 -d logs commands")
    like(log, r"<hidden>", "C49 and <hidden> for the password")
    unlike(log, r"secret", "C49 PASS")
    forms = (b"pass Zecret", b"PaSs Zecret", b" PASS Zecret",
             b"   pass Zecret", b"PASS\tZecret", b"\tPASS Zecret",
             b"PASS  Zecret", b"PASS Zecret  ", b"PASS a Zecret",
             b"\x00PASS Zecret", b"PASS Zec\0ret", b"PASS Z\0Zecret",
             b"PASS Zecret\r", b"PASS " + b"Zecret" * 60,
             b" " * 250 + b"PASS Zecret", b"PASS\x01Zecret",
             b"\xffPASS Zecret", b"PASS:Zecret", b"PASS=Zecret")
    states = (("after USER", ["USER joe"]), ("before USER", []),
              ("after login", ["USER joe", "PASS secret"]))
    spread(never_logged, [(form, *state) for form in forms
                          for state in states], 16)


def never_logged(form, state, before):
    """C49 hidden passwords"""
    log = hidden(form + b"\r\n", before)
    like(log, r"(?m)^.", "C49 there is a log: %.16r %s" % (form, state))
    unlike(log, r"ecret|Zec", "C49 %.16r %s" % (form, state))


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


NO_CAPS = ["0" * 16] * 3


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
    home = users.home
    cases = []
    for i, ids in enumerate(("x:61300", "61300:x", ":61300", "61300:",
                             "-1:61300", "4294967296:4294967296", "+0:0",
                             "0x0:0", " 0:0", "4294967295:61300",
                             "61300:4294967295", "18446744073709551616:1")):
        users.line("u%d:%s:%s:c:%s:/bin/sh" % (i, hashed("pw"), ids, home))
        cases.append((users, "u%d" % i, ids))
    spread(broken_id, cases)


def broken_id(users, name, ids):
    """C48 ids that are no numbers"""
    with login(users, name, "pw") as c:
        like(c.pass_reply, r"\A-ERR \[(AUTH|SYS/(TEMP|PERM))\]",
             "C48 ids %r" % ids)


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
    refused(users, "two", "second", "C48 not the second")


@test
def long_names():
    """C30 C4 names and passwords of any length that fits"""
    users = joe()
    spread(long_name, [(users, n) for n in (1, 47, 63, 64, 127, 128, 200, 247,
                                            248)])


def long_name(users, length):
    """C30 long names"""
    with start("-e", "-P", users.path) as c:
        c.line()
        c.send(b"USER " + b"u" * length + b"\r\nPASS " + b"p" * length +
               b"\r\n")
        is_(c.rest(), b"+OK\r\n" + REFUSED, "C30 %d octets" % length)


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
