#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: the words of a script that are neither C nor S

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")

SLOW = 0.3              # seconds a server of these tests takes to answer


def slow(link, args):
    time.sleep(SLOW)
    return b"+OK late\r\n"


# ---- tests -------------------------------------------------------------------

@test
def tests():
    """test, skip, log"""
    got = run("test one\nS: +OK\ntest  two, with  blanks \nS: -ERR\nlog no\n"
              "test three\nskip because $x\nS: -ERR\n"
              "test four\nskip\ntest five\nlog a $x\\tb\nS: +OK\n",
              Fake(ordinary()), "-D", "x=y")
    results, notes, sums = tap(got.out)
    is_([(r.good, r.title, r.skip) for r in results],
        [(True, "t.pop3: one", None),
         (False, "t.pop3: two, with  blanks ", None),
         (True, "t.pop3: three", "because y"),
         (True, "t.pop3: four", ""), (True, "t.pop3: five", None)],
        "results", got)
    is_((notes, sums, got.status), (["a y?b"], (2, 1, 2), 1),
        "log, sums, status")
    got = run("log first\nS: +OK\ntest b\nS: +OK\n", Fake(ordinary()))
    is_(([r.title for r in tap(got.out)[0]], tap(got.out)[1]),
        (["t.pop3", "t.pop3: b"], ["first"]),
        "steps before the first test have the name of the file", got)
    good("directives alone are none", "set a 1\nlog x\ntest b\nS: +OK\n"
         "check $a == 1\n", Fake(ordinary()))
    got = run("skip all of it\ntest a\nS: -ERR\n", Fake(ordinary()))
    is_((tap(got.out)[0], got.status),
        ([(True, "t.pop3", "all of it", None)], 3),
        "skip before the first test skips the file", got)
    got = run("check 1 == 2\ntest a\nS: +OK\n", Fake(ordinary()))
    is_((len(tap(got.out)[0]), tap(got.out)[2], got.status), (1, (0, 1, 0), 1),
        "a failure before the first test ends the file", got)
    got = run("S: -ERR\ntest a\nS: +OK\n", Fake(ordinary()))
    is_((tap(got.out)[2], got.status), ((1, 1, 0), 1),
        "steps that fail before the first test do not", got)
    got = run("test a\nS: +OK\nskip now\nS: x\n", Fake(ordinary()))
    is_((tap(got.out)[2], got.status), ((0, 0, 1), 3),
        "skip in the middle; what is left unread does not matter", got)


@test
def need():
    """need: capabilities, variables, AUTH"""
    capa = b"+OK\r\nTOP\r\nSTLS\r\nSASL PLAIN CRAM-MD5\r\nx-Odd a b\r\n.\r\n"
    for words, there in (
            ("TOP", True), ("top", True), ("TOP STLS", True),
            ("UIDL", False), ("TOP UIDL", False), ("TO", False),
            ("SASL", True), ("SASL=PLAIN", True), ("SASL=CRAM-MD5", True),
            ("SASL=plain", True), ("SASL=LOGIN", False), ("SASL=PLA", False),
            ("TOP=PLAIN", False), ("X-ODD=b", True), ("X-ODD=c", False),
            ("APOP", False), ("AUTH", True), ("$x", True), ("$y", False),
            ("$dir", False), ("TOP $x", True), ("$x TOP $y", False)):
        got = run("test a\nneed %s\nS: +OK\n" % words,
                  Fake(ordinary(CAPA=capa)), "-D", "x=")
        result = tap(got.out)[0][0]
        missing = [w for w in words.split() if w in (
            "UIDL", "TO", "SASL=LOGIN", "SASL=PLA", "TOP=PLAIN", "X-ODD=c",
            "APOP", "$y", "$dir")]
        is_(result.skip, None if there else "needs " + missing[0],
            "need " + words, got)
    for what, talk, args, there in (
            ("APOP", ordinary(greeting=b"+OK <1@x>\r\n"), (), True),
            ("AUTH", ordinary(NOOP=b"-ERR log in\r\n"), (), False),
            ("AUTH", ordinary(NOOP=b"-ERR log in\r\n"), ("-u", "a:b"), True),
            ("$dir", ordinary(), ("-D", "dir=/nowhere"), True),
            ("$user", ordinary(), (), False),
            ("$user $pass", ordinary(), ("-u", "a:b"), True),
            ("TOP", ordinary(CAPA=b"-ERR what?\r\n"), (), False)):
        got = run("test a\nneed %s\nS: +OK\n" % what, Fake(talk), *args)
        is_(tap(got.out)[0][0].skip is None, there,
            "need %s %s" % (what, args), got)

    def after_login(link):
        link.say(b"+OK\r\n")
        names = [b"USER"]
        for line in iter(link.hear, None):
            names += [b"EXPIRE"] if line.startswith(b"PASS") else []
            link.say(b"+OK\r\n" + (b"" if line != b"CAPA" else
                                   b"\r\n".join(names) + b"\r\n.\r\n"))
            if line == b"QUIT":
                return

    server = Fake(after_login)
    good("need asks after the login, too", "test a\nneed EXPIRE USER\nS: +OK\n"
         "test b\nneed USER\nS: +OK\n", server, "-u", "a:b", "-A", "user")
    is_(server.heard.count(b"CAPA"), 2, "it asks once", server.heard)
    bad("need, and nobody there", "test a\nneed TOP\n",
        ["127.0.0.1:%d" % free_port()], 2, "refused")
    good("need $dir where the server is a command", "test a\nneed $dir\n"
         "S: +OK\n", OWN)


