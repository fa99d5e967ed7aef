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


def matches(statement, action, resource):
    """Conditions are not weighed: a statement with one counts as if it held."""
    return (any(fnmatch.fnmatchcase(action.lower(), a.lower()) for a in many(statement["Action"]))
            and any(fnmatch.fnmatchcase(resource, r) for r in many(statement["Resource"])))


def check(credential, service, request):
    if not credential.policy:
        return
    action = ACTIONS.get(request.operation, f"{service}:{request.operation}")
    resource = f"arn:aws:s3:::{request.bucket}" + (f"/{request.key}" if request.key else "")
    if request.operation == "DeleteObjects":
        resource += "/*"
    found = [s["Effect"] for s in many(json.loads(credential.policy)["Statement"])
             if matches(s, action, resource)]
    if "Deny" in found or "Allow" not in found:
        raise Problem(403, "AccessDenied", f"User: {credential.arn} is not authorized to perform: "
                      f'{action} on resource: "{resource}" because no session policy allows the '
                      f"{action} action")
