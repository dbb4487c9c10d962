/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/attempt.o
/*
 * What is done for a client that is not logged in: an attempt to, TLS, a
 * line in the log; and how this process becomes the user.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "mdpop3d.h"
#include "privsep.h"

enum {
	FAILURE_DELAY = 2000	/* ms, and multiples of it */
};

/* Who the last attempt was for. */
static struct au_user user;
static struct verdict verdict;

/*
 * Until a moment counted from the password: neither how long its hash took
 * is told, nor by which of several ways it was refused.
 */
static void hold(int64_t start)
{
	int64_t took = nio_now() - start;
	int64_t until = start + (took / FAILURE_DELAY + 1) * FAILURE_DELAY;

	while ((took = until - nio_now()) > 0)
		poll(NULL, 0, (int)took);
}

/*
 * A name nobody has is not logged: it may be a password, typed too soon.
 */
static void log_refusal(struct session *s, const char *reason)
{
	char buf[SAFE_NAME + 32];
	struct str t;

	str_init(&t, buf, sizeof buf);
	str_put(&t, "login incorrect");
	if (user.name[0]) {
		str_put(&t, " for ");
		str_safe(&t, user.name, strlen(user.name), 64);
	}
	session_log(s, LG_NOTICE, t.p, reason);
}

static int refuse(struct session *s, const char *reason, int64_t start)
{
	log_refusal(s, reason);
	if (ENABLE_FEATURE_MDPOP3D_LISTEN)
		listen_note(NOTE_INCORRECT);
	hold(start);
	return s->attempts < CONFIG_MDPOP3D_LOGIN_TRIES ? PV_AGAIN :
	    PV_INCORRECT;
}

static void cannot_become(struct session *s, const char *what, int e)
{
	char why[ERR_TEXT];

	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, what, err_text(e, why));
	reply_end(s, "[SYS/PERM] cannot open maildrop", END_NO_MAILDROP);
}

/* With TLS on, the way around it is no longer there. */
static void settle_fds(struct session *s)
{
	if (s->tls) {
		dup2(s->conf->tls.in, STDIN_FILENO);
		dup2(s->conf->tls.out, STDOUT_FILENO);
		s->io.in = STDIN_FILENO;
		s->io.out = STDOUT_FILENO;
	}
	fd_close_others(&s->log.fd, 1);
}

/* From here on nothing of root is left, and nothing of root is needed. */
void attempt_become(struct session *s)
{
	struct str t;
	int e;

	str_init(&t, s->name, sizeof s->name);
	str_safe(&t, user.name, strlen(user.name), 64);
	if (!s->conf->maildir_given) {
		str_init(&t, s->maildir, sizeof s->maildir);
		str_put(&t, verdict.maildir);
	}
	if (ENABLE_FEATURE_MDPOP3D_LISTEN) {
		listen_note(NOTE_LOGIN);
		listen_silence();
	}
	s->io.deadline = 0;
	settle_fds(s);
	e = au_become(&user);
	sb_private(false);
	if (e)
		cannot_become(s, "cannot become the user", -e);
	else if (chdir(user.home) < 0)
		cannot_become(s, user.home, errno);
}

/* The user database is in no state to tell. */
static int give_up(struct session *s, const char *what, const char *why,
    int64_t start, int answer)
{
	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, what, why);
	hold(start);
	return answer;
}

static const char *source(const struct conf *c)
{
	if (c->users_file)
		return c->users_file;
	if (c->checkpw)
		return c->program[0];
	return c->service ? "PAM" : "/etc/passwd, /etc/shadow";
}

static int judge(struct session *s, const struct pv_request *r)
{
	int result = AU_PASSWORD;

	memset(&user, 0, sizeof user);
	memset(&verdict, 0, sizeof verdict);
	/* What passes for a password with some is none (an LDAP bind). */
	if (r->text[0] || !(s->conf->service || s->conf->checkpw))
		result = check_login(s, r, &user, &verdict);
	if (result == AU_OK && user.uid < s->conf->lowest_uid)
		result = AU_UID;
	return result;
}

static int log_in(struct session *s, struct pv_request *r)
{
	int64_t start = nio_now();
	int result = judge(s, r);
	const char *reason = verdict.detail[0] ? verdict.detail :
	    au_reason((enum au_result)result);

	wipe(r, sizeof *r);
	s->attempts++;
	switch (result) {
	case AU_OK:
		if (verdict.detail[0])
			session_log(s, LG_WARNING, source(s->conf), reason);
		return PV_LOGGED_IN;
	case AU_TROUBLE:
		return give_up(s, source(s->conf), reason, start,
		    PV_TEMPORARY);
	case AU_ENTRY:
		return give_up(s, user.name, reason, start, PV_PERMANENT);
	default:
		return refuse(s, reason, start);
	}
}

/* UCSPI-TLS: one letter, and the bytes of the client come another way. */
static int start_tls(struct session *s)
{
	const struct ucspi_tls *tls = &s->conf->tls;

	if (fd_write(tls->control, "y", 1) < 0)
		return PV_TEMPORARY;
	s->tls = true;
	s->io.in = tls->in;
	s->io.out = tls->out;
	return PV_DONE;
}

int attempt_step(struct session *s, struct pv_request *r)
{
	int answer = PV_DONE;

	if (ENABLE_FEATURE_MDPOP3D_STLS && r->kind == PV_STLS)
		answer = start_tls(s);
	else if (r->kind == PV_LOG)
		session_log(s, LG_DEBUG, "command", r->text);
	else
		answer = log_in(s, r);
	wipe(r, sizeof *r);
	if (answer == PV_LOGGED_IN && !ENABLE_FEATURE_MDPOP3D_PRIVSEP)
		attempt_become(s);
	return answer;
}
