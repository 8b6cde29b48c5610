"""The Regional REST API in front of the function: routes, request validation, gateway answers and deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs import cross_origin
from stacks.constructs.acknowledgments import acknowledge, skip_checkov
from stacks.constructs.arn import local_arn
from stacks.constructs.authorization import Authorization, invocation_uri
from stacks.constructs.content_id import rename_with_content
from stacks.constructs.gateway_responses import gateway_responses
from stacks.constructs.image_function import ImageFunction
from stacks.constructs.private_access import private_policy
from stacks.environment import API_STAGE, Api, pascal

# What is bytes: images on the way out, and forms with images on the way in. With */* API Gateway would take JSON bodies
# for bytes too, and validate none.
BINARY_MEDIA_TYPES = ["image/png", "multipart/form-data"]

_Part = TypeVar("_Part", bound=cdk.CfnResource)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method on one path. Without `request_schema` its body is not looked at.

    With `takes_forms` the schema holds for bodies that claim to be JSON, and those of any other type reach the function
    as they are: a form is no JSON, and under `$default` API Gateway would refuse every one. The function checks both.
    """

    construct_id: str
    method: str
    path: str
    is_open: bool = False
    request_schema: Mapping[str, Any] | None = None
    takes_forms: bool = False


class ImageApi(Construct):
    """REST API whose every route is answered by `function`.

    A deployment is a snapshot: it is made anew whenever anything that it would hold has changed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        routes: tuple[Route, ...],
        function: ImageFunction,
        authorization: Authorization,
        settings: Api,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._authorization = authorization
        self._origins = settings.cors.allow_origins
        self._parts: list[cdk.CfnResource] = []
        self._content: list[object] = []
        self._resources: dict[str, str] = {}

        face = _face(settings, authorization, routes)
        self.rest_api = apigateway.CfnRestApi(
            self,
            "RestApi",
            name=name,
            description="SDXL image API",
            binary_media_types=BINARY_MEDIA_TYPES,
            api_key_source_type=authorization.api_key_source,
            **face,
        )
        self.rest_api_id = self.rest_api.ref
        self._resources[""] = self.rest_api.attr_root_resource_id
        self._content += [BINARY_MEDIA_TYPES, authorization.api_key_source, face]
        self.authorizer_id = self._add_authorizer()
        # Read once: each reference is a call into the CDK's engine.
        self._validator_id = self._add(
            apigateway.CfnRequestValidator, "Validator", validate_request_body=True, validate_request_parameters=True
        ).ref
        self._integration = self._integration_with(invocation_uri(scope, function.alias_arn))
        for route in routes:
            self._add_route(route)
        self._add_preflight(routes)
        self._add_gateway_responses()

        self.deployment = apigateway.CfnDeployment(self, "Deployment", rest_api_id=self.rest_api_id)
        self.deployment.node.add_dependency(*self._parts)
        rename_with_content(self.deployment, self._content)
        lambda_.CfnPermission(
            self,
            "InvokePermission",
            action="lambda:InvokeFunction",
            principal="apigateway.amazonaws.com",
            function_name=function.alias_arn,
            # Every route of the deployed stage, and of no other.
            source_arn=local_arn(scope, "execute-api", f"{self.rest_api_id}/{API_STAGE}/*"),
        )
        _acknowledge_callers(self, authorization)

    def _add(self, kind: type[_Part], construct_id: str, **properties: Any) -> _Part:
        """Add a part of what a deployment holds."""
        part = kind(self, construct_id, rest_api_id=self.rest_api_id, **properties)  # type: ignore[call-arg]
        self._parts.append(part)
        self._content.append([construct_id, properties])
        return part

    def _resource(self, path: str) -> str:
        """Resource id of `path`, made with those above it."""
        if path not in self._resources:
            parent, _, last = path.rpartition("/")
            resource = self._add(
                apigateway.CfnResource,
                _construct_id(path),
                parent_id=self._resource(parent),
                path_part=last,
            )
            self._resources[path] = resource.ref
        return self._resources[path]

    def _add_route(self, route: Route) -> None:
        models: dict[str, str] = {}
        if route.request_schema is not None:
            model = self._add(
                apigateway.CfnModel,
                f"{route.construct_id}Request",
                content_type="application/json",
                schema=route.request_schema,
            )
            # Else whatever Content-Type a body claims: under a type of its own it would go round the schema.
            models["application/json" if route.takes_forms else "$default"] = model.ref
        method = self._add(
            apigateway.CfnMethod,
            route.construct_id,
            resource_id=self._resource(route.path),
            http_method=route.method,
            request_validator_id=self._validator_id,
            request_models=models or None,
            integration=self._integration,
            **self._authorization_of(route),
        )
        if route.is_open:
            reason = "Says whether the service is up, or what it offers, and nothing else; throttled on its own"
            acknowledge(method, {"AwsSolutions-APIG4": reason})
            skip_checkov(method, {"CKV_AWS_59": reason})

    def _authorization_of(self, route: Route) -> dict[str, Any]:
        if route.is_open:
            return {"authorization_type": "NONE", "api_key_required": False}
        return {
            "authorization_type": self._authorization.authorization_type,
            "authorizer_id": self.authorizer_id,
            "authorization_scopes": list(self._authorization.scopes) or None,
            "api_key_required": self._authorization.api_key_required,
        }

    def _add_authorizer(self) -> str | None:
        """Id of the authorizer that the methods share, if they have one."""
        if self._authorization.authorizer is None:
            return None
        return self._add(apigateway.CfnAuthorizer, "Authorizer", **self._authorization.authorizer).ref

    def _add_preflight(self, routes: tuple[Route, ...]) -> None:
        if not self._origins:
            return
        # Tokens, which the paths share: what they stand for goes through the CDK's engine once.
        responses = cdk.Token.as_any([cross_origin.preflight_response()])
        integrations: dict[tuple[str, ...], cdk.IResolvable] = {}
        for path in dict.fromkeys(route.path for route in routes):
            methods = tuple(route.method for route in routes if route.path == path)
            if methods not in integrations:
                integrations[methods] = cdk.Token.as_any(cross_origin.preflight_integration(self._origins, methods))
            self._add(
                apigateway.CfnMethod,
                f"{_construct_id(path)}Preflight",
                resource_id=self._resource(path),
                http_method="OPTIONS",
                authorization_type="NONE",
                api_key_required=False,
                integration=integrations[methods],
                method_responses=responses,
            )

    def _add_gateway_responses(self) -> None:
        cors = cross_origin.error_headers(self._origins)
        for response in gateway_responses(self._settings):
            headers = {**cors, **response.headers}
            self._add(
                apigateway.CfnGatewayResponse,
                pascal(response.response_type),
                response_type=response.response_type,
                status_code=None if response.status is None else str(response.status),
                response_parameters={f"gatewayresponse.header.{name}": value for name, value in headers.items()}
                or None,
                response_templates={"application/json": response.template},
            )

    def _integration_with(self, uri: str) -> apigateway.CfnMethod.IntegrationProperty:
        return apigateway.CfnMethod.IntegrationProperty(
            type="AWS_PROXY",
            integration_http_method="POST",
            uri=uri,
            timeout_in_millis=self._settings.integration_timeout_seconds * 1000,
        )


def _face(settings: Api, authorization: Authorization, routes: tuple[Route, ...]) -> dict[str, Any]:
    """From where the API is reached: everywhere, or through VPC endpoints alone."""
    if settings.private is None:
        return {"endpoint_configuration": apigateway.CfnRestApi.EndpointConfigurationProperty(types=["REGIONAL"])}
    ids = list(settings.private.vpc_endpoint_ids)
    open_routes = [(route.method, route.path) for route in routes if route.is_open]
    return {
        "endpoint_configuration": apigateway.CfnRestApi.EndpointConfigurationProperty(
            types=["PRIVATE"], vpc_endpoint_ids=ids
        ),
        "policy": private_policy(ids, authorization, open_routes),
    }


def _acknowledge_callers(api: ImageApi, authorization: Authorization) -> None:
    reason = {
        "api_key": "Callers identify themselves with an API key, limited by its usage plan: api.auth",
        "iam": "Callers identify themselves with an AWS identity: api.auth",
        "cognito": "Callers identify themselves with the user pool's tokens, on every route but the open ones",
    }[authorization.mode]
    acknowledge(api, {"AwsSolutions-COG4": reason})


def _construct_id(path: str) -> str:
    return f"{pascal(path)}Path"
