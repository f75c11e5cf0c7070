/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's side of the broker. */
#include "agent/broker/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/broker/broker_internal.h"

struct broker {
	int fd;                /* -1: it is not to be asked any more */
	pid_t pid, helpers[2]; /* 0: there is none */
};

static int fail(struct hf_error *error, int err)
{
	return error_set_errno(error, HF_E_INTERNAL, -err, "the broker can't be started: %s",
			       strerror(-err));
}

/* An answer that does not come would stop the agent's loop for good. */
static int limit_waiting(int fd)
{
	const struct timeval limit = {.tv_sec = (time_t)(BROKER_WAIT_NS / 1000000000)};

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
			       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0
		       ? -errno
		       : 0;
}

/* It has given up what it does not need, or could not. */
static int hear_ready(int fd, pid_t ret_helpers[2])
{
	struct broker_answer answer;
	int fds[BROKER_FDS_MAX], err;
	size_t count;

	err = broker_wire_receive(fd, &answer, sizeof(answer), fds, &count);
	ret_helpers[0] = err ? 0 : answer.job;
	ret_helpers[1] = err ? 0 : answer.rule;
	return err ? err : answer.err;
}

int broker_new(const struct broker_options *options, struct broker **ret, struct hf_error *error)
{
	_cleanup_free_ struct broker *broker = calloc(1, sizeof(*broker));
	int ends[2], err;

	if (!broker)
		return fail(error, -ENOMEM);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(error, -errno);
	broker->fd = ends[0];
	broker->pid = fork();
	if (broker->pid == 0) {
		close(ends[0]);
		broker_serve(options, ends[1]);
		_exit(0);
	}
	err = broker->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (!err)
		err = limit_waiting(broker->fd);
	if (!err)
		err = hear_ready(broker->fd, broker->helpers);
	if (err) {
		close(broker->fd);
		if (broker->pid > 0)
			waitpid(broker->pid, NULL, 0);
		return fail(error, err);
	}
	*ret = no_free_ptr(broker);
	return 0;
}

static void give_up(struct broker *broker)
{
	if (broker->fd >= 0)
		close(broker->fd);
	broker->fd = -1;
}

void broker_free(struct broker *broker)
{
	if (!broker)
		return;
	give_up(broker);
	waitpid(broker->pid, NULL, 0);
	free(broker);
}

pid_t broker_pid(const struct broker *broker)
{
	return broker->pid;
}

/* The number of a helper that has ended may be anybody's. */
bool broker_is_own(const struct broker *broker, pid_t pid)
{
	struct process_stat stat;

	if (pid == broker->pid)
		return true;
	if (!pid || (pid != broker->helpers[0] && pid != broker->helpers[1]))
		return false;
	return !process_stat_read(pid, &stat) && stat.parent_pid == broker->pid;
}

/* @ret_fds: room for BROKER_FDS_MAX. After an answer that did not come in time the next one would be that. */
static int ask(struct broker *broker, const struct broker_ask *question,
	       struct broker_answer *ret_answer, int *ret_fds, size_t *ret_fd_count)
{
	int err = broker->fd < 0 ? -EPIPE : 0;

	*ret_fd_count = 0;
	if (!err)
		err = broker_wire_send(broker->fd, question, sizeof(*question), NULL, 0);
	if (!err)
		err = broker_wire_receive(broker->fd, ret_answer, sizeof(*ret_answer), ret_fds,
					  ret_fd_count);
	if (err)
		give_up(broker);
	return err;
}

/* Of those that carry no descriptors. @ret_answer NULL: only whether it was done is wanted. */
static int ask_plainly(struct broker *broker, const struct broker_ask *question,
		       struct broker_answer *ret_answer)
{
	struct broker_answer answer;
	int fds[BROKER_FDS_MAX], err;
	size_t count;

	err = ask(broker, question, &answer, fds, &count);
	while (count)
		close(fds[--count]);
	if (!err && ret_answer)
		*ret_answer = answer;
	return err ? err : answer.err;
}

static int take_handle(const struct broker_answer *answer, const int *fds, size_t count,
		       struct process_handle *ret)
{
	struct process_handle handle = PROCESS_HANDLE_INIT;
	size_t taken = 0;

