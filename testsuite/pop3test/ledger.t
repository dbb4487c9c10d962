#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test load --ledger: each rule, broken on purpose and kept

import hashlib
import json
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from fake import *

need_pop3test("FEATURE_POP3TEST_LOAD")


def message(number):
    body = b"".join(b"line %d of %d\r\n" % (i, number)
                    for i in range(number % 40))
    return (b"Subject: %d\r\nX-Pop3test-MD5: %s\r\n\r\n" % (
        number, hashlib.md5(body).hexdigest().encode())) + body


def top(data, lines):
    head, blank, body = data.partition(b"\r\n\r\n")
    return head + blank + b"".join(body.splitlines(True)[:lines])


class Drop:
    """One user's messages, as [uid, bytes] in order."""

    def __init__(self, count):
        self.mail = [["uid%d" % i, message(i)] for i in range(count)]
        self.lock, self.busy = threading.Lock(), False
        self.sessions = 0
        self.removed = []


class Session:
    """A correct server's; the tests derive wrong ones from it."""

    exclusive = True

    def __init__(self, link, drops):
        self.link, self.drops, self.drop = link, drops, None

    def run(self):
        self.link.say(b"+OK\r\n")
        try:
            while True:
                line = self.link.hear()
                if line is None:
                    return self.ended(False)
                word, *args = line.decode().split(" ")
                answer = getattr(self, "do_" + word.lower())(*args)
                if answer is None:
                    return self.ended(True)
                self.link.say(answer)
                if word == "QUIT":
                    return self.ended(True)
        except OSError:
            self.ended(False)

    def ended(self, regular):
        if self.drop and self.exclusive:
            with self.drop.lock:
                self.drop.busy = False
        self.drop = None

    def do_user(self, name):
        self.name = name
        return b"+OK\r\n"

    def do_pass(self, _):
        drop = self.drops[self.name]
        with drop.lock:
            if self.exclusive and drop.busy:
                return b"-ERR somebody is in\r\n"
            drop.busy = True
            drop.sessions += 1
            self.drop = drop
            self.number = drop.sessions
            self.enter()
            self.mail = [list(m) for m in drop.mail]
        self.marked = set()
        self.snapshot()
        return b"+OK\r\n"

    def enter(self):
        """At a login, with the drop locked."""

    def snapshot(self):
        """With this session's own list made."""

    def there(self):
        return [(n, m) for n, m in enumerate(self.mail, 1)
                if n not in self.marked]

    def do_stat(self):
        left = self.there()
        return b"+OK %d %d\r\n" % (len(left),
                                   sum(len(m[1]) for _, m in left))

    def do_list(self):
        return listing([(n, b"%d" % len(m[1])) for n, m in self.there()])

    def do_uidl(self):
        return listing([(n, m[0].encode()) for n, m in self.there()])

    def body(self, data):
        return b"+OK\r\n" + oracle.stuff(data) + b".\r\n"

    def do_retr(self, number):
        return self.body(self.mail[int(number) - 1][1])

    def do_top(self, number, lines):
        return self.body(top(self.mail[int(number) - 1][1], int(lines)))

    def do_dele(self, number):
        self.marked.add(int(number))
        return b"+OK\r\n"

    def do_rset(self):
        self.marked.clear()
        return b"+OK\r\n"

    def remove(self):
        gone = {self.mail[n - 1][0] for n in self.marked}
        with self.drop.lock:
            self.drop.removed += [m for m in self.drop.mail if m[0] in gone]
            self.drop.mail = [m for m in self.drop.mail if m[0] not in gone]

    def do_quit(self):
        self.remove()
        return b"+OK\r\n"


class Open(Session):
    """It lets several in: nobody waits until it has noticed a drop."""

    exclusive = False


class Run:
    def __init__(self, kind, *args, count=8, users=("al",), check=None,
                 duration="1"):
        self.drops = {u: Drop(count) for u in users}
        path = scratch() + "/users"
        with open(path, "w") as file:
            file.write("".join("%s x\n" % u for u in users))
        self.server = Fake(lambda link: kind(link, self.drops).run())
        end = () if "-N" in args else ("-d", duration)
        self.run = pop3test("load", "--ledger", "-j", "-A", "user", "-U",
                            path, *end, *args, self.server.target)
        self.status = self.run.status
        self.broken, self.total, self.failures = [], {}, []
        for line in self.run.out.splitlines():
            found = json.loads(line)
            if "rule" in found:
                self.broken.append(found)
            elif "status" in found:
                self.total = found
            elif "failed" in found:
                self.failures.append(found["text"])

    def rules(self):
        return {b["rule"].split(":")[0] for b in self.broken}


