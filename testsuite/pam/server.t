#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""mdpop3d with PAM: who gets in, as whom, and what else is seen."""

import base64
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/../lib")
from pam import *

need_pam()

IN = b"+OK\r\n"
LATER = b"-ERR [SYS/TEMP] login incorrect\r\n"


def attempt(pam, user, word, want, what, log=None, *args, **how):
    """One login; returns the client that made it."""
    c = pam.login(user, word, *args, **how)
    is_(c.pass_reply, want, what, c.server.log())
    if want != IN:
        is_(c.rest(), b"", what + ": nothing follows")
        c.server.wait()
    if log:
        ok(c.server.wait_log(log), what + ": the log tells it",
           c.server.log())
    return c


@test
def system_users():
    """pam_unix: a yescrypt user, and others"""
    today = int(time.time() // 86400)
    pam = Pam().unix()
    pam.add("joe", stored=hashed("pass word", gensalt("$y$", 1)),
            uid=61801).fill(3)
    pam.group += "crowd:x:61803:joe\n"
    pam.add("locked", stored="!" + hashed("pw"))
    pam.add("old", "pw", ageing="%d:0:99999:7::%d:" % (today, today - 2))
    pam.add("must", "pw", ageing="0:0:99999:7:::")
    with attempt(pam, "joe", "pass word", IN, "a yescrypt user") as c:
        like(c.cmd("STAT"), r"^\+OK 3 ", "his Maildir")
        with open("/proc/%d/status" % server_pid(c)) as file:
            status = dict(line.split(":\t") for line in
                          file.read().splitlines() if ":\t" in line)
        is_((status["Uid"].split(), status["Gid"].split()),
            (["61801"] * 4, ["61801"] * 4), "nothing of root is left")
        is_(set(status["Groups"].split()) | {"61801"}, {"61801", "61803"},
            "his groups")
        is_(c.cmd("QUIT"), IN, "QUIT")
    attempt(pam, "joe", "pass worD", REFUSED, "a wrong password",
            r"incorrect for joe: Authentication failure$")
    attempt(pam, "nobodyhere", "pw", REFUSED, "a name that is none",
            r"incorrect: User not known")
    attempt(pam, "locked", "pw", REFUSED, "a locked account", "for locked")
    attempt(pam, "old", "pw", REFUSED, "an account that has expired",
            r"for old: account: .*expired")
    attempt(pam, "must", "pw", REFUSED, "a password that must be changed",
            r"for must: account: .*new one required")


def server_pid(c):
    """The process that serves now: what the wrapper has become."""
    return c.server.pid


@test
def delays():
    """the delay is the server's, whatever modules do"""
    pam = Pam().unix()
    pam.add("joe", "pw")
    pam.odd("return=7", name="fast")
    pam.odd("sleep=1", "return=7", name="slow")
    for service, user in (("pop3", "joe"), ("pop3", "unknown"),
                          ("fast", "joe"), ("slow", "joe")):
        # A busy machine may make it long once, but not each time.
        times = []
        while not times or (times[-1] > 3.5 and len(times) < 5):
            c = pam.login(user, "wrong", "-p", service)
            is_(c.pass_reply, REFUSED, "%s, %s" % (service, user))
            times.append(c.took)
        ok(1.9 <= min(times) < 3.5, "%s, %s: two seconds" % (service, user),
           times)


@test
def kinds_of_modules():
    """pam_permit, pam_deny, pam_exec, pam_pwdfile"""
    pam = Pam()
    pam.add("joe", stored="*").fill(1)
    pam.service("permit", "auth required pam_permit.so",
                "account required pam_permit.so")
    pam.service("deny", "auth required pam_deny.so",
                "account required pam_permit.so")
    pam.service("denyacct", "auth required pam_permit.so",
                "account required pam_deny.so")
    attempt(pam, "joe", "x", IN, "pam_permit", None, "-p", "permit").close()
    attempt(pam, "joe", "x", REFUSED, "pam_deny", "for joe", "-p", "deny")
    attempt(pam, "joe", "x", REFUSED, "pam_deny for the account",
            "for joe: account: ", "-p", "denyacct")
    script = pam.script(
        'read -r word || :\n[ "$PAM_USER:$PAM_RHOST:$PAM_SERVICE:$word" = '
        '"joe:192.0.2.1:exec:right word" ]\n')
    pam.service("exec", "auth required pam_exec.so expose_authtok " + script,
                "account required pam_permit.so")
    args = ("-p", "exec", "-r", "192.0.2.1")
    attempt(pam, "joe", "right word", IN, "pam_exec", None, *args).close()
    attempt(pam, "joe", "wrong word", REFUSED, "pam_exec refuses",
            "for joe", *args)


@test
def pwdfile():
    """pam_pwdfile: a file of users of its own"""
    if not any(os.path.exists(d + "/pam_pwdfile.so") for d in
               module_directories()):
        raise Skip("no pam_pwdfile (Debian package libpam-pwdfile)")
    pam = Pam()
    pam.add("joe", stored="*").fill(1)
    users = pam.file("pop3.passwd", "joe:%s\n" % hashed("from a file"))
    pam.service("pop3", "auth required pam_pwdfile.so pwdfile " + users,
                "account required pam_permit.so")
    attempt(pam, "joe", "from a file", IN, "pam_pwdfile").close()
    attempt(pam, "joe", "another", REFUSED, "pam_pwdfile refuses", "for joe")
    attempt(pam, "jane", "x", REFUSED, "pam_pwdfile knows no jane")


def module_directories():
    return ["/lib/security", "/usr/lib/security"] + [
        "%s/%s/security" % (top, triplet)
        for top in ("/lib", "/usr/lib")
        if os.path.isdir(top) for triplet in os.listdir(top)
        if "-linux-" in triplet]


@test
def virtual_users():
    """PAM_USER and $MAILDIR from modules"""
    pam = Pam()
    pam.add("vmail", uid=61810, stored="*", maildir=False)
    home = pam.home + "/vmail"
    for name, count in (("example.org/joe", 1), ("example.net/joe", 2),
                        ("Maildir", 3), ("given", 4)):
        os.makedirs(os.path.dirname("%s/%s" % (home, name)), exist_ok=True)
        Maildir("%s/%s" % (home, name), 61810).fill(count)
    pam.odd("user=vmail", "putenv=MAILDIR=example.org/joe", name="org")
    pam.odd("user=vmail", "setenv=MAILDIR=example.net/joe", name="net")
    pam.odd("user=vmail", name="none")
    for args, count in ((("-p", "org"), 1), (("-p", "net"), 2),
                        (("-p", "none"), 3), (("-p", "org", "-m", "given"),
                                              4)):
        with attempt(pam, "joe@example", "pw", IN, " ".join(args), None,
                     *args) as c:
            like(c.cmd("STAT"), r"^\+OK %d " % count,
                 "%s: the right Maildir" % " ".join(args))
            ok(c.server.wait_log(r"\]\[vmail\] login"),
               "the log has the owner", c.server.log())
            with open("/proc/%d/status" % server_pid(c)) as file:
                like(file.read(), r"^Uid:\s61810\s61810\s61810\s61810$",
                     "it runs as the owner")
    pam.odd("user=vmail", name="none")
    with attempt(pam, "joe", "pw", IN, "the server's own $MAILDIR", None,
                 "-p", "none", env={"MAILDIR": "given"}) as c:
        like(c.cmd("STAT"), r"^\+OK 4 ", "counts where no module sets one")


@test
def lowest_uid():
    """-M counts for the user that PAM names"""
    pam = Pam().odd("user=low")
    pam.add("low", uid=999, stored="*")
    attempt(pam, "joe", "pw", REFUSED, "-M 1000", None, "-M", "1000")
    attempt(pam, "joe", "pw", IN, "-M 999", None, "-M", "999").close()


@test
def silence():
    """nothing that modules say reaches the client"""
    noise = ("say=SPOKEN", "mute=SPOKEN", "write=SPOKEN")
    pam = Pam().odd(*noise, *["acct:" + a for a in noise],
                    *["cred:" + a for a in noise])
    pam.add("joe", "pw").fill(1)
    program = pam.script("echo SPOKEN; echo SPOKEN >&2\n"
                         "echo SPOKEN >/dev/tty\nexit $1\n")
    pam.service("yes", "auth required pam_exec.so %s 0" % program,
                "account required pam_permit.so")
    pam.service("no", "auth required pam_exec.so %s 1" % program,
                "account required pam_permit.so")
    # As an inetd has it: the client is standard error, too.
    for service in ("pop3", "yes", "no"):
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [*pam.wrap(), POPBOX, "mdpop3d", "-p", service], stdin=theirs,
            stdout=theirs, stderr=theirs, env={})
        theirs.close()
        c = Client(ours.fileno(), owner=ours)
        c.send(b"USER joe\r\nPASS pw\r\nSTAT\r\nQUIT\r\n")
        heard = c.rest()
        process.wait()
        unlike(heard, "SPOKEN", service + ": nothing of it is heard")
        want = (rb"\+OK\r\n\+OK\r\n-ERR \[AUTH\] login incorrect\r\n"
                if service == "no" else
                rb"\+OK\r\n\+OK\r\n\+OK\r\n\+OK 1 \d+\r\n\+OK\r\n")
        ok(re.fullmatch(want, heard), service + ": but the protocol", heard)


