/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What structure.c, folders.c, merge.c and names.c share. */
#ifndef MAILDIRCK_STRUCTURE_H
#define MAILDIRCK_STRUCTURE_H

#include "maildirck.h"

/* names.c: the last component of a path, without slashes; n bytes. */
const char *path_last(const char *path, size_t *n);

/* folders.c: fills ck->folders, and looks at the names (S16, S17, S18). */
void folders_list(struct ck *ck);
/*
 * Which of new, cur and tmp a directory has, of whatever kind: bits by enum
 * md_sub; all where it cannot be opened, so that somebody says so.
 */
unsigned folder_subs(int at, const char *name);
enum { HAS_MAIL = 1 << MD_NEW | 1 << MD_CUR };

/*
 * merge.c: messages on their way from one directory to another, all by
 * paths from the root ("": the root itself).
 */
struct move {
	struct ck *ck;
	const char *from, *to;
	struct folder src, dst;	/* both as md.sub[MD_NEW] */
	bool any;		/* whatever it is; else what looks like mail */
	unsigned depth;
};

/* "DIR/NAME", or NAME in the root. */
void path_join(struct str *s, char buf[PATH_CAP], const char *dir,
    const char *name);
/* A directory, without symbolic links; or -errno. */
int path_open(struct ck *ck, const char *path);
/*
 * Plans to move a file: under its own name, or a fresh one where another
 * message has that.  The copy of what is there already stays.
 */
void move_file(const struct move *m, const char *name,
    const struct stat *st);
/* Plans to move the messages of a Maildir at `path` to `folder`. */
void merge_maildir(struct ck *ck, const char *path, const char *folder);

#endif
