// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * build: -O2 -mbmi -mbmi2 -mpopcnt
 *
 * The machine against the processor: functions of this program and of libc run on both, on the same memory, and must
 * give the same. What this cannot find: instructions that none of these functions has.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/random.h"
#include "process/code/machine.h"

#define PLAIN __attribute__((noinline, noclone, no_sanitize("address", "undefined")))

/* This process's own memory, writable for the machine, which copies it. */
static enum machine_access own_page(void *user, uint64_t address, uint8_t *ret_bytes)
{
	struct iovec to = {ret_bytes, MACHINE_PAGE_BYTES},
		     from = {(void *)(uintptr_t)address, MACHINE_PAGE_BYTES};

	(void)user;
	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == MACHINE_PAGE_BYTES ? MACHINE_WRITE
										     : MACHINE_NONE;
}

static struct machine *machine_of_self(void)
{
	static struct machine_source source = {.page = own_page};
	struct machine *machine;
	uint64_t fs;

	__asm__("mov %%fs:0, %0" : "=r"(fs));
	source.fs_base = fs;
	assert_int_equal(machine_new(&source, &machine), 0);
	return machine;
}

static int run(struct machine *m, const void *function, const uint64_t arguments[3], uint64_t *ret)
{
	struct machine_call call = {
		.entry = (uintptr_t)function,
		.arguments = {arguments[0], arguments[1], arguments[2], MACHINE_POISON,
			      MACHINE_POISON, MACHINE_POISON},
		.steps_max = 200000,
	};

	return machine_call(m, &call, ret);
}

typedef uint64_t function3(uint64_t a, uint64_t b, uint64_t c);

PLAIN static uint64_t arithmetic(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t r = a * b + (a >> (c & 63)) - (b << (a & 31));

	r ^= (uint64_t)((int64_t)a >> (b & 63)) + (uint32_t)c * 3;
	r += (a < b) + 2 * ((int64_t)a < (int64_t)b) + 4 * ((int32_t)a <= (int32_t)c);
	return r - (uint8_t)a + (uint64_t)(int8_t)b + (uint64_t)(int16_t)c;
}

PLAIN static uint64_t division(uint64_t a, uint64_t b, uint64_t c)
{
	b |= 1;
	c |= 1;
	return a / b + a % b + (uint64_t)((int64_t)a / (int64_t)(c >> 1 | 1)) +
	       (uint32_t)a / (uint32_t)c + (uint64_t)((int32_t)a % (int32_t)(c >> 40 | 1));
}

PLAIN static uint64_t wide(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 p = (unsigned __int128)a * b + c;
	uint64_t overflowed;

	overflowed = __builtin_mul_overflow(a, b, &a) + 2 * __builtin_add_overflow(b, c, &b);
	p = p << (c & 127) | p >> (a & 127);
	return (uint64_t)p ^ (uint64_t)(p >> 64) ^ overflowed;
}

PLAIN static uint64_t bits(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t r = (uint64_t)__builtin_popcountll(a) + (b ? (uint64_t)__builtin_clzll(b) : 7);

	r += (c ? (uint64_t)__builtin_ctzll(c) : 9) + __builtin_bswap64(a) +
	     __builtin_bswap32((uint32_t)b);
	r = r << 13 | r >> 51;
	r ^= (a & (a - 1)) + (b & -b) + (~a & c) +
	     ((uint32_t)c >> (a & 31) | (uint32_t)c << (-a & 31));
	return r + (a >> (b & 63) & 1);
}

PLAIN static uint64_t atomics(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t word = a, expected = b & 1 ? a : c;
	uint32_t small = (uint32_t)c;
	bool swapped = __atomic_compare_exchange_n(&word, &expected, b, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);

	__atomic_fetch_add(&small, (uint32_t)b, __ATOMIC_SEQ_CST);
	return word + expected + swapped + __atomic_exchange_n(&small, 5, __ATOMIC_SEQ_CST) + small;
}

