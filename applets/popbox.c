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

#include <stdbool.h>
#include <string.h>

#include "base.h"
#include "popbox/box.h"
#include "usage.h"

#define APPLET(name, dir, links) \
	int name##_main(int argc, char **argv); \
	extern const char name##_usage[];
#include "applets.h"
#undef APPLET

/* Ends with a null name: with no applet configured it is still a table. */
static const struct applet applets[] = {
#define APPLET(name, dir, links) \
	{ #name, dir, links, name##_main, name##_usage },
#include "applets.h"
#undef APPLET
	{ NULL, NULL, NULL, NULL, NULL }
};

static bool failed;	/* standard output could not be written */

static void say(const char *s)
{
	if (fd_write(1, s, strlen(s)) < 0)
		failed = true;
}

static int said(void)
{
	return failed ? EXIT_TEMPORARY : 0;
}

const char *box_base_name(const char *path)
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
	const char *name = box_base_name(arg);

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

void box_each_link(void (*use)(const char *dir, const char *name))
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
	box_each_link(list_link);
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
		return box_install(argv[0], argv + 2);
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
