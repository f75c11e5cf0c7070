/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * truth.h: what a truth program declares about itself, so that holdfast's report can be compared
 * with it to the byte. Header only; C11 and C++17; include it in exactly one file of a program.
 *
 * The conversation, on stdin and stdout, one line each:
 *
 *	program                      driver
 *	ready PID                ->
 *	                         <-  go                 (holdfast has attached)
 *	child PID                ->                     only after a fork that is to be followed
 *	                         <-  go                 (holdfast has attached to the child)
 *	                         <-  stat | stop        only endless programs: truth_until_stop()
 *	{"pid":PID, ...}         ->                     the account: one line from each process
 *	                         <-  end
 *
 * End of file on stdin answers every wait, so that nothing is left behind when the driver dies;
 * --auto answers every wait with no reading at all.
 *
 * The account of a process:
 *	{"pid":N, "final":true, "sites":[{"function", "allocator", "outstanding_bytes",
 *	  "outstanding_count", "inherited_bytes", "inherited_count", "allocs", "frees", "alloc_bytes"}],
 *	 "mappings":[{"function", "outstanding_bytes"}], "faults":[{"function", "memory", "bytes"}],
 *	 "children":[pid], "free_before_attach":N, "tolerated":["function"]}
 * "final" is true in the line of the process that was started, false in those of its children.
 *
 * What is counted, and where:
 * - bytes are those requested; a block belongs to the site function that allocated it, and so does
 *   its free, whoever frees it;
 * - a realloc that succeeds frees the old block at the old block's site and allocates the new one
 *   at its own, even if the block did not move; realloc(p, 0) only frees; one that fails is nothing;
 * - malloc(0) is one block of 0 bytes; calls that fail, and free(NULL), are nothing;
 * - allocs, frees and alloc_bytes are null where a library makes calls on the way whose number is
 *   its own affair (TRUTH_SITE_OPAQUE); what is outstanding is still exact;
 * - after a fork the child starts with what the parent held, as inherited_*: it is part of
 *   outstanding_*, and not of allocs;
 * - a mapping's bytes are those still mapped, to whole pages;
 * - faults: bytes that became resident because this function touched them, by kind of memory;
 * - a function named in "tolerated" causes allocations that the program cannot count (glibc's own
 *   thread descriptors, say): a report may show them.
 *
 * The account does not depend on the allocator: it is plain static counters, changed by relaxed
 * atomics. Between go and the account this header allocates nothing. Everything that the program
 * allocates in that time happens below a declared site function, or below a tolerated one.
 */
#ifndef TRUTH_H
#define TRUTH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__clang__)
#define TRUTH_FN __attribute__((noinline))
#else
/* noipa: no clone (whose name would have a suffix), no folding of equal functions */
#define TRUTH_FN __attribute__((noipa))
#endif

/* The call before this is no tail call: the calling function stays on the stack. */
#define TRUTH_STAY() __asm__ volatile("" ::: "memory")

/* The compiler forgets what it knows about p, so it cannot elide the allocation. */
#define TRUTH_HIDE(p) __asm__ volatile("" : "+r"(p) : : "memory")

enum truth_kind { TRUTH_BLOCKS, TRUTH_OPAQUE_BLOCKS, TRUTH_PAGES, TRUTH_FAULTS };

struct truth_site {
	const char *function;
	const char *allocator;
	enum truth_kind kind;
	unsigned long allocs, frees, alloc_bytes, free_bytes;
	unsigned long inherited_count, inherited_bytes;
};

#define TRUTH_SITE_AS(name, allocator_name, site_kind)                                       \
	static struct truth_site site_##name = {                                             \
		#name, allocator_name, site_kind, 0, 0, 0, 0, 0, 0};                         \
	__attribute__((section("truth_sites"), used)) static struct truth_site *ref_##name = \
		&site_##name

#define TRUTH_SITE(name)        TRUTH_SITE_AS(name, "malloc", TRUTH_BLOCKS)
#define TRUTH_SITE_OPAQUE(name) TRUTH_SITE_AS(name, "malloc", TRUTH_OPAQUE_BLOCKS)
#define TRUTH_MAPPING(name)     TRUTH_SITE_AS(name, "mmap", TRUTH_PAGES)