@test
def login():
    """login"""
    server = Fake(ordinary())
    good("login", "login\nC: STAT\nS: +OK 1\n", server, "-u", "al:pw")
    ok(b"USER al" in server.heard and b"PASS pw" in server.heard,
       "login: what it says", server.heard)
    good("login behind the greeting", "S: +OK ready\nlogin\nC: STAT\nS: +OK\n",
         server, "-u", "al:pw", "-A", "user")
    good("login on two connections", "login a\nlogin b\nCa: STAT\nSa: +OK\n"
         "Cb: STAT\nSb: +OK\n", server, "-u", "al:pw")
    good("login without a user, where none is asked for",
         "login\nC: STAT\nS: +OK\n", server)
    got = run("test a\nlogin\n", Fake(ordinary(NOOP=b"-ERR\r\n")))
    is_(tap(got.out)[0][0].skip, "needs a user (-u)",
        "login without a user, where one is needed", got)
    bad("login refused", "login\n", Fake(ordinary(PASS=b"-ERR no\r\n")), 2,
        "refused: -ERR no", "-u", "al:pw")
    good("login with variables", "set user me\nset pass it\nlogin\n"
         "C: STAT\nS: +OK\n", server)
    ok(b"USER me" in server.heard and b"PASS it" in server.heard,
       "login with variables: what it says", server.heard)


# ---- connections -------------------------------------------------------------

@test
def opening():
    """open, exec"""
    a = Fake(ordinary(greeting=b"+OK this\r\n"))
    b = Fake(ordinary(greeting=b"+OK that\r\n"))
    good("open TARGET", "open %s\nS: +OK that\nopen\nS: +OK this\n"
         "open pop3://%s\nS: +OK that\n" % (b.target, b.target), a)
    good("open TARGET TAG", "open %s x\nSx: +OK that\nS: +OK this\n"
         "Sx2: +OK this\nclose x\nSx: +OK this\n" % b.target, a)
    good("open without a target on the command line",
         "open $t\nS: +OK that\n", None, "-D", "t=" + b.target)
    detail = bad("open, refused", "S: +OK\nopen 127.0.0.1:%d\n" % free_port(),
                 a, 2, "refused")
    is_(detail.get("stage"), "connect", "open, refused: stage")
    bad("open, no target", "open x@y z\n", a, 3, "^target: ")
    got = run("test a\nopen pop3s://%s x\nSx: +OK\ntest b\nopen %s x\n"
              "Sx: +OK that\n" % (b.target, b.target), a, "-C", "false")
    is_(tap(got.out)[2], (1, 1, 0), "open: nothing of the last one is left",
        got)
    path = scratch() + "/s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)

        def serve():
            sock = listener.accept()[0]
            with sock:
                sock.sendall(b"+OK unix\r\n")
                sock.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        good("open unix:", "open unix:%s\nS: +OK unix\n" % path)

    box = Maildir().fill(3)
    good("exec", "exec %s mdpop3d -a -e -m %s\nS: +OK\nC: STAT\nS: +OK 3\n"
         "C: QUIT\nS: +OK\neof\n" % (POPBOX, box.path))
    good("exec with variables and blanks",
         "set m %s\nexec   %s  mdpop3d -a\t-e -m $m \nS: +OK\nC: STAT\n"
         "S: +OK 3\n" % (box.path, POPBOX))
    good("exec by a shell", "exec printf '+OK a  b\\r\\n'; cat\n"
         "S= +OK a  b\nC: x y\nS= x y\nhalf\neof\n")
    good("exec has the variables in its environment", "set v a b\n"
         "exec printf '+OK %s\\r\\n' \"$v\"; cat\nS= +OK a b\n")
    good("exec beside others", "Sa: +OK this\nexec printf '+OK x\\r\\n'; "
         "cat\nS: +OK x\nCa: NOOP\nSa: +OK\n", a)
    good("exec again", "exec printf '+OK 1\\r\\n'; cat\nS: +OK 1\n"
         "exec printf '+OK 2\\r\\n'; cat\nS: +OK 2\n")


