/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the monitor by a parser that has fallen: the input says which
 * messages come, whole or not, in which order, and what else happens.  The
 * world around the monitor is played here, and so is time: nothing waits.
 *
 * Nobody is let in but by the checker's word; no message is obeyed that is
 * not as it should be, that was not offered, or that is one too many; the
 * parser is ended and buried, once, and before anybody is somebody; each
 * question has one answer, as late as it should be, and in all no session
 * takes longer than it may.
 *
 * The input: two bytes of conditions, then events.  scripts/fuzz builds it,
 * and testsuite/tools/flood.c calls it with millions of random inputs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "input.h"
#include "mdpop3d.h"
#include "packet.h"

/* All of it, whatever is configured. */
#undef ENABLE_FEATURE_MDPOP3D_APOP
#undef ENABLE_FEATURE_MDPOP3D_DEBUG
#undef ENABLE_FEATURE_MDPOP3D_STLS
#define ENABLE_FEATURE_MDPOP3D_APOP 1
#define ENABLE_FEATURE_MDPOP3D_DEBUG 1
#define ENABLE_FEATURE_MDPOP3D_STLS 1
#ifdef TRIES			/* of flood.c */
#undef CONFIG_MDPOP3D_LOGIN_TRIES
#define CONFIG_MDPOP3D_LOGIN_TRIES TRIES
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {				/* conditions */
	DEBUGS = 1, TLS = 2, TLS_FIRST = 4, APOP = 8, PROGRAM = 16,
	QUIET = 32, NO_PAIR = 64, NO_FORK = 128,
	TLS_FAILS = 256, BECOME_FAILS = 512, NO_HOME = 1024, LOWEST = 2048,
	GIVEN = 4096, NO_KILL = 8192, STAYS = 16384
};

enum {				/* ms, as the manual page has them */
	LOGIN = 60000, DELAY = 2000, CHECK = 31000, LATER = 10000,
	LINK = 50, OTHER_END = 51, LOG = 52, CONTROL = 60, PARSER = 4711
};

static struct input in;
static unsigned how;
static struct conf conf;
static struct session session;

/* Over all runs; flood.c prints them. */
static struct {
	unsigned long sessions, messages, bad, wrong, right, in, most_logins;
} total;

/* What has happened in this session. */
static struct {
	int64_t now, asked;
	bool alive, buried, link, other_end;	/* are there */
	int status;		/* the parser's, once it is not alive */
	bool over;		/* nothing more may be heard */
	bool waits;		/* for an answer, one of: */
	int answer, answer2;
	bool granted;
	unsigned checks, lines, notes, crashes, logins, closed;
	bool tls, tls_asked;
	struct pv_request r;	/* the packet */
	size_t n;
} w;

/* ---- messages ----------------------------------------------------------- */

/* Some text, legal or not, that begins at `to`. */
static void put_text(char *to, size_t cap)
{
	static const char *const ready[] = {
		"joe", "right", "wrong", "", "joe\n[x][root] login", "%s%n"
	};
	unsigned kind = in_byte(&in) % 12;

	memset(to, 0, cap);
	if (kind < 6) {
		strcpy(to, ready[kind]);
	} else if (kind == 6) {			/* no end */
		memset(to, 'A', cap);
	} else if (kind == 7) {			/* or only just */
		memset(to, 'A', cap - 1);
	} else if (kind == 8) {
		memset(to, 'a', in_byte(&in) % 8 + 250);
	} else if (kind == 9) {			/* a digest, more or less */
		for (unsigned n = 30 + in_byte(&in) % 4; n > 0; n--)
			*to++ = "0123456789abcdefABg"[in_byte(&in) % 19];
	} else {
		for (unsigned n = in_byte(&in) % 16; n > 0; n--)
			*to++ = (char)in_byte(&in);
	}
}

