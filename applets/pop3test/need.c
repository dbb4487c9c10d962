/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/need.o
/* What a server can do, found out once, and connections to it. */
#include <poll.h>
#include <string.h>

#include "netio.h"
#include "script.h"

enum {
	WORDS = 64,
	COMMAND_MAX = 4096,
	FREE_AGAIN = 100	/* milliseconds, see login_when_free */
};

/* ---- connections ------------------------------------------------------- */

/* Where the words of a command are kept until it runs. */
struct command {
	char text[COMMAND_MAX];
	char *argv[WORDS];
};

static int start(struct run *r, struct conn *c, struct command *cmd,
    struct target *t, struct trouble *why)
{
	char **env = run_environment(r, false, why);

	t->kind = TG_EXEC;
	t->argv = cmd->argv;
	return env ? conn_open(c, t, env, why) : -1;
}

/* A command on the line of the caller: its words may have variables. */
static int open_command(struct run *r, struct conn *c,
    const struct target *t, struct trouble *why)
{
	static struct command cmd;
	static struct target copy;
	unsigned n = 0;
	struct str s;

	str_init(&s, cmd.text, sizeof cmd.text);
	for (; t->argv[n] && n < WORDS - 1; n++) {
		cmd.argv[n] = s.p + s.len;
		if (text_check(t->argv[n]))
			str_put(&s, t->argv[n]);
		else if (run_expand(r, NULL, t->argv[n], &s, why) < 0)
			return -1;
		if (s.cut || s.len + 1 >= s.cap)
			return trouble_set(why, PT_UNKNOWN, ST_OWN,
			    "a command too long", (char *)NULL);
		s.len++;		/* its NUL */
		s.p[s.len] = '\0';
	}
	cmd.argv[n] = NULL;
	copy = *t;
	return start(r, c, &cmd, &copy, why);
}

int run_open(struct run *r, struct conn *c, const struct target *t,
    struct trouble *why)
{
	if (t->kind == TG_NONE)
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "no target to connect to", (char *)NULL);
	if (t->kind == TG_EXEC)
		return open_command(r, c, t, why);
	return conn_open(c, t, NULL, why);
}

/*
 * With anything that a shell would have to read, a shell gets it as it
 * stands, with the variables in its environment: what a server has sent is
 * never a part of the command.
 */
int run_exec(struct run *r, struct conn *c, const char *command,
    struct trouble *why)
{
	static char text[TEXT_MAX], sh[] = "sh", flag[] = "-c";
	static struct command cmd;
	static struct target t;
	const char *p = text, *word;
	struct str s;
	size_t n;

	str_init(&s, text, sizeof text);
	str_put(&s, command);
	t.argv = cmd.argv;
	if (text_is_shell(command)) {
		cmd.argv[0] = sh;
		cmd.argv[1] = flag;
		cmd.argv[2] = text;
		cmd.argv[3] = NULL;
		return start(r, c, &cmd, &t, why);
	}
	for (unsigned i = 0; i < WORDS; i++) {
		n = text_word(&p, &word);
		cmd.argv[i] = n && i < WORDS - 1 ? text + (word - text) :
		    NULL;
		p += *p != '\0';
		text[word - text + (ptrdiff_t)n] = '\0';
	}
	return open_command(r, c, &t, why);
}

/* ---- probing ----------------------------------------------------------- */

static int greeted_conn(struct run *r, struct conn *c, struct trouble *why)
{
	conn_init(c, r->o, "");
	return run_open(r, c, &r->o->target, why) < 0 ? -1 :
	    cl_greeting(c, why);
}

/* NOOP is for those who are logged in: RFC 1939 section 5. */
static int ask_preauth(struct run *r, struct conn *c, struct trouble *why)
{
	struct line l;
	int e = r->preauth ? 1 : cl_command(c, &l, why, "NOOP",
	    (char *)NULL);

	r->preauth = e > 0;
	return e;
}

