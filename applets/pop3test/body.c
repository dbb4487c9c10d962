/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/body.o
/* What a message was, told without keeping it. */
#include <string.h>

#include "pop3test.h"

static const char sum_header[] = "x-pop3test-md5:";

void body_begin(struct body *b)
{
	memset(b, 0, sizeof *b);
	md5_begin(&b->all);
	md5_begin(&b->part);
}

/* A header line is complete, or as much of it as we keep. */
static void read_header(struct body *b)
{
	const char *at = b->head;

	for (const char *p = sum_header; *p; p++, at++)
		if (ascii_lower(*at) != *p)
			return;
	while (*at == ' ')
		at++;
	for (size_t i = 0; i < sizeof b->want - 1 && *at > ' '; i++)
		b->want[i] = (char)ascii_lower(*at++);
}

static void add_header(struct body *b, const char *p, size_t n)
{
	size_t room = sizeof b->head - 1 - b->col;
	size_t take = n < room ? n : room;

	memcpy(b->head + b->col, p, take);
	b->col += take;
	if (p[n - 1] != '\n')
		return;
	b->head[b->col] = '\0';
	read_header(b);
	b->in_part = b->col == 2;	/* CRLF: the headers are over */
	b->col = 0;
}

int body_add(void *ctx, const char *p, size_t n, struct trouble *why)
{
	struct body *b = ctx;

	(void)why;
	md5_add(&b->all, p, n);
	b->octets += n;
	b->lines += p[n - 1] == '\n';
	if (b->in_part)
		md5_add(&b->part, p, n);
	else
		add_header(b, p, n);
	return 0;
}

static void hex_end(struct md5 *m, char out[33])
{
	unsigned char sum[MD5_SIZE];
	struct str s;

	md5_end(m, sum);
	str_init(&s, out, 33);
	str_hex(&s, sum, sizeof sum);
}

void body_end(struct body *b)
{
	hex_end(&b->all, b->md5);
	hex_end(&b->part, b->sum);
}
