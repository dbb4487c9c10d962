/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what makes wire bytes of stored ones.  The input: how many lines of
 * the body are wanted (255: all), how the text is cut into pieces, after
 * how many pieces of output there is an error, and the text.  Against it:
 * code that looks at one byte at a time, and a client that undoes it all.
 * scripts/fuzz builds it.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"
#include "message.h"

enum { ALL = 255, BROKEN = -77 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
	char *p;
	size_t n, cap;
	unsigned left;		/* pieces until the error */
};

static int collect(void *ctx, const void *p, size_t n)
{
	struct out *o = ctx;

	assert(n > 0 && o->n + n <= o->cap);
	if (o->left-- == 0)
		return BROKEN;
	memcpy(o->p + o->n, p, n);
	o->n += n;
	return 0;
}

static struct out room(size_t n, unsigned left)
{
	size_t cap = 2 * n + 2;

	return (struct out){ malloc(cap), 0, cap, left };
}

/*
 * The stored text with all its line ends right, and no dot doubled: up to
 * the end of the wanted lines behind the first empty one.
 */
static struct out with_crlf(const char *p, size_t n, unsigned lines)
{
	struct out o = room(n, 0);
	size_t line = 0;
	unsigned body = 0;
	bool in_body = false;

	for (size_t i = 0; i <= n; i++) {
		if (i == n && line == o.n)
			break;
		if (i < n && p[i] != '\n') {
			o.p[o.n++] = p[i];
			continue;
		}
		if (o.n == line || o.p[o.n - 1] != '\r')
			o.p[o.n++] = '\r';
		o.p[o.n++] = '\n';
		body += in_body;
		in_body = in_body || o.n - line == 2;
		line = o.n;
		if (in_body && body == lines && lines != ALL)
			break;
	}
	return o;
}

/* What a client takes for the message; a line of one dot would end it. */
static struct out unstuffed(const struct out *wire)
{
	struct out o = room(wire->n, 0);

	for (size_t i = 0; i < wire->n; i++) {
		bool start = i == 0 || wire->p[i - 1] == '\n';

		if (wire->p[i] == '\n')
			assert(i > 0 && wire->p[i - 1] == '\r');
		if (start && wire->p[i] == '.') {
			assert(i + 1 < wire->n && wire->p[i + 1] != '\r');
			i++;
		}
		o.p[o.n++] = wire->p[i];
	}
	assert(wire->n == 0 || wire->p[wire->n - 1] == '\n');
	return o;
}

static void check_same(const struct out *a, const struct out *b)
{
	assert(a->n == b->n && memcmp(a->p, b->p, a->n) == 0);
}

/* Pieces of 1 to `cut` bytes, of changing lengths. */
static int add(struct msg *m, const char *p, size_t n, unsigned cut)
{
	int e = 0;

	for (size_t step = 1; n > 0 && e == 0; step = step % cut + 1) {
		size_t now = step < n ? step : n;
		char *piece = in_copy(p, now);

		e = msg_add(m, piece, now);
		free(piece);
		p += now;
		n -= now;
	}
	return e ? e : msg_end(m);
}

static uint64_t limit(unsigned lines)
{
	return lines == ALL ? MSG_ALL : lines;
}

/* The same from a file, and the same counted only. */
static void check_others(const char *p, size_t n, unsigned lines,
    unsigned cut, const struct out *wire, uint64_t octets)
{
	struct out o = room(n, UINT32_MAX);
	struct msg m;
	char *buf = malloc(cut);
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("message", MFD_CLOEXEC);
	assert(ftruncate(fd, 0) == 0 && pwrite(fd, p, n, 0) == (ssize_t)n);
	lseek(fd, 0, SEEK_SET);
	msg_begin(&m, limit(lines), collect, &o);
	assert(msg_file(&m, fd, buf, cut) == 0);
	check_same(&o, wire);
	assert(m.octets == octets);
	msg_begin(&m, limit(lines), NULL, NULL);
	assert(add(&m, p, n, cut) == 0);
	assert(m.octets == octets && (lines != ALL || m.stored == n));
	free(buf);
	free(o.p);
}

static void check_broken(const char *p, size_t n, unsigned lines,
    unsigned cut, unsigned left, const struct out *wire)
{
	struct out o = room(n, left);
	struct msg m;
	int e;

	msg_begin(&m, limit(lines), collect, &o);
	e = add(&m, p, n, cut);
	assert(e == 0 || e == BROKEN);
	assert((e == 0) == (o.n == wire->n));
	assert(memcmp(o.p, wire->p, o.n) == 0);
	free(o.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned lines = in_byte(&in), cut = in_byte(&in) + 1;
	unsigned left = in_byte(&in);
	size_t n = (size_t)(in.end - in.p);
	char *p = in_copy(in.p, n);
	struct out want = with_crlf(p, n, lines), wire = room(n, UINT32_MAX);
	struct out got;
	struct msg m;

	msg_begin(&m, limit(lines), collect, &wire);
	assert(add(&m, p, n, cut) == 0);
	got = unstuffed(&wire);
	check_same(&got, &want);
	assert(m.octets == want.n);
	check_others(p, n, lines, cut, &wire, m.octets);
	check_broken(p, n, lines, cut, left, &wire);
	free(got.p);
	free(want.p);
	free(wire.p);
	free(p);
	return 0;
}
