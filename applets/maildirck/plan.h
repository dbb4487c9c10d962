/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between plan.c, act.c, journal.c, undo.c and quarantine.c. */
#ifndef MAILDIRCK_PLAN_H
#define MAILDIRCK_PLAN_H

#include "maildirck.h"

/* The numbers of an operation, in the order of the journal's fields. */
enum { N_DEV, N_INO, N_SIZE, N_MTIME, N_OLD, N_NEW, NUMBERS };

struct step {
	uint64_t n[NUMBERS];	/* N_MTIME in ns; N_INO 0: was not there */
	const char *src, *dst;	/* null: none */
	uint8_t kind;		/* enum op_kind */
};

struct planned {		/* what ck->ops holds */
	uint64_t n[NUMBERS];
	uint32_t src, dst;	/* offsets into ck->text; 0: none */
	uint32_t group;
	uint8_t kind;
};

enum {
	BATCH = 1024,		/* operations, and a group is not divided */
	/* Two encoded paths and all numbers. */
	LINE_CAP = 6 * PATH_CAP + 256
};

/* Directories for what is put away: no group's, and before all groups. */
#define GROUP_FIRST UINT32_MAX

#define LOST_AND_FOUND ".Lost+Found"

/* plan.c */
size_t plan_first(struct ck *ck, const struct op *op);	/* its index */
void plan_now(struct ck *ck, size_t i);	/* alone, before all others */
void plan_step(const struct ck *ck, size_t i, struct step *s);
/* Is this a rename into new/ or cur/ from elsewhere, to be read? */
bool plan_delivers(const char *src, const char *dst);
/* Does this rename change the base name of a message of a folder? */
bool plan_renames_base(const struct ck *ck, const char *src,
    const char *dst);
size_t plan_base_renames(struct ck *ck,
    int (*use)(void *ctx, const char *src, const char *dst), void *ctx);

/* path.c: directories are synced before they are closed. */
void path_changed(int dir);
int path_sync(struct ck *ck);	/* all that were changed since */
int path_sync_dir(int dir);
void path_forget(struct ck *ck);	/* closes all */

/*
 * act.c: an operation, or back from whatever of it was done, any number of
 * times; careful: keeping new messages.  0 or -errno; -ESTALE: not
 * what it was.
 */
enum { ACT, ACT_BACK, ACT_BACK_CAREFUL };
int act(struct ck *ck, const struct step *s, int how);
/* What the kind of operation changes; else the mode. */
uint64_t act_attribute(unsigned kind, const struct stat *st);
bool act_fatal(int e);		/* no use to go on with others */

/* journal.c */
int journal_write(struct ck *ck, size_t from, size_t to);
void journal_failed(struct ck *ck, size_t from, size_t to);
int journal_commit(struct ck *ck);
bool journal_parse(char *line, struct step *s, uint64_t *seq);
const char *op_name(unsigned kind);
#define JOURNAL_PREFIX "maildirck-undo."
/* BEFORE WHAT[ NUMBER]MORE and LF, at the end of a journal. */
int journal_line(int fd, const char *before, const char *what,
    uint64_t number, const char *more);
/* The operation's line, for people. */
void journal_show(const char *what, uint64_t number, const struct step *s);
/* Decoded in its place; null: none. */
const char *journal_path(char *word);
char *journal_word(char **line);

/* quarantine.c */
int quarantine_make(struct ck *ck);

#endif
