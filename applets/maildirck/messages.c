/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/messages.o
/*
 * Every name in new/ and cur/, once.  new/ is read first: a message that is
 * being moved is then seen twice, never missed, and twins.c looks again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum {
	AHEAD = 64, BATCH = 1024,
	TEXT_MOST = 8 << 20	/* of findings, before they are printed */
};

struct ahead {
	int fd;			/* or -errno */
	struct stat st;
};

struct pass {
	struct ck *ck;
	struct folder *f;
	const struct md_area *dirents;
	struct keys order;	/* inode, offset of the dirent */
	struct ahead *ahead;	/* what is opened before it is its turn */
	uint64_t done;
	uint8_t sub;
};

int entry_open(const struct folder *f, int sub, const char *name,
    struct stat *st)
{
	const struct md_ent m = { .name = name, .sub = (uint8_t)sub };

	return md_open_message(&f->md, &m, st);
}

bool entry_stat(struct ck *ck, struct entry *e)
{
	int dir = e->f->md.sub[e->sub];

	if (fstatat(dir, e->name, &e->st, AT_SYMLINK_NOFOLLOW) == 0) {
		e->type = (uint8_t)IFTODT(e->st.st_mode);
		return true;
	}
	e->st.st_ino = 0;
	if (errno == ENOENT)
		ck->counts.concurrent++;	/* moved, or expunged */
	else if (looking_for(ck, F09))
		found_entry(ck, e, F09, "lstat");
	return false;
}

/* ---- keys for what takes two names to tell ------------------------------ */

/* Without memory for keys nothing may be repaired: twins would hide. */
static void add_key(struct ck *ck, struct entry *e, int kind, uint64_t key)
{
	struct folder *f = (struct folder *)(uintptr_t)e->f;

	if (keys_add(&f->by[kind], key, e->ino) == 0)
		return;
	ck->stopped = -ENOMEM;
	ck->status |= CK_ERROR;
}

/* mbsync's ",U=123" in a base name: where the number begins, its length. */
static size_t uid_field(const struct entry *e, const char **at)
{
	for (const char *p = e->name; p + 3 < e->name + e->n.base; p++) {
		if (p[0] == ',' && p[1] == 'U' && p[2] == '=') {
			*at = p + 3;
			return (size_t)(e->name + e->n.base - *at);
		}
	}
	return 0;
}

static void name_keys(struct ck *ck, struct entry *e)
{
	char folded[MD_NAME_MAX + 1];
	const char *uid;
	uint64_t n;

	add_key(ck, e, BY_BASE, hash_bytes(ck->seed, e->name, e->n.base));
	if (looking_for(ck, N26) && uid_field(e, &uid) > 0 &&
	    scan_u64(uid, &n))
		add_key(ck, e, BY_UID, hash_bytes(ck->seed, &n, sizeof n));
	if (!looking_for(ck, N25))
		return;
	for (size_t i = 0; i < e->n.base; i++)
		folded[i] = (char)ascii_lower(e->name[i]);
	add_key(ck, e, BY_FOLD, hash_bytes(ck->seed, folded, e->n.base));
}

static void content_keys(struct ck *ck, struct entry *e)
{
	if (e->hash)
		add_key(ck, e, BY_HASH, e->hash);
	if (e->head_hash)
		add_key(ck, e, BY_HEAD, e->head_hash);
	if (e->mid_hash)
		add_key(ck, e, BY_MID, e->mid_hash);
}

bool folder_has_base(const struct ck *ck, const struct folder *f,
    const char *base, size_t n)
{
	const struct keys *k = &f->by[BY_BASE];

	return keys_find(k, hash_bytes(ck->seed, base, n)) < k->n;
}

/* ---- one name ----------------------------------------------------------- */

/*
 * The quota counts what the name says, as deliveries do, and neither Trash
 * nor what is marked as deleted (Maildir++ quota specification).
 */
static void count(struct ck *ck, struct entry *e)
{
	struct folder *f = (struct folder *)(uintptr_t)e->f;
	uint64_t size = e->n.size;

	ck->counts.sub[e->sub]++;
	if (e->st.st_ino)
		size = (uint64_t)e->st.st_size;
	else if (size == MD_NOSIZE)
		size = 0;
	ck->counts.bytes += size;
	if (!(e->n.flags & MD_FLAG('T')) && strcmp(f->name, ".Trash") != 0) {
		ck->quota_bytes += e->n.size != MD_NOSIZE ? e->n.size : size;
		ck->quota_count++;
	}
	if (e->sub != MD_CUR || !e->n.info)
		return;
	if (!str_after(e->name + e->n.info, "2,"))
		return;
	for (const char *p = e->name + e->n.info + 2; *p && *p != ','; p++) {
		if (*p >= 'A' && *p <= 'Z')
			ck->counts.flags[*p - 'A']++;
		else if (*p >= 'a' && *p <= 'z')
			f->keywords |= (uint32_t)1 << (*p - 'a');
	}
}

static void look_inside(struct ck *ck, struct entry *e, int fd)
{
	if (fd >= 0) {
		content_check(ck, e, fd);
		content_keys(ck, e);
	} else if (fd == -ENOENT || fd == -EINVAL || fd == -ELOOP) {
		ck->counts.concurrent++;	/* something else by now */
	} else if (fd != -EACCES) {		/* F03 has said so */
		found_entry(ck, e, F09, "open");
	}
}

