// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ways to hold a block that are easily overlooked: none of these blocks may ever be called lost. Each role holds its
 * blocks in one such way only.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "heap_subject.h"

#define BLOCKS 200
#define BYTES  72
#define PAGE   4096ul

static void *volatile anchor; /* held for good */

static __attribute__((noinline)) void fill(void *volatile *table)
{
	for (int i = 0; i < BLOCKS; i++) {
		void *block = malloc(BYTES);

		memset(block, 7, BYTES);
		table[i] = block;
	}
}

static void stay(void)
{
	for (;;) {
		subject_forget();
		subject_ready();
	}
}

static void *map(size_t bytes, int prot, int flags, int fd)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

/* The table is out of reach of everything but its mapping. */
static void fill_mapping(int flags, int fd, int prot_after)
{
	void *table = map(PAGE * 2, PROT_READ | PROT_WRITE, flags, fd);

	fill(table);
	mprotect(table, PAGE * 2, prot_after);
	stay();
}

#define RW (PROT_READ | PROT_WRITE)

static void shared_anonymous(void)
{
	fill_mapping(MAP_SHARED | MAP_ANONYMOUS, -1, RW);
}

static void shared_named(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/dev/shm/holdfast-test.%d", (int)getpid());
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	unlink(name);
	if (ftruncate(fd, PAGE * 2) < 0)
		_exit(1);
	fill_mapping(MAP_SHARED, fd, RW);
}

static void private_zero_device(void)
{
	fill_mapping(MAP_PRIVATE, open("/dev/zero", O_RDWR), RW);
}

static void shared_made_read_only(void)
{
	int fd = memfd_create("test", 0);

	if (ftruncate(fd, PAGE * 2) < 0)
		_exit(1);
	fill_mapping(MAP_SHARED, fd, PROT_READ);
}

static void private_made_read_only(void)
{
	fill_mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1, PROT_READ);
}

static void made_inaccessible(void)
{
	fill_mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1, PROT_NONE);
}

/* Freed blocks of all small sizes in the thread's cache. */
static __attribute__((noinline)) void fill_cache(void)
{
	void *blocks[7];

	for (size_t size = 24; size <= 1000; size += 48) {
		for (int i = 0; i < 7; i++)
			blocks[i] = malloc(size);
		for (int i = 0; i < 7; i++)
			free(blocks[i]);
	}
}

static __thread void *volatile lookalike;

/* A block of the size of a cache, and empty, that a thread-local variable points to. */
static void cache_lookalike(void)
{
	lookalike = calloc(1, 640);
	fill_cache();
	stay();
}

static __thread volatile char storage[300000];

static void deep_storage(void)
{
	storage[sizeof(storage) / 2] = 1;
	fill_cache();
	stay();
}

static void *hold_in_result(void *unused)
{
	(void)unused;
	return memset(malloc(BYTES), 9, BYTES);
}

static void await_threads(int count)
{
	char path[64];
	int left;

	do {
		FILE *status = fopen("/proc/self/status", "r");

		left = 0;
		while (status && fgets(path, sizeof(path), status))
			sscanf(path, "Threads: %d", &left);
		fclose(status);
		usleep(1000);
	} while (left != count);
}

/* Their results wait for who joins them. */
static void threads_not_joined(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	for (int i = 0; i < 64; i++)
		pthread_create(&thread, &attributes, hold_in_result, NULL);
	await_threads(1);
	stay();
}

#define PART (1024ul << 10)

static ucontext_t outer, inner;

static void run_inner(void)
{
	stay();
}

static void *run_with_table_on_stack(void *other_stack)
{
	void *volatile table[BLOCKS];

	fill(table);
	getcontext(&inner);
	inner.uc_stack.ss_sp = other_stack;
	inner.uc_stack.ss_size = PART;
	inner.uc_link = &outer;
	makecontext(&inner, run_inner, 0);
	swapcontext(&outer, &inner);
	return table[0];
}

/* An inaccessible page, then @parts in one mapping. */
static char *map_behind_guard(size_t parts)
{
	char *p = map(PAGE + parts * PART, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	mprotect(p + PAGE, parts * PART, RW);
	return p + PAGE;
}

static void run_on(char *stack, void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, PART);
	pthread_create(&thread, &attributes, run, argument);
	pthread_join(thread, NULL);
}

