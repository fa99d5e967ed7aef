/* SPDX-License-Identifier: Apache-2.0 */
/* A token gives a map, or an error that holds none of it. */
#include "codec/jwt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_VALUE claims = NULL;
	struct bl_err err = { 0 };

	if (bl_jwt_claims((const char *)data, size, &claims, &err)) {
		must(err.code == BL_ECORRUPT && !claims);
		for (const char *at = err.text; *at; at++)
			must(*at >= ' ' && *at <= '~');
		return 0;
	}
	must(!err.code && claims->type == BL_MAP);
	must(size >= 5 && size <= BL_JWT_MAX);
	return 0;
}
