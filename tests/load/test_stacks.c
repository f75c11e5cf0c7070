// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's stacks against libdw's, frame by frame, in running programs.
 *
 * With test_stop_every the kernel side stops the thread right where it took a stack and says so by a MARK.
 * libdw then unwinds the stopped thread from its registers and memory by the same call frame information, read
 * by other people's code. What this cannot find: a stack that both get wrong, and a name (names are looked up
 * later). Return probes have put the trampoline's address over the true return address, which libdw cannot
 * know: it is given ours there, and we check that a call instruction ends at it.
 */
#include <dirent.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/limits.h>

#include "base/clock.h"
#include "capture/feed/ring.h"
#include "capture/probe/probe.h"
#include "cmocka_all.h"
#include "process/proc/maps.h"

#define MARKS_MAX   64
#define WANTED      400
#define RUN_SECONDS 6
#define SHOWN_MAX   5

struct stack {
	uint64_t id;
	unsigned int end, depth;
	uint64_t pcs[HF_MAX_FRAMES];
};

struct mark {
	int tid;
	struct stack stack;
};

struct run {
	const char *name;
	int pid;
	uint64_t trampoline; /* 0: no return probe has been hit yet */
	struct stack newest;
	struct mark marks[MARKS_MAX];
	size_t mark_count;
	Dwfl *dwfl;
	unsigned int taken, complete, equal, given, not_after_call, missed, shown;
	unsigned int ends[HF_STACK_END_COUNT];
};

/* libdw's walk of one thread. */
struct walk {
	struct run *run;
	const struct stack *stack;
	uint64_t pcs[HF_MAX_FRAMES + 2];
	unsigned int depth;
	struct user_regs_struct registers;
};

static int on_event(void *user, const struct hf_event *event)
{
	const struct hf_event_stack *taken = (const struct hf_event_stack *)event;
	const struct hf_event_mark *mark = (const struct hf_event_mark *)event;
	struct run *run = user;

	if (event->kind == HF_EVENT_STACK) {
		run->newest.id = taken->stack;
		run->newest.end = event->detail;
		run->newest.depth = taken->depth;
		memcpy(run->newest.pcs, event_stack_pcs(taken), taken->depth * sizeof(uint64_t));
	}
	if (event->kind != HF_EVENT_MARK)
		return 0;
	/* Another CPU's stack may have come between the two. */
	if (run->mark_count == MARKS_MAX || run->newest.id != mark->code) {
		run->missed++;
		return 0;
	}
	run->marks[run->mark_count].tid = (int)event->tid;
	run->marks[run->mark_count++].stack = run->newest;
	return 0;
}

