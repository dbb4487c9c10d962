/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dates as messages and mbox files have them. */
#ifndef MAILDIRCK_DATE_H
#define MAILDIRCK_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The date in the n bytes at s, in seconds since 1970: an RFC 5322
 * date-time with all that section 4.3 still allows, or asctime(3)'s form as
 * in an mbox's "From " line (then UTC, unless a zone follows).  False where
 * day, month, year or time of day are missing or cannot be.
 */
bool date_rfc(const char *s, size_t n, int64_t *out);

/*
 * When the message arrived whose first n bytes these are: the date of its
 * first Received field, which the last hop wrote, else that of its Date
 * field.
 */
bool date_of_message(const char *head, size_t n, int64_t *out);

/*
 * The value of the first header field called `key` (in lower case, with its
 * colon) in a message's first n bytes, folded lines and its end included;
 * null where there is none.
 */
const char *header_find(const char *head, size_t n, const char *key,
    size_t *len);

#endif
