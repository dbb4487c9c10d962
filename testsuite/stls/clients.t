#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Other people's clients with TLS: STLS (below the superserver of the tests,
# with -E) and POP3S (below stunnel). Each has to refuse a certificate that it
# does not know.

import os
import poplib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from ucspitls import *

all_need()
poplib._MAXLINE = 1 << 22
HAS_SASL = config("FEATURE_MDPOP3D_SASL")

# No odd forms: what clients make of those is told elsewhere.
MESSAGES = [(label, data) for label, data in catalogue()
            if label in ("plain", "8bit", "base64", "multipart", "signed",
                         "half a megabyte", "From in the body", "report")]


class Way:
    """A server that offers TLS in one of two ways, and a mailbox."""

    def __init__(self, how):
        self.how, self.implicit = how, how == "POP3S"
        self.box = Mailbox(MESSAGES)
        args = ("-P", self.box.users.path)
        self.server = stunnel(*args) if self.implicit else ucspitls(
            "-E", *args)
        self.port = self.server.port
        self.good = certificate()[0]
        self.other = certificate("DNS:localhost", "IP:127.0.0.1")[0]
        # Clients that are not root have to be able to read them.
        for path in (self.good, self.other):
            os.chmod(os.path.dirname(path), 0o755)

    def ended(self, what):
        ok(self.server.wait_log(r"\[127\.0\.0\.1\]\[%s\] quit" % NAME),
           what + ": the session ended with QUIT", self.server.log())
        if not self.implicit:
            ok(self.server.wait_log(r"^ucspitls: TLS: TLSv1\.[23]"),
               what + ": by STLS", self.server.log())
        all_gone(what, self.server)


def both(client):
    """A test for each way, with a title of its own."""
    for how in ("STLS", "POP3S"):
        def one(how=how):
            if how == "STLS":
                need("FEATURE_MDPOP3D_STLS")
            client("%s, %s" % (client.__doc__, how), Way(how))
        one.__name__ = "%s_%s" % (client.__name__, how.lower())
        one.__doc__ = "%s, %s" % (client.__doc__, how)
        test(one)


@both
def curl(what, way):
    """curl"""
    def run_curl(cert, *more):
        out = scratch("curl")
        return run([program("curl"), "-q", "-s", "-S", "--max-time",
                    str(LIMIT), "--cacert", cert, "--ssl-reqd", "-u",
                    "%s:%s" % (NAME, PASSWORD), "-o", "#1", "-v", *more,
                    "pop3%s://127.0.0.1:%d/[01-%02d]" % (
                        "s" if way.implicit else "", way.port,
                        len(MESSAGES))], cwd=out), out

    (status, said), out = run_curl(way.good)
    is_(status, 0, what, said)
    same(what, way.box, files(out), crlf)
    if HAS_SASL:
        like(said, "^> AUTH PLAIN", what + ": by AUTH PLAIN")
        (status, said), out = run_curl(way.good, "--sasl-ir")
        like(said, "^> AUTH PLAIN [A-Za-z0-9]", what + ", --sasl-ir")
        is_(status, 0, what + ", --sasl-ir: status", said)
    else:
        like(said, "^> USER", what + ": by USER and PASS")
    is_(run_curl(way.other)[0][0], 60, what + " refuses another certificate")
    kept(what, way.box)
    way.ended(what)


@both
def mpop(what, way):
    """mpop"""
    def run_mpop(cert, auth):
        home = scratch("mpop")
        maildir = Maildir(home + "/Maildir").path
        write(home + "/rc", "\n".join([
            "defaults", "tls on", "tls_starttls " + (
                "off" if way.implicit else "on"), "tls_trust_file " + cert,
            "auth " + auth, "timeout %d" % LIMIT, "account test",
            "host localhost", "port %d" % way.port, "user " + NAME,
            'password "%s"' % PASSWORD, "delivery maildir " + maildir,
            "uidls_file %s/uidls" % home, "received_header off", "keep on",
            ""]))
        return run([program("mpop"), "-C", home + "/rc", "--quiet", "test"],
                   cwd=home), maildir

    for auth in ("user", "plain", "on") if HAS_SASL else ("user",):
        said, maildir = run_mpop(way.good, auth)
        is_(said, (0, ""), "%s, auth %s" % (what, auth))
        same("%s, auth %s" % (what, auth), way.box, maildir_files(maildir),
             lf)
    status, said = run_mpop(way.other, "user")[0]
    ok(status != 0 and "ertificate" in said,
       what + " refuses another certificate", said)
    way.ended(what)


@both
def fetchmail(what, way):
    """fetchmail"""
    def run_fetchmail(cert):
        path, home = program("fetchmail"), scratch("fetchmail")
        os.mkdir(home + "/out")
        os.chown(home + "/out", NOBODY, NOBODY)
        write(home + "/rc", "\n".join([
            "set no bouncemail", "set no syslog", "set invisible",
            "poll localhost proto pop3 port %d timeout %d uidl" % (
                way.port, LIMIT),
            'user "%s" password "%s"' % (NAME, PASSWORD),
            'sslproto "TLS1.2+" sslcertck sslcertfile "%s" %s' % (
                cert, "ssl" if way.implicit else ""),
            "no rewrite no stripcr no mimedecode no dropstatus "
            "no dropdelivered keep fetchall",
            'mda "exec cat >$(mktemp $HOME/out/XXXXXXXX)"', ""]), 0o600,
            NOBODY)
        return run([path, "-s", "-f", home + "/rc", "--idfile",
                    home + "/ids", "--pidfile", home + "/pid"], None,
                   {"FETCHMAILHOME": home}, NOBODY, home), home + "/out"

    said, out = run_fetchmail(way.good)
    is_(said, (0, ""), what)
    same(what, way.box, files(out), crlf)
    status, said = run_fetchmail(way.other)[0]
    ok(status != 0 and "ertificate" in said,
       what + " refuses another certificate", said)
    way.ended(what)


