// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/module_code.h"

#include <errno.h>
#include <stdlib.h>

#include "process/code/instruction.h"
#include "process/elf/elf_file.h"
#include "process/elf/elf_frames.h"

#define WINDOW_BYTES 512 /* functions are followed forward, mostly */

struct module_code {
	const struct elf_file *file;
	struct elf_frames *frames;
	struct callees *callees;
	struct code_view view;
	uint64_t window_start;
	size_t window_size;
	uint8_t window[WINDOW_BYTES];
};

static bool holds(const struct module_code *m, uint64_t address, size_t size)
{
	uint64_t offset = address - m->window_start;

	return address >= m->window_start && offset <= m->window_size &&
	       size <= m->window_size - offset;
}

static const uint8_t *read_window(void *user, uint64_t address, size_t *ret_size)
{
	struct module_code *m = user;
	size_t size = WINDOW_BYTES;

	if (!holds(m, address, INSTRUCTION_MAX_BYTES)) {
		/* near the end of a segment there is less */
		while (size && elf_file_read(m->file, address, size, m->window))
			size = size > INSTRUCTION_MAX_BYTES ? INSTRUCTION_MAX_BYTES : size - 1;
		m->window_start = address;
		m->window_size = size;
	}
	*ret_size = m->window_size - (address - m->window_start);
	if (*ret_size > INSTRUCTION_MAX_BYTES)
		*ret_size = INSTRUCTION_MAX_BYTES;
	return *ret_size ? m->window + (address - m->window_start) : NULL;
}

static bool function_at(void *user, uint64_t address, uint64_t *ret_start, uint64_t *ret_end)
{
	return elf_frames_at(((struct module_code *)user)->frames, address, ret_start, ret_end);
}

static struct callee called(void *user, uint64_t address)
{
	return callees_at(((struct module_code *)user)->callees, address);
}

static struct callee called_through(void *user, uint64_t slot)
{
	return callees_through(((struct module_code *)user)->callees, slot);
}

int module_code_new(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		    struct module_code **ret)
{
	struct module_code *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->file = file;
	m->view = (struct code_view){read_window, function_at, called, called_through, m};
	err = elf_frames_new(file, &m->frames);
	if (!err)
		err = callees_new(file, goals, goal_count, &m->callees);
	if (err) {
		module_code_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

void module_code_free(struct module_code *m)
{
	if (!m)
		return;
	elf_frames_free(m->frames);
	callees_free(m->callees);
	free(m);
}

const struct code_view *module_code_view(const struct module_code *m)
{
	return &m->view;
}