/* A login as an honest parser asks for it; "right" or another password. */
static void put_login(void)
{
	static const char digest[] = "0123456789abcdef0123456789abcdef";
	unsigned kind = in_byte(&in);
	bool apop = kind & 1;

	w.r.kind = apop ? PV_APOP : PV_LOGIN;
	strcpy(w.r.user, kind & 2 ? "ann" : "joe");
	strcpy(w.r.text, apop ? digest : kind & 124 ? "wrong" : "right");
	if (apop)
		w.r.text[kind % 32] = (char)('0' + kind / 32);
}

static void put_ahead(void)
{
	size_t n = in_byte(&in) % 8 ? 0 : in_byte(&in) * 9U;

	w.r.ahead_len = (uint32_t)n;
	memset(w.r.ahead, 'q', n < sizeof w.r.ahead ? n : sizeof w.r.ahead);
}

/* Of n octets: what is behind them was never sent. */
static void raw(size_t n)
{
	uint8_t *p = (void *)&w.r;

	memset(p, 0x55, sizeof w.r);
	for (size_t i = 0; i < n && i < sizeof w.r; i++)
		p[i] = (uint8_t)in_byte(&in);
	w.n = n;
}

static void make_packet(unsigned event)
{
	static const size_t sizes[] = {
		sizeof w.r - 1, sizeof w.r + 1, 1, 4, 8,
		2 * sizeof w.r, 65536, sizeof w.r - NIO_INPUT
	};

	memset(&w.r, 0, sizeof w.r);
	w.n = sizeof w.r;
	switch (event) {
	case 0:
		raw((in_byte(&in) << 8 | in_byte(&in)) % (sizeof w.r + 99) + 1);
		return;
	case 1:
		raw(sizeof w.r);
		w.r.kind = in_byte(&in) % 6;
		return;
	case 2:
		w.r.kind = PV_STLS;
		return;
	case 3:
		w.r.kind = PV_LOG;
		put_text(w.r.text, sizeof w.r.text);
		return;
	case 4:
	case 5:
	case 6:
		put_login();
		break;
	default:
		w.r.kind = in_byte(&in) % 6;
		put_text(w.r.user, sizeof w.r.user);
		put_text(w.r.text, sizeof w.r.text);
	}
	put_ahead();
	if (event == 8)
		w.n = sizes[in_byte(&in) % 8];
}

/* ---- what a message has to be ------------------------------------------- */

static bool is_offered(const struct pv_request *r)
{
	switch (r->kind) {
	case PV_LOG:
		return how & DEBUGS;
	case PV_STLS:
		return how & TLS && !w.tls_asked;
	case PV_APOP:
		if (!(how & APOP))
			return false;
		break;
	}
	return w.logins < CONFIG_MDPOP3D_LOGIN_TRIES &&
	    (!(how & TLS_FIRST) || w.tls);
}

/* ---- the world ---------------------------------------------------------- */

static int64_t w_now(void)
{
	return w.now;
}

static void ends(int status)
{
	w.alive = false;
	w.status = status;
}

/* What comes next is decided here. */
static int w_poll(struct pollfd *p, nfds_t n, int timeout)
{
	unsigned event = in.p < in.end ? in_byte(&in) : 255;
	int64_t takes = event & 64 ? in_byte(&in) * 100 : 1;

	assert(timeout > 0);
	if (p == NULL) {	/* the delay; it may be cut short */
		in.p -= in.p < in.end;
		w.now += event & 64 && timeout > 1 ? timeout / 2 : timeout;
		errno = EINTR;
		return event & 64 ? -1 : 0;
	}
	assert(n == 1 && p->fd == LINK && p->events == POLLIN && w.link);
	assert(!w.over && !w.waits && w.alive);
	event %= 64;
	p->revents = POLLIN;
	if (event >= 62 || takes >= timeout) {	/* silence */
		w.now += timeout;
		return 0;
	}
	w.now += takes;
	errno = EINTR;
	if (event == 61)
		return -1;
	w.n = 0;
	if (event >= 56)
		ends((int)in_byte(&in) << 8);	/* exit */
	else if (event >= 54)
		ends((int)in_byte(&in) % 31 + 1);
	else if (event < 53)		/* 53: closed, or an empty packet */
		make_packet(event % 9);
	return 1;
}