static bool read_memory(int pid, uint64_t address, void *ret, size_t size)
{
	struct iovec local = {ret, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Does a call instruction (E8 rel32, or FF /2 of 2 to 7 bytes) end at @pc? */
static bool is_after_call(int pid, uint64_t pc)
{
	unsigned char code[7];

	if (!read_memory(pid, pc - sizeof(code), code, sizeof(code)))
		return false;
	if (code[2] == 0xe8)
		return true;
	for (size_t i = 0; i + 1 < sizeof(code); i++)
		if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* The index in our stack of the frame that libdw finds next; our stacks of calls begin at the caller. */
static unsigned int next_index(const struct walk *walk)
{
	bool same_start = walk->depth && walk->pcs[0] == walk->stack->pcs[0];

	return walk->depth - (walk->depth && !same_start);
}

static uint64_t given(struct walk *walk, uint64_t pc)
{
	walk->run->given++;
	walk->run->not_after_call += !is_after_call(walk->run->pid, pc);
	return pc;
}

static bool on_memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *user)
{
	struct walk *walk = *(struct walk **)user;
	unsigned int next = next_index(walk);

	(void)dwfl;
	if (!read_memory(walk->run->pid, address, ret, sizeof(*ret)))
		return false;
	if (!walk->run->trampoline || *ret != walk->run->trampoline || next >= walk->stack->depth)
		return true;
	*ret = given(walk, walk->stack->pcs[next]);
	return true;
}

/* A page fault at the trampoline itself: the call has returned, our stack begins where it goes on. */
static void give_start(struct walk *walk)
{
	if (walk->run->trampoline && walk->registers.rip == walk->run->trampoline)
		walk->registers.rip = given(walk, walk->stack->pcs[0]);
}

/* In DWARF's order (psABI, figure 3.36). */
static bool on_registers(Dwfl_Thread *thread, void *user)
{
	struct walk *walk = *(struct walk **)user;
	const struct user_regs_struct *r = &walk->registers;
	const Dwarf_Word values[17] = {
		r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
		r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip,
	};

	return dwfl_thread_state_registers(thread, 0, 17, values);
}

static pid_t on_next_thread(Dwfl *dwfl, void *user, void **thread)
{
	(void)dwfl;
	(void)user;
	(void)thread;
	return 0;
}

static bool on_get_thread(Dwfl *dwfl, pid_t tid, void *user, void **ret)
{
	(void)dwfl;
	(void)tid;
	*ret = user;
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = on_next_thread,
	.get_thread = on_get_thread,
	.memory_read = on_memory_read,
	.set_initial_registers = on_registers,
};

static int on_frame(Dwfl_Frame *frame, void *user)
{
	struct walk *walk = user;
	Dwarf_Addr pc;

	if (walk->depth == HF_MAX_FRAMES + 2 || !dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	walk->pcs[walk->depth++] = pc;
	return DWARF_CB_OK;
}

static bool read_registers(int tid, struct user_regs_struct *ret)
{
	int status;
	bool ok;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return false;
	ok = waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) &&
	     !ptrace(PTRACE_GETREGS, tid, NULL, ret);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return ok;
}

static bool same_frames(const struct walk *walk)
{
	const struct stack *stack = walk->stack;
	unsigned int skip = walk->depth && walk->pcs[0] == stack->pcs[0] ? 0 : 1;

	return walk->depth == stack->depth + skip &&
	       !memcmp(walk->pcs + skip, stack->pcs, stack->depth * sizeof(uint64_t));
}

static void show_frame(const struct run *run, const char *who, unsigned int i, uint64_t pc)
{
	Dwfl_Module *module = dwfl_addrmodule(run->dwfl, pc);
	Dwarf_Addr start = 0;
	const char *file =
		module ? dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL) : "?";
	const char *function = module ? dwfl_module_addrname(module, pc) : NULL;

	print_message("#   %s %u %" PRIx64 " %s+%" PRIx64 " %s\n", who, i, pc, file, pc - start,
		      function ? function : "");
}

/* From a little before the first difference on. */
static void show_difference(struct run *run, const struct walk *walk)
{
	const struct stack *stack = walk->stack;
	unsigned int skip = walk->depth && walk->pcs[0] == stack->pcs[0] ? 0 : 1;
	unsigned int first = 0, i;

	if (run->shown++ >= SHOWN_MAX)
		return;
	while (first < stack->depth && first + skip < walk->depth &&
	       stack->pcs[first] == walk->pcs[first + skip])
		first++;
	print_message("# %s: ours %u frames, libdw %u (%s); they differ at %u\n", run->name,
		      stack->depth, walk->depth - skip, dwfl_errmsg(-1), first);
	for (i = first > 2 ? first - 2 : 0; i < first + 3 && i < stack->depth; i++)
		show_frame(run, "ours ", i, stack->pcs[i]);
	for (i = first > 2 ? first - 2 : 0; i < first + 3 && i + skip < walk->depth; i++)
		show_frame(run, "libdw", i, walk->pcs[i + skip]);
}

static void compare_mark(struct run *run, const struct mark *mark, struct walk **current)
{
	struct walk walk = {.run = run, .stack = &mark->stack};

	if (!mark->stack.depth || !read_registers(mark->tid, &walk.registers)) {
		run->missed++;
		return;
	}
	give_start(&walk);
	*current = &walk;
	dwfl_getthread_frames(run->dwfl, mark->tid, on_frame, &walk);
	*current = NULL;
	run->taken++;
	run->ends[mark->stack.end]++;
	if (mark->stack.end != HF_STACK_COMPLETE)
		return;
	run->complete++;
	if (same_frames(&walk))
		run->equal++;
	else
		show_difference(run, &walk);
}

/* The letter of /proc/PID/task/TID/stat, or 'X' when there is none. */
static char thread_state(int pid, const char *tid)
{
	char path[300], text[512] = "";
	const char *name_end;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	stream = fopen(path, "re");
	if (!stream)
		return 'X';
	if (!fgets(text, sizeof(text), stream))
		text[0] = '\0';
	fclose(stream);
	name_end = strrchr(text, ')');
	return name_end && name_end[1] ? name_end[2] : 'X';
}

static bool has_ended(int pid)
{
	char tid[16];
	char state;

	snprintf(tid, sizeof(tid), "%d", pid);
	state = thread_state(pid, tid);
	return state == 'Z' || state == 'X';
}

static bool all_stopped(int pid)
{
	char path[64];
	const struct dirent *entry;
	bool stopped = true;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while (stopped && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			stopped = thread_state(pid, entry->d_name) == 'T';
	closedir(tasks);
	return stopped;
}

/* A thread that is seized before it stops would lose its SIGSTOP: all must be there. */
static bool wait_stopped(int pid)
{
	for (int i = 0; i < 5000; i++) {
		if (all_stopped(pid))
			return true;
		if (has_ended(pid))
			return false;
		usleep(200);
	}
	return false;
}

static uint64_t find_trampoline(int pid)
{
	struct maps maps;
	uint64_t address = 0;

	if (maps_read(pid, &maps))
		return 0;
	for (size_t i = 0; i < maps.count; i++)
		if (!strcmp(maps.items[i].path, "[uprobes]"))
			address = maps.items[i].start;
	maps_done(&maps);
	return address;
}

static Dwfl *open_dwfl(struct run *run, struct walk **current)
{
	static char no_path[] = "";
	static char *debuginfo_path = no_path;
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.debuginfo_path = &debuginfo_path,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);

	assert_non_null(dwfl);
	assert_int_equal(dwfl_linux_proc_report(dwfl, run->pid), 0);
	assert_int_equal(dwfl_report_end(dwfl, NULL, NULL), 0);
	assert_true(dwfl_attach_state(dwfl, NULL, run->pid, &thread_callbacks, current));
	return dwfl;
}

static void compare_all(struct run *run, struct ring_feed *feed, struct walk **current)
{
	bool stopped = wait_stopped(run->pid);

	ring_feed_consume(feed); /* marks of threads that were on their way to the stop */
	if (!run->trampoline)
		run->trampoline = find_trampoline(run->pid);
	for (size_t i = 0; stopped && i < run->mark_count; i++)
		compare_mark(run, &run->marks[i], current);
	if (!stopped)
		run->missed += (unsigned int)run->mark_count;
	run->mark_count = 0;
	kill(run->pid, SIGCONT);
}

static void follow(struct run *run, struct ring_feed *feed)
{
	struct pollfd wait = {.fd = ring_feed_fd(feed), .events = POLLIN};
	uint64_t end_ns = clock_now_ns() + RUN_SECONDS * 1000000000ull;
	struct walk *current = NULL;

	run->dwfl = open_dwfl(run, &current);
	while (run->taken < WANTED && clock_now_ns() < end_ns && !has_ended(run->pid)) {
		poll(&wait, 1, 20);
		ring_feed_consume(feed);
		if (run->mark_count)
			compare_all(run, feed, &current);
	}
	dwfl_end(run->dwfl);
}

static void summarise(const struct run *run)
{
	print_message(
		"# %-16s %4u stacks %4u complete %4u equal, %u return addresses given to libdw",
		run->name, run->taken, run->complete, run->equal, run->given);
	for (unsigned int i = 1; i < HF_STACK_END_COUNT; i++)
		if (run->ends[i])
			print_message(", end %u: %u", i, run->ends[i]);
	print_message(run->missed ? ", %u marks passed over\n" : "\n", run->missed);
}

/* The program is attached to and told to go on (@go_fd), then compared until it ends or has been long enough. */
static void examine(struct run *run, uint32_t stop_every, int go_fd)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(module_set_freep) struct module_set *modules = NULL;
	_cleanup_(target_freep) struct target *target = NULL;
	_cleanup_(probe_freep) struct probe *probe = NULL;
	_cleanup_(ring_feed_freep) struct ring_feed *feed = NULL;
	const struct probe_options options = {.faults = true, .test_stop_every = stop_every};
	const struct event_handler handler = {on_event, run};
	struct allocator_set set = {0};
	struct probe_attached attached;
	int err = probe_new(&options, &probe, &error);

	assert_int_equal(module_set_new(&modules), 0);
	if (!err)
		err = ring_feed_new(probe_ring_fd(probe), &handler, &feed);
	if (!err)
		err = target_new(modules, run->pid, clock_now_ns(), &target, &error);
	if (!err)
		err = allocator_set_find(target, NULL, 0, &set, &error);
	if (!err)
		err = probe_add_process(probe, target, &error);
	if (!err)
		err = probe_attach(probe, target, &set, &attached, &error);
	if (err)
		error_print(&error, stderr);
	assert_int_equal(err, 0);
	if (go_fd >= 0)
		assert_int_equal(write(go_fd, "go\n", 3), 3);
	follow(run, feed);
	probe_detach(probe, 0);
	kill(run->pid, SIGCONT);
	allocator_set_done(&set);
}

