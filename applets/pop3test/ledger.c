/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/ledger.o
/*
 * Sessions of load --ledger: each does something else, by its worker's
 * random numbers, and what it sees goes through the rules.
 */
#include <string.h>

#include "fill.h"
#include "ledger.h"
#include "netio.h"
#include "verbs.h"

enum {
	LINGER = 5000,		/* milliseconds a server may need to notice
				   that a session has ended */
	NOTICED = 1000000,	/* microseconds until another one is in */
	SPARE = 1024 * 1024	/* octets a RETR may have too many */
};

static uint32_t choose(const struct visit *v, uint32_t of)
{
	return random_next(&v->w->random) % of;
}

/* ---- in ----------------------------------------------------------------- */

static uint32_t milliseconds(const struct visit *v)
{
	return (uint32_t)((nio_usec() - v->w->l->sh->t0) / 1000);
}

/*
 * Is another session in, or was one until a moment ago?  The one that has
 * just got in may not have been told so yet.
 */
static bool somebody(const struct visit *v)
{
	const struct maildrop *d = v->d;
	int64_t until = nio_usec() + NOTICED;

	do {
		uint32_t entered = shared_get(&d->entered);

		if (shared_get(&d->inside) || entered != v->entered)
			return true;
		if (entered && milliseconds(v) - shared_get(&d->left) <
		    LINGER)
			return true;
		pause_usec(10000);
	} while (nio_usec() < until);
	return false;
}

/* An exclusive lock is the server's right: RFC 1939 section 4. */
static bool kept_out(const struct visit *v, const struct trouble *why)
{
	bool refused = (why->stage == ST_AUTH && why->status == PT_CRITICAL)
	    || (why->stage == ST_GREETING && why->status == PT_WARNING);

	for (const char *p = why->text; refused && *p; p++)
		if (str_after(p, "[IN-USE]"))	/* RFC 2449 section 8.1.1 */
			return true;
	return refused && somebody(v);
}

static int enter(struct visit *v, uint32_t user, struct trouble *why)
{
	const struct load *l = v->w->l;
	const struct options *o = l->o;
	struct user who = { o->has_user ? o->user : NULL, o->pass };

	if (l->users.n)
		who = l->users.user[user];
	v->user = who.name ? who.name : "";
	drop_begin(v);
	if (conn_open(v->c, &o->target, NULL, why) == 0 &&
	    cl_login(v->c, who.name, who.pass, why) == 0) {
		shared_add(&v->d->inside, 1);
		shared_add(&v->d->entered, 1);
		return 1;
	}
	conn_close(v->c);
	if (!kept_out(v, why))
		return -1;
	pause_usec(choose(v, 16384));
	return 0;
}

/* ---- STAT, LIST, UIDL --------------------------------------------------- */

/* One line of them: its number must be that of the line. */
static int take(struct visit *v, const char *p, size_t n, char rest[ENTRY],
    uint64_t line, struct trouble *why)
{
	uint64_t number;

	if (entry_parse(p, n < 2 ? 0 : n - 2, &number, rest, why) < 0)
		return -1;
	if (number != line)
		violation(v, "", "list: number # stands in line #", number,
		    line);
	return 0;
}

static int take_size(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct visit *v = ctx;
	char rest[ENTRY];
	uint64_t size = 0;

	if (take(v, p, n, rest, ++v->listed, why) < 0)
		return -1;
	if (!scan_u64(rest, &size))
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "LIST without a size: ", rest, (char *)NULL);
	if (v->listed <= MESSAGES)
		v->size[v->listed] = size;
	v->sum += size;
	return 0;
}

static int take_name(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct visit *v = ctx;
	char uid[ENTRY];

	if (take(v, p, n, uid, ++v->named, why) < 0)
		return -1;
	drop_name(v, v->named, uid);
	return 0;
}

static int list(struct visit *v, const char *verb, body_sink *sink,
    struct trouble *why)
{
	struct line l;

	if (cl_ok(v->c, &l, why, verb, (char *)NULL) < 0)
		return -1;
	return conn_body(v->c, sink, v, list_limit(v->count), why);
}

static void compare(const struct visit *v, const char *form, uint64_t a,
    uint64_t b)
{
	if (a != b)
		violation(v, "", form, a, b);
}

static int look_around(struct visit *v, struct trouble *why)
{
	if (session_stat(v->c, &v->count, &v->octets, why) < 0 ||
	    list(v, "LIST", take_size, why) < 0 ||
	    list(v, "UIDL", take_name, why) < 0)
		return -1;
	compare(v, "stat: LIST has # messages, STAT #", v->listed, v->count);
	compare(v, "stat: LIST has # octets, STAT #", v->sum, v->octets);
	compare(v, "list: UIDL has # messages, LIST #", v->named, v->listed);
	drop_named(v);
	return 0;
}

/* ---- TOP, RETR, DELE, RSET ---------------------------------------------- */

/* As cl_command; nobody may refuse what is listed. */
static int ask(struct visit *v, const char *verb, unsigned number,
    const char *lines, struct trouble *why)
{
	char buf[24];
	struct line l;
	struct str s;
	int r;

	str_init(&s, buf, sizeof buf);
	str_u64(&s, number);
	r = cl_command(v->c, &l, why, verb, s.p, lines, (char *)NULL);
	if (r == 0)
		drop_refused(v, number, verb);
	return r;
}

