"""AWS::Lambda: functions, published versions, aliases, layers and permissions."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import io
import zipfile
from typing import Any, ClassVar

from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, removed_keys, tag_map, unless

GONE = "ResourceNotFoundException"


class Function(ResourceType):
    """A function."""

    name = "AWS::Lambda::Function"
    carried = words(
        "Architectures Code DeadLetterConfig Description Environment EphemeralStorage FunctionName Handler KmsKeyArn "
        "Layers LoggingConfig MemorySize PackageType ReservedConcurrentExecutions Role Runtime SnapStart Tags "
        "Timeout TracingConfig VpcConfig"
    )
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        ("SnapStartResponse", "SnapStartResponse.ApplyOn", "SnapStartResponse.OptimizationStatus"),
        "moto takes no snapshots",
    )
    name_property = "FunctionName"

    not_configuration = words("Code Architectures ReservedConcurrentExecutions Tags FunctionName PackageType")
    defaults: ClassVar[dict[str, Any]] = {
        "DeadLetterConfig": {"TargetArn": ""},
        "Description": "",
        "Environment": {"Variables": {}},
        "EphemeralStorage": {"Size": 512},
        "KmsKeyArn": "",
        "Layers": [],
        "LoggingConfig": {"LogFormat": "Text"},
        "MemorySize": 128,
        "SnapStart": {"ApplyOn": "None"},
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    }
    """What a setting goes back to when it is taken out of the template."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the function."""
        client = context.client("lambda")
        name = properties.get("FunctionName") or context.physical_name(64)
        fields = {key: value for key, value in properties.items() if key != "ReservedConcurrentExecutions"}
        fields |= {"FunctionName": name, "Tags": tag_map(properties), "Code": _code(properties)}
        arn = call(client, "CreateFunction", fields, of=self.name)["FunctionArn"]
        made = Made(name, {"Arn": arn})
        context.initiated(made)
        self._reserve(client, name, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change configuration and code."""
        client, name = context.client("lambda"), made.physical_id
        before_settings, settings = self._configuration(before), self._configuration(after)
        if before_settings != settings:
            call(client, "UpdateFunctionConfiguration", {"FunctionName": name, **settings}, of=self.name)
        if (before["Code"], before.get("Architectures")) != (after["Code"], after.get("Architectures")):
            architectures = {"Architectures": after["Architectures"]} if "Architectures" in after else {}
            call(client, "UpdateFunctionCode", {"FunctionName": name, **_code(after), **architectures}, of=self.name)
        self._reserve(client, name, after)
        if removed_keys(before, after):
            client.untag_resource(Resource=made.attributes["Arn"], TagKeys=removed_keys(before, after))
        if tag_map(after):
            client.tag_resource(Resource=made.attributes["Arn"], Tags=tag_map(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the function with all its versions."""
        unless(GONE, context.client("lambda").delete_function, FunctionName=made.physical_id)

    def _configuration(self, properties: Properties) -> Properties:
        settings = {key: value for key, value in properties.items() if key not in self.not_configuration}
        return self.defaults | settings

    @staticmethod
    def _reserve(client: Any, name: str, properties: Properties) -> None:
        reserved = properties.get("ReservedConcurrentExecutions")
        if reserved is None:
            client.delete_function_concurrency(FunctionName=name)
        else:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))


