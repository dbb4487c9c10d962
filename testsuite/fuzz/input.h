/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver's input, taken apart. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *p, *end;
};

/* 0 where there is no more. */
static inline unsigned in_byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* A copy of its own size with a NUL behind it: one byte more is seen. */
static inline char *in_copy(const void *p, size_t n)
{
	char *copy = malloc(n + 1);

	assert(copy);
	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

/* What stands before the next 0xFF, or before the end; to be freed. */
static inline char *in_text(struct input *in, size_t *n)
{
	const uint8_t *p = in->p;

	while (in->p < in->end && *in->p != 0xFF)
		in->p++;
	*n = (size_t)(in->p - p);
	in->p += in->p < in->end;
	return in_copy(p, *n);
}

#endif
