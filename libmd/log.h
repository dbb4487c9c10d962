/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines to syslogd's datagram socket (RFC 3164 without the time, which
 * every syslogd adds) or to standard error.
 *
 * Bytes below 0x20 and above 0x7E leave as \xHH, so no client can forge a
 * line or speak to an administrator's terminal.  A full or missing syslogd
 * costs lines, never a session: sending does not wait.
 */
#ifndef MD_LOG_H
#define MD_LOG_H

#include <stdbool.h>

enum {				/* the severities of syslog(3) */
	LG_ERR = 3,
	LG_WARNING = 4,
	LG_NOTICE = 5,
	LG_INFO = 6,
	LG_DEBUG = 7
};

enum { LG_LINE = 600 };		/* bytes a line may have, escapes included */

struct lg {
	const char *ident;
	int fd;			/* syslogd's socket, or -1 */
	bool to_stderr;
};

/*
 * Logs as `ident`, a string that outlives the log.  Without /dev/log, or
 * when asked, lines go to standard error, but never when `no_stderr` says
 * that descriptor 2 belongs to a client.  Where that is a terminal, it
 * shows what goes to syslog: somebody is waiting there for a word.
 */
void lg_open(struct lg *lg, const char *ident, bool to_stderr,
    bool no_stderr);

/* One line from strings up to a null pointer. */
void lg_say(struct lg *lg, int level, const char *first, ...);

#endif
