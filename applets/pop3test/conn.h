/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between conn.c, which sends, and reading.c. */
#ifndef POP3TEST_CONN_H
#define POP3TEST_CONN_H

#include "pop3test.h"

enum stage conn_stage(const struct conn *c);
/* A failure of the server's, with what its program has to say about it. */
int conn_ended(struct conn *c, struct trouble *why, int status,
    const char *what);
/* Reads what is there, so far as there is room; 0 also for nothing. */
int conn_take_in(struct conn *c, struct trouble *why);
void conn_make_room(struct conn *c);
/* A status line has come: the oldest open question is answered. */
void conn_answered(struct conn *c, bool ok);

#endif
