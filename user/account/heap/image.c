// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/image.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "account/heap/stacks.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "process/proc/proc_text.h"

/* In the order in which they are tried. */
static const struct heap_walker *const heap_walkers[] = {&glibc_walker, &jemalloc_walker,
							 &musl_walker, &traced_walker};

#define TRIES_MAX         60
#define TRY_AGAIN_NS      (3 * NS_PER_MS)
#define BROKEN_MAX        6
#define THREAD_STOP_NS    (100 * NS_PER_MS)
#define RESERVE_MIN_BYTES (1ULL << 30) /* of inaccessible memory that isn't looked through */
#define EDGES_OF_MEMORY   2            /* 1 / this of the memory bound is for edges */

static bool begins_with(const char *path, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (!strncmp(path, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

bool heap_image_wants(const struct mapping *m, enum stream_choice *ret_choice)
{
	/* Memory under a file's name, and what is none: devices, and the kernel's own mappings. */
	static const char *const memory[] = {"/dev/zero", "/dev/shm/", "/dev/hugepages/",
					     "/memfd:",   "/SYSV",     NULL};
	static const char *const others[] = {"/dev/",      "[vvar",     "[vdso]",
					     "[vsyscall]", "[uprobes]", NULL};
	bool is_memory = begins_with(m->path, memory);

	if (!is_memory && begins_with(m->path, others))
		return false;
	/* Address space that is only reserved. */
	if (!m->prot && m->end - m->start > RESERVE_MIN_BYTES)
		return false;
	/* What can't be written, or accessed, now may have been before: relocated data, tables that are protected. */
	*ret_choice = m->prot & PROT_WRITE || (m->shared && is_memory) ? STREAM_PRESENT
								       : STREAM_ANONYMOUS;
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
		const struct heap_snapshot *before = image->place.options->before;
		int err;

		image->place.found_at =
			before && before->live_set == heap_walkers[i]->set ? before->found_at : 0;
		err = heap_walkers[i]->find(&image->place, &image->walker_state);
		if (!err)
			image->walker = heap_walkers[i];
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

/* A thread by which the memory can be reached: the first one may have ended before the others. */
static int find_thread(int pid)
{
	char *path = stop_has_ended(pid) ? proc_path(pid, "task") : NULL;
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int found = pid;

	free(path);
	while (dir && found == pid && (entry = readdir(dir))) {
		long tid = strtol(entry->d_name, NULL, 10);

		if (tid > 0 && !stop_has_ended((int)tid))
			found = (int)tid;
	}
	if (dir)
		closedir(dir);
	return found;
}

int heap_image_open(const struct heap_scan_options *options, _Atomic uint64_t *stop_began_ns,
		    struct heap_image *ret)
{
	uint64_t edges = options->memory_bytes / EDGES_OF_MEMORY / sizeof(uint64_t);
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->place.pid = find_thread(options->pid);
	ret->place.options = options;
	ret->place.stream = &ret->stream;
	ret->stop_began_ns = stop_began_ns;
	block_map_init(&ret->place.map);
	err = memory_stream_open(ret->place.pid, &ret->stream);
	if (!err)
		err = maps_read(ret->place.pid, &ret->place.maps);
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
	stack_copies_done(&image->stacks);
	vec_done(&image->dead);
	vec_done(&image->stack_ranges);
	vec_done(&image->place.books);
}

static int by_range(const void *a, const void *b)
{
	const struct address_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int find_stacks(struct heap_image *image)
{
	int err = 0;

	vec_clear(&image->dead);
	vec_clear(&image->stack_ranges);
	if (image->place.stopped)
		err = stacks_find(&image->place, &image->dead, &image->stack_ranges);
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
		err = find_stacks(image);
	return err ? err : pass_memory(image);
}

static uint64_t thread_stop_ns(const struct heap_image *image)
{
	uint64_t max_ns = image->place.options->max_stop_ns;

	return max_ns < THREAD_STOP_NS ? max_ns : THREAD_STOP_NS;
}

static int look_stopped(struct heap_image *image)
{
	uint64_t began_ns = clock_now_ns();
	int err;

	*image->stop_began_ns = began_ns;
	image->stream.until_ns = image->place.options->max_stop_ns < UINT64_MAX - began_ns
					 ? began_ns + image->place.options->max_stop_ns
					 : 0;
	stop_resume(&image->stopped);
	err = stop_process(image->place.pid, thread_stop_ns(image), &image->stopped);
	if (!err) {
		image->place.stopped = image->place.threads = &image->stopped;
		image->time_ns = clock_now_ns();
		err = look(image);
		if (!err && image->place.options->census)
			err = stack_copies_take(image->place.pid, &image->stopped,
						&image->place.maps, &image->stacks);
		stop_release(&image->stopped);
	}
	*image->stop_began_ns = 0;
	image->stream.until_ns = 0;
	image->place.stopped = image->place.threads = NULL;
	image->stop_ns = clock_now_ns() - began_ns;
	return err;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	nanosleep(&t, NULL);
}

/* What the registers hold at this moment: a stop as short as can be. */
static int take_registers(struct heap_image *image)
{
	uint64_t began_ns = clock_now_ns();
	int err;

	*image->stop_began_ns = began_ns;
	err = stop_process(image->place.pid, thread_stop_ns(image), &image->stopped);
	stop_release(&image->stopped);
	*image->stop_began_ns = 0;
	image->stop_ns = clock_now_ns() - began_ns;
	return err;
}

static int look_running(struct heap_image *image)
{
	int err;

	stop_resume(&image->stopped);
	image->time_ns = clock_now_ns();
	image->stop_ns = 0;
	err = image->registers ? take_registers(image) : 0;
	if (!err && image->registers)
		image->place.threads = &image->stopped;
	if (!err)
		err = look(image);
	image->place.threads = NULL;
	return err;
}

int heap_image_take(struct heap_image *image, bool stop)
{
	unsigned int broken = 0;

	image->sound = false;
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
			return -EAGAIN;
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
		.stacks = image->stack_ranges.items,
		.stack_count = image->stack_ranges.count,
	};

	return reach_mark(&image->place.map, &image->edges, &roots, paths);
}
