// SPDX-License-Identifier: GPL-2.0-or-later
/* From the functions of an allocator to probes: where to put each, and by which kind of link. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "process/code/placement.h"
#include "process/code/returns.h"

#define FUNCTION_DEFAULT_BYTES 256u /* where the symbol has no size */
#define FUNCTION_MAX_BYTES     4096u

void probe_plan_done(struct probe_plan *plan)
{
	for (int i = 0; i < LINK_KINDS; i++)
		probe_list_done(&plan->lists[i]);
}

static uint64_t cookie_word(struct hf_probe_cookie cookie)
{
	uint64_t word;

	memcpy(&word, &cookie, sizeof(word));
	return word;
}

static int add_place(struct probe_plan *plan, enum link_kind kind, uint64_t address,
		     struct hf_probe_cookie cookie)
{
	struct probe_list *list = &plan->lists[kind];
	uint64_t offset;
	int err = elf_file_address_to_offset(plan->module->elf, address, &offset);

	if (!err)
		err = vec_push(&list->offsets, offset);
	if (!err)
		err = vec_push(&list->cookies, cookie_word(cookie));
	return err;
}

static uint8_t argument_bits(struct hf_probe_cookie c)
{
	return (1u << c.size_arg | 1u << c.count_arg | 1u << c.pointer_arg | 1u << c.result_arg) &
	       0x3f;
}

/* The longest readable stretch of the function's code. */
static bool read_code(const struct allocator_function *f, struct placement_request *ret)
{
	size_t size = f->size ? f->size : FUNCTION_DEFAULT_BYTES;

	if (size > FUNCTION_MAX_BYTES)
		size = FUNCTION_MAX_BYTES;
	for (; size; size /= 2) {
		ret->code = elf_file_image(f->module->elf, f->address, size);
		if (ret->code)
			break;
	}
	ret->size = size;
	ret->address = f->address;
	ret->arguments = argument_bits(f->cookie);
	ret->stack_unchanged = f->cookie.op != HF_OP_FREE;
	return size > 0;
}

static const uint8_t *read_instruction(void *user, uint64_t address, size_t *ret_size)
{
	const struct elf_file *elf = user;
	const uint8_t *bytes = NULL;

	for (*ret_size = 15; *ret_size && !bytes; *ret_size -= !bytes)
		bytes = elf_file_image(elf, address, *ret_size);
	return bytes;
}

/* A module's own function first: nobody interposes an allocator's inside, and what a process's malloc is was
 * found out before. */
static bool follow_slot(void *user, uint64_t slot, uint64_t *ret_address)
{
	const struct elf_file *elf = user;
	struct elf_symbol symbol;

	if (elf_file_slot_symbol(elf, slot, &symbol) ||
	    (!symbol.defined && elf_file_find_symbol(elf, symbol.name, &symbol)))
		return false;
	*ret_address = symbol.address;
	return true;
}

static bool frame_begins(void *user, uint64_t address)
{
	return elf_file_frame_begins(user, address);
}

static bool has_place(const struct probe_plan *plan, enum link_kind kind, uint64_t address)
{
	uint64_t offset;

	if (elf_file_address_to_offset(plan->module->elf, address, &offset))
		return false;
	for (size_t i = 0; i < plan->lists[kind].offsets.count; i++) {
		if (plan->lists[kind].offsets.items[i] == offset)
			return true;
	}
	return false;
}

/* A function that may throw: entry, and each ret instruction by which it, or what it jumps on to, returns. */
static int plan_throwing(struct probe_plan *plan, const struct allocator_function *f,
			 uint64_t entry, struct hf_probe_cookie cookie, const char **ret_why)
{
	struct returns_code code = {read_instruction, follow_slot, frame_begins, f->module->elf};
	struct returns returns;
	int err = returns_find(&code, f->address, &returns);

	if (err == -ENOMEM)
		return err;
	if (err) {
		*ret_why = returns_error(err);
		return err;
	}
	cookie.flags |= HF_PROBE_RET_INSN;
	err = add_place(plan, LINK_ENTRY, entry, cookie);
	for (size_t i = 0; !err && i < returns.count; i++) {
		if (!has_place(plan, LINK_RET_INSN, returns.addresses[i]))
			err = add_place(plan, LINK_RET_INSN, returns.addresses[i], cookie);
	}
	return err;
}

