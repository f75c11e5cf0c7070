// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/reach.h"

#include <errno.h>

#include "account/heap/memory_stream.h"

VEC_STRUCT(block_queue, struct block_ref);

struct marker {
	struct block_map *map;
	const struct edge_store *store;
	struct reach_paths *paths;
	const struct reach_link *links; /* by from */
	size_t link_count;
	struct block_queue next; /* the level that is being found */
	struct block_segment
		*last; /* in which the target before lay: most lie in few; NULL: in none */
};

/* Targets lie all over the heap: what is known of one is fetched while others are looked at. */
#define AHEAD 12

static inline bool is_in(const struct block_segment *s, uint64_t address)
{
	return s && address - s->start < s->end - s->start;
}

static inline void fetch(const struct marker *m, uint64_t edge)
{
	const struct block_segment *s = m->last;
	uint64_t target;

	if (edge >= m->store->count)
		return;
	target = edge_target(m->store->edges[edge]);
	if (!is_in(s, target))
		return;
	__builtin_prefetch(&s->begins[block_index(s, target) / 64]);
	__builtin_prefetch(&s->idle[block_index(s, target) / 64]);
	__builtin_prefetch(&s->reached[block_index(s, target) / 64]);
}

/* The block that @target points into, if it is live: also by the address one past its end. */
static bool find_live(struct marker *m, uint64_t target, struct block_segment **ret,
		      uint64_t *ret_index)
{
	struct block_segment *s = is_in(m->last, target) ? m->last
							 : block_map_segment(m->map, target);

	m->last = s;
	if (!s || !block_begin_of(s, target, ret_index) || bit_get(s->idle, *ret_index))
		return false;
	*ret = s;
	return true;
}

static int mark(struct marker *m, uint64_t target, uint32_t parent, uint64_t source)
{
	struct block_segment *s;
	uint64_t index;

	if (!find_live(m, target, &s, &index) || bit_get(s->reached, index))
		return 0;
	bit_set(s->reached, index);
	if (m->paths) {
		if (!parent) {
			parent = REACH_ROOT + (uint32_t)m->paths->sources.count;
			if (vec_push(&m->paths->sources, source) < 0)
				return -ENOMEM;
		}
		m->paths->parents[block_ordinal(s, index)] = parent;
	}
	return vec_push(&m->next, block_at(s, index));
}

/* Is a word at @source the process's own business: outside all live blocks, and not in what an allocator keeps? */
static bool is_root(const struct block_map *map, uint64_t source)
{
	const struct block_segment *s = block_map_segment(map, source);
	uint64_t index;

	if (!s || s->dropped)
		return true;
	if (!s->outside_is_root)
		return false;
	return !block_begin_of(s, source, &index) || bit_get(s->idle, index);
}

/* The words of stacks, or all others. */
static int mark_pages(struct marker *m, const struct reach_roots *roots, bool stacks)
{
	const struct edge_store *store = m->store;
	size_t dead = 0, stack = 0;

	for (uint64_t page = 0; page < store->page_count; page++) {
		uint64_t address = store->pages[page].address;

		while (dead < roots->dead_count && roots->dead[dead].end <= address)
			dead++;
		while (stack < roots->stack_count && roots->stacks[stack].end <= address)
			stack++;
		if ((stack < roots->stack_count && address >= roots->stacks[stack].start) != stacks)
			continue;
		for (uint64_t e = store->pages[page].first; e < edge_page_end(store, page); e++) {
			uint64_t source = edge_source(&store->pages[page], store->edges[e]);
			size_t d = dead;
			int err;

			fetch(m, e + AHEAD);
			while (d < roots->dead_count && roots->dead[d].end <= source)
				d++;
			if ((d < roots->dead_count && source >= roots->dead[d].start) ||
			    !is_root(m->map, source))
				continue;
			err = mark(m, edge_target(store->edges[e]), 0, source);
			if (err)
				return err;
		}
	}
	return 0;
}

static int mark_links(struct marker *m, uint64_t from)
{
	size_t low = 0, high = m->link_count;
	int err = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->links[middle].from < from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; !err && low < m->link_count && m->links[low].from == from; low++)
		err = mark(m, m->links[low].to, 1, from);
	return err;
}

static int mark_from(struct marker *m, const struct block_ref *block)
{
	uint32_t parent = m->paths ? block_ordinal(block->segment, block->index) + 1 : 1;
	struct edge_walk walk;
	uint64_t source, target;

	edge_walk_begin(&walk, m->store, block);
	while (edge_walk_next(&walk, &source, &target)) {
		int err = mark(m, target, parent, source);

		fetch(m, walk.edge + AHEAD);
		if (err)
			return err;
	}
	return m->link_count ? mark_links(m, block->start) : 0;
}

