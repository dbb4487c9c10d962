/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of mdpop3d share. */
#ifndef MDPOP3D_H
#define MDPOP3D_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "maildir.h"
#include "netio.h"
#include "pop3.h"

enum {
	LISTEN_MAX = 8,		/* -l options */
	SAFE_NAME = 4 * 64 + 4	/* 64 bytes of outside text, escaped */
};

/* The command line; read-only once options are parsed. */
struct conf {
	int timeout;		/* -t, seconds */
	bool commit;		/* -c: a lost client's deletions count */
	bool preauth;		/* -a, -u */
	bool quiet;		/* -q */
	bool keep_new;		/* -n */
	bool debug;		/* -d */
	bool fast_sizes;	/* -s */
	bool to_stderr;		/* -e */
	const char *maildir;	/* -m, $MAILDIR, "Maildir" */
	const char *user;	/* -u */
	const char *host;	/* -r, -R, or the environment */
	const char *users_file;	/* -P */
	uid_t lowest_uid;	/* -M */
	const char *listen[LISTEN_MAX];	/* -l */
	int listens;
	unsigned sessions;	/* -L */
	unsigned per_source;	/* -I */
};

/* ---- options.c: the command line and the environment ---- */

extern const char mdpop3d_usage[];

/* -1 to go on, with all of *c filled in; else the status to exit with. */
int read_options(struct conf *c, char **argv);
/* Sockets of our own, from -l or from systemd? */
bool listening(const struct conf *c);
/* Null where the variable is empty, too. */
const char *environment(const char *name);
/*
 * Under an inetd descriptor 2 is the client as well: what is for the
 * administrator must not reach it, nor break the protocol.
 */
bool stderr_is_client(void);

/* ---- drop.c: the maildrop, from its lock to the UPDATE state ---- */

enum { READ_BUFFER = 16384 };

struct drop {
	struct md md;
	struct md_list list;	/* message n is list.e[n - 1] */
	bool exact;		/* sizes are those RETR sends */
	size_t skipped;		/* unreadable files, left out of the list */
	size_t left, deleted;	/* messages not marked, and marked */
	uint64_t left_octets, deleted_octets;
	char buf[READ_BUFFER];
};

/*
 * Locks the Maildir, lists it and measures every message.  0, -EWOULDBLOCK
 * when another session has it, or -errno; never part of a list.
 */
int drop_open(struct drop *d, const char *path, bool exact);

/* Message `number` (from 1) if there is one and it is not marked. */
struct md_ent *drop_message(struct drop *d, uint64_t number);
bool drop_marked(const struct md_ent *m);
void drop_mark(struct drop *d, struct md_ent *m);
void drop_unmark_all(struct drop *d);

/* A descriptor, -ENOENT when it is gone for good, or -errno. */
int drop_open_message(struct drop *d, struct md_ent *m, struct stat *st);

/*
 * The UPDATE state: removes what is marked and, with `see`, moves the rest
 * of new/ to cur/; SIGTERM, SIGINT and SIGHUP wait.  Unlocks: the client
 * may come back as soon as it has its answer.  The number of marked
 * messages that could not be removed, which count as left from now on.
 */
size_t drop_update(struct drop *d, bool see);

/* ---- one client, from greeting to farewell ---- */

struct session {
	const struct conf *conf;
	struct lg log;
	struct nio io;
	unsigned char state;	/* P3_AUTHORIZATION or P3_TRANSACTION */
	unsigned bad;		/* commands answered with -ERR in a row */
	const char *end;	/* why it is over; null: it goes on */
	int status;		/* for exit(2) */
	bool user_given;	/* the last command was a USER */
	bool updated;		/* the UPDATE state was entered */
	char line[P3_LINE];
	char user[P3_LINE];
	char host[SAFE_NAME];
	char name[SAFE_NAME];	/* of the user, for the log */
	struct drop drop;
};

/* session.c: the states and commands. */
void session_run(struct session *s);

/* ---- reply.c: what a session says ---- */

/* One reply; -ERR texts start with their response code, if any. */
void reply_ok(struct session *s);
void reply_err(struct session *s, const char *text);
/* A reply that also ends the session, with `why` for the log. */
void reply_end(struct session *s, const char *text, const char *why);

/* A log line about this session: "[host][user] WHAT: REASON". */
void session_log(struct session *s, int level, const char *what,
    const char *reason);

/* Wipes what was read so far: a password may have passed through. */
void session_forget(struct session *s);

/* ---- login.c: AUTHORIZATION ---- */

void login_user(struct session *s, const char *name);
/*
 * True: this process now is the user, in the home directory, and the reply
 * is still to be given.  Forgets the password, which is part of the line,
 * as soon as it can.
 */
bool login_pass(struct session *s, const char *pass);

/* ---- listen.c: the listener of -l and of systemd ---- */

/*
 * Accepts connections for ever.  Returns true in a child, with the
 * connection as descriptors 0 and 1, and *from who it is; or, when stopped
 * by SIGTERM or unable to listen, false in the parent with *status set.
 */
bool listen_run(const struct conf *c, struct lg *lg, int *status,
    struct nio_addr *from);
/* Sockets from systemd (sd_listen_fds(3)) wait for us: sockets.c. */
bool listen_inherited(void);

#endif
