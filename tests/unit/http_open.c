/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_open.h"

#include "tests/unit/scratch.h"

struct bl_http *open_http(void)
{
	struct bl_http *http = NULL;
	struct bl_err err = { 0 };

	must(bl_http_open(NULL, &http, &err), &err);
	return http;
}
