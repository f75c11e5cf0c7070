/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger's mappings: ranges that are cut, replaced and restored. */
#include <errno.h>

#include "account/ledger/ledger.h"
#include "account/ledger/ledger_internal.h"

#define PAGE_BYTES UINT64_C(4096)

/* Which bytes the kernel maps or unmaps for the arguments. -EINVAL: it refuses them. */
static int range_of(uint64_t address, uint64_t size_bytes, uint8_t class, struct range *ret)
{
	if (class == SITE_MAPPING || class == SITE_STACK) {
		if (address % PAGE_BYTES || size_bytes > LEDGER_ADDRESS_END)
			return -EINVAL;
		size_bytes = (size_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	} else if (class != SITE_BREAK) {
		return -EINVAL;
	}
	if (!size_bytes || address > LEDGER_ADDRESS_END ||
	    size_bytes > LEDGER_ADDRESS_END - address)
		return -EINVAL;
	ret->start = address;
	ret->end = address + size_bytes;
	return 0;
}

struct cut {
	struct ledger *ledger;
	struct thread_state *thread; /* keeps what is cut; NULL: the cut is final */
	uint64_t time_ns;
};

/* Counts what [start, end) of @range loses; @ended: nothing of it is left. */
static void lose(struct cut *cut, const struct range *range, bool ended)
{
	struct ledger *ledger = cut->ledger;
	struct pending_piece piece = {.range = *range};
	struct site_release release = {.bytes = range->end - range->start,
				       .born_ns = range->time_ns,
				       .time_ns = cut->time_ns,
				       .ended = ended,
				       .lifetime_known = true};

	ledger->counts.live_bytes -= release.bytes;
	ledger->counts.live_count -= ended;
	ledger->counts.frees += ended;
	piece.mark = site_release(&ledger->sites, range->site, &release);
	label_change(&ledger->labels, range->labels, -(int64_t)release.bytes, ended ? -1 : 0);
	if (cut->thread && !thread_push_piece(&ledger->threads, cut->thread, &piece))
		ledger->counts.refused++;
}

/* A hole inside one range: two are left. Without memory for the second, its end is lost too. */
static void cut_middle(struct cut *cut, struct range_position position, struct range hole)
{
	struct ledger *ledger = cut->ledger;
	struct range tail = *range_set_at(&ledger->ranges, position);
	struct range head = tail;

	tail.start = hole.end;
	head.end = hole.start;
	range_set_resize(&ledger->ranges, position, head.start, head.end);
	if (range_set_insert(&ledger->ranges, &tail)) {
		ledger->counts.refused++;
		hole.end = tail.end;
	} else {
		site_gain(&ledger->sites, tail.site, 0, 1);
		label_change(&ledger->labels, tail.labels, 0, 1);
		ledger->counts.live_count++;
	}
	lose(cut, &hole, false);
}

static void cut_ranges(struct cut *cut, uint64_t start, uint64_t end)
{
	struct range_set *ranges = &cut->ledger->ranges;
	struct range_position position = range_set_seek(ranges, start);
	const struct range *at;

	while ((at = range_set_at(ranges, position)) && at->start < end) {
		struct range whole = *at, lost = *at;

		if (lost.start < start)
			lost.start = start;
		if (lost.end > end)
			lost.end = end;
		if (lost.start > whole.start && lost.end < whole.end) {
			cut_middle(cut, position, lost);
			return;
		}
		if (lost.start > whole.start) {
			range_set_resize(ranges, position, whole.start, lost.start);
			position = range_set_next(ranges, position);
		} else if (lost.end < whole.end) {
			range_set_resize(ranges, position, lost.end, whole.end);
		} else {
			range_set_erase(ranges, &position);
		}
		lose(cut, &lost, lost.start == whole.start && lost.end == whole.end);
	}
}

static void confirm(struct ledger *ledger, uint32_t tid)
{
	struct thread_state *thread = thread_table_find(&ledger->threads, tid);

	if (thread && thread->unmap_pending)
		thread_confirm_unmap(&ledger->threads, thread);
}

int ledger_record_map(struct ledger *ledger, const struct ledger_alloc *map)
{
	struct cut cut = {.ledger = ledger, .time_ns = map->time_ns};
	struct range range = {.time_ns = map->time_ns, .labels = LABEL_NO_ROW};
	struct site_key key = {map->stack, map->class, true};
	int err = range_of(map->address, map->size_bytes, map->class, &range);

	if (err)
		return err;
	confirm(ledger, map->tid);
	cut_ranges(&cut, range.start, range.end);
	ledger->counts.allocs++;
	err = site_table_get(&ledger->sites, &key, &range.site);
	if (!err) {
		site_count_alloc(&ledger->sites, range.site, range.end - range.start, map->time_ns);
		if (map->labels)
			range.labels = label_count_alloc(&ledger->labels, map->labels, range.site,
							 range.end - range.start);
		err = range_set_insert(&ledger->ranges, &range);
	}
	if (err) {
		ledger->counts.refused++;
		return err;
	}
	site_gain(&ledger->sites, range.site, range.end - range.start, 1);
	label_change(&ledger->labels, range.labels, (int64_t)(range.end - range.start), 1);
	ledger_live_add(ledger, range.end - range.start, 1);
	return 0;
}

void ledger_record_unmap(struct ledger *ledger, const struct ledger_release *unmap,
			 uint64_t size_bytes)
{
	struct cut cut = {.ledger = ledger, .time_ns = unmap->time_ns};
	struct range range;

	confirm(ledger, unmap->tid);
	if (unmap->tentative)
		cut.thread = thread_table_get(&ledger->threads, unmap->tid);
	if (cut.thread) {
		cut.thread->unmap_pending = true;
		cut.thread->unmap_address = unmap->address;
	}
	if (!range_of(unmap->address, size_bytes, unmap->class, &range))
		cut_ranges(&cut, range.start, range.end);
}

static bool was_one(const struct range *range, const struct pending_piece *piece)
{
	return range && !piece->mark.ended && range->site == piece->range.site &&
	       range->labels == piece->range.labels && range->time_ns == piece->range.time_ns;
}

/*
 * Puts the piece's addresses back: as a range, or as the part of one that it was. *ret_pieces: how many
 * ranges there are more than before (-1: it closed the gap between two).
 */
static int put_back(struct range_set *ranges, const struct pending_piece *piece, int *ret_pieces)
{
	const struct range *lost = &piece->range;
	struct range_position at = range_set_seek(ranges, lost->start);
	struct range_position left = range_set_seek(ranges, lost->start - (lost->start > 0));
	const struct range *before = range_set_at(ranges, left), *behind = range_set_at(ranges, at);
	struct range joined = *lost;

	if (before && (before->end != lost->start || !was_one(before, piece)))
		before = NULL;
	if (behind && (behind->start != lost->end || !was_one(behind, piece)))
		behind = NULL;
	*ret_pieces = 1 - !!before - !!behind;
	if (before)
		joined.start = before->start;
	if (behind)
		joined.end = behind->end;
	if (before && behind) {
		range_set_erase(ranges, &at);
		left = range_set_seek(ranges, joined.start);
	}
	if (before || behind)
		range_set_resize(ranges, before ? left : at, joined.start, joined.end);
	else
		return range_set_insert(ranges, lost);
	return 0;
}

static bool restore(struct ledger *ledger, const struct pending_piece *piece)
{
	const struct range *lost = &piece->range;
	const struct range *newer =
		range_set_at(&ledger->ranges, range_set_seek(&ledger->ranges, lost->start));
	int pieces;

	if (newer && newer->start < lost->end)
		return false;
	if (put_back(&ledger->ranges, piece, &pieces)) {
		ledger->counts.refused++;
		return false;
	}
	site_unrelease(&ledger->sites, lost->site, lost->end - lost->start, &piece->mark);
	if (!piece->mark.ended)
		site_table_at(&ledger->sites, lost->site)->outstanding_count += pieces;
	label_change(&ledger->labels, lost->labels, (int64_t)(lost->end - lost->start), pieces);
	ledger->counts.live_count += pieces;
	ledger->counts.frees -= piece->mark.ended;
	ledger_live_add(ledger, lost->end - lost->start, 0);
	return true;
}

void ledger_undo_unmap(struct ledger *ledger, uint32_t tid, uint64_t address)
{
	struct thread_state *thread = thread_table_find(&ledger->threads, tid);
	bool whole = true;

	if (!thread || !thread->unmap_pending || thread->unmap_address != address) {
		ledger->counts.undo_unknown++;
		return;
	}
	/* Newest first, so that each finds the site as it left it. */
	while (thread->piece_count)
		whole &= restore(ledger, &thread->pieces[--thread->piece_count]);
	thread_confirm_unmap(&ledger->threads, thread);
	if (whole)
		ledger->counts.undone++;
	else
		ledger->counts.undo_unknown++;
}
