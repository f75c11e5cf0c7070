/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an ELF file's bytes come from: a descriptor or memory. Each part is read once and kept, so what was
 * checked does not change any more. See elf_file.h for why neither mmap(2) nor libelf. Private to this folder.
 */
#ifndef HOLDFAST_ELF_SOURCE_H
#define HOLDFAST_ELF_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* What one file may make us keep, as a sum. */
#define ELF_SOURCE_MAX_BYTES ((size_t)512 << 20)

struct elf_source;

/* Takes @fd over in any case. -EBADF if not a regular file. */
int elf_source_of_fd(int fd, struct elf_source **ret);
/* Takes @bytes (heap) over in any case. */
int elf_source_of_memory(uint8_t *bytes, size_t size, struct elf_source **ret);
void elf_source_free(struct elf_source *source);

/* -1: memory. */
int elf_source_descriptor(const struct elf_source *source);
uint64_t elf_source_size(const struct elf_source *source);

/* @size bytes at @offset, valid until the source is freed. -EINVAL outside the file (or it became shorter),
 * -EFBIG past the limit, -ENOMEM, or the error of pread(2). */
int elf_source_view(struct elf_source *source, uint64_t offset, uint64_t size, const uint8_t **ret);
/* The same for small pieces here and there: reads and keeps whole blocks. */
int elf_source_peek(struct elf_source *source, uint64_t offset, uint64_t size, const uint8_t **ret);
/* How much is kept now; all that was read since then is given back, and what was handed out of it is not valid any more. */
size_t elf_source_mark(const struct elf_source *source);
void elf_source_forget(struct elf_source *source, size_t mark);
/* Copies without keeping, so without a limit. -EINVAL outside the file, or the error of pread(2). */
int elf_source_copy(const struct elf_source *source, uint64_t offset, size_t size, uint8_t *ret);

#endif
