/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a function of another process on a machine of our own: instruction by instruction, on a copy of that
 * process's memory. Nothing in the process changes, and nothing of it is ever executed by the processor.
 *
 * For finding out what a function does when it has no name. The code is hostile: each call has a bound of
 * instructions, all memory is ours, of a bounded size, and of the system calls only those are answered by which
 * an allocator gets memory (from nowhere). Whatever else is met ends the call: an unknown instruction, a system
 * call, memory that is not there.
 *
 * Source: Intel SDM volume 2, for the part of the instruction set that compilers use for integers and for moving
 * memory. Not modelled: AF, floating point, exceptions, other threads (a lock that one of them holds ends the
 * call with -EAGAIN).
 *
 *	machine_new(&source, &machine)
 *	machine_call(machine, &(struct machine_call){.entry = f, .arguments = {24}, .steps_max = 10000}, &result)
 *	machine_reset(machine)		everything that calls wrote is undone
 *	machine_free(machine)
 */
#ifndef HOLDFAST_CODE_MACHINE_H
#define HOLDFAST_CODE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define MACHINE_PAGE_BYTES 4096u
#define MACHINE_ARGUMENTS  6 /* rdi rsi rdx rcx r8 r9 */
/* Value of every register that is no argument: no address, and as a size too much. */
#define MACHINE_POISON 0xdec0de00dec0de00ull

enum machine_access { MACHINE_NONE, MACHINE_READ, MACHINE_WRITE };

/* The process. Each page is asked for once, when it is first touched. */
struct machine_source {
	enum machine_access (*page)(void *user, uint64_t address, uint8_t *ret_bytes);
	/* The same for several, as they are at one moment, the process standing still; 0 or -errno. NULL: can't be. */
	int (*pages_at_once)(void *user, const uint64_t *addresses, size_t count,
			     uint8_t *ret_bytes);
	void *user;
	uint64_t fs_base;       /* of the thread that calls */
	uint64_t program_break; /* where the heap of brk(2) ends; 0: there is none */
};

struct machine;

/* 0, -ENOMEM. @source is borrowed. */
int machine_new(const struct machine_source *source, struct machine **ret);
void machine_free(struct machine *machine);
DEFINE_CLEANUP(struct machine *, machine_free);

struct machine_call {
	uint64_t entry;
	uint64_t arguments[MACHINE_ARGUMENTS];
	uint32_t steps_max;
};

/*
 * 0 if it returned with the stack and the callee-saved registers as they were; else -EFAULT, -ENOTSUP (an
 * instruction or a system call that is not modelled), -EILSEQ (no instruction), -E2BIG (steps, memory), -EAGAIN (a
 * lock is held), -EPROTO (it returned, but not as a function does), -ENOMEM. What it wrote stays in any case.
 */
int machine_call(struct machine *machine, const struct machine_call *call, uint64_t *ret_result);

/* Did the last call come by there, by a call or an unconditional jump? */
bool machine_entered(const struct machine *machine, uint64_t address);
/* Did it write anything but its stack? */
bool machine_wrote(const struct machine *machine);

/* Memory as the calls see it. False: not (all) there, or not writable. */
bool machine_read(struct machine *machine, uint64_t address, void *ret_bytes, size_t size);
bool machine_write(struct machine *machine, uint64_t address, const void *bytes, size_t size);
/* A word of the caller's own that a call may write to. */
uint64_t machine_scratch(const struct machine *machine);

void machine_reset(struct machine *machine);
/*
 * The same, and what was read of the process and may be written is read anew, at once if the source can. True: some of
 * it has changed. Code is taken as it was.
 */
bool machine_refresh(struct machine *machine);
/* Reads what of [start, end) it has not read yet, so that a refresh has it at once. False: it has enough. */
bool machine_load(struct machine *machine, uint64_t start, uint64_t end);
/* How many pages that may be written were read one by one since then: 0 means that all calls saw one moment. */
size_t machine_torn_pages(const struct machine *machine);

#endif
