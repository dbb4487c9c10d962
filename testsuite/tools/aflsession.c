/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked into a popbox for AFL++ by --wrap: a Maildir as it was, for each
 * run; no time that passes by waiting; and a look at the Maildir afterwards.
 *
 * The session is standard input, a file.  Whatever it was, no message may be
 * gone that it cannot have removed, and none may have changed.
 *
 *	WORLD		directory that is entered: t/ has the messages, new
 *			ones as new-NAME; Maildir is made anew
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
int __real_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);
int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

enum { MESSAGES = 32, CAP = 4096, INPUT = 1 << 20 };

static struct {
	char name[256];
	char text[CAP];
	size_t n;
} message[MESSAGES];
static size_t messages;
static int top = -1;
static long waited;

/* AFL++ counts it as a crash. */
static void wrong(const char *what)
{
	fprintf(stderr, "aflsession: %s\n", what);
	abort();
}

/* The test is to blame, which it should not hide. */
static void broken(const char *what)
{
	perror(what);
	abort();
}

static size_t slurp(int dir, const char *name, char *p, size_t cap)
{
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, p, cap);

	if (n < 0)
		broken(name);
	close(fd);
	return (size_t)n;
}

static DIR *list(const char *path)
{
	int fd = openat(top, path, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		broken(path);
	return dir;
}

static void empty(const char *path)
{
	DIR *dir = list(path);
	struct dirent *d;

	while ((d = readdir(dir)))
		if (d->d_name[0] != '.')
			unlinkat(dirfd(dir), d->d_name, 0);
	closedir(dir);
}

static void put(const char *name, const char *text, size_t n)
{
	char path[300];
	int fd;

	snprintf(path, sizeof path, "Maildir/%s/%s", strncmp(name, "new-", 4)
	    ? "cur" : "new", name + 4 * !strncmp(name, "new-", 4));
	fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		broken(path);
	close(fd);
}

static void build(void)
{
	DIR *dir = list("t");
	struct dirent *d;

	mkdirat(top, "Maildir", 0700);
	mkdirat(top, "Maildir/new", 0700);
	mkdirat(top, "Maildir/cur", 0700);
	mkdirat(top, "Maildir/tmp", 0700);
	empty("Maildir/new");
	empty("Maildir/cur");
	while ((d = readdir(dir)) && messages < MESSAGES) {
		if (d->d_name[0] == '.')
			continue;
		strcpy(message[messages].name, d->d_name);
		message[messages].n = slurp(dirfd(dir), d->d_name,
		    message[messages].text, CAP);
		put(d->d_name, message[messages].text, message[messages].n);
		messages++;
	}
	closedir(dir);
}

/* How often a word is in the input, in any case. */
static unsigned words(const char *p, size_t n, const char *word)
{
	unsigned found = 0;
	size_t len = strlen(word);

	for (; n >= len; p++, n--)
		found += strncasecmp(p, word, len) == 0;
	return found;
}

/* Each file that is left is one of the messages; how many there are. */
static unsigned count(const char *path)
{
	static char text[CAP];
	DIR *dir = list(path);
	struct dirent *d;
	unsigned found = 0;

	while ((d = readdir(dir))) {
		size_t n, i;

		if (d->d_name[0] == '.')
			continue;
		n = slurp(dirfd(dir), d->d_name, text, CAP);
		for (i = 0; i < messages; i++)
			if (message[i].n == n &&
			    memcmp(message[i].text, text, n) == 0)
				break;
		if (i == messages)
			wrong("a message has changed");
		found++;
	}
	closedir(dir);
	return found;
}

static void look(void)
{
	static char input[INPUT];
	ssize_t n = pread(STDIN_FILENO, input, sizeof input, 0);
	unsigned left = count("Maildir/new") + count("Maildir/cur");
	unsigned may = 0;

	if (n < 0)
		broken("standard input");
	if (words(input, (size_t)n, "QUIT"))
		may = words(input, (size_t)n, "DELE");
	if (left > messages || left + may < messages)
		wrong("messages are gone that nobody has deleted");
}

static void enter(const char *world)
{
	top = world ? open(world, O_RDONLY | O_DIRECTORY) : -1;
	if (top < 0 || fchdir(top) < 0)
		broken("WORLD");
}

int __wrap_main(int argc, char **argv)
{
	const char *world = getenv("WORLD");
	int e;

	enter(world);
	build();
	close(top);
	e = __real_main(argc, argv);
	/* The server has closed what it did not know. */
	enter(world);
	look();
	return e;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
	if (p || n)
		return __real_poll(p, n, timeout);
	waited += timeout;
	return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int e = __real_clock_gettime(id, t);

	t->tv_sec += waited / 1000 + 1;
	return e;
}
