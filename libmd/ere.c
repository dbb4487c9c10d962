/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += libmd/ere.o
/*
 * A program of one node a byte, whose ways all advance together: Thompson
 * (CACM 11:6, 1968), and Pike's ordered list of ways for the groups.
 */
#include "ere.h"

#include <string.h>

#include "base.h"

enum op {
	BYTE, SET, ANY,		/* take a byte, then the next node */
	BEGIN, END,		/* of the text */
	SPLIT,			/* the next node, and then also `to` */
	JUMP,
	SAVE,			/* a group begins (even) or ends (odd) */
	MATCH
};

/* ---- compiling: jumps are relative, so that code can move ---- */

struct compiler {
	struct ere *e;
	const char *p;		/* in the pattern; after an error, "" */
	const char *error, *where;
	unsigned groups, depth;
};

static void fail(struct compiler *c, const char *error, const char *where)
{
	if (c->error == NULL) {
		c->error = error;
		c->where = where;
	}
	c->p = "";
}

static bool is_one_of(char b, const char *set)
{
	return b && strchr(set, b);
}

static bool room(struct compiler *c, unsigned nodes)
{
	if (c->e->nodes + nodes <= ERE_NODES)
		return true;
	fail(c, "expression too long", c->p);
	return false;
}

static void emit(struct compiler *c, enum op op, unsigned arg, int to)
{
	if (room(c, 1))
		c->e->node[c->e->nodes++] = (struct ere_node){
			(uint8_t)op, (uint8_t)arg, (int16_t)to };
}

/* A way around, or out of, what begins at `at`. */
static void insert_split(struct compiler *c, unsigned at, unsigned to)
{
	struct ere_node *n = &c->e->node[at];

	if (room(c, 1)) {
		memmove(n + 1, n, (c->e->nodes++ - at) * sizeof *n);
		*n = (struct ere_node){ SPLIT, 0, (int16_t)to };
	}
}

enum { NO_END = ERE_REPEAT + 1 };

/*
 * What begins at `start`, min to max times: one copy a time, before each
 * that may be missing a way to the end, behind the last a way back to it.
 */
static void repeat(struct compiler *c, unsigned start, unsigned min,
    unsigned max)
{
	struct ere *e = c->e;
	unsigned len = e->nodes - start, body = start + (min == 0);
	unsigned copies = max < NO_END ? max : min + (min == 0);
	unsigned more = copies > min ? copies - min : 0;
	unsigned end = start + copies * len + more;

	if (max == NO_END)
		end += 2;
	if (copies == 0)
		e->nodes = start;
	if (copies == 0 || !room(c, end - e->nodes))
		return;
	if (min == 0)
		insert_split(c, start, end - start);
	for (unsigned i = 1; i < copies; i++) {
		if (i >= min)
			emit(c, SPLIT, 0, (int)(end - e->nodes));
		memcpy(e->node + e->nodes, e->node + body,
		    len * sizeof *e->node);
		e->nodes += len;
	}
	if (max == NO_END) {
		emit(c, SPLIT, 0, 2);
		emit(c, JUMP, 0, -(int)len - 1);
	}
}

/* "m}", "m,}" or "m,n}"; `*p` is what follows the brace. */
static bool read_counts(const char **p, unsigned *min, unsigned *max)
{
	uint64_t m, n;
	const char *z = scan_u64(*p, &m);

	n = m;
	if (z && *z == ',')
		z = *++z == '}' ? z : scan_u64(z, &n);
	if (z == NULL || *z != '}' || n < m || n > ERE_REPEAT)
		return false;
	*min = (unsigned)m;
	*max = z[-1] == ',' ? NO_END : (unsigned)n;
	*p = z + 1;
	return true;
}

/* Whether there was a repetition for what begins at `start`. */
static bool repetition(struct compiler *c, unsigned start)
{
	const char *at = c->p;
	unsigned min = *at == '+', max = *at == '?' ? 1 : NO_END;

	if (!is_one_of(*at, "*+?{"))
		return false;
	c->p++;
	if (*at == '{' && !read_counts(&c->p, &min, &max))
		fail(c, "bad repeat count", at);
	else
		repeat(c, start, min, max);
	return true;
}

static void set_range(unsigned char *set, unsigned from, unsigned to)
{
	for (; from <= to; from++)
		set[from / 8] |= (unsigned char)(1 << from % 8);
}

