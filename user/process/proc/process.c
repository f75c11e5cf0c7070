/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/process.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/proc/proc_text.h"

#define STAT_MAX_BYTES ((size_t)64 << 10)
#define PF_KTHREAD     0x00200000u /* include/linux/sched.h */

/* Fields of /proc/PID/stat after the comm, numbered as in proc(5). */
enum {
	STAT_PARENT = 4,
	STAT_FLAGS = 9,
	STAT_MINOR_FAULTS = 10,
	STAT_MAJOR_FAULTS = 12,
	STAT_USER_TICKS = 14,
	STAT_SYSTEM_TICKS = 15,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_VMS = 23,
	STAT_RSS = 24,
	STAT_FIELDS = 25
};

/* Field 4 on. Some of them are negative (tpgid, priority, nice); none that we keep is. */
static int parse_stat_numbers(struct text rest, uint64_t fields[STAT_FIELDS])
{
	struct text word;

	for (int i = STAT_PARENT; i < STAT_FIELDS; i++) {
		if (!text_next_word(&rest, &word))
			return -EINVAL;
		fields[i] = 0;
		if (text_take_char(&word, '-'))
			continue;
		if (!text_take_decimal(&word, &fields[i]) || word.p != word.end)
			return -EINVAL;
	}
	return 0;
}

static void set_stat_fields(struct process_stat *stat, const uint64_t fields[STAT_FIELDS])
{
	stat->parent_pid = (int)fields[STAT_PARENT];
	stat->minor_faults = fields[STAT_MINOR_FAULTS];
	stat->major_faults = fields[STAT_MAJOR_FAULTS];
	stat->user_ticks = fields[STAT_USER_TICKS];
	stat->system_ticks = fields[STAT_SYSTEM_TICKS];
	stat->thread_count = fields[STAT_THREADS];
	stat->key.start_ticks = fields[STAT_START];
	stat->vms_bytes = fields[STAT_VMS];
	stat->kernel_thread = fields[STAT_FLAGS] & PF_KTHREAD;
}

int process_stat_parse(const char *text, size_t size, struct process_stat *ret)
{
	struct text rest = {text, text + size}, word;
	const char *open, *close;
	struct process_stat stat = {0};
	uint64_t fields[STAT_FIELDS], pid;
	size_t comm_len;

	if (!text_take_decimal(&rest, &pid) || pid > INT32_MAX)
		return -EINVAL;
	open = rest.p;
	if (!text_take_prefix(&rest, " ("))
		return -EINVAL;
	close = memrchr(open, ')', (size_t)(rest.end - open));
	if (!close || close < rest.p)
		return -EINVAL;
	comm_len = (size_t)(close - rest.p);
	if (comm_len >= sizeof(stat.comm))
		comm_len = sizeof(stat.comm) - 1;
	memcpy(stat.comm, rest.p, comm_len);

	rest.p = close + 1;
	if (!text_next_word(&rest, &word) || word.end - word.p != 1)
		return -EINVAL;
	stat.state = *word.p;
	if (parse_stat_numbers(rest, fields) || fields[STAT_PARENT] > INT32_MAX ||
	    __builtin_mul_overflow(fields[STAT_RSS], (uint64_t)sysconf(_SC_PAGESIZE),
				   &stat.rss_bytes))
		return -EINVAL;
	stat.key.pid = (int)pid;
	set_stat_fields(&stat, fields);
	*ret = stat;
	return 0;
}

int process_stat_read(int pid, struct process_stat *ret)
{
	_cleanup_free_ char *text = NULL;
	struct process_stat stat;
	size_t size;
	int err = proc_read(pid, "stat", STAT_MAX_BYTES, &text, &size);

	if (!err)
		err = process_stat_parse(text, size, &stat);
	if (err)
		return err;
	*ret = stat;
	return 0;
}

int process_key_check(struct process_key key)
{
	struct process_stat stat;
	int err = process_stat_read(key.pid, &stat);

	if (err)
		return err;
	return stat.key.start_ticks == key.start_ticks ? 0 : -ESRCH;
}

