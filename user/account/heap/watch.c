// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/heap/memory_stream.h"

#define BATCH 512

struct entry {
	struct watched_block block;
	uint64_t words[WATCH_WORDS];
	bool doubt; /* a good part of it was other than before, once */
	bool other; /* most of it was other than before, at the last poll */
	bool gone;
};

struct watch {
	int pid;
	size_t max_blocks;
	VEC(struct entry) entries;
	bool sorted;
};

int watch_new(int pid, size_t max_blocks, struct watch **ret)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->pid = pid;
	watch->max_blocks = max_blocks;
	*ret = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	vec_done(&watch->entries);
	free(watch);
}

static size_t word_count(const struct watched_block *block)
{
	size_t words = block->size_bytes / 8;

	return words > WATCH_WORDS ? WATCH_WORDS : words ? words : 1;
}

/* What up to BATCH entries hold now. */
static void read_entries(const struct watch *watch, const struct entry *entries, size_t count,
			 uint64_t (*words)[WATCH_WORDS], struct memory_piece *pieces)
{
	for (size_t i = 0; i < count; i++) {
		memset(words[i], 0, sizeof(words[i]));
		pieces[i] = (struct memory_piece){entries[i].block.address, words[i],
						  word_count(&entries[i].block) * 8, false};
	}
	memory_read_pieces(watch->pid, pieces, count);
}

static int add_batch(struct watch *watch, const struct watched_block *blocks, size_t count,
		     struct watched_blocks *gone)
{
	struct entry entries[BATCH] = {0};
	uint64_t words[BATCH][WATCH_WORDS];
	struct memory_piece pieces[BATCH];
	int err = 0;

	for (size_t i = 0; i < count; i++)
		entries[i] = (struct entry){.block = blocks[i]};
	read_entries(watch, entries, count, words, pieces);
	for (size_t i = 0; !err && i < count; i++) {
		memcpy(entries[i].words, words[i], sizeof(words[i]));
		err = pieces[i].ok ? vec_push(&watch->entries, entries[i])
				   : vec_push(gone, blocks[i]);
	}
	watch->sorted = false;
	return err;
}

int watch_add(struct watch *watch, const struct watched_block *blocks, size_t count,
	      struct watched_blocks *ret_gone)
{
	size_t room = watch->max_blocks - watch->entries.count, done = 0;
	int err = 0;

	if (room > count)
		room = count;
	while (!err && done < room) {
		size_t batch = room - done < BATCH ? room - done : BATCH;

		err = add_batch(watch, blocks + done, batch, ret_gone);
		done += batch;
	}
	if (err || done == count)
		return err;
	err = vec_append(ret_gone, blocks + done, count - done);
	return err ? err : -ENOSPC;
}

/*
 * An allocator links its free blocks by their first two words (glibc: fd and bk, or next and key), and who gets such a
 * block next may leave the rest as it is.
 */
static bool is_linked(const struct entry *entry, const uint64_t *words, size_t count)
{
	return count > 1 && words[0] != entry->words[0] && words[1] != entry->words[1];
}

static void compare(struct entry *entry, const uint64_t *words)
{
	size_t count = word_count(&entry->block), same = 0;
	bool other;

	for (size_t i = 0; i < count; i++)
		same += words[i] == entry->words[i];
	other = 2 * same < count;
	entry->doubt |= 4 * same < 3 * count || is_linked(entry, words, count);
	entry->gone = other && entry->other;
	entry->other = other;
	memcpy(entry->words, words, sizeof(entry->words));
}

/* Tells those that are gone, and closes the gaps. */
static int drop_gone(struct watch *watch, struct watched_blocks *ret)
{
	size_t kept = 0;
	int err = 0;

	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = &watch->entries.items[i];

		if (entry->gone && ret && !err)
			err = vec_push(ret, entry->block);
		if (!entry->gone)
			watch->entries.items[kept++] = *entry;
	}
	watch->entries.count = kept;
	return err;
}

int watch_poll(struct watch *watch, struct watched_blocks *ret_gone)
{
	uint64_t words[BATCH][WATCH_WORDS];
	struct memory_piece pieces[BATCH];

	for (size_t done = 0; done < watch->entries.count; done += BATCH) {
		struct entry *entries = &watch->entries.items[done];
		size_t left = watch->entries.count - done, batch = left < BATCH ? left : BATCH;

		read_entries(watch, entries, batch, words, pieces);
		for (size_t i = 0; i < batch; i++) {
			if (pieces[i].ok)
				compare(&entries[i], words[i]);
			else
				entries[i].gone = true;
		}
	}
	return drop_gone(watch, ret_gone);
}

static int by_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->block.address < y->block.address ? -1 : x->block.address > y->block.address;
}

static void sort(struct watch *watch)
{
	if (!watch->sorted && watch->entries.count)
		qsort(watch->entries.items, watch->entries.count, sizeof(struct entry), by_address);
	watch->sorted = true;
}

int watch_list(struct watch *watch, struct watched_blocks *ret)
{
	int err = 0;

	sort(watch);
	for (size_t i = 0; !err && i < watch->entries.count; i++)
		err = vec_push(ret, watch->entries.items[i].block);
	return err;
}

void watch_keep(struct watch *watch, const uint8_t *keeps)
{
	for (size_t i = 0; i < watch->entries.count; i++)
		watch->entries.items[i].gone = !keeps[i];
	drop_gone(watch, NULL);
}

int watch_doubts(struct watch *watch, struct watched_blocks *ret)
{
	int err = 0;

	sort(watch);
	for (size_t i = 0; !err && i < watch->entries.count; i++)
		if (watch->entries.items[i].doubt)
			err = vec_push(ret, watch->entries.items[i].block);
	return err;
}
