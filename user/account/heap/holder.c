// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/holder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HOPS_MAX      (1U << 22)   /* of one way back: a list may be that long */
#define TAIL_MAX      64           /* blocks nearest the root that are compared */
#define SHARE_MIN     0.6          /* of the samples: less is no holder */
#define SAMPLES_SHARE 8            /* 1 / this of the samples must have a way at all */
#define TABLE_BYTES   (256u << 10) /* a table of pointers is one root */
#define STORAGE_REACH 65536        /* thread-local storage lies so near below its control block */

/* A way back, its end at the root: blocks[0] is what the root refers to. */
struct way {
	uint32_t blocks[TAIL_MAX]; /* ordinals */
	uint32_t count, hops;
	uint32_t root; /* index of its source */
};

/* False: it has no root (lost, or not seen). */
static bool find_way(const struct holder_finder *finder, uint64_t address, struct way *ret)
{
	uint32_t ring[TAIL_MAX], at, n = 0;
	struct block_ref block;

	if (!block_find(&finder->image->place.map, address, &block))
		return false;
	for (at = finder->paths->parents[block_ordinal(block.segment, block.index)];
	     at && n < HOPS_MAX; n++) {
		if (at >= REACH_ROOT) {
			ret->root = at - REACH_ROOT;
			ret->hops = n;
			ret->count = n < TAIL_MAX ? n : TAIL_MAX;
			for (uint32_t i = 0; i < ret->count; i++)
				ret->blocks[i] = ring[(n - 1 - i) % TAIL_MAX];
			return ret->root < finder->paths->sources.count;
		}
		ring[n % TAIL_MAX] = at - 1;
		at = finder->paths->parents[at - 1];
	}
	return false;
}

static int by_hops(const void *a, const void *b)
{
	const struct way *x = a, *y = b;

	return x->hops < y->hops ? -1 : x->hops > y->hops;
}

/* How many ways lead through that block? */
static unsigned int ways_through(const struct way *ways, unsigned int count, uint32_t block)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < count; i++)
		for (uint32_t k = 0; k < ways[i].count; k++)
			if (ways[i].blocks[k] == block) {
				found++;
				break;
			}
	return found;
}

/* How many begin at that root or so near that it is the same table? */
static unsigned int ways_from(const struct holder_finder *finder, const struct way *ways,
			      unsigned int count, uint32_t root)
{
	const uint64_t *sources = finder->paths->sources.items;
	unsigned int found = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t a = sources[ways[i].root], b = sources[root];

		found += (a > b ? a - b : b - a) < TABLE_BYTES;
	}
	return found;
}

static void name_mapping(const struct holder_finder *finder, uint64_t address,
			 struct heap_holder *ret)
{
	const struct maps *maps = &finder->image->place.maps;
	const struct mapping *m = maps_find(maps, address);
	size_t i = m ? (size_t)(m - maps->items) : 0;

	if (!m)
		return;
	ret->root = HEAP_ROOT_MEMORY;
	ret->path = m->path;
	/* .bss is anonymous memory right behind the module's data. */
	while (i && !m->inode && !*m->path && maps->items[i - 1].end == m->start)
		m = &maps->items[--i];
	if (!m->inode || m->shared)
		return;
	ret->root = HEAP_ROOT_GLOBAL;
	ret->path = m->path;
	while (i && mapping_same_file(&maps->items[i - 1], m))
		i--;
	ret->module_base = maps->items[i].start - maps->items[i].offset;
}

/* A variable of one of its functions, or thread-local? Both lie in the mapping of its stack. */
static bool name_in_thread(const struct holder_finder *finder, const struct stopped_thread *t,
			   uint64_t address, struct heap_holder *ret)
{
	const struct mapping *m = maps_find(&finder->image->place.maps, address);
	bool stack = m && t->stack_pointer >= m->start && t->stack_pointer < m->end;
	bool storage = m && t->thread_pointer >= m->start && t->thread_pointer < m->end &&
		       address <= t->thread_pointer + PAGE_BYTES &&
		       address + STORAGE_REACH > t->thread_pointer;

	ret->tid = t->tid;
	if (stack)
		ret->return_pc = frame_finder_find(finder->frames, t->tid, address);
	ret->root = storage && !ret->return_pc ? HEAP_ROOT_STORAGE : HEAP_ROOT_STACK;
	return stack || storage;
}

