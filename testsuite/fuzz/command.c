/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the parser of command lines: the input is the line.  What comes
 * out is compared with a second reading, by words and their ends, and must
 * be the line again when it is put together.  scripts/fuzz builds it.
 */
#include <strings.h>

#include "input.h"
#include "pop3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a line should be. */
struct want {
	int e;
	int verb;
	int args;
	size_t at[P3_ARGS], end[P3_ARGS];	/* of each argument */
};

static int find_verb(const char *word, size_t n)
{
	int found = P3_EUNKNOWN;

	for (int i = 0; i < P3_VERBS; i++) {
		const char *name = p3_commands[i].name;

		if (strlen(name) != n || strncasecmp(word, name, n) != 0)
			continue;
		assert(found == P3_EUNKNOWN);
		found = i;
	}
	return found;
}

static void read_args(struct want *w, const char *line, size_t at, size_t n)
{
	size_t end = n;

	while (end > at && line[end - 1] == ' ')
		end--;
	for (size_t from = at; from < end; at++) {
		if (at < end && line[at] != ' ')
			continue;
		if (at == from || w->args == P3_ARGS) {
			w->e = P3_EARGS;
			return;
		}
		w->at[w->args] = from;
		w->end[w->args++] = at;
		from = at + 1;
	}
}

static void read_line(struct want *w, const char *line, size_t n)
{
	const char *blank = memchr(line, ' ', n);
	size_t word = blank ? (size_t)(blank - line) : n;

	if (memchr(line, '\0', n)) {
		w->e = P3_EBYTES;
		return;
	}
	w->e = w->verb = find_verb(line, word);
	if (w->e < 0)
		return;
	w->e = 0;
	if (w->verb == P3_PASS) {
		w->e = blank ? 0 : P3_EARGS;
		w->args = blank != NULL;
		w->at[0] = word + 1;
		w->end[0] = n;
		return;
	}
	if (blank)
		read_args(w, line, word + 1, n);
	if (w->args < p3_commands[w->verb].min_args ||
	    w->args > p3_commands[w->verb].max_args)
		w->e = P3_EARGS;
}

/* Blanks and arguments give the line again, up to blanks at its end. */
static void put_together(const struct p3_line *c, const char *was, size_t n)
{
	size_t at = strlen(p3_commands[c->verb].name);

	for (int i = 0; i < c->args; i++) {
		size_t len = strlen(c->arg[i]);

		assert(was[at] == ' ' && at + 1 + len <= n);
		assert(memcmp(was + at + 1, c->arg[i], len) == 0);
		at += 1 + len;
	}
	while (at < n && was[at] == ' ')
		at++;
	assert(at == n);
}

static void check_line(const char *was, size_t n)
{
	struct want w = { 0 };
	struct p3_line c;
	char *line = in_copy(was, n);
	int e = p3_parse(&c, line, n);

	read_line(&w, was, n);
	assert(e == w.e);
	if (e == 0 || e == P3_EARGS)
		assert((int)c.verb == w.verb);
	if (e == 0) {
		assert(c.args == w.args);
		for (int i = 0; i < c.args; i++) {
			assert(c.arg[i] == line + w.at[i]);
			assert(strlen(c.arg[i]) == w.end[i] - w.at[i]);
		}
		put_together(&c, was, n);
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *was = in_copy(data, size);

	check_line(was, size);
	assert(p3_verb(was, size) == find_verb(was, size));
	free(was);
	return 0;
}
