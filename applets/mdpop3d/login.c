/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/login.o
/*
 * AUTHORIZATION as the client sees it: USER and PASS, APOP (RFC 1939), AUTH
 * PLAIN (RFC 5034, RFC 4616), STLS (RFC 2595).  What a name and a password
 * are worth is the monitor's business.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "base64.h"
#include "mdpop3d.h"
#include "privsep.h"

enum {
	LAST_WORDS = 2000,	/* ms; less than the monitor waits for it */
	/* Two names and a password, in base 64. */
	PLAIN_LINE = (3 * P3_LINE + 2) / 3 * 4 + 2
};

/* Of AUTH, as it came and decoded. */
static char secret[PLAIN_LINE + 2];

static bool may_start_tls(const struct session *s)
{
	return ENABLE_FEATURE_MDPOP3D_STLS && s->conf->tls.control >= 0 &&
	    !s->tls;
}

static bool must_start_tls(const struct session *s)
{
	return ENABLE_FEATURE_MDPOP3D_STLS && s->conf->tls_first && !s->tls;
}

void login_fill(struct pv_request *r, int kind, const char *user,
    const char *text)
{
	struct str t;

	memset(r, 0, sizeof *r);
	r->kind = (uint32_t)kind;
	str_init(&t, r->user, sizeof r->user);
	str_put(&t, user);
	str_init(&t, r->text, sizeof r->text);
	str_put(&t, text);
}

int login_ask(struct session *s, struct pv_request *r)
{
	unsigned char answer = PV_TEMPORARY;
	bool waits = r->kind != PV_LOG;
	ssize_t n;

	if (s->monitor < 0)
		return attempt_step(s, r);
	n = send(s->monitor, r, sizeof *r, MSG_NOSIGNAL);
	wipe(r, sizeof *r);
	if (n < 0 || !waits)
		return answer;
	/* Without one the monitor has taken over, or is no more. */
	if (recv(s->monitor, &answer, 1, 0) != 1)
		_exit(END_LOST);
	/* However long that took, the client is to hear of it. */
	if (s->io.deadline < nio_now() + LAST_WORDS)
		s->io.deadline = nio_now() + LAST_WORDS;
	return answer;
}

/*
 * What the client has said already goes along: this process will not live
 * to obey it.  And it gets its answers so far, for the same reason.
 */
static bool log_in(struct session *s, enum pv_kind kind, const char *user,
    const char *text)
{
	struct pv_request r;

	login_fill(&r, kind, user, text);
	r.ahead_len = (uint32_t)(s->io.ilen - s->io.ipos);
	memcpy(r.ahead, s->io.ibuf + s->io.ipos, r.ahead_len);
	wipe(secret, sizeof secret);
	session_forget(s);
	(void)nio_flush(&s->io);
	switch (login_ask(s, &r)) {
	case PV_LOGGED_IN:
		return !s->end;
	case PV_AGAIN:
		reply_err(s, "[AUTH] login incorrect");
		break;
	case PV_INCORRECT:
		reply_end(s, "[AUTH] login incorrect", END_LOGIN);
		break;
	case PV_PERMANENT:
		reply_end(s, "[SYS/PERM] login is not possible", END_LOGIN);
		break;
	default:
		/* With PAM the client hears of no other trouble. */
		reply_end(s, ENABLE_FEATURE_MDPOP3D_PAM && s->conf->service ?
		    "[SYS/TEMP] login incorrect" :
		    "[SYS/TEMP] login is not possible now", END_LOGIN);
	}
	return false;
}

/* The same for every name: what exists is nobody's business yet. */
static void user(struct session *s, const char *name)
{
	struct str t;

	str_init(&t, s->user, sizeof s->user);
	str_put(&t, name);
	s->user_given = true;
	reply_ok(s);
}

static bool pass(struct session *s, const char *password)
{
	if (s->user_given)
		return log_in(s, PV_LOGIN, s->user, password);
	reply_err(s, "USER first");
	return false;
}

static bool apop(struct session *s, const struct p3_line *c)
{
	if (pv_is_digest(c->arg[1]))
		return log_in(s, PV_APOP, c->arg[0], c->arg[1]);
	reply_err(s, "bad digest");
	return false;
}

/* The next of n octets behind a NUL, and how many are left; or null. */
static const char *next_part(const char *p, size_t *n)
{
	const char *nul = memchr(p, '\0', *n);

	if (nul == NULL)
		return NULL;
	*n -= (size_t)(nul + 1 - p);
	return nul + 1;
}

