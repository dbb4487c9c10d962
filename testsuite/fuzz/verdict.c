/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what a checking program tells the monitor: the input is the
 * record.  What is taken for a login must be one to the last digit, and all
 * else is a refusal or trouble.  scripts/fuzz builds it.
 */
#include "auth.h"
#include "input.h"
#include "mdpop3d.h"

enum { STRINGS = 8, RECORD = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Its strings, if there are as many as there should be and nothing else. */
static bool take_apart(const char *p, size_t n, const char *to[STRINGS])
{
	int found = 0;

	if (n == 0 || p[n - 1] != '\0')
		return false;
	for (const char *at = p; at < p + n; at += strlen(at) + 1) {
		if (found == STRINGS)
			return false;
		to[found++] = at;
	}
	return found == STRINGS;
}

/* Decimal, with leading zeros if need be; at most `most`. */
static bool is_number(const char *z, size_t n, uint64_t most, uint64_t *value)
{
	unsigned __int128 v = 0;

	if (n == 0)
		return false;
	for (; n > 0; n--, z++) {
		if (*z < '0' || *z > '9')
			return false;
		v = v * 10 + (unsigned)(*z - '0');
		if (v > UINT64_MAX)
			return false;
	}
	*value = (uint64_t)v;
	return v <= most;
}

static bool is_id(const char *z, uint32_t id)
{
	uint64_t v;

	return is_number(z, strlen(z), UINT32_MAX - 1, &v) && v == id;
}

static bool is_list(const char *z, const gid_t *list, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len = strcspn(z, ",");
		uint64_t v;

		if (!is_number(z, len, UINT32_MAX - 1, &v) || v != list[i])
			return false;
		z += len;
		if (i < n - 1 && *z++ != ',')
			return false;
	}
	return *z == '\0';
}

/* Whether it names somebody who may be let in. */
static bool is_login(const char *const f[STRINGS])
{
	uint64_t v;
	size_t groups = 0;

	for (const char *g = f[4]; *f[4]; groups++) {
		size_t len = strcspn(g, ",");

		if (!is_number(g, len, UINT32_MAX - 1, &v))
			return false;
		g += len;
		if (*g++ == '\0') {
			groups++;
			break;
		}
	}
	return is_number(f[0], strlen(f[0]), 0, &v) && f[1][0] &&
	    strlen(f[1]) < AU_FIELD &&
	    is_number(f[2], strlen(f[2]), UINT32_MAX - 1, &v) &&
	    is_number(f[3], strlen(f[3]), UINT32_MAX - 1, &v) &&
	    groups <= AU_GROUPS && f[5][0] == '/' &&
	    strlen(f[5]) < AU_FIELD &&
	    strlen(f[6]) < sizeof((struct verdict *)0)->maildir;
}

static void check_user(const char *const f[STRINGS], const struct au_user *u,
    const struct verdict *v)
{
	assert(strcmp(u->name, f[1]) == 0 && strcmp(u->home, f[5]) == 0);
	assert(is_id(f[2], u->uid) && is_id(f[3], u->gid));
	assert(u->groups >= 0 && u->groups <= AU_GROUPS);
	assert(is_list(f[4], u->group, u->groups));
	assert(strcmp(v->maildir, f[6]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size < RECORD ? size : RECORD;
	char *p = malloc(n + !n), *copy = in_copy(data, n);
	const char *f[STRINGS];
	struct au_user u = { .groups = 0 };
	struct verdict v = { .detail = "" };
	bool whole = take_apart(copy, n, f);
	uint64_t code;
	int result;

	memcpy(p, copy, n);
	result = check_parse(p, n, &u, &v);
	assert(result >= 0 && result < AU_RESULTS);
	assert((result == AU_OK) == (whole && is_login(f)));
	if (result == AU_OK)
		check_user(f, &u, &v);
	else if (result != AU_TROUBLE)
		assert(whole && is_number(f[0], strlen(f[0]), AU_RESULTS - 1,
		    &code) && (int)code == result);
	assert(memchr(u.name, 0, sizeof u.name));
	assert(memchr(v.maildir, 0, sizeof v.maildir));
	assert(memchr(v.detail, 0, sizeof v.detail));
	free(copy);
	free(p);
	return 0;
}
