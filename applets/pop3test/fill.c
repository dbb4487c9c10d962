/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_FILL) += applets/pop3test/fill.o
/*
 * fill: a Maildir full of messages whose bytes can be checked.
 *
 * The header has the MD5 sum of the body as it has to arrive, which
 * libmd/message.c tells: so every body is made twice, first for its sum.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fill.h"
#include "message.h"
#include "verbs.h"

enum {
	HEAD = 512,		/* bytes of a header block, at most */
	ENDLESS = 255		/* as a width: one line, however long */
};

#define BYTES(s) s, sizeof s - 1

static const struct form {
	char name[12];
	unsigned char width;	/* of the lines that fill it up */
	char tail[4];		/* what the body ends with */
	char head[22];		/* and what it begins with */
	unsigned char head_len;
} forms[FILL_ALL] = {
	[FILL_PLAIN] = { "plain", 72, "", "", 0 },
	[FILL_DOT] = { "a dot", 72, "", BYTES("before\n.\nafter\n") },
	[FILL_DOTS] = { "dots", 72, ".\n", BYTES("x\n..\n...\n.x\n. \n") },
	[FILL_FIRST_DOT] = { "dot first", 72, "", BYTES(".first\n") },
	[FILL_LONE_CR] = { "lone CR", 72, "", BYTES("a\rb\r\rc\n\rd\n") },
	[FILL_NUL] = { "NUL", 72, "", BYTES("a\0b\n\0\n\0.\n") },
	[FILL_8BIT] = { "8 bit", 72, "", BYTES("\x80\xFF \xC3\xA9\n\xA0\n") },
	[FILL_LONG_LINE] = { "long line", ENDLESS, "", "", 0 },
	[FILL_EMPTY] = { "empty", ENDLESS, "", "", 0 },
	[FILL_BLANK] = { "blank lines", 0, "", "", 0 },
	[FILL_FROM] = { "From", 72, "", BYTES("From x\n>From y\n\nFrom\n") },
	[FILL_NO_NEWLINE] = { "no newline", 72, "end", "", 0 },
	[FILL_MIXED] = { "CRLF and LF", 72, "d\r\n",
		BYTES("a\r\nb\n.\r\n.\n\r\n..\n.c\r\n") },
	[FILL_FINAL_CR] = { "final CR", 72, "d\r", "", 0 },
	[FILL_CR_CR_LF] = { "CR CR LF", 72, "",
		BYTES("a\r\r\n\r\r\nb\r\r\n") },
	[FILL_DOT_FILE] = { "dot file", 72, "", "", 0 }
};

/* ---- bodies ------------------------------------------------------------ */

struct fill {
	const struct form *form;
	uint32_t random;
	uint64_t left;		/* octets of lines to fill it up with */
	msg_sink *put;
	void *ctx;
};

uint32_t random_begin(uint32_t seed, uint32_t stream)
{
	uint32_t x = seed * 2654435761U + stream;

	return x ? x : 1;
}

