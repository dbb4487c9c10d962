/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/newname.o
/* The name that a message should have. */
#include <string.h>

#include "names.h"

enum {
	/* What takes a new base name, and what an info written anew. */
	FRESH = BIT(N16) | BIT(N19) | BIT(N22) | BIT(N24),
	ANEW = FRESH | BIT(N08) | BIT(N09) | BIT(N10) | BIT(N11) | BIT(N14) |
	    BIT(N15) | BIT(N18),
	/* What comes to light below leading dots, and goes with them. */
	BELOW = (ANEW & ~BIT(N11)) | BIT(N05) | BIT(Z03),
	WHOLE = BIT(N16) | BIT(N17) | BIT(N22) | BIT(N23) | BIT(N24),
	SIZES = BIT(Z01) | BIT(Z02) | BIT(Z04)
};

static void put_flags(struct str *out, const struct parts *p, bool known)
{
	str_put(out, "2,");
	for (char c = '0'; c <= 'z'; c++)
		if (p->set[c >> 6 & 1] >> (c & 63) & 1 &&
		    (!known || flag_known(c)))
			str_char(out, c);
}

struct fix {
	const struct entry *e;
	struct parts p;
	uint32_t want;
	bool fresh;		/* a new base name; only its sizes stay */
};

/* The sizes, right and once; other fields as they are. */
static void put_field(const struct fix *x, struct str *out, const char *s,
    size_t n, bool seen[2])
{
	uint64_t v, lf = x->e->bare_lf;
	int k = name_size_kind(s);
	bool wrong = k >= 0 && x->want & (k ? BIT(Z02) : BIT(Z01));
	bool bad = k < 0 ? x->fresh : seen[k] || scan_u64(s + 3, &v) != s + n;

	if ((bad && (x->fresh || x->want & BIT(Z03))) ||
	    (wrong && k && lf == UINT64_MAX))
		return;
	if (k >= 0)
		seen[k] = true;
	if (bad || !wrong) {
		str_mem(out, s, n);
		return;
	}
	str_mem(out, s, 3);
	str_u64(out, (uint64_t)x->e->st.st_size + (k ? lf : 0));
}

static void put_fields(const struct fix *x, struct str *out, size_t from,
    size_t to, bool seen[2])
{
	const char *s = x->p.name + from, *end = x->p.name + to;

	for (size_t n; s < end; s += n) {
		n = name_field_len(s, end);
		put_field(x, out, s, n, seen);
	}
}

static void put_base(struct ck *ck, const struct fix *x, struct str *out)
{
	bool seen[2] = { false, false };
	size_t start = out->len;

	if (x->fresh)
		fresh_base(ck, out);
	else
		str_mem(out, x->p.name, x->p.comma);
	put_fields(x, out, x->p.comma, x->p.base, seen);
	if (!seen[0] && x->want & BIT(Z04)) {
		str_put(out, ",S=");
		str_u64(out, (uint64_t)x->e->st.st_size);
	}
	if (out->len == start)	/* it was nothing but a bad size */
		fresh_base(ck, out);
}

static void put_info(const struct fix *x, struct str *out)
{
	const struct parts *p = &x->p;
	bool seen[2] = { true, true };

	if (p->info ? !(x->want & ANEW || (p->late && x->want & BIT(Z03))) :
	    !(x->want & BIT(N05) || (x->fresh && x->e->sub == MD_CUR))) {
		str_put(out, p->name + p->base);
		return;
	}
	str_char(out, p->sep);
	put_flags(out, p, x->want & BIT(N11));
	put_fields(x, out, p->field, p->field + p->nfield, seen);
}

int name_fixed(struct ck *ck, const struct entry *e, struct str *out)
{
	struct fix x = {
		.e = e, .want = (uint32_t)(e->want[0] >> N05 |
		    e->want[1] << (64 - N05))
	};
	const char *name = e->name;
	size_t start = out->len;
	uint32_t ids;

	ids = name_judge(ck, e, name, &x.p);
	if (ids & WHOLE & ~x.want)
		ids = x.want = 0;	/* no message's name, and not to be */
	x.want &= ids | SIZES;
	if (x.want & BIT(N17)) {
		while (*name == '.')
			name++;
		x.want |= name_judge(ck, e, name, &x.p) & BELOW;
	}
	x.fresh = x.want & FRESH ||
	    (x.want & BIT(N18) && x.p.odd < x.p.base);
	put_base(ck, &x, out);
	put_info(&x, out);
	return out->cut || out->len - start > MD_NAME_MAX ? -1 : 0;
}

int name_union(const char *keep, const char *other, struct str *out)
{
	struct parts k, o, *from = &k;
	size_t start = out->len;

	name_parse(&k, keep, ':');
	name_parse(&o, other, ':');
	(void)name_info(&k);
	(void)name_info(&o);
	k.set[0] |= o.set[0];
	k.set[1] |= o.set[1];
	if (!k.info)
		from = &o;
	str_mem(out, keep, k.base);
	if (from->info) {
		str_mem(out, from->name + from->base, from->info - from->base);
		put_flags(out, &k, false);
		str_mem(out, keep + k.field, k.nfield);
	}
	return out->cut || out->len - start > MD_NAME_MAX ? -1 : 0;
}
