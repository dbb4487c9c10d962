/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_MAILDIRCK) += applets/maildirck/options.o
/* The command line. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "maildirck.h"

enum { OPERANDS = 1024 };

/* The long options, as letters of their own. */
enum {
	L_DRY = 1, L_STRICT, L_NO_FOLDERS, L_NO_JOURNAL, L_STAT, L_CHECKS,
	L_VALUE,		/* those from here on take a value */
	L_ONLY = L_VALUE, L_SKIP, L_FIX, L_SKIP_LIST, L_JOURNAL, L_MAX,
	L_LOCK, L_MEM, L_SEP, L_OWNER, L_UNDO, L_RESCUE, L_MBOX, L_EXPLAIN
};

static const struct {
	uint8_t code;
	char name[13];
} longs[] = {
	{ L_DRY, "dry-run" }, { L_STRICT, "strict" },
	{ L_NO_FOLDERS, "no-folders" }, { L_NO_JOURNAL, "no-journal" },
	{ L_STAT, "stat" }, { L_CHECKS, "list-checks" }, { L_ONLY, "only" },
	{ L_SKIP, "skip" }, { L_FIX, "fix" }, { L_SKIP_LIST, "skip-list" },
	{ L_JOURNAL, "journal" }, { L_MAX, "max-changes" },
	{ L_LOCK, "lock-wait" }, { L_MEM, "mem" }, { L_SEP, "info-sep" },
	{ L_OWNER, "owner" }, { L_UNDO, "undo" }, { L_RESCUE, "rescue" },
	{ L_MBOX, "from-mbox" }, { L_EXPLAIN, "explain" }
};

extern const char maildirck_usage[];

bool skip_listed(const struct options *o, const char *path)
{
	for (size_t i = 0; i < o->skip.len; i += strlen(o->skip.p + i) + 1)
		if (strcmp(o->skip.p + i, path) == 0)
			return true;
	return false;
}

/* Paths as the output has them, unescaped, one a line. */
static int read_skip_list(struct options *o, const char *file)
{
	struct md_area *a = &o->skip;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ptrdiff_t r = -1;

	while (fd >= 0 && md_area_grow(a, a->len + PATH_CAP) == 0 &&
	    (r = fd_read(fd, a->p + a->len, a->cap - a->len - 1)) > 0)
		a->len += (size_t)r;
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return -1;
	for (size_t i = 0; i < a->len; i++)
		if (a->p[i] == '\n')
			a->p[i] = '\0';
	if (a->len && a->p[a->len - 1])
		a->p[a->len++] = '\0';
	return 0;
}

/* ---- lists of ids ------------------------------------------------------- */

