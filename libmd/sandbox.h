/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Less than a process was born with: an empty root directory, another user,
 * limits, seccomp (Linux 3.5) and Landlock (5.13, here from 5.19 on: before,
 * it forbids renames from one directory to another).  All of it is for good
 * and goes on to children.
 *
 * What the kernel lacks is left out, and told, unless SANDBOX_REQUIRED
 * wants it; a call that the rules do not know ends the process (SIGSYS).
 */
#ifndef MD_SANDBOX_H
#define MD_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/* What holds. */
struct sb {
	bool seccomp;
	int landlock;		/* its ABI version; 0: none, or too old */
};

/*
 * No core file, no /proc/PID/mem, no ptrace by others, no new privileges by
 * exec; at the start of every process that will hold a secret.  The last of
 * these not with `may_exec`: PAM's helpers may have their set-user-id bits.
 */
void sb_private(bool may_exec);

/*
 * As root: into an empty directory that nobody can fill, and to a uid, a
 * gid of the same number and no groups, for good.  Also where not root: it
 * ends when its parent does.  0 or -errno, and then the process is fit only
 * to end.
 */
int sb_leave(uid_t uid);

/*
 * Each of these leaves a process what it needs for one part of the work:
 * the parser reads, writes, waits, sends and receives on descriptors it
 * has; the checker also opens files for reading and asks for memory; the
 * user's process works in the directory `dir` and below.  *has tells what
 * holds.  0; -ENOSYS where something is missing that is required; -errno.
 */
int sb_parser(struct sb *has);
int sb_checker(struct sb *has);
int sb_user(int dir, struct sb *has);

/* What this kernel would give, without taking it. */
void sb_probe(struct sb *has);

#endif
