/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small report that has everything, for tests of report/ and its exporters: a made-up resolver (pc 1000 is
 * function "f1000"), a growing site in two halves, a steady one, a mapping, one without stack, a child.
 */
#ifndef HF_TESTS_REPORT_FIXTURE_H
#define HF_TESTS_REPORT_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "report/builder.h"

struct known_pc {
	uint64_t pc;
	struct report_frame frame;
};

#define SERVER "/usr/bin/server"
#define LIBC   "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define ID     "9c41aabbccddeeff"

static const struct known_pc known_pcs[] = {
	{0x10, {"keep_forever", "/src/app/keep.c", SERVER, ID, 0x1010, 5, FRAME_NATIVE}},
	{0x11, {"keep_forever", "/src/app/keep.c", SERVER, ID, 0x1020, 5, FRAME_NATIVE}},
	{0x12, {"main", "/src/app/main.c", SERVER, ID, 0x2000, 40, FRAME_NATIVE}},
	{0x13, {"give_back", "/src/app/main.c", SERVER, ID, 0x2100, 12, FRAME_NATIVE}},
	{0x14, {"__libc_start_main", "", LIBC, "aa", 0x3000, 0, FRAME_NATIVE}},
	{0x15, {"", "", "/opt/lib/plug;in.so", "", 0x4000, 0, FRAME_UNKNOWN}},
	{0x16,
	 {"std::vector<int>::push_back(int const&)", "/usr/include/c++/12/bits/stl_vector.h",
	  SERVER, ID, 0x5000, 1287, FRAME_NATIVE}},
	{0x17, {"handler", "app.py", "", "", 0, 33, FRAME_PYTHON}},
	{0x18, {"strdup", "", LIBC, "aa", 0x6000, 0, FRAME_NATIVE}},
};

static int fixture_resolve(void *user, const struct stack_trace *trace, unsigned int index,
			   struct report_frame *ret_frames, size_t *ret_count)
{
	(void)user;
	*ret_count = 1;
	for (size_t i = 0; i < sizeof(known_pcs) / sizeof(*known_pcs); i++) {
		if (known_pcs[i].pc != trace->pcs[index])
			continue;
		ret_frames[0] = known_pcs[i].frame;
		return 0;
	}
	if (trace->pcs[index] == 0x20) { /* one pc, two frames */
		ret_frames[0] = (struct report_frame){"inner", "/src/app/inl.h", SERVER, ID, 0x7000,
						      3,       FRAME_INLINED};
		ret_frames[1] = (struct report_frame){"outer", "/src/app/out.c", SERVER, ID, 0x7000,
						      9,       FRAME_NATIVE};
		*ret_count = 2;
		return 0;
	}
	ret_frames[0] = (struct report_frame){"", "", "", "", trace->pcs[index], 0, FRAME_UNKNOWN};
	return 0;
}

struct fixture_site {
	int pid;
	const char *allocator;
	uint64_t allocs, frees, size;
	enum verdict_state state; /* WATCHING and above, and WARMING: a finding */
	double growth;
	uint16_t depth;
	uint64_t pcs[8];
};

static inline void fixture_add_site(struct report_builder *b, const struct fixture_site *s)
{
	static uint32_t lifetimes[] = {3, 0, 12}, sizes[] = {1, 7};
	struct call_site site = {
		.allocs = s->allocs,
		.frees = s->frees,
		.alloc_bytes = s->allocs * s->size,
		.free_bytes = s->frees * s->size,
		.outstanding_bytes = (s->allocs - s->frees) * s->size,
		.outstanding_count = s->allocs - s->frees,
		.peak_bytes = s->allocs * s->size,
		.temporary_count = s->frees / 2,
		.lifetime_ns_log2 = {lifetimes, 10, 3},
		.size_log2 = {sizes, 6, 2},
	};
	struct stack_trace trace = {
		.hash = 1, .pid = (uint32_t)s->pid, .depth = s->depth, .pcs = s->pcs};
	struct site_verdict verdict = {(uint8_t)s->state, s->growth};
	struct finding finding = {
		.state = s->state,
		.confidence = 0.4,
		.growth_bytes_per_second = s->growth,
		.growth_low = s->growth * 0.9,
		.growth_high = s->growth * 1.1,
		.seconds_to_firm = 240,
		.evidence_count = 2,
		.evidence = {{EVIDENCE_TREND, 9.5, 60},
			     {EVIDENCE_UNFREED, (double)s->allocs, (double)s->allocs}},
	};
	struct report_site_input input = {
		.pid = s->pid,
		.site = &site,
		.trace = s->depth ? &trace : NULL,
		.allocator = s->allocator,
		.verdict = &verdict,
		.finding = s->growth > 0 ? &finding : NULL,
		.age_s = 60,
	};

	assert_int_equal(report_builder_add_site(b, &input), 0);
}

