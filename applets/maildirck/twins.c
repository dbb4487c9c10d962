/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/twins.o
/*
 * What takes two names to tell: one base name twice (N01 to N04), equal but
 * for case (N25), mbsync's number twice (N26), equal bytes (C12, C15), equal
 * Message-IDs (C13).  The scan has left a key and an inode for each message;
 * only for those that share a key the names are read again.  Whatever was
 * renamed in between is told by a fresh lstat of every name.
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum { SETTLED = 5 };	/* seconds: no rename is under way any more */

struct twin {
	uint64_t key, ino;
	uint32_t name;		/* offset into names */
	uint8_t sub;
};

struct twins {
	struct ck *ck;
	struct folder *f;
	struct keys wanted;	/* by inode: the key */
	struct md_area names, area;
	size_t n;
	uint8_t sub;
};

static struct twin *list(const struct twins *t)
{
	return (struct twin *)(void *)t->area.p;
}

/* A name whose inode is wanted, and why. */
static int gather(void *ctx, const struct dirent_view *d)
{
	struct twins *t = ctx;
	const struct pair *p = (const void *)t->wanted.area.p;
	size_t i = keys_find(&t->wanted, d->ino), len = strlen(d->name) + 1;
	int e;

	if (i == t->wanted.n)
		return 0;
	e = md_area_grow(&t->names, t->names.len + len);
	if (e == 0)
		e = md_area_grow(&t->area, (t->n + 1) * sizeof(struct twin));
	if (e)
		return e;
	memcpy(t->names.p + t->names.len, d->name, len);
	list(t)[t->n++] = (struct twin){
		p[i].value, d->ino, (uint32_t)t->names.len, t->sub
	};
	t->area.len = t->n * sizeof(struct twin);
	t->names.len += len;
	return 0;
}

/* What is seen of a twin now; false when its name is gone. */
static bool see(const struct twins *t, size_t i, struct entry *e)
{
	const struct twin *w = &list(t)[i];

	*e = (struct entry){
		.f = t->f, .name = t->names.p + w->name, .sub = w->sub,
		.ino = w->ino, .bare_lf = UINT64_MAX
	};
	e->len = (uint16_t)strlen(e->name);
	md_name_parse(&e->n, e->name);
	return e->name[0] != '.' && entry_stat(t->ck, e) &&
	    e->type == DT_REG;
}

static bool same_base(const struct entry *a, const struct entry *b)
{
	return a->n.base == b->n.base &&
	    memcmp(a->name, b->name, a->n.base) == 0;
}

/* Inode numbers alone are not unique where a folder is a mount. */
static bool same_file(const struct entry *a, const struct entry *b)
{
	return a->st.st_ino == b->st.st_ino && a->st.st_dev == b->st.st_dev;
}

/* Nobody has renamed it just now, so that its names can be counted. */
static bool settled(const struct ck *ck, const struct entry *e)
{
	return e->st.st_ctim.tv_sec + SETTLED <= ck->now;
}

/* All but a hole: terabytes to read that have cost their owner nothing. */
static bool is_hole(const struct entry *e)
{
	return e->st.st_size >> 20 && e->st.st_blocks < e->st.st_size >> 15;
}

/*
 * Bytes that both begin with, at most as many as the shorter file has;
 * UINT64_MAX where one cannot be read.
 */
static uint64_t common(const struct entry *a, const struct entry *b)
{
	static char buf[2][32768];
	struct stat st;
	uint64_t n = UINT64_MAX;
	int fa = entry_open(a->f, a->sub, a->name, &st);
	int fb = entry_open(b->f, b->sub, b->name, &st);

	for (uint64_t at = 0; fa >= 0 && fb >= 0 && !is_hole(a); ) {
		ptrdiff_t ra = fd_read(fa, buf[0], sizeof buf[0]);
		ptrdiff_t rb = fd_read(fb, buf[1], sizeof buf[1]);
		ptrdiff_t r = ra < rb ? ra : rb;

		if (r < 0)
			break;
		n = at;
		while ((ptrdiff_t)(n - at) < r &&
		    buf[0][n - at] == buf[1][n - at])
			n++;
		if (n - at < (uint64_t)r || r == 0)
			break;
		at = n;
		n = UINT64_MAX;
	}
	if (fa >= 0)
		close(fa);
	if (fb >= 0)
		close(fb);
	return n;
}

bool entry_same_bytes(const struct entry *a, const struct entry *b)
{
	return a->st.st_size == b->st.st_size &&
	    common(a, b) == (uint64_t)a->st.st_size;
}

