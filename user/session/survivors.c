// SPDX-License-Identifier: GPL-2.0-or-later
/* Sampled blocks: which of them are there still. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/governor_internal.h"

#define WATCHED_MAX (1u << 18)

/* What is exchanged with the ingest thread about one process. */
struct request {
	struct governor *governor;
	int pid;
	uint64_t after_ns; /* blocks that came in a window later than this are let go; 0: none */
	struct watched_blocks blocks;
	uint8_t *keeps;
};

static void emit_gone(struct request *request, const struct watched_block *block)
{
	struct hf_event_free event = {
		.h = {.kind = HF_EVENT_FREE,
		      .detail = block->class == SITE_NEW ? HF_FN_DELETE
				: block->class >= SITE_CUSTOM
					? HF_FN_CUSTOM + block->class - SITE_CUSTOM
					: HF_FN_FREE,
		      .size_bytes = sizeof(event),
		      .time_ns = clock_now_ns(),
		      .pid = (uint32_t)request->pid,
		      .tid = (uint32_t)request->pid},
		.address = block->address,
		.flags = HF_FREE_FOUND,
	};

	ingest_emit(request->governor->session->ingest, &event.h);
}

/* Those that came since the last time and are there still, as far as the ledger knows. */
static void take_fresh(struct accounts *accounts, void *user)
{
	struct request *request = user;
	struct account *account = accounts_find(accounts, request->pid);
	struct watched_blocks fresh;
	size_t kept = 0;

	if (!account)
		return;
	fresh = account->sampling.fresh;
	account->sampling.fresh = (struct watched_blocks)VEC_INIT;
	for (size_t i = 0; i < fresh.count; i++) {
		const struct watched_block *block = &fresh.items[i];

		if (!ledger_has(account->ledger, block->address, block->class, block->born_ns))
			continue;
		if (request->after_ns && !block->followed && block->born_ns > request->after_ns)
			emit_gone(request, block);
		else
			fresh.items[kept++] = *block;
	}
	fresh.count = kept;
	request->blocks = fresh;
}

static void forget(struct accounts *accounts, void *user)
{
	struct request *request = user;
	const struct account *account = accounts_find(accounts, request->pid);

	for (size_t i = 0; account && i < request->blocks.count; i++) {
		const struct watched_block *block = &request->blocks.items[i];

		if (ledger_has(account->ledger, block->address, block->class, block->born_ns))
			emit_gone(request, block);
	}
}

static void forget_gone(struct governor *governor, int pid, struct watched_blocks *gone)
{
	struct request request = {.governor = governor, .pid = pid, .blocks = *gone};

	if (gone->count)
		ingest_call(governor->session->ingest, forget, &request);
	vec_done(gone);
}

static struct watch *watch_of(struct member *member)
{
	if (!member->watch && watch_new(member->target->key.pid, WATCHED_MAX, &member->watch))
		return NULL;
	return member->watch;
}

struct listing {
	struct request *request;
	const struct ledger *ledger;
};

static int add_live(const struct allocation *block, void *user)
{
	struct listing *listing = user;
	const struct call_site *site = ledger_site(listing->ledger, block->site);

	return vec_push(&listing->request->blocks,
			(struct watched_block){block->address, block->time_ns, block->size_bytes,
					       site->class, site->followed});
}

static void take_all(struct accounts *accounts, void *user)
{
	struct request *request = user;
	struct account *account = accounts_find(accounts, request->pid);
	struct listing listing = {request, account ? account->ledger : NULL};

	if (!account)
		return;
	vec_clear(&account->sampling.fresh);
	(void)ledger_for_each_live(account->ledger, add_live, &listing);
}

static void sign_member(struct governor *governor, struct member *member, uint64_t after_ns,
			void (*take)(struct accounts *accounts, void *request))
{
	struct request request = {
		.governor = governor, .pid = member->target->key.pid, .after_ns = after_ns};
	struct watched_blocks gone = VEC_INIT;
	struct watch *watch = watch_of(member);
	int err = -ENOMEM;

	ingest_call(governor->session->ingest, take, &request);
	if (watch)
		err = watch_add(watch, request.blocks.items, request.blocks.count, &gone);
	if (err)
		log_debug_err(err, "not all sampled blocks of process %d are watched", request.pid);
	vec_done(&request.blocks);
	forget_gone(governor, request.pid, &gone);
}

static void sign_each(struct governor *governor, uint64_t after_ns,
		      void (*take)(struct accounts *accounts, void *request))
{
	for (size_t i = 0; i < governor->session->members.count; i++) {
		struct member *member = governor->session->members.items[i];

		if (!member->ended && member->probed)
			sign_member(governor, member, after_ns, take);
	}
}

void survivors_sign(struct governor *governor)
{
	sign_each(governor, 0, take_fresh);
}

void survivors_sign_all(struct governor *governor)
{
	sign_each(governor, 0, take_all);
}

void survivors_sign_new(struct governor *governor)
{
	for (size_t i = 0; i < governor->session->members.count; i++) {
		struct member *member = governor->session->members.items[i];

		if (!member->ended && !member->watch)
			sign_member(governor, member, 0, take_all);
	}
}

void survivors_end_window(struct governor *governor, uint64_t signed_ns)
{
	sign_each(governor, signed_ns, take_fresh);
}

/* Those that the ledger still has: of the others the release was seen. */
static void find_kept(struct accounts *accounts, void *user)
{
	struct request *request = user;
	const struct account *account = accounts_find(accounts, request->pid);

	for (size_t i = 0; account && i < request->blocks.count; i++) {
		const struct watched_block *block = &request->blocks.items[i];

		request->keeps[i] =
			ledger_has(account->ledger, block->address, block->class, block->born_ns);
	}
}

