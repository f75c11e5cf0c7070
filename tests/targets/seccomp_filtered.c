// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seccomp_filtered: allocates under a seccomp filter that kills for every system call the program
 * does not need itself: a probe that makes it call something else (uretprobe, on kernels that do not
 * exempt it) ends it with SIGSYS.
 *
 * filtered_pair: 20,000 blocks allocated and freed (--count=N); filtered_leak: every hundredth leaves
 * 80 B; filtered_realloc: one block that grows to 64 KiB. --filter=0 leaves the filter out, for tools
 * that need system calls of their own in the process.
 */
#include "truth.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

TRUTH_SITE(filtered_pair);
TRUTH_SITE(filtered_leak);
TRUTH_SITE(filtered_realloc);

#define ALLOW(name)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void install_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(mprotect),
		ALLOW(madvise),
		ALLOW(futex),
		ALLOW(getrandom), /* malloc asks for a key at its first call */
		ALLOW(getpid),
		ALLOW(getrandom),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(71);
}

TRUTH_FN static void filtered_pair(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(filtered_pair, bytes);
	TRUTH_FREE(filtered_pair, bytes);
	free(p);
	TRUTH_STAY();
}

TRUTH_FN static void filtered_leak(void)
{
	void *p = calloc(1, 80);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(filtered_leak, 80);
}

TRUTH_FN static void filtered_realloc(void)
{
	void *p = NULL;

	for (size_t bytes = 64; bytes <= 65536; bytes *= 2) {
		p = realloc(p, bytes);
		TRUTH_HIDE(p);
		if (bytes > 64)
			TRUTH_FREE(filtered_realloc, bytes / 2);
		TRUTH_ALLOC(filtered_realloc, bytes);
	}
}

int main(int argc, char **argv)
{
	long count = truth_argument(argc, argv, "--count", 20000);

	if (truth_argument(argc, argv, "--filter", 1))
		install_filter();
	truth_begin(argc, argv);
	for (long i = 1; i <= count; i++) {
		filtered_pair((size_t)i % 500);
		if (i % 100 == 0)
			filtered_leak();
	}
	filtered_realloc();
	truth_end();
	return 0;
}
