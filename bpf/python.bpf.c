// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Python's frames of the current thread. Its PyThreadState is looked for in the interpreter's list, by the thread pointer,
 * which is what CPython keeps as the thread's id; so a thread that has let the interpreter's lock go has its frames too.
 */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

/* A thread without one is looked for again after that, then after twice as long. */
#define LOOK_AGAIN_NS     50000
#define LOOK_AGAIN_MAX_NS 100000000

struct walk {
	struct hf_thread *thread;
	const struct hf_python *python;
};

static __always_inline u64 read_word(u64 address)
{
	u64 word = 0;

	return hf_read_user(&word, sizeof(word), address) ? 0 : word;
}

static long search_step(u32 index, void *context)
{
	const struct walk *w = context;
	struct hf_python_search *s = &w->thread->python_search;
	const struct hf_python *py = w->python;

	(void)index;
	if (!s->thread) {
		if (!s->interpreter)
			return 1;
		s->thread = read_word(s->interpreter + py->interpreter_threads);
		s->interpreter = read_word(s->interpreter + py->interpreter_next);
		return 0;
	}
	if (read_word(s->thread + py->thread_id) == s->self) {
		s->found = s->thread;
		return 1;
	}
	s->thread = read_word(s->thread + py->thread_next);
	return 0;
}

static __noinline u64 thread_search(struct hf_thread *t, const struct hf_python *py, u64 self)
{
	struct walk w = {.thread = t, .python = py};
	u64 now_ns = bpf_ktime_get_ns();

	if (t->python_thread)
		t->python_pause_ns = 0;
	if (now_ns - t->python_looked_ns < t->python_pause_ns)
		return 0;
	t->python_looked_ns = now_ns;
	t->python_pause_ns = t->python_pause_ns ? t->python_pause_ns * 2 : LOOK_AGAIN_NS;
	if (t->python_pause_ns > LOOK_AGAIN_MAX_NS)
		t->python_pause_ns = LOOK_AGAIN_MAX_NS;
	t->python_search.self = self;
	t->python_search.thread = t->python_search.found = 0;
	t->python_search.interpreter = read_word(py->interpreters);
	bpf_loop(HF_MAX_PYTHON_THREADS, search_step, &w, 0);
	t->python_thread = t->python_search.found;
	return t->python_thread;
}

static __always_inline u64 thread_state(struct hf_thread *t, const struct hf_python *py)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	u64 self = BPF_CORE_READ(task, thread.fsbase);

	if (t->python_thread && read_word(t->python_thread + py->thread_id) == self)
		return t->python_thread;
	return self ? thread_search(t, py, self) : 0;
}

/* Most frames are no spans: that is told by a bit. */
static __always_inline void note_span(struct hf_thread *t, u64 frame, u64 mark)
{
	u32 at = t->span_frame_count;

	if (!(*(volatile u64 *)&span_code_filter >> (mark & 63) & 1) ||
	    !bpf_map_lookup_elem(&span_codes, &mark))
		return;
	if (at >= HF_MAX_SPAN_FRAMES) {
		__sync_fetch_and_add(&span_losses, 1);
		return;
	}
	t->span_frames[at & (HF_MAX_SPAN_FRAMES - 1)] =
		(struct hf_span_frame){.frame = frame, .mark = mark};
	t->span_frame_count = at + 1;
}

static long take_step(u32 index, void *context)
{
	struct walk *w = context;
	struct hf_thread *t = w->thread;
	u32 at = 2 * t->python.count;
	struct hf_python_words words;
	u64 frame = t->python.frame;
	int over;

	(void)index;
	over = hf_python_step(&t->python, w->python, &words);
	if (span_rules && words.frame)
		note_span(t, frame, words.mark);
	if (words.frame) {
		t->record_pcs[at & (HF_STACK_SLOTS - 1)] = words.frame;
		t->record_pcs[(at + 1) & (HF_STACK_SLOTS - 1)] = words.mark;
		hf_unwind_hash(&t->unwind, words.frame);
		hf_unwind_hash(&t->unwind, words.mark);
	}
	if (words.ended) {
		t->record_pcs[(at - 2) & (HF_STACK_SLOTS - 1)] |= HF_PYTHON_LAST;
		hf_unwind_hash(&t->unwind, HF_PYTHON_LAST);
	}
	return over;
}

__hidden u32 python_take(struct hf_thread *t)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct walk w = {.thread = t};
	u64 state;

	w.python = bpf_map_lookup_elem(&pythons, &pid);
	if (!w.python)
		return 0;
	state = thread_state(t, w.python);
	if (!state || hf_python_begin(&t->python, w.python, state))
		return 0;
	if (span_rules)
		t->span_style = w.python->style;
	bpf_loop(HF_MAX_PYTHON_FRAMES + HF_MAX_PYTHON_RUNS + 1, take_step, &w, 0);
	return 2 * t->python.count;
}
