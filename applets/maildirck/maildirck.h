/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * maildirck's rooms, and who calls whom:
 *
 *   maildirck.c, options.c   command line; one process a Maildir (owner.c)
 *   walk.c                   one Maildir: folder by folder, in passes
 *     structure.c            directories and folders (S)
 *     messages.c             every name in new/, cur/ and tmp/ once: names.c
 *                            (N, Z03), files.c (F, Z01), content.c (C, Z02)
 *     twins.c, tmp.c         what takes two names to tell (N01, T03, C12 ...)
 *     control.c and others   control files (M)
 *   found.c                  what was found, and what may be done about it
 *   plan.c, journal.c        what is done: operations, written down first
 *   report.c                 what people and programs get to read
 *
 * A check reports by found() and, where that says yes, plans operations;
 * it changes nothing itself.  All paths are relative to the Maildir's root,
 * without "./": "cur/NAME", ".Sent/new/NAME", "maildirsize".
 */
#ifndef MAILDIRCK_H
#define MAILDIRCK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base.h"
#include "maildir.h"

/* ---- what can be found: findings.h -------------------------------------- */

enum id {
#define FINDING(id, severity, repair, level, title, text) id,
#include "findings.h"
#undef FINDING
	ID_COUNT
};

enum severity { SEV_IGNORE, SEV_INFO, SEV_WARN, SEV_ERROR, SEV_FATAL };

/* The least that has to be read for a finding. */
enum level { LEVEL_NAMES, LEVEL_STAT, LEVEL_HEAD, LEVEL_FULL };

enum repair {			/* who may repair it */
	FIX_NONE,		/* nobody: it takes a choice */
	FIX_DEMAND,		/* --fix ID */
	FIX_YES,		/* -y: safe, but changes identity or place */
	FIX_PREEN		/* -p too: no UIDL and no IMAP UID changes */
};

struct finding_info {
	uint8_t severity, repair, level;
};

extern const struct finding_info finding_info[ID_COUNT];
const char *finding_name(enum id id);		/* "N09" */
const char *finding_title(enum id id);		/* one line, no full stop */
const char *finding_text(enum id id);		/* what --explain adds */
/* The id of "N09", or ID_COUNT. */
enum id finding_by_name(const char *name, size_t n);

/* ---- the command line: options.c ---------------------------------------- */

enum mode { MODE_CHECK, MODE_PREEN, MODE_YES, MODE_ASK };
enum output { OUT_TEXT, OUT_JSON, OUT_NUL, OUT_SUMMARY };
enum verb { VERB_CHECK, VERB_UNDO, VERB_RESCUE, VERB_MBOX, VERB_STAT };

struct options {
	enum verb verb;
	enum mode mode;
	enum output out;
	enum level level;
	bool dry_run, force, strict, quiet, verbose;
	bool no_folders;	/* -r off: the Maildir alone, no subfolders */
	bool spool;		/* -R: look for Maildirs below */
	bool no_journal;
	char info_sep;		/* ':' unless --info-sep */
	int progress_fd;	/* -C, or -1 */
	const char *journal;	/* --journal, or null: in the Maildir */
	const char *dest;	/* -o of --rescue */
	const char *owner;	/* --owner UID:GID */
	uint64_t max_changes;	/* 0: a tenth of the messages, at least 100 */
	uint64_t lock_wait;	/* seconds */
	uint64_t mem;		/* bytes for a scan; 0: half of what is free */
	uint8_t severity[ID_COUNT];	/* SEV_IGNORE: not looked for */
	uint8_t demand[ID_COUNT];	/* --fix ID */
	struct md_area skip;	/* --skip-list: lines, NUL-terminated */
};

/* Is this path in --skip-list? */
bool skip_listed(const struct options *o, const char *path);

enum {				/* exit status, a sum: as fsck(8) has it */
	CK_FIXED = 1,
	CK_RESYNC = 2,		/* a base name, UID or UIDVALIDITY changed */
	CK_LEFT = 4,
	CK_ERROR = 8,
	CK_USAGE = 16,
	CK_CANCELLED = 32
};

/* Fills o from the command line; the operands, or null: status is set. */
char **options_parse(struct options *o, char **argv, int *status);
int ck_usage_error(const char *what, const char *detail);

/* A signal has come: end between two batches. */
extern volatile sig_atomic_t ck_cancelled;

/* ---- owner.c, spool.c, walk.c ------------------------------------------- */

/*
 * Does o->verb with the Maildir that `dir` is open on (closed here; or
 * -errno), in a process of its own unless it is the only one and root is
 * not at work; exit status.  The path is for messages.
 */
int owner_run(const struct options *o, int dir, const char *path,
    bool alone);
