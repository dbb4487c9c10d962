/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/found.o
/* What was found, and whether it is to be repaired. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

/* Offset 0 means "none": the first byte is never used. */
uint32_t text_add(struct ck *ck, const char *s)
{
	struct md_area *a = &ck->text;
	size_t n = strlen(s) + 1, at = a->len ? a->len : 1;

	if (at + n > UINT32_MAX || md_area_grow(a, at + n) < 0) {
		ck->stopped = -ENOMEM;
		ck->status |= CK_ERROR;
		return 0;
	}
	memcpy(a->p + at, s, n);
	a->len = at + n;
	return (uint32_t)at;
}

const char *text_at(const struct ck *ck, uint32_t offset)
{
	return ck->text.p ? ck->text.p + offset : "";
}

void group_begin(struct ck *ck)
{
	ck->group++;
}

bool looking_for(const struct ck *ck, enum id id)
{
	return ck->o->severity[id] != SEV_IGNORE &&
	    finding_info[id].level <= ck->o->level;
}

/*
 * FIX_NONE takes a choice that no option makes; --fix is for the others,
 * in whatever mode repairs at all.
 */
static bool may_repair(const struct ck *ck, enum id id, enum repair how)
{
	static const uint8_t least[] = {
		[FIX_NONE] = UINT8_MAX, [FIX_DEMAND] = UINT8_MAX,
		[FIX_YES] = MODE_YES, [FIX_PREEN] = MODE_PREEN
	};
	uint8_t need = least[how];

	if (ck->stopped)
		return false;
	if (ck->o->demand[id] && how != FIX_NONE)
		need = MODE_PREEN;
	return ck->o->mode >= need;
}

/* One more finding, all zero; null without memory. */
static struct finding *another(struct ck *ck)
{
	struct finding *f;

	if (md_area_grow(&ck->finds, (ck->nfinds + 1) * sizeof *f) < 0) {
		ck->stopped = -ENOMEM;
		ck->status |= CK_ERROR;
		return NULL;
	}
	f = (struct finding *)(void *)ck->finds.p + ck->nfinds++;
	ck->finds.len = ck->nfinds * sizeof *f;
	memset(f, 0, sizeof *f);
	return f;
}

/*
 * In later passes what is only told has been told; what can be repaired is
 * what the repairs before have brought to light.
 */
static bool note(struct ck *ck, enum id id, enum repair how,
    const char *path, const char *detail, const struct stat *st)
{
	struct finding *f;
	bool wanted = may_repair(ck, id, how);

	if (!looking_for(ck, id) || skip_listed(ck->o, path) ||
	    (ck->pass > 0 && !wanted))
		return false;
	f = another(ck);
	if (!f)
		return false;
	if (id == F09)
		ck->status |= CK_ERROR;
	f->id = (uint8_t)id;
	f->severity = ck->o->severity[id];
	f->group = ck->group;
	f->path = text_add(ck, path);
	f->detail = detail ? text_add(ck, detail) : 0;
	if (st) {
		f->ino = st->st_ino;
		f->size = (uint64_t)st->st_size;
		f->mtime = st->st_mtim.tv_sec;
	}
	f->wanted = wanted && (ck->o->mode != MODE_ASK ||
	    report_ask(ck, f));
	return f->wanted;
}

bool found(struct ck *ck, enum id id, enum repair how, const char *path,
    const char *detail)
{
	return note(ck, id, how, path, detail, NULL);
}

bool found_entry_as(struct ck *ck, struct entry *e, enum id id,
    enum repair how, const char *detail)
{
	char path[PATH_CAP];
	struct str s;

	str_init(&s, path, sizeof path);
	path_of(&s, e->f, e->sub, e->name);
	if (!note(ck, id, how, path, detail, e->st.st_ino ? &e->st : NULL))
		return false;
	e->want[id / 64] |= (uint64_t)1 << id % 64;
	return true;
}

bool found_entry(struct ck *ck, struct entry *e, enum id id,
    const char *detail)
{
	return found_entry_as(ck, e, id, (enum repair)finding_info[id].repair,
	    detail);
}

bool entry_wants(const struct entry *e, enum id id)
{
	return e->want[id / 64] >> id % 64 & 1;
}

void complain(const char *maildir, const char *path, const char *what)
{
	char shown[8 * PATH_CAP];
	struct str s;

	str_init(&s, shown, sizeof shown);
	str_safe(&s, maildir, strlen(maildir), PATH_CAP);
	str_put(&s, *path ? "/" : "");
	str_safe(&s, path, strlen(path), PATH_CAP - 1);
	fd_puts(STDERR_FILENO, "maildirck: ", shown, ": ", what, "\n",
	    (char *)NULL);
}

void trouble(struct ck *ck, const char *path, int err)
{
	char buf[ERR_TEXT];

	complain(ck->path, path, err_text(err < 0 ? -err : err, buf));
	ck->status |= CK_ERROR;
}
