/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line-oriented connection with deadlines, over a socket, a pipe or a
 * terminal, and the addresses at its ends.  Times are milliseconds.
 */
#ifndef MD_NETIO_H
#define MD_NETIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct str;

enum {
	NIO_EOF = -1,		/* the peer has closed its side */
	NIO_TIMEOUT = -2,
	NIO_ERROR = -3,		/* errno tells */
	NIO_LONG = -4		/* a line beyond the limit, now discarded */
};

enum { NIO_INPUT = 2048 };	/* octets read ahead at most */

/*
 * Timeouts: for input, one line; for output, any progress, be it only that
 * the peer has acknowledged some of what the kernel holds for it.
 *
 * Replies gather in `obuf` and leave when it is full, when asked, or just
 * before a read would wait: pipelined commands are answered in few writes.
 * The first output failure stays in `failed`, and everything put later is
 * dropped; callers that cannot act on it at once need not look.
 */
struct nio {
	int in, out;
	int failed;		/* 0, NIO_TIMEOUT or NIO_ERROR */
	int timeout;
	int64_t deadline;	/* nio_now() value that ends it all; 0: none */
	size_t ipos, ilen, olen;
	char ibuf[NIO_INPUT];
	char obuf[16384];
};

void nio_init(struct nio *c, int in, int out, int timeout);
int64_t nio_now(void);		/* monotonic */
int64_t nio_usec(void);		/* the same in microseconds */

/*
 * One line of at most `max` octets with its end (CRLF or a bare LF), into
 * `line` (max bytes) without it, NUL-terminated; *len counts NULs inside.
 * Its time runs from when the peer has taken all that was sent to it, and
 * is for the whole line: one that sends a byte now and then gains nothing.
 * 0 or a code above; half a line before EOF is EOF.
 */
int nio_line(struct nio *c, char *line, size_t max, size_t *len);

/* 0, or the failure: also a connection that failed before. */
int nio_put(struct nio *c, const void *p, size_t n);
int nio_puts(struct nio *c, const char *z);
int nio_flush(struct nio *c);

/*
 * Small replies at once, one write each: no Nagle, no delayed ACK stall.
 * And no more than a little unsent in the kernel, which for a slow peer
 * would take megabytes and report room only after a third of them.
 */
void nio_tune(int fd);

/* Wipes the input that has been taken, and what may stand behind it. */
void nio_forget(struct nio *c);

/* IPv4 is kept in its mapped form, so that one address has one shape. */
struct nio_addr {
	unsigned char ip[16];
	uint16_t port;		/* host order */
};

enum { NIO_ADDR_TEXT = 40 };	/* bytes an address takes as text, with NUL */

/* Not an Internet address: -1. */
int nio_addr_from(struct nio_addr *a, const struct sockaddr *sa);
bool nio_addr_is4(const struct nio_addr *a);
void nio_addr_text(struct str *s, const struct nio_addr *a);
/* The peer of a connected socket; -1 for pipes, files and UNIX sockets. */
int nio_peer(int fd, struct nio_addr *a);

#endif
