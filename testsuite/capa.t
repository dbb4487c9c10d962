#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""CAPA, and response codes that keep what CAPA promises."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

WITH_LOGIN = {b"USER", b"AUTH-RESP-CODE"}
VERSION = subprocess.run([POPBOX, "mdpop3d", "-V"], capture_output=True,
                         check=False).stdout
VERSION = re.search(rb"\d+\.\d+\.\d+", VERSION or b"0.0.0").group(0)
COMMON = {b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES", b"EXPIRE NEVER",
          b"IMPLEMENTATION popbox-" + VERSION}


def tags(c, what):
    """The set of capability lines, after checks of their form."""
    status, body = c.multi("CAPA")
    is_(status, b"+OK\r\n", what + ": status")
    lines = body.split(b"\r\n")[:-1] if body else []
    ok(all(re.fullmatch(rb"[!-~]+( [!-~]+)*", line) and len(line) <= 510
           for line in lines), what + ": one tag a line, single blanks", lines)
    is_(len(set(lines)), len(lines), what + ": no tag twice")
    return set(lines)


@test
def preauthenticated():
    """C37 CAPA with -a"""
    with session(Maildir().fill(1)) as c:
        is_(tags(c, "C37 -a"), COMMON,
            "C37 -a: neither USER nor AUTH-RESP-CODE")
        is_(c.cmd("NOOP"), b"+OK\r\n", "C37 in step after CAPA")
        is_(tags(c, "C37 -a again"), COMMON, "C37 the same again")


@test
def with_user():
    """C37 CAPA with -u"""
    with start("-e", "-u", "joe", "-m", Maildir().path) as c:
        c.line()
        is_(tags(c, "C37 -u"), COMMON, "C37 -u: as with -a")


@test
def both_states():
    """C37 CAPA before and after login"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    users.add("joe", "pw")
    with start("-e", "-P", users.path) as c:
        c.line()
        is_(tags(c, "C37 before login"), COMMON | WITH_LOGIN,
            "C37 C38 before login: no STLS or SASL")
        c.cmd("USER joe")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C37 login after CAPA")
        is_(tags(c, "C37 after login"), COMMON | WITH_LOGIN,
            "C37 C38 after login: the same")


@test
def response_codes():
    """C39 no text begins with a bracket unless it is a response code"""
    answers = []
    with session(Maildir().fill(2)) as c:
        for line in ("STAT", "LIST 1", "UIDL 1", "NOOP", "DELE 2", "DELE 2",
                     "RETR 9", "LIST 0", "TOP 1 x", "XYZ", "[AUTH]", "",
                     "RETR 2", "UIDL 2", "RSET", "USER [x]", "PASS [x]",
                     "RETR [1]", "STAT x", "x" * 300, "QUIT x", "QUIT"):
            answers.append(c.cmd(line))
    texts = [a[4:].strip() for a in answers]
    wrong = [t for t in texts if t.startswith(b"[")]
    is_(wrong, [], "C39 no response code in ordinary answers")
    ok(all(re.fullmatch(rb"(\+OK|-ERR)( [ -~]*)?\r\n", a) for a in answers),
       "C2 C39 every answer has the form of one", answers)


run_tests()
