/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d/options.o
/* The command line and the environment. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d.h"
#include "usage.h"

/* Of the listener, unless -L and -I say otherwise. */
enum { SESSIONS = 100, PER_SOURCE = 20, PENALTY_MOST = 600 };

#define NOT_GIVEN UINT32_MAX

bool stderr_is_client(void)
{
	return fd_same(STDOUT_FILENO, STDERR_FILENO) &&
	    !fd_is_terminal(STDERR_FILENO);
}

static bool stdin_is_socket(void)
{
	int type;
	socklen_t n = sizeof type;

	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &n) == 0;
}

/* Says what is wrong with the call, once, to whom it concerns. */
static int misuse(const char *what, const char *detail)
{
	struct lg lg;

	if (stdin_is_socket())
		fd_puts(STDOUT_FILENO,
		    "-ERR [SYS/PERM] server is misconfigured\r\n",
		    (char *)NULL);
	if (!stdin_is_socket() || !stderr_is_client()) {
		fd_puts(STDERR_FILENO, "mdpop3d: ", what, detail, "\n",
		    ENABLE_FEATURE_LONG_HELP ? MDPOP3D_SHORT :
		    mdpop3d_usage, (char *)NULL);
		return EXIT_USAGE;
	}
	lg_open(&lg, "mdpop3d", false, true);
	lg_say(&lg, LG_ERR, what, detail, (char *)NULL);
	return EXIT_USAGE;
}

static int print_version(void)
{
	return output_status(fd_puts(STDOUT_FILENO,
	    "mdpop3d " POPBOX_VERSION " (popbox)",
	    ENABLE_FEATURE_MDPOP3D_AUTH ? " auth" : "",
	    ENABLE_FEATURE_MDPOP3D_PRIVSEP ? " privsep" : "",
	    ENABLE_FEATURE_MDPOP3D_SANDBOX ? " sandbox" : "",
	    ENABLE_FEATURE_MDPOP3D_PAM ? " PAM" : "",
	    ENABLE_FEATURE_MDPOP3D_APOP ? " APOP" : "",
	    ENABLE_FEATURE_MDPOP3D_CHECKPW ? " checkpassword" : "",
	    ENABLE_FEATURE_MDPOP3D_SASL ? " SASL" : "",
	    ENABLE_FEATURE_MDPOP3D_STLS ? " STLS" : "",
	    ENABLE_FEATURE_MDPOP3D_USERFILE ? " userfile" : "",
	    ENABLE_FEATURE_MDPOP3D_LISTEN ? " listen" : "",
	    ENABLE_FEATURE_MDPOP3D_DEBUG ? " debug" : "",
	    "\n", (char *)NULL));
}

static bool one_of(const char *letters, char c)
{
	return letters[str_span(letters, c)] != '\0';
}

/* Letters the manual page knows and this build lacks. */
static bool is_absent(char letter)
{
	switch (letter) {
	case 'A':
	case 'T':
		return !ENABLE_FEATURE_MDPOP3D_APOP;
	case 'C':
	case 'Z':
		return !ENABLE_FEATURE_MDPOP3D_CHECKPW;
	case 'E':
		return !ENABLE_FEATURE_MDPOP3D_STLS;
	case 'I':
	case 'L':
	case 'b':
	case 'l':
		return !ENABLE_FEATURE_MDPOP3D_LISTEN;
	case 'M':
		return !ENABLE_FEATURE_MDPOP3D_AUTH;
	case 'P':
		return !ENABLE_FEATURE_MDPOP3D_USERFILE;
	case 'd':
		return !ENABLE_FEATURE_MDPOP3D_DEBUG;
	case 'p':
		return !ENABLE_FEATURE_MDPOP3D_PAM;
	default:
		return false;
	}
}

static bool set_number(struct conf *c, char letter, const char *value)
{
	const uint64_t most = letter == 'M' ? UINT32_MAX - 1 : 86400;
	uint64_t n;

	if (parse_u64(value, &n) < 0 || n > most ||
	    (n == 0 && !one_of("Mb", letter)))
		return false;
	if (letter == 't')
		c->timeout = (int)n;
	else if (ENABLE_FEATURE_MDPOP3D_AUTH && letter == 'M')
		c->lowest_uid = (uid_t)n;
	else if (ENABLE_FEATURE_MDPOP3D_LISTEN && letter == 'L')
		c->sessions = (unsigned)n;
	else if (ENABLE_FEATURE_MDPOP3D_LISTEN && letter == 'b')
		c->penalty_most = (unsigned)n;
	else if (ENABLE_FEATURE_MDPOP3D_LISTEN)
		c->per_source = (unsigned)n;
	return true;
}

