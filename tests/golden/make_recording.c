// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * make_recording NAME.events OUT.hfrec: a recording from a text, for golden.bats.
 *
 * A line is one event; words are apart by blanks, # begins a comment. First lines:
 *	process PID COMM	one that is watched from time 0 on
 *	custom NAME		a private allocator: function custom0, custom1, ...
 * Then, times in ms, in order:
 *	TIME PID TID alloc FUNCTION ADDRESS SIZE STACK
 *	TIME PID TID free FUNCTION ADDRESS [tentative]
 *	TIME PID TID undo FUNCTION ADDRESS
 *	TIME PID TID map FUNCTION ADDRESS SIZE STACK
 *	TIME PID TID unmap FUNCTION ADDRESS SIZE [tentative]
 *	TIME PID TID stack ID FUNCTION@FILE:LINE ...	leaf first
 *	TIME PID TID fork CHILD
 *	TIME PID TID exec
 *	TIME PID TID exit	of the whole process
 *	TIME PID TID loss REASON_NUMBER COUNT
 *	TIME PID TID sample RSS	a memory reading, and the end of a window
 *	TIME PID TID grow FUNCTION ADDRESS SIZE STACK COUNT STEP	COUNT times alloc and sample, STEP ms apart
 *	TIME PID TID look [BLOCK ...]	a look at the heap that misses these blocks. BLOCK: ADDRESS+SIZE, with *COUNT for so
 *		many, one behind the other; /indirect: only lost ones refer to it; /held: referred to again; /NAME: of that class,
 *		mangled. A block is confirmed if the look before missed it, too.
 *	TIME PID TID census [BLOCK ...]	such a look that also counts by type, and who holds it: the last of a process
 *	TIME PID TID lose FUNCTION ADDRESS SIZE STACK COUNT STEP	as grow, each with a look that misses all of these
 * Last, if wanted:
 *	cut BYTES	off the end
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holdfast/limits.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "capture/feed/record_writer.h"
#include "session/look_block.h"
#include "session/name_table.h"

#define WORDS_MAX  32
#define FRAMES_MAX 16
#define STACKS_MAX 64
#define START_NS   1000000000ull
#define WALL_NS    1700000000000000000ull

struct named_stack {
	uint64_t id;
	uint64_t pcs[FRAMES_MAX];
	struct report_frame frames[FRAMES_MAX];
	unsigned int depth;
};

/* What a process's looks have missed so far. */
struct looked {
	struct look_book book;
	struct look look; /* its counters */
	uint64_t before_ns;
	VEC(struct heap_lost) lost;
	VEC(struct heap_type) types;
};

struct maker {
	struct record_writer *writer;
	const char *path;
	bool open;
	struct strbuf processes, custom;
	int pids[8];
	struct looked looked[8];
	unsigned int pid_count;
	uint64_t last_ns, cut_bytes;
	struct named_stack stacks[STACKS_MAX];
	unsigned int stack_count;
	char *words[WORDS_MAX]; /* NULL behind the last */
};

static void check(int result, const char *what)
{
	if (result)
		errx(1, "%s: %s", what, strerror(-result));
}

static const char *word(struct maker *m, unsigned int index)
{
	if (!m->words[index])
		errx(1, "too few words: %s ...", m->words[0]);
	return m->words[index];
}

static uint64_t number(struct maker *m, unsigned int index)
{
	char *end;
	uint64_t value = strtoull(word(m, index), &end, 0);

	if (*end)
		errx(1, "not a number: %s", m->words[index]);
	return value;
}

static uint8_t function(const char *name)
{
	static const char *const names[] = {
		[HF_FN_MALLOC] = "malloc",   [HF_FN_CALLOC] = "calloc", [HF_FN_REALLOC] = "realloc",
		[HF_FN_FREE] = "free",       [HF_FN_NEW] = "new",       [HF_FN_DELETE] = "delete",
		[HF_FN_MMAP] = "mmap",       [HF_FN_MREMAP] = "mremap", [HF_FN_MUNMAP] = "munmap",
		[HF_FN_ALIGNED] = "aligned",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i] && !strcmp(names[i], name))
			return i;
	}
	if (!strncmp(name, "custom", 6))
		return HF_FN_CUSTOM + atoi(name + 6);
	errx(1, "no such function: %s", name);
}

