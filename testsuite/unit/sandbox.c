/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each process may do works, and what it must not do is refused or
 * ends it.  Also run in guests, on kernels and machines other than ours.
 */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "log.h"
#include "maildir.h"
#include "netio.h"
#include "tap.h"

enum { NOBODY = 65534, KILLED = -1, STOPPED = -2, NO_CHILD = -3 };

static struct sb has;		/* what this kernel gives */
static struct md md;
static char home[4096];		/* holds Maildir/ and outside/ */
static int pair[2];
static struct lg lg = { .ident = "sandbox", .fd = -1 };

/* ---- children ---- */

/* As the lower half of an exit status: 0, an errno or KILLED. */
static int ended(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return NO_CHILD;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return WTERMSIG(status) == SIGSYS ? KILLED : 1000 + WTERMSIG(status);
}

typedef int action(void);

/* No child hears what another was sent. */
static pid_t fork_with_pair(void)
{
	close(pair[0]);
	close(pair[1]);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	return fork();
}

static int in_child(action *begin, action *act)
{
	pid_t pid = fork_with_pair();
	int e;

	if (pid == 0) {
		e = begin();
		_exit(e ? 200 : act());
	}
	return ended(pid);
}

/* 0, or why a call has failed. */
static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int parser(void)
{
	struct sb got;

	return sb_parser(&got);
}

static int checker(void)
{
	struct sb got;

	return sb_checker(&got);
}

static int user(void)
{
	struct sb got;

	return sb_user(md.root, &got);
}

/* STOPPED: killed or, where one call does for all of a kind, refused. */
static int meets(int got, int want)
{
	if (want == STOPPED)
		return got == KILLED || got == EACCES;
	return got == want;
}

struct trial {
	const char *what;
	action *act;
	int want;
};

/* `by`: what has to be there for a refusal. */
static void try_all(const char *who, action *begin, const struct trial *t,
    bool by)
{
	for (; t->what; t++) {
		int got;

		if (t->want && !by) {
			ok(1, "%s: %s # SKIP nothing forbids it", who,
			    t->what);
			continue;
		}
		got = in_child(begin, t->act);
		ok(meets(got, t->want), "%s: %s", who, t->what);
		if (!meets(got, t->want))
			printf("# got %d, want %d\n", got, t->want);
	}
}

static int nothing(void)
{
	return 0;
}

/* ---- what any of them may do ---- */