@test
def what_modules_see():
    """host, service and password; no client, no parser, no log"""
    pam = Pam()
    path = pam.file("seen")
    pam.odd("dump=" + path, "acct:dump=" + path, "cred:dump=" + path,
            name="imap4.x-y_z")
    pam.add("joe", "pw").fill(1)
    word = "a b  " + "\u00e9" * 20 + "%n" + "x" * 150
    with attempt(pam, "joe", word, IN, "login", None, "-p", "imap4.x-y_z",
                 via="tcp", env={"MAILDIR": "Maildir", "EVIL": "1"}):
        pass
    steps = dumped(path)
    is_([s["step"] for s in steps], ["auth", "acct", "cred"], "three steps")
    for s in steps:
        is_((s["service"], s["user"], s["rhost"], s["tty"]),
            ("imap4.x-y_z", "joe", "127.0.0.1", "pop3"),
            s["step"] + ": items")
        is_([k for k in s if k.startswith("env ") and k != "env PATH"], [],
            s["step"] + ": nothing of the server's environment")
        is_([s["fds"].get(fd) for fd in (0, 1)], ["/dev/null"] * 2,
            s["step"] + ": no client on 0 and 1")
        is_([fd for fd in s["fds"] if 2 < fd < 10], [],
            s["step"] + ": nothing where others look", repr(s["fds"]))
        is_([k for k in s if k.startswith("blocked")], [],
            s["step"] + ": no signal is blocked")
    is_(steps[0]["pass"].encode("latin-1"), word.encode(), "the password")
    path = pam.file("seen")
    attempt(pam, "joe", "pw", IN, "-r", None, "-p", "imap4.x-y_z", "-r",
            "host.example.org").close()
    is_(dumped(path)[0]["rhost"], "host.example.org", "the host of -r")
    path = pam.file("seen")
    pam.odd("dump=" + path)
    attempt(pam, "joe", "pw", IN, "from a pipe", None).close()
    is_(dumped(path)[0].get("rhost"), None, "no host for who has none")


