/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ucspitls OPTION... PROGRAM ARG...
 *
 * A superserver that offers UCSPI-TLS, for tests: each PROGRAM has the
 * connection as descriptors 0 and 1 and three more, SSLCTLFD, SSLREADFD and
 * SSLWRITEFD.  When it writes "y" or "Y" to the first, TLS begins on the
 * connection, and the others are what is inside.
 *
 *   -a ADDR  -p PORT  where to listen; 127.0.0.1
 *   -c FILE  -k FILE  certificate and key, PEM
 *   -1       one connection; ends with the status of its PROGRAM
 *   -f FORM  the descriptors: "pipes", as s6-ucspitlsd has them, "pair", one
 *            for both directions, or "one", which is SSLCTLFD as well
 *   -n FD    the lowest number for them
 *   -w N     PROGRAM starts when N octets are there: it reads all at once
 *   -x WHAT  after the order, no TLS: "hang" or "close"
 *   -2       no more than TLS 1.2
 *   -v       tell on standard error what happens
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *form = "pipes", *instead = "";
static int lowest = 3, before;
static bool talks;
static SSL_CTX *tls;

/* The superserver's ends, and the program's as numbers for exec. */
struct channels {
	int control, to, from;
	int theirs[3];		/* SSLCTLFD, SSLREADFD, SSLWRITEFD */
};

/* What is on its way in one direction. */
struct flow {
	char data[16384];
	size_t n, done;
	bool end;		/* nothing comes after it */
};

static void give_up(const char *what)
{
	perror(what);
	exit(111);
}

static void tell(const char *what, const char *detail)
{
	if (talks)
		fprintf(stderr, "ucspitls: %s%s\n", what, detail);
}

static void connect_ends(bool both_ways, int *ours, int *theirs)
{
	int fd[2];

	if ((both_ways ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fd) : pipe2(fd, O_CLOEXEC)) < 0)
		give_up("channels");
	*ours = fd[0];
	*theirs = fd[1];
}

static void open_channels(struct channels *c)
{
	connect_ends(true, &c->control, &c->theirs[0]);
	if (strcmp(form, "pipes") == 0) {
		connect_ends(false, &c->theirs[1], &c->to);
		connect_ends(false, &c->from, &c->theirs[2]);
		return;
	}
	if (strcmp(form, "pair") == 0) {
		connect_ends(true, &c->to, &c->theirs[1]);
	} else {
		c->to = c->control;
		c->theirs[1] = c->theirs[0];
	}
	c->from = c->to;
	c->theirs[2] = c->theirs[1];
}

/* The same number for what is the same descriptor. */
static void export_channels(const struct channels *c)
{
	static const char *const name[] = {
		"SSLCTLFD", "SSLREADFD", "SSLWRITEFD"
	};
	int fd[3];

	for (int i = 0; i < 3; i++) {
		char number[16];

		fd[i] = i > 0 && c->theirs[i] == c->theirs[i - 1] ?
		    fd[i - 1] : fcntl(c->theirs[i], F_DUPFD, lowest);
		if (fd[i] < 0)
			give_up("F_DUPFD");
		snprintf(number, sizeof number, "%d", fd[i]);
		setenv(name[i], number, 1);
	}
}

static pid_t start(const struct channels *c, int net, char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (pid > 0)
		return pid;
	signal(SIGPIPE, SIG_DFL);
	dup2(net, 0);
	dup2(net, 1);
	export_channels(c);
	execvp(argv[0], argv);
	give_up(argv[0]);
	return -1;
}

/* What OpenSSL wants to wait for; false when it is over. */
static bool may_go_on(SSL *ssl, int r, short *wanted)
{
	int e = SSL_get_error(ssl, r);

	if (e == SSL_ERROR_WANT_READ)
		*wanted |= POLLIN;
	else if (e == SSL_ERROR_WANT_WRITE)
		*wanted |= POLLOUT;
	else
		return false;
	return true;
}

/* From the client to the program; true when something has moved. */
static bool move_in(SSL *ssl, struct flow *f, int to, short *net,
    short *program)
{
	ssize_t n;
	int r;

	if (f->n == 0 && !f->end) {
		r = SSL_read(ssl, f->data, sizeof f->data);
		f->done = 0;
		f->n = r > 0 ? (size_t)r : 0;
		if (r <= 0 && !may_go_on(ssl, r, net))
			f->end = true;
	}
	if (f->n == 0)
		return false;
	n = write(to, f->data + f->done, f->n - f->done);
	if (n < 0 && errno == EAGAIN) {
		*program |= POLLOUT;
		return false;
	}
	f->done += n < 0 ? f->n - f->done : (size_t)n;
	if (f->done == f->n)
		f->n = 0;
	return true;
}

/* And back; f->end is also set when the client takes nothing any more. */
static bool move_out(SSL *ssl, struct flow *f, int from, short *net,
    short *program)
{
	ssize_t n;
	int r;

	if (f->n == 0 && !f->end) {
		n = read(from, f->data, sizeof f->data);
		f->done = 0;
		f->n = n > 0 ? (size_t)n : 0;
		if (n < 0 && errno == EAGAIN)
			*program |= POLLIN;
		else if (n <= 0)
			f->end = true;
	}
	if (f->n == 0)
		return false;
	r = SSL_write(ssl, f->data + f->done, (int)(f->n - f->done));
	if (r <= 0 && may_go_on(ssl, r, net))
		return false;
	f->done += r > 0 ? (size_t)r : 0;
	if (r <= 0)
		f->end = true;
	if (f->end || f->done == f->n)
		f->n = 0;
	return true;
}

