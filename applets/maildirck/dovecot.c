/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_CONTROL) += applets/maildirck/dovecot.o
/*
 * dovecot-uidlist, version 3: "3 Vuidvalidity Nnext Gguid", then lines "uid
 * [Kvalue ...] :base name".  New messages are appended without N being
 * raised.  Version 1, "1 uidvalidity next" and "uid base name", is also what
 * Courier has as courierimapuiddb.  A line that cannot be read makes Dovecot
 * throw the file away, and give each message another UID.
 */
#include <string.h>

#include "control.h"

enum { GUID = 32, KEYWORDS = 26 };

/* The mailbox's GUID, here and in another folder (M18): 0 or a problem. */
static enum problem guid(struct control *c, const char *p, size_t n)
{
	static struct keys known;	/* values: which folder */
	const struct pair *k = (const void *)known.area.p;
	uint64_t key;

	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'a' && p[i] <= 'f')))
			return P_FIELD;
	if (n != GUID)
		return P_FIELD;
	if (!c->f)
		return P_NONE;
	key = hash_bytes(c->ck->seed, p, n);
	for (size_t i = 0; i < known.n; i++)
		if (k[i].key == key)
			return k[i].value == (uintptr_t)c->f->name ? P_NONE :
			    P_GUID;
	(void)keys_add(&known, key, (uintptr_t)c->f->name);
	return P_NONE;
}

static size_t word(const char *p, const char *end)
{
	const char *blank = memchr(p, ' ', (size_t)(end - p));

	return (size_t)((blank ? blank : end) - p);
}

/* One field of the header; version 1 has values alone. */
static enum problem header_field(struct control *c, char key, const char *p,
    size_t n)
{
	uint64_t *number = key == 'V' ? &c->other : &c->next;

	if (key == 'G')
		return guid(c, p, n);
	if ((key == 'V' || key == 'N') && (scan_u64(p, number) != p + n ||
	    *number > UINT32_MAX))
		*number = 0;
	return P_NONE;
}

static enum problem uid_header(struct control *c, const char *p,
    const char *end)
{
	char key = 'V';
	size_t n;

	if (end - p < 3 || p[1] != ' ' || (*p != '1' && *p != '3'))
		return P_HEADER;
	c->version = (uint8_t)(*p - '0');
	c->next = c->other = 0;
	put(c, p, 1);
	for (p += 2; p < end; p += n + 1) {
		bool v3 = c->version == 3;
		enum problem bad;

		n = word(p, end);
		if (v3)
			key = *p;
		bad = header_field(c, key, p + v3, n - v3);
		if (bad)
			note(c, bad);
		if (key != 'N' && !wants(c, bad))
			put_word(c, p, n);
		key = 'N';
	}
	if (c->other == 0)
		return P_HEADER;
	if (c->next == 0)
		note(c, P_NEXT);
	put_word(c, "N", c->version == 3);
	put_next(c);
	return P_NONE;
}

/*
 * The fields between UID and name.  A message of a new name keeps its GUID
 * and POP3 UIDL, which were the old name where there was none (G) or an
 * empty one (P); its sizes (S, W) are measured again.
 */
static void put_fields(struct control *c, const char *p, const char *end,
    const char *old)
{
	bool has_guid = !c->to || memchr(old, ' ', c->base);

	for (size_t n; p < end; p += n + 1) {
		n = word(p, end);
		if (n == 0)
			continue;
		if (*p < 'A' || *p > 'Z') {
			note(c, P_FIELD);
			if (wants(c, P_FIELD))
				continue;
		}
		if (c->to && (*p == 'S' || *p == 'W'))
			continue;
		has_guid |= *p == 'G';
		put_word(c, p, n);
		if (c->to && *p == 'P' && n == 1)
			put(c, old, c->base);
	}
	if (!has_guid) {
		put(c, " G", 2);
		put(c, old, c->base);
	}
}

