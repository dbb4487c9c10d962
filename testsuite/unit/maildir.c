/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static struct md md;

static void fresh(void)
{
	static int number;
	char dir[32];

	snprintf(dir, sizeof dir, "m%d", number++);
	mkdir(dir, 0700);
	(void)!chdir(dir);
	mkdir("new", 0700);
	mkdir("cur", 0700);
	mkdir("tmp", 0700);
	ok(md_open(&md, AT_FDCWD, ".") == 0, "%s opens", dir);
}

static void leave(void)
{
	md_close(&md);
	(void)!chdir("..");
}

static void file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	(void)!write(fd, path, strlen(path));
	close(fd);
}

static int there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The list as one text: "new/name cur/name ". */
static const char *listing(const struct md_list *l)
{
	static char buf[1024];
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < l->n; i++)
		n += (size_t)snprintf(buf + n, sizeof buf - n, "%s/%s%s ",
		    l->e[i].sub == MD_NEW ? "new" : "cur", l->e[i].name,
		    l->e[i].mark & MD_GONE ? "(gone)" : "");
	return buf;
}

static void names(void)
{
	struct md_name n;

	md_name_parse(&n, "1234.M56P7_8.host,S=90,W=99:2,FS");
	ok(n.base == 27 && n.info == 28, "base and info");
	ok(n.sec == 1234 && n.usec == 56, "seconds and microseconds");
	ok(n.size == 90 && n.wire == 99, "sizes");
	ok(n.flags == (MD_FLAG('F') | MD_FLAG('S')) && !n.odd, "flags");
	md_name_parse(&n, "1.a,S=1,S=2:2,SF");
	ok(n.size == MD_NOSIZE, "two sizes are none");
	ok(n.odd, "unsorted flags are odd");
	md_name_parse(&n, "1.a,S=12x,W=");
	ok(n.size == MD_NOSIZE && n.wire == MD_NOSIZE && n.info == 0,
	    "malformed sizes are none");
	md_name_parse(&n, "1.a,US=5");
	ok(n.size == MD_NOSIZE, "US= is not S=");
	md_name_parse(&n, "99999999999999999999.x");
	ok(n.sec == 0, "a time beyond 64 bits is none");
	md_name_parse(&n, "letter.eml:1,x");
	ok(n.sec == 0 && n.odd && n.base == 10, "other names");
	md_name_parse(&n, "");
	ok(n.base == 0 && n.info == 0, "no name at all");
	ok(md_name_when("5.M7.h") == (5 << 20 | 7), "the sort key");
	ok(md_name_when("5.P7M3.h") == (5 << 20 | 3), "M anywhere in it");
	ok(md_name_when("5.P7.M3") == 5 << 20, "but not in the host");
	ok(md_name_when("5.PM.hM9") == 5 << 20, "nor where M is a letter");
	ok(md_name_when("99999999999999999.x") == UINT64_MAX,
	    "absurd times sort last");
}

static const char *uidl(const char *name, size_t base, uint8_t mark)
{
	static char uid[MD_UIDL_MAX + 1];
	struct md_ent m = {
		.name = name, .base = (uint16_t)base, .ino = 7, .mark = mark
	};

	md_uidl(uid, &m);
	return uid;
}

static void uidls(void)
{
	char longest[72];

	memset(longest, 'x', 71);
	longest[71] = '\0';
	is_text(uidl("1.a:2,S", 3, 0), "1.a", "C72 the base name");
	is_text(uidl(longest, 70, 0), longest + 1, "C72 of 70 bytes as well");
	ok(strlen(uidl(longest, 71, 0)) == 32, "C72 71 bytes give a hash");
	is_text(uidl("a b", 3, 0), "0cc9cd4dd26c5137b675a0d819cb9ab0",
	    "C72 a blank gives the MD5 of the base name");
	ok(strlen(uidl("a\xe4", 2, 0)) == 32, "C72 8-bit bytes too");
	is_text(uidl("", 0, 0), "d41d8cd98f00b204e9800998ecf8427e",
	    "and no name");
	is_text(uidl("1.a", 3, MD_TWIN), "fbdabdef74387c9564c0ea059421af76",
	    "C71 a twin has one of its own, by its inode");
}

static void order(void)
{
	struct md_list l;

	fresh();
	file("new/10.b");
	file("cur/10.a:2,S");
	file("new/9.z");
	file("cur/10.M5.a:2,");
	file("new/.hidden");
	file("cur/zzz");
	mkdir("new/11.dir", 0700);
	ok(symlink("9.z", "new/12.link") == 0, "a link is made");
	ok(mkfifo("cur/13.fifo", 0600) == 0, "a FIFO is made");
	ok(md_scan(&md, &l) == 0, "scanned");
	is_text(listing(&l), "cur/zzz new/9.z cur/10.a:2,S new/10.b "
	    "cur/10.M5.a:2, ", "C54 C68 the order, and what is no message");
	md_list_free(&l);
	leave();
}

