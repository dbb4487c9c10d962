/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/worker.o
/*
 * One of the processes that make the load: when its sessions begin, whose
 * they are, and what they tell.
 *
 * In an open loop session k is due at t0 + k / rate, whatever the server
 * does, and all that it waits for from then on counts.  A session that
 * begins late, because no worker was free, keeps half an interval's
 * distance from the one before: what a stall has held up must not come
 * back as a burst that no user would have made.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "fill.h"
#include "load.h"
#include "netio.h"
#include "script.h"

enum {
	AFTER_FAILURE = 100000,	/* microseconds before the next session */
	HOPELESS = 10		/* failures, when nothing has ever worked */
};

void pause_usec(int64_t us)
{
	struct timespec t;

	if (us <= 0)
		return;
	t.tv_sec = (time_t)(us / 1000000);
	t.tv_nsec = (long)(us % 1000000) * 1000;
	nanosleep(&t, NULL);
}

/*
 * One who was killed while he had the lock does not come back, and what he
 * had to do was short: so it is taken from him after a second or two.
 */
void shared_lock(uint32_t *lock)
{
	for (int i = 0; i < 10000; i++) {
		if (!__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
			return;
		pause_usec(100);
	}
}

void shared_unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* ---- what happened ------------------------------------------------------ */

static void failure_note(struct shared *sh, const struct trouble *why)
{
	uint32_t i = 0;

	shared_lock(&sh->lock);
	while (i < sh->failures && strcmp(sh->failure[i].text, why->text))
		i++;
	if (i == sh->failures && i < FAILURES) {
		memcpy(sh->failure[i].text, why->text, sizeof why->text);
		sh->failures++;
	}
	if (i < FAILURES)
		sh->failure[i].count++;
	shared_unlock(&sh->lock);
}

uint32_t load_failed(const struct shared *sh)
{
	uint32_t n = 0;

	for (int i = 0; i <= PT_UNKNOWN; i++)
		n += shared_get(&sh->failed[i]);
	return n;
}

static void took(struct timing *t, enum pt_verb verb, int64_t began,
    int64_t ended, uint64_t octets, bool ok)
{
	struct worker *w = (struct worker *)t;
	struct shared *sh = w->l->sh;

	hist_add(&sh->service[verb], ended - began);
	if (w->l->o->rate)
		hist_add(&sh->response[verb], ended - began + w->late);
	w->tally->octets[verb] += octets;
	w->tally->errors[verb] += !ok;
}

/* ---- when --------------------------------------------------------------- */

/*
 * A time to begin, not before `due`: taken by all workers in turn, so that
 * each keeps its distance from the last.  That is kept in 32 bits, of
 * which the longest interval, 1000 s, takes less than half: so what is
 * above half of them is negative.
 */
static int64_t reserve(const struct load *l, int64_t due)
{
	uint32_t half = 500000000 / l->o->rate;
	uint32_t *last = &l->sh->last_start;
	uint32_t before = shared_get(last);
	int64_t start, now = nio_usec();

	do {
		uint32_t ahead;

		start = due > now ? due : now;
		ahead = before + half - (uint32_t)(start - l->sh->t0);
		if (ahead <= INT32_MAX)
			start += ahead;
	} while (!__atomic_compare_exchange_n(last, &before,
	    (uint32_t)(start - l->sh->t0), 0, __ATOMIC_ACQ_REL,
	    __ATOMIC_ACQUIRE));
	return start;
}

/* No worker was free: to oversleep a little is something else. */
static void count_late(struct worker *w)
{
	uint32_t *worst = &w->l->sh->latest, so_far = shared_get(worst);
	uint32_t late = (uint32_t)w->late;

	if (w->late < LATE)
		return;
	shared_add(&w->l->sh->late, 1);
	while (so_far < late && !__atomic_compare_exchange_n(worst, &so_far,
	    late, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

/* Waits until the next session is due; false: there is none. */
static bool next_session(struct worker *w)
{
	const struct load *l = w->l;
	uint32_t k = shared_add(&l->sh->next, 1);
	int64_t start = nio_usec(), due = start;

	if (shared_get(&l->sh->stop) || (l->o->count && k >= l->o->count))
		return false;
	if (l->o->rate) {
		due = l->sh->t0 + (int64_t)((uint64_t)k * 1000000000 /
		    l->o->rate);
		if (due < l->sh->end)
			start = reserve(l, due);
	}
	if (due >= l->sh->end || start >= l->sh->end)
		return false;
	w->late = start - due;
	count_late(w);
	if (l->o->rate) {
		pause_usec(start - nio_usec());
		w->late = nio_usec() - due;
	}
	return true;
}

/* ---- who ---------------------------------------------------------------- */

/* The next user whom no other worker has; there are as many as workers. */
static uint32_t take_user(const struct load *l)
{
	for (;;) {
		uint32_t u = shared_add(&l->sh->next_user, 1) % l->users.n;

		if (!__atomic_exchange_n(&l->taken[u], 1, __ATOMIC_ACQUIRE))
			return u;
	}
}

static void set_user(const struct worker *w, struct run *run, uint32_t u)
{
	const struct user *user = &w->l->users.user[u];

	run_set(run, "user", user->name);
	run_set(run, "pass", user->pass);
}

/* ---- barriers ----------------------------------------------------------- */

static uint32_t *barrier_find(struct shared *sh, const char *name)
{
	uint32_t id = 1;

	for (const char *p = name; *p; p++)
		id = id * 31 + (unsigned char)*p;
	for (int i = 0; i < BARRIERS; i++) {
		uint32_t is = 0;

		if (__atomic_compare_exchange_n(&sh->barrier[i].id, &is, id,
		    0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) || is == id)
			return &sh->barrier[i].arrived;
	}
	return NULL;
}

static int nobody_came(const char *name, uint32_t missing, unsigned n,
    struct trouble *why)
{
	const uint64_t numbers[] = { missing, n };
	char text[64];
	struct str s;

	str_init(&s, text, sizeof text);
	put_form(&s, ": # of # workers have not come", numbers);
	return trouble_set(why, PT_WARNING, ST_OWN, "barrier ", name, s.p,
	    (char *)NULL);
}

/*
 * Waits until n workers are here.  Who gives up goes away again, unless it
 * is full by then: the next round's count would be wrong.
 */
static int barrier(struct run *r, const char *name, unsigned n,
    struct trouble *why)
{
	const struct worker *w = r->ctx;
	uint32_t *arrived = barrier_find(w->l->sh, name);
	int64_t until = nio_usec() + (int64_t)r->timeout * 1000;
	uint32_t full, now;

	if (!arrived || n == 0)
		return trouble_set(why, PT_UNKNOWN, ST_OWN, "barrier ", name,
		    n ? ": too many barriers" : ": of nobody", (char *)NULL);
	if (n > w->l->workers)
		return nobody_came(name, n - w->l->workers, n, why);
	full = (shared_add(arrived, 1) / n + 1) * n;
	while ((now = shared_get(arrived)) < full) {
		if (nio_usec() < until)
			pause_usec(1000);
		else if (__atomic_compare_exchange_n(arrived, &now, now - 1,
		    0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return nobody_came(name, full - now, n, why);
	}
	return 0;
}

/* ---- sessions ----------------------------------------------------------- */

/* A script that had nothing to do here would look like a fast server. */
static int run_script(struct run *run, struct trouble *why)
{
	uint32_t passed = run->passed;
	int e = run_once(run);

	*why = run->why;
	if (e == 0 && run->passed == passed)
		e = trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "the script does nothing here: ", run->reason,
		    (char *)NULL);
	return e;
}

/* 1, 0 for one that another session has kept out, or -1. */
static int session(struct worker *w, struct run *run, struct trouble *why)
{
	const struct load *l = w->l;
	uint32_t u;
	int e;

	if (l->drops)
		return ledger_session(w, l->users.n ? random_next(&w->random)
		    % l->users.n : 0, why);
	if (!l->users.n)
		return run_script(run, why) == 0 ? 1 : -1;
	u = take_user(l);
	set_user(w, run, u);
	e = run_script(run, why);
	shared_unlock(&l->taken[u]);
	return e == 0 ? 1 : -1;
}

static void one_session(struct worker *w, struct run *run)
{
	struct shared *sh = w->l->sh;
	struct trouble why;
	int64_t began = nio_usec();
	int e;

	shared_add(&sh->started, 1);
	w->tally->due = began - w->late;
	w->tally->began = began;
	e = session(w, run, &why);
	w->tally->began = 0;
	if (e == 0) {
		shared_add(&sh->busy, 1);
		return;
	}
	took(&w->timing, V_SESSION, began, nio_usec(), 0, e > 0);
	if (e > 0) {
		shared_add(&sh->ok, 1);
		return;
	}
	shared_add(&sh->failed[why.status], 1);
	failure_note(sh, &why);
}

static void begin_run(struct worker *w, struct run *run)
{
	char number[24];
	struct str s;

	run_init(run, w->l->o, w->l->script);
	run->timing = &w->timing;
	run->barrier = barrier;
	run->ctx = w;
	str_init(&s, number, sizeof number);
	str_u64(&s, w->number + 1);
	run_set(run, "i", number);
}

static struct run run;

/* Takes $dir along; it is all system calls. */
static void ended(int sig)
{
	run_remove_dir(&run);
	signal(sig, SIG_DFL);
	kill(getpid(), sig);
}

void worker_run(const struct load *l, uint32_t number)
{
	struct worker w = {
		.timing = { took }, .l = l, .tally = &l->tally[number],
		.number = number,
		.random = random_begin(l->seed, number + 1)
	};
	uint32_t streak = 0;

	signal(SIGTERM, ended);
	if (l->script)
		begin_run(&w, &run);
	while (next_session(&w)) {
		uint32_t before = w.tally->errors[V_SESSION];

		one_session(&w, &run);
		if (w.tally->errors[V_SESSION] == before) {
			streak = 0;
			continue;
		}
		if (++streak >= HOPELESS && shared_get(&l->sh->ok) == 0)
			break;
		if (!l->o->rate)
			pause_usec(AFTER_FAILURE);
	}
	if (l->script)
		run_end(&run);
}
