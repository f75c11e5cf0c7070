/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/symbol_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <elf.h>

#include "process/elf/elf_file.h"
#include "process/symbol/plt.h"

#define MAX_EXECUTABLE_SEGMENTS 16
#define MAX_SYMBOLS             ((size_t)16 << 20)
/* A pointer of this program has its top bit clear. */
#define PLT_BIT ((uint64_t)1 << 63)

struct candidate {
	uint64_t address, size;
	const char *name;
	uint8_t rank;
	bool plt;
};

VEC_STRUCT(candidate_vec, struct candidate);

struct collector {
	struct candidate_vec found;
	struct {
		uint64_t start, end;
	} executable[MAX_EXECUTABLE_SEGMENTS];
	size_t executable_count;
	size_t sorted_count; /* the first so many of found are sorted, one an address */
};

static void collect_segments(struct collector *c, const struct elf_file *file)
{
	size_t count = elf_file_segment_count(file);

	for (size_t i = 0; i < count && c->executable_count < MAX_EXECUTABLE_SEGMENTS; i++) {
		const struct elf_segment *segment = elf_file_segment(file, i);
		uint64_t end;

		if (!segment->executable)
			continue;
		if (__builtin_add_overflow(segment->address, segment->memory_bytes, &end))
			end = UINT64_MAX;
		c->executable[c->executable_count].start = segment->address;
		c->executable[c->executable_count++].end = end;
	}
}

/* The end of the executable segment that holds @address; 0: none does. */
static uint64_t segment_end(const struct collector *c, uint64_t address)
{
	for (size_t i = 0; i < c->executable_count; i++)
		if (address >= c->executable[i].start && address < c->executable[i].end)
			return c->executable[i].end;
	return 0;
}

static uint8_t rank_of(const struct elf_symbol *symbol)
{
	uint8_t rank = symbol->type == STT_NOTYPE ? 0 : 8;

	if (symbol->bind == STB_GLOBAL || symbol->bind == STB_GNU_UNIQUE)
		rank |= 4;
	else if (symbol->bind == STB_WEAK)
		rank |= 2;
	return rank | (symbol->size != 0);
}

static int collect_symbol(const struct elf_symbol *symbol, void *user)
{
	struct collector *c = user;

	if (!symbol->defined || !symbol->name[0] || c->found.count >= MAX_SYMBOLS)
		return 0;
	if (symbol->type != STT_FUNC && symbol->type != STT_GNU_IFUNC && symbol->type != STT_NOTYPE)
		return 0;
	if (!segment_end(c, symbol->address))
		return 0;
	return vec_push(&c->found, (struct candidate){.address = symbol->address,
						      .size = symbol->size,
						      .name = symbol->name,
						      .rank = rank_of(symbol)});
}

static size_t leading_underscores(const char *name)
{
	return strspn(name, "_");
}

static int compare_names(const char *a, const char *b)
{
	size_t underscores_a = leading_underscores(a), underscores_b = leading_underscores(b);
	size_t len_a, len_b;

	if (underscores_a != underscores_b)
		return underscores_a < underscores_b ? -1 : 1;
	len_a = strlen(a);
	len_b = strlen(b);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(a, b);
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->name == y->name ? 0 : compare_names(x->name, y->name);
}

/* One symbol an address, the best; it inherits a size if it has none. */
static void keep_best(struct collector *c)
{
	struct candidate *items = c->found.items;
	size_t kept = 0;

	if (c->found.count)
		qsort(items, c->found.count, sizeof(*items), compare_candidates);
	for (size_t i = 0; i < c->found.count; i++) {
		if (!kept || items[kept - 1].address != items[i].address)
			items[kept++] = items[i];
		else if (!items[kept - 1].size)
			items[kept - 1].size = items[i].size;
	}
	c->found.count = kept;
	c->sorted_count = kept;
}

static int compare_address_only(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int collect_stub(const struct plt_stub *stub, void *user)
{
	struct collector *c = user;
	struct candidate key = {.address = stub->resolver}, *ifunc;
	const char *name = stub->name;

	if (!name && c->sorted_count) {
		ifunc = bsearch(&key, c->found.items, c->sorted_count, sizeof(key),
				compare_address_only);
		name = ifunc ? ifunc->name : NULL;
	}
	if (!name || !segment_end(c, stub->address) || c->found.count >= MAX_SYMBOLS)
		return 0;
	return vec_push(&c->found, (struct candidate){.address = stub->address,
						      .size = stub->size,
						      .name = name,
						      .plt = true});
}

/* A label inside a sized function is no function of its own; other unsized symbols reach to the next. */
static int make_ranges(struct collector *c, struct range_entry_vec *entries)
{
	uint64_t covered_until = 0;
	int err = vec_reserve(entries, c->found.count);

	for (size_t i = 0; !err && i < c->found.count; i++) {
		const struct candidate *it = &c->found.items[i];
		uint64_t limit = segment_end(c, it->address), end;

		if (it->size) {
			if (__builtin_add_overflow(it->address, it->size, &end) || end > limit)
				end = limit;
		} else {
			if (it->address < covered_until)
				continue;
			end = i + 1 < c->found.count ? c->found.items[i + 1].address : limit;
			if (end > limit)
				end = limit;
		}
		if (it->size && end > covered_until)
			covered_until = end;
		err = vec_push(entries, (struct range_entry){.start = it->address,
							     .end = end,
							     .value = (uintptr_t)it->name |
								      (it->plt ? PLT_BIT : 0)});
	}
	return err;
}

int symbol_table_init(struct symbol_table *ret, struct elf_file *const *files, size_t count)
{
	struct range_entry_vec entries = VEC_INIT;
	struct collector c = {.found = VEC_INIT};
	struct symbol_table table;
	int err = 0;

	collect_segments(&c, files[0]);
	for (size_t i = 0; !err && i < count; i++)
		err = elf_file_for_each_symbol(files[i], collect_symbol, &c);
	if (err != -ENOMEM) {
		keep_best(&c);
		err = plt_for_each(files[0], collect_stub, &c);
		keep_best(&c);
	}
	if (err != -ENOMEM)
		err = make_ranges(&c, &entries);
	if (err != -ENOMEM)
		err = range_table_init(&table.ranges, entries.items, entries.count);
	vec_done(&c.found);
	vec_done(&entries);
	if (err)
		return err;
	*ret = table;
	return 0;
}

void symbol_table_done(struct symbol_table *table)
{
	range_table_done(&table->ranges);
}

bool symbol_table_find(const struct symbol_table *table, uint64_t address, struct symbol_hit *ret)
{
	uint64_t value, start;

	if (!range_table_find(&table->ranges, address, &value, &start))
		return false;
	*ret = (struct symbol_hit){.name = (const char *)(uintptr_t)(value & ~PLT_BIT),
				   .start = start,
				   .plt = value & PLT_BIT};
	return true;
}

static int stop_at_static(const struct elf_symbol *symbol, void *user)
{
	(void)user;
	return !symbol->dynamic && symbol->defined && symbol->type == STT_FUNC;
}

bool symbol_table_has_symtab(const struct elf_file *file)
{
	return elf_file_for_each_symbol(file, stop_at_static, NULL) == 1;
}
