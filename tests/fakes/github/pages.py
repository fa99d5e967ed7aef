# SPDX-License-Identifier: Apache-2.0
"""Lists in pages, and how a refusal of one's input is said."""
from core import Problem


class Page:
    """A list, of which a page goes out; `wrap` names the member that it is in."""

    def __init__(self, items, wrap=None, **beside):
        self.items, self.wrap, self.beside = items, wrap, beside

    def cut(self, request, api):
        size, number = number_of(request, "per_page", 30, 100), number_of(request, "page", 1, 1 << 30)
        last = max(1, -(-len(self.items) // size))
        items = self.items[(number - 1) * size:number * size]
        links = []
        for name, page in (("prev", number - 1), ("next", number + 1), ("last", last), ("first", 1)):
            if 1 <= page <= last and (name in ("prev", "next") or page != number):
                links.append(f'<{api.link(request, page)}>; rel="{name}"')
        document = dict(self.beside, **{self.wrap: items}) if self.wrap else items
        return document, [("Link", ", ".join(links))] if links else []


def number_of(request, name, default, most):
    text = request.arg(name, "")
    return min(max(int(text), 1), most) if text.isdigit() else default


def invalid(resource, field, code, message=None):
    """A 422 as GitHub says it."""
    error = {"resource": resource, "field": field, "code": code}
    if message:
        error["message"] = message
    return Problem(422, "Validation Failed", errors=[error])
