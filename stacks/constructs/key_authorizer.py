"""The function that finds the API key of a request, in whichever header it is."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge, skip_checkov
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.file_asset import FileAsset
from stacks.constructs.image_function import (
    ARCHITECTURE,
    RUNTIME,
    acknowledge_permissions,
    function_permissions,
    vpc_config,
)
from stacks.constructs.placement import Placement
from stacks.constructs.service_role import ServiceRole

# It reads two headers. More memory buys the CPU that a cold start takes, and API Gateway waits for every one.
_MEMORY_MB = 256
_TIMEOUT_SECONDS = 5


class KeyAuthorizer(Construct):
    """Function `image_api.authorizer`, without layer and libraries: it starts in the time that Python takes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: FileAsset,
        log_group: EncryptedLogGroup,
        placement: Placement | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        role = ServiceRole(
            self,
            "ExecutionRole",
            service="lambda.amazonaws.com",
            description="Execution role of the SDXL API key authorizer",
            statements=function_permissions(scope, log_group, placement),
        )
        acknowledge_permissions(scope, role, log_group, placement)
        self.function = lambda_.CfnFunction(
            self,
            "Function",
            description="Finds the API key of a request",
            code=lambda_.CfnFunction.CodeProperty(s3_bucket=code.bucket_name, s3_key=code.object_key),
            handler="image_api.authorizer.handler",
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            role=role.arn,
            memory_size=_MEMORY_MB,
            timeout=_TIMEOUT_SECONDS,
            tracing_config=lambda_.CfnFunction.TracingConfigProperty(mode="Active"),
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_format="JSON", log_group=log_group.ref),
            vpc_config=vpc_config(placement) if placement else None,
        )
        _acknowledge_function(self.function, is_in_vpc=placement is not None)

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return self.function.attr_arn

    def permit(self, source_arn: str) -> None:
        """Let API Gateway call the function as the authorizer with this ARN. Called once."""
        lambda_.CfnPermission(
            self,
            "InvokePermission",
            action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com",
            function_name=self.function.ref,
            source_arn=source_arn,
        )


def _acknowledge_function(function: lambda_.CfnFunction, *, is_in_vpc: bool) -> None:
    no_queue = "Called by API Gateway only, which waits for the answer: an error refuses the request"
    no_reserve = (
        "Whoever used up a reservation would lock everyone else out; the account's concurrency is the limit for both "
        "functions"
    )
    no_vpc = "Calls nothing: it reads two headers and answers"
    acknowledge(
        function,
        {
            "NIST.800.53.R5-LambdaDLQ": no_queue,
            "NIST.800.53.R5-LambdaConcurrency": no_reserve,
            **({} if is_in_vpc else {"NIST.800.53.R5-LambdaInsideVPC": no_vpc}),
            "AwsSolutions-L1": "Code is built and tested for Python 3.13",
        },
    )
    outside = {} if is_in_vpc else {"CKV_AWS_117": no_vpc}
    skip_checkov(function, {"CKV_AWS_115": no_reserve, "CKV_AWS_116": no_queue, **outside})
