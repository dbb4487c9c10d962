/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d/session.o
/* One client: RFC 1939, with CAPA (RFC 2449) and response codes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d.h"
#include "message.h"

/* Commands in a row that may fail, by state, before we hang up. */
enum { BAD_BEFORE_LOGIN = 3, BAD_AFTER_LOGIN = 20 };

#define NOT_REMOVED "some deleted messages not removed"

/* "+OK" and numbers or words, as STAT, LIST n and UIDL n have it. */
static void put_line(struct session *s, const char *start, uint64_t number,
    const char *word, uint64_t size)
{
	char buf[P3_LINE];
	struct str line;

	str_init(&line, buf, sizeof buf);
	str_put(&line, start);
	str_u64(&line, number);
	str_char(&line, ' ');
	if (word)
		str_put(&line, word);
	else
		str_u64(&line, size);
	str_put(&line, "\r\n");
	nio_put(&s->io, line.p, line.len);
}

static void put_entry(struct session *s, const char *start,
    const struct md_ent *m, bool uidl)
{
	uint64_t number = (uint64_t)(m - s->drop.list.e) + 1;
	char uid[MD_UIDL_MAX + 1];

	if (uidl)
		md_uidl(uid, m);
	put_line(s, start, number, uidl ? uid : NULL, m->size);
}

/* The message an argument names; null: answered already. */
static struct md_ent *pick(struct session *s, const char *arg)
{
	struct md_ent *m = NULL;
	uint64_t number;

	if (parse_u64(arg, &number) == 0)
		m = drop_message(&s->drop, number);
	if (m == NULL)
		reply_err(s, "no such message");
	return m;
}

static void list(struct session *s, const struct p3_line *c, bool uidl)
{
	if (c->args) {
		const struct md_ent *m = pick(s, c->arg[0]);

		if (m)
			put_entry(s, "+OK ", m, uidl);
		return;
	}
	reply_ok(s);
	for (size_t i = 0; i < s->drop.list.n && !s->io.failed; i++)
		if (!drop_marked(&s->drop.list.e[i]))
			put_entry(s, "", &s->drop.list.e[i], uidl);
	nio_puts(&s->io, ".\r\n");
}

static int to_client(void *ctx, const void *p, size_t n)
{
	struct nio *io = ctx;

	return nio_put(io, p, n);
}

/*
 * After the +OK there is no way to tell of an error but to hang up: a
 * terminator would pass off part of a message as all of it.
 */
static void send_file(struct session *s, int fd, const struct md_ent *m,
    uint64_t stored, uint64_t lines)
{
	struct drop *d = &s->drop;
	struct msg w;
	int e;

	reply_ok(s);
	msg_begin(&w, lines, to_client, &s->io);
	e = msg_file(&w, fd, d->buf, sizeof d->buf);
	if (s->io.failed)
		return;
	if (e == 0 && !w.full && (w.stored != stored ||
	    (d->exact && w.octets != m->size)))
		e = -ESTALE;
	if (e == 0) {
		nio_puts(&s->io, ".\r\n");
		return;
	}
	session_log(s, LG_ERR, "cannot read message", m->name);
	s->end = e == -ESTALE ? END_CHANGED : END_READ;
}

static void send_message(struct session *s, const struct p3_line *c,
    uint64_t lines)
{
	struct md_ent *m = pick(s, c->arg[0]);
	struct stat st;
	int fd;

	if (m == NULL)
		return;
	fd = drop_open_message(&s->drop, m, &st);
	if (fd < 0) {
		reply_err(s, fd == -ENOENT ? "message is gone" :
		    "[SYS/TEMP] message cannot be opened");
		return;
	}
	send_file(s, fd, m, (uint64_t)st.st_size, lines);
	close(fd);
}

static void top(struct session *s, const struct p3_line *c)
{
	uint64_t lines;

	/* As a count of lines, MSG_ALL is as good as any that large. */
	if (parse_u64(c->arg[1], &lines) < 0)
		reply_err(s, "bad number of lines");
	else
		send_message(s, c, lines);
}

static void dele(struct session *s, const struct p3_line *c)
{
	struct md_ent *m = pick(s, c->arg[0]);

	if (m) {
		drop_mark(&s->drop, m);
		reply_ok(s);
	}
}

/* Into the UPDATE state; whether all went well. */
static bool update(struct session *s)
{
	size_t failed = drop_update(&s->drop, !s->conf->keep_new);

	s->updated = true;
	if (failed)
		session_log(s, LG_ERR, NOT_REMOVED, NULL);
	return failed == 0;
}

static void quit(struct session *s)
{
	s->end = END_QUIT;
	/* A client that pipelines gets its messages before they go. */
	(void)nio_flush(&s->io);
	if (s->state != P3_TRANSACTION || update(s))
		reply_ok(s);
	else
		reply_err(s, "[SYS/TEMP] " NOT_REMOVED);
}

static void capa(struct session *s)
{
	reply_ok(s);
	if (ENABLE_FEATURE_MDPOP3D_AUTH && !s->conf->preauth)
		login_capa(s);
	nio_puts(&s->io, "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\n"
	    "EXPIRE NEVER\r\nIMPLEMENTATION popbox-" POPBOX_VERSION
	    "\r\n.\r\n");
}

static void open_failed(struct session *s, const char *dir, int e)
{
	char why[ERR_TEXT];

	if (e == -EWOULDBLOCK) {
		session_log(s, LG_NOTICE, "maildrop is in use", NULL);
		reply_end(s, "[IN-USE] maildrop is in use", END_IN_USE);
		return;
	}
	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, dir, err_text(-e, why));
	if (e == -ENOENT || e == -ENOTDIR || e == -ELOOP || e == -EACCES)
		reply_end(s, "[SYS/PERM] no maildrop", END_NO_MAILDROP);
	else
		reply_end(s, "[SYS/TEMP] cannot open maildrop",
		    END_NO_MAILDROP);
}

