/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * Events to accounts: whose account an event goes to through forks, execs and exits, and what is left when
 * memory or room is short. What the ledger makes of the events is its own tests' business.
 */
#include "session/accounts.h"

#include <errno.h>
#include <sys/mman.h>

#include "cmocka_all.h"
#include "oom.h"

#define PID          100
#define ACCOUNTS_MAX 4096 /* as in accounts.c */
#define MEMORY_BYTES (256u << 20)

struct told {
	enum life_kind kind[8];
	int pid[8];
	size_t count;
};

static void hear(void *user, const struct life *life)
{
	struct told *told = user;

	assert_true(told->count < 8);
	told->kind[told->count] = life->kind;
	told->pid[told->count++] = life->pid;
}

static struct accounts *open_accounts(struct told *told, bool follow)
{
	struct accounts_options options = {
		.memory_bytes = MEMORY_BYTES, .follow = follow, .life = hear, .user = told};
	struct accounts *accounts;

	told->count = 0;
	assert_int_equal(accounts_new(&options, &accounts), 0);
	assert_int_equal(accounts_add(accounts, PID, 1, 1), 0);
	return accounts;
}

static struct hf_event head(enum hf_event_kind kind, uint8_t detail, size_t size, int pid)
{
	static uint64_t now_ns = 1000;

	return (struct hf_event){.kind = kind,
				 .detail = detail,
				 .size_bytes = size,
				 .time_ns = ++now_ns,
				 .pid = pid,
				 .tid = pid};
}

