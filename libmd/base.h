/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base layer: bounded strings, strict numbers, whole writes, options.
 * Nothing here uses stdio or allocates: printf alone would cost more than
 * the whole layer (12 KB of a static binary).
 */
#ifndef MD_BASE_H
#define MD_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A string under construction in a caller's buffer.  It is NUL-terminated
 * at all times; what does not fit is dropped and noted in `cut`, so that a
 * long field shortens a message instead of spoiling it.
 */
struct str {
	char *p;
	size_t len;		/* bytes in use, without the NUL */
	size_t cap;		/* bytes of the buffer, with the NUL; >= 1 */
	bool cut;		/* something was dropped */
};

void str_init(struct str *s, char *buf, size_t cap);
void str_mem(struct str *s, const void *p, size_t n);
void str_put(struct str *s, const char *z);
void str_char(struct str *s, char c);
void str_u64(struct str *s, uint64_t n);
void str_hex(struct str *s, const void *p, size_t n);	/* lower case */
/*
 * Text from outside, safe for a log line or a terminal: bytes below 0x20,
 * backslash, 0x7F and above become \xHH; at most `max` bytes of input are
 * taken, "..." marks the rest.
 */
void str_safe(struct str *s, const void *p, size_t n, size_t max);

/* Bytes before the first `stop`, or before the end. */
size_t str_span(const char *z, char stop);

/* What follows `prefix` in z; null when z does not begin with it. */
const char *str_after(const char *z, const char *prefix);

/* As getenv(3), in a fifth of the code. */
const char *env_get(const char *name);

/*
 * Decimal digits and nothing else: no sign, no blank, no empty string, no
 * value above UINT64_MAX.  Leading zeros are digits.  0, or -1.
 */
int parse_u64(const char *s, uint64_t *out);
/* The same for the digits s begins with: what follows them, or null. */
const char *scan_u64(const char *s, uint64_t *out);

/* ASCII only, so that no locale can change what a keyword is. */
int ascii_lower(int c);

/* For what held a secret: not optimised away, unlike a last memset. */
void wipe(void *p, size_t n);

/* All n bytes, whatever signals come; 0, or -1 with errno. */
int fd_write(int fd, const void *p, size_t n);
/* Strings up to a null pointer; 0, or -1 when not all could be written. */
int fd_puts(int fd, const char *first, ...);

enum {				/* exit statuses, as djb's tools have them */
	EXIT_OK = 0,
	EXIT_USAGE = 100,	/* will fail again: options, configuration */
	EXIT_TEMPORARY = 111
};

/* For what was asked for and had to arrive: a full disk is no success. */
int output_status(int fd_puts_result);
/* Reads up to cap bytes, EINTR-safe; bytes read, 0 at the end, or -1. */
ptrdiff_t fd_read(int fd, void *p, size_t cap);
/* Two descriptors for one open file (an inetd's fd 0 and fd 2)? */
bool fd_same(int a, int b);
bool fd_is_terminal(int fd);
/* All but 0 to 2 and the n in `keep`, whoever opened them. */
void fd_close_others(const int keep[], int n);

/*
 * errno as text, for those that files, sockets and processes give; for
 * the others their number is in *buf.  A table of the libc's size costs
 * 2 KB of a small binary.
 */
enum { ERR_TEXT = 24 };
const char *err_text(int e, char buf[ERR_TEXT]);

/* A signal that a process gets for what it did, not from somebody. */
bool is_fault(int signal);

/*
 * Options in the POSIX way: clusters, values attached or apart, "--" ends.
 * `spec` lists the letters, a colon behind those that take a value.
 * opt_next returns the letter, 0 at the end (argv[i] is the first operand),
 * or one of the codes below; `letter` then names the culprit.
 */
struct opt {
	char **argv;
	const char *spec;
	const char *rest;	/* inside a cluster */
	char *value;
	int i;
	char letter;
};

enum {
	OPT_UNKNOWN = -1,
	OPT_NOVALUE = -2,
	OPT_HELP = -3,		/* --help */
	OPT_VERSION = -4	/* --version */
};

void opt_init(struct opt *o, char **argv, const char *spec);
int opt_next(struct opt *o);

#endif
