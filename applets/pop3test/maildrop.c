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
 * All messages ever seen are in one chain.  A listing has to go along it;
 * what is new is put in behind its predecessor.  So two messages that have
 * once been seen together keep their order.
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
static void show(const struct options *o, const char *const field[4])
{
	static const char lead[2][4][14] = {
		{ "violation: ", ", user ", ", uid ", ": " },
		{ "{\"violation\":", ",\"user\":", ",\"uid\":", ",\"text\":" }
	};
	static struct out out;
	char safe[512];
	struct str s;

	out_stdout(&out, o);
	for (int i = 0; i < 4; i++) {
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

void violation(const struct visit *v, const char *rule, const char *uid,
    const char *what, uint64_t a, const char *but, uint64_t b)
{
	char text[160];
	const char *const field[4] = { rule, v->user, uid, text };
	struct str s;

	if (shared_add(&v->w->l->sh->violations, 1) >= VIOLATIONS_SHOWN)
		return;
	str_init(&s, text, sizeof text);
	str_put(&s, what);
	str_u64(&s, a);
	str_put(&s, but);
	str_u64(&s, b);
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

/* The message of this name behind another one, or 0. */
static uint16_t find(const struct maildrop *d, uint16_t behind,
    const char *uid)
{
	uint16_t i = d->m[behind].next;

	while (i && strcmp(d->m[i].uid, uid) != 0)
		i = d->m[i].next;
	return i;
}

static uint16_t insert(struct maildrop *d, uint16_t behind, const char *uid)
{
	struct message *m = &d->m[d->n + 1];

	if (d->n + 1 >= MESSAGES || strlen(uid) >= UID_SIZE)
		return 0;
	memcpy(m->uid, uid, strlen(uid) + 1);
	m->seen = ++d->clock;
	m->next = d->m[behind].next;
	return d->m[behind].next = (uint16_t)++d->n;
}

/* Is listed; is that all right?  Under the lock, which it lets go. */
static void check_listed(struct visit *v, struct message *m, uint64_t size)
{
	uint64_t before = m->octets;
	uint32_t left = m->left;
	bool back = m->state == GONE && left < v->began;

	if (back) {
		m->state = UNSURE;
		m->left = ++v->d->clock;
	}
	m->octets = size ? size : before;
	shared_unlock(&v->d->lock);
	if (back)
		violation(v, "back", m->uid, "deleted for good at event ",
		    left, ", but there in a session that began at ",
		    v->began);
	if (before && size && before != size)
		violation(v, "bytes", m->uid, "LIST says ", size,
		    " octets, but it was ", before);
}

static void check_order(struct visit *v, const struct message *m,
    uint64_t number)
{
	if (!v->disordered)
		violation(v, "order", m->uid, "is number ", number,
		    ", but has been before number ", number - 1);
	v->disordered = true;
}

void drop_name(struct visit *v, uint64_t number, const char *uid)
{
	struct maildrop *d = v->d;
	uint16_t i, next;

	shared_lock(&d->lock);
	next = i = find(d, v->at, uid);
	if (!i)
		i = find(d, 0, uid);
	if (!i)
		next = i = insert(d, v->at, uid);
	if (!i || v->seen[i]) {
		shared_unlock(&d->lock);
		if (i)
			violation(v, "twice", uid, "is number ", number,
			    ", but was before, among ", number - 1);
		else
			shared_add(&d->unfollowed, 1);
		return;
	}
	v->seen[i] = true;
	if (number < MESSAGES)
		v->message[number] = i;
	check_listed(v, &d->m[i], number < MESSAGES ? v->size[number] : 0);
	if (next)
		v->at = next;
	else
		check_order(v, &d->m[i], number);
}

/* What is not there has to be somebody's deed. */
void drop_named(struct visit *v)
{
	struct maildrop *d = v->d;

	for (uint32_t i = 1; i <= shared_get(&d->n); i++) {
		struct message *m = &d->m[i];
		uint8_t state;

		if (v->seen[i])
			continue;
		shared_lock(&d->lock);
		state = m->state;
		if (state == HERE ? m->seen < v->began : state == UNSURE &&
		    m->left < v->began) {
			m->state = state == HERE ? UNSURE : GONE;
			m->left = ++d->clock;
		} else {
			state = GONE;
		}
		shared_unlock(&d->lock);
		if (state == HERE)
			violation(v, m->spared ? "undone" : "lost", m->uid,
			    m->spared ? "DELE without QUIT; known since event "
			    : "nobody deleted it; known since event ",
			    m->seen, ", but not there in a session that began "
			    "at ", v->began);
	}
}

/* ---- what is fetched ---------------------------------------------------- */

const char *drop_uid(const struct visit *v, unsigned number)
{
	return v->d->m[v->message[number]].uid;
}

void drop_fetched(struct visit *v, unsigned number, const struct body *b)
{
	struct message *m = &v->d->m[v->message[number]];
	uint64_t size = v->size[number];
	bool other;

	shared_lock(&v->d->lock);
	other = m->sum[0] && memcmp(m->sum, b->md5, SUM_SIZE) != 0;
	memcpy(m->sum, b->md5, SUM_SIZE);
	shared_unlock(&v->d->lock);
	if (other)
		violation(v, "bytes", m->uid, "RETR gives other bytes than "
		    "before: ", b->octets, ", LIST says ", size);
	if (b->octets != size)
		violation(v, "octets", m->uid, "RETR gives ", b->octets,
		    ", but LIST says ", size);
	if (b->want[0] && strcmp(b->want, b->sum) != 0)
		violation(v, "sum", m->uid, "what X-Pop3test-MD5 is for is "
		    "not in RETR's ", b->octets, " octets, lines ", b->lines);
}

void drop_refused(struct visit *v, unsigned number)
{
	const struct message *m = &v->d->m[v->message[number]];
	bool stays;

	shared_lock(&v->d->lock);
	stays = m->state == HERE;
	shared_unlock(&v->d->lock);
	if (stays)
		violation(v, "refused", m->uid, "nobody deleted number ",
		    number, " of ", v->count);
}

/* ---- what is deleted ---------------------------------------------------- */

/* Of the marked ones, those in these states (bits) are now in that. */
static void move(struct visit *v, unsigned from, enum state to)
{
	struct maildrop *d = v->d;

	shared_lock(&d->lock);
	++d->clock;
	for (unsigned i = 1; i < MESSAGES; i++) {
		struct message *m = &d->m[v->message[i]];

		if (!v->marked[i] || !(from >> m->state & 1))
			continue;
		m->spared |= to == HERE;
		m->state = (uint8_t)to;
		m->left = d->clock;
	}
	shared_unlock(&d->lock);
}

void drop_leaving(struct visit *v)
{
	move(v, 1 << HERE | 1 << UNSURE, LEAVING);
}

void drop_left(struct visit *v, enum state state)
{
	move(v, state == GONE ? 1 << LEAVING | 1 << UNSURE : 1 << LEAVING,
	    state);
}

void drop_spared(struct visit *v)
{
	move(v, 1 << HERE, HERE);
}
