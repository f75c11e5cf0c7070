/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the section: CIEs and FDEs. Their instructions are run in cfi.c. */
#include "process/elf/eh_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/hashmap.h"
#include "base/vec.h"

#define EH_ENCODING_FORMAT 0x0f
#define ENCODING_RELATION  0x70

VEC_STRUCT(cie_vec, struct eh_cie);
VEC_STRUCT(fde_vec, struct eh_fde);

/* A walk under way. */
struct walk {
	struct eh_frame *frame;
	struct map64 cie_by_offset;
	struct cie_vec cies;
	struct fde_vec fdes;
};

static void skip_personality(const struct eh_section *section, struct cursor *c)
{
	uint8_t encoding = cursor_u8(c);

	/* Only its size matters here. */
	if (encoding != DW_EH_PE_omit)
		eh_read_encoded(section, c, encoding & EH_ENCODING_FORMAT);
}

/* The letters after 'z', each with its data. */
static void read_augmentation(const struct eh_section *section, struct cursor *c,
			      const char *letters, struct eh_cie *cie)
{
	struct cursor data = cursor_sub(c, cursor_uleb(c));

	for (; *letters && !c->bad; letters++) {
		switch (*letters) {
		case 'R':
			cie->pointer_encoding = cursor_u8(&data);
			break;
		case 'L':
			cursor_u8(&data);
			break;
		case 'P':
			skip_personality(section, &data);
			break;
		case 'S': /* a signal's frame is known by its expressions: see cfi.c */
			break;
		default: /* data of unknown size may precede what we need */
			cursor_fail(c);
		}
		if (data.bad)
			cursor_fail(c);
	}
}

static void read_cie_header(const struct eh_section *section, struct cursor *c, struct eh_cie *cie)
{
	uint8_t version = cursor_u8(c);
	const char *augmentation = cursor_cstr(c, NULL);
	uint64_t return_column;

	if (c->bad || (version != 1 && version != 3 && version != 4)) {
		cursor_fail(c);
		return;
	}
	/* The letters of g++ 2's "eh" precede a pointer. */
	if (augmentation[0] == 'e' && augmentation[1] == 'h') {
		cursor_u64(c);
		augmentation += 2;
	}
	/* Bytes of an address, of a segment selector. */
	if (version == 4 && cursor_u16(c) != sizeof(uint64_t))
		cursor_fail(c);
	cie->code_align = cursor_uleb(c);
	cie->data_align = cursor_sleb(c);
	return_column = version == 1 ? cursor_u8(c) : cursor_uleb(c);
	cie->other_return_column = return_column != EH_REGISTER_RA;
	if (augmentation[0] == 'z') {
		cie->has_augmentation_data = true;
		read_augmentation(section, c, augmentation + 1, cie);
	} else if (augmentation[0]) {
		cursor_fail(c);
	}
}

static int read_cie(struct walk *walk, struct cursor *c, uint64_t offset)
{
	struct eh_cie cie = {.pointer_encoding = DW_EH_PE_absptr};

	read_cie_header(&walk->frame->section, c, &cie);
	if (c->bad ||
	    cfi_run_cie(&walk->frame->section, &cie, eh_span_of(&walk->frame->section, c))) {
		walk->frame->damaged_entries++;
		return 0;
	}
	if (map64_put(&walk->cie_by_offset, offset, walk->cies.count))
		return -ENOMEM;
	return vec_push(&walk->cies, cie);
}

/* A CIE stands before its FDEs (the pointer is an unsigned distance back), so the walk has met it. */
static const struct eh_cie *find_cie(const struct walk *walk, uint64_t id_offset, uint32_t id,
				     uint32_t *ret_index)
{
	uint64_t index;

	if (id > id_offset || !map64_get(&walk->cie_by_offset, id_offset - id, &index))
		return NULL;
	*ret_index = (uint32_t)index;
	return &walk->cies.items[index];
}

static int read_fde(struct walk *walk, struct cursor *c, uint64_t id_offset, uint32_t id)
{
	struct eh_frame *frame = walk->frame;
	uint64_t start, size, end;
	struct eh_fde fde;
	const struct eh_cie *cie = find_cie(walk, id_offset, id, &fde.cie);

	if (!cie) {
		frame->damaged_entries++;
		return 0;
	}
	start = eh_read_encoded(&frame->section, c, cie->pointer_encoding);
	size = eh_read_encoded(&frame->section, c, cie->pointer_encoding & EH_ENCODING_FORMAT);
	if (cie->has_augmentation_data)
		cursor_skip(c, cursor_uleb(c));
	if (c->bad || __builtin_add_overflow(start, size, &end)) {
		frame->damaged_entries++;
		return 0;
	}
	/* What the linker discarded keeps its entry, at address 0 or without a size. */
	if (start == 0 || size == 0)
		return 0;
	if (end > UINT32_MAX) {
		frame->damaged_entries++;
		frame->far_entries++;
		return 0;
	}
	fde.start = (uint32_t)start;
	fde.end = (uint32_t)end;
	fde.instructions = eh_span_of(&frame->section, c);
	return vec_push(&walk->fdes, fde);
}

