/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/monitor.o
/*
 * AUTHORIZATION as root sees it.  The client is heard by the parser, a
 * process that can do nothing else; what it asks for here comes in packets
 * of one shape, is checked, and each step is allowed so many times.  At the
 * login this process becomes the user, and no root is left.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d.h"
#include "privsep.h"

enum {
	GRACE = 3000,		/* ms for the parser to end by itself */
	DEBUG_LINES = 200,	/* that one parser may have logged */
	DIGEST = 32,		/* digits of an MD5 */
	NO_PARSER = 100		/* and errno: its exit where it cannot begin */
};

static void wipe_environment(void)
{
	for (char **e = environ; e && *e; e++)
		wipe(*e, strlen(*e));
}

/* Ends with an enum end, or with more where it could not begin. */
static _Noreturn void run_parser(struct session *s)
{
	const int keep[] = { s->monitor, s->conf->tls.in, s->conf->tls.out };
	struct pollfd monitor = { .fd = s->monitor };
	struct sb has;
	int e;

	fd_close_others(keep, 3);
	if (!ENABLE_SANITIZE)
		close(STDERR_FILENO);
	e = sb_leave(CONFIG_MDPOP3D_PARSER_UID);
	sb_private(false);	/* not before: setresuid(2) undoes it */
	if (poll(&monitor, 1, 0) > 0)	/* it has ended before */
		_exit(END_LOST);
	if (ENABLE_FEATURE_MDPOP3D_SANDBOX && e == 0)
		e = sb_parser(&has);
	if (e)
		_exit(NO_PARSER - e);
	if (!ENABLE_SANITIZE)
		wipe_environment();
	session_greet(s);
	(void)nio_flush(&s->io);
	_exit(s->end);
}

struct monitor {
	struct session *s;
	pid_t parser;
	int link;
	unsigned lines;		/* of -d */
	bool heard;		/* a packet: so it has begun */
	bool tls_asked;		/* and so not again */
	int64_t until;		/* it is waited for; nio_now() */
};

static int start_parser(struct monitor *m)
{
	int pair[2];

	signal(SIGCHLD, SIG_DFL);	/* who ignores it cannot wait */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	m->parser = fork();
	if (m->parser == 0) {
		m->s->monitor = pair[1];
		run_parser(m->s);
	}
	close(pair[1]);
	m->link = pair[0];
	return m->parser < 0 ? -errno : 0;
}

/*
 * A parser that is just ending ends as it would have.  One that cannot be
 * killed, for root lacks CAP_KILL, ends when nobody is there any more; -1 if
 * it does not.
 */
static int end_parser(const struct monitor *m)
{
	const int64_t until = nio_now() + GRACE;
	const bool killed = kill(m->parser, SIGKILL) == 0;
	int status = 0;
	pid_t pid;

	if (!killed)
		shutdown(m->link, SHUT_RDWR);
	do {
		pid = waitpid(m->parser, &status, killed ? 0 : WNOHANG);
		if (pid == 0)
			(void)poll(NULL, 0, 10);
	} while ((pid < 0 && errno == EINTR) ||
	    (pid == 0 && nio_now() < until));
	return pid < 0 ? 0 : pid == 0 ? -1 : status;
}

static void failed(struct session *s, const char *what, const char *why)
{
	s->end = END_PARSER;
	s->status = EXIT_TEMPORARY;
	session_log(s, LG_ERR, what, why);
}

/* Nobody has greeted the client. */
static void cannot_begin(struct session *s, const char *what, int e)
{
	char why[ERR_TEXT];

	nio_puts(&s->io, "-ERR [SYS/TEMP] no session is possible now\r\n");
	failed(s, what, err_text(e, why));
}

/* It has ended, or has closed its side, which is no better. */
static void parser_left(struct monitor *m)
{
	int status = end_parser(m);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	char number[16];
	struct str t;

	if (code > END_NOT && code < ENDS) {
		m->s->end = (unsigned char)code;
	} else if (code >= NO_PARSER && !m->heard) {
		cannot_begin(m->s, "cannot confine the parser",
		    code - NO_PARSER);
	} else {
		str_init(&t, number, sizeof number);
		str_u64(&t, (uint64_t)sig);
		failed(m->s, "parser ended by signal", t.p);
		/* Who else kills it must not harm the client's address. */
		if (ENABLE_FEATURE_MDPOP3D_LISTEN &&
		    (is_fault(sig) || sig == 0))
			listen_note(NOTE_CRASH);
	}
}

