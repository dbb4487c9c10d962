#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""USER and PASS: their order, their answers, what others learn of them."""

import array
import fcntl
import shutil
import sys
import termios
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

if not (config("FEATURE_MDPOP3D_AUTH") and config("FEATURE_MDPOP3D_USERFILE")):
    skip_all("no USER and PASS, or no -P, in this build")
if os.geteuid() != 0:
    skip_all("needs root, as logins do")

DELAY = 2.0     # seconds before a refusal

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


def memory(pid):
    """(region, bytes) of all a process can write to."""
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as file:
        for line in maps:
            m = re.match(r"(\w+)-(\w+) rw", line)
            if m:
                start, end = (int(x, 16) for x in m.groups())
                file.seek(start)
                yield line.split()[-1], file.read(end - start)


def traces(server, secrets, piece=8):
    """Where in a server's memory any `piece` bytes of these strings are."""
    pieces = {s[i:i + piece] for s in map(str.encode, secrets)
              for i in range(len(s) - piece + 1)}
    search = re.compile(b"|".join(map(re.escape, pieces)))
    return [(where, m.group()) for pid in [server.pid] + server.children()
            for where, content in memory(pid)
            for m in search.finditer(content)][:9]


# No part of it is anywhere else.
SECRET = "Zwiebelfisch-und-Kaesekuchen, 3 Pfund: {%s}" % "".join(
    chr(x) for x in range(ord("a"), ord("z") + 1))


def crowded():
    """Joe among others; also all hashes, without their common setting."""
    others = ["%s%02d-%s" % (SETTING, i, "".join(
        "%c%c" % (97 + i * n % 26, 65 + (i + n * n) % 26)
        for n in range(38))) for i in range(1, 41)]
    users = UserFile()
    for i, stored in enumerate(others[:20]):
        users.add("u%d" % i, stored=stored, maildir=False)
    users.box = users.add("joe", SECRET).fill(2)
    for i, stored in enumerate(others[20:], 20):
        users.add("u%d" % i, stored=stored, maildir=False)
    return users, [stored[len(SETTING):] for stored in
                   others + [hashed(SECRET)]]


def need_bare_memory():
    """Skips where what is measured would not be our own."""
    if config("SANITIZE"):
        raise Skip("sanitizers keep copies of what they check")
    if not config("STATIC"):
        raise Skip("what the libc keeps is not ours to wipe")


@test
def wiped():
    """C49 after the login no password and no hash is left in memory"""
    need_bare_memory()
    users, hashes = crowded()
    cut = len("PASS ") + 30
    line = "PASS %s\r\n" % SECRET
    for what, parts in (
            ("in one segment each", ("USER joe\r\n", line)),
            ("in two segments", ("USER joe\r\n", line[:cut], line[cut:])),
            ("cut behind its first byte",
             ("USER joe\r\n", line[:6], line[6:])),
            ("without its line end", ("USER joe\r\n", line[:-2], "\r\n")),
            ("all in one segment", ("USER joe\r\n" + line,)),
            ("with more behind", ("USER joe\r\n" + line + "NOOP\r\n",))):
        with start("-e", "-P", users.path) as c:
            c.line()
            for part in parts:
                c.send(part)
                # Read by itself: nothing waits in the socket any more.
                wait_for(lambda: unread(c) == 0)
            is_(c.lines(3 if "NOOP" in parts[0] else 2)[-1], b"+OK\r\n",
                "C49 login, sent " + what)
            is_(traces(c.server, [SECRET]), [],
                "C49 no trace of the password, sent " + what)
            is_(traces(c.server, hashes), [], "C49 nor of any hash")


def unread(c):
    """Bytes we sent that the server has not read."""
    left = array.array("i", [0])
    fcntl.ioctl(c.fd_out, termios.TIOCOUTQ, left)
    return left[0]


