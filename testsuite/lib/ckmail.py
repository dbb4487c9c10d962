# SPDX-License-Identifier: GPL-2.0-or-later
"""Mail as it comes, and names as those who store it give them.

Everything is chosen by a random.Random that the caller brings: the same seed
makes the same Maildir.
"""

import base64
import email.utils
import hashlib

HOSTS = ("mx1.example.org", "mail", "router.lan", "nas-2", "host7.example")
PEOPLE = ("Ada <ada@example.org>", "bob@example.net",
          '"Eve, the third" <eve@example.com>',
          "=?utf-8?q?J=C3=BCrgen?= <j@example.org>")
WORDS = ("the meeting is moved to Thursday", "see the attached invoice",
         "thanks, that works now", "please look at line 42",
         "the router was off for an hour", "who has the key",
         ".a line that begins with a dot", ">From here on it is quoted",
         "a -- b", "https://example.org/?q=1&r=2")


def _text(rng, lines):
    return "".join("%s, %d\n" % (rng.choice(WORDS), rng.randrange(1000))
                   for _ in range(lines)).encode()


def _head(rng, when, extra=""):
    who, host = rng.choice(PEOPLE), rng.choice(HOSTS)
    ident = "%d.%08x@%s" % (when, rng.getrandbits(32), host)
    date = email.utils.formatdate(when)
    return ("Return-Path: <bounce-%d@example.org>\n"
            "Received: from %s (unknown [192.0.2.%d])\n"
            "\tby mx1.example.org with ESMTP id %06X\n"
            "\tfor <user@example.org>; %s\n"
            "From: %s\nTo: user@example.org\n"
            "Subject: %s\nDate: %s\nMessage-ID: <%s>\n%s\n" % (
                rng.randrange(9999), host, rng.randrange(1, 255),
                rng.getrandbits(24), date, who, rng.choice(WORDS).strip(".>"),
                date, ident, extra)).encode()


def plain(rng, when, lines=None):
    return _head(rng, when) + b"Hello,\n\n" + _text(
        rng, lines or rng.randrange(2, 40))


def multipart(rng, when, size=3000):
    mark = "=_%016x" % rng.getrandbits(64)
    blob = base64.encodebytes(bytes(rng.getrandbits(8)
                                    for _ in range(size)))
    head = _head(rng, when, "MIME-Version: 1.0\nContent-Type: multipart/mixed;"
                 "\n\tboundary=\"%s\"\n" % mark)
    part = "--%s\n" % mark
    return (head + b"This is a message in parts.\n\n" + part.encode() +
            b"Content-Type: text/plain; charset=us-ascii\n\n" +
            _text(rng, 5) + b"\n" + part.encode() +
            b"Content-Type: application/octet-stream\n"
            b"Content-Transfer-Encoding: base64\n\n" + blob +
            ("\n--%s--\n" % mark).encode())


def eight_bit(rng, when):
    return _head(rng, when, "MIME-Version: 1.0\nContent-Type: text/plain; "
                 "charset=utf-8\nContent-Transfer-Encoding: 8bit\n") + (
        "Gr\u00fc\u00dfe aus K\u00f6ln\n".encode() + _text(rng, 4))


def mail(rng, when):
    """One message of those that everybody has."""
    kind = rng.randrange(8)
    if kind == 0:
        return multipart(rng, when, rng.choice((900, 6000, 40000)))
    if kind == 1:
        return eight_bit(rng, when)
    return plain(rng, when)


def wire(data):
    """The size with CRLF: what ,W= tells."""
    return len(data) + data.count(b"\n") - data.count(b"\r\n")


# ---- names -------------------------------------------------------------------

def _qmail(rng, when, data):
    return "%d.%d.%s" % (when, rng.randrange(2, 32768), rng.choice(HOSTS))


def _dovecot(rng, when, data):
    return "%d.M%dP%d.%s,S=%d,W=%d" % (
        when, rng.randrange(1000000), rng.randrange(2, 32768),
        rng.choice(HOSTS), len(data), wire(data))


def _courier(rng, when, data):
    return "%d.M%dP%dV%016XI%016X_%d.%s,S=%d" % (
        when, rng.randrange(1000000), rng.randrange(2, 32768),
        0xFD01, rng.getrandbits(24), rng.randrange(3), rng.choice(HOSTS),
        len(data))


def _maildrop(rng, when, data):
    return "%d.M%dP%dV%016XI%08X.%s,S=%d" % (
        when, rng.randrange(1000000), rng.randrange(2, 32768), 0x801,
        rng.getrandbits(24), rng.choice(HOSTS), len(data))


def _postfix(rng, when, data):
    return "%d.Vfd01I%xM%d.%s" % (when, rng.getrandbits(24),
                                  rng.randrange(1000000), rng.choice(HOSTS))


def _exim(rng, when, data):
    return "%d.H%dP%d.%s,S=%d" % (when, rng.randrange(1000000),
                                  rng.randrange(2, 32768), rng.choice(HOSTS),
                                  len(data))


def _mblaze(rng, when, data):
    return "%d.M%06dP%dQ%d.%s" % (when, rng.randrange(1000000),
                                  rng.randrange(2, 32768),
                                  rng.randrange(1, 99), rng.choice(HOSTS))


def _python(rng, when, data):
    return "%d.M%dP%dQ%d.%s" % (when, rng.randrange(1000000),
                                rng.randrange(2, 32768), rng.randrange(1, 99),
                                rng.choice(HOSTS))


def _procmail(rng, when, data):
    return "%d.%d_%d.%s" % (when, rng.randrange(2, 32768),
                            rng.randrange(1, 9), rng.choice(HOSTS))


def _mutt(rng, when, data):
    return "%d.R%d.%s" % (when, rng.getrandbits(63), rng.choice(HOSTS))


FORMS = {"qmail": _qmail, "dovecot": _dovecot, "courier": _courier,
         "maildrop": _maildrop, "postfix": _postfix, "exim": _exim,
         "mblaze": _mblaze, "python": _python, "procmail": _procmail,
         "mutt": _mutt}
SIZED = ("dovecot", "courier", "maildrop", "exim")


def base_name(rng, when, data, form=None):
    return FORMS[form or rng.choice(sorted(FORMS))](rng, when, data)


def mbsync_name(rng, when, uid):
    return "%d.%d_%d.%s,U=%d" % (when, rng.randrange(2, 32768),
                                 rng.randrange(1, 9), rng.choice(HOSTS), uid)


def offlineimap_name(rng, when, uid, folder="INBOX"):
    return "%d_%d.%d.%s,U=%d,FMD5=%s" % (
        when, rng.randrange(9), rng.randrange(2, 32768), rng.choice(HOSTS),
        uid, hashlib.md5(folder.encode()).hexdigest())