static bool *flag(struct conf *c, char letter)
{
	switch (letter) {
	case 'A': return ENABLE_FEATURE_MDPOP3D_APOP ? &c->apop : NULL;
	case 'C': return ENABLE_FEATURE_MDPOP3D_CHECKPW ? &c->checkpw : NULL;
	case 'E': return ENABLE_FEATURE_MDPOP3D_STLS ? &c->tls_first : NULL;
	case 'a': return &c->preauth;
	case 'c': return &c->commit;
	case 'd': return &c->debug;
	case 'e': return &c->to_stderr;
	case 'n': return &c->keep_new;
	case 'q': return &c->quiet;
	case 's': return &c->fast_sizes;
	default: return NULL;
	}
}

/* A file's name below /etc/pam.d. */
static bool is_service(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 64 &&
	    name[0] != '.' && name[0] != '-' && strspn(name,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "._-") == n;
}

/* It becomes part of a msg-id: RFC 1939 section 7. */
static bool is_host_tag(const char *tag)
{
	size_t n = 0;

	while (tag[n] > ' ' && tag[n] < 0x7F && !one_of("<>@\\", tag[n]))
		n++;
	return n > 0 && n < 64 && !tag[n];
}

/* Options with a text; what is wrong with it, or null. */
static const char *set_text(struct conf *c, char letter, const char *value)
{
	switch (letter) {
	case 'm':
		c->maildir = value;
		c->maildir_given = true;
		break;
	case 'u':
		c->user = value;
		c->preauth = true;
		break;
	case 'r':
		c->host = value;
		break;
	case 'R':
		c->host = env_get(value);
		if (c->host == NULL)
			return "no such variable: ";
		break;
	case 'P':
		if (ENABLE_FEATURE_MDPOP3D_USERFILE)
			c->users_file = value;
		break;
	case 'p':
		if (!ENABLE_FEATURE_MDPOP3D_PAM)
			break;
		c->service = value;
		return is_service(value) ? NULL : "no name of a service: ";
	case 'T':
		if (!ENABLE_FEATURE_MDPOP3D_APOP)
			break;
		c->host_tag = value;
		c->apop = true;
		return is_host_tag(value) ? NULL : "no host name: ";
	case 'l':
		if (!ENABLE_FEATURE_MDPOP3D_LISTEN)
			break;
		if (c->listens == LISTEN_MAX)
			return "too many -l options: ";
		c->listen[c->listens++] = value;
	}
	return NULL;
}

static int set_option(struct conf *c, const struct opt *o)
{
	const char name[] = { '-', o->letter, '\0' };
	const char *wrong;
	bool *on = flag(c, o->letter);

	if (is_absent(o->letter))
		return misuse("not in this build: ", name);
	if (on) {
		*on = true;
		return -1;
	}
	if (one_of("tMLIb", o->letter))
		return set_number(c, o->letter, o->value) ? -1 :
		    misuse("bad number: ", o->value);
	wrong = set_text(c, o->letter, o->value);
	return wrong ? misuse(wrong, o->value) : -1;
}

/* The operands of -C. */
static int take_program(struct conf *c, char **arg)
{
	int n = 0;

	while (arg[n])
		n++;
	if (n == 0)
		return misuse("program missing: ", "-C");
	if (n > PROGRAM_ARGS)
		return misuse("too many arguments: ", arg[PROGRAM_ARGS]);
	if (arg[0][0] != '/')
		return misuse("no absolute path: ", arg[0]);
	c->program = arg;
	return -1;
}

