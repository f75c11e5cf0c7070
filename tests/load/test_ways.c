// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each way to attach, also those that this kernel has a better one for: kernels before 6.6 have perf-event uprobes
 * only, before 6.13 no sessions. By each, every call of two threads is seen, and nothing is left behind. What this
 * cannot find: what an old kernel itself does otherwise ("make kernel-matrix" boots one).
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/feed/ring.h"
#include "capture/probe/probe.h"
#include "capture/probe/usage.h"
#include "capture/probe/window.h"
#include "cmocka_all.h"

#define THREADS   2
#define ROUNDS    500
#define MAPS      40
#define MAP_BYTES 12288

/* The program: each thread waits for a byte, then allocates, reallocates, frees, and says so. */
struct program {
	int pid;
	int to[2], from[2];
};

struct run {
	struct program program;
	struct module_set *modules;
	struct target *target;
	struct probe *probe;
	struct ring_feed *feed;
	struct allocator_set set;
	struct probe_attached attached;
	unsigned int allocs, frees, maps, unmaps, unmaps_undone;
};

/* All of it, and then what can't be unmapped. */
static void map_and_unmap(void)
{
	for (int i = 0; i < MAPS; i++) {
		void *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(map, MAP_BYTES);
	}
	munmap((void *)1, MAP_BYTES);
}

static void *work(void *argument)
{
	const struct program *p = argument;
	void *volatile block;
	char byte;

	while (read(p->to[0], &byte, 1) == 1) {
		if (byte == 'm') {
			map_and_unmap();
			continue;
		}
		for (int i = 0; i < ROUNDS; i++) {
			block = malloc(100);
			block = realloc(block, 5000);
			free(block);
		}
		if (write(p->from[1], "d", 1) != 1)
			break;
	}
	return NULL;
}

static void program_start(struct program *p)
{
	pthread_t thread;

	assert_int_equal(pipe(p->to), 0);
	assert_int_equal(pipe(p->from), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i < THREADS; i++)
		pthread_create(&thread, NULL, work, p);
	work(p);
	_exit(0);
}

static void program_end(struct program *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(p->to[i]);
		close(p->from[i]);
	}
}

/* One round of both threads. */
static void program_work(const struct program *p)
{
	char byte;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(write(p->to[1], "g", 1), 1);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(read(p->from[0], &byte, 1), 1);
}

static int on_event(void *user, const struct hf_event *event)
{
	struct run *run = user;

	run->allocs += event->kind == HF_EVENT_ALLOC;
	run->frees += event->kind == HF_EVENT_FREE;
	if (event->kind == HF_EVENT_MAP)
		run->maps += ((const struct hf_event_map *)event)->size == MAP_BYTES;
	if (event->kind == HF_EVENT_UNMAP)
		run->unmaps += ((const struct hf_event_unmap *)event)->size == MAP_BYTES;
	run->unmaps_undone += event->kind == HF_EVENT_UNDO && event->detail == HF_FN_MUNMAP;
	return 0;
}

static void run_attach(struct run *run, enum probe_way way, bool tracepoints)
{
	struct probe_options options = {
		.ring_bytes = 4u << 20, .test_way = way, .test_tracepoints = tracepoints};
	struct event_handler handler = {.event = on_event, .user = run};
	struct hf_error error = HF_ERROR_INIT;

	program_start(&run->program);
	assert_int_equal(module_set_new(&run->modules), 0);
	assert_int_equal(target_new(run->modules, run->program.pid, clock_now_ns(), &run->target,
				    &error),
			 0);
	assert_int_equal(allocator_set_find(run->target, &(struct allocator_search){0}, &run->set,
					    &error),
			 0);
	assert_int_equal(probe_new(&options, &run->probe, &error), 0);
	assert_int_equal(ring_feed_new(probe_ring_fd(run->probe), &handler, &run->feed), 0);
	assert_int_equal(probe_add_process(run->probe, run->target->key.pid, &error), 0);
	assert_int_equal(probe_attach(run->probe, run->target, &run->set, &run->attached, &error),
			 0);
	error_done(&error);
}

