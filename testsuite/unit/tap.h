/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAP for the unit tests, which may use stdio: they are not shipped. */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <string.h>

static int tap_number, tap_failures;

#define ok(cond, ...) do { \
	int tap_good = (cond) != 0; \
	tap_failures += !tap_good; \
	printf("%sok %d - ", tap_good ? "" : "not ", ++tap_number); \
	printf(__VA_ARGS__); \
	printf("\n"); \
	if (!tap_good) \
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
} while (0)

#define is_text(got, want, ...) do { \
	const char *tap_got = (got), *tap_want = (want); \
	ok(strcmp(tap_got, tap_want) == 0, __VA_ARGS__); \
	if (strcmp(tap_got, tap_want) != 0) \
		printf("# got  %s\n# want %s\n", tap_got, tap_want); \
} while (0)

static inline int done(void)
{
	printf("1..%d\n", tap_number);
	return tap_failures != 0;
}

#endif