static void allocate(struct accounts *accounts, int pid, uint64_t address, uint64_t size)
{
	struct hf_event_alloc event = {head(HF_EVENT_ALLOC, HF_FN_MALLOC, sizeof(event), pid),
				       address, size, 0};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static void release(struct accounts *accounts, int pid, uint64_t address)
{
	struct hf_event_free event = {
		.h = head(HF_EVENT_FREE, HF_FN_FREE, sizeof(event), pid),
		.address = address,
	};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static void run_fork(struct accounts *accounts, int parent, int child, uint8_t detail)
{
	struct hf_event_fork event = {head(HF_EVENT_FORK, detail, sizeof(event), parent), child,
				      child};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static void run_exec(struct accounts *accounts, int pid)
{
	struct hf_event_exec event = {head(HF_EVENT_EXEC, 0, sizeof(event), pid)};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static void run_exit(struct accounts *accounts, int pid)
{
	struct hf_event_exit event = {
		.h = head(HF_EVENT_EXIT, HF_EXIT_GROUP_DEAD, sizeof(event), pid)};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static uint64_t live_bytes(const struct account *account)
{
	struct ledger_counts counts;

	assert_non_null(account);
	ledger_counts(account->ledger, &counts);
	return counts.live_bytes;
}

static void each_process_has_its_own_blocks(void **state)
{
	struct accounts_counts counts;
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	assert_int_equal(accounts_add(accounts, PID + 1, 1, 1), 0);
	allocate(accounts, PID, 0x1000, 10);
	allocate(accounts, PID + 1, 0x1000, 7);
	allocate(accounts, 999, 0x1000, 5);
	release(accounts, PID, 0x1000);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 0);
	assert_int_equal(live_bytes(accounts_find(accounts, PID + 1)), 7);
	accounts_get_counts(accounts, &counts);
	assert_int_equal(counts.events, 4);
	assert_int_equal(counts.unknown_process, 1);
	accounts_free(accounts);
}

static void a_child_inherits_and_lives_on_its_own(void **state)
{
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	allocate(accounts, PID, 0x1000, 10);
	run_fork(accounts, PID, PID + 1, 0);
	run_fork(accounts, PID, PID, HF_FORK_THREAD);
	assert_int_equal(accounts_count(accounts), 2);
	release(accounts, PID + 1, 0x1000);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 10);
	assert_int_equal(live_bytes(accounts_find(accounts, PID + 1)), 0);
	assert_true(accounts_find(accounts, PID + 1)->inherited);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.kind[0], LIFE_FORKED);
	accounts_free(accounts);
}

static void children_of_a_session_that_follows_none_get_no_account(void **state)
{
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, false);
	run_fork(accounts, PID, PID + 1, 0);
	assert_null(accounts_find(accounts, PID + 1));
	assert_int_equal(told.count, 0);
	accounts_free(accounts);
}

static void an_exec_begins_a_new_account_and_keeps_the_old_one_apart(void **state)
{
	struct account *before, *after;
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	allocate(accounts, PID, 0x1000, 10);
	before = accounts_find(accounts, PID);
	run_exec(accounts, PID);
	after = accounts_find(accounts, PID);
	assert_ptr_not_equal(before, after);
	assert_true(before->execed && before->ended_ns);
	assert_int_equal(after->exec_count, 1);
	assert_int_equal(after->parent_pid, 1);
	assert_int_equal(live_bytes(after), 0);
	assert_int_equal(live_bytes(before), 10);
	assert_int_equal(told.kind[0], LIFE_EXECED);
	run_exit(accounts, PID);
	assert_null(accounts_find(accounts, PID));
	assert_int_equal(told.kind[1], LIFE_EXITED);
	accounts_free(accounts);
}

static void fill_with_running(struct accounts *accounts)
{
	for (int pid = PID + 1; accounts_count(accounts) < ACCOUNTS_MAX; pid++)
		assert_int_equal(accounts_add(accounts, pid, 1, 1), 0);
}

static void when_full_an_ended_process_without_blocks_makes_room(void **state)
{
	struct accounts_counts counts;
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	told.count = 0;
	for (int pid = PID + 1; accounts_count(accounts) < ACCOUNTS_MAX; pid++) {
		assert_int_equal(accounts_add(accounts, pid, 1, 1), 0);
		if (pid == PID + 1)
			allocate(accounts, pid, 0x1000, 10);
		if (pid <= PID + 2)
			run_exit(accounts, pid);
	}
	assert_int_equal(accounts_add(accounts, 10000, 1, 2), 0);
	assert_int_equal(accounts_add(accounts, 10001, 1, 2), -ENOSPC);
	assert_null(accounts_find(accounts, 10001));
	accounts_get_counts(accounts, &counts);
	assert_int_equal(counts.accounts_dropped, 1);
	assert_int_equal(accounts_count(accounts), ACCOUNTS_MAX);
	accounts_free(accounts);
}

/* True if the @n-th allocation failed: an account that can't be made must not cost the one there is. */
static bool add_fails_and_the_account_of_before_stays(struct accounts *accounts, long n)
{
	struct account *before = accounts_find(accounts, PID);
	int err;

	oom_arm(n);
	err = accounts_add(accounts, PID, 1, 50);
	if (!oom_disarm()) {
		assert_int_equal(err, 0);
		return false;
	}
	assert_int_equal(err, -ENOMEM);
	assert_ptr_equal(accounts_find(accounts, PID), before);
	assert_int_equal(before->ended_ns, 0);
	allocate(accounts, PID, 0x1000, 10);
	assert_int_equal(live_bytes(before), 10);
	release(accounts, PID, 0x1000);
	return true;
}

static void out_of_memory_the_account_of_before_stays(void **state)
{
	struct accounts *accounts;
	struct told told;
	long n = 1;

	(void)state;
	accounts = open_accounts(&told, true);
	while (add_fails_and_the_account_of_before_stays(accounts, n))
		n++;
	assert_true(n > 3);
	accounts_free(accounts);
}

/* With so many accounts something has to make room: not the one that is to stay. */
static void out_of_memory_and_full_the_account_of_before_stays(void **state)
{
	struct accounts *accounts;
	struct told told;
	long n = 1;

	(void)state;
	accounts = open_accounts(&told, true);
	fill_with_running(accounts);
	while (add_fails_and_the_account_of_before_stays(accounts, n))
		n++;
	assert_true(n > 3);
	assert_int_equal(accounts_count(accounts), ACCOUNTS_MAX);
	accounts_free(accounts);
}

static void an_exec_when_full_replaces_the_account_that_it_ends(void **state)
{
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	fill_with_running(accounts);
	allocate(accounts, PID, 0x2000, 20);
	run_exec(accounts, PID);
	assert_int_equal(accounts_count(accounts), ACCOUNTS_MAX);
	assert_non_null(accounts_find(accounts, PID));
	assert_int_equal(accounts_find(accounts, PID)->exec_count, 1);
	allocate(accounts, PID, 0x1000, 10);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 10);
	accounts_free(accounts);
}