/* Marsaglia's xorshift32: no zero in, none out. */
uint32_t random_next(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

/* So many letters and digits; none of them a dot. */
static int put_text(struct fill *f, uint64_t n)
{
	static const char letter[] = "abcdefghijklmnopqrstuvwxyz012345";
	char text[72];
	int e = 0;

	while (n > 0 && e == 0) {
		size_t take = n < sizeof text ? (size_t)n : sizeof text;
		uint32_t bits = 0;

		for (size_t i = 0; i < take; i++, bits >>= 5) {
			if (i % 6 == 0)
				bits = random_next(&f->random);
			text[i] = letter[bits & 31];
		}
		e = f->put(f->ctx, text, take);
		n -= take;
	}
	return e;
}

/* Lines of f->left octets, their ends counted as CRLF. */
static int put_lines(struct fill *f)
{
	unsigned width = f->form->width;
	int e = 0;

	while (f->left >= 2 && e == 0) {
		uint64_t n = f->left - 2;

		if (width != ENDLESS && n > width)
			n = width;
		/* One octet alone is no line. */
		n -= f->left - n == 3 && n > 0;
		e = put_text(f, n);
		if (e == 0)
			e = f->put(f->ctx, "\n", 1);
		f->left -= n + 2;
	}
	return e;
}

static int put_body(struct fill *f)
{
	const struct form *m = f->form;
	int e = f->put(f->ctx, m->head, m->head_len);

	if (e == 0)
		e = put_lines(f);
	return e ? e : f->put(f->ctx, m->tail, strlen(m->tail));
}

/* ---- as on the wire ---------------------------------------------------- */

static int count(void *ctx, const void *p, size_t n)
{
	return msg_add(ctx, p, n);
}

struct sum {
	struct md5 md5;
	char last;		/* byte before, of what a server sends */
};

/* Takes the dots out that stuffing has put in. */
static int add_sum(void *ctx, const void *p, size_t n)
{
	struct sum *s = ctx;
	const char *at = p;

	if (s->last == '\n' && at[0] == '.') {
		at++;
		n--;
	}
	if (n > 0)
		md5_add(&s->md5, at, n);
	s->last = ((const char *)p)[n ? n - 1 : 0];
	return 0;
}

/* The body as it arrives: its sum, if asked for; how many octets it has. */
static uint64_t measure(struct fill f, struct md5 *md5)
{
	struct sum s = { .last = '\n' };
	struct msg m;

	md5_begin(&s.md5);
	msg_begin(&m, MSG_ALL, md5 ? add_sum : NULL, &s);
	f.put = count;
	f.ctx = &m;
	(void)put_body(&f);
	(void)msg_end(&m);
	if (md5)
		*md5 = s.md5;
	return m.octets;
}

/* ---- messages ---------------------------------------------------------- */

struct header {			/* what it is made from, both times */
	uint32_t seed, number;
	enum fill_form form;
	bool small;		/* without what makes it look like mail */
	bool pad;		/* one octet more */
};

static void put_header(struct str *s, const struct header *h,
    const unsigned char sum[MD5_SIZE])
{
	if (h->form == FILL_DOT_FILE)
		str_put(s, ".x: a dot is the first octet of this file\n");
	if (!h->small) {
		str_put(s, "From: pop3test <from@example.org>\n"
		    "To: pop3test <to@example.org>\nSubject: message ");
		str_u64(s, h->number);
		str_put(s, ": ");
		str_put(s, forms[h->form].name);
		str_put(s, "\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n"
		    "Message-ID: <");
		str_u64(s, h->seed);
		str_char(s, '.');
		str_u64(s, h->number);
		str_put(s, "@example.org>\n");
	}
	str_put(s, h->pad ? "X-Pop3test-MD5:  " : "X-Pop3test-MD5: ");
	str_hex(s, sum, MD5_SIZE);
	str_put(s, "\n\n");
}

static uint64_t header_octets(const struct header *h)
{
	static const unsigned char sum[MD5_SIZE];
	char text[HEAD];
	struct str s;
	struct msg m;

	str_init(&s, text, sizeof text);
	put_header(&s, h, sum);
	msg_begin(&m, MSG_ALL, NULL, NULL);
	(void)msg_add(&m, s.p, s.len);
	return m.octets;
}

/*
 * Shares the octets out between header and body.  What looks like mail is
 * left out where there is no room for it; a blank is put in for an octet
 * that would be no line.
 */
static void plan(struct fill *f, struct header *h, uint64_t size)
{
	uint64_t fixed = measure(*f, NULL);

	h->small = size < header_octets(h) + fixed;
	fixed += header_octets(h);
	f->left = size > fixed ? size - fixed : 0;
	h->pad = f->left == 1 || (f->left % 2 && f->form->width == 0);
	f->left -= h->pad;
	if (h->form == FILL_EMPTY)
		f->left = h->pad = h->small = 0;
}

static int to_file(void *ctx, const void *p, size_t n)
{
	struct out *out = ctx;

	out_mem(out, p, n);
	return out->error;
}

int fill_message(int fd, uint64_t size, uint32_t seed, uint32_t number,
    enum fill_form form)
{
	struct header h = { .seed = seed, .number = number, .form = form };
	struct fill f = { .form = &forms[form] };
	unsigned char sum[MD5_SIZE];
	static struct out out;
	struct md5 md5;
	char text[HEAD];
	struct str s;

	f.random = random_begin(seed, (number + 1) * 40503U);
	plan(&f, &h, size);
	measure(f, &md5);
	md5_end(&md5, sum);
	str_init(&s, text, sizeof text);
	put_header(&s, &h, sum);
	out_begin(&out, fd);
	out_mem(&out, s.p, s.len);
	f.put = to_file;
	f.ctx = &out;
	(void)put_body(&f);
	out_flush(&out);
	errno = out.error;
	return out.error ? -1 : 0;
}

/* ---- the verb ---------------------------------------------------------- */

struct plan {
	uint64_t count, size;
	unsigned forms;		/* how many, in turn */
};

/* The names sort as the messages are numbered, at one second for all. */
static void name_message(char name[MD_NAME_MAX + 1], uint64_t second,
    uint32_t i)
{
	uint32_t digit = 100000;
	struct str s;

	str_init(&s, name, MD_NAME_MAX + 1);
	str_u64(&s, second + i / 1000000);
	str_put(&s, ".M");
	for (; digit; digit /= 10)
		str_char(&s, (char)('0' + i / digit % 10));
	str_char(&s, 'P');
	str_u64(&s, (uint64_t)getpid());
	str_put(&s, ".pop3test");
}

/* All of it in tmp/ first: a server may be looking. */
static int add_message(const struct md *md, const char *name,
    const struct options *o, const struct plan *p, uint32_t i)
{
	unsigned form = i % p->forms;
	int tmp = md->sub[MD_TMP], e;
	int fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	e = fill_message(fd, p->size, o->seed, i + 1,
	    (enum fill_form)form) < 0 ? -errno : 0;
	if (close(fd) < 0 && e == 0)
		e = -errno;
	if (e == 0)
		e = md_rename(tmp, name, md->sub[MD_NEW], name);
	if (e)
		(void)unlinkat(tmp, name, 0);
	return e;
}

/* One sync for all: a thousand of them would take a minute. */
static int fill(const struct options *o, const struct plan *p,
    struct trouble *why)
{
	uint64_t second = (uint64_t)time(NULL);
	char name[MD_NAME_MAX + 1];
	struct md md;
	int e = 0;

	if (fill_maildir(&md, o->operands[0], why) < 0)
		return -1;
	for (uint32_t i = 0; i < p->count && e == 0; i++) {
		name_message(name, second, i);
		e = add_message(&md, name, o, p, i);
	}
	if (e == 0 && syncfs(md.root) < 0)
		e = -errno;
	md_close(&md);
	if (e == 0)
		return 0;
	errno = -e;
	return trouble_errno(why, PT_UNKNOWN, ST_OWN, o->operands[0]);
}

static int parse(struct plan *p, char *const *operand)
{
	static const char kind[][6] = { "odd", "all", "plain" };
	static const unsigned char forms_of[] = {
		FILL_ODD, FILL_ALL, FILL_PLAIN + 1
	};
	int k = 0;

	if (!operand[0] || !operand[1] || !operand[2] ||
	    parse_u64(operand[1], &p->count) < 0 ||
	    parse_u64(operand[2], &p->size) < 0 || p->count > 100000000)
		return -1;
	while (operand[3] && strcmp(kind[k], operand[3]) != 0)
		if (++k == 3)
			return -1;
	p->forms = forms_of[k];
	return operand[3] && operand[4] ? -1 : 0;
}

int verb_fill(const struct options *o)
{
	struct plan p;
	struct trouble why;

	if (parse(&p, o->operands) < 0)
		return usage_error("fill: want MAILDIR COUNT SIZE "
		    "[plain|odd|all]");
	return fill(o, &p, &why) == 0 ? PT_OK : say_trouble(&why);
}
