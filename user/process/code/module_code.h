/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module's file as a code_view: for following the code of a few functions of it. Reads what is asked for and keeps none
 * of it. Borrows the file and the goals.
 */
#ifndef HOLDFAST_MODULE_CODE_H
#define HOLDFAST_MODULE_CODE_H

#include "process/code/code_view.h"

struct module_code;

/* -ENOMEM. */
int module_code_new(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		    struct module_code **ret);
void module_code_free(struct module_code *code);
/* Valid as long as @code. */
const struct code_view *module_code_view(const struct module_code *code);

#endif
