/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/undo.o
/* Journals read backwards: what a crash has cut off, and --undo. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "plan.h"

enum { JOURNAL_MOST = 1 << 30 };	/* bytes */

static char line[LINE_CAP + 1];
/* " FROM-TO"... that were not done, or that were rolled back. */
static char commit[LINE_CAP + 1];

struct undo {
	struct ck *ck;
	int fd;
	uint64_t end;		/* of what is still to be read */
	uint64_t dev;		/* of the Maildir, when it was written */
	uint64_t batch;		/* number of its last operation; 0: none */
	uint64_t low;		/* from here on all batches are rolled back */
	uint64_t tried;		/* ... and single operations, perhaps */
	uint64_t kept;		/* this one was left, by an undo cut off */
	uint64_t from, to;	/* undone in this batch so far; 0: none */
	unsigned done, left;
	bool whole;		/* --undo, not just the last batch */
	bool torn;		/* no LF at the end */
	bool skip;		/* this batch is rolled back */
	bool ended;		/* nothing (more) is to be done */
	bool careful;		/* something of this batch had to be left */
};

/* The line that ends at u->end, or "" for what is none; false: no more. */
static bool line_before(struct undo *u)
{
	size_t n = u->end < LINE_CAP ? (size_t)u->end : LINE_CAP, begin;
	bool whole;

	if (n == 0 || pread(u->fd, line, n, (off_t)(u->end - n)) !=
	    (ssize_t)n)
		return false;
	whole = line[n - 1] == '\n';
	begin = n - whole;
	while (begin > 0 && line[begin - 1] != '\n')
		begin--;
	u->end -= n - begin;
	whole = whole && (begin > 0 || u->end == 0);
	n = whole ? n - begin - 1 : 0;
	memmove(line, line + begin, n);
	line[n] = '\0';
	return true;
}

static void append(struct undo *u, const char *what, uint64_t number,
    const char *more)
{
	int e = journal_line(u->fd, u->torn ? "\n" : "", what, number, more);

	if (e)
		u->ck->stopped = e;
	u->torn = false;
}

/* To what the commit that is still to come will not count. */
static void put_range(struct undo *u)
{
	struct str s = { .p = commit, .len = strlen(commit),
	    .cap = sizeof commit };

	if (u->to && s.len + 44 < s.cap) {
		str_char(&s, ' ');
		str_u64(&s, u->from);
		str_char(&s, '-');
		str_u64(&s, u->to);
	}
	u->to = 0;
}

/*
 * A batch that a crash has cut off is over now, as one of which nothing is
 * left but what stays: --undo can still take that back.
 */
static void end_batch(struct undo *u)
{
	int e = path_sync(u->ck);

	if (e)
		u->ck->stopped = e;
	put_range(u);
	if (u->batch && !u->skip && !u->ck->stopped)
		append(u, u->whole ? "rolled-back" : "commit", u->batch,
		    u->whole ? "" : commit);
	u->batch = 0;
	u->careful = false;
	commit[0] = '\0';
}

static bool has_failed(uint64_t seq)
{
	uint64_t from = 0, to = 0;

	for (const char *p = commit; p && *p == ' '; ) {
		p = scan_u64(p + 1, &from);
		if (p && *p == '-')
			p = scan_u64(p + 1, &to);
		if (p && seq >= from && seq <= to)
			return true;
	}
	return false;
}

/*
 * Says beforehand what is stepped back, for an undo that is cut off: the
 * next one then knows what may have gone already.
 */
static void undo_step(struct undo *u, struct step *s, uint64_t seq)
{
	struct ck *ck = u->ck;
	int e;

	/* Numbers of devices change when a disk is mounted anew. */
	if (s->n[N_DEV] == u->dev)
		s->n[N_DEV] = ck->root_st.st_dev;
	append(u, "undoing", seq, "");
	if (ck->stopped)
		return;
	e = act(ck, s, u->careful ? ACT_BACK_CAREFUL : ACT_BACK);
	if (e && s->kind == OP_MKDIR) {	/* in use */
		put_range(u);
		return;
	}
	u->from = seq;
	if (!u->to)
		u->to = seq;
	if (e == 0) {
		u->done++;
		if (s->kind == OP_RENAME && plan_renames_base(ck, s->src,
		    s->dst))
			ck->status |= CK_RESYNC;
	} else if (act_fatal(e)) {
		ck->stopped = e;
	} else if (seq < u->tried || seq == u->kept) {
		u->left++;
		u->careful = true;
		append(u, "left", seq, "");
		journal_show("not undone: ", seq, s);
	}
}

/* A line that tells of an earlier undo, or of the end of a batch. */
static void take_note(struct undo *u)
{
	char *rest = line;
	const char *what = journal_word(&rest), *p = rest;
	uint64_t n;

	u->ended |= strcmp(what, "undone") == 0;
	if (!p || (p = scan_u64(p, &n)) == NULL)
		return;
	if (*what == 'u') {		/* undoing */
		u->tried = n < u->tried ? n : u->tried;
	} else if (*what == 'l') {	/* left */
		u->kept = n > u->kept ? n : u->kept;
	} else if (*what != 'm') {	/* commit, rolled-back */
		end_batch(u);
		u->ended = !u->whole;
		if (u->ended)
			return;
		u->low = *what == 'r' && n < u->low ? n : u->low;
		u->skip = n >= u->low;
		u->batch = n;
		strcpy(commit, p);
	}
}

