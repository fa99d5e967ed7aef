# SPDX-License-Identifier: Apache-2.0
"""Starts the peer, says where it listens in one line of JSON, and plays until stdin ends."""
import argparse
import json
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from control import Control  # noqa: E402
from core import Server, end_with_parent  # noqa: E402
from s3 import S3  # noqa: E402
from unknown import Unknown  # noqa: E402
from world import KEY_ID, SECRET, World  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of AWS's services; 0: any")
    parser.add_argument("--bucket", action="append", default=[], help="to begin with")
    parser.add_argument("--stay", action="store_true", help="go on after stdin has ended")
    options = parser.parse_args()

    world = World()
    world.services.update(s3=S3(world), unknown=Unknown(world))
    for name in options.bucket:
        world.services["s3"].make_bucket(name)
    world.urls["aws"] = Server(world, world.route, options.port).url
    control = Control(world)

    def route(request, stream):
        control.name_operation(request, stream)
        return control
    world.urls["control"] = Server(world, route, quiet=True).url
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not options.stay:
        end_with_parent()
    print(json.dumps({**world.urls, "key_id": KEY_ID, "secret": SECRET}), flush=True)
    threading.Event().wait()


main()