PLAIN static uint64_t memory(uint64_t a, uint64_t b, uint64_t c)
{
	uint8_t bytes[300], copy[300];
	size_t size = b % sizeof(bytes);
	uint64_t sum = 0;

	memset(bytes, (int)a, sizeof(bytes));
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(a >> i % 57) ^ (uint8_t)i;
	memcpy(copy, bytes, sizeof(copy));
	memmove(copy + c % 100, copy, 200);
	memset(copy + c % 64, (int)b, size / 2);
	for (size_t i = 0; i < sizeof(copy); i++)
		sum = sum * 31 + copy[i];
	return sum + strnlen((const char *)bytes, sizeof(bytes));
}

PLAIN static uint64_t text(uint64_t a, uint64_t b, uint64_t c)
{
	char digits[40];

	(void)c;
	for (unsigned int i = 0; i < 16; i++)
		digits[i] = "0123456789abcdef"[a >> 4 * i & 15];
	digits[1 + b % 16] = '\0';
	return strtoul(digits, NULL, 16) + strlen(digits) + (strchr(digits, '7') != NULL);
}

static void functions_give_what_the_processor_gives(void **state)
{
	static function3 *const functions[] = {arithmetic, division, wide, bits,
					       atomics,    memory,   text};
	struct machine *m = machine_of_self();
	uint64_t seed = 12345, arguments[3], result, expected;

	(void)state;
	for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
		for (int i = 0; i < 300; i++) {
			for (int k = 0; k < 3; k++)
				arguments[k] = random_next(&seed) >> (random_next(&seed) & 63);
			/* First here: what it calls in libraries is bound at the first call. */
			expected = functions[f](arguments[0], arguments[1], arguments[2]);
			machine_refresh(m);
			result = 0;
			int err = run(m, (const void *)(uintptr_t)functions[f], arguments, &result);

			if (err)
				fail_msg("function %zu ended: %d", f, err);
			if (result != expected)
				fail_msg("function %zu of %lx %lx %lx gives %lx", f, arguments[0],
					 arguments[1], arguments[2], result);
		}
	}
	machine_free(m);
}

/*
 * AVX-512, as libc's string functions have it: INSN on zmm16, zmm17 and the masks k1 and k2, into zmm18, k3, %[to] or the flags; all
 * of which is returned as one number.
 */
static uint8_t from[2][64], to[64];

static uint64_t digest(const uint8_t result[64], uint64_t mask, uint64_t flags)
{
	uint64_t sum = mask * 31 + flags;

	for (unsigned int i = 0; i < 64; i++)
		sum = (sum ^ result[i] ^ (uint64_t)to[i] << 8) * 0x100000001b3;
	return sum;
}

#define VECTOR(number, insn)                                                                       \
	PLAIN static uint64_t vector_##number(uint64_t a, uint64_t b, uint64_t c)                  \
	{                                                                                          \
		uint8_t result[64], carry, zero;                                                   \
		uint64_t mask;                                                                     \
                                                                                                   \
		(void)c;                                                                           \
		__asm__ volatile(                                                                  \
			"vmovdqu64 %[from0], %%zmm16\n\tvmovdqu64 %[from1], %%zmm17\n\t"           \
			"vpxorq %%zmm16, %%zmm17, %%zmm18\n\tkmovq %[a], %%k1\n\t"                 \
			"kmovq %[b], %%k2\n\tkxnorq %%k1, %%k2, %%k3\n\txor %%eax, %%eax\n\t" insn \
			"\n\tsetc %[carry]\n\tsetz %[zero]\n\t"                                    \
			"vmovdqu64 %%zmm18, %[result]\n\tkmovq %%k3, %[mask]"                      \
			: [result] "=m"(result), [to] "+m"(to), [mask] "=&r"(mask),                \
			  [carry] "=&q"(carry), [zero] "=&q"(zero)                                 \
			: [from0] "m"(from[0]), [from1] "m"(from[1]), [a] "r"(a), [b] "r"(b)       \
			: "cc", "memory", "rax");                                                  \
		return digest(result, mask, carry + 2u * zero);                                    \
	}

