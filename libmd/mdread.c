/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/mdread.o
/* Pages, and a directory read into them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "maildir.h"

enum { FIRST_AREA = 64 * 1024, TRIES = 4 };

void md_area_free(struct md_area *a)
{
	if (a->p)
		munmap(a->p, a->cap);
	*a = (struct md_area){ .p = NULL };
}

int md_area_grow(struct md_area *a, size_t need)
{
	size_t cap = a->cap ? a->cap : FIRST_AREA;
	struct md_area more = { .len = a->len };
	void *p;

	if (need <= a->cap)
		return 0;
	if (need > SIZE_MAX / 2)
		return -ENOMEM;
	while (cap < need)
		cap *= 2;
	/* Address space only: pages come when they are touched. */
	p = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	more.p = p;
	more.cap = cap;
	if (a->len)
		memcpy(more.p, a->p, a->len);
	md_area_free(a);
	*a = more;
	return 0;
}

void md_area_trim(struct md_area *a)
{
	const size_t page = 65536;	/* of the machine: this or less */
	size_t keep = a->len ? (a->len + page - 1) / page * page : page;

	if (a->p && keep < a->cap && munmap(a->p + keep, a->cap - keep) == 0)
		a->cap = keep;
}

static long read_dirents(int fd, char *p, size_t n)
{
	/* The kernel takes an int; more than INT_MAX it refuses. */
	return syscall(SYS_getdents64, fd, p, n < 1 << 30 ? n : 1 << 30);
}

/* All of a directory once, in as many calls as it takes. */
static int read_calls(int fd, struct md_area *a, int *calls)
{
	size_t start = a->len;

	*calls = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long r = read_dirents(fd, a->p + a->len, a->cap - a->len);
		int e = 0;

		if (r == 0)
			return 0;
		if (r > 0) {
			a->len += (size_t)r;
			++*calls;
			if (a->cap - a->len < FIRST_AREA / 2)
				e = md_area_grow(a, a->cap + 1);
		} else if (errno == EINVAL) {
			e = md_area_grow(a, a->cap + 1);
		} else if (errno != EINTR) {
			e = -errno;
		}
		if (e) {
			a->len = start;
			return e;
		}
	}
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * One call is a snapshot.  When it took more, the area has grown to hold
 * everything and the directory is read again.  File systems that return a
 * directory only in pieces (NFS, FUSE) never get there: for them it must
 * not have changed while it was read, or we try again, within reason.
 */
int md_read_dir(int fd, struct md_area *a)
{
	size_t start = a->len;
	struct stat before, after;
	int calls, e;

	if (fstat(fd, &before) < 0)
		return -errno;
	/* Twice the size on disk holds the records of any name length. */
	e = md_area_grow(a, start + 2 * (size_t)before.st_size + FIRST_AREA);
	if (e)
		return e;
	for (int i = 0; i < TRIES; i++) {
		a->len = start;
		e = read_calls(fd, a, &calls);
		if (e || calls <= 1)
			return e;
		if (fstat(fd, &after) < 0)
			return -errno;
		if (i > 0 && same_state(&before, &after))
			return 0;
		before = after;
	}
	return 0;
}
