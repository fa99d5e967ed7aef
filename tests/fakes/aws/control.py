# SPDX-License-Identifier: Apache-2.0
"""The tests' own port: script, clock, what is stored, what was seen."""
import base64
import json
import traceback

from core import Problem, Reply
from s3_object import Object
from sts import Role
from tls import Authority, Proxy, TlsServer


class Control:
    def __init__(self, world):
        self.world = world

    def reset(self):
        pass

    def name_operation(self, request, stream):
        request.service, request.operation = "control", f"{request.method} {request.path}"

    def handle(self, request):
        name = request.path.strip("/").replace("-", "_")
        call = getattr(self, f"{request.method.lower()}_{name}", None)
        if call is None:
            raise Problem(404, "NotFound", f"no {request.method} {request.path} here")
        try:
            if request.method == "PUT":
                done = call(request)
            else:
                done = call(json.loads(request.wire) if request.wire
                            else {name: value for name, value in request.query})
        except (KeyError, TypeError, ValueError):
            raise Problem(400, "BadRequest", traceback.format_exc()) from None
        return done if isinstance(done, Reply) else Reply(
            200, [("Content-Type", "application/json")], json.dumps(done if done is not None else {}))

    def error(self, request, problem):
        return Reply(problem.status, (), f"{problem.code}: {problem.message}\n")

    # --- faults and time --------------------------------------------------------------------------

    def post_script(self, lines):
        self.world.script.add(lines)

    def post_heal(self, _):
        """No line of the script happens any more."""
        self.world.script.clear()

    def get_script(self, _):
        return self.world.script.pending()

    def post_release(self, asked):
        self.world.script.gate(asked["hold"]).set()

    def post_clock(self, asked):
        self.world.offset = float(asked["offset"])

    def post_options(self, asked):
        unknown = set(asked) - set(self.world.options)
        if unknown:
            raise Problem(400, "BadRequest", f"unknown options: {sorted(unknown)}")
        self.world.options.update(asked)

    def post_reset(self, _):
        self.world.reset()

    def get_log(self, asked):
        with self.world.lock:
            return list(self.world.log[int(asked.get("after", 0)):])

    # --- the registry's content -------------------------------------------------------------------

    def get_registry(self, asked):
        return self.world.services["registry"].told(asked["name"], asked.get("region"))

    def post_registry_damage(self, asked):
        """The first byte of a blob, or of a manifest, is another."""
        repository = self.world.services["registry"].at(asked["name"])
        body = repository.blobs[asked["digest"]]
        repository.blobs[asked["digest"]] = bytes([body[0] ^ 1]) + body[1:]

    def post_registry_forget(self, _):
        """Every upload under way is lost."""
        with self.world.lock:
            self.world.services["registry"].uploads.clear()

    def post_registry_expire(self, _):
        """Every bearer token that was handed out is over; later ones are not."""
        self.world.services["registry"].auth.expire()

    # --- S3's content -----------------------------------------------------------------------------

    @property
    def s3(self):
        return self.world.services["s3"]

    def post_buckets(self, asked):
        self.s3.make_bucket(**asked)

    def get_objects(self, asked):
        bucket = self.s3.buckets[asked["bucket"]]
        with self.world.lock:
            return [{"key": key, "size": len(o.body), "etag": o.etag, "modified": o.modified,
                     "storage_class": o.storage_class, "checksum": o.checksum,
                     "algorithm": o.algorithm, "checksum_type": o.checksum_type,
                     "headers": dict(o.headers)}
                    for key, o in sorted(bucket.objects.items())]

    def get_object(self, asked):
        return Reply(200, (), self.s3.buckets[asked["bucket"]].objects[asked["key"]].body)

    def put_object(self, request):
        made = Object(request.wire, self.world.now(),
                      storage_class=request.arg("storage_class", "STANDARD")).digested()
        with self.world.lock:
            self.s3.buckets[request.arg("bucket")].put(request.arg("key"), made)

    def post_many(self, asked):
        """{"bucket", "objects": {key: base64}}: quickly, many."""
        with self.world.lock:
            for key, body in asked["objects"].items():
                self.s3.buckets[asked["bucket"]].put(
                    key, Object(base64.b64decode(body), self.world.now()).digested())

    def post_remove(self, asked):
        with self.world.lock:
            self.s3.buckets[asked["bucket"]].remove(asked["key"])

    def post_touch(self, asked):
        """Another time of writing: {"bucket", "key", "modified"}."""
        self.s3.buckets[asked["bucket"]].objects[asked["key"]].modified = asked["modified"]

    def post_corrupt(self, asked):
        """Flips one stored bit; the checksum stays what it was."""
        have = self.s3.buckets[asked["bucket"]].objects[asked["key"]]
        body = bytearray(have.body)
        body[asked["bit"] // 8] ^= 1 << asked["bit"] % 8
        have.body = bytes(body)

    def get_uploads(self, asked):
        return [{"id": u.id, "key": u.key, "parts": sorted(u.parts), "began": u.began}
                for u in self.s3.buckets[asked["bucket"]].uploads.values()]

    def post_age_uploads(self, asked):
        """Makes unfinished uploads look older by so many seconds."""
        for upload in self.s3.buckets[asked["bucket"]].uploads.values():
            upload.began -= asked["seconds"]

    # --- ECR --------------------------------------------------------------------------------------

    @property
    def ecr(self):
        return self.world.services["ecr"]

    def post_repository(self, asked):
        """{"name", "region", "account", "mutability", "scan"}"""
        self.ecr.make(**asked)

    def get_repositories(self, _):
        with self.world.lock:
            return [dict(r.described(), region=r.region, tags=r.tags, blobs=sorted(r.blobs),
                         manifests=sorted(r.manifests))
                    for _, r in sorted(self.ecr.repositories.items())]

    def post_expire_ecr(self, _):
        """Every token that was handed out is over; later ones are not."""
        self.ecr.expire()

    # --- what surrounds a launch ------------------------------------------------------------------

    def post_parameter(self, asked):
        """{"name", "value", "type", "region"} of SSM; value null: there is none."""
        self.world.services["ssm"].put(**asked)

    def post_quota(self, asked):
        """{"code", "value", "region"} of EC2; value null: nobody has changed the default."""
        self.world.services["servicequotas"].put(**asked)

    def post_price(self, asked):
        """{"name", "usd", "region"} of an instance type an hour, or of a volume's GB-month."""
        self.world.services["pricing"].put(**asked)

    def post_budget(self, asked):
        """{"name", "limit", "actual", "forecast", "period", "kind", "unit"}; limit null: none."""
        self.world.services["budgets"].put(**asked)

    def post_iam_role(self, asked):
        """{"name", "exists", "policy"}: its trust policy"""
        self.world.services["iam"].put_role(**asked)

    def post_instance_profile(self, asked):
        """{"name", "role"}; role null: it has none; "exists" false: there is no such profile."""
        self.world.services["iam"].put_profile(**asked)

    # --- EC2 --------------------------------------------------------------------------------------

    @property
    def ec2(self):
        return self.world.services["ec2"]

    def get_instances(self, _):
        with self.world.lock:
            return [one.told() for one in self.ec2.instances.values()]

    def post_instance(self, asked):
        """{"id", "state", "reason", "message", "console", "tags"}: what became of it; without id one
        that nobody asked for."""
        with self.world.lock:
            if "id" not in asked:
                return self.ec2.make(**asked).told()
            self.ec2.alter(**asked)

    def get_fleets(self, _):
        with self.world.lock:
            return self.ec2.fleets.fleets

    def post_capacity(self, asked):
        """{"type", "zone", "market", "code", "message", "count"}: globs; what fits has none."""
        self.ec2.fleets.set_capacity(**asked)

    def post_template(self, asked):
        """{"id", "version", "name", "data", "tags", "drop"}"""
        self.ec2.market.template(**asked)

    def post_subnet(self, asked):
        """{"id", "zone", "free"}"""
        have = self.ec2.market.subnets.setdefault(asked.pop("id"), dict(zone="us-east-1a", free=251))
        have.update(asked)

    def post_spot_price(self, asked):
        """{"type", "zone", "usd"}"""
        self.ec2.market.prices[asked["type"], asked["zone"]] = asked["usd"]

    # --- roles, tokens, machines --------------------------------------------------------------------

    def post_role(self, asked):
        """{"arn", "max_seconds", "trust", "external_id"}: made or replaced."""
        made = Role(**asked)
        self.world.services["sts"].roles[made.arn] = made

    def post_issuers(self, asked):
        """{"issuers", "audiences"}: what the account's identity providers know."""
        vars(self.world.services["sts"]).update(asked)

    def post_oidc(self, asked):
        self.world.services["oidc"].configure(**asked)

    def post_imds(self, asked):
        self.world.services["imds"].configure(**asked)

    def post_seconds(self, asked):
        """Life of what a machine gives out: {"imds" or "container" or "sso": seconds}."""
        for name, seconds in asked.items():
            self.world.services[name].seconds = seconds

    def post_jwt(self, asked):
        return {"value": self.world.services["oidc"].mint(asked.get("audience", "sts.amazonaws.com"))}

    def post_tls(self, asked):
        """{"folder"}: makes an authority there; https on loopback, and a proxy to AWS's names."""
        authority = Authority(asked["folder"])
        return {"ca_file": authority.file,
                "url": TlsServer(self.world, self.world.route, authority).url,
                "proxy": Proxy(self.world, self.world.route, authority).url}

    # --- sessions ---------------------------------------------------------------------------------

    def get_sessions(self, _):
        return [{"key_id": c.key_id, "arn": c.arn, "expires": c.expires, "policy": c.policy}
                for c in self.world.credentials.values() if c.token]

    def post_session(self, asked):
        """Temporary credentials without STS: {"seconds", "policy"}."""
        made = self.world.issue("ASIAPEER", asked.get("seconds", 3600), policy=asked.get("policy"))
        return {"key_id": made.key_id, "secret": made.secret, "token": made.token,
                "expires": made.expires}

    def post_expire(self, asked):
        """Ends sessions now: {"key_id"}, or all."""
        for have in self.world.credentials.values():
            if have.token and asked.get("key_id") in (None, have.key_id):
                have.expires = self.world.now()