/* -1 to go on, or an exit status. */
static int parse_options(struct conf *c, char **argv)
{
	struct opt o;
	int letter, e = -1;

	opt_init(&o, argv, "acdenqsVACEZt:m:u:r:R:M:P:l:L:I:b:p:T:");
	while (e < 0 && (letter = opt_next(&o)) != 0) {
		const char name[] = { '-', o.letter, '\0' };

		if (letter == OPT_HELP)
			return output_status(fd_puts(STDOUT_FILENO,
			    mdpop3d_usage, (char *)NULL));
		if (letter == 'V' || letter == OPT_VERSION)
			return print_version();
		if (ENABLE_FEATURE_MDPOP3D_CHECKPW && letter == 'Z')
			return check_report();
		if (letter == OPT_UNKNOWN)
			return misuse("unknown option: ", name);
		if (letter == OPT_NOVALUE)
			return misuse("value missing: ", name);
		e = set_option(c, &o);
	}
	if (ENABLE_FEATURE_MDPOP3D_CHECKPW && e < 0 && c->checkpw)
		return take_program(c, argv + o.i);
	if (e < 0 && argv[o.i])
		return misuse("unexpected argument: ", argv[o.i]);
	return e;
}

bool listening(const struct conf *c)
{
	return ENABLE_FEATURE_MDPOP3D_LISTEN &&
	    (c->listens > 0 || listen_inherited());
}

/* Options that make no sense together are not silently ignored. */
static int check_options(const struct conf *c)
{
	if (!ENABLE_FEATURE_MDPOP3D_AUTH && !c->preauth)
		return misuse("no login in this build: ", "-a is needed");
	if (ENABLE_FEATURE_MDPOP3D_AUTH && c->preauth &&
	    (c->users_file || c->lowest_uid || c->checkpw || c->service ||
	    c->apop || c->tls_first))
		return misuse("no login with -a or -u: ",
		    "-P, -M, -C, -E, -p or -A");
	if (ENABLE_FEATURE_MDPOP3D_AUTH && (c->users_file != NULL) +
	    c->checkpw + (c->service != NULL) > 1)
		return misuse("one way to log in: ", "-P, -C or -p");
	if (ENABLE_FEATURE_MDPOP3D_APOP && c->apop && c->users_file)
		return misuse("hashes do not do for APOP: ", "-P");
	if (ENABLE_FEATURE_MDPOP3D_STLS && c->tls_first &&
	    (c->tls.control < 0 || listening(c)))
		return misuse("no TLS from above (SSLCTLFD): ", "-E");
	if (listening(c) && c->host)
		return misuse("each client has its own address: ", "-r or -R");
	if (ENABLE_FEATURE_MDPOP3D_LISTEN && !listening(c) &&
	    (c->sessions || c->per_source ||
	    c->penalty_most != NOT_GIVEN))
		return misuse("without -l there is one session: ",
		    "-L, -I or -b");
	return -1;
}

const char *environment(const char *name)
{
	const char *v = env_get(name);

	return v && *v ? v : NULL;
}

static void use_defaults(struct conf *c)
{
	if (!c->maildir)
		c->maildir = environment("MAILDIR");
	if (!c->maildir)
		c->maildir = "Maildir";
	if (ENABLE_FEATURE_MDPOP3D_PAM && !c->service && !c->users_file &&
	    !c->checkpw && !c->preauth)
		c->service = "pop3";
	if (listening(c)) {
		/* all sessions would share them */
		c->tls = (struct ucspi_tls){ -1, -1, -1 };
		if (c->penalty_most == NOT_GIVEN)
			c->penalty_most = PENALTY_MOST;
		if (!c->sessions)
			c->sessions = SESSIONS;
		if (!c->per_source)
			c->per_source = PER_SOURCE;
		return;
	}
	if (!c->host)
		c->host = environment("TCPREMOTEIP");
	if (!c->host)
		c->host = environment("REMOTE_HOST");
}

static int descriptor(const char *name)
{
	const char *text = environment(name);
	uint64_t n;

	if (text == NULL || parse_u64(text, &n) < 0 || n > INT32_MAX ||
	    fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return (int)n;
}

/* All three, or none. */
static void find_tls(struct ucspi_tls *tls)
{
	if (!ENABLE_FEATURE_MDPOP3D_STLS)
		return;
	tls->control = descriptor("SSLCTLFD");
	tls->in = descriptor("SSLREADFD");
	tls->out = descriptor("SSLWRITEFD");
	if (tls->control < 0 || tls->in < 0 || tls->out < 0)
		*tls = (struct ucspi_tls){ -1, -1, -1 };
}

int read_options(struct conf *c, char **argv)
{
	int e;

	if (ENABLE_FEATURE_MDPOP3D_LISTEN)
		c->penalty_most = NOT_GIVEN;
	find_tls(&c->tls);
	e = parse_options(c, argv);
	if (e < 0)
		e = check_options(c);
	if (e < 0)
		use_defaults(c);
	return e;
}
