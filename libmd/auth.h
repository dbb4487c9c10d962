/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users and passwords: passwd(5), shadow(5) and crypt(3).
 *
 * Hashing is the work of libcrypt; a scheme it does not know is a refusal,
 * with a reason of its own, never a fall-back to another.  A name that is
 * unknown costs a hash too, of the costliest scheme in use; where users
 * have different ones the caller has to even out the time.
 */
#ifndef MD_AUTH_H
#define MD_AUTH_H

#include <sys/types.h>

enum {
	AU_FIELD = 256,		/* bytes a name, home or hash may have */
	AU_GROUPS = 256		/* supplementary groups of a user */
};

struct au_user {
	char name[AU_FIELD];
	char home[AU_FIELD];
	uid_t uid;
	gid_t gid;
	int groups;
	gid_t group[AU_GROUPS];
};

enum au_result {
	AU_OK,
	/* Refusals: the client is told the same for each of them. */
	AU_UNKNOWN,		/* no such user */
	AU_PASSWORD,		/* wrong password */
	AU_LOCKED,		/* no password opens this account */
	AU_EXPIRED,		/* the account, or its password */
	AU_SCHEME,		/* a hash that crypt(3) here cannot do */
	AU_UID,			/* below the lowest uid allowed */
	/* Trouble of our own. */
	AU_TROUBLE,		/* the database cannot be read; see errno */
	AU_ENTRY,		/* this user's line is malformed */
	AU_RESULTS
};

/*
 * Checks a user against the system's database, or, with `file`, against a
 * passwd(5) file that holds the hashes itself.  `user` is filled in for
 * AU_OK and for refusals of a known user (name is empty if unknown); groups
 * are those of group(5) for AU_OK, and none for users of a file.
 */
enum au_result au_check(const char *file, const char *name, const char *pass,
    uid_t lowest_uid, struct au_user *user);

/* What went wrong, for the log; a literal. */
const char *au_reason(enum au_result r);

/*
 * Becomes the user for good: groups, gid, uid.  0 or -errno; after a failure
 * the process is fit only to end.
 */
int au_become(const struct au_user *user);

#endif
