/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading of a process's memory, as the gauge has it and as it lies in a recording. Pure. */
#ifndef HOLDFAST_SESSION_RECORD_SAMPLE_H
#define HOLDFAST_SESSION_RECORD_SAMPLE_H

#include <holdfast/record.h>

#include "account/gauge/gauge.h"

/* The caller fills in whose it is: process and pid. */
struct hf_record_sample record_sample_from(const struct sample *sample);
struct sample record_sample_to(const struct hf_record_sample *recorded);

#endif
