/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each process may do works, and what it must not do is refused or
 * ends it.  Also run in guests, on kernels and machines other than ours.
 */
#include "sandbox.h"

#include <dirent.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "auth.h"
#include "sandboxtries.h"
#include "sandboxuser.h"

/* ---- the parser ---- */

static int bad_open(void)
{
	return result(openat(AT_FDCWD, "/", O_RDONLY));
}

static int bad_stat(void)
{
	struct stat st;

	return result(fstatat(AT_FDCWD, "/", &st, 0));
}

static int bad_memory(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	    0) == MAP_FAILED ? errno : 0;
}

static const struct trial parsers[] = {
	{ "a connection", do_connection, 0 },
	{ "how much is unsent", do_unsent, 0 },
	{ "the log", do_log, 0 },
	{ "open", bad_open, KILLED },
	{ "stat", bad_stat, KILLED },
	{ "memory", bad_memory, KILLED },
	{ "an ioctl that types", no_ioctl, EACCES },
	{ NULL, NULL, 0 }
};

/* A child that says when it is inside, and waits there. */
static pid_t waiting(action *begin)
{
	pid_t pid = fork_with_pair();
	struct pollfd p = { .fd = pair[1], .events = POLLIN };
	char c = 'x';

	if (pid == 0) {
		if (begin())
			_exit(200);
		(void)!write(pair[0], &c, 1);
		_exit(read(pair[0], &c, 1) == 1 && c == 'y' ? 0 : 1);
	}
	if (poll(&p, 1, 10000) == 1)
		(void)!read(p.fd, &c, 1);
	return pid;
}

static rlim_t limit_of(pid_t pid, int what)
{
	struct rlimit r = { .rlim_max = 12345 };

	(void)!prlimit(pid, what, NULL, &r);
	return r.rlim_max;
}

static void limits(const char *who, action *begin, rlim_t files)
{
	pid_t pid = waiting(begin);

	ok(limit_of(pid, RLIMIT_NPROC) == 0, "%s: no processes", who);
	ok(limit_of(pid, RLIMIT_CORE) == 0, "%s: no core", who);
	ok(!files || limit_of(pid, RLIMIT_NOFILE) == files, "%s: files", who);
	/* A stop in a call makes it begin again, by a call of its own. */
	kill(pid, SIGSTOP);
	kill(pid, SIGCONT);
	(void)!write(pair[1], "y", 1);
	ok(ended(pid) == 0, "%s: goes on after a stop", who);
}

static int stopped_poll(void)
{
	struct pollfd p = { .fd = pair[0], .events = POLLIN };

	(void)!write(pair[0], "x", 1);
	return poll(&p, 1, 300);
}

/* poll(2) with a time goes on by restart_syscall(2). */
static void restarts(const char *who, action *begin)
{
	pid_t pid = fork_with_pair();
	char c;

	if (pid == 0)
		_exit(begin() ? 200 : stopped_poll());
	(void)!read(pair[1], &c, 1);
	usleep(50000);
	kill(pid, SIGSTOP);
	usleep(50000);
	kill(pid, SIGCONT);
	ok(ended(pid) == 0, "%s: poll goes on after a stop", who);
}

static int leave(void)
{
	static const gid_t group[2] = { 12, 34 };

	if (geteuid() == 0 && setgroups(2, group) < 0)
		return 1;
	return sb_leave(NOBODY);
}

static int parser_alone(void)
{
	sb_private(false);
	return leave() || parser();
}

/* It ends with its monitor, even one that was killed. */
static void orphan(void)
{
	struct pollfd p = { .events = POLLIN };
	int end[2];
	pid_t pid;
	char c;

	(void)!pipe(end);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		close(end[0]);
		waiting(parser_alone);
		(void)!write(end[1], "x", 1);
		pause();
	}
	close(end[1]);
	(void)!read(end[0], &c, 1);
	kill(pid, SIGKILL);
	(void)ended(pid);
	p.fd = end[0];
	ok(poll(&p, 1, 10000) == 1 && read(end[0], &c, 1) == 0,
	    "parser: ends with its monitor");
	close(end[0]);
}

/* ---- the checker ---- */

static int do_read_file(void)
{
	char line[80];
	int fd = openat(AT_FDCWD, "outside/users", O_RDONLY);

	if (fd < 0)
		return errno;
	return read(fd, line, sizeof line) > 0 ? result(close(fd)) : EIO;
}

#if ENABLE_FEATURE_MDPOP3D_AUTH		/* or there is no libcrypt */
static int do_check(void)
{
	static const char name[][5] = { "mary", "anne", "cate", "jane" };
	static struct au_user u;

	for (int i = 0; i < 4; i++) {
		int e = (int)au_check("outside/users", name[i], "secret", 0,
		    &u);

		/* Not every crypt(3) knows jane's. */
		if (e != AU_OK && (e != AU_SCHEME || i < 3))
			return 100 + i;
	}
	return 0;
}

static int do_check_system(void)
{
	static struct au_user u;

	return au_check(NULL, "no-such-user", "x", 0, &u) == AU_OK;
}
#endif

static int no_write(void)
{
	return result(openat(AT_FDCWD, "outside/users", O_WRONLY));
}

static int no_append(void)
{
	return result(openat(AT_FDCWD, "outside/users", O_RDWR | O_APPEND));
}

static int no_truncate(void)
{
	return result(openat(AT_FDCWD, "outside/users", O_TRUNC));
}

#ifdef SYS_open
static int no_old_open(void)
{
	return result(syscall(SYS_open, "outside/users", O_RDONLY));
}
#endif

static int bad_unlink(void)
{
	return result(unlinkat(AT_FDCWD, "outside/users", 0));
}

