#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# pop3test run: the sessions that RFC 1939 shows, as they stand there

import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from scripts import *

need_pop3test("FEATURE_POP3TEST_RUN")

# RFC 1939 section 10.
SESSION = """\
      S: <wait for connection on TCP port 110>
      C: <open connection>
      S:    +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
      C:    APOP mrose c4c9334bac560ecc979e58001b3e22fb
      S:    +OK mrose's maildrop has 2 messages (320 octets)
      C:    STAT
      S:    +OK 2 320
      C:    LIST
      S:    +OK 2 messages (320 octets)
      S:    1 120
      S:    2 200
      S:    .
      C:    RETR 1
      S:    +OK 120 octets
      S:    <the POP3 server sends message 1>
      S:    .
      C:    DELE 1
      S:    +OK message 1 deleted
      C:    RETR 2
      S:    +OK 200 octets
      S:    <the POP3 server sends message 2>
      S:    .
      C:    DELE 2
      S:    +OK message 2 deleted
      C:    QUIT
      S:    +OK dewey POP3 server signing off (maildrop empty)
      C:  <close connection>
      S:  <wait for next connection>
"""

# The examples of sections 4 to 7: what stands before and after them is
# ours.  Each "..." stands as the RFC has it.
EXAMPLES = {
    "QUIT in AUTHORIZATION (section 4)": """\
             C: QUIT
             S: +OK dewey POP3 server signing off
""",
    "STAT (section 5)": """\
             C: STAT
             S: +OK 2 320
""",
    "LIST": """\
             C: LIST
             S: +OK 2 messages (320 octets)
             S: 1 120
             S: 2 200
             S: .
               ...
             C: LIST 2
             S: +OK 2 200
               ...
             C: LIST 3
             S: -ERR no such message, only 2 messages in maildrop
""",
    "RETR": """\
             C: RETR 1
             S: +OK 120 octets
             S: <the POP3 server sends the entire message here>
             S: .
""",
    "DELE": """\
             C: DELE 1
             S: +OK message 1 deleted
                ...
             C: DELE 2
             S: -ERR message 2 already deleted
""",
    "NOOP": """\
             C: NOOP
             S: +OK
""",
    "RSET": """\
             C: RSET
             S: +OK maildrop has 2 messages (320 octets)
""",
    "QUIT (section 6)": """\
             C: QUIT
             S: +OK dewey POP3 server signing off (maildrop empty)
                ...
             C: QUIT
             S: +OK dewey POP3 server signing off (2 messages left)
                ...
""",
    "TOP (section 7)": """\
             C: TOP 1 10
             S: +OK
             S: <the POP3 server sends the headers of the
                message, a blank line, and the first 10 lines
                of the body of the message>
             S: .
                ...
             C: TOP 100 3
             S: -ERR no such message
""",
    "UIDL": """\
          C: UIDL
          S: +OK
          S: 1 whqtswO00WBw418f9t5JxYwZ
          S: 2 QhdPYR:00WBw1Ph7x7
          S: .
             ...
          C: UIDL 2
          S: +OK 2 QhdPYR:00WBw1Ph7x7
             ...
          C: UIDL 3
          S: -ERR no such message, only 2 messages in maildrop
""",
    "USER": """\
             C: USER frated
             S: -ERR sorry, no mailbox for frated here
                ...
             C: USER mrose
             S: +OK mrose is a real hoopy frood
""",
    "PASS": """\
             C: USER mrose
             S: +OK mrose is a real hoopy frood
             C: PASS secret
             S: -ERR maildrop already locked
               ...
             C: USER mrose
             S: +OK mrose is a real hoopy frood
             C: PASS secret
             S: +OK mrose's maildrop has 2 messages (320 octets)
""",
    "APOP": """\
             S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
             C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
             S: +OK maildrop has 1 message (369 octets)
""",
}


def message(size):
    text = b"Subject: %d\r\n\r\n.\r\n..x\r\n" % size
    return text + b"y" * (size - len(text) - 2) + b"\r\n"


ONE, TWO = message(120), message(200)