static void run_end(struct run *run)
{
	ring_feed_free(run->feed);
	probe_free(run->probe);
	allocator_set_done(&run->set);
	target_free(run->target);
	module_set_free(run->modules);
	program_end(&run->program);
}

/* The first bytes of the functions that are probed. */
static void read_code(const struct run *run, unsigned char ret[][16])
{
	for (size_t i = 0; i < run->set.function_count; i++) {
		const struct allocator_function *f = &run->set.functions[i];
		struct iovec local = {ret[i], sizeof(ret[i])}, remote = {0};

		for (size_t k = 0; k < run->target->mapping_count; k++) {
			const struct target_mapping *m = &run->target->mappings[k];

			if (m->module == f->module &&
			    f->address + m->bias - m->start < m->end - m->start)
				remote = (struct iovec){(void *)(f->address + m->bias),
							sizeof(ret[i])};
		}
		assert_int_equal(process_vm_readv(run->program.pid, &local, 1, &remote, 1, 0),
				 sizeof(ret[i]));
	}
}

/* As the file has it. */
static void check_code(const struct run *run, unsigned char code[][16])
{
	for (size_t i = 0; i < run->set.function_count; i++) {
		const struct allocator_function *f = &run->set.functions[i];

		assert_memory_equal(code[i], elf_file_image(f->module->elf, f->address, 16), 16);
	}
}

static void check_losses(const struct run *run)
{
	struct hf_loss losses;

	assert_int_equal(probe_losses(run->probe, &losses), 0);
	for (int i = 0; i < HF_LOSS_REASON_COUNT; i++)
		assert_int_equal(losses.count[i], 0);
}

/* Each thread's round: two calls that allocate, one that frees. */
static void check_usage(struct run *run)
{
	struct probe_usage before, usage;
	uint64_t calls = 2 * THREADS * ROUNDS, frees = THREADS * ROUNDS;

	assert_int_equal(probe_usage_count(run->probe, true), 0);
	assert_int_equal(probe_usage(run->probe, &before), 0);
	program_work(&run->program);
	assert_int_equal(probe_usage(run->probe, &usage), 0);
	assert_int_equal(probe_usage_count(run->probe, false), 0);
	if (probe_way(run->probe) == PROBE_WAY_SESSION) {
		assert_int_equal(usage.session_hits - before.session_hits, 2 * calls);
		assert_int_equal(usage.entry_hits - before.entry_hits, frees);
	} else {
		assert_int_equal(usage.return_hits - before.return_hits, calls);
		assert_int_equal(usage.entry_hits - before.entry_hits, calls + frees);
	}
	assert_in_range((usage.program_ns - before.program_ns) / calls, 50, 1000000);
	ring_feed_consume(run->feed);
}

static void check_way(enum probe_way way)
{
	unsigned char during[64][16] = {{0}}, after[64][16] = {{0}};
	struct run run = {0};

	if (geteuid())
		skip_because("needs root: attaches probes");
	run_attach(&run, way, false);
	if (probe_way(run.probe) != way) {
		run_end(&run);
		skip_because("this kernel has no %s", probe_way_name(way));
	}
	assert_in_range(run.set.function_count, 1, 64);
	read_code(&run, during);
	check_usage(&run);
	assert_int_equal(run.allocs, 2 * THREADS * ROUNDS);
	assert_int_equal(run.frees, 2 * THREADS * ROUNDS);
	check_losses(&run);

	probe_detach(run.probe, 0);
	read_code(&run, after);
	assert_memory_not_equal(during, after, sizeof(after));
	check_code(&run, after);
	run.allocs = run.frees = 0;
	program_work(&run.program);
	ring_feed_consume(run.feed);
	assert_int_equal(run.allocs + run.frees, 0);
	check_losses(&run);
	print_message("# %s: %zu functions, attached in %.1f ms\n", probe_way_name(way),
		      run.attached.functions, (double)run.attached.attach_ns / 1e6);
	run_end(&run);
}

static void sessions_see_every_call_and_leave_nothing(void **state)
{
	(void)state;
	check_way(PROBE_WAY_SESSION);
}

