/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/launch.o
/*
 * Programs that we start: servers under test and TLS clients.  Each has
 * the descriptors that it is given and no others, and signals as a shell
 * would leave them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "maildir.h"
#include "wire.h"

enum {
	PATH_TEXT = 1024,
	ABOVE_ALL = 10		/* descriptors that children are given: less */
};

/* As execvp(3), but that a file without "#!" is no script for sh. */
bool wire_program(const char *name, struct str *path)
{
	const char *dirs = env_get("PATH");

	if (!dirs)
		dirs = "/usr/local/bin:/usr/bin:/bin";
	if (strchr(name, '/'))
		dirs = "";
	errno = ENOENT;
	do {
		size_t n = str_span(dirs, ':');

		str_init(path, path->p, path->cap);
		str_mem(path, dirs, n);
		str_put(path, n ? "/" : "");
		str_put(path, name);
		if (!path->cut && access(path->p, X_OK) == 0)
			return true;
		dirs += n + (dirs[n] == ':');
	} while (*dirs);
	return false;
}

static bool same_name(const char *a, const char *b)
{
	size_t n = str_span(a, '=');

	return n == str_span(b, '=') && memcmp(a, b, n) == 0;
}

/*
 * Our environment, with `more` added and in the place of what is there; in
 * pages that nobody gives back: it is for a child that execs.
 */
static char **wire_environ(char *const *more)
{
	struct md_area a = { .len = 0 };
	size_t n = 1, added = 0;
	char **all, **to;

	while (more && more[added])
		added++;
	for (char **e = environ; *e; e++)
		n++;
	if (added == 0 || md_area_grow(&a, (n + added) * sizeof *all) < 0)
		return environ;
	all = to = (void *)a.p;
	while (*more)
		*to++ = *more++;
	for (char **e = environ; *e; e++) {
		n = 0;
		while (n < added && !same_name(*e, all[n]))
			n++;
		if (n == added)
			*to++ = *e;
	}
	*to = NULL;
	return all;
}

int wire_mkdir(struct str *path)
{
	const char *dir = env_get("TMPDIR");
	unsigned char random[8] = { 0 };

	str_put(path, dir && *dir ? dir : "/tmp");
	str_put(path, "/pop3test.");
	/* Without luck mkdir fails: it takes nothing that is there. */
	(void)!getrandom(random, sizeof random, 0);
	str_hex(path, random, sizeof random);
	errno = ENAMETOOLONG;
	return path->cut ? -1 : mkdir(path->p, 0700);
}

/* Out of the way of what is about to be replaced. */
static int high(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE_ALL);
}

static void give(int fd, int as)
{
	if (fd >= 0)
		dup2(fd, as);
}

/*
 * In the child, up to its program.  The descriptors may be among those that
 * they are to become, so all of them step aside first; the others that we
 * have are closed by execve.
 */
static void become(const struct launch *l)
{
	int io = high(l->io), err = high(l->err);
	int net_in = high(l->net_in), net_out = high(l->net_out);
	char buf[PATH_TEXT], why[ERR_TEXT];
	struct str path = { .p = buf, .cap = sizeof buf };
	sigset_t none;

	give(io, STDIN_FILENO);
	give(io, STDOUT_FILENO);
	give(err, STDERR_FILENO);
	give(net_in, UCSPI_IN);
	give(net_out, UCSPI_OUT);
	if (l->group)
		setpgid(0, 0);
	/* main ignores SIGPIPE; a server would run on when we are gone. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Nobody is left to end it when we are killed. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (wire_program(l->argv[0], &path))
		execve(path.p, l->argv, wire_environ(l->env));
	(void)fd_puts(STDERR_FILENO, "cannot run ", l->argv[0], ": ",
	    err_text(errno, why), "\n", (char *)NULL);
	_exit(127);
}

pid_t wire_start(const struct launch *l)
{
	pid_t pid = fork();

	if (pid == 0)
		become(l);
	return pid;
}

/*
 * Looked at every millisecond: SIGCHLD and a wait without end would need a
 * handler, and most have ended when we ask.
 */
bool wire_ended(pid_t *pid, int ms)
{
	/* -1: somebody has seen to it that no child needs waiting for. */
	while (*pid > 0 && waitpid(*pid, NULL, WNOHANG) == 0) {
		if (ms-- <= 0)
			return false;
		poll(NULL, 0, 1);
	}
	*pid = 0;
	return true;
}

/*
 * Not a pipe: it can be full, and then a server that has much to say waits
 * until somebody reads it.
 */
int wire_err(void)
{
	return memfd_create("stderr", MFD_CLOEXEC);
}
