/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parser, which hears the client and is trusted by nobody, and
 * the monitor, which is root until the login.  One message a packet, always
 * of the same size; what a message does not use is zero.
 */
#ifndef MDPOP3D_PRIVSEP_H
#define MDPOP3D_PRIVSEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netio.h"
#include "pop3.h"

enum pv_kind {			/* what the parser asks for */
	PV_LOG = 1,		/* a line of the client's, with -d only */
	PV_STLS,		/* TLS is to start; once */
	PV_LOGIN,		/* user and password */
	PV_APOP			/* user and digest */
};

enum pv_answer {		/* one byte, to all but PV_LOG */
	PV_LOGGED_IN,		/* never sent: nobody is there to hear */
	PV_DONE,		/* TLS has started */
	PV_AGAIN,		/* login incorrect */
	PV_INCORRECT,		/* the same, and no further attempt */
	PV_TEMPORARY,		/* no logins now; the session is over */
	PV_PERMANENT		/* nor later */
};

enum { PV_TEXT = 4 * P3_LINE };	/* bytes of an escaped line of the client */

struct pv_request {
	uint32_t kind;
	uint32_t ahead_len;	/* octets read from the client, not obeyed */
	char user[P3_LINE + 1];	/* NUL-terminated; for PV_LOG empty */
	char text[PV_TEXT + 4];	/* password, digest or line: NUL-terminated */
	char ahead[NIO_INPUT];
};

/*
 * Whether a packet of n octets is a message, complete and in bounds: kind
 * known, texts terminated, a user's name where one is needed, a password that
 * can have been on a line, a digest of 32 lower-case hexadecimal digits.
 */
bool pv_valid(const struct pv_request *r, size_t n);

/* 32 lower-case hexadecimal digits? */
bool pv_is_digest(const char *text);

#endif
