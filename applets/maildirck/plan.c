/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/plan.o
/* What is to be done, and doing it: batch by batch, group by group. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

struct failure {
	uint32_t group;
	int e;
};

enum { LEAST_CHANGES = 100 };

static struct planned *planned(const struct ck *ck, size_t i)
{
	return (struct planned *)(void *)ck->ops.p + i;
}

void plan_step(const struct ck *ck, size_t i, struct step *s)
{
	const struct planned *p = planned(ck, i);

	memcpy(s->n, p->n, sizeof s->n);
	s->src = p->src ? text_at(ck, p->src) : NULL;
	s->dst = p->dst ? text_at(ck, p->dst) : NULL;
	s->kind = p->kind;
}

/* ---- planning ----------------------------------------------------------- */

static void take_numbers(struct ck *ck, struct planned *p,
    const struct op *op)
{
	const char *path = op->kind == OP_SWAP || op->kind == OP_NEW ?
	    op->dst : op->src;
	const struct stat *st = op->must;
	struct stat found;

	p->n[N_NEW] = op->new;
	if (op->kind == OP_SWAP && path_stat(ck, op->src, &found) == 0)
		p->n[N_NEW] = found.st_ino;
	if (!st && path && path_stat(ck, path, &found) == 0)
		st = &found;
	if (!st)
		return;
	p->n[N_DEV] = st->st_dev;
	p->n[N_INO] = st->st_ino;
	p->n[N_SIZE] = (uint64_t)st->st_size;
	p->n[N_MTIME] = act_attribute(OP_UTIME, st);
	p->n[N_OLD] = act_attribute(op->kind, st);
}

/* Room for one more at index i; null without memory. */
static struct planned *insert(struct ck *ck, size_t i)
{
	size_t len = (ck->nops + 1) * sizeof(struct planned);
	struct planned *p;

	if (md_area_grow(&ck->ops, len) < 0) {
		ck->stopped = -ENOMEM;
		ck->status |= CK_ERROR;
		return NULL;
	}
	ck->ops.len = len;
	p = planned(ck, i);
	memmove(p + 1, p, (ck->nops++ - i) * sizeof *p);
	memset(p, 0, sizeof *p);
	return p;
}

static struct planned *add(struct ck *ck, size_t i, const struct op *op)
{
	struct planned *p = insert(ck, i);

	if (p) {
		p->kind = op->kind;
		p->group = ck->group;
		if (op->src)
			p->src = text_add(ck, op->src);
		if (op->dst)
			p->dst = text_add(ck, op->dst);
		take_numbers(ck, p, op);
	}
	return p;
}

void plan_add(struct ck *ck, const struct op *op)
{
	const struct planned *p = add(ck, ck->nops, op);
	struct finding *f = (struct finding *)(void *)ck->finds.p;

	for (size_t i = ck->nfinds; p && i-- > 0 &&
	    f[i].group == ck->group; ) {
		if (!f[i].wanted || f[i].action)
			continue;
		f[i].action = (uint8_t)(op->kind + 1);
		f[i].to = p->dst;
	}
}

size_t plan_first(struct ck *ck, const struct op *op)
{
	size_t i = 0;
	struct planned *p;

	for (; i < ck->nops && planned(ck, i)->group == GROUP_FIRST; i++)
		if (strcmp(text_at(ck, planned(ck, i)->dst), op->dst) == 0)
			return i;
	p = add(ck, i, op);
	if (p)
		p->group = GROUP_FIRST;
	return i;
}

void plan_rename(struct ck *ck, const char *src, const char *dst,
    const struct stat *must)
{
	plan_add(ck, &(struct op){
		.kind = OP_RENAME, .src = src, .dst = dst, .must = must
	});
}

/* The folder's part of a path into new/ or cur/, with the slash; or -1. */
static ptrdiff_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	ptrdiff_t n = slash ? slash - path - 3 : -1;

	if (n < 0 || (n > 0 && path[n - 1] != '/') ||
	    (str_after(path + n, "cur/") == NULL &&
	    str_after(path + n, "new/") == NULL))
		return -1;
	return n;
}

bool plan_delivers(const char *src, const char *dst)
{
	return folder_len(src) < 0 && folder_len(dst) >= 0 &&
	    !str_after(dst, LOST_AND_FOUND "/");
}

bool plan_renames_base(const struct ck *ck, const char *src, const char *dst)
{
	ptrdiff_t n = folder_len(src);
	size_t base;

	if (n < 0 || folder_len(dst) != n ||
	    memcmp(src, dst, (size_t)n) != 0)
		return false;
	src += n + 4;
	dst += n + 4;
	base = str_span(src, ck->o->info_sep);
	return str_span(dst, ck->o->info_sep) != base ||
	    memcmp(src, dst, base) != 0;
}

size_t plan_base_renames(struct ck *ck,
    int (*use)(void *ctx, const char *src, const char *dst), void *ctx)
{
	struct step s;
	size_t found = 0;

	for (size_t i = 0; i < ck->nops; i++) {
		plan_step(ck, i, &s);
		if (s.kind != OP_RENAME ||
		    !plan_renames_base(ck, s.src, s.dst))
			continue;
		found++;
		if (use && use(ctx, s.src, s.dst) != 0)
			break;
	}
	return found;
}

