/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/directives.o
/* The words that are neither C nor S, and what may follow them. */
#include <string.h>

#include "reader.h"

/*
 * Arguments: t text, e text with variables, w words, n a name, d a
 * duration, u a number, g a tag; in capitals: may be left out,
 * D behind 0 only.
 */
static const struct directive {
	char name[8];
	char args[4];
	unsigned char op;
} directives[] = {
	{ "barrier", "nu", OP_BARRIER }, { "check", "e", OP_CHECK },
	{ "close", "G", OP_CLOSE }, { "drain", "uDG", OP_DRAIN },
	{ "end", "", OP_END }, { "eof", "G", OP_EOF },
	{ "exec", "e", OP_EXEC }, { "for", "n", OP_FOR },
	{ "half", "G", OP_HALF }, { "include", "t", OP_INCLUDE },
	{ "let", "n", OP_LET }, { "log", "e", OP_LOG },
	{ "login", "G", OP_LOGIN }, { "mail", "e", OP_MAIL },
	{ "maildir", "", OP_MAILDIR }, { "need", "w", OP_NEED },
	{ "open", "E", OP_OPEN }, { "quiet", "dG", OP_QUIET },
	{ "rcvbuf", "u", OP_RCVBUF }, { "repeat", "u", OP_REPEAT },
	{ "reset", "G", OP_RESET }, { "set", "n", OP_SET },
	{ "sh", "t", OP_SH }, { "skip", "E", OP_SKIP },
	{ "split", "uDG", OP_SPLIT }, { "test", "t", OP_TEST },
	{ "timeout", "d", OP_TIMEOUT }, { "tls", "W", OP_TLS },
	{ "unset", "w", OP_UNSET }, { "wait", "d", OP_WAIT },
	{ "within", "d", OP_WITHIN }
};

static bool is_tag(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') ||
		    (p[i] >= '0' && p[i] <= '9')))
			return false;
	return n < TAG_SIZE;
}

/* One argument; what is wrong with it, or null. */
static const char *check_word(char kind, const char *word, size_t n)
{
	uint64_t number;
	uint32_t ms;
	const char *end;

	/* A number may be known only when it runs. */
	if ((kind == 'd' || kind == 'u') && memchr(word, '$', n))
		return NULL;
	switch (kind) {
	case 'n':
		return is_name(word, n) ? NULL : "not a name";
	case 'd':
		return text_duration(word, n, &ms) == 0 ? NULL :
		    "not a duration, as 200ms, 2s, 1m";
	case 'u':
		end = scan_u64(word, &number);
		return end == word + n ? NULL : "not a number";
	default:
		return is_tag(word, n) ? NULL : "not a connection's name";
	}
}

static bool is_text(char kind)
{
	return kind == 't' || kind == 'e' || kind == 'w';
}

static int check_args(struct reader *r, const char *line,
    const struct directive *d, const char *p)
{
	const char *word = "", *what = strpbrk(d->args, "twW") ||
	    (d->op == OP_EXEC && text_is_shell(p)) ? NULL : text_check(p);

	if (what)
		return reader_wrong(r, line, what,
		    "no such escape, or $ without a name");
	for (const char *a = d->args; *a; a++) {
		char kind = (char)ascii_lower(*a);
		size_t n;

		if (is_text(kind)) {
			p = text_blanks(p);
			if (*p == '\0' && kind == *a)
				return reader_wrong(r, line, p, "text missing");
			return 0;
		}
		if (*a == 'D' && *word == '0') {
			p = text_skip_duration(p);
			continue;
		}
		n = text_word(&p, &word);
		if (n == 0 && kind != *a && *a != 'D')
			continue;
		if (n == 0)
			return reader_wrong(r, line, word, "argument missing");
		what = check_word(kind, word, n);
		if (what)
			return reader_wrong(r, line, word, what);
	}
	p = text_blanks(p);
	if (*p && d->op != OP_FOR && d->op != OP_SET && d->op != OP_LET)
		return reader_wrong(r, line, p, "one argument too many");
	return 0;
}

static int check_for(struct reader *r, const char *line, const char *p)
{
	const char *word;
	size_t n;

	text_word(&p, &word);
	n = text_word(&p, &word);
	if (n != 2 || memcmp(word, "in", 2) != 0)
		return reader_wrong(r, line, word, "want: for NAME in A..B");
	p = text_blanks(p);
	while (*p && !str_after(p, ".."))
		p++;
	return *p ? 0 : reader_wrong(r, line, p, "want: A..B");
}

static int check_let(struct reader *r, const char *line, const char *p)
{
	const char *word;
	size_t n;

	text_word(&p, &word);
	n = text_word(&p, &word);
	if (n != 1 || *word != '=')
		return reader_wrong(r, line, word, "want: let NAME = ...");
	return *text_blanks(p) ? 0 :
	    reader_wrong(r, line, p, "expression missing");
}

int directive_check(struct reader *r, const char *text, enum op *op,
    const char **arg)
{
	const struct directive *d = directives;
	const struct directive *last = d + sizeof directives / sizeof *d;
	const char *p = text, *word;
	size_t n = text_word(&p, &word);

	while (d < last && (strlen(d->name) != n ||
	    memcmp(d->name, word, n) != 0))
		d++;
	if (d == last)
		return reader_wrong(r, text, word,
		    "neither C:, S: nor a directive");
	*op = (enum op)d->op;
	*arg = text_blanks(p);
	if (check_args(r, text, d, *arg) < 0)
		return -1;
	switch (d->op) {
	case OP_FOR: return check_for(r, text, *arg);
	case OP_LET: return check_let(r, text, *arg);
	case OP_UNSET: return reader_names(r, text, *arg);
	default: return 0;
	}
}
