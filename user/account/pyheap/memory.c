// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define SLOT_NONE        0
#define SLOT_MISSING     UINT32_MAX
#define RUNS_MAX         512 /* in one call */
#define RUN_PAGES        1024
#define SPARE_PAGES      4096 /* that may come between counting and copying */
#define REGION_MAX_BYTES (1ULL << 40)

int py_memory_open(int pid, uint64_t bound_bytes, struct py_memory *ret)
{
	struct py_memory m = {.pid = pid};
	int err = memory_stream_open(pid, &m.stream);
	void *pages;

	if (err)
		return err;
	m.page_max = bound_bytes / PAGE_BYTES;
	if (m.page_max > SLOT_MISSING - 1)
		m.page_max = SLOT_MISSING - 1;
	pages = mmap(NULL, m.page_max * PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!m.page_max || pages == MAP_FAILED) {
		memory_stream_close(&m.stream);
		return -ENOMEM;
	}
	m.pages = pages;
	(void)madvise(pages, m.page_max * PAGE_BYTES, MADV_HUGEPAGE);
	*ret = m;
	return 0;
}

static void drop_regions(struct py_memory *memory)
{
	for (size_t i = 0; i < memory->region_count; i++)
		free(memory->regions[i].slots);
	free(memory->regions);
	maps_done(&memory->maps);
	memory->regions = NULL;
	memory->region_count = memory->last = 0;
}

void py_memory_close(struct py_memory *memory)
{
	drop_regions(memory);
	if (memory->pages)
		munmap(memory->pages, memory->page_max * PAGE_BYTES);
	memory_stream_close(&memory->stream);
	*memory = (struct py_memory){0};
}

static bool begins(const struct mapping *m, const char *prefix)
{
	return !strncmp(m->path, prefix, strlen(prefix));
}

static bool is_written(const struct mapping *m)
{
	return m->prot & PROT_WRITE && !m->shared && !begins(m, "[vvar") && !begins(m, "[uprobes");
}

/* Address space that is only reserved, the kernel's own mappings and devices are none of the process's memory. */
static bool is_memory(const struct mapping *m)
{
	return m->prot & PROT_READ && m->end - m->start <= REGION_MAX_BYTES &&
	       !begins(m, "[vvar") && !begins(m, "[vsyscall") && !begins(m, "/dev/");
}

static int read_regions(struct py_memory *memory)
{
	int err;

	drop_regions(memory);
	err = maps_read(memory->pid, &memory->maps);
	if (err)
		return err;
	memory->regions = calloc(memory->maps.count + 1, sizeof(*memory->regions));
	if (!memory->regions)
		return -ENOMEM;
	for (size_t i = 0; i < memory->maps.count; i++) {
		const struct mapping *m = &memory->maps.items[i];

		if (!is_memory(m))
			continue;
		memory->regions[memory->region_count++] =
			(struct py_region){.start = m->start,
					   .end = m->end,
					   .written = is_written(m),
					   .anonymous = !m->inode};
	}
	return 0;
}

int py_memory_prepare(struct py_memory *memory, uint64_t *ret_bytes)
{
	uint64_t pages;
	int err = read_regions(memory);

	memory->stream.present_bytes = 0;
	for (size_t i = 0; !err && i < memory->region_count; i++) {
		const struct py_region *r = &memory->regions[i];
		const struct stream_range range = {r->start, r->end, STREAM_COUNT};

		if (r->written)
			err = memory_stream_range(&memory->stream, range, NULL, NULL);
	}
	*ret_bytes = memory->stream.present_bytes;
	pages = *ret_bytes / PAGE_BYTES + SPARE_PAGES;
	if (err || pages > memory->page_max)
		return err ? err : -ENOSPC;
	memory->prepared = pages;
	/* Touched now: a page fault within the stop costs as much as copying the page. */
	if (madvise(memory->pages, pages * PAGE_BYTES, MADV_POPULATE_WRITE))
		for (uint64_t i = 0; i < pages; i++)
			((volatile uint8_t *)memory->pages)[i * PAGE_BYTES] = 0;
	return 0;
}

/* Runs of pages that are fetched in one call, one behind the other. */
struct fetch {
	struct iovec runs[RUNS_MAX];
	size_t count;
	uint64_t first, pages; /* in the copy */
};

/* A page that the kernel refuses is left out: its slot holds zeros. */
static int fetch_all(struct py_memory *memory, struct fetch *f)
{
	size_t run = 0;
	uint64_t done = 0;

	while (done < f->pages) {
		struct iovec local = {memory->pages + (f->first + done) * PAGE_BYTES,
				      (f->pages - done) * PAGE_BYTES};
		ssize_t got =
			process_vm_readv(memory->pid, &local, 1, f->runs + run, f->count - run, 0);
		uint64_t pages = got > 0 ? (uint64_t)got / PAGE_BYTES : 0;

		if (got < 0 && errno != EFAULT)
			return -errno;
		if (pages < f->pages - done) {
			memset(memory->pages + (f->first + done + pages) * PAGE_BYTES, 0,
			       PAGE_BYTES);
			memory->unreadable_bytes += PAGE_BYTES;
			pages++;
		}
		done += pages;
		for (uint64_t left = pages * PAGE_BYTES; left;) {
			uint64_t take = f->runs[run].iov_len < left ? f->runs[run].iov_len : left;

			f->runs[run].iov_base = (char *)f->runs[run].iov_base + take;
			f->runs[run].iov_len -= take;
			left -= take;
			run += !f->runs[run].iov_len;
		}
	}
	f->count = 0;
	f->pages = 0;
	f->first = memory->page_count;
	return 0;
}

