// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/scan.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "account/heap/census.h"
#include "account/heap/hidden.h"
#include "account/heap/holder.h"
#include "account/heap/snapshot.h"
#include "base/clock.h"

#define REHEARSE_BYTES \
	(64ULL << 20)       /* a smaller one is stopped without knowing how long it will take */
#define REHEARSE_MARGIN 1.1 /* a stop also finds what a rehearsal leaves out: caches, locks */
#define ROUNDS          3   /* without a stop, what all of them miss is lost */
#define ROUND_GAP_NS    (200 * NS_PER_MS)
#define LOST_MAX        (1u << 22)
#define HOLDERS_MAX     32
#define STOPPED_NICE    (-20) /* not given without the right to it: then as it was */
#define THINKING_NICE   15

#define CONTENT_BATCH 256

struct scan {
	const struct heap_scan_options *options;
	struct heap_image image;
	struct reach_paths paths;
	struct reach_lost_vec lost;
	struct census census;
	struct frame_finder *frames;
	VEC(struct heap_lost) told;
	struct heap_snapshot snapshot;
	bool stop, whole, blind;
	uint8_t contents[CONTENT_BATCH][CENSUS_LOOK_BYTES]; /* of lost blocks */
};

/* While it stands still, it waits for us: nobody else is to go first. */
static void be_quick(void)
{
	(void)setpriority(PRIO_PROCESS, 0, STOPPED_NICE);
}

static void be_patient(void)
{
	/* The target's memory bandwidth is its own from here on. */
	(void)setpriority(PRIO_PROCESS, 0, THINKING_NICE);
}

/* Would the stop be too long? Finds out by doing all of it but the stop. */
static int rehearse(struct scan *scan)
{
	struct heap_image *image = &scan->image;
	uint64_t began_ns, expected_ns;
	int err;

	scan->stop = !scan->options->no_stop;
	if (!scan->stop)
		return 0;
	if (scan->options->rate_bytes_per_second) {
		expected_ns = (uint64_t)((double)image->present_bytes /
					 (double)scan->options->rate_bytes_per_second * 1e9);
	} else {
		if (image->present_bytes < REHEARSE_BYTES)
			return 0;
		/* So that it takes as long as the stop will: page faults of ours are none of the target's. */
		edge_store_prefault(&image->edges, image->present_bytes / 8 / 6,
				    image->present_bytes / PAGE_BYTES);
		began_ns = clock_now_ns();
		err = heap_image_take(image, false);
		if (err && err != -EAGAIN)
			return err;
		expected_ns = (uint64_t)((double)(clock_now_ns() - began_ns) * REHEARSE_MARGIN);
	}
	scan->stop = expected_ns <= scan->options->max_stop_ns;
	return 0;
}

/* With a rehearsal or a look before this one their number is known; else it is little memory. */
static uint64_t expected_edges(const struct scan *scan)
{
	const struct heap_snapshot *before = scan->options->before;
	uint64_t known = scan->image.edges.count;

	if (!known && before)
		known = before->edges;
	return known ? known * 9 / 8 : scan->image.present_bytes / 8 / 4;
}

static int take_stopped(struct scan *scan)
{
	struct heap_image *image = &scan->image;
	int err;

	edge_store_prefault(&image->edges, expected_edges(scan), image->present_bytes / PAGE_BYTES);
	be_quick();
	err = heap_image_take(image, true);
	if (err == -ETIME) {
		scan->stop = false;
		return 0;
	}
	return err;
}

static int reach(struct scan *scan, bool paths)
{
	uint32_t begins;
	int err = block_map_number(&scan->image.place.map, &begins);

	if (!err && paths) {
		free(scan->paths.parents);
		vec_clear(&scan->paths.sources);
		scan->paths.parents = calloc(begins ? begins : 1, sizeof(*scan->paths.parents));
		if (!scan->paths.parents)
			err = -ENOMEM;
	}
	if (!err)
		err = heap_image_reach(&scan->image, paths ? &scan->paths : NULL);
	vec_clear(&scan->lost);
	return err ? err : reach_collect_lost(&scan->image.place.map, &scan->lost);
}

/* Keeps of @a, ascending, what @b has too. */
static void intersect(struct reach_lost_vec *a, const struct reach_lost_vec *b)
{
	size_t kept = 0;

	for (size_t i = 0, k = 0; i < a->count; i++) {
		while (k < b->count && b->items[k].start < a->items[i].start)
			k++;
		if (k < b->count && b->items[k].start == a->items[i].start &&
		    b->items[k].size_bytes == a->items[i].size_bytes)
			a->items[kept++] = a->items[i];
	}
	a->count = kept;
}

