/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/structure.o
/* Directories: the Maildir's, its folders', and what else lies about. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "structure.h"

enum {
	DAY = 86400,
	READ_ONLY = 1,		/* ST_RDONLY of statfs(2) */
	FROZEN = 0x30,		/* FS_IMMUTABLE_FL, FS_APPEND_FL */
	NAME_ROOM = 140, MUCH = 1 << 20		/* S23 */
};

static const char sub_name[][4] = { "new", "cur", "tmp" };

/*
 * Files and directories with a meaning for Dovecot, Courier (and maildrop,
 * SqWebMail), procmail, mbsync, offlineimap, notmuch, mu and us; a star
 * stands for any end.
 */
static const char known[] =
    "dovecot*\0subscriptions*\0fts*\0lucene-indexes\0xapian-indexes\0sieve*\0"
    "courier*\0maildir*\0shared*\0autoresponses\0sqwebmail*\0quotawarn\0"
    "msgid.cache\0procmail*\0.uidvalidity*\0.mbsyncstate*\0.isyncuidmap.db\0"
    ".offlineimap*\0.notmuch*\0.mu\0maildrop*\0.dovecot*\0.customflags\0"
    ".mailfilter\0.nfs*\0";

static bool is_known(const char *name)
{
	for (const char *k = known; *k; k += strlen(k) + 1) {
		size_t i = 0;

		while (k[i] && k[i] == name[i])
			i++;
		if (k[i] == '*' || (k[i] == '\0' && name[i] == '\0'))
			return true;
	}
	return false;
}

static void stop(struct ck *ck, int e)
{
	if (ck->o->mode != MODE_CHECK && !ck->stopped)
		ck->stopped = e;
}

static void note(struct ck *ck, enum id id, const char *path)
{
	(void)found(ck, id, FIX_NONE, path, NULL);
}

/* An operation with one path. */
static void plan(struct ck *ck, enum op_kind kind, const char *path,
    const struct stat *st, uint64_t new)
{
	bool makes = kind == OP_MKDIR || kind == OP_NEW;

	plan_add(ck, &(struct op){
		.kind = (uint8_t)kind, .src = makes ? NULL : path,
		.dst = makes ? path : NULL, .must = st, .new = new
	});
}

/* ---- one directory ------------------------------------------------------ */

/* Groups may share a Maildir: then its own directory has the setgid bit. */
static void check_mode(struct ck *ck, const char *path, const struct stat *st)
{
	mode_t want = 0700, mode = st->st_mode & 07777;
	mode_t root = ck->root_st.st_mode;

	/* A group that is let in by the Maildir itself is meant so. */
	if (root & S_ISGID || !(root & 07))
		want |= root & 0770;
	want = (mode & (want | 07000)) | 0700;
	if (mode != want && found(ck, S05, FIX_PREEN, path, NULL))
		plan(ck, OP_CHMOD, path, st, want);
}

static void check_owner(struct ck *ck, const char *path,
    const struct stat *st)
{
	uint64_t uid, gid;
	const char *p = ck->o->owner ? scan_u64(ck->o->owner, &uid) : NULL;

	if (!p || *p != ':' || parse_u64(p + 1, &gid) < 0) {
		uid = ck->root_st.st_uid;
		gid = ck->root_st.st_gid;
	}
	if (st->st_uid == uid && (st->st_gid == gid || st->st_mode & S_ISGID))
		return;
	if (found(ck, S06, geteuid() ? FIX_NONE : FIX_DEMAND, path, NULL))
		plan(ck, OP_CHOWN, path, st, uid << 32 | gid);
}

static void check_dir(struct ck *ck, const char *path, const struct stat *st,
    int fd)
{
	unsigned flags[2] = { 0, 0 };	/* int, whatever the type says */

	check_owner(ck, path, st);
	check_mode(ck, path, st);
	if (fd >= 0 && ioctl(fd, _IOR('f', 1, long), flags) == 0 &&
	    flags[0] & FROZEN) {
		(void)found(ck, S07, FIX_NONE, path, "chattr(1)");
		stop(ck, -EPERM);
	}
}

static void make_dir(struct ck *ck, const char *path, mode_t like)
{
	plan(ck, OP_MKDIR, path, NULL, (like & 02770) | 0700);
}

