/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run, reported live and from its recording: the same sites, with the same numbers and the same stacks. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "session/recording.h"
#include "session/replay.h"

#define RUN_NS  2000000000
#define TICK_NS 200000000

static __attribute__((noinline)) void *keep(size_t size)
{
	return malloc(size);
}

static __attribute__((noinline)) void use_for_a_moment(size_t size)
{
	void *volatile block = calloc(1, size);

	free(block);
}

/* Lost on purpose, freed, and grown by realloc. */
static void subject(void)
{
	char *volatile grown = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 1;; i++) {
		char *volatile kept = keep(i % 500 + 1);

		(void)kept;
		use_for_a_moment(i % 900 + 1);
		if (i % 50 == 0)
			grown = realloc(grown, i);
		usleep(500);
	}
}

static bool on_tick(void *user, struct session *session, const struct session_view *view)
{
	(void)view;
	recording_tick(user, session);
	return false;
}

static bool same_stack(const struct report *a, struct report_stack x, const struct report *b,
		       struct report_stack y)
{
	bool same = x.depth == y.depth;

	for (uint32_t i = 0; same && i < x.depth; i++) {
		const struct report_frame *f = &a->frames[x.frames[i]];
		const struct report_frame *g = &b->frames[y.frames[i]];

		same = !strcmp(f->function, g->function) && !strcmp(f->module, g->module) &&
		       !strcmp(f->build_id, g->build_id) && f->line == g->line &&
		       f->address == g->address;
	}
	return same;
}

static bool same_site(const struct report *a, const struct report_site *x, const struct report *b,
		      const struct report_site *y)
{
	return x->pid == y->pid && x->allocs == y->allocs && x->frees == y->frees &&
	       x->alloc_bytes == y->alloc_bytes && x->outstanding_bytes == y->outstanding_bytes &&
	       x->outstanding_count == y->outstanding_count && x->peak_bytes == y->peak_bytes &&
	       x->temporary_count == y->temporary_count && !strcmp(x->allocator, y->allocator) &&
	       same_stack(a, x->stack, b, y->stack);
}

/* Every site of one is in the other: of equally large ones the order is open. */
static void assert_same(const struct report *live, const struct report *replayed)
{
	assert_int_equal(live->site_count, replayed->site_count);
	for (size_t i = 0; i < live->site_count; i++) {
		size_t j = 0;

		while (j < replayed->site_count &&
		       !same_site(live, &live->sites[i], replayed, &replayed->sites[j]))
			j++;
		if (j == replayed->site_count)
			fail_msg("site %zu (%lu allocations) is not in the recording's report", i,
				 (unsigned long)live->sites[i].allocs);
	}
	assert_true(live->quality.events == replayed->quality.events);
	assert_true(live->quality.stacks == replayed->quality.stacks);
	assert_true(live->quality.lost_events == replayed->quality.lost_events);
	assert_true(live->quality.unmatched_frees == replayed->quality.unmatched_frees);
	assert_int_equal(live->verdict.state, replayed->verdict.state);
}

static struct report *watch(int pid, double budget_percent, const char *path)
{
	struct session_options options = {.interval_ns = TICK_NS,
					  .budget_percent = budget_percent,
					  .memory_bytes = 256u << 20,
					  .ring_bytes = 16u << 20,
					  .faults = true,
					  .follow = true,
					  .tool_version = "test"};
	struct hf_error error = HF_ERROR_INIT;
	struct recording *recording;
	struct report *report = NULL;
	struct session *session;
	enum session_end end;

	assert_int_equal(recording_new(&recording), 0);
	options.recorder = recording_handler(recording);
	if (session_new(&options, &session, &error)) {
		recording_free(recording);
		skip_because("%s", error.what.buf);
	}
	if (session_attach(session, pid, &error))
		fail_msg("%s", error.what.buf);
	assert_int_equal(recording_begin(recording, session, path), 0);
	assert_int_equal(session_run(session, RUN_NS, on_tick, recording, &end), 0);
	session_detach(session);
	assert_int_equal(recording_finish(recording, session), 0);
	assert_int_equal(session_report(session, &report, &error), 0);
	session_free(session);
	recording_free(recording);
	return report;
}

static void record_and_replay(double budget_percent, size_t least_sites)
{
	struct replay_options options = {.memory_bytes = 256u << 20, .tool_version = "test"};
	struct hf_error error = HF_ERROR_INIT;
	struct report *live, *replayed = NULL;
	char path[] = "/tmp/hf-live-XXXXXX";
	int fd = mkstemp(path), pid;

	if (geteuid())
		skip_because("needs root: attaches probes");
	pid = fork();
	if (!pid)
		subject();
	close(fd);
	live = watch(pid, budget_percent, path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	if (replay_report(fd, &options, &replayed, &error))
		fail_msg("%s", error.what.buf);
	close(fd);
	assert_true(live->site_count >= least_sites);
	assert_same(live, replayed);
	report_free(live);
	report_free(replayed);
}

static void a_recordings_report_is_that_of_the_run_itself(void **state)
{
	(void)state;
	record_and_replay(100, 3);
}

static void so_it_is_where_calls_were_seen_in_windows_only(void **state)
{
	(void)state;
	record_and_replay(0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recordings_report_is_that_of_the_run_itself),
		cmocka_unit_test(so_it_is_where_calls_were_seen_in_windows_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
