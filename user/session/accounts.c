// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <holdfast/limits.h>

#include "account/stack/python_words.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/vec.h"
#include "capture/feed/decode.h"
#include "session/faults.h"
#include "session/span_book.h"

#define ACCOUNTS_MAX       4096 /* processes of one session; of more, those that ended are forgotten */
#define SERIES_BYTES       (64u << 20)
#define CHILD_MIN_BYTES    (8u << 20)
#define INHERIT_MAX_BLOCKS 250000 /* a fork must not hold up the ring for longer than 25 ms */
#define MAP_DENYWRITE_BIT  0x0800 /* set by glibc's dynamic linker when it maps a library */
#define ALLOCATOR_CODE_MAX 1024   /* ranges of code: an allocator has some twenty functions */

struct accounts {
	struct accounts_options options;
	struct stack_table *stacks;
	VEC(struct account *) all;
	struct map64 by_pid; /* running ones: pid -> struct account * */
	struct span_book spans;
	uint64_t memory_left;
	struct accounts_counts counts;
};

static void account_free(struct account *account)
{
	if (!account)
		return;
	ledger_free(account->ledger);
	series_free(account->series);
	fault_table_free(account->faults);
	vec_done(&account->births);
	maps_done(&account->maps);
	vec_done(&account->sampling.fresh);
	vec_done(&account->allocator_code);
	free(account);
}
DEFINE_CLEANUP(struct account *, account_free);

int accounts_new(const struct accounts_options *options, struct accounts **ret)
{
	_cleanup_(accounts_freep) struct accounts *accounts = calloc(1, sizeof(*accounts));
	int err;

	if (!accounts)
		return -ENOMEM;
	accounts->options = *options;
	map64_init(&accounts->by_pid, hash_seed_random());
	span_book_init(&accounts->spans);
	/* An eighth for stacks, the rest for ledgers, handed out as processes come. */
	err = stack_table_new(options->memory_bytes / 8, &accounts->stacks);
	if (err)
		return err;
	accounts->memory_left = options->memory_bytes - options->memory_bytes / 8;
	*ret = no_free_ptr(accounts);
	return 0;
}

void accounts_free(struct accounts *accounts)
{
	if (!accounts)
		return;
	for (size_t i = 0; i < accounts->all.count; i++)
		account_free(accounts->all.items[i]);
	vec_done(&accounts->all);
	map64_done(&accounts->by_pid);
	span_book_done(&accounts->spans);
	stack_table_free(accounts->stacks);
	free(accounts);
}

struct account *accounts_find(const struct accounts *accounts, int pid)
{
	uint64_t value;

	return map64_get(&accounts->by_pid, pid, &value) ? (struct account *)(uintptr_t)value
							 : NULL;
}

/* The first process gets three quarters of what is left, its children a quarter each of the rest. */
static uint64_t memory_share(const struct accounts *accounts)
{
	bool first = !accounts->all.count;

	uint64_t share = first ? accounts->memory_left / 4 * 3 : accounts->memory_left / 4;

	if (share < CHILD_MIN_BYTES)
		share = CHILD_MIN_BYTES;
	return share;
}

static int account_fill(struct account *account, uint64_t memory_bytes)
{
	uint64_t series_bytes = memory_bytes / 8 < SERIES_BYTES ? memory_bytes / 8 : SERIES_BYTES;
	int err = ledger_new(memory_bytes - series_bytes, &account->ledger);

	if (!err)
		err = series_new(series_bytes, &account->series);
	if (!err)
		err = fault_table_new(&account->faults);
	return err;
}

/* Room for one more: an ended process that holds nothing has nothing to tell. */
static void make_room(struct accounts *accounts)
{
	struct ledger_counts counts;

	for (size_t i = 0; accounts->all.count >= ACCOUNTS_MAX && i < accounts->all.count; i++) {
		struct account *account = accounts->all.items[i];

		ledger_counts(account->ledger, &counts);
		if (!account->ended_ns || (counts.live_count && !account->execed))
			continue;
		account_free(account);
		vec_remove_unordered(&accounts->all, i);
		accounts->counts.accounts_dropped++;
		return;
	}
}

