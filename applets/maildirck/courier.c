/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_CONTROL) += applets/maildirck/courier.o
/* Courier's control files but courierimapuiddb, and files that are odd. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control.h"

enum { YOUNG = 15 * 60 };	/* README.imapkeywords: older ones may go */

/* Numbers with these characters between them: what follows, or null. */
static const char *numbers(const char *p, const char *between, uint64_t *n)
{
	for (;; between++) {
		p = scan_u64(p, n++);
		if (!p || !*between)
			return p;
		if (*p++ != *between)
			return NULL;
	}
}

/* "/3 next uidvalidity", or version 2 with less on each line. */
static enum problem pop3_header(struct control *c, const char *p,
    const char *end)
{
	uint64_t n[2];

	if (end - p < 4 || p[0] != '/' || (p[1] != '3' && p[1] != '2') ||
	    p[2] != ' ' || numbers(p + 3, " ", n) != end)
		return P_HEADER;
	c->next = n[0];
	c->other = n[1];
	put(c, p, 3);
	put_next(c);
	put_word(c, "", 0);
	put_u64(c, n[1]);
	return P_NONE;
}

/* "name size uid:uidvalidity:utf8", in no order. */
enum problem pop3_line(struct control *c, const char *p, const char *end)
{
	const char *ids, *size, *at;
	uint64_t n[4];		/* size, UID, UIDVALIDITY, any UTF-8 */
	enum problem bad;

	if (c->line == 1)
		return pop3_header(c, p, end);
	ids = memrchr(p, ' ', (size_t)(end - p));
	size = ids ? memrchr(p, ' ', (size_t)(ids - p)) : NULL;
	at = size ? numbers(size + 1, " :", n) : NULL;
	if (at && *at == ':')
		at = scan_u64(at + 1, &n[3]);
	if (at != end)
		return P_NUMBER;
	bad = take_name(c, p, size, c->line);
	if (bad)
		return bad;
	if (n[2] == c->other && n[1] >= c->least)
		c->least = n[1] + 1;
	put_name(c, p, size);
	put(c, size, (size_t)(end - size));
	return P_NONE;
}

/* Keywords, a blank line, and then "base name:number number ...". */
enum problem list_line(struct control *c, const char *p, const char *end)
{
	if (c->version == 0) {
		c->version = p == end;
	} else if (take_name(c, p, end, c->line) != P_NAME) {
		if (c->f && c->ck->now - c->st.st_mtime > YOUNG &&
		    !folder_has_base(c->ck, c->f, p, c->base))
			return P_GONE;
		put_name(c, p, end);
		return P_NONE;
	}
	put(c, p, (size_t)(end - p));
	return P_NONE;
}

/* ---- what is told by being there ---------------------------------------- */

struct looking {
	struct ck *ck;
	const struct folder *f;
	unsigned marks;		/* dovecot-uidvalidity.XXXXXXXX */
	char mark[9];
};

/* A message's keywords, until they are in :list (M16). */
static int keyword_file(void *ctx, const struct dirent_view *d)
{
	static const char dir[] = "courierimapkeywords/";
	const struct looking *l = ctx;
	char name[MD_NAME_MAX + sizeof dir];
	struct stat st;
	struct str s;

	str_init(&s, name, sizeof name);
	str_put(&s, dir);
	str_put(&s, d->name);
	if (d->name[0] == ':' || d->name[0] == '.' || folder_has_base(l->ck,
	    l->f, d->name, strlen(d->name)) || fstatat(l->f->md.root, name,
	    &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    l->ck->now - st.st_mtime <= YOUNG)
		return 0;
	found_in(l->ck, l->f, M16, name, NULL);
	return 0;
}

static int uidvalidity_mark(void *ctx, const struct dirent_view *d)
{
	struct looking *l = ctx;
	const char *mark = str_after(d->name, "dovecot-uidvalidity.");

	if (mark && strlen(mark) == 8) {
		l->marks++;
		memcpy(l->mark, mark, 9);
	}
	return 0;
}

static int open_in(const struct folder *f, const char *name)
{
	return openat(f->md.root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
}

/* What Dovecot has in a file it also has as another file's name. */
static void uidvalidity_check(struct looking *l)
{
	char text[8];
	int fd = open_in(l->f, "dovecot-uidvalidity");

	if (fd < 0)
		return;
	(void)scan_each(l->ck, l->f->md.root, uidvalidity_mark, l);
	if (fd_read(fd, text, sizeof text) != sizeof text || l->marks != 1 ||
	    memcmp(text, l->mark, sizeof text) != 0)
		found_in(l->ck, l->f, M11, "dovecot-uidvalidity", l->mark);
	close(fd);
}

void others_check(struct ck *ck, const struct folder *f)
{
	struct looking l = { .ck = ck, .f = f };
	bool dovecot = folder_has(f, "dovecot-uidlist");
	int fd = open_in(f, "courierimapkeywords");

	if (!dovecot && folder_has(f, "dovecot.index"))
		found_in(ck, f, M17, "dovecot.index", "no dovecot-uidlist");
	if (dovecot && folder_has(f, "courierimapuiddb"))
		found_in(ck, f, M20, "courierimapuiddb", "Dovecot's, too");
	if (str_after(f->name, ".INBOX"))
		found_in(ck, f, M20, "", NULL);
	if (f->name[0] && folder_has(f, "maildirsize"))
		found_in(ck, f, M03, "maildirsize", NULL);
	uidvalidity_check(&l);
	if (fd < 0)
		return;
	(void)scan_each(ck, fd, keyword_file, &l);
	close(fd);
}
