/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/expand.o
/* Variables where they are used: values, texts, expressions. */
#include <string.h>

#include "base64.h"
#include "script.h"

/* ---- values ------------------------------------------------------------ */

static const struct body *find_body(const struct run *r,
    const struct token *t)
{
	for (unsigned i = 0; i < r->bodies && i < BODIES; i++)
		if (strlen(r->body[i].name) == t->len &&
		    memcmp(r->body[i].name, t->name, t->len) == 0)
			return &r->body[i].body;
	return NULL;
}

static const char *property(const struct body *b, const struct token *t,
    struct str *s)
{
	switch (t->property[1]) {
	case 'c': str_u64(s, b->octets); break;	/* octets */
	case 'i': str_u64(s, b->lines); break;	/* lines */
	case 'd': str_put(s, b->md5); break;	/* md5 */
	case 'a': str_put(s, b->want); break;	/* want */
	default: str_put(s, b->sum);
	}
	return s->p;
}

static const char *given(const struct run *r, const char *name)
{
	const char *v = vars_get(&r->vars, name, strlen(name));

	return v ? v : "";
}

/* Those that are computed from the connection and the password. */
static bool computed(const struct run *r, const struct conn *c,
    const char *name, size_t n, struct str *s)
{
	static const char names[][8] = {
		"stamp", "digest", "plain", "user64", "pass64", "cram"
	};
	const char *user = given(r, "user"), *pass = given(r, "pass");
	size_t i = 0;

	while (i < 6 && (strlen(names[i]) != n || memcmp(names[i], name, n)))
		i++;
	switch (i) {
	case 0: str_put(s, c ? c->stamp : ""); break;
	case 1: login_apop(s, c ? c->stamp : "", pass); break;
	case 2: login_plain(s, user, pass); break;
	case 3:
	case 4:
		user = i == 3 ? user : pass;
		base64_put(s, user, strlen(user));
		break;
	case 5: login_cram(s, c ? c->challenge : "", user, pass); break;
	default: return false;
	}
	return true;
}

static bool is(const struct token *t, const char *name)
{
	return t->len == strlen(name) && memcmp(t->name, name, t->len) == 0;
}

const char *run_value(struct run *r, const struct conn *c,
    const struct token *t, char *buf, struct trouble *why)
{
	const struct body *b = find_body(r, t);
	const struct slot *usual = c ? NULL : run_slot(r, "");
	char name[NAME_LEN + 1];
	const char *v;
	struct str s;

	str_init(&s, buf, VALUE_MAX);
	if (t->property && b)
		return property(b, t, &s);
	v = vars_get(&r->vars, t->name, t->len);
	if (!v && is(t, "dir") && (v = run_dir(r, why)) == NULL)
		return NULL;
	if (v && !t->property) {
		str_put(&s, v);
		return s.p;
	}
	if (computed(r, usual ? &usual->c : c, t->name, t->len, &s))
		return s.p;
	memcpy(name, t->name, t->len);
	name[t->len] = '\0';
	trouble_set(why, PT_UNKNOWN, ST_OWN, "$", name, b ?
	    " is a reply: use $" : t->property ? " is no reply" :
	    " is not set", b ? name : NULL, ".octets, .lines, .md5, .want "
	    "or .sum", (char *)NULL);
	return NULL;
}

int run_expand(struct run *r, const struct conn *c, const char *text,
    struct str *out, struct trouble *why)
{
	char buf[VALUE_MAX];
	struct token t;
	const char *v;

	for (;;) {
		text = text_token(text, &t);
		switch (t.kind) {
		case T_END:
			if (out->cut)
				return trouble_set(why, PT_UNKNOWN, ST_OWN,
				    "a text too long", (char *)NULL);
			return 0;
		case T_BYTE:
			str_char(out, (char)t.byte);
			break;
		case T_NAME:
			v = run_value(r, c, &t, buf, why);
			if (!v)
				return -1;
			str_put(out, v);
			str_put(out, t.rest ? "..." : "");
			break;
		default:
			return trouble_set(why, PT_UNKNOWN, ST_OWN,
			    "\\| has no meaning here", (char *)NULL);
		}
	}
}

int run_bind(struct run *r, const char *name, size_t n, const char *value,
    size_t len, struct trouble *why)
{
	if (vars_set(&r->vars, name, n, value, len) == 0)
		return 0;
	return trouble_set(why, PT_UNKNOWN, ST_OWN, "too many variables",
	    (char *)NULL);
}

