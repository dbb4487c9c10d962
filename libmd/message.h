/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stored bytes to wire bytes (RFC 1939 section 3), in one place: what
 * counts a message's size and what sends it differ only in the sink, so a
 * size that is not what RETR sends cannot come about.
 *
 * A line ends at LF; the CR that is missing before it is supplied.  A lone
 * CR is data.  A last line without its end gets one (CRLF, or just LF after
 * a final CR).  A dot that begins a line is doubled, also the first byte of
 * the message and also after a bare LF, since that becomes CRLF; a dot
 * after a lone CR is not, since no client would take it back out.  Nothing
 * else is touched: NULs, 8-bit bytes and lines of any length pass.
 */
#ifndef MD_MESSAGE_H
#define MD_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes wire bytes; 0, or a negative code that ends the transfer. */
typedef int msg_sink(void *ctx, const void *p, size_t n);

#define MSG_ALL UINT64_MAX	/* as a number of body lines: no limit */

struct msg {
	msg_sink *sink;		/* null: only count */
	void *ctx;
	uint64_t octets;	/* RFC 1939 size so far, doubled dots aside */
	uint64_t stored;	/* bytes taken in so far */
	uint64_t lines_left;	/* of the body, for TOP */
	unsigned char last;	/* the stored byte before this one */
	bool body;		/* the blank line has passed */
	bool blank;		/* this line is empty so far (a CR aside) */
	bool full;		/* TOP has all it wants: the rest is ignored */
};

/* `lines` of body after the headers (TOP), or MSG_ALL. */
void msg_begin(struct msg *m, uint64_t lines, msg_sink *sink, void *ctx);
/* 0, or what the sink returned. */
int msg_add(struct msg *m, const void *p, size_t n);
int msg_end(struct msg *m);

/*
 * A whole file, from its current position, through `buf`.  0, the sink's
 * code, or -errno of a read error: then the end was not added.
 */
int msg_file(struct msg *m, int fd, void *buf, size_t cap);

#endif
