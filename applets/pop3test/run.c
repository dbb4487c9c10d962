/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/run.o
/*
 * Runs a script, line by line.  A step that fails ends its test, and the
 * next test begins with no connections.
 */
#include <string.h>
#include <unistd.h>

#include "netio.h"
#include "script.h"

static void set_port(struct run *r, uint64_t port)
{
	char digits[24];
	struct str s;

	str_init(&s, digits, sizeof digits);
	str_u64(&s, port);
	run_set(r, "port", digits);
}

void run_init(struct run *r, const struct options *o, const struct script *s)
{
	memset(r, 0, sizeof *r);
	r->o = o;
	r->s = s;
	trace_init(&r->trace, o);
	if (o->has_user)
		run_set(r, "user", o->user);
	if (o->has_pass)
		run_set(r, "pass", o->pass);
	if (o->target.host[0])
		run_set(r, "host", o->target.host);
	if (o->target.kind == TG_TCP)
		set_port(r, target_port(&o->target));
	run_set(r, "i", "1");
	for (char **d = o->defs; d && *d; d++) {
		size_t n = str_span(*d, '=');

		(void)vars_set(&r->given, *d, n, *d + n + 1,
		    strlen(*d + n + 1));
	}
}

void run_set(struct run *r, const char *name, const char *value)
{
	(void)vars_set(&r->given, name, strlen(name), value, strlen(value));
}

/* ---- connections ------------------------------------------------------- */

struct slot *run_slot(struct run *r, const char *tag)
{
	for (int i = 0; i < CONNS; i++)
		if (r->slot[i].used && !strcmp(r->slot[i].c.tag, tag))
			return &r->slot[i];
	return NULL;
}

static struct slot *new_slot(struct run *r, const char *tag)
{
	struct slot *s = r->slot, *end = s + CONNS;

	while (s < end && s->used)
		s++;
	/* None is new: one that was closed; its settings go. */
	if (s == end)
		for (s = r->slot; s < end && s->c.open; )
			s++;
	if (s == end)
		return NULL;
	conn_init(&s->c, r->o, tag);
	s->used = true;
	s->rejects = false;
	return s;
}

struct slot *run_take_slot(struct run *r, const char *tag,
    struct trouble *why)
{
	struct slot *s = run_slot(r, tag);

	if (!s)
		s = new_slot(r, tag);
	if (!s) {
		trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "more than 8 connections at a time", (char *)NULL);
		return NULL;
	}
	s->c.trace = r->report || r->o->verbose ? &r->trace : NULL;
	s->c.timing = r->timing;
	s->c.timeout = r->timeout;
	s->c.rcvbuf = r->rcvbuf;
	return s;
}

struct conn *run_conn(struct run *r, const char *tag, struct trouble *why)
{
	struct slot *s = run_take_slot(r, tag, why);

	if (!s)
		return NULL;
	if (r->within && (int)r->within < s->c.timeout)
		s->c.timeout = (int)r->within;
	if (!s->c.open && run_open(r, &s->c, &r->o->target, why) < 0)
		return NULL;
	return &s->c;
}

static int send_all(struct run *r, const char *but, struct trouble *why)
{
	int e = 0;

	for (struct slot *s = r->slot; s < r->slot + CONNS && e == 0; s++)
		if (s->used && s->c.open && strcmp(s->c.tag, but) != 0)
			e = conn_send(&s->c, why);
	return e;
}

/* ---- steps ------------------------------------------------------------- */

/* A turn of the innermost loop: the step behind its head comes next. */
static int loop_turn(struct run *r, struct trouble *why)
{
	const struct loop *l = &r->loop[r->loops - 1];
	const struct sline *head = &r->s->line[l->line];
	const char *arg = script_at(r->s, head->arg), *name;
	size_t n = text_word(&arg, &name);
	char digits[24];
	struct str s;

	r->at = l->line;
	if (head->op == OP_REPEAT)
		return STEP_OK;
	str_init(&s, digits, sizeof digits);
	str_u64(&s, l->now);
	return run_bind(r, name, n, s.p, s.len, why);
}

static int loop_end(struct run *r, struct trouble *why)
{
	struct loop *l = &r->loop[r->loops - 1];

	if (l->now < l->last) {
		l->now++;
		return loop_turn(r, why);
	}
	r->loops--;
	return STEP_OK;
}

static int loop_begin(struct run *r, const struct sline *l,
    struct trouble *why)
{
	struct loop *loop = &r->loop[r->loops];

	if (run_bounds(r, l, &loop->now, &loop->last, why) < 0)
		return STEP_FAILED;
	if (loop->now > loop->last) {
		r->at = l->jump;
		return STEP_OK;
	}
	loop->line = r->at;
	r->loops++;
	return loop_turn(r, why);
}

static bool is_read(const struct sline *l)
{
	return l->op >= OP_MATCH && l->op <= OP_PROSE;
}

/*
 * Commands of one connection that stand together leave together; whatever
 * else comes sends them before it is done.
 */
