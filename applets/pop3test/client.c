/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/client.o
/* POP3 as a client speaks it: commands and their answers. */
#include <stdarg.h>
#include <string.h>

#include "verbs.h"

enum {
	COMMAND = 1024,		/* bytes of a command */
	CAPA_OCTETS = 65536	/* no CAPA has more */
};

int cl_greeting(struct conn *c, struct trouble *why)
{
	struct line l;

	if (conn_line(c, &l, why) < 0)
		return -1;
	if (l.ok)
		return 0;
	return trouble_set(why, PT_WARNING, ST_GREETING, l.status ?
	    "the server refuses: " : "no greeting of a POP3 server: ", l.p,
	    (char *)NULL);
}

int cl_ask(struct conn *c, struct line *reply, struct trouble *why,
    const char *p, size_t n)
{
	if (conn_command(c, p, n, why) < 0 || conn_line(c, reply, why) < 0)
		return -1;
	if (reply->status)
		return reply->ok;
	if (reply->p[0] == '+' && (reply->p[1] == ' ' || !reply->p[1]))
		return 2;
	return trouble_set(why, PT_WARNING, ST_REPLY,
	    "neither +OK nor -ERR: ", reply->p, (char *)NULL);
}

/* A line end within a word would make it two commands. */
static int join(struct str *s, struct trouble *why, const char *word,
    va_list ap)
{
	for (; word; word = va_arg(ap, const char *)) {
		if (s->len)
			str_char(s, ' ');
		str_put(s, word);
	}
	if (s->cut || s->p[str_span(s->p, '\r')] ||
	    s->p[str_span(s->p, '\n')])
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "too long for a command, or with a line end",
		    (char *)NULL);
	return 0;
}

static int command(struct conn *c, struct line *reply, struct trouble *why,
    const char *word, va_list ap)
{
	char text[COMMAND];
	struct str s;
	int r;

	str_init(&s, text, sizeof text);
	if (join(&s, why, word, ap) < 0)
		return -1;
	r = cl_ask(c, reply, why, s.p, s.len);
	/* Only AUTH has continuations: RFC 5034 section 4. */
	return r < 2 ? r : trouble_set(why, PT_WARNING, ST_REPLY, word,
	    ": neither +OK nor -ERR: ", reply->p, (char *)NULL);
}

int cl_command(struct conn *c, struct line *reply, struct trouble *why,
    const char *word, ...)
{
	va_list ap;
	int r;

	va_start(ap, word);
	r = command(c, reply, why, word, ap);
	va_end(ap);
	return r;
}

int cl_ok(struct conn *c, struct line *reply, struct trouble *why,
    const char *word, ...)
{
	va_list ap;
	int r;

	va_start(ap, word);
	r = command(c, reply, why, word, ap);
	va_end(ap);
	if (r == 0)
		return trouble_set(why, PT_WARNING, ST_REPLY, word, ": ",
		    reply->p, (char *)NULL);
	return r < 0 ? -1 : 0;
}

/* ---- CAPA: RFC 2449 section 5 ------------------------------------------ */

/* Beyond what the text can hold, capabilities go unnoticed, but whole. */
static int gather(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct str *s = ctx;
	size_t before = s->len;

	(void)why;
	for (size_t i = 0; i < n; i++) {
		char b = p[i];

		if (b >= 'a' && b <= 'z')
			b = (char)(b - ('a' - 'A'));
		if (b != '\r' && b != '\0')
			str_char(s, b);
	}
	if (s->cut)
		s->p[s->len = before] = '\0';
	return 0;
}

int cl_capa(struct conn *c, char text[CAPA_TEXT], struct trouble *why)
{
	struct line l;
	struct str s;
	int r = cl_command(c, &l, why, "CAPA", (char *)NULL);

	str_init(&s, text, CAPA_TEXT);
	if (r == 1)
		r = conn_body(c, gather, &s, CAPA_OCTETS, why);
	return r < 0 ? -1 : 0;
}

/* What follows the word, in any case, that the text begins with; or null. */
static const char *after_word(const char *text, const char *word)
{
	for (; *word; text++, word++)
		if (ascii_lower(*text) != ascii_lower(*word))
			return NULL;
	return *text == ' ' || *text == '\n' || !*text ? text : NULL;
}

bool capa_has(const char *text, const char *word, const char *arg)
{
	for (; *text; text += *text != '\0') {
		const char *at = after_word(text, word);

		while (at && arg && *at == ' ' && !after_word(at + 1, arg))
			at += 1 + strcspn(at + 1, " \n");
		if (at && (!arg || *at == ' '))
			return true;
		text += str_span(text, '\n');
	}
	return false;
}