/* A directory, whatever else stands at `name`; a descriptor or -errno. */
int open_dir(int at, const char *name);
int spool_run(const struct options *o, const char *path);	/* -R */
struct ck;
void maildir_check(struct ck *ck);

/* ---- one Maildir -------------------------------------------------------- */

enum { CLOCK_LEAST = 1767225600 };	/* 2026: before, nobody has set it */

struct finding {
	uint32_t path, detail;	/* offsets into text; detail 0: none */
	uint32_t to;		/* what the action made of it; 0: none */
	uint32_t group;
	uint64_t ino, size;	/* where they were known, or 0 */
	int64_t mtime;
	uint8_t id, severity;
	bool wanted;		/* to be repaired in this run */
	uint8_t action;		/* enum op_kind + 1 of its first operation */
};

struct counts {
	uint64_t sub[3], bytes;	/* messages in new, cur and files in tmp */
	uint64_t flags[26];	/* letters A to Z in cur/ */
	uint64_t found[ID_COUNT];
	uint64_t fixed, left, concurrent, changes;
};

struct pair {			/* see keys.c */
	uint64_t key, value;
};

struct keys {
	struct md_area area;	/* struct pair, n of them */
	size_t n;
};

/* A list of strings, NUL-terminated, one behind the other. */
struct names {
	struct md_area area;
	size_t n;
};

struct ck {
	const struct options *o;
	const char *path;	/* of the Maildir as it was given */
	int root;
	struct stat root_st;
	int64_t now;		/* seconds; what is "in the future" */
	uint64_t seed;		/* of hashes: names come from strangers */
	unsigned pass;		/* 0: first; later ones only repair */
	int status;		/* CK_ bits so far */
	int stopped;		/* -errno: no more repairs in this run */
	struct keys all;	/* base names of all folders, for N28 */
	struct names folders;	/* "" first, then ".Name", sorted */
	struct md_area text;	/* strings of findings and operations */
	struct md_area finds, ops, failed;
	size_t nfinds, nops, nfailed;
	uint32_t group;
	uint64_t quota_bytes, quota_count;	/* for maildirsize */
	struct counts counts;
	int journal;		/* descriptor, or -1 until there is an op */
};

enum {				/* by what messages are compared: twins.c */
	BY_BASE, BY_FOLD, BY_UID, BY_HASH, BY_HEAD, BY_MID, BY_LINK, BY_KINDS
};

struct folder {
	const char *name;	/* "" or ".Name" */
	struct md md;		/* md.root: the folder itself */
	struct keys by[BY_KINDS];	/* of messages in new and cur; values
				   are inodes; BY_BASE sorted after the scan */
	uint64_t newest;	/* mtime of cur/ and new/, whichever later */
	bool lost;		/* .Lost+Found: its mail is not judged again */
	uint32_t keywords;	/* letters a to z in names of cur/ */
};

/* One name in new/, cur/ or tmp/ while it is looked at: messages.c. */
struct entry {
	const struct folder *f;
	const char *name;
	struct md_name n;	/* parsed; of a name with ':' */
	struct stat st;		/* from LEVEL_STAT on */
	uint64_t ino;		/* as the directory told */
	uint64_t bare_lf;	/* from LEVEL_FULL on, else UINT64_MAX */
	uint64_t hash, head_hash, mid_hash;	/* of all, of the first
				   bytes, of the Message-ID; or 0 */
	uint16_t len;
	uint8_t sub, type;	/* enum md_sub; DT_REG ... */
	bool complete;		/* a whole message, as far as one can see */
	char first[4];		/* bytes of the file, for its kind */
	uint64_t want[2];	/* ids to be repaired now: entry_wants() */
};

/* Root-relative path of a name; sub: enum md_sub, or IN_ROOT of a folder. */
enum { IN_ROOT = 3 };
enum { PATH_CAP = 1024 };
void path_of(struct str *s, const struct folder *f, int sub,
    const char *name);

/* ---- found.c ------------------------------------------------------------ */

/*
 * Everything about one object is one group: its findings are repaired by
 * the operations planned until the next group, all of them or, where one
 * fails, not.
 */
void group_begin(struct ck *ck);

/*
 * Notes a finding; detail may be null (then none).  True when it is to be
 * repaired now: by the mode, --fix and, with -i, the answer.  The caller
 * then plans the operations.  `how`: enum repair for this case, mostly
 * finding_info[id].repair.
 */
bool found(struct ck *ck, enum id id, enum repair how, const char *path,
    const char *detail);
/* The same about an entry, and sets e->want; how by the table. */
bool found_entry(struct ck *ck, struct entry *e, enum id id,
    const char *detail);
bool found_entry_as(struct ck *ck, struct entry *e, enum id id,
    enum repair how, const char *detail);
/* Is anybody interested in this id?  For checks that cost something. */
bool looking_for(const struct ck *ck, enum id id);
bool entry_wants(const struct entry *e, enum id id);

