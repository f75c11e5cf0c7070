// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "process/code/family_internal.h"

#define STEPS_MAX  100000u
#define STEPS_NEW  30000u /* of a function that has not ended well yet */
#define SMALL      600u
#define LARGE      3000u
#define HUGE_BYTES 200000u
#define NOBODY_HAS \
	0x8000000000001000ull /* more than half of all addresses: refused before anything is tried */
#define AGAIN_MAX 300         /* blocks until one that was given back must have come again */
#define PATTERN   0xa5        /* a pointer made of it leads nowhere */

/* False also if the call did not end well. */
static bool call(struct family_try *t, uint64_t function, const uint64_t arguments[3],
		 uint64_t *ret)
{
	struct machine_call c = {
		.entry = function,
		.arguments = {arguments[0], arguments[1], arguments[2], MACHINE_POISON,
			      MACHINE_POISON, MACHINE_POISON},
		.steps_max = function == t->known || function == t->malloc ? STEPS_MAX : STEPS_NEW,
	};
	int err = machine_call(t->machine, &c, ret);

	if (!err && function != t->malloc)
		t->known = function;
	t->busy |= err == -EAGAIN;
	return !err;
}

static bool call1(struct family_try *t, uint64_t function, uint64_t argument, uint64_t *ret)
{
	const uint64_t arguments[3] = {argument, MACHINE_POISON, MACHINE_POISON};

	return call(t, function, arguments, ret);
}

static bool call2(struct family_try *t, uint64_t function, uint64_t first, uint64_t second,
		  uint64_t *ret)
{
	const uint64_t arguments[3] = {first, second, MACHINE_POISON};

	return call(t, function, arguments, ret);
}

/* The whole of it may be written. */
static bool fill(struct family_try *t, uint64_t address, size_t size)
{
	uint8_t bytes[1024];

	memset(bytes, PATTERN, sizeof(bytes));
	while (size) {
		size_t part = size < sizeof(bytes) ? size : sizeof(bytes);

		if (!machine_write(t->machine, address, bytes, part))
			return false;
		address += part;
		size -= part;
	}
	return true;
}

static bool holds(struct family_try *t, uint64_t address, size_t size, uint8_t wanted)
{
	uint8_t bytes[SMALL];

	if (size > sizeof(bytes) || !machine_read(t->machine, address, bytes, size))
		return false;
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != wanted)
			return false;
	return true;
}

struct block {
	uint64_t address, size;
};

static bool apart(const struct block *blocks, size_t count, struct block block)
{
	for (size_t i = 0; i < count; i++)
		if (block.address < blocks[i].address + blocks[i].size &&
		    blocks[i].address < block.address + block.size)
			return false;
	return true;
}

static bool is_block(struct family_try *t, const struct block *others, size_t count,
		     struct block block)
{
	return block.address && block.address % 16 == 0 && apart(others, count, block) &&
	       fill(t, block.address, block.size);
}

/* Blocks from the family's malloc, filled. */
static bool take_blocks(struct family_try *t, struct block *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		blocks[i].size = SMALL;
		if (!call1(t, t->malloc, SMALL, &blocks[i].address) ||
		    !is_block(t, blocks, i, blocks[i]))
			return false;
	}
	return true;
}

bool try_malloc(struct family_try *t, uint64_t function)
{
	static const uint64_t sizes[] = {SMALL, SMALL, LARGE, SMALL, LARGE, HUGE_BYTES, SMALL};
	struct block blocks[sizeof(sizes) / sizeof(*sizes)];

	machine_reset(t->machine);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		blocks[i].size = sizes[i];
		if (!call1(t, function, sizes[i], &blocks[i].address) ||
		    !is_block(t, blocks, i, blocks[i]))
			return false;
	}
	return true;
}

/*
 * Which of the blocks does malloc hand out again, if perhaps a little shifted (musl)? Bit i: block i. None of those that
 * are still held may come; -1 if nothing comes.
 */
static int come_again(struct family_try *t, const struct block *blocks, size_t count, int wanted)
{
	unsigned int limit = t->again ? t->again : AGAIN_MAX;
	uint64_t latest = 0, address;
	int found = 0;

	t->taken = 0;
	for (; t->taken < limit && found != wanted; t->taken++) {
		if (!call1(t, t->malloc, SMALL, &address) || !address || address == latest)
			return -1;
		latest = address;
		for (size_t b = 0; b < count; b++)
			if (address < blocks[b].address + blocks[b].size &&
			    blocks[b].address < address + SMALL)
				found |= 1 << b;
	}
	return found;
}

