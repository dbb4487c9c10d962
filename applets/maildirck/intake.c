/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_RESCUE) += applets/maildirck/intake.o
/*
 * Copies of messages into a Maildir.  Copies always: a hard link would
 * change link count and ctime of what is only to be read, and whatever
 * happens to the file later, by a repair or on the failing disk below it,
 * would happen to the rescued message too.
 *
 * An import may go into a Maildir in use, so each message is on the disk
 * before it gets its name.  What a rescue makes is nobody's yet, and the
 * sources stay: there one sync at the end must do, which is faster by far.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include "date.h"
#include "out.h"
#include "rescue.h"

enum { SECTOR = 512, DAY = 86400, COMPARE = 4096, NAME_ROOM = 250 };

uint64_t *seen_at(struct intake *in, uint64_t key)
{
	uint32_t *at = &in->head[key % HEADS];
	struct link *l;

	if (md_area_grow(&in->seen, (in->links + 2) * sizeof *l) < 0)
		return NULL;
	l = (struct link *)(void *)in->seen.p;
	for (; *at; at = &l[*at].next)
		if (l[*at].key == key)
			return &l[*at].value;
	*at = (uint32_t)++in->links;
	in->seen.len = (in->links + 1) * sizeof *l;
	l[*at].key = key;
	return &l[*at].value;
}

int intake_folder(int root, const char *name)
{
	static const char part[3][4] = { "cur", "new", "tmp" };
	int fd, mark;

	if (*name && mkdirat(root, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open_dir(root, *name ? name : ".");
	if (fd < 0)
		return fd;
	/* The mark first: a run that is cut short here can be repeated. */
	mark = openat(fd, *name ? "maildirfolder" : RESCUE_MARK, O_WRONLY |
	    O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (mark >= 0)
		close(mark);
	for (int i = 0; i < 3; i++)
		(void)mkdirat(fd, part[i], 0700);
	close(fd);
	return 0;
}

int intake_begin(struct intake *in, struct ck *ck)
{
	struct timeval now;
	int e = md_area_grow(&in->heads, HEADS * sizeof *in->head);

	if (e == 0)
		e = md_open(&in->md, AT_FDCWD, ck->path);
	if (e)
		return e;
	in->head = (uint32_t *)(void *)in->heads.p;
	gettimeofday(&now, NULL);
	(void)getrandom(&ck->seed, sizeof ck->seed, GRND_NONBLOCK);
	ck->now = now.tv_sec;
	in->usec = (uint64_t)now.tv_usec;
	in->ck = ck;
	in->dest = ck->path;
	ck->root = in->md.root;
	return in->md.sub[MD_TMP] < 0 ? -ENOENT : 0;
}

/* Status and X-Status, which mail programs add to an mbox's messages. */
static void status_flags(struct intake *in)
{
	static const char key[2][10] = { "status:", "x-status:" };
	static const char theirs[] = "RAFDT", ours[] = "SRFTD";
	uint32_t flags = 0;
	bool old = false;
	struct str s;
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		const char *v = header_find((char *)in->block, in->len,
		    key[i], &n);

		for (; v && n > 0; v++, n--) {
			size_t k = str_span(theirs, *v);

			old |= *v == 'O';
			if (theirs[k])
				flags |= MD_FLAG(ours[k]);
		}
	}
	str_init(&s, in->info, sizeof in->info);
	if (old || flags)
		str_put(&s, ":2,");
	for (char c = 'D'; c <= 'T'; c++)
		if (flags & MD_FLAG(c))
			str_char(&s, c);
}

/* The header is in it, or as much of one as we look at. */
static int first_block(struct intake *in)
{
	int e = in->index ? 0 : md_deliver_begin(&in->md, &in->d);

	in->open = !in->index && e == 0;
	in->hash = in->ck->seed;
	in->date = -1;
	(void)date_of_message((char *)in->block, in->len, &in->date);
	status_flags(in);
	return e;
}

/*
 * Sectors of NULs are what a disk could not read and ddrescue filled in,
 * and what was allocated and not written when the power went.
 */
static bool has_hole(const unsigned char *p, size_t n)
{
	for (; n > 0; p += SECTOR) {
		size_t k = n < SECTOR ? n : SECTOR;

		if (*p == '\0' && memcmp(p, p + 1, k - 1) == 0)
			return true;
		n -= k;
	}
	return false;
}