/* The monitor has now this packet; from here on it is judged. */
static void judge_packet(void)
{
	total.messages++;
	w.asked = w.now;
	if (!is_message(&w.r, w.n) || !is_offered(&w.r)) {
		total.bad++;
		w.over = true;
		return;
	}
	w.waits = w.r.kind != PV_LOG;
	w.tls_asked = w.tls_asked || w.r.kind == PV_STLS;
	w.answer = w.answer2 = 0;
	if (w.r.kind == PV_LOGIN || w.r.kind == PV_APOP) {
		w.logins++;
		w.answer = w.logins < CONFIG_MDPOP3D_LOGIN_TRIES ? PV_AGAIN :
		    PV_INCORRECT;
	}
}

static ssize_t w_recv(int fd, void *p, size_t cap, int flags)
{
	assert(fd == LINK && w.link && cap == sizeof w.r);
	assert(flags == (MSG_TRUNC | MSG_DONTWAIT) && !w.over);
	if (w.n == 0) {
		w.over = true;
		errno = ECONNRESET;
		return w.status & 0x100 ? -1 : 0;
	}
	memcpy(p, &w.r, w.n < cap ? w.n : cap);
	judge_packet();
	return (ssize_t)w.n;
}

static ssize_t w_send(int fd, const void *p, size_t n, int flags)
{
	unsigned char answer = *(const unsigned char *)p;
	int64_t took = w.now - w.asked;

	assert(fd == LINK && w.link && n == 1 && flags & MSG_DONTWAIT);
	assert(flags & MSG_NOSIGNAL && w.waits && !w.over && !w.granted);
	assert(answer == w.answer || answer == w.answer2);
	w.waits = false;
	if (answer == PV_AGAIN || answer == PV_INCORRECT)
		assert(took >= DELAY && took % DELAY == 0);
	return w.alive ? 1 : -1;
}

static int w_socketpair(int domain, int type, int protocol, int pair[2])
{
	(void)domain, (void)protocol;
	assert(type & SOCK_CLOEXEC && (type & ~SOCK_CLOEXEC) ==
	    SOCK_SEQPACKET);
	errno = EMFILE;
	if (how & NO_PAIR)
		return -1;
	w.link = w.other_end = true;
	pair[0] = LINK;
	pair[1] = OTHER_END;
	return 0;
}

static pid_t w_fork(void)
{
	errno = EAGAIN;
	if (how & NO_FORK)
		return -1;
	w.alive = true;
	return PARSER;
}

static int w_close(int fd)
{
	bool *is_open = fd == LINK ? &w.link : &w.other_end;

	assert((fd == LINK || fd == OTHER_END) && *is_open);
	*is_open = false;
	return 0;
}

/* All but the log is closed, and that not before the client is known. */
static void w_close_others(const int *keep, int n)
{
	assert(w.granted && !w.link && n == 1 && *keep == LOG);
	w.closed++;
}

/* What is in clear goes away. */
static int w_dup2(int from, int to)
{
	assert(w.granted && w.tls && from == CONTROL + 1 + to && to < 2);
	assert(w.closed == 0);
	return to;
}

static int w_kill(pid_t pid, int sig)
{
	assert(pid == PARSER && !w.buried && sig == SIGKILL);
	errno = EPERM;
	if (how & NO_KILL)
		return -1;
	if (w.alive)
		ends(SIGKILL);
	return 0;
}

/* Root without CAP_KILL: a parser that is alone should end. */
static int w_shutdown(int fd, int what)
{
	assert(fd == LINK && w.link && what == SHUT_RDWR && how & NO_KILL);
	if (w.alive && !(how & STAYS))
		ends(END_EOF << 8);
	return 0;
}

