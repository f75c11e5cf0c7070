// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"

static const char *const kind_names[] = {"object", "text", "pointers", "zeros", "data"};
static const char *const live_set_names[] = {"glibc malloc", "jemalloc", "musl malloc",
					     "traced blocks only"};

const char *heap_kind_name(enum heap_kind kind)
{
	return kind_names[kind];
}

const char *heap_live_set_name(enum heap_live_set set)
{
	return live_set_names[set];
}

/* What stands before the snapshot in the file; pointers in it are offsets from the file's beginning. */
struct packed {
	uint64_t bytes; /* of the whole */
	struct heap_snapshot snapshot;
};

/* Where the string will stand; offset 0: none. */
static const char *pack_string(struct strbuf *out, const char *string)
{
	size_t at = out->len;

	if (!string || !*string)
		return NULL;
	strbuf_add(out, string, strlen(string) + 1);
	return (const char *)(uintptr_t)at;
}

static size_t pack_array(struct strbuf *out, const void *items, size_t bytes)
{
	size_t at;

	while (out->len % 8)
		strbuf_addch(out, 0);
	at = out->len;
	if (bytes)
		strbuf_add(out, items, bytes);
	return at;
}

static void pack_all(struct strbuf *out, const struct heap_snapshot *from)
{
	struct packed packed = {.snapshot = *from};
	size_t types, groups, lost, answers, watched;

	strbuf_add(out, &packed, sizeof(packed));
	types = pack_array(out, from->types, from->type_count * sizeof(*from->types));
	groups = pack_array(out, from->groups, from->group_count * sizeof(*from->groups));
	answers = pack_array(out, from->answers, from->answer_count * sizeof(*from->answers));
	lost = pack_array(out, from->lost, from->lost_total * sizeof(*from->lost));
	watched = pack_array(out, from->watched, from->watched_count);
	for (size_t i = 0; i < from->type_count && !out->failed; i++) {
		const char *name = pack_string(out, from->types[i].name);

		if (!out->failed)
			((struct heap_type *)(void *)(out->buf + types))[i].name = name;
	}
	for (size_t i = 0; i < from->group_count && !out->failed; i++) {
		const char *path = pack_string(out, from->groups[i].holder.path);
		const char *sample = pack_string(out, from->groups[i].sample);
		struct heap_group *group = (struct heap_group *)(void *)(out->buf + groups) + i;

		group->holder.path = path;
		group->sample = sample;
	}
	for (size_t i = 0; i < from->answer_count && !out->failed; i++) {
		const char *path = pack_string(out, from->answers[i].path);

		((struct heap_holder *)(void *)(out->buf + answers))[i].path = path;
	}
	packed.snapshot.answers = (const struct heap_holder *)answers;
	packed.snapshot.reason = pack_string(out, from->reason);
	packed.snapshot.types = (const struct heap_type *)types;
	packed.snapshot.groups = (const struct heap_group *)groups;
	packed.snapshot.lost = (const struct heap_lost *)lost;
	packed.snapshot.watched = (const uint8_t *)watched;
	packed.bytes = out->len;
	if (!out->failed)
		memcpy(out->buf, &packed, sizeof(packed));
}

int heap_snapshot_pack(const struct heap_snapshot *snapshot, int fd)
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

struct strings {
	const char *base;
	uint64_t first, end; /* offsets */
};

static bool unpack_string(const struct strings *strings, const char **string)
{
	uint64_t at = (uintptr_t)*string;

	if (!at) {
		*string = "";
		return true;
	}
	if (at < strings->first || at >= strings->end)
		return false;
	*string = strings->base + at;
	return memchr(*string, 0, strings->end - at);
}

/* An array behind all before it: what is written into one must not change another. Moves *@first to its end. */
static bool is_inside(uint64_t bytes, const void *offset, uint64_t array_bytes, uint64_t *first)
{
	uint64_t at = (uintptr_t)offset;

	if (at < *first || at > bytes || at % 8 || array_bytes > bytes - at)
		return false;
	*first = at + array_bytes;
	return true;
}

