"""Whether a call is allowed: identity policies, permissions boundary and the resource's own policy, within an account.

Source: IAM User Guide, "Policy evaluation logic" and "Troubleshoot access denied error messages", whose words are used;
AWS KMS Developer Guide, "Key policies in AWS KMS", for keys, whose policy must allow before any other counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from emulator.iam.conditions import Context, Value
from emulator.iam.documents import Kind, Statement, parse_policy
from emulator.iam.patterns import PolicyError


@dataclass(frozen=True)
class NamedPolicy:
    """A policy of a role or a resource, by the name under which a report speaks of it."""

    name: str
    document: str


@dataclass(frozen=True)
class ResourcePolicy(NamedPolicy):
    """A resource's own policy. A `decisive` one, as a key's, must itself allow, or leave it to the account."""

    decisive: bool = False


@dataclass(frozen=True)
class Permission:
    """An action on a resource, `*` where the action has no resource level.

    `context` are the condition keys of the service, `absent` those that the request could have and has not. `via` is
    the service that makes the call on the caller's behalf, where one does.
    """

    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    resource_policy: ResourcePolicy | None = None
    via: str | None = None


@dataclass(frozen=True)
class Caller:
    """A session of a role: who calls, and by which policies. `boundary` limits what the others allow."""

    account: str
    role_arn: str
    session_arn: str
    policies: tuple[NamedPolicy, ...]
    boundary: NamedPolicy | None = None


@dataclass(frozen=True)
class Match:
    """A statement that applies to a call, and the patterns of action and resource by which it does."""

    policy: str
    statement: Statement
    action: str
    resource: str


@dataclass(frozen=True)
class Decision:
    """Whether a call is allowed, by what; or why not, in AWS's words."""

    allowed: bool
    by: Match | None
    reason: str = ""


def evaluate(
    caller: Caller, action: str, resource: str, context: Context, resource_policy: ResourcePolicy | None = None
) -> Decision:
    """Decide on a call; raises PolicyError where a policy that bears on it cannot be evaluated."""
    identity = list(_identity_matches(caller.policies, action, resource, context))
    boundary = caller.boundary and list(_identity_matches([caller.boundary], action, resource, context))
    own = _resource_matches(resource_policy, caller, action, resource, context) if resource_policy else []
    for kind, found in (
        ("an identity-based policy", identity),
        ("a permissions boundary", boundary or []),
        ("a resource-based policy", [match for match, _ in own]),
    ):
        denial = next((match for match in found if match.statement.effect == "Deny"), None)
        if denial:
            return Decision(False, denial, f"with an explicit deny in {kind}")

    session = next((match for match, grantee in own if grantee == "session"), None)
    if session:
        # What a resource grants to the session itself, neither identity policies nor the boundary take away.
        return Decision(True, session)
    granted = next((match for match, grantee in own if grantee == "role"), None)
    if resource_policy and resource_policy.decisive and not own:
        return Decision(False, None, f"because no resource-based policy allows the {action} action")
    allowed = granted or next(iter(identity), None)
    if allowed is None:
        return Decision(False, None, f"because no identity-based policy allows the {action} action")
    if boundary is not None and not boundary:
        return Decision(False, None, f"because no permissions boundary allows the {action} action")
    return Decision(True, allowed)


def trusts(document: str, service: str) -> bool:
    """Whether a role's trust policy lets a service of AWS assume it; raises PolicyError."""
    applying = [
        statement
        for statement in parse_policy(document, Kind.TRUST)
        if service in statement.principal.get("Service", ()) and statement.speaks_of("sts:AssumeRole", "*", Context({}))
    ]
    return bool(applying) and all(statement.effect == "Allow" for statement in applying)


def _identity_matches(policies: Iterable[NamedPolicy], action: str, resource: str, context: Context) -> Iterator[Match]:
    for policy in policies:
        for statement in _read(policy, Kind.IDENTITY):
            patterns = statement.speaks_of(action, resource, context)
            if patterns:
                yield Match(policy.name, statement, *patterns)


def _resource_matches(
    policy: ResourcePolicy, caller: Caller, action: str, resource: str, context: Context
) -> list[tuple[Match, str]]:
    """The statements that apply to the caller, and as what they name it: its session, its role or its account."""
    found = []
    for statement in _read(policy, Kind.RESOURCE):
        grantee = _named_as(caller, statement.principal.get("AWS", ()))
        patterns = statement.speaks_of(action, resource, context) if grantee else None
        if grantee and patterns:
            found.append((Match(policy.name, statement, *patterns), grantee))
    return found


def _named_as(caller: Caller, principals: Iterable[str]) -> str | None:
    names = set(principals)
    account_root = f"arn:{caller.role_arn.split(':')[1]}:iam::{caller.account}:root"
    if caller.session_arn in names:
        return "session"
    if names & {"*", caller.role_arn}:
        return "role"
    # The account leaves it to its identity policies.
    return "account" if names & {caller.account, account_root} else None


def _read(policy: NamedPolicy, kind: Kind) -> tuple[Statement, ...]:
    try:
        return parse_policy(policy.document, kind)
    except PolicyError as exc:
        raise PolicyError(f"{policy.name}: {exc}") from exc
