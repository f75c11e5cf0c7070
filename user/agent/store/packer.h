/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes packed with zstd, each frame with its size and a checksum: a flipped byte is found when it is unpacked. Holds the
 * library's contexts, which are costly to make.
 */
#ifndef HOLDFAST_AGENT_STORE_PACKER_H
#define HOLDFAST_AGENT_STORE_PACKER_H

#include <stddef.h>

#include "base/strbuf.h"

struct packer {
	void *compressor; /* ZSTD_CCtx, ZSTD_DCtx */
	void *expander;
};

/* -ENOMEM. */
int packer_init(struct packer *packer);
/* Also after a packer_init() that failed, and on zeroed storage. */
void packer_done(struct packer *packer);

/* Appends to @out. */
int packer_pack(struct packer *packer, const void *bytes, size_t size, struct strbuf *out);
/* Replaces @out. -EBADMSG: damaged, or larger than @max_bytes. */
int packer_unpack(struct packer *packer, const struct strbuf *packed, size_t max_bytes,
		  struct strbuf *out);

#endif