static void stacks_of_threads_are_sites_of_their_own_class(void **state)
{
	struct hf_event_map map = {.address = 0x10000, .size = 4096, .fd = -1};
	struct accounts *accounts;
	struct account *account;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	map.h = head(HF_EVENT_MAP, HF_FN_MMAP, sizeof(map), PID);
	map.mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK;
	accounts_event(accounts, &map.h);
	account = accounts_find(accounts, PID);
	assert_int_equal(live_bytes(account), 4096);
	assert_int_equal(ledger_site(account->ledger, 1)->class, SITE_STACK);
	accounts_free(accounts);
}

static void mappings_of_libraries_and_allocators_are_no_sites(void **state)
{
	struct hf_event_map map = {.address = 0x10000, .size = 4096, .fd = -1};
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	map.h = head(HF_EVENT_MAP, HF_FN_MMAP, sizeof(map), PID);
	map.mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
	map.flags = HF_MAP_IN_ALLOCATOR;
	accounts_event(accounts, &map.h);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 0);
	map.flags = 0;
	map.prot = PROT_EXEC;
	accounts_event(accounts, &map.h);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 4096);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.kind[0], LIFE_CODE_CHANGED);
	accounts_free(accounts);
}

static void grow_break(struct accounts *accounts, uint64_t stack)
{
	static uint64_t end = 0x100000;
	struct hf_event_brk event = {
		.h = head(HF_EVENT_BRK, HF_FN_BRK, sizeof(event), PID),
		.old_break = end,
		.new_break = end + 4096,
		.stack = stack,
	};

	end = event.new_break;
	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

static void tell_code(struct accounts *accounts, uint64_t start, uint64_t end, uint8_t detail)
{
	struct hf_event_allocator_code event = {
		.h = head(HF_EVENT_ALLOCATOR_CODE, detail, sizeof(event), PID),
		.start = start,
		.end = end,
	};

	assert_int_equal(accounts_event(accounts, &event.h), 0);
}

/* Where calls are seen in windows only: also in a recording, which knows of the process what its events tell. */
static void what_grows_from_allocator_code_is_no_site(void **state)
{
	struct {
		struct hf_event_stack stack;
		uint64_t pcs[2];
	} event = {.stack = {.stack = 77, .depth = 2}, .pcs = {0x5010, 0x9000}};
	struct accounts *accounts;
	struct told told;

	(void)state;
	accounts = open_accounts(&told, true);
	event.stack.h = head(HF_EVENT_STACK, HF_STACK_COMPLETE, sizeof(event), PID);
	assert_int_equal(accounts_event(accounts, &event.stack.h), 0);
	tell_code(accounts, 0, 0, HF_ALLOCATOR_CODE_FIRST);
	tell_code(accounts, 0x8000, 0x7000, 0);
	tell_code(accounts, 0x5000, 0x5020, 0);
	grow_break(accounts, 77);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 0);
	tell_code(accounts, 0, 0, HF_ALLOCATOR_CODE_FIRST);
	grow_break(accounts, 77);
	assert_int_equal(live_bytes(accounts_find(accounts, PID)), 4096);
	accounts_free(accounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_has_its_own_blocks),
		cmocka_unit_test(a_child_inherits_and_lives_on_its_own),
		cmocka_unit_test(children_of_a_session_that_follows_none_get_no_account),
		cmocka_unit_test(an_exec_begins_a_new_account_and_keeps_the_old_one_apart),
		cmocka_unit_test(when_full_an_ended_process_without_blocks_makes_room),
		cmocka_unit_test(out_of_memory_the_account_of_before_stays),
		cmocka_unit_test(out_of_memory_and_full_the_account_of_before_stays),
		cmocka_unit_test(an_exec_when_full_replaces_the_account_that_it_ends),
		cmocka_unit_test(stacks_of_threads_are_sites_of_their_own_class),
		cmocka_unit_test(mappings_of_libraries_and_allocators_are_no_sites),
		cmocka_unit_test(what_grows_from_allocator_code_is_no_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
