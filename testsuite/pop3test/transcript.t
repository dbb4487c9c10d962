#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test -v and -x: transcripts, which are scripts without passwords

import base64
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")

SECRET = "Hush-Hush_4711"
LOGIN = ("-u", "al:" + SECRET)


def shown(text, target, *args, **how):
    """What -v shows of a script that passes."""
    got = run(text, target, "-v", *args, **how)
    if got.status != 0:
        ok(False, "it passes", got.out.decode("latin-1"), text)
    return got.err


def replays(what, text, target, *args):
    """What -v shows is a script that passes, and shows itself."""
    first = shown(text, target, *args)
    got = run(first, target, "-v", *args)
    ok(got.status == 0, what + ": the transcript passes",
       got.out.decode("latin-1"), first)
    is_(got.err, first, what + ": and has the same transcript")
    ok(re.fullmatch(rb"([ -~]*\n)+", first), what + ": printable ASCII",
       first)
    return first.decode("ascii")


# ---- what it looks like ------------------------------------------------------

@test
def exact():
    """To the byte"""
    two = [HELLO, b".\r\n..\r\n \r\nx \\ $y \xe9\0\x1b\r\n"]
    is_(shown("S: +OK\nC: RETR 2\nS: +OK\nS: ...\nC: UIDL 1\nC> STAT\\r\\n\n"
              "S~ \\+OK (.*) -> a\nS: +OK $n\nC: QUIT\nS: +OK\neof\n",
              Fake(ordinary(two, greeting=b"+OK a  b \r\n"))),
        b"""\
S: +OK a  b\\x20
C: RETR 2
S: +OK
S= ..
S= ...
S= \\x20
S= x \\\\ \\$y \\xe9\\x00\\x1b
S= .
C: UIDL 1
C> STAT\\r\\n
S: +OK 1 uid-0
S: +OK 2 50
C: QUIT
S: +OK
close
""", "-v")
    is_(shown("S: +OK\n", Fake(ordinary()))[-6:], b"close\n",
        "a connection that ends with its test")
    is_(run("S: +OK\nC: X\nS: +OK\n", Fake(ordinary(X=b"-ERR\r\n")), "-v"
            ).err, b"S: +OK ready\nC: X\nS: -ERR\nclose\n",
        "a test that fails has one, too")
    is_(run("S: +OK\n", Fake(ordinary())).err, b"", "none without -v")


@test
def verbose():
    """-vv has times and passwords"""
    got = run("S: +OK\nC: PASS %s\nS: +OK\n" % SECRET, Fake(ordinary()),
              "-vv", *LOGIN)
    like(got.err, r"\A# \d+ us\nS: \+OK ready\n# \d+ us\nC: PASS %s\n"
         r"# \d+ us\nS: \+OK\nclose\n\Z" % SECRET, "-vv")
    times = [int(n) for n in re.findall(rb"# (\d+) us", got.err)]
    ok(times == sorted(times) and times[-1] < 20e6, "-vv: times", times)
    again = run(got.err, Fake(ordinary()))
    is_(again.status, 0, "-vv is a script, too", again)
    slow = run("wait 100ms\nS: +OK\nC: X\nS: +OK\n", Fake(ordinary(
        X=lambda link, args: time.sleep(0.1) or b"+OK\r\n")), "-vv")
    times = [int(n) for n in re.findall(rb"# (\d+) us", slow.err)]
    ok(times[0] >= 1e5 and times[2] - times[1] >= 9e4, "-vv: they are true",
       times)


# ---- it passes again ---------------------------------------------------------

