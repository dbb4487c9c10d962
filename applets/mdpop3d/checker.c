/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MDPOP3D_AUTH) += applets/mdpop3d/checker.o
/*
 * Who may log in.  A process of its own finds out, from the files or as a
 * program of the checkpassword interface (cr.yp.to/checkpwd.html), and what
 * it has learned ends with it, but for one record.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "base.h"
#include "mdpop3d.h"
#include "pam.h"
#include "privsep.h"
#include "users.h"

enum {
	BY_OTHERS = ENABLE_FEATURE_MDPOP3D_CHECKPW ||
	    ENABLE_FEATURE_MDPOP3D_PAM,
	CHECK_TIME = 30000,	/* ms */
	LOOK = 200,		/* ms */
	LET_GO = 100,		/* times 10 ms */
	REQUEST_FD = 3, REPLY_FD = 4,
	HIGH_FD = 10		/* out of their way */
};

/* Is it a program, or a library, that knows the users? */
static bool outside(const struct conf *c)
{
	return (ENABLE_FEATURE_MDPOP3D_CHECKPW && c->checkpw) ||
	    (ENABLE_FEATURE_MDPOP3D_PAM && c->service);
}

/* ---- the files ---------------------------------------------------------- */

static int check_files(const struct conf *c, const struct pv_request *r,
    struct au_user *user, struct verdict *v)
{
	char why[ERR_TEXT];
	struct str t;
	int result = au_check(c->users_file, r->user, r->text, c->lowest_uid,
	    user);

	str_init(&t, v->detail, sizeof v->detail);
	if (result == AU_TROUBLE)
		str_put(&t, err_text(errno, why));
	return result;
}

static void put_field(struct str *t, const char *text)
{
	str_mem(t, text, strlen(text) + 1);
}

/* ---- in the process that checks ----------------------------------------- */

static void put_request(struct str *t, const struct session *s,
    const struct pv_request *r)
{
	bool apop = r->kind == PV_APOP;

	put_field(t, r->user);
	if (apop && s->conf->service) {
		str_put(t, "APOP ");
		str_put(t, r->text);
		str_char(t, ' ');
		put_field(t, s->stamp);
	} else {
		put_field(t, r->text);
	}
	put_field(t, apop ? s->stamp : "");
}

static int null_fds(void)
{
	int fd = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return -1;
	return dup2(fd, STDOUT_FILENO);
}

/* What is written fits into a pipe that nobody has read yet. */
static int place_fds(const struct str *request, int reply)
{
	const int keep[] = { REQUEST_FD, REPLY_FD };
	int in[2];

	reply = fcntl(reply, F_DUPFD_CLOEXEC, HIGH_FD);
	if (reply < 0 || null_fds() < 0 || pipe2(in, O_CLOEXEC) < 0 ||
	    fd_write(in[1], request->p, request->len) < 0)
		return -1;
	in[0] = fcntl(in[0], F_DUPFD_CLOEXEC, HIGH_FD);
	if (in[0] < 0 || dup2(in[0], REQUEST_FD) < 0 ||
	    dup2(reply, REPLY_FD) < 0)
		return -1;
	fd_close_others(keep, 2);
	return 0;
}

/* Our own file, for who has changed directory; -Z tells who that is. */
static void put_self(char **arg, char *path, size_t cap)
{
	static const char gone[] = " (deleted)";
	const ssize_t tail = sizeof gone - 1;
	ssize_t n = readlink("/proc/self/exe", path, cap - 1);

	path[n < 0 ? 0 : n] = '\0';
	/* A newer one has come in its place. */
	if (n > tail && strcmp(path + n - tail, gone) == 0)
		path[n - tail] = '\0';
	*arg++ = path;
	*arg++ = (char *)"mdpop3d";
	*arg++ = (char *)"-Z";
	*arg = NULL;
}

