// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/vec.h"

#define MAPPINGS_MAX 8192 /* those that are gone are kept up to this many */

VEC_STRUCT(mapping_vec, struct target_mapping);

void target_free(struct target *target)
{
	if (!target)
		return;
	free(target->comm);
	free(target->exe);
	free(target->cmdline);
	free(target->container);
	free(target->cgroup);
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

static void set_bias(struct target_mapping *m)
{
	if (module_bias(m->module, m->start, m->offset, &m->bias))
		m->bias = m->start - m->offset;
}

/* What is mapped now and can be named. */
static int read_code(struct target *target, struct module_set *modules, struct mapping_vec *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	int err = maps_read(target->key.pid, &maps);

	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct mapping *m = &maps.items[i];
		struct target_mapping code = {.start = m->start,
					      .end = m->end,
					      .offset = m->offset,
					      .from_ns = target->looked_ns,
					      .until_ns = UINT64_MAX,
					      .guessed = true};
		struct module *module;

		if (!is_code(m))
			continue;
		err = module_set_get(modules, target->key.pid, m, &module);
		if (err)
			return err;
		code.module = module;
		set_bias(&code);
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

/* What was there before @fresh came went when it came, at the latest. */
static void end_covered(struct target *target, const struct target_mapping *fresh)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *old = &target->mappings[i];

		if (old != fresh && old->end > fresh->start && old->start < fresh->end &&
		    old->from_ns <= fresh->from_ns && old->until_ns > fresh->from_ns)
			old->until_ns = fresh->from_ns;
	}
}

/* A file that was missed once may have been opened since. */
static void correct_biases(struct target *target)
{
	for (size_t i = 0; i < target->mapping_count; i++)
		set_bias(&target->mappings[i]);
}

/* Not while something else was there. */
static void start_after(const struct target_mapping *items, size_t count,
			struct target_mapping *fresh)
{
	for (size_t i = 0; i < count; i++) {
		const struct target_mapping *old = &items[i];

		if (old->end > fresh->start && old->start < fresh->end &&
		    old->until_ns != UINT64_MAX && old->until_ns > fresh->from_ns)
			fresh->from_ns = old->until_ns;
	}
}

static bool forget_oldest(struct target *target)
{
	struct target_mapping *items = target->mappings;
	size_t oldest = 0;

	for (size_t i = 1; i < target->mapping_count; i++) {
		if (items[i].until_ns < items[oldest].until_ns)
			oldest = i;
	}
	if (items[oldest].until_ns == UINT64_MAX)
		return false;
	target->mapping_count--;
	target->forgotten++;
	memmove(items + oldest, items + oldest + 1,
		(target->mapping_count - oldest) * sizeof(*items));
	return true;
}

static void forget_surplus(struct target *target, size_t most)
{
	while (target->mapping_count > most && forget_oldest(target))
		;
}

int target_refresh(struct target *target, struct module_set *modules, struct target_change *ret)
{
	uint64_t began_ns = clock_now_ns();
	struct mapping_vec now = VEC_INIT, all = VEC_INIT;
	struct target_change change = {false, false};
	int err = read_code(target, modules, &now);

	if (!err) {
		correct_biases(target);
		retire_gone(target, &now, clock_now_ns(), &change);
		err = vec_append(&all, target->mappings, target->mapping_count);
	}
	for (size_t i = 0; !err && i < now.count; i++) {
		if (find_live(target->mappings, target->mapping_count, &now.items[i]))
			continue;
		change.added = true;
		start_after(target->mappings, target->mapping_count, &now.items[i]);
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
	target->looked_ns = began_ns;
	forget_surplus(target, MAPPINGS_MAX);
	*ret = change;
	return 0;
}

void target_execed(struct target *target, uint64_t time_ns)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		if (target->mappings[i].until_ns > time_ns)
			target->mappings[i].until_ns = time_ns;
	}
	target->looked_ns = time_ns;
}

static int append(struct target *target, const struct target_mapping *mapping,
		  struct target_mapping **ret)
{
	struct target_mapping *bigger;

