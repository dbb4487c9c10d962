/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_CONTROL) += applets/maildirck/swap.o
/* Control files read, locked, and replaced as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "plan.h"

enum {
	MAX_BYTES = 256 << 20,	/* two million messages */
	STALE = 120,		/* seconds; Dovecot and Courier have the same */
	STEP = 100 * 1000	/* microseconds between two tries */
};

static int open_at(struct ck *ck, const char *path, int flags)
{
	const char *last;
	int dir = path_parent(ck, path, &last), fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, last, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);
	return fd < 0 ? -errno : fd;
}

static int read_once(struct control *c)
{
	int fd = open_at(c->ck, c->path, O_RDONLY), e = 0;
	ptrdiff_t n = -1;

	if (fd < 0)
		return fd;
	if (fstat(fd, &c->st) < 0)
		e = -errno;
	else if (!S_ISREG(c->st.st_mode) || c->st.st_size > MAX_BYTES)
		e = -EFBIG;
	else
		e = md_area_grow(&c->in, (size_t)c->st.st_size + 1);
	if (e == 0) {
		n = fd_read(fd, c->in.p, (size_t)c->st.st_size);
		e = n < 0 ? -errno : 0;
	}
	if (e == 0) {
		c->in.len = (size_t)n;
		c->in.p[n] = '\0';
	}
	close(fd);
	return e;
}

/* A line that has no end is perhaps just being written. */
int control_read(struct control *c)
{
	int e = read_once(c);

	if (e || (c->in.len > 0 && c->in.p[c->in.len - 1] == '\n') ||
	    time(NULL) - c->st.st_mtime > 1)
		return e;
	usleep(STEP);
	return read_once(c);
}

static int write_new(struct control *c, const char *path, struct stat *st)
{
	int fd = open_at(c->ck, path, O_WRONLY | O_CREAT | O_EXCL), e = 0;

	if (fd < 0)
		return fd;
	/* Another's group may be none of ours; the rest must be as it was. */
	if (fd_write(fd, c->out.p, c->out.len) < 0 ||
	    (fchown(fd, c->st.st_uid, c->st.st_gid) < 0 && errno != EPERM) ||
	    fchmod(fd, c->st.st_mode & 0777) < 0 || fsync(fd) < 0 ||
	    fstat(fd, st) < 0)
		e = -errno;
	close(fd);
	return e;
}

/* Writes what has been put, and plans to have it in the file's place. */
static int replace(struct control *c)
{
	struct ck *ck = c->ck;
	bool dry = ck->o->dry_run;
	char path[PATH_CAP];
	struct stat st;
	struct str s;
	struct op op = {
		.kind = OP_NEW, .dst = path, .must = dry ? &c->st : &st
	};
	int e = dry ? 0 : quarantine_make(ck);

	str_init(&s, path, sizeof path);
	if (e == 0) {
		quarantine_other(ck, &s, c->path);
		e = dry ? 0 : write_new(c, path, &st);
	}
	if (e)
		return e;
	plan_add(ck, &op);
	op.kind = OP_SWAP;
	op.src = path;
	op.dst = c->path;
	op.must = &c->st;
	plan_add(ck, &op);
	return 0;
}

/* ---- locks -------------------------------------------------------------- */

struct held {
	char path[PATH_CAP];
	uint64_t ino;
	int fd;			/* of a lock that ends with it, or -1 */
};

static struct md_area locks;	/* struct held */

static void unlink_lock(struct ck *ck, const char *path)
{
	const char *last;
	int dir = path_parent(ck, path, &last);

	if (dir >= 0)
		(void)unlinkat(dir, last, 0);
}

/* "PID:HOST", by which Dovecot and Courier see that we are gone. */
static void sign(int fd)
{
	char buf[96], host[64] = "";
	struct str s;

	(void)gethostname(host, sizeof host - 1);
	str_init(&s, buf, sizeof buf);
	str_u64(&s, (uint64_t)getpid());
	str_char(&s, ':');
	str_put(&s, host);
	(void)fd_write(fd, s.p, s.len);
}

