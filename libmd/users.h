/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The colon-separated files of users and groups: passwd(5), shadow(5),
 * group(5).  Read here rather than by the libc, whose functions drag stdio
 * into a static binary and hide where the hash of an unknown user would
 * have come from; with USERDB_NSS the libc is asked instead.
 */
#ifndef MD_USERS_H
#define MD_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	US_LINE = 2048,		/* bytes of a line; longer ones are skipped */
	US_FIELDS = 9		/* of a shadow(5) line, the longest */
};

struct us_file {
	int fd;
	size_t pos, len;
	bool failed;		/* the end came from a read error */
	char line[US_LINE];
	char buf[US_LINE];
	char *field[US_FIELDS];	/* of the line at hand; missing ones "" */
	int fields;
};

/* 0 or -errno. */
int us_open(struct us_file *f, const char *path);
/* The next line, split; false at the end.  Blank lines do not show. */
bool us_next(struct us_file *f);
void us_close(struct us_file *f);	/* and wipes what was read */

/* The name of a uid in /etc/passwd into `name`; 0 or -1. */
int us_name(uid_t uid, char *name, size_t cap);

/*
 * The groups of group(5) that list `name`, behind the `n` already in
 * `list` of `cap`.  The new number, or -errno; -E2BIG when they don't fit.
 */
int us_groups(const char *name, gid_t *list, int n, int cap);

#endif
