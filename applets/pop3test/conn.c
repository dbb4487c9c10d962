/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/conn.o
/* A connection: its beginning and end, what is sent, and how long it took. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "netio.h"
#include "pop3.h"
#include "pop3test.h"

enum {
	CUT_PAUSE = 20,		/* milliseconds between two segments */
	SEND_AT = 8192,		/* octets that do not wait for more */
	OUT_MAX = 16 * 1024 * 1024
};

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

enum stage conn_stage(const struct conn *c)
{
	return c->greeted ? ST_REPLY : ST_GREETING;
}

static void report_last(struct conn *c)
{
	if (c->last.is && c->timing)
		c->timing->took(c->timing, c->last.verb, c->last.began,
		    c->last.ended, c->last.octets, c->last.ok);
	c->last.is = false;
}

/* What is waited for in vain took as long as that, too. */
static void report_unanswered(struct conn *c)
{
	unsigned i = c->answered % IN_FLIGHT;

	if (!c->timing)
		return;
	report_last(c);
	if (c->sent - c->answered - 1 < IN_FLIGHT)
		c->timing->took(c->timing, c->flight[i].verb,
		    c->flight[i].at, nio_usec(), 0, false);
	c->timing = NULL;	/* once is enough */
}

int conn_ended(struct conn *c, struct trouble *why, int status,
    const char *what)
{
	char said[TROUBLE_TEXT / 2];
	struct str s;

	report_unanswered(c);
	str_init(&s, said, sizeof said);
	if (c->wire.err >= 0)
		wire_said(&c->wire, &s);
	return trouble_set(why, status, conn_stage(c), what,
	    s.len ? "; it says: " : NULL, s.p, (char *)NULL);
}

/* ---- timing ------------------------------------------------------------ */

static enum pt_verb verb_of(const char *p, size_t n)
{
	static const unsigned char verbs[P3_VERBS] = {
		[P3_APOP] = V_AUTH, [P3_AUTH] = V_AUTH, [P3_CAPA] = V_CAPA,
		[P3_DELE] = V_DELE, [P3_LIST] = V_LIST, [P3_NOOP] = V_NOOP,
		[P3_PASS] = V_AUTH, [P3_QUIT] = V_QUIT, [P3_RETR] = V_RETR,
		[P3_RSET] = V_RSET, [P3_STAT] = V_STAT, [P3_STLS] = V_OTHER,
		[P3_TOP] = V_TOP, [P3_UIDL] = V_UIDL, [P3_USER] = V_OTHER
	};
	size_t word = 0;
	int v;

	while (word < n && p[word] != ' ')
		word++;
	v = p3_verb(p, word);
	return v >= 0 ? (enum pt_verb)verbs[v] : V_OTHER;
}

static void expect_answer(struct conn *c, enum pt_verb verb)
{
	unsigned i = c->sent++ % IN_FLIGHT;

	c->flight[i].at = nio_usec();
	c->flight[i].verb = verb;
}

void conn_answered(struct conn *c, bool ok)
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

	if (trace_open(c, why) < 0)
		return -1;
	if (wire_open(&c->wire, t, c->timeout, c->rcvbuf, env, why) < 0) {
		trace_shut(c);
		return -1;
	}
	c->open = true;
	c->eof = c->greeted = c->in_reply = false;
	c->target = t;
	c->ipos = c->ilen = c->opos = c->out.len = 0;
	c->stamp[0] = c->challenge[0] = c->auth = '\0';
	c->sent = c->answered = 0;
	c->last.is = false;
	c->paused = 0;
	if (c->timing)
		c->timing->took(c->timing, V_CONNECT, began, nio_usec(), 0,
		    true);
	expect_answer(c, V_GREETING);
	return t->tls ? conn_tls(c, c->o->verify, why) : 0;
}

static int no_more_taken(struct conn *c, struct trouble *why)
{
	return conn_ended(c, why, PT_CRITICAL,
	    "timeout: the server takes no more commands");
}

/* Sends, and nothing may stay for later. */
static int send_all(struct conn *c, struct trouble *why)
{
	if (conn_send(c, why) < 0)
		return -1;
	return c->out.len > 0 ? no_more_taken(c, why) : 0;
}