struct child {
	int pid, to, from;
};

static struct child start(char *const argv[])
{
	int in[2], out[2];
	struct child child;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	child.to = in[1];
	child.from = out[0];
	return child;
}

static void end_child(struct child *child)
{
	kill(child->pid, SIGKILL);
	kill(child->pid, SIGCONT);
	waitpid(child->pid, NULL, 0);
	close(child->to);
	close(child->from);
}

static bool wait_line(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte = 0;

	while (byte != '\n' && poll(&wait, 1, 10000) == 1 && read(fd, &byte, 1) == 1)
		;
	return byte == '\n';
}

static void judge(const struct run *run, unsigned int least)
{
	summarise(run);
	assert_true(run->taken >= least);
	assert_true(run->complete > 0);
	assert_int_equal(run->not_after_call, 0);
	/* 99.9 %, and one for a run too short for it */
	assert_true((run->complete - run->equal) * 1000 <= run->complete);
}

static bool can_run(const char *program)
{
	if (geteuid()) {
		print_message("# skipped: needs root: attaches probes\n");
		return false;
	}
	if (access(program, X_OK)) {
		print_message("# skipped: %s is not here\n", program);
		return false;
	}
	return true;
}

#define SKIP_UNLESS_RUNNABLE(program)  \
	do {                           \
		if (!can_run(program)) \
			skip();        \
	} while (0)

