/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/options.o
/*
 * The command line.  Options and operands may be mixed; the last operand
 * is the target, unless -H or "--" tells it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script.h"
#include "usage.h"

enum { OPERANDS = 256, DEFINITIONS = 64 };

struct reading {		/* of a command line */
	struct options *o;
	struct opt opt;
	const char *host, *port;
	int family;
	bool tls;
	int defs, operands;
};

static char *operands[OPERANDS + 1], *definitions[DEFINITIONS + 1];

extern const char pop3test_usage[];

static int wrong(const char *what, const char *detail)
{
	char text[256];
	struct str s;

	str_init(&s, text, sizeof text);
	str_put(&s, what);
	str_put(&s, detail);
	return usage_error(text);
}

/* ---- values ------------------------------------------------------------ */

static const struct {
	char unit[3];
	uint16_t ms;
} units[] = { { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 } };

/* "5" of "1.5": thousandths, from at most three digits. */
static const char *fraction(const char *p, uint32_t *thousandths)
{
	uint32_t worth = 100;

	for (*thousandths = 0; *p >= '0' && *p <= '9'; p++) {
		*thousandths += worth * (uint32_t)(*p - '0');
		worth /= 10;
	}
	return p;
}

int text_duration(const char *p, size_t n, uint32_t *ms)
{
	const char *end = p + n;
	uint32_t part = 0;
	uint64_t whole;

	p = scan_u64(p, &whole);
	if (!p || whole > 1000000)
		return -1;
	if (*p == '.' && p[1] >= '0' && p[1] <= '9')
		p = fraction(p + 1, &part);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		uint64_t t = whole * units[i].ms +
		    (uint64_t)part * units[i].ms / 1000;

		if (strlen(units[i].unit) != (size_t)(end - p) ||
		    memcmp(units[i].unit, p, (size_t)(end - p)) != 0)
			continue;
		*ms = (uint32_t)t;
		return t > INT32_MAX ? -1 : 0;
	}
	return -1;
}

/* "20", "0.5/s", "90/m": sessions per thousand seconds. */
static int set_rate(struct options *o, const char *p)
{
	size_t n = str_span(p, '/');
	const char *unit = p + n;

	if (strchr("sm", p[n - (n > 0)]) ||
	    text_duration(p, n, &o->rate) < 0)
		return -1;
	if (!strcmp(unit, "/m"))
		o->rate /= 60;
	else if (*unit && strcmp(unit, "/s") != 0)
		return -1;
	return o->rate > 0 ? 0 : -1;
}

static int set_mechanism(struct options *o, const char *name)
{
	static const char names[][9] = {
		"auto", "user", "apop", "plain", "login", "cram-md5"
	};

	for (int i = 0; i < 6; i++) {
		if (!strcmp(names[i], name)) {
			o->mech = (enum mechanism)i;
			return 0;
		}
	}
	return -1;
}

static int keep(char *to, const char *p, size_t n)
{
	if (n >= SECRET_MAX)
		return -1;
	memcpy(to, p, n);
	to[n] = '\0';
	return 0;
}

/* USER or USER:PASS; what we were told is wiped from the list of processes. */
static int set_user(struct options *o, char *value)
{
	char *colon = strchr(value, ':');
	size_t n = str_span(value, ':');

	if (n == 0 || keep(o->user, value, n) < 0)
		return -1;
	o->has_user = true;
	if (!colon)
		return 0;
	if (keep(o->pass, colon + 1, strlen(colon + 1)) < 0)
		return -1;
	o->has_pass = true;
	wipe(colon + 1, strlen(colon + 1));
	return 0;
}

/* The first line of FILE, or of descriptor N with fd:N. */
static int read_password(struct options *o, const char *from)
{
	const char *number = str_after(from, "fd:");
	size_t n = 0;
	uint64_t fd;
	ptrdiff_t r;
	int in;

	if (number && parse_u64(number, &fd) == 0 && fd < 1024)
		in = (int)fd;
	else
		in = open(from, O_RDONLY | O_CLOEXEC);
	(void)fcntl(in, F_SETFD, FD_CLOEXEC);	/* none of a child's */
	while (in >= 0 && n < SECRET_MAX - 1 &&
	    (r = fd_read(in, o->pass + n, 1)) == 1 && o->pass[n] != '\n')
		n++;
	if (n > 0 && o->pass[n - 1] == '\r')
		n--;
	o->pass[n] = '\0';
	o->has_pass = n > 0;
	if (in >= 0 && !number)
		close(in);
	return n > 0 && n < SECRET_MAX - 1 ? 0 : -1;
}

