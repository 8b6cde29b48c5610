"""The REST API: it passes every request to the image function, and answers by itself only what never reaches it."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.callers import Authorization, keys_of
from stacks.constructs.gateway_responses import cors_headers, gateway_responses
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, skip_checkov
from stacks.environment import API_STAGE, Api, Domain, pascal

# What is bytes: images on the way out, and forms with images on the way in. */* would make bytes of JSON, too.
BINARY_MEDIA_TYPES = ["image/png", "multipart/form-data"]
# Routes that anyone may call. Every other route is below /v1.
OPEN_PATHS = ("health", "openapi.json")
# The creators' page, where an environment has it: the page itself, and its files.
CONSOLE_PATHS = ("", "console/{proxy+}")
# Requests per second, and at once, with each HTTP method of each of them.
_OPEN_RATE = 5
_OPEN_BURST = 10
# Amazon API Gateway quotas: what an account has in a region.
_ACCOUNT_RATE, _ACCOUNT_BURST = 10_000, 5_000
# A page asks once, and the browser keeps the answer for an hour.
_PREFLIGHT_RATE = 50
_PREFLIGHT_BURST = 100
# A method setting names one of these: API Gateway refuses ANY there ("Invalid method setting path").
_HTTP_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

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


class ImageApi(Construct):
    """REST API in front of `function`, with the stage `api` and its logs.

    The gateway knows the open routes by name, and passes everything below /v1 on, OPTIONS without a check of the
    caller: browsers send no credential with a preflight request. The function routes, and validates every body.
    The access log is JSON; the execution log has errors. Prompts are in neither.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        function: lambda_.Alias,
        authorization: Authorization,
        settings: Api,
        has_console: bool,
        key: kms.IKey,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._authorization = settings, authorization
        self._open_paths = (*OPEN_PATHS, *CONSOLE_PATHS) if has_console else OPEN_PATHS
        self._makes_log_role = settings.gateway_log_role == "create"
        access_log = encrypted_log_group(
            self, "AccessLog", name=f"/aws/apigateway/{name}", key=key, retention_days=log_retention_days
        )
        keep_logical_id(access_log, "ApiStage/AccessLog")
        self.api = api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=name,
            description="SDXL image API",
            binary_media_types=BINARY_MEDIA_TYPES,
            api_key_source_type=authorization.api_key_source,
            endpoint_configuration=self._endpoint_configuration(),
            policy=self._resource_policy(),
            cloud_watch_role=self._makes_log_role,
            # One for the whole account and region: other APIs use it, so it is kept. A first deployment that fails
            # deletes it.
            cloud_watch_role_removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if self._makes_log_role
            else None,
            deploy_options=self._stage_options(apigateway.LogGroupLogDestination(access_log)),
        )
        # The stack has another output for the address.
        api.node.try_remove_child("Endpoint")
        self.stage = api.deployment_stage
        execution_log = encrypted_log_group(
            self,
            "ExecutionLog",
            # API Gateway writes there and nowhere else. Created here, it has a key and a retention.
            name=f"API-Gateway-Execution-Logs_{api.rest_api_id}/{API_STAGE}",
            key=key,
            retention_days=log_retention_days,
        )
        keep_logical_id(execution_log, "ApiStage/ExecutionLog")
        self.stage.node.add_dependency(execution_log)
        keep_logical_id(api)
        keep_logical_id(self.stage, "ApiStage/Stage")
        if self._makes_log_role:
            keep_logical_id(api.node.find_child("CloudWatchRole"), "ApiStage/Logging/Role")
            keep_logical_id(api.node.find_child("Account"), "ApiStage/Logging/Account")
        self._add_routes(function)
        self._add_gateway_responses()
        self._acknowledge()

    def url(self) -> str:
        """Address of the stage, without a slash at its end.

        A private API has the name that its first VPC endpoint gives it, which needs no private DNS in the VPC.
        """
        stack, private = cdk.Stack.of(self), self._settings.private
        name = self.api.rest_api_id if private is None else f"{self.api.rest_api_id}-{private.vpc_endpoint_ids[0]}"
        return f"https://{name}.execute-api.{stack.region}.{stack.url_suffix}/{API_STAGE}"

    def _endpoint_configuration(self) -> apigateway.EndpointConfiguration:
        private = self._settings.private
        if private is None:
            return apigateway.EndpointConfiguration(types=[apigateway.EndpointType.REGIONAL])
        return apigateway.EndpointConfiguration(
            types=[apigateway.EndpointType.PRIVATE],
            vpc_endpoints=[
                ec2.InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(
                    self, one, vpc_endpoint_id=one, port=443
                )
                for one in private.vpc_endpoint_ids
            ],
        )

    def _resource_policy(self) -> iam.PolicyDocument | None:
        """The policy of a private API: it refuses what comes another way; the methods decide who may call.

        With AWS identities the policy allows the open routes alone. An allowance here would count as the caller's own
        (API Gateway, "How API Gateway resource policies affect authorization workflow": in one account either is
        enough), so that everyone in the account could call everything.
        """
        private = self._settings.private
        if private is None:
            return None
        allowed = ["execute-api:/*"]
        if self._authorization.mode == "iam":
            allowed = [f"execute-api:/{API_STAGE}/*/{path}" for path in OPEN_PATHS]
            allowed.append(f"execute-api:/{API_STAGE}/OPTIONS/*")
        everyone = [iam.StarPrincipal()]
        return iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(principals=everyone, actions=["execute-api:Invoke"], resources=allowed),
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=everyone,
                    actions=["execute-api:Invoke"],
                    resources=["execute-api:/*"],
                    conditions={"StringNotEquals": {"aws:SourceVpce": list(private.vpc_endpoint_ids)}},
                ),
            ]
        )

    def _stage_options(self, access_log: apigateway.LogGroupLogDestination) -> apigateway.StageOptions:
        stage_rate, stage_burst = self._stage_throttle()
        limits = {
            f"/{path}/{method}": (_OPEN_RATE, _OPEN_BURST) for path in self._open_paths for method in _HTTP_METHODS
        }
        limits["/v1/{proxy+}/OPTIONS"] = (_PREFLIGHT_RATE, _PREFLIGHT_BURST)
        return apigateway.StageOptions(
            stage_name=API_STAGE,
            tracing_enabled=True,
            metrics_enabled=True,
            logging_level=apigateway.MethodLoggingLevel.ERROR,
            data_trace_enabled=False,
            access_log_destination=access_log,
            access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_ACCESS_LOG)),
            throttling_rate_limit=stage_rate,
            throttling_burst_limit=stage_burst,
            method_options={
                path: apigateway.MethodDeploymentOptions(
                    metrics_enabled=True,
                    logging_level=apigateway.MethodLoggingLevel.ERROR,
                    data_trace_enabled=False,
                    throttling_rate_limit=rate,
                    throttling_burst_limit=burst,
                )
                for path, (rate, burst) in limits.items()
            },
        )

    def _stage_throttle(self) -> tuple[float, int]:
        """Requests per second, and at once, to all routes but the open ones.

        With API keys as many as all keys together may send: no caller feels it, and requests with keys that nobody has
        given out cannot run the authorizer, and take the account's own limit (10,000 a second), without end.
        """
        if self._authorization.mode != "api_key":
            return self._settings.throttle.requests_per_second, self._settings.throttle.burst
        throttles = [key.throttle for key in keys_of(self._settings)]
        return (
            min(_ACCOUNT_RATE, sum(throttle.requests_per_second for throttle in throttles)),
            min(_ACCOUNT_BURST, sum(throttle.burst for throttle in throttles)),
        )

    def _add_routes(self, function: lambda_.Alias) -> None:
        stack = cdk.Stack.of(self)
        # Not LambdaIntegration: it adds a permission for each method, under an id that a pipeline changes. One for the
        # stage is enough.
        integration = apigateway.AwsIntegration(
            service="lambda",
            path=f"2015-03-31/functions/{function.function_arn}/invocations",
            proxy=True,
            options=apigateway.IntegrationOptions(
                timeout=cdk.Duration.seconds(self._settings.integration_timeout_seconds)
            ),
        )
        function.add_permission(
            "InvokePermission",
            principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=stack.format_arn(
                service="execute-api", resource=self.api.rest_api_id, resource_name=f"{API_STAGE}/*"
            ),
        )
        for path in self._open_paths:
            resource = self.api.root.resource_for_path(path)
            if path in OPEN_PATHS:
                # API Gateway allows one resource for a path, so the one that is deployed stays.
                keep_logical_id(resource, f"ImageApi/{pascal(path)}Path")
            _acknowledge_open(resource.add_method("ANY", integration))
        version = self.api.root.add_resource("v1")
        keep_logical_id(version, "ImageApi/V1Path")
        proxy = version.add_resource("{proxy+}")
        proxy.add_method(
            "ANY",
            integration,
            authorization_type=self._authorization.authorization_type,
            authorizer=self._authorization.authorizer,
            authorization_scopes=list(self._authorization.scopes) or None,
            api_key_required=self._authorization.api_key_required,
        )
        _acknowledge_open(proxy.add_method("OPTIONS", integration))

    def _add_gateway_responses(self) -> None:
        cors = cors_headers(self._settings.cors.allow_origins)
        for one in gateway_responses(self._settings):
            response = apigateway.GatewayResponse(
                self,
                pascal(one.response_type),
                rest_api=self.api,
                type=apigateway.ResponseType.of(one.response_type),
                status_code=None if one.status is None else str(one.status),
                response_headers={**cors, **one.headers} or None,
                templates={"application/json": one.template},
            )
            # An API has one response of each type.
            keep_logical_id(response)

    def _acknowledge(self) -> None:
        known = {
            "api_key": "Callers identify themselves with an API key, limited by its usage plan: api.auth",
            "iam": "Callers identify themselves with an AWS identity: api.auth",
            "cognito": "Callers identify themselves with the user pool's tokens, on every route but the open ones",
        }[self._authorization.mode]
        no_waf = "Every route that costs anything needs a known caller and is throttled; api.waf adds a firewall"
        no_cache = "An image is generated for each request: there is no answer to keep"
        no_certificate = "A client certificate serves HTTP backends; this API calls Lambda, signed with its permission"
        no_validation = (
            "The function validates every body: only it can name the wrong field in the caller's own convention"
        )
        push_to_logs = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
        acknowledge(self, {"AwsSolutions-COG4": known, "AwsSolutions-APIG2": no_validation})
        if self._makes_log_role:
            acknowledge(
                self.api.node.find_child("CloudWatchRole"),
                {
                    f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{push_to_logs}]": (
                        "API Gateway checks the account's role for the permissions of this policy before accepting it"
                    )
                },
            )
        acknowledge(
            self.stage,
            {
                "NIST.800.53.R5-APIGWCacheEnabledAndEncrypted": no_cache,
                "NIST.800.53.R5-APIGWSSLEnabled": no_certificate,
            },
        )
        if self._settings.waf is None:
            acknowledge(self.stage, {"AwsSolutions-APIG3": no_waf, "NIST.800.53.R5-APIGWAssociatedWithWAF": no_waf})
        skip_checkov(self.stage, {"CKV_AWS_120": no_cache})


class ApiDomain(Construct):
    """Regional domain name that leads to one stage.

    Its DNS record is created where the zone is: it names `domain_name.domain_name_alias_domain_name`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Domain, image_api: ImageApi) -> None:
        super().__init__(scope, construct_id)
        self.url = f"https://{settings.name}"
        self.domain_name = apigateway.DomainName(
            self,
            "DomainName",
            domain_name=settings.name,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", settings.certificate_arn),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        keep_logical_id(self.domain_name)
        # At the root: under a base path the function would see that path before each of its own.
        mapping = apigateway.BasePathMapping(
            self, "Mapping", domain_name=self.domain_name, rest_api=image_api.api, stage=image_api.stage
        )
        keep_logical_id(mapping)


def _acknowledge_open(method: apigateway.Method) -> None:
    if method.http_method == "OPTIONS":
        preflight = "Browsers send no credential with a preflight request, which the function answers without a model"
        acknowledge(method, {"AwsSolutions-APIG4": preflight})
        return
    reason = "Says whether the service is up or what it offers, or is the code of a page; throttled on its own"
    acknowledge(method, {"AwsSolutions-APIG4": reason})
    skip_checkov(method, {"CKV_AWS_59": reason})
