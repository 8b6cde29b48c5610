"""Puts the Lambda data plane in the place of moto's Docker-based one."""

from __future__ import annotations

import atexit
import functools
from typing import Any

from moto.awslambda.models import LambdaFunction, LambdaStorage
from moto.awslambda.responses import LambdaResponse

from emulator.functions.operation import OPERATION, MotoAnswer
from emulator.functions.service import WORKERS_PER_VERSION, LambdaService

invoke_function = OPERATION.invoke_function


def install(aws_endpoint_url: str, *, workers_per_version: int = WORKERS_PER_VERSION) -> None:
    """Run functions on this machine; their AWS calls go to `aws_endpoint_url`."""
    stop_all()
    OPERATION.service = LambdaService(aws_endpoint_url, workers_per_version=workers_per_version)

    def invoke_lambda(self: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        return OPERATION.invoke_for_moto(self, event)

    def invoke(self: LambdaResponse) -> MotoAnswer:
        return OPERATION.invoke(self)

    LambdaFunction._invoke_lambda = invoke_lambda
    LambdaResponse.invoke = invoke
    for name in ("update_configuration", "update_function_code"):
        _retire_after(LambdaFunction, name)
    _retire_after(LambdaStorage, "del_function")
    atexit.register(stop_all)


def stop_all() -> None:
    """End every worker."""
    service, OPERATION.service = OPERATION.service, None
    if service:
        service.stop_all()


def _retire_after(owner: type, name: str) -> None:
    """End a function's workers when moto changes or deletes it."""
    original = getattr(owner, name)
    if hasattr(original, "retires_workers"):
        return

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        changed = isinstance(self, LambdaFunction)
        function = self if changed else self.get_function_by_name_or_arn_with_qualifier(*args, **kwargs)
        result = original(self, *args, **kwargs)
        if OPERATION.service:
            OPERATION.service.retire(function.function_arn, versions=not changed)
        return result

    wrapper.retires_workers = True  # type: ignore[attr-defined]
    setattr(owner, name, wrapper)
