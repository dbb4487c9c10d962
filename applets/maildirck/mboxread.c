/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/mboxread.o
#include "mbox.h"

#include <errno.h>
#include <string.h>

#include "base.h"
#include "date.h"

static char buf[65536];

/* " Fri Jul  8": the day of the week keeps text from being cut in two. */
static bool is_date(const char *p)
{
	static const char days[] = "SunMonTueWedThuFriSat";

	if (p[0] == ' ' && p[4] == ' ' && p[8] == ' ')
		for (const char *d = days; *d; d += 3)
			if (memcmp(p + 1, d, 3) == 0)
				return true;
	return false;
}

/*
 * "From ADDRESS Www Mmm dd hh:mm:ss yyyy", with whatever mailers have put
 * into the address and behind.
 */
static bool from_date(const char *line, size_t n, int64_t *date)
{
	const size_t longest = 40;	/* with a zone's name inside */

	if (n < 20 || memcmp(line, "From ", 5) != 0)
		return false;
	for (const char *p = line + 4; p + 16 <= line + n; p++) {
		size_t left = (size_t)(line + n - p);

		if (is_date(p))
			return date_rfc(p, left < longest ? left : longest,
			    date);
	}
	return false;
}

bool mbox_is_from(const char *line, size_t n)
{
	int64_t date;

	return from_date(line, n, &date);
}

void mbox_begin(struct mbox *m, int fd)
{
	*m = (struct mbox){ .fd = fd, .blank = true, .more = true };
}

/* What is to be kept, up to `end`, goes out. */
static int flush(struct mbox *m, size_t end)
{
	size_t from = m->keep;

	m->keep = end;
	return end > from ? m->put(m->ctx, buf + from, end - from) : 0;
}

/* More into the buffer, behind what is not done with: 0, or an error. */
static int more(struct mbox *m)
{
	size_t done = m->pos - m->hold;
	int e = flush(m, done);
	ptrdiff_t r;

	if (e)
		return e;
	m->len -= done;
	memmove(buf, buf + done, m->len);
	m->pos = m->hold;
	m->keep = 0;
	r = fd_read(m->fd, buf + m->len, sizeof buf - m->len);
	if (r < 0)
		return -errno;
	m->eof = r == 0;
	m->len += (size_t)r;
	return 0;
}

/* The line at pos, as much of it as there is room for: into *n. */
static int line(struct mbox *m, size_t *n)
{
	const char *lf;
	int e = 0;

	for (;;) {
		*n = m->len - m->pos;
		lf = memchr(buf + m->pos, '\n', *n);
		if (lf)
			*n = (size_t)(lf + 1 - (buf + m->pos));
		if (lf || m->eof || e || *n >= sizeof buf - 2)
			return e;
		e = more(m);
	}
}

/* ">From ", or with more of ">". */
static bool quoted(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] == '>')
		i++;
	return i > 0 && n - i >= 5 && memcmp(p + i, "From ", 5) == 0;
}

/* An empty line in the body waits until it is known what follows. */
static int take(struct mbox *m, size_t n)
{
	const char *p = buf + m->pos;
	bool empty = !m->part && (p[0] == '\n' ||
	    (n == 2 && p[0] == '\r' && p[1] == '\n'));
	int e = 0;

	if (m->body && !m->part && quoted(p, n)) {
		e = flush(m, m->pos);
		m->keep++;
	}
	m->hold = empty && m->body ? n : 0;
	m->pos += n;
	m->part = p[n - 1] != '\n';
	m->blank = empty;
	m->any = m->any || !empty;
	m->body = m->body || (empty && (m->any || m->seen));
	if (!m->any && !m->seen)	/* empty lines before everything */
		m->keep = m->pos;
	return e;
}

/* Behind the From_ line at pos.  Was there a message before it? */
static bool turn(struct mbox *m, size_t n)
{
	bool before = m->seen || m->any;

	m->pos += n;
	m->keep = m->pos;
	m->hold = 0;
	m->seen = m->more = true;
	m->part = m->blank = m->body = m->any = false;
	if (!before)
		m->date = m->next_date;
	return before;
}

int mbox_next(struct mbox *m, int (*put)(void *ctx, const void *p, size_t n),
    void *ctx)
{
	size_t n;
	int e = 0;

	if (!m->more)
		return 0;
	m->put = put;
	m->ctx = ctx;
	m->date = m->next_date;
	while (e == 0 && (e = line(m, &n)) == 0 && n > 0) {
		if (!m->blank ||
		    !from_date(buf + m->pos, n, &m->next_date)) {
			e = take(m, n);
			continue;
		}
		e = flush(m, m->pos - m->hold);
		if (turn(m, n) && e == 0)
			return 1;
	}
	if (e)
		return e;
	m->more = false;
	e = flush(m, m->pos - (m->seen ? m->hold : 0));
	return e ? e : m->seen || m->any;
}
