/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mdpop3d: a POP3 server for Maildirs, from inetd or its own listener.
 *
 * Until a client has logged in there is a process that runs as root; it
 * hears another, which has given that up and hears the client.  The files
 * whose code may run as root are
 *
 * root: applets/popbox.c
 * root: applets/popbox/install.c
 * root: applets/mdpop3d.c
 * root: applets/mdpop3d/attempt.c
 * root: applets/mdpop3d/checker.c
 * root: applets/mdpop3d/children.c
 * root: applets/mdpop3d/listen.c
 * root: applets/mdpop3d/monitor.c
 * root: applets/mdpop3d/options.c
 * root: applets/mdpop3d/penalty.c
 * root: applets/mdpop3d/reply.c
 * root: applets/mdpop3d/sockets.c
 * root: applets/mdpop3d/verdict.c
 * root: libmd/auth.c
 * root: libmd/base.c
 * root: libmd/log.c
 * root: libmd/netio.c
 * root: libmd/sandbox.c
 * root: libmd/sandboxcalls.c
 * root: libmd/users.c
 *
 * and this begins what does not, with all that it calls:
 *
 * user: applets/mdpop3d/session.c
 *
 * (PAM_INPROC adds libmd/pam.c to the first.  Without PRIVSEP one process
 * does all, and the second list is part of the first.)
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
//config:config FEATURE_MDPOP3D_PRIVSEP
//config:	bool "Separate processes before login"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  What hears a client that has not logged in yet is a process
//config:	  that can do nothing else; what is root hears only that, and
//config:	  only in messages of one shape. Without it one process, which
//config:	  is root until the login, does both.
//config:
//config:config MDPOP3D_PARSER_UID
//config:	int "uid and gid of the process that hears the client"
//config:	default 65534
//config:	range 1 4294967294
//config:	depends on FEATURE_MDPOP3D_PRIVSEP
//config:	help
//config:	  That of nobody will do; one that no other program has is best.
//config:
//config:config FEATURE_MDPOP3D_SANDBOX
//config:	bool "seccomp and Landlock"
//config:	default y
//config:	depends on MDPOP3D
//config:	help
//config:	  Each process keeps only those system calls that its work
//config:	  needs, and after login only the Maildir. Where the kernel
//config:	  has no such thing the server works without, and says so.
//config:
//config:config SANDBOX_REQUIRED
//config:	bool "Serve nobody without them"
//config:	depends on FEATURE_MDPOP3D_SANDBOX
//config:	help
//config:	  Where the kernel lacks seccomp or Landlock (Linux 5.19 or
//config:	  newer with both configured has them) no session is served.
//config:
//config:config FEATURE_MDPOP3D_SASL
//config:	bool "AUTH PLAIN"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  RFC 5034: user and password in one command. Some clients try
//config:	  nothing else.
//config:
//config:config FEATURE_MDPOP3D_STLS
//config:	bool "STLS by way of UCSPI-TLS (-E)"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  TLS from a program above this one that knows UCSPI-TLS, as
//config:	  s6-ucspitlsd and ucspi-ssl do. No part of TLS itself is here.
//config:
//config:config FEATURE_MDPOP3D_CHECKPW
//config:	bool "Any checkpassword program (-C)"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  Users whom a program of the checkpassword interface knows:
//config:	  vchkpw, checkpassword-pam, one of your own.
//config:
//config:config FEATURE_MDPOP3D_PAM
//config:	bool "PAM (-p)"
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  Asks Linux-PAM instead of passwd and shadow. PAM cannot be in
//config:	  a static binary: a small dynamic program, popbox-pam, is
//config:	  built with the host's compiler (PAM_CC) and run for each
//config:	  login.
//config:
//config:config PAM_HELPER
//config:	string "Where popbox-pam is"
//config:	default "/usr/libexec/popbox-pam"
//config:	depends on FEATURE_MDPOP3D_PAM
//config:	help
//config:	  make install puts it there.
//config:
//config:config PAM_INPROC
//config:	bool "PAM without the helper"
//config:	depends on FEATURE_MDPOP3D_PAM && !STATIC
//config:	help
//config:	  The checking process calls libpam itself, to which the binary
//config:	  is then linked. Saves an exec for each login.
//config:
//config:config FEATURE_MDPOP3D_APOP
//config:	bool "APOP (-A, -T)"
//config:	default y
//config:	depends on FEATURE_MDPOP3D_PAM
//config:	help
//config:	  For PAM modules that know the clear password and can compare
//config:	  an MD5 digest of it (RFC 1939 section 7).
//config:
//config:config MDPOP3D_LOGIN_TRIES
//config:	int "Logins a connection may attempt"
//config:	default 1
//config:	range 1 3
//config:	depends on FEATURE_MDPOP3D_AUTH
//config:	help
//config:	  After so many incorrect ones the session is over.
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
//usage:usage: mdpop3d [-acdeEnqsAV] [-t SEC] [-m MAILDIR] [-u USER] [-r HOST]
//usage:  [-R VAR] [-M UID] [-P FILE] [-p SERVICE] [-T HOST] [-b SEC]
//usage:  [-l [ADDR:]PORT]... [-L N] [-I N] [-C PROGRAM...]
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
//usage:  -p SERVICE  the PAM service (default: pop3)
//usage:  -C          users from a checkpassword PROGRAM
//usage:  -M UID      refuse users with a lower uid
//usage:  -A          APOP; -T HOST behind the @ of its timestamp
//usage:  -E          no login before STLS
//usage:  -r HOST     the client's address, for the log
//usage:  -R VAR      the same, from environment variable VAR
//usage:  -l [ADDR:]PORT  listen; -L N sessions at most, -I N from one address,
//usage:              -b SEC at most of penalty for one that misbehaves
//usage:  -q          do not log connections
//usage:  -d          log what clients say, but for passwords
//usage:  -e          log to standard error
//usage:  -V          print the version
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d/mdpop3d.h"
#include "usage.h"
#include "users.h"

