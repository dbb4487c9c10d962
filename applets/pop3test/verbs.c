/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/verbs.o
/* capa, stat, list, uidl and dele: a command of POP3 each, or a few. */
#include <string.h>

#include "maildir.h"
#include "verbs.h"

static void put(const char *z)
{
	out_put(&session.out, z);
}

/* {"NAME": or ,"NAME": */
static void put_member(const char *open, const char *name)
{
	put(open);
	put("\"");
	put(name);
	put("\":");
}

/* Two numbers, or a number and a word. */
static void put_pair(const char *an, uint64_t a, const char *bn, uint64_t b,
    const char *word)
{
	bool json = session.o->json;

	if (json)
		put_member("{", an);
	out_u64(&session.out, a);
	if (json)
		put_member(",", bn);
	else
		put(" ");
	if (!word)
		out_u64(&session.out, b);
	else if (json)
		out_json(&session.out, word, strlen(word));
	else
		put(word);
	put(json ? "}\n" : "\n");
}

/* ---- capa -------------------------------------------------------------- */

/* RFC 2449 section 3: lines of 512 octets at most, printable. */
static int capability(void *ctx, const char *p, size_t n,
    struct trouble *why)
{
	char text[4 * STATUS_MAX + 1];
	struct str s;

	(void)ctx;
	(void)why;
	if (n > STATUS_MAX)
		return session_wrong("CAPA: more than 512 octets in a line",
		    NULL);
	n -= n < 2 ? n : 2;
	if (session.o->json) {
		put_member("{", "capability");
		out_json(&session.out, p, n);
		put("}\n");
		return 0;
	}
	str_init(&s, text, sizeof text);
	str_safe(&s, p, n, n);
	put(s.p);
	put("\n");
	return 0;
}

int verb_capa(const struct options *o)
{
	int status = session_begin(o);

	if (status)
		return status;
	if (session_must("CAPA", NULL) < 0 || conn_body(&session.c,
	    capability, NULL, list_limit(0), &session.why) < 0)
		return session_fail();
	return session_end();
}

/* ---- stat -------------------------------------------------------------- */

int verb_stat(const struct options *o)
{
	uint64_t messages, octets;
	int status = session_begin(o);

	if (status)
		return status;
	if (session_stat(&session.c, &messages, &octets, &session.why) < 0)
		return session_fail();
	put_pair("messages", messages, "octets", octets, NULL);
	return session_end();
}

/* ---- list, uidl -------------------------------------------------------- */

struct listing {
	const char *command;
	bool uidl;
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

/* Other words may follow a size. */
static bool is_size(const char *p, uint64_t *size)
{
	p = scan_u64(p, size);
	return p && (*p == '\0' || *p == ' ');
}

static int entry(struct listing *l, const char *p, size_t n)
{
	char word[ENTRY];
	uint64_t number, size = 0;

	if (entry_parse(p, n, &number, word, &session.why) < 0)
		return -1;
	if (l->uidl ? !is_uid(word) : !is_size(word, &size))
		return session_wrong(l->uidl ? "no unique-id: " :
		    "no size: ", word);
	if (l->lines++ == MESSAGES_MAX)
		return session_wrong(l->command, ": does not end");
	l->octets += size;
	put_pair("message", number, l->uidl ? "uid" : "octets", size,
	    l->uidl ? word : NULL);
	return 0;
}

/* conn_body brings whole lines with their CRLF, unless they are long. */
static int line(void *ctx, const char *p, size_t n, struct trouble *why)
{
	(void)why;
	return entry(ctx, p, n < 2 ? 0 : n - 2);
}

/* STAT counts what LIST lists, or the server counts wrong. */
static int list_all(struct listing *l)
{
	uint64_t messages, octets;

	if (session_stat(&session.c, &messages, &octets, &session.why) < 0 ||
	    session_must(l->command, NULL) < 0 || conn_body(&session.c, line, l,
	    list_limit(messages), &session.why) < 0)
		return -1;
	if (l->lines != messages)
		return session_wrong(l->command,
		    ": not as many messages as STAT");
	if (!l->uidl && l->octets != octets)
		return session_wrong(l->command,
		    ": sizes do not add up to that of STAT");
	return 0;
}

static int list_one(struct listing *l, const char *number)
{
	const struct line *reply = &session.reply;
	int r = session_ask(l->command, number, NULL);

	if (r < 0)
		return -1;
	/* "+OK 1 120" is an entry behind its status. */
	if (r == 1)
		return entry(l, reply->p + 4, reply->len < 4 ? 0 :
		    reply->len - 4);
	trouble_set(&session.why, PT_WARNING, ST_REPLY, l->command, " ",
	    number, ": ", reply->p, (char *)NULL);
	session_note();
	return 0;
}

int verb_list(const struct options *o)
{
	struct listing l = { .command = "LIST" };
	char **operand = o->operands;
	int e = 0, status = operands_check(operand);

	if (o->verb[0] == 'u') {
		l.command = "UIDL";
		l.uidl = true;
	}
	if (!status)
		status = session_begin(o);
	if (status)
		return status;
	if (!*operand)
		e = list_all(&l);
	for (; e == 0 && *operand; operand++)
		e = list_one(&l, *operand);
	return e ? session_fail() : session_end();
}

/* ---- dele -------------------------------------------------------------- */

/*
 * All or nothing, unless -k is given: a number that is refused may be a
 * slip, and with it the others may not be those that were meant.
 */
static int mark(char **number, bool keep_going)
{
	for (; *number; number++) {
		int r = session_ask("DELE", *number, NULL);

		if (r < 0)
			return -1;
		if (r == 1)
			continue;
		trouble_set(&session.why, PT_WARNING, ST_REPLY, "DELE ",
		    *number, ": ", session.reply.p, keep_going ? NULL :
		    "; nothing is removed", (char *)NULL);
		session_note();
		if (!keep_going)
			return session_must("RSET", NULL);
	}
	return 0;
}

int verb_dele(const struct options *o)
{
	int status = *o->operands ? operands_check(o->operands) :
	    usage_error("dele: which messages?");

	if (!status)
		status = session_begin(o);
	if (status)
		return status;
	if (mark(o->operands, o->keep_going) < 0) {
		/* Without QUIT nothing is removed: RFC 1939 section 6. */
		conn_close(&session.c);
		return say_trouble(&session.why);
	}
	if (session_quit() < 0) {
		session_note();
		session_wrong("what DELE has marked may still be there", NULL);
		session_note();
	}
	return session.status;
}
