/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/steps.o
/* The C lines, and the directives. */
#include <poll.h>
#include <string.h>

#include "script.h"

enum { CUTS = TEXT_MAX / 2 };

/* ---- sending ----------------------------------------------------------- */

struct sending {		/* a text, and where it is cut */
	char text[TEXT_MAX];
	struct str s;
	size_t cut[CUTS];
	unsigned cuts;
};

/* As run_expand, for what may have cuts. */
static int expand_cuts(struct run *r, const struct conn *c, const char *p,
    struct sending *out, struct trouble *why)
{
	char piece[TEXT_MAX];
	struct token t;
	struct str s;

	str_init(&out->s, out->text, sizeof out->text);
	out->cuts = 0;
	do {
		const char *from = p;

		do {
			const char *here = p;

			p = text_token(here, &t);
			if (t.kind == T_CUT || t.kind == T_END) {
				str_init(&s, piece, sizeof piece);
				str_mem(&s, from, (size_t)(here - from));
			}
		} while (t.kind != T_CUT && t.kind != T_END);
		if (run_expand(r, c, piece, &out->s, why) < 0)
			return -1;
		if (t.kind == T_CUT && out->cuts < CUTS)
			out->cut[out->cuts++] = out->s.len;
	} while (t.kind != T_END);
	return 0;
}

static int send_pieces(struct conn *c, const struct sending *out,
    struct trouble *why)
{
	size_t from = 0;

	for (unsigned i = 0; i < out->cuts; i++) {
		if (conn_raw(c, out->text + from, out->cut[i] - from, true,
		    why) < 0)
			return -1;
		from = out->cut[i];
	}
	return conn_raw(c, out->text + from, out->s.len - from, false, why);
}

/* Has the text variables that a transcript may not show? */
static bool has_secret(const char *p)
{
	static const char secrets[] = "pass pass64 plain digest cram ";
	struct token t;

	do {
		p = text_token(p, &t);
		for (const char *s = secrets; t.kind == T_NAME && *s;
		    s += str_span(s, ' ') + 1)
			if (str_span(s, ' ') == t.len &&
			    memcmp(s, t.name, t.len) == 0)
				return true;
	} while (t.kind != T_END);
	return false;
}

int step_send(struct run *r, const struct sline *l, struct trouble *why)
{
	static struct sending out;
	const char *arg = script_at(r->s, l->arg);
	struct conn *c = run_conn(r, l->tag, why);
	bool crlf = l->op == OP_SEND;

	if (!c || expand_cuts(r, c, arg, &out, why) < 0)
		return -1;
	run_slot(r, l->tag)->rejects = false;
	conn_asked(c, crlf ? ':' : '>', out.s.p, out.s.len,
	    has_secret(arg) ? arg : NULL);
	return send_pieces(c, &out, why) < 0 ? -1 :
	    conn_raw(c, "\r\n", crlf ? 2 : 0, false, why);
}

/* ---- arguments --------------------------------------------------------- */

/* The next word, with its variables replaced. */
static int next_word(struct run *r, const char **p, char word[TEXT_MAX],
    struct trouble *why)
{
	char raw[TEXT_MAX];
	const char *from;
	size_t n = text_word(p, &from);
	struct str s;

	str_init(&s, raw, sizeof raw);
	str_mem(&s, from, n);
	str_init(&s, word, TEXT_MAX);
	return run_expand(r, NULL, raw, &s, why);
}

static int number_arg(struct run *r, const char **p, uint64_t *n,
    struct trouble *why)
{
	char word[TEXT_MAX];

	if (next_word(r, p, word, why) < 0)
		return -1;
	return parse_u64(word, n) == 0 ? 0 : trouble_set(why, PT_UNKNOWN,
	    ST_OWN, "not a number: ", word, (char *)NULL);
}

static int duration_arg(struct run *r, const char **p, uint32_t *ms,
    struct trouble *why)
{
	char word[TEXT_MAX];

	if (next_word(r, p, word, why) < 0)
		return -1;
	return text_duration(word, strlen(word), ms) == 0 ? 0 :
	    trouble_set(why, PT_UNKNOWN, ST_OWN, "not a duration: ", word,
	    (char *)NULL);
}

/* The slot that a directive's last word names; it need not be open. */
static struct slot *slot_arg(struct run *r, const char *p,
    struct trouble *why)
{
	char tag[TAG_SIZE];
	const char *word;
	size_t n = text_word(&p, &word);
	struct str s;

	str_init(&s, tag, sizeof tag);
	str_mem(&s, word, n);
	return run_take_slot(r, tag, why);
}

