/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/spool.o
/* -R: the Maildirs below a directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum { DEPTH = 12 };

struct children {
	struct md_area names;
	struct keys order;	/* by the first bytes: who has a thousand
				   directories decides nothing but his own */
};

/* Where the type is not told, visit() finds out by opening it. */
static int keep_directory(void *ctx, const struct dirent_view *d)
{
	struct children *c = ctx;
	struct md_area *a = &c->names;
	size_t n = strlen(d->name) + 1;
	uint64_t first = 0;
	int e;

	if (d->type != DT_DIR && d->type != DT_UNKNOWN)
		return 0;
	e = md_area_grow(a, a->len + n);
	if (e)
		return e;
	memcpy(a->p + a->len, d->name, n);
	for (size_t i = 0; i < 8; i++)
		first = first << 8 | (i < n ? (unsigned char)d->name[i] : 0);
	e = keys_add(&c->order, first, a->len);
	a->len += n;
	return e;
}

/* tmp/ may be missing: some tools forget empty directories. */
static bool is_maildir(int dir)
{
	struct stat st;

	return fstatat(dir, "cur", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode) &&
	    fstatat(dir, "new", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode);
}

static int visit(const struct options *o, int at, const char *name,
    struct str *path, int depth);

/*
 * In the order of names, whatever order the disk has: two runs can be
 * compared.  A spool's directories are few enough to look for the next one.
 */
static int visit_all(const struct options *o, int dir, struct str *path,
    int depth)
{
	struct ck ck = { .o = o, .path = path->p };
	struct children c = { .order = { .n = 0 } };
	size_t len = path->len;
	int status = 0, e = scan_each(&ck, dir, keep_directory, &c);

	if (e)
		trouble(&ck, "", e);
	keys_sort(&c.order);
	for (size_t i = 0; i < c.order.n && !ck_cancelled; i++) {
		const struct pair *p = (const void *)c.order.area.p;
		const char *n = c.names.p + p[i].value;

		str_char(path, '/');
		str_put(path, n);
		if (!path->cut)
			status |= visit(o, dir, n, path, depth + 1);
		path->len = len;
		path->p[len] = '\0';
		path->cut = false;
	}
	md_area_free(&c.names);
	keys_free(&c.order);
	return status | ck.status;
}

static int visit(const struct options *o, int at, const char *name,
    struct str *path, int depth)
{
	int status = 0, dir = open_dir(at, name);

	if (dir < 0) {
		struct ck ck = { .o = o, .path = path->p };

		if (dir != -ENOTDIR && dir != -ENOENT && dir != -ELOOP)
			trouble(&ck, "", dir);
		return ck.status;
	}
	/* The descriptor goes along: the path may lead elsewhere by then. */
	if (is_maildir(dir))
		return owner_run(o, dir, path->p, false);
	if (depth < DEPTH)
		status = visit_all(o, dir, path, depth);
	close(dir);
	return status;
}

int spool_run(const struct options *o, const char *path)
{
	char buf[4 * PATH_CAP];
	struct str s;

	str_init(&s, buf, sizeof buf);
	str_put(&s, path);
	return s.cut ? CK_ERROR : visit(o, AT_FDCWD, path, &s, 0);
}
