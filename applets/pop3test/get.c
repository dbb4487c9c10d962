/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/get.o
/* get, top: messages to standard output or into a Maildir. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fill.h"
#include "verbs.h"

#define SIZE_LIMIT ((uint64_t)1 << 40)	/* whatever a server says */

static struct md box;		/* where to, if `delivers` */
static bool delivers;
static uint64_t octets;		/* of the message at hand, so far */
static bool cr;			/* came last, and is held back */
static struct out out;		/* the message, not yet written */

/*
 * Most octets to take for a message of that size: servers count wrong, but
 * not by that much, and one that never ends must not fill the disk.
 */
static uint64_t limit(uint64_t size)
{
	return 65536 + 2 * (size < SIZE_LIMIT ? size : SIZE_LIMIT);
}

/* ---- Maildirs ---------------------------------------------------------- */

/*
 * In a directory that is no Maildir nothing is made: it was hardly meant.
 * In one that has lost its empty parts it is; archives do that.
 */
int fill_maildir(struct md *md, const char *path, struct trouble *why)
{
	static const char sub[3][4] = { "new", "cur", "tmp" };
	char buf[ERR_TEXT];
	bool made = mkdir(path, 0700) == 0;
	int e = made || errno == EEXIST ? 0 : -errno;
	int at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (made || faccessat(at, sub[MD_NEW], F_OK, 0) == 0 ||
	    faccessat(at, sub[MD_CUR], F_OK, 0) == 0)
		for (int i = 0; i < 3; i++)
			(void)mkdirat(at, sub[i], 0700);
	close(at);
	if (e == 0)
		e = md_open(md, AT_FDCWD, path);
	if (e == 0 && (md->sub[MD_NEW] < 0 || md->sub[MD_TMP] < 0))
		e = -EACCES;
	return e == 0 ? 0 : trouble_set(why, PT_UNKNOWN, ST_OWN, path,
	    ": no Maildir, and none can be made: ", err_text(-e, buf),
	    (char *)NULL);
}

/* ---- bytes ------------------------------------------------------------- */

/* CRLF becomes LF; a CR elsewhere stays. */
static void put_lf(const char *p, size_t n)
{
	while (n > 0) {
		const char *lf = memchr(p, '\n', n);
		size_t text = lf ? (size_t)(lf - p) : n;

		if (text) {
			if (cr)
				out_mem(&out, "\r", 1);
			cr = p[text - 1] == '\r';
			out_mem(&out, p, text - cr);
		}
		if (!lf)
			return;
		out_mem(&out, "\n", 1);
		cr = false;
		p = lf + 1;
		n -= text + 1;
	}
}

static int take(void *ctx, const char *p, size_t n, struct trouble *why)
{
	(void)ctx;
	octets += n;
	if (session.o->crlf)
		out_mem(&out, p, n);
	else
		put_lf(p, n);
	/* Said in the end, but a full disk is no reason to read on. */
	return out.error ? out_end(&out, why) : 0;
}

/* The body of a reply to where it goes; only then is it whole. */
static int pass(uint64_t size, int fd)
{
	octets = 0;
	cr = false;
	out_begin(&out, session.o->quiet && !delivers ? -1 : fd);
	if (conn_body(&session.c, take, NULL, limit(size),
	    &session.why) == 0)
		return out_end(&out, &session.why);
	out_flush(&out);
	return -1;
}

static int own_trouble(int e)
{
	errno = -e;
	return trouble_errno(&session.why, PT_UNKNOWN, ST_OWN,
	    "cannot deliver");
}

/* Under its name only when it is whole; else it is nowhere. */
static int deliver(uint64_t size)
{
	struct md_delivery d;
	int e = md_deliver_begin(&box, &d);

	if (e == 0 && pass(size, d.fd) < 0) {
		md_deliver_abort(&box, &d);
		return -1;
	}
	if (e == 0)
		e = md_deliver_end(&box, &d);
	return e ? own_trouble(e) : 0;
}

/* ---- messages ---------------------------------------------------------- */

/* What costs one message only: it is told, and the others go on. */
static int warn(const char *number, const char *what)
{
	trouble_set(&session.why, PT_WARNING, ST_REPLY, "message ", number,
	    ": ", what, (char *)NULL);
	session_note();
	return 0;
}

static int retrieve(const char *number, uint64_t size)
{
	int r = session_ask("RETR", number, NULL);

	if (r == 0)
		return warn(number, session.reply.p);
	if (r > 0)
		r = delivers ? deliver(size) : pass(size, STDOUT_FILENO);
	if (r == 0 && octets != size)
		warn(number, "not the size that LIST said");
	return r;
}

