/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/act.o
/*
 * One operation, and its inverse.  Neither trusts what was seen earlier:
 * what stands at a name is looked at right before, and what is not the file
 * it was is left alone.  The inverse finds out by itself how far the
 * operation came, so that it can be cut off and begun again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>		/* renameat */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

enum { EXCHANGE = 2 };		/* RENAME_EXCHANGE of linux/fs.h */

#ifndef SYS_renameat2
#define SYS_renameat2 -1
#endif
#ifdef SYS_fchmodat2
#define CHMODAT SYS_fchmodat2
#elif defined SYS_openat2	/* 15 before it everywhere */
#define CHMODAT (SYS_openat2 + 15)
#else
#define CHMODAT -1
#endif

struct at {			/* a path, and what stands there */
	int dir;
	const char *name;
	struct stat st;
	int e;
};

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000 +
	    (uint64_t)st->st_mtim.tv_nsec;
}

static int again(struct at *a)
{
	a->e = fstatat(a->dir, a->name, &a->st, AT_SYMLINK_NOFOLLOW) < 0 ?
	    -errno : 0;
	return a->e;
}

static int look(struct ck *ck, struct at *a, const char *path)
{
	a->e = a->dir = path_parent(ck, path, &a->name);
	if (a->dir < 0)
		return a->e;
	path_changed(a->dir);
	return again(a);
}

static bool is_inode(const struct at *a, uint64_t dev, uint64_t ino)
{
	return a->e == 0 && a->st.st_ino == ino && a->st.st_dev == dev;
}

static bool same(const struct at *a, const struct at *b)
{
	return b->e == 0 && is_inode(a, b->st.st_dev, b->st.st_ino);
}

/* The file of the operation? */
static bool is_it(const struct step *s, const struct at *a)
{
	return is_inode(a, s->n[N_DEV], s->n[N_INO]) &&
	    (!S_ISREG(a->st.st_mode) ||
	    (uint64_t)a->st.st_size == s->n[N_SIZE]);
}

bool act_fatal(int e)
{
	return e == -ENOSPC || e == -EDQUOT || e == -EROFS || e == -EIO ||
	    e == -EUCLEAN || e == -ENOMEM;
}

/* ---- names -------------------------------------------------------------- */

/*
 * Takes a name from a file that has another one, which was just seen.  Two
 * names and a link count of one are a file system that was not checked
 * after a crash: to remove either name would free the bytes of both.
 */
static int drop(struct at *gone, struct at *kept)
{
	if (again(gone) || again(kept) || !same(gone, kept) ||
	    !S_ISREG(kept->st.st_mode))
		return -ESTALE;
	if (kept->st.st_nlink < 2)
		return again(gone) ? -ESTALE : -EUCLEAN;
	return unlinkat(gone->dir, gone->name, 0) < 0 ? -errno : 0;
}

/* What stands at a name, opened, if it still is what was seen there. */
static int open_same(struct at *a, int flags)
{
	int fd = openat(a->dir, a->name, flags | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC);
	dev_t dev = a->st.st_dev;
	ino_t ino = a->st.st_ino;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &a->st) == 0 && is_inode(a, dev, ino))
		return fd;
	close(fd);
	return -ESTALE;
}

/* Whose owner may not read it may move it all the same. */
static int sync_file(struct at *a)
{
	int fd = open_same(a, O_RDONLY), e;

	if (fd < 0)
		return fd == -EACCES ? 0 : fd;
	e = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return e;
}

/* The old name went meanwhile; n: links before there was the new one. */
static int moved_meanwhile(struct at *to, nlink_t n)
{
	if (again(to))
		return to->e;
	/* Expunged: ours is the last name, or one that nobody missed. */
	if (to->st.st_nlink <= n)
		return 0;
	(void)unlinkat(to->dir, to->name, 0);
	return -ESTALE;
}

/*
 * From one directory to another by link and unlink, with a sync between:
 * where renames are no transactions (ext2, ext4 without a journal, JFFS2)
 * a power cut can keep of a rename the removal alone.  statfs(2) does not
 * tell these from safe ones, and it costs 0.2 ms.  Within a directory it
 * stays a rename, as every IMAP server does it.  A file from elsewhere,
 * tmp/ say, may never have been synced.
 */
static int move(struct at *from, struct at *to)
{
	nlink_t n = from->st.st_nlink;
	int e;

	if (to->dir < 0)
		return to->e;
	if (from->dir == to->dir || !S_ISREG(from->st.st_mode))
		return md_rename(from->dir, from->name, to->dir, to->name);
	e = sync_file(from);
	if (e)
		return e;
	if (linkat(from->dir, from->name, to->dir, to->name, 0) < 0)
		return errno == EEXIST ? -EEXIST :	/* vfat: no links */
		    md_rename(from->dir, from->name, to->dir, to->name);
	e = again(to) ? to->e : !same(from, to) ? -ESTALE :
	    path_sync_dir(to->dir);
	if (e) {
		(void)drop(to, from);
		return e;
	}
	e = drop(from, to);
	if (e == -ESTALE)
		return moved_meanwhile(to, n);
	if (e && e != -EUCLEAN)
		(void)drop(to, from);
	return e;
}

