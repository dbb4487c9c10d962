/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/relay.o
/*
 * For a TLS client that can only connect by itself: a process between it
 * and the connection to the server, which passes bytes on, and ends.
 */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base.h"
#include "wire.h"

enum { DESCRIPTORS = 1024 };	/* that we could have open */

/*
 * One process for both directions, that never waits in one of them: with
 * both ends full, everybody would wait for everybody.  What polls writable
 * takes so much at once, pipes too.
 */
struct way {			/* bytes in one direction */
	int from, to;		/* from: -1 after the end */
	size_t len;
	char buf[4096];
};

static int relay_net;

/* Others may end it as they like, but by SIGHUP the server gets an RST. */
static void on_reset(int sig)
{
	const struct linger now = { .l_onoff = 1 };

	(void)sig;
	(void)setsockopt(relay_net, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	_exit(0);
}

static void move(struct way *w)
{
	ptrdiff_t n;

	if (w->len > 0) {
		n = fd_write(w->to, w->buf, w->len);
		w->len = 0;
	} else {
		n = fd_read(w->from, w->buf, sizeof w->buf);
		w->len = n > 0 ? (size_t)n : 0;
		if (n == 0) {
			w->from = -1;
			if (shutdown(w->to, SHUT_WR) < 0)
				close(w->to);
		}
	}
	/* Broken on one side, it is of no use to the other. */
	if (n < 0)
		_exit(0);
}

static void close_others(const int keep[3])
{
	/* A copy of another connection would keep it open. */
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (fd != keep[0] && fd != keep[1] && fd != keep[2])
			close(fd);
}

static void relay(int in, int out, int client)
{
	static struct way way[2];
	struct pollfd p[2];

	way[0].from = in;
	way[1].to = out;
	way[0].to = way[1].from = client;
	while (way[0].from >= 0 || way[1].from >= 0) {
		for (int i = 0; i < 2; i++) {
			bool full = way[i].len > 0;

			p[i].fd = full ? way[i].to : way[i].from;
			p[i].events = full ? POLLOUT : POLLIN;
			p[i].revents = 0;
		}
		(void)poll(p, 2, -1);
		for (int i = 0; i < 2; i++)
			if (p[i].revents)
				move(&way[i]);
	}
}

pid_t wire_relay(int in, int out, int client)
{
	const int fds[3] = { in, out, client };
	sigset_t hup, was;
	pid_t pid;

	/* Until it can do what SIGHUP is to do. */
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, &was);
	pid = fork();
	if (pid != 0) {
		sigprocmask(SIG_SETMASK, &was, NULL);
		return pid;
	}
	relay_net = in;
	signal(SIGHUP, on_reset);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&hup);
	sigprocmask(SIG_SETMASK, &hup, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	close_others(fds);
	relay(in, out, client);
	_exit(0);
}