@both
def pop_lib(what, way):
    """poplib"""
    def connected(context):
        if way.implicit:
            pop = poplib.POP3_SSL("localhost", way.port, context=context,
                                  timeout=LIMIT)
        else:
            pop = poplib.POP3("localhost", way.port, timeout=LIMIT)
            ok("STLS" in pop.capa() and "USER" not in pop.capa(),
               what + ": CAPA of -E")
            pop.stls(context)
        return pop

    pop = connected(trust())
    ok("STLS" not in pop.capa() and "USER" in pop.capa(),
       what + ": CAPA within TLS")
    pop.user(NAME)
    pop.pass_(PASSWORD)
    got = [b"".join(line + b"\r\n" for line in pop.retr(i + 1)[1])
           for i in range(len(MESSAGES))]
    pop.quit()
    same(what, way.box, got, crlf)
    try:
        connected(trust("DNS:localhost", "IP:127.0.0.1"))
        ok(False, what + " refuses another certificate")
    except ssl.SSLCertVerificationError:
        ok(True, what + " refuses another certificate")
    way.ended(what)


PERL = r"""
use strict; use warnings; use Net::POP3;
my ($how, $port, $user, $password, $cert, $out) = @ARGV;
my @tls = (SSL_ca_file => $cert, SSL_verifycn_name => 'localhost');
my $pop = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 30,
    $how eq 'POP3S' ? (SSL => 1, @tls) : ()) or die "no connection: $@";
$how eq 'POP3S' or $pop->starttls(@tls) or die "no TLS: $@";
my $count = $pop->login($user, $password) or die "refused";
for my $n (1 .. $count) {
    open my $file, '>', sprintf('%s/%02d', $out, $n) or die;
    binmode $file;
    print $file @{$pop->get($n)};
    close $file or die;
}
$pop->quit or die;
"""


@both
def net_pop3(what, way):
    """Net::POP3"""
    if run([program("perl"), "-MNet::POP3", "-MIO::Socket::SSL", "-e",
            "1"])[0] != 0:
        absent("IO::Socket::SSL", "libio-socket-ssl-perl")

    def run_perl(cert):
        out = scratch("perl")
        return run(["perl", "-e", PERL, way.how, str(way.port), NAME,
                    PASSWORD, cert, out]), out

    said, out = run_perl(way.good)
    is_(said, (0, ""), what)
    # With TLS it leaves line ends as they are.
    same(what, way.box, files(out), crlf)
    ok(run_perl(way.other)[0][0] != 0, what + " refuses another certificate")
    way.ended(what)


@both
def openssl(what, way):
    """openssl s_client"""
    def run_openssl(cert):
        client = subprocess.Popen(
            [program("openssl"), "s_client", "-quiet", "-no_ign_eof",
             "-verify_return_error", "-verify_hostname", "localhost",
             "-CAfile", cert, "-connect", "127.0.0.1:%d" % way.port,
             *(() if way.implicit else ("-starttls", "pop3"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        commands = "USER %s\r\nPASS %s\r\nRETR 1\r\nQUIT\r\n" % (NAME,
                                                                 PASSWORD)
        timer = threading.Timer(LIMIT, client.kill)
        timer.start()
        # It ends at the end of its input, and would not wait for answers.
        try:
            client.stdin.write(commands.encode())
            client.stdin.flush()
        except BrokenPipeError:
            pass                # it has refused the certificate
        got = client.stdout.read(), client.stderr.read()
        timer.cancel()
        try:
            client.stdin.close()
        except BrokenPipeError:
            pass
        return client.wait(), *got

    status, got, said = run_openssl(way.good)
    want = b"+OK\r\n" * 3 + oracle.retr(MESSAGES[0][1]) + b".\r\n+OK\r\n"
    # With POP3S the greeting is within TLS.
    is_(got, (b"+OK\r\n" if way.implicit else b"") + want, what, said)
    ok(run_openssl(way.other)[0] != 0, what + " refuses another certificate")
    way.ended(what)


@both
def pop3_test(what, way):
    """pop3test"""
    if not config("POP3TEST"):
        raise Skip("POP3TEST is not configured")
    secret = write(scratch("secret") + "/password", PASSWORD + "\n")

    def run_pop3test(cert, mechanism):
        out = scratch("get") + "/Maildir"
        target = "%s://localhost:%d" % (
            ("pop3s", way.port) if way.implicit else ("pop3", way.port))
        return run([POPBOX, "pop3test", "get", "all", out, "--verify", "-q",
                    "-4", *(() if way.implicit else ("-X",)), "-A", mechanism,
                    "-u", NAME, "-P", secret, target],
                   env={"SSL_CERT_FILE": cert}), out

    for mechanism in ("auto", "user") + (("plain",) if HAS_SASL else ()):
        said, out = run_pop3test(way.good, mechanism)
        is_(said, (0, ""), "%s, -A %s" % (what, mechanism))
        same("%s, -A %s" % (what, mechanism), way.box, maildir_files(out), lf)
    status, said = run_pop3test(way.other, "auto")[0]
    is_(status, 2, what + " refuses another certificate", said)
    way.ended(what)


run_tests(jobs=4)
