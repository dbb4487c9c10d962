/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peak COMMAND...: runs it and prints its peak memory in KB on standard
 * error.  A process of its own, since a child counts the memory of whoever
 * forked it as well, and Python's is large.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	/* The deeper one counts where the command forks itself. */
	if (pid < 0 || waitpid(pid, &status, 0) < 0 ||
	    getrusage(RUSAGE_CHILDREN, &usage) < 0)
		return 1;
	fprintf(stderr, "\n%ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