@test
def wiped_before_login():
    """C49 passwords that came at the wrong moment, or wrong themselves"""
    need_bare_memory()
    users, hashes = crowded()
    for what, text in (("without USER", "PASS " + SECRET),
                       ("as a command", SECRET),
                       ("misspelt", "PAS " + SECRET),
                       ("in a line too long", "PASS " + SECRET * 9),
                       ("as a name", "USER joe " + SECRET)):
        with start("-e", "-P", users.path) as c:
            c.line()
            like(c.cmd(text), r"\A-ERR ", "C49 password " + what)
            # The next wait for a line comes after the wiping.
            is_(traces(c.server, [SECRET]), [],
                "C49 no trace of a password " + what)
    with start("-e", "-P", users.path) as c:
        c.line()
        c.cmd("USER joe")
        c.send("PASS %s.\r\n" % SECRET)
        ok(c.server.wait_log("incorrect"), "C49 a wrong password")
        is_(traces(c.server, [SECRET] + hashes), [],
            "C49 leaves no trace while its refusal is delayed")


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
    times, answers = {"joe": [], "nobody": []}, set()
    spread(measured_login, [(users, name, times[name], answers)
                            for name in ("joe", "nobody") * 3])
    is_(answers, {(b"+OK\r\n", REFUSED, b"")}, "C30 C34 equal answers")
    known, unknown = sorted(times["joe"])[1], sorted(times["nobody"])[1]
    ok(known >= DELAY and unknown >= DELAY, "C35 both after two seconds",
       times)
    ok(abs(known - unknown) < 0.5, "C30 at equal times", times)


def measured_login(users, name, times, answers):
    """C30 a wrong password"""
    with start("-e", "-P", users.path) as c:
        c.line()
        first = c.cmd("USER " + name)
        began = time.monotonic()
        second = c.cmd("PASS wrong")
        times.append(time.monotonic() - began)
        answers.add((first, second, c.rest()))


@test
def moment_of_refusal():
    """C30 C35 no hash, however cheap or dear, moves the refusal"""
    if config("CRYPT_SYSTEM") and config("STATIC"):
        raise Skip("the libc's own crypt knows what it knows")
    users = UserFile()
    for name, setting in (("md5", gensalt("$1$")), ("yes", gensalt("$y$", 1)),
                          ("dear", "$6$rounds=200000$abcdefgh$")):
        users.add(name, stored=hashed("secret", setting), maildir=False)
    names = ("nobody", "md5", "yes", "dear")
    for _ in range(3):      # a busy machine gets another chance
        times = {name: [] for name in names}
        spread(measured_login, [(users, name, times[name], set())
                                for name in names])
        found = [t for name in names for t in times[name]]
        good = min(found) >= DELAY - 0.01 and max(found) < min(found) + 0.3
        if good:
            break
    ok(good, "C30 C35 all two seconds after PASS", times)


@test
def delay_from_pass():
    """C30 C35 the delay counts from PASS, not from the end of the hash"""
    if not shutil.which("strace"):
        raise Skip("no strace")
    # Of no password: nobody has to compute it twice.
    users = joe(stored="$6$rounds=1000000$abcdefgh$" + "x" * 86)
    out = scratch("trace") + "/trace"
    with login(users, "joe", "wrong", env={
            "ASAN_OPTIONS": "detect_leaks=0"}, wrap=[
                "strace", "-f", "-qq", "-o", out, "-e", "poll,ppoll"]) as c:
        is_(c.pass_reply, REFUSED, "C35 refused")
    with open(out) as file:
        waits = re.findall(r"poll\(NULL, 0, (?:(\d+)|\{tv_sec=(\d+), "
                           r"tv_nsec=(\d+)\})", file.read())
    first = [int(ms) if ms else int(s) * 1000 + int(ns) // 10**6
             for ms, s, ns in waits][:1]
    # None at all: the hash took longer than that.
    ok(not first or first[0] <= DELAY * 1000 - 60,
       "C30 C35 what a dear hash took is not waited for once more", waits)


@test
def dummy_hash():
    """C31 an unknown user costs a hash"""
    # A dear one: beside it the rest of a session, and noise, is nothing.
    users = joe(stored=hashed("secret", "$6$rounds=400000$abcdefgh$"))
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


run_tests(jobs=12)