static int block_done(struct intake *in)
{
	int e = in->size == 0 ? first_block(in) : 0;

	if (e)
		return e;
	in->hole |= has_hole(in->block, in->len);
	in->nul = in->block[in->len - 1] == '\0';
	in->hash = hash_bytes(in->hash, in->block, in->len);
	if (!in->index && fd_write(in->d.fd, in->block, in->len) < 0)
		e = -errno;
	in->size += in->len;
	in->len = 0;
	return e;
}

int intake_put(void *ctx, const void *p, size_t n)
{
	struct intake *in = ctx;
	const unsigned char *from = p;
	int e = 0;

	while (n > 0 && e == 0) {
		size_t room = IN_BLOCK - in->len, k = n < room ? n : room;

		memcpy(in->block + in->len, from, k);
		in->len += k;
		from += k;
		n -= k;
		if (in->len == IN_BLOCK)
			e = block_done(in);
	}
	return e;
}

/* The same bytes, up to the same end? */
static bool same(int a, int b)
{
	unsigned char x[COMPARE], y[COMPARE];
	ptrdiff_t k = -1;

	while (a >= 0 && b >= 0 && (k = fd_read(a, x, sizeof x)) > 0)
		if (fd_read(b, y, sizeof y) != k ||
		    memcmp(x, y, (size_t)k) != 0)
			return false;
	return k == 0;
}

static int open_old(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
}

static bool is_duplicate(struct intake *in, const char *known)
{
	const char *last;
	int dir = path_parent(in->ck, known, &last);
	int ours = open_old(in->md.sub[MD_TMP], in->d.name);
	int old = dir < 0 ? -1 : open_old(dir, last);
	bool yes = same(ours, old);

	close(ours);
	close(old);
	return yes;
}

/* Was it free?  It is not any more. */
static bool take_name(struct intake *in, const char *folder,
    const char *name, size_t n)
{
	uint64_t key = hash_bytes(in->ck->seed, folder, strlen(folder));
	uint64_t *taken = seen_at(in, hash_bytes(key, name, n));

	/* Without memory: md_rename does not overwrite. */
	return !taken || (*taken)++ == 0;
}

static void fresh_name(struct intake *in, int64_t when, struct str *name)
{
	const uint64_t part[] = {
		(uint64_t)when, in->usec, (uint64_t)getpid(), in->serial++,
		in->size
	};
	static const char before[5][12] = {
		"", ".M", "P", "Q", ".rescued,S="
	};

	for (int i = 0; i < 5; i++) {
		str_put(name, before[i]);
		str_u64(name, part[i]);
	}
}

void put_path(struct str *s, const char *folder, const char *name)
{
	str_put(s, folder);
	str_put(s, *folder ? "/" : "");
	str_put(s, name);
}

/*
 * Where the message goes: under the base name that it has or had, where
 * that is free, else under a fresh one.
 */
static enum tally place(struct intake *in, const struct origin *o,
    int64_t when, struct str *path)
{
	const char *folder = o->folder, *info = o->info, *base = o->name ?
	    o->name : recovered_name(in, o->ino, when, &folder);
	bool bad = in->rescue && (in->hole || in->nul);
	bool cur = bad || o->sub == MD_CUR || (*info && o->sub != MD_NEW);
	enum tally how = o->name ? KEPT : RECOVERED;
	size_t n = base ? str_span(base, ':') : 0;

	if (bad)
		folder = ".Lost+Found";
	if (strcmp(in->made, folder) != 0 &&
	    intake_folder(in->md.root, folder) == 0)
		strcpy(in->made, folder);
	put_path(path, folder, cur ? "cur/" : "new/");
	if (n > 0 && n < NAME_ROOM && take_name(in, folder, base, n)) {
		str_mem(path, base, n);
	} else {
		fresh_name(in, when, path);
		how = RENAMED;
	}
	str_put(path, cur && !*info ? ":2," : info);
	return bad ? DAMAGED : how;
}

/* Where these bytes are from now on. */
static void note(struct intake *in, const char *path)
{
	uint64_t *known = seen_at(in, in->hash);

	if (known)
		*known = text_add(in->ck, path);
}

static const char word[TALLIES][12] = {
	[FOUND] = "found", [KEPT] = "kept", [RECOVERED] = "recovered",
	[RENAMED] = "renamed", [DUPLICATE] = "duplicate",
	[DAMAGED] = "damaged", [SKIPPED] = "skipped"
};

