/* SPDX-License-Identifier: Apache-2.0 */
#include "base/env.h"

#include <stdlib.h>

const char *bl_env(const char *name)
{
	const char *text = getenv(name);

	return text ? text : "";
}

const char *bl_env_or_null(const char *name)
{
	const char *text = bl_env(name);

	return *text ? text : NULL;
}