static int add_run(struct py_memory *memory, struct fetch *f, uint64_t address, size_t pages)
{
	if (memory->page_count + pages > memory->page_max)
		return -ENOSPC;
	f->runs[f->count++] = (struct iovec){(void *)(uintptr_t)address, pages * PAGE_BYTES};
	f->pages += pages;
	memory->page_count += pages;
	return f->count == RUNS_MAX ? fetch_all(memory, f) : 0;
}

static int copy_region(struct py_memory *memory, struct fetch *f, struct py_region *region)
{
	uint64_t address = region->start;
	size_t pages;
	int err = 0;

	while (!err &&
	       (pages = memory_stream_run(&memory->stream, &address, region->end, RUN_PAGES))) {
		uint64_t first = (address - region->start) / PAGE_BYTES;

		if (!region->slots)
			region->slots = calloc((region->end - region->start) / PAGE_BYTES,
					       sizeof(*region->slots));
		if (!region->slots)
			return -ENOMEM;
		for (size_t i = 0; i < pages; i++)
			region->slots[first + i] = (uint32_t)(memory->page_count + i + 1);
		err = add_run(memory, f, address, pages);
		address += pages * PAGE_BYTES;
	}
	return err;
}

int py_memory_take(struct py_memory *memory, bool copy)
{
	struct fetch f = {0};
	int err = read_regions(memory);

	memset(memory->recent, 0, sizeof(memory->recent));
	memory->page_count = 0;
	memory->unreadable_bytes = 0;
	for (size_t i = 0; copy && !err && i < memory->region_count; i++)
		if (memory->regions[i].written)
			err = copy_region(memory, &f, &memory->regions[i]);
	if (!err && f.count)
		err = fetch_all(memory, &f);
	memory->on_demand = !err;
	return err;
}

static struct py_region *find_region(struct py_memory *memory, uint64_t address)
{
	size_t low = 0, high = memory->region_count;
	struct py_region *r = &memory->regions[memory->last];

	if (memory->region_count && address >= r->start && address < r->end)
		return r;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		r = &memory->regions[middle];
		if (address < r->start)
			high = middle;
		else if (address >= r->end)
			low = middle + 1;
		else {
			memory->last = middle;
			return r;
		}
	}
	return NULL;
}

/* One that was not copied. */
static uint32_t read_page(struct py_memory *memory, struct py_region *region, uint64_t page)
{
	uint64_t address = region->start + page * PAGE_BYTES;

	if (!region->slots)
		region->slots =
			calloc((region->end - region->start) / PAGE_BYTES, sizeof(*region->slots));
	if (!region->slots || memory->page_count == memory->page_max)
		return SLOT_MISSING;
	if (!memory_read(memory->pid, address, memory->pages + memory->page_count * PAGE_BYTES,
			 PAGE_BYTES)) {
		region->slots[page] = SLOT_MISSING;
		return SLOT_MISSING;
	}
	region->slots[page] = (uint32_t)++memory->page_count;
	return region->slots[page];
}

/* A page of the copy; NULL: not there. What was copied whole has no more pages than it had. */
static const uint8_t *find_page(struct py_memory *memory, uint64_t address)
{
	struct py_region *region = find_region(memory, address);
	uint64_t page;
	uint32_t slot;

	if (!region)
		return NULL;
	page = (address - region->start) / PAGE_BYTES;
	slot = region->slots ? region->slots[page] : SLOT_NONE;
	if (slot == SLOT_NONE && memory->on_demand &&
	    !(region->written && region->anonymous && memory->prepared))
		slot = read_page(memory, region, page);
	return slot == SLOT_NONE || slot == SLOT_MISSING
		       ? NULL
		       : memory->pages + (uint64_t)(slot - 1) * PAGE_BYTES;
}

static const uint8_t *page_at(struct py_memory *memory, uint64_t address)
{
	uint64_t number = address / PAGE_BYTES;
	struct py_recent *recent = &memory->recent[number % PY_MEMORY_RECENT];

	if (recent->page && recent->number == number)
		return recent->page;
	*recent = (struct py_recent){number, find_page(memory, address)};
	return recent->page;
}

bool py_memory_copy(struct py_memory *memory, uint64_t address, void *ret, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t offset = (address + done) % PAGE_BYTES, take = PAGE_BYTES - offset;
		const uint8_t *page = page_at(memory, address + done);

		if (!page)
			return false;
		take = take < size - done ? take : size - done;
		memcpy((uint8_t *)ret + done, page + offset, take);
		done += take;
	}
	return true;
}

const uint64_t *py_memory_words(struct py_memory *memory, uint64_t address, uint64_t max,
				uint64_t *ret_count)
{
	uint64_t count = (PAGE_BYTES - address % PAGE_BYTES) / 8;
	const uint8_t *page = address % 8 || !max ? NULL : page_at(memory, address);

	*ret_count = page ? count < max ? count : max : 0;
	return page ? (const uint64_t *)(const void *)(page + address % PAGE_BYTES) : NULL;
}

bool py_memory_is_mapped(struct py_memory *memory, uint64_t address)
{
	return find_region(memory, address);
}

uint64_t py_memory_word(struct py_memory *memory, uint64_t address)
{
	uint64_t count;
	const uint64_t *word = py_memory_words(memory, address, 1, &count);

	return word ? *word : 0;
}

bool py_memory_text(struct py_memory *memory, uint64_t address, char *ret, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!py_memory_copy(memory, address + i, &ret[i], 1) ||
		    (ret[i] && (ret[i] < ' ' || ret[i] > '~')))
			return false;
		if (!ret[i])
			return i > 0;
	}
	return false;
}