static int step(struct run *r, const struct sline *l, struct trouble *why)
{
	bool sends = l->op == OP_SEND || l->op == OP_RAW;

	if (l->op == OP_FOR || l->op == OP_REPEAT)
		return loop_begin(r, l, why);
	if (l->op == OP_END)
		return loop_end(r, why);
	if (send_all(r, sends ? l->tag : "?", why) < 0)
		return STEP_FAILED;
	if (sends)
		return step_send(r, l, why);
	if (is_read(l))
		return step_read(r, l, why);
	return step_do(r, l, why);
}

/* "within" holds for the step that follows it. */
static int timed_step(struct run *r, const struct sline *l,
    struct trouble *why)
{
	uint32_t within = r->within;
	int64_t began = nio_usec();
	int e = step(r, l, why);

	if (!within || l->op == OP_WITHIN)
		return e;
	r->within = 0;
	if (e == 0 && nio_usec() - began > (int64_t)within * 1000)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "it came, but too late", (char *)NULL);
	return e;
}

/* ---- tests ------------------------------------------------------------- */

/* What the test has not read is a failure of it. */
static int check_rests(struct run *r, struct trouble *why)
{
	int e = send_all(r, "?", why);

	for (struct slot *s = r->slot; s < r->slot + CONNS && e == 0; s++)
		if (s->used && s->c.open)
			e = conn_want_no_rest(&s->c, r->report ? 5 : 0, why);
	return e;
}

static void end_connections(struct run *r)
{
	for (struct slot *s = r->slot; s < r->slot + CONNS; s++) {
		if (s->used)
			conn_close(&s->c);
		s->used = false;
	}
}

static void failed(struct run *r, const struct trouble *why)
{
	/* the worst that is not our own trouble, else that */
	if (r->status == PT_OK || r->status == PT_UNKNOWN ||
	    (why->status != PT_UNKNOWN && why->status > r->status))
		r->status = why->status;
	if (r->why.status == PT_OK)
		r->why = *why;
}

static uint32_t test_end(const struct script *s, uint32_t i)
{
	while (i < s->n && s->line[i].op != OP_TEST)
		i++;
	return i;
}

static int run_steps(struct run *r, uint32_t end, struct trouble *why)
{
	char got[TRACE_WIDTH];
	uint32_t bad = end;
	int e;

	for (; r->at < end; r->at++) {
		r->got[0] = '\0';
		e = timed_step(r, &r->s->line[r->at], why);
		if (e == STEP_SKIP)
			return e;
		if (e == STEP_OK)
			continue;
		failed(r, why);
		if (!r->o->keep_going || why->status >= PT_CRITICAL)
			return e;
		bad = r->at;
		memcpy(got, r->got, sizeof got);
		if (r->report)
			report_log(r->report, why->text);
	}
	if (bad < end) {
		r->at = bad;		/* the last one is shown */
		memcpy(r->got, got, sizeof got);
		return STEP_FAILED;
	}
	e = check_rests(r, why);
	if (e < 0) {
		failed(r, why);
		r->at = end - (end > 0);	/* the line to show */
	}
	return e;
}

static void begin_test(struct run *r)
{
	r->loops = r->within = 0;
	r->timeout = r->o->timeout;
	r->rcvbuf = 0;
	r->trace.n = 0;
	r->got[0] = r->reason[0] = '\0';
}

/* Steps of POP3 before the first "test" are one without a title. */
bool run_untitled(const struct script *s)
{
	for (uint32_t i = test_end(s, 0); i-- > 0; )
		if (s->line[i].op <= OP_HANGUP || s->line[i].op == OP_LOGIN)
			return true;
	return false;
}

/*
 * The lines from r->at up to `end`; `title` is null for those before any.
 * Those are no test when they succeed and have no steps of POP3.
 */
static int run_test(struct run *r, const struct sline *title, uint32_t end)
{
	struct trouble why = { 0 };
	bool counts = title || run_untitled(r->s);
	int e;

	begin_test(r);
	e = run_steps(r, end, &why);
	end_connections(r);
	if (e != STEP_OK || counts) {
		r->skipped += e == STEP_SKIP;
		r->failed += e < 0;
		r->passed += e == STEP_OK;
		if (r->report)
			report_test(r->report, r, title, &why, e);
	}
	r->at = end;
	return e;
}

static int copy_variable(void *ctx, const char *name, const char *value)
{
	struct run *r = ctx;

	return vars_set(&r->vars, name, strlen(name), value, strlen(value));
}

int run_once(struct run *r)
{
	const struct sline *line = r->s->line;
	bool good = true;
	int e;

	r->vars.area.len = 0;
	r->bodies = 0;
	r->at = 0;
	r->why = (struct trouble){ 0 };
	if (vars_each(&r->given, copy_variable, r) < 0)
		return trouble_set(&r->why, PT_UNKNOWN, ST_OWN,
		    "out of memory", (char *)NULL);
	e = run_test(r, NULL, test_end(r->s, 0));
	if (e != STEP_OK && !run_untitled(r->s))
		return e < 0 ? -1 : 0;
	good = e >= 0;
	while (r->at < r->s->n && (good || !r->o->stop_first)) {
		const struct sline *title = &line[r->at++];

		if (run_test(r, title, test_end(r->s, r->at)) < 0)
			good = false;
	}
	return good ? 0 : -1;
}

void run_end(struct run *r)
{
	end_connections(r);
	run_remove_dir(r);
	vars_free(&r->vars);
	vars_free(&r->given);
}
