#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The server's own listener: addresses, limits, children, descriptors."""

import ctypes
import fcntl
import functools
import re
import struct
import sys
sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/lib")
from popbox import *

if not config("FEATURE_MDPOP3D_LISTEN"):
    skip_all("no listener in this build")

HAS_IPV6 = os.path.exists("/proc/net/if_inet6") and any(
    line.startswith("0" * 31 + "1 ") for line in open("/proc/net/if_inet6"))


def preauth(count=1, *args, **how):
    """A listener over one Maildir, without passwords."""
    box = Maildir().fill(count)
    server = listener("-a", "-m", box.path, *args, **how)
    server.box = box
    return server


def visit(server, **how):
    """A whole short session; what the server said."""
    with connect(server, **how) as c:
        c.send("STAT\r\nQUIT\r\n")
        return c.rest()


def idle(server):
    """Waits until no session is left."""
    return wait_for(lambda: not server.children())


def sessions_of(server):
    """The listener's own children, one for each session."""
    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
        return file.read().split()


GOOD = rb"\+OK\r\n\+OK \d+ \d+\r\n\+OK\r\n"


@test
def sessions():
    """one session after the other, and at a time"""
    server = preauth(3)
    for _ in range(3):
        like(visit(server), r"\A\+OK\r\n\+OK 3 \d+\r\n\+OK\r\n\Z", "a session")
        ok(idle(server), "its process ends")
    with connect(server) as first:
        is_(first.line(), b"+OK\r\n", "C116 first session")
        with connect(server) as second:
            like(second.line(), r"\A-ERR \[IN-USE\]", "C51 C116 second")
            is_(second.rest(), b"", "C116 and its end")
        is_(first.cmd("NOOP"), b"+OK\r\n", "C116 the first goes on")
    ok(idle(server), "C116 the lock goes with its process")
    like(visit(server), GOOD.decode(), "C116 free again")
    ok(server.wait_log(r"\[127\.0\.0\.1\]\[\w+\] quit \(3/"), "the log")


@test
def with_login():
    """C35 logins through the listener"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    for name in ("joe", "jane"):
        users.add(name, "pw").fill(2)
    server = listener("-P", users.path)
    slow = connect(server)
    slow.line()
    slow.send("USER joe\r\nPASS wrong\r\n")
    began = time.monotonic()
    with connect(server) as c:
        c.line()
        c.cmd("USER jane")
        is_(c.cmd("PASS pw"), b"+OK\r\n", "C35 a login during the delay")
        ok(time.monotonic() - began < 1.6, "C35 is not delayed")
        with connect(server) as again:
            again.line()
            again.cmd("USER jane")
            like(again.cmd("PASS pw"), r"\A-ERR \[IN-USE\]",
                 "C51 C116 a second session of jane")
    like(slow.rest(), r"\A\+OK\r\n-ERR \[AUTH\]", "C35 and then the refusal")
    ok(idle(server), "C35 all have ended")
    with open("/proc/%d/status" % server.pid) as file:
        like(file.read(), r"(?m)^Uid:\t0\t0\t0\t0$", "the listener stays root")


@test
def address_forms():
    """-l and its forms"""
    box = Maildir().fill(1)
    port = free_port()
    cases = [(["127.0.0.1:%d"], ["127.0.0.1"], ["127.0.0.2"]),
             # With -a a port alone is for this host only.
             (["%d"], ["127.0.0.1"], ["127.0.0.2"]),
             (["127.0.0.2:%d", "127.0.0.3:%d"], ["127.0.0.2", "127.0.0.3"],
              ["127.0.0.1"]),
             (["0.0.0.0:%d"], ["127.0.0.1", "127.0.0.9"], [])]
    if HAS_IPV6:
        cases += [(["[::1]:%d"], ["::1"], ["127.0.0.1"]),
                  (["%d"], ["::1", "127.0.0.1"], ["127.0.0.2"]),
                  (["[::1]:%d", "127.0.0.1:%d"], ["::1", "127.0.0.1"], [])]
    for forms, reached, refused in cases:
        port = free_port()
        args = [a for f in forms for a in ("-l", f % port)]
        server = Server("-a", "-e", "-m", box.path, *args)
        # A port alone is a socket for IPv4 and one for IPv6.
        sockets = len(forms) if ":" in forms[0] else 1 + HAS_IPV6
        ok(server.wait_log("(?s)" + ".*".join(["listening"] * sockets)),
           "-l %s: listens" % " ".join(forms), server.log())
        server.port = port
        for address in reached:
            like(visit(server, address=address), GOOD.decode(),
                 "-l %s: reached at %s" % (" ".join(forms), address))
            ok(idle(server), "and free again")
        for address in refused:
            try:
                connect(server, address=address).close()
                ok(False, "-l %s: not at %s" % (" ".join(forms), address))
            except ConnectionRefusedError:
                ok(True, "-l %s: not at %s" % (" ".join(forms), address))
        server.end()


@test
def all_addresses():
    """-l with a port alone, and passwords: every address"""
    need("FEATURE_MDPOP3D_AUTH")
    port = free_port()
    server = Server("-e", "-l", str(port))
    ok(server.wait_log("(?s)listening" + ".*listening" * HAS_IPV6), "listens")
    server.port = port
    for address in ["127.0.0.1", "127.0.0.5"] + ["::1"] * HAS_IPV6:
        with connect(server, address=address) as c:
            is_(c.line(), b"+OK\r\n", "reached at " + address)


@test
def wrong_addresses():
    """-l with what is no address"""
    for value in ("", "x", "65536", "-1", "1.2.3:110", ":110", "110:",
                  "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:110",
                  "[::1]", "[::1]110", "[::1:110", "[127.0.0.1]:110", "[]:110",
                  "localhost:http", "127.0.0.1:110:1", "]:1", "[:1", ":"):
        server = Server("-a", "-e", "-l", value)
        is_(server.wait(), 100, "-l %r: exit status" % value)
        ok(server.log().strip(), "-l %r: a message" % value)


@test
def address_in_use():
    """-l with a port that is taken"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        server = Server("-a", "-e", "-l", "127.0.0.1:%d" % s.getsockname()[1])
        is_(server.wait(), 111, "exit status")
        like(server.log(), r"(?i)in use", "the message")


