# SPDX-License-Identifier: Apache-2.0
"""S3's documents, written and read."""
import re
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from core import Problem, Reply

PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding",
        "content-language", "expires")


def kept(request):
    headers = []
    for name, value in request.headers:
        if name == "content-encoding":
            value = ",".join(v for v in value.replace(" ", "").split(",") if v != "aws-chunked")
        if value and (name in KEPT or name.startswith("x-amz-meta-")):
            headers.append((name, value))
    return headers


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))


def text(value):
    """As XML; what XML 1.0 cannot hold is written as S3 does, which parsers refuse."""
    return re.sub("[\x00-\x1f]", lambda c: f"&#x{ord(c.group()):x};",
                  escape(value).encode("utf-8", "replace").decode())


def xml(root, inner, **more):
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return Reply(200, [("Content-Type", "application/xml")],
                 f'{PROLOG}<{root} xmlns="{space}">{inner}</{root}>', **more)


def malformed():
    return Problem(400, "MalformedXML", "The XML you provided was not well-formed or did not "
                   "validate against our published schema")


def parse(body):
    """A document without its namespace."""
    if b"<!DOCTYPE" in body:
        raise malformed()
    try:
        document = ET.fromstring(body)
    except ET.ParseError:
        raise malformed() from None
    for element in document.iter():
        element.tag = element.tag.rpartition("}")[2]
    return document
