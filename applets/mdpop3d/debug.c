/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_DEBUG) += applets/mdpop3d/debug.o
/* -d: what the client says, in the log. */
#include "base.h"
#include "mdpop3d.h"
#include "privsep.h"

/* A parser has no log of its own. */
void debug_text(struct session *s, const char *text)
{
	struct pv_request r;

	if (!ENABLE_FEATURE_MDPOP3D_PRIVSEP || s->monitor < 0) {
		session_log(s, LG_DEBUG, "command", text);
		return;
	}
	login_fill(&r, PV_LOG, "", text);
	(void)login_ask(s, &r);
}

static bool mentions(const char *p, size_t n, const char word[5])
{
	for (; n >= 4; p++, n--) {
		size_t i = 0;

		while (i < 4 && ascii_lower(p[i]) == word[i])
			i++;
		if (i == 4)
			return true;
	}
	return false;
}

/* USER and a word; else what stands behind a verb may be a password. */
static bool is_shown_early(const char *line, size_t len, int verb)
{
	size_t word = str_span(line, ' ');

	if (verb < 0)
		return false;
	if (verb == P3_USER && word < len)
		word += 1 + str_span(line + word + 1, ' ');
	return word == len;
}

/*
 * -d: what the client says, but no password, however it was mistyped.
 * Before login a line that is no command may be one all by itself.
 */
void debug_line(struct session *s, const char *line, size_t len)
{
	char buf[4 * P3_LINE];
	struct str safe;
	int verb = p3_verb(line, str_span(line, ' '));
	bool hide = mentions(line, len, "pass") ||
	    mentions(line, len, "auth") || (s->state == P3_AUTHORIZATION &&
	    !is_shown_early(line, len, verb));

	str_init(&safe, buf, sizeof buf);
	if (hide && verb >= 0) {
		str_put(&safe, p3_commands[verb].name);
		str_char(&safe, ' ');
	}
	if (hide)
		str_put(&safe, "<hidden>");
	else
		str_safe(&safe, line, len, len);
	debug_text(s, safe.p);
}