static pid_t w_waitpid(pid_t pid, int *status, int options)
{
	assert(pid == PARSER && !w.buried);
	assert(options == (how & NO_KILL ? WNOHANG : 0));
	if (w.alive) {
		assert(how & NO_KILL && how & STAYS);
		return 0;
	}
	errno = EINTR;
	if (in_byte(&in) == 7)
		return -1;
	w.buried = true;
	*status = w.status;
	return pid;
}

static int w_fd_write(int fd, const void *p, size_t n)
{
	assert(fd == CONTROL && n == 1 && *(const char *)p == 'y');
	assert(w.waits && w.r.kind == PV_STLS && !w.tls);
	if (how & TLS_FAILS) {
		w.answer = PV_TEMPORARY;
		return -1;
	}
	w.tls = true;
	w.answer = PV_DONE;
	return 0;
}

static void w_log(struct session *s, int level, const char *what,
    const char *reason)
{
	assert(s == &session && what && (!reason || strlen(reason) < 5000));
	assert(level != LG_DEBUG || (how & DEBUGS && !w.waits));
	w.lines++;
}

static void w_reply_end(struct session *s, const char *text, enum end why)
{
	assert(w.granted && strncmp(text, "[SYS/PERM] ", 11) == 0);
	s->end = (unsigned char)why;
}

static int w_puts(struct nio *c, const char *z)
{
	bool began = !(how & (NO_PAIR | NO_FORK));

	assert(c == &session.io && (!began || w.status >= 100 << 8));
	assert(strncmp(z, "-ERR [SYS/TEMP] ", 16) == 0);
	return 0;
}

static void w_note(enum listen_note what)
{
	assert(what != NOTE_LOGIN || w.granted);
	w.crashes += what == NOTE_CRASH;
	w.notes++;
}

static void w_silence(void)
{
	assert(w.granted);
}

static void w_private(bool may_exec)
{
	assert(!may_exec && w.buried);
}

static int w_become(const struct au_user *user)
{
	assert(w.granted && w.buried && !w.link && !w.other_end);
	assert(strcmp(user->name, "joe") == 0 && user->uid == 10);
	assert(user->gid == 11 && user->groups == 1);
	return how & BECOME_FAILS ? -EPERM : 0;
}

static int w_chdir(const char *path)
{
	assert(w.granted && strcmp(path, "/home/joe") == 0);
	errno = ENOENT;
	return how & NO_HOME ? -1 : 0;
}

/* The password is "right", and joe's; or it is not. */
static int w_check(struct session *s, const struct pv_request *r,
    struct au_user *user, struct verdict *v)
{
	static const int refusals[] = {
		AU_UNKNOWN, AU_PASSWORD, AU_LOCKED, AU_EXPIRED, AU_SCHEME,
		AU_UID, AU_TROUBLE, AU_ENTRY
	};
	int result = refusals[in_byte(&in) % 8];

	assert(s == &session && w.waits && !w.over && !w.granted);
	assert(memcmp(r, &w.r, sizeof *r) == 0 && w.checks < w.logins);
	w.checks++;
	w.now += in_byte(&in) * (int64_t)CHECK / 255;
	if (r->kind == PV_LOGIN && strcmp(r->user, "joe") == 0 &&
	    strcmp(r->text, "right") == 0)
		result = AU_OK;
	total.right += result == AU_OK;
	total.wrong += result != AU_OK;
	if (result == AU_TROUBLE || result == AU_ENTRY)
		w.answer = result == AU_ENTRY ? PV_PERMANENT : PV_TEMPORARY;
	w.granted = result == AU_OK && !(how & LOWEST);
	if (result != AU_UNKNOWN)
		strcpy(user->name, r->user);
	strcpy(user->home, "/home/joe");
	user->uid = 10;
	user->gid = user->group[0] = 11;
	user->groups = 1;
	strcpy(v->maildir, "of a module");
	return result;
}

static const char *w_reason(enum au_result r)
{
	assert(r < AU_RESULTS);
	return "reason";
}

