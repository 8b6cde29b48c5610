"""AWS::ApiGateway, who may call an API and under which name: authorizers, domain names and their mappings."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, tag_map, unless
from emulator.cloudformation.types_apigateway import GONE, backend

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
