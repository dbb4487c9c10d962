/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d/drop.o
/*
 * The maildrop: the list made at login, what the client marks in it, and
 * the UPDATE state (RFC 1939 section 6), the only place that changes
 * anything in a Maildir.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "mdpop3d.h"
#include "message.h"

enum {				/* our bits in md_ent.mark */
	DELETED = 0x10,		/* DELE */
	REMOVED = 0x20,		/* and done: it has no name any more */
	MEASURED = 0x40,
	FAILED = 0x80		/* could not be read or, in UPDATE, removed */
};

/* Looks for messages that others rename all the time, in vain. */
enum { ROUNDS = 4 };

static int measure(struct drop *d, struct md_ent *m)
{
	struct stat st;
	struct msg w;
	int fd = md_open_message(&d->md, m, &st);
	int e = 0;

	if (fd < 0)
		return fd;
	m->ino = st.st_ino;
	m->size = (uint64_t)st.st_size;
	if (d->exact) {
		msg_begin(&w, MSG_ALL, NULL, NULL);
		e = msg_file(&w, fd, d->buf, sizeof d->buf);
		m->size = w.octets;
	}
	close(fd);
	return e;
}

/* A lack of our own is no reason to leave a message out. */
static bool is_shortage(int e)
{
	return e == -EMFILE || e == -ENFILE || e == -ENOMEM;
}

/*
 * One pass over what is not measured yet; *stale: some were renamed since,
 * or another file has come to stand at their name.
 */
static int measure_pass(struct drop *d, bool *stale)
{
	*stale = false;
	for (size_t i = 0; i < d->list.n; i++) {
		struct md_ent *m = &d->list.e[i];
		int e;

		if (m->mark & MD_REPLACED)
			*stale = true;
		if (m->mark & (MEASURED | FAILED | MD_GONE))
			continue;
		e = measure(d, m);
		if (is_shortage(e))
			return e;
		if (e == -ENOENT)
			*stale = true;
		else
			m->mark |= e ? FAILED : MEASURED;
	}
	return 0;
}

/* Leaves in the list what could be read; numbers are given only then. */
static void keep_measured(struct drop *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->list.n; i++) {
		const struct md_ent *m = &d->list.e[i];

		d->skipped += (m->mark & FAILED) != 0;
		if (!(m->mark & MEASURED))
			continue;
		d->left_octets += m->size;
		d->list.e[kept++] = *m;
	}
	d->list.n = d->left = kept;
}

static int list_messages(struct drop *d)
{
	bool stale = true;
	int e = md_scan(&d->md, &d->list);

	for (int i = 0; e == 0 && stale && i < ROUNDS; i++) {
		e = i > 0 ? md_refresh(&d->md, &d->list) : 0;
		if (e == 0)
			e = measure_pass(d, &stale);
	}
	if (e == 0 && stale)	/* something is there that we do not have */
		e = -EBUSY;
	if (e == 0)
		keep_measured(d);
	return e;
}

int drop_open(struct drop *d, const char *path, bool exact)
{
	int e = md_open(&d->md, AT_FDCWD, path);

	d->exact = exact;
	if (e == 0)
		e = md_lock(&d->md);
	if (ENABLE_FEATURE_MDPOP3D_SANDBOX && e == 0)
		e = sb_user(d->md.root, &d->sandbox);
	return e ? e : list_messages(d);
}

bool drop_marked(const struct md_ent *m)
{
	return (m->mark & DELETED) != 0;
}

struct md_ent *drop_message(struct drop *d, uint64_t number)
{
	struct md_ent *m;

	if (number < 1 || number > d->list.n)
		return NULL;
	m = &d->list.e[number - 1];
	return drop_marked(m) ? NULL : m;
}

void drop_mark(struct drop *d, struct md_ent *m)
{
	m->mark |= DELETED;
	d->left--;
	d->deleted++;
	d->left_octets -= m->size;
	d->deleted_octets += m->size;
}

