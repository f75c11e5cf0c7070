/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a trap costs by itself: probes with a BPF program that does nothing, on functions of this very
 * process, by kind of instruction and of link; and what a ring event adds. One line a row,
 *
 *	NAME THREADS NS NS ...
 *
 * where each NS is thread CPU time per call, without probe and with it in the order A B B A, as the
 * difference of the two: one number for each half of a round. "NAME THREADS - REASON": not on this kernel.
 * getppid(2) is the yardstick: the same entry into the kernel without a probe.
 *
 *	bench_traps [CALLS [ROUNDS]]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

enum { TYPE_UPROBE_MULTI = 48, TYPE_UPROBE_SESSION = 57, THREADS_MAX = 2 };

#define RING_BYTES  (64u << 20)
#define EVENT_BYTES 48

/* The probed functions. Assembly, so that the first instruction is the one meant. */
void at_push(void);
void at_nop5(void);
void at_stepped(void);
__asm__(".text\n"
	".globl at_push, at_nop5, at_stepped\n"
	".p2align 4\nat_push: push %rbp\n\tpop %rbp\n\tret\n"
	".p2align 4\nat_nop5: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\tret\n"
	".p2align 4\nat_stepped: lea 8(%rsp), %rax\n\tret\n");

static void call_getppid(void)
{
	syscall(SYS_getppid);
}

enum link { NO_LINK, MULTI, SESSION, PERF_RETURN };

struct row {
	const char *name;
	void (*call)(void);
	enum link link;
	int answer; /* of the program: 1 at a session's entry skips the return */
	bool event; /* the program sends one */
	int threads;
};

static const struct row rows[] = {
	{"getppid", call_getppid, NO_LINK, 0, false, 1},
	{"emulated", at_push, MULTI, 0, false, 1},
	{"emulated", at_push, MULTI, 0, false, 2},
	{"nop5", at_nop5, MULTI, 0, false, 1},
	{"nop5", at_nop5, MULTI, 0, false, 2},
	{"stepped", at_stepped, MULTI, 0, false, 1},
	{"stepped", at_stepped, MULTI, 0, false, 2},
	{"session_entry_only", at_push, SESSION, 1, false, 1},
	{"session", at_push, SESSION, 0, false, 1},
	{"session", at_push, SESSION, 0, false, 2},
	{"perf_uretprobe", at_push, PERF_RETURN, 0, false, 1},
	{"emulated_event", at_push, MULTI, 0, true, 1},
	{"emulated_event", at_push, MULTI, 0, true, 2},
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#define INSN(op, dst, src, offset, value)                                                         \
	(struct bpf_insn)                                                                         \
	{                                                                                         \
		.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value) \
	}
#define MOV(dst, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)

/* Sends EVENT_BYTES of zeroes if asked to, answers. */
static int load_program(const struct row *row, int ring)
{
	struct bpf_insn insns[24];
	size_t count = 0;
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = row->link == MULTI     ? TYPE_UPROBE_MULTI
					    : row->link == SESSION ? TYPE_UPROBE_SESSION
								   : 0);

	if (row->event) {
		for (int at = 8; at <= EVENT_BYTES; at += 8)
			insns[count++] = INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, (short)-at, 0);
		insns[count++] = INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, ring);
		insns[count++] = INSN(0, 0, 0, 0, 0);
		insns[count++] = INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
		insns[count++] = INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -EVENT_BYTES);
		insns[count++] = MOV(3, EVENT_BYTES);
		insns[count++] = MOV(4, BPF_RB_NO_WAKEUP);
		insns[count++] = INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output);
	}
	insns[count++] = MOV(0, row->answer);
	insns[count++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "bench_trap", "GPL", insns, count, &options);
}

/* Where in our file a function stands; 0: nowhere. */
static uint64_t file_offset(void (*function)(void))
{
	uint64_t start, end, offset, found = 0;
	char line[512], *rest;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		start = strtoull(line, &rest, 16);
		end = strtoull(rest + 1, &rest, 16);
		offset = strtoull(rest + 6, NULL, 16); /* behind " r-xp " */
		if ((uintptr_t)function >= start && (uintptr_t)function < end)
			found = (uintptr_t)function - start + offset;
	}
	if (maps)
		fclose(maps);
	return found;
}

