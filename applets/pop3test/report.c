/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/report.o
/* What "run" prints: TAP 13, or a line of JSON for each test. */
#include <string.h>
#include <unistd.h>

#include "script.h"
#include "verbs.h"

static struct out out;

void report_begin(struct report *p, const struct options *o)
{
	p->json = o->json;
	p->quiet = o->quiet;
	p->n = 0;
	out_begin(&out, STDOUT_FILENO);
	if (!p->json && !p->quiet)
		out_put(&out, "TAP version 13\n");
	out_flush(&out);
}

/* A text that may be anything, as one line of plain characters. */
static void put_plain(const char *text, char doubled, const char *by)
{
	for (; *text; text++) {
		char c = *text >= ' ' && *text < 0x7F ? *text : '?';

		if (c == doubled)
			out_put(&out, by);
		out_mem(&out, &c, 1);
	}
}

void report_log(struct report *p, const char *text)
{
	if (p->json || p->quiet)
		return;
	out_put(&out, "# ");
	put_plain(text, '\0', "");
	out_put(&out, "\n");
	out_flush(&out);
}

/* ---- a test ------------------------------------------------------------ */

struct facts {			/* what both forms tell */
	const char *file, *title, *step;
	const char *source;	/* the step's file, which may be included */
	uint32_t line;
	const struct run *r;
	const struct trouble *why;
	int result;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What follows a "#" would be a directive of TAP. */
static void put_titled(const struct facts *f)
{
	put_plain(f->file, '#', "\\");
	out_put(&out, *f->title ? ": " : "");
	put_plain(f->title, '#', "\\");
}

/* In single quotes, which YAML doubles inside. */
static void put_yaml(const char *key, const char *text)
{
	out_put(&out, key);
	out_put(&out, "'");
	put_plain(text, '\'', "'");
	out_put(&out, "'\n");
}

static unsigned first_traced(const struct trace *t)
{
	return t->n > TRACE_LINES ? t->n - TRACE_LINES : 0;
}

static void put_details(const struct facts *f)
{
	const struct trace *t = &f->r->trace;

	out_put(&out, "  ---\n");
	put_yaml("  message: ", f->why->text);
	put_yaml("  stage: ", stage_name(f->why->stage));
	out_put(&out, "  at: '");
	put_plain(f->source, '\'', "'");
	out_put(&out, ":");
	out_u64(&out, f->line);
	out_put(&out, "'\n");
	put_yaml("  want: ", f->step);
	if (f->r->got[0])
		put_yaml("  got: ", f->r->got);
	out_put(&out, "  transcript:\n");
	for (unsigned i = first_traced(t); i < t->n; i++)
		put_yaml("    - ", t->last[i % TRACE_LINES]);
	out_put(&out, "  ...\n");
}

static void put_tap(const struct report *p, const struct facts *f)
{
	bool failed = f->result == STEP_FAILED;

	if (p->quiet && !failed)
		return;
	out_put(&out, failed ? "not ok " : "ok ");
	out_u64(&out, p->n);
	out_put(&out, " - ");
	put_titled(f);
	if (f->result == STEP_SKIP) {
		out_put(&out, " # SKIP ");
		put_plain(f->r->reason, '\0', "");
	}
	out_put(&out, "\n");
	if (failed)
		put_details(f);
}

static void put_field(const char *key, const char *text)
{
	out_put(&out, ",\"");
	out_put(&out, key);
	out_put(&out, "\":");
	out_json(&out, text, strlen(text));
}

static void put_json(const struct facts *f)
{
	const struct trace *t = &f->r->trace;

	out_put(&out, "{\"result\":\"");
	out_put(&out, f->result == STEP_OK ? "ok" :
	    f->result == STEP_SKIP ? "skip" : "fail");
	out_put(&out, "\"");
	put_field("file", f->result == STEP_FAILED ? f->source : f->file);
	put_field("test", f->title);
	if (f->result == STEP_SKIP)
		put_field("reason", f->r->reason);
	if (f->result == STEP_FAILED) {
		out_put(&out, ",\"line\":");
		out_u64(&out, f->line);
		put_field("step", f->step);
		put_field("stage", stage_name(f->why->stage));
		put_field("message", f->why->text);
		put_field("got", f->r->got);
		out_put(&out, ",\"transcript\":[");
		for (unsigned i = first_traced(t); i < t->n; i++) {
			const char *text = t->last[i % TRACE_LINES];

			out_put(&out, i > first_traced(t) ? "," : "");
			out_json(&out, text, strlen(text));
		}
		out_put(&out, "]");
	}
	out_put(&out, "}\n");
}

void report_test(struct report *p, const struct run *r,
    const struct sline *title, const struct trouble *why, int result)
{
	const struct script *s = r->s;
	uint32_t at = r->at < s->n ? r->at : s->n - (s->n > 0);
	struct facts f = {
		.r = r, .why = why, .result = result, .step = "",
		.file = "", .source = "",
		.title = title ? script_at(s, title->arg) : ""
	};

	if (s->n > 0) {
		f.step = script_at(s, s->line[at].text);
		f.source = base_name(script_at(s, s->line[at].file));
		f.file = base_name(script_at(s, title ? title->file :
		    s->line[0].file));
		f.line = s->line[at].number;
	}
	p->n++;
	if (p->json)
		put_json(&f);
	else
		put_tap(p, &f);
	out_flush(&out);
}

/* ---- the end ----------------------------------------------------------- */

static void put_count(uint32_t n, const char *what)
{
	out_u64(&out, n);
	out_put(&out, what);
}

/* The exit status: also of output that could not be written. */
int report_end(struct report *p, const struct totals *t, int status)
{
	struct trouble why;

	if (!p->json) {
		if (!p->quiet) {
			out_put(&out, "1..");
			put_count(p->n, "\n");
		}
		out_put(&out, "# ");
		put_count(t->passed, " passed, ");
		put_count(t->failed, " failed, ");
		put_count(t->skipped, " skipped\n");
	}
	return out_end(&out, &why) < 0 ? say_trouble(&why) : status;
}
