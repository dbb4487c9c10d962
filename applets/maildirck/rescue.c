/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_RESCUE) += applets/maildirck/rescue.o
/*
 * --rescue: what is left of Maildirs (a lost+found, a copy by ddrescue, an
 * overlay's upper directory) becomes one Maildir again.
 *
 * The sources are walked four times: names that can be known, messages
 * that still have names, so that of two copies this one stays, all other
 * messages, and control files of folders that messages were found for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mbox.h"
#include "rescue.h"

enum { DEPTH = 32, HEAD = 4096, LEAST_DIGITS = 8 };
enum { INDEX, NAMES, NAMED, OTHERS, CONTROLS, PASSES };

static struct rescue {
	struct intake in;
	struct ck *ck;		/* ck->path: the source */
	struct stat dest;
	int pass, depth;
	int stopped;		/* -errno: nothing more can be written */
	struct str path;	/* below ck->path */
	char buf[PATH_CAP];
} r;

struct place {			/* a directory */
	int fd;
	uint8_t sub;		/* enum md_sub, or IN_ROOT */
	bool maildir;		/* has cur/, new/, control files, messages */
	char own[MD_NAME_MAX + 1];	/* the folder it would be */
	char folder[MD_NAME_MAX + 1];	/* that its messages go to */
};

/* A name that a message keeps: in cur/ any, elsewhere one like 1700000000.x */
static bool is_named(const struct place *p, const char *name)
{
	uint64_t when;
	const char *dot = scan_u64(name, &when);

	for (const char *c = name; *c; c++)
		if ((unsigned char)(*c - 0x21) > 0x7E - 0x21)
			return false;
	if (p->sub != IN_ROOT)
		return *name != '.';
	return dot && *dot == '.' && dot[1] && dot - name >= LEAST_DIGITS;
}

/* The inode by which fsck calls what has no name: #123, or 123 on XFS. */
static uint64_t orphan(const char *name)
{
	uint64_t ino;

	return parse_u64(name + (*name == '#'), &ino) == 0 ? ino : 0;
}

/* Is this directory a folder, or what has been its cur/ or new/? */
static int look(void *ctx, const struct dirent_view *d)
{
	struct place *p = ctx;

	p->maildir |= strcmp(d->name, "cur") == 0 ||
	    strcmp(d->name, "new") == 0 || is_named(p, d->name) ||
	    list_name(d->name, false, "");
	return 0;
}

/* The folder for a directory: ".Sent", ".rescued-123", ".home.joe". */
static void folder_name(const struct place *up, const char *name,
    struct place *p)
{
	struct str s;

	str_init(&s, p->own, sizeof p->own);
	str_put(&s, up->own);
	if (strcmp(name, "lost+found") == 0)
		return;
	if (*name != '.')
		str_char(&s, '.');
	if (orphan(name))
		str_put(&s, "rescued-");
	str_put(&s, name + (*name == '#'));
	/* Too long for a folder: with the one above. */
	if (s.cut)
		strcpy(p->own, up->own);
}

static void go(struct place *p, const char *name);

static int each(void *ctx, const struct dirent_view *d)
{
	size_t len = r.path.len;

	if (len > 0)
		str_char(&r.path, '/');
	str_put(&r.path, d->name);
	go(ctx, d->name);
	r.path.p[r.path.len = len] = '\0';
	return r.stopped || ck_cancelled;
}