int conn_tls(struct conn *c, bool verify, struct trouble *why)
{
	if (send_all(c, why) < 0)
		return -1;
	/* RFC 2595 section 4: what came in the clear does not count. */
	c->ipos = c->ilen = 0;
	trace_note(c, "tls", c->tag);
	return wire_tls(&c->wire, c->target, c->o->connector, verify,
	    c->timeout, why);
}

static void end(struct conn *c, const char *word)
{
	report_last(c);
	trace_note(c, word, c->tag);
	wire_close(&c->wire);
	trace_shut(c);
	md_area_free(&c->out);
	c->open = false;
}

void conn_close(struct conn *c)
{
	if (c->open)
		end(c, "close");
}

void conn_reset(struct conn *c)
{
	if (!c->open)
		return;
	wire_reset(&c->wire);
	end(c, "reset");
}

int conn_half(struct conn *c, struct trouble *why)
{
	if (send_all(c, why) < 0)
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

int conn_take_in(struct conn *c, struct trouble *why)
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
		return trouble_errno(why, PT_CRITICAL, conn_stage(c), "read");
	if (r <= 0)
		c->eof = true;
	else
		c->ilen += (size_t)r;
	return 0;
}

void conn_make_room(struct conn *c)
{
	memmove(c->ibuf, c->ibuf + c->ipos, c->ilen - c->ipos);
	c->ilen -= c->ipos;
	c->ipos = 0;
}

/*
 * Writes some.  A server that waits until its answers are taken must not
 * wait for us in vain, so we read meanwhile (RFC 2449 section 6.8).  1:
 * there is no room for more answers, nor for more commands.
 */
static int write_some(struct conn *c, size_t n, int64_t until,
    struct trouble *why)
{
	struct pollfd p[2] = {
		{ .fd = c->wire.out, .events = POLLOUT },
		{ .fd = -1, .events = POLLIN }
	};
	int64_t left = until - nio_usec();
	bool full;
	ssize_t w;

	conn_make_room(c);
	full = c->ilen == sizeof c->ibuf;
	if (!c->eof && !c->drain && !full)
		p[1].fd = c->wire.in;
	if (left <= 0 || poll(p, 2, full ? 0 : (int)(left / 1000) + 1) == 0)
		return full ? 1 : no_more_taken(c, why);
	if (p[1].revents && conn_take_in(c, why) < 0)
		return -1;
	if (p[0].revents == 0)
		return 0;
	w = send(c->wire.out, c->out.p + c->opos, n,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (w < 0 && errno == ENOTSOCK)
		w = write(c->wire.out, c->out.p + c->opos, n < 512 ? n : 512);
	/* A server that has gone: what it said last is still to be read. */
	if (w < 0 && errno != EAGAIN && errno != EINTR)
		c->opos = c->out.len;
	else if (w > 0)
		c->opos += (size_t)w;
	return 0;
}

int conn_send(struct conn *c, struct trouble *why)
{
	int64_t until = nio_usec() + (int64_t)c->timeout * 1000;
	int e;

	while (c->opos < c->out.len) {
		size_t n = c->out.len - c->opos, before = c->opos;

		if (c->split && c->split < n)
			n = c->split;
		e = write_some(c, n, until, why);
		if (e != 0)
			return e < 0 ? -1 : 0;
		if (c->split && c->opos > before && c->opos < c->out.len) {
			poll(NULL, 0, c->split_pause);
			until += (int64_t)c->split_pause * 1000;
		}
	}
	c->opos = c->out.len = 0;
	return 0;
}

static int gather(struct conn *c, const char *p, size_t n,
    struct trouble *why)
{
	size_t len = c->out.len;

	if (n == 0)
		return 0;
	if (len + n > OUT_MAX || md_area_grow(&c->out, len + n) < 0)
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "too many commands before an answer is read",
		    (char *)NULL);
	memcpy(c->out.p + len, p, n);
	c->out.len += n;
	c->in_reply = false;
	return c->out.len - c->opos < SEND_AT ? 0 : conn_send(c, why);
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

void conn_asked(struct conn *c, char kind, const char *p, size_t n,
    const char *instead)
{
	if (kind == ':' && !c->auth)
		expect_answer(c, verb_of(p, n));
	trace_sent(c, kind, p, n, instead);
}

int conn_command(struct conn *c, const char *p, size_t n,
    struct trouble *why)
{
	conn_asked(c, ':', p, n, NULL);
	if (gather(c, p, n, why) < 0)
		return -1;
	return gather(c, "\r\n", 2, why);
}

