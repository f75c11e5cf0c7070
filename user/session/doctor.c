// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "account/heap/at_once.h"
#include "base/clock.h"
#include "base/err.h"
#include "capture/probe/calibrate.h"
#include "capture/probe/probe.h"
#include "process/target/allocator.h"
#include "process/target/target.h"

/* What the checks share: the kernel side is loaded once. */
struct examination {
	struct check_vec *checks;
	struct probe *probe;
	struct hf_error error; /* why it is not loaded */
};

const char *check_state_name(enum check_state state)
{
	static const char *const names[] = {"ok", "limited", "missing"};

	return names[state];
}

void doctor_done(struct check_vec *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		strbuf_done(&checks->items[i].text);
		strbuf_done(&checks->items[i].fix);
	}
	vec_done(checks);
}

static struct check *begin(struct examination *e, const char *name)
{
	struct check fresh = {.name = name, .text = STRBUF_INIT, .fix = STRBUF_INIT};

	return vec_push(e->checks, fresh) ? NULL : &e->checks->items[e->checks->count - 1];
}

static void check_kernel(struct examination *e, struct check *c)
{
	struct utsname name;

	(void)e;
	if (uname(&name)) {
		c->state = CHECK_LIMITED;
		return;
	}
	strbuf_addf(&c->text, "%s %s", name.release, name.machine);
	if (strcmp(name.machine, "x86_64") != 0) {
		c->state = CHECK_MISSING;
		strbuf_addstr(&c->fix, "holdfast runs on x86-64 only");
	}
}

static void check_user(struct examination *e, struct check *c)
{
	(void)e;
	strbuf_addf(&c->text, "user id %u", geteuid());
	if (!geteuid())
		return;
	c->state = access("/proc/1/map_files", R_OK) ? CHECK_MISSING : CHECK_LIMITED;
	strbuf_addstr(&c->fix,
		      "run as root, or give the program CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, "
		      "CAP_CHECKPOINT_RESTORE and CAP_DAC_READ_SEARCH");
}

static void check_btf(struct examination *e, struct check *c)
{
	(void)e;
	if (!access("/sys/kernel/btf/vmlinux", R_OK)) {
		strbuf_addstr(&c->text, "type information of the kernel is there");
		return;
	}
	c->state = CHECK_MISSING;
	strbuf_addstr(&c->text,
		      "no /sys/kernel/btf/vmlinux: programs can't be fitted to this kernel");
	strbuf_addstr(&c->fix, "use a kernel built with CONFIG_DEBUG_INFO_BTF (Debian's are)");
}

static void check_bpf(struct examination *e, struct check *c)
{
	if (e->probe) {
		strbuf_addstr(&c->text, "the kernel takes holdfast's programs");
		return;
	}
	c->state = CHECK_MISSING;
	strbuf_addf(&c->text, "%s: %s", e->error.what.buf, e->error.why.buf);
	strbuf_addstr(&c->fix, e->error.fix.buf);
}

static void check_uprobes(struct examination *e, struct check *c)
{
	if (!e->probe) {
		c->state = CHECK_MISSING;
		strbuf_addstr(&c->text, "uprobes can't be tried without BPF");
		return;
	}
	strbuf_addstr(&c->text, probe_way_name(probe_way(e->probe)));
	if (probe_way(e->probe) == PROBE_WAY_PERF) {
		c->state = CHECK_LIMITED;
		strbuf_addstr(
			&c->text,
			": attached and detached one by one, 0.1 s each at the end; for exact mode, not windows");
		strbuf_addstr(&c->fix, "a kernel from 6.6 on has uprobe_multi");
	} else if (probe_way(e->probe) == PROBE_WAY_MULTI) {
		strbuf_addstr(&c->text,
			      " (before 6.13: entry and return of a function are two links)");
	}
}

static void add_cost(struct strbuf *text, const char *what, double ns)
{
	strbuf_addf(text, "%s%s ", text->len ? ", " : "", what);
	clock_add_duration(text, (uint64_t)ns);
}

/* Anew each time: who asks a doctor wants to know how it is today. */
static void check_costs(struct examination *e, struct check *c)
{
	struct probe_costs costs;

	if (!e->probe) {
		c->state = CHECK_LIMITED;
		strbuf_addstr(&c->text, "can't be measured without BPF");
		return;
	}
	if (probe_calibrate(e->probe, true, &costs) && probe_calibrate(e->probe, false, &costs)) {
		c->state = CHECK_LIMITED;
		strbuf_addstr(&c->text, "can't be measured: estimates reckon with usual figures");
		strbuf_addstr(&c->fix, "see --log-level debug for the reason");
		return;
	}
	add_cost(&c->text, "a hit at an emulated instruction", costs.emulated_ns);
	add_cost(&c->text, "nop5", costs.nop5_ns);
	add_cost(&c->text, "single-stepped", costs.stepped_ns);
	add_cost(&c->text, "malloc (entry and return)",
		 cost_of_call(&costs, COST_EMULATED, probe_way(e->probe) == PROBE_WAY_SESSION) /
			 COST_IN_COMPANY);
	if (costs.syscall_pair_ns > 0)
		add_cost(&c->text, "any system call of the machine", costs.syscall_pair_ns);
	if (costs.measured_at_s + 2 >= clock_wall_ns() / NS_PER_S) {
		strbuf_addstr(&c->text, "; measured now");
	} else {
		strbuf_addstr(&c->text, "; measured at ");
		clock_add_rfc3339(&c->text, costs.measured_at_s * NS_PER_S);
	}
}

