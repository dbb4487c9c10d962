/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/content.o
/*
 * What a message's bytes tell.  One defect gives one finding: what follows
 * from another is not told, so the order of the checks counts.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "content.h"
#include "date.h"

enum {
	HEAD = 4096,		/* of the begin and of the end, LEVEL_HEAD */
	TAIL = 256,		/* left for the next turn, to look ahead */
	DAY = 86400,
	BEGINNING = 256,
	SECTOR = 512,		/* as many NULs in a row: lost data */
	LINE_MAX_SMTP = 998,	/* RFC 5322 section 2.1.1 */
	FROZEN = 0x30,		/* FS_IMMUTABLE_FL, FS_APPEND_FL */
	YEAR_1990 = 631152000
};

struct look {
	struct ck *ck;
	struct entry *e;
	int fd;
	uint64_t size;		/* as lstat told */
	uint64_t seen;		/* bytes read */
	bool full;		/* all bytes are looked at */
	bool hollow;		/* none: there are next to none */
	bool packed;
	bool high;		/* 8-bit bytes in the header */
	struct head h;
	struct bytes b;
};

/* A finding; n is for its detail, where it is not 0. */
static void say(struct look *l, enum id id, const char *detail, uint64_t n)
{
	char text[96];
	struct str s;

	if (n) {
		str_init(&s, text, sizeof text);
		str_put(&s, detail);
		str_u64(&s, n);
		detail = text;
	}
	(void)found_entry(l->ck, l->e, id, detail);
}

/* ---- times -------------------------------------------------------------- */

bool content_odd_time(const struct ck *ck, int64_t t)
{
	return t < YEAR_1990 ||
	    (t > ck->now + DAY && ck->now >= CLOCK_LEAST);
}

/* Routers without a clock deliver in 1970, restored files have any time. */
static void check_time(struct look *l)
{
	int64_t t = l->e->st.st_mtime;

	if (content_odd_time(l->ck, t))
		say(l, C14, t < YEAR_1990 ? "before 1990" : "in the future", 0);
}

/* ---- the header --------------------------------------------------------- */

static const char *find_word(const char *p, size_t n, const char *lower)
{
	size_t len = strlen(lower), i = 0;

	for (; n >= len; p++, n--) {
		for (i = 0; i < len && ascii_lower(p[i]) == lower[i]; i++)
			;
		if (i == len)
			return p + len;
	}
	return NULL;
}

/* What the last part of a multipart has to be followed by. */
static void find_boundary(struct look *l, const char *head, size_t n)
{
	size_t len, k = 2;
	const char *v = header_find(head, n, "content-type:", &len), *p, *end;
	char *to = l->b.boundary;
	bool quote;

	p = v ? find_word(v, len, "multipart/") : NULL;
	if (!p)
		return;
	end = v + len;
	p = find_word(p, (size_t)(end - p), "boundary=");
	if (!p)
		return;
	quote = p < end && *p == '"';
	for (p += quote; p < end && (unsigned char)*p >= ' ' && *p != '"' &&
	    (quote || (*p != ' ' && *p != ';')); p++) {
		if (k == sizeof l->b.boundary - 2)
			return;	/* longer than RFC 2046 allows */
		to[k++] = *p;
	}
	if (k == 2)
		return;
	to[0] = to[1] = to[k] = to[k + 1] = '-';
	l->b.nboundary = k + 2;
}

/* For C13, where twins.c compares. */
static void hash_id(struct look *l, const char *head, size_t n)
{
	size_t len;
	const char *v = header_find(head, n, "message-id:", &len);

	if (!v)
		return;
	for (; len && (unsigned char)*v <= ' '; len--)
		v++;
	while (len && (unsigned char)v[len - 1] <= ' ')
		len--;
	if (len)
		l->e->mid_hash = hash_bytes(l->ck->seed, v, len);
}

/* As mail servers store it: compressed, or encrypted by Dovecot. */
static bool is_packed(const char *p, size_t n)
{
	static const char magic[] = "\2\x1f\x8b" "\3BZh" "\4\x28\xb5\x2f\xfd"
	    "\5\xfd" "7zXZ" "\7CRYPTED" "\13Dovecot-LZ4";

	for (const char *m = magic; *m; m += *m + 1)
		if ((size_t)*m <= n && memcmp(p, m + 1, (size_t)*m) == 0)
			return true;
	return false;
}

