/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/login.o
/*
 * From the greeting to TRANSACTION: STLS (RFC 2595), USER and PASS, APOP
 * (RFC 1939 section 7), AUTH (RFC 5034) with PLAIN, LOGIN and CRAM-MD5.
 */
#include <string.h>

#include "base64.h"
#include "pop3.h"
#include "verbs.h"

enum { ANSWER = 1024 };		/* of a name and a password, in base 64 */

/* ---- the answers ------------------------------------------------------- */

void login_apop(struct str *out, const char *stamp, const char *pass)
{
	unsigned char digest[MD5_SIZE];
	struct md5 m;

	md5_begin(&m);
	md5_add(&m, stamp, strlen(stamp));
	md5_add(&m, pass, strlen(pass));
	md5_end(&m, digest);
	str_hex(out, digest, sizeof digest);
}

void login_plain(struct str *out, const char *user, const char *pass)
{
	char text[2 * SECRET_MAX + 2];
	struct str s;

	/* RFC 4616: no authorization identity, hence a NUL first. */
	str_init(&s, text, sizeof text);
	str_char(&s, '\0');
	str_put(&s, user);
	str_char(&s, '\0');
	str_put(&s, pass);
	base64_put(out, s.p, s.len);
}

void login_cram(struct str *out, const char *challenge, const char *user,
    const char *pass)
{
	char text[LINE_KEEP];
	unsigned char digest[MD5_SIZE];
	ptrdiff_t n = base64_decode(text, sizeof text, challenge,
	    strlen(challenge));
	struct str s;

	if (n < 0)
		return;
	md5_hmac(pass, strlen(pass), text, (size_t)n, digest);
	str_init(&s, text, sizeof text);
	str_put(&s, user);
	str_char(&s, ' ');
	str_hex(&s, digest, sizeof digest);
	base64_put(out, s.p, s.len);
}

/* ---- the mechanisms; all return what cl_ask does ----------------------- */

struct login {
	struct conn *c;
	const char *user, *pass;
	struct line reply;
	struct trouble *why;
};

static int by_user(struct login *a)
{
	int r = cl_command(a->c, &a->reply, a->why, "USER", a->user,
	    (char *)NULL);

	return r != 1 ? r : cl_command(a->c, &a->reply, a->why, "PASS",
	    a->pass, (char *)NULL);
}

static int by_apop(struct login *a)
{
	char digest[2 * MD5_SIZE + 1];
	struct str s;

	if (!a->c->stamp[0])
		return trouble_set(a->why, PT_CRITICAL, ST_AUTH,
		    "no APOP: the greeting has no timestamp", (char *)NULL);
	str_init(&s, digest, sizeof digest);
	login_apop(&s, a->c->stamp, a->pass);
	return cl_command(a->c, &a->reply, a->why, "APOP", a->user, digest,
	    (char *)NULL);
}

static int ask(struct login *a, const char *text)
{
	return cl_ask(a->c, &a->reply, a->why, text, strlen(text));
}

static int by_plain(struct login *a)
{
	static const char auth[] = "AUTH PLAIN ";
	char text[ANSWER];
	struct str s;
	int r;

	str_init(&s, text, sizeof text);
	str_put(&s, auth);
	login_plain(&s, a->user, a->pass);
	/* RFC 5034 section 4: with its CRLF it has to be a command. */
	if (s.len + 2 <= P3_LINE)
		return ask(a, s.p);
	r = ask(a, "AUTH PLAIN");
	return r != 2 ? r : ask(a, s.p + sizeof auth - 1);
}

/* No RFC has it; the name first and then the password, in base 64. */
static int by_login(struct login *a)
{
	const char *const part[] = { a->user, a->pass };
	int r = ask(a, "AUTH LOGIN");

	for (int i = 0; i < 2 && r == 2; i++) {
		char text[ANSWER];
		struct str s;

		str_init(&s, text, sizeof text);
		base64_put(&s, part[i], strlen(part[i]));
		r = ask(a, s.p);
	}
	return r;
}

static int by_cram(struct login *a)
{
	char text[ANSWER];
	struct str s;
	int r = ask(a, "AUTH CRAM-MD5");

	if (r != 2)
		return r;
	str_init(&s, text, sizeof text);
	login_cram(&s, a->c->challenge, a->user, a->pass);
	if (s.len == 0)
		return trouble_set(a->why, PT_CRITICAL, ST_AUTH,
		    "a challenge that is no base 64: ", a->c->challenge,
		    (char *)NULL);
	return ask(a, s.p);
}

