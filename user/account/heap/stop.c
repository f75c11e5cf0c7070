// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/stop.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dirent.h>

#include "account/heap/memory_stream.h"
#include "base/clock.h"
#include "process/proc/proc_text.h"
#include "process/proc/process.h"

#define XSTATE_MAX_BYTES 16384 /* AMX's tiles included */
#define MOVE_NS \
	(20 * NS_PER_US) /* a call of malloc takes less; more is time in which it may come back */
#define ADDRESS_MIN    0x10000 /* vm.mmap_min_addr: no address is lower */
#define RED_ZONE_BYTES 128     /* below the stack pointer (System V ABI AMD64, 3.2.2) */

static bool is_known(const struct stopped_process *p, int tid)
{
	/* New threads come last: they are looked for from the end. */
	for (size_t i = p->threads.count; i--;)
		if (p->threads.items[i].tid == tid)
			return true;
	return false;
}

/* A first thread that ended before the others stays as a zombie, which can't be seized. */
bool stop_has_ended(int tid)
{
	struct process_stat stat;

	return process_stat_read(tid, &stat) < 0 || stat.state == 'Z' || stat.state == 'X';
}

/* Seizes one thread. A thread that ended meanwhile is none: 0. */
static int seize(struct stopped_process *p, int tid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
		int err = -errno;

		return stop_has_ended(tid) ? 0 : err;
	}
	if (vec_push(&p->threads, (struct stopped_thread){.tid = tid}) < 0) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return -ENOMEM;
	}
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 1;
}

/* Seizes the threads that are not yet; > 0: there were some. */
static int seize_all(int pid, struct stopped_process *p)
{
	char *path = proc_path(pid, "task");
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int err = dir ? 0 : -ESRCH, found = 0;

	free(path);
	while (!err && (entry = readdir(dir))) {
		char *end;
		long tid = strtol(entry->d_name, &end, 10);
		int got;

		if (*end || tid <= 0 || is_known(p, (int)tid))
			continue;
		got = seize(p, (int)tid);
		if (got < 0)
			err = got;
		else
			found += got;
	}
	if (dir)
		closedir(dir);
	return err ? err : found;
}

/*
 * Waits until the thread has stopped. Our stop has PTRACE_EVENT_STOP; a signal that came first is kept, to be handed on
 * at the end. 1: stopped; 0: it ended.
 */
static int await_stop(struct stopped_thread *t, uint64_t until_ns)
{
	int status;

	for (;;) {
		pid_t got = waitpid(t->tid, &status, __WALL | WNOHANG);

		if (got < 0)
			return errno == EINTR ? -EAGAIN : 0;
		if (got == t->tid)
			break;
		if (clock_now_ns() > until_ns)
			return -ETIMEDOUT;
		usleep(20);
	}
	if (!WIFSTOPPED(status))
		return 0;
	if (status >> 16 != PTRACE_EVENT_STOP)
		t->signal = WSTOPSIG(status);
	t->group_stopped = status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP;
	return 1;
}

static int await_all(struct stopped_process *p, size_t first, uint64_t until_ns)
{
	for (size_t i = first; i < p->threads.count;) {
		int got = await_stop(&p->threads.items[i], until_ns);

		if (got == -EAGAIN)
			continue;
		if (got < 0)
			return got;
		if (got)
			i++;
		else
			vec_remove_unordered(&p->threads, i);
	}
	return 0;
}

static int keep_words(struct stopped_process *p, const void *bytes, size_t size)
{
	const uint64_t *words = bytes;

	for (size_t i = 0; i < size / 8; i++)
		if (words[i] >= ADDRESS_MIN && !(words[i] >> 47) &&
		    vec_push(&p->words, words[i]) < 0)
			return -ENOMEM;
	return 0;
}

/*
 * What a leaf function keeps below the stack pointer. Mostly it is what was left there by functions that have returned, so
 * it counts as the registers do: after all other memory, for whoever asks who holds a block.
 */
static int take_red_zone(struct stopped_process *p, const struct stopped_thread *t)
{
	uint64_t words[RED_ZONE_BYTES / 8];
	uint64_t end = t->stack_pointer & ~7ULL, at = end - RED_ZONE_BYTES;
	int err = 0;

	/* The page below may not be there. */
	while (!err && at < end && end > RED_ZONE_BYTES) {
		uint64_t next = (at | (PAGE_BYTES - 1)) + 1;

		next = next < end ? next : end;
		if (!process_read_memory(t->tid, at, words, next - at))
			err = keep_words(p, words, next - at);
		at = next;
	}
	return err;
}

