/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes logins against whatever the files of users, passwords and groups
 * have in them.  Each verdict is compared with that of slow code which sees
 * a file as a whole; an empty password opens nothing, and a wrong one
 * neither.
 *
 * The input: a byte of conditions (below), the lowest uid, how many bytes
 * are read at a time, and, up to an 0xFF each: name, password, passwd(5),
 * shadow(5) and group(5).  In the files 0x01 stands for a hash of the
 * password, 0x02 for one of a costlier scheme, 0x03 for the name.
 * scripts/fuzz builds it.
 */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "input.h"

static int give(int at, const char *path, int flags);
static ptrdiff_t bytes(int fd, void *p, size_t cap);
static int done(int fd);
static time_t this_day(time_t *t);
static char *quick_crypt(const char *pass, const char *setting);

#define openat give
#define fd_read bytes
#define close done
#define time this_day
#define crypt quick_crypt
#include "../../libmd/users.c"
#include "../../libmd/auth.c"
#undef openat
#undef fd_read
#undef close
#undef time
#undef crypt

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {				/* conditions */
	OWN_FILE = 1,		/* -P */
	NO_SHADOW = 2,
	ONLY_DES = 4,		/* a libc that takes all for DES hashes */
	BROKEN_PASSWD = 8,	/* the end of it cannot be read */
	BROKEN_SHADOW = 16,
	BROKEN_GROUP = 32,
	NO_GROUPS = 64
};

enum { PASSWD, SHADOWS, GROUP, KINDS, DAY = 20000, FD = 100 };

static struct text {
	char *p;
	size_t n, at;
} file[KINDS];

static unsigned how, piece;
static int opened;

/* ---- what is asked of the system ---------------------------------------- */

static bool is_broken(unsigned kind)
{
	return how & (BROKEN_PASSWD << kind);
}

static int give(int at, const char *path, int flags)
{
	unsigned kind = PASSWD;

	assert(at == AT_FDCWD && (flags & O_ACCMODE) == O_RDONLY);
	if (strcmp(path, "/etc/shadow") == 0)
		kind = SHADOWS;
	else if (strcmp(path, "/etc/group") == 0)
		kind = GROUP;
	else
		assert(strcmp(path, how & OWN_FILE ? "/users" :
		    "/etc/passwd") == 0);
	errno = ENOENT;
	if ((kind == SHADOWS && how & NO_SHADOW) ||
	    (kind == GROUP && how & NO_GROUPS))
		return -1;
	file[kind].at = 0;
	opened++;
	return FD + (int)kind;
}

static ptrdiff_t bytes(int fd, void *p, size_t cap)
{
	struct text *t = &file[fd - FD];
	size_t n = t->n - t->at;

	n = n < piece ? n : piece;
	n = n < cap ? n : cap;
	errno = EIO;
	if (n == 0)
		return is_broken((unsigned)(fd - FD)) ? -1 : 0;
	memcpy(p, t->p + t->at, n);
	t->at += n;
	return (ptrdiff_t)n;
}

static int done(int fd)
{
	assert(fd >= FD && fd < FD + KINDS && opened-- > 0);
	return 0;
}

static time_t this_day(time_t *t)
{
	(void)t;
	return (time_t)DAY * 86400 + 4711;
}

/* Setting and sum; the sum is of the salt, too. */
static char *quick_crypt(const char *pass, const char *setting)
{
	static char out[AU_FIELD + 32];
	bool known = strncmp(setting, "$1$", 3) == 0 ||
	    strncmp(setting, "$6$", 3) == 0 || strncmp(setting, "$y$", 3) == 0;
	size_t n = known ? 3 + strcspn(setting + 3, "$") : strlen(setting);
	uint64_t sum = 14695981039346656037U;

	if (how & ONLY_DES) {
		known = n >= 2;
		n = 2;
	}
	if (!known || strcspn(setting, ":\n!*\\") < n || n > 200)
		return strcpy(out, "*0");
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (unsigned char)setting[i]) * 1099511628211U;
	for (; *pass; pass++)
		sum = (sum ^ (unsigned char)*pass) * 1099511628211U;
	snprintf(out, sizeof out, "%.*s%s%011llx", (int)n, setting,
	    how & ONLY_DES ? "" : "$",
	    (unsigned long long)(sum >> 20));
	return out;
}

/* ---- the same, slowly --------------------------------------------------- */

/* Line `i` as it counts, as a string to be freed; null behind the last. */
static char *line_of(const struct text *t, size_t i, size_t most)
{
	const char *p = t->p, *end = p + t->n;

	for (; p < end; p++) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf : end) - p);

		if (n > 0 && n < most && i-- == 0)
			return in_copy(p, n);
		p += n;
	}
	return NULL;
}

