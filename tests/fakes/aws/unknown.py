# SPDX-License-Identifier: Apache-2.0
"""What this peer does not play: answered clearly instead of in silence."""
import json

from core import Problem, Reply


class Unknown:
    def __init__(self, world):
        self.world = world

    def reset(self):
        pass

    def name_operation(self, request, stream):
        request.service = "unknown"
        request.operation = request.header("x-amz-target") or f"{request.method} {request.path}"

    def handle(self, request):
        raise Problem(501, "NotImplemented", f"the peer does not play {request.operation} "
                      f"(host {request.header('host')})")

    def error(self, request, problem):
        return Reply(problem.status, [("Content-Type", "application/x-amz-json-1.1")],
                     json.dumps({"__type": problem.code, "message": problem.message}))