/* Not the access times either, where we may. */
static int open_source(const struct place *p, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC;
	int fd = openat(p->fd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(p->fd, name, flags) : fd;
}

/* cur/, new/ and tmp/ belong to their Maildir, all others may be folders. */
static int directory(struct place *p, const char *name, int fd)
{
	struct place here = { .fd = fd, .sub = IN_ROOT };
	const char *all = "newcurtmp", *at = strstr(all, name);
	int e = 0;

	if (p->maildir && at && (at - all) % 3 == 0 && strlen(name) == 3) {
		here.sub = (uint8_t)((at - all) / 3);
		strcpy(here.own, p->own);
	} else {
		if (p->fd != AT_FDCWD)
			folder_name(p, name, &here);
		e = scan_each(r.ck, fd, look, &here);
	}
	strcpy(here.folder, here.maildir ? here.own : p->folder);
	r.depth++;
	if (e == 0)
		e = scan_each(r.ck, fd, each, &here);
	r.depth--;
	return r.stopped ? 0 : e;
}

/* What has no name of a message: it depends on what is in it. */
static int unnamed(struct place *p, const char *name, int fd,
    struct origin *o)
{
	char head[HEAD + 1];
	ptrdiff_t n = pread(fd, head, HEAD, 0);
	struct place its;
	const char *as;

	head[n > 0 ? n : 0] = '\0';
	as = p->sub == IN_ROOT ? list_name(name, o->ino, head) : NULL;
	if (as || r.pass != OTHERS) {
		if (!as || r.pass == OTHERS)
			return 0;
		strcpy(its.own, p->folder);
		if (strcmp(as, name) != 0)
			folder_name(p, name, &its);
		return list_read(&r.in, fd, its.own,
		    r.pass == CONTROLS ? as : NULL);
	}
	if (mbox_is_from(head, str_span(head, '\n')))
		return import_mbox(&r.in, fd, o);
	if (!recovered_any(&r.in, o->ino) && !content_is_mail(fd)) {
		intake_say(&r.in, r.path.p, SKIPPED, NULL);
		return 0;
	}
	return intake_file(&r.in, fd, o);
}

/* To the same place as it was in, as far as that can be told. */
static int file(struct place *p, const char *name, int fd,
    const struct stat *st)
{
	struct origin o = {
		.path = r.path.p, .info = "", .folder = p->folder,
		.ino = orphan(name), .mtime = st->st_mtim.tv_sec,
		.sub = IN_ROOT
	};

	if (r.pass != INDEX && r.pass != NAMED)
		return unnamed(p, name, fd, &o);
	o.name = name;
	o.info = name + str_span(name, ':');
	o.sub = p->sub;
	return intake_file(&r.in, fd, &o);
}

/* What needs not even be opened. */
static bool in_this_pass(const struct place *p, const char *name, mode_t mode)
{
	if (S_ISDIR(mode))
		return true;
	if (!S_ISREG(mode))
		r.in.count[SKIPPED] += r.pass == OTHERS;
	if (r.pass == INDEX)
		return S_ISREG(mode) && p->sub <= MD_CUR;
	return S_ISREG(mode) && is_named(p, name) == (r.pass == NAMED);
}

static void go(struct place *p, const char *name)
{
	struct stat st = { .st_mode = 0 };
	int fd = -1, e = 0;

	/* A device must not even be opened. */
	if (fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!in_this_pass(p, name, st.st_mode))
			return;
		fd = open_source(p, name);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		e = -errno;
	else if (S_ISREG(st.st_mode))
		r.stopped = file(p, name, fd, &st);
	else if (r.depth == DEPTH)
		e = -ELOOP;
	else if (r.pass == INDEX || st.st_ino != r.dest.st_ino ||
	    st.st_dev != r.dest.st_dev)
		e = directory(p, name, fd);
	if (e && r.pass >= NAMED && r.pass <= OTHERS)
		trouble(r.ck, r.path.p, e);
	if (fd >= 0)
		close(fd);
}

static int any(void *ctx, const struct dirent_view *d)
{
	(void)ctx;
	(void)d;
	return 1;
}

/* It must be new, empty, or by an earlier rescue: nobody's mail is mixed. */
static int ready_dest(const char *path)
{
	struct stat st;
	bool ours = mkdir(path, 0700) == 0;
	int e = 0, fd = open_dir(AT_FDCWD, path);

	if (fd < 0)
		return fd;
	if (!ours && fstatat(fd, RESCUE_MARK, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    scan_each(r.ck, fd, any, NULL) != 0)
		e = -EEXIST;
	if (e == 0 && fstat(fd, &r.dest) == 0)
		e = intake_folder(fd, "");
	close(fd);
	return e ? e : intake_begin(&r.in, r.ck);
}

static void walk(int pass, const char *source)
{
	struct place top = { .fd = AT_FDCWD, .sub = IN_ROOT };

	r.pass = pass;
	r.in.index = pass == INDEX;
	r.ck->path = source;
	go(&top, source);
}

int rescue(struct ck *ck, char *const *src)
{
	int e;

	r.ck = ck;
	r.in.rescue = true;
	ck->path = ck->o->dest;
	str_init(&r.path, r.buf, sizeof r.buf);
	e = ready_dest(ck->path);
	if (e) {
		trouble(ck, "", e);
		return ck->status;
	}
	walk(INDEX, ck->path);
	for (int pass = NAMES; pass < PASSES; pass++)
		for (char *const *s = src; *s; s++)
			if (!r.stopped && !ck_cancelled)
				walk(pass, *s);
	ck->path = ck->o->dest;
	if (r.stopped)
		trouble(ck, "", r.stopped);
	return intake_finish(&r.in);
}
