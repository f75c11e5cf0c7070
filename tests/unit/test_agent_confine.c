/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is given up is gone: each test confines a child and lets it try. A child's exit status is the number of the
 * first thing that was not as it should be. Without root nothing is held in the first place, and what is refused for want of
 * a capability is not told from what the filter refuses: calls that anybody may make are tried there, too.
 */
#include "agent/broker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"

#define SOMEBODY 12345

/* 0, or the number of what failed. */
static int in_child(int (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool refused(long result)
{
	return result == -1 && errno == EPERM;
}

/* Of no role; all of these anybody may call, so it is the filter that refuses. 0, or the first that is not refused. */
static int try_what_nobody_may(void)
{
	char name[] = "true", *const words[] = {name, NULL};

	if (!refused(execv("/bin/true", words)))
		return 1;
	if (!refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", words, NULL, 0)))
		return 2;
	if (!refused(syscall(SYS_add_key, "user", "holdfast", "x", 1, KEY_SPEC_PROCESS_KEYRING)))
		return 3;
	if (!refused(syscall(SYS_unshare, CLONE_NEWUSER)))
		return 4;
	if (!refused(syscall(SYS_personality, 0xffffffff)))
		return 5;
	if (!refused(syscall(SYS_io_uring_setup, 1, NULL)))
		return 6;
	if (!refused(syscall(SYS_userfaultfd, 0)))
		return 7;
	if (!refused(mount("none", "/tmp", "tmpfs", 0, NULL)))
		return 8;
	if (!refused(syscall(SYS_init_module, NULL, 0, "")))
		return 9;
	if (!refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)))
		return 10;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
		return 11;
	if (!refused((long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0)))
		return 12;
	if (!refused(syscall(SYS_setresuid, -1, -1, -1)))
		return 13;
	return 0;
}

static int try_processes(void)
{
	char byte = 0;
	struct iovec part = {&byte, 1};
	union bpf_attr attributes = {0};

	if (!refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)))
		return 20;
	if (!refused(process_vm_readv(getpid(), &part, 1, &part, 1, 0)))
		return 21;
	if (!refused(process_vm_writev(getpid(), &part, 1, &part, 1, 0)))
		return 22;
	if (!refused(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof(attributes))))
		return 23;
	if (!refused(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)))
		return 24;
	if (!refused(fork()))
		return 25;
	if (!refused(kill(getppid(), 0)))
		return 26;
	return 0;
}

static void *answer(void *argument)
{
	return argument;
}

/* What the agent lives on. */
static int use_threads_and_files(void)
{
	char path[] = "/tmp/hf_confine_XXXXXX";
	pthread_t thread;
	void *result = NULL;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) || ftruncate(fd, 0) || unlink(path))
		return 40;
	close(fd);
	if (pthread_create(&thread, NULL, answer, path) || pthread_join(thread, &result) ||
	    result != path)
		return 41;
	for (int domain = 0; domain < AF_MAX; domain++) {
		bool wanted = domain == AF_UNIX || domain == AF_INET || domain == AF_INET6;

		fd = domain == AF_NETLINK ? -1 : socket(domain, SOCK_DGRAM, 0);
		if (fd >= 0 ? !wanted : wanted && errno != EAFNOSUPPORT)
			return 42;
		if (fd >= 0)
			close(fd);
	}
	return socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? 43 : 0;
}

static int be_the_agent(void)
{
	int err = confine_capabilities(CONFINE_NONE) ? 50 : 0;

	if (!err)
		err = confine_calls(CONFINE_AGENT) ? 51 : 0;
	if (!err)
		err = try_what_nobody_may();
	if (!err)
		err = try_processes();
	return err ? err : use_threads_and_files();
}

static void agent_has_its_files_and_sockets_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(in_child(be_the_agent), 0);
}

/* "CapEff:\t" and the like: the value behind it, or UINT64_MAX. */
static uint64_t status_of(const char *name, int base)
{
	char text[8192];
	const char *found;
	FILE *file = fopen("/proc/self/status", "re");
	size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[size] = '\0';
	found = strstr(text, name);
	return found ? strtoull(found + strlen(name), NULL, base) : UINT64_MAX;
}

