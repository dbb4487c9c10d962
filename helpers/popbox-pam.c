/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * popbox-pam: asks PAM about a user, for mdpop3d or as a checkpassword.
 *
 * PAM's modules are shared objects of the system's C library, which a
 * static binary cannot load.  So this is a program of its own, dynamic and
 * started for each login: whatever a module does ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base.h"
#include "pam.h"

enum {
	REQUEST_FD = 3,
	REPLY_FD = 4,
	FIRST_OWN_FD = 10	/* where no module writes by mistake */
};

enum {				/* as checkpassword has them */
	REFUSED = 1,
	MISUSED = 2
};

static const char usage[] =
    "usage: popbox-pam [-s SERVICE] [-r HOST] [PROGRAM [ARG]...]\n"
    "\n"
    "Ask PAM about the user and the password on descriptor 3.\n"
    "\n"
    "  -s SERVICE  of PAM (default: pop3)\n"
    "  -r HOST     where the user is (default: $TCPREMOTEIP, $REMOTE_HOST)\n"
    "\n"
    "With PROGRAM, become the user and run it; else answer on "
    "descriptor 4.\n";

static char request[PA_REQUEST + 1];

static int misuse(const char *what, const char *detail)
{
	fd_puts(STDERR_FILENO, "popbox-pam: ", what, detail, "\n",
	    (char *)NULL);
	return MISUSED;
}

/* user, password, stamp, each with its NUL; more may follow. */
static int read_request(struct pa_request *q)
{
	char *end = request, *pass, *stamp;
	ptrdiff_t r;
	size_t n = 0;

	while (n < sizeof request && (r = fd_read(REQUEST_FD, request + n,
	    sizeof request - n)) != 0) {
		if (r < 0)
			return misuse("cannot read descriptor 3", "");
		n += (size_t)r;
	}
	close(REQUEST_FD);
	end += n;
	pass = memchr(request, '\0', n);
	stamp = pass ? memchr(pass + 1, '\0', (size_t)(end - pass - 1)) : NULL;
	if (n > PA_REQUEST || stamp == NULL ||
	    memchr(stamp + 1, '\0', (size_t)(end - stamp - 1)) == NULL)
		return misuse("descriptor 3 has no login", "");
	q->user = request;
	q->pass = pass + 1;
	q->stamp = stamp + 1;
	return 0;
}

/* -1 to go on, or an exit status; *rest is the program. */
static int read_options(struct pa_request *q, char **argv, char ***rest)
{
	struct opt o;
	int letter;

	opt_init(&o, argv, "s:r:");
	while ((letter = opt_next(&o)) != 0) {
		const char name[] = { '-', o.letter, '\0' };

		if (letter == OPT_HELP)
			return output_status(fd_puts(STDOUT_FILENO, usage,
			    (char *)NULL));
		if (letter == OPT_VERSION)
			return output_status(fd_puts(STDOUT_FILENO,
			    "popbox-pam " POPBOX_VERSION " (popbox)\n",
			    (char *)NULL));
		if (letter < 0)
			return misuse(letter == OPT_NOVALUE ?
			    "value missing: " : "unknown option: ", name);
		if (letter == 's')
			q->service = o.value;
		else
			q->host = o.value;
	}
	if (!pa_is_service(q->service))
		return misuse("no name of a service: ", q->service);
	*rest = argv + o.i;
	return -1;
}

static void find_host(struct pa_request *q)
{
	static const char *const names[] = { "TCPREMOTEIP", "REMOTE_HOST" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (q->host == NULL || q->host[0] == '\0')
			q->host = env_get(names[i]);
}

/*
 * The client may be on 0, 1 and 2, and who waits for an answer on 4.
 * Modules, and programs that they start, get /dev/null and nothing; what
 * was there goes where only one who looks for it will find it.
 */
static int hide(int keep[REPLY_FD + 1])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++) {
		keep[fd] = fd == null ? -1 :
		    fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
		if (fd != null && dup2(null, fd) < 0)
			return -1;
	}
	if (null > STDERR_FILENO)
		close(null);
	else if (null >= 0)
		fcntl(null, F_SETFD, 0);
	keep[REQUEST_FD] = -1;
	keep[REPLY_FD] = fcntl(REPLY_FD, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
	close(REPLY_FD);
	return null < 0 ? -1 : 0;
}

static void show(const int keep[REPLY_FD + 1])
{
	for (int fd = 0; fd <= REPLY_FD; fd++)
		if (keep[fd] < 0)
			close(fd);
		else
			dup2(keep[fd], fd);
}

/*
 * Modules start programs and wait for them: neither what a caller ignores
 * nor what it blocks may be theirs.  And no core has a password in it.
 */
static void settle(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_DUMPABLE, 0);
}

/* No part of a caller's environment decides anything in a module. */
static char **clean_environment(void)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char *clean[] = { path, NULL };
	char **old = environ;

	environ = clean;
	return old;
}

/* A terminal is nothing to a module, and no caller, no module. */
static int reply(const struct pa_request *q, const int keep[REPLY_FD + 1])
{
	char buf[PA_RECORD];
	struct str record;

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(keep[fd]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	str_init(&record, buf, sizeof buf);
	pa_check(q, &record);
	return record.cut ||
	    fd_write(keep[REPLY_FD], record.p, record.len) < 0 ?
	    EXIT_TEMPORARY : EXIT_OK;
}

/* Groups are those of the user already. */
static bool become(const struct au_user *u)
{
	return setresgid(u->gid, u->gid, u->gid) == 0 &&
	    setresuid(u->uid, u->uid, u->uid) == 0 &&
	    (u->uid == 0 || setuid(0) < 0) && chdir(u->home) == 0;
}

static int run(const struct pa_request *q, char **program, char **env,
    const int keep[REPLY_FD + 1])
{
	static struct pa_verdict v;

	pa_login(q, &v);
	if (v.code == AU_TROUBLE || v.code == AU_ENTRY)
		return EXIT_TEMPORARY;
	if (v.code != AU_OK)
		return REFUSED;
	environ = env;
	if (!become(&v.user) || setenv("USER", v.user.name, 1) < 0 ||
	    setenv("HOME", v.user.home, 1) < 0 ||
	    setenv("SHELL", v.shell, 1) < 0 ||
	    (v.maildir[0] && setenv("MAILDIR", v.maildir, 1) < 0))
		return EXIT_TEMPORARY;
	show(keep);
	execvp(program[0], program);
	return EXIT_TEMPORARY;
}

int main(int argc, char **argv)
{
	struct pa_request q = { .service = "pop3" };
	char **program = argv, **env;
	int keep[REPLY_FD + 1];
	int e = read_options(&q, argv, &program);

	(void)argc;
	if (e >= 0)
		return e;
	if (*program == NULL && fcntl(REPLY_FD, F_GETFD) < 0)
		return misuse("no descriptor 4 to answer on", "");
	e = read_request(&q);
	if (e)
		return e;
	find_host(&q);
	env = clean_environment();
	settle();
	if (hide(keep) < 0)
		return EXIT_TEMPORARY;
	return *program ? run(&q, program, env, keep) : reply(&q, keep);
}
