/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/quarantine.o
/* Where things are put away, and names for them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "plan.h"

#define OTHERS "maildirck.q"
#define LOST ".Lost+Found"

enum { KEPT = 160 };		/* of a name behind another */

/* Number of fresh names so far. */
static unsigned count;

void fresh_base(struct ck *ck, struct str *out)
{
	struct timeval now;

	(void)ck;
	gettimeofday(&now, NULL);
	str_u64(out, (uint64_t)now.tv_sec);
	str_put(out, ".M");
	str_u64(out, (uint64_t)now.tv_usec);
	str_char(out, 'P');
	str_u64(out, (uint64_t)getpid());
	str_char(out, 'Q');
	str_u64(out, ++count);
	str_put(out, ".maildirck");
}

/*
 * Is this path free, and none that was given before?  For the latter a
 * filter of hashes is enough: who is refused in error gets another name.
 */
static bool is_free(struct ck *ck, const struct str *s, bool fresh)
{
	static unsigned char given[8192];
	uint64_t h = hash_bytes(ck->seed, s->p, s->len);
	unsigned char *byte = &given[h / 8 % sizeof given];
	unsigned char bit = (unsigned char)(1 << h % 8);
	struct stat st;

	/* Where it cannot be looked for, it cannot be put either. */
	if (s->cut || (!fresh && *byte & bit) || path_stat(ck, s->p, &st) == 0)
		return false;
	*byte |= bit;
	return true;
}

static void make(struct ck *ck, uint8_t kind, const char *path)
{
	struct stat st;

	if (path_stat(ck, path, &st) == -ENOENT)
		plan_first(ck, &(struct op){
			.kind = kind, .dst = path, .new = 0700
		});
}

/* A base name that every reader takes as it is. */
static bool is_plain(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] >= 0x7F || name[i] == ':')
			return false;
	return n > 0 && name[0] != '.';
}

static void put_flags(struct ck *ck, struct str *out, const char *flags)
{
	str_char(out, ck->o->info_sep);
	str_put(out, "2,");
	while (ascii_lower(*flags) >= 'a' && ascii_lower(*flags) <= 'z')
		str_char(out, *flags++);
}

void quarantine_mail(struct ck *ck, struct str *out, const char *name,
    size_t base)
{
	size_t begin = out->len;
	const char *info = name + base;
	const char *flags = *info ? str_after(info + 1, "2,") : NULL;

	make(ck, OP_MKDIR, LOST);
	make(ck, OP_NEW, LOST "/maildirfolder");
	make(ck, OP_MKDIR, LOST "/new");
	make(ck, OP_MKDIR, LOST "/tmp");
	make(ck, OP_MKDIR, LOST "/cur");
	for (int i = 0; ; i++) {
		out->len = begin;
		str_put(out, LOST "/cur/");
		if (i == 0 && is_plain(name, base))
			str_mem(out, name, base);
		else
			fresh_base(ck, out);
		put_flags(ck, out, flags ? flags : "");
		if (out->cut || is_free(ck, out, i > 0))
			break;
	}
}

void quarantine_other(struct ck *ck, struct str *out, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t begin = out->len, n = strlen(name);

	make(ck, OP_MKDIR, OTHERS);
	for (int i = 0; ; i++) {
		out->len = begin;
		str_put(out, OTHERS "/");
		if (i > 0) {
			fresh_base(ck, out);
			str_char(out, '-');
			n = n < KEPT ? n : KEPT;
		}
		str_mem(out, name, n);
		if (out->cut || is_free(ck, out, i > 0))
			break;
	}
}

void plan_quarantine(struct ck *ck, const char *path, bool mail,
    const struct stat *must)
{
	char to[PATH_CAP];
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct str s;

	str_init(&s, to, sizeof to);
	if (mail)
		quarantine_mail(ck, &s, name,
		    str_span(name, ck->o->info_sep));
	else
		quarantine_other(ck, &s, path);
	plan_rename(ck, path, to, must);
}

int quarantine_make(struct ck *ck)
{
	struct stat st;
	int e = path_stat(ck, OTHERS, &st);

	if (e != -ENOENT)
		return e ? e : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (ck->o->dry_run || ck->stopped)
		return -EROFS;
	plan_now(ck, plan_first(ck, &(struct op){
		.kind = OP_MKDIR, .dst = OTHERS, .new = 0700
	}));
	return path_stat(ck, OTHERS, &st);
}