#define au_become w_become
#define au_reason w_reason
#define chdir w_chdir
#define check_login w_check
#define close w_close
#define dup2 w_dup2
#define fd_close_others w_close_others
#define fd_write w_fd_write
#define fork w_fork
#define kill w_kill
#define listen_note w_note
#define listen_silence w_silence
#define nio_now w_now
#define nio_puts w_puts
#define poll w_poll
#define recv w_recv
#define reply_end w_reply_end
/* The parser's own: fork() never gives 0. */
#define sb_leave(uid) (abort(), 0)
#define sb_parser(has) ((void)(has), abort(), 0)
#define sb_private w_private
#define send w_send
#define session_greet(s) abort()
#define session_log w_log
#define shutdown w_shutdown
#define signal(sig, action) ((void)0)
#define socketpair w_socketpair
#define waitpid w_waitpid
#include "../../applets/mdpop3d/attempt.c"
#include "../../applets/mdpop3d/monitor.c"

/* ---- one session -------------------------------------------------------- */

static void set_up(void)
{
	static char name[] = "program", *program[] = { name, NULL };

	how = in_byte(&in) | in_byte(&in) << 8;
	/* Rare ones that end all at once. */
	if (in_byte(&in) % 16)
		how &= (unsigned)~(NO_PAIR | NO_FORK);
	memset(&w, 0, sizeof w);
	w.now = 1000;
	conf = (struct conf){
		.debug = how & DEBUGS, .quiet = how & QUIET,
		.apop = how & APOP, .tls_first = how & TLS_FIRST,
		.lowest_uid = how & LOWEST ? 100 : 0,
		.checkpw = how & PROGRAM, .maildir_given = how & GIVEN,
		.program = program,
		.tls = { how & TLS ? CONTROL : -1, CONTROL + 1, CONTROL + 2 }
	};
	memset(&session, 0, sizeof session);
	session.conf = &conf;
	session.monitor = -1;
	session.log.fd = LOG;
	strcpy(session.stamp, conf.apop ? "<1.2@h>" : "");
	session.io.deadline = w.now + LOGIN;
}

static void check_login_done(void)
{
	const char *dir = how & GIVEN ? "" : "of a module";

	assert(session.end == END_NOT && strcmp(session.name, "joe") == 0);
	assert(strcmp(session.maildir, dir) == 0);
	assert(session.io.ipos == 0 && session.io.ilen == w.r.ahead_len);
	assert(memcmp(session.io.ibuf, w.r.ahead, w.r.ahead_len) == 0);
	assert(w.closed == 1 && session.tls == w.tls);
	total.in++;
}

static void check_end(bool in_now)
{
	bool began = !(how & (NO_PAIR | NO_FORK));
	bool may = w.granted && w.buried && !(how & (BECOME_FAILS | NO_HOME));

	assert(in_now == may);
	assert(!w.other_end && (began ? !w.link && w.buried != w.alive :
	    !w.buried));
	assert(w.now - 1000 <= LOGIN + LATER + w.logins * (CHECK + DELAY));
	assert(w.logins <= CONFIG_MDPOP3D_LOGIN_TRIES);
	assert(w.lines <= 200 + w.logins + 2 && w.notes <= w.logins + 2);
	if (total.most_logins < w.logins)
		total.most_logins = w.logins;
	if (in_now) {
		check_login_done();
		return;
	}
	assert(session.end > END_NOT && session.end < ENDS);
	/* What had been read ahead may be a password, too. */
	for (size_t i = 0; !w.granted && i < NIO_INPUT; i++)
		assert(session.io.ibuf[i] == 0);
	/* Whoever breaks the rules pays for it. */
	if (began && w.over && w.n)
		assert(w.crashes == 1 && session.end == END_PARSER);
	else
		assert(w.crashes <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, data + size };
	total.sessions++;
	set_up();
	check_end(monitor_run(&session));
	return 0;
}
