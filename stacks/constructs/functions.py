"""The functions of the API: the image function with its layer and alias, and the authorizer that finds API keys."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.catalog import partition_of
from stacks.catalog.snapstart import load_snapstart_catalog
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, skip_checkov
from stacks.constructs.vpc import VpcConfig

CODE_DIRECTORY = Path(__file__).resolve().parents[2] / "lambda"
# Caches come and go with every test run, and must not make a new version.
_NOT_CODE = ["__pycache__", ".*_cache", "*.egg-info", "requirements.txt", "signing-requirements.txt"]

# What `console/` is built into.
_PAGE = CODE_DIRECTORY / "image_api" / "console" / "index.html"

# Where the function looks for its certificates (image_api/marks/credentials.py).
_CHAIN = Path("image_api", "marks", "certificate_chain.pem")

_RUNTIME = lambda_.Runtime.PYTHON_3_13
_ARCHITECTURE = lambda_.Architecture.ARM_64
ALIAS = "live"
# Lambda quotas, environment variables: 4 KB in all. What is left for names that are known only once deployed.
VARIABLES_BYTES = 4096 - 128

# The authorizer reads two headers. More memory buys the CPU that a cold start takes, and API Gateway waits for each.
_AUTHORIZER_MEMORY_MB = 256
_AUTHORIZER_TIMEOUT_SECONDS = 5


class FunctionVariablesError(ValueError):
    """The environment variables of a function are larger than Lambda allows."""


@dataclass(frozen=True, kw_only=True)
class SigningParts:
    """What the image function needs to sign images, beside the right to use the key.

    `layer_archive` is the zip archive of the layer with C2PA's library, which `make layer` builds; `chain_file` has the
    certificates in PEM.
    """

    layer_archive: Path
    chain_file: Path


class ImageFunction(Construct):
    """Function that answers the image API, started from a snapshot of its published version (SnapStart).

    Where Lambda has no SnapStart, by the catalog, it starts without: its first answer takes some seconds longer.

    `live` is the alias that callers invoke. It moves to a new version whenever code, layer or configuration changes.
    `timeout_seconds` is Lambda's own, after which it stops the function. `layer_archive` is the zip archive that
    `make layer` builds. With `signing` the function has a second layer, and the certificates in its package. Raises
    FunctionVariablesError where Lambda would refuse `variables` for their size, and
    FileNotFoundError where `layer_archive` does not exist.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        memory_mb: int,
        timeout_seconds: int,
        variables: Mapping[str, str],
        layer_archive: Path,
        log_group: logs.LogGroup,
        signing: SigningParts | None = None,
        vpc_config: VpcConfig | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_variables(variables)
        self._variables = dict(variables)
        self.role = _execution_role(self, "SDXL image API function", log_group, vpc_config)
        layers = [self._add_layer("Layer", layer_archive, "What the function imports beyond boto3")]
        if signing is not None:
            layers.append(self._add_layer("SigningLayer", signing.layer_archive, "What signs images (C2PA)"))
        self.function = lambda_.Function(
            self,
            "Function",
            description="SDXL image API",
            code=_code() if signing is None else _code_with(signing.chain_file),
            handler="image_api.api.handler",
            runtime=_RUNTIME,
            architecture=_ARCHITECTURE,
            layers=layers,
            role=self.role,
            memory_size=memory_mb,
            timeout=cdk.Duration.seconds(timeout_seconds),
            environment=dict(variables),
            snap_start=_snapstart(cdk.Stack.of(self).region),
            tracing=lambda_.Tracing.ACTIVE,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
        )
        _set_vpc_config(self.function, vpc_config)
        # The operations stack imports its name, and CloudFormation changes no export that another stack imports.
        keep_logical_id(self.function)
        # A version is published: `live` points to it.
        cdk.Annotations.of(self.function).acknowledge_warning("@aws-cdk/aws-lambda:snapStartRequirePublish")
        self.live = lambda_.Alias(self, "Alias", alias_name=ALIAS, version=self.function.current_version)
        keep_logical_id(self.live)
        _acknowledge(
            self.function,
            no_queue="Called by API Gateway only, which waits for the answer: an error goes back to the caller, not to "
            "a queue",
            no_reserve="The usage plan and the endpoint's capacity limit concurrency; a reservation would fail in "
            "accounts that still have Lambda's starting quota of 10",
            no_vpc=None
            if vpc_config
            else "Calls the model, S3, KMS and X-Ray, all public AWS interfaces with TLS, and holds no route to "
            "anything private",
            runtime="Code and layer are built and tested for Python 3.13",
            more_skips={"CKV_AWS_173": "No variable is secret: names and limits only, encrypted by Lambda's own key"},
        )

    def _add_layer(self, construct_id: str, archive: Path, description: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            construct_id,
            code=lambda_.Code.from_asset(str(_existing(archive))),
            compatible_runtimes=[_RUNTIME],
            compatible_architectures=[_ARCHITECTURE],
            description=description,
        )

    def add_variable(self, name: str, value: str) -> None:
        """Add an environment variable whose value is known only after the API. Raises FunctionVariablesError."""
        self._variables[name] = value
        check_variables(self._variables)
        self.function.add_environment(name, value)


