/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the names that maildirck gives to messages: whatever a name is and
 * whatever is to be repaired, each new one must be legal, and soon right, so
 * that another repair leaves it alone.  One defect may hide another, which
 * is for the next pass.
 *
 * The input: 8 bytes for the repairs, 1 for the directory and whether the
 * message was read, 2 for its size, and the name.  scripts/fuzz builds it.
 */
#include <assert.h>
#include <string.h>

#include "maildirck.h"

enum { HEAD = 11, CAP = 2 * MD_NAME_MAX, PASSES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_legal(const char *name, size_t n)
{
	assert(n > 0 && n <= MD_NAME_MAX && strlen(name) == n);
	assert(strchr(name, '/') == NULL);
	assert(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
}

/* False where the name cannot be repaired. */
static bool fix(struct ck *ck, struct entry *e, char out[CAP])
{
	struct str s;

	e->len = (uint16_t)strlen(e->name);
	md_name_parse(&e->n, e->name);
	str_init(&s, out, CAP);
	if (name_fixed(ck, e, &s) != 0)
		return false;
	check_legal(out, s.len);
	return true;
}

static void check_union(const char *a, const char *b)
{
	char out[CAP];
	struct str s;

	str_init(&s, out, sizeof out);
	if (name_union(a, b, &s) == 0)
		check_legal(out, s.len);
}

static void read_entry(struct entry *e, const uint8_t *data)
{
	static const uint64_t all = UINT64_MAX;

	for (int i = 0; i < 8; i++)
		e->want[0] = e->want[0] << 8 | data[i];
	e->want[1] = data[8] & 4 ? all : 0;
	e->sub = data[8] & 1 ? MD_CUR : MD_NEW;
	e->bare_lf = data[8] & 2 ? 3 : UINT64_MAX;
	e->st.st_size = data[9] << 8 | data[10];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options o = { .info_sep = ':' };
	struct ck ck = { .o = &o, .path = "Maildir", .now = 1700000000 };
	struct folder f = { .name = "" };
	struct entry e = { .f = &f };
	char name[PASSES + 1][CAP];

	if (size <= HEAD || size > HEAD + MD_NAME_MAX)
		return 0;
	read_entry(&e, data);
	memcpy(name[0], data + HEAD, size - HEAD);
	name[0][size - HEAD] = '\0';
	if (!name[0][0] || strchr(name[0], '/') || !strcmp(name[0], ".") ||
	    !strcmp(name[0], ".."))
		return 0;
	for (int i = 0; i < PASSES; i++) {
		e.name = name[i];
		if (!fix(&ck, &e, name[i + 1]))
			return 0;
	}
	assert(strcmp(name[PASSES - 1], name[PASSES]) == 0);
	check_union(name[0], name[1]);
	check_union(name[1], name[0]);
	return 0;
}
