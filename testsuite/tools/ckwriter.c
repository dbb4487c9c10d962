/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckwriter MAILDIR ID OPERATIONS NAUGHTY SPEED: delivers, sees, flags and
 * expunges messages of its own in a Maildir, as fast as it can, until SIGTERM
 * has come and OPERATIONS are done.  SPEED > 0 pauses so many microseconds
 * every 16 operations.  One change of flags in NAUGHTY (0: none) writes them
 * in the wrong order.
 *
 * Others may rename its messages meanwhile: then it looks for the base name,
 * as mail programs do.  At the end it prints its ledger:
 *
 *	have NUMBER SIZE	a message that has to be there, once
 *	gone NUMBER SIZE	one that it has expunged
 *	lost NUMBER 0		one that was not to be found any more
 *	sum OPERATIONS DELIVERED SEEN FLAGGED EXPUNGED SEARCHED BESIDE
 *
 * BESIDE operations were done before SIGTERM came.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEEP = 300, LOST = 1000, TRIES = 200 };

struct message {
	unsigned number, size;
	char info[16];		/* "" while it is in new/ */
};

static struct message have[KEEP];
static unsigned count, number, lost[LOST], nlost;
static unsigned long operations, beside, sums[5];	/* as printed */
static int id, naughty;
static unsigned seed;
static volatile sig_atomic_t stop;

enum { DELIVERED, SEEN, FLAGGED, EXPUNGED, SEARCHED };

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static unsigned chance(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void give_up(const char *what)
{
	fprintf(stderr, "ckwriter %d: %s: %s\n", id, what, strerror(errno));
	exit(1);
}

static void base_name(char *out, size_t n, unsigned number_, unsigned size)
{
	snprintf(out, n, "%u.M%uP%d.live,S=%u", 1650000000 + number_,
	    number_, id, size);
}

static void path_of(char *out, size_t n, const struct message *m)
{
	char base[128];

	base_name(base, sizeof base, m->number, m->size);
	snprintf(out, n, "%s/%s%s", m->info[0] ? "cur" : "new", base, m->info);
}

/* The test makes the same text to compare. */
static size_t text_of(char *out, size_t n, unsigned number_)
{
	size_t len = (size_t)snprintf(out, n, "From: writer%d@example.org\n"
	    "Date: Fri, 15 Apr 2022 05:20:00 +0000\nMessage-ID: <%d.%u@live>\n"
	    "Subject: %u\n\n", id, id, number_, number_);

	for (unsigned i = 0; i < number_ % 40; i++)
		len += (size_t)snprintf(out + len, n - len,
		    "line %u of message %u by %d\n", i, number_, id);
	return len;
}

static void deliver(void)
{
	struct message *m = &have[count];
	char text[4096], tmp[160], to[160];
	size_t len = text_of(text, sizeof text, ++number);
	int fd;

	*m = (struct message){ .number = number, .size = (unsigned)len };
	path_of(to, sizeof to, m);
	snprintf(tmp, sizeof tmp, "tmp/%s", to + 4);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, text, len / 2) < 0 ||
	    write(fd, text + len / 2, len - len / 2) < 0 || close(fd) < 0)
		give_up(tmp);
	/* Half of them as qmail does, the others as Dovecot. */
	if (number % 2) {
		if (link(tmp, to) < 0 || unlink(tmp) < 0)
			give_up(to);
	} else if (rename(tmp, to) < 0) {
		give_up(to);
	}
	count++;
	sums[DELIVERED]++;
}

/* Looks in both directories for a name; false when there is none. */
static int search(struct message *m)
{
	static const char *const dirs[] = { "new", "cur" };
	char base[128];
	size_t n;

	sums[SEARCHED]++;
	base_name(base, sizeof base, m->number, m->size);
	n = strlen(base);
	for (int i = 0; i < 2; i++) {
		DIR *d = opendir(dirs[i]);
		struct dirent *e;

		if (!d)
			give_up(dirs[i]);
		while ((e = readdir(d)) != NULL) {
			if (strncmp(e->d_name, base, n) != 0 ||
			    (e->d_name[n] && e->d_name[n] != ':'))
				continue;
			if (strlen(e->d_name + n) < sizeof m->info)
				strcpy(m->info, e->d_name + n);
			closedir(d);
			return 1;
		}
		closedir(d);
	}
	return 0;
}

static void forget(unsigned i)
{
	have[i] = have[--count];
}

/* One change of message i, tried again under its new name if it has one. */
static void change(unsigned i, const char *info)
{
	struct message *m = &have[i], next;
	char from[160], to[160];

	for (int tries = 0; tries < TRIES; tries++) {
		int r;

		path_of(from, sizeof from, m);
		next = *m;
		if (info)
			strcpy(next.info, info);
		path_of(to, sizeof to, &next);
		r = info ? rename(from, to) : unlink(from);
		if (r == 0) {
			if (info) {
				sums[m->info[0] ? FLAGGED : SEEN]++;
				*m = next;
			} else {
				sums[EXPUNGED]++;
			}
			return;
		}
		if (errno != ENOENT)
			give_up(from);
		search(m);
	}
	if (nlost < LOST)
		lost[nlost++] = m->number;
	forget(i);
}

static void flags(char *info)
{
	static const char letters[] = "DFPRST";
	int wrong = naughty && chance((unsigned)naughty) == 0;
	char *p = info + sprintf(info, ":2,");

	for (int i = 0; i < 6; i++)
		if (chance(3) == 0 || (wrong && i < 2))
			*p++ = letters[i];
	*p = '\0';
	if (wrong) {
		char first = info[3];

		info[3] = info[4];
		info[4] = first;
	}
}

static void expunge(unsigned i)
{
	struct message m = have[i];
	unsigned before = count;

	change(i, NULL);
	if (count < before)
		return;		/* it was lost */
	printf("gone %u %u\n", m.number, m.size);
	forget(i);
}

static void one(void)
{
	char info[16];
	unsigned i, what = chance(10);

	operations++;
	if (count == 0 || (what < 2 && count < KEEP)) {
		deliver();
		return;
	}
	i = chance(count);
	if ((what == 2 && count > KEEP / 2) || count == KEEP) {
		expunge(i);
		return;
	}
	flags(info);
	change(i, info);
}

/* A file beside the Maildir: enough is done, whenever it is to end. */
static void tell(void)
{
	char name[32];

	snprintf(name, sizeof name, "../enough%d", id);
	if (close(open(name, O_WRONLY | O_CREAT, 0600)) < 0)
		give_up(name);
}

int main(int argc, char **argv)
{
	unsigned long least;
	long pause;

	if (argc != 6 || chdir(argv[1]) < 0)
		give_up("usage, or Maildir");
	id = atoi(argv[2]);
	least = strtoul(argv[3], NULL, 10);
	naughty = atoi(argv[4]);
	pause = atol(argv[5]);
	seed = (unsigned)id * 7919;
	signal(SIGTERM, on_term);
	while (!stop || operations < least) {
		one();
		beside += !stop;
		if (operations == least)
			tell();
		if (pause && !stop && operations % 16 == 0)
			nanosleep(&(struct timespec){ 0, pause * 1000 }, NULL);
	}
	for (unsigned i = 0; i < count; i++)
		printf("have %u %u\n", have[i].number, have[i].size);
	for (unsigned i = 0; i < nlost; i++)
		printf("lost %u 0\n", lost[i]);
	printf("sum %lu %lu %lu %lu %lu %lu %lu\n", operations, sums[0],
	    sums[1], sums[2], sums[3], sums[4], beside);
	return fflush(stdout) != 0;
}
