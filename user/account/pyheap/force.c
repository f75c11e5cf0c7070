// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/force.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "account/pyheap/remote_calls.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/vec.h"
#include "process/proc/proc_text.h"
#include "process/proc/process.h"
#include "process/python/collector.h"

#define ROUND_NS       (2 * NS_PER_MS)
#define WATCH_NS       (200 * NS_PER_US)
#define DONE_WAIT_NS   (60 * NS_PER_S)
#define INSTEAD_ROUNDS 10 /* of watching, between looks whether the main thread waits by now */
#define BUSY_ROUNDS    10 /* without a thread that waits: then the list of pending calls is tried */
#define THREADS_MAX    65536
#define UNLOCKED       1 /* PyGILState_UNLOCKED: as it was, for a thread that does not hold the GIL */

static const char script[] = "__import__('gc').collect()\n";
static const char no_script[sizeof(script)];

/* System calls in which no lock of the C library or the allocator is held. */
static const short safe_calls[] = {
	SYS_read,         SYS_readv,       SYS_recvfrom,        SYS_recvmsg,         SYS_accept,
	SYS_accept4,      SYS_poll,        SYS_ppoll,           SYS_select,          SYS_pselect6,
	SYS_epoll_wait,   SYS_epoll_pwait, SYS_nanosleep,       SYS_clock_nanosleep, SYS_wait4,
	SYS_waitid,       SYS_pause,       SYS_rt_sigtimedwait, SYS_connect,         SYS_sendto,
	SYS_epoll_pwait2,
};

struct force {
	const struct force_request *request;
	struct force_result result;
	uint64_t interpreter, collections; /* of the oldest generation, before */
	bool enabled;
	struct remote_calls calls;
	struct remote_thread at; /* where the calls were put */
	bool emptied;            /* the list's call was made to do nothing */
};

static uint64_t read_word(const struct force *f, uint64_t address)
{
	uint64_t word = 0;

	return process_read_memory(f->request->pid, address, &word, sizeof(word)) ? 0 : word;
}

static uint32_t read_int(const struct force *f, uint64_t address)
{
	uint32_t value = 0;

	return process_read_memory(f->request->pid, address, &value, sizeof(value)) ? 0 : value;
}

static bool is_safe_call(int64_t number)
{
	for (size_t i = 0; i < sizeof(safe_calls) / sizeof(*safe_calls); i++)
		if (safe_calls[i] == number)
			return true;
	return false;
}

/* The state that Python has for the thread; 0: it is none of Python's. */
static uint64_t thread_state(const struct force *f, uint64_t thread_pointer)
{
	const struct hf_python *py = &f->request->runtime->layout->frames;
	uint64_t state = read_word(f, f->interpreter + py->interpreter_threads);

	for (unsigned int i = 0; state && i < THREADS_MAX; i++) {
		if (read_word(f, state + py->thread_id) == thread_pointer)
			return state;
		state = read_word(f, state + py->thread_next);
	}
	return 0;
}

static bool holds_gil(const struct force *f, uint64_t state)
{
	const struct python_layout *layout = f->request->runtime->layout;
	uint64_t gil = layout->gil_of_interpreter ? read_word(f, f->interpreter + layout->gil)
						  : f->request->runtime->address + layout->gil;

	return read_int(f, gil + PYTHON_GIL_LOCKED) &&
	       read_word(f, gil + PYTHON_GIL_HOLDER) == state;
}

static bool is_collecting(const struct force *f)
{
	return read_int(f, f->interpreter + f->request->runtime->layout->interpreter_gc +
				   PYTHON_GC_COLLECTING);
}

/* A thread that waits. */
static int accept_waiting(void *user, const struct remote_thread *thread)
{
	const struct force *f = user;
	uint64_t state;

	if (!is_safe_call(thread->system_call))
		return -EAGAIN;
	if (!f->request->runtime)
		return 0;
	state = thread_state(f, thread->thread_pointer);
	return !state || holds_gil(f, state) || is_collecting(f) ? -EAGAIN : 0;
}

/* The main thread, wherever it is: what is called there takes one lock only. */
static int accept_busy(void *user, const struct remote_thread *thread)
{
	const struct force *f = user;
	const struct python_runtime *runtime = f->request->runtime;
	uint64_t lock =
		(runtime->layout->pending_of_interpreter ? f->interpreter : runtime->address) +
		runtime->layout->pending_lock;

	(void)thread;
	if (is_collecting(f))
		return -EAGAIN;
	if (runtime->layout->pending_style == PYTHON_LOCK_SEMAPHORE)
		return read_int(f, read_word(f, lock)) ? 0 : -EAGAIN;
	return read_word(f, lock) & 0xff ? -EAGAIN : 0;
}

static void add_call(struct force *f, uint64_t function, uint64_t a, uint64_t b)
{
	f->calls.calls[f->calls.count++] = (struct remote_call){function, {a, b}};
}