static void check_file(struct ck *ck, struct entry *e, int fd)
{
	if (e->type != DT_REG) {
		file_check(ck, e);
		return;
	}
	name_check(ck, e);
	if (e->name[0] != '.')
		name_keys(ck, e);
	if (ck->o->level >= LEVEL_STAT) {
		file_check(ck, e);
		if (e->st.st_nlink > 1)
			add_key(ck, e, BY_LINK, e->ino);
		/* What goes away as it is needs no further judgement. */
		if (ck->o->level >= LEVEL_HEAD && !entry_wants(e, N24))
			look_inside(ck, e, fd);
	}
	if (e->name[0] != '.')
		count(ck, e);
}

/*
 * lstat's answer, or fstat's where the file is open already.  A file that
 * could not be opened ahead may be there again: its flags have changed
 * twice.
 */
static bool look_at(struct ck *ck, struct entry *e, struct ahead *a)
{
	if (ck->o->level == LEVEL_NAMES && e->type == DT_REG)
		return true;
	if (a && a->fd < 0 && e->type != DT_DIR)
		a->fd = entry_open(e->f, e->sub, e->name, &a->st);
	if (!a || a->fd < 0)
		return entry_stat(ck, e);
	e->st = a->st;
	e->type = DT_REG;
	return true;
}

static void check_name(struct pass *p, const struct dirent_view *d,
    struct ahead *a)
{
	struct ck *ck = p->ck;
	struct entry e = {
		.f = p->f, .name = d->name, .sub = p->sub, .type = d->type,
		.ino = d->ino, .bare_lf = UINT64_MAX,
		.len = (uint16_t)strlen(d->name)
	};

	group_begin(ck);
	if (!look_at(ck, &e, a))
		return;
	if (e.type == DT_DIR) {
		structure_stray(ck, &e);
		return;
	}
	md_name_parse(&e.n, e.name);
	check_file(ck, &e, a ? a->fd : -1);
	if (e.want[0] | e.want[1])
		file_repair(ck, &e);
	if (ck->nops >= BATCH || ck->text.len > TEXT_MOST)
		plan_run(ck);
	if (ck->text.len > TEXT_MOST)
		report_flush(ck);
}

/* ---- one directory ------------------------------------------------------ */

/* "." and ".." */
static bool dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' ||
	    (name[1] == '.' && name[2] == '\0'));
}

static struct dirent_view entry_at(const struct pass *p, size_t i)
{
	const struct pair *order = (const void *)p->order.area.p;
	struct dirent_view d;
	size_t at = (size_t)order[i].value;

	dirent_next(p->dirents, &at, &d);
	return d;
}

/* By inode: on disks that turn, ten times as fast as in the names' order. */
static int put_in_order(struct pass *p)
{
	struct dirent_view d;
	size_t at = 0, next = 0;

	p->order.n = 0;
	for (; dirent_next(p->dirents, &next, &d); at = next) {
		int e;

		if (dots(d.name))
			continue;
		name_survey(p->ck, d.name);
		e = keys_add(&p->order, d.ino, at);
		if (e)
			return e;
	}
	if (p->ck->o->level >= LEVEL_STAT)
		keys_sort(&p->order);
	return 0;
}

/*
 * The file after next, opened while this one is read: the disk has a queue
 * to work at, in one thread.
 */
static void open_ahead(struct pass *p, size_t i)
{
	struct ahead *a = &p->ahead[i % AHEAD];
	struct dirent_view d;

	if (i >= p->order.n)
		return;
	d = entry_at(p, i);
	a->fd = -EINVAL;
	if (d.type == DT_REG || d.type == DT_UNKNOWN)
		a->fd = entry_open(p->f, p->sub, d.name, &a->st);
	if (a->fd >= 0)
		(void)posix_fadvise(a->fd, 0, 0, POSIX_FADV_WILLNEED);
}

static void check_next(struct pass *p, size_t i)
{
	struct dirent_view d = entry_at(p, i);
	struct ahead *a = NULL;

	if (p->ck->o->level >= LEVEL_HEAD) {
		open_ahead(p, i + AHEAD - 1);
		a = &p->ahead[i % AHEAD];
	}
	check_name(p, &d, a);
	if (a && a->fd >= 0)
		close(a->fd);
	if (++p->done % BATCH == 0)
		progress(p->ck, p->sub + 1U, p->done, p->done - i - 1 +
		    p->order.n, p->f->name);
}

static int check_batch(void *ctx, const struct md_area *dirents)
{
	struct pass *p = ctx;
	int e;

	p->dirents = dirents;
	e = put_in_order(p);
	for (size_t i = 0; e == 0 && i < AHEAD - 1 &&
	    p->ck->o->level >= LEVEL_HEAD; i++)
		open_ahead(p, i);
	for (size_t i = 0; e == 0 && i < p->order.n && !ck_cancelled; i++)
		check_next(p, i);
	return e;
}

void messages_check(struct ck *ck, struct folder *f)
{
	static struct ahead ahead[AHEAD];
	struct pass p = { .ck = ck, .f = f, .ahead = ahead };

	for (p.sub = MD_NEW; p.sub <= MD_CUR; p.sub++) {
		int e = 0;

		p.done = 0;
		name_survey_reset();
		if (f->md.sub[p.sub] >= 0)
			e = scan_batches(ck, f->md.sub[p.sub], check_batch, &p);
		if (e)
			trouble(ck, f->name, e);
		structure_bloat(ck, f, p.sub, p.done);
	}
	keys_free(&p.order);
	keys_sort(&f->by[BY_BASE]);
}
