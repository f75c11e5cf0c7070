// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forces collections in a process, again and again: force_loop PID [COUNT]. Says what it is about: "force" at the beginning of each, then
 * its result. Driven by force_survival.py, which kills it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/force.h"
#include "base/clock.h"
#include "process/target/module.h"

int main(int argc, char **argv)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct force_request request = {.wait_ns = 30 * NS_PER_S};
	struct python_runtime runtime;
	struct module_set *modules;
	struct target *target;
	long count = argc > 2 ? atol(argv[2]) : 1;

	if (argc < 2)
		return 64;
	request.pid = atoi(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (module_set_new(&modules) ||
	    target_new(modules, request.pid, clock_now_ns(), &target, &error) ||
	    python_runtime_find(target, &runtime))
		return 1;
	request.runtime = &runtime;
	if (force_find(target, &request))
		return 1;
	for (long i = 0; i < count; i++) {
		struct force_result result = {0};
		struct heap_worker *worker;
		int err = force_start(&request, &worker);

		printf("force\n");
		if (!err)
			err = force_finish(worker, &result);
		if (err)
			printf("failed: %s\n", strerror(-err));
		else
			printf("%s %s %lu tries, waited %lu us, held %lu us\n",
			       result.done ? "done" : "begun",
			       result.way == FORCE_PENDING ? "pending" : "at-once", result.tries,
			       result.waited_ns / 1000, result.held_ns / 1000);
	}
	return 0;
}