/* The same, where it must be open. */
static struct conn *conn_arg(struct run *r, const char *p,
    struct trouble *why)
{
	struct slot *s = slot_arg(r, p, why);

	if (s && !s->c.open) {
		trouble_set(why, PT_UNKNOWN, ST_OWN, "no open connection",
		    s->c.tag[0] ? " " : NULL, s->c.tag, (char *)NULL);
		return NULL;
	}
	if (s && r->within && (int)r->within < s->c.timeout)
		s->c.timeout = (int)r->within;
	return s ? &s->c : NULL;
}

int run_bounds(struct run *r, const struct sline *l, uint64_t *from,
    uint64_t *to, struct trouble *why)
{
	const char *p = script_at(r->s, l->arg), *word;
	char text[TEXT_MAX];
	struct str s;

	*from = 1;
	if (l->op == OP_REPEAT)
		return number_arg(r, &p, to, why);
	text_word(&p, &word);		/* the name, and "in" */
	text_word(&p, &word);
	str_init(&s, text, sizeof text);
	if (run_expand(r, NULL, p, &s, why) < 0)
		return -1;
	p = scan_u64(text_blanks(text), from);
	if (p && (p = str_after(p, "..")) != NULL && parse_u64(p, to) == 0)
		return 0;
	return trouble_set(why, PT_UNKNOWN, ST_OWN,
	    "want numbers: for NAME in A..B", (char *)NULL);
}

/* ---- directives -------------------------------------------------------- */

static int do_open(struct run *r, const char *arg, struct trouble *why)
{
	const struct target *t = &r->o->target;
	const char *all = arg;
	char text[TEXT_MAX];
	struct slot *slot;

	if (next_word(r, &arg, text, why) < 0)
		return -1;
	slot = slot_arg(r, arg, why);
	if (!slot)
		return -1;
	conn_close(&slot->c);
	if (*text) {
		slot->opened = (struct target){ .family = t->family };
		t = &slot->opened;
		if (target_parse(&slot->opened, text, why) < 0)
			return -1;
	}
	if (run_open(r, &slot->c, t, why) < 0)
		return -1;
	trace_note(&slot->c, "open", all);
	return 0;
}

static int do_exec(struct run *r, const char *arg, struct trouble *why)
{
	struct slot *slot = slot_arg(r, "", why);

	if (!slot)
		return -1;
	conn_close(&slot->c);
	if (run_exec(r, &slot->c, arg, why) < 0)
		return -1;
	trace_note(&slot->c, "exec", arg);
	return 0;
}

static int do_tls(struct run *r, const char *arg, struct trouble *why)
{
	const char *word, *p = arg;
	size_t n = text_word(&p, &word);
	bool verify = n == 6 && memcmp(word, "verify", 6) == 0;
	struct conn *c = conn_arg(r, verify ? p : arg, why);

	if (!verify)
		verify = text_word(&p, &word) == 6;
	return c ? conn_tls(c, verify || r->o->verify, why) : -1;
}

static int do_split(struct run *r, const struct sline *l,
    struct trouble *why)
{
	const char *p = script_at(r->s, l->arg);
	struct slot *slot;
	uint32_t pause = 0;
	uint64_t n;

	if (number_arg(r, &p, &n, why) < 0 ||
	    (n > 0 && duration_arg(r, &p, &pause, why) < 0))
		return -1;
	if (n == 0)
		p = text_skip_duration(p);
	slot = slot_arg(r, p, why);
	if (!slot)
		return -1;
	if (l->op == OP_SPLIT) {
		slot->c.split = (size_t)n;
		slot->c.split_pause = (int)pause;
	} else {
		slot->c.drain = (size_t)n;
		slot->c.drain_pause = (int)pause;
	}
	return 0;
}

static int do_quiet(struct run *r, const char *arg, struct trouble *why)
{
	struct conn *c;
	uint32_t ms;

	if (duration_arg(r, &arg, &ms, why) < 0)
		return -1;
	c = conn_arg(r, arg, why);
	return c ? conn_want_quiet(c, (int)ms, why) : -1;
}

static int do_set(struct run *r, const char *arg, struct trouble *why)
{
	char buf[TEXT_MAX];
	const char *name;
	size_t n = text_word(&arg, &name);
	struct str s;

	str_init(&s, buf, sizeof buf);
	while (*arg == ' ')
		arg++;
	if (run_expand(r, NULL, arg, &s, why) < 0)
		return -1;
	return run_bind(r, name, n, s.p, s.len, why);
}

static int do_unset(struct run *r, const char *arg)
{
	const char *name;
	size_t n;

	while ((n = text_word(&arg, &name)) > 0)
		vars_unset(&r->vars, name, n);
	return 0;
}

