/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Finding the unwind row of a pc in its module's table. Pure, as unwind.h. The includer defines:
 *
 *   static inline const struct hf_row_block *hf_row_block(__u32 module, __u32 block);   NULL if absent
 *
 * A module's table is an array of 64-byte blocks: first the page index (page_count + 1 words of 32 bits,
 * 16 to a block), then, from the next block on, the rows (4 bytes, 16 to a block).
 */
#ifndef HOLDFAST_BPF_CORE_ROWS_H
#define HOLDFAST_BPF_CORE_ROWS_H

#include <holdfast/limits.h>
#include <holdfast/space.h>

/* First block of the rows, behind the page index. */
static HF_INLINE __u32 hf_rows_first_block(__u32 page_count)
{
	return (page_count + 1 + HF_ROWS_PER_BLOCK - 1) / HF_ROWS_PER_BLOCK;
}

static HF_INLINE int hf_page_rows(const struct hf_mapping *m, __u32 page, __u32 *ret_from,
				  __u32 *ret_to)
{
	const struct hf_row_block *block;

	block = hf_row_block(m->module, page / HF_ROWS_PER_BLOCK);
	if (!block)
		return -1;
	*ret_from = block->words[page % HF_ROWS_PER_BLOCK];
	page++;
	block = hf_row_block(m->module, page / HF_ROWS_PER_BLOCK);
	if (!block)
		return -1;
	*ret_to = block->words[page % HF_ROWS_PER_BLOCK];
	return 0;
}

/* The rule number that holds at @pc; 0 if none. A page without a row at or below pc takes the row before
 * the page's first: rows run on over page borders. */
static HF_INLINE __u16 hf_row_find(const struct hf_mapping *m, __u64 pc)
{
	__u64 address = pc - m->bias;
	__u32 first = hf_rows_first_block(m->page_count);
	const struct hf_row_block *block;
	__u32 low, high, middle;

	if ((address >> HF_ROW_PAGE_SHIFT) >= m->page_count)
		return 0;
	if (hf_page_rows(m, address >> HF_ROW_PAGE_SHIFT, &low, &high))
		return 0;
	for (int i = 0; i < 17 && low < high; i++) {
		middle = low + ((high - low) >> 1);
		block = hf_row_block(m->module, first + middle / HF_ROWS_PER_BLOCK);
		if (!block)
			return 0;
		if (block->rows[middle % HF_ROWS_PER_BLOCK].pc_low <= (__u16)address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	low--;
	block = hf_row_block(m->module, first + low / HF_ROWS_PER_BLOCK);
	return block ? block->rows[low % HF_ROWS_PER_BLOCK].rule : 0;
}

#endif
