/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const char *const suffixes[] = {"", "-wal", "-shm"};

static int lock(struct directory *directory, const char *path, struct hf_error *err)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int error;

	directory->lock_fd = openat(directory->fd, DIRECTORY_LOCK_NAME,
				    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (directory->lock_fd < 0) {
		error = errno;
		return error_set_errno(err, HF_E_CANTWRITE, error, "cannot write to %s: %s", path,
				       strerror(error));
	}
	if (fcntl(directory->lock_fd, F_SETLK, &range) == 0)
		return 0;
	error = errno;
	if (error != EACCES && error != EAGAIN)
		return error_set_errno(err, HF_E_CANTWRITE, error, "cannot lock %s: %s", path,
				       strerror(error));
	error_set_errno(err, HF_E_PERM, EBUSY, "the store %s is in use", path);
	if (fcntl(directory->lock_fd, F_GETLK, &range) == 0 && range.l_type != F_UNLCK &&
	    range.l_pid > 0)
		error_why(err, "the agent with pid %d has it", (int)range.l_pid);
	else
		error_why(err, "another agent, in another PID namespace, has it");
	return error_fix(err, "stop that agent, or give this one another directory (store: DIR)");
}

/* What others may write to, they could put files of theirs into. */
static int check_rights(const struct directory *directory, const char *path, struct hf_error *err)
{
	struct stat st;

	if (fstat(directory->fd, &st) == 0 && !(st.st_mode & S_IWOTH))
		return 0;
	error_set(err, HF_E_PERM, "the directory %s is no place for the store", path);
	error_why(err, "everybody may write to it");
	return error_fix(err, "choose a directory of the agent's own (store: DIR)");
}

static int set_path(struct directory *directory, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	if (!real)
		return -errno;
	return strbuf_addf(&directory->path, "%s/" DIRECTORY_FILE_NAME, real);
}

int directory_open(struct directory *directory, const char *path, bool read_only,
		   struct hf_error *err)
{
	_cleanup_(directory_close) struct directory opened = DIRECTORY_INIT;
	int error = 0;

	if (!read_only && mkdir(path, 0700) < 0 && errno != EEXIST) {
		error = errno;
		return error_set_errno(err, HF_E_CANTWRITE, error,
				       "cannot make the directory %s: %s", path, strerror(error));
	}
	opened.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = opened.fd < 0 ? -errno : set_path(&opened, path);
	if (error)
		return error_set_errno(err, HF_E_NOFILE, -error, "cannot open the directory %s: %s",
				       path, strerror(-error));
	error = check_rights(&opened, path, err);
	if (!error && !read_only)
		error = lock(&opened, path, err);
	if (error)
		return error;
	*directory = opened;
	opened = (struct directory)DIRECTORY_INIT;
	return 0;
}

void directory_close(struct directory *directory)
{
	if (directory->fd >= 0)
		close(take_fd(&directory->fd));
	if (directory->lock_fd >= 0)
		close(take_fd(&directory->lock_fd));
	strbuf_done(&directory->path);
}

int directory_prepare_file(const struct directory *directory)
{
	_cleanup_close_ int fd = openat(directory->fd, DIRECTORY_FILE_NAME,
					O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
					0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* SQLite gives the -wal and the -shm the rights of the file */
	if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
		return -errno;
	return 0;
}

static int add_time(struct strbuf *name, uint64_t wall_ns)
{
	struct tm parts;
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	char text[32];

	if (!gmtime_r(&seconds, &parts) || !strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts))
		return strbuf_addstr(name, "unknown");
	return strbuf_addstr(name, text);
}

/* A name that no file has: several may be set aside within a second. */
static int free_name(const struct directory *directory, uint64_t wall_ns, struct strbuf *name)
{
	for (unsigned int i = 0; i < 1000; i++) {
		struct stat st;

		strbuf_reset(name);
		strbuf_addstr(name, DIRECTORY_FILE_NAME DIRECTORY_ASIDE);
		add_time(name, wall_ns);
		if (i)
			strbuf_addf(name, "-%u", i);
		if (name->failed)
			return -ENOMEM;
		if (fstatat(directory->fd, name->buf, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

int directory_set_aside(const struct directory *directory, uint64_t wall_ns, struct strbuf *aside)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT, old = STRBUF_INIT;
	const char *slash = strrchr(directory->path.buf, '/');
	int err = free_name(directory, wall_ns, &name);
	size_t stem = name.len;

	for (size_t i = 0; !err && i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		strbuf_reset(&old);
		strbuf_truncate(&name, stem);
		strbuf_addf(&old, DIRECTORY_FILE_NAME "%s", suffixes[i]);
		strbuf_addstr(&name, suffixes[i]);
		if (old.failed || name.failed)
			return -ENOMEM;
		if (renameat(directory->fd, old.buf, directory->fd, name.buf) < 0 &&
		    errno != ENOENT)
			err = -errno;
	}
	if (err)
		return err;
	strbuf_reset(aside);
	strbuf_add(aside, directory->path.buf, (size_t)(slash + 1 - directory->path.buf));
	return strbuf_add(aside, name.buf, stem);
}

uint64_t directory_file_bytes(const struct directory *directory, bool wal)
{
	struct stat st;

	if (fstatat(directory->fd, wal ? DIRECTORY_FILE_NAME "-wal" : DIRECTORY_FILE_NAME, &st,
		    AT_SYMLINK_NOFOLLOW))
		return 0;
	return (uint64_t)st.st_size;
}
