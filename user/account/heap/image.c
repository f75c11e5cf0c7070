// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* In the order in which they are tried. */
static const struct heap_walker *const heap_walkers[] = {&glibc_walker, &traced_walker};

#define TRIES_MAX       60
#define TRY_AGAIN_NS    (3 * NS_PER_MS)
#define BROKEN_MAX      6
#define THREAD_STOP_NS  (100 * NS_PER_MS)
#define RED_ZONE_BYTES  128
#define CONTROL_BYTES   8192 /* within so much of its top lies a thread's control block */
#define EDGES_OF_MEMORY 2    /* 1 / this of the memory bound is for edges */

bool heap_image_wants(const struct mapping *m, enum stream_choice *ret_choice)
{
	if (!(m->prot & PROT_READ) || !strncmp(m->path, "/dev/", 5) ||
	    !strncmp(m->path, "[v", 2) /* [vvar], [vdso], [vsyscall] */)
		return false;
	/* What can't be written now may have been written before: relocated data, tables made read-only. */
	*ret_choice = m->prot & PROT_WRITE ? STREAM_PRESENT : STREAM_ANONYMOUS;
	return true;
}

static int count_present(struct heap_image *image)
{
	struct memory_stream *stream = &image->stream;
	uint64_t before = stream->present_bytes;
	int err = 0;

	for (size_t i = 0; !err && i < image->place.maps.count; i++) {
		const struct mapping *m = &image->place.maps.items[i];
		enum stream_choice choice;

		if (heap_image_wants(m, &choice) && choice == STREAM_PRESENT)
			err = memory_stream_range(
				stream, (struct stream_range){m->start, m->end, STREAM_COUNT}, NULL,
				NULL);
	}
	image->present_bytes = stream->present_bytes - before;
	return err;
}