/*
 * After a crash what has been delivered stays where readers may have seen
 * it, unless it is a file that we have made: then its original is back.
 */
static bool stays(const struct undo *u, const struct step *s)
{
	return !u->whole && s->kind == OP_RENAME &&
	    plan_delivers(s->src, s->dst) && !strstr(s->src, ".maildirck");
}

static void take_line(struct undo *u)
{
	struct step s;
	uint64_t seq;

	if (line[0] > '9') {
		take_note(u);
	} else if (journal_parse(line, &s, &seq)) {
		if (!u->batch)
			u->batch = seq;
		if (stays(u, &s)) {
			put_range(u);
		} else if (!u->skip && !has_failed(seq)) {
			undo_step(u, &s, seq);
		}
	}
}

static void go_back(struct undo *u)
{
	struct stat st;

	u->low = u->tried = UINT64_MAX;
	commit[0] = '\0';
	path_forget(u->ck);
	if (fstat(u->fd, &st) < 0)
		return;
	u->end = (uint64_t)st.st_size;
	for (bool tail = true; !u->ended && !u->ck->stopped; tail = false) {
		if (ck_cancelled || !line_before(u))
			break;
		u->torn |= tail && line[0] == '\0';
		take_line(u);
	}
	u->skip = u->skip || ck_cancelled;	/* the rest is to come */
	end_batch(u);
	if (fdatasync(u->fd) < 0)
		u->ck->stopped = -errno;
}

/* The header's numbers and path, or null. */
static const char *header(struct undo *u, uint64_t *ino)
{
	ptrdiff_t n = pread(u->fd, line, LINE_CAP, 0);
	char *p = line;
	uint64_t one;

	if (n <= 0)
		return NULL;
	line[n] = '\0';
	line[str_span(line, '\n')] = '\0';
	if (strcmp(journal_word(&p), "maildirck-journal") != 0 ||
	    parse_u64(journal_word(&p), &one) < 0 || one != 1 ||
	    parse_u64(journal_word(&p), &u->dev) < 0 ||
	    parse_u64(journal_word(&p), ino) < 0)
		return NULL;
	return journal_path(journal_word(&p));
}

/*
 * Only a journal of our own: as root with --owner we would else do for its
 * writer what he may not.  None is so long that to read it takes hours.
 */
static int open_journal(int at, const char *name)
{
	int fd = openat(at, name, O_RDWR | O_APPEND | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int e;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid() || st.st_size > JOURNAL_MOST)
		e = -EPERM;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		e = -EBUSY;
	else
		return fd;
	close(fd);
	return e;
}

static void recover_one(struct ck *ck, int at, const char *name)
{
	struct undo u = { .ck = ck, .fd = open_journal(at, name) };
	uint64_t ino;

	if (u.fd < 0)
		return;
	if (header(&u, &ino) && ino == ck->root_st.st_ino)
		go_back(&u);
	if (u.done) {
		ck->status |= CK_FIXED;
		complain(ck->path, "", "an earlier run was cut off; its last"
		    " step is undone");
	}
	if (ck->stopped)
		trouble(ck, name, ck->stopped);
	close(u.fd);
}

static int recover_entry(void *ctx, const struct dirent_view *d)
{
	struct ck *ck = ctx;

	if (str_after(d->name, JOURNAL_PREFIX))
		recover_one(ck, ck->root, d->name);
	return ck->stopped;
}

void journal_recover(struct ck *ck)
{
	if (ck->o->journal)
		recover_one(ck, AT_FDCWD, ck->o->journal);
	else
		(void)scan_each(ck, ck->root, recover_entry, ck);
}

int journal_undo(struct ck *ck, const char *file)
{
	struct undo u = {
		.ck = ck, .fd = open_journal(AT_FDCWD, file), .whole = true
	};
	const char *what = NULL;
	uint64_t ino;

	if (u.fd < 0) {
		trouble(ck, file, u.fd);
		return ck->status;
	}
	if (!header(&u, &ino) || ino != ck->root_st.st_ino) {
		what = ": not a journal of this Maildir\n";
		ck->status |= CK_ERROR;
	} else {
		go_back(&u);
		if (ck->stopped)
			trouble(ck, file, ck->stopped);
		else if (u.ended)
			what = ": is undone already\n";
		else if (ck_cancelled)
			ck->status |= CK_CANCELLED;
		else
			append(&u, "undone", 0, "");
	}
	if (what)
		fd_puts(STDERR_FILENO, "maildirck: ", file, what,
		    (char *)NULL);
	ck->status |= (u.done ? CK_FIXED : 0) | (u.left ? CK_LEFT : 0);
	close(u.fd);
	path_forget(ck);
	return ck->status;
}
