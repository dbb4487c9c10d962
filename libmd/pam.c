/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_PAM_INPROC) += libmd/pam.o
#include "pam.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

bool pa_is_service(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		int c = ascii_lower((unsigned char)name[n]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    c != '_' && (n == 0 || (c != '-' && c != '.')))
			return false;
	}
	return n > 0 && n < 64;
}

/* The server waits after a failure, whatever modules ask for. */
static void no_delay(int status, unsigned usec, void *data)
{
	(void)status, (void)usec, (void)data;
}

/* *to, which libpam frees; null where no answer is wanted. */
static int answer(int style, const struct pa_request *q, char **to)
{
	const char *text;

	switch (style) {
	case PAM_PROMPT_ECHO_OFF:
		text = q->pass;
		break;
	case PAM_PROMPT_ECHO_ON:	/* nothing secret */
		text = q->user;
		break;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		return PAM_SUCCESS;	/* POP3 has nobody to show it to */
	default:
		return PAM_CONV_ERR;
	}
	if (to == NULL)
		return PAM_CONV_ERR;
	*to = strdup(text);
	return *to ? PAM_SUCCESS : PAM_BUF_ERR;
}

static void discard(struct pam_response *r, int n)
{
	while (n-- > 0) {
		if (r[n].resp)
			wipe(r[n].resp, strlen(r[n].resp));
		free(r[n].resp);
	}
	free(r);
}

/* Where nothing is asked, some callers have no place for an answer. */
static int converse(int n, const struct pam_message **msg,
    struct pam_response **resp, void *data)
{
	struct pam_response *r;
	int e = PAM_SUCCESS;

	if (n < 1 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof *r);
	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && e == PAM_SUCCESS; i++)
		e = answer(msg[i]->msg_style, data, resp ? &r[i].resp : NULL);
	if (e == PAM_SUCCESS && resp)
		*resp = r;
	else
		discard(r, n);
	return e;
}

/* "step: text", behind what there is. */
static void tell(struct pa_verdict *v, const char *step, const char *text)
{
	struct str s;

	str_init(&s, v->detail + strlen(v->detail),
	    sizeof v->detail - strlen(v->detail));
	if (v->detail[0])
		str_put(&s, "; ");
	str_put(&s, step);
	str_put(&s, text);
}

/*
 * Only what has nothing to do with the user is told as trouble: a client
 * must not learn from it that the password was right, for one.  pam_exec
 * calls its refusals PAM_SYSTEM_ERR.
 */
static enum au_result meaning(int e)
{
	switch (e) {
	case PAM_SUCCESS:
		return AU_OK;
	case PAM_USER_UNKNOWN:
		return AU_UNKNOWN;
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
		return AU_LOCKED;
	case PAM_ACCT_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
		return AU_EXPIRED;
	/* Not PAM_SYSTEM_ERR: pam_exec means a refusal by it. */
	case PAM_ABORT:
	case PAM_BUF_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_OPEN_ERR:
	case PAM_SYMBOL_ERR:
	case PAM_MODULE_UNKNOWN:
		return AU_TROUBLE;
	default:
		return AU_PASSWORD;
	}
}

/* What a step of PAM came to; true: on to the next. */
static bool passed(struct pa_verdict *v, pam_handle_t *h, const char *step,
    int e)
{
	v->code = meaning(e);
	/* Told apart, trouble here would tell that the password was right. */
	if (v->code == AU_TROUBLE && *step)
		v->code = AU_PASSWORD;
	if (v->code != AU_OK)
		tell(v, step, pam_strerror(h, e));
	return v->code == AU_OK;
}

static bool there(const char *dir, const char *name)
{
	char path[128];
	struct str s;

	str_init(&s, path, sizeof path);
	str_put(&s, dir);
	str_put(&s, name);
	return access(path, F_OK) == 0;
}

/* libpam takes the service "other" then, which may be a wider door. */
static void warn_of_other(struct pa_verdict *v, const char *service)
{
	if (!there("/etc/pam.d/", service) &&
	    !there("/usr/lib/pam.d/", service) && there("/etc/pam.d", ""))
		tell(v, "no such service, \"other\" is asked: ", service);
}

/* 0; ENOENT for nobody; another errno where that cannot be told. */
static int look_up(const char *name, struct pa_verdict *v)
{
	struct au_user *u = &v->user;
	const struct passwd *pw;
	struct str n, h, s;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)	/* absence has many errnos: getpwnam(3), NOTES */
		return errno == EIO || errno == EMFILE || errno == ENFILE ||
		    errno == ENOMEM || errno == EINTR ? errno : ENOENT;
	str_init(&n, u->name, sizeof u->name);
	str_put(&n, pw->pw_name);
	str_init(&h, u->home, sizeof u->home);
	str_put(&h, pw->pw_dir);
	str_init(&s, v->shell, sizeof v->shell);
	str_put(&s, pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	if (n.cut || h.cut || s.cut || u->home[0] != '/' ||
	    u->uid == (uid_t)-1 || u->gid == (gid_t)-1)
		return EINVAL;
	return 0;
}

