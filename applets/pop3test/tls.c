/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/tls.o
/*
 * TLS by another program.  It has us on its descriptors 0 and 1, in the
 * clear, and the server on 6 and 7, as UCSPI clients have; what it has to
 * say goes to wire.err.  For one that can only connect by itself (%s in its
 * command) there is a UNIX socket instead, and a relay behind it.
 *
 * A TLS library would take the place of all this in wire_tls.
 */
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "netio.h"
#include "pop3test.h"
#include "wire.h"

enum {
	WORDS = 32,
	COMMAND_TEXT = 2048,
	TICK = 10		/* milliseconds */
};

struct connector {
	const char *command;
	const char *host;	/* "" when nobody knows */
	bool address;		/* that is an address, no name */
	bool verify;
	bool connects;		/* by itself: has %s */
	int timeout;		/* milliseconds until it connects */
	int listener;
	bool made;		/* the directory, and the listener in it: */
	struct sockaddr_un at;
	char text[COMMAND_TEXT];	/* the words */
	char *argv[WORDS + 1];
};

static int fail(struct trouble *why, const char *what, const char *more)
{
	return trouble_set(why, PT_UNKNOWN, ST_TLS, what, more, (char *)NULL);
}

/* ---- its command ------------------------------------------------------- */

/*
 * What "%x" stands for.  Names and addresses are apart because they go
 * with different options: a server name must be a name (RFC 6066 section
 * 3), and a certificate has the two in different fields.  Null: the word
 * with it is left out.
 */
static const char *value(struct connector *c, char x)
{
	bool known = *c->host != '\0';

	switch (x) {
	case 'h':
		return c->host;
	case 'n':
		return known && !c->address ? c->host : NULL;
	case 'a':
		return known && c->address ? c->host : NULL;
	case 's':
		c->connects = true;
		return c->at.sun_path;
	default:
		return "%";
	}
}

/* Appends the word of n bytes, and a NUL; false: it does not apply. */
static bool add_word(struct connector *c, struct str *s, const char *p,
    size_t n)
{
	bool applies = true;

	for (size_t i = 0; i < n; i++) {
		const char *v;

		if (p[i] != '%') {
			str_char(s, p[i]);
			continue;
		}
		v = value(c, i + 1 < n ? p[++i] : '%');
		applies = applies && v;
		str_put(s, v ? v : "");
	}
	str_char(s, '\0');
	return applies;
}

/* At blanks, without quotes: who needs more has a script. */
static int split(struct connector *c, struct trouble *why)
{
	const char *p = c->command;
	struct str s;
	size_t n, words = 0;

	str_init(&s, c->text, sizeof c->text);
	for (;;) {
		size_t at = s.len;

		p += strspn(p, " \t");
		n = strcspn(p, " \t");
		if (n == 0)
			break;
		if (words == WORDS)
			s.cut = true;
		else if (add_word(c, &s, p, n))
			c->argv[words++] = c->text + at;
		p += n;
	}
	c->argv[words] = NULL;
	return s.cut ? fail(why, "TLS: too long a command", NULL) : 0;
}

/* Without the %s, which is not known yet: then `connects` is set. */
static int find_command(struct connector *c, const struct target *t,
    struct trouble *why)
{
	char buf[COMMAND_TEXT];
	struct str path = { .p = buf, .cap = sizeof buf };
	struct nio_addr a;

	c->host = t->kind == TG_UNIX ? "" : t->host;
	c->address = names_numeric(&a, c->host);
	if (c->verify && !*c->host)
		return fail(why, "TLS: no host name to verify (-H)", NULL);
	if (!c->command)
		c->command = env_get(c->verify ? "POP3TEST_TLS_VERIFY" :
		    "POP3TEST_TLS");
	if (!c->command)
		c->command = c->verify ? CONFIG_POP3TEST_TLS_VERIFY :
		    CONFIG_POP3TEST_TLS;
	if (split(c, why) < 0)
		return -1;
	if (!c->argv[0] || !wire_program(c->argv[0], &path))
		return fail(why, "no TLS: no program for it "
		    "(openssl); see -C", NULL);
	return 0;
}

