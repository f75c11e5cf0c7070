/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processes there are, and whose children they are. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "process/proc/proc_text.h"
#include "process/proc/process.h"

#define CHILDREN_MAX_BYTES ((size_t)16 << 20)

VEC_STRUCT(pid_vec, int);

static void pid_vec_done(struct pid_vec *pids)
{
	vec_done(pids);
}

static void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static int compare_pids(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool pid_of_text(struct text text, int *ret)
{
	uint64_t value;

	if (!text_take_decimal(&text, &value) || text.p != text.end || value == 0 ||
	    value > INT32_MAX)
		return false;
	*ret = (int)value;
	return true;
}

/* The entries of a directory that are numbers. Returns 0 or -errno. */
static int list_numbers(const char *path, struct pid_vec *pids)
{
	_cleanup_(close_directory) DIR *directory = opendir(path);
	const struct dirent *entry;
	int pid;

	if (!directory)
		return -errno;
	while ((errno = 0, entry = readdir(directory))) {
		struct text name = {entry->d_name, entry->d_name + strlen(entry->d_name)};

		if (pid_of_text(name, &pid) && vec_push(pids, pid))
			return -ENOMEM;
	}
	return -errno;
}

/* Sorts, drops doubles, hands over. */
static int finish(struct pid_vec *pids, int **ret_pids, size_t *ret_count)
{
	size_t count = 0;

	if (vec_reserve(pids, 1)) /* an array also for no pids at all */
		return -ENOMEM;
	qsort(pids->items, pids->count, sizeof(*pids->items), compare_pids);
	for (size_t i = 0; i < pids->count; i++)
		if (count == 0 || pids->items[count - 1] != pids->items[i])
			pids->items[count++] = pids->items[i];
	*ret_count = count;
	*ret_pids = no_free_ptr(pids->items);
	return 0;
}

int process_list(int **ret_pids, size_t *ret_count)
{
	_cleanup_(pid_vec_done) struct pid_vec pids = VEC_INIT;
	int err = list_numbers("/proc", &pids);

	return err ? err : finish(&pids, ret_pids, ret_count);
}

static int add_thread_children(int pid, int tid, struct pid_vec *children)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	_cleanup_free_ char *data = NULL;
	struct text rest, word;
	size_t size;
	int child, err;

	if (strbuf_addf(&name, "task/%d/children", tid))
		return -ENOMEM;
	err = proc_read(pid, name.buf, CHILDREN_MAX_BYTES, &data, &size);
	if (err)
		return err;
	rest = (struct text){data, data + size};
	while (text_next_word(&rest, &word))
		if (pid_of_text(word, &child) && vec_push(children, child))
			return -ENOMEM;
	return 0;
}

/* For a kernel without /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN). */
static int add_children_by_parent(int pid, struct pid_vec *children)
{
	_cleanup_free_ int *pids = NULL;
	struct process_stat stat;
	size_t count;
	int err = process_list(&pids, &count);

	for (size_t i = 0; !err && i < count; i++)
		if (process_stat_read(pids[i], &stat) == 0 && stat.parent_pid == pid)
			err = vec_push(children, pids[i]);
	return err;
}

int process_children(int pid, int **ret_pids, size_t *ret_count)
{
	_cleanup_(pid_vec_done) struct pid_vec threads = VEC_INIT;
	_cleanup_(pid_vec_done) struct pid_vec children = VEC_INIT;
	_cleanup_free_ char *path = proc_path(pid, "task");
	bool no_file = false;
	int err;

	if (!path)
		return -ENOMEM;
	err = list_numbers(path, &threads);
	if (err)
		return proc_error(pid, -err);
	for (size_t i = 0; i < threads.count; i++) {
		err = add_thread_children(pid, threads.items[i], &children);
		if (err == -ESRCH)
			return err;
		if (err == -ENOENT) /* the thread has ended, or the kernel lacks the file */
			no_file = true;
		else if (err)
			return err;
	}
	err = no_file ? add_children_by_parent(pid, &children) : 0;
	return err ? err : finish(&children, ret_pids, ret_count);
}