/* Was all that can hold a pointer seen? */
static bool is_whole(const struct heap_image *image)
{
	return image->sound && !image->stream.swapped_bytes && !image->stream.unreadable_bytes;
}

static int take_rounds(struct scan *scan)
{
	struct reach_lost_vec common = VEC_INIT;
	struct timespec gap = {0, ROUND_GAP_NS};
	int err = 0;

	be_patient();
	scan->image.registers = !scan->options->no_stop;
	scan->whole = true;
	for (unsigned int i = 0; !err && i < ROUNDS; i++) {
		if (i)
			nanosleep(&gap, NULL);
		err = heap_image_take(&scan->image, false);
		scan->whole &= is_whole(&scan->image);
		if (!err)
			err = reach(scan, scan->options->census && i == ROUNDS - 1);
		if (!err && i)
			intersect(&scan->lost, &common);
		if (!err) {
			vec_clear(&common);
			err = vec_append(&common, scan->lost.items, scan->lost.count);
		}
	}
	vec_done(&common);
	return err;
}

static uint64_t confirm_ns(const struct scan *scan)
{
	return scan->options->confirm_ns ? scan->options->confirm_ns : HEAP_CONFIRM_NS;
}

static unsigned int size_slot(uint64_t bytes)
{
	unsigned int slot = bytes ? 63 - (unsigned int)__builtin_clzll(bytes) : 0;

	return slot < HEAP_SIZE_SLOTS ? slot : HEAP_SIZE_SLOTS - 1;
}

static void count_free(struct heap_snapshot *s, const struct block_segment *segment, uint64_t bytes,
		       uint64_t end)
{
	s->free_count++;
	s->free_bytes += bytes;
	/* Of others segments end with a slab, or an extent. */
	if (end == segment->end && s->live_set == HEAP_GLIBC) {
		s->free_end_bytes += bytes;
		return;
	}
	s->free_by_size[size_slot(bytes)] += bytes;
	s->free_count_by_size[size_slot(bytes)]++;
}

/* What is live and what is free, in all segments. */
static void count_blocks(struct scan *scan)
{
	struct heap_snapshot *s = &scan->snapshot;
	struct block_ref block;

	for (size_t i = 0; i < scan->image.place.map.count; i++) {
		struct block_segment *segment = &scan->image.place.map.items[i];

		for (uint64_t at = 0; !segment->mapping && block_next(segment, at, &block);
		     at = block.index + 1) {
			uint64_t bytes = heap_usable_bytes(scan->image.walker->set, &block);

			if (bit_get(segment->idle, block.index)) {
				count_free(s, segment, block.end - block.start, block.end);
				continue;
			}
			s->live_count++;
			s->live_bytes += bytes;
			s->live_by_size[size_slot(bytes)] += bytes;
		}
	}
}

static void fill_state(struct scan *scan)
{
	const struct heap_image *image = &scan->image;
	const struct heap_snapshot *before = scan->options->before;
	struct heap_snapshot *s = &scan->snapshot;

	s->pid = scan->options->pid;
	s->live_set = image->walker->set;
	s->found_at = image->place.found_at;
	s->stopped = scan->stop;
	s->time_ns = image->time_ns;
	if (before) {
		s->before_ns = before->time_ns;
		s->known_until_ns = image->time_ns - before->time_ns >= confirm_ns(scan)
					    ? before->time_ns
					    : before->before_ns;
	}
	s->stop_ns = image->stop_ns;
	s->copied_bytes = image->stream.bytes;
	s->swapped_bytes = image->stream.swapped_bytes;
	s->unreadable_bytes = image->stream.unreadable_bytes;
	s->threads = image->stopped.threads.count;
	s->segments = image->place.map.count;
	s->edges = image->edges.count;
	s->retries = image->retries;
	for (size_t i = 0; i < image->place.map.count; i++) {
		s->segments_dropped += image->place.map.items[i].dropped;
		if (!image->place.map.items[i].mapping)
			s->heap_bytes +=
				image->place.map.items[i].end - image->place.map.items[i].start;
	}
	s->complete = scan->whole && !s->segments_dropped;
	s->reason = s->complete           ? ""
		    : s->swapped_bytes    ? "some of its memory is swapped out"
		    : s->unreadable_bytes ? "some of its memory can't be read"
					  : "the allocator's books did not hold";
}

