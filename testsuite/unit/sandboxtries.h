/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For sandbox.c: children that try something, and what all of them try. */
#ifndef SANDBOXTRIES_H
#define SANDBOXTRIES_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "maildir.h"
#include "netio.h"
#include "sandbox.h"
#include "tap.h"

enum { NOBODY = 65534, KILLED = -1, STOPPED = -2, NO_CHILD = -3 };

static struct sb has;		/* what this kernel gives */
static struct md md;
static char home[] = "/tmp/popbox-unit-XXXXXX";	/* Maildir/, outside/ */
static int pair[2];
static struct lg lg = { .ident = "sandbox", .fd = -1 };

/* ---- children ---- */

/* As the lower half of an exit status: 0, an errno or KILLED. */
static int ended(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return NO_CHILD;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return WTERMSIG(status) == SIGSYS ? KILLED : 1000 + WTERMSIG(status);
}

typedef int action(void);

/* No child hears what another was sent, and none stays for ever. */
static pid_t fork_with_pair(void)
{
	pid_t pid;

	close(pair[0]);
	close(pair[1]);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = fork();
	if (pid == 0)
		alarm(60);
	return pid;
}

static int in_child(action *begin, action *act)
{
	pid_t pid = fork_with_pair();
	int e;

	if (pid == 0) {
		e = begin();
		_exit(e ? 200 : act());
	}
	return ended(pid);
}

/* 0, or why a call has failed. */
static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int parser(void)
{
	struct sb got;

	return sb_parser(&got);
}

static int checker(void)
{
	struct sb got;

	return sb_checker(&got);
}

static int user(void)
{
	struct sb got;

	return sb_user(md.root, &got);
}

/* STOPPED: killed or, where one call does for all of a kind, refused. */
static int meets(int got, int want)
{
	if (want == STOPPED)
		return got == KILLED || got == EACCES;
	return got == want;
}

struct trial {
	const char *what;
	action *act;
	int want;
};

/* `by`: what has to be there for a refusal. */
static void try_all(const char *who, action *begin, const struct trial *t,
    bool by)
{
	for (; t->what; t++) {
		int got;

		if (t->want && !by) {
			ok(1, "%s: %s # SKIP nothing forbids it", who,
			    t->what);
			continue;
		}
		got = in_child(begin, t->act);
		ok(meets(got, t->want), "%s: %s", who, t->what);
		if (!meets(got, t->want))
			printf("# got %d, want %d\n", got, t->want);
	}
}

static int nothing(void)
{
	return 0;
}

/* ---- what any of them may do ---- */

static int do_talk(void)
{
	char c = 'x';

	if (write(pair[0], &c, 1) != 1 || read(pair[1], &c, 1) != 1)
		return errno;
	if (send(pair[0], &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return errno;
	return recv(pair[1], &c, 1, 0) == 1 ? 0 : errno;
}

static int do_poll(void)
{
	struct pollfd p[2] = {
		{ .fd = pair[0], .events = POLLIN },
		{ .fd = pair[1], .events = POLLIN }
	};

	return poll(p, 2, 10) == 0 ? 0 : errno;
}

static int do_connection(void)
{
	char line[80];
	struct nio io;
	size_t n;

	nio_init(&io, pair[1], pair[1], 1000);
	(void)!write(pair[0], "QUIT\r\n", 6);
	if (nio_line(&io, line, sizeof line, &n) || n != 4)
		return EPROTO;
	nio_puts(&io, "+OK\r\n");
	return nio_flush(&io) ? errno : nio_usec() == 0;
}

static int do_unsent(void)
{
	int n;

	return result(ioctl(pair[0], TIOCOUTQ, &n));
}

static int do_log(void)
{
	lg.fd = pair[0];
	lg_say(&lg, LG_INFO, "one line", (char *)NULL);
	return 0;
}

static int do_ids(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	return getpid() < 1 ? 1 : result(sigprocmask(SIG_BLOCK, &s, NULL));
}

static int do_skipped(void)
{
	(void)syscall(-1);
	return 0;
}

/* ---- what none of them may do ---- */

static int bad_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int bad_exec(void)
{
	char *argv[] = { NULL };

	return result(execve("/bin/sh", argv, argv));
}

static int bad_kill(void)
{
	return result(kill(getppid(), 0));
}

static int bad_setuid(void)
{
	return result(setuid(getuid()));
}

static int bad_prctl(void)
{
	return result(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static int bad_ptrace(void)
{
	return result(syscall(SYS_ptrace, 0, 0, 0, 0));
}

static int bad_chdir(void)
{
	return result(chdir("/"));
}

static int bad_symlink(void)
{
	return result(symlink("x", "y"));
}

static int bad_mkdir(void)
{
	return result(mkdir("y", 0700));
}

static int bad_chmod(void)
{
	return result(chmod("y", 0700));
}

static int bad_dup(void)
{
	return result(dup(0));
}

static int bad_socketpair(void)
{
	int s[2];

	return result(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
}

static int bad_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int bad_protect(void)
{
	static char page[8192];

	return result(mprotect((char *)((uintptr_t)(page + 4095) &
	    ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC));
}

/* To where the socket does not lead by itself. */
static int bad_address(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX };

	return result(syscall(SYS_sendto, pair[0], "x", 1, 0, &to,
	    sizeof to));
}

/* Calls by the numbers of another kind of program. */
static int bad_abi(void)
{
#if defined __x86_64__ && !defined __ILP32__
	return result(syscall(0x40000000 | SYS_getpid));
#else
	return result(syscall(SYS_getpid + 3000));
#endif
}

/* 32-bit calls have other numbers: 20 is getpid there, writev here. */
static int bad_machine(void)
{
	long r = 20;

#if defined __x86_64__
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9",
	    "r10", "r11");
#else
	r = syscall(SYS_getppid);
#endif
	return r < 0;
}

static int no_socket(void)
{
	return result(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int no_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int no_create(void)
{
	return result(openat(AT_FDCWD, "outside/more", O_CREAT, 0600));
}

static int no_ioctl(void)
{
	char c = 'x';

	return result(ioctl(0, TIOCSTI, &c));
}

static const struct trial any[] = {
	{ "talks on what it has", do_talk, 0 },
	{ "waits", do_poll, 0 },
	{ "process and signals", do_ids, 0 },
#ifndef __s390x__		/* takes 16 bits of a number */
	{ "a call that a tracer has skipped", do_skipped, 0 },
#endif
	{ "fork", bad_fork, KILLED },
	{ "exec", bad_exec, KILLED },
	{ "kill", bad_kill, KILLED },
	{ "setuid", bad_setuid, KILLED },
	{ "prctl", bad_prctl, KILLED },
	{ "ptrace", bad_ptrace, KILLED },
	{ "chdir", bad_chdir, KILLED },
	{ "symlink", bad_symlink, KILLED },
	{ "mkdir", bad_mkdir, KILLED },
	{ "chmod", bad_chmod, KILLED },
	{ "dup", bad_dup, KILLED },
	{ "socketpair", bad_socketpair, STOPPED },
	{ "sendto with an address", bad_address, KILLED },
	{ "calls of another ABI", bad_abi, KILLED },
	{ "calls of another machine", bad_machine, KILLED },
	{ "mprotect to code", bad_protect, KILLED },
#ifndef __s390x__		/* see sandboxcalls.c */
	{ "code in memory", bad_map, KILLED },
#endif
	{ "a socket", no_socket, EACCES },
	{ "a socket of the network", no_inet, EACCES },
	{ NULL, NULL, 0 }
};

#endif
