/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file that keeps what probe hits cost: written for us alone, read only if it is ours. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "capture/probe/cost_cache.h"

struct folder {
	char path[64];
	struct cost_cache cache;
	struct probe_costs costs;
};

static int set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->path, "/tmp/hf-cost-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->cache = (struct cost_cache){.path = STRBUF_INIT, .machine = 7};
	strbuf_addf(&f->cache.path, "%s/calibration-1", f->path);
	cost_defaults(&f->costs);
	f->costs.emulated_ns = 4321;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	unlink(f->cache.path.buf);
	assert_int_equal(rmdir(f->path), 0);
	cost_cache_done(&f->cache);
	free(f);
	return 0;
}

static void what_is_kept_is_read_again(void **state)
{
	struct folder *f = *state;
	struct probe_costs back;
	struct stat st;

	assert_int_equal(cost_cache_read(&f->cache, &back), -ENOENT);
	assert_int_equal(cost_cache_write(&f->cache, &f->costs), 0);
	assert_int_equal(cost_cache_write(&f->cache, &f->costs), 0);
	assert_int_equal(cost_cache_read(&f->cache, &back), 0);
	assert_true(back.emulated_ns == 4321 && back.measured);
	assert_int_equal(stat(f->cache.path.buf, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	f->cache.machine = 8;
	assert_int_equal(cost_cache_read(&f->cache, &back), -ESTALE);
}

static void a_link_is_not_followed(void **state)
{
	struct folder *f = *state;
	_cleanup_(strbuf_done) struct strbuf other = STRBUF_INIT;
	struct probe_costs back;

	assert_int_equal(cost_cache_write(&f->cache, &f->costs), 0);
	strbuf_addf(&other, "%s/other", f->path);
	assert_int_equal(rename(f->cache.path.buf, other.buf), 0);
	assert_int_equal(symlink(other.buf, f->cache.path.buf), 0);
	assert_int_equal(cost_cache_read(&f->cache, &back), -ELOOP);
	assert_int_equal(cost_cache_write(&f->cache, &f->costs), -ELOOP);
	unlink(other.buf);
}

static void a_file_that_others_may_write_is_not_taken(void **state)
{
	struct folder *f = *state;
	struct probe_costs back;

	assert_int_equal(cost_cache_write(&f->cache, &f->costs), 0);
	assert_int_equal(chmod(f->cache.path.buf, 0620), 0);
	assert_int_equal(cost_cache_read(&f->cache, &back), -EPERM);
	if (geteuid())
		return;
	assert_int_equal(chmod(f->cache.path.buf, 0600), 0);
	assert_int_equal(chown(f->cache.path.buf, 65534, 65534), 0);
	assert_int_equal(cost_cache_read(&f->cache, &back), -EPERM);
}

/* Else whoever may call sudo could write what root reads. */
static void under_sudo_it_stays_ours(void **state)
{
	struct folder *f = *state;
	struct stat st;

	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	assert_int_equal(cost_cache_write(&f->cache, &f->costs), 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	assert_int_equal(stat(f->cache.path.buf, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
}

static void rubbish_and_no_place_are_told(void **state)
{
	struct folder *f = *state;
	struct cost_cache nowhere = {.path = STRBUF_INIT};
	struct probe_costs back;

	assert_int_equal(file_write(f->cache.path.buf, "rubbish\n", 8), 0);
	assert_int_equal(cost_cache_read(&f->cache, &back), -EINVAL);
	assert_int_equal(cost_cache_write(&nowhere, &f->costs), -ENOENT);
	assert_int_equal(cost_cache_read(&nowhere, &back), -ENOENT);
}

static void the_machine_is_told_by_the_way_too(void **state)
{
	struct cost_cache a, b, again;

	(void)state;
	cost_cache_init(&a, "uprobe_multi");
	cost_cache_init(&b, "perf uprobe");
	cost_cache_init(&again, "uprobe_multi");
	assert_true(a.machine == again.machine);
	assert_true(a.machine != b.machine);
	assert_string_equal(a.path.buf, again.path.buf);
	cost_cache_done(&a);
	cost_cache_done(&b);
	cost_cache_done(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_kept_is_read_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_is_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_others_may_write_is_not_taken, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(under_sudo_it_stays_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rubbish_and_no_place_are_told, set_up, tear_down),
		cmocka_unit_test(the_machine_is_told_by_the_way_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
