// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/probe/calibrate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/probe/cost_cache.h"
#include "capture/probe/probe_internal.h"
#include "capture/probe/subject.h"

#define ROUNDS_MAX   7
#define ROUNDS_MIN   3
#define ROUNDS_NS    (25 * NS_PER_MS) /* after that no further round is begun */
#define COUNT_ROUNDS 5
#define RING_BYTES \
	(512u << 10) /* holds all events of all rounds: one into a full ring costs less */
#define EVENT_BYTES         48
#define GRANDCHILD_WAITS_US 10000 /* until we have closed ours */
#define TRAP_LEAST_NS       30    /* what is cheaper was not probed */

enum { TYPE_UPROBE_MULTI = 48, TYPE_UPROBE_SESSION = 57 };

/* Calls in a burst: about a quarter of a millisecond each. */
static const uint32_t bursts[SUBJECT_CALLS] = {
	[SUBJECT_BARE] = 2000,  [SUBJECT_EMULATED] = 300, [SUBJECT_NOP5] = 300,
	[SUBJECT_STEPPED] = 20, [SUBJECT_SESSION] = 150,  [SUBJECT_SESSION_ENTRY] = 300,
	[SUBJECT_RETURN] = 150, [SUBJECT_EVENT] = 300,
};

struct calibration {
	struct probe *probe;
	struct subject subject;
	struct fd_vec links;
	int exe, ring;
	int plain, session, sender; /* programs */
	double values[SUBJECT_CALLS][ROUNDS_MAX];
	unsigned int rounds;
};

#define INSN(op, dst, src, offset, value)                                                         \
	(struct bpf_insn)                                                                         \
	{                                                                                         \
		.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value) \
	}
#define MOV(dst, value)  INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define CALL(helper)     INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT             INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define PUT_ZERO(offset) INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, offset, 0)

static int load(const struct probe *probe, enum link_hook hook, const struct bpf_insn *code,
		size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options);

	if (probe->way != PROBE_WAY_PERF)
		options.expected_attach_type = (enum bpf_attach_type)(
			hook == HOOK_SESSION ? TYPE_UPROBE_SESSION : TYPE_UPROBE_MULTI);
	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "hf_calibrate", "GPL", code, count, &options);
}

static int load_programs(struct calibration *c)
{
	const struct bpf_insn plain[] = {MOV(0, 0), EXIT};
	/* answers its cookie: 1 at the entry leaves out the return */
	const struct bpf_insn session[] = {CALL(BPF_FUNC_get_attach_cookie),
					   INSN(BPF_ALU64 | BPF_AND | BPF_K, 0, 0, 0, 1), EXIT};

	c->plain = load(c->probe, HOOK_ENTRY, plain, 2);
	if (c->probe->way == PROBE_WAY_SESSION)
		c->session = load(c->probe, HOOK_SESSION, session, 3);
	return c->plain < 0 ? c->plain : 0;
}

static int load_sender(struct calibration *c)
{
	struct bpf_insn code[24];
	size_t count = 0;

	c->ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "hf_calibrate", 0, 0, RING_BYTES, NULL);
	if (c->ring < 0)
		return c->ring;
	for (short at = 8; at <= EVENT_BYTES; at += 8)
		code[count++] = PUT_ZERO((short)-at);
	code[count++] = INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, c->ring);
	code[count++] = INSN(0, 0, 0, 0, 0);
	code[count++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	code[count++] = INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -EVENT_BYTES);
	code[count++] = MOV(3, EVENT_BYTES);
	code[count++] = MOV(4, BPF_RB_NO_WAKEUP);
	code[count++] = CALL(BPF_FUNC_ringbuf_output);
	code[count++] = MOV(0, 0);
	code[count++] = EXIT;
	c->sender = load(c->probe, HOOK_ENTRY, code, count);
	return c->sender < 0 ? c->sender : 0;
}

/* A program at the places of some calls; the cookie of the one that leaves out the return is 1. */
static int attach(struct calibration *c, int program, enum link_hook hook,
		  const enum subject_call *calls, size_t count)
{
	struct probe_list list = {
		.path_fd = c->exe, .pid = c->subject.pid, .offsets = VEC_INIT, .cookies = VEC_INIT};
	uint64_t offset;
	int err = program < 0 ? program : 0;

	for (size_t i = 0; !err && i < count; i++) {
		err = subject_offset(calls[i], &offset);
		if (!err)
			err = vec_push(&list.offsets, offset);
		if (!err)
			err = vec_push(&list.cookies,
				       (uint64_t)(calls[i] == SUBJECT_SESSION_ENTRY));
	}
	if (!err)
		err = links_attach_program(c->probe, program, hook, &list, &c->links);
	probe_list_done(&list);
	return err;
}