static int set_number(const char *p, uint64_t most, uint64_t *n)
{
	return parse_u64(p, n) == 0 && *n > 0 && *n <= most ? 0 : -1;
}

/* ---- options ----------------------------------------------------------- */

static bool *flag(struct reading *r, char letter)
{
	struct options *o = r->o;

	switch (letter) {
	case 'S': return &r->tls;
	case 'X': return &o->stls;
	case 'j': return &o->json;
	case 'k': return &o->keep_going;
	case '1': return &o->stop_first;
	case 'q': return &o->quiet;
	case 'l': return &o->list_only;
	case 'L': return &o->loose;
	default: return NULL;
	}
}

static int set_seconds(struct options *o, char letter, const char *value)
{
	uint32_t ms;

	if (text_duration(value, strlen(value), &ms) < 0 ||
	    (ms == 0 && strchr("td", letter)))
		return -1;
	switch (letter) {
	case 't': o->timeout = (int)ms; break;
	case 'd': o->duration = ms; break;
	case 'w': o->warn = (int64_t)ms * 1000; break;
	default: o->crit = (int64_t)ms * 1000;
	}
	return 0;
}

static int set_count(struct options *o, char letter, const char *value)
{
	uint64_t n;

	if (letter == 's') {
		if (parse_u64(value, &n) < 0 || n > UINT32_MAX)
			return -1;
		o->seed = (uint32_t)n;
		return 0;
	}
	if (set_number(value, letter == 'n' ? 1000 : INT32_MAX, &n) < 0)
		return -1;
	if (letter == 'n')
		o->workers = (unsigned)n;
	else
		o->count = (uint32_t)n;
	return 0;
}

static int define(struct reading *r, char *value)
{
	size_t n = str_span(value, '=');

	if (!value[n] || (ENABLE_FEATURE_POP3TEST_RUN &&
	    !is_name(value, n)) || r->defs == DEFINITIONS)
		return -1;
	definitions[r->defs++] = value;
	return 0;
}

static int set_value(struct reading *r, char letter, char *value)
{
	struct options *o = r->o;

	switch (letter) {
	case 'H': r->host = value; return 0;
	case 'p': r->port = value; return 0;
	case 'C': o->connector = value; return 0;
	case 'U': o->users_file = value; return 0;
	case 'x': o->trace_dir = value; return 0;
	case 'u': return set_user(o, value);
	case 'P': return read_password(o, value);
	case 'A': return set_mechanism(o, value);
	case 'D': return define(r, value);
	case 'r': return set_rate(o, value);
	case 'd':
	case 't':
	case 'w':
	case 'c': return set_seconds(o, letter, value);
	default: return set_count(o, letter, value);
	}
}

static int print_version(void)
{
	return fd_puts(STDOUT_FILENO, "pop3test " POPBOX_VERSION " (popbox)",
	    ENABLE_FEATURE_POP3TEST_RUN ? " run" : "",
	    ENABLE_FEATURE_POP3TEST_LOAD ? " load" : "",
	    ENABLE_FEATURE_POP3TEST_FILL ? " fill" : "", "\n",
	    (char *)NULL) < 0 ? PT_UNKNOWN : PT_OK;
}

/* The long ones; -1 when it is one of them, else an exit status. */
static int long_option(struct reading *r, const char *name)
{
	struct options *o = r->o;

	if (!strcmp(name, "--remote"))
		o->remote = true;
	else if (!strcmp(name, "--ledger"))
		o->ledger = true;
	else if (!strcmp(name, "--crlf"))
		o->crlf = true;
	else if (!strcmp(name, "--verify"))
		o->verify = true;
	else
		return wrong("unknown option: ", name);
	return -1;
}

static int set_option(struct reading *r, int letter)
{
	const char name[] = { '-', r->opt.letter, '\0' };
	bool *on;

	if (letter == OPT_HELP)
		return fd_puts(STDOUT_FILENO, pop3test_usage,
		    (char *)NULL) < 0 ? PT_UNKNOWN : PT_OK;
	if (letter == OPT_VERSION || letter == 'V')
		return print_version();
	if (letter == OPT_UNKNOWN && r->opt.letter == '-')
		return long_option(r, r->opt.argv[r->opt.i - 1]);
	if (letter == OPT_UNKNOWN)
		return wrong("unknown option: ", name);
	if (letter == OPT_NOVALUE)
		return wrong("value missing: ", name);
	if (letter == '4' || letter == '6')
		r->family = letter == '4' ? AF_INET : AF_INET6;
	else if (letter == 'v')
		r->o->verbose++;
	else if ((on = flag(r, (char)letter)) != NULL)
		*on = true;
	else if (set_value(r, (char)letter, r->opt.value) < 0)
		return letter == 'P' ?
		    wrong("no password in ", r->opt.value) :
		    wrong("bad value: ", letter == 'u' ? name :
		    r->opt.value);
	return -1;
}

