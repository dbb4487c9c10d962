#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""popbox-pam as a checkpassword: it becomes the user and runs a program."""

import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from pam import *

need_helper()

SHOW = ("sh", "-c", 'id -u; id -g; id -G; pwd; echo "$USER $HOME $SHELL '
        '${MAILDIR-none} ${CALLER-none}"; read -r line; echo "$line" >&2; '
        "ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/\\1/p'; "
        "grep -E '^(Cap(Prm|Eff|Inh)|Uid)' /proc/self/status", "sh")


@test
def the_user():
    """uid, gid, groups, directory, environment, descriptors"""
    pam = Pam().unix()
    pam.add("joe", "pw", uid=61901, gid=61902)
    pam.group += "crowd:x:61903:joe\n"
    v = pam.ask("joe", "pw", program=SHOW, client=b"hello\n",
                env={"CALLER": "kept", "USER": "other", "HOME": "/other"})
    lines = v.heard.decode().split("\n")
    is_(v.status, 0, "the program's status", repr(v))
    is_(lines[:2], ["61901", "61902"], "uid and gid")
    is_(sorted(lines[2].split()), ["61902", "61903"], "groups")
    is_(lines[3], pam.home + "/joe", "the home directory")
    is_(lines[4], "joe %s/joe /bin/sh none kept" % pam.home, "environment")
    is_(lines[5], "hello", "the client is on 0, 1 and 2")
    fds = dict(x.split(" -> ") for x in lines[6:] if " -> " in x)
    is_(sorted(int(n) for n, to in fds.items() if "/proc" not in to),
        [0, 1, 2, 4], "descriptor 3 is closed, and no other is open", fds)
    like(v.heard, r"^Uid:\s61901\s61901\s61901\s61901$", "all four uids")
    is_(v.heard.count(b"0" * 16), 3, "no capabilities")


@test
def modules():
    """PAM_USER, $MAILDIR and groups of modules"""
    pam = Pam().odd("user=vmail", "setenv=MAILDIR=a b", "setenv=EVIL=1",
                    "cred:group=61999", "say=SPOKEN", "write=SPOKEN")
    pam.add("vmail", uid=61910, stored="*")
    v = pam.ask("joe", "pw", program=SHOW, client=b"\n")
    lines = v.heard.decode().split("\n")
    is_(lines[0], "61910", "the owner", repr(v))
    ok("61999" in lines[2].split(), "the group", lines[2])
    is_(lines[4], "vmail %s/vmail /bin/sh a b none" % pam.home,
        "environment")
    unlike(v.heard, "SPOKEN|EVIL", "nothing else of the module's")
    is_(v.record, b"", "nor on descriptor 4", repr(v))
    script = pam.script("for fd in 4 5 6 7 8 9; do\n"
                        '(eval "echo SPOKEN >&$fd") 2>/dev/null; done; :\n')
    pam.service("pop3", "auth required pam_exec.so " + script,
                "account required pam_permit.so")
    v = pam.ask("vmail", "pw", program=("sh", "-c", "echo by us >&4"))
    is_(v.record, b"by us\n", "the program writes there, pam_exec's cannot",
        repr(v))
    v = pam.odd().ask("vmail", "pw", program=SHOW, client=b"\n",
                      env={"MAILDIR": "of the caller"})
    like(v.heard, "of the caller", "the caller's where no module has one")


@test
def statuses():
    """1 for a refusal, 2 for misuse, 111 for trouble"""
    pam = Pam().unix()
    today = int(time.time() // 86400)
    pam.add("joe", "pw")
    pam.add("old", "pw", ageing="%d:0:99999:7::%d:" % (today, today - 2))
    pam.add("gone", "pw", maildir=False)
    os.rmdir(pam.home + "/gone")
    run = ("sh", "-c", "echo RAN; exit 7")
    for user, word, status, heard in (
            ("joe", "pw", 7, b"RAN\n"), ("joe", "x", 1, b""),
            ("joe", "", 1, b""), ("nobody-here", "pw", 1, b""),
            ("old", "pw", 1, b""), ("gone", "pw", 111, b"")):
        v = pam.ask(user, word, program=run)
        is_((v.status, v.heard, v.record), (status, heard, b""),
            "%s, %r" % (user, word), repr(v))
    v = pam.ask("", "", data=b"joe\0pw\0", program=run)
    is_(v.status, 2, "a request that is none", repr(v))
    unlike(v.heard, "RAN", "does not run it")
    v = pam.ask("joe", "pw", program=("/not/there",))
    is_(v.status, 111, "a program that is not there", repr(v))
    pam.odd("return=26")
    is_(pam.ask("joe", "pw", program=run).status, 111, "PAM_ABORT")
    pam.odd("crash")
    v = pam.ask("joe", "pw", program=run)
    ok(v.status not in (0, 7) and v.heard == b"", "a crash", repr(v))
    pam.unix()
    v = pam.ask("joe", "APOP " + "0" * 32 + " <1.2@h>", stamp="<1.2@h>",
                program=run)
    is_(v.status, 1, "no APOP by pam_unix")


@test
def options():
    """the program's own options are its own"""
    pam = Pam().odd(name="imap")
    pam.add("joe", "pw")
    v = pam.ask("joe", "pw", "-s", "imap", program=("echo", "-s", "x"))
    is_(v.heard, b"-s x\n", "behind the program", repr(v))
    v = pam.ask("joe", "pw", "-s", "imap", "--", program=("echo", "-r"))
    is_(v.heard, b"-r\n", "and behind --", repr(v))


@test
def closed_descriptors():
    """standard descriptors that a caller has closed stay so"""
    pam = Pam().odd("write=SPOKEN")
    pam.add("joe", "pw")
    for closed in ("<&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&-"):
        path = pam.file("seen")
        os.chmod(pam.home, 0o755)
        os.chmod(path, 0o666)
        v = pam.ask("joe", "pw", caller=(
            "sh", "-c", 'exec "$@" ' + closed, "sh"), program=(
                "/bin/sh", "-c", 'exec 9>%s; for fd in 0 1 2; do '
                '[ -e /proc/$$/fd/$fd ] && echo $fd >&9; done' % path))
        with open(path) as file:
            there = file.read().split()
        want = [str(n) for n, how in enumerate(("<&-", " >&-", "2>&-"))
                if how not in " " + closed]
        is_((there, v.heard), (want, b""), "closed: " + closed, repr(v))


run_tests(jobs=6)
