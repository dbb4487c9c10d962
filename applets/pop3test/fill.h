/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages made up, whose bytes can be checked after a transfer: fill.c */
#ifndef POP3TEST_FILL_H
#define POP3TEST_FILL_H

#include "maildir.h"
#include "pop3test.h"

/*
 * Bodies.  The first is plain text; those before FILL_ODD are odd in ways
 * that servers agree about (tried: Dovecot, Courier, Mailutils).  About the
 * rest they do not: bytes or sizes come out different here and there.
 */
enum fill_form {
	FILL_PLAIN, FILL_DOT, FILL_DOTS, FILL_FIRST_DOT, FILL_LONE_CR,
	FILL_NUL, FILL_8BIT, FILL_LONG_LINE, FILL_EMPTY, FILL_BLANK,
	FILL_FROM, FILL_ODD,
	FILL_NO_NEWLINE = FILL_ODD, FILL_MIXED, FILL_FINAL_CR,
	FILL_CR_CR_LF, FILL_DOT_FILE, FILL_ALL
};

/*
 * Writes a message of `size` octets as on the wire (RFC 1939 section 11),
 * or of the fewest that its form has; a FILL_EMPTY one is as large as its
 * header.  Everything in it follows from the arguments.  Its X-Pop3test-MD5
 * is that of what follows the header block, as on the wire, un-stuffed.
 * 0, or -1 with errno.
 */
int fill_message(int fd, uint64_t size, uint32_t seed, uint32_t number,
    enum fill_form form);

/* Opens a Maildir; what is missing of it, or all of it, is made.  get.c */
int fill_maildir(struct md *md, const char *path, struct trouble *why);

/*
 * Numbers that look random and follow from the seed: not for secrets.  Each
 * stream has others.
 */
uint32_t random_begin(uint32_t seed, uint32_t stream);
uint32_t random_next(uint32_t *state);

#endif
