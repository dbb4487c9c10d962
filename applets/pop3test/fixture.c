/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/fixture.o
/* What scripts do beside the protocol: mail into a Maildir, commands. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fill.h"
#include "netio.h"
#include "script.h"
#include "wire.h"

/* ---- directories ------------------------------------------------------- */

int dir_each(const char *path, int (*f)(void *ctx, int fd,
    const char *name), void *ctx)
{
	struct md_area area = { 0 };
	int e, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	e = md_read_dir(fd, &area);
	for (size_t at = 0; e == 0 && at < area.len; ) {
		const char *rec = area.p + at;
		uint16_t size;

		memcpy(&size, rec + offsetof(struct dirent, d_reclen),
		    sizeof size);
		e = f(ctx, fd, rec + offsetof(struct dirent, d_name));
		at += size;
	}
	md_area_free(&area);
	close(fd);
	return e;
}

static const char *const parts[] = { "/new", "/cur", "/tmp" };

static void join(struct str *s, char *buf, size_t cap, const char *dir,
    const char *rest)
{
	str_init(s, buf, cap);
	str_put(s, dir);
	str_put(s, rest);
}

static int remove_file(void *ctx, int fd, const char *name)
{
	(void)ctx;
	(void)unlinkat(fd, name, 0);	/* "." and ".." are no files */
	return 0;
}

/* A signal that ends us finds the directory noted, or not there. */
static int new_dir(struct run *r, struct str *path)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	e = wire_mkdir(path);
	if (e == 0) {
		r->own_dir = true;
		run_set(r, "dir", path->p);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return e;
}

static const char *own_dir(struct run *r, struct trouble *why)
{
	char path[VALUE_MAX];
	struct str s;

	str_init(&s, path, sizeof path);
	if (new_dir(r, &s) < 0) {
		trouble_errno(why, PT_UNKNOWN, ST_OWN, path);
		return NULL;
	}
	if (run_bind(r, "dir", 3, path, s.len, why) < 0)
		return NULL;
	str_put(&s, parts[0]);
	if (mkdir(path, 0700) < 0) {
		trouble_errno(why, PT_UNKNOWN, ST_OWN, path);
		return NULL;
	}
	if (run_maildir(r, why) < 0)
		return NULL;
	return vars_get(&r->vars, "dir", 3);
}

bool run_has_dir(const struct run *r)
{
	if (vars_get(&r->vars, "dir", 3) || r->o->target.kind == TG_EXEC)
		return true;
	for (uint32_t i = 0; i < r->s->n; i++)
		if (r->s->line[i].op == OP_EXEC)
			return true;
	return false;
}

const char *run_dir(struct run *r, struct trouble *why)
{
	const char *dir = vars_get(&r->vars, "dir", 3);

	if (dir)
		return dir;
	if (run_has_dir(r))
		return own_dir(r, why);
	trouble_set(why, PT_UNKNOWN, ST_OWN, "no $dir: -D dir=PATH tells "
	    "the Maildir that the server shows", (char *)NULL);
	return NULL;
}

void run_remove_dir(struct run *r)
{
	const char *dir = vars_get(&r->given, "dir", 3);
	char path[VALUE_MAX + 8];
	struct str s;

	if (!r->own_dir || !dir)
		return;
	for (int i = 0; i < 3; i++) {
		join(&s, path, sizeof path, dir, parts[i]);
		(void)dir_each(path, remove_file, NULL);
		(void)rmdir(path);
	}
	(void)dir_each(dir, remove_file, NULL);
	(void)rmdir(dir);
	r->own_dir = false;
}

/* Removes the messages, and makes the parts that are missing. */
int run_maildir(struct run *r, struct trouble *why)
{
	const char *dir = run_dir(r, why);
	struct md_list list;
	struct md md;
	int e;

	if (!dir || fill_maildir(&md, dir, why) < 0)
		return -1;
	e = md_scan(&md, &list);
	for (size_t i = 0; e == 0 && i < list.n; i++) {
		e = md_remove(&md, &list.e[i]);
		e = e > 0 || e == -ENOENT ? 0 : e;
	}
	md_list_free(&list);
	md_close(&md);
	errno = -e;
	return e ? trouble_errno(why, PT_UNKNOWN, ST_OWN, dir) : 0;
}

/* ---- mail -------------------------------------------------------------- */

/* DIR/tmp/NAME for DIR/SUB/NAME, and DIR; false where it is not so. */
static bool split_path(const char *path, struct str *dir, struct str *tmp)
{
	const char *name = strrchr(path, '/'), *sub = name;

	while (sub && sub > path && *--sub != '/')
		;
	if (!name || sub <= path || name[1] == '\0')
		return false;
	str_mem(dir, path, (size_t)(sub - path));
	str_put(tmp, dir->p);
	str_put(tmp, "/tmp");
	str_put(tmp, name);
	return !tmp->cut;
}

static int write_lines(struct run *r, const struct sline *l, int fd,
    struct trouble *why)
{
	const struct sline *data = l + 1, *end = r->s->line + l->jump;
	char text[TEXT_MAX], raw[TEXT_MAX];
	struct str s;
	size_t n;

	for (; data < end; data++) {
		bool open;

		str_init(&s, raw, sizeof raw);
		str_put(&s, script_at(r->s, data->arg));
		n = s.len;
		while (n > 0 && raw[n - 1] == '\\')
			n--;
		open = (s.len - n) % 2 != 0;	/* "\" at the end: no LF */
		raw[s.len - open] = '\0';
		str_init(&s, text, sizeof text);
		if (run_expand(r, NULL, raw, &s, why) < 0)
			return -1;
		str_put(&s, open ? "" : "\n");
		if (fd_write(fd, s.p, s.len) < 0)
			return trouble_errno(why, PT_UNKNOWN, ST_OWN, "mail");
	}
	return 0;
}

