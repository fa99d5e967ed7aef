# SPDX-License-Identifier: Apache-2.0
"""Starts the fake, says where it listens in one line of JSON, and plays until stdin ends."""
import argparse
import json
import pathlib
import signal
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
# HTTP and script are the strict peer's
sys.path[:0] = [str(HERE), str(HERE.parent / "aws")]

from api import Api  # noqa: E402
from control import Control  # noqa: E402
from core import Server, end_with_parent  # noqa: E402
from world import TOKEN, USER_TOKEN, World  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: any")
    parser.add_argument("--prefix", default="", help="of the API's paths: /api/v3, as GitHub Enterprise Server has")
    parser.add_argument("--stay", action="store_true", help="go on after stdin has ended")
    options = parser.parse_args()

    world = World()
    api, control = Api(world, options.prefix), Control(world)
    server = Server(world, api.route, options.port)
    world.api_url = server.url + options.prefix
    quiet = Server(world, control.route, quiet=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not options.stay:
        end_with_parent()
    print(json.dumps({"api": world.api_url, "control": quiet.url, "token": TOKEN,
                      "user_token": USER_TOKEN}), flush=True)
    threading.Event().wait()


main()
