# SPDX-License-Identifier: Apache-2.0
"""What STS and IAM have in common: a form as request, XML as reply."""
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import policy
import sigv4
from core import Problem, Reply

INVALID = "The security token included in the request is invalid."
# what other services call it -> what these do
NAMES = {
    "InvalidAccessKeyId": (403, "InvalidClientTokenId", INVALID),
    "InvalidToken": (403, "InvalidClientTokenId", INVALID),
    "ExpiredToken": (403, "ExpiredToken", "The security token included in the request is expired"),
    "AuthorizationHeaderMalformed": (400, "IncompleteSignature", None),
}


class QueryService:
    """Operations are methods do_OPERATION(request) over request.params; they return what is inside."""
    NAME = VERSION = NAMESPACE = None
    HIDDEN = ()  # parameters that are not recorded

    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        pass

    def name_operation(self, request, stream):
        request.service = self.NAME
        if request.header("expect", "").lower() == "100-continue":
            stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.wire, request.is_read = stream.body(request), True
        request.params = dict(parse_qsl(request.wire.decode("utf-8", "replace"), True))
        request.operation = request.params.get("Action", "Unknown")

    def handle(self, request):
        request.entry["params"] = {name: value for name, value in request.params.items()
                                   if name not in self.HIDDEN}
        call = getattr(self, "do_" + request.operation, None)
        if call is None or request.params.get("Version") != self.VERSION:
            raise Problem(400, "InvalidAction", f"Could not find operation {request.operation} for "
                          f"version {request.params.get('Version')}")
        result = call(request)
        name = request.operation
        body = (f'<{name}Response xmlns="{self.NAMESPACE}"><{name}Result>{inner(result)}</{name}Result>'
                f"<ResponseMetadata><RequestId>{request.entry['request_id']}</RequestId>"
                f"</ResponseMetadata></{name}Response>")
        return Reply(200, [("Content-Type", "text/xml"),
                           ("x-amzn-RequestId", request.entry["request_id"])], body)

    def error(self, request, problem):
        status, code, message = problem.status, problem.code, problem.message
        if code == "RequestTimeTooSkewed":
            status, code = 403, "SignatureDoesNotMatch"
            message = sigv4.expired(problem)
        elif code in NAMES:
            status, code, said = NAMES[code]
            message = said or message
        body = (f'<ErrorResponse xmlns="{self.NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
                f"<Message>{escape(message)}</Message></Error>"
                f"<RequestId>{request.entry['request_id']}</RequestId></ErrorResponse>")
        return Reply(status, [("Content-Type", "text/xml"), *problem.headers,
                              ("x-amzn-RequestId", request.entry["request_id"])], body)

    def signer(self, request):
        if not sigv4.is_signed(request):
            raise Problem(403, "MissingAuthenticationToken",
                          "Request is missing Authentication Token")
        request.signer = sigv4.verify(self.world, request, self.NAME)
        return request.signer.credential

    def allow(self, request, resource):
        policy.check(self.world, self.NAME, request, resource)


def inner(value):
    if not isinstance(value, dict):
        return escape(str(value))
    return "".join(f"<{name}>{inner(v)}</{name}>" for name, v in value.items())


def invalid(member, rule):
    return Problem(400, "ValidationError", f"1 validation error detected: Value at '{member}' failed "
                   f"to satisfy constraint: Member must satisfy {rule}")
