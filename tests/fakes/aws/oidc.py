# SPDX-License-Identifier: Apache-2.0
"""GitHub's issuer of identity tokens: the URL that a job is given, discovery and keys."""
import json
import secrets

import rsa
from core import Problem, Reply

ISSUER = "https://token.actions.githubusercontent.com"
BEARER = "peer-request-token"
CLAIMS = {
    "sub": "repo:acme/widgets:ref:refs/heads/main", "ref": "refs/heads/main", "sha": "0" * 40,
    "repository": "acme/widgets", "repository_owner": "acme", "repository_owner_id": "1001",
    "repository_id": "5005", "repository_visibility": "private", "run_id": "9009",
    "run_number": "7", "run_attempt": "1", "actor": "mona", "actor_id": "42", "workflow": "train",
    "head_ref": "", "base_ref": "", "event_name": "push", "ref_protected": "false",
    "ref_type": "branch", "workflow_ref": "acme/widgets/.github/workflows/train.yml@refs/heads/main",
    "job_workflow_ref": "acme/widgets/.github/workflows/train.yml@refs/heads/main",
    "runner_environment": "github-hosted",
}


class Oidc:
    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.claims, self.bearer, self.issuer = dict(CLAIMS), BEARER, ISSUER
        self.life, self.bad_signature, self.value = 300, False, None

    def configure(self, claims=None, **more):
        """claims: changed, removed where None; life in s; bad_signature; value: instead of a JWT."""
        unknown = set(more) - {"bearer", "issuer", "life", "bad_signature", "value"}
        if unknown:
            raise Problem(400, "BadRequest", f"unknown: {sorted(unknown)}")
        self.claims.update(claims or {})
        vars(self).update(more)

    def name_operation(self, request, stream):
        request.service = "oidc"
        request.operation = {"/token": "Token", "/.well-known/openid-configuration": "Discovery",
                             "/.well-known/jwks": "Jwks"}.get(request.path, "Unknown")

    def handle(self, request):
        call = {"Token": self.token, "Discovery": self.discovery, "Jwks": self.jwks}
        if request.operation not in call or request.method != "GET":
            raise Problem(404, "NotFound", f"no {request.method} {request.path} here")
        return Reply(200, [("Content-Type", "application/json")],
                     json.dumps(call[request.operation](request)))

    def discovery(self, request):
        here = self.world.urls["oidc"]
        return {"issuer": self.issuer, "jwks_uri": here + "/.well-known/jwks",
                "subject_types_supported": ["public", "pairwise"],
                "response_types_supported": ["id_token"],
                "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf", *CLAIMS],
                "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid"]}

    def jwks(self, request):
        return {"keys": [rsa.KEY.get().jwk()]}

    def token(self, request):
        kind, _, token = (request.header("authorization") or "").partition(" ")
        if kind.lower() != "bearer" or token != self.bearer:
            raise Problem(401, "Unauthorized", "the request token is not valid")
        if self.value is not None:
            return {"count": len(self.value), "value": self.value}
        jwt = self.mint(request.arg("audience") or "https://github.com/acme")
        return {"count": len(jwt), "value": jwt}

    def mint(self, audience):
        now = int(self.world.now())
        claims = {"jti": secrets.token_hex(16), "aud": audience, **self.claims, "iss": self.issuer,
                  "nbf": now - 300, "iat": now, "exp": now + self.life}
        claims = {name: value for name, value in claims.items() if value is not None}
        return rsa.KEY.get().jwt(claims, self.bad_signature)

    def error(self, request, problem):
        return Reply(problem.status, [("Content-Type", "application/json")],
                     json.dumps({"typeName": problem.code, "message": problem.message}))
