#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Maildirs as other people's programs write them are clean.

The programs are those that scripts/setup has unpacked, in mount namespaces
of their own (see testsuite/lib/peers.py); Python's mailbox, getmail and mpop
are the system's.
"""

import imaplib
import mailbox
import os
import random
import shlex
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from checker import *
import ckmail
import clients
import peers

if not config("MAILDIRCK"):
    skip_all("MAILDIRCK is not configured")

EPOCH = 1650000000
OWNER = peers.OWNER

# As root, in a mount namespace: the unpacked files over the system's, and
# then as the Maildir's owner.
INSIDE = peers.INSIDE + """
chmod 755 /run
cd %s
exec setpriv --reuid=%d --regid=%d --clear-groups env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=%s USER=alice LOGNAME=alice %s
"""


def mails(count, seed=1):
    rng = random.Random(seed)
    return [ckmail.mail(rng, EPOCH + i * 4711) for i in range(count)]


class Home:
    """A user with a Maildir, and a way to run programs as him."""

    def __init__(self, *packages, owner=None):
        if packages:
            peers.private_mounts()
            for package in packages:
                if not peers.version(package):
                    clients.absent("unpacked " + package, package)
        self.home, self.own = scratch("home"), scratch("own")
        self.path = self.home + "/Maildir"
        owner = OWNER if packages else owner
        self.box = Maildir(self.path, owner)
        os.chmod(self.home, 0o700)
        if owner:
            os.chown(self.home, owner, owner)
        users = ["root:x:0:0:root:/root:/bin/sh",
                 "nobody:x:65534:65534:nobody:/:/bin/false",
                 "alice:x:%d:%d::%s:/bin/sh" % (OWNER, OWNER, self.home)]
        users += ["%s:x:%d:%d::/:/bin/false" % (name, uid, uid) for
                  uid, name in enumerate(("dovecot", "dovenull", "courier"),
                                         OWNER + 1)]
        self.file("etc/passwd", "\n".join(users) + "\n")
        self.file("etc/group", "mail:x:8:\n" + "".join(
            "%s:x:%s:\n" % tuple(u.split(":")[0:4:3]) for u in users))

    def file(self, name, text, owner=None):
        path = self.own + "/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        if owner:
            os.chown(path, owner, owner)
            os.chmod(path, 0o600)
        return "/run/own/" + name

    def command(self, *argv, alone=()):
        return ["env", "UNPACKED=" + peers.UNPACKED, "OWN=" + self.own,
                "unshare", "-m", *alone, "sh", "-c", INSIDE % (
                    self.home, OWNER, OWNER, self.home,
                    " ".join(map(shlex.quote, argv)))]

    def run(self, *argv, stdin=b""):
        done = subprocess.run(self.command(*argv), input=stdin,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False,
                              timeout=10 * PATIENCE)
        if done.returncode != 0:
            raise AssertionError("%s: %d: %s" % (
                argv[0], done.returncode, done.stdout.decode("latin-1")))
        return done.stdout

    def imap(self, *argv):
        """A session with a server on a pipe, already logged in.

        What it starts ends with it.  Not so for a delivery: names tell its
        process, which would always be the first of its namespace.
        """
        imap = imaplib.IMAP4_stream(" ".join(map(shlex.quote, self.command(
            *argv, alone=("-p", "-f", "--kill-child", "--mount-proc")))) +
            " 2>" + self.own + "/err")
        imap.state = "AUTH"
        return imap

    def count(self):
        """Messages in the Maildir and its folders."""
        found = 0
        for at, _, files in os.walk(self.path):
            found += os.path.basename(at) in ("new", "cur") and len(files)
        return found


def clean(what, home, at_least=1):
    """Nothing above information, at any level, and nothing to repair."""
    ok(home.count() >= at_least, "%s: there are %d messages" % (
        what, home.count()))
    got = check("-j", "-c", "full", home.path)
    is_((got.status, sorted(got.loud())), (0, []), what + ": clean",
        repr(got))
    before = snapshot(home.path)
    got = check("-j", "-p", "-c", "full", home.path)
    is_((got.status, differences(before, snapshot(home.path))), (0, []),
        what + ": and nothing to repair", repr(got))


# ---- deliveries ----

def delivers(what, package, argv, prepare=None):
    """one message after the other on standard input"""
    home = Home(*package)
    if prepare:
        prepare(home)
    for data in mails(6):
        home.run(*[a.replace("MAILDIR", home.path) for a in argv],
                 stdin=data)
    clean(what, home, 6)


def procmailrc(home):
    home.file("procmailrc", "MAILDIR=%s\nDEFAULT=%s/\n" % (
        home.home, home.path))


def mailfilter(home):
    home.file("mailfilter", 'to "%s"\n' % home.path, OWNER)


DOVECOT = """mail_location = maildir:~/Maildir
log_path = /dev/stderr
ssl = no
protocols = imap
base_dir = /run/dovecot
"""


def dovecot_conf(home, more=""):
    home.file("dovecot.conf", DOVECOT + more)


@test
def deliveries():
    """programs that deliver"""
    spread(delivers, (
        ("procmail", ["procmail"], ["procmail", "/run/own/procmailrc"],
         procmailrc),
        ("maildrop", ["maildrop", "courier-authlib"],
         ["maildrop", "/run/own/mailfilter"], mailfilter),
        ("deliverquota of maildrop", ["maildrop"],
         ["deliverquota.maildrop", "MAILDIR", "9000000S,1000C"]),
        ("deliverquota of Courier", ["courier-base"],
         ["deliverquota.courier", "MAILDIR", "9000000S,1000C"]),
        ("OpenSMTPD's mail.maildir", ["opensmtpd"],
         ["/usr/libexec/opensmtpd/mail.maildir", "MAILDIR"]),
        ("mblaze mdeliver", ["mblaze"], ["mdeliver", "MAILDIR"]),
        ("mblaze mdeliver -c", ["mblaze"],
         ["mdeliver", "-c", "-XFS", "MAILDIR"]),
        ("dovecot-lda", ["dovecot-core"],
         ["/usr/lib/dovecot/dovecot-lda", "-c", "/run/own/dovecot.conf"],
         dovecot_conf)), 3)


@test
def mblaze():
    """flags and folders by mblaze"""
    home = Home("mblaze")
    for data in mails(6):
        home.run("mdeliver", home.path, stdin=data)
    home.run("mmkdir", home.path + "/.Sent")
    home.run("sh", "-c", "set -e; cd Maildir; minc . >/dev/null;"
             "mlist . | sed -n 1,3p | mflag -S -F >/dev/null;"
             "mlist . | sed -n 2,2p | mrefile .Sent;"
             "mlist . | sed -n 1,2p | mflag -R -f >/dev/null")
    # As Maildir++ wants it, which mblaze is not about.
    open(home.path + "/.Sent/maildirfolder", "w").close()
    clean("mblaze", home, 6)


# ---- servers ----

def use(imap, count=12):
    """What a client does to a mailbox."""
    def do(method, *args):
        status, said = getattr(imap, method)(*args)
        if status != "OK":
            raise AssertionError("%s %s: %s" % (method, args, said))
        return said

    messages = mails(count, 2)
    for folder in ("INBOX.Sent", "INBOX.Old", "INBOX.Old.2021"):
        do("create", folder)
    do("subscribe", "INBOX.Sent")
    for i, data in enumerate(messages):
        flags = ("", "\\Seen", "\\Seen \\Answered", "\\Flagged",
                 "\\Draft", "\\Seen $Label1 work")[i % 6]
        do("append", "INBOX" if i % 3 else "INBOX.Sent", flags and
           "(%s)" % flags, imaplib.Time2Internaldate(EPOCH + i * 4711),
           data.replace(b"\n", b"\r\n"))
    do("select", "INBOX")
    do("store", "1:3", "+FLAGS", "(\\Seen)")
    do("store", "2", "+FLAGS", "(\\Deleted $Forwarded)")
    do("copy", "3:5", "INBOX.Old")
    do("copy", "1:2", "INBOX.Old.2021")
    do("expunge")
    do("store", "1", "-FLAGS", "(\\Seen)")
    do("fetch", "1:*", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    do("close")
    do("rename", "INBOX.Old.2021", "INBOX.Older")
    do("delete", "INBOX.Old")
    do("select", "INBOX.Sent")
    do("fetch", "1:*", "(FLAGS RFC822)")
    do("store", "1", "+FLAGS", "(\\Deleted)")
    imap.logout()


NAMESPACE = """namespace {
  inbox = yes
  prefix = INBOX.
  separator = .
}
"""


@test
def dovecot():
    """Dovecot: LDA, APPEND, flags, keywords, COPY, EXPUNGE, folders"""
    home = Home("dovecot-core", "dovecot-imapd")
    lda = ["/usr/lib/dovecot/dovecot-lda", "-c", "/run/own/dovecot.conf"]
    dovecot_conf(home, NAMESPACE)
    for data in mails(3):
        home.run(*lda, stdin=data)
    use(home.imap("/usr/lib/dovecot/imap", "-c", "/run/own/dovecot.conf"))
    for data in mails(3, 3):
        home.run(*lda, stdin=data)
    clean("Dovecot", home, 12)


@test
def dovecot_quota():
    """Dovecot with maildirsize, and with compressed messages"""
    home = Home("dovecot-core", "dovecot-imapd")
    dovecot_conf(home, NAMESPACE + """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=100M
}
""")
    home.run("/usr/lib/dovecot/dovecot-lda", "-c", "/run/own/dovecot.conf",
             stdin=mails(1)[0])
    use(home.imap("/usr/lib/dovecot/imap", "-c", "/run/own/dovecot.conf"))
    ok(os.path.exists(home.path + "/maildirsize"), "it has a maildirsize")
    clean("Dovecot with quota", home, 12)
    home = Home("dovecot-core", "dovecot-imapd")
    dovecot_conf(home, NAMESPACE + "mail_plugins = zlib\nplugin {\n"
                 "  zlib_save = gz\n}\n")
    use(home.imap("/usr/lib/dovecot/imap", "-c", "/run/own/dovecot.conf"))
    clean("Dovecot with compression", home, 12)


@test
def courier():
    """Courier's imapd: APPEND, flags, keywords, COPY, EXPUNGE, folders"""
    home = Home("courier-imap", "courier-base", "gamin")
    deliver = ["deliverquota.courier", home.path]
    for data in mails(3):
        home.run(*deliver, stdin=data)
    use(home.imap("sh", "-c", "set -a; . /etc/courier/imapd;"
                  "AUTHENTICATED=alice; exec /usr/bin/imapd %s" % home.path))
    for data in mails(3, 3):
        home.run(*deliver, stdin=data)
    clean("Courier", home, 12)


