/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/session.o
/* A session of one of the verbs, and what they find in answers. */
#include <string.h>

#include "verbs.h"

struct session session;

int session_open(const struct options *o)
{
	struct conn *c = &session.c;

	session.o = o;
	out_stdout(&session.out, o);
	trace_init(&session.trace, o);
	conn_init(c, o, "");
	c->trace = &session.trace;
	if (conn_open(c, &o->target, NULL, &session.why) < 0)
		return -1;
	return cl_greeting(c, &session.why);
}

int session_begin(const struct options *o)
{
	if (session_open(o) == 0 && cl_login(&session.c, o->has_user ?
	    o->user : NULL, o->pass, &session.why) == 0)
		return 0;
	return session_fail();
}

int session_ask(const char *word, const char *a, const char *b)
{
	return cl_command(&session.c, &session.reply, &session.why, word, a,
	    b, (char *)NULL);
}

int session_must(const char *word, const char *a)
{
	return cl_ok(&session.c, &session.reply, &session.why, word, a,
	    (char *)NULL);
}

int session_wrong(const char *a, const char *b)
{
	return trouble_set(&session.why, PT_WARNING, ST_REPLY, a, b,
	    (char *)NULL);
}

void session_note(void)
{
	say_trouble(&session.why);
	if (session.status < session.why.status)
		session.status = session.why.status;
}

int session_quit(void)
{
	int e = session_must("QUIT", NULL);

	conn_close(&session.c);
	/* Everything was answered before: the service is there. */
	session.why.status = PT_WARNING;
	session.why.stage = ST_CLOSE;
	return e;
}

int session_end(void)
{
	if (out_end(&session.out, &session.why) < 0)
		session_note();
	if (session_quit() < 0)
		session_note();
	return session.status;
}

void session_drop(void)
{
	struct conn *c = &session.c;
	struct trouble ignored;

	/* The last answer was a refusal, and nothing is owed. */
	if (c->open && !c->eof && c->sent == c->answered &&
	    str_after(c->line, "-ERR"))
		(void)cl_command(c, &session.reply, &ignored, "QUIT",
		    (char *)NULL);
	conn_close(c);
}

int session_fail(void)
{
	/* What has been read so far is shown. */
	out_flush(&session.out);
	session_drop();
	return say_trouble(&session.why);
}

/* ---- answers: RFC 1939 sections 5 and 7 -------------------------------- */

int reply_numbers(const struct line *l, uint64_t *a, uint64_t *b,
    struct trouble *why)
{
	const char *p = str_after(l->p, "+OK ");

	p = p ? scan_u64(p, a) : NULL;
	p = p && *p == ' ' ? scan_u64(p + 1, b) : NULL;
	/* RFC 1939 section 5 allows words behind the numbers. */
	if (p && (*p == '\0' || *p == ' '))
		return 0;
	return trouble_set(why, PT_WARNING, ST_REPLY,
	    "not two numbers: ", l->p, (char *)NULL);
}

int session_stat(struct conn *c, uint64_t *messages, uint64_t *octets,
    struct trouble *why)
{
	struct line l;

	if (cl_ok(c, &l, why, "STAT", (char *)NULL) < 0)
		return -1;
	return reply_numbers(&l, messages, octets, why);
}

uint64_t list_limit(uint64_t messages)
{
	if (messages > MESSAGES_MAX)
		messages = MESSAGES_MAX;
	return 65536 + messages * LIST_OCTETS;
}

int entry_parse(const char *p, size_t n, uint64_t *number,
    char buf[ENTRY], struct trouble *why)
{
	const char *rest;
	struct str s;

	str_init(&s, buf, ENTRY);
	str_mem(&s, p, n);
	rest = scan_u64(buf, number);
	if (s.cut || strlen(buf) != s.len || !rest || *rest != ' ')
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "no line of a list: ", buf, (char *)NULL);
	memmove(buf, rest + 1, strlen(rest));
	return 0;
}

int operands_check(char *const *operand)
{
	uint64_t n;

	for (; *operand; operand++)
		if (parse_u64(*operand, &n) < 0)
			return usage_error("a message has a number");
	return 0;
}