const char mdpop3d_usage[] = MDPOP3D_USAGE;

int mdpop3d_main(int argc, char **argv);

static struct session session __attribute__((aligned(4096)));

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
		str_put(&t, LOCAL_CLIENT);
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

/* Never the same twice, and not to be guessed: RFC 1939 section 7. */
static void make_stamp(struct session *s)
{
	unsigned char bytes[12];
	char host[64];
	const char *tag = s->conf->host_tag;
	struct str t;

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return;
	if (tag == NULL) {
		host[sizeof host - 1] = '\0';
		tag = gethostname(host, sizeof host - 1) < 0 ? "localhost" :
		    host;
	}
	str_init(&t, s->stamp, sizeof s->stamp);
	str_char(&t, '<');
	str_u64(&t, (uint64_t)getpid());
	str_char(&t, '.');
	str_u64(&t, (uint64_t)time(NULL));
	str_hex(&t, bytes, sizeof bytes);
	str_char(&t, '@');
	str_safe(&t, tag, strlen(tag), 63);
	str_char(&t, '>');
}

/* For the listener; after a login it does not hear it any more. */
static void note_failure(const struct session *s)
{
	if (!ENABLE_FEATURE_MDPOP3D_LISTEN || !ENABLE_FEATURE_MDPOP3D_AUTH)
		return;
	if (s->end == END_TIMEOUT)
		listen_note(NOTE_TOO_LATE);
	else if (s->attempts == 0 && s->end != END_PARSER)
		listen_note(NOTE_NO_LOGIN);
}

static void run_session(struct session *s, const struct nio_addr *from)
{
	const struct conf *c = s->conf;
	int64_t login = 4 * (int64_t)c->timeout;

	s->monitor = -1;
	if (ENABLE_FEATURE_MDPOP3D_AUTH || ENABLE_FEATURE_MDPOP3D_SANDBOX)
		sb_private(c->service || c->checkpw);
	if (ENABLE_FEATURE_MDPOP3D_APOP && c->apop)
		make_stamp(s);
	if (ENABLE_FEATURE_MDPOP3D_LISTEN && c->preauth) {
		listen_note(NOTE_LOGIN);
		listen_silence();
	}
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
	if (!c->quiet)
		session_log(s, LG_INFO, "connect", NULL);
	if (!ENABLE_FEATURE_MDPOP3D_AUTH || c->preauth ||
	    (ENABLE_FEATURE_MDPOP3D_PRIVSEP && monitor_run(s)))
		session_work(s);
	else if (!ENABLE_FEATURE_MDPOP3D_PRIVSEP)
		session_greet(s);
	note_failure(s);
	(void)nio_flush(&s->io);
	if (!c->quiet)
		session_log_end(s);
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
		if (ENABLE_FEATURE_MDPOP3D_SANDBOX && !c.quiet) {
			sb_probe(&s->drop.sandbox);
			log_sandbox(&s->log, &s->drop.sandbox);
		}
		if (!listen_run(&c, &s->log, &e, &from))
			return e;
	} else {
		greet_terminal();
	}
	s->conf = &c;
	run_session(s, listens ? &from : NULL);
	return s->status;
}
