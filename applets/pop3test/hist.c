/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/hist.o
#include "hist.h"

#include <stddef.h>

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * The first 64 buckets hold a value each; from there on the bits behind
 * the five highest do not count.
 */
static unsigned index_of(uint32_t v)
{
	unsigned shift = 26U - (unsigned)__builtin_clz(v | HIST_SUB);

	return shift * HIST_SUB + (v >> shift);
}

/* The highest value of a bucket; of the last, 2^32 - 1. */
static uint32_t highest(unsigned i)
{
	unsigned shift = i < HIST_SUB ? 0 : i / HIST_SUB - 1;

	return ((uint32_t)(i - shift * HIST_SUB + 1) << shift) - 1;
}

void hist_add(struct hist *h, int64_t us)
{
	uint32_t v = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	uint32_t max = load(&h->max);

	__atomic_fetch_add(&h->bucket[index_of(v)], 1, __ATOMIC_RELAXED);
	while (max < v && !__atomic_compare_exchange_n(&h->max, &max, v,
	    0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

uint64_t hist_count(const struct hist *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		n += load(&h->bucket[i]);
	return n;
}

uint32_t hist_max(const struct hist *h)
{
	return load(&h->max);
}

uint32_t hist_percentile(const struct hist *h, unsigned of_10000)
{
	uint64_t want = hist_count(h) * of_10000, n = 0;
	uint32_t max = hist_max(h);

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		n += load(&h->bucket[i]);
		if (n > 0 && n * 10000 >= want)
			return highest(i) < max ? highest(i) : max;
	}
	return max;
}

static void add_times(uint32_t *bucket, uint64_t times)
{
	*bucket = times > UINT32_MAX - *bucket ? UINT32_MAX :
	    *bucket + (uint32_t)times;
}

/*
 * The values left of v are interval + rest, 2 * interval + rest, ...: how
 * many a bucket gets is told by its bounds, which takes the same time
 * however many they are.
 */
static void fill_in(struct hist *to, uint32_t v, uint32_t interval,
    uint32_t times)
{
	uint32_t rest = v % interval, last = v / interval - 1, done = 0;

	for (unsigned i = index_of(interval); done < last; i++) {
		uint32_t upto = (highest(i) - rest) / interval;

		if (upto > last)
			upto = last;
		add_times(&to->bucket[i], (uint64_t)(upto - done) * times);
		done = upto;
	}
}

void hist_correct(const struct hist *from, struct hist *to,
    uint32_t interval)
{
	uint32_t max = hist_max(from);

	*to = (struct hist){ .max = max };
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint32_t n = load(&from->bucket[i]);
		uint32_t v = highest(i) < max ? highest(i) : max;

		add_times(&to->bucket[i], n);
		if (n > 0 && interval > 0 && v > interval)
			fill_in(to, v, interval, n);
	}
}