/* Both ways until the program ends or the client takes nothing more. */
static void shuttle(SSL *ssl, int net, const struct channels *c)
{
	static struct flow in, out;
	bool told = false;

	while (!out.end || out.n > 0) {
		struct pollfd p[3] = { { .fd = net }, { .fd = c->to },
		    { .fd = c->from } };
		bool moved = move_in(ssl, &in, c->to, &p[0].events,
		    &p[1].events);

		moved |= move_out(ssl, &out, c->from, &p[0].events,
		    &p[2].events);
		if (in.end && in.n == 0 && !told) {
			told = true;
			if (shutdown(c->to, SHUT_WR) < 0)
				close(c->to);
		}
		for (int i = 0; i < 3; i++)
			if (!p[i].events)
				p[i].fd = -1;
		if (!moved && (!out.end || out.n > 0))
			poll(p, 3, -1);
	}
	SSL_shutdown(ssl);
}

/* A program that ends meanwhile ends it. */
static bool handshake(SSL *ssl, int net, int from)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = net },
		    { .fd = from, .events = POLLIN } };
		int r;

		ERR_clear_error();
		r = SSL_accept(ssl);
		if (r == 1)
			return true;
		if (!may_go_on(ssl, r, &p[0].events))
			return false;
		poll(p, 2, -1);
		if (p[1].revents & POLLHUP)
			return false;
	}
}

static void secure(int net, const struct channels *c)
{
	SSL *ssl = SSL_new(tls);

	fcntl(net, F_SETFL, O_NONBLOCK);
	fcntl(c->to, F_SETFL, O_NONBLOCK);
	fcntl(c->from, F_SETFL, O_NONBLOCK);
	SSL_set_fd(ssl, net);
	if (!handshake(ssl, net, c->from)) {
		tell("no TLS", "");
		return;
	}
	tell("TLS: ", SSL_get_version(ssl));
	shuttle(ssl, net, c);
}

/* One byte that the program writes, and what it asks for. */
static void obey(int net, const struct channels *c)
{
	char order[2] = "";

	if (read(c->control, order, 1) < 1)
		return;
	tell("order ", order);
	if (order[0] == 'Y') {
		if (write(c->control, "SSL_TEST=1\0", 12) < 0)
			return;
	} else if (order[0] != 'y') {
		return;
	}
	if (strcmp(instead, "hang") == 0)
		while (read(c->from, order, 1) > 0)
			;
	else if (!*instead)
		secure(net, c);
}

/* The status of the program, as its own. */
static int serve(int net, char **argv)
{
	struct channels c;
	const int least = 1, on = 1, unsent = 16384;
	struct pollfd p = { .fd = net, .events = POLLIN };
	int status;
	pid_t pid;

	setsockopt(net, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* What waits here has left the program, whose clock runs on. */
	setsockopt(net, SOL_SOCKET, SO_SNDBUF, &unsent, sizeof unsent);
	if (before > 0) {
		setsockopt(net, SOL_SOCKET, SO_RCVLOWAT, &before,
		    sizeof before);
		poll(&p, 1, -1);
		setsockopt(net, SOL_SOCKET, SO_RCVLOWAT, &least,
		    sizeof least);
	}
	open_channels(&c);
	pid = start(&c, net, argv);
	for (int i = 0; i < 3; i++)
		close(c.theirs[i]);
	obey(net, &c);
	close(c.to);
	close(c.from);
	close(net);
	if (waitpid(pid, &status, 0) < 0)
		give_up("waitpid");
	status = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	tell("status ", status == 0 ? "0" : "not 0");
	return status;
}

static int listen_on(const char *address, const char *port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_in four = { .sin_family = AF_INET,
	    .sin_port = six.sin6_port };
	bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
	int fd = socket(is_six ? AF_INET6 : AF_INET,
	    SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1)
		give_up(address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, is_six ? (void *)&six : (void *)&four,
	    is_six ? sizeof six : sizeof four) < 0 || listen(fd, 128) < 0)
		give_up(port);
	return fd;
}

static void accept_all(int listener, bool once, char **argv)
{
	int status, net;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		net = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (net < 0)
			give_up("accept");
		if ((pid = fork()) == 0) {
			close(listener);
			_exit(serve(net, argv));
		}
		close(net);
		if (once) {
			close(listener);
			waitpid(pid, &status, 0);
			exit(WIFEXITED(status) ? WEXITSTATUS(status) : 111);
		}
	}
}

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1", *port = NULL;
	bool once = false;
	int letter;

	tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while ((letter = getopt(argc, argv, "+12va:p:c:k:f:n:w:x:")) > 0)
		switch (letter) {
		case '1': once = true; break;
		case '2':
			SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
			break;
		case 'v': talks = true; break;
		case 'a': address = optarg; break;
		case 'p': port = optarg; break;
		case 'c': SSL_CTX_use_certificate_chain_file(tls, optarg);
			break;
		case 'k': SSL_CTX_use_PrivateKey_file(tls, optarg,
		    SSL_FILETYPE_PEM); break;
		case 'f': form = optarg; break;
		case 'n': lowest = atoi(optarg); break;
		case 'w': before = atoi(optarg); break;
		case 'x': instead = optarg; break;
		default: return 100;
		}
	if (!port || !argv[optind] || SSL_CTX_check_private_key(tls) != 1)
		return 100;
	accept_all(listen_on(address, port), once, argv + optind);
}
