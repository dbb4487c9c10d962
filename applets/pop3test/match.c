/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/match.o
/* The S lines: what must be read, and what is taken from it. */
#include <string.h>

#include "netio.h"
#include "script.h"
#include "wire.h"

enum { BINDINGS = 16 };

/* Variables that get a value if the whole pattern matches. */
struct binding {
	const char *name, *value;
	size_t n, len;
};

static bool ends_word(const char *p)
{
	return *p == '\0' || *p == ' ';
}

/* The byte that ends a new variable's value, or a blank for none. */
static char stop_byte(const char *pattern)
{
	struct token t;

	text_token(pattern, &t);
	return t.kind == T_BYTE ? (char)t.byte : ' ';
}

static size_t value_length(const struct token *t, const char *pattern,
    const char *p)
{
	char stop = stop_byte(pattern);
	size_t n = 0;

	if (t->rest)
		return strlen(p);
	while (!ends_word(p + n) && p[n] != stop)
		n++;
	return n;
}

static const struct binding *bound(const struct binding *b, unsigned n,
    const struct token *t)
{
	for (; n-- > 0; b++)
		if (b->n == t->len && memcmp(b->name, t->name, b->n) == 0)
			return b;
	return NULL;
}

/* Is the variable set, or computed, that it must be equal to? */
static bool has_value(struct run *r, const struct conn *c,
    const struct token *t, char *buf)
{
	struct trouble none;

	return run_value(r, c, t, buf, &none) != NULL;
}

/*
 * One variable against the line at *p, which moves behind it; true if that
 * can be.
 */
static bool match_name(struct run *r, const struct conn *c,
    const struct token *t, const char *pattern, const char **p,
    struct binding *b, unsigned *n)
{
	bool any = t->len == 1 && t->name[0] == '_';
	const struct binding *before = bound(b, *n, t);
	char buf[VALUE_MAX];
	const char *want = NULL;
	size_t len;

	if (before)
		len = before->len, want = before->value;
	else if (!any && has_value(r, c, t, buf))
		len = strlen(buf), want = buf;
	else
		len = value_length(t, pattern, *p);
	if (!want && t->property)
		return false;
	if (want && (strlen(*p) < len || memcmp(want, *p, len) != 0 ||
	    (t->rest && (*p)[len])))
		return false;
	if (!want && !any) {
		if (*n == BINDINGS || (len == 0 && !t->rest))
			return false;
		b[(*n)++] = (struct binding){ t->name, *p, t->len, len };
	}
	*p += len;
	return want || t->rest || len > 0;
}

static bool first_words_equal(const char *pattern, const struct line *l)
{
	size_t n = str_span(pattern, ' ');

	return l->status && str_span(l->p, ' ') == n &&
	    memcmp(pattern, l->p, n) == 0;
}

/* Matches a pattern and, if all of it does, binds its variables: 1, 0, -1. */
static int match_pattern(struct run *r, const struct conn *c,
    const char *pattern, const struct line *l, struct trouble *why)
{
	struct binding b[BINDINGS];
	const char *p = l->p, *text = pattern;
	struct token t;
	unsigned n = 0;
	bool good = true;

	do {
		text = text_token(text, &t);
		if (t.kind == T_NAME)
			good = match_name(r, c, &t, text, &p, b, &n);
		else if (t.kind == T_BYTE)
			good = (unsigned char)*p == t.byte &&
			    p++ < l->p + l->len;
		else
			good = !l->cut && (*p == ' ' ||
			    p == l->p + l->len);
	} while (good && t.kind != T_END);
	if (!good)
		return r->o->loose && first_words_equal(pattern, l);
	for (unsigned i = 0; i < n; i++)
		if (run_bind(r, b[i].name, b[i].n, b[i].value, b[i].len,
		    why) < 0)
			return -1;
	return 1;
}

/* ---- steps ------------------------------------------------------------- */

static int mismatch(struct run *r, const struct sline *l,
    struct slot *slot, const struct line *got, struct trouble *why)
{
	char said[TROUBLE_TEXT / 2];
	struct str s;

	str_init(&s, r->got, sizeof r->got);
	secret_safe(&s, got->p, got->len, sizeof r->got / 2);
	/* A server we have started may say in its log why it refuses. */
	str_init(&s, said, sizeof said);
	if (slot->c.wire.child && slot->c.sent == 1) {
		(void)wire_ended(&slot->c.wire.child, 100);
		wire_said(&slot->c.wire, &s);
	}
	return trouble_set(why, PT_WARNING, ST_REPLY, "want ",
	    script_at(r->s, l->text), ", got ", got->p,
	    s.len ? "; it says: " : NULL, said, (char *)NULL);
}

