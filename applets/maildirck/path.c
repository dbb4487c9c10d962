/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/path.o
/* Paths below a Maildir, by descriptors of their directories. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

void path_of(struct str *s, const struct folder *f, int sub,
    const char *name)
{
	static const char in[][5] = { "new/", "cur/", "tmp/", "" };

	str_put(s, f->name);
	if (f->name[0])
		str_char(s, '/');
	str_put(s, in[sub]);
	str_put(s, name);
}

/*
 * The last directories used, by their paths; the first place is the
 * Maildir's own.  A directory that was changed is synced when it has to
 * make room, or by path_sync.
 */
enum { KEPT = 8 };

static struct kept {
	char path[PATH_CAP];
	int fd;			/* one more than it; 0: none */
	bool changed;
} kept[KEPT];
static unsigned next;
static const struct kept *last_used;
static int lost;		/* -errno of a sync that had to be early */

/* A file system that cannot sync directories says EINVAL. */
int path_sync_dir(int dir)
{
	return fsync(dir) < 0 && errno != EINVAL ? -errno : 0;
}

static void sync_kept(struct kept *k)
{
	int e = k->changed ? path_sync_dir(k->fd - 1) : 0;

	k->changed = false;
	if (e && !lost)
		lost = e;
}

int path_sync(struct ck *ck)
{
	int e;

	kept[0].fd = ck->root + 1;
	for (size_t i = 0; i < KEPT; i++)
		sync_kept(&kept[i]);
	e = lost;
	lost = 0;
	return e;
}

void path_changed(int dir)
{
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].fd == dir + 1)
			kept[i].changed = true;
}

void path_forget(struct ck *ck)
{
	(void)ck;
	for (size_t i = 1; i < KEPT; i++) {
		sync_kept(&kept[i]);
		if (kept[i].fd)
			close(kept[i].fd - 1);
		kept[i].fd = 0;
	}
}

/* One name within a directory: not empty, not "." and not "..". */
static bool is_name(const char *p, size_t n)
{
	return n > 0 && n <= MD_NAME_MAX && (p[0] != '.' || n > 2 ||
	    (n == 2 && p[1] != '.'));
}

static int step_down(int at, int root, const char *p, size_t n)
{
	char name[MD_NAME_MAX + 1];
	int fd;

	if (!is_name(p, n))
		return -EINVAL;
	memcpy(name, p, n);
	name[n] = '\0';
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	if (at != root)
		close(at);
	return fd;
}

/* The directory of the first n bytes of path. */
static int walk_down(int root, const char *path, size_t n)
{
	int fd = root;

	for (size_t at = 0; fd >= 0 && at < n; ) {
		size_t one = str_span(path + at, '/');

		fd = step_down(fd, root, path + at, one);
		at += one + 1;
	}
	return fd;
}

int path_parent(struct ck *ck, const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	struct kept *k;
	int fd;

	kept[0].fd = ck->root + 1;
	*last = slash ? slash + 1 : path;
	if (!is_name(*last, strlen(*last)) && strcmp(path, ".") != 0)
		return -EINVAL;
	if (!slash)
		return ck->root;
	if (n >= PATH_CAP)
		return -ENAMETOOLONG;
	for (k = kept + 1; k < kept + KEPT; k++)
		if (k->fd && strncmp(k->path, path, n) == 0 && !k->path[n]) {
			last_used = k;
			return k->fd - 1;
		}
	fd = n ? walk_down(ck->root, path, n) : -EINVAL;
	if (fd < 0)
		return fd;
	/* The one that was used last is the other path's of an operation. */
	k = kept + 1 + next++ % (KEPT - 1);
	if (k == last_used)
		k = kept + 1 + next++ % (KEPT - 1);
	sync_kept(k);
	if (k->fd)
		close(k->fd - 1);
	k->fd = fd + 1;
	memcpy(k->path, path, n);
	k->path[n] = '\0';
	last_used = k;
	return fd;
}

int path_stat(struct ck *ck, const char *path, struct stat *st)
{
	const char *last;
	int dir = path_parent(ck, path, &last);

	if (dir < 0)
		return dir;
	return fstatat(dir, last, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}
