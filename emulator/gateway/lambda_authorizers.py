"""Function authorizers: the event they get, what becomes of their answer, and how long it is remembered."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException

from emulator.functions.operation import RequestTooLargeError
from emulator.functions.outcome import ThrottledError
from emulator.gateway import errors
from emulator.gateway.context import RequestContext, look_up
from emulator.gateway.deployed import Authorizer
from emulator.gateway.lambda_proxy import call_function, function_arn, request_fields
from emulator.gateway.policies import Decision, decide
from emulator.iam.patterns import PolicyError
from emulator.iam.sessions import RoleError

TIMEOUT_SECONDS = 30.0
MAX_REMEMBERED = 10_000


@dataclass(frozen=True)
class Answer:
    """What an authorizer said of a caller."""

    principal_id: str
    policy: dict[str, Any]
    context: dict[str, str]
    usage_identifier_key: str | None


class AnswerError(ValueError):
    """An authorizer's answer is not what API Gateway takes."""


class LambdaAuthorizers:
    """Every function authorizer, with the answers that are still valid."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Answer]] = {}

    def admit(self, context: RequestContext, authorizer: Authorizer) -> None:
        """Note what the authorizer says of the caller; raises GatewayError unless it allows the method."""
        identity = _identity(context, authorizer)
        answer = self._answer(context, authorizer, identity)
        context.usage_identifier_key = answer.usage_identifier_key
        context.authorizer = {**answer.context, "principalId": answer.principal_id}
        source_ip = {"aws:sourceip": context.request.remote_addr or ""}
        try:
            decision = decide([answer.policy], context.method_arn, source_ip)
        except PolicyError as exc:
            context.authorizer_error = f"the authorizer's policy: {exc}"
            raise errors.authorizer_configuration_error() from exc
        if decision is not Decision.ALLOWED:
            raise errors.access_denied(explicitly=decision is Decision.DENIED)

    def _answer(self, context: RequestContext, authorizer: Authorizer, identity: tuple[str, ...]) -> Answer:
        key = (context.api.id, context.api.stage.name, authorizer.id, identity)
        now = self._clock()
        with self._lock:
            remembered = self._answers.get(key)
        if authorizer.ttl_seconds and remembered and remembered[0] > now:
            return remembered[1]
        answer = _ask(context, authorizer, identity)
        if authorizer.ttl_seconds:
            with self._lock:
                if len(self._answers) >= MAX_REMEMBERED:
                    self._answers = {k: known for k, known in self._answers.items() if known[0] > now}
                self._answers[key] = now + authorizer.ttl_seconds, answer
        return answer


def _identity(context: RequestContext, authorizer: Authorizer) -> tuple[str, ...]:
    """The values that identify a caller. Where one is missing, the function is not called."""
    values = tuple(_value(context, source) for source in authorizer.identity_sources)
    if not all(values):
        raise errors.unauthorized()
    pattern = authorizer.identity_validation
    if authorizer.type == "TOKEN" and pattern and not re.fullmatch(pattern, values[0] or ""):
        raise errors.unauthorized()
    return tuple(value or "" for value in values)


def _value(context: RequestContext, source: str) -> str | None:
    place, _, name = source.rpartition(".")
    match place:
        case "method.request.header":
            return context.request.headers.get(name)
        case "method.request.querystring":
            return context.request.args.get(name)
    if place == "stageVariables":
        return context.api.stage.variables.get(name)
    if source.startswith("context."):
        value = look_up({"context": context.variables()}, source)
        return None if value is None else str(value)
    raise errors.not_emulated(f"identity source {source!r}")


def _ask(context: RequestContext, authorizer: Authorizer, identity: tuple[str, ...]) -> Answer:
    uri = context.substitute(authorizer.uri)
    arn = function_arn(uri)
    if arn is None:
        context.authorizer_error = f"authorizer URI {uri!r} names no function"
        raise errors.authorizer_configuration_error()
    event = _event(context, authorizer, identity)
    payload = json.dumps(event, ensure_ascii=False).encode()
    try:
        result = call_function(arn, payload, trace_id=context.trace_id, timeout_seconds=TIMEOUT_SECONDS)
    except UnknownFunctionException as exc:
        context.authorizer_error = f"{arn}: {exc}"
        raise errors.authorizer_configuration_error() from exc
    except (TimeoutError, ThrottledError, RequestTooLargeError, RoleError) as exc:
        context.authorizer_error = f"{arn}: {exc}"
        raise errors.authorizer_failure() from exc
    if result.failed:
        return _failed(context, result.payload)
    try:
        return read_answer(result.payload)
    except AnswerError as exc:
        context.authorizer_error = f"{arn}: the authorizer's answer {exc}"
        raise errors.authorizer_configuration_error() from exc


def _failed(context: RequestContext, payload: bytes) -> Answer:
    context.authorizer_error = payload.decode(errors="replace")[:1000]
    try:
        message = json.loads(payload).get("errorMessage")
    except (ValueError, AttributeError):
        message = None
    # The one way that an authorizer has to ask for a 401.
    raise errors.unauthorized() if message == "Unauthorized" else errors.authorizer_failure()


def _event(context: RequestContext, authorizer: Authorizer, identity: tuple[str, ...]) -> dict[str, Any]:
    event: dict[str, Any] = {"type": authorizer.type, "methodArn": context.method_arn}
    if authorizer.type == "TOKEN":
        return {**event, "authorizationToken": identity[0]}
    # Unlike a proxy event, an authorizer's has empty objects for what the request does not have, and no body.
    empty = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables")
    fields = request_fields(context)
    return {**event, **fields, **{name: fields[name] or {} for name in empty}}


def read_answer(payload: bytes) -> Answer:
    """The answer of an authorizer; raises AnswerError."""
    try:
        answer = json.loads(payload)
    except ValueError as exc:
        raise AnswerError(f"is not JSON: {exc}") from exc
    if not isinstance(answer, dict):
        raise AnswerError(f"must be an object, not {type(answer).__name__}")
    principal, policy = answer.get("principalId"), answer.get("policyDocument")
    if not isinstance(principal, str) or not principal:
        raise AnswerError(f"must have a principalId, not {principal!r}")
    if not isinstance(policy, dict):
        raise AnswerError(f"must have a policyDocument, not {policy!r}")
    key = answer.get("usageIdentifierKey")
    if key is not None and not isinstance(key, str):
        raise AnswerError(f"has a usageIdentifierKey that is no text: {type(key).__name__}")
    return Answer(principal, policy, _context(answer.get("context")), key)


def _context(values: object) -> dict[str, str]:
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise AnswerError(f"has a context that is no object: {values!r}")
    nested = sorted(name for name, value in values.items() if isinstance(value, dict | list))
    if nested:
        raise AnswerError(f"has objects or lists in its context, which takes only text, numbers and booleans: {nested}")
    texts = {name: value for name, value in values.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in texts.items()}
