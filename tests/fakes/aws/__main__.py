# SPDX-License-Identifier: Apache-2.0
"""Starts the peer, says where it listens in one line of JSON, and plays until stdin ends."""
import argparse
import json
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from budgets import Budgets  # noqa: E402
from control import Control  # noqa: E402
from core import Server, end_with_parent  # noqa: E402
from ec2 import Ec2  # noqa: E402
from ecr import Ecr  # noqa: E402
from iam import Iam  # noqa: E402
from imds import Container, Imds, Sso  # noqa: E402
from oidc import BEARER, Oidc  # noqa: E402
from pricing import Pricing  # noqa: E402
from quotas import Quotas  # noqa: E402
from registry import Registry  # noqa: E402
from s3 import S3  # noqa: E402
from ssm import Ssm  # noqa: E402
from sts import ROLE, Sts  # noqa: E402
from unknown import Unknown  # noqa: E402
from world import KEY_ID, SECRET, World  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of AWS's services; 0: any")
    parser.add_argument("--bucket", action="append", default=[], help="to begin with")
    parser.add_argument("--stay", action="store_true", help="go on after stdin has ended")
    options = parser.parse_args()

    world = World()
    world.services.update(s3=S3(world), sts=Sts(world), oidc=Oidc(world), imds=Imds(world),
                          container=Container(world), sso=Sso(world), ecr=Ecr(world),
                          ssm=Ssm(world), servicequotas=Quotas(world), pricing=Pricing(world),
                          budgets=Budgets(world), iam=Iam(world),
                          registry=Registry(world), ec2=Ec2(world), unknown=Unknown(world))
    for name in options.bucket:
        world.services["s3"].make_bucket(name)
    world.urls["aws"] = Server(world, world.route, options.port).url
    for name in ("oidc", "imds", "container"):
        world.listen(name, world.services[name])
    for name in ("registry", "cdn"):
        world.listen(name, world.services["registry"])
    world.listen("control", Control(world), quiet=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not options.stay:
        end_with_parent()
    told = {"key_id": KEY_ID, "secret": SECRET, "role": ROLE, "request_token": BEARER,
            "container_token": Container.AUTHORIZATION, "sso_token": Sso.BEARER}
    print(json.dumps({**world.urls, **told}), flush=True)
    threading.Event().wait()


main()