/* With automatic collection off, PyGC_Collect() does nothing. */
static void plan_at_once(struct force *f)
{
	const struct force_functions *fn = &f->request->functions;

	f->calls.count = 0;
	f->calls.accept = accept_waiting;
	if (f->request->runtime) {
		add_call(f, fn->ensure, 0, 0);
		if (!f->enabled)
			add_call(f, fn->enable, 0, 0);
		add_call(f, fn->collect, 0, 0);
		if (!f->enabled)
			add_call(f, fn->disable, 0, 0);
		add_call(f, fn->release, UNLOCKED, 0);
	}
	if (f->request->trim)
		add_call(f, fn->trim, 0, 0);
}

static void plan_pending(struct force *f)
{
	const struct force_functions *fn = &f->request->functions;

	f->calls.count = 0;
	f->calls.accept = accept_busy;
	add_call(f, fn->add_pending, fn->run_string, fn->spare);
}

/* The system call that a thread waits in, without a stop. -1: it runs, or that can't be seen. */
static int64_t waits_in(int pid, int tid)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	char name[64];
	size_t size;
	char *end;
	long number;

	snprintf(name, sizeof(name), "task/%d/syscall", tid);
	path = proc_path(pid, name);
	if (!path || file_read(path, 4096, &text, &size))
		return -1;
	number = strtol(text, &end, 10);
	return end == text ? -1 : number;
}

VEC_STRUCT(tids, int);

/* The main thread first. */
static int list_threads(int pid, struct tids *ret)
{
	_cleanup_free_ char *path = proc_path(pid, "task");
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int err = vec_push(ret, pid);

	while (!err && dir && (entry = readdir(dir))) {
		int tid = (int)strtol(entry->d_name, NULL, 10);

		if (tid > 0 && tid != pid)
			err = vec_push(ret, tid);
	}
	if (!dir)
		return -ESRCH;
	closedir(dir);
	return err;
}

/* Somewhere a thread waits: there it is done. -EAGAIN: none is fit. */
static int try_waiting(struct force *f)
{
	struct tids tids = VEC_INIT;
	int err = list_threads(f->request->pid, &tids);

	plan_at_once(f);
	for (size_t i = 0; !err && i < tids.count; i++) {
		if (!is_safe_call(waits_in(f->request->pid, tids.items[i])))
			continue;
		f->result.tries++;
		err = remote_calls_run(tids.items[i], &f->calls, &f->at);
		if (!err) {
			vec_done(&tids);
			return 0;
		}
		if (err == -EAGAIN || (err == -ESRCH && tids.items[i] != f->request->pid))
			err = 0;
	}
	vec_done(&tids);
	return err ? err : -EAGAIN;
}

static int write_script(const struct force *f, const char *text)
{
	struct iovec local = {(void *)(uintptr_t)text, sizeof(script)};
	struct iovec remote = {(void *)(uintptr_t)f->request->functions.spare, sizeof(script)};

	return process_vm_writev(f->request->pid, &local, 1, &remote, 1, 0) == sizeof(script)
		       ? 0
		       : -errno;
}

static int try_pending(struct force *f)
{
	const struct force_functions *fn = &f->request->functions;
	int err;

	if (!fn->add_pending || !fn->run_string || !fn->spare)
		return -EAGAIN;
	err = write_script(f, script);
	if (err)
		return err;
	plan_pending(f);
	f->result.tries++;
	err = remote_calls_run(f->request->pid, &f->calls, &f->at);
	if (!err)
		f->result.way = FORCE_PENDING;
	return err;
}

static int read_collector(const struct force *f, struct python_collector *ret)
{
	return python_collector_read(f->request->pid, f->request->runtime, ret);
}

/* Has a collection been made since? */
static bool has_collected(const struct force *f, const struct python_collector *now)
{
	return now->generations[PYTHON_GENERATIONS - 1].collections != f->collections &&
	       !now->collecting;
}

/* While the main thread stands still, and waits, the list's call can't have begun. */
static int accept_instead(void *user, const struct remote_thread *thread)
{
	struct force *f = user;
	struct python_collector now;
	int err = accept_waiting(f, thread);

	if (!err)
		err = read_collector(f, &now);
	if (!err && has_collected(f, &now))
		err = -EAGAIN;
	if (!err)
		err = write_script(f, no_script);
	f->emptied = !err;
	return err;
}

/*
 * The main thread has gone to wait with the call on its list, and may wait for hours: the call is made to do nothing,
 * and the collection is made there, as where a thread waits from the beginning.
 */
static int try_instead(struct force *f)
{
	int err;

	if (!is_safe_call(waits_in(f->request->pid, f->request->pid)))
		return -EAGAIN;
	plan_at_once(f);
	f->calls.accept = accept_instead;
	f->result.tries++;
	err = remote_calls_run(f->request->pid, &f->calls, &f->at);
	if (!err)
		f->result.way = FORCE_AT_ONCE;
	else if (f->emptied)
		(void)write_script(f, script);
	f->emptied = false;
	return err;
}

