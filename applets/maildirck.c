/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * maildirck: fsck for Maildirs.  Checks, repairs with a journal that can be
 * undone, rescues; no byte of mail is ever thrown away.
 */
//config:config MAILDIRCK
//config:	bool "maildirck: check and repair Maildirs"
//config:	default y
//config:	help
//config:	  Finds what crashes, full disks, copies and careless programs
//config:	  leave in a Maildir, and repairs it: what -p does keeps every
//config:	  UIDL and IMAP UID, what -y does can be taken back by --undo.
//config:
//config:config FEATURE_MAILDIRCK_EXPLAIN
//config:	bool "Explain findings (--explain)"
//config:	default y
//config:	depends on MAILDIRCK
//config:	help
//config:	  What a finding means and what its repair does, as in the
//config:	  manual page.
//config:
//config:config FEATURE_MAILDIRCK_CONTROL
//config:	bool "Control files of Dovecot, Courier, quota"
//config:	default y
//config:	depends on MAILDIRCK
//config:	help
//config:	  Checks dovecot-uidlist, courierimapuiddb, maildirsize and
//config:	  their like, and keeps UIDs and UIDLs when a repair renames a
//config:	  message. Not needed where only mdpop3d serves.
//config:
//config:config FEATURE_MAILDIRCK_STAT
//config:	bool "Statistics (--stat)"
//config:	default y
//config:	depends on MAILDIRCK
//config:	help
//config:	  Counts, sizes and ages of messages, drawn in text.
//config:
//config:config FEATURE_MAILDIRCK_RESCUE
//config:	bool "Rescue (--rescue, --from-mbox)"
//config:	default y
//config:	depends on MAILDIRCK
//config:	help
//config:	  Builds a Maildir from what fsck(8) or ddrescue left over, and
//config:	  from an mbox.
//config:
//applet:APPLET(maildirck, "usr/sbin", "fsck.maildir")
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck.o
//usage:usage: maildirck [-npyi] [OPTION]... MAILDIR...
//usage:       maildirck --undo JOURNAL [MAILDIR]
//usage:       maildirck --stat [-j] MAILDIR...
//usage:       maildirck --rescue -o DEST [-jv] SOURCE...
//usage:       maildirck --from-mbox FILE [-jv] DEST
//usage:       maildirck --explain ID | --list-checks
//usage:
//usage:  -n             check only (the default)
//usage:  -p, -a         repair what changes no UIDL and no UID
//usage:  -y, -i         all safe repairs; ask before each
//usage:  --fix ID,..    also those that have to be asked for
//usage:  --dry-run      with -p, -y: print what would be done
//usage:  -c LEVEL       read names, stat, head (the default) or full
//usage:  -r, -R         subfolders (the default); all Maildirs below MAILDIR
//usage:  --no-folders   leave subfolders alone
//usage:  -E ID=SEVERITY,..  --only ID,..  --skip ID,..  --skip-list FILE
//usage:  --strict       information counts as well
//usage:  -j, -0, -S     JSON lines; names that end in NUL; a summary
//usage:  -v, -q         information too; errors only
//usage:  -C FD          progress to a descriptor; 0: a bar
//usage:  -o DEST        the Maildir that --rescue makes
//usage:  --journal FILE --no-journal
//usage:  -f, --max-changes N  make however many changes; or so many at most
//usage:  --lock-wait SEC --mem BYTES[k|m] --info-sep C --owner UID:GID
//usage:  -V             print the version
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck/maildirck.h"
#include "usage.h"

const char maildirck_usage[] = MAILDIRCK_USAGE;

int maildirck_main(int argc, char **argv);

volatile sig_atomic_t ck_cancelled;

static void cancel(int sig)
{
	(void)sig;
	ck_cancelled = 1;
}

int ck_usage_error(const char *what, const char *detail)
{
	fd_puts(STDERR_FILENO, "maildirck: ", what, detail, "\n",
	    ENABLE_FEATURE_LONG_HELP ? MAILDIRCK_SHORT : maildirck_usage,
	    (char *)NULL);
	return CK_USAGE;
}

static int each_maildir(const struct options *o, char **path)
{
	bool alone = path[1] == NULL;
	int status = 0;

	for (; *path && !ck_cancelled; path++)
		status |= o->spool ? spool_run(o, *path) :
		    owner_run(o, open_dir(AT_FDCWD, *path), *path,
		    alone);
	return status | (ck_cancelled ? CK_CANCELLED : 0);
}

/* Where no Maildir is named, the one that the journal lies in. */
static int undo(const struct options *o, char **path)
{
	char dir[4 * PATH_CAP];
	struct str s;
	const char *slash = strrchr(o->journal, '/');

	if (path[0] && path[1])
		return ck_usage_error("one Maildir: ", path[1]);
	str_init(&s, dir, sizeof dir);
	if (path[0])
		str_put(&s, path[0]);
	else if (slash)
		str_mem(&s, o->journal, (size_t)(slash + 1 - o->journal));
	else
		str_put(&s, "./");
	return owner_run(o, open_dir(AT_FDCWD, s.p), s.p, true);
}

static int other_verb(const struct options *o, char **path)
{
	struct ck ck = { .o = o, .journal = -1 };

	if (!ENABLE_FEATURE_MAILDIRCK_RESCUE)
		return ck_usage_error("not in this build", "");
	if (o->verb == VERB_RESCUE)
		return o->dest ? rescue(&ck, path) :
		    ck_usage_error("--rescue needs -o DEST", "");
	if (path[1])
		return ck_usage_error("one Maildir: ", path[1]);
	ck.path = path[0];
	return mbox_import(&ck, o->dest);
}

int maildirck_main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = cancel };
	struct options o;
	int status;
	char **path = options_parse(&o, argv, &status);

	(void)argc;
	if (!path)
		return status;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (o.verb == VERB_UNDO)
		return undo(&o, path);
	if (!path[0])
		return ck_usage_error("no Maildir", "");
	if (o.verb == VERB_STAT && !ENABLE_FEATURE_MAILDIRCK_STAT)
		return ck_usage_error("not in this build", "");
	if (o.verb == VERB_CHECK || o.verb == VERB_STAT)
		return each_maildir(&o, path);
	return other_verb(&o, path);
}
