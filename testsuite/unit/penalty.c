/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listener's table of penalties. */
#include "../../applets/mdpop3d/penalty.c"

#include <arpa/inet.h>

#include "tap.h"

enum { MOST = 600000, START = 1000000 };

static struct penalty table[PENALTY_SOURCES];
static int64_t now;

static void fresh(void)
{
	memset(table, 0, sizeof table);
	now = START;
}

static struct nio_addr ip(const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct nio_addr a = { .port = 0 };

	if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		nio_addr_from(&a, (struct sockaddr *)&six);
	else if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		nio_addr_from(&a, (struct sockaddr *)&four);
	return a;
}

static void add(const char *from, int64_t cost, int64_t most)
{
	struct nio_addr a = ip(from);

	penalty_add(table, &a, cost, most, now);
}

static bool refused(const char *from, int64_t most)
{
	struct nio_addr a = ip(from);

	return penalty_refuses(table, &a, most, now);
}

static void sources(void)
{
	static const struct {
		const char *one, *other;
		bool same;
	} pair[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "::192.0.2.1", false },
		{ "0.0.0.0", "::", false },
		{ "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", false },
		{ "2001:db8:1:2::1", "2001:db9:1:2::1", false }
	};

	for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
		bool good;

		fresh();
		add(pair[i].one, 90000, MOST);
		good = refused(pair[i].other, MOST) == pair[i].same;
		fresh();
		add(pair[i].other, 90000, MOST);
		good &= refused(pair[i].one, MOST) == pair[i].same;
		ok(good,
		    "C121 %s and %s: %s source", pair[i].one, pair[i].other,
		    pair[i].same ? "one" : "not one");
	}
}

static void amounts(void)
{
	fresh();
	ok(!refused("192.0.2.1", MOST), "C121 who is new owes nothing");
	for (int i = 0; i < 3; i++)
		add("192.0.2.1", 5000, MOST);
	ok(!refused("192.0.2.1", MOST), "C121 15 s are forgiven");
	add("192.0.2.1", 1, MOST);
	ok(refused("192.0.2.1", MOST), "C121 more is not");
	now++;
	ok(!refused("192.0.2.1", MOST), "C121 it passes");
	add("192.0.2.1", 90000, MOST);
	now += 90000 - 1;
	ok(refused("192.0.2.1", MOST), "C121 they add up");
	now++;
	ok(!refused("192.0.2.1", MOST), "C121 and pass together");
	now += 1000000;
	add("192.0.2.1", 15001, MOST);
	ok(refused("192.0.2.1", MOST), "C121 quiet time earns nothing");
	now += 1;
	ok(!refused("192.0.2.1", MOST), "C121 and costs nothing");
}

static void limits(void)
{
	fresh();
	for (int i = 0; i < 1000; i++)
		add("192.0.2.1", 90000, MOST);
	now += MOST - PENALTY_FREE - 1;
	ok(refused("192.0.2.1", MOST), "C121 the most");
	now++;
	ok(!refused("192.0.2.1", MOST), "C121 and no more than that");
	fresh();
	add("192.0.2.1", 5000, 8000);
	ok(refused("192.0.2.1", 8000), "C121 more than half of a small limit");
	now += 1000;
	ok(!refused("192.0.2.1", 8000), "C121 half of it is forgiven");
	fresh();
	add("192.0.2.1", 90000, 0);
	ok(!refused("192.0.2.1", 0), "C121 no penalties, no refusals");
}

/* Source n owes 20000 + 2 n ms. */
static void fill(void)
{
	char from[32];

	fresh();
	for (int i = 0; i < PENALTY_SOURCES; i++) {
		snprintf(from, sizeof from, "10.0.%d.%d", i / 100, i % 100);
		add(from, 20000 + 2 * i, MOST);
	}
}

static int count_refused(void)
{
	char from[32];
	int n = 0;

	for (int i = 0; i < PENALTY_SOURCES; i++) {
		snprintf(from, sizeof from, "10.0.%d.%d", i / 100, i % 100);
		n += refused(from, MOST);
	}
	return n;
}

static void bounds(void)
{
	fill();
	ok(count_refused() == PENALTY_SOURCES, "C121 256 sources fit");
	add("192.0.2.1", 16000, MOST);
	ok(refused("192.0.2.1", MOST), "C121 one more, too");
	ok(!refused("10.0.0.0", MOST), "C121 in place of who owes least");
	ok(count_refused() == PENALTY_SOURCES - 1, "C121 and of nobody else");
	add("192.0.2.2", 20000, MOST);
	ok(!refused("192.0.2.1", MOST) && refused("192.0.2.2", MOST) &&
	    count_refused() == PENALTY_SOURCES - 1, "C121 which is it, now");
	fill();
	add("10.0.2.55", 1000, MOST);
	ok(count_refused() == PENALTY_SOURCES,
	    "C121 who is in the table takes nobody's place");
	fill();
	now += 20003;
	add("192.0.2.1", 1, MOST);
	add("192.0.2.2", 1, MOST);
	now -= 20003;
	ok(count_refused() == PENALTY_SOURCES - 2, "C121 who has paid goes");
}

int main(void)
{
	sources();
	amounts();
	limits();
	bounds();
	return done();
}
