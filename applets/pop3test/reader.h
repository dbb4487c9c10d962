/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between script.c, which reads scripts, and directives.c. */
#ifndef POP3TEST_READER_H
#define POP3TEST_READER_H

#include "script.h"

struct reader {
	struct script *s;
	struct trouble *why;
	uint32_t file;		/* offset of its name */
	uint32_t number;
	uint32_t next;		/* offset of the line after this one */
	uint32_t end;		/* and of the file's end */
	unsigned depth;
	unsigned loops;
	uint32_t loop[NESTING];
};

/* -1: FILE:LINE: what; and the line, with a caret below `place`. */
int reader_wrong(struct reader *r, const char *line, const char *place,
    const char *what);
/* Are all words at p names? */
int reader_names(struct reader *r, const char *line, const char *p);
/* A line with a directive: which, what follows, and whether it may. */
int directive_check(struct reader *r, const char *text, enum op *op,
    const char **arg);

#endif
