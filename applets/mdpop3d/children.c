/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_LISTEN) += applets/mdpop3d/children.o
/*
 * Who is being served, and who may be.  How a login goes the sessions tell
 * in notes, through one pipe: written whole, by a process that hears no
 * client and is nobody's yet, so that what is read can be believed.
 */
#include "children.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"

enum { EARLY_LEAST = 10 };	/* strangers, before chance decides */

struct note {
	pid_t pid;
	int32_t what;		/* enum listen_note */
};

/* What trouble costs its source, in seconds: OpenSSH's figures. */
static const unsigned char cost[] = {
	[NOTE_INCORRECT] = 5,
	[NOTE_NO_LOGIN] = 1,
	[NOTE_TOO_LATE] = 10,
	[NOTE_CRASH] = 90
};

/* Where the pipe is written: in the listener and its children. */
static int note_to = -1;

void listen_note(enum listen_note what)
{
	const struct note n = { getpid(), (int32_t)what };

	if (note_to >= 0)
		(void)fd_write(note_to, &n, sizeof n);
}

void listen_silence(void)
{
	if (note_to >= 0)
		close(note_to);
	note_to = -1;
}

static size_t table_size(const struct conf *conf)
{
	return PENALTY_SOURCES * sizeof(struct penalty) +
	    conf->sessions * sizeof(struct child);
}

int children_open(struct children *c, const struct conf *conf)
{
	void *table = mmap(NULL, table_size(conf), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pipe[2];

	/* A session does not wait for a listener that is slow to read. */
	if (table == MAP_FAILED || pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	*c = (struct children){ .conf = conf, .notes = pipe[0] };
	c->penalty = table;
	c->child = (struct child *)(c->penalty + PENALTY_SOURCES);
	note_to = pipe[1];
	return 0;
}

void children_leave(struct children *c)
{
	close(c->notes);
	munmap(c->penalty, table_size(c->conf));
}

void children_add(struct children *c, pid_t pid, const struct nio_addr *from)
{
	bool known = c->conf->preauth;

	c->child[c->n++] = (struct child){ pid, *from, known };
	c->strangers += !known;
}

static struct child *find_child(const struct children *c, pid_t pid)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->child[i].pid == pid)
			return &c->child[i];
	return NULL;
}

static int64_t most_owed(const struct children *c)
{
	return 1000 * (int64_t)c->conf->penalty_most;
}

static void charge(struct children *c, const struct child *who, int32_t what)
{
	if (what > NOTE_LOGIN && what < (int32_t)sizeof cost)
		penalty_add(c->penalty, &who->from, 1000 * cost[what],
		    most_owed(c), nio_now());
}

static void read_notes(struct children *c)
{
	struct note n;

	while (fd_read(c->notes, &n, sizeof n) == (ptrdiff_t)sizeof n) {
		struct child *who = find_child(c, n.pid);

		if (who == NULL || who->known)
			continue;
		if (n.what == NOTE_LOGIN) {
			who->known = true;
			c->strangers--;
		} else {
			charge(c, who, n.what);
		}
	}
}

static void bury(struct children *c, pid_t pid, int status)
{
	struct child *who = find_child(c, pid);

	if (who == NULL)
		return;
	if (!who->known) {
		c->strangers--;
		if (WIFSIGNALED(status) && is_fault(WTERMSIG(status)))
			charge(c, who, NOTE_CRASH);
	}
	*who = c->child[--c->n];
}

void children_reap(struct children *c)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(-1, &status, WNOHANG);
		/* Only now is all there that a dead one had to say. */
		read_notes(c);
		if (pid > 0)
			bury(c, pid, status);
	} while (pid > 0);
}

static unsigned from_source(const struct children *c,
    const struct nio_addr *from)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n; i++)
		n += same_source(&c->child[i].from, from);
	return n;
}

/*
 * Strangers that fill the table keep everybody out: once they have half of
 * it the next one is left to chance, which falls to nothing, as in sshd's
 * MaxStartups.  That is worse for who comes often than for who comes once.
 */
static bool unlucky(const struct children *c)
{
	unsigned all = c->conf->sessions, half = all / 2;
	uint32_t dice = (uint32_t)nio_usec();

	if (c->strangers < EARLY_LEAST || c->strangers <= half)
		return false;
	(void)getrandom(&dice, sizeof dice, GRND_NONBLOCK);
	return dice % (all - half) < c->strangers - half;
}

const char *children_objection(const struct children *c,
    const struct nio_addr *from)
{
	if (penalty_refuses(c->penalty, from, most_owed(c), nio_now()))
		return "too many failures from your address";
	if (c->n >= c->conf->sessions)
		return "too many sessions";
	if (from_source(c, from) >= c->conf->per_source)
		return "too many sessions from your address";
	return unlucky(c) ? "too many logins at a time" : NULL;
}
