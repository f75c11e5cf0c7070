/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack_subject.h - programs to take stacks of, and the kernel side's stacks at the places where it stopped them.
 *
 * With test_stop_every the kernel side stops a thread right where it took a stack and says so by a MARK. A test
 * attaches to each of the programs below, and lets somebody else unwind the stopped thread too:
 *
 *	subject_start(), subject_attach(), subject_go(); at each stop: subject_collect(), look at marks[], count
 *	with subject_compare(); subject_end().
 *
 * A return probe puts the trampoline's address over the true return address, which no debugger can know: it is
 * given ours there (subject_give()), and we check that a call instruction ends at it.
 */
#ifndef HF_TESTS_STACK_SUBJECT_H
#define HF_TESTS_STACK_SUBJECT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/limits.h>

#include "base/clock.h"
#include "base/err.h"
#include "capture/feed/ring.h"
#include "capture/probe/probe.h"
#include "cmocka_all.h"
#include "process/proc/maps.h"

#define MARKS_MAX 64

struct stack {
	uint64_t id;
	unsigned int end, depth;
	uint64_t pcs[HF_MAX_FRAMES];
};

struct mark {
	int tid;
	struct stack stack;
};

struct child {
	int pid, to, from;
};

/*
 * What can be looked at. Of tests/targets: says ready, waits for go. @every is at least 2: a fault whose handling
 * the kernel begins anew after a signal would be stopped again for ever.
 */
struct program {
	const char *test; /* the test's name */
	const char *name;
	const char *options[2];
	const char *needs[2]; /* programs without which it is skipped; none: one of tests/targets */
	unsigned int every;   /* one in so many stacks stops its thread */
	unsigned int least;   /* stacks compared, or the test says nothing */
	enum hf_stack_end end; /* one that must occur */
	const char *not_by;    /* who cannot unwind it, see there */
};

static const struct program programs[] = {
	{"cxx_new_and_containers", "cxx_new", .every = 2, .least = 50},
	{"cxx_exceptions", "cxx_exceptions", .every = 97, .least = 100},
	{"threads", "threads", .every = 7, .least = 100},
	{"signal_handlers", "signals_alloc", .every = 7, .least = 50},
	{"frames_of_variable_size_and_realigned_stacks", "alloca_realign", .every = 2, .least = 1},
	{"deep_stacks_under_two_threads",
	 "churn",
	 {"--depth=100", "--threads=2"},
	 .every = 97,
	 .least = 100},
	{"stacks_deeper_than_the_limit",
	 "churn",
	 {"--depth=300"},
	 .every = 97,
	 .least = 50,
	 .end = HF_STACK_TRUNCATED},
	/* gdb takes code without a symbol for code without a frame, and is lost at its first caller. */
	{"generated_code", "jit_frames", .every = 2, .least = 20, .not_by = "gdb"},
	{"arenas_and_mappings", "mappings", .every = 2, .least = 1},
	{"python", "python3", .needs = {"/usr/bin/python3"}, .every = 97, .least = 100},
	{"redis", "redis-server", .needs = {"/usr/bin/redis-server", "/usr/bin/redis-benchmark"},
	 .every = 97, .least = 100},
	{"clang", "clang", .needs = {"/usr/bin/clang"}, .every = 97, .least = 100},
};

#define PROGRAM_COUNT (sizeof(programs) / sizeof(programs[0]))

/* What came of it, over all runs of one program. */
struct tally {
	unsigned int taken; /* stacks compared */
	unsigned int complete,
		equal; /* of these: not labelled incomplete; and frame by frame equal */
	unsigned int labelled_equal; /* labelled incomplete, equal as far as they go */
	unsigned int cut;            /* incomplete and not labelled */
	unsigned int given, not_after_call;
	unsigned int left_out; /* frames of theirs that are no code */
	unsigned int missed;   /* marks that could not be compared */
	unsigned int shown;
	unsigned int ends[HF_STACK_END_COUNT];
};

struct subject {
	const struct program *program;
	struct child child, client;
	char source[40]; /* what clang compiles, or redis's socket: removed at the end */

