/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/names.o
/*
 * What a message's name alone tells: BASE, a separator, INFO.
 *
 * One defect gives one id, so the order counts: a name that is wrong as a
 * whole is only that; then a replaced separator hides a missing info, a
 * second info what is wrong in either, and junk the order of its flags.
 */
#include <string.h>

#include "md5.h"
#include "names.h"
#include "structure.h"

enum { ROOM = 8, DAY = 86400, HASH_HEX = 32 };	/* ROOM for more flags */
static unsigned long with_info, with_other;

static bool is_digit(char c)
{
	return (unsigned char)c - (unsigned)'0' < 10;
}

/* Whoever's flag it may be. */
static bool is_flag(char c)
{
	return is_digit(c) || (unsigned)ascii_lower(c) - 'a' < 26;
}

bool flag_known(char c)
{
	return c >= 'a' || str_span("DFPRST", c) < 6;
}

/* "150012~1", "x(1)", Syncthing's and the clouds' names for conflicts. */
static bool is_copy(const char *name, size_t i)
{
	const char *p = name + i + 1;

	switch (name[i]) {
	case '(':
		while (is_digit(*p))
			p++;
		return *p == ')' && p > name + i + 1;
	case '~':
		return i > 0 && i < 7 && is_digit(*p) && strlen(p) < 12 - i;
	case '-':
		return i >= 5 && str_after(p - 6, ".sync-conflict-");
	case ' ':
		return i >= 10 && str_after(p - 11, "conflicted copy");
	}
	return false;
}

/* Bytes of the one of `list` that the first `end` of name end in, or 0. */
static size_t ends_in(const char *list, const char *name, size_t end)
{
	size_t n;

	for (; (n = strlen(list)) > 0; list += n + 1)
		if (end > n && memcmp(name + end - n, list, n) == 0)
			break;
	return n;
}

/*
 * Separators that stand for ':' where a file system has none: those of
 * mbsync, offlineimap and mu, of careful people, of URLs, and of SMB and
 * Cygwin (U+F022, U+F03A).
 */
static bool strip_other(struct parts *p)
{
	static const char form[] = ":\0;\0!\0-\0_\0%3A\0%3a\0"
	    "\xEF\x80\xA2\0\xEF\x80\xBA\0";
	size_t i = p->base, n;

	while (i > 0 && is_flag(p->name[i - 1]))
		i--;
	if (i < 3 || p->name[i - 1] != ',' || p->name[i - 2] != '2')
		return false;
	i -= 2;
	n = ends_in(form, p->name, i);
	if (n == 0)
		return false;
	p->base = i - n;
	p->info = i;
	return p->replaced = true;
}

/* One pass over the bytes: a million names have to go through here. */
void name_parse(struct parts *p, const char *name, char sep)
{
	size_t i;

	*p = (struct parts){
		.name = name, .sep = sep,
		.comma = SIZE_MAX, .odd = SIZE_MAX
	};
	for (i = 0; name[i]; i++) {
		unsigned char c = (unsigned char)name[i];

		if ((c | 0x20U) - 'a' < 26 || c - 46U < 12)
			continue;	/* a letter, or one of ./0123456789 */
		if (c == (unsigned char)sep && !p->info) {
			p->base = i;
			p->info = i + 1;
		}
		if (c == ',' && p->comma > i)
			p->comma = i;
		if ((c <= 0x20 || c >= 0x7F) && p->odd > i)
			p->odd = i;
		p->copy = p->copy || is_copy(name, i);
	}
	p->len = i;
	if (!p->info)
		p->base = i;
	while (strip_other(p))
		;
	if (p->comma > p->base)
		p->comma = p->base;
}

/* ---- the info ----------------------------------------------------------- */

/* ",S=" is 0, ",W=" is 1, any other field -1. */
int name_size_kind(const char *s)
{
	return s[1] && s[2] == '=' ? s[1] == 'S' ? 0 : s[1] == 'W' ? 1 : -1 :
	    -1;
}

size_t name_field_len(const char *s, const char *end)
{
	const char *p = s + 1;

	while (p < end && *p != ',')
		p++;
	return (size_t)(p - s);
}