static void enter(struct session *s)
{
	const char *dir = ENABLE_FEATURE_MDPOP3D_AUTH && s->maildir[0] ?
	    s->maildir : s->conf->maildir;
	struct drop *d = &s->drop;
	char number[24];
	struct str t;
	int e = drop_open(d, dir, !s->conf->fast_sizes);

	if (e) {
		open_failed(s, dir, e);
		return;
	}
	/* Where all of it holds that is no news. */
	if (ENABLE_FEATURE_MDPOP3D_SANDBOX && !ENABLE_SANITIZE &&
	    !s->conf->quiet && s->conf->sessions == 0 && (s->conf->debug ||
	    !d->sandbox.seccomp || !d->sandbox.landlock))
		log_sandbox(&s->log, &d->sandbox);
	if (d->skipped) {
		str_init(&t, number, sizeof number);
		str_u64(&t, d->skipped);
		session_log(s, LG_WARNING, "unreadable files left out", t.p);
	}
	if (!s->conf->preauth && !s->conf->quiet)
		session_log(s, LG_INFO, "login", NULL);
	s->state = P3_TRANSACTION;
	reply_ok(s);
}

static void obey(struct session *s, const struct p3_line *c)
{
	switch (c->verb) {
	case P3_CAPA:
		capa(s);
		break;
	case P3_DELE:
		dele(s, c);
		break;
	case P3_LIST:
	case P3_UIDL:
		list(s, c, c->verb == P3_UIDL);
		break;
	case P3_APOP:
	case P3_AUTH:
	case P3_PASS:
	case P3_STLS:
	case P3_USER:
		if (ENABLE_FEATURE_MDPOP3D_AUTH && login_obey(s, c))
			enter(s);
		break;
	case P3_QUIT:
		quit(s);
		break;
	case P3_RETR:
		send_message(s, c, MSG_ALL);
		break;
	case P3_RSET:
		drop_unmark_all(&s->drop);
		reply_ok(s);
		break;
	case P3_STAT:
		put_line(s, "+OK ", s->drop.left, NULL, s->drop.left_octets);
		break;
	case P3_TOP:
		top(s, c);
		break;
	default:
		reply_ok(s);
	}
}

static bool is_known(const struct session *s, enum p3_verb verb)
{
	return !ENABLE_FEATURE_MDPOP3D_AUTH || login_offers(s, verb);
}

static void command(struct session *s, size_t len)
{
	struct p3_line c;
	unsigned before = s->bad;
	int e;

	if (ENABLE_FEATURE_MDPOP3D_DEBUG && s->conf->debug)
		debug_line(s, s->line, len);
	e = p3_parse(&c, s->line, len);
	if ((e == 0 || e == P3_EARGS) && !is_known(s, c.verb))
		e = P3_EUNKNOWN;
	if (e == P3_EARGS)
		reply_err(s, "wrong arguments");
	else if (e)
		reply_err(s, "unknown command");
	else if (!(p3_commands[c.verb].states & s->state))
		reply_err(s, "not now");
	else
		obey(s, &c);
	if (e || c.verb != P3_USER)
		s->user_given = false;
	if (s->bad == before)
		s->bad = 0;
}

/* What came is not shown: before login it may be a password, gone astray. */
static void refuse_long_line(struct session *s)
{
	if (ENABLE_FEATURE_MDPOP3D_DEBUG && s->conf->debug)
		debug_text(s, "<line too long>");
	s->user_given = false;
	reply_err(s, "line too long");
}

static void too_bad(struct session *s)
{
	unsigned most = s->state == P3_TRANSACTION ? BAD_AFTER_LOGIN :
	    BAD_BEFORE_LOGIN;

	if (!s->end && s->bad > most)
		s->end = END_BAD;
}

/* -c takes that for a QUIT. */
void session_lost(struct session *s, int how)
{
	s->end = how == NIO_TIMEOUT ? END_TIMEOUT :
	    how == NIO_EOF ? END_EOF : END_LOST;
	if (s->conf->commit && s->state == P3_TRANSACTION)
		(void)update(s);
}

static void serve(struct session *s)
{
	size_t len = 0;

	while (!s->end) {
		bool secret = ENABLE_FEATURE_MDPOP3D_AUTH &&
		    s->state == P3_AUTHORIZATION;
		int e = nio_line(&s->io, s->line, sizeof s->line, &len);

		if (e == NIO_LONG)
			refuse_long_line(s);
		else if (e == 0)
			command(s, len);
		else
			session_lost(s, e);
		if (secret)
			session_forget(s);
		if (!s->end && s->io.failed)
			session_lost(s, s->io.failed);
		too_bad(s);
	}
}

void session_greet(struct session *s)
{
	nio_puts(&s->io, "+OK");
	if (ENABLE_FEATURE_MDPOP3D_APOP && s->stamp[0]) {
		nio_puts(&s->io, " ");
		nio_puts(&s->io, s->stamp);
	}
	nio_puts(&s->io, "\r\n");
	serve(s);
	if (!ENABLE_FEATURE_MDPOP3D_PRIVSEP && !s->updated)
		drop_unmark_all(&s->drop);
}

void session_work(struct session *s)
{
	enter(s);
	serve(s);
	if (!s->updated)
		drop_unmark_all(&s->drop);
}
