/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_LISTEN) += applets/mdpop3d/listen.o
/*
 * The listener: one process for each session, so many at a time and so
 * many from one address.  It parses nothing a client sends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d.h"

enum {
	SOCKETS_MAX = 2 * LISTEN_MAX,	/* a port alone is IPv4 and IPv6 */
	BACKLOG = 128,
	FIRST_INHERITED = 3,		/* sd_listen_fds(3) */
	LOG_PAUSE = 10000,		/* ms between lines on refusals */
	SHORTAGE_PAUSE = 100		/* ms before accepting again */
};

struct child {
	pid_t pid;
	struct nio_addr from;
};

struct listener {
	const struct conf *conf;
	struct lg *lg;
	struct pollfd socket[SOCKETS_MAX];
	nfds_t sockets;
	int spare;		/* given up to accept when none are left */
	struct child *child;
	unsigned children;
	int64_t next_log;
	uint64_t unlogged;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		stop = 1;
}

static bool environment_number(const char *name, uint64_t *n)
{
	const char *v = env_get(name);

	return v && parse_u64(v, n) == 0;
}

bool listen_inherited(void)
{
	uint64_t pid, fds;

	return environment_number("LISTEN_PID", &pid) &&
	    pid == (uint64_t)getpid() &&
	    environment_number("LISTEN_FDS", &fds) && fds > 0;
}

static void complain(struct listener *l, const char *what, int e)
{
	char why[ERR_TEXT];

	lg_say(l->lg, LG_ERR, what, ": ", e == EINVAL ? "not [ADDR:]PORT" :
	    err_text(e, why), (char *)NULL);
}

static void report_socket(struct listener *l, int fd)
{
	struct sockaddr_storage ss;
	struct nio_addr a;
	socklen_t n = sizeof ss;
	char buf[NIO_ADDR_TEXT + 16];
	struct str t;
	bool v4;

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0 ||
	    nio_addr_from(&a, (const struct sockaddr *)&ss) < 0)
		return;
	v4 = ss.ss_family == AF_INET;
	str_init(&t, buf, sizeof buf);
	str_put(&t, v4 ? "" : "[");
	nio_addr_text(&t, &a);
	str_put(&t, v4 ? ":" : "]:");
	str_u64(&t, a.port);
	lg_say(l->lg, LG_INFO, "listening on ", t.p, (char *)NULL);
}

static int add_socket(struct listener *l, int fd)
{
	if (l->sockets == SOCKETS_MAX) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	l->socket[l->sockets].fd = fd;
	l->socket[l->sockets].events = POLLIN;
	l->sockets++;
	report_socket(l, fd);
	return 0;
}

static int open_socket(struct listener *l, const struct sockaddr *sa,
    socklen_t n)
{
	int on = 1;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (sa->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof on);
	if (bind(fd, sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return add_socket(l, fd);
	on = errno;
	close(fd);
	errno = on;
	return -1;
}

static int listen4(struct listener *l, struct in_addr a, uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr = a, .sin_port = htons(port)
	};

	return open_socket(l, (const struct sockaddr *)&sin, sizeof sin);
}

static int listen6(struct listener *l, struct in6_addr a, uint16_t port)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_addr = a,
		.sin6_port = htons(port)
	};

	return open_socket(l, (const struct sockaddr *)&sin6, sizeof sin6);
}

/*
 * Without an address: all of them, but only this host when no password is
 * asked for.  A host without IPv6, or without IPv4, is served all the same.
 */
static int listen_any(struct listener *l, uint16_t port)
{
	struct in6_addr any6 = IN6ADDR_ANY_INIT, lo6 = IN6ADDR_LOOPBACK_INIT;
	struct in_addr a4 = { .s_addr = htonl(INADDR_ANY) };
	int e4, e6, why4;

	if (l->conf->preauth)
		a4.s_addr = htonl(INADDR_LOOPBACK);
	e4 = listen4(l, a4, port);
	why4 = errno;
	e6 = listen6(l, l->conf->preauth ? lo6 : any6, port);
	if (e4 < 0)
		errno = why4;
	return e4 < 0 && (e6 < 0 || why4 == EADDRINUSE) ? -1 : 0;
}

