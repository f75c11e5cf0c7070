/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "account/ledger/ledger_internal.h"
#include "base/hashmap.h"

int ledger_new(uint64_t memory_bytes, struct ledger **ret)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	uint64_t seed = hash_seed_random();
	int err;

	if (!ledger)
		return -ENOMEM;
	ledger->memory.limit_bytes = memory_bytes;
	if (!memory_take(&ledger->memory, sizeof(*ledger))) {
		free(ledger);
		return -ENOSPC;
	}
	err = block_table_init(&ledger->blocks, &ledger->memory, seed);
	if (err) {
		free(ledger);
		return err;
	}
	site_table_init(&ledger->sites, &ledger->memory, hash_u64(4, seed));
	thread_table_init(&ledger->threads, &ledger->memory, hash_u64(5, seed));
	range_set_init(&ledger->ranges, &ledger->memory);
	sampling_init(&ledger->sampling, &ledger->memory);
	label_table_init(&ledger->labels, &ledger->memory, hash_u64(6, seed));
	*ret = ledger;
	return 0;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	block_table_done(&ledger->blocks);
	site_table_done(&ledger->sites);
	thread_table_done(&ledger->threads);
	range_set_done(&ledger->ranges);
	sampling_done(&ledger->sampling);
	label_table_done(&ledger->labels);
	free(ledger);
}