/* What CAPA says before and after the login, in one text. */
static int ask(struct run *r, struct conn *c, struct trouble *why)
{
	char more[CAPA_TEXT];
	struct line l;
	struct str s;
	int e;

	if (greeted_conn(r, c, why) < 0 || cl_capa(c, more, why) < 0)
		return -1;
	str_init(&s, r->capa, sizeof r->capa);
	str_put(&s, more);
	str_put(&s, c->stamp[0] ? "APOP\n" : "");
	e = r->o->has_user ? 0 : ask_preauth(r, c, why);
	if (e < 0 || cl_command(c, &l, why, "QUIT", (char *)NULL) < 0)
		return -1;
	conn_close(c);
	if (!r->o->has_user)
		return 0;
	if (greeted_conn(r, c, why) < 0 ||
	    cl_login(c, r->o->user, r->o->pass, why) < 0 ||
	    cl_capa(c, more, why) < 0)
		return -1;
	str_put(&s, more);
	return cl_command(c, &l, why, "QUIT", (char *)NULL) < 0 ? -1 : 0;
}

static int probe(struct run *r, struct trouble *why)
{
	static struct conn c;

	if (!r->probed) {
		ask(r, &c, &r->probe);
		conn_close(&c);
		r->probed = true;
	}
	/* Found out once, also in vain: each test would wait as long. */
	*why = r->probe;
	return r->probe.status == PT_OK ? 0 : -1;
}

static int skip(struct run *r, const char *what, const char *word, size_t n)
{
	struct str s;

	str_init(&s, r->reason, sizeof r->reason);
	str_put(&s, what);
	str_mem(&s, word, n);
	return STEP_SKIP;
}

/* "STLS", "SASL=PLAIN", "AUTH": does the server have it? */
static bool has(const struct run *r, const char *word, size_t n)
{
	char name[TRACE_WIDTH], *arg;
	struct str s;

	str_init(&s, name, sizeof name);
	str_mem(&s, word, n);
	if (!strcmp(name, "AUTH"))
		return r->o->has_user || r->preauth;
	arg = strchr(name, '=');
	if (arg)
		*arg++ = '\0';
	return capa_has(r->capa, name, arg);
}

static bool is_set(struct run *r, const char *word, size_t n)
{
	if (n == 3 && memcmp(word, "dir", 3) == 0)
		return run_has_dir(r);
	return vars_get(&r->vars, word, n) != NULL;
}

int run_need(struct run *r, const char *words, struct trouble *why)
{
	const char *word;
	size_t n;

	while ((n = text_word(&words, &word)) > 0) {
		if (*word == '$' && is_set(r, word + 1, n - 1))
			continue;
		if (*word == '$')
			return skip(r, "needs ", word, n);
		if (probe(r, why) < 0)
			return -1;
		if (!has(r, word, n))
			return skip(r, "needs ", word, n);
	}
	return 0;
}

static bool is_in_use(const char *p)
{
	while (*p && !str_after(p, "[IN-USE]"))
		p++;
	return *p != '\0';
}

/*
 * A session that a test has just dropped may have the maildrop for a moment
 * yet; a test that wants to see IN-USE sends USER and PASS itself.
 */
static int login_when_free(struct run *r, struct conn *c, const char *user,
    const char *pass, struct trouble *why)
{
	int64_t until = nio_now() + c->timeout;
	int e;

	while ((e = cl_login(c, user, pass, why)) < 0 && r->report &&
	    c->target->kind != TG_EXEC && !c->wire.tls &&
	    is_in_use(why->text) && nio_now() < until) {
		conn_close(c);
		poll(NULL, 0, FREE_AGAIN);
		*why = (struct trouble){ 0 };
		if (run_open(r, c, c->target, why) < 0)
			return -1;
	}
	return e;
}

/*
 * As the options say; without a user the server must have logged us in
 * already, or the test is not for this call.
 */
int run_login(struct run *r, struct conn *c, struct trouble *why)
{
	const char *user = vars_get(&r->vars, "user", 4);
	const char *pass = vars_get(&r->vars, "pass", 4);

	if (user)
		return login_when_free(r, c, user, pass ? pass : "", why);
	if ((!c->greeted && cl_greeting(c, why) < 0) ||
	    ask_preauth(r, c, why) < 0)
		return -1;
	return r->preauth ? 0 : skip(r, "needs a user (-u)", "", 0);
}