/* The entry of a name, which may stand anywhere among its twins. */
static struct md_ent *entry(const struct md_list *l, int sub,
    const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->e[i].sub == sub && strcmp(l->e[i].name, name) == 0)
			return &l->e[i];
	return NULL;
}

static void merging(void)
{
	struct md_ent *linked, *a, *b;
	struct md_list l;

	fresh();
	file("new/1.moved");
	ok(link("new/1.moved", "cur/1.moved:2,S") == 0, "two names");
	file("new/2.twin");
	file("cur/2.twin:2,");
	file("cur/3.x:2,");
	ok(link("cur/3.x:2,", "cur/3.x:2,S") == 0, "two flags");
	ok(md_scan(&md, &l) == 0 && l.n == 4, "C71 one file is one message");
	linked = entry(&l, MD_CUR, "1.moved:2,S");
	ok(linked && !linked->mark, "C71 the one in cur/, where it moves to");
	ok(entry(&l, MD_CUR, "3.x:2,"), "C71 the first of two flags");
	a = entry(&l, MD_NEW, "2.twin");
	b = entry(&l, MD_CUR, "2.twin:2,");
	ok(a && b && a->mark == MD_TWIN && b->mark == MD_TWIN,
	    "C71 two files are two, and both noted");
	ok((a < b) == (a->ino < b->ino), "C54 in the order of their inodes");
	ok(md_remove(&md, linked) == 1, "a further name is told of");
	ok(md_refresh(&md, &l) == 0 && linked->sub == MD_NEW &&
	    md_remove(&md, linked) == 0, "and found, and was the last");
	rename("new/2.twin", "cur/2.twin:2,S");
	rename("cur/2.twin:2,", "new/2.twin");
	ok(md_remove(&md, a) == -ENOENT && there("new/2.twin"),
	    "a name another message has taken is not removed");
	ok(md_refresh(&md, &l) == 0 && strcmp(a->name, "2.twin:2,S") == 0 &&
	    strcmp(b->name, "2.twin") == 0, "twins are told apart");
	unlink("new/2.twin");
	ok(md_refresh(&md, &l) == 0 && b->mark == (MD_TWIN | MD_GONE) &&
	    !(a->mark & MD_GONE), "one gone is not the other");
	md_list_free(&l);
	leave();
}

static void refreshing(void)
{
	struct md_ent *kept, *gone;
	struct md_list l;

	fresh();
	file("new/1.a");
	file("new/2.b");
	file("cur/3.c:2,");
	file("new/4.d");
	file("cur/4.d:2,");
	ok(md_scan(&md, &l) == 0 && l.n == 5, "scanned");
	kept = entry(&l, MD_NEW, "4.d");
	gone = entry(&l, MD_CUR, "4.d:2,");
	rename("new/1.a", "cur/1.a:2,S");
	unlink("new/2.b");
	rename("cur/3.c:2,", "cur/3.c:2,FRS");
	file("new/0.later");
	unlink("cur/4.d:2,");
	ok(md_refresh(&md, &l) == 0 && l.n == 5, "C53 refreshed");
	ok(entry(&l, MD_CUR, "1.a:2,S") == &l.e[0] &&
	    entry(&l, MD_CUR, "3.c:2,FRS") == &l.e[2],
	    "C86 names are new, numbers are not");
	ok((l.e[1].mark & MD_GONE) && (gone->mark & MD_GONE) &&
	    !(kept->mark & MD_GONE), "no twin is taken for the other");
	file("cur/3.other");
	rename("cur/3.other", "cur/3.c:2,FRS");
	ok(md_refresh(&md, &l) == 0 &&
	    l.e[2].mark == (MD_GONE | MD_REPLACED), "another file of the "
	    "name is not this message");
	ok(md_remove(&md, &l.e[2]) == -ENOENT && there("cur/3.c:2,FRS"),
	    "nor removed for it");
	md_list_free(&l);
	leave();
}

static void moving(void)
{
	struct md_list l;

	fresh();
	file("new/1.a");
	file("new/2.b:2,F");
	file("new/3.c");
	file("cur/3.c:2,");
	ok(md_scan(&md, &l) == 0, "scanned");
	for (size_t i = 0; i < l.n; i++)
		if (l.e[i].sub == MD_NEW)
			(void)md_see(&md, &l.e[i]);
	ok(there("cur/1.a:2,") && there("cur/2.b:2,F"),
	    "C107 :2, is added where there is no info");
	ok(there("new/3.c") && there("cur/3.c:2,"),
	    "C107 nothing is overwritten");
	file("a");
	file("b");
	ok(md_rename(md.root, "a", md.root, "b") == -EEXIST && there("a"),
	    "nor by any rename");
	ok(md_sync(&md) == 0, "synced");
	md_list_free(&l);
	leave();
}

