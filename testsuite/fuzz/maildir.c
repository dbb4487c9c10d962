/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the list of a Maildir's messages, made of whatever names there are,
 * and the same list after others have been at work there.  The file system
 * is a table here.  Which messages there should be, in which order, with
 * which unique-ids and under which names later, is found out by looking at
 * every pair of files.
 *
 * The input: a byte for the directory's inode numbers (as stat(2) has them,
 * or all the same), and for each file four bytes (below) and its name up to
 * an 0xFF.  scripts/fuzz builds it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "input.h"

#define md_area_free pages_free
#define md_area_grow pages_grow
#define md_area_trim pages_trim
#define md_read_dir really_read_dir
#include "../../libmd/mdread.c"
#undef md_area_free
#undef md_area_grow
#undef md_area_trim
#undef md_read_dir

static int look(int fd, const char *name, struct stat *st, int how);

void md_area_free(struct md_area *a);
int md_area_grow(struct md_area *a, size_t need);
void md_area_trim(struct md_area *a);
int md_read_dir(int fd, struct md_area *a);

#define fstatat look
#include "../../libmd/mdscan.c"
#undef fstatat

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 24, SAME_INO = 99 };

/* What others do between the two looks: the third byte. */
enum { KEEP, MOVE, RENAME, REMOVE, REPLACE, APPEAR, DEEDS };

struct file {
	char *name, *later;	/* null: not there */
	enum md_sub sub, later_sub;
	unsigned char type;	/* as the directory tells it */
	bool regular;
	uint64_t ino, later_ino;
};

static struct file file[FILES];
static size_t files;
static bool second;		/* the look */
static bool same_ino;

static char *name_of(const struct file *f)
{
	return second ? f->later : f->name;
}

static enum md_sub sub_of(const struct file *f)
{
	return second ? f->later_sub : f->sub;
}

static uint64_t ino_of(const struct file *f)
{
	return second ? f->later_ino : f->ino;
}

static const struct file *find_file(enum md_sub sub, const char *name)
{
	for (size_t i = 0; i < files; i++)
		if (name_of(&file[i]) && sub_of(&file[i]) == sub &&
		    strcmp(name_of(&file[i]), name) == 0)
			return &file[i];
	return NULL;
}

static int look(int fd, const char *name, struct stat *st, int how)
{
	const struct file *f = find_file((enum md_sub)fd, name);

	assert(how == AT_SYMLINK_NOFOLLOW);
	errno = ENOENT;
	if (f == NULL)
		return -1;
	memset(st, 0, sizeof *st);
	st->st_ino = ino_of(f);
	st->st_mode = f->regular ? S_IFREG : S_IFLNK;
	for (size_t i = 0; i < files; i++)
		st->st_nlink += name_of(&file[i]) && f->regular &&
		    ino_of(&file[i]) == ino_of(f);
	return 0;
}

/* Of the heap, and no larger than asked for. */
void md_area_free(struct md_area *a)
{
	free(a->p);
	*a = (struct md_area){ .p = NULL };
}

int md_area_grow(struct md_area *a, size_t need)
{
	if (need <= a->cap)
		return 0;
	a->p = realloc(a->p, need);
	a->cap = need;
	return 0;
}

/* It must stay where it is. */
void md_area_trim(struct md_area *a)
{
	(void)a;
}

int md_read_dir(int fd, struct md_area *a)
{
	md_area_grow(a, a->len + 1);
	for (size_t i = 0; i < files; i++) {
		const char *name = name_of(&file[i]);
		uint64_t ino = same_ino ? SAME_INO : ino_of(&file[i]);
		uint16_t len;

		if (name == NULL || sub_of(&file[i]) != (enum md_sub)fd)
			continue;
		len = (uint16_t)((D_NAME + strlen(name) + 8) / 8 * 8);
		md_area_grow(a, a->len + len);
		memset(a->p + a->len, 0xA5, len);
		memcpy(a->p + a->len, &ino, sizeof ino);
		memcpy(a->p + a->len + D_RECLEN, &len, sizeof len);
		a->p[a->len + D_TYPE] = (char)file[i].type;
		strcpy(a->p + a->len + D_NAME, name);
		a->len += len;
	}
	return 0;
}

/* ---- what there is ------------------------------------------------------ */

