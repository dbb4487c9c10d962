/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += libmd/auth.o
#include "auth.h"

#include <crypt.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "users.h"

/* What the files say of one user, and a setting for those they lack. */
struct record {
	bool found;
	bool whole;		/* uid, gid and home could be read */
	bool expired;
	char hash[AU_FIELD];
	char dummy[AU_FIELD];	/* of the costliest scheme seen */
};

/* What crypt(3) does where no hash tells what this system uses. */
static const char fallback[] = "$6$popboxpopboxpop$";

static int strength(const char *hash)
{
	static const char rank[][5] = {
		"$1$", "$5$", "$6$", "$2", "$7$", "$gy$", "$y$"
	};

	for (int i = (int)(sizeof rank / sizeof *rank); i-- > 0; )
		if (strncmp(hash, rank[i], strlen(rank[i])) == 0)
			return i + 1;
	return 0;
}

/* Every hash is looked at, the user's or not: the time tells nothing. */
static void note_hash(struct record *r, const char *hash)
{
	struct str s;

	if (strength(hash) > strength(r->dummy)) {
		str_init(&s, r->dummy, sizeof r->dummy);
		str_put(&s, hash);
	}
}

/* A cut copy of a hash, name or home would be another: none instead. */
static bool take(char to[AU_FIELD], const char *from)
{
	struct str s;

	str_init(&s, to, AU_FIELD);
	str_put(&s, from);
	if (s.cut)
		to[0] = '\0';
	return !s.cut;
}

static void take_user(struct record *r, struct au_user *u, char **field)
{
	uint64_t uid, gid;

	r->found = true;
	r->whole = take(u->name, field[0]) && take(r->hash, field[1]) &&
	    parse_u64(field[2], &uid) == 0 && uid < UINT32_MAX &&
	    parse_u64(field[3], &gid) == 0 && gid < UINT32_MAX &&
	    field[5][0] == '/' && take(u->home, field[5]);
	if (r->whole) {
		u->uid = (uid_t)uid;
		u->gid = (gid_t)gid;
	}
}

/* Fields of shadow(5), in days; negative where there is none. */
static bool aged(long last, long max, long expire)
{
	long today = (long)(time(NULL) / 86400);

	if (expire > 0 && today >= expire)
		return true;
	/* 0: must be changed at the next login */
	return last == 0 || (last > 0 && max >= 0 && today - last > max);
}

static long days(const char *field)
{
	uint64_t n;

	return parse_u64(field, &n) == 0 && n <= INT32_MAX ? (long)n : -1;
}

static int read_passwd(const char *path, const char *name, struct record *r,
    struct au_user *u)
{
	struct us_file f;
	int e = us_open(&f, path);

	if (e)
		return e;
	while (us_next(&f)) {
		note_hash(r, f.field[1]);
		if (!r->found && strcmp(f.field[0], name) == 0)
			take_user(r, u, f.field);
	}
	e = f.failed ? -EIO : 0;
	us_close(&f);
	return e;
}

static int read_shadow(const char *name, struct record *r)
{
	struct us_file f;
	bool found = false;
	int e = us_open(&f, "/etc/shadow");

	if (e)		/* a system may do without */
		return e == -ENOENT ? 0 : e;
	while (us_next(&f)) {
		note_hash(r, f.field[1]);
		if (found || strcmp(f.field[0], name) != 0)
			continue;
		found = true;
		r->expired = aged(days(f.field[2]), days(f.field[4]),
		    days(f.field[7]));
		if (strcmp(r->hash, "x") == 0)
			take(r->hash, f.field[1]);
	}
	e = f.failed ? -EIO : 0;
	us_close(&f);
	return e;
}

/* "No such user" has many names: getpwnam(3), NOTES. */
static bool is_absence(int e)
{
	return e == 0 || e == ENOENT || e == ESRCH || e == EBADF || e == EPERM;
}

/* Users the libc knows: files, LDAP, whatever nsswitch.conf(5) names. */
static int ask_libc(const char *name, struct record *r, struct au_user *u)
{
	struct record files = { .found = false };
	const struct passwd *pw;
	const struct spwd *sp;

	/* Only for the setting of a dummy. */
	(void)read_shadow(name, &files);
	memcpy(r->dummy, files.dummy, sizeof r->dummy);
	wipe(&files, sizeof files);
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return is_absence(errno) ? 0 : -errno;
	sp = getspnam(name);
	r->found = true;
	r->whole = take(u->name, pw->pw_name) && pw->pw_dir[0] == '/' &&
	    take(u->home, pw->pw_dir) && pw->pw_uid != (uid_t)-1 &&
	    pw->pw_gid != (gid_t)-1 &&
	    take(r->hash, sp ? sp->sp_pwdp : pw->pw_passwd);
	r->expired = sp && aged(sp->sp_lstchg, sp->sp_max, sp->sp_expire);
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return 0;
}

