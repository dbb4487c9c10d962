/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/maildrop.o
/*
 * What is known of a maildrop, and the rules.
 *
 * A clock that counts events orders sessions.  What one lists is how things
 * were at some moment after it began and before it tells us.  So:
 *
 *  - A message whose deletion was confirmed before it began must be gone.
 *  - One that was known before it began, and that no QUIT was sent for
 *    until now, must be there: DELE alone does nothing.
 *  - While a QUIT is on its way, and when its answer got lost, both are
 *    right; after a session that began later and does not see the message,
 *    it is gone for good.
 *
 * Each message remembers who listed it last, and as which number.  Two that
 * stand in a row and were last listed by the same session must have had the
 * same order there.  More cannot be asked: listings of sessions that are in
 * at the same time reach us in any order.
 */
#include <string.h>

#include "ledger.h"
#include "verbs.h"

enum { VIOLATIONS_SHOWN = 20 };

size_t ledger_size(void)
{
	return sizeof(struct maildrop);
}

uint32_t ledger_unfollowed(const struct load *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < (l->users.n ? l->users.n : 1); i++)
		n += l->drops[i].unfollowed;
	return n;
}

/* ---- violations --------------------------------------------------------- */

/* One write: other workers may have something to say, too. */
static void show(const struct options *o, const char *const field[3])
{
	static const char lead[2][3][12] = {
		{ "violation: ", "; user ", ", uid " },
		{ "{\"rule\":", ",\"user\":", ",\"uid\":" }
	};
	static struct out out;
	char safe[4 * SECRET_MAX];
	struct str s;

	out_stdout(&out, o);
	for (int i = 0; i < 3; i++) {
		size_t n = strlen(field[i]);

		out_put(&out, lead[o->json][i]);
		if (o->json) {
			out_json(&out, field[i], n);
			continue;
		}
		str_init(&s, safe, sizeof safe);
		str_safe(&s, field[i], n, n);
		out_put(&out, s.p);
	}
	out_put(&out, o->json ? "}\n" : "\n");
	out_flush(&out);
}

void violation(const struct visit *v, const char *uid, const char *form,
    uint64_t a, uint64_t b)
{
	char text[160];
	const char *const field[3] = { text, v->user, uid };
	const uint64_t n[2] = { a, b };
	struct str s;

	if (shared_add(&v->w->l->sh->violations, 1) >= VIOLATIONS_SHOWN)
		return;
	str_init(&s, text, sizeof text);
	put_form(&s, form, n);
	show(v->w->l->o, field);
}

/* ---- what is listed ----------------------------------------------------- */

void drop_begin(struct visit *v)
{
	shared_lock(&v->d->lock);
	v->began = ++v->d->clock;
	shared_unlock(&v->d->lock);
	v->entered = shared_get(&v->d->entered);
}

/* Looks behind the one before it first: there it is, as a rule. */
static struct message *find(struct maildrop *d, uint32_t *at,
    const char *uid)
{
	for (uint32_t i = 0; i < d->n; i++) {
		if (++*at >= d->n)
			*at = 0;
		if (strcmp(d->m[*at].uid, uid) == 0)
			return &d->m[*at];
	}
	return NULL;
}

static struct message *add(struct maildrop *d, const char *uid,
    uint64_t size)
{
	struct message *m = &d->m[d->n];
	size_t n = strlen(uid) + 1;

	if (d->n == MESSAGES || n > UID_SIZE) {
		d->unfollowed++;
		return NULL;
	}
	d->n++;
	memcpy(m->uid, uid, n);
	m->octets = size;
	m->seen = ++d->clock;
	return m;
}

/* Under the lock; what is wrong, or null.  It is said once. */
static const char *judge_listed(const struct visit *v, struct message *m)
{
	if (m->state != GONE || m->left > v->began)
		return NULL;
	m->state = UNSURE;
	return "back: deleted for good at event #, there in a session that "
	    "began at #";
}

/* What is not there must have been deleted. */
static const char *judge_absent(const struct visit *v, struct message *m)
{
	uint8_t state = m->state;

	if ((state != HERE || m->seen > v->began) &&
	    (state != UNSURE || m->left > v->began))
		return NULL;
	m->state = state == HERE ? UNSURE : GONE;
	m->left = ++v->d->clock;
	return state != HERE ? NULL : m->spared ?
	    "undone: gone after DELE without QUIT; there at event #, not in "
	    "a session that began at #" :
	    "lost: nobody deleted it; there at event #, not in a session "
	    "that began at #";
}

