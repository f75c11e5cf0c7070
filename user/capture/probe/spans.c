// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/spans.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

/* The number by which the kernel side knows it: places of two processes of one program are the same. */
static int number_of(struct probe *probe, const struct hf_span_place *place, uint64_t *ret)
{
	uint32_t number = 0;
	int err;

	while (number < probe->span_places.count &&
	       memcmp(&probe->span_places.items[number], place, sizeof(*place)) != 0)
		number++;
	*ret = number;
	if (number < probe->span_places.count)
		return 0;
	if (number >= HF_MAX_SPAN_PLACES)
		return -ENOSPC;
	err = bpf_map_update_elem(probe->object.maps.span_places, &number, place, BPF_ANY);
	return err ? err : vec_push(&probe->span_places, *place);
}

int probe_spans_attach(struct probe *probe, int pid, const struct module *module,
		       const struct probe_span_place *places, size_t count)
{
	_cleanup_close_ int fd = module_open(module);
	struct probed_process *process = probe_find_process(probe, pid);
	_cleanup_(probe_list_done) struct probe_list list = {.path_fd = fd, .pid = pid};
	int err = fd < 0 ? fd : process ? 0 : -ESRCH;

	for (size_t i = 0; !err && i < count; i++) {
		uint64_t offset, number;

		err = elf_file_address_to_offset(module->elf, places[i].address, &offset);
		if (!err)
			err = vec_push(&list.offsets, offset);
		if (!err)
			err = number_of(probe, &places[i].place, &number);
		if (!err)
			err = vec_push(&list.cookies, number);
	}
	return err ? err
		   : links_attach_program(probe, probe->object.programs.span_border, HOOK_ENTRY,
					  &list, &process->span_links);
}

void probe_spans_detach(struct probe *probe, int pid)
{
	struct probed_process *process = probe_find_process(probe, pid);

	if (process)
		links_close(&process->span_links);
}

uint64_t probe_span_losses(const struct probe *probe)
{
	return probe->object.bss->span_losses;
}

int probe_spans_add_code(const struct probe *probe, uint64_t mark, const struct hf_span_code *code)
{
	int err = bpf_map_update_elem(probe->object.maps.span_codes, &mark, code, BPF_ANY);

	if (!err)
		__atomic_fetch_or(&probe->object.bss->span_code_filter, UINT64_C(1) << (mark & 63),
				  __ATOMIC_RELEASE);
	return err;
}