	forget_surplus(target, MAPPINGS_MAX - 1);
	bigger = realloc(target->mappings, (target->mapping_count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	target->mappings = bigger;
	*ret = &bigger[target->mapping_count++];
	**ret = *mapping;
	return 0;
}

/* All others are in order. */
static void move_into_order(struct target *target, size_t at)
{
	struct target_mapping *items = target->mappings, moved = items[at];

	for (; at && by_start(&items[at - 1], &moved) > 0; at--)
		items[at] = items[at - 1];
	for (; at + 1 < target->mapping_count && by_start(&items[at + 1], &moved) < 0; at++)
		items[at] = items[at + 1];
	items[at] = moved;
}

/* What a look at the maps saw before its event was read, or NULL. */
static struct target_mapping *find_guessed(struct target *target,
					   const struct target_mapping *fresh)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *m = &target->mappings[i];

		if (m->guessed && m->start == fresh->start && m->module == fresh->module &&
		    m->until_ns > fresh->from_ns)
			return m;
	}
	return NULL;
}

/* The same code at the same place as last: a plugin that is loaded anew for each request. No other code was there
 * meanwhile, so its being gone need not be told. */
static struct target_mapping *find_latest_if_same(struct target *target,
						  const struct target_mapping *fresh)
{
	struct target_mapping *latest = NULL;

	for (size_t i = 0; i < target->mapping_count; i++) {
		struct target_mapping *m = &target->mappings[i];

		if (m->end > fresh->start && m->start < fresh->end &&
		    (!latest || m->from_ns >= latest->from_ns))
			latest = m;
	}
	if (!latest || latest->start != fresh->start || latest->end != fresh->end ||
	    latest->module != fresh->module || latest->offset != fresh->offset ||
	    latest->from_ns > fresh->from_ns)
		return NULL;
	return latest;
}

static int note(struct target *target, const struct target_code *code, const struct module *module)
{
	struct target_mapping fresh = {.start = code->start,
				       .end = code->start + ((code->size_bytes + 4095) & ~4095ull),
				       .offset = code->offset,
				       .module = module,
				       .from_ns = code->time_ns,
				       .until_ns = UINT64_MAX};
	struct target_mapping *m = find_guessed(target, &fresh);
	struct target_mapping *latest = m ? NULL : find_latest_if_same(target, &fresh);
	int err;

	if (latest) {
		latest->until_ns = UINT64_MAX;
		return 0;
	}
	err = m ? 0 : append(target, &fresh, &m);
	if (err)
		return err;
	m->from_ns = code->time_ns;
	m->guessed = false;
	set_bias(m);
	end_covered(target, m);
	move_into_order(target, (size_t)(m - target->mappings));
	return 0;
}

int target_note_code(struct target *target, const struct module_set *modules,
		     const struct target_code *code)
{
	const struct module *module =
		module_set_find(modules, code->inode, code->device_major, code->device_minor);

	return module && module->elf ? note(target, code, module) : -ENOENT;
}

int target_note_missed(struct target *target, struct module_set *modules,
		       const struct target_code *code)
{
	const struct target_mapping *seen = target_find(target, code->start, code->time_ns);
	struct module *module;
	int err;

	if (!code->inode || (seen && seen->module->inode == code->inode))
		return 0;
	err = module_set_miss(modules, code->inode, code->device_major, code->device_minor,
			      &module);
	return err ? err : note(target, code, module);
}

int target_find_missed(struct target *target, struct module_set *modules,
		       const struct mapping *file)
{
	int err = module_set_find_missed(modules, target->key.pid, file);

	correct_biases(target);
	return err;
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
	set_text(&target->cgroup, process_cgroup(target->key.pid, &text) ? strdup("") : text);
	if (!target->comm || !target->exe || !target->cmdline || !target->container ||
	    !target->cgroup)
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

/* The program decides: any file may be mapped by it. */
static int refuse_foreign(const struct target *target, struct hf_error *error)
{
	const struct module *program = target->exe_module;

	if (!program || program->elf_error != -ENOTSUP)
		return 0;
	error_set(error, HF_E_UNSUPPORTED, "process %d is not an x86-64 program", target->key.pid);
	error_why(error, "%s is of another class or machine", program->path);
	return error_fix(error, "only 64-bit x86 processes can be traced");
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
	/* There since before anything we see. */
	err = target_refresh(target, modules, &change);
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