/* Where the flags begin.  Of a bad start only known letters are taken. */
static size_t info_start(struct parts *p, const char *s, size_t n,
    uint32_t *ids)
{
	size_t i = n > 0 && s[0] == '2';

	if (n >= 2 && s[1] == ',' && (s[0] == '1' || i)) {
		if (!i)
			*ids |= BIT(N07);
		return i ? 2 : n;
	}
	*ids |= BIT(N08);
	p->cut = i == n;
	for (size_t k = i; k < n; k++)
		if (str_span("DFPRST", s[k]) == 6)
			return n;
	return i;
}

static uint32_t one_part(struct parts *p, const char *s, size_t n)
{
	uint32_t ids = 0;
	char last = 0;
	size_t i;

	for (i = info_start(p, s, n, &ids); i < n && s[i] != ','; i++) {
		char c = s[i];
		uint64_t *set = &p->set[c >> 6 & 1];

		if (!is_flag(c))
			return BIT(N08);
		if (!flag_known(c))
			ids |= BIT(N11);
		else if (c < last)
			ids |= BIT(N09);
		else if (*set >> (c & 63) & 1)
			ids |= BIT(N10);
		*set |= (uint64_t)1 << (c & 63);
		if (flag_known(c))
			last = c;
	}
	p->field = (size_t)(s + i - p->name);
	p->nfield = n - i;
	for (; i < n; i += name_field_len(s + i, s + n)) {
		p->late = p->late || name_size_kind(s + i) >= 0;
		ids |= p->late ? BIT(Z03) : BIT(N13);
	}
	return ids & BIT(N08) ? BIT(N08) : ids;
}

/* The flags of all parts, and what is wrong with them. */
uint32_t name_info(struct parts *p)
{
	const char *s = p->name + p->info;
	size_t n = str_span(s, p->sep);
	uint32_t ids;

	if (!p->info)
		return 0;
	ids = one_part(p, s, n);
	while (s[n]) {
		s += n + 1;
		n = str_span(s, p->sep);
		(void)one_part(p, s, n);
		ids = BIT(N14);
	}
	return ids;
}

/* ---- the base name ------------------------------------------------------ */

static bool is_dropping(const char *name, size_t end)
{
	return end > 0 && str_span("~pkgtz", name[end - 1]) < 6 &&
	    ends_in("~\0.swp\0.bak\0.orig\0.part\0.gz\0", name, end) > 0;
}

const char *path_last(const char *path, size_t *n)
{
	size_t end = strlen(path), at;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (at = end; at > 0 && path[at - 1] != '/'; at--)
		;
	*n = end - at;
	return path + at;
}

static bool is_hash_of(const char *hex, const char *text)
{
	unsigned char sum[MD5_SIZE];
	char buf[HASH_HEX + 1];
	struct md5 m;
	struct str s;

	md5_begin(&m);
	md5_add(&m, text, strlen(text));
	md5_end(&m, sum);
	str_init(&s, buf, sizeof buf);
	str_hex(&s, sum, sizeof sum);
	return memcmp(hex, buf, HASH_HEX) == 0;
}

/*
 * offlineimap hashes what it calls the folder: with or without INBOX in
 * front or a dot, for the root perhaps the name of its directory.
 */
static bool is_folder_hash(const struct ck *ck, const char *folder,
    const char *hex)
{
	static const unsigned char from[] = { 0, 5, 6 };
	static const char *good_folder;
	static char good[HASH_HEX];
	char text[PATH_CAP] = "INBOX";
	struct str s = { text, 5, sizeof text, false };
	bool is = folder == good_folder && memcmp(hex, good, HASH_HEX) == 0;
	size_t n;

	str_put(&s, folder);
	if (!*folder) {
		const char *last = path_last(ck->path, &n);

		s.len++;		/* over the NUL: from[2] */
		str_mem(&s, last, n);
	}
	for (unsigned i = 0; i < 3 && !is; i++)
		is = is_hash_of(hex, text + from[i]);
	if (is)
		memcpy(good, hex, HASH_HEX);
	good_folder = folder;
	return is;
}