@test
def sasl():
    """AUTH PLAIN asks PAM, too"""
    need("FEATURE_MDPOP3D_SASL")
    pam = Pam().unix()
    pam.add("joe", "pass word").fill(1)
    for word, want in (("pass word", IN), ("pass", REFUSED)):
        with start("-e", wrap=pam.wrap()) as c:
            c.line()
            text = base64.b64encode(b"\0joe\0" + word.encode()).decode()
            is_(c.cmd("AUTH PLAIN " + text), want,
                "AUTH PLAIN with %r" % word)


@test
def pipelining():
    """what was said before PAM answered is not lost"""
    pam = Pam().odd("sleep=1")
    pam.add("joe", "pw").fill(2)
    with start("-e", wrap=pam.wrap()) as c:
        c.send(b"USER joe\r\nPASS pw\r\nSTAT\r\nLIST 1\r\nQUIT\r\n")
        like(c.rest(), r"\A\+OK\r\n\+OK\r\n\+OK\r\n\+OK 2 \d+\r\n"
             r"\+OK 1 \d+\r\n\+OK\r\n\Z", "all in one go")


@test
def empty_passwords():
    """an empty password is never asked about"""
    pam = Pam()
    path = pam.file("seen")
    pam.odd("dump=" + path)
    pam.add("joe", "pw")
    attempt(pam, "joe", "", REFUSED, "PASS and a blank")
    is_(dumped(path), [], "no module was asked")