static int drop_released(struct governor *governor, struct member *member)
{
	struct request request = {.governor = governor, .pid = member->target->key.pid};
	int err = watch_list(member->watch, &request.blocks);

	if (!err)
		request.keeps = calloc(request.blocks.count + 1, 1);
	if (request.keeps) {
		ingest_call(governor->session->ingest, find_kept, &request);
		watch_keep(member->watch, request.keeps);
	}
	free(request.keeps);
	vec_done(&request.blocks);
	return err;
}

static void poll_member(struct governor *governor, struct member *member)
{
	struct watched_blocks gone = VEC_INIT;

	if (!drop_released(governor, member))
		(void)watch_poll(member->watch, &gone);
	forget_gone(governor, member->target->key.pid, &gone);
}

void survivors_poll(struct governor *governor)
{
	for (size_t i = 0; i < governor->session->members.count; i++) {
		struct member *member = governor->session->members.items[i];

		if (!member->ended && member->watch)
			poll_member(governor, member);
	}
}

int governor_list_watched(struct governor *governor, const struct member *member,
			  struct watched_blocks *ret)
{
	(void)governor;
	return member->watch ? watch_list(member->watch, ret) : 0;
}

/* Of lost blocks just those are told by their site that are the sampled ones for sure. */
static void forget_doubtful(struct governor *governor, const struct member *member,
			    const struct heap_snapshot *snapshot)
{
	struct watched_blocks doubts = VEC_INIT, missed = VEC_INIT;

	(void)watch_doubts(member->watch, &doubts);
	for (size_t i = 0; i < doubts.count; i++)
		if (heap_snapshot_find_lost(snapshot, doubts.items[i].address) &&
		    vec_push(&missed, doubts.items[i]))
			break;
	vec_done(&doubts);
	forget_gone(governor, member->target->key.pid, &missed);
}

void governor_take_look(struct governor *governor, struct member *member,
			const struct watched_blocks *watched, const struct heap_snapshot *snapshot)
{
	struct watched_blocks gone = VEC_INIT;

	/* What was released since the probes went is no business of this account; it only names no loss. */
	bool over = governor->session->detached;

	if (!member->watch)
		return;
	if (!over)
		poll_member(governor, member);
	forget_doubtful(governor, member, snapshot);
	for (size_t i = 0; i < snapshot->watched_count && i < watched->count; i++)
		if (!snapshot->watched[i] &&
		    (!over || heap_snapshot_find_lost(snapshot, watched->items[i].address)) &&
		    vec_push(&gone, watched->items[i]))
			break;
	forget_gone(governor, member->target->key.pid, &gone);
}

/* What an account is told of, where calls are seen now and then. */
struct list_request {
	struct ingest *ingest;
	int pid;
	bool on;
	struct code_ranges code;
};

/* By events: a recording must have them where they came. */
static void emit_code(const struct list_request *request, struct code_range range, uint8_t detail)
{
	struct hf_event_allocator_code event = {
		.h = {.kind = HF_EVENT_ALLOCATOR_CODE,
		      .detail = detail,
		      .size_bytes = sizeof(event),
		      .time_ns = clock_now_ns(),
		      .pid = (uint32_t)request->pid,
		      .tid = (uint32_t)request->pid},
		.start = range.start,
		.end = range.end,
	};

	ingest_emit(request->ingest, &event.h);
}

static void set_list(struct accounts *accounts, void *user)
{
	const struct list_request *request = user;
	struct account *account = accounts_find(accounts, request->pid);

	if (!account)
		return;
	account->sampling.on = request->on;
	if (!request->on)
		vec_clear(&account->sampling.fresh);
	emit_code(request, (struct code_range){0}, HF_ALLOCATOR_CODE_FIRST);
	for (size_t i = 0; i < request->code.count; i++)
		emit_code(request, request->code.items[i], 0);
}

/* A library that is an allocator and nothing else: all of its code. */
static bool is_whole(const struct member *member, const struct allocator *allocator)
{
	return allocator->module != member->target->exe_module &&
	       strcmp(allocator->name, "glibc malloc") != 0 &&
	       strcmp(allocator->name, "musl malloc") != 0;
}

static int add_code(const struct member *member, const struct target_mapping *mapping,
		    struct code_ranges *ret)
{
	const struct allocator_set *set = &member->allocators;
	int err = 0;

	for (size_t i = 0; i < set->count; i++)
		if (set->allocators[i].module == mapping->module &&
		    is_whole(member, &set->allocators[i]))
			return vec_push(ret, (struct code_range){mapping->start, mapping->end});
	for (size_t i = 0; !err && i < set->function_count; i++) {
		const struct allocator_function *f = &set->functions[i];
		uint64_t start = f->address + mapping->bias;

		if (f->module == mapping->module && start >= mapping->start && start < mapping->end)
			err = vec_push(ret, (struct code_range){start, start + f->size});
	}
	return err;
}

static void tell_account(struct governor *governor, const struct member *member, bool on)
{
	struct list_request request = {
		.ingest = governor->session->ingest,
		.pid = member->target->key.pid,
		.on = on,
	};
	const struct target *target = member->target;

	for (size_t i = 0; on && i < target->mapping_count; i++)
		if (target->mappings[i].until_ns == UINT64_MAX &&
		    add_code(member, &target->mappings[i], &request.code))
			break;
	ingest_call(request.ingest, set_list, &request);
	vec_done(&request.code);
}

void survivors_keep_lists(struct governor *governor, bool on)
{
	for (size_t i = 0; i < governor->session->members.count; i++)
		if (!governor->session->members.items[i]->ended)
			tell_account(governor, governor->session->members.items[i], on);
}
