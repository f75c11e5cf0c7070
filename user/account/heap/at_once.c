// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/at_once.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/heap/stop.h"
#include "base/clock.h"
#include "process/proc/process.h"

#define PAGE_SIZE_BYTES 4096u
#define PAGES_MAX       (1u << 16)
#define STOP_WAIT_NS    (100 * NS_PER_MS)
#define LIFE_US         500000 /* whatever happens to the worker, the target goes on when it ends */

/* Seen by both of us: the result, then the pages. */
struct shared {
	int result;
	uint8_t pages[];
};

static void read_pages(int pid, const uint64_t *addresses, size_t count, struct shared *shared)
{
	struct stopped_process stopped = {0};

	shared->result = stop_process(pid, STOP_WAIT_NS, &stopped);
	if (shared->result)
		return;
	for (size_t i = 0; i < count; i++) {
		uint8_t *page = shared->pages + i * PAGE_SIZE_BYTES;

		if (process_read_memory(pid, addresses[i], page, PAGE_SIZE_BYTES))
			memset(page, 0, PAGE_SIZE_BYTES);
	}
	stop_resume(&stopped);
}

/* No key stops it, its maker's end and the alarm end it: the kernel lets the target go on then. */
static _Noreturn void work(int pid, const uint64_t *addresses, size_t count, struct shared *shared)
{
	const struct itimerval life = {.it_value = {.tv_usec = LIFE_US}};

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	setitimer(ITIMER_REAL, &life, NULL);
	read_pages(pid, addresses, count, shared);
	_exit(0);
}

int heap_read_at_once(int pid, const uint64_t *addresses, size_t count, uint8_t *ret_bytes)
{
	size_t size = sizeof(struct shared) + count * PAGE_SIZE_BYTES;
	struct shared *shared;
	pid_t worker;
	int err;

	if (count > PAGES_MAX)
		return -EFBIG;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
		      -1, 0);
	if (shared == MAP_FAILED)
		return -ENOMEM;
	shared->result = -ECANCELED;
	worker = fork();
	if (!worker)
		work(pid, addresses, count, shared);
	while (worker > 0 && waitpid(worker, NULL, 0) < 0 && errno == EINTR)
		;
	err = worker < 0 ? -EAGAIN : shared->result;
	if (!err)
		memcpy(ret_bytes, shared->pages, count * PAGE_SIZE_BYTES);
	munmap(shared, size);
	return err;
}