/* memory: anon, file or shmem. */
#define TRUTH_FAULT(name, memory) TRUTH_SITE_AS(name, #memory, TRUTH_FAULTS)

#define TRUTH_TOLERATE(name)                                                                    \
	__attribute__((section("truth_tolerated"), used)) static const char *tolerated_##name = \
		#name

#define TRUTH_ALLOC(name, bytes) truth_alloc(&site_##name, bytes)
#define TRUTH_FREE(name, bytes)  truth_free(&site_##name, bytes)

#ifdef __cplusplus
extern "C" {
#endif
extern struct truth_site *__start_truth_sites[] __attribute__((weak));
extern struct truth_site *__stop_truth_sites[] __attribute__((weak));
extern const char *__start_truth_tolerated[] __attribute__((weak));
extern const char *__stop_truth_tolerated[] __attribute__((weak));
/* Defined by the preloaded oracle alone (oracle_preload.c): 1 start to count, 0 write and stop. */
void truth_oracle(int counting) __attribute__((weak));
#ifdef __cplusplus
}
#endif

enum { TRUTH_MAX_CHILDREN = 64 };

static struct {
	char text[1 << 18];
	size_t length;
	int automatic;
	int is_child;
	unsigned long free_before_attach;
	int children[TRUTH_MAX_CHILDREN];
	int child_count;
} truth;

static inline void truth_alloc(struct truth_site *site, unsigned long bytes)
{
	__atomic_fetch_add(&site->allocs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&site->alloc_bytes, bytes, __ATOMIC_RELAXED);
}

static inline void truth_free(struct truth_site *site, unsigned long bytes)
{
	__atomic_fetch_add(&site->frees, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&site->free_bytes, bytes, __ATOMIC_RELAXED);
}

/* A block is freed that was allocated before the program said ready. */
__attribute__((unused)) static inline void truth_free_before_attach(void)
{
	__atomic_fetch_add(&truth.free_before_attach, 1, __ATOMIC_RELAXED);
}

__attribute__((unused)) static void truth_child_started(int pid)
{
	if (truth.child_count < TRUTH_MAX_CHILDREN)
		truth.children[truth.child_count++] = pid;
}

__attribute__((unused, format(printf, 1, 2))) static void truth_printf(const char *format, ...)
{
	size_t room = sizeof(truth.text) - truth.length;
	__builtin_va_list arguments;

	__builtin_va_start(arguments, format);
	int length = vsnprintf(truth.text + truth.length, room, format, arguments);
	__builtin_va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		_exit(70);
	truth.length += (size_t)length;
}

__attribute__((unused)) static void truth_flush(void)
{
	size_t done = 0;

	while (done < truth.length) {
		ssize_t n = write(STDOUT_FILENO, truth.text + done, truth.length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	truth.length = 0;
}

/* One line of stdin, byte by byte, because a child may be the next to read. -1: end of file. */
static int truth_read_line(char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		if (c == '\n')
			break;
		if (length + 1 < size)
			line[length++] = c;
	}
	line[length] = '\0';
	return 0;
}

static void truth_wait(const char *word)
{
	char line[64];

	while (!truth.automatic && truth_read_line(line, sizeof(line)) == 0)
		if (strcmp(line, word) == 0)
			return;
}

/* The value of the argument --NAME=NUMBER, or fallback. */
__attribute__((unused)) static long truth_argument(int argc, char **argv, const char *name,
						   long fallback)
{
	size_t length = strlen(name);

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
			return strtol(argv[i] + length + 1, NULL, 10);
	return fallback;
}

/* Says ready and waits for go. Nothing of the scenario may come before it. */
__attribute__((unused)) static void truth_begin(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--auto") == 0)
			truth.automatic = 1;
	truth_printf("ready %d\n", (int)getpid());
	truth_flush();
	truth_wait("go");
	if (truth_oracle)
		truth_oracle(1);
}

/* First thing in a forked child: what the parent held is inherited; waits for a go of its own. */
__attribute__((unused)) static void truth_begin_child(void)
{
	for (struct truth_site **at = __start_truth_sites; at < __stop_truth_sites; at++) {
		struct truth_site *site = *at;

		site->inherited_count += site->allocs - site->frees;
		site->inherited_bytes += site->alloc_bytes - site->free_bytes;
		site->allocs = site->frees = site->alloc_bytes = site->free_bytes = 0;
	}
	truth.is_child = 1;
	truth.child_count = 0;
	truth.free_before_attach = 0;
	truth_printf("child %d\n", (int)getpid());
	truth_flush();
	truth_wait("go");
}

/*
 * For endless programs: returns at the line stop, at the end of stdin, or when *stop becomes true
 * (set by a signal handler installed without SA_RESTART). The line stat calls on_stat, which
 * prints by truth_printf. With --auto it runs until *stop.
 */
__attribute__((unused)) static void truth_until_stop(void (*on_stat)(void), volatile int *stop)
{
	char line[64];
	size_t length = 0;

	while (truth.automatic && !*stop)
		usleep(50000);
	while (!*stop) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		if (c != '\n') {
			length += length + 1 < sizeof(line);
			line[length - 1] = c;
			continue;
		}
		line[length] = '\0';
		length = 0;
		if (strcmp(line, "stop") == 0)
			return;
		if (strcmp(line, "stat") == 0 && on_stat) {
			on_stat();
			truth_flush();
		}
	}
}

