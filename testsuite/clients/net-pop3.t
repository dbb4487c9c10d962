#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Perl's Net::POP3.

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from clients import *

# Connects and logs in; the work is done by what follows.
LOGIN = r"""
use strict; use warnings; use Net::POP3;
my ($host, $port, $user, $password, $out) = @ARGV;
my $pop = Net::POP3->new($host, Port => $port, Timeout => 30)
    or die "no connection: $@";
my $count = $pop->login($user, $password);
defined $count or die "refused: " . $pop->message;
sub store {
    my ($number, $lines) = @_;
    open my $file, '>', sprintf('%s/%05d', $out, $number) or die;
    binmode $file;
    print $file @$lines;
    close $file or die;
}
"""


def perl(server, script, password=PASSWORD, out="."):
    need_perl()
    return run(["perl", "-e", LOGIN + script, server.address,
                str(server.port), NAME, password, out])


def need_perl():
    if run([program("perl"), "-MNet::POP3", "-e", "1"])[0] != 0:
        absent("Net::POP3", "perl")


@test
def fetch():
    """Net::POP3 get"""
    box = Mailbox(catalogue())
    server = box.serve()
    out = scratch("perl")
    is_(perl(server, 'store($_, $pop->get($_)) for 1 .. $count; '
             '$pop->quit or die;', out=out), (0, ""), "Net::POP3 get")
    same("Net::POP3 get", box, files(out), lf)
    is_(files(out), [lf(data) for _, data, _ in box.messages],
        "Net::POP3 get: in the server's order")
    kept("Net::POP3 get", box)
    logged_quit("Net::POP3 get", server)


@test
def lists():
    """Net::POP3 popstat, list, uidl, top, capa, ping"""
    box = Mailbox(catalogue())
    server = box.serve()
    sizes = [oracle.size(data) for _, data, _ in box.messages]
    out = scratch("perl")
    status, said = perl(server, r"""
        print join(' ', $pop->popstat), "\n";
        my $list = $pop->list;
        print "$_ $list->{$_}\n" for sort { $a <=> $b } keys %$list;
        my $uidl = $pop->uidl;
        print "$_ $uidl->{$_}\n" for sort { $a <=> $b } keys %$uidl;
        print $pop->list(2), ' ', $pop->uidl(2), "\n";
        my $capa = $pop->capa;
        print exists $capa->{UIDL} && exists $capa->{TOP}, "\n";
        store($_, $pop->top($_, 2)) for 1 .. $count;
        $pop->quit or die;
        """, out=out)
    want = ["%d %d" % (len(sizes), sum(sizes))]
    want += ["%d %d" % pair for pair in enumerate(sizes, 1)]
    want += ["%d %s" % pair for pair in enumerate(box.uids(), 1)]
    want += ["%d %s" % (sizes[1], box.uids()[1]), "1", ""]
    is_((status, said), (0, "\n".join(want)),
        "Net::POP3 popstat, list, uidl, capa")
    is_(files(out), [oracle.unstuff(oracle.top(data, 2)).replace(
        b"\r\n", b"\n") for _, data, _ in box.messages],
        "Net::POP3 top of every message")


@test
def delete():
    """Net::POP3 delete and reset"""
    box = Mailbox(catalogue())
    server = box.serve()
    labels = box.labels()
    is_(perl(server, '$pop->delete(2 * $_) or die for 1 .. $count / 2; '
             '$pop->quit or die;'), (0, ""), "Net::POP3 delete")
    is_(box.left(), labels[::2], "Net::POP3 removes exactly what it marked")
    is_(perl(server, '$pop->delete($_) or die for 1 .. $count; '
             '$pop->reset; $pop->ok or die; $pop->delete(1) or die; '
             '$pop->quit or die;'), (0, ""), "Net::POP3 reset")
    is_(box.left(), labels[2::2], "Net::POP3 reset takes the marks back")
    # Without quit the module sends RSET and QUIT when the object goes.
    is_(perl(server, '$pop->delete(1) or die; undef $pop;'), (0, ""),
        "Net::POP3 without quit")
    is_(box.left(), labels[2::2], "Net::POP3 without quit removes nothing")


@test
def refused():
    """Net::POP3 with a wrong password"""
    status, said = perl(Mailbox(catalogue()[:2]).serve(), "",
                        password="wrong")
    ok(status != 0 and "login incorrect" in said,
       "Net::POP3 with a wrong password", status, said)


@test
def empty():
    """Net::POP3 and an empty Maildir"""
    is_(perl(Mailbox().serve(), r"""
        print "<$count>", scalar(keys %{$pop->list}),
            scalar(keys %{$pop->uidl}), "\n";
        $pop->quit or die;"""), (0, "<0E0>00\n"),
        "Net::POP3 and an empty Maildir")


run_tests(jobs=2)
