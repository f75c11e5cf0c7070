/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which a process's modules are searched for a symbol. */
#ifndef HOLDFAST_TARGET_LINK_MAP_H
#define HOLDFAST_TARGET_LINK_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "process/target/target.h"

struct link_order {
	const struct module **modules;
	size_t count;
	bool exact; /* read from the link map; else: the program, then the others as mapped, libc last */
};

/* -ENOMEM only. Modules that can't be read are left out. */
int link_order_read(const struct target *target, struct link_order *ret);
void link_order_done(struct link_order *order);

#endif
