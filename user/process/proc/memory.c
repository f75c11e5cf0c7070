/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/strbuf.h"
#include "process/proc/cgroup.h"
#include "process/proc/memory_internal.h"
#include "process/proc/proc_text.h"

#define FILE_MAX_BYTES      ((size_t)64 << 10)
#define MOUNTINFO_MAX_BYTES ((size_t)16 << 20)
#define MAX_GROUP_DEPTH     256
/* v1 prints the largest number of pages where there is no limit; no machine has so many bytes. */
#define NO_LIMIT_BYTES ((uint64_t)1 << 62)

/* "1234 kB", added to the sum that is there. A missing line adds nothing. */
static void add_kilobytes(struct text text, const char *key, uint64_t *sum)
{
	uint64_t kilobytes, bytes;

	if (text_find_number(text, key, &kilobytes) &&
	    !__builtin_mul_overflow(kilobytes, 1024, &bytes))
		*sum += bytes;
}

int memory_parse_statm(struct text text, struct process_memory *memory)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE), pages[2];
	struct text word;

	for (int i = 0; i < 2; i++)
		if (!text_next_word(&text, &word) || !text_take_decimal(&word, &pages[i]))
			return -EINVAL;
	if (__builtin_mul_overflow(pages[0], page_bytes, &memory->vms_bytes) ||
	    __builtin_mul_overflow(pages[1], page_bytes, &memory->rss_bytes))
		return -EINVAL;
	return 0;
}

/* A process without memory of its own (kernel thread, zombie) has none of these lines. */
void memory_parse_status(struct text text, struct process_memory *memory)
{
	add_kilobytes(text, "RssAnon:", &memory->rss_anon_bytes);
	add_kilobytes(text, "RssFile:", &memory->rss_file_bytes);
	add_kilobytes(text, "RssShmem:", &memory->rss_shmem_bytes);
}

void memory_parse_rollup(struct text text, struct process_memory *memory)
{
	add_kilobytes(text, "Pss:", &memory->pss_bytes);
	add_kilobytes(text, "Swap:", &memory->swap_bytes);
	add_kilobytes(text, "Private_Clean:", &memory->uss_bytes);
	add_kilobytes(text, "Private_Dirty:", &memory->uss_bytes);
	add_kilobytes(text, "Private_Hugetlb:", &memory->uss_bytes);
}

static int read_text(int pid, const char *name, char **ret_data, struct text *ret)
{
	size_t size;
	int err = proc_read(pid, name, FILE_MAX_BYTES, ret_data, &size);

	if (!err)
		*ret = (struct text){*ret_data, *ret_data + size};
	return err;
}

static int read_statm(int pid, struct process_memory *memory)
{
	_cleanup_free_ char *data = NULL;
	struct text text;
	int err = read_text(pid, "statm", &data, &text);

	return err ? err : memory_parse_statm(text, memory);
}

static int read_status_memory(int pid, struct process_memory *memory)
{
	_cleanup_free_ char *data = NULL;
	struct text text;
	int err = read_text(pid, "status", &data, &text);

	if (!err)
		memory_parse_status(text, memory);
	return err;
}

static int read_rollup(int pid, struct process_memory *memory)
{
	_cleanup_free_ char *data = NULL;
	struct text text;
	int err = read_text(pid, "smaps_rollup", &data, &text);

	if (!err)
		memory_parse_rollup(text, memory);
	return err;
}

int process_memory_read(int pid, bool full, struct process_memory *ret)
{
	struct process_memory memory = {.full = full};
	int err = read_statm(pid, &memory);

	if (!err && full)
		err = read_status_memory(pid, &memory);
	/* A zombie or kernel thread has no page tables to walk: the kernel says so by ESRCH. */
	if (!err && full && memory.vms_bytes)
		err = read_rollup(pid, &memory);
	if (err)
		return err;
	*ret = memory;
	return 0;
}

/* A file with one number, "max" or something else. */
static bool read_number_file(const char *directory, size_t len, const char *name, uint64_t *ret)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_free_ char *data = NULL;
	struct text text;
	size_t size;

	strbuf_add(&path, directory, len);
	strbuf_addf(&path, "/%s", name);
	if (path.failed || file_read(path.buf, FILE_MAX_BYTES, &data, &size))
		return false;
	text = (struct text){data, data + size};
	return text_take_decimal(&text, ret);
}

struct group_files {
	const char *limit, *usage;
};

/* The group's own limit, if it is the smallest so far. */
static void look_at_group(const char *directory, size_t len, const struct group_files *files,
			  struct cgroup_memory *smallest)
{
	uint64_t limit, usage;

	if (!read_number_file(directory, len, files->limit, &limit) || limit >= NO_LIMIT_BYTES)
		return;
	if (smallest->limit_bytes && smallest->limit_bytes <= limit)
		return;
	if (!read_number_file(directory, len, files->usage, &usage))
		return;
	smallest->limit_bytes = limit;
	smallest->usage_bytes = usage;
}

/* From the process's group up to the mount point. */
static void look_upwards(const struct cgroup_place *place, const struct group_files *files,
			 struct cgroup_memory *smallest)
{
	size_t len = strlen(place->directory);

	for (int depth = 0; depth < MAX_GROUP_DEPTH; depth++) {
		look_at_group(place->directory, len, files, smallest);
		if (len <= place->mount_len)
			return;
		while (len > place->mount_len && place->directory[len - 1] != '/')
			len--;
		while (len > place->mount_len && place->directory[len - 1] == '/')
			len--;
	}
}

int cgroup_memory_read(int pid, struct cgroup_memory *ret)
{
	static const struct group_files v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes"};
	static const struct group_files v2 = {"memory.max", "memory.current"};
	_cleanup_free_ char *cgroup = NULL;
	_cleanup_free_ char *mountinfo = NULL;
	struct cgroup_memory smallest = {0};
	size_t cgroup_size, mountinfo_size;
	int err = proc_read(pid, "cgroup", FILE_MAX_BYTES, &cgroup, &cgroup_size);

	if (!err)
		err = file_read("/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &mountinfo,
				&mountinfo_size);
	for (int unified = 0; !err && unified <= 1; unified++) {
		struct cgroup_place place;

		err = cgroup_find_place((struct text){cgroup, cgroup + cgroup_size},
					(struct text){mountinfo, mountinfo + mountinfo_size},
					unified, &place);
		if (err == -ENOENT) {
			err = 0;
			continue;
		}
		if (err)
			break;
		look_upwards(&place, unified ? &v2 : &v1, &smallest);
		free(place.directory);
	}
	if (err)
		return err;
	*ret = smallest;
	return 0;
}

int system_memory_read(uint64_t *ret_total_bytes, uint64_t *ret_available_bytes)
{
	_cleanup_free_ char *data = NULL;
	uint64_t total = 0, available = 0;
	struct text text;
	size_t size;
	int err = file_read("/proc/meminfo", FILE_MAX_BYTES, &data, &size);

	if (err)
		return err;
	text = (struct text){data, data + size};
	add_kilobytes(text, "MemTotal:", &total);
	add_kilobytes(text, "MemAvailable:", &available);
	if (total == 0)
		return -EINVAL;
	*ret_total_bytes = total;
	*ret_available_bytes = available;
	return 0;
}
