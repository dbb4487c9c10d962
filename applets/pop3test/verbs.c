/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/verbs.o
/* capa, stat, list, uidl and dele: a command of POP3 each, or a few. */
#include <string.h>

#include "maildir.h"
#include "verbs.h"

static struct out out;

static int worse(int a, int b)
{
	return a > b ? a : b;
}

/* What was put is out, too: the status, or that of our own trouble. */
static int finish(struct conn *c, int status)
{
	struct trouble why;

	if (out_end(&out, &why) < 0)
		status = say_trouble(&why);
	return session_end(c, status);
}

/* And what has been read so far is shown, whatever comes then. */
static int give_up(struct conn *c, const struct trouble *why)
{
	out_flush(&out);
	return session_fail(c, why);
}

/* {"A":a,"B":b}, b a number or a string. */
static void put_object(const char *a, uint64_t av, const char *b,
    const char *bv, bool number)
{
	out_put(&out, "{\"");
	out_put(&out, a);
	out_put(&out, "\":");
	out_u64(&out, av);
	out_put(&out, ",\"");
	out_put(&out, b);
	out_put(&out, "\":");
	if (number)
		out_put(&out, bv);
	else
		out_json(&out, bv, strlen(bv));
	out_put(&out, "}\n");
}

static void put_pair(uint64_t n, const char *word)
{
	out_u64(&out, n);
	out_put(&out, " ");
	out_put(&out, word);
	out_put(&out, "\n");
}

/* ---- capa -------------------------------------------------------------- */

/* RFC 2449 section 3: lines of 512 octets at most, printable. */
static int capability(void *ctx, const char *p, size_t n,
    struct trouble *why)
{
	const bool *json = ctx;
	char text[4 * STATUS_MAX + 1];
	struct str s;

	if (n > STATUS_MAX)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "CAPA: a line of more than 512 octets", (char *)NULL);
	n -= n < 2 ? n : 2;
	if (*json) {
		out_put(&out, "{\"capability\":");
		out_json(&out, p, n);
		out_put(&out, "}\n");
		return 0;
	}
	str_init(&s, text, sizeof text);
	str_safe(&s, p, n, n);
	out_put(&out, s.p);
	out_put(&out, "\n");
	return 0;
}

int verb_capa(const struct options *o)
{
	struct trouble why;
	struct line l;
	bool json = o->json;
	int status;
	struct conn *c = session_begin(o, &status);

	if (!c)
		return status;
	out_stdout(&out, o);
	if (cl_ok(c, &l, &why, "CAPA", (char *)NULL) < 0 ||
	    conn_body(c, capability, &json, list_limit(0), &why) < 0)
		return give_up(c, &why);
	return finish(c, PT_OK);
}

/* ---- stat -------------------------------------------------------------- */

int verb_stat(const struct options *o)
{
	struct trouble why;
	uint64_t messages, octets;
	char text[24];
	struct str s;
	int status;
	struct conn *c = session_begin(o, &status);

	if (!c)
		return status;
	out_stdout(&out, o);
	if (session_stat(c, &messages, &octets, &why) < 0)
		return session_fail(c, &why);
	str_init(&s, text, sizeof text);
	str_u64(&s, octets);
	if (o->json)
		put_object("messages", messages, "octets", text, true);
	else
		put_pair(messages, text);
	return finish(c, PT_OK);
}

/* ---- list, uidl -------------------------------------------------------- */

struct listing {
	const char *command;
	bool uidl, json;
	uint64_t lines, octets;
};

/* RFC 1939 section 7: 1 to 70 characters from 0x21 to 0x7E. */
static bool is_uid(const char *p)
{
	size_t n = 0;

	while (p[n] > ' ' && p[n] < 0x7F)
		n++;
	return n > 0 && n <= MD_UIDL_MAX && p[n] == '\0';
}

/* Other words may follow a size, and are left out. */
static bool is_size(char *p, uint64_t *size)
{
	p[str_span(p, ' ')] = '\0';
	return parse_u64(p, size) == 0;
}

static int entry(struct listing *l, const char *p, size_t n,
    struct trouble *why)
{
	char word[ENTRY];
	uint64_t number, size = 0;

