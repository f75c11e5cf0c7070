// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's stacks against libdw's, frame by frame, in running programs.
 *
 * libdw unwinds the stopped thread from its registers and memory by the same call frame information, read by other
 * people's code. What this cannot find: a stack that both get wrong (gdb's reading is in test_stacks_gdb.c), and a
 * name (names are looked up later).
 */
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "stack_subject.h"

#define WANTED      400
#define RUN_SECONDS 6
#define PATIENCE_NS 60000000000ull
#define SHOWN_MAX   5

/* libdw's walk of one thread. */
struct walk {
	struct subject *subject;
	const struct stack *stack;
	struct frames frames;
	struct user_regs_struct registers;
};

static bool on_memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret, void *user)
{
	struct walk *walk = *(struct walk **)user;
	struct subject *s = walk->subject;
	unsigned int next = walk->frames.depth - frames_to_skip(&walk->frames, walk->stack);

	(void)dwfl;
	if (!read_memory(s->child.pid, address, ret, sizeof(*ret)))
		return false;
	if (s->trampoline && *ret == s->trampoline && next < walk->stack->depth)
		*ret = subject_give(s, walk->stack, next);
	return true;
}

/* A page fault at the trampoline itself: the call has returned, our stack begins where it goes on. */
static void give_start(struct walk *walk)
{
	struct subject *s = walk->subject;

	if (s->trampoline && walk->registers.rip == s->trampoline)
		walk->registers.rip = subject_give(s, walk->stack, 0);
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
	struct frames *frames = &((struct walk *)user)->frames;
	Dwarf_Addr pc;

	if (frames->depth == HF_MAX_FRAMES + 2 || !dwfl_frame_pc(frame, &pc, NULL))
		return DWARF_CB_ABORT;
	frames->pcs[frames->depth++] = pc;
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

static void show_frame(Dwfl *dwfl, const char *who, unsigned int i, uint64_t pc)
{
	Dwfl_Module *module = dwfl_addrmodule(dwfl, pc);
	Dwarf_Addr start = 0;
	const char *file =
		module ? dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL) : "?";
	const char *function = module ? dwfl_module_addrname(module, pc) : NULL;

	print_message("#   %s %u %" PRIx64 " %s+%" PRIx64 " %s\n", who, i, pc, file, pc - start,
		      function ? function : "");
}

/* From a little before the first difference on. */
static void show_difference(Dwfl *dwfl, const struct walk *walk)
{
	const struct stack *stack = walk->stack;
	const struct frames *theirs = &walk->frames;
	unsigned int skip = frames_to_skip(theirs, stack);
	unsigned int first = first_difference(theirs, stack);

	if (walk->subject->tally->shown++ >= SHOWN_MAX)
		return;
	print_message("# %s: ours %u frames (%s), libdw %u (%s); they differ at %u\n",
		      walk->subject->program->name, stack->depth, stack_end_texts[stack->end],
		      theirs->depth - skip, dwfl_errmsg(-1), first);
	for (unsigned int i = first > 2 ? first - 2 : 0; i < first + 3 && i < stack->depth; i++)
		show_frame(dwfl, "ours ", i, stack->pcs[i]);
	for (unsigned int i = first > 2 ? first - 2 : 0; i < first + 3 && i + skip < theirs->depth;
	     i++)
		show_frame(dwfl, "libdw", i, theirs->pcs[i + skip]);
}

/*
 * libdw gave up where there is no call frame information (.fini, crtbegin.o's functions; ours know these by their
 * bytes) and no frame pointer that it could follow instead.
 */
static bool ends_without_cfi(Dwfl *dwfl, const struct walk *walk)
{
	const struct frames *theirs = &walk->frames;
	unsigned int count = theirs->depth - frames_to_skip(theirs, walk->stack);
	Dwarf_Addr pc = theirs->depth ? theirs->pcs[theirs->depth - 1] : 0, bias = 0;
	Dwfl_Module *module = dwfl_addrmodule(dwfl, pc);
	Dwarf_CFI *cfi = module ? dwfl_module_eh_cfi(module, &bias) : NULL;
	Dwarf_Frame *frame = NULL;

	if (!cfi || count >= walk->stack->depth || first_difference(theirs, walk->stack) < count ||
	    !dwarf_cfi_addrframe(cfi, pc - bias, &frame)) {
		free(frame);
		return false;
	}
	return true;
}

static void compare_mark(struct subject *s, const struct mark *mark, Dwfl *dwfl,
			 struct walk **current)
{
	struct walk walk = {.subject = s, .stack = &mark->stack};

	if (!read_registers(mark->tid, &walk.registers)) {
		s->tally->missed++;
		return;
	}
	give_start(&walk);
	*current = &walk;
	dwfl_getthread_frames(dwfl, mark->tid, on_frame, &walk);
	*current = NULL;
	if (ends_without_cfi(dwfl, &walk)) {
		s->tally->missed++;
		return;
	}
	if (!subject_compare(s, &walk.frames, &mark->stack))
		show_difference(dwfl, &walk);
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

static Dwfl *open_dwfl(int pid, struct walk **current)
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
	assert_int_equal(dwfl_linux_proc_report(dwfl, pid), 0);
	assert_int_equal(dwfl_report_end(dwfl, NULL, NULL), 0);
	assert_true(dwfl_attach_state(dwfl, NULL, pid, &thread_callbacks, current));
	return dwfl;
}

static void compare_all(struct subject *s, Dwfl *dwfl, struct walk **current)
{
	bool stopped = wait_stopped(s->child.pid);

	subject_collect(s); /* marks of threads that were on their way to the stop */
	for (size_t i = 0; stopped && i < s->mark_count; i++)
		compare_mark(s, &s->marks[i], dwfl, current);
	if (!stopped)
		s->tally->missed += (unsigned int)s->mark_count;
	s->mark_count = 0;
	kill(s->child.pid, SIGCONT);
}

static void follow(struct subject *s, unsigned int wanted)
{
	struct pollfd wait = {.fd = ring_feed_fd(s->feed), .events = POLLIN};
	uint64_t seconds = RUN_SECONDS * (1 + wanted / WANTED);
	uint64_t end_ns = clock_now_ns() + seconds * 1000000000ull;
	struct walk *current = NULL;
	Dwfl *dwfl = open_dwfl(s->child.pid, &current);

	subject_go(s);
	/* Beside other work on the machine it may take longer until there are enough to say something. */
	while (s->tally->taken < wanted && !has_ended(s->child.pid) &&
	       (clock_now_ns() < end_ns ||
		(s->tally->taken < s->program->least && clock_now_ns() < end_ns + PATIENCE_NS))) {
		poll(&wait, 1, 20);
		ring_feed_consume(s->feed);
		if (s->mark_count)
			compare_all(s, dwfl, &current);
	}
	dwfl_end(dwfl);
}

static void stacks_equal_libdws(void **state)
{
	const struct comparison libdw = {"libdw", ".output/targets", WANTED, follow};

	compare_program(*state, &libdw);
}

int main(void)
{
	struct CMUnitTest tests[PROGRAM_COUNT];
	size_t count = list_tests("libdw", stacks_equal_libdws, tests);

	unsetenv("DEBUGINFOD_URLS");
	cmocka_set_test_filter(getenv("HF_STACKS_OF"));
	return _cmocka_run_group_tests("stacks", tests, count, NULL, NULL);
}
