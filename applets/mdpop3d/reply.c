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

void reply_end(struct session *s, const char *text, const char *why)
{
	reply_err(s, text);
	s->end = why;
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
