/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks by type and size: what the first bytes of each say. Read while the process runs on, so a block that changed
 * hands since the image was taken may be counted as what it is now.
 */
#ifndef HOLDFAST_HEAP_CENSUS_H
#define HOLDFAST_HEAP_CENSUS_H

#include "account/heap/class_names.h"
#include "account/heap/image.h"

#define CENSUS_LOOK_BYTES 256 /* of a block */
#define CENSUS_SAMPLES    32  /* addresses kept per group */
#define CENSUS_GROUPS_MAX 65535
#define CENSUS_TYPES_MAX  16384
#define CENSUS_TEXT_BYTES 48

struct census_type {
	enum heap_kind kind;
	char *name; /* owned; NULL for all but HEAP_CLASS */
};

struct census_group {
	uint32_t type;
	uint64_t size_bytes, count, bytes, lost_count, lost_bytes, returned;
	uint64_t samples[CENSUS_SAMPLES]; /* evenly drawn */
	uint32_t sample_count;
	bool lost_text; /* the text is a lost block's */
	char text[CENSUS_TEXT_BYTES + 1];
};

struct census {
	struct heap_image *image;
	struct class_names names;
	VEC(struct census_type) types;
	VEC(struct census_group) groups;
	struct map64 by_key; /* type and size -> group */
	uint64_t random;
};

/* @image must outlive it. -ENOMEM. */
int census_init(struct census *census, struct heap_image *image);
void census_done(struct census *census);
/* Counts all live blocks, lost ones included. */
int census_take(struct census *census);
/* The group of a block with that content; made if it is new. -ENOMEM. */
int census_group_of(struct census *census, const void *content, size_t content_bytes,
		    uint64_t size_bytes, uint32_t *ret_group);
/* One of the group's blocks that is lost: what it holds is shown rather than what another does. */
void census_show_lost(struct census *census, uint32_t group, const void *content,
		      size_t content_bytes);
/* The same, by a type known from elsewhere. */
int census_group_by_type(struct census *census, enum heap_kind kind, const char *name,
			 uint64_t size_bytes, uint32_t *ret_group);

#endif