/* For people, with names as str_safe() shows them. */
void complain(const char *maildir, const char *path, const char *what);
/* Something that could not be looked at: the same, and CK_ERROR. */
void trouble(struct ck *ck, const char *path, int err);

/* A string copied to ck->text; its offset, 0 when there is no memory. */
uint32_t text_add(struct ck *ck, const char *s);
const char *text_at(const struct ck *ck, uint32_t offset);

/* ---- plan.c ------------------------------------------------------------- */

enum op_kind {
	OP_RENAME,		/* src -> dst, which must not exist */
	OP_UNLINK,		/* src, a further name of the file dst */
	OP_MKDIR,		/* dst, mode `new` */
	OP_RMDIR,		/* src, empty */
	OP_CHMOD,		/* src, mode `old` to `new` */
	OP_CHOWN,		/* src, uid << 32 | gid */
	OP_UTIME,		/* src, mtime in ns */
	OP_NEW,			/* dst: a file of ours that is there already */
	OP_SWAP			/* src (ours, new bytes) <-> dst (old bytes) */
};

struct op {
	uint8_t kind;
	const char *src, *dst;	/* paths; null where there is none */
	const struct stat *must;	/* what src is, or null: looked up */
	uint64_t old, new;
};

/*
 * Adds an operation to the group; strings and stat are copied.  With
 * must == null the state of src now is taken (lstat; OP_SWAP: of dst).
 */
void plan_add(struct ck *ck, const struct op *op);
void plan_rename(struct ck *ck, const char *src, const char *dst,
    const struct stat *must);

/*
 * Carries out what is planned: journal first, each operation only where
 * its file still is what it was, directories synced, commit.  With --dry-run
 * prints the journal's lines instead.  Sets ck->status, ck->failed and, on
 * trouble that ends all repairs (ENOSPC, EROFS, a broken file system),
 * ck->stopped.
 */
void plan_run(struct ck *ck);
/* 0, or -errno of the operation that failed in this group. */
int plan_failure(const struct ck *ck, uint32_t group);

/*
 * A descriptor of the directory that `path` lies in, followed component by
 * component without symbolic links, and the last component; -errno.  The
 * descriptor stays the plan's (the last few are kept open).
 */
int path_parent(struct ck *ck, const char *path, const char **last);
int path_stat(struct ck *ck, const char *path, struct stat *st);

/* ---- journal.c ---------------------------------------------------------- */

/* Rolls back what an earlier run began and did not commit. */
void journal_recover(struct ck *ck);
void journal_close(struct ck *ck);
/* --undo: exit status. */
int journal_undo(struct ck *ck, const char *file);

/* ---- quarantine.c ------------------------------------------------------- */

/*
 * A free path below .Lost+Found/cur (the Maildir++ folder, which is planned
 * when it is not there) for a message of this base name, into `out`.
 */
void quarantine_mail(struct ck *ck, struct str *out, const char *name,
    size_t base);
/* A free path below maildirck.q/ for anything else. */
void quarantine_other(struct ck *ck, struct str *out, const char *path);
/* Moves `path` to one of the two; must as in plan_add. */
void plan_quarantine(struct ck *ck, const char *path, bool mail,
    const struct stat *must);
/* A fresh base name for a message, unique as deliveries' are. */
void fresh_base(struct ck *ck, struct str *out);

/* ---- checks ------------------------------------------------------------- */

/* structure.c: fills ck->folders; the root's entries (S01, S09 to S21 ...) */
void structure_root(struct ck *ck);
/* One folder's directories and marks; before its messages are read. */
void structure_folder(struct ck *ck, struct folder *f);
/* S23: a directory of n names that takes much more room. */
void structure_bloat(struct ck *ck, struct folder *f, int sub, uint64_t n);
/* A directory inside new/, cur/ or tmp/ (S08, T06). */
void structure_stray(struct ck *ck, struct entry *e);

/* names.c: what the name alone tells, for messages in new/ and cur/. */
void name_check(struct ck *ck, struct entry *e);
/* Once a directory: how many names have which separator (N15). */
void name_survey(struct ck *ck, const char *name);
void name_survey_reset(void);
/*
 * The name that e should have once what it wants is repaired (N05 ... Z03,
 * Z01 with st.st_size, Z02 with bare_lf); the same name when nothing is to
 * change.  0, or -1 when it would not fit.
 */
int name_fixed(struct ck *ck, const struct entry *e, struct str *out);
/* Flags of both names in one, on the base name of `keep`. */
int name_union(const char *keep, const char *other, struct str *out);

