/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * POP3 command lines: RFC 1939 sections 3 and 5 to 7, RFC 2449 section 4,
 * RFC 2595 section 4 (STLS), RFC 5034 section 4 (AUTH).
 * One table says which words there are, how many arguments each takes and
 * in which state it is allowed.
 */
#ifndef MD_POP3_H
#define MD_POP3_H

#include <stddef.h>
#include <stdint.h>

enum {
	P3_LINE = 255,		/* octets of a command with its CRLF */
	P3_ARGS = 2
};

enum p3_verb {
	P3_APOP, P3_AUTH, P3_CAPA, P3_DELE, P3_LIST, P3_NOOP, P3_PASS,
	P3_QUIT, P3_RETR, P3_RSET, P3_STAT, P3_STLS, P3_TOP, P3_UIDL, P3_USER,
	P3_VERBS
};

/* States, as bits: where a command is allowed. */
enum {
	P3_AUTHORIZATION = 1,
	P3_TRANSACTION = 2,
	P3_BOTH = 3
};

struct p3_command {
	char name[5];
	unsigned char min_args, max_args;
	unsigned char states;
};

extern const struct p3_command p3_commands[P3_VERBS];

/* Why a line is no command; 0 is none of them. */
enum {
	P3_EBYTES = -1,		/* a NUL inside */
	P3_EUNKNOWN = -2,
	P3_EARGS = -3		/* too few, too many, or blanks amiss */
};

struct p3_line {
	enum p3_verb verb;	/* set also with P3_EARGS */
	int args;
	const char *arg[P3_ARGS];	/* inside the line */
};

/* The command that `n` bytes name, in whatever case, or P3_EUNKNOWN. */
int p3_verb(const char *word, size_t n);

/*
 * Takes a line of `len` bytes, NUL-terminated, apart in place.  One blank
 * separates words, blanks at the end are ignored; PASS takes all that
 * follows its blank, blanks too.  0 or a code above.
 */
int p3_parse(struct p3_line *out, char *line, size_t len);

#endif
