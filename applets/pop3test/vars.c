/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/vars.o
/*
 * Variables, in one area of records: name length, room for the value,
 * name, NUL, value, NUL.  A value that outgrows its record gets a new one.
 */
#include <errno.h>
#include <string.h>

#include "script.h"

enum {
	HEAD = 3,		/* name length; room, low byte first */
	ROOM = 24,		/* a number grows without moving */
	AREA_MAX = 1024 * 1024
};

static size_t room_of(const char *rec)
{
	const unsigned char *b = (const unsigned char *)rec;

	return b[1] | (size_t)b[2] << 8;
}

static size_t size_of(const char *rec)
{
	return HEAD + (unsigned char)rec[0] + 1 + room_of(rec);
}

static char *value_of(char *rec)
{
	return rec + HEAD + (unsigned char)rec[0] + 1;
}

static const char *end(const struct vars *v)
{
	return v->area.p ? v->area.p + v->area.len : NULL;
}

static char *find(const struct vars *v, const char *name, size_t n)
{
	for (char *rec = v->area.p; rec < end(v); rec += size_of(rec))
		if ((unsigned char)rec[0] == n && rec[HEAD] &&
		    memcmp(rec + HEAD, name, n) == 0)
			return rec;
	return NULL;
}

const char *vars_get(const struct vars *v, const char *name, size_t n)
{
	char *rec = find(v, name, n);

	return rec ? value_of(rec) : NULL;
}

void vars_unset(struct vars *v, const char *name, size_t n)
{
	char *rec = find(v, name, n);

	if (rec)
		rec[HEAD] = '\0';
}

static char *append(struct vars *v, const char *name, size_t n, size_t room)
{
	size_t size = HEAD + n + 1 + room;
	char *rec = v->area.p;

	/* in the place of one that is not used any more */
	while (rec < end(v) && (rec[HEAD] || (unsigned char)rec[0] != n ||
	    room_of(rec) < room))
		rec += size_of(rec);
	if (rec < end(v)) {
		memcpy(rec + HEAD, name, n);
		return rec;
	}
	if (v->area.len + size > AREA_MAX ||
	    md_area_grow(&v->area, v->area.len + size) < 0)
		return NULL;
	rec = v->area.p + v->area.len;
	v->area.len += size;
	rec[0] = (char)n;
	rec[1] = (char)(room & 0xFF);
	rec[2] = (char)(room >> 8);
	memcpy(rec + HEAD, name, n);
	rec[HEAD + n] = '\0';
	return rec;
}

/* `value` may not lie in the variables' own area, which may move. */
int vars_set(struct vars *v, const char *name, size_t n, const char *value,
    size_t len)
{
	char *rec = find(v, name, n);

	if (len > VALUE_MAX - 1)
		len = VALUE_MAX - 1;
	if (rec && len + 1 > room_of(rec)) {
		rec[HEAD] = '\0';
		rec = NULL;
	}
	if (!rec)
		rec = append(v, name, n, len + 1 > ROOM ? len + 1 : ROOM);
	if (!rec)
		return -ENOMEM;
	memcpy(value_of(rec), value, len);
	value_of(rec)[len] = '\0';
	return 0;
}

int vars_each(const struct vars *v, int (*f)(void *ctx, const char *name,
    const char *value), void *ctx)
{
	int e = 0;

	for (char *rec = v->area.p; rec < end(v) && e == 0;
	    rec += size_of(rec))
		if (rec[HEAD])
			e = f(ctx, rec + HEAD, value_of(rec));
	return e;
}

void vars_free(struct vars *v)
{
	md_area_free(&v->area);
}
