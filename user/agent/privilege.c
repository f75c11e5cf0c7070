/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/privilege.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define USER_NAME   "holdfast"
#define NOBODY_NAME "nobody"
#define NOBODY_ID   65534 /* the kernel's, where no file tells */
/* What the agent puts into its store's directory (store/directory.c, send/spool.h). */
#define STORE_PREFIX "holdfast."
#define STORE_LOCK   "holdfast.lock"
#define STORE_SPOOL  "spool"

static struct confine_user nobody(void)
{
	const struct passwd *entry = getpwnam(NOBODY_NAME);

	return entry ? (struct confine_user){entry->pw_uid, entry->pw_gid}
		     : (struct confine_user){NOBODY_ID, NOBODY_ID};
}

int privilege_choose(const struct config *config, struct privilege_users *ret,
		     struct hf_error *error)
{
	const char *name = config->user ? config->user : USER_NAME;
	const struct passwd *entry = getpwnam(name);
	struct confine_user user = {0, 0};

	if (config->user && !entry)
		return error_set(error, HF_E_CONFIG, "there is no user '%s'", name);
	if (geteuid() && config->user && entry->pw_uid != geteuid()) {
		error_set(error, HF_E_PERM, "only root can run the agent as user '%s'", name);
		return error_fix(error, "start it as that user, or leave out `user`");
	}
	if (entry)
		user = (struct confine_user){entry->pw_uid, entry->pw_gid};
	*ret = (struct privilege_users){.agent = user, .broker = user.uid ? user : nobody()};
	return 0;
}

/* Nobody else has another name for it, so it is nobody else's file. */
static void give(int dir_fd, const char *name, const struct confine_user *user)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_uid || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1)
		return;
	if (fchownat(dir_fd, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW))
		log_warn_err(-errno, "%s can't be given to user %u", name, user->uid);
}

/* @prefix: of the names. The directory comes last: until then nobody but root can put anything into it. */
static void give_directory(int fd, const char *prefix, const struct confine_user *user)
{
	int listed = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = listed < 0 ? NULL : fdopendir(listed);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			give(fd, entry->d_name, user);
	if (dir)
		closedir(dir);
	else if (listed >= 0)
		close(listed);
	if (fchown(fd, user->uid, user->gid))
		log_warn_err(-errno, "the store can't be given to user %u", user->uid);
}

static int open_directory(int dir_fd, const char *path, int flags)
{
	return openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
}

static bool is_roots_alone(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

void privilege_prepare_store(const char *path, const struct confine_user *user)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int spool = -1;
	struct stat st;
	bool made;

	if (geteuid() || !user->uid)
		return;
	made = !mkdir(path, 0700);
	fd = open_directory(AT_FDCWD, path, 0);
	if (fd < 0 || !is_roots_alone(fd))
		return;
	if (!made && fstatat(fd, STORE_LOCK, &st, AT_SYMLINK_NOFOLLOW))
		return;
	spool = open_directory(fd, STORE_SPOOL, O_NOFOLLOW);
	if (spool >= 0 && is_roots_alone(spool))
		give_directory(spool, "", user);
	give_directory(fd, STORE_PREFIX, user);
}

static int cannot(struct hf_error *error, int err)
{
	return error_set_errno(error, HF_E_PERM, -err, "the agent can't give up its privileges: %s",
			       strerror(-err));
}

int privilege_lower(const struct confine_user *user, struct hf_error *error)
{
	int err = confine_user(user);

	if (err) {
		error_set_errno(error, HF_E_PERM, -err, "the agent can't become user %u: %s",
				user->uid, strerror(-err));
		return error_fix(error, "name a user of this container with `user`, or root");
	}
	err = confine_capabilities(CONFINE_BIT(CAP_NET_BIND_SERVICE));
	return err ? cannot(error, err) : 0;
}

int privilege_drop(struct hf_error *error)
{
	int err = confine_capabilities(CONFINE_NONE);

	if (!err)
		err = confine_calls(CONFINE_AGENT);
	return err ? cannot(error, err) : 0;
}
