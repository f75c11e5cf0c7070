/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binary with DWARF as a hostile process may map it, asked for addresses all over its executable segments.
 * It is a file in memory, since libdw wants a descriptor. Most of what runs here is libelf and libdw.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process/elf/elf_file.h"
#include "process/symbol/symbolizer.h"

#define QUESTIONS 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct symbolizer *symbolizer, uint32_t module, uint64_t address)
{
	const struct symbol_frame *frames;
	size_t count;

	if (symbolizer_resolve(symbolizer, module, address, &frames, &count))
		return;
	if (!count || count > SYMBOL_MAX_FRAMES)
		abort();
	for (size_t i = 0; i < count; i++)
		if (strlen(frames[i].function) + strlen(frames[i].file) >
		    10 * SYMBOL_NAME_MAX_BYTES)
			abort();
}

static void ask_all_over(struct symbolizer *symbolizer, struct elf_file *file)
{
	struct symbol_module_options options = {0};
	struct elf_segment ranges[4];
	size_t count = 0;
	uint32_t module;

	for (size_t i = 0; i < elf_file_segment_count(file) && count < 4; i++)
		if (elf_file_segment(file, i)->executable)
			ranges[count++] = *elf_file_segment(file, i);
	if (symbolizer_add_module(symbolizer, file, &options, &module))
		return;
	for (size_t i = 0; i < count; i++)
		for (uint64_t k = 0; k < QUESTIONS; k++)
			ask(symbolizer, module,
			    ranges[i].address + ranges[i].memory_bytes / QUESTIONS * k + k % 3);
	symbolizer_release(symbolizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct symbolizer *symbolizer;
	struct elf_file *file;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		close(fd);
		return 0;
	}
	if (elf_file_open_fd(fd, &file))
		return 0;
	if (symbolizer_new(&symbolizer)) {
		elf_file_free(file);
		return 0;
	}
	ask_all_over(symbolizer, file);
	symbolizer_free(symbolizer);
	return 0;
}
