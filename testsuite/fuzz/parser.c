/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the parser by a client that has not logged in: the input is what it
 * sends.  An honest parser must never look like a fallen one: each message
 * to the monitor is whole, is allowed, says what the client has said, and
 * carries all that came behind it.  Each command has one answer; nothing in
 * clear outlives STLS; no password outlives its command.
 *
 * The input: two bytes of conditions, one for how many bytes come at a time,
 * and the client's bytes; behind an 0xFF come those under TLS.  What the
 * monitor answers is in the conditions.  scripts/fuzz builds it.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stddef.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "input.h"
#include "mdpop3d.h"
#include "packet.h"

static int p_poll(struct pollfd *p, nfds_t n, int timeout);
static ptrdiff_t p_read(int fd, void *p, size_t cap);
static int p_clock(clockid_t id, struct timespec *t);
static ssize_t p_send(int fd, const void *p, size_t n, int flags);
static ssize_t p_recv(int fd, void *p, size_t n, int flags);
static _Noreturn void p_exit(int status);

#define poll p_poll
#define fd_read p_read
#define clock_gettime p_clock
#define send p_send
#define recv p_recv
#define _exit p_exit
#define ioctl(fd, what, n) ((void)(fd), *(n) = 0)
#define fill fill_input
#include "../../libmd/netio.c"
#undef fill
#undef ENABLE_FEATURE_MDPOP3D_APOP	/* it takes PAM */
#define ENABLE_FEATURE_MDPOP3D_APOP 1
#include "../../applets/mdpop3d/login.c"
#undef poll
#undef fd_read
#undef send
#undef recv
#undef _exit

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {				/* conditions */
	DEBUGS = 1, TLS = 2, TLS_FIRST = 4, TLS_FAILS = 8, LOGS_IN = 16,
	GONE = 32, LET_ALL = 64
};

enum { CLEAR_IN = 0, CLEAR_OUT = 1, LINK = 5, TLS_IN = 7, TLS_OUT = 8 };

static unsigned how;
static struct conf conf;
static struct session session;
static jmp_buf killed;

/* The client: all it sends, how far that was read, and what it got. */
static struct wire {
	const char *p;
	size_t n, at;
} wire[2], *from;		/* in clear, and under TLS */
static size_t piece;
static int64_t now;
static char out[1 << 16];
static size_t out_len;
static bool lost, alone;
static unsigned attempts, logs;
static int answer;

static int p_clock(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = now / 1000;
	t->tv_nsec = now % 1000 * 1000000;
	return 0;
}

static int p_poll(struct pollfd *p, nfds_t n, int timeout)
{
	assert(n == 1 && timeout > 0);
	assert(p->fd == (session.tls ? TLS_IN : CLEAR_IN));
	now += 10;
	p->revents = p->events;
	return 1;
}

static ptrdiff_t p_read(int fd, void *p, size_t cap)
{
	size_t n = from->n - from->at;

	assert(fd == (session.tls ? TLS_IN : CLEAR_IN));
	n = n < piece ? n : piece;
	n = n < cap ? n : cap;
	if (n)
		memcpy(p, from->p + from->at, n);
	from->at += n;
	return (ptrdiff_t)n;
}

/* ---- what the client has said ------------------------------------------- */

struct line {
	const char *p;
	size_t n;
};

/* How much of the wire has been obeyed; the rest is in the buffer. */
static size_t obeyed(void)
{
	return from->at - (session.io.ilen - session.io.ipos);
}

/* The line that ends at `end`, without its end; *end is then its start. */
static struct line line_before(size_t *end)
{
	struct line l = { NULL, 0 };
	size_t e = *end;

	if (e == 0)
		return l;
	assert(from->p[e - 1] == '\n');
	for (*end = e - 1; *end > 0 && from->p[*end - 1] != '\n'; )
		--*end;
	l.p = from->p + *end;
	l.n = e - 1 - *end;
	if (l.n > 0 && l.p[l.n - 1] == '\r')
		l.n--;
	return l;
}

static bool begins(const struct line *l, const char *word)
{
	size_t n = strlen(word);

	return l->n >= n && strncasecmp(l->p, word, n) == 0;
}

/* Whether the line is this, with nothing but blanks behind. */
static bool is_line(const struct line *l, size_t at, const char *text)
{
	size_t n = strlen(text);

	if (l->p == NULL || at + n > l->n || memcmp(l->p + at, text, n) != 0)
		return false;
	for (at += n; at < l->n; at++)
		if (l->p[at] != ' ')
			return false;
	return true;
}