	for (int i = 0; i < PROCESS_HANDLE_FILE_COUNT; i++)
		if (answer->fds >> i & 1 && taken < count)
			handle.fds[i] = fds[taken++];
	while (taken < count)
		close(fds[--count]);
	handle.key = answer->key;
	*ret = handle;
	return 0;
}

int broker_open(struct broker *broker, int pid, struct process_handle *ret_handle, char **ret_exe,
		int *ret_rule)
{
	const struct broker_ask question = {.kind = BROKER_OPEN, .pid = pid};
	struct broker_answer answer;
	int fds[BROKER_FDS_MAX], err;
	size_t count;
	char *exe;

	err = ask(broker, &question, &answer, fds, &count);
	if (!err)
		err = answer.err;
	exe = err ? NULL : strndup(answer.exe, sizeof(answer.exe) - 1);
	if (!err && !exe)
		err = -ENOMEM;
	if (err) {
		while (count)
			close(fds[--count]);
		return err;
	}
	*ret_exe = exe;
	*ret_rule = answer.rule;
	return take_handle(&answer, fds, count, ret_handle);
}

/* Of those that carry one. */
static int ask_for_fd(struct broker *broker, const struct broker_ask *question,
		      struct broker_answer *ret_answer, int *ret_fd)
{
	int fds[BROKER_FDS_MAX], err;
	size_t count;

	err = ask(broker, question, ret_answer, fds, &count);
	if (!err)
		err = ret_answer->err;
	if (!err && count != 1)
		err = -EBADMSG;
	if (err) {
		while (count)
			close(fds[--count]);
		return err;
	}
	*ret_fd = fds[0];
	return 0;
}

int broker_start(struct broker *broker, const struct job_request *request, pid_t *ret_job,
		 int *ret_fd)
{
	const struct broker_ask question = {
		.kind = BROKER_START, .pid = request->key.pid, .job = *request};
	struct broker_answer answer;
	int err = ask_for_fd(broker, &question, &answer, ret_fd);

	if (!err)
		*ret_job = answer.job;
	return err;
}

int broker_open_file(struct broker *broker, uint32_t which, int *ret_fd)
{
	const struct broker_ask question = {.kind = BROKER_FILE, .pid = (int32_t)which};
	struct broker_answer answer;

	return ask_for_fd(broker, &question, &answer, ret_fd);
}

int broker_read_collectors(struct broker *broker, const struct broker_places *places,
			   uint64_t ret_counts[BROKER_PLACES_MAX])
{
	const struct broker_ask question = {.kind = BROKER_COLLECTORS, .places = *places};
	struct broker_answer answer;
	int err = ask_plainly(broker, &question, &answer);

	if (!err)
		memcpy(ret_counts, answer.counts, sizeof(answer.counts));
	return err;
}

int broker_kill(struct broker *broker, pid_t job)
{
	return ask_plainly(broker, &(struct broker_ask){.kind = BROKER_KILL, .pid = job}, NULL);
}

int broker_reload(struct broker *broker)
{
	return ask_plainly(broker, &(struct broker_ask){.kind = BROKER_RELOAD}, NULL);
}

int broker_adopt(struct broker *broker)
{
	return ask_plainly(broker, &(struct broker_ask){.kind = BROKER_ADOPT}, NULL);
}

int broker_oom_kill(struct broker *broker, struct process_key key, struct broker_oom_kill *ret)
{
	const struct broker_ask question = {.kind = BROKER_OOM, .job = {.key = key}};
	struct broker_answer answer;
	int err = ask_plainly(broker, &question, &answer);

	if (!err)
		*ret = answer.oom_kill;
	return err;
}

int broker_weigh(struct broker *broker, uint64_t *ret_bytes)
{
	struct broker_answer answer;
	int err = ask_plainly(broker, &(struct broker_ask){.kind = BROKER_WEIGH}, &answer);

	if (!err)
		*ret_bytes = answer.pss_bytes;
	return err;
}

int broker_sees_oom_kills(struct broker *broker)
{
	return ask_plainly(broker, &(struct broker_ask){.kind = BROKER_OOM}, NULL);
}
