// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's stacks against gdb's, frame by frame, in running programs.
 *
 * gdb stays attached: it is told of the SIGSTOP that the kernel side sends where it took a stack, lists that
 * thread's frames (machine interface, from the registers and memory there and then) and lets the program go on.
 * Our own programs are looked at without their debug information, from which gdb would make frames of inlined
 * functions; call frame information stays.
 *
 * A return probe's trampoline is found as gdb does: it stands in the slot where gdb says that the caller's rip was
 * saved. The true address is put there while gdb looks.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "base/strbuf.h"
#include "stack_subject.h"

#define WANTED       150
#define RUN_SECONDS  60 /* against hanging only: so many stacks take 1 or 2 s */
#define STOP_SECONDS 20
#define SHOWN_MAX    5
#define SLOTS_MAX    64

static char targets[] = "/tmp/holdfast-stacks-XXXXXX";

struct gdb {
	struct child child;
	char buffer[1 << 16]; /* read, not yet looked at */
	size_t begin, end;
	struct strbuf line;   /* the newest line */
	struct strbuf result; /* the newest command's answer */
	struct strbuf text;   /* what it said for people */
};

/* The next line into gdb->line; false after STOP_SECONDS of silence, or at gdb's end. */
static bool gdb_read_line(struct gdb *gdb)
{
	struct pollfd wait = {.fd = gdb->child.from, .events = POLLIN};
	const char *newline = NULL;
	ssize_t size;

	strbuf_reset(&gdb->line);
	while (!newline) {
		size_t left = gdb->end - gdb->begin;

		newline = left ? memchr(gdb->buffer + gdb->begin, '\n', left) : NULL;
		left = newline ? (size_t)(newline - gdb->buffer) - gdb->begin : left;
		strbuf_add(&gdb->line, gdb->buffer + gdb->begin, left);
		gdb->begin += left + (newline ? 1 : 0);
		if (newline)
			break;
		if (poll(&wait, 1, STOP_SECONDS * 1000) != 1)
			return false;
		size = read(gdb->child.from, gdb->buffer, sizeof(gdb->buffer));
		if (size <= 0)
			return false;
		gdb->begin = 0;
		gdb->end = (size_t)size;
	}
	return true;
}

static bool starts_with(const struct strbuf *line, const char *what)
{
	return !strncmp(line->buf, what, strlen(what));
}

/* Runs a command of the machine interface; true if it was done. */
static __attribute__((format(printf, 2, 3))) bool gdb_do(struct gdb *gdb, const char *format, ...)
{
	char command[256];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(command, sizeof(command) - 1, format, arguments);
	va_end(arguments);
	command[size] = '\n';
	if (write(gdb->child.to, command, (size_t)size + 1) != size + 1)
		return false;
	strbuf_reset(&gdb->text);
	while (gdb_read_line(gdb)) {
		if (starts_with(&gdb->line, "~") && gdb->line.len > 5) /* ~"text\n" */
			strbuf_addf(&gdb->text, "%.*s ", (int)gdb->line.len - 5, gdb->line.buf + 2);
		if (!starts_with(&gdb->line, "^"))
			continue;
		strbuf_reset(&gdb->result);
		strbuf_addstr(&gdb->result, gdb->line.buf);
		return !starts_with(&gdb->line, "^error");
	}
	return false;
}

/* True: stopped, gdb->line says why. False: ended. */
static bool gdb_wait_stop(struct gdb *gdb)
{
	while (gdb_read_line(gdb))
		if (starts_with(&gdb->line, "*stopped"))
			return !strstr(gdb->line.buf, "reason=\"exited");
	return false;
}

static void gdb_start(struct gdb *gdb)
{
	static char words[4][20] = {"gdb", "-q", "-nx", "--interpreter=mi3"};
	char *const argv[] = {words[0], words[1], words[2], words[3], NULL};
	static const char *const commands[] = {
		"-gdb-set debuginfod enabled off",
		"-gdb-set auto-load off",
		"-gdb-set libthread-db-search-path /nonexistent",
		"-gdb-set debug-file-directory /nonexistent",
		"-gdb-set backtrace past-main on",
		"-gdb-set backtrace past-entry on",
		"-gdb-set stack-cache off",
		"-interpreter-exec console \"handle all nostop noprint pass\"",
		"-interpreter-exec console \"handle SIGSTOP stop print nopass\"",
	};

	memset(gdb, 0, sizeof(*gdb));
	strbuf_init(&gdb->line);
	strbuf_init(&gdb->result);
	strbuf_init(&gdb->text);
	gdb->child = start(argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!gdb_do(gdb, "%s", commands[i]))
			fail_msg("gdb: %s: %s", commands[i], gdb->result.buf);
}

static void gdb_end(struct gdb *gdb)
{
	end_child(&gdb->child);
	strbuf_done(&gdb->line);
	strbuf_done(&gdb->result);
	strbuf_done(&gdb->text);
}