static int do_talk(void)
{
	char c = 'x';

	if (write(pair[0], &c, 1) != 1 || read(pair[1], &c, 1) != 1)
		return errno;
	if (send(pair[0], &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return errno;
	return recv(pair[1], &c, 1, 0) == 1 ? 0 : errno;
}

static int do_poll(void)
{
	struct pollfd p[2] = {
		{ .fd = pair[0], .events = POLLIN },
		{ .fd = pair[1], .events = POLLIN }
	};

	return poll(p, 2, 10) == 0 ? 0 : errno;
}

static int do_connection(void)
{
	char line[80];
	struct nio io;
	size_t n;

	nio_init(&io, pair[1], pair[1], 1000);
	(void)!write(pair[0], "QUIT\r\n", 6);
	if (nio_line(&io, line, sizeof line, &n) || n != 4)
		return EPROTO;
	nio_puts(&io, "+OK\r\n");
	return nio_flush(&io) ? errno : nio_usec() == 0;
}

static int do_log(void)
{
	lg.fd = pair[0];
	lg_say(&lg, LG_INFO, "one line", (char *)NULL);
	return 0;
}

static int do_ids(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	return getpid() < 1 ? 1 : result(sigprocmask(SIG_BLOCK, &s, NULL));
}

static int do_skipped(void)
{
	(void)syscall(-1);
	return 0;
}

/* ---- what none of them may do ---- */

static int bad_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int bad_exec(void)
{
	char *argv[] = { NULL };

	return result(execve("/bin/sh", argv, argv));
}

static int bad_kill(void)
{
	return result(kill(getppid(), 0));
}

static int bad_setuid(void)
{
	return result(setuid(getuid()));
}

static int bad_prctl(void)
{
	return result(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static int bad_ptrace(void)
{
	return result(syscall(SYS_ptrace, 0, 0, 0, 0));
}

static int bad_chdir(void)
{
	return result(chdir("/"));
}

static int bad_symlink(void)
{
	return result(symlink("x", "y"));
}

static int bad_mkdir(void)
{
	return result(mkdir("y", 0700));
}

static int bad_chmod(void)
{
	return result(chmod("y", 0700));
}

static int bad_dup(void)
{
	return result(dup(0));
}

static int bad_socketpair(void)
{
	int s[2];

	return result(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
}

static int bad_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int bad_protect(void)
{
	static char page[8192];

	return result(mprotect((char *)((uintptr_t)(page + 4095) &
	    ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC));
}

/* To where the socket does not lead by itself. */
static int bad_address(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX };

	return result(syscall(SYS_sendto, pair[0], "x", 1, 0, &to,
	    sizeof to));
}

/* Calls by the numbers of another kind of program. */
static int bad_abi(void)
{
#if defined __x86_64__ && !defined __ILP32__
	return result(syscall(0x40000000 | SYS_getpid));
#else
	return result(syscall(SYS_getpid + 3000));
#endif
}

/* 32-bit calls have other numbers: 20 is getpid there, writev here. */
static int bad_machine(void)
{
	long r = 20;

#if defined __x86_64__
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9",
	    "r10", "r11");
#else
	r = syscall(SYS_getppid);
#endif
	return r < 0;
}

static int no_socket(void)
{
	return result(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int no_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int no_ioctl(void)
{
	char c = 'x';

	return result(ioctl(0, TIOCSTI, &c));
}

static const struct trial any[] = {
	{ "talks on what it has", do_talk, 0 },
	{ "waits", do_poll, 0 },
	{ "process and signals", do_ids, 0 },
#ifndef __s390x__		/* takes 16 bits of a number */
	{ "a call that a tracer has skipped", do_skipped, 0 },
#endif
	{ "fork", bad_fork, KILLED },
	{ "exec", bad_exec, KILLED },
	{ "kill", bad_kill, KILLED },
	{ "setuid", bad_setuid, KILLED },
	{ "prctl", bad_prctl, KILLED },
	{ "ptrace", bad_ptrace, KILLED },
	{ "chdir", bad_chdir, KILLED },
	{ "symlink", bad_symlink, KILLED },
	{ "mkdir", bad_mkdir, KILLED },
	{ "chmod", bad_chmod, KILLED },
	{ "dup", bad_dup, KILLED },
	{ "socketpair", bad_socketpair, STOPPED },
	{ "sendto with an address", bad_address, KILLED },
	{ "calls of another ABI", bad_abi, KILLED },
	{ "calls of another machine", bad_machine, KILLED },
	{ "mprotect to code", bad_protect, KILLED },
#ifndef __s390x__		/* see sandboxcalls.c */
	{ "code in memory", bad_map, KILLED },
#endif
	{ "a socket", no_socket, EACCES },
	{ "a socket of the network", no_inet, EACCES },
	{ NULL, NULL, 0 }
};

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
	char c = 'x';

	if (pid == 0) {
		if (begin())
			_exit(200);
		(void)!write(pair[0], &c, 1);
		_exit(read(pair[0], &c, 1) == 1 && c == 'y' ? 0 : 1);
	}
	(void)!read(pair[1], &c, 1);
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
		close(end[0]);
		waiting(parser);
		(void)!write(end[1], "x", 1);
		pause();
	}
	close(end[1]);
	(void)!read(end[0], &c, 1);
	kill(pid, SIGKILL);
	(void)ended(pid);
	p.fd = end[0];
	ok(poll(&p, 1, 5000) == 1 && read(end[0], &c, 1) == 0,
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

static int no_create(void)
{
	return result(openat(AT_FDCWD, "outside/more", O_CREAT, 0600));
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

/* ---- the user's ---- */

static struct md_list list;
static struct stat st;

static int do_session(void)
{
	int fd, e = md_lock(&md);

	if (!e)
		e = md_scan(&md, &list);
	if (e || list.n != 3)
		return e ? -e : 1;
	fd = md_open_message(&md, &list.e[0], &st);
	if (fd < 0)
		return -fd;
	close(fd);
	e = md_refresh(&md, &list);
	return e ? -e : 0;
}

/* new/ to cur/, which Landlock of Linux 5.13 to 5.18 would not have. */
static int do_update(void)
{
	int e = do_session();

	if (!e)
		e = -md_see(&md, &list.e[0]);
	if (!e)
		e = -md_remove(&md, &list.e[1]);
	if (!e)
		e = -md_sync(&md);
	md_unlock(&md);
	return e;
}

/* As md_rename does on a kernel or file system without renameat2(2). */
static int do_link(void)
{
	int new = md.sub[MD_NEW], cur = md.sub[MD_CUR];

	if (linkat(new, "3.c", cur, "3.c:2,", 0) < 0)
		return errno;
	return result(unlinkat(new, "3.c", 0));
}

static int no_outside(void)
{
	return result(openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int no_beside(void)
{
	return result(openat(md.root, "../outside/users", O_RDONLY));
}

static int no_symlink(void)
{
	return result(openat(md.sub[MD_CUR], ".way-out", O_RDONLY));
}

static int no_directory(void)
{
	return result(openat(md.root, "..", O_RDONLY | O_DIRECTORY));
}

static int no_unlink(void)
{
	return result(unlinkat(md.root, "../outside/users", 0));
}

static int no_rmdir(void)
{
	return result(unlinkat(md.root, "empty", AT_REMOVEDIR));
}

/* Out of it and into it; EXDEV is how Landlock says no here, too. */
static int moved(const char *from, const char *to)
{
	int e = -md_rename(md.root, from, md.root, to);

	return e == EXDEV ? EACCES : e;
}

static int no_out(void)
{
	return moved("cur/.kept", "../outside/kept");
}

static int no_in(void)
{
	return moved("../outside/users", "cur/users");
}

static int no_link(void)
{
	int e = result(linkat(md.root, "../outside/users", md.root,
	    "cur/users", 0));

	return e == EXDEV ? EACCES : e;
}

static int bad_bind(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX };

	return result(bind(pair[0], (const struct sockaddr *)&to, sizeof to));
}

static const struct trial by_landlock[] = {
	{ "open of another's file", no_outside, EACCES },
	{ "open of a file beside", no_beside, EACCES },
	{ "open through a symbolic link", no_symlink, EACCES },
	{ "open of a directory", no_directory, EACCES },
	{ "unlink of a file beside", no_unlink, EACCES },
	{ "rmdir", no_rmdir, EACCES },
	{ "rename out of it", no_out, EACCES },
	{ "rename into it", no_in, EACCES },
	{ "link into it", no_link, EACCES },
	{ NULL, NULL, 0 }
};

static int no_write_own(void)
{
	return result(openat(md.sub[MD_CUR], ".kept", O_WRONLY));
}

static const struct trial users[] = {
	{ "a connection", do_connection, 0 },
	{ "the log", do_log, 0 },
	{ "reads the Maildir", do_session, 0 },
	{ "links within the Maildir", do_link, 0 },
	{ "updates the Maildir", do_update, 0 },
	{ "open to write", no_write_own, EACCES },
	{ "open to create", no_create, EACCES },
	{ "an ioctl that types", no_ioctl, EACCES },
	{ "bind", bad_bind, STOPPED },
	{ NULL, NULL, 0 }
};

static void file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	(void)!write(fd, text, strlen(text));
	close(fd);
}

/* A password of each scheme; the last one's takes memory. */
static const char hashes[] =
    "mary:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1:1000:1000::/:\n"
    "anne:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv"
    "72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.:1000:1000::/:\n"
    "cate:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
    ":1000:1000::/:\n"
    "jane:$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5Xi"
    "VCe.:1000:1000::/:\n";

/* Three messages, and things for the hostile to reach for. */
static void make_home(void)
{
	char name[] = "sandbox.XXXXXX";

	if (mkdtemp(name) == NULL || chmod(name, 0755) < 0 || chdir(name) < 0)
		exit(1);
	(void)!getcwd(home, sizeof home);
	mkdir("Maildir", 0700);
	mkdir("Maildir/new", 0700);
	mkdir("Maildir/cur", 0700);
	mkdir("Maildir/tmp", 0700);
	mkdir("Maildir/empty", 0700);
	mkdir("outside", 0755);
	file("outside/users", hashes);
	file("Maildir/new/1.a", "one\n");
	file("Maildir/new/3.c", "three\n");
	file("Maildir/cur/2.b:2,S", "two\n");
	file("Maildir/.kept", "");
	(void)!rename("Maildir/.kept", "Maildir/cur/.kept");
	(void)!symlink("../../outside/users", "Maildir/cur/.way-out");
	ok(md_open(&md, AT_FDCWD, "Maildir") == 0, "the Maildir opens");
}

static void kept(void)
{
	ok(access("outside/users", F_OK) == 0 &&
	    access("outside/kept", F_OK) < 0 &&
	    access("Maildir/cur/users", F_OK) < 0, "nothing came or went");
	ok(access("Maildir/cur/1.a:2,", F_OK) == 0 &&
	    access("Maildir/new/1.a", F_OK) < 0, "from new/ to cur/");
	ok(access("Maildir/cur/2.b:2,S", F_OK) < 0, "removed");
	ok(access("Maildir/cur/3.c:2,", F_OK) == 0 &&
	    access("Maildir/new/3.c", F_OK) < 0, "by a link");
}

/* ---- an empty directory ---- */

static int leave(void)
{
	return sb_leave(NOBODY);
}

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
	char dir[4200];
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

static int parser_alone(void)
{
	sb_private(false);
	return leave() || parser();
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
	ok(ENABLE_SANITIZE || in_child(nothing, tell) == (has.landlock << 1 | has.seccomp),
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
	return done();
}
