"""AWS::WAFv2: web ACLs, what they protect, and where they log."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from moto.wafv2.models import FakeWebACL, wafv2_backends

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import api_value, call, removed_keys, tag_list, unless
from emulator.cloudformation.types_apigateway import backend as apigateway

GONE = "WAFNonexistentItemException"
LOG_PREFIX = "aws-waf-logs-"


class WebACL(ResourceType):
    """A web ACL. emulator/gateway/firewall.py has the rules that the gateway honours; others have no effect."""

    name = "AWS::WAFv2::WebACL"
    carried = words(
        "AssociationConfig CaptchaConfig ChallengeConfig CustomResponseBodies DefaultAction Description Name Rules "
        "Scope Tags TokenDomains VisibilityConfig"
    )
    name_property = "Name"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the ACL."""
        if properties["Scope"] != "REGIONAL":
            raise ResourceError(f"{self.name}.Scope {properties['Scope']} is not emulated: use REGIONAL")
        acl_name = properties.get("Name") or context.physical_name(128)
        fields = {**properties, "Name": acl_name}
        if "Tags" in properties:
            fields["Tags"] = tag_list(properties)
        arn = call(context.client("wafv2"), "CreateWebACL", fields, of=self.name)["Summary"]["ARN"]
        acl = _acl(context, arn)
        attributes = {"Arn": arn, "Capacity": acl.capacity, "Id": acl.id, "LabelNamespace": acl.label_namespace}
        return Made(f"{acl_name}|{acl.id}|{properties['Scope']}", attributes)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Replace everything that the ACL says; moto's own update keeps what is left out."""
        client = context.client("wafv2")
        acl = _acl(context, made.attributes["Arn"])
        fields = {key: value for key, value in after.items() if key != "Tags"}
        # Under another name for the moment, which leaves room for a suffix.
        trial_name = f"{acl.name[:100]}-changed"
        trial = call(client, "CreateWebACL", {**fields, "Name": trial_name}, of=self.name)["Summary"]
        wanted = wafv2_backends[context.account][context.region].wacls.pop(trial["ARN"])
        for attribute in self.settings:
            setattr(acl, attribute, getattr(wanted, attribute))
        if removed_keys(before, after):
            client.untag_resource(ResourceARN=acl.arn, TagKeys=removed_keys(before, after))
        if tag_list(after):
            client.tag_resource(ResourceARN=acl.arn, Tags=tag_list(after))
        return made

    settings = (
        *("association_config", "captcha_config", "challenge_config", "custom_response_bodies", "default_action"),
        *("description", "rules", "token_domains", "visibility_config"),
    )

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the ACL, which WAF refuses while it protects something."""
        acl = wafv2_backends[context.account][context.region].wacls.get(made.attributes["Arn"])
        if acl is None:
            return
        if acl.associated_resources:
            message = f"AWS WAF couldn't perform the operation because {acl.name} is associated with a resource."
            raise ResourceError(message)
        scope = properties["Scope"]
        context.client("wafv2").delete_web_acl(Name=acl.name, Id=acl.id, Scope=scope, LockToken=acl.lock_token)


class WebACLAssociation(ResourceType):
    """What a web ACL protects: a stage of an API."""

    name = "AWS::WAFv2::WebACLAssociation"
    carried = words("ResourceArn WebACLArn")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the ACL in front of the stage."""
        resource = properties["ResourceArn"]
        if not _stage_exists(context, resource):
            message = f"{self.name}.ResourceArn {resource} is no stage of a REST API that exists"
            raise ResourceError(message)
        call(context.client("wafv2"), "AssociateWebACL", properties, of=self.name)
        return Made(f"{properties['WebACLArn']}|{resource}")

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the ACL away from the stage."""
        context.client("wafv2").disassociate_web_acl(ResourceArn=properties["ResourceArn"])


class LoggingConfiguration(ResourceType):
    """Where a web ACL logs. Nothing is written there: the emulator's rules log nothing."""

    name = "AWS::WAFv2::LoggingConfiguration"
    carried = words("LogDestinationConfigs LoggingFilter RedactedFields ResourceArn")
    missing_attributes: ClassVar[dict[str, str]] = {"ManagedByFirewallManager": "there is no Firewall Manager here"}

    def create(self, context: Context, properties: Properties) -> Made:
        """Set the destination."""
        self._put(context, properties)
        return Made(properties["ResourceArn"])

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Set the destination anew."""
        self._put(context, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Stop logging."""
        unless(GONE, context.client("wafv2").delete_logging_configuration, ResourceArn=made.physical_id)

    def _put(self, context: Context, properties: Properties) -> None:
        _acl(context, properties["ResourceArn"])
        for destination in properties["LogDestinationConfigs"]:
            if not _destination_name(destination).startswith(LOG_PREFIX):
                message = (
                    f"The ARN isn't valid: the name of the log destination {destination} must begin with {LOG_PREFIX}"
                )
                raise ResourceError(message)
        client = context.client("wafv2")
        shape = client.meta.service_model.operation_model("PutLoggingConfiguration").input_shape
        configuration = api_value(properties, shape.members["LoggingConfiguration"], self.name)
        client.put_logging_configuration(LoggingConfiguration=configuration)


def _acl(context: Context, arn: str) -> FakeWebACL:
    found: Any = wafv2_backends[context.account][context.region].wacls.get(arn)
    if found is None:
        raise ResourceError(f"there is no web ACL {arn} (WAFNonexistentItemException)")
    return found


def _stage_exists(context: Context, resource_arn: str) -> bool:
    parts = resource_arn.split(":", 5)[-1].split("/")
    if len(parts) != 5 or (parts[1], parts[3]) != ("restapis", "stages"):
        return False
    api = apigateway(context).apis.get(parts[2])
    return api is not None and parts[4] in api.stages


def _destination_name(arn: str) -> str:
    """The log group's, stream's or bucket's own name."""
    return arn.removesuffix(":*").rpartition(":")[2].rpartition("/")[2]
