/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listener's children, and what it makes of them, for listen.c. */
#ifndef MDPOP3D_CHILDREN_H
#define MDPOP3D_CHILDREN_H

#include "mdpop3d.h"
#include "penalty.h"

struct child {
	pid_t pid;
	struct nio_addr from;
	bool known;		/* has logged in, or need not */
};

struct children {
	const struct conf *conf;
	int notes;		/* where the pipe of listen_note is read */
	struct penalty *penalty;	/* one mapping with `child` */
	struct child *child;
	unsigned n;
	unsigned strangers;	/* of these, who has not logged in */
};

/* 0, or -1 with errno. */
int children_open(struct children *c, const struct conf *conf);
/* In a child: what stays is the way to the listener, for listen_note. */
void children_leave(struct children *c);

/* Why not to serve this source; null: there is room for it. */
const char *children_objection(const struct children *c,
    const struct nio_addr *from);
void children_add(struct children *c, pid_t pid, const struct nio_addr *from);
/* Takes their notes, and off the table who has ended. */
void children_reap(struct children *c);

#endif
