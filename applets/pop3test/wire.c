/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/wire.o
/*
 * Descriptors to a server: TCP, UNIX sockets, a child on a socketpair, and
 * what a UCSPI client hands us.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "maildir.h"
#include "netio.h"
#include "pop3test.h"

enum {
	PATH_TEXT = 1024,
	PATIENCE = 1000,	/* milliseconds before more force is used */
	TLS_PATIENCE = 300,	/* a TLS client may not see that we are gone */
	LAST_WORDS = 320,
	ABOVE_ALL = 10		/* descriptors that children are given: less */
};

/* ---- programs ---------------------------------------------------------- */

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

char **wire_environ(char *const *more)
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
	unsigned char random[8];

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

static void end(pid_t *pid, int patience)
{
	if (wire_ended(pid, patience))
		return;
	kill(*pid, SIGTERM);
	if (wire_ended(pid, PATIENCE))
		return;
	kill(*pid, SIGKILL);
	(void)wire_ended(pid, PATIENCE);
}

/*
 * Not a pipe: it can be full, and then a server that has much to say waits
 * until somebody reads it.
 */
int wire_err(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

void wire_said(const struct wire *w, struct str *s)
{
	char buf[LAST_WORDS];
	off_t size = lseek(w->err, 0, SEEK_END);
	off_t from = size > LAST_WORDS ? size - LAST_WORDS : 0;
	ssize_t n = pread(w->err, buf, sizeof buf, from);

	while (n > 0 && buf[n - 1] == '\n')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if (from > 0)		/* half a line */
			from = buf[i] != '\n';
		else if (buf[i] == '\n')
			str_put(s, "; ");
		else
			str_char(s, buf[i]);
	}
}

/* ---- sockets ----------------------------------------------------------- */

/* connect(2) keeps to SO_SNDTIMEO, also where a UNIX socket's queue is full. */
static void limit_sending(int fd, int ms)
{
	const struct timeval t = {
		.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000
	};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* A connected socket, or -1 with errno. */
static int dial(const struct sockaddr *sa, socklen_t n, int ms, int rcvbuf)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int e;

	if (fd < 0)
		return -1;
	/* Before the connection: its size decides about window scaling. */
	if (rcvbuf)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
		    sizeof rcvbuf);
	limit_sending(fd, ms > 0 ? ms : 1);
	do
		e = connect(fd, sa, n);
	while (e < 0 && errno == EINTR);
	if (e == 0) {
		limit_sending(fd, 0);
		return fd;
	}
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

static const char *reason(int e, char buf[ERR_TEXT])
{
	switch (e) {
	case ECONNREFUSED:
		return "refused";
	case EINPROGRESS:	/* what SO_SNDTIMEO makes of it */
	case EAGAIN:
	case ETIMEDOUT:
		return "timeout";
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EAFNOSUPPORT:
		return "unreachable";
	case EADDRNOTAVAIL:
		return "no own address or port for it";
	default:
		return err_text(e, buf);
	}
}

/* "127.0.0.1:110: refused", behind what the others had to say. */
static void add_reason(struct str *s, const struct nio_addr *a,
    uint16_t port, int e)
{
	bool four = nio_addr_is4(a);
	char buf[ERR_TEXT];

	str_put(s, s->len ? "; " : "");
	str_put(s, four ? "" : "[");
	nio_addr_text(s, a);
	str_put(s, four ? ":" : "]:");
	str_u64(s, port);
	str_put(s, ": ");
	str_put(s, reason(e, buf));
}

static int open_tcp(const struct target *t, int timeout, int rcvbuf,
    struct trouble *why)
{
	uint16_t port = t->port ? t->port : t->tls ? 995 : 110;
	int64_t until = nio_now() + timeout;
	struct nio_addr found[ADDRESSES];
	char buf[TROUBLE_TEXT];
	struct str s;
	int n = names_find(t->host, t->family, found, timeout, why);

	str_init(&s, buf, sizeof buf);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		struct names_addr to;
		int fd;

		names_addr(&to, &found[i], port);
		fd = dial(&to.u.sa, to.len,
		    (int)((until - nio_now()) / (n - i)), rcvbuf);
		if (fd >= 0) {
			nio_tune(fd);
			return fd;
		}
		add_reason(&s, &found[i], port, errno);
	}
	return trouble_set(why, PT_CRITICAL, ST_CONNECT, s.p, (char *)NULL);
}

