# SPDX-License-Identifier: Apache-2.0
"""A registry's data plane (OCI distribution 1.1), as strict as its specification: on a port of its
own, and on ECR's hosts, whose repositories are ecr.py's."""
import hashlib
import json
import re
import secrets
from urllib.parse import quote

from core import Problem, Reply, decode
from ecr import NAME, Repository
from registry_auth import Auth, place_of
from registry_manifest import Manifest

TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST = r"sha256:[0-9a-f]{64}"
OCTETS = "application/octet-stream"
MANIFEST_MAX = 4 << 20
# what follows /v2/NAME/: pattern, {method: operation}
TARGETS = (
    (r"manifests/([^/]+)", {"HEAD": "HeadManifest", "GET": "GetManifest", "PUT": "PutManifest"}),
    (r"blobs/uploads/()", {"POST": "StartUpload"}),
    (r"blobs/uploads/([^/]+)", {"PATCH": "PatchUpload", "PUT": "PutUpload", "GET": "UploadStatus",
                                "DELETE": "CancelUpload"}),
    (r"blobs/([^/]+)", {"HEAD": "HeadBlob", "GET": "GetBlob"}),
    (r"tags/list()", {"GET": "ListTags"}),
)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def as_json(value):
    return Reply(200, [("Content-Type", "application/json")], json.dumps(value))


class Upload:
    """state: of the Location that was said last; only that one may be written to."""

    def __init__(self, repository):
        self.name, self.state = secrets.token_hex(8), ""
        self.repository, self.data = repository, bytearray()

    @property
    def range(self):
        return f"0-{max(len(self.data) - 1, 0)}"