static int account_new(uint64_t memory_bytes, struct account **ret)
{
	_cleanup_(account_freep) struct account *account = calloc(1, sizeof(*account));
	int err = account ? account_fill(account, memory_bytes) : -ENOMEM;

	if (!err)
		*ret = no_free_ptr(account);
	return err;
}

int accounts_add(struct accounts *accounts, int pid, int parent_pid, uint64_t time_ns)
{
	_cleanup_(account_freep) struct account *account = NULL;
	struct account *before = accounts_find(accounts, pid);
	uint64_t memory_bytes = memory_share(accounts);
	int err = account_new(memory_bytes, &account);

	if (!err)
		err = vec_reserve(&accounts->all, 1);
	if (!err)
		err = map64_reserve(&accounts->by_pid, accounts->by_pid.count + 1);
	if (err)
		return err;
	/* Only now, when nothing but room can lack: the account of before may be what makes it. */
	if (before)
		before->ended_ns = time_ns;
	make_room(accounts);
	if (accounts->all.count >= ACCOUNTS_MAX) {
		if (before)
			before->ended_ns = 0;
		return -ENOSPC;
	}
	account->pid = pid;
	account->parent_pid = parent_pid;
	account->started_ns = time_ns;
	accounts->memory_left -= memory_bytes < accounts->memory_left ? memory_bytes
								      : accounts->memory_left;
	map64_put(&accounts->by_pid, pid, (uintptr_t)account);
	return vec_push(&accounts->all, no_free_ptr(account));
}

size_t accounts_count(const struct accounts *accounts)
{
	return accounts->all.count;
}

struct account *accounts_at(const struct accounts *accounts, size_t index)
{
	return accounts->all.items[index];
}

const struct stack_table *accounts_stacks(const struct accounts *accounts)
{
	return accounts->stacks;
}

void accounts_span_text(const struct accounts *accounts, uint64_t word, struct strbuf *ret)
{
	span_book_text(&accounts->spans, word, ret);
}

void accounts_get_counts(const struct accounts *accounts, struct accounts_counts *ret)
{
	*ret = accounts->counts;
	ret->spans_unknown = accounts->spans.unknown;
	if (accounts->options.threads)
		ret->threads_unnamed = thread_book_unnamed(accounts->options.threads);
}

int account_for_each_fault(const struct account *account,
			   int (*visit)(const struct fault_count *fault, void *user), void *user)
{
	return fault_table_for_each(account->faults, visit, user);
}

/* Events */

static void tell_life(struct accounts *accounts, const struct life *life)
{
	if (accounts->options.life)
		accounts->options.life(accounts->options.user, life);
}

static void tell(struct accounts *accounts, enum life_kind kind, int pid,
		 const struct hf_event *event)
{
	struct life life = {
		.kind = kind, .pid = pid, .parent_pid = event->pid, .time_ns = event->time_ns};

	if (kind == LIFE_CODE_CHANGED)
		life.code = *(const struct hf_event_map *)event;
	tell_life(accounts, &life);
}

static stack_id stack_of(struct accounts *accounts, uint64_t hash, const struct hf_event *event)
{
	stack_id id = 0;

	if (stack_table_lookup(accounts->stacks, hash, event->pid, event->time_ns, &id))
		accounts->counts.stacks_refused++;
	return id;
}

static uint8_t class_of(const struct hf_event *event)
{
	uint8_t function = event->detail & (uint8_t)~HF_ALLOC_FOLLOWED;

	if (function >= HF_FN_CUSTOM)
		return SITE_CUSTOM + (function - HF_FN_CUSTOM) % SITE_CUSTOM_MAX;
	return function == HF_FN_NEW || function == HF_FN_DELETE ? SITE_NEW : SITE_HEAP;
}

static void count_in_window(struct account_sampling *s, uint64_t time_ns)
{
	if (!s->first_ns || time_ns < s->first_ns)
		s->first_ns = time_ns;
	if (time_ns > s->last_ns)
		s->last_ns = time_ns;
}

