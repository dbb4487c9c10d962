/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/across.o
/*
 * N28: base names that several folders have.  Copies made by a client are
 * as a rule meant so; this is for who looks for moves that failed half way,
 * and costs sixteen bytes for each message of all folders together.
 */
#include <string.h>

#include "maildirck.h"

void across_remember(struct ck *ck, const struct folder *f)
{
	const struct keys *k = &f->by[BY_BASE];
	const struct pair *p = (const void *)k->area.p;
	const char *name = ck->folders.area.p;
	uint64_t number = 0;

	for (; name != f->name; name += strlen(name) + 1)
		number++;
	for (size_t i = 0; i < k->n && ck->pass == 0; i++)
		(void)keys_add(&ck->all, p[i].key, number);
}

struct across {
	struct ck *ck;
	struct folder f;
	uint64_t number;	/* of the folder, in the list of them */
	uint8_t sub;
};

static int elsewhere(void *ctx, const struct dirent_view *d)
{
	struct across *x = ctx;
	const struct keys *all = &x->ck->all;
	const struct pair *p = (const void *)all->area.p;
	uint64_t key = hash_bytes(x->ck->seed, d->name,
	    str_span(d->name, ':'));
	size_t i = keys_find(all, key);
	char path[PATH_CAP];
	struct str s;

	while (i < all->n && p[i].key == key && p[i].value == x->number)
		i++;
	if (i == all->n || p[i].key != key || d->name[0] == '.')
		return 0;
	str_init(&s, path, sizeof path);
	path_of(&s, &x->f, x->sub, d->name);
	group_begin(x->ck);
	found(x->ck, N28, FIX_NONE, path, NULL);
	return 0;
}

void across_check(struct ck *ck)
{
	struct across x = { .ck = ck };
	const char *name = ck->folders.area.p;

	keys_sort(&ck->all);
	for (; ck->all.n > 0 && x.number < ck->folders.n; x.number++) {
		x.f.name = name;
		for (x.sub = MD_NEW; x.sub <= MD_CUR; x.sub++) {
			char path[PATH_CAP];
			const char *last;
			struct str s;
			int dir;

			str_init(&s, path, sizeof path);
			path_of(&s, &x.f, x.sub, "any");
			dir = path_parent(ck, path, &last);
			if (dir >= 0)
				(void)scan_each(ck, dir, elsewhere, &x);
		}
		name += strlen(name) + 1;
	}
	report_flush(ck);
}
