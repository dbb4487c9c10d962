/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The box: finds the applet that the program was called as, and runs it.
 *
 *   mdpop3d ...          by a link of that name; a leading "-" (a login
 *                        shell's) and "in." (inetd's) do not count, and
 *                        fsck(8) asks for the checker of a kind of system
 *   popbox mdpop3d ...   by the first argument, which may be a path: that is
 *                        what a script starting with #!/usr/sbin/popbox gives
 *
 * The table comes from the //applet: lines beside each applet's code.  What
 * follows the applet's name is its own business, --help and --version too.
 */
//config:config FEATURE_INSTALL
//config:	bool "popbox --install"
//config:	default y
//config:	help
//config:	  Lets the binary make the links to itself, on a system that has
//config:	  no other program for it, and list them with --list-full. make
//config:	  install, packages and image builders do not need it, they go
//config:	  by build/popbox.links.
//config:
//config:config FEATURE_LONG_HELP
//config:	bool "Full --help texts"
//config:	default y
//config:	help
//config:	  Without it --help shows the synopsis and the manual page has
//config:	  to tell the rest.
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

const char *box_base_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
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
	const char *plain;

	if (*name == '-')
		name++;
	if (ENABLE_MAILDIRCK && !strcmp(name, "fsck.maildir"))
		return "maildirck";
	plain = str_after(name, "in.");
	return plain ? plain : name;
}

static int no_applet(const char *name)
{
	fd_puts(2, "popbox: no applet ", name, " (popbox --list)\n",
	    (char *)NULL);
	return EXIT_NO_APPLET;
}

int box_each_link(int (*use)(const char *dir, const char *name))
{
	const struct applet *a;
	const char *rest;
	char buf[32];
	struct str name;
	size_t n;
	int e = 0;

	for (a = applets; a->name; a++) {
		e |= use(a->dir, a->name);
		for (rest = a->links; *rest; rest += n + !!rest[n]) {
			n = str_span(rest, ' ');
			str_init(&name, buf, sizeof buf);
			str_mem(&name, rest, n);
			e |= use(a->dir, name.p);
		}
	}
	return e;
}

static int list_link(const char *dir, const char *name)
{
	return fd_puts(1, dir, "/", name, "\n", (char *)NULL);
}

static int list(const char *before, const char *after)
{
	const struct applet *a;
	int e = 0;

	for (a = applets; a->name; a++)
		e |= fd_puts(1, before, a->name, after, (char *)NULL);
	return output_status(e);
}

/* ---- front desk -------------------------------------------------------- */

static int help(const char *name)
{
	const struct applet *a = name ? find_applet(called_as(name)) : NULL;

	if (name && !a)
		return no_applet(name);
	if (a)
		return output_status(fd_puts(1, a->usage, (char *)NULL));
	(void)fd_puts(1, "popbox " POPBOX_VERSION
	    ": several small mail programs in one\n\n" POPBOX_USAGE
	    "\nApplets:", (char *)NULL);
	(void)list(" ", "");
	return output_status(fd_puts(1, "\n", (char *)NULL));
}

static int as_box(int argc, char **argv)
{
	const struct applet *a;
	const char *word = argc > 1 ? argv[1] : "--help";

	if (*word != '-') {
		a = find_applet(called_as(word));
		return a ? a->run(argc - 1, argv + 1) : no_applet(word);
	}
	if (!strcmp(word, "--help"))
		return help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return output_status(fd_puts(1, "popbox " POPBOX_VERSION "\n",
		    (char *)NULL));
	if (!strcmp(word, "--list"))
		return list("", "\n");
	if (ENABLE_FEATURE_INSTALL && !strcmp(word, "--list-full"))
		return output_status(box_each_link(list_link));
	if (ENABLE_FEATURE_INSTALL && !strcmp(word, "--install"))
		return box_install(argv[0], argv + 2);
	(void)fd_puts(2, "popbox: unknown option ", word, "\n" POPBOX_USAGE,
	    (char *)NULL);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct applet *a;
	const char *name = called_as(argc > 0 ? argv[0] : "popbox");

	if (str_after(name, "popbox"))
		return as_box(argc, argv);
	a = find_applet(name);
	return a ? a->run(argc, argv) : no_applet(name);
}