	if (entry_parse(p, n, &number, word, why) < 0)
		return -1;
	if (l->uidl ? !is_uid(word) : !is_size(word, &size))
		return trouble_set(why, PT_WARNING, ST_REPLY, l->command,
		    l->uidl ? ": no unique-id: " : ": no size: ", word,
		    (char *)NULL);
	l->lines++;
	l->octets += size;
	if (l->json)
		put_object("message", number, l->uidl ? "uid" : "octets",
		    word, !l->uidl);
	else
		put_pair(number, word);
	return 0;
}

static int line(void *ctx, const char *p, size_t n, struct trouble *why)
{
	return entry(ctx, p, n < 2 ? 0 : n - 2, why);
}

/* STAT counts what LIST lists, or the server counts wrong. */
static int list_all(struct conn *c, struct listing *l, struct trouble *why)
{
	uint64_t messages, octets;
	struct line reply;

	if (session_stat(c, &messages, &octets, why) < 0 ||
	    cl_ok(c, &reply, why, l->command, (char *)NULL) < 0 ||
	    conn_body(c, line, l, list_limit(messages), why) < 0)
		return -1;
	if (l->lines != messages)
		return trouble_set(why, PT_WARNING, ST_REPLY, l->command,
		    " has another number of messages than STAT",
		    (char *)NULL);
	if (!l->uidl && l->octets != octets)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "the sizes of LIST do not add up to that of STAT",
		    (char *)NULL);
	return 0;
}

/* 0, PT_WARNING for a message that is not there, or -1. */
static int list_one(struct conn *c, struct listing *l, const char *number,
    struct trouble *why)
{
	struct line reply;
	int r = cl_command(c, &reply, why, l->command, number, (char *)NULL);

	if (r < 0)
		return -1;
	if (r == 0) {
		trouble_set(why, PT_WARNING, ST_REPLY, l->command, " ",
		    number, ": ", reply.p, (char *)NULL);
		return say_trouble(why);
	}
	/* "+OK 1 120" is an entry behind its status. */
	return entry(l, reply.p + 4, reply.len < 4 ? 0 : reply.len - 4, why);
}

int verb_list(const struct options *o)
{
	bool uidl = o->verb[0] == 'u';
	struct listing l = { .command = uidl ? "UIDL" : "LIST",
	    .uidl = uidl, .json = o->json };
	struct trouble why;
	char **operand = o->operands;
	int e, status = operands_check(operand);
	struct conn *c = status ? NULL : session_begin(o, &status);

	if (!c)
		return status;
	out_stdout(&out, o);
	if (!*operand && list_all(c, &l, &why) < 0)
		return give_up(c, &why);
	for (; *operand; operand++) {
		e = list_one(c, &l, *operand, &why);
		if (e < 0)
			return give_up(c, &why);
		status = worse(status, e);
	}
	return finish(c, status);
}

/* ---- dele -------------------------------------------------------------- */

/*
 * All or nothing, unless -k is given: a number that is refused may be a
 * slip, and with it the others may not be those that were meant.
 */
static int mark(struct conn *c, const struct options *o,
    struct trouble *why)
{
	struct line l;
	int status = PT_OK;

	for (char **n = o->operands; *n; n++) {
		int r = cl_command(c, &l, why, "DELE", *n, (char *)NULL);

		if (r < 0)
			return -1;
		if (r == 1)
			continue;
		trouble_set(why, PT_WARNING, ST_REPLY, "DELE ", *n, ": ",
		    l.p, o->keep_going ? NULL : "; nothing is removed",
		    (char *)NULL);
		status = say_trouble(why);
		if (o->keep_going)
			continue;
		return cl_ok(c, &l, why, "RSET", (char *)NULL) < 0 ? -1 :
		    status;
	}
	return status;
}

int verb_dele(const struct options *o)
{
	struct trouble why;
	int status = operands_check(o->operands);
	struct conn *c;

	if (!*o->operands) {
		trouble_set(&why, PT_UNKNOWN, ST_OWN,
		    "dele: which messages?", (char *)NULL);
		status = say_trouble(&why);
	}
	c = status ? NULL : session_begin(o, &status);
	if (!c)
		return status;
	status = mark(c, o, &why);
	if (status < 0) {
		/* Without QUIT nothing is removed: RFC 1939 section 6. */
		conn_close(c);
		return say_trouble(&why);
	}
	if (session_quit(c, &why) == 0)
		return status;
	say_trouble(&why);
	trouble_set(&why, PT_WARNING, ST_CLOSE, "messages marked with DELE "
	    "may still be there", (char *)NULL);
	return say_trouble(&why);
}
