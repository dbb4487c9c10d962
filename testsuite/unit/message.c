/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transformer against a second one that looks at a byte at a time,
 * over all texts of a small alphabet, cut in all ways.
 */
#include "message.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

struct out {
	char p[256];
	size_t n;
};

static int collect(void *ctx, const void *p, size_t n)
{
	struct out *o = ctx;

	memcpy(o->p + o->n, p, n);
	o->n += n;
	return 0;
}

static void put(struct out *o, char c)
{
	o->p[o->n++] = c;
}

/* What should go out; *octets without the doubled dots. */
static void oracle(const char *in, size_t n, struct out *o, size_t *octets)
{
	char last = '\n';
	size_t dots = 0;

	o->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (in[i] == '.' && last == '\n') {
			put(o, '.');
			dots++;
		}
		if (in[i] == '\n' && last != '\r')
			put(o, '\r');
		put(o, in[i]);
		last = in[i];
	}
	if (last != '\n') {
		if (last != '\r')
			put(o, '\r');
		put(o, '\n');
	}
	*octets = o->n - dots;
}

/* Bytes of wire form up to the end of body line k, or all. */
static size_t oracle_top(const struct out *o, size_t k)
{
	size_t start = 0, left = k;
	int body = 0;

	for (size_t i = 0; i < o->n; i++) {
		if (o->p[i] != '\n')
			continue;
		if (body)
			left--;
		else if (i - start < 2 && o->p[start] == '\r')
			body = 1;
		if (body && left == 0)
			return i + 1;
		start = i + 1;
	}
	return o->n;
}

static int same_cut(const char *in, size_t n, size_t cut, uint64_t lines,
    const struct out *want, size_t want_n, size_t octets)
{
	struct out got = { .n = 0 };
	struct msg m;

	msg_begin(&m, lines, collect, &got);
	msg_add(&m, in, cut);
	msg_add(&m, in + cut, n - cut);
	msg_end(&m);
	return got.n == want_n && memcmp(got.p, want->p, want_n) == 0 &&
	    (lines != MSG_ALL || (m.octets == octets && m.stored == n));
}

static int counts_alike(const char *in, size_t n, size_t octets)
{
	struct msg m;

	msg_begin(&m, MSG_ALL, NULL, NULL);
	msg_add(&m, in, n);
	msg_end(&m);
	return m.octets == octets;
}

static int check(const char *in, size_t n)
{
	struct out want;
	size_t octets;

	oracle(in, n, &want, &octets);
	if (!counts_alike(in, n, octets))
		return 0;
	for (size_t cut = 0; cut <= n; cut++) {
		if (!same_cut(in, n, cut, MSG_ALL, &want, want.n, octets))
			return 0;
		for (size_t k = 0; k < 3; k++)
			if (!same_cut(in, n, cut, k, &want,
			    oracle_top(&want, k), 0))
				return 0;
	}
	return 1;
}

static void all_texts(void)
{
	static const char letter[] = { 'a', '.', '\r', '\n', '\0' };
	const size_t letters = sizeof letter;

	for (size_t n = 0; n <= 7; n++) {
		size_t texts = 1, bad = 0;

		for (size_t i = 0; i < n; i++)
			texts *= letters;
		for (size_t t = 0; t < texts; t++) {
			char in[8];
			size_t rest = t;

			for (size_t i = 0; i < n; i++) {
				in[i] = letter[rest % letters];
				rest /= letters;
			}
			bad += !check(in, n);
		}
		ok(bad == 0, "C57-C62 C73-C83 all %zu texts of %zu bytes, in "
		    "all cuts, RETR and TOP 0 to 2", texts, n);
	}
}

static int refuse(void *ctx, const void *p, size_t n)
{
	int *calls = ctx;

	(void)p;
	(void)n;
	return ++*calls > 2 ? -5 : 0;
}

static void failing_sink(void)
{
	struct msg m;
	int calls = 0;

	msg_begin(&m, MSG_ALL, refuse, &calls);
	ok(msg_add(&m, "a\nb\nc\nd\n", 8) == -5 && calls == 3,
	    "a sink's failure ends the transfer at once");
}

static void from_file(void)
{
	char name[] = "/tmp/popbox-unit-XXXXXX", buf[5];
	int fd = mkstemp(name);
	struct msg m;

	unlink(name);
	ok(write(fd, "one\ntwo\nthree", 13) == 13, "a file is written");
	lseek(fd, 0, SEEK_SET);
	msg_begin(&m, MSG_ALL, NULL, NULL);
	ok(msg_file(&m, fd, buf, sizeof buf) == 0 && m.octets == 17 &&
	    m.stored == 13, "a file through a small buffer");
	close(fd);
	msg_begin(&m, MSG_ALL, NULL, NULL);
	ok(msg_file(&m, fd, buf, sizeof buf) < 0 && m.octets == 0,
	    "C88 a read error is one, and ends nothing");
}

int main(void)
{
	all_texts();
	failing_sink();
	from_file();
	return done();
}