static uint64_t usable(const struct scan *scan, const struct reach_lost *lost)
{
	struct block_ref block;

	return block_find(&scan->image.place.map, lost->start, &block)
		       ? heap_usable_bytes(scan->image.walker->set, &block)
		       : lost->size_bytes;
}

/* What an earlier snapshot missed too is looked for in other ways before it is called lost. */
static int clear_hidden(struct scan *scan)
{
	struct reach_lost_vec suspects = VEC_INIT, left = VEC_INIT;
	const struct heap_snapshot *before = scan->options->before;
	struct hidden_result hidden = {0};
	int err = 0;

	for (size_t i = 0; !err && i < scan->lost.count; i++)
		if (heap_snapshot_find_lost(before, scan->lost.items[i].start))
			err = vec_push(&suspects, scan->lost.items[i]);
	if (!err && suspects.count)
		err = hidden_mark(&scan->image, &suspects, &hidden);
	scan->blind = hidden.blind;
	if (!err && hidden.found) {
		err = reach_collect_lost(&scan->image.place.map, &left);
		if (!err)
			intersect(&scan->lost, &left);
	}
	vec_done(&suspects);
	vec_done(&left);
	return err;
}

static bool is_mapping(const struct scan *scan, uint64_t address)
{
	const struct block_segment *s = block_map_segment(&scan->image.place.map, address);

	return s && s->mapping;
}

/* Was it missed before, and is it as it was then? *ret_changed: it was called lost, and somebody wrote into it. */
static void compare(const struct scan *scan, struct heap_lost *told, bool *ret_changed)
{
	const struct heap_lost *before =
		heap_snapshot_find_lost(scan->options->before, told->address);

	*ret_changed = false;
	if (!before || before->size_bytes != told->size_bytes)
		return;
	told->first_ns = before->first_ns;
	told->looks = (uint16_t)(before->looks + (before->looks < UINT16_MAX));
	told->unchanged = before->checksum == told->checksum;
	/* Nobody can write into a lost block, not even free(). */
	told->confirmed =
		told->unchanged && !scan->blind && !scan->options->no_stop &&
		(before->confirmed || scan->image.time_ns - before->first_ns >= confirm_ns(scan));
	*ret_changed = before->confirmed && !told->unchanged;
}

static int tell_block(struct scan *scan, const struct reach_lost *lost, uint64_t size_bytes,
		      const struct memory_piece *content)
{
	struct heap_lost told = {
		.address = lost->start,
		.size_bytes = size_bytes,
		.first_ns = scan->image.time_ns,
		.checksum = hash_bytes(content->bytes, content->size, 0),
		.looks = 1,
		.indirect = lost->indirect,
		.mapping = is_mapping(scan, lost->start),
	};
	struct census_group *group;
	bool changed;
	int err;

	compare(scan, &told, &changed);
	err = census_group_of(&scan->census, content->bytes, content->size, size_bytes,
			      &told.group);
	if (err)
		return err;
	group = &scan->census.groups.items[told.group];
	told.type = group->type;
	group->returned += changed;
	scan->snapshot.returned += changed;
	if (told.confirmed)
		census_show_lost(&scan->census, told.group, content->bytes, content->size);
	group->lost_count += told.confirmed;
	group->lost_bytes += told.confirmed ? size_bytes : 0;
	return vec_push(&scan->told, told);
}

/* Types and content of lost blocks. */
static int tell_lost(struct scan *scan, size_t first, size_t count)
{
	struct memory_piece pieces[CONTENT_BATCH];
	uint64_t sizes[CONTENT_BATCH];
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		const struct reach_lost *lost = &scan->lost.items[first + i];

		sizes[i] = usable(scan, lost);
		pieces[i] = (struct memory_piece){
			lost->start, scan->contents[i],
			sizes[i] < CENSUS_LOOK_BYTES ? sizes[i] : CENSUS_LOOK_BYTES, false};
	}
	memory_read_pieces(scan->image.place.pid, pieces, count);
	for (size_t i = 0; !err && i < count; i++)
		if (pieces[i].ok)
			err = tell_block(scan, &scan->lost.items[first + i], sizes[i], &pieces[i]);
	return err;
}