ODD = [b"A: b\r\n\r\n.\r\n..\r\n...\r\n.x\r\n", b"\\ \\\\ \\r \\x41 \\\r\n",
       b"$ $a ${b} $m.octets $_ $$\r\n", b" lead\r\ntrail \r\n  \r\n\t\r\n",
       bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n", b"\0\0\r\n\0\r\n",
       b"\r\n\r\n\r\n", b"", b"x" * 3990 + b"\r\n" + b"y" * 4020 + b"\r\n",
       b"\xe9" * 999 + b"\r\n" + b"\xe9" * 1001 + b"\r\n",
       b"z" * 4094 + b"\r\n" + b"z" * 4095 + b"\r\n" + b"z" * 4096 + b"\r\n",
       b"w" * 8190 + b"\r\n" + b"w" * 9000 + b"\r\n" + b"." * 9000 + b"\r\n",
       b"a\rb\r\n\rc\r\nd\r\r\n", b"# x\r\ntest\r\nC: x\r\nS: y\r\n...\r\n",
       b"+OK\r\n+OK x\r\n-ERR y\r\n+OK " + b"x" * 600 + b"\r\n",
       b"S= x\r\n<x>\r\n<y\r\n"]


@test
def again():
    """Odd lines, in bodies and elsewhere"""
    def one(i, body):
        server = Fake(ordinary([body]))
        text = "S: +OK\nC: RETR 1\nS: +OK\n"
        first = replays("body %d, as one" % i, text + "S: ...\n", server)
        same = shown(text + "S: <lines>\nS: .\n", server)
        is_(same, first.encode(), "body %d, as prose" % i)

    spread(one, list(enumerate(ODD)), jobs=4)
    lines = b"".join(body for body in ODD if b"\n+OK" not in body and
                     not body.startswith(b"+OK"))
    count = lines.count(b"\n")
    replays("odd lines, S~", "S: +OK\nrepeat %d\nS~ .*\nend\n" % count,
            Fake(says(b"+OK\r\n" + lines)))
    for text in ("\\\\ \\$a \\x00\\x01\\xff", "  x ", "\\x20x\\x20", "",
                 "${v}", "#x", "\\x3cx>", "...", "a\\r\\nb", "a\\|b", "\\t",
                 "\u00e9" * 900, "\\xe9" * 1000, "$v" * 3, "y" * 4000):
        server = Fake(echo)
        first = replays("C: %.20s" % text, "S: +OK\nset v a\\\\b\\$c\nC: %s\n"
                        "S~ .*\n%s" % (text, "S~ .*\n" * text.count("\\n")),
                        server)
        is_(len(set(server.heard)), 1, "C: %.20s: the same bytes" % text,
            server.heard)
    for text in ("x\\r\\n", " x \\r\\n", "\\x00\\r\\n", "a\\nb\\r\\n",
                 "PASS\\r\\n", "y" * 4000 + "\\r\\n"):
        server = Fake(echo)
        replays("C> %.20s" % text, "S: +OK\nC> %s\nS~ .*\n" % text, server)
        is_(len(set(server.heard)), 1, "C> %.20s: the same bytes" % text,
            server.heard)


def echo(link):
    """Answers a line with how long it was, a bare LF with nothing."""
    link.say(b"+OK\r\n")
    buf = b""
    for got in iter(lambda: link.sock.recv(65536), b""):
        said, buf = buf.count(b"\r\n"), buf + got
        for line in buf.split(b"\r\n")[said:-1]:
            link.say(b"%d\r\n" % len(line))
    link.fake.heard.append(buf)


@test
def connections():
    """Two connections, close, reset, half, open, exec"""
    server = Fake(ordinary([HELLO] * 2))
    first = replays("two connections", "Sa: +OK\nSb: +OK\nCa: STAT\nCb: UIDL\n"
                    "Sb: +OK\nSa: +OK\nSb: ...\nCa: QUIT\nSa: +OK\neof a\n"
                    "Cb: STAT\nSb: +OK\n", server)
    is_(first, "Sa: +OK ready\nSb: +OK ready\nCa: STAT\nCb: UIDL\nSb: +OK\n"
        "Sa: +OK 2 56\nSb= 1 uid-0\nSb= 2 uid-1\nSb= .\nCa: QUIT\nSa: +OK\n"
        "close a\nCb: STAT\nSb: +OK 2 56\nclose b\n", "two connections: text")
    replays("close, and again", "S: +OK\nclose\nS: +OK\nC: STAT\nS: +OK\n"
            "close\n", server)
    first = replays("reset", "S: +OK\nreset\nSx: +OK\nreset x\n", server)
    is_(first, "S: +OK ready\nreset\nSx: +OK ready\nreset x\n", "reset: text")
    first = replays("half", "S: +OK\nC: STAT\nhalf\nS: +OK\neof\n", server)
    ok("half\n" in first, "half: text", first)
    other = Fake(ordinary(greeting=b"+OK other\r\n"))
    first = replays("open", "S: +OK ready\nopen %s x\nSx: +OK other\n"
                    % other.target, server)
    ok("open %s x\n" % other.target in first, "open: text", first)
    first = replays("exec", "exec printf '+OK a\\r\\n'; cat\nS: +OK a\n"
                    "C: x\nS= x\n", None)
    replays("several tests become one", "test a\nS: +OK\nC: STAT\nS: +OK\n"
            "test b\nSx: +OK\nCx: LIST\nSx: +OK\nSx: ...\nlog no\n", server)
    replays("mdpop3d, with odd messages", "S: +OK\nC: LIST\nS: +OK\nS: ...\n"
            "for i in 1..12\nC: RETR $i\nS: +OK\nS: ...\nC: TOP $i 2\n"
            "S: +OK\nS: ...\nend\n", odd_box())


