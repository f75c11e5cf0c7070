/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where spans begin and end (holdfast/span.h): probes at functions, and which functions of Python are spans. For a probe that
 * was made with options.span_rules.
 */
#ifndef HOLDFAST_PROBE_SPANS_H
#define HOLDFAST_PROBE_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/span.h>

#include "capture/probe/probe.h"
#include "process/target/module.h"

/* A function of a module, by its address as linked. */
struct probe_span_place {
	uint64_t address;
	struct hf_span_place place;
};

/* In that process, until probe_detach() of all or its end. 0; -ESRCH: it was not added, or is gone; -errno: not (all) there. */
int probe_spans_attach(struct probe *probe, int pid, const struct module *module,
		       const struct probe_span_place *places, size_t count);
/* Of that process: it is another program by now. */
void probe_spans_detach(struct probe *probe, int pid);
/* Times that spans were too many at once: one was not seen as it began, or an allocation does not count to all. */
uint64_t probe_span_losses(const struct probe *probe);
/* Frames of the code object with that mark (holdfast/python.h), in whatever process. Any thread. 0 or -errno. */
int probe_spans_add_code(const struct probe *probe, uint64_t mark, const struct hf_span_code *code);

#endif
