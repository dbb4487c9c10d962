/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes journals, which whoever owns a Maildir may have written: for
 * --undo, and for the run that finds one without its last line.  Whatever
 * one says, nothing outside of the Maildir changes, no file's bytes do, and
 * no file loses its last name unless the journal calls it new.
 *
 * The input: a byte of what is done with the journal, and its lines, each a
 * byte and what that asks for.  Checksums and most numbers are right, or no
 * line would ever be taken.  scripts/fuzz builds it.
 */
#include <stdbool.h>

#include "maildirck.h"
#include "plan.h"
#include "scratch.h"

enum { UNDO = 1, ELSEWHERE = 2, CAP = 65536, LINES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
	"m/cur/a:2,S", "m/cur/b:2,", "m/new/c", "m/tmp/d", "m/e",
	"m/maildirck.q/f", "m/.F/cur/g:2,", "out/cur/a:2,S", "out/h"
};
static const char *const dirs[] = {
	"m", "m/cur", "m/new", "m/tmp", "m/maildirck.q", "m/.F", "m/.F/cur",
	"m/.F/new", "m/.F/tmp", "m/empty", "out", "out/cur"
};
static const char *const paths[] = {
	"cur/a:2,S", "cur/b:2,", "new/c", "tmp/d", "e", "maildirck.q/f",
	".F/cur/g:2,", "cur/a:2,RS", "new/x", ".F/cur/x:2,", "e~",
	"maildirck.q/f~", "cur/twin:2,", "cur", ".F", ".F/cur", "empty",
	"fresh", "fresh/deep", "maildirck.q", ".", "..", "../out/h",
	"../out/cur/a:2,S", "way/cur/a:2,S", "way/h", "way", "cur/../../out/h",
	".F/../../out/h", "link", "/etc/passwd", "//out/h", "cur//b:2,", "",
	"cur/", "./e", "cur/.", "cur/..", "way/../out/h", "-", "%2e%2e/out/h"
};

enum {
	FILES = sizeof files / sizeof *files, OUT = 7,
	DIRS = sizeof dirs / sizeof *dirs,
	PATHS = sizeof paths / sizeof *paths
};

static struct stat was[FILES], dir_was[DIRS];

static void build(void)
{
	scratch_empty("m");
	scratch_empty("out");
	for (size_t i = 0; i < DIRS; i++)
		assert(mkdir(dirs[i], 0700) == 0);
	for (size_t i = 0; i < FILES; i++)
		scratch_write(files[i], files[i], strlen(files[i]));
	assert(link(files[1], "m/cur/twin:2,") == 0);
	assert(symlink("../out", "m/way") == 0);
	assert(symlink("../out/h", "m/link") == 0);
	for (size_t i = 0; i < FILES; i++)
		assert(lstat(files[i], &was[i]) == 0);
	for (size_t i = 0; i < DIRS; i++)
		assert(lstat(dirs[i], &dir_was[i]) == 0);
}

/* ---- the journal -------------------------------------------------------- */

struct input {
	const uint8_t *p, *end;
};

