/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/bytes.o
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "mbox.h"

unsigned char content_room[1 + ROOM];

/* ---- the header --------------------------------------------------------- */

/* Length, name; the first three are HEAD_IDS. */
static const char known_fields[] =
    "\4from" "\4date" "\12message-id"
    "\2to" "\7subject" "\14mime-version"
    "\13return-path" "\14delivered-to" "\10received" "\14content-type";

enum { ORIGINAL = 0x3F, FIRST_TRACE = 6, TYPE = 9 };

static bool same_word(const char *p, const char *lower, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(p[i]) != lower[i])
			return false;
	return true;
}

static void know(struct head *h, const char *p, size_t n)
{
	unsigned bit = 0;

	for (const char *k = known_fields; *k; k += *k + 1, bit++) {
		if ((size_t)*k != n || !same_word(p, k + 1, n))
			continue;
		h->known |= (uint16_t)(1U << bit);
		if (h->fields == 0)
			h->trace = bit >= FIRST_TRACE && bit < TYPE;
		if (bit == TYPE)
			h->text = same_word(p + n, ": t", 3) ||
			    same_word(p + n, ":t", 2);
	}
}

/* "Name:", as RFC 5322 has it, or "Name :" as RFC 822 had it. */
static void take_field(struct head *h, const char *p, size_t n)
{
	size_t name = 0, colon;

	while (name < n && p[name] > ' ' && p[name] < 0x7F && p[name] != ':')
		name++;
	for (colon = name; colon < n && (p[colon] == ' ' ||
	    p[colon] == '\t'); )
		colon++;
	if (name == 0 || colon == n || p[colon] != ':')
		return;
	know(h, p, name);
	h->fields++;
}

/* "From " and no colon, or how some mailers have quoted that. */
static bool is_from(const char *p, size_t n)
{
	if (n > 5 && *p == '>')
		p++, n--;
	return n > 5 && memcmp(p, "From ", 5) == 0 && p[5] != ':';
}

void head_look(struct head *h, const char *p, size_t n)
{
	const char *lf;
	size_t at, len;

	*h = (struct head){ .start = 0 };
	for (at = 0; (lf = memchr(p + at, '\n', n - at)) != NULL; at += len) {
		const char *s = p + at;

		len = (size_t)(lf + 1 - s);
		if (at == h->start && is_from(s, len)) {
			h->from = true;
			h->start = at + len;
		} else if (*s == '\n' || (len == 2 && *s == '\r')) {
			h->end = at + len;
			return;
		} else if (*s == ' ' || *s == '\t') {
			h->folded = h->folded || at == h->start;
		} else {
			take_field(h, s, len);
		}
	}
}

/* ---- all bytes ---------------------------------------------------------- */

/* What begins behind an LF, if it matters. */
static void at_line(struct bytes *b, const char *p, size_t n, bool after_empty)
{
	if (n < 6)
		return;
	if (after_empty && *p == 'F') {
		const char *lf = memchr(p, '\n', n < 256 ? n : 256);

		b->froms += lf && mbox_is_from(p, (size_t)(lf - p));
	} else if (*p == '-' && b->nboundary && b->nboundary <= n) {
		b->closed = b->closed ||
		    memcmp(p, b->boundary, b->nboundary) == 0;
	}
}

static void take_lf(struct bytes *b, const unsigned char *p, uint64_t here,
    const unsigned char *top)
{
	unsigned cr = p[-1] == '\r';
	uint64_t n = here - b->line - cr;

	b->lf++;
	b->crlf += cr;
	b->line = here + 1;
	if (n > b->longest)
		b->longest = n;
	if (n == 0)
		b->empty_line = true;
	at_line(b, (const char *)p + 1, (size_t)(top - p - 1), n == 0);
}

/* Runs: what a crash leaves is long, or lasts to the end. */
static void take_nul(struct bytes *b, uint64_t here)
{
	if (b->nul_end != here)
		b->nul_run = 0;
	if (b->nul++ == 0)
		b->nul_first = here;
	b->nul_end = here + 1;
	if (++b->nul_run > b->nul_longest)
		b->nul_longest = b->nul_run;
}

static void take_byte(struct bytes *b, const unsigned char *p, uint64_t here,
    const unsigned char *top)
{
	if (*p == '\n')
		take_lf(b, p, here, top);
	else if (*p == '\r')
		b->cr++;
	else if (*p == '\0')
		take_nul(b, here);
}

/* Bits 7 of those bytes of a word that are below 0x0E: NUL, LF and CR. */
static uint64_t few(uint64_t w)
{
	const uint64_t low = 0x7F7F7F7F7F7F7F7F, add = 0x7272727272727272;

	return ~(((w & low) + add) | w | low);
}

static void take_word(struct bytes *b, uint64_t w, const unsigned char *p,
    const unsigned char *top)
{
	for (w = few(le64toh(w)); w; w &= w - 1) {
		unsigned i = (unsigned)__builtin_ctzll(w) / 8;

		take_byte(b, p + i, b->at + i, top);
	}
}

/* Eight bytes at a time: what has to be looked at is rare. */
void bytes_look(struct bytes *b, const unsigned char *p,
    const unsigned char *end, const unsigned char *top)
{
	const unsigned char *from = p;
	uint64_t at = b->at, w;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, sizeof w);
		if (few(w)) {
			b->at = at + (uint64_t)(p - from);
			take_word(b, w, p, top);
		}
	}
	w = UINT64_MAX;
	memcpy(&w, p, (size_t)(end - p));
	b->at = at + (uint64_t)(p - from);
	take_word(b, w, p, top);
	b->at = at + (uint64_t)(end - from);
}

/* ---- what others ask ---------------------------------------------------- */

static ptrdiff_t read_head(int fd, struct head *h)
{
	char *p = (char *)content_room + 1;
	ptrdiff_t r = pread(fd, p, ROOM, 0);

	if (r >= 0)
		head_look(h, p, (size_t)r);
	return r;
}

/*
 * A header of two fields and more, among them those of mail: two that
 * people write, or one that servers put first.  No NULs.
 */
bool content_is_mail(int fd)
{
	struct head h;
	ptrdiff_t n = read_head(fd, &h);
	unsigned score = 0;

	if (n <= 0 || h.fields < 2 ||
	    memchr(content_room + 1, '\0', n < 4096 ? (size_t)n : 4096))
		return false;
	for (unsigned k = h.known & ORIGINAL; k; k &= k - 1)
		score += 2;
	return score + (h.trace ? 3 : 0) >= 3;
}

/* A file cut off may end with a line's end by chance: S= knows better. */
bool content_complete(int fd, const struct stat *st, const struct md_name *n)
{
	uint64_t size = (uint64_t)st->st_size;
	struct head h;
	unsigned char last;
	ptrdiff_t r = read_head(fd, &h);

	if (r <= 0 || h.fields == 0 || (h.end == 0 && r < ROOM) ||
	    pread(fd, &last, 1, st->st_size - 1) != 1 || last == '\0')
		return false;
	return n->size == MD_NOSIZE ? last == '\n' : n->size == size;
}