static void check_sub(struct ck *ck, struct folder *f, int sub,
    const struct stat *own)
{
	char path[PATH_CAP];
	struct stat st;
	struct str s;

	group_begin(ck);
	path_join(&s, path, f->name, sub_name[sub]);
	if (fstatat(f->md.root, sub_name[sub], &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT && found(ck, S02, FIX_PREEN, path, NULL))
			make_dir(ck, path, own->st_mode);
	} else if (!S_ISDIR(st.st_mode)) {
		if (!found(ck, S03, FIX_YES, path, NULL))
			return;
		plan_quarantine(ck, path, false, &st);
		make_dir(ck, path, own->st_mode);
	} else {
		if (st.st_dev != own->st_dev)
			note(ck, S04, path);
		if (sub != MD_TMP && st.st_mtim.tv_sec > ck->now + DAY &&
		    ck->now >= CLOCK_LEAST &&
		    found(ck, S22, FIX_PREEN, path, NULL))
			plan(ck, OP_UTIME, path, &st,
			    (uint64_t)ck->now * 1000000000);
		check_dir(ck, path, &st, f->md.sub[sub]);
	}
}

/* What marks a directory as a folder, and must not mark the Maildir. */
static void check_mark(struct ck *ck, struct folder *f)
{
	static const char mark[] = "maildirfolder";
	char path[PATH_CAP];
	struct stat st;
	struct str s;
	size_t n;
	bool is = fstatat(f->md.root, mark, &st, AT_SYMLINK_NOFOLLOW) == 0;

	group_begin(ck);
	path_join(&s, path, f->name, mark);
	if (*f->name == '\0' && *path_last(ck->path, &n) == '.' && n > 2)
		return;			/* a folder, alone */
	if (is && (*f->name == '\0' || !S_ISREG(st.st_mode) || st.st_size)) {
		if (found(ck, S15, FIX_YES, path, NULL))
			plan_quarantine(ck, path, false, &st);
	} else if (!is && *f->name && found(ck, S14, FIX_PREEN, path, NULL)) {
		plan(ck, OP_NEW, path, NULL, 0);
	}
}

/* ---- what else is there ------------------------------------------------- */

struct place {
	struct ck *ck;
	const char *folder;
	int dir;
};

static int any_but_tmp(void *ctx, const struct dirent_view *d)
{
	(void)ctx;
	return strcmp(d->name, "tmp") != 0;
}

static bool is_empty(struct ck *ck, const char *path)
{
	int fd = path_open(ck, path);
	bool empty = fd >= 0 && scan_each(ck, fd, any_but_tmp, NULL) == 0;

	if (fd >= 0)
		close(fd);
	return empty;
}

/* Only rmdir(2) is at work: what is not empty stays. */
static void check_dot_dir(struct ck *ck, const char *path, unsigned has)
{
	char tmp[PATH_CAP];
	struct str s;
	bool empty = is_empty(ck, path);

	path_join(&s, tmp, path, sub_name[MD_TMP]);
	if (has)
		empty = empty && is_empty(ck, tmp);
	if (!found(ck, S13, empty ? FIX_PREEN : FIX_NONE, path, NULL))
		return;
	if (has)
		plan(ck, OP_RMDIR, tmp, NULL, 0);
	plan(ck, OP_RMDIR, path, NULL, 0);
}

static void check_nested(struct ck *ck, const char *folder, const char *name,
    const char *path)
{
	char to[PATH_CAP];
	struct stat st;
	struct str s;
	bool is_free;

	str_init(&s, to, sizeof to);
	str_put(&s, folder);
	str_put(&s, name);
	is_free = s.len <= MD_NAME_MAX && path_stat(ck, to, &st) < 0;
	if (found(ck, S09, is_free ? FIX_YES : FIX_NONE, path, NULL))
		plan_rename(ck, path, to, NULL);
}

/*
 * A Maildir of the Maildir's own name has been copied to the wrong place;
 * any other may be a folder of another layout, which only its owner knows.
 */
static void check_inner(struct place *l, const char *name, const char *path)
{
	struct ck *ck = l->ck;
	size_t n;
	const char *own = path_last(ck->path, &n);
	bool same = strcmp(name, "Maildir") == 0 ||
	    (strlen(name) == n && memcmp(name, own, n) == 0);

	if (!same && ck->folders.n > 1)
		note(ck, S19, path);
	else if (found(ck, S10, same ? FIX_YES : FIX_DEMAND, path, NULL))
		merge_maildir(ck, path, l->folder);
}

