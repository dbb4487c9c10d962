/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/report.o
/* What was found, for people and for programs. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"
#include "out.h"
#include "plan.h"

/* ---- order: by path, id, and what was found first ----------------------- */

static int compare(const struct ck *ck, const struct finding *a,
    const struct finding *b)
{
	int c = strcmp(text_at(ck, a->path), text_at(ck, b->path));

	if (c == 0)
		c = (int)a->id - (int)b->id;
	return c ? c : a->path < b->path ? -1 : 1;
}

/* Shellsort with the gaps of Gonnet and Baeza-Yates (1991). */
static void sort(const struct ck *ck, struct finding *f, size_t n)
{
	for (size_t gap = n; gap > 1; ) {
		gap = gap < 5 ? 1 : gap * 5 / 11;
		for (size_t i = gap; i < n; i++) {
			struct finding x = f[i];
			size_t j = i;

			for (; j >= gap && compare(ck, &x, f + j - gap) < 0;
			    j -= gap)
				f[j] = f[j - gap];
			f[j] = x;
		}
	}
}

/* ---- a finding ---------------------------------------------------------- */

/* By enum op_kind; journal.c has their names for programs. */
static const char done[][13] = {
	"renamed", "name removed", "made", "removed", "mode set",
	"owner set", "time set", "written", "written anew"
};

/* 0: repaired; otherwise -errno, or 1 where nothing was tried. */
static int outcome(const struct ck *ck, const struct finding *f)
{
	if (!f->wanted || !f->action || ck->o->dry_run)
		return 1;
	return plan_failure(ck, f->group);
}

static void put_action(const struct ck *ck, const struct finding *f)
{
	char buf[ERR_TEXT];
	int e = outcome(ck, f);

	if (!f->wanted || !f->action)
		return;
	ck_put(e > 0 ? " [planned: " : e < 0 ? " [not " : " [");
	ck_put(done[f->action - 1]);
	if (f->action <= OP_UNLINK + 1) {
		ck_put(f->action == OP_RENAME + 1 ? " to " : ", kept as ");
		ck_safe(text_at(ck, f->to));
	}
	if (e < 0) {
		ck_put(": ");
		ck_put(err_text(-e, buf));
	}
	ck_put("]");
}

static void put_line(const struct ck *ck, const struct finding *f)
{
	const char *path = text_at(ck, f->path);

	if (ck->o->spool) {
		ck_safe(ck->path);
		ck_put(*path ? "/" : "");
	}
	ck_safe(*path || ck->o->spool ? path : ".");
	ck_put(": ");
	ck_put(finding_name((enum id)f->id));
	ck_put(" ");
	ck_put(ck_severity[f->severity]);
	ck_put(": ");
	ck_put(finding_title((enum id)f->id));
	if (f->detail) {
		ck_put(" (");
		ck_safe(text_at(ck, f->detail));
		ck_put(")");
	}
	put_action(ck, f);
}

static const char *text_or_null(const struct ck *ck, uint32_t at)
{
	return at ? text_at(ck, at) : NULL;
}

static void put_json(const struct ck *ck, const struct finding *f)
{
	const uint64_t n[] = {
		f->ino, f->size, (uint64_t)(f->mtime < 0 ? -f->mtime : f->mtime)
	};
	bool acted = f->wanted && f->action;

	ck_object(NULL, "finding");
	ck_field("id", finding_name((enum id)f->id));
	ck_field("sev", ck_severity[f->severity]);
	ck_field("maildir", ck->path);
	if (ck_field("path", text_at(ck, f->path)))
		ck_field("path_b64", NULL);
	ck_form(f->mtime < 0 ? ",\"ino\":#,\"size\":#,\"mtime\":-#" :
	    ",\"ino\":#,\"size\":#,\"mtime\":#", n);
	ck_field("detail", text_or_null(ck, f->detail));
	ck_field("action", acted ? op_name(f->action - 1U) : NULL);
	ck_field("to", acted ? text_or_null(ck, f->to) : NULL);
	ck_put(",\"done\":");
	ck_put(outcome(ck, f) == 0 ? "true}" : "false}");
}

static uint32_t listed;		/* the path that -0 printed last, or 0 */

/* -0: the paths of what is still bad, each once. */
static void put_path(const struct ck *ck, const struct finding *f)
{
	const char *path = text_at(ck, f->path);

	if (outcome(ck, f) == 0 || (listed && strcmp(text_at(ck, listed),
	    path) == 0))
		return;
	listed = f->path;
	ck_put(ck->path);
	ck_put(*path ? "/" : "");
	ck_put(path);
	ck_mem("", 1);
}

static void put_finding(const struct ck *ck, const struct finding *f)
{
	int least = ck->o->quiet ? SEV_ERROR : ck->o->verbose ||
	    ck->o->strict ? SEV_INFO : SEV_WARN;

	if (ck->o->out == OUT_JSON)
		put_json(ck, f);
	else if (f->severity < least || ck->o->out == OUT_SUMMARY)
		return;
	else if (ck->o->out == OUT_NUL)
		put_path(ck, f);
	else
		put_line(ck, f);
	if (ck->o->out != OUT_NUL)
		ck_put("\n");
}

