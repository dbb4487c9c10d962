/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_LISTEN) += applets/mdpop3d/sockets.o
/* The sockets we listen on: those of -l and those from systemd. */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"

enum {
	BACKLOG = 128,
	FIRST_INHERITED = 3	/* sd_listen_fds(3) */
};

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

static void complain(struct lg *lg, const char *what, int e)
{
	char why[ERR_TEXT];

	lg_say(lg, LG_ERR, what, ": ", e == EINVAL ? "not [ADDR:]PORT" :
	    e == EADDRINUSE ? "Address in use" :
	    e == EADDRNOTAVAIL ? "No such address" : err_text(e, why),
	    (char *)NULL);
}

static void report_socket(struct lg *lg, int fd)
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
	lg_say(lg, LG_INFO, "listening on ", t.p, (char *)NULL);
}

static int add_socket(struct sockets *s, int fd)
{
	if (s->n == SOCKETS_MAX) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	s->poll[s->n].fd = fd;
	s->poll[s->n].events = POLLIN;
	s->n++;
	report_socket(s->lg, fd);
	return 0;
}

static int open_socket(struct sockets *s, const struct sockaddr *sa,
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
		return add_socket(s, fd);
	on = errno;
	close(fd);
	errno = on;
	return -1;
}

static int listen4(struct sockets *s, struct in_addr a, uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_addr = a, .sin_port = htons(port)
	};

	return open_socket(s, (const struct sockaddr *)&sin, sizeof sin);
}

static int listen6(struct sockets *s, struct in6_addr a, uint16_t port)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_addr = a,
		.sin6_port = htons(port)
	};

	return open_socket(s, (const struct sockaddr *)&sin6, sizeof sin6);
}

/*
 * Without an address: all of them, but only this host when no password is
 * asked for.  A host without IPv6, or without IPv4, is served all the same.
 */
static int listen_any(struct sockets *s, uint16_t port)
{
	struct in6_addr any6 = IN6ADDR_ANY_INIT, lo6 = IN6ADDR_LOOPBACK_INIT;
	struct in_addr a4 = { .s_addr = htonl(INADDR_ANY) };
	int e4, why4, e6;

	if (s->conf->preauth)
		a4.s_addr = htonl(INADDR_LOOPBACK);
	e4 = listen4(s, a4, port);
	why4 = errno;
	e6 = listen6(s, s->conf->preauth ? lo6 : any6, port);
	if (e6 < 0 && errno == EADDRINUSE)
		return -1;
	if (e4 < 0)
		errno = why4;
	return e4 < 0 && (e6 < 0 || why4 == EADDRINUSE) ? -1 : 0;
}

/* PORT, ADDR:PORT or [V6]:PORT; -1 with errno, EINVAL: none of them. */
static int listen_spec(struct sockets *s, const char *spec)
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
		return listen_any(s, (uint16_t)port);
	str_init(&t, addr, sizeof addr);
	if (spec[0] == '[' && colon[-1] == ']') {
		str_mem(&t, spec + 1, (size_t)(colon - spec) - 2);
		if (inet_pton(AF_INET6, addr, &a6) == 1)
			return listen6(s, a6, (uint16_t)port);
	} else {
		str_mem(&t, spec, (size_t)(colon - spec));
		if (inet_pton(AF_INET, addr, &a4) == 1)
			return listen4(s, a4, (uint16_t)port);
	}
	errno = EINVAL;
	return -1;
}

static int option(int fd, int name)
{
	int value;
	socklen_t size = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

/* Limits and penalties are about addresses, so UNIX sockets do not do. */
static bool is_listener(int fd)
{
	int domain = option(fd, SO_DOMAIN);

	return option(fd, SO_ACCEPTCONN) == 1 &&
	    (domain == AF_INET || domain == AF_INET6);
}

static int take_inherited(struct sockets *s)
{
	uint64_t n = 0;

	(void)environment_number("LISTEN_FDS", &n);
	for (int fd = FIRST_INHERITED; n-- > 0; fd++) {
		if (!is_listener(fd)) {
			lg_say(s->lg, LG_ERR, "LISTEN_FDS: ",
			    "not a listening TCP socket", (char *)NULL);
			return -1;
		}
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		if (add_socket(s, fd) < 0) {
			complain(s->lg, "LISTEN_FDS", errno);
			return -1;
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return 0;
}

int sockets_open(struct sockets *s, const struct conf *c, struct lg *lg)
{
	int e;

	*s = (struct sockets){ .conf = c, .lg = lg };
	if (listen_inherited() && take_inherited(s) < 0)
		return EXIT_USAGE;
	for (int i = 0; i < s->conf->listens; i++) {
		if (listen_spec(s, s->conf->listen[i]) == 0)
			continue;
		e = errno;
		complain(s->lg, s->conf->listen[i], e);
		return e == EINVAL ? EXIT_USAGE : EXIT_TEMPORARY;
	}
	return 0;
}
