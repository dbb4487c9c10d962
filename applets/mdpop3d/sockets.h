/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets, for listen.c. */
#ifndef MDPOP3D_SOCKETS_H
#define MDPOP3D_SOCKETS_H

#include <poll.h>

#include "mdpop3d.h"

enum { SOCKETS_MAX = 2 * LISTEN_MAX };	/* a port alone: IPv4 and IPv6 */

struct sockets {
	const struct conf *conf;
	struct lg *lg;
	struct pollfd poll[SOCKETS_MAX];
	nfds_t n;
};

/* Opens what the options and systemd name; 0, or an exit status. */
int sockets_open(struct sockets *s, const struct conf *c, struct lg *lg);

#endif
