# SPDX-License-Identifier: GPL-2.0-or-later
"""User files for -P, and system users in a mount namespace of their own."""

import ctypes
import ctypes.util
import functools
import os
import threading

from maildir import Maildir, scratch
from tap import private_mounts

# The answer to every login that fails for a reason of the client's.
REFUSED = b"-ERR [AUTH] login incorrect\r\n"

# Cheap on purpose: a test of logins is not a test of the hash.
SETTING = "$6$rounds=1000$popboxtest$"

_crypt_lock = threading.Lock()


def _libcrypt():
    """Of the host; Python's own module for it is going away."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    for name in ("crypt", "crypt_gensalt"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


def gensalt(prefix, cost=0):
    """A setting of this scheme for hashed()."""
    value = _libcrypt().crypt_gensalt(prefix.encode(), ctypes.c_ulong(cost),
                                      None, 0)
    if not value:
        raise ValueError("crypt does not know %r" % prefix)
    return value.decode()


@functools.lru_cache(None)
def hashed(password, setting=SETTING):
    """crypt(3)."""
    library = _libcrypt()
    with _crypt_lock:
        value = library.crypt(password.encode(), setting.encode())
    if not value or value.startswith(b"*"):
        raise ValueError("crypt does not know %r" % setting)
    return value.decode()


class UserFile:
    """A passwd(5) file with the hash in the second field."""

    def __init__(self):
        self.home = scratch("home")
        self.path = self.home + "/users"
        self._text = ""
        self._write()

    def _write(self):
        # In one step: a server may be reading it.
        with open(self.path + ".new", "w") as file:
            file.write(self._text)
        os.chmod(self.path + ".new", 0o600)
        os.rename(self.path + ".new", self.path)

    def line(self, text):
        """Any line, right or wrong."""
        self._text += text + "\n"
        self._write()

    def add(self, name, password=None, uid=61300, gid=None, stored=None,
            maildir=True, home=None):
        """A user with a home and (unless maildir=False) a Maildir.

        `stored` replaces the hash of `password`.  Returns the Maildir.
        """
        gid = uid if gid is None else gid
        home = home or "%s/%s" % (self.home, name)
        os.makedirs(home, 0o755, exist_ok=True)
        os.chown(home, uid if os.geteuid() == 0 else -1, -1)
        value = hashed(password) if stored is None else stored
        self.line("%s:%s:%d:%d:test:%s:/bin/sh" % (name, value, uid, gid,
                                                   home))
        if not maildir:
            return None
        owner = uid if os.geteuid() == 0 else None
        return Maildir(home + "/Maildir", owner)


def joe(password="secret", **more):
    """A user file with joe in it, and his Maildir (.box) with 2 messages."""
    users = UserFile()
    users.box = users.add("joe", password, **more).fill(2)
    return users


def with_files(files, extra=""):
    """A wrapper command: bind-mounts {target: source} in a namespace.

    Needs root.  `extra` is more shell to run before the server.
    """
    script = ["set -e"]
    for target, source in files.items():
        script.append("mount --bind '%s' '%s'" % (source, target))
    script += [extra, 'exec "$@"']
    return [*private_mounts(), "sh", "-c", "\n".join(script), "sh"]


class SystemUsers:
    """An /etc/passwd and /etc/shadow of our own, seen by one server only."""

    def __init__(self):
        self.home = scratch("sys")
        self.passwd = "root:x:0:0:root:/root:/bin/sh\n"
        self.shadow = "root:*:19000:0:99999:7:::\n"
        self.group = "root:x:0:\n"

    def add(self, name, password=None, uid=61400, gid=None, stored=None,
            ageing="19000:0:99999:7:::", field="x", maildir=True):
        """`stored` replaces the hash, `ageing` is the rest of the shadow line,
        `field` the password field of passwd.  Returns the Maildir."""
        gid = uid if gid is None else gid
        home = "%s/%s" % (self.home, name)
        os.makedirs(home, 0o755, exist_ok=True)
        os.chown(home, uid, gid)
        value = hashed(password) if stored is None else stored
        self.passwd += "%s:%s:%d:%d:test:%s:/bin/sh\n" % (name, field, uid,
                                                          gid, home)
        self.shadow += "%s:%s:%s\n" % (name, value, ageing)
        self.group += "%s:x:%d:\n" % (name, gid)
        return Maildir(home + "/Maildir", uid) if maildir else None

    def wrap(self, extra=""):
        """The wrapper that makes these the users of the system."""
        files = {}
        for kind, mode in (("passwd", 0o644), ("shadow", 0o600),
                           ("group", 0o644)):
            path = "%s/%s" % (self.home, kind)
            with open(path, "w") as file:
                file.write(getattr(self, kind))
            os.chmod(path, mode)
            files["/etc/" + kind] = path
        return with_files(files, extra)