@test
def cannot_start():
    """A server that cannot start fails at once, and tells why"""
    for what, text, target in (
            ("exec", "exec %s mdpop3d -Y\nS: +OK\n" % POPBOX, None),
            ("--", "S: +OK\n", ["--", POPBOX, "mdpop3d", "-Y"])):
        began = time.monotonic()
        bad(what, text, target, 1, r"^want S: .*, got -ERR .*; it says: "
            r".*Y", "-t", "30")
        ok(time.monotonic() - began < 5, what + ": at once")
    bad("no such program", "exec /no/such/program -x\nS: +OK\n", None, 2,
        r"EOF.*it says: cannot run /no/such/program: No such file")
    bad("it dies", "exec echo oh dear >&2; exit 3\nS: +OK\n", None, 2,
        r"EOF.*it says: oh dear")
    bad("it dies later", "exec printf '+OK\\r\\n'; read x; echo bye >&2\n"
        "S: +OK\nC: x\nS: +OK\n", None, 2, r"EOF.*it says: bye")


@test
def closing():
    """close, reset, half, eof"""
    log = []

    def talk(link):
        link.say(b"+OK\r\n")
        try:
            while True:
                got = link.sock.recv(65536)
                log.append(got)
                if not got:
                    break
        except ConnectionResetError:
            log.append("reset")
        link.say(b"+OK bye\r\n")

    def after(text, target=None):
        log.clear()
        got = run(text, target or Fake(talk))
        wait_for(lambda: log and log[-1] in (b"", "reset"))
        return got.status, log

    is_(after("S: +OK\nC> x\nclose\n"), (0, [b"x", b""]), "close")
    is_(after("S: +OK\nC> x\nwait 30ms\nreset\n"), (0, [b"x", "reset"]),
        "reset")
    is_(after("Sa: +OK\nCa> x\nwait 30ms\nreset a\n"), (0, [b"x", "reset"]),
        "reset TAG")
    is_(after("S: +OK\nC> x\nhalf\nS: +OK bye\neof\n"), (0, [b"x", b""]),
        "half, answers are still read, eof")
    is_(after("Sx: +OK\nhalf x\nSx: +OK bye\neof x\n"), (0, [b""]),
        "half TAG, eof TAG")
    for word in ("close", "reset", "half", "eof", "quiet 1ms", "tls"):
        bad(word + ", not open", word + "\nS: +OK\n", Fake(ordinary()), 3,
            "no open connection")
        bad(word + ", not open", "S: +OK\n%s abc\n" % word, Fake(ordinary()),
            3, "no open connection abc")
        bad(word + ", not any more", "S: +OK\nclose\n%s\n" % word,
            Fake(ordinary()), 3, "no open connection")
    quits = ordinary()
    good("eof", "S: +OK\nC: QUIT\nS: +OK\neof\n", Fake(quits))
    bad("eof, but it says something", "S: +OK\nC: QUIT\neof\n", Fake(quits),
        1, r"^want EOF, got: \+OK")
    bad("eof, but it stays", "timeout 200ms\nS: +OK\neof\n", Fake(quits), 2,
        "^timeout")
    good("eof by RST", "S: +OK\nC: x\nwait 50ms\neof\n", Fake(resetting))
    good("C lines to a server that has gone are no error",
         "S: +OK\nC: QUIT\nwait 50ms\nC: a\nC: b\nwait 20ms\nC: c\nS: +OK\n"
         "eof\n", Fake(quits))


