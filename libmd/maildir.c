/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/maildir.o
#include "maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

enum { NOREPLACE = 1 };		/* RENAME_NOREPLACE of linux/fs.h */

#ifndef SYS_renameat2		/* headers from before Linux 3.15 */
#define SYS_renameat2 -1
#endif

static int open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int md_open(struct md *md, int at, const char *path)
{
	static const char sub[3][4] = { "new", "cur", "tmp" };

	*md = (struct md){ .sub = { -1, -1, -1 } };
	md->root = open_dir(at, path);
	if (md->root < 0)
		return md->root;
	for (int i = MD_NEW; i <= MD_TMP; i++) {
		int fd = open_dir(md->root, sub[i]);

		if (fd >= 0) {
			md->sub[i] = fd;
		} else if (i != MD_TMP && fd != -ENOENT) {
			md_close(md);
			return fd;
		}
	}
	if (md->sub[MD_NEW] >= 0 || md->sub[MD_CUR] >= 0)
		return 0;
	md_close(md);
	return -ENOENT;
}

void md_close(struct md *md)
{
	for (int i = MD_NEW; i <= MD_TMP; i++)
		if (md->sub[i] >= 0)
			close(md->sub[i]);
	close(md->root);
}

int md_lock(const struct md *md)
{
	int e;

	do
		e = flock(md->root, LOCK_EX | LOCK_NB);
	while (e < 0 && errno == EINTR);
	return e < 0 && errno == EWOULDBLOCK ? -EWOULDBLOCK : 0;
}

void md_unlock(const struct md *md)
{
	(void)flock(md->root, LOCK_UN);
}

int md_open_message(const struct md *md, const struct md_ent *m,
    struct stat *st)
{
	/* O_NONBLOCK: a FIFO put in the way must not hang us. */
	int fd = openat(md->sub[m->sub], m->name, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int e;

	if (fd < 0)
		return -errno;
	e = fstat(fd, st) < 0 ? errno : S_ISREG(st->st_mode) ? 0 : EINVAL;
	if (e == 0)
		return fd;
	close(fd);
	return -e;
}

int md_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	if (syscall(SYS_renameat2, from_dir, from, to_dir, to, NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* Old kernels, NFS: a link cannot overwrite either. */
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return -errno;
	return unlinkat(from_dir, from, 0) < 0 ? -errno : 0;
}

int md_see(const struct md *md, const struct md_ent *m)
{
	char name[MD_NAME_MAX + 4];
	struct str s;

	str_init(&s, name, sizeof name);
	str_put(&s, m->name);
	if (m->name[m->base] == '\0')
		str_put(&s, ":2,");
	if (s.cut)
		return -ENAMETOOLONG;
	return md_rename(md->sub[MD_NEW], m->name, md->sub[MD_CUR], name);
}

int md_remove(const struct md *md, const struct md_ent *m)
{
	int dir = md->sub[m->sub];
	struct stat st;

	if (fstatat(dir, m->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (st.st_ino != m->ino)
		return -ENOENT;
	if (unlinkat(dir, m->name, 0) < 0)
		return -errno;
	return st.st_nlink > 1;
}

int md_sync(const struct md *md)
{
	int e = 0;

	for (int i = MD_NEW; i <= MD_CUR; i++)
		if (md->sub[i] >= 0 && fsync(md->sub[i]) < 0)
			e = -errno;
	return e;
}
