// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/stack/python_words.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "process/symbol/symbolizer.h"

#define BUILD_ID_TEXT_BYTES (2 * BUILD_ID_MAX_BYTES + 1)

/* A module as the symbolizer knows it. */
struct known_module {
	const struct module *module;
	uint32_t number; /* the symbolizer's */
	char build_id[BUILD_ID_TEXT_BYTES];
};

struct resolver {
	const struct name_table *names; /* of a recording: nothing else is asked then */
	const struct python_names *python;
	struct symbolizer *symbolizer;
	VEC(const struct target *) targets;
	VEC(struct known_module *) modules;
	struct map64 by_module; /* struct module * (| missed) -> struct known_module * */
	bool leaf_is_pc;
	/* The answer given last: stacks of one time come together. */
	struct era {
		uint64_t from_ns, until_ns;
		uint32_t pid;
	} era;
};

int resolver_new(const struct name_table *names, struct resolver **ret)
{
	_cleanup_(resolver_freep) struct resolver *resolver = calloc(1, sizeof(*resolver));
	int err;

	if (!resolver)
		return -ENOMEM;
	resolver->names = names;
	map64_init(&resolver->by_module, hash_seed_random());
	err = symbolizer_new(&resolver->symbolizer);
	if (err)
		return err;
	*ret = no_free_ptr(resolver);
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	for (size_t i = 0; i < resolver->modules.count; i++)
		free(resolver->modules.items[i]);
	vec_done(&resolver->modules);
	vec_done(&resolver->targets);
	map64_done(&resolver->by_module);
	symbolizer_free(resolver->symbolizer);
	free(resolver);
}

void resolver_release(const struct resolver *resolver)
{
	symbolizer_release(resolver->symbolizer);
}

void resolver_set_python(struct resolver *resolver, const struct python_names *names)
{
	resolver->python = names;
}

void resolver_set_leaf_is_pc(struct resolver *resolver, bool leaf_is_pc)
{
	resolver->leaf_is_pc = leaf_is_pc;
}

static void narrow(struct era *era, uint64_t change_ns, uint64_t time_ns)
{
	if (change_ns <= time_ns && change_ns > era->from_ns)
		era->from_ns = change_ns;
	if (change_ns > time_ns && change_ns < era->until_ns)
		era->until_ns = change_ns;
}

/* The time around @time_ns in which no code of @pid came or went. */
static struct era find_era(const struct resolver *resolver, uint32_t pid, uint64_t time_ns)
{
	struct era era = {0, UINT64_MAX, pid};

	for (size_t i = 0; i < resolver->targets.count; i++) {
		const struct target *target = resolver->targets.items[i];

		for (size_t m = 0; target->key.pid == (int)pid && m < target->mapping_count; m++) {
			narrow(&era, target->mappings[m].from_ns, time_ns);
			narrow(&era, target->mappings[m].until_ns, time_ns);
		}
	}
	return era;
}

void resolver_refresh(struct resolver *resolver)
{
	resolver->era = (struct era){0};
}

uint64_t resolver_era(void *user, const struct stack_trace *trace)
{
	struct resolver *resolver = user;
	const struct era *era = &resolver->era;
	uint64_t time_ns = trace->first_seen_ns;

	if (resolver->names)
		return REPORT_NO_ERA; /* a recording has its names by stack */
	if (era->pid != trace->pid || time_ns < era->from_ns || time_ns >= era->until_ns)
		resolver->era = find_era(resolver, trace->pid, time_ns);
	/* A page fault's first frame is looked up otherwise than a caller. */
	return era->from_ns << 1 | resolver->leaf_is_pc;
}

uint64_t resolver_look_up_ns(const struct resolver *resolver)
{
	struct symbolizer_counts counts;

	symbolizer_counts(resolver->symbolizer, &counts);
	return counts.look_up_ns;
}

int resolver_add_target(struct resolver *resolver, const struct target *target)
{
	int pid = target->key.pid, inner = pid;

	/* A recording's pid may be anybody's here. */
	if (resolver->names)
		return vec_push(&resolver->targets, target);
	process_namespace_pid(pid, &inner);
	/* Most processes have none; one that has ended has none any more. */
	symbolizer_load_perf_map(resolver->symbolizer, pid, inner, process_open_file);
	return vec_push(&resolver->targets, target);
}

/* Of a recording: only the very same file has its names. Whatever the path names, it is not waited for. */
static struct elf_file *open_recorded(const struct module *module, const char *build_id)
{
	char found[BUILD_ID_TEXT_BYTES] = "";
	struct elf_file *elf;
	int fd = module->path[0] == '/' && *build_id
			 ? open(module->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
			 : -1;

	if (fd < 0 || elf_file_open_fd(fd, &elf))
		return NULL;
	build_id_format(elf_file_build_id(elf), found);
	if (!strcmp(found, build_id))
		return elf;
	elf_file_free(elf);
	return NULL;
}

static struct elf_file *open_live(const struct module *module)
{
	struct elf_file *elf;
	int fd = module_open(module);