static void check_subdir(struct place *l, const char *name, const char *path)
{
	struct ck *ck = l->ck;
	unsigned has = folder_subs(l->dir, name);

	if (strcmp(name, "lost+found") == 0) {
		(void)found(ck, S24, FIX_NONE, path, "see --rescue");
	} else if (name[0] == '.' && has & HAS_MAIL) {
		if (*l->folder)
			check_nested(ck, l->folder, name, path);
	} else if (is_known(name)) {
		return;
	} else if (has & HAS_MAIL && has != ~0U) {
		check_inner(l, name, path);
	} else if (name[0] == '.' && !*l->folder) {
		check_dot_dir(ck, path, has);
	} else {
		note(ck, S21, path);
	}
}

/* A file that no control file is called like. */
static void check_file(struct place *l, const char *name, const char *path)
{
	struct ck *ck = l->ck;
	struct move m = { .ck = ck, .from = l->folder };
	char to[PATH_CAP];
	struct stat st;
	struct str s;
	int fd, new;

	m.src.md.sub[MD_NEW] = l->dir;
	fd = entry_open(&m.src, MD_NEW, name, &st);
	path_join(&s, to, l->folder, sub_name[MD_NEW]);
	m.to = to;
	if (fd < 0 || !content_is_mail(fd)) {
		note(ck, S21, path);
	} else {
		new = path_open(ck, to);
		m.dst.md.sub[MD_NEW] = new;
		if (found(ck, S11, new < 0 ? FIX_NONE : FIX_YES, path, NULL))
			move_file(&m, name, &st);
		if (new >= 0)
			close(new);
	}
	if (fd >= 0)
		close(fd);
}

static int check_entry(void *ctx, const struct dirent_view *d)
{
	struct place *l = ctx;
	char path[PATH_CAP];
	struct stat st;
	struct str s;

	for (int i = MD_NEW; i <= MD_TMP; i++)
		if (strcmp(d->name, sub_name[i]) == 0)
			return 0;
	if (fstatat(l->dir, d->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	group_begin(l->ck);
	path_join(&s, path, l->folder, d->name);
	if (S_ISDIR(st.st_mode))
		check_subdir(l, d->name, path);
	else if (S_ISLNK(st.st_mode) && (str_after(d->name, "shared") ||
	    !is_known(d->name)))
		note(l->ck, S20, path);
	else if (is_known(d->name))
		return 0;
	else if (d->name[0] == '.' && !*l->folder)
		note(l->ck, S12, path);
	else
		check_file(l, d->name, path);
	return 0;
}

/* ---- what walk.c calls -------------------------------------------------- */

static void check_entries(struct ck *ck, const char *folder, int dir)
{
	struct place l = { .ck = ck, .folder = folder, .dir = dir };
	int e = scan_each(ck, dir, check_entry, &l);

	if (e)
		trouble(ck, folder, e);
}

void structure_folder(struct ck *ck, struct folder *f)
{
	const char *path = *f->name ? f->name : ".";
	struct stat st;

	group_begin(ck);
	if (fstat(f->md.root, &st) < 0)
		return;
	check_dir(ck, path, &st, f->md.root);
	check_mark(ck, f);
	if (*f->name)
		check_entries(ck, f->name, f->md.root);
	if (folder_subs(f->md.root, ".") & HAS_MAIL)
		for (int i = MD_NEW; i <= MD_TMP; i++)
			check_sub(ck, f, i, &st);
}

void structure_root(struct ck *ck)
{
	struct statfs fs;

	group_begin(ck);
	if (fstatfs(ck->root, &fs) == 0 && fs.f_flags & READ_ONLY) {
		(void)found(ck, S07, FIX_NONE, ".", "read-only mount");
		stop(ck, -EROFS);
	}
	if (!(folder_subs(ck->root, ".") & HAS_MAIL) &&
	    found(ck, S01, FIX_DEMAND, ".", NULL))
		for (int i = MD_NEW; i <= MD_TMP; i++)
			make_dir(ck, sub_name[i], ck->root_st.st_mode);
	folders_list(ck);
	check_entries(ck, "", ck->root);
}

void structure_bloat(struct ck *ck, struct folder *f, int sub, uint64_t n)
{
	char path[PATH_CAP];
	struct stat st;
	struct str s;

	if (f->md.sub[sub] < 0 || fstat(f->md.sub[sub], &st) < 0 ||
	    st.st_size <= MUCH || (uint64_t)st.st_size <= 4 * NAME_ROOM * n)
		return;
	group_begin(ck);
	path_join(&s, path, f->name, sub_name[sub]);
	note(ck, S23, path);
}