@test
def python_mailbox():
    """Python's mailbox.Maildir"""
    home = Home()
    box = mailbox.Maildir(home.path)
    keys = [box.add(data) for data in mails(8)]
    for i, key in enumerate(keys[:5]):
        message = box[key]
        message.set_flags(("S", "RS", "F", "DS", "")[i])
        message.set_subdir("cur")
        message.set_date(EPOCH + i)
        box[key] = message
    box.remove(keys[1])
    sent = box.add_folder("Sent")
    for data in mails(3, 3):
        sent.add(data)
    box.flush()
    clean("Python", home, 10)


# ---- clients that store what they fetch ----

def fetched(what, command, user=None):
    """messages of our own POP3 server, as a client stores them"""
    box = clients.Mailbox([("message %d" % i, data)
                           for i, data in enumerate(mails(8))])
    server = box.serve()
    home = Home(owner=user)
    status, said = clients.run(command(home, server.port), user=user)
    is_(status, 0, what + ": fetches", said)
    clean(what, home, 8)


@test
def getmail():
    """getmail6"""
    program = clients.program("getmail", "getmail6")

    def command(home, port):
        home.file("getmailrc", """[retriever]
type = SimplePOP3Retriever
server = 127.0.0.1
port = %d
username = %s
password = %s
[destination]
type = Maildir
path = %s/
""" % (port, clients.NAME, clients.PASSWORD, home.path))
        for path in (home.own, home.own + "/getmailrc"):
            os.chown(path, clients.NOBODY, clients.NOBODY)
        return [program, "--getmaildir=" + home.own, "--rcfile=getmailrc"]

    # It refuses to be root.
    fetched("getmail6", command, clients.NOBODY)


@test
def mpop():
    """mpop"""
    program = clients.program("mpop")

    def command(home, port):
        home.file("mpoprc", """account default
host 127.0.0.1
port %d
user %s
password %s
auth user
tls off
delivery maildir %s
uidls_file %s/uidls
""" % (port, clients.NAME, clients.PASSWORD, home.path, home.own))
        os.chmod(home.own + "/mpoprc", 0o600)
        return [program, "-C", home.own + "/mpoprc"]

    fetched("mpop", command)


run_tests()
