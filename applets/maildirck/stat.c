/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_STAT) += applets/maildirck/stat.o
/* --stat: how many, how old, how large; nothing is judged. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"
#include "out.h"

enum { AGES = 16, SIZES = 32, LARGEST = 10, DAY = 86400, WIDTH = 40 };

#define EXACT (((uint64_t)1 << 53) - 1)	/* of numbers in JSON */

enum {				/* numbers of a folder: all of them add up */
	N_SUB, N_BYTES = N_SUB + 3, N_SIZED, N_LONG, N_DIR, N_SET,
	N_FLAGS, N_AGE = N_FLAGS + 26, N_SIZE = N_AGE + AGES,
	NUMBERS = N_SIZE + SIZES
};

struct stats {
	struct ck *ck;
	const char *folder;
	struct md md;
	int sub;
	uint64_t n[NUMBERS];
};

static struct {
	uint64_t size;
	char path[PATH_CAP];
} largest[LARGEST];

static void note_large(const struct stats *s, const char *name, uint64_t size)
{
	const struct folder f = { .name = s->folder };
	struct str path;
	int i = LARGEST;

	while (i > 0 && largest[i - 1].size < size)
		i--;
	if (i == LARGEST)
		return;
	memmove(largest + i + 1, largest + i,
	    (LARGEST - 1 - (size_t)i) * sizeof *largest);
	largest[i].size = size;
	str_init(&path, largest[i].path, PATH_CAP);
	path_of(&path, &f, s->sub, name);
}

/* 0: 0; 1: 1; 2: up to 3; 3: up to 7 ... */
static unsigned bucket(uint64_t v, unsigned buckets)
{
	unsigned b = 0;

	while (b < buckets - 1 && v >> b)
		b++;
	return b;
}

static void take_name(struct stats *s, const char *name)
{
	struct md_name n;

	md_name_parse(&n, name);
	s->n[N_SIZED] += n.size != MD_NOSIZE;
	s->n[N_LONG] += n.base > MD_UIDL_MAX;
	/* a sum, so that the order does not matter; no secret seed */
	s->n[N_SET] = (s->n[N_SET] + hash_bytes(0, name, n.base)) & EXACT;
	for (int i = 0; s->sub == MD_CUR && i < 26; i++)
		s->n[N_FLAGS + i] += n.flags >> i & 1;
}

