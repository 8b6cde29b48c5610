"""What the emulator saw of the functions' permissions, as rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2

from sdxl.errors import SdxlError
from sdxl.local.emulator import Emulator

HEAD = ("role", "what", "action", "resource", "times", "statement, or why")
Row = tuple[str, str, str, str, int, str]


def read(emulator: Emulator) -> list[dict[str, Any]]:
    """Return what the emulator knows of every execution role. Raises SdxlError if it does not say."""
    try:
        answer = httpx2.get(f"{emulator.aws_endpoint_url}/_emulator/iam", timeout=30.0, trust_env=False)
        roles: list[dict[str, Any]] = answer.raise_for_status().json()["roles"]
    except httpx2.HTTPError as exc:
        raise SdxlError(f"The emulator at {emulator.aws_endpoint_url} does not report permissions: {exc}") from exc
    return roles


def summary(roles: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int, int, int]]:
    """Give a row for each role: actions used, actions held and never used, and calls refused."""
    for role in roles:
        used = {use["action"] for use in role["used"]}
        refused = sum(denial["count"] for denial in role["denied"])
        yield _name(role), len(used), len({grant["action"] for grant in role["unused"]} - used), refused


def unused_actions(roles: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the actions that a role holds and did not use, by role; roles without any are left out."""
    found = {}
    for role in roles:
        used = {use["action"] for use in role["used"]}
        if actions := sorted({grant["action"] for grant in role["unused"]} - used):
            found[_name(role)] = actions
    return found


def _name(role: dict[str, Any]) -> str:
    return str(role["role"].rpartition("/")[2])


def rows(roles: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """Give a row for each refusal, each grant that was never used, and each that was, role by role.

    Uses are counted by the resource that the policy names: every image has another key.
    """
    for role in roles:
        name = _name(role)
        for denial in role["denied"]:
            yield name, "refused", denial["action"], denial["resource"], denial["count"], denial["because"]
        for grant in role["unused"]:
            yield name, "unused", grant["action"], ", ".join(grant["resources"]), 0, grant["statement"]
        for grant in role["unused_resources"]:
            yield name, "unused", "(every action)", grant["resource"], 0, grant["statement"]
        for policy in role["unreadable"]:
            yield name, "unreadable", policy["policy"], "", 0, policy["because"]
        used: Counter[tuple[str, str, str]] = Counter()
        for use in role["used"]:
            used[use["action"], use["allowed_by"]["resource"], use["allowed_by"]["statement"]] += use["count"]
        for (action, resource, statement), count in used.items():
            yield name, "used", action, resource, count, statement
