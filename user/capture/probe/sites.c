// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/sites.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "capture/probe/probe_internal.h"
#include "holdfast.skel.h"

static bool is_used(const struct probe *probe, uint32_t index)
{
	return probe->sites_used[index / 64] >> index % 64 & 1;
}

static int take_index(struct probe *probe, uint32_t *ret)
{
	for (uint32_t n = 0; n < HF_MAX_CALL_SITES; n++) {
		/* The one freed last is taken last: events of it may still be on their way. */
		uint32_t index = (probe->site_next + n) % HF_MAX_CALL_SITES;

		if (is_used(probe, index))
			continue;
		probe->sites_used[index / 64] |= 1ull << index % 64;
		probe->site_next = index + 1;
		*ret = index;
		return 0;
	}
	return -ENOSPC;
}

static void give_index(struct probe *probe, uint32_t index)
{
	probe->sites_used[index / 64] &= ~(1ull << index % 64);
}

static void group_done(struct probe *probe, struct site_group *group)
{
	links_close(&group->links);
	for (size_t i = 0; i < group->indexes.count; i++)
		give_index(probe, group->indexes.items[i]);
	vec_done(&group->links);
	vec_done(&group->indexes);
}

static int tell_kernel(struct probe *probe, const struct probe_site *site)
{
	uint32_t key = site->index;

	probe->site_hits[key] = 0;
	return bpf_map_update_elem(probe->object.maps.call_sites, &key, &site->how, BPF_ANY);
}

static int add_place(struct probe_list *list, const struct module *module, uint64_t address,
		     uint64_t cookie)
{
	uint64_t offset;
	int err = elf_file_address_to_offset(module->elf, address, &offset);

	if (!err)
		err = vec_push(&list->offsets, offset);
	return err ? err : vec_push(&list->cookies, cookie);
}

static int attach_module(struct probe *probe, int pid, const struct probe_site *sites, size_t count,
			 struct site_group *group)
{
	_cleanup_(probe_list_done) struct probe_list list = {.pid = pid};
	const struct module *module = sites[0].module;
	_cleanup_close_ int fd = module_open(module);
	int err = fd < 0 ? fd : 0;

	list.path_fd = fd;
	for (size_t i = 0; !err && i < count; i++) {
		if (sites[i].module != module)
			continue;
		err = add_place(&list, module, sites[i].call, (uint64_t)sites[i].index << 1);
		if (!err && sites[i].result)
			err = add_place(&list, module, sites[i].result,
					(uint64_t)sites[i].index << 1 | 1);
	}
	return err ? err : links_attach(probe, LINK_CALL_SITE, &list, &group->links);
}

static bool is_first_of_module(const struct probe_site *sites, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (sites[i].module == sites[index].module)
			return false;
	}
	return true;
}

static int add_all(struct probe *probe, int pid, struct probe_site *sites, size_t count,
		   struct site_group *group)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		err = vec_reserve(&group->indexes, 1);
		if (!err)
			err = take_index(probe, &sites[i].index);
		if (err)
			break;
		err = vec_push(&group->indexes, sites[i].index);
		if (!err)
			err = tell_kernel(probe, &sites[i]);
	}
	for (size_t i = 0; !err && i < count; i++) {
		if (is_first_of_module(sites, i))
			err = attach_module(probe, pid, sites + i, count - i, group);
	}
	return err;
}

int probe_sites_add(struct probe *probe, int pid, struct probe_site *sites, size_t count,
		    uint32_t *ret_group)
{
	struct site_group group = {.pid = pid};
	int err;

	if (probe->way == PROBE_WAY_PERF)
		return -ENOTSUP;
	err = add_all(probe, pid, sites, count, &group);
	group.id = ++probe->group_serial;
	if (!err)
		err = vec_push(&probe->site_groups, group);
	if (err) {
		group_done(probe, &group);
		return err;
	}
	*ret_group = group.id;
	return 0;
}

void probe_sites_remove(struct probe *probe, uint32_t group)
{
	for (size_t i = 0; i < probe->site_groups.count; i++) {
		if (probe->site_groups.items[i].id != group)
			continue;
		group_done(probe, &probe->site_groups.items[i]);
		vec_remove_unordered(&probe->site_groups, i);
		return;
	}
}

/* All links at once: each takes the kernel as long. */
void sites_forget(struct probe *probe, int pid)
{
	struct fd_vec links = VEC_INIT;

	for (size_t i = 0; i < probe->site_groups.count; i++) {
		struct site_group *group = &probe->site_groups.items[i];

		if ((!pid || group->pid == pid) &&
		    !vec_append(&links, group->links.items, group->links.count))
			vec_clear(&group->links);
	}
	links_close(&links);
	vec_done(&links);
	for (size_t i = probe->site_groups.count; i--;) {
		if (pid && probe->site_groups.items[i].pid != pid)
			continue;
		group_done(probe, &probe->site_groups.items[i]);
		vec_remove_unordered(&probe->site_groups, i);
	}
	if (!pid)
		vec_done(&probe->site_groups);
}

uint64_t probe_site_hits(const struct probe *probe, uint32_t index)
{
	return ((volatile uint64_t *)probe->site_hits)[index];
}