def resetting(link):
    link.say(b"+OK\r\n")
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         b"\1\0\0\0\0\0\0\0")
    link.sock.recv(65536)
    link.sock.close()


# ---- time --------------------------------------------------------------------

@test
def limits():
    """timeout, within, wait, -t"""
    def timed(what, text, least, most, status=0, said=None, *args):
        began = time.monotonic()
        if status:
            bad(what, text, Fake(ordinary(X=slow)), status, said, *args)
        else:
            good(what, text, Fake(ordinary(X=slow)), *args)
        took = time.monotonic() - began
        ok(least <= took < most, what + ": time", took)

    timed("timeout is long enough", "timeout 5s\nS: +OK\nC: X\nS: +OK\n",
          SLOW, 5)
    timed("timeout", "timeout 100ms\nS: +OK\nC: X\nS: +OK\n", 0.1, SLOW + 2,
          2, "^timeout: no answer")
    timed("timeout, S=", "timeout 100ms\nS: +OK\nC: X\nS= +OK late\n", 0.1,
          SLOW + 2, 2, "^timeout: no answer")
    timed("-t", "S: +OK\nC: X\nS: +OK\n", 0.1, SLOW + 2, 2,
          "^timeout: no answer", "-t", "0.1")
    timed("timeout is more than -t", "timeout 5\nS: +OK\nC: X\nS: +OK\n",
          SLOW, 5, 0, None, "-t", "0.1")
    timed("within", "S: +OK\nC: X\nwithin 100ms\nS: +OK\n", 0.1, SLOW + 2, 2,
          "^timeout: no answer")
    timed("within, S?", "S: +OK\nC: X\nwithin 100ms\nS? x\n", 0.1, SLOW + 2,
          2, "^timeout: no answer")
    timed("within, eof", "S: +OK\nwithin 100ms\neof\n", 0.1, 2, 2, "^timeout")
    timed("within is long enough", "S: +OK\nC: X\nwithin 5s\nS: +OK\n", SLOW,
          5)
    timed("within is for one step", "S: +OK\nC: X\nwithin 100ms\nlog x\n"
          "S: +OK\n", SLOW, 5)
    timed("within is less than timeout only", "timeout 100ms\nS: +OK\nC: X\n"
          "within 5s\nS: +OK\n", 0.1, SLOW + 2, 2, "^timeout: no answer")
    timed("within, a step of our own", "S: +OK\nwithin 50ms\nwait 100ms\n",
          0.1, 2, 1, "^it came, but too late$")
    timed("timeout ends with its test", "test a\ntimeout 100ms\nS: +OK\n"
          "test b\nS: +OK\nC: X\nS: +OK\n", SLOW, 5)
    timed("wait", "S: +OK\nwait 150ms\nwait 0.1\n", 0.25, 2)
    timed("wait with a variable", "S: +OK\nset t 150\nwait ${t}ms\n", 0.15, 2)
    bad("a duration that is none", "S: +OK\nset t x\nwait $t\n",
        Fake(ordinary()), 3, "not a duration: x")
    timed("timeout for prose", "timeout 9\nS: +OK\nC: X\nS: +OK\n"
          "timeout 100ms\nS: <x>\nS: .\n", 0.1, SLOW + 3, 2, "^timeout")


@test
def drips():
    """A server that says a byte now and then gains no time"""
    def drip(data, pause):
        def talk(link):
            link.say(b"+OK\r\n")
            while True:
                link.drip(data, pause)
        return talk

    for what, step, data, pause in (
            ("a line", "S: +OK", b"x", 0.05),
            ("S?", "S? $_", b"x\r\n", 0.02), ("S?", "S? $_", b"xyz\r\n", 0.02),
            ("prose", "S: <x>", b"x\r\n", 0.02),
            ("a body", "S: ...", b"x\r\n", 0.02)):
        began = time.monotonic()
        bad("drop by drop: " + what, "timeout 300ms\nS: +OK\n%s\n" % step,
            Fake(drip(data, pause)), 2, "^timeout")
        ok(time.monotonic() - began < 3, "drop by drop, %s: time" % what)
    good("but a long answer has its time", "timeout 300ms\nS: +OK\nS: ...\n",
         Fake(says_slowly))
    good("lines with S?, too", "timeout 300ms\nS: +OK\nS? $_\nS: .\n",
         Fake(says_slowly))
    good("and prose", "timeout 300ms\nS: +OK\nS: <x>\nS: .\n",
         Fake(says_slowly))