static int do_barrier(struct run *r, const char *arg, struct trouble *why)
{
	char name[NAME_LEN + 1];
	const char *word;
	size_t n = text_word(&arg, &word);
	struct str s;
	uint64_t count;

	str_init(&s, name, sizeof name);
	str_mem(&s, word, n);
	if (number_arg(r, &arg, &count, why) < 0)
		return -1;
	if (!r->barrier)
		return trouble_set(why, PT_UNKNOWN, ST_OWN, "a barrier is "
		    "for load: there are no other workers", (char *)NULL);
	return r->barrier(r, name, (unsigned)count, why);
}

static int do_wait(struct run *r, const char *arg, struct trouble *why)
{
	uint32_t ms;

	if (duration_arg(r, &arg, &ms, why) < 0)
		return -1;
	poll(NULL, 0, (int)ms);
	return 0;
}

/* What only changes how the following steps are done. */
static int do_setting(struct run *r, const struct sline *l, const char *arg,
    struct trouble *why)
{
	uint32_t ms = 0;
	uint64_t n;

	if (l->op == OP_RCVBUF) {
		if (number_arg(r, &arg, &n, why) < 0)
			return -1;
		r->rcvbuf = n < INT32_MAX ? (int)n : INT32_MAX;
		return 0;
	}
	if (duration_arg(r, &arg, &ms, why) < 0)
		return -1;
	if (l->op == OP_WITHIN)
		r->within = ms ? ms : 1;
	else
		r->timeout = ms ? (int)ms : 1;
	return 0;
}

static int do_text(struct run *r, const struct sline *l, const char *arg,
    struct trouble *why)
{
	char text[TEXT_MAX];
	struct str s;

	str_init(&s, text, sizeof text);
	if (l->op == OP_SH)
		return run_sh(r, arg, why);
	if (run_expand(r, NULL, arg, &s, why) < 0)
		return -1;
	if (l->op == OP_SKIP) {
		str_init(&s, r->reason, sizeof r->reason);
		str_put(&s, text);
		return STEP_SKIP;
	}
	if (r->report)
		report_log(r->report, text);
	return 0;
}

static int do_with_conn(struct run *r, const struct sline *l,
    const char *arg, struct trouble *why)
{
	struct conn *c = conn_arg(r, arg, why);

	if (!c)
		return -1;
	switch (l->op) {
	case OP_CLOSE:
	case OP_HANGUP:
		conn_close(c);
		return 0;
	case OP_RESET:
		conn_reset(c);
		return 0;
	case OP_HALF:
		return conn_half(c, why);
	default:
		return conn_want_eof(c, why);
	}
}

static int do_login(struct run *r, const char *arg, struct trouble *why)
{
	struct slot *slot = slot_arg(r, arg, why);
	struct conn *c = slot ? run_conn(r, slot->c.tag, why) : NULL;

	return c ? run_login(r, c, why) : -1;
}

int step_do(struct run *r, const struct sline *l, struct trouble *why)
{
	const char *arg = script_at(r->s, l->arg);

	switch (l->op) {
	case OP_CONNECT:
		return run_conn(r, l->tag, why) ? 0 : -1;
	case OP_HANGUP:
		return run_slot(r, l->tag) ?
		    do_with_conn(r, l, l->tag, why) : 0;
	case OP_NEED: return run_need(r, arg, why);
	case OP_OPEN: return do_open(r, arg, why);
	case OP_EXEC: return do_exec(r, arg, why);
	case OP_CLOSE:
	case OP_RESET:
	case OP_HALF:
	case OP_EOF: return do_with_conn(r, l, arg, why);
	case OP_TLS: return do_tls(r, arg, why);
	case OP_LOGIN: return do_login(r, arg, why);
	case OP_TIMEOUT:
	case OP_WITHIN:
	case OP_RCVBUF: return do_setting(r, l, arg, why);
	case OP_WAIT: return do_wait(r, arg, why);
	case OP_QUIET: return do_quiet(r, arg, why);
	case OP_SPLIT:
	case OP_DRAIN: return do_split(r, l, why);
	case OP_SET: return do_set(r, arg, why);
	case OP_LET: return run_let(r, arg, why);
	case OP_UNSET: return do_unset(r, arg);
	case OP_CHECK: return run_check(r, arg, why);
	case OP_MAIL: return run_mail(r, l, why);
	case OP_MAILDIR: return run_maildir(r, why);
	case OP_SKIP:
	case OP_LOG:
	case OP_SH: return do_text(r, l, arg, why);
	case OP_BARRIER: return do_barrier(r, arg, why);
	default: return 0;	/* OP_DATA, OP_NONE: read where they belong */
	}
}
