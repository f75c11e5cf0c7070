// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/window.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/probe/probe_internal.h"
#include "capture/probe/shield.h"
#include "holdfast.skel.h"

/* Events are counted so often. */
#define LOOK_NS (4 * NS_PER_MS)

/* The probes of one module in one process. */
struct part {
	int pid, path_fd;
	struct probe_plan plan;
};

struct probe_window {
	struct probe *probe;
	VEC(struct part) parts;
	bool calls; /* functions of allocators are among them */
	struct fd_vec links;
	atomic_uint ended; /* a futex */
	const atomic_ulong
		*produced; /* bytes that went into the ring so far: its page of the kernel's */
	/* The run under way. */
	struct probe_window_hold hold;
	int err;
	struct budget_times times;
};

int probe_window_new(struct probe *probe, struct probe_window **ret)
{
	long page = sysconf(_SC_PAGESIZE);
	struct probe_window *window;
	void *produced;

	if (probe->way == PROBE_WAY_PERF)
		return -ENOTSUP;
	window = calloc(1, sizeof(*window));
	if (!window)
		return -ENOMEM;
	window->probe = probe;
	/* The second page of a ring (kernel/bpf/ringbuf.c, ringbuf_map_mmap_kern()). */
	produced = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, probe_ring_fd(probe), page);
	if (produced == MAP_FAILED) {
		free(window);
		return -errno;
	}
	window->produced = produced;
	*ret = window;
	return 0;
}

static void part_done(struct part *part)
{
	probe_plan_done(&part->plan);
	if (part->path_fd >= 0)
		close(part->path_fd);
}

void probe_window_free(struct probe_window *window)
{
	if (!window)
		return;
	for (size_t i = 0; i < window->parts.count; i++)
		part_done(&window->parts.items[i]);
	vec_done(&window->parts);
	vec_done(&window->links);
	munmap((void *)(uintptr_t)window->produced, (size_t)sysconf(_SC_PAGESIZE));
	free(window);
}

static int add_module(struct probe_window *window, int pid, const struct allocator_set *set,
		      size_t first)
{
	struct part part = {.pid = pid, .path_fd = module_open(set->functions[first].module)};
	struct probe_attached attached = {0};
	int err = part.path_fd < 0 ? part.path_fd : 0;

	if (!err)
		err = probe_plan_make(&part.plan, set, first, &attached);
	for (int kind = 0; kind < LINK_KINDS; kind++) {
		part.plan.lists[kind].pid = pid;
		part.plan.lists[kind].path_fd = part.path_fd;
	}
	if (!err)
		err = vec_push(&window->parts, part);
	if (err)
		part_done(&part);
	return err;
}

int probe_window_add(struct probe_window *window, const struct target *target,
		     const struct allocator_set *set)
{
	int err = 0;

	window->calls = true;
	for (size_t i = 0; !err && i < set->function_count; i++) {
		if (!set->functions[i].usdt.used && !probe_plan_has(set, 0, i))
			err = add_module(window, target->key.pid, set, i);
	}
	return err;
}

int probe_window_add_births(struct probe_window *window, int pid, const struct module *module,
			    const uint64_t *functions, size_t count)
{
	struct part part = {.pid = pid, .path_fd = module_open(module)};
	struct probe_list *list = &part.plan.lists[LINK_BIRTH];
	int err = part.path_fd < 0 ? part.path_fd : 0;

	list->pid = pid;
	list->path_fd = part.path_fd;
	for (size_t i = 0; !err && i < count; i++) {
		uint64_t offset;

		err = elf_file_address_to_offset(module->elf, functions[i], &offset);
		if (!err)
			err = vec_push(&list->offsets, offset);
		if (!err)
			err = vec_push(&list->cookies, 0);
	}
	if (!err)
		err = vec_push(&window->parts, part);
	if (err)
		part_done(&part);
	return err;
}

/* Releases first: a block that is handed out before its release can be seen is still right, the reverse is an unmatched
 * free. A process that ended meanwhile does not cost the others their window. */
static int open_links(struct probe_window *window)
{
	int err = 0;

	for (int kind = 0; kind < LINK_KINDS; kind++) {
		for (size_t i = 0; i < window->parts.count; i++) {
			int failed = links_attach_bare(window->probe, kind,
						       &window->parts.items[i].plan.lists[kind],
						       &window->links);

			err = failed ? failed : err;
		}
	}
	return window->links.count ? 0 : err ? err : -ENOENT;
}

/* No libc call that takes a lock: the thread whose thread-local memory this runs with only waits, but others run. */
static void wait_open(struct probe_window *window, uint64_t before_bytes)
{
	const struct probe_window_hold *hold = &window->hold;
	uint64_t one = 1, until_ns = window->times.opened_ns + hold->ns;

	if (hold->opened_fd >= 0 &&
	    write(hold->opened_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return;
	while (!atomic_load(&window->ended)) {
		uint64_t now_ns = clock_now_ns(), left_ns;
		struct timespec left;

		if (now_ns >= until_ns ||
		    atomic_load(window->produced) - before_bytes >= hold->most_bytes)
			return;
		left_ns = until_ns - now_ns < LOOK_NS ? until_ns - now_ns : LOOK_NS;
		left = (struct timespec){.tv_nsec = (long)left_ns};
		syscall(SYS_futex, &window->ended, FUTEX_WAIT_PRIVATE, 0, &left, NULL, 0);
	}
}

static void run_shielded(void *argument)
{
	struct probe_window *window = argument;
	uint64_t before_bytes = atomic_load(window->produced);

	window->times.open_ns = clock_now_ns();
	window->err = open_links(window);
	window->times.opened_ns = clock_now_ns();
	if (!window->err)
		wait_open(window, before_bytes);
	window->times.closing_ns = clock_now_ns();
	links_close(&window->links);
	window->times.closed_ns = clock_now_ns();
}

int probe_window_run(struct probe_window *window, const struct probe_window_hold *hold,
		     struct budget_times *ret)
{
	struct shield shield;

	window->hold = *hold;
	atomic_store(&window->ended, 0);
	/* Calls that began in an earlier window are over. */
	if (window->calls)
		probe_calls_over(window->probe);
	shield_start(&shield, run_shielded, window);
	shield_wait(&shield);
	if (window->calls)
		probe_calls_over(window->probe);
	*ret = window->times;
	return window->err;
}

void probe_window_end(struct probe_window *window)
{
	atomic_store(&window->ended, 1);
	syscall(SYS_futex, &window->ended, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
