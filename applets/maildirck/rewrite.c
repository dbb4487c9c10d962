/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/rewrite.o
/*
 * New files for messages whose bytes are to change: written to maildirck.q
 * and synced before anything is planned with them, while the original stays
 * as it is, and goes to quarantine.  In tmp/ they would look like mail that
 * was not delivered, should this run be killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "date.h"
#include "mbox.h"
#include "plan.h"

struct copies {
	struct ck *ck;
	const struct entry *e;
	struct md_area names;	/* paths of what is written */
	int fd;			/* the one that is being written, or -1 */
	int error;
};

/* One more file, its path behind the others. */
static int begin(struct copies *c)
{
	char base[MD_NAME_MAX + 1];
	const char *last;
	struct str s, b;
	int dir, e = quarantine_make(c->ck);

	if (e == 0)
		e = md_area_grow(&c->names, c->names.len + PATH_CAP);
	if (e)
		return e;
	str_init(&b, base, sizeof base);
	fresh_base(c->ck, &b);
	str_init(&s, c->names.p + c->names.len, PATH_CAP);
	quarantine_other(c->ck, &s, base);
	dir = path_parent(c->ck, s.p, &last);
	c->fd = dir < 0 ? dir : openat(dir, last, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (c->fd < 0)
		return dir < 0 ? dir : -errno;
	c->names.len += s.len + 1;
	return 0;
}

/* A file is begun with its first byte: empty messages get none. */
static int put(void *ctx, const void *p, size_t n)
{
	struct copies *c = ctx;
	int e = c->fd < 0 ? begin(c) : 0;

	return e == 0 && fd_write(c->fd, p, n) < 0 ? -errno : e;
}

/* Root's copies become the owner's.  e, or what fails now. */
static int end(struct copies *c, int e, int64_t mtime)
{
	const struct stat *st = &c->e->st;
	struct timespec t[2] = { st->st_atim, st->st_mtim };

	if (c->fd < 0)
		return e;
	if (mtime != st->st_mtim.tv_sec)
		t[1] = (struct timespec){ .tv_sec = (time_t)mtime };
	if (e >= 0 && ((fchown(c->fd, st->st_uid, st->st_gid) < 0 &&
	    geteuid() == 0) ||
	    fchmod(c->fd, (st->st_mode & 0777) | 0600) < 0 ||
	    futimens(c->fd, t) < 0 || fsync(c->fd) < 0))
		e = -errno;
	if (close(c->fd) < 0 && e >= 0)
		e = -errno;
	c->fd = -1;
	return e;
}

/*
 * What is done with each copy.  DROP takes away only what was begun here,
 * and nobody has been told of.
 */
enum fate { DROP, PLAN, DELIVER };

static void drop(struct copies *c, const char *path)
{
	const char *last;
	int dir = path_parent(c->ck, path, &last);

	if (dir >= 0)
		(void)unlinkat(dir, last, 0);
}

static void each(struct copies *c, enum fate fate)
{
	char to[PATH_CAP];
	struct str t;

	for (const char *p = c->names.p, *stop = p + c->names.len; p < stop;
	    p += strlen(p) + 1) {
		str_init(&t, to, sizeof to);
		path_of(&t, c->e->f, MD_NEW, strchr(p, '/') + 1);
		if (fate == DROP)
			drop(c, p);
		else if (fate == PLAN)
			plan_add(c->ck, &(struct op){
				.kind = OP_NEW, .dst = p
			});
		else
			plan_rename(c->ck, p, to, NULL);
	}
}

/* ---- C06 ---------------------------------------------------------------- */

/* Parts get the time of their From_ line. */
static int split(struct copies *c, int fd)
{
	static struct mbox m;
	int e = 1;

	mbox_begin(&m, fd);
	while (e == 1) {
		e = mbox_next(&m, put, c);
		e = end(c, e, e < 0 || content_odd_time(c->ck, m.date) ?
		    c->e->st.st_mtime : m.date);
	}
	return e;
}

/* ---- C05, C09 ----------------------------------------------------------- */

static size_t without_cr(unsigned char *p, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++)
		if (p[i] != '\r' || i + 1 == n || p[i + 1] != '\n')
			p[to++] = p[i];
	return to;
}

