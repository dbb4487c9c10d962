/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/pop3.o
#include "pop3.h"

#include <string.h>

#include "base.h"

const struct p3_command p3_commands[P3_VERBS] = {
	[P3_APOP] = { "APOP", 2, 2, P3_AUTHORIZATION },
	[P3_AUTH] = { "AUTH", 0, 2, P3_AUTHORIZATION },
	[P3_CAPA] = { "CAPA", 0, 0, P3_BOTH },
	[P3_DELE] = { "DELE", 1, 1, P3_TRANSACTION },
	[P3_LIST] = { "LIST", 0, 1, P3_TRANSACTION },
	[P3_NOOP] = { "NOOP", 0, 0, P3_TRANSACTION },
	[P3_PASS] = { "PASS", 1, 1, P3_AUTHORIZATION },
	[P3_QUIT] = { "QUIT", 0, 0, P3_BOTH },
	[P3_RETR] = { "RETR", 1, 1, P3_TRANSACTION },
	[P3_RSET] = { "RSET", 0, 0, P3_TRANSACTION },
	[P3_STAT] = { "STAT", 0, 0, P3_TRANSACTION },
	[P3_STLS] = { "STLS", 0, 0, P3_AUTHORIZATION },
	[P3_TOP] = { "TOP", 2, 2, P3_TRANSACTION },
	[P3_UIDL] = { "UIDL", 0, 1, P3_TRANSACTION },
	[P3_USER] = { "USER", 1, 1, P3_AUTHORIZATION }
};

int p3_verb(const char *word, size_t n)
{
	for (int i = 0; i < P3_VERBS; i++) {
		const char *name = p3_commands[i].name;
		size_t k = 0;

		while (k < n && name[k] && ascii_lower(word[k]) ==
		    ascii_lower(name[k]))
			k++;
		if (k == n && name[k] == '\0')
			return i;
	}
	return P3_EUNKNOWN;
}

/* Cuts the next word off *rest; null when there is none. */
static char *cut_word(char **rest)
{
	char *word = *rest;
	size_t n;

	if (word == NULL)
		return NULL;
	n = str_span(word, ' ');
	*rest = word[n] ? word + n + 1 : NULL;
	word[n] = '\0';
	return word;
}

static int split_args(struct p3_line *out, char *rest)
{
	char *word;

	while ((word = cut_word(&rest)) != NULL) {
		if (*word == '\0' || out->args == P3_ARGS)
			return P3_EARGS;
		out->arg[out->args++] = word;
	}
	return 0;
}

static void cut_blanks(char *line, size_t len)
{
	while (len > 0 && line[len - 1] == ' ')
		line[--len] = '\0';
}

int p3_parse(struct p3_line *out, char *line, size_t len)
{
	const struct p3_command *c;
	char *rest = line;
	char *word;
	int verb;

	out->args = 0;
	if (memchr(line, '\0', len))
		return P3_EBYTES;
	word = cut_word(&rest);
	verb = p3_verb(word, strlen(word));
	if (verb < 0)
		return verb;
	out->verb = (enum p3_verb)verb;
	if (out->verb == P3_PASS) {
		out->arg[0] = rest;
		out->args = rest != NULL;
		return rest ? 0 : P3_EARGS;
	}
	if (rest) {
		cut_blanks(rest, strlen(rest));
		if (*rest && split_args(out, rest) < 0)
			return P3_EARGS;
	}
	c = &p3_commands[out->verb];
	if (out->args < c->min_args || out->args > c->max_args)
		return P3_EARGS;
	return 0;
}
