/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked into mdpop3d by --wrap=session_greet: a parser that has fallen, and
 * obeys whoever has the client's connection.  All that is around it is as
 * it is shipped.
 *
 * The client sends a letter, the length of what follows (32 bits, lowest
 * byte first) and that.  To each there is an answer of one byte, but where
 * the parser ends.
 *
 *	s PACKET	sends it to the monitor: "+", or "-" where it cannot
 *	m COUNT PACKET	the same so many times (32 bits)
 *	r PACKET	the same together with a descriptor
 *	a MS		waits for the monitor's answer: that, "T" or "-"
 *	c		closes the link
 *	d HOW		or shuts it down (shutdown(2))
 *	x CODE		ends
 *	k		crashes
 *	h		does nothing any more
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mdpop3d.h"

void __wrap_session_greet(struct session *s);

enum { MOST = 1 << 17 };

static unsigned char data[MOST];
static size_t len;

static void take(void *to, size_t n)
{
	unsigned char *p = to;
	ssize_t r;

	for (; n > 0; p += r, n -= (size_t)r) {
		r = read(STDIN_FILENO, p, n);
		if (r <= 0)
			_exit(END_EOF);
	}
}

static size_t number(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (size_t)p[3] << 24;
}

static unsigned char put(int link, const unsigned char *p, size_t n)
{
	return send(link, p, n, MSG_NOSIGNAL) == (ssize_t)n ? '+' : '-';
}

static unsigned char put_many(int link)
{
	unsigned char done = '+';

	for (size_t i = number(data); i > 0 && done == '+'; i--)
		done = put(link, data + 4, len - 4);
	return done;
}

static unsigned char put_rights(int link)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .head = {
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS
	} };
	struct iovec v = { data, len };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control
	};
	int fd = STDIN_FILENO;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	return sendmsg(link, &m, MSG_NOSIGNAL) < 0 ? '-' : '+';
}

static unsigned char get(int link)
{
	struct pollfd p = { .fd = link, .events = POLLIN };
	unsigned char answer;

	if (poll(&p, 1, (int)number(data)) == 0)
		return 'T';
	return recv(link, &answer, 1, 0) == 1 ? answer : '-';
}

static unsigned char obey(int letter, int link)
{
	switch (letter) {
	case 's':
		return put(link, data, len);
	case 'm':
		return put_many(link);
	case 'r':
		return put_rights(link);
	case 'a':
		return get(link);
	case 'c':
		return close(link) < 0 ? '-' : '+';
	case 'd':
		return shutdown(link, data[0]) < 0 ? '-' : '+';
	case 'x':
		_exit(data[0]);
	case 'k':
		__builtin_trap();
	}
	for (;;)
		poll(NULL, 0, -1);
}

void __wrap_session_greet(struct session *s)
{
	unsigned char head[5], answer = '!';

	for (;;) {
		if (write(STDOUT_FILENO, &answer, 1) != 1)
			_exit(END_LOST);
		take(head, sizeof head);
		len = number(head + 1);
		if (len > sizeof data)
			_exit(END_BAD);
		take(data, len);
		answer = obey(head[0], s->monitor);
	}
}