def dewey(link):
    """A server that answers in the words of section 10."""
    left = {1: ONE, 2: TWO}
    link.say(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
    while True:
        line = link.hear()
        if line is None:
            return
        word, *args = line.split()
        say = {
            b"APOP": b"+OK mrose's maildrop has 2 messages (320 octets)\r\n",
            b"STAT": b"+OK 2 320\r\n",
            b"LIST": b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n",
            b"QUIT": b"+OK dewey POP3 server signing off "
                     b"(maildrop %s)\r\n" % (b"empty" if not left else
                                             b"not empty"),
        }.get(word)
        if word == b"APOP" and args[1] != hashlib.md5(
                b"<1896.697170952@dbc.mtview.ca.us>tanstaaf"
                ).hexdigest().encode():
            say = b"-ERR permission denied\r\n"
        elif word == b"RETR":
            say = b"+OK %d octets\r\n" % len(left[int(args[0])]) + (
                oracle.stuff(left[int(args[0])]) + b".\r\n")
        elif word == b"DELE":
            del left[int(args[0])]
            say = b"+OK message %s deleted\r\n" % args[0]
        link.say(say)
        if word == b"QUIT":
            return


def parrot(script):
    """A talk that says what the lines of a script expect, in its words."""
    lines, prose = [], False
    for line in script.split("\n"):
        line = line.strip()
        if prose or line.startswith("S: <"):
            prose = not line.endswith(">")
            if not prose:
                lines.append(("S", b"A: b"))
        elif line[:2] in ("C:", "S:"):
            lines.append((line[0], line[2:].strip().encode()))

    def talk(link):
        for side, text in lines:
            if side == "S":
                link.say(text + b"\r\n")
            elif link.hear() != text:
                return
        link.sock.recv(1)
    return talk


@test
def session():
    """Section 10"""
    server = Fake(dewey)
    good("section 10 runs as it stands", SESSION, server)
    is_(server.heard, [
        line.split(None, 1)[1].encode() for line in SESSION.split("\n")
        if line.strip().startswith("C:") and "<" not in line],
        "what was sent")
    good("with CRLF", SESSION.replace("\n", "\r\n"), server)
    good("with digest and name in variables", SESSION.replace(
        "mrose c4c9334bac560ecc979e58001b3e22fb", "$user $digest"), server,
        "-u", "mrose:tanstaaf")
    good("without the blanks", "\n".join(
        line.strip() for line in SESSION.split("\n")), server)
    good("twice", SESSION + SESSION, server)
    good("as a test among others", "test a\n" + SESSION + "test b\n" +
         SESSION, server)
    for at, line in enumerate(SESSION.split("\n")[:-1], 1):
        if "S:" not in line or "<the" in line or "<wait" in line:
            continue
        word = line.split(None, 1)[1]
        detail = bad("line %d is looked at" % at, SESSION.replace(
            line + "\n", line.replace(word, "x" + word) + "\n", 1)
            if SESSION.count(line + "\n") == 1 else "\n".join(
                [*SESSION.split("\n")[:at - 1],
                 line.replace(word, "x" + word),
                 *SESSION.split("\n")[at:]]), server, 1, "want S: ")
        is_(detail.get("at"), "t.pop3:%d" % at, "line %d: where" % at)
    got = run(SESSION, Fake(ordinary(
        [ONE, TWO], greeting=b"+OK hello <x@y>\r\n", APOP=b"+OK in\r\n")))
    is_(got.status, 1, "a server with other words fails it", got)
    got = run(SESSION, Fake(ordinary(
        [ONE, TWO], greeting=b"+OK hello <x@y>\r\n", APOP=b"+OK in\r\n")),
        "-L")
    is_(got.status, 0, "but not with -L", got)


@test
def examples():
    """Sections 4 to 7"""
    for name, text in EXAMPLES.items():
        server = Fake(parrot(text))
        good(name, text, server)
        is_(len(server.heard), text.count("C:"), name + ": what was sent")
    joined = "".join(EXAMPLES.values())
    good("all of them as one", joined, Fake(parrot(joined)))
    good("section 4: the greeting", "      S:  +OK POP3 server ready\n",
         Fake(says(b"+OK POP3 server ready\r\n")))
    wrong("with a page break in it", EXAMPLES["TOP (section 7)"].replace(
        "+OK\n", "+OK\n\n\n\nMyers & Rose                Standards Track"
        "                    [Page 11]\n"), 6, "Myers", "neither C:, S: nor")


@test
def mdpop3d():
    """Section 10 against mdpop3d, where words do not count"""
    box = Maildir()
    box.add("new", "1.a", ONE.replace(b"\r\n", b"\n"))
    box.add("new", "2.b", TWO.replace(b"\r\n", b"\n"))
    text = "".join(line + "\n" for line in SESSION.split("\n")
                   if "APOP" not in line and "mrose" not in line)
    good("mdpop3d -a, without APOP", text.replace("maildrop empty", "x"), box,
         "-L")
    is_(box.ordered(), [], "both messages are gone")


run_tests(jobs=4)