/* [authzid] NUL authcid NUL password, of n octets: RFC 4616 section 2. */
static bool plain(struct session *s, size_t n)
{
	const char *name = next_part(secret, &n);
	const char *word = name ? next_part(name, &n) : NULL;

	/* Texts are not cut, and a name is one that USER could have. */
	if (word == NULL || memchr(word, '\0', n) || *name == '\0' ||
	    name[str_span(name, '\n')] || strlen(name) >= P3_LINE ||
	    n >= P3_LINE) {
		reply_err(s, "bad credentials");
		return false;
	}
	if (*secret && strcmp(secret, name) != 0) {
		reply_err(s, "[AUTH] not as another");
		return false;
	}
	secret[(size_t)(word - secret) + n] = '\0';
	return log_in(s, PV_LOGIN, name, word);
}

static bool decode(struct session *s, size_t len)
{
	ptrdiff_t n = strcmp(secret, "=") == 0 ? 0 :
	    base64_decode(secret, len, secret, len);

	if (n >= 0)
		return plain(s, (size_t)n);
	reply_err(s, strcmp(secret, "*") == 0 ? "cancelled" : "bad base 64");
	return false;
}

/* The client is asked for what it has not said yet. */
static bool challenge(struct session *s)
{
	size_t len;
	int e;

	nio_puts(&s->io, "+ \r\n");
	e = nio_line(&s->io, secret, PLAIN_LINE, &len);
	if (e == 0)
		return decode(s, len);
	if (e == NIO_LONG)
		reply_err(s, "line too long");
	else
		session_lost(s, e);
	return false;
}

static bool is_plain(const char *mechanism)
{
	static const char name[] = "plain";
	size_t n = 0;

	while (n < sizeof name && ascii_lower(mechanism[n]) == name[n])
		n++;
	return n == sizeof name;
}

static bool auth(struct session *s, const struct p3_line *c)
{
	struct str t;
	bool in;

	if (c->args == 0) {
		reply_ok(s);
		nio_puts(&s->io, "PLAIN\r\n.\r\n");
		return false;
	}
	if (!is_plain(c->arg[0])) {
		reply_err(s, "unknown mechanism");
		return false;
	}
	str_init(&t, secret, sizeof secret);
	if (c->args > 1)
		str_put(&t, c->arg[1]);
	in = c->args > 1 ? decode(s, t.len) : challenge(s);
	wipe(secret, sizeof secret);
	return in;
}

/*
 * What came before TLS, whole lines or half ones, may have been put there
 * by another: it is forgotten, and so is USER (RFC 2595 section 4).
 */
static void stls(struct session *s)
{
	struct pv_request r;

	reply_ok(s);
	if (nio_flush(&s->io))
		return;
	s->io.ipos = s->io.ilen = 0;
	session_forget(s);
	login_fill(&r, PV_STLS, "", "");
	if (login_ask(s, &r) != PV_DONE) {
		s->end = END_TLS;
		return;
	}
	s->io.in = s->conf->tls.in;
	s->io.out = s->conf->tls.out;
	s->tls = true;
}

bool login_offers(const struct session *s, enum p3_verb verb)
{
	switch (verb) {
	case P3_APOP:
		return ENABLE_FEATURE_MDPOP3D_APOP && s->stamp[0];
	case P3_AUTH:
		return ENABLE_FEATURE_MDPOP3D_SASL;
	case P3_STLS:
		return ENABLE_FEATURE_MDPOP3D_STLS &&
		    s->conf->tls.control >= 0;
	default:
		return true;
	}
}

bool login_obey(struct session *s, const struct p3_line *c)
{
	if (ENABLE_FEATURE_MDPOP3D_STLS && c->verb == P3_STLS) {
		if (may_start_tls(s))
			stls(s);
		else
			reply_err(s, "TLS is on");
	} else if (must_start_tls(s)) {
		reply_err(s, "STLS first");
	} else if (c->verb == P3_USER) {
		user(s, c->arg[0]);
	} else if (c->verb == P3_PASS) {
		return pass(s, c->arg[0]);
	} else if (ENABLE_FEATURE_MDPOP3D_APOP && c->verb == P3_APOP) {
		return apop(s, c);
	} else if (ENABLE_FEATURE_MDPOP3D_SASL) {
		return auth(s, c);
	}
	return false;
}

void login_capa(struct session *s)
{
	if (may_start_tls(s) && s->state == P3_AUTHORIZATION)
		nio_puts(&s->io, "STLS\r\n");
	if (must_start_tls(s))
		return;
	nio_puts(&s->io, "USER\r\nAUTH-RESP-CODE\r\n");
	if (ENABLE_FEATURE_MDPOP3D_SASL)
		nio_puts(&s->io, "SASL PLAIN\r\n");
}