static void truth_print_blocks(const struct truth_site *site, const char *comma)
{
	truth_printf("%s{\"function\":\"%s\",\"allocator\":\"%s\",\"outstanding_bytes\":%lu,"
		     "\"outstanding_count\":%lu,\"inherited_bytes\":%lu,\"inherited_count\":%lu,",
		     comma, site->function, site->allocator,
		     site->inherited_bytes + site->alloc_bytes - site->free_bytes,
		     site->inherited_count + site->allocs - site->frees, site->inherited_bytes,
		     site->inherited_count);
	if (site->kind == TRUTH_OPAQUE_BLOCKS)
		truth_printf("\"allocs\":null,\"frees\":null,\"alloc_bytes\":null}");
	else
		truth_printf("\"allocs\":%lu,\"frees\":%lu,\"alloc_bytes\":%lu}", site->allocs,
			     site->frees, site->alloc_bytes);
}

static void truth_print_site(const struct truth_site *site, const char *comma)
{
	unsigned long outstanding_bytes =
		site->inherited_bytes + site->alloc_bytes - site->free_bytes;

	if (site->kind == TRUTH_PAGES)
		truth_printf("%s{\"function\":\"%s\",\"outstanding_bytes\":%lu}", comma,
			     site->function, outstanding_bytes);
	else if (site->kind == TRUTH_FAULTS)
		truth_printf("%s{\"function\":\"%s\",\"memory\":\"%s\",\"bytes\":%lu}", comma,
			     site->function, site->allocator, outstanding_bytes);
	else
		truth_print_blocks(site, comma);
}

static void truth_print_list(const char *name, unsigned int kinds)
{
	const char *comma = "";

	truth_printf("\"%s\":[", name);
	for (struct truth_site **at = __start_truth_sites; at < __stop_truth_sites; at++) {
		if (!(kinds & 1u << (*at)->kind))
			continue;
		truth_print_site(*at, comma);
		comma = ",";
	}
	truth_printf("],");
}

/* Prints the account. */
__attribute__((unused)) static void truth_account(void)
{
	if (truth_oracle)
		truth_oracle(0);
	truth_printf("{\"pid\":%d,\"final\":%s,", (int)getpid(), truth.is_child ? "false" : "true");
	truth_print_list("sites", 1u << TRUTH_BLOCKS | 1u << TRUTH_OPAQUE_BLOCKS);
	truth_print_list("mappings", 1u << TRUTH_PAGES);
	truth_print_list("faults", 1u << TRUTH_FAULTS);
	truth_printf("\"children\":[");
	for (int i = 0; i < truth.child_count; i++)
		truth_printf("%s%d", i ? "," : "", truth.children[i]);
	truth_printf("],\"free_before_attach\":%lu,\"tolerated\":[", truth.free_before_attach);
	for (const char **at = __start_truth_tolerated; at < __stop_truth_tolerated; at++)
		truth_printf("%s\"%s\"", at == __start_truth_tolerated ? "" : ",", *at);
	truth_printf("]}\n");
	truth_flush();
}

/* Prints the account and waits for end. */
__attribute__((unused)) static void truth_end(void)
{
	truth_account();
	truth_wait("end");
}

#endif