static void entry_path(const struct entry *e, struct str *s, char *buf)
{
	str_init(s, buf, PATH_CAP);
	path_of(s, e->f, e->sub, e->name);
}

/* Moves e to `name` in its directory, or in `sub`. */
static void plan_name(struct ck *ck, const struct entry *e, int sub,
    const char *name)
{
	char from[PATH_CAP], to[PATH_CAP];
	struct str s;

	entry_path(e, &s, from);
	str_init(&s, to, sizeof to);
	path_of(&s, e->f, sub, name);
	if (strcmp(from, to) != 0)
		plan_rename(ck, from, to, &e->st);
}

/* What `keep` is called once the plan is carried out, for a third name. */
static char planned[MD_NAME_MAX + 32];

static void plan_union(struct ck *ck, struct entry *keep,
    const struct entry *other)
{
	char name[sizeof planned];
	struct str s;

	str_init(&s, name, sizeof name);
	if (name_union(keep->name, other->name, &s) != 0 || s.cut)
		return;
	plan_name(ck, keep, keep->sub, name);
	if (!ck->o->dry_run)
		keep->name = strcpy(planned, name);
}

static void plan_away(struct ck *ck, const struct entry *e)
{
	char path[PATH_CAP];
	struct str s;

	entry_path(e, &s, path);
	plan_quarantine(ck, path, true, &e->st);
}

/* ---- one base name twice ------------------------------------------------ */

/* Two names of one file: a rename that a power cut has left half done. */
static void one_file(struct ck *ck, struct entry *keep, struct entry *other)
{
	char from[PATH_CAP], to[PATH_CAP];
	struct str s;

	if (!settled(ck, other))
		return;		/* JFFS2 renames by link and unlink */
	if (other->st.st_nlink < 2) {
		file_links(ck, other, 2);
		return;
	}
	if (!found_entry(ck, other, N02, keep->name))
		return;
	entry_path(other, &s, from);
	entry_path(keep, &s, to);
	plan_add(ck, &(struct op){
		.kind = OP_UNLINK, .src = from, .dst = to, .must = &other->st
	});
	plan_union(ck, keep, other);
}

/* The later of two gets a name of its own, and its flags stay. */
static void two_messages(struct ck *ck, struct entry *keep,
    struct entry *other)
{
	char name[2 * MD_NAME_MAX];
	struct entry *later = other->st.st_mtime < keep->st.st_mtime ?
	    keep : other;
	struct str s;

	if (!found_entry(ck, later, N04, NULL))
		return;
	str_init(&s, name, sizeof name);
	fresh_base(ck, &s);
	str_put(&s, later->name + later->n.base);
	plan_name(ck, later, later->sub, name);
}

static void same_name(struct ck *ck, struct entry *keep, struct entry *other)
{
	enum id id = keep->sub == MD_CUR && other->sub == MD_CUR ? N03 : N01;

	group_begin(ck);
	if (!same_base(keep, other))
		return;
	if (same_file(keep, other)) {
		one_file(ck, keep, other);
		return;
	}
	if (keep->name == planned) {	/* its bytes are to be read */
		plan_run(ck);
		if (!entry_stat(ck, keep))
			return;
	}
	if (!entry_same_bytes(keep, other)) {
		two_messages(ck, keep, other);
	} else if (found_entry(ck, other, id, NULL)) {
		plan_away(ck, other);
		plan_union(ck, keep, other);
	}
}

/* ---- other keys --------------------------------------------------------- */

static void same_fold(struct ck *ck, struct entry *a, struct entry *b)
{
	group_begin(ck);
	if (a->n.base == b->n.base && !same_base(a, b))
		found_entry(ck, b, N25, a->name);
}

/* The later file loses the number; mbsync gives it a new one. */
static void same_uid(struct ck *ck, struct entry *a, struct entry *b)
{
	char name[MD_NAME_MAX + 1];
	const char *field = strstr(b->name, ",U="), *rest;
	struct str s;

	group_begin(ck);
	if (!field || same_base(a, b) || !found_entry(ck, b, N26, a->name))
		return;
	for (rest = field + 3; *rest >= '0' && *rest <= '9'; rest++)
		;
	str_init(&s, name, sizeof name);
	str_mem(&s, b->name, (size_t)(field - b->name));
	str_put(&s, rest);
	plan_name(ck, b, b->sub, name);
}

