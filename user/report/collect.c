/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/builder.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "account/stack/python_words.h"
#include "base/saturate.h"
#include "base/strbuf.h"
#include "report/build.h"

#define DEFAULT_MEMORY_BYTES (1ull << 30)
#define MAX_STACK_FRAMES     4096 /* of one stack, inlined ones included */

int report_builder_new(const struct report_builder_options *options,
		       struct report_builder **ret_builder)
{
	struct report_builder *b = calloc(1, sizeof(*b));
	struct report *report;
	int err;

	if (!b)
		return -ENOMEM;
	b->options = *options;
	b->pc_memo = calloc(PC_MEMO_SLOTS, sizeof(*b->pc_memo));
	err = report_store_init(&b->store, options->memory_bytes ? options->memory_bytes
								 : DEFAULT_MEMORY_BYTES);
	if (!b->pc_memo)
		err = -ENOMEM;
	if (!err) {
		map64_init(&b->frame_memo, b->store.seed);
		map64_init(&b->site_by_key, b->store.seed);
		map64_init(&b->fault_by_key, b->store.seed);
		map64_init(&b->span_by_key, b->store.seed);
		report = b->store.report;
		report->tool_name = "holdfast";
		err = report_store_string(&b->store, options->tool_version, &report->tool_version);
	}
	/* What is never set must still hold: no NULL strings. */
	if (!err)
		err = report_builder_set_target(b, &(struct report_target){0});
	if (!err)
		err = report_builder_set_capture(b, &(struct report_capture){0});
	if (err) {
		report_builder_free(b);
		return err;
	}
	*ret_builder = b;
	return 0;
}

void report_builder_free(struct report_builder *b)
{
	if (!b)
		return;
	vec_done(&b->processes);
	vec_done(&b->plan);
	vec_done(&b->notes);
	vec_done(&b->samples);
	vec_done(&b->sites);
	vec_done(&b->findings);
	vec_done(&b->census);
	vec_done(&b->pythons);
	vec_done(&b->faults);
	vec_done(&b->parts);
	vec_done(&b->scratch);
	free(b->pc_memo);
	map64_done(&b->frame_memo);
	map64_done(&b->site_by_key);
	map64_done(&b->fault_by_key);
	map64_done(&b->span_by_key);
	vec_done(&b->spans);
	report_store_done(&b->store);
	free(b);
}

double report_finite(double x)
{
	return isfinite(x) ? x : 0;
}

int report_builder_set_target(struct report_builder *b, const struct report_target *in)
{
	struct report_target *t = &b->store.report->target;
	struct report_allocator *list;
	size_t bytes = in->allocator_count * sizeof(*list);
	int err;

	*t = *in;
	if (report_store_string(&b->store, in->comm, &t->comm) < 0 ||
	    report_store_string(&b->store, in->exe, &t->exe) < 0 ||
	    report_store_string(&b->store, in->build_id, &t->build_id) < 0 ||
	    report_store_string(&b->store, in->start_time, &t->start_time) < 0 ||
	    report_store_string(&b->store, in->cmdline, &t->cmdline) < 0 ||
	    report_store_string(&b->store, in->container, &t->container) < 0)
		return -ENOMEM;
	list = arena_zalloc(&b->store.arena, bytes);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < in->allocator_count; i++) {
		list[i].probed = in->allocators[i].probed;
		err = report_store_string(&b->store, in->allocators[i].name, &list[i].name);
		if (!err)
			err = report_store_string(&b->store, in->allocators[i].module,
						  &list[i].module);
		if (!err)
			err = report_store_string(&b->store, in->allocators[i].detail,
						  &list[i].detail);
		if (err)
			return err;
	}
	t->allocators = list;
	return 0;
}

