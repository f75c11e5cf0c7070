// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/* Counts in two threads, with a heap of 40 MB to be looked at; tells how far it is for each line read. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile uint64_t count;
static void *blocks[40000];

static void *work(void *unused)
{
	for (uint64_t i = 0;; i++) {
		void **slot = &blocks[i % 40000];

		free(*slot);
		*slot = memset(malloc(1000), 1, 1000);
		count++;
		if (i % 64 == 0)
			usleep(1000);
	}
	return unused;
}

int main(void)
{
	char line[16];
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 40000; i++)
		blocks[i] = memset(malloc(1000), 1, 1000);
	pthread_create(&thread, NULL, work, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		usleep(5000);
		printf("%lu\n", count);
	}
	return 0;
}
