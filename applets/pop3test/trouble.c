/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/trouble.o
/* What went wrong, in words that can be printed. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "pop3test.h"

enum { SECRET_MIN = 4 };	/* shorter ones are parts of other words */

static char secret[SECRET_MAX];
static size_t secret_len;

void secret_keep(const char *pass)
{
	struct str s;

	str_init(&s, secret, sizeof secret);
	str_put(&s, pass);
	secret_len = s.len >= SECRET_MIN ? s.len : 0;
}

size_t secret_at(const char *p, size_t n)
{
	return secret_len && secret_len <= n &&
	    memcmp(p, secret, secret_len) == 0 ? secret_len : 0;
}

void secret_safe(struct str *s, const char *p, size_t n, size_t max)
{
	size_t len, i = 0;

	while (i < n && i < max) {
		len = secret_at(p + i, n - i);
		if (len > 0)
			str_put(s, "$pass");
		else
			str_safe(s, p + i, len = 1, 1);
		i += len;
	}
	str_put(s, i < n ? "..." : "");
}

int trouble_set(struct trouble *t, int status, enum stage stage,
    const char *first, ...)
{
	char text[TROUBLE_TEXT];	/* t->text may be one of the strings */
	struct str s;
	va_list ap;

	str_init(&s, text, sizeof text);
	va_start(ap, first);
	for (const char *z = first; z; z = va_arg(ap, const char *))
		secret_safe(&s, z, strlen(z), sizeof text);
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