static void note_fresh(struct account *account, const struct ledger_alloc *alloc)
{
	struct account_sampling *s = &account->sampling;
	struct watched_block block = {alloc->address, alloc->time_ns, alloc->size_bytes,
				      alloc->class, alloc->followed};

	s->followed += alloc->followed;
	s->allocs += !alloc->followed;
	if (!alloc->followed)
		count_in_window(s, alloc->time_ns);
	if (s->fresh.count >= FRESH_MAX || vec_push(&s->fresh, block))
		s->fresh_dropped++;
}

/* By the rules of whoever allocates it; the spans of a block are told by @set. NULL: it counts to nothing. */
static const struct ledger_labels *labels_of(struct accounts *accounts,
					     const struct hf_event *event, uint64_t set,
					     struct ledger_labels *labels)
{
	struct thread_book *threads = accounts->options.threads;
	uint64_t rules =
		threads ? thread_book_rules(threads, (int)event->pid, event->tid, event->time_ns)
			: 0;

	if (!set || !span_book_labels(&accounts->spans, set, labels))
		*labels = (struct ledger_labels){.id = 0};
	if (rules) {
		labels->origin = rules;
		labels->id = hash_u64(rules, labels->id);
	}
	return rules || labels->count ? labels : NULL;
}

static void take_alloc(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	const struct hf_event_alloc *e = (const struct hf_event_alloc *)event;
	struct ledger_labels labels;
	struct ledger_alloc alloc = {
		.address = e->address,
		.size_bytes = e->size,
		.time_ns = event->time_ns,
		.stack = stack_of(accounts, e->stack, event),
		.tid = event->tid,
		.class = class_of(event),
		.followed = event->detail & HF_ALLOC_FOLLOWED,
	};

	alloc.labels = labels_of(accounts, event, event_alloc_spans(e), &labels);
	ledger_record_alloc(account->ledger, &alloc); /* what it refuses it counts */
	if (account->sampling.on)
		note_fresh(account, &alloc);
}

static void take_span_key(struct accounts *accounts, struct account *account,
			  const struct hf_event *event)
{
	(void)account;
	span_book_key(&accounts->spans, (const struct hf_event_span_key *)event);
}

static void take_spans(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	(void)account;
	span_book_set(&accounts->spans, (const struct hf_event_spans *)event);
}

static void take_free(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	const struct hf_event_free *e = (const struct hf_event_free *)event;
	struct ledger_release release = {
		.address = e->address,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = class_of(event),
		.tentative = e->flags & HF_FREE_TENTATIVE,
	};

	(void)accounts;
	if (e->flags & HF_FREE_FOUND) {
		ledger_forget(account->ledger, e->address, class_of(event), event->time_ns);
		return;
	}
	ledger_record_free(account->ledger, &release);
	if (!account->sampling.on)
		return;
	account->sampling.frees++;
}

static void take_undo(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	const struct hf_event_undo *e = (const struct hf_event_undo *)event;

	(void)accounts;
	if (event->detail == HF_FN_MUNMAP || event->detail == HF_FN_MREMAP)
		ledger_undo_unmap(account->ledger, event->tid, e->address);
	else
		ledger_undo_free(account->ledger, event->tid, e->address);
}

static bool is_allocator_code(const struct code_ranges *code, uint64_t pc)
{
	for (size_t i = 0; i < code->count; i++) {
		if (pc >= code->items[i].start && pc < code->items[i].end)
			return true;
	}
	return false;
}

/* Where the kernel side does not see calls of the allocator, their frames tell. */
static bool is_from_allocator(const struct accounts *accounts, const struct account *account,
			      stack_id stack)
{
	const struct stack_trace *trace = stack_table_at(accounts->stacks, stack);

	for (uint16_t i = 0; account->allocator_code.count && trace && i < trace->depth; i++) {
		if (is_allocator_code(&account->allocator_code, trace->pcs[i]))
			return true;
	}
	return false;
}

/* The program's own, or somebody's who is accounted for otherwise? */
static bool is_own_mapping(const struct accounts *accounts, const struct account *account,
			   const struct hf_event_map *e, stack_id stack)
{
	if (e->flags & HF_MAP_IN_ALLOCATOR || e->mmap_flags & MAP_DENYWRITE_BIT)
		return false;
	return !is_from_allocator(accounts, account, stack);
}

