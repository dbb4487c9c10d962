/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_CONTROL) += applets/maildirck/control.o
/* Control files: which there are, reading their lines, and reporting. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control.h"

const struct format control_formats[] = {
	{ uid_line, "dovecot-uidlist", LOCK_DOVECOT, HEADED | RENAMES | UIDS,
	    { 0, M07, M07, M06, M08, M09, M09, M18, M10, M06, M04 } },
	{ keyword_line, "dovecot-keywords", LOCK_DOVECOT, 0,
	    { 0, 0, 0, M12, M12, 0, 0, 0, M12, M12, 0 } },
	{ uid_line, "courierimapuiddb", LOCK_COURIER, HEADED | RENAMES | UIDS,
	    { 0, M14, M14, M14, M14, M14, M14, 0, M10, M14, 0 } },
	{ pop3_line, "courierpop3dsizelist", LOCK_COURIER,
	    HEADED | RENAMES | UIDS,
	    { 0, M15, M15, M15, M15, M15, M15, 0, M10, M15, 0 } },
	{ list_line, "courierimapkeywords/:list", LOCK_COURIER, RENAMES,
	    { 0, 0, 0, 0, 0, 0, 0, 0, M16, M16, M16 } },
	{ sync_line, ".uidvalidity", LOCK_FCNTL, HEADED,
	    { 0, M19, M19, M19, M19, M19, M19, 0, M19, M19, 0 } },
	{ any_line, ".mbsyncstate", LOCK_NONE, HEADED | REPORT,
	    { 0, 0, 0, 0, 0, 0, 0, 0, M19, M19, 0 } },
	{ quota_line, "maildirsize", LOCK_NONE, HEADED | ROOT,
	    { 0, M02, M01, M02, M02, M02, M02, 0, M02, M02, 0 } },
	{ subscription_line, "subscriptions", LOCK_SUBSCRIPTIONS, ROOT,
	    { 0, 0, 0, 0, M13, M13, 0, 0, M13, M13, M13 } },
	{ subscription_line, "courierimapsubscribed", LOCK_COURIER, ROOT,
	    { 0, 0, 0, 0, M13, M13, 0, 0, M13, M13, M13 } }
};

const unsigned control_format_count =
    sizeof control_formats / sizeof *control_formats;

/* ---- lines -------------------------------------------------------------- */

void put(struct control *c, const void *p, size_t n)
{
	struct md_area *a = &c->out;

	if (md_area_grow(a, a->len + n + 1) < 0) {
		c->ck->stopped = -ENOMEM;
		return;
	}
	memcpy(a->p + a->len, p, n);
	a->len += n;
}

void put_word(struct control *c, const char *p, size_t n)
{
	put(c, " ", 1);
	put(c, p, n);
}

void put_u64(struct control *c, uint64_t n)
{
	char buf[24];
	struct str s;

	str_init(&s, buf, sizeof buf);
	str_u64(&s, n);
	put(c, s.p, s.len);
}

void put_next(struct control *c)
{
	bool low = wants(c, P_NEXT) && c->next < c->least;

	c->changed |= low;
	put_u64(c, low ? c->least : c->next);
}

bool wants(const struct control *c, enum problem p)
{
	return c->want >> p & 1;
}

void note(struct control *c, enum problem p)
{
	if (c->writing)
		c->changed |= wants(c, p);
	else if (c->count[p]++ == 0)
		c->first[p] = c->line;
}

enum problem twice(struct control *c, uint64_t key, uint64_t order)
{
	const struct pair *p = (const void *)c->seen.area.p;
	size_t i;

	if (!c->writing) {
		if (keys_add(&c->seen, key, order) < 0)
			c->ck->stopped = -ENOMEM;
		return P_NONE;
	}
	i = keys_find(&c->seen, key);
	return i < c->seen.n && p[i].value > order ? P_TWICE : P_NONE;
}

enum problem take_name(struct control *c, const char *name, const char *end,
    uint64_t order)
{
	size_t n = (size_t)(end - name);
	const char *colon = memchr(name, ':', n);

	if (memchr(name, '/', n) || memchr(name, '\r', n))
		return P_NAME;
	if (colon)
		n = (size_t)(colon - name);
	if (n == 0 || n > MD_NAME_MAX)
		return P_NAME;
	c->base = n;
	c->to = c->renames ? renamed(c->renames, name, n) : NULL;
	c->changed |= c->to != NULL;
	return twice(c, hash_bytes(c->ck->seed, name, n), order);
}

void put_name(struct control *c, const char *name, const char *end)
{
	if (c->to) {
		put(c, c->to, strlen(c->to));
		name += c->base;
	}
	put(c, name, (size_t)(end - name));
}

void control_parse(struct control *c)
{
	const char *p = c->in.p, *end = p + c->in.len;
	bool headed = c->format->flags & HEADED;

	c->out.len = 0;
	c->line = c->last = 0;
	c->version = 0;
	c->bytes = c->messages = 0;
	c->useless = p == end && headed;
	if (c->useless)
		note(c, P_NUL);
	for (const char *e; p < end; p = e + 1) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t start = c->out.len;
		enum problem bad;

		c->line++;
		e = lf ? lf : end;
		bad = memchr(p, '\0', (size_t)(e - p)) ? P_NUL :
		    lf ? c->format->line(c, p, e) : P_TORN;
		if (bad == P_DROP)
			continue;
		if (bad) {
			note(c, bad);
			c->useless = c->line == 1 && headed;
			if (c->useless)
				return;
			c->out.len = start;
			if (wants(c, bad))
				continue;
			put(c, p, (size_t)(e - p));
		}
		if (lf)
			put(c, "\n", 1);
	}
}

