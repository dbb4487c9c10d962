/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/wire.o
/*
 * Descriptors to a server: TCP, UNIX sockets, a child on a socketpair, and
 * what a UCSPI client hands us.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "netio.h"
#include "pop3test.h"

enum {
	PATIENCE = 1000,	/* milliseconds before more force is used */
	TLS_PATIENCE = 300,	/* a TLS client may not see that we are gone */
	LAST_WORDS = 320	/* bytes; a few lines */
};

/* ---- children ---------------------------------------------------------- */

/*
 * A server that sees EOF may still have its UPDATE to do, so at first it is
 * only waited for.
 */
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
 * The last lines, as one; trouble_set makes them fit to be printed.  The
 * writers share our place in the file, which therefore has to be its end.
 */
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

/*
 * Every address has its part of the time, so that a dead first one leaves
 * some for the others.
 */
static int open_tcp(const struct target *t, int timeout, int rcvbuf,
    struct trouble *why)
{
	uint16_t port = target_port(t);
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

/* TLS has no such state: behind a connector the server does not see it. */
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

/*
 * An RST comes from closing a socket that does not linger.  Where another
 * process has it, that one must do so; a connector on 6 and 7 cannot be
 * told, its end is an ordinary one.
 */
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

/* The order counts: each gets EOF when those before it have gone. */
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
