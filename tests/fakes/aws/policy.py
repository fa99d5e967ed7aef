# SPDX-License-Identifier: Apache-2.0
"""Session policies: as much of IAM as one that limits a job to its run's keys needs."""
import fnmatch
import json

from core import Problem

ACTIONS = {
    "ListObjectsV2": "s3:ListBucket", "ListObjects": "s3:ListBucket", "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject", "UploadPart": "s3:PutObject", "ListParts":
    "s3:ListMultipartUploadParts", "CreateMultipartUpload": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject", "ListMultipartUploads":
    "s3:ListBucketMultipartUploads", "DeleteObjects": "s3:DeleteObject",
}


def many(value):
    return value if isinstance(value, list) else [value]


def value_of(key, request):
    """A condition's key for this request; None: absent."""
    if key == "s3:prefix":
        return request.arg("prefix", "")
    if key == "s3:delimiter":
        return request.arg("delimiter")
    if key == "s3:if-none-match":
        return request.header("if-none-match")
    if key == "aws:SecureTransport":
        return "true" if request.tls else "false"
    if key.startswith(("aws:ResourceTag/", "ec2:ResourceTag/", "aws:RequestTag/")) or \
            key in ("aws:RequestedRegion", "ec2:Region"):
        return getattr(request, "conditions", {}).get(key)
    raise Problem(501, "NotImplemented", f"the peer does not weigh the condition {key}")


def holds(test, key, values, request):
    have = value_of(key, request)
    if test == "Null":
        return (have is None) == (str(many(values)[0]).lower() == "true")
    same = {"StringEquals": lambda a, b: a == b, "StringLike": fnmatch.fnmatchcase,
            "Bool": lambda a, b: a == str(b).lower()}.get(test)
    if same is None:
        raise Problem(501, "NotImplemented", f"the peer does not weigh {test} in a policy")
    return have is not None and any(same(have, value) for value in many(values))


def matches(statement, action, resource, request):
    return (any(fnmatch.fnmatchcase(action.lower(), a.lower()) for a in many(statement["Action"]))
            and any(fnmatch.fnmatchcase(resource, r) for r in many(statement["Resource"]))
            and all(holds(test, key, values, request)
                    for test, keys in statement.get("Condition", {}).items()
                    for key, values in keys.items()))


def check(world, service, request, resource=None):
    """
    What a session policy, where the signer has one, must allow: it names no principal, and what it
    does not allow is denied. resource None: S3's.
    """
    credential = request.signer.credential
    if not credential.policy or not world.options["enforce_policy"]:
        return
    action = ACTIONS.get(request.operation, f"{service}:{request.operation}")
    if resource is None:
        resource = f"arn:aws:s3:::{request.bucket}" + (f"/{request.key}" if request.key else "")
    if request.operation == "DeleteObjects":
        resource += "/*"
    found = [s["Effect"] for s in many(json.loads(credential.policy)["Statement"])
             if matches(s, action, resource, request)]
    if "Deny" in found or "Allow" not in found:
        raise Problem(403, "AccessDenied", f"User: {credential.arn} is not authorized to perform: "
                      f'{action} on resource: "{resource}" because no session policy allows the '
                      f"{action} action")
