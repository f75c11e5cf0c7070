// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/vec.h"

#define MAGIC         0x70736648u /* "Hfsp" */
#define VERSION       1u
#define HEAD_SIZE     40u
#define CRC_AT        36u
#define BODY_MAX      (64u << 20)
#define NAME_SIZE     32
#define SUFFIX        ".batch"
#define NUMBER_DIGITS 16

struct entry {
	uint64_t number;
	uint64_t size;    /* of the file */
	uint64_t made_ns; /* 0: its head is damaged */
};

struct spool {
	int dir_fd;
	int lock_fd;
	struct spool_limits limits;
	VEC(struct entry) entries; /* by number; those before `first` are gone */
	size_t first;
	uint64_t next_number;
	uint64_t bytes;
	uint64_t lost;
};

static void name_of(uint64_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%016llx" SUFFIX, (unsigned long long)number);
}

static bool number_of(const char *name, uint64_t *ret_number)
{
	char again[NAME_SIZE], *end;

	*ret_number = strtoull(name, &end, 16);
	if (end != name + NUMBER_DIGITS)
		return false;
	name_of(*ret_number, again);
	return !strcmp(name, again);
}

uint64_t spool_count(const struct spool *spool)
{
	return spool->entries.count - spool->first;
}

uint64_t spool_bytes(const struct spool *spool)
{
	return spool->bytes;
}

uint64_t spool_take_lost(struct spool *spool)
{
	uint64_t lost = spool->lost;

	spool->lost = 0;
	return lost;
}

static void remove_first(struct spool *spool)
{
	const struct entry *gone = &spool->entries.items[spool->first];
	char name[NAME_SIZE];

	name_of(gone->number, name);
	if (unlinkat(spool->dir_fd, name, 0) < 0 && errno != ENOENT)
		log_warn_err(-errno, "cannot remove %s from the spool", name);
	spool->bytes -= gone->size;
	spool->first++;
	if (spool->first == spool->entries.count)
		spool->first = spool->entries.count = 0;
}

bool spool_remove(struct spool *spool, uint64_t number)
{
	if (!spool_count(spool) || spool->entries.items[spool->first].number != number)
		return false;
	remove_first(spool);
	return true;
}

static void drop_first(struct spool *spool)
{
	remove_first(spool);
	spool->lost++;
}

static bool must_drop(const struct spool *spool, uint64_t made_ns)
{
	const struct entry *oldest = &spool->entries.items[spool->first];

	if (!spool_count(spool))
		return false;
	if (spool->bytes > spool->limits.bytes || spool_count(spool) > SPOOL_BATCHES_MAX)
		return true;
	return made_ns > oldest->made_ns && made_ns - oldest->made_ns > spool->limits.ns;
}

static void compose_head(const struct spool_batch *batch, struct strbuf *head)
{
	uint32_t crc;

	strbuf_add_le(head, MAGIC, 4);
	strbuf_add_le(head, VERSION, 4);
	strbuf_add_le(head, batch->table, 4);
	strbuf_add_le(head, batch->rows, 4);
	strbuf_add_le(head, batch->made_ns, 8);
	strbuf_add_le(head, batch->size, 8);
	strbuf_add_le(head, 0, 4);
	crc = (uint32_t)crc32(0, (const Bytef *)head->buf, CRC_AT);
	crc = (uint32_t)crc32(crc, batch->body, (uInt)batch->size);
	strbuf_add_le(head, crc, 4);
}

/* What is in a file: -EBADMSG if it is no whole batch. The body lies in the file's bytes. */
static int parse(const char *file, size_t size, struct spool_batch *ret)
{
	struct cursor c = cursor_of(file, size);
	bool known = cursor_u32(&c) == MAGIC && cursor_u32(&c) == VERSION;
	uint32_t crc;

	ret->table = cursor_u32(&c);
	ret->rows = cursor_u32(&c);
	ret->made_ns = cursor_u64(&c);
	ret->size = cursor_u64(&c);
	cursor_skip(&c, 4);
	crc = cursor_u32(&c);
	if (c.bad || !known || ret->size != cursor_left(&c) || ret->size > BODY_MAX)
		return -EBADMSG;
	ret->body = c.p;
	if (crc32(crc32(0, (const Bytef *)file, CRC_AT), ret->body, (uInt)ret->size) != crc)
		return -EBADMSG;
	return 0;
}