static void meta(struct maker *m, uint64_t stopped_ns, struct strbuf *ret)
{
	strbuf_addf(ret,
		    "{\"started_ns\":%llu,\"started_wall_ns\":%llu,\"stopped_ns\":%llu,"
		    "\"budget_percent\":2.0,\"follow\":true,\"way\":\"a golden text\","
		    "\"custom\":[%s],\"processes\":[%s]}",
		    START_NS, WALL_NS, (unsigned long long)stopped_ns, m->custom.buf,
		    m->processes.buf);
}

static void open_file(struct maker *m)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	if (m->open)
		return;
	meta(m, 0, &text);
	check(record_writer_open(m->writer, m->path, text.buf, text.len), m->path);
	m->open = true;
}

static void take_process(struct maker *m)
{
	look_book_init(&m->looked[m->pid_count].book);
	m->pids[m->pid_count++] = (int)number(m, 1);
	strbuf_addf(
		&m->processes,
		"%s{\"pid\":%d,\"parent\":1,\"comm\":\"%s\",\"exe\":\"/bin/%s\",\"probed\":true,"
		"\"opened_ns\":%llu,\"functions\":8,\"emulated\":8,\"attach_ns\":3000000,\"build_id\":\"00c0ffee\","
		"\"allocators\":[{\"name\":\"glibc malloc\",\"module\":\"/lib/libc.so.6\"}]}",
		m->processes.len ? "," : "", (int)number(m, 1), word(m, 2), word(m, 2), START_NS);
}

static void emit(struct maker *m, void *event, uint8_t kind, uint32_t size)
{
	struct hf_event *h = event;

	h->kind = kind;
	h->size_bytes = size;
	h->time_ns = m->last_ns;
	h->pid = number(m, 1);
	h->tid = number(m, 2);
	check(event_check(event, size), "event");
	check(record_writer_event(m->writer, h), "write");
}

static bool tentative(const struct maker *m, unsigned int index)
{
	return m->words[index] && !strcmp(m->words[index], "tentative");
}

static void take_alloc(struct maker *m)
{
	struct hf_event_alloc e = {.h.detail = function(word(m, 4)),
				   .address = number(m, 5),
				   .size = number(m, 6),
				   .stack = number(m, 7)};

	emit(m, &e, HF_EVENT_ALLOC, sizeof(e));
}

static void take_free(struct maker *m)
{
	struct hf_event_free e = {.h.detail = function(word(m, 4)),
				  .address = number(m, 5),
				  .flags = tentative(m, 6) ? HF_FREE_TENTATIVE : 0};

	emit(m, &e, HF_EVENT_FREE, sizeof(e));
}

static void take_undo(struct maker *m)
{
	struct hf_event_undo e = {.h.detail = function(word(m, 4)), .address = number(m, 5)};

	emit(m, &e, HF_EVENT_UNDO, sizeof(e));
}

static void take_map(struct maker *m)
{
	struct hf_event_map e = {.h.detail = function(word(m, 4)),
				 .address = number(m, 5),
				 .size = number(m, 6),
				 .stack = number(m, 7),
				 .fd = -1};

	emit(m, &e, HF_EVENT_MAP, sizeof(e));
}

static void take_unmap(struct maker *m)
{
	struct hf_event_unmap e = {.h.detail = function(word(m, 4)),
				   .address = number(m, 5),
				   .size = number(m, 6),
				   .flags = tentative(m, 7) ? HF_MAP_TENTATIVE : 0};

	emit(m, &e, HF_EVENT_UNMAP, sizeof(e));
}

/* "function@file:line" */
static struct report_frame frame_of(const char *text, uint64_t pc)
{
	struct report_frame frame = {
		.module = "/bin/golden", .build_id = "00c0ffee", .address = pc};
	char *function_name = strdup(text), *file = strchr(function_name, '@');
	char *line = file ? strchr(file, ':') : NULL;

	if (!line)
		errx(1, "no frame: %s", text);
	*file++ = *line++ = '\0';
	frame.function = function_name;
	frame.file = file;
	frame.line = atoi(line);
	return frame;
}

