// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/snapshot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

/* What stands before the snapshot in the file; its types follow. Pointers in it are offsets from the file's beginning. */
struct packed {
	uint64_t bytes; /* of the whole */
	struct pyheap_snapshot snapshot;
};

/* Offset 0: none. */
static const char *pack_string(struct strbuf *out, const char *string)
{
	size_t at = out->len;

	if (!string || !*string)
		return NULL;
	strbuf_add(out, string, strlen(string) + 1);
	return (const char *)(uintptr_t)at;
}

/* The type itself stands in @out already, the @index-th behind so many bytes. */
static void pack_type(struct strbuf *out, size_t before, size_t index,
		      const struct pyheap_type *from)
{
	struct pyheap_type type = *from;

	type.name = pack_string(out, from->name);
	type.function = pack_string(out, from->function);
	type.file = pack_string(out, from->file);
	for (size_t i = 0; i < PYHEAP_WAYS; i++)
		type.ways[i].path = pack_string(out, from->ways[i].path);
	if (!out->failed)
		memcpy(out->buf + before + index * sizeof(type), &type, sizeof(type));
}

static void pack_all(struct strbuf *out, const struct pyheap_snapshot *from)
{
	struct packed packed = {.snapshot = *from};

	strbuf_add(out, &packed, sizeof(packed));
	if (from->type_count)
		strbuf_add(out, from->types, from->type_count * sizeof(*from->types));
	for (size_t i = 0; i < from->type_count && !out->failed; i++)
		pack_type(out, sizeof(packed), i, &from->types[i]);
	packed.snapshot.reason = pack_string(out, from->reason);
	packed.bytes = out->len;
	if (!out->failed)
		memcpy(out->buf, &packed, sizeof(packed));
}

int pyheap_snapshot_pack(const struct pyheap_snapshot *snapshot, int fd)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	size_t done = 0;

	pack_all(&out, snapshot);
	if (out.failed)
		return -ENOMEM;
	while (done < out.len) {
		ssize_t got = pwrite(fd, out.buf + done, out.len - done, (off_t)done);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static bool unpack_string(const char *base, uint64_t first, uint64_t end, const char **string)
{
	uint64_t at = (uintptr_t)*string;

	if (!at) {
		*string = "";
		return true;
	}
	if (at < first || at >= end)
		return false;
	*string = base + at;
	return memchr(*string, 0, end - at);
}

static bool unpack_type(const char *base, uint64_t first, uint64_t end, struct pyheap_type *type)
{
	bool ok = unpack_string(base, first, end, &type->name) &&
		  unpack_string(base, first, end, &type->function) &&
		  unpack_string(base, first, end, &type->file);

	for (size_t i = 0; ok && i < PYHEAP_WAYS; i++)
		ok = unpack_string(base, first, end, &type->ways[i].path);
	return ok;
}

static bool unpack_all(char *base, uint64_t bytes)
{
	struct packed *packed = (struct packed *)(void *)base;
	struct pyheap_snapshot *s = &packed->snapshot;
	struct pyheap_type *types = (struct pyheap_type *)(void *)(base + sizeof(*packed));
	uint64_t first;
	bool ok;

	if (s->type_count > (bytes - sizeof(*packed)) / sizeof(*types))
		return false;
	first = sizeof(*packed) + s->type_count * sizeof(*types);
	ok = unpack_string(base, first, bytes, &s->reason);
	for (size_t i = 0; ok && i < s->type_count; i++)
		ok = unpack_type(base, first, bytes, &types[i]);
	s->types = types;
	return ok;
}

int pyheap_snapshot_unpack(int fd, struct pyheap_snapshot **ret)
{
	struct packed *packed;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < sizeof(*packed))
		return -EBADMSG;
	packed = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (packed == MAP_FAILED)
		return -errno;
	if (packed->bytes != (uint64_t)st.st_size || !unpack_all((char *)packed, packed->bytes)) {
		munmap(packed, (size_t)st.st_size);
		return -EBADMSG;
	}
	*ret = &packed->snapshot;
	return 0;
}

void pyheap_snapshot_free(struct pyheap_snapshot *snapshot)
{
	struct packed *packed;

	if (!snapshot)
		return;
	packed = (struct packed *)(void *)((char *)snapshot - offsetof(struct packed, snapshot));
	munmap(packed, packed->bytes);
}
