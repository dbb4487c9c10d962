/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes how lines are read from a connection.  The input: how long a line
 * may be, how many bytes come at a time, how much time passes before each
 * piece, and what is sent.  No line may be cut, joined or invented, however
 * it comes; none may take longer than its time; and what is wiped is what
 * was taken.  scripts/fuzz builds it.
 */
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "input.h"

static int late(struct pollfd *p, nfds_t n, int timeout);
static ptrdiff_t bytes(int fd, void *p, size_t cap);
static int clock_now(clockid_t id, struct timespec *t);

#define poll late
#define fd_read bytes
#define clock_gettime clock_now
#define ioctl(fd, what, n) ((void)(fd), *(n) = 0)
#include "../../libmd/netio.c"
#undef poll
#undef fd_read

enum { TIMEOUT = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input wire;
static size_t piece;
static int64_t step, now;

static int clock_now(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = now / 1000;
	t->tv_nsec = now % 1000 * 1000000;
	return 0;
}

static int late(struct pollfd *p, nfds_t n, int timeout)
{
	assert(n == 1 && timeout > 0 && p->events == POLLIN);
	now += step < timeout ? step : timeout;
	p->revents = POLLIN;
	return step < timeout;
}

static ptrdiff_t bytes(int fd, void *p, size_t cap)
{
	size_t n = (size_t)(wire.end - wire.p);

	(void)fd;
	n = n < piece ? n : piece;
	n = n < cap ? n : cap;
	if (n)
		memcpy(p, wire.p, n);
	wire.p += n;
	return (ptrdiff_t)n;
}

/* What stands in the buffer: zeros, the input yet to be taken, zeros. */
static void check_wiped(struct nio *c, const uint8_t *next)
{
	static const char zero[sizeof c->ibuf];

	nio_forget(c);
	assert(memcmp(c->ibuf, zero, c->ipos) == 0);
	assert(memcmp(c->ibuf + c->ipos, next, c->ilen - c->ipos) == 0);
	assert(memcmp(c->ibuf + c->ilen, zero, sizeof zero - c->ilen) == 0);
}

/* One line as it was sent, of n bytes with its LF. */
static void check_line(const char *line, size_t len, const uint8_t *p,
    size_t n)
{
	n--;
	if (n > 0 && p[n - 1] == '\r')
		n--;
	assert(len == n && memcmp(line, p, n) == 0 && line[n] == '\0');
}

static void read_all(struct nio *c, const uint8_t *p, size_t max)
{
	for (;;) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(wire.end - p));
		size_t n = lf ? (size_t)(lf + 1 - p) : 0, len = SIZE_MAX;
		char *line = malloc(max);
		int64_t began = now;
		int e = nio_line(c, line, max, &len);

		assert(now - began <= TIMEOUT + step);
		if (e == 0)
			check_line(line, len, p, n);
		free(line);
		if (e == NIO_TIMEOUT) {
			assert(now - began >= TIMEOUT - step);
			return;
		}
		assert(e == (lf == NULL ? NIO_EOF : n > max ? NIO_LONG : 0));
		if (lf == NULL)
			return;
		p += n;
		check_wiped(c, p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nio c;
	size_t max;

	wire = (struct input){ data, data + size };
	max = in_byte(&wire) + 1;
	piece = in_byte(&wire) + 1;
	if (piece == 256)
		piece = SIZE_MAX;
	step = in_byte(&wire) % (TIMEOUT + 2);
	now = 1000;
	memset(&c, 0, sizeof c);
	nio_init(&c, 0, 1, TIMEOUT);
	read_all(&c, wire.p, max);
	return 0;
}
