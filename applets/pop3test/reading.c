/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/reading.o
/*
 * What is read from a server that may be anything: lines, with their ends
 * looked at, and bodies of any length, in one buffer.
 *
 * It must come within the timeout, and beyond that at a thousand octets a
 * second: so a large message has its time, and a server that sends a byte
 * now and then gains none.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "conn.h"
#include "netio.h"

enum {
	USEC_PER_OCTET = 1000,
	LONGEST_LINE = 16 * 1024 * 1024
};

/* How long what we wait for may take. */
struct limit {
	int64_t until;
	int64_t paused;		/* c->paused when it began */
};

static void limit_begin(const struct conn *c, struct limit *l)
{
	l->until = nio_usec() + (int64_t)c->timeout * 1000;
	l->paused = c->paused;
}

/* More input, or c->eof. */
static int more(struct conn *c, const struct limit *l, struct trouble *why)
{
	struct pollfd p = { .fd = c->wire.in, .events = POLLIN };
	size_t have = c->ilen - c->ipos;
	int64_t left;
	int n;

	if (conn_send(c, why) < 0)
		return -1;
	if (c->ilen - c->ipos != have || c->eof)
		return 0;
	conn_make_room(c);
	do {
		left = l->until + c->paused - l->paused - nio_usec();
		/* What came fast has earned no patience with a stall. */
		if (left > (int64_t)c->timeout * 1000)
			left = (int64_t)c->timeout * 1000;
		n = left <= 0 ? 0 : poll(&p, 1, (int)(left / 1000) + 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return trouble_errno(why, PT_UNKNOWN, conn_stage(c), "poll");
	if (n == 0)
		return conn_ended(c, why, PT_CRITICAL, c->ipos < c->ilen ?
		    "timeout within a line" : c->greeted ?
		    "timeout: no answer" : "timeout: no greeting");
	return conn_take_in(c, why);
}

/*
 * Makes the buffer hold the rest of the line, or LINE_KEEP bytes of it, or
 * what there is before EOF; how many bytes those are.
 */
static int look(struct conn *c, const struct limit *l, size_t *n,
    struct trouble *why)
{
	size_t seen = 0;

	for (;;) {
		const char *at = c->ibuf + c->ipos;
		size_t have = c->ilen - c->ipos;
		const char *lf = memchr(at + seen, '\n', have - seen);

		*n = lf ? (size_t)(lf - at) + 1 : have;
		if (*n > LINE_KEEP)
			*n = LINE_KEEP;
		if (lf || have >= LINE_KEEP || c->eof)
			return 0;
		seen = have;
		if (more(c, l, why) < 0)
			return -1;
	}
}

static int unexpected_eof(struct conn *c, struct trouble *why)
{
	return conn_ended(c, why, PT_CRITICAL, c->ilen > c->ipos ?
	    "EOF within a line: the server closed the connection" :
	    c->greeted ? "EOF: the server closed the connection" :
	    "EOF before a greeting: the server closed the connection");
}

/* Discards what is left of a line that is longer than we keep. */
static int skip_rest(struct conn *c, struct limit *l, struct line *out,
    bool *crlf, struct trouble *why)
{
	char last = c->ibuf[c->ipos - 1];
	size_t n;

	do {
		if (look(c, l, &n, why) < 0)
			return -1;
		if (n == 0)
			return unexpected_eof(c, why);
		*crlf = (n > 1 ? c->ibuf[c->ipos + n - 2] : last) == '\r';
		last = c->ibuf[c->ipos + n - 1];
		c->ipos += n;
		out->octets += n;
		l->until += (int64_t)n * USEC_PER_OCTET;
		if (out->octets > LONGEST_LINE)
			return trouble_set(why, PT_WARNING, conn_stage(c),
			    "a line without end", (char *)NULL);
	} while (last != '\n');
	return 0;
}

static void note_challenge(struct conn *c, const struct line *l)
{
	const char *rest = l->p[0] == '+' ? l->p + 1 : NULL;

	if (!rest || (*rest && *rest != ' '))
		return;
	rest += *rest == ' ';
	memcpy(c->challenge, rest, strlen(rest) + 1);
}

/* RFC 1939 section 7: the last thing in angle brackets of the greeting. */
static void note_stamp(struct conn *c, const char *p)
{
	const char *from = strrchr(p, '<');
	size_t n = from ? str_span(from, '>') : 0;

	if (n == 0 || from[n] != '>' || n + 2 > sizeof c->stamp)
		return;
	memcpy(c->stamp, from, n + 1);
	c->stamp[n + 1] = '\0';
}

static void classify(struct line *l)
{
	l->ok = str_after(l->p, "+OK") != NULL;
	l->status = l->ok || str_after(l->p, "-ERR");
}

/* What every line must have, whatever it is about. */
static int check_line(struct conn *c, const struct line *l, bool crlf,
    struct trouble *why)
{
	if (!crlf)
		return trouble_set(why, PT_WARNING, conn_stage(c),
		    "a line ends in LF without CR: ", l->p, (char *)NULL);
	if (l->status && !c->any_line && l->octets > STATUS_MAX)
		return trouble_set(why, PT_WARNING, conn_stage(c),
		    "a status line of more than 512 octets", (char *)NULL);
	return 0;
}

static void take_status(struct conn *c, const struct line *l)
{
	if (!c->greeted)
		note_stamp(c, l->p);
	c->in_reply = c->greeted = true;
	c->auth = '\0';
	conn_answered(c, l->ok);
}

int conn_line(struct conn *c, struct line *l, struct trouble *why)
{
	struct limit limit;
	bool crlf = true;
	size_t n, keep;

	limit_begin(c, &limit);
	if (look(c, &limit, &n, why) < 0)
		return -1;
	if (n == 0)
		return unexpected_eof(c, why);
	keep = n < LINE_KEEP ? n : LINE_KEEP - 1;
	memcpy(c->line, c->ibuf + c->ipos, keep);
	*l = (struct line){ .p = c->line, .octets = n };
	l->cut = c->ibuf[c->ipos + n - 1] != '\n';
	if (l->cut && n < LINE_KEEP)
		return unexpected_eof(c, why);
	c->ipos += n;
	if (l->cut) {
		if (skip_rest(c, &limit, l, &crlf, why) < 0)
			return -1;
	} else {
		keep = n - 1;
		crlf = keep > 0 && c->line[keep - 1] == '\r';
		keep -= crlf;
	}
	c->line[keep] = '\0';
	l->len = keep;
	classify(l);
	c->in_reply = true;
	trace_line(c, l->status && !c->any_line ? ':' : l->cut ? '~' : '=',
	    l->p, keep);
	note_challenge(c, l);
	if (l->status || !c->greeted)
		take_status(c, l);
	return check_line(c, l, crlf, why);
}

int conn_peek(struct conn *c, struct line *l, struct trouble *why)
{
	struct limit limit;
	size_t n;

	limit_begin(c, &limit);
	if (look(c, &limit, &n, why) < 0)
		return -1;
	if (n == 0 || (n < LINE_KEEP && c->ibuf[c->ipos + n - 1] != '\n'))
		return unexpected_eof(c, why);
	if (n > LINE_KEEP - 1)
		n = LINE_KEEP - 1;
	memcpy(c->line, c->ibuf + c->ipos, n);
	*l = (struct line){ .p = c->line, .octets = n };
	l->cut = n == LINE_KEEP - 1;
	if (!l->cut && n > 0 && c->line[n - 1] == '\n')
		n--;
	if (!l->cut && n > 0 && c->line[n - 1] == '\r')
		n--;
	c->line[n] = '\0';
	l->len = n;
	classify(l);
	return 0;
}

/* ---- bodies ------------------------------------------------------------ */

struct passage {		/* of a body */
	body_sink *sink;
	void *ctx;
	uint64_t octets, max;
	bool begun;		/* this line has a part that has passed */
	char last;
	bool over;
};

/* One line, or a part of one: `n` bytes at p. */
static int pass(struct conn *c, struct passage *b, const char *p, size_t n,
    struct trouble *why)
{
	bool ends = p[n - 1] == '\n';
	char before = n > 1 ? p[n - 2] : b->last;

	if (!b->begun)
		trace_line(c, ends ? '=' : '~', p, n - (size_t)ends -
		    (ends && before == '\r'));
	if (ends && before != '\r')
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "a line of the reply ends in LF without CR",
		    (char *)NULL);
	b->last = p[n - 1];
	if (!b->begun && p[0] == '.') {
		p++;
		n--;
		b->over = n == 2 && ends;
	}
	b->begun = !ends;
	if (b->over)
		return 0;
	b->octets += n;
	if (b->octets > b->max)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "a reply that does not end", (char *)NULL);
	return b->sink ? b->sink(b->ctx, p, n, why) : 0;
}

