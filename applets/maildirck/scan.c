/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/scan.o
/* The names of a directory: in one snapshot, or in the memory there is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "maildirck.h"

enum {
	D_RECLEN = 16, D_TYPE = 18, D_NAME = 19,	/* getdents64(2) */
	PIECE = 1 << 20
};

bool dirent_next(const struct md_area *a, size_t *at, struct dirent_view *d)
{
	const char *p = a->p + *at;
	uint16_t reclen;

	if (*at >= a->len)
		return false;
	memcpy(&d->ino, p, sizeof d->ino);
	memcpy(&reclen, p + D_RECLEN, sizeof reclen);
	d->type = (uint8_t)p[D_TYPE];
	d->name = p + D_NAME;
	*at += reclen;
	return true;
}

/*
 * What is free without the caches, which is less than could be had: on a
 * small machine the mail server needs its caches more than we do.
 */
static uint64_t memory(const struct ck *ck)
{
	struct sysinfo si;

	if (ck->o->mem)
		return ck->o->mem;
	if (sysinfo(&si) < 0)
		return 16 << 20;
	return ((uint64_t)si.freeram + si.bufferram) * si.mem_unit / 2;
}

/* A directory on disk is about as large as its dirents in memory. */
static bool fits(const struct ck *ck, int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 &&
	    (st.st_size < PIECE || (uint64_t)st.st_size < memory(ck));
}

/*
 * Renames between two calls can hide a name or show it twice: whoever uses
 * this looks at each name again before it draws a conclusion.
 */
static int in_pieces(int dir, struct md_area *a,
    int (*use)(void *ctx, const struct md_area *dirents), void *ctx)
{
	int e = md_area_grow(a, PIECE);

	if (e == 0 && lseek(dir, 0, SEEK_SET) < 0)
		e = -errno;
	while (e == 0) {
		long r = syscall(SYS_getdents64, dir, a->p, PIECE);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : 0;
		a->len = (size_t)r;
		e = use(ctx, a);
	}
	return e;
}

int scan_batches(struct ck *ck, int dir,
    int (*use)(void *ctx, const struct md_area *dirents), void *ctx)
{
	struct md_area a = { .p = NULL };
	int e = fits(ck, dir) ? md_read_dir(dir, &a) : -ENOMEM;

	if (e == 0) {
		md_area_trim(&a);
		e = use(ctx, &a);
	} else if (e == -ENOMEM) {
		e = in_pieces(dir, &a, use, ctx);
	}
	md_area_free(&a);
	return e;
}

struct each {
	int (*use)(void *ctx, const struct dirent_view *d);
	void *ctx;
};

static int each_of(void *ctx, const struct md_area *dirents)
{
	const struct each *x = ctx;
	struct dirent_view d;
	size_t at = 0;
	int e = 0;

	while (e == 0 && dirent_next(dirents, &at, &d))
		if (d.name[d.name[0] == '.'] != '\0' &&
		    strcmp(d.name, "..") != 0)
			e = x->use(x->ctx, &d);
	return e;
}

int scan_each(struct ck *ck, int dir,
    int (*use)(void *ctx, const struct dirent_view *d), void *ctx)
{
	struct each x = { use, ctx };

	return scan_batches(ck, dir, each_of, &x);
}
