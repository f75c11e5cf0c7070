/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of any kind on the machine: it ends in time, and touches nothing but the machine's own memory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "process/code/machine.h"

#define CODE_AT 0x400000u

struct input {
	const uint8_t *bytes;
	size_t size;
};

/* Three pages that hold the input, the second writable, the third not readable at once. */
static enum machine_access page(void *user, uint64_t address, uint8_t *ret_bytes)
{
	const struct input *input = user;

	if (address < CODE_AT || address >= CODE_AT + 3 * MACHINE_PAGE_BYTES)
		return MACHINE_NONE;
	memset(ret_bytes, 0xc3, MACHINE_PAGE_BYTES);
	memcpy(ret_bytes, input->bytes,
	       input->size < MACHINE_PAGE_BYTES ? input->size : MACHINE_PAGE_BYTES);
	return address == CODE_AT + MACHINE_PAGE_BYTES ? MACHINE_WRITE : MACHINE_READ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct machine_source source = {
		.page = page, .user = &input, .fs_base = CODE_AT + MACHINE_PAGE_BYTES};
	struct machine_call call = {.entry = CODE_AT,
				    .arguments = {CODE_AT + MACHINE_PAGE_BYTES, 24, size},
				    .steps_max = 2000};
	struct machine *machine;
	uint64_t result, word;

	if (machine_new(&source, &machine))
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!machine_call(machine, &call, &result) &&
		    machine_read(machine, result, &word, sizeof(word)) && word == 1)
			machine_reset(machine);
	}
	machine_refresh(machine);
	machine_free(machine);
	return 0;
}