class Version(ResourceType):
    """A published version: the function's code and configuration at that moment."""

    name = "AWS::Lambda::Version"
    carried = words("CodeSha256 Description FunctionName")
    without_effect: ClassVar[dict[str, str]] = {
        "ProvisionedConcurrencyConfig": "a worker starts at its first call here, and stays",
        "RuntimePolicy": "functions run on the machine's own Python",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Publish."""
        names = words("CodeSha256 Description FunctionName")
        fields = {key: properties[key] for key in names if key in properties}
        version = call(context.client("lambda"), "PublishVersion", fields, of=self.name)
        arn = version["FunctionArn"]
        return Made(arn, {"Version": version["Version"], "FunctionArn": arn})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the version."""
        name, _, qualifier = made.physical_id.rpartition(":")
        unless(GONE, context.client("lambda").delete_function, FunctionName=name, Qualifier=qualifier)


class Alias(ResourceType):
    """An alias that points to a version."""

    name = "AWS::Lambda::Alias"
    carried = words("Description FunctionName FunctionVersion Name RoutingConfig")
    without_effect: ClassVar[dict[str, str]] = {
        "ProvisionedConcurrencyConfig": "a worker starts at its first call here, and stays"
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the alias."""
        arn = call(context.client("lambda"), "CreateAlias", self._fields(properties), of=self.name)["AliasArn"]
        return Made(arn, {"AliasArn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Point the alias elsewhere."""
        call(context.client("lambda"), "UpdateAlias", self._fields(after), of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the alias."""
        delete = context.client("lambda").delete_alias
        unless(GONE, delete, FunctionName=properties["FunctionName"], Name=properties["Name"])

    def _fields(self, properties: Properties) -> Properties:
        fields = {key: value for key, value in properties.items() if key not in self.without_effect}
        if "RoutingConfig" in fields:
            weights = fields["RoutingConfig"].get("AdditionalVersionWeights", [])
            fields["RoutingConfig"] = {
                "AdditionalVersionWeights": {item["FunctionVersion"]: item["FunctionWeight"] for item in weights}
            }
        return fields


class LayerVersion(ResourceType):
    """A version of a layer."""

    name = "AWS::Lambda::LayerVersion"
    carried = words("CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo")

    def create(self, context: Context, properties: Properties) -> Made:
        """Publish the layer."""
        fields = {"LayerName": f"{context.stack_name}-{context.logical_id}"[:140], **properties}
        arn = call(context.client("lambda"), "PublishLayerVersion", fields, of=self.name)["LayerVersionArn"]
        return Made(arn, {"LayerVersionArn": arn})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the layer's version."""
        name, _, number = made.physical_id.rpartition(":")
        delete = context.client("lambda").delete_layer_version
        unless(GONE, delete, LayerName=name.rpartition(":")[2], VersionNumber=int(number))


class Permission(ResourceType):
    """A statement of a function's resource policy."""

    name = "AWS::Lambda::Permission"
    carried = words(
        "Action EventSourceToken FunctionName FunctionUrlAuthType Principal PrincipalOrgID SourceAccount SourceArn"
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Add the statement."""
        statement = context.physical_name(100)
        fields = {**properties, **_function_and_qualifier(properties["FunctionName"]), "StatementId": statement}
        call(context.client("lambda"), "AddPermission", fields, of=self.name)
        return Made(statement, {"Id": statement})

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Remove the statement."""
        target = _function_and_qualifier(properties["FunctionName"])
        unless(GONE, context.client("lambda").remove_permission, StatementId=made.physical_id, **target)


def _function_and_qualifier(name_or_arn: str) -> dict[str, str]:
    """A function's name or ARN, and the qualifier that ends it where there is one."""
    name = name_or_arn.rpartition(":function:")[2]
    function, _, qualifier = name.partition(":")
    base = name_or_arn.removesuffix(f":{qualifier}") if qualifier else name_or_arn
    return {"FunctionName": base if ":function:" in name_or_arn else function} | (
        {"Qualifier": qualifier} if qualifier else {}
    )


def _code(properties: Properties) -> dict[str, Any]:
    """The code, with inline source made the archive that the API wants."""
    code = dict(properties["Code"])
    if "ZipFile" not in code:
        return code
    runtime = str(properties.get("Runtime", ""))
    file_name = "index.js" if runtime.startswith("nodejs") else "index.py"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo(file_name), code["ZipFile"])
    return {**code, "ZipFile": archive.getvalue()}
