/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pam_apop: a PAM module that knows clear passwords, and so APOP.
 *
 *   auth  sufficient  pam_apop.so  /etc/apop.secrets
 *   auth  required    pam_unix.so  try_first_pass
 *
 * A line of the file is "user:password".  Instead of a password mdpop3d
 * hands over "APOP digest <stamp>", where the digest is what RFC 1939 has:
 * MD5 of the stamp and the password.  Any other password is ignored here,
 * and the next module's.  A sample: real ones keep secrets elsewhere.
 */
#define PAM_SM_AUTH

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <string.h>

#include "md5.h"

enum { LINE = 600, DIGEST = 2 * MD5_SIZE };

/* The password of a user into `secret`; false if there is none. */
static int find_secret(const char *path, const char *user, char secret[LINE])
{
	FILE *f = fopen(path, "re");
	size_t n = strlen(user);
	char line[LINE];
	int found = 0;

	while (f && !found && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, user, n) == 0 && line[n] == ':' &&
		    line[n + 1] != '\0';
		if (found)
			strcpy(secret, line + n + 1);
	}
	explicit_bzero(line, sizeof line);
	if (f)
		fclose(f);
	return found;
}

static void digest(const char *stamp, const char *secret,
    char hex[DIGEST + 1])
{
	unsigned char sum[MD5_SIZE];
	struct md5 m;

	md5_begin(&m);
	md5_add(&m, stamp, strlen(stamp));
	md5_add(&m, secret, strlen(secret));
	md5_end(&m, sum);
	for (int i = 0; i < MD5_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", sum[i]);
}

/* In the same time, wherever they differ. */
static int equal(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (int i = 0; i < DIGEST; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc,
    const char **argv)
{
	char want[DIGEST + 1] = "", secret[LINE] = "";
	const char *user, *pass;
	int e, known;

	(void)flags;
	if (argc != 1 || pam_get_user(h, &user, NULL) != PAM_SUCCESS)
		return PAM_SERVICE_ERR;
	e = pam_get_authtok(h, PAM_AUTHTOK, &pass, NULL);
	if (e != PAM_SUCCESS)
		return e;
	if (strncmp(pass, "APOP ", 5) != 0)
		return PAM_IGNORE;
	pass += 5;
	if (strlen(pass) < DIGEST + 2 || pass[DIGEST] != ' ')
		return PAM_AUTH_ERR;
	known = find_secret(argv[0], user, secret);
	digest(pass + DIGEST + 1, secret, want);
	explicit_bzero(secret, sizeof secret);
	e = equal(pass, want) && known ? PAM_SUCCESS : PAM_AUTH_ERR;
	explicit_bzero(want, sizeof want);
	return e;
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)h, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}
