/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_POP3TEST) += applets/pop3test/names.o
/*
 * Addresses of hosts: /etc/hosts and a stub resolver (RFC 1035), for the
 * libc's would be most of a static binary.  No search list: a name is asked
 * for as it is given.
 *
 * A name server's answer is believed when it comes from the address and to
 * the random port of the question, with its random number and its text.
 * All addresses of the answer section count, whatever name they are of: the
 * CNAMEs between are the server's business.  So no name is ever unpacked,
 * and no compression pointer followed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "netio.h"
#include "pop3test.h"
#include "users.h"
#include "wire.h"

#ifndef NAMES_HOSTS
#define NAMES_HOSTS "/etc/hosts"
#define NAMES_SERVERS "/etc/resolv.conf"
#define NAMES_PORT 53
#endif

enum {
	SERVERS = 3,		/* as the libcs have it */
	TRIES = 2,
	HEADER = 12,		/* octets: RFC 1035 section 4.1.1 */
	QUESTION = HEADER + 255 + 4,
	ANSWER = 1024,		/* servers keep to 512 without EDNS */
	TYPE_A = 1,
	TYPE_AAAA = 28
};

enum outcome {			/* of a question; more is better known */
	GOT_FOREIGN,		/* no answer to it */
	GOT_NOTHING,
	GOT_FAILURE,
	GOT_NO_DATA,
	GOT_NO_HOST,
	GOT_ADDRESS
};

static const char *const outcomes[] = {
	[GOT_NOTHING] = "name server does not answer",
	[GOT_FAILURE] = "name server cannot answer",
	[GOT_NO_DATA] = "no address",
	[GOT_NO_HOST] = "no such host"
};

struct search {
	const char *host;
	int family;
	struct nio_addr *found;
	int n;
};

static bool wants(const struct search *s, int family)
{
	return s->family == AF_UNSPEC || s->family == family;
}

static void add(struct search *s, const struct nio_addr *a)
{
	if (!wants(s, nio_addr_is4(a) ? AF_INET : AF_INET6))
		return;
	for (int i = 0; i < s->n; i++)
		if (memcmp(s->found[i].ip, a->ip, sizeof a->ip) == 0)
			return;
	if (s->n < ADDRESSES)
		s->found[s->n++] = *a;
}

/* From 4 or 16 bytes. */
static void address(struct nio_addr *a, const unsigned char *ip, size_t n)
{
	*a = (struct nio_addr){ .ip = { [10] = 0xFF, [11] = 0xFF } };
	memcpy(a->ip + sizeof a->ip - n, ip, n);
}

bool names_numeric(struct nio_addr *a, const char *text)
{
	unsigned char ip[16];
	bool four = inet_pton(AF_INET, text, ip) == 1;

	if (!four && inet_pton(AF_INET6, text, ip) != 1)
		return false;
	address(a, ip, four ? 4 : 16);
	return true;
}

void names_addr(struct names_addr *to, const struct nio_addr *from,
    uint16_t port)
{
	memset(to, 0, sizeof *to);
	if (nio_addr_is4(from)) {
		to->len = sizeof to->u.in;
		to->u.in.sin_family = AF_INET;
		to->u.in.sin_port = htons(port);
		memcpy(&to->u.in.sin_addr, from->ip + 12, 4);
	} else {
		to->len = sizeof to->u.in6;
		to->u.in6.sin6_family = AF_INET6;
		to->u.in6.sin6_port = htons(port);
		memcpy(&to->u.in6.sin6_addr, from->ip, 16);
	}
}

/* In n bytes, or up to the first difference. */
static bool same_text(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	while (n > 0 && ascii_lower(*p) == ascii_lower(*q))
		p++, q++, n--;
	return n == 0;
}

/* ---- files ------------------------------------------------------------- */

/* The reader of passwd(5) and its relatives does for these files, too. */
static char *next_line(struct us_file *f)
{
	if (!us_next(f))
		return NULL;
	/* IPv6 addresses have the colons at which it has been split. */
	for (int i = 1; i < f->fields; i++)
		f->field[i][-1] = ':';
	return f->line;
}

/* The next word of a line, or null; *p is moved behind it. */
static char *next_word(char **p)
{
	char *word = *p + strspn(*p, " \t\r");
	size_t n = strcspn(word, " \t\r#");

	*p = word + n;
	if (**p == '#')
		**p = '\0';
	else if (**p)
		*(*p)++ = '\0';
	return n ? word : NULL;
}

