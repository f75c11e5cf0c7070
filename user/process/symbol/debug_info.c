/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/debug_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dwarf.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "process/symbol/debug_info_internal.h"
#include "process/symbol/debug_supplement.h"

#define MAX_UNITS           ((size_t)1 << 20)
#define MAX_LINE_UNIT_BYTES ((uint64_t)16 << 20)
/* Raw line programs read before libdw is made to forget them. */
#define MAX_LINE_BYTES_HELD ((uint64_t)4 << 20)
#define NAMES_MAX_BYTES     ((uint64_t)16 << 20)
/* A large budget to begin with, for big units; what is left then grows with each question. */
#define STEPS_AT_START     ((uint64_t)64 << 20)
#define STEPS_PER_QUESTION ((uint64_t)20000)

/* A compile unit. */
struct unit {
	Dwarf_Off offset;             /* of its entry */
	struct range_table functions; /* -> entry offset */
	bool indexed, deep;
	uint64_t line_bytes; /* known once asked; counted when libdw holds its lines */
	bool lines_held;
};

VEC_STRUCT(unit_vec, struct unit);

struct debug_info {
	struct debug_elf_file source, supplementary;
	struct debug_supplement empty; /* stands in for a supplementary file that was not found */
	Elf *elf, *alternate_elf;
	Dwarf *dwarf, *alternate;
	bool once;                    /* libdw cannot be closed and opened on the same handle */
	const Elf_Data *line_section; /* uncompressed; owned by the ELF handle */
	bool listed;
	struct unit_vec units;
	struct range_table unit_ranges; /* -> index in units */
	struct die_names names;
	struct die_budget budget;
	uint64_t line_bytes_held;
	uint64_t curtailed;
};

static void add_areas(struct debug_info *info, Elf *elf)
{
	static const char *const sections[] = {".debug_info", ".debug_types"};

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		Elf_Scn *section = debug_elf_section(elf, sections[i]);
		const Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
		const char *start = data ? data->d_buf : NULL;

		if (start)
			info->names.areas[info->names.area_count++] =
				(struct die_area){start, start + data->d_size};
	}
}

static Dwarf *begin_dwarf(Elf *elf)
{
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);

	if (dwarf && !debug_elf_strings_end(elf)) {
		dwarf_end(dwarf);
		return NULL;
	}
	return dwarf;
}

static int open_dwarf(struct debug_info *info)
{
	Elf_Scn *lines;
	int err = 0;

	if (info->dwarf)
		return 0;
	if (!info->elf)
		err = debug_elf_open(&info->source, &info->elf, &info->once);
	if (err)
		return err;
	info->dwarf = begin_dwarf(info->elf);
	if (!info->dwarf)
		return -ENOENT;
	if (!info->alternate_elf &&
	    !debug_elf_open(&info->supplementary, &info->alternate_elf, NULL))
		info->alternate = begin_dwarf(info->alternate_elf);
	/* without one libdw would open whatever path the file names */
	dwarf_setalt(info->dwarf, info->alternate ? info->alternate : info->empty.dwarf);
	lines = debug_elf_section(info->elf, ".debug_line");
	info->line_section = lines ? elf_getdata(lines, NULL) : NULL;
	/* only now: dwarf_begin_elf() inflates compressed sections */
	info->names.area_count = 0;
	add_areas(info, info->elf);
	if (info->alternate)
		add_areas(info, info->alternate_elf);
	return 0;
}

/* Forgets the line tables. */
static void close_dwarf(struct debug_info *info)
{
	if (info->dwarf)
		dwarf_end(info->dwarf);
	info->dwarf = NULL;
	for (size_t i = 0; i < info->units.count; i++)
		info->units.items[i].lines_held = false;
	info->line_bytes_held = 0;
}

void debug_info_release(struct debug_info *info)
{
	close_dwarf(info);
	if (info->alternate)
		dwarf_end(info->alternate);
	if (info->alternate_elf)
		elf_end(info->alternate_elf);
	if (info->elf)
		elf_end(info->elf);
	info->alternate = NULL;
	info->elf = info->alternate_elf = NULL;
}

