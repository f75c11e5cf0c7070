/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who keeps a group of blocks: the root and the block that the shortest ways back from its samples have in common. */
#ifndef HOLDFAST_HEAP_HOLDER_H
#define HOLDFAST_HEAP_HOLDER_H

#include "account/heap/census.h"
#include "account/heap/reach.h"

struct holder_finder {
	struct heap_image *image;
	struct census *census;
	const struct reach_paths *paths;
	struct frame_finder *frames;
};

/* Paths in @ret are borrowed from the image's maps. -ENOMEM. */
int holder_find(struct holder_finder *finder, const struct census_group *group,
		struct heap_holder *ret);

/* The same for blocks that somebody asks about. */
int holder_answer(struct holder_finder *finder, const struct heap_question *question,
		  struct heap_holder *ret);

#endif