static void unmark(struct drop *d, struct md_ent *m)
{
	m->mark &= (uint8_t)~DELETED;
	d->left++;
	d->deleted--;
	d->left_octets += m->size;
	d->deleted_octets -= m->size;
}

void drop_unmark_all(struct drop *d)
{
	for (size_t i = 0; i < d->list.n; i++)
		if (drop_marked(&d->list.e[i]))
			unmark(d, &d->list.e[i]);
}

/* -ENOENT also when another message has taken its name. */
static int open_same(const struct drop *d, const struct md_ent *m,
    struct stat *st)
{
	int fd = md_open_message(&d->md, m, st);

	if (fd < 0 || st->st_ino == m->ino)
		return fd;
	close(fd);
	return -ENOENT;
}

int drop_open_message(struct drop *d, struct md_ent *m, struct stat *st)
{
	int fd = -ENOENT;

	for (int i = 0; i < ROUNDS && !(m->mark & MD_GONE); i++) {
		int e;

		fd = open_same(d, m, st);
		if (fd != -ENOENT)
			return fd;
		/* Renamed by another program: one scan finds them all. */
		e = md_refresh(&d->md, &d->list);
		if (e)
			return e;
	}
	return fd;
}

struct pass {
	size_t removed;
	bool again;		/* renamed ones, and further names */
};

/* One attempt at all that is still to be removed, as far as we know. */
static struct pass remove_pass(struct drop *d)
{
	struct pass p = { .removed = 0 };

	for (size_t i = 0; i < d->list.n; i++) {
		struct md_ent *m = &d->list.e[i];
		int e;

		if (!(m->mark & DELETED) ||
		    (m->mark & (REMOVED | FAILED | MD_GONE)))
			continue;
		e = md_remove(&d->md, m);
		p.removed += e >= 0;
		p.again = p.again || e == 1 || e == -ENOENT;
		if (e == 0)
			m->mark |= REMOVED;
		else if (e != 1 && e != -ENOENT)
			m->mark |= FAILED;
	}
	return p;
}

/* Already gone is done: somebody else removed it. */
static bool is_removed(const struct md_ent *m)
{
	return (m->mark & REMOVED) || ((m->mark & MD_GONE) &&
	    !(m->mark & (MD_REPLACED | FAILED)));
}

static void remove_marked(struct drop *d)
{
	struct pass p = remove_pass(d);

	for (int idle = 0; p.again && idle < ROUNDS; idle++) {
		if (md_refresh(&d->md, &d->list))
			return;
		p = remove_pass(d);
		if (p.removed)
			idle = 0;
	}
}

/* What could not be removed is left, in our books too. */
static size_t keep_failed(struct drop *d)
{
	size_t failed = 0;

	for (size_t i = 0; i < d->list.n; i++) {
		struct md_ent *m = &d->list.e[i];

		if (drop_marked(m) && !is_removed(m)) {
			unmark(d, m);
			failed++;
		}
	}
	return failed;
}

/* What cannot move stays in new/, where it is as safe. */
static bool see_rest(struct drop *d)
{
	bool moved = false;

	for (size_t i = 0; i < d->list.n; i++) {
		const struct md_ent *m = &d->list.e[i];

		if (m->sub == MD_NEW && !(m->mark & (DELETED | MD_GONE)))
			moved = md_see(&d->md, m) == 0 || moved;
	}
	return moved;
}

size_t drop_update(struct drop *d, bool see)
{
	sigset_t stops, before;
	size_t failed = 0;
	bool changed = d->deleted > 0;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGHUP);
	sigprocmask(SIG_BLOCK, &stops, &before);
	if (d->deleted) {
		remove_marked(d);
		failed = keep_failed(d);
	}
	if (see)
		changed = see_rest(d) || changed;
	/* Removed, but not for sure, is not removed. */
	if (changed && md_sync(&d->md) == -EIO)
		failed += d->deleted;
	md_unlock(&d->md);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return failed;
}
