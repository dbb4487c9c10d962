/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base.h"

#include <stdlib.h>
#include <unistd.h>

#include "md5.h"
#include "tap.h"

static void strings(void)
{
	char buf[8], wide[64];
	struct str s;

	str_init(&s, buf, sizeof buf);
	str_put(&s, "1234");
	str_u64(&s, 567);
	ok(!s.cut && s.len == 7, "a string fills its buffer");
	str_char(&s, 'x');
	ok(s.cut && s.len == 7, "what does not fit is dropped and noted");
	is_text(buf, "1234567", "and leaves the rest whole");
	str_init(&s, wide, sizeof wide);
	str_u64(&s, UINT64_MAX);
	is_text(wide, "18446744073709551615", "the largest number");
	str_init(&s, wide, sizeof wide);
	str_u64(&s, 0);
	is_text(wide, "0", "the smallest number");
	str_init(&s, wide, sizeof wide);
	str_safe(&s, "a\r\n\x1b\xff\\\0b", 8, 64);
	is_text(wide, "a\\x0d\\x0a\\x1b\\xff\\x5c\\x00b",
	    "C122 control bytes are made visible");
	str_init(&s, wide, sizeof wide);
	str_safe(&s, "abcdef", 6, 3);
	is_text(wide, "abc...", "long fields are cut, and say so");
	ok(str_span("ab:c", ':') == 2 && str_span("ab", ':') == 2 &&
	    str_span("", ':') == 0, "spans end at the byte or at the end");
}

static void numbers(void)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "1abc",
		"18446744073709551616", "18446744073709551617",
		"99999999999999999999", "\xb9", "1\n"
	};
	uint64_t n = 7;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(parse_u64(bad[i], &n) < 0, "C21 C22 no number: \"%s\"",
		    i == 13 ? "1 and newline" : i == 12 ? "0xb9" : bad[i]);
	ok(n == 7, "a refused number is not stored");
	ok(parse_u64("0", &n) == 0 && n == 0, "0 is a number");
	ok(parse_u64("0001", &n) == 0 && n == 1, "C23 leading zeros");
	ok(parse_u64("18446744073709551615", &n) == 0 && n == UINT64_MAX,
	    "the largest number");
}

/* An argv as main gets it, which the options parser leaves alone. */
static char **words(const char *const *argv)
{
	return (char **)(uintptr_t)argv;
}

static void options(void)
{
	static const char *const argv[] = {
		"x", "-ab", "-c1", "-c", "2", "-:", "--", "-a", NULL
	};
	static const char *const longs[] = {
		"x", "--help", "--version", "--what", "y", NULL
	};
	static const char *const lacks[] = { "x", "-c", NULL };
	struct opt o;

	opt_init(&o, words(argv), "abc:");
	ok(opt_next(&o) == 'a' && opt_next(&o) == 'b', "a cluster");
	ok(opt_next(&o) == 'c' && strcmp(o.value, "1") == 0, "value attached");
	ok(opt_next(&o) == 'c' && strcmp(o.value, "2") == 0, "value apart");
	ok(opt_next(&o) == OPT_UNKNOWN && o.letter == ':', "no option ':'");
	ok(opt_next(&o) == 0 && strcmp(argv[o.i], "-a") == 0, "-- ends them");
	opt_init(&o, words(longs), "a");
	ok(opt_next(&o) == OPT_HELP && opt_next(&o) == OPT_VERSION &&
	    opt_next(&o) == OPT_UNKNOWN && opt_next(&o) == 0, "long options");
	opt_init(&o, words(lacks), "c:");
	ok(opt_next(&o) == OPT_NOVALUE && o.letter == 'c', "value missing");
}

static const char *md5_text(const char *text, char out[33])
{
	unsigned char sum[MD5_SIZE];
	struct md5 m;
	struct str s;

	md5_begin(&m);
	/* Byte by byte, so that every fill of the block is crossed. */
	for (const char *p = text; *p; p++)
		md5_add(&m, p, 1);
	md5_end(&m, sum);
	str_init(&s, out, 33);
	str_hex(&s, sum, sizeof sum);
	return out;
}

static void md5(void)
{
	char out[33];

	/* RFC 1321, appendix A.5, and the lengths around a block. */
	is_text(md5_text("", out), "d41d8cd98f00b204e9800998ecf8427e",
	    "MD5 of nothing");
	is_text(md5_text("message digest", out),
	    "f96b697d7cb7938d525a2f31aaf161d0", "MD5 of a short text");
	is_text(md5_text("1234567890123456789012345678901234567890"
	    "1234567890123456789012345678901234567890", out),
	    "57edf4a22be3c955ac49da2e2107b67a", "MD5 of two blocks");
	is_text(md5_text("1234567890123456789012345678901234567890"
	    "123456789012345", out), "c9ccf168914a1bcfc3229f1948e67da0",
	    "MD5 of 55 bytes");
	is_text(md5_text("1234567890123456789012345678901234567890"
	    "1234567890123456", out), "49f193adce178490e34d1b3a4ec0064c",
	    "MD5 of 56 bytes");
}

static void environment(void)
{
	setenv("POPBOX_TEST", "value", 1);
	setenv("POPBOX_EMPTY", "", 1);
	unsetenv("POPBOX_NONE");
	is_text(env_get("POPBOX_TEST"), "value", "a variable is found");
	is_text(env_get("POPBOX_EMPTY"), "", "an empty one too");
	ok(env_get("POPBOX_NONE") == NULL, "one that is not there is not");
	ok(env_get("POPBOX_TES") == NULL, "nor by half its name");
}

int main(void)
{
	strings();
	numbers();
	options();
	md5();
	environment();
	return done();
}
