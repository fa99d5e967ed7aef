# SPDX-License-Identifier: Apache-2.0
"""Where credentials come from on AWS's machines: IMDSv2, the container endpoint, the SSO portal."""
import json
import secrets

from core import Problem, Reply
from sigv4 import iso

INSTANCE = {
    "/latest/meta-data/instance-id": "i-0123456789abcdef0",
    "/latest/meta-data/placement/region": "us-east-1",
    "/latest/meta-data/placement/availability-zone": "us-east-1a",
    "/latest/dynamic/instance-identity/document":
        '{"region": "us-east-1", "instanceId": "i-0123456789abcdef0"}',
}
CREDENTIALS = "/latest/meta-data/iam/security-credentials/"


class Issuer:
    """Gives the same credential until it has little life left, as AWS's machines do."""

    def __init__(self, world):
        self.world = world
        self.reset()

    def reset(self):
        self.current, self.seconds = None, 21600

    def credential(self):
        now, have = self.world.now(), self.current
        if have is None or have.expires - now < min(300, self.seconds / 2):
            self.current = self.world.issue("ASIAPEER", self.seconds)
        return self.current

    def error(self, request, problem):
        return Reply(problem.status, [("Content-Type", "text/plain")], problem.message)


class Imds(Issuer):
    def reset(self):
        super().reset()
        self.tokens, self.role, self.paths, self.refuses = {}, "branchline-host", dict(INSTANCE), None

    def configure(self, paths=None, **more):
        """paths: {path: text or None}; role; seconds; refuses: status of every PUT of a token."""
        self.paths.update(paths or {})
        vars(self).update(more)

    def name_operation(self, request, stream):
        request.service, request.operation = "imds", f"{request.method} {request.path}"
        if request.path == "/latest/api/token":
            request.operation = "Token"
        elif request.path.startswith(CREDENTIALS):
            request.operation = "Credentials" if request.path != CREDENTIALS else "Role"

    def handle(self, request):
        if request.operation == "Token":
            return self.token(request)
        given = request.header("x-aws-ec2-metadata-token")
        if self.tokens.get(given, 0) <= self.world.now():
            raise Problem(401, "Unauthorized", "401 - Unauthorized")
        if request.path == CREDENTIALS and self.role:
            return Reply(200, [("Content-Type", "text/plain")], self.role)
        if self.role and request.path == CREDENTIALS + self.role:
            return self.role_credential()
        text = self.paths.get(request.path)
        if request.method != "GET" or text is None:
            raise Problem(404, "NotFound", "404 - Not Found")
        return Reply(200, [("Content-Type", "text/plain")], text)

    def token(self, request):
        if self.refuses:
            raise Problem(self.refuses, "Refused", f"{self.refuses}")
        if request.method != "PUT":
            raise Problem(405, "NotAllowed", "405 - Method Not Allowed")
        if request.header("x-forwarded-for"):
            raise Problem(403, "Forbidden", "403 - Forbidden")
        ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            raise Problem(400, "BadRequest", "400 - Bad Request")
        token = secrets.token_urlsafe(40)
        self.tokens[token] = self.world.now() + int(ttl)
        return Reply(200, [("x-aws-ec2-metadata-token-ttl-seconds", ttl)], token)

    def role_credential(self):
        have = self.credential()
        return Reply(200, [("Content-Type", "text/plain")], json.dumps({
            "Code": "Success", "LastUpdated": iso(self.world.now()), "Type": "AWS-HMAC",
            "AccessKeyId": have.key_id, "SecretAccessKey": have.secret, "Token": have.token,
            "Expiration": iso(have.expires)}))


class Container(Issuer):
    AUTHORIZATION = "peer-container-token"

    def name_operation(self, request, stream):
        request.service, request.operation = "container", "Credentials"

    def handle(self, request):
        if request.header("authorization") != self.AUTHORIZATION:
            raise Problem(401, "Unauthorized", '{"message": "authorization is missing or wrong"}')
        have = self.credential()
        return Reply(200, [("Content-Type", "application/json")], json.dumps({
            "RoleArn": have.arn, "AccessKeyId": have.key_id, "SecretAccessKey": have.secret,
            "Token": have.token, "Expiration": iso(have.expires)}))


class Sso(Issuer):
    """The portal's GetRoleCredentials, for a token of the SSO cache."""
    BEARER = "peer-sso-token"

    def name_operation(self, request, stream):
        request.service, request.operation = "sso", "GetRoleCredentials"

    def handle(self, request):
        if request.header("x-amz-sso_bearer_token") != self.BEARER:
            raise Problem(401, "UnauthorizedException", "Session token not found or invalid")
        if not request.arg("account_id") or not request.arg("role_name"):
            raise Problem(400, "InvalidRequestException", "account_id and role_name are needed")
        have = self.credential()
        return Reply(200, [("Content-Type", "application/json")], json.dumps({"roleCredentials": {
            "accessKeyId": have.key_id, "secretAccessKey": have.secret, "sessionToken": have.token,
            "expiration": int(have.expires * 1000)}}))

    def error(self, request, problem):
        return Reply(problem.status, [("Content-Type", "application/json"),
                                      ("x-amzn-ErrorType", problem.code)],
                     json.dumps({"message": problem.message}))