@test
def ipv6():
    """C120 an IPv6 client"""
    if not HAS_IPV6:
        raise Skip("no IPv6 here")
    box = Maildir().fill(1)
    server = listener("-a", "-m", box.path, address="::1")
    like(visit(server), GOOD.decode(), "C120 served")
    ok(server.wait_log(r"\[::1\]\[\w+\] quit"), "C120 and logged")


@test
def limit_in_all():
    """C121 -L"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener("-L", "3", "-I", "10")
    clients = [connect(server) for _ in range(3)]
    is_([c.line() for c in clients], [b"+OK\r\n"] * 3, "C121 three are served")
    for _ in range(3):
        with connect(server) as c:
            like(c.rest(), r"\A-ERR \[(SYS/TEMP|IN-USE)\] [ -~]+\r\n\Z",
                 "C121 the fourth is refused politely")
    is_(clients[0].cmd("QUIT"), b"+OK\r\n", "C121 one of them ends")
    ok(wait_for(lambda: len(sessions_of(server)) == 2),
       "C121 its process, too")
    with connect(server) as c:
        is_(c.line(), b"+OK\r\n", "C121 and the next is served")
    server.wait_log("refused")
    refusals = len(re.findall(r"refused", server.log()))
    ok(1 <= refusals < 3, "C121 refusals are logged, but not each", refusals)


def knock(server, address, source=None):
    """A connection that stays, and its greeting, from a source address."""
    s = socket.create_connection((address, server.port), PATIENCE,
                                 source and (source, 0))
    s.settimeout(None)
    c = Client(s.fileno(), owner=s)
    c.greeting = c.line()
    return c


REFUSED_HERE = b"-ERR [SYS/TEMP] too many sessions from your address\r\n"


@test
def limit_per_address():
    """C121 -I"""
    need("FEATURE_MDPOP3D_AUTH")
    port = free_port()
    server = Server("-e", "-l", "0.0.0.0:%d" % port, "-I", "2")
    server.port = port
    ok(server.wait_log("listening"), "C121 listens")
    near = functools.partial(knock, server, "127.0.0.1", "127.0.0.1")
    other = functools.partial(knock, server, "127.0.0.1", "127.0.0.7")
    held = [near(), near(), other()]
    is_([c.greeting for c in held], [b"+OK\r\n"] * 3, "C121 two and one")
    like(near().greeting, r"\A-ERR \[(SYS/TEMP|IN-USE)\]",
         "C121 a third of the first address is not")
    is_(other().greeting, b"+OK\r\n", "C121 a second of the other")
    held[0].close()
    ok(wait_for(lambda: len(sessions_of(server)) == 3), "C121 one leaves")
    is_(near().greeting, b"+OK\r\n", "C121 and one can come")


@test
def limit_by_family():
    """C120 C121 -I counts IPv4 and IPv6 apart"""
    need("FEATURE_MDPOP3D_AUTH")
    if not HAS_IPV6:
        raise Skip("no IPv6 here")
    for one, other in (("::1", "127.0.0.1"), ("127.0.0.1", "::1")):
        server = Server("-e", "-I", "2", "-l", str(free_port()))
        m = server.wait_log(r"(?s)listening.*:(\d+)\n.*listening")
        ok(m, "C121 listens", server.log())
        server.port = int(m.group(1))
        clients = [knock(server, a) for a in (one, one, one, other, other,
                                              other)]
        is_([c.greeting for c in clients],
            [b"+OK\r\n", b"+OK\r\n", REFUSED_HERE] * 2,
            "C120 C121 two of %s, two of %s" % (one, other))


# From the kernel's headers; Python has no names for them.
CLONE_NEWNET, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 1 << 30, 0x8914, 0x8916, 1


def is_ours(address):
    """Can something listen there?"""
    with socket.socket(socket.AF_INET6) as s:
        try:
            s.bind((address, 0))
            return True
        except OSError:
            return False


class Network:
    """A network of our own: lo, with addresses; for the threads inside."""

    def __init__(self, addresses):
        """`addresses` are IPv6 ones for lo, besides ::1."""
        need_root()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        cleanup(os.close, self.outside)
        if self.libc.unshare(CLONE_NEWNET):
            self._cannot(os.strerror(ctypes.get_errno()))
        self.inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        cleanup(os.close, self.inside)
        try:
            with socket.socket(socket.AF_INET6) as s:
                fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo",
                                                         IFF_UP))
                for address in addresses:
                    fcntl.ioctl(s, SIOCSIFADDR, socket.inet_pton(
                        socket.AF_INET6, address) + struct.pack("Ii", 128, 1))
            # The kernel does it by and by.
            wait_for(lambda: all(map(is_ours, addresses)))
        except OSError as why:
            self._leave()
            self._cannot(why)
        self._leave()

    def _cannot(self, why):
        """Skips the test; where all is to be tested, fails it."""
        if not os.environ.get("CI"):
            raise Skip("no network of its own: %s" % why)
        raise AssertionError(why)

    def _leave(self):
        """Back into the network of the other threads."""
        if self.libc.setns(self.outside, CLONE_NEWNET):
            os._exit(1)

    def __enter__(self):
        """Sockets and processes made from now on are inside, and stay."""
        if self.libc.setns(self.inside, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def __exit__(self, *_):
        """The thread is outside again."""
        self._leave()


@test
def limit_by_network():
    """C121 -I counts IPv6 clients by their /64"""
    need("FEATURE_MDPOP3D_AUTH")
    one, same, next_one, far = ("fd00:0:0:1::1", "fd00::1:8000:0:0:2",
                                "fd00:0:0:2::1", "fd01:0:0:1::1")
    with Network([one, same, next_one, far]):
        server = Server("-e", "-I", "2", "-l", "[%s]:1110" % one)
        server.port = 1110
        ok(server.wait_log("listening"), "C121 listens", server.log())
        clients = [knock(server, one, source) for source in (
            one, same, one, same, next_one, far, next_one, next_one)]
    is_([c.greeting for c in clients],
        [b"+OK\r\n"] * 2 + [REFUSED_HERE] * 2 + [b"+OK\r\n"] * 3 +
        [REFUSED_HERE], "C120 C121 two of each /64, whatever their addresses")


# ---- who gives trouble, and who is new --------------------------------------

TROUBLE = b"-ERR [SYS/TEMP] too many failures from your address\r\n"
GREETING = b"+OK\r\n"


def come(server, number):
    """A connection from 127.0.0.NUMBER."""
    return knock(server, "127.0.0.1", "127.0.0.%d" % number)


def call(server, number):
    """How it is greeted; served ones leave without a login."""
    with come(server, number) as c:
        return c.greeting


def come_and_go(server, number):
    """Comes without a login, until it is refused: (times, seconds)."""
    began = time.monotonic()
    for times in range(1000):
        with come(server, number) as c:
            if c.greeting != GREETING:
                is_(c.greeting, TROUBLE, "C121 refused, and told why")
                return times, time.monotonic() - began
            c.send("QUIT\r\n")
            c.rest()
        idle(server)
    return times, time.monotonic() - began


@test
def penalty_for_no_login():
    """C121 who comes and goes without a login has to wait at last"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener()
    times, seconds = come_and_go(server, 2)
    # One second each; 15 are forgiven, and those that have passed.
    ok(16 <= times <= 17 + seconds, "C121 refused after 16 times",
       "%d times in %g s" % (times, seconds))
    is_(call(server, 3), GREETING, "C121 another address is not concerned")
    began = time.monotonic()
    ok(wait_for(lambda: call(server, 2) == GREETING), "C121 it passes")
    passed = time.monotonic() - began
    ok(passed < 4, "C121 soon", passed)
    like(server.log(), r"\[127\.0\.0\.2\] refused: too many failures",
         "C121 the log says who and why")
    ok(len(re.findall("refused", server.log())) <= 2,
       "C121 and not each time", server.log())


