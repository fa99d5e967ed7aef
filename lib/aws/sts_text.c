/* SPDX-License-Identifier: Apache-2.0 */
/* Names that STS takes: pure. */
#include "aws/sts.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define ARN_MAX 2048
#define ROLE_NAME_MAX 64

/* [\w+=,.@-], in ASCII whatever the locale */
static bool fits_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_+=,.@-", c));
}

void bl_sts_session_name(const char *text, char name[BL_STS_NAME_MAX + 1])
{
	size_t n = 0;

	for (; *text && n < BL_STS_NAME_MAX; text++) {
		char c = fits_name(*text) ? *text : '-';

		/* a run of what does not fit is one dash */
		if (c != *text && n && name[n - 1] == '-')
			continue;
		name[n++] = c;
	}
	while (n < 2)
		name[n++] = '-';
	name[n] = '\0';
}

static int bad_role(const char *arn, const char *why, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "role '%.100s': %s", arn, why);
	return bl_next(err, "write it as arn:aws:iam::123456789012:role/NAME");
}

/* "arn:PARTITION:iam::"; its length, 0 when it is not there. */
static size_t prefix_of(const char *arn)
{
	static const char *const partitions[] = { "aws",     "aws-cn",    "aws-us-gov",
		                                  "aws-iso", "aws-iso-b", "aws-eusc" };
	char prefix[40];

	for (size_t i = 0; i < BL_COUNT(partitions); i++) {
		snprintf(prefix, sizeof(prefix), "arn:%s:iam::", partitions[i]);
		if (bl_str_starts(arn, prefix))
			return strlen(prefix);
	}
	return 0;
}

int bl_sts_check_role(const char *arn, struct bl_err *err)
{
	const char *at = arn + prefix_of(arn), *name;

	if (at == arn)
		return bad_role(arn, "not the ARN of an IAM role", err);
	if (strlen(arn) > ARN_MAX)
		return bad_role(arn, "over 2,048 bytes", err);
	if (strspn(at, "0123456789") != 12 || at[12] != ':')
		return bad_role(arn, "an account id has 12 digits", err);
	at += 13;
	if (!bl_str_starts(at, "role/"))
		return bad_role(arn, "not a role", err);
	at += strlen("role/");
	name = strrchr(at, '/') ? strrchr(at, '/') + 1 : at;
	if (!*name || strlen(name) > ROLE_NAME_MAX)
		return bad_role(arn, "a role's name has 1 to 64 characters", err);
	for (; *at; at++)
		/* a path may hold any printable character, a name may not */
		if (at < name ? *at < '!' || *at > '~' : !fits_name(*at))
			return bad_role(arn, "a character that no role has", err);
	return 0;
}