/* "PATH <<WORD", whose lines follow, or "PATH SIZE". */
static int write_mail(struct run *r, const struct sline *l, int fd,
    const char *size, struct trouble *why)
{
	uint64_t octets;

	if (l->jump)
		return write_lines(r, l, fd, why);
	size += strspn(size, " ");
	if (parse_u64(size, &octets) < 0)
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "mail: not a size: ", size, (char *)NULL);
	if (fill_message(fd, octets, r->o->seed, l->number, FILL_PLAIN) < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, "mail");
	return 0;
}

/* Root makes it for whom the Maildir belongs to. */
static void give(int fd, const char *dir)
{
	struct stat st;

	if (geteuid() == 0 && stat(dir, &st) == 0)
		(void)!fchown(fd, st.st_uid, st.st_gid);
}

static int deliver(struct run *r, const struct sline *l, const char *path,
    const char *size, struct trouble *why)
{
	char dir[VALUE_MAX], tmp[VALUE_MAX];
	struct str d, t;
	int e, fd;

	str_init(&d, dir, sizeof dir);
	str_init(&t, tmp, sizeof tmp);
	if (!split_path(path, &d, &t))
		return trouble_set(why, PT_UNKNOWN, ST_OWN, "mail: want "
		    "MAILDIR/new/NAME: ", path, (char *)NULL);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, tmp);
	give(fd, dir);
	e = write_mail(r, l, fd, size, why);
	close(fd);
	if (e == 0) {
		e = md_rename(AT_FDCWD, tmp, AT_FDCWD, path);
		errno = -e;
		if (e < 0)
			trouble_errno(why, PT_UNKNOWN, ST_OWN, path);
	}
	if (e < 0)
		unlink(tmp);
	return e < 0 ? -1 : 0;
}

int run_mail(struct run *r, const struct sline *l, struct trouble *why)
{
	const char *arg = script_at(r->s, l->arg), *word, *name;
	char raw[TEXT_MAX], path[TEXT_MAX], size[TEXT_MAX];
	size_t n = text_word(&arg, &word);
	struct str s;

	str_init(&s, raw, sizeof raw);
	str_mem(&s, word, n);
	/* The name may have come from a server: it is one in that folder. */
	name = strrchr(raw, '/');
	str_init(&s, path, sizeof path);
	if (run_expand(r, NULL, name ? name + 1 : "", &s, why) < 0)
		return -1;
	if (strchr(path, '/'))
		return trouble_set(why, PT_UNKNOWN, ST_OWN,
		    "mail: no name of a file: ", path, (char *)NULL);
	str_init(&s, path, sizeof path);
	if (run_expand(r, NULL, raw, &s, why) < 0)
		return -1;
	str_init(&s, size, sizeof size);
	if (!l->jump && run_expand(r, NULL, arg, &s, why) < 0)
		return -1;
	return deliver(r, l, path, size, why);
}

/* ---- commands ---------------------------------------------------------- */

enum { ENV_MAX = 512 };

static int add_setting(void *ctx, const char *name, const char *value)
{
	struct md_area *a = ctx;
	size_t n = strlen(name), m = strlen(value);
	char *p;

	if (md_area_grow(a, a->len + n + m + 2) < 0)
		return -1;
	p = a->p + a->len;
	memcpy(p, name, n);
	p[n] = '=';
	memcpy(p + n + 1, value, m + 1);
	a->len += n + m + 2;
	return 0;
}

char **run_environment(struct run *r, bool secrets, struct trouble *why)
{
	static struct md_area area;
	static char *list[ENV_MAX];
	unsigned n = 0;

	area.len = 0;
	if (run_has_dir(r) && !run_dir(r, why))
		return NULL;
	if (vars_each(&r->vars, add_setting, &area) < 0) {
		trouble_set(why, PT_UNKNOWN, ST_OWN, "out of memory",
		    (char *)NULL);
		return NULL;
	}
	for (char *p = area.p; p < area.p + area.len && n < ENV_MAX - 1;
	    p += strlen(p) + 1)
		if (secrets || !str_after(p, "pass="))
			list[n++] = p;
	list[n] = NULL;
	return list;
}

/* Waits, but no longer than `ms`; the wait status, or -1. */
static int wait_child(pid_t pid, int ms)
{
	int64_t until = nio_now() + ms;
	int status, pause = 1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (nio_now() > until) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		poll(NULL, 0, pause);
		pause = pause < 16 ? pause * 2 : pause;
	}
	return status;
}

/* Its output goes where our messages go: standard output is for TAP. */
static pid_t start_shell(const char *command, char *const *settings)
{
	static char sh[] = "sh", flag[] = "-c";
	char *const argv[] = {
		sh, flag, (char *)(uintptr_t)command, NULL
	};
	const struct launch l = {
		.argv = argv, .env = settings, .io = STDERR_FILENO,
		.net_in = -1, .net_out = -1, .err = -1, .group = true
	};

	return wire_start(&l);
}

int run_sh(struct run *r, const char *command, struct trouble *why)
{
	char **settings = run_environment(r, true, why);
	char number[24];
	struct str s;
	pid_t pid;
	int status;

	if (!settings)
		return -1;
	pid = start_shell(command, settings);
	if (pid < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, "fork");
	status = wait_child(pid, r->timeout);
	if (status == 0)
		return 0;
	str_init(&s, number, sizeof number);
	if (status >= 0 && WIFEXITED(status))
		str_u64(&s, (uint64_t)WEXITSTATUS(status));
	return trouble_set(why, PT_UNKNOWN, ST_OWN, status < 0 ?
	    "sh: timeout" : s.len ? "sh: exit status " : "sh: killed", s.p,
	    (char *)NULL);
}
