/* SPDX-License-Identifier: Apache-2.0 */
/* What EC2's error codes mean for a launch: pure. */
#include "aws/ec2.h"
#include "base/str.h"

#include <string.h>

/* Compared whole: "Unsupported" begins other codes. */
static const struct {
	const char *code;
	enum bl_ec2_class class;
} codes[] = {
	{ "InsufficientInstanceCapacity", BL_EC2_CAPACITY },
	{ "InsufficientCapacity", BL_EC2_CAPACITY },
	{ "InsufficientCapacityOnHost", BL_EC2_CAPACITY },
	{ "InsufficientHostCapacity", BL_EC2_CAPACITY },
	{ "InsufficientReservedInstanceCapacity", BL_EC2_CAPACITY },
	{ "UnfulfillableCapacity", BL_EC2_CAPACITY },
	{ "SpotMaxPriceTooLow", BL_EC2_CAPACITY },

	{ "InsufficientFreeAddressesInSubnet", BL_EC2_SUBNET_FULL },

	{ "VcpuLimitExceeded", BL_EC2_QUOTA },
	{ "MaxSpotInstanceCountExceeded", BL_EC2_QUOTA },
	{ "MaxSpotFleetRequestCountExceeded", BL_EC2_QUOTA },
	{ "TargetCapacityLimitExceededException", BL_EC2_QUOTA },
	{ "ResourceLimitExceeded", BL_EC2_QUOTA },
	{ "InstanceLimitExceeded", BL_EC2_QUOTA },

	{ "Unsupported", BL_EC2_NOT_OFFERED },
	{ "InvalidFleetConfiguration", BL_EC2_NOT_OFFERED },

	{ "UnauthorizedOperation", BL_EC2_DENIED },
	{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted", BL_EC2_DENIED },
	{ "AuthFailure", BL_EC2_DENIED },
	{ "OptInRequired", BL_EC2_DENIED },
	{ "PendingVerification", BL_EC2_DENIED },

	{ "RequestLimitExceeded", BL_EC2_THROTTLED },
	{ "EC2ThrottledException", BL_EC2_THROTTLED },
	{ "Throttling", BL_EC2_THROTTLED },
};

static bool is_config(const char *code)
{
	return bl_str_starts(code, "Invalid") || bl_str_starts(code, "Missing") ||
	       bl_str_starts(code, "Unknown") || bl_str_starts(code, "Unsupported");
}

enum bl_ec2_class bl_ec2_classify(const char *code, bool in_errors)
{
	for (size_t i = 0; i < BL_COUNT(codes); i++) {
		if (strcmp(code, codes[i].code) != 0)
			continue;
		/* of the whole call they speak of what was asked */
		if (codes[i].class == BL_EC2_NOT_OFFERED && !in_errors)
			return BL_EC2_CONFIG;
		return codes[i].class;
	}
	if (!is_config(code))
		return BL_EC2_OTHER;
	return in_errors ? BL_EC2_NOT_OFFERED : BL_EC2_CONFIG;
}