/* A message, and as much of its beginning as TOP gave. */
struct fetch {
	struct body whole, start;
	uint64_t left;
};

static int take_both(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct fetch *f = ctx;
	size_t start = n < f->left ? n : (size_t)f->left;

	if (start)
		body_add(&f->start, p, start, why);
	f->left -= start;
	return body_add(&f->whole, p, n, why);
}

/* 1, 0 when it is refused, or -1. */
static int fetch(struct visit *v, const char *verb, unsigned number,
    const char *lines, struct fetch *f, struct trouble *why)
{
	int r = ask(v, verb, number, lines, why);

	body_begin(&f->whole);
	body_begin(&f->start);
	if (r == 1 && conn_body(v->c, take_both, f, 2 * v->size[number] +
	    SPARE, why) < 0)
		r = -1;
	body_end(&f->whole);
	return r;
}

static int read_one(struct visit *v, unsigned number, struct trouble *why)
{
	static const char lines[][3] = { "0", "1", "7", "40" };
	static struct fetch top, all;
	bool both = choose(v, 2);
	int r = 1;

	if (both)
		r = fetch(v, "TOP", number, lines[choose(v, 4)], &top, why);
	if (r < 1)
		return r;
	all.left = both ? top.whole.octets : 0;
	r = fetch(v, "RETR", number, NULL, &all, why);
	if (r < 1)
		return r;
	/* RFC 1939 section 7: with a blank line behind the headers, and be
	   it that the message has none. */
	if (all.left == 2) {
		body_add(&all.start, "\r\n", 2, why);
		all.left = 0;
	}
	body_end(&all.start);
	drop_fetched(v, number, &all.whole);
	if (both && (all.left || strcmp(all.start.md5, top.whole.md5) != 0))
		violation(v, v->message[number]->uid, "top: TOP's # octets "
		    "are not the first of RETR's #", top.whole.octets,
		    all.whole.octets);
	return 0;
}

/* Some sixteen are read, at most a quarter; some are deleted. */
static int read_and_mark(struct visit *v, struct trouble *why)
{
	uint32_t of = v->count > 64 ? (uint32_t)v->count / 16 : 4;
	int r;

	for (unsigned i = 1; i <= MESSAGES; i++) {
		if (!v->message[i])
			continue;
		if (choose(v, of) == 0 && read_one(v, i, why) < 0)
			return -1;
		if (choose(v, 100) >= v->w->l->delete_percent)
			continue;
		r = ask(v, "DELE", i, NULL, why);
		if (r < 0)
			return -1;
		v->marked[i] = r;
	}
	return 0;
}

/* RFC 1939 section 5: all marks are taken away. */
static int take_back(struct visit *v, struct trouble *why)
{
	uint64_t count, octets;
	struct line l;

	if (cl_ok(v->c, &l, why, "RSET", (char *)NULL) < 0 ||
	    session_stat(v->c, &count, &octets, why) < 0)
		return -1;
	compare(v, "undone: STAT has # messages after RSET, had #", count,
	    v->count);
	compare(v, "undone: STAT has # octets after RSET, had #", octets,
	    v->octets);
	drop_move(v, 1 << HERE, HERE);
	memset(v->marked, 0, sizeof v->marked);
	return 0;
}

/* ---- out ---------------------------------------------------------------- */

static int quit(struct visit *v, struct trouble *why)
{
	struct line l;
	int r;

	drop_move(v, 1 << HERE | 1 << UNSURE, LEAVING);
	r = cl_ok(v->c, &l, why, "QUIT", (char *)NULL);
	if (r == 0)
		drop_move(v, 1 << LEAVING | 1 << UNSURE, GONE);
	else
		drop_move(v, 1 << LEAVING, UNSURE);
	return r == 0 ? conn_want_eof(v->c, why) : -1;
}

/* In one of eight ways; two are connections that break. */
static int leave(struct visit *v, struct trouble *why)
{
	uint32_t how = choose(v, 8);

	if (how == 0)
		conn_reset(v->c);
	if (how < 2)
		drop_move(v, 1 << HERE, HERE);
	else if ((how == 2 && take_back(v, why) < 0) || quit(v, why) < 0)
		return -1;
	return 1;
}

int ledger_session(struct worker *w, uint32_t user, struct trouble *why)
{
	static struct trace trace;
	static struct conn conn;
	static struct visit v;
	int r;

	memset(&v, 0, sizeof v);
	v.w = w;
	v.d = &w->l->drops[user];
	v.c = &conn;
	trace_init(&trace, w->l->o);
	conn_init(&conn, w->l->o, "");
	conn.trace = &trace;
	conn.timing = &w->timing;
	r = enter(&v, user, why);
	if (r < 1)
		return r;
	r = look_around(&v, why) < 0 || read_and_mark(&v, why) < 0 ? -1 :
	    leave(&v, why);
	conn_close(&conn);
	__atomic_store_n(&v.d->left, milliseconds(&v), __ATOMIC_RELEASE);
	shared_add(&v.d->inside, -1U);
	return r;
}