/* All lines count: a host may have several, of both families. */
static void look_into_hosts(struct search *s)
{
	size_t n = strlen(s->host) + 1;
	struct us_file f;
	struct nio_addr a;
	char *line, *word;

	if (us_open(&f, NAMES_HOSTS) < 0)
		return;
	while ((line = next_line(&f)) != NULL) {
		word = next_word(&line);
		if (!word || !names_numeric(&a, word))
			continue;
		while ((word = next_word(&line)) != NULL)
			if (same_text(word, s->host, n))
				add(s, &a);
	}
	us_close(&f);
}

static int find_servers(struct nio_addr server[SERVERS])
{
	struct us_file f;
	char *line, *word;
	int n = 0;

	if (us_open(&f, NAMES_SERVERS) == 0) {
		while (n < SERVERS && (line = next_line(&f)) != NULL) {
			word = next_word(&line);
			if (!word || strcmp(word, "nameserver") != 0)
				continue;
			word = next_word(&line);
			n += word && names_numeric(&server[n], word);
		}
		us_close(&f);
	}
	if (n == 0)
		n = names_numeric(&server[0], "127.0.0.1");
	return n;
}

/* ---- questions and answers --------------------------------------------- */

/* How long it is; 0: no host has such a name. */
static size_t make_question(unsigned char q[QUESTION], const char *host,
    unsigned char type)
{
	size_t at = HEADER;

	memset(q, 0, QUESTION);
	if (getrandom(q, 2, 0) != 2)
		q[0] = (unsigned char)nio_now();
	q[2] = 1;		/* recursion desired */
	q[5] = 1;		/* one question */
	while (*host) {
		size_t n = str_span(host, '.');

		if (n == 0 || n > 63 || at + n + 1 > HEADER + 254)
			return 0;
		q[at++] = (unsigned char)n;
		memcpy(q + at, host, n);
		at += n;
		host += n + (host[n] == '.');
	}
	q[at + 2] = type;
	q[at + 4] = 1;		/* Internet */
	return at == HEADER ? 0 : at + 5;
}

/*
 * The text of the question comes back as it was, but some servers have
 * their own ideas about capitals.
 */
static bool answers(const unsigned char *q, size_t len,
    const unsigned char *p, size_t n)
{
	return n >= len && p[0] == q[0] && p[1] == q[1] &&
	    (p[2] & 0xF8) == 0x80 && p[4] == 0 && p[5] == 1 &&
	    same_text(p + HEADER, q + HEADER, len - HEADER);
}

/* Behind the name at `at`, maybe beyond n. */
static size_t skip_name(const unsigned char *p, size_t n, size_t at)
{
	while (at < n && p[at] > 0 && p[at] < 0xC0)
		at += p[at] + 1u;
	return at + (at < n && p[at] > 0 ? 2 : 1);
}

/* An answer, or what pretends to be one, of n bytes at p. */
static enum outcome take_answer(struct search *s, const unsigned char *q,
    size_t len, const unsigned char *p, size_t n)
{
	size_t at = len, end;
	int before = s->n;

	if (!answers(q, len, p, n))
		return GOT_FOREIGN;
	if (p[3] & 15)
		return (p[3] & 15) == 3 ? GOT_NO_HOST : GOT_FAILURE;
	for (int left = p[6] << 8 | p[7]; left > 0; left--, at = end) {
		struct nio_addr a;
		size_t size;

		at = skip_name(p, n, at);
		if (at + 10 > n)
			break;
		size = (size_t)p[at + 8] << 8 | p[at + 9];
		end = at + 10 + size;
		if (end > n)
			break;
		/* Type and class as in the question. */
		if (memcmp(p + at, q + len - 4, 4) != 0 ||
		    size != (q[len - 3] == TYPE_A ? 4 : 16))
			continue;
		address(&a, p + at + 10, size);
		add(s, &a);
	}
	return s->n > before ? GOT_ADDRESS : GOT_NO_DATA;
}