@test
def penalty_by_network():
    """C121 the /64 of an IPv6 client has to wait"""
    need("FEATURE_MDPOP3D_AUTH")
    one, same, next_one = "fd00:0:0:1::1", "fd00::1:8000:0:0:2", (
        "fd00:0:0:2::1")
    with Network([one, same, next_one]):
        server = Server("-e", "-l", "[%s]:1110" % one)
        server.port = 1110
        ok(server.wait_log("listening"), "C121 listens", server.log())
        for _ in range(60):
            with knock(server, one, one) as c:
                if c.greeting != GREETING:
                    break
                c.send("QUIT\r\n")
                c.rest()
        got = [knock(server, one, source).greeting
               for source in (one, same, next_one)]
    is_(got, [TROUBLE, TROUBLE, GREETING],
        "C120 C121 all of the network, and not the next one")


def two_users():
    """Users joe and jane, password pw."""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    for name in ("joe", "jane"):
        users.add(name, "pw").fill(1)
    return users


def send_login(c, password="pw", name="joe"):
    """Its answers are still to be read: outcome()."""
    c.send("USER %s\r\nPASS %s\r\n" % (name, password))


def try_login(server, number, **what):
    """A client that has sent a login."""
    c = come(server, number)
    send_login(c, **what)
    return c


