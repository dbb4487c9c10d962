/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/date.o
#include "date.h"

#include <string.h>

#include "base.h"

struct date {
	int day, month, year, hour, min, sec, zone;	/* -1: not seen yet */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* Up to 8 digits at *s; how many there were. */
static int number(const char **s, const char *end, int *out)
{
	int n = 0;

	for (*out = 0; *s < end && is_digit(**s) && n < 8; n++)
		*out = *out * 10 + *(*s)++ - '0';
	return n;
}

/* Behind "hh:": mm, and :ss where it is told. */
static void time_of_day(struct date *d, const char **s, const char *end)
{
	d->sec = 0;
	++*s;
	if (number(s, end, &d->min) == 0)
		d->min = -1;
	if (*s < end && **s == ':') {
		++*s;
		number(s, end, &d->sec);
	}
}

/* The names of zones of old say hours at most; they count as UTC. */
static void month_name(struct date *d, const char *s, size_t n)
{
	static const char list[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (int i = 0; n >= 3 && i < 12 && d->month < 0; i++)
		if (ascii_lower(s[0]) == list[3 * i] &&
		    ascii_lower(s[1]) == list[3 * i + 1] &&
		    ascii_lower(s[2]) == list[3 * i + 2])
			d->month = i;
}

/* A number's place tells what it is, its length and what follows it. */
static void digits(struct date *d, const char **s, const char *end)
{
	int v, n = number(s, end, &v);

	if (d->hour < 0 && *s < end && **s == ':') {
		d->hour = v;
		time_of_day(d, s, end);
	} else if (d->day < 0 && n <= 2) {
		d->day = v;
	} else if (d->year < 0 && n <= 4) {
		/* Two and three digits: RFC 5322 section 4.3. */
		d->year = n > 3 ? v : v < 50 ? v + 2000 : v + 1900;
	}
}

/* "+0130": minutes to be taken away. */
static void zone(struct date *d, const char **s, const char *end)
{
	int sign = *(*s)++ == '-' ? -1 : 1, v;

	if (number(s, end, &v) == 4)
		d->zone = sign * (v / 100 * 60 + v % 100);
}

/*
 * By the shape of its words: the order is what the two forms differ in.
 * What follows in a comment is a zone's name.
 */
static void scan(struct date *d, const char *s, const char *end)
{
	while (s < end && *s != '(') {
		const char *p = s;

		if (is_digit(*s)) {
			digits(d, &s, end);
		} else if ((*s == '+' || *s == '-') && d->hour >= 0) {
			zone(d, &s, end);
		} else {
			while (s < end && is_alpha(*s))
				s++;
			month_name(d, p, (size_t)(s - p));
			s += s == p;
		}
	}
}

/* Days from 1970-01-01, counted from a March so that leap days end a year. */
static int days(int year, int month, int day)
{
	int y = year - (month < 2);
	int m = (month + 10) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
	    day - 1 - 719468;
}

bool date_rfc(const char *s, size_t n, int64_t *out)
{
	struct date d = { -1, -1, -1, -1, -1, 0, 0 };

	scan(&d, s, s + n);
	if (d.day < 1 || d.day > 31 || d.month < 0 || d.year < 1900 ||
	    d.hour < 0 || d.hour > 24 || d.min < 0 || d.min > 59 ||
	    d.sec > 60)
		return false;
	*out = (int64_t)days(d.year, d.month, d.day) * 86400 +
	    (d.hour * 60 + d.min - d.zone) * 60 + d.sec;
	return true;
}

/* Where the header field that s begins ends, with what is folded. */
static const char *field_end(const char *s, const char *end)
{
	while (s < end) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));

		s = lf ? lf + 1 : end;
		if (s < end && *s != ' ' && *s != '\t')
			break;
	}
	return s;
}

const char *header_find(const char *head, size_t n, const char *key,
    size_t *len)
{
	const char *end = head + n, *next;

	for (; head < end && *head != '\n'; head = next) {
		const char *s = head, *k = key;

		next = field_end(head, end);
		while (*k && s < next && ascii_lower(*s) == *k)
			s++, k++;
		if (*k == '\0') {
			*len = (size_t)(next - s);
			return s;
		}
	}
	return NULL;
}

bool date_of_message(const char *head, size_t n, int64_t *out)
{
	size_t len, at;
	const char *v = header_find(head, n, "received:", &len);

	/* The date stands behind the last semicolon. */
	for (at = v ? len : 0; at > 0 && v[at - 1] != ';'; at--)
		;
	if (at > 0 && date_rfc(v + at, len - at, out))
		return true;
	v = header_find(head, n, "date:", &len);
	return v && date_rfc(v, len, out);
}
