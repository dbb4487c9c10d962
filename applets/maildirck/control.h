/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control files, of whatever program, line by line: control.c reads one and
 * hands each line to its format's function, which put()s it, as it is or
 * better, or says what is wrong.  The first reading counts what is wrong;
 * where it is to be repaired, another one writes the new file.
 */
#ifndef MAILDIRCK_CONTROL_H
#define MAILDIRCK_CONTROL_H

#include "maildirck.h"

enum problem {
	P_NONE,
	P_HEADER,		/* nothing behind it can be read */
	P_NEXT,			/* next UID, counter or total is wrong */
	P_NUMBER,		/* none, out of range, or out of order */
	P_TWICE,
	P_NAME,
	P_FIELD,
	P_GUID,			/* another folder has it, too */
	P_NUL,
	P_TORN,			/* last line without its end */
	P_GONE,			/* of what is not there */
	P_COUNT,
	P_DROP = P_COUNT	/* nothing is wrong; not in the new file */
};

struct control;
typedef enum problem line_fn(struct control *c, const char *p,
    const char *end);

/* What holds off the program that writes it. */
enum { LOCK_NONE, LOCK_DOVECOT, LOCK_COURIER, LOCK_SUBSCRIPTIONS, LOCK_FCNTL };

enum {
	HEADED = 1,		/* never empty, and useless without line 1 */
	RENAMES = 2,		/* has base names of messages */
	UIDS = 4,		/* a line that goes takes a UID with it */
	REPORT = 8,		/* nothing in it can be repaired */
	ROOT = 16		/* looked at once, after all folders */
};

struct format {
	line_fn *line;
	char name[26];
	uint8_t lock, flags;
	uint8_t id[P_COUNT];	/* enum id by problem; 0: none */
};

extern const struct format control_formats[];
extern const unsigned control_format_count;

struct control {
	struct ck *ck;
	const struct format *format;
	const struct folder *f;	/* null after all folders, and where only
				   names are replaced */
	const struct renames *renames;
	uint64_t line, last, next, other;
	uint64_t least;		/* that next may be */
	int64_t bytes, messages;	/* sums of maildirsize */
	const char *to;		/* new base name of this line's message */
	size_t base;		/* length of its old one */
	unsigned want;		/* bits by problem: repaired in `out` */
	uint8_t version;
	bool writing, changed;
	bool useless;		/* for want of a first line */
	struct md_area in, out;
	struct keys seen;	/* what there may be once */
	struct stat st;
	uint64_t count[P_COUNT], first[P_COUNT];
	char path[PATH_CAP];
};

/* ---- control.c ---------------------------------------------------------- */

void put(struct control *c, const void *p, size_t n);
void put_word(struct control *c, const char *p, size_t n);	/* " word" */
void put_u64(struct control *c, uint64_t n);
/* c->next, or where that is to be repaired, at least c->least. */
void put_next(struct control *c);
void note(struct control *c, enum problem p);
bool wants(const struct control *c, enum problem p);
/* Of lines with one key the one with the highest order is to stay. */
enum problem twice(struct control *c, uint64_t key, uint64_t order);
/*
 * A message's name ends the line, up to a ':' that may follow: checks it,
 * and sets base and to.
 */
enum problem take_name(struct control *c, const char *name, const char *end,
    uint64_t order);
void put_name(struct control *c, const char *name, const char *end);
void control_parse(struct control *c);
/* There is one at a time, in a folder of this name. */
struct control *control_begin(struct ck *ck, const struct format *t,
    const char *folder);
void control_end(struct control *c);
bool folder_has(const struct folder *f, const char *name);
/* About a name in a folder; what is to be repaired goes to quarantine. */
void found_in(struct ck *ck, const struct folder *f, enum id id,
    const char *name, const char *detail);

/* ---- swap.c ------------------------------------------------------------- */

int control_read(struct control *c);
/* Locks, reads again, and plans to have the repaired file in its place. */
int control_rewrite(struct control *c);
/* The new base name of a message, or null. */
const char *renamed(const struct renames *r, const char *base, size_t n);

/* ---- dovecot.c, courier.c, quota.c -------------------------------------- */

line_fn uid_line, keyword_line;
/* M04, M05 and N12: what lines and messages say of each other. */
void dovecot_join(struct control *c);

line_fn pop3_line, list_line;
/* Files that are told by being there (M03, M11, M16, M17, M20). */
void others_check(struct ck *ck, const struct folder *f);

line_fn quota_line, subscription_line, sync_line, any_line;
/* Have the sums been counted while nobody changed them? */
bool quota_known(const struct control *c);
void quota_sums(struct control *c);
/* Largest ",U=" of the folder's names. */
uint64_t sync_last(struct ck *ck, const struct folder *f);

#endif
