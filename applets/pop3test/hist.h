/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often things took how long, in constant space: 32 buckets for each
 * power of two, so that a value told is at most 1/32 (3.2 %) too large,
 * and exact below 64 microseconds.  Processes may add to one in shared
 * memory; adding takes no lock.
 */
#ifndef POP3TEST_HIST_H
#define POP3TEST_HIST_H

#include <stdint.h>

enum {
	HIST_SUB = 32,
	HIST_BUCKETS = (32 - 4) * HIST_SUB	/* for all of 32 bits */
};

struct hist {			/* all zero: empty */
	uint32_t max;		/* exact */
	uint32_t bucket[HIST_BUCKETS];
};

/* Below 0 counts as 0, what 32 bits cannot hold as UINT32_MAX (71 min). */
void hist_add(struct hist *h, int64_t us);
uint64_t hist_count(const struct hist *h);
uint32_t hist_max(const struct hist *h);
/* What so many of 10000 did not exceed, 9990 for 99.9 %; 0 when empty. */
uint32_t hist_percentile(const struct hist *h, unsigned of_10000);
/*
 * Coordinated omission: who asks each `interval` and waits for the answer
 * does not ask while one takes long, and measures the fewer the worse it
 * is.  As HdrHistogram does, *to gets for each value v above the interval
 * v - interval, v - 2 * interval, ... too, down to the interval.
 */
void hist_correct(const struct hist *from, struct hist *to,
    uint32_t interval);

#endif
