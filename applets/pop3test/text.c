/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/text.o
/* Texts of scripts: escapes, variables, words, durations. */
#include <string.h>

#include "script.h"

static bool is_letter(char c)
{
	c = (char)ascii_lower(c);
	return (c >= 'a' && c <= 'z') || c == '_';
}

static size_t name_length(const char *p)
{
	size_t n = 0;

	if (is_letter(*p))
		while (is_letter(p[n]) || (p[n] >= '0' && p[n] <= '9'))
			n++;
	return n;
}

bool is_name(const char *p, size_t n)
{
	return n > 0 && n <= NAME_LEN && name_length(p) == n;
}

/* What follows a backslash. */
static const char *escape(const char *p, struct token *t)
{
	static const char names[] = "rnt0\\$", bytes[] = "\r\n\t\0\\$";
	const char *at = names + str_span(names, *p);

	t->kind = T_BYTE;
	if (*p == '|') {
		t->kind = T_CUT;
	} else if (*p == 'x' && hex_digit(p[1]) >= 0 &&
	    hex_digit(p[2]) >= 0) {
		t->byte = (unsigned char)(hex_digit(p[1]) << 4 |
		    hex_digit(p[2]));
		return p + 3;
	} else if (*p && *at) {
		t->byte = (unsigned char)bytes[at - names];
	} else {
		t->kind = T_BAD;
		return p;
	}
	return p + 1;
}

static bool is_property(const char *p, size_t n)
{
	static const char known[] = "octets lines md5 want sum ";

	for (const char *k = known; *k; k += str_span(k, ' ') + 1)
		if (str_span(k, ' ') == n && memcmp(k, p, n) == 0)
			return true;
	return false;
}

/* What follows a dollar sign. */
static const char *variable(const char *p, struct token *t)
{
	bool brace = *p == '{';
	size_t n;

	p += brace;
	t->name = p;
	t->len = name_length(p);
	t->kind = t->len > 0 && t->len <= NAME_LEN ? T_NAME : T_BAD;
	p += t->len;
	n = *p == '.' ? name_length(p + 1) : 0;
	if (is_property(p + 1, n)) {
		t->property = p + 1;
		t->property_len = n;
		p += 1 + n;
	} else if (str_after(p, "...")) {
		t->rest = true;
		p += 3;
	}
	if (brace && *p != '}')
		t->kind = T_BAD;
	return p + brace;
}

const char *text_token(const char *p, struct token *t)
{
	*t = (struct token){ .kind = T_BYTE, .byte = (unsigned char)*p };
	if (*p == '\0') {
		t->kind = T_END;
		return p;
	}
	if (*p == '\\')
		return escape(p + 1, t);
	if (*p == '$')
		return variable(p + 1, t);
	return p + 1;
}

const char *text_check(const char *p)
{
	struct token t;
	const char *at = p;

	for (;;) {
		p = text_token(at, &t);
		if (t.kind == T_BAD)
			return at;
		if (t.kind == T_END)
			return NULL;
		at = p;
	}
}

const char *text_arrow(const char *p)
{
	const char *found = NULL;

	for (; *p; p++)
		if (str_after(p, " -> "))
			found = p;
	return found;
}

bool text_is_shell(const char *p)
{
	return p[strcspn(p, "\"'|;&<>()*?`")] != '\0';
}

const char *text_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

size_t text_word(const char **p, const char **word)
{
	const char *at = text_blanks(*p);
	size_t n;

	*word = at;
	for (n = 0; at[n] && at[n] != ' ' && at[n] != '\t'; n++)
		;
	*p = at + n;
	return n;
}

const char *text_skip_duration(const char *p)
{
	const char *end = p, *word;
	size_t n = text_word(&end, &word);
	uint32_t ms;

	return n > 0 && word[n - 1] > '9' && text_duration(word, n, &ms) == 0 ?
	    end : p;
}