/* Cuts the next entry off @section. Bad: its length reaches past the end, so nothing follows. */
static struct cursor next_entry(struct cursor *section)
{
	uint64_t length = cursor_u32(section);

	if (length == 0xffffffff)
		length = cursor_u64(section);
	return cursor_sub(section, length);
}

static int walk_section(struct walk *walk)
{
	struct eh_frame *frame = walk->frame;
	struct cursor section = cursor_of(frame->section.bytes, frame->section.size);
	int err = 0;

	while (!err && cursor_left(&section) >= 4) {
		uint64_t offset = (uint64_t)(section.p - frame->section.bytes);
		struct cursor entry = next_entry(&section);
		uint64_t id_offset = (uint64_t)(entry.p - frame->section.bytes);
		uint32_t id;

		if (entry.bad) {
			frame->damaged_entries++;
			break;
		}
		/* A terminator; merged sections hold more behind theirs. */
		if (cursor_left(&entry) == 0)
			continue;
		id = cursor_u32(&entry);
		if (entry.bad)
			frame->damaged_entries++;
		else if (id == 0)
			err = read_cie(walk, &entry, offset);
		else
			err = read_fde(walk, &entry, id_offset, id);
	}
	return err;
}

static int compare_fdes(const void *a, const void *b)
{
	const struct eh_fde *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->instructions.offset > y->instructions.offset) -
	       (x->instructions.offset < y->instructions.offset);
}

static bool is_sorted(const struct fde_vec *fdes)
{
	for (size_t i = 1; i < fdes->count; i++)
		if (compare_fdes(&fdes->items[i - 1], &fdes->items[i]) > 0)
			return false;
	return true;
}

/* Of several entries for one start the first stays. */
static void drop_doubles(struct fde_vec *fdes)
{
	size_t kept = 0;

	for (size_t i = 0; i < fdes->count; i++)
		if (kept == 0 || fdes->items[kept - 1].start != fdes->items[i].start)
			fdes->items[kept++] = fdes->items[i];
	fdes->count = kept;
}

int eh_frame_init(struct eh_frame *ret, struct eh_section section)
{
	struct eh_frame frame = {.section = section};
	struct walk walk = {.frame = &frame, .cies = VEC_INIT, .fdes = VEC_INIT};
	int err;

	if (section.size > UINT32_MAX)
		return -EFBIG;
	map64_init(&walk.cie_by_offset, hash_seed_random());
	err = walk_section(&walk);
	map64_done(&walk.cie_by_offset);
	if (err) {
		vec_done(&walk.cies);
		vec_done(&walk.fdes);
		return err;
	}
	if (!is_sorted(&walk.fdes))
		qsort(walk.fdes.items, walk.fdes.count, sizeof(*walk.fdes.items), compare_fdes);
	drop_doubles(&walk.fdes);
	frame.cies = walk.cies.items;
	frame.cie_count = walk.cies.count;
	frame.fdes = walk.fdes.items;
	frame.fde_count = walk.fdes.count;
	*ret = frame;
	return 0;
}

void eh_frame_done(struct eh_frame *frame)
{
	free(frame->cies);
	free(frame->fdes);
	*frame = (struct eh_frame){0};
}

/* The entry at @offset without its length and with it its id. */
static struct cursor entry_at(const struct eh_section *section, uint64_t offset, uint32_t *ret_id)
{
	struct cursor c = cursor_window(section->bytes, section->size, offset,
					offset < section->size ? section->size - offset : 0);
	struct cursor entry = next_entry(&c);

	*ret_id = cursor_u32(&entry);
	return entry;
}

int eh_frame_range(struct eh_section section, uint64_t offset, uint64_t *ret_start,
		   uint64_t *ret_end)
{
	struct eh_cie cie = {.pointer_encoding = DW_EH_PE_absptr};
	uint32_t id, zero;
	struct cursor fde = entry_at(&section, offset, &id), c;
	uint64_t id_offset = (uint64_t)(fde.p - section.bytes) - sizeof(id), start, size;

	if (fde.bad || id == 0 || id > id_offset)
		return -EINVAL;
	c = entry_at(&section, id_offset - id, &zero);
	if (c.bad || zero != 0)
		return -EINVAL;
	read_cie_header(&section, &c, &cie);
	start = eh_read_encoded(&section, &fde, cie.pointer_encoding);
	size = eh_read_encoded(&section, &fde, cie.pointer_encoding & EH_ENCODING_FORMAT);
	if (c.bad || fde.bad || size > UINT64_MAX - start)
		return -EINVAL;
	*ret_start = start;
	*ret_end = start + size;
	return 0;
}
