/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/files.o
/* What lstat tells about a message, and all that is done for one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "content.h"

/* ---- what is no regular file -------------------------------------------- */

/* What overlayfs hides a file with, seen from below. */
static bool is_whiteout(struct ck *ck, struct entry *e)
{
	return e->type == DT_CHR && (e->st.st_ino || entry_stat(ck, e)) &&
	    e->st.st_rdev == 0;
}

static void check_special(struct ck *ck, struct entry *e)
{
	if (e->type == DT_LNK)
		(void)found_entry(ck, e, F01, NULL);
	else if (is_whiteout(ck, e))
		(void)found_entry_as(ck, e, F02, FIX_NONE,
		    "overlayfs whiteout");
	else
		(void)found_entry(ck, e, F02, NULL);
}

/* ---- sizes -------------------------------------------------------------- */

/* Looked for once: this process has one Maildir. */
static bool has_quota(struct ck *ck)
{
	static int has = -1;
	struct stat st;

	if (has < 0)
		has = path_stat(ck, "maildirsize", &st) == 0;
	return has;
}

/* Also a malformed one, which is Z03 and nothing else. */
static bool has_size_field(const struct entry *e)
{
	for (const char *p = e->name; *p; p++)
		if (str_after(p, ",S="))
			return true;
	return false;
}

void file_sizes(struct ck *ck, struct entry *e, bool seen)
{
	uint64_t size = (uint64_t)e->st.st_size;
	enum id id = Z01;

	if (e->n.size == MD_NOSIZE && has_quota(ck) && !has_size_field(e))
		id = Z04;
	else if (e->n.size == MD_NOSIZE || e->n.size == size)
		return;
	(void)found_entry_as(ck, e, id, !seen ? FIX_NONE :
	    (enum repair)finding_info[id].repair,
	    size < e->n.size && id == Z01 ? "cut off, or compressed" : NULL);
}

/* ---- mode and owner ----------------------------------------------------- */

/*
 * Below a Maildir that lets nobody in, the bits for others do no harm, and
 * Courier and Python leave them.  A group may share one: Dovecot then gives
 * messages the bits of the Maildir.
 */
static mode_t allowed(const struct ck *ck)
{
	mode_t root = ck->root_st.st_mode;

	return !(root & 077) ? 0666 : root & 070 ? 0660 : 0600;
}

/* --owner, or who owns the Maildir: uid << 32 | gid. */
static uint64_t right_owner(const struct ck *ck)
{
	uint64_t uid, gid;
	const char *p = ck->o->owner ? scan_u64(ck->o->owner, &uid) : NULL;

	if (!p || *p != ':' || parse_u64(p + 1, &gid) < 0) {
		uid = ck->root_st.st_uid;
		gid = ck->root_st.st_gid;
	}
	return uid << 32 | gid;
}

/*
 * F05: of several names one may be another user's, who must not lose the
 * file by it.  Deliveries by other programs may have another group, so that
 * is looked at only where somebody has said which is right.
 */
static void check_state(struct ck *ck, struct entry *e)
{
	mode_t mode = e->st.st_mode & 07777;
	uint64_t right = right_owner(ck);

	if (!(mode & S_IRUSR))
		(void)found_entry(ck, e, F03, NULL);
	if (mode & ~allowed(ck))
		(void)found_entry(ck, e, F04, NULL);
	if (e->st.st_uid != right >> 32 || (ck->o->owner &&
	    e->st.st_gid != (gid_t)right))
		(void)found_entry_as(ck, e, F05, geteuid() == 0 &&
		    e->st.st_nlink == 1 ? FIX_DEMAND : FIX_NONE, NULL);
	if (e->st.st_size == 0)
		(void)found_entry(ck, e, C01, NULL);
	else if (ck->o->level == LEVEL_STAT)
		file_sizes(ck, e, false);
}

void file_check(struct ck *ck, struct entry *e)
{
	if (e->type != DT_REG)
		check_special(ck, e);
	else if (!e->st.st_ino || e->name[0] == '.')
		return;
	else if ((e->st.st_mode & 07777) == S_ISVTX && !e->st.st_size)
		(void)found_entry(ck, e, F08, NULL);
	else
		check_state(ck, e);
}