int conn_body(struct conn *c, body_sink *sink, void *ctx, uint64_t max,
    struct trouble *why)
{
	struct passage b = { .sink = sink, .ctx = ctx, .max = max };
	struct limit limit;
	size_t n;

	limit_begin(c, &limit);
	while (!b.over) {
		if (look(c, &limit, &n, why) < 0)
			return -1;
		if (n == 0 || (c->eof && c->ibuf[c->ipos + n - 1] != '\n'))
			return conn_ended(c, why, PT_CRITICAL, "EOF within a "
			    "reply: the server closed the connection");
		if (pass(c, &b, c->ibuf + c->ipos, n, why) < 0)
			return -1;
		c->ipos += n;
		limit.until += (int64_t)n * USEC_PER_OCTET;
	}
	if (c->last.is) {
		c->last.ended = nio_usec();
		c->last.octets = b.octets;
	}
	return 0;
}

/* ---- silence ----------------------------------------------------------- */

/* Something came that should not: shows how it begins. */
static int surprise(const struct conn *c, struct trouble *why,
    const char *what)
{
	char text[128];
	struct str s;

	str_init(&s, text, sizeof text);
	str_mem(&s, c->ibuf + c->ipos, c->ilen - c->ipos);
	return trouble_set(why, PT_WARNING, ST_REPLY, what, s.p,
	    (char *)NULL);
}

