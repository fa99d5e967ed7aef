/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/advice_table.h"

#include "base/err.h"

#define DENIED "AccessDenied AccessDeniedException UnauthorizedOperation"

/* Particular before general: what the message says, then a service, then any. */
const struct advice advice_table[] = {
	{ NULL, NULL, DENIED, "explicit deny",
	  "change the Deny of {action} in the {policy}: no Allow elsewhere outweighs it" },
	{ NULL, NULL, DENIED, "no session policy allows",
	  "give a session policy that allows {action}: it can only narrow what the role itself "
	  "may" },
	{ NULL, NULL, DENIED, "perform: kms:",
	  "allow {action} on the key that encrypts the bucket, in the role's policy and in the "
	  "key's: reading needs kms:Decrypt, writing kms:GenerateDataKey and kms:Decrypt" },
	{ NULL, NULL, "KMS.NotFoundException", NULL,
	  "name a KMS key that exists, in the bucket's region, as the bucket's default "
	  "encryption" },
	{ NULL, NULL, "KMS.*", NULL,
	  "enable the KMS key of the bucket, or cancel its deletion: until then what it encrypts "
	  "can be neither read nor written" },

	/* S3: which permission an operation needs */
	{ "s3", "GetObject HeadObject GetObjectAttributes", DENIED, NULL,
	  "allow s3:GetObject on {bucket}/* in the role's policy, and s3:ListBucket on {bucket}: "
	  "without that a key that is not there reads as AccessDenied, too" },
	{ "s3",
	  "PutObject CreateMultipartUpload UploadPart CompleteMultipartUpload CopyObject "
	  "UploadPartCopy",
	  DENIED, NULL,
	  "allow s3:PutObject on {bucket}/runs/* (or the prefix written to) in the role's policy; "
	  "the bucket's policy may ask for more: encryption, or If-None-Match" },
	{ "s3", "ListObjectsV2 ListObjects HeadBucket", DENIED, NULL,
	  "allow s3:ListBucket on the bucket itself (arn:aws:s3:::{bucket}, without /*) in the "
	  "role's policy" },
	{ "s3", "ListMultipartUploads", DENIED, NULL,
	  "allow s3:ListBucketMultipartUploads on the bucket itself (arn:aws:s3:::{bucket}, "
	  "without /*) in the role's policy" },
	{ "s3", "ListParts", DENIED, NULL,
	  "allow s3:ListMultipartUploadParts on {bucket}/* in the role's policy" },
	{ "s3", "AbortMultipartUpload", DENIED, NULL,
	  "allow s3:AbortMultipartUpload on {bucket}/* in the role's policy" },
	{ "s3", "DeleteObject DeleteObjects", DENIED, NULL,
	  "allow s3:DeleteObject on {bucket}/* in the role's policy; the records of a run are kept "
	  "from deletion by the bucket's policy, on purpose" },
	{ "s3", "GetBucketLocation", DENIED, NULL,
	  "allow s3:GetBucketLocation on the bucket itself in the role's policy, or set "
	  "AWS_REGION" },

	/* S3: the rest */
	{ "s3", NULL, "NoSuchBucket", NULL,
	  "check the bucket's name ({bucket}), and whose credentials these are: `branchline "
	  "whoami`" },
	{ "s3", NULL, "NoSuchKey", NULL,
	  "look what is there: aws s3 ls --recursive s3://{bucket}/" },
	{ "s3", NULL,
	  "PermanentRedirect AuthorizationHeaderMalformed BucketRegionError "
	  "IllegalLocationConstraintException",
	  NULL,
	  "set AWS_REGION to the bucket's own region; aws s3api get-bucket-location --bucket "
	  "{bucket} shows it (null: us-east-1)" },
	{ "s3", NULL, "InvalidObjectState", NULL,
	  "it is archived; restore it, which takes hours: aws s3api restore-object --bucket "
	  "{bucket} --key {key} --restore-request Days=7" },
	{ "s3", NULL, "SlowDown", NULL,
	  "transfer less at once, or use several prefixes: S3 takes 3,500 writes and 5,500 reads a "
	  "second for each, fewer while a prefix is new" },
	{ "s3", NULL, "EntityTooLarge", NULL,
	  "split it: an object has at most 5 TiB, a part or a single write 5 GiB" },
	{ "s3", NULL, "EntityTooSmall", NULL,
	  "use parts of 5 MiB at least; only the last may be smaller" },
	{ "s3", NULL,
	  "BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch", NULL,
	  "repeat it: the bytes changed on their way; if it goes on, a proxy or this machine's "
	  "memory changes them" },
	{ "s3", "GetObject HeadObject", "PreconditionFailed", NULL,
	  "start again: the object was replaced while it was read" },
	{ "s3", NULL, "PreconditionFailed", NULL,
	  "choose another key, or remove what is there: it exists and must not be overwritten" },
	{ "s3", NULL, "ConditionalRequestConflict OperationAborted", NULL,
	  "repeat it: another write to the same name was under way" },
	{ "s3", NULL, "NoSuchUpload InvalidPart InvalidPartOrder", NULL,
	  "start the upload again: it was ended elsewhere, perhaps by a lifecycle rule of the "
	  "bucket that aborts unfinished uploads" },
	{ "s3", NULL, "InvalidBucketState", NULL,
	  "use another bucket, or change its versioning or object lock: the state it is in does "
	  "not "
	  "allow this" },
	{ "s3", NULL, "InvalidBucketName", NULL,
	  "correct the bucket's name: 3 to 63 of a-z, 0-9, '-' and '.'" },
	{ "s3", NULL, "KeyTooLongError", NULL, "shorten the path: a key has at most 1,024 bytes" },
	{ "s3", NULL, "MethodNotAllowed", NULL,
	  "check AWS_ENDPOINT_URL_S3 (is S3 there?), and whether the key's newest version is a "
	  "delete marker" },
	{ "s3", NULL, "NotImplemented", NULL,
	  "check AWS_ENDPOINT_URL_S3: what answers there lacks a part of S3; conditional writes, "
	  "multipart uploads and checksums are needed" },
	{ "s3", NULL, "AllAccessDisabled", NULL,
	  "ask the bucket's owner: AWS has disabled all access to it" },

	/* STS */
	{ "sts", "AssumeRoleWithWebIdentity", DENIED, NULL,
	  "make the trust policy of {role} allow sts:AssumeRoleWithWebIdentity to this token's sub "
	  "and aud, exactly as they are; check the account in the ARN" },
	{ "sts", "AssumeRole", DENIED, NULL,
	  "allow the caller sts:AssumeRole on {role}, and name the caller in that role's trust "
	  "policy: both are needed" },
	{ "sts", NULL, "InvalidIdentityToken", "No OpenIDConnect provider",
	  "create the identity provider https://token.actions.githubusercontent.com (audience "
	  "sts.amazonaws.com) in the role's account, or correct the account in the role's ARN" },
	{ "sts", NULL, "InvalidIdentityToken", NULL,
	  "compare audience and issuer of the identity provider in IAM with this token's; a GitHub "
	  "Enterprise Server must show its keys to AWS" },
	{ "sts", NULL, "IDPRejectedClaim", NULL,
	  "run the job again; if it goes on, compare audience and issuer of the identity provider "
	  "in IAM with this token's" },
	{ "sts", "AssumeRoleWithWebIdentity", "ExpiredTokenException", NULL,
	  "run it again, and check this machine's clock: the identity token was too old when it "
	  "arrived" },
	{ "sts", NULL, "IDPCommunicationError", NULL,
	  "run it again later: AWS could not reach the token's issuer, which must be public" },
	{ "sts", NULL, "MalformedPolicyDocument", NULL,
	  "correct the session policy: JSON with Version and Statement, as `aws accessanalyzer "
	  "validate-policy` takes it" },
	{ "sts", NULL, "PackedPolicyTooLarge", NULL,
	  "shorten the session policy: AWS packs it, with the session's tags, into a limited "
	  "space" },
	{ "sts", NULL, "RegionDisabledException", NULL,
	  "activate STS for {region} in the account settings of IAM, or set AWS_REGION to a region "
	  "that is active" },
	{ "sts", NULL, "ValidationError", "DurationSeconds",
	  "ask for a shorter session (900 to 3600 s always works), or raise the role's maximum "
	  "session duration" },
	{ "sts", NULL, "ValidationError", "roleArn",
	  "write the role as arn:aws:iam::123456789012:role/NAME" },
	{ "sts", NULL, "ValidationError", "policy",
	  "shorten the session policy: 2,048 characters at most" },

	/* What surrounds a launch */
	{ "ssm", NULL, DENIED, NULL,
	  "allow ssm:GetParameter on parameter/branchline/* in the role's policy: the stack's "
	  "descriptor is there" },
	{ "servicequotas", NULL, DENIED, NULL,
	  "allow servicequotas:GetServiceQuota and GetAWSDefaultServiceQuota on * in the role's "
	  "policy" },
	{ "pricing", NULL, DENIED, NULL,
	  "allow pricing:GetProducts on * in the role's policy: without it no price on demand is "
	  "known" },
	{ "budgets", NULL, DENIED, NULL,
	  "allow budgets:ViewBudget on the budget in the role's policy: without it only what "
	  "Branchline's own runs cost is counted" },
	{ "budgets", NULL, "NotFoundException", NULL,
	  "create the budget (the Terraform module does), or name another one in the stack" },

	/* ECR: its control plane */
	{ "ecr", "GetAuthorizationToken", DENIED, NULL,
	  "allow ecr:GetAuthorizationToken on * in the role's policy: it is not of one "
	  "repository" },
	{ "ecr", "CreateRepository", DENIED, NULL,
	  "allow ecr:CreateRepository on the repository in the role's policy, or let somebody who "
	  "may create it" },
	{ "ecr", "DescribeImages DescribeRepositories", DENIED, NULL,
	  "allow ecr:DescribeImages and ecr:DescribeRepositories on the repository in the role's "
	  "policy; one of another account must allow them in its own policy, too" },
	{ "ecr", NULL, "LimitExceededException", NULL,
	  "delete repositories that nobody needs, or ask for more in Service Quotas, for "
	  "{region}" },
	{ "ecr", NULL, "InvalidParameterException", NULL,
	  "correct the repository's name (2 to 256 of a-z, 0-9, '.', '_', '-' and '/', each part "
	  "beginning and ending in a letter or digit), or the account's 12 digits" },

	/* EC2 */
	{ "ec2", "CreateFleet", DENIED, NULL,
	  "allow ec2:CreateFleet, ec2:RunInstances and ec2:CreateTags, and iam:PassRole on the "
	  "instance's role, as the Terraform module's launch role does" },
	{ "ec2", "TerminateInstances", DENIED, NULL,
	  "allow ec2:TerminateInstances on instances that have the stack's tag, in the role's "
	  "policy" },
	{ "ec2", NULL, "AuthFailure.ServiceLinkedRoleCreationNotPermitted", NULL,
	  "create spot's role once in this account: aws iam create-service-linked-role "
	  "--aws-service-name spot.amazonaws.com" },
	{ "ec2", NULL,
	  "InsufficientInstanceCapacity InsufficientCapacity InsufficientCapacityOnHost "
	  "InsufficientHostCapacity InsufficientReservedInstanceCapacity UnfulfillableCapacity "
	  "SpotMaxPriceTooLow",
	  NULL,
	  "name more instance_types, wait with wait_for_capacity, or allow market: "
	  "spot-then-on-demand" },
	{ "ec2", NULL, "InsufficientFreeAddressesInSubnet", NULL,
	  "use larger subnets, or end what holds their addresses" },
	{ "ec2", NULL,
	  "VcpuLimitExceeded MaxSpotInstanceCountExceeded MaxSpotFleetRequestCountExceeded "
	  "InstanceLimitExceeded",
	  NULL,
	  "ask for more vCPUs of that family in Service Quotas, EC2, for {region}; `branchline "
	  "doctor` shows what there is" },
	{ "ec2", NULL, "InvalidLaunchTemplate* InvalidSubnetID*", NULL,
	  "apply the Terraform module again, in {region}: the stack names what is not there" },
	{ "ec2", NULL, "InvalidAMIID*", NULL,
	  "apply the Terraform module again: the launch template's image is gone" },

	/* Keys, tokens, clocks: any service */
	{ NULL, NULL, "InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException", NULL,
	  "use keys that are active, of the same partition, with their AWS_SESSION_TOKEN if they "
	  "are temporary; `branchline whoami` shows where they come from" },
	{ NULL, NULL, "SignatureDoesNotMatch InvalidSignatureException", NULL,
	  "check the secret key (a blank or a line end at its end?), the region, and whether a "
	  "proxy changes requests" },
	{ NULL, NULL, "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
	  NULL,
	  "get new credentials: sign in again, or name the role (AWS_ROLE_ARN), so that they are "
	  "renewed in time" },
	{ NULL, NULL, "InvalidToken", NULL,
	  "unset an AWS_SESSION_TOKEN that belongs to other keys; in a region that is off by "
	  "default only a token of a regional STS endpoint is valid" },
	{ NULL, NULL, "RequestTimeTooSkewed RequestInTheFuture", NULL,
	  "set this machine's clock (NTP): AWS allows a difference of 5 minutes, S3 of 15" },
	{ NULL, NULL, "AuthFailure", NULL,
	  "check the keys, and this machine's clock (NTP): AuthFailure stands for both" },
	{ NULL, NULL, "UnauthorizedException", NULL, "sign in again: aws sso login" },
	{ NULL, NULL, "OptInRequired NotSignedUp", NULL,
	  "activate the service, and the region {region}, for this account in the AWS console" },
	{ NULL, NULL, "AccountProblem AllAccessDisabled", NULL,
	  "ask AWS Support: the account is suspended or not complete" },
	{ NULL, NULL, DENIED, "perform: ",
	  "allow {action} on the resource in the role's policy; `branchline whoami` shows who "
	  "asked" },
	{ NULL, NULL, DENIED, NULL,
	  "allow the operation in the role's policy and the resource's; `branchline whoami` shows "
	  "who asked" },

	/* Limits and weather */
	{ NULL, NULL,
	  "Throttling ThrottlingException ThrottledException RequestThrottled "
	  "RequestThrottledException TooManyRequestsException RequestLimitExceeded SlowDown "
	  "BandwidthLimitExceeded LimitExceededException EC2ThrottledException",
	  NULL, "wait a minute and repeat it; all that this account does shares the same limit" },
	{ NULL, NULL,
	  "QuotaExceeded QuotaExceededException ServiceQuotaExceededException LimitExceeded", NULL,
	  "free some, or ask for more in Service Quotas, for {region}" },
	{ NULL, NULL,
	  "InternalError InternalFailure InternalServerException ServiceUnavailable "
	  "RequestTimeout RequestTimeoutException",
	  NULL, "repeat it later; if it goes on, give the request's id to AWS Support" },
};

const size_t advice_count = BL_COUNT(advice_table);