void intake_say(struct intake *in, const char *path, enum tally what,
    const char *to)
{
	in->count[what]++;
	if (!in->ck->o->verbose)
		return;
	if (in->ck->o->out == OUT_JSON) {
		ck_object(in->ck, "file");
		ck_field("path", path);
		ck_field("what", word[what]);
		if (to)
			ck_field("to", to);
		ck_put("}\n");
		return;
	}
	ck_safe(path);
	ck_put(": ");
	ck_put(word[what]);
	if (to) {
		ck_put(" ");
		ck_safe(to);
	}
	ck_put("\n");
}

int intake_finish(struct intake *in)
{
	struct ck *ck = in->ck;

	ck->path = in->dest;
	if (syncfs(in->md.root) < 0)
		trouble(ck, "", errno);
	if (in->count[DAMAGED])
		ck->status |= CK_LEFT;
	if (ck_cancelled)
		ck->status |= CK_CANCELLED;
	if (ck->o->out == OUT_JSON)
		ck_object(ck, "rescue");
	else
		ck_safe(ck->path);
	ck_form(ck->o->out == OUT_JSON ? ",\"found\":#,\"kept\":#,"
	    "\"recovered\":#,\"renamed\":#,\"duplicate\":#,\"damaged\":#,"
	    "\"skipped\":#}\n" : ": # found, # kept, # recovered, # renamed, "
	    "# duplicate, # damaged, # skipped\n", in->count);
	ck_flush(ck, STDOUT_FILENO);
	return ck->status;
}

/* The message in tmp/ gets the date it came, and another name. */
static int deliver(struct intake *in, const struct origin *o)
{
	char buf[PATH_CAP];
	struct str path;
	struct timespec when[2] = { { .tv_sec = (time_t)o->mtime } };
	enum tally how;
	const char *last;
	int e;

	if (!o->dated && in->date >= 0 && in->date <= in->ck->now + DAY)
		when[0].tv_sec = (time_t)in->date;
	when[1] = when[0];
	str_init(&path, buf, sizeof buf);
	how = place(in, o, when[0].tv_sec, &path);
	if (futimens(in->d.fd, when) < 0 ||
	    (!in->rescue && fsync(in->d.fd) < 0))
		return -errno;
	in->open = false;
	if (close(in->d.fd) < 0)
		return -errno;
	e = path_parent(in->ck, path.p, &last);
	if (e >= 0)
		e = md_rename(in->md.sub[MD_TMP], in->d.name, e, last);
	if (e == 0) {
		note(in, path.p);
		intake_say(in, o->path, how, path.p);
	}
	return e;
}

/* A new message, one that is there already, or none at all. */
static int settle(struct intake *in, const struct origin *o)
{
	const uint64_t *known = seen_at(in, in->hash);
	const char *there = known ? text_at(in->ck, (uint32_t)*known) : "";

	if (in->index)
		(void)take_name(in, o->folder, o->name,
		    str_span(o->name, ':'));
	if (in->size == 0) {
		/* An mbox may have a From_ line and nothing else. */
		if (o->info != in->info && !in->index)
			intake_say(in, o->path, SKIPPED, NULL);
		return 0;
	}
	if (in->index) {
		note(in, o->path);
		return 0;
	}
	in->count[FOUND]++;
	if (!in->rescue || !*there || !is_duplicate(in, there))
		return deliver(in, o);
	intake_say(in, o->path, DUPLICATE, there);
	return 0;
}

int intake_end(struct intake *in, const struct origin *o, int e)
{
	if (e == 0 && in->len > 0)
		e = block_done(in);
	if (e == 0)
		e = settle(in, o);
	if (in->open)
		md_deliver_abort(&in->md, &in->d);
	in->open = in->hole = false;
	in->size = in->len = 0;
	return e;
}

int intake_file(struct intake *in, int fd, const struct origin *o)
{
	ptrdiff_t k = 1;
	int e = 0;

	while (e == 0 && k > 0) {
		k = fd_read(fd, in->block + in->len, IN_BLOCK - in->len);
		if (k < 0) {
			/* What could be read is worth having. */
			trouble(in->ck, o->path, errno);
			in->hole = true;
		} else {
			in->len += (size_t)k;
		}
		if (in->len == IN_BLOCK)
			e = block_done(in);
	}
	return intake_end(in, o, e);
}