static int move_back(struct at *src, struct at *dst, const struct step *s)
{
	if (!is_it(s, dst))
		return is_it(s, src) ? 0 : -ESTALE;
	if (is_it(s, src))	/* between link and unlink */
		return drop(dst, src);
	return src->e == -ENOENT ? move(dst, src) : src->e ? src->e : -EEXIST;
}

/* The survivor first: its bytes, and its name. */
static int unlink_twin(struct at *src, struct at *dst)
{
	int e = dst->e ? dst->e : same(src, dst) ? sync_file(dst) : -ESTALE;

	if (e == 0)
		e = path_sync_dir(dst->dir);
	return e ? e : drop(src, dst);
}

static int link_twin(struct at *src, struct at *dst, const struct step *s)
{
	if (is_it(s, src))
		return 0;
	if (!is_it(s, dst) || src->e != -ENOENT)
		return -ESTALE;
	return linkat(dst->dir, dst->name, src->dir, src->name, 0) < 0 ?
	    -errno : 0;
}

/* ---- new bytes for old -------------------------------------------------- */

/* SRC~, where the old bytes wait when there is no RENAME_EXCHANGE. */
static void aside(struct ck *ck, const struct step *s, struct at *a,
    char path[PATH_CAP])
{
	struct str z;

	str_init(&z, path, PATH_CAP);
	str_put(&z, s->src);
	str_char(&z, '~');
	(void)look(ck, a, path);
}

static int swap(struct ck *ck, const struct step *s, struct at *src,
    struct at *dst)
{
	char path[PATH_CAP];
	struct at old;