/* "alpha:]" and the like; what follows it, or null. */
static const char *set_class(unsigned char *set, const char *p)
{
	static const struct {
		char name[7];
		char range[9];	/* pairs up to a NUL that is not the first */
	} class[] = {
		{ "alnum", "AZaz09" }, { "alpha", "AZaz" },
		{ "blank", "\t\t  " }, { "cntrl", "\0\x1f\x7f\x7f" },
		{ "digit", "09" }, { "graph", "!~" }, { "lower", "az" },
		{ "print", " ~" }, { "punct", "!/:@[`{~" },
		{ "space", "\t\r  " }, { "upper", "AZ" },
		{ "xdigit", "09AFaf" }
	};

	for (size_t i = 0; i < sizeof class / sizeof *class; i++) {
		const char *end = str_after(p, class[i].name);
		const char *r = class[i].range;

		if (end == NULL || (end = str_after(end, ":]")) == NULL)
			continue;
		do
			set_range(set, (unsigned)r[0], (unsigned)r[1]);
		while (*(r += 2));
		return end;
	}
	return NULL;
}

/* A class, a range or a byte of a set; what follows it, or null. */
static const char *set_member(struct compiler *c, unsigned char *set,
    const char *p)
{
	unsigned from = (unsigned char)*p, to = from;
	const char *end = p + 1;

	if (*p == '[' && is_one_of(p[1], ":.=")) {
		end = p[1] == ':' ? set_class(set, p + 2) : NULL;
		if (end == NULL)
			fail(c, "no such class", p);
		return end;
	}
	if (p[1] == '-' && p[2] && p[2] != ']') {
		to = (unsigned char)p[2];
		end = p + 3;
		if (to < from || (to == '[' && is_one_of(*end, ":.="))) {
			fail(c, "bad range", p);
			return NULL;
		}
	}
	set_range(set, from, to);
	return end;
}

/* Behind its "[".  A "]" that comes first is a member. */
static void set(struct compiler *c)
{
	struct ere *e = c->e;
	const char *p = c->p + (*c->p == '^');
	unsigned char flip = *c->p == '^' ? 0xFF : 0;
	unsigned char *bits = e->set[e->sets];

	if (e->sets == ERE_SETS) {
		fail(c, "too many brackets", c->p - 1);
		return;
	}
	memset(bits, 0, sizeof *e->set);
	do {
		if (*p == '\0')
			fail(c, "[ without ]", c->p - 1);
		else
			p = set_member(c, bits, p);
		if (c->error)
			return;
	} while (*p != ']');
	for (unsigned i = 0; i < sizeof *e->set; i++)
		bits[i] ^= flip;
	emit(c, SET, e->sets++, 0);
	c->p = p + 1;
}

static void alternatives(struct compiler *c);

/* Behind its "(". */
static void group(struct compiler *c)
{
	const char *open = c->p - 1;
	unsigned i = ++c->groups;

	if (++c->depth > ERE_DEPTH)
		fail(c, "groups too deep", open);
	if (i < ERE_GROUPS)
		emit(c, SAVE, 2 * i, 0);
	alternatives(c);
	if (*c->p != ')')
		fail(c, "( without )", open);
	else
		c->p++;
	if (i < ERE_GROUPS)
		emit(c, SAVE, 2 * i + 1, 0);
	c->depth--;
}

static void quoted(struct compiler *c)
{
	unsigned b = (unsigned char)*c->p;

	if (b == '\0')
		fail(c, "nothing behind the backslash", c->p - 1);
	else if (b - '0' <= 9 || (b | 32) - 'a' <= 25)
		fail(c, "no such escape", c->p - 1);
	else
		emit(c, BYTE, (unsigned char)*c->p++, 0);
}

static void atom(struct compiler *c)
{
	char b = *c->p++;

	if (b == '(')
		group(c);
	else if (b == '[')
		set(c);
	else if (b == '\\')
		quoted(c);
	else if (b == '.')
		emit(c, ANY, 0, 0);
	else if (b == '^')
		emit(c, BEGIN, 0, 0);
	else if (b == '$')
		emit(c, END, 0, 0);
	else if (is_one_of(b, "*+?{"))
		fail(c, "nothing to repeat", c->p - 1);
	else
		emit(c, BYTE, (unsigned char)b, 0);
}

static void branch(struct compiler *c)
{
	while (!is_one_of(*c->p, "|)") && *c->p) {
		unsigned start = c->e->nodes;
		const char *at = c->p;

		atom(c);
		if (is_one_of(*at, "^$") && is_one_of(*c->p, "*+?{"))
			fail(c, "nothing to repeat", c->p);
		while (repetition(c, start))
			;
	}
}

/* What is read so far is the left one of two, and so on. */
static void alternatives(struct compiler *c)
{
	struct ere *e = c->e;
	unsigned start = e->nodes, jump;

	branch(c);
	while (*c->p == '|') {
		c->p++;
		insert_split(c, start, e->nodes + 2 - start);
		jump = e->nodes;
		emit(c, JUMP, 0, 0);
		branch(c);
		if (c->error == NULL)
			e->node[jump].to = (int16_t)(e->nodes - jump);
	}
}

