/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/mddeliver.o
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base.h"
#include "maildir.h"

enum { HOST_BYTES = 64, TRIES = 16 };

/* A host's name may hold what ends a base name or a path. */
static void put_host(struct str *s)
{
	char host[HOST_BYTES + 1] = "";

	if (gethostname(host, HOST_BYTES) < 0 || host[0] == '\0')
		strcpy(host, "localhost");
	for (const char *p = host; *p; p++) {
		if (*p == '/')
			str_put(s, "\\057");
		else if (*p == ':')
			str_put(s, "\\072");
		else if (*p > 0x20 && *p < 0x7F)
			str_char(s, *p);
	}
}

/* SECONDS.MmicrosecondsPpidQtry.host: unique on one host, sorts by time. */
static void make_name(struct md_delivery *d, unsigned attempt)
{
	struct timeval now;
	struct str s;

	gettimeofday(&now, NULL);
	str_init(&s, d->name, sizeof d->name);
	str_u64(&s, (uint64_t)now.tv_sec);
	str_put(&s, ".M");
	str_u64(&s, (uint64_t)now.tv_usec);
	str_char(&s, 'P');
	str_u64(&s, (uint64_t)getpid());
	str_char(&s, 'Q');
	str_u64(&s, attempt);
	str_char(&s, '.');
	put_host(&s);
}

int md_deliver_begin(const struct md *md, struct md_delivery *d)
{
	for (unsigned i = 0; i < TRIES; i++) {
		make_name(d, i);
		d->fd = openat(md->sub[MD_TMP], d->name, O_WRONLY | O_CREAT |
		    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (d->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

void md_deliver_abort(const struct md *md, struct md_delivery *d)
{
	close(d->fd);
	(void)unlinkat(md->sub[MD_TMP], d->name, 0);
}

static int sync_and_close(int fd)
{
	int e = fsync(fd) < 0 ? -errno : 0;

	/* NFS reports a full disk here. */
	if (close(fd) < 0 && e == 0)
		e = -errno;
	return e;
}

/*
 * The order is what counts: bytes, then the name in new/, then new/ itself,
 * and only then the name in tmp/ goes.  After a rename alone a power cut
 * has left messages in tmp/ only, and without fsync empty ones in new/.
 */
int md_deliver_end(const struct md *md, struct md_delivery *d)
{
	int tmp = md->sub[MD_TMP], new = md->sub[MD_NEW];
	bool linked = false;
	int e = sync_and_close(d->fd);

	if (e == 0) {
		linked = linkat(tmp, d->name, new, d->name, 0) == 0;
		if (!linked)	/* vfat has no links */
			e = errno == EEXIST ? -EEXIST :
			    md_rename(tmp, d->name, new, d->name);
	}
	if (e == 0 && fsync(new) < 0) {
		e = -errno;
		(void)unlinkat(new, d->name, 0);
	}
	if (e || linked)
		(void)unlinkat(tmp, d->name, 0);
	return e;
}