/* Counts what it copies in b, for the name. */
static int convert(struct copies *c, int fd, struct bytes *b)
{
	unsigned char *p = content_room + 1;
	bool lf = entry_wants(c->e, C09);
	uint64_t at = 0;

	content_room[0] = '\n';
	for (;;) {
		ptrdiff_t r = pread(fd, p, ROOM, (off_t)at);
		struct head h = { .start = 0 };
		size_t n;
		int e;

		if (r < 0)
			return -errno;
		if (r == 0)
			return 0;
		if (at == 0 && entry_wants(c->e, C05))
			head_look(&h, (char *)p, (size_t)r);
		/* A CR at the end is read again, with what follows. */
		if (lf && r > 1 && p[r - 1] == '\r')
			r--;
		at += (uint64_t)r;
		n = (size_t)r - h.start;
		if (lf)
			n = without_cr(p + h.start, n);
		bytes_look(b, p + h.start, p + h.start + n, p + h.start + n);
		e = put(c, p + h.start, n);
		if (e)
			return e;
		if (n)
			content_room[0] = p[h.start + n - 1];
	}
}

/* To where the original stands, with sizes in the name that are true. */
static void plan_replace(struct copies *c, const struct bytes *b)
{
	char to[PATH_CAP];
	struct entry e = *c->e;
	struct str s;

	e.st.st_size = (off_t)b->at;
	e.bare_lf = b->lf - b->crlf;
	e.want[Z01 / 64] |= (uint64_t)1 << Z01 % 64;
	e.want[Z02 / 64] |= (uint64_t)1 << Z02 % 64;
	str_init(&s, to, sizeof to);
	entry_target(c->ck, &e, &s);
	plan_rename(c->ck, c->names.p, to, NULL);
}

static int rewrite(struct copies *c, int fd, const char *path)
{
	struct bytes b = { .at = 0 };
	bool many = entry_wants(c->e, C06);
	int64_t t = c->e->st.st_mtime;
	int e;

	if (entry_wants(c->e, C14))
		(void)content_time(c->ck, c->e, &t);
	e = many ? split(c, fd) : end(c, convert(c, fd, &b), t);
	if (e) {
		each(c, DROP);
		return e;
	}
	each(c, PLAN);
	if (many)
		each(c, DELIVER);
	plan_quarantine(c->ck, path, true, &c->e->st);
	if (!many)
		plan_replace(c, &b);
	return 0;
}

void content_rewrite(struct ck *ck, struct entry *e)
{
	struct copies c = { .ck = ck, .e = e, .fd = -1 };
	char path[PATH_CAP];
	struct str s;
	struct stat st;
	int fd, r;

	str_init(&s, path, sizeof path);
	path_of(&s, e->f, e->sub, e->name);
	if (ck->o->dry_run) {	/* nothing new may come about */
		plan_quarantine(ck, path, true, &e->st);
		return;
	}
	fd = r = entry_open(e->f, e->sub, e->name, &st);
	if (fd >= 0) {
		r = rewrite(&c, fd, path);
		close(fd);
	}
	if (r)
		trouble(ck, path, r);
	md_area_free(&c.names);
}

/* ---- C14 ---------------------------------------------------------------- */

bool content_time(struct ck *ck, const struct entry *e, int64_t *t)
{
	char *head = (char *)content_room + 1;
	struct stat st;
	int fd = entry_open(e->f, e->sub, e->name, &st);
	ptrdiff_t n = -1;

	if (fd >= 0) {
		n = pread(fd, head, ROOM, 0);
		close(fd);
	}
	if (n > 0 && date_of_message(head, (size_t)n, t) &&
	    !content_odd_time(ck, *t))
		return true;
	*t = (int64_t)e->n.sec;
	return !content_odd_time(ck, *t);
}
