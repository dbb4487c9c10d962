/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/trouble.o
/* What went wrong, in words that can be printed. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "pop3test.h"

int trouble_set(struct trouble *t, int status, enum stage stage,
    const char *first, ...)
{
	char text[TROUBLE_TEXT];	/* t->text may be one of the strings */
	struct str s;
	va_list ap;

	str_init(&s, text, sizeof text);
	va_start(ap, first);
	for (const char *z = first; z; z = va_arg(ap, const char *))
		str_safe(&s, z, strlen(z), sizeof text);
	va_end(ap);
	t->status = status;
	t->stage = stage;
	t->shown[0] = '\0';
	memcpy(t->text, text, s.len + 1);
	return -1;
}

int trouble_errno(struct trouble *t, int status, enum stage stage,
    const char *what)
{
	char buf[ERR_TEXT];

	return trouble_set(t, status, stage, what, ": ",
	    err_text(errno, buf), (char *)NULL);
}

const char *stage_name(enum stage stage)
{
	static const char name[][9] = {
		[ST_OWN] = "own", [ST_CONNECT] = "connect", [ST_TLS] = "tls",
		[ST_GREETING] = "greeting", [ST_AUTH] = "auth",
		[ST_REPLY] = "reply", [ST_CLOSE] = "close"
	};

	return name[stage];
}
