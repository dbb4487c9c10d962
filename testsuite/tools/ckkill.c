/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckkill N COMMAND...: ends COMMAND with SIGKILL at its Nth stop at a system
 * call, counted over all of its processes, or lets it come to its end and
 * prints the number of stops: "ckkill 0 ..." only counts.  A call has two
 * stops, before and after it does its work.
 *
 * -f FROM	counts only from the first stop on whose call has a string as
 *		one of its first two arguments that begins with FROM
 * -c		prints, for each stop, the number of the call
 *
 * Exit status: 99 when the command was killed, else the command's; 98 when
 * there is no ptrace(2).  Built on its own: cc -o ckkill ckkill.c
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif

enum { CANNOT = 98, KILLED = 99 };

struct call {			/* struct ptrace_syscall_info of linux */
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp, nr, args[6];
};

static const char *from;
static pid_t pids[64];
static unsigned known;

static void remember(pid_t pid)
{
	for (unsigned i = 0; i < known; i++)
		if (pids[i] == pid)
			return;
	if (known < sizeof pids / sizeof *pids)
		pids[known++] = pid;
}

/* Does the string at this address of the process begin with `from`? */
static bool begins(pid_t pid, uint64_t address)
{
	size_t n = strlen(from);
	char seen[256];

	for (size_t at = 0; at < n; at += sizeof(long)) {
		long w;

		errno = 0;
		w = ptrace(PTRACE_PEEKDATA, pid,
		    (void *)(uintptr_t)(address + at), NULL);
		if (errno || at + sizeof w > sizeof seen)
			return false;
		memcpy(seen + at, &w, sizeof w);
	}
	return memcmp(seen, from, n) == 0;
}

static bool look(pid_t pid, struct call *c)
{
	long n = ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid,
	    (void *)sizeof *c, c);

	return n > 0 && c->op == 1;	/* entering */
}

/* All of them, and none is left when we end: they have had locks. */
static void kill_all(void)
{
	int status;
	pid_t pid;

	for (unsigned i = 0; i < known; i++)
		kill(pids[i], SIGKILL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0)
		if (WIFSTOPPED(status))
			kill(pid, SIGKILL);
}

/* Waits for a stop of any process; its pid, 0 when all have ended. */
static pid_t next_stop(pid_t first, int *end, int *status)
{
	for (;;) {
		pid_t pid = waitpid(-1, status, __WALL);

		if (pid < 0)
			return 0;
		if (WIFSTOPPED(*status))
			return pid;
		if (pid == first)
			*end = WIFEXITED(*status) ? WEXITSTATUS(*status) :
			    128 + WTERMSIG(*status);
	}
}

static pid_t start(char **command)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(CANNOT);
		execvp(command[0], command);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) < 0)
		exit(CANNOT);
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	return pid;
}

static int run(unsigned long kill_at, char **command, bool show)
{
	pid_t first = start(command), pid;
	unsigned long stops = 0;
	bool counting = !from;
	int end = CANNOT, status;

	while ((pid = next_stop(first, &end, &status)) != 0) {
		int sig = WSTOPSIG(status);
		struct call c = { .nr = 0 };

		remember(pid);
		if (sig == (SIGTRAP | 0x80)) {
			bool enters = look(pid, &c);

			if (!counting && enters)
				counting = begins(pid, c.args[0]) ||
				    begins(pid, c.args[1]);
			stops += counting;
			if (show && counting && enters)
				fprintf(stderr, "%lu %lu\n", stops,
				    (unsigned long)c.nr);
			if (counting && stops == kill_at) {
				kill_all();
				return KILLED;
			}
			sig = 0;
		} else if (sig == SIGTRAP || sig == SIGSTOP) {
			sig = 0;	/* exec, a new process */
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig);
	}
	printf("%lu\n", stops);
	return end;
}

int main(int argc, char **argv)
{
	bool show = false;
	int c;

	while ((c = getopt(argc, argv, "+cf:")) != -1) {
		if (c == 'f')
			from = optarg;
		else if (c == 'c')
			show = true;
		else
			return CANNOT;
	}
	if (argc - optind < 2)
		return CANNOT;
	return run(strtoul(argv[optind], NULL, 10), argv + optind + 1, show);
}