/* ---- the socket for it ------------------------------------------------- */

/* In a directory that nobody else can enter. */
static int listen_for(struct connector *c, struct trouble *why)
{
	struct str s;

	c->at.sun_family = AF_UNIX;
	/* With room for the socket's name. */
	str_init(&s, c->at.sun_path, sizeof c->at.sun_path - 2);
	c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->listener >= 0 && wire_mkdir(&s) == 0) {
		c->made = true;
		s.cap += 2;
		str_put(&s, "/s");
		if (bind(c->listener, (struct sockaddr *)&c->at,
		    sizeof c->at) == 0 && listen(c->listener, 1) == 0)
			return 0;
	}
	return trouble_errno(why, PT_UNKNOWN, ST_TLS, s.p);
}

static void remove_listener(struct connector *c)
{
	if (c->listener >= 0)
		close(c->listener);
	if (!c->made)
		return;
	(void)unlink(c->at.sun_path);
	c->at.sun_path[strlen(c->at.sun_path) - 2] = '\0';
	(void)rmdir(c->at.sun_path);
}

/* -1: it has ended without (then *pid is 0), or takes too long. */
static int wait_for(const struct connector *c, pid_t *pid)
{
	struct pollfd p = { .fd = c->listener, .events = POLLIN };

	for (int ms = 0; ms < c->timeout; ms += TICK) {
		if (poll(&p, 1, TICK) > 0)
			return accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
		if (wire_ended(pid, 0))
			break;
	}
	return -1;
}

/* ---- both -------------------------------------------------------------- */

static int start(struct connector *c, struct wire *w, int io)
{
	char name[HOST_MAX + 16], verify[] = "TLS_VERIFY=0";
	char *env[] = { name, verify, NULL };
	struct launch l = {
		.argv = c->argv, .env = env, .io = io, .err = w->err,
		.net_in = c->connects ? -1 : w->in,
		.net_out = c->connects ? -1 : w->out
	};
	struct str s;

	str_init(&s, name, sizeof name);
	str_put(&s, "TLS_HOST=");
	str_put(&s, c->host);
	verify[sizeof verify - 2] = c->verify ? '1' : '0';
	w->tls = wire_start(&l);
	if (w->tls > 0)
		return 0;
	w->tls = 0;
	return -1;
}

/*
 * We accept and remove the socket before we go on, rather than the relay:
 * so nothing stays behind, however it ends.  When it has ended instead, EOF
 * and its last words tell.
 */
static int let_in(struct connector *c, struct wire *w, struct trouble *why)
{
	int client = wait_for(c, &w->tls);

	if (client < 0)
		return w->tls == 0 ? 0 :
		    fail(why, "TLS: it does not connect: ", c->argv[0]);
	w->relay = wire_relay(w->in, w->out, client);
	close(client);
	if (w->relay > 0)
		return 0;
	w->relay = 0;
	return fail(why, "TLS: cannot start a process", NULL);
}

int wire_tls(struct wire *w, const struct target *t, const char *command,
    bool verify, int timeout, struct trouble *why)
{
	struct connector c = {
		.command = command, .verify = verify, .listener = -1,
		.timeout = timeout
	};
	int pair[2], e = -1;

	if (find_command(&c, t, why) < 0)
		return -1;
	if (c.connects && (listen_for(&c, why) < 0 || split(&c, why) < 0))
		goto out;
	if (w->err < 0)
		w->err = wire_err();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    start(&c, w, pair[1]) < 0) {
		e = trouble_errno(why, PT_UNKNOWN, ST_TLS, c.argv[0]);
		goto out;
	}
	close(pair[1]);
	e = c.connects ? let_in(&c, w, why) : 0;
	/* The connection to the server is theirs now. */
	if (w->out != w->in)
		close(w->out);
	close(w->in);
	w->in = w->out = pair[0];
out:
	remove_listener(&c);
	return e;
}
