/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d/reply.o
/* What a session says: to its client, and to the log. */
#include "base.h"
#include "mdpop3d.h"

void reply_ok(struct session *s)
{
	nio_puts(&s->io, "+OK\r\n");
}

void reply_err(struct session *s, const char *text)
{
	s->bad++;
	nio_puts(&s->io, "-ERR ");
	nio_puts(&s->io, text);
	nio_puts(&s->io, "\r\n");
}

void reply_end(struct session *s, const char *text, enum end why)
{
	reply_err(s, text);
	s->end = (unsigned char)why;
}

void session_log(struct session *s, int level, const char *what,
    const char *reason)
{
	lg_say(&s->log, level, "[", s->host, "][", s->name, "] ", what,
	    reason ? ": " : NULL, reason, (char *)NULL);
}

void session_forget(struct session *s)
{
	wipe(s->line, sizeof s->line);
	nio_forget(&s->io);
}

void log_sandbox(struct lg *lg, const struct sb *has)
{
	char number[8];
	struct str t;

	str_init(&t, number, sizeof number);
	str_u64(&t, (uint64_t)has->landlock);
	lg_say(lg, LG_INFO, "sandbox: ", has->seccomp ? "seccomp, " :
	    "no seccomp, ", has->landlock ? "Landlock " : "no Landlock",
	    has->landlock ? t.p : NULL, (char *)NULL);
}

static void put_count(struct str *t, size_t messages, uint64_t octets,
    const char *what)
{
	str_u64(t, messages);
	str_char(t, '/');
	str_u64(t, octets);
	str_put(t, what);
}

/* By enum end, each with its NUL. */
static const char ends[] =
    "\0quit\0timeout\0disconnected\0connection lost\0"
    "too many bad commands\0no maildrop\0in use\0"
    "message has changed\0read error";
static const char login_ends[] = "login failed\0parser failed\0no TLS";

static const char *end_text(unsigned end)
{
	const char *text = ends;

	if (ENABLE_FEATURE_MDPOP3D_AUTH && end >= END_LOGIN) {
		text = login_ends;
		end -= END_LOGIN;
	}
	for (; end > 0; text++)
		end -= *text == '\0';
	return text;
}

void session_log_end(struct session *s)
{
	const struct drop *d = &s->drop;
	char buf[160];
	struct str t;

	str_init(&t, buf, sizeof buf);
	str_put(&t, end_text(s->end));
	str_put(&t, " (");
	put_count(&t, d->left, d->left_octets, " msgs/bytes left, ");
	put_count(&t, d->deleted, d->deleted_octets, " deleted)");
	session_log(s, LG_INFO, t.p, NULL);
}
