# SPDX-License-Identifier: Apache-2.0
"""Who may do what at the registry: basic, bearer with its own token service, ECR's tokens."""
import base64
import binascii
import collections
import json
import re
import secrets
from urllib.parse import parse_qs

from core import Problem, Reply

USER, PASSWORD, REFRESH = "peer", "open sesame", "peer-refresh-token"
SERVICE = "peer,1"
ECR_HOST = r"([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
PULLS = ("HeadManifest", "GetManifest", "HeadBlob", "GetBlob", "ListTags")
Place = collections.namedtuple("Place", "account region")
Token = collections.namedtuple("Token", "expires rights")


def place_of(request):
    """Account and region of an ECR host; None of any other."""
    found = re.fullmatch(ECR_HOST, request.header("host", "").partition(":")[0])
    return Place(*found.groups()) if found else None


def basic_of(request):
    """(user, password); (None, None) without a login."""
    kind, _, told = request.header("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None, None
    try:
        user, _, password = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Problem(400, "UNAUTHORIZED", "no base64 of UTF-8") from None
    return user, password


def unauthorized(message="authentication required"):
    return Problem(401, "UNAUTHORIZED", message)


class Auth:
    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.tokens = {}

    def expire(self):
        """Every bearer token that was handed out is over, as of now."""
        self.tokens = {text: token._replace(expires=0) for text, token in self.tokens.items()}

    # --- at each request --------------------------------------------------------------------------

    def check(self, request):
        how = "ecr" if place_of(request) else self.world.options["registry_auth"]
        if how == "ecr":
            self.check_ecr(request)
        elif how == "bearer":
            if not self.needed(request) <= self.rights(request):
                raise unauthorized()
        elif how == "basic" and basic_of(request) != (USER, PASSWORD):
            raise unauthorized()

    def check_ecr(self, request):
        user, password = basic_of(request)
        told = self.world.services["ecr"].accepts(user, password)
        if told == "expired":
            raise Problem(403, "DENIED", "Your authorization token has expired. Reauthenticate and "
                          "try again.")
        if told != "yes":
            raise unauthorized("Not Authorized")

    def challenge(self, request):
        """What a 401 says."""
        if place_of(request):
            return f'Basic realm="https://{request.header("host")}/",service="ecr.amazonaws.com"'
        if self.world.options["registry_auth"] != "bearer":
            return 'Basic realm="https://peer/",service="peer"'
        actions = ",".join(sorted(action for _, action in self.needed(request)))
        scope = f',scope="repository:{request.bucket}:{actions}"' if actions else ""
        return f'Bearer realm="{self.world.urls["registry"]}/token",service="{SERVICE}"{scope}'

    @staticmethod
    def needed(request):
        """(repository, action) pairs."""
        if not request.bucket:
            return set()
        actions = ("pull",) if request.operation in PULLS else ("pull", "push")
        return {(request.bucket, action) for action in actions}

    def rights(self, request):
        """Of the request's token; 401 without one that holds."""
        kind, _, text = request.header("authorization", "").partition(" ")
        token = self.tokens.get(text) if kind.lower() == "bearer" else None
        if token is None or self.world.now() >= token.expires:
            raise unauthorized()
        return token.rights

    def may_pull(self, request, repository):
        if place_of(request) or self.world.options["registry_auth"] != "bearer":
            return True
        return (repository, "pull") in self.rights(request)

    # --- the token service ------------------------------------------------------------------------

    def token(self, request):
        if request.method == "POST":
            asked = {name: values[0] for name, values in parse_qs(request.wire.decode()).items()}
            is_known = self.check_grant(asked)
            service, scopes = asked.get("service"), asked.get("scope", "").split()
        else:
            is_known = self.check_login(*basic_of(request))
            service = request.arg("service")
            scopes = [scope for name, value in request.query if name == "scope"
                      for scope in (value or "").split()]
        if service != SERVICE:
            raise Problem(400, "DENIED", f"service is {service!r}")
        text, life = secrets.token_urlsafe(600), self.world.options["registry_token_seconds"]
        self.tokens[text] = Token(self.world.now() + life, self.granted(scopes, is_known))
        return Reply(200, [("Content-Type", "application/json")], json.dumps(
            {"token": text, "access_token": text, "expires_in": max(int(life), 60)}))

    @staticmethod
    def check_login(user, password):
        """Whether it is ours; who is nobody may pull."""
        if user is not None and (user, password) != (USER, PASSWORD):
            raise unauthorized("wrong login")
        return user is not None

    def check_grant(self, asked):
        if asked.get("grant_type") == "password":
            return self.check_login(asked.get("username", ""), asked.get("password"))
        if asked.get("grant_type") != "refresh_token" or asked.get("refresh_token") != REFRESH:
            raise unauthorized("no such refresh token")
        return True

    @staticmethod
    def granted(scopes, is_known):
        rights = set()
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            rights |= {(name, action) for action in actions.split(",") if kind == "repository" and
                       (action == "pull" or action == "push" and is_known)}
        return frozenset(rights)
