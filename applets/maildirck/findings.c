/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/findings.o
/* The table of findings, as numbers and as words. */
#include <string.h>
#include <unistd.h>

#include "maildirck.h"
#include "out.h"

const struct finding_info finding_info[ID_COUNT] = {
#define FINDING(id, severity, repair, level, title, text) \
	{ severity, repair, level },
#include "findings.h"
#undef FINDING
};

/*
 * Titles and texts, packed by scripts/pack.awk: a byte that is no printable
 * ASCII stands for two others.
 */
#include "findtext.h"

static void unpack(struct str *s, unsigned char c)
{
	const unsigned char *two;

	if (c >= ' ' && c < 0x7F) {
		str_char(s, (char)c);
		return;
	}
	two = pairs[c < ' ' ? c - 1 : c - 97];
	unpack(s, two[0]);
	unpack(s, two[1]);
}

/* The n-th string: counted, since pointers would be 1.8 KB more. */
static const char *word(struct str *s, const unsigned char *p, unsigned n)
{
	for (; n > 0; p++)
		n -= *p == 0;
	while (*p)
		unpack(s, *p++);
	return s->p;
}

const char *finding_title(enum id id)
{
	static char buf[64];
	struct str s;

	str_init(&s, buf, sizeof buf);
	return word(&s, titles, id);
}

#if ENABLE_FEATURE_MAILDIRCK_EXPLAIN
const char *finding_text(enum id id)
{
	static char buf[192];
	struct str s;

	str_init(&s, buf, sizeof buf);
	return word(&s, texts, id);
}
#endif

/* Ids of one letter are numbered without gaps: scripts/findings sees to it. */
const char *finding_name(enum id id)
{
	static const uint8_t first[] = { S01, T01, N01, Z01, F01, C01, M01 };
	static char name[ID_COUNT][4];
	unsigned i = sizeof first - 1, n;

	while (first[i] > id)
		i--;
	n = (unsigned)id - first[i] + 1;
	name[id][0] = "STNZFCM"[i];
	name[id][1] = (char)('0' + n / 10);
	name[id][2] = (char)('0' + n % 10);
	return name[id];
}

enum id finding_by_name(const char *name, size_t n)
{
	enum id id = 0;

	while (id < ID_COUNT && (n != 3 || memcmp(finding_name(id), name, 3)))
		id++;
	return id;
}

/* Id, severity, p y d or -, level, title: tabs between them. */
static int put_check(enum id id)
{
	static const char level[][6] = { "names", "stat", "head", "full" };
	const struct finding_info *f = &finding_info[id];
	char repair[] = { '\t', "-dyp"[f->repair], '\t', '\0' };

	return fd_puts(STDOUT_FILENO, finding_name(id), "\t",
	    ck_severity[f->severity], repair, level[f->level], "\t",
	    finding_title(id), "\n", (char *)NULL);
}

int report_list_checks(void)
{
	int e = 0;

	for (enum id id = 0; id < ID_COUNT; id++)
		e |= put_check(id);
	return e < 0 ? CK_ERROR : 0;
}

#if ENABLE_FEATURE_MAILDIRCK_EXPLAIN
int report_explain(const char *which)
{
	bool all = strcmp(which, "all") == 0;
	enum id id = all ? 0 : finding_by_name(which, strlen(which));

	if (id == ID_COUNT)
		return -1;
	do {
		put_check(id);
		fd_puts(STDOUT_FILENO, "\t", finding_text(id), "\n",
		    (char *)NULL);
	} while (all && ++id < ID_COUNT);
	return 0;
}
#endif
