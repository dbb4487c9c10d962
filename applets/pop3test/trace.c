/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/trace.o
/*
 * Transcripts: what -v and -x show is a script again, with passwords as the
 * variables that they would come from.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "netio.h"
#include "pop3test.h"

void trace_init(struct trace *t, const struct options *o)
{
	t->fd = o->verbose ? STDERR_FILENO : -1;
	t->verbose = o->verbose;
	t->began = nio_usec();
	t->n = 0;
}

/* DIR/PID-NUMBER.pop3, or PID-NUMBER-TAG.pop3. */
int trace_open(struct conn *c, struct trouble *why)
{
	static unsigned number;
	char name[HOST_MAX + 64];
	struct str s;

	if (!c->o->trace_dir)
		return 0;
	str_init(&s, name, sizeof name);
	str_put(&s, c->o->trace_dir);
	str_char(&s, '/');
	str_u64(&s, (uint64_t)getpid());
	str_char(&s, '-');
	str_u64(&s, ++number);
	str_put(&s, c->tag[0] ? "-" : "");
	str_put(&s, c->tag);
	str_put(&s, ".pop3");
	if (s.cut)
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "-x: a path too long: ", name, (char *)NULL);
	c->trace_fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	return c->trace_fd >= 0 ? 0 :
	    trouble_errno(why, PT_UNKNOWN, ST_OWN, name);
}

void trace_shut(struct conn *c)
{
	if (c->trace_fd >= 0)
		close(c->trace_fd);
	c->trace_fd = -1;
}

/* ---- lines ------------------------------------------------------------- */

enum { PIECE = 256, COLUMNS = 4000 };	/* of a script: less than TEXT_MAX */

/* Where a line is shown: in files, and among the last lines for a report. */
struct shown {
	struct conn *c;
	char mark;
	int fd[2];
	size_t col;
	bool mute;
	struct str buf, last;
	char text[PIECE], none[1];
};

static void flush(struct shown *s)
{
	for (int i = 0; i < 2; i++)
		if (s->fd[i] >= 0)
			(void)fd_write(s->fd[i], s->buf.p, s->buf.len);
	str_init(&s->buf, s->text, sizeof s->text);
}

static void put(struct shown *s, const char *z)
{
	size_t n = strlen(z);

	if (s->mute)
		return;
	if (s->buf.len + n >= s->buf.cap)
		flush(s);
	str_mem(&s->buf, z, n);
	str_mem(&s->last, z, n);
	s->col += n;
}

static void put_char(struct shown *s, char c)
{
	const char z[2] = { c, '\0' };

	put(s, z);
}

static void put_head(struct shown *s, char kind)
{
	s->col = 0;
	put_char(s, s->mark);
	put(s, s->c->tag);
	put_char(s, kind);
	put_char(s, ' ');
}

static void begin(struct shown *s, struct conn *c, char mark, char kind)
{
	struct trace *t = c->trace;
	char number[24];
	struct str n;

	*s = (struct shown){ .c = c, .mark = mark,
	    .fd = { t ? t->fd : -1, c->trace_fd } };
	str_init(&s->buf, s->text, sizeof s->text);
	str_init(&s->last, s->none, sizeof s->none);
	if (t && t->verbose > 1) {
		str_init(&n, number, sizeof number);
		str_u64(&n, (uint64_t)(nio_usec() - t->began));
		put(s, "# ");
		put(s, number);
		put(s, " us\n");
	}
	if (t)
		str_init(&s->last, t->last[t->n++ % TRACE_LINES],
		    TRACE_WIDTH);
	put_head(s, kind);
}

static void finish(struct shown *s)
{
	s->mute = false;
	str_init(&s->last, s->none, sizeof s->none);
	put(s, "\n");
	flush(s);
}

static bool is_plain(unsigned char b)
{
	return b >= 0x20 && b < 0x7F;
}

static void put_hex(struct shown *s, unsigned char b)
{
	char text[5];
	struct str h;

	str_init(&h, text, sizeof text);
	str_put(&h, "\\x");
	str_hex(&h, &b, 1);
	put(s, text);
}

/*
 * The bytes as the language escapes them; a blank at either end, which
 * would not be seen, too, and what would begin a comment.  What is sent
 * may go on on another line.
 */