/* Field `i` of a line, to be freed; "" where there is none. */
static char *field_of(const char *line, int i)
{
	for (; i > 0; i--) {
		line += strcspn(line, ":");
		line += *line == ':';
	}
	return in_copy(line, strcspn(line, ":"));
}

static bool field_is(const char *line, int i, const char *text)
{
	char *field = field_of(line, i);
	bool same = strcmp(field, text) == 0;

	free(field);
	return same;
}

/* The first line of this name, to be freed. */
static char *entry(const struct text *t, const char *name)
{
	char *line;

	for (size_t i = 0; (line = line_of(t, i, US_LINE)); i++) {
		if (field_is(line, 0, name))
			return line;
		free(line);
	}
	return NULL;
}

static bool is_number(const char *z, uint64_t most, uint64_t *n)
{
	*n = 0;
	if (!*z || z[strspn(z, "0123456789")])
		return false;
	while (*z == '0')
		z++;
	if (strlen(z) > 20)
		return false;
	for (unsigned __int128 v = 0; *z; z++) {
		v = v * 10 + (unsigned)(*z - '0');
		if (v > most)
			return false;
		*n = (uint64_t)v;
	}
	return true;
}

static bool number_at(const char *line, int i, uint64_t most, uint64_t *n)
{
	char *field = field_of(line, i);
	bool good = is_number(field, most, n);

	free(field);
	return good;
}

/* More digits than any number needs are refused. */
static bool has_zeros(const char *line, int i)
{
	char *field = field_of(line, i);
	bool many = strlen(field) > 23;

	free(field);
	return many;
}

static bool is_expired(const char *shadow)
{
	uint64_t last, max, expire;
	bool has_last = number_at(shadow, 2, INT32_MAX, &last);
	bool has_max = number_at(shadow, 4, INT32_MAX, &max);

	if (number_at(shadow, 7, INT32_MAX, &expire) && expire > 0 &&
	    expire <= DAY)
		return true;
	if (!has_last)
		return false;
	return last == 0 || (has_max && last + max < DAY);
}

/* A login's facts, for this name. */
struct facts {
	bool found, whole, expired;
	char *hash;
	uint64_t uid, gid;
	char *home;
};

static void look_at_shadow(struct facts *f, const char *name)
{
	char *line = how & NO_SHADOW ? NULL : entry(&file[SHADOWS], name);

	if (line == NULL)
		return;
	f->expired = is_expired(line);
	if (strcmp(f->hash, "x") == 0) {
		free(f->hash);
		f->hash = field_of(line, 1);
		if (strlen(f->hash) >= AU_FIELD)
			f->hash[0] = '\0';
	}
	free(line);
}

static struct facts find_facts(const char *name)
{
	struct facts f = { .found = false };
	char *line = entry(&file[PASSWD], name);

	f.found = line != NULL;
	line = line ? line : in_copy("", 0);
	f.hash = field_of(line, 1);
	f.home = field_of(line, 5);
	f.whole = number_at(line, 2, UINT32_MAX - 1, &f.uid);
	f.whole = number_at(line, 3, UINT32_MAX - 1, &f.gid) && f.whole;
	f.whole = f.whole && f.home[0] == '/' && strlen(f.home) < AU_FIELD;
	f.whole = f.whole && strlen(name) < AU_FIELD;
	if (strlen(name) >= AU_FIELD || strlen(f.hash) >= AU_FIELD) {
		f.whole = false;
		f.hash[0] = '\0';
	}
	free(line);
	if (!(how & OWN_FILE))
		look_at_shadow(&f, name);
	return f;
}

/* Whether group(5) has the name in this line, and of which gid. */
static bool is_member(char *line, const char *name, uint64_t *gid)
{
	char *p = line, *comma;

	for (int i = 0; i < 3; i++) {
		p = strchr(p, ':');
		if (p == NULL)
			return false;
		p++;
	}
	if (!number_at(line, 2, UINT32_MAX - 1, gid) ||
	    has_zeros(line, 2))
		return false;
	for (; (comma = strchr(p, ',')); p = comma + 1)
		if ((size_t)(comma - p) == strlen(name) &&
		    memcmp(p, name, strlen(name)) == 0)
			return true;
	return strcmp(p, name) == 0;
}

