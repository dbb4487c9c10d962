/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pop3test: a POP3 client for scripts and administrators: it asks one
 * question, runs transcripts, monitors, fetches, and loads a server.
 */
//config:config POP3TEST
//config:	bool "pop3test: POP3 client for tests and monitoring"
//config:	default y
//config:	help
//config:	  Asks any POP3 server: check (for a monitor), capa, stat,
//config:	  list, uidl, top, get (also into a Maildir), dele. Speaks
//config:	  TLS through another program.
//config:
//config:config FEATURE_POP3TEST_FILL
//config:	bool "Make messages (fill)"
//config:	default y
//config:	depends on POP3TEST
//config:	help
//config:	  Fills a Maildir with messages, odd ones too, whose bytes can
//config:	  be checked after a transfer.
//config:
//config:config FEATURE_POP3TEST_RUN
//config:	bool "Run scripts (run)"
//config:	default y
//config:	depends on FEATURE_POP3TEST_FILL
//config:	help
//config:	  Runs transcripts of POP3 sessions as tests, with several
//config:	  connections, variables and regular expressions, and reports
//config:	  in TAP. The conformance scripts are for this.
//config:
//config:config FEATURE_POP3TEST_LOAD
//config:	bool "Load a server (load)"
//config:	default y
//config:	depends on FEATURE_POP3TEST_RUN
//config:	help
//config:	  Many sessions at a time or at a fixed rate, with the
//config:	  latencies of each command, and a ledger that checks across
//config:	  sessions that no message changes or gets lost.
//config:
//config:config POP3TEST_NSS
//config:	bool "Host names by the C library"
//config:	default y
//config:	depends on POP3TEST && !STATIC
//config:	help
//config:	  getaddrinfo(), with all that the system has configured for
//config:	  it. Without it pop3test reads /etc/hosts and asks the name
//config:	  servers of /etc/resolv.conf itself.
//config:
//config:config POP3TEST_TLS
//config:	string "Program for TLS"
//config:	default "openssl s_client -quiet -verify_quiet -servername=%n -unix %s"
//config:	depends on POP3TEST
//config:	help
//config:	  Started for pop3s:// and STLS, with plain text on descriptors
//config:	  0 and 1 and the connection on 6 and 7. %h is the server's
//config:	  name or address, %n its name, %a its address (a word with the
//config:	  one that there is not is left out); %s is a UNIX socket that
//config:	  leads to it, for programs that have to connect themselves.
//config:	  Empty: none.
//config:
//config:config POP3TEST_TLS_VERIFY
//config:	string "The same, when certificates count"
//config:	default "openssl s_client -quiet -verify_quiet -verify_return_error -servername=%n -verify_hostname=%n -verify_ip=%a -unix %s"
//config:	depends on POP3TEST
//config:	help
//config:	  Has to end where the certificate is not the server's.
//config:
//applet:APPLET(pop3test, "usr/bin", "")
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test.o
//usage:usage: pop3test [check | capa | stat] [OPTION]... TARGET
//usage:       pop3test list [N]... | uidl [N]... | dele N... TARGET
//usage:       pop3test top N LINES | get N | get N...|all DIR TARGET
//usage:       pop3test run FILE|DIR... [TARGET]
//usage:       pop3test load [FILE] TARGET
//usage:       pop3test fill MAILDIR COUNT SIZE [plain|odd|all]
//usage:
//usage:TARGET: HOST[:PORT], [V6]:PORT, pop3://USER@HOST, pop3s://HOST,
//usage:        unix:/PATH, -- COMMAND ARGS (as from inetd), - (as from UCSPI)
//usage:
//usage:  -H HOST -p PORT -4 -6  the target, in parts
//usage:  -u USER[:PASS]  log in; the password is better had from
//usage:  -P FILE|fd:N    its first line, or from $POP3TEST_PASS
//usage:  -A MECH         auto user apop plain login cram-md5
//usage:  -S, -X          TLS at once; STLS, or nothing
//usage:  -C COMMAND      the program for TLS; --verify: certificates count
//usage:  -t SEC          wait so long for an answer (10)
//usage:  -w SEC -c SEC   check: slower is a warning, critical
//usage:  -v, -vv         show the session, which is a script; with secrets
//usage:  -x DIR          a transcript of each connection in DIR
//usage:  -j, -q          JSON; less output
//usage:  --crlf          get, top: lines end as on the wire
//usage:run:
//usage:  -D NAME=VALUE   set a variable; dir: a Maildir for the tests
//usage:  -k, -1          go on in a failed test; stop at the first
//usage:  -l              list the tests
//usage:  -L              loose: of a status line its first word counts
//usage:load:
//usage:  -n N            workers (10; for a single user 1)
//usage:  -U FILE         users, "NAME PASSWORD" a line
//usage:  -r RATE[/m]     so many sessions a second, whatever the answers
//usage:  -d SEC, -N N    for so long (10); so many sessions
//usage:  -s SEED         the same choices again; also fill
//usage:  --ledger        check every message across sessions
//usage:  --remote        the target may be another machine
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pop3test/pop3test.h"
#include "usage.h"

