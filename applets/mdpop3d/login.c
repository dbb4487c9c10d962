/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/login.o
/* AUTHORIZATION by USER and PASS (RFC 1939 section 7), and set*id. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "mdpop3d.h"
#include "users.h"

enum { FAILURE_DELAY = 2 };	/* seconds */

/* The same for every name: what exists is nobody's business yet. */
void login_user(struct session *s, const char *name)
{
	struct str t;

	str_init(&t, s->user, sizeof s->user);
	str_put(&t, name);
	s->user_given = true;
	reply_ok(s);
}

static void pause_after_failure(void)
{
	struct timespec left = { .tv_sec = FAILURE_DELAY };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

/*
 * A name nobody has is not logged: it may be a password, typed too soon.
 */
static void refuse(struct session *s, const struct au_user *user,
    enum au_result r)
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
	pause_after_failure();
	reply_end(s, "[AUTH] login incorrect", "login failed");
}

static void cannot_become(struct session *s, const char *what, int e)
{
	char why[ERR_TEXT];

	session_log(s, LG_ERR, what, err_text(e, why));
	reply_end(s, "[SYS/PERM] cannot open maildrop", "no maildrop");
}

/* From here on nothing of root is left, and nothing of root is needed. */
static void log_in(struct session *s, const struct au_user *user)
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
	else
		session_enter(s);
}

void login_pass(struct session *s, const char *pass)
{
	struct au_user user;
	enum au_result r;
	char why[ERR_TEXT];

	if (!s->user_given) {
		reply_err(s, "USER first");
		return;
	}
	r = au_check(s->conf->users_file, s->user, pass,
	    s->conf->lowest_uid, &user);
	if (r == AU_OK) {
		log_in(s, &user);
	} else if (r == AU_TROUBLE) {
		session_log(s, LG_ERR, au_reason(r), err_text(errno, why));
		reply_end(s, "[SYS/TEMP] login is not possible now",
		    "login failed");
	} else if (r == AU_ENTRY) {
		session_log(s, LG_ERR, user.name, au_reason(r));
		reply_end(s, "[SYS/PERM] login is not possible",
		    "login failed");
	} else {
		refuse(s, &user, r);
	}
}