static int write_file(const struct spool *spool, const char *name, const struct spool_batch *batch)
{
	_cleanup_(strbuf_done) struct strbuf head = STRBUF_INIT;
	_cleanup_close_ int fd = openat(
		spool->dir_fd, "new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	compose_head(batch, &head);
	err = head.failed ? -ENOMEM : write_full(fd, head.buf, head.len);
	if (!err)
		err = write_full(fd, batch->body, batch->size);
	if (!err && fdatasync(fd) < 0)
		err = -errno;
	if (!err && renameat(spool->dir_fd, "new", spool->dir_fd, name) < 0)
		err = -errno;
	if (err) {
		unlinkat(spool->dir_fd, "new", 0);
		return err;
	}
	/* the batch is there; whether its name outlives a power cut is all that is open */
	if (fsync(spool->dir_fd) < 0)
		log_warn_err(-errno, "cannot sync the spool's folder");
	return 0;
}

int spool_add(struct spool *spool, const struct spool_batch *batch)
{
	struct entry added = {
		.number = spool->next_number,
		.size = HEAD_SIZE + batch->size,
		.made_ns = batch->made_ns,
	};
	char name[NAME_SIZE];
	int err;

	if (batch->size > BODY_MAX)
		return -EFBIG;
	if (spool->first > spool->entries.count / 2) {
		spool->entries.count -= spool->first;
		memmove(spool->entries.items, spool->entries.items + spool->first,
			spool->entries.count * sizeof(*spool->entries.items));
		spool->first = 0;
	}
	err = vec_reserve(&spool->entries, 1);
	if (err)
		return err;
	name_of(added.number, name);
	err = write_file(spool, name, batch);
	if (err)
		return err;
	vec_push(&spool->entries, added);
	spool->next_number++;
	spool->bytes += added.size;
	while (must_drop(spool, batch->made_ns))
		drop_first(spool);
	return 0;
}

static int load(const struct spool *spool, const char *name, struct spool_loaded *ret)
{
	_cleanup_free_ char *file = NULL;
	size_t size;
	int err = file_read_at(spool->dir_fd, name, HEAD_SIZE + BODY_MAX, &file, &size);

	if (!err)
		err = parse(file, size, &ret->batch);
	if (!err)
		ret->memory = no_free_ptr(file);
	return err;
}

int spool_first(struct spool *spool, struct spool_loaded *ret)
{
	while (spool_count(spool)) {
		struct spool_loaded loaded = {
			.number = spool->entries.items[spool->first].number,
		};
		char name[NAME_SIZE];
		int err;

		name_of(loaded.number, name);
		err = load(spool, name, &loaded);
		if (!err) {
			*ret = loaded;
			return 1;
		}
		if (err != -EBADMSG && err != -ENOENT && err != -EFBIG)
			return err;
		log_warn_err(err, "a batch of the spool is lost: %s", name);
		drop_first(spool);
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static uint64_t made_of(int dir_fd, const char *name)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t head[HEAD_SIZE];
	struct cursor c;
	size_t got;

	if (fd < 0 || pread_full(fd, head, sizeof(head), 0, &got) || got < sizeof(head))
		return 0;
	c = cursor_of(head + 16, 8);
	return cursor_u64(&c);
}

/* What an earlier life left: its batches, and perhaps a file that it did not finish. */
static int read_folder(struct spool *spool)
{
	int fd = fcntl(spool->dir_fd, F_DUPFD_CLOEXEC, 0), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *file;
	uint64_t last;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (file = readdir(dir))) {
		struct entry found;
		struct stat st;

		if (!number_of(file->d_name, &found.number) ||
		    fstatat(spool->dir_fd, file->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		found.size = (uint64_t)st.st_size;
		found.made_ns = made_of(spool->dir_fd, file->d_name);
		spool->bytes += found.size;
		err = vec_push(&spool->entries, found);
	}
	closedir(dir);
	if (err || !spool->entries.count)
		return err;
	qsort(spool->entries.items, spool->entries.count, sizeof(*spool->entries.items), by_number);
	last = spool->entries.items[spool->entries.count - 1].number;
	if (last >= spool->next_number)
		spool->next_number = last + 1;
	return 0;
}

int spool_open(const char *path, const struct spool_limits *limits, struct spool **ret_spool)
{
	_cleanup_(spool_closep) struct spool *spool = calloc(1, sizeof(*spool));
	int err;

	if (!spool)
		return -ENOMEM;
	spool->limits = *limits;
	spool->lock_fd = -1;
	/* so that a number does not come back after an empty spool and a new start */
	spool->next_number = clock_wall_ns() / NS_PER_US;
	spool->dir_fd = -1;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	spool->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (spool->dir_fd < 0)
		return -errno;
	spool->lock_fd =
		openat(spool->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (spool->lock_fd < 0)
		return -errno;
	if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	err = read_folder(spool);
	if (err)
		return err;
	*ret_spool = no_free_ptr(spool);
	return 0;
}

void spool_close(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->dir_fd >= 0)
		close(spool->dir_fd);
	if (spool->lock_fd >= 0)
		close(spool->lock_fd);
	vec_done(&spool->entries);
	free(spool);
}
