// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/remote_calls.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/proc/maps.h"
#include "process/proc/proc_text.h"
#include "process/proc/process.h"

#define STOP_NS          (100 * NS_PER_MS)
#define RED_ZONE_BYTES   128
#define XSTATE_MAX       16384
#define CODE_MAX_BYTES   (64u << 20)
#define USER_CODE_64     0x33
#define DIRECTION_FLAG   0x400ULL
#define SYSCALL_BYTES    2
#define FRAMES_MAX_BYTES (REMOTE_CALLS_MAX * 384 + XSTATE_MAX + 256)

/* What the kernel returns within itself for a system call that is to begin anew (include/linux/errno.h). */
#define RESTART_SYS    (-512)
#define RESTART_NOINTR (-513)
#define RESTART_NOHAND (-514)
#define RESTART_BLOCK  (-516)

/* uc_flags: the floating point state is an XSAVE area; the stack segment is as it is to be. */
#define UC_FLAGS 7
/* A way to have an alternate stack that is none: the kernel leaves it as it is then (do_sigaltstack()). */
#define ALTERNATE_STACK_AS_IT_IS 0x40
/* Of an XSAVE area in a signal frame, struct _fpx_sw_bytes in asm/sigcontext.h: what software keeps there. */
#define XSAVE_SOFTWARE    464
#define XSAVE_HEADER      512
#define XSAVE_LEAF        13
#define XSAVE_DYNAMIC     (3ULL << 17) /* AMX */
#define XSAVE_MAGIC1      0x46505853u
#define XSAVE_MAGIC2      0x46505845u
#define KERNEL_MASK_BYTES 8

/* All that a stopped thread is. */
struct context {
	struct user_regs_struct regs;
	uint8_t xstate[XSTATE_MAX];
	size_t xstate_bytes;
	uint64_t features; /* parts of it */
	uint64_t mask;
};

static int seize(int tid)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return errno == EPERM ? -EPERM : -ESRCH;
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 0;
}

/* Lets it go, with the signal that it was about to get. */
static void let_go(int tid, int signal)
{
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal);
}

/* Until it stands still for us alone. */
static int await_stop(int tid)
{
	uint64_t until_ns = clock_now_ns() + STOP_NS;
	int status;

	for (;;) {
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got == tid)
			break;
		if (got < 0 && errno != EINTR)
			return -ESRCH;
		/* The tracer's end alone lets a thread go that does not stop: ours is to come soon. */
		if (clock_now_ns() > until_ns)
			return -ETIMEDOUT;
		usleep(20);
	}
	if (!WIFSTOPPED(status))
		return -ESRCH;
	if (status >> 16 != PTRACE_EVENT_STOP) {
		let_go(tid, WSTOPSIG(status));
		return -EAGAIN;
	}
	if (WSTOPSIG(status) != SIGTRAP) {
		let_go(tid, 0);
		return -EBUSY;
	}
	return 0;
}

/*
 * Parts that only some tasks have room for are left out where this one has not used them: a longer frame than a task may have is not
 * taken. Where each part stands: CPUID leaf 13.
 */
static void cut_xstate(struct context *c)
{
	uint64_t used;
	size_t end = XSAVE_HEADER + 64;

	/* The kernel says there which parts it has (user_xstateregs in asm/user.h). */
	memcpy(&c->features, c->xstate + XSAVE_SOFTWARE, sizeof(c->features));
	memcpy(&used, c->xstate + XSAVE_HEADER, sizeof(used));
	c->features &= used | ~XSAVE_DYNAMIC;
	for (unsigned int i = 2; i < 63; i++) {
		unsigned int size, offset, flags, unused;

		if (!(c->features >> i & 1))
			continue;
		__cpuid_count(XSAVE_LEAF, i, size, offset, flags, unused);
		end = offset + size > end ? offset + size : end;
	}
	if (end < c->xstate_bytes)
		c->xstate_bytes = end;
}

static int read_context(int tid, struct context *ret)
{
	struct iovec io = {&ret->regs, sizeof(ret->regs)};

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return -ESRCH;
	if (io.iov_len != sizeof(ret->regs) || ret->regs.cs != USER_CODE_64)
		return -ENOTSUP;
	io = (struct iovec){ret->xstate, sizeof(ret->xstate)};
	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io) < 0)
		return -ENOTSUP;
	ret->xstate_bytes = io.iov_len;
	if (io.iov_len < XSAVE_HEADER + 64)
		return -ENOTSUP;
	cut_xstate(ret);
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(ret->mask), &ret->mask) < 0)
		return -ESRCH;
	return 0;
}

static int64_t system_call_of(const struct user_regs_struct *regs)
{
	return (int64_t)regs->orig_rax;
}