static void put_text(struct shown *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];
		size_t len = secret_at(p + i, n - i);

		if (len > 0) {
			put(s, "$pass");
			i += len - 1;
			continue;
		}
		if (s->mark == 'C' && s->col > COLUMNS) {
			put(s, "\n");
			put_head(s, '>');
		}
		if (b == '\r' || b == '\n') {
			put(s, b == '\r' ? "\\r" : "\\n");
		} else if (!is_plain(b) || (b == ' ' && i == n - 1) ||
		    (i == 0 && (b == ' ' || b == '<'))) {
			put_hex(s, b);
		} else {
			put(s, b == '\\' || b == '$' ? "\\" : "");
			put_char(s, (char)b);
		}
	}
}

/* Is it longer than a line of a script, when it is escaped? */
static bool is_long(const char *p, size_t n)
{
	size_t length = n;

	for (size_t i = 0; i < n; i++)
		length += is_plain((unsigned char)p[i]) ?
		    p[i] == '\\' || p[i] == '$' : 3;
	return length > COLUMNS;
}

void trace_line(struct conn *c, char kind, const char *p, size_t n)
{
	struct shown s;

	if (is_long(p, n))
		kind = '~';
	begin(&s, c, 'S', kind);
	if (kind == '~') {	/* the beginning of it is for reports */
		put(&s, ".*");
		s.last.len = 0;
		finish(&s);
		s.fd[0] = s.fd[1] = -1;
		if (!c->trace)
			return;
		str_init(&s.last, c->trace->last[(c->trace->n - 1) %
		    TRACE_LINES], TRACE_WIDTH);
		put_head(&s, '=');
		n = n < TRACE_WIDTH ? n : TRACE_WIDTH;
	}
	put_text(&s, p, n);
	finish(&s);
}

/* ---- what is sent ------------------------------------------------------ */

static bool is_verb(const char *p, size_t n, const char *verb)
{
	for (; *verb; p++, verb++, n--)
		if (n == 0 || ascii_lower(*p) != *verb)
			return false;
	return n > 1 && *p == ' ';
}

/* What stands for an answer within AUTH, by the mechanism's letter. */
static const char *auth_answer(const struct conn *c)
{
	switch (c->auth & ~0x20) {
	case 'P': return "$plain";
	case 'C': return "$cram";
	case 'L':	/* LOGIN asks for the name first: "VXNlcm5hbWU6" */
		return str_after(c->challenge, "UGFzc") ? "$pass64" :
		    "$user64";
	default: return "$_";
	}
}

/* A command without what must stay secret. */
static void put_command(struct shown *s, const char *p, size_t n)
{
	struct conn *c = s->c;
	const char *by = NULL;
	size_t keep = 4;

	if (c->auth) {
		keep = 0;
		by = n == 1 && *p == '*' ? NULL : auth_answer(c);
	} else if (is_verb(p, n, "pass")) {
		by = "$pass";
	} else if (is_verb(p, n, "apop") || is_verb(p, n, "auth")) {
		for (keep = 5; keep < n && p[keep] != ' '; )
			keep++;
		if ((p[1] | 0x20) == 'p')
			by = "$digest";
		else if (n > 5)
			c->auth = p[5];
		if (c->auth)
			by = auth_answer(c);
		by = keep < n ? by : NULL;
	}
	if (!by || (c->trace && c->trace->verbose > 1)) {
		put_text(s, p, n);
		return;
	}
	put_text(s, p, keep);
	put(s, keep ? " " : "");
	put(s, by);
}

void trace_sent(struct conn *c, char kind, const char *p, size_t n,
    const char *instead)
{
	bool cut = kind == ':' && n > COLUMNS / 4;
	struct shown s;

	begin(&s, c, 'C', cut ? '>' : kind);
	if (instead && !(c->trace && c->trace->verbose > 1)) {
		for (; *instead; instead++)
			put_char(&s, *instead);
		s.mute = true;
	}
	while (n > 0) {
		size_t line = 0, end;

		while (line < n && p[line] != '\n')
			line++;
		end = line + (line < n);
		line -= line > 0 && line < n && p[line - 1] == '\r';
		put_command(&s, p, line);
		put_text(&s, p + line, end - line);
		p += end;
		n -= end;
	}
	put(&s, cut ? "\\r\\n" : "");
	finish(&s);
}

void trace_note(struct conn *c, const char *word, const char *rest)
{
	const int fd[2] = { c->trace ? c->trace->fd : -1, c->trace_fd };

	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			fd_puts(fd[i], word, *rest ? " " : "", rest, "\n",
			    (char *)NULL);
}