/* The time is for the answer: what else arrives does not extend it. */
static enum outcome listen_for(struct search *s, int fd,
    const unsigned char *q, size_t len, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t until = nio_now() + ms, left;
	unsigned char buf[ANSWER];
	enum outcome o = GOT_FOREIGN;
	ssize_t n;

	while (o == GOT_FOREIGN && (left = until - nio_now()) > 0) {
		(void)poll(&p, 1, (int)left);
		n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n >= 0)
			o = take_answer(s, q, len, buf, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			break;	/* nobody listens there */
	}
	return o == GOT_FOREIGN ? GOT_NOTHING : o;
}

static enum outcome ask(struct search *s, const struct nio_addr *server,
    unsigned char type, int ms)
{
	unsigned char q[QUESTION];
	size_t len = make_question(q, s->host, type);
	struct names_addr to;
	enum outcome o = GOT_NOTHING;
	int fd;

	if (len == 0)
		return GOT_NO_HOST;
	names_addr(&to, server, NAMES_PORT);
	fd = socket(to.u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return GOT_NOTHING;
	if (connect(fd, &to.u.sa, to.len) == 0 && send(fd, q, len, 0) > 0)
		o = listen_for(s, fd, q, len, ms);
	close(fd);
	return o;
}

/*
 * All servers in turn, and the round again.  "No such host" from one is
 * final, trouble of its own is not.
 */
static enum outcome ask_all(struct search *s, unsigned char type, int ms)
{
	struct nio_addr server[SERVERS];
	enum outcome best = GOT_NOTHING, o;
	int n = find_servers(server);
	/* One address will do: the other kind need not be waited for. */
	int tries = s->n > 0 ? 1 : TRIES;

	for (int i = 0; i < tries * n; i++) {
		o = ask(s, &server[i % n], type, ms / (TRIES * n));
		if (o >= GOT_NO_DATA)
			return o;
		if (o > best)
			best = o;
	}
	return best;
}

/* Each kind has half of the time; RFC 1035 knows no question for both. */
static enum outcome ask_dns(struct search *s, int ms)
{
	enum outcome four = GOT_NO_DATA, six = GOT_NO_DATA;

	if (s->family == AF_UNSPEC)
		ms /= 2;
	if (wants(s, AF_INET))
		four = ask_all(s, TYPE_A, ms);
	if (four != GOT_NO_HOST && wants(s, AF_INET6))
		six = ask_all(s, TYPE_AAAA, ms);
	if (six == GOT_NO_HOST || four == GOT_NO_DATA)
		return six;
	return four;
}

/* ---- the whole --------------------------------------------------------- */

/* Dropped by the compiler, with the libc's resolver, where it is not used. */
static enum outcome ask_libc(struct search *s)
{
	const struct addrinfo hints = {
		.ai_family = s->family, .ai_socktype = SOCK_STREAM
	};
	struct addrinfo *list = NULL;
	struct nio_addr a;
	int e = getaddrinfo(s->host, NULL, &hints, &list);

	for (struct addrinfo *i = list; e == 0 && i; i = i->ai_next)
		if (nio_addr_from(&a, i->ai_addr) == 0)
			add(s, &a);
	if (e == 0)
		freeaddrinfo(list);
	return e == EAI_NONAME ? GOT_NO_HOST : e == EAI_AGAIN ? GOT_NOTHING :
	    e == EAI_FAIL ? GOT_FAILURE : GOT_NO_DATA;
}

static enum outcome search(struct search *s, int timeout)
{
	struct nio_addr a;

	if (names_numeric(&a, s->host)) {
		add(s, &a);
		return GOT_NO_DATA;
	}
	if (ENABLE_POP3TEST_NSS)
		return ask_libc(s);
	look_into_hosts(s);
	/* RFC 6761 section 6.3: it is no question for a name server. */
	if (s->n == 0 && same_text(s->host, "localhost", 10)) {
		(void)names_numeric(&a, "127.0.0.1");
		add(s, &a);
		(void)names_numeric(&a, "::1");
		add(s, &a);
	}
	return s->n > 0 ? GOT_ADDRESS : ask_dns(s, timeout);
}

int names_find(const char *host, int family, struct nio_addr *found,
    int timeout, struct trouble *why)
{
	struct search s = { .host = host, .family = family, .found = found };
	enum outcome o = search(&s, timeout);

	if (s.n > 0)
		return s.n;
	return trouble_set(why, PT_UNKNOWN, ST_CONNECT, host, ": ",
	    outcomes[o], o != GOT_NO_DATA || family == AF_UNSPEC ? NULL :
	    family == AF_INET ? " (-4)" : " (-6)", (char *)NULL);
}