const char pop3test_usage[] = POP3TEST_USAGE;

int pop3test_main(int argc, char **argv);

static struct options o;

int say_trouble(const struct trouble *t)
{
	/* What -v shows stays a script. */
	fd_puts(STDERR_FILENO, o.verbose ? "# " : "", "pop3test: ", t->text,
	    "\n", (char *)NULL);
	if (t->shown[0]) {
		fd_puts(STDERR_FILENO, "  ", t->shown, "\n  ", (char *)NULL);
		for (unsigned i = 0; i < t->caret; i++)
			fd_puts(STDERR_FILENO, " ", (char *)NULL);
		fd_puts(STDERR_FILENO, "^\n", (char *)NULL);
	}
	return t->status;
}

int usage_error(const char *what)
{
	fd_puts(STDERR_FILENO, "pop3test: ", what, "\n",
	    ENABLE_FEATURE_LONG_HELP ? POP3TEST_SHORT : pop3test_usage,
	    (char *)NULL);
	return PT_UNKNOWN;
}

static const struct verb {
	char name[6];
	bool alone;		/* nothing but a target stands behind it */
	int (*run)(const struct options *o);
} verbs[] = {
	{ "check", true, verb_check }, { "capa", true, verb_capa },
	{ "stat", true, verb_stat }, { "list", false, verb_list },
	{ "uidl", false, verb_list }, { "top", false, verb_top },
	{ "get", false, verb_get }, { "dele", false, verb_dele },
	{ "fill", false, ENABLE_FEATURE_POP3TEST_FILL ? verb_fill : NULL },
	{ "run", false, ENABLE_FEATURE_POP3TEST_RUN ? verb_run : NULL },
	{ "load", false, ENABLE_FEATURE_POP3TEST_LOAD ? verb_load : NULL }
};

static const struct verb *find_verb(const char *name)
{
	const struct verb *v = verbs;

	for (; v < verbs + sizeof verbs / sizeof *verbs; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

/* The verb stands first; without one it is a check. */
int pop3test_main(int argc, char **argv)
{
	const struct verb *v = argc > 1 ? find_verb(argv[1]) : NULL;
	int e;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* or there are no exit statuses */
	if (!v)
		v = verbs;
	if (!v->run)
		return usage_error("not in this build");
	o.verb = v->name;
	e = parse_call(&o, argv + (v != verbs || (argc > 1 &&
	    !strcmp(argv[1], v->name))));
	if (e >= 0)
		return e;
	if (o.has_pass && o.verbose < 2)
		secret_keep(o.pass);
	if (v->alone && o.operands[0])
		return usage_error("the verb comes first, one target last");
	return v->run(&o);
}
