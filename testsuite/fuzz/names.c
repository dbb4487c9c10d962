/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what pop3test makes of a name server's answer: the input is the
 * DNS message, for the question of make_question().  To get beyond the
 * first check its head and question are put right; the first byte says
 * what for, and whether they are left alone.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -std=c99 \
 *       -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilibmd -Ibuild \
 *       -include build/autoconf.h -o names testsuite/fuzz/names.c \
 *       applets/pop3test/trouble.c libmd/base.c libmd/netio.c libmd/users.c
 *   ./names -max_len=1024 -max_total_time=60
 */
#include <assert.h>
#include <stdlib.h>

#include "../../applets/pop3test/names.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every address that is taken stands in the message, as a whole. */
static void check(const struct search *s, const uint8_t *p, size_t n,
    unsigned char type)
{
	size_t size = type == TYPE_A ? 4 : 16, at;

	assert(s->n >= 0 && s->n <= ADDRESSES);
	for (int i = 0; i < s->n; i++) {
		const unsigned char *ip = s->found[i].ip + 16 - size;

		for (at = 0; at + size <= n; at++)
			if (memcmp(p + at, ip, size) == 0)
				break;
		assert(at + size <= n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nio_addr found[ADDRESSES];
	struct search s = { .host = "mail.example.org", .found = found };
	unsigned char q[QUESTION], *p;
	unsigned char type = size && data[0] & 1 ? TYPE_AAAA : TYPE_A;
	size_t len = make_question(q, s.host, type);
	enum outcome o;

	if (size == 0)
		return 0;
	/* A copy of its own size, so that one byte too many is seen. */
	p = malloc(size);
	memcpy(p, data, size);
	if (!(data[0] & 2) && size >= len) {
		unsigned char flags = p[3], high = p[6], low = p[7];

		memcpy(p, q, len);
		p[2] = 0x80;
		p[3] = flags;
		p[6] = high;
		p[7] = low;
	}
	o = take_answer(&s, q, len, p, size);
	assert((o == GOT_ADDRESS) == (s.n > 0));
	check(&s, p, size, type);
	free(p);
	return 0;
}
