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

struct get {
	const struct options *o;
	struct conn *c;
	struct trouble why;
	struct md md;		/* with a Maildir */
	bool deliver;
	int status;
	uint64_t octets;	/* of the message at hand, so far */
	bool cr;		/* came last, and is held back */
	struct out out;
};

/* Most octets to take for a message of that size: servers count wrong. */
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
static void put_lf(struct get *g, const char *p, size_t n)
{
	while (n > 0) {
		const char *lf = memchr(p, '\n', n);
		size_t text = lf ? (size_t)(lf - p) : n;

		if (g->cr && text)
			out_mem(&g->out, "\r", 1);
		if (text)
			g->cr = p[text - 1] == '\r';
		out_mem(&g->out, p, text - (text && g->cr));
		if (!lf)
			return;
		out_mem(&g->out, "\n", 1);
		g->cr = false;
		p = lf + 1;
		n -= text + 1;
	}
}

static int take(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct get *g = ctx;

	g->octets += n;
	if (g->o->crlf)
		out_mem(&g->out, p, n);
	else
		put_lf(g, p, n);
	/* Said in the end, but a full disk is no reason to read on. */
	return g->out.error ? out_end(&g->out, why) : 0;
}

/* The body of a reply to where it goes; only then is it whole. */
static int pass(struct get *g, uint64_t most, int fd)
{
	g->octets = 0;
	g->cr = false;
	out_begin(&g->out, fd);
	if (conn_body(g->c, take, g, most, &g->why) == 0)
		return out_end(&g->out, &g->why);
	out_flush(&g->out);
	return -1;
}

static int own_trouble(struct get *g, int e)
{
	errno = -e;
	return trouble_errno(&g->why, PT_UNKNOWN, ST_OWN, "cannot deliver");
}

static int deliver(struct get *g, uint64_t most)
{
	struct md_delivery d;
	int e = md_deliver_begin(&g->md, &d);

	if (e)
		return own_trouble(g, e);
	if (pass(g, most, d.fd) < 0) {
		md_deliver_abort(&g->md, &d);
		return -1;
	}
	e = md_deliver_end(&g->md, &d);
	return e ? own_trouble(g, e) : 0;
}

/* ---- messages ---------------------------------------------------------- */

/* What costs one message only: it is told, and the others go on. */
static int warn(struct get *g, const char *number, const char *what,
    const char *more)
{
	trouble_set(&g->why, PT_WARNING, ST_REPLY, "message ", number, ": ",
	    what, more, (char *)NULL);
	g->status = say_trouble(&g->why);
	return 0;
}

static int retrieve(struct get *g, const char *number, uint64_t size)
{
	struct line l;
	int r = cl_command(g->c, &l, &g->why, "RETR", number, (char *)NULL);

	if (r < 0)
		return -1;
	if (r == 0)
		return warn(g, number, l.p, NULL);
	r = g->deliver ? deliver(g, limit(size)) :
	    pass(g, limit(size), g->o->quiet ? -1 : STDOUT_FILENO);
	if (r == 0 && g->octets != size)
		return warn(g, number, "not the size that LIST said", NULL);
	return r;
}

/* Asks for its size: 1, 0 when there is no such message, or -1. */
static int find(struct get *g, const char *number, uint64_t *size)
{
	struct line l;
	uint64_t n;
	int r = cl_command(g->c, &l, &g->why, "LIST", number, (char *)NULL);

	if (r == 0)
		return warn(g, number, l.p, NULL);
	if (r < 0)
		return -1;
	return reply_numbers(&l, &n, size, &g->why) < 0 ? -1 : 1;
}

