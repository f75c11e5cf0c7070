// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fork_tree: a parent, its child and the child's child, each holding something else.
 *
 * The parent holds 100 blocks of 64 B at the fork (inherited by both descendants), allocates on
 * (parent_blocks) and frees some of its own; the child frees 30 of the inherited ones and allocates
 * child_blocks; the grandchild frees 10 of what it inherited and allocates grandchild_blocks. Then
 * the parent runs /bin/true by vfork + execve and by fork + execve (tolerated: those are other
 * programs), and the child ends by replacing itself if --exec=1: it execs /bin/true after end.
 * Every process prints its account; each waits, doing nothing, until all are done.
 */
#include "truth.h"

#include <sys/wait.h>

enum { SHARED = 100, SHARED_BYTES = 64 };

TRUTH_SITE(shared_before_fork);
TRUTH_SITE(parent_blocks);
TRUTH_SITE(child_blocks);
TRUTH_SITE(grandchild_blocks);

static void *shared[SHARED];
static char *const true_argv[] = {(char *)"/bin/true", NULL};
static char *const true_environment[] = {NULL};

#define SITE_FUNCTION(name)                      \
	TRUTH_FN static void *name(size_t bytes) \
	{                                        \
		void *p = malloc(bytes);         \
                                                 \
		TRUTH_STAY();                    \
		TRUTH_ALLOC(name, bytes);        \
		return p;                        \
	}

SITE_FUNCTION(shared_before_fork)
SITE_FUNCTION(parent_blocks)
SITE_FUNCTION(child_blocks)
SITE_FUNCTION(grandchild_blocks)

static void free_shared(int first, int count)
{
	for (int i = first; i < first + count; i++) {
		TRUTH_FREE(shared_before_fork, SHARED_BYTES);
		free(shared[i]);
	}
}

/* *_done: a byte when that process's account is out; over: at end of file all may leave. */
struct pipes {
	int child_done[2], grandchild_done[2], over[2];
};

static void wait_byte(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

static void say_done_and_wait(const struct pipes *pipes, const int *done)
{
	close(pipes->over[1]);
	if (write(done[1], "d", 1) != 1)
		_exit(71);
	wait_byte(pipes->over[0]);
}

static _Noreturn void grandchild(const struct pipes *pipes)
{
	truth_begin_child();
	free_shared(30, 10);
	for (size_t i = 0; i < 70; i++)
		grandchild_blocks(300);
	truth_account();
	say_done_and_wait(pipes, pipes->grandchild_done);
	_exit(0);
}

static int fork_or_die(void)
{
	int pid = fork();

	if (pid < 0)
		_exit(71);
	return pid;
}

static _Noreturn void child(const struct pipes *pipes, int exec_at_end)
{
	truth_begin_child();
	free_shared(0, 30);
	for (size_t i = 0; i < 50; i++)
		child_blocks(200);
	int pid = fork_or_die();
	if (pid == 0)
		grandchild(pipes);
	wait_byte(pipes->grandchild_done[0]);
	truth_child_started(pid);
	for (size_t i = 0; i < 5; i++)
		child_blocks(1000);
	truth_account();
	say_done_and_wait(pipes, pipes->child_done);
	waitpid(pid, NULL, 0);
	if (exec_at_end)
		execve("/bin/true", true_argv, true_environment);
	_exit(0);
}

static void run_true(int (*make_process)(void))
{
	int pid = make_process();

	if (pid == 0) {
		execve("/bin/true", true_argv, true_environment);
		_exit(71);
	}
	waitpid(pid, NULL, 0);
}

static void run_true_vfork(void)
{
	int pid = vfork();

	if (pid == 0) {
		execve("/bin/true", true_argv, true_environment);
		_exit(71);
	}
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	struct pipes pipes;

	if (pipe(pipes.child_done) || pipe(pipes.grandchild_done) || pipe(pipes.over))
		return 71;
	truth_begin(argc, argv);
	for (int i = 0; i < SHARED; i++)
		shared[i] = shared_before_fork(SHARED_BYTES);
	int pid = fork_or_die();
	if (pid == 0)
		child(&pipes, truth_argument(argc, argv, "--exec", 0) != 0);
	truth_child_started(pid);
	wait_byte(pipes.child_done[0]);
	free_shared(90, 10);
	for (size_t i = 0; i < 20; i++)
		parent_blocks(100);
	run_true_vfork();
	run_true(fork_or_die);
	truth_end();
	close(pipes.over[1]);
	waitpid(pid, NULL, 0);
	return 0;
}
