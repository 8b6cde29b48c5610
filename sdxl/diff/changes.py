"""What differs between two sets of templates, resource by resource, as the CDK's own library sees it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdxl.deployment.cdk import check_node
from sdxl.diff.assemblies import Template, Templates
from sdxl.errors import SdxlError
from sdxl.project import ROOT, child_environment

Action = Literal["add", "remove", "change", "replace"]

_SCRIPT = Path(__file__).with_name("changes.cjs")
_ACTIONS: dict[str, Action] = {
    "WILL_CREATE": "add",
    "WILL_DESTROY": "remove",
    "WILL_ORPHAN": "remove",
    "WILL_REPLACE": "replace",
    "MAY_REPLACE": "replace",
    "WILL_UPDATE": "change",
    "WILL_IMPORT": "add",
}
# Properties that hold nothing but where uploaded code lies.
_CODE = frozenset({"Code", "Content"})
# Made anew with every change of what they are snapshots of: their logical ids end in a hash of it.
_SNAPSHOTS = frozenset({"AWS::Lambda::Version", "AWS::ApiGateway::Deployment"})
_HASH = re.compile(r"[0-9a-f]{16}$")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource. `replaced_by` are the changed properties that make a new one of it.

    `is_retained` says that the old one stays in the account, out of the stack.
    """

    environment: str
    stack: str
    logical_id: str
    type: str
    action: Action
    properties: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    is_retained: bool = False

    @property
    def is_code_only(self) -> bool:
        """Whether nothing but uploaded code is another."""
        return self.action == "change" and bool(self.properties) and set(self.properties) <= _CODE

    @property
    def is_snapshot(self) -> bool:
        """Whether it follows from other changes: a version of a function, a deployment of an API."""
        return self.type in _SNAPSHOTS

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "environment": self.environment,
            "stack": self.stack,
            "logical_id": self.logical_id,
            "type": self.type,
            "action": self.action,
            "properties": list(self.properties),
            "replaced_by": list(self.replaced_by),
            "is_retained": self.is_retained,
        }


def changes_between(before: Templates, after: Templates) -> tuple[Change, ...]:
    """The changes of every environment that is in both, stack by stack.

    A stack that leaves the app is not changed: the CDK leaves it as it is (`between_stacks.left_stacks`).
    """
    pairs = [
        (environment, stack, before[environment].get(stack, {}), template)
        for environment in sorted(before.keys() & after.keys())
        for stack, template in after[environment].items()
    ]
    found = _compare([(old, new) for _, _, old, new in pairs])
    return tuple(
        change
        for (environment, stack, old, _), changes in zip(pairs, found, strict=True)
        for change in _of_stack(environment, stack, old, changes)
    )


def _of_stack(environment: str, stack: str, old: Template, changes: Sequence[Any]) -> Iterator[Change]:
    for change in changes:
        action = _ACTIONS.get(change["impact"])
        if action is None or (action == "change" and not change["properties"] and not change["policies"]):
            # Metadata and dependencies only: nothing happens to the resource.
            continue
        resource = old.get("Resources", {}).get(change["logical_id"], {})
        policy = "UpdateReplacePolicy" if action == "replace" else "DeletionPolicy"
        yield Change(
            environment=environment,
            stack=stack,
            logical_id=change["logical_id"],
            type=change["type"],
            action=action,
            properties=(*(item["name"] for item in change["properties"]), *change["policies"]),
            replaced_by=tuple(item["name"] for item in change["properties"] if item["impact"].endswith("REPLACE")),
            is_retained=resource.get(policy) in {"Retain", "RetainExceptOnCreate"},
        )


def _compare(pairs: Sequence[tuple[Template, Template]]) -> list[Any]:
    check_node()
    content = json.dumps([{"before": old, "after": new} for old, new in pairs])
    try:
        done = subprocess.run(  # noqa: S603 - our own script
            ["node", str(_SCRIPT)],  # noqa: S607 - the pinned Node.js
            input=content,
            capture_output=True,
            text=True,
            check=True,
            env={**child_environment(), "NODE_PATH": str(ROOT / "node_modules")},
        )
    except subprocess.CalledProcessError as exc:
        raise SdxlError(f"Comparing the templates failed; has `make setup` run?\n{exc.stderr.strip()[-1500:]}") from exc
    found: list[Any] = json.loads(done.stdout)
    return found


def without_hash(logical_id: str) -> str:
    """A snapshot's logical id without the hash of its content."""
    return _HASH.sub("", logical_id)