static void take_map(struct accounts *accounts, struct account *account,
		     const struct hf_event *event)
{
	const struct hf_event_map *e = (const struct hf_event_map *)event;
	struct ledger_alloc map = {
		.address = e->address,
		.size_bytes = e->size,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = e->mmap_flags & MAP_STACK ? SITE_STACK : SITE_MAPPING,
	};
	struct ledger_labels labels;
	struct ledger_release hidden = {
		.address = e->address,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = SITE_MAPPING,
	};

	if (e->prot & PROT_EXEC)
		tell(accounts, LIFE_CODE_CHANGED, event->pid, event);
	map.stack = stack_of(accounts, e->stack, event);
	if (is_own_mapping(accounts, account, e, map.stack)) {
		map.labels = labels_of(accounts, event, 0, &labels);
		ledger_record_map(account->ledger, &map);
	} else if (e->mmap_flags & MAP_FIXED) {
		ledger_record_unmap(account->ledger, &hidden, e->size);
	}
}

static void take_file(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	const struct hf_event_file *e = (const struct hf_event_file *)event;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct life life = {
		.kind = LIFE_FILE_TOLD,
		.pid = account->pid,
		.time_ns = event->time_ns,
		.inode = e->inode,
		.device = e->device,
	};

	if (event_file_path(e, &path))
		return; /* as one whose path is not known */
	life.path = path.buf;
	tell_life(accounts, &life);
}

static void take_unmap(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	const struct hf_event_unmap *e = (const struct hf_event_unmap *)event;
	struct ledger_release unmap = {
		.address = e->address,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = SITE_MAPPING,
		.tentative = e->flags & HF_MAP_TENTATIVE,
	};

	(void)accounts;
	ledger_record_unmap(account->ledger, &unmap, e->size);
}

static void take_brk(struct accounts *accounts, struct account *account,
		     const struct hf_event *event)
{
	const struct hf_event_brk *e = (const struct hf_event_brk *)event;
	struct ledger_alloc grown = {
		.address = e->old_break,
		.size_bytes = e->new_break - e->old_break,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = SITE_BREAK,
	};
	struct ledger_labels labels;
	struct ledger_release shrunk = {
		.address = e->new_break,
		.time_ns = event->time_ns,
		.tid = event->tid,
		.class = SITE_BREAK,
	};

	grown.stack = stack_of(accounts, e->stack, event);
	if (e->new_break < e->old_break) {
		ledger_record_unmap(account->ledger, &shrunk, e->old_break - e->new_break);
	} else if (!(e->flags & HF_MAP_IN_ALLOCATOR) && e->new_break > e->old_break &&
		   !is_from_allocator(accounts, account, grown.stack)) {
		grown.labels = labels_of(accounts, event, 0, &labels);
		ledger_record_map(account->ledger, &grown);
	}
}

static void take_fault(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	const struct hf_event_fault *e = (const struct hf_event_fault *)event;

	fault_table_count(account->faults, e, stack_of(accounts, e->stack, event), &account->maps);
}

static void take_birth(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	const struct hf_event_birth *e = (const struct hf_event_birth *)event;
	struct birth birth = {event->time_ns, e->address, e->type,
			      stack_of(accounts, e->stack, event)};

	/* One that does not fit is one sample less. */
	if (account->births.count < BIRTHS_MAX)
		(void)!vec_push(&account->births, birth);
}

static void take_stack(struct accounts *accounts, struct account *account,
		       const struct hf_event *event)
{
	const struct hf_event_stack *e = (const struct hf_event_stack *)event;
	uint64_t frames[HF_MAX_STACK_WORDS];
	struct stack_trace trace = {
		.hash = e->stack,
		.first_seen_ns = event->time_ns,
		.pid = event->pid,
		.end = event->detail,
		.jit_frames = e->jit_frames > UINT8_MAX ? UINT8_MAX : e->jit_frames,
		.pcs = frames,
	};
	stack_id id;

	(void)account;
	trace.depth = (uint16_t)python_words_merge(event_stack_pcs(e), e->depth, frames);
	if (stack_table_add(accounts->stacks, &trace, &id))
		accounts->counts.stacks_refused++;
}

