/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * popbox --install: makes the links to this binary.  It has to work in an
 * initramfs in the making, where nothing but the binary is there, not even
 * /proc.  Paths are made physical by going there and asking where that is,
 * because a ".." behind a symbolic link leads elsewhere.
 */
//kbuild:obj-$(CONFIG_FEATURE_INSTALL) += applets/popbox/install.o

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>		/* rename */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "box.h"
#include "usage.h"

enum { LONGEST = 1024 };	/* bytes of a path; a longer one is refused */

static struct {
	bool symbolic;
	char self[LONGEST];	/* physical path of this binary */
	char root[LONGEST];	/* physical path of where the links go */
} g;

static int complain(const char *what, const char *dir, const char *name)
{
	fd_puts(2, "popbox: ", what, dir, "/", name, ": ", strerror(errno),
		"\n", (char *)NULL);
	return -1;
}

/* The working directory, physical; "" for the root; false if too long. */
static bool here(char *buf, size_t cap)
{
	if (!getcwd(buf, cap))
		return false;
	if (!strcmp(buf, "/"))
		*buf = '\0';
	return true;
}

/* Enters the directory of a path and makes g.self of it. */
static bool self_is(char *path)
{
	char *slash = strrchr(path, '/');
	char dir[LONGEST];
	struct str s;

	*slash = '\0';
	if (chdir(slash == path ? "/" : path) < 0 || !here(dir, sizeof(dir)))
		return false;
	str_init(&s, g.self, sizeof(g.self));
	str_put(&s, dir);
	str_put(&s, "/");
	str_put(&s, slash + 1);
	return !s.cut && !access(g.self, X_OK);
}

/* Searches PATH as the shell did that started us by a bare name. */
static bool search_path(const char *name)
{
	const char *path = getenv("PATH");
	char buf[LONGEST];
	struct str s;
	size_t n;

	for (; path; path = path[n] ? path + n + 1 : NULL) {
		n = strcspn(path, ":");
		str_init(&s, buf, sizeof(buf));
		str_mem(&s, n ? path : ".", n ? n : 1);
		str_put(&s, "/");
		str_put(&s, name);
		if (!s.cut && !access(buf, X_OK))
			return self_is(buf);
	}
	return false;
}

/*
 * Without /proc too: an initramfs in the making has none.  The working
 * directory is elsewhere afterwards.
 */
static bool find_self(const char *argv0)
{
	char buf[LONGEST];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf));
	struct str s;

	if (n > 0 && (size_t)n < sizeof(buf)) {
		buf[n] = '\0';
		return self_is(buf);
	}
	if (!strchr(argv0, '/'))
		return search_path(argv0);
	str_init(&s, buf, sizeof(buf));
	str_put(&s, argv0);
	return !s.cut && self_is(buf);
}

/*
 * From the directory `from` to the file `to`, both physical: "..", as often
 * as `from` is deeper than what the two share, then the rest of `to`.
 */
static void relative(struct str *s, const char *from, const char *to)
{
	size_t i, same = 0;

	for (i = 0; from[i] && from[i] == to[i]; i++)
		if (from[i] == '/')
			same = i;
	if (!from[i] && to[i] == '/')
		same = i;
	for (i = same; from[i]; i++)
		if (from[i] == '/')
			str_put(s, "../");
	str_put(s, to + same + 1);
}

/* Makes the directory and what leads to it, and enters it. */
static int enter(const char *dir)
{
	char buf[LONGEST];
	struct str s;
	char *p;

	str_init(&s, buf, sizeof(buf));
	str_put(&s, dir);
	for (p = buf; (p = strchr(p + 1, '/')); *p = '/') {
		*p = '\0';
		(void)mkdir(buf, 0755);
	}
	(void)mkdir(buf, 0755);
	return s.cut ? -1 : chdir(dir);
}

static bool is_self(const char *name)
{
	struct stat x, y;

	return !stat(name, &x) && !stat(g.self, &y) &&
		x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A symbolic link to something that is called popbox? */
static bool old_link(const char *name)
{
	char text[LONGEST];
	ssize_t n = readlink(name, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return !strcmp(box_base_name(text), "popbox");
}

/* In the working directory. */
static int make_link(const char *name)
{
	char cwd[LONGEST], text[2 * LONGEST];
	struct str s;

	if (!g.symbolic)
		return link(g.self, name);
	if (!here(cwd, sizeof(cwd)))
		return -1;
	str_init(&s, text, sizeof(text));
	relative(&s, cwd, g.self);
	return symlink(text, name);
}

#define NEW_LINK ".popbox-new"

static int install_link(const char *dir, const char *name)
{
	struct stat st;
	int e = 0;

	if (chdir(g.root) < 0 || enter(dir) < 0)
		return complain("cannot enter ", dir, "");
	if (!old_link(name) && !lstat(name, &st)) {
		errno = EEXIST;
		return is_self(name) ? 0 :
		    complain("left alone: ", dir, name);
	}
	/* What works stays until the new link is there. */
	(void)unlink(NEW_LINK);
	if (make_link(NEW_LINK) < 0 || rename(NEW_LINK, name) < 0)
		e = complain("cannot make the link ", dir, name);
	(void)unlink(NEW_LINK);
	return e;
}

/*
 * The root of the links is entered before the search for this binary, which
 * may leave it: g.root is its physical path.
 */
int box_install(const char *argv0, char **arg)
{
	const char *root = "/";
	int start = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	g.symbolic = *arg && !strcmp(*arg, "-s");
	if (g.symbolic)
		arg++;
	if (*arg)
		root = *arg++;
	if (*arg || *root == '-') {
		fd_puts(2, POPBOX_USAGE, (char *)NULL);
		return EXIT_USAGE;
	}
	if (enter(root) < 0 || !here(g.root, sizeof(g.root) - 1)) {
		complain("cannot enter ", root, "");
		return EXIT_TEMPORARY;
	}
	if (!*g.root)
		strcpy(g.root, "/");
	if (start < 0 || fchdir(start) < 0 || !find_self(argv0)) {
		fd_puts(2, "popbox: cannot find my own file\n", (char *)NULL);
		return EXIT_TEMPORARY;
	}
	return output_status(box_each_link(install_link));
}
