/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_RESCUE) += applets/maildirck/recover.o
/*
 * Names that fsck has lost.  Courier, maildrop and Postfix put the inode
 * into a base name (V, the device, I, the inode, both in hex), and what
 * servers keep of a folder has its base names.  An orphan is called by its
 * inode: so its name can be known.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "rescue.h"

enum { DAY = 86400 };

/*
 * dovecot-uidlist begins with "3 V", Courier's lists with "1 " and the
 * UIDVALIDITY, and with "/3 ".  Version 1 of Dovecot's looks like Courier's.
 */
const char *list_name(const char *name, bool orphan, const char *head)
{
	static const char known[][22] = {
		"dovecot-uidlist", "courierimapuiddb",
		"courierpop3dsizelist", "dovecot-keywords", "subscriptions",
		"courierimapsubscribed"
	};
	static const char magic[3][4] = { "3 V", "1 ", "/" };
	uint64_t n;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *behind;

		if (strcmp(name, known[i]) == 0)
			return known[i];
		if (!orphan || i > 2)
			continue;
		behind = str_after(head, magic[i]);
		if (behind && scan_u64(behind, &n))
			return known[i];
	}
	return NULL;
}

/* The hexadecimal number at p, of either case; what follows it. */
static const char *hex(const char *p, uint64_t *out)
{
	for (*out = 0; ; p++) {
		unsigned d = (unsigned)ascii_lower(*p) - '0';

		if (d > 9 && (d -= 'a' - '9' - 1) - 10 > 5)
			return p;
		*out = *out << 4 | d;
	}
}

/* The inode that a base name tells, or 0. */
static uint64_t inode_of(const char *p)
{
	uint64_t ino;

	for (; *p; p++)
		if (*p == 'V' && *hex(p + 1, &ino) == 'I' &&
		    hex(hex(p + 1, &ino) + 1, &ino))
			return ino;
	return 0;
}

static uint64_t *known(struct intake *in, uint64_t ino)
{
	return seen_at(in, hash_bytes(~in->ck->seed, &ino,
	    sizeof ino));
}

/* Two names for one inode: one of them is old, and no telling which. */
static void note_name(struct intake *in, const char *name, uint64_t folder)
{
	uint64_t ino = inode_of(name), *v = ino ? known(in, ino) : NULL;

	if (v && *v == 0)
		*v = folder << 32 | text_add(in->ck, name);
	else if (v && strcmp(text_at(in->ck, (uint32_t)*v), name) != 0)
		*v = folder << 32;
}

/*
 * What stands between blanks and colons: of dovecot-uidlist, "UID ... :NAME"
 * or "UID NAME", as courierimapuiddb has it; of courierpop3dsizelist, "NAME
 * SIZE UID:VALIDITY".
 */
static void note_names(struct intake *in, char *p, const char *folder)
{
	uint64_t at = text_add(in->ck, folder);

	while (*p) {
		char *word = p;

		while ((unsigned char)*p > ' ' && *p != ':')
			p++;
		if (*p)
			*p++ = '\0';
		note_name(in, word, at);
	}
}

/* Where that folder is not there, none of its messages was found. */
static int copy(struct intake *in, const struct md_area *a,
    const char *folder, const char *as)
{
	char path[PATH_CAP];
	const char *last;
	struct str s;
	int dir, fd;

	str_init(&s, path, sizeof path);
	put_path(&s, folder, as);
	dir = path_parent(in->ck, path, &last);
	fd = dir < 0 ? dir : openat(dir, last, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0;
	dir = fd_write(fd, a->p, a->len) < 0 ? -errno : 0;
	close(fd);
	return dir;
}

int list_read(struct intake *in, int fd, const char *folder,
    const char *as)
{
	struct md_area a = { .p = NULL };
	ptrdiff_t k = 1;
	int e = 0;

	while (e == 0 && k > 0) {
		e = md_area_grow(&a, a.len + IN_BLOCK);
		k = e ? e : fd_read(fd, a.p + a.len, IN_BLOCK - 1);
		if (k > 0)
			a.len += (size_t)k;
	}
	/* With NULs it is damaged, and its UIDs may be others'. */
	if (k == 0 && strlen(a.p) == a.len) {
		if (as)
			e = copy(in, &a, folder, as);
		else
			note_names(in, a.p, folder);
	}
	md_area_free(&a);
	return e;
}

const char *recovered_name(struct intake *in, uint64_t ino, int64_t when,
    const char **folder)
{
	const uint64_t *v = ino ? known(in, ino) : NULL;
	struct md_name n;
	const char *base;

	if (!v || (uint32_t)*v == 0)
		return NULL;
	base = text_at(in->ck, (uint32_t)*v);
	md_name_parse(&n, base);
	/* Inodes are used again, and names are carried to other disks. */
	if (n.size != MD_NOSIZE ? n.size != in->size :
	    (uint64_t)when - n.sec + DAY > 2 * DAY)
		return NULL;
	*folder = text_at(in->ck, (uint32_t)(*v >> 32));
	return base;
}

bool recovered_any(struct intake *in, uint64_t ino)
{
	const uint64_t *v = ino ? known(in, ino) : NULL;

	return v && (uint32_t)*v;
}
