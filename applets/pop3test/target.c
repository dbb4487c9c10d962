/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/target.o
/*
 * Where a server is, from one word.  A wrong one is refused, and by its
 * wrong part only: the rest of it may be a password.
 */
#include <string.h>

#include "netio.h"
#include "pop3test.h"
#include "wire.h"

static int bad(struct trouble *why, const char *what, const char *part)
{
	return trouble_set(why, PT_UNKNOWN, ST_OWN, "target: ", what,
	    *part ? ": " : NULL, part, (char *)NULL);
}

static int take_port(struct target *t, const char *text,
    struct trouble *why)
{
	uint64_t port;

	if (parse_u64(text, &port) < 0 || port == 0 || port > 65535)
		return bad(why, "no port (1 to 65535)", text);
	t->port = (uint16_t)port;
	return 0;
}

static bool is_ipv6(const char *text)
{
	struct nio_addr a;

	return text[str_span(text, ':')] && names_numeric(&a, text);
}

/* The characters of names and of IPv4 addresses. */
static bool is_host(const char *z)
{
	bool good = *z != '-';

	for (; *z; z++) {
		int c = ascii_lower(*z);

		good = good && ((c >= 'a' && c <= 'z') || c == '.' ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_');
	}
	return good;
}

/* HOST, HOST:PORT, V6, [V6] or [V6]:PORT, in t->host; cut to the host. */
static int split_host(struct target *t, struct trouble *why)
{
	bool brackets = t->host[0] == '[', six;
	char *end = t->host + str_span(t->host, brackets ? ']' : ':');

	if (brackets) {
		if (*end != ']')
			return bad(why, "no ] behind the address", t->host);
		*end++ = '\0';
		memmove(t->host, t->host + 1, (size_t)(end - t->host) - 1);
	}
	six = is_ipv6(t->host);
	if (six && !brackets)
		return 0;
	if (*end && *end != ':')
		return bad(why, "text behind the host", end);
	if (*end) {
		*end = '\0';
		if (take_port(t, end + 1, why) < 0)
			return -1;
	}
	if (t->host[0] == '\0')
		return bad(why, "no host", "");
	if (brackets ? six : is_host(t->host))
		return 0;
	return bad(why, brackets ? "no IPv6 address" : "no host name",
	    t->host);
}

static int take_host(struct target *t, const char *p, size_t n,
    struct trouble *why)
{
	struct str s;

	str_init(&s, t->host, sizeof t->host);
	str_mem(&s, p, n);
	return s.cut ? bad(why, "too long", "") : 0;
}

int hex_digit(char c)
{
	int low = ascii_lower(c);

	if (low >= '0' && low <= '9')
		return low - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/*
 * User or password of a URL: RFC 3986 section 2.1.  "+" is no blank there.
 */
static int unescape(char to[SECRET_MAX], const char *p, size_t n,
    struct trouble *why)
{
	struct str s;

	str_init(&s, to, SECRET_MAX);
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)p[i];

		if (c == '%') {
			/* What stands behind is ':' or '@': no digit. */
			int high = hex_digit(p[i + 1]);
			int low = high < 0 ? -1 : hex_digit(p[i + 2]);

			if (low < 0)
				return bad(why, "% without two hex digits",
				    "");
			c = high << 4 | low;
			i += 2;
		}
		/* None of them can be sent in a command. */
		if (c == '\0' || c == '\r' || c == '\n')
			return bad(why, "NUL, CR or LF in user or password",
			    "");
		str_char(&s, (char)c);
	}
	return s.cut ? bad(why, "user or password too long", "") : 0;
}

/*
 * [USER[:PASS]@]HOST[:PORT][/]: a URL of RFC 2384's kind, with the scheme
 * that everybody uses instead of "pop".  Mailboxes have no names in POP3,
 * so a path is a mistake.
 */
static int parse_url(struct target *t, const char *p, struct trouble *why)
{
	size_t n = str_span(p, '/'), user = n, colon;

	if (p[n] && p[n + 1])
		return bad(why, "text behind the host", "");
	/* Some write an @ of the name as it is; no host has one. */
	while (user > 0 && p[user - 1] != '@')
		user--;
	if (user > 0) {
		for (colon = 0; colon < user - 1 && p[colon] != ':'; colon++)
			;
		if (unescape(t->user, p, colon, why) < 0)
			return -1;
		if (colon < user - 1 && unescape(t->pass, p + colon + 1,
		    user - colon - 2, why) < 0)
			return -1;
	}
	if (take_host(t, p + user, n - user, why) < 0)
		return -1;
	return split_host(t, why);
}

int target_parse(struct target *t, const char *text, struct trouble *why)
{
	const char *rest;

	t->kind = TG_TCP;
	t->user[0] = t->pass[0] = t->host[0] = '\0';
	if (strcmp(text, "-") == 0) {
		t->kind = TG_UCSPI;
		return 0;
	}
	rest = str_after(text, "unix:");
	if (rest) {
		t->kind = TG_UNIX;
		return *rest == '/' ? take_host(t, rest, strlen(rest), why) :
		    bad(why, "no absolute path", text);
	}
	rest = str_after(text, "pop3s://");
	if (rest)
		t->tls = true;
	else
		rest = str_after(text, "pop3://");
	if (rest)
		return parse_url(t, rest, why);
	if (str_after(text + str_span(text, ':'), "://"))
		return bad(why, "neither pop3:// nor pop3s://", "");
	if (text[str_span(text, '@')])
		return bad(why, "a user needs pop3://", "");
	if (take_host(t, text, strlen(text), why) < 0)
		return -1;
	return split_host(t, why);
}

static bool is_loopback(const struct nio_addr *a)
{
	static const unsigned char six[16] = { [15] = 1 };

	return nio_addr_is4(a) ? a->ip[12] == 127 :
	    memcmp(a->ip, six, sizeof six) == 0;
}

/* A name counts by what it means now; one without addresses does not. */
bool target_is_local(const struct target *t)
{
	enum { PATIENCE = 10000 };
	struct nio_addr found[ADDRESSES];
	struct trouble ignored;
	int n = 1;

	if (t->kind == TG_TCP)
		n = names_find(t->host, t->family, found, PATIENCE, &ignored);
	else if (t->kind != TG_UCSPI || nio_peer(UCSPI_IN, found) < 0)
		return true;
	for (int i = 0; i < n; i++)
		if (!is_loopback(&found[i]))
			return false;
	return n > 0;
}

uint16_t target_port(const struct target *t)
{
	return t->port ? t->port : t->tls ? 995 : 110;
}
