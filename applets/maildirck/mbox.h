/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mbox files (RFC 4155; ">From " unquoted as mboxrd has it).
 *
 * A message begins behind a From_ line with a date that is the first of
 * the file or follows an empty line.  That empty line belongs to the mbox,
 * not to the message, unless it is the one that ends the header.
 */
#ifndef MAILDIRCK_MBOX_H
#define MAILDIRCK_MBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mbox {
	int fd;
	int (*put)(void *ctx, const void *p, size_t n);
	void *ctx;
	int64_t date;		/* of the last message's From_ line, or 0 */
	int64_t next_date;	/* of the From_ line read ahead */
	size_t pos, len, keep;	/* in the buffer, which all share */
	size_t hold;		/* bytes of an empty line before pos */
	bool more;		/* a message begins at pos */
	bool part;		/* of a line, the rest is to come */
	bool blank, body, any, eof, seen;
};

/*
 * One mbox at a time: the buffer is static.  mbox_begin reads from where
 * fd stands.  Text before the first From_ line is a message too.
 */
void mbox_begin(struct mbox *m, int fd);
/*
 * Copies one message to put(), unquoted, without its From_ line, in large
 * pieces; it may be empty.  1; 0 at the end; -errno of a read; or what
 * put() returned, if that is not 0 (return negative values there).
 */
int mbox_next(struct mbox *m, int (*put)(void *ctx, const void *p, size_t n),
    void *ctx);

/* A From_ line (with or without its end) with a date: date.h reads it. */
bool mbox_is_from(const char *line, size_t n);

#endif
