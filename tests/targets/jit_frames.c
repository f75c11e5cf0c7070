// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jit_frames: code made at run time, with frame pointers and without unwind tables, calls malloc.
 *
 * The stack is malloc < jit_inner < jit_outer < allocate_through_jit: 100 blocks of 88 B, 60 freed.
 * allocate_beside_jit calls malloc from C in between. With --perf-map=1 the two pieces of code are
 * named in /tmp/perf-PID.map, which is removed at the end.
 */
#include "truth.h"

#include <stdint.h>
#include <sys/mman.h>

TRUTH_SITE(allocate_through_jit);
TRUTH_SITE(allocate_beside_jit);

typedef void *(*allocate_function)(size_t bytes);

/* push rbp; mov rbp, rsp; sub rsp, 32; movabs rax, target; call rax; leave; ret */
static size_t emit(unsigned char *at, const void *target)
{
	static const unsigned char head[] = {0x55, 0x48, 0x89, 0xe5, 0x48,
					     0x83, 0xec, 0x20, 0x48, 0xb8};
	static const unsigned char tail[] = {0xff, 0xd0, 0xc9, 0xc3};

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), &target, sizeof(target));
	memcpy(at + sizeof(head) + sizeof(target), tail, sizeof(tail));
	return sizeof(head) + sizeof(target) + sizeof(tail);
}

static void write_perf_map(const unsigned char *code, size_t bytes)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *out = fopen(path, "we");
	if (!out)
		_exit(71);
	fprintf(out, "%lx %zx jit_inner\n%lx %zx jit_outer\n", (unsigned long)(uintptr_t)code,
		bytes, (unsigned long)(uintptr_t)(code + 64), bytes);
	fclose(out);
}

static void remove_perf_map(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	unlink(path);
}

TRUTH_FN static void *allocate_through_jit(allocate_function outer, size_t bytes)
{
	void *p = outer(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(allocate_through_jit, bytes);
	return p;
}

TRUTH_FN static void allocate_beside_jit(void)
{
	void *p = malloc(12);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(allocate_beside_jit, 12);
}

int main(int argc, char **argv)
{
	long with_map = truth_argument(argc, argv, "--perf-map", 0);
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	allocate_function outer;

	if (code == MAP_FAILED)
		return 71;
	size_t bytes = emit(code, (const void *)malloc);
	emit(code + 64, code);
	*(void **)&outer = code + 64;
	if (with_map)
		write_perf_map(code, bytes);
	truth_begin(argc, argv);
	for (int i = 0; i < 100; i++) {
		void *p = allocate_through_jit(outer, 88);

		allocate_beside_jit();
		if (i % 5 < 2)
			continue;
		TRUTH_FREE(allocate_through_jit, 88);
		free(p);
	}
	truth_end();
	if (with_map)
		remove_perf_map();
	return 0;
}
