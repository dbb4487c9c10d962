/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load runs: a parent (load.c), its workers (worker.c), the table of what
 * they saw (ledger.c, maildrop.c) and the report (loadout.c).
 *
 * They share one mapping.  What several of them change are 32-bit numbers,
 * by atomic operations; the rest is either written by one worker only or
 * under a lock.
 */
#ifndef POP3TEST_LOAD_H
#define POP3TEST_LOAD_H

#include "hist.h"
#include "maildir.h"
#include "pop3test.h"

struct script;

enum {
	WORKERS = 10,		/* of -n, and the seconds of -d */
	FAILURES = 5,		/* distinct texts that are kept */
	BARRIERS = 16,
	LATE = 1000		/* microseconds: later starts are late ones */
};

/* ---- names and passwords of -U: users_file.c ---- */

struct user {
	const char *name, *pass;
};

struct users {			/* all zero: none */
	struct md_area text, list;
	const struct user *user;
	uint32_t n;
};

int users_read(struct users *u, const char *path, struct trouble *why);

/* ---- shared memory ---- */

struct failure {		/* a reason, and how often */
	uint32_t count;
	char text[TROUBLE_TEXT];
};

struct tally {			/* what one worker counts */
	pid_t pid;
	int64_t due, began;	/* of the session at hand; 0: none */
	uint32_t errors[PT_VERBS];
	uint64_t octets[PT_VERBS];
};

struct shared {
	int64_t t0, end;	/* set before the workers go */
	uint32_t stop;		/* somebody wants the end */
	uint32_t next;		/* session to be given out */
	uint32_t last_start;	/* of all; low bits of microseconds from t0 */
	uint32_t next_user;
	uint32_t started, ok, busy, late, latest;
	uint32_t failed[PT_UNKNOWN + 1];	/* sessions, by status */
	uint32_t violations;	/* of the ledger's rules */
	uint32_t lock;		/* of what follows */
	uint32_t failures;
	struct failure failure[FAILURES];
	struct { uint32_t id, arrived; } barrier[BARRIERS];
	struct hist service[PT_VERBS], response[PT_VERBS];
};

struct load {
	const struct options *o;
	const struct script *script;	/* null: the ledger */
	struct shared *sh;
	struct tally *tally;		/* a row of workers */
	struct maildrop *drops;		/* a row of users; of the ledger */
	uint32_t *taken;		/* a row of users: in use? */
	struct users users;
	uint32_t workers;
	uint32_t seed;
	unsigned delete_percent;
	/* what the parent finds out */
	int64_t ended;
	uint32_t crashed, cut, missed;
	bool interrupted;
};

static inline uint32_t shared_add(uint32_t *p, uint32_t n)
{
	return __atomic_fetch_add(p, n, __ATOMIC_ACQ_REL);
}

static inline uint32_t shared_get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Short ones: nothing is waited for under them. */
void shared_lock(uint32_t *lock);
void shared_unlock(uint32_t *lock);

/* ---- workers: worker.c ---- */

struct worker {
	struct timing timing;	/* first: what connections report to */
	const struct load *l;
	struct tally *tally;
	uint32_t number;	/* from 0 */
	uint32_t random;
	int64_t late;		/* how much after its time this session began */
};

void pause_usec(int64_t us);
uint32_t load_failed(const struct shared *sh);	/* sessions */
/* Sessions until the end of the run. */
void worker_run(const struct load *l, uint32_t number);

/* ---- the ledger: ledger.c, maildrop.c ---- */

enum { LEDGER_USERS = 64 };

size_t ledger_size(void);	/* of a maildrop */
/* One session: 1, 0 when another one is in, or -1. */
int ledger_session(struct worker *w, uint32_t user, struct trouble *why);
/* Messages that did not fit in, of all users. */
uint32_t ledger_unfollowed(const struct load *l);

/* ---- the report: loadout.c ---- */

/*
 * A text with numbers: each row of '#' is one, right in a column as wide as
 * the row; each row of '@' thousandths, with a dot.
 */
void put_form(struct str *s, const char *form, const uint64_t *n);
/* The exit status: this one, unless it cannot be written. */
int load_report(const struct load *l, int status);
void load_progress(const struct load *l, int64_t now);

#endif