/* -1: more than there is room for. */
static int find_members(const char *name, gid_t first, gid_t list[AU_GROUPS])
{
	char *line;
	uint64_t gid;
	int n = 1;

	list[0] = first;
	if (how & NO_GROUPS)
		return n;
	for (size_t i = 0; (line = line_of(&file[GROUP], i, SIZE_MAX)); i++) {
		if (is_member(line, name, &gid)) {
			if (n == AU_GROUPS) {
				free(line);
				return -1;
			}
			list[n++] = (gid_t)gid;
		}
		free(line);
	}
	return n;
}

static bool opens(const char *pass, const char *hash)
{
	const char *made = quick_crypt(pass, hash);

	return pass[0] && made[0] != '*' && strcmp(made, hash) == 0;
}

/* Whether this crypt makes hashes of the hash's own scheme of it. */
static bool is_supported(const char *pass, const char *hash)
{
	const char *made = quick_crypt(pass, hash);
	size_t n = hash[0] == '$' ? 2 + strcspn(hash + 1, "$") : 0;

	return made[0] != '*' && strncmp(made, hash, n) == 0;
}

static enum au_result expected(const struct facts *f, const char *pass,
    uid_t lowest)
{
	if (is_broken(PASSWD) || (!(how & OWN_FILE) && is_broken(SHADOWS) &&
	    !(how & NO_SHADOW)))
		return AU_TROUBLE;
	if (!f->found)
		return AU_UNKNOWN;
	if (!f->hash[0] || strchr("!*", f->hash[0]) ||
	    strcmp(f->hash, "x") == 0)
		return AU_LOCKED;
	if (!is_supported(pass, f->hash))
		return AU_SCHEME;
	if (!opens(pass, f->hash))
		return AU_PASSWORD;
	if (f->expired)
		return AU_EXPIRED;
	if (!f->whole)
		return AU_ENTRY;
	return f->uid < lowest ? AU_UID : AU_OK;
}

static void check_user(const struct facts *f, const char *name,
    const struct au_user *u, enum au_result r)
{
	gid_t list[AU_GROUPS];
	int n = 0;

	assert(r != AU_UNKNOWN || !u->name[0]);
	if (r != AU_OK)
		return;
	assert(strcmp(u->name, name) == 0 && strcmp(u->home, f->home) == 0);
	assert(u->uid == f->uid && u->gid == f->gid);
	if (!(how & OWN_FILE))
		n = find_members(name, u->gid, list);
	assert(u->groups == n);
	assert(memcmp(u->group, list, (size_t)n * sizeof *list) == 0);
}

static void check(const char *name, const char *pass, uid_t lowest)
{
	struct facts f = find_facts(name);
	enum au_result want = expected(&f, pass, lowest), r;
	static struct au_user u;
	gid_t list[AU_GROUPS];

	memset(&u, 0xA5, sizeof u);
	r = au_check(how & OWN_FILE ? "/users" : NULL, name, pass, lowest, &u);
	assert(opened == 0 && r < AU_RESULTS && au_reason(r)[0]);
	if (want == AU_OK && !(how & OWN_FILE) && !(how & NO_GROUPS) &&
	    (is_broken(GROUP) || find_members(name, 0, list) < 0))
		want = AU_TROUBLE;
	assert(r == want);
	check_user(&f, name, &u, r);
	assert(r != AU_OK || (pass[0] && opens(pass, f.hash)));
	free(f.hash);
	free(f.home);
}

/* The short forms written out; NULs in group(5) would be too much to ask. */
static struct text read_file(struct input *in, int kind, const char *name,
    const char *pass)
{
	struct text t = { NULL, 0, 0 };
	size_t n;
	char *p = in_text(in, &n);

	t.p = malloc(n * 300 + 1);
	for (size_t i = 0; i < n; i++) {
		const char *put = p[i] == 1 ? quick_crypt(pass, "$1$ab$") :
		    p[i] == 2 ? quick_crypt(pass, "$y$cd$") :
		    p[i] == 3 ? name : NULL;
		size_t len = put ? strlen(put) : p[i] || kind != GROUP;

		memcpy(t.p + t.n, put ? put : p + i, len);
		t.n += len;
	}
	free(p);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	uid_t lowest;
	size_t n;
	char *name, *pass;

	how = in_byte(&in);
	lowest = in_byte(&in);
	piece = in_byte(&in) + 1;
	name = in_text(&in, &n);
	pass = in_text(&in, &n);
	name[strnlen(name, 299)] = '\0';
	for (int i = 0; i < KINDS; i++)
		file[i] = read_file(&in, i, name, pass);
	if (*name)
		check(name, pass, lowest);
	for (int i = 0; i < KINDS; i++)
		free(file[i].p);
	free(name);
	free(pass);
	return 0;
}