def odd_box():
    box = Maildir()
    messages = list(odd_messages().values())[:40:3]
    for i, data in enumerate(messages[:12]):
        box.add("new", "%02d.a" % i, data)
    return box


@test
def verbs():
    """What other verbs show is a script, too"""
    for args in (["stat"], ["list"], ["uidl"], ["top", "1", "1"],
                 ["get", "1"], ["capa"], ["check"]):
        server = Fake(ordinary())
        got = pop3test(*args, "-v", *LOGIN, server.target)
        ok(SECRET.encode() not in got.err, args[0] + " -v: no password")
        again = run(got.err, server, *LOGIN)
        is_((got.status, again.status), (0, 0),
            args[0] + " -v: the transcript passes", got.err, again.out)


# ---- secrets -----------------------------------------------------------------

def b64(*parts):
    return base64.b64encode(b"\0".join(p.encode() for p in parts)).decode()


STAMP = "<7@x>"
DIGEST = hashlib.md5((STAMP + SECRET).encode()).hexdigest()
SECRETS = [SECRET, DIGEST, b64("", "al", SECRET), b64(SECRET), "ZmFrZQ",
           SECRET[5:]]
CHALLENGE = base64.b64encode(b"<1@x>").decode()


def safe(link):
    """Says +OK to all that has to do with logging in."""
    link.say(b"+OK %s\r\n" % STAMP.encode())
    asks = []
    for line in iter(link.hear, None):
        word = line.upper().split(b" ")
        if asks:
            link.say(asks.pop(0))
        elif word[:2] == [b"AUTH", b"LOGIN"] and len(word) == 2:
            link.say(b"+ VXNlcm5hbWU6\r\n")
            asks = [b"+ UGFzc3dvcmQ6\r\n", b"+OK\r\n"]
        elif word[:2] == [b"AUTH", b"LOGIN"]:
            link.say(b"+ UGFzc3dvcmQ6\r\n")
            asks = [b"+OK\r\n"]
        elif word[:1] == [b"AUTH"] and len(word) == 2:
            link.say(b"+ %s\r\n" % CHALLENGE.encode())
            asks = [b"+OK\r\n"]
        else:
            link.say(b"+OK\r\n")


def hidden(what, text, *want):
    """No secret in -v, -x, nor in a report; the lines `want` are there.

    With None for the lines it cannot be run again.
    """
    same = want != (None,)
    want = want if same else ()
    server = Fake(safe)
    top = scratch()
    heard = []
    got = run("S: +OK\n" + text, server, "-v", "-x", top, *LOGIN)
    heard += server.heard
    ok(got.status == 0, what + ": it passes", got.out.decode())
    files = b"".join(read("%s/%s" % (top, name)) for name in os.listdir(top))
    for place, data in (("-v", got.err), ("-x", files)):
        found = [s for s in SECRETS if s.encode() in data]
        is_(found, [], "%s: no password in %s" % (what, place), data)
    is_([w for w in want if w + "\n" not in got.err.decode()], [],
        what + ": what stands there", got.err)
    if same:
        server.heard.clear()
        again = run(got.err, server, *LOGIN)
        # of two connections either may be the first to be heard
        is_((again.status, sorted(server.heard)), (0, sorted(heard)),
            what + ": run again it sends the same", got.err, again.out)
    failed = run("S: +OK\n" + text + "S: never\n", server, "-t", "0.1",
                 *LOGIN)
    failed = failed.out + run("S: +OK\n" + text + "check 1 == 2\n", server,
                              "-j", *LOGIN).out
    is_([s for s in SECRETS if s.encode() in failed], [],
        what + ": no password in a report", failed)
    got = run("S: +OK\n" + text, server, "-vv", *LOGIN)
    ok(any(s.encode() in got.err for s in SECRETS), what + ": -vv shows it",
       got.err)


