# SPDX-License-Identifier: Apache-2.0
"""STS: web identities are verified against the issuer's key and the role's trust policy."""
import fnmatch
import json
import re
from urllib.parse import urlsplit

import rsa
import sigv4
from core import Problem
from oidc import CLAIMS, ISSUER
from query import QueryService, invalid
from world import ACCOUNT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/branchline"


class Role:
    """trust: {"StringEquals" or "StringLike": {claim: value or list}}; external_id of AssumeRole."""

    def __init__(self, arn=ROLE, max_seconds=3600, trust=None, external_id=None):
        self.arn, self.max_seconds, self.external_id = arn, max_seconds, external_id
        self.trust = trust if trust is not None else {"StringEquals": {
            "aud": "sts.amazonaws.com", "sub": CLAIMS["sub"]}}

    def trusts(self, claims):
        for test, wanted in self.trust.items():
            for name, values in wanted.items():
                have = claims.get(name)
                values = values if isinstance(values, list) else [values]
                same = {"StringEquals": lambda a, b: a == b,
                        "StringLike": fnmatch.fnmatchcase}[test]
                if have is None or not any(same(str(have), value) for value in values):
                    return False
        return True


class Sts(QueryService):
    NAME, VERSION = "sts", "2011-06-15"
    NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
    HIDDEN = ("WebIdentityToken",)

    def reset(self):
        self.roles, self.audiences, self.issuers = {ROLE: Role()}, ["sts.amazonaws.com"], [ISSUER]

    # --- operations -------------------------------------------------------------------------------

    def do_GetCallerIdentity(self, request):
        who = self.signer(request)
        return {"Arn": who.arn, "UserId": who.user_id, "Account": ACCOUNT}

    def do_AssumeRole(self, request):
        self.signer(request)
        role = self.checked_role(request)
        refused = Problem(403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole "
                          f"on resource: {request.params.get('RoleArn')}")
        if role is None or role.external_id != request.params.get("ExternalId"):
            raise refused
        return self.assumed(request, role)

    def do_AssumeRoleWithWebIdentity(self, request):
        if sigv4.is_signed(request):
            request.entry["signed"] = True  # allowed, and never needed
        role = self.checked_role(request)
        claims = self.claims_of(request.params.get("WebIdentityToken", ""))
        request.entry["claims"] = claims
        if role is None or not role.trusts(claims):
            raise Problem(403, "AccessDenied",
                          "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        host = urlsplit(claims["iss"]).netloc
        return {**self.assumed(request, role), "SubjectFromWebIdentityToken": claims["sub"],
                "Provider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}",
                "Audience": claims["aud"]}

    def claims_of(self, token):
        if not 4 <= len(token) <= 20000:
            raise invalid("webIdentityToken", "length between 4 and 20000")
        claims = rsa.KEY.get().verified(token)
        if claims is None:
            raise Problem(400, "InvalidIdentityToken", "Couldn't retrieve verification key from "
                          "your identity provider,  please reference AssumeRoleWithWebIdentity "
                          "documentation for requirements")
        if claims.get("iss") not in self.issuers:
            raise Problem(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your "
                          f"account for {claims.get('iss')}")
        if claims.get("aud") not in self.audiences:
            raise Problem(400, "InvalidIdentityToken", "Incorrect token audience")
        now = self.world.now()
        if now >= claims["exp"] or now < claims["nbf"]:
            raise Problem(400, "ExpiredTokenException", "Token expired: current date/time "
                          f"{int(now)} must be before the expiration date/time {claims['exp']}")
        return claims

    def checked_role(self, request):
        """The role, when what was asked of it is in form."""
        params = request.params
        if not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", params.get("RoleArn", "")):
            raise Problem(400, "ValidationError", "Request ARN is invalid")
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", params.get("RoleSessionName", ""), re.ASCII):
            raise invalid("roleSessionName", r"regular expression pattern: [\w+=,.@-]*, 2 to 64")
        policy = params.get("Policy")
        if policy is not None:
            check_policy(policy)
        role = self.roles.get(params["RoleArn"])
        seconds = params.get("DurationSeconds", "3600")
        if not seconds.isdigit() or not 900 <= int(seconds) <= 43200:
            raise invalid("durationSeconds", "value between 900 and 43200")
        if role and int(seconds) > role.max_seconds:
            raise Problem(400, "ValidationError", "The requested DurationSeconds exceeds the "
                          "MaxSessionDuration set for this role.")
        return role

    def assumed(self, request, role):
        name, params = role.arn.rpartition("/")[2], request.params
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{params['RoleSessionName']}"
        user_id = f"AROAPEERROLE00000000:{params['RoleSessionName']}"
        made = self.world.issue("ASIAPEER", int(params.get("DurationSeconds", "3600")), arn=arn,
                                user_id=user_id, policy=params.get("Policy"))
        request.entry["issued"] = made.key_id
        return {"Credentials": {"AccessKeyId": made.key_id, "SecretAccessKey": made.secret,
                                "SessionToken": made.token, "Expiration": sigv4.iso(made.expires)},
                "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
                "PackedPolicySize": len(params.get("Policy", "")) * 100 // 2048}


def check_policy(policy):
    if len(policy) > 2048:
        raise invalid("policy", "length less than or equal to 2048")
    try:
        document = json.loads(policy)
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            if statement["Effect"] not in ("Allow", "Deny"):
                raise ValueError
            statement["Action"], statement["Resource"]
        if document.get("Version") != "2012-10-17":
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Problem(400, "MalformedPolicyDocument", "Syntax errors in policy.") from None
