/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/mdname.o
#include <string.h>

#include "base.h"
#include "maildir.h"
#include "md5.h"

/* "SECONDS.": the time of delivery; "...M123": its microseconds. */
static void parse_time(const char *name, uint64_t *sec, uint64_t *usec)
{
	const char *p = scan_u64(name, sec);

	*usec = 0;
	if (p == NULL || *p != '.') {
		*sec = 0;
		return;
	}
	/* Only the delivery id, between the first and the second dot. */
	for (p++; *p && *p != '.' && *p != ':'; p++)
		if (*p == 'M' && scan_u64(p + 1, usec))
			return;
}

uint64_t md_name_when(const char *name)
{
	uint64_t sec, usec;

	parse_time(name, &sec, &usec);
	/* A time beyond the year 500000 is no time, and sorts last. */
	if (sec >> 44)
		return UINT64_MAX;
	return sec << 20 | (usec >> 20 ? 0xFFFFF : usec);
}

/* ",S=123" and ",W=123" before the info; a second one makes it unknown. */
static void parse_sizes(struct md_name *n, const char *name, const char *end)
{
	bool s_seen = false, w_seen = false;

	for (const char *p = name; p + 3 < end; p++) {
		bool *seen = p[1] == 'S' ? &s_seen : &w_seen;
		uint64_t *to = p[1] == 'S' ? &n->size : &n->wire;
		const char *d;
		uint64_t v;

		if (p[0] != ',' || (p[1] != 'S' && p[1] != 'W') || p[2] != '=')
			continue;
		*to = MD_NOSIZE;
		d = scan_u64(p + 3, &v);
		if (!*seen && d && (d == end || *d == ','))
			*to = v;
		*seen = true;
	}
}

static void parse_info(struct md_name *n, const char *info)
{
	char before = '\0';

	n->odd = info[0] != '2' || info[1] != ',';
	if (n->odd)
		return;
	for (info += 2; *info; info++) {
		if (*info >= 'A' && *info <= 'Z')
			n->flags |= MD_FLAG(*info);
		n->odd = n->odd || *info <= before ||
		    str_span("DFPRST", *info) == 6;
		before = *info;
	}
}

void md_name_parse(struct md_name *n, const char *name)
{
	size_t base = str_span(name, ':');

	*n = (struct md_name){
		.base = base, .size = MD_NOSIZE, .wire = MD_NOSIZE
	};
	parse_time(name, &n->sec, &n->usec);
	parse_sizes(n, name, name + base);
	if (name[base]) {
		n->info = base + 1;
		parse_info(n, name + n->info);
	}
}

static bool legal_uidl(const char *base, size_t n)
{
	if (n < 1 || n > MD_UIDL_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (base[i] < 0x21 || base[i] > 0x7E)
			return false;
	return true;
}

void md_uidl(char out[MD_UIDL_MAX + 1], const struct md_ent *e)
{
	unsigned char sum[MD5_SIZE];
	struct md5 m;
	struct str s;

	str_init(&s, out, MD_UIDL_MAX + 1);
	if (!(e->mark & MD_TWIN) && legal_uidl(e->name, e->base)) {
		str_mem(&s, e->name, e->base);
		return;
	}
	md5_begin(&m);
	md5_add(&m, e->name, e->base);
	if (e->mark & MD_TWIN) {
		str_char(&s, '/');
		str_u64(&s, e->ino);
		md5_add(&m, s.p, s.len);
		str_init(&s, out, MD_UIDL_MAX + 1);
	}
	md5_end(&m, sum);
	str_hex(&s, sum, sizeof sum);
}
