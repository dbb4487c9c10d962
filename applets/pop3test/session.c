/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/session.o
/* A session of one of the verbs, and what they find in answers. */
#include <string.h>

#include "verbs.h"

static struct conn conn;
static struct trace trace;

struct conn *session_open(const struct options *o, struct trouble *why)
{
	trace_init(&trace, o);
	conn_init(&conn, o, "");
	conn.trace = &trace;
	if (conn_open(&conn, &o->target, NULL, why) == 0 &&
	    cl_greeting(&conn, why) == 0)
		return &conn;
	session_drop(&conn);
	return NULL;
}

struct conn *session_begin(const struct options *o, int *status)
{
	struct trouble why;
	struct conn *c = session_open(o, &why);

	if (c && cl_login(c, o->has_user ? o->user : NULL, o->pass,
	    &why) == 0)
		return c;
	*status = c ? session_fail(c, &why) : say_trouble(&why);
	return NULL;
}

int session_quit(struct conn *c, struct trouble *why)
{
	struct line l;
	int e = cl_ok(c, &l, why, "QUIT", (char *)NULL);

	conn_close(c);
	if (e == 0)
		return 0;
	/* Everything was answered before: the service is there. */
	why->status = PT_WARNING;
	why->stage = ST_CLOSE;
	return -1;
}

int session_end(struct conn *c, int status)
{
	struct trouble why;

	if (session_quit(c, &why) == 0)
		return status;
	say_trouble(&why);
	return status > why.status ? status : why.status;
}

void session_drop(struct conn *c)
{
	struct trouble why;
	struct line l;

	/* The last answer was a refusal, and nothing is owed. */
	if (c->open && !c->eof && c->sent == c->answered &&
	    str_after(c->line, "-ERR"))
		(void)cl_command(c, &l, &why, "QUIT", (char *)NULL);
	conn_close(c);
}

int session_fail(struct conn *c, const struct trouble *why)
{
	session_drop(c);
	return say_trouble(why);
}

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
	struct trouble why;
	uint64_t n;

	for (; *operand; operand++) {
		if (parse_u64(*operand, &n) == 0)
			continue;
		trouble_set(&why, PT_UNKNOWN, ST_OWN,
		    "not the number of a message: ", *operand,
		    (char *)NULL);
		return say_trouble(&why);
	}
	return 0;
}
