/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's side: one request after the other, until the agent is gone. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/broker/broker_internal.h"
#include "agent/broker/collectors.h"
#include "agent/broker/counter.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "capture/probe/oom.h"
#include "process/proc/memory.h"
#include "session/doctor.h"

struct server {
	const struct broker_options *options;
	pid_t pid;             /* ours */
	int fd, child_fd;      /* requests; a child has ended */
	struct oom_watch *oom; /* NULL: kills for memory are not seen, for oom_err */
	int oom_err;
	int counter_fd; /* -1: there is none */
	pid_t counter_pid;
	int turn_fd;   /* for jobs; 0: they don't take turns */
	bool reloaded; /* and not adopted */
	struct collectors collectors;
	pid_t jobs[BROKER_JOBS_MAX];
	size_t job_count;
};

static int match(const struct server *server, int pid)
{
	return pid > 0 ? server->options->match(server->options->user, pid) : -ESRCH;
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
	answer->rule = match(server, pid);
	if (answer->rule < 0)
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

static void answer_file(const struct server *server, uint32_t which)
{
	int fd = server->options->open_file(server->options->user, which);
	struct broker_answer answer = {.err = fd < 0 ? fd : 0, .fds = fd >= 0};

	broker_wire_send(server->fd, &answer, sizeof(answer), &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
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
	job_run(request, server->options->rules(server->options->user),
		&(struct job_ends){fd, server->counter_fd, server->turn_fd});
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
	if (match(server, request->key.pid) < 0)
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

static void answer_collectors(struct server *server, const struct broker_places *places)
{
	struct broker_answer answer = {.err = 0};

	collectors_read(&server->collectors, server->options, places, answer.counts);
	broker_wire_send(server->fd, &answer, sizeof(answer), NULL, 0);
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

static int reload(struct server *server)
{
	int err = server->options->reload(server->options->user);

	server->reloaded = !err;
	return err;
}

static int adopt(struct server *server)
{
	if (!server->reloaded)
		return -EINVAL;
	server->options->adopt(server->options->user);
	collectors_forget(&server->collectors);
	server->reloaded = false;
	return 0;
}

static int find_oom_kill(const struct server *server, struct process_key key,
			 struct broker_oom_kill *ret)
{
	struct oom_kill kill;
	int err;

	if (!key.pid)
		return server->oom_err;
	if (!server->oom)
		return -ENOTSUP;
	err = oom_watch_find(server->oom, key, &kill);
	if (!err)
		*ret = (struct broker_oom_kill){kill.time_ns, kill.rss_bytes};
	return err;
}

static void watch_oom_kills(struct server *server)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	server->oom_err = oom_watch_new(&server->oom, &error);
	if (server->oom_err)
		log_info("%s: %s", error.what.buf, error.why.buf);
}

static int weigh(const struct server *server, uint64_t *ret_bytes)
{
	struct process_memory memory;
	int err = process_memory_read(server->pid, true, &memory);

	if (err)
		return err;
	*ret_bytes = memory.pss_bytes;
	if (server->counter_pid && !process_memory_read(server->counter_pid, true, &memory))
		*ret_bytes += memory.pss_bytes;
	return 0;
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
	if (ask->kind == BROKER_FILE && server->options->open_file) {
		answer_file(server, (uint32_t)ask->pid);
		return;
	}
	if (ask->kind == BROKER_COLLECTORS) {
		answer_collectors(server, &ask->places);
		return;
	}
	if (ask->kind == BROKER_KILL)
		answer.err = kill_job(server, ask->pid);
	else if (ask->kind == BROKER_OOM)
		answer.err = find_oom_kill(server, ask->job.key, &answer.oom_kill);
	else if (ask->kind == BROKER_RELOAD)
		answer.err = reload(server);
	else if (ask->kind == BROKER_ADOPT)
		answer.err = adopt(server);
	else if (ask->kind == BROKER_WEIGH)
		answer.err = weigh(server, &answer.pss_bytes);
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

/*
 * Root's figures of what probes cost are kept where jobs, who are somebody else, can only read them: so they are made before. Beside the
 * broker's work: whoever traces meanwhile measures for itself. Who does it, or 0.
 */
static pid_t calibrate(const struct broker_options *options, int fd)
{
	pid_t pid;

	if (geteuid() || !options->run_as.uid)
		return 0;
	setenv("XDG_CACHE_HOME", "/var/cache", 1);
	pid = fork();
	if (pid)
		return pid > 0 ? pid : 0;
	close(fd);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "holdfast-costs");
	doctor_calibrate();
	_exit(0);
}

/* A user that this user namespace does not have is done without: the capabilities go all the same. */
static int confine(const struct broker_options *options)
{
	int err = confine_user(&options->run_as);

	if (err)
		log_warn_err(err, "broker and jobs can't run as user %u", options->run_as.uid);
	err = confine_capabilities(confine_wanted(CONFINE_BROKER, doctor_needs_admin()));
	return err ? err : confine_calls(CONFINE_BROKER);
}

void broker_serve(const struct broker_options *options, int fd)
{
	struct broker_answer ready = {.err = 0};
	struct server server = {.options = options, .pid = getpid(), .fd = fd, .counter_fd = -1};
	struct broker_ask ask;
	int fds[BROKER_FDS_MAX], err = 0;
	size_t fd_count;

	be_left_alone();
	server.child_fd = open_child_fd();
	watch_oom_kills(&server);
	err = counter_start(&options->run_as, &server.counter_fd, &server.counter_pid);
	ready.job = server.counter_pid;
	if (err)
		log_debug_err(err, "runs of programs can't be counted");
	ready.rule = calibrate(options, fd);
	server.turn_fd = memfd_create("holdfast-turns", MFD_CLOEXEC);
	if (server.turn_fd < 0)
		server.turn_fd = 0;
	ready.err = confine(options);
	err = broker_wire_send(fd, &ready, sizeof(ready), NULL, 0);
	if (!err)
		err = ready.err;
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
