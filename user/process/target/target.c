// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/vec.h"

VEC_STRUCT(mapping_vec, struct target_mapping);

void target_free(struct target *target)
{
	if (!target)
		return;
	free(target->comm);
	free(target->exe);
	free(target->cmdline);
	free(target->container);
	free(target->mappings);
	free(target);
}

static bool is_code(const struct mapping *m)
{
	return m->prot & PROT_EXEC && (m->inode || !strcmp(m->path, "[vdso]"));
}

static int by_start(const void *a, const void *b)
{
	const struct target_mapping *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* The mapping of before that is still there unchanged. */
static struct target_mapping *find_live(struct target_mapping *items, size_t count,
					const struct target_mapping *wanted)
{
	for (size_t i = 0; i < count; i++) {
		if (items[i].until_ns == UINT64_MAX && items[i].start == wanted->start &&
		    items[i].end == wanted->end && items[i].module == wanted->module &&
		    items[i].bias == wanted->bias)
			return &items[i];
	}
	return NULL;
}

/* What is mapped now and can be named. */
static int read_code(struct target *target, struct module_set *modules, uint64_t now_ns,
		     struct mapping_vec *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	int err = maps_read(target->key.pid, &maps);

	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct mapping *m = &maps.items[i];
		struct target_mapping code = {.start = m->start, .end = m->end};
		struct module *module;

		if (!is_code(m))
			continue;
		err = module_set_get(modules, target->key.pid, m, &module);
		if (err)
			return err;
		code.module = module;
		code.from_ns = now_ns;
		code.until_ns = UINT64_MAX;
		if (module_bias(module, m->start, m->offset, &code.bias))
			code.bias = m->start - m->offset;
		err = vec_push(ret, code);
	}
	return err;
}

static void retire_gone(struct target *target, const struct mapping_vec *now, uint64_t now_ns,
			struct target_change *change)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *old = &target->mappings[i];

		if (old->until_ns != UINT64_MAX || find_live(now->items, now->count, old))
			continue;
		old->until_ns = now_ns;
		change->removed = true;
	}
}

int target_refresh(struct target *target, struct module_set *modules, uint64_t change_ns,
		   struct target_change *ret)
{
	struct mapping_vec now = VEC_INIT, all = VEC_INIT;
	struct target_change change = {false, false};
	int err = read_code(target, modules, change_ns, &now);

	if (!err) {
		retire_gone(target, &now, change_ns, &change);
		err = vec_append(&all, target->mappings, target->mapping_count);
	}
	for (size_t i = 0; !err && i < now.count; i++) {
		if (find_live(target->mappings, target->mapping_count, &now.items[i]))
			continue;
		change.added = true;
		err = vec_push(&all, now.items[i]);
	}
	vec_done(&now);
	if (err) {
		vec_done(&all);
		return err;
	}
	if (all.count)
		qsort(all.items, all.count, sizeof(*all.items), by_start);
	free(target->mappings);
	target->mappings = all.items;
	target->mapping_count = all.count;
	*ret = change;
	return 0;
}

