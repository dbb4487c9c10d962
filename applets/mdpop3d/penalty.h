/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sources of trouble owe: time, in ms, that passes by itself and
 * that trouble adds to.  Who owes much is refused, who owes little is not:
 * to mistype a password twice must not lock anybody out.
 *
 * A source is an IPv4 address or an IPv6 network of 64 bits, which is what
 * one customer has.
 */
#ifndef MDPOP3D_PENALTY_H
#define MDPOP3D_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "netio.h"

enum {
	PENALTY_SOURCES = 256,
	PENALTY_FREE = 15000	/* ms a source may owe and still be served */
};

/* A table begins as PENALTY_SOURCES of these, all zero: owes nothing. */
struct penalty {
	int64_t until;		/* nio_now() value at which all is paid */
	struct nio_addr from;
};

bool same_source(const struct nio_addr *a, const struct nio_addr *b);

/*
 * Adds `cost` to what a source owes at `now`, but to no more than `most`.
 * In a full table it takes the place of the one that owes least.
 */
void penalty_add(struct penalty *table, const struct nio_addr *from,
    int64_t cost, int64_t most, int64_t now);

/*
 * Does it owe more than is served?  That is half of `most` where this is
 * less than PENALTY_FREE: a short limit is to be felt as well.
 */
bool penalty_refuses(const struct penalty *table,
    const struct nio_addr *from, int64_t most, int64_t now);

#endif
