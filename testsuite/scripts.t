#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts of pop3test against mdpop3d, as a command and with a login.

scripts/ is for every server, mdpop3d/ has what we decided for ourselves. The
titles in there begin with the numbers of behaviours. Environment: POP3TEST, a
popbox with pop3test, where the one under test has none.
"""

import glob
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

HERE = os.path.dirname(os.path.abspath(__file__))
POP3TEST = os.environ.get("POP3TEST") or POPBOX
LIMIT = 300     # seconds for one file of scripts

# What mdpop3d does not have: the tests of it say nothing here.
NOT_THERE = ("APOP", "STLS", "SASL=")
# What a run may lack, but not the server.
MAY_LACK = ("$slow", "$user")

TAP = re.compile(r"(not )?ok \d+(?: - (.*?))?(?: # SKIP ?(.*))?$")


def version():
    said = subprocess.run([POPBOX, "mdpop3d", "-V"], capture_output=True,
                          text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found.group(0) if found else "?"


def run(path, args, target):
    """{title: (good, why it was skipped or None, what is said)}"""
    done = subprocess.run(
        [POP3TEST, "pop3test", "run", "-t", str(PATIENCE), "-D",
         "version=" + VERSION, "-D", "popbox=" + POPBOX, *args, path,
         *target], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=LIMIT, check=False, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": scratch("run"), "ASAN_OPTIONS": "detect_leaks=0"})
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
    if not plan or int(plan.group(1)) != len(found) or (
            done.returncode == 0) != good:
        raise AssertionError("status %d after %d tests: %s" % (
            done.returncode, len(found),
            done.stderr.decode("latin-1") + text[-500:]))
    return found


def on_command(path):
    return run(path, ["-D", "preauth=1"],
               ["--", POPBOX, "mdpop3d", "-a", "-e", "-q", "-m", "$dir"])


def with_login(path):
    users = UserFile()
    box = users.add("joe", "pass word")
    secret = scratch("pass") + "/password"
    with open(secret, "w") as file:
        file.write("pass word\n")
    server = listener("-P", users.path)
    try:
        return run(path, ["-u", "joe", "-P", secret, "-D", "dir=" + box.path],
                   ["127.0.0.1:%d" % server.port])
    finally:
        server.end()


def ways():
    found = [("-a", on_command)]
    if config("FEATURE_MDPOP3D_USERFILE") and config(
            "FEATURE_MDPOP3D_LISTEN") and os.geteuid() == 0:
        found.append(("-P", with_login))
    return found


def judge(name, title, results):
    """Its results by way; a test that no way could run is a gap."""
    ran = {way: r for way, r in results.items() if r[1] is None}
    for way, (good, _, said) in ran.items():
        ok(good, "%s (%s, %s)" % (title, name, way), said)
    if ran:
        return
    why = list(results.values())[-1][1]
    words = why.split()[1:]
    if any(word.startswith(NOT_THERE) for word in words):
        return
    what = "%s (%s)" % (title, name)
    if any(word in MAY_LACK for word in words):
        skip(what, why)
    else:
        ok(False, what, "no way to run it: " + why)


def check(path):
    name = os.path.relpath(path, HERE)

    def script():
        found = {way: call(path) for way, call in ways()}
        titles = [list(results) for results in found.values()]
        ok(all(t == titles[0] for t in titles), name + ": the same tests")
        for title in titles[0]:
            judge(name, title, {way: results[title]
                                for way, results in found.items()})
    script.__name__ = script.__doc__ = name
    return script


if POP3TEST == POPBOX and not config("FEATURE_POP3TEST_RUN"):
    skip_all("FEATURE_POP3TEST_RUN is not configured, POP3TEST not set")
VERSION = version()
for at in sorted(glob.glob(HERE + "/scripts/*.pop3") +
                 glob.glob(HERE + "/mdpop3d/*.pop3")):
    test(check(at))
run_tests(jobs=8)