def outcome(c):
    """The last line of the login's answers."""
    return c.lines(2)[-1]


@test
def penalty_for_passwords():
    """C121 who tries passwords has to wait, who mistypes one has not"""
    server = listener("-P", two_users().path)
    is_([outcome(c) for c in [try_login(server, 2, password="wrong")
                              for _ in range(2)]],
        [REFUSED] * 2, "C121 two passwords mistyped")
    with try_login(server, 2) as c:
        is_(outcome(c), GREETING, "C121 and the right one is heard")
        others = [come(server, 2) for _ in range(4)]
        for other in others:
            send_login(other, "wrong")
        is_([outcome(other) for other in others], [REFUSED] * 4,
            "C121 four more, at a time")
        idle_but_one = wait_for(lambda: len(server.children()) == 1)
        ok(idle_but_one, "C121 have ended", server.children())
        is_(call(server, 2), TROUBLE, "C121 that was too much")
        is_(c.cmd("NOOP"), GREETING, "C121 who is in may stay")
    with try_login(server, 3, name="jane") as c:
        is_(outcome(c), GREETING, "C121 somebody else is not concerned")


@test
def penalty_for_being_late():
    """C121 who sits there without a login has to wait"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener("-t", "1")
    held = [come(server, 2), come(server, 2)]
    is_([c.greeting for c in held], [GREETING] * 2, "C121 two clients")
    for c in held:
        c.rest()
    ok(idle(server), "C121 are dropped")
    is_(call(server, 2), TROUBLE, "C121 and their address is refused")
    is_(call(server, 3), GREETING, "C121 another one is not")


@test
def penalty_for_a_crash():
    """C121 a process that dies before the login costs its client dear"""
    server = listener("-P", two_users().path)
    for number, which in ((2, 0), (3, -1)):
        with come(server, number):
            os.kill(server.children()[which], signal.SIGSYS)
        ok(idle(server), "C121 process %d of a session dies" % which)
        is_(call(server, number), TROUBLE, "C121 its client has to wait")
    with come(server, 4):
        os.kill(server.children()[0], signal.SIGTERM)
    ok(idle(server), "C121 an administrator ends a session")
    is_(call(server, 4), GREETING, "C121 which is no fault of its client's")
    with try_login(server, 5) as c:
        is_(outcome(c), GREETING, "C121 a login")
        wait_for(lambda: len(server.children()) == 1)
        os.kill(server.children()[0], signal.SIGSYS)
        c.rest()
    ok(idle(server), "C121 a session dies after its login")
    is_(call(server, 5), GREETING, "C121 which its client may try again")


@test
def penalty_limits():
    """C121 -b: the longest penalty, and none"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener("-b", "6")
    with come(server, 2):
        os.kill(server.children()[0], signal.SIGSYS)
    ok(idle(server), "C121 -b 6: a crash")
    began = time.monotonic()
    is_(call(server, 2), TROUBLE, "C121 -b 6: is refused")
    ok(wait_for(lambda: call(server, 2) == GREETING),
       "C121 -b 6: not for long")
    passed = time.monotonic() - began
    ok(2 < passed < 6, "C121 -b 6: half of it", passed)
    server = listener("-b", "0")
    with come(server, 2):
        os.kill(server.children()[0], signal.SIGSYS)
    idle(server)
    is_({call(server, 2) for _ in range(40)}, {GREETING},
        "C121 -b 0: nobody has to wait")
    server = preauth(1)
    is_({visit(server)[:5] for _ in range(40) if idle(server)}, {GREETING},
        "C121 -a: nor where there is no login")