static void multi_links_see_every_call_and_leave_nothing(void **state)
{
	(void)state;
	check_way(PROBE_WAY_MULTI);
}

static void perf_events_see_every_call_and_leave_nothing(void **state)
{
	(void)state;
	check_way(PROBE_WAY_PERF);
}

/* What one round does of mappings, and how many system calls of it the kernel side looks at. */
static void check_mappings(bool tracepoints)
{
	struct probe_usage before, usage;
	struct run run = {0};

	if (geteuid())
		skip_because("needs root: attaches probes");
	run_attach(&run, PROBE_WAY_SESSION, tracepoints);
	assert_int_equal(probe_usage_count(run.probe, true), 0);
	assert_int_equal(probe_usage(run.probe, &before), 0);
	assert_int_equal(write(run.program.to[1], "m", 1), 1);
	program_work(&run.program);
	assert_int_equal(probe_usage(run.probe, &usage), 0);
	ring_feed_consume(run.feed);
	assert_int_equal(run.maps, MAPS);
	assert_int_equal(run.unmaps, MAPS + 1);
	assert_int_equal(run.unmaps_undone, 1);
	check_losses(&run);
	run_end(&run);
	if (!tracepoints && usage.syscall_hits)
		skip_because("this kernel has no fentry");
	if (tracepoints) {
		assert_true(usage.syscall_hits - before.syscall_hits >= 2 * (2 * MAPS + 1));
		assert_int_equal(usage.mapping_hits, 0);
	} else {
		assert_true(usage.mapping_hits - before.mapping_hits >= 2 * (2 * MAPS + 1));
	}
}

static void mappings_are_seen_at_the_kernels_functions(void **state)
{
	(void)state;
	check_mappings(false);
}

static void mappings_are_seen_by_tracepoints_where_there_is_no_fentry(void **state)
{
	(void)state;
	check_mappings(true);
}

#define WINDOW_NS (60 * NS_PER_S)

struct opened {
	struct probe_window *window;
	struct budget_times times;
	int err;
	atomic_bool over;
};

static void *open_window(void *argument)
{
	struct probe_window_hold hold = {.ns = WINDOW_NS, .most_bytes = 64 << 10, .opened_fd = -1};
	struct opened *opened = argument;

	opened->err = probe_window_run(opened->window, &hold, &opened->times);
	opened->over = true;
	return NULL;
}

/* Nobody tells it to, as where whoever opened it is busy. */
static void a_window_closes_by_itself_once_enough_was_seen(void **state)
{
	struct run run = {0};
	struct opened opened = {0};
	pthread_t thread;

	(void)state;
	if (geteuid())
		skip_because("needs root: attaches probes");
	run_attach(&run, PROBE_WAY_SESSION, false);
	probe_detach(run.probe, run.target->key.pid);
	if (probe_window_new(run.probe, &opened.window)) {
		run_end(&run);
		skip_because("this kernel has no uprobe_multi");
	}
	assert_int_equal(probe_window_add(opened.window, run.target, &run.set), 0);
	assert_int_equal(pthread_create(&thread, NULL, open_window, &opened), 0);
	while (!opened.over)
		program_work(&run.program);
	pthread_join(thread, NULL);
	assert_int_equal(opened.err, 0);

	assert_true(opened.times.closing_ns - opened.times.opened_ns < WINDOW_NS / 2);
	ring_feed_consume(run.feed);
	assert_true(run.allocs + run.frees >= 64 << 10 >> 7); /* of less than 128 bytes each */
	probe_window_free(opened.window);
	run_end(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_see_every_call_and_leave_nothing),
		cmocka_unit_test(multi_links_see_every_call_and_leave_nothing),
		cmocka_unit_test(perf_events_see_every_call_and_leave_nothing),
		cmocka_unit_test(mappings_are_seen_at_the_kernels_functions),
		cmocka_unit_test(mappings_are_seen_by_tracepoints_where_there_is_no_fentry),
		cmocka_unit_test(a_window_closes_by_itself_once_enough_was_seen),
	};

	return cmocka_run_group_tests_name("ways", tests, NULL, NULL);
}
