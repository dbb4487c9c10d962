/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_LOAD) += applets/pop3test/loadout.o
/*
 * What a load run has found: a table, or lines of JSON.  Both are forms
 * that the same numbers are put into.
 */
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "verbs.h"

static const char verb_name[PT_VERBS][9] = {
	[V_CONNECT] = "connect", [V_GREETING] = "greeting",
	[V_AUTH] = "login", [V_CAPA] = "CAPA", [V_STAT] = "STAT",
	[V_LIST] = "LIST", [V_UIDL] = "UIDL", [V_TOP] = "TOP",
	[V_RETR] = "RETR", [V_DELE] = "DELE", [V_RSET] = "RSET",
	[V_NOOP] = "NOOP", [V_QUIT] = "QUIT", [V_OTHER] = "other",
	[V_SESSION] = "session"
};

static struct out out;

static void put_number(struct str *s, uint64_t n, bool milli, size_t width)
{
	char buf[32];
	struct str d;

	str_init(&d, buf, sizeof buf);
	str_u64(&d, milli ? n / 1000 : n);
	if (milli) {
		str_char(&d, '.');
		for (unsigned unit = 100; unit; unit /= 10)
			str_char(&d, (char)('0' + n / unit % 10));
	}
	for (; width > d.len; width--)
		str_char(s, ' ');
	str_put(s, d.p);
}

void put_form(struct str *s, const char *form, const uint64_t *n)
{
	while (*form) {
		char c = *form;
		size_t width = 1;

		if (c == '#' || c == '@') {
			while (form[width] == c)
				width++;
			put_number(s, *n++, c == '@', width);
		} else {
			str_char(s, c);
		}
		form += width;
	}
}

static void put(const char *form, const uint64_t *n)
{
	char buf[640];
	struct str s;

	str_init(&s, buf, sizeof buf);
	put_form(&s, form, n);
	out_put(&out, s.p);
}

/* ---- verbs -------------------------------------------------------------- */

/* How many, and p50 p90 p99 p99.9 max. */
static void times(const struct hist *h, uint64_t n[6])
{
	static const uint16_t of_10000[] = { 5000, 9000, 9900, 9990, 10000 };

	n[0] = hist_count(h);
	for (int i = 0; i < 5; i++)
		n[i + 1] = hist_percentile(h, of_10000[i]);
}

/* Errors and octets. */
static void sums(const struct load *l, int verb, uint64_t n[2])
{
	n[0] = n[1] = 0;
	for (uint32_t i = 0; i < l->workers; i++) {
		n[0] += l->tally[i].errors[verb];
		n[1] += l->tally[i].octets[verb];
	}
}

#define TIMES " @@@@@@@@@ @@@@@@@@@ @@@@@@@@@ @@@@@@@@@ @@@@@@@@@\n"

static void table(const struct load *l, const struct hist *h, bool service)
{
	uint64_t n[8];

	put(service ? "\nservice " : "\nresponse", NULL);
	put(service ? "   count errors     KB" : "                      ",
	    NULL);
	put("       p50       p90       p99     p99.9       max\n", NULL);
	for (int v = 0; v < PT_VERBS; v++) {
		char buf[10] = "         ";

		times(&h[v], n + 2);
		if (n[2] == 0)
			continue;
		memcpy(buf, verb_name[v], strlen(verb_name[v]));
		put(buf, NULL);
		n[0] = n[2];
		sums(l, v, n + 1);
		n[2] /= 1024;
		if (service)
			put("####### ###### ######" TIMES, n);
		else
			put("                     " TIMES, n + 3);
	}
}

#define TIMES_MS "{\"count\":#,\"p50\":@,\"p90\":@,\"p99\":@," \
	"\"p99.9\":@,\"max\":@}"

static void json_verbs(const struct load *l)
{
	uint64_t n[14];

	for (int v = 0; v < PT_VERBS; v++) {
		times(&l->sh->service[v], n + 2);
		if (n[2] == 0)
			continue;
		times(&l->sh->response[v], n + 8);
		sums(l, v, n);
		put("{\"verb\":\"", NULL);
		put(verb_name[v], NULL);
		put("\",\"errors\":#,\"octets\":#,\"service_ms\":" TIMES_MS
		    ",\"response_ms\":" TIMES_MS "}\n", n);
	}
}

/* ---- all of it ---------------------------------------------------------- */

static void failures(const struct load *l)
{
	for (uint32_t i = 0; i < l->sh->failures; i++) {
		const struct failure *f = &l->sh->failure[i];
		uint64_t n = f->count;

		if (l->o->json) {
			put("{\"failed\":#,\"text\":", &n);
			out_json(&out, f->text, strlen(f->text));
			out_put(&out, "}\n");
		} else {
			put("####### failed: ", &n);
			out_put(&out, f->text);
			out_put(&out, "\n");
		}
	}
}

static void totals(const struct load *l, int status)
{
	const struct shared *sh = l->sh;
	const uint64_t n[] = {
		l->o->rate, l->workers, (uint64_t)(l->ended - sh->t0) / 1000,
		l->seed, sh->started, sh->ok, load_failed(sh), sh->busy,
		l->cut, sh->late, sh->latest, l->missed, sh->violations,
		l->drops ? ledger_unfollowed(l) : 0, (unsigned)status
	};

	if (l->o->json) {
		put("{\"rate\":@,\"workers\":#,\"seconds\":@,\"seed\":#,"
		    "\"sessions\":#,\"ok\":#,\"failed\":#,\"busy\":#,"
		    "\"cut\":#,\"late\":#,\"latest_ms\":@,\"missed\":#,"
		    "\"violations\":#,\"unfollowed\":#,\"status\":#}\n", n);
		return;
	}
	put(l->o->rate ? "open loop, @/s, " : "closed loop, ", n);
	put("# workers, @ s, seed #\n# sessions: # ok, # failed, # busy, "
	    "# cut off\n# late (by up to @ ms), # missed\n", n + 1);
	if (l->drops)
		put("# violations, # messages not followed\n", n + 12);
}

/* A line each second, after a minute each minute. */
void load_progress(const struct load *l, int64_t now)
{
	static int64_t next = 1;
	const int64_t second = (now - l->sh->t0) / 1000000;
	const uint64_t n[] = { (uint64_t)second, shared_get(&l->sh->started),
		load_failed(l->sh), shared_get(&l->sh->late) };

	if (second < next || l->o->quiet ||
	    (!l->o->verbose && !fd_is_terminal(STDERR_FILENO)))
		return;
	next = second < 60 ? second + 1 : second - second % 60 + 60;
	out_begin(&out, STDERR_FILENO);
	put("###### s: # sessions, # failed, # late\n", n);
	out_flush(&out);
}

int load_report(const struct load *l, int status)
{
	struct trouble why;

	out_stdout(&out, l->o);
	if (l->o->json) {
		json_verbs(l);
		failures(l);
	}
	totals(l, status);
	if (!l->o->json) {
		failures(l);
		table(l, l->sh->service, true);
		table(l, l->sh->response, false);
	}
	return out_end(&out, &why) < 0 ? say_trouble(&why) : status;
}