static int show_status(void)
{
	const struct confine_user user = {SOMEBODY, SOMEBODY};
	bool root = !geteuid();

	if (confine_user(&user) || confine_capabilities(CONFINE_NONE) ||
	    confine_calls(CONFINE_AGENT))
		return 1;
	if (status_of("CapEff:\t", 16) || status_of("CapPrm:\t", 16) ||
	    status_of("CapInh:\t", 16) || status_of("CapAmb:\t", 16))
		return 2;
	if (root && status_of("CapBnd:\t", 16))
		return 3;
	if (status_of("NoNewPrivs:\t", 10) != 1 || status_of("Seccomp:\t", 10) != 2)
		return 4;
	if (root && (getuid() != SOMEBODY || getegid() != SOMEBODY || getgroups(0, NULL)))
		return 5;
	/* There is no way back. */
	return !root || setuid(0) == -1 ? 0 : 6;
}

static void kernel_says_that_nothing_is_held(void **state)
{
	(void)state;
	assert_int_equal(in_child(show_status), 0);
}

static int keep_for_another_user(void)
{
	const struct confine_user user = {SOMEBODY, SOMEBODY};
	uint64_t wanted = confine_wanted(CONFINE_BROKER, false);

	if (confine_user(&user) || confine_capabilities(wanted))
		return 1;
	if (getuid() != SOMEBODY)
		return 2;
	if (status_of("CapEff:\t", 16) != wanted || status_of("CapPrm:\t", 16) != wanted ||
	    status_of("CapBnd:\t", 16))
		return 3;
	/* Read what is root's, write nothing. */
	if (access("/etc/shadow", F_OK) == 0) {
		int fd = open("/etc/shadow", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || open("/etc/shadow", O_WRONLY | O_CLOEXEC) >= 0)
			return 4;
	}
	/* It was never permitted, or is not any more. */
	if (confine_capabilities(UINT64_MAX) || status_of("CapEff:\t", 16) != wanted)
		return 5;
	return 0;
}

static void another_user_keeps_the_capabilities_it_was_given(void **state)
{
	(void)state;
	if (geteuid())
		skip(); /* only root may become somebody */
	assert_int_equal(in_child(keep_for_another_user), 0);
}

static int be_the_broker(void)
{
	int ends[2], err, status;
	pid_t pid;

	if (confine_capabilities(confine_wanted(CONFINE_BROKER, false)) ||
	    confine_calls(CONFINE_BROKER))
		return 1;
	err = try_what_nobody_may();
	if (err)
		return err;
	if (!refused(socket(AF_INET, SOCK_STREAM, 0)) || !refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 60;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return 61;
	pid = fork();
	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : 62;
}

static void broker_forks_and_hands_on_but_reaches_nobody(void **state)
{
	(void)state;
	assert_int_equal(in_child(be_the_broker), 0);
}

/* As a job is made: the broker's filter first. */
static int become(enum confine_role role)
{
	return confine_capabilities(confine_wanted(role, false)) || confine_calls(CONFINE_BROKER) ||
	       confine_calls(role);
}

static int read_only(void)
{
	char path[] = "/tmp/hf_confine_job";
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 70;
	if (!refused(open("/proc/self/comm", O_WRONLY)) || !refused(open("/dev/null", O_RDWR)) ||
	    !refused(open(path, O_RDONLY | O_CREAT, 0600)) || !refused(unlink(path)))
		return 71;
	if (!refused(socket(AF_UNIX, SOCK_STREAM, 0)) || !refused(ioctl(0, TIOCSTI, "x")))
		return 72;
	return 0;
}

static int trace(void)
{
	char byte = 1, copy = 0;
	struct iovec from = {&byte, 1}, to = {&copy, 1};
	int err;

	if (become(CONFINE_TRACE))
		return 1;
	err = try_what_nobody_may();
	if (!err)
		err = read_only();
	if (err)
		return err;
	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1 || copy != 1)
		return 80;
	if (!refused(process_vm_writev(getpid(), &from, 1, &to, 1, 0)))
		return 81;
	if (!refused(ptrace(PTRACE_POKEDATA, getppid(), NULL, NULL)) ||
	    !refused(ptrace(PTRACE_SETREGSET, getppid(), NULL, NULL)))
		return 82;
	/* Not stopped: ESRCH by the call itself. */
	if (ptrace(PTRACE_GETREGSET, getppid(), NULL, NULL) != -1 || errno != ESRCH)
		return 83;
	return 0;
}

