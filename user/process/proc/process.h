/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc tells of one process. A process is pid + start time, never a bare pid: struct process_key.
 * Each reader opens, reads and closes; nothing is kept. All return 0 or -errno: -ESRCH when the process
 * is gone (or its key no longer fits), -EACCES without the right to look.
 */
#ifndef HOLDFAST_PROC_PROCESS_H
#define HOLDFAST_PROC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_key {
	int pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: clock ticks since boot */
};

#define PROCESS_COMM_BYTES 64

struct process_stat {
	struct process_key key;
	char comm[PROCESS_COMM_BYTES]; /* as the kernel prints it: any bytes, NUL-terminated */
	char state;                    /* R S D Z T t X */
	int parent_pid;
	uint64_t thread_count;
	uint64_t minor_faults, major_faults;
	uint64_t user_ticks, system_ticks;
	uint64_t vms_bytes, rss_bytes;
	bool kernel_thread; /* PF_KTHREAD in flags */
};

int process_stat_read(int pid, struct process_stat *ret);
/* From the text of /proc/PID/stat; the comm in it may hold anything, parentheses and newlines included.
 * -EINVAL if it does not parse. */
int process_stat_parse(const char *text, size_t size, struct process_stat *ret);
/* Same process as when the key was taken? 0, or -ESRCH. */
int process_key_check(struct process_key key);

/* Ids of all processes, ascending; caller frees. */
int process_list(int **ret_pids, size_t *ret_count);
/* Direct children (any thread's), caller frees. */
int process_children(int pid, int **ret_pids, size_t *ret_count);

/* Link targets and texts; caller frees. exe: as the kernel prints it, so it may end in " (deleted)"; -ENOENT
 * for a kernel thread. cmdline: NULs become spaces, at most 64 KiB, "" for a kernel thread or a zombie. */
int process_exe(int pid, char **ret_path);
int process_cmdline(int pid, char **ret_text);
/* The name of one of its threads: any bytes, NUL-terminated. -ESRCH: it has ended, or is another process's. */
int process_thread_comm(int pid, uint32_t tid, char ret_comm[PROCESS_COMM_BYTES]);
/* Wall-clock start in ns since the epoch. */
int process_start_wall_ns(const struct process_stat *stat, uint64_t *ret_ns);
/* pid inside its own pid namespace, last NSpid of status. */
int process_namespace_pid(int pid, int *ret_pid);
/* Its cgroup's path in the unified hierarchy, else in that of systemd, from the root that we see; "" where it is in none. */
int process_cgroup(int pid, char **ret_path);
int process_cgroup_parse(const char *text, size_t size, char **ret_path);
/* Container id (64 hex digits or a docker/podman/k8s scope) from /proc/PID/cgroup, or "" ; caller frees. */
int process_container(int pid, char **ret_id);
/* The same from that file's text. */
int process_container_parse(const char *text, size_t size, char **ret_id);
/* Real uid of the process; tracer pid (TracerPid, 0 if none); seccomp mode (0 none, 1 strict, 2 filter). */
struct process_status {
	uint32_t uid;
	int tracer_pid;
	int seccomp_mode;
};
int process_status_read(int pid, struct process_status *ret);

/* System calls that read and that wrote, of all its threads since it began; those of sockets' own calls are not in it. */
int process_io_calls(int pid, uint64_t *ret);

/*
 * /proc/PID/root/PATH opened within the target's root (openat2 RESOLVE_IN_ROOT: no link leads out of it),
 * regular files only: anything else is -EINVAL and never opened for reading, since opening a device can
 * have effects. A read-only descriptor (O_CLOEXEC) or -errno. Reading may still block where the target
 * serves the file system itself (FUSE).
 */
int process_open_file(int pid, const char *path);
/* /proc/PID/map_files/START-END: works for deleted files too. As above. */
int process_open_mapped(int pid, uint64_t start, uint64_t end);

/* process_vm_readv of exactly @size bytes. -EFAULT if any of it is not readable; then @ret_bytes may be
 * partly written. */
int process_read_memory(int pid, uint64_t address, void *ret_bytes, size_t size);

#endif