static int take(void *ctx, const struct dirent_view *d)
{
	struct stats *s = ctx;
	struct stat st;
	int64_t age;

	if (fstatat(s->md.sub[s->sub], d->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || (s->sub != MD_TMP && d->name[0] == '.'))
		return 0;
	s->n[N_SUB + s->sub]++;
	if (s->sub == MD_TMP)
		return 0;
	age = (s->ck->now - st.st_mtim.tv_sec) / DAY;
	take_name(s, d->name);
	s->n[N_BYTES] += (uint64_t)st.st_size;
	s->n[N_AGE + bucket(age > 0 ? (uint64_t)age : 0, AGES)]++;
	s->n[N_SIZE + bucket((uint64_t)st.st_size >> 10, SIZES)]++;
	note_large(s, d->name, (uint64_t)st.st_size);
	return ck_cancelled;
}

/* ---- text, JSON --------------------------------------------------------- */

static bool json(const struct stats *s)
{
	return s->ck->o->out == OUT_JSON;
}

static void put_row(const struct stats *s, const char *name)
{
	if (json(s)) {
		ck_object(s->ck, "stat");
		ck_field("folder", name);
		ck_form(",\"new\":#,\"cur\":#,\"tmp\":#,\"bytes\":#,"
		    "\"sized\":#,\"long\":#,\"dirs\":#,\"set\":#", s->n);
		ck_flags(s->n + N_FLAGS);
		ck_put("}\n");
		return;
	}
	ck_form("####### ####### ##### ############## ####### ####### "
	    "########## ################  ", s->n);
	ck_safe(!name ? "all" : *name ? name : ".");
	ck_put("\n");
}

static void put_flags(const struct stats *all)
{
	ck_put("flags");
	for (int i = 0; i < 26; i++) {
		const char form[] = { ' ', (char)('A' + i), ' ', '#', '\0' };

		if (all->n[N_FLAGS + i])
			ck_form(form, all->n + N_FLAGS + i);
	}
}

static void draw(const struct stats *all, const char *kind, int at, int end)
{
	uint64_t most = 1, row[2] = { 0, 0 };

	for (int i = at; i < end; i++)
		most = all->n[i] > most ? all->n[i] : most;
	for (int i = at; i < end; i++, row[0] += row[0] + !row[0]) {
		row[1] = all->n[i];
		if (row[1] == 0)
			continue;
		if (json(all)) {
			ck_object(all->ck, kind);
			ck_form(",\"from\":#,\"messages\":#}\n", row);
			continue;
		}
		ck_put("\n");
		ck_put(kind);
		ck_form(" ########## ########## ", row);
		for (uint64_t b = row[1] * WIDTH / most + 1; b > 0; b--)
			ck_put("#");
	}
}

static void put_largest(const struct stats *all)
{
	for (int i = 0; i < LARGEST && largest[i].path[0]; i++) {
		if (json(all)) {
			ck_object(all->ck, "large");
			ck_form(",\"bytes\":#", &largest[i].size);
			ck_field("path", largest[i].path);
			ck_put("}\n");
		} else {
			ck_form("\nlargest ########## ", &largest[i].size);
			ck_safe(largest[i].path);
		}
	}
}

/* ---- folders ------------------------------------------------------------ */

/* Adds up a folder's numbers and prints them. */
static void take_folder(struct stats *all, const char *name)
{
	struct stats s = { .ck = all->ck, .folder = name };
	struct stat st;
	int e = md_open(&s.md, all->ck->root, *name ? name : ".");

	if (e < 0)
		return;
	for (; s.sub <= MD_TMP; s.sub++) {
		if (s.md.sub[s.sub] < 0 || fstat(s.md.sub[s.sub], &st) < 0)
			continue;
		s.n[N_DIR] += (uint64_t)st.st_size;
		e = scan_each(s.ck, s.md.sub[s.sub], take, &s);
		if (e < 0)
			trouble(s.ck, name, e);
	}
	md_close(&s.md);
	for (int i = 0; i < NUMBERS; i++)
		all->n[i] += s.n[i];
	put_row(&s, name);
}

struct pick {
	const char *after;
	char next[256];
};

static int pick(void *ctx, const struct dirent_view *d)
{
	struct pick *p = ctx;

	if (d->name[0] == '.' && strcmp(d->name, p->after) > 0 &&
	    (!p->next[0] || strcmp(d->name, p->next) < 0))
		memcpy(p->next, d->name, strlen(d->name) + 1);
	return 0;
}

int stat_show(struct ck *ck)
{
	struct stats all = { .ck = ck };
	char name[256] = "";
	struct pick p = { .after = name };
	int e = 0;

	if (!json(&all)) {
		ck_safe(ck->path);
		ck_put("\n    new     cur   tmp          bytes      S=     >70"
		    "       dirs            names  folder\n");
	}
	/* By name, each found anew: they are few, and may come and go. */
	do {
		take_folder(&all, name);
		p.next[0] = '\0';
		if (!ck->o->no_folders)
			e = scan_each(ck, ck->root, pick, &p);
		memcpy(name, p.next, sizeof name);
	} while (name[0] && e == 0 && !ck_cancelled);
	if (e < 0)
		trouble(ck, "", e);
	put_row(&all, NULL);
	if (!json(&all))
		put_flags(&all);
	draw(&all, "age_days", N_AGE, N_SIZE);
	draw(&all, "size_kb", N_SIZE, NUMBERS);
	put_largest(&all);
	ck_put(json(&all) ? "" : "\n");
	ck_flush(ck, STDOUT_FILENO);
	return ck->status;
}
