/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-$(CONFIG_FEATURE_MAILDIRCK_RESCUE) += applets/maildirck/import.o
/* Messages out of an mbox. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mbox.h"
#include "rescue.h"

int import_mbox(struct intake *in, int fd, struct origin *o)
{
	const int64_t mtime = o->mtime;
	struct mbox m;
	int e;

	o->sub = IN_ROOT;
	o->info = in->info;
	mbox_begin(&m, fd);
	do {
		e = mbox_next(&m, intake_put, in);
		o->dated = m.date > 0;
		o->mtime = o->dated ? m.date : mtime;
	} while (e > 0 && (e = intake_end(in, o, 0)) == 0 && !ck_cancelled);
	return intake_end(in, o, e);
}

int mbox_import(struct ck *ck, const char *file)
{
	static struct intake in;
	struct origin o = { .path = file, .folder = "" };
	int e = intake_begin(&in, ck);
	int fd = STDIN_FILENO;

	if (e) {
		trouble(ck, "", e);
		return ck->status;
	}
	o.mtime = ck->now;
	if (strcmp(file, "-") != 0)
		fd = open(file, O_RDONLY | O_CLOEXEC);
	e = fd < 0 ? -errno : import_mbox(&in, fd, &o);
	if (e) {
		ck->path = file;
		trouble(ck, "", e);
	}
	return intake_finish(&in);
}
