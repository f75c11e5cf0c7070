// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared -ldl -pthread
/*
 * oracle_preload: a second opinion on the truth programs, used by tests only. Preloaded into one, it
 * interposes the malloc family, notes each call between go and the account (truth.h calls
 * truth_oracle), and writes a report in the shape of holdfast.report/1, in so far as compare.py
 * reads it, to the file ORACLE_OUT.PID. Frames have an address and a module, no name:
 * tests/e2e/lib/oracle.py names them by nm.
 *
 * It says nothing about mappings, about forked children (it stops to count there), about programs
 * that bring an allocator of their own, and about static ones. A stack ends where glibc's
 * backtrace() ends. It is slow: up to a few million calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 48, STACKS = 1 << 18, BLOCKS = 1 << 22 };

/* Resolved when the call is made: the module may be gone, or another one be there, at the end. */
struct frame {
	size_t offset;
	const char *module; /* copied, never freed */
};

struct stack {
	uint64_t hash;
	int depth;
	struct frame frames[DEPTH];
	unsigned long allocs, frees, alloc_bytes, outstanding_bytes;
	struct stack *next; /* in use */
};

struct block {
	uintptr_t address; /* 0: never used, 1: freed */
	size_t bytes;
	struct stack *stack;
};

static struct {
	pthread_mutex_t lock;
	struct stack *stacks, *used;
	struct block *blocks;
	unsigned long unmatched_frees, lost;
	int counting, pid;
} oracle = {.lock = PTHREAD_MUTEX_INITIALIZER};

static __thread int inside;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_valloc(size_t);
extern void *__libc_pvalloc(size_t);
extern void __libc_free(void *);

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 1099511628211u;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	while (*text)
		hash = mix(hash, (unsigned char)*text++);
	return hash;
}

/* A return address may be that of the next function: look at the call. */
static struct frame frame_at(void *address)
{
	char *at = (char *)address - 1;
	struct dl_find_object object;

	if (_dl_find_object(at, &object))
		return (struct frame){(size_t)at, ""};
	const char *name = object.dlfo_link_map->l_name;
	return (struct frame){(size_t)at - object.dlfo_link_map->l_addr,
			      name[0] ? name : "/proc/self/exe"};
}

static const char *keep_text(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = __libc_malloc(bytes);

	if (!copy)
		abort();
	return memcpy(copy, text, bytes);
}

static void fill_stack(struct stack *stack, const struct frame *frames, int depth, uint64_t hash)
{
	stack->hash = hash;
	stack->depth = depth ? depth : 1;
	for (int i = 0; i < depth; i++)
		stack->frames[i] = (struct frame){frames[i].offset, keep_text(frames[i].module)};
	stack->next = oracle.used;
	oracle.used = stack;
	if (!depth)
		stack->frames[0] = (struct frame){0, ""};
}

static struct stack *stack_here(void)
{
	void *addresses[DEPTH + 3];
	struct frame frames[DEPTH];
	int depth = backtrace(addresses, DEPTH + 3) - 3; /* stack_here, note_alloc, malloc */
	uint64_t hash = 1469598103934665603u;

	for (int i = 0; i < depth; i++) {
		frames[i] = frame_at(addresses[i + 3]);
		hash = mix_text(mix(hash, frames[i].offset), frames[i].module);
	}
	for (uint64_t i = 0; i < STACKS; i++) {
		struct stack *stack = &oracle.stacks[(hash + i) % STACKS];

		if (stack->depth == 0)
			fill_stack(stack, frames, depth < 0 ? 0 : depth, hash);
		if (stack->hash == hash)
			return stack;
	}
	return NULL;
}

static struct block *block_find(uintptr_t address, int for_insert)
{
	uint64_t hash = (address >> 4) * 0x9e3779b97f4a7c15u >> 20;

	for (uint64_t i = 0; i < BLOCKS; i++) {
		struct block *block = &oracle.blocks[(hash + i) % BLOCKS];

		if (block->address == address || (for_insert && block->address <= 1))
			return block;
		if (block->address == 0)
			return NULL;
	}
	return NULL;
}

/* Not counted: calls that this library itself causes, and all before go and after the account. */
static int enter(void)
{
	if (!oracle.counting || inside || oracle.pid != getpid())
		return 0;
	inside = 1;
	pthread_mutex_lock(&oracle.lock);
	return 1;
}

static void leave(void)
{
	pthread_mutex_unlock(&oracle.lock);
	inside = 0;
}

static __attribute__((noinline)) void note_alloc(void *p, size_t bytes)
{
	int err = errno;

	if (!p || !enter())
		return;
	struct block *block = block_find((uintptr_t)p, 1);
	struct stack *stack = stack_here();
	if (block && stack) {
		*block = (struct block){(uintptr_t)p, bytes, stack};
		stack->allocs++;
		stack->alloc_bytes += bytes;
		stack->outstanding_bytes += bytes;
	} else {
		oracle.lost++;
	}
	leave();
	errno = err;
}

