/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cklater SECONDS COMMAND...: runs COMMAND as it would run that much later.
 *
 * A file's ctime cannot be set, and half of what lies about in tmp/ is
 * judged by it.  So the clock is what moves: the vDSO is taken out of the
 * auxiliary vector, then every question for the time is a system call, and
 * the answer is changed on its way back.  Times that the kernel puts on files
 * stay true.  No library is preloaded, for the command may be static.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <time.h>
#include <unistd.h>

enum { TASKS = 256 };

struct task {
	pid_t pid;
	unsigned long nr, arg[2];	/* of the call it is in */
};

static struct task tasks[TASKS];
static unsigned long later;

static void give_up(const char *what)
{
	fprintf(stderr, "cklater: %s: %s\n", what, strerror(errno));
	exit(125);
}

static struct task *task(pid_t pid)
{
	struct task *free = NULL;

	for (int i = 0; i < TASKS; i++) {
		if (tasks[i].pid == pid)
			return &tasks[i];
		if (!tasks[i].pid && !free)
			free = &tasks[i];
	}
	if (!free)
		give_up("too many processes");
	memset(free, 0, sizeof *free);
	free->pid = pid;
	return free;
}

/* Where a process's stack began, field 28 of stat in proc(5). */
static unsigned long start_of_stack(pid_t pid)
{
	char path[64], line[2048], *p = NULL;
	FILE *stat;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	stat = fopen(path, "r");
	if (stat && fgets(line, sizeof line, stat))
		p = strrchr(line, ')');
	if (stat)
		fclose(stat);
	for (int field = 2; p && field < 28; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		give_up(path);
	return strtoul(p, NULL, 10);
}

static unsigned long peek(pid_t pid, unsigned long at)
{
	unsigned long word;

	errno = 0;
	word = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, at, 0);
	if (errno)
		give_up("PTRACE_PEEKDATA");
	return word;
}

/*
 * In the auxiliary vector, which a new image has on its stack behind argc,
 * argv, NULL, environ, NULL, AT_SYSINFO_EHDR becomes AT_IGNORE.
 */
static void hide_vdso(pid_t pid)
{
	enum { WORD = sizeof(unsigned long) };
	unsigned long at = start_of_stack(pid);

	at += WORD * (peek(pid, at) + 2);
	while (peek(pid, at) != 0)
		at += WORD;
	for (at += WORD; peek(pid, at) != AT_NULL; at += 2 * WORD)
		if (peek(pid, at) == AT_SYSINFO_EHDR &&
		    ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE) < 0)
			give_up("PTRACE_POKEDATA");
}

/* time_t is a long wherever this runs, or the call has another number. */
static void shift(pid_t pid, unsigned long address)
{
	unsigned long sec = peek(pid, address);

	if (ptrace(PTRACE_POKEDATA, pid, address, sec + later) < 0)
		give_up("moving the clock");
}

static void system_call(struct task *t)
{
	struct ptrace_syscall_info info;

	if (ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, t->pid,
	    sizeof info, &info) < 0)
		give_up("PTRACE_GET_SYSCALL_INFO");
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		t->nr = (unsigned long)info.entry.nr;
		t->arg[0] = (unsigned long)info.entry.args[0];
		t->arg[1] = (unsigned long)info.entry.args[1];
		return;
	}
	if (info.op != PTRACE_SYSCALL_INFO_EXIT || info.exit.is_error)
		return;
	if (t->nr == SYS_clock_gettime && (t->arg[0] == CLOCK_REALTIME ||
	    t->arg[0] == CLOCK_REALTIME_COARSE))
		shift(t->pid, t->arg[1]);
#ifdef SYS_gettimeofday
	if (t->nr == SYS_gettimeofday && t->arg[0])
		shift(t->pid, t->arg[0]);
#endif
#ifdef SYS_time
	if (t->nr == SYS_time)
		fputs("cklater: time(2) is not moved\n", stderr);
#endif
}

static int stopped(pid_t pid, int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		system_call(task(pid));
		return 0;
	}
	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
		hide_vdso(pid);
		return 0;
	}
	/* Events, and the stop that a new child begins with. */
	if (status >> 16 || (sig == SIGSTOP && !task(pid)->nr))
		return 0;
	return sig;
}

int main(int argc, char **argv)
{
	pid_t child;

	if (argc < 3)
		return 125;
	later = strtoul(argv[1], NULL, 10);
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || waitpid(child, NULL, 0) < 0)
		give_up("fork");
	if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD |
	    PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	    PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_SYSCALL, child, 0, 0) < 0)
		give_up("ptrace");
	for (;;) {
		int status, sig = 0;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0)
			give_up("waitpid");
		if (WIFSTOPPED(status)) {
			sig = stopped(pid, status);
			ptrace(PTRACE_SYSCALL, pid, 0, sig);
			continue;
		}
		task(pid)->pid = 0;
		if (pid != child)
			continue;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		return 128 + WTERMSIG(status);
	}
}