/* As the kernel does before a signal's handler that wants system calls to begin anew (handle_signal()). */
static void restart_system_call(struct user_regs_struct *regs)
{
	if (system_call_of(regs) < 0)
		return;
	switch ((int64_t)regs->rax) {
	case RESTART_SYS:
	case RESTART_NOINTR:
	case RESTART_NOHAND:
		regs->rax = regs->orig_rax;
		regs->rip -= SYSCALL_BYTES;
		break;
	case RESTART_BLOCK:
		regs->rax = (uint64_t)-EINTR;
		break;
	default:
		break;
	}
}

static void fill_registers(const struct user_regs_struct *regs, mcontext_t *ret)
{
	greg_t *g = ret->gregs;

	g[REG_R8] = (greg_t)regs->r8;
	g[REG_R9] = (greg_t)regs->r9;
	g[REG_R10] = (greg_t)regs->r10;
	g[REG_R11] = (greg_t)regs->r11;
	g[REG_R12] = (greg_t)regs->r12;
	g[REG_R13] = (greg_t)regs->r13;
	g[REG_R14] = (greg_t)regs->r14;
	g[REG_R15] = (greg_t)regs->r15;
	g[REG_RDI] = (greg_t)regs->rdi;
	g[REG_RSI] = (greg_t)regs->rsi;
	g[REG_RBP] = (greg_t)regs->rbp;
	g[REG_RBX] = (greg_t)regs->rbx;
	g[REG_RDX] = (greg_t)regs->rdx;
	g[REG_RAX] = (greg_t)regs->rax;
	g[REG_RCX] = (greg_t)regs->rcx;
	g[REG_RSP] = (greg_t)regs->rsp;
	g[REG_RIP] = (greg_t)regs->rip;
	g[REG_EFL] = (greg_t)regs->eflags;
	g[REG_CSGSFS] = (greg_t)((regs->cs & 0xffff) | (regs->gs & 0xffff) << 16 |
				 (regs->fs & 0xffff) << 32 | (regs->ss & 0xffff) << 48);
}

/* The frames as they are to stand from @base on: a return address each, and what rt_sigreturn(2) restores then. */
struct frames {
	uint8_t bytes[FRAMES_MAX_BYTES];
	uint64_t base, end; /* addresses */
	uint64_t returns[REMOTE_CALLS_MAX];
};

static size_t context_bytes(void)
{
	return offsetof(ucontext_t, uc_sigmask) + KERNEL_MASK_BYTES;
}

static void put(struct frames *f, uint64_t address, const void *bytes, size_t size)
{
	memcpy(f->bytes + (address - f->base), bytes, size);
}

/* At a function's first instruction its return address lies 8 bytes off a multiple of 16 (System V ABI AMD64, 3.2.2). */
static void place(struct frames *f, const struct context *c, size_t count, uint64_t *ret_xstate)
{
	uint64_t at;

	*ret_xstate = (c->regs.rsp - RED_ZONE_BYTES - c->xstate_bytes - sizeof(uint32_t)) & ~63ULL;
	at = *ret_xstate;
	for (size_t i = count; i-- > 0;) {
		at = ((at - context_bytes() - 8) & ~15ULL) - 8;
		f->returns[i] = at;
	}
	f->base = at;
	f->end = *ret_xstate + c->xstate_bytes + sizeof(uint32_t);
}

static void put_xstate(struct frames *f, struct context *c, uint64_t at)
{
	uint32_t size = (uint32_t)c->xstate_bytes, magic1 = XSAVE_MAGIC1, magic2 = XSAVE_MAGIC2;
	uint32_t extended = size + (uint32_t)sizeof(magic2);

	memset(c->xstate + XSAVE_SOFTWARE, 0, 48);
	memcpy(c->xstate + XSAVE_SOFTWARE, &magic1, sizeof(magic1));
	memcpy(c->xstate + XSAVE_SOFTWARE + 4, &extended, sizeof(extended));
	memcpy(c->xstate + XSAVE_SOFTWARE + 8, &c->features, sizeof(c->features));
	memcpy(c->xstate + XSAVE_SOFTWARE + 16, &size, sizeof(size));
	put(f, at, c->xstate, c->xstate_bytes);
	put(f, at + c->xstate_bytes, &magic2, sizeof(magic2));
}

static void set_call(const struct remote_call *call, uint64_t return_place,
		     struct user_regs_struct *regs)
{
	regs->rip = call->function;
	regs->rdi = call->arguments[0];
	regs->rsi = call->arguments[1];
	regs->rax = 0;
	regs->rsp = return_place;
	regs->orig_rax = UINT64_MAX; /* no system call is to begin anew */
	regs->eflags &= ~DIRECTION_FLAG;
}

static void put_frame(struct frames *f, const struct remote_calls *calls, size_t index,
		      struct context *c, uint64_t xstate)
{
	struct user_regs_struct regs = c->regs;
	ucontext_t context;