	struct module_set *modules;
	struct target *target;
	struct probe *probe;
	struct ring_feed *feed;
	struct allocator_set set;

	uint64_t trampoline; /* 0: no return probe has been hit yet */
	struct stack newest;
	struct mark marks[MARKS_MAX];
	size_t mark_count;
	struct tally *tally;
};

static const char *const stack_end_texts[HF_STACK_END_COUNT] = {
#define X(name, text) text,
	HF_STACK_ENDS(X)
#undef X
};

static int subject_on_event(void *user, const struct hf_event *event)
{
	const struct hf_event_stack *taken = (const struct hf_event_stack *)event;
	const struct hf_event_mark *mark = (const struct hf_event_mark *)event;
	struct subject *s = user;

	if (event->kind == HF_EVENT_STACK) {
		s->newest.id = taken->stack;
		s->newest.end = event->detail;
		s->newest.depth = taken->depth;
		memcpy(s->newest.pcs, event_stack_pcs(taken), taken->depth * sizeof(uint64_t));
	}
	if (event->kind != HF_EVENT_MARK)
		return 0;
	/* Another CPU's stack may have come between the two. */
	if (s->mark_count == MARKS_MAX || s->newest.id != mark->code || !s->newest.depth) {
		s->tally->missed++;
		return 0;
	}
	s->marks[s->mark_count].tid = (int)event->tid;
	s->marks[s->mark_count++].stack = s->newest;
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

static void find_trampoline(struct subject *s)
{
	struct maps maps;

	if (s->trampoline || maps_read(s->child.pid, &maps))
		return;
	for (size_t i = 0; i < maps.count; i++)
		if (!strcmp(maps.items[i].path, "[uprobes]"))
			s->trampoline = maps.items[i].start;
	maps_done(&maps);
}

/* The threads stand: takes in the marks that there are. */
static void subject_collect(struct subject *s)
{
	ring_feed_consume(s->feed);
	find_trampoline(s);
}

/* The true address in place of the trampoline's, as we have it in frame @index; it must follow a call. */
static uint64_t subject_give(struct subject *s, const struct stack *stack, unsigned int index)
{
	s->tally->given++;
	s->tally->not_after_call += !is_after_call(s->child.pid, stack->pcs[index]);
	return stack->pcs[index];
}

/* Somebody else's walk of the same thread. */
struct frames {
	unsigned int depth;
	uint64_t pcs[HF_MAX_FRAMES + 2];
};

/* Our stacks of calls begin at the caller, so theirs may begin with a frame that we do not show. */
static unsigned int frames_to_skip(const struct frames *theirs, const struct stack *ours)
{
	return theirs->depth && theirs->pcs[0] != ours->pcs[0] ? 1 : 0;
}

/* The first of our frames that is not theirs; our depth, if none. */
static unsigned int first_difference(const struct frames *theirs, const struct stack *ours)
{
	unsigned int skip = frames_to_skip(theirs, ours), i = 0;

	while (i < ours->depth && i + skip < theirs->depth && ours->pcs[i] == theirs->pcs[i + skip])
		i++;
	return i;
}

/* Counts one comparison. True: as it has to be. */
static bool subject_compare(const struct subject *s, const struct frames *theirs,
			    const struct stack *ours)
{
	bool all_ours = first_difference(theirs, ours) == ours->depth;
	bool all_theirs = theirs->depth == ours->depth + frames_to_skip(theirs, ours);
	struct tally *t = s->tally;

	t->taken++;
	t->ends[ours->end]++;
	if (ours->end == HF_STACK_COMPLETE) {
		t->complete++;
		t->equal += all_ours && all_theirs;
		t->cut += all_ours && theirs->depth > ours->depth + 1;
		return all_ours && all_theirs;
	}
	t->labelled_equal += all_ours;
	return all_ours;
}

static void summarise(const struct tally *t, const struct program *program, const char *whose)
{
	unsigned int labelled = t->taken - t->complete;

	print_message("# %-14s %5u stacks: %u of %u complete equal to %s's", program->name,
		      t->taken, t->equal, t->complete, whose);
	if (labelled)
		print_message(", %u of %u labelled incomplete equal as far as they go",
			      t->labelled_equal, labelled);
	for (unsigned int i = 1; i < HF_STACK_END_COUNT; i++)
		if (t->ends[i])
			print_message(" (%s: %u)", stack_end_texts[i], t->ends[i]);
	if (t->left_out)
		print_message(", %u of their frames are no code", t->left_out);
	print_message(", %u return addresses given, %u marks passed over\n", t->given, t->missed);
}

static void judge(const struct tally *t, const struct program *program, const char *whose)
{
	unsigned int labelled = t->taken - t->complete;

	summarise(t, program, whose);
	assert_true(t->taken >= program->least);
	assert_true(t->ends[program->end] > 0);
	assert_int_equal(t->not_after_call, 0);
	assert_int_equal(t->cut, 0);
	/* 99.9 % */
	assert_true((t->complete - t->equal) * 1000 <= t->complete);
	assert_true((labelled - t->labelled_equal) * 1000 <= labelled);
}

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
	if (child->pid <= 0)
		return;
	kill(child->pid, SIGKILL);
	kill(child->pid, SIGCONT);
	waitpid(child->pid, NULL, 0);
	close(child->to);
	close(child->from);
	child->pid = 0;
}

