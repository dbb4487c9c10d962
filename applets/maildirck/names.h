/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message's name in its parts: names.c takes it apart, newname.c joins. */
#ifndef MAILDIRCK_NAMES_H
#define MAILDIRCK_NAMES_H

#include "maildirck.h"

/* From N05 to Z04 as bits of one word. */
#define BIT(id) ((uint32_t)1 << ((id) - N05))
typedef char ids_fit_a_word[Z04 - N05 < 32 && N05 < 64 ? 1 : -1];

struct parts {
	const char *name;
	size_t len, base;
	size_t comma;		/* where its fields begin */
	size_t info;		/* behind the separator; 0: none */
	size_t odd;		/* first byte that no name should have */
	size_t field, nfield;	/* behind the flags, with its comma */
	uint64_t set[2];	/* the flags, a bit for each character */
	char sep;
	bool replaced;		/* not our separator */
	bool copy;		/* as programs name a second copy */
	bool cut;		/* an info that is only cut off */
	bool late;		/* a size behind the flags */
};

void name_parse(struct parts *p, const char *name, char sep);
/* The flags of all infos, and what is wrong with them: BIT()s. */
uint32_t name_info(struct parts *p);
/* All that is wrong with a name in e's place. */
uint32_t name_judge(const struct ck *ck, const struct entry *e,
    const char *name, struct parts *p);
/* ",S=" is 0, ",W=" is 1, any other field -1. */
int name_size_kind(const char *field);
/* Bytes from a field's comma to the next. */
size_t name_field_len(const char *field, const char *end);
bool flag_known(char c);

#endif
