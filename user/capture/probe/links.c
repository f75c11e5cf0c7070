// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BPF links. libbpf 1.1 knows no uprobe_multi, so BPF_LINK_CREATE is called with the kernel's layout
 * (include/uapi/linux/bpf.h, union bpf_attr, link_create). Its own way to a perf-event uprobe would keep the
 * event's descriptor open beside the link's: two a probe, and both to be closed before the probe is gone.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fileio.h"
#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "capture/probe/shield.h"
#include "holdfast.skel.h"

#define UPROBE_MULTI_RETURN 1u
#define SEMAPHORE_SHIFT     32 /* in the config of a perf event: format/ref_ctr_offset */

enum { TYPE_UPROBE_MULTI = 48, TYPE_UPROBE_SESSION = 57 };

struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, reserved[21];
};

/* A program to try with: r0 = 0; exit. */
static const struct bpf_insn nothing[] = {{.code = 0xb7}, {.code = 0x95}};

/*
 * Is uprobe_multi there, and does its pid mean all threads of the process? Until mid-2024 (6.10, and repairs of
 * 6.6 and 6.9) it meant one thread. Both are told by how a link to a directory is refused, as libbpf asks it:
 * EBADF for want of a file, EINVAL for a pid that those kernels did not check yet.
 */
bool links_have_multi(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)TYPE_UPROBE_MULTI);
	_cleanup_close_ int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "hf_try", "GPL", nothing,
						    sizeof(nothing) / sizeof(nothing[0]), &options);
	uint64_t offset = 0;
	struct link_create_uprobe_multi attr = {
		.prog_fd = program,
		.attach_type = TYPE_UPROBE_MULTI,
		.path = (uintptr_t) "/",
		.offsets = (uintptr_t)&offset,
		.count = 1,
	};

	if (program < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) >= 0 ||
	    errno != EBADF)
		return false;
	attr.pid = -1;
	return syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) < 0 && errno == EINVAL;
}

void probe_list_done(struct probe_list *list)
{
	vec_done(&list->offsets);
	vec_done(&list->cookies);
	vec_done(&list->semaphores);
}

static int attach_multi(int program, uint32_t type, uint32_t flags, const struct probe_list *list)
{
	struct link_create_uprobe_multi attr = {
		.prog_fd = program,
		.attach_type = type,
		.offsets = (uintptr_t)list->offsets.items,
		.cookies = (uintptr_t)list->cookies.items,
		.ref_ctr_offsets = (uintptr_t)list->semaphores.items,
		.count = list->offsets.count,
		.multi_flags = flags,
		.pid = list->pid,
	};
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", list->path_fd);
	attr.path = (uintptr_t)path;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

/* A refused place (a function that begins with a prefix the kernel rejects) must not cost all the others. */
static int attach_multi_each(int program, uint32_t type, uint32_t flags,
			     const struct probe_list *list, struct fd_vec *ret_links)
{
	int fd = attach_multi(program, type, flags, list), err = 0;

	if (fd >= 0)
		return vec_push(ret_links, fd);
	if (list->offsets.count == 1 || fd == -ESRCH || fd == -EPERM)
		return fd;
	for (size_t i = 0; i < list->offsets.count; i++) {
		struct probe_list one = *list;

		one.offsets.items += i;
		one.cookies.items += i;
		if (one.semaphores.items)
			one.semaphores.items += i;
		one.offsets.count = one.cookies.count = 1;
		fd = attach_multi(program, type, flags, &one);
		if (fd < 0)
			err = log_warn_err(fd, "no probe at file offset %#lx",
					   (long)one.offsets.items[0]);
		else if (vec_push(ret_links, fd))
			return -ENOMEM;
	}
	return ret_links->count ? 0 : err;
}

/* The kernel's own number for its uprobe events, or where in their config the bit for returns is. */
static int read_pmu(const char *file, const char *format, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	unsigned int number;
	size_t size;
	int err = file_read(file, 64, &text, &size);

	if (err)
		return err;
	if (sscanf(text, format, &number) != 1)
		return -EINVAL;
	*ret = number;
	return 0;
}

/* What is the same for every event. */
static int perf_attributes(bool on_return, const char *path, struct perf_event_attr *ret)
{
	uint64_t type = 0, bit = 0;
	int err = read_pmu("/sys/bus/event_source/devices/uprobe/type", "%u", &type);

	if (!err && on_return)
		err = read_pmu("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:%u",
			       &bit);
	if (err)
		return err;
	ret->size = sizeof(*ret);
	ret->type = type;
	ret->config = on_return ? 1ull << bit : 0;
	ret->uprobe_path = (uintptr_t)path;
	return 0;
}

/* One link; it holds the event, which needs no descriptor of its own. */
static int attach_perf_one(int program, struct perf_event_attr *attr, int pid, uint64_t cookie)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = cookie);
	_cleanup_close_ int event =
		syscall(SYS_perf_event_open, attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (event < 0)
		return -errno;
	return bpf_link_create(program, event, BPF_PERF_EVENT, &options);
}

