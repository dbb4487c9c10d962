/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes base 64: the first byte is how much room there is for what comes
 * out (255: enough), the rest is the text.  Whatever is taken for base 64
 * must be what is made of its bytes, and nothing of that may be refused.
 * scripts/fuzz builds it.
 */
#include "base64.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Three bytes at a time, as RFC 4648 draws it. */
static char *encode(const unsigned char *p, size_t n, size_t *len)
{
	char *text = malloc(n / 3 * 4 + 5);

	*len = 0;
	for (size_t i = 0; i < n; i += 3) {
		unsigned a = p[i], b = i + 1 < n ? p[i + 1] : 0;
		unsigned c = i + 2 < n ? p[i + 2] : 0;

		text[(*len)++] = letters[a / 4];
		text[(*len)++] = letters[a % 4 * 16 + b / 16];
		text[(*len)++] = i + 1 < n ? letters[b % 16 * 4 + c / 64] :
		    '=';
		text[(*len)++] = i + 2 < n ? letters[c % 64] : '=';
	}
	text[*len] = '\0';
	return text;
}

static void check_decoder(const char *text, size_t n, size_t cap)
{
	unsigned char *out = malloc(cap + !cap);
	ptrdiff_t r = base64_decode(out, cap, text, n);
	size_t len;
	char *again;

	assert(r <= (ptrdiff_t)cap);
	if (r >= 0) {
		again = encode(out, (size_t)r, &len);
		assert(len == n && memcmp(again, text, n) == 0);
		free(again);
	}
	free(out);
}

/* There and back, and what does not fit. */
static void check_encoder(const unsigned char *p, size_t n)
{
	size_t len;
	char *text = encode(p, n, &len), *got = malloc(len + 1);
	struct str s;

	str_init(&s, got, len + 1);
	base64_put(&s, p, n);
	assert(!s.cut && s.len == len && strcmp(got, text) == 0);
	/* in place */
	assert(base64_decode(got, n, got, len) == (ptrdiff_t)n);
	assert(n == 0 || memcmp(got, p, n) == 0);
	assert(n == 0 || base64_decode(got, n - 1, text, len) == -1);
	free(got);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned cap = in_byte(&in);
	size_t n = (size_t)(in.end - in.p);
	char *text = in_copy(in.p, n);

	check_decoder(text, n, cap == 255 ? n : cap);
	check_encoder(in.p, n);
	free(text);
	return 0;
}
