/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PREFIX DIRECTORY_FILE_NAME DIRECTORY_ASIDE

static uint64_t time_of(const char *name, const struct stat *st)
{
	struct tm parts = {0};
	const char *end = strptime(name + strlen(PREFIX), "%Y%m%dT%H%M%SZ", &parts);
	time_t seconds = end ? timegm(&parts) : st->st_mtime;

	return seconds > 0 ? (uint64_t)seconds * NS_PER_S : 0;
}

static void take(const char *name, const struct stat *st, struct aside_files *files)
{
	uint64_t time_ns = time_of(name, st);

	files->count++;
	files->bytes += (uint64_t)st->st_size;
	if (*files->oldest && (time_ns > files->oldest_ns ||
			       (time_ns == files->oldest_ns && strcmp(name, files->oldest) > 0)))
		return;
	files->oldest_ns = time_ns;
	memcpy(files->oldest, name, strlen(name) + 1);
}

static bool is_aside(const char *name)
{
	return !strncmp(name, PREFIX, strlen(PREFIX)) &&
	       strlen(name) < sizeof(((struct aside_files *)0)->oldest);
}

int aside_look(const struct directory *directory, struct aside_files *ret)
{
	int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct aside_files files = {.count = 0};
	const struct dirent *entry;
	int err = -errno;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((entry = readdir(list))) {
		struct stat st;

		if (is_aside(entry->d_name) &&
		    !fstatat(directory->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			take(entry->d_name, &st, &files);
	}
	closedir(list);
	*ret = files;
	return 0;
}

int aside_remove(const struct directory *directory, const char *name)
{
	return unlinkat(directory->fd, name, 0) < 0 ? -errno : 0;
}