def kept(kind, what, *args, failures=False, **how):
    run = Run(kind, *args, **how)
    is_((run.status, run.rules(), run.total.get("violations")),
        (int(failures), set(), 0), what + ": no violation", run.run)
    if not failures:
        is_(run.total["failed"], 0, what + ": no failure", run.run)
    ok(run.total["ok"] >= 5, what + ": sessions", run.run)
    return run


def broken(kind, rules, what, *args, uid=None, **how):
    if "-N" not in args:
        args += ("-n", "1", "-N", "60", "-s", "1")
    run = Run(kind, *args, **how)
    is_(run.status, 1, what + ": status", run.run)
    is_(run.rules(), set(rules.split()), what + ": the rule", run.run)
    is_(run.total["violations"] >= len(run.broken) > 0, True,
        what + ": counted")
    for b in run.broken:
        is_(b["user"], "al", what + ": the user")
        if uid:
            is_(b["uid"], uid, what + ": the message")
    return run


@test
def correct():
    """a correct server, sessions of all kinds"""
    run = kept(Session, "correct", "-n", "4", count=60, duration="3")
    for verb in (b"TOP", b"RETR", b"DELE", b"RSET", b"QUIT"):
        ok(any(h.startswith(verb) for h in run.server.heard),
           "correct: %s was tried" % verb.decode())
    ok(run.total["busy"] > 0, "correct: sessions were kept out", run.run)
    ok(run.drops["al"].removed, "correct: messages were deleted")
    ok(run.drops["al"].sessions > run.server.heard.count(b"QUIT"),
       "correct: some sessions are broken off")
    is_(run.total["ok"] + run.total["busy"], run.total["sessions"],
        "correct: all are accounted for")


@test
def parallel():
    """a server that lets several sessions in is none of the ledger's"""
    run = kept(Open, "parallel", "-n", "5", count=40, duration="3")
    is_(run.total["busy"], 0, "parallel: nobody is kept out")


@test
def growing():
    """new mail, at the end and in the middle"""
    class Growing(Session):
        def enter(self):
            n = 1000 + self.number
            where = self.number * 7 % (len(self.drop.mail) + 1)
            self.drop.mail.insert(where, ["new%d" % n, message(n)])
    kept(Growing, "growing", "-n", "3", duration="2")
    # Others may know what came after a session's own beginning.
    kept(type("GrowingOpen", (Growing,), {"exclusive": False}),
         "growing, several sessions", "-n", "6", duration="2")


@test
def gone_meanwhile():
    """what another session has just deleted may be refused"""
    class Meanwhile(Open):
        def do_retr(self, number):
            with self.drop.lock:
                there = [m[0] for m in self.drop.mail]
            if self.mail[int(number) - 1][0] not in there:
                return b"-ERR deleted by another session\r\n"
            return super().do_retr(number)
    run = kept(Meanwhile, "gone meanwhile", "-n", "6", "-D", "delete=3",
               count=150, duration="3")
    ok(b"QUIT" in run.server.heard and run.drops["al"].removed,
       "gone meanwhile: messages were deleted")


@test
def blank_line():
    """TOP with a blank line that the message does not have"""
    class Blank(Session):
        def snapshot(self):
            self.mail[0][1] = b"Subject: no body\r\n"

        def do_top(self, number, lines):
            data = self.mail[int(number) - 1][1]
            more = b"" if b"\r\n\r\n" in data else b"\r\n"
            return self.body(top(data, int(lines)) + more)

        def remove(self):
            self.marked.discard(1)
            super().remove()
    kept(Blank, "blank line", "-D", "delete=0", count=3)


@test
def lost_answers():
    """a QUIT that nobody answers: done or not, both are right"""
    class Lossy(Session):
        def do_quit(self):
            if self.number % 3:
                return super().do_quit()
            if self.number % 2:
                self.remove()
            return None
    kept(Lossy, "lost answers", "-n", "3", "-D", "delete=5", count=60,
         failures=True, duration="2")