/* PORT, ADDR:PORT or [V6]:PORT; -1 with errno, EINVAL: none of them. */
static int listen_spec(struct listener *l, const char *spec)
{
	const char *colon = strrchr(spec, ':');
	char addr[64];
	struct str t;
	struct in_addr a4;
	struct in6_addr a6;
	uint64_t port;

	errno = EINVAL;
	if (parse_u64(colon ? colon + 1 : spec, &port) < 0 || port > 65535)
		return -1;
	if (colon == NULL)
		return listen_any(l, (uint16_t)port);
	str_init(&t, addr, sizeof addr);
	if (spec[0] == '[' && colon[-1] == ']') {
		str_mem(&t, spec + 1, (size_t)(colon - spec) - 2);
		if (inet_pton(AF_INET6, addr, &a6) == 1)
			return listen6(l, a6, (uint16_t)port);
	} else {
		str_mem(&t, spec, (size_t)(colon - spec));
		if (inet_pton(AF_INET, addr, &a4) == 1)
			return listen4(l, a4, (uint16_t)port);
	}
	errno = EINVAL;
	return -1;
}

static int take_inherited(struct listener *l)
{
	uint64_t n = 0;

	(void)environment_number("LISTEN_FDS", &n);
	for (int fd = FIRST_INHERITED; n-- > 0; fd++) {
		int listening = 0;
		socklen_t size = sizeof listening;

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
		    &size) < 0 || !listening) {
			lg_say(l->lg, LG_ERR, "LISTEN_FDS: ",
			    "not a listening socket", (char *)NULL);
			return -1;
		}
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		if (add_socket(l, fd) < 0) {
			complain(l, "LISTEN_FDS", errno);
			return -1;
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return 0;
}

static int open_sockets(struct listener *l)
{
	int e;

	if (listen_inherited() && take_inherited(l) < 0)
		return EXIT_USAGE;
	for (int i = 0; i < l->conf->listens; i++) {
		if (listen_spec(l, l->conf->listen[i]) == 0)
			continue;
		e = errno;
		complain(l, l->conf->listen[i], e);
		return e == EINVAL ? EXIT_USAGE : EXIT_TEMPORARY;
	}
	return 0;
}

static void reap(struct listener *l)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (unsigned i = 0; i < l->children; i++) {
			if (l->child[i].pid == pid) {
				l->child[i] = l->child[--l->children];
				break;
			}
		}
	}
}

/* IPv6 hosts have a /64 of addresses to come from. */
static bool same_source(const struct nio_addr *a, const struct nio_addr *b)
{
	return memcmp(a->ip, b->ip, nio_addr_is4(a) ? 16 : 8) == 0;
}

static unsigned from_source(const struct listener *l,
    const struct nio_addr *from)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->children; i++)
		n += same_source(&l->child[i].from, from);
	return n;
}

/* A flood fills no log: one line in a while, with a count. */
static void log_refusal(struct listener *l, const struct nio_addr *from,
    const char *why)
{
	char addr[NIO_ADDR_TEXT], count[24];
	struct str a, n;

	l->unlogged++;
	if (nio_now() < l->next_log)
		return;
	str_init(&a, addr, sizeof addr);
	nio_addr_text(&a, from);
	str_init(&n, count, sizeof count);
	str_u64(&n, l->unlogged);
	lg_say(l->lg, LG_WARNING, "[", a.p, "] refused: ", why, " (", n.p,
	    " since the last such line)", (char *)NULL);
	l->next_log = nio_now() + LOG_PAUSE;
	l->unlogged = 0;
}

