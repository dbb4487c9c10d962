/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of pop3test share, from the wire upwards:
 *
 *   target.c wire.c names.c   where the server is, and descriptors to it
 *   conn.c trace.c            lines and bodies over them; the transcript
 *   client.c login.c          POP3 commands, for the verbs
 *   script.c vars.c match.c run.c report.c   scripts
 *   verbs.c get.c fill.c load.c ...          what the command line asks for
 *
 * Functions that can fail return 0, or -1 with the reason in a struct
 * trouble, unless they say otherwise.  Times are microseconds of nio_usec().
 */
#ifndef POP3TEST_H
#define POP3TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base.h"
#include "maildir.h"
#include "md5.h"

/* ---- how it ended ---- */

enum {				/* exit statuses, the Nagios plugins' */
	PT_OK = 0,
	PT_WARNING = 1,		/* an answer, but not the expected one */
	PT_CRITICAL = 2,	/* no usable service */
	PT_UNKNOWN = 3		/* our own trouble: usage, script, files */
};

enum stage {			/* where; names in trouble.c */
	ST_OWN, ST_CONNECT, ST_TLS, ST_GREETING, ST_AUTH, ST_REPLY, ST_CLOSE
};

enum { TROUBLE_TEXT = 768 };

struct trouble {
	int status;		/* PT_... */
	enum stage stage;
	char text[TROUBLE_TEXT];	/* safe to print: no control bytes */
	/* of a script's syntax: the line, "" for none, and where in it */
	char shown[160];
	unsigned caret;
};

/*
 * Sets it, from strings up to a null pointer, and returns -1.  The strings
 * may come from the network: what is not printable ASCII becomes \xHH.
 */
int trouble_set(struct trouble *t, int status, enum stage stage,
    const char *first, ...);
/* The same with errno's text behind it: "what: No such file". */
int trouble_errno(struct trouble *t, int status, enum stage stage,
    const char *what);
const char *stage_name(enum stage stage);

/*
 * The password, which no message and no transcript is to show, be it that
 * a server repeats it: "$pass" stands there.
 */
void secret_keep(const char *pass);
size_t secret_at(const char *p, size_t n);	/* its length, or 0 */
/* As str_safe. */
void secret_safe(struct str *s, const char *p, size_t n, size_t max);

/* ---- the command line ---- */

enum mechanism {
	MECH_AUTO, MECH_USER, MECH_APOP, MECH_PLAIN, MECH_LOGIN, MECH_CRAM
};

enum target_kind { TG_NONE, TG_TCP, TG_UNIX, TG_EXEC, TG_UCSPI };

enum { HOST_MAX = 256, SECRET_MAX = 256 };

struct target {
	enum target_kind kind;
	bool tls;		/* from the first byte on */
	int family;		/* AF_UNSPEC, or by -4, -6 */
	uint16_t port;		/* 0: 110, or 995 with tls */
	char host[HOST_MAX];	/* name or address; of TG_UNIX the path */
	char **argv;		/* of TG_EXEC */
	char user[SECRET_MAX], pass[SECRET_MAX];	/* of a URL, or "" */
};

struct options {
	const char *verb;
	char **operands;	/* without verb and target; ends with NULL */
	struct target target;
	const char *target_text;	/* as it was given, or null */
	char user[SECRET_MAX], pass[SECRET_MAX];
	bool has_user, has_pass;
	enum mechanism mech;
	bool stls;		/* -X */
	bool verify;		/* --verify: certificates count */
	const char *connector;	/* -C, or null */
	const char *users_file;	/* -U */
	int timeout;		/* milliseconds */
	int64_t warn, crit;	/* microseconds; -1: not given */
	char **defs;		/* -D name=value, ends with NULL */
	int verbose;		/* -v: 1, -vv: 2 */
	const char *trace_dir;	/* -x */
	bool json, keep_going, stop_first, quiet, list_only, loose, crlf;
	bool remote, ledger;
	unsigned workers;	/* -n; 0: not given */
	uint32_t rate;		/* -r, sessions per 1000 s; 0: closed loop */
	uint32_t duration;	/* -d, milliseconds; 0: not given */
	uint32_t count;		/* -N, sessions; 0: not given */
	uint32_t seed;		/* -s */
};

