/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regular expressions: by hand, as the libc has them, against the clock. */
#include "ere.h"

#include <regex.h>
#include <stdlib.h>
#include <time.h>

#include "base.h"
#include "tap.h"

#if !ENABLE_POP3TEST
#include "../../libmd/ere.c"
#endif

static struct ere e;

/* The groups as "TEXT,TEXT", "-" for one without part; or the trouble. */
static const char *groups(const char *pattern, const char *text, unsigned n)
{
	static char out[256];
	struct ere_span g[ERE_GROUPS + 2];
	const char *error;
	size_t at;
	struct str s;

	str_init(&s, out, sizeof out);
	if (ere_compile(&e, pattern, &error, &at) < 0) {
		str_u64(&s, at);
		str_put(&s, ": ");
		str_put(&s, error);
		return out;
	}
	if (!ere_match(&e, text, strlen(text), true, g, n + 1))
		return "no match";
	if (g[0].p != text || g[0].len != strlen(text))
		return "group 0 is not the text";
	for (unsigned i = 1; i <= n; i++) {
		str_put(&s, i > 1 ? "," : "");
		if (g[i].p)
			str_mem(&s, g[i].p, g[i].len);
		else
			str_put(&s, "-");
	}
	return out;
}

static int matches(const char *pattern, const char *text, size_t n,
    bool whole)
{
	const char *error;
	size_t at;

	return ere_compile(&e, pattern, &error, &at) < 0 ? -1 :
	    ere_match(&e, text, n, whole, NULL, 0);
}

static void by_hand(void)
{
	static const struct {
		const char *pattern, *text;
		int whole, part;
	} t[] = {
		{ "", "", 1, 1 }, { "", "a", 0, 1 }, { "a", "", 0, 0 },
		{ "abc", "abc", 1, 1 }, { "abc", "xabcx", 0, 1 },
		{ ".", "\n", 1, 1 }, { ".", "\xff", 1, 1 },
		{ "a|b", "b", 1, 1 }, { "a||b", "", 1, 1 },
		{ "a|b|cd|e", "cd", 1, 1 }, { "a|b|cd|e", "c", 0, 0 },
		{ "()", "", 1, 1 }, { "(|a)b", "ab", 1, 1 },
		{ "a*", "aaaa", 1, 1 }, { "a*", "aaab", 0, 1 },
		{ "ab?c", "ac", 1, 1 }, { "ab?c", "abbc", 0, 0 },
		{ "a{3}", "aaaa", 0, 1 }, { "a{2,}", "aaaaa", 1, 1 },
		{ "a{1,3}b", "b", 0, 0 }, { "xa{0}y", "xy", 1, 1 },
		{ "xa{0}y", "xay", 0, 0 }, { "(ab){2}", "abab", 1, 1 },
		{ "(a{2}){2}", "aaaa", 1, 1 }, { "(a{2}){2}", "aaa", 0, 0 },
		{ "a{2}{2}", "aaaa", 1, 1 }, { "(){9}a", "a", 1, 1 },
		{ "^a", "ba", 0, 0 }, { "a$", "ab", 0, 0 },
		{ "a|^b", "cb", 0, 0 }, { "(^a|b$)c", "ac", 1, 1 },
		{ "^$", "", 1, 1 }, { "a}", "a}", 1, 1 },
		{ "[abc]", "b", 1, 1 }, { "[^abc]", "b", 0, 0 },
		{ "[^abc]", "d", 1, 1 }, { "[]a]", "]", 1, 1 },
		{ "[^]a]", "]", 0, 0 }, { "[a-]", "-", 1, 1 },
		{ "[-a]", "-", 1, 1 }, { "[+--]", ",", 1, 1 },
		{ "[a-c-]", "b", 1, 1 }, { "[\\]", "\\", 1, 1 },
		{ "[^a]", "\xe4", 1, 1 }, { "[x[:digit:]-]+", "x-1", 1, 1 },
		{ "[[]", "[", 1, 1 }, { "[a^]", "^", 1, 1 },
		{ "\\.\\*\\[\\]\\\\", ".*[]\\", 1, 1 },
		{ "\\(\\)\\{\\}\\^\\$\\?\\+\\|", "(){}^$?+|", 1, 1 },
		{ "\\+OK [0-9]+ [0-9]+", "+OK 2 320", 1, 1 },
		{ "[!-~]{1,70}", "uid.1,2:S", 1, 1 }, { "]", "]", 1, 1 }
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		size_t n = strlen(t[i].text);

		ok(matches(t[i].pattern, t[i].text, n, true) == t[i].whole &&
		    matches(t[i].pattern, t[i].text, n, false) == t[i].part,
		    "'%s' %s", t[i].pattern, t[i].whole ? "matches" :
		    t[i].part ? "is found" : "does not match");
	}
	ok(matches("a.b[^x]", "a\0b\0", 4, true) == 1 &&
	    matches("b", "a\0b", 3, false) == 1 &&
	    matches("a", "a\0", 2, true) == 0, "NULs are bytes");
	ok(matches("[\xe0-\xff]", "\xe4", 1, true) == 1, "and what is above");
}

