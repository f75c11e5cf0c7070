/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/core's walk along frames of Python on the host, over memory of one's own making, as python.bpf.c does it. */
#ifndef HF_TESTS_BPFCORE_PYTHON_HOST_H
#define HF_TESTS_BPFCORE_PYTHON_HOST_H

#include <stdint.h>
#include <string.h>

#ifndef HF_INLINE
#define HF_INLINE inline __attribute__((always_inline))
#endif

/* What can be read. */
static struct host_python {
	const uint8_t *bytes;
	uint64_t base, size;
} host_python;

static inline int hf_python_fetch(void *dst, uint32_t size, uint64_t address)
{
	uint64_t offset = address - host_python.base;

	if (offset >= host_python.size || size > host_python.size - offset)
		return 1;
	memcpy(dst, host_python.bytes + offset, size);
	return 0;
}

#include "core/python.h"

struct host_walk {
	struct hf_python_walk walk;
	uint64_t words[2 * HF_MAX_PYTHON_FRAMES];
	uint32_t count; /* of frames */
};

static inline void host_python_walk(struct host_walk *w, const struct hf_python *py,
				    uint64_t thread)
{
	struct hf_python_words words;
	int over;

	memset(w, 0, sizeof(*w));
	if (hf_python_begin(&w->walk, py, thread))
		return;
	do {
		over = hf_python_step(&w->walk, py, &words);
		if (words.ended)
			w->words[2 * w->count - 2] |= HF_PYTHON_LAST;
		if (words.frame) {
			w->words[2 * w->count] = words.frame;
			w->words[2 * w->count++ + 1] = words.mark;
		}
	} while (!over);
}

#endif
