/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's side: one request after the other, until the agent is gone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/broker/broker_internal.h"
#include "base/log.h"

struct server {
	const struct broker_options *options;
	pid_t pid;        /* ours */
	int fd, child_fd; /* requests; a child has ended */
	pid_t jobs[BROKER_JOBS_MAX];
	size_t job_count;
};

static bool may_watch(const struct server *server, int pid)
{
	return pid > 0 && server->options->may(server->options->user, pid);
}

static void fill_exe(int pid, struct broker_answer *answer)
{
	char *exe;

	if (process_exe(pid, &exe))
		return;
	if (strlen(exe) < sizeof(answer->exe))
		memcpy(answer->exe, exe, strlen(exe) + 1);
	free(exe);
}

/* Rules, then descriptors, then is it still the same: a pid that changed hands between them is refused. */
static int open_process(const struct server *server, int pid, struct broker_answer *answer,
			struct process_handle *handle)
{
	struct process_stat stat;
	int err = process_handle_open(pid, handle);

	if (err)
		return err;
	if (!may_watch(server, pid))
		return -EPERM;
	fill_exe(pid, answer);
	answer->key = handle->key;
	return process_handle_stat(handle, &stat);
}

static void answer_open(const struct server *server, int pid)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct broker_answer answer = {.err = 0};
	int fds[BROKER_FDS_MAX];
	size_t count = 0;

	answer.err = open_process(server, pid, &answer, &handle);
	for (int i = 0; !answer.err && i < PROCESS_HANDLE_FILE_COUNT; i++) {
		if (handle.fds[i] < 0)
			continue;
		answer.fds |= 1u << i;
		fds[count++] = handle.fds[i];
	}
	broker_wire_send(server->fd, &answer, sizeof(answer), fds, count);
}

static void become_job(const struct server *server, const struct job_request *request, int fd)
{
	sigset_t none;

	sigemptyset(&none);
	/* A job that hangs, too, must not outlive us; the kernel takes its probes out. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != server->pid) /* it died before that */
		_exit(0);
	prctl(PR_SET_NAME, "holdfast-job");
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close(server->fd);
	close(server->child_fd);
	job_run(request, fd);
	_exit(0);
}

static int start_job(struct server *server, const struct job_request *request,
		     struct broker_answer *answer, int *ret_fd)
{
	int ends[2];
	pid_t pid;

	if (request->kind >= JOB_KIND_COUNT)
		return -EINVAL;
	if (server->job_count == BROKER_JOBS_MAX)
		return -EBUSY;
	if (process_key_check(request->key))
		return -ESRCH;
	if (!may_watch(server, request->key.pid))
		return -EPERM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become_job(server, request, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		int err = -errno;

		close(ends[0]);
		return err;
	}
	server->jobs[server->job_count++] = pid;
	answer->job = pid;
	*ret_fd = ends[0];
	return 0;
}

static void answer_start(struct server *server, const struct job_request *request)
{
	struct broker_answer answer = {.err = 0};
	int fd = -1;

	answer.err = start_job(server, request, &answer, &fd);
	answer.fds = !answer.err;
	broker_wire_send(server->fd, &answer, sizeof(answer), &fd, answer.err ? 0 : 1);
	if (fd >= 0)
		close(fd);
}

static void reap(struct server *server)
{
	struct signalfd_siginfo info;
	pid_t pid;

	while (read(server->child_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (size_t i = 0; i < server->job_count; i++) {
			if (server->jobs[i] != pid)
				continue;
			server->jobs[i] = server->jobs[--server->job_count];
			break;
		}
	}
}

/* A job that was not reaped yet keeps its pid: no other process is meant. */
static int kill_job(const struct server *server, pid_t pid)
{
	for (size_t i = 0; i < server->job_count; i++)
		if (server->jobs[i] == pid)
			return kill(pid, SIGKILL) < 0 ? -errno : 0;
	return -ESRCH;
}

static void answer(struct server *server, const struct broker_ask *ask)
{
	struct broker_answer answer = {.err = -EINVAL};

	if (ask->kind == BROKER_OPEN) {
		answer_open(server, ask->pid);
		return;
	}
	if (ask->kind == BROKER_START) {
		answer_start(server, &ask->job);
		return;
	}
	if (ask->kind == BROKER_KILL)
		answer.err = kill_job(server, ask->pid);
	else if (ask->kind == BROKER_RELOAD)
		answer.err = server->options->reload(server->options->user);
	broker_wire_send(server->fd, &answer, sizeof(answer), NULL, 0);
}

static int open_child_fd(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The agent tells it when to end, by its own end: not a terminal, not an init that signals the whole group. */
static void be_left_alone(void)
{
	setpgid(0, 0);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "holdfast-broker");
}

void broker_serve(const struct broker_options *options, int fd)
{
	struct server server = {.options = options, .pid = getpid(), .fd = fd};
	struct broker_ask ask;
	int fds[BROKER_FDS_MAX], err = 0;
	size_t fd_count;

	be_left_alone();
	server.child_fd = open_child_fd();
	while (!err) {
		struct pollfd polled[] = {{.fd = fd, .events = POLLIN},
					  {.fd = server.child_fd, .events = POLLIN}};

		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			break;
		if (polled[1].revents)
			reap(&server);
		if (!polled[0].revents)
			continue;
		err = broker_wire_receive(fd, &ask, sizeof(ask), fds, &fd_count);
		while (!err && fd_count) /* nobody should send any */
			close(fds[--fd_count]);
		if (!err)
			answer(&server, &ask);
	}
}