/* Whoever signed it is gone: its process, where it ran on this host. */
static bool abandoned(struct ck *ck, const char *path)
{
	char buf[96] = "", host[64] = "";
	int fd = open_at(ck, path, O_RDONLY);
	const char *at;
	uint64_t pid;

	if (fd >= 0) {
		(void)fd_read(fd, buf, sizeof buf - 1);
		close(fd);
	}
	(void)gethostname(host, sizeof host - 1);
	at = scan_u64(buf, &pid);
	return at && *at == ':' && pid > 0 && pid <= INT_MAX &&
	    strcmp(at + 1, host) == 0 && kill((pid_t)pid, 0) < 0 &&
	    errno == ESRCH;
}

/* One try: 0, -EEXIST or -EAGAIN while another holds it, or -errno. */
static int try_lock(struct ck *ck, struct held *h, bool dotlock)
{
	struct stat st;

	h->fd = open_at(ck, h->path, O_RDWR |
	    (dotlock ? O_CREAT | O_EXCL : 0));
	if (h->fd < 0) {
		if (h->fd == -EEXIST && path_stat(ck, h->path, &st) == 0 &&
		    (time(NULL) - st.st_mtime > STALE ||
		    abandoned(ck, h->path)))
			unlink_lock(ck, h->path);
		return h->fd;
	}
	if (!dotlock) {
		struct flock all = { .l_type = F_WRLCK };

		/* Unlike F_SETLK's it stays when another fd is closed. */
		if (fcntl(h->fd, F_OFD_SETLK, &all) == 0)
			return 0;
		close(h->fd);
		return -EAGAIN;
	}
	sign(h->fd);
	h->ino = fstat(h->fd, &st) < 0 ? 0 : st.st_ino;
	close(h->fd);
	h->fd = -1;
	return 0;
}

/* Until control_unlock(). */
static int lock(struct control *c)
{
	static const char name[][21] = {
		"", "dovecot-uidlist.lock", "tmp/courier.lock",
		"subscriptions.lock", ".uidvalidity"
	};
	unsigned kind = c->format->lock;
	struct held *h, *other;
	struct str s;
	int e;

	if (kind == LOCK_NONE || c->ck->o->dry_run)
		return 0;
	e = md_area_grow(&locks, locks.len + sizeof *h);
	if (e)
		return e;
	h = (void *)(locks.p + locks.len);
	str_init(&s, h->path, sizeof h->path);
	str_mem(&s, c->path, strlen(c->path) - strlen(c->format->name));
	str_put(&s, name[kind]);
	for (other = (void *)locks.p; other < h; other++)
		if (strcmp(other->path, h->path) == 0)
			return 0;
	for (uint64_t i = 0; i <= c->ck->o->lock_wait * (1000000 / STEP); i++) {
		if (i > 0)
			usleep(STEP);
		e = try_lock(c->ck, h, kind != LOCK_FCNTL);
		if (e != -EEXIST && e != -EAGAIN)
			break;
	}
	if (e == 0)
		locks.len += sizeof *h;
	/* No tmp/: Courier has no lock there either. */
	return e == -ENOENT ? 0 : e;
}

void control_unlock(struct ck *ck)
{
	struct held *h = (void *)locks.p;
	struct stat st;

	for (; h && (char *)h < locks.p + locks.len; h++) {
		if (h->fd >= 0)
			close(h->fd);
		else if (path_stat(ck, h->path, &st) == 0 &&
		    st.st_ino == h->ino)
			unlink_lock(ck, h->path);
	}
	locks.len = 0;
}

int control_rewrite(struct control *c)
{
	int e = lock(c);

	if (e == 0)
		e = control_read(c);
	if (e)
		return e;
	c->writing = true;
	control_parse(c);	/* for `least`: lines may have come */
	control_parse(c);
	if (!c->changed)
		return 0;
	if (c->format->flags & UIDS && !c->ck->o->dry_run &&
	    c->want & ~(1U << P_NEXT | 1U << P_FIELD))
		c->ck->status |= CK_RESYNC;
	return replace(c);
}

