// SPDX-License-Identifier: GPL-2.0-or-later
/* The machine's memory: pages of the process, copied when they are first touched, and pages from nowhere. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/code/machine_internal.h"

#define PAGES_MAX  (1u << 14)
#define GIVEN_MAX  4096
#define GIVEN_BASE 0x180000000000ull /* far from where the kernel maps anything of a process */
#define GIVEN_SIZE (1ull << 40)
#define PAGE_OF(a) ((a) & ~(uint64_t)(MACHINE_PAGE_BYTES - 1))

static bool is_given(const struct machine *m, uint64_t page)
{
	for (size_t i = 0; i < m->given.count; i++)
		if (page >= m->given.items[i].start && page < m->given.items[i].end)
			return true;
	return false;
}

static void page_free(struct machine_page *page)
{
	free(page->saved);
	free(page);
}

/* The page's content, from the process or, where it has none, zeros. */
static bool fill(struct machine *m, struct machine_page *page)
{
	page->access = m->source->page(m->source->user, page->address, page->bytes);
	m->torn_pages += page->access == MACHINE_WRITE;
	if (page->access != MACHINE_NONE)
		return true;
	page->fresh = true;
	page->access = MACHINE_WRITE;
	memset(page->bytes, 0, sizeof(page->bytes));
	return is_given(m, page->address);
}

static struct machine_page *page_load(struct machine *m, uint64_t address)
{
	struct machine_page *page;
	int err = -ENOMEM;

	if (m->pages.count >= PAGES_MAX) {
		machine_fail(m, -E2BIG);
		return NULL;
	}
	page = calloc(1, sizeof(*page));
	if (page) {
		page->address = address;
		err = fill(m, page) ? 0 : -EFAULT;
	}
	if (!err && page->fresh)
		err = vec_push(&m->changed, page);
	if (!err)
		err = map64_put(&m->pages, address, (uintptr_t)page);
	if (err) {
		if (page && m->changed.count && m->changed.items[m->changed.count - 1] == page)
			m->changed.count--;
		if (page)
			page_free(page);
		machine_fail(m, err);
		return NULL;
	}
	return page;
}

static struct machine_page *page_at(struct machine *m, uint64_t address)
{
	uint64_t start = PAGE_OF(address), value;

	if (m->latest && m->latest->address == start)
		return m->latest;
	if (map64_get(&m->pages, start, &value))
		m->latest = (struct machine_page *)(uintptr_t)value;
	else
		m->latest = page_load(m, start);
	return m->latest;
}

/* Its content before the first write is kept. */
static bool page_change(struct machine *m, struct machine_page *page)
{
	m->wrote |= page->address >= STACK_TOP || page->address < STACK_TOP - STACK_BYTES;
	if (page->access != MACHINE_WRITE) {
		machine_fail(m, -EFAULT);
		return false;
	}
	if (page->saved || page->fresh)
		return true;
	page->saved = malloc(sizeof(page->bytes));
	if (!page->saved || vec_push(&m->changed, page)) {
		free(page->saved);
		page->saved = NULL;
		machine_fail(m, -ENOMEM);
		return false;
	}
	memcpy(page->saved, page->bytes, sizeof(page->bytes));
	return true;
}

/* Moves bytes out of the pages (@write: into them), as far as the first that is not there. */
static bool transfer(struct machine *m, uint64_t address, void *bytes, size_t size, bool write)
{
	uint8_t *at = bytes;

	while (size) {
		struct machine_page *page = address >> 47 ? NULL : page_at(m, address);
		size_t offset = address % MACHINE_PAGE_BYTES, part = MACHINE_PAGE_BYTES - offset;

		if (!page || (write && !page_change(m, page))) {
			machine_fail(m, -EFAULT);
			return false;
		}
		if (part > size)
			part = size;
		if (write)
			memcpy(page->bytes + offset, at, part);
		else
			memcpy(at, page->bytes + offset, part);
		address += part;
		at += part;
		size -= part;
	}
	return true;
}

/* For the caller: what fails here is not the code's fault. */
static bool transfer_outside(struct machine *m, uint64_t address, void *bytes, size_t size,
			     bool write)
{
	int before = m->err;
	bool done;

	m->err = 0;
	done = transfer(m, address, bytes, size, write);
	m->err = before;
	return done;
}

bool machine_read(struct machine *machine, uint64_t address, void *ret_bytes, size_t size)
{
	return transfer_outside(machine, address, ret_bytes, size, false);
}

bool machine_write(struct machine *machine, uint64_t address, const void *bytes, size_t size)
{
	return transfer_outside(machine, address, (void *)(uintptr_t)bytes, size, true);
}