/*
 * One of tests/targets: says ready, waits for go. @every is at least 2: a fault whose handling the kernel begins
 * anew after a signal would be stopped again for ever.
 */
static void check_target(const char *name, const char *option, uint32_t every, unsigned int least)
{
	char path[256], word[64];
	char *const argv[] = {path, option ? word : NULL, NULL};
	struct run *run = calloc(1, sizeof(*run));
	struct child child;

	assert_non_null(run);
	snprintf(path, sizeof(path), ".output/targets/%s", name);
	snprintf(word, sizeof(word), "%s", option ? option : "");
	if (access(path, X_OK) || geteuid()) {
		free(run);
		can_run(path);
		skip();
	}
	child = start(argv);
	run->name = name;
	run->pid = child.pid;
	assert_true(wait_line(child.from));
	examine(run, every, child.to);
	end_child(&child);
	judge(run, least);
	free(run);
}

static void cxx_new_and_containers(void **state)
{
	(void)state;
	check_target("cxx_new", NULL, 2, 50);
}

static void cxx_exceptions(void **state)
{
	(void)state;
	check_target("cxx_exceptions", NULL, 97, 300);
}

static void threads(void **state)
{
	(void)state;
	check_target("threads", NULL, 7, 100);
}

static void signal_handlers(void **state)
{
	(void)state;
	check_target("signals_alloc", NULL, 7, 50);
}

static void frames_of_variable_size_and_realigned_stacks(void **state)
{
	(void)state;
	check_target("alloca_realign", NULL, 2, 1);
}

