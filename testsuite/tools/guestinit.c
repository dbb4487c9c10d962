/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a guest (testsuite/lib/guest.py): loads /modules,
 * brings the network up and runs the lines of /plan one after the other,
 * as words between blanks; "&" before one leaves it running.  It tells how
 * each has ended, stays, and tells of every new kind of process of popbox:
 * who runs it, and what the kernel has taken from it.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { WORDS = 32, GUEST_ADDRESS = 0x0A00020F };	/* of qemu's network */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load(const char *name)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
		perror(name);
	close(fd);
}

static void load_modules(void)
{
	char *name[64];
	int n = 0;
	struct dirent *e;
	DIR *d = opendir("/modules");

	if (d == NULL || chdir("/modules") < 0)
		return;
	while (n < 64 && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			name[n++] = strdup(e->d_name);
	closedir(d);
	qsort(name, (size_t)n, sizeof *name, by_name);
	for (int i = 0; i < n; i++)
		load(name[i]);
	(void)!chdir("/");
}

static void bring_up(const char *name, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct ifreq r = { .ifr_flags = 0 };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(r.ifr_name, name, sizeof r.ifr_name - 1);
	in.sin_addr.s_addr = htonl(address);
	memcpy(&r.ifr_addr, &in, sizeof in);
	if (address && ioctl(s, SIOCSIFADDR, &r) < 0)
		perror(name);
	in.sin_addr.s_addr = htonl(0xFFFFFF00);
	memcpy(&r.ifr_addr, &in, sizeof in);
	if (address && ioctl(s, SIOCSIFNETMASK, &r) < 0)
		perror(name);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		perror(name);
	close(s);
}

static pid_t start(char *line)
{
	char *word[WORDS + 1];
	int n = 0;
	pid_t pid;

	for (char *p = strtok(line, " "); p && n < WORDS; p = strtok(NULL, " "))
		word[n++] = p;
	word[n] = NULL;
	fflush(stdout);
	tcdrain(STDOUT_FILENO);		/* a server does not wait for it */
	pid = fork();
	if (pid == 0) {
		execv(word[0], word);
		perror(word[0]);
		_exit(127);
	}
	return pid;
}

static void run(char *line)
{
	int status = 0;
	pid_t pid;

	if (line[0] == '&') {
		start(line + 1);
		usleep(300000);		/* one at a time has much to say */
		return;
	}
	pid = start(line);
	while (waitpid(-1, &status, 0) != pid)
		continue;
	printf("guest: ended %d: %s\n", status, line);
}

/* Of /proc/PID/status; empty where it is another's. */
static void describe(const char *pid, char *to, size_t cap)
{
	char path[64], line[256], field[32];
	unsigned value, uid = 0, gid = 0, nnp = 0, seccomp = 0;
	int ours = 0;
	FILE *f;

	to[0] = '\0';
	snprintf(path, sizeof path, "/proc/%.16s/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		ours = ours || strcmp(line, "Name:\tpopbox\n") == 0;
		if (sscanf(line, "%31s %u", field, &value) != 2)
			continue;
		if (strcmp(field, "Uid:") == 0)
			uid = value;
		else if (strcmp(field, "Gid:") == 0)
			gid = value;
		else if (strcmp(field, "NoNewPrivs:") == 0)
			nnp = value;
		else if (strcmp(field, "Seccomp:") == 0)
			seccomp = value;
	}
	if (f)
		fclose(f);
	if (ours)
		snprintf(to, cap, "uid %u gid %u nnp %u seccomp %u", uid, gid,
		    nnp, seccomp);
}

static void tell_once(const char *what)
{
	static char told[64][64];
	static int n;

	for (int i = 0; i < n; i++)
		if (strcmp(told[i], what) == 0)
			return;
	if (n == 64)
		return;
	snprintf(told[n++], sizeof told[0], "%s", what);
	printf("guest: process %s\n", what);
	fflush(stdout);
}

static void watch(void)
{
	char what[64];
	struct dirent *e;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		describe(e->d_name, what, sizeof what);
		if (what[0])
			tell_once(what);
	}
	if (d)
		closedir(d);
}

int main(void)
{
	char line[512];
	FILE *plan;

	signal(SIGHUP, SIG_IGN);
	mount("proc", "/proc", "proc", 0, NULL);
	load_modules();
	bring_up("lo", 0);
	bring_up("eth0", GUEST_ADDRESS);
	printf("guest: up\n");
	plan = fopen("/plan", "r");
	while (plan && fgets(line, sizeof line, plan)) {
		line[strcspn(line, "\n")] = '\0';
		run(line);
	}
	printf("guest: ready\n");
	fflush(stdout);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		watch();
		usleep(20000);
	}
}
