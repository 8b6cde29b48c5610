"""Which method of an API a request is for: the most specific resource that has the request's method.

A static segment is more specific than a parameter, a parameter more than a greedy one. AWS documents no order for a
resource that matches the path and lacks the method. Measured on REST APIs (github.com/ministackorg/ministack, pull
request 1423, and github.com/floci-io/floci, pull request 3399): it does not count, and the request goes to the next
resource that has the method.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from emulator.gateway.deployed import Method


@dataclass(frozen=True)
class Match:
    """A method and the values of its path's parameters."""

    method: Method
    path_parameters: dict[str, str]


def find_method(methods: Iterable[Method], http_method: str, raw_path: str) -> Match | None:
    """The method for a path as it was sent (still percent-encoded), or None where the API has no route for it.

    Of one resource's methods the request's own wins over ANY.
    """
    path = raw_path.rstrip("/") or "/"
    found = []
    for method in methods:
        ranks, pattern = _pattern(method.resource_path)
        values = pattern.fullmatch(path)
        if values and method.http_method in {http_method, "ANY"}:
            found.append((ranks, method.http_method == "ANY", method, values.groups()))
    if not found:
        return None
    _, _, method, values_of_path = min(found, key=lambda candidate: candidate[:2])
    names = re.findall(r"\{([^}+]+)\+?\}", method.resource_path)
    return Match(method, {name: unquote(value) for name, value in zip(names, values_of_path, strict=True)})


@functools.cache
def _pattern(resource_path: str) -> tuple[tuple[int, ...], re.Pattern[str]]:
    """How specific the path is (lower first), and what it matches."""
    ranks, patterns = [], []
    for segment in resource_path.split("/")[1:]:
        if not segment.startswith("{"):
            ranks.append(0)
            patterns.append(re.escape(segment))
        elif segment.endswith("+}"):
            ranks.append(2)
            patterns.append("(.+)")
        else:
            ranks.append(1)
            patterns.append("([^/]+)")
    return tuple(ranks), re.compile("/" + "/".join(patterns))
