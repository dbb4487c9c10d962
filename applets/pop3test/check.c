/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/check.o
/*
 * check: one line on standard output and an exit status, as Nagios and its
 * kin want them from a plugin.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "netio.h"
#include "verbs.h"

enum { LINE = 1024, GRACE = 500 };	/* ms after -t, see guard() */

struct check {
	const struct options *o;
	int64_t began, took;		/* microseconds */
	bool counted;			/* there was a login, and STAT */
	uint64_t messages, octets;
	char greeting[STATUS_MAX];
};

static const char status_name[][9] = {
	"OK", "WARNING", "CRITICAL", "UNKNOWN"
};

static bool quiet, json;

/* Whatever holds us up, Nagios gets its line. */
static void out_of_time(int sig)
{
	static const char line[] = "POP3 CRITICAL - timeout\n", object[] =
	    "{\"status\":\"CRITICAL\",\"stage\":\"reply\","
	    "\"text\":\"timeout\"}\n";

	(void)sig;
	if (!quiet)
		(void)fd_write(STDOUT_FILENO, json ? object : line,
		    json ? sizeof object - 1 : sizeof line - 1);
	_exit(PT_CRITICAL);
}

/* -t is for the whole check; each wait has a limit of its own besides. */
static void guard(const struct options *o)
{
	const struct sigaction act = { .sa_handler = out_of_time };
	int64_t ms = (int64_t)o->timeout + GRACE;
	struct itimerval t = { .it_value = { .tv_sec = (time_t)(ms / 1000) } };

	t.it_value.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	quiet = o->quiet;
	json = o->json;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* What is left of -t for the next step, at least a moment to fail in. */
static void shorten(const struct check *k, struct conn *c)
{
	int64_t left = k->o->timeout - (nio_usec() - k->began) / 1000;

	c->timeout = left > 1 ? (int)left : 1;
}

static int visit(struct check *k, struct trouble *why)
{
	const struct options *o = k->o;
	struct conn *c = session_open(o, why);
	struct str s;
	int e;

	if (!c)
		return -1;
	str_init(&s, k->greeting, sizeof k->greeting);
	str_put(&s, c->line);
	shorten(k, c);
	e = cl_login(c, o->has_user ? o->user : NULL, o->pass, why);
	shorten(k, c);
	k->counted = o->has_user;
	if (e == 0 && k->counted)
		e = session_stat(c, &k->messages, &k->octets, why);
	shorten(k, c);
	if (e < 0)
		session_drop(c);
	else
		e = session_quit(c, why);
	return e;
}

/* ---- the line ---------------------------------------------------------- */

/* Seconds, with so many digits behind the dot. */
static void put_seconds(struct str *s, int64_t usec, int digits)
{
	uint64_t unit = 1000000, n = (uint64_t)usec;

	str_u64(s, n / unit);
	str_char(s, '.');
	while (digits-- > 0) {
		unit /= 10;
		str_char(s, (char)('0' + n / unit % 10));
	}
}

/* A limit the way it was given, or nothing. */
static void put_limit(struct str *s, int64_t usec)
{
	str_char(s, ';');
	if (usec < 0)
		return;
	put_seconds(s, usec, 6);
	while (s->p[s->len - 1] == '0')
		s->len--;
	s->len -= s->p[s->len - 1] == '.';
	s->p[s->len] = '\0';
}

static void put_perfdata(const struct check *k, struct str *s)
{
	str_put(s, "|time=");
	put_seconds(s, k->took, 6);
	str_char(s, 's');
	put_limit(s, k->o->warn);
	put_limit(s, k->o->crit);
	str_put(s, ";0");
	put_limit(s, (int64_t)k->o->timeout * 1000);
	if (!k->counted)
		return;
	str_put(s, " messages=");
	str_u64(s, k->messages);
	str_put(s, ";;;0 octets=");
	str_u64(s, k->octets);
	str_put(s, "B;;;0");
}

static void describe(const struct check *k, struct str *s)
{
	if (k->counted) {
		str_u64(s, k->messages);
		str_put(s, k->messages == 1 ? " message (" : " messages (");
		str_u64(s, k->octets);
		str_put(s, " octets)");
	} else {
		str_put(s, "greeting");
	}
	str_put(s, " in ");
	put_seconds(s, k->took, 3);
	str_put(s, " s");
	if (k->counted)
		return;
	str_put(s, " [");
	str_safe(s, k->greeting, strlen(k->greeting), STATUS_MAX);
	str_char(s, ']');
}

/* A bar begins the performance data, so there must be none before it. */
static void print_line(const struct check *k, const struct trouble *t,
    bool perfdata)
{
	char line[LINE];
	struct str s;

	str_init(&s, line, sizeof line);
	str_put(&s, "POP3 ");
	str_put(&s, status_name[t->status]);
	str_put(&s, " - ");
	str_put(&s, t->text);
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '|')
			s.p[i] = '!';
	if (perfdata)
		put_perfdata(k, &s);
	(void)fd_puts(STDOUT_FILENO, s.p, "\n", (char *)NULL);
}

static void print_json(const struct check *k, const struct trouble *t,
    bool numbers)
{
	static struct out out;
	char time[32];
	struct str s;

	out_begin(&out, STDOUT_FILENO);
	str_init(&s, time, sizeof time);
	put_seconds(&s, k->took, 6);
	out_put(&out, "{\"status\":\"");
	out_put(&out, status_name[t->status]);
	out_put(&out, "\",\"stage\":\"");
	out_put(&out, stage_name(t->stage));
	out_put(&out, "\",\"text\":");
	out_json(&out, t->text, strlen(t->text));
	out_put(&out, ",\"seconds\":");
	out_put(&out, s.p);
	if (numbers && k->counted) {
		out_put(&out, ",\"messages\":");
		out_u64(&out, k->messages);
		out_put(&out, ",\"octets\":");
		out_u64(&out, k->octets);
	}
	out_put(&out, "}\n");
	out_flush(&out);
}

/* It went well, but was it fast enough? */
static void judge(const struct check *k, struct trouble *t)
{
	struct str s;

	t->status = k->o->crit >= 0 && k->took > k->o->crit ? PT_CRITICAL :
	    k->o->warn >= 0 && k->took > k->o->warn ? PT_WARNING : PT_OK;
	t->stage = ST_CLOSE;
	str_init(&s, t->text, sizeof t->text);
	describe(k, &s);
}

int verb_check(const struct options *o)
{
	struct check k = { .o = o, .began = nio_usec() };
	struct trouble t;
	bool good;

	guard(o);
	good = visit(&k, &t) == 0;
	k.took = nio_usec() - k.began;
	if (good)
		judge(&k, &t);
	if (!o->quiet && o->json)
		print_json(&k, &t, good);
	else if (!o->quiet)
		print_line(&k, &t, good);
	return t.status;
}
