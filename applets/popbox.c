/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The box: finds the applet that the program was called as, and runs it.
 *
 *   mdpop3d ...          by a link of that name; a leading "-" (a login
 *                        shell's) and "in." (inetd's) do not count
 *   popbox mdpop3d ...   by the first argument, which may be a path: that is
 *                        what a script starting with #!/usr/sbin/popbox gives
 *
 * The table comes from the //applet: lines beside each applet's code.
 */
//config:config FEATURE_INSTALL
//config:	bool "popbox --install"
//config:	default y
//config:	help
//config:	  Lets the binary make the links to itself, on a system that has
//config:	  no other program for it. make install, packages and image
//config:	  builders do not need it, they go by build/popbox.links.
//config:
//kbuild:obj-y += applets/popbox.o

//usage:usage: popbox APPLET [ARGUMENT]...
//usage:       popbox --install [-s] [DIR]
//usage:       popbox --list | --list-full | --help [APPLET] | --version
//usage:
//usage:  --install    make hard links to this binary for all applets below
//usage:               DIR (default /); -s: symbolic links. What is there
//usage:               already and is not popbox stays untouched
//usage:  --list       names of the applets
//usage:  --list-full  paths of the links, without the leading slash
//usage:  --help       this text, or an applet's
//usage:  --version    version

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "usage.h"

enum { EXIT_USAGE = 100, EXIT_TEMPORARY = 111, EXIT_NO_APPLET = 127 };

#define APPLET(name, dir, links) \
	int name##_main(int argc, char **argv); \
	extern const char name##_usage[];
#include "applets.h"
#undef APPLET

struct applet {
	const char *name;
	const char *dir;	/* of the links, without the leading slash */
	const char *links;	/* further names, separated by spaces */
	int (*run)(int argc, char **argv);
	const char *usage;
};

