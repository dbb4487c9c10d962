/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/tmp.o
/*
 * What deliveries have left in tmp/ (T01 to T08).  A message that is
 * complete there, and nowhere else, was acknowledged to its sender as
 * likely as not: after fsync of the file alone a power cut leaves it so.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum {
	HOUR = 3600, DAY = 24 * HOUR,
	OLD = 36 * HOUR,	/* cr.yp.to/proto/maildir.html */
	QUIET = HOUR / 4,	/* nobody writes any more */
	LOCK_OLD = 20 * 60	/* ten times what Dovecot takes for stale */
};

struct tmp {
	struct ck *ck;
	struct folder *f;
	struct entry e;		/* the file in tmp/ that is judged */
	uint8_t sub;		/* where its like is looked for */
	bool link, copy;	/* found: the same inode, the same bytes */
	char twin[PATH_CAP];
};

/* By the later of both: a restore sets mtime back, chmod ctime forward. */
static int64_t age(const struct ck *ck, const struct stat *st)
{
	int64_t t = st->st_mtime > st->st_ctime ? st->st_mtime : st->st_ctime;

	return ck->now - t;
}

static void tmp_path(const struct tmp *t, char *path)
{
	struct str s;

	str_init(&s, path, PATH_CAP);
	path_of(&s, t->f, MD_TMP, t->e.name);
}

/* ---- is it somewhere else? ---------------------------------------------- */

static int compare(void *ctx, const struct dirent_view *d)
{
	struct tmp *t = ctx;
	struct entry other = {
		.f = t->f, .name = d->name, .sub = t->sub, .ino = d->ino
	};
	struct str s;

	if (d->type == DT_DIR || !entry_stat(t->ck, &other) ||
	    other.type != DT_REG ||
	    other.st.st_size != t->e.st.st_size)
		return 0;
	t->link = other.st.st_ino == t->e.st.st_ino;
	t->copy = !t->link && entry_same_bytes(&t->e, &other);
	str_init(&s, t->twin, sizeof t->twin);
	path_of(&s, t->f, t->sub, d->name);
	return t->link || t->copy;
}

static void look_for_twin(struct tmp *t)
{
	int r = 0;

	for (t->sub = MD_NEW; r == 0 && t->sub <= MD_CUR; t->sub++)
		if (t->f->md.sub[t->sub] >= 0)
			r = scan_each(t->ck, t->f->md.sub[t->sub], compare, t);
	if (r < 0)
		trouble(t->ck, t->f->name, r);
}

/* ---- one file ----------------------------------------------------------- */

/* Into new/, under its own name where that is free. */
static void deliver(struct tmp *t, const char *path)
{
	char to[PATH_CAP], base[MD_NAME_MAX + 1];
	struct stat st;
	struct str s, b;

	str_init(&b, base, sizeof base);
	str_mem(&b, t->e.name, t->e.n.base);
	if (b.len == 0 || base[0] == '.' || folder_has_base(t->ck, t->f,
	    base, b.len)) {
		str_init(&b, base, sizeof base);
		fresh_base(t->ck, &b);
	}
	str_init(&s, to, sizeof to);
	path_of(&s, t->f, MD_NEW, base);
	if (path_stat(t->ck, to, &st) == -ENOENT)
		plan_rename(t->ck, path, to, &t->e.st);
}

/* Else it is what a killed delivery has left, or still under way. */
static bool complete(const struct tmp *t)
{
	struct stat st;
	int fd = entry_open(t->f, MD_TMP, t->e.name, &st);
	bool yes = fd >= 0 && content_complete(fd, &st, &t->e.n);

	if (fd >= 0)
		close(fd);
	return yes;
}

static void second_name(struct tmp *t, const char *path)
{
	struct ck *ck = t->ck;

	if (t->e.st.st_nlink < 2)
		file_links(ck, &t->e, 2);
	else if (found_entry(ck, &t->e, T03, t->twin))
		plan_add(ck, &(struct op){
			.kind = OP_UNLINK, .src = path, .dst = t->twin,
			.must = &t->e.st
		});
}

/* A regular file with something in it that nobody has touched for a while. */
static void leftover(struct tmp *t, const char *path)
{
	struct ck *ck = t->ck;

	look_for_twin(t);
	if (t->link) {
		second_name(t, path);
	} else if (t->copy) {
		if (found_entry(ck, &t->e, T04, t->twin))
			plan_quarantine(ck, path, true, &t->e.st);
	} else if (complete(t)) {
		if (found_entry(ck, &t->e, T02, NULL))
			deliver(t, path);
	} else if (age(ck, &t->e.st) > OLD) {
		if (found_entry(ck, &t->e, T01, NULL))
			plan_quarantine(ck, path, true, &t->e.st);
	}
}

static void judge_file(struct tmp *t, const char *path)
{
	struct ck *ck = t->ck;
	int64_t quiet = age(ck, &t->e.st);

	ck->counts.sub[MD_TMP]++;
	if (t->e.st.st_mtime > ck->now + DAY && ck->now >= CLOCK_LEAST) {
		if (found_entry(ck, &t->e, T07, NULL))
			plan_add(ck, &(struct op){
				.kind = OP_UTIME, .src = path,
				.must = &t->e.st,
				.new = (uint64_t)ck->now * 1000000000
			});
	} else if (t->e.st.st_size == 0) {
		if (quiet > OLD && found_entry(ck, &t->e, T08, NULL))
			plan_quarantine(ck, path, false, &t->e.st);
	} else if (quiet > QUIET) {
		leftover(t, path);
	}
}

static int judge(void *ctx, const struct dirent_view *d)
{
	struct tmp *t = ctx;
	struct ck *ck = t->ck;
	char path[PATH_CAP];

	*t = (struct tmp){ .ck = ck, .f = t->f, .e = {
		.f = t->f, .name = d->name, .sub = MD_TMP, .ino = d->ino,
		.bare_lf = UINT64_MAX, .len = (uint16_t)strlen(d->name)
	} };
	group_begin(ck);
	if (!entry_stat(ck, &t->e))
		return 0;
	md_name_parse(&t->e.n, t->e.name);
	tmp_path(t, path);
	if (t->e.type == DT_REG)
		judge_file(t, path);
	else if (found_entry(ck, &t->e, T06, NULL))
		plan_quarantine(ck, path, false, &t->e.st);
	return 0;
}

/* ---- locks -------------------------------------------------------------- */

/* T05: what a program that was killed has locked for ever. */
static void judge_lock(struct ck *ck, struct folder *f, const char *name)
{
	char path[PATH_CAP];
	struct stat st;
	struct str s;

	group_begin(ck);
	if (fstatat(f->md.root, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(st.st_mode) || age(ck, &st) < LOCK_OLD)
		return;
	str_init(&s, path, sizeof path);
	path_of(&s, f, IN_ROOT, name);
	if (found(ck, T05, FIX_YES, path, NULL))
		plan_quarantine(ck, path, false, &st);
}

void locks_check(struct ck *ck, struct folder *f)
{
	static const char locks[][22] = {
		"dovecot-uidlist.lock", "dovecot-keywords.lock",
		"courierimaplock", "courierimapuiddb.lock",
		".uidvalidity.lock"
	};

	for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
		judge_lock(ck, f, locks[i]);
}

void tmp_check(struct ck *ck, struct folder *f)
{
	static struct tmp t;

	t = (struct tmp){ .ck = ck, .f = f };
	if (f->md.sub[MD_TMP] >= 0) {
		int e = scan_each(ck, f->md.sub[MD_TMP], judge, &t);

		if (e)
			trouble(ck, f->name, e);
	}
	plan_run(ck);
}
