/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What SASL over POP3 is made of: base 64 and HMAC-MD5. */
#include "base64.h"

#include "md5.h"
#include "tap.h"

#if !ENABLE_POP3TEST
#include "../../libmd/base64.c"
#endif

static const char *encoded(const void *p, size_t n, char out[64])
{
	struct str s;

	str_init(&s, out, 64);
	base64_put(&s, p, n);
	return out;
}

/* RFC 4648 section 10. */
static void vectors(void)
{
	static const char *const text[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"
	};
	char out[64];

	for (size_t n = 0; n < 7; n++) {
		is_text(encoded("foobar", n, out), text[n], "%zu bytes", n);
		ok(base64_decode(out, sizeof out, text[n], strlen(text[n])) ==
		    (ptrdiff_t)n && memcmp(out, "foobar", n) == 0,
		    "%zu bytes back", n);
	}
	is_text(encoded("\0tim\0tanstaaftanstaaf", 21, out),
	    "AHRpbQB0YW5zdGFhZnRhbnN0YWFm", "PLAIN of RFC 4616");
	is_text(encoded("\xfb\xff\xbf", 3, out), "+/+/", "+ and /");
}

static void strict(void)
{
	static const char *const bad[] = {
		"A", "AA", "AAA", "AAAAA", "=", "==", "===", "====", "A===",
		"AA=A", "A=AA", "=AAA", "AA==AAAA", "AAA=AAAA", "AAAA=",
		"AAAA==", "AAAA====", "AAAA\r\n", "AAA\n", "AA A", " AAA",
		"AAA-", "AAA_", "AAA.", "AA\xc3\x81", "AB==", "AAB=", "AA*="
	};
	char out[16];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(base64_decode(out, sizeof out, bad[i], strlen(bad[i])) ==
		    -1, "bad text %zu", i);
	ok(base64_decode(out, sizeof out, "AA\0A", 4) == -1, "a NUL");
}

static void capacity(void)
{
	char out[16] = "1234567", small[6];
	struct str s;

	ok(base64_decode(out, 3, "Zm9v", 4) == 3, "just enough room");
	is_text(out, "foo4567", "nothing is written behind it");
	ok(base64_decode(out, 2, "Zm9v", 4) == -1 &&
	    base64_decode(out, 0, "Zg==", 4) == -1 &&
	    base64_decode(out, 1, "Zm8=", 4) == -1, "too little room");
	ok(base64_decode(out, 0, "", 0) == 0, "nothing needs none");
	memcpy(out, "Zm9vYmFy", 8);
	ok(base64_decode(out, 8, out, 8) == 6 &&
	    memcmp(out, "foobar", 6) == 0, "in place");
	str_init(&s, small, sizeof small);
	base64_put(&s, "foobar", 6);
	ok(s.cut && strcmp(small, "Zm9vY") == 0, "a full string says so");
}

static void all_bytes(void)
{
	unsigned char in[256], back[256];
	char text[400];
	struct str s;
	int wrong = 0;

	for (unsigned i = 0; i < 256; i++)
		in[i] = (unsigned char)(i * 167 + 3);
	for (size_t n = 0; n <= 256; n++) {
		str_init(&s, text, sizeof text);
		base64_put(&s, in, n);
		wrong += s.len != (n + 2) / 3 * 4 ||
		    base64_decode(back, n, text, s.len) != (ptrdiff_t)n ||
		    memcmp(in, back, n) != 0;
	}
	ok(wrong == 0, "all bytes and lengths there and back");
}

/* RFC 2202 section 2; the lines are cut, their bytes repeated. */
static void hmac(void)
{
	static const struct {
		const char *key;
		unsigned keys;
		const char *text;
		unsigned texts;
		const char *hex;
	} t[] = {
		{ "\x0b", 16, "Hi There", 1,
		    "9294727a3638bb1c13f48ef8158bfc9d" },
		{ "Jefe", 1, "what do ya want for nothing?", 1,
		    "750c783e6ab0b503eaa86e310a5db738" },
		{ "\xaa", 16, "\xdd", 50,
		    "56be34521d144c88dbb8c733f0e8b3f6" },
		{ "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
		    "\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 1,
		    "\xcd", 50, "697eaf0aca3a3aea3a75164746ffaa79" },
		{ "\x0c", 16, "Test With Truncation", 1,
		    "56461ef2342edc00f9bab995690efd4c" },
		{ "\xaa", 80,
		    "Test Using Larger Than Block-Size Key - Hash Key First",
		    1, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd" },
		{ "\xaa", 80, "Test Using Larger Than Block-Size Key and "
		    "Larger Than One Block-Size Data", 1,
		    "6f630fad67cda0ee1fb1f562db3aa53e" },
		/* RFC 2195 section 2, CRAM-MD5 */
		{ "tanstaaftanstaaf", 1,
		    "<1896.697170952@postoffice.reston.mci.net>", 1,
		    "b913a602c7eda7a495b4e6e7334d3890" },
		/* a key of one block, and an empty one */
		{ "k", 64, "x", 1, "f38420ee2e6c7cd5d9977bffba49d984" },
		{ "", 1, "", 1, "74e6f7298a9c2d168935f58c001bad88" }
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char key[100], text[100], hex[40];
		unsigned char out[MD5_SIZE];
		struct str k, x, h;

		str_init(&k, key, sizeof key);
		str_init(&x, text, sizeof text);
		str_init(&h, hex, sizeof hex);
		for (unsigned n = 0; n < t[i].keys; n++)
			str_put(&k, t[i].key);
		for (unsigned n = 0; n < t[i].texts; n++)
			str_put(&x, t[i].text);
		md5_hmac(key, k.len, text, x.len, out);
		str_hex(&h, out, sizeof out);
		is_text(hex, t[i].hex, "HMAC-MD5 vector %zu", i + 1);
	}
}

int main(void)
{
	vectors();
	strict();
	capacity();
	all_bytes();
	hmac();
	return done();
}
