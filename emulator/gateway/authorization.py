"""Whether a caller may invoke a method, by the method's authorization type."""

from __future__ import annotations

from collections.abc import Callable

from emulator.gateway import errors
from emulator.gateway.context import RequestContext
from emulator.gateway.deployed import Authorizer, Method
from emulator.gateway.lambda_authorizers import LambdaAuthorizers
from emulator.gateway.signatures import check_signature
from emulator.gateway.user_pools import check_user_pool_token


class Authorization:
    """Every authorization type. Remembers what function authorizers answered; `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._functions = LambdaAuthorizers(clock)

    def admit(self, context: RequestContext, method: Method) -> None:
        """Note in the context who is calling; raises GatewayError where the caller may not invoke the method."""
        match method.authorization_type:
            case "NONE":
                return
            case "AWS_IAM":
                check_signature(context, now=self._clock())
            case "CUSTOM":
                self._functions.admit(context, _authorizer(context, method, "REQUEST", "TOKEN"))
            case "COGNITO_USER_POOLS":
                authorizer = _authorizer(context, method, "COGNITO_USER_POOLS")
                check_user_pool_token(context, method, authorizer, now=self._clock())
            case other:
                raise errors.not_emulated(f"authorization type {other}")


def _authorizer(context: RequestContext, method: Method, *types: str) -> Authorizer:
    found = context.api.definition.authorizers.get(method.authorizer_id or "")
    if found is None or found.type not in types:
        context.authorizer_error = f"{method.resource_path} has no authorizer of type {' or '.join(types)}"
        raise errors.authorizer_configuration_error()
    return found