int debug_info_new(const struct debug_elf_file *file, const struct debug_elf_file *supplementary,
		   struct debug_info **ret)
{
	struct debug_info *info = calloc(1, sizeof(*info));
	int err;

	if (!info)
		return -ENOMEM;
	info->source = *file;
	info->supplementary = *supplementary;
	info->budget.steps = STEPS_AT_START;
	arena_init(&info->names.arena, NAMES_MAX_BYTES);
	map64_init(&info->names.by_die, hash_seed_random());
	err = debug_supplement_init(&info->empty);
	if (!err)
		err = open_dwarf(info);
	if (err) {
		debug_info_free(info);
		return err;
	}
	*ret = info;
	return 0;
}

void debug_info_free(struct debug_info *info)
{
	if (!info)
		return;
	debug_info_release(info);
	debug_supplement_done(&info->empty);
	for (size_t i = 0; i < info->units.count; i++)
		range_table_done(&info->units.items[i].functions);
	vec_done(&info->units);
	range_table_done(&info->unit_ranges);
	map64_done(&info->names.by_die);
	arena_done(&info->names.arena);
	free(info);
}

uint64_t debug_info_curtailed(const struct debug_info *info)
{
	return info->curtailed;
}

struct unit_collector {
	struct range_entry_vec entries;
	size_t index;
};

static int collect_unit_range(uint64_t start, uint64_t end, void *user)
{
	struct unit_collector *c = user;

	/* what the linker dropped is left at address 0 */
	if (!start)
		return 0;
	return vec_push(&c->entries,
			(struct range_entry){.start = start, .end = end, .value = c->index});
}

static int collect_unit(struct debug_info *info, Dwarf_Die *die, struct unit_collector *c)
{
	struct unit unit = {.offset = dwarf_dieoffset(die)};
	int err;

	c->index = info->units.count;
	err = vec_push(&info->units, unit);
	return err ? err : die_for_each_range(die, &info->budget, collect_unit_range, c);
}

/* Sorts the file's units by the addresses they cover. */
static int list_units(struct debug_info *info)
{
	struct unit_collector c = {.entries = VEC_INIT};
	Dwarf_CU *cu = NULL;
	uint8_t type;
	Dwarf_Die die;
	int err = 0;

	while (!err && info->units.count < MAX_UNITS && die_budget_take(&info->budget) &&
	       !dwarf_get_units(info->dwarf, cu, &cu, NULL, &type, &die, NULL)) {
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			err = collect_unit(info, &die, &c);
	}
	if (!err)
		err = range_table_init(&info->unit_ranges, c.entries.items, c.entries.count);
	vec_done(&c.entries);
	info->listed = !err;
	if (err)
		vec_clear(&info->units);
	return err;
}

static int index_unit(struct debug_info *info, struct unit *unit, Dwarf_Die *die, bool deep)
{
	struct range_entry_vec entries = VEC_INIT;
	struct range_table table;
	int err = die_collect_functions(die, deep, &info->budget, &entries);

	if (!err)
		err = range_table_init(&table, entries.items, entries.count);
	vec_done(&entries);
	if (err)
		return err;
	range_table_done(&unit->functions);
	unit->functions = table;
	unit->indexed = true;
	unit->deep = deep;
	return 0;
}

struct place {
	struct unit *unit;
	Dwarf_Die unit_die;
	Dwarf_Die function;
	uint64_t start;
	bool has_function;
};

/* Fills in the function, if the unit tells of one there. 0 or -ENOMEM. */
static int find_function(struct debug_info *info, uint64_t address, struct place *at)
{
	struct unit *unit = at->unit;
	uint64_t offset;
	int err = 0;

	if (!unit->indexed)
		err = index_unit(info, unit, &at->unit_die, false);
	if (!err && !range_table_find(&unit->functions, address, &offset, &at->start)) {
		if (!unit->deep)
			err = index_unit(info, unit, &at->unit_die, true);
		if (err || !range_table_find(&unit->functions, address, &offset, &at->start))
			return err;
	}
	if (!err)
		at->has_function = dwarf_offdie(info->dwarf, offset, &at->function);
	return err;
}

