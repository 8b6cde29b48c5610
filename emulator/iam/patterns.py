"""Patterns of policies: wildcards, ARNs that are compared part by part, and policy variables.

Source: IAM User Guide, "IAM JSON policy elements: Action", "... Resource", "... Variables and tags".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence

ARN_PARTS = 6
_VARIABLE = re.compile(r"\$\{(?P<name>[^}]*)\}")
_LITERALS = {"*", "?", "$"}
_MARK = "\0"
_WILDCARDS = re.compile(r"([*?])")

Lookup = Callable[[str], str | None]
"""Gives the value of a condition key that a policy variable names, or None where the request has none."""


class PolicyError(ValueError):
    """A policy that cannot be evaluated as it is written; the message says which part, and why."""


@functools.lru_cache(maxsize=4096)
def wildcard(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The pattern as a regular expression: `*` is any text, `?` one character."""
    parts = (re.escape(part) for part in _WILDCARDS.split(pattern))
    text = "".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))


def matches(pattern: str, value: str, lookup: Lookup) -> bool:
    """Whether a value fits a pattern in which policy variables stand for what the request has."""
    compiled = _compiled(pattern, lookup)
    return compiled is not None and compiled[0].fullmatch(value) is not None


def matches_arn(pattern: str, arn: str, lookup: Lookup) -> bool:
    """Whether an ARN fits a pattern, where no wildcard reaches from one of its six parts into the next."""
    if pattern == "*":
        return True
    if arn == "*":
        # The action has no resource level: nothing but * speaks of it.
        return False
    compiled = _compiled(pattern, lookup, arn=True)
    parts = arn.split(":", ARN_PARTS - 1)
    if compiled is None or len(parts) != len(compiled):
        return False
    return all(part.fullmatch(value) for part, value in zip(compiled, parts, strict=True))


def check_arn(pattern: str) -> None:
    """Raise PolicyError for a resource that is neither `*` nor an ARN."""
    if pattern != "*" and _VARIABLE.sub("", pattern).count(":") < ARN_PARTS - 1:
        raise PolicyError(f"resource {pattern!r} is neither * nor an ARN (arn:aws:<service>:<region>:<account>:<name>)")


def filled(text: str, lookup: Lookup) -> str | None:
    """Text with the values of its policy variables, None where one has none. Wildcards in it are plain characters."""
    values = {found["name"]: _value(found["name"], lookup) for found in _VARIABLE.finditer(text)}
    if None in values.values():
        return None
    return _VARIABLE.sub(lambda found: values[found["name"]] or "", text)


def _compiled(pattern: str, lookup: Lookup, *, arn: bool = False) -> Sequence[re.Pattern[str]] | None:
    """The parts of a pattern; None where a policy variable in it has no value, so that it fits nothing."""
    if "${" not in pattern:
        return tuple(wildcard(part) for part in _parts(pattern, arn=arn))
    values: list[str] = []
    for found in _VARIABLE.finditer(pattern):
        value = _value(found["name"], lookup)
        if value is None:
            return None
        values.append(value)
    remaining = iter(values)
    # A mark stands for each value, so that neither a colon nor a wildcard in it counts.
    return tuple(_filled(part, remaining) for part in _parts(_VARIABLE.sub(_MARK, pattern), arn=arn))


def _filled(part: str, values: Iterator[str]) -> re.Pattern[str]:
    first, *others = (wildcard(piece).pattern for piece in part.split(_MARK))
    return re.compile(first + "".join(re.escape(next(values)) + other for other in others), re.DOTALL)


def _parts(pattern: str, *, arn: bool) -> list[str]:
    return pattern.split(":", ARN_PARTS - 1) if arn else [pattern]


def _value(variable: str, lookup: Lookup) -> str | None:
    """The value of `${key}`, `${key, 'default'}`, or one of the three characters that are written as variables."""
    if variable in _LITERALS:
        return variable
    key, comma, default = variable.partition(",")
    value = lookup(key.strip())
    if value is None and comma:
        return default.strip().strip("'")
    return value
