/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckkill N COMMAND...: ends COMMAND with SIGKILL at its Nth stop at a system
 * call, counted over all of its processes, or lets it come to its end and
 * prints the number of stops: "ckkill 0 ..." only counts.  A call has two
 * stops, before and after it does its work.
 *
 * -f FROM	counts only from the first stop on whose call has a string as
 *		one of its first two arguments that begins with FROM
 * -d CALL	what old kernels and poor file systems lack: renameat2, linkat,
 *		fchmodat2
 * -l SECONDS	lets it run as it would that much later, as cklater does; two
 *		tracers cannot be had
 * -w		counts only calls that may change files or give up a lock
 * -s		counts only fsync
 * -x SCRIPT	has sh(1) do this at that stop, and goes on
 * -c		prints, for each stop, the number of the call
 *
 * Exit status: 99 when the command was killed, else the command's; 98 when
 * there is no ptrace(2).  Built on its own: cc -o ckkill ckkill.c
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
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

static const char *from, *script;
static long later;
static bool writes_only, syncs_only;
static struct process {
	pid_t pid;
	bool counts;		/* the call that it is in */
	bool clock;		/* it asks for the time ... */
	uint64_t answer;	/* ... to be put here */
} processes[64];
static unsigned known;

static struct process *remember(pid_t pid)
{
	unsigned i = 0;

	while (i < known && processes[i].pid != pid)
		i++;
	if (i == sizeof processes / sizeof *processes)
		exit(CANNOT);
	if (i == known)
		processes[known++].pid = pid;
	return &processes[i];
}

static bool may_change(const struct call *c)
{
	static const int calls[] = {
		SYS_write, SYS_writev, SYS_pwrite64, SYS_fsync, SYS_fdatasync,
		SYS_ftruncate, SYS_fchmod, SYS_fchmodat, SYS_fchown,
		SYS_fchownat, SYS_linkat, SYS_mkdirat, SYS_renameat2,
		SYS_symlinkat, SYS_unlinkat, SYS_utimensat, SYS_flock,
		SYS_fallocate, SYS_exit_group,
#ifdef SYS_open			/* before the *at() calls there were these */
		SYS_open, SYS_creat, SYS_rename, SYS_link, SYS_unlink,
		SYS_mkdir, SYS_rmdir, SYS_chmod, SYS_symlink,
#endif
#ifdef SYS_renameat
		SYS_renameat,
#endif
		452		/* fchmodat2 */
	};

	if (c->nr == SYS_openat)
		return c->args[2] & (O_WRONLY | O_RDWR | O_CREAT);
	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
		if (c->nr == (uint64_t)calls[i])
			return true;
	return false;
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

/* True when the process enters a call; else it is leaving one. */
static bool look(pid_t pid, struct call *c)
{
	long n = ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid,
	    (void *)sizeof *c, c);

	return n > 0 && c->op == 1;
}

/* All of them, and none is left when we end: they have had locks. */
static void kill_all(void)
{
	int status;
	pid_t pid;

	for (unsigned i = 0; i < known; i++)
		kill(processes[i].pid, SIGKILL);
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

static void deny(const char *name)
{
	static const struct {
		const char *name;
		unsigned nr, error;
	} calls[] = {
		{ "renameat2", SYS_renameat2, EINVAL },
		{ "linkat", SYS_linkat, EPERM },
		{ "fchmodat2", 452, ENOSYS }
	};
	unsigned i = 0;

	while (strcmp(calls[i].name, name) != 0)
		if (++i == sizeof calls / sizeof *calls)
			exit(CANNOT);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | calls[i].error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	/* Of this process as well, which calls none of them. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		exit(CANNOT);
}

static long word_at(pid_t pid, uint64_t address)
{
	return ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)address, NULL);
}

/* Hides the vDSO: behind argv and environ, from the auxiliary vector. */
static void hide_vdso(pid_t pid)
{
	const unsigned w = sizeof(long);
	struct call c = { .sp = 0 };
	uint64_t at;

	if (!later)
		return;
	ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_INFO, pid,
	    (void *)sizeof c, &c);
	at = c.sp + w;
	for (int i = 0; i < 2; i++, at += w)
		while (word_at(pid, at) != 0)
			at += w;
	for (long type; (type = word_at(pid, at)) != AT_NULL; at += 2 * w)
		if (type == AT_SYSINFO_EHDR)
			ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)at,
			    (void *)(uintptr_t)AT_IGNORE);
}

static void shift_clock(struct process *p, bool enters, const struct call *c)
{
	if (!later)
		return;
	if (enters) {
		p->clock = c->nr == SYS_gettimeofday ||
		    (c->nr == SYS_clock_gettime && c->args[0] == 0);
		p->answer = c->args[c->nr == SYS_clock_gettime];
	} else if (p->clock && p->answer) {
		ptrace(PTRACE_POKEDATA, p->pid, (void *)(uintptr_t)p->answer,
		    (void *)(word_at(p->pid, p->answer) + later));
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
	hide_vdso(pid);
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
		struct process *p = remember(pid);
		struct call c;

		if (sig == (SIGTRAP | 0x80)) {
			bool enters = look(pid, &c);

			shift_clock(p, enters, &c);
			if (!counting && enters)
				counting = begins(pid, c.args[0]) ||
				    begins(pid, c.args[1]);
			if (enters)
				p->counts = counting &&
				    (!writes_only || may_change(&c)) &&
				    (!syncs_only || c.nr == SYS_fsync);
			stops += p->counts;
			if (show && p->counts && enters)
				fprintf(stderr, "%lu %lu\n", stops,
				    (unsigned long)c.nr);
			if (p->counts && stops == kill_at) {
				if (!script) {
					kill_all();
					return KILLED;
				}
				if (system(script) != 0)
					exit(CANNOT);
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

	while ((c = getopt(argc, argv, "+cswd:f:l:x:")) != -1) {
		if (c == 'f')
			from = optarg;
		else if (c == 'd')
			deny(optarg);
		else if (c == 'l')
			later = strtol(optarg, NULL, 10);
		else if (c == 'c')
			show = true;
		else if (c == 's')
			syncs_only = true;
		else if (c == 'w')
			writes_only = true;
		else if (c == 'x')
			script = optarg;
		else
			return CANNOT;
	}
	if (argc - optind < 2)
		return CANNOT;
	return run(strtoul(argv[optind], NULL, 10), argv + optind + 1, show);
}