static void deep_stacks_under_two_threads(void **state)
{
	(void)state;
	check_target("churn", "--depth=100", 97, 300);
}

static void arenas_and_mappings(void **state)
{
	(void)state;
	check_target("mappings", NULL, 2, 1);
}

static void check_program(const char *name, char *const argv[], uint32_t every, bool wait)
{
	struct run *run = calloc(1, sizeof(*run));
	struct child child;

	assert_non_null(run);
	child = start(argv);
	run->name = name;
	run->pid = child.pid;
	if (wait)
		assert_true(wait_line(child.from));
	else
		usleep(500000);
	examine(run, every, -1);
	end_child(&child);
	judge(run, 300);
	free(run);
}

static void python(void **state)
{
	static char program[] = "/usr/bin/python3";
	static char option[] = "-c";
	static char text[] =
		"import json, threading, re, decimal, time\n"
		"def work():\n"
		"    while True:\n"
		"        x = {str(i): [i, str(i) * 40, {'a': i}] for i in range(300)}\n"
		"        json.loads(json.dumps(x)); re.compile('a+b%d' % id(x))\n"
		"        sorted(x, key=lambda k: bytes(900)); decimal.Decimal(2) ** 900\n"
		"work_threads = [threading.Thread(target=work) for _ in range(2)]\n"
		"[t.start() for t in work_threads]\n"
		"time.sleep(0.2); print('ready', flush=True)\n"
		"work()\n";
	char *const argv[] = {program, option, text, NULL};

	(void)state;
	SKIP_UNLESS_RUNNABLE(program);
	check_program("python3", argv, 97, true);
}

static void redis(void **state)
{
	static char shell[] = "/bin/sh";
	static char option[] = "-c";
	static char server[] =
		"exec redis-server --port 16399 --save '' --dir /tmp --bind 127.0.0.1";
	static char load[] = "exec redis-benchmark -p 16399 -c 4 -n 100000000 -r 10000 -q "
			     "-t set,lpush,lpop,sadd,hset,zadd,lrange_100,mset >/dev/null";
	char *const server_argv[] = {shell, option, server, NULL};
	char *const load_argv[] = {shell, option, load, NULL};
	struct run run = {.name = "redis-server"};
	struct child child, client;

	(void)state;
	SKIP_UNLESS_RUNNABLE("/usr/bin/redis-server");
	SKIP_UNLESS_RUNNABLE("/usr/bin/redis-benchmark");
	child = start(server_argv);
	usleep(700000);
	client = start(load_argv);
	usleep(300000);
	run.pid = child.pid;
	examine(&run, 97, -1);
	end_child(&client);
	end_child(&child);
	judge(&run, 300);
}

/* A C file whose compilation takes longer than the test. */
static void write_source(const char *path)
{
	FILE *stream = fopen(path, "we");

	assert_non_null(stream);
	for (int i = 0; i < 60000; i++)
		fprintf(stream,
			"int f%d(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) "
			"s += p[i] * %d + (s >> %d); return s; }\n",
			i, i, i % 13);
	fclose(stream);
}

static void clang(void **state)
{
	static char program[] = "/usr/bin/clang";
	static char options[4][16] = {"-O2", "-c", "-o", "/dev/null"};
	char source[] = "/tmp/holdfast-stacks-XXXXXX.c";
	char *const argv[] = {program,    options[0], options[1], options[2],
			      options[3], source,     NULL};
	int fd;

	(void)state;
	SKIP_UNLESS_RUNNABLE(program);
	fd = mkstemps(source, 2);
	assert_true(fd >= 0);
	close(fd);
	write_source(source);
	check_program("clang", argv, 97, false);
	unlink(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx_new_and_containers),
		cmocka_unit_test(cxx_exceptions),
		cmocka_unit_test(threads),
		cmocka_unit_test(signal_handlers),
		cmocka_unit_test(frames_of_variable_size_and_realigned_stacks),
		cmocka_unit_test(deep_stacks_under_two_threads),
		cmocka_unit_test(arenas_and_mappings),
		cmocka_unit_test(python),
		cmocka_unit_test(redis),
		cmocka_unit_test(clang),
	};

	unsetenv("DEBUGINFOD_URLS");
	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