static int append(struct target *target, const struct target_mapping *mapping)
{
	struct target_mapping *bigger =
		realloc(target->mappings, (target->mapping_count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	target->mappings = bigger;
	bigger[target->mapping_count++] = *mapping;
	qsort(bigger, target->mapping_count, sizeof(*bigger), by_start);
	return 0;
}

int target_note_code(struct target *target, const struct module_set *modules,
		     const struct target_code *code)
{
	struct target_mapping fresh = {.start = code->start,
				       .end = code->start + ((code->size_bytes + 4095) & ~4095ull),
				       .from_ns = code->time_ns,
				       .until_ns = UINT64_MAX};

	fresh.module =
		module_set_find(modules, code->inode, code->device_major, code->device_minor);
	if (!fresh.module || module_bias(fresh.module, fresh.start, code->offset, &fresh.bias))
		return -ENOENT;
	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *old = &target->mappings[i];

		if (old->end <= fresh.start || old->start >= fresh.end)
			continue;
		if (old->from_ns > code->time_ns) {
			/* A look at the maps was faster than the event. */
			if (old->module == fresh.module && old->bias == fresh.bias) {
				old->from_ns = code->time_ns;
				fresh.module = NULL;
			}
		} else if (old->until_ns > code->time_ns) {
			old->until_ns = code->time_ns;
		}
	}
	return fresh.module ? append(target, &fresh) : 0;
}

const struct target_mapping *target_find(const struct target *target, uint64_t pc, uint64_t time_ns)
{
	size_t low = 0, high = target->mapping_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (target->mappings[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	while (low--) {
		const struct target_mapping *m = &target->mappings[low];

		if (pc < m->end && m->from_ns <= time_ns && time_ns < m->until_ns)
			return m;
	}
	return NULL;
}

static void set_text(char **where, char *text)
{
	free(*where);
	*where = text;
}

/* The program itself: the module of the mapping that /proc/PID/exe names, else the first one with an entry. */
static void find_exe(struct target *target)
{
	target->exe_module = NULL;
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		if (m->until_ns != UINT64_MAX || m->module->vdso || !m->module->elf)
			continue;
		if (strcmp(m->module->path, target->exe) && target->exe[0])
			continue;
		target->exe_module = m->module;
		target->exe_bias = m->bias;
		return;
	}
}

int target_refresh_names(struct target *target)
{
	struct process_stat stat;
	char *text;
	int err = process_stat_read(target->key.pid, &stat);

	if (err)
		return err;
	target->parent_pid = stat.parent_pid;
	process_start_wall_ns(&stat, &target->start_wall_ns);
	set_text(&target->comm, strdup(stat.comm));
	set_text(&target->exe, process_exe(target->key.pid, &text) ? strdup("") : text);
	set_text(&target->cmdline, process_cmdline(target->key.pid, &text) ? strdup("") : text);
	set_text(&target->container, process_container(target->key.pid, &text) ? strdup("") : text);
	if (!target->comm || !target->exe || !target->cmdline || !target->container)
		return -ENOMEM;
	find_exe(target);
	return 0;
}

static int refuse_errno(int err, int pid, struct hf_error *error)
{
	if (err == -ESRCH || err == -ENOENT) {
		error_set(error, HF_E_NOPID, "there is no process %d", pid);
		error_why(error, "it has ended, or it lives in another PID namespace");
		return error_fix(error, "list processes with `holdfast ps`");
	}
	if (err == -EACCES || err == -EPERM) {
		error_set(error, HF_E_PERM, "process %d may not be looked at", pid);
		error_why(error, "%s", strerror(-err));
		return error_fix(error, "run as root: sudo holdfast ...");
	}
	return error_set_errno(error, HF_E_INTERNAL, -err, "process %d can't be read: %s", pid,
			       strerror(-err));
}

/* What cannot be traced, said before anything is tried. */
static int refuse_unsuitable(const struct process_stat *stat, const struct process_status *status,
			     struct hf_error *error)
{
	if (stat->kernel_thread) {
		error_set(error, HF_E_UNSUPPORTED, "process %d is a kernel thread", stat->key.pid);
		error_why(error, "it has no memory of its own");
		return error_fix(error, "name a user process; `holdfast ps` lists them");
	}
	if (stat->state == 'Z' || stat->state == 'X') {
		error_set(error, HF_E_NOPID, "process %d has ended", stat->key.pid);
		error_why(error, "it is a zombie: its parent %d has not waited for it",
			  stat->parent_pid);
		return error_fix(error, "list processes with `holdfast ps`");
	}
	if (status->tracer_pid && status->tracer_pid != getpid()) {
		error_set(error, HF_E_UNSUPPORTED, "process %d is already traced by process %d",
			  stat->key.pid, status->tracer_pid);
		error_why(error, "a debugger and holdfast would disturb each other");
		return error_fix(error, "end the tracer first");
	}
	return 0;
}

static int refuse_foreign(const struct target *target, struct hf_error *error)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;

		if (module->elf_error != -ENOTSUP)
			continue;
		error_set(error, HF_E_UNSUPPORTED, "process %d is not an x86-64 program",
			  target->key.pid);
		error_why(error, "%s is of another class or machine", module->path);
		return error_fix(error, "only 64-bit x86 processes can be traced");
	}
	return 0;
}

int target_new(struct module_set *modules, int pid, uint64_t now_ns, struct target **ret,
	       struct hf_error *error)
{
	_cleanup_(target_freep) struct target *target = calloc(1, sizeof(*target));
	struct target_change change;
	struct process_status status;
	struct process_stat stat;
	int err;

	if (!target)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	err = process_stat_read(pid, &stat);
	if (!err)
		err = process_status_read(pid, &status);
	if (err)
		return refuse_errno(err, pid, error);
	err = refuse_unsuitable(&stat, &status, error);
	if (err)
		return err;
	target->key = stat.key;
	target->started_ns = now_ns;
	target->seccomp_mode = status.seccomp_mode;
	err = target_refresh(target, modules, 0, &change); /* there since before anything we see */
	if (!err)
		err = target_refresh_names(target);
	if (err)
		return refuse_errno(err, pid, error);
	err = refuse_foreign(target, error);
	if (err)
		return err;
	*ret = no_free_ptr(target);
	return 0;
}
