// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/memory_stream.h"
#include "base/cleanup.h"
#include "process/elf/elf_file.h"
#include "process/elf/unwind_table.h"
#include "process/proc/process.h"

#define HF_INLINE inline __attribute__((always_inline))

struct hf_unwind;
static inline int hf_unwind_fetch(const struct hf_unwind *u, void *dst, uint32_t size,
				  uint64_t address);

#include "core/unwind.h"

/* Longer walks are those of damaged stacks. */
#define FRAMES_MAX 4096

struct frame_module {
	uint64_t inode;
	uint32_t device_major, device_minor;
	struct elf_file *elf; /* NULL: it can't be read */
	struct unwind_table table;
};

struct frame_finder {
	int pid;
	const struct maps *maps;
	const struct stack_copies *copies;
	struct unwind_rules *rules;
	VEC(struct frame_module) modules;
};

struct walk {
	struct hf_unwind u;
	const struct stack_copy *copy;
};

static inline int hf_unwind_fetch(const struct hf_unwind *u, void *dst, uint32_t size,
				  uint64_t address)
{
	const struct stack_copy *copy =
		((const struct walk *)(const void *)((const char *)u - offsetof(struct walk, u)))
			->copy;
	uint64_t offset = address - copy->start;

	/* A window may reach past the copy's ends: what lies there is not read. */
	memset(dst, 0, size);
	if (offset >= copy->size_bytes)
		return 1;
	memcpy(dst, copy->bytes + offset,
	       size < copy->size_bytes - offset ? size : copy->size_bytes - offset);
	return 0;
}

/* From the window's first byte on: a walk's windows begin up to 63 bytes below what it wants. */
static uint64_t copy_start(uint64_t stack_pointer)
{
	return stack_pointer & ~63ULL;
}

static int take_copy(int pid, const struct stopped_thread *thread, const struct mapping *m,
		     struct stack_copies *ret)
{
	struct stack_copy copy = {
		.tid = thread->tid,
		.start = copy_start(thread->stack_pointer),
		.instruction_pointer = thread->instruction_pointer,
		.stack_pointer = thread->stack_pointer,
		.frame_pointer = thread->frame_pointer,
	};

	copy.start = copy.start > m->start ? copy.start : m->start;
	copy.size_bytes = m->end - copy.start;
	if (copy.size_bytes > STACK_COPY_BYTES)
		copy.size_bytes = STACK_COPY_BYTES;
	copy.bytes = malloc(copy.size_bytes);
	if (!copy.bytes)
		return -ENOMEM;
	if (!memory_read(pid, copy.start, copy.bytes, copy.size_bytes)) {
		free(copy.bytes);
		return 0;
	}
	if (vec_push(ret, copy) == 0)
		return 0;
	free(copy.bytes);
	return -ENOMEM;
}

int stack_copies_take(int pid, const struct stopped_process *stopped, const struct maps *maps,
		      struct stack_copies *ret)
{
	uint64_t bytes = 0;
	int err = 0;

	stack_copies_done(ret);
	for (size_t i = 0; !err && i < stopped->threads.count && bytes < STACK_COPIES_BYTES; i++) {
		const struct stopped_thread *thread = &stopped->threads.items[i];
		const struct mapping *m = maps_find(maps, thread->stack_pointer);

		if (m)
			err = take_copy(pid, thread, m, ret);
		if (ret->count)
			bytes += ret->items[ret->count - 1].size_bytes;
	}
	return err;
}

void stack_copies_done(struct stack_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		free(copies->items[i].bytes);
	vec_done(copies);
}

int frame_finder_new(int pid, const struct maps *maps, const struct stack_copies *copies,
		     struct frame_finder **ret)
{
	struct frame_finder *finder = calloc(1, sizeof(*finder));

	if (!finder || unwind_rules_new(&finder->rules)) {
		free(finder);
		return -ENOMEM;
	}
	finder->pid = pid;
	finder->maps = maps;
	finder->copies = copies;
	*ret = finder;
	return 0;
}

void frame_finder_free(struct frame_finder *finder)
{
	if (!finder)
		return;
	for (size_t i = 0; i < finder->modules.count; i++) {
		unwind_table_done(&finder->modules.items[i].table);
		elf_file_free(finder->modules.items[i].elf);
	}
	vec_done(&finder->modules);
	unwind_rules_free(finder->rules);
	free(finder);
}

/* The file's table is made once, and stays empty where there is none. */
static const struct frame_module *find_module(struct frame_finder *finder, const struct mapping *m)
{
	struct frame_module module = {.inode = m->inode,
				      .device_major = m->device_major,
				      .device_minor = m->device_minor};
	int fd;

	for (size_t i = 0; i < finder->modules.count; i++) {
		const struct frame_module *known = &finder->modules.items[i];

		if (known->inode == m->inode && known->device_major == m->device_major &&
		    known->device_minor == m->device_minor)
			return known;
	}
	fd = process_open_mapped(finder->pid, m->start, m->end);
	if (fd >= 0 && elf_file_open_fd(fd, &module.elf))
		module.elf = NULL;
	if (module.elf && unwind_table_init(&module.table, module.elf, finder->rules)) {
		elf_file_free(module.elf);
		module.elf = NULL;
	}
	if (vec_push(&finder->modules, module) == 0)
		return &finder->modules.items[finder->modules.count - 1];
	unwind_table_done(&module.table);
	elf_file_free(module.elf);
	return NULL;
}

static const struct hf_unwind_rule *find_rule(struct frame_finder *finder, uint64_t pc)
{
	const struct mapping *m = maps_find(finder->maps, pc);
	const struct frame_module *module =
		m && m->inode && m->prot & PROT_EXEC ? find_module(finder, m) : NULL;
	uint64_t linked;

	if (!module || !module->elf || elf_file_offset_to_address(module->elf, m->offset, &linked))
		return NULL;
	return unwind_rules_at(finder->rules,
			       unwind_table_find(&module->table, pc - m->start + linked));
}

uint64_t frame_finder_find(struct frame_finder *finder, int tid, uint64_t address)
{
	struct walk walk = {0};
	struct hf_unwind *u = &walk.u;

	for (size_t i = 0; !walk.copy && i < finder->copies->count; i++)
		if (finder->copies->items[i].tid == tid)
			walk.copy = &finder->copies->items[i];
	if (!walk.copy || address < walk.copy->stack_pointer)
		return 0;
	hf_unwind_begin(u, walk.copy->instruction_pointer, walk.copy->stack_pointer,
			walk.copy->frame_pointer, 0);
	for (unsigned int i = 0; i < FRAMES_MAX; i++) {
		const struct hf_unwind_rule *rule = find_rule(finder, hf_unwind_lookup_pc(u));
		uint64_t pc = u->pc + !u->is_return;
		/* What lies above the frame in which the walk ends is nobody's that is known. */
		bool over = !rule || rule->cfa_kind == HF_CFA_NONE || hf_unwind_by_rule(u, rule);

		if (over)
			return 0;
		if (address < u->sp)
			return pc;
	}
	return 0;
}