static int bad_rename(void)
{
	return md_rename(AT_FDCWD, "outside/users", AT_FDCWD, "outside/x");
}

static const struct trial checkers[] = {
	{ "reads a file", do_read_file, 0 },
#if ENABLE_FEATURE_MDPOP3D_AUTH
	{ "a login", do_check, 0 },
	{ "somebody unknown", do_check_system, 0 },
#endif
	{ "open to write", no_write, EACCES },
	{ "open to append", no_append, EACCES },
	{ "open to truncate", no_truncate, EACCES },
	{ "open to create", no_create, EACCES },
#ifdef SYS_open
	{ "the old open", no_old_open, EACCES },
#endif
	{ "unlink", bad_unlink, KILLED },
	{ "rename", bad_rename, KILLED },
	{ "ioctl", no_ioctl, KILLED },
	{ NULL, NULL, 0 }
};

/* ---- an empty directory ---- */

static int do_alone(void)
{
	gid_t groups[1];
	uid_t r, e, s;
	gid_t rg, eg, sg;

	(void)!getresuid(&r, &e, &s);
	(void)!getresgid(&rg, &eg, &sg);
	return r != NOBODY || e != NOBODY || s != NOBODY || rg != NOBODY ||
	    eg != NOBODY || sg != NOBODY || getgroups(0, groups) != 0;
}

static int do_nothing_there(void)
{
	int n = 0;
	DIR *d = opendir("/");

	while (d && readdir(d))
		n++;
	/* a directory that is gone does not open; one of ours has two */
	return (d ? n != 2 && n != 0 : errno != ENOENT && errno != EACCES) ||
	    access("..//proc", F_OK) == 0;
}

static int no_root(void)
{
	return result(setuid(0));
}

static int no_chroot(void)
{
	int e = result(chroot("/"));

	return e == EACCES ? EPERM : e;	/* of a directory without a mode */
}

static int do_make_nothing(void)
{
	return mkdir("/x", 0700) == 0 ||
	    open("/x", O_WRONLY | O_CREAT, 0600) >= 0;
}

static const struct trial alone[] = {
	{ "another user, no groups", do_alone, 0 },
	{ "an empty directory", do_nothing_there, 0 },
	{ "nothing can be made", do_make_nothing, 0 },
	{ "no way back to root", no_root, EPERM },
	{ "nor to another root", no_chroot, EPERM },
	{ NULL, NULL, 0 }
};

/* /proc is hidden by an emptier one: a directory of our own it is. */
static int leave_without_proc(void)
{
	if (chroot(home) < 0 || chdir("/") < 0)
		return 1;
	mkdir("tmp", 01777);
	return sb_leave(NOBODY);
}

static void leaving(void)
{
	char dir[64];
	int n = 0;
	DIR *d;

	if (geteuid() != 0) {
		ok(sb_leave(NOBODY) == 0, "not root: nothing to leave");
		return;
	}
	try_all("alone", leave, alone, true);
	try_all("alone, no proc", leave_without_proc, alone, true);
	snprintf(dir, sizeof dir, "%s/tmp", home);
	d = opendir(dir);
	while (d && readdir(d))
		n++;
	ok(n == 2, "the directory of our own is gone");
	if (d)
		closedir(d);
}

/* ---- secrets ---- */

static int do_private(void)
{
	sb_private(false);
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != ENABLE_SANITIZE ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static int do_private_exec(void)
{
	sb_private(true);
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != ENABLE_SANITIZE ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0;
}

/* ---- all of it, as root and as somebody else ---- */

static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	return setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 ||
	    setuid(NOBODY) < 0;
}

static int parser_nobody(void)
{
	return become_nobody() || parser();
}

static int user_nobody(void)
{
	return become_nobody() || user();
}

/* The log's socket is dead: another is not to be had, but no harm done. */
static int parser_deaf(void)
{
	return shutdown(pair[0], SHUT_RDWR) < 0 || parser();
}

static int user_deaf(void)
{
	return shutdown(pair[0], SHUT_RDWR) < 0 || user();
}

static int tell(void)
{
	struct sb got;
	int e = sb_user(md.root, &got);

	return e ? 200 : got.landlock << 1 | got.seccomp;
}

static void kernel(void)
{
	sb_probe(&has);
	printf("# seccomp %d, landlock %d\n", has.seccomp, has.landlock);
	ok(ENABLE_SANITIZE || in_child(nothing, tell) ==
	    (has.landlock << 1 | has.seccomp),
	    "what a probe says is what holds");
}

static void processes(void)
{
	try_all("parser", parser, any, has.seccomp);
	try_all("parser, not root", parser_nobody, any, has.seccomp);
	try_all("parser", parser, parsers, has.seccomp);
	try_all("parser, alone", parser_alone, parsers, has.seccomp);
	limits("parser", parser, 2);
	restarts("parser", parser);
	orphan();
	if (!ENABLE_USERDB_NSS) {
		try_all("checker", checker, any, has.seccomp);
		try_all("checker", checker, checkers, has.seccomp);
	}
	limits("user", user, 0);
	restarts("user", user);
	try_all("user", user, any, has.seccomp);
	try_all("user, not root", user_nobody, any, has.seccomp);
	try_all("user, not root", user_nobody, by_landlock, has.landlock);
	try_all("user", user, by_landlock, has.landlock);
	try_all("user", user, users, has.seccomp);
	kept();
	ok(in_child(parser_deaf, do_log) == 0, "parser: the log is lost");
	ok(in_child(user_deaf, do_log) == 0, "user: the log is lost");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	make_home();
	kernel();
	ok(in_child(nothing, do_private) == 0, "private");
	ok(in_child(nothing, do_private_exec) == 0, "private, to exec");
	leaving();
	if (!ENABLE_SANITIZE)
		processes();
	remove_home();
	return done();
}
