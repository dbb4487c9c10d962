/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/out.o
#include "out.h"

#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "maildirck.h"

const char ck_severity[5][7] = { "ignore", "info", "warn", "error", "fatal" };

static char buf[8192];
static size_t used;
static bool failed;

static void drain(int fd)
{
	if (!failed && fd_write(fd, buf, used) < 0)
		failed = true;
	used = 0;
}

void ck_mem(const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		size_t room = sizeof buf - used, take = n < room ? n : room;

		memcpy(buf + used, from, take);
		used += take;
		from += take;
		n -= take;
		if (used == sizeof buf)
			drain(STDOUT_FILENO);
	}
}

void ck_flush(struct ck *ck, int fd)
{
	drain(fd);
	if (failed)
		ck->status |= CK_ERROR;
}

void ck_put(const char *z)
{
	ck_mem(z, strlen(z));
}

static void column(uint64_t n, size_t width)
{
	char digits[24];
	struct str s;

	str_init(&s, digits, sizeof digits);
	str_u64(&s, n);
	for (; width > s.len; width--)
		ck_put(" ");
	ck_mem(s.p, s.len);
}

void ck_form(const char *form, const uint64_t *n)
{
	size_t width;

	for (; *form; form += width + !width) {
		width = 0;
		while (form[width] == '#')
			width++;
		if (width)
			column(*n++, width);
		else
			ck_mem(form, 1);
	}
}

/* For people nothing but plain ASCII; JSON can have the rest of UTF-8. */
static void escaped(const char *z, bool json)
{
	char shown[8];
	struct str s;

	for (; *z; z++) {
		unsigned char c = (unsigned char)*z;

		str_init(&s, shown, sizeof shown);
		if (c < ' ' || c == '\\' || c == 0x7F ||
		    (json ? c == '"' : c > 0x7F)) {
			str_put(&s, json ? "\\u00" : "\\x");
			str_hex(&s, z, 1);
		} else {
			str_char(&s, *z);
		}
		ck_mem(s.p, s.len);
	}
}

void ck_safe(const char *z)
{
	escaped(z, false);
}

/* ---- JSON (RFC 8259) ---------------------------------------------------- */

/* Bytes of the character p begins with; 0: not UTF-8 (RFC 3629). */
static size_t utf8(const unsigned char *p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0xC0 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	uint32_t v = n == 1 ? p[0] : p[0] & 0x7FU >> n;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3F);
	}
	if (n == 1 ? v >= 0x80 : v < least[n] || v > 0x10FFFF ||
	    (v >> 11) == 0xD800 >> 11 || p[0] > 0xF7)
		return 0;
	return n;
}

static bool is_utf8(const char *z)
{
	size_t n = 1;

	for (; *z && n; z += n)
		n = utf8((const unsigned char *)z);
	return n != 0;
}

static void base64(const char *z)
{
	char text[5];
	struct str s;
	size_t n = strlen(z);

	ck_put("\"");
	for (size_t at = 0; at < n; at += 3) {
		str_init(&s, text, sizeof text);
		base64_put(&s, z + at, n - at < 3 ? n - at : 3);
		ck_mem(s.p, s.len);
	}
	ck_put("\"");
}

static void key_is(const char *key, const char *suffix)
{
	ck_put(",\"");
	ck_put(key);
	ck_put(suffix);
	ck_put("\":");
}

bool ck_field(const char *key, const char *z)
{
	bool exact = z == NULL || is_utf8(z);

	key_is(key, "");
	if (z && exact) {
		ck_put("\"");
		escaped(z, true);
		ck_put("\"");
	} else {
		ck_put("null");
	}
	if (!exact) {
		key_is(key, "_b64");
		base64(z);
	}
	return exact;
}

void ck_object(const struct ck *ck, const char *kind)
{
	ck_put("{\"v\":1");
	ck_field("t", kind);
	if (ck)
		ck_field("maildir", ck->path);
}
