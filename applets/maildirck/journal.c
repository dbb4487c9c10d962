/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/journal.o
/*
 * The journal, written ahead.  Lines of words that are separated by single
 * blanks; what is no printable ASCII in a path, and '%', is %XX:
 *
 *	maildirck-journal 1 DEV INO PATH	of the Maildir, as given
 *	SEQ OP SRC DST DEV INO SIZE MTIME OLD NEW CRC
 *	commit SEQ [FROM-TO]...			without what was not done
 *	undoing SEQ				that much of the last batch
 *	left SEQ				is undone, but for this one
 *	rolled-back SEQ				all of the batch that ends so
 *	undone					all, by --undo
 *
 * "-" is no path; MTIME is in ns; CRC is the CRC-32 of the line before it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "plan.h"

enum { FAILED_CAP = 4096 };

static char buf[2 * LINE_CAP];
static struct str out = { .p = buf, .cap = sizeof buf };
static char failed_buf[FAILED_CAP];
static struct str failed = { .p = failed_buf, .cap = sizeof failed_buf };
static uint64_t seq;		/* of the last operation written */
static size_t first;		/* index of the batch's first one ... */
static uint64_t first_seq;	/* ... and its number */

const char *op_name(unsigned kind)
{
	static const char name[][7] = {
		"rename", "unlink", "mkdir", "rmdir", "chmod", "chown",
		"utime", "new", "swap"
	};

	return kind < sizeof name / sizeof *name ? name[kind] : NULL;
}

