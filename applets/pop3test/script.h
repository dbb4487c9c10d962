/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts: a POP3 transcript that runs.  script.c reads and checks one,
 * text.c takes its texts apart, run.c and steps.c run it, report.c tells
 * how it went; the language is in pop3test(1).
 */
#ifndef POP3TEST_SCRIPT_H
#define POP3TEST_SCRIPT_H

#include "ere.h"
#include "maildir.h"
#include "pop3test.h"

enum {
	CONNS = 8,		/* connections a script may have at a time */
	TAG_SIZE = 8,		/* bytes of a tag with its NUL */
	NAME_LEN = 31,		/* bytes a variable's name may have */
	VALUE_MAX = 2048,	/* bytes of a value, with its NUL */
	TEXT_MAX = 4096,	/* bytes of a script's line, expanded or not */
	NESTING = 8,		/* of loops, and of includes */
	BODIES = 8		/* replies kept in "-> name" at a time */
};

/* ---- variables: vars.c ---- */

struct vars {			/* all zero: empty */
	struct md_area area;
};

/* The value, until the next vars_set, or null when it is not set. */
const char *vars_get(const struct vars *v, const char *name, size_t n);
/* -ENOMEM when there are too many. */
int vars_set(struct vars *v, const char *name, size_t n, const char *value,
    size_t len);
void vars_unset(struct vars *v, const char *name, size_t n);
/* Calls for each, in no order, until one returns not 0: that is returned. */
int vars_each(const struct vars *v, int (*f)(void *ctx, const char *name,
    const char *value), void *ctx);
void vars_free(struct vars *v);

/* ---- texts: text.c ---- */

enum token_kind { T_END, T_BYTE, T_CUT, T_NAME, T_BAD };

struct token {
	enum token_kind kind;
	unsigned char byte;	/* T_BYTE */
	const char *name;	/* T_NAME: the variable, */
	size_t len;
	const char *property;	/* what follows its dot, or null, */
	size_t property_len;
	bool rest;		/* and whether "..." follows */
};

/* The token at p, and where the next one is. */
const char *text_token(const char *p, struct token *t);
/* Where a text is not one, or null: for the caret. */
const char *text_check(const char *p);
bool is_name(const char *p, size_t n);
/* Behind a duration with its unit, or p: "split 0 1ms TAG", "split 0 TAG". */
const char *text_skip_duration(const char *p);
/* Where " -> NAMES" begins behind an expression, or null. */
const char *text_arrow(const char *p);
/* Is it a command that a shell has to read? */
bool text_is_shell(const char *p);
/* Behind the blanks at p. */
const char *text_blanks(const char *p);
/* The next word of *p, which moves behind it; its length, 0 at the end. */
size_t text_word(const char **p, const char **word);

/* ---- a script read: script.c ---- */

enum op {
	OP_SEND, OP_RAW, OP_MATCH, OP_EXACT, OP_ERE, OP_REJECT, OP_MANY,
	OP_BODY, OP_PROSE,	/* "S: <any text>" */
	OP_CONNECT, OP_HANGUP,	/* "C: <open...>", "C: <close...>" */
	OP_DATA,		/* a line of "mail <<" */
	OP_TEST, OP_NEED, OP_SKIP, OP_LOG, OP_OPEN, OP_EXEC, OP_CLOSE,
	OP_RESET, OP_HALF, OP_EOF, OP_TLS, OP_LOGIN, OP_TIMEOUT, OP_WITHIN,
	OP_WAIT, OP_QUIET, OP_SPLIT, OP_DRAIN, OP_RCVBUF, OP_SET, OP_LET,
	OP_UNSET, OP_CHECK, OP_MAIL, OP_MAILDIR, OP_SH, OP_FOR, OP_REPEAT,
	OP_END, OP_BARRIER, OP_INCLUDE, OP_NONE
};

struct sline {			/* one line to run */
	uint32_t text;		/* all of it, from its first word on */
	uint32_t arg;		/* what follows the keyword or "C:" */
	uint32_t file;		/* name of its file; all three: offsets */
	uint32_t number;	/* of the line in it, from 1 */
	uint32_t jump;		/* of a loop, its end, or a text: line */
	uint8_t op;		/* enum op */
	char tag[TAG_SIZE];
};

struct script {			/* all zero: none */
	struct md_area text, lines;
	struct sline *line;
	uint32_t n;
};

/* Both check the whole syntax; the trouble shows the line and the place. */
int script_load(struct script *s, const char *path, struct trouble *why);
int script_text(struct script *s, const char *name, const char *text,
    struct trouble *why);
const char *script_at(const struct script *s, uint32_t offset);
void script_free(struct script *s);

/* ---- running: run.c ---- */

struct slot {			/* a connection by its tag */
	bool used;
	bool rejects;
	struct target opened;	/* of "open TARGET" */
	struct conn c;
	struct ere reject;
};

struct loop {
	uint32_t line;		/* of its "for" or "repeat" */
	uint64_t now, last;
};

struct report;