/* The thread runs on another stack, which lies above its own in the same mapping. */
static void coroutine_above(void)
{
	char *stacks = map_behind_guard(2);

	run_on(stacks, run_with_table_on_stack, stacks + PART);
}

static void *stay_there(void *unused)
{
	stay();
	return unused;
}

/* Data lies between something inaccessible and a stack. */
static void data_below_stack(void)
{
	char *parts = map_behind_guard(2);

	fill((void *volatile *)(void *)parts);
	run_on(parts + PART, stay_there, NULL);
}

static pthread_barrier_t barrier;

static void *fill_and_wait(void *unused)
{
	fill_cache();
	pthread_barrier_wait(&barrier);
	pause();
	return unused;
}

/* A child has one thread; what the others had in their caches was freed. */
static void forked_from_threads(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, fill_and_wait, NULL);
	pthread_barrier_wait(&barrier);
	if (!fork())
		stay();
	pause();
}

/* Memory of the program's own that looks like a block of malloc's in its middle. */
static void pool_that_looks_mapped(void)
{
	char *pool = map(PART, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t header[2] = {0, 20 * PAGE | 2};

	memcpy(pool + 3 * PAGE, header, sizeof(header));
	fill((void *volatile *)(void *)(pool + 5 * PAGE));
	anchor = pool;
	stay();
}

#define KEY 0x5555555555555555ul

/* Nothing but a register, in a system call, leads to all of it. */
static __attribute__((noinline)) void wait_with(uint64_t hidden)
{
	pid_t self = getpid();
	char order;
	long got;

	if (write(1, &self, sizeof(self)) != sizeof(self))
		_exit(0);
	do {
		register uint64_t held __asm__("rbx") = hidden;

		__asm__ volatile("xor %[key], %[held]; syscall; xor %[key], %[held]"
				 : "=a"(got), [held] "+r"(held)
				 : "a"(SYS_read), "D"(0), "S"(&order), "d"(1), [key] "r"(KEY)
				 : "rcx", "r11", "memory");
		hidden = held;
	} while (got == -EINTR);
	_exit(0);
}

static __attribute__((noinline)) uint64_t hide_table(void)
{
	void *volatile *table = malloc(BLOCKS * sizeof(*table));

	fill(table);
	return (uintptr_t)table ^ KEY;
}

static void register_only(void)
{
	uint64_t hidden = hide_table();

	subject_forget();
	wait_with(hidden);
}

/* Connections that only the kernel knows of. */
static void epoll_data(void)
{
	int queue = epoll_create1(0);

	for (int i = 0; i < BLOCKS; i++) {
		struct epoll_event event = {EPOLLIN, {memset(malloc(BYTES), 1, BYTES)}};

		epoll_ctl(queue, EPOLL_CTL_ADD, eventfd(0, 0), &event);
	}
	stay();
}

static void *outlive(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	stay();
	return NULL;
}

static pthread_t first_thread;

/* The first thread has ended, the process goes on. */
static void leader_gone(void)
{
	pthread_t thread;
	void *table = map(PAGE * 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	fill(table);
	first_thread = pthread_self();
	pthread_create(&thread, NULL, outlive, &first_thread);
	pthread_exit(NULL);
}

static void *key_value;

static void thread_specific(void)
{
	pthread_key_t key;

	pthread_key_create(&key, NULL);
	key_value = malloc(BLOCKS * sizeof(void *));
	fill(key_value);
	pthread_setspecific(key, key_value);
	key_value = NULL;
	stay();
}

static const struct subject_role roles[] = {
	{"shared_anonymous", shared_anonymous},
	{"shared_named", shared_named},
	{"private_zero_device", private_zero_device},
	{"shared_made_read_only", shared_made_read_only},
	{"private_made_read_only", private_made_read_only},
	{"made_inaccessible", made_inaccessible},
	{"cache_lookalike", cache_lookalike},
	{"deep_storage", deep_storage},
	{"threads_not_joined", threads_not_joined},
	{"coroutine_above", coroutine_above},
	{"data_below_stack", data_below_stack},
	{"forked_from_threads", forked_from_threads},
	{"pool_that_looks_mapped", pool_that_looks_mapped},
	{"register_only", register_only},
	{"epoll_data", epoll_data},
	{"leader_gone", leader_gone},
	{"thread_specific", thread_specific},
	{NULL, NULL},
};

static void show_lost(const struct heap_snapshot *s)
{
	for (size_t i = 0; i < s->lost_total && i < 5; i++)
		print_message("# lost: %#lx, %lu bytes, %d looks, confirmed %d\n",
			      s->lost[i].address, s->lost[i].size_bytes, s->lost[i].looks,
			      s->lost[i].confirmed);
}

/* Until it waits in read(2): it says that it is ready before what it holds is in the register. */
static void await_read(const struct subject *subject)
{
	char path[64], text[8] = "";
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/syscall", subject->pid);
	for (int i = 0; i < 10000 && strncmp(text, "0 ", 2) != 0; i++) {
		usleep(i ? 1000 : 0);
		stream = fopen(path, "re");
		assert_non_null(stream);
		assert_non_null(fgets(text, sizeof(text), stream));
		fclose(stream);
	}
	assert_int_equal(strncmp(text, "0 ", 2), 0);
}

static void start(struct subject *subject, const char *role)
{
	subject_start(subject, role);
	if (!strcmp(role, "register_only"))
		await_read(subject);
}

/* @most: suspects of one look, which are not told. */
static void expect_none_lost(const char *role, size_t most)
{
	struct heap_snapshot *first, *second;
	struct subject subject;

	start(&subject, role);
	first = subject_scan(&subject, NULL);
	second = subject_scan(&subject, first);
	if (first->lost_total > most || second->lost_count) {
		print_message("# %s: %zu suspects, %lu lost\n", role, first->lost_total,
			      second->lost_count);
		show_lost(second);
	}
	assert_int_equal(second->lost_count, 0);
	assert_true(first->lost_total <= most);
	heap_snapshot_free(first);
	heap_snapshot_free(second);
	subject_stop(&subject);
}

#define HELD(role, most)                         \
	static void role##_is_held(void **state) \
	{                                        \
		(void)state;                     \
		expect_none_lost(#role, most);   \
	}

HELD(shared_anonymous, 0)
HELD(shared_named, 0)
HELD(private_zero_device, 0)
HELD(shared_made_read_only, 0)
HELD(private_made_read_only, 0)
HELD(made_inaccessible, 0)
HELD(cache_lookalike, 0)
HELD(deep_storage, 0)
HELD(threads_not_joined, 0)
HELD(coroutine_above, 0)
HELD(data_below_stack, 0)
HELD(forked_from_threads, 0)
HELD(pool_that_looks_mapped, 0)
HELD(register_only, 0)
HELD(epoll_data, BLOCKS)
HELD(leader_gone, 0)
HELD(thread_specific, 0)

/* A heap that would be stopped for too long is looked at in rounds: registers hold there too. */
static void a_register_holds_in_rounds_too(void **state)
{
	struct heap_snapshot *first = NULL, *second = NULL;
	struct heap_scan_options options;
	struct subject subject;

	(void)state;
	start(&subject, "register_only");
	options = subject_options(&subject, NULL);
	options.rate_bytes_per_second = 1; /* known to be slow */
	options.max_stop_ns = 50000000;
	assert_int_equal(subject_scan_by(&options, &first), 0);
	assert_false(first->stopped);
	assert_int_equal(first->lost_total, 0);
	options.before = first;
	assert_int_equal(subject_scan_by(&options, &second), 0);
	assert_int_equal(second->lost_count, 0);
	heap_snapshot_free(first);
	heap_snapshot_free(second);
	subject_stop(&subject);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_anonymous_is_held),
		cmocka_unit_test(shared_named_is_held),
		cmocka_unit_test(private_zero_device_is_held),
		cmocka_unit_test(shared_made_read_only_is_held),
		cmocka_unit_test(private_made_read_only_is_held),
		cmocka_unit_test(made_inaccessible_is_held),
		cmocka_unit_test(cache_lookalike_is_held),
		cmocka_unit_test(deep_storage_is_held),
		cmocka_unit_test(threads_not_joined_is_held),
		cmocka_unit_test(coroutine_above_is_held),
		cmocka_unit_test(data_below_stack_is_held),
		cmocka_unit_test(forked_from_threads_is_held),
		cmocka_unit_test(pool_that_looks_mapped_is_held),
		cmocka_unit_test(register_only_is_held),
		cmocka_unit_test(epoll_data_is_held),
		cmocka_unit_test(leader_gone_is_held),
		cmocka_unit_test(thread_specific_is_held),
		cmocka_unit_test(a_register_holds_in_rounds_too),
	};

	subject_run(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