int ledger_copy_sites(const struct ledger *ledger, struct ledger **ret)
{
	struct ledger *copy = calloc(1, sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	err = site_table_copy(&ledger->sites, &copy->sites);
	if (err) {
		free(copy);
		return err;
	}
	copy->sites.memory = &copy->memory;
	copy->memory = ledger->memory;
	ledger_counts(ledger, &copy->counts);
	copy->threads.forgotten = ledger->threads.forgotten;
	thread_table_init(&copy->threads, &copy->memory, 0);
	range_set_init(&copy->ranges, &copy->memory);
	sampling_init(&copy->sampling, &copy->memory);
	label_table_init(&copy->labels, &copy->memory, 0);
	err = sampling_copy(&ledger->sampling, &copy->sampling);
	if (err) {
		ledger_free(copy);
		return err;
	}
	*ret = copy;
	return 0;
}

/* False: not a class of blocks, or no address. */
static bool key_of(const struct ledger *ledger, uint64_t address, uint8_t class, uint64_t *ret_key)
{
	uint64_t tagged = address ^ (uint64_t)ledger_family(class) << LEDGER_FAMILY_SHIFT;

	if (!address || !tagged || site_is_range(class) || class >= SITE_CUSTOM + SITE_CUSTOM_MAX)
		return false;
	*ret_key = block_key(&ledger->blocks, tagged);
	return true;
}

/* @ret_row: of its labels. */
static struct site_mark end_block(struct ledger *ledger, const struct block *block,
				  const struct site_release *release, uint32_t *ret_row)
{
	ledger->counts.frees++;
	ledger->counts.live_bytes -= block->size_bytes;
	ledger->counts.live_count--;
	*ret_row = label_release(&ledger->labels, block->key, block->size_bytes);
	return site_release(&ledger->sites, block->site, release);
}

/* The free of @block was lost. */
static void overwrite(struct ledger *ledger, const struct block *block, uint64_t time_ns)
{
	struct site_release release = {
		.bytes = block->size_bytes, .time_ns = time_ns, .ended = true};
	uint32_t row;

	ledger->counts.overwritten++;
	end_block(ledger, block, &release, &row);
}

static int refuse(struct ledger *ledger, int err)
{
	ledger->counts.refused++;
	return err;
}

static int keep_block(struct ledger *ledger, const struct block *block)
{
	struct block old;
	int result;

	if (block->size_bytes > LEDGER_MAX_LIVE_BYTES - ledger->counts.live_bytes)
		return -ENOSPC;
	result = block_table_put(&ledger->blocks, block, &old);
	if (result < 0)
		return result;
	if (result)
		overwrite(ledger, &old, block->time_ns);
	site_gain(&ledger->sites, block->site, block->size_bytes, 1);
	ledger_live_add(ledger, block->size_bytes, 1);
	return 0;
}

int ledger_record_alloc(struct ledger *ledger, const struct ledger_alloc *alloc)
{
	struct block block = {.size_bytes = alloc->size_bytes, .time_ns = alloc->time_ns};
	struct site_key site = {alloc->stack, alloc->class, alloc->followed};
	struct thread_state *thread;
	uint32_t row = LABEL_NO_ROW;
	int err;

	if (!key_of(ledger, alloc->address, alloc->class, &block.key) ||
	    alloc->size_bytes > LEDGER_ADDRESS_END)
		return -EINVAL;
	ledger->counts.allocs++;
	thread = thread_table_get(&ledger->threads, alloc->tid);
	if (thread) {
		thread->last_key = block.key;
		thread->last_time_ns = block.time_ns;
		if (thread->free_count)
			thread_confirm_free(thread, ledger_family(alloc->class));
	}
	err = site_table_get(&ledger->sites, &site, &block.site);
	if (err)
		return refuse(ledger, err);
	site_count_alloc(&ledger->sites, block.site, alloc->size_bytes, alloc->time_ns);
	if (!alloc->followed)
		sample_add(&site_table_at(&ledger->sites, block.site)->sample, &ledger->sampling,
			   alloc->size_bytes);
	if (alloc->labels)
		row = label_count_alloc(&ledger->labels, alloc->labels, block.site,
					alloc->size_bytes);
	err = keep_block(ledger, &block);
	if (err)
		return refuse(ledger, err);
	label_gain(&ledger->labels, row, block.key, block.size_bytes);
	return 0;
}

bool ledger_has(const struct ledger *ledger, uint64_t address, uint8_t class, uint64_t born_ns)
{
	struct block block;
	uint64_t key;

	return key_of(ledger, address, class, &key) &&
	       block_table_find(&ledger->blocks, key, &block) && block.time_ns == born_ns;
}

void ledger_forget(struct ledger *ledger, uint64_t address, uint8_t class, uint64_t now_ns)
{
	struct site_release how = {.time_ns = now_ns, .ended = true};
	struct block block;
	uint64_t key;
	uint32_t row;

	if (!key_of(ledger, address, class, &key) ||
	    !block_table_remove(&ledger->blocks, key, &block))
		return;
	how.bytes = block.size_bytes;
	end_block(ledger, &block, &how, &row);
	ledger->counts.forgotten++;
}

/* Without memory to remember it, the free is final. */
static void keep_pending(struct ledger *ledger, uint32_t tid, const struct pending_free *pending)
{
	struct thread_state *thread = thread_table_get(&ledger->threads, tid);

	if (thread)
		thread_push_free(&ledger->threads, thread, pending);
}

void ledger_record_free(struct ledger *ledger, const struct ledger_release *release)
{
	struct pending_free pending = {.address = release->address,
				       .family = ledger_family(release->class),
				       .label_row = LABEL_NO_ROW};
	struct block *block = &pending.block;
	const struct thread_state *thread;
	struct site_release how;
	uint64_t key;

	if (!key_of(ledger, release->address, release->class, &key) ||
	    !block_table_remove(&ledger->blocks, key, block)) {
		ledger->counts.unmatched_frees++;
		if (release->tentative)
			keep_pending(ledger, release->tid, &pending);
		return;
	}
	thread = thread_table_find(&ledger->threads, release->tid);
	how = (struct site_release){.bytes = block->size_bytes,
				    .born_ns = block->time_ns,
				    .time_ns = release->time_ns,
				    .ended = true,
				    .lifetime_known = true,
				    .temporary = thread && thread->last_key == key &&
						 thread->last_time_ns == block->time_ns};
	pending.mark = end_block(ledger, block, &how, &pending.label_row);
	if (release->tentative)
		keep_pending(ledger, release->tid, &pending);
}

/* False: the address was handed out again, or there is no memory. */
static bool restore_block(struct ledger *ledger, const struct pending_free *pending)
{
	const struct block *block = &pending->block;
	struct block newer;
	int err;

	if (block_table_find(&ledger->blocks, block->key, &newer))
		return false;
	err = block_table_put(&ledger->blocks, block, &newer);
	if (err) {
		ledger->counts.refused++;
		return false;
	}
	site_unrelease(&ledger->sites, block->site, block->size_bytes, &pending->mark);
	label_gain(&ledger->labels, pending->label_row, block->key, block->size_bytes);
	ledger_live_add(ledger, block->size_bytes, 1);
	ledger->counts.frees--;
	return true;
}

void ledger_undo_free(struct ledger *ledger, uint32_t tid, uint64_t address)
{
	struct thread_state *thread = thread_table_find(&ledger->threads, tid);
	struct pending_free pending;
	bool undone = thread && thread_take_free(thread, address, &pending);

	if (undone && !pending.block.site)
		ledger->counts.unmatched_frees--;
	else if (undone)
		undone = restore_block(ledger, &pending);
	if (undone)
		ledger->counts.undone++;
	else
		ledger->counts.undo_unknown++;
}

void ledger_thread_exit(struct ledger *ledger, uint32_t tid)
{
	thread_table_forget(&ledger->threads, tid);
}

size_t ledger_site_count(const struct ledger *ledger)
{
	return ledger->sites.count;
}

const struct call_site *ledger_site(const struct ledger *ledger, site_id id)
{
	return site_table_at(&ledger->sites, id);
}

void ledger_counts(const struct ledger *ledger, struct ledger_counts *ret)
{
	*ret = ledger->counts;
	if (!ledger->blocks.directory) /* a copy: all was filled in when it was made */
		return;
	ret->mapped_bytes = ledger->ranges.bytes;
	ret->mapped_count = ledger->ranges.count;
	ret->histogram_lost = ledger->sites.histogram_lost;
	ret->threads_forgotten = ledger->threads.forgotten;
	ret->memory_bytes = ledger->memory.used_bytes;
	ret->labels_refused = ledger->labels.refused;
	ret->windows = ledger->sampling.count;
	if (ledger->sampling.stood_for_ns > 0)
		ret->live_share = ledger->sampling.lived_ns / ledger->sampling.stood_for_ns;
}

site_id ledger_heir(const struct ledger *ledger, site_id id)
{
	const struct call_site *site = ledger_site(ledger, id);
	const struct call_site *twin = site ? ledger_site(ledger, site->twin) : NULL;

	return twin && twin->last_alloc_ns > site->last_alloc_ns ? site->twin : 0;
}

void ledger_begin_window(struct ledger *ledger)
{
	site_table_begin_window(&ledger->sites);
}

uint64_t ledger_window_min(const struct ledger *ledger, site_id id)
{
	const struct call_site *site = ledger_site(ledger, id);

	if (!site)
		return 0;
	return site->window == ledger->sites.window ? site->window_min_bytes
						    : site->outstanding_bytes;
}

size_t ledger_changed_sites(const struct ledger *ledger, const site_id **ret_ids)
{
	*ret_ids = ledger->sites.changed;
	return ledger->sites.changed_count;
}

static double block_weight(const struct ledger *ledger, const struct block *block)
{
	return ledger_site(ledger, block->site)->followed
		       ? 1
		       : sampling_live_weight(&ledger->sampling, block->time_ns);
}

static struct allocation to_allocation(const struct ledger *ledger, const struct block *block)
{
	uint8_t family = ledger_family(ledger_site(ledger, block->site)->class);

	return (struct allocation){.address = block_tagged(&ledger->blocks, block->key) ^
					      (uint64_t)family << LEDGER_FAMILY_SHIFT,
				   .size_bytes = block->size_bytes,
				   .time_ns = block->time_ns,
				   .site = block->site,
				   .weight = block_weight(ledger, block)};
}

struct visit {
	const struct ledger *ledger;
	int (*visit)(const struct allocation *, void *user);
	void *user;
};

static int visit_block(const struct block *block, void *user)
{
	const struct visit *visit = user;
	struct allocation allocation = to_allocation(visit->ledger, block);

	return visit->visit(&allocation, visit->user);
}

int ledger_for_each_live(const struct ledger *ledger,
			 int (*visit)(const struct allocation *, void *user), void *user)
{
	struct visit with = {ledger, visit, user};

	return block_table_for_each(&ledger->blocks, visit_block, &with);
}

static struct allocation range_allocation(const struct range *range)
{
	return (struct allocation){.address = range->start,
				   .size_bytes = range->end - range->start,
				   .time_ns = range->time_ns,
				   .site = range->site,
				   .weight = 1};
}

int ledger_for_each_mapping(const struct ledger *ledger,
			    int (*visit)(const struct allocation *, void *user), void *user)
{
	struct range_position position = {0, 0};

	for (const struct range *range; (range = range_set_at(&ledger->ranges, position));
	     position = range_set_next(&ledger->ranges, position)) {
		struct allocation allocation = range_allocation(range);
		int result = visit(&allocation, user);

		if (result)
			return result;
	}
	return 0;
}

int ledger_find(const struct ledger *ledger, uint64_t address, struct allocation *ret)
{
	const struct range *range =
		range_set_at(&ledger->ranges, range_set_seek(&ledger->ranges, address));
	struct block block;
	uint64_t key;

	for (int custom = -1; custom < SITE_CUSTOM_MAX && ledger->blocks.directory; custom++) {
		uint8_t class = custom < 0 ? SITE_HEAP : SITE_CUSTOM + custom;

		if (key_of(ledger, address, class, &key) &&
		    block_table_find(&ledger->blocks, key, &block)) {
			*ret = to_allocation(ledger, &block);
			return 0;
		}
	}
	if (!range || range->start != address)
		return -ENOENT;
	*ret = range_allocation(range);
	return 0;
}