int conn_want_eof(struct conn *c, struct trouble *why)
{
	struct limit limit;

	limit_begin(c, &limit);
	while (c->ipos == c->ilen && !c->eof)
		if (more(c, &limit, why) < 0)
			return -1;
	if (c->ipos < c->ilen)
		return surprise(c, why, "want EOF, got: ");
	conn_close(c);
	return 0;
}

int conn_want_quiet(struct conn *c, int ms, struct trouble *why)
{
	struct pollfd p = { .fd = c->wire.in, .events = POLLIN };
	int64_t until = nio_usec() + (int64_t)ms * 1000, left;

	if (conn_send(c, why) < 0)
		return -1;
	while (c->ipos == c->ilen && !c->eof) {
		left = until - nio_usec();
		if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) == 0)
			return 0;
		if (p.revents && conn_take_in(c, why) < 0)
			return -1;
	}
	return c->ipos < c->ilen ? surprise(c, why, "want silence, got: ") :
	    unexpected_eof(c, why);
}

int conn_want_no_rest(struct conn *c, int ms, struct trouble *why)
{
	struct pollfd p = { .fd = c->wire.in, .events = POLLIN };

	if (c->ipos == c->ilen && !c->eof && poll(&p, 1, ms) > 0) {
		conn_make_room(c);
		if (conn_take_in(c, why) < 0)
			return -1;
	}
	return c->ipos == c->ilen ? 0 :
	    surprise(c, why, "left unread: ");
}
