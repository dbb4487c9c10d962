/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/md5.o
#include "md5.h"

#include <string.h>

#include "base.h"

/* floor(2^32 * |sin(i + 1)|): RFC 1321 section 3.4. */
static const uint32_t sine[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
	0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
	0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
	0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391
};

static uint32_t load32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static void store32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

/* Round i's mixing function, and the word of the block it takes. */
static uint32_t mix(unsigned i, const uint32_t v[4], unsigned *word)
{
	uint32_t b = v[1], c = v[2], d = v[3];

	switch (i / 16) {
	case 0:
		*word = i;
		return (b & c) | (~b & d);
	case 1:
		*word = (5 * i + 1) % 16;
		return (d & b) | (~d & c);
	case 2:
		*word = (3 * i + 5) % 16;
		return b ^ c ^ d;
	default:
		*word = 7 * i % 16;
		return c ^ (b | ~d);
	}
}

static void block(struct md5 *m, const unsigned char *p)
{
	static const unsigned char turn[4][4] = {
		{ 7, 12, 17, 22 }, { 5, 9, 14, 20 },
		{ 4, 11, 16, 23 }, { 6, 10, 15, 21 }
	};
	uint32_t v[4];

	memcpy(v, m->h, sizeof v);
	for (unsigned i = 0; i < 64; i++) {
		unsigned r = turn[i / 16][i % 4], word;
		uint32_t f = mix(i, v, &word);

		f += v[0] + sine[i] + load32(p + 4 * word);
		v[0] = v[3];
		v[3] = v[2];
		v[2] = v[1];
		v[1] += f << r | f >> (32 - r);
	}
	for (int i = 0; i < 4; i++)
		m->h[i] += v[i];
}

void md5_begin(struct md5 *m)
{
	static const uint32_t start[4] = {
		0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476
	};

	memcpy(m->h, start, sizeof start);
	m->bytes = 0;
}

void md5_add(struct md5 *m, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n > 0) {
		size_t used = m->bytes % 64;
		size_t take = n < 64 - used ? n : 64 - used;

		memcpy(m->block + used, p, take);
		m->bytes += take;
		p += take;
		n -= take;
		if (used + take == 64)
			block(m, m->block);
	}
}

void md5_end(struct md5 *m, unsigned char out[MD5_SIZE])
{
	uint64_t bits = m->bytes * 8;
	unsigned char length[8];

	md5_add(m, "\x80", 1);
	while (m->bytes % 64 != 56)
		md5_add(m, "", 1);
	store32(length, (uint32_t)bits);
	store32(length + 4, (uint32_t)(bits >> 32));
	md5_add(m, length, sizeof length);
	for (int i = 0; i < 4; i++)
		store32(out + 4 * i, m->h[i]);
}

struct hmac {
	struct md5 md5;
	unsigned char key[64];
};

/* MD5 of the key, changed by `flip` in each byte, and the text. */
static void keyed(struct hmac *h, unsigned char flip, const void *text,
    size_t n, unsigned char out[MD5_SIZE])
{
	for (int i = 0; i < 64; i++)
		h->key[i] ^= flip;
	md5_begin(&h->md5);
	md5_add(&h->md5, h->key, sizeof h->key);
	md5_add(&h->md5, text, n);
	md5_end(&h->md5, out);
}

void md5_hmac(const void *key, size_t keylen, const void *text, size_t n,
    unsigned char out[MD5_SIZE])
{
	struct hmac h = { .key = { 0 } };

	if (keylen > sizeof h.key) {
		md5_begin(&h.md5);
		md5_add(&h.md5, key, keylen);
		md5_end(&h.md5, h.key);
	} else {
		memcpy(h.key, key, keylen);
	}
	keyed(&h, 0x36, text, n, out);
	keyed(&h, 0x36 ^ 0x5c, out, MD5_SIZE, out);
	wipe(&h, sizeof h);
}
