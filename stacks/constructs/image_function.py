"""The image API's function: code, layer, role, log, and the alias `live` on its published version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge, skip_checkov
from stacks.constructs.content_id import rename_with_content
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.file_asset import FileAsset
from stacks.constructs.placement import Placement
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.statement import Statement, allow

CODE_DIRECTORY = Path(__file__).resolve().parents[2] / "lambda"
# By bare name, at any depth. Caches come and go with every test run, and must not make a new version.
_NOT_CODE = ["__pycache__", ".*_cache", "*.egg-info", "requirements.txt"]

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"
ALIAS = "live"
# Lambda quotas, environment variables: 4 KB in all. What is left for names that are known only once deployed.
VARIABLES_BYTES = 4096 - 128


class FunctionVariablesError(ValueError):
    """The environment variables of a function are larger than Lambda takes."""


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """Size and environment variables of a function. `timeout_seconds` is Lambda's own, after which it is stopped."""

    handler: str
    memory_mb: int
    timeout_seconds: int
    variables: Mapping[str, str]


class ImageFunction(Construct):
    """Function that answers the image API, started from a snapshot of its published version (SnapStart).

    A new version is published whenever code, layer or configuration changes, and `live` moves to it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: FunctionSettings,
        layer_archive: Path,
        log_group: EncryptedLogGroup,
        statements: list[Statement],
        placement: Placement | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_variables(settings.variables)
        self.role = ServiceRole(
            self,
            "ExecutionRole",
            service="lambda.amazonaws.com",
            description="Execution role of the SDXL image API function",
            statements=[*statements, *function_permissions(scope, log_group, placement)],
        )
        acknowledge_permissions(scope, self.role, log_group, placement)

        self.code = code = FileAsset(self, "Code", path=CODE_DIRECTORY, exclude=_NOT_CODE)
        dependencies = FileAsset(self, "Dependencies", path=_existing(layer_archive))
        layer = lambda_.CfnLayerVersion(
            self,
            "Layer",
            content=lambda_.CfnLayerVersion.ContentProperty(
                s3_bucket=dependencies.bucket_name, s3_key=dependencies.object_key
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            description="What the function imports beyond boto3",
        )
        configuration: dict[str, Any] = {
            "description": "SDXL image API",
            "code": lambda_.CfnFunction.CodeProperty(s3_bucket=code.bucket_name, s3_key=code.object_key),
            "handler": settings.handler,
            "runtime": RUNTIME,
            "architectures": [ARCHITECTURE],
            "layers": [layer.ref],
            "role": self.role.arn,
            "memory_size": settings.memory_mb,
            "timeout": settings.timeout_seconds,
            "environment": lambda_.CfnFunction.EnvironmentProperty(variables=dict(settings.variables)),
            "snap_start": lambda_.CfnFunction.SnapStartProperty(apply_on="PublishedVersions"),
            "tracing_config": lambda_.CfnFunction.TracingConfigProperty(mode="Active"),
            "logging_config": lambda_.CfnFunction.LoggingConfigProperty(log_format="JSON", log_group=log_group.ref),
        }
        if placement is not None:
            configuration["vpc_config"] = vpc_config(placement)
        self.function = lambda_.CfnFunction(self, "Function", **configuration)
        _acknowledge_function(self.function, is_in_vpc=placement is not None)

        self.version = lambda_.CfnVersion(self, "Version", function_name=self.name)
        # Lambda publishes a version only when CloudFormation sees a new resource. The layer's reference alone would not
        # show that its content changed.
        rename_with_content(self.version, configuration, dependencies.content_hash)
        self.alias = lambda_.CfnAlias(
            self, "Alias", name=ALIAS, function_name=self.name, function_version=self.version.attr_version
        )

    @cached_property
    def name(self) -> str:
        """Name of the function."""
        return self.function.ref

    @cached_property
    def alias_arn(self) -> str:
        """ARN of the alias `live`: what callers invoke."""
        return self.alias.ref


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise `FunctionVariablesError` if Lambda would refuse the environment variables for their size."""
    sizes = {name: len(name) + len(value.encode()) for name, value in variables.items()}
    total = sum(sizes.values())
    if total > VARIABLES_BYTES:
        largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:2]
        raise FunctionVariablesError(
            f"The environment variables of the image API's function take {total} bytes; allowed are {VARIABLES_BYTES}. "
            f"The largest are {' and '.join(f'{name} ({sizes[name]} bytes)' for name in largest)}: shorten the team's "
            "styles (styles.yaml), or the environment's api.moderation.refused_terms and api.cors.allow_origins."
        )


def _existing(layer_archive: Path) -> Path:
    if not layer_archive.is_file():
        raise FileNotFoundError(
            f"the functions' layer {layer_archive} does not exist: run `make layer` (python -m tools.build_layer)"
        )
    return layer_archive


def vpc_config(placement: Placement) -> lambda_.CfnFunction.VpcConfigProperty:
    """A function's place in a VPC."""
    return lambda_.CfnFunction.VpcConfigProperty(
        subnet_ids=[*placement.subnet_ids], security_group_ids=[*placement.security_group_ids]
    )


def function_permissions(
    scope: Construct, log_group: EncryptedLogGroup, placement: Placement | None
) -> list[Statement]:
    """What every function's role may do: write its own log, and traces; in a VPC, keep network interfaces."""
    return [
        *(placement.function_permissions(scope) if placement else ()),
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.streams_arn]),
        # X-Ray's trace data has no resource to name.
        allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
    ]


def acknowledge_permissions(
    scope: Construct, role: ServiceRole, log_group: EncryptedLogGroup, placement: Placement | None
) -> None:
    """Say why the permissions of every function have wildcards."""
    no_level = "X-Ray's trace data has no resource level"
    acknowledge(
        role.permissions,
        {
            "AwsSolutions-IAM5[Resource::*]": f"{no_level}, nor have descriptions of networks"
            if placement
            else no_level,
            f"AwsSolutions-IAM5[Resource::{log_group.streams_arn}]": (
                "Lambda names the log streams; the log group is named exactly"
            ),
            **(placement.function_acknowledgments(scope) if placement else {}),
        },
    )


def _acknowledge_function(function: lambda_.CfnFunction, *, is_in_vpc: bool) -> None:
    no_queue = (
        "Called by API Gateway only, which waits for the answer: an error goes back to the caller, not to a queue"
    )
    no_reserve = (
        "The usage plan and the endpoint's capacity limit concurrency; a reservation would fail in accounts that still "
        "have Lambda's starting quota of 10"
    )
    no_vpc = (
        "Calls the model, S3, KMS and X-Ray, all public AWS interfaces with TLS, and holds no route to anything private"
    )
    acknowledge(
        function,
        {
            "NIST.800.53.R5-LambdaDLQ": no_queue,
            "NIST.800.53.R5-LambdaConcurrency": no_reserve,
            **({} if is_in_vpc else {"NIST.800.53.R5-LambdaInsideVPC": no_vpc}),
            "AwsSolutions-L1": "Code and layer are built and tested for Python 3.13",
        },
    )
    skip_checkov(
        function,
        {
            "CKV_AWS_115": no_reserve,
            "CKV_AWS_116": no_queue,
            **({} if is_in_vpc else {"CKV_AWS_117": no_vpc}),
            "CKV_AWS_173": "No variable is secret: names and limits only, encrypted by Lambda's own key",
        },
    )