static char path_variable[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* With all that it starts it is one group, which can be ended. */
static void stand_alone(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
}

/* A name that nobody can find: PAM's audit would ask the DNS for it. */
static const char *client_of(const struct session *s)
{
	return strcmp(s->host, LOCAL_CLIENT) == 0 ? "" : s->host;
}

static _Noreturn void run_program(const struct session *s, char **arg)
{
	char host[SAFE_NAME + 12], *env[] = { path_variable, host, NULL };
	struct str t;

	str_init(&t, host, sizeof host);
	str_put(&t, "TCPREMOTEIP=");
	str_put(&t, client_of(s));
	stand_alone();
	execve(arg[0], arg, env);
	_exit(EXIT_TEMPORARY);
}

static _Noreturn void check_by_program(const struct session *s,
    const struct str *request, int reply)
{
	char self[512], *arg[PROGRAM_ARGS + 5];
	char *pam[] = { (char *)CONFIG_PAM_HELPER, (char *)"-s",
	    (char *)s->conf->service, (char *)"-r",
	    (char *)client_of(s), NULL };
	int n = 0;

	if (place_fds(request, reply) < 0)
		_exit(EXIT_TEMPORARY);
	if (ENABLE_FEATURE_MDPOP3D_PAM && s->conf->service)
		run_program(s, pam);
	for (; s->conf->program[n]; n++)
		arg[n] = s->conf->program[n];
	put_self(arg + n, self, sizeof self);
	run_program(s, arg);
}

static _Noreturn void check_by_pam(const struct session *s,
    const struct str *request, int reply)
{
	char buf[PA_RECORD], *env[] = { path_variable, NULL };
	char *pass = request->p + strlen(request->p) + 1;
	const struct pa_request q = {
		.service = s->conf->service, .host = client_of(s),
		.user = request->p, .pass = pass,
		.stamp = pass + strlen(pass) + 1
	};
	struct str t;

	environ = env;
	stand_alone();
	reply = fcntl(reply, F_DUPFD_CLOEXEC, HIGH_FD);
	str_init(&t, buf, sizeof buf);
	if (reply < 0 || null_fds() < 0)
		_exit(EXIT_TEMPORARY);
	fd_close_others(&reply, 1);
	pa_check(&q, &t);
	_exit(fd_write(reply, t.p, t.len) < 0);
}

static _Noreturn void check_by_files(const struct session *s,
    const struct pv_request *r, int reply)
{
	struct au_user u = { .uid = 0 };
	struct verdict v = { .detail = "" };
	struct sb has;
	int result = AU_TROUBLE, e = 0;

	fd_close_others(&reply, 1);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (ENABLE_FEATURE_MDPOP3D_SANDBOX)
		e = sb_checker(&has);
	if (e == 0)
		result = check_files(s->conf, r, &u, &v);
	_exit(check_write(reply, result, &u, &v) < 0);
}

/* ---- and in the one that waits for it ----------------------------------- */

/* One packet, and whose it is, as the kernel tells. */
static ssize_t receive(int fd, char *record, size_t cap, struct ucred *from)
{
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec to = { record, cap };
	struct msghdr msg = {
		.msg_iov = &to, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof control
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0 || control.head.cmsg_type != SCM_CREDENTIALS)
		return 0;
	memcpy(from, CMSG_DATA(&control.head), sizeof *from);
	return n;
}

/* What it has started may hold its end of the socket for ever. */
static bool has_ended(pid_t pid)
{
	siginfo_t who = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &who, WEXITED | WNOHANG | WNOWAIT) ==
	    0 && who.si_pid == pid;
}

/* Its length; 0: none will come; -1: too late. */
static ptrdiff_t hear(pid_t pid, int fd, char *record, size_t cap,
    struct ucred *from)
{
	const int64_t until = nio_now() + CHECK_TIME;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	while (poll(&p, 1, LOOK) <= 0 && !has_ended(pid))
		if (nio_now() > until)
			return -1;
	if (BY_OTHERS)
		return receive(fd, record, cap, from);
	n = recv(fd, record, cap, MSG_DONTWAIT);
	from->uid = geteuid();
	return n < 0 ? 0 : n;
}

/*
 * A program that has become the user can be changed by that user, and can
 * make others speak for it: the kernel's word is taken for who it is, and
 * for its being the one that was started, or of its session.  Name, groups
 * and what is logged are not its own to tell.
 */
