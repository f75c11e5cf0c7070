// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes at the places where a program itself tells of its blocks (USDT). */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

static struct hf_usdt_operand operand_of(const struct usdt_argument *a)
{
	return (struct hf_usdt_operand){
		.value = a->value,
		.kind = a->kind == USDT_MEMORY ? HF_USDT_MEMORY : HF_USDT_VALUE,
		.base = a->reg,
		.index = a->index,
		.scale = a->scale,
		.bytes = (uint8_t)(a->size < 0 ? -a->size : a->size),
		.is_signed = a->size < 0,
	};
}

/* The number of such a site, made known to the kernel side if it is new. -ENOSPC: too many. */
static int site_number(struct probe *probe, const struct hf_usdt_site *site, uint32_t *ret)
{
	uint32_t number = 0;
	int err;

	for (; number < probe->usdt_sites.count; number++) {
		if (!memcmp(&probe->usdt_sites.items[number], site, sizeof(*site))) {
			*ret = number;
			return 0;
		}
	}
	if (number == HF_MAX_USDT_SITES)
		return -ENOSPC;
	err = bpf_map_update_elem(probe->object.maps.usdt_sites, &number, site, BPF_ANY);
	if (!err)
		err = vec_push(&probe->usdt_sites, *site);
	if (!err)
		*ret = number;
	return err;
}

int usdt_offsets(const struct elf_file *elf, uint64_t address, uint64_t semaphore,
		 struct usdt_offsets *ret)
{
	int err = elf_file_address_to_offset(elf, address, &ret->place);

	ret->semaphore = 0;
	return err || !semaphore ? err
				 : elf_file_address_to_offset(elf, semaphore, &ret->semaphore);
}

int probe_list_add_usdt(struct probe_list *list, const struct usdt_offsets *offsets,
			uint64_t cookie)
{
	int err = vec_push(&list->offsets, offsets->place);

	if (!err)
		err = vec_push(&list->cookies, cookie);
	return err ? err : vec_push(&list->semaphores, offsets->semaphore);
}

static int add_place(struct probe *probe, const struct allocator_function *f,
		     struct probe_list *list)
{
	const struct elf_file *elf = f->module->elf;
	struct hf_usdt_site site = {
		.pointer = operand_of(&f->usdt.pointer),
		.size = operand_of(&f->usdt.size),
		.function = f->cookie.function,
		.op = f->cookie.op,
	};
	struct usdt_offsets offsets;
	uint32_t number;
	int err = usdt_offsets(elf, f->address, f->usdt.semaphore, &offsets);

	if (!err)
		err = site_number(probe, &site, &number);
	return err ? err : probe_list_add_usdt(list, &offsets, number);
}

/* Those of one module, from the @first one on. */
static int plan_module(struct probe *probe, const struct allocator_set *set, size_t first,
		       struct probe_list *list, struct probe_attached *attached)
{
	const struct module *module = set->functions[first].module;
	int err = 0;

	for (size_t i = first; err != -ENOMEM && i < set->function_count; i++) {
		const struct allocator_function *f = &set->functions[i];

		if (!f->usdt.used || f->module != module)
			continue;
		err = add_place(probe, f, list);
		attached->functions += !err;
		attached->emulated += !err; /* a nop */
		attached->skipped += err != 0;
		if (err)
			log_warn_err(err, "%s in %s can't be probed", f->name, module->path);
	}
	return err == -ENOMEM ? err : 0;
}

static bool is_first(const struct allocator_set *set, size_t index)
{
	for (size_t i = set->first_new; i < index; i++)
		if (set->functions[i].usdt.used &&
		    set->functions[i].module == set->functions[index].module)
			return false;
	return set->functions[index].usdt.used;
}

int usdts_attach(struct probe *probe, const struct allocator_set *set,
		 struct probed_process *process, struct probe_attached *attached)
{
	int err = 0, program = probe->object.programs.usdt_block;

	for (size_t i = set->first_new; !err && i < set->function_count; i++) {
		_cleanup_(probe_list_done) struct probe_list list = {.pid = process->pid};
		_cleanup_close_ int fd = -1;

		if (!is_first(set, i))
			continue;
		fd = list.path_fd = module_open(set->functions[i].module);
		err = fd < 0 ? fd : plan_module(probe, set, i, &list, attached);
		if (!err)
			err = links_attach_program(probe, program, HOOK_ENTRY, &list,
						   &process->entry_links);
	}
	return err;
}