static bool is_name(const char *name, size_t n)
{
	return n > 0 && n <= MD_NAME_MAX && strlen(name) == n &&
	    !strchr(name, '/');
}

static size_t base_len(const char *name)
{
	return strcspn(name, ":");
}

static char *with_flags(const char *name, unsigned how)
{
	static const char *const info[] = { "", ":", ":2,", ":2,S", ":1,x" };
	size_t n = base_len(name);
	const char *flags = info[how % 5];
	char *to;

	if (n + strlen(flags) > MD_NAME_MAX)
		flags = "";
	to = malloc(n + strlen(flags) + 1);
	memcpy(to, name, n);
	strcpy(to + n, flags);
	return to;
}

/* The same name, at another time. */
static void let_others_work(struct file *f, unsigned deed, unsigned how)
{
	f->later_sub = f->sub;
	f->later_ino = f->ino;
	switch (deed % DEEDS) {
	case MOVE:
		f->later_sub = MD_CUR;
		/* fallthrough */
	case RENAME:
		f->later = with_flags(f->name, how);
		break;
	case REMOVE:
		break;
	case REPLACE:
		f->later_ino = 50 + how % 8;
		/* fallthrough */
	default:
		f->later = in_copy(f->name, strlen(f->name));
	}
	second = true;
	if (f->later && find_file(f->later_sub, f->later) != f) {
		free(f->later);
		f->later = NULL;
	}
	second = false;
	if (deed % DEEDS == APPEAR) {
		free(f->name);
		f->name = NULL;
	}
}

/*
 * A file's bytes: its directory and type; its inode, few of which make twins
 * and links; what is done to it, and how.
 */
static void add_file(struct input *in)
{
	struct file *f = &file[files];
	unsigned kind = in_byte(in), ino = in_byte(in) % 8 + 1;
	unsigned deed = in_byte(in), how = in_byte(in);
	size_t n;
	char *name = in_text(in, &n);

	*f = (struct file){
		.sub = kind & 1 ? MD_CUR : MD_NEW, .ino = ino,
		.regular = (kind & 6) != 6,
		.type = kind & 8 ? DT_UNKNOWN : (kind & 6) != 6 ? DT_REG :
		    DT_LNK
	};
	/* One file is of one type. */
	if (!f->regular)
		f->ino += 20;
	if (!is_name(name, n) || find_file(f->sub, name)) {
		free(name);
		return;
	}
	f->name = name;
	files++;
	let_others_work(f, deed, how);
}

/* ---- what there should be ----------------------------------------------- */

static bool is_mail(const struct file *f)
{
	const char *name = name_of(f);

	return name && name[0] != '.' && f->regular;
}

static bool same_base(const char *a, const char *b)
{
	size_t n = base_len(a);

	return n == base_len(b) && memcmp(a, b, n) == 0;
}

/* Decimal digits as a number; false where there are none, or too many. */
static bool digits(const char **p, uint64_t *n)
{
	const char *s = *p;
	unsigned __int128 v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		if ((v = v * 10 + (unsigned)(*s - '0')) > UINT64_MAX)
			return false;
	if (s == *p)
		return false;
	*p = s;
	*n = (uint64_t)v;
	return true;
}

static uint64_t when(const char *name)
{
	uint64_t sec = 0, usec = 0;
	const char *p = name, *end;

	if (!digits(&p, &sec) || *p != '.')
		return 0;
	end = p + 1 + strcspn(p + 1, ".:");
	for (p++; p < end; p++) {
		const char *d = p + 1;

		if (*p == 'M' && digits(&d, &usec))
			break;
	}
	if (sec >= (uint64_t)1 << 44)
		return UINT64_MAX;
	return sec * 1048576 + (usec > 1048575 ? 1048575 : usec);
}

/* Earlier in the list? */
static int order(const char *a, const char *b)
{
	size_t na = base_len(a), nb = base_len(b);
	uint64_t ta = when(a), tb = when(b);
	int c = ta < tb ? -1 : ta > tb;

	if (c == 0)
		c = memcmp(a, b, na < nb ? na : nb);
	return c ? c : na < nb ? -1 : na > nb;
}

/* The files of a message's base name; those that are this one in *own. */
static unsigned count(const char *name, uint64_t ino, unsigned *own)
{
	unsigned others = 0;

	*own = 0;
	for (size_t i = 0; i < files; i++) {
		if (!is_mail(&file[i]) || !same_base(name_of(&file[i]), name))
			continue;
		if (ino_of(&file[i]) == ino)
			++*own;
		else
			others++;
	}
	return others;
}

