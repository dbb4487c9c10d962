/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes control files, of whatever program: checked, repaired and checked
 * again.  A check changes nothing; after a repair another has nothing to
 * do, the old bytes are in quarantine, each message that has a UID or UIDL
 * had it before, and the messages are as they were.
 *
 * The input: a byte that chooses a file, and its bytes, up to 0xFF for one
 * more; from 128 on it is a right one, and bytes by threes change it.
 * scripts/fuzz builds it.
 */
#include <stdbool.h>

#include "control.h"
#include "maildirck.h"
#include "plan.h"
#include "scratch.h"

enum { NEXT_FILE = 0xFF, RIGHT = 128, CAP = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const control[] = {
	"m/dovecot-uidlist", "m/dovecot-keywords", "m/courierimapuiddb",
	"m/courierpop3dsizelist", "m/maildirsize", "m/subscriptions",
	"m/.F/dovecot-uidlist", "m/courierimapkeywords/:list",
	"m/.uidvalidity", "m/courierimapsubscribed"
};
#define GUID "0123456789abcdef0123456789abcdef"
static const char *const right[] = {
	"3 V5 N9 G" GUID "\n1 G1 P1:2 :a,S=3\n3 W9 :b,S=3\n4 :c,S=3\n"
	    "7 :e,S=3:2,\n",
	"0 Work\n1 $Forwarded\n", "1 5 9\n1 a,S=3\n3 b,S=3\n4 c,S=3\n",
	"/3 9 77\na,S=3:2,S 3 1:77:0\nb,S=3 5 4:77:0\nc,S=3 5 8:66:1\n",
	"1000S,50C\n12 3\n3 1\n           3            1\n-3 -1\n",
	"V\t2\n\nF\nshared\tx\n", "3 V6 N8 G1" GUID "\n1 :d,S=3,U=7\n",
	"Work\nHome\n\na,S=3:0 1\nb,S=3:1\n", "5\n7\n",
	"INBOX\nINBOX.F\n"
};
static const char *const messages[] = {
	"m/cur/a,S=3:2,Sa", "m/cur/b,S=3:2,", "m/new/c,S=3",
	"m/.F/cur/d,S=3,U=7:2,", "m/cur/e,S=3:2,T"
};
static const char *const dirs[] = {
	"m", "m/cur", "m/new", "m/tmp", "m/.F", "m/.F/cur", "m/.F/new",
	"m/.F/tmp", "m/courierimapkeywords"
};

enum {
	CONTROLS = sizeof control / sizeof *control,
	MESSAGES = sizeof messages / sizeof *messages,
	DIRS = sizeof dirs / sizeof *dirs
};

struct text {
	char *p;
	size_t n;
};

static struct text old[CONTROLS];
static struct stat was[MESSAGES];

/* Nobody waits for a line that is just being written. */
int usleep(useconds_t usec)
{
	(void)usec;
	return 0;
}

/* A right file with bytes set, put in or taken out, or cut off. */
static void write_changed(int i, const uint8_t *p, const uint8_t *end)
{
	static char text[2 * CAP];
	size_t n = strlen(right[i]);

	memcpy(text, right[i], n);
	for (; end - p >= 3 && n < CAP; p += 3) {
		size_t at = n ? p[1] % n : 0;

		if (p[0] % 8 < 3) {
			text[at] = (char)p[2];
			n += n == 0;
		} else if (p[0] % 8 < 5) {
			memmove(text + at + 1, text + at, n++ - at);
			text[at] = (char)p[2];
		} else if (p[0] % 8 < 6 && n) {
			memmove(text + at, text + at + 1, --n - at);
		} else if (p[0] % 8 < 7) {
			memmove(text + n, text + at, n - at);
			n += n - at;
		} else {
			n = at;
		}
	}
	scratch_write(control[i], text, n);
}

static void build(const uint8_t *p, const uint8_t *end)
{
	scratch_empty("m");
	for (size_t i = 0; i < DIRS; i++)
		assert(mkdir(dirs[i], 0700) == 0);
	scratch_write("m/.F/maildirfolder", "", 0);
	for (size_t i = 0; i < MESSAGES; i++) {
		scratch_write(messages[i], "x:1", 3);
		assert(lstat(messages[i], &was[i]) == 0);
	}
	while (p < end) {
		unsigned kind = *p++;
		const uint8_t *to = memchr(p, NEXT_FILE, (size_t)(end - p));

		to = to ? to : end;
		if (kind >= RIGHT)
			write_changed(kind % CONTROLS, p, to);
		else
			scratch_write(control[kind % CONTROLS], p,
			    (size_t)(to - p));
		p = to + (to < end);
	}
	for (size_t i = 0; i < CONTROLS; i++) {
		free(old[i].p);
		old[i].p = scratch_read(control[i], &old[i].n);
	}
}

/* One run; how much it has changed. */
static uint64_t run(enum mode mode)
{
	static struct options o = {
		.info_sep = ':', .progress_fd = -1, .level = LEVEL_STAT,
		.force = true
	};
	struct ck ck = {
		.o = &o, .path = "m", .now = 1800000000, .journal = -1,
		.seed = 1
	};

	o.mode = mode;
	for (int id = 0; id < ID_COUNT; id++)
		o.severity[id] = id >= M01 && id <= M20 ? SEV_WARN :
		    SEV_IGNORE;
	memset(o.demand + M01, 1, M20 - M01 + 1);
	ck.root = open("m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(ck.root >= 0 && fstat(ck.root, &ck.root_st) == 0);
	scratch_quiet(true);
	maildir_check(&ck);
	path_forget(&ck);
	scratch_quiet(false);
	assert(!(ck.status & CK_ERROR) && ck.stopped == 0);
	keys_free(&ck.all);
	md_area_free(&ck.folders.area);
	md_area_free(&ck.text);
	md_area_free(&ck.finds);
	md_area_free(&ck.ops);
	md_area_free(&ck.failed);
	close(ck.root);
	return ck.counts.changes;
}

/* ---- what has come of it ------------------------------------------------ */

static void same_messages(void)
{
	struct stat st;

	for (size_t i = 0; i < MESSAGES; i++) {
		assert(lstat(messages[i], &st) == 0);
		assert(memcmp(&st, &was[i], offsetof(struct stat, st_atim)) ==
		    0);
		assert(memcmp(&st.st_mtim, &was[i].st_mtim,
		    2 * sizeof st.st_mtim) == 0);
	}
}

static bool in_quarantine(const struct text *t)
{
	DIR *dir = opendir("m/maildirck.q");
	struct dirent *d;
	bool found = false;

	while (dir && !found && (d = readdir(dir)) != NULL) {
		char path[512];
		struct text q;

		snprintf(path, sizeof path, "m/maildirck.q/%s", d->d_name);
		if (d->d_type != DT_REG)
			continue;
		q.p = scratch_read(path, &q.n);
		found = q.n == t->n && memcmp(q.p, t->p, q.n) == 0;
		free(q.p);
	}
	if (dir)
		closedir(dir);
	return found;
}

static size_t line_len(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	return (size_t)((lf ? lf : end) - p);
}

/* "UID ... :NAME", "UID NAME"; all of the line in courierpop3dsizelist. */
static bool same_line(int kind, const char *a, size_t n, const char *b,
    size_t k)
{
	size_t uid = 0, tail = 0;

	if (kind == 3)
		return n == k && memcmp(a, b, n) == 0;
	while (uid < n && a[uid] != ' ')
		uid++;
	while (tail < n - uid && a[n - tail - 1] != ' ')
		tail++;
	return uid + tail <= k && memcmp(a, b, uid) == 0 &&
	    memcmp(a + n - tail, b + k - tail, tail) == 0;
}

static void no_new_line(int kind, const struct text *from, const char *p,
    size_t n)
{
	const char *end = from->p + from->n;

	for (const char *s = from->p; s < end; s += line_len(s, end) + 1)
		if (same_line(kind, p, n, s, line_len(s, end)))
			return;
	assert(!"a line from nowhere");
}

static void check_new(int i, const struct text *t)
{
	const char *end = t->p + t->n;

	if (i != 0 && i != 2 && i != 3 && i != 6)
		return;
	for (const char *p = t->p + line_len(t->p, end) + 1; p < end;
	    p += line_len(p, end) + 1)
		no_new_line(i, &old[i], p, line_len(p, end));
}

static void check_repaired(void)
{
	for (int i = 0; i < CONTROLS; i++) {
		struct text t;

		t.p = scratch_read(control[i], &t.n);
		assert(!t.p || old[i].p);
		if (t.p && t.n == old[i].n && !memcmp(t.p, old[i].p, t.n)) {
			free(t.p);
			continue;
		}
		assert(!old[i].p || in_quarantine(&old[i]));
		if (t.p)
			check_new(i, &t);
		free(t.p);
	}
}

static void same_control(void)
{
	for (size_t i = 0; i < CONTROLS; i++) {
		struct text t;

		t.p = scratch_read(control[i], &t.n);
		assert(!t.p == !old[i].p && (!t.p || (t.n == old[i].n &&
		    memcmp(t.p, old[i].p, t.n) == 0)));
		free(t.p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scratch_begin();
	build(data, data + size);
	assert(run(MODE_CHECK) == 0);
	same_control();
	same_messages();
	(void)run(MODE_YES);
	check_repaired();
	same_messages();
	assert(run(MODE_YES) == 0);
	assert(access("m/dovecot-uidlist.lock", F_OK) < 0 &&
	    access("m/subscriptions.lock", F_OK) < 0 &&
	    access("m/tmp/courier.lock", F_OK) < 0);
	scratch_leave();
	return 0;
}
