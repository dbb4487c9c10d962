/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += libmd/base64.o
//kbuild:obj-$(CONFIG_MAILDIRCK) += libmd/base64.o
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_SASL) += libmd/base64.o
#include "base64.h"

#include <string.h>

static const char digit[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct str *s, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t bit;

	for (bit = 0; bit < 8 * n; bit += 6) {
		size_t at = bit / 8;
		unsigned v = (unsigned)p[at] << 8;

		if (at + 1 < n)
			v |= p[at + 1];
		str_char(s, digit[v >> (10 - bit % 8) & 63]);
	}
	for (; bit % 8; bit += 6)
		str_char(s, '=');
}

ptrdiff_t base64_decode(void *out, size_t cap, const char *text, size_t n)
{
	unsigned char *to = out;
	size_t bytes = 0, end = n;
	uint32_t v = 0;

	while (end > 0 && n - end < 2 && text[end - 1] == '=')
		end--;
	for (size_t i = 0; i < end; i++) {
		const char *d = memchr(digit, text[i], 64);

		if (d == NULL || bytes == cap)
			return -1;
		v = v << 6 | (uint32_t)(d - digit);
		/* 6, 12, 18, 24 bits have come: 4, 2, 0 of them are left */
		if (i % 4)
			to[bytes++] = (unsigned char)(v >> (6 - 2 * (i % 4)));
	}
	/* of "x" and "xy" there are 2 and 4 bits that must be zero */
	if (n % 4 || (v & ((1U << 2 * (n - end)) - 1)))
		return -1;
	return (ptrdiff_t)bytes;
}