def crowd_of(server, count):
    """`count` clients before their login; those refused come again."""
    held = []
    while len(held) < count:
        c = come(server, 2 + len(held) % 50)
        if c.greeting == GREETING:
            held.append(c)
    return held


def share_refused(server, trials):
    """Of new clients, that leave at once; what they were told."""
    before = len(sessions_of(server))
    refused = 0
    for _ in range(trials):
        with come(server, 99) as c:
            if c.greeting != GREETING:
                refused += 1
                if c.greeting != b"-ERR [SYS/TEMP] too many logins at a " \
                                 b"time\r\n":
                    ok(False, "C121 the reason", c.greeting)
        wait_for(lambda: len(sessions_of(server)) == before)
    return refused


@test
def early_refusal():
    """C121 strangers that fill half of the table keep some others out"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener("-L", "40", "-I", "100", "-b", "0", "-q")
    held = crowd_of(server, 20)
    is_(share_refused(server, 40), 0, "C121 20 of 40: nobody is refused")
    held += crowd_of(server, 10)
    # 10 of 20, and 19 of 20; the bounds are five standard deviations.
    some = share_refused(server, 200)
    ok(64 < some < 136, "C121 30 of 40: half of them", some)
    held += crowd_of(server, 9)
    many = share_refused(server, 200)
    ok(many > 173, "C121 39 of 40: nearly all", many)
    is_({c.cmd("QUIT") for c in held}, {GREETING},
        "C121 who was let in is served")
    ok(server.wait_log(r"refused: too many logins at a time"), "C121 the log")


@test
def early_refusal_after_login():
    """C121 who has logged in keeps his session, and keeps nobody out"""
    need("FEATURE_MDPOP3D_AUTH", "FEATURE_MDPOP3D_USERFILE")
    need_root()
    users = UserFile()
    names = ["u%d" % i for i in range(15)]
    for name in names:
        users.add(name, "pw").fill(1)
    server = listener("-P", users.path, "-L", "24", "-I", "100", "-b", "0",
                      "-q")
    inside = [try_login(server, 2, name=name) for name in names[:8]]
    is_([outcome(c) for c in inside], [GREETING] * 8, "C121 8 log in")
    inside += [try_login(server, 2, name=name) for name in names[8:]]
    is_([outcome(c) for c in inside[8:]], [GREETING] * 7, "C121 and 7 more")
    outside = crowd_of(server, 5)
    is_(share_refused(server, 40), 0,
        "C121 20 of 24, but 5 without a login: nobody is refused")
    is_({c.cmd("NOOP") for c in inside}, {GREETING}, "C121 all are served")
    del outside


def flags(pid, name):
    """The signals in a field of /proc/PID/status."""
    with open("/proc/%d/status" % pid) as file:
        bits = int(re.search(name + r":\s+(\w+)", file.read()).group(1), 16)
    return {s for s in signal.Signals if bits >> (s - 1) & 1}


@test
def nothing_inherited():
    """C123 a session has nothing of the listener's"""
    server = preauth(1, "-L", "80000")
    ours = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
    with connect(server) as c:
        is_(c.line(), GREETING, "a session")
        pid, = server.children()
        listens = server.memory("VmSize") - server.memory("VmSize", pid)
        ok(listens > 1000, "C123 nor its table, of 1 MB and more", listens)
        where = "/proc/%d/fd/" % pid
        pipes = {fd for fd in os.listdir(where) if fd != "2" and
                 os.readlink(where + fd).startswith("pipe:")}
        is_(pipes, set(), "C123 nor its pipe")
        is_(flags(pid, "SigCgt") & ours, set(), "C123 nor what it catches")
        is_(flags(pid, "SigBlk") & ours, set(), "C123 nor what it holds up")
        is_(flags(server.pid, "SigCgt") & ours, ours, "which it does")
    if config("FEATURE_MDPOP3D_PRIVSEP"):
        server = listener()
        with connect(server) as c:
            is_(c.line(), GREETING, "a client before its login")
            where = "/proc/%d/fd/" % server.children()[-1]
            links = sorted(os.readlink(where + fd) for fd in os.listdir(where)
                           if fd != "2")
            is_([re.sub(r"\d+", "N", link) for link in links],
                ["socket:[N]"] * 3,
                "C123 its parser has it, twice, and the monitor")