/* ---- reporting ---------------------------------------------------------- */

static void describe(const struct control *c, enum problem p, struct str *s)
{
	static const char text[] = "first line\0says \0number\0said twice\0"
	    "form or name\0field\0another folder's\0empty or NUL\0"
	    "not ended\0of what is not there";
	const char *t = text;

	for (int i = 1; i < (int)p; i++)
		t += strlen(t) + 1;
	str_put(s, t);
	if (p == P_NEXT) {
		str_u64(s, c->next);
		str_put(s, ", not ");
		str_u64(s, c->least);
		return;
	}
	if (c->first[p]) {
		str_put(s, ", line ");
		str_u64(s, c->first[p]);
	}
	if (c->count[p] > 1) {
		str_put(s, ", and ");
		str_u64(s, c->count[p] - 1);
		str_put(s, " more");
	}
	if (c->useless && faccessat(c->ck->root, "maildirck.q", F_OK, 0) == 0)
		str_put(s, "; see maildirck.q");
}

static void report(struct control *c)
{
	bool as_is = c->useless || c->count[P_HEADER] > 0 ||
	    c->format->flags & REPORT ||
	    (c->format->line == quota_line && !quota_known(c));

	group_begin(c->ck);
	for (int p = 1; p < P_COUNT; p++) {
		enum id id = c->format->id[p];
		enum repair how = finding_info[id].repair;
		char detail[96];
		struct str s;

		if (c->count[p] == 0 || id == 0)
			continue;
		if (id == M10)
			how = FIX_YES;
		if (as_is)
			how = FIX_NONE;
		str_init(&s, detail, sizeof detail);
		describe(c, p, &s);
		if (found(c->ck, id, how, c->path, detail))
			c->want |= 1U << p;
	}
}

/* What only shows when all lines have been read. */
static void finish(struct control *c)
{
	struct pair *p;
	size_t n = 0;
	line_fn *fn = c->format->line;

	if (c->useless)
		return;
	if (fn == sync_line && (c->line == 1 || c->count[P_NUL] ||
	    c->count[P_TORN]))
		note(c, P_HEADER);
	if (fn == quota_line)
		quota_sums(c);
	c->line = 0;
	keys_sort(&c->seen);
	p = (struct pair *)(void *)c->seen.area.p;
	/* Of each key the highest order, by which twice() goes. */
	for (size_t i = 1; i < c->seen.n; i++) {
		if (p[i].key != p[n].key)
			p[++n] = p[i];
		else if (p[i].value > p[n].value)
			p[n].value = p[i].value;
	}
	for (; n + 1 < c->seen.n; c->seen.n--)
		note(c, P_TWICE);
	/* Dovecot raises what version 3 says by the lines that follow. */
	if (c->format->flags & UIDS && c->version != 3 && c->next &&
	    c->next < c->least)
		note(c, P_NEXT);
}

static void path_in(char path[PATH_CAP], const char *folder,
    const char *name)
{
	const struct folder f = { .name = folder };
	struct str s;

	str_init(&s, path, PATH_CAP);
	path_of(&s, &f, IN_ROOT, name);
}

struct control *control_begin(struct ck *ck, const struct format *t,
    const char *folder)
{
	static struct control c;

	memset(&c, 0, sizeof c);
	c.ck = ck;
	c.format = t;
	c.least = 1;
	path_in(c.path, folder, t->name);
	return &c;
}

void control_end(struct control *c)
{
	md_area_free(&c->in);
	md_area_free(&c->out);
	keys_free(&c->seen);
}

static void check(struct ck *ck, const struct format *t,
    const struct folder *f)
{
	struct control *c = control_begin(ck, t, f ? f->name : "");
	int e = control_read(c);

	c->f = f;
	if (e == 0) {
		if (t->line == sync_line)
			c->least = sync_last(ck, f);
		control_parse(c);
		finish(c);
		report(c);
	}
	if (t->lock == LOCK_DOVECOT)
		dovecot_join(c);
	if (c->want)
		e = control_rewrite(c);
	if (e && e != -ENOENT)
		trouble(ck, c->path, e);
	control_end(c);
}

bool folder_has(const struct folder *f, const char *name)
{
	struct stat st;

	return fstatat(f->md.root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void found_in(struct ck *ck, const struct folder *f, enum id id,
    const char *name, const char *detail)
{
	char path[PATH_CAP];
	enum repair how = finding_info[id].repair;

	group_begin(ck);
	path_in(path, f->name, name);
	if (found(ck, id, how, path, detail))
		plan_quarantine(ck, path, false, NULL);
}

static void check_all(struct ck *ck, const struct folder *f, unsigned root)
{
	for (unsigned i = 0; i < control_format_count; i++)
		if ((control_formats[i].flags & ROOT) == root)
			check(ck, &control_formats[i], f);
	if (ck->nops == 0)	/* or plan_run() ends it */
		control_unlock(ck);
}

void control_check(struct ck *ck, struct folder *f)
{
	/* Names are in the control files by then as they are in the folder. */
	plan_run(ck);
	check_all(ck, f, 0);
	others_check(ck, f);
}

void control_root(struct ck *ck)
{
	check_all(ck, NULL, ROOT);
}