/* Where a module has several functions that free, one may end in another. */
static struct hf_probe_cookie plan_cookie(const struct allocator_set *set,
					  const struct allocator_function *f)
{
	struct hf_probe_cookie cookie = f->cookie;
	size_t frees = 0;

	cookie.id = (uint8_t)(f - set->functions);
	for (size_t i = 0; i < set->function_count; i++)
		frees += set->functions[i].module == f->module &&
			 set->functions[i].cookie.op == HF_OP_FREE;
	/* operator delete ends in free, wherever that is. */
	if (cookie.op == HF_OP_FREE && (frees > 1 || cookie.function == HF_FN_DELETE))
		cookie.flags |= HF_PROBE_NESTS;
	return cookie;
}

/* What the kernel does at the place that most hits will be at. */
static void note_place(const struct allocator_function *f, const struct placement_request *code,
		       const struct placement *place, struct probe_attached *attached)
{
	static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	enum cost_place found = place->kind == PLACEMENT_STEPPED ? COST_STEPPED : COST_EMULATED;

	if (place->offset + sizeof(nop5) <= code->size &&
	    !memcmp(code->code + place->offset, nop5, sizeof(nop5)))
		found = COST_NOP5;
	if (f->cookie.function == HF_FN_MALLOC || f->cookie.function == HF_FN_CUSTOM)
		attached->call_place = found;
	else if (f->cookie.function == HF_FN_FREE)
		attached->free_place = found;
}

static int plan_function(struct probe_plan *plan, const struct allocator_set *set,
			 const struct allocator_function *f, struct probe_attached *attached)
{
	struct placement_request request;
	struct placement place = {0, PLACEMENT_STEPPED};
	struct hf_probe_cookie cookie = plan_cookie(set, f);
	const char *why = "its code leaves no place";
	int err = read_code(f, &request) ? placement_find(&request, &place) : -EINVAL;

	if (!err && f->may_throw)
		err = plan_throwing(plan, f, f->address + place.offset, cookie, &why);
	else if (!err)
		err = add_place(plan, f->cookie.op == HF_OP_FREE ? LINK_ENTRY : LINK_CALL,
				f->address + place.offset, cookie);
	if (err == -ENOMEM)
		return err;
	if (err) {
		log_warn("%s in %s can't be probed: %s", f->name, plan->module->path, why);
		attached->skipped++;
		return 0;
	}
	log_debug("probe %s+%u in %s, %s", f->name, place.offset, plan->module->path,
		  place.kind == PLACEMENT_EMULATED ? "emulated" : "single-stepped");
	note_place(f, &request, &place, attached);
	attached->functions++;
	attached->emulated += place.kind == PLACEMENT_EMULATED;
	return 0;
}

int probe_plan_make(struct probe_plan *plan, const struct allocator_set *set, size_t first,
		    struct probe_attached *attached)
{
	const struct module *module = set->functions[first].module;
	int err = 0;

	*plan = (struct probe_plan){.module = module};
	for (size_t i = first; !err && i < set->function_count; i++) {
		if (set->functions[i].module == module && !set->functions[i].usdt.used)
			err = plan_function(plan, set, &set->functions[i], attached);
	}
	return err;
}

bool probe_plan_has(const struct allocator_set *set, size_t first, size_t index)
{
	for (size_t i = first; i < index; i++) {
		if (set->functions[i].module == set->functions[index].module)
			return true;
	}
	return false;
}
