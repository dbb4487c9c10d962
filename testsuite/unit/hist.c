/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Latencies: percentiles against those of the sorted values themselves. */
#include "../../applets/pop3test/hist.c"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { SAMPLES = 50000 };

static struct hist h, fixed;
static uint32_t sample[SAMPLES];

static void buckets(void)
{
	int wrong = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint32_t low = i ? highest(i - 1) + 1 : 0, high = highest(i);

		wrong += index_of(low) != i || index_of(high) != i ||
		    high < low || (uint64_t)(high - low) * 32 > low;
	}
	ok(wrong == 0, "buckets meet, and are at most 1/32 wide");
	ok(highest(HIST_BUCKETS - 1) == UINT32_MAX, "and all are needed");
	for (uint32_t v = 0; v < 64; v++)
		wrong += highest(index_of(v)) != v;
	ok(wrong == 0, "values below 64 are exact");
}

static void ends(void)
{
	h = (struct hist){ 0 };
	ok(hist_count(&h) == 0 && hist_max(&h) == 0 &&
	    hist_percentile(&h, 5000) == 0, "an empty one");
	hist_add(&h, 1000);
	ok(hist_percentile(&h, 0) == 1000 && hist_percentile(&h, 10000) ==
	    1000 && hist_max(&h) == 1000, "no percentile is above the maximum");
	hist_add(&h, -5);
	ok(hist_percentile(&h, 0) == 0 && hist_percentile(&h, 5000) == 0 &&
	    hist_percentile(&h, 5001) == 1000, "half of two is one");
	hist_add(&h, (int64_t)UINT32_MAX + 12345);
	ok(hist_max(&h) == UINT32_MAX && hist_percentile(&h, 10000) ==
	    UINT32_MAX && hist_count(&h) == 3, "71 minutes and more");
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The least of n sorted values that so many are not above. */
static uint32_t exact(const uint32_t *v, uint64_t n, unsigned of_10000)
{
	uint64_t rank = (n * of_10000 + 9999) / 10000;

	return v[rank ? rank - 1 : 0];
}

/* How many percentiles of h are not those of the values, or 1/32 above. */
static int differ(const struct hist *hist, const uint32_t *v, uint64_t n)
{
	int wrong = hist_count(hist) != n || hist_max(hist) != v[n - 1];

	for (unsigned p = 0; p <= 10000; p++) {
		uint64_t want = exact(v, n, p), got = hist_percentile(hist, p);

		wrong += got < want || (got - want) * 32 > want;
	}
	return wrong;
}

static uint32_t random32(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 32);
}

static void percentiles(void)
{
	for (unsigned shift = 0; shift < 32; shift += 6) {
		h = (struct hist){ 0 };
		for (int i = 0; i < SAMPLES; i++) {
			sample[i] = random32() >> shift >> random32() % 4;
			hist_add(&h, sample[i]);
		}
		qsort(sample, SAMPLES, sizeof *sample, by_value);
		ok(differ(&h, sample, SAMPLES) == 0,
		    "percentiles of values below 2^%u", 32 - shift);
	}
}

static void correction(void)
{
	static uint32_t all[2 * SAMPLES];
	uint32_t intervals[] = { 1, 3, 10, 63, 64, 100, 1000, 5000, 6000 };

	for (size_t k = 0; k < sizeof intervals / sizeof *intervals; k++) {
		uint32_t step = intervals[k];
		unsigned n = 0;

		/* highest values of buckets: there is no error to add up */
		h = (struct hist){ 0 };
		while (n < SAMPLES) {
			uint32_t v = highest(index_of(random32() % 5999));

			hist_add(&h, v);
			all[n++] = v;
			for (; v >= 2 * step && n < 2 * SAMPLES; v -= step)
				all[n++] = v - step;
			if (n == 2 * SAMPLES)
				break;
		}
		qsort(all, n, sizeof *all, by_value);
		hist_correct(&h, &fixed, step);
		ok(n < 2 * SAMPLES && differ(&fixed, all, n) == 0,
		    "correction of what was to be each %u us", step);
	}
	hist_correct(&h, &fixed, 0);
	ok(memcmp(&h, &fixed, sizeof h) == 0, "no interval, no correction");
	h = (struct hist){ .max = UINT32_MAX };
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		h.bucket[i] = UINT32_MAX;
	hist_correct(&h, &fixed, 1);
	ok(fixed.bucket[0] == UINT32_MAX && fixed.bucket[HIST_BUCKETS - 1] ==
	    UINT32_MAX, "huge counts end at what a counter holds");
}

static void shared(void)
{
	struct hist *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		exit(1);
	fflush(stdout);
	for (int i = 1; i <= 4; i++)
		if (fork() == 0) {
			for (int k = 0; k < 1000000; k++)
				hist_add(s, k % 4 * i);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	ok(hist_count(s) == 4000000 && hist_max(s) == 12 &&
	    s->bucket[0] == 1000000, "processes lose nothing in shared memory");
}

int main(void)
{
	buckets();
	ends();
	percentiles();
	correction();
	shared();
	return done();
}