/* ---- expressions ------------------------------------------------------- */

struct value {
	bool number;
	uint64_t n;
	char text[VALUE_MAX];
};

static int operand(struct run *r, const char *word, size_t n,
    struct value *v, struct trouble *why)
{
	char raw[TEXT_MAX];
	struct str s;

	str_init(&s, raw, sizeof raw);
	str_mem(&s, word, n);
	str_init(&s, v->text, sizeof v->text);
	if (run_expand(r, NULL, raw, &s, why) < 0)
		return -1;
	v->number = parse_u64(v->text, &v->n) == 0;
	return 0;
}

/* 0: no comparison, or <, =, > as -1, 0, 1 are given by the operator. */
static bool holds(const char *op, size_t n, int order)
{
	switch (op[0]) {
	case '<': return order < 0 || (n == 2 && order == 0);
	case '>': return order > 0 || (n == 2 && order == 0);
	case '!': return order != 0;
	default: return order == 0;
	}
}

static bool is_comparison(const char *op, size_t n)
{
	return (n == 1 && (*op == '<' || *op == '>')) || (n == 2 &&
	    op[1] == '=' && strchr("=!<>", op[0]));
}

/* a + b, a - b, a * b in 64 bits, or false. */
static bool calculate(char op, uint64_t *a, uint64_t b)
{
	switch (op) {
	case '+':
		*a += b;
		return *a >= b;
	case '-':
		if (b > *a)
			return false;
		*a -= b;
		return true;
	case '*':
		if (b && *a > UINT64_MAX / b)
			return false;
		*a *= b;
		return true;
	default:
		return false;
	}
}

static int apply(struct value *a, const char *op, size_t n,
    const struct value *b, struct trouble *why)
{
	bool numbers = a->number && b->number;
	struct str s;
	int order;

	if (is_comparison(op, n) && (numbers || op[1] == '=')) {
		order = numbers ? (a->n > b->n) - (a->n < b->n) :
		    strcmp(a->text, b->text);
		a->n = holds(op, n, order);
	} else if (n != 1 || !numbers || !calculate(*op, &a->n, b->n)) {
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "cannot calculate ", a->text, " ", op, (char *)NULL);
	}
	a->number = true;
	str_init(&s, a->text, sizeof a->text);
	str_u64(&s, a->n);
	return 0;
}

/* From left to right, without precedence. */
static int evaluate(struct run *r, const char *p, struct value *a,
    struct str *shown, struct trouble *why)
{
	static struct value b;
	const char *word, *op;
	size_t n = text_word(&p, &word), op_len;

	if (operand(r, word, n, a, why) < 0)
		return -1;
	str_put(shown, a->text);
	while ((op_len = text_word(&p, &op)) > 0) {
		n = text_word(&p, &word);
		if (n == 0)
			return trouble_set(why, PT_UNKNOWN, ST_OWN,
			    "nothing behind ", op, (char *)NULL);
		if (operand(r, word, n, &b, why) < 0)
			return -1;
		str_char(shown, ' ');
		str_mem(shown, op, op_len + 1);
		str_put(shown, b.text);
		if (apply(a, op, op_len, &b, why) < 0)
			return -1;
	}
	return 0;
}

int run_let(struct run *r, const char *arg, struct trouble *why)
{
	static struct value v;
	const char *name, *word;
	size_t n = text_word(&arg, &name);
	char shown[TRACE_WIDTH];
	struct str s;

	text_word(&arg, &word);		/* the "=" */
	str_init(&s, shown, sizeof shown);
	if (evaluate(r, arg, &v, &s, why) < 0)
		return -1;
	return run_bind(r, name, n, v.text, strlen(v.text), why);
}

int run_check(struct run *r, const char *arg, struct trouble *why)
{
	static struct value v;
	char shown[TRACE_WIDTH];
	struct str s;

	str_init(&s, shown, sizeof shown);
	if (evaluate(r, arg, &v, &s, why) < 0)
		return -1;
	if (!v.number || v.n)
		return 0;
	str_init(&s, r->got, sizeof r->got);
	str_put(&s, shown);
	return trouble_set(why, PT_WARNING, ST_REPLY, "not so: ", shown,
	    (char *)NULL);
}
