/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/folders.o
/* The list of folders, and what their names alone tell. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "structure.h"

unsigned folder_subs(int at, const char *name)
{
	static const char sub[][4] = { "new", "cur", "tmp" };
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	unsigned has = 0;
	struct stat st;

	if (fd < 0)
		return ~0U;
	for (int i = MD_NEW; i <= MD_TMP; i++)
		if (fstatat(fd, sub[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			has |= 1U << i;
	close(fd);
	return has;
}

/* ---- the list ----------------------------------------------------------- */

/*
 * Puts a name where it belongs in the order of bytes: folders are tens, and
 * a second for ten thousand is no reason for a sort.
 */
static int add_name(struct names *l, const char *name)
{
	struct md_area *a = &l->area;
	size_t n = strlen(name) + 1, at = 0;
	int e = md_area_grow(a, a->len + n);

	if (e)
		return e;
	while (at < a->len && strcmp(a->p + at, name) < 0)
		at += strlen(a->p + at) + 1;
	memmove(a->p + at + n, a->p + at, a->len - at);
	memcpy(a->p + at, name, n);
	a->len += n;
	l->n++;
	return 0;
}

static int list_one(void *ctx, const struct dirent_view *d)
{
	struct ck *ck = ctx;
	struct stat st;

	if (d->name[0] != '.' ||
	    fstatat(ck->root, d->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode) ||
	    !(folder_subs(ck->root, d->name) & HAS_MAIL))
		return 0;
	return add_name(&ck->folders, d->name);
}

/* ---- S16: the name's parts ---------------------------------------------- */

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

/* A dot that divides nothing from nothing. */
static bool is_empty_part(const char *p)
{
	return *p == '.' && (p[1] == '.' || p[1] == '\0');
}

static void check_parts(struct ck *ck, const char *name)
{
	char to[PATH_CAP];
	struct stat st;
	struct str s;
	bool bad = false, is_free;

	str_init(&s, to, sizeof to);
	for (const char *p = name; *p; p++) {
		bad = bad || is_control(*p) || is_empty_part(p);
		if (!is_empty_part(p))
			str_char(&s, is_control(*p) ? '_' : *p);
	}
	if (!bad)
		return;
	is_free = s.len > 0 && path_stat(ck, to, &st) < 0;
	if (found(ck, S16, is_free ? FIX_YES : FIX_NONE, name, NULL))
		plan_rename(ck, name, to, NULL);
}

/* ---- S17: the name's bytes ---------------------------------------------- */

enum { UTF8 = 1, UTF7 = 2, NOT_UTF8 = 4, NOT_UTF7 = 8 };

/* Bytes of one character from 0x80 on (RFC 3629); 0: none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2;

	if (*p < 0xC2 || *p > 0xF4 || (*p == 0xE0 && p[1] < 0xA0) ||
	    (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) ||
	    (*p == 0xF4 && p[1] > 0x8F))
		return 0;
	for (size_t i = 1; i < n; i++)
		if (p[i] >> 6 != 2)
			return 0;
	return n;
}

/*
 * Bytes from behind '&' to the '-' (RFC 3501 section 5.1.3); 0: not what an
 * encoder writes.  The text is UTF-16, nothing of it printable ASCII.
 */
static size_t utf7_len(const unsigned char *p)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+,";
	uint32_t bits = 0;
	unsigned n = 0;
	bool high = false;
	size_t i;

	for (i = 0; p[i] != '-'; i++) {
		size_t d = str_span(digit, (char)p[i]);
		uint32_t u;

		if (d == 64)
			return 0;
		bits = bits << 6 | (uint32_t)d;
		n += 6;
		if (n < 16)
			continue;
		n -= 16;
		u = bits >> n & 0xFFFF;
		bits &= (1U << n) - 1;
		if (high != (u >> 10 == 0x37) || (u >= 0x20 && u < 0x7F))
			return 0;
		high = u >> 10 == 0x36;
	}
	return high || n >= 6 || bits ? 0 : i + 1;
}

static unsigned encoding(const char *name)
{
	const unsigned char *p = (const unsigned char *)name;
	unsigned is = 0;
	size_t n;

	for (; *p; p += n) {
		n = 1;
		if (*p == '&') {
			n = utf7_len(p + 1);
			is |= n == 0 ? NOT_UTF7 : n > 1 ? UTF7 : 0;
			n++;
		} else if (*p >= 0x80) {
			n = utf8_len(p);
			is |= n == 0 ? NOT_UTF8 : UTF8;
			n += n == 0;
		}
	}
	return is;
}

/* Dovecot and older Couriers write modified UTF-7, new Couriers UTF-8. */
static void check_encoding(struct ck *ck, const char *name, unsigned all)
{
	unsigned is = encoding(name);
	const char *detail = NULL;

	if (is & NOT_UTF8)
		detail = "invalid UTF-8";
	else if (is & NOT_UTF7 && !(all & UTF8))
		detail = "invalid modified UTF-7";
	else if (is & UTF8 && all & UTF7)
		detail = "others are in modified UTF-7";
	if (detail)
		(void)found(ck, S17, FIX_NONE, name, detail);
}

/* ---- S18, and all of it ------------------------------------------------- */

static uint64_t fold(const struct ck *ck, const char *name)
{
	char folded[MD_NAME_MAX + 1];
	size_t n;

	for (n = 0; name[n] && n < MD_NAME_MAX; n++)
		folded[n] = (char)ascii_lower(name[n]);
	return hash_bytes(ck->seed, folded, n);
}

static void check_folded(struct ck *ck, struct keys *k)
{
	const struct pair *p = (const void *)k->area.p;
	const char *names = ck->folders.area.p;

	keys_sort(k);
	for (size_t i = 1; i < k->n; i++) {
		group_begin(ck);
		if (p[i].key == p[i - 1].key)
			(void)found(ck, S18, FIX_NONE, names + p[i].value,
			    names + p[i - 1].value);
	}
	keys_free(k);
}

static void check_names(struct ck *ck)
{
	const char *names = ck->folders.area.p;
	const char *end = names + ck->folders.area.len, *p;
	struct keys k = { .n = 0 };
	unsigned all = 0;

	for (p = names; p < end; p += strlen(p) + 1)
		all |= encoding(p);
	for (p = names; p < end; p += strlen(p) + 1) {
		group_begin(ck);
		check_parts(ck, p);
		check_encoding(ck, p, all);
		if (keys_add(&k, fold(ck, p), (uint64_t)(p - names)) < 0)
			break;
	}
	check_folded(ck, &k);
}

void folders_list(struct ck *ck)
{
	int e;

	ck->folders.area.len = 0;
	ck->folders.n = 0;
	e = add_name(&ck->folders, "");
	if (e == 0 && !ck->o->no_folders)
		e = scan_each(ck, ck->root, list_one, ck);
	if (e)
		trouble(ck, "", e);
	check_names(ck);
}
