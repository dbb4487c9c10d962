/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the dispatcher and the maker of links share.
 */
#ifndef POPBOX_BOX_H
#define POPBOX_BOX_H

enum { EXIT_NO_APPLET = 127 };	/* besides those of base.h */

struct applet {
	const char *name;
	const char *dir;	/* of the links, without the leading slash */
	const char *links;	/* further names, separated by spaces */
	int (*run)(int argc, char **argv);
	const char *usage;
};

/* What follows the last slash. */
const char *box_base_name(const char *path);

/*
 * Calls use() for the name of every applet and for its further names; dir
 * is where the link belongs, without the leading slash.  0, or negative
 * when one of the calls was.
 */
int box_each_link(int (*use)(const char *dir, const char *name));

/*
 * popbox --install [-s] [DIR]: arg is what follows --install.  Says on
 * standard error what could not be made; an exit status.
 */
int box_install(const char *argv0, char **arg);

#endif