bool try_free(struct family_try *t, uint64_t function, bool sized)
{
	struct block blocks[TRY_BLOCKS];
	uint64_t ignored, arguments[3] = {0, MACHINE_POISON, MACHINE_POISON};

	machine_reset(t->machine);
	if (sized) {
		arguments[1] = SMALL;
		arguments[2] = 16;
	}
	if (!call(t, function, arguments, &ignored))
		return false;
	/* reallocarray(NULL, ...) hands something out. */
	if ((sized && machine_wrote(t->machine)) || !take_blocks(t, blocks, TRY_BLOCKS))
		return false;
	arguments[0] = blocks[2].address;
	if (!call(t, function, arguments, &ignored) || !machine_wrote(t->machine))
		return false;
	/* None but the one: each of the others would have come as well. */
	return come_again(t, blocks, TRY_BLOCKS, 1 << 2) == 1 << 2 &&
	       holds(t, blocks[0].address, SMALL, PATTERN) &&
	       holds(t, blocks[1].address, SMALL, PATTERN) &&
	       holds(t, blocks[3].address, SMALL, PATTERN);
}

/* Gives dirty blocks back and takes as many again, which must be clean. */
bool try_keeps(struct family_try *t)
{
	struct block blocks[TRY_BLOCKS];

	machine_reset(t->machine);
	return take_blocks(t, blocks, TRY_BLOCKS) && come_again(t, blocks, TRY_BLOCKS, -1) == 0;
}

/*
 * Is a block that @function hands out one that the family's free takes? And, with @again, is it handed out once more then,
 * by this function or by malloc?
 */
static bool is_taken_back(struct family_try *t, uint64_t function, const uint64_t arguments[3],
			  bool again)
{
	uint64_t block, address, ignored;

	if (!call(t, function, arguments, &block) || !block || !fill(t, block, SMALL) ||
	    !call1(t, t->free, block, &ignored))
		return false;
	for (unsigned int i = 0; again && i < 2 * t->again; i++) {
		if (!call(t, i % 2 ? t->malloc : function, arguments, &address) || !address)
			return false;
		if (address < block + SMALL && block < address + SMALL)
			return true;
	}
	return !again;
}

bool try_malloc_of(struct family_try *t, uint64_t function)
{
	const uint64_t arguments[3] = {SMALL, MACHINE_POISON, MACHINE_POISON};

	return try_malloc(t, function) && is_taken_back(t, function, arguments, true);
}

bool try_calloc(struct family_try *t, uint64_t function)
{
	struct block blocks[TRY_BLOCKS + TRY_BLOCKS];
	uint64_t address;

	machine_reset(t->machine);
	if (!call2(t, function, 3, SMALL / 3, &address) || !address ||
	    !take_blocks(t, blocks, TRY_BLOCKS))
		return false;
	for (size_t i = 1; i < TRY_BLOCKS; i++)
		if (!call1(t, t->free, blocks[i].address, &address))
			return false;
	for (size_t i = 1; i < 2 * TRY_BLOCKS; i++) {
		blocks[i].size = SMALL;
		if (!call2(t, function, 3, SMALL / 3, &blocks[i].address) ||
		    !holds(t, blocks[i].address, SMALL, 0) || !is_block(t, blocks, i, blocks[i]))
			return false;
	}
	return call2(t, function, 1ull << 33, 1ull << 33, &address) && !address &&
	       call2(t, function, NOBODY_HAS, 2, &address) && !address &&
	       call1(t, t->free, blocks[TRY_BLOCKS].address, &address);
}

bool try_realloc(struct family_try *t, uint64_t function)
{
	struct block blocks[TRY_BLOCKS + 1];
	uint64_t address;

	machine_reset(t->machine);
	blocks[TRY_BLOCKS].size = SMALL;
	if (!call2(t, function, 0, SMALL, &blocks[TRY_BLOCKS].address) ||
	    !is_block(t, blocks, 0, blocks[TRY_BLOCKS]) || !take_blocks(t, blocks, TRY_BLOCKS) ||
	    !apart(blocks, TRY_BLOCKS, blocks[TRY_BLOCKS]))
		return false;
	/* Block 1 cannot grow where it is, between two that are held; or the allocator has a size for it. */
	if (!call2(t, function, blocks[1].address, LARGE, &address) || !address ||
	    !holds(t, address, SMALL, PATTERN))
		return false;
	blocks[1] = (struct block){0, 0};
	if (!is_block(t, blocks, TRY_BLOCKS + 1, (struct block){address, LARGE}))
		return false;
	/* What nobody has leaves the block alone. */
	return call2(t, function, address, NOBODY_HAS, &blocks[1].address) && !blocks[1].address &&
	       holds(t, address, SMALL, PATTERN);
}

