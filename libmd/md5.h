/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MD5 (RFC 1321), for identifiers and for protocols that ask for it by
 * name.  It resists accidents, not attackers: never a password hash.
 */
#ifndef MD_MD5_H
#define MD_MD5_H

#include <stddef.h>
#include <stdint.h>

enum { MD5_SIZE = 16 };

struct md5 {
	uint32_t h[4];
	uint64_t bytes;
	unsigned char block[64];
};

void md5_begin(struct md5 *m);
void md5_add(struct md5 *m, const void *p, size_t n);
void md5_end(struct md5 *m, unsigned char out[MD5_SIZE]);

/* HMAC-MD5 (RFC 2104), which CRAM-MD5 asks for. */
void md5_hmac(const void *key, size_t keylen, const void *text, size_t n,
    unsigned char out[MD5_SIZE]);

#endif
