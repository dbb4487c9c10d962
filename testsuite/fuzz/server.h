/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of a connection to a server: a socket that the driver has. */
#define wire_open wire_open_really
#include "../../applets/pop3test/wire.c"
#undef wire_open

int wire_open(struct wire *w, const struct target *t, int timeout,
    int rcvbuf, char *const *env, struct trouble *why);

static int server;

int wire_open(struct wire *w, const struct target *t, int timeout,
    int rcvbuf, char *const *env, struct trouble *why)
{
	(void)t;
	(void)timeout;
	(void)rcvbuf;
	(void)env;
	*w = (struct wire){ .in = server, .out = server, .err = -1 };
	server = -1;
	return w->in >= 0 ? 0 : trouble_set(why, PT_CRITICAL, ST_CONNECT,
	    "refused", (char *)NULL);
}