/* files.c: what lstat tells (F, Z01, Z04, C01). */
void file_check(struct ck *ck, struct entry *e);
/* F06, F07: names_seen of this inode in the folder. */
void file_links(struct ck *ck, struct entry *e, unsigned names_seen);
/* Plans the repairs of all that e wants. */
void file_repair(struct ck *ck, struct entry *e);
/* content.c: what the bytes tell, by level; fd is at the file's begin. */
void content_check(struct ck *ck, struct entry *e, int fd);
/* Is this a complete message?  For T02, S11, N17; reads head and tail. */
bool content_complete(int fd, const struct stat *st, const struct md_name *n);
bool content_is_mail(int fd);
/* Plans what replaces a message's bytes (C05 C06 C09 on demand). */
void content_rewrite(struct ck *ck, struct entry *e);

/* twins.c: names that share a base name, an inode, content. */
void twins_check(struct ck *ck, struct folder *f);
/* across.c: N28; the base names of one folder, and after all of them. */
void across_remember(struct ck *ck, const struct folder *f);
void across_check(struct ck *ck);

bool entry_same_bytes(const struct entry *a, const struct entry *b);

/* tmp.c: T05, before repairs need the locks themselves. */
void locks_check(struct ck *ck, struct folder *f);
/* The other T's. */
void tmp_check(struct ck *ck, struct folder *f);

/* messages.c: every name in new/ and cur/. */
void messages_check(struct ck *ck, struct folder *f);
/* ... and then: is there a message of this base name? */
bool folder_has_base(const struct ck *ck, const struct folder *f,
    const char *base, size_t n);
/* What stands at a name, as an entry; false when it is gone. */
bool entry_stat(struct ck *ck, struct entry *e);
/* Opens a regular file of the folder, checked by inode; -errno. */
int entry_open(const struct folder *f, int sub, const char *name,
    struct stat *st);

/* control.c: one folder's control files; f->bases is complete. */
void control_check(struct ck *ck, struct folder *f);
/* The Maildir's own, after all folders: maildirsize, subscriptions. */
void control_root(struct ck *ck);
/*
 * Called by plan_run before it writes the journal, when the plan renames
 * messages to other base names: takes the owning programs' locks, and plans
 * the control files anew with UIDs and UIDLs kept (OP_SWAP).
 */
void control_renames(struct ck *ck);
void control_unlock(struct ck *ck);

/* ---- keys.c: many 64-bit keys, sorted -------------------------------- */

int keys_add(struct keys *k, uint64_t key, uint64_t value);
void keys_sort(struct keys *k);
/* Index of the first pair with this key, or n. */
size_t keys_find(const struct keys *k, uint64_t key);
/*
 * Of sorted keys those that occur more than once, as value and key, sorted
 * by value.  0 or -ENOMEM.
 */
int keys_twins(const struct keys *k, struct keys *twins);
void keys_free(struct keys *k);
/* Not to be guessed by who chooses the bytes. */
uint64_t hash_bytes(uint64_t seed, const void *p, size_t n);

/* ---- names of one directory: scan.c ---------------------------------- */

struct dirent_view {
	const char *name;
	uint64_t ino;
	uint8_t type;		/* DT_REG ...; DT_UNKNOWN where not told */
};

/* The entry at *at of dirents, and *at behind it; false at the end. */
bool dirent_next(const struct md_area *a, size_t *at, struct dirent_view *d);

/*
 * Calls use with the entries of a directory (dirent_next, "." and ".." are
 * among them): all at once, as one snapshot, or, where memory is short, in
 * pieces of a megabyte.  use returns 0 to go on.  0, its result, or -errno.
 */
int scan_batches(struct ck *ck, int dir,
    int (*use)(void *ctx, const struct md_area *dirents), void *ctx);

/* The same, entry by entry, without "." and "..". */
int scan_each(struct ck *ck, int dir,
    int (*use)(void *ctx, const struct dirent_view *d), void *ctx);

/* ---- report.c, stat.c -------------------------------------------------- */

/* Prints what was found since the last time, sorted, and forgets it. */
void report_flush(struct ck *ck);
void report_summary(struct ck *ck, uint64_t elapsed_ms);
/* -i: y, n, a (all of this id), s (skip this id), q. */
bool report_ask(struct ck *ck, const struct finding *f);
/* 0, or -1: no such id. */
int report_explain(const char *id);
int report_list_checks(void);		/* exit status */
/* Progress: pass 1 names, 2 files; printed now and then. */
void progress(struct ck *ck, unsigned pass, uint64_t done, uint64_t total,
    const char *where);
void progress_end(struct ck *ck);
int stat_show(struct ck *ck);

/* ---- rescue.c, mbox.c -------------------------------------------------- */

/* --rescue -o DEST SRC...; exit status.  Sources are only read. */
int rescue(struct ck *ck, char *const *src);
/* --from-mbox FILE DEST */
int mbox_import(struct ck *ck, const char *file);

#endif