static void name_root(const struct holder_finder *finder, uint64_t address, struct heap_holder *ret)
{
	const struct heap_image *image = finder->image;

	ret->address = address;
	ret->root = HEAP_ROOT_REGISTER;
	if (address == REACH_REGISTER)
		return;
	for (size_t i = 0; i < image->stopped.threads.count; i++)
		if (name_in_thread(finder, &image->stopped.threads.items[i], address, ret))
			return;
	ret->tid = 0;
	name_mapping(finder, address, ret);
}

/* The block nearest to the group that most ways lead through. */
static int find_container(struct holder_finder *finder, const struct census_group *kind,
			  const struct way *ways, unsigned int count, struct heap_holder *ret)
{
	const struct way *typical = &ways[count / 2];
	uint8_t content[CENSUS_LOOK_BYTES];
	struct block_ref block;

	for (uint32_t k = typical->count; k--;) {
		unsigned int through = ways_through(ways, count, typical->blocks[k]);
		uint64_t size, look;
		uint32_t group;
		int err;

		if ((double)through < SHARE_MIN * count ||
		    !block_by_ordinal(&finder->image->place.map, typical->blocks[k], &block))
			continue;
		size = heap_usable_bytes(finder->image->walker->set, &block);
		look = size < sizeof(content) ? size : sizeof(content);
		if (!memory_read(finder->image->place.pid, block.start, content, look))
			continue;
		err = census_group_of(finder->census, content, look, size, &group);
		if (err)
			return err;
		/* The next one of the same kind: they are a list, which nothing but the root holds. */
		if (finder->census->groups.items[group].type == kind->type &&
		    size == kind->size_bytes)
			continue;
		ret->container = true;
		ret->container_type = finder->census->groups.items[group].type;
		ret->container_bytes = size;
		ret->share = (double)through / count;
		return 0;
	}
	return 0;
}

int holder_find(struct holder_finder *finder, const struct census_group *group,
		struct heap_holder *ret)
{
	struct way *ways = malloc(CENSUS_SAMPLES * sizeof(*ways));
	unsigned int count = 0, best = 0;
	uint32_t root = 0;
	int err = 0;

	*ret = (struct heap_holder){.path = ""};
	if (!ways)
		return -ENOMEM;
	for (uint32_t i = 0; i < group->sample_count; i++)
		count += find_way(finder, group->samples[i], &ways[count]);
	if (count)
		qsort(ways, count, sizeof(*ways), by_hops);
	for (unsigned int i = 0; i < count; i++) {
		unsigned int from = ways_from(finder, ways, count, ways[i].root);

		if (from > best) {
			best = from;
			root = ways[i].root;
		}
	}
	if (count * SAMPLES_SHARE >= group->sample_count && (double)best >= SHARE_MIN * count) {
		ret->share = (double)best / count;
		ret->hops = ways[count / 2].hops;
		name_root(finder, finder->paths->sources.items[root], ret);
		err = find_container(finder, group, ways, count, ret);
	}
	free(ways);
	return err;
}

int holder_answer(struct holder_finder *finder, const struct heap_question *question,
		  struct heap_holder *ret)
{
	struct census_group group = {.type = UINT32_MAX};
	uint8_t content[CENSUS_LOOK_BYTES];
	struct block_ref block;

	for (size_t i = 0; i < question->count && i < CENSUS_SAMPLES; i++) {
		uint64_t look;
		uint32_t kind;

		group.samples[group.sample_count++] = question->addresses[i];
		if (group.type != UINT32_MAX ||
		    !block_find(&finder->image->place.map, question->addresses[i], &block))
			continue;
		/* What they are like, to tell a list of them from what holds it. */
		group.size_bytes = heap_usable_bytes(finder->image->walker->set, &block);
		look = group.size_bytes < sizeof(content) ? group.size_bytes : sizeof(content);
		if (memory_read(finder->image->place.pid, block.start, content, look) &&
		    !census_group_of(finder->census, content, look, group.size_bytes, &kind))
			group.type = finder->census->groups.items[kind].type;
	}
	return holder_find(finder, &group, ret);
}