@test
def quick_connects():
    """C123 200 clients that go away at once"""
    server = preauth(1, "-L", "1000", "-I", "1000", "-q")
    visit(server)
    idle(server)
    before = len(os.listdir("/proc/%d/fd" % server.pid))
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        if i % 3 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         b"\1\0\0\0\0\0\0\0")
        if i % 3 == 1:
            s.send(b"QUIT\r\n")
        s.close()
    visit(server)       # is accepted after all the others
    ok(idle(server), "C123 no process is left, no zombie either",
       server.children())
    ok(wait_for(lambda: len(os.listdir("/proc/%d/fd" % server.pid))
                == before), "C123 no descriptor is left open")
    like(visit(server), GOOD.decode(), "C123 and it serves")


def limit_descriptors(server, count):
    subprocess.run(["prlimit", "--pid", str(server.pid),
                    "--nofile=%d:" % count], check=True)


@test
def spare_again():
    """C123 the spare descriptor comes back when there are some again"""
    server = preauth(1)
    visit(server)
    idle(server)
    limit_descriptors(server, 3)
    with connect(server):
        time.sleep(0.3)         # it had to give up the spare one
        limit_descriptors(server, 100)
    for _ in range(2):
        visit(server)
        idle(server)
    limit_descriptors(server, 1 + max(map(int, os.listdir(
        "/proc/%d/fd" % server.pid))))
    with connect(server) as c:
        like(c.rest(5), r"\A-ERR \[SYS/TEMP\] [ -~]+\r\n\Z",
             "C123 refused the next time, too, not left waiting")
    limit_descriptors(server, 100)


@test
def stopping_while_short():
    """C119 C123 SIGTERM while no connection can be accepted"""
    server = preauth(1)
    limit_descriptors(server, 3)
    with connect(server):
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        ended = wait_for(lambda: server.process.poll() is not None, 5)
        if not ended:
            limit_descriptors(server, 100)
        ok(ended, "C119 C123 it ends all the same")


@test
def hangup():
    """C119 SIGHUP stops the listener, unless nohup(1) said otherwise"""
    server = preauth(1)
    visit(server)
    server.signal(signal.SIGHUP)
    is_(server.wait(), 0, "C119 it ends, with status 0")
    like(server.log(), r"stopped", "C119 and says so")
    server = preauth(1, wrap=["nohup"])
    server.signal(signal.SIGHUP)
    like(visit(server), GOOD.decode(), "C119 with nohup it goes on")


@test
def few_descriptors():
    """C123 descriptors run out"""
    server = preauth(1)
    visit(server)
    idle(server)
    used = [int(fd) for fd in os.listdir("/proc/%d/fd" % server.pid)]
    limit_descriptors(server, max(used) + 1)
    for _ in range(3):
        with connect(server) as c:
            like(c.rest(), r"\A-ERR \[SYS/TEMP\] [ -~]+\r\n\Z",
                 "C123 no descriptor is left: refused, not ignored")
    ok(server.wait_log(r"(?i)descriptors"), "C123 the log says why")
    limit_descriptors(server, 100)
    like(visit(server), GOOD.decode(), "C123 and it recovers")


def ticks(server):
    """Processor time of the listener, in hundredths of a second or so."""
    with open("/proc/%d/stat" % server.pid) as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))


@test
def no_descriptors():
    """C123 not even the spare descriptor helps"""
    server = preauth(1)
    visit(server)
    idle(server)
    limit_descriptors(server, 3)
    waiting = [connect(server) for _ in range(3)]
    before = ticks(server)
    time.sleep(0.7)
    spent = (ticks(server) - before) / os.sysconf("SC_CLK_TCK")
    ok(spent <= 0.1, "C123 it does not spin while they wait", spent)
    limit_descriptors(server, 100)
    # One of them has the Maildir, the others are told so.
    got = b"".join(sorted(c.line() for c in waiting))
    like(got, r"\A\+OK\r\n(-ERR \[(IN-USE|SYS/TEMP)\] [ -~]+\r\n){2}\Z",
         "C123 and they are answered when there are some again")


@test
def session_without_descriptors():
    """C123 a session that cannot open its Maildir"""
    box = Maildir().fill(3)
    # A dynamic binary needs one to be loaded at all.
    for limit in range(3 if config("STATIC") else 4, 9):
        with start("-a", "-e", "-m", box.path, wrap=[
                "prlimit", "--nofile=%d" % limit]) as c:
            got = c.line()
            like(got, r"\A(\+OK|-ERR \[SYS/(TEMP|PERM)\] [ -~]+)\r\n\Z",
                 "C123 %d descriptors: an answer" % limit)
            if got == b"+OK\r\n":
                like(c.cmd("STAT"), r"^\+OK 3 ",
                     "C123 %d descriptors: all messages or none" % limit)
    if config("SANITIZE"):
        return
    with start("-a", "-e", "-m", box.path) as c:
        c.line()
        with open("/proc/%d/status" % c.server.pid) as file:
            size = int(re.search(r"VmSize:\s+(\d+)", file.read()).group(1))
    with start("-a", "-e", "-m", Maildir().fill(20000).path, wrap=[
            "prlimit", "--as=%d" % (1024 * size + 400000)]) as c:
        like(c.line(), r"\A(\+OK|-ERR \[SYS/TEMP\] [ -~]+)\r\n\Z",
             "C123 too little memory: an answer")


