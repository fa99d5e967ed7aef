# SPDX-License-Identifier: Apache-2.0
"""ECR's control plane. registry.py plays its data plane: repositories and tokens are these."""
import base64
import re
import secrets

import json11
from core import Problem
from json11 import JsonService
from world import ACCOUNT

TOKEN_SECONDS = 12 * 3600
NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
MUTABILITY = ("MUTABLE", "IMMUTABLE")


class Repository:
    """What a repository holds: the data plane writes it, DescribeImages reads it."""

    def __init__(self, name, region, account=ACCOUNT, mutability="MUTABLE", scan=False, created=0):
        self.name, self.region, self.account = name, region, account
        self.mutability, self.scan, self.created = mutability, scan, created
        self.blobs = {}      # digest: bytes
        self.manifests = {}  # digest: (media type, bytes)
        self.tags = {}       # tag: digest
        self.pushed = {}     # digest: when

    @property
    def is_immutable(self):
        return self.mutability == "IMMUTABLE"

    @property
    def arn(self):
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    def described(self):
        return {"repositoryArn": self.arn, "registryId": self.account, "repositoryName": self.name,
                "repositoryUri": f"{host_of(self.account, self.region)}/{self.name}",
                "createdAt": self.created, "imageTagMutability": self.mutability,
                "imageScanningConfiguration": {"scanOnPush": self.scan},
                "encryptionConfiguration": {"encryptionType": "AES256"}}

    def image(self, digest):
        media_type, body = self.manifests.get(digest, ("", b""))
        tags = sorted(tag for tag, named in self.tags.items() if named == digest)
        told = {"registryId": self.account, "repositoryName": self.name, "imageDigest": digest,
                "imageSizeInBytes": len(body), "imagePushedAt": self.pushed.get(digest, 0),
                "imageManifestMediaType": media_type}
        return dict(told, imageTags=tags) if tags else told


def host_of(account, region):
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}"


class Ecr(JsonService):
    """`repositories` by (account, region, name); `tokens` by password: when each expires."""
    NAME, PREFIX = "ecr", "AmazonEC2ContainerRegistry_V20150921."

    def reset(self):
        self.repositories, self.tokens = {}, {}

    # --- for the data plane and the control port --------------------------------------------------

    def make(self, name, region, account=ACCOUNT, **more):
        made = Repository(name, region, account, created=self.world.now(), **more)
        with self.world.lock:
            return self.repositories.setdefault((account, region, name), made)

    def find(self, name, region, account=ACCOUNT):
        """The repository, or None."""
        return self.repositories.get((account, region, name))

    def accepts(self, user, password):
        """Whether a login of the data plane holds now: "yes", "expired" or "unknown"."""
        expires = self.tokens.get(password)
        if user != "AWS" or expires is None:
            return "unknown"
        return "yes" if self.world.now() < expires else "expired"

    def expire(self):
        """Every token that was handed out is over, as of now."""
        with self.world.lock:
            self.tokens = {password: 0 for password in self.tokens}

    # --- operations -------------------------------------------------------------------------------

    def do_GetAuthorizationToken(self, request, asked):
        self.allow(request, "*")
        check_members(asked, "registryIds")
        life = self.world.options["ecr_token_seconds"] or TOKEN_SECONDS
        password, expires = "PeerEcr" + secrets.token_urlsafe(1200), self.world.now() + life
        with self.world.lock:
            self.tokens[password] = expires
        told = base64.b64encode(f"AWS:{password}".encode()).decode()
        ids = asked.get("registryIds") or [ACCOUNT]
        return {"authorizationData": [
            {"authorizationToken": told, "expiresAt": round(expires, 3),
             "proxyEndpoint": "https://" + host_of(account, request.region)} for account in ids]}

    def do_CreateRepository(self, request, asked):
        check_members(asked, "registryId", "repositoryName", "imageTagMutability", "tags",
                      "imageScanningConfiguration", "encryptionConfiguration")
        name, account = self.named(request, asked)
        mutability = asked.get("imageTagMutability", "MUTABLE")
        if mutability not in MUTABILITY:
            raise invalid("imageTagMutability", f"enum value set: {list(MUTABILITY)}")
        if self.find(name, request.region, account):
            raise Problem(400, "RepositoryAlreadyExistsException",
                          f"The repository with name '{name}' already exists in the registry with "
                          f"id '{account}'")
        scan = asked.get("imageScanningConfiguration", {}).get("scanOnPush", False)
        made = self.make(name, request.region, account, mutability=mutability, scan=scan)
        return {"repository": made.described()}

    def do_DescribeRepositories(self, request, asked):
        check_members(asked, "registryId", "repositoryNames", "maxResults", "nextToken")
        account = asked.get("registryId", ACCOUNT)
        names = asked.get("repositoryNames")
        if names is None:
            self.allow(request, f"arn:aws:ecr:{request.region}:{account}:repository/*")
            names = sorted(name for have, region, name in self.repositories
                           if (have, region) == (account, request.region))
        return {"repositories": [self.repository(request, dict(asked, repositoryName=name)).described()
                                 for name in names]}

    def do_DescribeImages(self, request, asked):
        check_members(asked, "registryId", "repositoryName", "imageIds", "maxResults", "nextToken",
                      "filter")
        repository = self.repository(request, asked)
        if "imageIds" not in asked:
            return {"imageDetails": [repository.image(digest) for digest in repository.manifests]}
        return {"imageDetails": [self.image(repository, one) for one in asked["imageIds"]]}

    # --- their parts ------------------------------------------------------------------------------

    def named(self, request, asked):
        """(name, account) in form, which the caller's policy allows."""
        name, account = asked.get("repositoryName", ""), asked.get("registryId", ACCOUNT)
        if not re.fullmatch(NAME, name) or not 2 <= len(name) <= 256:
            raise invalid("repositoryName", f"regular expression pattern: {NAME}")
        if not re.fullmatch(r"[0-9]{12}", account):
            raise invalid("registryId", "regular expression pattern: [0-9]{12}")
        self.allow(request, f"arn:aws:ecr:{request.region}:{account}:repository/{name}")
        return name, account

    def repository(self, request, asked):
        name, account = self.named(request, asked)
        found = self.find(name, request.region, account)
        if found is None:
            raise Problem(400, "RepositoryNotFoundException", f"The repository with name '{name}' "
                          f"does not exist in the registry with id '{account}'")
        return found

    @staticmethod
    def image(repository, one):
        digest = one.get("imageDigest") or repository.tags.get(one.get("imageTag"))
        named = one.get("imageTag") is None or repository.tags.get(one["imageTag"]) == digest
        if digest not in repository.manifests or not named:
            said = ", ".join(f"{key}:'{one.get(key, 'null')}'" for key in ("imageDigest", "imageTag"))
            raise Problem(400, "ImageNotFoundException", f"The image with imageId {{{said}}} does not "
                          f"exist within the repository with name '{repository.name}' in the "
                          f"registry with id '{repository.account}'")
        return repository.image(digest)


def check_members(asked, *known):
    json11.check_members(asked, *known, code="InvalidParameterException")


def invalid(member, rule):
    return Problem(400, "InvalidParameterException", f"Invalid parameter at '{member}' failed to "
                   f"satisfy constraint: 'must satisfy {rule}'")