/* Ends with a null name: with no applet configured it is still a table. */
static const struct applet applets[] = {
#define APPLET(name, dir, links) \
	{ #name, dir, links, name##_main, name##_usage },
#include "applets.h"
#undef APPLET
	{ NULL, NULL, NULL, NULL, NULL }
};

enum { LONGEST = 1024 };	/* bytes of a path; a longer one is refused */

static struct {
	bool failed;		/* standard output could not be written */
	bool symbolic;
	bool trouble;		/* a link could not be made */
	char self[LONGEST];	/* physical path of this binary */
	char root[LONGEST];	/* physical path of where the links go */
} g;

static void say(const char *s)
{
	if (fd_write(1, s, strlen(s)) < 0)
		g.failed = true;
}

static int said(void)
{
	return g.failed ? EXIT_TEMPORARY : 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const struct applet *find_applet(const char *name)
{
	const struct applet *a;

	for (a = applets; a->name; a++)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

/* The name that an argv[0] or argv[1] stands for. */
static const char *called_as(const char *arg)
{
	const char *name = base_name(arg);

	if (*name == '-')
		name++;
	return strncmp(name, "in.", 3) ? name : name + 3;
}

static int no_applet(const char *name)
{
	fd_puts(2, "popbox: no applet ", name, " (popbox --list)\n",
		(char *)NULL);
	return EXIT_NO_APPLET;
}

/* ---- links ------------------------------------------------------------- */

/* Calls use() for the name of every applet and for its further names. */
static void each_link(void (*use)(const char *dir, const char *name))
{
	const struct applet *a;
	const char *rest;
	char buf[32];
	struct str name;
	size_t n;

	for (a = applets; a->name; a++) {
		use(a->dir, a->name);
		for (rest = a->links; *rest; rest += n + !!rest[n]) {
			n = strcspn(rest, " ");
			str_init(&name, buf, sizeof(buf));
			str_mem(&name, rest, n);
			use(a->dir, name.p);
		}
	}
}

static void list_link(const char *dir, const char *name)
{
	say(dir);
	say("/");
	say(name);
	say("\n");
}

static void complain(const char *what, const char *dir, const char *name)
{
	fd_puts(2, "popbox: ", what, dir, "/", name, ": ", strerror(errno),
		"\n", (char *)NULL);
	g.trouble = true;
}

/* The working directory, physical; "" for the root; false if too long. */
static bool here(char *buf, size_t cap)
{
	if (!getcwd(buf, cap))
		return false;
	if (!strcmp(buf, "/"))
		*buf = '\0';
	return true;
}

/* Enters the directory of a path and makes g.self of it. */
static bool self_is(char *path)
{
	char *slash = strrchr(path, '/');
	char dir[LONGEST];
	struct str s;

	*slash = '\0';
	if (chdir(slash == path ? "/" : path) < 0 || !here(dir, sizeof(dir)))
		return false;
	str_init(&s, g.self, sizeof(g.self));
	str_put(&s, dir);
	str_put(&s, "/");
	str_put(&s, slash + 1);
	return !s.cut && !access(g.self, X_OK);
}

/* Searches PATH as the shell did that started us by a bare name. */
static bool search_path(const char *name)
{
	const char *path = getenv("PATH");
	char buf[LONGEST];
	struct str s;
	size_t n;

	for (; path; path = path[n] ? path + n + 1 : NULL) {
		n = strcspn(path, ":");
		str_init(&s, buf, sizeof(buf));
		str_mem(&s, n ? path : ".", n ? n : 1);
		str_put(&s, "/");
		str_put(&s, name);
		if (!s.cut && !access(buf, X_OK))
			return self_is(buf);
	}
	return false;
}

/*
 * Without /proc too: an initramfs in the making has none.  The working
 * directory is elsewhere afterwards.
 */
static bool find_self(const char *argv0)
{
	char buf[LONGEST];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf));
	struct str s;

	if (n > 0 && (size_t)n < sizeof(buf)) {
		buf[n] = '\0';
		return self_is(buf);
	}
	if (!strchr(argv0, '/'))
		return search_path(argv0);
	str_init(&s, buf, sizeof(buf));
	str_put(&s, argv0);
	return !s.cut && self_is(buf);
}

/*
 * From the directory `from` to the file `to`, both physical: "..", as often
 * as `from` is deeper than what the two share, then the rest of `to`.
 */
static void relative(struct str *s, const char *from, const char *to)
{
	size_t i, same = 0;

	for (i = 0; from[i] && from[i] == to[i]; i++)
		if (from[i] == '/')
			same = i;
	if (!from[i] && to[i] == '/')
		same = i;
	for (i = same; from[i]; i++)
		if (from[i] == '/')
			str_put(s, "../");
	str_put(s, to + same + 1);
}

/* Makes the directory and what leads to it, and enters it. */
static int enter(const char *dir)
{
	char buf[LONGEST];
	struct str s;
	char *p;

	str_init(&s, buf, sizeof(buf));
	str_put(&s, dir);
	for (p = buf; (p = strchr(p + 1, '/')); *p = '/') {
		*p = '\0';
		(void)mkdir(buf, 0755);
	}
	(void)mkdir(buf, 0755);
	return s.cut ? -1 : chdir(dir);
}

static bool is_self(const char *name)
{
	struct stat x, y;

	return !stat(name, &x) && !stat(g.self, &y) &&
		x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A symbolic link to something that is called popbox? */
static bool old_link(const char *name)
{
	char text[LONGEST];
	ssize_t n = readlink(name, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return !strcmp(base_name(text), "popbox");
}

/* In the working directory. */
static int make_link(const char *name)
{
	char cwd[LONGEST], text[2 * LONGEST];
	struct str s;

	if (!g.symbolic)
		return link(g.self, name);
	if (!here(cwd, sizeof(cwd)))
		return -1;
	str_init(&s, text, sizeof(text));
	relative(&s, cwd, g.self);
	return symlink(text, name);
}

static void install_link(const char *dir, const char *name)
{
	struct stat st;

	if (chdir(g.root) < 0 || enter(dir) < 0) {
		complain("cannot enter ", dir, "");
		return;
	}
	if (old_link(name))
		(void)unlink(name);
	if (!lstat(name, &st)) {
		errno = EEXIST;
		if (!is_self(name))
			complain("left alone: ", dir, name);
	} else if (make_link(name) < 0) {
		complain("cannot make the link ", dir, name);
	}
}

/*
 * The root of the links is entered before the search for this binary, which
 * may leave it: g.root is its physical path.
 */
static int install(const char *argv0, char **arg)
{
	const char *root = "/";
	int start = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	g.symbolic = *arg && !strcmp(*arg, "-s");
	if (g.symbolic)
		arg++;
	if (*arg)
		root = *arg++;
	if (*arg || *root == '-') {
		fd_puts(2, POPBOX_USAGE, (char *)NULL);
		return EXIT_USAGE;
	}
	if (enter(root) < 0 || !here(g.root, sizeof(g.root) - 1)) {
		complain("cannot enter ", root, "");
		return EXIT_TEMPORARY;
	}
	if (!*g.root)
		strcpy(g.root, "/");
	if (start < 0 || fchdir(start) < 0 || !find_self(argv0)) {
		fd_puts(2, "popbox: cannot find my own file\n", (char *)NULL);
		return EXIT_TEMPORARY;
	}
	each_link(install_link);
	return g.trouble ? EXIT_TEMPORARY : 0;
}

/* ---- front desk -------------------------------------------------------- */

static int help(const char *name)
{
	const struct applet *a;

	if (name) {
		a = find_applet(called_as(name));
		if (!a)
			return no_applet(name);
		say(a->usage);
		return said();
	}
	say("popbox " POPBOX_VERSION ": several small mail programs in one\n\n"
	    POPBOX_USAGE "\nApplets:");
	for (a = applets; a->name; a++) {
		say(" ");
		say(a->name);
	}
	say("\n");
	return said();
}

static int version(const char *applet)
{
	if (applet) {
		say(applet);
		say(" " POPBOX_VERSION " (popbox)\n");
	} else {
		say("popbox " POPBOX_VERSION "\n");
	}
	return said();
}

static int list(void)
{
	const struct applet *a;

	for (a = applets; a->name; a++) {
		say(a->name);
		say("\n");
	}
	return said();
}

static int list_full(void)
{
	each_link(list_link);
	return said();
}

/*
 * --help and --version are answered here, before an applet could wait for
 * standard input: package checks call every program with them.
 */
static int run(const struct applet *a, int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help"))
		return help(a->name);
	if (argc > 1 && !strcmp(argv[1], "--version"))
		return version(a->name);
	return a->run(argc, argv);
}

static int unknown_option(const char *option)
{
	fd_puts(2, "popbox: unknown option ", option, "\n" POPBOX_USAGE,
		(char *)NULL);
	return EXIT_USAGE;
}

static int as_box(int argc, char **argv)
{
	const struct applet *a;
	const char *word = argc > 1 ? argv[1] : "--help";

	if (*word != '-') {
		a = find_applet(called_as(word));
		return a ? run(a, argc - 1, argv + 1) : no_applet(word);
	}
	if (ENABLE_FEATURE_INSTALL && !strcmp(word, "--install"))
		return install(argv[0], argv + 2);
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return version(NULL);
	if (!strcmp(word, "--list"))
		return list();
	return strcmp(word, "--list-full") ? unknown_option(word) : list_full();
}

int main(int argc, char **argv)
{
	const struct applet *a;
	const char *name = called_as(argc > 0 ? argv[0] : "popbox");

	if (!strncmp(name, "popbox", 6))
		return as_box(argc, argv);
	a = find_applet(name);
	return a ? run(a, argc, argv) : no_applet(name);
}