static void note_free(void *p)
{
	if (!p || !enter())
		return;
	struct block *block = block_find((uintptr_t)p, 0);
	if (block) {
		block->stack->frees++;
		block->stack->outstanding_bytes -= block->bytes;
		block->address = 1;
	} else {
		oracle.unmatched_frees++;
	}
	leave();
}

void *malloc(size_t bytes)
{
	void *p = __libc_malloc(bytes);

	note_alloc(p, bytes);
	return p;
}

void *calloc(size_t count, size_t bytes)
{
	void *p = __libc_calloc(count, bytes);

	note_alloc(p, count * bytes);
	return p;
}

/* A sound order under threads would need the lock held across the call: nobody else has p. */
void *realloc(void *old, size_t bytes)
{
	struct block before = {0};

	if (old && enter()) {
		struct block *block = block_find((uintptr_t)old, 0);
		if (block)
			before = *block;
		leave();
	}
	note_free(old);
	void *p = __libc_realloc(old, bytes);
	if (p)
		note_alloc(p, bytes);
	if (!p && bytes && before.address && enter()) {
		*block_find((uintptr_t)old, 1) = before;
		before.stack->frees--;
		before.stack->outstanding_bytes += before.bytes;
		leave();
	}
	return p;
}

void *reallocarray(void *old, size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = realloc(old, total);
	__asm__ volatile("" ::: "memory");
	return p;
}

void free(void *p)
{
	note_free(p);
	__libc_free(p);
}

void *memalign(size_t alignment, size_t bytes)
{
	void *p = __libc_memalign(alignment, bytes);

	note_alloc(p, bytes);
	return p;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	void *p = __libc_memalign(alignment, bytes);

	note_alloc(p, bytes);
	return p;
}

int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	if (alignment % sizeof(void *) || (alignment & (alignment - 1)) || !alignment)
		return EINVAL;
	void *p = __libc_memalign(alignment, bytes);
	if (!p)
		return ENOMEM;
	note_alloc(p, bytes);
	*ret = p;
	return 0;
}

void *valloc(size_t bytes)
{
	void *p = __libc_valloc(bytes);

	note_alloc(p, bytes);
	return p;
}

void *pvalloc(size_t bytes)
{
	void *p = __libc_pvalloc(bytes);

	note_alloc(p, bytes);
	return p;
}

static void write_report(FILE *out)
{
	const char *comma = "";

	fprintf(out,
		"{\"schema\":\"holdfast.report/1\",\"tool\":{\"name\":\"oracle\"},\"quality\":{"
		"\"lost_events\":%lu,\"unmatched_frees\":%lu},\"raw_sites\":[",
		oracle.lost, oracle.unmatched_frees);
	for (const struct stack *stack = oracle.used; stack; stack = stack->next) {
		fprintf(out,
			"%s{\"pid\":%d,\"allocator\":\"malloc\",\"allocs\":%lu,\"frees\":%lu,"
			"\"alloc_bytes\":%lu,\"outstanding_bytes\":%lu,\"outstanding_count\":%lu,"
			"\"stack\":[",
			comma, oracle.pid, stack->allocs, stack->frees, stack->alloc_bytes,
			stack->outstanding_bytes, stack->allocs - stack->frees);
		for (int j = 0; j < stack->depth; j++)
			fprintf(out, "%s{\"address\":%zu,\"module\":\"%s\"}", j ? "," : "",
				stack->frames[j].offset, stack->frames[j].module);
		fprintf(out, "]}");
		comma = ",\n";
	}
	fprintf(out, "]}\n");
}

/* Called by truth.h at go and at the account. */
void truth_oracle(int counting)
{
	if (counting) {
		oracle.pid = getpid();
		oracle.counting = 1;
		return;
	}
	if (oracle.pid != getpid() || !oracle.counting)
		return;
	oracle.counting = 0;
	const char *prefix = getenv("ORACLE_OUT");
	char path[4096];
	snprintf(path, sizeof(path), "%s.%d", prefix ? prefix : "oracle", oracle.pid);
	FILE *out = fopen(path, "w");
	if (!out)
		abort();
	write_report(out);
	fclose(out);
}

/* backtrace() loads libgcc at its first call, which allocates: before anything is counted. */
static __attribute__((constructor)) void oracle_init(void)
{
	void *frames[2];
	size_t stacks_bytes = sizeof(struct stack) * STACKS;
	size_t blocks_bytes = sizeof(struct block) * BLOCKS;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	oracle.stacks = mmap(NULL, stacks_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	oracle.blocks = mmap(NULL, blocks_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (oracle.stacks == MAP_FAILED || oracle.blocks == MAP_FAILED)
		abort();
	backtrace(frames, 2);
}