/* ---- which of them ----------------------------------------------------- */

static const struct {
	char name[9];
	int (*go)(struct login *a);
} mechanisms[] = {
	[MECH_USER] = { "USER", by_user },
	[MECH_APOP] = { "APOP", by_apop },
	[MECH_PLAIN] = { "PLAIN", by_plain },
	[MECH_LOGIN] = { "LOGIN", by_login },
	[MECH_CRAM] = { "CRAM-MD5", by_cram }
};

/* 1, 0 and the refusal in why, or -1. */
static int try(struct login *a, enum mechanism m)
{
	int r = mechanisms[m].go(a);

	if (r == 2)
		return trouble_set(a->why, PT_WARNING, ST_AUTH,
		    mechanisms[m].name, ": one challenge too many",
		    (char *)NULL);
	if (r == 0)
		trouble_set(a->why, PT_CRITICAL, ST_AUTH, "login by ",
		    mechanisms[m].name, " refused: ", a->reply.p,
		    (char *)NULL);
	return r;
}

/*
 * First what does not show the password, where it is offered.
 * Within TLS that does not matter, but APOP is known to fail there: servers
 * show a timestamp to all, and have it for those whose password they store.
 */
static enum mechanism choose(const struct conn *c, const char *capa)
{
	if (capa_has(capa, "SASL", "CRAM-MD5"))
		return MECH_CRAM;
	if (c->stamp[0] && !c->wire.tls)
		return MECH_APOP;
	if (capa_has(capa, "SASL", "PLAIN"))
		return MECH_PLAIN;
	return capa_has(capa, "SASL", "LOGIN") ? MECH_LOGIN : MECH_USER;
}

/* A refusal that has nothing to do with how we tried. */
static bool is_final(const char *reply)
{
	return str_after(reply, "-ERR [") && !str_after(reply, "-ERR [AUTH]");
}

/*
 * A server that stores hashes of passwords cannot answer a challenge, and
 * many offer APOP and CRAM-MD5 nevertheless: so USER has a chance, too.
 * What counts then is its refusal, if it got as far as that.
 */
static int try_best(struct login *a, const char *capa)
{
	struct trouble first;
	enum mechanism m = choose(a->c, capa);
	int r = try(a, m);

	if (r != 0 || (m != MECH_CRAM && m != MECH_APOP) ||
	    is_final(a->reply.p))
		return r;
	first = *a->why;
	r = try(a, MECH_USER);
	if (r < 0) {
		*a->why = first;
		r = 0;
	}
	return r;
}

static int start_tls(struct conn *c, char capa[CAPA_TEXT],
    struct trouble *why)
{
	struct line l;
	int r = cl_command(c, &l, why, "STLS", (char *)NULL);

	if (r == 0)
		return trouble_set(why, PT_CRITICAL, ST_TLS, "no STLS: ",
		    l.p, (char *)NULL);
	if (r < 0 || conn_tls(c, c->o->verify, why) < 0)
		return -1;
	/* RFC 2595 section 4: they may differ now.  Or no TLS came about. */
	r = cl_capa(c, capa, why);
	if (r < 0)
		why->stage = ST_TLS;
	return r;
}

static bool has_line_end(const char *z)
{
	return z[str_span(z, '\r')] || z[str_span(z, '\n')];
}

int cl_login(struct conn *c, const char *user, const char *pass,
    struct trouble *why)
{
	struct login a = { .c = c, .user = user, .pass = pass, .why = why };
	enum mechanism m = c->o->mech;
	bool stls = c->o->stls && !c->wire.tls;
	char capa[CAPA_TEXT];
	int r;

	if (c->o->verbose < 2)
		secret_keep(pass);
	if (!c->greeted && cl_greeting(c, why) < 0)
		return -1;
	if (stls && start_tls(c, capa, why) < 0)
		return -1;
	if (!user)
		return 0;
	if (has_line_end(user) || has_line_end(pass))
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "a line end within the name or the password",
		    (char *)NULL);
	if (m == MECH_AUTO && !stls && cl_capa(c, capa, why) < 0)
		return -1;
	r = m == MECH_AUTO ? try_best(&a, capa) : try(&a, m);
	return r == 1 ? 0 : -1;
}