int report_builder_add_process(struct report_builder *b, const struct report_process *in)
{
	struct report_process p = *in;

	if (report_store_string(&b->store, in->comm, &p.comm) < 0 ||
	    report_store_string(&b->store, in->start_time, &p.start_time) < 0 ||
	    report_store_string(&b->store, in->ended, &p.ended) < 0 ||
	    report_store_string(&b->store, in->cgroup, &p.cgroup) < 0)
		return -ENOMEM;
	return vec_push(&b->processes, p);
}

int report_builder_set_capture(struct report_builder *b, const struct report_capture *in)
{
	struct report_capture *c = &b->store.report->capture;

	*c = *in;
	c->duration_s = report_finite(in->duration_s);
	c->budget_percent = report_finite(in->budget_percent);
	c->overhead_percent = report_finite(in->overhead_percent);
	c->duty = report_finite(in->duty);
	c->stop_ms_max = report_finite(in->stop_ms_max);
	c->lost_known = in->lost_known;
	for (size_t i = 0; i < in->plan_count; i++) {
		int err = report_builder_add_plan(b, in->plan[i].text);

		if (err)
			return err;
	}
	return report_store_string(&b->store, in->started_at, &c->started_at);
}

static int add_text(struct report_builder *b, struct report_text_vec *list, const char *text)
{
	struct report_text line;
	int err = report_store_string(&b->store, text, &line.text);

	return err ? err : vec_push(list, line);
}

int report_builder_add_plan(struct report_builder *b, const char *line)
{
	return add_text(b, &b->plan, line);
}

static int copy_counts(struct report_builder *b, const struct report_count *in, size_t count,
		       struct report_count **ret_list, size_t *ret_count)
{
	struct report_count *list = arena_zalloc(&b->store.arena, count * sizeof(*list));
	size_t kept = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!in[i].count)
			continue;
		list[kept].count = in[i].count;
		if (report_store_string(&b->store, in[i].name, &list[kept++].name) < 0)
			return -ENOMEM;
	}
	*ret_list = list;
	*ret_count = kept;
	return 0;
}

int report_builder_set_quality(struct report_builder *b, const struct report_quality *in)
{
	struct report_quality *q = &b->store.report->quality;
	struct report_count *list;
	int err;

	*q = *in;
	err = copy_counts(b, in->lost_by_reason, in->lost_by_reason_count, &list,
			  &q->lost_by_reason_count);
	if (err)
		return err;
	q->lost_by_reason = list;
	err = copy_counts(b, in->stacks_incomplete, in->stacks_incomplete_count, &list,
			  &q->stacks_incomplete_count);
	if (err)
		return err;
	q->stacks_incomplete = list;
	for (size_t i = 0; !err && i < in->note_count; i++)
		err = add_text(b, &b->notes, in->notes[i].text);
	return err;
}

int report_builder_add_note(struct report_builder *b, const char *fmt, ...)
{
	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	return sb.failed ? -ENOMEM : add_text(b, &b->notes, sb.buf);
}

int report_builder_set_memory(struct report_builder *b, const struct report_memory *memory)
{
	struct report_memory *m = &b->store.report->memory;

	*m = *memory;
	m->fragmentation_percent = report_finite(memory->fragmentation_percent);
	for (size_t i = 0; i < memory->series_count; i++) {
		int err = report_builder_add_sample(b, &memory->series[i]);

		if (err)
			return err;
	}
	return 0;
}

int report_builder_add_sample(struct report_builder *b, const struct report_sample *sample)
{
	struct report_sample copy = *sample;

	copy.time = report_finite(copy.time);
	return vec_push(&b->samples, copy);
}

/* Evidence as text, in the arena. */
int report_copy_evidence(struct report_builder *b, const struct evidence *in, size_t count,
			 const struct report_evidence **ret)
{
	struct report_evidence *list = arena_zalloc(&b->store.arena, count * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;

		advice_add_evidence(&sb, &in[i]);
		list[i].value = report_finite(in[i].value);
		list[i].kind = evidence_kind_name(in[i].kind);
		list[i].reference = report_finite(in[i].reference);
		if (sb.failed || report_store_string(&b->store, sb.buf, &list[i].text) < 0)
			return -ENOMEM;
	}
	*ret = list;
	return 0;
}