/* The size of a unit's line program; 0: it has none. */
static uint64_t line_program_bytes(const struct debug_info *info, Dwarf_Die *unit)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset;
	struct cursor c;
	uint64_t size;

	if (!info->line_section || !info->line_section->d_buf ||
	    dwarf_formudata(dwarf_attr(unit, DW_AT_stmt_list, &attribute), &offset) ||
	    offset >= info->line_section->d_size)
		return 0;
	c = cursor_window(info->line_section->d_buf, info->line_section->d_size, offset,
			  info->line_section->d_size - offset);
	size = cursor_u32(&c);
	if (size == UINT32_MAX)
		size = cursor_u64(&c);
	return c.bad || size > cursor_left(&c) ? 0 : size;
}

/* May libdw read the unit's lines? Counts what it then holds. */
static bool lines_allowed(struct debug_info *info, struct unit *unit, Dwarf_Die *die)
{
	if (unit->lines_held)
		return true;
	unit->line_bytes = line_program_bytes(info, die);
	if (!unit->line_bytes || !die_directory_is_sound(&info->names, die))
		return false;
	if (unit->line_bytes > MAX_LINE_UNIT_BYTES) {
		info->budget.exhausted = true;
		return false;
	}
	info->line_bytes_held += unit->line_bytes;
	unit->lines_held = true;
	return true;
}

static void add_address_line(Dwarf_Die *unit, uint64_t address, struct debug_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, address);
	int number = 0;

	if (!line)
		return;
	frame->file = dwarf_linesrc(line, NULL, NULL);
	if (!dwarf_lineno(line, &number) && number > 0)
		frame->line = (uint32_t)number;
}

/* Where the inlined function was called. */
static void add_call_line(Dwarf_Die *unit, Dwarf_Die *inlined, struct debug_frame *frame)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word value;
	size_t count;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) &&
	    !dwarf_getsrcfiles(unit, &files, &count) && value < count)
		frame->file = dwarf_filesrc(files, value, NULL, NULL);
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) &&
	    value <= UINT32_MAX)
		frame->line = (uint32_t)value;
}

static int fill_frames(struct debug_info *info, struct place *at, uint64_t address,
		       struct debug_frame_vec *frames)
{
	bool lines = lines_allowed(info, at->unit, &at->unit_die);
	Dwarf_Die chain[DIE_MAX_INLINE];
	size_t count = 0;
	int err = 0;

	if (at->has_function)
		count = die_inlined_at(&at->function, address, &info->budget, chain);
	for (size_t i = count + 1; !err && i-- > 0;) {
		struct debug_frame frame = {.inlined = i > 0};

		if (lines && i == count)
			add_address_line(&at->unit_die, address, &frame);
		else if (lines)
			add_call_line(&at->unit_die, &chain[i], &frame);
		if (i > 0)
			frame.name = die_name(&chain[i - 1], &info->names, &info->budget);
		else if (at->has_function)
			frame.name = die_name(&at->function, &info->names, &info->budget);
		if (i == 0)
			frame.start = at->start;
		err = vec_push(frames, frame);
	}
	return err;
}

static int find_place(struct debug_info *info, uint64_t address, struct place *ret)
{
	uint64_t index;
	int err = open_dwarf(info);

	if (!err && !info->listed)
		err = list_units(info);
	if (err)
		return err;
	if (!range_table_find(&info->unit_ranges, address, &index, NULL))
		return -ENOENT;
	ret->unit = &info->units.items[index];
	if (!dwarf_offdie(info->dwarf, ret->unit->offset, &ret->unit_die))
		return -ENOENT;
	return find_function(info, address, ret);
}

int debug_info_resolve(struct debug_info *info, uint64_t address, struct debug_frame_vec *frames)
{
	struct place place = {0};
	int err;

	vec_clear(frames);
	if (info->line_bytes_held > MAX_LINE_BYTES_HELD && info->once)
		debug_info_release(info);
	else if (info->line_bytes_held > MAX_LINE_BYTES_HELD)
		close_dwarf(info);
	if (info->budget.steps < STEPS_AT_START)
		info->budget.steps += STEPS_PER_QUESTION;
	info->budget.exhausted = false;
	err = find_place(info, address, &place);
	if (!err)
		err = fill_frames(info, &place, address, frames);
	info->curtailed += info->budget.exhausted;
	return err;
}
