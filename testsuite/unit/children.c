/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listener's children: their notes, their ends, and who is let in. */
#include <sys/wait.h>

/* So that something can happen just before. */
static pid_t late_waitpid(pid_t pid, int *status, int how);

#include "../../applets/mdpop3d/penalty.c"
#define waitpid late_waitpid
#include "../../applets/mdpop3d/children.c"
#undef waitpid

#include <errno.h>
#include <stdlib.h>

#include "tap.h"

enum { SESSIONS = 1000 };

static struct conf conf = {
	.sessions = SESSIONS, .per_source = SESSIONS, .penalty_most = 86400
};
static struct children c;
static const struct nio_addr here = { .ip = { 127, [15] = 1 } };

static int wait_usec;

static pid_t late_waitpid(pid_t pid, int *status, int how)
{
	usleep((useconds_t)wait_usec);
	return waitpid(pid, status, how);
}

static void fresh(void)
{
	int fd = note_to;

	if (c.child)
		children_leave(&c);
	if (fd >= 0)
		close(fd);
	if (children_open(&c, &conf) < 0)
		abort();
}

/* Seconds that `here` owes, rounded: what has passed is little. */
static int owed(void)
{
	const struct penalty *p = &c.penalty[entry(c.penalty, &here)];
	int64_t left = p->until - nio_now();

	return same_source(&p->from, &here) && left > 0 ?
	    (int)((left + 500) / 1000) : 0;
}

static void reap_all(void)
{
	while (c.n > 0) {
		children_reap(&c);
		usleep(1000);
	}
}

/* A child that notes `what`, if anything, and ends by `sig` or in peace. */
static pid_t child(int what, int more, int sig)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(sig, SIG_DFL);
		if (what)
			listen_note((enum listen_note)what);
		if (more)
			listen_note((enum listen_note)more);
		if (sig)
			kill(getpid(), sig);
		_exit(0);
	}
	children_add(&c, pid, &here);
	return pid;
}

static void costs(void)
{
	static const struct {
		const char *name;
		int what, more, sig, owed;
	} way[] = {
		{ "says nothing", 0, 0, 0, 0 },
		{ "an incorrect login", NOTE_INCORRECT, 0, 0, 5 },
		{ "two of them", NOTE_INCORRECT, NOTE_INCORRECT, 0, 10 },
		{ "no login", NOTE_NO_LOGIN, 0, 0, 1 },
		{ "too late", NOTE_TOO_LATE, 0, 0, 10 },
		{ "a parser's crash", NOTE_CRASH, 0, 0, 90 },
		{ "a crash", 0, 0, SIGSEGV, 90 },
		{ "killed for a call it must not", 0, 0, SIGSYS, 90 },
		{ "ended by the kernel", 0, 0, SIGSEGV, 90 },
		{ "killed by somebody", 0, 0, SIGKILL, 0 },
		{ "ended by an administrator", 0, 0, SIGTERM, 0 },
		{ "interrupted", 0, 0, SIGINT, 0 },
		{ "a login", NOTE_LOGIN, 0, 0, 0 },
		{ "an incorrect login after one", NOTE_LOGIN, NOTE_INCORRECT,
		    0, 0 },
		{ "a login after an incorrect one", NOTE_INCORRECT,
		    NOTE_LOGIN, 0, 5 },
		{ "a crash after a login", NOTE_LOGIN, 0, SIGSEGV, 0 },
		{ "nonsense", 77, -1, 0, 0 }
	};

	for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
		fresh();
		child(way[i].what, way[i].more, way[i].sig);
		reap_all();
		ok(owed() == way[i].owed && c.strangers == 0,
		    "C121 %s: owes %d s, %u strangers", way[i].name, owed(),
		    c.strangers);
	}
	conf.preauth = true;
	fresh();
	child(NOTE_NO_LOGIN, 0, SIGSEGV);
	ok(c.strangers == 0, "C121 -a: nobody is a stranger");
	reap_all();
	ok(owed() == 0, "C121 -a: nor is anybody charged");
	conf.preauth = false;
}

