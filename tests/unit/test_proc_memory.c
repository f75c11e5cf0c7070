/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/proc/cgroup.h"

#define MIB ((uint64_t)1 << 20)

/* A part is missing in PSS and USS if others begin to use the same files in between. */
static void touched_memory_shows_in_every_figure(void **state)
{
	struct process_memory before, after;
	char *memory =
		mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(process_memory_read(getpid(), true, &before), 0);
	memset(memory, 1, 64 * MIB);
	assert_int_equal(process_memory_read(getpid(), true, &after), 0);
	assert_true(after.full);
	assert_true(after.rss_bytes >= before.rss_bytes + 48 * MIB);
	assert_true(after.rss_anon_bytes >= before.rss_anon_bytes + 48 * MIB);
	assert_true(after.pss_bytes >= before.pss_bytes + 48 * MIB);
	assert_true(after.uss_bytes >= before.uss_bytes + 48 * MIB);
	assert_true(after.vms_bytes >= after.rss_bytes);
	assert_true(after.uss_bytes <= after.pss_bytes);
	munmap(memory, 64 * MIB);
}

static void quick_reading_fills_only_the_quick_fields(void **state)
{
	struct process_memory memory;

	(void)state;
	assert_int_equal(process_memory_read(getpid(), false, &memory), 0);
	assert_true(memory.rss_bytes > 0);
	assert_int_equal(memory.pss_bytes, 0);
	assert_false(memory.full);
}

static void zombie_has_no_memory_and_a_gone_process_is_an_error(void **state)
{
	struct process_memory memory;
	struct cgroup_memory group;
	pid_t pid = fork();
	siginfo_t info;

	(void)state;
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_int_equal(process_memory_read(pid, true, &memory), 0);
	assert_int_equal(memory.rss_bytes, 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(process_memory_read(pid, false, &memory), -ESRCH);
	assert_int_equal(process_memory_read(pid, true, &memory), -ESRCH);
	assert_int_equal(cgroup_memory_read(pid, &group), -ESRCH);
}

static void machine_has_more_memory_than_is_free(void **state)
{
	uint64_t total, available;

	(void)state;
	assert_int_equal(system_memory_read(&total, &available), 0);
	assert_true(available > 0 && available < total);
	assert_true(total > 16 * MIB);
}

static void own_group_has_a_plausible_limit(void **state)
{
	struct cgroup_memory group;

	(void)state;
	assert_int_equal(cgroup_memory_read(getpid(), &group), 0);
	print_message("# limit %llu, usage %llu\n", (unsigned long long)group.limit_bytes,
		      (unsigned long long)group.usage_bytes);
	if (group.limit_bytes == 0)
		assert_int_equal(group.usage_bytes, 0);
	else
		assert_true(group.usage_bytes > 0);
}

static struct text text_of(const char *string)
{
	return (struct text){string, string + strlen(string)};
}

/* Hybrid, with v1's memory controller; a bind mount of a part of it stands first. */
static const char hybrid_mounts[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
	"31 22 0:28 /docker/abc /mnt/part rw shared:5 master:6 - cgroup cgroup rw,memory\n"
	"32 22 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	"34 22 0:31 / /sys/fs/cgroup/memory\\040dir rw,relatime - cgroup cgroup rw,memory\n"
	"40 22 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

static void check_place(const char *cgroup, bool unified, const char *directory, size_t mount_len)
{
	struct cgroup_place place = {0};
	int err = cgroup_find_place(text_of(cgroup), text_of(hybrid_mounts), unified, &place);

	if (!directory) {
		assert_int_equal(err, -ENOENT);
		assert_null(place.directory);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(place.directory, directory);
	assert_int_equal(place.mount_len, mount_len);
	free(place.directory);
}

static void groups_are_found_where_their_hierarchy_is_mounted(void **state)
{
	const size_t v1 = strlen("/sys/fs/cgroup/memory dir");
	const size_t v2 = strlen("/sys/fs/cgroup/unified");

	(void)state;
	check_place("4:memory:/a/b c\n1:cpu:/x\n0::/u\n", false, "/sys/fs/cgroup/memory dir/a/b c",
		    v1);
	check_place("4:memory:/a/b\n1:cpu:/x\n0::/u\n", true, "/sys/fs/cgroup/unified/u", v2);
	check_place("4:hugetlb,memory:/\n", false, "/sys/fs/cgroup/memory dir", v1);
	check_place("0::/\n", true, "/sys/fs/cgroup/unified", v2);
	/* Within what the bind mount shows. */
	check_place("4:memory:/docker/abc/in\n", false, "/mnt/part/in", strlen("/mnt/part"));
	check_place("4:memory:/docker/abcd\n", false, "/sys/fs/cgroup/memory dir/docker/abcd", v1);
	/* Names with colons; a controller that merely begins so. */
	check_place("4:memory:/a:b\n", false, "/sys/fs/cgroup/memory dir/a:b", v1);
	check_place("4:memory2:/a\n", false, NULL, 0);
	check_place("5:name=memory:/a\n", false, NULL, 0);
	/* Outside our cgroup namespace. */
	check_place("0::/../../other\n", true, NULL, 0);
	check_place("0::/..\n", true, NULL, 0);
	check_place("0::/..x\n", true, "/sys/fs/cgroup/unified/..x", v2);
	check_place("", true, NULL, 0);
	check_place("0::relative\n0:\n:::\nmemory\n", true, NULL, 0);
}

static void hierarchy_that_is_not_mounted_is_not_found(void **state)
{
	struct cgroup_place place;

	(void)state;
	assert_int_equal(cgroup_find_place(text_of("0::/a\n"),
					   text_of("22 1 254:0 / / rw - ext4 /dev/root rw\n"
						   "23 1 0:5 / /x rw\n"
						   "24 1 0:5 / /x rw - cgroup2\n"
						   "\n"),
					   true, &place),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(touched_memory_shows_in_every_figure),
		cmocka_unit_test(quick_reading_fills_only_the_quick_fields),
		cmocka_unit_test(zombie_has_no_memory_and_a_gone_process_is_an_error),
		cmocka_unit_test(machine_has_more_memory_than_is_free),
		cmocka_unit_test(own_group_has_a_plausible_limit),
		cmocka_unit_test(groups_are_found_where_their_hierarchy_is_mounted),
		cmocka_unit_test(hierarchy_that_is_not_mounted_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
