# SPDX-License-Identifier: Apache-2.0
"""Signature Version 4 as AWS verifies it: header, presigned and chunk-signed."""
import calendar
import hashlib
import hmac
import re
import time
from urllib.parse import quote

from core import Problem, decode

SKEW_MAX = 900
EMPTY = hashlib.sha256(b"").hexdigest()
STREAMS = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
}


def mac(key, text):
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


def encode(text, safe=""):
    return quote(text.encode("utf-8", "surrogateescape"), safe=safe + "-._~")


def parse_date(text):
    if not re.fullmatch(r"\d{8}T\d{6}Z", text or ""):
        return None
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


class Signer:
    """Who signed, and the key with which chunks go on."""

    def __init__(self, credential, date, scope, key, signature):
        self.credential, self.date, self.scope = credential, date, scope
        self.key, self.signature = key, signature

    def chunk(self, data):
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", self.date, self.scope, self.signature, EMPTY,
                          hashlib.sha256(data).hexdigest()))
        self.signature = mac(self.key, text).hex()
        return self.signature

    def trailer(self, data):
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", self.date, self.scope, self.signature,
                          hashlib.sha256(data).hexdigest()))
        return mac(self.key, text).hex()


class Claim:
    """What the request says about its signature, in either form."""

    def __init__(self, request):
        header = request.header("authorization")
        self.presigned = request.has("X-Amz-Signature")
        if header and self.presigned:
            raise Problem(400, "InvalidArgument", "Only one auth mechanism allowed")
        if self.presigned:
            parts = {name[6:]: value or "" for name, value in request.query
                     if name.startswith("X-Amz-")}
            algorithm, self.date = parts.get("Algorithm"), parts.get("Date", "")
            credential, signed = parts.get("Credential", ""), parts.get("SignedHeaders", "")
            self.signature, self.token = parts["Signature"], parts.get("Security-Token")
            self.expires = parts.get("Expires", "")
        else:
            algorithm, _, rest = (header or "").partition(" ")
            parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
            self.date = request.header("x-amz-date") or ""
            credential, signed = parts.get("Credential", ""), parts.get("SignedHeaders", "")
            self.signature = parts.get("Signature", "")
            self.token = request.header("x-amz-security-token")
        self.signed = signed.split(";") if signed else []
        scope = credential.split("/")
        if (algorithm != "AWS4-HMAC-SHA256" or len(scope) != 5 or scope[4] != "aws4_request" or
                not self.signed or not self.signature):
            raise Problem(400, "AuthorizationHeaderMalformed",
                          "The authorization header is malformed")
        self.access_key, self.day, self.region, self.service, _ = scope
        self.scope = "/".join(scope[1:])


def is_signed(request):
    return bool(request.header("authorization")) or request.has("X-Amz-Signature")


def scope_service(request):
    """Service of the credential's scope, or None."""
    text = request.header("authorization") or request.arg("X-Amz-Credential") or ""
    found = re.search(r"[^/=\s]+/\d{8}/[^/]*/([^/]+)/aws4_request", text)
    return found.group(1) if found else None


def canonical(request, claim, payload_hash, is_s3):
    path = request.path if not is_s3 else encode(decode(request.path), "/")
    if not is_s3:
        path = encode(path, "/")
    query = sorted((encode(name), encode(value or "")) for name, value in request.query
                   if name != "X-Amz-Signature")
    lines = [request.method, path, "&".join(f"{name}={value}" for name, value in query)]
    for name in claim.signed:
        values = [re.sub(" +", " ", value) for have, value in request.headers if have == name]
        lines.append(f"{name}:{','.join(values)}")
    return "\n".join(lines + ["", ";".join(claim.signed), payload_hash])


def check_headers(request, claim):
    if claim.signed != sorted(claim.signed):
        raise Problem(403, "SignatureDoesNotMatch", "SignedHeaders are not sorted")
    must = {name for name, _ in request.headers if name.startswith("x-amz-")} | {"host"}
    if request.header("content-md5"):
        must.add("content-md5")
    missing = sorted(must - set(claim.signed))
    if missing:
        raise Problem(403, "AccessDenied", "There were headers present in the request which were "
                      "not signed", HeadersNotSigned=", ".join(missing))


