// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/* parcels: a library for foreign.py: what parcel_seal returns is its caller's to release. */
#include <stdio.h>
#include <stdlib.h>

char *parcel_seal(const char *content, size_t bytes);
void parcel_release(char *parcel);

char *parcel_seal(const char *content, size_t bytes)
{
	char *parcel = malloc(bytes);

	if (parcel)
		snprintf(parcel, bytes, "sealed: %s", content);
	return parcel;
}

void parcel_release(char *parcel)
{
	free(parcel);
}
