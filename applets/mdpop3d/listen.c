/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_LISTEN) += applets/mdpop3d/listen.o
/*
 * The listener: one process for each session, so many at a time and so
 * many from one address.  It parses nothing a client sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "children.h"
#include "sockets.h"

enum {
	LOG_PAUSE = 10000,		/* ms between lines on refusals */
	SHORTAGE_PAUSE = 100		/* ms before accepting again */
};

struct listener {
	const struct conf *conf;
	struct lg *lg;
	struct sockets at;
	struct pollfd wait[SOCKETS_MAX + 1];	/* on those, and for notes */
	struct children children;
	int spare;		/* given up to accept when none are left */
	int64_t next_log;
	uint64_t unlogged;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		stop = 1;
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

static int open_spare(void)
{
	return openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * No descriptor is left: the spare one lets us take the client off the
 * queue and say so.  Otherwise poll would return at once for ever.
 */
static void shed(struct listener *l, int socket)
{
	static const struct nio_addr nobody = { .port = 0 };
	int fd;

	if (l->spare >= 0)
		close(l->spare);
	fd = accept(socket, NULL, NULL);
	if (fd >= 0)
		refuse(l, fd, &nobody, "out of descriptors");
	l->spare = open_spare();
	if (fd < 0)
		wait_a_moment();
}

/* nohup(1) has said that the end of a terminal is none of ours. */
static bool hangup_is_ignored(void)
{
	struct sigaction now;

	return sigaction(SIGHUP, NULL, &now) == 0 &&
	    now.sa_handler == SIG_IGN;
}

static void become_child(struct listener *l, int fd)
{
	for (nfds_t i = 0; i < l->at.n; i++)
		close(l->at.poll[i].fd);
	close(l->spare);
	children_leave(&l->children);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (!hangup_is_ignored())
		signal(SIGHUP, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

/* True in the child. */
static bool start(struct listener *l, int fd, const struct nio_addr *from)
{
	const char *why = children_objection(&l->children, from);
	pid_t pid;

	if (why) {
		refuse(l, fd, from, why);
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
	children_add(&l->children, pid, from);
	return false;
}

static bool accept_one(struct listener *l, int socket, struct nio_addr *from)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof ss;
	int fd = accept4(socket, (struct sockaddr *)&ss, &n, SOCK_CLOEXEC);

	if (fd >= 0) {
		*from = (struct nio_addr){ .port = 0 };
		(void)nio_addr_from(from, (const struct sockaddr *)&ss);
		return start(l, fd, from);
	}
	if (errno == EMFILE || errno == ENFILE)
		shed(l, socket);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		wait_a_moment();	/* no memory, or what nobody foresaw */
	return false;
}

static void catch_signals(sigset_t *open)
{
	const struct sigaction act = { .sa_handler = on_signal };
	sigset_t closed;

	sigemptyset(&closed);
	sigaddset(&closed, SIGTERM);
	sigaddset(&closed, SIGINT);
	sigaddset(&closed, SIGHUP);
	sigaddset(&closed, SIGCHLD);
	/* They come only while we wait in ppoll: none is missed. */
	sigprocmask(SIG_BLOCK, &closed, open);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	if (!hangup_is_ignored())
		sigaction(SIGHUP, &act, NULL);
	sigaction(SIGCHLD, &act, NULL);
}

/* With a socket always ready ppoll never gets round to it. */
static void let_signals_in(const sigset_t *open)
{
	sigset_t closed;

	sigprocmask(SIG_SETMASK, open, &closed);
	sigprocmask(SIG_SETMASK, &closed, NULL);
}

static bool accept_all(struct listener *l, struct nio_addr *from)
{
	sigset_t open;

	memcpy(l->wait, l->at.poll, sizeof l->at.poll);
	l->wait[l->at.n] = (struct pollfd){ l->children.notes, POLLIN, 0 };
	catch_signals(&open);
	while (!stop) {
		int n = ppoll(l->wait, l->at.n + 1, NULL, &open);

		let_signals_in(&open);
		children_reap(&l->children);
		if (l->spare < 0)
			l->spare = open_spare();
		for (nfds_t i = 0; n > 0 && i < l->at.n; i++) {
			if (!l->wait[i].revents)
				continue;
			if (accept_one(l, l->wait[i].fd, from)) {
				sigprocmask(SIG_SETMASK, &open, NULL);
				return true;
			}
		}
	}
	return false;
}

/* A listener that could serve nobody had better say so at once. */
static int check_store(const struct conf *c, struct lg *lg)
{
	const char *what = c->preauth ? c->maildir : c->users_file;
	char why[ERR_TEXT];
	int e = what ? faccessat(AT_FDCWD, what, R_OK, AT_EACCESS) : 0;

	if (e == 0)
		return 0;
	lg_say(lg, LG_ERR, what, ": ", err_text(errno, why), (char *)NULL);
	return EXIT_TEMPORARY;
}

bool listen_run(const struct conf *c, struct lg *lg, int *status,
    struct nio_addr *from)
{
	struct listener l = { .conf = c, .lg = lg };
	char why[ERR_TEXT];

	*status = sockets_open(&l.at, c, lg);
	if (*status == 0)
		*status = check_store(c, lg);
	if (*status)
		return false;
	if (children_open(&l.children, c) < 0) {
		lg_say(lg, LG_ERR, "cannot listen: ", err_text(errno, why),
		    (char *)NULL);
		*status = EXIT_TEMPORARY;
		return false;
	}
	l.spare = open_spare();
	if (accept_all(&l, from))
		return true;
	lg_say(lg, LG_INFO, "stopped", (char *)NULL);
	*status = EXIT_OK;
	return false;
}
