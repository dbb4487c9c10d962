/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MDPOP3D) += applets/mdpop3d/options.o
/* The command line and the environment. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "mdpop3d.h"
#include "usage.h"

/* Of the listener, unless -L and -I say otherwise. */
enum { SESSIONS = 100, PER_SOURCE = 20 };

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
	return one_of("pAT", letter) ||
	    (!ENABLE_FEATURE_MDPOP3D_USERFILE && letter == 'P') ||
	    (!ENABLE_FEATURE_MDPOP3D_LISTEN && one_of("lLI", letter)) ||
	    (!ENABLE_FEATURE_MDPOP3D_AUTH && letter == 'M') ||
	    (!ENABLE_FEATURE_MDPOP3D_DEBUG && letter == 'd');
}

static bool set_number(struct conf *c, char letter, const char *value)
{
	const uint64_t most = letter == 'M' ? UINT32_MAX - 1 : 86400;
	uint64_t n;

	if (parse_u64(value, &n) < 0 || n > most || (n == 0 && letter != 'M'))
		return false;
	if (letter == 't')
		c->timeout = (int)n;
	else if (ENABLE_FEATURE_MDPOP3D_AUTH && letter == 'M')
		c->lowest_uid = (uid_t)n;
	else if (ENABLE_FEATURE_MDPOP3D_LISTEN && letter == 'L')
		c->sessions = (unsigned)n;
	else if (ENABLE_FEATURE_MDPOP3D_LISTEN)
		c->per_source = (unsigned)n;
	return true;
}

static bool *flag(struct conf *c, char letter)
{
	switch (letter) {
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

/* Options with a text; what is wrong with it, or null. */
static const char *set_text(struct conf *c, char letter, const char *value)
{
	switch (letter) {
	case 'm':
		c->maildir = value;
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
	if (one_of("tMLI", o->letter))
		return set_number(c, o->letter, o->value) ? -1 :
		    misuse("bad number: ", o->value);
	wrong = set_text(c, o->letter, o->value);
	return wrong ? misuse(wrong, o->value) : -1;
}

/* -1 to go on, or an exit status. */
static int parse_options(struct conf *c, char **argv)
{
	struct opt o;
	int letter, e = -1;

	opt_init(&o, argv, "acdenqsVAt:m:u:r:R:M:P:l:L:I:p:T:");
	while (e < 0 && (letter = opt_next(&o)) != 0) {
		const char name[] = { '-', o.letter, '\0' };

		if (letter == OPT_HELP)
			return output_status(fd_puts(STDOUT_FILENO,
			    mdpop3d_usage, (char *)NULL));
		if (letter == 'V' || letter == OPT_VERSION)
			return print_version();
		if (letter == OPT_UNKNOWN)
			return misuse("unknown option: ", name);
		if (letter == OPT_NOVALUE)
			return misuse("value missing: ", name);
		e = set_option(c, &o);
	}
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
	    (c->users_file || c->lowest_uid))
		return misuse("no login with -a or -u: ", "-P or -M");
	if (listening(c) && c->host)
		return misuse("each client has its own address: ", "-r or -R");
	if (ENABLE_FEATURE_MDPOP3D_LISTEN && !listening(c) &&
	    (c->sessions || c->per_source))
		return misuse("without -l there is one session: ", "-L or -I");
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
	if (listening(c)) {
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

int read_options(struct conf *c, char **argv)
{
	int e = parse_options(c, argv);

	if (e < 0)
		e = check_options(c);
	if (e < 0)
		use_defaults(c);
	return e;
}
