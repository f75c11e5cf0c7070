// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/memory_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "process/proc/proc_text.h"

#define ENTRY_COUNT   4096 /* of the pagemap at a time: 16 MiB of addresses */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_SWAPPED (1ULL << 62)
#define ENTRY_FILE    (1ULL << 61) /* of a file, or shared */

static int open_file(int pid, const char *name)
{
	char *path = proc_path(pid, name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int err = path ? errno : ENOMEM;

	free(path);
	return fd < 0 ? proc_error(pid, err) : fd;
}

int memory_stream_open(int pid, struct memory_stream *ret)
{
	struct memory_stream s = {.pid = pid};

	s.pagemap_fd = open_file(pid, "pagemap");
	if (s.pagemap_fd < 0)
		return s.pagemap_fd;
	s.memory_fd = open_file(pid, "mem");
	s.opened = true;
	if (posix_memalign((void **)&s.buffer, PAGE_BYTES, STREAM_BATCH_PAGES * PAGE_BYTES))
		s.buffer = NULL;
	s.entries = malloc(ENTRY_COUNT * sizeof(*s.entries));
	if (!s.buffer || !s.entries) {
		memory_stream_close(&s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void memory_stream_close(struct memory_stream *stream)
{
	if (stream->opened) {
		close(stream->pagemap_fd);
		if (stream->memory_fd >= 0)
			close(stream->memory_fd);
	}
	free(stream->buffer);
	free(stream->entries);
	*stream = (struct memory_stream){.pagemap_fd = -1, .memory_fd = -1};
}

/* Runs of pages that are fetched in one call. */
struct batch {
	struct iovec runs[STREAM_BATCH_PAGES];
	size_t run_count, pages;
	memory_visit_fn visit;
	void *user;
};

/* What of the batch arrived: @got bytes from its beginning. */
static int visit_batch(struct memory_stream *stream, struct batch *batch, size_t got)
{
	const uint64_t *words = stream->buffer;

	for (size_t i = 0; i < batch->run_count && got >= PAGE_BYTES; i++) {
		size_t bytes = batch->runs[i].iov_len < got ? batch->runs[i].iov_len : got;
		int err = batch->visit(batch->user, (uint64_t)(uintptr_t)batch->runs[i].iov_base,
				       words, bytes / PAGE_BYTES);

		if (err)
			return err;
		words += bytes / 8;
		got -= bytes;
	}
	return 0;
}

/* Drops the first @skip bytes of the batch, which are done with. */
static void skip_front(struct batch *batch, size_t skip)
{
	size_t run = 0;

	while (run < batch->run_count && skip >= batch->runs[run].iov_len)
		skip -= batch->runs[run++].iov_len;
	if (run < batch->run_count && skip) {
		batch->runs[run].iov_base = (char *)batch->runs[run].iov_base + skip;
		batch->runs[run].iov_len -= skip;
	}
	batch->run_count -= run;
	for (size_t i = 0; i < batch->run_count; i++)
		batch->runs[i] = batch->runs[i + run];
}

/* The page that process_vm_readv() refused: without access, or gone meanwhile. */
static int force_page(struct memory_stream *stream, const struct batch *batch, size_t before)
{
	uint64_t address;
	size_t run = 0;

	while (before >= batch->runs[run].iov_len)
		before -= batch->runs[run++].iov_len;
	address = (uint64_t)(uintptr_t)batch->runs[run].iov_base + before;
	if (pread(stream->memory_fd, stream->buffer, PAGE_BYTES, (off_t)address) != PAGE_BYTES) {
		stream->unreadable_bytes += PAGE_BYTES;
		return 0;
	}
	stream->bytes += PAGE_BYTES;
	return batch->visit(batch->user, address, stream->buffer, 1);
}

static int fetch_batch(struct memory_stream *stream, struct batch *batch)
{
	int err = 0;

	while (batch->run_count && !err) {
		struct iovec local = {stream->buffer, STREAM_BATCH_PAGES * PAGE_BYTES};
		ssize_t got =
			process_vm_readv(stream->pid, &local, 1, batch->runs, batch->run_count, 0);
		size_t whole = got > 0 ? (size_t)got / PAGE_BYTES * PAGE_BYTES : 0, want = 0;

		if (got < 0 && errno != EFAULT)
			return -errno;
		for (size_t i = 0; i < batch->run_count; i++)
			want += batch->runs[i].iov_len;
		stream->bytes += whole;
		err = visit_batch(stream, batch, whole);
		if (whole == want)
			break;
		if (!err)
			err = force_page(stream, batch, whole);
		skip_front(batch, whole + PAGE_BYTES);
	}
	batch->run_count = batch->pages = 0;
	return err;
}

static int add_run(struct memory_stream *stream, struct batch *batch, uint64_t address,
		   size_t pages)
{
	while (pages) {
		size_t take = STREAM_BATCH_PAGES - batch->pages;
		int err = 0;

		take = take < pages ? take : pages;
		batch->runs[batch->run_count++] =
			(struct iovec){(void *)(uintptr_t)address, take * PAGE_BYTES};
		batch->pages += take;
		address += take * PAGE_BYTES;
		pages -= take;
		if (batch->pages == STREAM_BATCH_PAGES)
			err = fetch_batch(stream, batch);
		if (err)
			return err;
	}
	return 0;
}

static bool is_wanted(struct memory_stream *stream, uint64_t entry, enum stream_choice choice)
{
	bool file = entry & ENTRY_FILE;

	if (choice == STREAM_ANONYMOUS && file)
		return false;
	if (entry & ENTRY_PRESENT) {
		stream->present_bytes += PAGE_BYTES;
		return choice != STREAM_COUNT;
	}
	if (entry & ENTRY_SWAPPED)
		stream->swapped_bytes += PAGE_BYTES;
	return false;
}

/* One reading of the pagemap: @count pages from @address on. */
static int stream_entries(struct memory_stream *stream, struct batch *batch, uint64_t address,
			  size_t count, enum stream_choice choice)
{
	size_t i = 0;

	while (i < count) {
		size_t first = i;
		int err;

		while (i < count && is_wanted(stream, stream->entries[i], choice))
			i++;
		err = i > first ? add_run(stream, batch, address + first * PAGE_BYTES, i - first)
				: 0;
		if (err)
			return err;
		i++; /* what ended the run is not wanted */
	}
	return 0;
}

int memory_stream_range(struct memory_stream *stream, struct stream_range range,
			memory_visit_fn visit, void *user)
{
	struct batch batch = {.visit = visit, .user = user};
	int err = 0;

	while (range.start < range.end && !err) {
		uint64_t pages = (range.end - range.start) / PAGE_BYTES;
		size_t count = pages < ENTRY_COUNT ? (size_t)pages : ENTRY_COUNT;
		ssize_t got = pread(stream->pagemap_fd, stream->entries, count * 8,
				    (off_t)(range.start / PAGE_BYTES * 8));

		if (got < 8)
			return got < 0 ? -errno : -ESRCH;
		if (stream->until_ns && clock_now_ns() > stream->until_ns)
			return -ETIME;
		count = (size_t)got / 8;
		err = stream_entries(stream, &batch, range.start, count, range.choice);
		range.start += count * PAGE_BYTES;
	}
	return err ? err : fetch_batch(stream, &batch);
}

size_t memory_stream_run(struct memory_stream *stream, uint64_t *address, uint64_t end,
			 size_t max_pages)
{
	size_t most = max_pages < ENTRY_COUNT ? max_pages : ENTRY_COUNT;

	while (*address < end) {
		uint64_t pages = (end - *address) / PAGE_BYTES;
		size_t count = pages < most ? (size_t)pages : most, first = 0, run = 0;
		ssize_t got = pread(stream->pagemap_fd, stream->entries, count * 8,
				    (off_t)(*address / PAGE_BYTES * 8));

		if (got < 8)
			return 0;
		count = (size_t)got / 8;
		while (first < count && !(stream->entries[first] & ENTRY_PRESENT))
			first++;
		while (first + run < count && stream->entries[first + run] & ENTRY_PRESENT)
			run++;
		*address += first * PAGE_BYTES;
		if (run)
			return run;
	}
	return 0;
}

void memory_read_pieces(int pid, struct memory_piece *pieces, size_t count)
{
	struct iovec local[IOV_MAX], remote[IOV_MAX];

	for (size_t done = 0; done < count;) {
		size_t batch = count - done < IOV_MAX ? count - done : IOV_MAX, ok = 0;
		ssize_t got;

		for (size_t i = 0; i < batch; i++) {
			struct memory_piece *p = &pieces[done + i];

			local[i] = (struct iovec){p->bytes, p->size};
			remote[i] = (struct iovec){(void *)(uintptr_t)p->address, p->size};
			p->ok = false;
		}
		got = process_vm_readv(pid, local, batch, remote, batch, 0);
		while (ok < batch && got >= (ssize_t)pieces[done + ok].size) {
			got -= (ssize_t)pieces[done + ok].size;
			pieces[done + ok++].ok = true;
		}
		/* The one that failed is left behind, the others get their turn. */
		done += ok == batch ? batch : ok + 1;
	}
}

bool memory_read(int pid, uint64_t address, void *ret_bytes, size_t size)
{
	struct memory_piece piece = {address, ret_bytes, size, false};

	memory_read_pieces(pid, &piece, 1);
	return piece.ok;
}