/* A module may have made another of the user. */
static bool find_user(struct pa_verdict *v, pam_handle_t *h)
{
	const void *name = NULL;
	char why[ERR_TEXT];
	int e;

	if (pam_get_item(h, PAM_USER, &name) != PAM_SUCCESS || name == NULL)
		name = "";
	e = look_up(name, v);
	if (e == ENOENT) {
		v->code = AU_UNKNOWN;
		tell(v, "PAM agrees, but has no user of the system: ", name);
	} else if (e == EINVAL) {
		v->code = AU_ENTRY;
		tell(v, "malformed entry of ", name);
	} else if (e) {
		v->code = AU_TROUBLE;
		tell(v, "user database: ", err_text(e, why));
	}
	return e == 0;
}

/* pam_putenv(3) before setenv(3): it is this user's for sure. */
static bool take_maildir(struct pa_verdict *v, pam_handle_t *h)
{
	const char *dir = pam_getenv(h, "MAILDIR");
	struct str s;

	if (dir == NULL)
		dir = getenv("MAILDIR");
	str_init(&s, v->maildir, sizeof v->maildir);
	if (dir)
		str_put(&s, dir);
	return !s.cut;
}

/*
 * Groups come before credentials: modules add theirs.  What they fail to
 * establish mail does not need; and nothing of it is left behind.
 */
static void establish(struct pa_verdict *v, pam_handle_t *h)
{
	char why[ERR_TEXT];
	bool alike = geteuid() != 0 ||
	    initgroups(v->user.name, v->user.gid) == 0;
	int e = pam_setcred(h, PAM_ESTABLISH_CRED | PAM_SILENT);

	if (e != PAM_SUCCESS)
		tell(v, "credentials: ", pam_strerror(h, e));
	v->user.groups = alike ? getgroups(AU_GROUPS, v->user.group) : -1;
	if (v->user.groups < 0) {
		v->code = AU_TROUBLE;
		tell(v, "groups: ", err_text(errno, why));
	}
	if (!take_maildir(v, h)) {
		v->code = AU_ENTRY;
		tell(v, "MAILDIR", " is too long");
	}
	if (e == PAM_SUCCESS)
		pam_setcred(h, PAM_DELETE_CRED | PAM_SILENT);
}

static int set_items(pam_handle_t *h, const struct pa_request *q)
{
	int e = pam_set_item(h, PAM_FAIL_DELAY, (const void *)no_delay);

	/* Modules like pam_access and pam_time want one. */
	if (e == PAM_SUCCESS)
		e = pam_set_item(h, PAM_TTY, "pop3");
	if (e == PAM_SUCCESS && q->host && *q->host)
		e = pam_set_item(h, PAM_RHOST, q->host);
	return e;
}

/* The password is for this step alone. */
static int authenticate(pam_handle_t *h, const struct pa_request *q)
{
	int e = pam_authenticate(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);

	wipe(q->pass, strlen(q->pass));
	return e;
}

static void ask(const struct pa_request *q, struct pa_verdict *v)
{
	const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	struct pam_conv conv = { converse, (void *)(uintptr_t)q };
	pam_handle_t *h = NULL;
	int e = pam_start(q->service, q->user, &conv, &h);

	if (e == PAM_SUCCESS)
		e = set_items(h, q);
	if (e != PAM_SUCCESS) {
		v->code = AU_TROUBLE;
		tell(v, "pam_start: ", pam_strerror(h, e));
	} else if (passed(v, h, "", e = authenticate(h, q)) &&
	    passed(v, h, "account: ", e = pam_acct_mgmt(h, flags)) &&
	    find_user(v, h)) {
		establish(v, h);
	}
	if (h)
		pam_end(h, e);
}

static bool is_replay(const struct pa_request *q)
{
	size_t n = strlen(q->pass), m = q->stamp ? strlen(q->stamp) : 0;

	return str_after(q->pass, "APOP ") &&
	    (m == 0 || m > n || strcmp(q->pass + n - m, q->stamp) != 0);
}

void pa_login(const struct pa_request *q, struct pa_verdict *v)
{
	memset(v, 0, sizeof *v);
	if (q->pass[0] == '\0' || is_replay(q)) {
		v->code = AU_PASSWORD;
		tell(v, "", q->pass[0] ? "APOP given as a password" :
		    "empty password");
	} else {
		ask(q, v);
		warn_of_other(v, q->service);
	}
	wipe(q->pass, strlen(q->pass));
	if (v->code != AU_OK && look_up(q->user, v) != 0)
		memset(&v->user, 0, sizeof v->user);
}

static void field(struct str *s, const char *text)
{
	str_put(s, text);
	str_char(s, '\0');
}

static void number(struct str *s, uint64_t n)
{
	str_u64(s, n);
	str_char(s, '\0');
}

void pa_check(const struct pa_request *q, struct str *record)
{
	struct pa_verdict v;
	bool ok;

	pa_login(q, &v);
	ok = v.code == AU_OK;
	number(record, v.code);
	field(record, v.user.name);
	if (ok) {
		number(record, v.user.uid);
		number(record, v.user.gid);
	} else {
		str_mem(record, "\0", 2);
	}
	for (int i = 0; ok && i < v.user.groups; i++) {
		if (i > 0)
			str_char(record, ',');
		str_u64(record, v.user.group[i]);
	}
	str_char(record, '\0');
	field(record, ok ? v.user.home : "");
	field(record, ok ? v.maildir : "");
	field(record, v.detail);
}
