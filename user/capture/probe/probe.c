// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "capture/probe/subject.h"
#include "holdfast.skel.h"

#define RING_DEFAULT_BYTES (16u << 20)
#define RING_MIN_BYTES     (64u << 10)
#define RING_MAX_BYTES     (1u << 30)
#define SMALL_PROCESSES    256

/* Attach types of uapi/linux/bpf.h newer than Debian 12's headers. */
enum { TYPE_UPROBE_MULTI = 48, TYPE_UPROBE_SESSION = 57 };

const char *probe_way_name(enum probe_way way)
{
	static const char *const names[] = {"uprobe_multi session", "uprobe_multi", "perf uprobe"};

	return names[way];
}

enum probe_way probe_way(const struct probe *probe)
{
	return probe->way;
}

const char *probe_missing(const struct probe *probe)
{
	return probe->missing.buf;
}

/* libbpf's words are for us, not for users. A program that is refused comes with the verifier's whole log. */
static int print_to_log(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	char *line, *rest;

	if (level == LIBBPF_DEBUG || !log_enabled(LOG_LEVEL_DEBUG) ||
	    strbuf_vaddf(&text, format, args))
		return 0;
	for (line = strtok_r(text.buf, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_debug("libbpf: %s", line);
	return 0;
}

void probe_log_libbpf(void)
{
	libbpf_set_print(print_to_log);
}

static uint64_t ring_bytes(uint64_t wanted)
{
	uint64_t bytes = RING_MIN_BYTES;

	if (!wanted)
		return RING_DEFAULT_BYTES;
	while (bytes < wanted && bytes < RING_MAX_BYTES)
		bytes *= 2;
	return bytes;
}

static void choose_programs(struct holdfast_bpf *skeleton, enum probe_way way)
{
	enum bpf_attach_type type = way == PROBE_WAY_PERF ? 0
							  : (enum bpf_attach_type)TYPE_UPROBE_MULTI;

	bpf_program__set_autoload(skeleton->progs.oom_victim, false); /* oom.c's */
	bpf_map__set_autocreate(skeleton->maps.oom_kills, false);
	bpf_program__set_autoload(skeleton->progs.alloc_session, way == PROBE_WAY_SESSION);
	bpf_program__set_autoload(skeleton->progs.alloc_return, way != PROBE_WAY_SESSION);
	bpf_program__set_autoload(skeleton->progs.birth_session, way == PROBE_WAY_SESSION);
	bpf_program__set_autoload(skeleton->progs.birth_return, way == PROBE_WAY_MULTI);
	bpf_program__set_expected_attach_type(skeleton->progs.birth_session,
					      (enum bpf_attach_type)TYPE_UPROBE_SESSION);
	bpf_program__set_expected_attach_type(skeleton->progs.birth_return, type);
	bpf_program__set_expected_attach_type(skeleton->progs.alloc_session,
					      (enum bpf_attach_type)TYPE_UPROBE_SESSION);
	bpf_program__set_expected_attach_type(skeleton->progs.alloc_entry, type);
	bpf_program__set_expected_attach_type(skeleton->progs.alloc_return, type);
	bpf_program__set_expected_attach_type(skeleton->progs.alloc_ret_insn, type);
	bpf_program__set_expected_attach_type(skeleton->progs.call_site, type);
	bpf_program__set_expected_attach_type(skeleton->progs.usdt_block, type);
	bpf_program__set_expected_attach_type(skeleton->progs.span_border, type);
	bpf_program__set_expected_attach_type(skeleton->progs.collection_begins, type);
	bpf_program__set_expected_attach_type(skeleton->progs.collection_ends, type);
}

/* Without rules there is neither code nor room for them. */
static void choose_spans(struct holdfast_bpf *skeleton, uint32_t rules)
{
	skeleton->rodata->span_rules = rules;
	bpf_program__set_autoload(skeleton->progs.span_border, rules);
	if (!rules)
		return;
	bpf_map__set_max_entries(skeleton->maps.span_keys, rules * HF_MAX_SPAN_KEYS);
	bpf_map__set_max_entries(skeleton->maps.span_places, HF_MAX_SPAN_PLACES);
	bpf_map__set_max_entries(skeleton->maps.span_codes, HF_MAX_SPAN_CODES);
	bpf_map__set_max_entries(skeleton->maps.spans_sent, HF_SPAN_SENT_SLOTS);
}

#define HITS_BYTES (HF_MAX_CALL_SITES * sizeof(uint64_t))

static int map_hits(const struct probe_object *object, uint64_t **ret)
{
	void *hits = mmap(NULL, HITS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			  object->maps.call_site_hits, 0);

	if (hits == MAP_FAILED)
		return -errno;
	*ret = hits;
	return 0;
}

/* What is not seen again in time in the smaller table is sent again. */
static void make_small(struct holdfast_bpf *skeleton)
{
	bpf_map__set_max_entries(skeleton->maps.processes, SMALL_PROCESSES);
	bpf_map__set_max_entries(skeleton->maps.spaces, 2 * SMALL_PROCESSES);
	bpf_map__set_max_entries(skeleton->maps.stacks_sent, HF_STACK_SEEN_SMALL);
	skeleton->rodata->stacks_sent_mask = HF_STACK_SEEN_SMALL - 1;
}

static int load_programs(struct probe *probe, enum probe_way way, bool tracepoints)
{
	struct holdfast_bpf *skeleton = holdfast_bpf__open();
	uint64_t bytes = ring_bytes(probe->options.ring_bytes);
	int err;

	if (!skeleton)
		return -errno;
	choose_programs(skeleton, way);
	links_choose_mappings(skeleton, tracepoints);
	bpf_map__set_max_entries(skeleton->maps.ring, bytes);
	choose_spans(skeleton, probe->options.span_rules);
	if (probe->options.small)
		make_small(skeleton);
	skeleton->rodata->wake_bytes = bytes / 8;
	skeleton->rodata->follow_children = probe->options.follow;
	skeleton->rodata->test_stop_every = probe->options.test_stop_every;
	err = holdfast_bpf__load(skeleton);
	if (!err)
		err = probe_object_take(&probe->object, skeleton);
	holdfast_bpf__destroy(skeleton);
	if (!err)
		err = map_hits(&probe->object, &probe->site_hits);
	if (err) {
		probe_object_done(&probe->object);
		return err;
	}
	probe->way = way;
	probe->traces_syscalls = tracepoints;
	return 0;
}

static int load_way(struct probe *probe, enum probe_way way, bool tracepoints)
{
	int err = load_programs(probe, way, tracepoints);

	if (!err || tracepoints)
		return err;
	log_debug_err(err, "mappings by tracepoints: their programs at functions are refused");
	return load_programs(probe, way, true);
}

static int refuse(int err, struct hf_error *error)
{
	if (err == -EPERM || (err == -EACCES && geteuid())) { /* root's EACCES is the verifier's */
		error_set(error, HF_E_PERM, "BPF programs may not be loaded");
		error_why(
			error, "%s",
			geteuid()
				? "holdfast does not run as root and has no CAP_BPF and CAP_PERFMON"
				: "the kernel or a security module refused it (lockdown, container?)");
		return error_fix(error,
				 "run it as root: sudo holdfast ...; `holdfast doctor` tells more");
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		error_set(error, HF_E_NOKERNEL, "this kernel carries no type information (BTF)");
		error_why(error, "/sys/kernel/btf/vmlinux can't be read");
		return error_fix(error,
				 "use a kernel built with CONFIG_DEBUG_INFO_BTF (Debian's are)");
	}
	error_set_errno(error, HF_E_NOKERNEL, -err, "the kernel refused holdfast's programs: %s",
			strerror(-err));
	return error_fix(error,
			 "see `holdfast doctor`, and --log-level debug for the kernel's words");
}

static int load(struct probe *probe, struct hf_error *error)
{
	enum probe_way way;
	bool tracepoints;
	int err = -ENOSYS;

	/* access() goes by the real user, and that one has no capability. */
	if (geteuid() && faccessat(AT_FDCWD, "/proc/1/map_files", R_OK, AT_EACCESS))
		return refuse(-EPERM, error);
	tracepoints = probe->options.test_tracepoints || !links_have_fentry();
	way = links_have_multi() ? probe->options.test_way : PROBE_WAY_PERF;
	for (; way <= PROBE_WAY_PERF; way++) {
		err = load_way(probe, way, tracepoints);
		if (!err || err == -EPERM)
			break;
		log_debug_err(err, "no %s here", probe_way_name(way));
	}
	return err ? refuse(err, error) : 0;
}

bool probe_needs_admin(void)
{
	return !links_have_multi();
}

int probe_new(const struct probe_options *options, struct probe **ret, struct hf_error *error)
{
	_cleanup_(probe_freep) struct probe *probe = calloc(1, sizeof(*probe));
	int err;

	if (!probe)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	probe_log_libbpf();
	strbuf_init(&probe->missing);
	probe->options = *options;
	probe->counting_fd = -1;
	probe_object_init(&probe->object);
	probe->seed = hash_seed_random();
	probe->cpu_count = libbpf_num_possible_cpus();
	err = unwind_rules_new(&probe->rules);
	if (err)
		return error_set_errno(error, HF_E_INTERNAL, -err, "out of memory");
	err = load(probe, error);
	probe->bare_syscall_ns = subject_syscall_ns();
	if (!err)
		err = links_attach_tracepoints(probe);
	if (err)
		return error_is_set(error) ? err : refuse(err, error);
	*ret = no_free_ptr(probe);
	return 0;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	probe_detach(probe, 0);
	if (probe->counting_fd >= 0)
		close(probe->counting_fd);
	for (size_t i = 0; i < probe->processes.count; i++) {
		vec_done(&probe->processes.items[i].call_links);
		vec_done(&probe->processes.items[i].entry_links);
		vec_done(&probe->processes.items[i].collection_links);
		vec_done(&probe->processes.items[i].span_links);
	}
	sites_forget(probe, 0);
	if (probe->site_hits)
		munmap(probe->site_hits, HITS_BYTES);
	vec_done(&probe->processes);
	tables_done(probe);
	vec_done(&probe->usdt_sites);
	vec_done(&probe->span_places);
	vec_done(&probe->tracepoints);
	for (int i = 0; i < PROBE_EXTRAS; i++)
		vec_done(&probe->extra[i]);
	unwind_rules_free(probe->rules);
	strbuf_done(&probe->missing);
	probe_object_done(&probe->object);
	free(probe);
}

struct probed_process *probe_find_process(struct probe *probe, int pid)
{
	for (size_t i = 0; i < probe->processes.count; i++) {
		if (probe->processes.items[i].pid == pid)
			return &probe->processes.items[i];
	}
	return NULL;
}

static uint64_t next_salt(struct probe *probe)
{
	probe->seed = hash_u64(probe->seed + 1, probe->seed);
	return probe->seed;
}

static int make_entry(struct probe *probe, int pid)
{
	struct hf_process entry = {
		.cache_salt = next_salt(probe),
		.stack_salt = next_salt(probe),
		.space = HF_SPACE_NONE,
	};
	uint32_t key = pid;
	int err = bpf_map_update_elem(probe->object.maps.processes, &key, &entry, BPF_NOEXIST);

	return err == -EEXIST ? 0 : err; /* a child's was made at the fork */
}

int probe_add_process(struct probe *probe, int pid, struct hf_error *error)
{
	struct probed_process fresh = {
		.pid = pid,
		.flags = probe->options.faults ? HF_PROCESS_FAULTS : 0,
	};
	int err = make_entry(probe, pid);

	if (!err && probe_find_process(probe, pid))
		return 0;
	if (!err)
		err = space_reserve(probe, &fresh.pair);
	if (!err)
		err = vec_push(&probe->processes, fresh);
	if (!err)
		return 0;
	return error_set_errno(error, HF_E_INTERNAL, -err, "process %d can't be recorded: %s", pid,
			       strerror(-err));
}

bool probe_records(const struct probe *probe, int pid)
{
	struct hf_process entry;
	uint32_t key = pid;

	return !bpf_map_lookup_elem(probe->object.maps.processes, &key, &entry);
}

int probe_set_python(struct probe *probe, int pid, const struct hf_python *python)
{
	uint32_t key = pid;
	int err = bpf_map_update_elem(probe->object.maps.pythons, &key, python, BPF_ANY);

	if (!err)
		probe->object.bss->pythons_known = true;
	return err;
}

uint32_t probe_code_changes(const struct probe *probe, int pid)
{
	struct hf_process entry = {0};
	uint32_t key = pid;

	bpf_map_lookup_elem(probe->object.maps.processes, &key, &entry);
	return entry.code_changes;
}

static int publish(struct probe *probe, struct probed_process *process, uint32_t changes,
		   uint64_t space)
{
	struct hf_publish request = {
		.space = space,
		.pid = process->pid,
		.flags = process->flags,
		.code_changes = changes,
		.new_stacks = process->code_removed,
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &request, .ctx_size_in = sizeof(request));
	int err = bpf_prog_test_run_opts(probe->object.programs.space_publish, &options);

	if (err)
		return err;
	if (options.retval)
		return options.retval == HF_PUBLISH_OLD ? -EAGAIN : -ESRCH;
	process->space = space;
	process->published = changes;
	process->code_added = process->code_removed = false;
	return 0;
}

int probe_update_process(struct probe *probe, const struct target *target,
			 const struct probe_code *code)
{
	struct probed_process *process = probe_find_process(probe, target->key.pid);
	uint64_t space;
	int err;

	if (!process)
		return -ESRCH;
	process->code_added |= code->found.added;
	process->code_removed |= code->found.removed;
	if (process->space != HF_SPACE_NONE && process->published == code->changes &&
	    !process->code_added && !process->code_removed)
		return 0;
	err = tables_load(probe, target);
	if (!err)
		err = space_load(probe, target, process, &space);
	if (!err)
		err = publish(probe, process, code->changes, space);
	return err ? err : tables_prepare(probe);
}

void probe_forget_process(struct probe *probe, int pid)
{
	struct probed_process *process = probe_find_process(probe, pid);
	uint32_t key = pid;

	if (!process)
		return;
	bpf_map_delete_elem(probe->object.maps.processes, &key);
	bpf_map_delete_elem(probe->object.maps.collection_times, &key);
	sites_forget(probe, pid);
	links_close(&process->call_links);
	links_close(&process->entry_links);
	links_close(&process->collection_links);
	links_close(&process->span_links);
	vec_done(&process->span_links);
	vec_done(&process->call_links);
	vec_done(&process->entry_links);
	vec_done(&process->collection_links);
	space_release(probe, process);
	vec_remove_unordered(&probe->processes, (size_t)(process - probe->processes.items));
}

static void take_links(struct fd_vec *links, struct fd_vec *all)
{
	if (vec_append(all, links->items, links->count))
		links_close(links);
	vec_clear(links);
}

void probe_detach(struct probe *probe, int pid)
{
	struct fd_vec call_links = VEC_INIT, entry_links = VEC_INIT;
	uint32_t key;

	if (!pid && probe->object.bss)
		probe->object.bss->gate_closed = true;
	sites_forget(probe, pid);
	for (size_t i = 0; i < probe->processes.count; i++) {
		struct probed_process *process = &probe->processes.items[i];

		if (pid && process->pid != pid)
			continue;
		take_links(&process->call_links, &call_links);
		take_links(&process->entry_links, &entry_links);
		if (!pid) {
			take_links(&process->collection_links, &entry_links);
			take_links(&process->span_links, &entry_links);
		}
	}
	/* Releases last: a block whose release nobody sees any more would look like one that is held. */
	links_close(&call_links);
	links_close(&entry_links);
	vec_done(&call_links);
	vec_done(&entry_links);
	if (pid)
		return;
	links_close(&probe->tracepoints);
	for (int i = 0; i < PROBE_EXTRAS; i++)
		links_close(&probe->extra[i]);
	for (size_t i = 0; i < probe->processes.count; i++) {
		key = probe->processes.items[i].pid;
		bpf_map_delete_elem(probe->object.maps.processes, &key);
	}
}

struct probe_extra_hits probe_extra_hits(const struct probe *probe, int pid)
{
	struct hf_process entry = {0};
	uint32_t key = (uint32_t)pid;

	bpf_map_lookup_elem(probe->object.maps.processes, &key, &entry);
	return (struct probe_extra_hits){entry.passing, entry.faults};
}

bool probe_drop_extra(struct probe *probe, enum probe_extra which)
{
	static const char *const names[] = {"mappings", "page faults"};

	if (!probe->extra[which].count)
		return false;
	links_close(&probe->extra[which]);
	strbuf_addf(&probe->missing, "%s%s (given up: too many for the budget)",
		    probe->missing.len ? ", " : "", names[which]);
	return true;
}

void probe_calls_over(struct probe *probe)
{
	probe->object.bss->window++;
}

int probe_ring_fd(const struct probe *probe)
{
	return probe->object.maps.ring;
}

int probe_losses(const struct probe *probe, struct hf_loss *ret)
{
	_cleanup_free_ struct hf_loss *per_cpu = NULL;
	struct hf_loss sum = {0};
	uint32_t key = 0;
	int err;

	if (probe->cpu_count <= 0)
		return -EINVAL;
	per_cpu = calloc(probe->cpu_count, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(probe->object.maps.losses, &key, per_cpu);
	if (err)
		return err;
	for (int cpu = 0; cpu < probe->cpu_count; cpu++) {
		for (int i = 0; i < HF_LOSS_REASON_COUNT; i++)
			sum.count[i] += per_cpu[cpu].count[i];
	}
	*ret = sum;
	return 0;
}