static void take_stack(struct maker *m)
{
	struct {
		struct hf_event_stack e;
		uint64_t pcs[FRAMES_MAX];
	} event = {.e.stack = number(m, 4)};
	struct named_stack *stack = &m->stacks[m->stack_count++];

	stack->id = event.e.stack;
	for (unsigned int i = 0; m->words[5 + i] && i < FRAMES_MAX; i++) {
		event.pcs[i] = stack->pcs[i] = (event.e.stack << 12) + 16 * i;
		stack->frames[i] = frame_of(m->words[5 + i], stack->pcs[i]);
		event.e.depth = stack->depth = i + 1;
	}
	emit(m, &event, HF_EVENT_STACK, sizeof(event.e) + event.e.depth * sizeof(uint64_t));
}

static void take_fork(struct maker *m)
{
	struct hf_event_fork e = {.child_pid = number(m, 4), .child_tid = number(m, 4)};

	emit(m, &e, HF_EVENT_FORK, sizeof(e));
}

static void take_exec(struct maker *m)
{
	struct hf_event_exec e = {0};

	emit(m, &e, HF_EVENT_EXEC, sizeof(e));
}

static void take_exit(struct maker *m)
{
	struct hf_event_exit e = {.h.detail = HF_EXIT_GROUP_DEAD};

	emit(m, &e, HF_EVENT_EXIT, sizeof(e));
}

static void take_loss(struct maker *m)
{
	struct hf_event_loss e = {0};

	e.loss.count[number(m, 4) % HF_LOSS_REASON_COUNT] = number(m, 5);
	emit(m, &e, HF_EVENT_LOSS, sizeof(e));
}

/* The index of the line's process. */
static uint32_t process(struct maker *m)
{
	for (unsigned int i = 0; i < m->pid_count; i++)
		if (m->pids[i] == (int)number(m, 1))
			return i;
	errx(1, "no such process: %s", m->words[1]);
}

static void sample(struct maker *m, uint64_t rss_bytes)
{
	struct {
		struct hf_record_samples head;
		struct hf_record_sample sample;
	} block = {{m->last_ns, 1, HF_RECORD_WINDOW_ENDS},
		   {.process = process(m),
		    .pid = number(m, 1),
		    .time_ns = m->last_ns,
		    .rss_bytes = rss_bytes}};

	check(record_writer_block(m->writer, HF_RECORD_SAMPLES, &block, sizeof(block)), "sample");
}

static void take_sample(struct maker *m)
{
	sample(m, number(m, 4));
}

static void take_grow(struct maker *m)
{
	struct hf_event_alloc e = {.h.detail = function(word(m, 4)), .stack = number(m, 7)};

	for (uint64_t i = 0; i < number(m, 8); i++) {
		e.size = number(m, 6);
		e.address = number(m, 5) + i * e.size;
		emit(m, &e, HF_EVENT_ALLOC, sizeof(e));
		sample(m, 16 * 1048576 + i * e.size);
		m->last_ns += number(m, 9) * 1000000;
	}
}

static uint32_t type_of(struct looked *looked, const char *name)
{
	struct heap_type type = {*name ? HEAP_CLASS : HEAP_DATA, name};

	for (uint32_t i = 0; i < looked->types.count; i++)
		if (!strcmp(looked->types.items[i].name, name))
			return i;
	type.name = strdup(name);
	check(vec_push(&looked->types, type), "types");
	return looked->types.count - 1;
}

/* "ADDRESS+SIZE*COUNT/WORD/WORD" */
static void add_missed(struct maker *m, struct looked *looked, const char *text)
{
	struct heap_lost lost = {.first_ns = m->last_ns};
	uint64_t count = 1;
	char *rest;

	lost.address = strtoull(text, &rest, 0);
	if (*rest == '+')
		lost.size_bytes = strtoull(rest + 1, &rest, 0);
	if (*rest == '*')
		count = strtoull(rest + 1, &rest, 0);
	if (!lost.address || !lost.size_bytes || (*rest && *rest != '/'))
		errx(1, "no block: %s", text);
	lost.type = type_of(looked, "");
	for (char *w = strtok(rest, "/"); w; w = strtok(NULL, "/")) {
		if (!strcmp(w, "indirect"))
			lost.indirect = true;
		else if (!strcmp(w, "held"))
			lost.held = true;
		else
			lost.type = type_of(looked, w);
	}
	for (; count--; lost.address += lost.size_bytes)
		check(vec_push(&looked->lost, lost), "blocks");
}