/* With more blocks the child starts from nothing, and what it frees of them counts as from before. */
static void inherit(struct account *child, const struct account *parent)
{
	struct ledger_counts held;

	ledger_counts(parent->ledger, &held);
	child->inheritance_left_out = held.live_count > INHERIT_MAX_BLOCKS ||
				      ledger_inherit(child->ledger, parent->ledger);
}

static void take_fork(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	const struct hf_event_fork *e = (const struct hf_event_fork *)event;
	struct account *child;
	int err;

	if (event->detail & HF_FORK_THREAD || !accounts->options.follow)
		return;
	err = accounts_add(accounts, e->child_pid, event->pid, event->time_ns);
	if (err) {
		log_warn_err(err, "process %u, child of %u, gets no account", e->child_pid,
			     event->pid);
		return;
	}
	child = accounts_find(accounts, e->child_pid);
	child->inherited = true;
	inherit(child, account);
	tell(accounts, LIFE_FORKED, e->child_pid, event);
}

/* The memory of before is gone, and with it every block. */
static void take_exec(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	uint64_t execs = account->exec_count + 1;
	int parent = account->parent_pid, err;

	account->execed = true;
	if (accounts->options.threads)
		thread_book_forget(accounts->options.threads, event->tid);
	err = accounts_add(accounts, account->pid, parent,
			   event->time_ns); /* may drop the old one */
	if (err) {
		log_warn_err(err, "process %u gets no new account after its exec", event->pid);
		return;
	}
	accounts_find(accounts, event->pid)->exec_count = execs;
	tell(accounts, LIFE_EXECED, event->pid, event);
}

static void take_exit(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	ledger_thread_exit(account->ledger, event->tid);
	fault_table_thread_exit(account->faults, event->tid);
	if (accounts->options.threads)
		thread_book_forget(accounts->options.threads, event->tid);
	if (!(event->detail & HF_EXIT_GROUP_DEAD))
		return;
	account->ended_ns = event->time_ns;
	map64_remove(&accounts->by_pid, account->pid, NULL);
	tell(accounts, LIFE_EXITED, account->pid, event);
}

static void take_mark(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	(void)accounts;
	(void)account;
	(void)event;
}

static void take_window(struct accounts *accounts, struct account *account,
			const struct hf_event *event)
{
	const struct hf_event_window *e = (const struct hf_event_window *)event;
	struct ledger_window window = {e->until_ns, e->known_ns, e->stands_for_ns,
				       e->seen_ns,  e->lived_ns, (double)e->error_ppm / 1e6};
	int err = ledger_end_window(account->ledger, &window);

	(void)accounts;
	if (err)
		log_debug_err(err, "a window of process %d does not count", account->pid);
}

static void take_allocator_code(struct accounts *accounts, struct account *account,
				const struct hf_event *event)
{
	const struct hf_event_allocator_code *e = (const struct hf_event_allocator_code *)event;
	struct code_ranges *code = &account->allocator_code;

	(void)accounts;
	if (event->detail & HF_ALLOCATOR_CODE_FIRST)
		vec_clear(code);
	if (e->start < e->end && code->count < ALLOCATOR_CODE_MAX &&
	    vec_push(code, ((struct code_range){e->start, e->end})))
		log_debug("a range of allocator code of process %d is left out", account->pid);
}

static void take_loss(struct accounts *accounts, struct account *account,
		      const struct hf_event *event)
{
	(void)account;
	accounts->counts.loss = ((const struct hf_event_loss *)event)->loss;
}

int accounts_event(void *user, const struct hf_event *event)
{
	static void (*const handlers[])(struct accounts *, struct account *,
					const struct hf_event *) = {
#define X(upper, lower) [HF_EVENT_##upper] = take_##lower,
		HF_EVENT_KINDS(X)
#undef X
	};
	struct accounts *accounts = user;
	struct account *account = accounts_find(accounts, event->pid);

	accounts->counts.events++;
	accounts->counts.by_kind[event->kind]++;
	if (!account && event->kind != HF_EVENT_LOSS && event->kind != HF_EVENT_MARK) {
		accounts->counts.unknown_process++;
		return 0;
	}
	handlers[event->kind](accounts, account, event);
	return 0;
}