def says_slowly(link):
    link.say(b"+OK\r\n")
    for _ in range(6):
        link.say((b"x" * 98 + b"\r\n") * 5)
        time.sleep(0.1)
    link.say(b".\r\n")
    link.sock.recv(1)


@test
def silence():
    """quiet"""
    for what, text, talk, status, said in (
            ("quiet", "S: +OK\nquiet 100ms\n", ordinary(), 0, None),
            ("it speaks", "S: +OK\nC: X\nquiet 2s\n", ordinary(X=slow), 1,
             r"^want silence, got: \+OK late"),
            ("something is there", "quiet 100ms\n", ordinary(), 3, None),
            ("something was there", "S: +OK\nC: NOOP\nwait 50ms\n"
             "quiet 50ms\n", ordinary(), 1, "^want silence"),
            ("it goes", "S: +OK\nC: QUIT\nS: +OK\nquiet 1s\n", ordinary(), 2,
             "^EOF"),
            ("quiet TAG", "Sa: +OK\nSb: +OK\nCa: NOOP\nquiet 50ms b\n"
             "Sa: +OK\n", ordinary(), 0, None),
            ("it comes later", "S: +OK\nC: X\nquiet 50ms\nS: +OK late\n",
             ordinary(X=slow), 0, None)):
        if status:
            bad("quiet: " + what, text, Fake(talk), status, said)
        else:
            good("quiet: " + what, text, Fake(talk))


# ---- the network -------------------------------------------------------------

@test
def split():
    """split N DUR"""
    is_(writes("S: +OK\nsplit 3 1ms\nC: ABCDEFG\nS: +OK\n"),
        [b"ABC", b"DEF", b"G\r\n"], "split 3")
    is_(writes("S: +OK\nsplit 1 0\nC: ABC\nC: D\nS: +OK\nS: +OK\n"),
        [bytes([b]) for b in b"ABC\r\nD\r\n"], "split 1, two lines")
    is_(writes("S: +OK\nsplit 1 0s\nsplit 0\nC: ABC\nS: +OK\n"),
        [b"ABC\r\n"], "split 0")
    is_(writes("S: +OK\nsplit 2 0s\nC: A\\|BCD\nS: +OK\n"),
        [b"A", b"BC", b"D\r", b"\n"], "split and cuts")
    for off in ("split 0 a", "split 0 1ms a", "split 0 a\nsplit 1 0 b"):
        got = []
        run("timeout 5\nSa: +OK\nsplit 1 50ms a\n%s\nCa: ABC\nSa: +OK\n" % off,
            Fake(raw(got)))
        is_(got[:1], [b"ABC\r\n"], off.replace("\n", ", "))
    came = []

    def talk(link):
        link.say(b"+OK\r\n")
        while link.sock.recv(65536):
            came.append(time.monotonic())

    run("S: +OK\nsplit 1 30ms\nC: abc\n", Fake(talk))
    ok(came[-1] - came[0] >= 0.1, "split: the pause", came)
    good("split counts before the connection, and stays",
         "split 4 1ms\nS: +OK\nC: NOOP\nS: +OK\nclose\nS: +OK\nC: NOOP\n"
         "S: +OK\n", Fake(ordinary()))
    good("a server sees commands cut anywhere", "split 1 0ms\nS: +OK\n"
         "C: STAT\nC: LIST\nS: +OK 1\nS: +OK\nS: 1\nS: .\nC: QUIT\nS: +OK\n"
         "eof\n", Maildir().fill(1))


