/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/netio.o
#include "netio.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

/* A pipe or terminal that polls writable takes this much without waiting. */
enum { SAFE_WRITE = 512 };

enum { UNSENT = 128 * 1024 };	/* bytes, for nio_tune */

void nio_init(struct nio *c, int in, int out, int timeout)
{
	c->in = in;
	c->out = out;
	c->failed = 0;
	c->timeout = timeout;
	c->deadline = 0;
	c->ipos = c->ilen = c->olen = 0;
}

/*
 * The libc's way to the clock is the vDSO, and for that musl links an ELF
 * parser of 1 KB.  We ask once for a line, so a plain call will do where
 * the kernel's timespec is the libc's: on 64-bit machines.
 */
#ifndef SYS_clock_gettime	/* musl on 32-bit machines */
#define SYS_clock_gettime -1
#endif
static void read_clock(struct timespec *t)
{
	if (sizeof(long) == 8 && ENABLE_STATIC)
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, t);
	else
		clock_gettime(CLOCK_MONOTONIC, t);
}

int64_t nio_now(void)
{
	struct timespec t;

	read_clock(&t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t nio_usec(void)
{
	struct timespec t;

	read_clock(&t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The moment at which what starts now has taken too long. */
static int64_t limit(const struct nio *c)
{
	int64_t until = nio_now() + c->timeout;

	return c->deadline && c->deadline < until ? c->deadline : until;
}

static int wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = until - nio_now();
		int n;

		if (left <= 0)
			return NIO_TIMEOUT;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return NIO_ERROR;
	}
}

/* Bytes the peer has still to acknowledge, as far as the kernel tells. */
static int unacknowledged(int fd)
{
	int n;

	return ioctl(fd, TIOCOUTQ, &n) < 0 ? 0 : n;
}

/*
 * Waits until then (0: as long as a timeout from now), and longer while the
 * peer takes what it was sent: a slow one is not a dead one.
 */
static int wait_while_moving(struct nio *c, int fd, short events,
    int64_t *until)
{
	int before, after = unacknowledged(c->out);
	int e;

	do {
		if (*until == 0)
			*until = limit(c);
		before = after;
		e = wait_for(fd, events, *until);
		after = unacknowledged(c->out);
		if (after < before && !c->deadline)
			*until = 0;
	} while (e == NIO_TIMEOUT && *until == 0);
	return e;
}

static int wait_for_room(struct nio *c)
{
	int64_t until = 0;

	return wait_while_moving(c, c->out, POLLOUT, &until);
}

/*
 * Sends what fits, without blocking and without touching the descriptor's
 * flags, which a terminal or an inetd shares with us.
 */
static int write_some(struct nio *c, size_t *done)
{
	const char *p = c->obuf + *done;
	size_t n = c->olen - *done;
	ssize_t w = send(c->out, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (w < 0 && errno == EAGAIN)
		return wait_for_room(c);
	if (w < 0 && errno == ENOTSOCK) {
		int e = wait_for_room(c);

		if (e)
			return e;
		w = write(c->out, p, n < SAFE_WRITE ? n : SAFE_WRITE);
	}
	if (w < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : NIO_ERROR;
	*done += (size_t)w;
	return 0;
}

int nio_flush(struct nio *c)
{
	size_t done = 0;

	while (done < c->olen && !c->failed)
		c->failed = write_some(c, &done);
	c->olen = 0;
	return c->failed;
}

int nio_put(struct nio *c, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0 && !c->failed) {
		size_t room = sizeof c->obuf - c->olen;
		size_t take = n < room ? n : room;

		memcpy(c->obuf + c->olen, from, take);
		c->olen += take;
		from += take;
		n -= take;
		if (c->olen == sizeof c->obuf)
			nio_flush(c);
	}
	return c->failed;
}

int nio_puts(struct nio *c, const char *z)
{
	return nio_put(c, z, strlen(z));
}

/* More input, after everything owed has been sent. */
static int fill(struct nio *c, int64_t *until)
{
	ptrdiff_t r;
	int e;

	if (nio_flush(c))
		return c->failed;
	e = wait_while_moving(c, c->in, POLLIN, until);
	if (e)
		return e;
	r = fd_read(c->in, c->ibuf, sizeof c->ibuf);
	if (r <= 0)
		return r == 0 || errno == ECONNRESET ? NIO_EOF : NIO_ERROR;
	c->ipos = 0;
	c->ilen = (size_t)r;
	return 0;
}

int nio_line(struct nio *c, char *line, size_t max, size_t *len)
{
	int64_t until = 0;
	size_t n = 0;
	bool end = false, too_long = false;

	while (!end) {
		const char *at = c->ibuf + c->ipos;
		size_t have = c->ilen - c->ipos;
		const char *lf = memchr(at, '\n', have);
		size_t take = lf ? (size_t)(lf - at) + 1 : have;

		too_long = too_long || take > max - n;
		if (!too_long) {
			memcpy(line + n, at, take);
			n += take;
		}
		c->ipos += take;
		end = lf != NULL;
		if (!end) {
			int e = fill(c, &until);

			if (e)
				return e;
		}
	}
	if (too_long)
		return NIO_LONG;
	n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	*len = n;
	return 0;
}

void nio_tune(int fd)
{
	const int on = 1, unsent = UNSENT;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
	    sizeof unsent);
}

void nio_forget(struct nio *c)
{
	wipe(c->ibuf, c->ipos);
	wipe(c->ibuf + c->ilen, sizeof c->ibuf - c->ilen);
}

static const unsigned char mapped[12] = { [10] = 0xFF, [11] = 0xFF };

int nio_addr_from(struct nio_addr *a, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof in6);
		memcpy(a->ip, &in6.sin6_addr, sizeof a->ip);
		a->port = ntohs(in6.sin6_port);
		return 0;
	}
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in4;

		memcpy(&in4, sa, sizeof in4);
		memcpy(a->ip, mapped, sizeof mapped);
		memcpy(a->ip + sizeof mapped, &in4.sin_addr, 4);
		a->port = ntohs(in4.sin_port);
		return 0;
	}
	return -1;
}