static void distrust(struct monitor *m)
{
	end_parser(m);
	failed(m->s, "parser sent what it must not", NULL);
	if (ENABLE_FEATURE_MDPOP3D_LISTEN)
		listen_note(NOTE_CRASH);
}

bool pv_is_digest(const char *text)
{
	size_t n = 0;

	while ((text[n] >= '0' && text[n] <= '9') ||
	    (text[n] >= 'a' && text[n] <= 'f'))
		n++;
	return n == DIGEST && text[n] == '\0';
}

bool pv_valid(const struct pv_request *r, size_t n)
{
	const bool is_login = r->kind == PV_LOGIN || r->kind == PV_APOP;
	size_t text;

	if (n != sizeof *r || r->kind < PV_LOG || r->kind > PV_APOP ||
	    r->ahead_len > sizeof r->ahead ||
	    memchr(r->user, '\0', sizeof r->user) == NULL ||
	    memchr(r->text, '\0', sizeof r->text) == NULL)
		return false;
	text = strlen(r->text);
	if (r->kind == PV_APOP && !(ENABLE_FEATURE_MDPOP3D_APOP &&
	    pv_is_digest(r->text)))
		return false;
	/* Programs and modules are not to be shown two names. */
	return is_login == (r->user[0] != '\0') &&
	    !memchr(r->user, '\n', sizeof r->user) &&
	    (!is_login || text < P3_LINE);
}

/* Each step so many times, and only where it was offered. */
static bool is_allowed(const struct monitor *m, const struct pv_request *r)
{
	const struct session *s = m->s;
	const struct conf *c = s->conf;

	switch (r->kind) {
	case PV_LOG:
		return ENABLE_FEATURE_MDPOP3D_DEBUG && c->debug;
	case PV_STLS:
		return ENABLE_FEATURE_MDPOP3D_STLS && !m->tls_asked &&
		    c->tls.control >= 0;
	case PV_APOP:
		if (!ENABLE_FEATURE_MDPOP3D_APOP || !s->stamp[0])
			return false;
		/* fall through */
	default:
		return s->attempts < CONFIG_MDPOP3D_LOGIN_TRIES &&
		    (s->tls || !c->tls_first);
	}
}

/* True once somebody has logged in. */
static bool obey(struct monitor *m, struct pv_request *r)
{
	struct nio *io = &m->s->io;
	bool waits = r->kind != PV_LOG;
	unsigned char answer;

	if (!waits && m->lines++ >= DEBUG_LINES)
		return false;
	m->tls_asked = m->tls_asked || r->kind == PV_STLS;
	io->ipos = 0;
	io->ilen = r->ahead_len;
	memcpy(io->ibuf, r->ahead, r->ahead_len);
	answer = (unsigned char)attempt_step(m->s, r);
	if (answer == PV_LOGGED_IN)
		return true;
	wipe(io->ibuf, io->ilen);
	if (!waits)
		return false;
	(void)send(m->link, &answer, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* However long that took, the client is to hear of it. */
	if (m->until < nio_now() + GRACE)
		m->until = nio_now() + GRACE;
	return false;
}

static void too_late(struct monitor *m)
{
	end_parser(m);
	m->s->end = END_TIMEOUT;
}

/* One packet, or the end of waiting for it; true as for obey. */
static bool hear(struct monitor *m)
{
	static struct pv_request r;
	struct pollfd p = { .fd = m->link, .events = POLLIN };
	int64_t left = m->until - nio_now();
	ssize_t n;

	if (left <= 0) {
		too_late(m);
		return false;
	}
	if (poll(&p, 1, (int)left) <= 0)
		return false;
	n = recv(m->link, &r, sizeof r, MSG_TRUNC | MSG_DONTWAIT);
	m->heard = m->heard || n > 0;
	if (n > 0 && pv_valid(&r, (size_t)n) && is_allowed(m, &r))
		return obey(m, &r);
	if (n > 0)
		distrust(m);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		parser_left(m);
	return false;
}

bool monitor_run(struct session *s)
{
	struct monitor m = { .s = s, .until = s->io.deadline + GRACE };
	bool in = false;
	int e = start_parser(&m);

	if (e) {
		cannot_begin(s, "cannot start a parser", -e);
		return false;
	}
	while (!in && !s->end)
		in = hear(&m);
	if (in && end_parser(&m) < 0)
		failed(s, "parser does not end", NULL);
	close(m.link);		/* not before: it would be an answer */
	if (in && !s->end)
		attempt_become(s);
	return in && !s->end;
}
