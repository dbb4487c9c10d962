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
#include "sandbox.h"

/* What the log calls a client that has no address. */
#define LOCAL_CLIENT "local"

enum {
	LISTEN_MAX = 8,		/* -l options */
	PROGRAM_ARGS = 32,	/* operands of -C */
	STAMP = 128,		/* bytes of APOP's timestamp, with its NUL */
	SAFE_NAME = 4 * 64 + 4	/* 64 bytes of outside text, escaped */
};

/* Descriptors by which UCSPI-TLS starts TLS; -1: not there. */
struct ucspi_tls {
	int control, in, out;
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
	bool apop;		/* -A, -T */
	bool tls_first;		/* -E */
	bool checkpw;		/* -C */
	bool maildir_given;	/* -m */
	const char *maildir;	/* -m, $MAILDIR, "Maildir" */
	const char *user;	/* -u */
	const char *host;	/* -r, -R, or the environment */
	const char *users_file;	/* -P */
	uid_t lowest_uid;	/* -M */
	const char *service;	/* -p; null without PAM */
	const char *host_tag;	/* -T */
	char **program;		/* -C: ends with a null */
	struct ucspi_tls tls;
	const char *listen[LISTEN_MAX];	/* -l */
	int listens;
	unsigned sessions;	/* -L */
	unsigned per_source;	/* -I */
	unsigned penalty_most;	/* -b, seconds; 0: none */
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
	struct sb sandbox;	/* what holds from drop_open on */
	char buf[READ_BUFFER];
};

/*
 * Locks the Maildir, lists it and measures every message.  0, -EWOULDBLOCK
 * when another session has it, -ENOSYS where no sandbox is to be had but
 * one is required, or -errno; never part of a list.  From here on this
 * process can reach nothing but the Maildir.
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

enum end {			/* why a session is over */
	END_NOT,
	END_QUIT,
	END_TIMEOUT,
	END_EOF,		/* the client has closed */
	END_LOST,		/* the connection failed */
	END_BAD,		/* too many bad commands */
	END_NO_MAILDROP,
	END_IN_USE,
	END_CHANGED,		/* a message, while it was sent */
	END_READ,		/* a message could not be read */
	END_LOGIN,		/* incorrect, and no further attempt */
	END_PARSER,		/* the parser has failed */
	END_TLS,		/* no TLS from above */
	ENDS
};

struct session {
	const struct conf *conf;
	struct lg log;
	int monitor;		/* in the parser: the way to it; else -1 */
	unsigned char state;	/* P3_AUTHORIZATION or P3_TRANSACTION */
	unsigned char end;	/* enum end */
	unsigned bad;		/* commands answered with -ERR in a row */
	unsigned attempts;	/* logins, as the monitor counts them */
	int status;		/* for exit(2) */
	bool user_given;	/* the last command was a USER */
	bool updated;		/* the UPDATE state was entered */
	bool tls;		/* TLS is on */
	char line[P3_LINE];
	char user[P3_LINE];
	char stamp[STAMP];	/* of the greeting; empty without APOP */
	char host[SAFE_NAME];	/* of the client, or LOCAL_CLIENT */
	char name[SAFE_NAME];	/* of the user, for the log */
	char maildir[256];	/* where a login has named one; else empty */
	struct nio io;		/* all that waits for a login in one page */
	struct drop drop;
};

/*
 * session.c: the states and commands.  With PRIVSEP nothing of it runs as
 * root.  Both return when s->end is set: from the greeting on, and from the
 * opening of the maildrop on, where that of s->conf or s->maildir is opened.
 */
void session_greet(struct session *s);
void session_work(struct session *s);
/* The client is lost, as a code of netio.h tells. */
void session_lost(struct session *s, int how);

/* ---- reply.c: what a session says ---- */

/* One reply; -ERR texts start with their response code, if any. */
void reply_ok(struct session *s);
void reply_err(struct session *s, const char *text);
/* A reply that also ends the session. */
void reply_end(struct session *s, const char *text, enum end why);

/* A log line about this session: "[host][user] WHAT: REASON". */
void session_log(struct session *s, int level, const char *what,
    const char *reason);