/* ---- names that the plan changes ---------------------------------------- */

struct renames {
	struct ck *ck;
	struct keys map;	/* folder and old base: offset in names */
	struct md_area names, folders;
	uint64_t seed;		/* of the folder at hand */
	int failed;
};

static int add_string(struct md_area *a, const char *p, size_t n)
{
	int e = md_area_grow(a, a->len + n + 1);

	if (e == 0) {
		memcpy(a->p + a->len, p, n);
		a->p[a->len + n] = '\0';
		a->len += n + 1;
	}
	return e;
}

/* Whether the folder is another than before. */
static bool enter(struct renames *r, const char *folder, size_t n)
{
	uint64_t old = r->seed;

	r->seed = hash_bytes(r->ck->seed, folder, n);
	return r->seed != old;
}

const char *renamed(const struct renames *r, const char *base, size_t n)
{
	size_t i = keys_find(&r->map, hash_bytes(r->seed, base, n));
	const struct pair *p = (const void *)r->map.area.p;

	return i < r->map.n ? r->names.p + p[i].value : NULL;
}

/* Courier has the keywords of a message in a file of its name. */
static void keyword_path(char path[PATH_CAP], const char *folder, size_t n,
    const char *base, size_t len)
{
	struct str s;

	str_init(&s, path, PATH_CAP);
	str_mem(&s, folder, n);
	str_put(&s, "courierimapkeywords/");
	str_mem(&s, base, len);
}

static int take_rename(void *ctx, const char *src, const char *dst)
{
	struct renames *r = ctx;
	const char *name = strrchr(src, '/') + 1, *to = strrchr(dst, '/') + 1;
	size_t n = (size_t)(name - src) - strlen("cur/"), at = r->names.len;
	char sep = r->ck->o->info_sep;
	size_t base = str_span(name, sep), len = str_span(to, sep);
	char old[PATH_CAP], new[PATH_CAP];
	struct stat st;
	int e;

	/* What has moved meanwhile keeps its line. */
	if (path_stat(r->ck, src, &st) < 0)
		return 0;
	e = add_string(&r->names, to, len);
	if (e == 0 && enter(r, src, n))
		e = add_string(&r->folders, src, n);
	if (e == 0)
		e = keys_add(&r->map, hash_bytes(r->seed, name, base), at);
	/* The plan may move the strings that src and dst are. */
	keyword_path(old, src, n, name, base);
	keyword_path(new, src, n, to, len);
	if (path_stat(r->ck, old, &st) == 0 && S_ISREG(st.st_mode))
		plan_rename(r->ck, old, new, &st);
	return r->failed = e;
}

static int rename_in(struct renames *r, const struct format *t,
    const char *folder)
{
	struct control *c = control_begin(r->ck, t, folder);
	int e;

	group_begin(r->ck);
	c->renames = r;
	e = path_stat(r->ck, c->path, &c->st);
	if (e == 0)
		e = control_rewrite(c);
	if (e == -ENOENT)
		e = 0;
	if (e)
		trouble(r->ck, c->path, e);
	control_end(c);
	return e;
}

void control_renames(struct ck *ck)
{
	struct renames r = { .ck = ck };
	int e;

	group_begin(ck);
	plan_base_renames(ck, take_rename, &r);
	e = r.failed;
	keys_sort(&r.map);
	for (size_t at = 0, n; e == 0 && at < r.folders.len; at += n + 1) {
		char *folder = r.folders.p + at;

		n = strlen(folder);
		enter(&r, folder, n);
		if (n > 0)	/* a slash ended it */
			folder[n - 1] = '\0';
		for (unsigned i = 0; i < control_format_count && e == 0; i++)
			if (control_formats[i].flags & RENAMES)
				e = rename_in(&r, &control_formats[i], folder);
	}
	if (e)			/* rather no repair than other UIDs */
		ck->stopped = e;
	keys_free(&r.map);
	md_area_free(&r.names);
	md_area_free(&r.folders);
}
