/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/debug_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "process/elf/elf_file.h"
#include "process/symbol/debug_elf.h"

#define DEBUG_ROOT         "/usr/lib/debug"
#define MAX_CHECKSUM_BYTES ((off_t)2 << 30)

DEFINE_CLEANUP(struct elf_file *, elf_file_free);

/* What a file must prove to be the right one. */
struct proof {
	const struct build_id *id;
	bool has_crc;
	uint32_t crc;
	bool supplementary; /* no program: the descriptor is all we want */
};

void debug_file_done(struct debug_file *found)
{
	if (!found->file && found->fd >= 0)
		close(found->fd);
	elf_file_free(found->file);
	free(found->path);
	*found = (struct debug_file)DEBUG_FILE_NONE;
}

static int open_regular(const struct debug_file_place *place, bool in_target, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (in_target)
		fd = place->open_in_target(place->root_pid, path);
	else if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		fd = -errno;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return take_fd(&fd);
}

static bool checksum_fits(int fd, uint32_t want)
{
	uint8_t buffer[65536];
	uLong crc = crc32(0, NULL, 0);
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		crc = crc32(crc, buffer, (uInt)got);
		at += got;
		if (at > MAX_CHECKSUM_BYTES)
			return false;
	}
	return !got && crc == want;
}

static bool only_root_writes(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Takes @fd over in any case. */
static int open_supplementary(int fd, const struct proof *proof, struct debug_file *ret)
{
	_cleanup_close_ int owned = fd;

	if (!debug_elf_has_build_id(fd, proof->id))
		return -ESTALE;
	ret->steady = only_root_writes(fd);
	ret->fd = take_fd(&owned);
	return 0;
}

/* Takes @fd over in any case. */
static int open_proven(int fd, const struct proof *proof, struct debug_file *ret)
{
	_cleanup_(elf_file_freep) struct elf_file *file = NULL;
	const struct build_id *id;
	int err;

	if (proof->supplementary)
		return open_supplementary(fd, proof, ret);
	err = elf_file_open_fd(fd, &file);
	if (err)
		return err;
	id = elf_file_build_id(file);
	if (proof->id->size && id->size) {
		if (!build_id_equal(proof->id, id))
			return -ESTALE;
	} else if (!proof->has_crc || !checksum_fits(elf_file_descriptor(file), proof->crc)) {
		return -ESTALE;
	}
	ret->fd = elf_file_descriptor(file);
	ret->steady = only_root_writes(ret->fd);
	ret->file = no_free_ptr(file);
	return 0;
}

/* Fills @ret with the first file at that path which proves itself. */
static int try_path(const struct strbuf *path, const struct debug_file_place *place,
		    const struct proof *proof, struct debug_file *ret)
{
	if (path->failed)
		return -ENOMEM;
	for (int in_target = 0; in_target <= (place->open_in_target && place->root_pid);
	     in_target++) {
		struct debug_file found = DEBUG_FILE_NONE;
		int fd = open_regular(place, in_target, path->buf);
		int err = fd < 0 ? fd : open_proven(fd, proof, &found);

		if (!err && !(found.path = strdup(path->buf))) {
			debug_file_done(&found);
			err = -ENOMEM;
		}
		if (err == -ENOMEM)
			return err;
		if (err)
			continue;
		found.steady &= !in_target;
		*ret = found;
		return 0;
	}
	return -ENOENT;
}

static int try_build_id(const struct proof *proof, const struct debug_file_place *place,
			struct debug_file *ret, struct strbuf *path)
{
	char hex[2 * BUILD_ID_MAX_BYTES + 1];

	if (proof->id->size < 2)
		return -ENOENT;
	build_id_format(proof->id, hex);
	strbuf_reset(path);
	strbuf_addf(path, DEBUG_ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2);
	return try_path(path, place, proof, ret);
}

static size_t directory_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static int try_link(const struct elf_file *file, const struct debug_file_place *place,
		    struct debug_file *ret, struct strbuf *path)
{
	static const struct {
		const char *before, *after;
	} forms[] = {{"", "/"}, {"", "/.debug/"}, {DEBUG_ROOT, "/"}};
	struct proof proof = {.id = elf_file_build_id(file), .has_crc = true};
	int err = -ENOENT, directory;
	const char *link;

	if (!place->path || place->path[0] != '/' || elf_file_debuglink(file, &link, &proof.crc) ||
	    !link[0] || strchr(link, '/'))
		return -ENOENT;
	directory = (int)directory_len(place->path);
	for (size_t i = 0; err == -ENOENT && i < sizeof(forms) / sizeof(*forms); i++) {
		strbuf_reset(path);
		strbuf_addf(path, "%s%.*s%s%s", forms[i].before, directory, place->path,
			    forms[i].after, link);
		err = try_path(path, place, &proof, ret);
	}
	return err;
}

static int try_whole_path(const struct elf_file *file, const struct debug_file_place *place,
			  struct debug_file *ret, struct strbuf *path)
{
	struct proof proof = {.id = elf_file_build_id(file)};

	if (!place->path || place->path[0] != '/')
		return -ENOENT;
	strbuf_reset(path);
	strbuf_addf(path, DEBUG_ROOT "%s.debug", place->path);
	return try_path(path, place, &proof, ret);
}

int debug_file_find(const struct elf_file *file, const struct debug_file_place *place,
		    struct debug_file *ret)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct proof proof = {.id = elf_file_build_id(file)};
	int err = try_build_id(&proof, place, ret, &path);

	if (err == -ENOENT)
		err = try_link(file, place, ret, &path);
	if (err == -ENOENT)
		err = try_whole_path(file, place, ret, &path);
	return err;
}

/* A NUL-terminated name, then the build id: the dwz manual's .gnu_debugaltlink. */
static int read_alternate_link(const struct elf_file *file, const char **ret_name,
			       struct build_id *ret)
{
	struct elf_section section;
	struct cursor c;
	const char *name;
	size_t size;

	if (elf_file_section(file, ".gnu_debugaltlink", &section) || !section.data)
		return -ENOENT;
	c = cursor_of(section.data, section.size);
	name = cursor_cstr(&c, NULL);
	size = cursor_left(&c);
	if (c.bad || !name[0] || !size || size > BUILD_ID_MAX_BYTES)
		return -ENOENT;
	ret->size = (uint8_t)size;
	memcpy(ret->bytes, cursor_bytes(&c, size), size);
	*ret_name = name;
	return 0;
}

int debug_file_find_supplementary(const struct elf_file *file, const struct debug_file_place *place,
				  struct debug_file *ret)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct build_id id = {0};
	struct proof proof = {.id = &id, .supplementary = true};
	const char *name;
	int err = read_alternate_link(file, &name, &id);

	if (err)
		return err;
	err = try_build_id(&proof, place, ret, &path);
	if (err != -ENOENT)
		return err;
	strbuf_reset(&path);
	if (name[0] == '/')
		strbuf_addstr(&path, name);
	else if (place->path && place->path[0] == '/')
		strbuf_addf(&path, "%.*s/%s", (int)directory_len(place->path), place->path, name);
	else
		return -ENOENT;
	return try_path(&path, place, &proof, ret);
}
