"""What execution roles were seen to use and what they were refused, and the report of it over HTTP."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import lambda_backends
from werkzeug.wrappers import Request, Response

from emulator.iam.documents import parse_policy
from emulator.iam.evaluation import Decision
from emulator.iam.patterns import PolicyError
from emulator.iam.sessions import find_role, identity_policies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Use:
    """An action on a resource that a role was allowed, and the statement that allowed it."""

    role_arn: str
    action: str
    resource: str
    via: str | None
    policy: str
    statement: str
    statement_digest: str
    by_action: str
    by_resource: str


@dataclass(frozen=True)
class Denial:
    """An action on a resource that a role was refused. Of what could not be decided, `action` is the call."""

    role_arn: str
    action: str
    resource: str
    via: str | None
    reason: str


class Recorder:
    """Counts uses and denials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: Counter[Use] = Counter()
        self._denials: Counter[Denial] = Counter()

    def record(self, role_arn: str, action: str, resource: str, via: str | None, decision: Decision) -> None:
        """Count what was decided."""
        with self._lock:
            if decision.allowed and decision.by:
                by, statement = decision.by, decision.by.statement
                source = (by.policy, statement.name, statement.digest, by.action, by.resource)
                self._uses[Use(role_arn, action, resource, via, *source)] += 1
            else:
                self._denials[Denial(role_arn, action, resource, via, decision.reason)] += 1

    def refuse(self, role_arn: str, call: str, message: str) -> None:
        """Count a call that could not be decided."""
        with self._lock:
            self._denials[Denial(role_arn, call, "", None, message)] += 1

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._uses.clear()
            self._denials.clear()

    def uses(self) -> dict[Use, int]:
        """Every use, with its count."""
        with self._lock:
            return dict(self._uses)

    def denials(self) -> dict[Denial, int]:
        """Every denial, with its count."""
        with self._lock:
            return dict(self._denials)


RECORDER = Recorder()


Json = dict[str, Any]


def create_iam_app() -> WSGIApplication:
    """The WSGI application behind `/_emulator/iam`: GET shows what is known, DELETE forgets what was recorded."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ))(environ, start_response)

    return application


def _answer(request: Request) -> Response:
    if request.method == "DELETE":
        RECORDER.clear()
    elif request.method != "GET":
        message = f"{request.method} is not allowed: use GET or DELETE"
        return Response(json.dumps({"message": message}), 405, content_type="application/json")
    return Response(json.dumps({"roles": report()}), 200, content_type="application/json")


def report() -> list[Json]:
    """Every role that a function runs under, or that was used or refused something, by ARN."""
    functions = _functions_by_role()
    uses, denials = RECORDER.uses(), RECORDER.denials()
    arns = {*functions, *(use.role_arn for use in uses), *(denial.role_arn for denial in denials)}
    return [
        {
            "role": arn,
            "functions": sorted(functions.get(arn, ())),
            "used": [_used(use, count) for use, count in uses.items() if use.role_arn == arn],
            "denied": [_denied(denial, count) for denial, count in denials.items() if denial.role_arn == arn],
            **_grants(arn, [use for use in uses if use.role_arn == arn]),
        }
        for arn in sorted(arns)
    ]


def _functions_by_role() -> dict[str, set[str]]:
    """The functions that are deployed, with their versions' roles, in every account and region."""
    by_role: dict[str, set[str]] = {}
    for regions in list(lambda_backends.values()):
        for backend in list(regions.values()):
            for group in list(backend._lambdas._functions.values()):
                for function in (group["latest"], *group["versions"]):
                    arn = ":".join(function.function_arn.split(":")[:7])
                    by_role.setdefault(function.role, set()).add(arn)
    return by_role


def _used(use: Use, count: int) -> Json:
    by = {"policy": use.policy, "statement": use.statement, "action": use.by_action, "resource": use.by_resource}
    return {"action": use.action, "resource": use.resource, "via": use.via, "count": count, "allowed_by": by}


def _denied(denial: Denial, count: int) -> Json:
    why = {"because": denial.reason, "count": count}
    return {"action": denial.action, "resource": denial.resource, "via": denial.via, **why}


def _grants(role_arn: str, uses: list[Use]) -> Json:
    """Whether the role is there, its boundary, and what it is granted and was never used.

    Each action of each Allow by which nothing was allowed, and each resource for which none of its actions was. What
    two statements grant, the first of them is used for.
    """
    role = find_role(role_arn)
    unused: Json = {"unused": [], "unused_resources": [], "unreadable": []}
    if role is None:
        return {"exists": False, "boundary": None, **unused}
    for policy in identity_policies(role):
        try:
            statements = parse_policy(policy.document)
        except PolicyError as exc:
            unused["unreadable"].append({"policy": policy.name, "because": str(exc)})
            continue
        for statement in (statement for statement in statements if statement.effect == "Allow"):
            by_it = [use for use in uses if (use.policy, use.statement_digest) == (policy.name, statement.digest)]
            where = {"policy": policy.name, "statement": statement.name}
            actions, resources = {use.by_action for use in by_it}, {use.by_resource for use in by_it}
            unused["unused"] += [
                {**where, "action": action, "resources": list(statement.named_resources)}
                for action in statement.named_actions
                if action not in actions
            ]
            unused["unused_resources"] += [
                {**where, "resource": resource} for resource in statement.named_resources if resource not in resources
            ]
    return {"exists": True, "boundary": role.permissions_boundary_arn or None, **unused}
