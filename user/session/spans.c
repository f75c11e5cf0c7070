// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/spans.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/log.h"
#include "capture/probe/spans.h"
#include "process/code/jumps.h"
#include "process/proc/process.h"

#define FUNCTION_NAME_MAX 1024

/* "module:function"; a C++ name has "::", so only a single ':' divides. */
struct name {
	const char *function;
	size_t module_bytes; /* 0: any */
};

static struct name split(const char *enter)
{
	const char *colon = strchr(enter, ':');

	if (!colon || colon[1] == ':' || colon == enter)
		return (struct name){.function = enter};
	return (struct name){colon + 1, (size_t)(colon - enter)};
}

VEC_STRUCT(place_vec, struct probe_span_place);

static bool is_of(const struct module *module, const char *enter, struct name name)
{
	const char *file = report_basename(module->path);

	return !name.module_bytes ||
	       (strlen(file) == name.module_bytes && !memcmp(file, enter, name.module_bytes));
}

static void fill_parts(const struct elf_file *elf, const struct elf_symbol *symbol,
		       struct hf_span_place *place)
{
	struct code_part parts[HF_SPAN_PARTS];
	size_t count;

	if (!code_parts_find(elf, (struct code_part){symbol->address, symbol->size}, parts,
			     HF_SPAN_PARTS, &count))
		place->flags |= HF_SPAN_JUMPS;
	place->part_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		place->parts[i].from = (int64_t)(parts[i].address - symbol->address);
		place->parts[i].bytes = parts[i].bytes;
	}
}

static int add_place(const struct module *module, const char *function,
		     const struct hf_span_place *place, struct place_vec *places)
{
	struct probe_span_place fresh = {.place = *place};
	struct elf_symbol symbol;

	if (elf_file_find_symbol(module->elf, function, &symbol))
		return 0;
	fresh.address = symbol.address;
	fill_parts(module->elf, &symbol, &fresh.place);
	return vec_push(places, fresh);
}

/* What of a rule is in this module. The end first: a span that begins before its end is seen would last for ever. */
static int add_rule(const struct span_rule *rule, size_t number, const struct module *module,
		    struct place_vec *places)
{
	struct name enter = split(rule->enter);
	struct hf_span_place place = {
		.rule = (uint8_t)number,
		.op = HF_SPAN_LEAVE,
		.flags = (rule->is_number ? HF_SPAN_NUMBER : 0) | (rule->leave ? HF_SPAN_HELD : 0) |
			 (rule->argument ? 0 : HF_SPAN_KEYLESS),
	};
	int err = 0;

	if (rule->python || !is_of(module, rule->enter, enter))
		return 0;
	if (rule->leave)
		err = add_place(module, rule->leave, &place, places);
	place.op = HF_SPAN_ENTER;
	place.argument = rule->argument ? rule->argument - 1 : 0;
	return err ? err : add_place(module, enter.function, &place, places);
}

static void probe_module(struct session *session, struct member *member,
			 const struct module *module)
{
	const struct span_rules *rules = &session->options.spans;
	struct place_vec places = VEC_INIT;
	int err = 0;

	for (size_t i = 0; !err && i < rules->count && i < HF_MAX_SPAN_RULES; i++)
		err = add_rule(&rules->rules[i], i, module, &places);
	if (!err && places.count)
		err = probe_spans_attach(session->probe, member->target->key.pid, module,
					 places.items, places.count);
	if (err)
		log_warn_err(err, "spans of process %d are not seen in %s", member->target->key.pid,
			     module->path);
	else
		member->span_places += places.count;
	vec_done(&places);
}

void spans_update(struct session *session, struct member *member)
{
	const struct target *target = member->target;

	if (!session->options.spans.count)
		return;
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;
		bool known = false;

		for (size_t m = 0; !known && m < member->span_modules.count; m++)
			known = member->span_modules.items[m] == module;
		if (known || !module || !module->elf || module->vdso ||
		    target->mappings[i].until_ns != UINT64_MAX ||
		    vec_push(&member->span_modules, module))
			continue;
		probe_module(session, member, module);
	}
}

void spans_forget(struct session *session, struct member *member)
{
	if (member->span_modules.count)
		probe_spans_detach(session->probe, member->target->key.pid);
	vec_clear(&member->span_modules);
}

/* Python */

static bool is_main(int pid, const char *file)
{
	_cleanup_free_ char *line = NULL;

	return !process_cmdline(pid, &line) && strstr(line, report_basename(file));
}

static bool fits(const struct span_rule *rule, int pid, const struct python_code *code)
{
	struct name name = split(rule->enter);
	_cleanup_free_ char *module = strndup(rule->enter, name.module_bytes);

	if (!rule->python || !module || fnmatch(name.function, code->function, 0))
		return false;
	/* The script itself is no module by its file's name. */
	return !*module || component_python_module_fits(module, code->file) ||
	       (!strcmp(module, "__main__") && is_main(pid, code->file));
}

uint32_t spans_on_python(void *user, const struct python_seen *seen)
{
	const struct session *session = user;
	const struct span_rules *rules = &session->options.spans;
	struct hf_span_code found;
	uint32_t mask = 0;
	size_t count = 0;

	for (size_t i = 0; i < HF_SPAN_CODE_RULES; i++)
		found.by[i] = (typeof(found.by[i])){.rule = HF_SPAN_NO_RULE};
	for (size_t i = 0; i < rules->count && i < HF_MAX_SPAN_RULES && count < HF_SPAN_CODE_RULES;
	     i++) {
		struct python_variable variable = {.slot = HF_SPAN_NO_SLOT};

		if (!fits(&rules->rules[i], seen->pid, seen->code))
			continue;
		if (rules->rules[i].key &&
		    python_code_variable(seen->pid, seen->runtime, seen->address,
					 rules->rules[i].key, &variable)) {
			log_warn("span %s: %s has no parameter %s", rules->rules[i].name,
				 seen->code->function, rules->rules[i].key);
			continue;
		}
		found.by[count].slot = variable.slot;
		found.by[count].is_cell = variable.is_cell;
		found.by[count++].rule = (uint8_t)i;
		mask |= 1u << i;
	}
	if (count && probe_spans_add_code(session->probe, seen->mark->mark, &found))
		log_warn("spans of %s are not seen: there are too many functions",
			 seen->code->function);
	return mask;
}