/* The kernel's union bpf_attr, link_create.uprobe_multi: libbpf 1.1 has none. */
static int attach_multi(int program, uint32_t type, uint64_t offset)
{
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t count, multi_flags, pid, reserved[21];
	} attr = {
		.prog_fd = (uint32_t)program,
		.attach_type = type,
		.path = (uintptr_t) "/proc/self/exe",
		.offsets = (uintptr_t)&offset,
		.count = 1,
		.pid = (uint32_t)getpid(),
	};

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

static int attach_perf_return(int program, uint64_t offset)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.config = 1, /* format/retprobe: config:0 */
		.uprobe_path = (uintptr_t) "/proc/self/exe",
		.probe_offset = offset,
	};
	FILE *type = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	char text[16] = "";
	int fd;

	if (!type)
		return -1;
	if (fgets(text, sizeof(text), type))
		attr.type = (uint32_t)strtoul(text, NULL, 10);
	fclose(type);
	fd = (int)syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The descriptor that keeps the probe, or -1 with errno. */
static int attach(const struct row *row, int program)
{
	uint64_t offset = file_offset(row->call);

	if (row->link == PERF_RETURN)
		return attach_perf_return(program, offset);
	return attach_multi(program, row->link == MULTI ? TYPE_UPROBE_MULTI : TYPE_UPROBE_SESSION,
			    offset);
}

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	void (*call)(void);
	uint64_t calls, ns;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	uint64_t began;

	pthread_barrier_wait(worker->start);
	began = cpu_ns();
	for (uint64_t i = 0; i < worker->calls; i++)
		worker->call();
	worker->ns = cpu_ns() - began;
	return NULL;
}

/* CPU ns a call, over all threads. */
static double run(const struct row *row, uint64_t calls)
{
	struct worker workers[THREADS_MAX];
	pthread_barrier_t start;
	double ns = 0;

	pthread_barrier_init(&start, NULL, (unsigned int)row->threads);
	for (int i = 0; i < row->threads; i++) {
		workers[i] = (struct worker){.start = &start, .call = row->call, .calls = calls};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			exit(71);
	}
	for (int i = 0; i < row->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		ns += (double)workers[i].ns;
	}
	pthread_barrier_destroy(&start);
	return ns / (double)calls / row->threads;
}

/* One half of a round: a ring of its own, which holds all the events, so nothing need read it. */
static int run_probed(const struct row *row, uint64_t calls, double *ret_ns)
{
	int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "bench_ring", 0, 0, RING_BYTES, NULL);
	int program = ring < 0 ? -1 : load_program(row, ring);
	int link = program < 0 ? -1 : attach(row, program), err = link < 0 ? -errno : 0;

	if (!err)
		*ret_ns = run(row, calls);
	close(link);
	close(program);
	close(ring);
	return err;
}

static int bench_row(const struct row *row, uint64_t calls, int rounds)
{
	int err = 0;

	printf("%s %d", row->name, row->threads);
	for (int i = 0; !err && i < rounds; i++) {
		double first = run(row, calls), second = 0, third = 0;

		if (row->link != NO_LINK) {
			err = run_probed(row, calls, &second);
			if (!err)
				err = run_probed(row, calls, &third);
			if (!err)
				printf(" %.1f %.1f", second - first, third - run(row, calls));
		} else {
			printf(" %.1f", first);
		}
	}
	if (err)
		printf(" - %s", strerror(-err));
	putchar('\n');
	fflush(stdout);
	return err;
}

int main(int argc, char **argv)
{
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 30000;
	int rounds = argc > 2 ? atoi(argv[2]) : 3;
	uint64_t most = RING_BYTES / (EVENT_BYTES + 8) / THREADS_MAX;

	if (!calls || calls > most) /* or the ring would run full, which costs less than an event */
		calls = most;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		bench_row(&rows[i], calls, rounds);
	return 0;
}
