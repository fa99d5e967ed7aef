/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/launch_input.h"

const char launch_stack_text[] =
	"{\"schema\":1,\"stack\":\"branchline\",\"region\":\"us-east-1\","
	"\"account\":\"123456789012\",\"store\":\"s3://b\",\"image_repository\":\"r/demo\","
	"\"templates\":[{\"id\":\"lt-0a1\",\"version\":3,\"arch\":\"x86_64\","
	"\"types\":[\"g6.xlarge\",\"g5.xlarge\",\"g4dn.xlarge\",\"c7i.large\"],"
	"\"driver\":\"550.54.15\",\"cuda_max\":\"12.4\"},"
	"{\"id\":\"lt-0a2\",\"version\":1,\"arch\":\"arm64\",\"types\":[\"g5g.xlarge\"],"
	"\"driver\":\"550.54.15\",\"cuda_max\":\"12.4\"}],"
	"\"subnets\":[{\"id\":\"subnet-0a\",\"zone\":\"us-east-1a\"},"
	"{\"id\":\"subnet-0b\",\"zone\":\"us-east-1b\"},"
	"{\"id\":\"subnet-1a\",\"zone\":\"us-east-1a\"}],"
	"\"ceilings\":{\"instance_types\":[\"g*.xlarge\",\"c7i.*\"],\"live\":2},"
	"\"budget\":{\"name\":\"b\",\"limit_usd\":100},\"disk_usd_gb_month\":0.08}";

const struct bl_ec2_type launch_types[] = {
	{ "g6.xlarge", "x86_64", "L4", "NVIDIA", 4, 16384, 1, 22888, 250, true, true },
	{ "g5.xlarge", "x86_64", "A10G", "NVIDIA", 4, 16384, 1, 22888, 250, true, true },
	{ "g4dn.xlarge", "x86_64", "T4", "NVIDIA", 4, 16384, 1, 16384, 125, true, true },
	{ "c7i.large", "x86_64", "", "", 2, 4096, 0, 0, 0, true, true },
	{ "g5g.xlarge", "arm64", "T4g", "NVIDIA", 4, 8192, 1, 16384, 0, false, true },
};
const size_t launch_types_n = BL_COUNT(launch_types);

static const struct bl_ec2_offer offers[] = {
	{ "g6.xlarge", "us-east-1a" },   { "g6.xlarge", "us-east-1b" },
	{ "g5.xlarge", "us-east-1a" },   { "g4dn.xlarge", "us-east-1a" },
	{ "g4dn.xlarge", "us-east-1b" }, { "g5g.xlarge", "us-east-1c" },
	{ "c7i.large", "us-east-1a" },
};
static const struct bl_ec2_price spot[] = {
	{ "g6.xlarge", "us-east-1a", 0.30, 1000 },   { "g6.xlarge", "us-east-1a", 0.90, 500 },
	{ "g6.xlarge", "us-east-1b", 0.25, 1000 },   { "g5.xlarge", "us-east-1a", 0.45, 1000 },
	{ "g4dn.xlarge", "us-east-1a", 0.20, 1000 },
};
static const struct bl_list_price list[] = {
	{ "g6.xlarge", 0.80 },
	{ "g5.xlarge", 1.00 },
	{ "g4dn.xlarge", 0.53 },
};
const struct bl_market_facts launch_market = { offers, BL_COUNT(offers), spot, BL_COUNT(spot),
	                                       list,   BL_COUNT(list) };

int launch_fits(const struct bl_wanted *wanted, const struct bl_stack *stack, struct bl_fits *out,
                struct bl_err *err)
{
	BL_AUTO(bl_buf) notes = BL_BUF(4096);
	struct bl_candidates candidates;

	if (bl_launch_candidates(wanted, stack, &candidates, err) ||
	    bl_launch_fits(wanted, stack, &candidates, launch_types, launch_types_n, out, &notes,
	                   err))
		return -1;
	return bl_buf_check(&notes, "notes", err);
}