	return fd < 0 || elf_file_open_fd(fd, &elf) ? NULL : elf;
}

/* Registers the module on first use: a session meets many more than its stacks do. */
static struct known_module *known(struct resolver *resolver, const struct target *target,
				  const struct module *module)
{
	struct symbol_module_options options = {.path = module->path};
	struct known_module *fresh;
	struct elf_file *elf;
	uint64_t found, key;

	/* Known as missed, it may have been opened since: that is another entry. */
	key = (uintptr_t)module | module->missed;
	if (map64_get(&resolver->by_module, key, &found))
		return (struct known_module *)(uintptr_t)found;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return NULL;
	fresh->module = module;
	if (resolver->names) {
		const struct recorded_module *recorded = (const struct recorded_module *)module;

		snprintf(fresh->build_id, sizeof(fresh->build_id), "%s", recorded->build_id);
		elf = open_recorded(module, recorded->build_id);
	} else {
		if (module->elf)
			build_id_format(elf_file_build_id(module->elf), fresh->build_id);
		elf = open_live(module);
		options.root_pid = target->key.pid;
		options.open_in_target = process_open_file;
	}
	if (symbolizer_add_module(resolver->symbolizer, elf, &options, &fresh->number) ||
	    vec_push(&resolver->modules, fresh)) {
		free(fresh);
		return NULL;
	}
	map64_put(&resolver->by_module, key, (uintptr_t)fresh);
	return fresh;
}

/* Where a pc of a trace lies. Return addresses point behind the call: the call itself is looked up. */
struct place {
	const struct target *target;
	const struct target_mapping *mapping; /* NULL: generated code, or unknown */
	uint64_t pc;
};

static struct place find_place(const struct resolver *resolver, const struct stack_trace *trace,
			       unsigned int index)
{
	struct place place = {.pc = trace->pcs[index] - (index || !resolver->leaf_is_pc)};

	for (size_t i = resolver->targets.count; i--;) {
		const struct target *target = resolver->targets.items[i];

		if (target->key.pid != (int)trace->pid)
			continue;
		if (!place.target)
			place.target = target;
		place.mapping = target_find(target, place.pc, trace->first_seen_ns);
		if (place.mapping) {
			place.target = target;
			break;
		}
	}
	return place;
}

static enum frame_kind kind_of(enum symbol_kind kind)
{
	static const enum frame_kind kinds[] = {
		[SYMBOL_NATIVE] = FRAME_NATIVE, [SYMBOL_INLINED] = FRAME_INLINED,
		[SYMBOL_KERNEL] = FRAME_KERNEL, [SYMBOL_JIT] = FRAME_JIT,
		[SYMBOL_PYTHON] = FRAME_PYTHON, [SYMBOL_UNKNOWN] = FRAME_UNKNOWN,
	};

	return kinds[kind];
}

static void fill_frame(const struct symbol_frame *symbol, struct report_frame *ret)
{
	ret->function = symbol->function;
	ret->file = symbol->file;
	ret->line = symbol->line;
	ret->kind = kind_of(symbol->kind);
}

static int frames_without_module(struct resolver *resolver, int pid, uint64_t pc,
				 struct report_frame *ret_frames, size_t *ret_count)
{
	struct symbol_frame symbol = {.function = "", .file = "", .kind = SYMBOL_UNKNOWN};
	int found = symbolizer_resolve_jit(resolver->symbolizer, pid, pc, &symbol);

	ret_frames[0] = (struct report_frame){
		.module = found ? "" : "[jit]", .build_id = "", .address = pc};
	fill_frame(&symbol, &ret_frames[0]);
	*ret_count = 1;
	return 0;
}

static void python_frame(const struct resolver *resolver, const struct stack_trace *trace,
			 uint64_t word, struct report_frame *ret)
{
	const struct python_code *code =
		resolver->python ? python_names_find(resolver->python, trace, word) : NULL;

	*ret = (struct report_frame){
		.function = code ? code->function : "",
		.file = code ? code->file : "",
		.line = code ? python_code_line(code, hf_python_unit(word)) : 0,
		.module = "",
		.build_id = "",
		/* Two objects may have the same names and lines: a function that is made anew at each call. */
		.address = code ? 0 : hf_python_code(word),
		.kind = FRAME_PYTHON,
	};
}

int resolver_frames(void *user, const struct stack_trace *trace, unsigned int index,
		    struct report_frame *ret_frames, size_t *ret_count)
{
	struct resolver *resolver = user;
	struct place place;
	const struct symbol_frame *symbols;
	struct known_module *module;
	uint64_t address;
	size_t count;
	int err;

	if (resolver->names) {
		*ret_count = name_table_frames(resolver->names, trace, index, resolver->leaf_is_pc,
					       ret_frames);
		if (*ret_count)
			return 0;
	}
	if (stack_word_is_python(trace->pcs[index])) {
		python_frame(resolver, trace, trace->pcs[index], ret_frames);
		*ret_count = 1;
		return 0;
	}
	place = find_place(resolver, trace, index);
	if (!place.mapping)
		return frames_without_module(resolver, (int)trace->pid, place.pc, ret_frames,
					     ret_count);
	module = known(resolver, place.target, place.mapping->module);
	if (!module)
		return -ENOMEM;
	address = place.pc - place.mapping->bias;
	err = symbolizer_resolve(resolver->symbolizer, module->number, address, &symbols, &count);
	if (err)
		return err;
	if (count > REPORT_MAX_INLINED)
		count = REPORT_MAX_INLINED;
	for (size_t i = 0; i < count; i++) {
		ret_frames[i] = (struct report_frame){
			.module = place.mapping->module->path,
			.build_id = module->build_id,
			.address = address,
		};
		fill_frame(&symbols[i], &ret_frames[i]);
	}
	*ret_count = count;
	return 0;
}

const char *resolver_function(struct resolver *resolver, const struct stack_trace *trace,
			      unsigned int index)
{
	struct report_frame frames[REPORT_MAX_INLINED];
	size_t count;

	if (resolver_frames(resolver, trace, index, frames, &count) || !count)
		return "";
	return frames[count - 1].function;
}
