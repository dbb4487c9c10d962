/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mdpop3d: a POP3 server for Maildirs, from inetd or its own listener.
 *
 * Until a client has logged in, this runs as root, and so may everything
 * it reaches: the files whose code may run as root are
 *
 * root: applets/popbox.c
 * root: applets/popbox/install.c
 * root: applets/mdpop3d.c
 * root: applets/mdpop3d/listen.c
 * root: applets/mdpop3d/login.c
 * root: applets/mdpop3d/options.c
 * root: applets/mdpop3d/reply.c
 * root: applets/mdpop3d/session.c
 * root: applets/mdpop3d/sockets.c
 * root: libmd/auth.c
 * root: libmd/base.c
 * root: libmd/log.c
 * root: libmd/netio.c
 * root: libmd/pop3.c
 * root: libmd/users.c
 *
 * and these begin what runs as the user only, with all that they call:
 *
 * user: applets/mdpop3d/drop.c
 * user: libmd/mdname.c
 * user: libmd/message.c
 */
//config:config MDPOP3D
//config:	bool "mdpop3d: POP3 server for Maildirs"
//config:	default y
//config:	help
//config:	  Serves one Maildir to one client over POP3 (RFC 1939), from
//config:	  inetd, a pipe or its own listener. Without the features
//config:	  below it serves users whom its caller has authenticated.
//config:
//config:config FEATURE_MDPOP3D_AUTH
//config:	bool "Log users in (USER and PASS)"
//config:	default y
//config:	depends on MDPOP3D
//config:	help
//config:	  Checks passwords against passwd(5) and shadow(5) and becomes
//config:	  the user. Needs a crypt(3), see "Password hashes".
//config:
//config:config FEATURE_MDPOP3D_USERFILE
//config:	bool "Virtual users from a file (-P)"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  Users that exist only in a file of passwd(5) form that holds
//config:	  their hashes; several may share one uid.
//config:
//config:config FEATURE_MDPOP3D_LISTEN
//config:	bool "Own listener (-l)"
//config:	default y
//config:	depends on MDPOP3D
//config:	help
//config:	  Accepts connections itself, IPv4 and IPv6, one process for
//config:	  each session, with limits in all and for one address; also
//config:	  takes sockets from systemd. Without it an inetd is needed.
//config:
//config:config FEATURE_MDPOP3D_DEBUG
//config:	bool "Log what clients say (-d)"
//config:	default y
//config:	depends on MDPOP3D
//config:	help
//config:	  The option -d, for finding out what a client does. Passwords
//config:	  are left out of the log.
//config:
//config:config MDPOP3D_TIMEOUT
//config:	int "Seconds of silence before a client is dropped"
//config:	default 60
//config:	range 1 86400
//config:	depends on MDPOP3D
//config:	help
//config:	  The default of -t. RFC 1939 asks for 600 at least; 60 frees
//config:	  the memory of a small machine sooner.
//config:
//config:config MDPOP3D_LOGIN_TIME
//config:	int "Seconds a whole login may take"
//config:	default 60
//config:	range 1 86400
//config:	depends on MDPOP3D
//config:	help
//config:	  However busy a client looks, after this it has logged in or
//config:	  is dropped. Four timeouts (-t) are the limit if that is less.
//applet:APPLET(mdpop3d, "usr/sbin", "in.mdpop3d")
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d.o
//usage:usage: mdpop3d [-acdenqsV] [-t SEC] [-m MAILDIR] [-u USER] [-r HOST]
//usage:               [-R VAR] [-M UID] [-P FILE] [-l [ADDR:]PORT]... [-L N]
//usage:               [-I N]
//usage:
//usage:Serve a Maildir over POP3 on standard input and output.
//usage:
//usage:  -a          the caller has authenticated the user: no login
//usage:  -u USER     the same, and USER is the name for the log
//usage:  -m MAILDIR  below the home directory, or with -a the current one
//usage:              (default: $MAILDIR, or Maildir)
//usage:  -t SEC      drop a client that is silent for so long
//usage:  -c          take a lost connection for a QUIT: deletions count
//usage:  -n          leave new messages in new/
//usage:  -s          sizes as the file system has them: fast, not exact
//usage:  -P FILE     users from this passwd(5) file, hashes included
//usage:  -M UID      refuse users with a lower uid
//usage:  -r HOST     the client's address, for the log
//usage:  -R VAR      the same, from environment variable VAR
//usage:  -l [ADDR:]PORT  listen; -L N sessions at most, -I N from one address
//usage:  -q          do not log connections
//usage:  -d          log what clients say, but for passwords
//usage:  -e          log to standard error
//usage:  -V          print the version
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d/mdpop3d.h"
#include "usage.h"
#include "users.h"

