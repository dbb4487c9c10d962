/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a message from the parser to the monitor has to be, once more. */
#ifndef FUZZ_PACKET_H
#define FUZZ_PACKET_H

#include <string.h>

#include "privsep.h"

static bool ends_within(const char *p, size_t cap)
{
	for (size_t i = 0; i < cap; i++)
		if (p[i] == '\0')
			return true;
	return false;
}

static bool is_digest(const char *z)
{
	for (int i = 0; i < 32; i++)
		if (!z[i] || !strchr("0123456789abcdef", z[i]))
			return false;
	return z[32] == '\0';
}

static bool is_message(const struct pv_request *r, size_t n)
{
	if (n != sizeof *r || r->ahead_len > NIO_INPUT)
		return false;
	if (!ends_within(r->user, sizeof r->user) ||
	    !ends_within(r->text, sizeof r->text))
		return false;
	switch (r->kind) {
	case PV_LOG:
	case PV_STLS:
		return r->user[0] == '\0';
	case PV_APOP:
		return r->user[0] && is_digest(r->text);
	case PV_LOGIN:
		return r->user[0] && strlen(r->text) < P3_LINE;
	}
	return false;
}

#endif
