/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * readall DIR: opens, reads and closes every file as cat(1) does, without
 * the processes and the output: what reading all of a Maildir costs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char buf[131072];

int main(int argc, char **argv)
{
	unsigned long long sum = 0;
	struct dirent *d;
	DIR *dir;

	if (argc != 2 || chdir(argv[1]) < 0 || !(dir = opendir(".")))
		return 1;
	while ((d = readdir(dir)) != NULL) {
		struct stat st;
		ssize_t n;
		int fd;

		if (d->d_name[0] == '.')
			continue;
		fd = open(d->d_name, O_RDONLY);
		if (fd < 0 || fstat(fd, &st) < 0)
			return 1;
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		while ((n = read(fd, buf, sizeof buf)) > 0)
			sum += (unsigned long long)n;
		close(fd);
	}
	printf("%llu\n", sum);
	return 0;
}
