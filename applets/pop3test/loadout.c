/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/loadout.o
/*
 * What a load run has found: a table, or lines of JSON.  Both are forms
 * that the same numbers are put into.
 */
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "verbs.h"

static const char verb_name[PT_VERBS][9] = {
	[V_CONNECT] = "connect", [V_GREETING] = "greeting", [V_TLS] = "TLS",
	[V_AUTH] = "login", [V_CAPA] = "CAPA", [V_STAT] = "STAT",
	[V_LIST] = "LIST", [V_UIDL] = "UIDL", [V_TOP] = "TOP",
	[V_RETR] = "RETR", [V_DELE] = "DELE", [V_RSET] = "RSET",
	[V_NOOP] = "NOOP", [V_QUIT] = "QUIT", [V_OTHER] = "other",
	[V_SESSION] = "session"
};

static struct out out;

static void put_number(struct str *s, uint64_t n, bool milli, size_t width)
{
	char buf[32];
	struct str d;

	str_init(&d, buf, sizeof buf);
	str_u64(&d, milli ? n / 1000 : n);
	if (milli) {
		str_char(&d, '.');
		for (unsigned unit = 100; unit; unit /= 10)
			str_char(&d, (char)('0' + n / unit % 10));
	}
	for (; width > d.len; width--)
		str_char(s, ' ');
	str_put(s, d.p);
}

void put_form(struct str *s, const char *form, const uint64_t *n)
{
	while (*form) {
		char c = *form;
		size_t width = 1;

		if (c == '#' || c == '@') {
			while (form[width] == c)
				width++;
			put_number(s, *n++, c == '@', width);
		} else {
			str_char(s, c);
		}
		form += width;
	}
}

static void put(const char *form, const uint64_t *n)
{
	char buf[640];
	struct str s;

	str_init(&s, buf, sizeof buf);
	put_form(&s, form, n);
	out_put(&out, s.p);
}

/* ---- verbs -------------------------------------------------------------- */

/* How many, and p50 p90 p99 p99.9 max. */
static void times(const struct hist *h, uint64_t n[6])
{
	static const uint16_t of_10000[] = { 5000, 9000, 9900, 9990, 10000 };

	n[0] = hist_count(h);
	for (int i = 0; i < 5; i++)
		n[i + 1] = hist_percentile(h, of_10000[i]);
}

static void sums(const struct load *l, int verb, uint64_t n[2])
{
	n[0] = n[1] = 0;
	for (uint32_t i = 0; i < l->workers; i++) {
		n[0] += l->tally[i].errors[verb];
		n[1] += l->tally[i].octets[verb];
	}
}

static void name(int verb, size_t width)
{
	out_put(&out, verb_name[verb]);
	for (size_t n = strlen(verb_name[verb]); n < width; n++)
		out_put(&out, " ");
}

static void table(const struct load *l)
{
	uint64_t n[8];

	out_put(&out, "\nservice    count errors     KB       p50       p90"
	    "       p99     p99.9       max\n");
	for (int v = 0; v < PT_VERBS; v++) {
		times(&l->sh->service[v], n + 2);
		n[0] = n[2];
		sums(l, v, n + 1);
		n[2] /= 1024;
		if (n[0] == 0)
			continue;
		name(v, 9);
		put("##############", n);
		put("#######@@@@@@@@@@", n + 2);
	}
}