static uint32_t crc32(const char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	while (n-- > 0) {
		crc ^= (unsigned char)*p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	return ~crc;
}

/* ---- lines -------------------------------------------------------------- */

static void put_path(struct str *s, const char *path)
{
	str_char(s, ' ');
	if (!path)
		str_char(s, '-');
	for (const char *p = path; p && *p; p++) {
		bool plain = *p > ' ' && *p < 0x7F && *p != '%' &&
		    (*p != '-' || p > path);

		if (plain) {
			str_char(s, *p);
		} else {
			str_char(s, '%');
			str_hex(s, p, 1);
		}
	}
}

static void put_number(struct str *s, uint64_t n)
{
	str_char(s, ' ');
	str_u64(s, n);
}

static void put_step(struct str *s, uint64_t number, const struct step *step)
{
	size_t begin = s->len;

	str_u64(s, number);
	str_char(s, ' ');
	str_put(s, op_name(step->kind));
	put_path(s, step->src);
	put_path(s, step->dst);
	for (int i = 0; i < NUMBERS; i++)
		put_number(s, step->n[i]);
	put_number(s, crc32(s->p + begin, s->len - begin));
	str_char(s, '\n');
}

/* A word, NUL-terminated; *p is what follows, null after the last. */
char *journal_word(char **p)
{
	char *begin = *p, *end;

	if (!begin)
		return (char *)(uintptr_t)"";
	end = begin + str_span(begin, ' ');
	*p = *end ? end + 1 : NULL;
	*end = '\0';
	return begin;
}

static int hex_digit(char c)
{
	int d = ascii_lower((unsigned char)c);

	return d >= '0' && d <= '9' ? d - '0' :
	    d >= 'a' && d <= 'f' ? d - 'a' + 10 : 16;
}

const char *journal_path(char *from)
{
	char *to = from;

	if (strcmp(from, "-") == 0)
		return NULL;
	for (const char *p = from; *p; p++) {
		int high, low;

		*to = *p;
		if (*p == '%' && (high = hex_digit(p[1])) < 16 &&
		    (low = hex_digit(p[2])) < 16) {
			*to = (char)(high << 4 | low);
			p += 2;
		}
		to++;
	}
	*to = '\0';
	return from;
}

/* A path that is none fails in path_parent(), as one with ".." does. */
bool journal_parse(char *line, struct step *s, uint64_t *number)
{
	char *crc = strrchr(line, ' ');
	const char *kind;
	uint64_t want;

	if (!crc || parse_u64(crc + 1, &want) < 0 ||
	    want != crc32(line, (size_t)(crc - line)) ||
	    parse_u64(journal_word(&line), number) < 0)
		return false;
	kind = journal_word(&line);
	for (s->kind = 0; strcmp(kind, op_name(s->kind)) != 0; s->kind++)
		if (!op_name(s->kind + 1U))
			return false;
	s->src = journal_path(journal_word(&line));
	s->dst = journal_path(journal_word(&line));
	for (int i = 0; i < NUMBERS; i++)
		if (parse_u64(journal_word(&line), &s->n[i]) < 0)
			return false;
	return (s->src || s->kind == OP_MKDIR || s->kind == OP_NEW) &&
	    (s->dst || (s->kind >= OP_RMDIR && s->kind <= OP_UTIME));
}

/* ---- the file ----------------------------------------------------------- */

static void put_header(struct ck *ck)
{
	str_put(&out, "maildirck-journal 1");
	put_number(&out, ck->root_st.st_dev);
	put_number(&out, ck->root_st.st_ino);
	put_path(&out, ck->path);
	str_char(&out, '\n');
}

/* The lock tells a run that is cut off from one that still goes on. */
static int create(struct ck *ck)
{
	char name[64];
	const char *path = ck->o->journal;
	int at = path ? AT_FDCWD : ck->root;
	struct str s;

	for (int64_t now = ck->now; ; now++) {
		if (!ck->o->journal) {
			str_init(&s, name, sizeof name);
			str_put(&s, JOURNAL_PREFIX);
			str_u64(&s, (uint64_t)now);
			path = name;
		}
		ck->journal = openat(at, path, O_RDWR | O_CREAT | O_EXCL |
		    O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (ck->journal >= 0)
			break;
		if (errno != EEXIST || ck->o->journal)
			return -errno;
	}
	(void)flock(ck->journal, LOCK_EX | LOCK_NB);
	put_header(ck);
	return path == name ? path_sync_dir(at) : 0;
}

static int flush(int fd)
{
	int e = fd_write(fd, out.p, out.len) < 0 ? -errno : 0;

	out.len = 0;
	return e;
}

int journal_write(struct ck *ck, size_t from, size_t to)
{
	int fd = STDOUT_FILENO, e = 0;
	struct step s;

	out.len = failed.len = 0;
	first = from;
	first_seq = seq + 1;
	if (!ck->o->dry_run) {
		if (ck->o->no_journal)
			return 0;
		if (ck->journal < 0)
			e = create(ck);
		fd = ck->journal;
	}
	for (; from < to && !e; from++) {
		plan_step(ck, from, &s);
		put_step(&out, ++seq, &s);
		if (out.len > LINE_CAP)
			e = flush(fd);
	}
	if (!e)
		e = flush(fd);
	if (!e && fd == ck->journal && fdatasync(fd) < 0)
		e = -errno;
	return e;
}

void journal_failed(struct ck *ck, size_t from, size_t to)
{
	(void)ck;
	/* What has no room is undone like the rest: it finds nothing done. */
	if (failed.len + 44 > failed.cap)
		return;
	put_number(&failed, first_seq + (from - first));
	str_char(&failed, '-');
	str_u64(&failed, first_seq + (to - first) - 1);
}

int journal_line(int fd, const char *before, const char *what,
    uint64_t number, const char *more)
{
	str_put(&out, before);
	str_put(&out, what);
	if (number)
		put_number(&out, number);
	str_put(&out, more);
	str_char(&out, '\n');
	return flush(fd);
}

int journal_commit(struct ck *ck)
{
	return ck->journal < 0 ? 0 : journal_line(ck->journal, "", "commit",
	    seq, failed.len ? failed.p : "");
}

void journal_show(const char *what, uint64_t number, const struct step *s)
{
	str_put(&out, what);
	put_step(&out, number, s);
	(void)flush(STDOUT_FILENO);
}

void journal_close(struct ck *ck)
{
	if (ck->journal >= 0) {
		if (fdatasync(ck->journal) < 0)
			trouble(ck, "", errno);
		close(ck->journal);
	}
	ck->journal = -1;
	seq = 0;
	path_forget(ck);
}