struct run {
	const struct options *o;
	const struct script *s;
	struct report *report;	/* null: none; for load */
	struct timing *timing;	/* or null */
	/* "barrier": null where there is none; 0 or -1 */
	int (*barrier)(struct run *r, const char *name, unsigned n,
	    struct trouble *why);
	void *ctx;		/* for whoever set the two */
	struct trouble why;	/* of the first failure of run_once */
	uint32_t passed, failed, skipped;	/* tests, of all run_once */
	int status;		/* the worst failure's so far */

	struct vars given, vars;
	struct { char name[NAME_LEN + 1]; struct body body; } body[BODIES];
	unsigned bodies;
	struct slot slot[CONNS];
	struct trace trace;
	struct loop loop[NESTING];
	unsigned loops;
	uint32_t at;		/* the line that runs */
	int timeout;		/* milliseconds, of "timeout" */
	uint32_t within;	/* milliseconds for the next step; 0: none */
	int rcvbuf;
	char got[TRACE_WIDTH];	/* what came instead of what was wanted */
	char reason[TRACE_WIDTH];	/* for skipping */
	/* what "need" found out */
	bool probed, preauth;
	struct trouble probe;	/* why it could not; status PT_OK: it could */
	char capa[CAPA_TEXT];
	bool own_dir;		/* $dir is ours, to be removed */
};

void run_init(struct run *r, const struct options *o,
    const struct script *s);
/* Sets a variable for every run_once, as -D does. */
void run_set(struct run *r, const char *name, const char *value);
/*
 * The whole script, once; 0, or -1 with the first failure in r->why.  Its
 * connections are closed then, its variables (but for run_set's) gone.
 */
int run_once(struct run *r);
/* Are there steps before the first "test"?  They are a test, too. */
bool run_untitled(const struct script *s);
void run_end(struct run *r);

/* ---- what steps need of each other: run.c, expand.c, match.c ... ---- */

enum { STEP_OK = 0, STEP_FAILED = -1, STEP_SKIP = 1 };

/* The connection of a tag, opened if it is not. */
struct conn *run_conn(struct run *r, const char *tag, struct trouble *why);
struct slot *run_slot(struct run *r, const char *tag);	/* or null */
/* The same, made if there is none; not opened. */
struct slot *run_take_slot(struct run *r, const char *tag,
    struct trouble *why);
/* Connects; a TG_EXEC target's words are texts with variables. */
int run_open(struct run *r, struct conn *c, const struct target *t,
    struct trouble *why);
int run_exec(struct run *r, struct conn *c, const char *command,
    struct trouble *why);
/* The numbers of "for NAME in FROM..TO" and of "repeat TO". */
int run_bounds(struct run *r, const struct sline *l, uint64_t *from,
    uint64_t *to, struct trouble *why);
/* The value of a token's variable; null with *why when it has none. */
const char *run_value(struct run *r, const struct conn *c,
    const struct token *t, char *buf, struct trouble *why);
/* Replaces variables and escapes; cut marks are not allowed here. */
int run_expand(struct run *r, const struct conn *c, const char *text,
    struct str *out, struct trouble *why);
int run_bind(struct run *r, const char *name, size_t n, const char *value,
    size_t len, struct trouble *why);
int run_let(struct run *r, const char *arg, struct trouble *why);
int run_check(struct run *r, const char *arg, struct trouble *why);
/* NAME=VALUE of the variables, for children, but $pass; null-terminated. */
char **run_environment(struct run *r, bool secrets, struct trouble *why);
int run_sh(struct run *r, const char *command, struct trouble *why);
int run_mail(struct run *r, const struct sline *l, struct trouble *why);
int run_maildir(struct run *r, struct trouble *why);
/* $dir, made if there is none; or null. */
const char *run_dir(struct run *r, struct trouble *why);
void run_remove_dir(struct run *r);
bool run_has_dir(const struct run *r);	/* $dir is, or can be made */
/* Calls for each entry, "." and ".." too, until not 0; that, or -errno. */
int dir_each(const char *path, int (*f)(void *ctx, int fd,
    const char *name), void *ctx);
/* Is all of it there?  STEP_SKIP with r->reason, if not. */
int run_need(struct run *r, const char *words, struct trouble *why);
int run_login(struct run *r, struct conn *c, struct trouble *why);
int step_read(struct run *r, const struct sline *l, struct trouble *why);
int step_send(struct run *r, const struct sline *l, struct trouble *why);
int step_do(struct run *r, const struct sline *l, struct trouble *why);

/* ---- TAP and JSON: report.c ---- */

struct report {
	bool json, quiet;
	uint32_t n;
};

struct totals {
	uint32_t passed, failed, skipped;
};

void report_begin(struct report *p, const struct options *o);
/* A test that is over; its last line was r->at. */
void report_test(struct report *p, const struct run *r,
    const struct sline *title, const struct trouble *why, int result);
void report_log(struct report *p, const char *text);
/* The exit status: `status`, or that of output that could not be written. */
int report_end(struct report *p, const struct totals *t, int status);

#endif
