// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/look.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "account/heap/stop.h"
#include "account/pyheap/census.h"
#include "account/pyheap/examine.h"
#include "account/pyheap/snapshot.h"
#include "base/clock.h"

#define TRIES_MAX      40
#define TRY_AGAIN_NS   (5 * NS_PER_MS)
#define THREAD_STOP_NS (100 * NS_PER_MS)
#define COPY_OF_MEMORY \
	2 /* 1 / this of the memory bound is for the copy, the rest for what is found in it */
/* Stopped for less than what the kernel's own scheduling takes, nothing can be copied. */
#define COPY_BYTES_PER_NS 2

struct look {
	const struct pyheap_options *options;
	_Atomic uint64_t *stop_began_ns;
	struct py_heap heap;
	bool stop;
	struct pyheap_snapshot snapshot;
};

static void sleep_ns(uint64_t ns)
{
	const struct timespec t = {0, (long)ns};

	(void)nanosleep(&t, NULL);
}

/* Is the collector at work? While it is, its lists are in pieces: no use to stop the process then. */
static bool is_collecting(const struct look *look)
{
	struct python_collector collector;

	return !python_collector_read(look->options->pid, look->options->runtime, &collector) &&
	       collector.collecting;
}

static int copy_stopped(struct look *look)
{
	struct stopped_process stopped = {0};
	int err;

	*look->stop_began_ns = look->snapshot.time_ns = clock_now_ns();
	err = stop_process(look->options->pid, THREAD_STOP_NS, &stopped);
	if (!err && is_collecting(look))
		err = -EAGAIN;
	if (!err)
		err = py_memory_take(&look->heap.memory, true);
	stop_release(&stopped);
	look->snapshot.stop_ns = clock_now_ns() - look->snapshot.time_ns;
	*look->stop_began_ns = 0;
	stop_resume(&stopped);
	return err;
}

static int copy(struct look *look)
{
	int err = -EAGAIN;

	for (unsigned int i = 0; err == -EAGAIN && i < TRIES_MAX; i++) {
		if (i)
			sleep_ns(TRY_AGAIN_NS);
		if (i + 1 < TRIES_MAX && is_collecting(look))
			continue;
		if (look->stop) {
			err = copy_stopped(look);
		} else {
			look->snapshot.time_ns = clock_now_ns();
			err = py_memory_take(&look->heap.memory, true);
		}
	}
	return err;
}

static int prepare(struct look *look)
{
	const struct pyheap_options *o = look->options;
	uint64_t bytes;
	int err = py_memory_open(o->pid, o->memory_bytes / COPY_OF_MEMORY, &look->heap.memory);

	if (!err)
		err = py_memory_prepare(&look->heap.memory, &bytes);
	if (err)
		return err;
	look->stop = !o->no_stop && bytes / COPY_BYTES_PER_NS <= o->max_stop_ns;
	return 0;
}

static const char *why_not_stopped(const struct look *look)
{
	return look->stop               ? ""
	       : look->options->no_stop ? "it was not stopped"
					: "to copy it would have taken longer than --max-stop";
}

static int work(struct look *look, int fd)
{
	struct rusage usage;
	int err = prepare(look);

	if (!err)
		err = copy(look);
	if (!err) {
		(void)setpriority(PRIO_PROCESS, 0, 10);
		look->snapshot.stopped = look->stop;
		look->snapshot.reason = why_not_stopped(look);
		look->snapshot.copied_bytes = look->heap.memory.page_count * PAGE_BYTES;
		err = py_examine(&look->heap, look->stop, look->options->holders, &look->snapshot);
	}
	if (err)
		return err;
	getrusage(RUSAGE_SELF, &usage);
	look->snapshot.memory_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
	return pyheap_snapshot_pack(&look->snapshot, fd);
}

int pyheap_look(const struct pyheap_options *options, _Atomic uint64_t *stop_began_ns, int fd)
{
	struct look *look = calloc(1, sizeof(*look));
	int err;

	if (!look)
		return -ENOMEM;
	look->options = options;
	look->stop_began_ns = stop_began_ns;
	look->snapshot.pid = options->pid;
	py_heap_init(&look->heap, options->runtime,
		     options->memory_bytes - options->memory_bytes / COPY_OF_MEMORY);
	err = work(look, fd);
	py_census_done(&look->snapshot);
	py_heap_done(&look->heap);
	free(look);
	return err;
}
