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
#include "pop3.h"
#include "pop3test.h"

void trace_init(struct trace *t, const struct options *o)
{
	t->fd = o->verbose ? STDERR_FILENO : -1;
	t->verbose = o->verbose;
	t->began = nio_usec();
	t->n = 0;
}

/* DIR/PID-NUMBER.pop3, or PID-NUMBER-TAG.pop3. */
void trace_open(struct conn *c)
{
	static unsigned number;
	char name[HOST_MAX + 64];
	struct str s;

	if (!c->o->trace_dir)
		return;
	str_init(&s, name, sizeof name);
	str_put(&s, c->o->trace_dir);
	str_char(&s, '/');
	str_u64(&s, (uint64_t)getpid());
	str_char(&s, '-');
	str_u64(&s, ++number);
	str_put(&s, c->tag[0] ? "-" : "");
	str_put(&s, c->tag);
	str_put(&s, ".pop3");
	if (!s.cut)
		c->trace_fd = open(name, O_WRONLY | O_CREAT | O_EXCL |
		    O_CLOEXEC, 0600);
}

void trace_shut(struct conn *c)
{
	if (c->trace_fd >= 0)
		close(c->trace_fd);
	c->trace_fd = -1;
}

/* ---- secrets ----------------------------------------------------------- */

static bool is_verb(const char *p, const char *verb)
{
	while (*verb && ascii_lower(*p) == ascii_lower(*verb))
		p++, verb++;
	return *verb == '\0' && *p == ' ';
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

/* The sent line without what must stay secret, or the line itself. */
static const char *masked(const struct conn *c, const char *p, size_t *n,
    char *buf, size_t cap)
{
	struct str s;

	str_init(&s, buf, cap);
	if (c->auth) {
		str_put(&s, auth_answer(c));
	} else if (is_verb(p, "PASS")) {
		str_put(&s, "PASS $pass");
	} else if (is_verb(p, "AUTH PLAIN")) {
		str_put(&s, "AUTH PLAIN $plain");
	} else if (is_verb(p, "APOP")) {
		str_mem(&s, p, 5 + str_span(p + 5, ' '));
		str_put(&s, " $digest");
	} else {
		return p;
	}
	*n = s.len;
	return s.p;
}

/* ---- lines ------------------------------------------------------------- */

enum { PIECE = 256 };

static void emit(const int *fd, struct str *s)
{
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			(void)fd_write(fd[i], s->p, s->len);
	str_init(s, s->p, s->cap);
}

/*
 * The bytes as the language escapes them; a blank at either end, which
 * would not be seen, too.
 */
static void put_text(const int *fd, struct str *s, const char *p, size_t n,
    bool plain)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];
		bool edge = b == ' ' && (i == 0 || i == n - 1);

		if (b < 0x20 || b >= 0x7F || edge) {
			str_put(s, "\\x");
			str_hex(s, &b, 1);
		} else {
			if (!plain && (b == '\\' || b == '$'))
				str_char(s, '\\');
			str_char(s, (char)b);
		}
		if (s->len > PIECE - 8)
			emit(fd, s);
	}
}

/* The beginning of it for the report of a failure. */
static void remember(struct trace *t, const struct conn *c, char mark,
    char kind, const char *p, size_t n)
{
	char *at = t->last[t->n++ % TRACE_LINES];
	struct str s;

	str_init(&s, at, TRACE_WIDTH);
	str_char(&s, mark);
	str_put(&s, c->tag);
	str_char(&s, kind == '~' ? '=' : kind);
	str_char(&s, ' ');
	str_safe(&s, p, n, TRACE_WIDTH);
}

static void show(const struct conn *c, const int *fd, char mark, char kind,
    const char *p, size_t n, bool plain)
{
	char buf[PIECE];
	struct str s;

	str_init(&s, buf, sizeof buf);
	if (c->trace && c->trace->verbose > 1) {
		str_put(&s, "# ");
		str_u64(&s, (uint64_t)(nio_usec() - c->trace->began));
		str_put(&s, " us\n");
	}
	str_char(&s, mark);
	str_put(&s, c->tag);
	str_char(&s, kind);
	str_char(&s, ' ');
	if (kind == '~')
		str_put(&s, ".*");
	else
		put_text(fd, &s, p, n, plain);
	str_char(&s, '\n');
	emit(fd, &s);
}

void trace_line(struct conn *c, char mark, char kind, const char *p,
    size_t n)
{
	const int fd[2] = { c->trace ? c->trace->fd : -1, c->trace_fd };
	const char *line = p;
	char mask[PIECE];

	if (mark == 'C' && !(c->trace && c->trace->verbose > 1))
		line = masked(c, p, &n, mask, sizeof mask);
	if (c->trace)
		remember(c->trace, c, mark, kind, line, n);
	if (fd[0] >= 0 || fd[1] >= 0)
		show(c, fd, mark, kind, line, n, line == mask);
}

void trace_note(struct conn *c, const char *word, const char *rest)
{
	const int fd[2] = { c->trace ? c->trace->fd : -1, c->trace_fd };

	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			fd_puts(fd[i], word, *rest ? " " : "", rest, "\n",
			    (char *)NULL);
}
