"""AWS::Cognito: user pools, their clients, resource servers and sign-in domains."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from moto.cognitoidp.models import CognitoIdpUserPool, cognitoidp_backends

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import api_value, boolean, call, unless

GONE = "ResourceNotFoundException"
OWN_SCOPES = frozenset({"aws.cognito.signin.user.admin", "email", "openid", "phone", "profile"})
"""The scopes that every pool has."""


class UserPool(ResourceType):
    """A user pool. Users are made through the API."""

    name = "AWS::Cognito::UserPool"
    carried = words(
        "AccountRecoverySetting AdminCreateUserConfig AliasAttributes AutoVerifiedAttributes DeletionProtection "
        "DeviceConfiguration EmailConfiguration EmailVerificationMessage EmailVerificationSubject EnabledMfas "
        "LambdaConfig MfaConfiguration Policies Schema SmsVerificationMessage UserAttributeUpdateSettings "
        "UserPoolAddOns UserPoolName UserPoolTags UserPoolTier UsernameAttributes UsernameConfiguration "
        "VerificationMessageTemplate"
    )
    # Cognito's own words, which CloudFormation hands on.
    fixed: ClassVar[dict[str, str]] = {
        **{
            name: f"Invalid request provided: Updates are not allowed for property - {name}."
            for name in ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
        },
        "Schema": "AWS::Cognito::UserPool.Schema: attributes can only be added, which is not emulated",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the pool, then set its second factors."""
        client = context.client("cognito-idp")
        fields = self._fields(properties, properties.get("UserPoolName") or context.physical_name(128))
        pool = call(client, "CreateUserPool", fields, of=self.name)["UserPool"]
        provider = f"cognito-idp.{context.region}.amazonaws.com/{pool['Id']}"
        attributes = {"Arn": pool["Arn"], "UserPoolId": pool["Id"]}
        made = Made(pool["Id"], {**attributes, "ProviderName": provider, "ProviderURL": f"https://{provider}"})
        context.initiated(made)
        self._set_factors(client, pool["Id"], properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the settings; moto's own update forgets those that cannot change."""
        client = context.client("cognito-idp")
        pool = _pool(context, made.physical_id)
        shape = client.meta.service_model.operation_model("CreateUserPool").input_shape
        fields = api_value(self._fields(after, after.get("UserPoolName") or pool.name), shape, self.name)
        pool.name = fields.pop("PoolName")
        fields.pop("Schema", None)
        pool.update_extended_config(fields)
        self._set_factors(client, made.physical_id, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the pool, which Cognito refuses while it is protected."""
        if properties.get("DeletionProtection") == "ACTIVE":
            message = (
                "The user pool cannot be deleted because deletion protection is activated. Deletion protection must "
                "be inactivated first."
            )
            raise ResourceError(message)
        unless(GONE, context.client("cognito-idp").delete_user_pool, UserPoolId=made.physical_id)

    @staticmethod
    def _fields(properties: Properties, pool_name: str) -> Properties:
        fields = {key: value for key, value in properties.items() if key not in {"EnabledMfas", "UserPoolName"}}
        return fields | {"PoolName": pool_name}

    @staticmethod
    def _set_factors(client: Any, pool_id: str, properties: Properties) -> None:
        factors = properties.get("EnabledMfas") or []
        unknown = sorted(set(factors) - {"SOFTWARE_TOKEN_MFA"})
        if unknown:
            message = f"{UserPool.name}.EnabledMfas {unknown[0]} is not emulated: use SOFTWARE_TOKEN_MFA"
            raise ResourceError(message)
        fields = {"UserPoolId": pool_id, "MfaConfiguration": properties.get("MfaConfiguration") or "OFF"}
        if factors:
            fields["SoftwareTokenMfaConfiguration"] = {"Enabled": True}
        call(client, "SetUserPoolMfaConfig", fields, of=f"{UserPool.name}.EnabledMfas")


class UserPoolClient(ResourceType):
    """An app client of a pool."""

    name = "AWS::Cognito::UserPoolClient"
    carried = words(
        "AccessTokenValidity AllowedOAuthFlows AllowedOAuthFlowsUserPoolClient AllowedOAuthScopes "
        "AuthSessionValidity CallbackURLs ClientName DefaultRedirectURI EnablePropagateAdditionalUserContextData "
        "EnableTokenRevocation ExplicitAuthFlows GenerateSecret IdTokenValidity LogoutURLs "
        "PreventUserExistenceErrors ReadAttributes RefreshTokenValidity SupportedIdentityProviders "
        "TokenValidityUnits UserPoolId WriteAttributes"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the client."""
        _check_scopes(context, properties)
        client_name = properties.get("ClientName") or context.physical_name(128)
        fields = {**properties, "ClientName": client_name}
        made = call(context.client("cognito-idp"), "CreateUserPoolClient", fields, of=self.name)["UserPoolClient"]
        return Made(made["ClientId"], _client_attributes(made))

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the client."""
        _check_scopes(context, after)
        fields = {key: value for key, value in after.items() if key != "GenerateSecret"}
        client_name = after.get("ClientName") or made.attributes["Name"]
        fields |= {"ClientId": made.physical_id, "ClientName": client_name}
        changed = call(context.client("cognito-idp"), "UpdateUserPoolClient", fields, of=self.name)
        # What the template leaves out is as if it had never been set.
        extended = _pool(context, after["UserPoolId"]).clients[made.physical_id].extended_config
        for gone in set(before) - set(after):
            extended.pop(gone, None)
        return Made(made.physical_id, _client_attributes(changed["UserPoolClient"]))

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the client, unless its pool is gone already."""
        delete = context.client("cognito-idp").delete_user_pool_client
        unless(GONE, delete, UserPoolId=properties["UserPoolId"], ClientId=made.physical_id)


class UserPoolResourceServer(ResourceType):
    """Scopes that a pool's tokens may carry."""

    name = "AWS::Cognito::UserPoolResourceServer"
    carried = words("Identifier Name Scopes UserPoolId")

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the server."""
        call(context.client("cognito-idp"), "CreateResourceServer", properties, of=self.name)
        return Made(properties["Identifier"])

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change name and scopes, for which moto has no call."""
        shape = context.client("cognito-idp").meta.service_model.operation_model("CreateResourceServer").input_shape
        fields = api_value(after, shape, self.name)
        server = _pool(context, after["UserPoolId"]).resource_servers[made.physical_id]
        server.name, server.scopes = fields["Name"], fields.get("Scopes", [])
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the server, unless its pool is gone already."""
        pool = cognitoidp_backends[context.account][context.region].user_pools.get(properties["UserPoolId"])
        if pool:
            pool.resource_servers.pop(made.physical_id, None)


class UserPoolDomain(ResourceType):
    """The host of a pool's sign-in pages. Nothing serves them here."""

    name = "AWS::Cognito::UserPoolDomain"
    carried = words("CustomDomainConfig Domain UserPoolId")
    without_effect: ClassVar[dict[str, str]] = {"ManagedLoginVersion": "the look of the sign-in pages"}

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the domain."""
        if properties["Domain"] in cognitoidp_backends[context.account][context.region].user_pool_domains:
            raise ResourceError(f"Domain already associated with another user pool: {properties['Domain']}")
        return self._put(context, "CreateUserPoolDomain", properties)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the certificate of a custom domain."""
        return self._put(context, "UpdateUserPoolDomain", {"CustomDomainConfig": {}, **after})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the domain."""
        delete = context.client("cognito-idp").delete_user_pool_domain
        unless(GONE, delete, UserPoolId=properties["UserPoolId"], Domain=made.physical_id)

    def _put(self, context: Context, operation: str, properties: Properties) -> Made:
        fields = {key: value for key, value in properties.items() if key not in self.without_effect}
        answer = call(context.client("cognito-idp"), operation, fields, of=self.name)
        return Made(properties["Domain"], {"CloudFrontDistribution": answer["CloudFrontDomain"]})


def _pool(context: Context, pool_id: str) -> CognitoIdpUserPool:
    return cognitoidp_backends[context.account][context.region].describe_user_pool(pool_id)


def _check_scopes(context: Context, properties: Properties) -> None:
    """Cognito's rule that moto lacks: a client's scopes exist when the client is made."""
    servers = _pool(context, properties["UserPoolId"]).resource_servers.values()
    known = {f"{server.identifier}/{scope['ScopeName']}" for server in servers for scope in server.scopes or []}
    unknown = sorted(set(properties.get("AllowedOAuthScopes") or []) - known - OWN_SCOPES)
    if unknown:
        raise ResourceError(f"Invalid scope requested: {unknown[0]} (Service: CognitoIdentityProvider)")
    needs_flag = properties.get("AllowedOAuthFlows") or properties.get("AllowedOAuthScopes")
    if needs_flag and not boolean(properties.get("AllowedOAuthFlowsUserPoolClient", False)):
        raise ResourceError("AllowedOAuthFlowsUserPoolClient must be true where OAuth flows or scopes are set")


def _client_attributes(client: Properties) -> dict[str, str]:
    secret = {"ClientSecret": client["ClientSecret"]} if "ClientSecret" in client else {}
    return {"ClientId": client["ClientId"], "Name": client["ClientName"], **secret}