	memset(&context, 0, sizeof(context));
	context.uc_flags = UC_FLAGS;
	context.uc_stack.ss_flags = ALTERNATE_STACK_AS_IT_IS;
	if (index + 1 < calls->count) {
		set_call(&calls->calls[index + 1], f->returns[index + 1], &regs);
	} else {
		restart_system_call(&regs);
		context.uc_mcontext.fpregs = (fpregset_t)(uintptr_t)xstate;
	}
	fill_registers(&regs, &context.uc_mcontext);
	memcpy(&context.uc_sigmask, &c->mask, KERNEL_MASK_BYTES);
	put(f, f->returns[index], &calls->restorer, sizeof(calls->restorer));
	put(f, f->returns[index] + 8, &context, context_bytes());
}

/* What the calls themselves need of the stack, besides. */
#define STACK_FOR_CALLS (64u << 10)

static int write_frames(int tid, const struct frames *f)
{
	struct iovec local = {(void *)(uintptr_t)f->bytes, f->end - f->base};
	struct iovec remote = {(void *)(uintptr_t)f->base, f->end - f->base};
	uint8_t byte;

	/* Memory that is there already: a main thread's stack grows only by its own hand. */
	if (process_read_memory(tid, f->base - STACK_FOR_CALLS, &byte, 1))
		return -EBUSY;
	return process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)local.iov_len ? 0
											  : -EBUSY;
}

static int send_off(int tid, const struct remote_calls *calls, struct context *c)
{
	struct frames *f = calloc(1, sizeof(*f));
	struct user_regs_struct regs = c->regs;
	struct iovec io = {&regs, sizeof(regs)};
	uint64_t xstate;
	int err;

	if (!f)
		return -ENOMEM;
	place(f, c, calls->count, &xstate);
	put_xstate(f, c, xstate);
	for (size_t i = 0; i < calls->count; i++)
		put_frame(f, calls, i, c, xstate);
	err = write_frames(tid, f);
	if (!err) {
		set_call(&calls->calls[0], f->returns[0], &regs);
		if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) < 0)
			err = -ESRCH;
	}
	free(f);
	return err;
}

/* A line of its status: "x86_Thread_features:\tshstk". */
static bool has_shadow_stack(int tid)
{
	_cleanup_free_ char *path = proc_path(tid, "status");
	_cleanup_free_ char *text = NULL;
	size_t size;
	char *line;
	bool has;

	if (!path || file_read(path, 1 << 16, &text, &size))
		return false;
	line = strstr(text, "x86_Thread_features:");
	if (!line)
		return false;
	*strchrnul(line, '\n') = 0;
	has = strstr(line, "shstk");
	return has;
}

int remote_calls_run(int tid, const struct remote_calls *calls, struct remote_thread *ret)
{
	_cleanup_free_ struct context *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	if (has_shadow_stack(tid))
		return -ENOTSUP;
	err = seize(tid);
	if (!err)
		err = await_stop(tid);
	if (err)
		return err;
	err = read_context(tid, c);
	if (!err) {
		*ret = (struct remote_thread){.tid = tid,
					      .thread_pointer = c->regs.fs_base,
					      .stack_pointer = c->regs.rsp,
					      .instruction_pointer = c->regs.rip,
					      .system_call = system_call_of(&c->regs)};
		err = calls->accept(calls->user, ret);
	}
	if (!err)
		err = send_off(tid, calls, c);
	let_go(tid, 0);
	return err;
}

/* mov $15, %rax; syscall: as the C libraries have it behind a signal's handler (sa_restorer). */
static const uint8_t restorer_code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

static uint64_t search(int pid, const struct mapping *m)
{
	size_t size = m->end - m->start;
	uint8_t *code;
	const uint8_t *found = NULL;
	uint64_t address = 0;

	if (size > CODE_MAX_BYTES)
		return 0;
	code = malloc(size);
	if (code && !process_read_memory(pid, m->start, code, size))
		found = memmem(code, size, restorer_code, sizeof(restorer_code));
	if (found)
		address = m->start + (uint64_t)(found - code);
	free(code);
	return address;
}

uint64_t remote_calls_find_restorer(int pid)
{
	struct maps maps;
	uint64_t found = 0;

	if (maps_read(pid, &maps))
		return 0;
	/* The C library's first, which is small. */
	for (int all = 0; !found && all < 2; all++)
		for (size_t i = 0; !found && i < maps.count; i++) {
			const struct mapping *m = &maps.items[i];

			if (m->prot & PROT_EXEC && m->prot & PROT_READ && m->inode &&
			    (all || strstr(m->path, "libc")))
				found = search(pid, m);
		}
	maps_done(&maps);
	return found;
}
