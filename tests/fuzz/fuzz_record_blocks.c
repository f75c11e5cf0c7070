/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording's blocks, behind the checksum that fuzz_record hardly gets through: whatever they say gives a report or
 * an error that is set. Input: for each block its kind in one byte, its size in two, and what it says.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include <holdfast/record.h>

#include "fuzz/replay_or_refuse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(int fd, const void *bytes, size_t size)
{
	if (write(fd, bytes, size) != (ssize_t)size)
		abort();
}

static void put_block(int fd, uint8_t kind, const uint8_t *bytes, size_t size)
{
	static uint8_t packed[ZSTD_COMPRESSBOUND(UINT16_MAX)];
	struct hf_record_block block = {.kind = kind, .raw_bytes = size};
	size_t stored = ZSTD_compress(packed, sizeof(packed), bytes, size, 1);

	if (ZSTD_isError(stored))
		abort();
	block.stored_bytes = stored;
	block.checksum = XXH64(packed, stored, (uint64_t)kind << 32 | size);
	put(fd, &block, sizeof(block));
	put(fd, packed, stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hf_record_header header = {.version = HF_RECORD_VERSION};
	int fd = memfd_create("recording", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	memcpy(header.magic, HF_RECORD_MAGIC, HF_RECORD_MAGIC_BYTES);
	put(fd, &header, sizeof(header));
	while (size >= 3) {
		size_t block = data[1] | (size_t)data[2] << 8;

		block = block < size - 3 ? block : size - 3;
		put_block(fd, data[0], data + 3, block);
		data += 3 + block;
		size -= 3 + block;
	}
	replay_or_refuse(fd);
	return 0;
}