@test
def drain():
    """drain N DUR, rcvbuf"""
    sizes = []

    def talk(link):
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link.say(b"+OK\r\n")
        link.hear()
        began = time.monotonic()
        link.say(b"+OK\r\n" + b"x" * 70 * 1000 + b"\r\n.\r\n")
        sizes.append(time.monotonic() - began)
        link.sock.recv(1)

    body = "C: RETR 1\nS: +OK\nS: ... -> m\ncheck $m.octets == 70002\n"
    good("drain", "rcvbuf 4096\nS: +OK\ndrain 1000 5ms\n" + body, Fake(talk))
    ok(sizes[0] > 0.2, "drain: it takes long", sizes)
    began = time.monotonic()
    good("drain does not count for timeout", "rcvbuf 4096\ntimeout 300ms\n"
         "S: +OK\ndrain 2000 20ms\n" + body, Fake(talk))
    ok(time.monotonic() - began > 0.6, "drain: slower than timeout")
    began = time.monotonic()
    good("drain 0", "S: +OK\ndrain 1 1s\ndrain 0\n" + body, Fake(talk))
    ok(time.monotonic() - began < 10, "drain 0: time")
    good("drain N DUR TAG", "Sa: +OK\ndrain 1 1s b\n" +
         body.replace("C:", "Ca:").replace("S:", "Sa:"), Fake(talk))
    windows = []

    def window(link):
        # What the client announces at first; struct tcp_info, tcpi_snd_wnd.
        info = link.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        windows.append(int.from_bytes(info[228:232], sys.byteorder))
        link.say(b"+OK\r\n")
        link.sock.recv(1)

    run("test a\nrcvbuf 4096\nS: +OK\ntest b\nS: +OK\n", Fake(window))
    if len(windows) == 2 and windows[1] > 0:
        ok(windows[0] < 10000 < windows[1],
           "rcvbuf: for the connections of its test", windows)
    else:
        skip("rcvbuf", "the kernel does not tell")


# ---- variables ---------------------------------------------------------------

CHECKS = (
    ("1 == 1", 1), ("1 == 2", 0), ("1 != 2", 1), ("1 != 1", 0),
    ("1 < 2", 1), ("2 < 2", 0), ("2 <= 2", 1), ("3 <= 2", 0), ("3 > 2", 1),
    ("2 > 2", 0), ("2 >= 2", 1), ("1 >= 2", 0),
    ("1 + 2 == 3", 1), ("5 - 2 == 3", 1), ("2 * 3 == 6", 1),
    ("1 + 2 * 3 == 9", 1), ("10 - 2 - 3 == 5", 1), ("2 * 3 + 1 == 7", 1),
    ("1 == 1 + 1", 1), ("1 == 1 == 1", 1), ("1 == 2 == 1", 0),
    ("1", 1), ("0", 0), ("00", 0), ("2 - 2", 0), ("x", 1), ("007 == 7", 1),
    ("abc == abc", 1), ("abc == abd", 0), ("abc != abd", 1),
    ("$a == 5", 1), ("$a + $a == 10", 1), ("$a$a == 55", 1),
    ("$t == x\\x20y", 1),
    ('"" == "$none"', 1), ("$none == $none", 1), ("$none == x", 0),
    ("\\$a == 5", 0),
    ("10 > 9", 1), ("100 == 1e2", 0),
    ("18446744073709551615 == 18446744073709551615", 1),
    ("18446744073709551614 + 1 == 18446744073709551615", 1),
    ("18446744073709551615 > 1", 1), ("4294967296 * 4294967295 > 0", 1),
    ("18446744073709551615 + 1", None), ("1 - 2", None),
    ("4294967296 * 4294967296", None), ("a + 1", None), ("1 + a", None),
    ("a < b", None), ("1 +", None), ("1 1", None), ("1 / 1", None),
    ("1 = 1", None), ("1 <> 2", None), ("1 === 1", None), ("1 ++ 1", None),
)


@test
def expressions():
    """check and let"""
    before = "set a 5\nset t x y\nset none\nS: +OK\n"

    def one(text, value):
        server = Fake(ordinary())
        if value is None:
            bad("check " + text, before + "check " + text, server, 3,
                "cannot calculate|nothing behind")
            return
        if value:
            good("check " + text, before + "check " + text, server)
        else:
            bad("check " + text, before + "check " + text, server, 1,
                "^not so: ")

    spread(one, CHECKS, jobs=4)
    good("let", before + "let n = 1 + 2 * 3\ncheck $n == 9\n"
         "let n = $n + $n\ncheck $n == 18\nlet b = $n > 17\ncheck $b == 1\n"
         "let s = $t\ncheck $s == $t\nlet x = abc\ncheck $x == abc\n",
         Fake(ordinary()))
    detail = bad("check shows the values", before + "check $a + 1 == $t\n",
                 Fake(ordinary()), 1, r"^not so: 5 \+ 1 == x y$")
    is_((detail.get("want"), detail.get("got")),
        ("check $a + 1 == $t", "5 + 1 == x y"), "want and got of check")