@test
def refused_quit():
    """a QUIT that is refused: some may be deleted"""
    class Refusing(Session):
        def do_quit(self):
            if self.number % 3:
                return super().do_quit()
            self.marked = set(list(self.marked)[:1])
            self.remove()
            return b"-ERR some not removed\r\n"
    run = kept(Refusing, "refused QUIT", "-n", "3", "-D", "delete=5",
               count=60, failures=True, duration="2")
    like(str(run.failures), "QUIT: -ERR some", "refused QUIT: is a failure")


@test
def slow_to_notice():
    """a server that holds the lock for a while after a drop"""
    class Slow(Session):
        def ended(self, regular):
            if not regular:
                time.sleep(0.3)
            super().ended(regular)
    kept(Slow, "slow to notice", "-n", "2", duration="3")


@test
def wrong_password():
    """a login that is refused with nobody in is a failure, not busy"""
    class Closed(Session):
        def do_pass(self, _):
            return b"-ERR no\r\n"
    run = Run(Closed, "-n", "2", "-N", "4")
    is_((run.status, run.total["failed"], run.total["busy"]), (2, 4, 0),
        "wrong password", run.run)


@test
def in_use_by_others():
    """[IN-USE] is busy whoever is in"""
    class Used(Session):
        def do_pass(self, _):
            self.drops["al"].sessions += 1
            if self.drops["al"].sessions % 2:
                return b"-ERR [IN-USE] not now\r\n"
            return super().do_pass(_)
    run = Run(Used, "-n", "1", "-N", "10")
    is_((run.status, run.total["failed"]), (0, 0), "[IN-USE]", run.run)
    ok(run.total["busy"] > 0, "[IN-USE]: busy", run.run)


# ---- rules broken ----------------------------------------------------------

@test
def other_bytes():
    """a uid that gets other bytes of the same length"""
    class Other(Session):
        def do_retr(self, number):
            uid, data = self.mail[int(number) - 1]
            if uid == "uid3" and self.number % 3 == 0:
                data = data.replace(b"Subject: 3", b"Subject: X")
            return self.body(data)

        def do_top(self, number, lines):
            return self.do_retr(number)
    broken(Other, "bytes", "other bytes", "-D", "delete=0", uid="uid3")

    class Size(Session):
        def enter(self):
            if self.number == 5:
                self.drop.mail[2][1] += b"more\r\n"

        def do_retr(self, number):
            return self.body(self.mail[int(number) - 1][1].replace(
                b"X-Pop3test-MD5", b"X-Other-header"))

        def do_top(self, number, lines):
            return self.do_retr(number)
    run = broken(Size, "bytes", "other size", "-D", "delete=0",
                 uid="uid2")
    like(run.broken[0]["rule"], r"LIST says 96 octets, but said 90",
         "other size: the numbers", run.run)


@test
def other_order():
    """two messages that change places"""
    class Swapped(Session):
        def snapshot(self):
            if self.number % 4 == 0:
                self.mail[3], self.mail[5] = self.mail[5], self.mail[3]
    broken(Swapped, "order", "order", "-D", "delete=0")


@test
def back_again():
    """a deleted message that comes back"""
    class Back(Session):
        def enter(self):
            if self.number % 3 == 0 and self.drop.removed:
                self.drop.mail.append(self.drop.removed.pop())
                self.drop.mail.sort(key=lambda m: int(m[0][3:]))
    run = broken(Back, "back", "back", "-n", "1", "-N", "40", count=40)
    like(run.broken[0]["rule"], r"event \d+,.* began at \d+$",
         "back: the numbers")
    for b in run.broken:
        gone, began = map(int, re.findall(r"\d+", b["rule"]))
        ok(gone < began, "back: deleted before it began", b)


@test
def never_gone():
    """a QUIT that deletes nothing"""
    class Never(Session):
        def remove(self):
            pass
    broken(Never, "back", "QUIT without effect", count=30)


@test
def lost():
    """a message that disappears"""
    class Losing(Session):
        def enter(self):
            if self.number == 6:
                self.drop.mail = [m for m in self.drop.mail
                                  if m[0] != "uid4"]
    run = broken(Losing, "lost", "lost", "-D", "delete=0", uid="uid4")
    is_(run.total["violations"], 1, "lost: is said once", run.run)


