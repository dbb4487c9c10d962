/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/conn.o
/*
 * A connection to a server that may be anything: lines, with their ends
 * looked at, and bodies of any length, in one buffer.
 *
 * What is read must come within the timeout, and beyond that at a thousand
 * octets a second: so a large message has its time, and a server that
 * sends a byte now and then gains none.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netio.h"
#include "pop3.h"
#include "pop3test.h"

enum {
	USEC_PER_OCTET = 1000,
	CUT_PAUSE = 20,		/* milliseconds between two segments */
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

void conn_init(struct conn *c, const struct options *o, const char *tag)
{
	size_t n = strlen(tag);

	memset(c, 0, sizeof *c);
	c->o = o;
	c->timeout = o->timeout;
	c->trace_fd = -1;
	c->wire.in = c->wire.out = c->wire.err = -1;
	memcpy(c->tag, tag, n < sizeof c->tag ? n : sizeof c->tag - 1);
}

static enum stage stage(const struct conn *c)
{
	return c->greeted ? ST_REPLY : ST_GREETING;
}

/* A failure of the server's, with what its program has to say about it. */
static int ended(const struct conn *c, struct trouble *why, int status,
    const char *what)
{
	char said[TROUBLE_TEXT / 2];
	struct str s;

	str_init(&s, said, sizeof said);
	if (c->wire.err >= 0)
		wire_said(&c->wire, &s);
	return trouble_set(why, status, stage(c), what,
	    s.len ? "; it says: " : NULL, s.p, (char *)NULL);
}

/* ---- timing ------------------------------------------------------------ */

static enum pt_verb verb_of(const char *p, size_t n)
{
	static const unsigned char verbs[P3_VERBS] = {
		[P3_CAPA] = V_CAPA, [P3_DELE] = V_DELE, [P3_LIST] = V_LIST,
		[P3_NOOP] = V_NOOP, [P3_PASS] = V_AUTH, [P3_QUIT] = V_QUIT,
		[P3_RETR] = V_RETR, [P3_RSET] = V_RSET, [P3_STAT] = V_STAT,
		[P3_TOP] = V_TOP, [P3_UIDL] = V_UIDL, [P3_USER] = V_AUTH
	};
	size_t word = 0;
	int v;

	while (word < n && p[word] != ' ')
		word++;
	v = p3_verb(p, word);
	if (v >= 0)
		return (enum pt_verb)verbs[v];
	if (word == 4 && (str_after(p, "AUTH") || str_after(p, "APOP")))
		return V_AUTH;
	return V_OTHER;
}

static void expect_answer(struct conn *c, enum pt_verb verb)
{
	unsigned i = c->sent++ % IN_FLIGHT;

	c->flight[i].at = nio_usec();
	c->flight[i].verb = verb;
}

static void report_last(struct conn *c)
{
	if (c->last.is && c->timing)
		c->timing->took(c->timing, c->last.verb, c->last.began,
		    c->last.ended, c->last.octets, c->last.ok);
	c->last.is = false;
}

/* A status line has come: the oldest open question is answered. */
static void answered(struct conn *c, bool ok)
{
	unsigned open = c->sent - c->answered;
	unsigned i = c->answered % IN_FLIGHT;

	report_last(c);
	if (open == 0)
		return;
	c->answered++;
	if (open > IN_FLIGHT || !c->timing)
		return;
	c->last.is = true;
	c->last.verb = c->flight[i].verb;
	c->last.began = c->flight[i].at;
	c->last.ended = nio_usec();
	c->last.octets = 0;
	c->last.ok = ok;
}

/* ---- opening and closing ----------------------------------------------- */

int conn_open(struct conn *c, const struct target *t, char *const *env,
    struct trouble *why)
{
	int64_t began = nio_usec();

	if (wire_open(&c->wire, t, c->timeout, c->rcvbuf, env, why) < 0)
		return -1;
	c->open = true;
	c->eof = c->greeted = c->in_reply = false;
	c->target = t;
	c->ipos = c->ilen = c->olen = 0;
	c->stamp[0] = c->challenge[0] = c->auth = '\0';
	c->sent = c->answered = 0;
	c->last.is = false;
	c->paused = 0;
	trace_open(c);
	if (c->timing)
		c->timing->took(c->timing, V_CONNECT, began, nio_usec(), 0,
		    true);
	expect_answer(c, V_GREETING);
	return t->tls ? conn_tls(c, c->o->verify, why) : 0;
}

int conn_tls(struct conn *c, bool verify, struct trouble *why)
{
	if (conn_send(c, why) < 0)
		return -1;
	/* RFC 2595 section 4: what came in the clear does not count. */
	c->ipos = c->ilen = 0;
	trace_note(c, "tls", c->tag);
	return wire_tls(&c->wire, c->target, c->o->connector, verify, why);
}

