/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/verdict.o
/* The record by which a process that checks a login tells what it found. */
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "mdpop3d.h"

enum { FIELDS = 8, REPLY_FD = 4 };

static void put_field(struct str *t, const char *text)
{
	str_mem(t, text, strlen(text) + 1);
}

static void put_number(struct str *t, uint64_t n)
{
	str_u64(t, n);
	str_char(t, '\0');
}

int check_write(int fd, int result, const struct au_user *u,
    const struct verdict *v)
{
	char buf[CHECK_RECORD];
	struct str t;

	str_init(&t, buf, sizeof buf);
	put_number(&t, (uint64_t)result);
	put_field(&t, u->name);
	put_number(&t, u->uid);
	put_number(&t, u->gid);
	for (int i = 0; i < u->groups; i++) {
		if (i > 0)
			str_char(&t, ',');
		str_u64(&t, u->group[i]);
	}
	str_char(&t, '\0');
	put_field(&t, u->home);
	put_field(&t, v->maildir);
	put_field(&t, v->detail);
	return t.cut ? -1 : fd_write(fd, t.p, t.len);
}

static bool copy(char *to, size_t cap, const char *from)
{
	struct str t;

	str_init(&t, to, cap);
	str_put(&t, from);
	return !t.cut;
}

static bool get_id(uint32_t *id, const char *text)
{
	uint64_t n;

	if (parse_u64(text, &n) < 0 || n >= UINT32_MAX)
		return false;
	*id = (uint32_t)n;
	return true;
}

static bool get_groups(struct au_user *u, const char *text)
{
	uint64_t n;

	for (u->groups = 0; *text; u->groups++) {
		text = scan_u64(text, &n);
		if (text == NULL || n >= UINT32_MAX ||
		    u->groups == AU_GROUPS)
			return false;
		u->group[u->groups] = (gid_t)n;
		if (*text == ',' && text[1])
			text++;
		else if (*text)
			return false;
	}
	return true;
}

int check_parse(char *record, size_t n, struct au_user *user,
    struct verdict *v)
{
	const char *field[FIELDS];
	uint64_t code;
	size_t at = 0;

	for (int i = 0; i < FIELDS; i++) {
		const char *end = memchr(record + at, '\0', n - at);

		if (end == NULL)
			return AU_TROUBLE;
		field[i] = record + at;
		at = (size_t)(end + 1 - record);
	}
	if (at != n || parse_u64(field[0], &code) < 0 || code >= AU_RESULTS ||
	    !copy(user->name, sizeof user->name, field[1]) ||
	    !copy(v->maildir, sizeof v->maildir, field[6]))
		return AU_TROUBLE;
	(void)copy(v->detail, sizeof v->detail, field[7]);
	if (code == AU_OK && (user->name[0] == '\0' || field[5][0] != '/' ||
	    !copy(user->home, sizeof user->home, field[5]) ||
	    !get_id(&user->uid, field[2]) || !get_id(&user->gid, field[3]) ||
	    !get_groups(user, field[4])))
		return AU_TROUBLE;
	return (int)code;
}

int check_report(void)
{
	struct au_user u = { .uid = getuid(), .gid = getgid() };
	const char *name = environment("USER"), *home = environment("HOME");
	const char *maildir = environment("MAILDIR");
	struct verdict v = { .detail = "" };

	u.groups = getgroups(AU_GROUPS, u.group);
	if (u.groups < 0 || !copy(u.home, sizeof u.home, home ? home : "/") ||
	    !copy(u.name, sizeof u.name, name ? name : "?") ||
	    !copy(v.maildir, sizeof v.maildir, maildir ? maildir : ""))
		return EXIT_TEMPORARY;
	if (check_write(REPLY_FD, AU_OK, &u, &v) < 0)
		return EXIT_TEMPORARY;
	/* Until it is ended: the monitor looks at who has said so. */
	(void)fd_read(REPLY_FD, v.detail, 1);
	return EXIT_OK;
}
