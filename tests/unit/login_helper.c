/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/login_helper.h"

#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

void put_helper(const char *name, const char *script)
{
	char path[512], tail[160];

	snprintf(tail, sizeof(tail), "bin/docker-credential-%s", name);
	assert_true(mkdir(folder_path("bin"), 0777) == 0 || is_there("bin"));
	put_text(tail, script);
	assert_int_equal(chmod(folder_path(tail), 0755), 0);
	snprintf(path, sizeof(path), "%s:/usr/local/bin:/usr/bin:/bin", folder_path("bin"));
	setenv("PATH", path, 1);
	setenv("HELPER_DIR", folder, 1);
}
