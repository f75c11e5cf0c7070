// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/cost_cache.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hashmap.h"

#define FILE_MAX_BYTES    4096
#define CMDLINE_MAX_BYTES 65536
#define SEED              0x686f6c64u /* fixed: the value goes into a file */

static uint64_t hash_cpu(uint64_t seed)
{
	uint32_t words[12] = {0};

	for (unsigned int i = 0; i < 3; i++)
		__get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
			    &words[4 * i + 3]);
	return hash_bytes(words, sizeof(words), seed);
}

/* All boot parameters: which of them make a trap dearer is more than a list can tell. */
static uint64_t hash_machine(const char *way)
{
	_cleanup_free_ char *parameters = NULL;
	uint64_t hash = hash_cpu(SEED);
	size_t size = 0;

	if (!file_read("/proc/cmdline", CMDLINE_MAX_BYTES, &parameters, &size))
		hash = hash_bytes(parameters, size, hash);
	return hash_bytes(way, strlen(way), hash);
}

/* The user's own folder for caches, made if it is not there. */
static int add_home(struct strbuf *path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && cache[0] == '/')
		strbuf_addstr(path, cache);
	else if (home && home[0] == '/')
		strbuf_addf(path, "%s/.cache", home);
	else
		return -ENOENT;
	mkdir(path->buf, 0700);
	return 0;
}

static int find_path(struct strbuf *path)
{
	bool root = geteuid() == 0;
	struct utsname name;
	int err = 0;

	if (uname(&name) || strchr(name.release, '/'))
		return -ENOENT;
	if (root)
		strbuf_addstr(path, "/var/cache");
	else
		err = add_home(path);
	if (err)
		return err;
	strbuf_addstr(path, "/holdfast");
	if (!path->failed && mkdir(path->buf, root ? 0755 : 0700) && errno != EEXIST)
		return -errno;
	strbuf_addf(path, "/calibration-%s", name.release);
	return path->failed ? -ENOMEM : 0;
}

void cost_cache_init(struct cost_cache *ret, const char *way)
{
	*ret = (struct cost_cache){.path = STRBUF_INIT, .machine = hash_machine(way)};
	if (find_path(&ret->path))
		strbuf_done(&ret->path);
}

void cost_cache_done(struct cost_cache *cache)
{
	strbuf_done(&cache->path);
}

int cost_cache_read(const struct cost_cache *cache, struct probe_costs *ret)
{
	_cleanup_close_ int fd =
		open(cache->path.buf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t size;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	err = file_read_fd(fd, FILE_MAX_BYTES, &text, &size);
	return err ? err : cost_parse(text, size, cache->machine, ret);
}

int cost_cache_write(const struct cost_cache *cache, const struct probe_costs *costs)
{
	_cleanup_(file_writer_abort) struct file_writer writer = FILE_WRITER_INIT;
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	int err = cache->path.len ? cost_add_text(&text, costs, cache->machine) : -ENOENT;

	if (!err)
		err = file_writer_open(&writer, cache->path.buf);
	/* Under sudo files are the caller's; this one is root's. */
	if (!err && fchown(writer.fd, geteuid(), getegid()))
		err = -errno;
	if (!err)
		err = write_full(writer.fd, text.buf, text.len);
	return err ? err : file_writer_commit(&writer);
}
