/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what popbox-pam reads from descriptor 3: the first byte is how many
 * bytes come at a time (0: none, but an error), the rest is what there is
 * to read.  Three strings are three strings, and anything else is a misuse.
 * scripts/fuzz builds it.
 */
#include <stddef.h>

#include "input.h"

static ptrdiff_t c_read(int fd, void *p, size_t cap);
static int c_puts(int fd, const char *first, ...);
static int c_close(int fd);

#define main popbox_pam
#define fd_read c_read
#define fd_puts c_puts
#define close c_close
int popbox_pam(int argc, char **argv);
#include "../../helpers/popbox-pam.c"
#undef main
#undef close

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input in;
static size_t piece;
static int said;

static ptrdiff_t c_read(int fd, void *p, size_t cap)
{
	size_t n = (size_t)(in.end - in.p);

	assert(fd == REQUEST_FD && cap > 0);
	n = n < piece ? n : piece;
	n = n < cap ? n : cap;
	if (piece == 0)
		return -1;
	memcpy(p, in.p, n);
	in.p += n;
	return (ptrdiff_t)n;
}

static int c_puts(int fd, const char *first, ...)
{
	assert(fd == STDERR_FILENO && first);
	said++;
	return 0;
}

static int c_close(int fd)
{
	assert(fd == REQUEST_FD);
	return 0;
}

bool pa_is_service(const char *name)
{
	return name != NULL;
}

void pa_login(const struct pa_request *q, struct pa_verdict *v)
{
	(void)q, (void)v;
	abort();
}

void pa_check(const struct pa_request *q, struct str *record)
{
	(void)q, (void)record;
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pa_request q = { .service = "pop3" };
	const char *p = (const char *)data + 1;
	size_t n = size ? size - 1 : 0, nuls = 0;
	int e;

	in = (struct input){ data, data + size };
	piece = in_byte(&in) * 4U;
	memset(request, 'x', sizeof request);
	said = 0;
	e = read_request(&q);
	for (size_t i = 0; i < n; i++)
		nuls += p[i] == '\0';
	assert(e == 0 || (e == MISUSED && said == 1));
	assert((e == 0) == (piece && nuls >= 3 && n <= PA_REQUEST));
	if (e)
		return 0;
	assert(strcmp(q.user, p) == 0);
	p += strlen(p) + 1;
	assert(strcmp(q.pass, p) == 0);
	p += strlen(p) + 1;
	assert(strcmp(q.stamp, p) == 0);
	return 0;
}