static bool wait_line(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte = 0;

	while (byte != '\n' && poll(&wait, 1, 10000) == 1 && read(fd, &byte, 1) == 1)
		;
	return byte == '\n';
}

static void start_python(struct subject *s)
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

	s->child = start(argv);
	assert_true(wait_line(s->child.from));
}

static void start_redis(struct subject *s)
{
	static char shell[] = "/bin/sh";
	static char option[] = "-c";
	char server[128], load[256];
	char *const server_argv[] = {shell, option, server, NULL};
	char *const load_argv[] = {shell, option, load, NULL};

	/* Two programs of tests may run at once. */
	snprintf(s->source, sizeof(s->source), "/tmp/holdfast-stacks-%d.redis", getpid());
	snprintf(server, sizeof(server),
		 "exec redis-server --port 0 --unixsocket %s --save '' --dir /tmp", s->source);
	snprintf(load, sizeof(load),
		 "exec redis-benchmark -s %s -c 4 -n 100000000 -r 10000 -q "
		 "-t set,lpush,lpop,sadd,hset,zadd,lrange_100,mset >/dev/null",
		 s->source);
	s->child = start(server_argv);
	for (int i = 0; i < 1000 && access(s->source, F_OK); i++)
		usleep(10000);
	s->client = start(load_argv);
	usleep(300000);
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

static void start_clang(struct subject *s)
{
	static char program[] = "/usr/bin/clang";
	static char options[4][16] = {"-O2", "-c", "-o", "/dev/null"};
	char *const argv[] = {program,    options[0], options[1], options[2],
			      options[3], s->source,  NULL};
	int fd;

	snprintf(s->source, sizeof(s->source), "/tmp/holdfast-stacks-XXXXXX.c");
	fd = mkstemps(s->source, 2);
	assert_true(fd >= 0);
	close(fd);
	write_source(s->source);
	s->child = start(argv);
	usleep(500000);
}

static void start_target(struct subject *s, const char *directory)
{
	char path[256], words[2][32];
	char *argv[4] = {path};
	int count = 1;

	snprintf(path, sizeof(path), "%s/%s", directory, s->program->name);
	for (int i = 0; i < 2 && s->program->options[i]; i++) {
		snprintf(words[i], sizeof(words[i]), "%s", s->program->options[i]);
		argv[count++] = words[i];
	}
	s->child = start(argv);
	assert_true(wait_line(s->child.from));
}

/* Skips where @program cannot be looked at. @directory has the programs of tests/targets. */
static void skip_unless_runnable(const struct program *program, const char *directory)
{
	const char *tags = getenv("BATS_TAGS"); /* as scripts/run-tests.sh chooses among others */
	char path[300];

	if (geteuid())
		skip_because("needs root: attaches probes");
	if (program->needs[0] && tags && strstr(tags, "!slow"))
		skip_because("slow ones are left out");
	snprintf(path, sizeof(path), "%s/%s", directory, program->name);
	if (!program->needs[0] && access(path, X_OK))
		skip_because("%s is not built", program->name);
	for (int i = 0; i < 2; i++)
		if (program->needs[i] && access(program->needs[i], X_OK))
			skip_because("%s is not here", program->needs[i]);
}

static struct subject *subject_start(const struct program *program, const char *directory,
				     struct tally *tally)
{
	struct subject *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->program = program;
	s->tally = tally;
	if (!program->needs[0])
		start_target(s, directory);
	else if (!strcmp(program->name, "python3"))
		start_python(s);
	else if (!strcmp(program->name, "redis-server"))
		start_redis(s);
	else
		start_clang(s);
	return s;
}

static int subject_publish_code(struct subject *s)
{
	struct probe_code code = {.changes = probe_code_changes(s->probe, s->child.pid)};
	int err = target_refresh(s->target, s->modules, &code.found);

	return err ? err : probe_update_process(s->probe, s->target, &code);
}

/* From here on stacks stop their threads. */
static void subject_attach(struct subject *s)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct probe_options options = {.faults = true, .test_stop_every = s->program->every};
	const struct event_handler handler = {subject_on_event, s};
	struct probe_attached attached;
	int err = probe_new(&options, &s->probe, &error);

	assert_int_equal(module_set_new(&s->modules), 0);
	if (!err)
		err = ring_feed_new(probe_ring_fd(s->probe), &handler, &s->feed);
	if (!err)
		err = target_new(s->modules, s->child.pid, clock_now_ns(), &s->target, &error);
	if (!err)
		err = allocator_set_find(s->target, &(struct allocator_search){0}, &s->set, &error);
	if (!err)
		err = probe_add_process(s->probe, s->target->key.pid, &error);
	if (!err)
		err = subject_publish_code(s);
	if (!err)
		err = probe_attach(s->probe, s->target, &s->set, &attached, &error);
	if (err)
		error_print(&error, stderr);
	assert_int_equal(err, 0);
}