@test
def no_processes():
    """C123 fork fails"""
    need_root()
    server = listener("-a", "-m", Maildir(owner=PLAIN).path, user=PLAIN,
                      wrap=["prlimit", "--nproc=1:1000"])
    with connect(server) as c:
        like(c.rest(), r"\A-ERR \[SYS/TEMP\] [ -~]+\r\n\Z", "C123 refused")
    subprocess.run(["prlimit", "--pid", str(server.pid), "--nproc=999:1000"],
                   user=PLAIN, group=PLAIN, extra_groups=(), check=True)
    with connect(server) as c:
        is_(c.line(), b"+OK\r\n", "C123 and when it can fork again, served")


@test
def stopping():
    """C119 SIGTERM ends the listener, not its sessions"""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = preauth(2)
        c = connect(server)
        c.line()
        c.cmd("DELE 1")
        child = server.children()[0]
        server.signal(number)
        is_(server.wait(), 0, "C119 %s: exit status" % number.name)
        is_(c.cmd("NOOP"), b"+OK\r\n", "C119 the session goes on")
        is_(c.cmd("QUIT"), b"+OK\r\n", "C119 to its QUIT")
        ok(wait_for(lambda: not os.path.exists("/proc/%d" % child)),
           "C119 and ends")
        is_(len(server.box.names("cur")), 1, "C119 with its UPDATE")
        ok(not listening(server.port), "C119 nothing listens any more")


@test
def restart():
    """a restart takes the same port at once"""
    server = preauth(1)
    like(visit(server), GOOD.decode(), "first")
    server.signal(signal.SIGTERM)
    server.wait()
    again = Server("-a", "-e", "-m", server.box.path, "-l",
                   "127.0.0.1:%d" % server.port)
    ok(again.wait_log("listening"), "C119 the second listens", again.log())
    again.port, again.address = server.port, "127.0.0.1"
    like(visit(again), GOOD.decode(), "and serves")


def inherit(count, *args, pid="$$", fds=None, kind=socket.SOCK_STREAM,
            listen=True, family=socket.AF_INET):
    """A server that is handed `count` sockets, as systemd does it."""
    sockets = []
    for _ in range(count):
        s = socket.socket(family, kind)
        cleanup(s.close)
        s.bind(("127.0.0.1", 0) if family == socket.AF_INET else
               scratch("inherited") + "/socket")
        if listen:
            s.listen(8)
        sockets.append(s)
    # The shell moves them to 3 and up; nothing else may be in the way.
    high = [s.fileno() for s in sockets]
    move = " ".join("%d<&%d-" % (3 + i, fd) for i, fd in enumerate(high))
    script = 'export LISTEN_PID=%s LISTEN_FDS=%s; exec "$@" %s' % (
        pid, count if fds is None else fds, move)
    server = Server("-e", *args, wrap=["bash", "-c", script, "bash"],
                    pass_fds=high)
    server._listens = True
    server.ports = [s.getsockname()[1] for s in sockets]
    server.address = "127.0.0.1"
    return server


@test
def systemd():
    """LISTEN_FDS"""
    if not os.path.exists("/bin/bash"):
        raise Skip("no bash, whose descriptors may have two digits")
    box = Maildir().fill(1)
    debug = ["-d"] * bool(config("FEATURE_MDPOP3D_DEBUG"))
    for count in (1, 2):
        server = inherit(count, "-a", "-m", box.path, *debug)
        for server.port in server.ports:
            like(visit(server), GOOD.decode(), "%d sockets: served" % count)
            ok(idle(server), "and free again")
        with connect(server) as c:
            c.line()
            where = "/proc/%d/fd/" % server.children()[0]
            links = [os.readlink(where + fd) for fd in os.listdir(where)]
            is_(len([l for l in links if l.startswith("socket:")]), 2,
                "a session holds only its own socket, as 0 and 1", links)
        ok(server.log().count(": sandbox: ") <= 1,
           "of the sandbox it speaks once", server.log())
        server.end()