/* All that needs the begin of the file in the buffer. */
static void look_at_head(struct look *l, const char *p, size_t n)
{
	size_t end, i;
	uint64_t w, high = 0;

	memcpy(l->e->first, p, n < 4 ? n : 4);
	l->packed = is_packed(p, n);
	head_look(&l->h, p, n);
	if (looking_for(l->ck, C13))
		hash_id(l, p + l->h.start, n - l->h.start);
	if (!l->full)
		return;
	end = l->h.end ? l->h.end : n;
	for (i = 0; i + 8 <= end; i += 8) {
		memcpy(&w, p + i, 8);
		high |= w;
	}
	for (; i < end; i++)
		high |= (unsigned char)p[i] & 0x80;
	l->high = high & 0x8080808080808080;
	if (!l->h.text)
		find_boundary(l, p + l->h.start, n - l->h.start);
}

/* ---- reading ------------------------------------------------------------ */

/* As many bytes as there are, up to cap; only short reads take two calls. */
static ptrdiff_t fill(struct look *l, unsigned char *p, size_t cap)
{
	size_t n = 0;

	while (n < cap && (n == 0 || l->seen < l->size)) {
		ptrdiff_t r = fd_read(l->fd, p + n, cap - n);

		if (r < 0)
			return -1;
		if (r == 0)
			break;
		n += (size_t)r;
		l->seen += (size_t)r;
	}
	return (ptrdiff_t)n;
}

/* Of hashes: reads of the same sizes give the same. */
static void add_hash(struct look *l, const unsigned char *p, size_t n)
{
	struct entry *e = l->e;

	if (looking_for(l->ck, C12))
		e->hash = hash_bytes(l->ck->seed ^ e->hash, p, n);
}

/*
 * In one pass.  A buffer's last bytes are looked at with the next one, so
 * that no line that matters is cut in two.
 */
/* A copy that was cut off shares it with the whole one. */
static void hash_beginning(struct look *l, const unsigned char *p, size_t n)
{
	if (n > BEGINNING)
		n = BEGINNING;
	if (looking_for(l->ck, C15))
		l->e->head_hash = hash_bytes(l->ck->seed, p, n);
}

static int read_all(struct look *l)
{
	unsigned char *p = content_room + 1;
	size_t have = 0;

	for (bool first = true; !ck_cancelled; first = false) {
		ptrdiff_t r = fill(l, p + have, ROOM - have);
		size_t top, end;

		if (r < 0)
			return -errno;
		add_hash(l, p + have, (size_t)r);
		top = have + (size_t)r;
		if (first) {
			look_at_head(l, (char *)p, top);
			hash_beginning(l, p, top);
		}
		end = l->seen >= l->size || top < ROOM ? top : top - TAIL;
		bytes_look(&l->b, p, p + end, p + top);
		if (end == top)
			return 0;
		memmove(content_room, p + end - 1, TAIL + 1);
		have = TAIL;
	}
	return 0;
}

/* Begin and end of a larger file. */
static int read_ends(struct look *l)
{
	unsigned char *p = content_room + 1;

	for (int i = 0; i < 2; i++) {
		ptrdiff_t r = pread(l->fd, p, HEAD, (off_t)l->b.at);

		if (r < 0)
			return -errno;
		if (i == 0)
			look_at_head(l, (char *)p, (size_t)r);
		bytes_look(&l->b, p, p + r, p + r);
		if (i == 0)
			l->b.at = l->b.line = l->size - HEAD;
		content_room[0] = '\n';
	}
	return 0;
}

/*
 * Fewer blocks than bytes is also what compressing file systems have; they
 * tell of no hole then.
 */
static bool has_hole(const struct look *l)
{
	off_t at;

	if ((uint64_t)l->e->st.st_blocks * SECTOR >= l->size)
		return false;
	at = lseek(l->fd, 0, SEEK_HOLE);
	return at >= 0 && (uint64_t)at < l->size;
}

/* Where the end is lost, all of it: from where on? */
static int read_file(struct look *l)
{
	int e;

	content_room[0] = '\n';
	/* Nearly all a hole: to read it would take hours. */
	if (l->size >> 24 && (uint64_t)l->e->st.st_blocks < l->size >> 15 &&
	    has_hole(l)) {
		l->b.at = l->size;
		l->hollow = true;
		return 0;
	}
	if (l->full || l->size <= 2 * HEAD)
		return read_all(l);
	e = read_ends(l);
	if (e || l->b.nul_end < l->size)
		return e;
	l->full = true;
	memset(&l->b, 0, sizeof l->b);
	return read_all(l);
}