static void opening(void)
{
	struct md_ent m = { .name = "1.x", .sub = MD_NEW };
	struct stat st;
	struct md other;
	int fd;

	fresh();
	file("new/1.x");
	fd = md_open_message(&md, &m, &st);
	ok(fd >= 0 && st.st_size == 7, "a message opens");
	close(fd);
	unlink("new/1.x");
	ok(md_open_message(&md, &m, &st) == -ENOENT, "one gone does not");
	ok(symlink("/etc/passwd", "new/1.x") == 0, "a link stands there");
	ok(md_open_message(&md, &m, &st) == -ELOOP, "C68 and is refused");
	unlink("new/1.x");
	ok(mkfifo("new/1.x", 0600) == 0, "a FIFO stands there");
	ok(md_open_message(&md, &m, &st) == -EINVAL, "C68 and cannot hang us");
	ok(md_lock(&md) == 0, "locked");
	ok(md_open(&other, AT_FDCWD, ".") == 0 &&
	    md_lock(&other) == -EWOULDBLOCK, "C116 the lock excludes");
	md_close(&md);
	ok(md_lock(&other) == 0, "C116 and goes with its holder");
	md = other;
	leave();
	ok(symlink("m0", "link") == 0, "a link to a Maildir");
	ok(md_open(&other, AT_FDCWD, "link") < 0, "is not followed");
	ok(md_open(&other, AT_FDCWD, "link/") == 0, "but for a slash");
	md_close(&other);
	mkdir("empty", 0700);
	ok(md_open(&other, AT_FDCWD, "empty") == -ENOENT, "no Maildir");
	ok(symlink("/tmp", "empty/new") == 0 &&
	    md_open(&other, AT_FDCWD, "empty") < 0, "no link for new/");
}

static void delivering(void)
{
	struct md_delivery d;
	char path[300];

	fresh();
	ok(md_deliver_begin(&md, &d) == 0, "a delivery begins");
	snprintf(path, sizeof path, "tmp/%s", d.name);
	ok(there(path), "in tmp/");
	ok(write(d.fd, "x\n", 2) == 2 && md_deliver_end(&md, &d) == 0, "ends");
	ok(!there(path), "not in tmp/ any more");
	snprintf(path, sizeof path, "new/%s", d.name);
	ok(there(path), "in new/");
	ok(md_deliver_begin(&md, &d) == 0, "another");
	snprintf(path, sizeof path, "new/%s", d.name);
	file(path);
	ok(md_deliver_end(&md, &d) == -EEXIST, "never overwrites");
	snprintf(path, sizeof path, "tmp/%s", d.name);
	ok(!there(path), "and leaves nothing behind");
	ok(md_deliver_begin(&md, &d) == 0, "a third");
	snprintf(path, sizeof path, "tmp/%s", d.name);
	md_deliver_abort(&md, &d);
	ok(!there(path), "an aborted one is gone");
	leave();
}

/*
 * A message that moves while it is looked for is never missed when it can
 * be seen only to move on: from new/ to cur/, or to other flags.
 */
static void moving_target(void)
{
	char path[64];
	struct md_list l;
	size_t missed = 0, scans = 0;
	pid_t pid;

	fresh();
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof path, "cur/%d.padding.host:2,", i);
		file(path);
	}
	file("cur/5000.x:2,");
	pid = fork();
	while (pid == 0) {
		rename("cur/5000.x:2,", "cur/5000.x:2,S");
		rename("cur/5000.x:2,S", "cur/5000.x:2,");
	}
	for (; scans < 300; scans++) {
		if (md_scan(&md, &l) == 0)
			missed += l.n != 2001;
		md_list_free(&l);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(missed == 0, "no rename hides a message, in %zu scans", scans);
	leave();
}

/* new/ before cur/: what moves in between is seen twice, not never. */
static void new_first(void)
{
	size_t missed = 0, scans = 0;
	struct md_list l;

	fresh();
	for (; scans < 300; scans++) {
		pid_t pid;

		file("new/500.x");
		pid = fork();
		if (pid == 0) {
			rename("new/500.x", "cur/500.x:2,");
			_exit(0);
		}
		if (md_scan(&md, &l) == 0)
			missed += l.n != 1;
		md_list_free(&l);
		waitpid(pid, NULL, 0);
		unlink("cur/500.x:2,");
	}
	ok(missed == 0, "no move hides a message, in %zu scans", scans);
	leave();
}

static void many(void)
{
	struct md_list l;
	char path[64];
	size_t bad = 0;

	fresh();
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof path, "new/%d.M%d.host",
		    1000 - i % 1000, i);
		file(path);
	}
	ok(md_scan(&md, &l) == 0 && l.n == 3000, "C64 3000 messages");
	for (size_t i = 1; i < l.n; i++)
		bad += l.e[i - 1].when >= l.e[i].when;
	ok(bad == 0, "C54 all in order");
	md_list_free(&l);
	leave();
}

int main(void)
{
	char dir[] = "/tmp/popbox-unit-XXXXXX";
	char command[64];

	alarm(120);	/* an open that hangs is a failure, too */
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	names();
	uidls();
	order();
	merging();
	refreshing();
	moving();
	opening();
	delivering();
	many();
	moving_target();
	new_first();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ok(chdir("/") == 0 && system(command) == 0, "cleaned up");
	return done();
}
