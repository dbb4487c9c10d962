/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/log.o
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base.h"

enum { FACILITY_MAIL = 2 << 3 };

static int connect_syslog(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, "/dev/log", sizeof "/dev/log");
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

void lg_open(struct lg *lg, const char *ident, bool to_stderr, bool no_stderr)
{
	lg->ident = ident;
	lg->fd = to_stderr && !no_stderr ? -1 : connect_syslog();
	lg->to_stderr = !no_stderr &&
	    (lg->fd < 0 || fd_is_terminal(STDERR_FILENO));
}

/* A pipe that polls writable takes a line whole. */
static void put_stderr(const struct str *s, size_t skip)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&p, 1, 0) > 0)
		(void)fd_write(p.fd, s->p + skip, s->len - skip);
}

static void put_syslog(struct lg *lg, const struct str *s)
{
	const int how = MSG_DONTWAIT | MSG_NOSIGNAL;
	int fd;

	if (send(lg->fd, s->p, s->len, how) >= 0)
		return;
	/* A restarted syslogd leaves us a dead socket: try once anew. */
	fd = connect_syslog();
	if (fd < 0)
		return;
	close(lg->fd);
	lg->fd = fd;
	(void)send(lg->fd, s->p, s->len, how);
}

/* As str_safe, but the caller's own backslashes stay. */
static void put_visible(struct str *s, const char *z)
{
	for (; *z; z++) {
		if ((unsigned char)*z < 0x20 || (unsigned char)*z > 0x7E)
			str_safe(s, z, 1, 1);
		else
			str_char(s, *z);
	}
}

void lg_say(struct lg *lg, int level, const char *first, ...)
{
	char line[LG_LINE];
	struct str s;
	size_t ident;
	va_list ap;

	/* One byte is kept back for the newline. */
	str_init(&s, line, sizeof line - 1);
	if (lg->fd >= 0) {
		str_char(&s, '<');
		str_u64(&s, (uint64_t)(FACILITY_MAIL | level));
		str_char(&s, '>');
	}
	ident = s.len;
	str_put(&s, lg->ident);
	str_char(&s, '[');
	str_u64(&s, (uint64_t)getpid());
	str_put(&s, "]: ");
	va_start(ap, first);
	for (const char *z = first; z; z = va_arg(ap, const char *))
		put_visible(&s, z);
	va_end(ap);
	if (s.cut)
		memcpy(s.p + s.len - 3, "...", 3);
	if (lg->fd >= 0)
		put_syslog(lg, &s);
	s.cap++;
	str_char(&s, '\n');
	if (lg->to_stderr)
		put_stderr(&s, ident);
}
