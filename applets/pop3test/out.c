/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/out.o
/* Output in few writes: a LIST may have ten thousand lines. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

void out_begin(struct out *out, int fd)
{
	out->fd = fd;
	out->error = 0;
	out->n = 0;
}

void out_stdout(struct out *out, const struct options *o)
{
	out_begin(out, o->quiet ? -1 : STDOUT_FILENO);
}

void out_flush(struct out *out)
{
	if (out->fd >= 0 && !out->error &&
	    fd_write(out->fd, out->buf, out->n) < 0)
		out->error = errno;
	out->n = 0;
}

void out_mem(struct out *out, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		size_t room = sizeof out->buf - out->n;
		size_t take = n < room ? n : room;

		memcpy(out->buf + out->n, from, take);
		out->n += take;
		from += take;
		n -= take;
		if (out->n == sizeof out->buf)
			out_flush(out);
	}
}

void out_put(struct out *out, const char *z)
{
	out_mem(out, z, strlen(z));
}

void out_u64(struct out *out, uint64_t n)
{
	char digits[24];
	struct str s;

	str_init(&s, digits, sizeof digits);
	str_u64(&s, n);
	out_mem(out, s.p, s.len);
}

void out_json(struct out *out, const char *p, size_t n)
{
	char buf[8];
	struct str s;

	out_put(out, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];

		str_init(&s, buf, sizeof buf);
		if (b >= 0x20 && b < 0x7F && b != '"' && b != '\\') {
			str_char(&s, (char)b);
		} else {
			str_put(&s, "\\u00");
			str_hex(&s, &b, 1);
		}
		out_mem(out, s.p, s.len);
	}
	out_put(out, "\"");
}

int out_end(struct out *out, struct trouble *why)
{
	out_flush(out);
	if (!out->error)
		return 0;
	errno = out->error;
	return trouble_errno(why, PT_UNKNOWN, ST_OWN, "cannot write");
}