/* Tells one of tests/targets to begin, and not to wait at its end. */
static void subject_go(const struct subject *s)
{
	if (!s->program->needs[0])
		assert_int_equal(write(s->child.to, "go\nend\n", 7), 7);
}

static void subject_end(struct subject *s)
{
	probe_detach(s->probe, 0);
	end_child(&s->client);
	end_child(&s->child);
	if (s->source[0])
		unlink(s->source);
	ring_feed_free(s->feed);
	probe_free(s->probe);
	target_free(s->target);
	module_set_free(s->modules);
	allocator_set_done(&s->set);
	free(s);
}

/* Somebody to compare with. */
struct comparison {
	const char *whose;
	const char *directory; /* of tests/targets' programs */
	/*
	 * Stacks of each program. HF_STACKS in the environment asks for more, for a long run; a program that ends
	 * before is then started again. HF_STACKS_OF names one test.
	 */
	unsigned int wanted;
	void (*follow)(struct subject *s, unsigned int wanted); /* until so many are compared */
};

static void compare_program(const struct program *program, const struct comparison *comparison)
{
	const char *asked = getenv("HF_STACKS");
	unsigned int wanted = asked ? (unsigned int)strtoul(asked, NULL, 10) : comparison->wanted;
	unsigned int before;
	struct tally tally = {0};
	struct subject *s;

	skip_unless_runnable(program, comparison->directory);
	do {
		before = tally.taken;
		s = subject_start(program, comparison->directory, &tally);
		subject_attach(s);
		comparison->follow(s, wanted);
		subject_end(s);
	} while (asked && tally.taken < wanted && tally.taken > before);
	judge(&tally, program, comparison->whose);
}

/* One test for each program that there are @whose stacks of, called with the program as its state. */
static size_t list_tests(const char *whose, CMUnitTestFunction test, struct CMUnitTest *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		if (!programs[i].not_by || strcmp(programs[i].not_by, whose) != 0)
			ret[count++] = (struct CMUnitTest){
				.name = programs[i].test,
				.test_func = test,
				.initial_state = (void *)(uintptr_t)&programs[i],
			};
	return count;
}

#endif