int report_builder_set_verdict(struct report_builder *b, const struct verdict *in)
{
	struct report_verdict *v = &b->store.report->verdict;

	*v = (struct report_verdict){
		.state = in->state,
		.confidence = report_finite(in->confidence),
		.growth_bytes_per_second = report_finite(in->growth_bytes_per_second),
		.growth_low = report_finite(in->growth_low),
		.growth_high = report_finite(in->growth_high),
		.explained_percent = report_finite(in->explained_percent),
		.rss_growth_bytes_per_second = report_finite(in->rss_growth_bytes_per_second),
		.limit_eta_s = report_finite(in->limit_eta_seconds),
		.limit_is_system = in->limit_is_system,
		.seconds_to_firm = report_finite(in->seconds_to_firm),
		.firm = verdict_is_firm(in),
		.evidence_count = in->evidence_count,
	};
	return report_copy_evidence(b, in->evidence, in->evidence_count, &v->evidence);
}

/* Strings of the resolver stay where they are, so the same pointers are the same frame. */
static int intern_frame(struct report_builder *b, const struct report_frame *in,
			uint32_t *ret_index)
{
	struct report_frame frame = *in;
	struct {
		const char *function, *file, *module;
		uint64_t address, line_and_kind;
	} memo = {in->function, in->file, in->module, in->address,
		  (uint64_t)in->line << 8 | (unsigned int)in->kind};
	uint64_t hash = hash_bytes(&memo, sizeof(memo), b->store.seed), known;
	int err;

	if (map64_get(&b->frame_memo, hash, &known)) {
		*ret_index = (uint32_t)known;
		return 0;
	}
	if ((unsigned int)frame.kind >= FRAME_KIND_COUNT)
		frame.kind = FRAME_UNKNOWN;
	err = report_store_frame_strings(&b->store, &frame);
	if (!err)
		err = report_store_frame(&b->store, &frame, ret_index);
	return err ? err : map64_put(&b->frame_memo, hash, *ret_index);
}

/* Appends the frames of one pc to scratch; more than MAX_STACK_FRAMES are left out. */
static int resolve_pc(struct report_builder *b, const struct stack_trace *trace, unsigned int index)
{
	struct report_frame frames[REPORT_MAX_INLINED];
	size_t count = 0;
	int err = b->options.resolve(b->options.user, trace, index, frames, &count);

	for (size_t i = 0; !err && i < count && b->scratch.count < MAX_STACK_FRAMES; i++) {
		uint32_t number;

		err = intern_frame(b, &frames[i], &number);
		if (!err)
			err = vec_push(&b->scratch, number);
	}
	return err;
}

static struct pc_memo *memo_of(struct report_builder *b, const struct pc_memo *wanted)
{
	uint64_t hash = hash_u64(wanted->pc ^ wanted->era << 1 ^ wanted->leaf, b->store.seed);

	return &b->pc_memo[(hash ^ (uint64_t)wanted->pid) & (PC_MEMO_SLOTS - 1)];
}

/* As resolve_pc(), by memory where the pc was met before. */
static int recall_pc(struct report_builder *b, const struct stack_trace *trace, unsigned int index,
		     uint64_t era)
{
	struct pc_memo wanted = {
		.pc = trace->pcs[index], .era = era, .pid = (int)trace->pid, .leaf = !index};
	struct pc_memo *memo = memo_of(b, &wanted);
	size_t before = b->scratch.count, count;
	int err;

	if (memo->count && memo->pc == wanted.pc && memo->era == era && memo->pid == wanted.pid &&
	    memo->leaf == wanted.leaf)
		return vec_append(&b->scratch, memo->frames, memo->count);
	err = resolve_pc(b, trace, index);
	count = b->scratch.count - before;
	if (err || !count || count > PC_MEMO_FRAMES)
		return err;
	wanted.count = (uint8_t)count;
	memcpy(wanted.frames, b->scratch.items + before, count * sizeof(*wanted.frames));
	*memo = wanted;
	return 0;
}

