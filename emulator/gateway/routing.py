"""Which method of an API a request is for: static segments before parameters before greedy ones."""

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
    """The method for a path as it was sent (still percent-encoded), or None as API Gateway has no such route.

    The resource is chosen first, then its method: a HEAD or OPTIONS that is not defined is not answered by another.
    """
    path = raw_path.rstrip("/") or "/"
    found = [(rank, method, match) for method in methods if (match := _pattern(method.resource_path)[1].fullmatch(path))
             for rank in [_pattern(method.resource_path)[0]]]  # fmt: skip
    if not found:
        return None
    best = min(rank for rank, _, _ in found)
    of_resource = {method.http_method: (method, match) for rank, method, match in found if rank == best}
    chosen = of_resource.get(http_method) or of_resource.get("ANY")
    if chosen is None:
        return None
    method, match = chosen
    return Match(method, {name: unquote(value) for name, value in zip(_names(method), match.groups(), strict=True)})


def _names(method: Method) -> list[str]:
    return re.findall(r"\{([^}+]+)\+?\}", method.resource_path)


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