/* S! of this connection, if it forbids the line. */
static int check_reject(struct run *r, const struct slot *slot,
    const char *p, size_t n, struct trouble *why)
{
	struct str s;

	if (!slot->rejects || !ere_match(&slot->reject, p, n, false, NULL, 0))
		return 0;
	str_init(&s, r->got, sizeof r->got);
	secret_safe(&s, p, n, sizeof r->got / 2);
	return trouble_set(why, PT_WARNING, ST_REPLY, "forbidden by S!: ",
	    r->got, (char *)NULL);
}

static int read_line(struct run *r, struct slot *slot, struct line *got,
    struct trouble *why)
{
	enum op op = (enum op)r->s->line[r->at].op;

	/* A message may have lines that look like an answer. */
	slot->c.any_line = op != OP_MATCH && op != OP_ERE;
	if (conn_line(&slot->c, got, why) < 0)
		return -1;
	return check_reject(r, slot, got->p, got->len, why);
}

static int step_match(struct run *r, const struct sline *l,
    struct slot *slot, struct trouble *why)
{
	struct line got;
	int e = read_line(r, slot, &got, why);

	if (e == 0)
		e = match_pattern(r, &slot->c, script_at(r->s, l->arg), &got,
		    why);
	else
		return e;
	return e == 0 ? mismatch(r, l, slot, &got, why) : e > 0 ? 0 : -1;
}

static int step_exact(struct run *r, const struct sline *l,
    struct slot *slot, struct trouble *why)
{
	char text[TEXT_MAX];
	struct line got;
	struct str s;

	str_init(&s, text, sizeof text);
	if (run_expand(r, &slot->c, script_at(r->s, l->arg), &s, why) < 0 ||
	    read_line(r, slot, &got, why) < 0)
		return -1;
	if (!got.cut && got.len == s.len && memcmp(got.p, s.p, s.len) == 0)
		return 0;
	return r->o->loose && first_words_equal(s.p, &got) ? 0 :
	    mismatch(r, l, slot, &got, why);
}

/* The expression of the line, compiled; *names: what follows its arrow. */
static void compile(struct run *r, const struct sline *l, struct ere *e,
    const char **names)
{
	const char *arg = script_at(r->s, l->arg), *error;
	const char *arrow = text_arrow(arg);
	char text[TEXT_MAX];
	struct str s;
	size_t at;

	str_init(&s, text, sizeof text);
	str_mem(&s, arg, arrow ? (size_t)(arrow - arg) : strlen(arg));
	(void)ere_compile(e, text, &error, &at);	/* checked before */
	*names = arrow ? arrow + 4 : "";
}

static int step_ere(struct run *r, const struct sline *l, struct slot *slot,
    struct trouble *why)
{
	static struct ere ere;
	struct ere_span group[ERE_GROUPS];
	const char *names, *word;
	struct line got;
	size_t n;

	compile(r, l, &ere, &names);
	if (read_line(r, slot, &got, why) < 0)
		return -1;
	if (!ere_match(&ere, got.p, got.len, true, group, ERE_GROUPS))
		return mismatch(r, l, slot, &got, why);
	for (unsigned i = 1; (n = text_word(&names, &word)) > 0 &&
	    i < ERE_GROUPS; i++)
		if (run_bind(r, word, n, group[i].p ? group[i].p : "",
		    group[i].len, why) < 0)
			return -1;
	return 0;
}

/* The line that ends a reply. */
static bool is_last(const struct line *l)
{
	return l->len == 1 && l->p[0] == '.';
}

enum { REPLY_MAX = 1 << 30 };	/* octets: more is a server gone mad */

/* Lines of one step, which have the time of conn_body together. */
struct lines {
	struct run *r;
	struct slot *slot;
	int64_t until;
	uint64_t octets;
};

static void lines_begin(struct lines *ls, struct run *r, struct slot *slot)
{
	*ls = (struct lines){ .r = r, .slot = slot, .until = nio_usec() +
	    (int64_t)slot->c.timeout * 1000 - slot->c.paused };
}

static int lines_peek(struct lines *ls, struct line *l,
    struct trouble *why)
{
	struct conn *c = &ls->slot->c;
	int64_t left = ls->until + c->paused +
	    (int64_t)ls->octets * 1000 - nio_usec();