/* The whole trace as one interned stack. */
static int intern_stack(struct report_builder *b, const struct stack_trace *trace,
			uint32_t *ret_stack)
{
	uint64_t era = trace && b->options.era ? b->options.era(b->options.user, trace)
					       : REPORT_NO_ERA;
	int err = 0;

	vec_clear(&b->scratch);
	for (unsigned int i = 0; !err && trace && i < trace->depth; i++) {
		/* Near the bound some frames of a pc are left out: that is not to be remembered. */
		bool crowded = b->scratch.count > MAX_STACK_FRAMES - REPORT_MAX_INLINED;
		/* Another code object may come to the same place. */
		bool anew = crowded || era == REPORT_NO_ERA || stack_word_is_python(trace->pcs[i]);

		err = anew ? resolve_pc(b, trace, i) : recall_pc(b, trace, i, era);
	}
	if (err)
		return err;
	return report_store_stack(&b->store, b->scratch.items, (uint32_t)b->scratch.count,
				  ret_stack);
}

/* A frame alone. */
static int intern_one(struct report_builder *b, const struct report_frame *frame,
		      uint32_t *ret_stack)
{
	uint32_t number;
	int err = intern_frame(b, frame, &number);

	return err ? err : report_store_stack(&b->store, &number, 1, ret_stack);
}

static int add_histogram(struct report_builder *b, struct build_histogram *sum,
			 const struct histogram *in)
{
	unsigned int end = in->first + in->count;
	uint8_t count = end < LEDGER_HISTOGRAM_SLOTS ? (uint8_t)end : LEDGER_HISTOGRAM_SLOTS;

	while (count && !histogram_at(in, count - 1u))
		count--;
	if (count > sum->count) {
		uint32_t *longer = arena_zalloc(&b->store.arena, count * sizeof(*longer));

		if (!longer)
			return -ENOMEM;
		if (sum->count)
			memcpy(longer, sum->slots, sum->count * sizeof(*longer));
		sum->slots = longer;
		sum->count = count;
	}
	for (uint8_t i = 0; i < count; i++)
		if (__builtin_add_overflow(sum->slots[i], histogram_at(in, i), &sum->slots[i]))
			sum->slots[i] = UINT32_MAX;
	return 0;
}

/* The first name that is known stands. */
static int name_finding(struct report_builder *b, struct build_finding *f, const char *type,
			const char *held_by)
{
	int err = 0;

	if (!f->type || !*f->type)
		err = report_store_string(&b->store, type, &f->type);
	if (!err && (!f->held_by || !*f->held_by))
		err = report_store_string(&b->store, held_by, &f->held_by);
	return err;
}

int report_builder_add_untraced(struct report_builder *b, const struct report_untraced_input *in)
{
	const struct finding *f = in->finding;
	double below = report_finite(f->growth_bytes_per_second - f->growth_low);
	double above = report_finite(f->growth_high - f->growth_bytes_per_second);
	struct build_finding new = {
		.site = NO_SITE,
		.pid = in->pid,
		.of = *f,
		.growth = report_finite(f->growth_bytes_per_second),
		.below2 = below * below,
		.above2 = above * above,
		.oldest_s = report_finite(f->oldest_s),
		.lost_count = f->lost_count,
		.lost_bytes = f->lost_bytes,
		.outstanding_bytes = in->outstanding_bytes,
		.outstanding_count = in->outstanding_count,
	};
	int err = report_store_string(&b->store, in->allocator, &new.allocator);

	if (!err)
		err = in->frame && !in->trace ? intern_one(b, in->frame, &new.stack)
					      : intern_stack(b, in->trace, &new.stack);
	if (!err)
		err = name_finding(b, &new, in->type, in->held_by);
	return err ? err : vec_push(&b->findings, new);
}

