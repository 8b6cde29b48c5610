"""The deployed stage of a REST API: logs, metrics, tracing and method throttling."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge, skip_checkov
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.gateway_logging import GatewayLogging
from stacks.environment import API_STAGE, Throttle

# Requests per second, and at once, to a route that anyone may call.
_OPEN_RATE = 5
_OPEN_BURST = 10

# Only variables whose values cannot hold a quote: API Gateway writes them into this text as they are.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "requestTime": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "apiKeyId": "$context.identity.apiKeyId",
    "user": "$context.authorizer.claims.sub",
    "caller": "$context.identity.userArn",
    "httpMethod": "$context.httpMethod",
    "resourcePath": "$context.resourcePath",
    "status": "$context.status",
    "errorType": "$context.error.responseType",
    "integrationStatus": "$context.integration.integrationStatus",
    "integrationLatency": "$context.integration.latency",
    "responseLatency": "$context.responseLatency",
    "responseLength": "$context.responseLength",
    "xrayTraceId": "$context.xrayTraceId",
}


class ApiStage(Construct):
    """Stage `api`: access log in JSON, errors in the execution log, X-Ray. Prompts are in neither log."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rest_api_id: str,
        deployment: apigateway.CfnDeployment,
        access_log_name: str,
        key_arn: str,
        log_retention_days: int,
        open_routes: tuple[tuple[str, str], ...],
        throttle: Throttle | None,
        behind_firewall: bool,
    ) -> None:
        """`throttle` is for all callers together, where no usage plan limits each of them.

        `open_routes` are (method, path) of the routes that anyone may call: they get a throttle of their own.
        """
        super().__init__(scope, construct_id)
        access_log = EncryptedLogGroup(
            self, "AccessLog", name=access_log_name, key_arn=key_arn, retention_days=log_retention_days
        )
        execution_log = EncryptedLogGroup(
            self,
            "ExecutionLog",
            # API Gateway writes there and nowhere else. Made here, it has a key and a retention.
            name=f"API-Gateway-Execution-Logs_{rest_api_id}/{API_STAGE}",
            key_arn=key_arn,
            retention_days=log_retention_days,
        )
        logging = GatewayLogging(self, "Logging")
        self.stage = apigateway.CfnStage(
            self,
            "Stage",
            stage_name=API_STAGE,
            rest_api_id=rest_api_id,
            deployment_id=deployment.ref,
            tracing_enabled=True,
            access_log_setting=apigateway.CfnStage.AccessLogSettingProperty(
                destination_arn=access_log.arn, format=json.dumps(_ACCESS_LOG)
            ),
            method_settings=[
                _method_setting(
                    "*",
                    "/*",
                    rate=None if throttle is None else throttle.requests_per_second,
                    burst=None if throttle is None else throttle.burst,
                ),
                *(_method_setting(method, path, rate=_OPEN_RATE, burst=_OPEN_BURST) for method, path in open_routes),
            ],
        )
        self.stage.node.add_dependency(logging, access_log, execution_log)
        _acknowledge_stage(self.stage, behind_firewall=behind_firewall)

    def url(self, rest_api_id: str, *, vpc_endpoint_id: str | None = None) -> str:
        """Address of the stage, without a slash at its end; of a private API by the name that a VPC endpoint gives it.

        That name needs no private DNS in the VPC.
        """
        stack = cdk.Stack.of(self)
        name = rest_api_id if vpc_endpoint_id is None else f"{rest_api_id}-{vpc_endpoint_id}"
        return f"https://{name}.execute-api.{stack.region}.{stack.url_suffix}/{API_STAGE}"


def _method_setting(
    method: str, path: str, *, rate: float | None = None, burst: int | None = None
) -> apigateway.CfnStage.MethodSettingProperty:
    return apigateway.CfnStage.MethodSettingProperty(
        http_method=method,
        # In a method setting every slash after the first is written ~1.
        resource_path=path if path == "/*" else "/" + path.replace("/", "~1"),
        metrics_enabled=True,
        logging_level="ERROR",
        data_trace_enabled=False,
        throttling_rate_limit=rate,
        throttling_burst_limit=burst,
    )


def _acknowledge_stage(stage: apigateway.CfnStage, *, behind_firewall: bool) -> None:
    no_waf = "Every route that costs anything needs a known caller and is throttled; api.waf adds a firewall"
    no_cache = "An image is generated for each request: there is no answer to keep"
    no_certificate = "A client certificate serves HTTP backends; this API calls Lambda, signed with its permission"
    acknowledge(
        stage,
        {
            "NIST.800.53.R5-APIGWCacheEnabledAndEncrypted": no_cache,
            "NIST.800.53.R5-APIGWSSLEnabled": no_certificate,
        },
    )
    if not behind_firewall:
        acknowledge(stage, {"AwsSolutions-APIG3": no_waf, "NIST.800.53.R5-APIGWAssociatedWithWAF": no_waf})
    skip_checkov(stage, {"CKV_AWS_120": no_cache})