/* What holds: "sandbox: seccomp, Landlock 7". */
void log_sandbox(struct lg *lg, const struct sb *has);

/* That it is over, why, and what is left. */
void session_log_end(struct session *s);

/* Wipes what was read so far: a password may have passed through. */
void session_forget(struct session *s);

struct pv_request;

/* ---- login.c: AUTHORIZATION, as the client sees it ---- */

/*
 * The commands.  True: this process now is the user, in the home directory,
 * and the reply is still to be given; never in a parser.  The password,
 * which is part of the line, is wiped before anything waits.
 */
bool login_obey(struct session *s, const struct p3_line *c);
/* Whether this server has such a command, as it was started. */
bool login_offers(const struct session *s, enum p3_verb verb);
/* The lines of CAPA about it. */
void login_capa(struct session *s);
/* One packet to the monitor, and its answer, an enum pv_answer, if any. */
void login_fill(struct pv_request *r, int kind, const char *user,
    const char *text);
int login_ask(struct session *s, struct pv_request *r);

/* ---- debug.c: -d, where no password is shown ---- */

void debug_line(struct session *s, const char *line, size_t len);
void debug_text(struct session *s, const char *text);

/* ---- monitor.c, attempt.c: AUTHORIZATION, as root sees it ---- */

/*
 * A parser of its own hears the client.  True: this process now is the user,
 * in the home directory, with what the parser had read ahead in s->io, and
 * the reply is still to be given.  False: s->end is set.
 */
bool monitor_run(struct session *s);
/*
 * One step, wherever it was asked for; wipes the request.  PV_LOGGED_IN: as
 * true above; else the answer for the client.
 */
int attempt_step(struct session *s, struct pv_request *r);
/* After PV_LOGGED_IN: nothing of root is left.  s->end is set if not so. */
void attempt_become(struct session *s);

/* ---- checker.c, verdict.c: who may log in ---- */

struct au_user;

/* What a check has found beside its result. */
enum { CHECK_RECORD = 4096 };	/* octets that they may have */

struct verdict {
	char maildir[256];	/* $MAILDIR of a module, or empty */
	char detail[128];	/* for the log, or empty */
};

/*
 * Asks in a process of its own: PAM, a checkpassword program or the files;
 * CHECK_TIME seconds at most.  An enum au_result.
 */
int check_login(struct session *s, const struct pv_request *r,
    struct au_user *user, struct verdict *v);
/*
 * What such a process tells is eight NUL-terminated strings: code name uid
 * gid groups home maildir detail.  Writes them in one piece; 0 or -1.
 */
int check_write(int fd, int result, const struct au_user *user,
    const struct verdict *v);
/*
 * Takes n octets of that apart.  An enum au_result; AU_TROUBLE also where
 * they are not as they should be.
 */
int check_parse(char *record, size_t n, struct au_user *user,
    struct verdict *v);
/* -Z: tells on descriptor 4 who this process runs as; an exit status. */
int check_report(void);

/* ---- listen.c: the listener of -l and of systemd ---- */

/*
 * Accepts connections for ever.  Returns true in a child, with the
 * connection as descriptors 0 and 1, and *from who it is; or, when stopped
 * by SIGTERM or unable to listen, false in the parent with *status set.
 */
bool listen_run(const struct conf *c, struct lg *lg, int *status,
    struct nio_addr *from);

/* What a session tells the listener; the last four cost its source. */
enum listen_note {
	NOTE_LOGIN = 1,		/* somebody has logged in */
	NOTE_INCORRECT,		/* a login was refused */
	NOTE_NO_LOGIN,		/* left without one */
	NOTE_TOO_LATE,		/* the time for a login was over */
	NOTE_CRASH		/* the parser did what it must not */
};

/* In a child of the listener; elsewhere it does nothing. */
void listen_note(enum listen_note what);
/* Gives up the way to the listener, for what belongs to the user. */
void listen_silence(void);
/* Sockets from systemd (sd_listen_fds(3)) wait for us: sockets.c. */
bool listen_inherited(void);

#endif