#define VECTORS(X)                                                  \
	X(1, "vpaddb %%zmm16, %%zmm17, %%zmm18%{%%k1%}")            \
	X(2, "vpsubd %%ymm16, %%ymm17, %%ymm18%{%%k1%}%{z%}")       \
	X(3, "vpminub %[from1], %%zmm16, %%zmm18%{%%k2%}%{z%}")     \
	X(4, "vpminud %%zmm16, %%zmm17, %%zmm18")                   \
	X(5, "vpternlogd $0x6a, %%zmm16, %%zmm17, %%zmm18%{%%k1%}") \
	X(6, "vpandnq %%zmm16, %%zmm17, %%zmm18")                   \
	X(7, "vpcmpub $1, %%zmm16, %%zmm17, %%k3%{%%k1%}")          \
	X(8, "vpcmpub $4, %[from0], %%ymm17, %%k3%{%%k2%}")         \
	X(9, "vpcmpb $6, %%zmm16, %%zmm17, %%k3")                   \
	X(10, "vpcmpd $2, %%zmm16, %%zmm17, %%k3")                  \
	X(11, "vpcmpeqb %%zmm16, %%zmm17, %%k3%{%%k1%}")            \
	X(12, "vpcmpgtb %%xmm16, %%xmm17, %%k3")                    \
	X(13, "vptestnmb %%zmm16, %%zmm17, %%k3")                   \
	X(14, "vptestmd %%zmm16, %%zmm17, %%k3%{%%k1%}")            \
	X(15, "vmovdqu8 %[from1], %%zmm18%{%%k1%}%{z%}")            \
	X(16, "vmovdqu8 %[from1], %%ymm18%{%%k1%}")                 \
	X(17, "vmovdqu8 %%zmm16, %[to]%{%%k1%}")                    \
	X(18, "vmovdqu32 %%zmm16, %[to]%{%%k1%}")                   \
	X(19, "vpbroadcastb %%xmm16, %%zmm18")                      \
	X(20, "vpbroadcastd %k[a], %%ymm18%{%%k2%}")                \
	X(21, "vpalignr $5, %%zmm16, %%zmm17, %%zmm18")             \
	X(22, "vpshufb %%zmm16, %%zmm17, %%zmm18")                  \
	X(23, "kunpckdq %%k1, %%k2, %%k3")                          \
	X(24, "kunpckbw %%k1, %%k2, %%k3")                          \
	X(25, "kortestd %%k1, %%k2")                                \
	X(26, "kortestq %%k3, %%k1\n\tkshiftrq $3, %%k1, %%k3")     \
	X(27, "ktestd %%k1, %%k2\n\tkorw %%k1, %%k2, %%k3")         \
	X(28, "kandnq %%k1, %%k2, %%k3\n\tkaddb %%k3, %%k1, %%k3")  \
	X(29, "vmovdqa64 %%ymm16, %%ymm18\n\tknotd %%k1, %%k3")     \
	X(30, "vpcmpeqd %%ymm16, %%ymm17, %%k3\n\tkmovb %%k3, %%k3")
VECTORS(VECTOR)

static void masks_and_vectors_give_what_the_processor_gives(void **state)
{
#define X(number, insn) vector_##number,
	static function3 *const functions[] = {VECTORS(X)};
#undef X
	struct machine *m;
	uint64_t seed = 999, arguments[3], result, expected;

	(void)state;
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
		skip();
	m = machine_of_self();
	for (size_t f = 0; f < 20 * sizeof(functions) / sizeof(functions[0]); f++) {
		for (int i = 0; i < 128; i++) /* few values, so that some are equal */
			from[i / 64][i % 64] = (uint8_t)(random_next(&seed) % 5 * 63);
		for (int k = 0; k < 3; k++)
			arguments[k] = f % 3 ? random_next(&seed) : 0 - (f & 1);
		memset(to, 7, sizeof(to));
		machine_reset(m);
		machine_refresh(m);
		int err = run(m, (const void *)(uintptr_t)functions[f / 20], arguments, &result);

		expected = functions[f / 20](arguments[0], arguments[1], arguments[2]);
		if (err || result != expected)
			fail_msg("vector_%zu: %d, or another result", f / 20 + 1, err);
	}
	machine_free(m);
}