/* Up to the end, or to "--": then argv[opt.i] is the server's command. */
static int read_words(struct reading *r, bool *command)
{
	int letter, e = -1;

	*command = false;
	while (e < 0) {
		letter = opt_next(&r->opt);
		if (letter != 0) {
			e = set_option(r, letter);
			continue;
		}
		if (r->opt.i > 1 &&
		    !strcmp(r->opt.argv[r->opt.i - 1], "--")) {
			*command = true;
			break;
		}
		if (!r->opt.argv[r->opt.i])
			break;
		if (r->operands == OPERANDS)
			return wrong("too many operands", "");
		operands[r->operands++] = r->opt.argv[r->opt.i++];
	}
	return e;
}

/* ---- the target -------------------------------------------------------- */

static bool takes_target(const struct reading *r)
{
	struct stat st;

	if (r->operands == 0 || !strcmp(r->o->verb, "fill"))
		return false;
	/* "run FILE" needs none: scripts may open or run theirs */
	return strcmp(r->o->verb, "run") != 0 ||
	    stat(operands[r->operands - 1], &st) < 0;
}

static int no_target(const struct reading *r)
{
	if (!strcmp(r->o->verb, "run") || !strcmp(r->o->verb, "fill"))
		return -1;
	return wrong("no target", "");
}

static int set_port(struct target *t, const char *port)
{
	uint64_t n;

	if (!port)
		return -1;
	if (set_number(port, 65535, &n) < 0)
		return wrong("bad port: ", port);
	t->port = (uint16_t)n;
	return -1;
}

static int set_command(struct reading *r)
{
	struct target *t = &r->o->target;

	t->kind = TG_EXEC;
	t->tls = r->tls;
	t->argv = r->opt.argv + r->opt.i;
	r->o->target_text = t->argv[0];
	return t->argv[0] ? -1 : wrong("no command behind --", "");
}

static int set_target(struct reading *r, bool command)
{
	struct options *o = r->o;
	struct trouble why = { 0 };
	const char *text = r->host;

	if (command)
		return set_command(r);
	if (!text && takes_target(r)) {
		text = operands[--r->operands];
		operands[r->operands] = NULL;
	}
	if (!text)
		return no_target(r);
	o->target_text = text;
	if (target_parse(&o->target, text, &why) < 0)
		return wrong(why.text, "");
	o->target.family = r->family;
	o->target.tls = o->target.tls || r->tls;
	if (o->target.tls && o->stls)
		return wrong("-X is for a connection without TLS", "");
	return set_port(&o->target, r->port);
}

/* Name and password from where they were not given yet. */
static int set_secrets(struct options *o)
{
	const char *pass = env_get("POP3TEST_PASS");

	if (!o->has_user && o->target.user[0]) {
		memcpy(o->user, o->target.user, sizeof o->user);
		o->has_user = true;
	}
	if (!o->has_pass && o->target.pass[0]) {
		memcpy(o->pass, o->target.pass, sizeof o->pass);
		o->has_pass = true;
	}
	if (!o->has_pass && pass && *pass) {
		if (keep(o->pass, pass, strlen(pass)) < 0)
			return wrong("POP3TEST_PASS is too long", "");
		o->has_pass = true;
	}
	unsetenv("POP3TEST_PASS");	/* what we start needs no password */
	if (o->has_user && !o->has_pass && !o->users_file)
		return wrong("no password: -P FILE, -P fd:N or "
		    "POP3TEST_PASS", "");
	return -1;
}

int parse_call(struct options *o, char **argv)
{
	struct reading r = { .o = o };
	bool command;
	int e;

	o->timeout = 10000;
	o->warn = o->crit = -1;
	o->operands = operands;
	o->defs = definitions;
	opt_init(&r.opt, argv,
	    "H:p:46SXu:P:A:U:t:w:c:D:n:r:d:N:s:vx:jk1qlC:LV");
	e = read_words(&r, &command);
	if (e < 0)
		e = set_target(&r, command);
	return e < 0 ? set_secrets(o) : e;
}