/* Where the name begins, behind fields and a colon; or null. */
static const char *name_at(const struct control *c, const char *p,
    const char *end)
{
	while (p < end && *p == ' ')
		p++;
	while (c->version == 3 && p < end && *p != ':') {
		p += word(p, end);
		while (p < end && *p == ' ')
			p++;
	}
	return p < end ? p + (c->version == 3) : NULL;
}

enum problem uid_line(struct control *c, const char *p, const char *end)
{
	const char *at, *name;
	uint64_t uid, ahead;
	enum problem bad;

	if (c->line == 1)
		return uid_header(c, p, end);
	at = scan_u64(p, &uid);
	if (!at || *at != ' ' || uid == 0 || uid >= UINT32_MAX ||
	    uid <= c->last)
		return P_NUMBER;
	/* One that is too high must not make all others too low. */
	if (scan_u64(end + 1, &ahead) && ahead > c->last && ahead < uid)
		return P_NUMBER;
	name = name_at(c, at, end);
	if (!name)
		return P_NAME;
	bad = take_name(c, name, end, uid);
	if (bad)
		return bad;
	c->last = uid;
	if (uid >= c->least)
		c->least = uid + 1;
	put(c, p, (size_t)(at - p));
	if (c->version == 3)
		put_fields(c, at + 1, name - 1, name);
	put_word(c, ":", c->version == 3);
	put_name(c, name, end);
	return P_NONE;
}

/*
 * "index name": the index is the letter in a message's flags.  Of two
 * letters with one name only one that no message has can go.
 */
enum problem keyword_line(struct control *c, const char *p, const char *end)
{
	uint64_t i, order = c->line;
	const char *at = scan_u64(p, &i);
	bool used;

	if (!at || *at != ' ' || at + 1 == end || i >= KEYWORDS)
		return P_NUMBER;
	c->other |= (uint64_t)1 << i;
	used = c->f->keywords >> i & 1;
	if (used)
		order |= (uint64_t)1 << 32;
	put(c, p, (size_t)(end - p));
	if (twice(c, hash_bytes(c->ck->seed, at, (size_t)(end - at)),
	    order) && !used)
		return P_TWICE;
	return twice(c, i, c->line);
}

/* How many of `these` keys are not among the others? */
static uint64_t missing(const struct keys *these, const struct keys *others)
{
	const struct pair *p = (const void *)these->area.p;
	uint64_t n = 0;

	for (size_t i = 0; i < these->n; i++)
		n += keys_find(others, p[i].key) == others->n;
	return n;
}

/*
 * Expunged messages keep their lines for a while, new ones get theirs when
 * Dovecot looks: only many of them say that list and folder are not of one
 * time.
 */
static void join(struct control *c, enum id id, const struct keys *these,
    const struct keys *others)
{
	uint64_t n = missing(these, others);
	char detail[64];
	struct str s;

	if (n <= these->n / 4)
		return;
	str_init(&s, detail, sizeof detail);
	str_u64(&s, n);
	str_put(&s, " of ");
	str_u64(&s, these->n);
	found(c->ck, id, FIX_NONE, c->path, detail);
}

static void join_letters(struct control *c)
{
	uint64_t letters = c->f->keywords & ~c->other;
	char detail[KEYWORDS + 1];
	struct str s;

	if (!letters || !(c->st.st_ino || folder_has(c->f, "dovecot-uidlist")))
		return;
	str_init(&s, detail, sizeof detail);
	for (int i = 0; i < KEYWORDS; i++)
		if (letters >> i & 1)
			str_char(&s, (char)('a' + i));
	found(c->ck, N12, FIX_NONE, c->path, detail);
}

void dovecot_join(struct control *c)
{
	const struct keys *bases = &c->f->by[BY_BASE];

	if (c->format->line == keyword_line) {
		join_letters(c);
	} else if (c->seen.n > 0) {
		join(c, M04, &c->seen, bases);
		if (bases->n > 10)
			join(c, M05, bases, &c->seen);
	}
}