def expired(problem):
    """RequestTimeTooSkewed, in the words of services other than S3."""
    return (f"Signature expired: {problem.members['RequestTime']} is now earlier than "
            f"{problem.members['ServerTime']} (15 min.)")


def check_time(request, claim, now):
    when = parse_date(claim.date)
    if when is None:
        raise Problem(403, "AccessDenied",
                      "AWS authentication requires a valid Date or x-amz-date header")
    if not claim.date.startswith(claim.day):
        raise Problem(403, "SignatureDoesNotMatch", "Date in Credential scope does not match "
                      f"YYYYMMDD from ISO-8601 version of date from HTTP: '{claim.day}'")
    if not claim.presigned and abs(when - now) > SKEW_MAX:
        raise Problem(403, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.",
                      RequestTime=claim.date, ServerTime=iso(now),
                      MaxAllowedSkewMilliseconds=SKEW_MAX * 1000)
    if claim.presigned:
        if not claim.expires.isdigit() or not 1 <= int(claim.expires) <= 604800:
            raise Problem(400, "AuthorizationQueryParametersError",
                          "X-Amz-Expires must be between 1 and 604800 seconds")
        if when - now > SKEW_MAX or now >= when + int(claim.expires):
            raise Problem(403, "AccessDenied", "Request has expired", ServerTime=iso(now))


def check_credential(world, claim, request):
    credential = world.credentials.get(claim.access_key)
    if credential is None:
        raise Problem(403, "InvalidAccessKeyId",
                      "The AWS Access Key Id you provided does not exist in our records.",
                      AWSAccessKeyId=claim.access_key)
    if (credential.token or None) != (claim.token or None):
        raise Problem(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if credential.is_expired(world.now()):
        world.refused.add(request.header("amz-sdk-invocation-id"))
        raise Problem(400, "ExpiredToken", "The provided token has expired.")
    return credential


def payload_hash_of(request, claim, world, is_s3):
    """What the client says its body is; verified but for aws-chunked, which the service reads."""
    said = request.header("x-amz-content-sha256")
    if claim.presigned:
        return "UNSIGNED-PAYLOAD" if is_s3 else hashlib.sha256(request.wire).hexdigest()
    if said is None:
        if is_s3:
            raise Problem(400, "InvalidRequest",
                          "Missing required header for this request: x-amz-content-sha256")
        return hashlib.sha256(request.wire).hexdigest()
    if said == "UNSIGNED-PAYLOAD":
        if not request.tls and not world.options["unsigned_over_http"]:
            raise Problem(403, "AccessDenied", "Unsigned payloads need TLS here.")
        return said
    if said in STREAMS:
        return said
    real = hashlib.sha256(request.wire).hexdigest()
    if said != real:
        raise Problem(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' "
                      "header does not match what was computed.",
                      ClientComputedContentSHA256=said, S3ComputedContentSHA256=real)
    return said


def verify(world, request, service):
    """The Signer of a signed request, or a Problem."""
    claim = Claim(request)
    is_s3 = service == "s3"
    if claim.service != service:
        raise Problem(400, "AuthorizationHeaderMalformed", "The authorization header is malformed; "
                      f"the service '{claim.service}' is wrong; expecting '{service}'")
    credential = check_credential(world, claim, request)
    check_time(request, claim, world.now())
    check_headers(request, claim)
    text = canonical(request, claim, payload_hash_of(request, claim, world, is_s3), is_s3)
    key = ("AWS4" + credential.secret).encode()
    for part in claim.scope.split("/"):
        key = mac(key, part)
    string = "\n".join(("AWS4-HMAC-SHA256", claim.date, claim.scope,
                        hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()))
    expected = mac(key, string).hex()
    if not hmac.compare_digest(expected, claim.signature):
        raise Problem(403, "SignatureDoesNotMatch", "The request signature we calculated does not "
                      "match the signature you provided. Check your key and signing method.",
                      AWSAccessKeyId=claim.access_key, StringToSign=string,
                      SignatureProvided=claim.signature, CanonicalRequest=text)
    world.used(credential, request)
    request.entry["access_key"] = claim.access_key
    request.entry["region"] = claim.region
    request.entry["presigned"] = claim.presigned
    return Signer(credential, claim.date, claim.scope, key, claim.signature)


def iso(when):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
