#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts of pop3test against mdpop3d: as a command, as a listener, and
with a login.

scripts/ is for every server, mdpop3d/ has what we decided for ourselves. The
titles in there begin with the numbers of behaviours. Whatever a script does,
the server has to end with status 0 (or one of those that the script sets $ends
to) and without a word of a sanitizer. Environment: POP3TEST, a popbox with pop3test,
where the one under test has none.

What the scripts need beside $dir, $user and $slow:

    $popbox   the program, to be started with options (mdpop3d -a only)
    $preauth  nobody asks for a password
    $version  of mdpop3d
    $tools    testsuite/tools
    $scratch  a directory for what is no mail
    $log      the log of the listener
    $short    a second listener, with -t 2; $commit: with -c -t 2
    $debug    there is -d
    $accounts there is -P
    $closed   a user whose entry is damaged
    $sasl     there is AUTH
    $hashes   there are users md5, yes and dear, with hashes of these kinds
"""

import glob
import shlex
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

HERE = os.path.dirname(os.path.abspath(__file__))
POP3TEST = os.environ.get("POP3TEST") or POPBOX
LIMIT = 300     # seconds for one file of scripts
PASSWORD = "pass word"

# What mdpop3d does not have, or not as it is started here: the tests of it say
# nothing. pam/ and stls/ have the rest.
NOT_THERE = {"APOP", "STLS", "SASL=LOGIN", "SASL=CRAM-MD5"}
# What a run or a file system may lack, but not the server.
MAY_LACK = ["$slow", "$large", "immutable"]

TAP = re.compile(r"(not )?ok \d+(?: - (.*?))?(?: # SKIP ?(.*))?$")

ENDS = """#!/bin/sh
# Starts the server, and notes an end that it must not have.
%s "$@"
status=$?
case " ${ends:-0} " in
*" $status "*) ;;
*) echo "status $status: $*" >>%s ;;
esac
exit $status
"""


def version():
    said = subprocess.run([POPBOX, "mdpop3d", "-V"], capture_output=True,
                          text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found.group(0) if found else "?"


def has_accounts():
    return config("FEATURE_MDPOP3D_AUTH") and config(
        "FEATURE_MDPOP3D_USERFILE")


def knows_hashes():
    """What crypt() of a static C library knows is not known here."""
    return not (config("CRYPT_SYSTEM") and config("STATIC"))


class Watch:
    """A directory where servers leave what went wrong with them."""

    def __init__(self):
        self.path = scratch("run")
        self.popbox = self.path + "/popbox"
        with open(self.popbox, "w") as file:
            file.write(ENDS % (shlex.quote(POPBOX),
                               shlex.quote(self.path + "/ends")))
        os.chmod(self.popbox, 0o755)
        self.env = {name: "%s:log_path=%s/report" % (more, self.path)
                    for name, more in (("ASAN_OPTIONS", "detect_leaks=0"),
                                       ("UBSAN_OPTIONS",
                                        "print_stacktrace=1"))}

    def said(self):
        found = ""
        for path in glob.glob(self.path + "/ends") + glob.glob(
                self.path + "/report*"):
            with open(path) as file:
                found += file.read()
        return found


def run(path, watch, args, target):
    """{title: (good, why it was skipped or None, what is said)}"""
    settings = {"version": VERSION, "tools": HERE + "/tools",
                "scratch": watch.path}
    if config("FEATURE_MDPOP3D_DEBUG"):
        settings["debug"] = "1"
    if has_accounts():
        settings["accounts"] = "1"
    if config("FEATURE_MDPOP3D_SASL"):
        settings["sasl"] = "1"
    for name, value in settings.items():
        args = ["-D", "%s=%s" % (name, value), *args]
    done = subprocess.run(
        [POP3TEST, "pop3test", "run", "-t", str(PATIENCE), *args, path,
         *target], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=LIMIT, check=False, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": watch.path, **watch.env})
    text = done.stdout.decode("utf-8", "replace")
    found, title = {}, None
    for line in text.splitlines():
        match = TAP.match(line)
        if match:
            bad, what, why = match.groups()
            title = re.sub(r"^\S+\.pop3: ", "", what or "?")
            found[title] = (not bad, why, "")
        elif title and not found[title][0]:
            found[title] = (False, None, found[title][2] + line + "\n")
    plan = re.search(r"(?m)^1\.\.(\d+)", text)
    good = all(r[0] for r in found.values()) and any(
        r[1] is None for r in found.values())
    empty = found and all(r[0] and r[1] for r in found.values())
    if not plan or int(plan.group(1)) != len(found) or (
            done.returncode == 0) != good and not empty:
        raise AssertionError("status %d after %d tests: %s" % (
            done.returncode, len(found),
            done.stderr.decode("latin-1") + text[-500:]))
    return found


def on_command(path, watch):
    return run(path, watch,
               ["-D", "preauth=1", "-D", "popbox=" + watch.popbox],
               ["--", watch.popbox, "mdpop3d", "-a", "-e", "-q", "-m",
                "$dir"])


def on_listener(path, watch):
    """Nobody has to log in; two more are in a hurry."""
    box, log = Maildir(), watch.path + "/log"
    servers = []
    with open(log, "ab") as file:
        try:
            for args in ((), ("-t", "2"), ("-c", "-t", "2")):
                servers.append(listener("-a", "-m", box.path, *args,
                                        stderr=file,
                                        env=watch.env))
            at = ["127.0.0.1:%d" % server.port for server in servers]
            return run(path, watch,
                       ["-D", "preauth=1", "-D", "dir=" + box.path,
                        "-D", "log=" + log, "-D", "short=" + at[1],
                        "-D", "commit=" + at[2]], at[:1])
        finally:
            for server in servers:
                server.end()


# From cheap to dear.
HASHES = (("md5", "$1$", 0), ("yes", "$y$", 1), ("dear", "$6$", 200000))


def with_login(path, watch):
    users, log = UserFile(), watch.path + "/log"
    box = users.add("joe", PASSWORD)
    users.line("old:%s:x1:1::%s:/bin/sh" % (hashed(PASSWORD), users.home))
    args = ["-D", "closed=old"]
    if knows_hashes():
        args += ["-D", "hashes=1"]
        for name, prefix, cost in HASHES:
            users.add(name, stored=hashed("secret", gensalt(prefix, cost)),
                      maildir=False)
    secret = watch.path + "/password"
    with open(secret, "w") as file:
        file.write(PASSWORD + "\n")
    with open(log, "ab") as file:
        server = listener("-b", "0", "-P", users.path, stderr=file,
                          env=watch.env,
                          *["-d"] * bool(config("FEATURE_MDPOP3D_DEBUG")))
        try:
            return run(path, watch,
                       ["-u", "joe", "-P", secret, "-D", "dir=" + box.path,
                        "-D", "log=" + log, *args],
                       ["127.0.0.1:%d" % server.port])
        finally:
            server.end()
            with open(log, errors="replace") as file:
                unlike(file.read(), PASSWORD, "C49 no password in the log: " +
                       os.path.relpath(path, HERE))


def ways():
    found = [("-a", on_command)]
    if config("FEATURE_MDPOP3D_LISTEN"):
        found.append(("-l", on_listener))
    if config("FEATURE_MDPOP3D_LISTEN") and has_accounts() and (
            os.geteuid() == 0):
        found.append(("-P", with_login))
    return found


def may_lack():
    there = [way for way, _ in ways()]
    if not knows_hashes():
        yield "$hashes"
    if not config("FEATURE_MDPOP3D_DEBUG"):
        yield "$debug"
    if not has_accounts():
        yield "$accounts"
    if not config("FEATURE_MDPOP3D_SASL"):
        yield from ("$sasl", "SASL=PLAIN")
    if "-l" not in there:
        yield from ("$short", "$commit", "$log")
    if "-P" not in there:
        yield from ("$user", "$closed", "$log")


def one_way(path, way, call, found):
    watch = Watch()
    found[way] = call(path, watch)
    said = watch.said()
    ok(not said, "%s: each server ends as it should (%s)" % (
        os.path.relpath(path, HERE), way), said)


def judge(name, title, results):
    """Its results by way; a test that no way could run is a gap."""
    ran = {way: r for way, r in results.items() if r[1] is None}
    for way, (good, _, said) in ran.items():
        ok(good, "%s (%s, %s)" % (title, name, way), said)
    if ran:
        return
    words = {word for _, why, _ in results.values()
             for word in why.split()[1:]}
    if words & NOT_THERE:
        return
    what = "%s (%s)" % (title, name)
    why = "; ".join(sorted({r[1] for r in results.values()}))
    if any(word in MAY_LACK for word in words):
        skip(what, why)
    else:
        ok(False, what, "no way to run it: " + why)


def check(path):
    name = os.path.relpath(path, HERE)

    def script():
        found = {}
        spread(one_way, [(path, *way, found) for way in ways()])
        titles = [list(results) for results in found.values()]
        ok(titles and all(t == titles[0] for t in titles) and
           len(titles) == len(ways()), name + ": the same tests")
        for title in titles[0] if titles else ():
            judge(name, title, {way: found[way][title] for way, _ in ways()
                                if title in found.get(way, ())})
    script.__name__ = script.__doc__ = name
    return script


if POP3TEST == POPBOX and not config("FEATURE_POP3TEST_RUN"):
    skip_all("FEATURE_POP3TEST_RUN is not configured, POP3TEST not set")
VERSION = version()
MAY_LACK += may_lack()
for at in sorted(glob.glob(HERE + "/scripts/*.pop3") +
                 glob.glob(HERE + "/mdpop3d/*.pop3")):
    test(check(at))
run_tests(jobs=8)