static void check_seccomp(struct examination *e, struct check *c)
{
	int err = e->probe ? probe_selftest_seccomp(e->probe) : 0;

	if (!e->probe) {
		c->state = CHECK_MISSING;
		strbuf_addstr(&c->text, "return probes can't be tried without BPF");
	} else if (err && err != -ENOTSUP) {
		c->state = CHECK_MISSING;
		strbuf_addf(&c->text, "a probe on a process of our own failed: %s", strerror(-err));
		strbuf_addstr(&c->fix, "see --log-level debug for the kernel's words");
	} else if (err) {
		c->state = CHECK_LIMITED;
		strbuf_addstr(
			&c->text,
			"return probes kill seccomp-filtered processes here: these are refused");
		strbuf_addstr(&c->fix, "use a kernel with that fix (6.13.4 and later)");
	} else {
		strbuf_addstr(&c->text, "seccomp-filtered processes survive return probes (tried)");
	}
}

static void check_tracepoints(struct examination *e, struct check *c)
{
	if (!e->probe) {
		c->state = CHECK_MISSING;
		strbuf_addstr(&c->text, "tracepoints can't be tried without BPF");
	} else if (probe_missing(e->probe)[0]) {
		c->state = CHECK_LIMITED;
		strbuf_addf(&c->text, "not available: %s", probe_missing(e->probe));
		strbuf_addstr(
			&c->fix,
			"mappings or page faults will not be seen; see the kernel's configuration");
	} else {
		strbuf_addstr(&c->text, "fork, exec, exit, mappings, page faults");
	}
}

static void check_debug_files(struct examination *e, struct check *c)
{
	(void)e;
	if (!access("/usr/lib/debug/.build-id", R_OK)) {
		strbuf_addstr(&c->text, "/usr/lib/debug has debug files");
		return;
	}
	c->state = CHECK_LIMITED;
	strbuf_addstr(&c->text,
		      "no debug files of the distribution: stripped libraries show few names");
	strbuf_addstr(&c->fix, "install the -dbgsym packages of what you trace, libc6-dbg first");
}

static void check_target(struct examination *e, struct check *c, int pid)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(module_set_freep) struct module_set *modules = NULL;
	_cleanup_(target_freep) struct target *target = NULL;
	const struct allocator_search search = {.pages = heap_read_at_once};
	struct allocator_set set = {0};
	int err = module_set_new(&modules);

	(void)e;
	strbuf_addf(&c->text, "process %d: ", pid);
	if (!err)
		err = target_new(modules, pid, clock_now_ns(), &target, &error);
	if (!err)
		err = allocator_set_find(target, &search, &set, &error);
	if (err) {
		c->state = CHECK_MISSING;
		strbuf_addf(&c->text, "%s%s%s", error.what.buf, error.why.len ? ": " : "",
			    error.why.buf);
		strbuf_addstr(&c->fix, error.fix.buf);
		return;
	}
	strbuf_addf(&c->text, "%s, %zu functions of %s in %s", target->comm, set.function_count,
		    set.allocators[0].name, set.allocators[0].module->path);
	if (target->seccomp_mode)
		strbuf_addstr(&c->text, ", seccomp-filtered");
	allocator_set_done(&set);
}

static const struct {
	const char *name;
	void (*run)(struct examination *e, struct check *c);
} machine_checks[] = {
	{"kernel", check_kernel},
	{"user", check_user},
	{"BTF", check_btf},
	{"BPF", check_bpf},
	{"uprobes", check_uprobes},
	{"probe costs", check_costs},
	{"seccomp", check_seccomp},
	{"tracepoints", check_tracepoints},
	{"debug files", check_debug_files},
};

int doctor_examine(const int *pids, size_t pid_count, struct check_vec *ret)
{
	struct examination e = {.checks = ret, .error = HF_ERROR_INIT};
	struct probe_options options = {.ring_bytes = 64u << 10, .faults = true, .follow = true};
	struct check *check;
	int err = 0;

	if (probe_new(&options, &e.probe, &e.error))
		e.probe = NULL;
	for (size_t i = 0; !err && i < sizeof(machine_checks) / sizeof(machine_checks[0]); i++) {
		check = begin(&e, machine_checks[i].name);
		if (check)
			machine_checks[i].run(&e, check);
		else
			err = -ENOMEM;
	}
	for (size_t i = 0; !err && i < pid_count; i++) {
		check = begin(&e, "target");
		if (check)
			check_target(&e, check, pids[i]);
		else
			err = -ENOMEM;
	}
	probe_free(e.probe);
	error_done(&e.error);
	return err;
}

bool doctor_needs_admin(void)
{
	return probe_needs_admin();
}

void doctor_calibrate(void)
{
	const struct probe_options options = {.ring_bytes = 1};
	struct probe_costs costs;
	struct probe *probe;

	if (probe_new(&options, &probe, NULL))
		return;
	(void)probe_calibrate(probe, false, &costs);
	probe_free(probe);
}