	if (syscall(SYS_renameat2, src->dir, src->name, dst->dir, dst->name,
	    EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* Both have a name at all times: dst, and src or the one aside. */
	aside(ck, s, &old, path);
	if (old.dir < 0)
		return old.e;
	if (linkat(dst->dir, dst->name, old.dir, old.name, 0) < 0 ||
	    renameat(src->dir, src->name, dst->dir, dst->name) < 0)
		return -errno;
	return md_rename(old.dir, old.name, src->dir, src->name);
}

static int swap_back(struct ck *ck, const struct step *s, struct at *src,
    struct at *dst)
{
	char path[PATH_CAP];
	struct at old;

	aside(ck, s, &old, path);
	if (old.e == 0) {	/* cut off in the middle */
		int e = src->e == -ENOENT ? md_rename(old.dir, old.name,
		    src->dir, src->name) :
		    drop(&old, same(&old, src) ? src : dst);

		if (e || again(src))
			return e ? e : src->e;
	}
	if (is_it(s, dst) || is_inode(src, s->n[N_DEV], s->n[N_NEW]))
		return 0;
	if (!is_it(s, src) || !is_inode(dst, s->n[N_DEV], s->n[N_NEW]))
		return -ESTALE;
	return swap(ck, s, src, dst);
}

/* ---- directories and attributes ----------------------------------------- */

/*
 * By a descriptor of what was verified.  Who may not read his own file has
 * to name it; only before Linux 6.6 that name could meanwhile be a link
 * that he himself has laid there, for it is his Maildir, and root can read.
 */
static int set_mode(struct at *a, mode_t mode)
{
	int fd, e;

	if (!S_ISREG(a->st.st_mode) && !S_ISDIR(a->st.st_mode))
		return -ESTALE;
	fd = open_same(a, O_RDONLY);
	if (fd == -EACCES) {
		e = (int)syscall(CHMODAT, a->dir, a->name, mode,
		    AT_SYMLINK_NOFOLLOW);
		if (e < 0 && errno == ENOSYS)
			e = fchmodat(a->dir, a->name, mode, 0);
		return e < 0 ? -errno : 0;
	}
	if (fd < 0)
		return fd;
	e = fchmod(fd, mode) < 0 ? -errno : 0;
	close(fd);
	return e;
}

/* With two names, the other one may be in somebody else's Maildir. */
static int set_owner(struct at *a, uint64_t owner)
{
	int fd = open_same(a, O_PATH), e = -EPERM;

	if (fd < 0)
		return fd;
	if (S_ISDIR(a->st.st_mode) || a->st.st_nlink == 1)
		e = fchownat(fd, "", (uid_t)(owner >> 32), (gid_t)owner,
		    AT_EMPTY_PATH) < 0 ? -errno : 0;
	close(fd);
	return e;
}

static int set_time(const struct at *a, uint64_t ns)
{
	int64_t t = (int64_t)ns, rest = t % 1000000000;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (rest < 0)
		rest += 1000000000;
	times[1].tv_sec = (time_t)((t - rest) / 1000000000);
	times[1].tv_nsec = (long)rest;
	return utimensat(a->dir, a->name, times, AT_SYMLINK_NOFOLLOW) < 0 ?
	    -errno : 0;
}

uint64_t act_attribute(unsigned kind, const struct stat *st)
{
	return kind == OP_UTIME ? mtime_ns(st) : kind == OP_CHOWN ?
	    (uint64_t)st->st_uid << 32 | st->st_gid : st->st_mode & 07777U;
}

static int set_attribute(const struct step *s, struct at *a,
    unsigned which)
{
	uint64_t now = act_attribute(s->kind, &a->st), to = s->n[which];

	if (now == to)
		return 0;
	/* A directory's time has changed with what was done in there. */
	if (now != s->n[N_OLD + N_NEW - which] &&
	    !(s->kind == OP_UTIME && S_ISDIR(a->st.st_mode)))
		return -ESTALE;
	return s->kind == OP_CHMOD ? set_mode(a, (mode_t)to) :
	    s->kind == OP_CHOWN ? set_owner(a, to) : set_time(a, to);
}

static int make_dir(struct at *a, uint64_t mode)
{
	if (a->dir < 0)
		return a->e;
	if (mkdirat(a->dir, a->name, (mode_t)mode & 0777) < 0)
		return -errno;
	return again(a) ? a->e : set_mode(a, (mode_t)mode);
}

static int remove_dir(const struct at *a)
{
	return unlinkat(a->dir, a->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* One that nobody has written yet is an empty one, made here. */
static int make_file(const struct step *s, struct at *a)
{
	int fd;

	if (s->n[N_INO])
		return sync_file(a);
	if (a->dir < 0)
		return a->e;
	fd = openat(a->dir, a->name, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int remove_file(const struct step *s, const struct at *a, bool careful)
{
	bool ours = s->n[N_INO] ? is_it(s, a) &&
	    mtime_ns(&a->st) == s->n[N_MTIME] : a->e == 0 &&
	    S_ISREG(a->st.st_mode) && a->st.st_size == 0;

	if (a->e == -ENOENT)
		return 0;
	if (!ours || careful)
		return -ESTALE;
	return unlinkat(a->dir, a->name, 0) < 0 ? -errno : 0;
}

/* ---- all of them -------------------------------------------------------- */

/* Times that were set in this run: no reason to think of a file as changed. */
static uint64_t timed_ino, timed_ns;

static bool is_unchanged(const struct step *s, const struct at *a)
{
	uint64_t ns = mtime_ns(&a->st);

	return is_it(s, a) && (!S_ISREG(a->st.st_mode) ||
	    ns == s->n[N_MTIME] ||
	    (s->n[N_INO] == timed_ino && ns == timed_ns));
}

static int check(const struct step *s, const struct at *it)
{
	if (s->kind == OP_MKDIR || (s->kind == OP_NEW && !s->n[N_INO]))
		return 0;
	if (it->e)
		return it->e;
	return is_unchanged(s, it) ? 0 : -ESTALE;
}

static int do_it(struct ck *ck, const struct step *s, struct at *src,
    struct at *dst)
{
	switch (s->kind) {
	case OP_RENAME:
		return move(src, dst);
	case OP_UNLINK:
		return unlink_twin(src, dst);
	case OP_MKDIR:
		return make_dir(dst, s->n[N_NEW]);
	case OP_RMDIR:
		return remove_dir(src);
	case OP_NEW:
		return make_file(s, dst);
	case OP_SWAP:
		return is_inode(src, s->n[N_DEV], s->n[N_NEW]) ?
		    swap(ck, s, src, dst) : -ESTALE;
	default:
		return set_attribute(s, src, N_NEW);
	}
}

static int undo_it(struct ck *ck, const struct step *s, struct at *src,
    struct at *dst, bool careful)
{
	switch (s->kind) {
	case OP_RENAME:
		/* It may have come in the place of what had to be left. */
		return careful && plan_delivers(s->src, s->dst) ? -ESTALE :
		    move_back(src, dst, s);
	case OP_UNLINK:
		return link_twin(src, dst, s);
	case OP_MKDIR:
		return dst->e == -ENOENT ? 0 : remove_dir(dst);
	case OP_RMDIR:
		return src->e == 0 ? 0 : make_dir(src, s->n[N_OLD]);
	case OP_NEW:
		return remove_file(s, dst, careful);
	case OP_SWAP:
		return swap_back(ck, s, src, dst);
	default:
		return is_it(s, src) ? set_attribute(s, src, N_OLD) : -ESTALE;
	}
}

int act(struct ck *ck, const struct step *s, int how)
{
	struct at src, dst;
	int e;

	src.e = dst.e = src.dir = dst.dir = -ENOENT;
	if (s->src)
		(void)look(ck, &src, s->src);
	if (s->dst)
		(void)look(ck, &dst, s->dst);
	if (how != ACT)
		e = undo_it(ck, s, &src, &dst, how == ACT_BACK_CAREFUL);
	else if ((e = check(s, s->kind >= OP_NEW ? &dst : &src)) == 0)
		e = do_it(ck, s, &src, &dst);
	if (e == 0 && s->kind == OP_UTIME) {
		timed_ino = s->n[N_INO];
		timed_ns = s->n[N_NEW];
	}
	/* What was kept open below a directory has another path now. */
	if ((src.e == 0 && S_ISDIR(src.st.st_mode)) ||
	    (dst.e == 0 && S_ISDIR(dst.st.st_mode)))
		path_forget(ck);
	return e == -ENOENT ? -ESTALE : e;
}