	if (ls->octets > REPLY_MAX)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "a reply that does not end", (char *)NULL);
	if (left < c->timeout * INT64_C(1000))
		c->timeout = left > 1000 ? (int)(left / 1000) : 1;
	return conn_peek(c, l, why);
}

static int lines_take(struct lines *ls, struct line *l, struct trouble *why)
{
	if (read_line(ls->r, ls->slot, l, why) < 0)
		return -1;
	ls->octets += l->octets;
	return 0;
}

static int step_many(struct run *r, const struct sline *l,
    struct slot *slot, struct trouble *why)
{
	const char *pattern = script_at(r->s, l->arg);
	struct lines ls;
	struct line got;
	int e;

	lines_begin(&ls, r, slot);
	do {
		if (lines_peek(&ls, &got, why) < 0)
			return -1;
		e = is_last(&got) ? 0 :
		    match_pattern(r, &slot->c, pattern, &got, why);
		if (e > 0 && lines_take(&ls, &got, why) < 0)
			return -1;
	} while (e > 0);
	return e;
}

struct watched {		/* a body that passes, and what watches it */
	struct run *r;
	struct slot *slot;
	struct body *body;
	bool begun;		/* the next bytes go on with a line */
};

static int watch(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct watched *w = ctx;
	size_t end = n - (n >= 2 && p[n - 2] == '\r' ? 2 : 0);

	if (!w->begun && check_reject(w->r, w->slot, p, end, why) < 0)
		return -1;
	w->begun = p[n - 1] != '\n';
	return body_add(w->body, p, n, why);
}

static struct body *new_body(struct run *r, const char *name, size_t n)
{
	unsigned i = 0, kept = r->bodies < BODIES ? r->bodies : BODIES;

	while (i < kept && (strlen(r->body[i].name) != n ||
	    memcmp(r->body[i].name, name, n) != 0))
		i++;
	if (i == kept)		/* a new one, or in the oldest one's place */
		i = r->bodies++ % BODIES;
	memcpy(r->body[i].name, name, n);
	r->body[i].name[n] = '\0';
	return &r->body[i].body;
}

static int step_body(struct run *r, const struct sline *l,
    struct slot *slot, struct trouble *why)
{
	const char *p = script_at(r->s, l->arg) + 3, *name;
	static struct body unnamed;
	struct watched w = { .r = r, .slot = slot, .body = &unnamed };
	size_t n;

	text_word(&p, &name);		/* the arrow */
	n = text_word(&p, &name);
	if (n > 0)
		w.body = new_body(r, name, n);
	body_begin(w.body);
	if (conn_body(&slot->c, watch, &w, REPLY_MAX, why) < 0)
		return -1;
	body_end(w.body);
	return 0;
}

/* RFC 1939's "<the POP3 server sends message 1>". */
static int step_prose(struct run *r, const struct sline *l,
    struct trouble *why)
{
	struct slot *slot = run_slot(r, l->tag);
	struct lines ls;
	struct line got;

	if (!slot || !slot->c.open || !slot->c.in_reply)
		return 0;
	(void)run_conn(r, l->tag, why);		/* for its timeout */
	lines_begin(&ls, r, slot);
	for (;;) {
		if (lines_peek(&ls, &got, why) < 0)
			return -1;
		if (is_last(&got))
			return 0;
		if (lines_take(&ls, &got, why) < 0)
			return -1;
	}
}

static int step_reject(struct run *r, const struct sline *l,
    struct slot *slot)
{
	const char *names;

	slot->rejects = *script_at(r->s, l->arg) != '\0';
	if (slot->rejects)
		compile(r, l, &slot->reject, &names);
	return 0;
}

int step_read(struct run *r, const struct sline *l, struct trouble *why)
{
	struct slot *slot;

	if (l->op == OP_PROSE)
		return step_prose(r, l, why);
	if (!run_conn(r, l->tag, why))
		return -1;
	slot = run_slot(r, l->tag);
	switch (l->op) {
	case OP_MATCH: return step_match(r, l, slot, why);
	case OP_EXACT: return step_exact(r, l, slot, why);
	case OP_ERE: return step_ere(r, l, slot, why);
	case OP_MANY: return step_many(r, l, slot, why);
	case OP_BODY: return step_body(r, l, slot, why);
	default: return step_reject(r, l, slot);
	}
}