int process_start_wall_ns(const struct process_stat *stat, uint64_t *ret_ns)
{
	const uint64_t second_ns = 1000000000;
	long ticks_per_second = sysconf(_SC_CLK_TCK);
	struct timespec wall, boot;
	uint64_t since_boot_ns, ticks = stat->key.start_ticks;

	if (ticks_per_second <= 0 || clock_gettime(CLOCK_REALTIME, &wall) < 0 ||
	    clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return -EINVAL;
	if (__builtin_mul_overflow(ticks, second_ns / (uint64_t)ticks_per_second, &since_boot_ns))
		return -EINVAL;
	*ret_ns = ((uint64_t)wall.tv_sec - (uint64_t)boot.tv_sec) * second_ns +
		  (uint64_t)wall.tv_nsec - (uint64_t)boot.tv_nsec + since_boot_ns;
	return 0;
}

static int read_status(int pid, char **ret_text, size_t *ret_size)
{
	return proc_read(pid, "status", STAT_MAX_BYTES, ret_text, ret_size);
}

int process_namespace_pid(int pid, int *ret_pid)
{
	_cleanup_free_ char *text = NULL;
	struct text value, word;
	uint64_t last = 0;
	size_t size;
	int err = read_status(pid, &text, &size);

	if (err)
		return err;
	if (!text_find_key((struct text){text, text + size}, "NSpid:", &value))
		return -EINVAL;
	while (text_next_word(&value, &word))
		if (!text_take_decimal(&word, &last))
			return -EINVAL;
	if (last == 0 || last > INT32_MAX)
		return -EINVAL;
	*ret_pid = (int)last;
	return 0;
}

int process_status_read(int pid, struct process_status *ret)
{
	_cleanup_free_ char *data = NULL;
	uint64_t uid, tracer, seccomp = 0;
	struct text text;
	size_t size;
	int err = read_status(pid, &data, &size);

	if (err)
		return err;
	text = (struct text){data, data + size};
	if (!text_find_number(text, "Uid:", &uid) ||
	    !text_find_number(text, "TracerPid:", &tracer) || uid > UINT32_MAX ||
	    tracer > INT32_MAX)
		return -EINVAL;
	/* Absent from a kernel without seccomp. */
	if (text_find_number(text, "Seccomp:", &seccomp) && seccomp > INT32_MAX)
		return -EINVAL;
	*ret = (struct process_status){
		.uid = (uint32_t)uid,
		.tracer_pid = (int)tracer,
		.seccomp_mode = (int)seccomp,
	};
	return 0;
}

#define IO_MAX_BYTES 4096

int process_io_calls(int pid, uint64_t *ret)
{
	_cleanup_free_ char *data = NULL;
	uint64_t reads, writes;
	struct text text;
	size_t size;
	int err = proc_read(pid, "io", IO_MAX_BYTES, &data, &size);

	if (err)
		return err;
	text = (struct text){data, data + size};
	if (!text_find_number(text, "syscr:", &reads) || !text_find_number(text, "syscw:", &writes))
		return -EINVAL;
	*ret = reads + writes;
	return 0;
}

#define CONTAINER_ID_DIGITS 64

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* A run of exactly 64 hex digits: how docker, podman, containerd and cri-o name a container. */
static bool find_hex_id(struct text text, struct text *ret_id)
{
	for (const char *p = text.p; p < text.end; p++) {
		const char *start = p;

		while (p < text.end && is_lower_hex(*p))
			p++;
		if (p - start == CONTAINER_ID_DIGITS) {
			*ret_id = (struct text){start, p};
			return true;
		}
		if (p == text.end)
			break;
	}
	return false;
}

/* One component of a cgroup's path: a scope of a container engine, but with an id of another form. */
static bool is_container_scope(struct text component)
{
	static const char *const prefixes[] = {"docker-", "libpod-", "cri-containerd-", "crio-"};
	const size_t tail = sizeof(".scope") - 1;

	if ((size_t)(component.end - component.p) <= tail ||
	    memcmp(component.end - tail, ".scope", tail) != 0)
		return false;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (text_take_prefix(&component, prefixes[i]))
			return true;
	return false;
}

static bool find_scope(struct text path, struct text *ret_id)
{
	while (path.p < path.end) {
		const char *slash = memchr(path.p, '/', (size_t)(path.end - path.p));
		struct text component = {path.p, slash ? slash : path.end};

		if (is_container_scope(component)) {
			*ret_id = component;
			return true;
		}
		path.p = slash ? slash + 1 : path.end;
	}
	return false;
}

int process_container_parse(const char *text, size_t size, char **ret_id)
{
	struct text rest = {text, text + size}, line, id = {text, text};

	while (text_next_line(&rest, &line)) {
		struct text found;

		if (find_hex_id(line, &found)) {
			id = found;
			break;
		}
		if (id.p == id.end && find_scope(line, &found))
			id = found;
	}
	*ret_id = text_copy(id);
	return *ret_id ? 0 : -ENOMEM;
}

int process_cgroup_parse(const char *text, size_t size, char **ret_path)
{
	static const char mark[] = ":name=systemd:";
	const size_t marked = sizeof(mark) - 1;
	struct text rest = {text, text + size}, line, path = {text, text};

	while (text_next_line(&rest, &line)) {
		const char *systemd = memmem(line.p, (size_t)(line.end - line.p), mark, marked);

		if (text_take_prefix(&line, "0::")) {
			path = line;
			break;
		}
		if (systemd)
			path = (struct text){systemd + marked, line.end};
	}
	*ret_path = text_copy(path);
	return *ret_path ? 0 : -ENOMEM;
}

int process_cgroup(int pid, char **ret_path)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int err = proc_read(pid, "cgroup", STAT_MAX_BYTES, &text, &size);

	return err ? err : process_cgroup_parse(text, size, ret_path);
}

int process_container(int pid, char **ret_id)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int err = proc_read(pid, "cgroup", STAT_MAX_BYTES, &text, &size);

	return err ? err : process_container_parse(text, size, ret_id);
}
