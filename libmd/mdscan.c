/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/mdscan.o
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base.h"
#include "maildir.h"

enum { D_RECLEN = 16, D_TYPE = 18, D_NAME = 19 };	/* getdents64(2) */

/*
 * What stands in the names area for each message, in place of the larger
 * dirent it came in: inode, directory, name.
 */
enum { REC_SUB = sizeof(uint64_t), REC_NAME };

static bool is_message(int fd, const char *name, unsigned char type)
{
	struct stat st;

	if (name[0] == '.')
		return false;
	if (type != DT_UNKNOWN)
		return type == DT_REG;
	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode);
}

/* Turns the dirents from `start` on into records, which are no larger. */
static size_t pack(const struct md *md, enum md_sub sub, struct md_area *a,
    size_t start)
{
	char *to = a->p + start;
	size_t step, found = 0;

	for (size_t at = start; at < a->len; at += step) {
		char *d = a->p + at;
		uint16_t reclen;
		size_t n = strlen(d + D_NAME) + 1;

		memcpy(&reclen, d + D_RECLEN, sizeof reclen);
		step = reclen;
		if (!is_message(md->sub[sub], d + D_NAME,
		    (unsigned char)d[D_TYPE]))
			continue;
		memmove(to, d, sizeof(uint64_t));
		to[REC_SUB] = (char)sub;
		memmove(to + REC_NAME, d + D_NAME, n);
		to += REC_NAME + n;
		found++;
	}
	a->len = (size_t)(to - a->p);
	return found;
}

static void make_ent(struct md_ent *m, const char *record)
{
	const char *name = record + REC_NAME;

	*m = (struct md_ent){
		.name = name, .sub = (uint8_t)record[REC_SUB],
		.base = (uint16_t)str_span(name, ':')
	};
	memcpy(&m->ino, record, sizeof m->ino);
	m->when = md_name_when(name);
}

static int compare_base(const struct md_ent *a, const struct md_ent *b)
{
	size_t n = a->base < b->base ? a->base : b->base;
	int c;

	if (a->when != b->when)
		return a->when < b->when ? -1 : 1;
	c = memcmp(a->name, b->name, n);
	return c ? c : (int)a->base - (int)b->base;
}

/*
 * Twins by inode, which stays when flags and directory change.  Of one
 * inode's names the one in cur/ first: what was seen later is the better.
 */
static int compare(const struct md_ent *a, const struct md_ent *b)
{
	int c = compare_base(a, b);

	if (c == 0)
		c = a->ino < b->ino ? -1 : a->ino > b->ino;
	if (c == 0)
		c = (int)b->sub - (int)a->sub;
	return c ? c : strcmp(a->name, b->name);
}

/* Lets e[at] sink to its place in the heap of n. */
static void sift(struct md_ent *e, size_t at, size_t n)
{
	struct md_ent m = e[at];
	size_t child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && compare(&e[child], &e[child + 1]) < 0)
			child++;
		if (compare(&m, &e[child]) >= 0)
			break;
		e[at] = e[child];
		at = child;
	}
	e[at] = m;
}

/*
 * Heapsort: in place, no worst case for whoever chooses the names, and a
 * tenth of the libc's qsort in code.
 */
static void sort(struct md_ent *e, size_t n)
{
	for (size_t i = n / 2; i-- > 0; )
		sift(e, i, n);
	while (n > 1) {
		struct md_ent last = e[--n];

		e[n] = e[0];
		e[0] = last;
		sift(e, 0, n);
	}
}

/*
 * Two entries of one base name are one message where they are one file.
 * Their inodes as the directory has them do not prove it: union file
 * systems show one number for two files, and FUSE may show the same for
 * all.  Where an entry has been renamed since, they have to do.
 */