static int open_unix(const struct target *t, int timeout, int rcvbuf,
    struct trouble *why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char buf[ERR_TEXT];
	struct str s;
	int fd;

	str_init(&s, sun.sun_path, sizeof sun.sun_path);
	str_put(&s, t->host);
	if (s.cut)
		return trouble_set(why, PT_UNKNOWN, ST_OWN, t->host,
		    ": too long for a socket (107 bytes)", (char *)NULL);
	fd = dial((struct sockaddr *)&sun, sizeof sun, timeout, rcvbuf);
	if (fd < 0)
		return trouble_set(why, PT_CRITICAL, ST_CONNECT, t->host,
		    ": ", reason(errno, buf), (char *)NULL);
	return fd;
}

/* ---- from opening to closing ------------------------------------------- */

static int open_exec(struct wire *w, const struct target *t,
    char *const *env, int rcvbuf, struct trouble *why)
{
	struct launch l = {
		.argv = t->argv, .env = env, .net_in = -1, .net_out = -1
	};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_CONNECT, "socket");
	/* A UNIX socket is full when what the sender may keep is. */
	if (rcvbuf)
		(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &rcvbuf,
		    sizeof rcvbuf);
	w->in = w->out = pair[0];
	w->err = l.err = wire_err();
	l.io = pair[1];
	w->child = wire_start(&l);
	close(pair[1]);
	if (w->child > 0)
		return 0;
	w->child = 0;
	(void)trouble_errno(why, PT_UNKNOWN, ST_CONNECT, t->argv[0]);
	wire_close(w);
	return -1;
}

static int open_ucspi(struct wire *w, struct trouble *why)
{
	static bool used;	/* others may have come by these numbers */

	if (used || fcntl(UCSPI_IN, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(UCSPI_OUT, F_SETFD, FD_CLOEXEC) < 0)
		return trouble_set(why, PT_UNKNOWN, ST_CONNECT, used ?
		    "descriptors 6 and 7 serve one connection" :
		    "descriptors 6 and 7 are not open (want tcpclient or "
		    "the like)", (char *)NULL);
	used = true;
	nio_tune(UCSPI_OUT);
	w->in = UCSPI_IN;
	w->out = UCSPI_OUT;
	return 0;
}

int wire_open(struct wire *w, const struct target *t, int timeout,
    int rcvbuf, char *const *env, struct trouble *why)
{
	*w = (struct wire){ .in = -1, .out = -1, .err = -1 };
	if (t->kind == TG_EXEC)
		return open_exec(w, t, env, rcvbuf, why);
	if (t->kind == TG_UCSPI)
		return open_ucspi(w, why);
	if (t->kind == TG_UNIX)
		w->in = open_unix(t, timeout, rcvbuf, why);
	else if (t->kind == TG_TCP)
		w->in = open_tcp(t, timeout, rcvbuf, why);
	else
		return trouble_set(why, PT_UNKNOWN, ST_OWN, "no target",
		    (char *)NULL);
	w->out = w->in;
	return w->in < 0 ? -1 : 0;
}

void wire_half(struct wire *w)
{
	if (shutdown(w->out, SHUT_WR) == 0 || w->out == w->in)
		return;
	close(w->out);		/* a pipe's end */
	w->out = -1;
}

static void shut(struct wire *w)
{
	if (w->out >= 0 && w->out != w->in)
		close(w->out);
	if (w->in >= 0)
		close(w->in);
	w->in = w->out = -1;
}

void wire_reset(struct wire *w)
{
	const struct linger now = { .l_onoff = 1 };

	if (w->relay)		/* it has the connection; see tls.c */
		kill(w->relay, SIGHUP);
	if (w->tls)
		kill(w->tls, SIGKILL);
	(void)setsockopt(w->in, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	shut(w);
}

void wire_close(struct wire *w)
{
	shut(w);
	end(&w->tls, TLS_PATIENCE);
	end(&w->relay, 0);
	end(&w->child, PATIENCE);
	if (w->err >= 0)
		close(w->err);
	w->err = -1;
}
