# SPDX-License-Identifier: Apache-2.0
"""What all services share: clock, credentials, script, record and the ports."""
import secrets
import threading
import time

import sigv4
from core import Server
from script import Script

ACCOUNT = "111122223333"
KEY_ID, SECRET = "AKIAPEERTEST00000000", "peer/secret+key/of/the/tests/0000000000="
OPTIONS = {
    "unsigned_over_http": True,  # S3 does not mind
    "min_part": 5 << 20,
    "max_keys": 1000,
    "forget_uploads": False,     # a repeated CompleteMultipartUpload: NoSuchUpload instead of 200
    "session_seconds": None,     # life of issued credentials, whatever was asked
    "session_requests": None,    # their life in requests, once all that were refused came again
    "enforce_policy": True,      # session policies hold for S3, ECR and EC2
    "ecr_token_seconds": None,   # life of ECR's tokens, else 12 h
    "ec2_hidden": 0,             # looks that do not see a new instance
    "ec2_pending": 1,            # looks that see it pending; None: for ever
    "ec2_surplus": 0,            # instances more than asked
    "ec2_page": None,            # a page's items
    "registry_auth": "none",     # or basic, bearer; ECR's hosts have ECR's own
    "registry_token_seconds": 300,
    "registry_digests": True,    # manifests' replies say their digest
    "registry_redirect": False,  # blobs are elsewhere
    "registry_mounts": True,
    "registry_create": True,     # a push makes the repository; never on ECR's hosts
    "registry_patch": True,      # uploads in pieces
    "registry_immutable": False,  # tags
    "registry_absolute": False,  # locations with scheme and host
    "registry_chunked": False,   # no monolithic uploads
    "registry_keeps": True,      # what came of an upload before a cut
}


class Credential:
    def __init__(self, key_id, secret, token=None, arn=None, user_id=None, expires=None,
                 policy=None):
        self.key_id, self.secret, self.token = key_id, secret, token
        self.arn = arn or f"arn:aws:iam::{ACCOUNT}:user/peer"
        self.user_id, self.expires, self.policy = user_id or key_id, expires, policy
        self.used = 0

    def is_expired(self, now):
        return self.expires is not None and now >= self.expires


class World:
    def __init__(self):
        self.lock = threading.RLock()
        self.script, self.services, self.urls = Script(), {}, {}
        self.connections = 0
        self.reset()

    def reset(self):
        """As it was at the start; the ports stay."""
        self.script.clear()
        with self.lock:
            self.offset, self.log, self.options = 0.0, [], dict(OPTIONS)
            self.credentials = {KEY_ID: Credential(KEY_ID, SECRET)}
            self.refused = set()  # calls that met the end of a session and are to come again
            for service in self.services.values():
                service.reset()

    def now(self):
        return time.time() + self.offset

    def next_connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def issue(self, prefix, seconds, **more):
        """Temporary credentials that expire for real."""
        life = self.options["session_seconds"] or seconds
        made = Credential(prefix + secrets.token_hex(8).upper(), secrets.token_urlsafe(30),
                          "PeerToken//" + secrets.token_urlsafe(240), expires=self.now() + life,
                          **more)
        with self.lock:
            self.credentials[made.key_id] = made
        return made

    def expire(self, request):
        """The session that signed this request is over, as of now."""
        claim = sigv4.Claim(request)
        self.credentials[claim.access_key].expires = self.now()

    def used(self, credential, request):
        """A session was good for one more request."""
        call, limit = request.header("amz-sdk-invocation-id"), self.options["session_requests"]
        with self.lock:
            credential.used += 1
            self.refused.discard(call)
            if credential.token and limit and credential.used >= limit and not self.refused:
                credential.expires = self.now()

    def record(self, request, connection):
        entry = request.entry
        entry.update(service=request.service, operation=request.operation, bucket=request.bucket,
                     key=request.key, method=request.method, target=request.target,
                     headers=dict(request.headers), connection=connection, began=time.time(),
                     attempt=request.header("amz-sdk-request"), tls=request.tls, status=None,
                     request_id=secrets.token_hex(8).upper())
        with self.lock:
            entry["n"] = len(self.log)
            self.log.append(entry)

    def route(self, request, stream):
        """The AWS port: by the signature's scope, then by the host, then by the look."""
        name = sigv4.scope_service(request) or self.by_host(request)
        if name is None and request.path.startswith("/federation/"):
            name = "sso"
        if name is None:
            form = "x-www-form-urlencoded" in request.header("content-type", "")
            name = "sts" if form and request.path == "/" else "s3"
        service = self.services.get(name) or self.services["unknown"]
        service.name_operation(request, stream)
        return service

    def by_host(self, request):
        host = request.header("host", "").partition(":")[0]
        if ".dkr.ecr" in host or ".dkr-ecr" in host or "-starport-layer-bucket." in host:
            return "registry"
        if not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
            return None
        for name in self.services:
            if any(part == name or part.startswith(name + "-") for part in host.split(".")):
                return name
        return None

    def listen(self, name, service, quiet=False):
        """A port of its own for what does not look like AWS."""
        def route(request, stream):
            service.name_operation(request, stream)
            return service
        self.urls[name] = Server(self, route, quiet=quiet).url
