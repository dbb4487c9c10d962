/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger: what all sessions together know of a user's maildrop, and
 * what no server may do to it.  Sessions are ledger.c, the rules maildrop.c.
 */
#ifndef POP3TEST_LEDGER_H
#define POP3TEST_LEDGER_H

#include "load.h"

enum {
	MESSAGES = 4096,	/* of a user, that are followed */
	UID_SIZE = 71,		/* RFC 1939 section 7: 70 octets; and a NUL */
	SUM_SIZE = 16		/* of the 32 digits of an MD5, enough of them */
};

enum state {
	HERE,
	LEAVING,		/* a QUIT is on its way */
	GONE,
	UNSURE			/* nobody can say: both are right */
};

struct message {
	uint64_t octets;	/* as LIST has it */
	uint32_t seen, left;	/* when, by the maildrop's clock */
	uint32_t listing;	/* v->began of who listed it last, */
	uint32_t place;		/* as this number */
	uint8_t state;
	bool spared;		/* was marked, and then there was no QUIT */
	char sum[SUM_SIZE];	/* of what RETR gave; NUL first: nothing yet */
	char uid[UID_SIZE];
};

struct maildrop {		/* shared; at one address for all workers */
	uint32_t inside;	/* sessions that are logged in */
	uint32_t entered;	/* that ever were */
	uint32_t left;		/* milliseconds from t0, of the last end */
	uint32_t lock;		/* of what follows */
	uint32_t unfollowed;
	uint32_t clock;		/* counts events */
	uint32_t n;		/* messages */
	struct message m[MESSAGES];
};

/* A session, and what it has seen. */
struct visit {
	struct worker *w;
	struct maildrop *d;
	const char *user;
	struct conn *c;
	uint32_t began;		/* by the clock, before the login */
	uint32_t entered;	/* as d->entered was then */
	uint64_t count, octets;	/* as STAT said */
	uint64_t listed, sum;	/* by LIST, so far */
	uint64_t named;		/* by UIDL, so far */
	uint32_t at;		/* which message was named last, */
	uint32_t listing, place;	/* and its own, before */
	/* by number, from 1: which it is (null: not followed), how large */
	struct message *message[MESSAGES + 1];
	uint64_t size[MESSAGES + 1];
	bool marked[MESSAGES + 1];
	bool seen[MESSAGES];	/* by message */
};

/* Which rule is broken, and how, as a form for a and b; `uid` may be "". */
void violation(const struct visit *v, const char *uid, const char *form,
    uint64_t a, uint64_t b);

void drop_begin(struct visit *v);
/* UIDL says that message `number` is this one. */
void drop_name(struct visit *v, uint64_t number, const char *uid);
/* It has said all. */
void drop_named(struct visit *v);
/* What RETR has given. */
void drop_fetched(struct visit *v, unsigned number, const struct body *b);
/* A command about it was refused. */
void drop_refused(struct visit *v, unsigned number, const char *verb);
/* What is marked and in one of these states (bits) is in that one now. */
void drop_move(struct visit *v, unsigned from, enum state to);

#endif