/* gdb's number of the thread, from "-thread-info": {id="2",target-id="LWP 4711",…}; 0 if it knows none. */
static unsigned int gdb_thread(const struct gdb *gdb, int tid)
{
	static const char head[] = "{id=\"", name[] = "target-id=\"";
	const char *at = gdb->result.buf;

	while ((at = strstr(at, head))) {
		const char *number = at + strlen(head);
		const char *text = strstr(at, name);
		const char *end = text ? strchr(text + strlen(name), '"') : NULL;

		if (!end)
			break;
		while (end[-1] == ')')
			end--;
		for (text = end; text[-1] >= '0' && text[-1] <= '9';)
			text--;
		if (strtol(text, NULL, 10) == tid)
			return (unsigned int)strtoul(number, NULL, 10);
		at = end;
	}
	return 0;
}

static bool gdb_frames(struct gdb *gdb, unsigned int thread, struct frames *ret)
{
	static const char name[] = "addr=\"0x";
	const char *at;

	/* What gdb remembers of the stack was true before the thread ran, or before a slot was changed. */
	if (!gdb_do(gdb, "-interpreter-exec console \"maint flush register-cache\"") ||
	    !gdb_do(gdb, "-stack-list-frames --thread %u 0 %d", thread, HF_MAX_FRAMES + 1))
		return false;
	ret->depth = 0;
	for (at = gdb->result.buf; (at = strstr(at, name)) && ret->depth < HF_MAX_FRAMES + 2;
	     at += strlen(name))
		ret->pcs[ret->depth++] = strtoull(at + strlen(name), NULL, 16);
	return ret->depth > 0;
}

