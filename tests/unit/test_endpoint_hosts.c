/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void hosts_of_aws_are_known(void **state)
{
	static const char *const good[] = { "s3.us-east-1.amazonaws.com",
		                            "bucket.s3.eu-west-1.amazonaws.com",
		                            "sts.amazonaws.com",
		                            "s3.cn-north-1.amazonaws.com.cn",
		                            "sts.us-east-1.api.aws",
		                            "sts.cn-north-1.api.amazonwebservices.com.cn",
		                            "s3.eusc-de-east-1.amazonaws.eu" };
	static const char *const bad[] = { "",
		                           "amazonaws.com",
		                           ".amazonaws.com",
		                           "evilamazonaws.com",
		                           "s3.amazonaws.com.evil.com",
		                           "s3.amazonaws.co",
		                           "s3.amazonaws.com.",
		                           "api.aws",
		                           "xapi.aws",
		                           "localhost",
		                           "169.254.169.254",
		                           "s3.amazonaws.com.cn.evil" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(good); i++)
		if (!bl_host_is_aws(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < BL_COUNT(bad); i++)
		if (bl_host_is_aws(bad[i]))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hosts_of_aws_are_known) };

	return cmocka_run_group_tests_name("endpoint: hosts", tests, NULL, NULL);
}