static int take_registers(struct stopped_process *p, struct stopped_thread *t, uint64_t *xstate)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};
	int err;

	/* Under a 32-bit task the kernel gives a shorter set: it is refused elsewhere. */
	if (ptrace(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, &io) < 0 || io.iov_len != sizeof(regs))
		return -ESRCH;
	t->stack_pointer = regs.rsp;
	t->instruction_pointer = regs.rip;
	t->frame_pointer = regs.rbp;
	t->thread_pointer = regs.fs_base;
	t->in_system_call = (long long)regs.orig_rax >= 0;
	err = keep_words(p, &regs, sizeof(regs));
	io = (struct iovec){xstate, XSTATE_MAX_BYTES};
	if (!err && !ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &io))
		err = keep_words(p, xstate, io.iov_len);
	return err ? err : take_red_zone(p, t);
}

static int take_all_registers(struct stopped_process *p)
{
	uint64_t *xstate = malloc(XSTATE_MAX_BYTES);
	int err = xstate ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < p->threads.count; i++)
		err = take_registers(p, &p->threads.items[i], xstate);
	free(xstate);
	return err;
}

static bool is_inside(const struct stopped_thread *t, uint64_t start, uint64_t end)
{
	return !t->in_system_call && t->instruction_pointer >= start &&
	       t->instruction_pointer < end;
}

/* A thread on its way into a signal's handler, or stopped by another, can't be moved. */
static bool can_move(const struct stopped_thread *t)
{
	return !t->signal && !t->group_stopped;
}

static void spin_ns(uint64_t ns)
{
	uint64_t until_ns = clock_now_ns() + ns;

	while (clock_now_ns() < until_ns)
		;
}

static int read_place(struct stopped_thread *t)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, &io) < 0)
		return -ESRCH;
	t->instruction_pointer = regs.rip;
	t->in_system_call = (long long)regs.orig_rax >= 0;
	return 0;
}

/* Each of them for a moment. How many were moved, or an error. */
static int move_once(struct stopped_process *p, uint64_t start, uint64_t end, uint64_t until_ns)
{
	int moved = 0, err = 0;

	for (size_t i = 0; i < p->threads.count; i++)
		if (is_inside(&p->threads.items[i], start, end) && can_move(&p->threads.items[i]))
			moved += !ptrace(PTRACE_CONT, p->threads.items[i].tid, NULL, NULL);
	spin_ns(MOVE_NS);
	for (size_t i = 0; !err && i < p->threads.count; i++) {
		struct stopped_thread *t = &p->threads.items[i];

		if (!is_inside(t, start, end) || !can_move(t))
			continue;
		ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL);
		do
			err = await_stop(t, until_ns);
		while (err == -EAGAIN);
		/* One that ended takes others with it, or its stack: look again from the beginning. */
		err = err < 0 ? err : err ? read_place(t) : -ESRCH;
	}
	return err ? err : moved;
}

static bool any_inside(const struct stopped_process *p, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < p->threads.count; i++)
		if (is_inside(&p->threads.items[i], start, end))
			return true;
	return false;
}

int stop_move_out(struct stopped_process *stopped, uint64_t start, uint64_t end,
		  uint64_t timeout_ns)
{
	uint64_t until_ns = clock_now_ns() + timeout_ns;
	int err = 1;

	while (err > 0 && any_inside(stopped, start, end) && clock_now_ns() < until_ns)
		err = move_once(stopped, start, end, until_ns + timeout_ns);
	if (err < 0)
		return err;
	vec_clear(&stopped->words);
	err = take_all_registers(stopped);
	return err ? err : any_inside(stopped, start, end);
}

int stop_process(int pid, uint64_t timeout_ns, struct stopped_process *ret)
{
	struct stopped_process p = {0};
	uint64_t until_ns = clock_now_ns() + timeout_ns;
	int err = 0, found = 1;

	while (!err && found > 0) {
		size_t first = p.threads.count;

		found = seize_all(pid, &p);
		err = found < 0 ? found : await_all(&p, first, until_ns);
	}
	if (!err)
		err = p.threads.count ? take_all_registers(&p) : -ESRCH;
	if (err) {
		stop_resume(&p);
		return err;
	}
	*ret = p;
	return 0;
}

void stop_release(struct stopped_process *stopped)
{
	for (size_t i = 0; i < stopped->threads.count; i++) {
		struct stopped_thread *t = &stopped->threads.items[i];

		/* One that has not stopped yet can't be detached: it is let go when we end. */
		ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(uintptr_t)t->signal);
		t->signal = 0;
	}
}

void stop_resume(struct stopped_process *stopped)
{
	stop_release(stopped);
	vec_done(&stopped->threads);
	vec_done(&stopped->words);
}
