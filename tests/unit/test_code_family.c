// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * malloc and its family, found by behaviour among other functions of libc and of this program. What this cannot find: an
 * allocator other than the libc's here (the end-to-end tests have them), or a program of some size.
 */
#include "cmocka_all.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/code/family.h"

/* libc's own, which no sanitizer stands in for. */
extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

#define PLAIN __attribute__((noipa, no_sanitize("address", "undefined")))

/* The heap of a child that stands still. */
static enum machine_access child_page(void *user, uint64_t address, uint8_t *ret_bytes)
{
	const pid_t *child = user;
	struct iovec to = {ret_bytes, MACHINE_PAGE_BYTES},
		     from = {(void *)(uintptr_t)address, MACHINE_PAGE_BYTES};

	return process_vm_readv(*child, &to, 1, &from, 1, 0) == MACHINE_PAGE_BYTES ? MACHINE_WRITE
										   : MACHINE_NONE;
}

static size_t wrapped;
static char pool[1 << 20];
static size_t pool_used;

/* What looks like it, and is not. */
PLAIN static void *wrapping_malloc(size_t size)
{
	wrapped++;
	return __libc_malloc(size);
}

PLAIN static void wrapping_free(void *block)
{
	wrapped--;
	__libc_free(block);
}

PLAIN static void *never_given_back(size_t size)
{
	void *block = pool + pool_used;

	pool_used += (size + 15) & ~15ull;
	return pool_used < sizeof(pool) ? block : NULL;
}

PLAIN static void *one_size(size_t size)
{
	(void)size;
	return __libc_malloc(64);
}

PLAIN static size_t harmless(const void *block)
{
	return wrapped += block != NULL;
}

struct list {
	struct list *next;
};

PLAIN static void free_list(struct list *list)
{
	while (list) {
		struct list *next = list->next;

		__libc_free(list);
		list = next;
	}
}

static int by_address(const void *a, const void *b)
{
	const struct code_function *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Functions, each as if it were called that often. */
static struct code_functions list_of(struct code_function *items, size_t count)
{
	qsort(items, count, sizeof(*items), by_address);
	for (size_t i = 0; i + 1 < count; i++)
		items[i].size = items[i + 1].address - items[i].address;
	return (struct code_functions){items, count};
}

static int find(struct code_functions functions, struct family *ret)
{
	struct machine_source source = {.page = child_page};
	struct machine *machine;
	pid_t child;
	uint64_t fs;
	int err;

	/* The library's lazily bound slots are filled, its caches are warm. */
	__libc_free(__libc_malloc(600));
	free(realloc(malloc(600), 3000));
	__asm__("mov %%fs:0, %0" : "=r"(fs));
	source.fs_base = fs;
	source.program_break = (uintptr_t)sbrk(0);
	child = fork();
	if (!child)
		for (;;)
			pause();
	source.user = &child;
	assert_int_equal(machine_new(&source, &machine), 0);
	err = family_find(machine, &functions, 0, ret);
	machine_free(machine);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return err;
}

static void assert_role(const struct family *family, void *function, enum family_role role)
{
	for (size_t i = 0; i < family->count; i++) {
		if (family->items[i].address == (uintptr_t)function) {
			assert_int_equal(family->items[i].role, role);
			assert_false(family->items[i].may_throw);
			return;
		}
	}
	fail_msg("a function of role %d was not found", (int)role);
}

#define AT(function, how_often)                                        \
	{                                                              \
		.address = (uintptr_t)(function), .calls = (how_often) \
	}

static void the_family_is_found_among_others(void **state)
{
	void *memalign = dlsym(dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "memalign");
	struct code_function items[] = {
		AT(strlen, 90),        AT(__libc_free, 80),  AT(harmless, 79),
		AT(wrapping_free, 78), AT(free_list, 77),    AT(never_given_back, 75),
		AT(__libc_malloc, 70), AT(one_size, 72),     AT(wrapping_malloc, 71),
		AT(memcpy, 60),        AT(__libc_calloc, 5), AT(__libc_realloc, 4),
		AT(memalign, 1),       AT(getenv, 3),        AT(atoi, 2),
	};
	struct family family = {0};

	(void)state;
	assert_non_null(memalign);
	assert_int_equal(find(list_of(items, sizeof(items) / sizeof(*items)), &family), 0);
	assert_role(&family, __libc_malloc, FAMILY_MALLOC);
	assert_role(&family, __libc_free, FAMILY_FREE);
	assert_role(&family, __libc_calloc, FAMILY_CALLOC);
	assert_role(&family, __libc_realloc, FAMILY_REALLOC);
	assert_role(&family, memalign, FAMILY_ALIGNED);
	assert_int_equal(family.count, 5);
	family_done(&family);
}

static void without_free_there_is_no_malloc(void **state)
{
	struct code_function items[] = {AT(__libc_malloc, 9), AT(harmless, 8), AT(free_list, 7),
					AT(never_given_back, 6), AT(__libc_realloc, 5)};
	struct family family = {0};

	(void)state;
	assert_int_equal(find(list_of(items, sizeof(items) / sizeof(*items)), &family), -ENOENT);
}

static void what_a_second_look_finds_is_added_once(void **state)
{
	struct family a = {calloc(2, sizeof(*a.items)), 2}, b = {calloc(2, sizeof(*b.items)), 2};
	size_t added = 9;

	(void)state;
	a.items[0].address = 1;
	a.items[1].address = b.items[0].address = 2;
	b.items[1].address = 3;
	assert_int_equal(family_merge(&a, &b, &added), 0);
	assert_int_equal(added, 1);
	assert_int_equal(a.count, 3);
	assert_int_equal(a.items[2].address, 3);
	assert_null(b.items);
	family_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_family_is_found_among_others),
		cmocka_unit_test(without_free_there_is_no_malloc),
		cmocka_unit_test(what_a_second_look_finds_is_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
