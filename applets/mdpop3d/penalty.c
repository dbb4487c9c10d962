/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_LISTEN) += applets/mdpop3d/penalty.o
#include "penalty.h"

#include <string.h>

/* Behind these prefixes each host has an address of its own. */
static bool is_shared(const struct nio_addr *a)
{
	static const unsigned char nat64[8] = { 0x00, 0x64, 0xFF, 0x9B };
	static const unsigned char link[8] = { 0xFE, 0x80 };

	return nio_addr_is4(a) || memcmp(a->ip, nat64, 8) == 0 ||
	    memcmp(a->ip, link, 8) == 0;
}

bool same_source(const struct nio_addr *a, const struct nio_addr *b)
{
	return memcmp(a->ip, b->ip, is_shared(a) ? sizeof a->ip : 8) == 0 &&
	    is_shared(a) == is_shared(b);
}

/*
 * The source's entry, or else the one that owes least: all that have paid
 * come before any that has not, so that nobody has to clear the table.
 */
static unsigned entry(const struct penalty *table, const struct nio_addr *from)
{
	unsigned least = 0;

	for (unsigned i = 0; i < PENALTY_SOURCES; i++) {
		if (same_source(&table[i].from, from))
			return i;
		if (table[i].until < table[least].until)
			least = i;
	}
	return least;
}

void penalty_add(struct penalty *table, const struct nio_addr *from,
    int64_t cost, int64_t most, int64_t now)
{
	struct penalty *p = &table[entry(table, from)];

	if (p->until < now || !same_source(&p->from, from))
		p->until = now;
	p->from = *from;
	p->until += cost;
	if (p->until > now + most)
		p->until = now + most;
}

bool penalty_refuses(const struct penalty *table,
    const struct nio_addr *from, int64_t most, int64_t now)
{
	const struct penalty *p = &table[entry(table, from)];
	int64_t free = most / 2 < PENALTY_FREE ? most / 2 : PENALTY_FREE;

	return same_source(&p->from, from) && p->until - now > free;
}