static void troubles(void)
{
	static const struct {
		const char *error, *pattern[8];
	} t[] = {
		{ "0: ( without )", { "(", "((a)" } },
		{ "1: ) without (", { "a)", "a)(" } },
		{ "1: [ without ]", { "a[b", "a[]", "a[^]", "a[[:alpha:]",
		    "a[a-", "a[" } },
		{ "0: nothing to repeat", { "*", "+a", "?", "{1}" } },
		{ "1: nothing to repeat", { "|+", "(?)", "(*a)", "^*",
		    "${1}" } },
		{ "1: bad repeat count", { "a{", "a{1", "a{,2}", "a{2,1}",
		    "a{256}", "a{1,256}", "a{x}",
		    "a{99999999999999999999}" } },
		{ "1: bad range", { "[b-a]", "[+-[:digit:]]" } },
		{ "1: no such class", { "[[:letter:]]", "[[:alpha]]",
		    "[[.a.]]", "[[=a=]]" } },
		{ "1: nothing behind the backslash", { "a\\" } },
		{ "3: no such escape", { "a.b\\d", "(a)\\1", "..c\\Z" } },
		{ "16: groups too deep", {
		    "(((((((((((((((((a)))))))))))))))))" } },
		{ "13: expression too long", { "(a{255}){255}",
		    "(a){150}b{99}" } },
		{ "no match", { "((((((((((((((((b))))))))))))))))",
		    "()()()()()()()()()()()()()()()()()b" } }
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		for (int k = 0; k < 8 && t[i].pattern[k]; k++)
			is_text(groups(t[i].pattern[k], "a", 0), t[i].error,
			    "'%s'", t[i].pattern[k]);
}

/* What there is of nodes and sets is all used, and no more. */
static void limits(void)
{
	char pattern[600] = "";
	struct str s;

	str_init(&s, pattern, sizeof pattern);
	for (int i = 0; i < ERE_SETS; i++)
		str_put(&s, "[a]");
	ok(matches(pattern, "a", 1, true) == 0, "%d brackets", ERE_SETS);
	str_put(&s, "[a]");
	is_text(groups(pattern, "a", 0), "96: too many brackets",
	    "and one more");
	for (size_t i = 0; i < sizeof pattern - 1; i++)
		pattern[i] = 'a';
	pattern[ERE_NODES - 1] = '\0';
	ok(matches(pattern, pattern, ERE_NODES - 1, true) == 1,
	    "an expression that takes all nodes");
	memcpy(pattern + 500, "(b|c|d|e|f|g)*", 15);
	is_text(groups(pattern, "a", 0), "509: expression too long",
	    "and one that does not fit");
}

static void captures(void)
{
	static const struct {
		const char *pattern, *text;
		unsigned n;
		const char *groups;
	} t[] = {
		{ "\\+OK ([0-9]+) ([0-9]+)", "+OK 12 3456", 2, "12,3456" },
		{ "([^ ]+) (.*)", "1 whole rest", 2, "1,whole rest" },
		{ "(a+)(a*)", "aaa", 2, "aaa," },
		{ "(a*)(a+)", "aaa", 2, "aa,a" },
		{ "(a|ab)(c|bcd)?", "abcd", 2, "a,bcd" },
		{ "(ab|a)(bcd|c)?", "abc", 2, "ab,c" },
		{ "(a)|(b)", "b", 2, "-,b" },
		{ "((a)(b))c", "abc", 3, "ab,a,b" },
		{ "(a|b)*", "abab", 1, "b" },
		{ "(a*)*", "aa", 1, "aa" }, { "(a*)+", "", 1, "" },
		{ "(a)?b", "b", 1, "-" }, { "(a){0}b", "b", 1, "-" },
		{ "(a.){2}", "a1a2", 1, "a2" }, { "(a|b){1,3}", "ab", 1, "b" },
		{ ".*<(.*)>.*", "+OK <1.2@h> ready", 1, "1.2@h" },
		{ "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)", "abcdefghijk", 11,
		    "a,b,c,d,e,f,g,h,i,-,-" },
		{ "(a)(b)", "ac", 2, "no match" }
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		is_text(groups(t[i].pattern, t[i].text, t[i].n), t[i].groups,
		    "groups of '%s' in '%s'", t[i].pattern, t[i].text);
}

/* Each byte but NUL: regexec(3) takes a string. */
static void classes(void)
{
	static const char *const set[] = {
		"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower",
		"print", "punct", "space", "upper", "xdigit"
	};

	for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
		char pattern[32], text[2] = "";
		int wrong = 0;
		regex_t r;

		snprintf(pattern, sizeof pattern, "[x[:%s:]]", set[i]);
		if (regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB))
			exit(1);
		for (int c = 1; c < 128; c++) {
			text[0] = (char)c;
			wrong += matches(pattern, text, 1, true) !=
			    !regexec(&r, text, 0, NULL, 0);
		}
		regfree(&r);
		ok(wrong == 0, "[:%s:] is the libc's", set[i]);
		snprintf(pattern, sizeof pattern, "[[:%s:]]", set[i]);
		ok(matches(pattern, "\0", 1, true) == (i == 3) &&
		    matches(pattern, "\x80", 1, true) == 0,
		    "[:%s:] and NUL, and what is no ASCII", set[i]);
	}
}