/* The base name itself, or the sum of it and more. */
static bool is_plain(const struct md_ent *m)
{
	bool legal = m->base >= 1 && m->base <= 70;

	for (size_t i = 0; i < m->base; i++)
		legal = legal && (unsigned char)m->name[i] > 32 &&
		    (unsigned char)m->name[i] < 127;
	return legal && !(m->mark & MD_TWIN);
}

/*
 * No two alike, but where a name is a copy of what another has for its sum:
 * this fuzzer finds such names, and deliveries don't.
 */
static void check_uidl(const struct md_list *l, size_t at)
{
	char uid[MD_UIDL_MAX + 1], other[MD_UIDL_MAX + 1];
	const struct md_ent *m = &l->e[at];

	md_uidl(uid, m);
	if (is_plain(m)) {
		assert(strlen(uid) == m->base);
		assert(memcmp(uid, m->name, m->base) == 0);
	} else {
		assert(strlen(uid) == 32);
		assert(strspn(uid, "0123456789abcdef") == 32);
	}
	for (size_t i = 0; i < at; i++) {
		if (is_plain(&l->e[i]) != is_plain(m))
			continue;
		md_uidl(other, &l->e[i]);
		assert(strcmp(uid, other) != 0);
	}
}

/* Each message once, and nothing else. */
static void check_list(const struct md_list *l)
{
	unsigned n = 0, own;

	for (size_t i = 0; i < l->n; i++) {
		const struct md_ent *m = &l->e[i];
		const struct file *f = find_file((enum md_sub)m->sub, m->name);

		assert(f && is_mail(f) && m->base == base_len(m->name));
		assert(m->when == when(m->name));
		assert((m->mark == MD_TWIN) ==
		    (count(m->name, f->ino, &own) > 0));
		assert(m->mark == 0 || m->mark == MD_TWIN);
		n += own;
		for (size_t k = 0; k < i; k++)
			assert(!same_base(l->e[k].name, m->name) ||
			    find_file((enum md_sub)l->e[k].sub,
			    l->e[k].name)->ino != f->ino);
		assert(i == 0 || order(l->e[i - 1].name, m->name) <= 0);
		check_uidl(l, i);
	}
	for (size_t i = 0; i < files; i++)
		n -= is_mail(&file[i]);
	assert(n == 0);
}

static void check_refreshed(const struct md_list *l, size_t n,
    const struct md_ent *was)
{
	assert(l->n == n);
	for (size_t i = 0; i < n; i++) {
		const struct md_ent *m = &l->e[i];
		const struct file *f = find_file((enum md_sub)m->sub, m->name);
		unsigned own, others = count(m->name, was[i].ino, &own);

		assert(m->ino == was[i].ino && m->base == was[i].base);
		assert(m->when == was[i].when);
		assert((m->mark & MD_TWIN) == (was[i].mark & MD_TWIN));
		if (own) {
			assert(!(m->mark & (MD_GONE | MD_REPLACED)));
			assert(f && is_mail(f) && f->later_ino == m->ino);
		} else {
			assert(m->mark & MD_GONE);
			assert(((m->mark & MD_REPLACED) != 0) ==
			    (others && !(m->mark & MD_TWIN)));
		}
	}
}

static void run(void)
{
	const struct md md = { -1, { MD_NEW, MD_CUR, -1 } };
	struct md_list list;
	struct md_ent *was;

	assert(md_scan(&md, &list) == 0);
	check_list(&list);
	was = malloc(list.n * sizeof *was + 1);
	for (size_t i = 0; i < list.n; i++) {
		struct md_ent *m = &list.e[i];

		/* as a caller does who has opened it */
		m->ino = find_file((enum md_sub)m->sub, m->name)->ino;
		was[i] = *m;
	}
	second = true;
	assert(md_refresh(&md, &list) == 0);
	check_refreshed(&list, list.n, was);
	md_list_free(&list);
	free(was);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	files = 0;
	second = false;
	same_ino = in_byte(&in) & 1;
	while (in.p < in.end && files < FILES)
		add_file(&in);
	run();
	while (files-- > 0) {
		free(file[files].name);
		free(file[files].later);
	}
	return 0;
}