class Registry:
    def __init__(self, world):
        self.world, self.auth = world, Auth(world)
        self.reset()

    def reset(self):
        self.plain, self.uploads, self.links = {}, {}, {}
        self.auth.reset()

    def at(self, name):
        """A repository of the port of its own; made if it is not there."""
        with self.world.lock:
            return self.plain.setdefault(name, Repository(name, "local"))

    # --- requests ---------------------------------------------------------------------------------

    def name_operation(self, request, stream):
        request.service, request.operation = "registry", "Unknown"
        if request.path in ("/v2", "/v2/"):
            request.operation = "Ping"
        elif request.path == "/token" and request.method in ("GET", "POST"):
            request.operation = "GetToken"
        elif request.path.startswith("/cdn/"):
            request.operation = "GetLink"
        elif found := re.fullmatch(r"/v2/(.+?)/((?:manifests|blobs|tags)/.*)", request.path):
            request.bucket = decode(found.group(1))
            self.name_target(request, found.group(2))

    @staticmethod
    def name_target(request, rest):
        for pattern, methods in TARGETS:
            if part := re.fullmatch(pattern, rest):
                request.operation = methods.get(request.method, "Unknown")
                request.key = decode(part.group(1)) or request.arg("mount")
                break
        if request.operation == "StartUpload" and request.has("mount"):
            request.operation = "MountBlob"

    def handle(self, request):
        if request.operation == "GetToken":
            return self.auth.token(request)
        if request.operation == "GetLink":
            return self.follow(request)
        if request.operation == "Unknown":
            raise Problem(405, "UNSUPPORTED", f"{request.method} {request.path}")
        if request.bucket and not (re.fullmatch(NAME, request.bucket) and len(request.bucket) < 256):
            raise Problem(400, "NAME_INVALID", f"invalid repository name {request.bucket!r}")
        self.auth.check(request)
        if request.operation == "Ping":
            return as_json({})
        with self.world.lock:
            reply = getattr(self, "do_" + request.operation)(request)
        if not self.world.options["registry_digests"]:
            reply.headers = [h for h in reply.headers if h[0] != "Docker-Content-Digest"]
        return reply

    def error(self, request, problem):
        headers = [("Content-Type", "application/json"), *problem.headers]
        if problem.status == 401 and not any(name == "WWW-Authenticate" for name, _ in headers):
            headers.append(("WWW-Authenticate", self.auth.challenge(request)))
        body = {"errors": [{"code": problem.code, "message": problem.message, "detail": None}]}
        return Reply(problem.status, headers, json.dumps(body))

    def repository(self, request, name=None, create=False):
        """The request's; a push makes one, but not in ECR."""
        name, place = name or request.bucket, place_of(request)
        if place:
            found = self.world.services["ecr"].find(name, place.region, place.account)
        else:
            create = create and self.world.options["registry_create"]
            found = self.at(name) if create else self.plain.get(name)
        if found is None:
            raise Problem(404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist in "
                          f"the registry with id '{place.account if place else 'peer'}'")
        return found

    # --- manifests --------------------------------------------------------------------------------

    def do_GetManifest(self, request):
        repository, wanted = self.repository(request), request.key
        digest = wanted if ":" in wanted else repository.tags.get(wanted)
        if digest not in repository.manifests:
            raise Problem(404, "MANIFEST_UNKNOWN", f"{wanted} is unknown")
        media_type, body = repository.manifests[digest]
        accepted = ",".join(value for name, value in request.headers if name == "accept")
        if not {media_type, "*/*"} & {part.split(";")[0].strip() for part in accepted.split(",")}:
            raise Problem(404, "MANIFEST_UNKNOWN", f"{media_type} is not accepted")
        return Reply(200, [("Content-Type", media_type), ("Docker-Content-Digest", digest)], body)

    do_HeadManifest = do_GetManifest

    def do_PutManifest(self, request):
        repository, wanted, body = self.repository(request, create=True), request.key, request.wire
        if len(body) > MANIFEST_MAX:
            raise Problem(413, "MANIFEST_INVALID", "over 4 MiB")
        manifest, digest = Manifest(body, request.header("content-type", "")), digest_of(body)
        if ":" in wanted and wanted != digest:
            raise Problem(400, "DIGEST_INVALID", f"it is {digest}")
        if ":" not in wanted and not re.fullmatch(TAG, wanted):
            raise Problem(400, "TAG_INVALID", f"invalid tag {wanted!r}")
        manifest.check(repository)
        if ":" not in wanted:
            self.tag(repository, wanted, digest)
        repository.manifests[digest] = (manifest.media_type, body)
        repository.pushed.setdefault(digest, self.world.now())
        return Reply(201, [("Location", f"/v2/{repository.name}/manifests/{digest}"),
                           ("Docker-Content-Digest", digest)])

    def tag(self, repository, name, digest):
        """An immutable one is refused even if it would stay as it is."""
        is_immutable = repository.is_immutable or self.world.options["registry_immutable"]
        if is_immutable and name in repository.tags:
            raise Problem(400, "TAG_INVALID", f"The image tag '{name}' already exists in the "
                          f"'{repository.name}' repository and cannot be overwritten because the "
                          "repository is immutable.")
        repository.tags[name] = digest

    def do_ListTags(self, request):
        repository, last = self.repository(request), request.arg("last", "")
        return as_json({"name": repository.name,
                        "tags": [tag for tag in sorted(repository.tags) if tag > last]})

    # --- blobs ------------------------------------------------------------------------------------

    def blob(self, request):
        self.check_digest(request.key)
        body = self.repository(request).blobs.get(request.key)
        if body is None:
            raise Problem(404, "BLOB_UNKNOWN", f"{request.key} is unknown")
        return body

    @staticmethod
    def check_digest(text):
        if not re.fullmatch(DIGEST, text or ""):
            raise Problem(400, "DIGEST_INVALID", f"{text!r} is no digest")

    def do_HeadBlob(self, request):
        return Reply(200, [("Content-Type", OCTETS), ("Docker-Content-Digest", request.key)],
                     self.blob(request))

    def do_GetBlob(self, request):
        body = self.blob(request)
        if self.world.options["registry_redirect"]:
            return Reply(307, [("Location", self.link(request, body))])
        return ranged(request, body, [("Docker-Content-Digest", request.key)])

    def link(self, request, body):
        """Where ECR has its layers: a bucket of AWS's."""
        name, place, host = secrets.token_hex(8), place_of(request), self.world.urls["cdn"]
        if place:
            host = f"https://prod-{place.region}-starport-layer-bucket.s3.{place.region}.amazonaws.com"
        self.links[name] = body
        return f"{host}/cdn/{name}?signed=1"

    def follow(self, request):
        """Where blobs really are: a link is its own permission, and an authorization is refused."""
        if request.header("authorization"):
            raise Problem(400, "InvalidArgument", "Only one auth mechanism allowed")
        body = self.links.get(request.path.removeprefix("/cdn/"))
        if body is None or request.method != "GET":
            raise Problem(403, "AccessDenied")
        return ranged(request, body)

    def do_MountBlob(self, request):
        repository, source = self.repository(request, create=True), request.arg("from")
        self.check_digest(request.key)
        if self.world.options["registry_mounts"] and source and self.auth.may_pull(request, source):
            body = self.repository(request, source).blobs.get(request.key)
            if body is not None:
                repository.blobs[request.key] = body
                return self.made(repository, request.key)
        return self.do_StartUpload(request)

    @staticmethod
    def made(repository, digest):
        return Reply(201, [("Location", f"/v2/{repository.name}/blobs/{digest}"),
                           ("Docker-Content-Digest", digest)])

    # --- uploads ----------------------------------------------------------------------------------

    def do_StartUpload(self, request):
        if request.wire:
            raise Problem(405, "UNSUPPORTED", "a body at the start of an upload")
        upload = Upload(self.repository(request, create=True))
        self.uploads[upload.name] = upload
        return self.where(request, upload, 202)

    def where(self, request, upload, status):
        """A reply that names the next Location, in which something has to stay escaped."""
        upload.state = secrets.token_urlsafe(20) + "+="
        place = f"/v2/{upload.repository.name}/blobs/uploads/{upload.name}?_state={quote(upload.state)}"
        if self.world.options["registry_absolute"]:
            scheme = "https" if request.tls else "http"
            place = f"{scheme}://{request.header('host')}{place}"
        return Reply(status, [("Location", place), ("Range", upload.range),
                              ("Docker-Upload-UUID", upload.name)])

    def upload(self, request):
        upload = self.uploads.get(request.key)
        if upload is None or upload.repository is not self.repository(request):
            raise Problem(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return upload

    def append(self, request):
        """Takes the body, if it is what comes next."""
        upload, said = self.upload(request), request.header("content-range")
        have, got = len(upload.data), len(request.wire)
        if request.arg("_state") != upload.state:
            raise Problem(400, "BLOB_UPLOAD_INVALID", "not the Location that was said last")
        if got and request.header("content-type") != OCTETS:
            raise Problem(415, "BLOB_UPLOAD_INVALID", f"Content-Type is not {OCTETS}")
        if said is None and have and got:
            raise Problem(416, "RANGE_INVALID", f"{have} bytes are here, and no Content-Range")
        if said is not None and said != f"{have}-{have + got - 1}":
            raise Problem(416, "RANGE_INVALID", f"{have} bytes are here; {said}, of {got}, is not next")
        upload.data += request.wire
        return upload

    def do_PatchUpload(self, request):
        if not self.world.options["registry_patch"]:
            raise Problem(405, "UNSUPPORTED", "The operation is unsupported.")
        return self.where(request, self.append(request), 202)

    def do_PutUpload(self, request):
        digest = request.arg("digest")
        self.check_digest(digest)
        if request.wire and self.world.options["registry_chunked"]:
            raise Problem(405, "UNSUPPORTED", "monolithic uploads are not allowed")
        upload = self.append(request)
        del self.uploads[upload.name]
        if digest_of(upload.data) != digest:
            raise Problem(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        upload.repository.blobs[digest] = bytes(upload.data)
        return self.made(upload.repository, digest)

    def do_UploadStatus(self, request):
        return self.where(request, self.upload(request), 204)

    def do_CancelUpload(self, request):
        del self.uploads[self.upload(request).name]
        return Reply(204)

    def partial(self, request, got):
        """A body that was cut: what came of it stays with the upload."""
        upload = self.uploads.get(request.key)
        if self.world.options["registry_keeps"] and upload:
            upload.data += got

    # --- for the control port ---------------------------------------------------------------------

    def told(self, name, region=None):
        ecr = self.world.services["ecr"]
        repository = ecr.find(name, region) if region else self.at(name)
        return {"blobs": {digest: len(body) for digest, body in repository.blobs.items()},
                "tags": repository.tags, "uploads": len(self.uploads),
                "manifests": {digest: json.loads(body)
                              for digest, (_, body) in repository.manifests.items()}}


def ranged(request, body, headers=()):
    """A blob, or the part of it that is asked for."""
    headers = [("Content-Type", OCTETS), ("Accept-Ranges", "bytes"), *headers]
    asked = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", request.header("range", ""))
    if not asked:
        return Reply(200, headers, body)
    first, last = int(asked[1]), min(int(asked[2] or len(body) - 1), len(body) - 1)
    if first > last:
        return Reply(416, [("Content-Range", f"bytes */{len(body)}")])
    return Reply(206, [*headers, ("Content-Range", f"bytes {first}-{last}/{len(body)}")],
                 body[first:last + 1])
