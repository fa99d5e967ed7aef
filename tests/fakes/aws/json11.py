# SPDX-License-Identifier: Apache-2.0
"""What services that speak JSON 1.1 have in common: target, signature, form, errors."""
import json

import policy
import sigv4
from core import Problem, Reply

EXPIRED = "The security token included in the request is expired"
INVALID = "The security token included in the request is invalid."
# what other services call it -> what these do
NAMES = {
    "InvalidAccessKeyId": ("UnrecognizedClientException", INVALID),
    "InvalidToken": ("UnrecognizedClientException", INVALID),
    "ExpiredToken": ("ExpiredTokenException", EXPIRED),
    "SignatureDoesNotMatch": ("InvalidSignatureException", None),
    "AuthorizationHeaderMalformed": ("IncompleteSignatureException", None),
    "AccessDenied": ("AccessDeniedException", None),
}
CONTENT_TYPE = "application/x-amz-json-1.1"


class JsonService:
    """Operations are methods do_OPERATION(request, asked). REGION: of one that is global."""
    NAME = PREFIX = REGION = None

    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        pass

    def name_operation(self, request, stream):
        target = request.header("x-amz-target", "")
        request.service = self.NAME
        request.operation = target[len(self.PREFIX):] if target.startswith(self.PREFIX) else "Unknown"

    def handle(self, request):
        call = getattr(self, "do_" + request.operation, None)
        if request.method != "POST" or request.path != "/" or call is None:
            raise Problem(400, "UnknownOperationException")
        if request.header("content-type") != CONTENT_TYPE:
            raise Problem(404, "UnknownOperationException")
        if not sigv4.is_signed(request):
            raise Problem(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        request.signer = sigv4.verify(self.world, request, self.NAME)
        request.region = request.entry["region"]
        if self.REGION and request.region != self.REGION:
            raise Problem(400, "InvalidSignatureException", "Credential should be scoped to a valid "
                          f"region, not '{request.region}'.")
        try:
            asked = json.loads(request.wire)
            assert isinstance(asked, dict)
        except (ValueError, AssertionError):
            raise Problem(400, "SerializationException") from None
        request.entry["params"] = asked
        return Reply(200, self.headers(request), json.dumps(call(request, asked)))

    def headers(self, request):
        return [("Content-Type", CONTENT_TYPE), ("x-amzn-RequestId", request.entry["request_id"])]

    def error(self, request, problem):
        status, code, message = problem.status, problem.code, problem.message
        if code == "RequestTimeTooSkewed":
            status, code = 400, "InvalidSignatureException"
            message = sigv4.expired(problem)
        elif code in NAMES:
            status, (code, said) = 400, NAMES[code]
            message = said or message
        return Reply(status, self.headers(request) + problem.headers,
                     json.dumps({"__type": code, "message": message}))

    def allow(self, request, resource):
        policy.check(self.world, self.NAME, request, resource)


def check_members(asked, *known, code="ValidationException"):
    """A client's typing error is a failure here, where AWS would ignore it."""
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise Problem(400, code, f"unknown members: {unknown}")


def text_of(asked, name, least=1, most=2048, code="ValidationException"):
    value = asked.get(name)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise Problem(400, code, f"Value '{value}' at '{name}' failed to satisfy constraint: Member "
                      f"must have length between {least} and {most}")
    return value