static void check_size(struct visit *v, struct message *m, uint64_t number)
{
	uint64_t size = v->size[number], before = m->octets;

	v->message[number] = m;
	m->octets = size;
	if (size != before)
		violation(v, m->uid, "bytes: LIST says # octets, but said #",
		    size, before);
}

/* Under the lock: does it stand where it should not?  It moves there. */
static bool misplaced(struct visit *v, struct message *m, uint32_t number)
{
	bool behind = m->listing == v->listing && m->place < v->place;

	if (m->listing) {
		v->listing = m->listing;
		v->place = m->place;
	}
	m->listing = v->began;
	m->place = number;
	return behind;
}

void drop_name(struct visit *v, uint64_t number, const char *uid)
{
	struct maildrop *d = v->d;
	const char *wrong = NULL;
	bool *seen, again = false, odd = false;
	struct message *m;

	shared_lock(&d->lock);
	m = find(d, &v->at, uid);
	if (!m)
		m = add(d, uid, number <= MESSAGES ? v->size[number] : 0);
	if (m) {
		seen = &v->seen[m - d->m];
		again = *seen;
		*seen = true;
		wrong = judge_listed(v, m);
		odd = !again && misplaced(v, m, (uint32_t)number);
	}
	shared_unlock(&d->lock);
	if (wrong)
		violation(v, uid, wrong, m->left, v->began);
	if (again)
		violation(v, uid, "twice: number # is among the # before it",
		    number, number - 1);
	if (odd)
		violation(v, uid, "order: number # has been before number #",
		    number, number - 1);
	if (m && !again && number <= MESSAGES)
		check_size(v, m, number);
}

void drop_named(struct visit *v)
{
	struct maildrop *d = v->d;

	for (uint32_t i = 0; i < shared_get(&d->n); i++) {
		const char *wrong;

		if (v->seen[i])
			continue;
		shared_lock(&d->lock);
		wrong = judge_absent(v, &d->m[i]);
		shared_unlock(&d->lock);
		if (wrong)
			violation(v, d->m[i].uid, wrong, d->m[i].seen,
			    v->began);
	}
}

/* ---- what is fetched, what is deleted ----------------------------------- */

void drop_fetched(struct visit *v, unsigned number, const struct body *b)
{
	struct message *m = v->message[number];
	uint64_t size = v->size[number];
	bool other;

	shared_lock(&v->d->lock);
	other = m->sum[0] && memcmp(m->sum, b->md5, SUM_SIZE) != 0;
	memcpy(m->sum, b->md5, SUM_SIZE);
	shared_unlock(&v->d->lock);
	if (other)
		violation(v, m->uid, "bytes: RETR gives others than before, "
		    "# octets; LIST says #", b->octets, size);
	if (b->octets != size)
		violation(v, m->uid, "octets: RETR gives #, LIST says #",
		    b->octets, size);
	if (b->want[0] && strcmp(b->want, b->sum) != 0)
		violation(v, m->uid, "sum: X-Pop3test-MD5 is of another "
		    "body, not of # octets in # lines", b->octets, b->lines);
}

void drop_refused(struct visit *v, unsigned number, const char *verb)
{
	const struct message *m = v->message[number];
	char form[64];
	struct str s;

	if (m->state != HERE)
		return;
	str_init(&s, form, sizeof form);
	str_put(&s, "refused: ");
	str_put(&s, verb);
	str_put(&s, ", but nobody deleted number # of #");
	violation(v, m->uid, s.p, number, v->count);
}

void drop_move(struct visit *v, unsigned from, enum state to)
{
	shared_lock(&v->d->lock);
	++v->d->clock;
	for (unsigned i = 1; i <= MESSAGES; i++) {
		struct message *m = v->message[i];

		if (!v->marked[i] || !(from >> m->state & 1))
			continue;
		m->spared |= to == HERE;
		m->state = (uint8_t)to;
		m->left = v->d->clock;
	}
	shared_unlock(&v->d->lock);
}
