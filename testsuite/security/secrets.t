#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a password is once it has been answered: nowhere.

Looks into the memory of every process of a session, its arguments, its
environment, what a crash would leave, and all that is logged.
"""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from security import *

# No part of it is anywhere else.  The password itself ends with a dot: the
# wrong one is as long as the right one.
SECRET = "Zwiebelfisch-und-Kaesekuchen, 3 Pfund: {%s}" % "".join(
    chr(x) for x in range(ord("a"), ord("z") + 1))
WRONG = SECRET[:-1] + "]"


def need_bare_memory():
    """Skips where what is looked at would not be our own."""
    if config("SANITIZE"):
        raise Skip("sanitizers keep copies of what they check")
    if not config("STATIC"):
        raise Skip("what the libc keeps is not ours to wipe")


found_any = []


def scan(c):
    """Where any part of the password is: in whom, and which part."""
    pids = processes(c) + ([c.listener.pid] if c.listener else [])
    found = traces(pids, forms(SECRET) + forms(WRONG))
    found_any.extend(found)
    return found


def ways(word):
    """(name, what is sent piece by piece, replies) of logins as joe."""
    line = "PASS %s\r\n" % word
    found = [
        ("PASS", ["USER joe\r\n", line], 2),
        ("pass", ["user joe\r\n", line.replace("PASS", "pass")], 2),
        ("PASS in two segments", ["USER joe\r\n", line[:35], line[35:]], 2),
        ("PASS in many", ["USER joe\r\n", *line], 2),
        ("PASS cut behind its blank", ["USER joe\r\n", "PASS ", line[5:]], 2),
        ("PASS in a segment with USER", ["USER joe\r\n" + line], 2),
        ("PASS with more behind", ["USER joe\r\n" + line + "NOOP\r\n"], 3),
        ("the name of another before",
         ["USER " + SECRET + "\r\n", "USER joe\r\n" + line], 3)]
    if config("FEATURE_MDPOP3D_SASL"):
        b64 = plain(word).decode() + "\r\n"
        found += [
            ("AUTH PLAIN", ["AUTH PLAIN " + b64], 1),
            ("auth plain", ["auth plain " + b64], 1),
            ("AUTH PLAIN in pieces",
             ["AUTH PLAIN " + b64[:30], b64[30:60], b64[60:]], 1),
            ("AUTH PLAIN, challenge", ["AUTH PLAIN\r\n", b64], 2),
            ("AUTH PLAIN, challenge, in pieces",
             ["AUTH PLAIN\r\n", b64[:50], b64[50:]], 2),
            ("AUTH PLAIN, all at once", ["AUTH PLAIN\r\n" + b64], 2),
            ("AUTH PLAIN with more behind",
             ["AUTH PLAIN " + b64 + "NOOP\r\n"], 2)]
    return found


def say(c, pieces):
    """Each piece is read before the next one is sent."""
    for piece in pieces:
        c.send(piece)
        wait_for(lambda: unread(c) == 0, 2)


# ---- the scanner finds what is there ----------------------------------------

@test
def scanner():
    """C49 the scanner finds a password that is there"""
    need_root()
    holder = subprocess.Popen(["sh", "-c", "read x; read y; :", SECRET],
                              stdin=subprocess.PIPE)
    cleanup(holder.wait)
    found = wait_for(lambda: traces([holder.pid], forms(SECRET)), 5)
    ok(found, "C49 in the arguments of a process")
    holder.stdin.write(plain(SECRET) + b"\n")
    holder.stdin.flush()
    encoded = plain(SECRET)
    ok(wait_for(lambda: traces([holder.pid], [encoded]), 5),
       "C49 in base64, in what it has read")
    ok(traces([holder.pid], [b"xxxxxxxx" + encoded[20:29]]),
       "C49 a part of nine bytes is enough")
    holder.stdin.close()


@test
def scanner_sees_checker():
    """C49 the scanner finds it in the process that hashes"""
    need_separation()
    need_bare_memory()
    users = UserFile()
    users.add("joe", stored=ENDLESS)
    for what, pieces, _ in ways(SECRET):
        if what not in ("PASS", "AUTH PLAIN"):
            continue
        with opened("inetd", "-P", users.path) as c:
            parser = parser_of(c)
            say(c, pieces)
            pid = checker_of(c, parser)
            os.kill(pid, signal.SIGSTOP)
            there = traces([pid], [SECRET.encode()])
            ok(there, "C49 %s: there while it hashes" % what)
            is_(traces([parser], forms(SECRET)), [],
                "C49 %s: and no longer in the parser" % what)
            os.kill(pid, signal.SIGKILL)
            like(c.rest(), r"-ERR \[SYS/TEMP\]", "C40 without it no login")


# ---- memory -----------------------------------------------------------------

def crowd():
    """Joe among others, whose hashes must not stay either."""
    users = UserFile()
    for i in range(20):
        users.add("u%d" % i, stored=hashed("other%d" % i), maildir=False)
    users.box = users.add("joe", SECRET).fill(2)
    return users


def wiped_after_login(via, what, pieces, replies):
    """C49 a right password"""
    users = crowd()
    with opened(via, "-P", users.path) as c:
        say(c, pieces)
        is_(c.lines(replies)[-1], b"+OK\r\n", "C49 %s, %s: login" % (via, what))
        is_(c.cmd("STAT")[:5], b"+OK 2", "C49 %s, %s: in the Maildir" %
            (via, what))
        is_(scan(c), [], "C49 %s, %s: no trace of the password" % (via, what))
        settings = [hashed("other%d" % i)[len(SETTING):].encode()
                    for i in range(20)] + [
                        hashed(SECRET)[len(SETTING):].encode()]
        is_(traces(processes(c), settings), [],
            "C49 %s, %s: nor of any hash" % (via, what))


@test
def right_password():
    """C49 after a login no part of the password is in memory"""
    need_logins()
    need_bare_memory()
    cases = [("inetd", *way) for way in ways(SECRET)]
    if config("FEATURE_MDPOP3D_LISTEN"):
        cases += [("listener", *way) for way in ways(SECRET)
                  if way[0] in ("PASS", "AUTH PLAIN")]
    spread(wiped_after_login, cases, jobs=4)
    figure(21, "ways to send a right password: traces afterwards",
           "%d: %d" % (len(cases), len(found_any)))


def wiped_after_refusal(users, wrap, again, what, pieces, replies):
    """C49 a wrong password"""
    with opened("inetd", "-P", users.path, wrap=wrap) as c:
        say(c, pieces)
        ok(c.log_of.wait_log("incorrect"), "C49 wrong, %s: refused" % what)
        is_(scan(c), [], "C49 wrong, %s: no trace while it is delayed" % what)
        if not again:
            is_(c.rest()[-len(REFUSED):], REFUSED, "C34 wrong, %s: the end" %
                what)
            return
        got = c.lines(replies)
        ok(REFUSED in got, "C34 wrong, %s: the answer" % what, got)
        is_(scan(c), [], "C49 wrong, %s: no trace after the answer" % what)
        ok(processes(c), "C49 (and the session goes on)")


@test
def wrong_password():
    """C49 a wrong password leaves nothing either"""
    need_logins()
    need_bare_memory()
    users = crowd()
    wrong = ways(WRONG)
    spread(wiped_after_refusal, [(users, (), False, *way) for way in wrong])
    figure(21, "ways to send a wrong password: traces in its delay",
           "%d: %d" % (len(wrong), len(found_any)))


@test
def wrong_password_of_three():
    """C49 nor where a session goes on after a wrong password"""
    need_logins()
    need_bare_memory()
    binary, _ = variant("tries3", MDPOP3D_LOGIN_TRIES=3)
    users = crowd()
    spread(wiped_after_refusal, [
        (users, of_build(binary), True, *way) for way in ways(WRONG)])
    spread(three_and_in, [(users, of_build(binary), *way)
                          for way in ways(SECRET)[:2] + ways(SECRET)[-3:]],
           jobs=3)


three_lock = threading.Lock()


def three_and_in(users, wrap, what, pieces, replies):
    """C49 right at the second attempt"""
    with three_lock, opened("inetd", "-P", users.path, wrap=wrap) as c:
        say(c, ["USER joe\r\n", "PASS %s\r\n" % WRONG])
        is_(c.lines(2)[1], REFUSED, "C34 second attempt, %s: first" % what)
        say(c, pieces)
        is_(c.lines(replies)[-1], b"+OK\r\n", "C49 second attempt, %s" % what)
        is_(scan(c), [], "C49 second attempt, %s: no trace" % what)


def strays():
    """A password in the wrong place; each gets an -ERR as its last reply."""
    found = [
        ("without USER", "PASS " + SECRET),
        ("as a command", SECRET),
        ("misspelt", "PAS " + SECRET),
        ("behind a blank", " PASS " + SECRET),
        ("in lower case", "pass " + SECRET),
        ("in a line too long", "PASS " + SECRET * 9),
        ("behind the name", "USER joe " + SECRET),
        ("with a NUL", "PASS \0" + SECRET),
        ("as a mechanism", "AUTH " + SECRET.split(",")[0]),
        ("as a digest", "APOP joe " + SECRET.split(",")[0]),
        ("as an argument", "STAT " + SECRET)]
    if config("FEATURE_MDPOP3D_SASL"):
        b64 = plain(SECRET).decode()
        found += [
            ("with an unknown mechanism", "AUTH LOGIN " + b64),
            ("as what is not base64", "AUTH PLAIN " + SECRET.split(",")[0]),
            ("cut off", "AUTH PLAIN " + b64[:61]),
            ("without a name", "AUTH PLAIN " + base64.b64encode(
                b"\0\0" + SECRET.encode()).decode()),
            ("for another", "AUTH PLAIN " + base64.b64encode(
                b"ann\0joe\0" + SECRET.encode()).decode()),
            ("without NULs", "AUTH PLAIN " + base64.b64encode(
                SECRET.encode()).decode()),
            ("in the challenge, no base64", "AUTH PLAIN\r\n" + SECRET),
            ("in the challenge, too long", "AUTH PLAIN\r\n" + b64 * 12),
            ("in the challenge, cut off", "AUTH PLAIN\r\n" + b64[:61])]
    return found


def stray(what, text):
    """C49 a password that came at the wrong moment"""
    users = crowd()
    with opened("inetd", "-P", users.path) as c:
        say(c, [text + "\r\n"])
        got = c.line()
        if got.startswith(b"+ "):
            got = c.line()
        like(got, r"\A-ERR ", "C49 a password %s: refused" % what)
        unlike(got, "Zwiebel", "C49 a password %s: not repeated" % what)
        is_(scan(c), [],
            "C49 a password %s: no trace" % what)
        ok(processes(c), "C49 (the session goes on)")


@test
def wrong_moment():
    """C49 a password in the wrong place leaves nothing"""
    need_logins()
    need_bare_memory()
    spread(stray, strays(), jobs=4)
    figure(21, "passwords in the wrong place: traces after the -ERR",
           "%d: %d" % (len(strays()), len(found_any)))


@test
def programs():
    """C49 nor does one that a checkpassword program was given"""
    need_separation()
    need_bare_memory()
    need("FEATURE_MDPOP3D_CHECKPW")
    place = scratch("check")
    with open(place + "/no", "w") as file:
        file.write("#!/bin/sh\ncat <&3 >/dev/null\nexit 1\n")
    os.chmod(place + "/no", 0o755)
    for what, pieces, _ in ways(SECRET):
        if what not in ("PASS", "AUTH PLAIN"):
            continue
        with opened("inetd", "-C", place + "/no") as c:
            say(c, pieces)
            ok(c.log_of.wait_log("incorrect"), "C49 -C, %s: refused" % what)
            is_(scan(c), [], "C49 -C, %s: no trace" % what)
            c.rest()


# ---- arguments, environment, core -------------------------------------------

def shown(pids):
    """Arguments and environments of processes, and their names."""
    found = b""
    for pid in pids:
        for name in ("cmdline", "environ", "comm"):
            try:
                with open("/proc/%d/%s" % (pid, name), "rb") as file:
                    found += file.read()
            except (OSError, ProcessLookupError):
                pass
    return found


@test
def arguments():
    """C49 a password is no argument and in no environment"""
    need_logins()
    users = UserFile()
    users.add("joe", stored=ENDLESS if SEPARATED else hashed(SECRET, DEAR))
    for what, pieces, _ in ways(SECRET):
        if what not in ("PASS", "AUTH PLAIN"):
            continue
        with opened("inetd", "-P", users.path) as c:
            say(c, pieces)
            seen = shown(processes(c))
            if SEPARATED:
                pid = checker_of(c, parser_of(c))
                seen += shown(processes(c))
                os.kill(pid, signal.SIGKILL)
            c.rest() if SEPARATED else c.line()
            seen += shown(processes(c))
            ok(len(seen) > 20, "C49 (something is to be seen)")
            ok(not any(f[:9] in seen for f in forms(SECRET)),
               "C49 %s: not in arguments or environments" % what)


def dies(c, pid, cwd, what):
    """C49 a crash leaves no core"""
    before = set(os.listdir(cwd))
    os.kill(pid, signal.SIGSEGV)
    if pid == c.server.pid:
        _, how = os.waitpid(pid, 0)
        c.server.process.returncode = -signal.SIGSEGV
        c.server._signalled = True
        ok(os.WIFSIGNALED(how) and not os.WCOREDUMP(how),
           "C49 %s: killed, without a core" % what, how)
    c.rest()
    is_(set(os.listdir(cwd)) - before, set(), "C49 %s: no file" % what)


@test
def core():
    """C49 a crash leaves no core"""
    need_logins()
    if config("SANITIZE"):
        raise Skip("sanitizers catch it")
    wrap = ["prlimit", "--core=unlimited"]
    place = scratch("core")
    probe = subprocess.Popen([*wrap, "sh", "-c", "kill -SEGV $$"], cwd=place,
                             stderr=subprocess.DEVNULL)
    _, how = os.waitpid(probe.pid, 0)
    probe.returncode = how
    dumps = os.WCOREDUMP(how)
    users = joe()
    for what, choose in (("monitor", lambda c: c.monitor),
                         ("parser", lambda c: parser_of(c))):
        if not SEPARATED:
            break
        with opened("inetd", "-P", users.path, wrap=wrap if dumps else (),
                    cwd=place) as c:
            pid = choose(c)
            is_(limits(pid)["Max core file size"], ("0", "0"),
                "C49 %s: no core by its limit" % what)
            is_(os.stat("/proc/%d/mem" % pid).st_uid, 0,
                "C49 %s: memory is root's alone" % what)
        if dumps:
            with opened("inetd", "-P", users.path, wrap=wrap, cwd=place) as c:
                dies(c, choose(c), place, what)
    with opened("inetd", "-P", users.path, wrap=wrap if dumps else ()) as c:
        c.cmd("USER joe")
        is_(c.cmd("PASS secret"), b"+OK\r\n", "C49 user: login")
        is_(limits(c.monitor)["Max core file size"], ("0", "0"),
            "C49 user: no core by its limit")
        is_(os.stat("/proc/%d/mem" % c.monitor).st_uid, 0,
            "C49 user: memory is root's alone")
        if dumps:
            dies(c, c.monitor, users.box.path, "user")
    if not dumps:
        skip("C49 a crash itself", "nothing dumps core here")


# ---- the log ----------------------------------------------------------------

def in_log(text, secrets):
    """Parts of these in a log, of five bytes or more."""
    return sorted({s[i:i + 5] for s in secrets for i in range(len(s) - 4)
                   if s[i:i + 5] in text})[:5]


LOGGED = [s.decode() for s in forms(SECRET)] + [
    base64.b64encode(SECRET.encode()).decode()]


told = []


def logged(text_of, what, pieces):
    """C49 what -d logs of it"""
    text = text_of(pieces)
    ok(len(text) > 40, "C49 log, %s: (there is one)" % what, text)
    if not is_(in_log(text, LOGGED), [], "C49 log, %s: no part of it" % what,
               text):
        told.append(what)


def of_stderr(users, pieces):
    """The log of a session that says this."""
    with opened("inetd", "-d", "-P", users.path) as c:
        say(c, pieces)
        c.send("QUIT\r\n")
        c.rest()
        c.server.wait()
        return c.server.log()


@test
def debug_log():
    """C49 the log with -d has no part of a password"""
    need_logins()
    need("FEATURE_MDPOP3D_DEBUG")
    users = crowd()
    cases = [("wrong, " + what, pieces) for what, pieces, _ in ways(WRONG)
             if "another" not in what]
    cases += [("a password " + what, [text + "\r\n"])
              for what, text in strays()
              if what not in ("behind the name", "as an argument",
                              "as a digest")]
    spread(logged, [(lambda p: of_stderr(users, p), *case)
                    for case in cases])
    for what, pieces, _ in ways(SECRET):
        if "another" not in what:
            logged(lambda p: of_stderr(users, p), "right, " + what, pieces)
    # After the login a command that mentions it is taken for one.
    login = ["USER joe\r\n", "PASS %s\r\n" % SECRET]
    for line in ("PASS " + SECRET, " PASS " + SECRET, "pass " + SECRET,
                 "NOOP PASS " + SECRET, "AUTH PLAIN " + LOGGED[1],
                 "XPASS " + SECRET, "PASS" + SECRET):
        logged(lambda p: of_stderr(users, p), "after the login, %.6r" % line,
               login + [line + "\r\n"])
    figure(21, "logs with -d that show a part of a password, of %d" %
           (len(cases) + len(ways(SECRET)) + 6), len(told))


@test
def without_debug():
    """C49 C122 without -d nothing a client says but the names of users"""
    need_logins()
    users = crowd()
    for pieces in (["USER %s\r\n" % SECRET, "PASS joe\r\n"],
                   ["USER joe\r\n", "PASS %s\r\n" % WRONG],
                   [SECRET + "\r\n"]):
        with opened("inetd", "-P", users.path) as c:
            say(c, pieces)
            c.send("QUIT\r\n")
            c.rest()
            c.server.wait()
            is_(in_log(c.server.log(), LOGGED), [],
                "C49 not in the log without -d, %.9r" % pieces[0])


@test
def syslog():
    """C49 nor has syslog"""
    need_logins()
    users = crowd()
    fake = Syslog()
    flags = ("-d",) if config("FEATURE_MDPOP3D_DEBUG") else ()
    for word, login in ((SECRET, True), (WRONG, False)):
        with start(*flags, "-P", users.path, via="tcp",
                   wrap=fake.wrap()) as c:
            c.line()
            say(c, ["USER joe\r\n", "PASS %s\r\n" % word])
            is_(c.line() + c.line(), b"+OK\r\n" + (
                b"+OK\r\n" if login else REFUSED), "C49 syslog: a session")
            c.send("QUIT\r\n")
            c.rest()
            c.server.wait()
        text = b"\n".join(fake.records(rb"msgs/bytes left")).decode("latin-1")
        ok(text.count("\n") >= 1, "C49 syslog: (it was used)", text)
        is_(in_log(text, LOGGED), [], "C49 syslog: no part of it", text)


run_tests(jobs=4)