const char mdpop3d_usage[] = MDPOP3D_USAGE;

int mdpop3d_main(int argc, char **argv);

static struct session session;

static void find_host(struct session *s, const struct nio_addr *from)
{
	const char *host = s->conf->host;
	struct nio_addr peer;
	struct str t;

	/* xinetd has IPv4 addresses in their IPv6 form. */
	if (host && str_after(host, "::ffff:"))
		host = str_after(host, "::ffff:");
	str_init(&t, s->host, sizeof s->host);
	if (host && *host)
		str_safe(&t, host, strlen(host), 64);
	else if (from)
		nio_addr_text(&t, from);
	else if (nio_peer(STDIN_FILENO, &peer) == 0)
		nio_addr_text(&t, &peer);
	else
		str_put(&t, "local");
}

/* Who the caller says it is, or the owner of this process. */
static void find_name(struct session *s)
{
	const char *name = s->conf->user;
	char own[SAFE_NAME];
	struct str t;

	str_init(&t, s->name, sizeof s->name);
	if (!s->conf->preauth)
		return;
	if (!name)
		name = environment("LOGNAME");
	if (!name && us_name(getuid(), own, sizeof own) == 0)
		name = own;
	if (name)
		str_safe(&t, name, strlen(name), 64);
	else
		str_u64(&t, getuid());
}

/* For somebody who types the command to see what it does. */
static void greet_terminal(void)
{
	if (fd_is_terminal(STDIN_FILENO))
		fd_puts(STDERR_FILENO,
		    "mdpop3d: POP3, QUIT ends it; for mail clients use "
		    "inetd or -l PORT\n",
		    (char *)NULL);
}

static int open_null(void)
{
	return openat(AT_FDCWD, "/dev/null", O_RDWR);
}

/* A log or a Maildir opened as 0, 1 or 2 would be taken for the client. */
static void fill_standard_fds(void)
{
	int fd;

	do
		fd = open_null();
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void open_log(struct lg *lg, bool to_stderr, bool no_stderr)
{
	int fd;

	lg_open(lg, "mdpop3d", to_stderr, no_stderr);
	if (!no_stderr || (fd = open_null()) < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* A client that leaves is an error of write, not the end of us. */
static void block_sigpipe(void)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, NULL);
}

static void run_session(struct session *s, const struct nio_addr *from)
{
	int64_t login = 4 * (int64_t)s->conf->timeout;

	nio_init(&s->io, STDIN_FILENO, STDOUT_FILENO,
	    s->conf->timeout * 1000);
	nio_tune(STDOUT_FILENO);
	s->state = P3_AUTHORIZATION;
	if (!s->conf->preauth) {
		if (login > CONFIG_MDPOP3D_LOGIN_TIME)
			login = CONFIG_MDPOP3D_LOGIN_TIME;
		s->io.deadline = nio_now() + login * 1000;
	}
	find_host(s, from);
	find_name(s);
	session_run(s);
}

int mdpop3d_main(int argc, char **argv)
{
	struct conf c = { .timeout = CONFIG_MDPOP3D_TIMEOUT };
	struct session *s = &session;
	struct nio_addr from;
	bool listens;
	int e;

	(void)argc;
	fill_standard_fds();
	e = read_options(&c, argv);
	if (e >= 0)
		return e;
	block_sigpipe();
	umask(077);
	listens = ENABLE_FEATURE_MDPOP3D_LISTEN && listening(&c);
	open_log(&s->log, c.to_stderr, !listens && stderr_is_client());
	if (listens) {
		if (!listen_run(&c, &s->log, &e, &from))
			return e;
	} else {
		greet_terminal();
	}
	s->conf = &c;
	run_session(s, listens ? &from : NULL);
	return s->status;
}
