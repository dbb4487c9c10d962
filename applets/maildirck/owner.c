/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/owner.o
/*
 * One process a Maildir, which root turns into the Maildir's owner before
 * it looks at anything in there: then no link that the owner has laid can
 * lead anywhere that he could not go himself.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "maildirck.h"
#include "netio.h"

static int become(const struct stat *st)
{
	gid_t gid = st->st_gid;
	uid_t uid = st->st_uid;

	if (geteuid() != 0 || uid == 0)
		return 0;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -1;
	return setuid(0) < 0 ? 0 : -1;	/* must not work any more */
}

int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int enter(struct ck *ck)
{
	if (ck->root < 0)
		return ck->root;
	if (fstat(ck->root, &ck->root_st) < 0)
		return -errno;
	/* Only root can give files away, and --owner does nothing else. */
	if (!ck->o->owner && become(&ck->root_st) < 0)
		return -EPERM;
	return 0;
}

static int run(const struct options *o, int dir, const char *path)
{
	struct ck ck = { .o = o, .path = path, .root = dir, .journal = -1 };
	int64_t began = nio_usec();
	struct timespec now;
	int e = enter(&ck);

	if (e < 0) {
		trouble(&ck, "", e);
		return ck.status;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	ck.now = now.tv_sec;
	if (getrandom(&ck.seed, sizeof ck.seed, GRND_NONBLOCK) < 0)
		ck.seed = (uint64_t)now.tv_nsec * 0x9E3779B97F4A7C15;
	if (o->verb == VERB_UNDO)
		return ck.status | journal_undo(&ck, o->journal);
	if (o->verb == VERB_STAT)
		return ENABLE_FEATURE_MAILDIRCK_STAT ? stat_show(&ck) : 0;
	maildir_check(&ck);
	progress_end(&ck);
	report_summary(&ck, (uint64_t)(nio_usec() - began) / 1000);
	return ck.status;
}

int owner_run(const struct options *o, int dir, const char *path, bool alone)
{
	int status;
	pid_t pid;

	if (alone && geteuid() != 0)
		return run(o, dir, path);
	pid = fork();
	if (pid == 0)
		_exit(run(o, dir, path));
	if (dir >= 0)
		close(dir);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		if (ck_cancelled)
			(void)kill(pid, SIGTERM);
	if (pid > 0 && WIFEXITED(status))
		return WEXITSTATUS(status);
	complain(path, "", pid < 0 ? "cannot fork" : "the check was killed");
	return CK_ERROR;
}