/* The names are those of the output, and as good for git's users. */
static int severity_of(const char *name, size_t n)
{
	static const char names[][7] = {
		[SEV_IGNORE] = "ignore", [SEV_INFO] = "info",
		[SEV_WARN] = "warn", [SEV_ERROR] = "error",
		[SEV_FATAL] = "fatal"
	};

	for (int i = SEV_IGNORE; i <= SEV_FATAL; i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return i;
	return -1;
}

/* Who names a check wants it, whatever has to be read for it. */
static void turn_on(struct options *o, int id)
{
	o->severity[id] = finding_info[id].severity;
	if (o->severity[id] == SEV_IGNORE)
		o->severity[id] = SEV_WARN;
	if (finding_info[id].level > o->level)
		o->level = (enum level)finding_info[id].level;
}

static void use_id(struct options *o, int code, int id, int severity)
{
	if (code == 'E')
		o->severity[id] = (uint8_t)severity;
	else if (code == L_SKIP)
		o->severity[id] = SEV_IGNORE;
	else
		turn_on(o, id);
	if (code == L_FIX)
		o->demand[id] = true;
}

/* One "N09", "N" (all of that letter) or, for -E, "N09=warn". */
static int use_item(struct options *o, int code, const char *p, size_t n)
{
	size_t len = 0;
	int severity = -1, used = 0;

	while (len < n && p[len] != '=')
		len++;
	if (code == 'E' && len < n)
		severity = severity_of(p + len + 1, n - len - 1);
	if ((code == 'E') != (severity >= 0) || (code != 'E' && len < n))
		return -1;
	for (int id = 0; id < ID_COUNT; id++) {
		const char *name = finding_name((enum id)id);

		if (name[0] == p[0] && (len == 1 || (len == 3 &&
		    memcmp(name, p, 3) == 0))) {
			use_id(o, code, id, severity);
			used++;
		}
	}
	return used ? 0 : -1;
}

static int use_list(struct options *o, int code, const char *p)
{
	if (code == L_ONLY)
		memset(o->severity, SEV_IGNORE, sizeof o->severity);
	for (;;) {
		size_t n = str_span(p, ',');

		if (use_item(o, code, p, n) < 0)
			return -1;
		if (!p[n])
			return 0;
		p += n + 1;
	}
}

/* ---- values ------------------------------------------------------------- */

static int set_level(struct options *o, const char *name)
{
	static const char names[][6] = { "names", "stat", "head", "full" };

	for (int i = LEVEL_NAMES; i <= LEVEL_FULL; i++) {
		if (strcmp(names[i], name) == 0) {
			o->level = (enum level)i;
			return 0;
		}
	}
	return -1;
}

/* "64m", "512k", "100000". */
static int set_bytes(const char *p, uint64_t *n)
{
	const char *unit = scan_u64(p, n);
	unsigned shift;

	if (!unit || *n == 0 || *n > UINT32_MAX)
		return -1;
	shift = *unit == 'k' ? 10 : *unit == 'm' ? 20 : 0;
	*n <<= shift;
	return unit[shift > 0] ? -1 : 0;
}

static int set_progress(struct options *o, const char *p)
{
	uint64_t n;

	if (parse_u64(p, &n) < 0 || n > 1023)
		return -1;
	o->progress_fd = (int)n;
	return 0;
}

static int set_separator(struct options *o, const char *p)
{
	if (p[0] <= ' ' || p[0] == '/' || p[1])
		return -1;
	o->info_sep = p[0];
	return 0;
}

/* "UID:GID" */
static int set_owner(struct options *o, const char *p)
{
	uint64_t uid, gid;

	o->owner = p;
	p = scan_u64(p, &uid);
	return p && *p == ':' && parse_u64(p + 1, &gid) == 0 &&
	    uid < UINT32_MAX && gid < UINT32_MAX ? 0 : -1;
}

static void set_verb(struct options *o, enum verb verb, const char **to,
    const char *value)
{
	o->verb = verb;
	*to = value;
}

static int set_value(struct options *o, int code, const char *value)
{
	switch (code) {
	case 'c': return set_level(o, value);
	case 'C': return set_progress(o, value);
	case 'o': o->dest = value; return 0;
	case L_SKIP_LIST: return read_skip_list(o, value);
	case L_JOURNAL: o->journal = value; return 0;
	case L_MAX: return parse_u64(value, &o->max_changes);
	case L_LOCK: return parse_u64(value, &o->lock_wait);
	case L_MEM: return set_bytes(value, &o->mem);
	case L_SEP: return set_separator(o, value);
	case L_OWNER: return set_owner(o, value);
	case L_UNDO: set_verb(o, VERB_UNDO, &o->journal, value); return 0;
	case L_MBOX: set_verb(o, VERB_MBOX, &o->dest, value); return 0;
	default: return use_list(o, code, value);
	}
}

/* -1 where the letter is none of these: then it takes a value. */
static int set_flag(struct options *o, int code)
{
	switch (code) {
	case 'n': o->mode = MODE_CHECK; return 0;
	case 'a':
	case 'p': o->mode = MODE_PREEN; return 0;
	case 'y': o->mode = MODE_YES; return 0;
	case 'i': o->mode = MODE_ASK; return 0;
	case 'f': o->force = true; return 0;
	case 'r': o->no_folders = false; return 0;
	case 'R': o->spool = true; return 0;
	case 'j': o->out = OUT_JSON; return 0;
	case '0': o->out = OUT_NUL; return 0;
	case 'S': o->out = OUT_SUMMARY; return 0;
	case 'v': o->verbose = true; return 0;
	case 'q': o->quiet = true; return 0;
	case L_DRY: o->dry_run = true; return 0;
	case L_STRICT: o->strict = true; return 0;
	case L_NO_FOLDERS: o->no_folders = true; return 0;
	case L_NO_JOURNAL: o->no_journal = true; return 0;
	case L_STAT: o->verb = VERB_STAT; return 0;
	case L_RESCUE: o->verb = VERB_RESCUE; return 0;
	default: return -1;
	}
}

/* ---- the line ----------------------------------------------------------- */

static int print(int e)
{
	return e < 0 ? CK_ERROR : 0;
}

/* --explain and --list-checks end the run: -1, or its exit status. */
static int ask_table(int code, const char *value)
{
	if (code == L_CHECKS)
		return report_list_checks();
	if (!ENABLE_FEATURE_MAILDIRCK_EXPLAIN)
		return ck_usage_error("not in this build", "");
	return report_explain(value) == 0 ? 0 :
	    ck_usage_error("no such check: ", value);
}

/* "--NAME", "--NAME=VALUE", "--NAME VALUE"; -1 to go on, or a status. */
static int long_option(struct options *o, struct opt *opt)
{
	const char *word = opt->argv[opt->i - 1] + 2;
	size_t n = str_span(word, '=');
	const char *value = word[n] ? word + n + 1 : NULL;
	int code = 0;

	for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
		if (strlen(longs[i].name) == n &&
		    memcmp(longs[i].name, word, n) == 0)
			code = longs[i].code;
	if (code == 0 || (value && (code < L_VALUE || code == L_RESCUE)))
		return ck_usage_error("unknown option: --", word);
	if (code == L_CHECKS)
		return ask_table(code, NULL);
	if (code < L_VALUE || code == L_RESCUE)
		return set_flag(o, code) < 0 ? CK_USAGE : -1;
	if (!value && (value = opt->argv[opt->i]) != NULL)
		opt->i++;
	if (!value)
		return ck_usage_error("value missing: --", word);
	if (code == L_EXPLAIN)
		return ask_table(code, value);
	return set_value(o, code, value) < 0 ?
	    ck_usage_error("bad value: ", value) : -1;
}

static int set_option(struct options *o, struct opt *opt, int letter)
{
	const char name[] = { '-', opt->letter, '\0' };

	if (letter == OPT_HELP)
		return print(fd_puts(STDOUT_FILENO, maildirck_usage,
		    (char *)NULL));
	if (letter == OPT_VERSION || letter == 'V')
		return print(fd_puts(STDOUT_FILENO, "maildirck "
		    POPBOX_VERSION " (popbox)\n", (char *)NULL));
	if (letter == OPT_UNKNOWN && opt->letter == '-')
		return long_option(o, opt);
	if (letter == OPT_UNKNOWN)
		return ck_usage_error("unknown option: ", name);
	if (letter == OPT_NOVALUE)
		return ck_usage_error("value missing: ", name);
	if (set_flag(o, letter) == 0)
		return -1;
	return set_value(o, letter, opt->value) < 0 ?
	    ck_usage_error("bad value: ", opt->value) : -1;
}

/* Root gives files away, and nothing else while it is root. */
static int only_owners(struct options *o)
{
	if (geteuid() != 0)
		return ck_usage_error("--owner is for root", "");
	for (int id = 0; id < ID_COUNT; id++)
		if (id != S06 && id != F05)
			o->severity[id] = SEV_IGNORE;
	o->demand[S06] = o->demand[F05] = true;
	if (o->level < LEVEL_STAT)
		o->level = LEVEL_STAT;
	return -1;
}

static int contradiction(struct options *o)
{
	if (o->owner && only_owners(o) >= 0)
		return CK_USAGE;
	if (o->mode == MODE_CHECK && o->dry_run)
		return ck_usage_error("--dry-run is for -p and -y", "");
	if (o->spool && o->journal)
		return ck_usage_error("--journal is for one Maildir", "");
	return -1;
}

char **options_parse(struct options *o, char **argv, int *status)
{
	static char *operands[OPERANDS + 1];
	struct opt opt;
	size_t n = 0;
	int letter, e = -1;

	*o = (struct options){
		.level = LEVEL_HEAD, .info_sep = ':', .progress_fd = -1,
		.lock_wait = 10
	};
	for (int id = 0; id < ID_COUNT; id++)
		o->severity[id] = finding_info[id].severity;
	opt_init(&opt, argv, "npayifrRc:C:j0SvqE:o:V");
	while (e < 0) {
		letter = opt_next(&opt);
		if (letter != 0)
			e = set_option(o, &opt, letter);
		else if (!opt.argv[opt.i] || n == OPERANDS)
			break;
		else
			operands[n++] = opt.argv[opt.i++];
	}
	if (e < 0 && n == OPERANDS)
		e = ck_usage_error("too many operands", "");
	*status = e < 0 ? contradiction(o) : e;
	return *status < 0 ? operands : NULL;
}
