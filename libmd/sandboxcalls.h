/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seccomp, for sandbox.c alone. */
#ifndef MD_SANDBOXCALLS_H
#define MD_SANDBOXCALLS_H

#include <stdbool.h>

enum sb_part {			/* bits of a rule */
	SB_PARSER = 1,
	SB_CHECKER = 2,
	SB_USER = 4
};

/*
 * Takes every system call but those of this part; no_new_privs must be set.
 * False where the kernel, or this file for the machine, cannot do it.
 */
bool sb_take_calls(enum sb_part part);

bool sb_can_take_calls(void);

#endif