@test
def missing_service():
    """a service that is not there is in the log"""
    pam = Pam().unix("other")
    pam.add("joe", "pw").fill(1)
    warning = r'no such service, "other" is asked: pop3'
    with attempt(pam, "joe", "pw", IN, "PAM takes other", warning):
        pass
    attempt(pam, "joe", "x", REFUSED, "and refuses by it", warning)
    os.unlink(pam.home + "/pam.d/other")
    attempt(pam, "joe", "pw", LATER, "nor other: nobody logs in")


@test
def credentials():
    """credentials that fail are in the log"""
    pam = Pam().odd("cred:return=17")
    pam.add("joe", "pw").fill(1)
    attempt(pam, "joe", "pw", IN, "no credentials", "credentials: ").close()


@test
def names_of_services():
    """-p wants a name, and a login"""
    for bad in ("", "../x", ".x", "a/b", "a b", "x" * 64):
        with start("-e", "-p", bad) as c:
            like(c.rest(), r"\A-ERR \[SYS/PERM\]", "-p %.9r" % bad)
            is_(c.server.wait(), 100, "-p %.9r: status" % bad)
    for args in (("-a",), ("-P", "/dev/null"), ("-C", "true")):
        with start("-e", "-p", "pop3", *args) as c:
            c.rest()
            is_(c.server.wait(), 100, "-p with %s" % args[0])


@test
def crash():
    """a module that crashes"""
    pam = Pam().odd("crash")
    pam.add("joe", "pw")
    attempt(pam, "joe", "pw", LATER, "no answer from PAM",
            "PAM: .*signal 11")
    pam.odd("exit")
    attempt(pam, "joe", "pw", LATER, "a module that ends the process", "PAM:")
    pam.service("pop3", "auth required pam_not_there.so")
    attempt(pam, "joe", "pw", LATER, "a module that is not there",
            "PAM: .*unknown")


@test
def hang():
    """a module that hangs: 30 seconds, and popbox-pam is ended"""
    pam = Pam().odd("hang")
    pam.add("joe", "pw")
    mark = "popbox-%d-hang" % os.getpid()
    script = pam.script("sleep %d\n" % SLEEP)
    pam.service("exec", "auth required pam_exec.so " + script,
                "account required pam_permit.so")
    spread(hanging, [(pam, service, mark) for service in ("pop3", "exec")])


# Seconds that nobody else sleeps for.
SLEEP = 10000000 + os.getpid()


def hanging(pam, service, mark):
    """a module that hangs"""
    mark = "%s-%s" % (mark, service)
    c = attempt(pam, "joe", "pw", LATER, service + " hangs",
                "PAM: no answer in time", "-r", mark, "-p", service)
    ok(28 < c.took < 40, "%s: in 30 seconds" % service, "%.1f s" % c.took)
    left = wait_for(lambda: not processes_with(mark), 5)
    ok(left, service + ": no process is left", processes_with(mark))
    if service == "exec":
        # pam_exec has put it into a session of its own.
        for pid in processes_with("sleep\0%d" % SLEEP):
            os.kill(pid, signal.SIGKILL)


@test
def gone():
    """a client that leaves while PAM thinks"""
    pam = Pam().odd("sleep=3")
    pam.add("joe", "pw").fill(1)
    c = start("-e", wrap=pam.wrap())
    c.line()
    c.cmd("USER joe")
    c.send(b"PASS pw\r\n")
    c.close()
    c.server.wait()
    unlike(c.server.log(), "signal|must not", "nothing is wrong with that")


@test
def listening_server():
    """the server's own listener asks PAM"""
    need("FEATURE_MDPOP3D_LISTEN")
    pam = Pam()
    path = pam.file("seen")
    pam.odd("dump=" + path)
    pam.add("joe", "pw").fill(1)
    server = listener("-b", "0", wrap=pam.wrap())
    for _ in range(5):
        with connect(server) as c:
            c.line()
            c.cmd("USER joe")
            is_(c.cmd("PASS pw"), IN, "login")
            is_(c.cmd("QUIT"), IN, "QUIT")
    is_([s["rhost"] for s in dumped(path)], ["127.0.0.1"] * 5,
        "the host of each")
    ok(wait_for(lambda: not server.children()), "no process is left",
       server.children())


run_tests(jobs=8)
