/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/ledger.o
/*
 * Sessions of load --ledger: each does something else, by its worker's
 * random numbers, and what it sees goes through the rules.
 */
#include <string.h>

#include "ledger.h"
#include "netio.h"
#include "verbs.h"

enum {
	LINGER = 5000,		/* milliseconds a server may need to notice
				   that a session has ended */
	NOTICED = 1000000,	/* microseconds until another one is in */
	SPARE = 1024 * 1024	/* octets a RETR may have too many */
};

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
	pause_usec(random_next(&v->w->random) % 16384);
	return 0;
}

/* ---- STAT, LIST, UIDL --------------------------------------------------- */

static int take_size(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct visit *v = ctx;
	char rest[ENTRY];
	uint64_t number, size;

	if (entry_parse(p, n, &number, rest, why) < 0)
		return -1;
	if (scan_u64(rest, &size) == NULL)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "LIST without a size: ", rest, (char *)NULL);
	if (number != ++v->listed)
		violation(v, "", "list: LIST has number # in line #",
		    number, v->listed);
	if (v->listed < MESSAGES)
		v->size[v->listed] = size;
	v->sum += size;
	return 0;
}

static int take_name(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct visit *v = ctx;
	char uid[ENTRY];
	uint64_t number;

	if (entry_parse(p, n, &number, uid, why) < 0)
		return -1;
	if (number != ++v->named)
		violation(v, uid, "list: UIDL has number # in line #",
		    number, v->named);
	drop_name(v, v->named, uid);
	return 0;
}

static int list(struct visit *v, const char *verb, body_sink *take,
    struct trouble *why)
{
	struct line l;

	if (cl_ok(v->c, &l, why, verb, (char *)NULL) < 0)
		return -1;
	return conn_body(v->c, take, v, list_limit(v->count), why);
}

static int look_around(struct visit *v, struct trouble *why)
{
	if (session_stat(v->c, &v->count, &v->octets, why) < 0 ||
	    list(v, "LIST", take_size, why) < 0)
		return -1;
	if (v->listed != v->count)
		violation(v, "", "stat: LIST has # messages, STAT says #",
		    v->listed, v->count);
	if (v->sum != v->octets)
		violation(v, "", "stat: LIST has # octets, STAT says #",
		    v->sum, v->octets);
	if (list(v, "UIDL", take_name, why) < 0)
		return -1;
	if (v->named != v->listed)
		violation(v, "", "list: UIDL has # messages, LIST #",
		    v->named, v->listed);
	drop_named(v);
	return 0;
}

/* ---- TOP and RETR ------------------------------------------------------- */

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

static char *digits(char buf[24], uint64_t n)
{
	struct str s;

	str_init(&s, buf, 24);
	str_u64(&s, n);
	return buf;
}

/* 1, 0 when it is refused, or -1. */
static int fetch(struct visit *v, unsigned number, const char *lines,
    struct fetch *f, struct trouble *why)
{
	uint64_t most = 2 * v->size[number] + SPARE;
	char buf[24];
	struct line l;
	int r = cl_command(v->c, &l, why, lines ? "TOP" : "RETR",
	    digits(buf, number), lines, (char *)NULL);

	body_begin(&f->whole);
	body_begin(&f->start);
	if (r == 0)
		drop_refused(v, number);
	if (r == 1 && conn_body(v->c, take_both, f, most, why) < 0)
		r = -1;
	body_end(&f->whole);
	return r;
}

/*
 * Of a message without a blank line some send one after the headers; that
 * is what RFC 1939 section 7 says, and no other beginning.
 */
static void compare(struct visit *v, unsigned number,
    const struct body *top, struct fetch *f, struct trouble *why)
{
	if (f->left == 2)
		take_both(f, "\r\n", 2, why);
	body_end(&f->start);
	if (f->left || strcmp(f->start.md5, top->md5) != 0)
		violation(v, drop_uid(v, number), "top: TOP's # octets are "
		    "not the first of RETR's #", top->octets,
		    f->whole.octets);
}

static int read_one(struct visit *v, unsigned number, struct trouble *why)
{
	static struct fetch top, all;
	uint32_t choice = random_next(&v->w->random);
	char lines[24];
	int r = 0;

	if (choice % 2)
		r = fetch(v, number, digits(lines, choice % 29), &top, why);
	all.left = r == 1 ? top.whole.octets : 0;
	if (r >= 0)
		r = fetch(v, number, NULL, &all, why);
	if (r < 1)
		return r;
	drop_fetched(v, number, &all.whole);
	if (all.left || all.start.octets)
		compare(v, number, &top.whole, &all, why);
	return 0;
}

/* About sixteen of them, a quarter at most. */
static int read_some(struct visit *v, struct trouble *why)
{
	uint32_t of = v->count / 16 > 4 ? (uint32_t)(v->count / 16) : 4;

	for (unsigned i = 1; i <= v->count && i < MESSAGES; i++)
		if (v->message[i] && random_next(&v->w->random) % of == 0 &&
		    read_one(v, i, why) < 0)
			return -1;
	return 0;
}

/* ---- DELE, RSET --------------------------------------------------------- */

static int delete_some(struct visit *v, struct trouble *why)
{
	unsigned percent = v->w->l->delete_percent;

	for (unsigned i = 1; i <= v->count && i < MESSAGES; i++) {
		char buf[24];
		struct line l;
		int r;

		if (!v->message[i] ||
		    random_next(&v->w->random) % 100 >= percent)
			continue;
		r = cl_command(v->c, &l, why, "DELE", digits(buf, i),
		    (char *)NULL);
		if (r < 0)
			return -1;
		if (r == 0)
			drop_refused(v, i);
		v->marked[i] = r == 1;
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
	if (count != v->count || octets != v->octets)
		violation(v, "", "undone: # messages after RSET, # before "
		    "DELE", count, v->count);
	drop_spared(v);
	memset(v->marked, 0, sizeof v->marked);
	return 0;
}

/* ---- out ---------------------------------------------------------------- */

static int quit(struct visit *v, struct trouble *why)
{
	struct line l;
	int r;

	drop_leaving(v);
	r = cl_command(v->c, &l, why, "QUIT", (char *)NULL);
	drop_left(v, r == 1 ? GONE : UNSURE);
	if (r == 0)
		trouble_set(why, PT_WARNING, ST_CLOSE, "QUIT: ", l.p,
		    (char *)NULL);
	return r == 1 ? conn_want_eof(v->c, why) : -1;
}

static int leave(struct visit *v, struct trouble *why)
{
	uint32_t how = random_next(&v->w->random) % 8;

	if (how > 1) {
		if (how == 2 && take_back(v, why) < 0)
			return -1;
		return quit(v, why);
	}
	drop_spared(v);
	if (how)
		conn_reset(v->c);
	return 0;
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
	r = look_around(&v, why) < 0 || read_some(&v, why) < 0 ||
	    delete_some(&v, why) < 0 || leave(&v, why) < 0 ? -1 : 1;
	conn_close(&conn);
	__atomic_store_n(&v.d->left, milliseconds(&v), __ATOMIC_RELEASE);
	shared_add(&v.d->inside, -1U);
	return r;
}
