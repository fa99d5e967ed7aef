/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "base/log.h"
#include "runner/roles.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	bl_log_init("branchline-runner");
	(void)argc;
	(void)argv;
	return 2;
}