/* Where frame @level keeps its caller's rip; 0 if gdb does not say. */
static uint64_t gdb_slot(struct gdb *gdb, unsigned int thread, unsigned int level)
{
	static const char name[] = " rip at 0x";
	const char *at;

	if (!gdb_do(gdb, "-interpreter-exec --thread %u --frame %u console \"info frame\"", thread,
		    level))
		return 0;
	at = strstr(gdb->text.buf, name);
	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

static bool write_word(int pid, uint64_t address, uint64_t value)
{
	struct iovec local = {&value, sizeof(value)};
	struct iovec remote = {(void *)(uintptr_t)address, sizeof(value)};

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof(value);
}

/* The first frame that is no caller but the trampoline; 0 if none is. */
static unsigned int trampoline_level(const struct subject *s, const struct frames *frames)
{
	for (unsigned int i = 1; s->trampoline && i < frames->depth; i++)
		if (frames->pcs[i] == s->trampoline)
			return i;
	return 0;
}

struct slots {
	uint64_t addresses[SLOTS_MAX];
	unsigned int count;
};

/* Puts the return address in the place of one trampoline's. */
static bool give_address(struct subject *s, const struct stack *stack, uint64_t slot,
			 unsigned int index)
{
	uint64_t value;

	return slot && index < stack->depth &&
	       read_memory(s->child.pid, slot, &value, sizeof(value)) && value == s->trampoline &&
	       write_word(s->child.pid, slot, subject_give(s, stack, index));
}

/* gdb's frames, all trampolines replaced. The slots concerned are changed: the caller undoes it. */
static bool true_frames(struct subject *s, struct gdb *gdb, const struct mark *mark,
			struct slots *slots, struct frames *ret)
{
	unsigned int thread = gdb_do(gdb, "-thread-info") ? gdb_thread(gdb, mark->tid) : 0;
	unsigned int level;

	if (!thread || !gdb_frames(gdb, thread, ret))
		return false;
	while ((level = trampoline_level(s, ret)) && slots->count < SLOTS_MAX) {
		uint64_t slot = gdb_slot(gdb, thread, level - 1);

		if (!give_address(s, &mark->stack, slot, level - frames_to_skip(ret, &mark->stack)))
			break; /* they differ, and will be shown */
		slots->addresses[slots->count++] = slot;
		if (!gdb_frames(gdb, thread, ret))
			return false;
	}
	return true;
}

static void show_pc(struct gdb *gdb, const char *who, unsigned int i, uint64_t pc)
{
	gdb_do(gdb, "-interpreter-exec console \"info symbol 0x%" PRIx64 "\"", pc);
	print_message("#   %s %u %" PRIx64 " %.160s\n", who, i, pc, gdb->text.buf);
}

/* From a little before the first difference on, and why gdb ended. */
static void show_difference(struct subject *s, struct gdb *gdb, const struct stack *stack,
			    const struct frames *theirs)
{
	unsigned int skip = frames_to_skip(theirs, stack);
	unsigned int first = first_difference(theirs, stack);
	unsigned int from = first > 2 ? first - 2 : 0;

	if (s->tally->shown++ >= SHOWN_MAX)
		return;
	print_message("# %s: ours %u frames (%s), gdb %u; they differ at %u\n", s->program->name,
		      stack->depth, stack_end_texts[stack->end], theirs->depth - skip, first);
	for (unsigned int i = from; i < first + 3 && i < stack->depth; i++)
		show_pc(gdb, "ours", i, stack->pcs[i]);
	for (unsigned int i = from; i < first + 3 && i + skip < theirs->depth; i++)
		show_pc(gdb, "gdb ", i, theirs->pcs[i + skip]);
	if (gdb_do(gdb, "-interpreter-exec console \"bt -1\""))
		print_message("#   gdb ends: %s\n", gdb->text.buf);
}

/* Labelled incomplete though not deep: right, but worth a look. */
static bool ends_early(const struct stack *stack)
{
	return stack->end != HF_STACK_COMPLETE && stack->end != HF_STACK_TRUNCATED;
}

/*
 * Where there is neither call frame information nor a symbol, gdb takes code for frameless. In crtbegin.o's
 * __do_global_dtors_aux of stripped libraries, which has pushed rbp, it reports that rbp as a caller. What is no code
 * is no caller: left out, and counted.
 */
static void leave_out_data(struct subject *s, struct frames *frames)
{
	unsigned int kept = 0;
	struct maps maps;

	if (maps_read(s->child.pid, &maps))
		return;
	for (unsigned int i = 0; i < frames->depth; i++) {
		const struct mapping *mapping = maps_find(&maps, frames->pcs[i]);

		if (mapping && mapping->prot & PROT_EXEC)
			frames->pcs[kept++] = frames->pcs[i];
	}
	s->tally->left_out += frames->depth - kept;
	frames->depth = kept;
	maps_done(&maps);
}

static void compare_frames(struct subject *s, struct gdb *gdb, const struct stack *stack,
			   struct frames *theirs)
{
	if (first_difference(theirs, stack) < stack->depth)
		leave_out_data(s, theirs);
	if (!subject_compare(s, theirs, stack) || ends_early(stack))
		show_difference(s, gdb, stack, theirs);
}

static void compare_mark(struct subject *s, struct gdb *gdb, const struct mark *mark)
{
	struct slots slots = {.count = 0};
	struct frames frames;

	/* A page fault at the trampoline itself: the call has returned, gdb knows not where to. */
	if (!true_frames(s, gdb, mark, &slots, &frames) ||
	    (s->trampoline && frames.pcs[0] == s->trampoline))
		s->tally->missed++;
	else
		compare_frames(s, gdb, &mark->stack, &frames);
	for (unsigned int i = 0; i < slots.count; i++)
		write_word(s->child.pid, slots.addresses[i], s->trampoline);
}

static void compare_until(struct subject *s, struct gdb *gdb, unsigned int wanted)
{
	uint64_t seconds = RUN_SECONDS * (1 + wanted / WANTED);
	uint64_t end_ns = clock_now_ns() + seconds * 1000000000ull;

	while (s->tally->taken < wanted && clock_now_ns() < end_ns) {
		if (!gdb_do(gdb, "-exec-continue") || !gdb_wait_stop(gdb))
			return;
		subject_collect(s);
		for (size_t i = 0; i < s->mark_count; i++)
			compare_mark(s, gdb, &s->marks[i]);
		s->mark_count = 0;
	}
}

/* The probes came first: a process that somebody traces is refused. */
static void follow(struct subject *s, unsigned int wanted)
{
	struct gdb gdb;

	gdb_start(&gdb);
	if (gdb_do(&gdb, "-target-attach %d", s->child.pid) && gdb_wait_stop(&gdb)) {
		subject_go(s);
		compare_until(s, &gdb, wanted);
	} else {
		print_message("# gdb: %s\n", gdb.result.buf);
	}
	kill(s->child.pid, SIGKILL);
	gdb_end(&gdb);
}

static void stacks_equal_gdbs(void **state)
{
	const struct comparison gdb = {"gdb", targets, WANTED, follow};

	if (access("/usr/bin/gdb", X_OK))
		skip_because("gdb is not here");
	compare_program(*state, &gdb);
}

static int strip_targets(void **state)
{
	char command[600];

	(void)state;
	if (!mkdtemp(targets))
		return -1;
	for (size_t i = 0; i < PROGRAM_COUNT; i++) {
		snprintf(command, sizeof(command),
			 "strip -g -o '%s/%s' '.output/targets/%s' 2>/dev/null", targets,
			 programs[i].name, programs[i].name);
		if (!programs[i].needs[0] && system(command))
			print_message("# not built: %s\n", programs[i].name);
	}
	return 0;
}

static int remove_targets(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", targets);
	return system(command);
}

int main(void)
{
	struct CMUnitTest tests[PROGRAM_COUNT];
	size_t count = list_tests("gdb", stacks_equal_gdbs, tests);

	cmocka_set_test_filter(getenv("HF_STACKS_OF"));
	return _cmocka_run_group_tests("stacks_gdb", tests, count, strip_targets, remove_targets);
}
