/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_POP3TEST_RUN) += applets/pop3test/script.o
/*
 * Reads a script and what it includes, line by line, and checks all of it
 * that can be checked without running it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reader.h"

enum {
	SCRIPT_MAX = 8 * 1024 * 1024,
	PROSE_LINES = 8,
	CRLF_MARK = 1		/* stands where the LF of a CRLF was */
};

static char *at(const struct script *s, uint32_t offset)
{
	return s->text.p + offset;
}

const char *script_at(const struct script *s, uint32_t offset)
{
	return at(s, offset);
}

void script_free(struct script *s)
{
	md_area_free(&s->text);
	md_area_free(&s->lines);
	*s = (struct script){ 0 };
}

/* ---- errors ------------------------------------------------------------ */

int reader_wrong(struct reader *r, const char *line, const char *place,
    const char *what)
{
	struct trouble *t = r->why;
	char number[24];
	struct str s;
	size_t skip, col = place ? (size_t)(place - line) : 0;

	str_init(&s, number, sizeof number);
	str_u64(&s, r->number);
	trouble_set(t, PT_UNKNOWN, ST_OWN, at(r->s, r->file), ":", number,
	    ": ", what, (char *)NULL);
	skip = col > sizeof t->shown / 2 ? col - sizeof t->shown / 2 : 0;
	str_init(&s, t->shown, sizeof t->shown);
	for (const char *p = line + skip; *p; p++)
		str_char(&s, *p == '\t' ? ' ' :
		    *p >= ' ' && *p < 0x7F ? *p : '?');
	t->caret = (unsigned)(col - skip);
	return -1;
}

/* ---- lines ------------------------------------------------------------- */

static struct sline *add_line(struct reader *r, enum op op,
    const char *text, const char *arg)
{
	struct script *s = r->s;
	struct sline *l;

	if (md_area_grow(&s->lines, s->lines.len + sizeof *l) < 0) {
		trouble_set(r->why, PT_UNKNOWN, ST_OWN,
		    "a script too long for the memory", (char *)NULL);
		return NULL;
	}
	s->line = (struct sline *)(void *)s->lines.p;
	s->lines.len += sizeof *l;
	l = &s->line[s->n++];
	*l = (struct sline){
		.text = (uint32_t)(text - s->text.p),
		.arg = (uint32_t)(arg - s->text.p), .file = r->file,
		.number = r->number, .op = (uint8_t)op
	};
	return l;
}

/* The next line of this file, or null. */
static char *next_line(struct reader *r)
{
	char *line = at(r->s, r->next);

	if (r->next >= r->end)
		return NULL;
	r->next += (uint32_t)strlen(line) + 1;
	r->next += r->next < r->end && *at(r->s, r->next) == CRLF_MARK;
	r->number++;
	return line;
}

/* ---- steps ------------------------------------------------------------- */

int reader_names(struct reader *r, const char *line, const char *p)
{
	const char *word;
	size_t n;

	while ((n = text_word(&p, &word)) > 0)
		if (!is_name(word, n))
			return reader_wrong(r, line, word, "not a name");
	return 0;
}

static int check_ere(struct reader *r, const char *line, char *arg)
{
	static struct ere scratch;
	const char *found = text_arrow(arg);
	char *arrow = found ? arg + (found - arg) : NULL;
	const char *error;
	size_t place;
	int e;

	if (arrow && reader_names(r, line, arrow + 4) < 0)
		return -1;
	if (arrow)
		*arrow = '\0';
	e = ere_compile(&scratch, arg, &error, &place);
	if (arrow)
		*arrow = ' ';
	return e < 0 ? reader_wrong(r, line, arg + place, error) : 0;
}

/* "<...": up to the ">", which may stand some lines below. */
static int skip_prose(struct reader *r, const char *line, const char *p)
{
	uint32_t number = r->number;

	for (int i = 0; i < PROSE_LINES; i++) {
		if (p[strlen(p) - (*p != '\0')] == '>')
			return 0;
		p = next_line(r);
		if (!p)
			break;
	}
	r->number = number;
	return reader_wrong(r, line, line, "a \"<\" without its \">\"");
}

static enum op prose_op(char side, const char *arg)
{
	if (side == 'S')
		return OP_PROSE;
	return str_after(arg, "<open") ? OP_CONNECT :
	    str_after(arg, "<close") ? OP_HANGUP : OP_NONE;
}

static enum op step_op(char side, char kind)
{
	if (side == 'C')
		return kind == ':' ? OP_SEND : OP_RAW;
	switch (kind) {
	case ':': return OP_MATCH;
	case '=': return OP_EXACT;
	case '~': return OP_ERE;
	case '!': return OP_REJECT;
	default: return OP_MANY;
	}
}