def read(path):
    with open(path, "rb") as file:
        return file.read()


@test
def masked():
    """Passwords, whether they are variables or not"""
    plain, digest, pass64 = b64("", "al", SECRET), DIGEST, b64(SECRET)
    cases = []

    def case(*args):
        cases.append(args)

    for name, text in (("$pass", "$pass"), ("literal", SECRET)):
        case("PASS " + name, "C: PASS %s\nS: +OK\n" % text, "C: PASS $pass")
        case("pass " + name, "C: pass %s\nS: +OK\n" % text)
        case("C> PASS " + name, "C> PASS %s\\r\\n\nS: +OK\n" % text)
        case("USER and PASS in one, " + name,
             "C> USER al\\r\\nPASS %s\\r\\nSTAT\\r\\n\nS: +OK\nS: +OK\n"
             "S: +OK\n" % text)
        case("PASS cut, " + name, "C: PA\\|SS %s\nS: +OK\n" % text)
        case("pipelined, " + name, "C: USER al\nC: PASS %s\nC: STAT\n"
             "S: +OK\nS: +OK\nS: +OK\n" % text, "C: STAT")
    case("PASS in two sends", "C> PASS \nC> $pass\nC> \\r\\n\nS: +OK\n")
    case("PASS in two steps", "C> PA\nwait 10ms\nC: SS $pass\nS: +OK\n")
    case("${pass}", "C: XPASS ${pass}\nS: +OK\n", "C: XPASS ${pass}")
    case("with other variables", "C: LOGIN $user $pass64\nS: +OK\n")
    for name, text in (("$digest", "$digest"), ("literal", digest)):
        case("APOP " + name, "C: APOP al %s\nS: +OK\n" % text)
        case("apop " + name, "C: apop a\\\\l\\$ %s\nS: +OK\n" % text)
    for name, text in (("$plain", "$plain"), ("literal", plain)):
        case("AUTH PLAIN at once, " + name,
             "C: AUTH PLAIN %s\nS: +OK\n" % text, "C: AUTH PLAIN $plain")
        case("auth plain at once, " + name,
             "C: auth plain %s\nS: +OK\n" % text)
        case("AUTH PLAIN, " + name, "C: AUTH PLAIN\nS: +\nC: %s\nS: +OK\n"
             "C: STAT\nS: +OK\n" % text, "C: AUTH PLAIN", "C: $plain",
             "C: STAT")
        case("auth plain, " + name, "C: auth plain\nS: +\nC: %s\nS: +OK\n"
             % text)
        case("C> AUTH PLAIN, " + name, "C> AUTH PLAIN\\r\\n\nS: +\n"
             "C> %s\\r\\n\nS: +OK\n" % text)
    for name, text in (("$pass64", "$pass64"), ("literal", pass64)):
        case("AUTH LOGIN, " + name, "C: AUTH LOGIN\nS: +\nC: $user64\nS: +\n"
             "C: %s\nS: +OK\nC: STAT\nS: +OK\n" % text, "C: $user64",
             "C: $pass64", "C: STAT")
        case("auth login, " + name, "C: auth login\nS: +\nC: %s\nS: +\n"
             "C: %s\nS: +OK\n" % (b64("al"), text), "C: $user64")
    case("AUTH LOGIN with the name", "C: AUTH LOGIN %s\nS: +\nC: $pass64\n"
           "S: +OK\n" % b64("al"))
    case("AUTH CRAM-MD5", "C: AUTH CRAM-MD5\nS: +\nC: $cram\nS: +OK\n"
           "C: PASS $pass\nS: +OK\n", "C: AUTH CRAM-MD5", "C: $cram")
    case("another mechanism", "C: AUTH XOAUTH2 %s\nS: +OK\nC: PASS $pass\n"
           "S: +OK\n" % b64("x", SECRET), None)
    case("cancelled", "C: AUTH PLAIN\nS: +\nC: *\nS: +OK\nC: PASS $pass\n"
           "S: +OK\n", "C: *")
    case("on two connections", "Sb: +OK\nCb: AUTH PLAIN\nC: PASS $pass\n"
           "S: +OK\nSb: +\nCb: $plain\nSb: +OK\n", "Cb: $plain")
    spread(hidden, cases, jobs=8)
    for mech in ("user", "apop", "plain", "login", "cram-md5"):
        server = Fake(safe)
        got = run("login\nC: STAT\nS: +OK\n", server, "-v", "-A", mech, *LOGIN)
        is_((got.status, [s for s in SECRETS if s.encode() in got.err]),
            (0, []), "login, %s: no password" % mech, got.err)
        heard, server.heard[:] = server.heard[:], []
        again = run(got.err, server, *LOGIN)
        is_((again.status, server.heard), (0, heard),
            "login, %s: it runs again" % mech, again.out)