static void trace_reads_processes_and_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(in_child(trace), 0);
}

static int collect(void)
{
	union bpf_attr attributes = {0};
	char byte = 1, copy = 0;
	struct iovec from = {&byte, 1}, to = {&copy, 1};
	int err;

	if (become(CONFINE_COLLECT))
		return 1;
	err = try_what_nobody_may();
	if (!err)
		err = read_only();
	if (err)
		return err;
	if (!refused(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof(attributes))) ||
	    !refused(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)))
		return 90;
	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1 && copy == 1 ? 0 : 91;
}

static void collection_writes_into_processes_but_traces_none(void **state)
{
	(void)state;
	assert_int_equal(in_child(collect), 0);
}

static int count(void)
{
	union bpf_attr attributes = {.enable_stats.type = BPF_STATS_RUN_TIME};
	bool root = !geteuid();
	long fd;

	if (confine_capabilities(confine_wanted(CONFINE_COUNTER, false)) ||
	    confine_calls(CONFINE_COUNTER))
		return 1;
	fd = syscall(SYS_bpf, BPF_ENABLE_STATS, &attributes, sizeof(attributes));
	if (root && fd < 0)
		return 100;
	if (!refused(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof(attributes))) ||
	    !refused(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes))))
		return 101;
	if (!refused(mount("none", "/tmp", "tmpfs", 0, NULL)) || !refused(getppid()) ||
	    !refused(open("/dev/null", O_RDONLY)) || !refused(fork()) ||
	    !refused(socket(AF_UNIX, SOCK_STREAM, 0)) || !refused(syscall(SYS_read, 0, NULL, 0)))
		return 102;
	return 0;
}

static void counter_has_admin_but_no_call_to_use_it_with(void **state)
{
	(void)state;
	assert_int_equal(in_child(count), 0);
}

static int as_thread_result;

static void *try_exec(void *unused)
{
	char name[] = "true", *const words[] = {name, NULL};
	int *go = unused;

	while (!__atomic_load_n(go, __ATOMIC_ACQUIRE))
		sched_yield();
	as_thread_result = refused(execv("/bin/true", words)) ? 0 : 3;
	return NULL;
}

static int confine_beside_a_thread(void)
{
	pthread_t thread;
	int go = 0;

	if (pthread_create(&thread, NULL, try_exec, &go))
		return 1;
	if (confine_capabilities(CONFINE_NONE) || confine_calls(CONFINE_AGENT))
		return 2;
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return as_thread_result;
}

static void threads_that_run_already_are_confined_too(void **state)
{
	(void)state;
	assert_int_equal(in_child(confine_beside_a_thread), 0);
}

static void admin_is_wanted_only_where_told_and_never_by_the_agent(void **state)
{
	(void)state;
	assert_true(confine_wanted(CONFINE_AGENT, true) == CONFINE_NONE);
	assert_false(confine_wanted(CONFINE_BROKER, false) & CONFINE_BIT(CAP_SYS_ADMIN));
	assert_true(confine_wanted(CONFINE_TRACE, true) & CONFINE_BIT(CAP_SYS_ADMIN));
	assert_false(confine_wanted(CONFINE_COLLECT, true) &
		     (CONFINE_BIT(CAP_SYS_ADMIN) | CONFINE_BIT(CAP_BPF)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_has_its_files_and_sockets_and_nothing_else),
		cmocka_unit_test(kernel_says_that_nothing_is_held),
		cmocka_unit_test(another_user_keeps_the_capabilities_it_was_given),
		cmocka_unit_test(broker_forks_and_hands_on_but_reaches_nobody),
		cmocka_unit_test(trace_reads_processes_and_changes_nothing),
		cmocka_unit_test(collection_writes_into_processes_but_traces_none),
		cmocka_unit_test(counter_has_admin_but_no_call_to_use_it_with),
		cmocka_unit_test(threads_that_run_already_are_confined_too),
		cmocka_unit_test(admin_is_wanted_only_where_told_and_never_by_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