/* "..." or "... -> name" */
static bool is_body(const char *arg)
{
	const char *p = str_after(arg, "...");

	return p && (!*text_blanks(p) || str_after(text_blanks(p), "-> "));
}

static int check_step(struct reader *r, const struct sline *l)
{
	char *line = at(r->s, l->text), *arg = at(r->s, l->arg);
	const char *bad = NULL;

	switch (l->op) {
	case OP_ERE:
	case OP_REJECT:
		return check_ere(r, line, arg);
	case OP_BODY:
		arg += 3;
		arg += *text_blanks(arg) ? (size_t)(text_blanks(arg) - arg) +
		    3 : 0;
		return reader_names(r, line, arg);
	case OP_CONNECT:
	case OP_HANGUP:
	case OP_PROSE:
	case OP_NONE:
		return skip_prose(r, line, arg);
	default:
		bad = text_check(arg);
	}
	return bad ? reader_wrong(r, line, bad,
	    "no such escape, or $ without a name") : 0;
}

/* The length of a step's beginning, as "C2:" or "S~"; 0: no step. */
static size_t step_head(const char *p)
{
	size_t n = 1;

	if (*p != 'C' && *p != 'S')
		return 0;
	while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= '0' && p[n] <= '9'))
		n++;
	if (n > TAG_SIZE || p[n] == '\0' ||
	    !strchr(*p == 'C' ? ":>" : ":=~!?", p[n]))
		return 0;
	return n + 1;
}

static int read_step(struct reader *r, const char *text, size_t head)
{
	char kind = text[head - 1];
	const char *arg = text + head;
	enum op op = step_op(*text, kind);
	struct sline *l;

	if (kind == ':' || kind == '?')
		arg = text_blanks(arg);
	else if (*arg == ' ')
		arg++;
	if (kind == ':' && *arg == '<')
		op = prose_op(*text, arg);
	else if (op == OP_MATCH && is_body(arg))
		op = OP_BODY;
	l = add_line(r, op, text, arg);
	if (!l)
		return -1;
	memcpy(l->tag, text + 1, head - 2);
	return check_step(r, l);
}

/* "mail PATH <<WORD": the lines up to WORD belong to it. */
static int read_mail(struct reader *r, uint32_t mail)
{
	const char *p = at(r->s, r->s->line[mail].arg), *word;
	const char *text = at(r->s, r->s->line[mail].text), *bad;
	uint32_t number = r->number;
	uint64_t size;
	char *line;

	text_word(&p, &word);
	text_word(&p, &word);
	if (str_after(word, "<<") == NULL)
		return *word == '$' || parse_u64(word, &size) == 0 ? 0 :
		    reader_wrong(r, text, word, "want: <<WORD, or a size");
	word = text_blanks(word + 2);
	while ((line = next_line(r)) != NULL && strcmp(line, word) != 0) {
		bad = text_check(line);
		if (strlen(line) >= TEXT_MAX)
			return reader_wrong(r, line, line, "a line too long");
		if (bad && strcmp(bad, "\\") != 0)
			return reader_wrong(r, line, bad,
			    "no such escape, or $ without a name");
		if (!add_line(r, OP_DATA, line, line))
			return -1;
	}
	r->number = line ? r->number : number;
	if (!line)
		return reader_wrong(r, text, word,
		    "the end of the mail is missing");
	r->s->line[mail].jump = r->s->n;
	return 0;
}

/* Loops know their ends, and ends their loops. */
static int nest(struct reader *r, uint32_t i)
{
	struct script *s = r->s;
	const char *text = at(s, s->line[i].text);

	switch (s->line[i].op) {
	case OP_FOR:
	case OP_REPEAT:
		if (r->loops == NESTING)
			return reader_wrong(r, text, text,
			    "loops nested too deep");
		r->loop[r->loops++] = i;
		return 0;
	case OP_END:
		if (r->loops == 0)
			return reader_wrong(r, text, text, "no loop ends here");
		s->line[i].jump = r->loop[--r->loops];
		s->line[s->line[i].jump].jump = i;
		return 0;
	case OP_TEST:
		if (r->loops > 0)
			return reader_wrong(r, text, text,
			    "a test within a loop");
		return 0;
	default:
		return 0;
	}
}

static int read_file(struct reader *r, const char *path);

/* Relative to the file that includes it. */
static int include(struct reader *r, const char *line, const char *arg)
{
	char path[TEXT_MAX];
	const char *from = at(r->s, r->file);
	const char *slash = strrchr(from, '/');
	uint32_t text = (uint32_t)(line - r->s->text.p);
	struct reader inner = *r;
	struct str s;

	if (r->depth == NESTING)
		return reader_wrong(r, line, arg, "included too deep");
	str_init(&s, path, sizeof path);
	if (slash && *arg != '/')
		str_mem(&s, from, (size_t)(slash - from) + 1);
	str_put(&s, arg);
	inner.depth++;
	if (read_file(&inner, path) < 0) {
		line = at(r->s, text);	/* it may have moved */
		return r->why->shown[0] ? -1 : reader_wrong(r, line,
		    line + strlen("include "), r->why->text);
	}
	r->loops = inner.loops;
	memcpy(r->loop, inner.loop, sizeof r->loop);
	return 0;
}