@test
def undone():
    """DELE without QUIT"""
    class Eager(Session):
        def ended(self, regular):
            if self.drop and not regular:
                self.remove()
            super().ended(regular)
    broken(Eager, "undone", "DELE and no QUIT", "-n", "2", "-N", "80",
           count=200)

    class AtOnce(Session):
        def do_rset(self):
            return b"+OK\r\n"
    broken(AtOnce, "undone", "RSET without effect", "-n", "1", "-N", "40",
           count=200)


@test
def twice():
    """a uid that stands in a listing twice"""
    class Twice(Session):
        def snapshot(self):
            if self.number > 2:
                self.mail[6] = list(self.mail[1])
    run = Run(Twice, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"twice", "lost"}), "twice", run.run)
    is_({b["uid"] for b in run.broken if b["rule"].startswith("twice")},
        {"uid1"}, "twice: the message")
    is_({b["uid"] for b in run.broken if b["rule"].startswith("lost")},
        {"uid6"}, "twice: and another one is hidden by it")


@test
def wrong_stat():
    """STAT is not the sum of LIST"""
    class Count(Session):
        def do_stat(self):
            return b"+OK %d %d\r\n" % (len(self.mail) + 1,
                                       sum(len(m[1]) for m in self.mail))
    run = Run(Count, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"stat"}), "STAT's count", run.run)
    like(run.broken[0]["rule"], "LIST has 8 messages, STAT 9",
         "STAT's count: the numbers")

    class Octets(Session):
        def do_stat(self):
            return super().do_stat()[:-2] + b"0\r\n"
    run = Run(Octets, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"stat"}), "STAT's octets", run.run)

    class Uidl(Session):
        def do_uidl(self):
            return listing([(n, m[0].encode())
                            for n, m in self.there()[:-1]])
    run = Run(Uidl, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"list"}), "UIDL lacks one", run.run)

    class Numbers(Session):
        def do_list(self):
            return listing([(n + (n > 3), b"%d" % len(m[1]))
                            for n, m in self.there()])
    run = Run(Numbers, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"list"}), "a number left out",
        run.run)


@test
def wrong_sizes():
    """RETR does not give what LIST says"""
    class Longer(Session):
        def do_retr(self, number):
            data = self.mail[int(number) - 1][1]
            return self.body(data + (b"x\r\n" if number == "5" else b""))
    run = Run(Longer, "-n", "1", "-N", "60", "-D", "delete=0")
    is_((run.status, run.rules()), (1, {"octets", "sum"}), "RETR's octets",
        run.run)
    is_({b["uid"] for b in run.broken}, {"uid4"}, "RETR's octets: which")

    class Sum(Session):
        def do_retr(self, number):
            return self.body(self.mail[int(number) - 1][1].replace(
                b"line 1 ", b"LINE 1 "))

        def do_top(self, number, lines):
            return self.do_retr(number)
    broken(Sum, "sum", "X-Pop3test-MD5", "-D", "delete=0")


@test
def wrong_top():
    """TOP is no beginning of RETR"""
    class Other(Session):
        def do_top(self, number, lines):
            return self.body(b"Status: RO\r\n" + top(
                self.mail[int(number) - 1][1], int(lines)))
    broken(Other, "top", "TOP with another header",
           "-D", "delete=0")

    class Longer(Session):
        def do_top(self, number, lines):
            return self.body(self.mail[int(number) - 1][1] + b"more\r\n")
    broken(Longer, "top", "TOP is longer", "-D", "delete=0")


@test
def refused():
    """RETR or DELE of a message that is listed"""
    class Retr(Session):
        def do_retr(self, number):
            return (b"-ERR no such message\r\n" if number == "2" else
                    super().do_retr(number))
    broken(Retr, "refused", "RETR refused", "-D", "delete=0", uid="uid1")

    class Dele(Session):
        def do_dele(self, number):
            return b"-ERR not this one\r\n"
    broken(Dele, "refused", "DELE refused", "-n", "1", "-N", "20")


@test
def many_violations():
    """twenty are shown, all are counted; the table's form"""
    class Wrong(Session):
        def do_stat(self):
            return b"+OK 99 99\r\n"
    run = Run(Wrong, "-n", "2", "-N", "30", "-D", "delete=0")
    is_(len(run.broken), 20, "many: 20 shown", run.run)
    ok(run.total["violations"] > 30, "many: all counted", run.run)
    server = Fake(lambda link: Wrong(link, {"al": Drop(1)}).run())
    run = pop3test("load", "--ledger", "-u", "al:x", "-A", "user", "-n", "1",
                   "-N", "1", server.target)
    like(run.out, r"\Aviolation: stat: LIST has 1 messages, STAT 99; user "
         r"al, uid \n", "many: as text")
    like(run.out, r"^2 violations, 0 messages not followed$",
         "many: summed up")


