/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/login.o
/* AUTHORIZATION by USER and PASS (RFC 1939 section 7), and set*id. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "mdpop3d.h"

enum { FAILURE_DELAY = 2000 };	/* ms from PASS to its refusal */

/* The same for every name: what exists is nobody's business yet. */
void login_user(struct session *s, const char *name)
{
	struct str t;

	str_init(&t, s->user, sizeof s->user);
	str_put(&t, name);
	s->user_given = true;
	reply_ok(s);
}

/* Until a moment counted from PASS: how long its hash took is not told. */
static void wait_until(int64_t moment)
{
	int64_t left;

	while ((left = moment - nio_now()) > 0)
		poll(NULL, 0, (int)left);
}

/*
 * A name nobody has is not logged: it may be a password, typed too soon.
 */
static void refuse(struct session *s, const struct au_user *user,
    enum au_result r, int64_t start)
{
	char buf[SAFE_NAME + 32];
	struct str t;

	str_init(&t, buf, sizeof buf);
	str_put(&t, "login incorrect");
	if (user->name[0]) {
		str_put(&t, " for ");
		str_safe(&t, user->name, strlen(user->name), 64);
	}
	session_log(s, LG_NOTICE, t.p, au_reason(r));
	(void)nio_flush(&s->io);
	wait_until(start + FAILURE_DELAY);
	reply_end(s, "[AUTH] login incorrect", "login failed");
}

static void cannot_become(struct session *s, const char *what, int e)
{
	char why[ERR_TEXT];

	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, what, err_text(e, why));
	reply_end(s, "[SYS/PERM] cannot open maildrop", "no maildrop");
}

/* From here on nothing of root is left, and nothing of root is needed. */
static bool become(struct session *s, const struct au_user *user)
{
	struct str t;
	int e;

	str_init(&t, s->name, sizeof s->name);
	str_safe(&t, user->name, strlen(user->name), 64);
	e = au_become(user, s->conf->users_file == NULL);
	if (e)
		cannot_become(s, "cannot become the user", -e);
	else if (chdir(user->home) < 0)
		cannot_become(s, user->home, errno);
	return !s->end;
}

/* The user database is in no state to tell. */
static void give_up(struct session *s, const char *what, const char *why,
    const char *reply)
{
	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, what, why);
	reply_end(s, reply, "login failed");
}

bool login_pass(struct session *s, const char *pass)
{
	int64_t start = nio_now();
	char why[ERR_TEXT];
	struct au_user user;
	enum au_result r;
	int e;

	if (!s->user_given) {
		reply_err(s, "USER first");
		return false;
	}
	r = au_check(s->conf->users_file, s->user, pass,
	    s->conf->lowest_uid, &user);
	e = errno;
	session_forget(s);
	if (r == AU_OK)
		return become(s, &user);
	if (r == AU_TROUBLE)
		give_up(s, s->conf->users_file ? s->conf->users_file :
		    "/etc/passwd, /etc/shadow", err_text(e, why),
		    "[SYS/TEMP] login is not possible now");
	else if (r == AU_ENTRY)
		give_up(s, user.name, au_reason(r),
		    "[SYS/PERM] login is not possible");
	else
		refuse(s, &user, r, start);
	return false;
}