static int by_address(const void *a, const void *b)
{
	const struct heap_lost *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* As the scan does it: what was missed before is confirmed. @before: how many there were, in front. */
static void confirm(struct looked *looked, size_t before)
{
	for (size_t i = before; i < looked->lost.count; i++) {
		struct heap_lost *now = &looked->lost.items[i];
		const struct heap_lost *old =
			bsearch(now, looked->lost.items, before, sizeof(*now), by_address);

		if (!old)
			continue;
		now->first_ns = old->first_ns;
		now->confirmed = now->unchanged = true;
	}
	looked->lost.count -= before;
	memmove(looked->lost.items, looked->lost.items + before,
		looked->lost.count * sizeof(*looked->lost.items));
	if (looked->lost.count)
		qsort(looked->lost.items, looked->lost.count, sizeof(*looked->lost.items),
		      by_address);
}

static int put_look(void *user, const void *bytes, size_t size)
{
	return record_writer_block(user, HF_RECORD_LOOK, bytes, size);
}

#define GROUPS_MAX 16

/* Of what it has missed: by type and size. */
static size_t group_up(const struct looked *looked, struct heap_group *groups)
{
	size_t count = 0;

	for (size_t i = 0; i < looked->lost.count; i++) {
		const struct heap_lost *lost = &looked->lost.items[i];
		size_t k = 0;

		while (k < count &&
		       (groups[k].type != lost->type || groups[k].size_bytes != lost->size_bytes))
			k++;
		if (k == GROUPS_MAX)
			errx(1, "too many types");
		if (k == count)
			groups[count++] = (struct heap_group){
				.type = lost->type, .size_bytes = lost->size_bytes, .sample = ""};
		groups[k].count++;
		groups[k].bytes += lost->size_bytes;
		if (!lost->confirmed || lost->held)
			continue;
		groups[k].lost_count++;
		groups[k].lost_bytes += lost->size_bytes;
	}
	return count;
}

/* @before: losses of the look before, in front of those of this one. */
static void write_look(struct maker *m, size_t before, bool census)
{
	struct looked *looked = &m->looked[process(m)];
	const char *held_by[GROUPS_MAX] = {"", "a golden global"};
	struct heap_group groups[GROUPS_MAX];
	struct heap_snapshot snapshot = {
		.pid = (int)number(m, 1),
		.stopped = true,
		.complete = true,
		.reason = "",
		.time_ns = m->last_ns,
		.before_ns = looked->before_ns,
		.known_until_ns = looked->before_ns,
		.stop_ns = 2000000,
		.groups = groups,
	};
	struct look_told told = {.process = process(m),
				 .look = &looked->look,
				 .snapshot = &snapshot,
				 .taken = true,
				 .held_by = census ? held_by : NULL};

	confirm(looked, before);
	looked->look.looks++;
	looked->look.stop_ns_max = snapshot.stop_ns;
	snapshot.types = looked->types.items;
	snapshot.type_count = looked->types.count;
	snapshot.lost = looked->lost.items;
	snapshot.lost_total = looked->lost.count;
	snapshot.group_count = group_up(looked, groups);
	for (size_t i = 2; i < GROUPS_MAX; i++)
		held_by[i] = "";
	check(look_block_write(&looked->book, &told, put_look, m->writer), "look");
	looked->before_ns = m->last_ns;
}

static void take_looked(struct maker *m, bool census)
{
	struct looked *looked = &m->looked[process(m)];
	size_t before = looked->lost.count;

	for (unsigned int i = 4; m->words[i]; i++)
		add_missed(m, looked, m->words[i]);
	write_look(m, before, census);
}

static void take_look(struct maker *m)
{
	take_looked(m, false);
}

static void take_census(struct maker *m)
{
	take_looked(m, true);
}

static void take_lose(struct maker *m)
{
	struct hf_event_alloc e = {.h.detail = function(word(m, 4)), .stack = number(m, 7)};
	struct looked *looked = &m->looked[process(m)];

	e.size = number(m, 6);
	for (uint64_t i = 0; i < number(m, 8); i++) {
		size_t before = looked->lost.count;
		char block[64];

		e.address = number(m, 5) + i * e.size;
		emit(m, &e, HF_EVENT_ALLOC, sizeof(e));
		sample(m, 16 * 1048576 + i * e.size);
		snprintf(block, sizeof(block), "%s+%s*%llu", m->words[5], m->words[6],
			 (unsigned long long)i + 1);
		add_missed(m, looked, block);
		write_look(m, before, false);
		m->last_ns += number(m, 9) * 1000000;
	}
}

static void take_event(struct maker *m)
{
	static const struct {
		const char *name;
		void (*take)(struct maker *m);
	} kinds[] = {
		{"alloc", take_alloc}, {"free", take_free},     {"undo", take_undo},
		{"map", take_map},     {"unmap", take_unmap},   {"stack", take_stack},
		{"fork", take_fork},   {"exec", take_exec},     {"exit", take_exit},
		{"loss", take_loss},   {"sample", take_sample}, {"grow", take_grow},
		{"look", take_look},   {"census", take_census}, {"lose", take_lose},
	};

	open_file(m);
	m->last_ns = START_NS + number(m, 0) * 1000000;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].name, word(m, 3))) {
			kinds[i].take(m);
			return;
		}
	}
	errx(1, "no such event: %s", m->words[3]);
}

