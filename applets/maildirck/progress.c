/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/progress.o
/*
 * How far it is, a few times a second: lines as e2fsck -C writes them, or a
 * bar where somebody is watching.
 */
#include <string.h>
#include <unistd.h>

#include "maildirck.h"
#include "netio.h"

enum { INTERVAL = 200000, WIDTH = 40, SHOWN = 30 };	/* us, columns */

static bool drawn;

static void put_bar(struct str *s, uint64_t done, uint64_t total,
    const char *where)
{
	uint64_t part = total ? done * WIDTH / total : 0;
	size_t n = strlen(where), cut = n > SHOWN ? n - SHOWN : 0;

	str_put(s, "\r|");
	for (unsigned i = 0; i < WIDTH; i++)
		str_char(s, i < part ? '=' : ' ');
	str_put(s, "| ");
	str_u64(s, done);
	str_char(s, ' ');
	str_safe(s, where + cut, n - cut, SHOWN);
	str_put(s, "\33[K");
	drawn = true;
}

static void put_line(struct str *s, unsigned pass, uint64_t done,
    uint64_t total, const char *where)
{
	str_u64(s, pass);
	str_char(s, ' ');
	str_u64(s, done);
	str_char(s, ' ');
	str_u64(s, total);
	str_char(s, ' ');
	str_safe(s, where, strlen(where), PATH_CAP);
	str_char(s, '\n');
}

static bool watched(const struct options *o)
{
	return o->progress_fd == 0 || (o->progress_fd < 0 && !o->quiet &&
	    o->out == OUT_TEXT && fd_is_terminal(STDERR_FILENO));
}

void progress(struct ck *ck, unsigned pass, uint64_t done, uint64_t total,
    const char *where)
{
	static int64_t next;
	int64_t now = nio_usec();
	int fd = ck->o->progress_fd;
	char buf[5 * PATH_CAP];
	struct str s;

	if (now < next)
		return;
	next = now + INTERVAL;
	str_init(&s, buf, sizeof buf);
	if (fd > 0)
		put_line(&s, pass, done, total, where);
	else if (watched(ck->o))
		put_bar(&s, done, total, where);
	(void)fd_write(fd > 0 ? fd : STDERR_FILENO, s.p, s.len);
}

void progress_end(struct ck *ck)
{
	(void)ck;
	if (drawn)
		(void)fd_write(STDERR_FILENO, "\r\33[K", 4);
	drawn = false;
}