static int attach_perf(int program, bool on_return, const struct probe_list *list,
		       struct fd_vec *ret_links)
{
	struct perf_event_attr attr = {0};
	uint64_t config;
	char path[32];
	int err, fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", list->path_fd);
	err = perf_attributes(on_return, path, &attr);
	if (err)
		return err;
	config = attr.config;
	for (size_t i = 0; i < list->offsets.count; i++) {
		attr.probe_offset = list->offsets.items[i];
		attr.config =
			config |
			(list->semaphores.count ? list->semaphores.items[i] << SEMAPHORE_SHIFT : 0);
		fd = attach_perf_one(program, &attr, list->pid, list->cookies.items[i]);
		if (fd == -ESRCH || fd == -EPERM || fd == -EACCES)
			return fd;
		if (fd < 0)
			err = log_warn_err(fd, "no probe at file offset %#lx",
					   (long)attr.probe_offset);
		else if (vec_push(ret_links, fd))
			return -ENOMEM;
	}
	return ret_links->count ? 0 : err;
}

/* One program at the places of a list. */
static int attach_one(int program, enum link_hook hook, bool perf, const struct probe_list *list,
		      struct fd_vec *ret_links)
{
	if (perf)
		return attach_perf(program, hook == HOOK_RETURN, list, ret_links);
	return attach_multi_each(program,
				 hook == HOOK_SESSION ? TYPE_UPROBE_SESSION : TYPE_UPROBE_MULTI,
				 hook == HOOK_RETURN ? UPROBE_MULTI_RETURN : 0, list, ret_links);
}

static int attach_call(struct probe *probe, const struct probe_list *list, struct fd_vec *ret_links)
{
	const struct probe_object *s = &probe->object;
	bool perf = probe->way == PROBE_WAY_PERF;
	int err;

	if (probe->way == PROBE_WAY_SESSION)
		return attach_one(s->programs.alloc_session, HOOK_SESSION, false, list, ret_links);
	/* The return first: a call whose return comes without its entry is counted, the other way round it
	 * would look like a call that never ended. */
	err = attach_one(s->programs.alloc_return, HOOK_RETURN, perf, list, ret_links);
	return err ? err : attach_one(s->programs.alloc_entry, HOOK_ENTRY, perf, list, ret_links);
}

/* In windows only: perf events have none. */
static int attach_birth(struct probe *probe, const struct probe_list *list,
			struct fd_vec *ret_links)
{
	const struct probe_object *s = &probe->object;

	if (probe->way == PROBE_WAY_SESSION)
		return attach_one(s->programs.birth_session, HOOK_SESSION, false, list, ret_links);
	return attach_one(s->programs.birth_return, HOOK_RETURN, false, list, ret_links);
}

int links_attach_bare(struct probe *probe, enum link_kind kind, const struct probe_list *list,
		      struct fd_vec *ret_links)
{
	int program;

	if (!list->offsets.count)
		return 0;
	if (kind == LINK_CALL)
		return attach_call(probe, list, ret_links);
	if (kind == LINK_BIRTH)
		return attach_birth(probe, list, ret_links);
	program = kind == LINK_ENTRY      ? probe->object.programs.alloc_entry
		  : kind == LINK_RET_INSN ? probe->object.programs.alloc_ret_insn
					  : probe->object.programs.call_site;
	return attach_one(program, HOOK_ENTRY, probe->way == PROBE_WAY_PERF, list, ret_links);
}

struct attach_work {
	struct probe *probe;
	enum link_kind kind;
	int program; /* -1: the product's, by kind */
	enum link_hook hook;
	const struct probe_list *list;
	struct fd_vec *ret_links;
	int err;
};

static void attach_shielded(void *argument)
{
	struct attach_work *work = argument;

	work->err =
		work->program < 0
			? links_attach_bare(work->probe, work->kind, work->list, work->ret_links)
			: attach_one(work->program, work->hook, work->probe->way == PROBE_WAY_PERF,
				     work->list, work->ret_links);
}

static int attach_in_shield(struct attach_work *work)
{
	struct shield shield;

	if (!work->list->offsets.count)
		return 0;
	shield_start(&shield, attach_shielded, work);
	shield_wait(&shield);
	return work->err;
}

int links_attach(struct probe *probe, enum link_kind kind, const struct probe_list *list,
		 struct fd_vec *ret_links)
{
	struct attach_work work = {
		.probe = probe, .kind = kind, .program = -1, .list = list, .ret_links = ret_links};

	return attach_in_shield(&work);
}