static void encode(char *to, const char *p, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned char)p[i] << 16;

		v |= i + 1 < n ? (unsigned char)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned char)p[i + 2] : 0;
		*to++ = letters[v >> 18];
		*to++ = letters[v >> 12 & 63];
		*to++ = i + 1 < n ? letters[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? letters[v & 63] : '=';
	}
	*to = '\0';
}

/* SASL's PLAIN message of these, with or without "as whom". */
static void make_plain(char *to, const struct pv_request *r, bool as)
{
	char text[3 * 300];
	size_t n = 0;

	if (as) {
		strcpy(text, r->user);
		n = strlen(r->user);
	}
	text[n++] = '\0';
	strcpy(text + n, r->user);
	n += strlen(r->user) + 1;
	strcpy(text + n, r->text);
	encode(to, text, n + strlen(r->text));
}

static bool said_plain(const struct pv_request *r, const struct line *last,
    const struct line *before)
{
	char text[3 * 400];

	for (int as = 0; as < 2; as++) {
		make_plain(text, r, as);
		if (begins(last, "AUTH PLAIN ") && is_line(last, 11, text))
			return true;
		if (before->p && begins(before, "AUTH PLAIN") &&
		    is_line(before, 10, "") && last->n == strlen(text) &&
		    memcmp(last->p, text, last->n) == 0)
			return true;
	}
	return false;
}

/* Name and password are those that the client has just given. */
static bool was_said(const struct pv_request *r)
{
	size_t end = obeyed();
	struct line last = line_before(&end), before = line_before(&end);
	char text[700];

	if (r->kind == PV_APOP) {
		strcpy(text, r->user);
		strcat(text, " ");
		strcat(text, r->text);
		return begins(&last, "APOP ") && is_line(&last, 5, text);
	}
	if (begins(&last, "PASS "))
		return last.n == 5 + strlen(r->text) &&
		    memcmp(last.p + 5, r->text, last.n - 5) == 0 &&
		    before.n < P3_LINE && begins(&before, "USER ") &&
		    is_line(&before, 5, r->user);
	return said_plain(r, &last, &before);
}

/* Of the client's lines that may have a password none is shown. */
static bool may_be_shown(const char *text)
{
	size_t end = obeyed();
	struct line last = line_before(&end);
	bool verb = false, secret_word = begins(&last, "AUTH");

	if (strstr(text, "<hidden>") || strcmp(text, "<line too long>") == 0)
		return true;
	for (int i = 0; i < P3_VERBS; i++) {
		const char *name = p3_commands[i].name;
		size_t n = strlen(name);

		verb = verb || (begins(&last, name) && (last.n == n ||
		    last.p[n] == ' ' || last.p[n] == '\0'));
	}
	for (size_t i = 0; i + 4 <= last.n; i++)
		secret_word = secret_word ||
		    strncasecmp(last.p + i, "pass", 4) == 0;
	return verb && !secret_word;
}

/* ---- and what it got ---------------------------------------------------- */

enum { NOBODY_KNOWS = -1 };

/* Every line of the client has had its answer but those owed. */
static void check_answers(int owed)
{
	int answers = 0, lines = 0;
	size_t done = obeyed();

	if (lost)
		return;
	for (size_t i = 0; i < out_len; i++) {
		const char *p = out + i;
		bool start = i == 0 || out[i - 1] == '\n';

		assert(*p != '\n' || (i > 0 && p[-1] == '\r'));
		assert(*p == '\r' || *p == '\n' || (*p >= ' ' && *p < 127));
		answers += start && (strncmp(p, "+OK", 3) == 0 ||
		    strncmp(p, "-ERR ", 5) == 0 || strncmp(p, "+ ", 2) == 0);
	}
	assert(out_len > 0 && out[out_len - 1] == '\n');
	for (size_t i = 0; i < done; i++)
		lines += from->p[i] == '\n';
	if (from == wire && owed != NOBODY_KNOWS)
		assert(answers == lines + 1 - owed);
}

