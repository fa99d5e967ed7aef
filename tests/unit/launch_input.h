/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_LAUNCH_INPUT_H
#define BL_TESTS_LAUNCH_INPUT_H

#include "run/launch_pools.h"

/*
 * A stack of two launch templates (x86_64: g6.xlarge, g5.xlarge, g4dn.xlarge; arm64: g5g.xlarge) in
 * the zones a and b, and what EC2 says of its types, offers and prices.
 */
extern const char launch_stack_text[];
extern const struct bl_ec2_type launch_types[];
extern const size_t launch_types_n;
extern const struct bl_market_facts launch_market;

/* Candidates, fits and pools of that stack for what is wanted. */
BL_MUST int launch_fits(const struct bl_wanted *wanted, const struct bl_stack *stack,
                        struct bl_fits *out, struct bl_err *err);

/* EC2's answer: g6.xlarge in us-east-1b alone. With ec2_replies.h. */
#define LAUNCH_OFFERS                                                                              \
	OK("DescribeInstanceTypeOfferings",                                                        \
	   "<instanceTypeOfferingSet><item><instanceType>g6.xlarge</instanceType><locationType>"   \
	   "availability-zone</locationType><location>us-east-1b</location></item>"                \
	   "</instanceTypeOfferingSet>")

#endif