/* ---- random expressions, always the same ---- */

static unsigned below(unsigned n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

enum { DEPTH = 3 };

static void random_ere(struct str *s, int depth, bool simple);

/*
 * `simple`: {m,n} only outside of groups and no ^ and $, about which musl
 * (and for ^ and $ in what is repeated glibc, too) is wrong now and then.
 */
static void random_atom(struct str *s, int depth, bool simple)
{
	static const char *const one[] = {
		"a", "b", "c", "a", "b", ".", "[ab]", "[^a]", "[b-c]", "\\."
	};
	static const char *const times[] = {
		"*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}", "{0}", "{0,}"
	};
	bool group = depth > 0 && below(3) == 0;
	unsigned few = simple ? 3 : 9;

	if (!simple && below(30) == 0) {
		str_put(s, below(2) ? "^" : "$");
		return;
	}
	if (group) {
		str_char(s, '(');
		random_ere(s, depth - 1, simple);
		str_char(s, ')');
	} else {
		str_put(s, one[below(10)]);
	}
	if (below(5) < 2)
		str_put(s, times[below(group || depth < DEPTH ? few : 9)]);
}

static void random_ere(struct str *s, int depth, bool simple)
{
	for (unsigned i = 0, n = 1 + below(3); i < n; i++) {
		if (i)
			str_char(s, '|');
		for (unsigned k = 1 + below(3); k > 0; k--)
			random_atom(s, depth, simple);
	}
}

static size_t random_text(char *text)
{
	size_t n = below(10);

	for (size_t i = 0; i < n; i++)
		text[i] = "aaabbc."[below(7)];
	text[n] = '\0';
	return n;
}

static bool same(const char *pattern, const char *text, bool whole, bool want)
{
	bool got = ere_match(&e, text, strlen(text), whole, NULL, 0);

	if (got != want)
		printf("# %s of '%s' in '%s': got %d, want %d\n", whole ?
		    "whole" : "part", pattern, text, got, want);
	return got == want;
}

/* One that takes no time to compile, and is sometimes short enough. */
static void next_ere(struct str *s, char *buf, size_t cap, bool simple)
{
	const char *error;
	size_t at;

	do {
		str_init(s, buf, cap);
		random_ere(s, DEPTH, simple);
	} while (s->len > 60 || ere_compile(&e, buf, &error, &at) < 0);
}

static void against_libc(void)
{
	int wrong = 0, hits = 0;

	for (int i = 0; i < 10000; i++) {
		char pattern[512], anchored[520], text[12];
		regex_t part, whole;
		struct str s;

		next_ere(&s, pattern, sizeof pattern, true);
		snprintf(anchored, sizeof anchored, "^(%s)$", pattern);
		if (regcomp(&part, pattern, REG_EXTENDED | REG_NOSUB) ||
		    regcomp(&whole, anchored, REG_EXTENDED | REG_NOSUB))
			exit(1);
		for (int k = 0; k < 4; k++) {
			bool all;

			random_text(text);
			all = !regexec(&whole, text, 0, NULL, 0);
			wrong += !same(pattern, text, true, all);
			wrong += !same(pattern, text, false,
			    !regexec(&part, text, 0, NULL, 0));
			hits += all;
		}
		regfree(&part);
		regfree(&whole);
	}
	ok(wrong == 0 && hits > 1000, "40000 times as the libc's, %d matches",
	    hits);
}

/*
 * ---- the oracle: from a set of places in the text (bits) to the set of
 * those where what stands at *p of the pattern can end ----
 */

static char subject[12];
static size_t subject_len;

static unsigned oracle(const char **p, unsigned from);

static unsigned oracle_byte(const char **p, unsigned from)
{
	const char *set = *p, *end = strchr(set, ']');
	unsigned to = 0;

	*p += *set == '[' ? end - set + 1 : *set == '\\' ? 2 : 1;
	for (size_t i = 0; i < subject_len; i++) {
		char c = subject[i];
		bool hit = *set == '.' || *set == c;

		if (*set == '\\')
			hit = c == set[1];
		if (*set == '[')	/* [ab], [b-c] or [^a] */
			hit = set[1] == '^' ? c != 'a' :
			    c == set[1] || c == end[-1];
		if (hit && from >> i & 1)
			to |= 2U << i;
	}
	return to;
}

static unsigned oracle_atom(const char **p, unsigned from)
{
	unsigned to;

	switch (**p) {
	case '^':
		++*p;
		return from & 1;
	case '$':
		++*p;
		return from & 1U << subject_len;
	case '(':
		++*p;
		to = oracle(p, from);
		++*p;
		return to;
	default:
		return oracle_byte(p, from);
	}
}

static unsigned oracle_piece(const char **p, unsigned from)
{
	const char *atom = *p;
	unsigned to = oracle_atom(p, from), min = 0, max = 20;
	char *end;

	if (**p == '\0' || !strchr("*+?{", **p))
		return to;
	if (**p == '{') {
		min = max = (unsigned)strtoul(*p + 1, &end, 10);
		if (*end == ',')
			max = end[1] == '}' ? 20 :
			    (unsigned)strtoul(end + 1, &end, 10);
		*p = strchr(end, '}');
	} else {
		min = **p == '+';
		max = **p == '?' ? 1 : 20;
	}
	++*p;
	to = min == 0 ? from : 0;
	for (unsigned i = 1; i <= max; i++) {
		const char *again = atom;

		from = oracle_atom(&again, from);
		if (i > min && (from | to) == to)
			break;
		if (i >= min)
			to |= from;
	}
	return to;
}

static unsigned oracle(const char **p, unsigned from)
{
	unsigned to = 0;

	for (;; ++*p) {
		unsigned now = from;

		while (**p && **p != '|' && **p != ')')
			now = oracle_piece(p, now);
		to |= now;
		if (**p != '|')
			return to;
	}
}

static void against_oracle(void)
{
	int wrong = 0, hits = 0;

	for (int i = 0; i < 10000; i++) {
		char pattern[512];
		struct str s;

		next_ere(&s, pattern, sizeof pattern, false);
		for (int k = 0; k < 4; k++) {
			const char *whole = pattern, *part = pattern;
			bool all;

			subject_len = random_text(subject);
			all = oracle(&whole, 1) >> subject_len & 1;
			wrong += !same(pattern, subject, true, all);
			wrong += !same(pattern, subject, false,
			    oracle(&part, (2U << subject_len) - 1) != 0);
			hits += all;
		}
	}
	ok(wrong == 0 && hits > 1000, "40000 times as the oracle, %d matches",
	    hits);
}

/* What takes others for ever; the longest line that is looked at. */
static void clock_test(void)
{
	static const char *const evil[] = {
		"(a|a)*b", "(a*)*b", "(a+)+b", "((a?){9}a?)*b", "(.*)(.*)(.*)b",
		"(a|aa)+b", "(x+x+)+y", "((((a*)*)*)*)*b",
		"(a?){100}a{100}b", "(a?){126}b"
	};
	static char text[4096];

	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
		clock_t began = clock();
		int hit = matches(evil[i], text, sizeof text, true) +
		    matches(evil[i], text, sizeof text, false);
		long ms = (long)((clock() - began) * 1000 / CLOCKS_PER_SEC);

		ok(hit == 0 && ms < 3000, "4096 bytes, %s: %ld ms", evil[i],
		    ms);
	}
}

int main(void)
{
	by_hand();
	troubles();
	limits();
	captures();
	classes();
	against_libc();
	against_oracle();
	clock_test();
	return done();
}
