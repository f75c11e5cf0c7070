/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/elf/elf_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/vec.h"

#define PEEK_BYTES 8192u /* power of two; some stay for each library that a target has mapped */

/* A part that was read. */
struct part {
	uint64_t offset, size;
	uint8_t *bytes;
};

VEC_STRUCT(part_vec, struct part);

struct elf_source {
	int fd; /* -1: memory, the only part is the whole */
	uint64_t size;
	uint64_t kept_bytes;
	struct part_vec parts;
};

int elf_source_of_fd(int fd, struct elf_source **ret)
{
	_cleanup_close_ int owned = fd;
	struct elf_source *source;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADF;
	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->fd = take_fd(&owned);
	source->size = (uint64_t)st.st_size;
	*ret = source;
	return 0;
}

int elf_source_of_memory(uint8_t *bytes, size_t size, struct elf_source **ret)
{
	_cleanup_free_ uint8_t *owned = bytes;
	struct elf_source *source = calloc(1, sizeof(*source));

	if (!source)
		return -ENOMEM;
	if (vec_push(&source->parts, (struct part){0, size, bytes})) {
		free(source);
		return -ENOMEM;
	}
	owned = NULL;
	source->fd = -1;
	source->size = size;
	*ret = source;
	return 0;
}

void elf_source_free(struct elf_source *source)
{
	if (!source)
		return;
	for (size_t i = 0; i < source->parts.count; i++)
		free(source->parts.items[i].bytes);
	vec_done(&source->parts);
	if (source->fd >= 0)
		close(source->fd);
	free(source);
}

int elf_source_descriptor(const struct elf_source *source)
{
	return source->fd;
}

uint64_t elf_source_size(const struct elf_source *source)
{
	return source->size;
}

/* Callers ask mostly for what lies near their last question, so the newest part is tried first. */
static const uint8_t *find_part(const struct elf_source *source, uint64_t offset, uint64_t size)
{
	for (size_t i = source->parts.count; i > 0; i--) {
		const struct part *part = &source->parts.items[i - 1];

		if (offset >= part->offset && offset - part->offset <= part->size &&
		    size <= part->size - (offset - part->offset))
			return part->bytes + (offset - part->offset);
	}
	return NULL;
}

static int read_part(struct elf_source *source, uint64_t offset, uint64_t size)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t got;
	int err;

	if (source->fd < 0)
		return -EINVAL;
	if (size > ELF_SOURCE_MAX_BYTES - source->kept_bytes)
		return -EFBIG;
	bytes = malloc(size ? size : 1);
	if (!bytes)
		return -ENOMEM;
	err = pread_full(source->fd, bytes, size, offset, &got);
	if (err)
		return err;
	if (got < size)
		return -EINVAL;
	err = vec_push(&source->parts, (struct part){offset, size, bytes});
	if (err)
		return err;
	bytes = NULL;
	source->kept_bytes += size;
	return 0;
}

static int view(struct elf_source *source, uint64_t offset, uint64_t size, uint64_t block,
		const uint8_t **ret)
{
	const uint8_t *found;
	uint64_t start, end;
	int err;

	if (offset > source->size || size > source->size - offset)
		return -EINVAL;
	found = find_part(source, offset, size);
	if (!found) {
		start = offset & ~(block - 1);
		end = (offset + size + block - 1) & ~(block - 1);
		if (end > source->size)
			end = source->size;
		err = read_part(source, start, end - start);
		if (err)
			return err;
		found = find_part(source, offset, size);
	}
	*ret = found;
	return 0;
}

int elf_source_view(struct elf_source *source, uint64_t offset, uint64_t size, const uint8_t **ret)
{
	return view(source, offset, size, 1, ret);
}

int elf_source_peek(struct elf_source *source, uint64_t offset, uint64_t size, const uint8_t **ret)
{
	return view(source, offset, size, PEEK_BYTES, ret);
}

size_t elf_source_mark(const struct elf_source *source)
{
	return source->parts.count;
}

void elf_source_forget(struct elf_source *source, size_t mark)
{
	while (source->parts.count > mark) {
		struct part *part = &source->parts.items[--source->parts.count];

		source->kept_bytes -= part->size;
		free(part->bytes);
	}
}

int elf_source_copy(const struct elf_source *source, uint64_t offset, size_t size, uint8_t *ret)
{
	const uint8_t *found;
	size_t got;
	int err;

	if (offset > source->size || size > source->size - offset)
		return -EINVAL;
	found = find_part(source, offset, size);
	if (found) {
		memcpy(ret, found, size);
		return 0;
	}
	err = pread_full(source->fd, ret, size, offset, &got);
	if (err)
		return err;
	return got == size ? 0 : -EINVAL;
}