static int tell_all_lost(struct scan *scan)
{
	struct heap_snapshot *s = &scan->snapshot;
	int err;

	if (!s->complete) {
		vec_clear(&scan->lost);
		return 0;
	}
	err = clear_hidden(scan);
	if (!err)
		err = reach_order_lost(&scan->image.place.map, &scan->image.edges, &scan->lost);
	if (scan->lost.count > LOST_MAX) {
		s->lost_left_out = scan->lost.count - LOST_MAX;
		scan->lost.count = LOST_MAX;
	}
	for (size_t i = 0; !err && i < scan->lost.count; i += CONTENT_BATCH) {
		size_t left = scan->lost.count - i;

		err = tell_lost(scan, i, left < CONTENT_BATCH ? left : CONTENT_BATCH);
	}
	return err;
}

/* A block that was called lost and is not missed any more: is it still there, or was it freed? */
static int tell_found(struct scan *scan, const struct heap_lost *lost)
{
	const struct heap_type *type = &scan->options->before->types[lost->type];
	struct heap_lost held = *lost;
	struct block_ref block;
	int err = census_group_by_type(&scan->census, type->kind, type->name, lost->size_bytes,
				       &held.group);

	if (err)
		return err;
	if (block_find(&scan->image.place.map, lost->address, &block) &&
	    block.start == lost->address &&
	    heap_usable_bytes(scan->image.walker->set, &block) == lost->size_bytes) {
		held.held = true;
		held.type = scan->census.groups.items[held.group].type;
		return vec_push(&scan->told, held);
	}
	scan->census.groups.items[held.group].returned++;
	scan->snapshot.returned++;
	return 0;
}

static int by_lost_address(const void *a, const void *b)
{
	const struct heap_lost *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Whoever freed one knew where it was: the proof that this heap hides pointers. */
static int tell_returned(struct scan *scan)
{
	const struct heap_snapshot *before = scan->options->before;
	size_t k = 0, missed = scan->told.count;
	int err = 0;

	if (scan->snapshot.lost_left_out)
		return 0; /* what is missing may be among those */
	for (size_t i = 0; !err && before && scan->snapshot.complete && i < before->lost_total;
	     i++) {
		const struct heap_lost *lost = &before->lost[i];

		while (k < missed && scan->told.items[k].address < lost->address)
			k++;
		if (lost->confirmed &&
		    (k == missed || scan->told.items[k].address != lost->address))
			err = tell_found(scan, lost);
	}
	if (scan->told.count > missed)
		qsort(scan->told.items, scan->told.count, sizeof(*scan->told.items),
		      by_lost_address);
	return err;
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_group *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->lost_bytes != y->lost_bytes)
		return x->lost_bytes < y->lost_bytes ? 1 : -1;
	return x->size_bytes < y->size_bytes ? 1 : x->size_bytes > y->size_bytes ? -1 : 0;
}

/* Groups in the order of their bytes; @order: where each group went. */
static void sort_groups(const struct scan *scan, struct heap_group *groups, uint32_t *order)
{
	size_t count = 0;

	for (size_t i = 0; i < scan->census.groups.count; i++) {
		const struct census_group *g = &scan->census.groups.items[i];

		groups[count++] = (struct heap_group){.type = g->type,
						      .size_bytes = g->size_bytes,
						      .count = g->count,
						      .bytes = g->bytes,
						      .lost_count = g->lost_count,
						      .lost_bytes = g->lost_bytes,
						      .returned = g->returned,
						      .holder = {.hops = i}, /* for the moment */
						      .sample = g->text};
	}
	if (count)
		qsort(groups, count, sizeof(*groups), by_bytes);
	for (size_t i = 0; i < count; i++) {
		order[groups[i].holder.hops] = (uint32_t)i;
		groups[i].holder = (struct heap_holder){.path = ""};
	}
}

static int find_holders(struct scan *scan, struct heap_group *groups, const uint32_t *order)
{
	struct holder_finder finder = {&scan->image, &scan->census, &scan->paths, scan->frames};
	size_t count = scan->census.groups.count; /* looking at containers may add some */
	int err = 0;

	for (size_t i = 0; !err && scan->paths.parents && i < count; i++)
		if (order[i] < HOLDERS_MAX && scan->census.groups.items[i].sample_count) {
			struct census_group group = scan->census.groups.items[i];

			err = holder_find(&finder, &group, &groups[order[i]].holder);
		}
	return err;
}