static unsigned next(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
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

static void put_bytes(struct input *in, struct str *s)
{
	for (unsigned n = next(in) % 64; n > 0 && in->p < in->end; n--)
		str_char(s, (char)*in->p++);
}

static void put_path(struct input *in, struct str *s)
{
	unsigned i = next(in);

	str_char(s, ' ');
	if (i == 255)
		put_bytes(in, s);
	else
		str_put(s, paths[i % PATHS]);
}

static void put_number(struct str *s, uint64_t n)
{
	str_char(s, ' ');
	str_u64(s, n);
}

/* Those of a file or directory, of which some may be others. */
static void put_numbers(struct input *in, struct str *s)
{
	unsigned i = next(in), odd = next(in);
	const struct stat *st = i & 128 ? &dir_was[i % 128 % DIRS] :
	    &was[i % FILES];
	const uint64_t n[] = {
		st->st_dev, st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec * 1000000000 +
		    (uint64_t)st->st_mtim.tv_nsec,
		st->st_mode & 07777, was[next(in) % FILES].st_ino
	};
	static const uint64_t other[] = { 0, 0600, UINT64_MAX, 1, 0777 };

	for (int k = 0; k < 6; k++)
		put_number(s, odd >> k & 1 ? other[next(in) % 5] : n[k]);
}

/* True where the line says that a file is new. */
static bool put_line(struct input *in, struct str *s)
{
	static const char ends[][12] = {
		"commit", "rolled-back", "undoing", "left", "undone"
	};
	unsigned what = next(in);
	size_t begin = s->len;

	if (what >= 250) {
		put_bytes(in, s);
		if (what == 255)
			return true;
	} else if (what >= 240) {
		str_put(s, ends[what % 5]);
		if (what % 5 < 4)
			put_number(s, next(in));
		for (unsigned n = what % 5 ? 0 : next(in) % 4; n > 0; n--) {
			put_number(s, next(in));
			str_char(s, '-');
			str_u64(s, next(in));
		}
	} else {
		str_u64(s, next(in));
		str_char(s, ' ');
		str_put(s, op_name(what % (OP_SWAP + 1)));
		put_path(in, s);
		put_path(in, s);
		put_numbers(in, s);
		put_number(s, crc32(s->p + begin, s->len - begin));
	}
	str_char(s, '\n');
	return what < 240 && what % (OP_SWAP + 1) == OP_NEW;
}

static bool put_journal(struct input *in, struct str *s, bool elsewhere)
{
	bool any = false;

	str_put(s, "maildirck-journal 1");
	put_number(s, dir_was[0].st_dev + elsewhere);
	put_number(s, dir_was[0].st_ino);
	str_put(s, " m\n");
	for (int i = 0; i < LINES && in->p < in->end && !s->cut; i++)
		any |= put_line(in, s);
	return any;
}

/* ---- what has come of it ------------------------------------------------ */

static bool is_file(const struct stat *st, size_t i)
{
	return st->st_ino == was[i].st_ino && st->st_dev == was[i].st_dev;
}

static unsigned seen;		/* files that have a name, by number */

static int look(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	size_t n;
	char *p;

	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	for (size_t i = 0; i < FILES; i++) {
		if (!is_file(st, i))
			continue;
		assert(i < OUT || path[0] == 'o');
		seen |= 1U << i;
		assert(chmod(path, 0600) == 0);
		p = scratch_read(path, &n);
		assert(n == strlen(files[i]) && !memcmp(p, files[i], n));
		free(p);
	}
	return 0;
}

static void outside(void)
{
	struct stat st;

	for (size_t i = OUT; i < FILES; i++) {
		assert(lstat(files[i], &st) == 0 && is_file(&st, i));
		assert(st.st_mode == was[i].st_mode && st.st_nlink == 1);
		assert(st.st_uid == was[i].st_uid &&
		    st.st_gid == was[i].st_gid);
		assert(memcmp(&st.st_mtim, &was[i].st_mtim,
		    sizeof st.st_mtim) == 0);
	}
	for (size_t i = DIRS - 2; i < DIRS; i++) {
		assert(lstat(dirs[i], &st) == 0);
		assert(st.st_ino == dir_was[i].st_ino &&
		    st.st_mode == dir_was[i].st_mode);
		assert(memcmp(&st.st_mtim, &dir_was[i].st_mtim,
		    sizeof st.st_mtim) == 0);
	}
}

static void check(bool any_new)
{
	outside();
	seen = 0;
	assert(nftw("m", scratch_open, 16, FTW_PHYS) == 0);
	assert(nftw("m", look, 16, FTW_PHYS) == 0);
	assert(any_new || seen == (1U << OUT) - 1);
}

static void run(bool undo)
{
	static struct options o = { .info_sep = ':', .mode = MODE_YES };
	struct ck ck = {
		.o = &o, .path = "m", .now = 1700000000, .journal = -1,
		.root_st = dir_was[0]
	};

	ck.root = open("m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(ck.root >= 0);
	scratch_quiet(true);
	if (undo)
		(void)journal_undo(&ck, "m/" JOURNAL_PREFIX "1");
	else
		journal_recover(&ck);
	path_forget(&ck);
	scratch_quiet(false);
	md_area_free(&ck.text);
	close(ck.root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[CAP];
	struct input in = { data, data + size };
	unsigned how = next(&in);
	struct str s;
	bool any_new;

	scratch_begin();
	build();
	str_init(&s, text, sizeof text);
	any_new = put_journal(&in, &s, how & ELSEWHERE);
	scratch_write("m/" JOURNAL_PREFIX "1", s.p, s.len);
	run(how & UNDO);
	check(any_new);
	/* Once more: what was left, or nothing. */
	run(how & UNDO);
	outside();
	scratch_leave();
	return 0;
}
