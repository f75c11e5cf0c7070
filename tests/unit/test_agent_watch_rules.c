/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/rules.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "unit/named_child.h"

/* A rule without conditions: what one that was not given means. */
static struct target_rule any(void)
{
	return (struct target_rule){.uid = -1, .mode = RULE_INHERITS, .level = RULE_INHERITS};
}

static int match(const struct target_rule *rules, size_t count, pid_t pid)
{
	struct target_rule_vec vec = {(struct target_rule *)rules, count, count};
	struct process_facts facts = PROCESS_FACTS_INIT;
	struct target_rules *compiled;
	int result;

	assert_int_equal(target_rules_new(&vec, &compiled), 0);
	assert_int_equal(facts_read(pid, &facts), 0);
	result = target_rules_match(compiled, &facts);
	facts_done(&facts);
	target_rules_free(compiled);
	return result;
}

static void every_condition_of_a_rule_must_be_met(void **state)
{
	struct target_rule rule = any();
	pid_t pid = child_named("web worker)");

	(void)state;
	rule.comm = (char *)"web*";
	assert_int_equal(match(&rule, 1, pid), 0);
	rule.uid = getuid();
	assert_int_equal(match(&rule, 1, pid), 0);
	rule.uid = getuid() + 1;
	assert_int_equal(match(&rule, 1, pid), -ENOENT);
	rule.uid = -1;
	rule.exe = (char *)"*/test_agent_watch_rules";
	assert_int_equal(match(&rule, 1, pid), 0);
	rule.exe = (char *)"/nowhere/*";
	assert_int_equal(match(&rule, 1, pid), -ENOENT);
	rule.exe = NULL;
	rule.cmdline = (char *)"test_agent_watch_rules( |$)";
	assert_int_equal(match(&rule, 1, pid), 0);
	rule.cmdline = (char *)"^python3 ";
	assert_int_equal(match(&rule, 1, pid), -ENOENT);
	end_child(pid);
}

static void first_rule_that_matches_names_it(void **state)
{
	struct target_rule rules[3] = {any(), any(), any()};
	pid_t pid = child_named("worker");

	(void)state;
	rules[0].comm = (char *)"other";
	rules[1].pid = (uint64_t)pid;
	rules[2].comm = (char *)"worker";
	assert_int_equal(match(rules, 3, pid), 1);
	assert_int_equal(match(rules, 1, pid), -ENOENT);
	assert_int_equal(match(rules, 0, pid), -ENOENT);
	end_child(pid);
}

static void size_is_asked_for_as_it_is_now(void **state)
{
	struct target_rule rule = any();

	(void)state;
	rule.above_bytes = 4096;
	assert_int_equal(match(&rule, 1, getpid()), 0);
	rule.above_bytes = (uint64_t)1 << 50;
	assert_int_equal(match(&rule, 1, getpid()), -ENOENT);
}

static void children_are_targets_only_where_the_rule_says_so(void **state)
{
	struct target_rule rule = any();
	pid_t pid = child_named("kid");

	(void)state;
	rule.pid = (uint64_t)getpid();
	assert_int_equal(match(&rule, 1, pid), -ENOENT);
	rule.children = true;
	assert_int_equal(match(&rule, 1, pid), 0);
	rule.pid = (uint64_t)pid;
	assert_int_equal(match(&rule, 1, getpid()), -ENOENT);
	end_child(pid);
}

static void zombie_is_no_target(void **state)
{
	struct target_rule rule = any();
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	rule.pid = (uint64_t)pid;
	assert_int_equal(match(&rule, 1, pid), -ENOENT);
	waitpid(pid, NULL, 0);
}

/* Of process 1 who runs this may not know the program, unless it is root: and then it is another one. */
static void program_that_is_not_known_fits_no_rule_in_the_end(void **state)
{
	struct target_rule rules[] = {any()};
	struct target_rule_vec vec = {rules, 1, 1};
	struct target_rules *compiled;

	(void)state;
	rules[0].exe = (char *)"/nowhere/*";
	rules[0].children = true;
	assert_int_equal(target_rules_new(&vec, &compiled), 0);
	assert_int_equal(target_rules_match_pid(compiled, 1), -ENOENT);
	target_rules_free(compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_condition_of_a_rule_must_be_met),
		cmocka_unit_test(first_rule_that_matches_names_it),
		cmocka_unit_test(size_is_asked_for_as_it_is_now),
		cmocka_unit_test(children_are_targets_only_where_the_rule_says_so),
		cmocka_unit_test(zombie_is_no_target),
		cmocka_unit_test(program_that_is_not_known_fits_no_rule_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
