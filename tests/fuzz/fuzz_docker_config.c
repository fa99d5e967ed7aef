/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as docker's config.json: a login is whole or none, and a helper is a plain name. */
#include "run/image_login_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void look_for(const char *registry, const char *text, size_t size)
{
	struct bl_login login = { 0 };
	char helper[128] = "";
	struct bl_err err = { 0 };
	bool found = false;

	if (bl_login_of_config(text, size, "f", registry, &login, helper, &found, &err)) {
		must(err.code == BL_EINPUT && *err.next);
		must(!login.user[0] && !login.password.text && !*helper && !found);
		return;
	}
	must(found == (*helper || login.user[0]));
	must(!*helper || (login_is_helper(helper) && !login.user[0]));
	must((login.user[0] != '\0') == (login.password.len > 0));
	must(!login.is_identity_token || login.password.len);
	must(strlen(login.user) < sizeof(login.user));
	bl_login_done(&login);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const registries[] = { "r.io", "r.io/team/name", "docker.io/library/x",
		                                  "localhost:5000" };

	for (size_t i = 0; i < BL_COUNT(registries); i++)
		look_for(registries[i], (const char *)data, size);
	return 0;
}
