/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer.h"
#include "tests/unit/transfer_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

int main(int argc, char **argv)
{
	if (argc > 1)
		return transfer_drive(argc, argv);
	return 0;
}