/* Traps are needed; what else there is, is worth knowing. */
static int attach_all(struct calibration *c)
{
	static const enum subject_call entries[] = {SUBJECT_EMULATED, SUBJECT_NOP5,
						    SUBJECT_STEPPED};
	static const enum subject_call sessions[] = {SUBJECT_SESSION, SUBJECT_SESSION_ENTRY};
	static const enum subject_call both[] = {SUBJECT_RETURN}, event[] = {SUBJECT_EVENT};
	int err = attach(c, c->plain, HOOK_ENTRY, entries, 3);

	if (err)
		return err;
	if (c->session >= 0)
		attach(c, c->session, HOOK_SESSION, sessions, 2);
	if (!attach(c, c->plain, HOOK_RETURN, both, 1))
		attach(c, c->plain, HOOK_ENTRY, both, 1);
	if (!load_sender(c))
		attach(c, c->sender, HOOK_ENTRY, event, 1);
	return 0;
}

static int run_rounds(struct calibration *c)
{
	uint64_t began_ns;
	double first;
	int err = 0;

	/* The first hit of each makes what later ones find. */
	for (int call = 0; !err && call < SUBJECT_CALLS; call++)
		err = subject_run(&c->subject, call, 5, &first);
	began_ns = clock_now_ns();
	while (!err && c->rounds < ROUNDS_MAX &&
	       (c->rounds < ROUNDS_MIN || clock_now_ns() - began_ns < ROUNDS_NS)) {
		for (int call = 0; !err && call < SUBJECT_CALLS; call++)
			err = subject_run(&c->subject, call, bursts[call],
					  &c->values[call][c->rounds]);
		c->rounds += !err;
	}
	return err;
}

/* Bursts without and with the counting take turns. -EPERM: nobody may count here. */
static int run_counted(const struct calibration *c, double *without, double *with)
{
	int err = subject_run(&c->subject, SUBJECT_EMULATED, bursts[SUBJECT_EMULATED], without);
	_cleanup_close_ int counting = err ? -1 : bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (counting < 0)
		return err ? err : -EPERM;
	return subject_run(&c->subject, SUBJECT_EMULATED, bursts[SUBJECT_EMULATED], with);
}

/* What counting a run adds to a hit, and what of it is counted as the program's. */
static void measure_counting(const struct calibration *c, struct probe_costs *costs)
{
	double without[COUNT_ROUNDS], with[COUNT_ROUNDS], added;
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	for (int i = 0; i < COUNT_ROUNDS; i++) {
		if (run_counted(c, &without[i], &with[i]))
			return;
	}
	added = subject_quartile(with, COUNT_ROUNDS) - subject_quartile(without, COUNT_ROUNDS);
	if (added > 0)
		costs->count_ns = added;
	if (!bpf_obj_get_info_by_fd(c->plain, &info, &size) && info.run_cnt)
		costs->count_bias_ns = (double)info.run_time_ns / (double)info.run_cnt;
}

/* A trap's ns, or else @otherwise. */
static double trap_ns(struct calibration *c, enum subject_call call, double bare_ns,
		      double otherwise)
{
	double ns = subject_quartile(c->values[call], c->rounds) - bare_ns;

	return ns >= TRAP_LEAST_NS ? ns : otherwise;
}

static void take_results(struct calibration *c, struct probe_costs *ret)
{
	double bare_ns = subject_quartile(c->values[SUBJECT_BARE], c->rounds);
	double syscall_ns = subject_syscall_ns() - c->probe->bare_syscall_ns, event_ns;

	cost_defaults(ret);
	ret->emulated_ns = trap_ns(c, SUBJECT_EMULATED, bare_ns, ret->emulated_ns);
	ret->nop5_ns = trap_ns(c, SUBJECT_NOP5, bare_ns, ret->emulated_ns);
	ret->stepped_ns = trap_ns(c, SUBJECT_STEPPED, bare_ns, ret->stepped_ns);
	ret->return_ns = trap_ns(c, SUBJECT_RETURN, bare_ns, 2 * ret->emulated_ns);
	ret->session_ns = trap_ns(c, SUBJECT_SESSION, bare_ns, ret->return_ns);
	ret->session_entry_only_ns = trap_ns(c, SUBJECT_SESSION_ENTRY, bare_ns, ret->emulated_ns);
	event_ns = trap_ns(c, SUBJECT_EVENT, bare_ns, 0) - ret->emulated_ns;
	if (event_ns > 0)
		ret->event_ns = event_ns;
	ret->bare_syscall_ns = c->probe->bare_syscall_ns;
	ret->syscall_pair_ns = c->probe->traces_syscalls && syscall_ns > 0 ? syscall_ns : 0;
	ret->measured = true;
	ret->measured_at_s = clock_wall_ns() / NS_PER_S;
}

