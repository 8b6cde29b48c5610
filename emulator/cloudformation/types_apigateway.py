"""AWS::ApiGateway, what an API is made of: API, resources, methods, gateway responses, authorizers, domain names.

moto's patch operations cover a part of what can change, so changes are put into moto's records directly.
"""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any

from moto.apigateway.models import APIGatewayBackend, RestAPI, apigateway_backends

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, tag_map, unless

GONE = "NotFoundException"


def backend(context: Context) -> APIGatewayBackend:
    """Moto's API Gateway of the stack's account and region."""
    return apigateway_backends[context.account][context.region]


class RestApi(ResourceType):
    """A REST API, made from resources of their own; a Body is not emulated."""

    name = "AWS::ApiGateway::RestApi"
    carried = words(
        "ApiKeySourceType BinaryMediaTypes Description DisableExecuteApiEndpoint EndpointConfiguration "
        "MinimumCompressionSize Name Policy Tags"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the API."""
        created = call(context.client("apigateway"), "CreateRestApi", self._fields(properties), of=self.name)
        api_id = created["id"]
        root = backend(context).get_rest_api(api_id).root_resource_id
        return Made(api_id, {"RestApiId": api_id, "RootResourceId": root})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the API's settings."""
        # An API that is never served shows what the settings mean to moto.
        client = context.client("apigateway")
        wanted_id = call(client, "CreateRestApi", self._fields(after), of=self.name)["id"]
        apis = backend(context).apis
        wanted, api = apis.pop(wanted_id), apis[made.physical_id]
        for attribute in RestApi.settings:
            setattr(api, attribute, getattr(wanted, attribute))
        return made

    settings = (
        *("name", "description", "binaryMediaTypes", "api_key_source", "policy", "endpoint_configuration"),
        *("tags", "disableExecuteApiEndpoint", "minimum_compression_size"),
    )

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the API with everything in it."""
        unless(GONE, context.client("apigateway").delete_rest_api, restApiId=made.physical_id)

    def _fields(self, properties: Properties) -> Properties:
        if "Name" not in properties:
            message = f"{self.name}.Name is missing: an API without a Body must have a name"
            raise ResourceError(message)
        fields = {key: value for key, value in properties.items() if key != "ApiKeySourceType"}
        fields["Tags"] = tag_map(properties)
        if "ApiKeySourceType" in properties:
            fields["apiKeySource"] = properties["ApiKeySourceType"]
        if "Policy" in properties:
            fields["Policy"] = json.dumps(properties["Policy"])
        return fields


class Resource(ResourceType):
    """A part of a path."""

    name = "AWS::ApiGateway::Resource"
    carried = words("ParentId PathPart RestApiId")

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the resource."""
        resource_id = call(context.client("apigateway"), "CreateResource", properties, of=self.name)["id"]
        return Made(resource_id, {"ResourceId": resource_id})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the resource, unless its API is gone already."""
        delete = context.client("apigateway").delete_resource
        unless(GONE, delete, restApiId=properties["RestApiId"], resourceId=made.physical_id)


class Method(ResourceType):
    """A method, with the function behind it."""

    name = "AWS::ApiGateway::Method"
    carried = words(
        "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod Integration OperationName "
        "ResourceId RestApiId"
    )
    integration = words("IntegrationHttpMethod TimeoutInMillis Type Uri")
    """What of an integration reaches the gateway."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the method and its integration."""
        client, key = context.client("apigateway"), self._key(properties)
        own = {name: value for name, value in properties.items() if name != "Integration"}
        call(client, "PutMethod", {"AuthorizationType": "NONE", **own, **key}, of=self.name)
        if integration := properties.get("Integration"):
            self._put_integration(client, key, integration)
        return Made("|".join(key.values()))

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the method anew; callers see it only with the next deployment."""
        self.delete(context, made, before)
        return self.create(context, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the method, unless its API is gone already."""
        unless(GONE, context.client("apigateway").delete_method, **self._key(properties))

    @staticmethod
    def _key(properties: Properties) -> dict[str, str]:
        return {
            "restApiId": properties["RestApiId"],
            "resourceId": properties["ResourceId"],
            "httpMethod": properties["HttpMethod"],
        }

    def _put_integration(self, client: Any, key: dict[str, str], integration: dict[str, Any]) -> None:
        if refused := sorted(set(integration) - self.integration):
            raise ResourceError(f"{self.name}.Integration.{refused[0]} is not emulated")
        if integration.get("Type") != "AWS_PROXY":
            raise ResourceError(
                f"{self.name}.Integration.Type {integration.get('Type')} is not emulated: use AWS_PROXY"
            )
        call(client, "PutIntegration", {**integration, **key}, of=f"{self.name}.Integration")


class GatewayResponse(ResourceType):
    """An answer that the gateway gives by itself."""

    name = "AWS::ApiGateway::GatewayResponse"
    carried = words("ResponseParameters ResponseTemplates ResponseType RestApiId StatusCode")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the response."""
        call(context.client("apigateway"), "PutGatewayResponse", properties, of=self.name)
        physical_id = context.physical_name(128)
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the response anew."""
        call(context.client("apigateway"), "PutGatewayResponse", after, of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the response, unless its API is gone already."""
        api = _api(context, properties)
        if api is not None:
            api.gateway_responses.pop(properties["ResponseType"], None)


def _api(context: Context, properties: Properties) -> RestAPI | None:
    return backend(context).apis.get(properties["RestApiId"])


DEFAULT_TTL_SECONDS = 300
MAX_TTL_SECONDS = 3600


class Authorizer(ResourceType):
    """A function or user pools that decide on callers."""

    name = "AWS::ApiGateway::Authorizer"
    carried = words(
        "AuthType AuthorizerCredentials AuthorizerResultTtlInSeconds AuthorizerUri IdentitySource "
        "IdentityValidationExpression Name ProviderARNs RestApiId Type"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the authorizer."""
        _check(properties)
        authorizer_id = call(context.client("apigateway"), "CreateAuthorizer", properties, of=self.name)["id"]
        return Made(authorizer_id, {"AuthorizerId": authorizer_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the authorizer; callers see it only with the next deployment."""
        _check(after)
        authorizers = backend(context).get_rest_api(after["RestApiId"]).authorizers
        wanted_id = call(context.client("apigateway"), "CreateAuthorizer", after, of=self.name)["id"]
        wanted = authorizers.pop(wanted_id)
        wanted.id = made.physical_id
        authorizers[made.physical_id] = wanted
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the authorizer, unless its API is gone already."""
        api = backend(context).apis.get(properties["RestApiId"])
        if api is not None:
            api.authorizers.pop(made.physical_id, None)


class DomainName(ResourceType):
    """A custom domain name of APIs. The gateway serves it to requests that have it as their Host header."""

    name = "AWS::ApiGateway::DomainName"
    carried = words("CertificateArn DomainName EndpointConfiguration RegionalCertificateArn SecurityPolicy Tags")
    name_property = "DomainName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the name. That its certificate exists is not checked."""
        domain = properties["DomainName"]
        if domain in backend(context).domain_names:
            raise ResourceError("The domain name you provided already exists.")
        fields = {**properties, "Tags": tag_map(properties)}
        made = call(context.client("apigateway"), "CreateDomainName", fields, of=self.name)
        attributes = {
            "DistributionDomainName": made["distributionDomainName"],
            "DistributionHostedZoneId": made["distributionHostedZoneId"],
            "DomainNameArn": f"arn:{context.partition}:apigateway:{context.region}::/domainnames/{domain}",
            "RegionalDomainName": made["regionalDomainName"],
            "RegionalHostedZoneId": made["regionalHostedZoneId"],
        }
        return Made(domain, attributes)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change certificate, endpoint, security policy and tags."""
        names = backend(context).domain_names
        current = names.pop(made.physical_id)
        try:
            fields = {**after, "Tags": tag_map(after)}
            call(context.client("apigateway"), "CreateDomainName", fields, of=self.name)
            wanted = names[made.physical_id]
            for attribute in self.settings:
                setattr(current, attribute, getattr(wanted, attribute))
        finally:
            names[made.physical_id] = current
        return made

    settings = ("certificate_arn", "endpoint_configuration", "regional_certificate_arn", "security_policy", "tags")

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the name."""
        unless(GONE, context.client("apigateway").delete_domain_name, domainName=made.physical_id)


class BasePathMapping(ResourceType):
    """The stage that a domain name leads to."""

    name = "AWS::ApiGateway::BasePathMapping"
    carried = words("BasePath DomainName RestApiId Stage")

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the mapping."""
        call(context.client("apigateway"), "CreateBasePathMapping", properties, of=self.name)
        return Made(f"{properties['DomainName']}|{_base_path(properties)}")

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Lead elsewhere."""
        api = backend(context).get_rest_api(after["RestApiId"])
        if after.get("Stage") and after["Stage"] not in api.stages:
            raise ResourceError("Invalid stage identifier specified")
        mapping = backend(context).get_base_path_mapping(after["DomainName"], _base_path(after))
        mapping.rest_api_id, mapping.stage = after["RestApiId"], after.get("Stage")
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the mapping, unless its name is gone already."""
        mappings = backend(context).base_path_mappings.get(properties["DomainName"], {})
        mappings.pop(_base_path(properties), None)


def _base_path(properties: Properties) -> str:
    return str(properties.get("BasePath") or "(none)")


def _check(properties: Properties) -> None:
    """API Gateway's rules that moto lacks."""
    ttl = int(properties.get("AuthorizerResultTtlInSeconds", DEFAULT_TTL_SECONDS))
    if not 0 <= ttl <= MAX_TTL_SECONDS:
        message = f"{Authorizer.name}.AuthorizerResultTtlInSeconds must be from 0 to {MAX_TTL_SECONDS}, not {ttl}"
        raise ResourceError(message)
    kind = properties["Type"]
    if kind == "REQUEST" and ttl and not properties.get("IdentitySource"):
        message = (
            f"{Authorizer.name}.IdentitySource is missing: an authorizer of type REQUEST remembers its answers by it; "
            "without one AuthorizerResultTtlInSeconds must be 0"
        )
        raise ResourceError(message)
    if kind == "COGNITO_USER_POOLS" and not properties.get("ProviderARNs"):
        raise ResourceError(f"{Authorizer.name}.ProviderARNs is missing: name the user pools")
