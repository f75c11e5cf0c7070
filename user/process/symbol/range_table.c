/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/range_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define NO_ORIGIN UINT64_MAX

/* The sweep's state: a max-heap of the entries that have begun, best answer on top. */
struct sweep {
	const struct range_entry *entries;
	uint32_t *heap;
	size_t heap_count;
	struct range *out;
	size_t out_count;
};

static int compare_start(const void *a, const void *b)
{
	const struct range_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	/* the shorter one later: it is the more telling of two with nothing else between them */
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return 0;
}

/* Sorted by start, so among equals the higher index begins later. */
static bool beats(const struct sweep *s, uint32_t a, uint32_t b)
{
	uint32_t pa = s->entries[a].priority, pb = s->entries[b].priority;

	return pa != pb ? pa > pb : a > b;
}

static void heap_push(struct sweep *s, uint32_t entry)
{
	size_t i = s->heap_count++;

	while (i > 0 && beats(s, entry, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = entry;
}

static void heap_pop(struct sweep *s)
{
	uint32_t moved = s->heap[--s->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->heap_count) {
		if (child + 1 < s->heap_count && beats(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!beats(s, s->heap[child], moved))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = moved;
}

/* From @at on, the top of the heap answers (or nobody, if it is empty). */
static void emit(struct sweep *s, uint64_t at)
{
	struct range next = {.start = at, .value = 0, .origin = NO_ORIGIN};
	struct range *last = s->out_count ? &s->out[s->out_count - 1] : NULL;

	if (s->heap_count) {
		next.value = s->entries[s->heap[0]].value;
		next.origin = s->entries[s->heap[0]].start;
	}
	if (last && last->start == at) {
		*last = next;
		return;
	}
	if (last && last->origin == next.origin && last->value == next.value)
		return;
	s->out[s->out_count++] = next;
}

/* Ends what ends before @limit, letting those beneath answer again. */
static void retire(struct sweep *s, uint64_t limit)
{
	uint64_t at;

	while (s->heap_count && s->entries[s->heap[0]].end <= limit) {
		at = s->entries[s->heap[0]].end;
		do
			heap_pop(s);
		while (s->heap_count && s->entries[s->heap[0]].end <= at);
		emit(s, at);
	}
}

static size_t drop_empty(struct range_entry *entries, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (entries[i].start < entries[i].end)
			entries[kept++] = entries[i];
	return kept;
}

int range_table_init(struct range_table *ret, struct range_entry *entries, size_t count)
{
	_cleanup_free_ uint32_t *heap = NULL;
	struct range *out, *shrunk;
	struct sweep s = {.entries = entries};

	count = drop_empty(entries, count);
	if (count >= UINT32_MAX / 2)
		return -ENOMEM;
	heap = malloc((count + 1) * sizeof(*heap));
	out = malloc((2 * count + 1) * sizeof(*out));
	if (!heap || !out) {
		free(out);
		return -ENOMEM;
	}
	if (count)
		qsort(entries, count, sizeof(*entries), compare_start);
	s.heap = heap;
	s.out = out;
	for (size_t i = 0; i < count; i++) {
		retire(&s, entries[i].start);
		heap_push(&s, (uint32_t)i);
		emit(&s, entries[i].start);
	}
	retire(&s, UINT64_MAX);
	shrunk = realloc(out, (s.out_count + 1) * sizeof(*out));
	*ret = (struct range_table){.ranges = shrunk ? shrunk : out, .count = s.out_count};
	return 0;
}

void range_table_done(struct range_table *table)
{
	free(table->ranges);
	*table = (struct range_table){0};
}

bool range_table_find(const struct range_table *table, uint64_t address, uint64_t *ret_value,
		      uint64_t *ret_origin)
{
	size_t low = 0, high = table->count;
	const struct range *found;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	found = &table->ranges[low - 1];
	if (found->origin == NO_ORIGIN)
		return false;
	*ret_value = found->value;
	if (ret_origin)
		*ret_origin = found->origin;
	return true;
}