int links_attach_program(struct probe *probe, int program, enum link_hook hook,
			 const struct probe_list *list, struct fd_vec *ret_links)
{
	struct attach_work work = {.probe = probe,
				   .program = program,
				   .hook = hook,
				   .list = list,
				   .ret_links = ret_links};

	return attach_in_shield(&work);
}

static int attach_tracepoint(struct probe *probe, int program, const char *name,
			     struct fd_vec *links)
{
	int fd = bpf_raw_tracepoint_open(name, program);

	if (fd < 0) {
		log_debug_err(fd, "no tracepoint %s", name);
		strbuf_addf(&probe->missing, "%s%s", probe->missing.len ? ", " : "", name);
		return fd;
	}
	return vec_push(links, fd);
}

#define MAPPING_PROGRAMS 8

/* What returns is watched first: an entry without it would wait for ever. */
#define MAPPING_PROGRAM_LIST(of)                                                          \
	{                                                                                 \
		of.mmap_exit, of.munmap_exit, of.mremap_exit, of.brk_exit, of.mmap_enter, \
			of.munmap_enter, of.mremap_enter, of.brk_enter                    \
	}

void links_choose_mappings(struct holdfast_bpf *skeleton, bool tracepoints)
{
	struct bpf_program *const programs[MAPPING_PROGRAMS] =
		MAPPING_PROGRAM_LIST(skeleton->progs);

	for (int i = 0; i < MAPPING_PROGRAMS; i++)
		bpf_program__set_autoload(programs[i], !tracepoints);
	bpf_program__set_autoload(skeleton->progs.mapping_enter, tracepoints);
	bpf_program__set_autoload(skeleton->progs.mapping_exit, tracepoints);
}

bool links_have_fentry(void)
{
	int id = libbpf_find_vmlinux_btf_id("__x64_sys_mmap", BPF_TRACE_FENTRY);
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_btf_id = (uint32_t)id);
	_cleanup_close_ int program = -1, link = -1;

	if (id <= 0)
		return false;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "hf_try", "GPL", nothing,
				sizeof(nothing) / sizeof(nothing[0]), &options);
	if (program >= 0)
		link = bpf_raw_tracepoint_open(NULL, program);
	return link >= 0;
}

static void attach_mapping_functions(struct probe *probe)
{
	const int programs[MAPPING_PROGRAMS] = MAPPING_PROGRAM_LIST(probe->object.programs);
	struct fd_vec *links = &probe->extra[PROBE_MAPPINGS];
	int err = 0;

	for (int i = 0; !err && i < MAPPING_PROGRAMS; i++) {
		/* Without a name: to the function that it was loaded for. */
		int fd = bpf_raw_tracepoint_open(NULL, programs[i]);

		err = fd < 0 ? fd : vec_push(links, fd);
	}
	if (!err)
		return;
	log_debug_err(err, "mappings are not watched");
	links_close(links);
	strbuf_addf(&probe->missing, "%smappings", probe->missing.len ? ", " : "");
}

static void attach_mappings(struct probe *probe)
{
	const struct probe_object *s = &probe->object;
	struct fd_vec *links = &probe->extra[PROBE_MAPPINGS];

	if (!probe->traces_syscalls)
		attach_mapping_functions(probe);
	else if (!attach_tracepoint(probe, s->programs.mapping_exit, "sys_exit", links))
		attach_tracepoint(probe, s->programs.mapping_enter, "sys_enter", links);
}

/* Life is needed; mappings and faults are worth having. */
int links_attach_tracepoints(struct probe *probe)
{
	const struct probe_object *s = &probe->object;
	int err = attach_tracepoint(probe, s->programs.process_fork, "sched_process_fork",
				    &probe->tracepoints);

	if (!err)
		err = attach_tracepoint(probe, s->programs.process_exec, "sched_process_exec",
					&probe->tracepoints);
	if (!err)
		err = attach_tracepoint(probe, s->programs.process_exit, "sched_process_exit",
					&probe->tracepoints);
	if (err)
		return err;
	if (!probe->options.no_mappings)
		attach_mappings(probe);
	if (probe->options.faults)
		attach_tracepoint(probe, s->programs.page_fault, "page_fault_user",
				  &probe->extra[PROBE_FAULTS]);
	return 0;
}

static void close_one(void *argument)
{
	close((int)(intptr_t)argument);
}

void links_close(struct fd_vec *links)
{
	_cleanup_free_ struct shield *shields = calloc(links->count + 1, sizeof(*shields));

	for (size_t i = 0; i < links->count; i++) {
		if (shields)
			shield_start(&shields[i], close_one, (void *)(intptr_t)links->items[i]);
		else
			close(links->items[i]);
	}
	for (size_t i = 0; shields && i < links->count; i++)
		shield_wait(&shields[i]);
	vec_clear(links);
}