@test
def seeds():
    """-s: the same session again"""
    def heard(seed):
        drop = {"al": Drop(12)}
        server = Fake(lambda link: Open(link, drop).run())
        run = pop3test("load", "--ledger", "-u", "al:x", "-A", "user", "-n",
                       "1", "-N", "12", "-s", seed, server.target)
        is_(run.status, 0, "seed: all is well", run)
        return server.heard
    one = heard("5")
    is_(heard("5"), one, "seed: the same commands")
    ok(heard("6") != one, "seed: another one, other commands")


@test
def full():
    """more messages and users than the ledger has room for"""
    run = Run(Open, "-n", "1", "-N", "2", "-D", "delete=0", count=5000)
    is_((run.status, run.total["unfollowed"]), (0, 2 * (5000 - 4096)),
        "full: messages", run.run)
    long = Run(type("Long", (Open,), {
        "snapshot": lambda self: self.mail[0].__setitem__(0, "u" * 71)}),
        "-n", "1", "-N", "2", "-D", "delete=0")
    is_((long.status, long.total["unfollowed"]), (0, 2),
        "full: a uid that is too long", long.run)
    many = Run(Session, "-n", "2", "-N", "400", count=1,
               users=["u%d" % i for i in range(70)])
    is_(many.status, 0, "full: users", many.run)
    ok(60 <= len({h for h in many.server.heard if h.startswith(b"USER")})
       <= 64, "full: 64 of them")
    like(many.run.err, "64 users", "full: it is said")


@test
def hostile_uids():
    """what the server sends is printed safely"""
    class Bad(Session):
        def enter(self):
            if self.number == 3:
                self.drop.mail = self.drop.mail[1:]
            elif self.number == 1:
                self.drop.mail[0][0] = "\x1b[2J\"\\x"
    drop = {"al": Drop(4)}
    server = Fake(lambda link: Bad(link, drop).run())
    run = pop3test("load", "--ledger", "-u", "al:x", "-A", "user", "-n", "1",
                   "-N", "6", "-D", "delete=0", server.target)
    like(run.out, r"^violation: lost: .*; user al, uid \\x1b\[2J\"\\x5cx$",
         "hostile: as text")
    run = broken(Bad, "lost", "hostile uid", "-n", "1", "-N", "6",
                 "-D", "delete=0", uid="\x1b[2J\"\\x")


@test
def with_mdpop3d():
    """mdpop3d, several workers, mail that comes meanwhile"""
    need("FEATURE_MDPOP3D_LISTEN", "FEATURE_MDPOP3D_USERFILE")
    users, text, boxes = UserFile(), "", []
    for i in range(3):
        boxes.append(users.add("u%d" % i, "pw").fill(20))
        text += "u%d pw\n" % i
    path = scratch() + "/users"
    with open(path, "w") as file:
        file.write(text)
    server = listener("-b", "0", "-P", users.path)
    stop = threading.Event()

    def deliver():
        for n in range(100000):
            box = boxes[n % 3]
            tmp = box.join("tmp", "n%d" % n)
            with open(tmp, "wb") as file:
                file.write(message(n).replace(b"\r\n", b"\n"))
            if box.owner is not None:
                os.chown(tmp, box.owner, box.owner)
            os.rename(tmp, box.join("new", "%d.M%dP1.host" % (
                1750000000 + n // 1000, n)))
            if stop.wait(0.02):
                return
    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        run = pop3test("load", "--ledger", "-j", "-U", path, "-n", "6",
                       "-d", "4", "127.0.0.1:%d" % server.port)
    finally:
        stop.set()
        thread.join()
    total = json.loads(run.out.splitlines()[-1])
    is_((run.status, total["violations"], total["failed"]), (0, 0, 0),
        "mdpop3d: keeps all rules", run)
    ok(total["ok"] > 50, "mdpop3d: many sessions", total)
    verbs = {json.loads(line).get("verb") for line in run.out.splitlines()}
    ok({"TOP", "RETR", "DELE", "RSET", "QUIT"} <= verbs,
       "mdpop3d: all commands", verbs)


run_tests(jobs=3)