static void sleep_ns(uint64_t ns)
{
	const struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	(void)nanosleep(&t, NULL);
}

static int find_safe_point(struct force *f)
{
	uint64_t until_ns = clock_now_ns() + f->request->wait_ns;
	int err = -EAGAIN;

	for (unsigned int round = 0; err == -EAGAIN && clock_now_ns() < until_ns; round++) {
		if (round)
			sleep_ns(ROUND_NS);
		if (!f->request->runtime || !is_collecting(f))
			err = try_waiting(f);
		if (err == -EAGAIN && f->request->runtime && !f->request->trim &&
		    round >= BUSY_ROUNDS)
			err = try_pending(f);
	}
	return err;
}

/* The thread is no more below where it stood: all calls have returned. */
static bool is_back(const struct force *f)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	char name[64];
	unsigned long sp = 0;
	size_t size;
	const char *at;

	snprintf(name, sizeof(name), "task/%d/syscall", f->at.tid);
	path = proc_path(f->request->pid, name);
	if (!path || file_read(path, 4096, &text, &size))
		return true;
	/* "nr a b c d e f sp pc", or "running": then it is too early to say. */
	at = strrchr(text, ' ');
	while (at && at > text && at[-1] != ' ')
		at--;
	if (!at || sscanf(at, "%lx", &sp) != 1)
		return false;
	return sp >= f->at.stack_pointer;
}

static int await_done(struct force *f)
{
	uint64_t until_ns = clock_now_ns() + DONE_WAIT_NS;
	bool collected = !f->request->runtime;

	for (unsigned int round = 1; clock_now_ns() < until_ns; round++) {
		struct python_collector now;

		if (!collected) {
			int err = read_collector(f, &now);

			if (err)
				return err;
			collected = has_collected(f, &now);
		}
		if (!collected && f->result.way == FORCE_PENDING && round % INSTEAD_ROUNDS == 0)
			(void)try_instead(f);
		if (collected &&
		    (!f->request->trim || f->result.way == FORCE_PENDING || is_back(f))) {
			f->result.done = true;
			return 0;
		}
		if (process_read_memory(f->request->pid, f->at.stack_pointer, &(uint8_t){0}, 1) &&
		    kill(f->request->pid, 0) &&
		    errno == ESRCH) /* EPERM: it lives, without CAP_KILL */
			return -ESRCH;
		sleep_ns(WATCH_NS);
	}
	return 0;
}

static int force(struct force *f)
{
	const struct python_runtime *runtime = f->request->runtime;
	struct python_collector before = {0}, after = {0};
	uint64_t began_ns = clock_now_ns(), found_ns;
	int err = 0;

	if (runtime) {
		f->interpreter =
			read_word(f, runtime->address + runtime->layout->runtime_interpreters);
		err = read_collector(f, &before);
		f->collections = before.generations[PYTHON_GENERATIONS - 1].collections;
		f->enabled = before.enabled;
	}
	if (!err)
		err = find_safe_point(f);
	found_ns = clock_now_ns();
	f->result.waited_ns = found_ns - began_ns;
	if (!err)
		err = await_done(f);
	f->result.held_ns = clock_now_ns() - found_ns;
	if (!err && f->result.way == FORCE_PENDING && f->result.done)
		(void)write_script(f, no_script);
	if (err || !runtime)
		return err;
	err = read_collector(f, &after);
	f->result.collected = after.generations[PYTHON_GENERATIONS - 1].collected -
			      before.generations[PYTHON_GENERATIONS - 1].collected;
	f->result.uncollectable = after.generations[PYTHON_GENERATIONS - 1].uncollectable -
				  before.generations[PYTHON_GENERATIONS - 1].uncollectable;
	return err;
}

static int run(const void *options, _Atomic uint64_t *stop_began_ns, int fd)
{
	struct force f = {.request = options};
	int err;

	(void)stop_began_ns; /* a thread that can't be stopped is let go by our end */
	f.calls.restorer = f.request->functions.restorer;
	f.calls.user = &f;
	err = force(&f);
	if (err)
		return err;
	return pwrite(fd, &f.result, sizeof(f.result), 0) == sizeof(f.result) ? 0 : -EIO;
}

static int take(int fd, void *user)
{
	struct force_result *ret = user;

	return pread(fd, ret, sizeof(*ret), 0) == sizeof(*ret) ? 0 : -EBADMSG;
}

int force_start(const struct force_request *request, struct heap_worker **ret)
{
	const struct heap_work work = {run, request, UINT64_MAX};

	return heap_worker_start(&work, ret);
}

int force_finish(struct heap_worker *worker, struct force_result *ret)
{
	return heap_worker_finish(worker, take, ret, NULL);
}