int ere_compile(struct ere *e, const char *pattern, const char **error,
    size_t *at)
{
	struct compiler c = { .e = e, .p = pattern };

	e->nodes = e->sets = 0;
	alternatives(&c);
	if (*c.p == ')')
		fail(&c, ") without (", c.p);
	emit(&c, MATCH, 0, 0);
	if (c.error == NULL)
		return 0;
	*error = c.error;
	*at = (size_t)(c.where - pattern);
	return -1;
}

/* ---- matching ---- */

enum { BOUNDS = 2 * ERE_GROUPS };
#define NOWHERE UINT32_MAX

/* Where a way has come to, and where its groups begin and end. */
struct way {
	uint16_t at;
	uint32_t bound[BOUNDS];
};

struct ways {
	unsigned n;
	struct way way[ERE_NODES];	/* the preferred ones first */
};

/* Too large for a stack; nothing of it is kept between two calls. */
static struct {
	const struct ere *e;
	size_t n;		/* bytes of text */
	bool whole;
	bool matched;
	struct way now, found;
	struct ways ways[2];
	bool seen[ERE_NODES];	/* there is a way to this node already */
	unsigned later;
	struct later {		/* another way, or a bound to be put back */
		uint16_t at;	/* node, or ERE_NODES + bound */
		uint32_t value;
	} stack[ERE_NODES];	/* one a node at most: see seen */
} vm;

static void push_later(unsigned at, uint32_t value)
{
	vm.stack[vm.later++] = (struct later){ (uint16_t)at, value };
}

/* From a node on, taking no byte: the next node, or -1. */
static int step(struct ways *to, unsigned at, size_t pos)
{
	const struct ere_node *n = &vm.e->node[at];
	int next = (int)at + 1;
	uint32_t *bound;

	if (vm.seen[at])
		return -1;
	vm.seen[at] = true;
	switch (n->op) {
	case SPLIT:
		push_later(at + (unsigned)n->to, 0);
		return next;
	case JUMP:
		return (int)at + n->to;
	case SAVE:
		bound = &vm.now.bound[n->arg];
		push_later(ERE_NODES + n->arg, *bound);
		*bound = (uint32_t)pos;
		return next;
	case BEGIN:
		return pos == 0 ? next : -1;
	case END:
		return pos == vm.n ? next : -1;
	case MATCH:
		vm.matched = !vm.whole || pos == vm.n;
		vm.found = vm.now;
		return -1;
	default:
		vm.now.at = (uint16_t)at;
		to->way[to->n++] = vm.now;
		return -1;
	}
}

/* From a node on to all that take a byte, with the bounds in vm.now. */
static void advance(struct ways *to, unsigned from, size_t pos)
{
	int at = (int)from;

	for (;;) {
		while (at >= 0)
			at = step(to, (unsigned)at, pos);
		if (vm.later == 0)
			return;
		at = vm.stack[--vm.later].at;
		if (at >= ERE_NODES) {
			vm.now.bound[at - ERE_NODES] = vm.stack[vm.later].value;
			at = -1;
		}
	}
}

static bool takes(const struct ere_node *n, unsigned char b)
{
	if (n->op == SET)
		return vm.e->set[n->arg][b / 8] >> b % 8 & 1;
	return n->op == ANY || n->arg == b;
}

static void tell(const char *text, struct ere_span *groups,
    unsigned ngroups)
{
	for (unsigned i = 0; i < ngroups; i++) {
		const uint32_t *b = vm.found.bound + 2 * (i % ERE_GROUPS);

		groups[i] = (struct ere_span){ NULL, 0 };
		if (i < ERE_GROUPS && b[1] != NOWHERE)
			groups[i] = (struct ere_span){ text + b[0],
			    b[1] - b[0] };
	}
}

int ere_match(const struct ere *e, const char *text, size_t n, bool whole,
    struct ere_span *groups, unsigned ngroups)
{
	struct ways *from = &vm.ways[0], *to = &vm.ways[1], *swap;

	vm.e = e;
	vm.n = n;
	vm.whole = whole;
	vm.matched = false;
	from->n = 0;
	for (size_t pos = 0; pos <= n; pos++) {
		to->n = 0;
		memset(vm.seen, 0, e->nodes);
		for (unsigned i = 0; i < from->n; i++) {
			vm.now = from->way[i];
			if (takes(&e->node[vm.now.at],
			    (unsigned char)text[pos - 1]))
				advance(to, vm.now.at + 1U, pos);
		}
		if (pos == 0 || !whole) {
			memset(vm.now.bound, 0xFF, sizeof vm.now.bound);
			vm.now.bound[0] = 0;
			vm.now.bound[1] = (uint32_t)n;
			advance(to, 0, pos);
		}
		if (vm.matched)
			break;
		swap = from;
		from = to;
		to = swap;
	}
	if (vm.matched && whole)
		tell(text, groups, ngroups);
	return vm.matched;
}
