// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/function_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/elf/elf_file.h"

void function_code_done(struct function_code *f)
{
	vec_done(&f->bytes);
	vec_done(&f->begins);
	vec_done(&f->targets);
}

static int compare_offsets(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The displacement of a relative branch is its last bytes; calls lead to other functions. */
static bool jump_displacement(const ZydisDecodedInstruction *insn, const uint8_t *end, int32_t *ret)
{
	uint8_t opcode = insn->opcode;
	bool one_byte = insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;

	if (one_byte && ((opcode & 0xf0) == 0x70 || opcode == 0xeb || (opcode & 0xfc) == 0xe0)) {
		*ret = end[-1] - (end[-1] & 0x80 ? 0x100 : 0);
		return true;
	}
	if ((one_byte && opcode == 0xe9) ||
	    (insn->opcode_map == ZYDIS_OPCODE_MAP_0F && (opcode & 0xf0) == 0x80)) {
		memcpy(ret, end - sizeof(*ret), sizeof(*ret));
		return true;
	}
	return false;
}

static int decode_all(struct function_code *f)
{
	const uint8_t *bytes = f->bytes.items;
	size_t size = f->bytes.count, at = 0;
	ZydisDecodedInstruction *insn = &f->in->insn;
	int err = vec_push(&f->begins, 0);

	while (!err && at < size &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&f->in->zydis, NULL, bytes + at,
							  size - at, insn))) {
		int32_t displacement;

		at += insn->length;
		err = vec_push(&f->begins, (uint32_t)at);
		if (!err && jump_displacement(insn, bytes + at, &displacement) &&
		    (int64_t)at + displacement >= 0 && (int64_t)at + displacement < (int64_t)size)
			err = vec_push(&f->targets, (uint32_t)((int64_t)at + displacement));
	}
	if (f->targets.count)
		qsort(f->targets.items, f->targets.count, sizeof(*f->targets.items),
		      compare_offsets);
	return err;
}

int function_code_read(struct function_code *f, const struct elf_file *file, uint64_t start,
		       uint64_t end)
{
	size_t size = end - start;
	int err;

	if (size > FUNCTION_CODE_MAX_BYTES)
		return -E2BIG;
	vec_clear(&f->bytes);
	vec_clear(&f->begins);
	vec_clear(&f->targets);
	err = vec_reserve(&f->bytes, size);
	if (err)
		return err;
	if (elf_file_read(file, start, size, f->bytes.items))
		return -ENOENT;
	f->bytes.count = size;
	f->start = start;
	f->end = end;
	return decode_all(f);
}

size_t function_code_count(const struct function_code *f)
{
	return f->begins.count - 1;
}

size_t function_code_ending_at(const struct function_code *f, uint64_t end)
{
	uint32_t offset = (uint32_t)(end - f->start), *found;

	if (end <= f->start || end > f->end)
		return SIZE_MAX;
	found = bsearch(&offset, f->begins.items, f->begins.count, sizeof(offset), compare_offsets);
	return found ? (size_t)(found - f->begins.items) - 1 : SIZE_MAX;
}

uint64_t function_code_address(const struct function_code *f, size_t index)
{
	return f->start + f->begins.items[index];
}

const uint8_t *function_code_bytes(const struct function_code *f, size_t index, size_t *ret_size)
{
	*ret_size = f->begins.items[index + 1] - f->begins.items[index];
	return f->bytes.items + f->begins.items[index];
}

void function_code_decode(struct function_code *f, size_t index)
{
	size_t size;
	const uint8_t *bytes = function_code_bytes(f, index, &size);

	/* it was decoded once, so it is an instruction */
	instruction_decode(f->in, bytes, size);
}

bool function_code_is_target(const struct function_code *f, size_t index)
{
	return f->targets.count &&
	       bsearch(&f->begins.items[index], f->targets.items, f->targets.count,
		       sizeof(*f->targets.items), compare_offsets);
}