/* "200ms", "2s", "1m", "1.5" (seconds) to milliseconds; -1: none of them. */
int text_duration(const char *p, size_t n, uint32_t *ms);
/* -1 to go on, or an exit status. */
int parse_call(struct options *o, char **argv);

/* ---- targets: target.c ---- */

/* The value of a digit, or -1. */
int hex_digit(char c);
/* HOST, HOST:PORT, [V6]:PORT, a URL, unix:/PATH or "-". */
int target_parse(struct target *t, const char *text, struct trouble *why);
uint16_t target_port(const struct target *t);
/* All of its addresses are this machine's own (127/8, ::1, UNIX, exec). */
bool target_is_local(const struct target *t);

/* ---- descriptors to a server: wire.c ---- */

struct wire {
	int in, out;		/* may be the same; -1: closed */
	int err;		/* reads the standard error of child, or -1 */
	pid_t child;		/* of TG_EXEC, or 0 */
	pid_t tls;		/* the connector, or 0 */
	pid_t relay;		/* see wire_tls, or 0 */
};

/*
 * Connects, within the timeout (milliseconds), without TLS.  `rcvbuf` is
 * the receive buffer wanted, 0: the kernel's choice.  A TG_EXEC child has
 * a socket as fd 0 and 1, and `env` (NAME=value, ends with NULL; may be
 * null) added to its environment.
 */
int wire_open(struct wire *w, const struct target *t, int timeout,
    int rcvbuf, char *const *env, struct trouble *why);
/*
 * Puts a TLS client between us and the server; `command` as -C has it, null
 * for the configured one.  Returns when the connector runs: whether the
 * handshake succeeds shows in what can be read, and in w->err.
 */
int wire_tls(struct wire *w, const struct target *t, const char *command,
    bool verify, int timeout, struct trouble *why);
void wire_half(struct wire *w);		/* no more from us: shutdown(2) */
void wire_reset(struct wire *w);	/* RST where there is TCP */
void wire_close(struct wire *w);	/* children end, and are waited for */
/* What the child or the connector said on standard error, as far as it is. */
void wire_said(const struct wire *w, struct str *s);

/* ---- host names: names.c ---- */

enum { ADDRESSES = 8 };
struct nio_addr;
/* Addresses of a numeric or other host; how many, or -1. */
int names_find(const char *host, int family, struct nio_addr *found,
    int timeout, struct trouble *why);

/* ---- connections: conn.c ---- */

enum {
	LINE_KEEP = 4096,	/* bytes of a line that can be looked at */
	STATUS_MAX = 512,	/* octets of a status line: RFC 1939, 3 */
	STAMP_MAX = 256,
	IN_FLIGHT = 64		/* commands whose answers are timed */
};

struct line {
	const char *p;		/* NUL-terminated, without its end */
	size_t len;		/* at most LINE_KEEP - 1 */
	uint64_t octets;	/* of all of it, its end included */
	bool cut;		/* it was longer than p shows */
	bool status;		/* begins with +OK or -ERR */
	bool ok;		/* with +OK */
};

enum pt_verb {			/* what latencies are told for */
	V_CONNECT, V_GREETING, V_AUTH, V_CAPA, V_STAT, V_LIST, V_UIDL,
	V_TOP, V_RETR, V_DELE, V_RSET, V_NOOP, V_QUIT, V_OTHER, V_SESSION,
	PT_VERBS
};

/* Who wants to know how long things take; for load. */
struct timing {
	void (*took)(struct timing *t, enum pt_verb verb, int64_t began,
	    int64_t ended, uint64_t octets, bool ok);
};