static int look_up(const char *file, const char *name, struct record *r,
    struct au_user *u)
{
	int e;

	if (file)
		return read_passwd(file, name, r, u);
	if (ENABLE_USERDB_NSS)
		return ask_libc(name, r, u);
	e = read_passwd("/etc/passwd", name, r, u);
	return e ? e : read_shadow(name, r);
}

/* In the same time wherever they differ. */
static bool equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differ = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

/*
 * Whether crypt(3) makes `hash` of the password; -1 where it has failed or
 * has taken the setting for one of another scheme: musl makes a DES hash
 * of "$y$...".  Leaves nothing in crypt's own memory that we can reach.
 */
static int matches(const char *pass, const char *hash)
{
	char *h = hash[0] ? crypt(pass, hash) : NULL;
	size_t n = hash[0] == '$' ? str_span(hash + 1, '$') + 2 : 0;
	int result;

	if (h == NULL || h[0] == '*' || strncmp(h, hash, n) != 0)
		return -1;
	result = equal(h, hash);
	wipe(h, strlen(h));
	return result;
}

static bool locked(const char *hash)
{
	return hash[0] == '\0' || hash[0] == '!' || hash[0] == '*' ||
	    strcmp(hash, "x") == 0;
}

/* One hash is computed, whoever asks. */
static enum au_result verdict(const struct record *r, const char *pass)
{
	bool shut = !r->found || locked(r->hash);
	int match = shut ? -1 : matches(pass, r->hash);

	if (match < 0 && matches(pass, r->dummy) < 0)
		(void)matches(pass, fallback);
	if (!r->found)
		return AU_UNKNOWN;
	if (shut)
		return AU_LOCKED;
	if (match < 0)
		return AU_SCHEME;
	if (!match || pass[0] == '\0')
		return AU_PASSWORD;
	return r->expired ? AU_EXPIRED : AU_OK;
}

/* Supplementary ones, beside what the file of users says. */
static int find_groups(struct au_user *user)
{
	int n = AU_GROUPS;

	user->group[0] = user->gid;
	if (ENABLE_USERDB_NSS) {
		if (getgrouplist(user->name, user->gid, user->group, &n) < 0)
			return -E2BIG;
	} else {
		n = us_groups(user->name, user->group, 1, AU_GROUPS);
	}
	if (n < 0)
		return n;
	user->groups = n;
	return 0;
}

enum au_result au_check(const char *file, const char *name, const char *pass,
    uid_t lowest_uid, struct au_user *user)
{
	struct record r = { .found = false };
	enum au_result result;
	int e;

	memset(user, 0, sizeof *user);
	e = look_up(file, name, &r, user);
	result = e ? AU_TROUBLE : verdict(&r, pass);
	if (result == AU_OK && !r.whole)
		result = AU_ENTRY;
	if (result == AU_OK && user->uid < lowest_uid)
		result = AU_UID;
	if (result == AU_OK && file == NULL) {
		e = find_groups(user);
		result = e ? AU_TROUBLE : AU_OK;
	}
	wipe(&r, sizeof r);
	errno = -e;
	return result;
}

const char *au_reason(enum au_result r)
{
	static const char *const reason[AU_RESULTS] = {
		[AU_OK] = "ok",
		[AU_UNKNOWN] = "unknown user",
		[AU_PASSWORD] = "wrong password",
		[AU_LOCKED] = "account is locked",
		[AU_EXPIRED] = "account or password has expired",
		[AU_SCHEME] = "unsupported password hash",
		[AU_UID] = "uid is below the lowest allowed",
		[AU_TROUBLE] = "cannot read the user database",
		[AU_ENTRY] = "malformed entry in the user database"
	};

	return reason[r];
}

int au_become(const struct au_user *user)
{
	if (geteuid() != 0)
		return user->uid == geteuid() ? 0 : -EPERM;
	if (setgroups((size_t)user->groups, user->group) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	/* The way back must be gone. */
	return user->uid != 0 && setuid(0) == 0 ? -EPERM : 0;
}
