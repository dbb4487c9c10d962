/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/load.o
/*
 * load: many sessions by many processes.  The parent reads what there is to
 * read, starts the workers, waits for them and adds up.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fill.h"
#include "load.h"
#include "netio.h"
#include "script.h"

enum {
	DURATION = 10000,	/* milliseconds, when none is given */
	TICK = 100,		/* milliseconds between looks at the clock */
	GRACE = 1000000		/* microseconds for what had time enough */
};

/* What a client does that leaves mail on the server, 100 messages at most. */
static const char usual[] =
    "C: STAT\n"
    "S: +OK $n $octets\n"
    "C: LIST\n"
    "S: +OK\n"
    "S: ...\n"
    "C: UIDL\n"
    "S: +OK\n"
    "S: ...\n"
    "let all = $n <= 100\n"
    "let most = $n > 100\n"
    "let all = $all * $n\n"
    "let most = $most * 100 + $all\n"
    "for m in 1..$most\n"
    "C: RETR $m\n"
    "S: +OK\n"
    "S: ...\n"
    "end\n"
    "C: QUIT\n"
    "S: +OK\n"
    "eof\n";

/* ---- what is asked for -------------------------------------------------- */

static int refuse(struct trouble *why, const char *what, const char *rest)
{
	return trouble_set(why, PT_UNKNOWN, ST_OWN, "load: ", what, rest,
	    (char *)NULL);
}

static int check_options(const struct options *o, struct trouble *why)
{
	if (o->target.kind == TG_NONE)
		return refuse(why, "no server is given", "");
	if (o->target.kind == TG_UCSPI)
		return refuse(why, "one connection is not enough", "");
	if (o->operands[0] && (o->operands[1] || o->ledger))
		return refuse(why, "too much is given: ",
		    o->operands[o->ledger ? 0 : 1]);
	if (!o->remote && !target_is_local(&o->target))
		return refuse(why, "the server is not on this machine; "
		    "if it may be loaded, say --remote: ", o->target.host);
	return 0;
}

/* -D delete=PERCENT */
static int read_percent(struct load *l, struct trouble *why)
{
	l->delete_percent = 10;
	for (char **def = l->o->defs; def && *def; def++) {
		const char *value = str_after(*def, "delete=");
		uint64_t n;

		if (!value)
			continue;
		if (parse_u64(value, &n) < 0 || n > 100)
			return refuse(why, "no percentage: ", *def);
		l->delete_percent = (unsigned)n;
	}
	return 0;
}

static int read_script(struct load *l, struct script *s, struct trouble *why)
{
	const struct options *o = l->o;
	char text[sizeof usual + 8];
	struct str t;

	if (o->ledger)
		return read_percent(l, why);
	l->script = s;
	if (o->operands[0])
		return script_load(s, o->operands[0], why);
	str_init(&t, text, sizeof text);
	str_put(&t, o->has_user || o->users_file ? "login\n" : "S: +OK\n");
	str_put(&t, usual);
	return script_text(s, "the usual session", text, why);
}

/* In another order with each seed: not all runs begin with the same. */
static void shuffle(struct user *u, uint32_t n, uint32_t random)
{
	for (; n > 1; n--) {
		uint32_t i = random_next(&random) % n;
		struct user other = u[i];

		u[i] = u[n - 1];
		u[n - 1] = other;
	}
}

static int read_users(struct load *l, struct trouble *why)
{
	const struct options *o = l->o;
	bool one_each = !o->ledger;

	l->workers = o->workers ? o->workers :
	    o->users_file || o->ledger ? WORKERS : 1;
	if (!o->users_file)
		return 0;
	if (users_read(&l->users, o->users_file, why) < 0)
		return -1;
	shuffle((struct user *)(void *)l->users.list.p, l->users.n,
	    random_begin(l->seed, 0));
	if (one_each && l->workers > l->users.n) {
		l->workers = l->users.n;
		fd_puts(STDERR_FILENO, "pop3test: a worker for each user "
		    "of ", o->users_file, ", no more\n", (char *)NULL);
	}
	if (o->ledger && l->users.n > LEDGER_USERS) {
		l->users.n = LEDGER_USERS;
		fd_puts(STDERR_FILENO, "pop3test: the ledger has room for "
		    "64 users, the others are left out\n", (char *)NULL);
	}
	return 0;
}

