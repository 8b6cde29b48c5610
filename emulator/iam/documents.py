"""Policy documents, read strictly: what is not understood is an error, never left out.

Source: IAM User Guide, "IAM JSON policy elements reference".
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from emulator.iam.conditions import Condition, Context, parse_conditions
from emulator.iam.patterns import PolicyError, check_arn, matches_arn, wildcard

_VERSION, _OLD_VERSION = "2012-10-17", "2008-10-17"
_PLAIN_ELEMENTS = frozenset({"Sid", "Effect", "Condition"})


@dataclass(frozen=True)
class Statement:
    """One statement. `name` is its Sid, or its place in the policy; `digest` names its content."""

    name: str
    digest: str
    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    except_actions: bool
    resources: tuple[str, ...]
    except_resources: bool
    principal: Mapping[str, tuple[str, ...]]
    conditions: tuple[Condition, ...]

    def speaks_of(self, action: str, resource: str, context: Context) -> tuple[str, str] | None:
        """The patterns of action and resource by which it applies to a call, or None; raises PolicyError."""
        by_action = self._chosen(
            (each for each in self.actions if wildcard(each, ignore_case=True).fullmatch(action)),
            self.named_actions if self.except_actions else (),
        )
        by_resource = by_action and self._chosen(
            (each for each in self.resources if matches_arn(each, resource, context.single)),
            self.named_resources if self.except_resources else (),
        )
        if not by_action or not by_resource or not all(condition.holds(context) for condition in self.conditions):
            return None
        return by_action, by_resource

    @property
    def named_actions(self) -> tuple[str, ...]:
        """What it speaks of, action by action."""
        return (f"all but {', '.join(self.actions)}",) if self.except_actions else self.actions

    @property
    def named_resources(self) -> tuple[str, ...]:
        """What it speaks of, resource by resource."""
        return (f"all but {', '.join(self.resources)}",) if self.except_resources else self.resources

    @staticmethod
    def _chosen(found: Iterator[str], exceptions: tuple[str, ...]) -> str | None:
        first = next(found, None)
        if exceptions:
            return None if first else exceptions[0]
        return first


class Kind(Enum):
    """What a policy is attached to, by the elements that its statements must have."""

    IDENTITY = ("Action", "Resource")
    RESOURCE = ("Action", "Resource", "Principal")
    TRUST = ("Action", "Principal")
    """Of a role, who may assume it."""


@functools.lru_cache(maxsize=1024)
def parse_policy(document: str, kind: Kind = Kind.IDENTITY) -> tuple[Statement, ...]:
    """The statements of a policy; raises PolicyError. Each text is read once."""
    return tuple(_statements(document, kind))


def _statements(document: str, kind: Kind) -> Iterator[Statement]:
    try:
        policy = json.loads(document)
    except ValueError as exc:
        raise PolicyError(f"the policy is not JSON: {exc}") from exc
    if not isinstance(policy, Mapping) or "Statement" not in policy:
        raise PolicyError("the policy is not an object with a Statement")
    unknown = sorted(set(policy) - {"Version", "Id", "Statement"})
    if unknown:
        raise PolicyError(f"the policy has unknown elements {unknown}: allowed are Version, Id and Statement")
    version = policy.get("Version", _OLD_VERSION)
    if version not in (_OLD_VERSION, _VERSION):
        raise PolicyError(f"the policy has Version {version!r}: allowed are {_VERSION} and {_OLD_VERSION}")
    if version == _OLD_VERSION and "${" in document:
        raise PolicyError(f"the policy has policy variables, which are plain text without Version {_VERSION}")
    statements = policy["Statement"]
    for number, statement in enumerate(statements if isinstance(statements, list) else [statements], 1):
        if not isinstance(statement, Mapping):
            raise PolicyError(f"statement {number} is not an object")
        yield _statement(statement, f"#{number}", kind)


def _statement(statement: Mapping[str, Any], place: str, kind: Kind) -> Statement:
    name = str(statement.get("Sid") or place)
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"statement {name} has Effect {effect!r}: allowed are Allow and Deny")
    choices = {element: _present(statement, element, name) for element in kind.value}
    unknown = sorted(set(statement) - set(choices.values()) - _PLAIN_ELEMENTS)
    if unknown:
        raise PolicyError(f"statement {name} has elements {unknown}, which do not belong there")
    actions = _texts(statement[choices["Action"]], name)
    resources = _texts(statement[choices["Resource"]], name) if "Resource" in choices else ("*",)
    for resource in resources:
        check_arn(resource)
    for action in actions:
        if action != "*" and ":" not in action:
            raise PolicyError(f"statement {name} has action {action!r}: it must be * or <service>:<action>")
    return Statement(
        name=name,
        digest=hashlib.sha256(json.dumps(statement, sort_keys=True).encode()).hexdigest(),
        effect=effect,
        actions=actions,
        except_actions=choices["Action"] == "NotAction",
        resources=resources,
        except_resources=choices.get("Resource") == "NotResource",
        principal=_principal(statement[choices["Principal"]], name) if "Principal" in choices else {},
        conditions=tuple(parse_conditions(statement.get("Condition", {}))),
    )


def _present(statement: Mapping[str, Any], element: str, name: str) -> str:
    """The element or its negation, whichever of them the statement has."""
    present = [choice for choice in (element, f"Not{element}") if choice in statement]
    if len(present) != 1:
        has = "both" if present else "neither"
        raise PolicyError(f"statement {name} must have either {element} or Not{element}, and has {has}")
    if present == ["NotPrincipal"]:
        raise PolicyError(f"statement {name} has NotPrincipal, which is not emulated: name the principals")
    return present[0]


def _principal(element: object, name: str) -> Mapping[str, tuple[str, ...]]:
    if element == "*":
        return {"AWS": ("*",)}
    if not isinstance(element, Mapping):
        raise PolicyError(f"statement {name} has principal {element!r}: it must be * or an object")
    return {str(kind): _texts(values, name) for kind, values in element.items()}


def _texts(element: object, name: str) -> tuple[str, ...]:
    values = element if isinstance(element, list) else [element]
    if not values or not all(isinstance(value, str) for value in values):
        raise PolicyError(f"statement {name} has {element!r} where a string or a list of strings must be")
    return tuple(values)