/* Anew, for a name may have come or gone since the scan. */
void file_links(struct ck *ck, struct entry *e, unsigned names_seen)
{
	if (!entry_stat(ck, e))
		return;
	if (e->st.st_nlink > names_seen) {
		(void)found_entry(ck, e, F06, NULL);
	} else if (e->st.st_nlink < names_seen) {
		(void)found_entry(ck, e, F07, NULL);
		ck->stopped = -EUCLEAN;
		ck->status |= CK_ERROR;
	}
}

/* ---- repair ------------------------------------------------------------- */

/* Hidden files and droppings may be mail all the same. */
static bool looks_like_mail(const struct entry *e)
{
	struct stat st;
	int fd = entry_open(e->f, e->sub, e->name, &st);
	bool is = fd >= 0 && content_is_mail(fd);

	if (fd >= 0)
		close(fd);
	return is;
}

/* Ids in e->want[1]. */
#define WANT(id) ((uint64_t)1 << ((id) - 64))
typedef char wants_are_there[F01 >= 64 && C15 < 128 ? 1 : -1];

/* Is e to be put away, and not as mail? */
static bool is_rubbish(const struct entry *e)
{
	return e->want[1] & (WANT(F01) | WANT(F02) | WANT(C01) | WANT(C02) |
	    WANT(C07)) ||
	    ((entry_wants(e, N17) || entry_wants(e, N24)) &&
	    !looks_like_mail(e));
}

static void plan(struct ck *ck, const struct entry *e, uint8_t kind,
    const char *path, const char *to, uint64_t new)
{
	plan_add(ck, &(struct op){
		.kind = kind, .src = path, .dst = to, .new = new,
		.must = e->st.st_ino ? &e->st : NULL
	});
}

static void repair_state(struct ck *ck, const struct entry *e,
    const char *path)
{
	mode_t mode = e->st.st_mode & 07777;

	if (entry_wants(e, F03))
		mode |= S_IRUSR | S_IWUSR;
	if (entry_wants(e, F04))
		mode &= allowed(ck);
	if (mode != (e->st.st_mode & 07777))
		plan(ck, e, OP_CHMOD, path, NULL, mode);
	if (entry_wants(e, F05))
		plan(ck, e, OP_CHOWN, path, NULL, right_owner(ck));
}

void entry_target(struct ck *ck, const struct entry *e, struct str *path)
{
	char name[3 * MD_NAME_MAX], other[MD_NAME_MAX + 1];
	bool fresh;
	size_t base;
	struct stat st;
	struct str s;

	str_init(&s, name, sizeof name);
	fresh = name_fixed(ck, e, &s) < 0;
	base = str_span(name, ck->o->info_sep);
	/* A twin of the same base name is for twins.c to see to. */
	if (base != str_span(e->name, ck->o->info_sep) ||
	    memcmp(name, e->name, base) != 0)
		fresh = fresh || fstatat(e->f->md.sub[e->sub], name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0;
	if (fresh) {
		str_init(&s, other, sizeof other);
		fresh_base(ck, &s);
		str_put(&s, name + base);
	}
	path_of(path, e->f, e->sub, s.p);
}

/* The time last: operations are checked by it. */
static void repair_name(struct ck *ck, const struct entry *e,
    const char *path)
{
	char to[PATH_CAP];
	struct str s;
	int64_t t;

	str_init(&s, to, sizeof to);
	entry_target(ck, e, &s);
	if (strcmp(path, to) != 0)
		plan(ck, e, OP_RENAME, path, to, 0);
	if (entry_wants(e, C14) && content_time(ck, e, &t))
		plan(ck, e, OP_UTIME, to, NULL, (uint64_t)t * 1000000000);
}

void file_repair(struct ck *ck, struct entry *e)
{
	char path[PATH_CAP];
	struct str s;
	bool rubbish = is_rubbish(e);

	str_init(&s, path, sizeof path);
	path_of(&s, e->f, e->sub, e->name);
	if (rubbish || entry_wants(e, C03)) {
		plan_quarantine(ck, path, !rubbish,
		    e->st.st_ino ? &e->st : NULL);
		return;
	}
	repair_state(ck, e, path);
	if (e->want[1] & (WANT(C05) | WANT(C06) | WANT(C09)))
		content_rewrite(ck, e);
	else
		repair_name(ck, e, path);
}
