// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scans a process again and again: scan_loop PID [COUNT]. Says what it is about: "scan" at the beginning of each, then
 * its result. Driven by scan_survival.py, which does it harm.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/heap/heap.h"

int main(int argc, char **argv)
{
	struct heap_scan_options options = {.max_stop_ns = 200000000, .memory_bytes = 256 << 20};
	long count = argc > 2 ? atol(argv[2]) : 1;

	if (argc < 2)
		return 64;
	options.pid = atoi(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < count; i++) {
		struct heap_snapshot *snapshot = NULL;
		struct heap_worker *scan;
		int err = heap_scan_start(&options, &scan);

		printf("scan\n");
		if (!err)
			err = heap_scan_finish(scan, &snapshot);
		if (err)
			printf("%s\n", strerror(-err));
		else
			printf("%lu blocks, stop %lu us\n", snapshot->live_count,
			       snapshot->stop_ns / 1000);
		heap_snapshot_free(snapshot);
	}
	return 0;
}
