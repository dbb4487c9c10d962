/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maildirs (cr.yp.to/proto/maildir.html), by directory descriptor.
 *
 * Functions return 0 or -errno, print nothing and never exit.  Symbolic
 * links are followed nowhere below the path given to md_open: not to new,
 * cur and tmp, and not to a message.  No operation overwrites a file.
 */
#ifndef MD_MAILDIR_H
#define MD_MAILDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* ---- names: mdname.c ---- */

/*
 * A message's name is BASE or BASE:INFO.  The base name is its identity,
 * and stays while the message moves from new/ to cur/ and changes flags.
 */
struct md_name {
	size_t base;		/* bytes before the first ':' or all */
	size_t info;		/* offset behind that ':', or 0: no info */
	uint64_t sec, usec;	/* time of delivery; 0 where none is told */
	uint64_t size, wire;	/* ,S= and ,W= fields, or MD_NOSIZE */
	uint32_t flags;		/* of "2,FLAGS": MD_FLAG(letter) each */
	bool odd;		/* info not "2," and sorted known letters */
};

#define MD_NOSIZE UINT64_MAX
#define MD_FLAG(letter) ((uint32_t)1 << ((letter) - 'A'))

void md_name_parse(struct md_name *n, const char *name);

/* The time in a base name as one key: seconds << 20 | microseconds. */
uint64_t md_name_when(const char *name);

/* ---- the directories: maildir.c ---- */

enum md_sub { MD_NEW, MD_CUR, MD_TMP };

struct md {
	int root;
	int sub[3];		/* by enum md_sub; -1: not there */
};

/*
 * Opens new/ and cur/ below `path`, and tmp/ if it can.  One of new/ and
 * cur/ may be missing; -ENOENT when both are.  -ELOOP or -ENOTDIR where a
 * symbolic link stands (at `path` only without a slash behind its name).
 */
int md_open(struct md *md, int at, const char *path);
void md_close(struct md *md);

/*
 * An exclusive lock that ends with the process: flock(2) on the Maildir
 * itself, so that no lock file is left behind, none is needed on a
 * read-only disk, and no delivery or IMAP server is held up.  -EWOULDBLOCK
 * when another holds it; 0 also where the file system has no such locks,
 * since Maildirs are safe without.
 */
int md_lock(const struct md *md);
void md_unlock(const struct md *md);

struct md_ent;

/*
 * Opens a message for reading: a regular file, whatever comes to stand at
 * its name.  A descriptor, or -errno (-EINVAL: no regular file).
 */
int md_open_message(const struct md *md, const struct md_ent *m,
    struct stat *st);

/* Moves from new/ to cur/, adding ":2," where there is no info yet. */
int md_see(const struct md *md, const struct md_ent *m);

/*
 * Takes the message's name away, if that still is this message (by inode).
 * 0; 1 when its file has further names, which may be in this Maildir; or
 * -errno: -ENOENT also where another message has taken the name.
 */
int md_remove(const struct md *md, const struct md_ent *m);

/* Makes what was done in new/ and cur/ survive a power cut. */
int md_sync(const struct md *md);

/* A rename that fails with -EEXIST where the new name is taken. */
int md_rename(int from_dir, const char *from, int to_dir, const char *to);

/* ---- directories read whole: mdread.c ---- */

struct md_area {		/* pages of our own; all zero: none yet */
	char *p;
	size_t len, cap;
};

/* Room for `need` bytes in all, the first len kept; -ENOMEM. */
int md_area_grow(struct md_area *a, size_t need);
/* Gives the pages behind len back. */
void md_area_trim(struct md_area *a);
void md_area_free(struct md_area *a);

/*
 * Appends an open directory, as linux_dirent64 records: in one getdents64
 * call, or in more where it cannot be helped.  0 or -errno.
 */
int md_read_dir(int fd, struct md_area *area);

/* ---- the list of messages: mdscan.c ---- */

struct md_ent {
	const char *name;
	uint64_t ino;		/* as the directory tells it; see md_refresh */
	uint64_t when;		/* md_name_when() */
	uint64_t size;		/* for the caller; 0 from md_scan */
	uint16_t base;		/* length of the base name */
	uint8_t sub;		/* MD_NEW or MD_CUR */
	uint8_t mark;		/* as below; 0x10 and up are the caller's */
};

enum {
	/*
	 * Another message has the same base name (a collision, or two trees
	 * copied over each other).  All are listed, for none may be lost.
	 */
	MD_TWIN = 1,
	MD_GONE = 2,		/* md_refresh found it no more */
	MD_REPLACED = 4		/* gone, and another file has its name */
};

enum { MD_UIDL_MAX = 70 };	/* RFC 1939 section 7 */

/*
 * A message's unique-id (mdname.c): its base name if legal (1 to 70 bytes
 * of 0x21 to 0x7E), else the MD5 of that in lower-case hex, as tpop3d and
 * solid-pop3d give it.  A twin gets the MD5 of base name, '/' and inode.
 */
void md_uidl(char out[MD_UIDL_MAX + 1], const struct md_ent *m);

struct md_list {
	struct md_ent *e;	/* by time told in the name, then base name */
	size_t n;
	struct md_area names, ents;
};

/*
 * All messages: regular files in new/ and cur/ whose names begin with no
 * dot.  new/ is read before cur/, so a message that is just being moved is
 * seen twice and merged, never missed.  Each directory is read in one
 * getdents64 call where it fits: the kernel holds the directory's lock for
 * that call, so that files being renamed meanwhile cannot escape it.
 * On failure (-ENOMEM, -EIO, ...) the list is empty: no partial lists.
 */
int md_scan(const struct md *md, struct md_list *list);
void md_list_free(struct md_list *list);

/*
 * Finds renamed messages again: takes the names of a new scan for the
 * messages of `list`, matched by base name and inode, and marks those that
 * are not there any more.  Order and numbers stay; on failure everything
 * does.  An inode that stat(2) has told may replace `ino`: some union file
 * systems have another one for it in their directories.
 */
int md_refresh(const struct md *md, struct md_list *list);

/* ---- delivery: mddeliver.c ---- */

enum { MD_NAME_MAX = 255 };

struct md_delivery {
	int fd;			/* write the message here */
	char name[MD_NAME_MAX + 1];	/* in tmp/, and then in new/ */
};

/* Opens a fresh file in tmp/. */
int md_deliver_begin(const struct md *md, struct md_delivery *d);
/*
 * On success the message is in new/ and on the disk: the file was synced
 * before it got its name there, and new/ after.  On failure it is nowhere.
 * Closes the descriptor either way.
 */
int md_deliver_end(const struct md *md, struct md_delivery *d);
void md_deliver_abort(const struct md *md, struct md_delivery *d);

#endif