uint64_t memory_get(struct machine *m, uint64_t address, size_t size)
{
	uint64_t value = 0;

	return transfer(m, address, &value, size, false) ? value : 0;
}

void memory_put(struct machine *m, uint64_t address, uint64_t value, size_t size)
{
	(void)transfer(m, address, &value, size, true);
}

size_t memory_code(struct machine *m, uint8_t *ret_bytes)
{
	size_t size = ZYDIS_MAX_INSTRUCTION_LENGTH;

	/* It may end at the end of the last page. */
	while (size && !machine_read(m, m->pc, ret_bytes, size))
		size--;
	return size;
}

int memory_give_at(struct machine *m, uint64_t start, uint64_t end)
{
	if (m->given.count >= GIVEN_MAX)
		return -E2BIG;
	return vec_push(&m->given, (struct machine_range){PAGE_OF(start), end});
}

uint64_t memory_give(struct machine *m, uint64_t size)
{
	uint64_t start = m->next_given ? m->next_given : GIVEN_BASE;

	if (!size || size > GIVEN_SIZE || start + size > GIVEN_BASE + GIVEN_SIZE ||
	    memory_give_at(m, start, start + size))
		return 0;
	/* A page between two: what runs over its end is seen. */
	m->next_given = PAGE_OF(start + size + 2 * MACHINE_PAGE_BYTES - 1);
	return start;
}

void machine_reset(struct machine *m)
{
	for (size_t i = 0; i < m->changed.count; i++) {
		struct machine_page *page = m->changed.items[i];

		if (page->fresh) {
			map64_remove(&m->pages, page->address, NULL);
			page_free(page);
			continue;
		}
		memcpy(page->bytes, page->saved, sizeof(page->bytes));
		free(page->saved);
		page->saved = NULL;
	}
	vec_clear(&m->changed);
	vec_clear(&m->given);
	m->next_given = 0;
	m->latest = NULL;
}

VEC_STRUCT(page_vec, struct machine_page *);

static int list_writable(const struct machine *m, struct page_vec *ret)
{
	int err = 0;

	for (struct map64_iter it = {0}; !err && map64_next(&m->pages, &it);) {
		struct machine_page *page = (struct machine_page *)(uintptr_t)it.value;

		if (page->access == MACHINE_WRITE)
			err = vec_push(ret, page);
	}
	return err;
}

/* As they are at one moment. False: it can't be had. */
static bool read_at_once(const struct machine *m, const struct page_vec *pages, uint8_t *ret_bytes)
{
	_cleanup_free_ uint64_t *addresses = calloc(pages->count + 1, sizeof(*addresses));

	if (!addresses || !m->source->pages_at_once)
		return false;
	for (size_t i = 0; i < pages->count; i++)
		addresses[i] = pages->items[i]->address;
	return !m->source->pages_at_once(m->source->user, addresses, pages->count, ret_bytes);
}

bool machine_refresh(struct machine *m)
{
	struct page_vec pages = VEC_INIT;
	_cleanup_free_ uint8_t *bytes = NULL;
	bool changed = false, at_once = false;

	machine_reset(m);
	if (!list_writable(m, &pages))
		bytes = malloc((pages.count + 1) * MACHINE_PAGE_BYTES);
	if (!bytes)
		pages.count = 0;
	else
		at_once = read_at_once(m, &pages, bytes);
	for (size_t i = 0; i < pages.count; i++) {
		struct machine_page *page = pages.items[i];
		uint8_t *now = bytes + i * MACHINE_PAGE_BYTES;

		if (!at_once)
			page->access = m->source->page(m->source->user, page->address, now);
		if (page->access == MACHINE_NONE)
			memset(now, 0, MACHINE_PAGE_BYTES);
		changed |= memcmp(page->bytes, now, MACHINE_PAGE_BYTES) != 0;
		memcpy(page->bytes, now, MACHINE_PAGE_BYTES);
	}
	m->torn_pages = at_once ? 0 : pages.count;
	vec_done(&pages);
	return changed || !bytes;
}

bool machine_load(struct machine *m, uint64_t start, uint64_t end)
{
	uint8_t byte;

	for (; start < end; start += MACHINE_PAGE_BYTES)
		if (m->pages.count >= PAGES_MAX / 2)
			return false;
		else
			(void)machine_read(m, start, &byte, sizeof(byte));
	return true;
}

size_t machine_torn_pages(const struct machine *m)
{
	return m->torn_pages;
}

void memory_done(struct machine *m)
{
	machine_reset(m);
	for (struct map64_iter it = {0}; map64_next(&m->pages, &it);)
		page_free((struct machine_page *)(uintptr_t)it.value);
	map64_done(&m->pages);
	vec_done(&m->changed);
	vec_done(&m->given);
}