int report_builder_add_census(struct report_builder *b, const struct report_census *row)
{
	struct report_census copy = *row;
	int err = report_store_string(&b->store, row->type, &copy.type);

	if (!err)
		err = report_store_string(&b->store, row->held_by, &copy.held_by);
	if (!err)
		err = report_store_string(&b->store, row->sample, &copy.sample);
	return err ? err : vec_push(&b->census, copy);
}

int report_builder_add_python(struct report_builder *b, const struct report_python *in)
{
	_cleanup_free_ struct report_python_type *types =
		calloc(in->type_count + 1, sizeof(*types));
	struct report_python copy = *in;
	const void *array;
	int err = types ? report_store_string(&b->store, in->version, &copy.version) : -ENOMEM;

	if (!err)
		err = report_store_string(&b->store, in->reason, &copy.reason);
	for (size_t i = 0; !err && i < in->type_count; i++) {
		types[i] = in->types[i];
		err = report_store_string(&b->store, in->types[i].type, &types[i].type);
		if (!err)
			err = report_store_string(&b->store, in->types[i].held_by,
						  &types[i].held_by);
	}
	if (!err)
		err = report_store_array(&b->store, types, in->type_count * sizeof(*types), &array);
	if (err)
		return err;
	copy.types = array;
	return vec_push(&b->pythons, copy);
}

/*
 * Findings of sites that turn out to be one: errors are independent, the larger one's reasons
 * stand.
 */
static int add_finding(struct report_builder *b, struct build_site *site,
		       const struct report_site_input *in)
{
	const struct finding *f = in->finding;
	double below = report_finite(f->growth_bytes_per_second - f->growth_low);
	double above = report_finite(f->growth_high - f->growth_bytes_per_second);
	struct build_finding *sum;

	if (!site->finding) {
		int err = vec_push(&b->findings, (struct build_finding){.pid = in->pid});

		if (err)
			return err;
		site->finding = (uint32_t)b->findings.count;
	}
	sum = &b->findings.items[site->finding - 1];
	sum->site = (uint32_t)(site - b->sites.items);
	add_saturating(&sum->lost_count, f->lost_count);
	add_saturating(&sum->lost_bytes, f->lost_bytes);
	sum->oldest_s = fmax(sum->oldest_s, report_finite(f->oldest_s));
	if (name_finding(b, sum, in->type, in->held_by))
		return -ENOMEM;
	sum->growth += report_finite(f->growth_bytes_per_second);
	sum->below2 += below * below;
	sum->above2 += above * above;
	if (f->growth_bytes_per_second >= sum->of.growth_bytes_per_second) {
		enum verdict_state state = sum->of.state > f->state ? sum->of.state : f->state;

		sum->of = *f;
		sum->of.state = state;
	} else if (f->state > sum->of.state) {
		sum->of.state = f->state;
	}
	return 0;
}

static int find_site(struct report_builder *b, const struct report_site_input *in,
		     struct build_site **ret_site)
{
	struct build_site new = {.pid = in->pid};
	struct {
		const char *allocator;
		uint32_t stack;
		int pid;
	} key = {.pid = in->pid};
	uint64_t hash, index;
	int err = report_store_string(&b->store, in->allocator, &new.allocator);

	if (!err)
		err = intern_stack(b, in->trace, &new.stack);
	if (err)
		return err;
	key.allocator = new.allocator;
	key.stack = new.stack;
	hash = hash_bytes(&key, sizeof(key), b->store.seed);
	for (; map64_get(&b->site_by_key, hash, &index); hash++) {
		struct build_site *s = &b->sites.items[index];

		if (s->pid == new.pid && s->stack == new.stack && s->allocator == new.allocator) {
			*ret_site = s;
			return 0;
		}
	}
	if (b->sites.count >= UINT32_MAX || vec_push(&b->sites, new) < 0 ||
	    map64_put(&b->site_by_key, hash, b->sites.count - 1) < 0)
		return -ENOMEM;
	*ret_site = &b->sites.items[b->sites.count - 1];
	return 0;
}

