#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""AFL++ on whole sessions, before and after the login.

The server is built for it with sanitizers and as one process, with
tools/aflsession.c around main(): each run has a Maildir as it was, and looks
afterwards whether messages are gone that nobody has deleted. What the
sessions begin with is what other tests say to servers.

AFL_SECONDS (30) for each; what is found stays in BUILD/afl/NAME/found.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from security import *

SECONDS = int(os.environ.get("AFL_SECONDS", 30))
SUITE = os.path.dirname(TOOLS)
OUT = BUILD + "/afl"
WRAPPED = ("main", "poll", "clock_gettime")

MESSAGES = {
    "1000000001.M1P1.afl:2,": b"Subject: one\n\n.dot\n..\nend",
    "1000000002.M2P1.afl:2,S": b"Subject: two\r\n\r\nbody\r\n.\r\n",
    "new-1000000003.M3P1.afl,S=9": b"To: x\n\ny\n",
    "1000000004.M4P1.afl:2,": b"",
    "1000000005.M5P1.afl:2,": b"\0\xff\r.\r\n" * 40,
}

if config("SANITIZE"):
    skip_all("has a build of its own, with sanitizers: once is enough")
for _tool in ("afl-fuzz", "afl-clang-fast", "make"):
    if not shutil.which(_tool):
        skip_all("no " + _tool)


# ---- the build -----------------------------------------------------------------

def run(command, **how):
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **how)
    return done.returncode, done.stdout.decode("latin-1")


def environment(**more):
    """None of what a make above, or whoever runs this, has set."""
    drop = re.compile(r"(MAKE|MFLAGS|AFL_|ASAN|UBSAN)|(O|B|CC|V)\Z|.*FLAGS\Z")
    env = {k: v for k, v in os.environ.items() if not drop.match(k)}
    env.update(AFL_QUIET="1", **more)
    return env


def build():
    """A popbox for AFL++; its path."""
    world = OUT + "/aflsession.o"
    config_file = OUT + "/.config"
    os.makedirs(OUT, exist_ok=True)
    settings = ["make", "--no-print-directory", "-C", os.path.dirname(SUITE),
                "O=" + OUT, "KCONFIG_CONFIG=" + config_file,
                "CC=afl-clang-fast", "CROSS_COMPILE=", "LDLIBS=" + world,
                "LDFLAGS=" + " ".join("-Wl,--wrap=" + name
                                      for name in WRAPPED)]
    with open(SUITE + "/../configs/debug_defconfig") as file:
        text = file.read()
    with open(config_file, "w") as file:
        file.write(text)
        for symbol in ("FEATURE_MDPOP3D_PRIVSEP", "FEATURE_MDPOP3D_SANDBOX",
                       "MAILDIRCK", "POP3TEST"):
            file.write("# CONFIG_%s is not set\n" % symbol)
    compile_world = ["clang", "-g", "-O1", "-Wall", "-Wextra", "-c", "-o",
                     world, TOOLS + "/aflsession.c"]
    # make does not know of this part
    if os.path.exists(OUT + "/popbox_unstripped"):
        os.remove(OUT + "/popbox_unstripped")
    for command in (compile_world, settings + ["olddefconfig"],
                    settings + ["all"]):
        status, said = run(command, env=environment())
        if status:
            raise AssertionError("%s: %s" % (command, said[-2000:]))
    return OUT + "/popbox"


# ---- what sessions begin with ---------------------------------------------------

def sessions():
    """What the scripts say to servers, as far as they say it in full."""
    found = set()
    for path in glob.glob(SUITE + "/mdpop3d/*.pop3"):
        with open(path) as file:
            for block in re.split(r"(?m)^test ", file.read()):
                lines = re.findall(r"(?m)^C: (.*)", block)
                said = "".join(line + "\r\n" for line in lines
                               if "$" not in line)
                found.add(said[:1000])
    return sorted(found - {""})


LOGIN = "USER joe\r\nPASS secret\r\n"
LOGINS = [
    LOGIN + "STAT\r\nQUIT\r\n", LOGIN + "LIST\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
    "USER joe\r\nPASS wrong\r\nQUIT\r\n", "PASS secret\r\nCAPA\r\nQUIT\r\n",
    "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nUIDL\r\nQUIT\r\n", "USER joe\r\n" * 3,
    "AUTH PLAIN\r\nam9lAGpvZQBzZWNyZXQ=\r\nTOP 2 1\r\nQUIT\r\n",
    "AUTH\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nSTLS\r\nQUIT\r\n",
]


def world(name):
    """A directory in memory for the sessions: messages, a user."""
    top = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="popbox-afl-%s-" % name, dir=top)
    cleanup(shutil.rmtree, path, True)
    os.mkdir(path + "/t")
    for message, text in MESSAGES.items():
        with open("%s/t/%s" % (path, message), "wb") as file:
            file.write(text)
    with open(path + "/users", "w") as file:
        file.write("ann:*:%d:%d::/nowhere:/bin/sh\njoe:%s:%d:%d::%s:\n" % (
            os.geteuid(), os.getegid(), hashed("secret", "$1$afl$"),
            os.geteuid(), os.getegid(), path))
    return path


# ---- the fuzzing ---------------------------------------------------------------

def figures(out):
    with open(out + "/default/fuzzer_stats") as file:
        return dict(re.findall(r"(?m)^(\w+) *: (.*)$", file.read()))


def shown(path):
    with open(path, "rb") as file:
        return "%s: %r" % (path, file.read()[:2000])


def fuzz(name, seeds, *args):
    popbox = build()
    here = OUT + "/" + name
    shutil.rmtree(here, ignore_errors=True)
    os.makedirs(here + "/seeds")
    for number, text in enumerate(seeds):
        with open("%s/seeds/%03d" % (here, number), "w") as file:
            file.write(text)
    place = world(name)
    env = environment(
        WORLD=place, AFL_TMPDIR=place, AFL_SKIP_CPUFREQ="1", AFL_NO_UI="1",
        AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1", AFL_NO_AFFINITY="1",
        AFL_CMIN_CRASHES_ONLY="1")
    status, said = run(
        ["afl-fuzz", "-i", here + "/seeds", "-o", here + "/found", "-x",
         SUITE + "/fuzz/command.dict", "-m", "none", "-t", "4000", "-V",
         str(SECONDS), "--", popbox, "mdpop3d", "-q", "-e", *args], env=env)
    if not ok(status == 0, "C26 AFL++ runs on sessions " + name,
              said[-3000:]):
        return
    f = figures(here + "/found")
    runs = int(f["execs_done"])
    ok(runs > 20 * SECONDS and int(f["corpus_found"]) > 0,
       "C26 %s: it gets on" % name, str(f))
    for kind in ("crashes", "hangs"):
        found = glob.glob("%s/found/default/%s/id*" % (here, kind))
        is_(found, [], "C26 %s: no %s" % (name, kind),
            *map(shown, found[:3]))
    figure(1, "AFL++: runs of a session " + name, runs)


@test
def after_login():
    """C26 sessions that have begun"""
    fuzz("after-login", sessions() + LOGINS, "-a", "-m", "Maildir")


@test
def before_login():
    """C26 sessions from the greeting on"""
    fuzz("before-login", LOGINS + [LOGIN + s for s in sessions()],
         "-P", "users", "-m", "Maildir")


run_tests(jobs=1)
