/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users and passwords: Linux-PAM.
 *
 * Modules are other people's code in the caller's process.  They may speak
 * through descriptors 0 to 2, change groups and environment, start
 * programs, hang or crash: whoever calls this is a process that does
 * nothing else, holds no descriptor of a client, and has no environment to
 * speak of: a MAILDIR there is taken for a module's.
 */
#ifndef MD_PAM_H
#define MD_PAM_H

#include <stdbool.h>

#include "auth.h"

struct str;

enum {
	PA_REQUEST = 1000,	/* bytes a request may have */
	PA_RECORD = 4096	/* and its answer */
};

struct pa_request {
	const char *service;
	const char *host;	/* PAM_RHOST; or null, or "" */
	const char *user;
	char *pass;		/* is wiped */
	const char *stamp;	/* of the greeting, for APOP; or null, or "" */
};

struct pa_verdict {
	enum au_result code;
	struct au_user user;	/* of a refusal: only a name, if known */
	char shell[AU_FIELD];
	char maildir[AU_FIELD];	/* from a module, or "" */
	char detail[AU_FIELD];	/* for the log, or "" */
};

/* Services are called as files are: letters, digits, "_", inside "-." too. */
bool pa_is_service(const char *name);

/*
 * With APOP the password is "APOP digest <stamp>", for modules that know
 * what to do with it.  It has to be this session's stamp: whoever has heard
 * another session could give that one's as a password of PASS.
 *
 * Authenticates, asks whether the account is in order, and establishes
 * credentials.  As root it also takes the groups of the user, those that
 * modules add among them: *v has what the process has then.
 */
void pa_login(const struct pa_request *q, struct pa_verdict *v);

/*
 * The same; the answer is a record of eight strings, each with its NUL:
 * code, name, uid, gid, groups, home, maildir, detail.  A buffer of
 * PA_RECORD bytes has room for any.
 */
void pa_check(const struct pa_request *q, struct str *record);

#endif
