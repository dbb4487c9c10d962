/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For sandbox.c: what the user's process tries. */
#ifndef SANDBOXUSER_H
#define SANDBOXUSER_H

#include <ftw.h>
#include <stdlib.h>

#include "sandboxtries.h"

static struct md_list list;

static int do_session(void)
{
	struct stat st;
	int fd, e = md_lock(&md);

	if (!e)
		e = md_scan(&md, &list);
	if (e || list.n != 3)
		return e ? -e : 1;
	fd = md_open_message(&md, &list.e[0], &st);
	if (fd < 0)
		return -fd;
	close(fd);
	e = md_refresh(&md, &list);
	return e ? -e : 0;
}

/* new/ to cur/, which Landlock of Linux 5.13 to 5.18 would not have. */
static int do_update(void)
{
	int e = do_session();

	if (!e)
		e = -md_see(&md, &list.e[0]);
	if (!e)
		e = -md_remove(&md, &list.e[1]);
	if (!e)
		e = -md_sync(&md);
	md_unlock(&md);
	return e;
}

/* As md_rename does on a kernel or file system without renameat2(2). */
static int do_link(void)
{
	int new = md.sub[MD_NEW], cur = md.sub[MD_CUR];

	if (linkat(new, "3.c", cur, "3.c:2,", 0) < 0)
		return errno;
	return result(unlinkat(new, "3.c", 0));
}

static int no_outside(void)
{
	return result(openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int no_beside(void)
{
	return result(openat(md.root, "../outside/users", O_RDONLY));
}

static int no_symlink(void)
{
	return result(openat(md.sub[MD_CUR], ".way-out", O_RDONLY));
}

static int no_directory(void)
{
	return result(openat(md.root, "..", O_RDONLY | O_DIRECTORY));
}

static int no_unlink(void)
{
	return result(unlinkat(md.root, "../outside/users", 0));
}

static int no_rmdir(void)
{
	return result(unlinkat(md.root, "empty", AT_REMOVEDIR));
}

/* Out of it and into it; EXDEV is how Landlock says no here, too. */
static int moved(const char *from, const char *to)
{
	int e = -md_rename(md.root, from, md.root, to);

	return e == EXDEV ? EACCES : e;
}

static int no_out(void)
{
	return moved("cur/.kept", "../outside/kept");
}

static int no_in(void)
{
	return moved("../outside/users", "cur/users");
}

static int no_link(void)
{
	int e = result(linkat(md.root, "../outside/users", md.root,
	    "cur/users", 0));

	return e == EXDEV ? EACCES : e;
}

static int bad_bind(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX };

	return result(bind(pair[0], (const struct sockaddr *)&to, sizeof to));
}

static const struct trial by_landlock[] = {
	{ "open of another's file", no_outside, EACCES },
	{ "open of a file beside", no_beside, EACCES },
	{ "open through a symbolic link", no_symlink, EACCES },
	{ "open of a directory", no_directory, EACCES },
	{ "unlink of a file beside", no_unlink, EACCES },
	{ "rmdir", no_rmdir, EACCES },
	{ "rename out of it", no_out, EACCES },
	{ "rename into it", no_in, EACCES },
	{ "link into it", no_link, EACCES },
	{ NULL, NULL, 0 }
};

static int no_write_own(void)
{
	return result(openat(md.sub[MD_CUR], ".kept", O_WRONLY));
}

static const struct trial users[] = {
	{ "a connection", do_connection, 0 },
	{ "how much is unsent", do_unsent, 0 },
	{ "the log", do_log, 0 },
	{ "reads the Maildir", do_session, 0 },
	{ "links within the Maildir", do_link, 0 },
	{ "updates the Maildir", do_update, 0 },
	{ "open to write", no_write_own, EACCES },
	{ "open to create", no_create, EACCES },
	{ "an ioctl that types", no_ioctl, EACCES },
	{ "bind", bad_bind, STOPPED },
	{ NULL, NULL, 0 }
};

static void file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	(void)!write(fd, text, strlen(text));
	close(fd);
}

/* A password of each scheme; the last one's takes memory. */
static const char hashes[] =
    "mary:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:1000:1000::/:\n"
    "anne:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv"
    "72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.:1000:1000::/:\n"
    "cate:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
    ":1000:1000::/:\n"
    "jane:$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5Xi"
    "VCe.:1000:1000::/:\n";

/* Three messages, and things for the hostile to reach for. */
static void make_home(void)
{
	if (mkdtemp(home) == NULL || chmod(home, 0755) < 0 || chdir(home) < 0)
		exit(1);
	mkdir("Maildir", 0700);
	mkdir("Maildir/new", 0700);
	mkdir("Maildir/cur", 0700);
	mkdir("Maildir/tmp", 0700);
	mkdir("Maildir/empty", 0700);
	mkdir("outside", 0755);
	file("outside/users", hashes);
	file("Maildir/new/1.a", "one\n");
	file("Maildir/new/3.c", "three\n");
	file("Maildir/cur/2.b:2,S", "two\n");
	file("Maildir/.kept", "");
	(void)!rename("Maildir/.kept", "Maildir/cur/.kept");
	(void)!symlink("../../outside/users", "Maildir/cur/.way-out");
	ok(md_open(&md, AT_FDCWD, "Maildir") == 0, "the Maildir opens");
}

static int remove_one(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_home(void)
{
	ok(chdir("/") == 0 && nftw(home, remove_one, 8,
	    FTW_DEPTH | FTW_PHYS) == 0, "cleaned up");
}

static void kept(void)
{
	ok(access("outside/users", F_OK) == 0 &&
	    access("outside/kept", F_OK) < 0 &&
	    access("Maildir/cur/users", F_OK) < 0, "nothing came or went");
	ok(access("Maildir/cur/1.a:2,", F_OK) == 0 &&
	    access("Maildir/new/1.a", F_OK) < 0, "from new/ to cur/");
	ok(access("Maildir/cur/2.b:2,S", F_OK) < 0, "removed");
	ok(access("Maildir/cur/3.c:2,", F_OK) == 0 &&
	    access("Maildir/new/3.c", F_OK) < 0, "by a link");
}

#endif
