"""What a function's version is: its code, configuration and layers, as read from moto at the time of an invocation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends

LATEST = "$LATEST"


@dataclass(frozen=True)
class Layer:
    """A layer version's archive."""

    arn: str
    archive: bytes


@dataclass(frozen=True)
class FunctionDefinition:
    """One version of a function. Two that differ in any way have different digests."""

    account: str
    region: str
    name: str
    version: str
    arn: str
    role: str
    handler: str | None
    runtime: str | None
    package_type: str
    timeout_seconds: float
    memory_mb: int
    environment: dict[str, str]
    code: bytes
    code_sha256: str
    layers: tuple[Layer, ...]
    log_group: str
    log_format: str
    traced: bool
    in_vpc: bool
    snap_start: bool
    reserved_concurrency: int | None

    @cached_property
    def digest(self) -> str:
        """Names this code and configuration."""
        return _digest(self.configuration())

    def configuration(self) -> tuple[object, ...]:
        """Everything that a running worker was started with."""
        return (
            *(self.arn, self.role, self.handler, self.runtime, self.timeout_seconds, self.memory_mb),
            self.code_sha256,
            *(sorted(self.environment.items()), [layer.arn for layer in self.layers]),
            *(self.log_group, self.log_format, self.snap_start, self.in_vpc),
        )


def _digest(configuration: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(configuration).encode()).hexdigest()


def read_definition(function: LambdaFunction) -> FunctionDefinition:
    """The definition of moto's function, which is one version of it."""
    logging: dict[str, Any] = getattr(function, "logging_config", None) or {}
    snap_start: dict[str, Any] = getattr(function, "snap_start", None) or {}
    reserved = function.reserved_concurrency
    return FunctionDefinition(
        account=function.account_id,
        region=function.region,
        name=function.function_name,
        version=str(function.version),
        arn=function.function_arn,
        role=function.role,
        handler=function.handler,
        runtime=function.run_time,
        package_type=function.package_type,
        timeout_seconds=float(function.timeout or 3),
        memory_mb=int(function.memory_size or 128),
        environment={name: str(value) for name, value in (function.environment_vars or {}).items()},
        code=getattr(function, "code_bytes", b""),
        code_sha256=str(function.code_sha_256),
        layers=tuple(_layer(function, layer["Arn"]) for layer in function.layers or []),
        log_group=logging.get("LogGroup") or function.logs_group_name,
        log_format=logging.get("LogFormat") or "Text",
        traced=(function.tracing_config or {}).get("Mode") == "Active",
        in_vpc=bool((function.vpc_config or {}).get("SubnetIds")),
        snap_start=snap_start.get("ApplyOn") == "PublishedVersions" and str(function.version) != LATEST,
        reserved_concurrency=None if reserved is None else int(reserved),
    )


def _layer(function: LambdaFunction, arn: str) -> Layer:
    version = lambda_backends[function.account_id][function.region].layers_versions_by_arn(arn)
    if version is None:
        raise LookupError(f"layer version {arn} of function {function.function_name} does not exist any more")
    return Layer(arn, version.code_bytes)
