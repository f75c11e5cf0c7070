// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/collections.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

struct request {
	struct probe *probe;
	struct probed_process *process;
	const struct module *module;
	int fd;
};

static int attach_places(const struct request *request, int program,
			 const struct usdt_probe *places, size_t count)
{
	_cleanup_(probe_list_done) struct probe_list list = {.path_fd = request->fd,
							     .pid = request->process->pid};
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct usdt_offsets offsets;

		err = usdt_offsets(request->module->elf, places[i].address, places[i].semaphore,
				   &offsets);
		if (!err)
			err = probe_list_add_usdt(&list, &offsets, 0);
	}
	return err ? err
		   : links_attach_program(request->probe, program, HOOK_ENTRY, &list,
					  &request->process->collection_links);
}

int probe_collections_attach(struct probe *probe, int pid,
			     const struct probe_collection_places *places)
{
	_cleanup_close_ int fd = module_open(places->module);
	const struct probe_object *s = &probe->object;
	struct hf_collections none = {0};
	struct request request = {probe, probe_find_process(probe, pid), places->module, fd};
	uint32_t key = (uint32_t)pid;
	int err;

	if (fd < 0 || !request.process)
		return fd < 0 ? fd : -ESRCH;
	links_close(&request.process->collection_links);
	err = bpf_map_update_elem(s->maps.collection_times, &key, &none, BPF_ANY);
	if (!err)
		err = attach_places(&request, s->programs.collection_ends, places->ends,
				    places->end_count);
	return err ? err
		   : attach_places(&request, s->programs.collection_begins, places->begins,
				   places->begin_count);
}

void probe_collections_detach(struct probe *probe, int pid)
{
	struct probed_process *process = probe_find_process(probe, pid);

	if (process)
		links_close(&process->collection_links);
}

bool probe_collections_read(const struct probe *probe, int pid, struct hf_collections *ret)
{
	uint32_t key = (uint32_t)pid;

	return !bpf_map_lookup_elem(probe->object.maps.collection_times, &key, ret);
}
