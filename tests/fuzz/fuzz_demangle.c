/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A symbol's name as a hostile binary may carry it. What comes out must be short and printable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "process/symbol/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *text)
{
	/* a byte may unfold to \xNN, and the cut is marked by three bytes */
	if (strlen(text) > 4 * (size_t)SYMBOL_NAME_MAX_BYTES + 3)
		abort();
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = malloc(size + 1), *demangled, *shown;

	if (!name)
		return 0;
	memcpy(name, data, size);
	name[size] = '\0';
	demangled = symbol_demangle(name);
	if (demangled) {
		if (strlen(demangled) > SYMBOL_NAME_MAX_BYTES)
			abort();
		shown = symbol_sanitize(demangled, strlen(demangled));
		if (shown)
			check_printable(shown);
		free(shown);
	}
	shown = symbol_sanitize((const char *)data, size);
	if (shown)
		check_printable(shown);
	free(shown);
	free(demangled);
	free(name);
	return 0;
}
