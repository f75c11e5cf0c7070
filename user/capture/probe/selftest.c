// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Some kernels (around 6.11) let a seccomp filter see the system call by which a return probe comes back,
 * and kill the process. Found out on a child of ours that does what a filtered target does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/probe/probe_internal.h"
#include "process/elf/elf_file.h"
#include "process/proc/maps.h"

__attribute__((noinline)) static uint64_t probed_function(uint64_t size)
{
	__asm__ volatile("" : "+r"(size));
	return size + 1;
}

static int install_filter(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

static void child_main(int go_fd)
{
	char byte;

	if (install_filter())
		_exit(2);
	if (syscall(SYS_read, go_fd, &byte, 1) != 1)
		syscall(SYS_exit_group, 3);
	syscall(SYS_exit_group, probed_function(41) == 42 ? 0 : 4);
}

/* File offset of an address of our own code. */
static int own_offset(const void *code, uint64_t *ret)
{
	_cleanup_(maps_done) struct maps maps = {0};
	const struct mapping *m;
	int err = maps_read(getpid(), &maps);

	if (err)
		return err;
	m = maps_find(&maps, (uintptr_t)code);
	if (!m)
		return -ENOENT;
	*ret = (uintptr_t)code - m->start + m->offset;
	return 0;
}

static int attach_to(struct probe *probe, int pid, struct fd_vec *links)
{
	_cleanup_close_ int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct probe_list list = {
		.path_fd = exe, .pid = pid, .offsets = VEC_INIT, .cookies = VEC_INIT};
	struct hf_probe_cookie cookie = {
		.function = HF_FN_CUSTOM,
		.count_arg = HF_ARG_NONE,
		.pointer_arg = HF_ARG_NONE,
		.result_arg = HF_ARG_NONE,
	};
	uint64_t offset = 0, word = 0;
	int err = exe < 0 ? -errno : own_offset((const void *)probed_function, &offset);

	__builtin_memcpy(&word, &cookie, sizeof(cookie));
	if (!err)
		err = vec_push(&list.offsets, offset);
	if (!err)
		err = vec_push(&list.cookies, word);
	if (!err)
		err = links_attach(probe, LINK_CALL, &list, links);
	probe_list_done(&list);
	return err;
}

static int run(struct probe *probe)
{
	struct fd_vec links = VEC_INIT;
	int pipes[2], status = 0, err;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pipes[1]); /* or it would wait for itself where we have nothing to say */
		child_main(pipes[0]);
	}
	close(pipes[0]);
	err = pid < 0 ? -errno : attach_to(probe, pid, &links);
	if (!err && write(pipes[1], "g", 1) != 1)
		err = -errno;
	close(pipes[1]);
	if (pid > 0 && waitpid(pid, &status, 0) < 0)
		err = -errno;
	links_close(&links);
	vec_done(&links);
	if (!err && status)
		err = log_debug_err(-ENOTSUP, "seccomp self-test: child ended with status %#x",
				    status);
	return err;
}

int probe_selftest_seccomp(struct probe *probe)
{
	if (!probe->seccomp_checked)
		probe->seccomp_checked = run(probe) ?: 1;
	return probe->seccomp_checked < 0 ? probe->seccomp_checked : 0;
}