static int mark_levels(struct marker *m)
{
	struct block_queue level = VEC_INIT;
	int err = 0;

	while (!err && m->next.count) {
		struct block_queue done = level;

		/* A list is as many levels of one block each: the two arrays take turns. */
		level = m->next;
		m->next = done;
		vec_clear(&m->next);
		for (size_t i = 0; !err && i < level.count; i++)
			err = mark_from(m, &level.items[i]);
	}
	vec_done(&level);
	return err;
}

int reach_mark(struct block_map *map, const struct edge_store *store,
	       const struct reach_roots *roots, struct reach_paths *paths)
{
	struct marker m = {.map = map, .store = store, .paths = paths};
	int err = edge_store_index(store, map);

	if (!err)
		err = mark_pages(&m, roots, false);
	if (!err)
		err = mark_levels(&m);
	if (!err)
		err = mark_pages(&m, roots, true);
	if (!err)
		err = mark_levels(&m);
	for (size_t i = 0; !err && i < roots->word_count; i++)
		err = mark(&m, roots->words[i], 0, REACH_REGISTER);
	if (!err)
		err = mark_levels(&m);
	vec_done(&m.next);
	return err;
}

static int by_from(const void *a, const void *b)
{
	const struct reach_link *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

int reach_mark_more(struct block_map *map, const struct edge_store *store,
		    const struct reach_more *more)
{
	struct marker m = {
		.map = map, .store = store, .links = more->links, .link_count = more->link_count};
	int err = 0;

	if (more->link_count)
		qsort(more->links, more->link_count, sizeof(*more->links), by_from);
	for (size_t i = 0; !err && i < more->count; i++)
		err = mark(&m, more->targets[i], 0, 0);
	if (!err)
		err = mark_levels(&m);
	vec_done(&m.next);
	return err;
}

int reach_collect_lost(struct block_map *map, struct reach_lost_vec *ret)
{
	for (size_t i = 0; i < map->count; i++) {
		struct block_segment *s = &map->items[i];

		for (uint64_t w = 0; !s->dropped && w < s->words; w++) {
			uint64_t bits = s->begins[w] & ~s->idle[w] & ~s->reached[w];

			for (; bits; bits &= bits - 1) {
				struct block_ref b =
					block_at(s, w * 64 + (uint64_t)__builtin_ctzll(bits));
				struct reach_lost lost = {b.start, b.end - b.start, false};

				if (vec_push(ret, lost) < 0)
					return -ENOMEM;
			}
		}
	}
	return 0;
}

static int by_address(const void *key, const void *item)
{
	uint64_t address = *(const uint64_t *)key;
	const struct reach_lost *lost = item;

	return address < lost->start ? -1 : address >= lost->start + lost->size_bytes;
}

struct visit {
	size_t lost;
	struct edge_walk walk;
};

/* The depth-first search over lost blocks, without recursion: chains may be millions long. */
struct search {
	struct block_map *map;
	const struct edge_store *store;
	struct reach_lost_vec *lost;
	uint8_t *seen;
	size_t *order; /* blocks in the order in which they were left; NULL: not asked for */
	size_t order_count;
	VEC(struct visit) path;
};

static int enter(struct search *search, size_t index)
{
	struct visit visit = {.lost = index};
	struct block_ref block;

	search->seen[index] = 1;
	if (!block_find(search->map, search->lost->items[index].start, &block))
		return 0;
	edge_walk_begin(&visit.walk, search->store, &block);
	return vec_push(&search->path, visit);
}

/* All that @first leads to and was not seen. */
static int search_from(struct search *search, size_t first)
{
	int err = enter(search, first);

	while (!err && search->path.count) {
		struct visit *top = &search->path.items[search->path.count - 1];
		uint64_t source, target;
		const struct reach_lost *found = NULL;

		while (!found && edge_walk_next(&top->walk, &source, &target)) {
			found = bsearch(&target, search->lost->items, search->lost->count,
					sizeof(*search->lost->items), by_address);
			if (found && search->seen[found - search->lost->items])
				found = NULL;
		}
		if (found) {
			err = enter(search, (size_t)(found - search->lost->items));
			continue;
		}
		if (search->order)
			search->order[search->order_count++] = top->lost;
		search->path.count--;
	}
	return err;
}

int reach_order_lost(struct block_map *map, const struct edge_store *store,
		     struct reach_lost_vec *lost)
{
	struct search search = {.map = map, .store = store, .lost = lost};
	size_t *order = calloc(lost->count ? lost->count : 1, sizeof(*order));
	int err = 0;

	search.seen = calloc(lost->count ? lost->count : 1, 1);
	search.order = order;
	if (!order || !search.seen)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < lost->count; i++)
		if (!search.seen[i])
			err = search_from(&search, i);
	if (!err)
		memset(search.seen, 0, lost->count);
	search.order = NULL;
	/* The one left last comes first: what it leads to follows from it. */
	for (size_t i = search.order_count; !err && i--;) {
		lost->items[order[i]].indirect = search.seen[order[i]];
		if (!search.seen[order[i]])
			err = search_from(&search, order[i]);
	}
	vec_done(&search.path);
	free(search.seen);
	free(order);
	return err;
}
