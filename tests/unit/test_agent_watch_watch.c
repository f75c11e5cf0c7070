/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "unit/named_child.h"

#define SECOND 1000000000ULL

/* What the watch told. */
struct owner {
	int came, went, opened;
	char reason[32];
	bool refuse;
	int rule; /* 0: as it was found */
};

static int open_process(void *user, int pid, struct process_handle *ret_handle, char **ret_exe,
			int *rule)
{
	struct owner *owner = user;
	int err;

	owner->opened++;
	if (owner->refuse)
		return -EPERM;
	err = process_handle_open(pid, ret_handle);
	if (!err)
		*ret_exe = strdup("/bin/some");
	if (owner->rule)
		*rule = owner->rule;
	return err;
}

static void came(void *user, struct watched *watched)
{
	struct owner *owner = user;

	assert_true(watched->reading.memory.rss_bytes > 0);
	owner->came++;
}

static void went(void *user, struct watched *watched, const char *reason)
{
	struct owner *owner = user;

	(void)watched;
	owner->went++;
	snprintf(owner->reason, sizeof(owner->reason), "%s", reason);
}

struct setting {
	struct owner owner;
	struct target_rule rule;
	struct target_rule_vec vec;
	struct target_rules *rules;
	struct process_watch *watch;
	char comm[32];
};

static int set_up(void **state)
{
	struct setting *setting = calloc(1, sizeof(*setting));
	struct watch_options options = {
		.open = open_process,
		.came = came,
		.went = went,
		.user = &setting->owner,
		.full_ns = 60 * SECOND,
		.full_share = 0.01,
	};

	/* Of this run of this test only: others may be under way. */
	snprintf(setting->comm, sizeof(setting->comm), "hfw%d", getpid());
	setting->rule = (struct target_rule){.comm = setting->comm, .uid = -1};
	setting->vec = (struct target_rule_vec){&setting->rule, 1, 1};
	assert_int_equal(target_rules_new(&setting->vec, &setting->rules), 0);
	options.rules = setting->rules;
	assert_int_equal(process_watch_new(&options, &setting->watch), 0);
	*state = setting;
	return 0;
}

static int tear_down(void **state)
{
	struct setting *setting = *state;

	process_watch_free(setting->watch);
	target_rules_free(setting->rules);
	free(setting);
	return 0;
}

static void process_that_matches_is_found_read_and_given_up(void **state)
{
	struct setting *s = *state;
	pid_t pid = child_named(s->comm);

	assert_int_equal(process_watch_pass(s->watch, SECOND), 0);
	assert_int_equal(s->owner.came, 1);
	assert_int_equal(process_watch_count(s->watch), 1);
	assert_non_null(process_watch_find(s->watch, pid));
	assert_string_equal(process_watch_at(s->watch, 0)->facts.exe, "/bin/some");
	assert_int_equal(process_watch_pass(s->watch, 2 * SECOND), 0);
	assert_int_equal(process_watch_at(s->watch, 0)->rss.recent_count, 2);
	assert_true(process_watch_at(s->watch, 0)->reading.full_ns);
	end_child(pid);
	assert_int_equal(process_watch_pass(s->watch, 3 * SECOND), 0);
	assert_int_equal(s->owner.went, 1);
	assert_string_equal(s->owner.reason, "ended");
	assert_int_equal(process_watch_count(s->watch), 0);
}

static void without_gauges_nothing_of_memory_is_known_but_that_it_lives(void **state)
{
	struct setting *s = *state;
	pid_t pid = child_named(s->comm);
	const struct watched *watched;

	process_watch_pass(s->watch, SECOND);
	process_watch_set_gauges(s->watch, false);
	process_watch_pass(s->watch, 2 * SECOND);
	watched = process_watch_at(s->watch, 0);
	assert_true(watched->reading.memory.rss_bytes == WATCH_UNKNOWN);
	assert_true(watched->reading.memory.vms_bytes == WATCH_UNKNOWN);
	assert_int_equal(watched->reading.full_ns, 0);
	assert_int_equal(watched->rss.recent_count, 0);
	process_watch_pass(s->watch, 200 * SECOND);
	assert_int_equal(watched->reading.full_ns, 0);
	process_watch_set_gauges(s->watch, true);
	process_watch_pass(s->watch, 400 * SECOND);
	assert_true(watched->reading.memory.rss_bytes < WATCH_UNKNOWN);
	assert_true(watched->reading.full_ns);
	process_watch_set_gauges(s->watch, false);
	end_child(pid);
	process_watch_pass(s->watch, 401 * SECOND);
	assert_int_equal(s->owner.went, 1);
}