/* Asks for its size: 1, 0 when there is no such message, or -1. */
static int find(const char *number, uint64_t *size)
{
	uint64_t n;
	int r = session_ask("LIST", number, NULL);

	if (r == 0)
		return warn(number, session.reply.p);
	return r < 0 ? r : 1 + 2 * reply_numbers(&session.reply, &n, size,
	    &session.why);
}

static int get_some(char *const *number)
{
	int e = 0;

	for (; e == 0 && *number; number++) {
		uint64_t size;

		e = find(*number, &size);
		if (e > 0)
			e = retrieve(*number, size);
	}
	return e;
}

/* ---- all of them ------------------------------------------------------- */

/* By message number less 1, and each one more than it is. */
static struct {
	uint64_t messages;
	struct md_area area;
} sizes;

static uint64_t *size_of(uint64_t i)
{
	return (uint64_t *)(void *)sizes.area.p + i;
}

/* Pages that nothing was written to hold zeros: such are not listed. */
static int note_size(void *ctx, const char *p, size_t n,
    struct trouble *why)
{
	char text[ENTRY];
	uint64_t number, size;

	(void)ctx;
	if (entry_parse(p, n < 2 ? 0 : n - 2, &number, text, why) < 0)
		return -1;
	if (!scan_u64(text, &size) || size == MD_NOSIZE || number == 0 ||
	    number > sizes.messages)
		return session_wrong("LIST has what cannot be: ", text);
	*size_of(number - 1) = size + 1;
	return 0;
}

static int list(void)
{
	uint64_t all;
	int e;

	if (session_stat(&session.c, &sizes.messages, &all,
	    &session.why) < 0)
		return -1;
	if (sizes.messages > MESSAGES_MAX)
		return session_wrong("too many messages", NULL);
	e = md_area_grow(&sizes.area, 1 + (size_t)sizes.messages *
	    sizeof *size_of(0));
	if (e)
		return own_trouble(e);
	if (session_must("LIST", NULL) < 0)
		return -1;
	return conn_body(&session.c, note_size, NULL,
	    list_limit(sizes.messages), &session.why);
}

/* LIST once, not for each: on a slow line every question costs time. */
static int get_all(void)
{
	int e = list();

	for (uint64_t i = 0; e == 0 && i < sizes.messages; i++) {
		char number[24];
		struct str n;

		str_init(&n, number, sizeof number);
		str_u64(&n, i + 1);
		if (*size_of(i))
			e = retrieve(n.p, *size_of(i) - 1);
		else
			warn(n.p, "STAT counts it, LIST does not");
	}
	return e;
}

/* ---- the verbs --------------------------------------------------------- */

/* "all" or numbers, and then a Maildir where the last is no number. */
static int operands(char **p, bool *all)
{
	const char *dir = NULL;
	size_t count = 0;
	uint64_t n;
	int status;

	while (p[count])
		count++;
	*all = count > 0 && strcmp(p[0], "all") == 0;
	if (count > 1 && (*all || parse_u64(p[count - 1], &n) < 0)) {
		dir = p[--count];
		p[count] = NULL;
	}
	if (count == 0 || (*all && count > 1))
		return usage_error("get: which messages?");
	if (!dir && (*all || count > 1))
		return usage_error("get: more than one message needs a "
		    "Maildir");
	status = *all ? 0 : operands_check(p);
	delivers = dir != NULL;
	if (status == 0 && dir && fill_maildir(&box, dir, &session.why) < 0)
		status = say_trouble(&session.why);
	return status;
}

static int finish(int e)
{
	return e < 0 ? session_fail() : session_end();
}

int verb_get(const struct options *o)
{
	bool all;
	int status = operands(o->operands, &all);

	if (status == 0)
		status = session_begin(o);
	if (status)
		return status;
	return finish(all ? get_all() : get_some(o->operands));
}

int verb_top(const struct options *o)
{
	char **p = o->operands;
	uint64_t n, size;
	int e, status;

	if (!p[0] || !p[1] || p[2] || parse_u64(p[0], &n) < 0 ||
	    parse_u64(p[1], &n) < 0)
		return usage_error("top: want N LINES");
	status = session_begin(o);
	if (status)
		return status;
	e = find(p[0], &size);
	if (e > 0)
		e = session_ask("TOP", p[0], p[1]);
	if (e > 0)
		e = pass(size, STDOUT_FILENO);
	else if (e == 0 && session.status == PT_OK)
		warn(p[0], session.reply.p);
	return finish(e);
}
