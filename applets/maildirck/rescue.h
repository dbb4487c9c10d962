/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages from elsewhere into a Maildir: what --rescue (rescue.c,
 * recover.c) and --from-mbox (import.c) share is intake.c.
 */
#ifndef MAILDIRCK_RESCUE_H
#define MAILDIRCK_RESCUE_H

#include "maildirck.h"

/* In the Maildir that a rescue has made: another may add to it. */
#define RESCUE_MARK "maildirck-rescue"

enum tally {
	FOUND, KEPT, RECOVERED, RENAMED, DUPLICATE, DAMAGED, SKIPPED, TALLIES
};

enum { IN_BLOCK = 32768 };

enum { HEADS = 1 << 17 };

struct link {			/* of the keys with one hash */
	uint64_t key, value;
	uint32_t next;		/* number of the next one, or 0 */
};

struct intake {
	struct ck *ck;		/* ck->root: the Maildir that is filled */
	const char *dest;	/* its path; ck->path may be the source's */
	struct md md;
	uint64_t size, hash;	/* of the message under way */
	int64_t date;		/* by its header, or -1 */
	size_t len;		/* bytes in block */
	bool rescue;		/* damage is looked for, known bytes skipped */
	bool index;		/* nothing is copied, only noted */
	bool open;		/* d is */
	bool hole;		/* has a sector of NULs, or could not be read */
	bool nul;		/* ends with a NUL */
	char info[10];		/* ":2,FLAGS" by its Status fields, or "" */
	size_t links;
	struct md_area seen;	/* struct link: contents, names, inodes */
	uint64_t usec, serial;	/* for fresh names */
	uint64_t count[TALLIES];
	struct md_delivery d;
	char made[MD_NAME_MAX + 1];	/* the last folder */
	unsigned char block[IN_BLOCK];
	uint32_t *head;		/* HEADS of them, in memory of their own */
	struct md_area heads;
};

/* Where a message comes from. */
struct origin {
	const char *path;	/* to be shown */
	const char *name;	/* a Maildir name to keep, or null */
	const char *info;	/* ":2,FLAGS" or "" */
	const char *folder;	/* "" or ".Name" */
	uint64_t ino;		/* that it had, by an orphan's name; or 0 */
	int64_t mtime;
	bool dated;		/* mtime is better than the header's dates */
	uint8_t sub;		/* or IN_ROOT: cur/ if it has info, else new/ */
};

/* Opens the Maildir, which is ck->path and becomes ck->root; 0 or -errno. */
int intake_begin(struct intake *in, struct ck *ck);
/* Makes what a folder ("" or ".Name") lacks; 0 or -errno. */
int intake_folder(int root, const char *name);
/* Takes bytes of the message under way; for mbox_next. */
int intake_put(void *ctx, const void *p, size_t n);
/* The message is complete, if e is 0, or is dropped; 0 or -errno. */
int intake_end(struct intake *in, const struct origin *o, int e);
/* All of this for a file, or for as much of it as can be read. */
int intake_file(struct intake *in, int fd, const struct origin *o);
/* Counts a file and with -v says so; `to` may be null. */
void intake_say(struct intake *in, const char *path, enum tally what,
    const char *to);
/* Ends the run: everything is on the disk, or CK_ERROR; the exit status. */
int intake_finish(struct intake *in);

/* The place of a key's value (0: it is new); null without memory. */
uint64_t *seen_at(struct intake *in, uint64_t key);
/* Appends FOLDER/NAME. */
void put_path(struct str *s, const char *folder, const char *name);

/* import.c: each message of an mbox. */
int import_mbox(struct intake *in, int fd, struct origin *o);

/*
 * recover.c.  A control file, known by its name or, where that is lost
 * (orphan), by its first bytes: its ordinary name, or null.
 */
const char *list_name(const char *name, bool orphan, const char *head);
/*
 * Notes the base names in it that tell an inode, as names of `folder`; or,
 * with `as`, copies it into that folder, if that has none yet.
 */
int list_read(struct intake *in, int fd, const char *folder,
    const char *as);
/*
 * The base name that the message under way had as inode `ino`, and its
 * folder; null where none is known or it does not fit size and time.
 */
const char *recovered_name(struct intake *in, uint64_t ino, int64_t when,
    const char **folder);
/* Is there one at all? */
bool recovered_any(struct intake *in, uint64_t ino);

#endif