static void one_that_execs_becomes_a_target_within_ten_seconds(void **state)
{
	struct setting *s = *state;
	struct process_stat stat;
	int pipes[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Its name changes, as in an exec. */
		if (read(pipes[0], &c, 1) == 1)
			prctl(PR_SET_NAME, s->comm);
		for (;;)
			pause();
	}
	assert_int_equal(process_watch_pass(s->watch, SECOND), 0);
	assert_int_equal(s->owner.came, 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	do
		assert_int_equal(process_stat_read(pid, &stat), 0);
	while (strcmp(stat.comm, s->comm) != 0);
	assert_int_equal(process_watch_pass(s->watch, SECOND + WATCH_AGAIN_NS), 0);
	assert_int_equal(s->owner.came, 1);
	end_child(pid);
	close(pipes[0]);
	close(pipes[1]);
}

static void rule_is_the_one_that_the_opener_tells(void **state)
{
	struct setting *s = *state;
	pid_t pid = child_named(s->comm);

	s->owner.rule = 5;
	assert_int_equal(process_watch_pass(s->watch, SECOND), 0);
	assert_int_equal(process_watch_count(s->watch), 1);
	assert_int_equal(process_watch_at(s->watch, 0)->rule, 5);
	s->owner.rule = 6;
	process_watch_set_rules(s->watch, s->rules);
	assert_int_equal(process_watch_pass(s->watch, 2 * SECOND), 0);
	assert_int_equal(process_watch_at(s->watch, 0)->rule, 6);
	s->owner.refuse = true;
	process_watch_set_rules(s->watch, s->rules);
	assert_int_equal(process_watch_pass(s->watch, 3 * SECOND), 0);
	assert_int_equal(process_watch_count(s->watch), 0);
	end_child(pid);
}

static void who_may_not_be_opened_is_no_target(void **state)
{
	struct setting *s = *state;
	pid_t pid = child_named(s->comm);

	s->owner.refuse = true;
	assert_int_equal(process_watch_pass(s->watch, SECOND), 0);
	assert_int_equal(process_watch_pass(s->watch, 2 * SECOND), 0);
	assert_int_equal(s->owner.opened, 1); /* not asked in every pass */
	assert_int_equal(process_watch_count(s->watch), 0);
	end_child(pid);
}

static void new_rules_are_held_against_all(void **state)
{
	struct setting *s = *state;
	struct target_rule other = {.comm = (char *)"nobody has this", .uid = -1};
	struct target_rule_vec vec = {&other, 1, 1};
	struct target_rules *rules;
	pid_t pid = child_named(s->comm);

	assert_int_equal(target_rules_new(&vec, &rules), 0);
	process_watch_pass(s->watch, SECOND);
	assert_int_equal(process_watch_count(s->watch), 1);
	process_watch_set_rules(s->watch, rules);
	process_watch_pass(s->watch, 2 * SECOND);
	assert_int_equal(process_watch_count(s->watch), 0);
	assert_string_equal(s->owner.reason, "rules");
	process_watch_set_rules(s->watch, s->rules);
	process_watch_pass(s->watch, 3 * SECOND);
	assert_int_equal(process_watch_count(s->watch), 1);
	end_child(pid);
	target_rules_free(rules);
}

static void two_hundred_come_and_go_in_order(void **state)
{
	struct setting *s = *state;
	pid_t pids[200];

	for (int i = 0; i < 200; i++)
		pids[i] = child_named(s->comm);
	assert_int_equal(process_watch_pass(s->watch, SECOND), 0);
	assert_int_equal(process_watch_count(s->watch), 200);
	for (size_t i = 1; i < 200; i++)
		assert_true(process_watch_at(s->watch, i)->handle.key.pid >
			    process_watch_at(s->watch, i - 1)->handle.key.pid);
	for (int i = 0; i < 200; i += 2)
		end_child(pids[i]);
	assert_int_equal(process_watch_pass(s->watch, 2 * SECOND), 0);
	assert_int_equal(process_watch_count(s->watch), 100);
	assert_int_equal(s->owner.went, 100);
	for (int i = 1; i < 200; i += 2)
		end_child(pids[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(process_that_matches_is_found_read_and_given_up,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_gauges_nothing_of_memory_is_known_but_that_it_lives, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(one_that_execs_becomes_a_target_within_ten_seconds,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(rule_is_the_one_that_the_opener_tells, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_may_not_be_opened_is_no_target, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(new_rules_are_held_against_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_hundred_come_and_go_in_order, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
