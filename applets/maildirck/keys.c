/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/keys.o
/* Many 64-bit keys: sixteen bytes a message are all that a check keeps. */
#include <errno.h>
#include <string.h>

#include "maildirck.h"

enum { RADIX = 256, FEW = 64 };

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* Little-endian, on every machine. */
static uint64_t word(const unsigned char *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << 8 * i;
	return w;
}

/* SipHash-1-3 (Aumasson, Bernstein 2012), one seed for both key halves. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t v[4] = {
		seed ^ 0x736f6d6570736575, ~seed ^ 0x646f72616e646f6d,
		seed ^ 0x6c7967656e657261, ~seed ^ 0x7465646279746573
	};
	size_t left = n;
	uint64_t w;

	do {
		w = left >= 8 ? word(p, 8) : word(p, left) | (uint64_t)n << 56;
		v[3] ^= w;
		sip_round(v);
		v[0] ^= w;
		p += 8;
	} while (left >= 8 && (left -= 8, true));
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct pair *pairs(const struct keys *k)
{
	return (struct pair *)(void *)k->area.p;
}

int keys_add(struct keys *k, uint64_t key, uint64_t value)
{
	int e = md_area_grow(&k->area, (k->n + 1) * sizeof(struct pair));

	if (e)
		return e;
	pairs(k)[k->n++] = (struct pair){ key, value };
	k->area.len = k->n * sizeof(struct pair);
	return 0;
}

/* Below FEW the counters of a radix pass cost more than the keys. */
static void insert_sort(struct pair *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct pair x = p[i];
		size_t j = i;

		for (; j > 0 && p[j - 1].key > x.key; j--)
			p[j] = p[j - 1];
		p[j] = x;
	}
}

/*
 * By one byte of the key after the other, in place: eight passes at most,
 * whatever the keys are.
 */
static void sort(struct pair *p, size_t n, unsigned shift)
{
	uint32_t next[RADIX] = { 0 }, end[RADIX];
	size_t at = 0;

	if (n <= FEW) {
		insert_sort(p, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		next[p[i].key >> shift & 255]++;
	for (int b = 0; b < RADIX; b++) {
		at += next[b];
		end[b] = (uint32_t)at;
		next[b] = (uint32_t)at - next[b];
	}
	for (int b = 0; b < RADIX; b++) {
		while (next[b] < end[b]) {
			struct pair x = p[next[b]];
			unsigned to = x.key >> shift & 255;

			p[next[b]] = p[next[to]];
			p[next[to]++] = x;
		}
	}
	for (int b = 0; shift > 0 && b < RADIX; b++) {
		size_t start = b > 0 ? end[b - 1] : 0;

		sort(p + start, end[b] - start, shift - 8);
	}
}

void keys_sort(struct keys *k)
{
	sort(pairs(k), k->n, 56);
}

size_t keys_find(const struct keys *k, uint64_t key)
{
	size_t low = 0, high = k->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (pairs(k)[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < k->n && pairs(k)[low].key == key ? low : k->n;
}

int keys_twins(const struct keys *k, struct keys *twins)
{
	const struct pair *p = pairs(k);

	for (size_t i = 0; i < k->n; i++) {
		int e = 0;

		if ((i > 0 && p[i - 1].key == p[i].key) ||
		    (i + 1 < k->n && p[i + 1].key == p[i].key))
			e = keys_add(twins, p[i].value, p[i].key);
		if (e)
			return e;
	}
	keys_sort(twins);
	return 0;
}

void keys_free(struct keys *k)
{
	md_area_free(&k->area);
	k->n = 0;
}