static bool same_file(const struct md *md, struct md_ent *a, struct md_ent *b)
{
	struct stat sa, sb;

	if (fstatat(md->sub[a->sub], a->name, &sa, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(md->sub[b->sub], b->name, &sb, AT_SYMLINK_NOFOLLOW) < 0)
		return a->ino == b->ino;
	a->ino = sa.st_ino;
	b->ino = sb.st_ino;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino &&
	    sa.st_nlink > 1;
}

/*
 * Keeps one entry for each file of a base name.  Another name of the same
 * file is the message once more: in the middle of a move, or left over by
 * a crash or a file system that renames by link and unlink (JFFS2).
 */
static void merge(const struct md *md, struct md_list *l)
{
	size_t kept = 0, first = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t k;

		if (kept == 0 || compare_base(&l->e[first], &l->e[i]) != 0)
			first = kept;
		for (k = first; k < kept; k++)
			if (same_file(md, &l->e[k], &l->e[i]))
				break;
		if (k < kept)
			continue;
		l->e[kept] = l->e[i];
		if (kept > first)
			l->e[kept].mark = l->e[first].mark = MD_TWIN;
		kept++;
	}
	l->n = kept;
	l->ents.len = kept * sizeof *l->e;
}

static int read_names(const struct md *md, struct md_list *l)
{
	for (enum md_sub s = MD_NEW; s <= MD_CUR; s++) {
		size_t start = l->names.len;
		int e;

		if (md->sub[s] < 0)
			continue;
		e = md_read_dir(md->sub[s], &l->names);
		if (e)
			return e;
		l->n += pack(md, s, &l->names, start);
	}
	md_area_trim(&l->names);
	return 0;
}

static int make_entries(const struct md *md, struct md_list *l)
{
	const char *record = l->names.p;
	int e = md_area_grow(&l->ents, l->n * sizeof *l->e);

	if (e)
		return e;
	l->e = (struct md_ent *)(void *)l->ents.p;
	for (size_t i = 0; i < l->n; i++) {
		make_ent(&l->e[i], record);
		record += REC_NAME + strlen(record + REC_NAME) + 1;
	}
	sort(l->e, l->n);
	merge(md, l);
	md_area_trim(&l->ents);
	return 0;
}

int md_scan(const struct md *md, struct md_list *list)
{
	int e;

	*list = (struct md_list){ .n = 0 };
	e = read_names(md, list);
	if (e == 0 && list->n > 0)
		e = make_entries(md, list);
	if (e)
		md_list_free(list);
	return e;
}

void md_list_free(struct md_list *list)
{
	md_area_free(&list->names);
	md_area_free(&list->ents);
	*list = (struct md_list){ .n = 0 };
}

static bool is_file(const struct md *md, const struct md_ent *now,
    uint64_t ino)
{
	struct stat st;

	return now->ino == ino || (fstatat(md->sub[now->sub], now->name, &st,
	    AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ino);
}

/* Lets message m take its name from the run of its base name at `at`. */
static void find(const struct md *md, const struct md_list *now, size_t at,
    struct md_ent *m)
{
	size_t i = at;

	m->mark &= (uint8_t)~(MD_GONE | MD_REPLACED);
	for (; i < now->n && compare_base(&now->e[i], m) == 0; i++) {
		if (is_file(md, &now->e[i], m->ino)) {
			m->name = now->e[i].name;
			m->sub = now->e[i].sub;
			return;
		}
	}
	m->mark |= MD_GONE;
	if (i > at && !(m->mark & MD_TWIN))
		m->mark |= MD_REPLACED;
}

/* Both lists are sorted alike. */
static void join(const struct md *md, struct md_list *list,
    const struct md_list *now)
{
	size_t at = 0;

	for (size_t i = 0; i < list->n; i++) {
		while (at < now->n &&
		    compare_base(&now->e[at], &list->e[i]) < 0)
			at++;
		find(md, now, at, &list->e[i]);
	}
}

/* Lets the list own its names, wherever they stand now. */
static void copy_names(struct md_list *list, struct md_area *to)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t n = strlen(list->e[i].name) + 1;

		memcpy(to->p + to->len, list->e[i].name, n);
		list->e[i].name = to->p + to->len;
		to->len += n;
	}
	md_area_free(&list->names);
	md_area_trim(to);
	list->names = *to;
}

int md_refresh(const struct md *md, struct md_list *list)
{
	struct md_area names = { .p = NULL };
	struct md_list now;
	int e = md_scan(md, &now);

	if (e)
		return e;
	/* Each name is an old one or one of the new ones, used once. */
	e = md_area_grow(&names, list->names.len + now.names.len);
	if (e == 0) {
		join(md, list, &now);
		copy_names(list, &names);
	}
	md_list_free(&now);
	return e;
}