static const struct fixture_site fixture_sites[] = {
	{4312, "malloc", 1000, 0, 1000, VERDICT_WATCHING, 20000, 3, {0x10, 0x12, 0x14}},
	{4312, "malloc", 500, 0, 1000, VERDICT_WATCHING, 10000, 3, {0x11, 0x12, 0x14}},
	{4312, "malloc", 90000, 90000, 100, VERDICT_STEADY, 0, 3, {0x13, 0x12, 0x14}},
	{4312, "malloc", 300, 100, 64, VERDICT_STEADY, 0, 3, {0x18, 0x20, 0x12}},
	{4312, "mmap", 3, 0, 1048576, VERDICT_STEADY, 0, 2, {0x15, 0x12}},
	{4313, "malloc", 100, 0, 4096, VERDICT_WARMING, 900, 3, {0x16, 0x17, 0x12}},
	{4312, "malloc", 7, 0, 16, VERDICT_STEADY, 0, 0, {0}},
};

static inline void fixture_describe(struct report_builder *b)
{
	const struct report_allocator allocator = {"glibc malloc", LIBC, true, "found by symbol"};
	const struct report_count lost[] = {{"ring_full_alloc", 3}, {"ring_full_free", 0}};
	const struct report_count cut[] = {{"no unwind row and no frame pointer", 2}};
	const struct report_text note = {"412 MiB were held before attach"};
	const struct report_target target = {
		4312, "server", SERVER, ID, "2026-01-02T03:00:00.000Z", "", "", &allocator, 1};
	const struct report_quality quality = {.events = 972114,
					       .lost_events = 3,
					       .stacks = 2000,
					       .unmatched_frees = 12,
					       .lost_by_reason = lost,
					       .lost_by_reason_count = 2,
					       .stacks_incomplete = cut,
					       .stacks_incomplete_count = 1,
					       .stacks_complete_percent = 99.9,
					       .notes = &note,
					       .note_count = 1};
	const struct report_capture capture = {.mode = CAPTURE_EXACT,
					       .started_at = "2026-01-02T03:04:05.678Z",
					       .duration_s = 60,
					       .overhead_percent = 1.8,
					       .duty = 1};
	const struct report_memory memory = {.rss_bytes = 50 << 20,
					     .vms_bytes = 200 << 20,
					     .uss_bytes = 40 << 20,
					     .heap_live_bytes = 2000000,
					     .limit_bytes = 1 << 30};

	assert_int_equal(report_builder_set_target(b, &target), 0);
	assert_int_equal(report_builder_set_quality(b, &quality), 0);
	assert_int_equal(report_builder_set_capture(b, &capture), 0);
	assert_int_equal(
		report_builder_add_plan(b, "exact: every call, est. cost 1.8 % (budget 2 %)"), 0);
	assert_int_equal(report_builder_set_memory(b, &memory), 0);
	for (int i = 0; i < 3; i++) {
		const struct report_sample sample = {.time = i * 0.1, .rss_bytes = 50u << 20};

		assert_int_equal(report_builder_add_sample(b, &sample), 0);
	}
	assert_int_equal(report_builder_add_note(b, "child %d: first %d ms not traced", 4313, 12),
			 0);
}

static inline struct report *fixture_report(void)
{
	const struct report_builder_options options = {.resolve = fixture_resolve,
						       .tool_version = "0.1"};
	const struct report_process parent = {4312, 1,   "server", "2026-01-02T03:00:00.000Z",
					      NULL, NULL};
	const struct report_process child = {
		4313, 4312, "worker", "2026-01-02T03:04:10.000Z", "2026-01-02T03:04:50.000Z", NULL};
	const struct verdict verdict = {.state = VERDICT_WATCHING,
					.confidence = 0.4,
					.growth_bytes_per_second = 30900,
					.growth_low = 28000,
					.growth_high = 33800,
					.rss_growth_bytes_per_second = 31000,
					.explained_percent = 99.7,
					.seconds_to_firm = 240,
					.limit_eta_seconds = 8400};
	static const uint64_t fault_pcs[] = {0x12, 0x14};
	const struct stack_trace fault_trace = {.pid = 4312, .depth = 2, .pcs = fault_pcs};
	const struct report_fault_input fault = {4312, &fault_trace, "anon", 77};
	struct report_builder *b;
	struct report *report = NULL;

	assert_int_equal(report_builder_new(&options, &b), 0);
	fixture_describe(b);
	assert_int_equal(report_builder_add_process(b, &parent), 0);
	assert_int_equal(report_builder_add_process(b, &child), 0);
	assert_int_equal(report_builder_set_verdict(b, &verdict), 0);
	for (size_t i = 0; i < sizeof(fixture_sites) / sizeof(*fixture_sites); i++)
		fixture_add_site(b, &fixture_sites[i]);
	assert_int_equal(report_builder_add_fault(b, &fault), 0);
	assert_int_equal(report_builder_add_fault(b, &fault), 0);
	assert_int_equal(report_builder_finish(b, &report), 0);
	report_builder_free(b);
	return report;
}

#endif