@test
def systemd_amiss():
    """LISTEN_FDS that is not for us, or no listening socket"""
    if not os.path.exists("/bin/bash"):
        raise Skip("no bash, whose descriptors may have two digits")
    server = inherit(1, "-a", "-m", Maildir().path, pid="1")
    is_(server.wait(), 0, "for another process: ignored, stdin is served")
    for what, how in (("not listening", {"listen": False}),
                      ("a datagram socket", {"listen": False,
                                             "kind": socket.SOCK_DGRAM}),
                      ("a UNIX socket", {"family": socket.AF_UNIX}),
                      ("more than there are", {"fds": 3})):
        server = inherit(1, "-a", "-m", Maildir().path, **how)
        ok(server.wait() in (100, 111), what + ": refused", server.log())
        like(server.log(), r"LISTEN_FDS", what + ": is said")


def without(box, closed, args):
    """C118 a listener that lacks some of the standard descriptors"""
    port = free_port()
    what = "C118 %s %s: " % (closed or "all open", " ".join(args))
    server = Server("-a", "-m", box.path, "-l", "127.0.0.1:%d" % port, *args,
                    wrap=["sh", "-c", 'exec "$@" ' + closed, "sh"])
    server.port, server.address = port, "127.0.0.1"
    ok(wait_for(lambda: listening(port)), what + "listens")
    with connect(server) as c:
        c.send("NOOP\r\nxyz\r\nRETR 1\r\nLIST\r\nQUIT\r\n")
        is_(c.rest(), b"+OK\r\n+OK\r\n-ERR unknown command\r\n+OK\r\n" +
            oracle.retr(b"Subject: x\n\nbody\n") + b".\r\n+OK\r\n1 %d\r\n.\r\n"
            b"+OK\r\n" % oracle.size(b"Subject: x\n\nbody\n"),
            what + "the client gets POP3 and nothing else")
    server.end()


@test
def closed_descriptors():
    """C118 a listener that was started without standard descriptors"""
    logging = [(), ("-e",)] + [("-d", "-e")] * bool(
        config("FEATURE_MDPOP3D_DEBUG"))
    spread(without, [(Maildir().fill(1), " ".join(
        word for bit, word in enumerate(("<&-", ">&-", "2>&-"))
        if closed >> bit & 1), args)
        for closed in range(8) for args in logging], 4)


@test
def log_nobody_reads():
    """C123 standard error is a pipe, and full"""
    need("FEATURE_MDPOP3D_AUTH")
    debug = ["-d"] * bool(config("FEATURE_MDPOP3D_DEBUG"))
    ours, theirs = os.pipe()
    cleanup(os.close, ours)
    os.set_blocking(theirs, False)
    try:
        while True:
            os.write(theirs, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(theirs, True)
    port = free_port()
    server = Server("-e", *debug, "-L", "1", "-b", "0", "-l",
                    "127.0.0.1:%d" % port, stderr=theirs)
    os.close(theirs)
    server.port, server.address = port, "127.0.0.1"
    ok(wait_for(lambda: listening(port)), "C123 it listens")
    answers = {}
    for _ in range(200):
        # Each while another is served: the listener has to log a refusal.
        with connect(server) as first:
            got = first.line()
            with connect(server) as second:
                got += second.rest()[:15]
            first.send("CAPA\r\nQUIT\r\n")
            got += first.rest()[-8:]
        answers[got] = answers.get(got, 0) + 1
        idle(server)
    is_(answers, {b"+OK\r\n-ERR [SYS/TEMP].\r\n+OK\r\n": 200},
        "C123 400 connections are answered all the same")


@test
def crowd():
    """C121 C123 many sessions at a time"""
    need("FEATURE_MDPOP3D_AUTH")
    server = listener("-L", "120", "-I", "100", "-q")
    clients = [connect(server) for _ in range(60)]
    is_({c.line() for c in clients}, {b"+OK\r\n"}, "C121 60 are greeted")
    is_(len(sessions_of(server)), 60, "C121 a session each")
    if not config("SANITIZE") and config("STATIC"):
        most = max(server.memory("Anonymous", p)
                   for p in server.children())
        ok(most <= 64, "C64 each with at most 64 KB of its own",
           "%d KB" % most)
    for c in clients:
        c.send("CAPA\r\nQUIT\r\n")
    like(b"".join(c.rest() for c in clients), r"TOP", "C121 all are answered")
    ok(idle(server), "C121 all have ended")


@test
def crashed_session():
    """C116 C123 a session that is killed harms nobody"""
    server = preauth(2)
    c = connect(server)
    c.line()
    c.cmd("DELE 1")
    os.kill(server.children()[0], signal.SIGKILL)
    is_(c.rest(), b"", "C116 its client sees the end")
    ok(idle(server), "C123 it is reaped")
    like(visit(server), r"\+OK 2 \d+", "C116 the lock is free, nothing lost")


run_tests(jobs=6)
