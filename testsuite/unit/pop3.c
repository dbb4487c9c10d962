/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pop3.h"

#include "tap.h"

static struct p3_line got;
static char line[256];

static int parse(const char *text)
{
	strcpy(line, text);
	return p3_parse(&got, line, strlen(text));
}

static void verbs(void)
{
	for (int i = 0; i < P3_VERBS; i++) {
		const char *name = p3_commands[i].name;

		ok(p3_verb(name, strlen(name)) == i, "%s is itself", name);
		ok(p3_verb(name, strlen(name) - 1) < 0, "C14 not by a part");
	}
	ok(p3_verb("rEtR", 4) == P3_RETR, "C1 in any case");
	ok(p3_verb("", 0) < 0 && p3_verb("RETRX", 5) < 0, "C14 nor by more");
}

static void lines(void)
{
	ok(parse("RETR 1") == 0 && got.verb == P3_RETR && got.args == 1 &&
	    strcmp(got.arg[0], "1") == 0, "one argument");
	ok(parse("TOP 1 22") == 0 && got.args == 2 &&
	    strcmp(got.arg[1], "22") == 0, "two arguments");
	ok(parse("LIST") == 0 && got.args == 0, "an optional one left out");
	ok(parse("LIST ") == 0 && got.args == 0, "C19 blanks at the end");
	ok(parse("LIST 1  ") == 0 && got.args == 1, "C19 and behind a word");
	ok(parse("LIST  1") == P3_EARGS, "C19 two blanks between words");
	ok(parse(" LIST") == P3_EUNKNOWN, "a blank in front");
	ok(parse("") == P3_EUNKNOWN, "C11 an empty line");
	ok(parse("RETR") == P3_EARGS, "C17 an argument missing");
	ok(parse("RETR 1 2") == P3_EARGS, "C18 one too many");
	ok(parse("TOP 1 2 3") == P3_EARGS, "C18 for TOP");
	ok(parse("TOP 1") == P3_EARGS, "C17 for TOP");
	ok(parse("STAT x") == P3_EARGS, "C16 an argument to none");
	ok(parse("PASS  a b ") == 0 && strcmp(got.arg[0], " a b ") == 0,
	    "C29 PASS keeps its blanks");
	ok(parse("PASS") == P3_EARGS, "PASS alone");
	ok(parse("PASS ") == 0 && got.arg[0][0] == '\0', "an empty password");
	ok(parse("USER a b") == P3_EARGS, "a name is one word");
	memcpy(line, "STAT\0x", 7);
	ok(p3_parse(&got, line, 6) == P3_EBYTES, "C9 a NUL");
}

int main(void)
{
	verbs();
	lines();
	return done();
}
