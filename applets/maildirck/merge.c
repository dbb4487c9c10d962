/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/merge.o
/* Messages where no reader looks for them, on their way to where one does. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "structure.h"

enum { DEPTH = 4 };

void path_join(struct str *s, char buf[PATH_CAP], const char *dir,
    const char *name)
{
	str_init(s, buf, PATH_CAP);
	str_put(s, dir);
	if (*dir && *name)
		str_char(s, '/');
	str_put(s, name);
}

int path_open(struct ck *ck, const char *path)
{
	const char *last;
	int dir = path_parent(ck, path, &last);

	return dir < 0 ? dir : openat(dir, last, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
}

void move_file(const struct move *m, const char *name, const struct stat *st)
{
	struct entry a = { .f = &m->src, .name = name, .st = *st };
	struct entry b = { .f = &m->dst, .name = name };
	char from[PATH_CAP], to[PATH_CAP];
	struct str s;

	path_join(&s, from, m->from, name);
	path_join(&s, to, m->to, name);
	if (fstatat(m->dst.md.sub[MD_NEW], name, &b.st,
	    AT_SYMLINK_NOFOLLOW) == 0) {
		if (entry_same_bytes(&b, &a))
			return;
		path_join(&s, to, m->to, "");
		str_char(&s, '/');
		fresh_base(m->ck, &s);
		str_put(&s, name + str_span(name, m->ck->o->info_sep));
	}
	if (!s.cut)
		plan_rename(m->ck, from, to, st);
}

static int move_all(struct ck *ck, const char *from, const char *to,
    bool any, unsigned depth);

static int move_entry(void *ctx, const struct dirent_view *d)
{
	const struct move *m = ctx;
	char path[PATH_CAP];
	struct stat st;
	struct str s;
	int fd = entry_open(&m->src, MD_NEW, d->name, &st);

	if (fd >= 0) {
		if (m->any || content_is_mail(fd))
			move_file(m, d->name, &st);
		close(fd);
	} else if (!m->any && m->depth < DEPTH && d->type != DT_LNK) {
		path_join(&s, path, m->from, d->name);
		(void)move_all(m->ck, path, m->to, false, m->depth + 1);
	}
	return 0;
}

/* 0, or -1 when nothing can be said about it. */
static int move_all(struct ck *ck, const char *from, const char *to,
    bool any, unsigned depth)
{
	struct move m = {
		.ck = ck, .from = from, .to = to, .any = any, .depth = depth
	};
	int a = path_open(ck, from), b = path_open(ck, to), e = -1;

	m.src.md.sub[MD_NEW] = a;
	m.dst.md.sub[MD_NEW] = b;
	if (a >= 0 && b >= 0)
		e = scan_each(ck, a, move_entry, &m);
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	return e;
}

void structure_stray(struct ck *ck, struct entry *e)
{
	char path[PATH_CAP], to[PATH_CAP];
	struct str s;

	if (!found_entry(ck, e, S08, NULL))
		return;
	str_init(&s, to, sizeof to);
	path_of(&s, e->f, e->sub, "");
	while (s.len > 0 && to[s.len - 1] == '/')
		to[--s.len] = '\0';
	path_join(&s, path, to, e->name);
	if (move_all(ck, path, to, false, 0) == 0)
		plan_quarantine(ck, path, false, NULL);
}

/* ---- a Maildir in a Maildir --------------------------------------------- */

struct merge {
	struct ck *ck;
	const char *path;
	int e;
};

static int merge_subs(struct ck *ck, const char *path, const char *folder)
{
	static const char sub[][4] = { "new", "cur" };
	char from[PATH_CAP], to[PATH_CAP];
	struct stat st;
	struct str s;
	int e = 0;

	for (int i = MD_NEW; i <= MD_CUR; i++) {
		path_join(&s, from, path, sub[i]);
		path_join(&s, to, folder, sub[i]);
		if (path_stat(ck, from, &st) == 0)
			e |= move_all(ck, from, to, true, 0);
	}
	return e;
}

/* A folder of its own, or one more for the folder of this name. */
static int merge_folder(void *ctx, const struct dirent_view *d)
{
	struct merge *m = ctx;
	char from[PATH_CAP];
	struct stat st;
	struct str s;

	path_join(&s, from, m->path, d->name);
	if (d->name[0] != '.' || path_stat(m->ck, from, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return 0;
	if (path_stat(m->ck, d->name, &st) == 0)
		m->e |= merge_subs(m->ck, from, d->name);
	else
		plan_rename(m->ck, from, d->name, NULL);
	return 0;
}

void merge_maildir(struct ck *ck, const char *path, const char *folder)
{
	struct merge m = { .ck = ck, .path = path };
	int fd = path_open(ck, path);

	if (fd < 0)
		return;
	m.e = merge_subs(ck, path, folder);
	if (*folder == '\0')
		m.e |= scan_each(ck, fd, merge_folder, &m);
	close(fd);
	if (m.e == 0)
		plan_quarantine(ck, path, false, NULL);
}
