"""AWS::ApiGateway, how an API is served: deployments, stages, API keys, usage plans, the account's log role."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, call, tag_map, unless
from emulator.cloudformation.types_apigateway import GONE, backend

METHOD_SETTINGS: dict[str, tuple[str, Any]] = {
    "CacheDataEncrypted": ("cacheDataEncrypted", boolean),
    "CacheTtlInSeconds": ("cacheTtlInSeconds", int),
    "CachingEnabled": ("cachingEnabled", boolean),
    "DataTraceEnabled": ("dataTraceEnabled", boolean),
    "LoggingLevel": ("loggingLevel", str),
    "MetricsEnabled": ("metricsEnabled", boolean),
    "ThrottlingBurstLimit": ("throttlingBurstLimit", int),
    "ThrottlingRateLimit": ("throttlingRateLimit", float),
}
"""A stage's settings for methods: CloudFormation's name to the API's, and its type."""
NO_LOG_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"


class Deployment(ResourceType):
    """A deployment: a snapshot of the API as it is at that moment."""

    name = "AWS::ApiGateway::Deployment"
    carried = words("Description RestApiId")

    def create(self, context: Context, properties: Properties) -> Made:
        """Deploy."""
        deployment_id = call(context.client("apigateway"), "CreateDeployment", properties, of=self.name)["id"]
        return Made(deployment_id, {"DeploymentId": deployment_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the description."""
        deployment = backend(context).get_deployment(after["RestApiId"], made.physical_id)
        deployment.description = after.get("Description", "")
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the deployment, which API Gateway refuses while a stage serves it."""
        delete = context.client("apigateway").delete_deployment
        unless(GONE, delete, restApiId=properties["RestApiId"], deploymentId=made.physical_id)


class Stage(ResourceType):
    """A stage: a deployment under a name, with its logs, throttling and tracing."""

    name = "AWS::ApiGateway::Stage"
    carried = words(
        "AccessLogSetting DeploymentId Description MethodSettings RestApiId StageName Tags TracingEnabled Variables"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the stage, then set it up."""
        _require_log_role(context, properties)
        fields = {key: properties[key] for key in words("DeploymentId RestApiId StageName")}
        call(context.client("apigateway"), "CreateStage", fields, of=self.name)
        made = Made(properties["StageName"])
        context.initiated(made)
        self._set(context, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Serve another deployment, or change the settings."""
        _require_log_role(context, after)
        self._set(context, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the stage."""
        delete = context.client("apigateway").delete_stage
        unless(GONE, delete, restApiId=properties["RestApiId"], stageName=made.physical_id)

    def _set(self, context: Context, properties: Properties) -> None:
        stage = backend(context).get_stage(properties["RestApiId"], properties["StageName"])
        stage.method_settings = _method_settings(properties)
        stage.access_log_settings = _access_log(properties)
        stage.tracing_enabled = boolean(properties.get("TracingEnabled", False))
        stage.variables = {key: str(value) for key, value in properties.get("Variables", {}).items()}
        stage.description = properties.get("Description", "")
        stage.tags = tag_map(properties)
        stage.deployment_id = properties["DeploymentId"]


class ApiKey(ResourceType):
    """An API key."""

    name = "AWS::ApiGateway::ApiKey"
    carried = words("CustomerId Description Enabled GenerateDistinctId Name Tags Value")
    without_effect: ClassVar[dict[str, str]] = {
        "StageKeys": "deprecated: a key counts on the stages of its usage plans alone",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the key."""
        own = {key: value for key, value in properties.items() if key not in self.without_effect}
        fields = {"Name": context.physical_name(255), **own, "Tags": tag_map(properties)}
        key_id = call(context.client("apigateway"), "CreateApiKey", fields, of=self.name)["id"]
        return Made(key_id, {"APIKeyId": key_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Enable or disable the key, or describe it otherwise."""
        key = backend(context).get_api_key(made.physical_id)
        key.customer_id, key.description = after.get("CustomerId"), after.get("Description")
        key.enabled, key.tags = boolean(after.get("Enabled", False)), tag_map(after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the key."""
        unless(GONE, context.client("apigateway").delete_api_key, apiKey=made.physical_id)


class UsagePlan(ResourceType):
    """A usage plan: who may call which stages, how fast and how often."""

    name = "AWS::ApiGateway::UsagePlan"
    carried = words("ApiStages Description Quota Tags Throttle UsagePlanName")

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the plan."""
        client = context.client("apigateway")
        plan_id = call(client, "CreateUsagePlan", self._fields(context, properties), of=self.name)["id"]
        return Made(plan_id, {"Id": plan_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the plan; its keys stay."""
        fields = self._fields(context, after)
        plans = backend(context).usage_plans
        wanted_id = call(context.client("apigateway"), "CreateUsagePlan", fields, of=self.name)["id"]
        wanted, plan = plans.pop(wanted_id), plans[made.physical_id]
        for attribute in ("name", "description", "api_stages", "throttle", "quota", "tags"):
            setattr(plan, attribute, getattr(wanted, attribute))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the plan."""
        backend(context).usage_plans.pop(made.physical_id, None)

    @staticmethod
    def _fields(context: Context, properties: Properties) -> Properties:
        fields = {key: value for key, value in properties.items() if key != "UsagePlanName"}
        name = properties.get("UsagePlanName") or context.physical_name(255)
        return fields | {"Name": name, "Tags": tag_map(properties)}


class UsagePlanKey(ResourceType):
    """A key's place in a usage plan."""

    name = "AWS::ApiGateway::UsagePlanKey"
    carried = words("KeyId KeyType UsagePlanId")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the key into the plan."""
        call(context.client("apigateway"), "CreateUsagePlanKey", properties, of=self.name)
        physical_id = f"{properties['KeyId']}:{properties['UsagePlanId']}"
        return Made(physical_id, {"Id": physical_id})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the key out of the plan."""
        backend(context).usage_plan_keys.get(properties["UsagePlanId"], {}).pop(properties["KeyId"], None)


class Account(ResourceType):
    """The role with which API Gateway writes logs, for a whole account and region."""

    name = "AWS::ApiGateway::Account"
    carried = words("CloudWatchRoleArn")

    def create(self, context: Context, properties: Properties) -> Made:
        """Set the role."""
        physical_id = context.physical_name(128)
        backend(context).account.cloudwatch_role_arn = properties.get("CloudWatchRoleArn")
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Set another role."""
        backend(context).account.cloudwatch_role_arn = after.get("CloudWatchRoleArn")
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Leave the role set: so does CloudFormation."""


def _method_settings(properties: Properties) -> dict[str, dict[str, Any]]:
    settings = {}
    for item in properties.get("MethodSettings", []):
        refused = sorted(set(item) - set(METHOD_SETTINGS) - {"HttpMethod", "ResourcePath"})
        if refused:
            message = f"{Stage.name}.MethodSettings.{refused[0]} is not emulated"
            raise ResourceError(message)
        path = item.get("ResourcePath", "/*")
        if item.get("HttpMethod") == "ANY":
            # API Gateway's own words. A setting for each HTTP method takes its place.
            raise ResourceError(f"Invalid method setting path: {path.removeprefix('/')}/ANY")
        encoded = "*" if path == "/*" else path.removeprefix("/~1").removeprefix("/").replace("/", "~1")
        # The root's own path is one slash; all others start with it.
        name = "*" if encoded == "*" else f"~1{encoded}"
        settings[f"{name}/{item.get('HttpMethod', '*')}"] = {
            METHOD_SETTINGS[key][0]: METHOD_SETTINGS[key][1](value)
            for key, value in item.items()
            if key in METHOD_SETTINGS
        }
    return settings


def _access_log(properties: Properties) -> dict[str, str] | None:
    setting = properties.get("AccessLogSetting")
    if not setting:
        return None
    names = {"DestinationArn": "destinationArn", "Format": "format"}
    return {
        names[key]: str(value).removesuffix(":*") if key == "DestinationArn" else str(value)
        for key, value in setting.items()
    }


def _require_log_role(context: Context, properties: Properties) -> None:
    logged = [item.get("LoggingLevel", "OFF") for item in properties.get("MethodSettings", [])]
    wants_logs = "AccessLogSetting" in properties or any(level != "OFF" for level in logged)
    if wants_logs and not backend(context).account.cloudwatch_role_arn:
        raise ResourceError(NO_LOG_ROLE)
