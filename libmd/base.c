/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/base.o
#include "base.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Files beyond 2 GB, inodes beyond 2^32 and the year 2038, everywhere. */
typedef char off_t_has_64_bits[sizeof(off_t) == 8 ? 1 : -1];

void str_init(struct str *s, char *buf, size_t cap)
{
	s->p = buf;
	s->len = 0;
	s->cap = cap;
	s->cut = false;
	buf[0] = '\0';
}

void str_mem(struct str *s, const void *p, size_t n)
{
	size_t room = s->cap - s->len - 1;

	if (n > room) {
		n = room;
		s->cut = true;
	}
	memcpy(s->p + s->len, p, n);
	s->len += n;
	s->p[s->len] = '\0';
}

void str_put(struct str *s, const char *z)
{
	str_mem(s, z, strlen(z));
}

void str_char(struct str *s, char c)
{
	str_mem(s, &c, 1);
}

void str_u64(struct str *s, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	str_mem(s, digits + i, sizeof digits - i);
}

void str_hex(struct str *s, const void *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		str_char(s, digit[b[i] >> 4]);
		str_char(s, digit[b[i] & 15]);
	}
}

void str_safe(struct str *s, const void *p, size_t n, size_t max)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n && i < max; i++) {
		if (b[i] >= 0x20 && b[i] < 0x7F && b[i] != '\\') {
			str_mem(s, b + i, 1);
		} else {
			str_put(s, "\\x");
			str_hex(s, b + i, 1);
		}
	}
	if (n > max)
		str_put(s, "...");
}

size_t str_span(const char *z, char stop)
{
	size_t n = 0;

	while (z[n] && z[n] != stop)
		n++;
	return n;
}

const char *str_after(const char *z, const char *prefix)
{
	while (*prefix && *z == *prefix)
		z++, prefix++;
	return *prefix ? NULL : z;
}

const char *env_get(const char *name)
{
	for (char **e = environ; e && *e; e++) {
		const char *at = str_after(*e, name);

		if (at && *at == '=')
			return at + 1;
	}
	return NULL;
}

const char *scan_u64(const char *s, uint64_t *out)
{
	const char *p = s;
	uint64_t n = 0;
	unsigned d;

	for (; (d = (unsigned char)*p - (unsigned)'0') <= 9; p++) {
		if (n > (UINT64_MAX - d) / 10)
			return NULL;
		n = n * 10 + d;
	}
	if (p == s)
		return NULL;
	*out = n;
	return p;
}

int parse_u64(const char *s, uint64_t *out)
{
	uint64_t n;
	const char *end = scan_u64(s, &n);

	if (end == NULL || *end)
		return -1;
	*out = n;
	return 0;
}

int ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

void wipe(void *p, size_t n)
{
	volatile char *c = p;

	while (n-- > 0)
		*c++ = 0;
}

int fd_write(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n > 0) {
		ssize_t w = write(fd, c, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

int fd_puts(int fd, const char *first, ...)
{
	va_list ap;
	int e = 0;

	va_start(ap, first);
	for (const char *z = first; z; z = va_arg(ap, const char *))
		e |= fd_write(fd, z, strlen(z));
	va_end(ap);
	return e;
}

int output_status(int fd_puts_result)
{
	return fd_puts_result < 0 ? EXIT_TEMPORARY : EXIT_OK;
}

ptrdiff_t fd_read(int fd, void *p, size_t cap)
{
	ssize_t r;

	do
		r = read(fd, p, cap);
	while (r < 0 && errno == EINTR);
	return r;
}

bool fd_same(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
	    sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

const char *err_text(int e, char buf[ERR_TEXT])
{
	static const struct {
		unsigned char number;
		char text[18];
	} known[] = {
		{ EACCES, "Permission denied" },
		{ EEXIST, "File exists" },
		{ EIO, "I/O error" },
		{ ELOOP, "A symbolic link" },
		{ EMFILE, "Too many files" },
		{ ENOENT, "No such file" },
		{ ENOMEM, "Out of memory" },
		{ ENOSPC, "Disk full" },
		{ ENOTDIR, "Not a directory" },
		{ EPERM, "Not permitted" },
		{ EROFS, "Read-only" }
	};
	struct str s;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].number == e)
			return known[i].text;
	str_init(&s, buf, ERR_TEXT);
	str_put(&s, "error ");
	str_u64(&s, (uint64_t)e);
	return s.p;
}

bool fd_is_terminal(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0;
}

void opt_init(struct opt *o, char **argv, const char *spec)
{
	*o = (struct opt){ .argv = argv, .spec = spec, .rest = "" };
	o->i = argv[0] != NULL;
}

/* "--", "--help", "--version" and what is no option at all. */
static int opt_word(struct opt *o)
{
	const char *a = o->argv[o->i];

	if (a == NULL || a[0] != '-' || a[1] == '\0')
		return 0;
	o->i++;
	if (a[1] != '-') {
		o->rest = a + 1;
		return 1;
	}
	if (a[2] == '\0')
		return 0;
	o->letter = '-';
	if (strcmp(a, "--help") == 0)
		return OPT_HELP;
	return strcmp(a, "--version") == 0 ? OPT_VERSION : OPT_UNKNOWN;
}

int opt_next(struct opt *o)
{
	const char *at;

	if (*o->rest == '\0') {
		int word = opt_word(o);

		if (word != 1)
			return word;
	}
	o->letter = *o->rest++;
	at = o->spec + str_span(o->spec, o->letter);
	if (*at == '\0' || o->letter == ':')
		return OPT_UNKNOWN;
	if (at[1] != ':')
		return o->letter;
	o->value = *o->rest ? (char *)(uintptr_t)o->rest : o->argv[o->i];
	if (o->value == NULL)
		return OPT_NOVALUE;
	o->i += *o->rest == '\0';
	o->rest = "";
	return o->letter;
}

#ifndef SYS_close_range		/* headers from before Linux 5.9 */
#define SYS_close_range -1
#endif

static void close_range_of(int first, int last)
{
	enum { LIKELY = 1023 };	/* where every close is a call */

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	for (; first <= last && first <= LIKELY; first++)
		close(first);
}

void fd_close_others(const int keep[], int n)
{
	int first = STDERR_FILENO + 1;

	for (;;) {
		int next = INT32_MAX;

		for (int i = 0; i < n; i++)
			if (keep[i] >= first && keep[i] < next)
				next = keep[i];
		close_range_of(first, next - 1);
		if (next == INT32_MAX)
			return;
		first = next + 1;
	}
}

bool is_fault(int signal)
{
	return signal == SIGSYS || signal == SIGSEGV || signal == SIGBUS ||
	    signal == SIGILL || signal == SIGFPE || signal == SIGABRT ||
	    signal == SIGTRAP;
}
