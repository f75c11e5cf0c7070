/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often targets of Python collect garbage, whether they are traced or not (enable_gc_monitoring).
 *
 * A job (JOB_PLACE) finds once where a target's interpreter keeps its counts; from then on the broker is asked for them at every
 * pass, of all targets at once (broker_read_collectors()). One such job at a time; those that run no Python cost
 * one look at their maps, and another every GC_AGAIN_NS. Main thread.
 */
#ifndef HOLDFAST_AGENT_GC_COUNTS_H
#define HOLDFAST_AGENT_GC_COUNTS_H

#include "agent/agent_internal.h"

#define GC_AGAIN_NS (600 * NS_PER_S)

/* Each pass, before samples are stored: reads, and begins to look for what is not known. */
void gc_counts_tick(struct agent *agent, uint64_t now_ns);
/* What a job of that kind found, or could not do. */
void gc_counts_take(struct agent_job *job, const void *bytes, size_t size);
void gc_counts_failed(const struct agent_job *job, enum hf_error_code code);
/* It is over: the next may begin. */
void gc_counts_next(struct agent *agent, uint64_t now_ns);
/* The target goes. */
void gc_counts_forget(struct agent_target *target);

#endif
