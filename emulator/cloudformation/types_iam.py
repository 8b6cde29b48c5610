"""AWS::IAM: roles, inline policies, managed policies and identity providers."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, removed_keys, tag_list, unless

GONE = "NoSuchEntity"
# AWS Identity and Access Management API Reference, CreateRole, MaxSessionDuration.
DEFAULT_SESSION_SECONDS = 3600


class Role(ResourceType):
    """A role with its trust policy, inline and managed policies."""

    name = "AWS::IAM::Role"
    carried = words(
        "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary Policies "
        "RoleName Tags"
    )
    name_property = "RoleName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the role, then attach its policies."""
        iam = context.client("iam")
        role_name = properties.get("RoleName") or context.physical_name(64)
        fields = {key: properties[key] for key in words("Description MaxSessionDuration Path") if key in properties}
        if "PermissionsBoundary" in properties:
            fields["PermissionsBoundary"] = properties["PermissionsBoundary"]
        fields |= {"RoleName": role_name, "Tags": tag_list(properties)}
        fields["AssumeRolePolicyDocument"] = json.dumps(properties["AssumeRolePolicyDocument"])
        role = call(iam, "CreateRole", fields, of=self.name)["Role"]
        made = Made(role_name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})
        context.initiated(made)
        _set_policies(iam, role_name, {}, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change everything but name and path."""
        iam, role_name = context.client("iam"), made.physical_id
        if before["AssumeRolePolicyDocument"] != after["AssumeRolePolicyDocument"]:
            document = json.dumps(after["AssumeRolePolicyDocument"])
            iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=document)
        settings = {"Description": after.get("Description", "")}
        settings["MaxSessionDuration"] = after.get("MaxSessionDuration", DEFAULT_SESSION_SECONDS)
        call(iam, "UpdateRole", {"RoleName": role_name, **settings}, of=self.name)
        _set_policies(iam, role_name, before, after)
        if "PermissionsBoundary" in after:
            iam.put_role_permissions_boundary(RoleName=role_name, PermissionsBoundary=after["PermissionsBoundary"])
        elif "PermissionsBoundary" in before:
            iam.delete_role_permissions_boundary(RoleName=role_name)
        iam.untag_role(RoleName=role_name, TagKeys=removed_keys(before, after))
        iam.tag_role(RoleName=role_name, Tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the policies off the role and delete it."""
        iam = context.client("iam")
        try:
            _set_policies(iam, made.physical_id, properties, {})
            iam.delete_role(RoleName=made.physical_id)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != GONE:
                raise


class Policy(ResourceType):
    """An inline policy, put into every role that it names."""

    name = "AWS::IAM::Policy"
    carried = words("PolicyDocument PolicyName Roles")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the policy into its roles."""
        physical_id = context.physical_name(128)
        self._put(context, properties)
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the policy into its present roles, and out of those it has left."""
        self._put(context, after)
        for role_name in before.get("Roles", []):
            if role_name not in after.get("Roles", []) or before["PolicyName"] != after["PolicyName"]:
                _delete_inline(context.client("iam"), role_name, before["PolicyName"])
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the policy out of its roles."""
        for role_name in properties.get("Roles", []):
            _delete_inline(context.client("iam"), role_name, properties["PolicyName"])

    def _put(self, context: Context, properties: Properties) -> None:
        document = json.dumps(properties["PolicyDocument"])
        for role_name in properties.get("Roles", []):
            context.client("iam").put_role_policy(
                RoleName=role_name, PolicyName=properties["PolicyName"], PolicyDocument=document
            )


class ManagedPolicy(ResourceType):
    """A customer managed policy."""

    name = "AWS::IAM::ManagedPolicy"
    carried = words("Description ManagedPolicyName Path PolicyDocument Roles")
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *("AttachmentCount", "CreateDate", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount"),
            *("PolicyId", "UpdateDate"),
        ),
        "they change without the stack; the IAM API gives them",
    )
    name_property = "ManagedPolicyName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the policy and attach it."""
        iam = context.client("iam")
        fields = {key: properties[key] for key in words("Description Path") if key in properties}
        fields["PolicyName"] = properties.get("ManagedPolicyName") or context.physical_name(128)
        fields["PolicyDocument"] = json.dumps(properties["PolicyDocument"])
        arn = call(iam, "CreatePolicy", fields, of=self.name)["Policy"]["Arn"]
        made = Made(arn, {"PolicyArn": arn})
        context.initiated(made)
        for role_name in properties.get("Roles", []):
            iam.attach_role_policy(RoleName=role_name, PolicyArn=arn)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Make the changed document the policy's only version."""
        iam, arn = context.client("iam"), made.physical_id
        old = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = json.dumps(after["PolicyDocument"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)
        iam.delete_policy_version(PolicyArn=arn, VersionId=old)
        _attach(iam, before.get("Roles", []), after.get("Roles", []), arn)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Detach the policy and delete it."""
        iam = context.client("iam")
        _attach(iam, properties.get("Roles", []), [], made.physical_id)
        iam.delete_policy(PolicyArn=made.physical_id)


class OIDCProvider(ResourceType):
    """An identity provider by OpenID Connect. Its address is its name: an account has one for each address."""

    name = "AWS::IAM::OIDCProvider"
    carried = words("ClientIdList Tags ThumbprintList Url")
    name_property = "Url"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the provider. IAM looks the thumbprint up where the template has none."""
        iam = context.client("iam")
        fields = {key: properties[key] for key in words("ClientIdList Url") if key in properties}
        fields |= {"ThumbprintList": properties.get("ThumbprintList", []), "Tags": tag_list(properties)}
        arn = call(iam, "CreateOpenIDConnectProvider", fields, of=self.name)["OpenIDConnectProviderArn"]
        return Made(arn, {"Arn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change client ids, thumbprints and tags."""
        iam, arn = context.client("iam"), made.physical_id
        if sorted(before.get("ClientIdList", [])) != sorted(after.get("ClientIdList", [])):
            # moto has no AddClientIDToOpenIDConnectProvider. A new provider of the address has the same ARN.
            iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
            return self.create(context, after)
        if before.get("ThumbprintList") != after.get("ThumbprintList"):
            thumbprints = after.get("ThumbprintList", [])
            iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=thumbprints)
        iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=removed_keys(before, after))
        iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the provider; IAM does not look whether a role trusts it."""
        unless(GONE, context.client("iam").delete_open_id_connect_provider, OpenIDConnectProviderArn=made.physical_id)


def _set_policies(iam: Any, role_name: str, before: Properties, after: Properties) -> None:
    wanted = {item["PolicyName"]: item["PolicyDocument"] for item in after.get("Policies") or []}
    for policy_name, document in wanted.items():
        iam.put_role_policy(RoleName=role_name, PolicyName=policy_name, PolicyDocument=json.dumps(document))
    for item in before.get("Policies") or []:
        if item["PolicyName"] not in wanted:
            _delete_inline(iam, role_name, item["PolicyName"])
    had, has = before.get("ManagedPolicyArns") or [], after.get("ManagedPolicyArns") or []
    for arn in has:
        if arn not in had:
            iam.attach_role_policy(RoleName=role_name, PolicyArn=arn)
    for arn in had:
        if arn not in has:
            iam.detach_role_policy(RoleName=role_name, PolicyArn=arn)


def _attach(iam: Any, before: list[str], after: list[str], arn: str) -> None:
    for role_name in after:
        if role_name not in before:
            iam.attach_role_policy(RoleName=role_name, PolicyArn=arn)
    for role_name in before:
        if role_name not in after:
            iam.detach_role_policy(RoleName=role_name, PolicyArn=arn)


def _delete_inline(iam: Any, role_name: str, policy_name: str) -> None:
    try:
        iam.delete_role_policy(RoleName=role_name, PolicyName=policy_name)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != GONE:
            raise