static bool is_aligned_to(struct family_try *t, uint64_t function, bool size_first)
{
	static const uint64_t alignments[] = {64, 256, 4096, 64, 1024};
	struct block blocks[sizeof(alignments) / sizeof(*alignments)];

	machine_reset(t->machine);
	for (size_t i = 0; i < sizeof(alignments) / sizeof(*alignments); i++) {
		uint64_t first = size_first ? SMALL : alignments[i],
			 second = size_first ? alignments[i] : SMALL;

		blocks[i].size = SMALL;
		if (!call2(t, function, first, second, &blocks[i].address) ||
		    blocks[i].address % alignments[i] || !is_block(t, blocks, i, blocks[i]))
			return false;
	}
	return true;
}

bool try_aligned(struct family_try *t, uint64_t function)
{
	const uint64_t arguments[3] = {64, SMALL, MACHINE_POISON};
	uint64_t address;

	/* The size counts, not the product: calloc's blocks may be aligned as well. */
	return is_aligned_to(t, function, false) &&
	       call2(t, function, 4096, NOBODY_HAS, &address) && !address &&
	       is_taken_back(t, function, arguments, false);
}

bool try_new(struct family_try *t, uint64_t function)
{
	const uint64_t arguments[3] = {SMALL, 64, MACHINE_POISON};

	return is_aligned_to(t, function, true) && is_taken_back(t, function, arguments, false);
}

bool try_aligned_to(struct family_try *t, uint64_t function)
{
	static const uint64_t alignments[] = {64, 256, 4096, 64};
	struct block blocks[sizeof(alignments) / sizeof(*alignments)];
	uint64_t scratch = machine_scratch(t->machine), result;

	machine_reset(t->machine);
	for (size_t i = 0; i < sizeof(alignments) / sizeof(*alignments); i++) {
		const uint64_t arguments[3] = {scratch, alignments[i], SMALL};

		blocks[i].size = SMALL;
		if (!call(t, function, arguments, &result) || (int)result ||
		    !machine_read(t->machine, scratch, &blocks[i].address, 8) ||
		    blocks[i].address % alignments[i] || !is_block(t, blocks, i, blocks[i]))
			return false;
	}
	return call1(t, t->free, blocks[1].address, &result);
}

bool try_fails_softly(struct family_try *t, uint64_t function, bool with_alignment)
{
	uint64_t address;

	machine_reset(t->machine);
	return call2(t, function, NOBODY_HAS, with_alignment ? 64 : MACHINE_POISON, &address) &&
	       !address;
}

/* A call as the function's role has it. False: there is no block to be had for it. */
static bool usual_call(struct family_try *t, enum family_role role, uint64_t ret_arguments[3])
{
	uint64_t block = 0;
	const uint64_t none = MACHINE_POISON,
		       calls[][3] = {
			       [FAMILY_MALLOC] = {SMALL, none, none},
			       [FAMILY_CALLOC] = {3, SMALL / 3, none},
			       [FAMILY_REALLOC] = {1, LARGE, none},
			       [FAMILY_ALIGNED] = {64, SMALL, none},
			       [FAMILY_ALIGNED_TO] = {machine_scratch(t->machine), 64, SMALL},
			       [FAMILY_NEW] = {SMALL, 64, none},
			       [FAMILY_FREE] = {1, none, none},
			       [FAMILY_FREE_SIZED] = {1, SMALL, 16},
		       };

	memcpy(ret_arguments, calls[role], sizeof(calls[role]));
	if (ret_arguments[0] != 1)
		return true;
	ret_arguments[0] = 0;
	if (!call1(t, t->malloc, SMALL, &block))
		return false;
	ret_arguments[0] = block;
	return true;
}

void try_enters(struct family_try *t, const struct family_function *function,
		struct family_entered *entered)
{
	uint64_t ignored, arguments[3];

	machine_reset(t->machine);
	for (unsigned int i = 0; i < entered->calls; i++) {
		if (!usual_call(t, function->role, arguments) ||
		    !call(t, function->address, arguments, &ignored)) {
			memset(entered->counts, 0, entered->count * sizeof(*entered->counts));
			return;
		}
		for (size_t f = 0; f < entered->count; f++)
			entered->counts[f] +=
				machine_entered(t->machine, entered->functions[f].address);
	}
}
