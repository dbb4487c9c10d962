/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base 64 (RFC 4648 section 4), as SASL over POP3 has it (RFC 5034). */
#ifndef MD_BASE64_H
#define MD_BASE64_H

#include <stddef.h>

#include "base.h"

/* Appends four characters for each three bytes, and "=" at the end. */
void base64_put(struct str *s, const void *p, size_t n);

/*
 * How many bytes the text stands for, with those in `out`; -1 where it is
 * no base 64 or they are more than `cap`.  Strict: a multiple of four
 * characters, no blanks or line ends, "=" at the end only, and no bits set
 * that no byte has.  `out` may be where the text is.
 */
ptrdiff_t base64_decode(void *out, size_t cap, const char *text, size_t n);

#endif
