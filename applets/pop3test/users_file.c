/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/users_file.o
/* The file of -U: a name, a blank and a password on each line. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

enum { PIECE = 64 * 1024, FILE_MAX = 64 * 1024 * 1024 };

static int slurp(struct md_area *a, const char *path, struct trouble *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ptrdiff_t r = -1;

	while (fd >= 0 && a->len < FILE_MAX &&
	    md_area_grow(a, a->len + PIECE + 1) == 0 &&
	    (r = fd_read(fd, a->p + a->len, PIECE)) > 0)
		a->len += (size_t)r;
	if (r != 0)
		trouble_errno(why, PT_UNKNOWN, ST_OWN, path);
	if (fd >= 0)
		close(fd);
	if (r == 0)
		a->p[a->len] = '\0';
	return r == 0 ? 0 : -1;
}

static int complain(const char *path, uint32_t line, const char *what,
    struct trouble *why)
{
	char number[24];
	struct str s;

	str_init(&s, number, sizeof number);
	str_u64(&s, line);
	return trouble_set(why, PT_UNKNOWN, ST_OWN, path, ":", number, ": ",
	    what, (char *)NULL);
}

/* Takes a line apart in place; null, or what is wrong with it. */
static const char *take(struct users *u, char *line)
{
	size_t n = str_span(line, ' '), need;
	struct user *user;

	if (line[0] == '\0' || line[0] == '#')
		return NULL;
	if (n == 0 || line[n] == '\0' || line[n + 1] == '\0')
		return "want a name, a blank and a password";
	if (n >= SECRET_MAX || strlen(line + n + 1) >= SECRET_MAX)
		return "name or password is too long";
	need = (u->n + 1) * sizeof *user;
	if (md_area_grow(&u->list, need) < 0)
		return "out of memory";
	line[n] = '\0';
	user = (struct user *)(void *)u->list.p + u->n++;
	*user = (struct user){ line, line + n + 1 };
	u->list.len = need;
	return NULL;
}

int users_read(struct users *u, const char *path, struct trouble *why)
{
	uint32_t number = 0;
	char *line;

	if (slurp(&u->text, path, why) < 0)
		return -1;
	line = u->text.p;
	while (line < u->text.p + u->text.len) {
		size_t n = str_span(line, '\n');
		const char *wrong;

		number++;
		line[n] = '\0';
		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		wrong = take(u, line);
		if (wrong)
			return complain(path, number, wrong, why);
		line += n + 1;
	}
	u->user = (const struct user *)(const void *)u->list.p;
	return u->n ? 0 : trouble_set(why, PT_UNKNOWN, ST_OWN, path,
	    ": no users in it", (char *)NULL);
}
