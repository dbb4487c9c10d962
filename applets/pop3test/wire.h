/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wire.c, tls.c and names.c share: programs and socket addresses. */
#ifndef POP3TEST_WIRE_H
#define POP3TEST_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct nio_addr;
struct str;

/* The descriptors of a UCSPI client: from the server, to the server. */
enum { UCSPI_IN = 6, UCSPI_OUT = 7 };

struct launch {
	char *const *argv;	/* the program is looked for in $PATH */
	char *const *env;	/* added to the environment, or null */
	int io;			/* becomes 0 and 1 */
	int net_in, net_out;	/* become 6 and 7, or -1 */
	int err;		/* becomes 2, or -1: as ours */
	bool group;		/* of its own, to be ended with all it starts */
};

/* The child, or -1 with errno.  What it cannot run it says on its fd 2. */
pid_t wire_start(const struct launch *l);
/* The path of a program, by $PATH; false with errno. */
bool wire_program(const char *name, struct str *path);
/* A new directory below $TMPDIR, for us alone; -1 with errno. */
int wire_mkdir(struct str *path);
/* A file in memory for standard error, or -1: then it goes where ours does. */
int wire_err(void);
/* Has it ended, within so many milliseconds?  Then *pid is 0. */
bool wire_ended(pid_t *pid, int ms);

/*
 * Carries bytes between a server (in, out) and a client until both ends
 * have come; the process, or -1.  SIGHUP: the server gets an RST.
 */
pid_t wire_relay(int in, int out, int client);

struct names_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
};
void names_addr(struct names_addr *to, const struct nio_addr *from,
    uint16_t port);
/* Is it an address, and no name? */
bool names_numeric(struct nio_addr *a, const char *text);

#endif
