/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/sandbox.o
/* What sandbox.h promises, but for seccomp: that is in sandboxcalls.c. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"
#include "sandboxcalls.h"

/* ---- Landlock, for which the libc's headers may be too old ---- */

#ifdef SYS_landlock_create_ruleset
enum { LANDLOCK = SYS_landlock_create_ruleset };
#elif defined SYS_openat2	/* 7 before it everywhere */
enum { LANDLOCK = SYS_openat2 + 7 };
#else
enum { LANDLOCK = -3 };
#endif

enum { CREATE = LANDLOCK, ADD_RULE, RESTRICT };
enum { ASK_VERSION = 1 };	/* flag of CREATE */
enum { PATH_BENEATH = 1 };	/* kind of rule */

enum {				/* rights */
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	REMOVE_FILE = 1 << 5,
	MAKE_REG = 1 << 8,
	REFER = 1 << 13		/* rename and link between directories */
};

enum { USER_RIGHTS = READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | REFER };

/* What rules are about: all there is to be denied. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct __attribute__((packed)) beneath {
	uint64_t rights;
	int32_t dir;
};

/* ABI 1 would forbid to move a message from new/ to cur/. */
static int usable_abi(void)
{
	long abi = syscall(CREATE, NULL, 0, ASK_VERSION);

	return abi < 2 ? 0 : (int)abi;
}

/* A right that this kernel has not heard of is an error to it. */
static struct ruleset all_rights(int abi)
{
	struct ruleset r = { .fs = 2 * REFER - 1 };

	if (abi >= 3)
		r.fs |= 1 << 14;	/* truncate */
	if (abi >= 5)
		r.fs |= 1 << 15;	/* ioctl of a device */
	if (abi >= 4)
		r.net = 1 << 0 | 1 << 1;	/* TCP: bind, connect */
	if (abi >= 6)
		r.scoped = 1 << 0 | 1 << 1;	/* abstract sockets, signals */
	return r;
}

/* Takes all but the user's rights below `dir`; the ABI, or 0. */
static int take_files(int dir)
{
	struct beneath b = { .rights = USER_RIGHTS, .dir = dir };
	int abi = usable_abi(), fd;
	struct ruleset r = all_rights(abi);

	if (!abi)
		return 0;
	fd = (int)syscall(CREATE, &r, sizeof r, 0);
	if (fd < 0)
		return 0;
	if (syscall(ADD_RULE, fd, PATH_BENEATH, &b, 0) < 0 ||
	    syscall(RESTRICT, fd, 0) < 0)
		abi = 0;
	close(fd);
	return abi;
}

/* ---- one process each ---- */

static int limit(int what, rlim_t most)
{
	const struct rlimit r = { .rlim_cur = most, .rlim_max = most };

	return setrlimit(what, &r);
}

/* poll(2) of more than so many fails; none can be opened any more. */
static int limit_parser(void)
{
	return limit(RLIMIT_NOFILE, 2);
}

static int confine(enum sb_part part, int dir, struct sb *has)
{
	*has = (struct sb){ .seccomp = false };
	if (ENABLE_SANITIZE)
		return 0;
	/* That the user's process will miss it is known before the greeting. */
	if (ENABLE_SANDBOX_REQUIRED && !usable_abi())
		return -ENOSYS;
	if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_NPROC, 0) < 0)
		return -errno;
	/* Both that follow want it; a kernel without it has neither. */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* The others have no call that it would be about. */
	if (part == SB_USER)
		has->landlock = take_files(dir);
	if (part == SB_PARSER && limit_parser() < 0)
		return -errno;
	has->seccomp = sb_take_calls(part);
	if (ENABLE_SANDBOX_REQUIRED && (!has->seccomp ||
	    (part == SB_USER && !has->landlock)))
		return -ENOSYS;
	return 0;
}

int sb_parser(struct sb *has)
{
	return confine(SB_PARSER, -1, has);
}

int sb_checker(struct sb *has)
{
	*has = (struct sb){ .seccomp = false };
	/* Nobody knows what a module of the name service does. */
	return ENABLE_USERDB_NSS ? 0 : confine(SB_CHECKER, -1, has);
}

int sb_user(int dir, struct sb *has)
{
	return confine(SB_USER, dir, has);
}

void sb_probe(struct sb *has)
{
	*has = (struct sb){ .seccomp = false };
	if (ENABLE_SANITIZE)
		return;
	has->landlock = usable_abi();
	has->seccomp = sb_can_take_calls();
}

void sb_private(bool may_exec)
{
	/* The sanitizers look for leaks by ptrace, and some run on exec. */
	if (!ENABLE_SANITIZE) {
		(void)limit(RLIMIT_CORE, 0);
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	if (!may_exec)
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- the empty directory ---- */

/* Into a directory that is root's own; 0 or -errno. */
static int enter(const char *path)
{
	struct stat st;
	/* Before Linux 3.6 no O_PATH would do. */
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	int e = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || fchdir(fd) < 0)
		e = -errno;
	else if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		e = -EPERM;
	close(fd);
	return e;
}

/* A new one, gone at once: in a directory without a name nothing is made. */
static int enter_new(const char *parent)
{
	char path[64];
	unsigned char chance[12] = { 0 };
	struct str s;
	int e;

	(void)!getrandom(chance, sizeof chance, GRND_NONBLOCK);
	str_init(&s, path, sizeof path);
	str_put(&s, parent);
	str_put(&s, "/.popbox-");
	str_u64(&s, (uint64_t)getpid());
	str_hex(&s, chance, sizeof chance);
	/* Root without CAP_DAC_OVERRIDE has to come in, too. */
	if (mkdir(path, S_IRUSR | S_IXUSR) < 0)
		return -errno;
	e = enter(path);
	return rmdir(path) < 0 && e == 0 ? -errno : e;
}

static int enter_empty(void)
{
	/* proc's own is always empty; nobody knows why it is there. */
	static const char parent[][5] = { "/run", "/tmp", "/dev", "" };
	int e = enter("/proc/tty/ldisc");

	for (size_t i = 0; e && i < sizeof parent / sizeof *parent; i++)
		e = enter_new(parent[i]);
	return e;
}

static int leave_root(uid_t uid)
{
	gid_t gid = (gid_t)uid;
	int e = enter_empty();

	if (e)
		return e;
	if (chroot(".") < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* The way back must be gone. */
	return setuid(0) == 0 ? -EPERM : 0;
}

int sb_leave(uid_t uid)
{
	int e = geteuid() == 0 ? leave_root(uid) : 0;

	/* Not before: a change of identity clears it. */
	if (e == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		e = -errno;
	return e;
}