static void refuse(struct listener *l, int fd, const struct nio_addr *from,
    const char *why)
{
	char buf[80];
	struct str t;

	str_init(&t, buf, sizeof buf);
	str_put(&t, "-ERR [SYS/TEMP] ");
	str_put(&t, why);
	str_put(&t, "\r\n");
	(void)send(fd, t.p, t.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	log_refusal(l, from, why);
}

static void wait_a_moment(void)
{
	const struct timespec t = { .tv_nsec = SHORTAGE_PAUSE * 1000000L };

	nanosleep(&t, NULL);
}

/*
 * No descriptor is left: the spare one lets us take the client off the
 * queue and say so.  Otherwise poll would return at once for ever.
 */
static void shed(struct listener *l, int socket)
{
	static const struct nio_addr nobody = { .port = 0 };
	int fd;

	close(l->spare);
	fd = accept(socket, NULL, NULL);
	if (fd >= 0)
		refuse(l, fd, &nobody, "out of descriptors");
	l->spare = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		wait_a_moment();
}

static void become_child(struct listener *l, int fd)
{
	for (nfds_t i = 0; i < l->sockets; i++)
		close(l->socket[i].fd);
	close(l->spare);
	munmap(l->child, l->conf->sessions * sizeof *l->child);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

/* True in the child. */
static bool start(struct listener *l, int fd, const struct nio_addr *from)
{
	pid_t pid;

	if (l->children >= l->conf->sessions) {
		refuse(l, fd, from, "too many sessions");
		return false;
	}
	if (from_source(l, from) >= l->conf->per_source) {
		refuse(l, fd, from, "too many sessions from your address");
		return false;
	}
	pid = fork();
	if (pid < 0) {
		refuse(l, fd, from, "cannot start a session");
		return false;
	}
	if (pid == 0) {
		become_child(l, fd);
		return true;
	}
	close(fd);
	l->child[l->children++] = (struct child){ pid, *from };
	return false;
}

static bool accept_one(struct listener *l, int socket)
{
	struct nio_addr from = { .port = 0 };
	int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		(void)nio_peer(fd, &from);
		return start(l, fd, &from);
	}
	if (errno == EMFILE || errno == ENFILE)
		shed(l, socket);
	else if (errno == ENOBUFS || errno == ENOMEM)
		wait_a_moment();
	return false;
}

static void catch_signals(sigset_t *open)
{
	const struct sigaction act = { .sa_handler = on_signal };
	sigset_t closed;

	sigemptyset(&closed);
	sigaddset(&closed, SIGTERM);
	sigaddset(&closed, SIGINT);
	sigaddset(&closed, SIGCHLD);
	/* They come only while we wait in ppoll: none is missed. */
	sigprocmask(SIG_BLOCK, &closed, open);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGCHLD, &act, NULL);
}

static bool accept_all(struct listener *l)
{
	sigset_t open;

	catch_signals(&open);
	while (!stop) {
		int n = ppoll(l->socket, l->sockets, NULL, &open);

		reap(l);
		for (nfds_t i = 0; n > 0 && i < l->sockets; i++) {
			if (!l->socket[i].revents)
				continue;
			if (accept_one(l, l->socket[i].fd)) {
				sigprocmask(SIG_SETMASK, &open, NULL);
				return true;
			}
		}
	}
	return false;
}

bool listen_run(const struct conf *c, struct lg *lg, int *status)
{
	struct listener l = { .conf = c, .lg = lg };
	void *table;

	*status = open_sockets(&l);
	if (*status)
		return false;
	table = mmap(NULL, c->sessions * sizeof *l.child, PROT_READ |
	    PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED) {
		complain(&l, "cannot listen", errno);
		*status = EXIT_TEMPORARY;
		return false;
	}
	l.child = table;
	l.spare = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
	if (accept_all(&l))
		return true;
	lg_say(lg, LG_INFO, "stopped", (char *)NULL);
	*status = EXIT_OK;
	return false;
}