static void same_content(struct ck *ck, struct entry *a, struct entry *b)
{
	uint64_t sa = (uint64_t)a->st.st_size, sb = (uint64_t)b->st.st_size;
	uint64_t n;

	group_begin(ck);
	if (same_file(a, b) || same_base(a, b))
		return;
	n = common(a, b);
	if (sa == sb && n == sa) {
		if (found_entry(ck, b, C12, a->name))
			plan_away(ck, b);
	} else if (n == sb && n > 0) {
		if (found_entry(ck, b, C15, a->name))
			plan_away(ck, b);
	} else if (n == sa && n > 0) {
		if (found_entry(ck, a, C15, b->name))
			plan_away(ck, a);
	}
}

static void same_mid(struct ck *ck, struct entry *a, struct entry *b)
{
	group_begin(ck);
	if (!same_file(a, b) && !same_base(a, b) &&
	    !entry_same_bytes(a, b))
		found_entry(ck, b, C13, a->name);
}

/* ---- groups of equal keys ----------------------------------------------- */

/* Order within a key: cur/ before new/, then by name; so a run repeats. */
static bool before(const struct twins *t, const struct twin *a,
    const struct twin *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	if (a->sub != b->sub)
		return a->sub == MD_CUR;
	return strcmp(t->names.p + a->name, t->names.p + b->name) < 0;
}

/* Few as a rule; a tree that was copied twice has them all. */
static void sort(const struct twins *t)
{
	struct twin *w = list(t);

	for (size_t gap = t->n / 2; gap > 0; gap /= 2) {
		for (size_t i = gap; i < t->n; i++) {
			struct twin x = w[i];
			size_t j = i;

			for (; j >= gap && before(t, &x, &w[j - gap]); j -= gap)
				w[j] = w[j - gap];
			w[j] = x;
		}
	}
}

static void compare(const struct twins *t, void (*judge)(struct ck *,
    struct entry *, struct entry *))
{
	struct entry keep, other;
	size_t first = 0;
	bool kept = false;

	for (size_t i = 0; i < t->n; i++) {
		if (list(t)[i].key != list(t)[first].key)
			kept = false;
		if (!kept) {
			first = i;
			kept = see(t, i, &keep);
		} else if (see(t, i, &other)) {
			judge(t->ck, &keep, &other);
		}
		if (t->ck->nops >= 1024)
			plan_run(t->ck);
	}
}

/* F06: files that have more names than the folder shows. */
static void count_names(const struct twins *t)
{
	struct entry e;
	size_t first = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (i + 1 < t->n && list(t)[i + 1].key == list(t)[first].key)
			continue;
		group_begin(t->ck);
		if (see(t, first, &e) && (settled(t->ck, &e) ||
		    e.st.st_nlink > i + 1 - first))
			file_links(t->ck, &e, (unsigned)(i + 1 - first));
		first = i + 1;
	}
}

/* Reads the names again, for the inodes that are wanted. */
static void gather_all(struct twins *t, int last_sub)
{
	int e = 0;

	for (t->sub = MD_NEW; e == 0 && t->wanted.n > 0 && t->sub <= last_sub;
	    t->sub++)
		if (t->f->md.sub[t->sub] >= 0)
			e = scan_each(t->ck, t->f->md.sub[t->sub], gather, t);
	if (e)
		trouble(t->ck, t->f->name, e);
	sort(t);
}

static void judge_kind(struct ck *ck, struct folder *f, int kind)
{
	static void (*const judge[BY_KINDS])(struct ck *, struct entry *,
	    struct entry *) = {
		[BY_BASE] = same_name, [BY_FOLD] = same_fold,
		[BY_UID] = same_uid, [BY_HASH] = same_content,
		[BY_HEAD] = same_content, [BY_MID] = same_mid
	};
	struct twins t = { .ck = ck, .f = f };
	int e = 0;

	if (kind == BY_LINK) {
		t.wanted = f->by[kind];
		gather_all(&t, MD_TMP);
		count_names(&t);
	} else {
		e = keys_twins(&f->by[kind], &t.wanted);
		gather_all(&t, MD_CUR);
		compare(&t, judge[kind]);
		keys_free(&t.wanted);
	}
	if (e)
		trouble(ck, f->name, e);
	md_area_free(&t.names);
	md_area_free(&t.area);
}

void twins_check(struct ck *ck, struct folder *f)
{
	if (looking_for(ck, N28))
		across_remember(ck, f);
	for (int kind = BY_BASE; kind < BY_KINDS; kind++) {
		if (f->by[kind].n < 1)
			continue;
		if (kind != BY_BASE)
			keys_sort(&f->by[kind]);
		judge_kind(ck, f, kind);
		plan_run(ck);
	}
}