struct trace;

struct conn {
	struct wire wire;
	const struct target *target;
	const struct options *o;
	struct trace *trace;	/* null: none is kept */
	struct timing *timing;	/* or null */
	char tag[8];
	bool open, eof, greeted;
	bool in_reply;		/* something was read since the last send */
	bool any_line;		/* what is read need not be a status line */
	char auth;		/* within AUTH: its mechanism's letter */
	char stamp[STAMP_MAX];	/* "<...>" of the greeting, or "" */
	char challenge[LINE_KEEP];	/* what followed "+ " */
	int timeout;		/* milliseconds: to connect; for a line */
	size_t split;		/* bytes a write, 0: all at once */
	int split_pause;	/* milliseconds */
	size_t drain;		/* bytes a read, 0: what is there */
	int drain_pause;
	int rcvbuf;
	int trace_fd;		/* of -x, or -1 */
	/* input, and output, which is sent as far as opos */
	size_t ipos, ilen, opos;
	int64_t paused;		/* time we slept ourselves, for the limits */
	char ibuf[8192];
	struct md_area out;
	char line[LINE_KEEP];
	/* timing */
	unsigned sent, answered;	/* ends of the ring, counted up */
	struct { int64_t at; enum pt_verb verb; } flight[IN_FLIGHT];
	struct { int64_t began, ended; uint64_t octets; enum pt_verb verb;
	    bool ok, is; } last;
};

void conn_init(struct conn *c, const struct options *o, const char *tag);
/* Connects (and starts TLS where the target says so); no greeting yet. */
int conn_open(struct conn *c, const struct target *t, char *const *env,
    struct trouble *why);
int conn_tls(struct conn *c, bool verify, struct trouble *why);
/* Ends it; nothing is checked, nothing more is sent. */
void conn_close(struct conn *c);
void conn_reset(struct conn *c);
int conn_half(struct conn *c, struct trouble *why);

/*
 * A command: gathers the line and its CRLF, notes it for the timing and the
 * transcript.  It leaves with conn_send, or before the next read.
 */
int conn_command(struct conn *c, const char *p, size_t n,
    struct trouble *why);
/*
 * Notes a command that conn_raw has sent or will send, or other octets
 * when `kind` is not ':'; `instead` is for trace_sent.
 */
void conn_asked(struct conn *c, char kind, const char *p, size_t n,
    const char *instead);
/* Bytes as they are; `cut`: send them in a segment of their own. */
int conn_raw(struct conn *c, const void *p, size_t n, bool cut,
    struct trouble *why);
/*
 * All of it; but what a server does not take while it waits for us to read
 * its answers stays for later.
 */
int conn_send(struct conn *c, struct trouble *why);

/*
 * The next line.  Fails, with a text that tells them apart, on timeout,
 * EOF, error, an end that is not CRLF, and a status line over STATUS_MAX.
 */
int conn_line(struct conn *c, struct line *l, struct trouble *why);
/* Looks at the next line without taking it; as far as LINE_KEEP. */
int conn_peek(struct conn *c, struct line *l, struct trouble *why);

/* Takes pieces of a body, un-stuffed, CRLFs included; 0, or -1 and *why. */
typedef int body_sink(void *ctx, const char *p, size_t n,
    struct trouble *why);

/*
 * The rest of a multi-line reply, through the line with the dot, in
 * bounded memory.  Lines must end in CRLF; more than `max` octets fail.
 */
int conn_body(struct conn *c, body_sink *sink, void *ctx, uint64_t max,
    struct trouble *why);

/* EOF within the timeout, and nothing before it. */
int conn_want_eof(struct conn *c, struct trouble *why);
/* Nothing, not even EOF, for that many milliseconds. */
int conn_want_quiet(struct conn *c, int ms, struct trouble *why);
/* Nothing is left over: neither here nor, after `ms`, in the kernel. */
int conn_want_no_rest(struct conn *c, int ms, struct trouble *why);

