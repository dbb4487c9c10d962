# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's POP3 servers, and ours, each over a scratch Maildir.

    from peers import *

    @test
    def lists():
        for kind in PEERS.values():
            with kind() as peer:        # started, and ended again
                peer.maildir.add("new", "1.M1P1.host", b"Subject: x\\n\\n")
                pop = poplib.POP3(peer.address, peer.port)
                pop.user(peer.user), pop.pass_(peer.password)

or by hand:  python3 testsuite/lib/peers.py dovecot  starts one and waits.

scripts/setup unpacks the Debian packages into BUILD/peers, nothing of them
is installed: they would not let each other in, and they are services.  A
peer lives in mount and process namespaces of its own, where the unpacked
files lie over /usr and /etc, with users and a /run of its own.  What is
configured is as little as possible; where it is not the server's default,
a comment says why.
"""

import functools
import os
import re
import signal
import subprocess
import sys

from clients import *

UNPACKED = next((os.path.abspath(path) for path in (
    os.environ.get("PEERS"),
    (os.environ.get("BUILD") or os.path.dirname(POPBOX)) + "/peers",
    os.path.dirname(os.path.dirname(POPBOX)) + "/peers") if path and
    os.path.isfile(path + "/versions")), "")


def version(package):
    """Of an unpacked package, without epoch and Debian's part; or None."""
    try:
        with open(UNPACKED + "/versions") as file:
            found = dict(line.split() for line in file)[package]
    except (OSError, KeyError):
        return None
    return re.sub(r"^\d+:|[-+].*", "", found)


@functools.lru_cache(None)
def certificate():
    """Of nobody in particular, for STLS: (the file's text, the key's)."""
    here = scratch("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10", "-subj",
         "/CN=localhost", "-keyout", here + "/key", "-out", here + "/cert"],
        check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = []
    for name in ("cert", "key"):
        with open(here + "/" + name) as file:
            found.append(file.read())
    return tuple(found)


# Before the server, as the first process of its namespaces.
INSIDE = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/unpacked /run/own
mount --bind "$UNPACKED" /run/unpacked
mount --bind "$OWN" /run/own
mount -t overlay overlay -o lowerdir=/run/unpacked/usr:/usr /usr
mount -t overlay overlay -o lowerdir=/run/own/etc:/run/unpacked/etc:/etc /etc
# The log goes to our file, not to the machine's.
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
unset UNPACKED OWN
"""


class Peer:
    """A POP3 server: .port, .user, .password, .maildir, .log().

    name      as on the command line
    package   that holds it
    title     name and version, for tables
    closed    a user who must not be let in, with the same password
    log_path  a file with the log, which every user may read
    """

    name = package = ""
    closed = "old"
    address, user, password = "127.0.0.1", NAME, PASSWORD

    def __init__(self):
        self.home = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @classmethod
    def version(cls):
        return version(cls.package)

    @classmethod
    def title(cls):
        return "%s %s" % (cls.package, cls.version())

    @classmethod
    def need(cls):
        """Ends the test where this server cannot run."""
        private_mounts()
        if not cls.version():
            absent("unpacked " + cls.package, cls.package)

    def start(self):
        self.need()
        if self.home is None:
            self.home = scratch(self.name)
            path = self.home + "/" + self.user
            os.mkdir(path, 0o700)
            os.chown(path, OWNER, OWNER)
            self.maildir = Maildir(path + "/Maildir", OWNER)
            os.symlink(self.user, "%s/%s" % (self.home, self.closed))
        self.port = free_port()
        self.own = scratch("own")
        for name, text in zip(("cert", "key"), certificate()):
            self.file(name, text)
        self._users()
        self._launch(self.configure())
        cleanup(self.stop)
        if not wait_for(lambda: listening(self.port) or
                        self.process.poll() is not None) or (
                            self.process.poll() is not None):
            raise AssertionError("%s does not listen: %s" % (
                self.name, self.log()))
        os.chmod(self.log_path, 0o644)

    def configure(self):
        """Writes what it needs; the shell command that becomes it."""
        raise NotImplementedError

    def _users(self):
        """The system's users there: root, nobody, ours, and the server's."""
        lines = ["root:x:0:0:root:/root:/bin/sh",
                 "nobody:x:65534:65534:nobody:/nonexistent:/bin/false"]
        lines += ["%s:x:%d:%d:test:%s/%s:/bin/sh" % (
            name, OWNER, OWNER, self.home, self.user)
                  for name in (self.user, self.closed)]
        lines += ["%s:x:%d:%d::/nonexistent:/bin/false" % (name, uid, uid)
                  for uid, name in enumerate(("dovecot", "dovenull",
                                              "courier"), OWNER + 1)]
        self.file("etc/passwd", "\n".join(lines) + "\n", 0o644)
        self.file("etc/group", "mail:x:8:\n" + "".join(
            "%s:x:%s:\n" % (line.split(":")[0], line.split(":")[3])
            for line in lines), 0o644)
        self.file("etc/shadow", "%s:%s:19000:0:99999:7:::\n"
                  "%s:!%s:19000:0:99999:7:::\n" % (
                      self.user, hashed(self.password),
                      self.closed, hashed(self.password)))

    def file(self, name, text, mode=0o600):
        """A file of the server's own, below /run/own there."""
        path = os.path.join(self.own, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return write(path, text, mode)

    def _launch(self, script):
        self._log = self.log_path = self.own + "/log"
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                 "sh", "-c", INSIDE + script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                     "UNPACKED": UNPACKED, "OWN": self.own})

    def log(self):
        with open(self._log, "rb") as file:
            return file.read().decode("latin-1")

    def stop(self):
        """Ends it and, with its namespace, all of its processes."""
        if self.process.poll() is None:
            with open("/proc/%d/task/%d/children" % (
                    self.process.pid, self.process.pid)) as file:
                first = file.read().split()
            for pid in first or [self.process.pid]:
                os.kill(int(pid), signal.SIGKILL)
        self.process.wait(PATIENCE)


