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
#define LOST LOST_AND_FOUND

enum { KEPT = 160 };		/* of a name: more is to be added */

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
	return n > 0 && n <= KEPT && name[0] != '.';
}

/* DIR and the name, or one that is free; flags: null for no mail. */
static void put_free(struct ck *ck, struct str *out, const char *dir,
    const char *name, size_t n, const char *flags)
{
	size_t begin = out->len;
	bool fresh = flags && !is_plain(name, n);

	for (;; fresh = true) {
		out->len = begin;
		str_put(out, dir);
		if (fresh)
			fresh_base(ck, out);
		if (fresh && !flags) {
			str_char(out, '-');
			n = n < KEPT ? n : KEPT;
		}
		if (!fresh || !flags)
			str_mem(out, name, n);
		if (flags) {
			str_char(out, ck->o->info_sep);
			str_put(out, "2,");
		}
		for (const char *p = flags; p && ascii_lower(*p) >= 'a' &&
		    ascii_lower(*p) <= 'z' && out->len - begin < 230; p++)
			str_char(out, *p);
		if (out->cut || is_free(ck, out, fresh))
			break;
	}
}

void quarantine_mail(struct ck *ck, struct str *out, const char *name,
    size_t base)
{
	static const char dir[][17] = {
		LOST, LOST "/new", LOST "/tmp", LOST "/cur"
	};
	const char *flags = name[base] ? str_after(name + base + 1, "2,") :
	    NULL;

	for (size_t i = 0; i < sizeof dir / sizeof *dir; i++)
		make(ck, OP_MKDIR, dir[i]);
	make(ck, OP_NEW, LOST "/maildirfolder");
	put_free(ck, out, LOST "/cur/", name, base, flags ? flags : "");
}

void quarantine_other(struct ck *ck, struct str *out, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	make(ck, OP_MKDIR, OTHERS);
	put_free(ck, out, OTHERS "/", name, strlen(name), NULL);
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
