/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is printed, in few writes, as text or as JSON: out.c. */
#ifndef MAILDIRCK_OUT_H
#define MAILDIRCK_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ck;

extern const char ck_severity[5][7];	/* by enum severity */

void ck_mem(const void *p, size_t n);
void ck_put(const char *z);
/* Each # is one of the numbers, ### one that takes three columns. */
void ck_form(const char *form, const uint64_t *n);
/* Bytes from strangers, for people. */
void ck_safe(const char *z);

/*
 * ,"key":"..." or, where z is not UTF-8 and no JSON string can hold it,
 * ,"key":null,"key_b64":"..."; a null pointer is null.
 */
bool ck_field(const char *key, const char *z);	/* was it UTF-8? */
/* How a line begins: {"v":1,"t":"KIND","maildir":"..."; ck may be null. */
void ck_object(const struct ck *ck, const char *kind);

/* ,"flags":{"S":3,...} of letters A to Z. */
void ck_flags(const uint64_t flags[26]);

/* To fd; what cannot be written is CK_ERROR. */
void ck_flush(struct ck *ck, int fd);

#endif
