// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/units.h"
#include "process/elf/elf_file.h"
#include "process/proc/maps.h"
#include "process/proc/process.h"

#define STOPS_MAX \
	100000 /* system calls of a dynamic linker before we give up waiting for its end */
#define GRACE_POLLS   200
#define GRACE_POLL_NS 10000000L

/* Child side */

static uint32_t id_from(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t id;

	return text && !units_parse_u64(text, &id) && id < UINT32_MAX ? (uint32_t)id : 0;
}

/* Under sudo the program must not run as root only because we do. */
static int drop_to_caller(void)
{
	uint32_t uid = id_from("SUDO_UID"), gid = id_from("SUDO_GID");
	const struct passwd *user = uid && !geteuid() ? getpwuid(uid) : NULL;

	if (!uid || geteuid())
		return 0;
	if (user ? initgroups(user->pw_name, gid) : setgroups(0, NULL))
		return -errno;
	return setgid(gid) || setuid(uid) ? -errno : 0;
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Writes errno to @error_fd where the program can't be run; exec closes it. */
static void child_main(char **argv, int error_fd)
{
	int err = drop_to_caller();

	reset_signals();
	setpgid(0, 0);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (!err && ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		err = -errno;
	if (!err) {
		raise(SIGSTOP);
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(error_fd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* Parent side */

/* The next stop of the child: its status, or -ECHILD when it is gone. */
static int next_stop(pid_t pid, long request, int signal_number, int *ret_status)
{
	if (ptrace(request, pid, NULL, (void *)(intptr_t)signal_number))
		return -errno;
	if (waitpid(pid, ret_status, __WALL) != pid)
		return -errno;
	return WIFSTOPPED(*ret_status) ? 0 : -ECHILD;
}

/*
 * What the child runs under, known at the exec: the dynamic linker is where it starts. @ret_start is 0 for a
 * static program, and for a linker that is the C library itself (musl): there nothing needs waiting for.
 */
static int find_linker(pid_t pid, struct mapping *ret, uint64_t *ret_start)
{
	_cleanup_(maps_done) struct maps maps = {0};
	struct elf_file *file = NULL;
	struct user_regs_struct regs;
	const struct mapping *at;
	struct elf_symbol symbol;
	int err = maps_read(pid, &maps), fd;

	*ret_start = 0;
	if (!err && ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		err = -errno;
	at = err ? NULL : maps_find(&maps, regs.rip);
	if (!at || !strstr(at->path, "/ld"))
		return err;
	fd = process_open_mapped(pid, at->start, at->end);
	if (fd < 0 || elf_file_open_fd(fd, &file))
		return 0;
	if (elf_file_find_symbol(file, "__libc_start_main", &symbol)) {
		*ret = *at;
		ret->path = "";
		*ret_start = at->start;
	}
	elf_file_free(file);
	return 0;
}

/* Is the system call that the child stops at made by other code than the dynamic linker's? Then everything is
 * mapped; the first such call of glibc comes before any constructor. */
static bool left_linker(pid_t pid, const struct mapping *linker)
{
	_cleanup_(maps_done) struct maps maps = {0};
	struct user_regs_struct regs;
	const struct mapping *at;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) || maps_read(pid, &maps))
		return true;
	at = maps_find(&maps, regs.rip);
	return at && !mapping_same_file(at, linker);
}

static int wait_for_libraries(pid_t pid)
{
	struct mapping linker = {0};
	uint64_t start;
	int status, err = find_linker(pid, &linker, &start);

	if (err || !start)
		return err;
	for (int i = 0; i < STOPS_MAX; i++) {
		err = next_stop(pid, PTRACE_SYSCALL, 0, &status);
		if (err || left_linker(pid, &linker))
			return err;
	}
	return 0;
}

/* From the SIGSTOP before the exec to the stop behind it. */
static int wait_for_exec(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -ECHILD;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		return -errno;
	return next_stop(pid, PTRACE_CONT, 0, &status);
}

static int refuse_command(int err, const char *name, struct hf_error *error)
{
	if (error_is_set(error))
		return err;
	error_set_errno(error, HF_E_NOFILE, -err, "%s can't be run", name);
	error_why(error, "%s", strerror(-err));
	return error_fix(error, "give the program's path: holdfast hunt -- ./program");
}

static int child_error(int fd)
{
	int err;

	return read(fd, &err, sizeof(err)) == sizeof(err) && err < 0 ? err : -ECHILD;
}

static int start(char **argv, pid_t *ret_pid)
{
	_cleanup_close_ int read_fd = -1, write_fd = -1;
	int pipes[2], err;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	read_fd = pipes[0];
	write_fd = pipes[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_main(argv, write_fd);
	close(take_fd(&write_fd));
	*ret_pid = pid;
	err = wait_for_exec(pid);
	return err ? child_error(read_fd) : 0;
}

int session_launch(struct session *session, char **argv, pid_t *ret_pid, struct hf_error *error)
{
	pid_t pid = 0;
	int err = start(argv, &pid);

	if (!err)
		err = wait_for_libraries(pid);
	if (!err)
		err = session_attach(session, pid, error);
	if (err) {
		if (pid > 0)
			session_end_command(pid);
		return refuse_command(err, argv[0], error);
	}
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		err = log_err(-errno, "can't let process %d go", pid);
	*ret_pid = pid;
	return err;
}

void session_end_command(pid_t pid)
{
	struct timespec pause = {0, GRACE_POLL_NS};

	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	for (int i = 0; i < GRACE_POLLS; i++) {
		if (waitpid(pid, NULL, WNOHANG | __WALL) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
}