/* ---- memory ------------------------------------------------------------- */

static int map_all(struct load *l, struct trouble *why)
{
	size_t users = l->users.n ? l->users.n : 1;
	size_t tallies = l->workers * sizeof *l->tally;
	size_t drops = l->o->ledger ? users * ledger_size() : 0;
	char *p = mmap(NULL, sizeof *l->sh + tallies + drops + users *
	    sizeof *l->taken, PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, "no memory");
	l->sh = (void *)p;
	p += sizeof *l->sh;
	l->tally = (void *)p;
	p += tallies;
	l->drops = drops ? (void *)p : NULL;
	p += drops;
	l->taken = (void *)p;
	return 0;
}

/* ---- workers ------------------------------------------------------------ */

static sigset_t ours, before;

static void listen_to(int sig)
{
	struct sigaction now;

	/* nohup(1), or a shell's "&", has said that it is none of ours. */
	if (sigaction(sig, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
		sigaddset(&ours, sig);
}

static void take_signals(void)
{
	static const unsigned char signals[] = {
		SIGCHLD, SIGINT, SIGTERM, SIGHUP
	};

	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof signals; i++)
		listen_to(signals[i]);
	sigprocmask(SIG_BLOCK, &ours, &before);
}

/* They begin together: when the pipe's other end is closed. */
static void be_worker(const struct load *l, uint32_t i, const int gate[2],
    pid_t parent)
{
	char none;

	/* Nobody would stop one whose parent has gone. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(gate[1]);
	(void)fd_read(gate[0], &none, 1);
	close(gate[0]);
	worker_run(l, i);
	_exit(0);
}

static int start_workers(struct load *l, struct trouble *why)
{
	const struct options *o = l->o;
	struct shared *sh = l->sh;
	pid_t parent = getpid();
	uint32_t i;
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, "pipe");
	for (i = 0; i < l->workers; i++) {
		pid_t pid = fork();

		if (pid == 0)
			be_worker(l, i, gate, parent);
		if (pid < 0)
			break;
		l->tally[i].pid = pid;
	}
	if (i < l->workers) {
		trouble_errno(why, PT_UNKNOWN, ST_OWN, "fork");
		sh->stop = 1;
	}
	sh->t0 = nio_usec();
	sh->end = o->duration ? sh->t0 + (int64_t)o->duration * 1000 :
	    o->count ? INT64_MAX / 2 : sh->t0 + DURATION * 1000;
	if (o->rate)
		sh->last_start = -(500000000 / o->rate);
	close(gate[0]);
	close(gate[1]);
	return sh->stop ? -1 : 0;
}

/* ---- waiting ------------------------------------------------------------ */

static void signal_all(const struct load *l, int sig)
{
	for (uint32_t i = 0; i < l->workers; i++)
		if (l->tally[i].pid > 0)
			kill(l->tally[i].pid, sig);
}

/*
 * A session that we had to cut off took this long at least; without it the
 * worst case would be missing.
 */
static void count_cut(struct load *l, const struct tally *t)
{
	int64_t now = nio_usec();

	l->cut++;
	if (l->interrupted)
		return;
	hist_add(&l->sh->service[V_SESSION], now - t->began);
	if (l->o->rate)
		hist_add(&l->sh->response[V_SESSION], now - t->due);
}

/* How many are left, after those that have ended. */
static uint32_t reap(struct load *l, bool ending)
{
	uint32_t left = 0;
	int status;

	for (uint32_t i = 0; i < l->workers; i++) {
		struct tally *t = &l->tally[i];

		if (t->pid > 0 && waitpid(t->pid, &status, WNOHANG) ==
		    t->pid) {
			t->pid = 0;
			if (ending && WIFSIGNALED(status) && t->began)
				count_cut(l, t);
			else if (status && !(ending && WIFSIGNALED(status)))
				l->crashed++;
		}
		left += t->pid > 0;
	}
	return left;
}

/*
 * Sessions may go on for a timeout after the end.  Who has a server that
 * sends a byte now and then would wait for ever.
 */
static void supervise(struct load *l)
{
	const struct timespec tick = { .tv_nsec = TICK * 1000000L };
	int64_t kill_at = l->sh->end + (int64_t)l->o->timeout * 1000 + GRACE;
	bool ending = false, asked = false;
	int sig = 0;

	do {
		int64_t now = nio_usec();

		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP) {
			l->interrupted = ending = true;
			l->sh->stop = 1;
			signal_all(l, SIGTERM);
			kill_at = now + GRACE;
			asked = true;
		}
		if (now > kill_at) {
			ending = true;
			signal_all(l, asked ? SIGKILL : SIGTERM);
			kill_at = now + (asked ? 0 : GRACE);
			asked = true;
		}
		load_progress(l, now);
		sig = reap(l, ending) ? sigtimedwait(&ours, NULL, &tick) :
		    -2;
	} while (sig != -2);
	l->ended = nio_usec();
}

/* ---- the end ------------------------------------------------------------ */

static bool over(int64_t limit, const struct load *l)
{
	return limit >= 0 && hist_percentile(&l->sh->response[V_SESSION],
	    9900) > limit;
}

static int exit_status(const struct load *l)
{
	const struct shared *sh = l->sh;
	const struct options *o = l->o;

	if (l->crashed || sh->failed[PT_UNKNOWN])
		return PT_UNKNOWN;
	if (sh->ok == 0 && sh->violations == 0 &&
	    !sh->failed[PT_WARNING])
		return l->interrupted ? PT_UNKNOWN : PT_CRITICAL;
	if (over(o->crit, l))
		return PT_CRITICAL;
	if (sh->failed[PT_WARNING] || sh->failed[PT_CRITICAL] ||
	    sh->violations || (l->cut && !l->interrupted) || over(o->warn, l))
		return PT_WARNING;
	return PT_OK;
}

/* What a closed loop did not measure, while it waited for an answer. */
static void correct(const struct load *l)
{
	int64_t time = (l->ended - l->sh->t0) * l->workers;

	for (int v = 0; v < PT_VERBS; v++) {
		const struct hist *from = &l->sh->service[v];
		uint64_t n = hist_count(from);
		uint64_t interval = n ? (uint64_t)time / n : 0;

		hist_correct(from, &l->sh->response[v],
		    interval > UINT32_MAX ? 0 : (uint32_t)interval);
	}
}

/*
 * Sessions that were due, but for which there was no worker until the end,
 * have waited since: the first of them longest, the others each an interval
 * less.
 */
static void count_missed(struct load *l)
{
	const struct options *o = l->o;
	struct hist *to = &l->sh->response[V_SESSION];
	static struct hist first, all;
	uint64_t ms = o->duration ? o->duration : DURATION;
	uint64_t planned = (ms * o->rate + 999999) / 1000000;

	if (o->count && (!o->duration || o->count < planned))
		planned = o->count;
	if (l->interrupted || planned <= l->sh->started)
		return;
	l->missed = (uint32_t)planned - l->sh->started;
	hist_add(&first, (l->sh->end < l->ended ? l->sh->end : l->ended) -
	    l->sh->t0 - (int64_t)((uint64_t)l->sh->started * 1000000000 /
	    o->rate));
	hist_correct(&first, &all, 1000000000 / o->rate);
	for (int i = 0; i < HIST_BUCKETS; i++)
		to->bucket[i] += all.bucket[i];
	if (to->max < all.max)
		to->max = all.max;
}

static int prepare(struct load *l, struct script *s, struct trouble *why)
{
	if (check_options(l->o, why) < 0)
		return -1;
	l->seed = l->o->seed ? l->o->seed :
	    (uint32_t)nio_usec() ^ (uint32_t)getpid() << 16;
	if (l->seed == 0)
		l->seed = 1;
	if (read_script(l, s, why) < 0 || read_users(l, why) < 0)
		return -1;
	return map_all(l, why);
}

int verb_load(const struct options *o)
{
	static struct load l;
	static struct script script;
	struct trouble why;
	int status;

	l.o = o;
	if (prepare(&l, &script, &why) < 0)
		return say_trouble(&why);
	take_signals();
	status = start_workers(&l, &why) < 0 ? say_trouble(&why) : PT_OK;
	supervise(&l);
	if (o->rate)
		count_missed(&l);
	else
		correct(&l);
	if (status == PT_OK)
		status = exit_status(&l);
	status = load_report(&l, status);
	if (l.crashed) {
		refuse(&why, "a worker has crashed", "");
		return say_trouble(&why);
	}
	return status;
}