class KeyAuthorizerFunction(Construct):
    """Function that finds the API key of a request in two headers.

    It has neither layer nor libraries: it starts in the time that Python takes.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, log_group: logs.LogGroup, vpc_config: VpcConfig | None = None
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Finds the API key of a request",
            code=_code(),
            handler="image_api.authorizer.handler",
            runtime=_RUNTIME,
            architecture=_ARCHITECTURE,
            role=_execution_role(self, "SDXL API key authorizer", log_group, vpc_config),
            memory_size=_AUTHORIZER_MEMORY_MB,
            timeout=cdk.Duration.seconds(_AUTHORIZER_TIMEOUT_SECONDS),
            tracing=lambda_.Tracing.ACTIVE,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
        )
        _set_vpc_config(self.function, vpc_config)
        _acknowledge(
            self.function,
            no_queue="Called by API Gateway only, which waits for the answer: an error refuses the request",
            no_reserve="Whoever used up a reservation would lock everyone else out; the account's concurrency is the "
            "limit for both functions",
            no_vpc=None if vpc_config else "Calls nothing: it reads two headers and answers",
            runtime="Code is built and tested for Python 3.13",
        )


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


def _snapstart(region: str) -> lambda_.SnapStartConf | None:
    """SnapStart where Lambda is known to have it. Elsewhere Lambda refuses a function that asks for it."""
    is_offered = load_snapstart_catalog().offers(region, partition_of(region))
    return lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if is_offered else None


def _code(directory: Path | None = None) -> lambda_.Code:
    if not _PAGE.is_file():
        raise FileNotFoundError(f"the creators' page {_PAGE.parent} is not built: run `make setup`")
    return lambda_.Code.from_asset(str(directory or CODE_DIRECTORY), exclude=_NOT_CODE)


def _code_with(chain_file: Path) -> lambda_.Code:
    """The code with a deployment's certificates, which are public. Environment variables have no room for them."""
    directory = Path(cdk.FileSystem.mkdtemp("sdxl-function-"))
    shutil.copytree(CODE_DIRECTORY, directory, ignore=shutil.ignore_patterns(*_NOT_CODE), dirs_exist_ok=True)
    shutil.copyfile(chain_file, directory / _CHAIN)
    return _code(directory)


def _existing(layer_archive: Path) -> Path:
    if not layer_archive.is_file():
        raise FileNotFoundError(
            f"the functions' layer {layer_archive} does not exist: run `make layer` (python -m tools.build_layer)"
        )
    return layer_archive


def _execution_role(scope: Construct, of: str, log_group: logs.LogGroup, vpc_config: VpcConfig | None) -> ServiceRole:
    """Role with what every function does: it writes its own log and, in a VPC, keeps network interfaces."""
    role = ServiceRole(
        scope, "ExecutionRole", service="lambda.amazonaws.com", description=f"Execution role of the {of}"
    )
    log_group.grant_write(role)
    no_level = "X-Ray's trace data has no resource level"
    if vpc_config is not None:
        vpc_config.grant_to_function(role)
        vpc_config.acknowledge_function(role.permissions)
        no_level += ", nor have descriptions of networks"
    acknowledge(role.permissions, {"AwsSolutions-IAM5[Resource::*]": no_level})
    return role


def _set_vpc_config(function: lambda_.Function, vpc_config: VpcConfig | None) -> None:
    """Put the function into a VPC.

    The construct's own `vpc` takes a VPC with availability zones and route tables, which an environment file does not
    name and a function does not need.
    """
    if vpc_config is not None:
        cast(lambda_.CfnFunction, function.node.default_child).vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=[*vpc_config.subnet_ids], security_group_ids=[*vpc_config.security_group_ids]
        )


def _acknowledge(
    function: lambda_.Function,
    *,
    no_queue: str,
    no_reserve: str,
    no_vpc: str | None,
    runtime: str,
    more_skips: Mapping[str, str] | None = None,
) -> None:
    acknowledge(
        function,
        {
            "NIST.800.53.R5-LambdaDLQ": no_queue,
            "NIST.800.53.R5-LambdaConcurrency": no_reserve,
            **({} if no_vpc is None else {"NIST.800.53.R5-LambdaInsideVPC": no_vpc}),
            "AwsSolutions-L1": runtime,
        },
    )
    skip_checkov(
        function,
        {
            "CKV_AWS_115": no_reserve,
            "CKV_AWS_116": no_queue,
            **({} if no_vpc is None else {"CKV_AWS_117": no_vpc}),
            **(more_skips or {}),
        },
    )