void conn_close(struct conn *c)
{
	if (!c->open)
		return;
	report_last(c);
	trace_note(c, "close", c->tag);
	wire_close(&c->wire);
	trace_shut(c);
	c->open = false;
}

void conn_reset(struct conn *c)
{
	if (!c->open)
		return;
	wire_reset(&c->wire);
	conn_close(c);
}

int conn_half(struct conn *c, struct trouble *why)
{
	if (conn_send(c, why) < 0)
		return -1;
	trace_note(c, "half", c->tag);
	wire_half(&c->wire);
	return 0;
}

/* ---- sending ----------------------------------------------------------- */

static void pause_for(struct conn *c, int ms)
{
	poll(NULL, 0, ms);
	c->paused += (int64_t)ms * 1000;
}

/* Reads what is there, so far as there is room; 0 also for nothing. */
static int take_in(struct conn *c, struct trouble *why)
{
	size_t room = sizeof c->ibuf - c->ilen;
	ptrdiff_t r;

	if (c->drain) {
		pause_for(c, c->drain_pause);
		room = room < c->drain ? room : c->drain;
	}
	r = fd_read(c->wire.in, c->ibuf + c->ilen, room);
	if (r < 0 && errno == EAGAIN)
		return 0;
	if (r < 0 && errno != ECONNRESET)
		return trouble_errno(why, PT_CRITICAL, stage(c), "read");
	if (r <= 0)
		c->eof = true;
	else
		c->ilen += (size_t)r;
	return 0;
}

static void make_room(struct conn *c)
{
	memmove(c->ibuf, c->ibuf + c->ipos, c->ilen - c->ipos);
	c->ilen -= c->ipos;
	c->ipos = 0;
}

/*
 * Writes some.  A server that waits until its answers are taken must not
 * wait for us in vain, so we read meanwhile (RFC 2449 section 6.8).
 */
static int write_some(struct conn *c, size_t *done, size_t n, int64_t until,
    struct trouble *why)
{
	struct pollfd p[2] = {
		{ .fd = c->wire.out, .events = POLLOUT },
		{ .fd = -1, .events = POLLIN }
	};
	int64_t left = until - nio_usec();
	ssize_t w;

	make_room(c);
	if (!c->eof && !c->drain && c->ilen < sizeof c->ibuf)
		p[1].fd = c->wire.in;
	if (left <= 0 || poll(p, 2, (int)(left / 1000) + 1) == 0)
		return ended(c, why, PT_CRITICAL,
		    "timeout: the server takes no more commands");
	if (p[1].revents && take_in(c, why) < 0)
		return -1;
	if (p[0].revents == 0)
		return 0;
	w = send(c->wire.out, c->obuf + *done, n,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (w < 0 && errno == ENOTSOCK)
		w = write(c->wire.out, c->obuf + *done, n < 512 ? n : 512);
	/* A server that has gone: what it said last is still to be read. */
	if (w < 0 && errno != EAGAIN && errno != EINTR)
		*done = c->olen;
	else if (w > 0)
		*done += (size_t)w;
	return 0;
}

int conn_send(struct conn *c, struct trouble *why)
{
	int64_t until = nio_usec() + (int64_t)c->timeout * 1000;
	size_t done = 0;

	while (done < c->olen) {
		size_t n = c->olen - done, before = done;

		if (c->split && c->split < n)
			n = c->split;
		if (write_some(c, &done, n, until, why) < 0)
			return -1;
		if (c->split && done > before && done < c->olen) {
			poll(NULL, 0, c->split_pause);
			until += (int64_t)c->split_pause * 1000;
		}
	}
	c->olen = 0;
	return 0;
}

static int gather(struct conn *c, const char *p, size_t n,
    struct trouble *why)
{
	while (n > 0) {
		size_t room = sizeof c->obuf - c->olen;
		size_t take = n < room ? n : room;

		memcpy(c->obuf + c->olen, p, take);
		c->olen += take;
		p += take;
		n -= take;
		if (c->olen == sizeof c->obuf && conn_send(c, why) < 0)
			return -1;
	}
	c->in_reply = false;
	return 0;
}

int conn_raw(struct conn *c, const void *p, size_t n, bool cut,
    struct trouble *why)
{
	if (gather(c, p, n, why) < 0)
		return -1;
	if (!cut)
		return 0;
	if (conn_send(c, why) < 0)
		return -1;
	poll(NULL, 0, CUT_PAUSE);
	return 0;
}

void conn_asked(struct conn *c, const char *p, size_t n)
{
	if (!c->auth)
		expect_answer(c, verb_of(p, n));
	trace_line(c, 'C', ':', p, n);
	if (str_after(p, "AUTH ") && n > 5)
		c->auth = p[5];
}

int conn_command(struct conn *c, const char *p, size_t n,
    struct trouble *why)
{
	conn_asked(c, p, n);
	if (gather(c, p, n, why) < 0)
		return -1;
	return gather(c, "\r\n", 2, why);
}

/* ---- reading ----------------------------------------------------------- */

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
	make_room(c);
	do {
		left = l->until + c->paused - l->paused - nio_usec();
		n = left <= 0 ? 0 : poll(&p, 1, (int)(left / 1000) + 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return trouble_errno(why, PT_UNKNOWN, stage(c), "poll");
	if (n == 0)
		return ended(c, why, PT_CRITICAL, c->ipos < c->ilen ?
		    "timeout within a line" : c->greeted ?
		    "timeout: no answer" : "timeout: no greeting");
	return take_in(c, why);
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
		if (lf || have >= LINE_KEEP || c->eof)
			return 0;
		seen = have;
		if (more(c, l, why) < 0)
			return -1;
	}
}

static int unexpected_eof(const struct conn *c, struct trouble *why)
{
	return ended(c, why, PT_CRITICAL, c->ilen > c->ipos ?
	    "EOF within a line: the server closed the connection" :
	    c->greeted ? "EOF: the server closed the connection" :
	    "EOF before a greeting: the server closed the connection");
}

/* Discards what is left of a line that is longer than we keep. */
static int skip_rest(struct conn *c, struct limit *l, struct line *out,
    struct trouble *why)
{
	char last = '\0';
	size_t n;

