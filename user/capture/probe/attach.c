// SPDX-License-Identifier: GPL-2.0-or-later
/* From the functions of an allocator to probes: where to put each, and by which kind of link. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/placement.h"
#include "capture/probe/probe_internal.h"
#include "capture/probe/returns.h"

#define FUNCTION_DEFAULT_BYTES 256u /* where the symbol has no size */
#define FUNCTION_MAX_BYTES     4096u

/* The probes of one module, by kind of link. */
struct plan {
	const struct module *module;
	struct probe_list lists[3]; /* by enum link_kind */
};

static void plan_done(struct plan *plan)
{
	for (int i = 0; i < 3; i++)
		probe_list_done(&plan->lists[i]);
}

static uint64_t cookie_word(struct hf_probe_cookie cookie)
{
	uint64_t word;

	memcpy(&word, &cookie, sizeof(word));
	return word;
}

static int add_place(struct plan *plan, enum link_kind kind, uint64_t address,
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

static bool has_place(const struct plan *plan, enum link_kind kind, uint64_t address)
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
static int plan_throwing(struct plan *plan, const struct allocator_function *f, uint64_t entry,
			 struct hf_probe_cookie cookie, const char **ret_why)
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
	if (cookie.op == HF_OP_FREE && frees > 1)
		cookie.flags |= HF_PROBE_NESTS;
	return cookie;
}

static int plan_function(struct plan *plan, const struct allocator_set *set,
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
	attached->functions++;
	attached->emulated += place.kind == PLACEMENT_EMULATED;
	return 0;
}

static int attach_module(struct probe *probe, struct plan *plan, struct probed_process *process)
{
	_cleanup_close_ int fd = module_open(plan->module);
	int err = fd < 0 ? fd : 0;

	/* Releases first: a block that is handed out before its release can be seen is still right, the
	 * reverse is an unmatched free. */
	for (int kind = LINK_ENTRY; !err && kind <= LINK_RET_INSN; kind++) {
		plan->lists[kind].path_fd = fd;
		plan->lists[kind].pid = process->pid;
		err = links_attach(probe, kind, &plan->lists[kind],
				   kind == LINK_ENTRY ? &process->entry_links
						      : &process->call_links);
	}
	return err;
}

static bool already_planned(const struct allocator_set *set, size_t index)
{
	for (size_t i = set->first_new; i < index; i++) {
		if (set->functions[i].module == set->functions[index].module)
			return true;
	}
	return false;
}

static int attach_all(struct probe *probe, const struct allocator_set *set,
		      struct probed_process *process, struct probe_attached *attached)
{
	int err = 0;

	for (size_t i = set->first_new; !err && i < set->function_count; i++) {
		_cleanup_(plan_done) struct plan plan = {.module = set->functions[i].module};

		if (already_planned(set, i))
			continue;
		for (size_t f = i; !err && f < set->function_count; f++) {
			if (set->functions[f].module == plan.module)
				err = plan_function(&plan, set, &set->functions[f], attached);
		}
		if (!err)
			err = attach_module(probe, &plan, process);
	}
	return err;
}

static int refuse_attach(int err, int pid, struct hf_error *error)
{
	if (err == -ESRCH) {
		error_set(error, HF_E_NOPID, "process %d ended while it was attached to", pid);
		return error_fix(error, "list processes with `holdfast ps`");
	}
	if (err == -EPERM || err == -EACCES) {
		error_set(error, HF_E_PERM, "process %d may not be probed", pid);
		error_why(error,
			  "uprobes need CAP_BPF and CAP_PERFMON, before kernel 6.6 CAP_SYS_ADMIN");
		return error_fix(error, "run as root: sudo holdfast ...");
	}
	return error_set_errno(error, HF_E_NOKERNEL, -err, "process %d can't be probed: %s", pid,
			       strerror(-err));
}

/* All but the first @kept. */
static void close_newer(struct fd_vec *links, size_t kept)
{
	struct fd_vec newer = VEC_INIT;

	if (links->count <= kept || vec_append(&newer, links->items + kept, links->count - kept))
		return;
	links->count = kept;
	links_close(&newer);
	vec_done(&newer);
}

int probe_attach(struct probe *probe, const struct target *target, const struct allocator_set *set,
		 struct probe_attached *ret, struct hf_error *error)
{
	struct probed_process *process = probe_find_process(probe, target->key.pid);
	struct probe_attached attached = {0};
	size_t calls, entries;
	uint64_t began_ns;
	int err;

	if (!process)
		return error_set_errno(error, HF_E_INTERNAL, ESRCH, "process %d was not added",
				       target->key.pid);
	if (target->seccomp_mode && probe_selftest_seccomp(probe) == -ENOTSUP) {
		error_set(error, HF_E_UNSUPPORTED,
			  "process %d has a seccomp filter and would be killed", target->key.pid);
		error_why(error, "this kernel lets the filter see the return probe's system call");
		return error_fix(
			error,
			"use a kernel from 6.13.4 or with that fix; `holdfast scan` needs no probe");
	}
	began_ns = clock_now_ns();
	calls = process->call_links.count;
	entries = process->entry_links.count;
	err = attach_all(probe, set, process, &attached);
	if (!err && process->entry_links.count == entries && process->call_links.count == calls)
		err = -EINVAL;
	if (err) {
		close_newer(&process->call_links, calls);
		close_newer(&process->entry_links, entries);
		return refuse_attach(err, target->key.pid, error);
	}
	attached.attach_ns = clock_now_ns() - began_ns;
	*ret = attached;
	return 0;
}
