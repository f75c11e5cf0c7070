/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/elf/elf_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/vec.h"
#include "process/elf/eh_frame.h"
#include "process/elf/elf_file.h"

/* .eh_frame_hdr's table: of (function, FDE), each 4 bytes signed from the section's start, sorted. */
struct frame_index {
	uint64_t address; /* the section's */
	const uint8_t *entries;
	uint64_t count;
};

/* LSB 5.0 Core 10.6.2; the only encodings that linkers write: the count 4 bytes, the table as above. */
static bool open_frame_index(const struct elf_file *file, struct frame_index *ret)
{
	struct elf_section section;
	struct cursor c;
	uint32_t head;

	if (elf_file_section(file, ".eh_frame_hdr", &section))
		return false;
	c = cursor_of(section.data, section.size);
	head = cursor_u32(&c);
	cursor_skip(&c, 4);
	ret->address = section.address;
	ret->count = cursor_u32(&c);
	ret->entries = c.p;
	return !c.bad && head == 0x3b031b01 && ret->count <= cursor_left(&c) / 8;
}

/* One number of the table: entry * 2 for a function, + 1 for its FDE. */
static uint64_t frame_index_word(const struct frame_index *index, uint64_t word)
{
	int32_t offset;

	memcpy(&offset, index->entries + word * 4, sizeof(offset));
	return index->address + (uint64_t)(int64_t)offset;
}

/* How many entries begin at or before @address. */
static uint64_t frames_up_to(const struct frame_index *index, uint64_t address)
{
	uint64_t low = 0, high = index->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (frame_index_word(index, middle * 2) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool elf_file_frame_begins(const struct elf_file *file, uint64_t address)
{
	struct frame_index index;
	uint64_t count;

	if (!open_frame_index(file, &index))
		return false;
	count = frames_up_to(&index, address);
	return count && frame_index_word(&index, (count - 1) * 2) == address;
}

struct frame_range {
	uint32_t start, end;
};

struct elf_frames {
	struct eh_section section;
	struct frame_index index;       /* entries NULL: there is none */
	VEC(struct frame_range) ranges; /* instead of it, ascending */
};

/* The linker leaves the index out of programs that are linked statically at a fixed address. */
static int read_ranges(struct elf_frames *frames)
{
	struct eh_frame frame;
	int err = eh_frame_init(&frame, frames->section);

	if (err)
		return err == -EFBIG ? 0 : err;
	for (size_t i = 0; !err && i < frame.fde_count; i++)
		err = vec_push(&frames->ranges,
			       (struct frame_range){frame.fdes[i].start, frame.fdes[i].end});
	eh_frame_done(&frame);
	return err;
}

int elf_frames_new(const struct elf_file *file, struct elf_frames **ret)
{
	struct elf_frames *frames = calloc(1, sizeof(*frames));
	struct elf_section section;
	int err = 0;

	if (!frames)
		return -ENOMEM;
	if (elf_file_section(file, ".eh_frame", &section) == 0) {
		frames->section = (struct eh_section){section.data, section.size, section.address};
		if (!open_frame_index(file, &frames->index)) {
			frames->index.entries = NULL;
			err = read_ranges(frames);
		}
	}
	if (err) {
		elf_frames_free(frames);
		return err;
	}
	*ret = frames;
	return 0;
}

void elf_frames_free(struct elf_frames *frames)
{
	if (!frames)
		return;
	vec_done(&frames->ranges);
	free(frames);
}

/* In the ranges: how many begin at or before @address. */
static size_t ranges_up_to(const struct elf_frames *frames, uint64_t address)
{
	size_t low = 0, high = frames->ranges.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (frames->ranges.items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool range_at(const struct elf_frames *frames, uint64_t address, uint64_t *ret_start,
		     uint64_t *ret_end)
{
	size_t count = ranges_up_to(frames, address);
	const struct frame_range *range;

	if (!count)
		return false;
	range = &frames->ranges.items[count - 1];
	if (address >= range->end || (count < frames->ranges.count && range[1].start < range->end))
		return false;
	*ret_start = range->start;
	*ret_end = range->end;
	return true;
}

bool elf_frames_at(const struct elf_frames *frames, uint64_t address, uint64_t *ret_start,
		   uint64_t *ret_end)
{
	const struct frame_index *index = &frames->index;
	uint64_t count, fde, start, end;

	if (!index->entries)
		return range_at(frames, address, ret_start, ret_end);
	count = frames_up_to(index, address);
	if (!count)
		return false;
	fde = frame_index_word(index, count * 2 - 1);
	if (fde < frames->section.address ||
	    eh_frame_range(frames->section, fde - frames->section.address, &start, &end) ||
	    start != frame_index_word(index, (count - 1) * 2) || address >= end)
		return false;
	if (count < index->count && frame_index_word(index, count * 2) < end)
		return false;
	*ret_start = start;
	*ret_end = end;
	return true;
}

int elf_frames_for_each(const struct elf_frames *frames, int (*visit)(uint64_t start, void *user),
			void *user)
{
	const struct frame_index *index = &frames->index;
	int answer = 0;

	for (uint64_t i = 0; index->entries && !answer && i < index->count; i++)
		answer = visit(frame_index_word(index, i * 2), user);
	for (size_t i = 0; !answer && i < frames->ranges.count; i++)
		answer = visit(frames->ranges.items[i].start, user);
	return answer;
}
