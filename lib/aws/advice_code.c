/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/advice.h"
#include "aws/retry.h"

#include <string.h>

static const struct {
	const char *code;
	enum bl_code ours;
} codes[] = {
	{ "AccessDenied", BL_EDENIED },
	{ "AccessDeniedException", BL_EDENIED },
	{ "AccountProblem", BL_EDENIED },
	{ "AllAccessDisabled", BL_EDENIED },
	{ "AuthFailure", BL_EDENIED },
	{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted", BL_EDENIED },
	{ "ExpiredToken", BL_EDENIED },
	{ "ExpiredTokenException", BL_EDENIED },
	{ "IDPRejectedClaim", BL_EDENIED },
	{ "InvalidAccessKeyId", BL_EDENIED },
	{ "InvalidClientTokenId", BL_EDENIED },
	{ "InvalidIdentityToken", BL_EDENIED },
	{ "InvalidObjectState", BL_EDENIED },
	{ "InvalidSignatureException", BL_EDENIED },
	{ "InvalidToken", BL_EDENIED },
	{ "NotSignedUp", BL_EDENIED },
	{ "OptInRequired", BL_EDENIED },
	{ "RegionDisabledException", BL_EDENIED },
	{ "RequestExpired", BL_EDENIED },
	{ "RequestInTheFuture", BL_EDENIED },
	{ "RequestTimeTooSkewed", BL_EDENIED },
	{ "SignatureDoesNotMatch", BL_EDENIED },
	{ "UnauthorizedOperation", BL_EDENIED },
	{ "UnrecognizedClientException", BL_EDENIED },

	{ "ImageNotFoundException", BL_ENOENT },
	{ "NoSuchBucket", BL_ENOENT },
	{ "NoSuchKey", BL_ENOENT },
	{ "NoSuchEntity", BL_ENOENT },
	{ "NoSuchResourceException", BL_ENOENT },
	{ "NoSuchUpload", BL_ENOENT },
	{ "NoSuchVersion", BL_ENOENT },
	{ "NotFoundException", BL_ENOENT },
	{ "ParameterNotFound", BL_ENOENT },
	{ "RepositoryNotFoundException", BL_ENOENT },
	{ "ResourceNotFoundException", BL_ENOENT },

	{ "RepositoryAlreadyExistsException", BL_EEXIST },

	{ "AuthorizationHeaderMalformed", BL_EINPUT },
	{ "BucketRegionError", BL_EINPUT },
	{ "IllegalLocationConstraintException", BL_EINPUT },
	{ "InvalidBucketName", BL_EINPUT },
	{ "InvalidParameterException", BL_EINPUT },
	{ "KeyTooLongError", BL_EINPUT },
	{ "PermanentRedirect", BL_EINPUT },
	{ "ValidationError", BL_EINPUT },

	{ "BadDigest", BL_ECORRUPT },
	{ "InvalidDigest", BL_ECORRUPT },
	{ "XAmzContentChecksumMismatch", BL_ECORRUPT },
	{ "XAmzContentSHA256Mismatch", BL_ECORRUPT },

	{ "LimitExceeded", BL_ECAPACITY },
	{ "QuotaExceeded", BL_ECAPACITY },
	{ "QuotaExceededException", BL_ECAPACITY },
	{ "ServiceQuotaExceededException", BL_ECAPACITY },

	{ "ConditionalRequestConflict", BL_ERETRY },
	{ "OperationAborted", BL_ERETRY },
	{ "BucketNotEmpty", BL_EIO },
	{ "InvalidBucketState", BL_EIO },
};

static enum bl_code of_status(const char *service, int status)
{
	bool s3 = !strcmp(service, "s3");

	switch (status) {
	case 401:
	case 403:
		return BL_EDENIED;
	case 404:
		return BL_ENOENT;
	case 409:
		return s3 ? BL_ERETRY : BL_EIO;
	case 412:
		return s3 ? BL_EEXIST : BL_EIO;
	default:
		return BL_EIO;
	}
}

enum bl_code bl_aws_code(const char *service, int status, const char *code)
{
	size_t len = strlen(code);

	switch (bl_retry_kind(status, code, BL_OK)) {
	case BL_RETRY_CAPACITY:
		return BL_ECAPACITY;
	case BL_RETRY_TRANSIENT:
	case BL_RETRY_THROTTLED:
		return BL_ERETRY;
	default:
		break;
	}
	for (size_t i = 0; i < BL_COUNT(codes); i++)
		if (!strcmp(code, codes[i].code))
			return codes[i].ours;
	if (!strncmp(code, "KMS.", 4))
		return BL_EDENIED;
	if (len > 9 && !strcmp(code + len - 9, ".NotFound"))
		return BL_ENOENT;
	return of_status(service, status);
}