bool nio_addr_is4(const struct nio_addr *a)
{
	return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

int nio_peer(int fd, struct nio_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;

	if (getpeername(fd, (struct sockaddr *)&ss, &n) < 0)
		return -1;
	return nio_addr_from(a, (const struct sockaddr *)&ss);
}

static unsigned group(const struct nio_addr *a, int i)
{
	return (unsigned)a->ip[2 * i] << 8 | a->ip[2 * i + 1];
}

/* The longest run of zero groups, the first of equals: RFC 5952 section 4. */
static int zero_run(const struct nio_addr *a, int *start)
{
	int best = 1, run = 0;

	*start = -1;
	for (int i = 0; i < 8; i++) {
		run = group(a, i) == 0 ? run + 1 : 0;
		if (run > best) {
			best = run;
			*start = i - run + 1;
		}
	}
	return best;
}

static void put_hex16(struct str *s, unsigned v)
{
	int shift = 12;

	while (shift > 0 && v >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		str_char(s, "0123456789abcdef"[v >> shift & 15]);
}

static void text6(struct str *s, const struct nio_addr *a)
{
	int start, run = zero_run(a, &start);

	for (int i = 0; i < 8; i++) {
		if (i == start) {
			str_put(s, "::");
			i += run - 1;
			continue;
		}
		if (i > 0 && i != start + run)
			str_char(s, ':');
		put_hex16(s, group(a, i));
	}
}

void nio_addr_text(struct str *s, const struct nio_addr *a)
{
	if (!nio_addr_is4(a)) {
		text6(s, a);
		return;
	}
	for (int i = 12; i < 16; i++) {
		str_u64(s, a->ip[i]);
		if (i < 15)
			str_char(s, '.');
	}
}