static bool are_inside(uint64_t bytes, const struct heap_snapshot *s, uint64_t *ret_end)
{
	*ret_end = sizeof(struct packed);
	return s->type_count <= bytes && s->group_count <= bytes && s->lost_total <= bytes &&
	       s->answer_count <= bytes && s->watched_count <= bytes &&
	       is_inside(bytes, s->types, s->type_count * sizeof(*s->types), ret_end) &&
	       is_inside(bytes, s->groups, s->group_count * sizeof(*s->groups), ret_end) &&
	       is_inside(bytes, s->answers, s->answer_count * sizeof(*s->answers), ret_end) &&
	       is_inside(bytes, s->lost, s->lost_total * sizeof(*s->lost), ret_end) &&
	       is_inside(bytes, s->watched, s->watched_count, ret_end);
}

static bool unpack_all(char *base, uint64_t bytes)
{
	struct heap_snapshot *s = &((struct packed *)(void *)base)->snapshot;
	struct strings strings = {base, 0, bytes};
	struct heap_type *types;
	struct heap_group *groups;
	struct heap_holder *answers;
	struct heap_lost *lost;
	bool ok;

	if (!are_inside(bytes, s, &strings.first))
		return false;
	types = (void *)(base + (uintptr_t)s->types);
	groups = (void *)(base + (uintptr_t)s->groups);
	lost = (void *)(base + (uintptr_t)s->lost);
	answers = (void *)(base + (uintptr_t)s->answers);
	ok = unpack_string(&strings, &s->reason) && s->live_set <= HEAP_TRACED_ONLY;
	for (size_t i = 0; ok && i < s->type_count; i++)
		ok = unpack_string(&strings, &types[i].name) && types[i].kind <= HEAP_DATA;
	for (size_t i = 0; ok && i < s->group_count; i++)
		ok = groups[i].type < s->type_count &&
		     groups[i].holder.container_type < s->type_count &&
		     unpack_string(&strings, &groups[i].holder.path) &&
		     unpack_string(&strings, &groups[i].sample) &&
		     groups[i].holder.root <= HEAP_ROOT_MEMORY;
	for (size_t i = 0; ok && i < s->lost_total; i++)
		ok = lost[i].type < s->type_count && lost[i].group < s->group_count;
	for (size_t i = 0; ok && i < s->answer_count; i++)
		ok = answers[i].container_type < s->type_count &&
		     answers[i].root <= HEAP_ROOT_MEMORY &&
		     unpack_string(&strings, &answers[i].path);
	s->answers = answers;
	s->types = types;
	s->groups = groups;
	s->lost = lost;
	s->watched = s->watched_count ? (const uint8_t *)(base + (uintptr_t)s->watched) : NULL;
	return ok;
}

int heap_snapshot_unpack(int fd, struct heap_snapshot **ret)
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

int heap_snapshot_copy(const struct heap_snapshot *snapshot, struct heap_snapshot **ret)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct packed *packed;

	pack_all(&out, snapshot);
	if (out.failed)
		return -ENOMEM;
	packed = mmap(NULL, out.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (packed == MAP_FAILED)
		return -errno;
	memcpy(packed, out.buf, out.len);
	if (!unpack_all((char *)packed, packed->bytes)) {
		munmap(packed, out.len);
		return -EBADMSG;
	}
	*ret = &packed->snapshot;
	return 0;
}

const struct heap_lost *heap_snapshot_find_lost(const struct heap_snapshot *snapshot,
						uint64_t address)
{
	size_t low = 0, high = snapshot ? snapshot->lost_total : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (snapshot->lost[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return snapshot && low < snapshot->lost_total && snapshot->lost[low].address == address
		       ? &snapshot->lost[low]
		       : NULL;
}

void heap_snapshot_free(struct heap_snapshot *snapshot)
{
	struct packed *packed;

	if (!snapshot)
		return;
	packed = (struct packed *)(void *)((char *)snapshot - offsetof(struct packed, snapshot));
	munmap(packed, packed->bytes);
}