/* A note written just before the end, while others are being reaped. */
static void note_and_end(void)
{
	const int n = 2000;
	int64_t start = nio_now();
	int passed;

	fresh();
	for (int i = 0; i < n; i++) {
		child(NOTE_INCORRECT, 0, 0);
		children_reap(&c);
	}
	reap_all();
	passed = (int)((nio_now() - start) / 1000) + 1;
	ok(owed() >= 5 * n - passed && owed() <= 5 * n,
	    "C121 %d notes, %d s: none is lost at the end of its child", n,
	    owed());
	fresh();
	wait_usec = 200000;
	child(NOTE_INCORRECT, 0, 0);
	children_reap(&c);
	ok(c.n == 0 && owed() == 5, "C121 written just before it is reaped");
	wait_usec = 0;
}

static void nobodys(void)
{
	pid_t pid;

	fresh();
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			listen_note(NOTE_CRASH);
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	children_add(&c, pid, &here);
	reap_all();
	ok(owed() == 0, "C121 a grandchild's note counts for nobody");
}

/* Whatever takes the number of the pipe gets no note. */
static void silence(void)
{
	int fd[2], was, in;

	fresh();
	was = note_to;
	listen_silence();
	ok(fcntl(was, F_GETFD) < 0, "C123 after the silence no way is left");
	if (pipe2(fd, O_NONBLOCK) < 0)
		abort();
	in = fcntl(fd[0], F_DUPFD, was + 9);
	dup2(fd[1], was);
	listen_note(NOTE_CRASH);
	ok(read(in, fd, 1) < 0, "C123 nor is anything else taken for it");
	for (int i = was; i <= in; i++)
		close(i);
}

/* More notes than the pipe takes: those that were not written are lost. */
static void full_pipe(void)
{
	pid_t pid;
	int status;

	fresh();
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 20000; i++)
			listen_note(NOTE_NO_LOGIN);
		_exit(0);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	    "C123 nobody waits for a listener that does not read");
	children_add(&c, pid, &here);
	children_reap(&c);
	ok(owed() > 400 && owed() < 20000, "C123 %d notes were whole", owed());
	bury(&c, pid, 0);
	status = owed();
	child(NOTE_INCORRECT, 0, 0);
	reap_all();
	ok(owed() == status + 5, "C123 and so are those that follow");
}

static int mapped(const void *p)
{
	long page = sysconf(_SC_PAGESIZE);
	char *start = (char *)((uintptr_t)p / (size_t)page * (size_t)page);

	return msync(start, (size_t)page, MS_ASYNC) == 0 || errno != ENOMEM;
}

static void leaving(void)
{
	pid_t pid;
	int status;

	fresh();
	ok(mapped(c.penalty) && mapped(c.child + SESSIONS - 1), "tables");
	pid = fork();
	if (pid == 0) {
		const void *first = c.penalty, *last = c.child + SESSIONS - 1;

		children_leave(&c);
		_exit(mapped(first) || mapped(last) ||
		    fcntl(c.notes, F_GETFD) >= 0);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	    "C123 a child has no table and cannot read notes");
}

static int refused(unsigned sessions, unsigned strangers)
{
	int n = 0;

	conf.sessions = sessions;
	c.strangers = strangers;
	for (int i = 0; i < 10000; i++)
		n += children_objection(&c, &here) != NULL;
	conf.sessions = SESSIONS;
	c.strangers = 0;
	return n;
}

static void chances(void)
{
	static const struct {
		unsigned sessions, strangers;
		int least, most;	/* refusals in 10000 */
	} at[] = {
		{ 100, 0, 0, 0 }, { 100, 20, 0, 0 }, { 100, 50, 0, 0 },
		{ 100, 51, 100, 320 },
		{ 100, 60, 1750, 2250 }, { 100, 75, 4700, 5300 },
		{ 100, 99, 9680, 9900 }, { 100, 100, 10000, 10000 },
		{ 19, 9, 0, 0 }, { 19, 10, 700, 1350 }, { 3, 3, 0, 0 },
		{ 12, 9, 0, 0 }, { 12, 10, 6300, 7050 }, { 1, 1, 0, 0 }
	};

	fresh();
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		int n = refused(at[i].sessions, at[i].strangers);

		ok(n >= at[i].least && n <= at[i].most,
		    "C121 %u strangers of %u sessions: %d of 10000 refused",
		    at[i].strangers, at[i].sessions, n);
	}
}

int main(void)
{
	costs();
	note_and_end();
	nobodys();
	silence();
	full_pipe();
	leaving();
	chances();
	return done();
}
