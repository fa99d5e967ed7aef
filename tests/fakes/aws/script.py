# SPDX-License-Identifier: Apache-2.0
"""Faults by script: which request, and what happens to it."""
import base64
import fnmatch
import json
import threading
import time

from core import Gone, Problem, Reply

PATIENCE = 120
HTML502 = (b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
           b"Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
STATUS_OF = {
    "SlowDown": 503, "ServiceUnavailable": 503, "InternalError": 500, "InternalFailure": 500,
    "RequestTimeout": 400, "Throttling": 400, "ThrottlingException": 400, "ExpiredToken": 400,
    "RequestLimitExceeded": 503, "AccessDenied": 403, "ConditionalRequestConflict": 409,
    "PreconditionFailed": 412, "NoSuchUpload": 404, "NoSuchKey": 404, "IDPCommunicationError": 400,
    "InvalidIdentityToken": 400, "ExpiredTokenException": 400, "IDPRejectedClaim": 403,
    "RegionDisabledException": 403, "PackedPolicyTooLarge": 400, "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403, "TooManyRequestsException": 429, "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401, "DENIED": 403, "NAME_UNKNOWN": 404, "MANIFEST_UNKNOWN": 404,
    "BLOB_UNKNOWN": 404, "BLOB_UPLOAD_UNKNOWN": 404, "UNSUPPORTED": 405, "RANGE_INVALID": 416,
}


class Fault:
    """One line of the script. See README.md for the fields."""

    FIELDS = {
        # which request
        "service": None, "operation": None, "key": None, "query": None, "nth": 1, "count": 1,
        # what happens
        "delay": 0, "hold": None, "status": None, "headers": None, "remove_headers": (),
        "body": None, "body_base64": None, "error": None, "message": "", "members": None,
        "html502": False, "commit": False, "cut": None, "cut_from": "head", "how": "reset",
        "read_cut": None, "trickle": None, "truncate_at": None, "flip_bit": None,
        "wrong_checksum": False, "expire_session": False, "lead": None, "error_in_200": None,
        "then": None,
    }

    def __init__(self, fields):
        unknown = set(fields) - set(self.FIELDS)
        if unknown:
            raise Problem(400, "BadScript", f"unknown fields: {sorted(unknown)}")
        for name, default in self.FIELDS.items():
            setattr(self, name, fields.get(name, default))
        self.fields, self.seen, self.used = fields, 0, 0
        if self.how not in ("reset", "close") or self.cut_from not in ("head", "body"):
            raise Problem(400, "BadScript", "how: reset or close; cut_from: head or body")
        if not (self.cut in (None, "before", "after") or isinstance(self.cut, int)):
            raise Problem(400, "BadScript", "cut: before, after or a number of bytes")
        self.canned = self.status is not None or self.error is not None or self.html502

    def is_for(self, request):
        return (self.service in (None, request.service) and
                self.operation in (None, request.operation) and
                (self.key is None or fnmatch.fnmatchcase(request.key or "", self.key)) and
                (self.query is None or self.query in request.query_text))

    def before(self, world, request):
        """Waits and side effects that come before the operation."""
        if self.delay:
            time.sleep(self.delay)
        if self.expire_session:
            world.expire(request)
        if self.hold:
            request.entry["held"] = self.hold
            if not world.script.gate(self.hold).wait(PATIENCE):
                raise Gone
        if self.then:
            world.script.add(self.then)

    def reply(self, request, service):
        """The reply that takes the place of the operation's."""
        if self.html502:
            return Reply(502, [("Content-Type", "text/html")], HTML502)
        if self.error is not None:
            status = self.status or STATUS_OF.get(self.error, 400)
            return service.error(request, Problem(status, self.error, self.message,
                                                  **(self.members or {})))
        body = base64.b64decode(self.body_base64) if self.body_base64 else self.body or ""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return Reply(self.status, (), body)

    def alter(self, request, reply):
        """Harm done to a reply of whatever origin."""
        if self.error_in_200 is not None:
            error = self.reply_error(request)
            reply = Reply(200, [("Content-Type", "application/xml")], error, lead=b"")
        gone = {name.lower() for name in self.remove_headers} | {n.lower() for n in self.headers or {}}
        reply.headers = [(n, v) for n, v in reply.headers if n.lower() not in gone]
        reply.headers += list((self.headers or {}).items())
        if self.lead is not None:
            reply.lead = self.lead.encode()
        if self.truncate_at is not None:
            if reply.lead:
                reply.body, reply.lead = reply.lead + reply.body, b""
            reply.body = reply.body[:self.truncate_at]
            reply.headers = [(n, v) for n, v in reply.headers if n.lower() != "content-length"]
        if self.flip_bit is not None and reply.body:
            body = bytearray(reply.body)
            body[self.flip_bit // 8 % len(body)] ^= 1 << self.flip_bit % 8
            reply.body = bytes(body)
        if self.wrong_checksum:
            reply.headers = [(n, wrong(v) if n.lower().startswith("x-amz-checksum-") and
                              n.lower() != "x-amz-checksum-type" else v) for n, v in reply.headers]
        return reply

    def reply_error(self, request):
        code, _, message = self.error_in_200.partition(": ")
        return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
                f"<Message>{message or code}</Message><RequestId>"
                f"{request.entry.get('request_id', '')}</RequestId></Error>")


def wrong(text):
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


class Script:
    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        for gate in getattr(self, "gates", {}).values():
            gate.set()
        self.faults, self.gates = [], {}

    def add(self, lines):
        faults = [Fault(fields) for fields in (lines if isinstance(lines, list) else [lines])]
        with self.lock:
            self.faults += faults

    def take(self, request):
        """The first fault that is due for this request, which is counted by all that are for it."""
        found = None
        with self.lock:
            for fault in self.faults:
                if not fault.is_for(request):
                    continue
                fault.seen += 1
                if found or fault.seen < fault.nth or (fault.count and fault.used >= fault.count):
                    continue
                fault.used += 1
                found = fault
        if found:
            request.entry["fault"] = found.fields
        return found

    def gate(self, name):
        with self.lock:
            return self.gates.setdefault(name, threading.Event())

    def pending(self):
        """Lines that have not happened as often as asked."""
        with self.lock:
            return [f.fields for f in self.faults if f.count and f.used < f.count]