static int add_part(struct report_builder *b, struct build_site *s,
		    const struct report_site_part *in)
{
	for (uint32_t i = s->part; i; i = b->parts.items[i - 1].next) {
		struct report_site_part *sum = &b->parts.items[i - 1].of;

		if (sum->rules != in->rules)
			continue;
		add_saturating(&sum->outstanding_bytes, in->outstanding_bytes);
		add_saturating(&sum->outstanding_count, in->outstanding_count);
		return 0;
	}
	if (b->parts.count >= UINT32_MAX ||
	    vec_push(&b->parts, ((struct build_part){.of = *in, .next = s->part})))
		return -ENOMEM;
	s->part = (uint32_t)b->parts.count;
	return 0;
}

int report_builder_reserve(struct report_builder *b, size_t sites)
{
	int err = vec_reserve(&b->sites, sites);

	if (!err)
		err = map64_reserve(&b->site_by_key, b->site_by_key.count + sites);
	if (!err)
		err = vec_reserve(&b->store.stacks, sites);
	return err ? err
		   : map64_reserve(&b->store.stack_by_hash, b->store.stack_by_hash.count + sites);
}

int report_builder_add_site(struct report_builder *b, const struct report_site_input *in)
{
	const struct call_site *from = in->site;
	struct build_site *s;
	int err = find_site(b, in, &s);

	if (err)
		return err;
	add_saturating(&s->allocs, from->allocs);
	add_saturating(&s->frees, from->frees);
	add_saturating(&s->alloc_bytes, from->alloc_bytes);
	add_saturating(&s->outstanding_bytes, from->outstanding_bytes);
	add_saturating(&s->outstanding_count, from->outstanding_count);
	add_saturating(&s->peak_bytes, from->peak_bytes);
	add_saturating(&s->temporary_count, from->temporary_count);
	s->age_s = fmax(s->age_s, report_finite(in->age_s));
	s->estimated |= in->estimated;
	s->interval_low +=
		report_finite(in->estimated ? in->interval_low : (double)from->outstanding_bytes);
	s->interval_high +=
		report_finite(in->estimated ? in->interval_high : (double)from->outstanding_bytes);
	if (in->verdict) {
		s->growth += report_finite(in->verdict->growth_bytes_per_second);
		if (in->verdict->state > s->state && in->verdict->state < VERDICT_STATE_COUNT)
			s->state = in->verdict->state;
	}
	err = add_histogram(b, &s->lifetime, &from->lifetime_ns_log2);
	if (!err)
		err = add_histogram(b, &s->size, &from->size_log2);
	for (size_t i = 0; !err && i < in->part_count; i++)
		err = add_part(b, s, &in->parts[i]);
	if (!err && in->finding)
		err = add_finding(b, s, in);
	return err;
}

int report_builder_add_fault(struct report_builder *b, const struct report_fault_input *in)
{
	struct build_fault new = {.pid = in->pid, .count = in->count};
	struct {
		const char *kind;
		uint32_t stack;
		int pid;
	} key = {.pid = in->pid};
	uint64_t hash, index;
	int err = report_store_string(&b->store, in->kind, &new.kind);

	if (!err)
		err = intern_stack(b, in->trace, &new.stack);
	if (err)
		return err;
	key.kind = new.kind;
	key.stack = new.stack;
	hash = hash_bytes(&key, sizeof(key), b->store.seed);
	for (; map64_get(&b->fault_by_key, hash, &index); hash++) {
		struct build_fault *f = &b->faults.items[index];

		if (f->pid == new.pid && f->stack == new.stack && f->kind == new.kind) {
			add_saturating(&f->count, in->count);
			return 0;
		}
	}
	err = vec_push(&b->faults, new);
	return err ? err : map64_put(&b->fault_by_key, hash, b->faults.count - 1);
}
