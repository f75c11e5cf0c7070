// SPDX-License-Identifier: GPL-2.0-or-later
// build: -fcf-protection=none
/*
 * usdt_alloc: an allocator of the program's own, from mmap, that tells of its blocks by the USDTs otel_memory:alloc and
 * free, with a semaphore, as sys/sdt.h would write them. Each site has its arguments elsewhere: in registers, in memory
 * (of 8 and of 4 bytes), as constants. malloc is used beside it, and is not to be seen.
 *
 * in_registers: 100 blocks of 24 B, half left. in_memory: 50 of 500 B. of_constant_size: 30 of 64 B. freed_elsewhere: all
 * given back. unseen_malloc: declares nothing.
 */

#include "truth.h"

#include <stdint.h>
#include <sys/mman.h>

/* Counted up by who listens. */
__attribute__((section(".probes"), used)) unsigned short otel_alloc_semaphore;
__attribute__((section(".probes"), used)) unsigned short otel_free_semaphore;

/* A note as systemtap's sys/sdt.h lays it out; OPERANDS is a text of the compiler's operands. */
#define NOTE(name, semaphore, operands)                                          \
	"990: nop\n"                                                             \
	".pushsection .note.stapsdt,\"\",\"note\"\n"                             \
	".balign 4\n"                                                            \
	".4byte 992f-991f, 994f-993f, 3\n"                                       \
	"991: .asciz \"stapsdt\"\n"                                              \
	"992: .balign 4\n"                                                       \
	"993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                      \
	".asciz \"otel_memory\"\n.asciz \"" name "\"\n.asciz \"" operands "\"\n" \
	"994: .balign 4\n.popsection\n"                                          \
	".ifndef _.stapsdt.base\n"                                               \
	".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"  \
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"                         \
	"_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n"                    \
	".popsection\n.endif\n"

TRUTH_SITE(in_registers);
TRUTH_SITE(in_memory);
TRUTH_SITE(of_constant_size);
TRUTH_SITE(freed_elsewhere);

static char *pool;
static size_t pool_used;
static unsigned long passed;

static void *carve(size_t size)
{
	void *p = pool + pool_used;

	pool_used += (size + 15) & ~(size_t)15;
	return p;
}

/* The compiler chooses the registers; and the slow way is taken only if somebody listens. */
static void *carve_told(size_t size)
{
	void *p = carve(size);

	if (otel_alloc_semaphore) {
		passed++;
		__asm__ volatile(NOTE("alloc", "otel_alloc_semaphore", "8@%0 8@%1 8@%1")
				 :
				 : "r"(p), "r"(size)
				 : "memory");
	}
	return p;
}

static void give_back(void *p)
{
	if (otel_free_semaphore)
		__asm__ volatile(NOTE("free", "otel_free_semaphore", "8@%0") : : "r"(p) : "memory");
}

TRUTH_FN static void in_registers(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = carve_told(24);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(in_registers, 24);
		if (i % 2) {
			TRUTH_FREE(in_registers, 24);
			give_back(p);
		}
	}
}

struct told {
	uint64_t before;
	int32_t size;
	int32_t after;
	void *block;
};

TRUTH_FN static void in_memory(void)
{
	struct told told[2] = {{0}};
	uint64_t one = 1;

	for (int i = 0; i < 50; i++) {
		told[1] = (struct told){~0ull, 500, -1, carve(500)};
		TRUTH_HIDE(one);
		TRUTH_ALLOC(in_memory, 500);
		/* block: base and index; size: four bytes, signed */
		__asm__ volatile("mov %0, %%r12\nmov %1, %%r11\n" NOTE(
					 "alloc", "0", "8@16(%%r12,%%r11,8) -4@32(%%r12)")
				 :
				 : "r"(told), "r"(one * 3)
				 : "r11", "r12", "memory");
	}
}

TRUTH_FN static void of_constant_size(void)
{
	for (int i = 0; i < 30; i++) {
		void *p = carve(64);

		TRUTH_ALLOC(of_constant_size, 64);
		__asm__ volatile("mov %0, %%r10\n" NOTE("alloc", "otel_alloc_semaphore",
							"8@%%r10 8@$64 8@$524288")
				 :
				 : "r"(p)
				 : "r10", "memory");
	}
}

TRUTH_FN static void freed_elsewhere(void)
{
	void *blocks[20];

	for (int i = 0; i < 20; i++) {
		blocks[i] = carve_told(100);
		TRUTH_ALLOC(freed_elsewhere, 100);
	}
	for (int i = 0; i < 20; i++) {
		TRUTH_FREE(freed_elsewhere, 100);
		give_back(blocks[i]);
	}
}

TRUTH_FN static void unseen_malloc(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = malloc(1000);

		TRUTH_HIDE(p);
	}
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	void *warm;

	pool = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* libc's heap has grown before anybody looks */
	warm = malloc(20000);
	TRUTH_HIDE(warm);
	free(warm);
	truth_begin(argc, argv);
	in_registers();
	in_memory();
	of_constant_size();
	freed_elsewhere();
	unseen_malloc();
	truth_end();
	return 0;
}