class Mdpop3d(Peer):
    """Our own, with its own listener and a virtual user."""

    name = package = "mdpop3d"
    args = ()

    @classmethod
    def version(cls):
        said = subprocess.run([POPBOX, "--version"], capture_output=True,
                              text=True).stdout.split()
        return said[1] if len(said) > 1 else "?"

    @classmethod
    def need(cls):
        need_server()

    def start(self):
        self.need()
        self.home = scratch(self.name)
        users = UserFile()
        self.maildir = users.add(self.user, self.password, uid=OWNER)
        users.add(self.closed, stored="!" + hashed(self.password), uid=OWNER,
                  home="%s/%s" % (users.home, self.user), maildir=False)
        self.log_path = self.home + "/log"
        with open(self.log_path, "wb") as file:
            self.server = listener("-b", "0", "-P", users.path, *self.args,
                                   stderr=file)
        self.port, self.process = self.server.port, self.server.process

    def log(self):
        with open(self.log_path, "rb") as file:
            return file.read().decode("latin-1")

    def stop(self):
        self.server.end()


class Dovecot(Peer):
    name, package = "dovecot", "dovecot-pop3d"

    def configure(self):
        # Passwords in clear text: APOP and CRAM-MD5 need them.
        self.file("users", "".join(
            "%s:{PLAIN}%s:%d:%d::%s/%s::%s\n" % (
                name, self.password, OWNER, OWNER, self.home, self.user, more)
            for name, more in ((self.user, ""), (self.closed, "nologin"))),
            0o644)
        # The penalty would make a login wait for what others did wrong.
        self.file("dovecot.conf", """
protocols = pop3
listen = %s
log_path = /run/own/dovecot.log
ssl = yes
ssl_cert = </run/own/cert
ssl_key = </run/own/key
disable_plaintext_auth = no
auth_mechanisms = plain login apop cram-md5
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
passdb {
  driver = passwd-file
  args = /run/own/users
}
userdb {
  driver = passwd-file
  args = /run/own/users
}
service pop3-login {
  inet_listener pop3 {
    port = %d
  }
  inet_listener pop3s {
    port = 0
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
""" % (self.address, self.port))
        return """
mkdir /run/state
echo 'state_dir = /run/state' >>/run/own/dovecot.conf
exec dovecot -F -c /run/own/dovecot.conf
"""

    def start(self):
        super().start()
        self.log_path = self.own + "/dovecot.log"
        os.chmod(self.log_path, 0o644)

    def log(self):
        try:
            with open(self.own + "/dovecot.log") as file:
                return super().log() + file.read()
        except FileNotFoundError:
            return super().log()


class Courier(Peer):
    name, package = "courier", "courier-pop"

    def configure(self):
        # As its own start script does it; more than 4 sessions of one
        # address, and passwords in clear text for CRAM-MD5.
        self.file("courier/userdb", "".join(
            "%s\tuid=%d|gid=%d|home=%s/%s|systempw=%s|%s" % (
                name, OWNER, OWNER, self.home, self.user,
                hashed(self.password), more)
            for name, more in ((self.closed, "options=disablepop3=1\n"),
                               (self.user, "hmac-md5pw="))))
        return """
cat /run/own/cert /run/own/key >/run/own/both
printf '%%s' '%s' | userdbpw -hmac-md5 >>/run/own/courier/userdb
cp -R /run/unpacked/etc/courier/. /run/own/courier
mount --bind /run/own/courier /etc/courier
mkdir -p /run/courier/authdaemon
cd /etc/courier
sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/' authdaemonrc
makeuserdb
/usr/lib/courier/courier-authlib/authdaemond &
set -a
. ./pop3d-ssl
. ./pop3d
TLS_CERTFILE=/run/own/both TLS_CACHEFILE=
POP3AUTH='PLAIN LOGIN CRAM-MD5'
exec couriertcpd -address=%s -maxprocs=$MAXDAEMONS -maxperip=100 \
    $TCPDOPTS %d /usr/lib/courier/courier/courierpop3login \
    /usr/lib/courier/courier/courierpop3d $MAILDIRPATH
""" % (self.password, self.address, self.port)


class Mailutils(Peer):
    name, package = "mailutils", "mailutils-pop3d"

    def configure(self):
        self.file("mailutils.conf", """
mode daemon;
tls { ssl-certificate-file /run/own/cert; ssl-key-file /run/own/key; };
apop-database-file "/run/own/apop.db";
foreground yes;
max-children 100;
logging { syslog no; };
auth {
  authentication clear;
  authentication generic:system;
  authorization clear;
  authorization system;
};
mailbox { mailbox-pattern "maildir:%s/${user}/Maildir"; };
tcp-wrappers { enable no; };
server %s:%d { tls-mode ondemand; };
""" % (self.home, self.address, self.port))
        # Where it has its locks; Debian has no such directory.
        return """
mkdir -p -m 1777 /run/lock/subsys/mail
popauth -f /run/own/apop.db -a -u %s -p '%s'
exec pop3d --config-file=/run/own/mailutils.conf
""" % (self.user, self.password)


PEERS = {kind.name: kind for kind in (Mdpop3d, Dovecot, Courier, Mailutils)}


def main():
    """Starts one and waits for the end of standard input."""
    with PEERS[sys.argv[1]]() as peer:
        print("%s: port %d, user %s, password '%s', %s" % (
            peer.title(), peer.port, peer.user, peer.password,
            peer.maildir.path), flush=True)
        sys.stdin.read()
        print(peer.log())


if __name__ == "__main__":
    main()
