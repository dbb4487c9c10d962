/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what maildirck makes of a message's bytes, and of an mbox: the
 * input is the file, but for the first byte, which says how it is looked
 * at, and with what before it, so that the buffers' ends are met too.  The
 * results are compared with those of plain and slow code.
 */
#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "content.h"
#include "maildirck.h"
#include "mbox.h"

enum {
	FULL = 1, SIZE = 2, WIRE = 4, WRONG = 8, FILL = 16,
	CHANGED = 96,		/* longer or shorter than it was */
	FILLER = 65500
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	char *p;
	size_t n;
};

static int put(void *ctx, const void *p, size_t n)
{
	struct text *t = ctx;

	assert(n > 0);
	memcpy(t->p + t->n, p, n);
	t->n += n;
	return 0;
}

/* ---- an mbox, line by line ---------------------------------------------- */

static size_t line_len(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);

	return lf ? (size_t)(lf + 1 - p) : n;
}

static bool is_empty(const char *p, size_t n)
{
	return (n == 1 && *p == '\n') || (n == 2 && memcmp(p, "\r\n", 2) == 0);
}

static bool is_quoted(const char *p, size_t n)
{
	size_t k = 0;

	while (k < n && p[k] == '>')
		k++;
	return k && n - k >= 5 && memcmp(p + k, "From ", 5) == 0;
}

/* Writes "<" before each message and ">" behind. */
static void split(struct text *t, const char *p, size_t n)
{
	bool seen = false, any = false, body = false, blank = true;
	size_t len, held = 0;

	for (size_t at = 0; at < n; at += len) {
		const char *s = p + at;

		len = line_len(s, n - at);
		if (blank && mbox_is_from(s, len)) {
			t->n -= held;
			if (seen || any)
				t->p[t->n++] = '>';
			t->p[t->n++] = '<';
			seen = true;
			any = body = blank = false;
			held = 0;
			continue;
		}
		blank = is_empty(s, len);
		if (!seen && !any && !blank)
			t->p[t->n++] = '<';
		any = any || !blank;
		if (seen || any) {
			size_t skip = body && is_quoted(s, len);

			memcpy(t->p + t->n, s + skip, len - skip);
			t->n += len - skip;
			held = blank && body ? len : 0;
			body = body || blank;
		}
	}
	if (seen)
		t->n -= held;
	if (seen || any)
		t->p[t->n++] = '>';
}

static void check_mbox(int fd, const char *p, size_t n)
{
	struct text a = { malloc(2 * n + 8), 0 }, b = { malloc(2 * n + 8), 0 };
	struct mbox m;
	size_t was;
	int r;

	/* More than the buffer has: there such a line counts in parts. */
	for (size_t at = 0, len; at < n; at += len) {
		len = line_len(p + at, n - at);
		assert(len < 65000);
	}
	lseek(fd, 0, SEEK_SET);
	mbox_begin(&m, fd);
	do {
		was = a.n;
		a.p[a.n++] = '<';
		r = mbox_next(&m, put, &a);
		assert(r == 0 || r == 1);
		a.p[a.n++] = '>';
	} while (r == 1);
	a.n = was;
	split(&b, p, n);
	assert(a.n == b.n && memcmp(a.p, b.p, a.n) == 0);
	free(a.p);
	free(b.p);
}

/* ---- a message ---------------------------------------------------------- */

static bool has(const struct ck *ck, enum id id)
{
	const struct finding *f = (const void *)ck->finds.p;

	for (size_t i = 0; i < ck->nfinds; i++)
		if (f[i].id == id)
			return true;
	return false;
}

/* Of these there may be one. */
static unsigned great(const struct ck *ck)
{
	return (unsigned)has(ck, C02) + has(ck, C03) + has(ck, C04) +
	    has(ck, C06) + has(ck, C07) + has(ck, F10) + has(ck, Z05);
}

static void check_full(const struct ck *ck, const struct entry *e,
    const char *p, size_t n)
{
	uint64_t bare = 0, cr = 0, nul = 0, crlf = 0;

	for (size_t i = 0; i < n; i++) {
		bool after = i > 0 && p[i - 1] == '\r';

		bare += p[i] == '\n' && !after;
		crlf += p[i] == '\n' && after;
		cr += p[i] == '\r';
		nul += p[i] == '\0';
	}
	if (!has(ck, Z05))
		assert(has(ck, C02) == (nul == n));
	if (great(ck))
		return;
	assert(e->bare_lf == bare);
	assert(has(ck, C09) == (bare && crlf));
	assert(cr == crlf || has(ck, C10));
	assert(!nul || has(ck, C11) || has(ck, C08));
	if (e->n.wire != MD_NOSIZE)
		assert(has(ck, Z02) == (e->n.wire != n + bare));
}

static void check_message(struct ck *ck, int fd, const char *p, size_t n,
    unsigned how)
{
	struct folder f = { .name = "", .md = { -1, { -1, -1, -1 } } };
	struct entry e = {
		.f = &f, .name = "1.M1P1.h:2,", .sub = MD_CUR, .type = DT_REG,
		.bare_lf = UINT64_MAX, .n = {
			.size = MD_NOSIZE, .wire = MD_NOSIZE
		}
	};

	e.n.base = strlen("1.M1P1.h");
	if (how & SIZE)
		e.n.size = n + (how & WRONG ? 3 : 0);
	if (how & WIRE)
		e.n.wire = n + 5;
	lseek(fd, 0, SEEK_SET);
	fstat(fd, &e.st);
	ck->nfinds = ck->finds.len = ck->text.len = 0;
	content_check(ck, &e, fd);
	assert(!has(ck, F09) && ck->counts.concurrent == 0);
	assert(great(ck) <= 1);
	assert(e.complete != (great(ck) == 1) || n == 0);
	assert(!(has(ck, Z01) && has(ck, C04) && how & WRONG));
	if (how & FULL && n)
		check_full(ck, &e, p, n);
	/* One that is being written meanwhile. */
	if (how & CHANGED) {
		e.st.st_size += (how & CHANGED) == CHANGED ? 100000 :
		    (how & CHANGED) == 32 ? 50 : -(e.st.st_size / 2);
		lseek(fd, 0, SEEK_SET);
		content_check(ck, &e, fd);
		ck->counts.concurrent = 0;
		fstat(fd, &e.st);
	}
	(void)content_complete(fd, &e.st, &e.n);
	(void)content_is_mail(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options o = { .mode = MODE_CHECK, .info_sep = ':' };
	static struct ck ck = { .o = &o, .path = "m", .now = 1800000000 };
	static int fd = -1;
	size_t fill;
	char *p;

	if (size == 0)
		return 0;
	if (fd < 0) {
		fd = memfd_create("message", 0);
		memset(o.severity, SEV_WARN, sizeof o.severity);
	}
	fill = data[0] & FILL ? FILLER : 0;
	o.level = data[0] & FULL ? LEVEL_FULL : LEVEL_HEAD;
	p = malloc(fill + size);
	for (size_t i = 0; i < fill; i++)
		p[i] = i % 4000 ? i % 4000 == 1 ? ':' : 'x' : i ? '\n' : 'x';
	memcpy(p + fill, data + 1, size - 1);
	size += fill - 1;
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, p, size, 0) == (ssize_t)size);
	check_message(&ck, fd, p, size, data[0]);
	check_mbox(fd, p, size);
	free(p);
	return 0;
}