static bool is_credible(const struct ucred *from,
    const struct pv_request *r, struct au_user *user, struct verdict *v)
{
	char name[AU_FIELD];
	struct str t;

	if (from->uid != user->uid || from->gid != user->gid)
		return false;
	str_init(&t, user->name, sizeof user->name);
	str_put(&t, r->user);
	v->detail[0] = '\0';
	user->group[0] = user->gid;
	user->groups = us_name(user->uid, name, sizeof name) < 0 ? 1 :
	    us_groups(name, user->group, 1, AU_GROUPS);
	return user->groups > 0;
}

/* 1 by the interface; vchkpw has 3, cvm-checkpassword 100. */
static bool is_refusal(int status)
{
	return status == 1 || status == 3 || status == 100;
}

static int no_record(const struct conf *c, ptrdiff_t n, int status,
    struct verdict *v)
{
	struct str t;

	if (n == 0 && c->checkpw && WIFEXITED(status) &&
	    is_refusal(WEXITSTATUS(status)))
		return AU_PASSWORD;
	str_init(&t, v->detail, sizeof v->detail);
	str_put(&t, n < 0 ? "no answer in time" : "no answer, ");
	if (n == 0) {
		str_put(&t, WIFEXITED(status) ? "status " : "signal ");
		str_u64(&t, (uint64_t)(WIFEXITED(status) ?
		    WEXITSTATUS(status) : WTERMSIG(status)));
	}
	return AU_TROUBLE;
}

/*
 * Who traces the user's process has its end before we do, and may keep it:
 * root does not wait for that.
 */
static int end_program(const struct conf *c, pid_t pid)
{
	int status = 0, tries = LET_GO;

	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, c->checkpw ? WNOHANG : 0) == 0 &&
	    tries-- > 0)
		poll(NULL, 0, tries > LET_GO - 10 ? 1 : 10);
	return status;
}

static int await(const struct conf *c, pid_t pid, int fd,
    const struct pv_request *r, struct au_user *user, struct verdict *v)
{
	char record[CHECK_RECORD];
	struct ucred from = { .pid = 0 };
	ptrdiff_t n = hear(pid, fd, record, sizeof record, &from);
	/* Before anything ends: -Z waits for that. */
	bool credible = n > 0 && (from.pid == pid || getsid(from.pid) == pid);
	int result, status = end_program(c, pid);

	if (n <= 0)
		return no_record(c, n, status, v);
	result = check_parse(record, (size_t)n, user, v);
	if (ENABLE_FEATURE_MDPOP3D_CHECKPW && c->checkpw)
		credible = credible && result == AU_OK &&
		    is_credible(&from, r, user, v);
	else
		credible = from.uid == geteuid();
	return credible ? result : AU_TROUBLE;
}

static _Noreturn void check(const struct session *s,
    const struct pv_request *r, const struct str *request, int reply)
{
	if (ENABLE_PAM_INPROC && s->conf->service)
		check_by_pam(s, request, reply);
	if (outside(s->conf))
		check_by_program(s, request, reply);
	check_by_files(s, r, reply);
}

static int check_apart(const struct session *s, const struct pv_request *r,
    struct au_user *user, struct verdict *v)
{
	static char buf[4 * P3_LINE];
	const int on = 1;
	struct str request;
	int pair[2], result;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return AU_TROUBLE;
	if (BY_OTHERS)
		(void)setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on,
		    sizeof on);
	str_init(&request, buf, sizeof buf);
	if (outside(s->conf))
		put_request(&request, s, r);
	pid = fork();
	if (pid == 0)
		check(s, r, &request, pair[1]);
	wipe(buf, sizeof buf);
	close(pair[1]);
	result = pid < 0 ? AU_TROUBLE : await(s->conf, pid, pair[0], r,
	    user, v);
	close(pair[0]);
	return result;
}

int check_login(struct session *s, const struct pv_request *r,
    struct au_user *user, struct verdict *v)
{
	signal(SIGCHLD, SIG_DFL);	/* who ignores it cannot wait */
	if (!ENABLE_FEATURE_MDPOP3D_PRIVSEP && !outside(s->conf))
		return check_files(s->conf, r, user, v);
	return check_apart(s, r, user, v);
}
