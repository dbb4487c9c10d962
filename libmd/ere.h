/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * POSIX extended regular expressions over bytes, in the C locale.  Time is
 * linear in the text whatever the expression, because the text may come
 * from a hostile peer: all the ways to match go on side by side, none is
 * tried after another.  regcomp(3) and regexec(3) of a static libc would
 * cost 49 KB.
 *
 * All of ERE is here: . [...] [^...] [a-z] [[:alpha:]] * + ? {m} {m,}
 * {m,n} | ( ) ^ $ and quoting with a backslash.  What POSIX leaves
 * undefined is an error (a quoted letter or digit, nothing before a *, a {
 * that counts nothing), but an alternative may be empty: (a|), ().
 * Collating elements, [.x.] and [=x=], are errors: bytes have none.
 *
 * Which text a group takes: where the whole can match in several ways, the
 * left alternative is preferred, and of a repetition as many turns as
 * possible, the leftmost first (as in Perl).  POSIX asks for the longest
 * for each group from the left instead: (a|ab)(c|bcd)? takes "a" and "bcd"
 * of "abcd" here.  Of several turns the last one shows, and a turn that
 * takes nothing is not made behind others.  Whether something matches does
 * not depend on any of it.
 */
#ifndef MD_ERE_H
#define MD_ERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ERE_NODES = 512,	/* x{2,5} takes five times x's, and 3 */
	ERE_SETS = 32,		/* bracket expressions */
	ERE_DEPTH = 16,		/* groups in groups */
	ERE_REPEAT = 255,	/* m and n: RE_DUP_MAX of POSIX */
	ERE_GROUPS = 10		/* the whole, and the groups told about */
};

struct ere_node {
	uint8_t op;
	uint8_t arg;		/* byte, set or group boundary */
	int16_t to;		/* the other way, from this node on */
};

struct ere {
	unsigned nodes, sets;
	struct ere_node node[ERE_NODES];
	unsigned char set[ERE_SETS][32];
};

struct ere_span {
	const char *p;		/* null: the group has no part in it */
	size_t len;
};

/* 0, or -1 with a static text and the offset in the pattern it is about. */
int ere_compile(struct ere *e, const char *pattern, const char **error,
    size_t *at);

/*
 * Does the text (less than 4 GB, NULs are bytes as any others) match as a
 * whole, or else in a part?  1 or 0.  A whole match also tells its groups:
 * groups[0] is the text, those from ERE_GROUPS on are null.  The memory it
 * works in is its own, so not for two threads, nor for signal handlers.
 */
int ere_match(const struct ere *e, const char *text, size_t n, bool whole,
    struct ere_span *groups, unsigned ngroups);

#endif
