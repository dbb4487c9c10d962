/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/files.o
/* "run": the scripts of files and folders. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "script.h"

struct names {			/* paths, and pointers to them, sorted */
	struct md_area text, list;
	const char *dir;
};

static int add_path(struct names *n, const char *dir, const char *name)
{
	size_t a = dir ? strlen(dir) : 0, b = strlen(name);
	bool slash = a > 0 && dir[a - 1] != '/';
	char *p;

	if (md_area_grow(&n->text, n->text.len + a + b + 2) < 0)
		return -1;
	p = n->text.p + n->text.len;
	memcpy(p, dir ? dir : "", a);
	p[a] = '/';
	memcpy(p + a + slash, name, b + 1);
	n->text.len += a + slash + b + 1;
	return 0;
}

static int add_script(void *ctx, int fd, const char *name)
{
	struct names *n = ctx;
	size_t len = strlen(name);

	(void)fd;
	if (name[0] == '.' || len < 6 || strcmp(name + len - 5, ".pop3") != 0)
		return 0;
	return add_path(n, n->dir, name);
}

/* By insertion: a folder has few files. */
static void sort(const char **list, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const char *p = list[i];
		size_t k = i;

		for (; k > 0 && strcmp(list[k - 1], p) > 0; k--)
			list[k] = list[k - 1];
		list[k] = p;
	}
}

/* One folder's scripts, or one file, in order. */
static int find(struct names *n, const char *path, struct trouble *why)
{
	struct stat st;
	size_t count = 0;
	const char **list;
	char *p;
	int e;

	n->text.len = n->list.len = 0;
	n->dir = path;
	if (stat(path, &st) < 0)
		return trouble_errno(why, PT_UNKNOWN, ST_OWN, path);
	e = S_ISDIR(st.st_mode) ? dir_each(path, add_script, n) :
	    add_path(n, NULL, path);
	for (p = n->text.p; e == 0 && p < n->text.p + n->text.len; count++)
		p += strlen(p) + 1;
	if (e < 0 || md_area_grow(&n->list, (count + 1) * sizeof *list) < 0)
		return trouble_set(why, PT_UNKNOWN, ST_OWN, path,
		    ": cannot be read", (char *)NULL);
	if (count == 0)
		return trouble_set(why, PT_UNKNOWN, ST_OWN, path,
		    ": no scripts (*.pop3)", (char *)NULL);
	list = (const char **)(void *)n->list.p;
	for (p = n->text.p; p < n->text.p + n->text.len; p += strlen(p) + 1)
		*list++ = p;
	*list = NULL;
	sort(list - count, count);
	return 0;
}

/* ---- one file ---------------------------------------------------------- */

static int list_tests(const struct script *s)
{
	int e = 0;

	if (run_untitled(s))
		e |= fd_puts(STDOUT_FILENO, script_at(s, s->line[0].file),
		    "\n", (char *)NULL);
	for (uint32_t i = 0; i < s->n; i++)
		if (s->line[i].op == OP_TEST)
			e |= fd_puts(STDOUT_FILENO, script_at(s,
			    s->line[i].file), ": ", script_at(s,
			    s->line[i].arg), "\n", (char *)NULL);
	return e;
}

static struct run run;

struct all {
	const struct options *o;
	struct report report;
	struct totals totals;
	int worst;
	bool only_check;
};

static int each_script(struct all *a, const struct script *s,
    struct trouble *why)
{
	if (a->only_check)
		return 0;
	if (a->o->list_only)
		return list_tests(s) == 0 ? 0 : trouble_errno(why,
		    PT_UNKNOWN, ST_OWN, "standard output");
	run_init(&run, a->o, s);
	run.report = &a->report;
	run_once(&run);
	run_end(&run);
	a->totals.passed += run.passed;
	a->totals.failed += run.failed;
	a->totals.skipped += run.skipped;
	/* the worst that is not our own trouble, else that */
	if (run.status != PT_OK && (a->worst == PT_OK ||
	    a->worst == PT_UNKNOWN || (run.status != PT_UNKNOWN &&
	    run.status > a->worst)))
		a->worst = run.status;
	return 0;
}

static int each_path(struct all *a, const char *path, struct trouble *why)
{
	static struct names names;
	const char *const *list;
	struct script s = { 0 };
	int e = find(&names, path, why);

	list = (const char *const *)(const void *)names.list.p;
	for (; e == 0 && *list; list++) {
		if (a->worst != PT_OK && a->o->stop_first)
			break;
		e = script_load(&s, *list, why);
		if (e == 0)
			e = each_script(a, &s, why);
		script_free(&s);
	}
	return e;
}

/* Takes $dir along; it is all system calls. */
static void interrupted(int sig)
{
	run_remove_dir(&run);
	_exit(128 + sig);
}

/* nohup(1), or a shell's "&", may have said that it is none of ours. */
static void heed(int sig)
{
	if (signal(sig, interrupted) == SIG_IGN)
		signal(sig, SIG_IGN);
}

/* Everything is checked before anything runs. */
int verb_run(const struct options *o)
{
	static struct all a;
	struct trouble why = { 0 };
	char **operand;

	a = (struct all){ .o = o, .only_check = true };
	if (!*o->operands)
		return usage_error("run: no script");
	for (operand = o->operands; *operand; operand++)
		if (each_path(&a, *operand, &why) < 0)
			return say_trouble(&why);
	a.only_check = false;
	heed(SIGINT);
	heed(SIGTERM);
	heed(SIGHUP);
	if (!o->list_only)
		report_begin(&a.report, o);
	for (operand = o->operands; *operand; operand++)
		if (each_path(&a, *operand, &why) < 0)
			return say_trouble(&why);
	if (o->list_only)
		return PT_OK;
	if (a.worst == PT_OK && a.totals.passed == 0)
		a.worst = PT_UNKNOWN;	/* nothing was found out */
	return report_end(&a.report, &a.totals, a.worst);
}
