# SPDX-License-Identifier: Apache-2.0
"""The strict peer of AWS (tests/fakes/aws) and others' servers, as fixtures."""
import base64
import functools
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.parse

import pytest

from cloud_ec2 import SUBNETS, TEMPLATE, TEMPLATE_VERSION, Machines  # noqa: F401
from cloud_services import BUCKET, REGION, Services
from conftest import PATIENCE, ROOT, until


class Peer(Services, Machines):
    """A running peer. Everything in it is gone after reset(), which also makes BUCKET."""

    def __init__(self, *python):
        self.process = subprocess.Popen([*(python or (sys.executable,)), ROOT / "tests" / "fakes" / "aws"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the peer did not start: exit {self.process.wait()}")
        self.told = json.loads(line)
        self.url, self.control_url = self.told["aws"], self.told["control"]
        self.key_id, self.secret = self.told["key_id"], self.told["secret"]
        self.port = urllib.parse.urlsplit(self.control_url).port

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    def control(self, method, path, body=None, **query):
        target = path
        if query:
            target += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            conn.request(method, target, data)
            reply = conn.getresponse()
            told = reply.read()
        finally:
            conn.close()
        assert reply.status == 200, f"{method} {path}: {told.decode()}"
        return told

    def ask(self, path, **query):
        return json.loads(self.control("GET", path, **query))

    def reset(self):
        self.control("POST", "/reset", {})
        self.bucket(BUCKET)

    # --- for a child's environment ----------------------------------------------------------------

    def bare_env(self):
        """Where everything is, but no credential: nothing of the caller's machine is seen."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

    def env(self, session=None):
        """With the fixed pair, or with a session of .session()."""
        pair = session or {"key_id": self.key_id, "secret": self.secret}
        env = dict(self.bare_env(), AWS_ACCESS_KEY_ID=pair["key_id"],
                   AWS_SECRET_ACCESS_KEY=pair["secret"])
        return dict(env, AWS_SESSION_TOKEN=pair["token"]) if session else env

    def oidc_env(self, **more):
        """Of a GitHub job that may ask for identity tokens and has a role to assume."""
        return dict(self.bare_env(), AWS_ROLE_ARN=self.told["role"],
                    ACTIONS_ID_TOKEN_REQUEST_URL=self.told["oidc"] + "/token?api-version=2.0",
                    ACTIONS_ID_TOKEN_REQUEST_TOKEN=self.told["request_token"], **more)

    def imds_env(self):
        env = dict(self.bare_env(), AWS_EC2_METADATA_SERVICE_ENDPOINT=self.told["imds"])
        del env["AWS_EC2_METADATA_DISABLED"]
        return env

    def container_env(self):
        return dict(self.bare_env(),
                    AWS_CONTAINER_CREDENTIALS_FULL_URI=self.told["container"] + "/v1/credentials",
                    AWS_CONTAINER_AUTHORIZATION_TOKEN=self.told["container_token"])

    def tls(self, folder):
        """{"url", "proxy", "ca_file"}: https on loopback, and a proxy that plays AWS's own hosts."""
        return json.loads(self.control("POST", "/tls", {"folder": str(folder)}))

    def tls_env(self, folder):
        """No endpoint is named: AWS's own hosts are reached over TLS, through the proxy."""
        told = self.tls(folder)
        env = dict(self.env(), HTTPS_PROXY=told["proxy"], AWS_CA_BUNDLE=told["ca_file"])
        del env["AWS_ENDPOINT_URL"]
        return env

    # --- faults, time, record ---------------------------------------------------------------------

    def script(self, *lines, **line):
        """Each line a dict, or one line by its fields: tests/fakes/aws/README.md."""
        self.control("POST", "/script", [*lines, line] if line else list(lines))

    def heal(self):
        """No line of the script happens any more."""
        self.control("POST", "/heal", {})

    def pending(self):
        """Lines of the script that have not happened as often as asked."""
        return self.ask("/script")

    def clock(self, seconds):
        """How far ahead of ours the peer's clock is."""
        self.control("POST", "/clock", {"offset": seconds})

    def options(self, **options):
        self.control("POST", "/options", options)

    def release(self, hold):
        self.control("POST", "/release", {"hold": hold})

    def log(self, operation=None, after=0, **match):
        """Requests seen, oldest first; match: fields that must be equal."""
        match = dict(match, **({"operation": operation} if operation else {}))
        return [entry for entry in self.ask("/log", after=after)
                if all(entry.get(name) == value for name, value in match.items())]

    def operations(self, after=0):
        return [entry["operation"] for entry in self.log(after=after)]

    def wait_log(self, operation, n=1, **match):
        def seen():
            found = self.log(operation, **match)
            return found if len(found) >= n else None
        return until(seen, f"{n} x {operation} {match or ''} at the peer")

    # --- buckets ----------------------------------------------------------------------------------

    def bucket(self, name, **more):
        self.control("POST", "/buckets", dict(more, name=name))
        return name

    def objects(self, bucket=BUCKET):
        """{key: what is known of it}"""
        return {entry["key"]: entry for entry in self.ask("/objects", bucket=bucket)}

    def get(self, key, bucket=BUCKET):
        return self.control("GET", "/object", bucket=bucket, key=key)

    def put(self, key, body=b"", bucket=BUCKET, **more):
        data = body.encode() if isinstance(body, str) else body
        self.control("PUT", "/object", data, bucket=bucket, key=key, **more)

    def put_many(self, objects, bucket=BUCKET):
        """{key: bytes}"""
        self.control("POST", "/many", {"bucket": bucket, "objects": {
            key: base64.b64encode(body).decode() for key, body in objects.items()}})

    def remove(self, key, bucket=BUCKET):
        self.control("POST", "/remove", {"bucket": bucket, "key": key})

    def corrupt(self, key, bit=0, bucket=BUCKET):
        self.control("POST", "/corrupt", {"bucket": bucket, "key": key, "bit": bit})

    def touch(self, key, modified, bucket=BUCKET):
        self.control("POST", "/touch", {"bucket": bucket, "key": key, "modified": modified})

    def uploads(self, bucket=BUCKET):
        return self.ask("/uploads", bucket=bucket)

    def age_uploads(self, seconds, bucket=BUCKET):
        self.control("POST", "/age-uploads", {"bucket": bucket, "seconds": seconds})

    # --- ECR --------------------------------------------------------------------------------------

    def repository(self, name, region=REGION, **more):
        """account, mutability, scan."""
        self.control("POST", "/repository", dict(more, name=name, region=region))
        return name

    def repositories(self):
        return {entry["repositoryName"]: entry for entry in self.ask("/repositories")}

    def expire_ecr(self):
        """The registry's tokens handed out so far are over."""
        self.control("POST", "/expire-ecr", {})

    # --- registry ---------------------------------------------------------------------------------

    @property
    def registry(self):
        """host:port of the one that is not ECR's."""
        return urllib.parse.urlsplit(self.told["registry"]).netloc

    def images(self, name, region=None):
        """{"blobs": {digest: size}, "manifests": {digest: document}, "tags", "uploads"} of a repository;
        region: of ECR's."""
        return self.ask("/registry", name=name, **({"region": region} if region else {}))

    def damage(self, name, digest):
        self.control("POST", "/registry-damage", {"name": name, "digest": digest})

    # --- sessions ---------------------------------------------------------------------------------

    def session(self, seconds=3600, policy=None):
        return json.loads(self.control("POST", "/session", {"seconds": seconds, "policy": policy}))

    def sessions(self):
        return self.ask("/sessions")

    def role(self, **more):
        """arn, max_seconds, trust {"StringEquals": {claim: value}}, external_id."""
        self.control("POST", "/role", more)

    def oidc(self, **more):
        """claims {name: value or None}, life, bad_signature, value, bearer, issuer."""
        self.control("POST", "/oidc", more)

    def imds(self, **more):
        """paths {path: text or None}, role, seconds, refuses (a status)."""
        self.control("POST", "/imds", more)

    def jwt(self, audience="sts.amazonaws.com"):
        return json.loads(self.control("POST", "/jwt", {"audience": audience}))["value"]

    def expire(self, key_id=None):
        self.control("POST", "/expire", {"key_id": key_id} if key_id else {})


@pytest.fixture(scope="session")
def peer_process():
    started = Peer()
    yield started
    started.stop()


@pytest.fixture
def peer(peer_process):
    """The strict peer, empty but for BUCKET; one process for all tests of a worker."""
    peer_process.reset()
    return peer_process


@functools.lru_cache
def boto_session():
    """One for all: it reads megabytes of service models."""
    return pytest.importorskip("boto3", reason="boto3 is not in the tests' environment").Session()


def boto(service, peer, **more):
    """A boto3 client of the peer, with the fixed pair unless told otherwise."""
    session = boto_session()
    from botocore.config import Config
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, signature_version="v4"
                    if service != "s3" else "s3v4", **more.pop("config", {}))
    settings = dict(endpoint_url=peer.url, region_name=REGION, aws_access_key_id=peer.key_id,
                    aws_secret_access_key=peer.secret, config=config)
    return session.client(service, **dict(settings, **more))


def env_of(peer, **more):
    """The caller's environment without its AWS and Branchline settings, then the peer's."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("AWS_", "BRANCHLINE_", "GITHUB_", "ACTIONS_"))}
    return dict(clean, **peer.env(), **more)


class Other:
    """Another server of S3: url, keys, a bucket."""

    def __init__(self, url, key_id, secret):
        self.url, self.key_id, self.secret = url, key_id, secret

    def env(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ACCESS_KEY_ID": self.key_id,
                "AWS_SECRET_ACCESS_KEY": self.secret}

    def fresh_bucket(self):
        """A bucket of its own for this test."""
        name = f"bucket-{secrets.token_hex(6)}"
        boto("s3", self).create_bucket(Bucket=name)
        return name


MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def moto():
    """moto: broad, not strict. One process for all tests of a worker."""
    pytest.importorskip("moto", reason="moto is not in the tests' environment")
    process = subprocess.Popen([sys.executable, "-c", MOTO], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    url = process.stdout.readline().strip()
    if not url:
        pytest.fail("moto did not start")
    yield Other(url, "AKIAMOTO000000000000", "moto")
    process.stdin.close()
    process.wait(timeout=PATIENCE)
    process.stdout.close()


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    """MinIO, which verifies signatures and checksums on its own account."""
    program = shutil.which("minio") or shutil.which(ROOT / "build" / "tools" / "minio")
    if not program:
        pytest.skip("minio is neither in PATH nor in build/tools")
    boto_session()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("minio-home")),
           "MINIO_ROOT_USER": "peerminio", "MINIO_ROOT_PASSWORD": "peerminiosecret",
           "MINIO_UPDATE": "off", "MINIO_BROWSER": "off", "MINIO_REGION_NAME": REGION}
    process = subprocess.Popen([program, "server", "--quiet", "--address", f"127.0.0.1:{port}",
                                str(tmp_path_factory.mktemp("minio"))], env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    server = Other(f"http://127.0.0.1:{port}", env["MINIO_ROOT_USER"], env["MINIO_ROOT_PASSWORD"])

    def lives():
        """It answers before it can make a bucket."""
        from botocore.exceptions import BotoCoreError, ClientError
        try:
            return server.fresh_bucket()
        except (BotoCoreError, ClientError):
            return False
    try:
        until(lives, "minio makes a bucket")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