/* ---- what it comes to --------------------------------------------------- */

/* Data that is not there: true where nothing else is worth a word. */
static bool check_lost(struct look *l)
{
	struct bytes *b = &l->b;
	bool tail = b->nul_end == l->size;

	if (l->hollow)
		say(l, F10, "nearly all", 0);
	else if (b->nul == l->size)
		say(l, C02, NULL, 0);
	else if (tail)
		say(l, C03, "from byte ", l->size - b->nul_run);
	else if (has_hole(l))
		say(l, F10, NULL, 0);
	else if (b->nul_longest >= SECTOR && l->h.fields)
		say(l, C03, "in the middle, NULs: ", b->nul_longest);
	else if (l->e->n.size != MD_NOSIZE && l->size < l->e->n.size)
		say(l, C04, "bytes left: ", l->size);
	else
		return false;
	return true;
}

/* The same for what is no message, or several. */
static bool check_kind(struct look *l)
{
	struct head *h = &l->h;
	bool all = l->seen == l->size;

	if (h->from && l->full && l->b.froms)
		say(l, C06, "messages: ", l->b.froms + 1);
	else if (h->fields == 0)
		say(l, C07, NULL, 0);
	else if (all && !h->end && !l->b.empty_line)
		say(l, C04, "header without its end", 0);
	else if (l->b.nboundary && !l->b.closed)
		say(l, C04, "multipart without its last boundary", 0);
	else
		return false;
	return true;
}

static void check_text(struct look *l, bool nul_head)
{
	struct bytes *b = &l->b;
	struct entry *e = l->e;

	e->bare_lf = b->lf - b->crlf;
	if (b->crlf && e->bare_lf)
		say(l, C09, "mixed, lines with CRLF: ", b->crlf);
	if (b->cr > b->crlf)
		say(l, C10, "bare CRs: ", b->cr - b->crlf);
	else if (b->longest > LINE_MAX_SMTP)
		say(l, C10, "bytes in a line: ", b->longest);
	else if (l->high)
		say(l, C10, "8-bit header", 0);
	if (b->nul && !nul_head)
		say(l, C11, "NULs: ", b->nul);
	if (e->n.wire != MD_NOSIZE && e->n.wire != l->size + e->bare_lf)
		say(l, Z02, "right: ", l->size + e->bare_lf);
}

/* From what spoils everything down to matters of taste. */
static void judge(struct look *l)
{
	struct head *h = &l->h;
	bool nul = l->b.nul && l->b.nul_first < h->end;

	if (l->packed) {
		say(l, Z05, NULL, 0);
		return;
	}
	if (check_lost(l))
		return;
	file_sizes(l->ck, l->e, true);
	if (check_kind(l))
		return;
	l->e->complete = true;
	if (h->from)
		say(l, C05, NULL, 0);
	if (nul)
		say(l, C08, "NUL in the header", 0);
	else if (h->folded)
		say(l, C08, "begins with a folded line", 0);
	else if (h->end && !(h->known & HEAD_IDS))
		say(l, C08, NULL, 0);
	if (l->full && l->ck->o->level == LEVEL_FULL)
		check_text(l, nul);
}

/* chattr(1): the flags are an int, whatever the type in the number says. */
static void check_frozen(struct look *l)
{
	unsigned flags[2] = { 0, 0 };

	if (l->full && ioctl(l->fd, _IOR('f', 1, long), flags) == 0 &&
	    flags[0] & FROZEN)
		say(l, F11, NULL, 0);
}

void content_check(struct ck *ck, struct entry *e, int fd)
{
	char err[ERR_TEXT];
	struct look l = {
		.ck = ck, .e = e, .fd = fd, .size = (uint64_t)e->st.st_size,
		.full = ck->o->level == LEVEL_FULL
	};
	int r;

	/* Hidden files and empty ones are told of as such. */
	if (e->name[0] == '.' || l.size == 0)
		return;
	check_time(&l);
	check_frozen(&l);
	r = read_file(&l);
	if (r < 0)
		say(&l, F09, err_text(-r, err), 0);
	else if (l.b.at != l.size)
		ck->counts.concurrent++;	/* being written */
	else
		judge(&l);
}
