# SPDX-License-Identifier: Apache-2.0
"""Digests that S3 knows, as base64, and aws-chunked bodies."""
import base64
import hashlib
import zlib

from core import Problem
from sigv4 import STREAMS

try:  # a thousand times faster; plain python3 may have none, or an old one that lacks CRC64NVME
    from awscrt import checksums as fast
    if not hasattr(fast, "crc64nvme"):
        fast = None
except ImportError:
    fast = None


def table_of(polynomial):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C_TABLE, CRC64_TABLE = table_of(0x82F63B78), table_of(0x9A6C9329AC4BC9B5)


def reflected(table, ones, data):
    crc = ones
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ ones


def crc32c(data):
    return fast.crc32c(data) if fast else reflected(CRC32C_TABLE, 0xFFFFFFFF, data)


def crc64nvme(data):
    return fast.crc64nvme(data) if fast else reflected(CRC64_TABLE, (1 << 64) - 1, data)


DIGESTS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
FULL_OBJECT = ("crc32", "crc32c", "crc64nvme")


def digest(name, data):
    return base64.b64encode(DIGESTS[name](data)).decode()


def composite(name, parts):
    """Digest of the parts' digests, as of SHA-256 in a multipart upload."""
    joined = b"".join(base64.b64decode(part) for part in parts)
    return f"{digest(name, joined)}-{len(parts)}"


def sent(request):
    """{algorithm: base64} of the request's checksum headers."""
    found = {}
    for name, value in request.headers:
        algorithm = name.removeprefix("x-amz-checksum-")
        if algorithm != name and algorithm in DIGESTS:
            found[algorithm] = value
    if len(found) > 1:
        raise Problem(400, "InvalidRequest",
                      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                      "allowed.")
    return found


def verify(request, data, trailers):
    """Digests of what came, checked; the one that the client chose, or None."""
    md5 = request.header("content-md5")
    if md5 is not None:
        try:
            said = base64.b64decode(md5, validate=True)
        except ValueError:
            said = b""
        if len(said) != 16:
            raise Problem(400, "InvalidDigest", "The Content-MD5 you specified is not valid.")
        if said != hashlib.md5(data).digest():
            raise Problem(400, "BadDigest", "The Content-MD5 you specified did not match what we "
                          "received.", ExpectedDigest=md5)
    chosen = dict(sent(request), **trailers)
    if request.operation == "CompleteMultipartUpload":
        return None  # the header speaks of the object
    for name, said in chosen.items():
        if digest(name, data) != said:
            raise Problem(400, "BadDigest", f"The {name.upper()} you specified did not match the "
                          "calculated checksum.")
        return name
    return None


def unframe(request):
    """(body, trailers) of an aws-chunked body: sizes, signatures and trailer checked."""
    kind = request.header("x-amz-content-sha256", "")
    if kind not in STREAMS:
        return request.wire, {}
    signed, has_trailer = STREAMS[kind]
    expected = request.header("x-amz-decoded-content-length")
    if expected is None:
        raise Problem(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    rest, pieces = request.wire, []
    while True:
        line, found, rest = rest.partition(b"\r\n")
        size, _, signature = line.partition(b";chunk-signature=")
        try:
            length = int(size, 16)
        except ValueError:
            raise incomplete() from None
        data, rest = rest[:length], rest[length:]
        if not found or len(data) != length:
            raise incomplete()
        if signed and request.signer.chunk(data) != signature.decode():
            raise Problem(403, "SignatureDoesNotMatch", "chunk signature does not match")
        if length == 0:
            break
        if rest[:2] != b"\r\n":
            raise incomplete()
        pieces.append(data)
        rest = rest[2:]
    body = b"".join(pieces)
    if len(body) != int(expected):
        raise incomplete()
    return body, trailer(request, rest, signed) if has_trailer else {}


def trailer(request, rest, signed):
    lines = [line for line in rest.decode().split("\r\n") if line]
    found = {}
    plain = ""
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower().strip()
        if name == "x-amz-trailer-signature":
            if signed and request.signer.trailer(plain.encode()) != value.strip():
                raise Problem(403, "SignatureDoesNotMatch", "trailer signature does not match")
            continue
        plain += f"{name}:{value.strip()}\n"
        found[name.removeprefix("x-amz-checksum-")] = value.strip()
    said = (request.header("x-amz-trailer") or "").lower().removeprefix("x-amz-checksum-")
    if said not in found:
        raise Problem(400, "MalformedTrailerError",
                      "The request contained trailing data that was not well-formed")
    return {said: found[said]}


def incomplete():
    return Problem(400, "IncompleteBody", "The request body terminated unexpectedly")