@test
def cram():
    """The answer to a challenge is not shown"""
    server = Fake(safe)
    got = run("S: +OK\nC: AUTH CRAM-MD5\nS: +\nC: $cram\nS: +OK\n", server,
              "-v", *LOGIN)
    answer = server.heard[1]
    ok(got.status == 0 and len(answer) > 20 and answer not in got.err,
       "AUTH CRAM-MD5: no digest in -v", got.err)


# ---- files -------------------------------------------------------------------

@test
def files():
    """-x: a file for each connection"""
    top = scratch()
    server = Fake(ordinary())
    got = run("test a\nS: +OK\nC: STAT\nS: +OK\ntest b\nSx: +OK\nS: +OK\n"
              "Cx: QUIT\nSx: +OK\neof x\nC: UIDL\nS: +OK\nS: ...\n", server,
              "-x", top)
    is_((got.status, got.err), (0, b""), "-x", got)
    names = sorted(os.listdir(top), key=lambda n: int(n.split("-")[1][0]))
    ok(len(names) == 3 and all(map(re.fullmatch, [
        r"\d+-1\.pop3", r"\d+-2-x\.pop3", r"\d+-3\.pop3"], names)),
       "-x: names", names)
    is_([read("%s/%s" % (top, name)) for name in names],
        [b"S: +OK ready\nC: STAT\nS: +OK 1 28\nclose\n",
         b"Sx: +OK ready\nCx: QUIT\nSx: +OK\nclose x\n",
         b"S: +OK ready\nC: UIDL\nS: +OK\nS= 1 uid-0\nS= .\nclose\n"],
        "-x: contents")
    for name in names:
        is_(os.stat("%s/%s" % (top, name)).st_mode & 0o777, 0o600,
            "-x: mode of " + name)
    is_(pop3test("run", top, server.target).status, 0,
        "-x: the folder can be run")
    top = scratch()
    got = run("S: +OK\nC: PASS %s\nS: +OK\n" % SECRET, server, "-x", top,
              "-vv", *LOGIN)
    data = read(top + "/" + os.listdir(top)[0])
    ok(SECRET.encode() in data and data == got.err, "-x and -vv", data)
    got = run("S: +OK\n", server, "-x", "/nowhere/at/all")
    is_(got.status, 3, "-x: a folder that is not there", got)
    deep = scratch() + "/" + "x" * 200
    os.makedirs(deep + "/" + "y" * 200)
    got = run("S: +OK\n", server, "-x", deep + "/" + "y" * 200)
    is_((got.status, os.listdir(deep)), (3, ["y" * 200]),
        "-x: a path too long is no other path", got)


run_tests(jobs=4)
