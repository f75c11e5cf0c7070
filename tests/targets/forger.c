// SPDX-License-Identifier: GPL-2.0-or-later
// build: -ldl -pthread
/*
 * forger: a process that lies to whoever looks at it, and leaks meanwhile, 100 blocks a second. In the order of its arguments it
 *
 *	--map=FILE	maps the file executable (one that can't be is passed over)
 *	--call=FILE	loads a library whose forged_allocate() allocates from then on (forged_library.c)
 *	--load=FILE	loads a library
 *	--mappings=N	has N mappings more, no two of which the kernel can join
 *	--reserve=GIB	reserves so much, and writes to a page here and there
 *	--memfd		maps nameless files with names of all sorts; and devices
 *	--churn=FILE	maps and unmaps the file without end, in a thread of its own
 *	--swap		says "swap" and waits for a line: now the files may become something else
 *	--strange	has a name and a command line of control characters, quotes and broken UTF-8
 *
 * and says "ready". It ends with its stdin.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void *(*allocate)(size_t bytes) = malloc;

static void map_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *at;

	if (fd < 0 || fstat(fd, &status))
		return;
	/* Some files say that they are larger than any address space. */
	size_t size = status.st_size > 1 << 30 ? 1 << 30 : (size_t)status.st_size;
	at = mmap(NULL, size ? size : 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		fprintf(stderr, "%s can't be mapped\n", path);
	close(fd);
}

static void load(const char *path, int is_called)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);

	if (!library)
		fprintf(stderr, "%s\n", dlerror());
	else if (is_called)
		allocate = (void *(*)(size_t))dlsym(library, "forged_allocate");
	if (!allocate)
		exit(70);
}

static void map_many(long count)
{
	size_t bytes = (size_t)count * 4096;
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (long i = 0; at != MAP_FAILED && i < count; i += 2)
		if (mprotect(at + i * 4096, 4096, PROT_READ))
			return;
}

static void reserve(size_t gib)
{
	size_t bytes = gib << 30;
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t i = 0; at != MAP_FAILED && i < 1000; i++)
		at[bytes / 1000 * i] = 1;
}

static void map_nameless(void)
{
	static const char *const names[] = {"a\nb",      "\x1b[31mred", "\xff\xfe\xc0\x80",
					    "libc.so.6", " (deleted)",  "\"\\u0000",
					    ""};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = memfd_create(names[i], 0);

		if (fd < 0 || ftruncate(fd, 8192))
			continue;
		mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
		if (i % 2 && ftruncate(fd, 0)) /* nothing is behind the mapping any more */
			continue;
		close(fd);
	}
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);

	mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
	mmap(NULL, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, zero, 0);
}

static void *churn(void *path)
{
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		void *at[8];

		for (int i = 0; i < 8; i++)
			at[i] = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		usleep(2000);
		for (int i = 0; i < 8; i++)
			if (at[i] != MAP_FAILED)
				munmap(at[i], 8192);
		close(fd);
	}
	return path;
}

static void wait_for_line(const char *word)
{
	char line[8];

	if (write(STDOUT_FILENO, word, strlen(word)) < 0 ||
	    read(STDIN_FILENO, line, sizeof(line)) <= 0)
		exit(0);
}

static void be_strange(char **argv)
{
	static const char bytes[] =
		"\x1b]0;evil\a\n\"\\\xff\xc3(\x7f\t{}<b>&%s%n$(id)`\r\xe2\x80\xae";
	size_t at = 0;

	prctl(PR_SET_NAME, "\x1b[1m\n\"\\\xff\xc0<b>)", 0, 0, 0);
	for (char *c = argv[0]; c < argv[0] + strlen(argv[0]); c++)
		*c = bytes[at++ % (sizeof(bytes) - 1)];
}

static void do_as_told(const char *word)
{
	const char *value = strchr(word, '=') ? strchr(word, '=') + 1 : "";
	pthread_t thread;

	if (!strncmp(word, "--map=", 6))
		map_file(value);
	else if (!strncmp(word, "--call=", 7) || !strncmp(word, "--load=", 7))
		load(value, word[2] == 'c');
	else if (!strncmp(word, "--mappings=", 11))
		map_many(atol(value));
	else if (!strncmp(word, "--reserve=", 10))
		reserve((size_t)atol(value));
	else if (!strcmp(word, "--memfd"))
		map_nameless();
	else if (!strncmp(word, "--churn=", 8) &&
		 pthread_create(&thread, NULL, churn, strdup(value)))
		exit(71);
	else if (!strcmp(word, "--swap"))
		wait_for_line("swap\n");
}

__attribute__((noipa)) static void leak_one(void)
{
	char *block = allocate(500);

	if (block)
		memset(block, 'l', 500);
	__asm__ volatile("" : : "r"(block) : "memory");
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int is_strange = 0;

	for (int i = 1; i < argc; i++) {
		do_as_told(argv[i]);
		is_strange |= !strcmp(argv[i], "--strange");
	}
	if (is_strange)
		be_strange(argv);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		leak_one();
		if (poll(&in, 1, 10) > 0)
			wait_for_line("");
	}
}