static int get_some(struct get *g, char *const *number)
{
	for (; *number; number++) {
		uint64_t size;
		int r = find(g, *number, &size);

		if (r > 0)
			r = retrieve(g, *number, size);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* ---- all of them ------------------------------------------------------- */

struct sizes {			/* by message number less 1 */
	uint64_t messages;
	struct md_area area;
};

static uint64_t *sizes(const struct sizes *s)
{
	return (uint64_t *)(void *)s->area.p;
}

/* Pages that nothing was written to hold zeros: such are not listed. */
static int note_size(void *ctx, const char *p, size_t n,
    struct trouble *why)
{
	struct sizes *s = ctx;
	char text[ENTRY];
	uint64_t number, size;

	if (entry_parse(p, n < 2 ? 0 : n - 2, &number, text, why) < 0)
		return -1;
	if (!scan_u64(text, &size) || size == MD_NOSIZE || number == 0 ||
	    number > s->messages)
		return trouble_set(why, PT_WARNING, ST_REPLY,
		    "LIST has what cannot be: ", text, (char *)NULL);
	sizes(s)[number - 1] = size + 1;
	return 0;
}

static int list(struct get *g, struct sizes *s)
{
	uint64_t octets;
	struct line l;
	int e;

	if (session_stat(g->c, &s->messages, &octets, &g->why) < 0)
		return -1;
	if (s->messages > MESSAGES_MAX)
		return trouble_set(&g->why, PT_WARNING, ST_REPLY,
		    "too many messages", (char *)NULL);
	e = md_area_grow(&s->area, (size_t)s->messages * sizeof *sizes(s) + 1);
	if (e)
		return own_trouble(g, e);
	if (cl_ok(g->c, &l, &g->why, "LIST", (char *)NULL) < 0)
		return -1;
	return conn_body(g->c, note_size, s, list_limit(s->messages),
	    &g->why);
}

static int get_all(struct get *g)
{
	struct sizes s = { .messages = 0 };
	int e = list(g, &s);

	for (uint64_t i = 0; e == 0 && i < s.messages; i++) {
		char number[24];
		struct str n;

		str_init(&n, number, sizeof number);
		str_u64(&n, i + 1);
		if (sizes(&s)[i])
			e = retrieve(g, n.p, sizes(&s)[i] - 1);
		else
			warn(g, n.p, "STAT counts it, LIST does not", NULL);
	}
	md_area_free(&s.area);
	return e;
}

/* ---- the verbs --------------------------------------------------------- */

static struct get get;

static int usage(const char *text)
{
	trouble_set(&get.why, PT_UNKNOWN, ST_OWN, text, (char *)NULL);
	return say_trouble(&get.why);
}

/* "all" or numbers, and then a Maildir where the last is no number. */
static int operands(const struct options *o, bool *all)
{
	char **p = o->operands;
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
		return usage("get: which messages? N..., or all");
	if (!dir && (*all || count > 1))
		return usage("get: more than one message needs a Maildir "
		    "as the last operand");
	status = *all ? 0 : operands_check(p);
	get.deliver = dir != NULL;
	if (status == 0 && dir && fill_maildir(&get.md, dir, &get.why) < 0)
		status = say_trouble(&get.why);
	return status;
}

static int finish(int e)
{
	if (e < 0)
		return session_fail(get.c, &get.why);
	return session_end(get.c, get.status);
}

int verb_get(const struct options *o)
{
	bool all;
	int status = operands(o, &all);

	get.o = o;
	get.c = status ? NULL : session_begin(o, &status);
	if (!get.c)
		return status;
	return finish(all ? get_all(&get) : get_some(&get, o->operands));
}

int verb_top(const struct options *o)
{
	char **p = o->operands;
	struct line l;
	uint64_t n, size;
	int e, status = PT_OK;

	if (!p[0] || !p[1] || p[2] || parse_u64(p[0], &n) < 0 ||
	    parse_u64(p[1], &n) < 0)
		return usage("top: want N LINES");
	get.o = o;
	get.c = session_begin(o, &status);
	if (!get.c)
		return status;
	e = find(&get, p[0], &size);
	if (e > 0) {
		e = cl_ok(get.c, &l, &get.why, "TOP", p[0], p[1],
		    (char *)NULL);
		if (e == 0)
			e = pass(&get, limit(size), o->quiet ? -1 :
			    STDOUT_FILENO);
	}
	return finish(e);
}
