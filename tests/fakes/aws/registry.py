# SPDX-License-Identifier: Apache-2.0
"""A registry's data plane: on a port of its own, and on ECR's hosts, whose repositories are ecr.py's."""
import base64
import hashlib
import json
import re
import secrets

from core import Problem, Reply
from ecr import Repository
from world import ACCOUNT

USER, PASSWORD = "peer", "open sesame"
DIGEST = r"sha256:[0-9a-f]{64}"
NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
TARGETS = (
    (rf"/v2/({NAME})/manifests/([A-Za-z0-9_.:-]+)", "Manifest"),
    (rf"/v2/({NAME})/blobs/uploads/([0-9a-f]*)", "Upload"),
    (rf"/v2/({NAME})/blobs/({DIGEST})", "Blob"),
)
OPERATIONS = {
    ("Manifest", "HEAD"): "HeadManifest", ("Manifest", "GET"): "GetManifest",
    ("Manifest", "PUT"): "PutManifest", ("Blob", "HEAD"): "HeadBlob", ("Blob", "GET"): "GetBlob",
    ("Upload", "POST"): "StartUpload", ("Upload", "GET"): "UploadStatus",
    ("Upload", "PATCH"): "PatchUpload", ("Upload", "PUT"): "PutUpload",
}
PULLS = ("HeadManifest", "GetManifest", "HeadBlob", "GetBlob")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
             "application/vnd.docker.distribution.manifest.v2+json",
             "application/vnd.docker.distribution.manifest.list.v2+json")


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.plain, self.uploads, self.tokens, self.links = {}, {}, {}, {}

    def at(self, name):
        """A repository of the port of its own."""
        with self.world.lock:
            return self.plain.setdefault(name, Repository(name, "local"))

    # --- requests ---------------------------------------------------------------------------------

    def name_operation(self, request, stream):
        request.service, request.operation = "registry", "Unknown"
        if request.path in ("/v2/", "/token") or request.path.startswith("/cdn/"):
            request.operation = {"/v2/": "Ping", "/token": "GetToken"}.get(request.path, "GetLink")
            return
        for pattern, kind in TARGETS:
            found = re.fullmatch(pattern, request.path)
            if found:
                request.bucket, request.key = found.groups()
                request.operation = OPERATIONS.get((kind, request.method), "Unknown")
                if request.operation == "StartUpload" and request.has("mount"):
                    request.operation = "MountBlob"
                return

    def handle(self, request):
        call = getattr(self, "do_" + request.operation, None)
        if call is None:
            raise Problem(405, "UNSUPPORTED", f"{request.method} {request.path}")
        if request.operation in ("GetToken", "GetLink"):
            return call(request)
        host = request.header("host", "").partition(":")[0]
        parts = re.match(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.", host)
        self.authorize(request, parts)
        request.repository = self.find(request, parts) if request.bucket else None
        return call(request)

    def find(self, request, ecr):
        if not ecr:
            return self.at(request.bucket)
        found = self.world.services["ecr"].find(request.bucket, ecr[2], ecr[1])
        if found is None:
            raise Problem(404, "NAME_UNKNOWN", f"The repository with name '{request.bucket}' does "
                          f"not exist in the registry with id '{ecr[1] or ACCOUNT}'")
        return found

    def error(self, request, problem):
        body = {"errors": [{"code": problem.code, "message": problem.message, "detail": None}]}
        return Reply(problem.status, [("Content-Type", "application/json"), *problem.headers],
                     json.dumps(body))

    # --- who may ------------------------------------------------------------------------------------

    def basic(self, request):
        kind, _, told = request.header("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None, None
        user, _, password = base64.b64decode(told).decode().partition(":")
        return user, password

    def authorize(self, request, ecr):
        how = "ecr" if ecr else self.world.options["registry_auth"]
        if how == "none":
            return
        if how == "bearer":
            self.check_token(request)
            return
        user, password = self.basic(request)
        challenge = [("WWW-Authenticate", 'Basic realm="https://peer/",service="peer"')]
        if how == "ecr":
            answer = self.world.services["ecr"].accepts(user, password)
            if answer != "yes":
                said = "Your authorization token has expired. Reauthenticate and try again."
                raise Problem(401 if user is None else 403 if answer == "unknown" else 401,
                              "DENIED" if answer == "expired" else "UNAUTHORIZED",
                              said if answer == "expired" else "Not Authorized", challenge)
        elif (user, password) != (USER, PASSWORD):
            raise Problem(401, "UNAUTHORIZED", "authentication required", challenge)

    def check_token(self, request):
        action = "pull" if request.operation in PULLS else "push"
        scope = f"repository:{request.bucket}:pull,push" if request.bucket else ""
        realm = f'Bearer realm="{self.world.urls["registry"]}/token",service="peer,1",scope="{scope}"'
        kind, _, token = request.header("authorization", "").partition(" ")
        granted = self.tokens.get(token)
        if kind != "Bearer" or not granted or self.world.now() >= granted["expires"]:
            raise Problem(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", realm)])
        if request.bucket and (request.bucket, action) not in granted["rights"]:
            raise Problem(401, "DENIED", f"{action} is not granted", [("WWW-Authenticate", realm)])

    def do_GetToken(self, request):
        assert request.arg("service") == "peer,1", request.query
        user, password = self.basic(request)
        if user is not None and (user, password) != (USER, PASSWORD):
            raise Problem(401, "UNAUTHORIZED", "wrong login")
        rights = set()
        for name, value in request.query:
            if name == "scope":
                _, repository, actions = value.split(":")
                rights |= {(repository, action) for action in actions.split(",")
                           if user or action == "pull"}
        token, life = secrets.token_urlsafe(40), self.world.options["registry_token_seconds"]
        self.tokens[token] = {"rights": rights, "expires": self.world.now() + life}
        return self.json({"token": token, "expires_in": max(int(life), 60)})

    # --- manifests ----------------------------------------------------------------------------------

    @staticmethod
    def json(value):
        return Reply(200, [("Content-Type", "application/json")], json.dumps(value))

    def do_Ping(self, request):
        return self.json({})

    def do_GetManifest(self, request):
        digest = request.key if ":" in request.key else request.repository.tags.get(request.key)
        if digest not in request.repository.manifests:
            raise Problem(404, "MANIFEST_UNKNOWN", f"{request.key} is unknown")
        media_type, body = request.repository.manifests[digest]
        if media_type not in request.header("accept", ""):
            raise Problem(404, "MANIFEST_UNKNOWN", f"{media_type} is not accepted")
        headers = [("Content-Type", media_type)]
        if self.world.options["registry_digests"]:
            headers.append(("Docker-Content-Digest", digest))
        return Reply(200, headers + [("Content-Length", str(len(body)))], body)

    do_HeadManifest = do_GetManifest

    def do_PutManifest(self, request):
        repository, body, kind = request.repository, request.wire, request.header("content-type")
        digest = digest_of(body)
        if ":" in request.key and request.key != digest:
            raise Problem(400, "DIGEST_INVALID", f"it is {digest}")
        try:
            told = json.loads(body)
            assert kind in MANIFESTS and told.get("mediaType", kind) == kind
            parts = [told["config"], *told["layers"]] if "config" in told else []
        except (ValueError, AssertionError, KeyError):
            raise Problem(400, "MANIFEST_INVALID", f"not a {kind}") from None
        for part in parts:
            if len(repository.blobs.get(part["digest"], b"")) != part["size"]:
                raise Problem(400, "MANIFEST_BLOB_UNKNOWN", f"{part['digest']} is unknown")
        immutable = repository.is_immutable or self.world.options["registry_immutable"]
        if ":" not in request.key and immutable and repository.tags.get(request.key, digest) != digest:
            raise Problem(400, "TAG_INVALID", f"The image tag '{request.key}' already exists in the "
                          f"'{repository.name}' repository and cannot be overwritten because the "
                          "repository is immutable.")
        with self.world.lock:
            repository.manifests[digest] = (kind, body)
            repository.pushed[digest] = self.world.now()
            if ":" not in request.key:
                repository.tags[request.key] = digest
        return Reply(201, [("Docker-Content-Digest", digest),
                           ("Location", f"/v2/{repository.name}/manifests/{digest}")])

    # --- blobs ----------------------------------------------------------------------------------------

    def blob(self, request):
        body = request.repository.blobs.get(request.key)
        if body is None:
            raise Problem(404, "BLOB_UNKNOWN", f"{request.key} is unknown")
        return body

    @staticmethod
    def ranged(request, body, headers):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("range", ""))
        if not asked:
            return Reply(200, [*headers, ("Content-Length", str(len(body)))], body)
        first, last = int(asked[1]), int(asked[2] or len(body) - 1)
        if first >= len(body):
            raise Problem(416, "RANGE_INVALID")
        part = body[first:last + 1]
        return Reply(206, [*headers, ("Content-Length", str(len(part))),
                           ("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(body)}")], part)

    def do_HeadBlob(self, request):
        return Reply(200, [("Content-Length", str(len(self.blob(request)))),
                           ("Docker-Content-Digest", request.key)], b"")

    def do_GetBlob(self, request):
        body = self.blob(request)
        if self.world.options["registry_redirect"]:
            link = secrets.token_hex(8)
            self.links[link] = body
            return Reply(307, [("Location", f"{self.world.urls['cdn']}/cdn/{link}?signed=1")])
        return self.ranged(request, body, [("Docker-Content-Digest", request.key)])

    def do_GetLink(self, request):
        """Where layers really are: an authorization has no business there."""
        if request.header("authorization"):
            raise Problem(400, "InvalidArgument", "Only one auth mechanism allowed")
        body = self.links.get(request.path.removeprefix("/cdn/"))
        if body is None:
            raise Problem(403, "AccessDenied")
        return self.ranged(request, body, [])

    # --- uploads --------------------------------------------------------------------------------------

    def where(self, request, name):
        place = f"/v2/{request.bucket}/blobs/uploads/{name}?_state={secrets.token_urlsafe(20)}%2B%3D"
        if self.world.options["registry_absolute"]:
            scheme = "https" if request.tls else "http"
            place = f"{scheme}://{request.header('host')}{place}"
        return ("Location", place)

    def do_StartUpload(self, request):
        if request.wire:
            raise Problem(400, "UNSUPPORTED", "a body at the start of an upload")
        name = secrets.token_hex(8)
        self.uploads[name] = bytearray()
        return Reply(202, [self.where(request, name), ("Range", "0-0"), ("Docker-Upload-UUID", name)])

    def do_MountBlob(self, request):
        digest, source = request.arg("mount"), request.arg("from")
        body = self.at(source).blobs.get(digest) if source else None
        if body is None or not self.world.options["registry_mounts"]:
            return self.do_StartUpload(request)
        request.repository.blobs[digest] = body
        return Reply(201, [("Location", f"/v2/{request.bucket}/blobs/{digest}"),
                           ("Docker-Content-Digest", digest)])

    def upload(self, request):
        if request.key not in self.uploads:
            raise Problem(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if not request.arg("_state", "").endswith("+="):
            raise Problem(400, "BLOB_UPLOAD_INVALID", "the location was changed on the way")
        return self.uploads[request.key]

    def do_UploadStatus(self, request):
        got = self.upload(request)
        return Reply(204, [self.where(request, request.key), ("Range", f"0-{max(len(got) - 1, 0)}"),
                           ("Docker-Upload-UUID", request.key)])

    def do_PatchUpload(self, request):
        got = self.upload(request)
        told = request.header("content-range")
        if told is not None and told != f"{len(got)}-{len(got) + len(request.wire) - 1}":
            raise Problem(416, "RANGE_INVALID", f"{len(got)} bytes are here")
        got += request.wire
        return Reply(202, [self.where(request, request.key), ("Range", f"0-{max(len(got) - 1, 0)}")])

    def do_PutUpload(self, request):
        got, digest = self.upload(request), request.arg("digest", "")
        if request.wire and self.world.options["registry_chunked"]:
            raise Problem(405, "UNSUPPORTED", "monolithic uploads are not allowed")
        if request.header("content-type") not in ("application/octet-stream", None):
            raise Problem(400, "BLOB_UPLOAD_INVALID", "content type")
        body = bytes(got) + request.wire
        if digest != digest_of(body):
            raise Problem(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        with self.world.lock:
            del self.uploads[request.key]
            request.repository.blobs[digest] = body
        return Reply(201, [("Location", f"/v2/{request.bucket}/blobs/{digest}"),
                           ("Docker-Content-Digest", digest)])

    def partial(self, request, got):
        """A body that was cut: what came of it stays with the upload."""
        if self.world.options["registry_keeps"] and request.key in self.uploads:
            self.uploads[request.key] += got

    # --- for the control port -------------------------------------------------------------------------

    def told(self, name, region=None):
        ecr = self.world.services["ecr"]
        repository = ecr.find(name, region) if region else self.at(name)
        return {"blobs": {digest: len(body) for digest, body in repository.blobs.items()},
                "tags": repository.tags, "uploads": len(self.uploads),
                "manifests": {digest: json.loads(body) for digest, (_, body) in repository.manifests.items()}}
