/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls, by role. A name that this libseccomp does not know is passed over: then the call is refused. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/broker/confine.h"

/* Not known to libseccomp 2.5: how a probe on x86-64 comes back from a function (6.11), or from an instruction (6.18). */
#define NR_URETPROBE 335
#define NR_UPROBE    336

#define PERF_IOCTL_TYPE ('$' << 8)
#define IOCTL_TYPE_MASK 0xff00
#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#define WRITING (O_ACCMODE | O_CREAT | O_TRUNC)

#define ROLE(name)   (1u << CONFINE_##name)
#define ROLES_JOB    (ROLE(TRACE) | ROLE(COLLECT))
#define ROLES_BROKER (ROLE(BROKER) | ROLES_JOB)
#define ROLES_ALL    (ROLE(AGENT) | ROLES_BROKER)

/* Allowed with any arguments. */
static const struct call_list {
	unsigned int roles;
	const char *names[64];
} lists[] = {
	/* Memory, time, threads, signals, the process itself. */
	{ROLES_ALL,
	 {"brk",
	  "munmap",
	  "mremap",
	  "madvise",
	  "clock_gettime",
	  "clock_getres",
	  "clock_nanosleep",
	  "gettimeofday",
	  "nanosleep",
	  "time",
	  "futex",
	  "set_robust_list",
	  "set_tid_address",
	  "rseq",
	  "membarrier",
	  "sched_yield",
	  "sched_getaffinity",
	  "exit",
	  "exit_group",
	  "restart_syscall",
	  "rt_sigaction",
	  "rt_sigprocmask",
	  "rt_sigreturn",
	  "rt_sigpending",
	  "rt_sigtimedwait",
	  "sigaltstack",
	  "getpid",
	  "gettid",
	  "getppid",
	  "getuid",
	  "geteuid",
	  "getgid",
	  "getegid",
	  "getgroups",
	  "getresuid",
	  "getresgid",
	  "getrandom",
	  "getrusage",
	  "sysinfo",
	  "uname",
	  "getcpu",
	  "prctl",
	  "arch_prctl",
	  "wait4",
	  "waitid",
	  "capget",
	  "times",
	  "getpgrp"}},
	/* Descriptors, and waiting for them. */
	{ROLES_ALL,
	 {"read",
	  "readv",
	  "pread64",
	  "preadv",
	  "write",
	  "writev",
	  "lseek",
	  "close",
	  "close_range",
	  "dup",
	  "dup2",
	  "dup3",
	  "fcntl",
	  "fstat",
	  "newfstatat",
	  "statx",
	  "stat",
	  "lstat",
	  "access",
	  "faccessat",
	  "faccessat2",
	  "readlink",
	  "readlinkat",
	  "getdents64",
	  "getcwd",
	  "fstatfs",
	  "statfs",
	  "epoll_create1",
	  "epoll_ctl",
	  "epoll_wait",
	  "epoll_pwait",
	  "epoll_pwait2",
	  "poll",
	  "ppoll",
	  "select",
	  "pselect6",
	  "eventfd2",
	  "signalfd4",
	  "timerfd_create",
	  "timerfd_settime",
	  "timerfd_gettime",
	  "pipe2",
	  "sendto",
	  "recvfrom",
	  "sendmsg",
	  "recvmsg",
	  "shutdown",
	  "pwrite64",
	  "pwritev",
	  "fadvise64"}},
	/* The agent's: its store, its clients, whom it sends to. */
	{ROLE(AGENT), {"openat",      "fsync",      "fdatasync",
		       "ftruncate",   "fallocate",  "fchmod",
		       "fchown",      "mkdir",      "mkdirat",
		       "unlink",      "unlinkat",   "rename",
		       "renameat",    "renameat2",  "rmdir",
		       "utimensat",   "umask",      "flock",
		       "connect",     "bind",       "listen",
		       "accept4",     "accept",     "getsockname",
		       "getpeername", "setsockopt", "getsockopt",
		       "recvmmsg",    "sendmmsg",   "sendfile",
		       "chmod",       "fchmodat",   "sched_setaffinity"}},
	/* Processes: looked at, stopped, probed. */
	{ROLES_BROKER,
	 {"kill",
	  "tgkill",
	  "openat2",
	  "process_vm_readv",
	  "memfd_create",
	  "ftruncate",
	  "pidfd_open",
	  "pidfd_send_signal",
	  "setsid",
	  "setpgid",
	  "getpgid",
	  "setpriority",
	  "getpriority",
	  "sched_setscheduler",
	  "sched_getscheduler",
	  "sched_getparam",
	  "sched_setaffinity",
	  "getsockopt",
	  "setsockopt",
	  "seccomp"}},
	{ROLE(COUNTER),
	 {"recvmsg", "sendmsg", "close", "exit", "exit_group", "rt_sigreturn", "restart_syscall"}},
	{ROLE(BROKER) | ROLE(TRACE), {"bpf", "perf_event_open"}},
	{ROLE(BROKER) | ROLE(COLLECT), {"ptrace", "process_vm_writev"}},
	/* What a job does before it begins; the figures of calibration are kept where this user may write. */
	{ROLE(BROKER),
	 {"openat", "capset", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink",
	  "unlinkat", "fchown", "fchmod"}},
};

