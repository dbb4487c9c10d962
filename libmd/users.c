/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/users.o
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

void us_wipe(void *p, size_t n)
{
	volatile char *c = p;

	while (n-- > 0)
		*c++ = 0;
}

int us_open(struct us_file *f, const char *path)
{
	f->pos = f->len = 0;
	f->failed = false;
	f->fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return f->fd < 0 ? -errno : 0;
}

void us_close(struct us_file *f)
{
	close(f->fd);
	us_wipe(f->line, sizeof f->line);
	us_wipe(f->buf, sizeof f->buf);
}

static int next_byte(struct us_file *f)
{
	if (f->pos == f->len) {
		ptrdiff_t r = fd_read(f->fd, f->buf, sizeof f->buf);

		f->failed = f->failed || r < 0;
		if (r <= 0)
			return -1;
		f->pos = 0;
		f->len = (size_t)r;
	}
	return (unsigned char)f->buf[f->pos++];
}

static void split(struct us_file *f)
{
	static char nothing[1];
	char *p = f->line;

	f->fields = 0;
	for (int i = 0; i < US_FIELDS; i++) {
		f->field[i] = p ? p : nothing;
		f->fields += p != NULL;
		if (p)
			p += str_span(p, ':');
		if (p && *p)
			*p++ = '\0';
		else
			p = NULL;
	}
}

bool us_next(struct us_file *f)
{
	for (;;) {
		size_t n = 0;
		int c;

		while ((c = next_byte(f)) >= 0 && c != '\n') {
			if (n < sizeof f->line)
				f->line[n++] = (char)c;
		}
		if (c < 0 && n == 0)
			return false;
		if (n == 0 || n == sizeof f->line)
			continue;
		f->line[n] = '\0';
		split(f);
		return true;
	}
}

int us_name(uid_t uid, char *name, size_t cap)
{
	struct us_file f;
	struct str s;
	uint64_t n;
	bool found = false;

	str_init(&s, name, cap);
	if (ENABLE_USERDB_NSS) {
		const struct passwd *pw = getpwuid(uid);

		if (pw)
			str_put(&s, pw->pw_name);
		return pw ? 0 : -1;
	}
	if (us_open(&f, "/etc/passwd") < 0)
		return -1;
	while (!found && us_next(&f))
		found = parse_u64(f.field[2], &n) == 0 && n == uid;
	if (found)
		str_put(&s, f.field[0]);
	us_close(&f);
	return found ? 0 : -1;
}

static bool lists(const char *members, const char *name)
{
	size_t n = strlen(name);

	while (*members) {
		size_t m = str_span(members, ',');

		if (m == n && memcmp(members, name, n) == 0)
			return true;
		members += m + (members[m] == ',');
	}
	return false;
}

int us_groups(const char *name, gid_t *list, int n, int cap)
{
	struct us_file f;
	uint64_t gid;
	int e = us_open(&f, "/etc/group");

	if (e == -ENOENT)
		return n;
	if (e < 0)
		return e;
	while (e == 0 && us_next(&f)) {
		if (!lists(f.field[3], name) ||
		    parse_u64(f.field[2], &gid) < 0)
			continue;
		if (n == cap)
			e = -E2BIG;
		else
			list[n++] = (gid_t)gid;
	}
	if (f.failed)
		e = -EIO;
	us_close(&f);
	return e ? e : n;
}
