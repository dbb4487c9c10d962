/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fill MAILDIR COUNT: a Maildir of COUNT clean messages in cur/, 0.9 to
 * 3.8 KB each, under names of 80 to 90 bytes as Dovecot gives them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned seed = 1;

static unsigned next(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static size_t compose(char *buf, size_t cap, unsigned i)
{
	static const char line[] = "The quick brown fox jumps over the lazy "
	    "dog; 0123456789 and so on.\n";
	size_t want = 900 + next(2900), n;

	n = (size_t)snprintf(buf, cap,
	    "Return-Path: <sender%u@example.org>\n"
	    "Delivered-To: user@example.net\n"
	    "Received: from mx%u.example.org (mx%u.example.org [192.0.2.%u])\n"
	    "\tby mail.example.net with ESMTP id %08x\n"
	    "\tfor <user@example.net>; Tue, 14 Nov 2023 22:13:20 +0000\n"
	    "Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
	    "From: Sender %u <sender%u@example.org>\n"
	    "To: user@example.net\n"
	    "Subject: message %u\n"
	    "Message-ID: <%u.%u@example.org>\n\n",
	    i, i % 9, i % 9, i % 250, i, i, i, i, i, next(99999));
	while (n + sizeof line < want)
		n += (size_t)snprintf(buf + n, cap - n, "%s", line);
	return n;
}

static void store(unsigned i)
{
	static const char *flags[] = { "", "S", "S", "RS", "FS", "S" };
	char buf[8192], name[256];
	size_t n = compose(buf, sizeof buf, i), lines = 0;
	int fd;

	for (size_t k = 0; k < n; k++)
		lines += buf[k] == '\n';
	snprintf(name, sizeof name,
	    "%u.M%06uP%u.mail.example.net.in-the-cellar,S=%zu,W=%zu:2,%s",
	    1600000000 + i * 100, next(1000000), 1000 + next(30000), n,
	    n + lines, flags[next(6)]);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, buf, n) != (ssize_t)n || close(fd) < 0)
		fail(name);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (mkdir(argv[1], 0700) < 0 || chdir(argv[1]) < 0 ||
	    mkdir("new", 0700) < 0 || mkdir("tmp", 0700) < 0 ||
	    mkdir("cur", 0700) < 0 || chdir("cur") < 0)
		fail(argv[1]);
	for (unsigned i = 0; i < (unsigned)atol(argv[2]); i++)
		store(i);
	return 0;
}