static void check_packet(const struct pv_request *r, size_t n)
{
	assert(is_message(r, n));
	switch (r->kind) {
	case PV_LOG:
		assert(how & DEBUGS && may_be_shown(r->text));
		logs++;
		return;
	case PV_STLS:
		assert(how & TLS && !session.tls);
		/* What stood in the buffer is gone, lines and all. */
		assert(session.io.ipos == session.io.ilen);
		check_answers(NOBODY_KNOWS);
		return;
	}
	assert(r->kind != PV_APOP || conf.apop);
	assert(!(how & TLS_FIRST) || session.tls);
	assert(attempts++ < 3 && was_said(r));
	assert(r->ahead_len == session.io.ilen - session.io.ipos);
	assert(memcmp(r->ahead, from->p + obeyed(), r->ahead_len) == 0);
	check_answers(1);
}

static void decide(const struct pv_request *r)
{
	answer = attempts < 3 ? PV_AGAIN : PV_INCORRECT;
	if (r->kind == PV_STLS) {
		answer = how & TLS_FAILS ? PV_TEMPORARY : PV_DONE;
		if (answer == PV_DONE)
			from = &wire[1];
	} else if (how & LOGS_IN && attempts == 1 + (how & 1)) {
		longjmp(killed, 1);
	} else if (how & GONE) {
		answer = 0;
	}
}

static ssize_t p_send(int fd, const void *p, size_t n, int flags)
{
	assert(flags & MSG_NOSIGNAL && n > 0);
	if (fd == LINK) {
		check_packet(p, n);
		decide(p);
		return (ssize_t)n;
	}
	assert(fd == (session.tls ? TLS_OUT : CLEAR_OUT) && !alone);
	lost = lost || (out_len > 500 && !(how & LET_ALL));
	errno = EPIPE;
	if (lost)
		return -1;
	if (n > piece)		/* a slow client */
		n = piece;
	assert(out_len + n < sizeof out);
	memcpy(out + out_len, p, n);
	out_len += n;
	return (ssize_t)n;
}

static ssize_t p_recv(int fd, void *p, size_t n, int flags)
{
	assert(fd == LINK && n == 1 && flags == 0);
	alone = answer == 0;	/* the monitor has gone */
	if (alone)
		return 0;
	*(unsigned char *)p = (unsigned char)answer;
	return 1;
}

static void p_exit(int status)
{
	assert(answer == 0 && status == END_LOST);
	longjmp(killed, 1);
}

/* ---- one session -------------------------------------------------------- */

static bool is_zero(const void *p, size_t n)
{
	const char *c = p;

	return n == 0 || (*c == 0 && memcmp(c, c + 1, n - 1) == 0);
}

static void check_wiped(void)
{
	const struct nio *io = &session.io;

	assert(is_zero(session.line, sizeof session.line));
	assert(is_zero(secret, sizeof secret));
	assert(is_zero(io->ibuf, io->ipos));
	assert(is_zero(io->ibuf + io->ilen, sizeof io->ibuf - io->ilen));
}

static void set_up(struct input *in)
{
	const uint8_t *tls;

	how = in_byte(in);
	conf = (struct conf){
		.debug = how & DEBUGS, .tls_first = how & TLS_FIRST,
		.timeout = 60, .apop = in_byte(in) & 1,
		.tls = { how & TLS ? 6 : -1, TLS_IN, TLS_OUT }
	};
	piece = in_byte(in) * 4 + 1;
	tls = memchr(in->p, 0xFF, (size_t)(in->end - in->p));
	tls = tls ? tls : in->end;
	wire[0].p = (const char *)in->p;
	wire[0].n = (size_t)(tls - in->p);
	wire[1].p = (const char *)tls + (tls < in->end);
	wire[1].n = (size_t)((const char *)in->end - wire[1].p);
	wire[0].at = wire[1].at = out_len = 0;
	from = wire;
	attempts = logs = 0;
	lost = alone = false;
	now = 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	set_up(&in);
	memset(&session, 0, sizeof session);
	session.conf = &conf;
	session.monitor = LINK;
	session.state = P3_AUTHORIZATION;
	strcpy(session.stamp, conf.apop ? "<1.2@h>" : "");
	nio_init(&session.io, CLEAR_IN, CLEAR_OUT, conf.timeout * 1000);
	session.io.deadline = now + 60000;
	if (setjmp(killed) == 0) {
		session_greet(&session);
		(void)nio_flush(&session.io);
		assert(session.end > END_NOT && session.end < ENDS);
		check_answers(session.end == END_TLS ? NOBODY_KNOWS : 0);
	}
	check_wiped();
	return 0;
}