	do {
		if (look(c, l, &n, why) < 0)
			return -1;
		if (n == 0)
			return unexpected_eof(c, why);
		last = c->ibuf[c->ipos + n - 1];
		c->ipos += n;
		out->octets += n;
		l->until += (int64_t)n * USEC_PER_OCTET;
		if (out->octets > LONGEST_LINE)
			return trouble_set(why, PT_WARNING, stage(c),
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
		return trouble_set(why, PT_WARNING, stage(c),
		    "a line ends in LF without CR: ", l->p, (char *)NULL);
	if (l->status && l->octets > STATUS_MAX)
		return trouble_set(why, PT_WARNING, stage(c),
		    "a status line of more than 512 octets", (char *)NULL);
	return 0;
}

static void take_status(struct conn *c, const struct line *l)
{
	if (!c->greeted)
		note_stamp(c, l->p);
	c->in_reply = c->greeted = true;
	c->auth = '\0';
	answered(c, l->ok);
}

int conn_line_or_eof(struct conn *c, struct line *l, bool *none,
    struct trouble *why)
{
	struct limit limit;
	bool crlf = true;
	size_t n, keep;

	limit_begin(c, &limit);
	if (look(c, &limit, &n, why) < 0)
		return -1;
	*none = n == 0;
	if (n == 0)
		return 0;
	keep = n < LINE_KEEP ? n : LINE_KEEP - 1;
	memcpy(c->line, c->ibuf + c->ipos, keep);
	*l = (struct line){ .p = c->line, .octets = n };
	l->cut = c->ibuf[c->ipos + n - 1] != '\n';
	if (l->cut && n < LINE_KEEP)
		return unexpected_eof(c, why);
	c->ipos += n;
	if (l->cut) {
		if (skip_rest(c, &limit, l, why) < 0)
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
	trace_line(c, 'S', l->status ? ':' : l->cut ? '~' : '=', l->p, keep);
	note_challenge(c, l);
	if (l->status || !c->greeted)
		take_status(c, l);
	return check_line(c, l, crlf, why);
}

int conn_line(struct conn *c, struct line *l, struct trouble *why)
{
	bool none;

	if (conn_line_or_eof(c, l, &none, why) < 0)
		return -1;
	return none ? unexpected_eof(c, why) : 0;
}

int conn_peek(struct conn *c, struct line *l, struct trouble *why)
{
	struct limit limit;
	size_t n;

	limit_begin(c, &limit);
	if (look(c, &limit, &n, why) < 0)
		return -1;
	if (n == 0)
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
		trace_line(c, 'S', ends ? '=' : '~', p, n - (size_t)ends -
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
			return ended(c, why, PT_CRITICAL, "EOF within a "
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
		if (p.revents && take_in(c, why) < 0)
			return -1;
	}
	return c->ipos < c->ilen ? surprise(c, why, "want silence, got: ") :
	    unexpected_eof(c, why);
}

int conn_want_no_rest(struct conn *c, int ms, struct trouble *why)
{
	struct pollfd p = { .fd = c->wire.in, .events = POLLIN };

	if (c->ipos == c->ilen && !c->eof && poll(&p, 1, ms) > 0) {
		make_room(c);
		if (take_in(c, why) < 0)
			return -1;
	}
	return c->ipos == c->ilen ? 0 :
	    surprise(c, why, "left unread: ");
}