/* ---- doing -------------------------------------------------------------- */

static void fail(struct ck *ck, uint32_t group, int e)
{
	struct failure *f;

	if (md_area_grow(&ck->failed, (ck->nfailed + 1) * sizeof *f) < 0)
		return;
	f = (struct failure *)(void *)ck->failed.p + ck->nfailed++;
	ck->failed.len = ck->nfailed * sizeof *f;
	*f = (struct failure){ group, e };
}

int plan_failure(const struct ck *ck, uint32_t group)
{
	const struct failure *f = (const void *)ck->failed.p;

	for (size_t i = ck->nfailed; i-- > 0; )
		if (f[i].group == group)
			return f[i].e;
	return 0;
}

/* The end of the group that begins at i. */
static size_t group_end(const struct ck *ck, size_t i)
{
	uint32_t group = planned(ck, i++)->group;

	while (i < ck->nops && planned(ck, i)->group == group)
		i++;
	return i;
}

/* All or nothing: takes back what was done, and new files of ours. */
static int take_back(struct ck *ck, size_t from, size_t done, size_t to)
{
	struct step s;
	int e = 0;

	while (to-- > from) {
		plan_step(ck, to, &s);
		if (to < done || s.kind == OP_NEW || s.kind == OP_SWAP)
			e |= act(ck, &s, e ? ACT_BACK_CAREFUL : ACT_BACK);
	}
	return e;
}

static void succeeded(struct ck *ck, size_t from, size_t to)
{
	struct step s;

	ck->status |= CK_FIXED;
	for (; from < to; from++) {
		plan_step(ck, from, &s);
		if (s.kind == OP_RENAME &&
		    plan_renames_base(ck, s.src, s.dst))
			ck->status |= CK_RESYNC;
	}
}

static void stop(struct ck *ck, const char *path, int e)
{
	ck->stopped = e;
	trouble(ck, path, e);
}

static void do_group(struct ck *ck, size_t from, size_t to)
{
	struct step s;
	int e = ck->stopped;
	size_t i = from;

	for (; i < to && !e; i += !e) {
		plan_step(ck, i, &s);
		e = act(ck, &s, ACT);
	}
	if (!e) {
		succeeded(ck, from, to);
		return;
	}
	if (take_back(ck, from, i, to) == 0)
		journal_failed(ck, from, to);
	fail(ck, planned(ck, from)->group, e);
	if (act_fatal(e) && !ck->stopped)
		stop(ck, s.src ? s.src : s.dst, e);
}

static void plan_batch(struct ck *ck, size_t from, size_t to)
{
	bool begun = !ck->stopped;
	int e = begun ? journal_write(ck, from, to) : 0;

	if (e)
		stop(ck, "", e);
	if (ck->o->dry_run)
		return;
	path_forget(ck);
	for (size_t i = from, end; i < to; i = end) {
		end = group_end(ck, i);
		if (end > to)	/* only that much has its line */
			end = to;
		do_group(ck, i, end);
	}
	/* Without the last line the next run takes all of it back. */
	if (begun && !e) {
		e = path_sync(ck);
		if (e == 0)
			e = journal_commit(ck);
		if (e)
			stop(ck, "", e);
	}
}

void plan_now(struct ck *ck, size_t i)
{
	struct planned *p = planned(ck, i);

	if (i < ck->nops && !ck->stopped) {
		plan_batch(ck, i, i + 1);
		memmove(p, p + 1, (--ck->nops - i) * sizeof *p);
	}
}

static void limit_changes(struct ck *ck)
{
	uint64_t max = ck->o->max_changes, changes = ck->counts.changes;
	uint64_t tenth = (ck->counts.sub[MD_NEW] + ck->counts.sub[MD_CUR]) /
	    10;

	for (size_t i = 0; i < ck->nops; i = group_end(ck, i))
		changes += planned(ck, i)->group != GROUP_FIRST;
	if (max == 0)
		max = tenth > LEAST_CHANGES ? tenth : LEAST_CHANGES;
	if (changes > max && !ck->o->force && !ck->stopped) {
		ck->stopped = -E2BIG;
		ck->status |= CK_ERROR;
		complain(ck->path, "",
		    "too many repairs, see --max-changes and -f");
	}
	if (!ck->stopped)
		ck->counts.changes = changes;
}

void plan_run(struct ck *ck)
{
	size_t i, end, batch = BATCH;

	if (ck->nops == 0)
		return;
	limit_changes(ck);
	if (ENABLE_FEATURE_MAILDIRCK_CONTROL && !ck->stopped)
		control_renames(ck);
	/* Messages and the lists that name them: all, or none. */
	if (plan_base_renames(ck, NULL, NULL))
		batch = ck->nops;
	for (i = 0; i < ck->nops; i = end) {
		if (ck_cancelled && !ck->stopped) {
			ck->stopped = -EINTR;
			ck->status |= CK_CANCELLED;
		}
		end = group_end(ck, i);
		while (end < ck->nops && end - i < batch)
			end = group_end(ck, end);
		plan_batch(ck, i, end);
	}
	if (ENABLE_FEATURE_MAILDIRCK_CONTROL)
		control_unlock(ck);
	ck->nops = ck->ops.len = 0;
}