/* What a body was, computed while it passes. */
struct body {
	uint64_t octets;	/* CRLFs counted, dots un-stuffed */
	uint64_t lines;
	char md5[33];		/* of all of it, hex */
	char want[33];		/* X-Pop3test-MD5 header, or "" */
	char sum[33];		/* MD5 of what follows the header block */
	/* how it is computed */
	struct md5 all, part;
	bool in_part;
	size_t col;		/* bytes of this header line seen */
	char head[64];		/* and its beginning */
	char last;
};
void body_begin(struct body *b);
body_sink body_add;		/* its ctx is a struct body */
void body_end(struct body *b);

/* ---- transcripts: trace.c ---- */

enum { TRACE_LINES = 10, TRACE_WIDTH = 160 };

/* Shared by the connections of a run: -v, and the last lines for reports. */
struct trace {
	int fd;			/* where -v goes, or -1 */
	int verbose;
	int64_t began;
	unsigned n;
	char last[TRACE_LINES][TRACE_WIDTH];
};
void trace_init(struct trace *t, const struct options *o);
/* Where -x wants it, a file for this connection. */
int trace_open(struct conn *c, struct trouble *why);
void trace_shut(struct conn *c);
/*
 * One line that was read: `kind` is what stands behind the tag, '~' for a
 * line too long to be shown.
 */
void trace_line(struct conn *c, char kind, const char *p, size_t n);
/*
 * What was sent; `instead`: how a script puts it, where that has variables
 * that must stay secret, or null.  Notes an AUTH in c->auth.
 */
void trace_sent(struct conn *c, char kind, const char *p, size_t n,
    const char *instead);
/* A directive that was done: a word and what follows it, or "". */
void trace_note(struct conn *c, const char *word, const char *rest);

/* ---- POP3, for verbs and for the directive "login": client.c, login.c -- */

/* Reads the greeting and its timestamp. */
int cl_greeting(struct conn *c, struct trouble *why);
/*
 * One command of words up to a null pointer, joined by blanks, and its
 * status line: 1 for +OK, 0 for -ERR, -1 for trouble.
 */
int cl_command(struct conn *c, struct line *reply, struct trouble *why,
    const char *word, ...);
/* The same, where everything but +OK is trouble (PT_WARNING). */
int cl_ok(struct conn *c, struct line *reply, struct trouble *why,
    const char *word, ...);

enum { CAPA_TEXT = 2048 };
/* What CAPA says: lines with '\n' ends in upper case; "" without CAPA. */
int cl_capa(struct conn *c, char text[CAPA_TEXT], struct trouble *why);
/* Does the text have this line, or a line with this word and argument? */
bool capa_has(const char *text, const char *word, const char *arg);
/*
 * From the greeting to TRANSACTION, as -X, -A and the rest say.  Without
 * greeting still to come when c->greeted.
 */
int cl_login(struct conn *c, const char *user, const char *pass,
    struct trouble *why);
/* The answers of the mechanisms; `out` gets text for the wire. */
void login_apop(struct str *out, const char *stamp, const char *pass);
void login_plain(struct str *out, const char *user, const char *pass);
void login_cram(struct str *out, const char *challenge, const char *user,
    const char *pass);

/* ---- the verbs: int verb_x(const struct options *o), an exit status ---- */

int verb_check(const struct options *o);
int verb_capa(const struct options *o);
int verb_stat(const struct options *o);
int verb_list(const struct options *o);	/* list and uidl */
int verb_top(const struct options *o);
int verb_get(const struct options *o);
int verb_dele(const struct options *o);
int verb_fill(const struct options *o);
int verb_run(const struct options *o);
int verb_load(const struct options *o);

/* "pop3test: TEXT" on standard error; the status. */
int say_trouble(const struct trouble *t);
/* The same for a wrong call: PT_UNKNOWN. */
int usage_error(const char *what);

#endif