/* ",S=", ",W=" and ",FMD5=" of the base name. */
static uint32_t check_fields(const struct ck *ck, const struct entry *e,
    const struct parts *p)
{
	const char *end = p->name + p->base, *s = p->name + p->comma, *hash;
	uint32_t ids = 0, seen = 0;
	uint64_t v;
	size_t n;

	for (; s < end; s += n) {
		int k = name_size_kind(s);

		n = name_field_len(s, end);
		if (k >= 0) {
			if (seen & 1U << k || scan_u64(s + 3, &v) != s + n)
				ids |= BIT(Z03);
			seen |= 1U << k;
		}
		hash = str_after(s, ",FMD5=");
		if (hash && n == 6 + HASH_HEX &&
		    !is_folder_hash(ck, e->f->name, hash))
			ids |= BIT(N27);
	}
	return ids;
}

/* Deliveries begin with the time: SECONDS.ID.HOST, or SECONDS_N.PID.HOST. */
static uint32_t check_time(const struct ck *ck, const struct parts *p)
{
	uint64_t sec;
	const char *s = scan_u64(p->name, &sec);

	if (!s || (*s != '.' && *s != '_') ||
	    s + 2 + str_span(s + 1, '.') >= p->name + p->base)
		return BIT(N20);
	return sec == 0 || sec > UINT32_MAX ||
	    (int64_t)sec > ck->now + DAY ? BIT(N21) : 0;
}

/* ---- all of it ---------------------------------------------------------- */

/* Names that are wrong as a whole, and nothing else. */
static uint32_t check_whole(const struct parts *p)
{
	/* ".nfs" and an inode in hex: open somewhere, and deleted. */
	if (p->len > 12 && str_after(p->name, ".nfs"))
		return BIT(N23);
	if (is_dropping(p->name, p->len) || is_dropping(p->name, p->base))
		return BIT(N24);
	if (p->copy)
		return BIT(N22);
	if (p->name[0] == '.')
		return BIT(N17);
	return p->base == 0 ? BIT(N16) : 0;
}

uint32_t name_judge(const struct ck *ck, const struct entry *e,
    const char *name, struct parts *p)
{
	uint32_t ids, whole;

	name_parse(p, name, ck->o->info_sep);
	ids = name_info(p);
	whole = check_whole(p);
	if (whole)
		return whole;
	if (p->replaced)
		ids = BIT(N15);
	else if (!p->info && e->sub == MD_CUR)
		ids = BIT(N05);
	else if (p->info && e->sub == MD_NEW && !ids)
		ids = BIT(N06);
	/* In the info such a byte is not an unknown flag as well. */
	if (p->odd < p->len && p->odd >= p->info && !p->replaced)
		ids = p->info ? BIT(N18) : ids | BIT(N18);
	else if (p->odd < p->base)
		ids |= BIT(N18);
	ids |= check_fields(ck, e, p);
	/*
	 * Longer than a POP3 unique-id (70) are all of Courier's names:
	 * there the server has to help itself, and does.
	 */
	if (p->len + (p->info ? 0 : 3) + ROOM > MD_NAME_MAX)
		ids |= BIT(N19);
	return ids & BIT(N18) ? ids : ids | check_time(ck, p);
}

void name_survey_reset(void)
{
	with_info = with_other = 0;
}

void name_survey(struct ck *ck, const char *name)
{
	struct parts p;

	if (name[str_span(name, ck->o->info_sep)]) {
		with_info++;
		return;
	}
	name_parse(&p, name, ck->o->info_sep);
	with_other += p.replaced;
}

void name_check(struct ck *ck, struct entry *e)
{
	struct parts p;
	uint32_t ids = name_judge(ck, e, e->name, &p);

	for (int id = N05; ids; id++, ids >>= 1) {
		enum repair how = (enum repair)finding_info[id].repair;
		const char *detail = NULL;

		if (!(ids & 1))
			continue;
		if (id == N08 && p.cut)
			how = FIX_PREEN;
		/* Most names have it: somebody means it so. */
		if (id == N15 && with_other > 1 && with_other > with_info) {
			how = FIX_DEMAND;
			detail = "as most names here: see --info-sep";
		}
		found_entry_as(ck, e, (enum id)id, how, detail);
	}
}

