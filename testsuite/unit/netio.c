/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netio.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "tap.h"

static struct nio c;
static int peer;

static void connection(int timeout)
{
	int fd[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
	nio_init(&c, fd[0], fd[0], timeout);
	peer = fd[1];
}

static void hang_up(void)
{
	close(peer);
	close(c.in);
}

static int line_is(const char *want)
{
	char line[16];
	size_t len;

	return nio_line(&c, line, sizeof line, &len) == 0 &&
	    strcmp(line, want) == 0 && len == strlen(want);
}

static void lines(void)
{
	char line[16];
	size_t len;

	connection(200);
	(void)!write(peer, "one\r\ntwo\nthree\r\r\n\n", 18);
	ok(line_is("one"), "CRLF ends a line");
	ok(line_is("two"), "C8 so does LF");
	ok(line_is("three\r"), "C8 one CR is taken, not two");
	ok(line_is(""), "an empty line");
	(void)!write(peer, "12345678901234\r\n123456789012345\r\nok\n", 36);
	ok(line_is("12345678901234"), "C4 a line of the full length");
	ok(nio_line(&c, line, sizeof line, &len) == NIO_LONG, "C5 one more");
	ok(line_is("ok"), "C5 its rest is no command");
	(void)!write(peer, "a\0b\n", 4);
	ok(nio_line(&c, line, sizeof line, &len) == 0 && len == 3,
	    "C9 NULs are counted");
	(void)!write(peer, "half", 4);
	ok(nio_line(&c, line, sizeof line, &len) == NIO_TIMEOUT,
	    "half a line is none");
	shutdown(peer, SHUT_WR);
	ok(nio_line(&c, line, sizeof line, &len) == NIO_EOF, "EOF");
	hang_up();
}

static void output(void)
{
	char big[40000], line[16];
	size_t len;

	connection(100);
	nio_puts(&c, "hello");
	ok(recv(peer, big, sizeof big, MSG_DONTWAIT) < 0, "output is kept");
	ok(nio_line(&c, line, sizeof line, &len) == NIO_TIMEOUT &&
	    recv(peer, big, sizeof big, MSG_DONTWAIT) == 5,
	    "until a read would wait");
	memset(big, 'x', sizeof big);
	for (int i = 0; i < 100 && !c.failed; i++)
		nio_put(&c, big, sizeof big);
	ok(c.failed == NIO_TIMEOUT, "C89 a peer that does not read times out");
	hang_up();
	connection(100);
	close(peer);
	nio_puts(&c, "x");
	ok(nio_flush(&c) == NIO_ERROR && errno == EPIPE, "C90 a peer gone");
	ok(nio_puts(&c, "y") == NIO_ERROR && c.olen == 0, "stays gone");
	close(c.in);
}

/* A peer that takes a little now and then is slow, but there. */
static void slow_peer(void)
{
	char big[16384];
	pid_t pid;

	connection(300);
	memset(big, 'x', sizeof big);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 40; i++) {
			usleep(100000);
			(void)!read(peer, big, 12000);
		}
		_exit(0);
	}
	for (int i = 0; i < 25 && !c.failed; i++)
		nio_put(&c, big, sizeof big);
	ok(!c.failed, "C111 progress is activity, however slow");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	hang_up();
}

static void fill_kernel(void)
{
	static const char block[4096];

	while (send(c.out, block, sizeof block, MSG_DONTWAIT) > 0)
		continue;
}

/* The clock of a line starts when all is sent, not while a peer reads. */
static void late_start(void)
{
	char big[16384];
	pid_t pid;

	connection(400);
	fill_kernel();
	nio_puts(&c, "reply");
	pid = fork();
	if (pid == 0) {
		usleep(250000);
		while (recv(peer, big, sizeof big, MSG_DONTWAIT) > 0)
			continue;
		usleep(250000);
		(void)!write(peer, "next\n", 5);
		_exit(0);
	}
	ok(line_is("next"), "C111 the time to read a reply does not count");
	waitpid(pid, NULL, 0);
	hang_up();
}

/* Nor does the time to read what is in the kernel already. */
static void slow_finish(void)
{
	char big[4096];
	pid_t pid;

	connection(300);
	fill_kernel();
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 10; i++) {
			usleep(100000);
			(void)!read(peer, big, sizeof big);
		}
		(void)!write(peer, "next\n", 5);
		_exit(0);
	}
	ok(line_is("next"), "C111 a peer that is still reading is there");
	waitpid(pid, NULL, 0);
	hang_up();
}

static void forgetting(void)
{
	int left = 0;

	connection(200);
	(void)!write(peer, "PASS secret", 11);
	ok(recv(c.in, NULL, 0, MSG_PEEK) >= 0, "half a line is there");
	if (fork() == 0) {
		usleep(50000);
		(void)!write(peer, "\r\n", 2);
		_exit(0);
	}
	ok(line_is("PASS secret"), "a password in two segments");
	wait(NULL);
	nio_forget(&c);
	for (size_t i = 0; i < sizeof c.ibuf; i++)
		left += c.ibuf[i] != 0;
	ok(left == 0, "nothing of it is left");
	hang_up();
}

static void deadline(void)
{
	char line[16];
	size_t len;
	int64_t start = nio_now();

	connection(60000);
	c.deadline = start + 50;
	ok(nio_line(&c, line, sizeof line, &len) == NIO_TIMEOUT &&
	    nio_now() - start < 30000, "C113 the deadline ends it");
	hang_up();
}

static void address(const char *text, const char *want)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	char buf[NIO_ADDR_TEXT];
	struct nio_addr a;
	struct str s;

	str_init(&s, buf, sizeof buf);
	if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		nio_addr_from(&a, (struct sockaddr *)&six);
	else if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		nio_addr_from(&a, (struct sockaddr *)&four);
	nio_addr_text(&s, &a);
	ok(!s.cut, "%s fits", text);
	is_text(buf, want, "%s", text);
}

static void addresses(void)
{
	struct sockaddr unix_ = { .sa_family = AF_UNIX };
	struct nio_addr a;

	address("192.0.2.255", "192.0.2.255");
	address("::ffff:192.0.2.1", "192.0.2.1");
	address("::", "::");
	address("::1", "::1");
	address("2001:db8::1", "2001:db8::1");
	address("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	address("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	address("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
	address("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8");
	address("1:2:3:4:5:6::", "1:2:3:4:5:6::");
	address("fe80:1234:5678:9abc:def0:1234:5678:9abc",
	    "fe80:1234:5678:9abc:def0:1234:5678:9abc");
	ok(nio_addr_from(&a, &unix_) < 0, "others are refused");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	lines();
	output();
	slow_peer();
	late_start();
	slow_finish();
	forgetting();
	deadline();
	addresses();
	return done();
}
