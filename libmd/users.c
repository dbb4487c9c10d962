/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/users.o
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

#define NO_GROUP UINT32_MAX	/* as chown(2) has it: -1 is nobody */

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
	wipe(f->line, sizeof f->line);
	wipe(f->buf, sizeof f->buf);
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

/*
 * One line of group(5), however long its list of members.  False at the
 * end; else *gid is the group if `name` is a member, or NO_GROUP.
 */
static bool next_group(struct us_file *f, const char *name, uint64_t *gid)
{
	char id[24];
	struct str s;
	size_t n = strlen(name), at = 0;
	int c, colons = 0;
	bool member = false;

	str_init(&s, id, sizeof id);
	while ((c = next_byte(f)) >= 0 && c != '\n') {
		if (c == ':' && colons < 3) {
			colons++;
		} else if (colons == 2) {
			str_char(&s, (char)c);
		} else if (colons == 3) {
			/* `at` bytes match; more than n: none can any more */
			member = member || (c == ',' && at == n);
			at = c == ',' ? 0 : at < n && c ==
			    (unsigned char)name[at] ? at + 1 : n + 1;
		}
	}
	member = colons == 3 && (member || at == n);
	if (!member || s.cut || parse_u64(id, gid) < 0 || *gid >= NO_GROUP)
		*gid = NO_GROUP;
	return c >= 0 || colons > 0;
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
	while (e == 0 && next_group(&f, name, &gid)) {
		if (gid != NO_GROUP && n == cap)
			e = -E2BIG;
		else if (gid != NO_GROUP)
			list[n++] = (gid_t)gid;
	}
	if (f.failed)
		e = -EIO;
	us_close(&f);
	return e ? e : n;
}