static void take_line(struct maker *m, char *line)
{
	unsigned int count = 0;
	char *rest;

	line[strcspn(line, "#\n")] = '\0';
	for (char *w = strtok_r(line, " \t", &rest); w && count < WORDS_MAX - 1;
	     w = strtok_r(NULL, " \t", &rest))
		m->words[count++] = w;
	m->words[count] = NULL;
	if (!count)
		return;
	if (!strcmp(m->words[0], "process"))
		take_process(m);
	else if (!strcmp(m->words[0], "custom"))
		strbuf_addf(&m->custom, "%s\"%s\"", m->custom.len ? "," : "", word(m, 1));
	else if (!strcmp(m->words[0], "cut"))
		m->cut_bytes = number(m, 1);
	else
		take_event(m);
}

static int resolve(void *user, const struct stack_trace *trace, unsigned int index,
		   struct report_frame *ret_frames, size_t *ret_count)
{
	const struct named_stack *stack = user;

	(void)trace;
	ret_frames[0] = stack->frames[index];
	*ret_count = 1;
	return 0;
}

static void finish(struct maker *m)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct name_writer names;
	struct stat status;

	open_file(m);
	meta(m, m->last_ns, &text);
	check(record_writer_block(m->writer, HF_RECORD_META, text.buf, text.len), "meta");
	name_writer_init(&names, resolve, NULL);
	for (unsigned int i = 0; i < m->stack_count; i++) {
		struct stack_trace trace = {.hash = m->stacks[i].id,
					    .depth = m->stacks[i].depth,
					    .pcs = m->stacks[i].pcs};

		names.user = &m->stacks[i];
		check(name_writer_add(&names, &trace, false), "names");
	}
	check(record_writer_block(m->writer, HF_RECORD_NAMES, names.block.buf, names.block.len),
	      "names");
	name_writer_done(&names);
	check(record_writer_close(m->writer), "close");
	if (m->cut_bytes &&
	    (stat(m->path, &status) || truncate(m->path, status.st_size - (off_t)m->cut_bytes)))
		err(1, "cut");
}

int main(int argc, char **argv)
{
	static struct maker maker = {.processes = STRBUF_INIT, .custom = STRBUF_INIT};
	char line[4096];
	FILE *file;

	if (argc != 3)
		errx(64, "usage: make_recording NAME.events OUT.hfrec");
	file = fopen(argv[1], "re");
	if (!file)
		err(66, "%s", argv[1]);
	maker.path = argv[2];
	check(record_writer_new(&maker.writer), "writer");
	while (fgets(line, sizeof(line), file))
		take_line(&maker, line);
	fclose(file);
	finish(&maker);
	record_writer_free(maker.writer);
	return 0;
}