static int answer(struct scan *scan, struct heap_holder *answers)
{
	struct holder_finder finder = {&scan->image, &scan->census, &scan->paths, scan->frames};
	int err = 0;

	for (size_t i = 0; !err && i < scan->options->question_count; i++) {
		answers[i] = (struct heap_holder){.path = ""};
		if (scan->paths.parents)
			err = holder_answer(&finder, &scan->options->questions[i], &answers[i]);
	}
	scan->snapshot.answers = answers;
	scan->snapshot.answer_count = scan->options->question_count;
	return err;
}

/* NULL: nothing can be said. */
static uint8_t *look_at_watched(const struct scan *scan)
{
	const struct heap_scan_options *o = scan->options;
	uint8_t *there = scan->snapshot.complete && scan->image.walker->set != HEAP_TRACED_ONLY
				 ? calloc(o->watched_count + 1, 1)
				 : NULL;
	struct block_ref block;

	for (size_t i = 0; there && i < o->watched_count; i++)
		there[i] = block_find(&scan->image.place.map, o->watched[i].address, &block) &&
			   block.start == o->watched[i].address &&
			   heap_fits_request(scan->image.walker->set, &block,
					     o->watched[i].size_bytes);
	return there;
}

static int pack(struct scan *scan, int fd)
{
	struct heap_snapshot *s = &scan->snapshot;
	size_t count = scan->census.groups.count;
	struct heap_group *groups = calloc(count + 1, sizeof(*groups));
	uint32_t *order = calloc(count + 1, sizeof(*order));
	struct heap_holder *answers = calloc(scan->options->question_count + 1, sizeof(*answers));
	struct heap_type *types = NULL;
	uint8_t *watched = look_at_watched(scan);
	struct rusage usage;
	int err = groups && order && answers ? 0 : -ENOMEM;

	if (!err) {
		sort_groups(scan, groups, order);
		err = frame_finder_new(scan->image.place.pid, &scan->image.place.maps,
				       &scan->image.stacks, &scan->frames);
	}
	if (!err)
		err = find_holders(scan, groups, order);
	if (!err)
		err = answer(scan, answers);
	types = calloc(scan->census.types.count, sizeof(*types));
	if (!types)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < scan->census.types.count; i++)
		types[i] = (struct heap_type){scan->census.types.items[i].kind,
					      scan->census.types.items[i].name};
	for (size_t i = 0; !err && i < scan->told.count; i++) {
		scan->told.items[i].group = order[scan->told.items[i].group];
		if (scan->told.items[i].confirmed && !scan->told.items[i].held) {
			s->lost_count++;
			s->lost_bytes += scan->told.items[i].size_bytes;
		}
	}
	s->types = types;
	s->type_count = scan->census.types.count;
	s->groups = groups;
	s->group_count = count;
	s->lost = scan->told.items;
	s->lost_total = scan->told.count;
	s->watched = watched;
	s->watched_count = watched ? scan->options->watched_count : 0;
	getrusage(RUSAGE_SELF, &usage);
	s->memory_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
	if (!err)
		err = heap_snapshot_pack(s, fd);
	free(types);
	free(groups);
	free(answers);
	free(order);
	free(watched);
	return err;
}

static int work(struct scan *scan, _Atomic uint64_t *stop_began_ns)
{
	int err = heap_image_open(scan->options, stop_began_ns, &scan->image);

	if (!err)
		err = rehearse(scan);
	if (!err && scan->stop) {
		err = take_stopped(scan);
		be_patient();
		scan->whole = is_whole(&scan->image);
		if (!err && scan->stop)
			err = reach(scan, scan->options->census);
	}
	if (!err && !scan->stop)
		err = take_rounds(scan);
	if (err)
		return err;
	fill_state(scan);
	count_blocks(scan);
	err = census_init(&scan->census, &scan->image);
	if (!err && scan->options->census)
		err = census_take(&scan->census);
	if (!err)
		err = tell_all_lost(scan);
	if (!err)
		err = tell_returned(scan);
	return err;
}

int heap_scan_work(const struct heap_scan_options *options, _Atomic uint64_t *stop_began_ns, int fd)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	uint64_t began_ns = clock_now_ns();
	int err;

	if (!scan)
		return -ENOMEM;
	scan->options = options;
	err = work(scan, stop_began_ns);
	scan->snapshot.total_ns = clock_now_ns() - began_ns;
	if (!err)
		err = pack(scan, fd);
	frame_finder_free(scan->frames);
	census_done(&scan->census);
	heap_image_close(&scan->image);
	free(scan->paths.parents);
	vec_done(&scan->paths.sources);
	vec_done(&scan->lost);
	vec_done(&scan->told);
	free(scan);
	return err;
}
