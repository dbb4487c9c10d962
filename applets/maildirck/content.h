/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between bytes.c, content.c, rewrite.c and files.c: a message's bytes. */
#ifndef MAILDIRCK_CONTENT_H
#define MAILDIRCK_CONTENT_H

#include "maildirck.h"

/* What a header shows. */
struct head {
	size_t start;		/* behind a From_ line */
	size_t end;		/* behind the empty line; 0: not seen */
	unsigned fields;
	uint16_t known;		/* fields that mail has, a bit each */
	bool from;		/* mbox's line before it */
	bool folded;		/* begins with a folded line */
	bool trace;		/* the first field is a mail server's */
	bool text;		/* Content-Type: text, so no multipart */
};

enum { HEAD_IDS = 7 };		/* of `known`: From, Date, Message-ID */

void head_look(struct head *h, const char *p, size_t n);

/* What all bytes show, in one pass; zero, but for the boundary. */
struct bytes {
	uint64_t at;		/* of the next byte in the file */
	uint64_t lf, crlf, cr, nul;
	uint64_t nul_run, nul_end;	/* the last run of NULs, its end */
	uint64_t nul_first, nul_longest;
	uint64_t line, longest;	/* begin of the line at hand */
	uint64_t froms;		/* From_ lines behind empty ones */
	char boundary[74];	/* "--", what multiparts have, and "--" */
	size_t nboundary;	/* 0: none */
	bool empty_line, closed;
};

/*
 * The bytes from p to `end`; up to `top` one may look ahead.  p[-1] is the
 * byte before, or LF at the begin.
 */
void bytes_look(struct bytes *b, const unsigned char *p,
    const unsigned char *end, const unsigned char *top);

/* One buffer for all: a byte before it, for p[-1]. */
enum { ROOM = 65536 };
extern unsigned char content_room[1 + ROOM];

/* Z01 and Z04; `seen`: the file is not compressed. */
void file_sizes(struct ck *ck, struct entry *e, bool seen);
/* Where e is to go: name_fixed(), or a fresh name where that is taken. */
void entry_target(struct ck *ck, const struct entry *e, struct str *path);
/* Where a time cannot be that of a delivery (C14). */
bool content_odd_time(const struct ck *ck, int64_t t);
/* The time it should have; false where nothing tells. */
bool content_time(struct ck *ck, const struct entry *e, int64_t *t);

#endif
