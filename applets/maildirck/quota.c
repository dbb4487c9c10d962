/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_CONTROL) += applets/maildirck/quota.o
/*
 * What is small: maildirsize, subscriptions, and mbsync's files.
 *
 * maildirsize, by the Maildir++ quota specification: a line of limits,
 * "1000000S,500C", and then lines "bytes messages" that are summed up.
 * Each delivery appends one; 5120 bytes are too many.
 */
#include <string.h>
#include <unistd.h>

#include "control.h"

enum { TOO_LONG = 5120 };

/*
 * While we count, a delivery appends to the file: then the sums are of
 * different times, and it is right to leave it alone.
 */
bool quota_known(const struct control *c)
{
	const struct options *o = c->ck->o;

	return o->level >= LEVEL_STAT && !o->no_folders &&
	    c->st.st_mtime <= c->ck->now;
}

static enum problem limits(const char *p, const char *end)
{
	uint64_t n;

	do {
		p = scan_u64(p, &n);
		if (!p || (*p != 'S' && *p != 'C'))
			return P_HEADER;
	} while (*++p == ',' && ++p < end);
	return p == end ? P_NONE : P_HEADER;
}

static const char *number(const char *p, int64_t *sum)
{
	bool minus;
	uint64_t n;

	while (*p == ' ')
		p++;
	minus = *p == '-';
	p = scan_u64(p + minus, &n);
	if (!p || n > INT64_MAX / 2)
		return NULL;
	*sum = (int64_t)((uint64_t)*sum + (minus ? -n : n));
	return p;
}

enum problem quota_line(struct control *c, const char *p, const char *end)
{
	if (c->line == 1) {
		put(c, p, (size_t)(end - p));
		if (c->want) {
			put(c, "\n", 1);
			put_u64(c, c->ck->quota_bytes);
			put(c, " ", 1);
			put_u64(c, c->ck->quota_count);
			c->changed = true;
		}
		return limits(p, end);
	}
	if (c->want)
		return P_DROP;
	p = number(p, &c->bytes);
	if (p)
		p = number(p, &c->messages);
	while (p && *p == ' ')
		p++;
	return p == end ? P_DROP : P_NAME;
}

static bool is_folder(const struct ck *ck, const char *name)
{
	const char *p = ck->folders.area.p;

	for (size_t i = 0; i < ck->folders.n; i++, p += strlen(p) + 1)
		if (strcmp(p, name) == 0)
			return true;
	return false;
}

/*
 * Mail in the trash counts for some programs, and for others it does not;
 * what is in quarantine we have not counted at all.
 */
static bool between(const struct control *c, int64_t n, uint64_t least,
    uint64_t most)
{
	return (uint64_t)n >= least && ((uint64_t)n <= most ||
	    (uint64_t)n == least || is_folder(c->ck, ".Lost+Found"));
}

void quota_sums(struct control *c)
{
	const struct ck *ck = c->ck;
	const struct counts *all = &ck->counts;
	bool right = between(c, c->bytes, ck->quota_bytes, all->bytes);

	if (c->in.len >= TOO_LONG)
		note(c, P_FIELD);
	if (c->bytes < 0 || c->messages < 0) {
		note(c, P_NUMBER);
		return;
	}
	c->next = (uint64_t)(right ? c->messages : c->bytes);
	c->least = right ? ck->quota_count : ck->quota_bytes;
	if (quota_known(c) && !(right && between(c, c->messages,
	    ck->quota_count, all->sub[MD_NEW] + all->sub[MD_CUR])))
		note(c, P_NEXT);
}

/* ---- subscriptions ------------------------------------------------------ */

/*
 * One folder a line: "A.B" or "A/B", with "INBOX." before it where that is
 * the namespace; in Dovecot's version 2 behind "V\t2" with tabs.
 */
enum problem subscription_line(struct control *c, const char *p,
    const char *end)
{
	char name[MD_NAME_MAX + 1] = ".";
	size_t n = (size_t)(end - p);
	const char *rest;

	put(c, p, n);
	if (c->line == 1)
		c->version = n == 3 && memcmp(p, "V\t2", 3) == 0;
	if (c->version && c->line <= 2)
		return P_NONE;
	if (n == 0 || n > sizeof name - 2)
		return P_NAME;
	for (size_t i = 0; i < n; i++)
		name[i + 1] = p[i] == '\t' || p[i] == '/' ? '.' : p[i];
	rest = str_after(name, ".INBOX");
	if (rest && (*rest != '\0' && *rest != '.'))
		rest = NULL;
	/* Other people's, and public ones, are elsewhere. */
	if (!is_folder(c->ck, name) && !(rest && is_folder(c->ck, rest)) &&
	    !str_after(name, ".shared") && name[1] != '#')
		return P_GONE;
	return twice(c, hash_bytes(c->ck->seed, p, n), c->line);
}

/* ---- mbsync ------------------------------------------------------------- */

/* mbsync: UIDVALIDITY, and the largest number given to a message. */
enum problem sync_line(struct control *c, const char *p, const char *end)
{
	uint64_t n;

	if (c->line > 2 || scan_u64(p, &n) != end || n > UINT32_MAX)
		return c->line > 2 ? P_NAME : P_HEADER;
	if (c->line == 2) {
		if (n < c->least)
			note(c, P_NEXT);
		c->next = n;
		put_next(c);
		return P_NONE;
	}
	put_u64(c, n);
	return P_NONE;
}

enum problem any_line(struct control *c, const char *p, const char *end)
{
	put(c, p, (size_t)(end - p));
	return P_NONE;
}

static int later_sync(void *ctx, const struct dirent_view *d)
{
	const char *p = strstr(d->name, ",U=");
	uint64_t *last = ctx, n;

	if (p && scan_u64(p + 3, &n) && n > *last)
		*last = n;
	return 0;
}

uint64_t sync_last(struct ck *ck, const struct folder *f)
{
	uint64_t last = 0;

	for (int i = MD_NEW; i <= MD_CUR; i++)
		if (f->md.sub[i] >= 0)
			(void)scan_each(ck, f->md.sub[i], later_sync, &last);
	return last;
}

