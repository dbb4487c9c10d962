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

static int64_t began, took;		/* microseconds */
static bool counted;			/* there was a login, and STAT */
static bool failed;
static uint64_t messages, octets;
static char greeting[STATUS_MAX];

/* What is left of -t for the next step, at least a moment to fail in. */
static void shorten(void)
{
	int64_t left = session.o->timeout - (nio_usec() - began) / 1000;

	session.c.timeout = left > 1 ? (int)left : 1;
}

static int visit(const struct options *o)
{
	struct trouble *why = &session.why;
	struct conn *c = &session.c;
	struct str s;

	if (session_open(o) < 0)
		return -1;
	str_init(&s, greeting, sizeof greeting);
	str_put(&s, c->line);
	shorten();
	if (cl_login(c, o->has_user ? o->user : NULL, o->pass, why) < 0)
		return -1;
	shorten();
	if (o->has_user && session_stat(c, &messages, &octets, why) < 0)
		return -1;
	counted = o->has_user;
	shorten();
	return session_quit();
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

/*
 * A limit the way it was given, or nothing.  The format of all this is the
 * plugins': 'label'=value[UOM];[warn];[crit];[min];[max]
 */
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

static void put_perfdata(struct str *s)
{
	const struct options *o = session.o;

	str_put(s, "|time=");
	put_seconds(s, took, 6);
	str_char(s, 's');
	put_limit(s, o->warn);
	put_limit(s, o->crit);
	str_put(s, ";0");
	put_limit(s, (int64_t)o->timeout * 1000);
	if (!counted)
		return;
	str_put(s, " messages=");
	str_u64(s, messages);
	str_put(s, ";;;0 octets=");
	str_u64(s, octets);
	str_put(s, "B;;;0");
}

static void describe(struct str *s)
{
	if (counted) {
		str_u64(s, messages);
		str_put(s, messages == 1 ? " message (" : " messages (");
		str_u64(s, octets);
		str_put(s, " octets)");
	} else {
		str_put(s, "greeting");
	}
	str_put(s, " in ");
	put_seconds(s, took, 3);
	str_put(s, " s");
	if (counted)
		return;
	str_put(s, " [");
	str_safe(s, greeting, strlen(greeting), STATUS_MAX);
	str_char(s, ']');
}

static void put_json(struct str *s)
{
	str_put(s, ",\"seconds\":");
	put_seconds(s, took, 6);
	if (!counted)
		return;
	str_put(s, ",\"messages\":");
	str_u64(s, messages);
	str_put(s, ",\"octets\":");
	str_u64(s, octets);
}

static const char status_name[][9] = {
	"OK", "WARNING", "CRITICAL", "UNKNOWN"
};

/* A bar begins the performance data, so there must be none before it. */
static void without_bars(char *z)
{
	for (; *z; z++)
		if (*z == '|')
			*z = '!';
}

/* One line, or with -j one object; the exit status. */
static int report(bool good)
{
	struct out *out = &session.out;
	struct trouble *t = &session.why;
	bool json = session.o->json;
	char line[LINE];
	struct str s;

	str_init(&s, line, sizeof line);
	out_put(out, json ? "{\"status\":\"" : "POP3 ");
	out_put(out, status_name[t->status]);
	if (json) {
		out_put(out, "\",\"stage\":\"");
		out_put(out, stage_name(t->stage));
		out_put(out, "\",\"text\":");
		out_json(out, t->text, strlen(t->text));
		put_json(&s);
		str_put(&s, "}");
	} else {
		without_bars(t->text);
		out_put(out, " - ");
		out_put(out, t->text);
		if (good)
			put_perfdata(&s);
	}
	out_put(out, s.p);
	out_put(out, "\n");
	return out_end(out, t) < 0 ? say_trouble(t) : t->status;
}

/* It went well, but was it fast enough? */
static void judge(const struct options *o)
{
	struct trouble *t = &session.why;
	struct str s;

	t->status = o->crit >= 0 && took > o->crit ? PT_CRITICAL :
	    o->warn >= 0 && took > o->warn ? PT_WARNING : PT_OK;
	t->stage = ST_CLOSE;
	str_init(&s, t->text, sizeof t->text);
	describe(&s);
}

/*
 * -t is for the whole check, and each wait has a limit of its own besides.
 * Whatever holds us up in spite of them, Nagios gets its line.
 */
static void out_of_time(int sig)
{
	(void)sig;
	took = nio_usec() - began;
	if (!failed)
		trouble_set(&session.why, PT_CRITICAL, ST_REPLY, "timeout",
		    (char *)NULL);
	session.out.n = 0;
	_exit(report(false));
}

static void guard(int64_t ms)
{
	const struct sigaction act = { .sa_handler = out_of_time };
	struct itimerval t = { .it_value = { .tv_sec = (time_t)(ms / 1000) } };

	t.it_value.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

int verb_check(const struct options *o)
{
	began = nio_usec();
	guard((int64_t)o->timeout + GRACE);
	failed = visit(o) < 0;
	took = nio_usec() - began;
	if (failed)
		session_drop();
	else
		judge(o);
	guard(0);
	return report(!failed);
}