static int read_directive(struct reader *r, const char *text)
{
	uint32_t i = r->s->n;
	const char *arg;
	enum op op;

	if (directive_check(r, text, &op, &arg) < 0)
		return -1;
	if (op == OP_INCLUDE)
		return include(r, text, arg);
	if (!add_line(r, op, text, arg))
		return -1;
	return op == OP_MAIL ? read_mail(r, i) : nest(r, i);
}

/* ---- files ------------------------------------------------------------- */

static int read_lines(struct reader *r)
{
	const char *line, *text;
	size_t head;
	int e = 0;

	while (e == 0 && (line = next_line(r)) != NULL) {
		text = text_blanks(line);
		head = step_head(text);
		if (strlen(text) >= TEXT_MAX)
			e = reader_wrong(r, text, text, "a line too long");
		else if (head > 0)
			e = read_step(r, text, head);
		else if (*text && *text != '#' &&
		    text[strspn(text, ".")] != '\0')
			e = read_directive(r, text);
	}
	return e;
}

/* Makes the text behind `from` lines: each ends in a NUL. */
static int cut_lines(struct reader *r, uint32_t from)
{
	struct script *s = r->s;
	char *p = at(s, from), *end = s->text.p + s->text.len - 1;

	if (memchr(p, '\0', (size_t)(end - p)) ||
	    memchr(p, CRLF_MARK, (size_t)(end - p)))
		return trouble_set(r->why, PT_UNKNOWN, ST_OWN,
		    at(s, r->file), ": is no text", (char *)NULL);
	for (; p < end; p++) {
		if (*p == '\n') {
			bool crlf = p > at(s, from) && p[-1] == '\r';

			p[-crlf] = '\0';
			*p = crlf ? CRLF_MARK : '\0';
		}
	}
	r->next = from;
	r->end = (uint32_t)s->text.len - (end > at(s, from) &&
	    (end[-1] == '\0' || end[-1] == CRLF_MARK));
	return read_lines(r);
}

static int add_text(struct reader *r, const char *p, size_t n)
{
	struct md_area *a = &r->s->text;

	if (a->len + n > SCRIPT_MAX || md_area_grow(a, a->len + n) < 0)
		return trouble_set(r->why, PT_UNKNOWN, ST_OWN,
		    "a script too long", (char *)NULL);
	memcpy(a->p + a->len, p, n);
	a->len += n;
	return 0;
}

static int begin_file(struct reader *r, const char *name)
{
	r->file = (uint32_t)r->s->text.len;
	r->number = 0;
	return add_text(r, name, strlen(name) + 1);
}

static int read_all(struct reader *r, int fd, const char *path)
{
	char buf[1024];
	ptrdiff_t n;

	while ((n = fd_read(fd, buf, sizeof buf)) > 0)
		if (add_text(r, buf, (size_t)n) < 0)
			return -1;
	if (n < 0)
		return trouble_errno(r->why, PT_UNKNOWN, ST_OWN, path);
	return add_text(r, "", 1);
}

static int read_file(struct reader *r, const char *path)
{
	uint32_t from;
	int e, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return trouble_errno(r->why, PT_UNKNOWN, ST_OWN, path);
	if (begin_file(r, path) < 0) {
		close(fd);
		return -1;
	}
	from = (uint32_t)r->s->text.len;
	e = read_all(r, fd, path);
	close(fd);
	return e < 0 ? -1 : cut_lines(r, from);
}

static int finish(struct reader *r, int e)
{
	const struct sline *l;
	const char *text;

	if (e == 0 && r->loops > 0) {
		l = &r->s->line[r->loop[r->loops - 1]];
		text = at(r->s, l->text);
		r->file = l->file;
		r->number = l->number;
		e = reader_wrong(r, text, text, "this loop has no end");
	}
	if (e < 0)
		script_free(r->s);
	return e;
}

int script_load(struct script *s, const char *path, struct trouble *why)
{
	struct reader r = { .s = s, .why = why };

	return finish(&r, read_file(&r, path));
}

int script_text(struct script *s, const char *name, const char *text,
    struct trouble *why)
{
	struct reader r = { .s = s, .why = why };
	uint32_t from;

	if (begin_file(&r, name) < 0)
		return finish(&r, -1);
	from = (uint32_t)s->text.len;
	if (add_text(&r, text, strlen(text) + 1) < 0)
		return finish(&r, -1);
	return finish(&r, cut_lines(&r, from));
}