/* Of a job that traces: other processes are stopped and read, nothing is put into them. */
static const unsigned int reading_requests[] = {
	PTRACE_SEIZE,      PTRACE_INTERRUPT,  PTRACE_GETREGSET,
	PTRACE_GETSIGINFO, PTRACE_GETSIGMASK, PTRACE_GETEVENTMSG,
	PTRACE_LISTEN,     PTRACE_CONT,       PTRACE_DETACH,
};

static const int socket_domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Of the agent: what libcurl, TLS and stdio ask of sockets and terminals. FIONREAD, FIONBIO, TCGETS. */
static const unsigned int socket_ioctls[] = {0x541b, 0x5421, 0x5401};

static struct scmp_arg_cmp masked(unsigned int argument, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

static struct scmp_arg_cmp is(unsigned int argument, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

static int allow(scmp_filter_ctx filter, int call)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp argument)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 1,
				      &argument);
}

static int allow_lists(scmp_filter_ctx filter, unsigned int role)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (!(lists[i].roles & role))
			continue;
		for (const char *const *name = lists[i].names; !err && *name; name++) {
			int call = seccomp_syscall_resolve_name(*name);

			if (call != __NR_SCMP_ERROR)
				err = allow(filter, call);
		}
	}
	return err;
}

/* Nothing is both writable and code. */
static int allow_memory(scmp_filter_ctx filter)
{
	static const unsigned int rights[] = {0, PROT_WRITE, PROT_EXEC};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(rights) / sizeof(*rights); i++)
		err = allow_if(filter, "mmap", masked(2, PROT_WRITE | PROT_EXEC, rights[i]));
	return err ? err : allow_if(filter, "mprotect", masked(2, PROT_EXEC, 0));
}

/* Threads; processes but for the agent. Never another namespace: clone3() keeps its flags where no filter sees them. */
static int allow_tasks(scmp_filter_ctx filter, unsigned int role)
{
	unsigned int thread = role == ROLE(AGENT) ? CLONE_THREAD : 0;
	int err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				   seccomp_syscall_resolve_name("clone3"), 0);

	return err ? err : allow_if(filter, "clone", masked(0, NEW_NAMESPACES | thread, thread));
}

/* Its sockets, and signals to itself only: it may share its user with others. */
static int allow_agent_calls(scmp_filter_ctx filter)
{
	/* abort()'s */
	int err = allow_if(filter, "tgkill", is(0, (scmp_datum_t)getpid()));

	for (size_t i = 0; !err && i < sizeof(socket_domains) / sizeof(*socket_domains); i++)
		err = allow_if(filter, "socket", is(0, (scmp_datum_t)socket_domains[i]));
	for (size_t i = 0; !err && i < sizeof(socket_ioctls) / sizeof(*socket_ioctls); i++)
		err = allow_if(filter, "ioctl", is(1, socket_ioctls[i]));
	return err;
}

static int allow_reading_requests(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(reading_requests) / sizeof(*reading_requests); i++)
		err = allow_if(filter, "ptrace", is(0, reading_requests[i]));
	return err;
}

static int allow_by_role(scmp_filter_ctx filter, unsigned int role)
{
	int err = allow_if(filter, "prlimit64", is(0, 0)); /* its own */

	if (!err)
		err = allow_if(filter, "socketpair", is(0, AF_UNIX));
	if (!err && role == ROLE(AGENT))
		err = allow_agent_calls(filter);
	if (!err && (role & (ROLE(BROKER) | ROLE(TRACE))))
		err = allow_if(filter, "ioctl", masked(1, IOCTL_TYPE_MASK, PERF_IOCTL_TYPE));
	if (!err && (role & ROLES_JOB))
		err = allow_if(filter, "openat", masked(2, WRITING, O_RDONLY));
	if (!err && role == ROLE(TRACE))
		err = allow_reading_requests(filter);
	for (int call = NR_URETPROBE; !err && call <= NR_UPROBE && role != ROLE(AGENT); call++)
		err = allow(filter, call);
	return err;
}

static int configure(scmp_filter_ctx filter)
{
	int err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	/* A tree instead of a list of 200 comparisons; an older libseccomp has only that. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return err;
}

static int allow_all(scmp_filter_ctx filter, unsigned int role)
{
	int err = allow_lists(filter, role);

	if (role == ROLE(COUNTER))
		return err ? err : allow_if(filter, "bpf", is(0, BPF_ENABLE_STATS));
	if (!err)
		err = allow_memory(filter);
	if (!err)
		err = allow_tasks(filter, role);
	return err ? err : allow_by_role(filter, role);
}

int confine_calls(enum confine_role role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? configure(filter) : -ENOMEM;

	if (!err)
		err = allow_all(filter, 1u << role);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
