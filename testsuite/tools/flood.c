/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flood RANDOM SHAPED [SEED]: asks the monitor for a login so many times, in
 * messages of random bytes and in such as have the shape of messages, with
 * other events between them.  testsuite/fuzz/request.c plays the world and
 * ends this program where the monitor does what it must not.
 *
 * Prints what has happened, in words of NAME=NUMBER.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "../fuzz/request.c"

enum { HEAD = 3, SESSION = 400 };

static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t v = draw();

		memcpy(p + i, &v, n - i < sizeof v ? n - i : sizeof v);
	}
}

/*
 * A session for each: the first that is none ends it.  Every other one has
 * the right size and a kind that there is.
 */
static void send_random(unsigned long many)
{
	static uint8_t p[HEAD + 5 + sizeof(struct pv_request)];

	while (total.messages < many) {
		fill(p, sizeof p);
		p[HEAD - 1] |= 1;
		p[HEAD] = p[HEAD] & 1;
		LLVMFuzzerTestOneInput(p, sizeof p);
	}
}

static void send_shaped(unsigned long many)
{
	uint8_t p[SESSION];

	while (total.messages < many) {
		size_t n = draw() % sizeof p;

		fill(p, n);
		LLVMFuzzerTestOneInput(p, n);
	}
}

static long memory(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return use.ru_maxrss;
}

int main(int argc, char **argv)
{
	unsigned long random, shaped;
	long before;

	assert(argc > 2);
	random = strtoul(argv[1], NULL, 10);
	shaped = strtoul(argv[2], NULL, 10);
	state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	state = state * 2 + 0x9E3779B97F4A7C15;
	send_random(random / 100);
	before = memory();
	send_random(random);
	send_shaped(random + shaped);
	printf("sessions=%lu messages=%lu bad=%lu wrong=%lu right=%lu "
	    "in=%lu most_logins=%u grown=%ld\n", total.sessions,
	    total.messages, total.bad, total.wrong, total.right, total.in,
	    (unsigned)total.most_logins, memory() - before);
	return 0;
}
