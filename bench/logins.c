/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * logins PORT WORKERS COUNT: so many POP3 sessions with 127.0.0.1, USER,
 * PASS, STAT and QUIT, each command after the last one's answer.  Worker n
 * is the user "u<n>", whose password is "secret".  Prints the microseconds
 * that all of it took.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int port;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A command and the line that answers it, or the greeting. */
static void command(int fd, const char *text)
{
	char buf[512];
	size_t n = 0;

	if (*text && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		fail(text);
	do {
		ssize_t r = read(fd, buf + n, sizeof buf - 1 - n);

		if (r <= 0) {
			fprintf(stderr, "no answer to '%s'\n", text);
			exit(1);
		}
		n += (size_t)r;
	} while (buf[n - 1] != '\n');
	buf[n] = '\0';
	if (strncmp(buf, "+OK", 3) != 0) {
		fprintf(stderr, "'%s' to '%s'\n", buf, text);
		exit(1);
	}
}

static void session(int worker)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char user[32];
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	to.sin_port = htons((unsigned short)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	snprintf(user, sizeof user, "USER u%d\r\n", worker);
	command(fd, "");
	command(fd, user);
	command(fd, "PASS secret\r\n");
	command(fd, "STAT\r\n");
	command(fd, "QUIT\r\n");
	/* Its lock is free when it is gone. */
	while (read(fd, &c, 1) > 0)
		;
	close(fd);
}

static long long now(void)	/* microseconds */
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	int workers, count, status, bad = 0;
	long long began = now();

	if (argc != 4)
		return 2;
	port = atoi(argv[1]);
	workers = atoi(argv[2]);
	count = atoi(argv[3]) / workers;
	for (int w = 0; w < workers; w++) {
		if (fork() == 0) {
			for (int i = 0; i < count; i++)
				session(w);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	printf("%lld\n", now() - began);
	return bad;
}