static int measure_subject(struct calibration *c, struct probe_costs *ret)
{
	struct probe_costs costs;
	int err = c->exe < 0 ? -errno : load_programs(c);

	if (!err)
		err = attach_all(c);
	if (!err)
		err = run_rounds(c);
	if (err)
		return err;
	if (subject_quartile(c->values[SUBJECT_EMULATED], c->rounds) < TRAP_LEAST_NS)
		return -ENOTSUP;
	take_results(c, &costs);
	measure_counting(c, &costs);
	*ret = costs;
	return 0;
}

/* Closing waits for the kernel, 30 to 70 ms, and nobody else needs to: a grandchild holds the links too, and
 * closes them last. */
static void close_elsewhere(struct fd_vec *links)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0) {
			int closed[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};

			/* Whoever waits for their end waits for us, not for this. */
			for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
				close(closed[i]);
			usleep(GRANDCHILD_WAITS_US);
			links_close(links);
		}
		_exit(0);
	}
	if (pid < 0) {
		links_close(links);
		return;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < links->count; i++)
		close(links->items[i]);
	vec_clear(links);
}

static int measure(struct probe *probe, struct probe_costs *ret)
{
	struct calibration c = {.probe = probe,
				.links = VEC_INIT,
				.ring = -1,
				.plain = -1,
				.session = -1,
				.sender = -1};
	int err = subject_start(&c.subject);

	if (err)
		return err;
	c.exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	err = measure_subject(&c, ret);
	/* It ends first: no breakpoint is left to be taken out of anyone's code. */
	subject_end(&c.subject);
	close_elsewhere(&c.links);
	vec_done(&c.links);
	for (size_t i = 0; i < 5; i++) {
		int fd = (int[]){c.exe, c.ring, c.plain, c.session, c.sender}[i];

		if (fd >= 0)
			close(fd);
	}
	return err;
}

static void log_costs(const char *where, const struct probe_costs *costs, uint64_t took_ns)
{
	log_debug("probe costs %s in %.1f ms: emulated %.0f nop5 %.0f stepped %.0f session %.0f "
		  "entry only %.0f return %.0f system call +%.0f event %.0f counting %.0f ns",
		  where, (double)took_ns / NS_PER_MS, costs->emulated_ns, costs->nop5_ns,
		  costs->stepped_ns, costs->session_ns, costs->session_entry_only_ns,
		  costs->return_ns, costs->syscall_pair_ns, costs->event_ns, costs->count_ns);
}

static int read_or_measure(struct probe *probe, const struct cost_cache *cache, bool anew,
			   struct probe_costs *ret)
{
	uint64_t began_ns = clock_now_ns();
	struct probe_costs costs;
	int err = anew ? -ESTALE : cost_cache_read(cache, &costs);

	if (!err && cost_still_holds(&costs, probe->bare_syscall_ns)) {
		log_costs(cache->path.buf, &costs, clock_now_ns() - began_ns);
		*ret = costs;
		return 0;
	}
	if (!err)
		log_debug("probe costs in %s: a system call took %.0f ns then, %.0f now",
			  cache->path.buf, costs.bare_syscall_ns, probe->bare_syscall_ns);
	else if (!anew && err != -ENOENT)
		log_debug_err(err, "probe costs in %s are not taken", cache->path.buf);
	err = measure(probe, &costs);
	if (err)
		return log_debug_err(err, "probe costs can't be measured");
	log_costs("measured", &costs, clock_now_ns() - began_ns);
	err = cost_cache_write(cache, &costs);
	if (err)
		log_debug_err(err, "probe costs are not kept in %s",
			      cache->path.len ? cache->path.buf : "a file");
	*ret = costs;
	return 0;
}

int probe_calibrate(struct probe *probe, bool anew, struct probe_costs *ret)
{
	_cleanup_(strbuf_done) struct strbuf way = STRBUF_INIT;
	struct cost_cache cache;
	int err;

	strbuf_addf(&way, "%s%s", probe_way_name(probe->way),
		    probe->traces_syscalls ? ", every system call" : "");
	cost_cache_init(&cache, way.buf);
	err = read_or_measure(probe, &cache, anew, ret);
	cost_cache_done(&cache);
	return err;
}