static void a_masked_store_writes_what_the_mask_says(void **state)
{
	/* mov %rdi,%rax; kmovd %esi,%k1; vmovdqu8 %ymm0,(%rax){%k1}; ret */
	static const uint8_t code[] = {0x48, 0x89, 0xf8, 0xc5, 0xfb, 0x92, 0xce,
				       0x62, 0xf1, 0x7f, 0x29, 0x7f, 0x00, 0xc3};
	static uint8_t where[64];
	const uint64_t arguments[3] = {(uintptr_t)where, 0x80000005, 0};
	struct machine *m = machine_of_self();
	uint8_t seen[64];
	uint64_t result;

	(void)state;
	memset(where, 1, sizeof(where));
	assert_int_equal(run(m, code, arguments, &result), 0);
	assert_true(machine_read(m, (uintptr_t)where, seen, sizeof(seen)));
	for (unsigned int i = 0; i < sizeof(seen); i++)
		assert_int_equal(seen[i] == 1, i > 31 || !(0x80000005u >> i & 1));
	machine_free(m);
}

static uint64_t counter;

PLAIN static uint64_t count(uint64_t a, uint64_t b, uint64_t c)
{
	*(volatile uint64_t *)&counter += a;
	(void)b;
	(void)c;
	return counter;
}

static void what_a_call_writes_is_the_machines_alone_until_it_is_reset(void **state)
{
	static const uint64_t arguments[3] = {5, 0, 0};
	struct machine *m = machine_of_self();
	uint64_t result;

	(void)state;
	counter = 10;
	assert_int_equal(run(m, (const void *)(uintptr_t)count, arguments, &result), 0);
	assert_int_equal(run(m, (const void *)(uintptr_t)count, arguments, &result), 0);
	assert_int_equal(result, 20);
	assert_int_equal(counter, 10);
	assert_true(machine_wrote(m));
	machine_reset(m);
	assert_int_equal(run(m, (const void *)(uintptr_t)count, arguments, &result), 0);
	assert_int_equal(result, 15);
	counter = 100;
	assert_true(machine_refresh(m));
	assert_int_equal(run(m, (const void *)(uintptr_t)count, arguments, &result), 0);
	assert_int_equal(result, 105);
	machine_free(m);
}

static int run_bytes(const uint8_t *code, size_t size)
{
	static const uint64_t arguments[3] = {0, 0, 0};
	struct machine *m = machine_of_self();
	uint8_t *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t result;
	int err;

	assert_true(page != MAP_FAILED);
	memcpy(page, code, size);
	err = run(m, page, arguments, &result);
	munmap(page, 4096);
	machine_free(m);
	return err;
}

#define RUN(...) run_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void code_that_does_not_end_well_is_told(void **state)
{
	(void)state;
	assert_int_equal(RUN(0xc3), 0);
	assert_int_equal(RUN(0xeb, 0xfe), -E2BIG);                    /* jmp . */
	assert_int_equal(RUN(0x53, 0xc3), -EFAULT);                   /* push %rbx; ret */
	assert_int_equal(RUN(0x5b, 0x53, 0x31, 0xdb, 0xc3), -EPROTO); /* changes rbx */
	assert_int_equal(RUN(0xf4), -ENOTSUP);                        /* hlt */
	assert_int_equal(RUN(0x06), -EILSEQ);
	assert_int_equal(RUN(0x48, 0x8b, 0x00, 0xc3), -EFAULT); /* mov (%rax),%rax: poison */
	/* exit(2) and futex(2) */
	assert_int_equal(RUN(0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0xc3), -ENOTSUP);
	assert_int_equal(RUN(0xb8, 202, 0, 0, 0, 0x0f, 0x05, 0xc3), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_give_what_the_processor_gives),
		cmocka_unit_test(masks_and_vectors_give_what_the_processor_gives),
		cmocka_unit_test(a_masked_store_writes_what_the_mask_says),
		cmocka_unit_test(what_a_call_writes_is_the_machines_alone_until_it_is_reset),
		cmocka_unit_test(code_that_does_not_end_well_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