@test
def variables():
    """set, unset, -D"""
    good("set", "set a 1\nset b $a two  words\nset c\nset d   x \nS: +OK\n"
         "check $b == 1\\x20two\\x20\\x20words\ncheck a$c == a\n"
         "check $d == x\\x20\nset e a\\tb\\\\\\$x\nS~ (.*) -> f\n"
         "check $e == $f\n", Fake(says(b"+OK\r\na\tb\\$x\r\n")))
    good("set again", "set a 1\nset a $a$a\nset a $a$a\nS: +OK\n"
         "check $a == 1111\n", Fake(ordinary()))
    good("variables live for the file", "set a 1\ntest b\nset b 2\nS: +OK\n"
         "test c\ncheck $a$b == 12\nS: +OK\n", Fake(ordinary()))
    one = write("test a\nset v 1\nS: +OK\n", "a.pop3")
    two = write("test b\nS: +OK\nlog $v\n", "b.pop3")
    got = pop3test("run", one, two, Fake(ordinary()).target)
    like(got.out, r"\$v is not set", "but not longer")
    good("unset", "set a 1\nset b 2\nunset a b nothing\nS: $a\n"
         "check $a == +OK\n", Fake(says(b"+OK\r\n")))
    good("-D, and set over it", "check $a == 1\nset a 2\ncheck $a == 2\n"
         "S: +OK\n", Fake(ordinary()), "-D", "a=1")


@test
def loops():
    """for, repeat"""
    def sent(text):
        server = Fake(ordinary(X=b"+OK\r\n"))
        good(text.replace("\n", "; ")[:60], "S: +OK\n" + text, server)
        return b" ".join(line[2:] for line in server.heard).decode()

    x = "C: X $i\nS: +OK\nend\n"
    is_(sent("for i in 1..4\n" + x), "1 2 3 4", "for")
    is_(sent("for i in 3..3\n" + x), "3", "for, one turn")
    is_(sent("for i in 2..1\n" + x), "", "for, no turn")
    is_(sent("for i in 0..2\n" + x), "0 1 2", "for, from 0")
    is_(sent("set n 3\nfor i in 2..$n\n" + x), "2 3", "for, a variable")
    is_(sent("set a 4\nset b 6\nfor i in $a..$b\n" + x), "4 5 6",
        "for, variables")
    is_(sent("for i in 18446744073709551614..18446744073709551615\n" + x),
        "18446744073709551614 18446744073709551615", "for, up to 2^64 - 1")
    is_(sent("for i in 1..2\nfor k in 1..2\nC: X $i$k\nS: +OK\nend\nend\n"),
        "11 12 21 22", "for in for")
    is_(sent("for i in 1..2\nfor k in $i..2\nC: X $i$k\nS: +OK\nend\nend\n"),
        "11 12 22", "the inner one is calculated anew")
    is_(sent("for i in 1..3\nset i 7\nC: X $i\nS: +OK\nend\nC: X $i\n"
             "S: +OK\n"), "7 7 7 7", "set in a loop does not change its count")
    is_(sent("repeat 3\nC: X a\nS: +OK\nend\n"), "a a a", "repeat")
    is_(sent("repeat 0\nC: X a\nS: +OK\nend\n"), "", "repeat 0")
    is_(sent("set n 2\nrepeat $n\nC: X a\nS: +OK\nend\n"), "a a",
        "repeat, a variable")
    is_(sent("repeat 2\nend\nfor i in 1..2\nend\n"), "", "empty loops")
    bad("repeat, no number", "S: +OK\nset n x\nrepeat $n\nend\n",
        Fake(ordinary()), 3, "not a number: x")
    bad("for, no numbers", "S: +OK\nfor i in a..3\nend\n", Fake(ordinary()),
        3, "want numbers")
    got = run("test a\nS: +OK\nfor i in 1..3\ncheck $i < 2\nend\n"
              "test b\nS: +OK\n", Fake(ordinary()))
    is_(tap(got.out)[2], (1, 1, 0), "a failure ends the loop and the test",
        got)
    is_(tap(got.out)[0][0].detail["message"], "not so: 2 < 2",
        "in its second turn")
    bad("barrier", "S: +OK\nbarrier x 2\n", Fake(ordinary()), 3, "for load")


run_tests(jobs=4)