static void count(struct ck *ck, const struct finding *f)
{
	ck->counts.found[f->id]++;
	if (outcome(ck, f) == 0) {
		ck->counts.fixed++;
		ck->status |= CK_FIXED;
	} else if (f->severity > SEV_INFO || ck->o->strict) {
		ck->counts.left++;
		ck->status |= CK_LEFT;
	}
}

void report_flush(struct ck *ck)
{
	struct finding *f = (struct finding *)(void *)ck->finds.p;

	progress_end(ck);
	sort(ck, f, ck->nfinds);
	for (size_t i = 0; i < ck->nfinds; i++) {
		count(ck, &f[i]);
		put_finding(ck, &f[i]);
	}
	ck_flush(ck, STDOUT_FILENO);
	ck->nfinds = ck->finds.len = listed = 0;
	if (ck->nops == 0)
		ck->text.len = 0;
}

/* ---- the sum ------------------------------------------------------------ */

static void people_summary(const struct ck *ck, uint64_t ms)
{
	const struct counts *c = &ck->counts;
	const uint64_t n[] = {
		c->sub[MD_NEW] + c->sub[MD_CUR], c->fixed + c->left, c->fixed,
		c->left, ms / 1000, ms / 100 % 10
	};

	for (int id = 0; ck->o->out == OUT_SUMMARY && id < ID_COUNT; id++) {
		if (c->found[id] == 0)
			continue;
		ck_put(finding_name((enum id)id));
		ck_form(" ########  ", &c->found[id]);
		ck_put(finding_title((enum id)id));
		ck_put("\n");
	}
	ck_safe(ck->path);
	ck_form(": # messages, # findings, # fixed, # left; #.# s\n", n);
}

/* {"A":1,...} of what is not zero; names by number. */
static void put_map(const char *key, const uint64_t *n, int max,
    const char *(*name)(enum id i))
{
	const char *comma = "";

	ck_put(",\"");
	ck_put(key);
	ck_put("\":{");
	for (int i = 0; i < max; i++) {
		if (n[i] == 0)
			continue;
		ck_put(comma);
		ck_put("\"");
		ck_put(name((enum id)i));
		ck_form("\":#", n + i);
		comma = ",";
	}
	ck_put("}");
}

static const char *letter(enum id i)
{
	static char name[2];

	name[0] = (char)('A' + i);
	return name;
}

void ck_flags(const uint64_t flags[26])
{
	put_map("flags", flags, 26, letter);
}

static void json_summary(const struct ck *ck, uint64_t ms)
{
	const struct counts *c = &ck->counts;
	const uint64_t n[] = {
		c->sub[MD_NEW] + c->sub[MD_CUR], c->bytes, c->sub[MD_NEW],
		c->sub[MD_CUR], c->sub[MD_TMP], c->fixed, c->left, c->changes,
		c->concurrent, ms, (uint64_t)ck->status
	};

	ck_object(ck, "summary");
	ck_form(",\"messages\":#,\"bytes\":#,\"new\":#,\"cur\":#,\"tmp\":#,"
	    "\"fixed\":#,\"left\":#,\"changes\":#,\"concurrent\":#,"
	    "\"elapsed_ms\":#,\"exit\":#", n);
	ck_flags(c->flags);
	put_map("findings", c->found, ID_COUNT, finding_name);
	ck_put("}\n");
}

void report_summary(struct ck *ck, uint64_t elapsed_ms)
{
	if (ck->o->out == OUT_JSON)
		json_summary(ck, elapsed_ms);
	else if (ck->o->out != OUT_NUL && !ck->o->quiet)
		people_summary(ck, elapsed_ms);
	ck_flush(ck, STDOUT_FILENO);
}

/* ---- -i ----------------------------------------------------------------- */

/*
 * Who answers: standard input.  Where that is /dev/null or the like, as
 * xargs(1) leaves it, the terminal.
 */
static int answers(void)
{
	static int fd = -1;
	struct stat st;

	if (fd >= 0)
		return fd;
	fd = STDIN_FILENO;
	if (!fd_is_terminal(fd) && fstat(fd, &st) == 0 &&
	    S_ISCHR(st.st_mode))
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = STDIN_FILENO;
	return fd;
}

/* The first letter of a line; q at the end of them. */
static char answer(int fd)
{
	char first = '\0', c;

	do {
		if (fd_read(fd, &c, 1) != 1)
			return 'q';
		if (!first)
			first = c;
	} while (c != '\n');
	return first;
}

bool report_ask(struct ck *ck, const struct finding *f)
{
	static char known[ID_COUNT], all;	/* y or n, once it is told */
	char c = all ? all : known[f->id];
	int fd = answers();

	while (c != 'y' && c != 'n') {
		progress_end(ck);
		put_line(ck, f);
		ck_put("\nRepair? y, n, a: all of this kind, s: none of "
		    "them, q: nothing more: ");
		ck_flush(ck, fd == STDIN_FILENO ? STDERR_FILENO : fd);
		c = answer(fd);
		if (c == 'a')
			c = known[f->id] = 'y';
		if (c == 's')
			c = known[f->id] = 'n';
		if (c == 'q')
			c = all = 'n';
	}
	return c == 'y';
}
