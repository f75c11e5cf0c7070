// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/kernel_held.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/proc/proc_text.h"

#define TEXT_MAX_BYTES (64u << 20)

/* What stands after @key in each line of /proc/PID/@name, as far as it is a number. */
static int take_words(int pid, const char *name, const char *key, struct word_vec *ret)
{
	struct text rest, line;
	char *data;
	size_t size;
	int err = proc_read(pid, name, TEXT_MAX_BYTES, &data, &size);

	if (err)
		return err == -ENOMEM ? err : 0;
	rest = (struct text){data, data + size};
	while (!err && text_next_line(&rest, &line)) {
		const char *at = memmem(line.p, (size_t)(line.end - line.p), key, strlen(key));
		struct text word = {at ? at + strlen(key) : line.end, line.end};
		uint64_t value;

		while (word.p < word.end && *word.p == ' ')
			word.p++;
		if (text_take_hex(&word, &value))
			err = vec_push(ret, value);
	}
	free(data);
	return err;
}

static bool is_event_queue(int directory, const char *name)
{
	static const char kind[] = "anon_inode:[eventpoll]";
	char link[sizeof(kind)];
	ssize_t length = readlinkat(directory, name, link, sizeof(link));

	return length == sizeof(kind) - 1 && !memcmp(link, kind, sizeof(kind) - 1);
}

int kernel_held_words(int pid, struct word_vec *ret)
{
	char *path = proc_path(pid, "fd");
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int err = path ? 0 : -ENOMEM;

	free(path);
	while (!err && dir && (entry = readdir(dir))) {
		char name[sizeof("fdinfo/") + sizeof(entry->d_name)];

		if (!is_event_queue(dirfd(dir), entry->d_name))
			continue;
		snprintf(name, sizeof(name), "fdinfo/%s", entry->d_name);
		err = take_words(pid, name, "data:", ret);
	}
	if (dir)
		closedir(dir);
	/* signal: 14/00007f0000001000 */
	return err ? err : take_words(pid, "timers", "/", ret);
}
