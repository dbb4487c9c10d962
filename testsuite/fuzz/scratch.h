/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory for drivers that need one: in memory, where there is room. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void __sanitizer_set_report_fd(void *fd);

static char scratch_top[64];
static int scratch_err = -1, scratch_null, scratch_back;

static int scratch_remove(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	(void)st, (void)at;
	return type == FTW_DP ? rmdir(path) : unlink(path);
}

/* The owner of a directory may have lost his rights there. */
static int scratch_open(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	(void)at;
	return type == FTW_D || type == FTW_DNR ?
	    chmod(path, st->st_mode | 0700) : 0;
}

static void scratch_empty(const char *path)
{
	(void)nftw(path, scratch_open, 16, FTW_PHYS);
	(void)nftw(path, scratch_remove, 16, FTW_PHYS | FTW_DEPTH);
}

static void scratch_end(void)
{
	scratch_empty(scratch_top);
}

static void scratch_make(void)
{
	const char *dir = getenv("TMPDIR");

	if (access("/dev/shm", W_OK) == 0)
		dir = "/dev/shm";
	snprintf(scratch_top, sizeof scratch_top, "%s/popbox-fuzz-XXXXXX",
	    dir ? dir : "/tmp");
	assert(mkdtemp(scratch_top));
	atexit(scratch_end);
	scratch_back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scratch_null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	scratch_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	__sanitizer_set_report_fd((void *)(intptr_t)scratch_err);
	dup2(scratch_null, STDOUT_FILENO);
}

/* Enters it; the fuzzer's own files are by paths from where it was. */
static void scratch_begin(void)
{
	if (!scratch_top[0])
		scratch_make();
	assert(chdir(scratch_top) == 0);
}

static void scratch_leave(void)
{
	assert(fchdir(scratch_back) == 0);
}

/* What maildirck says is nothing that anybody could read here. */
static void scratch_quiet(bool quiet)
{
	dup2(quiet ? scratch_null : scratch_err, STDERR_FILENO);
}

static void scratch_write(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	static const struct timespec old[2] = {
		{ .tv_sec = 1700000000 }, { .tv_sec = 1700000000 }
	};

	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	assert(futimens(fd, old) == 0);
	close(fd);
}

/* The bytes of a file, to be freed, or null where there is none. */
static char *scratch_read(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *p;

	if (fd < 0)
		return NULL;
	assert(fstat(fd, &st) == 0);
	*n = (size_t)st.st_size;
	p = malloc(*n + 1);
	assert(read(fd, p, *n) == (ssize_t)*n);
	p[*n] = '\0';
	close(fd);
	return p;
}

#endif