static int find_walker(struct heap_image *image)
{
	for (size_t i = 0; i < sizeof(heap_walkers) / sizeof(*heap_walkers); i++) {
		int err = heap_walkers[i]->find(&image->place, &image->walker_state);

		if (!err)
			image->walker = heap_walkers[i];
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

int heap_image_open(const struct heap_scan_options *options, _Atomic uint64_t *stop_began_ns,
		    struct heap_image *ret)
{
	uint64_t edges = options->memory_bytes / EDGES_OF_MEMORY / sizeof(uint64_t);
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->place.pid = options->pid;
	ret->place.options = options;
	ret->place.stream = &ret->stream;
	ret->stop_began_ns = stop_began_ns;
	block_map_init(&ret->place.map);
	err = memory_stream_open(options->pid, &ret->stream);
	if (!err)
		err = maps_read(options->pid, &ret->place.maps);
	if (!err)
		err = find_walker(ret);
	if (!err)
		err = count_present(ret);
	/* Each present page may hold a pointer; a margin for what comes meanwhile. */
	if (!err)
		err = edge_store_init(&ret->edges, edges,
				      ret->present_bytes / PAGE_BYTES * 2 + 65536);
	return err;
}

void heap_image_close(struct heap_image *image)
{
	if (image->walker)
		image->walker->done(image->walker_state);
	memory_stream_close(&image->stream);
	maps_done(&image->place.maps);
	block_map_done(&image->place.map);
	edge_store_done(&image->edges);
	stop_resume(&image->stopped);
	vec_done(&image->dead);
	vec_done(&image->place.books);
}

static bool is_guard(const struct maps *maps, size_t of)
{
	return of && maps->items[of - 1].end == maps->items[of].start && !maps->items[of - 1].prot;
}

/*
 * glibc keeps the stacks of threads that ended for the next ones. Their control block (struct pthread) is known by the
 * two words that point to itself, while no live thread's fs base points to it. What lies below it is unused; it does not:
 * who joins a thread later needs it. Returns its address; 0: none.
 */
static uint64_t ended_thread(const struct heap_image *image, const struct mapping *m)
{
	uint64_t words[CONTROL_BYTES / 8], size = m->end - m->start;
	uint64_t from = size < CONTROL_BYTES ? m->start : m->end - CONTROL_BYTES;
	uint64_t count = (m->end - from) / 8;

	if (!memory_read(image->place.pid, from, words, count * 8))
		return 0;
	for (uint64_t i = 0; i + 2 < count; i++)
		if (words[i] == from + i * 8 && words[i + 2] == words[i] && !(words[i] % 64))
			return words[i];
	return 0;
}

/* What of a stack is not in use. A stack without a guard may be anything: all of it counts. */
static int add_dead(struct heap_image *image, size_t index)
{
	const struct mapping *m = &image->place.maps.items[index];
	uint64_t lowest = UINT64_MAX;
	bool own = !strcmp(m->path, "[stack]"), storage = false;
	struct address_range dead = {m->start, 0};

	if (m->prot != (PROT_READ | PROT_WRITE) || m->inode ||
	    (!own && !is_guard(&image->place.maps, index)))
		return 0;
	for (size_t i = 0; i < image->stopped.threads.count; i++) {
		const struct stopped_thread *t = &image->stopped.threads.items[i];

		if (t->stack_pointer >= m->start && t->stack_pointer < m->end &&
		    t->stack_pointer < lowest)
			lowest = t->stack_pointer;
		storage |= t->thread_pointer >= m->start && t->thread_pointer < m->end;
	}
	if (lowest != UINT64_MAX)
		dead.end = lowest > m->start + RED_ZONE_BYTES ? lowest - RED_ZONE_BYTES : m->start;
	else if (!own && !storage)
		dead.end = ended_thread(image, m);
	if (dead.end <= dead.start)
		return 0;
	return vec_push(&image->dead, dead);
}

static int by_range(const void *a, const void *b)
{
	const struct address_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int find_dead(struct heap_image *image)
{
	int err = 0;

	vec_clear(&image->dead);
	for (size_t i = 0; !err && image->place.stopped && i < image->place.maps.count; i++)
		err = add_dead(image, i);
	if (!err)
		err = vec_append(&image->dead, image->place.books.items, image->place.books.count);
	if (image->dead.count)
		qsort(image->dead.items, image->dead.count, sizeof(*image->dead.items), by_range);
	return err;
}

static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct heap_image *image = user;

	edge_store_take(&image->edges, &image->place.map, address, words, page_count);
	if (image->edges.full)
		return -ENOSPC;
	return image->walker->take ? image->walker->take(image->walker_state, &image->place,
							 address, words, page_count)
				   : 0;
}

static int pass_memory(struct heap_image *image)
{
	int err = 0;

	for (size_t i = 0; !err && i < image->place.maps.count; i++) {
		const struct mapping *m = &image->place.maps.items[i];
		enum stream_choice choice;

		if (heap_image_wants(m, &choice))
			err = memory_stream_range(&image->stream,
						  (struct stream_range){m->start, m->end, choice},
						  on_pages, image);
	}
	return err;
}

/* A thread's stack is in use by the thread itself, whoever mapped it. */
static bool is_stack(const struct heap_image *image, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < image->stopped.threads.count; i++) {
		const struct stopped_thread *t = &image->stopped.threads.items[i];

		if ((t->stack_pointer >= start && t->stack_pointer < end) ||
		    (t->thread_pointer >= start && t->thread_pointer < end))
			return true;
	}
	return false;
}

/* Mappings that the program made itself are blocks of their own, as far as they are no allocator's. */
static int add_mappings(struct heap_image *image)
{
	const struct heap_scan_options *options = image->place.options;
	struct block_map *map = &image->place.map;
	size_t known = map->count;
	int err = 0;

	for (size_t i = 0; !err && image->place.stopped && i < options->mapping_count; i++) {
		uint64_t start = options->mappings[i].address;
		uint64_t end = start + options->mappings[i].size_bytes;

		if (block_map_next(map, start) < end || is_stack(image, start, end) ||
		    !maps_find(&image->place.maps, start))
			continue;
		err = block_map_add(map, start, end, BLOCK_WHOLE_SEGMENT);
		if (!err) {
			map->items[map->count - 1].mapping = true;
			block_segment_begin(&map->items[map->count - 1], 0);
		}
	}
	if (map->count > known)
		block_map_seal(map);
	return err;
}

/* The maps, the segments, the memory: at this moment. */
static int look(struct heap_image *image)
{
	int err;

	maps_done(&image->place.maps);
	image->place.maps = (struct maps){0};
	block_map_done(&image->place.map);
	vec_clear(&image->place.books);
	edge_store_clear(&image->edges);
	image->stream.bytes = image->stream.swapped_bytes = image->stream.unreadable_bytes = 0;
	image->stream.present_bytes = 0;
	err = maps_read(image->place.pid, &image->place.maps);
	if (!err)
		err = image->walker->segments(image->walker_state, &image->place);
	if (!err)
		err = add_mappings(image);
	if (!err)
		err = find_dead(image);
	return err ? err : pass_memory(image);
}

static int look_stopped(struct heap_image *image)
{
	uint64_t began_ns = clock_now_ns();
	int err;

	*image->stop_began_ns = began_ns;
	image->stream.until_ns = began_ns + image->place.options->max_stop_ns;
	stop_resume(&image->stopped);
	err = stop_process(image->place.pid, THREAD_STOP_NS, &image->stopped);
	if (!err) {
		image->place.stopped = &image->stopped;
		image->time_ns = clock_now_ns();
		err = look(image);
		stop_release(&image->stopped);
	}
	*image->stop_began_ns = 0;
	image->stream.until_ns = 0;
	image->place.stopped = NULL;
	image->stop_ns = clock_now_ns() - began_ns;
	image->stop_ns_total += image->stop_ns;
	return err;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	nanosleep(&t, NULL);
}

static int look_running(struct heap_image *image)
{
	stop_resume(&image->stopped);
	image->time_ns = clock_now_ns();
	image->stop_ns = 0;
	return look(image);
}

int heap_image_take(struct heap_image *image, bool stop)
{
	unsigned int broken = 0;

	for (unsigned int i = 0;; i++) {
		int err = stop ? look_stopped(image) : look_running(image);

		if (!err) {
			err = image->walker->settle(image->walker_state, &image->place);
			image->sound = !err;
		}
		if (err != -EAGAIN && err != -EUCLEAN)
			return err;
		/* A heap in the middle of a change: a moment later it is not. */
		image->retries++;
		broken += err == -EUCLEAN;
		if (err == -EUCLEAN && broken >= BROKEN_MAX)
			return 0;
		if (i >= TRIES_MAX)
			return err;
		pause_ns(TRY_AGAIN_NS);
	}
}

int heap_image_reach(struct heap_image *image, struct reach_paths *paths)
{
	struct reach_roots roots = {
		.words = image->stopped.words.items,
		.word_count = image->stopped.words.count,
		.dead = image->dead.items,
		.dead_count = image->dead.count,
	};

	return reach_mark(&image->place.map, &image->edges, &roots, paths);
}
