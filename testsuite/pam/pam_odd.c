/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pam_odd: a PAM module that does what its arguments say, in their order.
 *
 *   user=NAME     another PAM_USER            putenv=X=Y, setenv=X=Y
 *   say=TEXT      messages for the user       mute=TEXT  the same, no answer
 *   write=TEXT    to descriptors 0 to 9       dump=FILE  what it can see
 *   group=GID     one more group              return=N   ends with code N
 *   crash, hang, exit                         sleep=SEC
 *
 * "auth:", "acct:" or "cred:" in front: only there.  Without: in auth.
 */
#define PAM_SM_AUTH
#define PAM_SM_ACCOUNT

#include <dirent.h>
#include <grp.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void item(FILE *f, pam_handle_t *h, const char *name, int which)
{
	const void *value = NULL;

	if (pam_get_item(h, which, &value) == PAM_SUCCESS && value)
		fprintf(f, "%s=%s\n", name, (const char *)value);
}

/* Where the open descriptors lead to. */
static void descriptors(FILE *f)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	char to[256];

	while (d && (e = readdir(d)) != NULL) {
		char path[sizeof e->d_name + 16];
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		n = readlink(path, to, sizeof to - 1);
		if (n < 0 || atoi(e->d_name) == dirfd(d) ||
		    atoi(e->d_name) == fileno(f))
			continue;
		to[n] = '\0';
		fprintf(f, "fd%s=%s\n", e->d_name, to);
	}
	if (d)
		closedir(d);
}

static int password(pam_handle_t *h, FILE *f)
{
	const char *pass = NULL;

	if (pam_get_authtok(h, PAM_AUTHTOK, &pass, NULL) == PAM_SUCCESS)
		fprintf(f, "pass=%s\n", pass);
	return PAM_SUCCESS;
}

static void dump(pam_handle_t *h, const char *path, const char *where)
{
	FILE *f = fopen(path, "ae");
	sigset_t set;

	if (f == NULL)
		return;
	fprintf(f, "step=%s\n", where);
	if (strcmp(where, "auth") == 0)
		password(h, f);
	item(f, h, "service", PAM_SERVICE);
	item(f, h, "user", PAM_USER);
	item(f, h, "rhost", PAM_RHOST);
	item(f, h, "tty", PAM_TTY);
	item(f, h, "ruser", PAM_RUSER);
	for (char **e = environ; e && *e; e++)
		fprintf(f, "env %s\n", *e);
	descriptors(f);
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int i = 1; i < 32; i++)
		if (sigismember(&set, i))
			fprintf(f, "blocked=%d\n", i);
	fprintf(f, "sigchld=%s\n", signal(SIGCHLD, SIG_DFL) == SIG_DFL ?
	    "default" : "changed");
	fprintf(f, "sid=%d\n", getsid(0) == getpid());
	fclose(f);
}

/* Information and an error in one call, as on a terminal. */
static void say(pam_handle_t *h, const char *text, int answers)
{
	struct pam_message m[2] = {
		{ PAM_TEXT_INFO, text }, { PAM_ERROR_MSG, text }
	};
	const struct pam_message *list[2] = { &m[0], &m[1] };
	struct pam_response *r = NULL;
	const void *item = NULL;
	const struct pam_conv *c;
	int e;

	if (pam_get_item(h, PAM_CONV, &item) != PAM_SUCCESS || item == NULL)
		return;
	c = item;
	e = c->conv(2, list, answers ? &r : NULL, c->appdata_ptr);
	free(r);
	/* A question needs a place for its answer; one is no question. */
	m[0].msg_style = PAM_PROMPT_ECHO_OFF;
	if (e != PAM_SUCCESS ||
	    c->conv(1, list, NULL, c->appdata_ptr) != PAM_CONV_ERR ||
	    c->conv(0, list, &r, c->appdata_ptr) != PAM_CONV_ERR)
		abort();
}

/* A prompt that shows what is typed; its answer goes to a file. */
static void ask(pam_handle_t *h, const char *path)
{
	char *answer = NULL;
	int e = pam_prompt(h, PAM_PROMPT_ECHO_ON, &answer, "login: ");
	FILE *f = fopen(path, "ae");

	fprintf(f, "asked=%d %s\n", e, answer ? answer : "(null)");
	e = pam_prompt(h, PAM_RADIO_TYPE, NULL, "yes/no");
	fprintf(f, "radio=%d\n", e);
	fclose(f);
	free(answer);
}

static void add_group(const char *number)
{
	gid_t list[300];
	int n = getgroups(299, list);

	list[n++] = (gid_t)atoi(number);
	setgroups((size_t)n, list);
}

static void write_everywhere(const char *text)
{
	for (int fd = 0; fd < 10; fd++)
		if (write(fd, text, strlen(text)) < 0)
			continue;
}

static int is(const char *a, const char *word, const char **value)
{
	size_t n = strlen(word);

	*value = a + n;
	return strncmp(a, word, n) == 0;
}

static void with_text(pam_handle_t *h, const char *a, const char *where)
{
	const char *v;

	if (is(a, "user=", &v))
		pam_set_item(h, PAM_USER, v);
	else if (is(a, "putenv=", &v))
		pam_putenv(h, v);
	else if (is(a, "setenv=", &v))
		putenv(strdup(v));
	else if (is(a, "say=", &v))
		say(h, v, 1);
	else if (is(a, "mute=", &v))
		say(h, v, 0);
	else if (is(a, "ask=", &v))
		ask(h, v);
	else if (is(a, "write=", &v))
		write_everywhere(v);
	else if (is(a, "dump=", &v))
		dump(h, v, where);
	else if (is(a, "group=", &v))
		add_group(v);
	else if (is(a, "sleep=", &v))
		sleep((unsigned)atoi(v));
}

static int act(pam_handle_t *h, const char *where, int argc,
    const char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *a = argv[i], *v, *step = "auth";

		if (is(a, "auth:", &v) || is(a, "acct:", &v) ||
		    is(a, "cred:", &v)) {
			step = a;
			a = v;
		}
		if (strncmp(step, where, 4) != 0)
			continue;
		if (strcmp(a, "crash") == 0) {
			/* a sanitizer would make an exit of it */
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
		}
		if (strcmp(a, "exit") == 0)
			exit(0);
		while (strcmp(a, "hang") == 0)
			pause();
		if (is(a, "return=", &v))
			return atoi(v);
		with_text(h, a, where);
	}
	return PAM_SUCCESS;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc,
    const char **argv)
{
	(void)flags;
	return act(h, "auth", argc, argv);
}

int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)flags;
	return act(h, "acct", argc, argv);
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv)
{
	return flags & PAM_ESTABLISH_CRED ? act(h, "cred", argc, argv) :
	    PAM_SUCCESS;
}
