# SPDX-License-Identifier: GPL-2.0-or-later
"""What a correct server must send, computed in the most obvious way.

Nothing here follows the server's way of working (no chunks, no states), so
that both cannot be wrong in the same way.
"""

import hashlib
import re


def wire(stored):
    """A stored message as it travels, before dot-stuffing.

    Every LF becomes CRLF unless it already is one; a last line without its
    end gets one (only the LF when it already has the CR).  A CR elsewhere is
    data.
    """
    out = re.sub(rb"(?<!\r)\n", b"\r\n", stored)
    if out == b"" or out.endswith(b"\r\n"):
        return out
    return out + (b"\n" if out.endswith(b"\r") else b"\r\n")


def stuff(sent):
    """RFC 1939 section 3: a line that starts with a dot gets another."""
    return re.sub(rb"(\A|\n)\.", rb"\1..", sent)


def unstuff(received):
    return re.sub(rb"(\A|\n)\.", rb"\1", received)


def size(stored):
    """RFC 1939 section 11: octets sent, without the stuffing."""
    return len(wire(stored))


def retr(stored):
    """The lines between +OK and the final dot."""
    return stuff(wire(stored))


def top(stored, count):
    """Header, blank line and `count` lines of the body."""
    lines = re.findall(rb"[^\n]*\n", wire(stored))
    if b"\r\n" not in lines:
        return retr(stored)
    body = lines.index(b"\r\n") + 1
    return stuff(b"".join(lines[:body + count]))


def base(name):
    """A Maildir name (bytes) without its flags: what identifies a message."""
    return name.split(b":")[0]


def uidl(name):
    name = base(name)
    if re.fullmatch(rb"[\x21-\x7e]{1,70}", name):
        return name
    return hashlib.md5(name).hexdigest().encode()


def order(name):
    """Sort key: second of delivery, microsecond, base name."""
    name = base(name)
    when = re.match(rb"(\d+)\.", name)
    micro = re.match(rb"\d+\.[^.]*?M(\d+)", name)
    return (int(when.group(1)) if when else 0,
            int(micro.group(1)) if micro else 0, name)
