/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/message.o
#include "message.h"

#include <errno.h>
#include <string.h>

#include "base.h"

void msg_begin(struct msg *m, uint64_t lines, msg_sink *sink, void *ctx)
{
	*m = (struct msg){
		.sink = sink, .ctx = ctx, .lines_left = lines,
		.last = '\n',	/* so a first byte can be a stuffed dot */
		.blank = true
	};
}

static int emit(struct msg *m, const void *p, size_t n)
{
	m->octets += n;
	return m->sink && n ? m->sink(m->ctx, p, n) : 0;
}

/* Part of one line, without its LF. */
static int add_text(struct msg *m, const unsigned char *p, size_t n)
{
	int e = 0;

	if (n == 0)
		return 0;
	if (m->last == '\n' && p[0] == '.' && m->sink)
		e = m->sink(m->ctx, ".", 1);
	/* "\r" alone leaves the line blank; anything else does not. */
	if (n > 1 || p[0] != '\r' || m->last != '\n')
		m->blank = false;
	m->last = p[n - 1];
	return e ? e : emit(m, p, n);
}

/* The LF that ends a line, and what it means for TOP. */
static int add_end(struct msg *m)
{
	int e = m->last == '\r' ? emit(m, "\n", 1) : emit(m, "\r\n", 2);

	m->last = '\n';
	if (m->body && m->lines_left != MSG_ALL)
		m->lines_left--;
	m->body = m->body || m->blank;
	m->blank = true;
	m->full = m->body && m->lines_left == 0;
	return e;
}

int msg_add(struct msg *m, const void *data, size_t n)
{
	const unsigned char *p = data, *end = p + n;
	int e = 0;

	m->stored += n;
	while (p < end && !m->full && e == 0) {
		const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));

		e = add_text(m, p, (size_t)((lf ? lf : end) - p));
		if (e == 0 && lf)
			e = add_end(m);
		p = lf ? lf + 1 : end;
	}
	return e;
}

int msg_end(struct msg *m)
{
	return m->last == '\n' || m->full ? 0 : add_end(m);
}

int msg_file(struct msg *m, int fd, void *buf, size_t cap)
{
	ptrdiff_t r;

	while (!m->full && (r = fd_read(fd, buf, cap)) != 0) {
		int e = r < 0 ? -errno : msg_add(m, buf, (size_t)r);

		if (e)
			return e;
	}
	return msg_end(m);
}
