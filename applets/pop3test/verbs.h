/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share, beside pop3test.h. */
#ifndef POP3TEST_VERBS_H
#define POP3TEST_VERBS_H

#include "pop3test.h"

/* ---- buffered output: out.c ---- */

struct out {
	int fd;			/* -1: what is put is dropped */
	int error;		/* errno of the first failure, or 0 */
	size_t n;
	char buf[8192];
};

void out_begin(struct out *out, int fd);
/* The same for standard output, or for nothing with -q. */
void out_stdout(struct out *out, const struct options *o);
void out_mem(struct out *out, const void *p, size_t n);
void out_put(struct out *out, const char *z);
void out_u64(struct out *out, uint64_t n);
/* In quotes; every byte that is not printable ASCII is \u00HH. */
void out_json(struct out *out, const char *p, size_t n);
void out_flush(struct out *out);
/* The rest; 0, or -1 when anything could not be written. */
int out_end(struct out *out, struct trouble *why);

/* ---- sessions: session.c ---- */

enum {
	MESSAGES_MAX = 1 << 20,	/* in one maildrop, for what goes over all */
	LIST_OCTETS = 128	/* of a line of LIST or UIDL, generously */
};

/*
 * A command without its CRLF, and the first line of the answer: 1 for +OK,
 * 0 for -ERR, 2 for a continuation ("+ "), -1 for trouble.  client.c
 */
int cl_ask(struct conn *c, struct line *reply, struct trouble *why,
    const char *p, size_t n);

/* What follows "+OK " as numbers; trouble where they are not there. */
int reply_numbers(const struct line *l, uint64_t *a, uint64_t *b,
    struct trouble *why);
int session_stat(struct conn *c, uint64_t *messages, uint64_t *octets,
    struct trouble *why);
/* Most octets a reply about so many messages may have. */
uint64_t list_limit(uint64_t messages);
/*
 * A line of LIST or UIDL without its end: the number, and in buf what
 * follows the blank.
 */
enum { ENTRY = 256 };
int entry_parse(const char *p, size_t n, uint64_t *number,
    char buf[ENTRY], struct trouble *why);

/* The one session of a verb that is a client. */
struct session {
	const struct options *o;
	struct conn c;
	struct trace trace;
	struct trouble why;
	struct line reply;	/* to the last question */
	struct out out;		/* to standard output */
	int status;		/* worst so far */
};

extern struct session session;

/* Connects and reads the greeting; 0, or -1 with session.why. */
int session_open(const struct options *o);
/* And logs in when a user is given; 0, or an exit status. */
int session_begin(const struct options *o);
/* As cl_command and cl_ok, with arguments or null pointers. */
int session_ask(const char *word, const char *a, const char *b);
int session_must(const char *word, const char *a);
/* Sets session.why to a PT_WARNING; -1. */
int session_wrong(const char *a, const char *b);
/* Tells of session.why, which is no reason to end. */
void session_note(void);
/* QUIT; 0, or -1: anything but +OK is a warning.  Closes. */
int session_quit(void);
/* Writes what is left to write, quits; the exit status. */
int session_end(void);
/* Tells of session.why; QUIT only where a command is waited for. */
int session_fail(void);
void session_drop(void);

/* Operands that have to be message numbers; 0, or an exit status. */
int operands_check(char *const *operand);

#endif
