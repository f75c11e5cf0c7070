/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Finding the unwind row of a pc in its module's table. Pure, as unwind.h. The includer defines:
 *
 *   static inline const struct hf_row_block *hf_row_block(__u32 block);   NULL if absent
 *
 * A module's table is a run of 64-byte blocks from its first_block on: first the page index (page_count + 1 words
 * of 32 bits, 16 to a block), then, from the next block on, the rows (4 bytes, 16 to a block).
 */
#ifndef HOLDFAST_BPF_CORE_ROWS_H
#define HOLDFAST_BPF_CORE_ROWS_H

#include <holdfast/limits.h>
#include <holdfast/space.h>

/* How many blocks the page index takes; the rows are behind it. */
static HF_INLINE __u32 hf_index_blocks(__u32 page_count)
{
	return (page_count + 1 + HF_ROWS_PER_BLOCK - 1) / HF_ROWS_PER_BLOCK;
}

static HF_INLINE int hf_page_rows(const struct hf_mapping *m, __u32 page, __u32 *ret_from,
				  __u32 *ret_to)
{
	const struct hf_row_block *block;

	block = hf_row_block(m->first_block + page / HF_ROWS_PER_BLOCK);
	if (!block)
		return -1;
	*ret_from = block->words[page % HF_ROWS_PER_BLOCK];
	page++;
	block = hf_row_block(m->first_block + page / HF_ROWS_PER_BLOCK);
	if (!block)
		return -1;
	*ret_to = block->words[page % HF_ROWS_PER_BLOCK];
	return 0;
}

/*
 * The rule number that holds at @pc; 0 if none. A page without a row at or below pc takes the row before
 * the page's first: rows run on over page borders. Without branches, as hf_mapping_find().
 */
static HF_INLINE __u16 hf_row_find(const struct hf_mapping *m, __u64 pc)
{
	__u64 address = pc - m->bias, found, inside, below, probe;
	__u32 first = m->first_block + hf_index_blocks(m->page_count), from, to;
	const struct hf_row_block *block;

	if ((address >> HF_ROW_PAGE_SHIFT) >= m->page_count)
		return 0;
	if (hf_page_rows(m, address >> HF_ROW_PAGE_SHIFT, &from, &to))
		return 0;
	found = from; /* rows below this one are at or below pc */
#pragma unroll
	for (__u32 step = 1u << 15; step; step >>= 1) {
		probe = found + step - 1;
		inside = (probe - to) >> 63;
		probe &= -inside;
		block = hf_row_block(first + probe / HF_ROWS_PER_BLOCK);
		if (!block)
			return 0;
		below = ((__u64)block->rows[probe % HF_ROWS_PER_BLOCK].pc_low - (address & 0xffff) -
			 1) >>
			63;
		found += step & -(inside & below);
	}
	if (!found)
		return 0;
	found--;
	block = hf_row_block(first + found / HF_ROWS_PER_BLOCK);
	return block ? block->rows[found % HF_ROWS_PER_BLOCK].rule : 0;
}

#endif
