/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/walk.o
/* One Maildir: its structure, then folder by folder, each until it rests. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum { PASSES = 4 };

/* Opened anew after each repair of the structure: they may be others. */
static void close_subs(struct folder *f)
{
	for (int i = MD_NEW; i <= MD_TMP; i++)
		if (f->md.sub[i] >= 0)
			close(f->md.sub[i]);
}

static void open_subs(struct folder *f)
{
	static const char sub[][4] = { "new", "cur", "tmp" };

	for (int i = MD_NEW; i <= MD_TMP; i++)
		f->md.sub[i] = open_dir(f->md.root, sub[i]);
}

static bool open_folder(struct ck *ck, struct folder *f, const char *name)
{
	*f = (struct folder){ .name = name };
	f->lost = strcmp(name, ".Lost+Found") == 0;
	f->md.root = open_dir(ck->root, name[0] ? name : ".");
	if (f->md.root < 0) {
		if (f->md.root != -ENOENT)
			trouble(ck, name, f->md.root);
		return false;
	}
	open_subs(f);
	return true;
}

static void close_folder(struct folder *f)
{
	close_subs(f);
	close(f->md.root);
	for (int i = 0; i < BY_KINDS; i++)
		keys_free(&f->by[i]);
}

static void check_open_folder(struct ck *ck, struct folder *f)
{
	structure_folder(ck, f);
	locks_check(ck, f);
	plan_run(ck);
	if (f->lost)
		return;
	close_subs(f);
	open_subs(f);
	messages_check(ck, f);
	plan_run(ck);
	twins_check(ck, f);
	tmp_check(ck, f);
	if (ENABLE_FEATURE_MAILDIRCK_CONTROL)
		control_check(ck, f);
	plan_run(ck);
}

/*
 * Another pass as long as one has changed something: what one repair
 * uncovers is the next one's.  Counts are those of the first pass; in the
 * later ones found() takes only what can be repaired.
 */
static void check_folder(struct ck *ck, const char *name)
{
	struct counts counts = ck->counts;
	uint64_t quota[2] = { ck->quota_bytes, ck->quota_count };
	struct folder f;

	for (ck->pass = 0; ck->pass < PASSES; ck->pass++) {
		uint64_t before = ck->counts.changes;
		size_t failed = ck->nfailed;

		if (!open_folder(ck, &f, name))
			break;
		ck->quota_bytes = quota[0];
		ck->quota_count = quota[1];
		check_open_folder(ck, &f);
		close_folder(&f);
		report_flush(ck);
		if (ck->pass == 0)
			counts = ck->counts;
		if (ck->counts.changes == before || ck->nfailed > failed ||
		    ck->stopped || ck->o->dry_run || ck_cancelled)
			break;
	}
	memcpy(ck->counts.sub, counts.sub, sizeof counts.sub);
	memcpy(ck->counts.flags, counts.flags, sizeof counts.flags);
	ck->counts.bytes = counts.bytes;
	ck->pass = 0;
}

static void check_folders(struct ck *ck)
{
	const char *name = ck->folders.area.p;

	for (size_t i = 0; i < ck->folders.n && !ck_cancelled; i++) {
		check_folder(ck, name);
		name += strlen(name) + 1;
	}
}

/* Folders may come and go by repairs: the list is read until it rests. */
static void check_structure(struct ck *ck)
{
	uint64_t before;

	do {
		before = ck->counts.changes;
		structure_root(ck);
		plan_run(ck);
		report_flush(ck);
		ck->pass++;
	} while (ck->counts.changes != before && !ck->stopped &&
	    !ck->o->dry_run && ck->pass < PASSES);
	ck->pass = 0;
}

/*
 * Against another maildirck, and mdpop3d -M: deliveries and flag changes of
 * others need no lock, and get none.
 */
static bool lock(struct ck *ck)
{
	struct md md = { .root = ck->root };
	int e;

	for (uint64_t i = 0; ; i++) {
		e = md_lock(&md);
		if (e != -EWOULDBLOCK || i >= ck->o->lock_wait ||
		    ck_cancelled)
			break;
		sleep(1);
	}
	if (e == -EWOULDBLOCK) {
		complain(ck->path, "", "in use by another program");
		ck->status |= CK_ERROR;
	}
	return e != -EWOULDBLOCK;
}

void maildir_check(struct ck *ck)
{
	bool repairs = ck->o->mode != MODE_CHECK && !ck->o->dry_run;

	if (repairs && !lock(ck))
		return;
	if (repairs)
		journal_recover(ck);
	check_structure(ck);
	check_folders(ck);
	across_check(ck);
	if (ENABLE_FEATURE_MAILDIRCK_CONTROL && !ck_cancelled) {
		control_root(ck);
		plan_run(ck);
		report_flush(ck);
	}
	journal_close(ck);
	if (ck_cancelled)
		ck->status |= CK_CANCELLED;
}
