#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The conformance scripts of testsuite/scripts, which are for any server, with
# TLS there: those about STLS where it is offered, the others within POP3S.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
import scripts
from ucspitls import *

all_need("FEATURE_MDPOP3D_STLS", "FEATURE_POP3TEST_RUN")
FOLDER = SOURCES + "/testsuite/scripts"
SECONDS = 600       # for one file
HAS_SASL = config("FEATURE_MDPOP3D_SASL")

# What a client within TLS cannot have: another TLS, a connection that is
# half closed; what needs hours or GiB.
WITHOUT = {"stls", "network", "large", "apop"}


def conform(name, what, server, box, *options, least=1):
    """All tests of one file that this server can have; `least` of them."""
    secret = write(scratch("secret") + "/password", PASSWORD + "\n")
    done = subprocess.run(
        [POPBOX, "pop3test", "run", "-t", str(PATIENCE), *options, "-u", NAME,
         "-P", secret, "-D", "dir=" + box.maildir.path,
         "%s/%s.pop3" % (FOLDER, name), "127.0.0.1:%d" % server.port],
        capture_output=True, check=False, timeout=SECONDS,
        env={"PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"})
    try:
        results, _, sums = scripts.tap(done.stdout)
    except (scripts.NoTap, IndexError, ValueError):
        return ok(False, "%s, %s: a report" % (name, what), done.stdout,
                  done.stderr)
    for result in results:
        if result.skip is None:
            ok(result.good, "%s (%s.pop3, %s)" % (result.title, name, what),
               result.detail, server.log()[-1000:])
    ok(sums[0] >= least, "%s, %s: %d tests or more have run" % (
        name, what, least), sums)


@test
def stls():
    """stls.pop3, with and without -E"""
    for args, options, least in (((), (), 7), (("-E",), ("-X",), 8)):
        box = Mailbox()
        server = ucspitls("-P", box.users.path, *args)
        conform("stls", " ".join(("STLS", *args)), server, box, *options,
                least=least)


@test
def stls_there():
    """capa.pop3 and auth.pop3 where STLS is offered"""
    for name, least in (("capa", 8), ("auth", 1 + 11 * bool(HAS_SASL))):
        box = Mailbox()
        conform(name, "STLS is there", ucspitls("-P", box.users.path), box,
                least=least)


def one_within(name):
    box = Mailbox()
    conform(name, "POP3S", stunnel("-P", box.users.path), box, "-S")


@test
def within():
    """the others, within POP3S"""
    names = sorted(entry[:-5] for entry in os.listdir(FOLDER)
                   if entry.endswith(".pop3") and entry[:-5] not in WITHOUT)
    ok(len(names) > 10, "C45 there are scripts", names)
    spread(one_within, [(name,) for name in names if name != "log"], jobs=8)


run_tests(jobs=2)
